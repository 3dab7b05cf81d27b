/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Signatures: OX's snippets of the type "signature".  A new one carries a mark of its clientId in `misc`, where OX keeps what it does not know; the
 * default ones are named by settings of OX's web client: an id, or (newer ones) an id for each address of the user.  A create without an answer is
 * looked for by its mark at once, and before each further one; one that OX carries out after that leaves a twin, which goes as soon as it is seen.
 */
#include "service/rules_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MARK "usm"

static const char *const default_keys[] = { "defaultSignature", "defaultReplyForwardSignature" };

static enum rc
no_memory(struct err *e)
{
	return err_set(e, RC_NOMEM, "out of memory for signatures");
}

/* ---- as clients see them ---- */

/* Which signature the setting KEY names for the user: an id, or "". */
static const char *
default_id(const json_t *settings, const char *key, char tmp[OX_SNIPPET_ID])
{
	const json_t *v = json_object_get(settings, key);
	const char *address;
	json_t *x;

	if (json_is_object(v)) {
		x = json_object_get(v, json_text_of(settings, "defaultSendAddress"));
		if (x == NULL)
			json_object_foreach((json_t *)(uintptr_t)v, address, x)
				break;
		v = x;
	}
	if (json_is_integer(v))
		(void)snprintf(tmp, OX_SNIPPET_ID, "%lld", (long long)json_integer_value(v));
	else
		(void)snprintf(tmp, OX_SNIPPET_ID, "%s", json_string_value(v) != NULL ? json_string_value(v) : "");
	return tmp;
}

static bool
is_default(const json_t *settings, size_t which, const char *id)
{
	char tmp[OX_SNIPPET_ID];

	return id[0] != '\0' && strcmp(default_id(settings, default_keys[which], tmp), id) == 0;
}

/* QUIRK(OX): a signature that is made of parts is told with the line ends of a mail. */
static void
drop_cr(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++)
		if (!(s[0] == '\r' && s[1] == '\n'))
			*to++ = *s;
	*to = '\0';
}

static bool
is_html(const json_t *sig)
{
	const char *type = json_text_of(json_object_get(sig, "misc"), "content-type");

	return strncasecmp(type, "text/html", 9) == 0;
}

/* Of what a client can change. */
static enum rc
sig_rev(const json_t *sig, const json_t *settings, char rev[REV_TEXT], struct err *e)
{
	const char *id = json_text_of(sig, "id");
	json_t *c = json_pack("[s,s,O?,b,b]", json_text_of(sig, "displayname"), json_text_of(sig, "content"), json_object_get(sig, "misc"),
	    is_default(settings, 0, id), is_default(settings, 1, id));
	enum rc rc = c != NULL ? json_rev(c, rev, e) : no_memory(e);

	json_decref(c);
	return rc;
}

static enum rc
sig_out(struct ox_session *ox, const json_t *sig, const json_t *settings, json_t **out, struct err *e)
{
	const char *id = json_text_of(sig, "id"), *insertion = json_text_of(json_object_get(sig, "misc"), "insertion");
	char rev[REV_TEXT], *content;
	json_t *o = NULL;
	enum rc rc = sig_rev(sig, settings, rev, e);

	*out = NULL;
	if (rc != RC_OK)
		return rc;
	content = is_html(sig) ? signature_with_pictures(ox, json_text_of(sig, "content")) : mem_dup_str(json_text_of(sig, "content"));
	if (content != NULL) {
		drop_cr(content);
		o = json_pack("{s:s,s:s,s:s,s:b,s:s,s:b,s:b}", "id", id, "rev", rev, "name", json_text_of(sig, "displayname"), "html", is_html(sig), "content", content,
		    "default", is_default(settings, 0, id), "defaultReply", is_default(settings, 1, id));
	}
	mem_free(content);
	if (o != NULL && (strcmp(insertion, "above") == 0 || strcmp(insertion, "below") == 0) && json_object_set_new(o, "insertion", json_string(insertion)) != 0) {
		json_decref(o);
		o = NULL;
	}
	*out = o;
	return o != NULL ? RC_OK : no_memory(e);
}

/* Signatures and settings, the caller's. */
struct shelf {
	json_t *list, *settings;
};

static enum rc
shelf_load(struct ox_session *ox, struct shelf *sh, struct err *e)
{
	enum rc rc;

	sh->settings = NULL;
	rc = ox_signatures(ox, &sh->list, e);
	if (rc == RC_OK)
		rc = ox_mail_settings_get(ox, &sh->settings, e);
	return rc;
}

