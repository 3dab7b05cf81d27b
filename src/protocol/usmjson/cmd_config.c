/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* getConfig and setConfig: what a device wants to get, and who wins a conflict. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define DAYS_MAX 36500 /* a hundred years */

/* the types that have a time window; mail has no future */
static const enum content windowed[] = { CT_CALENDAR, CT_TASK, CT_MAIL };
/* the types of which a device may want less */
static const enum content typed[] = { CT_CONTACT, CT_CALENDAR, CT_TASK, CT_MAIL };

static void
write_days(struct buf *b, const char *key, int64_t days)
{
	js_key(b, key);
	if (days < 0)
		buf_adds(b, "null");
	else
		buf_add_i64(b, days);
}

static void
write_modes(struct buf *b, const struct device_config *d)
{
	js_key(b, "modes");
	buf_addc(b, '{');
	for (size_t k = 0; k < KIND_COUNT; k++) {
		js_key(b, folder_kind_name((enum folder_kind)k));
		js_str(b, folder_mode_name((enum folder_mode)d->mode[k]));
	}
	buf_addc(b, '}');
	js_key(b, "folders");
	buf_addc(b, '{');
	for (size_t i = 0; i < d->n_folders; i++) {
		char uuid[UUID_TEXT];

		if (d->folders[i].mode < 0)
			continue;
		uuid_format(&d->folders[i].uuid, uuid);
		js_key(b, uuid);
		js_str(b, folder_mode_name((enum folder_mode)d->folders[i].mode));
	}
	buf_addc(b, '}');
}

