/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the tests of fields share: one object made for one field, the same object asked of OX without usmd, the comparison of what OX and two
 * clients hold, and the table that is printed.  Included by one test program only, so everything is static.
 */
#ifndef TESTS_FIELD_CHECK_H
#define TESTS_FIELD_CHECK_H

#include "field_values.h"
#include "wire.h"

#define NOW "9007199254740992" /* timestamp of a write that nothing is newer than */
#define MAX_ITEMS 900

enum col { CREATED, READ, BY_OX, BY_CLIENT, CLEARED, MAXIMUM, OVER, ASTRALS, NFD, LF, CR_LF, CONTROL, REFUSES, N_COL };
static const char *const col_name[N_COL] = { "created", "read", "by OX", "by client", "cleared", "max", "over", "astral", "NFD", "LF", "CRLF", "control", "refused" };
static const enum col text_col[N_TEXT] = { CREATED, MAXIMUM, ASTRALS, NFD, LF, CR_LF };

/* '+' as stated, '=' the server keeps a value, 'x' refused with an error, '!' wrong, ' ' does not apply */
static char cell[MODEL_MAX_FIELDS][N_COL];
static unsigned wrong;

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", NULL };
static struct model_keys *keys;
static const struct content_type *t;

/** One object, made for one field. */
struct item {
	unsigned f;
	enum text kind;
	const struct special *sp;
	char id[40], ox[200], uuid[40];
	json_t *sent; /* as the creating client knows it; in `held` */
};
static struct item items[MAX_ITEMS];
static size_t n_items;
static struct dev a, b;

static const struct special nothing_special = { CT_COUNT, "", { NULL, NULL, NULL }, NULL, { NULL, NULL }, NULL, CLEARS, false };

static void __attribute__((format(printf, 3, 4)))
amiss(unsigned f, enum col c, const char *fmt, ...)
{
	va_list ap;

	cell[f][c] = '!';
	wrong++;
	(void)printf("%s.%s, %s: ", t->name, t->fields[f].name, col_name[c]);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)puts("");
}

static void
pass(unsigned f, enum col c, char mark)
{
	if (cell[f][c] != '!')
		cell[f][c] = mark;
}

static const char *
text_of(const json_t *v)
{
	static char buf[4][160];
	static unsigned turn;
	char *s = v != NULL ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	turn = (turn + 1) % 4;
	(void)snprintf(buf[turn], sizeof(buf[turn]), "%.150s", s != NULL ? s : "nothing");
	free(s);
	return buf[turn];
}

static bool
same(unsigned f, const json_t *x, const json_t *y)
{
	return field_fp(keys, &t->fields[f], x) == field_fp(keys, &t->fields[f], y);
}

/* Everything that SENT says is said by GOT too; inside structures the server may add members of its own (sort_name). */
static bool
covers(unsigned f, const json_t *got, const json_t *sent)
{
	const char *name;
	json_t *v, *x;
	size_t i, k;

	if (json_is_array(sent) && json_is_array(got)) {
		json_array_foreach(sent, i, v) {
			for (k = 0; k < json_array_size(got) && !covers(f, json_array_get(got, k), v); k++)
				;
			if (k == json_array_size(got))
				return false;
		}
		return true;
	}
	if (json_is_object(sent) && json_is_object(got)) {
		json_object_foreach((json_t *)(uintptr_t)sent, name, v) {
			x = json_object_get(got, name);
			if (x == NULL || !json_equal(x, v))
				return false;
		}
		return true;
	}
	return same(f, sent, got);
}

static bool
settable(const struct field *f)
{
	return (f->flags & (FF_READONLY | FF_NODELIVER)) == 0;
}

/* Whether the server shows the value as it was set; the uid of what a client of ours makes carries the clientId, whatever was sent. */
static bool
stored(unsigned f)
{
	return (t->fields[f].flags & FF_NOCOLUMN) == 0 && strcmp(t->fields[f].name, "uid") != 0;
}

