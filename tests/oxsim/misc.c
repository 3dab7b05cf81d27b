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

/* recorded 02-config 16 and 19 */
static json_t *
mail_tree(const struct user *u)
{
	json_t *t = json_pack("{s:s, s:[s], s:s, s:b, s:b, s:b, s:b, s:s, s:i, s:b, s:b, s:{s:s, s:s, s:s, s:s, s:s}}",
	    "defaultaddress", u->mail, "addresses", u->mail, "sendaddress", u->mail, "inlineattachments", 1,
	    "spambutton", 0, "deletemail", u->harddelete, "colorquoted", 1, "forwardmessage", "Inline",
	    "linewrap", 80, "emoticons", 1, "appendmailtext", 1, "folder", "inbox", "default0/INBOX", "drafts", "default0/Drafts", "sent",
	    "default0/Sent", "spam", "default0/Spam", "trash", "default0/Trash");

	json_object_update_existing(t, u->mailset);
	return t;
}

static json_t *
modules_tree(const struct user *u)
{
	json_t *m = mail_tree(u);

	json_object_set_new(m, "module", on(true));
	json_object_set_new(m, "vcard", on(false));
	json_object_set_new(m, "savenocopy", on(false));
	json_object_set_new(m, "allowhtmlimages", on(false));
	json_object_set_new(m, "displayReceiptNotification", on(false));
	json_object_set_new(m, "msgformat", json_string("alternative"));
	json_object_update(m, u->mailset);
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

/*
 * A setting of mail by its name; a real 8.19 answered that an address that is not his own is USS-0009, that no number is USS-0006, and that any
 * other value of another kind is taken without a word and changes nothing.
 */
static void
mail_write(struct req *r, const char *name)
{
	static const struct { const char *name; char kind; } known[] = { { "deletemail", 'b' }, { "inlineattachments", 'b' }, { "colorquoted", 'b' }, { "emoticons", 'b' },
		{ "appendmailtext", 'b' }, { "vcard", 'b' }, { "savenocopy", 'b' }, { "allowhtmlimages", 'b' }, { "displayReceiptNotification", 'b' },
		{ "linewrap", 'i' }, { "forwardmessage", 's' }, { "msgformat", 's' }, { "sendaddress", 'a' } };
	const json_t *v = body_json(r);
	const char *text = json_string_value(v);
	size_t i = 0;

	while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i].name, name) != 0)
		i++;
	if (v == NULL || i == sizeof(known) / sizeof(known[0]))
		return;
	if (known[i].kind == 'a' && (text == NULL || strcmp(text, r->u->mail) != 0))
		fail(r, "USS-0009", json_pack("[s,s]", text != NULL ? text : "", name));
	else if (known[i].kind == 'i' && !json_is_integer(v))
		fail(r, "USS-0006", NULL);
	else if (strcmp(name, "deletemail") == 0 && json_is_boolean(v))
		r->u->harddelete = json_is_true(v);
	else if ((known[i].kind == 'b' && json_is_boolean(v)) || known[i].kind == 'i' ||
	    (strcmp(name, "forwardmessage") == 0 && text != NULL && (strcmp(text, "Inline") == 0 || strcmp(text, "Attachment") == 0)) ||
	    (strcmp(name, "msgformat") == 0 && text != NULL && (strcmp(text, "text") == 0 || strcmp(text, "html") == 0 || strcmp(text, "alternative") == 0)))
		json_object_set(r->u->mailset, name, (json_t *)(uintptr_t)v);
}

