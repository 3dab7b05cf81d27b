/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rights: each of the nine levels (and some without a name) on contacts, appointments and tasks of another user.  What may be done is
 * computed here from the level's bits, by a few lines that know nothing of usmd; what was done is read at OX as the owner.  Prints a line a level.
 */
#include "wire.h"

#define OWNER "anton"
#define READER "caesar"
#define OWNER_ID 3
#define READER_ID 5
#define TEAM 8 /* a group that the reader is in */
#define OWNER_BITS 403710016
#define EDITOR_BITS 4227330
#define NOW "9007199254740992"
#define SECRET "closed secret"
#define HOUR INT64_C(3600000)

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 3s", "ox_timeout = 3s",
	"ping_poll_interval = 1s", "heartbeat_min = 1s", NULL };

/* listings as often as sync requests, nearly */
static const char *const listed[] = { "fresh_for = 0s", "full_listing_interval = 1s", NULL };

static void
world_up_listed(void)
{
	world_begin(&w, NULL, listed);
}

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

/* ---- the types ---- */

struct type {
	const char *name, *module, *title, *columns;
	const char *home; /* the reader's own default folder of the type, in defaultFolders */
};
static const struct type types[] = {
	{ "contact", "contacts", "last_name", "1,502", "contact" },
	{ "appointment", "calendar", "title", "1,200", "appointment" },
	{ "task", "tasks", "title", "1,200", "task" },
};

static json_t *
object_of(const struct type *t, const char *title, int64_t hour)
{
	json_t *o = json_pack("{s:s}", t->title, title);

	if (strcmp(t->module, "calendar") == 0) {
		(void)json_object_set_new(o, "start_date", json_integer(1796086800000 + hour * HOUR));
		(void)json_object_set_new(o, "end_date", json_integer(1796086800000 + (hour + 1) * HOUR));
	}
	return o;
}

/* USER makes an object at OX. */
static void
ox_make(const struct type *t, const char *user, const char *folder, const char *title, bool closed)
{
	static int64_t hour;
	json_t *o = object_of(t, title, hour++);

	(void)json_object_set_new(o, "folder_id", json_string(folder));
	(void)json_object_set_new(o, "note", json_string("as made"));
	if (closed)
		(void)json_object_set_new(o, "private_flag", json_true());
	if (strcmp(t->module, "calendar") == 0)
		(void)json_object_set_new(o, "ignore_conflicts", json_true());
	json_decref(ox_as(user, t->module, "new", json_pack("{s:s}", "timezone", "UTC"), o));
}

/* The note that the owner sees at the object TITLE; NULL = it is not there. */
static const char *
ox_note(const struct type *t, const char *folder, const char *title)
{
	static char note[80];
	json_t *rows, *row, *params = json_pack("{s:s,s:s}", "folder", folder, "columns", strcmp(t->module, "contacts") == 0 ? "502,518" : "200,203");
	const char *found = NULL;
	size_t i;

	if (strcmp(t->module, "calendar") == 0) {
		(void)json_object_set_new(params, "start", json_string("1700000000000"));
		(void)json_object_set_new(params, "end", json_string("1900000000000"));
	}
	rows = ox_as(OWNER, t->module, "all", params, NULL);
	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_array_get(row, 0)), *text = json_string_value(json_array_get(row, 1));

		if (name == NULL || strcmp(name, title) != 0)
			continue;
		(void)snprintf(note, sizeof(note), "%s", text != NULL ? text : "");
		found = note;
	}
	json_decref(rows);
	return found;
}

static void
permit(const char *folder, int64_t entity, bool group, int64_t bits)
{
	json_t *list = json_pack("[{s:i,s:i,s:b}]", "bits", OWNER_BITS, "entity", OWNER_ID, "group", 0);

	if (bits >= 0)
		(void)json_array_append_new(list, json_pack("{s:I,s:I,s:b}", "bits", (json_int_t)bits, "entity", (json_int_t)entity, "group", (int)group));
	json_decref(ox_as(OWNER, "folders", "update", json_pack("{s:s,s:s}", "id", folder, "timestamp", NOW), json_pack("{s:{s:o}}", "folder", "permissions", list)));
}

