/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* include/usmd/store.h in memory: journal and guards.  That a note is made before a write costs the write its steps; what it says is for integration tests. */
#include "sim.h"
#include "store_int.h"

enum rc
store_journal_add(struct store_conn *c, struct store_journal *x, struct err *e)
{
	enum rc rc = store_step(c, e);

	if (rc == RC_OK)
		x->id = ++DB->next[T_JOURNAL];
	return rc;
}

enum rc
store_journal_drop(struct store_conn *c, int64_t id, struct err *e)
{
	(void)id;
	return store_step(c, e);
}

enum rc
store_journal_trim(struct store_conn *c, int64_t account, int64_t keep, struct err *e)
{
	(void)account;
	(void)keep;
	return store_step(c, e);
}

enum rc
store_journal_accounts(struct store_conn *c, int64_t *out, size_t max, size_t *n, struct err *e)
{
	(void)out;
	(void)max;
	*n = 0;
	return store_step(c, e);
}

enum rc
store_journal_wanted(struct store_conn *c, struct arena *a, int64_t account, msec_t before, struct store_journal **out, size_t *n, struct err *e)
{
	(void)a;
	(void)account;
	(void)before;
	*out = NULL;
	*n = 0;
	return store_step(c, e);
}

enum rc
store_journal_claim(struct store_conn *c, const struct store_journal *x, msec_t now, bool *won, struct err *e)
{
	(void)x;
	(void)now;
	*won = false;
	return store_step(c, e);
}

enum rc
store_journal_end(struct store_conn *c, int64_t id, enum journal_state state, const char *note, struct err *e)
{
	(void)id;
	(void)state;
	(void)note;
	return store_step(c, e);
}

enum rc
store_guard_get(struct store_conn *c, int64_t device, int64_t folder, struct store_guard *out, struct err *e)
{
	enum rc rc = store_step(c, e);

	*out = (struct store_guard){ .device = device, .folder = folder };
	return rc == RC_OK ? RC_NOTFOUND : rc;
}

enum rc
store_guard_put(struct store_conn *c, const struct store_guard *x, bool done, struct err *e)
{
	(void)x;
	(void)done;
	return store_step(c, e);
}

enum rc
store_created_add(struct store_conn *c, const struct store_created *x, struct err *e)
{
	(void)x;
	return store_step(c, e);
}

enum rc
store_created_count(struct store_conn *c, const struct store_created *x, msec_t since, size_t max, size_t *n, struct err *e)
{
	(void)x;
	(void)since;
	(void)max;
	*n = 0;
	return store_step(c, e);
}

enum rc
store_created_wanted(struct store_conn *c, struct arena *a, int64_t account, size_t max, struct store_created **out, size_t *n, struct err *e)
{
	(void)a;
	(void)account;
	(void)max;
	*out = NULL;
	*n = 0;
	return store_step(c, e);
}

enum rc
store_created_twin(struct store_conn *c, const struct store_created *x, int64_t *object, struct err *e)
{
	(void)x;
	*object = 0;
	return store_step(c, e);
}

enum rc
store_created_drop(struct store_conn *c, const struct store_created *x, struct err *e)
{
	(void)x;
	return store_step(c, e);
}

/* One key only: nothing is sealed anew. */
enum rc
store_sealed_others(struct store_conn *c, struct arena *a, enum store_sealed_kind kind, const unsigned char key[KEY_ID_BYTES], int64_t after, size_t max,
    struct store_sealed **out, size_t *n, struct err *e)
{
	(void)a;
	(void)kind;
	(void)key;
	(void)after;
	(void)max;
	*out = NULL;
	*n = 0;
	return store_step(c, e);
}

enum rc
store_sealed_put(struct store_conn *c, enum store_sealed_kind kind, const struct store_sealed *x, const void *sealed, size_t len, struct err *e)
{
	(void)kind;
	(void)x;
	(void)sealed;
	(void)len;
	return store_step(c, e);
}
