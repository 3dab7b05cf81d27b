/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Small modules: config, jslob, capabilities, system, quota, account, token.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

void
system_ping(struct req *r)
{
	sb_str(r->out, "true");
}

/* --- config: a tree made for the user, read by path -------------------------------- */

static json_t *
on(bool b)
{
	return json_boolean(b);
}

static json_t *
num_text(int n)
{
	json_t *j;
	char *t = xprintf("%d", n);

	j = S.older ? json_integer(n) : json_string(t);
	free(t);
	return j;
}

static json_t *
mail_tree(const struct user *u)
{
	return json_pack("{s:s, s:[s], s:s, s:b, s:b, s:b, s:b, s:b, s:s, s:i, s:{s:s, s:s, s:s, s:s, s:s}}",
	    "defaultaddress", u->mail, "addresses", u->mail, "sendaddress", u->mail, "inlineattachments", 1,
	    "spambutton", 0, "vcard", 0, "deletemail", u->harddelete, "nocopytosent", 0, "forwardmessage", "Inline",
	    "linewrap", 0, "folder", "inbox", "default0/INBOX", "drafts", "default0/Drafts", "sent",
	    "default0/Sent", "spam", "default0/Spam", "trash", "default0/Trash");
}

static json_t *
modules_tree(const struct user *u)
{
	json_t *m = mail_tree(u);

	json_object_set_new(m, "module", on(true));
	json_object_set_new(m, "defaultseparator", json_string("/"));
	json_object_set_new(m, "defaultFolder", json_deep_copy(json_object_get(m, "folder")));
	return json_pack("{s:{s:b,s:b,s:b}, s:{s:b}, s:{s:b,s:b}, s:o, s:{s:b}, s:{s:b,s:b}, s:{s:b,s:b,s:i}}",
	    "calendar", "module", 1, "calendar_conflict", 1, "calendar_freebusy", 1, "contacts", "module", 1,
	    "tasks", "module", 1, "delegate_tasks", 1, "mail", m, "infostore", "module", 1, "olox20",
	    "module", 0, "active", u->olox20, "folder", "public_folders", 1,
	    "read_create_shared_folders", 1, "tree", 0);
}

static json_t *
config_tree(struct req *r)
{
	struct user *u = r->u;
	json_t *t = json_object(), *f = json_object();
	char *con = xprintf("con://0/%d", u->f_con);

	json_object_set_new(f, "calendar", num_text(u->f_cal));
	json_object_set_new(f, "contacts", num_text(u->f_con));
	json_object_set_new(f, "tasks", num_text(u->f_task));
	json_object_set_new(f, "infostore", num_text(u->f_info));
	json_object_set_new(f, "eas", on(true));
	json_object_set_new(f, "addressbooks", json_string(con));
	free(con);
	json_object_set_new(t, "identifier", json_integer(u->id));
	json_object_set_new(t, "context_id", json_integer(u->c->id));
	json_object_set_new(t, "contact_id", json_integer(u->contact));
	json_object_set_new(t, "language", json_string(u->locale));
	json_object_set_new(t, "timezone", json_string(u->zone));
	json_object_set_new(t, "currentTime", json_integer(shift(r, sim_now())));
	json_object_set_new(t, "serverVersion", json_string(S.older ? "7.8.4-Rev1" : "8.19.0"));
	json_object_set_new(t, "maxUploadIdleTimeout", json_integer(300000));
	json_object_set_new(t, "cookielifetime", json_integer(-1));
	json_object_set_new(t, "minimumSearchCharacters", json_integer(0));
	json_object_set_new(t, "folder", f);
	json_object_set_new(t, "mail", mail_tree(u));
	json_object_set_new(t, "modules", modules_tree(u));
	json_object_set_new(t, "gui", u->gui ? json_incref(u->gui) : json_string("null"));
	json_object_set_new(t, "availableTimeZones", json_pack("{s:s,s:s,s:s,s:s}", "UTC", "(GMT-00:00) UTC",
	    "Europe/Berlin", "(GMT+01:00) Europe/Berlin", "America/New_York", "(GMT-05:00) America/New_York",
	    "Asia/Tokyo", "(GMT+09:00) Asia/Tokyo"));
	json_object_set_new(t, "availableModules", json_pack("[s,s,s,s,s,s]", "calendar", "contacts", "tasks",
	    "mail", "infostore", "folder"));
	return t;
}

