/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Objects in flight: their values, fingerprints, sort keys and time ranges.  JSON text in and out is in json.c.
 */
#include "keys_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

struct object *
object_new(struct arena *a, enum content ct)
{
	size_t n = model_content(ct)->n_fields;
	struct object *o = arena_alloc(a, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->ct = ct;
	o->v = arena_array(a, json_t *, n);
	return o->v != NULL ? o : NULL;
}

static bool
is_number(enum field_type t)
{
	return t == FT_INT || t == FT_TIME || t == FT_DATE;
}

/* One shape for what OX sends in several; steals V and returns what to keep. */
static json_t *
one_shape(enum field_type t, json_t *v)
{
	json_t *w = NULL;
	char text[32];
	int64_t n;

	if (t == FT_ID && json_is_integer(v)) {
		(void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)json_integer_value(v));
		w = json_string_nocheck(text);
	} else if (is_number(t) && json_is_string(v) && parse_i64(json_string_value(v), INT64_MIN, INT64_MAX, &n)) {
		w = json_integer(n);
	}
	if (w == NULL)
		return v;
	json_decref(v);
	return w;
}

/* The bits of the number in field I, each into its own field.  true is no counted reference in jansson: nothing to drop. */
static void
set_bits(struct object *o, const struct content_type *t, unsigned i)
{
	int64_t n = o->v[i] != NULL && json_is_integer(o->v[i]) ? json_integer_value(o->v[i]) : 0;

	for (unsigned k = 0; k < t->n_fields; k++)
		if ((t->fields[k].flags & FF_BIT) != 0)
			o->v[k] = (n & (int64_t)t->fields[k].max_len) != 0 ? json_true() : NULL;
}

void
object_set(struct object *o, unsigned i, json_t *value)
{
	const struct content_type *t = model_content(o->ct);

	if (o->v[i] != NULL)
		json_decref(o->v[i]);
	o->v[i] = NULL;
	if (value != NULL && json_is_null(value))
		json_decref(value);
	else if (value != NULL)
		o->v[i] = one_shape(t->fields[i].type, value);
	if ((t->fields[i].flags & FF_BITS) != 0)
		set_bits(o, t, i);
}

void
object_drop(struct object *o)
{
	size_t n;

	if (o == NULL)
		return;
	n = model_content(o->ct)->n_fields;
	for (size_t i = 0; i < n; i++) {
		if (o->v[i] != NULL)
			json_decref(o->v[i]);
		o->v[i] = NULL;
	}
}

void
object_drop_all(struct object **o, size_t n)
{
	for (size_t i = 0; o != NULL && i < n; i++)
		object_drop(o[i]);
}

int64_t
object_get_i64(const struct object *o, unsigned i, int64_t dflt)
{
	const json_t *v = o->v[i];

	if (json_is_integer(v))
		return json_integer_value(v);
	if (json_is_real(v) && json_real_value(v) > -9e18 && json_real_value(v) < 9e18)
		return (int64_t)json_real_value(v);
	return dflt;
}

const char *
object_get_str(const struct object *o, unsigned i)
{
	return json_string_value(o->v[i]);
}

/* ---- fingerprints ---- */

static uint64_t
hash_i64(const unsigned char *key, int64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRId64, n);

	return siphash24(key, text, (size_t)len);
}

static uint64_t
hash_real(const unsigned char *key, double d)
{
	char text[40];
	int len;

	if (d > -9e15 && d < 9e15 && d == (double)(int64_t)d)
		return hash_i64(key, (int64_t)d);
	len = snprintf(text, sizeof(text), "%.15g", d);
	return siphash24(key, text, (size_t)len);
}

static uint64_t
hash_two(const unsigned char *key, char kind, uint64_t a, uint64_t b)
{
	unsigned char t[17];

	t[0] = (unsigned char)kind;
	memcpy(t + 1, &a, 8);
	memcpy(t + 9, &b, 8);
	return siphash24(key, t, sizeof(t));
}

/*
 * Structure without a sort or a copy: the sum of its parts' hashes does not depend on their order.  An integer and the same
 * digits in a string are one, since OX changes the type of ids from module to module.  The octet order of the machine goes
 * into the hash of pairs: all nodes of one installation are of one kind.
 */
