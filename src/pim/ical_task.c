/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * VTODO to and from OX tasks, and the entry points that read single objects from
 * a text.
 */
#include "ical_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ical_text task_texts[] = {
	{ "title", "SUMMARY", 256 }, { "companies", "X-OX-COMPANIES", 255 },
	{ "billing_information", "X-OX-BILLING-INFORMATION", 255 }, { "currency", "X-OX-CURRENCY", 10 },
	{ "trip_meter", "X-OX-TRIP-METER", 255 }, { "target_duration", "X-OX-TARGET-DURATION", 255 },
	{ "actual_duration", "X-OX-ACTUAL-DURATION", 255 }, { NULL, NULL, 0 }
};
static const char *const costs[2][2] = {
	{ "target_costs", "X-OX-TARGET-COSTS" }, { "actual_costs", "X-OX-ACTUAL-COSTS" }
};
static const char *const states[] = { "", "NEEDS-ACTION", "IN-PROCESS", "COMPLETED", "NEEDS-ACTION", "NEEDS-ACTION" };

struct task {
	struct pim_when start, due;
	bool has_start, has_due, full_time;
};

static enum pim_rc
times_parse(struct ical_ctx *x, struct pim_comp *k, struct task *t, json_t *o)
{
	struct pim_line *start = ical_line(k, "DTSTART"), *due = ical_line(k, "DUE"), *dur = ical_line(k, "DURATION");
	struct pim_line *full = ical_line(k, "X-OX-FULL-TIME");
	enum pim_rc rc = PIM_OK;
	int64_t s;

	if (start != NULL) {
		rc = ical_when(x, start, start->value, &t->start);
		t->has_start = true;
	}
	if (rc == PIM_OK && due != NULL) {
		rc = ical_when(x, due, due->value, &t->due);
		t->has_due = true;
	} else if (rc == PIM_OK && dur != NULL && start != NULL) {
		if (!ical_duration(dur->value, &s))
			return pim_fail(x->c, PIM_REFUSED, "line %zu: \"%.40s\" is no duration", dur->lineno, dur->value);
		t->due = t->start;
		t->due.ms += s * 1000;
		t->has_due = true;
	}
	if (rc == PIM_OK && t->has_start && t->has_due && t->due.ms < t->start.ms) {
		rc = pim_bend(x->c, "line %zu: the task is due before it starts", k->lineno);	/* TSK-0040 */
		t->has_start = false;
	}
	t->full_time = (t->has_start || t->has_due) && (!t->has_start || t->start.date) && (!t->has_due || t->due.date);
	if (rc == PIM_OK && t->has_start)
		rc = pim_set_new(x->c, o, "start_time", json_integer(t->start.ms));
	if (rc == PIM_OK && t->has_due)
		rc = pim_set_new(x->c, o, "end_time", json_integer(t->due.ms));
	if (rc == PIM_OK && (t->has_start || t->has_due))
		rc = pim_set_new(x->c, o, "full_time", json_boolean(t->full_time));
	else if (rc == PIM_OK && full != NULL)
		rc = pim_set_new(x->c, o, "full_time", json_boolean(pim_same(full->value, "TRUE")));
	return rc;
}

