/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The hierarchy as a client meets it: trees, names, folders made, renamed, moved and deleted, what is protected, and permissions set entry by
 * entry.
 */
#include "wire.h"

#define NOW "9007199254740992"
#define GUEST 77 /* an entry that no client of ours named */
#define ROUNDS 2

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 3s", "ox_timeout = 3s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static void
hierarchy(struct dev *d, const char *user, const char *device)
{
	login(d, user, device);
	open_folder(d, NULL);
}

/* Makes a folder; its uuid into UUID (40). */
static void
make(struct dev *d, const char *client_id, const char *title, const char *module, const char *parent, char *uuid)
{
	json_t *o = json_pack("{s:s,s:s,s:s}", "clientId", client_id, "title", title, "module", module), *data;

	if (parent != NULL)
		(void)json_object_set_new(o, "parent", json_string(parent));
	data = update(d, request(d, one(o), NULL, NULL));
	ck_assert_msg(strcmp(str(result(data, 0), "status"), "ok") == 0, "%s: %s", title, str(json_object_get(result(data, 0), "error"), "message"));
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	open_folder(d, NULL);
}

/* The error of the one change in REQ, which must come back whole; its message into a buffer. */
static const char *
refused(struct dev *d, json_t *req, const char *uuid, const char *code, const char *path)
{
	static char text[400];
	json_t *data = update(d, req);
	const json_t *x = json_object_get(result(data, 0), "error"), *created = json_object_get(data, "created");
	bool back = uuid == NULL;

	ck_assert_msg(strcmp(str(result(data, 0), "status"), "error") == 0, "done, and should be refused");
	ck_assert_str_eq(str(x, "code"), code);
	ck_assert_str_eq(str(json_object_get(x, "details"), "path"), path);
	for (size_t i = 0; i < json_array_size(created); i++)
		back = back || strcmp(str(json_array_get(created, i), "uuid"), uuid) == 0;
	ck_assert_msg(back, "the folder does not come back");
	(void)snprintf(text, sizeof(text), "%s", str(x, "message"));
	json_decref(data);
	return text;
}

static json_t *
folder_change(const char *uuid, const char *key, json_t *value)
{
	json_t *o = json_pack("{s:s}", "uuid", uuid);

	(void)json_object_set_new(o, key, value);
	return one(o);
}

static const json_t *
by_title(const struct dev *d, const char *title)
{
	const json_t *f = find(d, "title", title, NULL);

	ck_assert_msg(f != NULL, "there is no folder %s", title);
	return f;
}

static const json_t *
entry(const json_t *data, int64_t entity)
{
	const json_t *list = json_object_get(data, "entries");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_integer_value(json_object_get(json_array_get(list, i), "entity")) == entity)
			return json_array_get(list, i);
	return NULL;
}

static json_t *
permissions(const struct dev *d, const char *folder)
{
	json_t *b = json_pack("{s:s}", "folder", folder), *data = good(d, "getPermissions", b);

	json_decref(b);
	return data;
}

/* SET and REMOVE are stolen, NULL = none; the answer. */
static json_t *
permit(const struct dev *d, const char *folder, const char *rev, json_t *set, json_t *remove)
{
	json_t *b = json_pack("{s:s,s:s}", "folder", folder, "rev", rev), *data;

	if (set != NULL)
		(void)json_object_set_new(b, "set", set);
	if (remove != NULL)
		(void)json_object_set_new(b, "remove", remove);
	data = good(d, "setPermissions", b);
	json_decref(b);
	return data;
}

/* ---- trees ---- */

