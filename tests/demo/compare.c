/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * compare: do an OX server and directories of usmsync hold the same?  Reads the server by the OX API alone (nothing of usmd is
 * asked), the directories as files, and prints a table: per folder the objects on the server and in each directory, equal yes
 * or no.  Exit status 0 = all equal, 1 = a difference (named below the table), 2 = the comparison could not be made.
 *
 * usage: compare OX-URL USER PASSWORD DIR [DIR...]
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_int.h"
#include "usmd/backend.h"
#include "usmd/pim.h"

#define MAX_DIRS 8

struct bag {
	char **s;
	size_t n, cap;
};

struct folder_cmp {
	const char *oxid;
	enum content ct;
	char *path;
	struct bag server, dir[MAX_DIRS];
};

volatile sig_atomic_t client_stop;

void
say(const struct client *c, const char *fmt, ...)
{
	(void)c, (void)fmt;
}

void
complain(struct client *c, const char *fmt, ...)
{
	(void)c, (void)fmt;
}

static void
die(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "compare: %s: %s\n", what, e != NULL ? e->text : "out of memory");
	exit(2);
}

static void
bag_add(struct bag *b, char *s)
{
	if (s == NULL)
		die("an object", NULL);
	if (b->n == b->cap) {
		b->cap = b->cap != 0 ? b->cap * 2 : 64;
		b->s = mem_realloc(b->s, b->cap * sizeof(*b->s));
		if (b->s == NULL)
			die("an object", NULL);
	}
	b->s[b->n++] = s;
}

