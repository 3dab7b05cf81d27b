/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The user's own data: getQuota, getProfile, setProfile, changePassword. */
#include "protocol/usmjson/usmjson_int.h"

#include <inttypes.h>

static void
write_amount(struct buf *b, const char *key, int64_t v)
{
	js_key(b, key);
	if (v < 0)
		buf_adds(b, "null");
	else
		buf_add_i64(b, v);
}

static void
write_use(struct buf *b, const char *key, const struct service_use *u)
{
	js_key(b, key);
	buf_addc(b, '{');
	write_amount(b, "used", u->used);
	write_amount(b, "limit", u->limit);
	buf_addc(b, '}');
}

enum rc
cmd_get_quota(struct call *c)
{
	struct service_quota q;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = service_quota_get(c->session, &q, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_use(&c->out, "mail", &q.mail);
	write_use(&c->out, "files", &q.files);
	for (int ct = CT_CONTACT; ct < CT_MAIL; ct++)
		write_use(&c->out, model_content((enum content)ct)->name, &q.objects[ct]);
	buf_addc(&c->out, '}');
	return RC_OK;
}

/* ---- getProfile, setProfile ---- */

static void
write_texts(struct buf *b, const char *key, const char *const *text, size_t n)
{
	js_key(b, key);
	buf_addc(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(b, ',');
		js_str(b, text[i]);
	}
	buf_addc(b, ']');
}

static void
write_text(struct buf *b, const char *key, const char *s)
{
	if (s[0] == '\0')
		return;
	js_key(b, key);
	js_str(b, s);
}

/* What a new password has to be: the stricter of the two. */
static void
write_rules(struct buf *b, const struct call *c, const struct service_profile *p)
{
	int64_t least = c->u->o.password_min_length;

	js_key(b, "password");
	buf_addf(b, "{\"minLength\":%" PRId64 ",\"minClasses\":%u,\"maxLength\":", p->password_min > least ? p->password_min : least, c->u->o.password_min_classes);
	if (p->password_max > 0)
		buf_add_i64(b, p->password_max);
	else
		buf_adds(b, "null");
	buf_addc(b, '}');
}

static void
write_profile(struct call *c, const struct service_profile *p)
{
	const struct ox_user *u = ox_session_user(engine_session_ox(c->session));
	struct buf *b = &c->out;

	js_key(b, "user");
	buf_addf(b, "{\"contextId\":%" PRId64 ",\"userId\":%" PRId64, u->context_id, u->user_id);
	write_text(b, "login", p->login);
	buf_addc(b, '}');
	js_key(b, "rev");
	js_str(b, p->rev);
	js_key(b, "contact");
	buf_addc(b, '{');
	(void)object_text(b, p->contact, NULL, FF_NODELIVER, true);
	buf_addc(b, '}');
	js_key(b, "identities");
	buf_addc(b, '{');
	write_text(b, "address", p->address);
	write_texts(b, "aliases", p->aliases, p->n_aliases);
	buf_addc(b, '}');
	js_key(b, "settings");
	json_text(b, p->settings);
	if (p->has_features)
		write_texts(b, "features", p->features, p->n_features);
	else
		buf_adds(b, ",\"features\":null");
	write_rules(b, c, p);
	js_key(b, "groupware");
	buf_addc(b, '{');
	write_text(b, "version", p->version);
	buf_addc(b, '}');
}

enum rc
cmd_get_profile(struct call *c)
{
	struct service_profile p;
	enum rc rc = no_members(c);

	if (rc == RC_OK)
		rc = service_profile_get(c->session, c->arena, &p, &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	write_profile(c, &p);
	buf_addc(&c->out, '}');
	service_profile_fini(&p);
	return RC_OK;
}

static enum rc
read_settings(struct rd *r, const json_t *j)
{
	size_t mark = rd_enter(r, "settings");
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)j, name, v) {
		struct err e = { .rc = RC_OK };

		if (service_setting_check(name, v, &e) == RC_OK)
			continue;
		(void)rd_fail_at(r, name, RC_PROTO, "%s", e.text);
		err_set_length(&r->c->err, e.length, e.max_length);
		return RC_PROTO;
	}
	rd_leave(r, mark);
	return RC_OK;
}

