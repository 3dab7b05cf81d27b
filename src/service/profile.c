/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The user's own entry in the global address book, his identities, what he may use, and his settings at OX: read together, changed one by one.
 */
#include "usmd/service.h"

#include <stdio.h>
#include <string.h>

#define GLOBAL_BOOK "6" /* OX's number of the folder of all users (ox-http-api.md 3.2) */
#define SENDER "senderName"

/* ---- words ---- */

static const struct feature {
	const char *word, *capability; /* usm-json's, and OX's */
} features[] = {
	{ "contacts", "contacts" }, { "calendar", "calendar" }, { "tasks", "tasks" }, { "mail", "webmail" }, { "globalAddressBook", "gab" },
	{ "freeBusy", "freebusy" }, { "mailRules", "mailfilter" }, { "password", "edit_password" }, { "publicFolders", "edit_public_folders" },
	{ "sharedFolders", "read_create_shared_folders" }, { "delegateTasks", "delegate_tasks" }, { "files", "infostore" },
};

const char *
service_feature(size_t i)
{
	return i < ARRAY_LEN(features) ? features[i].word : NULL;
}

enum kind { K_BOOL, K_NOT, K_INT, K_TEXT, K_WORD, K_LANGUAGE };
static const struct setting {
	const char *name;
	enum kind kind;
	const char *path;         /* below config/ at OX; NULL: the name of the mail account */
	int64_t max;              /* K_INT: value; texts: characters */
	const char *words[3][2];  /* K_WORD: ours, and OX's; OX's NULL and "" are false and true */
} settings[] = {
	{ "language", K_LANGUAGE, "language", 16, { { NULL } } },
	{ "timeZone", K_TEXT, "timezone", 64, { { NULL } } },
	{ SENDER, K_TEXT, NULL, 255, { { NULL } } },
	{ "sendAddress", K_TEXT, "modules/mail/sendaddress", 255, { { NULL } } },
	{ "mailDelete", K_WORD, "modules/mail/deletemail", 0, { { "trash", NULL }, { "final", "" } } },
	{ "mailFormat", K_WORD, "modules/mail/msgformat", 0, { { "text", "text" }, { "html", "html" }, { "both", "alternative" } } },
	{ "forwardAs", K_WORD, "modules/mail/forwardmessage", 0, { { "inline", "Inline" }, { "attachment", "Attachment" } } },
	{ "lineWrap", K_INT, "modules/mail/linewrap", 998, { { NULL } } },
	{ "quoteText", K_BOOL, "modules/mail/appendmailtext", 0, { { NULL } } },
	{ "colorQuotes", K_BOOL, "modules/mail/colorquoted", 0, { { NULL } } },
	{ "emoticons", K_BOOL, "modules/mail/emoticons", 0, { { NULL } } },
	{ "inlineAttachments", K_BOOL, "modules/mail/inlineattachments", 0, { { NULL } } },
	{ "externalImages", K_BOOL, "modules/mail/allowhtmlimages", 0, { { NULL } } },
	{ "receiptPrompt", K_BOOL, "modules/mail/displayReceiptNotification", 0, { { NULL } } },
	{ "attachVcard", K_BOOL, "modules/mail/vcard", 0, { { NULL } } },
	{ "saveSent", K_NOT, "modules/mail/savenocopy", 0, { { NULL } } },
};

const char *
service_setting(size_t i)
{
	return i < ARRAY_LEN(settings) ? settings[i].name : NULL;
}

static const struct setting *
setting_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

