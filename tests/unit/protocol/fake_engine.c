/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* See fake_engine.h. */
#include "fake_engine.h"

#include <stdio.h>
#include <string.h>

struct fake fake;
msec_t fake_time = INT64_C(1795343426456);

struct engine_session {
	int nothing;
};
struct engine_watch {
	size_t n;
	struct ping_entry e[];
};
struct hub_waiter {
	int nothing;
};

msec_t
fake_now(void)
{
	return fake_time;
}

void
fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.ct = CT_CONTACT;
	fake.items = 2;
	fake.octets = fake.type = "";
	for (int i = 0; i < CT_COUNT; i++)
		fake.config.past_days[i] = fake.config.future_days[i] = -1;
	for (size_t i = 0; i < KIND_COUNT; i++)
		fake.config.mode[i] = -1;
	fake_time = INT64_C(1795343426456);
	clock_override(fake_now);
}

struct engine *
fake_engine(void)
{
	static char one;

	return (struct engine *)(void *)&one;
}

void
fake_note(const char *fmt, ...)
{
	size_t n = strlen(fake.log);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(fake.log + n, sizeof(fake.log) - n, fmt, ap);
	va_end(ap);
}

enum rc
fake_fails(const char *name, struct err *e)
{
	if (fake.fail_in == NULL || strcmp(fake.fail_in, name) != 0)
		return RC_OK;
	*e = fake.err;
	return fake.err.rc;
}

static struct uuid
uuid_of(unsigned n)
{
	struct uuid u;

	memset(&u, 0, sizeof(u));
	u.b[0] = 0xaa;
	u.b[15] = (unsigned char)n;
	return u;
}

struct uuid
fake_uuid(unsigned n)
{
	return uuid_of(n);
}

/* ---- sessions ---- */

enum rc
engine_login(struct engine *g, const struct engine_login *in, struct engine_login_answer *out, struct err *e)
{
	(void)g;
	fake_note("login user=%s password=%s device=%s agent=%s ip=%s;", in->user, in->password, in->device, in->user_agent, in->client_ip);
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->token, sizeof(out->token), "%s", FAKE_TOKEN);
	out->expires = fake_time + 3600000;
	out->user.context_id = 1;
	out->user.user_id = 6;
	(void)snprintf(out->user.locale, sizeof(out->user.locale), "de_DE");
	out->default_folder[CT_CONTACT] = uuid_of(1);
	out->default_folder[CT_CALENDAR] = uuid_of(2);
	out->default_folder[CT_TASK] = uuid_of(3);
	out->default_folder[CT_MAIL] = uuid_of(4);
	return fake_fails("login", e);
}

enum rc
engine_session_open(struct engine *g, const char *token, struct engine_session **out, struct err *e)
{
	enum rc rc = fake_fails("session_open", e);

	(void)g;
	*out = NULL;
	if (rc != RC_OK)
		return rc;
	if (strcmp(token, FAKE_TOKEN) != 0)
		return err_set(e, RC_DENIED, "The session is unknown or has ended");
	*out = mem_alloc(sizeof(**out));
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	fake.sessions++;
	return RC_OK;
}

bool
engine_session_known(struct engine *g, const char *token)
{
	(void)g;
	return strcmp(token, FAKE_TOKEN) == 0;
}

bool
engine_session_renewed(struct engine_session *s, const char *token)
{
	(void)s;
	(void)token;
	return false;
}

bool
engine_watch_renewed(struct engine_watch *w, const char *token)
{
	(void)w;
	(void)token;
	return false;
}

struct ox_session *
engine_session_ox(const struct engine_session *s)
{
	(void)s;
	return NULL;
}

const struct ox_user *
ox_session_user(const struct ox_session *s)
{
	static const struct ox_user user = { .context_id = 1, .user_id = 6 };

	(void)s;
	return &user;
}

void
engine_session_close(struct engine_session *s)
{
	if (s == NULL)
		return;
	fake.sessions--;
	mem_free(s);
}

enum rc
engine_logout(struct engine_session *s, struct err *e)
{
	(void)s;
	fake_note("logout;");
	return fake_fails("logout", e);
}