static void
share(const struct type *t, const char *title, char id[24])
{
	json_t *data = ox_as(OWNER, "folders", "new", json_pack("{s:s}", "folder_id", "1"), json_pack("{s:{s:s,s:s}}", "folder", "title", title, "module", t->module));

	(void)snprintf(id, 24, "%s", json_string_value(data));
	json_decref(data);
}

/* ---- what is allowed: OX's rules for permission bits, a few lines of their own ---- */

struct allowed {
	bool see, read_own, read_all, create, write_own, write_all, delete_own, delete_all;
};

static struct allowed
allowed_by(int64_t bits)
{
	int64_t f = bits & 0x7f, r = bits >> 7 & 0x7f, v = bits >> 14 & 0x7f, d = bits >> 21 & 0x7f;

	return (struct allowed){ .see = f >= 1 || bits >> 28 != 0, .read_own = r >= 1, .read_all = r >= 2, .create = f >= 2, .write_own = v >= 1 && r >= 1,
		.write_all = v >= 2 && r >= 2, .delete_own = d >= 1 && r >= 1, .delete_all = d >= 2 && r >= 2 };
}

struct level {
	const char *name;
	int64_t bits;
	bool group;
};
static const struct level levels[] = {
	{ "None", 0, false }, { "Contributor", 2, false }, { "Reviewer", 257, false }, { "Nonediting Author", 258, false }, { "Author", 2113794, false },
	{ "Publishing Author", 2113796, false }, { "Editor", 4227330, false }, { "Publishing Editor", 4227332, false }, { "Owner", 403710016, false },
	{ "Author", 2113794, true }, { "Custom", 1, false }, { "Custom", 129, false }, { "Custom", 2 | 2 << 7 | 2 << 14, false },
	{ "Custom", 2 | 2 << 7 | 1 << 14 | 2 << 21, false },
};

/* ---- one level ---- */

static const char *
uuid_of(const struct dev *d, const struct type *t, const char *title)
{
	const char *uuid;
	json_t *v;

	json_object_foreach(d->have, uuid, v)
		if (strcmp(str(v, t->title), title) == 0)
			return uuid;
	return NULL;
}

/* No answer names anything of what the reader may not see. */
static void
no_leak(const json_t *data, const char *title)
{
	char *text = json_dumps(data, JSON_COMPACT);

	ck_assert_msg(strstr(text, SECRET) == NULL, "a private object leaks: %.500s", text);
	ck_assert_msg(title == NULL || strstr(text, title) == NULL, "%s leaks: %.500s", title, text);
	free(text);
}

/* Sends REQ (one change) and tells whether it was done; a refusal must name RIGHT, change nothing, and bring the server's object back. */
static bool
done(struct dev *d, json_t *req, const char *right, const char *uuid, bool visible, const char *title)
{
	json_t *data = update(d, req);
	const json_t *r = result(data, 0), *x = json_object_get(r, "error"), *created = json_object_get(data, "created");
	const char *status = str(r, "status");
	bool ok = strcmp(status, "ok") == 0 || (visible && strcmp(status, "gone") == 0), back = false;

	no_leak(data, visible || ok ? NULL : title);
	for (size_t i = 0; i < json_array_size(created); i++)
		back = back || (uuid != NULL && strcmp(str(json_array_get(created, i), "uuid"), uuid) == 0);
	if (!ok && visible) {
		ck_assert_msg(strcmp(str(x, "code"), "forbidden") == 0, "%s: %s %s", title, status, str(x, "message"));
		ck_assert_str_eq(str(json_object_get(x, "details"), "right"), right);
		ck_assert_msg(uuid == NULL || back, "%s: the server's object does not come back", title);
	}
	json_decref(data);
	return ok;
}

