/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync vacation: the absence notice, shown, switched, changed. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_TEXT 65536

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static void
print_day(const char *label, const json_t *v)
{
	time_t t = (time_t)(json_integer_value(v) / 1000);
	char text[32] = "-";
	struct tm tm;

	if (v != NULL && gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	(void)printf("%-10s %s\n", label, text);
}

static void
print_vacation(const struct client *c, const json_t *v)
{
	size_t i;
	json_t *x;

	if (c->o.json) {
		print_json(v);
		return;
	}
	if (!json_is_true(json_object_get(v, "exists"))) {
		(void)printf("There is no absence notice.\n");
		return;
	}
	(void)printf("%-10s %s\n", "active", json_is_true(json_object_get(v, "active")) ? "yes" : "no");
	print_day("from", json_object_get(v, "from"));
	print_day("to", json_object_get(v, "to"));
	(void)printf("%-10s %lld\n", "days", (long long)json_integer_value(json_object_get(v, "days")));
	(void)printf("%-10s", "addresses");
	json_array_foreach(json_object_get(v, "addresses"), i, x)
		(void)printf(" %s", json_string_value(x) != NULL ? json_string_value(x) : "");
	(void)printf("\n%-10s %s\n", "subject", text_of(v, "subject"));
	if (json_is_true(json_object_get(v, "other")))
		(void)printf("The rule has further conditions.\n");
	(void)printf("\n%s\n", text_of(v, "text"));
}

/* The text of FILE, "-" the standard input. */
static enum rc
read_text(json_t *body, const char *file, struct err *e)
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
	char *text = mem_alloc(MAX_TEXT + 2);
	size_t n = f != NULL && text != NULL ? fread(text, 1, MAX_TEXT + 1, f) : 0;
	enum rc rc = RC_OK;

	if (f == NULL)
		rc = err_set(e, RC_PROTO, "cannot read %s", file);
	else if (text == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory for a text");
	else if (n == 0 || n > MAX_TEXT)
		rc = err_set(e, RC_PROTO, "%s is %s", file, n == 0 ? "empty" : "too long");
	else if (json_object_set_new(body, "text", json_stringn(text, n)) != 0)
		rc = err_set(e, RC_PROTO, "%s is no text in UTF-8", file);
	if (f != NULL && f != stdin)
		(void)fclose(f);
	mem_free(text);
	return rc;
}

/* 2026-12-24, or "none". */
static enum rc
read_day(json_t *body, const char *key, const char *value, struct err *e)
{
	json_t *v = strcmp(value, "none") == 0 ? json_null() : day_value(value);

	if (v == NULL || json_object_set_new(body, key, v) != 0)
		return err_set(e, RC_PROTO, "%s=%s is no day such as 2026-12-24, nor \"none\"", key, value);
	return RC_OK;
}

static enum rc
read_word(json_t *body, const char *arg, struct err *e)
{
	const char *eq = strchr(arg, '='), *value = eq != NULL ? eq + 1 : "";
	size_t n = eq != NULL ? (size_t)(eq - arg) : 0;
	json_t *list;
	int64_t days;

	if (n == 7 && strncmp(arg, "subject", n) == 0)
		return json_object_set_new(body, "subject", json_string(value)) == 0 ? RC_OK : err_set(e, RC_PROTO, "the subject is no text in UTF-8");
	if (n == 9 && strncmp(arg, "text-file", n) == 0)
		return read_text(body, value, e);
	if (n == 4 && strncmp(arg, "days", n) == 0)
		return parse_i64(value, 1, 365, &days) && json_object_set_new(body, "days", json_integer(days)) == 0 ? RC_OK :
		    err_set(e, RC_PROTO, "days takes a number from 1 to 365, not \"%s\"", value);
	if (n == 4 && strncmp(arg, "from", n) == 0)
		return read_day(body, "from", value, e);
	if (n == 2 && strncmp(arg, "to", n) == 0)
		return read_day(body, "to", value, e);
	if (n == 7 && strncmp(arg, "address", n) == 0) {
		list = json_object_get(body, "addresses");
		if (list == NULL) {
			list = json_array();
			(void)json_object_set_new(body, "addresses", list);
		}
		return value[0] == '\0' || json_array_append_new(list, json_string(value)) == 0 ? RC_OK : err_set(e, RC_PROTO, "the address is no text in UTF-8");
	}
	return err_set(e, RC_PROTO, "vacation set takes subject=, text-file=, days=, from=, to= and address=, not \"%s\"", arg);
}

enum rc
vacation_command(struct client *c, struct err *e)
{
	const char *word = c->o.n_command > 1 ? c->o.command[1] : NULL;
	json_t *body = json_object(), *data = NULL;
	enum rc rc = RC_OK;

	if (word != NULL && (strcmp(word, "on") == 0 || strcmp(word, "off") == 0))
		(void)json_object_set_new(body, "active", json_boolean(strcmp(word, "on") == 0));
	else if (word != NULL && strcmp(word, "set") != 0)
		rc = err_set(e, RC_PROTO, "vacation has on, off and set, not \"%s\"", word);
	else if (word != NULL && c->o.n_command == 2)
		rc = err_set(e, RC_PROTO, "vacation set takes subject=, text-file=, days=, from=, to= and address=: give one of them");
	for (int i = 2; word != NULL && i < c->o.n_command && rc == RC_OK; i++)
		rc = read_word(body, c->o.command[i], e);
	if (rc == RC_OK)
		rc = net_call(c->net, word != NULL ? "setVacation" : "getVacation", body, 120, &data, e);
	if (rc == RC_OK)
		print_vacation(c, data);
	json_decref(body);
	json_decref(data);
	return rc;
}