static enum pim_rc
state_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o)
{
	struct pim_line *status = ical_line(k, "STATUS"), *own = ical_line(k, "X-OX-STATUS");
	struct pim_line *done = ical_line(k, "COMPLETED"), *prio = ical_line(k, "PRIORITY");
	enum pim_rc rc;
	struct pim_when w;
	int64_t v, percent = 0;
	int state = 0;

	rc = ical_int_parse(x, k, "percent_completed", "PERCENT-COMPLETE", 0, 100, o);
	if (rc != PIM_OK)
		return rc;
	pim_get_int(o, "percent_completed", &percent);
	if (status != NULL && pim_same(status->value, "CANCELLED"))
		state = 5;	/* deferred is the nearest that OX has */
	for (v = 1; status != NULL && v <= 3; v++) {
		if (pim_same(status->value, states[v]))
			state = (int)v;
	}
	if (state == 0 && done != NULL)
		state = 3;
	if (state == 1 && own != NULL && pim_int_parse(own->value, 4, 5, &v))
		state = (int)v;
	if (state == 1 && percent > 0) {	/* TSK-0031 */
		rc = pim_bend(x->c, "line %zu: the task is not begun, but %d %% complete", k->lineno, (int)percent);
		state = percent == 100 ? 3 : 2;
	}
	if (rc == PIM_OK && state == 3 && json_object_get(o, "percent_completed") == NULL && status != NULL)
		rc = pim_set_new(x->c, o, "percent_completed", json_integer(100));
	if (rc == PIM_OK && state != 0)
		rc = pim_set_new(x->c, o, "status", json_integer(state));
	if (rc == PIM_OK && done != NULL) {
		rc = ical_when(x, done, done->value, &w);
		if (rc == PIM_OK)
			rc = pim_set_new(x->c, o, "date_completed", json_integer(w.ms));
	}
	if (rc == PIM_OK && prio != NULL && pim_int_parse(prio->value, 1, 9, &v))
		rc = pim_set_new(x->c, o, "priority", json_integer(v < 5 ? 3 : v == 5 ? 2 : 1));
	return rc;
}

/* The first alarm, as an instant. */
static enum pim_rc
alarm_parse(struct ical_ctx *x, const struct pim_comp *k, const struct task *t, json_t *o)
{
	const struct pim_comp *a;

	for (a = k->kids; a != NULL; a = a->next) {
		const struct pim_line *l = pim_line_first(a, "TRIGGER");
		bool end = l != NULL && (pim_same(pim_param(l, "RELATED"), "END") || !t->has_start);
		struct pim_when w;
		int64_t s, ms;

		if (strcmp(a->name, "VALARM") != 0 || l == NULL)
			continue;
		if (ical_duration(l->value, &s) && (end ? t->has_due : t->has_start))
			ms = (end ? t->due.ms : t->start.ms) + s * 1000;
		else if (ical_when(x, l, l->value, &w) == PIM_OK)
			ms = w.ms;
		else
			continue;
		if (json_object_get(o, "alarm") != NULL) {
			pim_note(x->c, PIM_PROBLEM_DROPPED, "line %zu: a further alarm was left out, the server holds one",
			         a->lineno);
			continue;
		}
		if (pim_set_new(x->c, o, "alarm", json_integer(ms)) != PIM_OK)
			return PIM_NOMEM;
	}
	return PIM_OK;
}

