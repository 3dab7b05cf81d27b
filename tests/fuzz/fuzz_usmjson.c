/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Feeds requests to usm-json on the fake engine.  The first line of the input names the command and the type of the
 * folder ("syncUpdate mail"), the rest is the body.  Whatever comes in, the answer must be valid JSON, nothing may stay
 * open, and the same input must give the same bytes.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/protocol/fake_engine.h"
#include "usmd/protocol.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static struct protocol proto;

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fuzz_usmjson: %s\n", what);
	abort();
}

static void
start(void)
{
	/* small limits, so that they are reached */
	struct usmjson_options o = { .max_objects = 20, .max_pairs = 20, .max_ping_folders = 5, .max_string_bytes = 500, .max_mail_bytes = 300, .max_values = 2000 };
	struct err e;

	if (proto.self != NULL)
		return;
	log_level_set(LOG_LVL_ERROR);
	must(usmjson_new(fake_engine(), &o, &proto, &e) == RC_OK, "usmjson_new");
}

static void
run(const char *path, enum content ct, const char *body, size_t n, struct reply *rep)
{
	struct request req = {
		.method = "POST", .path = path, .token = FAKE_TOKEN, .user_agent = "", .language = "", .content_type = "application/json", .last_event_id = "", .client_ip = "",
		.body = body, .body_len = n,
	};

	fake_reset();
	fake.ct = ct;
	fake.octets = n % 3 != 0 ? "octets" : "";
	fake.type = n % 3 == 1 ? "text/plain" : "";
	fake.changed_at_look = n % 2 != 0 ? 1 : 0;
	memset(rep, 0, sizeof(*rep));
	proto.handle(proto.self, &req, rep);
	if (rep->waiter != NULL) {
		hub_waiter_free(rep->waiter);
		req.parked = rep->park_state;
		req.body = NULL;
		req.body_len = 0;
		req.deadline_passed = true;
		req.finish = rep->stream; /* which goes on after its heartbeat */
		mem_free(rep->body);
		memset(rep, 0, sizeof(*rep));
		proto.handle(proto.self, &req, rep);
		must(rep->park_state == NULL, "parked behind its deadline");
		proto.park_free(req.parked);
	}
	must(fake.sessions == 0 && fake.watches == 0 && fake.waiters == 0 && fake.answers == 0, "something stays open");
}

static void
check(const struct reply *rep)
{
	json_error_t je;
	json_t *j;

	must(rep->status >= 200 && rep->status < 600 && (rep->body != NULL || rep->own_type[0] != '\0'), "no answer");
	must(rep->status != 500, "an input leads to an internal error");
	if (rep->own_type[0] != '\0' || rep->stream) /* octets */
		return;
	j = json_loadb(rep->body, rep->body_len, JSON_REJECT_DUPLICATES, &je);
	must(j != NULL, "the answer is not JSON");
	must((json_integer_value(json_object_get(j, "status")) == 1) == (rep->status == 200), "status and HTTP status differ");
	json_decref(j);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const char *const types[] = { "contact", "folder", "appointment", "task", "mail" };
	const unsigned char *nl = size > 0 ? memchr(data, '\n', size) : NULL;
	enum content ct = CT_CONTACT;
	struct reply a, b;
	char head[64] = "/", *sp;
	size_t n;

	if (nl == NULL || (size_t)(nl - data) > sizeof(head) - 2)
		return 0;
	start();
	n = (size_t)(nl - data);
	memcpy(head + 1, data, n);
	head[n + 1] = '\0';
	sp = strchr(head, ' ');
	if (sp != NULL) {
		*sp++ = '\0';
		for (size_t i = 0; i < ARRAY_LEN(types); i++)
			if (strcmp(sp, types[i]) == 0)
				ct = model_content_by_name(sp)->ct;
	}
	run(head, ct, (const char *)nl + 1, size - n - 1, &a);
	check(&a);
	run(head, ct, (const char *)nl + 1, size - n - 1, &b);
	must(a.status == b.status && a.body_len == b.body_len && (a.body_len == 0 || memcmp(a.body, b.body, a.body_len) == 0), "the same input gives another answer");
	reply_fini(&a);
	reply_fini(&b);
	return 0;
}
