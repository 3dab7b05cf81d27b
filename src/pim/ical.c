/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * iCalendar as a whole: finding the objects of a file, tying overrides to their
 * series, and the properties that appointments and tasks have in common.
 */
#include "ical_int.h"

#include <stdlib.h>
#include <string.h>

struct pim_line *
ical_line(const struct pim_comp *k, const char *name)
{
	struct pim_line *l = pim_line_first(k, name);

	if (l != NULL)
		l->used = true;
	return l;
}

enum pim_rc
ical_texts_parse(struct ical_ctx *x, struct pim_comp *k, const struct ical_text *t, json_t *o)
{
	enum pim_rc rc = PIM_OK;

	for (; t->field != NULL && rc == PIM_OK; t++) {
		struct pim_line *l = ical_line(k, t->prop);
		char *s;

		if (l == NULL || pim_same(pim_param(l, "X-OX-FIELD"), "NONE"))
			continue;
		s = pim_line_text(l);
		rc = s == NULL ? PIM_NOMEM : pim_set_text(x->c, o, t->field, s, t->max);
		free(s);
	}
	return rc;
}

enum pim_rc
ical_texts_format(struct pim_ctx *c, const json_t *o, const struct ical_text *t, struct pim_buf *out)
{
	for (; t->field != NULL; t++) {
		const char *s = pim_get_text(o, t->field);
		struct pim_buf v = { 0 };

		if (pim_want(c, o, t->field, JSON_STRING) != PIM_OK)
			return PIM_REFUSED;
		if (s == NULL)
			continue;
		pim_escape(&v, s);
		if (v.failed)
			out->failed = true;
		else
			pim_put_line(out, t->prop, v.p);
		pim_buf_fini(&v);
	}
	return PIM_OK;
}

enum pim_rc
ical_int_parse(struct ical_ctx *x, struct pim_comp *k, const char *field, const char *prop, int64_t min,
               int64_t max, json_t *o)
{
	struct pim_line *l = ical_line(k, prop);
	int64_t v;

	if (l == NULL || l->value_len == 0)
		return PIM_OK;
	if (!pim_int_parse(l->value, min, max, &v))
		return pim_bend(x->c, "line %zu: %s \"%.20s\" is no number from %lld to %lld", l->lineno, prop, l->value,
		                (long long)min, (long long)max);
	return pim_set_new(x->c, o, field, json_integer(v));
}

enum pim_rc
ical_int_format(struct pim_ctx *c, const json_t *o, const char *field, const char *prop, struct pim_buf *out)
{
	struct pim_buf v = { 0 };
	int64_t n;

	if (pim_want(c, o, field, JSON_INTEGER) != PIM_OK)
		return PIM_REFUSED;
	if (!pim_get_int(o, field, &n))
		return PIM_OK;
	pim_buf_printf(&v, "%lld", (long long)n);
	if (v.failed)
		out->failed = true;
	else
		pim_put_line(out, prop, v.p);
	pim_buf_fini(&v);
	return PIM_OK;
}

static enum pim_rc
categories_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o)
{
	struct pim_buf b = { 0 };
	struct pim_line *l;
	enum pim_rc rc;

	for (l = k->lines; l != NULL; l = l->next) {
		char *s;

		if (strcmp(l->name, "CATEGORIES") != 0)
			continue;
		l->used = true;
		s = pim_line_text(l);
		if (s == NULL)
			b.failed = true;
		else if (*s != '\0' && b.len > 0)
			pim_buf_putc(&b, ',');
		pim_buf_puts(&b, s == NULL ? "" : s);
		free(s);
	}
	rc = b.failed ? PIM_NOMEM : pim_set_text(x->c, o, "categories", b.p, strcmp(k->name, "VTODO") == 0 ? 255 : 1024);
	pim_buf_fini(&b);
	return rc;
}

