/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Every row of the tables of fields, through everything: a client creates it, OX holds it, a second client gets it; OX changes it and both
 * clients get exactly that field; a client changes and clears it; longest value, one character more, characters of all kinds.  One object
 * a field and text, so that each statement is of one field while the requests are few.  Prints a table with one line per field.
 */
#include "field_check.h"

/* ---- the stations ---- */

static void
create_all(void)
{
	json_t *list = json_array(), *data;

	for (size_t i = 0; i < n_items; i++)
		(void)json_array_append(list, items[i].sent);
	data = update(&a, request(&a, list, NULL, NULL));
	ck_assert_uint_eq(json_array_size(json_object_get(data, "results")), n_items);
	for (size_t i = 0; i < n_items; i++) {
		struct item *it = &items[i];
		json_t *known;

		if (strcmp(str(result(data, i), "status"), "ok") != 0) {
			amiss(it->f, text_col[it->kind], "not created: %s", text_of(json_object_get(result(data, i), "error")));
			continue;
		}
		(void)snprintf(it->uuid, sizeof(it->uuid), "%s", str(result(data, i), "uuid"));
		known = json_object_get(a.have, it->uuid);
		if (known == NULL) {
			known = json_object();
			(void)json_object_set_new(a.have, it->uuid, known);
		}
		(void)json_object_update_missing(known, it->sent);
	}
	json_decref(data);
	json_decref(changes(&a));
	json_decref(changes(&b));
	ox_ids();
	for (size_t i = 0; i < n_items; i++) {
		struct item *it = &items[i];
		const char *name = t->fields[it->f].name;
		json_t *ox;

		if (it->uuid[0] == '\0')
			continue;
		if (it->ox[0] == '\0') {
			amiss(it->f, text_col[it->kind], "OX has no object %s", it->id);
			continue;
		}
		ox = ox_get(it);
		if (stored(it->f) && !covers(it->f, json_object_get(ox, name), json_object_get(it->sent, name)))
			amiss(it->f, text_col[it->kind], "sent %s, OX has %s", text_of(json_object_get(it->sent, name)), text_of(json_object_get(ox, name)));
		pass(it->f, text_col[it->kind], '+');
		check_same(it, it->kind == PLAIN ? READ : text_col[it->kind], ox);
		if (it->kind == PLAIN)
			pass(it->f, READ, '+');
		json_decref(ox);
	}
}

static bool
alive(const struct item *it)
{
	return it->kind == PLAIN && it->uuid[0] != '\0' && it->ox[0] != '\0' && (t->fields[it->f].flags & FF_ONCE) == 0;
}

/* Value N and what goes with it, as a change. */
static json_t *
change_of(const struct item *it, unsigned n)
{
	json_t *o = json_object();

	if (n > 0)
		merge(o, it->sp->with[n - 1]);
	(void)json_object_set_new(o, t->fields[it->f].name, field_value(t, it->f, n));
	return o;
}

static void
changed_by_ox(void)
{
	json_t *got[2], *before[2] = { json_deep_copy(a.have), json_deep_copy(b.have) };

	for (size_t i = 0; i < n_items; i++)
		if (alive(&items[i]))
			ox_set(&items[i], change_of(&items[i], 1));
	got[0] = changes(&a);
	got[1] = changes(&b);
	for (size_t i = 0; i < n_items; i++) {
		struct item *it = &items[i];
		json_t *ox, *want;

		if (!alive(it))
			continue;
		ox = ox_get(it);
		want = field_value(t, it->f, 1);
		if (!same(it->f, json_object_get(it->sent, t->fields[it->f].name), want)) {
			check_exact(it, BY_OX, before[0], got[0], "the first client");
			check_exact(it, BY_OX, before[1], got[1], "the second client");
		}
		check_same(it, BY_OX, ox);
		pass(it->f, BY_OX, '+');
		json_decref(want);
		json_decref(ox);
	}
	for (int k = 0; k < 2; k++) {
		json_decref(got[k]);
		json_decref(before[k]);
	}
}