static void
check(const char *where, const char *what, bool have, bool want)
{
	ck_assert_msg(have == want, "%s: %s is %s", where, what, have ? "possible, but OX does not allow it" : "not possible, but OX allows it");
}

struct seen {
	bool read, write, remove, move;
};

/* Modifies, moves and deletes the three objects "<WHOSE> modify", ...; FOREIGN: names of them that the reader cannot see come from the owner. */
static struct seen
try_objects(struct dev *d, const struct dev *owner, const struct type *t, const char *folder, const char *whose, bool may_write)
{
	struct seen s = { 0 };
	char title[3][40];
	const char *uuid[3], *const what[3] = { "modify", "delete", "move" };
	bool visible;

	for (int i = 0; i < 3; i++) {
		(void)snprintf(title[i], sizeof(title[i]), "%s %s", whose, what[i]);
		uuid[i] = uuid_of(d, t, title[i]);
		ck_assert_msg(i == 0 || (uuid[i] != NULL) == s.read, "only some of the objects are visible");
		s.read = uuid[i] != NULL;
		if (uuid[i] == NULL)
			uuid[i] = uuid_of(owner, t, title[i]);
		ck_assert_ptr_nonnull(uuid[i]);
	}
	visible = s.read;
	s.write = done(d, request(d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid[0], "note", "changed")), NULL), "write", uuid[0], visible, title[0]);
	ck_assert_str_eq(ox_note(t, folder, title[0]), s.write ? "changed" : "as made");
	s.remove = done(d, request(d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid[1]))), "delete", uuid[1], visible, title[1]);
	ck_assert_msg((ox_note(t, folder, title[1]) == NULL) == s.remove, "%s at OX is not what was answered", title[1]);
	s.move = done(d, request(d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid[2], "folder", str(d->defaults, t->home))), NULL), may_write ? "delete" : "write", uuid[2], visible, title[2]);
	ck_assert_msg((ox_note(t, folder, title[2]) == NULL) == s.move, "%s at OX is not what was answered", title[2]);
	return s;
}

/* The folder of the reader's hierarchy that is shown as NAME, or NULL. */
static const json_t *
shared_folder(struct dev *d, const char *name)
{
	open_folder(d, NULL);
	return find(d, "displayName", name, NULL);
}

static size_t
count_of(struct dev *d)
{
	json_t *b = folder_body(d), *data;
	size_t n;

	(void)json_object_set_new(b, "limit", json_integer(1));
	data = good(d, "syncInit", b);
	no_leak(data, NULL);
	n = json_array_size(json_object_get(data, "created"));
	(void)json_object_del(b, "limit");
	(void)json_object_set(b, "syncid", json_object_get(data, "syncid"));
	json_decref(data);
	data = good(d, "syncEstimate", b);
	n += (size_t)json_integer_value(json_object_get(data, "count"));
	json_decref(data);
	json_decref(b);
	return n;
}

/* Reconcile with the names of everything that the owner has: what the reader may not see is unknown, and not told. */
static void
reconcile_all(struct dev *d, const struct dev *owner, size_t visible)
{
	json_t *b = folder_body(d), *pairs = json_array(), *data, *v;
	const char *uuid;

	json_object_foreach(owner->have, uuid, v)
		(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, str(v, "rev")));
	(void)json_object_set_new(b, "pairs", pairs);
	data = good(d, "reconcile", b);
	no_leak(data, NULL);
	ck_assert_uint_eq(json_array_size(pairs) - json_array_size(json_object_get(data, "deleted")), visible);
	json_decref(data);
	json_decref(b);
}