enum rc
engine_config_get(const struct engine_session *s, struct arena *a, struct device_config *out, struct err *e)
{
	(void)s;
	(void)e;
	*out = fake.config;
	out->folders = out->n_folders != 0 ? arena_memdup(a, fake.folders, out->n_folders * sizeof(*out->folders)) : NULL;
	if (out->n_folders != 0 && out->folders == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	return RC_OK;
}

void
engine_config_defaults(const struct engine_session *s, struct device_config *c)
{
	(void)s;
	for (size_t k = 0; k < KIND_COUNT; k++)
		if (c->mode[k] < 0)
			c->mode[k] = k == KIND_MAIL ? MODE_HEADERS : MODE_FULL;
}

/* as src/engine says them */
const char *
folder_kind_name(enum folder_kind k)
{
	static const char *const names[] = { "inbox", "mail", "contact", "appointment", "task" };

	return names[k];
}

const char *
folder_mode_name(enum folder_mode m)
{
	static const char *const names[] = { "full", "headers", "off" };

	return names[m];
}

int
folder_mode_parse(const char *s)
{
	for (int i = 0; s != NULL && i <= MODE_OFF; i++)
		if (strcmp(folder_mode_name((enum folder_mode)i), s) == 0)
			return i;
	return -1;
}

const char *
notice_name(enum notice_code c)
{
	static const char *const names[] = { "too-many-objects", "too-many-attachments", "unreadable", "too-large", "rejected", "deletions-held", "set-aside" };

	return names[c];
}

enum rc
engine_config_set(struct engine_session *s, const struct device_config *c, struct err *e)
{
	enum rc rc = fake_fails("config_set", e);

	(void)s;
	if (rc != RC_OK)
		return rc;
	fake.config = *c;
	for (size_t i = 0; i < c->n_folders && i < ARRAY_LEN(fake.folders); i++)
		fake.folders[i] = c->folders[i];
	return RC_OK;
}

/* ---- sync ---- */

static json_t *
value_of(enum field_type type)
{
	switch (type) {
	case FT_INT:
		return json_integer(7);
	case FT_NUMBER:
		return json_real(12.5);
	case FT_BOOL:
		return json_true();
	case FT_DATE:
		return json_integer(86400000);
	case FT_TIME:
		return json_integer(1796083200000);
	case FT_ID:
		return json_string("default0/INBOX");
	case FT_BINARY:
		return json_string("QUJD");
	case FT_JSON:
		return json_pack("[{s:s, s:i, s:b, s:n, s:f}]", "mail", "ada@example.com", "id", 3, "external", 1, "none", "ratio", 0.5);
	case FT_STRING:
		break;
	}
	return json_string("Gr\xc3\xb6\xc3\x9f" "e \"1\" \\ \n\t/\x7f");
}

struct object *
fake_object(struct arena *a, enum content ct)
{
	const struct content_type *t = model_content(ct);
	struct object *o = object_new(a, ct);

	for (unsigned i = 0; o != NULL && i < t->n_fields; i++) {
		object_set(o, i, value_of(t->fields[i].type));
		if (o->v[i] == NULL) { /* out of memory */
			object_drop(o);
			o = NULL;
		}
	}
	return o;
}

enum rc
engine_folder_type(struct engine_session *s, const struct folder_ref *folder, enum content *ct, struct err *e)
{
	(void)s;
	*ct = folder->hierarchy ? CT_FOLDER : fake.ct;
	return fake_fails("folder_type", e);
}

static void
note_change(const struct client_change *ch)
{
	static const char *const op[] = { [OP_CREATE] = "create", [OP_MODIFY] = "modify", [OP_DELETE] = "delete" };
	char text[UUID_TEXT];

	fake_note(" %s", op[ch->op]);
	if (ch->has_uuid) {
		uuid_format(&ch->uuid, text);
		fake_note(" uuid=%s", text);
	}
	if (ch->client_id != NULL)
		fake_note(" cid=%s", ch->client_id);
	if (ch->rev != NULL)
		fake_note(" rev=%s", ch->rev);
	fake_note("%s%s", ch->again ? " again" : "", ch->blind_delete ? " blind" : "");
	if (ch->refused != NULL) {
		fake_note(" refused");
		return;
	}
	if (ch->has_move) {
		uuid_format(&ch->move_to, text);
		fake_note(" to=%s", text);
	}
	if (ch->has_series) {
		uuid_format(&ch->series, text);
		fake_note(" series=%s", text);
	}
	fake_note("%s%s", ch->ignore_conflicts ? " ignore" : "", ch->silent ? " silent" : "");
	if (ch->raw_len > 0)
		fake_note(" raw=%.*s", ch->raw_len < 40 ? (int)ch->raw_len : 40, (const char *)ch->raw);
	if (ch->object == NULL)
		return;
	for (unsigned i = 0; i < model_content(ch->object->ct)->n_fields; i++) {
		const char *name = model_content(ch->object->ct)->fields[i].name;
		const json_t *v = ch->object->v[i];

		if (fmask_has(&ch->fields, i))
			fake_note(" %s=%.40s", name, v == NULL ? "null" : json_is_string(v) ? json_string_value(v) : "set");
		if (fmask_has(&ch->blind, i))
			fake_note(" !%s", name);
	}
}

static bool
fill_items(struct arena *a, struct sync_answer *out)
{
	out->items = arena_array(a, struct answer_item, fake.items * 2);
	for (unsigned i = 0; i < fake.items * 2; i++) {
		struct object *o = out->items != NULL ? fake_object(a, out->ct) : NULL;
		struct answer_item *it;

		if (o == NULL)
			return false;
		it = &out->items[out->n++];

		it->whole = i % 2 == 0;
		it->uuid = uuid_of(100 + i);
		(void)snprintf(it->rev, sizeof(it->rev), "%016x", i);
		it->client_id = i % 4 == 0 ? "local.1" : i == 2 ? "re.aa000000-0000-0000-0000-000000000001.some-device-with-a-long-name-of-forty" : NULL;
		it->series = uuid_of(7);
		it->truncated = out->ct == CT_MAIL && i == 0;
		it->parent = i % 4 == 0 ? uuid_of(0) : uuid_of(9);
		if (i % 4 == 0)
			memset(&it->parent, 0, sizeof(it->parent));
		if (!it->whole && i % 4 == 1) {
			fmask_set(&it->fields, 7);
			fmask_set(&it->fields, 9);
			object_set(o, 9, NULL);
		}
		if (!it->whole && i % 4 == 3)
			for (unsigned f = 0; f < model_content(out->ct)->n_fields; f++)
				fmask_set(&it->fields, f);
		if (!fake.no_own)
			fmask_set(&it->own, 7);
		it->object = o;
	}
	return true;
}

static void
fill_results(const struct sync_request *req, struct sync_answer *out)
{
	static const enum change_status cycle[] = { ST_OK, ST_GONE, ST_REFUSED, ST_RETRY, ST_CONFLICT, ST_RECREATE, ST_HELD };

	for (size_t i = 0; i < req->n_changes; i++) {
		struct answer_result *r = &out->results[out->n_results++];

		r->change = i;
		r->status = cycle[i % ARRAY_LEN(cycle)];
		r->has_uuid = req->changes[i].op != OP_DELETE && (req->changes[i].op == OP_CREATE || req->changes[i].has_move);
		r->uuid = uuid_of(200 + (unsigned)(i % 50));
		r->lost = req->changes[i].blind;
		r->conflict = fmask_empty(&r->lost) ? 0 : 70 + (int64_t)i;
		if (i % 2 == 1) {
			r->won = r->lost;
			memset(&r->lost, 0, sizeof(r->lost));
		}
		r->failed = i % 8 == 7 || req->changes[i].refused != NULL;
		if (req->changes[i].refused != NULL) {
			r->err = *req->changes[i].refused;
			continue;
		}
		if (r->failed) {
			(void)err_set_path(&r->err, RC_PROTO, "email1", "Die E-Mail-Adresse ist ung\xc3\xbcltig.");
			(void)snprintf(r->err.code, sizeof(r->err.code), "CON-0100");
		}
	}
}

enum rc
engine_sync(struct engine_session *s, struct arena *a, struct sync_request *req, struct sync_answer *out, struct err *e)
{
	static const char *const mode[] = { "init", "update", "reconcile", "estimate" };
	char text[UUID_TEXT];
	enum rc rc;

	(void)s;
	uuid_format(&req->folder.uuid, text);
	fake_note("sync %s folder=%s k=%llu limit=%zu", mode[req->mode], req->folder.hierarchy ? "-" : text, (unsigned long long)req->k, req->limit);
	if (req->has_policy || req->has_delete_policy)
		fake_note(" policy=%d/%d", req->has_policy ? (int)req->policy : -1, req->has_delete_policy ? (int)req->delete_policy : -1);
	for (size_t i = 0; i < req->n_changes; i++)
		note_change(&req->changes[i]);
	for (size_t i = 0; i < req->n_rejected; i++)
		fake_note(" rejected=%s", req->rejected[i].reason);
	if (req->n_pairs > 0)
		fake_note(" pairs=%zu,\"%s\"", req->n_pairs, req->pair_rev[0]);
	fake_note(";");
	rc = fake_fails("sync", e);
	if (rc != RC_OK)
		return rc;
	fake.answers++;
	memset(out, 0, sizeof(*out));
	out->ct = req->folder.hierarchy ? CT_FOLDER : fake.ct;
	out->more = fake.more;
	out->has_syncid = !(req->mode == SYNC_RECONCILE && fake.more);
	memset(&out->syncid, 0x5c, sizeof(out->syncid));
	out->estimate = 42;
	out->deleted = arena_array(a, struct uuid, 2);
	out->results = arena_array(a, struct answer_result, req->n_changes);
	out->notices = arena_array(a, struct notice, NOTICE_COUNT);
	if (!fill_items(a, out) || out->deleted == NULL || out->results == NULL || out->notices == NULL) {
		engine_sync_done(out);
		return err_set(e, RC_NOMEM, "out of memory");
	}
	out->deleted[0] = uuid_of(50);
	out->deleted[1] = uuid_of(51);
	out->n_deleted = 2;
	fill_results(req, out);
	out->mode = fake.mode;
	out->hidden = fake.hidden;
	for (unsigned i = 0; fake.notices && i < NOTICE_COUNT; i++)
		out->notices[out->n_notices++] = (struct notice){ .code = (enum notice_code)i, .has_uuid = i != NOTICE_OBJECTS, .uuid = uuid_of(i),
			.count = i * 100 + 7, .limit = i == NOTICE_UNREADABLE || i == NOTICE_REJECTED || i == NOTICE_STUCK ? 0 : 3 };
	return RC_OK;
}

void
engine_sync_done(struct sync_answer *out)
{
	for (size_t i = 0; i < out->n; i++)
		/* the fake made it, so it may drop it */
		object_drop((struct object *)(uintptr_t)out->items[i].object);
	fake.answers--;
}

enum rc
engine_conflicts(struct engine_session *s, struct arena *a, int64_t after, size_t limit, struct conflict_list *out, struct err *e)
{
	(void)s;
	fake_note("conflicts %lld %zu;", (long long)after, limit);
	memset(out, 0, sizeof(*out));
	out->v = arena_array(a, struct conflict_entry, 2);
	for (int i = 0; out->v != NULL && i < 2; i++) {
		struct conflict_entry *x = &out->v[i];

		*x = (struct conflict_entry){ .id = 9 - i, .at = 5, .expires = 6, .ct = i == 0 ? CT_CONTACT : CT_FOLDER, .has_uuid = i == 0, .uuid = uuid_of(1),
			.folder = { .hierarchy = i == 1, .uuid = uuid_of(2) }, .title = i == 0 ? "Ada \"L\"" : NULL, .device = i == 0 ? "desk" : "",
			.lost = i == 0 ? SIDE_CLIENT : SIDE_SERVER, .won = i == 0 ? SIDE_SERVER : SIDE_DEVICE, .octets = i == 1 };
		x->record = json_pack("{s:[s],s:{s:s,s:n,s:s}}", "lost", "note", "fields", "note", "mine", "email1", "image1", "AAAA");
		x->fields = json_object_get(x->record, "lost");
		x->values = json_object_get(x->record, "fields");
	}
	if (out->v == NULL || out->v[0].record == NULL || out->v[1].record == NULL) {
		for (int i = 0; out->v != NULL && i < 2; i++)
			json_decref(out->v[i].record);
		return err_set(e, RC_NOMEM, "out of memory");
	}
	out->more = fake.more;
	out->next = 8;
	if (fake_fails("conflicts", e) != RC_OK) {
		out->n = 2;
		engine_conflicts_done(out);
		return e->rc;
	}
	out->n = 2;
	fake.answers++;
	return RC_OK;
}

void
engine_conflicts_done(struct conflict_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		json_decref(l->v[i].record);
	if (fake.answers > 0)
		fake.answers--;
}

enum rc
engine_conflict_restore(struct engine_session *s, struct arena *a, int64_t id, const char *rev, struct conflict_restored *out, struct err *e)
{
	(void)s;
	(void)a;
	fake_note("restore %lld %s;", (long long)id, rev != NULL ? rev : "-");
	out->status = id == 7 ? ST_RETRY : rev != NULL ? ST_CONFLICT : ST_OK;
	out->uuid = uuid_of(3);
	return fake_fails("restore", e);
}

enum rc
engine_conflict_dismiss(struct engine_session *s, struct arena *a, int64_t id, struct err *e)
{
	(void)s;
	(void)a;
	fake_note("dismiss %lld;", (long long)id);
	return fake_fails("dismiss", e);
}

enum rc
engine_respond(struct engine_session *s, struct arena *a, const struct respond_request *req, struct uuid *uuid, struct err *e)
{
	char folder[UUID_TEXT], object[UUID_TEXT];

	(void)s;
	(void)a;
	uuid_format(&req->folder, folder);
	uuid_format(&req->uuid, object);
	fake_note("respond %s %s %d \"%s\" %lld;", folder, object, (int)req->response.confirmation, req->response.message, (long long)req->response.occurrence);
	*uuid = req->uuid;
	return fake_fails("respond", e);
}

enum rc
engine_mail_raw(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct buf *out, struct err *e)
{
	char f[UUID_TEXT], m[UUID_TEXT];

	(void)s;
	(void)a;
	uuid_format(folder, f);
	uuid_format(mail, m);
	fake_note("mail %s %s;", f, m);
	buf_adds(out, "Subject: \xe4 8-bit\r\n\r\nbody\r\n");
	return fake_fails("mail", e);
}

enum rc
engine_mail_body(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct ox_mail_body *out,
    bool *truncated, struct err *e)
{
	static struct ox_mail_part parts[] = {
		{ .id = "2", .filename = "a \"b\".txt", .content_type = "text/plain", .size = 16 },
		{ .id = "3", .content_id = "img1", .size = -1, .is_inline = true },
	};

	(void)s;
	(void)a;
	(void)folder;
	(void)mail;
	fake_note("body;");
	memset(out, 0, sizeof(*out));
	out->text = "plain <b>\n";
	out->text_len = 10;
	out->text_id = "1.1";
	out->html = fake.items > 0 ? "<p>html" : NULL;
	out->html_len = 7;
	out->html_id = "1.2";
	out->part = parts;
	out->n_parts = ARRAY_LEN(parts);
	*truncated = fake.items > 2;
	return fake_fails("body", e);
}

enum rc
engine_mail_part(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, const char *id, struct buf *out,
    struct err *e)
{
	(void)s;
	(void)a;
	(void)folder;
	(void)mail;
	fake_note("part %s;", id);
	if (strcmp(id, "empty") != 0)
		buf_add(out, "\x89PNG\0", 5);
	return fake_fails("part", e);
}

enum rc
engine_send(struct engine_session *s, struct arena *a, const struct send_request *in, struct send_answer *out, struct err *e)
{
	(void)s;
	(void)a;
	fake_note("send cid=%s raw=%.*s save=%d%s%s%s%s;", in->client_id, (int)in->raw_len, (const char *)in->raw, in->save, in->resend ? " again" : "",
	    in->has_reply ? " reply" : "", in->has_forward ? " forward" : "", in->has_draft ? " draft" : "");
	memset(out, 0, sizeof(*out));
	out->state = in->resend ? SEND_UNKNOWN : SEND_SENT;
	out->has_copy = in->save > 0;
	out->folder = uuid_of(4);
	out->copy = uuid_of(5);
	return fake_fails("send", e);
}

static void
transferred(struct transfer_item *item, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (item[i].client_id != NULL)
			fake_note(" cid=%s", item[i].client_id);
		item[i].status = i == 0 ? ST_OK : i == 1 ? ST_GONE : ST_RETRY;
		item[i].has_uuid = i == 0;
		item[i].new_uuid = uuid_of(9);
		item[i].failed = i == 3;
		if (i == 3)
			(void)err_set_path(&item[i].err, RC_FORBIDDEN, "", "no");
	}
	fake_note(" %zu;", n);
}

