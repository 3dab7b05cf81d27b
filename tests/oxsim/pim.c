/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What contacts, tasks and appointments share: columns, rows, objects, and
 * checking and storing one field value.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

int64_t
shift(const struct req *r, int64_t utc)
{
	return r->zone ? utc + tz_offset(r->zone, utc) : utc;
}

int64_t
unshift(const struct req *r, int64_t local)
{
	return r->zone ? tz_to_utc(r->zone, local) : local;
}

void
gen_uuid(char out[37])
{
	(void)snprintf(out, 37, "%08x-%04x-4%03x-%04x-%08x%04x", g_random_int(),
	    g_random_int() & 0xffff, g_random_int() & 0xfff, 0x8000 | (g_random_int() & 0x3fff),
	    g_random_int(), g_random_int() & 0xffff);
}

size_t
utf8_len(const char *s, size_t n)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			k++;
	return k;
}

static void
cols_named(const struct modinfo *mi, struct cols *c, const char *list)
{
	gchar **v = g_strsplit(list, ",", -1), **p;

	for (p = v; *p != NULL; p++)
		c->f[c->n++] = fld_by_col(mi, (int)strtol(*p, NULL, 10));
	g_strfreev(v);
}

/*
 * Unknown columns: contacts drop them (the row gets shorter), tasks refuse
 * them, the calendar answers null.
 */
bool
cols_parse(struct req *r, const struct modinfo *mi, struct cols *c)
{
	const char *s = arg(r, "columns"), *p = s;
	char *end;
	int i;

	c->n = 0;
	c->all = false;
	if (s == NULL && mi->m == M_CONTACTS) {
		for (i = 0; i < mi->n; i++)
			c->f[c->n++] = i;
		return true;
	}
	if (s == NULL) {
		fail(r, "SVL-0002", json_pack("[s]", "columns"));
		return false;
	}
	if (strcmp(s, "all") == 0) {
		cols_named(mi, c, mi->m == M_CONTACTS ? "20,1,5,2,602" : "1,20,207,206,2");
		return true;
	}
	if (strcmp(s, "list") == 0) {
		cols_named(mi, c, mi->m == M_CONTACTS ?
		    "20,1,5,2,500,501,502,505,523,525,526,527,542,555,102,602,592,101,551,552,543,547,548,549,556,569" :
		    "1,20,200,201,202");
		return true;
	}
	do {
		long v = strtol(p, &end, 10);
		int f;

		if (end == p || (*end != ',' && *end != '\0')) {
			fail(r, "SVL-0010", json_pack("[s,s]", "columns", s));
			return false;
		}
		f = fld_by_col(mi, (int)v);
		if (f < 0 && mi->m == M_TASKS) {
			fail(r, "TSK-0020", json_pack("[i]", (int)v));
			return false;
		}
		if ((f >= 0 || mi->m == M_CALENDAR) && c->n < MAX_COLS)
			c->f[c->n++] = f;
		p = end + 1;
	} while (*end == ',');
	return true;
}

bool
virt_value(struct req *r, const struct modinfo *mi, const struct ent *e, const struct fld *f, bool row)
{
	const struct obj *o = e->o;
	struct sb *b = r->out;

	switch (f->col) {
	case 1:
		if (r->as_user != 0) {
			sb_int(b, r->as_user);
			return true;
		}
		sb_printf(b, mi->m == M_CONTACTS && !S.older ? "\"%d\"" : "%d", o->id);
		return true;
	case 2: sb_int(b, o->created_by); return true;
	case 3: sb_int(b, o->modified_by); return true;
	case 4:
		sb_int(b, shift(r, mi->m == M_TASKS ? o->created / 1000 * 1000 : o->created));
		return true;
	case 5: sb_int(b, shift(r, o->lm)); return true;
	case 6: sb_int(b, o->lm); return true;
	case 20:
		if (strcmp(r->module, "addressbooks") == 0) {
			sb_printf(b, "\"con://0/%d\"", e->f->id);
			return true;
		}
		sb_printf(b, mi->m == M_CONTACTS && !S.older ? "\"%d\"" : "%d", e->f->id);
		return true;
	case 104:
		/* entries of the address list have none */
		if (!row && mi->m == M_CONTACTS && e->f->id == 6)
			return false;
		sb_int(b, o->nat);
		return true;
	case 105:
		if (o->nat == 0)
			return false;
		sb_int(b, o->at_lm);
		return true;
	default:
		break;
	}
	if (mi->m == M_CONTACTS)
		return contact_virt(r, e, f, row);
	if (mi->m == M_TASKS)
		return task_virt(r, e, f, row);
	return cal_virt(r, e, f, row);
}