static uint64_t
hash_json(const unsigned char *key, const json_t *v)
{
	uint64_t sum = 0;
	const char *name;
	json_t *item;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_STRING:
		return siphash24(key, json_string_value(v), json_string_length(v));
	case JSON_INTEGER:
		return hash_i64(key, json_integer_value(v));
	case JSON_REAL:
		return hash_real(key, json_real_value(v));
	case JSON_TRUE:
		return hash_two(key, 't', 0, 0);
	case JSON_FALSE:
		return hash_two(key, 'f', 0, 0);
	case JSON_ARRAY:
		json_array_foreach (v, i, item)
			sum += hash_two(key, 'a', hash_json(key, item), 0);
		return hash_two(key, 'A', sum, json_array_size(v));
	case JSON_OBJECT:
		json_object_foreach ((json_t *)(uintptr_t)v, name, item)
			if (!json_is_null(item))
				sum += hash_two(key, 'm', siphash24(key, name, strlen(name)), hash_json(key, item));
		return hash_two(key, 'O', sum, 0);
	default:
		return hash_two(key, 'n', 0, 0);
	}
}

/* A numeric field that OX sent as text: by value, so that "12.50" is 12.5. */
static uint64_t
hash_number_text(const unsigned char *key, const char *s, size_t n)
{
	char *end;
	double d;
	int64_t i;

	if (parse_i64(s, INT64_MIN, INT64_MAX, &i))
		return hash_i64(key, i);
	d = strtod(s, &end);
	if (end != s && *end == '\0')
		return hash_real(key, d);
	return siphash24(key, s, n);
}

static bool
counts_as_unset(const struct field *f, const json_t *v)
{
	if (v == NULL)
		return true;
	switch (json_typeof(v)) {
	case JSON_NULL:
		return true;
	case JSON_STRING:
		return json_string_length(v) == 0;
	case JSON_ARRAY:
		return json_array_size(v) == 0;
	case JSON_OBJECT:
		return json_object_size(v) == 0;
	case JSON_FALSE:
		return (f->flags & FF_ZERO) != 0;
	case JSON_INTEGER:
		return (f->flags & FF_ZERO) != 0 && json_integer_value(v) == 0;
	default:
		return false;
	}
}

uint64_t
field_fp(const struct model_keys *k, const struct field *f, const json_t *v)
{
	uint64_t h;

	if (counts_as_unset(f, v))
		return 0;
	if (json_is_string(v) && f->type != FT_STRING && f->type != FT_ID && f->type != FT_BINARY && f->type != FT_JSON)
		h = hash_number_text(k->field, json_string_value(v), json_string_length(v));
	else
		h = hash_json(k->field, v);
	/* the column goes in so that equal values in two fields do not show as equal in the database */
	h ^= (uint64_t)(unsigned)f->column * UINT64_C(0x9E3779B97F4A7C15);
	return h != 0 ? h : 1;
}

/* ---- sort key and time range ---- */

/* Field numbers of one content type, looked up once by name: the tables are constant. */
static unsigned
at(const struct object *o, const char *name)
{
	int i = model_field(model_content(o->ct), name);

	return i < 0 ? 0 : (unsigned)i;
}

static msec_t
sat_add(msec_t a, msec_t b)
{
	msec_t r;

	return __builtin_add_overflow(a, b, &r) ? TIME_MAX : r;
}

/*
 * A moment that the last of N occurrences cannot pass.  Longer than true is harmless (the series stays in the window a
 * while), shorter would drop it from a client.  Feb 29 comes every fourth year, round 2100 every eighth; a 31st of the month or a
 * fifth weekday may skip months, hence the factor 2 for months.
 */
static msec_t
series_length(int64_t type, int64_t interval, int64_t n)
{
	static const int64_t days[] = { 0, 1, 7, 31 * 2, 366 * 8 };
	msec_t len;

	if (type < 1 || type > 4)
		return 0;
	if (interval < 1)
		interval = 1;
	if (__builtin_mul_overflow(days[type] * DAY_MS, interval, &len) || __builtin_mul_overflow(len, n, &len))
		return TIME_MAX;
	return len;
}

static void
range_calendar(const struct object *o, int64_t *sk, msec_t *t0, msec_t *t1)
{
	int64_t start = object_get_i64(o, at(o, "start_date"), 0);
	int64_t end = object_get_i64(o, at(o, "end_date"), start);
	int64_t type = object_get_i64(o, at(o, "recurrence_type"), 0);
	int64_t until = object_get_i64(o, at(o, "until"), TIME_MAX);
	int64_t n = object_get_i64(o, at(o, "occurrences"), 0);
	int64_t span = end > start ? end - start : 0;

	*sk = *t0 = start;
	*t1 = end > start ? end : start;
	if (type == 0 && o->v[at(o, "rrule")] != NULL) /* a series without a pattern that could be said: nobody knows its end */
		*sk = *t1 = TIME_MAX;
	if (type == 0) /* single, or a change exception, which has its own dates */
		return;
	if (until != TIME_MAX)
		*t1 = sat_add(until, span + DAY_MS); /* `until` is the day of the last occurrence */
	else if (n > 0)
		*t1 = sat_add(start, sat_add(span, series_length(type, object_get_i64(o, at(o, "interval"), 1), n)));
	else
		*t1 = TIME_MAX;
	if (*t1 < start) /* OX stores an `until` before the start as it is */
		*t1 = start;
	*sk = *t1; /* it began long ago and is wanted now: by where it ends, not by its start */
}