enum rc
engine_move(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *to, struct transfer_item *item, size_t n, struct err *e)
{
	(void)s;
	(void)a;
	(void)folder;
	(void)to;
	fake_note("move");
	transferred(item, n);
	return fake_fails("move", e);
}

enum rc
engine_copy(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *to, struct transfer_item *item, size_t n, struct err *e)
{
	(void)s;
	(void)a;
	(void)folder;
	(void)to;
	fake_note("copy");
	transferred(item, n);
	return fake_fails("copy", e);
}

/* ---- permissions ---- */

static void
fake_permissions(struct arena *a, struct permissions_answer *out)
{
	struct permission *p = arena_array(a, struct permission, 3);

	memset(out, 0, sizeof(*out));
	if (p == NULL)
		return;
	p[0] = (struct permission){ .entity = 3, .type = "user", .name = "Anton Anders", .bits = 403710016 };
	p[1] = (struct permission){ .entity = 0, .group = true, .type = "group", .name = "All users", .bits = 2113794 };
	p[2] = (struct permission){ .entity = 12, .type = "guest", .name = "g@example.org", .bits = 129 };
	out->entries = p;
	out->n = 3;
	out->own = 4227332;
	(void)snprintf(out->rev, sizeof(out->rev), "00112233445566aa");
}