/* The answer to the first create is lost: the repetition makes no second object, also where nothing can be read. */
static bool
create_twice(struct dev *d, const struct type *t, int hour)
{
	json_t *o = object_of(t, "made by reader", hour), *req;

	(void)json_object_set_new(o, "clientId", json_string("new1"));
	req = request(d, one(o), NULL, NULL);
	json_decref(good(d, "syncUpdate", req));
	(void)json_object_set_new(json_array_get(json_object_get(req, "created"), 0), "again", json_true());
	return done(d, req, "create", NULL, true, "made by reader");
}

/* How many objects TITLE the folder holds at OX. */
static size_t
ox_count(const struct type *t, const char *folder, const char *title)
{
	json_t *rows, *row, *params = json_pack("{s:s,s:s}", "folder", folder, "columns", t->columns);
	size_t i, n = 0;

	(void)json_object_set_new(params, "start", json_string("1700000000000"));
	(void)json_object_set_new(params, "end", json_string("1900000000000"));
	rows = ox_as(OWNER, t->module, "all", params, NULL);
	json_array_foreach(rows, i, row)
		n += strcmp(json_string_value(json_array_get(row, 1)), title) == 0;
	json_decref(rows);
	return n;
}

static void
one_level(const struct type *t, const struct level *l, int n)
{
	struct allowed a = allowed_by(l->bits);
	struct seen own, foreign;
	struct dev d, owner;
	char id[24], title[60], shown[100], where[100], device[40];
	const json_t *f;
	size_t visible;
	bool created;

	(void)snprintf(title, sizeof(title), "%s of level %d", t->name, n);
	(void)snprintf(shown, sizeof(shown), "Anton Anders - %s", title);
	(void)snprintf(where, sizeof(where), "%s, %s%s (%lld)", t->name, l->name, l->group ? " by group" : "", (long long)l->bits);
	share(t, title, id);
	permit(id, READER_ID, false, EDITOR_BITS);
	ox_make(t, OWNER, id, SECRET, true); /* the oldest: no first page brings it */
	for (int i = 0; i < 6; i++) {
		static const char *const names[] = { "own modify", "own delete", "own move", "foreign modify", "foreign delete", "foreign move" };

		ox_make(t, i < 3 ? READER : OWNER, id, names[i], false);
	}
	permit(id, l->group ? TEAM : READER_ID, l->group, l->bits);
	(void)snprintf(device, sizeof(device), "%s-%d", t->name, n);
	login(&owner, OWNER, device);
	open_folder(&owner, NULL);
	open_folder(&owner, str(find(&owner, "title", title, NULL), "uuid"));
	ck_assert_uint_eq(json_object_size(owner.have), 7);
	login(&d, READER, device);
	f = shared_folder(&d, shown);
	check(where, "seeing the folder", f != NULL, a.see);
	if (f == NULL) {
		json_t *b = json_pack("{s:s}", "folder", owner.folder); /* its owner's name of it is nobody else's */

		ck_assert_str_eq(bad(&d, "syncInit", b, NULL), "not-found");
		ck_assert_str_eq(bad(&d, "getPermissions", b, NULL), "not-found");
		json_decref(b);
		(void)printf("%-12s %-18s%s folder is not seen\n", t->name, l->name, l->group ? " (group)" : "        ");
		return;
	}
	ck_assert_str_eq(str(f, "title"), title);
	ck_assert_int_eq(json_integer_value(json_object_get(f, "own_rights")), l->bits);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(f, "owner"), "id")), OWNER_ID);
	visible = (a.read_own ? 3U : 0) + (a.read_all ? 3U : 0);
	(void)snprintf(d.folder, sizeof(d.folder), "%s", str(f, "uuid"));
	ck_assert_uint_eq(count_of(&d), visible); /* counted before anything but a listing was read */
	open_folder(&d, d.folder);
	ck_assert_msg(json_object_size(d.have) == visible, "%s: %zu objects instead of %zu", where, json_object_size(d.have), visible);
	reconcile_all(&d, &owner, visible);
	open_folder(&d, d.folder);
	own = try_objects(&d, &owner, t, id, "own", a.write_own);
	foreign = try_objects(&d, &owner, t, id, "foreign", a.write_all);
	ck_assert_msg(!done(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid_of(&owner, t, SECRET), "note", "changed")), NULL), "", NULL, false, SECRET),
	    "%s: a private object was changed", where);
	ck_assert_str_eq(ox_note(t, id, SECRET), "as made");
	created = create_twice(&d, t, 500 + n);
	ck_assert_msg(ox_count(t, id, "made by reader") == created, "%s: a new object at OX is not what was answered", where);
	check(where, "creating", created, a.create);
	check(where, "reading own objects", own.read, a.read_own);
	check(where, "reading others'", foreign.read, a.read_all);
	check(where, "changing own", own.write, a.write_own);
	check(where, "changing others'", foreign.write, a.write_all);
	check(where, "deleting own", own.remove, a.delete_own);
	check(where, "deleting others'", foreign.remove, a.delete_all);
	check(where, "moving own", own.move, a.delete_own && a.write_own);
	check(where, "moving others'", foreign.move, a.delete_all && a.write_all);
	(void)pull(&d);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_ptr_null(uuid_of(&d, t, SECRET));
	ck_assert_ptr_null(uuid_of(&d, t, "Private"));