enum pim_rc
ical_common_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o)
{
	static const struct ical_text texts[] = { { "uid", "UID", 255 }, { "note", "DESCRIPTION", 65535 },
	                                          { "principal", "X-OX-PRINCIPAL", 255 }, { NULL, NULL, 0 } };
	struct pim_line *l;
	enum pim_rc rc;

	rc = ical_texts_parse(x, k, texts, o);
	if (rc == PIM_OK)
		rc = categories_parse(x, k, o);
	l = ical_line(k, "CLASS");
	if (rc == PIM_OK && l != NULL && (pim_same(l->value, "PRIVATE") || pim_same(l->value, "CONFIDENTIAL")))
		rc = pim_set_new(x->c, o, "private_flag", json_true());
	if (rc == PIM_OK)
		rc = ical_int_parse(x, k, "color_label", "X-OX-COLOR-LABEL", INT32_MIN, INT32_MAX, o);
	if (rc == PIM_OK)
		rc = ical_int_parse(x, k, "sequence", "SEQUENCE", 0, INT32_MAX, o);
	if (rc == PIM_OK)
		rc = ical_people_parse(x, k, o);
	return rc;
}

enum pim_rc
ical_common_format(struct pim_ctx *c, const json_t *o, const char *uid, struct pim_buf *out)
{
	static const struct ical_text texts[] = { { "note", "DESCRIPTION", 0 }, { NULL, NULL, 0 } };
	const char *cats = pim_get_text(o, "categories"), *own = pim_get_text(o, "uid");
	struct pim_buf v = { 0 };
	int64_t stamp = c->opt->now_ms;
	enum pim_rc rc;

	pim_get_int(o, "last_modified", &stamp);
	ical_put_when(out, "DTSTAMP", stamp < 0 ? 0 : stamp, false, NULL);
	if (pim_want(c, o, "uid", JSON_STRING) != PIM_OK || pim_want(c, o, "categories", JSON_STRING) != PIM_OK ||
	    pim_want(c, o, "private_flag", JSON_TRUE) != PIM_OK)
		return PIM_REFUSED;
	/* UID is demanded: one is made up, and marked, for objects that have none yet */
	pim_escape(&v, own != NULL ? own : uid != NULL ? uid : "none");
	pim_put_line(out, own != NULL || uid != NULL ? "UID" : "UID;X-OX-FIELD=NONE", v.p == NULL ? "" : v.p);
	v.len = 0;
	if (cats != NULL) {
		size_t i;

		pim_escape(&v, cats);
		for (i = 0; i + 1 < v.len; i++) {	/* the commas do separate */
			if (v.p[i] == '\\' && v.p[i + 1] == ',') {
				memmove(v.p + i, v.p + i + 1, v.len - i);
				v.len--;
			} else if (v.p[i] == '\\') {
				i++;
			}
		}
		pim_put_line(out, "CATEGORIES", v.p == NULL ? "" : v.p);
	}
	if (v.failed)
		out->failed = true;
	pim_buf_fini(&v);
	if (json_is_true(json_object_get(o, "private_flag")))
		pim_put_line(out, "CLASS", "PRIVATE");
	rc = ical_texts_format(c, o, texts, out);
	if (rc == PIM_OK)
		rc = ical_int_format(c, o, "color_label", "X-OX-COLOR-LABEL", out);
	if (rc == PIM_OK)
		rc = ical_int_format(c, o, "sequence", "SEQUENCE", out);
	if (rc == PIM_OK)
		rc = ical_people_format(c, o, out);
	return rc;
}

void
ical_report_rest(struct ical_ctx *x, const struct pim_comp *k)
{
	static const char *const technical[] = { "DTSTAMP", "CREATED", "LAST-MODIFIED", "X-MOZ-GENERATION", "PRODID",
	                                         "X-MICROSOFT-CDO-IMPORTANCE", NULL };
	const struct pim_line *l;
	size_t i;

	for (l = k->lines; l != NULL; l = l->next) {
		for (i = 0; technical[i] != NULL && strcmp(technical[i], l->name) != 0; i++)
			;
		if (!l->used && technical[i] == NULL && l->value_len > 0)
			pim_note(x->c, PIM_PROBLEM_DROPPED, "line %zu: %s was left out, there is no field for it",
			         l->lineno, l->name);
	}
	if (k->junk > 0)
		pim_note(x->c, PIM_PROBLEM_DROPPED, "%zu lines of the %s at line %zu make no sense",
		         k->junk, k->name, k->lineno);
}