enum rc
engine_permissions_get(struct engine_session *s, struct arena *a, const struct uuid *folder, struct permissions_answer *out, struct err *e)
{
	(void)s;
	(void)folder;
	fake_note("permissions;");
	fake_permissions(a, out);
	return fake_fails("permissions", e);
}

enum rc
engine_permissions_set(struct engine_session *s, struct arena *a, struct permissions_request *req, struct permissions_answer *out, struct err *e)
{
	enum rc rc = fake_fails("permit", e);

	(void)s;
	fake_note("permit %s", req->rev);
	for (size_t i = 0; i < req->n; i++)
		fake_note(" %s%lld%s%s=%lld", req->changes[i].group ? "g" : "", (long long)req->changes[i].entity, req->changes[i].name != NULL ? req->changes[i].name : "",
		    req->changes[i].remove ? "-" : "", (long long)req->changes[i].bits);
	fake_note(";");
	fake_permissions(a, out);
	out->applied = true;
	if (rc == RC_FORBIDDEN && e != NULL)
		e->right = "administer";
	return rc;
}

enum rc
engine_photo(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *contact, struct buf *out,
    const char **type, struct err *e)
{
	char f[UUID_TEXT], c[UUID_TEXT];

	(void)s;
	(void)a;
	uuid_format(folder, f);
	uuid_format(contact, c);
	fake_note("photo %s %s;", f, c);
	buf_add(out, "\xff\xd8\xff\0picture", 11);
	*type = "image/jpeg";
	return fake_fails("photo", e);
}

