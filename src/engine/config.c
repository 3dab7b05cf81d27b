/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A device's settings: kept as JSON text with the device, read at login and when another node changed them, narrowing what the server allows. */
#include "engine/engine_int.h"

#include <stdlib.h>
#include <string.h>

static const char *const policy_name[] = {
	[POLICY_SERVER] = "server", [POLICY_CLIENT] = "client", [POLICY_ERROR] = "error",
};
static const char *const mode_name[] = { [MODE_FULL] = "full", [MODE_HEADERS] = "headers", [MODE_OFF] = "off" };
static const char *const kind_name[KIND_COUNT] = {
	[KIND_INBOX] = "inbox", [KIND_MAIL] = "mail", [KIND_CONTACT] = "contact", [KIND_APPOINTMENT] = "appointment", [KIND_TASK] = "task",
};

const char *
folder_kind_name(enum folder_kind k)
{
	return kind_name[k];
}

const char *
folder_mode_name(enum folder_mode m)
{
	return mode_name[m];
}

int
folder_mode_parse(const char *s)
{
	for (size_t i = 0; s != NULL && i < ARRAY_LEN(mode_name); i++)
		if (strcmp(mode_name[i], s) == 0)
			return (int)i;
	return -1;
}

/* ---- as text ---- */

/* enum sync_policy, or -1 */
static int
policy_parse(const json_t *v)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s != NULL && i < ARRAY_LEN(policy_name); i++)
		if (strcmp(s, policy_name[i]) == 0)
			return (int)i;
	return -1;
}

static enum sync_policy
policy_or_server(const json_t *v)
{
	int p = policy_parse(v);

	return p < 0 ? POLICY_SERVER : (enum sync_policy)p;
}

static const char *const mail_delete_name[] = {
	[MAIL_DELETE_SERVER] = "server", [MAIL_DELETE_TRASH] = "trash", [MAIL_DELETE_FINAL] = "final",
};

static enum mail_delete
mail_delete_parse(const json_t *v)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s != NULL && i < ARRAY_LEN(mail_delete_name); i++)
		if (strcmp(s, mail_delete_name[i]) == 0)
			return (enum mail_delete)i;
	return MAIL_DELETE_SERVER;
}

static int64_t
days_parse(const json_t *v, int64_t server)
{
	int64_t d = json_is_integer(v) ? json_integer_value(v) : -1;

	return d < 0 || (server > 0 && d > server) ? -1 : d;
}

static void
types_parse(const json_t *types, struct device_config *out)
{
	for (int ct = 0; ct < CT_COUNT; ct++) {
		const struct content_type *t = model_content((enum content)ct);
		const json_t *x = json_object_get(types, t->name), *list = json_object_get(x, "exclude");

		out->type_off[ct] = json_is_false(json_object_get(x, "sync"));
		for (size_t i = 0; i < json_array_size(list); i++) {
			const char *name = json_string_value(json_array_get(list, i));
			int f = name != NULL ? model_field(t, name) : -1;

			if (f >= 0)
				fmask_set(&out->exclude[ct], (unsigned)f);
		}
	}
}

static void
folders_parse(const json_t *folders, struct device_config *out)
{
	const char *key;
	json_t *v;

	if (json_object_size(folders) == 0)
		return;
	out->folders = mem_alloc(json_object_size(folders) * sizeof(*out->folders));
	json_object_foreach((json_t *)(uintptr_t)folders, key, v) {
		struct folder_setting f = { .mode = folder_mode_parse(json_string_value(json_object_get(v, "mode"))),
			.policy = policy_parse(json_object_get(v, "policy")), .delete_policy = policy_parse(json_object_get(v, "deletePolicy")) };

		if (out->folders != NULL && out->n_folders < DEVICE_FOLDERS_MAX && uuid_parse(key, &f.uuid))
			out->folders[out->n_folders++] = f;
	}
}

/* What cannot be read counts as not set: the text is our own, a damaged one must not lock the device out.  OUT->folders is from mem_alloc. */
static void
config_parse(const struct engine *g, const char *text, struct device_config *out)
{
	json_t *root = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	memset(out, 0, sizeof(*out));
	out->policy = policy_or_server(json_object_get(root, "policy"));
	out->delete_policy = policy_or_server(json_object_get(root, "deletePolicy"));
	out->mail_delete = mail_delete_parse(json_object_get(root, "mailDelete"));
	for (int ct = 0; ct < CT_COUNT; ct++) {
		const json_t *w = json_object_get(json_object_get(root, "window"), model_content((enum content)ct)->name);

		out->past_days[ct] = days_parse(json_object_get(w, "past"), g->o.past_days[ct]);
		out->future_days[ct] = days_parse(json_object_get(w, "future"), g->o.future_days[ct]);
	}
	for (size_t k = 0; k < KIND_COUNT; k++)
		out->mode[k] = folder_mode_parse(json_string_value(json_object_get(json_object_get(root, "modes"), kind_name[k])));
	types_parse(json_object_get(root, "types"), out);
	folders_parse(json_object_get(root, "folders"), out);
	json_decref(root);
}