/* QUIRK(OX, 8.19): a picture of the own entry is refused where it comes with the other fields. */
static enum rc
read_contact(struct rd *r, const json_t *j, struct object **contact, struct service_profile_change *out)
{
	const struct content_type *t = model_content(CT_CONTACT);
	int picture = model_field(t, "image1");
	enum rc rc = object_read(r->c->arena, CT_CONTACT, j, "contact", NULL, false, contact, &out->fields, &r->c->err);

	out->contact = *contact;
	if (rc != RC_OK || picture < 0 || !fmask_has(&out->fields, (unsigned)picture))
		return rc;
	rc = rd_fail_at(r, "contact.image1", RC_PROTO, "cannot be set here");
	model_err_field(&r->c->err, t, (unsigned)picture);
	return rc;
}

static enum rc
read_change(struct call *c, struct object **contact, struct service_profile_change *out)
{
	enum { REV, CONTACT, SETTINGS, N };
	static const struct rd_member m[N] = {
		[REV] = { "rev", RD_REV, 0, 0, 0 },
		[CONTACT] = { "contact", RD_OBJECT, 0, 0, 0 },
		[SETTINGS] = { "settings", RD_OBJECT, 0, 0, 0 },
	};
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	if (v[CONTACT] == NULL && v[SETTINGS] == NULL)
		return rd_fail(&r, RC_PROTO, "changes nothing: name fields of contact, or settings");
	if (v[CONTACT] != NULL && v[REV] == NULL)
		return rd_fail_at(&r, "rev", RC_PROTO, "is missing: it says which version of contact was edited");
	out->rev = json_string_value(v[REV]);
	out->settings = v[SETTINGS];
	if (v[SETTINGS] != NULL)
		rc = read_settings(&r, v[SETTINGS]);
	return rc == RC_OK && v[CONTACT] != NULL ? read_contact(&r, v[CONTACT], contact, out) : rc;
}

enum rc
cmd_set_profile(struct call *c)
{
	struct service_profile_change change = { .rev = NULL };
	struct object *contact = NULL;
	struct service_profile p;
	bool applied;
	enum rc rc = read_change(c, &contact, &change);

	if (rc == RC_OK)
		rc = service_profile_set(c->session, c->arena, &change, &applied, &p, &c->err);
	object_drop(contact);
	if (rc != RC_OK)
		return rc;
	buf_addf(&c->out, "{\"applied\":%s", applied ? "true" : "false");
	write_profile(c, &p);
	buf_addc(&c->out, '}');
	service_profile_fini(&p);
	return RC_OK;
}

/* ---- changePassword ---- */

enum rc
cmd_change_password(struct call *c)
{
	enum { OLD, NEW, N };
	static const struct rd_member m[N] = {
		[OLD] = { "oldPassword", RD_STRING, RD_REQUIRED, 1, PASSWORD_MAX },
		[NEW] = { "newPassword", RD_STRING, RD_REQUIRED, 1, PASSWORD_MAX },
	};
	const struct service_password_rules rules = { .min_length = c->u->o.password_min_length, .min_classes = c->u->o.password_min_classes };
	struct engine_password in = { .token = c->req->token, .client_ip = c->req->client_ip };
	enum service_strength strength;
	size_t ended;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc == RC_OK) {
		in.was = json_string_value(v[OLD]);
		in.is = json_string_value(v[NEW]);
		rc = service_password_change(c->session, &rules, &in, &strength, &ended, &c->err);
	}
	if (rc == RC_OK)
		buf_addf(&c->out, "{\"strength\":\"%s\",\"endedSessions\":%zu}", service_strength_name(strength), ended);
	wipe_string(json_object_get(c->body, m[OLD].name));
	wipe_string(json_object_get(c->body, m[NEW].name));
	return rc;
}