/* ---- attachments ---- */

static void
note_attachment(const char *what, const struct attachment_ref *ref)
{
	char f[UUID_TEXT], o[UUID_TEXT], id[UUID_TEXT];

	uuid_format(&ref->folder, f);
	uuid_format(&ref->object, o);
	uuid_format(&ref->attachment, id);
	fake_note("%s %.4s %.4s %.4s;", what, f, o, id);
}

enum rc
engine_attachments(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct engine_attachment **out, size_t *n, struct err *e)
{
	(void)s;
	note_attachment("attachments", ref);
	*out = arena_array(a, struct engine_attachment, 2);
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	(*out)[0] = (struct engine_attachment){ .id = uuid_of(1), .name = "a \"b\".txt", .type = "text/plain", .size = 3, .created = 5 };
	(*out)[1] = (struct engine_attachment){ .id = uuid_of(2), .name = "\xc3\xbc", .type = "", .size = 0, .created = 6 };
	*n = 2;
	return fake_fails("attachments", e);
}

enum rc
engine_attachment_get(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct buf *out, const char **type, struct err *e)
{
	(void)s;
	(void)a;
	note_attachment("get", ref);
	buf_add(out, fake.octets, strlen(fake.octets));
	*type = fake.type;
	return fake_fails("attachment_get", e);
}

