/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of what OX's chronos sends: any bytes as an event.  It is read as an appointment or refused; written back over the same event it
 * must say nothing, since nothing was touched; its rule, patched with the words that were read, must be read as the same words.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "backend/chronos_int.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
untouched(struct arena *a, const struct object *o, const json_t *event)
{
	struct fmask m;
	struct buf b;

	memset(&m, 0xff, sizeof(m));
	buf_init(&b, 0);
	if (event_body(&b, a, o, &m, event) != 0)
		abort();
	buf_fini(&b);
}

static void
rule(const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "rrule"));
	struct event_time start;
	struct rule r, again;
	struct buf b;

	if (text == NULL || !event_time_read(json_object_get(event, "startDate"), &start) || !rule_read(text, &start, &r))
		return;
	buf_init(&b, 0);
	rule_patch(&b, text, &r, &start);
	if (!b.failed && b.p != NULL && (!rule_read(b.p, &start, &again) || again.type != r.type || again.days != r.days || again.until != r.until))
		abort();
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(16U << 20);
	json_t *event = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	struct object *o = a != NULL ? object_new(a, CT_CALENDAR) : NULL;
	char at[2][20];
	struct err e;

	if (o != NULL && json_is_object(event) && event_read(a, event, o, &e) == RC_OK) {
		int64_t sk;
		msec_t t0, t1;

		object_range(o, &sk, &t0, &t1);
		if (t1 < t0)
			abort();
		event_position(o, event, event);
		object_set(o, cf(CF_recurrence_position), NULL);
		untouched(a, o, event);
		rule(event);
		(void)occurrence_ids(event, object_get_i64(o, cf(CF_start_date), 0), at);
	}
	object_drop(o);
	json_decref(event);
	arena_free(a);
	return 0;
}