static void
shelf_done(struct shelf *sh)
{
	json_decref(sh->list);
	json_decref(sh->settings);
	sh->list = sh->settings = NULL;
}

/* ---- twins ---- */

/* Does A say what B says, and is it of the same clientId? */
static bool
are_twins(const json_t *a, const json_t *b)
{
	static const char *const members[] = { "displayname", "content", "misc" };

	if (json_text_of(json_object_get(a, "misc"), MARK)[0] == '\0')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const json_t *x = json_object_get(a, members[i]), *y = json_object_get(b, members[i]);

		if (x != y && !json_equal(x, y))
			return false;
	}
	return true;
}

static bool
named_default(const struct shelf *sh, const json_t *sig)
{
	return is_default(sh->settings, 0, json_text_of(sig, "id")) || is_default(sh->settings, 1, json_text_of(sig, "id"));
}

/* OX numbers them, so that the longer of two texts is the later one. */
static bool
made_later(const json_t *a, const json_t *b)
{
	const char *x = json_text_of(a, "id"), *y = json_text_of(b, "id");

	return strlen(x) != strlen(y) ? strlen(x) > strlen(y) : strcmp(x, y) > 0;
}

/* *AT: the one of a pair of twins that goes.  A default one stays, else the earlier one; what a person made different is no twin any more. */
static bool
twin_of(const struct shelf *sh, size_t *at)
{
	size_t n = json_array_size(sh->list);

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++) {
			const json_t *a = json_array_get(sh->list, i), *b = json_array_get(sh->list, k);

			if (!are_twins(a, b))
				continue;
			*at = named_default(sh, a) != named_default(sh, b) ? (named_default(sh, a) ? k : i) : made_later(a, b) ? i : k;
			return true;
		}
	return false;
}

/* Under the account's lock: what SH holds, without twins here and at OX. */
static enum rc
shelf_load_clean(struct ox_session *ox, struct shelf *sh, struct err *e)
{
	enum rc rc = shelf_load(ox, sh, e);
	size_t at;

	while (rc == RC_OK && twin_of(sh, &at)) {
		rc = ox_signature_delete(ox, json_text_of(json_array_get(sh->list, at), "id"), e);
		rc = rc == RC_NOTFOUND ? RC_OK : rc;
		(void)json_array_remove(sh->list, at);
	}
	return rc;
}

enum rc
service_signatures_get(struct engine_session *s, json_t **out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	struct engine_lock *lock = NULL;
	struct shelf sh = { .list = NULL };
	json_t *v, *x;
	size_t i;
	enum rc rc;

	*out = json_array();
	rc = *out != NULL ? shelf_load(ox, &sh, e) : no_memory(e);
	if (rc == RC_OK && twin_of(&sh, &i)) { /* rare: only then the lock is worth it */
		shelf_done(&sh);
		rc = engine_account_lock(s, &lock, e);
		if (rc == RC_OK)
			rc = shelf_load_clean(ox, &sh, e);
		engine_account_unlock(lock);
	}
	json_array_foreach(sh.list, i, v) {
		if (rc == RC_OK)
			rc = sig_out(ox, v, sh.settings, &x, e);
		if (rc == RC_OK && json_array_append_new(*out, x) != 0)
			rc = no_memory(e);
	}
	shelf_done(&sh);
	if (rc != RC_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return service_absent(rc, e);
}

/* ---- writing ---- */

static json_t *
sig_find(const json_t *list, const char *id)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (strcmp(json_text_of(v, "id"), id) == 0)
			return v;
	return NULL;
}

static json_t *
sig_marked(const json_t *list, const char *mark)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (strcmp(json_text_of(json_object_get(v, "misc"), MARK), mark) == 0)
			return v;
	return NULL;
}

