/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A rule against what OX announces that it takes: every fault is told with its path, before anything is written. */
#include "service/rules_int.h"

#include <stdio.h>
#include <string.h>

/* Where in the rule the check is. */
struct at {
	char path[sizeof(((struct err *)0)->path)];
	size_t len;
	const json_t *config;
	const json_t *known;
	unsigned n;     /* conditions so far */
	struct err *e;
};

static size_t
enter(struct at *at, const char *fmt, const char *name, size_t i)
{
	size_t mark = at->len;
	int n;

	if (at->len >= sizeof(at->path))
		return mark;
	if (fmt[0] == '[')
		n = snprintf(at->path + at->len, sizeof(at->path) - at->len, "[%zu]", i);
	else
		n = snprintf(at->path + at->len, sizeof(at->path) - at->len, "%s%s", at->len > 0 ? "." : "", name);
	at->len += n > 0 ? (size_t)n : 0;
	return mark;
}

static void
leave(struct at *at, size_t mark)
{
	at->len = mark;
	if (mark < sizeof(at->path))
		at->path[mark] = '\0';
}

/* MEMBER below the place, or NULL for the place itself. */
static enum rc
wrong(struct at *at, const char *member, const char *why)
{
	if (member != NULL)
		(void)enter(at, ".", member, 0);
	return err_set_path(at->e, RC_PROTO, at->path, "%s", why);
}

const char *
json_text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* The entry of LIST with this id. */
static const json_t *
announced(const json_t *list, const char *id)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (strcmp(json_text_of(v, "id"), id) == 0)
			return v;
	return NULL;
}

static bool
holds(const json_t *list, const char *word)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), word) == 0)
			return true;
	return false;
}

/* Is PART in WHOLE, as it is? */
static bool
contains(const json_t *whole, const json_t *part)
{
	const char *key;
	size_t i;
	json_t *v;

	if (whole == NULL)
		return false;
	if (json_equal(whole, part))
		return true;
	if (json_is_array(whole)) {
		json_array_foreach((json_t *)(uintptr_t)whole, i, v)
			if (contains(v, part))
				return true;
	} else if (json_is_object(whole)) {
		json_object_foreach((json_t *)(uintptr_t)whole, key, v)
			if (contains(v, part))
				return true;
	}
	return false;
}

static bool
one_line(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* ---- members ---- */

static enum rc
check_text(struct at *at, const json_t *o, const char *key, size_t max, bool lines)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_string(v) || json_string_length(v) == 0)
		return wrong(at, key, "must be a text that is not empty");
	if (json_string_length(v) > max)
		return wrong(at, key, "is too long");
	if (!lines && !one_line(json_string_value(v)))
		return wrong(at, key, "must be one line");
	return RC_OK;
}

/* An array of texts, one at least. */
static enum rc
check_texts(struct at *at, const json_t *o, const char *key)
{
	const json_t *list = json_object_get(o, key);
	size_t mark = enter(at, ".", key, 0), i;
	json_t *v;

	if (json_array_size(list) == 0)
		return wrong(at, NULL, "must be an array of texts, one at least");
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		size_t inner = enter(at, "[", NULL, i);

		if (!json_is_string(v))
			return wrong(at, NULL, "must be a text");
		if (json_string_length(v) > RULE_MAX_VALUE || !one_line(json_string_value(v)))
			return wrong(at, NULL, "must be one line, and not too long");
		leave(at, inner);
	}
	leave(at, mark);
	return RC_OK;
}

/* Each of the texts KEY must be one of ALLOWED, where that is announced. */
static enum rc
check_among(struct at *at, const json_t *o, const char *key, const json_t *allowed)
{
	size_t mark = enter(at, ".", key, 0), i;
	json_t *v;

	json_array_foreach(json_object_get(o, key), i, v)
		if (allowed != NULL && !holds(allowed, json_string_value(v) != NULL ? json_string_value(v) : "")) {
			(void)enter(at, "[", NULL, i);
			return wrong(at, NULL, "is none of the headers that the server announces for this condition");
		}
	leave(at, mark);
	return RC_OK;
}

static enum rc
check_size(struct at *at, const json_t *test)
{
	const char *s = json_text_of(test, "size");
	size_t n = strspn(s, "0123456789");

	if (n == 0 || n > 12 || (s[n] != '\0' && (strchr("KMG", s[n]) == NULL || s[n + 1] != '\0')))
		return wrong(at, "size", "must be a text of digits, with K, M or G behind them if wanted");
	return RC_OK;
}

static bool
is_zone(const json_t *v)
{
	const char *s = json_string_value(v);

	return s != NULL && strlen(s) == 5 && (s[0] == '+' || s[0] == '-') && strspn(s + 1, "0123456789") == 4;
}