static void
write_resolutions(struct buf *b, const struct device_config *d)
{
	js_key(b, "resolutions");
	buf_addc(b, '{');
	for (size_t i = 0; i < d->n_folders; i++) {
		const struct folder_setting *f = &d->folders[i];
		char uuid[UUID_TEXT];

		if (f->policy < 0 && f->delete_policy < 0)
			continue;
		uuid_format(&f->uuid, uuid);
		js_key(b, uuid);
		buf_addc(b, '{');
		if (f->policy >= 0) {
			js_key(b, "conflictResolution");
			js_str(b, policy_name((enum sync_policy)f->policy));
		}
		if (f->delete_policy >= 0) {
			js_key(b, "deleteResolution");
			js_str(b, policy_name((enum sync_policy)f->delete_policy));
		}
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
}

static void
write_types(struct buf *b, const struct device_config *d)
{
	js_key(b, "types");
	buf_addc(b, '{');
	for (size_t k = 0; k < ARRAY_LEN(typed); k++) {
		const struct content_type *t = model_content(typed[k]);
		bool first = true;

		js_key(b, t->name);
		buf_addf(b, "{\"sync\":%s,\"exclude\":[", d->type_off[t->ct] ? "false" : "true");
		for (unsigned i = 0; i < t->n_fields; i++) {
			if (!fmask_has(&d->exclude[t->ct], i))
				continue;
			if (!first)
				buf_addc(b, ',');
			first = false;
			js_str(b, t->fields[i].name);
		}
		buf_adds(b, "]}");
	}
	buf_addc(b, '}');
}

static const char *const mail_delete_name[] = {
	[MAIL_DELETE_SERVER] = "server", [MAIL_DELETE_TRASH] = "trash", [MAIL_DELETE_FINAL] = "final",
};

static void
write_config(struct buf *b, const struct device_config *d)
{
	buf_addc(b, '{');
	js_key(b, "conflictResolution");
	js_str(b, policy_name(d->policy));
	js_key(b, "deleteResolution");
	js_str(b, policy_name(d->delete_policy));
	js_key(b, "mailDelete");
	js_str(b, mail_delete_name[d->mail_delete]);
	js_key(b, "window");
	buf_addc(b, '{');
	for (size_t i = 0; i < ARRAY_LEN(windowed); i++) {
		enum content ct = windowed[i];

		js_key(b, model_content(ct)->name);
		buf_addc(b, '{');
		write_days(b, "pastDays", d->past_days[ct]);
		if (ct != CT_MAIL)
			write_days(b, "futureDays", d->future_days[ct]);
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
	write_modes(b, d);
	write_resolutions(b, d);
	write_types(b, d);
	buf_addc(b, '}');
}

enum rc
cmd_get_config(struct call *c)
{
	struct device_config d;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = engine_config_get(c->session, c->arena, &d, &c->err);
	if (rc != RC_OK)
		return rc;
	engine_config_defaults(c->session, &d);
	write_config(&c->out, &d);
	return RC_OK;
}

/* null = the server's default again */
static enum rc
read_days(struct rd *r, const char *name, const json_t *v, int64_t *days)
{
	static const struct rd_member m = { "", RD_INT, 0, 0, DAYS_MAX };
	size_t mark = rd_enter(r, name);
	enum rc rc = RC_OK;

	if (json_is_null(v)) {
		*days = -1;
	} else {
		rc = rd_value(r, &m, v);
		if (rc == RC_OK)
			*days = json_integer_value(v);
	}
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

static enum rc
read_type_window(struct rd *r, enum content ct, const json_t *j, struct device_config *d)
{
	enum { PAST, FUTURE, N };
	static const struct rd_member m[N] = {
		[PAST] = { "pastDays", RD_ANY, 0, 0, 0 },
		[FUTURE] = { "futureDays", RD_ANY, 0, 0, 0 },
	};
	size_t mark = rd_enter(r, model_content(ct)->name);
	json_t *v[N] = { NULL };
	enum rc rc = rd_object(r, j, m, ct == CT_MAIL ? 1 : N, v);

	if (rc == RC_OK && v[PAST] != NULL)
		rc = read_days(r, "pastDays", v[PAST], &d->past_days[ct]);
	if (rc == RC_OK && v[FUTURE] != NULL)
		rc = read_days(r, "futureDays", v[FUTURE], &d->future_days[ct]);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

static enum rc
read_window(struct rd *r, const json_t *j, struct device_config *d)
{
	struct rd_member m[ARRAY_LEN(windowed)];
	json_t *v[ARRAY_LEN(windowed)];
	size_t mark = rd_enter(r, "window");
	enum rc rc;

	for (size_t i = 0; i < ARRAY_LEN(windowed); i++)
		m[i] = (struct rd_member){ model_content(windowed[i])->name, RD_OBJECT, 0, 0, 0 };
	rc = rd_object(r, j, m, ARRAY_LEN(windowed), v);
	for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(windowed); i++)
		if (v[i] != NULL)
			rc = read_type_window(r, windowed[i], v[i], d);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

/* ---- modes and types ---- */

/* null = -1, as if it had never been said */
static enum rc
read_mode(struct rd *r, const char *name, const json_t *v, int *mode)
{
	size_t mark = rd_enter(r, name);

	*mode = json_is_null(v) ? -1 : folder_mode_parse(json_string_value(v));
	if (*mode < 0 && !json_is_null(v))
		return rd_fail(r, RC_PROTO, "must be \"full\", \"headers\", \"off\" or null");
	rd_leave(r, mark);
	return RC_OK;
}

static enum rc
read_modes(struct rd *r, const json_t *j, struct device_config *d)
{
	struct rd_member m[KIND_COUNT];
	json_t *v[KIND_COUNT];
	size_t mark = rd_enter(r, "modes");
	enum rc rc;

	for (size_t k = 0; k < KIND_COUNT; k++)
		m[k] = (struct rd_member){ folder_kind_name((enum folder_kind)k), RD_ANY, 0, 0, 0 };
	rc = rd_object(r, j, m, KIND_COUNT, v);
	for (size_t k = 0; rc == RC_OK && k < KIND_COUNT; k++)
		if (v[k] != NULL)
			rc = read_mode(r, m[k].name, v[k], &d->mode[k]);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

/* What D says of the folder U, added with nothing where it says nothing; D has room for it. */
static struct folder_setting *
folder_setting(struct device_config *d, const struct uuid *u)
{
	size_t i = 0;

	while (i < d->n_folders && memcmp(d->folders[i].uuid.b, u->b, sizeof(u->b)) != 0)
		i++;
	if (i == d->n_folders)
		d->folders[d->n_folders++] = (struct folder_setting){ .uuid = *u, .mode = -1, .policy = -1, .delete_policy = -1 };
	return &d->folders[i];
}

/* null = as the device's others */
static enum rc
read_policy(struct rd *r, const char *name, const json_t *v, int *policy)
{
	static const struct rd_member m = { "", RD_POLICY, 0, 0, 0 };
	size_t mark = rd_enter(r, name);
	enum rc rc = json_is_null(v) ? RC_OK : rd_value(r, &m, v);

	if (rc != RC_OK)
		return rc;
	*policy = json_is_null(v) ? -1 : (int)rd_policy(v);
	rd_leave(r, mark);
	return RC_OK;
}

/* null = both as the device's others */
static enum rc
read_resolution(struct rd *r, const char *name, const json_t *j, struct folder_setting *f)
{
	enum { POLICY, DELETE_POLICY, N };
	static const struct rd_member m[N] = {
		[POLICY] = { "conflictResolution", RD_ANY, 0, 0, 0 },
		[DELETE_POLICY] = { "deleteResolution", RD_ANY, 0, 0, 0 },
	};
	size_t mark = rd_enter(r, name);
	json_t *v[N] = { NULL };
	enum rc rc = RC_OK;

	if (json_is_null(j))
		f->policy = f->delete_policy = -1;
	else
		rc = rd_object(r, j, m, N, v);
	if (rc == RC_OK && v[POLICY] != NULL)
		rc = read_policy(r, "conflictResolution", v[POLICY], &f->policy);
	if (rc == RC_OK && v[DELETE_POLICY] != NULL)
		rc = read_policy(r, "deleteResolution", v[DELETE_POLICY], &f->delete_policy);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

/* One of the two members that have settings by folder: modes, or who wins. */
static enum rc
read_folders(struct rd *r, const char *member, bool modes, const json_t *j, struct device_config *d)
{
	struct folder_setting *all = arena_array(r->c->arena, struct folder_setting, d->n_folders + json_object_size(j));
	size_t mark = rd_enter(r, member), n = 0;
	const char *name;
	struct uuid u;
	json_t *v;
	enum rc rc;

	if (all == NULL)
		return rd_fail(r, RC_NOMEM, "out of memory");
	if (d->n_folders != 0)
		memcpy(all, d->folders, d->n_folders * sizeof(*all));
	d->folders = all;
	json_object_foreach((json_t *)(uintptr_t)j, name, v) {
		if (!uuid_parse(name, &u))
			return rd_fail_at(r, name, RC_PROTO, "is no uuid of a folder");
		rc = modes ? read_mode(r, name, v, &folder_setting(d, &u)->mode) : read_resolution(r, name, v, folder_setting(d, &u));
		if (rc != RC_OK)
			return rc;
	}
	for (size_t i = 0; i < d->n_folders; i++) /* of which nothing is said any more */
		if (all[i].mode >= 0 || all[i].policy >= 0 || all[i].delete_policy >= 0)
			all[n++] = all[i];
	d->n_folders = n;
	rd_leave(r, mark);
	return RC_OK;
}

static enum rc
read_exclude(struct rd *r, const struct content_type *t, const json_t *list, struct fmask *out)
{
	size_t mark = rd_enter(r, "exclude"), inner, i;
	json_t *name;

	memset(out, 0, sizeof(*out));
	json_array_foreach(list, i, name) {
		int f = json_is_string(name) ? model_field(t, json_string_value(name)) : -1;

		inner = rd_enter_index(r, i);
		if (f < 0 || (t->fields[f].flags & FF_NODELIVER) != 0)
			return rd_fail(r, RC_PROTO, "must be the name of a field of the type %s", t->name);
		fmask_set(out, (unsigned)f);
		rd_leave(r, inner);
	}
	rd_leave(r, mark);
	return RC_OK;
}

static enum rc
read_type(struct rd *r, const struct content_type *t, const json_t *j, struct device_config *d)
{
	enum { SYNC, EXCLUDE, N };
	static const struct rd_member m[N] = {
		[SYNC] = { "sync", RD_BOOL, 0, 0, 0 },
		[EXCLUDE] = { "exclude", RD_ARRAY, 0, 0, MODEL_MAX_FIELDS },
	};
	size_t mark = rd_enter(r, t->name);
	json_t *v[N];
	enum rc rc = rd_object(r, j, m, N, v);

	if (rc == RC_OK && v[SYNC] != NULL)
		d->type_off[t->ct] = json_is_false(v[SYNC]);
	if (rc == RC_OK && v[EXCLUDE] != NULL)
		rc = read_exclude(r, t, v[EXCLUDE], &d->exclude[t->ct]);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

static enum rc
read_types(struct rd *r, const json_t *j, struct device_config *d)
{
	struct rd_member m[ARRAY_LEN(typed)];
	json_t *v[ARRAY_LEN(typed)];
	size_t mark = rd_enter(r, "types");
	enum rc rc;

	for (size_t i = 0; i < ARRAY_LEN(typed); i++)
		m[i] = (struct rd_member){ model_content(typed[i])->name, RD_OBJECT, 0, 0, 0 };
	rc = rd_object(r, j, m, ARRAY_LEN(typed), v);
	for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(typed); i++)
		if (v[i] != NULL)
			rc = read_type(r, model_content(typed[i]), v[i], d);
	if (rc == RC_OK)
		rd_leave(r, mark);
	return rc;
}

static enum rc
read_mail_delete(struct rd *r, const json_t *v, enum mail_delete *out)
{
	for (size_t i = 0; i < ARRAY_LEN(mail_delete_name); i++) {
		if (strcmp(json_string_value(v), mail_delete_name[i]) != 0)
			continue;
		*out = (enum mail_delete)i;
		return RC_OK;
	}
	return rd_fail_at(r, "mailDelete", RC_PROTO, "must be \"server\", \"trash\" or \"final\"");
}

enum rc
cmd_set_config(struct call *c)
{
	enum { POLICY, DELETE_POLICY, MAIL_DELETE, WINDOW, MODES, FOLDERS, RESOLUTIONS, TYPES, N };
	static const struct rd_member m[N] = {
		[POLICY] = { "conflictResolution", RD_POLICY, 0, 0, 0 },
		[DELETE_POLICY] = { "deleteResolution", RD_POLICY, 0, 0, 0 },
		[MAIL_DELETE] = { "mailDelete", RD_STRING, 0, 1, 16 },
		[WINDOW] = { "window", RD_OBJECT, 0, 0, 0 },
		[MODES] = { "modes", RD_OBJECT, 0, 0, 0 },
		[FOLDERS] = { "folders", RD_OBJECT, 0, 0, 0 },
		[RESOLUTIONS] = { "resolutions", RD_OBJECT, 0, 0, 0 },
		[TYPES] = { "types", RD_OBJECT, 0, 0, 0 },
	};
	struct device_config d;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK)
		rc = engine_config_get(c->session, c->arena, &d, &c->err);
	if (rc != RC_OK)
		return rc;
	if (v[POLICY] != NULL)
		d.policy = rd_policy(v[POLICY]);
	if (v[DELETE_POLICY] != NULL)
		d.delete_policy = rd_policy(v[DELETE_POLICY]);
	if (v[MAIL_DELETE] != NULL)
		rc = read_mail_delete(&r, v[MAIL_DELETE], &d.mail_delete);
	if (rc == RC_OK && v[WINDOW] != NULL)
		rc = read_window(&r, v[WINDOW], &d);
	if (rc == RC_OK && v[MODES] != NULL)
		rc = read_modes(&r, v[MODES], &d);
	if (rc == RC_OK && v[FOLDERS] != NULL)
		rc = read_folders(&r, "folders", true, v[FOLDERS], &d);
	if (rc == RC_OK && v[RESOLUTIONS] != NULL)
		rc = read_folders(&r, "resolutions", false, v[RESOLUTIONS], &d);
	if (rc == RC_OK && v[TYPES] != NULL)
		rc = read_types(&r, v[TYPES], &d);
	if (rc == RC_OK)
		rc = engine_config_set(c->session, &d, &c->err);
	if (rc == RC_OK)
		rc = engine_config_get(c->session, c->arena, &d, &c->err);
	if (rc != RC_OK)
		return rc;
	engine_config_defaults(c->session, &d);
	write_config(&c->out, &d);
	return RC_OK;
}