/* The members of IN for OX; `misc` is replaced as a whole there, so that what it holds besides is taken along. */
static json_t *
change_of(const struct service_signature_set *in, const json_t *old, const char *mark)
{
	json_t *o = json_object(), *misc = old != NULL && json_object_get(old, "misc") != NULL ? json_deep_copy(json_object_get(old, "misc")) : json_object();
	bool ok = o != NULL && misc != NULL, misc_changed = mark != NULL;

	if (in->name != NULL)
		ok = ok && json_object_set_new(o, "displayname", json_string(in->name)) == 0;
	if (in->content != NULL)
		ok = ok && json_object_set_new(o, "content", json_string(in->content)) == 0;
	if (mark != NULL)
		ok = ok && json_object_set_new(misc, MARK, json_string(mark)) == 0;
	if (in->insertion != NULL) {
		ok = ok && json_object_set_new(misc, "insertion", json_string(in->insertion)) == 0;
		misc_changed = true;
	}
	if (in->html >= 0) {
		ok = ok && json_object_set_new(misc, "content-type", json_string(in->html == 1 ? "text/html" : "text/plain")) == 0;
		misc_changed = true;
	}
	if (misc_changed)
		ok = ok && json_object_set(o, "misc", misc) == 0;
	json_decref(misc);
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

/* Name or do not name ID by the default WHICH. */
static enum rc
set_default(struct ox_session *ox, const json_t *settings, size_t which, const char *id, int yes, struct err *e)
{
	const json_t *v = json_object_get(settings, default_keys[which]);
	json_t *value, *by_address, *body;
	enum rc rc;

	if (yes < 0 || is_default(settings, which, id) == (yes == 1))
		return RC_OK;
	value = json_string(yes == 1 ? id : "");
	if (json_is_object(v)) {
		by_address = json_object();
		(void)json_object_set_new(by_address, json_text_of(settings, "defaultSendAddress"), value);
		value = by_address;
	}
	body = json_pack("{s:o}", default_keys[which], value);
	rc = body != NULL ? ox_mail_settings_set(ox, body, e) : no_memory(e);
	json_decref(body);
	return rc;
}

/* Are the members of IN what SIG says already? */
static bool
is_done(const json_t *sig, const json_t *settings, const struct service_signature_set *in)
{
	const json_t *misc = json_object_get(sig, "misc");
	const char *id = json_text_of(sig, "id");
	char *content = mem_dup_str(json_text_of(sig, "content")), *wanted = mem_dup_str(in->content != NULL ? in->content : "");
	bool same = content != NULL && wanted != NULL;

	if (same) {
		drop_cr(content);
		drop_cr(wanted);
		same = in->content == NULL || strcmp(content, wanted) == 0;
	}
	mem_free(content);
	mem_free(wanted);
	return same && (in->name == NULL || strcmp(json_text_of(sig, "displayname"), in->name) == 0) &&
	    (in->insertion == NULL || strcmp(json_text_of(misc, "insertion"), in->insertion) == 0) && (in->html < 0 || is_html(sig) == (in->html == 1)) &&
	    (in->is_default < 0 || is_default(settings, 0, id) == (in->is_default == 1)) &&
	    (in->is_default_reply < 0 || is_default(settings, 1, id) == (in->is_default_reply == 1));
}

static enum rc
defaults_and_answer(struct ox_session *ox, const struct service_signature_set *in, const char *id, struct service_written *out, struct err *e)
{
	struct shelf sh = { .list = NULL };
	enum rc rc = shelf_load(ox, &sh, e);

	if (rc == RC_OK)
		rc = set_default(ox, sh.settings, 0, id, in->is_default, e);
	if (rc == RC_OK)
		rc = set_default(ox, sh.settings, 1, id, in->is_default_reply, e);
	if (rc == RC_OK && (in->is_default >= 0 || in->is_default_reply >= 0)) {
		json_decref(sh.settings);
		rc = ox_mail_settings_get(ox, &sh.settings, e);
	}
	out->applied = rc == RC_OK;
	if (rc == RC_OK && sig_find(sh.list, id) != NULL)
		rc = sig_out(ox, sig_find(sh.list, id), sh.settings, &out->now, e);
	shelf_done(&sh);
	return rc;
}

/* ID: which one OX has made for MARK, though it did not say so; RC_TIMEOUT as it is in E: none (yet). */
static enum rc
look_for(struct ox_session *ox, const char *mark, char id[OX_SNIPPET_ID], struct err *e)
{
	const json_t *there = NULL;
	json_t *list = NULL;
	struct err other = { 0 };
	enum rc rc = ox_signatures(ox, &list, &other);

	if (rc == RC_OK)
		there = sig_marked(list, mark);
	if (there != NULL) {
		(void)snprintf(id, OX_SNIPPET_ID, "%s", json_text_of(there, "id"));
		memset(e, 0, sizeof(*e));
	}
	json_decref(list);
	return there != NULL ? RC_OK : RC_TIMEOUT;
}

static enum rc
make(struct engine_session *s, const struct service_signature_set *in, const struct shelf *sh, struct service_written *out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	char mark[RULE_MARK], id[OX_SNIPPET_ID];
	const json_t *there;
	json_t *o;
	enum rc rc;

	client_mark(s, in->client_id, mark);
	there = sig_marked(sh->list, mark);
	if (there != NULL)
		return defaults_and_answer(ox, in, json_text_of(there, "id"), out, e);
	o = change_of(in, NULL, mark);
	if (o == NULL || json_object_set_new(o, "type", json_string("signature")) != 0 || json_object_set_new(o, "module", json_string("io.ox/mail")) != 0)
		rc = no_memory(e);
	else
		rc = model_json_starved() ? no_memory(e) : ox_signature_new(ox, o, id, e);
	json_decref(o);
	if (rc == RC_TIMEOUT)
		rc = look_for(ox, mark, id, e);
	return rc == RC_OK ? defaults_and_answer(ox, in, id, out, e) : rc;
}

static enum rc
change(struct ox_session *ox, const struct service_signature_set *in, const struct shelf *sh, struct service_written *out, struct err *e)
{
	const json_t *sig = sig_find(sh->list, in->id);
	char rev[REV_TEXT];
	json_t *o;
	bool done;
	enum rc rc;

	if (sig == NULL)
		return err_set_path(e, RC_NOTFOUND, "id", "There is no such signature (any more); ask for the signatures again.");
	rc = sig_rev(sig, sh->settings, rev, e);
	if (rc != RC_OK)
		return rc;
	done = is_done(sig, sh->settings, in);
	if (done || strcmp(rev, in->rev) != 0) {
		out->applied = done;
		return sig_out(ox, sig, sh->settings, &out->now, e);
	}
	o = change_of(in, sig, NULL);
	rc = o == NULL || model_json_starved() ? no_memory(e) : json_object_size(o) > 0 ? ox_signature_update(ox, in->id, o, e) : RC_OK;
	json_decref(o);
	return rc == RC_OK ? defaults_and_answer(ox, in, in->id, out, e) : rc;
}

enum rc
service_signature_set(struct engine_session *s, const struct service_signature_set *in, struct service_written *out, struct err *e)
{
	struct engine_lock *lock = NULL;
	struct shelf sh = { .list = NULL };
	enum rc rc = RC_OK;

	memset(out, 0, sizeof(*out));
	model_json_begin();
	if (in->name != NULL)
		rc = rule_check_text("name", in->name, SIGNATURE_MAX_NAME, e);
	if (rc == RC_OK)
		rc = engine_account_lock(s, &lock, e);
	if (rc == RC_OK)
		rc = shelf_load_clean(engine_session_ox(s), &sh, e);
	if (rc == RC_OK)
		rc = in->id == NULL ? make(s, in, &sh, out, e) : change(engine_session_ox(s), in, &sh, out, e);
	engine_account_unlock(lock);
	shelf_done(&sh);
	return service_absent(rc, e);
}

enum rc
service_signature_delete(struct engine_session *s, const char *id, const char *rev, struct service_written *out, struct err *e)
{
	struct ox_session *ox = engine_session_ox(s);
	struct engine_lock *lock = NULL;
	struct shelf sh = { .list = NULL };
	const json_t *sig = NULL;
	char now[REV_TEXT] = "";
	enum rc rc;

	memset(out, 0, sizeof(*out));
	rc = engine_account_lock(s, &lock, e);
	if (rc == RC_OK)
		rc = shelf_load_clean(ox, &sh, e);
	if (rc == RC_OK)
		sig = sig_find(sh.list, id);
	if (sig != NULL)
		rc = sig_rev(sig, sh.settings, now, e);
	out->applied = rc == RC_OK && (sig == NULL || strcmp(now, rev) == 0);
	if (rc == RC_OK && !out->applied)
		rc = sig_out(ox, sig, sh.settings, &out->now, e);
	/* the settings first: they must not name what is gone */
	for (size_t i = 0; rc == RC_OK && out->applied && sh.settings != NULL && i < ARRAY_LEN(default_keys); i++)
		rc = set_default(ox, sh.settings, i, id, 0, e);
	if (rc == RC_OK && out->applied && sig != NULL) {
		rc = ox_signature_delete(ox, id, e);
		rc = rc == RC_NOTFOUND ? RC_OK : rc;
	}
	engine_account_unlock(lock);
	shelf_done(&sh);
	return service_absent(rc, e);
}