/* --- finding the objects ---------------------------------------------------------- */

struct entry {
	struct pim_comp *comp;
	struct pim_zones *zones;
	size_t next;		/* the next entry of the same UID, SIZE_MAX at the end */
	bool done;		/* delivered, or tied to one that was */
};

struct walk {
	struct pim_ctx *c;
	struct pim_mem *mem;
	const char *want;
	struct entry *v;
	size_t len, cap;
	struct pim_zones **zones;
	size_t zones_len, zones_cap;
};

static const char *
method_of(const struct pim_comp *cal)
{
	const struct pim_line *l = pim_line_first(cal, "METHOD");

	return l == NULL ? "" : l->value;
}

/* V with room for one more of its LEN elements; NULL: out of memory, V stays as it is. */
static void *
grown(void *v, size_t *cap, size_t len, size_t size)
{
	void *p = v;

	if (len >= *cap) {
		p = realloc(v, (*cap == 0 ? 16 : *cap * 2) * size);
		if (p != NULL)
			*cap = *cap == 0 ? 16 : *cap * 2;
	}
	return p;
}

/* The components below K (a VCALENDAR, or the root for bare ones). */
static enum pim_rc
collect(struct walk *w, struct pim_comp *cal)
{
	struct pim_zones *zs = pim_mem_alloc(w->mem, sizeof(*zs));
	struct pim_zones **zones = grown(w->zones, &w->zones_cap, w->zones_len, sizeof(*w->zones));
	const char *method = method_of(cal);
	struct pim_comp *k;

	if (zones != NULL)
		w->zones = zones;
	if (zs == NULL || zones == NULL)
		return PIM_NOMEM;
	zs->mem = w->mem;
	zs->cal = cal;
	zs->c = w->c;
	w->zones[w->zones_len++] = zs;
	for (k = cal->kids; k != NULL; k = k->next) {
		bool ours = strcmp(k->name, "VEVENT") == 0 || strcmp(k->name, "VTODO") == 0;
		struct entry *v;
		enum pim_rc rc = PIM_OK;

		if (strcmp(k->name, "VCALENDAR") == 0 && cal->parent == NULL) {
			rc = collect(w, k);
			if (rc != PIM_OK)
				return rc;
			continue;
		}
		if (strcmp(k->name, "VTIMEZONE") == 0 || strcmp(k->name, "VCARD") == 0)
			continue;
		if (!ours || (w->want != NULL && strcmp(k->name, w->want) != 0)) {
			if (w->want == NULL)
				w->c->number++;
			pim_note(w->c, PIM_PROBLEM_UNSUPPORTED, "line %zu: %s is nothing that the server has",
			         k->lineno, k->name);
			continue;
		}
		if (pim_same(method, "REPLY") || pim_same(method, "CANCEL") || pim_same(method, "REFRESH") ||
		    pim_same(method, "COUNTER") || pim_same(method, "DECLINECOUNTER")) {
			if (w->want == NULL)
				w->c->number++;
			pim_fail(w->c, PIM_REFUSED, "line %zu: a calendar with METHOD:%.20s is a message about an object, not an object",
			         k->lineno, method);
			pim_note(w->c, PIM_PROBLEM_REFUSED, "%s", w->c->why);
			continue;
		}
		if (w->len >= w->c->opt->max_objects)
			return pim_fail(w->c, PIM_LIMIT, "more than %zu objects in the file", w->c->opt->max_objects);
		v = grown(w->v, &w->cap, w->len, sizeof(*w->v));
		if (v == NULL)
			return PIM_NOMEM;
		w->v = v;
		w->v[w->len++] = (struct entry){ .comp = k, .zones = zs, .next = SIZE_MAX };
	}
	return PIM_OK;
}

