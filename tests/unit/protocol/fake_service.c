/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A service for tests of the protocol, as fake_engine.c is an engine. */
#include "fake_engine.h"
#include "usmd/service.h"

#include <string.h>

enum rc
service_quota_get(struct engine_session *s, struct service_quota *out, struct err *e)
{
	(void)s;
	fake_note("quota;");
	*out = (struct service_quota){ .mail = { 1, -1 }, .files = { 5, 6 } };
	for (int ct = 0; ct < CT_COUNT; ct++)
		out->objects[ct] = (struct service_use){ 3, -1 };
	return fake_fails("quota", e);
}

/* ---- scheduling ---- */

/* The first is busy, the second a group with him, the third unknown to anybody. */
enum rc
service_busy_get(struct engine_session *s, struct arena *a, const struct service_busy_request *r, struct service_busy **out, struct err *e)
{
	static struct ox_busy taken = { .from = 10, .to = 20, .shown = OX_SHOWN_BUSY };
	static struct ox_busy item = { .from = 12, .to = 20, .shown = OX_SHOWN_FREE, .full = true, .title = "T", .location = "L" };
	struct service_busy one = { .kind = OX_USER, .id = 3, .name = "Ada", .mail = "a@x", .why = "", .taken = &taken, .n_taken = 1, .item = &item, .n_items = r->details };

	(void)s;
	fake_note("busy %lld %lld", (long long)r->from, (long long)r->to);
	for (size_t i = 0; i < r->n; i++)
		fake_note(" %d:%lld%s%s", (int)r->who[i].kind, (long long)r->who[i].id, r->who[i].mail != NULL ? r->who[i].mail : "", r->who[i].name != NULL ? r->who[i].name : "");
	fake_note("%s;", r->has_exclude ? " exclude" : "");
	*out = arena_array(a, struct service_busy, r->n);
	for (size_t i = 0; *out != NULL && i < r->n; i++) {
		(*out)[i] = one;
		if (i == 1)
			(*out)[i] = (struct service_busy){ .kind = OX_GROUP, .id = 8, .name = "", .mail = "", .member = *out, .n_members = 1 };
		if (i == 2)
			(*out)[i] = (struct service_busy){ .name = "N", .mail = "", .problem = BUSY_UNKNOWN, .why = "Nobody" };
	}
	return *out != NULL ? fake_fails("busy", e) : err_set(e, RC_NOMEM, "out of memory");
}

enum rc
service_invitation_get(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct service_invitation *out, struct err *e)
{
	static const char *texts[] = { "You are invited." };

	(void)s;
	(void)a;
	(void)folder;
	(void)mail;
	fake_note("analyze;");
	memset(out, 0, sizeof(*out));
	out->method = ITIP_REQUEST;
	out->part = "2";
	out->can[ITIP_ACCEPT] = out->can[ITIP_DECLINE] = true;
	out->x = (struct ox_itip){ .uid = "u", .text = texts, .n_texts = 1, .n_changes = 1 };
	out->x.change[0] = (struct ox_itip_change){ .type = "create", .then = json_pack("{s:s,s:I}", "title", "T", "start_date", (json_int_t)7) };
	out->at[0] = (struct engine_touched){ .known = true, .folder = *folder, .uuid = *mail };
	if (out->x.change[0].then == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	return fake_fails("analyze", e);
}

void
service_invitation_done(struct service_invitation *x)
{
	for (size_t i = 0; i < x->x.n_changes; i++)
		json_decref(x->x.change[i].then);
}

enum rc
service_invitation_apply(struct engine_session *s, struct arena *a, const struct service_invitation_request *r, struct service_invitation_answer *out, struct err *e)
{
	(void)s;
	fake_note("apply %d \"%s\"%s;", (int)r->action, r->message, r->ignore_conflicts ? " ignore" : "");
	out->changed = r->action != ITIP_TENTATIVE;
	out->n = 1;
	out->v = arena_array(a, struct engine_touched, 1);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	out->v[0] = (struct engine_touched){ .known = true, .folder = r->folder, .uuid = r->mail };
	return fake_fails("apply", e);
}
