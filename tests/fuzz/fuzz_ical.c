/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of iCalendar.  The first octet chooses (strict or lenient, the zone of floating times), the rest is a file with events and tasks, or
 * a JSON object as OX sends it: {"o": appointment or task, "x": exceptions}.  What is accepted must come back from its own text as it was; its
 * occurrences must be in order and in the span that was asked for.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "fuzz.h"
#include "usmd/pim.h"

#include <string.h>

#define FIXED ((size_t)8 << 20) /* zones are kept by libical once they were used */
#define SPAN_FROM INT64_C(1767225600000) /* 2026 */
#define SPAN_TO INT64_C(1798761600000)

static void
show(const char *what, const json_t *o, const json_t *x, const char *text)
{
	(void)fprintf(stderr, "-- %s\n", what);
	(void)json_dumpf(o, stderr, JSON_SORT_KEYS | JSON_INDENT(1));
	if (x != NULL)
		(void)json_dumpf(x, stderr, JSON_SORT_KEYS | JSON_INDENT(1));
	(void)fprintf(stderr, "\n%s\n", text);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A copy of LIST in a fixed order. */
static json_t *
sorted(const json_t *list)
{
	size_t n = json_array_size(list);
	char **text = calloc(n + 1, sizeof(*text));
	json_t *out = json_array();

	must(text != NULL && out != NULL, "out of memory");
	for (size_t i = 0; i < n; i++)
		text[i] = json_dumps(json_array_get(list, i), JSON_SORT_KEYS | JSON_ENCODE_ANY);
	qsort(text, n, sizeof(*text), by_text);
	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(out, json_loads(text[i], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL));
		free(text[i]);
	}
	free(text);
	return out;
}

/* Equal but for the order of what has none (pim.h). */
static bool
same(const json_t *a, const json_t *b)
{
	static const char *const fields[] = { "participants", "users", "confirmations", "change_exceptions", "delete_exceptions" };
	json_t *x, *y;
	bool eq;

	if (json_equal(a, b))
		return true;
	x = json_deep_copy(a);
	y = json_deep_copy(b);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (json_object_get(x, fields[i]) != NULL)
			(void)json_object_set_new(x, fields[i], sorted(json_object_get(x, fields[i])));
		if (json_object_get(y, fields[i]) != NULL)
			(void)json_object_set_new(y, fields[i], sorted(json_object_get(y, fields[i])));
	}
	eq = json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return eq;
}

static bool
same_exceptions(const json_t *a, const json_t *b)
{
	if (json_array_size(a) != json_array_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!same(json_array_get(a, i), json_array_get(b, i)))
			return false;
	return true;
}

static void
event(const json_t *o, const json_t *x, const struct pim_options *opt, bool exact)
{
	char *text = NULL, *again = NULL;
	json_t *back = NULL, *xback = NULL;
	struct pim_error err;
	enum pim_rc rc = pim_ical_event_format(o, x, opt, &text, &err);

	must(!exact || rc == PIM_OK, "an event that was read cannot be written");
	if (rc == PIM_OK) {
		rc = pim_ical_event_parse(text, strlen(text), opt, &back, &xback, NULL, &err);
		if (exact && rc != PIM_OK)
			show(err.text, o, x, text);
		must(!exact || rc == PIM_OK, "the text of an event cannot be read");
		if (rc == PIM_OK && exact && !(same(o, back) && same_exceptions(x, xback))) {
			show("was", o, x, text);
			show("is", back, xback, "");
			must(false, "an event comes back as another one");
		}
		must(rc != PIM_OK || pim_ical_event_format(back, xback, opt, &again, &err) == PIM_OK, "what came back cannot be written");
	}
	free(text);
	free(again);
	json_decref(back);
	json_decref(xback);
}

static void
task(const json_t *o, const struct pim_options *opt, bool exact)
{
	char *text = NULL, *again = NULL;
	json_t *back = NULL;
	struct pim_error err;
	enum pim_rc rc = pim_ical_task_format(o, opt, &text, &err);

	must(!exact || rc == PIM_OK, "a task that was read cannot be written");
	if (rc == PIM_OK) {
		rc = pim_ical_task_parse(text, strlen(text), opt, &back, NULL, &err);
		if (exact && rc != PIM_OK)
			show(err.text, o, NULL, text);
		must(!exact || rc == PIM_OK, "the text of a task cannot be read");
		if (rc == PIM_OK && exact && !same(o, back)) {
			show("was", o, NULL, text);
			show("is", back, NULL, "");
			must(false, "a task comes back as another one");
		}
		must(rc != PIM_OK || pim_ical_task_format(back, opt, &again, &err) == PIM_OK, "what came back cannot be written");
	}
	free(text);
	free(again);
	json_decref(back);
}

struct seen {
	int64_t last;
	unsigned n;
};

static int
on_occurrence(void *arg, const struct pim_occurrence *occ)
{
	struct seen *s = arg;

	must(occ->start_ms <= occ->end_ms, "an occurrence that ends before it starts");
	must(occ->start_ms < SPAN_TO && (occ->end_ms > SPAN_FROM || occ->start_ms >= SPAN_FROM), "an occurrence outside of the span");
	must(occ->exception != 0 || occ->start_ms >= s->last, "occurrences are not in order");
	if (occ->exception == 0)
		s->last = occ->start_ms;
	return ++s->n >= 2000;
}

static void
expand(const json_t *o, const json_t *x)
{
	struct seen s = { INT64_MIN, 0 };

	(void)pim_expand(o, x, SPAN_FROM, SPAN_TO, on_occurrence, &s, NULL);
}

static int
on_item(void *arg, const struct pim_item *it)
{
	if (it->kind == PIM_APPOINTMENT) {
		event(it->object, it->exceptions, arg, true);
		expand(it->object, it->exceptions);
	} else if (it->kind == PIM_TASK) {
		task(it->object, arg, true);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pim_options opt;
	struct pim_report rep;
	json_t *o;

	if (size == 0)
		return 0;
	pim_init();
	pim_options_init(&opt);
	opt.lenient = (data[0] & 1) != 0;
	opt.timezone = (data[0] & 2) != 0 ? "Europe/Berlin" : NULL;
	pim_report_init(&rep);
	o = data[1 % size] == '{' ? json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (o != NULL) {
		event(json_object_get(o, "o"), json_object_get(o, "x"), &opt, false);
		expand(json_object_get(o, "o"), json_object_get(o, "x"));
		task(json_object_get(o, "o"), &opt, false);
	} else {
		memory_watch();
		pim_file_parse("x.ics", data + 1, size - 1, &opt, on_item, &opt, &rep);
		memory_bound(64 * size + FIXED);
	}
	json_decref(o);
	pim_report_fini(&rep);
	return 0;
}