START_TEST(trees_and_names)
{
	struct dev d, b;
	const json_t *f, *root;
	char sub[40], uuid[40];
	json_t *data;

	hierarchy(&d, "anton", "trees-1");
	f = by_title(&d, "All Users"); /* the global address book: there, read only, in the public tree */
	ck_assert_str_eq(str(f, "parent"), str(by_title(&d, "Public folders"), "uuid"));
	ck_assert_str_eq(str(by_title(&d, "Public folders"), "module"), "system");
	ck_assert_ptr_null(json_object_get(f, "owner"));
	ck_assert(json_is_null(json_object_get(by_title(&d, "Calendar"), "parent")));
	make(&d, "t1", "Plans", "tasks", NULL, uuid);
	make(&d, "t2", "Plans, part 2", "tasks", uuid, sub);
	json_decref(ox_as("anton", "folders", "update", json_pack("{s:s,s:s}", "id", "31", "timestamp", NOW),
	    json_pack("{s:{s:[{s:i,s:i,s:b},{s:i,s:i,s:b}]}}", "folder", "permissions", "bits", 403710016, "entity", 3, "group", 0, "bits", 257, "entity", 4, "group", 0)));
	for (int i = 0; i < 2; i++) { /* a folder and one below it */
		data = permissions(&d, i == 0 ? uuid : sub);
		json_decref(permit(&d, i == 0 ? uuid : sub, str(data, "rev"), one(json_pack("{s:s,s:s}", "name", "berta", "level", "Reviewer")), NULL));
		json_decref(data);
	}
	hierarchy(&b, "berta", "trees-2");
	f = find(&b, "displayName", "Anton Anders - Plans, part 2", NULL);
	ck_assert_ptr_nonnull(f);
	ck_assert_str_eq(str(f, "parent"), str(find(&b, "displayName", "Anton Anders - Plans", NULL), "uuid"));
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(f, "owner"), "id")), 3);
	(void)snprintf(uuid, sizeof(uuid), "%s", str(f, "uuid"));
	(void)refused(&b, request(&b, NULL, folder_change(uuid, "title", json_string("Hers")), NULL), uuid, "forbidden", "modified[0]");
	(void)refused(&b, request(&b, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))), uuid, "forbidden", "deleted[0]");
	f = find(&b, "displayName", "Anton Anders - Calendar", NULL);
	ck_assert_ptr_nonnull(f);
	root = by_title(&b, "Shared folders");
	ck_assert_str_eq(str(f, "parent"), str(root, "uuid"));
	ck_assert_str_eq(str(f, "title"), "Calendar"); /* what a rename would change */
	ck_assert_str_eq(str(json_object_get(f, "owner"), "name"), "Anton Anders");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(f, "owner"), "id")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(f, "type")), 3);
	(void)snprintf(uuid, sizeof(uuid), "%s", str(f, "uuid"));
	(void)refused(&b, request(&b, one(json_pack("{s:s,s:s,s:s,s:s}", "clientId", "n1", "title", "x", "module", "tasks", "parent", str(root, "uuid"))), NULL, NULL),
	    NULL, "bad-request", "created[0].parent");
	/* not subscribed: not there; subscribed again: there */
	data = update(&b, request(&b, NULL, folder_change(uuid, "subscribed", json_false()), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	(void)pull(&b);
	ck_assert_ptr_null(find(&b, "displayName", "Anton Anders - Calendar", NULL));
	json_decref(ox_as("berta", "folders", "update", json_pack("{s:s,s:s}", "id", "31", "timestamp", NOW), json_pack("{s:{s:b}}", "folder", "subscribed", 1)));
	(void)pull(&b);
	ck_assert_ptr_nonnull(find(&b, "displayName", "Anton Anders - Calendar", NULL));
}
END_TEST

/* Appointments, contacts, tasks, INBOX, other mail, roots of trees: in each page, and from page to page. */
static int
place(const json_t *f)
{
	static const char *const modules[] = { "calendar", "contacts", "tasks", "mail" };
	int i = 0;

	while (i < 4 && strcmp(str(f, "module"), modules[i]) != 0)
		i++;
	return i < 3 ? i : i == 4 ? 5 : json_integer_value(json_object_get(f, "standard_folder_type")) == 7 ? 3 : 4;
}

START_TEST(what_is_wanted_first_comes_first)
{
	static const char *const limits[] = { "order-1", "order-2", "order-3" };
	int last = 0, seen[6] = { 0 }, pages = 0, limit = _i == 0 ? 1 : _i == 1 ? 7 : 1000;
	struct dev d;
	json_t *data, *b;
	bool more = true;

	login(&d, "anton", limits[_i]);
	b = json_pack("{s:i}", "limit", limit);
	while (more) {
		data = good(&d, pages++ == 0 ? "syncInit" : "syncUpdate", b);
		for (size_t i = 0; i < json_array_size(json_object_get(data, "created")); i++) {
			const json_t *f = json_array_get(json_object_get(data, "created"), i);

			ck_assert_msg(place(f) >= last, "%s (%s) comes after what is less urgent", str(f, "title"), str(f, "module"));
			last = place(f);
			seen[last]++;
		}
		more = json_is_true(json_object_get(data, "more"));
		(void)json_object_set(b, "syncid", json_object_get(data, "syncid"));
		json_decref(data);
	}
	json_decref(b);
	for (int i = 0; i < 6; i++)
		ck_assert_msg(seen[i] != 0, "no folder of place %d came", i);
	ck_assert_int_eq(seen[3], 1);
}
END_TEST

/* ---- created, renamed, moved, deleted ---- */

START_TEST(life_of_a_folder)
{
	static const char *const modules[] = { "contacts", "calendar", "tasks", "mail" };
	const char *module = modules[_i];
	struct dev d, other;
	char a[40], b[40], sub[40], twin[40];
	const char *text;
	json_t *data, *req;
	size_t n;

	hierarchy(&d, "dora", module);
	(void)snprintf(a, sizeof(a), "%s-2", module);
	hierarchy(&other, "dora", a);
	/* the answer is lost: the same folder again, once */
	req = request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "one", "title", "One", "module", module)), NULL, NULL);
	json_decref(good(&d, "syncUpdate", req));
	(void)json_object_set_new(json_array_get(json_object_get(req, "created"), 0), "again", json_true());
	data = update(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(a, sizeof(a), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	make(&d, "two", "Two", module, NULL, b);
	make(&d, "sub", "Sub", module, a, sub);
	(void)pull(&other);
	(void)find(&other, "title", "One", &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(str(by_title(&other, "Sub"), "parent"), a);
	/* a name that is taken: who makes it anew gets it, of another type it is refused; a rename is refused */
	data = update(&other, request(&other, one(json_pack("{s:s,s:s,s:s}", "clientId", "dup", "title", "One", "module", module)), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(str(result(data, 0), "uuid"), a);
	json_decref(data);
	if (strcmp(module, "mail") != 0)
		(void)refused(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "odd", "title", "One", "module", strcmp(module, "tasks") == 0 ? "contacts" : "tasks")), NULL, NULL),
		    NULL, "bad-request", "created[0].title");
	text = refused(&d, request(&d, NULL, folder_change(b, "title", json_string("One")), NULL), b, "bad-request", "modified[0].title");
	ck_assert_msg(strstr(text, "\"One\"") != NULL && strstr(text, "choose another name") != NULL, "%s", text);
	make(&d, "twin", "Two", module, a, twin);
	text = refused(&d, request(&d, NULL, folder_change(b, "parent", json_string(a)), NULL), b, "bad-request", "modified[0].parent");
	ck_assert_msg(strstr(text, "rename one of them") != NULL, "%s", text);
	/* rename, move below the other, and out again; a mail folder's uuid changes with its path */
	data = update(&d, request(&d, NULL, folder_change(b, "title", json_string("Zwei")), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	if (json_object_get(result(data, 0), "newUuid") != NULL)
		(void)snprintf(b, sizeof(b), "%s", str(result(data, 0), "newUuid"));
	json_decref(data);
	data = update(&d, request(&d, NULL, folder_change(b, "parent", json_string(a)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	if (json_object_get(result(data, 0), "newUuid") != NULL)
		(void)snprintf(b, sizeof(b), "%s", str(result(data, 0), "newUuid"));
	json_decref(data);
	(void)pull(&other);
	ck_assert_str_eq(str(by_title(&other, "Zwei"), "parent"), a);
	ck_assert_str_eq(str(by_title(&other, "Zwei"), "uuid"), b);
	(void)refused(&d, request(&d, NULL, folder_change(a, "parent", json_string(b)), NULL), a, "bad-request", "modified[0].parent"); /* into itself */
	for (int k = 0; k < 2 && strcmp(module, "mail") != 0; k++) { /* to the top, and below again */
		data = update(&d, request(&d, NULL, folder_change(b, "parent", k == 0 ? json_null() : json_string(a)), NULL));
		ck_assert_str_eq(str(result(data, 0), "status"), "ok");
		json_decref(data);
	}
	/* of a deleted folder all below is gone, too; OX moves a mail folder into the trash as it is */
	data = update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", a))));
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	json_decref(data);
	(void)pull(&d);
	(void)pull(&other);
	for (int k = 0; k < ROUNDS; k++) {
		const struct dev *x = k == 0 ? &d : &other;

		if (strcmp(module, "mail") == 0) {
			ck_assert_str_eq(str(by_title(x, "One"), "parent"), str(by_title(x, "Trash"), "uuid"));
			ck_assert_str_eq(str(by_title(x, "Sub"), "parent"), str(by_title(x, "One"), "uuid"));
			continue;
		}
		ck_assert_ptr_null(find(x, "title", "One", NULL));
		ck_assert_ptr_null(find(x, "title", "Sub", NULL));
		ck_assert_ptr_null(find(x, "title", "Zwei", NULL));
	}
}
END_TEST

/* A renamed mail folder, and one below it: their mails get other uuids, and none is sent again. */
START_TEST(renamed_mail_folder_keeps_mails)
{
	struct dev d, h;
	char was[2][40], now[2][40];
	json_t *data, *b, *pairs, *v;
	const char *uuid;

	hierarchy(&h, "emil", "renamed-mail");
	make(&h, "top", "Projects", "mail", NULL, was[0]);
	make(&h, "sub", "Bridge", "mail", was[0], was[1]);
	world_control(&w, "fill", "{\"user\":\"emil\",\"folder\":\"default0/Projects\",\"count\":4}", NULL, 0);
	world_control(&w, "fill", "{\"user\":\"emil\",\"folder\":\"default0/Projects/Bridge\",\"count\":3}", NULL, 0);
	for (int i = 0; i < 2; i++) {
		d = h;
		d.have = json_object();
		(void)json_array_append_new(held, d.have);
		open_folder(&d, was[i]);
		ck_assert_uint_eq(json_object_size(d.have), i == 0 ? 4 : 3);
		data = update(&h, request(&h, NULL, folder_change(i == 0 ? was[0] : now[0], "title", json_string(i == 0 ? "Old projects" : "Older projects")), NULL));
		(void)snprintf(now[0], sizeof(now[0]), "%s", str(result(data, 0), "newUuid"));
		json_decref(data);
		(void)pull(&h);
		ck_assert_str_eq(now[0], str(by_title(&h, i == 0 ? "Old projects" : "Older projects"), "uuid"));
		(void)snprintf(now[1], sizeof(now[1]), "%s", str(by_title(&h, "Bridge"), "uuid"));
		pairs = json_array();
		json_object_foreach(d.have, uuid, v)
			(void)json_array_append_new(pairs, json_pack("[s,s]", uuid, str(v, "rev")));
		b = json_pack("{s:s,s:s,s:o}", "folder", now[i], "formerly", was[i], "pairs", pairs);
		data = good(&d, "reconcile", b);
		ck_assert_uint_eq(json_array_size(json_object_get(data, "created")), 0);
		ck_assert_uint_eq(json_array_size(json_object_get(data, "deleted")), 0);
		ck_assert_uint_eq(json_array_size(json_object_get(data, "renamed")), json_object_size(d.have));
		uuid = json_string_value(json_array_get(json_array_get(json_object_get(data, "renamed"), 0), 0));
		ck_assert_ptr_nonnull(json_object_get(d.have, uuid));
		(void)snprintf(d.folder, sizeof(d.folder), "%s", now[i]);
		(void)snprintf(d.syncid, sizeof(d.syncid), "%s", str(data, "syncid"));
		json_decref(data);
		ck_assert_uint_eq(pull(&d), 0);
		/* without the former uuid the names of then mean nothing */
		(void)json_object_del(b, "formerly");
		data = good(&d, "reconcile", b);
		ck_assert_uint_eq(json_array_size(json_object_get(data, "deleted")), json_object_size(d.have));
		json_decref(data);
		json_decref(b);
		(void)snprintf(was[1], sizeof(was[1]), "%s", now[1]);
	}
}
END_TEST

/* What a list of folders shows beside their names, as OX counts it. */
START_TEST(counts_of_mails)
{
	struct dev d;
	char uuid[40];
	const json_t *f;
	json_t *ids, *o;

	hierarchy(&d, "caesar", "counts");
	make(&d, "counted", "Counted", "mail", NULL, uuid);
	world_control(&w, "fill", "{\"user\":\"caesar\",\"folder\":\"default0/Counted\",\"count\":5}", NULL, 0);
	ids = ox_as("caesar", "mail", "all", json_pack("{s:s,s:s}", "folder", "default0/Counted", "columns", "600"), NULL);
	for (size_t i = 0; i < json_array_size(ids); i++)
		json_decref(ox_as("caesar", "mail", "update", json_pack("{s:s,s:s}", "folder", "default0/Counted", "id", json_string_value(json_array_get(json_array_get(ids, i), 0))),
		    json_pack("{s:i}", i < 2 ? "clear_flags" : "set_flags", 32)));
	json_decref(ids);
	o = ox_as("caesar", "folders", "get", json_pack("{s:s}", "id", "default0/Counted"), NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "unread")), 2);
	json_decref(o);
	open_folder(&d, NULL);
	f = by_title(&d, "Counted");
	ck_assert_int_eq(json_integer_value(json_object_get(f, "total")), 5);
	ck_assert_int_eq(json_integer_value(json_object_get(f, "unread")), 2);
}
END_TEST

START_TEST(public_folders)
{
	struct dev d, other;
	char uuid[40], sub[40], mine[40];
	json_t *now;

	hierarchy(&d, "anton", "public-1");
	make(&d, "p1", "Team tasks", "tasks", str(by_title(&d, "Public folders"), "uuid"), uuid);
	make(&d, "p2", "Old tasks", "tasks", uuid, sub);
	ck_assert_int_eq(json_integer_value(json_object_get(by_title(&d, "Team tasks"), "type")), 2);
	make(&d, "p3", "My tasks", "tasks", NULL, mine);
	/* a folder stays in its tree */
	(void)refused(&d, request(&d, NULL, folder_change(mine, "parent", json_string(uuid)), NULL), mine, "bad-request", "modified[0].parent");
	(void)refused(&d, request(&d, NULL, folder_change(sub, "parent", json_null()), NULL), sub, "bad-request", "modified[0].parent");
	(void)refused(&d, request(&d, one(json_pack("{s:s,s:s,s:s,s:s}", "clientId", "p4", "title", "x", "module", "mail", "parent", uuid)), NULL, NULL), NULL, "bad-request",
	    "created[0].parent");
	hierarchy(&other, "dora", "public-2");
	ck_assert_ptr_null(find(&other, "title", "Team tasks", NULL)); /* nobody else has a right yet */
	/* what he makes there is his, not the folder's maker's (F-18) */
	now = permissions(&d, uuid);
	json_decref(permit(&d, uuid, str(now, "rev"), one(json_pack("{s:i,s:s}", "entity", 6, "level", "Author")), NULL));
	json_decref(now);
	open_folder(&other, NULL);
	open_folder(&other, str(find(&other, "title", "Team tasks", NULL), "uuid"));
	now = update(&other, request(&other, one(json_pack("{s:s,s:s}", "clientId", "p5", "title", "By a guest")), NULL, NULL));
	ck_assert_str_eq(str(result(now, 0), "status"), "ok");
	json_decref(now);
	open_folder(&d, uuid);
	ck_assert_int_eq(json_integer_value(json_object_get(find(&d, "title", "By a guest", NULL), "created_by")), 6);
}
END_TEST

START_TEST(standard_folders_are_protected)
{
	static const char *const names[] = { "Calendar", "Contacts", "Tasks", "Inbox", "Trash", "All Users", "Public folders", "Collected addresses" };
	struct dev d;

	hierarchy(&d, "berta", "standard");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char uuid[40];
		const char *text;

		(void)snprintf(uuid, sizeof(uuid), "%s", str(find(&d, "title", names[i], NULL), "uuid"));
		if (uuid[0] == '\0') /* shared of the same name, see trees_and_names */
			ck_abort_msg("there is no %s", names[i]);
		text = refused(&d, request(&d, NULL, folder_change(uuid, "title", json_string("Other")), NULL), uuid, "bad-request", "modified[0].title");
		ck_assert_msg(strstr(text, "is a standard folder") != NULL, "%s", text);
		(void)refused(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))), uuid, "bad-request", "deleted[0]");
		if (strcmp(names[i], "Contacts") == 0)
			(void)refused(&d, request(&d, NULL, folder_change(uuid, "parent", json_string(str(by_title(&d, "Collected addresses"), "uuid"))), NULL), uuid, "bad-request",
			    "modified[0].parent");
	}
}
END_TEST