/* ---- the object at OX, asked without usmd ---- */

static const char *
ox_folder(void)
{
	return t->ct == CT_CONTACT ? "42" : t->ct == CT_CALENDAR ? "41" : t->ct == CT_TASK ? "43" : t->ct == CT_MAIL ? "default0/INBOX" : "1";
}

/* Finds the items' ids at OX: by the uid, which ends with the clientId; folders and mails by title and subject. */
static void
ox_ids(void)
{
	json_t *p = json_pack("{s:s,s:s,s:s}", "folder", ox_folder(), "timezone", "UTC", "columns",
	    t->ct == CT_FOLDER ? "1,300" : t->ct == CT_MAIL ? "600,607" : "1,223"), *rows, *row;
	size_t i;

	if (t->ct == CT_CALENDAR) {
		(void)json_object_set_new(p, "start", json_integer(INT64_C(-100000000000)));
		(void)json_object_set_new(p, "end", json_integer(INT64_C(4000000000000)));
		(void)json_object_set_new(p, "recurrence_master", json_string("true"));
	}
	if (t->ct == CT_FOLDER)
		(void)json_object_set_new(p, "parent", json_string("1"));
	rows = ox_as("berta", t->ox_module, t->ct == CT_FOLDER ? "list" : "all", p, NULL);
	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_array_get(row, 1)), *dash = name != NULL ? strrchr(name, '-') : NULL;
		const json_t *id = json_array_get(row, 0);

		for (size_t k = 0; name != NULL && k < n_items; k++)
			if (strcmp(dash != NULL ? dash + 1 : name, items[k].id) == 0) {
				if (json_is_string(id))
					(void)snprintf(items[k].ox, sizeof(items[k].ox), "%s", json_string_value(id));
				else
					(void)snprintf(items[k].ox, sizeof(items[k].ox), "%lld", (long long)json_integer_value(id));
			}
	}
	json_decref(rows);
}

static json_t *
ox_get(const struct item *it)
{
	json_t *rows, *row, *o;

	if (t->ct != CT_MAIL)
		return ox_as("berta", t->ox_module, "get", json_pack("{s:s,s:s,s:s}", "folder", ox_folder(), "id", it->ox, "timezone", "UTC"), NULL);
	rows = ox_as("berta", "mail", "list", json_pack("{s:s,s:s}", "columns", "611,102,668", "timezone", "UTC"),
	    json_pack("[{s:s,s:s}]", "folder", ox_folder(), "id", it->ox));
	row = json_array_get(rows, 0);
	o = json_pack("{s:O,s:O,s:O}", "flags", json_array_get(row, 0), "color_label", json_array_get(row, 1), "user", json_array_get(row, 2));
	json_decref(rows);
	return o;
}

static void
ox_set(const struct item *it, json_t *change)
{
	json_t *p = json_pack("{s:s,s:s,s:s,s:s}", "folder", ox_folder(), "id", it->ox, "timestamp", NOW, "timezone", "UTC"), *x;

	if (t->ct == CT_MAIL && (x = json_object_get(change, "user")) != NULL) {
		json_decref(ox_as("berta", "mail", "update", json_incref(p), json_pack("{s:[s,s,s]}", "clear_user_flags", "$Label1", "Later", "NonJunk")));
		json_decref(ox_as("berta", "mail", "update", p, json_pack("{s:o}", "set_user_flags", json_is_array(x) ? json_incref(x) : json_array())));
		json_decref(change);
		return;
	}
	if (t->ct == CT_MAIL && (x = json_object_get(change, "flags")) != NULL) {
		json_int_t want = json_integer_value(x);

		json_decref(ox_as("berta", "mail", "update", json_incref(p), json_pack("{s:i,s:b}", "flags", (int)want, "value", 1)));
		json_decref(ox_as("berta", "mail", "update", p, json_pack("{s:i,s:b}", "flags", (int)(~want & 40), "value", 0)));
		json_decref(change);
		return;
	}
	json_decref(ox_as("berta", t->ox_module, "update", p, change));
}