/* Costs: a JSON number, or a JSON string where OX gave one. */
static enum pim_rc
costs_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o)
{
	enum pim_rc rc = PIM_OK;
	size_t i;

	for (i = 0; i < 2 && rc == PIM_OK; i++) {
		struct pim_line *l = ical_line(k, costs[i][1]);
		json_t *v;

		if (l == NULL || l->value_len == 0 || l->value_len > 40)
			continue;
		v = json_loads(l->value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
		if (json_is_number(v) || json_is_string(v)) {
			rc = pim_set_new(x->c, o, costs[i][0], v);
		} else {
			json_decref(v);
			rc = pim_bend(x->c, "line %zu: %s is no amount", l->lineno, costs[i][0]);
		}
	}
	return rc;
}

static enum pim_rc
recurrence_parse(struct ical_ctx *x, struct pim_comp *k, const struct task *t, json_t *o)
{
	struct pim_line *rule = ical_line(k, "RRULE"), *dim = ical_line(k, "X-OX-DAY-IN-MONTH");
	const struct pim_when *w = t->has_start ? &t->start : &t->due;
	struct ical_series s = { .full_time = w->date, .start_ms = w->ms, .zone = w->zone };
	enum pim_rc rc;

	if (rule == NULL)
		return PIM_OK;
	if (!t->has_start && !t->has_due)
		return pim_bend(x->c, "line %zu: a recurring task needs DTSTART or DUE", rule->lineno);
	rc = ical_recur_parse(x, rule->value, &s, o);
	if (rc == PIM_REFUSED) {
		char why[sizeof(x->c->why)];

		memcpy(why, x->c->why, sizeof(why));
		json_object_del(o, "until");
		return pim_bend(x->c, "line %zu: %.250s", rule->lineno, why);
	}
	if (rc == PIM_OK && dim != NULL && strcmp(dim->value, "-1") == 0 &&
	    json_integer_value(json_object_get(o, "day_in_month")) == 5)
		rc = pim_set_new(x->c, o, "day_in_month", json_integer(-1));
	return rc;
}

enum pim_rc
ical_task_parse(struct pim_ctx *c, const struct ical_group *g, json_t **object)
{
	struct ical_ctx x = { .c = c, .zones = g->zones };
	struct pim_comp *k = g->master;
	struct pim_zone floating;
	struct task t = { 0 };
	json_t *o = json_object();
	enum pim_rc rc = o == NULL ? PIM_NOMEM : PIM_OK;

	*object = NULL;
	if (c->opt->timezone != NULL && pim_zone_builtin(&floating, c->opt->timezone))
		x.floating = &floating;
	if (rc == PIM_OK && k->overfull)
		rc = pim_fail(c, PIM_LIMIT, "the task at line %zu has more than %zu lines or a line over %zu bytes",
		              k->lineno, c->opt->max_lines, c->opt->max_line_bytes);
	if (rc == PIM_OK && k->open)
		rc = pim_bend(c, "the task at line %zu is cut off before its END:VTODO", k->lineno);
	if (rc == PIM_OK)
		rc = ical_texts_parse(&x, k, task_texts, o);
	if (rc == PIM_OK)
		rc = ical_common_parse(&x, k, o);
	if (rc == PIM_OK)
		rc = times_parse(&x, k, &t, o);
	if (rc == PIM_OK)
		rc = state_parse(&x, k, o);
	if (rc == PIM_OK)
		rc = alarm_parse(&x, k, &t, o);
	if (rc == PIM_OK)
		rc = costs_parse(&x, k, o);
	if (rc == PIM_OK)
		rc = recurrence_parse(&x, k, &t, o);
	if (rc == PIM_OK)
		rc = pim_exact_read(k, o);
	if (rc == PIM_OK) {
		json_object_del(o, "sequence");		/* tasks have none */
		ical_report_rest(&x, k);
		*object = json_incref(o);
	}
	json_decref(o);
	return rc;
}

/* --- writing ------------------------------------------------------------------------ */

/* The modern time, or the older alias as a whole day. */
static bool
time_of(const json_t *o, const char *field, const char *alias, int64_t *ms, bool *aliased)
{
	if (pim_get_int(o, field, ms))
		return true;
	*aliased = pim_get_int(o, alias, ms);
	return *aliased;
}

static enum pim_rc
times_format(struct pim_ctx *c, const json_t *o, struct ical_series *s, struct pim_buf *out)
{
	static const char *const fields[] = { "start_time", "end_time", "start_date", "end_date", "date_completed", "alarm" };
	const json_t *full = json_object_get(o, "full_time");
	int64_t start = 0, end = 0;
	bool alias = false, has_start, has_end, day;
	size_t i;

	for (i = 0; i < 6; i++) {
		int64_t ms;

		if (pim_want(c, o, fields[i], JSON_INTEGER) != PIM_OK)
			return PIM_REFUSED;
		if (pim_get_int(o, fields[i], &ms) && (ms < INT64_C(-62135596800000) || ms > INT64_C(253402214400000)))
			return pim_fail(c, PIM_REFUSED, "%s is outside the years 1 to 9999", fields[i]);
	}
	if (pim_want(c, o, "full_time", JSON_TRUE) != PIM_OK)
		return PIM_REFUSED;
	has_start = time_of(o, "start_time", "start_date", &start, &alias);
	has_end = time_of(o, "end_time", "end_date", &end, &alias);
	day = json_is_true(full) || (full == NULL && alias);
	if (has_start)
		ical_put_when(out, "DTSTART", start, day, NULL);
	if (has_end)
		ical_put_when(out, "DUE", end, day, NULL);
	if (!has_start && !has_end && json_is_boolean(full))
		pim_put_line(out, "X-OX-FULL-TIME", json_is_true(full) ? "TRUE" : "FALSE");
	*s = (struct ical_series){ .full_time = day, .start_ms = has_start ? start : end };
	return PIM_OK;
}

static enum pim_rc
state_format(struct pim_ctx *c, const json_t *o, struct pim_buf *out)
{
	int64_t state = 0, prio = 0, percent, ms;
	char text[8];

	if (pim_want(c, o, "status", JSON_INTEGER) != PIM_OK || pim_want(c, o, "priority", JSON_INTEGER) != PIM_OK ||
	    pim_want(c, o, "percent_completed", JSON_INTEGER) != PIM_OK)
		return PIM_REFUSED;
	if (pim_get_int(o, "status", &state) && state != 0) {
		if (state < 1 || state > 5)
			return pim_fail(c, PIM_REFUSED, "status %lld is not 1 to 5", (long long)state);
		pim_put_line(out, "STATUS", states[state]);
		if (state > 3)
			pim_put_line(out, "X-OX-STATUS", state == 4 ? "4" : "5");
	}
	if (pim_get_int(o, "priority", &prio) && prio != 0) {
		if (prio < 1 || prio > 3)
			return pim_fail(c, PIM_REFUSED, "priority %lld is not 1 to 3", (long long)prio);
		pim_put_line(out, "PRIORITY", prio == 3 ? "1" : prio == 2 ? "5" : "9");
	}
	if (pim_get_int(o, "date_completed", &ms))
		ical_put_when(out, "COMPLETED", ms, false, NULL);
	/* OX 8.19 takes any percentage; a file that says more than 100 is refused by everybody */
	if (pim_get_int(o, "percent_completed", &percent)) {
		(void)snprintf(text, sizeof(text), "%d", percent < 0 ? 0 : percent > 100 ? 100 : (int)percent);
		pim_put_line(out, "PERCENT-COMPLETE", text);
	}
	return PIM_OK;
}

static enum pim_rc
costs_format(struct pim_ctx *c, const json_t *o, struct pim_buf *out)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		const json_t *v = json_object_get(o, costs[i][0]);
		char *text;

		if (v == NULL || json_is_null(v))
			continue;
		if (!json_is_number(v) && !json_is_string(v))
			return pim_fail(c, PIM_REFUSED, "%s is neither a number nor a text", costs[i][0]);
		/* two decimals and 12 digits at most: 15 digits give every amount back */
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		if (text == NULL)
			return PIM_NOMEM;
		pim_put_line(out, costs[i][1], text);
		free(text);
	}
	return PIM_OK;
}