static enum rc
check_date(struct at *at, const json_t *test)
{
	const char *part = json_text_of(test, "datepart");
	const json_t *list = json_object_get(test, "datevalue"), *v = json_array_get(list, 0), *zone = json_object_get(test, "zone");
	bool weekday = strcmp(part, "weekday") == 0;

	if (!weekday && strcmp(part, "date") != 0 && strcmp(part, "time") != 0)
		return wrong(at, "datepart", "must be \"date\", \"time\" or \"weekday\"");
	if (json_array_size(list) != 1 || !(json_is_integer(v) || (weekday && json_is_string(v))))
		return wrong(at, "datevalue", weekday ? "must be an array of one weekday, 0 (Sunday) to 6" : "must be an array of one time in milliseconds");
	if (weekday && (json_is_integer(v) ? json_integer_value(v) < 0 || json_integer_value(v) > 6 : strlen(json_string_value(v)) != 1 || strchr("0123456", *json_string_value(v)) == NULL))
		return wrong(at, "datevalue[0]", "must be a weekday, 0 (Sunday) to 6");
	if (zone != NULL && !is_zone(zone))
		return wrong(at, "zone", "must be a text like \"+0100\"");
	return RC_OK;
}

/* ---- conditions ---- */

static enum rc check_test(struct at *at, const json_t *test, unsigned depth);

static enum rc
check_group(struct at *at, const json_t *test, unsigned depth)
{
	const json_t *list = json_object_get(test, "tests");
	size_t mark = enter(at, ".", "tests", 0), i;
	json_t *v;
	enum rc rc;

	if (depth > 0 && json_is_false(json_object_get(json_object_get(at->config, "options"), "allowNestedTests")))
		return wrong(at, NULL, "cannot be in another group: this server takes no groups within groups");
	if (json_array_size(list) == 0)
		return wrong(at, NULL, "must be an array of conditions, one at least");
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		size_t inner = enter(at, "[", NULL, i);

		rc = check_test(at, v, depth + 1);
		if (rc != RC_OK)
			return rc;
		leave(at, inner);
	}
	leave(at, mark);
	return RC_OK;
}