static void
config_write(struct req *r)
{
	json_t *j;

	if (strcmp(r->rest, "gui") == 0) {
		if ((j = body_json(r)) == NULL)
			return;
		json_decref(r->u->gui);
		r->u->gui = json_incref(j);
	} else if (strcmp(r->rest, "timezone") == 0 && json_is_string(body_json(r)) &&
	    tz_get(json_string_value(r->j)) != NULL) {
		free(r->u->zone);
		r->u->zone = xstrdup(json_string_value(r->j));
	} else if ((strcmp(r->rest, "mail/deletemail") == 0 || strcmp(r->rest, "modules/mail/deletemail") == 0) && json_is_boolean(body_json(r))) {
		r->u->harddelete = json_is_true(r->j);
	}
	/* anything else is read only and silently kept */
	sb_str(r->out, "null");
}

void
config_any(struct req *r)
{
	const char *a = arg(r, "action");
	json_t *t, *v;
	gchar **path, **p;
	char *s;

	if (a != NULL && strcmp(a, "get_property") == 0) {
		if (need(r, "name") != NULL)
			fail(r, "CFG-0005", json_pack("[s]", arg(r, "name")));
		return;
	}
	if (!r->in_multiple && strcmp(r->method, "PUT") == 0 && *r->rest) {
		config_write(r);
		return;
	}
	t = v = config_tree(r);
	path = g_strsplit(r->rest, "/", -1);
	for (p = path; *p != NULL && v != NULL; p++)
		if (**p != '\0')
			v = json_object_get(v, *p);
	if (v == NULL) {
		s = xprintf("/%s", r->rest);
		fail(r, "USS-0004", json_pack("[s]", s));
	} else if (json_is_boolean(v) && strcmp(r->rest, "folder/eas") == 0) {
		s = xstrdup("\"true\"");
		sb_str(r->out, s);
	} else {
		s = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		sb_str(r->out, s ? s : "null");
	}
	free(s);
	g_strfreev(path);
	json_decref(t);
}

/* --- jslob ------------------------------------------------------------------------------ */

static json_t *
jslob_tree(struct req *r, const char *id)
{
	json_t *own = json_object_get(r->u->jslob, id), *t;

	if (strcmp(id, "io.ox/core") == 0)
		t = json_pack("{s:s,s:s,s:s,s:i,s:o}", "serverVersion", "8.19.0", "timezone", r->u->zone,
		    "language", r->u->locale, "identifier", r->u->id, "folder",
		    json_pack("{s:o,s:o,s:o}", "calendar", num_text(r->u->f_cal), "contacts",
		    num_text(r->u->f_con), "tasks", num_text(r->u->f_task)));
	else if (strcmp(id, "io.ox/mail") == 0)
		t = mail_tree(r->u);
	else
		t = json_object();
	if (own != NULL)
		json_object_update(t, own);
	return t;
}

static void
put_json(struct req *r, json_t *j)
{
	char *t = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	sb_str(r->out, t ? t : "null");
	free(t);
	json_decref(j);
}

static json_t *
jslob_entry(struct req *r, const char *id)
{
	return json_pack("{s:s, s:o, s:{}}", "id", id, "tree", jslob_tree(r, id), "meta");
}

void
jslob_all(struct req *r)
{
	json_t *a = json_array(), *v;
	const char *k;

	json_array_append_new(a, jslob_entry(r, "io.ox/core"));
	json_array_append_new(a, jslob_entry(r, "io.ox/mail"));
	json_object_foreach(r->u->jslob, k, v)
		if (strcmp(k, "io.ox/core") != 0 && strcmp(k, "io.ox/mail") != 0)
			json_array_append_new(a, jslob_entry(r, k));
	put_json(r, a);
}

void
jslob_list(struct req *r)
{
	json_t *ids = body_array(r), *v, *a;
	size_t i;

	if (ids == NULL)
		return;
	a = json_array();
	json_array_foreach(ids, i, v)
		if (json_is_string(v))
			json_array_append_new(a, jslob_entry(r, json_string_value(v)));
	put_json(r, a);
}