static void
alarm_format(const json_t *o, struct pim_buf *out)
{
	int64_t ms;

	if (!pim_get_int(o, "alarm", &ms))
		return;
	pim_put_line(out, "BEGIN", "VALARM");
	pim_put_line(out, "ACTION", "DISPLAY");
	pim_put_line(out, "DESCRIPTION", "Reminder");
	ical_put_when(out, "TRIGGER;VALUE=DATE-TIME", ms, false, NULL);
	pim_put_line(out, "END", "VALARM");
}

enum pim_rc
pim_ical_task_format(const json_t *object, const struct pim_options *opt, char **text, struct pim_error *err)
{
	struct pim_options defaults;
	struct pim_ctx c;
	struct pim_buf out = { 0 }, rule = { 0 };
	struct ical_series s = { 0 };
	int64_t dim = 0;
	enum pim_rc rc = PIM_OK;

	*text = NULL;
	pim_init();
	pim_ctx_init(&c, opt, &defaults, NULL);
	if (!json_is_object(object))
		rc = pim_fail(&c, PIM_REFUSED, "the task is no JSON object");
	pim_put_line(&out, "BEGIN", "VCALENDAR");
	pim_put_line(&out, "VERSION", "2.0");
	pim_put_line(&out, "PRODID", "-//usmd//pim//EN");
	pim_put_line(&out, "BEGIN", "VTODO");
	if (rc == PIM_OK)
		rc = ical_texts_format(&c, object, task_texts, &out);
	if (rc == PIM_OK)
		rc = ical_common_format(&c, object, NULL, &out);
	if (rc == PIM_OK)
		rc = times_format(&c, object, &s, &out);
	if (rc == PIM_OK)
		rc = state_format(&c, object, &out);
	if (rc == PIM_OK)
		rc = costs_format(&c, object, &out);
	if (rc == PIM_OK)
		rc = ical_recur_format(&c, object, &s, &rule);
	if (rc == PIM_OK && rule.len > 0) {
		pim_put_line(&out, "RRULE", rule.p);
		if (pim_get_int(object, "day_in_month", &dim) && dim == -1)
			pim_put_line(&out, "X-OX-DAY-IN-MONTH", "-1");
	}
	if (rc == PIM_OK) {
		pim_exact_put(&out, object);
		alarm_format(object, &out);
	}
	pim_put_line(&out, "END", "VTODO");
	pim_put_line(&out, "END", "VCALENDAR");
	if (rc == PIM_OK) {
		*text = pim_buf_take(&out);
		rc = *text == NULL ? PIM_NOMEM : PIM_OK;
	}
	pim_buf_fini(&out);
	pim_buf_fini(&rule);
	pim_ctx_error(&c, rc, err);
	return rc;
}