#define MARK(x, c) ((x) ? (c) : '-')
	(void)printf("%-12s %-18s%s create %c   own %c%c%c%c   others' %c%c%c%c   private ----\n", t->name, l->name, l->group ? " (group)" : "        ", MARK(created, 'c'),
	    MARK(own.read, 'r'), MARK(own.write, 'w'), MARK(own.remove, 'd'), MARK(own.move, 'm'),
	    MARK(foreign.read, 'r'), MARK(foreign.write, 'w'), MARK(foreign.remove, 'd'), MARK(foreign.move, 'm'));
}

START_TEST(table_of_levels)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		one_level(&types[_i], &levels[i], (int)i);
		forget_devices();
	}
}
END_TEST

/* ---- rights that change while somebody works ---- */

START_TEST(rights_given_and_taken)
{
	const struct type *t = &types[_i];
	struct dev d, h;
	char id[24], title[60], shown[100];
	json_t *b, *data;

	(void)snprintf(title, sizeof(title), "%s given and taken", t->name);
	(void)snprintf(shown, sizeof(shown), "Anton Anders - %s", title);
	share(t, title, id);
	ox_make(t, OWNER, id, "old one", false);
	ox_make(t, OWNER, id, SECRET, true);
	login(&h, READER, title[0] == 'c' ? "given-c" : title[0] == 'a' ? "given-a" : "given-t");
	ck_assert_ptr_null(shared_folder(&h, shown));
	permit(id, READER_ID, false, 129); /* read own: nothing yet */
	ck_assert_ptr_nonnull(shared_folder(&h, shown));
	d = h;
	open_folder(&d, str(find(&h, "displayName", shown, NULL), "uuid"));
	ck_assert_uint_eq(json_object_size(d.have), 0);
	permit(id, READER_ID, false, 257); /* read all: old objects appear, which `updates` does not tell */
	h.folder[0] = '\0';
	h.have = json_object();
	(void)json_array_append_new(held, h.have);
	open_folder(&h, NULL);
	(void)pull(&d);
	ck_assert_uint_eq(json_object_size(d.have), 1);
	ck_assert_ptr_nonnull(uuid_of(&d, t, "old one"));
	permit(id, READER_ID, false, 129); /* and vanish */
	open_folder(&h, NULL);
	(void)pull(&d);
	ck_assert_uint_eq(json_object_size(d.have), 0);
	permit(id, READER_ID, false, -1); /* withdrawn: told at the folder, and deleted from the hierarchy */
	b = request(&d, NULL, NULL, NULL);
	ck_assert_str_eq(bad(&d, "syncUpdate", b, NULL), "not-found");
	json_decref(b);
	data = update(&h, request(&h, NULL, NULL, NULL));
	ck_assert_uint_eq(json_array_size(json_object_get(data, "deleted")), 1);
	json_decref(data);
	ck_assert_ptr_null(find(&h, "displayName", shown, NULL));
	permit(id, READER_ID, false, 257); /* comes back: begun anew, the old syncid is void */
	(void)pull(&h);
	ck_assert_ptr_nonnull(find(&h, "displayName", shown, NULL));
	b = request(&d, NULL, NULL, NULL);
	ck_assert_str_eq(bad(&d, "syncUpdate", b, NULL), "reconcile");
	json_decref(b);
	open_folder(&d, d.folder);
	ck_assert_uint_eq(json_object_size(d.have), 1);
}
END_TEST