enum rc
engine_attachment_add(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, const char *name, const char *type,
    const void *p, size_t n, struct engine_attached *out, struct err *e)
{
	(void)s;
	(void)a;
	note_attachment("add", ref);
	fake_note("%s %s %zu %.*s;", name, type, n, (int)n, n > 0 ? (const char *)p : "");
	*out = (struct engine_attached){ .id = uuid_of(3), .count = 4, .newest = 7 };
	return fake_fails("attachment_add", e);
}

enum rc
engine_attachment_delete(struct engine_session *s, struct arena *a, const struct attachment_ref *ref, struct engine_attached *out, struct err *e)
{
	(void)s;
	(void)a;
	note_attachment("delete", ref);
	*out = (struct engine_attached){ .count = 0 };
	return fake_fails("attachment_delete", e);
}

/* ---- ping ---- */

enum rc
engine_watch_new(struct engine_session *s, enum watch_kind kind, const struct ping_entry *entries, size_t n, struct engine_watch **out,
    struct hub_waiter **waiter, struct err *e)
{
	enum rc rc = fake_fails("watch_new", e);
	struct engine_watch *w;

	(void)s;
	*out = NULL;
	*waiter = NULL;
	fake_note("watch %s%zu;", kind == WATCH_EVENTS ? "events " : "", n);
	if (rc != RC_OK)
		return rc;
	w = mem_alloc(sizeof(*w) + n * sizeof(*entries));
	*waiter = mem_alloc(sizeof(**waiter));
	if (w == NULL || *waiter == NULL) {
		mem_free(w);
		mem_free(*waiter);
		*waiter = NULL;
		return err_set(e, RC_NOMEM, "out of memory");
	}
	w->n = n;
	memcpy(w->e, entries, n * sizeof(*entries));
	fake.watches++;
	*out = w;
	fake.waiters++;
	return RC_OK;
}