/* ---- items ---- */

static json_t *
mail_raw(const char *subject)
{
	char raw[500];
	struct buf out;
	json_t *v;

	(void)snprintf(raw, sizeof(raw), "From: a@example.com\r\nTo: b@example.com\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nbody\r\n", subject);
	buf_init(&out, 4096);
	base64_encode(&out, raw, strlen(raw));
	v = json_stringn(out.p, out.len);
	buf_fini(&out);
	return v;
}

/* What every object of the type needs; each has days of its own, so that no two appointments collide. */
static json_t *
base_object(const struct item *it)
{
	json_t *o = json_object();
	int64_t day = INT64_C(1767225600000) + (int64_t)n_items * 86400000;

	(void)json_object_set_new(o, "clientId", json_string(it->id));
	if (t->ct == CT_CALENDAR) {
		(void)json_object_set_new(o, "start_date", json_integer(day + 36000000));
		(void)json_object_set_new(o, "end_date", json_integer(day + 39600000));
	}
	if (t->ct == CT_FOLDER) {
		(void)json_object_set_new(o, "title", json_string(it->id));
		(void)json_object_set_new(o, "module", json_string("contacts"));
	}
	if (t->ct == CT_MAIL)
		(void)json_object_set_new(o, "raw", mail_raw(it->id));
	return o;
}

static void
merge(json_t *o, const char *json)
{
	json_t *more = json != NULL ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;

	ck_assert_msg(json == NULL || more != NULL, "no JSON: %s", json);
	if (more != NULL)
		(void)json_object_update(o, more);
	json_decref(more);
}

/* An object with VALUE (stolen) in field F. */
static struct item *
item_add(unsigned f, enum text kind, json_t *value)
{
	struct item *it = &items[n_items];

	ck_assert_uint_lt(n_items, MAX_ITEMS);
	memset(it, 0, sizeof(*it));
	it->f = f;
	it->kind = kind;
	it->sp = special_of(t->ct, t->fields[f].name);
	if (it->sp == NULL)
		it->sp = &nothing_special;
	(void)snprintf(it->id, sizeof(it->id), "%s.%u.%d", t->name, f, (int)kind);
	it->sent = base_object(it);
	merge(it->sent, it->sp->base);
	if (t->ct != CT_FOLDER || strcmp(t->fields[f].name, "title") != 0)
		(void)json_object_set(it->sent, t->fields[f].name, value);
	json_decref(value);
	(void)json_array_append_new(held, it->sent);
	n_items++;
	return it;
}

/* Everything of D's page by page; the changes of each object into a new object uuid -> member -> value. */
static json_t *
changes(struct dev *d)
{
	json_t *all = json_object();
	bool more = true;

	while (more) {
		json_t *data = update(d, request(d, NULL, NULL, NULL)), *x;
		size_t i;

		json_array_foreach(json_object_get(data, "modified"), i, x)
			(void)json_object_set(all, str(x, "uuid"), x);
		json_array_foreach(json_object_get(data, "created"), i, x) {
			(void)json_object_set_new(x, "WHOLE", json_true());
			(void)json_object_set(all, str(x, "uuid"), x);
		}
		more = json_is_true(json_object_get(data, "more"));
		json_decref(data);
	}
	return all;
}