static void
merge(json_t *to, const json_t *from)
{
	const char *k;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)from, k, v) {
		json_t *old = json_object_get(to, k);

		if (json_is_object(v) && json_is_object(old))
			merge(old, v);
		else
			json_object_set_new(to, k, json_deep_copy(v));
	}
}

void
jslob_set(struct req *r)
{
	const char *id = need(r, "id");

	if (id == NULL)
		return;
	if (r->blen == 0 && !r->in_multiple) {
		json_object_del(r->u->jslob, id);
		fail(r, "JSNCON-0004", json_pack("[s,i,i]", "com.openexchange.jslob.config", r->u->id, r->c->id));
		return;
	}
	if (body_object(r) != NULL)
		json_object_set_new(r->u->jslob, id, json_deep_copy(r->j));
}

void
jslob_update(struct req *r)
{
	const char *id = need(r, "id");
	json_t *t;

	if (id == NULL || body_object(r) == NULL)
		return;
	t = json_object_get(r->u->jslob, id);
	if (t == NULL) {
		json_object_set_new(r->u->jslob, id, json_object());
		t = json_object_get(r->u->jslob, id);
	}
	merge(t, r->j);
}

/* --- capabilities -------------------------------------------------------------------------- */

static const char *const caps[] = { "calendar", "contacts", "tasks", "webmail", "infostore", "active_sync",
    "usm", "vcard", "ical", "delegate_tasks", "edit_public_folders", "read_create_shared_folders",
    "edit_group", "edit_resource", "edit_password", "freebusy", "participants_dialog", "caldav", "carddav" };

static bool
has_cap(const struct user *u, const char *id)
{
	size_t i;

	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		if (strcmp(caps[i], id) == 0)
			return true;
	return u->olox20 && strcmp(id, "olox20") == 0;
}

void
caps_all(struct req *r)
{
	size_t i;

	sb_ch(r->out, '[');
	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		sb_printf(r->out, "%s{\"id\":\"%s\",\"attributes\":{}}", i ? "," : "", caps[i]);
	if (r->u->olox20)
		sb_str(r->out, ",{\"id\":\"olox20\",\"attributes\":{}}");
	sb_ch(r->out, ']');
}

void
caps_get(struct req *r)
{
	const char *id = need(r, "id");

	if (id != NULL && has_cap(r->u, id))
		sb_printf(r->out, "{\"id\":\"%s\",\"attributes\":{}}", id);
}

/* --- account, token ------------------------------------------------------------------ */

static void
account_value(struct req *r, int col)
{
	switch (col) {
	case 1001: sb_str(r->out, "0"); break;
	case 1002: sb_js(r->out, r->u->login); break;
	case 1004: sb_str(r->out, "\"imap://127.0.0.1:143\""); break;
	case 1005: sb_str(r->out, "\"smtp://127.0.0.1:25\""); break;
	case 1006: sb_str(r->out, "\"E-Mail\""); break;
	case 1007: sb_js(r->out, r->u->mail); break;
	case 1008: sb_str(r->out, "\"NoSpamHandler\""); break;
	case 1026: sb_str(r->out, "\"default0/Trash\""); break;
	case 1027: sb_str(r->out, "\"default0/Sent\""); break;
	case 1028: sb_str(r->out, "\"default0/Drafts\""); break;
	case 1029: sb_str(r->out, "\"default0/Spam\""); break;
	default: sb_str(r->out, "null");
	}
}

void
account_all(struct req *r)
{
	const char *s = arg(r, "columns");
	gchar **v, **p;

	v = g_strsplit(s ? s : "1001,1002,1006,1007", ",", -1);
	sb_str(r->out, "[[");
	for (p = v; *p != NULL; p++) {
		if (p != v)
			sb_ch(r->out, ',');
		account_value(r, (int)strtol(*p, NULL, 10));
	}
	sb_str(r->out, "]]");
	g_strfreev(v);
}

void
token_acquire(struct req *r)
{
	char a[37], b[37];

	gen_uuid(a);
	gen_uuid(b);
	sb_printf(r->out, "{\"token\":\"%s-%s\"}", a, b);
	set_ts(r, sim_now());
}
