/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usmsync send: mails from files.  The name of a sending is in the state before it is asked for, and leaves it with the answer: a run that was
 * interrupted is repeated under the same name and sends nothing twice, and the same file sent again some other day is another sending.
 */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SEND ((size_t)256 * 1024 * 1024)
#define PATIENCE_S 900 /* with a server that says "ask again"; longer than its largest ox_write_max_time needs to be */

/* The name under which this very file is being sent, kept until the server has answered. */
static char *
sending_name(struct client *c, const char *key, struct err *e)
{
	char *id = state_get(c, key), hex[33];
	unsigned char rnd[16];

	if (id != NULL && id[0] != '\0')
		return id;
	mem_free(id);
	random_bytes(rnd, sizeof(rnd));
	hex_encode(rnd, sizeof(rnd), hex);
	return state_set(c, key, hex, e) == RC_OK ? mem_dup_str(hex) : NULL;
}

/* May the same request be sent again? (usm-json(7), rule 3 and status 12) */
static bool
ask_again(enum rc rc, const struct err *e)
{
	static const char *const codes[] = { "busy", "upstream", "upstream-timeout", "internal" };

	for (size_t i = 0; rc == RC_UPSTREAM && i < ARRAY_LEN(codes); i++)
		if (strcmp(e->code, codes[i]) == 0)
			return true;
	return rc == RC_TIMEOUT;
}

static void
wait_s(int s)
{
	struct timespec ts = { .tv_sec = s };

	(void)nanosleep(&ts, NULL);
}

static enum rc
call_until_known(struct client *c, const json_t *body, json_t **data, struct err *e)
{
	int64_t until = now_mono_us() + (int64_t)PATIENCE_S * 1000000;

	for (;;) {
		enum rc rc;

		*data = NULL;
		memset(e, 0, sizeof(*e));
		rc = net_call(c->net, "sendMail", body, 300, data, e);
		if (!ask_again(rc, e) || client_stop || now_mono_us() > until)
			return rc;
		wait_s(e->retry_after_s > 0 && e->retry_after_s < 60 ? e->retry_after_s : 5);
	}
}

enum rc
send_octets(struct client *c, const char *key, const char *id, const struct buf *raw, const char *what, struct err *e)
{
	json_t *body = NULL, *data = NULL;
	const char *state;
	struct buf text;
	enum rc rc;

	buf_init(&text, MAX_SEND / 2 * 3);
	base64_encode(&text, raw->p != NULL ? raw->p : "", raw->len);
	body = text.failed ? NULL : json_pack("{s:s, s:s%}", "clientId", id, "raw", text.p != NULL ? text.p : "", text.len);
	if (body == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory for %s", what);
		goto out;
	}
	if (c->o.again)
		(void)json_object_set_new(body, "resend", json_true());
	rc = call_until_known(c, body, &data, e);
	state = json_string_value(json_object_get(data, "state"));
	if (rc == RC_OK && state != NULL && strcmp(state, "sent") == 0) {
		c->t.up++;
		rc = state_set(c, key, "", e);
	} else if (rc == RC_OK) {
		complain(c, "%s: it is not known whether this mail was sent, the mail server did not answer; ask a recipient, or send it once more with --again", what);
	}
out:
	json_decref(body);
	json_decref(data);
	buf_fini(&text);
	return rc;
}

static enum rc
send_one(struct client *c, const char *file, struct err *e)
{
	char hash[65], key[80], *id;
	struct buf raw;
	enum rc rc;

	buf_init(&raw, MAX_SEND);
	rc = file_read_any(file, &raw, e);
	if (rc == RC_OK) {
		file_hash(raw.p != NULL ? raw.p : "", raw.len, hash);
		(void)snprintf(key, sizeof(key), "send %s", hash);
		id = sending_name(c, key, e);
		rc = id != NULL ? send_octets(c, key, id, &raw, file, e) : err_set(e, RC_NOMEM, "out of memory for %s", file);
		mem_free(id);
	}
	buf_fini(&raw);
	return rc;
}

enum rc
send_files(struct client *c, struct err *e)
{
	enum rc rc = RC_OK;

	if (c->o.n_command < 2)
		return err_set(e, RC_PROTO, "send needs the names of files with mails in them");
	for (int i = 1; i < c->o.n_command && rc == RC_OK && !client_stop; i++) {
		const char *file = c->o.command[i];

		rc = send_one(c, file, e);
		if (rc == RC_PROTO || rc == RC_NOTFOUND || rc == RC_LIMIT || rc == RC_FORBIDDEN) { /* this mail's own fault: the others go on */
			bool named = strncmp(e->text, file, strlen(file)) == 0; /* what cannot be read names its file */

			complain(c, "%s%s%s", named ? "" : file, named ? "" : ": ", e->text);
			rc = RC_OK;
		}
	}
	return rc;
}