/* ---- permissions ---- */

START_TEST(permissions_by_entry)
{
	static const char *const levels[] = { "None", "Contributor", "Reviewer", "Nonediting Author", "Author", "Publishing Author", "Editor", "Publishing Editor" };
	struct dev d, b;
	char uuid[40], rev[20];
	json_t *data, *x;

	hierarchy(&d, "anton", _i == 0 ? "permit-1" : "permit-2");
	make(&d, "f", _i == 0 ? "Shared tasks" : "Shared mails", _i == 0 ? "tasks" : "mail", NULL, uuid);
	data = permissions(&d, uuid);
	ck_assert_str_eq(str(entry(data, 3), "level"), "Owner");
	ck_assert_str_eq(str(entry(data, 3), "name"), "Anton Anders");
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) { /* every level comes back as it was set, nobody else is touched */
		(void)snprintf(rev, sizeof(rev), "%s", str(data, "rev"));
		json_decref(data);
		data = permit(&d, uuid, rev, one(json_pack("{s:i,s:s}", "entity", 5, "level", levels[i])), NULL);
		ck_assert(json_is_true(json_object_get(data, "applied")));
		ck_assert_str_eq(str(entry(data, 5), "level"), levels[i]);
		ck_assert_str_eq(str(entry(data, 5), "name"), "Caesar Conrad");
		ck_assert_str_eq(str(entry(data, 3), "level"), "Owner");
	}
	(void)snprintf(rev, sizeof(rev), "%s", str(data, "rev"));
	json_decref(data);
	/* by name, a group, and rights without a name */
	data = permit(&d, uuid, rev, json_pack("[{s:s,s:s},{s:s,s:b,s:{s:s,s:s,s:s,s:s,s:b}}]", "name", "Berta Bauer", "level", "Author", "name", "team", "group", 1, "rights",
	    "folder", "see", "read", "own", "write", "own", "delete", "none", "administer", 0), NULL);
	ck_assert_str_eq(str(entry(data, 4), "level"), "Author");
	x = (json_t *)(uintptr_t)entry(data, 8);
	ck_assert_str_eq(str(x, "level"), "Custom");
	ck_assert_str_eq(str(x, "type"), "group");
	ck_assert_str_eq(str(json_object_get(x, "rights"), "write"), "own");
	ck_assert_str_eq(str(entry(data, 5), "level"), "Publishing Editor");
	/* an old rev: nothing is written, and the answer says what is there now; the same wish again is fulfilled already */
	x = permit(&d, uuid, rev, NULL, one(json_pack("{s:i}", "entity", 5)));
	ck_assert(json_is_false(json_object_get(x, "applied")));
	ck_assert_ptr_nonnull(entry(x, 5));
	json_decref(x);
	x = permit(&d, uuid, rev, one(json_pack("{s:i,s:s}", "entity", 4, "level", "Author")), NULL);
	ck_assert(json_is_true(json_object_get(x, "applied")));
	json_decref(x);
	(void)snprintf(rev, sizeof(rev), "%s", str(data, "rev"));
	json_decref(data);
	data = permit(&d, uuid, rev, NULL, json_pack("[{s:i},{s:s,s:b}]", "entity", 5, "name", "Team Group", "group", 1));
	ck_assert_ptr_null(entry(data, 5));
	ck_assert_ptr_null(entry(data, 8));
	ck_assert_ptr_nonnull(entry(data, 4));
	json_decref(data);
	if (_i != 0)
		return; /* mail folders of others are not shown by this server */
	hierarchy(&b, "berta", "permit-3");
	data = permissions(&b, str(find(&b, "displayName", "Anton Anders - Shared tasks", NULL), "uuid"));
	ck_assert_str_eq(str(json_object_get(data, "own"), "level"), "Author");
	x = json_pack("{s:s,s:s,s:[{s:i,s:s}]}", "folder", str(find(&b, "displayName", "Anton Anders - Shared tasks", NULL), "uuid"), "rev", str(data, "rev"), "set", "entity", 4, "level", "Owner");
	ck_assert_str_eq(bad(&b, "setPermissions", x, NULL), "forbidden");
	json_decref(x);
	json_decref(data);
}
END_TEST