static void
zone_write(struct req *r)
{
	const char *z = json_string_value(body_json(r));

	if (z == NULL || tz_get(z) == NULL) {
		fail(r, "USR-0024", json_pack("[s]", z != NULL ? z : ""));
		return;
	}
	free(r->u->zone);
	r->u->zone = xstrdup(z);
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
	} else if (strcmp(r->rest, "timezone") == 0) {
		zone_write(r);
	} else if (strcmp(r->rest, "language") == 0 && json_is_string(body_json(r))) {
		free(r->u->locale);
		r->u->locale = xstrdup(json_string_value(r->j));
	} else if (strncmp(r->rest, "mail/", 5) == 0) {
		mail_write(r, r->rest + 5);
	} else if (strncmp(r->rest, "modules/mail/", 13) == 0) {
		mail_write(r, r->rest + 13);
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

/* --- passwordchange: recorded 22-password-personal-data 1 to 22 -------------------------- */

#define MIN_PASSWORD 4

void
passwordchange_update(struct req *r)
{
	json_t *o = body_object(r);
	const json_t *was = json_object_get(o, "old_password"), *is = json_object_get(o, "new_password");

	r->null_data = true;
	if (o == NULL)
		return;
	if (!json_is_string(was) || !json_is_string(is)) {
		fail(r, "PSW-0004", json_pack("[s]", json_is_string(is) ? "old_password" : "new_password"));
	} else if (r->u->fixed_password) { /* as the server's own sources have it: not recorded */
		fail(r, "USR-0013", json_pack("[i]", r->c->id));
	} else if (json_string_length(is) == 0) {
		fail(r, "USR-0029", NULL);
	} else if (strcmp(r->u->password, json_string_value(was)) != 0) {
		fail(r, "USR-0027", NULL);
	} else if (g_utf8_strlen(json_string_value(is), -1) < MIN_PASSWORD) {
		fail(r, "USR-0020", json_pack("[i]", MIN_PASSWORD));
	} else {
		free(r->u->password);
		r->u->password = xstrdup(json_string_value(is));
		sessions_of_end(r->u, r->ses);
		sb_str(r->out, "null");
	}
}

/* --- jslob ------------------------------------------------------------------------------ */

static json_t *
jslob_tree(struct req *r, const char *id)
{
	json_t *own = json_object_get(r->u->jslob, id), *t;

	if (strcmp(id, "io.ox/core") == 0)
		t = json_pack("{s:s,s:s,s:s,s:i,s:{s:s,s:i,s:i,s:s,s:b,s:b},s:o}", "serverVersion", S.older ? "7.8.4-Rev1" : "8.19.0", "timezone", r->u->zone,
		    "language", r->u->locale, "identifier", r->u->id, "password", "regexp", "[^a-z0-9]", "maxLength", 0, "minLength", MIN_PASSWORD,
		    "special", "$, _, or %", "emptyCurrent", 0, "showStrength", 0, "folder",
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
    "edit_group", "edit_resource", "freebusy", "participants_dialog", "caldav", "carddav" };

static bool
has_cap(const struct user *u, const char *id)
{
	size_t i;

	if (strcmp(id, "edit_password") == 0)
		return !u->fixed_password;
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
	if (!r->u->fixed_password)
		sb_str(r->out, ",{\"id\":\"edit_password\",\"attributes\":{}}");
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

/* recorded 22-password-personal-data 45; the name is what a real 8.19 answered to an update */
static void
account_object(struct req *r)
{
	const struct user *u = r->u;
	json_t *o = json_pack("{s:i,s:b,s:b,s:s,s:i,s:s,s:b,s:s,s:s,s:b,s:n,s:b,s:s,s:i,s:s,s:b,s:s,s:s,s:b,s:n,s:b,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}",
	    "id", 0, "secondary", 0, "deactivated", 0, "login", u->login, "mail_port", 143, "mail_protocol", "imap", "mail_secure", 0,
	    "mail_server", "127.0.0.1", "mail_url", "imap://127.0.0.1:143", "mail_starttls", 0, "mail_oauth", "mail_disabled", 0, "transport_auth", "mail",
	    "transport_port", 25, "transport_protocol", "smtp", "transport_secure", 0, "transport_server", "127.0.0.1", "transport_url",
	    "smtp://127.0.0.1:25", "transport_starttls", 0, "transport_oauth", "transport_disabled", 0, "transport_login", "", "name", "E-Mail",
	    "primary_address", u->mail, "spam_handler", "NoSpamHandler", "root_folder", "default0", "trash", "Trash", "sent", "Sent", "drafts", "Drafts",
	    "spam", "Spam");
	static const char *const special[] = { "inbox", "INBOX", "trash", "Trash", "sent", "Sent", "drafts", "Drafts", "spam", "Spam" };
	size_t i;

	for (i = 0; i < sizeof(special) / sizeof(special[0]); i += 2) {
		char *name = xprintf("%s_fullname", special[i]), *path = xprintf("default0/%s", special[i + 1]);

		json_object_set_new(o, name, json_string(path));
		free(name);
		free(path);
	}
	json_object_set_new(o, "unified_inbox_enabled", json_false());
	json_object_set_new(o, "addresses", json_string(u->mail));
	if (u->personal != NULL)
		json_object_set_new(o, "personal", json_string(u->personal));
	put_json(r, o);
}

void
account_get(struct req *r)
{
	int64_t id;

	if (!need_i64(r, "id", &id))
		return;
	if (id != 0)
		fail(r, "ACC-0002", json_pack("[I,i,i]", (json_int_t)id, r->u->id, r->c->id));
	else
		account_object(r);
}

/* A real 8.19 answered the whole account; too long a name is an error of its database. */
void
account_update(struct req *r)
{
	json_t *o = body_object(r), *name;

	if (o == NULL)
		return;
	if (!json_is_integer(json_object_get(o, "id")) || json_integer_value(json_object_get(o, "id")) != 0) {
		fail(r, "ACC-0002", json_pack("[i,i]", r->u->id, r->c->id));
		return;
	}
	name = json_object_get(o, "personal");
	if (json_string_length(name) > 255) {
		fail(r, "ACC-0004", NULL);
		return;
	}
	if (name != NULL) {
		free(r->u->personal);
		r->u->personal = json_string_length(name) > 0 ? xstrdup(json_string_value(name)) : NULL;
	}
	account_object(r);
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