static bool
put_field(struct req *r, const struct modinfo *mi, const struct ent *e, int idx, bool row)
{
	const struct fld *f = &mi->f[idx];
	const struct fv *v;

	if (f->type == FT_VIRT)
		return virt_value(r, mi, e, f, row);
	/* somebody else's private appointment: a time without a face */
	if (r->veil && f->type == FT_STR) {
		if (f->col != 200)
			return false;
		sb_str(r->out, "\"Private\"");
		return true;
	}
	v = obj_fv(e->o, idx);
	if (v == NULL) {
		const char *def = row ? f->row_def : f->get_def;

		if (def == NULL)
			return false;
		sb_str(r->out, def);
		return true;
	}
	if (f->type == FT_TIME)
		sb_int(r->out, shift(r, strtoll(v->t, NULL, 10)));
	else
		sb_put(r->out, v->t, v->len);
	return true;
}

void
emit_row(struct req *r, const struct modinfo *mi, const struct cols *c, const struct ent *e)
{
	int i;

	sb_ch(r->out, '[');
	for (i = 0; i < c->n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		if (c->f[i] < 0 || !put_field(r, mi, e, c->f[i], true))
			sb_str(r->out, "null");
	}
	sb_ch(r->out, ']');
}

void
emit_object(struct req *r, const struct modinfo *mi, const struct ent *e)
{
	struct sb *b = r->out;
	int i;

	sb_ch(b, '{');
	for (i = 0; i < mi->n; i++) {
		size_t mark = b->len;

		if (mi->f[i].name[0] == '_')
			continue;
		if (b->p[b->len - 1] != '{')
			sb_ch(b, ',');
		sb_printf(b, "\"%s\":", mi->f[i].name);
		if (!put_field(r, mi, e, i, false))
			b->len = mark;
	}
	sb_ch(b, '}');
}

static int
ent_cmp_id(const void *a, const void *b)
{
	const struct ent *const *x = a, *const *y = b;

	return (*x)->o->id < (*y)->o->id ? -1 : (*x)->o->id > (*y)->o->id;
}

void
ents_by_id(struct ent **v, size_t n)
{
	if (n > 1)
		qsort(v, n, sizeof(*v), ent_cmp_id);
}

void
rows_add(struct rows *w, struct ent *e)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
	}
	w->v[w->n++] = e;
}

void
rows_put(struct req *r, const struct modinfo *mi, const struct cols *c, const struct rows *w, bool open)
{
	size_t i;

	sb_ch(r->out, '[');
	for (i = 0; i < w->n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		emit_row(r, mi, c, w->v[i]);
		max_ts(r, w->v[i]->o->lm);
	}
	if (!open)
		sb_ch(r->out, ']');
}

static struct { int f; int sign; } sort_by;

static int
ent_cmp_col(const void *a, const void *b)
{
	const struct ent *const *x = a, *const *y = b;
	const struct fv *u = obj_fv((*x)->o, sort_by.f), *v = obj_fv((*y)->o, sort_by.f);
	int64_t p, q;
	int c = 0;

	if (u == NULL || v == NULL) {
		c = (u == NULL) - (v == NULL);	/* unset last */
		return c ? c : (*x)->o->id - (*y)->o->id;
	}
	if (u->t[0] == '"') {
		c = g_ascii_strcasecmp(u->t, v->t);
	} else {
		p = strtoll(u->t, NULL, 10);
		q = strtoll(v->t, NULL, 10);
		c = p < q ? -1 : p > q;
	}
	return c ? c * sort_by.sign : (*x)->o->id - (*y)->o->id;
}

