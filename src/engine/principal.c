/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Names of users and groups, for OX servers that do not tell them with the folder.  A table of fixed size: a place is taken over by whoever
 * needs it next, a name is asked for again after a while.
 */
#include "engine/tree.h"

#include <stdio.h>
#include <string.h>

#define SLOTS 1024
#define NAME_MAX_BYTES 200
#define KEEP_MS (10 * INT64_C(60000))

struct slot {
	int64_t context, id;
	bool group;
	msec_t at; /* 0 = empty */
	char name[NAME_MAX_BYTES];
};

struct principals {
	pthread_mutex_t lock;
	struct slot slot[SLOTS];
};

enum rc
principals_new(struct principals **out, struct err *e)
{
	*out = mem_alloc(sizeof(**out));
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory for names");
	(void)pthread_mutex_init(&(*out)->lock, NULL);
	return RC_OK;
}

void
principals_free(struct principals *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

static struct slot *
slot_of(struct principals *p, int64_t context, int64_t id, bool group)
{
	uint64_t h = ((uint64_t)context * 31 + (uint64_t)id) * 2 + group;

	return &p->slot[h * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

enum rc
principal_name(struct engine_session *s, struct arena *a, int64_t id, bool group, const char **name, struct err *e)
{
	struct principals *p = s->g->principals;
	int64_t context = s->n->account->context;
	struct slot *x = slot_of(p, context, id, group);
	msec_t now = now_ms();
	char *found = NULL;
	enum rc rc = RC_OK;

	(void)pthread_mutex_lock(&p->lock);
	if (x->at != 0 && x->context == context && x->id == id && x->group == group && now - x->at >= 0 && now - x->at < KEEP_MS)
		found = arena_strdup(a, x->name);
	(void)pthread_mutex_unlock(&p->lock);
	if (found == NULL) {
		rc = ox_principal_name(s->ox, a, id, group, &found, e);
		if (rc == RC_NOTFOUND || rc == RC_FORBIDDEN) { /* deleted meanwhile, or not to be known: its number says enough */
			found = arena_printf(a, "%lld", (long long)id);
			rc = found != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a name");
		}
		if (rc != RC_OK)
			return rc;
		(void)pthread_mutex_lock(&p->lock);
		*x = (struct slot){ .context = context, .id = id, .group = group, .at = now };
		(void)snprintf(x->name, sizeof(x->name), "%s", found);
		(void)pthread_mutex_unlock(&p->lock);
	}
	*name = found;
	return RC_OK;
}