static json_t *
types_format(const struct device_config *c)
{
	json_t *types = json_object();

	for (int ct = 0; ct < CT_COUNT; ct++) {
		const struct content_type *t = model_content((enum content)ct);
		json_t *list = json_array();

		for (unsigned i = 0; i < t->n_fields; i++)
			if (fmask_has(&c->exclude[ct], i))
				(void)json_array_append_new(list, json_string(t->fields[i].name));
		if (c->type_off[ct] || json_array_size(list) != 0)
			(void)json_object_set_new(types, t->name, json_pack("{s:b, s:O}", "sync", !c->type_off[ct], "exclude", list));
		json_decref(list);
	}
	return types;
}

static char *
config_format(const struct device_config *c)
{
	json_t *root = json_object(), *window = json_object(), *modes = json_object(), *folders = json_object();
	char *text, uuid[UUID_TEXT];

	(void)json_object_set_new(root, "policy", json_string(policy_name[c->policy]));
	(void)json_object_set_new(root, "deletePolicy", json_string(policy_name[c->delete_policy]));
	(void)json_object_set_new(root, "mailDelete", json_string(mail_delete_name[c->mail_delete]));
	for (int ct = 0; ct < CT_COUNT; ct++) {
		if (c->past_days[ct] < 0 && c->future_days[ct] < 0)
			continue;
		(void)json_object_set_new(window, model_content((enum content)ct)->name,
		    json_pack("{s:I, s:I}", "past", (json_int_t)c->past_days[ct], "future", (json_int_t)c->future_days[ct]));
	}
	for (size_t k = 0; k < KIND_COUNT; k++)
		if (c->mode[k] >= 0)
			(void)json_object_set_new(modes, kind_name[k], json_string(mode_name[c->mode[k]]));
	for (size_t i = 0; i < c->n_folders; i++) {
		const struct folder_setting *f = &c->folders[i];
		json_t *x = json_object();

		if (f->mode >= 0)
			(void)json_object_set_new(x, "mode", json_string(mode_name[f->mode]));
		if (f->policy >= 0)
			(void)json_object_set_new(x, "policy", json_string(policy_name[f->policy]));
		if (f->delete_policy >= 0)
			(void)json_object_set_new(x, "deletePolicy", json_string(policy_name[f->delete_policy]));
		uuid_format(&f->uuid, uuid);
		(void)json_object_set_new(folders, uuid, x);
	}
	(void)json_object_set_new(root, "window", window);
	(void)json_object_set_new(root, "modes", modes);
	(void)json_object_set_new(root, "types", types_format(c));
	(void)json_object_set_new(root, "folders", folders);
	text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	return text;
}

/* ---- of a session ---- */

void
config_fini(struct device_config *c)
{
	mem_free(c->folders);
	c->folders = NULL;
	c->n_folders = 0;
}

/* The device's settings as TEXT says; another node, or another session of the device, may have changed them. */
void
config_load_locked(struct engine *g, struct node_session *n, const char *text)
{
	uint64_t hash = siphash24(g->topic_key, text, strlen(text));

	if (n->config_hash == hash)
		return;
	config_fini(&n->config);
	config_parse(g, text, &n->config);
	n->config_hash = hash;
}

static void
config_defaults(const struct engine *g, struct device_config *c)
{
	for (int ct = 0; ct < CT_COUNT; ct++) {
		if (c->past_days[ct] < 0)
			c->past_days[ct] = g->o.past_days[ct];
		if (c->future_days[ct] < 0)
			c->future_days[ct] = g->o.future_days[ct];
	}
	for (size_t k = 0; k < KIND_COUNT; k++)
		if (c->mode[k] < 0)
			c->mode[k] = (int)g->o.mode[k];
}

void
engine_config_defaults(const struct engine_session *s, struct device_config *c)
{
	config_defaults(s->g, c);
}

void
config_of_text(const struct engine *g, const char *text, struct device_config *out)
{
	config_parse(g, text, out);
	config_defaults(g, out);
}

void
config_now(const struct engine_session *s, struct device_config *out)
{
	(void)pthread_mutex_lock(&s->g->lock);
	*out = s->n->config;
	(void)pthread_mutex_unlock(&s->g->lock);
	out->folders = NULL;
	out->n_folders = 0;
	engine_config_defaults(s, out);
}

enum rc
engine_config_get(const struct engine_session *s, struct arena *a, struct device_config *out, struct err *e)
{
	bool ok = true;

	(void)pthread_mutex_lock(&s->g->lock);
	*out = s->n->config;
	if (out->n_folders != 0)
		ok = (out->folders = arena_memdup(a, out->folders, out->n_folders * sizeof(*out->folders))) != NULL;
	(void)pthread_mutex_unlock(&s->g->lock);
	return ok ? RC_OK : err_set(e, RC_NOMEM, "out of memory for the settings");
}