/* An object that becomes private is deleted from the readers' clients; what happens to it then wakes no ping. */
START_TEST(what_becomes_private_is_gone)
{
	const struct type *t = &types[_i];
	struct dev d;
	char id[24], obj[24] = "", title[60], shown[100];
	json_t *b, *data, *params;

	if (strcmp(t->module, "calendar") != 0)
		return; /* OX hides private contacts and tasks without telling when one becomes private: private_by_listing */
	(void)snprintf(title, sizeof(title), "%s closed later", t->name);
	(void)snprintf(shown, sizeof(shown), "Anton Anders - %s", title);
	share(t, title, id);
	ox_make(t, OWNER, id, "open first", false);
	permit(id, READER_ID, false, 4227330);
	login(&d, READER, t->name);
	ck_assert_ptr_nonnull(shared_folder(&d, shown));
	open_folder(&d, str(find(&d, "displayName", shown, NULL), "uuid"));
	ck_assert_uint_eq(json_object_size(d.have), 1);
	params = json_pack("{s:s,s:s}", "folder", id, "columns", t->columns);
	(void)json_object_set_new(params, "start", json_string("1700000000000"));
	(void)json_object_set_new(params, "end", json_string("1900000000000"));
	data = ox_as(OWNER, t->module, "all", params, NULL);
	b = json_array_get(json_array_get(data, 0), 0);
	if (json_is_string(b))
		(void)snprintf(obj, sizeof(obj), "%s", json_string_value(b));
	else
		(void)snprintf(obj, sizeof(obj), "%lld", (long long)json_integer_value(b));
	json_decref(data);
	json_decref(ox_as(OWNER, t->module, "update", json_pack("{s:s,s:s,s:s}", "folder", id, "id", obj, "timestamp", NOW),
	    json_pack("{s:b,s:s,s:s}", "private_flag", 1, t->title, SECRET, "note", "closed")));
	/* he had changed it: gone, not "try again" for ever */
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid_of(&d, t, "open first"), "note", "mine")), NULL));
	no_leak(data, NULL);
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	json_decref(data);
	(void)pull(&d);
	ck_assert_uint_eq(json_object_size(d.have), 0);
	json_decref(ox_as(OWNER, t->module, "update", json_pack("{s:s,s:s,s:s}", "folder", id, "id", obj, "timestamp", NOW), json_pack("{s:s}", "note", "again")));
	b = json_pack("{s:i,s:[{s:s,s:s}]}", "heartbeat", 2, "folders", "folder", d.folder, "syncid", d.syncid);
	data = good(&d, "ping", b);
	ck_assert_uint_eq(json_array_size(json_object_get(data, "changed")), 0);
	json_decref(data);
	json_decref(b);
}
END_TEST

/*
 * `updates` says nothing of a contact or task that became private (OX 8.19): it is deleted from the readers' clients by the first sync after
 * full_listing_interval, here a second; its new content is never sent.
 */