static void
bag_fini(struct bag *b)
{
	for (size_t i = 0; i < b->n; i++)
		mem_free(b->s[i]);
	mem_free(b->s);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The exceptions of a series in the order of their days: a file may have them in any. */
static void
sort_by_day(json_t *list)
{
	static const char day[] = "recurrence_date_position";

	for (size_t i = 0; i < json_array_size(list); i++)
		for (size_t k = json_array_size(list) - 1; k > i; k--) {
			json_t *a = json_incref(json_array_get(list, k - 1)), *b = json_incref(json_array_get(list, k));

			if (json_integer_value(json_object_get(a, day)) > json_integer_value(json_object_get(b, day))) {
				(void)json_array_set(list, k - 1, b);
				(void)json_array_set(list, k, a);
			}
			json_decref(a);
			json_decref(b);
		}
}

/* The octets of a mail without the line that OX puts into its header (usmsync(1), WHAT IS NOT KEPT): who wrote a draft has it without. */
static void
mail_hash(const char *p, size_t n, char hash[65])
{
	static const char marker[] = "X-OX-Marker:";
	struct buf b;
	bool header = true;

	buf_init(&b, n + 1);
	for (size_t i = 0, len; i < n; i += len) {
		const char *end = memchr(p + i, '\n', n - i);

		len = end != NULL ? (size_t)(end - (p + i)) + 1 : n - i;
		header = header && !(len <= 2 && p[i + len - 1] == '\n');
		if (!header || len < sizeof(marker) - 1 || memcmp(p + i, marker, sizeof(marker) - 1) != 0)
			buf_add(&b, p + i, len);
	}
	file_hash(b.p != NULL ? b.p : "", b.len, hash);
	buf_fini(&b);
}

/* What a text says, in one canonical line: the fields that a file can hold; of a series with its exceptions. */
static char *
canonical(enum content ct, const char *name, const void *p, size_t n)
{
	json_t *o, *overrides;
	struct err e;
	char *s, hash[65];

	if (ct == CT_MAIL) {
		struct buf b;

		mail_hash(p, n, hash);
		buf_init(&b, 0);
		buf_addf(&b, "flags %lld octets %s", (long long)mail_flags_of_name(name), hash);
		return buf_take(&b, NULL);
	}
	if (text_to_object(ct, name, p, n, &o, &overrides, &e) != RC_OK) {
		struct buf b;

		buf_init(&b, 0);
		buf_addf(&b, "unreadable %s: %s", name, e.text);
		return buf_take(&b, NULL);
	}
	sort_by_day(overrides);
	if (json_array_size(overrides) > 0)
		(void)json_object_set(o, "exceptions", overrides);
	s = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	json_decref(overrides);
	return s;
}

/* LINE (of an object) and HERE (a line for each of its attachments), both freed. */
static char *
with_attachments(char *line, struct bag *here)
{
	struct buf b;
	char *all;

	if (line == NULL)
		die("an object", NULL);
	buf_init(&b, 0);
	buf_adds(&b, line);
	if (here->n > 1)
		qsort(here->s, here->n, sizeof(char *), by_text);
	for (size_t i = 0; i < here->n; i++)
		buf_addf(&b, " attachment %s", here->s[i]);
	all = buf_take(&b, NULL);
	mem_free(line);
	bag_fini(here);
	memset(here, 0, sizeof(*here));
	return all;
}

/* An attachment by name and octets. */
static char *
attachment_line(const char *name, const void *p, size_t n)
{
	struct buf b;
	char hash[65];

	file_hash(p != NULL ? p : "", n, hash);
	buf_init(&b, 0);
	buf_addf(&b, "%s %s", name, hash);
	return buf_take(&b, NULL);
}

/* ---- the server ---- */

static void
server_photo(struct ox_session *s, const struct folder_cmp *f, const struct object *o, json_t *j)
{
	struct buf octets, text;
	struct err e;

	buf_init(&octets, 0);
	buf_init(&text, 0);
	if (ox_photo(s, f->oxid, o->id, &octets, &e) != RC_OK)
		die("a picture", &e);
	base64_encode(&text, octets.p, octets.len);
	(void)json_object_set_new(j, "image1", json_string(text.p));
	buf_fini(&octets);
	buf_fini(&text);
}

/* What is no field of an object, for this comparison alone. */
#define ATTACHED "attached files"

static void
server_attachments(struct ox_session *s, const struct folder_cmp *f, const struct object *o, json_t *j)
{
	struct arena *a = arena_new(0);
	struct ox_attachment *list;
	json_t *lines = json_array();
	struct err e;
	size_t n;

	if (a == NULL || ox_attachments(s, a, f->ct, f->oxid, o->id, &list, &n, &e) != RC_OK)
		die("attachments", &e);
	for (size_t i = 0; i < n; i++) {
		struct buf octets;
		char *line;

		buf_init(&octets, 0);
		if (ox_attachment_octets(s, f->ct, f->oxid, o->id, list[i].id, &octets, &e) != RC_OK)
			die("an attachment", &e);
		line = attachment_line(list[i].name, octets.p, octets.len);
		(void)json_array_append_new(lines, json_string(line));
		mem_free(line);
		buf_fini(&octets);
	}
	(void)json_object_set_new(j, ATTACHED, lines);
	arena_free(a);
}

static bool
is_deleted(const struct object *o)
{
	return (object_get_i64(o, (unsigned)model_field(model_content(CT_MAIL), "flags"), 0) & 2) != 0;
}

static char *
server_mail(struct ox_session *s, const struct folder_cmp *f, const struct object *o)
{
	struct buf b;
	char *name, *line;
	struct err e;

	buf_init(&b, 0);
	if (ox_mail_raw(s, f->oxid, o->id, o->oxid, &b, &e) != RC_OK)
		die("a mail", &e);
	name = mail_name_with_flags("m.eml", object_get_i64(o, (unsigned)model_field(model_content(CT_MAIL), "flags"), 0));
	line = canonical(CT_MAIL, name, b.p != NULL ? b.p : "", b.len);
	mem_free(name);
	buf_fini(&b);
	return line;
}

static json_t *
server_object(struct ox_session *s, const struct folder_cmp *f, const struct object *o)
{
	const struct content_type *t = model_content(f->ct);
	json_t *j = json_object();

	for (size_t i = 0; i < t->n_fields; i++)
		/* 0 and false of these say "not set" in a row of OX */
		if (o->v[i] != NULL && (t->fields[i].flags & FF_NODELIVER) == 0 &&
		    ((t->fields[i].flags & FF_ZERO) == 0 || !(json_is_false(o->v[i]) || (json_is_integer(o->v[i]) && json_integer_value(o->v[i]) == 0))))
			(void)json_object_set(j, t->fields[i].name, o->v[i]);
	if (json_object_get(j, "image_last_modified") != NULL)
		server_photo(s, f, o, j);
	if (json_object_get(j, "number_of_attachments") != NULL)
		server_attachments(s, f, o, j);
	return j;
}

static struct bag *
bag_of(const json_t *lines)
{
	static struct bag bag;

	for (size_t i = 0; i < json_array_size(lines); i++)
		bag_add(&bag, mem_dup_str(json_string_value(json_array_get(lines, i))));
	return &bag;
}

static bool
is_series(const json_t *o)
{
	return json_integer_value(json_object_get(o, "recurrence_type")) > 0;
}

static bool
same_series(const json_t *a, const json_t *b)
{
	const char *x = json_string_value(json_object_get(a, "recurrence_id")), *y = json_string_value(json_object_get(b, "recurrence_id"));

	return x != NULL && y != NULL && strcmp(x, y) == 0;
}

/* One line an object; an exception is part of its series' line where that is in the folder. */
static void
server_lines(struct folder_cmp *f, const json_t *all)
{
	const json_t *o, *x;
	size_t i, k, n;

	json_array_foreach(all, i, o) {
		json_t *exceptions = json_array();
		bool part = false;
		char *text = NULL;
		struct err e;

		json_array_foreach(f->ct == CT_CALENDAR && json_object_get(o, "recurrence_id") != NULL ? all : NULL, k, x) {
			part = part || (!is_series(o) && is_series(x) && same_series(o, x));
			if (is_series(o) && !is_series(x) && same_series(o, x))
				(void)json_array_append(exceptions, (json_t *)(uintptr_t)x);
		}
		if (!part && object_to_text(f->ct, o, exceptions, &text, &n, &e) != RC_OK)
			die("an object of the server", &e);
		if (!part)
			bag_add(&f->server, with_attachments(canonical(f->ct, "server", text, n), bag_of(json_object_get(o, ATTACHED))));
		free(text); /* pim's own allocation */
		json_decref(exceptions);
	}
}

static void
read_server_folder(struct ox_session *s, const struct model_keys *keys, struct folder_cmp *f)
{
	struct arena *a = arena_new(0);
	struct sighting *rows;
	json_t *all = json_array();
	struct err e;
	size_t n;

	if (a == NULL || ox_listing(s, a, keys, f->ct, f->oxid, &rows, &n, &e) != RC_OK)
		die(f->path, &e);
	for (size_t i = 0; i < n; i += 500) {
		int64_t ids[500];
		const char *oxids[500];
		size_t k = n - i < 500 ? n - i : 500, got;
		struct object **o;

		for (size_t j = 0; j < k; j++) {
			ids[j] = rows[i + j].id;
			oxids[j] = rows[i + j].oxid;
		}
		if (ox_list(s, a, f->ct, f->oxid, ids, oxids, k, &o, &got, &e) != RC_OK)
			die(f->path, &e);
		for (size_t j = 0; j < got; j++)
			if (f->ct != CT_MAIL)
				(void)json_array_append_new(all, server_object(s, f, o[j]));
			else if (!is_deleted(o[j])) /* \Deleted: for no client */
				bag_add(&f->server, server_mail(s, f, o[j]));
		object_drop_all(o, got);
	}
	server_lines(f, all);
	json_decref(all);
	arena_free(a);
}

/* What another user shares has its parent elsewhere, and is "Shared folders/OWNER - TITLE" in a directory; NULL = it is not there. */
static char *
shared_path(const char *dir, const char *title)
{
	char *shared = path_join(dir, "Shared folders"), *path = NULL;
	DIR *d = shared != NULL ? opendir(shared) : NULL;
	size_t n = strlen(title);
	const struct dirent *de;

	while (path == NULL && d != NULL && (de = readdir(d)) != NULL) {
		size_t len = strlen(de->d_name);

		if (len > n + 3 && strcmp(de->d_name + len - n, title) == 0 && memcmp(de->d_name + len - n - 3, " - ", 3) == 0)
			path = path_join("Shared folders", de->d_name);
	}
	if (d != NULL)
		(void)closedir(d);
	mem_free(shared);
	return path;
}

static char *
path_of(struct object *const *o, size_t n, const char *oxid)
{
	const struct content_type *t = model_content(CT_FOLDER);
	unsigned title = (unsigned)model_field(t, "title"), parent = (unsigned)model_field(t, "folder_id");

	for (size_t i = 0; i < n; i++) {
		char *up, *name, *path;

		if (strcmp(o[i]->oxid, oxid) != 0)
			continue;
		up = path_of(o, n, object_get_str(o[i], parent) != NULL ? object_get_str(o[i], parent) : "");
		name = name_clean(object_get_str(o[i], title), "folder");
		path = up != NULL && name != NULL ? path_join(up, name) : NULL;
		mem_free(up);
		mem_free(name);
		return path;
	}
	return mem_dup_str("");
}

/* ---- a directory ---- */

/* The files beside that of an object. */
static struct bag *
dir_attachments(const struct client *c, const char *object)
{
	static struct bag bag;
	char dir[4096], *full;
	struct dirent *de;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "%s" ATTACHMENTS, object);
	full = full_path(c, dir);
	d = full != NULL ? opendir(full) : NULL;
	while (d != NULL && (de = readdir(d)) != NULL) {
		char *path = de->d_name[0] != '.' ? path_join(dir, de->d_name) : NULL;
		struct buf b;
		struct err e;

		if (path == NULL)
			continue;
		buf_init(&b, 0);
		if (file_read(c, path, &b, &e) != RC_OK)
			die(path, &e);
		bag_add(&bag, attachment_line(de->d_name, b.p, b.len));
		buf_fini(&b);
		mem_free(path);
	}
	if (d != NULL)
		(void)closedir(d);
	mem_free(full);
	return &bag;
}