START_TEST(permissions_of_others_stay)
{
	struct dev d;
	char uuid[40], rev[20];
	const json_t *list;
	json_t *data, *x;
	bool kept = false;

	hierarchy(&d, "anton", "guests");
	make(&d, "f", "With a guest", "contacts", NULL, uuid);
	data = ox_as("anton", "folders", "allVisible", json_pack("{s:s,s:s}", "content_type", "contacts", "columns", "1,300"), NULL);
	list = json_object_get(data, "private");
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(json_array_get(list, i), 1)), "With a guest") == 0)
			(void)snprintf(rev, sizeof(rev), "%s", json_string_value(json_array_get(json_array_get(list, i), 0)));
	json_decref(data);
	json_decref(ox_as("anton", "folders", "update", json_pack("{s:s,s:s}", "id", rev, "timestamp", NOW),
	    json_pack("{s:{s:[{s:i,s:i,s:b},{s:i,s:i,s:b}]}}", "folder", "permissions", "bits", 403710016, "entity", 3, "group", 0, "bits", 257, "entity", GUEST, "group", 0)));
	data = permissions(&d, uuid);
	x = permit(&d, uuid, str(data, "rev"), one(json_pack("{s:i,s:s}", "entity", 4, "level", "Reviewer")), NULL);
	ck_assert(json_is_true(json_object_get(x, "applied")));
	json_decref(data);
	data = ox_as("anton", "folders", "get", json_pack("{s:s}", "id", rev), NULL);
	list = json_object_get(data, "permissions");
	for (size_t i = 0; i < json_array_size(list); i++)
		kept = kept || json_integer_value(json_object_get(json_array_get(list, i), "entity")) == GUEST;
	ck_assert_msg(kept && json_array_size(list) == 3, "an entry that was not named is gone");
	json_decref(data);
	/* nobody would be left to administer it */
	data = json_pack("{s:s,s:s,s:[{s:i,s:s}]}", "folder", uuid, "rev", str(x, "rev"), "set", "entity", 3, "level", "Author");
	ck_assert_str_eq(bad(&d, "setPermissions", data, NULL), "bad-request");
	json_decref(data);
	data = json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "folder", uuid, "rev", str(x, "rev"), "set", "name", "nobody at all", "level", "Author");
	ck_assert_str_eq(bad(&d, "setPermissions", data, NULL), "bad-request");
	json_decref(data);
	json_decref(x);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("folders");
	TCase *t = tcase_create("folders");

	tcase_set_timeout(t, 120);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, trees_and_names);
	tcase_add_loop_test(t, what_is_wanted_first_comes_first, 0, 3);
	tcase_add_loop_test(t, life_of_a_folder, 0, 4);
	tcase_add_test(t, renamed_mail_folder_keeps_mails);
	tcase_add_test(t, counts_of_mails);
	tcase_add_test(t, public_folders);
	tcase_add_test(t, standard_folders_are_protected);
	tcase_add_loop_test(t, permissions_by_entry, 0, 2);
	tcase_add_test(t, permissions_of_others_stay);
	suite_add_tcase(s, t);
	return harness_main(s);
}