void
rows_sort_col(struct req *r, const struct modinfo *mi, struct rows *w)
{
	int64_t col;

	ents_by_id(w->v, w->n);
	if (!parse_i64(arg(r, "sort"), &col) || (sort_by.f = fld_by_col(mi, (int)col)) < 0)
		return;
	sort_by.sign = g_strcmp0(arg(r, "order"), "desc") == 0 ? -1 : 1;
	if (w->n > 1)
		qsort(w->v, w->n, sizeof(*w->v), ent_cmp_col);
}

static int
int_cmp(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

void
rows_deleted(struct req *r, enum mod m, const struct folder *f, int64_t since, bool by_id)
{
	uint32_t first = f->ntomb, k, n = 0, i;
	int *ids;

	while (first > 0 && f->tomb[first - 1].stamp > since)
		first--;
	ids = xcalloc(f->ntomb - first + 1, sizeof(*ids));
	for (k = first; k < f->ntomb; k++) {
		const struct obj *o = obj_get(r->c, m, f->tomb[k].id);

		if (o != NULL && obj_in(o, f) != NULL)
			continue;
		ids[n++] = f->tomb[k].id;
		max_ts(r, f->tomb[k].stamp);
	}
	if (by_id)
		qsort(ids, n, sizeof(*ids), int_cmp);
	for (i = 0; i < n; i++)
		sb_printf(r->out, "%s%d", r->out->p[r->out->len - 1] == '[' ? "" : ",", ids[i]);
	free(ids);
}

struct obj *
obj_trial(const struct obj *o)
{
	struct obj *t = xcalloc(1, sizeof(*t));
	int i;

	*t = *o;
	t->v = NULL;
	t->nv = t->cv = 0;
	t->ents = NULL;
	t->sort = NULL;
	t->at = NULL;
	t->nat = 0;
	t->image = blob_ref(o->image);
	t->image_type = xstrdup(o->image_type);
	obj_copy_fields(t, o);
	t->part = NULL;
	t->npart = 0;
	for (i = 0; i < o->npart; i++) {
		struct participant *p = part_add(t, o->part[i].type, o->part[i].id, o->part[i].mail, o->part[i].name);

		p->conf = o->part[i].conf;
		p->msg = xstrdup(o->part[i].msg);
	}
	t->att = xcalloc((size_t)o->natt + 1, sizeof(*t->att));
	for (i = 0; i < o->natt; i++) {
		t->att[i] = o->att[i];
		t->att[i].msg = xstrdup(o->att[i].msg);
		t->att[i].alarms = xstrdup(o->att[i].alarms);
	}
	t->chg = xcalloc((size_t)o->nchg + 1, sizeof(*t->chg));
	t->del = xcalloc((size_t)o->ndel + 1, sizeof(*t->del));
	if (o->nchg > 0)
		memcpy(t->chg, o->chg, sizeof(*t->chg) * (size_t)o->nchg);
	if (o->ndel > 0)
		memcpy(t->del, o->del, sizeof(*t->del) * (size_t)o->ndel);
	return t;
}

/* the places, attachments and the identity stay where they are */
void
obj_swap(struct obj *a, struct obj *b)
{
	struct obj t = *a;

	*a = *b;
	*b = t;
	b->ents = a->ents;
	a->ents = t.ents;
	b->at = a->at;
	b->nat = a->nat;
	a->at = t.at;
	a->nat = t.nat;
	a->at_lm = t.at_lm;
	b->sort = a->sort;
	a->sort = t.sort;
	a->lm = t.lm;
}

/* --- values that come in -------------------------------------------------------------- */

static bool
bad_char(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return true;
		/* U+FFFE, U+FFFF */
		if (c == 0xef && i + 2 < n && (unsigned char)s[i + 1] == 0xbf &&
		    (unsigned char)s[i + 2] >= 0xbe)
			return true;
	}
	return false;
}