static void
read_dir(const char *root, const struct folder_cmp *f, struct bag *out)
{
	struct client c = { .o = { .dir = root } };
	char *full = full_path(&c, f->path);
	DIR *d = full != NULL ? opendir(full) : NULL;
	const char *ext = type_extension(f->ct);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		size_t n = strlen(de->d_name), k = strlen(ext);
		struct buf b;
		struct err e;
		char *path;

		if (n <= k || strcmp(de->d_name + n - k, ext) != 0 || de->d_name[0] == '.')
			continue;
		buf_init(&b, 0);
		path = path_join(f->path, de->d_name);
		if (path == NULL || file_read(&c, path, &b, &e) != RC_OK)
			die(de->d_name, &e);
		bag_add(out, with_attachments(canonical(f->ct, de->d_name, b.p != NULL ? b.p : "", b.len), dir_attachments(&c, path)));
		buf_fini(&b);
		mem_free(path);
	}
	if (d != NULL)
		(void)closedir(d);
	mem_free(full);
}

static bool
same(struct bag *a, struct bag *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->s[i], b->s[i]) != 0)
			return false;
	return true;
}

/* The first line that one side has and the other has not. */
static void
explain(const struct folder_cmp *f, const char *dir, const struct bag *server, const struct bag *here)
{
	size_t i = 0, k = 0, shown = 0;

	while ((i < server->n || k < here->n) && shown < 4) {
		int c = i == server->n ? 1 : k == here->n ? -1 : strcmp(server->s[i], here->s[k]);

		if (c == 0) {
			i++;
			k++;
			continue;
		}
		(void)printf("  %s: %s: %.300s\n", f->path, c < 0 ? "only on the server" : dir, c < 0 ? server->s[i] : here->s[k]);
		if (c < 0)
			i++;
		else
			k++;
		shown++;
	}
}