/* "de", "de_DE": OX takes anything (recorded from a server), and then speaks English. */
static bool
is_language(const char *s)
{
	size_t lower = strspn(s, "abcdefghijklmnopqrstuvwxyz"), upper;

	if (lower < 2 || lower > 3 || (s[lower] != '\0' && s[lower] != '_'))
		return false;
	if (s[lower] == '\0')
		return true;
	upper = strspn(s + lower + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return upper == 2 && s[lower + 3] == '\0';
}

static bool
is_word(const struct setting *t, const char *s)
{
	for (size_t i = 0; s != NULL && i < ARRAY_LEN(t->words); i++)
		if (t->words[i][0] != NULL && strcmp(t->words[i][0], s) == 0)
			return true;
	return false;
}

static enum rc
wrong_word(const struct setting *t, struct err *e)
{
	return err_set(e, RC_PROTO, "must be \"%s\"%s%s%s or \"%s\"", t->words[0][0], t->words[2][0] != NULL ? ", \"" : "", t->words[2][0] != NULL ? t->words[1][0] : "",
	    t->words[2][0] != NULL ? "\"" : "", t->words[2][0] != NULL ? t->words[2][0] : t->words[1][0]);
}

static enum rc
check_text(const struct setting *t, const json_t *v, struct err *e)
{
	const char *s = json_string_value(v);
	int64_t n = 0;

	if (s == NULL)
		return err_set(e, RC_PROTO, "must be a text");
	for (const char *p = s; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(e, RC_PROTO, "must not hold control characters");
		n += ((unsigned char)*p & 0xc0) != 0x80;
	}
	if (n == 0 && strcmp(t->name, SENDER) != 0)
		return err_set(e, RC_PROTO, "must not be empty");
	if (n > t->max) {
		(void)err_set(e, RC_PROTO, "has %lld characters, %lld are possible", (long long)n, (long long)t->max);
		err_set_length(e, n, t->max);
		return RC_PROTO;
	}
	return RC_OK;
}

enum rc
service_setting_check(const char *name, const json_t *value, struct err *e)
{
	const struct setting *t = setting_named(name);
	const char *s = json_string_value(value);
	int64_t n = json_integer_value(value);

	if (t == NULL)
		return err_set(e, RC_PROTO, "is no setting; getProfile names all");
	switch (t->kind) {
	case K_BOOL:
	case K_NOT:
		return json_is_boolean(value) ? RC_OK : err_set(e, RC_PROTO, "must be true or false");
	case K_INT:
		return json_is_integer(value) && n >= 0 && n <= t->max ? RC_OK : err_set(e, RC_PROTO, "must be a number from 0 to %lld", (long long)t->max);
	case K_WORD:
		return is_word(t, s) ? RC_OK : wrong_word(t, e);
	case K_LANGUAGE:
		return s != NULL && is_language(s) ? RC_OK : err_set(e, RC_PROTO, "must be a language such as \"de\" or \"de_DE\"");
	default:
		return check_text(t, value, e);
	}
}

/* ---- values: ours and OX's ---- */

static json_t *
from_ox(const struct setting *t, const json_t *v)
{
	const char *s = json_is_true(v) ? "" : json_string_value(v);

	switch (t->kind) {
	case K_BOOL:
		return json_is_boolean(v) ? json_boolean(json_is_true(v)) : NULL;
	case K_NOT:
		return json_is_boolean(v) ? json_boolean(!json_is_true(v)) : NULL;
	case K_INT:
		return json_is_integer(v) ? json_integer(json_integer_value(v)) : NULL;
	case K_WORD:
		for (size_t i = 0; i < ARRAY_LEN(t->words); i++)
			if (t->words[i][0] != NULL && (t->words[i][1] == NULL ? json_is_false(v) : s != NULL && strcmp(t->words[i][1], s) == 0))
				return json_string(t->words[i][0]);
		return NULL;
	default:
		return json_is_string(v) ? json_string(json_string_value(v)) : NULL;
	}
}

static json_t *
to_ox(const struct setting *t, const json_t *v)
{
	if (t->kind == K_NOT)
		return json_boolean(!json_is_true(v));
	for (size_t i = 0; t->kind == K_WORD && i < ARRAY_LEN(t->words); i++)
		if (t->words[i][0] != NULL && strcmp(t->words[i][0], json_string_value(v)) == 0)
			return t->words[i][1] == NULL ? json_false() : t->words[i][1][0] == '\0' ? json_true() : json_string(t->words[i][1]);
	return json_deep_copy(v);
}

/* ---- reading ---- */

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static json_t *
settings_of(const struct ox_profile *p)
{
	json_t *out = json_object();

	for (size_t i = 0; out != NULL && i < ARRAY_LEN(settings); i++) {
		const struct setting *t = &settings[i];
		json_t *v = NULL;

		if (t->kind == K_LANGUAGE)
			v = p->language[0] != '\0' ? json_string(p->language) : NULL;
		else if (t->path == NULL)
			v = json_string(p->sender);
		else if (strchr(t->path, '/') == NULL)
			v = p->zone[0] != '\0' ? json_string(p->zone) : NULL;
		else
			v = from_ox(t, json_object_get(p->mail, last_part(t->path)));
		if (v != NULL)
			(void)json_object_set_new(out, t->name, v);
	}
	return out;
}

static enum rc
features_of(struct arena *a, const struct ox_profile *p, struct service_profile *out, struct err *e)
{
	out->has_features = p->has_capabilities;
	out->features = arena_array(a, const char *, ARRAY_LEN(features));
	if (out->features == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_LEN(features); i++)
		for (size_t k = 0; k < p->n_capabilities; k++)
			if (strcmp(features[i].capability, p->capabilities[k]) == 0) {
				out->features[out->n_features++] = features[i].word;
				break;
			}
	return RC_OK;
}

/* Over the fields that a client sees and that no mere touch changes. */
static enum rc
rev_of(const struct object *o, char out[REV_TEXT], struct err *e)
{
	unsigned char digest[32];
	struct buf b;

	buf_init(&b, 0);
	(void)object_text(&b, o, NULL, FF_NODELIVER | FF_NOINDEX, true);
	if (b.failed) {
		buf_fini(&b);
		return err_set(e, RC_NOMEM, "out of memory");
	}
	sha256(b.p != NULL ? b.p : "", b.len, digest);
	hex_encode(digest, (REV_TEXT - 1) / 2, out);
	buf_fini(&b);
	return RC_OK;
}

static enum rc
profile_take(struct arena *a, struct ox_profile *p, struct service_profile *out, struct err *e)
{
	const char *address = json_string_value(json_object_get(p->mail, "defaultaddress"));

	out->contact = p->contact;
	p->contact = NULL;
	out->login = p->login;
	out->version = p->version;
	out->aliases = p->aliases;
	out->n_aliases = p->n_aliases;
	out->password_min = p->password_min;
	out->password_max = p->password_max;
	if (address == NULL)
		address = object_get_str(out->contact, (unsigned)model_field(model_content(CT_CONTACT), "email1"));
	out->address = arena_strdup(a, address != NULL ? address : "");
	out->settings = settings_of(p);
	if (out->address == NULL || out->settings == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	return features_of(a, p, out, e);
}

/* *LM: what a write of the entry is guarded by. */
static enum rc
load(struct engine_session *s, struct arena *a, struct service_profile *out, msec_t *lm, struct err *e)
{
	struct ox_profile p;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	model_json_begin();
	rc = ox_profile_get(engine_session_ox(s), a, &p, e);
	*lm = p.lm;
	if (rc == RC_OK)
		rc = profile_take(a, &p, out, e);
	if (rc == RC_OK)
		rc = rev_of(out->contact, out->rev, e);
	if (rc == RC_OK && model_json_starved()) /* a member that is missing would look like one that is not set */
		rc = err_set(e, RC_NOMEM, "out of memory");
	object_drop(p.contact);
	json_decref(p.mail);
	if (rc != RC_OK)
		service_profile_fini(out);
	return service_absent(rc, e);
}

enum rc
service_profile_get(struct engine_session *s, struct arena *a, struct service_profile *out, struct err *e)
{
	msec_t lm;

	return load(s, a, out, &lm, e);
}

void
service_profile_fini(struct service_profile *p)
{
	object_drop(p->contact);
	json_decref(p->settings);
	p->contact = NULL;
	p->settings = NULL;
}

/* ---- changing ---- */

static bool
is_unset(const json_t *v)
{
	return v == NULL || (json_is_string(v) && json_string_length(v) == 0);
}

/* Those of FIELDS in which WANTED is another. */
static void
differing(const struct object *wanted, const struct object *now, struct fmask *fields)
{
	for (unsigned i = 0; i < model_content(CT_CONTACT)->n_fields; i++)
		if (fmask_has(fields, i) && ((is_unset(wanted->v[i]) && is_unset(now->v[i])) ||
		    (wanted->v[i] != NULL && now->v[i] != NULL && json_equal(wanted->v[i], now->v[i]))))
			fmask_clear(fields, i);
}

static void
prefix_path(struct err *e, const char *where)
{
	char path[sizeof(e->path)];

	(void)snprintf(path, sizeof(path), "%s%s%.70s", where, e->path[0] != '\0' ? "." : "", e->path);
	memcpy(e->path, path, sizeof(path));
}

/* RC_CONFLICT: somebody else was faster, or the client has seen another version. */
static enum rc
set_contact(struct engine_session *s, const struct service_profile_change *in, const struct service_profile *now, msec_t lm, struct err *e)
{
	static const char first_address[] = "CON-0173"; /* the administrator's to change */
	struct fmask fields = in->fields;
	enum rc rc;

	differing(in->contact, now->contact, &fields);
	if (fmask_empty(&fields))
		return RC_OK;
	if (strcmp(in->rev, now->rev) != 0)
		return err_set(e, RC_CONFLICT, "the entry was changed meanwhile");
	rc = ox_own_update(engine_session_ox(s), in->contact, &fields, lm, e);
	if (rc == RC_OK)
		engine_changed(s, CT_CONTACT, GLOBAL_BOOK);
	if (rc == RC_FORBIDDEN && strcmp(e->code, first_address) == 0)
		model_err_field(e, model_content(CT_CONTACT), (unsigned)model_field(model_content(CT_CONTACT), "email1"));
	if (rc == RC_FORBIDDEN && e->field[0] != '\0')
		(void)snprintf(e->path, sizeof(e->path), "%s", e->field);
	if (rc != RC_OK && rc != RC_CONFLICT)
		prefix_path(e, "contact");
	return rc;
}

static enum rc
set_one(struct engine_session *s, const struct setting *t, const json_t *value, struct err *e)
{
	json_t *v = to_ox(t, value);
	enum rc rc;

	if (v == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	rc = t->path != NULL ? ox_setting_set(engine_session_ox(s), t->path, v, e) : ox_sender_set(engine_session_ox(s), json_string_value(value), e);
	json_decref(v);
	return rc;
}

static enum rc
set_settings(struct engine_session *s, const json_t *wanted, const json_t *now, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < ARRAY_LEN(settings) && rc == RC_OK; i++) {
		const json_t *v = json_object_get(wanted, settings[i].name);

		if (v == NULL || json_equal(v, json_object_get(now, settings[i].name)))
			continue;
		rc = set_one(s, &settings[i], v, e);
		if (rc != RC_OK)
			(void)snprintf(e->path, sizeof(e->path), "settings.%s", settings[i].name);
	}
	return rc;
}

/* QUIRK(OX, 8.19): a value that it does not like it may take with a good answer, and keep the one it had. */
static enum rc
were_taken(const json_t *wanted, const json_t *now, struct err *e)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)wanted, name, v) {
		char path[80];

		if (json_equal(v, json_object_get(now, name)))
			continue;
		(void)snprintf(path, sizeof(path), "settings.%s", name);
		return err_set_path(e, RC_PROTO, path, "was not taken by the groupware server, which keeps what it had");
	}
	return RC_OK;
}

enum rc
service_profile_set(struct engine_session *s, struct arena *a, const struct service_profile_change *in, bool *applied, struct service_profile *out, struct err *e)
{
	struct service_profile now;
	msec_t lm;
	enum rc rc = load(s, a, &now, &lm, e);

	*applied = false;
	memset(out, 0, sizeof(*out));
	if (rc != RC_OK)
		return rc;
	if (in->contact != NULL)
		rc = set_contact(s, in, &now, lm, e);
	*applied = rc == RC_OK;
	if (rc == RC_OK && in->settings != NULL)
		rc = set_settings(s, in->settings, now.settings, e);
	service_profile_fini(&now);
	if (rc != RC_OK && rc != RC_CONFLICT)
		return rc;
	rc = load(s, a, out, &lm, e);
	if (rc == RC_OK && *applied && in->settings != NULL)
		rc = were_taken(in->settings, out->settings, e);
	if (rc != RC_OK)
		service_profile_fini(out);
	return rc;
}
