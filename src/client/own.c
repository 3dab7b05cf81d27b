/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync whoami, usmsync version: who the user is at the server and what there is of him, and what the server is. */
#include "client/client_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#ifndef USMD_VERSION
#define USMD_VERSION "0"
#endif

/* ---- showing ---- */

static void
print_value(const char *name, const json_t *v)
{
	char *text;

	if (json_is_string(v)) {
		(void)printf("  %-28s %s\n", name, json_string_value(v));
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	(void)printf("  %-28s %s\n", name, text != NULL ? text : "");
	free(text); /* jansson's own allocation */
}

/* Days as people write them. */
static void
print_field(const struct field *f, const json_t *v)
{
	time_t s = (time_t)(json_integer_value(v) / 1000);
	char day[16];
	struct tm tm;

	if (f->type == FT_DATE && json_is_integer(v) && gmtime_r(&s, &tm) != NULL && strftime(day, sizeof(day), "%Y-%m-%d", &tm) > 0)
		(void)printf("  %-28s %s\n", f->name, day);
	else
		print_value(f->name, v);
}

static void
print_contact(const json_t *contact)
{
	const struct content_type *t = model_content(CT_CONTACT);

	(void)printf("your entry in the address book\n");
	for (size_t i = 0; i < t->n_fields; i++) {
		const json_t *v = json_object_get(contact, t->fields[i].name);

		if (v != NULL && (t->fields[i].flags & (FF_NODELIVER | FF_NOINDEX | FF_READONLY)) == 0)
			print_field(&t->fields[i], v);
	}
}

static void
print_use(const char *name, const json_t *use)
{
	const json_t *used = json_object_get(use, "used"), *limit = json_object_get(use, "limit");

	if (json_is_integer(used) && json_is_integer(limit))
		(void)printf("  %-28s %lld of %lld\n", name, (long long)json_integer_value(used), (long long)json_integer_value(limit));
	else if (json_is_integer(used))
		(void)printf("  %-28s %lld\n", name, (long long)json_integer_value(used));
}

static void
print_list(const char *title, const json_t *list)
{
	(void)printf("%s\n  ", title);
	for (size_t i = 0; i < json_array_size(list); i++)
		(void)printf("%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(list, i)));
	(void)printf("\n");
}

static void
print_profile(const struct client *c, json_t *data)
{
	const char *name;
	json_t *v;

	if (c->o.json) {
		print_json(data);
		return;
	}
	(void)printf("user\n");
	json_object_foreach(json_object_get(data, "user"), name, v)
		print_value(name, v);
	print_contact(json_object_get(data, "contact"));
	print_list("mail addresses", json_object_get(json_object_get(data, "identities"), "aliases"));
	(void)printf("settings\n");
	json_object_foreach(json_object_get(data, "settings"), name, v)
		print_value(name, v);
	(void)printf("in use\n");
	json_object_foreach(json_object_get(data, "quota"), name, v)
		print_use(name, v);
	if (json_is_array(json_object_get(data, "features")))
		print_list("allowed", json_object_get(data, "features"));
}

/* ---- changing ---- */

static bool
is_yes_or_no(const char *s, json_t **out)
{
	*out = NULL;
	if (strcasecmp(s, "yes") == 0 || strcasecmp(s, "true") == 0)
		*out = json_true();
	else if (strcasecmp(s, "no") == 0 || strcasecmp(s, "false") == 0)
		*out = json_false();
	return *out != NULL;
}

/* "1990-05-17" as the milliseconds of that day, or NULL. */
static json_t *
day_value(const char *s)
{
	struct tm tm = { 0 };
	char part[11];
	int64_t y, m, d;
	time_t t;

	if (strlen(s) != sizeof(part) - 1 || s[4] != '-' || s[7] != '-')
		return NULL;
	memcpy(part, s, sizeof(part));
	part[4] = part[7] = '\0';
	if (!parse_i64(part, 1, 9999, &y) || !parse_i64(part + 5, 1, 12, &m) || !parse_i64(part + 8, 1, 31, &d))
		return NULL;
	tm.tm_year = (int)y - 1900;
	tm.tm_mon = (int)m - 1;
	tm.tm_mday = (int)d;
	t = timegm(&tm);
	return tm.tm_mday == d ? json_integer((json_int_t)t * 1000) : NULL; /* else it has made a day of the next month of it */
}

static enum rc
field_value(const struct field *f, const char *s, json_t **out, struct err *e)
{
	int64_t n;

	*out = NULL;
	if (s[0] == '\0')
		*out = json_null();
	else if (f->type == FT_DATE && (*out = day_value(s)) == NULL)
		return err_set(e, RC_PROTO, "%s is a day such as 1990-05-17, not \"%s\"", f->name, s);
	else if (f->type == FT_BOOL && !is_yes_or_no(s, out))
		return err_set(e, RC_PROTO, "%s is yes or no, not \"%s\"", f->name, s);
	else if ((f->type == FT_INT || f->type == FT_TIME) && parse_i64(s, INT64_MIN, INT64_MAX, &n))
		*out = json_integer(n);
	else if (*out == NULL)
		*out = json_string(s);
	return *out != NULL ? RC_OK : err_set(e, RC_PROTO, "%s: the value is no valid UTF-8", f->name);
}

/* The server knows what a setting may be; NOW tells of which kind it is. */
static json_t *
setting_value(const json_t *now, const char *s)
{
	json_t *v;
	int64_t n;

	if (json_is_boolean(now) && is_yes_or_no(s, &v))
		return v;
	return json_is_integer(now) && parse_i64(s, INT64_MIN, INT64_MAX, &n) ? json_integer(n) : json_string(s);
}

static enum rc
read_one(const char *arg, const json_t *data, json_t *contact, json_t *settings, struct err *e)
{
	const char *eq = strchr(arg, '=');
	const json_t *now;
	json_t *v = NULL;
	char name[64];
	int i;
	enum rc rc = RC_OK;

	if (eq == NULL || (size_t)(eq - arg) >= sizeof(name))
		return err_set(e, RC_PROTO, "\"%s\" is not understood: give FIELD=VALUE", arg);
	(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - arg), arg);
	now = json_object_get(json_object_get(data, "settings"), name);
	if (now != NULL) {
		v = setting_value(now, eq + 1);
		return v != NULL && json_object_set_new(settings, name, v) == 0 ? RC_OK : err_set(e, RC_PROTO, "%s: the value is no valid UTF-8", name);
	}
	i = model_field(model_content(CT_CONTACT), name);
	if (i < 0)
		return err_set(e, RC_PROTO, "there is no field or setting \"%s\"; usmsync whoami lists the settings, usm-json(7) the fields of contacts", name);
	rc = field_value(&model_content(CT_CONTACT)->fields[i], eq + 1, &v, e);
	if (rc == RC_OK)
		(void)json_object_set_new(contact, name, v);
	return rc;
}

/* *DATA becomes what it is afterwards. */
static enum rc
set_own(struct client *c, json_t **data, struct err *e)
{
	json_t *body = json_object(), *contact = json_object(), *settings = json_object(), *after = NULL;
	enum rc rc = RC_OK;

	for (int i = 2; i < c->o.n_command && rc == RC_OK; i++)
		rc = read_one(c->o.command[i], *data, contact, settings, e);
	if (rc == RC_OK && json_object_size(contact) > 0) {
		(void)json_object_set(body, "contact", contact);
		(void)json_object_set(body, "rev", json_object_get(*data, "rev"));
	}
	if (rc == RC_OK && json_object_size(settings) > 0)
		(void)json_object_set(body, "settings", settings);
	if (rc == RC_OK)
		rc = net_call(c->net, "setProfile", body, 120, &after, e);
	if (rc == RC_OK) {
		if (!json_is_true(json_object_get(after, "applied")))
			complain(c, "somebody else changed your entry just now; nothing was set, this is how it is");
		json_decref(*data);
		*data = after;
	}
	json_decref(body);
	json_decref(contact);
	json_decref(settings);
	return rc;
}

enum rc
whoami_command(struct client *c, struct err *e)
{
	json_t *none = json_object(), *data = NULL, *quota = NULL;
	enum rc rc = RC_OK;

	if (c->o.n_command == 2 || (c->o.n_command > 2 && strcmp(c->o.command[1], "set") != 0))
		rc = err_set(e, RC_PROTO, "\"%s\" is not understood: give set FIELD=VALUE ...", c->o.command[1]);
	if (rc == RC_OK)
		rc = net_call(c->net, "getProfile", none, 120, &data, e);
	if (rc == RC_OK && c->o.n_command > 2)
		rc = set_own(c, &data, e);
	if (rc == RC_OK)
		rc = net_call(c->net, "getQuota", none, 120, &quota, e);
	if (rc == RC_OK) {
		(void)json_object_set(data, "quota", quota);
		print_profile(c, data);
	}
	json_decref(none);
	json_decref(data);
	json_decref(quota);
	return rc;
}

/* ---- version ---- */

/* "1.10" is newer than "1.9": runs of digits count as numbers. */
static int
version_compare(const char *a, const char *b)
{
	while (*a != '\0' || *b != '\0') {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			char *ea, *eb;
			unsigned long long x = strtoull(a, &ea, 10), y = strtoull(b, &eb, 10);

			if (x != y)
				return x < y ? -1 : 1;
			a = ea;
			b = eb;
			continue;
		}
		if (*a != *b)
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		a++;
		b++;
	}
	return 0;
}