/* D sends CHANGE(item) for every living item; the other one gets exactly that. */
static void
changed_by(struct dev *d, struct dev *other, enum col c)
{
	json_t *list = json_array(), *data, *got, *before;
	size_t n = 0;

	for (size_t i = 0; i < n_items; i++) {
		struct item *it = &items[i];
		json_t *o;

		if (!alive(it))
			continue;
		o = c == CLEARED ? json_pack("{s:n}", t->fields[it->f].name) : change_of(it, 2);
		(void)json_object_set_new(o, "uuid", json_string(it->uuid));
		(void)json_object_set_new(o, "rev", json_string(str(json_object_get(d->have, it->uuid), "rev")));
		(void)json_array_append_new(list, o);
	}
	json_incref(list);
	data = good(d, "syncUpdate", (got = request(d, NULL, list, NULL)));
	json_decref(got);
	for (size_t i = 0; i < n_items; i++) {
		struct item *it = &items[i];
		json_t *sent, *known, *v;
		const char *name, *status;
		bool ok;

		if (!alive(it))
			continue;
		sent = json_array_get(list, n);
		status = str(result(data, n), "status");
		ok = strcmp(status, "ok") == 0;
		known = json_object_get(d->have, it->uuid);
		if (!ok && !(c == CLEARED && it->sp->clears == REFUSED && strcmp(status, "error") == 0))
			amiss(it->f, c, "%s: %s", status, text_of(json_object_get(result(data, n), "error")));
		if (ok && c == CLEARED && it->sp->clears == REFUSED)
			amiss(it->f, c, "was not refused");
		if (ok && known != NULL)
			json_object_foreach(sent, name, v)
				(void)(json_is_null(v) ? json_object_del(known, name) : json_object_set(known, name, v));
		n++;
	}
	apply(d, data);
	json_decref(data);
	json_decref(changes(d));
	before = json_deep_copy(other->have);
	got = changes(other);
	for (size_t i = 0; i < n_items; i++) {
		struct item *it = &items[i];
		json_t *ox, *want;

		if (!alive(it))
			continue;
		ox = ox_get(it);
		want = c == CLEARED ? json_null() : field_value(t, it->f, 2);
		if (c != CLEARED || it->sp->clears == CLEARS) {
			if (stored(it->f) && !covers(it->f, json_object_get(ox, t->fields[it->f].name), want))
				amiss(it->f, c, "OX has %s", text_of(json_object_get(ox, t->fields[it->f].name)));
			if (!same(it->f, json_object_get(json_object_get(before, it->uuid), t->fields[it->f].name), want))
				check_exact(it, c, before, got, "the other client");
		}
		check_same(it, c, ox);
		pass(it->f, c, c != CLEARED || it->sp->clears == CLEARS ? '+' : it->sp->clears == KEPT ? '=' : 'x');
		json_decref(want);
		json_decref(ox);
	}
	json_decref(got);
	json_decref(before);
	json_decref(list);
}

/* ---- what is refused ---- */

/* Sends O (stolen) as a creation, beside GOOD = true one that is right; the error that it gets, or NULL when it was taken. */
static json_t *
refused(json_t *o, const char **path)
{
	static char where[120];
	json_t *list = json_array(), *req, *root, *x, *e = NULL;

	(void)json_array_append_new(list, o);
	root = call(&a, "syncUpdate", (req = request(&a, list, NULL, NULL)));
	x = json_object_get(json_object_get(root, "data"), "results");
	if (x != NULL && strcmp(str(json_array_get(x, 0), "status"), "error") == 0)
		e = json_incref(json_object_get(json_array_get(x, 0), "error"));
	else if (x == NULL)
		e = json_incref(json_object_get(root, "error"));
	if (x != NULL)
		apply(&a, json_object_get(root, "data"));
	(void)snprintf(where, sizeof(where), "%s", str(json_object_get(e, "details"), "path"));
	*path = where;
	json_decref(req);
	json_decref(root);
	return e;
}