START_TEST(private_by_listing)
{
	const struct type *t = &types[_i == 0 ? 0 : 2];
	struct dev d;
	char id[24], obj[24] = "", title[60], shown[100];
	json_t *data;
	int left = 100;

	(void)snprintf(title, sizeof(title), "%s hidden later", t->name);
	(void)snprintf(shown, sizeof(shown), "Anton Anders - %s", title);
	share(t, title, id);
	ox_make(t, OWNER, id, "open first", false);
	ox_make(t, OWNER, id, "stays", false);
	permit(id, READER_ID, false, 4227330);
	login(&d, READER, t->name);
	ck_assert_ptr_nonnull(shared_folder(&d, shown));
	open_folder(&d, str(find(&d, "displayName", shown, NULL), "uuid"));
	ck_assert_uint_eq(json_object_size(d.have), 2);
	ck_assert_uint_eq(ox_rows(OWNER, t->module, id, t->columns, "open first", obj, sizeof(obj)), 1);
	json_decref(ox_as(OWNER, t->module, "update", json_pack("{s:s,s:s,s:s}", "folder", id, "id", obj, "timestamp", NOW),
	    json_pack("{s:b,s:s,s:s}", "private_flag", 1, t->title, SECRET, "note", "closed")));
	while (json_object_size(d.have) == 2) {
		ck_assert_int_gt(left--, 0);
		sleep_ms(50);
		data = update(&d, request(&d, NULL, NULL, NULL));
		no_leak(data, NULL);
		json_decref(data);
	}
	ck_assert_uint_eq(json_object_size(d.have), 1);
	(void)uuid_of(&d, t, "stays");
}
END_TEST

/*
 * Mail: the server that was recorded shows nobody's mail folders to others, so there is no table of levels.  What the mail server's ACL refuses
 * in a folder that is shown comes as an error of OX: it is the change's own, names the right, and the mail comes back.
 */
START_TEST(mail_acl)
{
	static const struct { const char *action, *right; } t[] = { { "update", "write" }, { "delete", "delete" }, { "import", "create" } };
	struct dev d;
	char rule[300], uuid[40];
	const char *mail;
	json_t *req;
	bool ok;

	world_control(&w, "fill", "{\"user\":\"caesar\",\"folder\":\"default0/INBOX\",\"count\":2}", NULL, 0);
	login(&d, READER, "acl");
	open_folder(&d, str(d.defaults, "inbox"));
	ck_assert_uint_eq(json_object_size(d.have), 2);
	mail = json_object_iter_key(json_object_iter(d.have));
	(void)snprintf(uuid, sizeof(uuid), "%s", mail);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"mail\",\"action\":\"%s\"},\"effect\":{\"error\":\"IMAP-2018\",\"category\":3}}", t[i].action);
		faults(rule);
		req = i == 0 ? request(&d, NULL, one(json_pack("{s:s,s:i}", "uuid", uuid, "flags", 8)), NULL) :
		    i == 1 ? request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))) :
		    request(&d, one(json_pack("{s:s,s:s}", "clientId", "acl1", "raw", "U3ViamVjdDogeA0KDQp4DQo=")), NULL, NULL);
		ok = done(&d, req, t[i].right, i < 2 ? uuid : NULL, true, t[i].action);
		ck_assert(!ok);
		(void)printf("mail         ACL                        %s refused, right \"%s\"\n", t[i].action, t[i].right);
		no_faults();
	}
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_uint_eq(json_object_size(d.have), 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rights");
	TCase *t = tcase_create("rights");

	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_loop_test(t, table_of_levels, 0, (int)ARRAY_LEN(types));
	tcase_add_loop_test(t, rights_given_and_taken, 0, (int)ARRAY_LEN(types));
	tcase_add_loop_test(t, what_becomes_private_is_gone, 0, (int)ARRAY_LEN(types));
	tcase_add_test(t, mail_acl);
	suite_add_tcase(s, t);
	t = tcase_create("listed");
	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up_listed, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_loop_test(t, private_by_listing, 0, 2);
	suite_add_tcase(s, t);
	return harness_main(s);
}