static void
print_check(const json_t *client)
{
	const char *name = json_string_value(json_object_get(client, "name")), *version = json_string_value(json_object_get(client, "version"));
	const char *minimum = json_string_value(json_object_get(client, "minimum"));

	if (name == NULL || version == NULL)
		(void)printf("The administrator announces no client.\n");
	else if (strcasecmp(name, "usmsync") != 0)
		(void)printf("The administrator announces %s %s, which is another program.\n", name, version);
	else if (version_compare(USMD_VERSION, version) >= 0)
		(void)printf("usmsync %s is up to date; %s is announced.\n", USMD_VERSION, version);
	else
		(void)printf("usmsync %s is announced, this is %s%s.\n", version, USMD_VERSION,
		    minimum != NULL && version_compare(USMD_VERSION, minimum) < 0 ? ", which should not be used any more" : "");
}

enum rc
version_command(struct client *c, struct err *e)
{
	json_t *none = json_object(), *data = NULL;
	enum rc rc;

	if (c->o.n_command > 1)
		rc = err_set(e, RC_PROTO, "\"%s\" is not understood: usmsync version takes --check alone", c->o.command[1]);
	else
		rc = net_call(c->net, "serverInfo", none, 60, &data, e);
	if (rc == RC_OK && c->o.json) {
		(void)json_object_set_new(data, "usmsync", json_string(USMD_VERSION));
		print_json(data);
	} else if (rc == RC_OK) {
		(void)printf("usmsync %s at %s %s\n", USMD_VERSION, json_string_value(json_object_get(data, "name")), json_string_value(json_object_get(data, "version")));
		if (c->o.check)
			print_check(json_object_get(data, "client"));
	}
	json_decref(none);
	json_decref(data);
	return rc;
}
