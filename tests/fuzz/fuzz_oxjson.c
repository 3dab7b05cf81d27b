/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of what OX sends: any bytes as the answer to a `list` of mails, tasks, contacts or appointments (three columns each).  What the
 * fast reader accepts jansson must accept with the same values; fingerprints, ranges and text of the objects must not fail.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "backend/backend_int.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
use(struct arena *a, const struct model_keys *k, const struct object *o)
{
	struct sighting s;
	struct buf b;
	int64_t sk;
	msec_t t0, t1;

	if (object_sight(a, k, o, &s) != RC_OK)
		abort();
	object_range(o, &sk, &t0, &t1);
	if (t1 < t0 && o->ct != CT_MAIL) /* an empty one is of a mail that is marked as deleted */
		abort();
	buf_init(&b, 0);
	(void)object_text(&b, o, NULL, FF_NODELIVER, true);
	buf_fini(&b);
}

static void
compare(const struct rows_want *x, const struct rows_want *y)
{
	if (x->n != y->n || x->n_deleted != y->n_deleted)
		abort();
	for (size_t i = 0; i < x->n; i++)
		for (size_t k = 0; k < x->columns->n; k++) {
			const json_t *v = x->o[i]->v[x->columns->field[k]], *w = y->o[i]->v[x->columns->field[k]];

			if ((v == NULL) != (w == NULL) || (v != NULL && !json_equal(v, w)))
				abort();
		}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char master[KEY_BYTES] = { 3 };
	static const enum content types[] = { CT_MAIL, CT_TASK, CT_CONTACT, CT_CALENDAR };
	static const char *const names[][3] = { { "id", "flags", "from" }, { "id", "end_date", "participants" }, { "id", "last_name", "distribution_list" },
		{ "id", "until", "recurrence_type" } };
	static struct model_keys *keys;
	struct columns c = { .n = 3 };
	struct rows_want fast, slow;
	struct arena *a = arena_new(16U << 20);
	unsigned t;
	msec_t ts, ts2;
	json_t *root, *rows;
	struct err e;

	if (keys == NULL)
		keys = model_keys_new(master);
	if (size == 0 || a == NULL || keys == NULL) {
		arena_free(a);
		return 0;
	}
	t = data[0] % 4;
	for (unsigned i = 0; i < 3; i++)
		c.field[i] = (uint8_t)model_field(model_content(types[t]), names[t][i]);
	fast = slow = (struct rows_want){ .a = a, .ct = types[t], .columns = &c, .folder = "f", .want_deleted = true };
	root = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (rows_scan((const char *)data + 1, size - 1, &fast, &ts)) {
		if (root == NULL || ox_envelope(root, NULL, false, &rows, &ts2, &e) != RC_OK || ts != ts2 || rows_read(rows, &slow, &e) != RC_OK)
			abort();
		compare(&fast, &slow);
		for (size_t i = 0; i < fast.n; i++)
			use(a, keys, fast.o[i]);
	} else if (root != NULL && ox_envelope(root, model_content(types[t]), true, &rows, &ts2, &e) == RC_OK) {
		(void)!rows_read(rows, &slow, &e);
	}
	object_drop_all(fast.o, fast.n);
	object_drop_all(slow.o, slow.n);
	json_decref(root);
	arena_free(a);
	return 0;
}