static enum rc
check_comparison(struct at *at, const json_t *test, const json_t *config)
{
	const json_t *list = json_object_get(config, "comparisons");
	char text[200] = "must be one of";
	size_t n = strlen(text), i;
	json_t *v;

	if (json_array_size(list) == 0 || holds(list, json_text_of(test, "comparison")))
		return RC_OK;
	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (n + json_string_length(v) + 4 < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s", i > 0 ? "," : "", json_string_value(v));
	return wrong(at, "comparison", text);
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static enum rc
check_members(struct at *at, const char *id, const json_t *test, const json_t *config)
{
	bool exists = strcmp(id, "exists") == 0, only = exists || ends_with(json_text_of(test, "comparison"), "exists");
	bool parts = json_object_get(config, "parts") != NULL;
	enum rc rc = check_comparison(at, test, config);

	if (rc != RC_OK)
		return rc;
	if (strcmp(id, "size") == 0)
		return check_size(at, test);
	if (strcmp(id, "date") == 0 || strcmp(id, "currentdate") == 0)
		return check_date(at, test);
	if (exists || parts || strcmp(id, "header") == 0)
		rc = check_texts(at, test, "headers");
	if (rc == RC_OK && parts)
		rc = check_among(at, test, "headers", json_object_get(config, "headers"));
	if (rc == RC_OK && parts && !holds(json_object_get(config, "parts"), json_text_of(test, "addresspart")))
		rc = wrong(at, "addresspart", "must be one of the parts that the server announces for this condition");
	if (rc == RC_OK && !only && json_array_size(json_object_get(config, "comparisons")) > 0)
		rc = check_texts(at, test, "values");
	return rc;
}

static enum rc
check_test(struct at *at, const json_t *test, unsigned depth)
{
	const char *id = json_text_of(test, "id");
	const json_t *config;
	size_t mark;
	enum rc rc;

	if (++at->n > RULE_MAX_CONDITIONS)
		return err_set_path(at->e, RC_LIMIT, at->path, "A rule can have %d conditions", RULE_MAX_CONDITIONS);
	if (!json_is_object(test))
		return wrong(at, NULL, "must be a condition, an object with the member id");
	if (contains(at->known, test))
		return RC_OK;
	config = announced(json_object_get(at->config, "tests"), id);
	if (config == NULL)
		return wrong(at, "id", "is no condition that the server announces");
	if (strcmp(id, "allof") == 0 || strcmp(id, "anyof") == 0)
		return check_group(at, test, depth);
	if (strcmp(id, "not") == 0) {
		mark = enter(at, ".", "test", 0);
		rc = check_test(at, json_object_get(test, "test"), depth);
		if (rc == RC_OK)
			leave(at, mark);
		return rc;
	}
	return check_members(at, id, test, config);
}

enum rc
rule_check_test(const json_t *config, const json_t *test, const json_t *known, struct err *e)
{
	struct at at = { .config = config, .known = json_object_get(known, "test"), .e = e };

	(void)enter(&at, ".", "test", 0);
	return check_test(&at, test, 0);
}

/* ---- actions ---- */

enum rc
rule_check_text(const char *path, const char *text, size_t max, struct err *e)
{
	if (text[0] == '\0' || strlen(text) > max || !one_line(text))
		return err_set_path(e, RC_PROTO, path, "must be one line of 1 to %zu octets", max);
	return RC_OK;
}

enum rc
rule_check_address(const char *path, const char *address, struct err *e)
{
	const char *at = strchr(address, '@');

	if (at == NULL || at == address || at[1] == '\0' || strchr(at + 1, '@') != NULL || strlen(address) > 320 || strpbrk(address, " \t<>,;\"\\") != NULL ||
	    !one_line(address))
		return err_set_path(e, RC_PROTO, path, "must be a mail address like ada@example.com");
	return RC_OK;
}

static enum rc
check_days(struct at *at, const json_t *action)
{
	const json_t *v = json_object_get(action, "days");
	int64_t n = json_integer_value(v);

	if (v == NULL || (json_is_integer(v) && n >= 1 && n <= RULE_MAX_DAYS) || (json_is_string(v) && parse_i64(json_string_value(v), 1, RULE_MAX_DAYS, &n)))
		return RC_OK;
	return wrong(at, "days", "must be a number of days, 1 to 365");
}

static enum rc
check_action(struct at *at, const json_t *action)
{
	const char *id = json_text_of(action, "id");
	enum rc rc = RC_OK;

	if (strcmp(id, "stop") == 0)
		return wrong(at, "id", "is no action here: set the member stop of the rule");
	if (announced(json_object_get(at->config, "actioncmds"), id) == NULL)
		return wrong(at, "id", "is no action that the server announces");
	if (strcmp(id, "move") == 0 || strcmp(id, "copy") == 0) {
		if (json_object_get(action, "folder") == NULL && json_text_of(action, "into")[0] == '\0')
			return wrong(at, "folder", "must be the uuid of a mail folder");
	} else if (strcmp(id, "redirect") == 0) {
		(void)enter(at, ".", "to", 0);
		return rule_check_address(at->path, json_text_of(action, "to"), at->e);
	} else if (strcmp(id, "reject") == 0 || strcmp(id, "vacation") == 0) {
		rc = check_text(at, action, "text", RULE_MAX_TEXT, true);
		if (rc == RC_OK && *id == 'v')
			rc = check_days(at, action);
		if (rc == RC_OK && *id == 'v' && json_object_get(action, "addresses") != NULL)
			rc = check_texts(at, action, "addresses");
	} else if (ends_with(id, "flags")) {
		rc = check_texts(at, action, "flags");
	}
	return rc;
}

enum rc
rule_check_actions(const json_t *config, const json_t *actions, const json_t *known, struct err *e)
{
	struct at at = { .config = config, .known = known, .e = e };
	const json_t *max = json_object_get(json_object_get(config, "options"), "MAXREDIRECTS");
	int64_t redirects = 0;
	size_t mark, i;
	json_t *v;
	enum rc rc;

	(void)enter(&at, ".", "actions", 0);
	if (json_array_size(actions) > RULE_MAX_ACTIONS)
		return err_set_path(e, RC_LIMIT, at.path, "A rule can have %d actions", RULE_MAX_ACTIONS);
	json_array_foreach((json_t *)(uintptr_t)actions, i, v) {
		mark = enter(&at, "[", NULL, i);
		if (!json_is_object(v))
			return wrong(&at, NULL, "must be an action, an object with the member id");
		redirects += strcmp(json_text_of(v, "id"), "redirect") == 0;
		if (json_is_integer(max) && redirects > json_integer_value(max))
			return wrong(&at, NULL, "is one redirection too many for this server");
		rc = contains(known, v) ? RC_OK : check_action(&at, v);
		if (rc != RC_OK)
			return rc;
		leave(&at, mark);
	}
	return RC_OK;
}

/* ---- what OX complains about ---- */

static bool
quotes(const char *text, const char *value)
{
	size_t n = strlen(value);

	for (const char *p = n > 0 ? strstr(text, value) : NULL; p != NULL; p = strstr(p + 1, value))
		if (p > text && (p[-1] == '\'' || p[-1] == '"') && p[n] == p[-1])
			return true;
	return false;
}

static bool
blame_in(struct at *at, const json_t *v, const char *text)
{
	const char *key;
	size_t i, mark;
	json_t *x;

	if (json_is_string(v))
		return quotes(text, json_string_value(v));
	if (json_is_array(v)) {
		json_array_foreach((json_t *)(uintptr_t)v, i, x) {
			mark = enter(at, "[", NULL, i);
			if (blame_in(at, x, text))
				return true;
			leave(at, mark);
		}
	} else if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, key, x) {
			mark = enter(at, ".", key, 0);
			if (blame_in(at, x, text))
				return true;
			leave(at, mark);
		}
	}
	return false;
}

void
rule_blame(const json_t *test, const json_t *actions, struct err *e)
{
	const struct { const char *name; const json_t *v; } part[] = { { "test", test }, { "actions", actions } };

	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		struct at at = { .len = 0 };

		(void)enter(&at, ".", part[i].name, 0);
		if (part[i].v != NULL && blame_in(&at, part[i].v, e->text)) {
			(void)snprintf(e->path, sizeof(e->path), "%s", at.path);
			return;
		}
	}
}