/* --- reading one object ---------------------------------------------------------------- */

struct single {
	json_t *object, *exceptions;
};

static enum pim_rc
single_cb(void *arg, struct pim_ctx *c, enum pim_kind kind, json_t *o, json_t *exceptions)
{
	struct single *s = arg;

	(void)c;
	(void)kind;
	s->object = json_incref(o);
	s->exceptions = json_incref(exceptions);
	return PIM_OK;
}

static enum pim_rc
single_parse(const char *text, size_t len, const struct pim_options *opt, const char *want, struct single *s,
             struct pim_report *report, struct pim_error *err)
{
	struct pim_options defaults;
	struct pim_ctx c;
	struct pim_mem mem = { 0 };
	struct pim_comp *root = NULL;
	struct pim_report own = { 0 };
	char *owned = NULL;
	enum pim_rc rc;

	pim_init();
	pim_ctx_init(&c, opt, &defaults, report != NULL ? report : &own);
	if (len > c.opt->max_file_bytes)
		rc = pim_fail(&c, PIM_LIMIT, "the text is larger than %zu bytes", c.opt->max_file_bytes);
	else
		rc = pim_file_text(&text, &len, &owned) ? pim_lines_read(&c, &mem, text, len, &root) : PIM_NOMEM;
	if (rc == PIM_OK)
		rc = ical_each(&c, &mem, root, want, single_cb, s);
	if (rc == PIM_OK && s->object == NULL) {
		const struct pim_report *r = c.rep;

		if (c.why[0] == '\0')
			pim_fail(&c, rc, "there is no %s in the text%s%s", want, r->problems_len > 0 ? "; " : "",
			         r->problems_len > 0 ? r->problems[0].text : "");
		rc = r->unsupported > 0 && r->refused == 0 ? PIM_UNSUPPORTED : PIM_REFUSED;
	}
	pim_report_fini(&own);
	pim_mem_fini(&mem);
	free(owned);
	pim_ctx_error(&c, rc, err);
	return rc;
}

enum pim_rc
pim_ical_event_parse(const char *text, size_t len, const struct pim_options *opt, json_t **object,
                     json_t **exceptions, struct pim_report *report, struct pim_error *err)
{
	struct single s = { NULL, NULL };
	enum pim_rc rc = single_parse(text, len, opt, "VEVENT", &s, report, err);

	*object = s.object;
	*exceptions = s.exceptions;
	return rc;
}

enum pim_rc
pim_ical_task_parse(const char *text, size_t len, const struct pim_options *opt, json_t **object,
                    struct pim_report *report, struct pim_error *err)
{
	struct single s = { NULL, NULL };
	enum pim_rc rc = single_parse(text, len, opt, "VTODO", &s, report, err);

	*object = s.object;
	json_decref(s.exceptions);
	return rc;
}
