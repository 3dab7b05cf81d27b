/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What tests of appointments share: making them as a client sends them, and counting what OX did.  Included by one test program only, after wire.h. */
#ifndef TESTS_MEETING_H
#define TESTS_MEETING_H

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static inline json_int_t
num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* O, with KEY set to V, which is given away. */
static inline json_t *
with(json_t *o, const char *key, json_t *v)
{
	(void)json_object_set_new(o, key, v);
	return o;
}

/* Logs in and opens the user's own folder of TYPE. */
static inline void
device(struct dev *d, const char *user, const char *name, const char *type)
{
	login(d, user, name);
	open_folder(d, str(d->defaults, type));
}

/* An appointment of an hour. */
static inline json_t *
event(const char *id, const char *title, msec_t start)
{
	return json_pack("{s:s,s:s,s:I,s:I,s:s}", "clientId", id, "title", title, "start_date", (json_int_t)start, "end_date", (json_int_t)(start + HOUR),
	    "timezone", "Europe/Berlin");
}

/* The same on N days one after another. */
static inline json_t *
daily(json_t *o, int n)
{
	return with(with(with(o, "recurrence_type", json_integer(1)), "interval", json_integer(1)), "occurrences", json_integer(n));
}

/* The internal user ID, as a participant. */
static inline json_t *
user(int id)
{
	return json_pack("{s:i,s:i}", "id", id, "type", 1);
}

/* How often OX was asked for KEY ("module/action"), or sent such a mail ("mail/..."). */
static inline json_int_t
counted(const char *key)
{
	static char text[1 << 16];
	json_t *root;
	json_int_t n;

	world_control(&w, "counters", "{}", text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	n = num(json_object_get(root, "actions"), key);
	json_decref(root);
	return n;
}

#endif