/* Who wins, where the request does not say: as set for its folder, else for the device. */
void
config_policies(const struct engine_session *s, struct sync_request *req)
{
	const struct device_config *c = &s->n->config;
	enum sync_policy policy, delete_policy;

	(void)pthread_mutex_lock(&s->g->lock);
	policy = c->policy;
	delete_policy = c->delete_policy;
	for (size_t i = 0; req->n_changes > 0 && !req->folder.hierarchy && i < c->n_folders; i++) {
		const struct folder_setting *f = &c->folders[i];

		if (memcmp(f->uuid.b, req->folder.uuid.b, sizeof(f->uuid.b)) != 0)
			continue;
		policy = f->policy >= 0 ? (enum sync_policy)f->policy : policy;
		delete_policy = f->delete_policy >= 0 ? (enum sync_policy)f->delete_policy : delete_policy;
	}
	(void)pthread_mutex_unlock(&s->g->lock);
	if (!req->has_policy)
		req->policy = policy;
	if (!req->has_delete_policy)
		req->delete_policy = delete_policy;
}

static enum folder_kind
kind_of(const struct engine_session *s, const struct folder_ref *ref, enum content ct)
{
	const struct ox_user *u = ox_session_user(s->ox);
	struct uuid inbox;

	switch (ct) {
	case CT_CONTACT:
		return KIND_CONTACT;
	case CT_CALENDAR:
		return KIND_APPOINTMENT;
	case CT_TASK:
		return KIND_TASK;
	default:
		uuid_make(s->g->keys, s->n->account->hier_tag, model_id(s->g->keys, u->inbox), &inbox);
		return u->inbox[0] != '\0' && memcmp(inbox.b, ref->uuid.b, sizeof(inbox.b)) == 0 ? KIND_INBOX : KIND_MAIL;
	}
}

/*
 * How much of a folder of type CT this device gets, and which fields it does not.  A type that is not wanted at all goes before the mode of
 * one folder, and that before the default of its kind.  The hierarchy is always whole.
 */
enum folder_mode
config_filter_of(const struct engine *g, const struct device_config *c, enum folder_kind kind, const struct uuid *folder, enum content ct,
    struct fmask *hidden)
{
	const struct content_type *t = model_content(ct);
	int mode = c->type_off[ct] ? MODE_OFF : -1;

	*hidden = c->exclude[ct];
	for (size_t i = 0; mode < 0 && i < c->n_folders; i++)
		if (memcmp(c->folders[i].uuid.b, folder->b, sizeof(folder->b)) == 0)
			mode = c->folders[i].mode;
	if (mode < 0)
		mode = c->mode[kind] >= 0 ? c->mode[kind] : (int)g->o.mode[kind];
	for (unsigned i = 0; mode == MODE_HEADERS && i < t->n_fields; i++)
		if ((t->fields[i].flags & (FF_HEADERS | FF_NODELIVER)) == 0)
			fmask_set(hidden, i);
	return (enum folder_mode)mode;
}

enum folder_mode
config_filter(const struct engine_session *s, const struct folder_ref *ref, enum content ct, struct fmask *hidden)
{
	enum folder_kind kind;
	enum folder_mode mode;

	memset(hidden, 0, sizeof(*hidden));
	if (ct == CT_FOLDER)
		return MODE_FULL;
	kind = kind_of(s, ref, ct);
	(void)pthread_mutex_lock(&s->g->lock);
	mode = config_filter_of(s->g, &s->n->config, kind, &ref->uuid, ct, hidden);
	(void)pthread_mutex_unlock(&s->g->lock);
	return mode;
}

enum rc
engine_config_set(struct engine_session *s, const struct device_config *c, struct err *e)
{
	struct engine *g = s->g;
	struct store_conn *conn = NULL;
	char *text = NULL;
	enum rc rc;

	for (int ct = 0; ct < CT_COUNT; ct++) {
		if ((g->o.past_days[ct] > 0 && c->past_days[ct] > g->o.past_days[ct]) ||
		    (g->o.future_days[ct] > 0 && c->future_days[ct] > g->o.future_days[ct]))
			return err_set_path(e, RC_PROTO, "window", "this server gives at most %lld days back and %lld ahead for %s",
			    (long long)g->o.past_days[ct], (long long)g->o.future_days[ct], model_content((enum content)ct)->name);
	}
	if (c->n_folders > DEVICE_FOLDERS_MAX)
		return err_set_path(e, RC_LIMIT, "folders", "has more than %d folders; set the others through modes and the device's own resolution", DEVICE_FOLDERS_MAX);
	text = config_format(c);
	if (text == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the settings");
	rc = store_lease(g->store, &conn, e);
	if (rc == RC_OK)
		rc = session_verify(s, conn, e);
	if (rc == RC_OK)
		rc = store_device_config(conn, s->n->device_id, text, e);
	if (rc == RC_OK)
		rc = quick_forget_device(s, conn, e);
	store_release(conn);
	if (rc == RC_OK) {
		(void)pthread_mutex_lock(&g->lock);
		config_load_locked(g, s->n, text);
		(void)pthread_mutex_unlock(&g->lock);
	}
	free(text); /* jansson's own allocation */
	return rc;
}