static void
range_task(const struct object *o, int64_t *sk, msec_t *t0, msec_t *t1)
{
	int64_t start = object_get_i64(o, at(o, "start_date"), TIME_MAX);
	int64_t due = object_get_i64(o, at(o, "end_date"), TIME_MAX);

	if (start == TIME_MAX && due == TIME_MAX) {
		*sk = TIME_MAX;
		*t0 = TIME_MIN;
		*t1 = TIME_MAX;
		return;
	}
	if (start == TIME_MAX)
		start = due;
	if (due == TIME_MAX)
		due = start;
	*sk = due;
	*t0 = start < due ? start : due;
	*t1 = start < due ? due : start;
}

/* A mail with \Deleted is for no client, but it is there and counts: IMAP takes the flag back as it sets it. */
static void
range_mail(const struct object *o, msec_t *t0, msec_t *t1)
{
	if (o->v[at(o, "flag_deleted")] != NULL) {
		*t0 = TIME_MAX;
		*t1 = TIME_MIN;
	} else if (o->v[at(o, "received_date")] != NULL) {
		*t0 = *t1 = object_get_i64(o, at(o, "received_date"), 0);
	}
}

void
object_range(const struct object *o, int64_t *sk, msec_t *t0, msec_t *t1)
{
	*sk = 0;
	*t0 = TIME_MIN;
	*t1 = TIME_MAX;
	if (o->ct == CT_CALENDAR)
		range_calendar(o, sk, t0, t1);
	else if (o->ct == CT_TASK)
		range_task(o, sk, t0, t1);
	else if (o->ct == CT_MAIL)
		range_mail(o, t0, t1);
}

/* An exception has its series' uid, but is not what the client created under that name (F16). */
static bool
is_exception(const struct object *o)
{
	const char *series = o->ct == CT_CALENDAR ? object_get_str(o, at(o, "recurrence_id")) : NULL;
	char id[24];

	(void)snprintf(id, sizeof(id), "%lld", (long long)o->id);
	return series != NULL && strcmp(series, o->oxid != NULL ? o->oxid : id) != 0;
}

/* What is given apart is known by its stamp: other content, another stamp. */
static uint64_t
sight_fp(const struct model_keys *k, const struct content_type *t, const struct object *o, unsigned i)
{
	int stamp = (t->fields[i].flags & FF_APART) != 0 ? model_field_flagged(t, FF_STAMP) : (int)i;

	return stamp >= 0 && o->v[stamp] != NULL ? field_fp(k, &t->fields[i], o->v[stamp]) : 0;
}

enum rc
object_sight(struct arena *a, const struct model_keys *k, const struct object *o, struct sighting *out)
{
	const struct content_type *t = model_content(o->ct);
	struct sighting_field f[MODEL_MAX_FIELDS];
	const char *uid = NULL;
	unsigned n = 0;
	int i_uid;

	memset(out, 0, sizeof(*out));
	out->id = o->id != 0 || o->oxid == NULL ? o->id : model_id(k, o->oxid);
	out->oxid = out->id < 0 ? o->oxid : NULL;
	out->lm = o->lm;
	object_range(o, &out->sk, &out->t0, &out->t1);
	out->known = !o->broken;
	for (unsigned i = 0; i < t->n_fields && !o->broken; i++) {
		if ((t->fields[i].flags & FF_NOINDEX) != 0)
			continue;
		f[n].i = (uint8_t)i;
		f[n].fp = sight_fp(k, t, o, i);
		if (f[n].fp != 0)
			n++;
	}
	out->nf = n;
	if (n > 0) {
		out->f = arena_memdup(a, f, n * sizeof(f[0]));
		if (out->f == NULL)
			return RC_NOMEM;
	}
	i_uid = model_field(t, "uid");
	if (i_uid >= 0)
		uid = object_get_str(o, (unsigned)i_uid);
	if (uid != NULL)
		out->client_id = client_uid_parse(a, uid);
	if (out->client_id != NULL && is_exception(o))
		out->client_id = NULL;
	return RC_OK;
}
