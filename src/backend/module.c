/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which module of OX serves a type of content.  Appointments have two: `calendar`, which 8.x keeps for clients like this one, and
 * `chronos`, on which it is built.  Everything else has one.
 */
#include "backend/backend_int.h"

#include <string.h>

#define RECONSIDER_MS (INT64_C(3600) * 1000) /* after a login; an upgrade of OX ends all sessions */
#define NEITHER_MS 1000                      /* OX offers neither, it may just be starting: not looked for again so soon */

/* rows hold all that there is to know; events may need a further request */
static enum rc
classic_read(struct ox_session *s, const json_t *data, struct rows_want *w, struct err *e)
{
	(void)s;
	return rows_read(data, w, e);
}

const struct pim_ops classic_ops = {
	.updates_req = classic_updates_req, .updates_part = classic_updates_part, .list_req = classic_list_req, .list_part = classic_list_part,
	.call = rows_call, .read = classic_read, .listing = classic_listing, .find_uid = classic_find_uid,
	.create = classic_create, .update = classic_update, .remove = classic_remove, .exception_find = classic_exception_find,
	.confirm = classic_confirm, .move = classic_move, .busy_part = classic_busy_part, .busy_read = classic_busy_read,
};

static const struct pim_ops *
calendar_ops(bool chronos)
{
	return chronos ? &chronos_ops : &classic_ops;
}

const struct pim_ops *
pim_ops(struct backend *b, enum content ct)
{
	return calendar_ops(ct == CT_CALENDAR && atomic_load(&b->chronos));
}

/* Was that less than MS ago? */
static bool
within(_Atomic int64_t *at, int64_t ms)
{
	int64_t then = atomic_load(at);

	return then != 0 && now_mono_us() / 1000 - then < ms;
}

/* Any answer in OX's form, an error as well, is one of a module that is there.  The parameters name nothing. */
static bool
module_answers(struct ox_session *s, bool chronos)
{
	struct ox_answer a;
	struct ox_req r;
	struct err e;
	enum rc rc;

	ox_req_init(&r, chronos ? "chronos" : "calendar", chronos ? "resolve" : "resolveuid");
	ox_param(&r, chronos ? "id" : "uid", "0");
	rc = ox_call(s, &r, &a, &e);
	ox_req_fini(&r);
	ox_answer_fini(&a);
	return rc == RC_OK || (e.code[0] != '\0' && strcmp(e.code, NO_MODULE) != 0);
}

bool
pim_ops_again(struct ox_session *s, enum content ct, const struct pim_ops **ops, enum rc rc, bool many, const struct err *e)
{
	struct backend *b = s->b;
	bool chronos = *ops == &chronos_ops;

	if (rc == RC_OK || e == NULL || ct != CT_CALENDAR || b->o.calendar != OX_CALENDAR_AUTO || strcmp(e->code, many ? NO_MODULE_PART : NO_MODULE) != 0)
		return false;
	if (atomic_load(&b->chronos) == chronos) {
		if (within(&b->neither_at, NEITHER_MS))
			return false;
		if (module_answers(s, chronos) || !module_answers(s, !chronos)) {
			atomic_store(&b->neither_at, now_mono_us() / 1000);
			return false;
		}
		atomic_store(&b->chosen_at, now_mono_us() / 1000);
		atomic_store(&b->chronos, !chronos);
		log_info("ox-calendar", "module=%s: OX does not offer %s", chronos ? "calendar" : "chronos", chronos ? "chronos" : "calendar");
	}
	*ops = calendar_ops(!chronos);
	return true;
}

void
pim_ops_reconsider(struct backend *b)
{
	if (b->o.calendar != OX_CALENDAR_AUTO || !atomic_load(&b->chronos) || within(&b->chosen_at, RECONSIDER_MS))
		return;
	atomic_store(&b->chosen_at, 0);
	atomic_store(&b->chronos, false); /* the next use of it tells */
}

/* ---- writing, by either ---- */