static bool
set_text(struct req *r, const struct modinfo *mi, const struct set_errs *se, struct obj *o, int f,
    const char *s, size_t n)
{
	const struct fld *d = &mi->f[f];
	const char *label = d->label ? d->label : d->name;
	struct sb b = { 0 };
	size_t len;

	if (n == 0 && se->empty_is_null) {
		obj_set(o, f, NULL, 0);
		return true;
	}
	if (bad_char(s, n)) {
		fail(r, se->bad_char, json_pack("[s,s]", "illegal character", label));
		return false;
	}
	len = utf8_len(s, n);
	if (d->max > 0 && len > (size_t)d->max) {
		fail_trunc(r, se->too_long, label, d->max, (int)len, se->trunc_cols ? d->col : 0,
		    mi->m == M_CONTACTS ? -1 : se->trunc_cols ? d->col : 0);
		return false;
	}
	/* TEXT columns hold 65535 bytes */
	if (d->max == 65535 && n > 65535) {
		fail(r, mi->m == M_CALENDAR ? "CAL-5001" : "SVL-0011", json_pack("[s]", "data too long"));
		return false;
	}
	sb_jstr(&b, s, n);
	obj_set(o, f, b.p, b.len);
	sb_free(&b);
	return true;
}

static bool
as_int(const json_t *v, int64_t *n)
{
	if (json_is_integer(v)) {
		*n = json_integer_value(v);
		return true;
	}
	if (json_is_real(v)) {
		double d = json_real_value(v);

		*n = d < -9e18 || d > 9e18 ? INT64_MAX : (int64_t)d;
		return true;
	}
	return json_is_string(v) && parse_i64(json_string_value(v), n);
}

static bool
set_number(struct req *r, const struct fld *d, const struct set_errs *se, struct obj *o, int f,
    const json_t *v, const json_t *whole)
{
	char t[48];
	double x;
	char *end;

	if (d->type == FT_NUM) {
		if (json_is_string(v)) {
			if (json_string_length(v) == 0) {
				obj_set(o, f, NULL, 0);
				return true;
			}
			x = strtod(json_string_value(v), &end);
			if (*end != '\0') {
				fail(r, "TSK-0055", json_pack("[s]", d->name));
				return false;
			}
		} else if (json_is_number(v)) {
			x = json_number_value(v);
		} else {
			fail(r, se->bad_type, json_pack("[O]", whole));
			return false;
		}
		if (x > 9999999999.99 || x < -9999999999.99) {
			fail(r, "TSK-0041", json_pack("[s]", d->name));
			return false;
		}
		(void)snprintf(t, sizeof(t), "%.2f", x);
		end = t + strlen(t);
		while (end[-1] == '0')
			*--end = '\0';
		if (end[-1] == '.')
			*--end = '\0';
		obj_set(o, f, t, strlen(t));
		return true;
	}
	/* FT_DUR: digits, answered as text */
	if (json_is_string(v))
		(void)snprintf(t, sizeof(t), "%s", json_string_value(v));
	else if (json_is_integer(v))
		(void)snprintf(t, sizeof(t), "%lld", (long long)json_integer_value(v));
	else
		t[0] = 'x', t[1] = '\0';
	if (*t == '\0') {
		obj_set(o, f, NULL, 0);
		return true;
	}
	(void)strtoll(t, &end, 10);
	if (*end != '\0') {
		fail(r, "TSK-0055", json_pack("[s]", d->name));
		return false;
	}
	obj_set_str(o, f, t);
	return true;
}