/* Chain the entries of the same kind and UID, in the order of the file. */
static enum pim_rc
tie(struct walk *w)
{
	json_t *last = json_object();
	struct pim_buf key = { 0 };
	enum pim_rc rc = last == NULL ? PIM_NOMEM : PIM_OK;
	size_t i;

	for (i = 0; i < w->len && rc == PIM_OK; i++) {
		const struct pim_line *uid = pim_line_first(w->v[i].comp, "UID");
		const json_t *at;

		if (uid == NULL || uid->value_len == 0)
			continue;
		key.len = 0;
		pim_buf_puts(&key, w->v[i].comp->name);
		pim_buf_putc(&key, ' ');
		pim_buf_puts(&key, uid->value);
		if (key.failed) {
			rc = PIM_NOMEM;
			break;
		}
		at = json_object_get(last, key.p);
		if (at != NULL) {
			w->v[json_integer_value(at)].next = i;
			w->v[i].done = true;	/* the chain's first entry speaks for it */
		}
		if (json_object_set_new(last, key.p, json_integer((json_int_t)i)) != 0)
			rc = PIM_NOMEM;
	}
	pim_buf_fini(&key);
	json_decref(last);
	return rc;
}

/* The chain from I as one object. */
static enum pim_rc
deliver(struct walk *w, size_t i, ical_cb cb, void *arg)
{
	struct ical_group g = { 0 };
	json_t *o = NULL, *exceptions = NULL;
	enum pim_rc rc = PIM_OK;
	size_t k, cap = 0;
	bool event = strcmp(w->v[i].comp->name, "VEVENT") == 0;

	g.zones = w->v[i].zones;
	for (k = i; k != SIZE_MAX && rc == PIM_OK; k = w->v[k].next) {
		if (event && pim_line_first(w->v[k].comp, "RECURRENCE-ID") != NULL) {
			struct pim_comp **v = grown(g.overrides, &cap, g.overrides_len, sizeof(*v));

			if (v != NULL)
				g.overrides = v;
			if (v == NULL)
				rc = PIM_NOMEM;
			else if (g.overrides_len >= w->c->opt->max_exceptions)
				rc = pim_fail(w->c, PIM_LIMIT, "more than %zu exceptions of one series",
				              w->c->opt->max_exceptions);
			else
				g.overrides[g.overrides_len++] = w->v[k].comp;
		} else if (g.master == NULL) {
			g.master = w->v[k].comp;
			g.zones = w->v[k].zones;
		} else {
			pim_note(w->c, PIM_PROBLEM_REFUSED, "line %zu: a second %s with the UID of the one at line %zu",
			         w->v[k].comp->lineno, w->v[k].comp->name, g.master->lineno);
		}
	}
	if (rc == PIM_OK)
		rc = event ? ical_event_parse(w->c, &g, &o, &exceptions) : ical_task_parse(w->c, &g, &o);
	if (rc == PIM_OK)
		rc = cb(arg, w->c, event ? PIM_APPOINTMENT : PIM_TASK, o, exceptions);
	else if (rc != PIM_NOMEM && w->want == NULL) {
		pim_note(w->c, PIM_PROBLEM_REFUSED, "%s", w->c->why);
		w->c->why[0] = '\0';
		rc = PIM_OK;
	}
	json_decref(o);
	json_decref(exceptions);
	free(g.overrides);
	return rc;
}

enum pim_rc
ical_each(struct pim_ctx *c, struct pim_mem *mem, struct pim_comp *root, const char *want, ical_cb cb, void *arg)
{
	struct walk w = { .c = c, .mem = mem, .want = want };
	enum pim_rc rc;
	size_t i;

	rc = collect(&w, root);
	if (rc == PIM_OK)
		rc = tie(&w);
	for (i = 0; i < w.len && rc == PIM_OK; i++) {
		if (w.v[i].done)
			continue;
		if (want == NULL)
			c->number++;
		rc = deliver(&w, i, cb, arg);
		if (want != NULL)
			break;
	}
	for (i = 0; i < w.zones_len; i++)
		pim_zones_fini(w.zones[i]);
	free(w.zones);
	free(w.v);
	return rc;
}