enum rc
engine_watch_check(struct engine_watch *w, bool refresh, const struct ping_entry **entries, size_t *n, size_t *n_changed, struct err *e)
{
	enum rc rc = fake_fails("watch_check", e);

	fake_note("check%s;", refresh ? " refresh" : "");
	*n_changed = 0;
	if (rc != RC_OK)
		return rc;
	fake_time += fake.spent_ms;
	if (fake.changed_at_look != 0 && ++fake.looks >= fake.changed_at_look) {
		w->e[w->n - 1].changed = true;
		*n_changed = 1;
	}
	for (size_t i = 0; i < w->n; i++)
		w->e[i].state = UINT64_C(0x010203040500) + i;
	*entries = w->e;
	*n = w->n;
	return RC_OK;
}

enum rc
engine_watch_replay(struct engine_watch *w, const uint64_t *states, size_t n, struct err *e)
{
	enum rc rc = fake_fails("replay", e);

	(void)w;
	fake_note("replay");
	for (size_t i = 0; i < n; i++)
		fake_note(" %llx", (unsigned long long)states[i]);
	fake_note(";");
	return rc;
}

enum rc
engine_watch_resubscribe(struct engine_watch *w, struct hub_waiter **waiter, struct err *e)
{
	enum rc rc = fake_fails("resubscribe", e);

	(void)w;
	*waiter = NULL;
	fake_note("resubscribe;");
	if (rc != RC_OK || fake.replaced)
		return rc;
	*waiter = mem_alloc(sizeof(**waiter));
	if (*waiter == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	fake.waiters++;
	return RC_OK;
}

unsigned
engine_wait_begins(struct engine_session *s, const char *client_ip, unsigned wanted_s)
{
	(void)s;
	(void)client_ip;
	return wanted_s;
}

void
engine_wait_ended(struct engine_watch *w, const char *client_ip, unsigned waited_s, enum wait_end how)
{
	(void)w;
	(void)client_ip;
	fake.ends++;
	fake.waited_s = waited_s;
	fake.end = how;
}

void
engine_watch_free(struct engine_watch *w)
{
	if (w == NULL)
		return;
	fake.watches--;
	mem_free(w);
}

void
hub_waiter_free(struct hub_waiter *w)
{
	if (w == NULL)
		return;
	fake.waiters--;
	mem_free(w);
}