bool
field_set(struct req *r, const struct modinfo *mi, const struct set_errs *se, struct obj *o, int f,
    const json_t *v, const json_t *whole)
{
	const struct fld *d = &mi->f[f];
	int64_t n = 0;
	char *t;
	bool ok = true;

	if (json_is_null(v)) {
		if (d->type == FT_BOOL && mi->m != M_CONTACTS) {
			fail(r, mi->m == M_TASKS ? "SVL-0002/type" : "OX-9999", json_pack("[O]", whole));
			return false;
		}
		obj_set(o, f, NULL, 0);
		return true;
	}
	switch (d->type) {
	case FT_STR:
		if (json_is_string(v))
			return set_text(r, mi, se, o, f, json_string_value(v), json_string_length(v));
		t = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		if (t != NULL)
			ok = set_text(r, mi, se, o, f, t, strlen(t));
		free(t);
		return ok;
	case FT_BOOL:
		if (!json_is_boolean(v) && !(json_is_string(v) &&
		    (strcmp(json_string_value(v), "true") == 0 || strcmp(json_string_value(v), "false") == 0))) {
			fail(r, mi->m == M_CALENDAR ? "OX-9999" : "SVL-0002/type", json_pack("[O]", whole));
			return false;
		}
		if (json_is_true(v) || (json_is_string(v) && strcmp(json_string_value(v), "true") == 0))
			obj_set(o, f, "true", 4);
		else
			obj_set(o, f, mi->m == M_CONTACTS ? NULL : "false", mi->m == M_CONTACTS ? 0 : 5);
		return true;
	case FT_INT:
	case FT_DATE:
	case FT_SEC:
	case FT_TIME:
		if (json_is_string(v) && json_string_length(v) == 0 && mi->m != M_CONTACTS) {
			obj_set(o, f, NULL, 0);
			return true;
		}
		if (!as_int(v, &n) || (d->type == FT_INT && json_is_real(v) && mi->m != M_CONTACTS)) {
			fail(r, d->type == FT_INT ? se->bad_int : se->bad_type, json_pack("[O]", whole));
			return false;
		}
		if (d->type == FT_INT && (n > INT32_MAX || n < INT32_MIN)) {
			fail(r, mi->m == M_CONTACTS ? "SVL-0011" : se->bad_int, json_pack("[O]", whole));
			return false;
		}
		if (d->type == FT_DATE)
			n = (n >= 0 ? n / DAY_MS : -((-n + DAY_MS - 1) / DAY_MS)) * DAY_MS;
		if (d->type == FT_DATE && n > INT64_C(253402214400000)) {
			fail_trunc(r, "CON-0154", d->label ? d->label : d->name, 0, 0, 0, -1);
			return false;
		}
		if (d->type == FT_DATE && n < INT64_C(-62135596800000))
			n = n < INT64_C(-62135683200000) ? INT64_C(-62135596800000) : n;
		if (d->type == FT_SEC)
			n = (n >= 0 ? n / 1000 : -((-n + 999) / 1000)) * 1000;
		if (d->type == FT_TIME)
			n = unshift(r, n);
		if (d->type != FT_DATE && d->type != FT_INT &&
		    (n > INT64_C(253402300799999) || n < INT64_C(-1000000000000000))) {
			fail(r, "SVL-0011", json_pack("[s]", d->name));
			return false;
		}
		obj_set_int(o, f, n);
		return true;
	case FT_NUM:
	case FT_DUR:
		return set_number(r, d, se, o, f, v, whole);
	case FT_JSON:
		t = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		if (t != NULL)
			obj_set(o, f, t, strlen(t));
		free(t);
		return true;
	default:
		return true;
	}
}

struct obj *
store_insert(struct req *r, struct folder *f, json_t *fields)
{
	switch (f->m) {
	case M_CONTACTS: return contact_insert(r, f, fields);
	case M_TASKS: return task_insert(r, f, fields);
	case M_CALENDAR: return cal_insert(r, f, fields);
	default:
		fail(r, "FLD-0008", json_pack("[i,i]", f->id, r->c->id));
		return NULL;
	}
}
