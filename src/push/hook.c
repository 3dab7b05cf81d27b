/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Webhooks of OX: is it OX that posts, now and for the first time, and what does it tell?  The signature is over version, time and
 * body, so the time cannot be moved; a post that was seen is remembered for as long as its time is right.
 */
#include "usmd/push.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SETS 8192 /* x WAYS posts are remembered */
#define WAYS 8
#define FOLDERS_MAX 256
#define FOLDER_TEXT 1024

struct seen {
	uint64_t mac; /* 0 = free */
	msec_t t;
};

struct push_hook {
	char *secret;
	msec_t window;
	push_event_cb cb;
	void *arg;
	pthread_mutex_t lock;
	struct seen seen[SETS][WAYS]; /* under lock */
};

struct push_hook *
push_hook_new(const struct push_hook_options *o, push_event_cb cb, void *arg)
{
	struct push_hook *h = mem_alloc(sizeof(*h));

	if (h == NULL)
		return NULL;
	h->secret = mem_dup_str(o->secret);
	if (h->secret == NULL) {
		mem_free(h);
		return NULL;
	}
	h->window = (msec_t)o->window_ms;
	h->cb = cb;
	h->arg = arg;
	(void)pthread_mutex_init(&h->lock, NULL);
	return h;
}

void
push_hook_free(struct push_hook *h)
{
	if (h == NULL)
		return;
	secret_wipe(h->secret, strlen(h->secret));
	mem_free(h->secret);
	(void)pthread_mutex_destroy(&h->lock);
	mem_free(h);
}

/* ---- the signature ---- */

struct signature {
	msec_t t;
	char version[9];
	unsigned char mac[32];
};

/* "t=1795343281877, v1=6f7f..."; the blank may be missing, as in OX's documentation. */
static bool
signature_parse(const char *s, struct signature *out)
{
	const char *comma = s != NULL ? strchr(s, ',') : NULL;
	char number[20];
	size_t n;

	if (comma == NULL || strncmp(s, "t=", 2) != 0)
		return false;
	s += 2;
	n = (size_t)(comma - s);
	if (n == 0 || n >= sizeof(number) || strspn(s, "0123456789") != n)
		return false;
	memcpy(number, s, n);
	number[n] = '\0';
	if (!parse_i64(number, 0, INT64_MAX / 4, &out->t))
		return false;
	s = comma + 1 + strspn(comma + 1, " ");
	n = *s == 'v' ? strspn(s + 1, "0123456789") : 0;
	if (n == 0 || n >= sizeof(out->version) || s[1 + n] != '=')
		return false;
	memcpy(out->version, s + 1, n);
	out->version[n] = '\0';
	s += n + 2;
	return strlen(s) == 2 * sizeof(out->mac) && hex_decode(s, out->mac, sizeof(out->mac));
}

static bool
signature_right(const struct push_hook *h, const struct signature *s, const void *body, size_t n)
{
	unsigned char mac[32];
	struct buf b;
	bool right;

	buf_init(&b, n + 64);
	buf_addf(&b, "v%s:%" PRId64 ":", s->version, s->t);
	buf_add(&b, body, n);
	if (b.failed) {
		buf_fini(&b);
		return false;
	}
	hmac_sha256(h->secret, strlen(h->secret), b.p, b.len, mac);
	right = secret_eq(mac, s->mac, sizeof(mac));
	buf_fini(&b);
	return right;
}

/* Notes the post; a place is free again when the time of what is in it would be refused anyway. */
static enum push_verdict
remember(struct push_hook *h, const struct signature *s, msec_t now)
{
	enum push_verdict v = PUSH_FULL;
	struct seen *set, *free_place = NULL;
	uint64_t mac;

	memcpy(&mac, s->mac, sizeof(mac));
	mac = mac != 0 ? mac : 1;
	(void)pthread_mutex_lock(&h->lock);
	set = h->seen[mac % SETS];
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].mac == mac && set[i].t == s->t) {
			v = PUSH_REPLAYED;
			goto out;
		}
		if (set[i].mac == 0 || set[i].t < now - h->window)
			free_place = &set[i];
	}
	if (free_place != NULL) {
		*free_place = (struct seen){ .mac = mac, .t = s->t };
		v = PUSH_TAKEN;
	}
out:
	(void)pthread_mutex_unlock(&h->lock);
	return v;
}

/* ---- the body ---- */

/* "cal://0/31" and "31" are the same folder; calendars of other accounts are not in OX's database. */
static const char *
calendar_folder(const char *id)
{
	static const char scheme[] = "cal://0/";

	if (strncmp(id, scheme, sizeof(scheme) - 1) == 0)
		id += sizeof(scheme) - 1;
	return id[0] != '\0' && strspn(id, "0123456789") == strlen(id) ? id : NULL;
}

static bool
tell(const struct push_hook *h, struct push_event *ev, const json_t *folder)
{
	const char *id = json_string_value(folder);

	if (id == NULL || id[0] == '\0' || json_string_length(folder) > FOLDER_TEXT || strlen(id) != json_string_length(folder))
		return false;
	ev->folder = ev->ct == CT_CALENDAR ? calendar_folder(id) : id;
	if (ev->folder != NULL)
		h->cb(h->arg, ev);
	return true;
}

static bool
positive(const json_t *j, int64_t *out)
{
	*out = json_is_integer(j) ? json_integer_value(j) : 0;
	return *out > 0 && *out <= INT32_MAX;
}

static enum push_verdict
take_body(const struct push_hook *h, const json_t *root)
{
	const char *event = json_string_value(json_object_get(root, "event"));
	const json_t *payload = json_object_get(root, "payload"), *folders;
	struct push_event ev = { .n_users = 1 };
	int64_t user;

	if (event == NULL || !positive(json_object_get(payload, "user"), &user) || !positive(json_object_get(payload, "context"), &ev.context))
		return PUSH_MALFORMED;
	ev.users = &user;
	if (strcmp(event, "ox:mail:new") == 0) {
		ev.ct = CT_MAIL;
		return tell(h, &ev, json_object_get(payload, "folder")) ? PUSH_TAKEN : PUSH_MALFORMED;
	}
	if (strcmp(event, "ox:calendar:updates") != 0)
		return PUSH_TAKEN;
	ev.ct = CT_CALENDAR;
	folders = json_object_get(payload, "folders");
	if (!json_is_array(folders) || json_array_size(folders) > FOLDERS_MAX)
		return PUSH_MALFORMED;
	for (size_t i = 0; i < json_array_size(folders); i++)
		if (!tell(h, &ev, json_array_get(folders, i)))
			return PUSH_MALFORMED;
	return PUSH_TAKEN;
}

enum push_verdict
push_hook_take(struct push_hook *h, const char *signature, const void *body, size_t n)
{
	struct signature s;
	enum push_verdict v;
	msec_t now = now_ms();
	json_error_t je;
	json_t *root;
	bool nomem;

	if (!signature_parse(signature, &s) || !signature_right(h, &s, body, n))
		return PUSH_UNSIGNED;
	if (s.t < now - h->window || s.t > now + h->window)
		return PUSH_STALE;
	v = remember(h, &s, now);
	if (v != PUSH_TAKEN)
		return v;
	root = model_json_load(body, n, 0, &je, &nomem);
	v = root != NULL ? take_body(h, root) : nomem ? PUSH_FULL : PUSH_MALFORMED;
	json_decref(root);
	return v;
}