static bool
is_pim(enum content ct)
{
	return ct == CT_CONTACT || ct == CT_CALENDAR || ct == CT_TASK;
}

static enum rc
not_pim(enum content ct, struct err *e)
{
	return err_set(e, RC_INTERNAL, "%s are not written this way", model_content(ct)->ox_module);
}

enum rc
ox_create(struct ox_session *s, const char *folder, const struct object *o, const char *uid, int64_t *id, msec_t *lm, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, o->ct);
	struct err local;
	enum rc rc;

	*id = 0;
	*lm = 0;
	if (e == NULL)
		e = &local;
	if (!is_pim(o->ct))
		return not_pim(o->ct, e);
	do
		rc = ops->create(s, folder, o, uid, id, lm, e);
	while (pim_ops_again(s, o->ct, &ops, rc, false, e));
	return rc;
}

enum rc
ox_update(struct ox_session *s, const char *folder, int64_t id, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm,
    msec_t *new_lm, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, o->ct);
	struct err local;
	char tmp[24];
	enum rc rc;

	*new_lm = 0;
	if (e == NULL)
		e = &local;
	if (o->ct == CT_MAIL)
		return ox_mail_update(s, folder, id, oxid, o, fields, e);
	if (!is_pim(o->ct))
		return not_pim(o->ct, e);
	do
		rc = ops->update(s, folder, id_text(id, oxid, tmp), o, fields, lm, new_lm, e);
	while (pim_ops_again(s, o->ct, &ops, rc, false, e));
	return rc;
}

enum rc
ox_delete(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, msec_t lm, bool hard, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, ct);
	struct err local;
	char tmp[24];
	enum rc rc;

	if (e == NULL)
		e = &local;
	if (ct == CT_MAIL)
		return ox_mail_delete(s, folder, id, oxid, hard, e);
	if (!is_pim(ct))
		return not_pim(ct, e);
	do
		rc = ops->remove(s, ct, folder, id_text(id, oxid, tmp), lm, e);
	while (pim_ops_again(s, ct, &ops, rc, false, e));
	return rc;
}

enum rc
ox_move(struct ox_session *s, enum content ct, const char *folder, int64_t id, const char *oxid, const char *to, msec_t lm,
    int64_t *new_id, msec_t *new_lm, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, ct);
	struct err local;
	char tmp[24];
	enum rc rc;

	*new_id = id;
	*new_lm = 0;
	if (e == NULL)
		e = &local;
	if (ct == CT_MAIL)
		return ox_mail_move(s, folder, id, oxid, to, new_id, e);
	if (!is_pim(ct))
		return not_pim(ct, e);
	do
		rc = ops->move(s, ct, folder, id_text(id, oxid, tmp), to, lm, new_lm, e);
	while (pim_ops_again(s, ct, &ops, rc, false, e));
	return rc;
}

enum rc
ox_exception_find(struct ox_session *s, const char *folder, const char *series, msec_t day, int64_t position, int64_t *id, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, CT_CALENDAR);
	struct err local;
	enum rc rc;

	*id = 0;
	if (e == NULL)
		e = &local;
	do
		rc = ops->exception_find(s, folder, series, day, position, id, e);
	while (pim_ops_again(s, CT_CALENDAR, &ops, rc, false, e));
	return rc;
}

enum rc
ox_confirm(struct ox_session *s, enum content ct, const char *folder, int64_t id, const struct ox_response *response, msec_t *lm, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, ct);
	struct err local;
	char tmp[24];
	enum rc rc;

	*lm = 0;
	if (e == NULL)
		e = &local;
	if (ct != CT_CALENDAR && ct != CT_TASK)
		return err_set(e, RC_INTERNAL, "a %s is no invitation", model_content(ct)->name);
	do
		rc = ops->confirm(s, ct, folder, id_text(id, NULL, tmp), response, lm, e);
	while (pim_ops_again(s, ct, &ops, rc, false, e));
	return rc;
}