/* The client sends VALUE (stolen) in field F: an error that names the field, and nothing at OX. */
static json_t *
check_refused(unsigned f, enum col c, json_t *value)
{
	struct item it = { .f = f, .sp = special_of(t->ct, t->fields[f].name) };
	const char *path;
	char want[80];
	json_t *o, *e;

	(void)snprintf(it.id, sizeof(it.id), "%s.%u.c%d", t->name, f, (int)c);
	o = base_object(&it);
	if (it.sp != NULL)
		merge(o, it.sp->base);
	(void)json_object_set_new(o, t->fields[f].name, value);
	e = refused(o, &path);
	(void)snprintf(want, sizeof(want), "created[0].%s", t->fields[f].name);
	if (e == NULL)
		amiss(f, c, "was accepted");
	else if (strstr(path, want) == NULL)
		amiss(f, c, "the error does not name it but '%s': %s", path, text_of(e));
	else
		pass(f, c, '+');
	return e;
}

static void
refusals(void)
{
	for (unsigned f = 0; f < t->n_fields; f++) {
		const struct field *d = &t->fields[f];
		json_t *e;

		if ((d->flags & FF_NODELIVER) != 0)
			continue;
		if (!settable(d)) {
			json_decref(check_refused(f, REFUSES, field_value(t, f, 0)));
			continue;
		}
		if (d->type != FT_STRING)
			continue;
		json_decref(check_refused(f, CONTROL, json_string("a\x01" "b")));
		if (d->max_len == 0)
			continue;
		e = check_refused(f, OVER, repeated("x", d->max_len + 1, 0));
		if (e != NULL) {
			const json_t *more = json_object_get(e, "details");
			char number[2][16];

			(void)snprintf(number[0], sizeof(number[0]), "%u", d->max_len);
			(void)snprintf(number[1], sizeof(number[1]), "%u", d->max_len + 1);
			if (strcmp(str(more, "field"), d->name) != 0 || json_integer_value(json_object_get(more, "maxLength")) != d->max_len ||
			    json_integer_value(json_object_get(more, "length")) != d->max_len + 1)
				amiss(f, OVER, "details lack field, length or maxLength: %s", text_of(e));
			if (strstr(str(e, "message"), number[0]) == NULL || strstr(str(e, "message"), number[1]) == NULL)
				amiss(f, OVER, "the message lacks a length: %s", text_of(e));
		}
		json_decref(e);
		if (d->max_len == 65535) /* characters enough, octets too many */
			json_decref(check_refused(f, OVER, repeated("\xF0\x9F\x98\x80", 16384, 0)));
	}
}

/* Fields that are no values of their own but make another object; test exceptions_of_series is about them. */
static bool
elsewhere(const struct field *f)
{
	static const char *const names[] = { "recurrence_id", "recurrence_position", "recurrence_date_position", "delete_exceptions" };

	for (size_t i = 0; t->ct == CT_CALENDAR && i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], f->name) == 0)
			return true;
	return false;
}

static void
make_items(void)
{
	for (unsigned f = 0; f < t->n_fields; f++) {
		const struct field *d = &t->fields[f];
		const struct special *sp = special_of(t->ct, d->name);

		if (!settable(d) || elsewhere(d) || (t->ct == CT_FOLDER && strcmp(d->name, "folder_id") == 0))
			continue;
		(void)item_add(f, PLAIN, field_value(t, f, 0));
		for (enum text k = LONGEST; d->type == FT_STRING && (sp == NULL || !sp->plain) && k < N_TEXT; k++) {
			json_t *v = text_value(k, d->max_len);

			if (v != NULL)
				(void)item_add(f, k, v);
		}
	}
}

static void
begin(enum content ct)
{
	const char *folder;

	t = model_content(ct);
	memset(cell, ' ', sizeof(cell));
	wrong = 0;
	n_items = 0;
	held = json_array();
	login(&a, "berta", "fields-a");
	login(&b, "berta", "fields-b");
	folder = ct == CT_FOLDER ? NULL : str(a.defaults, ct == CT_MAIL ? "inbox" : t->name);
	open_folder(&a, folder);
	open_folder(&b, folder);
}

START_TEST(every_field)
{
	static const enum content all[] = { CT_CONTACT, CT_CALENDAR, CT_TASK, CT_MAIL, CT_FOLDER };

	begin(all[_i]);
	make_items();
	create_all();
	changed_by_ox();
	changed_by(&b, &a, BY_CLIENT);
	changed_by(&a, &b, CLEARED);
	refusals();
	print_table();
	ck_assert_msg(wrong == 0, "%u statements about fields of a %s are wrong", wrong, t->name);
}
END_TEST