static int
table(struct folder_cmp *f, size_t n, char **dirs, int n_dirs)
{
	bool all = true;

	(void)printf("%-34s %8s", "folder", "server");
	for (int d = 0; d < n_dirs; d++)
		(void)printf("  device %c", 'A' + d);
	(void)printf("  equal\n");
	for (size_t i = 0; i < n; i++) {
		bool eq = true;

		if (f[i].server.n != 0)
			qsort(f[i].server.s, f[i].server.n, sizeof(char *), by_text);
		(void)printf("%-34.34s %8zu", f[i].path, f[i].server.n);
		for (int d = 0; d < n_dirs; d++) {
			if (f[i].dir[d].n != 0)
				qsort(f[i].dir[d].s, f[i].dir[d].n, sizeof(char *), by_text);
			eq = eq && same(&f[i].server, &f[i].dir[d]);
			(void)printf("  %8zu", f[i].dir[d].n);
		}
		(void)printf("  %s\n", eq ? "yes" : "NO");
		all = all && eq;
	}
	for (size_t i = 0; i < n; i++)
		for (int d = 0; d < n_dirs; d++)
			if (!same(&f[i].server, &f[i].dir[d]))
				explain(&f[i], dirs[d], &f[i].server, &f[i].dir[d]);
	return all ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static const unsigned char key[KEY_BYTES];
	struct backend_options o = {
		.client = "USM-JSON", .client_fallback = "USM-EAS", .user_agent = "usmd-compare", .client_ip = "127.0.0.1", .ca_file = "",
		.tls_verify = true, .connect_timeout_ms = 5000, .timeout_ms = 100000, .max_connections = 2,
		.max_answer_bytes = (size_t)256 << 20, .rows_per_request = 500,
	};
	struct arena *a = arena_new(0);
	struct model_keys *keys = model_keys_new(key);
	struct backend *b = NULL;
	struct ox_session *s = NULL;
	struct object **folders;
	struct folder_cmp *f;
	size_t n, k = 0;
	struct err e;
	int status;

	if (argc < 5 || argc - 4 > MAX_DIRS || a == NULL || keys == NULL) {
		(void)fputs("usage: compare OX-URL USER PASSWORD DIR [DIR...]\n", stderr);
		return 2;
	}
	o.url = argv[1];
	pim_init();
	if (backend_new(&o, &b, &e) != RC_OK || ox_login(b, argv[2], argv[3], "compare", &s, &e) != RC_OK)
		die("login", &e);
	if (ox_folders(s, a, &folders, &n, &e) != RC_OK)
		die("folders", &e);
	f = arena_array(a, struct folder_cmp, n + 1);
	if (f == NULL)
		die("folders", NULL);
	for (size_t i = 0; i < n; i++) {
		const char *module = object_get_str(folders[i], (unsigned)model_field(model_content(CT_FOLDER), "module"));
		const struct content_type *t = model_content_by_name(module);

		/* the root of a mail account holds folders, no mails */
		if (t == NULL || t->ct == CT_FOLDER || strcmp(folders[i]->oxid, "default0") == 0)
			continue;
		f[k] = (struct folder_cmp){ .oxid = folders[i]->oxid, .ct = t->ct, .path = path_of(folders, n, folders[i]->oxid) };
		if (f[k].path == NULL)
			die("folders", NULL);
		if (strchr(f[k].path, '/') == NULL) {
			char *shared = shared_path(argv[4], f[k].path);

			if (shared != NULL) {
				mem_free(f[k].path);
				f[k].path = shared;
			}
		}
		read_server_folder(s, keys, &f[k]);
		for (int d = 4; d < argc; d++)
			read_dir(argv[d], &f[k], &f[k].dir[d - 4]);
		k++;
	}
	status = table(f, k, argv + 4, argc - 4);
	while (k-- > 0) {
		bag_fini(&f[k].server);
		for (int d = 0; d < argc - 4; d++)
			bag_fini(&f[k].dir[d]);
		mem_free(f[k].path);
	}
	ox_session_end(s);
	ox_session_unref(s);
	backend_free(b);
	object_drop_all(folders, n);
	model_keys_free(keys);
	arena_free(a);
	return status;
}
