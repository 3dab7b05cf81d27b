/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync freebusy: when people have time, as a table or as JSON. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The N digits at S and, unless it is 0, the character THEN behind them. */
static bool
digits(const char **s, size_t n, char then, int *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*out = 10 * *out + (**s - '0');
	}
	if (then == '\0')
		return true;
	return *(*s)++ == then;
}

bool
time_read(const char *text, bool end, msec_t *out)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *s = text;
	time_t t;

	if (!digits(&s, 4, '-', &tm.tm_year) || !digits(&s, 2, '-', &tm.tm_mon) || !digits(&s, 2, '\0', &tm.tm_mday))
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
		return false;
	if (*s == 'T') {
		s++;
		if (!digits(&s, 2, ':', &tm.tm_hour) || !digits(&s, 2, '\0', &tm.tm_min) || tm.tm_hour > 23 || tm.tm_min > 59)
			return false;
	} else if (end) {
		tm.tm_mday++;
	}
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = *s == '\0' ? mktime(&tm) : (time_t)-1;
	if (t == (time_t)-1)
		return false;
	*out = (msec_t)t * 1000;
	return true;
}

static bool
begins(const char *s, const char *with, const char **rest)
{
	size_t n = strlen(with);

	*rest = s + n;
	return strncmp(s, with, n) == 0;
}

/* "#5", "group:#8", "resource:#9" are numbers; with an @ it is a mail address, and anything else a name. */
static json_t *
who_of(const char *arg)
{
	static const char *const kinds[][2] = { { "group:", "group" }, { "resource:", "resource" }, { "user:", "user" }, { "", "user" } };
	const char *rest = arg;
	int64_t id;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!begins(arg, kinds[i][0], &rest))
			continue;
		if (rest[0] == '#' && parse_i64(rest + 1, 0, INT32_MAX, &id))
			return json_pack("{s:I}", kinds[i][1], (json_int_t)id);
		break;
	}
	return json_pack("{s:s}", strchr(rest, '@') != NULL ? "mail" : "name", rest);
}

static enum rc
request(const struct client *c, json_t **body, struct err *e)
{
	msec_t from = now_ms(), to;
	json_t *who = json_array();
	char today[12];
	time_t now = (time_t)(from / 1000);
	struct tm tm;

	*body = NULL;
	(void)snprintf(today, sizeof(today), "1970-01-01");
	if (localtime_r(&now, &tm) != NULL)
		(void)strftime(today, sizeof(today), "%Y-%m-%d", &tm);
	for (int i = 1; i < c->o.n_command; i++)
		(void)json_array_append_new(who, who_of(c->o.command[i]));
	if (!time_read(c->o.from != NULL ? c->o.from : today, false, &from))
		goto wrong;
	if (c->o.to == NULL)
		to = from + INT64_C(86400000);
	else if (!time_read(c->o.to, true, &to))
		goto wrong;
	*body = json_pack("{s:o,s:I,s:I,s:b}", "who", who, "from", (json_int_t)from, "to", (json_int_t)to, "details", 1);
	return *body != NULL ? RC_OK : err_set(e, RC_PROTO, "a name is no valid UTF-8");
wrong:
	json_decref(who);
	return err_set(e, RC_PROTO, "--from and --to take a time such as 2028-01-31 or 2028-01-31T09:30");
}

/* "Mon 2028-01-31 09:00", with END "09:00" of the same day or "2028-02-01 09:00" */
static void
print_time(json_int_t ms, bool end, bool same_day)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char day[40] = "", hour[12] = "";

	if (localtime_r(&t, &tm) != NULL) {
		(void)strftime(day, sizeof(day), "%a %Y-%m-%d ", &tm);
		(void)strftime(hour, sizeof(hour), "%H:%M", &tm);
	}
	if (end && same_day)
		(void)printf("%-20s", hour);
	else
		(void)printf("%s%s", day, hour);
}

static bool
same_day(json_int_t a, json_int_t b)
{
	time_t t[2] = { (time_t)(a / 1000), (time_t)(b / 1000) };
	struct tm x, y;

	return localtime_r(&t[0], &x) != NULL && localtime_r(&t[1], &y) != NULL && x.tm_year == y.tm_year && x.tm_yday == y.tm_yday;
}

/* Control characters are no part of a table. */
static void
print_text(const char *s)
{
	for (; *s != '\0'; s++)
		(void)putchar((unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
}

static void
print_item(const json_t *x, const char *indent)
{
	json_int_t start = json_integer_value(json_object_get(x, "start")), end = json_integer_value(json_object_get(x, "end"));
	const char *title = json_string_value(json_object_get(x, "title")), *location = json_string_value(json_object_get(x, "location"));

	(void)printf("%s  ", indent);
	print_time(start, false, false);
	(void)printf(" - ");
	print_time(end, true, same_day(start, end));
	(void)printf("  %-9s", json_string_value(json_object_get(x, "shown")));
	if (title != NULL) {
		(void)printf("  ");
		print_text(title);
	}
	if (location != NULL) {
		(void)printf(" (");
		print_text(location);
		(void)putchar(')');
	}
	(void)putchar('\n');
}

static void
print_person(const json_t *x, const char *indent)
{
	const char *name = json_string_value(json_object_get(x, "name")), *mail = json_string_value(json_object_get(x, "mail"));
	const json_t *error = json_object_get(x, "error"), *list = json_object_get(x, "appointments"), *item;
	json_int_t entity = json_integer_value(json_object_get(x, "entity"));
	size_t i;

	(void)printf("%s", indent);
	print_text(name != NULL ? name : mail != NULL ? mail : "");
	if (name == NULL && mail == NULL)
		(void)printf("#%lld", (long long)entity);
	else if (name != NULL && mail != NULL)
		(void)printf(" <%s>", mail);
	(void)printf("%s\n", json_object_get(x, "members") != NULL ? ":" : "");
	if (error != NULL)
		(void)printf("%s  ? %s\n", indent, json_string_value(json_object_get(error, "message")));
	json_array_foreach(list, i, item)
		print_item(item, indent);
	if (list != NULL && json_array_size(list) == 0)
		(void)printf("%s  free\n", indent);
}

enum rc
freebusy_command(struct client *c, struct err *e)
{
	json_t *body = NULL, *data = NULL, *x, *member;
	size_t i, k;
	enum rc rc;

	if (c->o.n_command < 2)
		return err_set(e, RC_PROTO, "usmsync freebusy needs somebody: a name, a mail address, #number, group:..., resource:...");
	rc = request(c, &body, e);
	if (rc == RC_OK)
		rc = net_call(c->net, "getFreeBusy", body, 120, &data, e);
	if (rc == RC_OK && c->o.json) {
		(void)json_dumpf(data, stdout, JSON_INDENT(2));
		(void)printf("\n");
	} else if (rc == RC_OK) {
		json_array_foreach(json_object_get(data, "attendees"), i, x) {
			print_person(x, "");
			json_array_foreach(json_object_get(x, "members"), k, member)
				print_person(member, "  ");
		}
	}
	for (i = 0; rc == RC_OK && i < json_array_size(json_object_get(data, "attendees")); i++)
		if (json_object_get(json_array_get(json_object_get(data, "attendees"), i), "error") != NULL)
			c->t.refused++;
	json_decref(body);
	json_decref(data);
	return rc;
}