/* Every field of the item's object: the same at OX and at both clients. */
static void
check_same(const struct item *it, enum col c, const json_t *ox)
{
	static const char *const who[] = { "first client", "second client" };
	const json_t *mine[2] = { json_object_get(a.have, it->uuid), json_object_get(b.have, it->uuid) };

	for (int k = 0; k < 2; k++)
		for (unsigned g = 0; mine[k] != NULL && g < t->n_fields; g++) {
			const char *name = t->fields[g].name;

			if (t->fields[g].type == FT_ID && json_is_string(json_object_get(mine[k], name)) && t->ct == CT_CALENDAR) {
				/* OX's number of the series; to a client it is named by its uuid */
				if (strcmp(str(mine[k], name), it->uuid) != 0)
					amiss(it->f, c, "%s of the %s is not the series", name, who[k]);
				continue;
			}
			if ((t->fields[g].flags & (FF_NOINDEX | FF_NODELIVER | FF_NOCOLUMN)) != 0 || (t->ct == CT_FOLDER && strcmp(name, "folder_id") == 0) ||
			    (t->ct == CT_MAIL && json_object_get(ox, name) == NULL))
				continue;
			if (!same(g, json_object_get(mine[k], name), json_object_get(ox, name)))
				amiss(it->f, c, "%s of the %s is %s, at OX %s (object %s)", name, who[k], text_of(json_object_get(mine[k], name)),
				    text_of(json_object_get(ox, name)), it->id);
		}
	if (mine[1] == NULL)
		amiss(it->f, c, "the second client has no object %s", it->id);
}

/* Whether a change of the field may bring the object as a whole: it is sorted or filtered by it (ARCHITECTURE.md, F2). */
static bool
moves(const struct item *it, const json_t *also)
{
	bool listed = (t->fields[it->f].flags & FF_LISTED) != 0;
	size_t i;
	json_t *x;

	json_array_foreach((json_t *)(uintptr_t)also, i, x) {
		int g = model_field(t, json_string_value(x));

		listed = listed || (g >= 0 && (t->fields[g].flags & FF_LISTED) != 0);
	}
	return listed;
}

/* What ALL says of the item's object differs from BEFORE in its field, and besides only in bookkeeping. */
static void
check_exact(const struct item *it, enum col c, const json_t *before, const json_t *all, const char *who)
{
	static const char *const envelope[] = { "uuid", "objectType", "rev", "clientId", "own", "parent", "WHOLE" };
	json_t *one = json_object_get(all, it->uuid), *old = json_object_get(before, it->uuid), *v, *x;
	json_t *also = it->sp->also != NULL ? json_loads(it->sp->also, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool seen = false, whole = json_object_get(one, "WHOLE") != NULL;
	const char *name;
	size_t i;

	if (one == NULL)
		amiss(it->f, c, "%s heard of no change", who);
	if (whole && !moves(it, also))
		amiss(it->f, c, "%s got the whole object", who);
	json_object_foreach(one, name, v) {
		int g = model_field(t, name);
		bool known = g >= 0 && ((t->fields[g].flags & FF_NOINDEX) != 0 || (whole && same((unsigned)g, v, json_object_get(old, name))));

		for (size_t k = 0; k < ARRAY_LEN(envelope); k++)
			known = known || strcmp(name, envelope[k]) == 0;
		json_array_foreach(also, i, x)
			known = known || strcmp(name, json_string_value(x)) == 0;
		seen = seen || g == (int)it->f;
		if (g != (int)it->f && !known)
			amiss(it->f, c, "%s got %s = %s as well", who, name, text_of(v));
	}
	if (one != NULL && !seen && !whole && (t->fields[it->f].flags & (FF_NOINDEX | FF_NOCOLUMN)) == 0)
		amiss(it->f, c, "%s did not get the field", who);
	json_decref(also);
}

/* ---- the table ---- */


static void
print_table(void)
{
	char line[200];
	size_t n = 0;

	n += (size_t)snprintf(line, sizeof(line), "%-34s", t->name);
	for (unsigned c = 0; c < N_COL; c++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s", col_name[c]);
	(void)puts(line);
	for (unsigned f = 0; f < t->n_fields; f++) {
		if ((t->fields[f].flags & FF_NODELIVER) != 0)
			continue;
		n = (size_t)snprintf(line, sizeof(line), "%-34s", t->fields[f].name);
		for (unsigned c = 0; c < N_COL; c++)
			n += (size_t)snprintf(line + n, sizeof(line) - n, " %*c", (int)strlen(col_name[c]), cell[f][c]);
		(void)puts(line);
	}
	(void)fflush(stdout);
}

#endif