/* What OX makes of a value, and tells: the client has it with the answer to its own request. */
static const struct normal {
	enum content ct;
	const char *field, *sent, *stored, *base;
} normals[] = {
	{ CT_CONTACT, "display_name", "\"Frida Fischer\"", "\"Frida Fischer\"", "{\"file_as\":\"Fischer, Frida\"}" }, /* both are kept */
	{ CT_CONTACT, "yomiLastName", "\"\"", "null", "{\"last_name\":\"x\"}" },
	{ CT_CALENDAR, "categories", "\" abc \"", "\"abc\"", NULL },
	{ CT_CALENDAR, "color_label", "99", "0", NULL },
	{ CT_CALENDAR, "shown_as", "2", "1", NULL },
	{ CT_TASK, "date_completed", "1767258000123", "1767258000000", NULL },
	{ CT_TASK, "alarm", "1767258000999", "1767258000000", NULL },
	{ CT_TASK, "start_time", "1767258000000", "1767225600000", "{\"full_time\":true}" },
	{ CT_FOLDER, "title", "\" blanks around \"", "\"blanks around\"", NULL },
};

START_TEST(server_normalises)
{
	const struct normal *n = &normals[_i];
	json_t *sent = json_loads(n->sent, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL), *stored_value = json_loads(n->stored, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL), *data, *ox;
	struct item *it;
	int f;

	begin(n->ct);
	f = model_field(t, n->field);
	it = item_add((unsigned)f, PLAIN, json_incref(sent));
	merge(it->sent, n->base);
	(void)json_object_set(it->sent, n->field, sent);
	(void)snprintf(it->id, sizeof(it->id), "normal.%d", _i);
	(void)json_object_set_new(it->sent, "clientId", json_string(it->id));
	data = update(&a, request(&a, json_pack("[O]", it->sent), NULL, NULL));
	ck_assert_msg(strcmp(str(result(data, 0), "status"), "ok") == 0, "%s", text_of(result(data, 0)));
	(void)snprintf(it->uuid, sizeof(it->uuid), "%s", str(result(data, 0), "uuid"));
	if (json_object_get(a.have, it->uuid) == NULL)
		(void)json_object_set_new(a.have, it->uuid, json_object());
	(void)json_object_update_missing(json_object_get(a.have, it->uuid), it->sent);
	ck_assert_msg(same(it->f, json_object_get(json_object_get(a.have, it->uuid), n->field), stored_value), "%s is %s, not %s; answered: %s",
	    n->field, text_of(json_object_get(json_object_get(a.have, it->uuid), n->field)), n->stored, text_of(data));
	json_decref(data);
	json_decref(changes(&b));
	if (t->ct == CT_FOLDER)
		(void)snprintf(it->id, sizeof(it->id), "%s", json_string_value(stored_value));
	ox_ids();
	ox = ox_get(it);
	check_same(it, READ, ox);
	json_decref(ox);
	json_decref(sent);
	json_decref(stored_value);
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* ---- series and their exceptions: fields that say which object it is ---- */

#define D0 INT64_C(1798761600000) /* 2027-01-01 */
#define DAYS(n) (D0 + (json_int_t)(n) * 86400000)

static const char *
only_result(const json_t *data)
{
	return strcmp(str(result(data, 0), "status"), "ok") == 0 ? "ok" : text_of(result(data, 0));
}

static void
has_days(const json_t *o, const char *field, const char *want)
{
	json_t *v = json_loads(want, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_msg(same((unsigned)model_field(t, field), json_object_get(o, field), v), "%s is %s, not %s", field, text_of(json_object_get(o, field)), want);
	json_decref(v);
}

/* The same days at OX and with both clients. */
static void
all_have_days(const struct item *it, const char *field, const char *want)
{
	json_t *ox = ox_get(it);

	has_days(ox, field, want);
	has_days(json_object_get(a.have, it->uuid), field, want);
	has_days(json_object_get(b.have, it->uuid), field, want);
	json_decref(ox);
}

static const json_t *
exception_of(const struct dev *d, const char *series)
{
	const char *uuid;
	json_t *v;

	json_object_foreach(d->have, uuid, v)
		if (strcmp(str(v, "recurrence_id"), series) == 0 && json_object_get(v, "recurrence_type") == NULL)
			return v;
	return NULL;
}

START_TEST(exceptions_of_series)
{
	struct item *it;
	json_t *data, *days;
	const json_t *x;
	char uuid[40];

	begin(CT_CALENDAR);
	days = json_pack("[I]", DAYS(1));
	it = item_add((unsigned)model_field(t, "delete_exceptions"), PLAIN, days);
	(void)json_object_update_new(it->sent, json_pack("{s:s,s:s,s:I,s:I,s:i,s:i,s:i}", "title", "Series", "timezone", "UTC", "start_date", DAYS(0) + 36000000,
	    "end_date", DAYS(0) + 39600000, "recurrence_type", 1, "interval", 1, "occurrences", 8));
	/* deleted before it was ever at the server */
	data = update(&a, request(&a, json_pack("[O]", it->sent), NULL, NULL));
	ck_assert_str_eq(only_result(data), "ok");
	(void)snprintf(it->uuid, sizeof(it->uuid), "%s", str(result(data, 0), "uuid"));
	(void)json_object_update_missing(json_object_get(a.have, it->uuid), it->sent);
	json_decref(data);
	json_decref(changes(&b));
	ox_ids();
	all_have_days(it, "delete_exceptions", "[1798848000000]");
	/* a change exception is an object of its own that names its series and its day */
	data = update(&a, request(&a, json_pack("[{s:s,s:s,s:I,s:s,s:I,s:I}]", "clientId", "exception", "recurrence_id", it->uuid, "recurrence_date_position", DAYS(2),
	    "title", "Moved", "start_date", DAYS(2) + 43200000, "end_date", DAYS(2) + 46800000), NULL, NULL));
	ck_assert_str_eq(only_result(data), "ok");
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	json_decref(changes(&a));
	json_decref(changes(&b));
	all_have_days(it, "change_exceptions", "[1798934400000]");
	x = exception_of(&b, it->uuid);
	ck_assert_ptr_nonnull(x);
	ck_assert_str_eq(str(x, "title"), "Moved");
	ck_assert_int_eq(json_integer_value(json_object_get(x, "recurrence_date_position")), DAYS(2));
	ck_assert_int_eq(json_integer_value(json_object_get(x, "recurrence_position")), 3);
	ck_assert_str_eq(str(x, "uuid"), uuid);
	/* one more day is deleted by the client, one by OX */
	data = update(&a, request(&a, NULL, json_pack("[{s:s,s:[I,I]}]", "uuid", it->uuid, "delete_exceptions", DAYS(1), DAYS(3)), NULL));
	ck_assert_str_eq(only_result(data), "ok");
	json_decref(data);
	json_decref(changes(&a));
	json_decref(changes(&b));
	has_days(json_object_get(b.have, it->uuid), "delete_exceptions", "[1798848000000,1799020800000]");
	json_decref(ox_as("berta", "calendar", "delete", json_pack("{s:s}", "timestamp", NOW),
	    json_pack("{s:s,s:s,s:I}", "id", it->ox, "folder", ox_folder(), "recurrence_date_position", DAYS(4))));
	json_decref(changes(&a));
	json_decref(changes(&b));
	has_days(json_object_get(b.have, it->uuid), "delete_exceptions", "[1798848000000,1799020800000,1799107200000]");
	has_days(json_object_get(a.have, it->uuid), "delete_exceptions", "[1798848000000,1799020800000,1799107200000]");
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

static void
world_up(void)
{
	static const unsigned char master[KEY_BYTES] = { 1 };

	keys = model_keys_new(master);
	world_begin(&w, NULL, settings);
}

static void
fields_down(void)
{
	world_down();
	model_keys_free(keys);
}

int
main(void)
{
	Suite *suite = suite_create("fields");
	TCase *tc = tcase_create("fields");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(tc, world_up, fields_down);
	tcase_add_checked_fixture(tc, NULL, forget_devices);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_field, 0, 5);
	tcase_add_loop_test(tc, server_normalises, 0, ARRAY_LEN(normals));
	tcase_add_test(tc, exceptions_of_series);
	suite_add_tcase(suite, tc);
	return harness_main(suite);
}
