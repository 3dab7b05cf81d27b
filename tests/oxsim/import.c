/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * oxsim --import: vCards, calendars and mails from files and folders into the default folders of a user, through src/pim and
 * the same inserts that requests use.  Every file or object that is refused is named with the reason.
 */
#include <stdlib.h>

#include "oxsim/mail.h"
#include "usmd/pim.h"

#define IMPORT_DEPTH 16

struct import {
	struct user *u;
	struct sb out;           /* answers nobody reads */
	const char *file;
	size_t taken[PIM_KINDS], refused;
};

static void
refuse(struct import *im, size_t number, const char *why)
{
	im->refused++;
	if (number > 0)
		fprintf(stderr, "%s: object %zu: %s\n", im->file, number, why);
	else
		fprintf(stderr, "%s: %s\n", im->file, why);
}

static void
refuse_answer(struct import *im, const struct req *q, size_t number)
{
	const char *code = json_string_value(json_object_get(q->err, "code"));
	const char *text = json_string_value(json_object_get(q->err, "error"));
	char *why = xprintf("%s (%s)", text != NULL ? text : "refused", code != NULL ? code : "no code");

	refuse(im, number, why);
	free(why);
}

/* BODY (stolen) as action of the calendar at the series, as a client sends it */
static void
import_occurrence(struct import *im, const char *action, const struct obj *series, json_t *body, size_t number)
{
	struct req q;
	char id[24], folder[24];

	req_as_user(&q, im->u, &im->out);
	(void)snprintf(q.module, sizeof(q.module), "calendar");
	(void)snprintf(id, sizeof(id), "%d", series->id);
	(void)snprintf(folder, sizeof(folder), "%d", im->u->f_cal);
	q.action = action;
	q.j = body;
	add_arg(&q, "id", id);
	add_arg(&q, "folder", folder);
	add_arg(&q, "timestamp", "9007199254740992");
	add_arg(&q, "timezone", "UTC");
	envelope_begin(&q);
	dispatch(&q);
	if (q.failed)
		refuse_answer(im, &q, number);
	req_clear(&q);
	im->out.len = 0;
	json_decref(body);
}

/* a change exception: an update of the series at its date */
static void
import_exception(struct import *im, const struct obj *series, const json_t *x, size_t number)
{
	static const char *const texts[] = { "title", "note", "location", "categories" };
	json_t *fields = json_deep_copy(x);
	size_t i;

	json_object_set_new(fields, "ignore_conflicts", json_true());
	(void)json_object_del(fields, "uid");
	/* an occurrence in a file is whole: what it does not say, it has not; the server would keep the series' */
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (json_object_get(fields, texts[i]) == NULL)
			json_object_set_new(fields, texts[i], json_null());
	if (json_object_get(fields, "alarm") == NULL)
		json_object_set_new(fields, "alarm", json_integer(-1));
	if (json_object_get(fields, "participants") == NULL)
		json_object_set_new(fields, "participants", json_pack("[{s:i,s:i}]", "type", 1, "id", im->u->id));
	import_occurrence(im, "update", series, fields, number);
}

/* a day that is left out: no part of a new series, it is deleted then */
static void
import_deletion(struct import *im, const struct obj *series, json_int_t day, size_t number)
{
	import_occurrence(im, "delete", series, json_pack("{s:i,s:i,s:I}", "id", series->id, "folder", im->u->f_cal, "recurrence_date_position", day), number);
}

static void
import_pim(struct import *im, const struct pim_item *item)
{
	int id = item->kind == PIM_APPOINTMENT ? im->u->f_cal : item->kind == PIM_TASK ? im->u->f_task : im->u->f_con;
	struct folder *f = folder_get(im->u->c, id);
	json_t *fields = json_deep_copy(item->object), *day;
	struct obj *o;
	struct req q;
	size_t i;

	json_object_set_new(fields, "folder_id", json_integer(id));
	if (item->kind == PIM_APPOINTMENT)
		json_object_set_new(fields, "ignore_conflicts", json_true());
	req_as_user(&q, im->u, &im->out);
	q.action = "new";
	q.j = fields;
	o = store_insert(&q, f, fields);
	if (o == NULL)
		refuse_answer(im, &q, item->number);
	else
		im->taken[item->kind]++;
	req_clear(&q);
	im->out.len = 0;
	for (i = 0; o != NULL && i < json_array_size(item->exceptions); i++)
		import_exception(im, o, json_array_get(item->exceptions, i), item->number);
	if (o != NULL && item->kind == PIM_APPOINTMENT)
		json_array_foreach(json_object_get(item->object, "delete_exceptions"), i, day)
			import_deletion(im, o, json_integer_value(day), item->number);
	json_decref(fields);
}

static int
on_item(void *arg, const struct pim_item *item)
{
	struct import *im = arg;
	int64_t date = json_integer_value(json_object_get(item->object, "sent_date"));

	if (item->kind != PIM_MAIL) {
		import_pim(im, item);
		return 0;
	}
	(void)mail_append(im->u, mbox_get(im->u, "INBOX"), blob_new(item->octets, item->octets_len), 0, date > 0 ? date : sim_now());
	im->taken[PIM_MAIL]++;
	return 0;
}

static void
import_file(struct import *im, const char *path)
{
	struct pim_options opt;
	struct pim_report rep;
	gchar *data = NULL;
	gsize n = 0;
	enum pim_rc rc;
	size_t i;

	im->file = path;
	if (!g_file_get_contents(path, &data, &n, NULL)) {
		refuse(im, 0, "cannot be read");
		return;
	}
	pim_options_init(&opt);
	opt.lenient = true;
	pim_report_init(&rep);
	rc = pim_file_parse(path, data, n, &opt, on_item, im, &rep);
	for (i = 0; i < rep.problems_len; i++)
		if (rep.problems[i].kind == PIM_PROBLEM_REFUSED || rep.problems[i].kind == PIM_PROBLEM_UNSUPPORTED)
			refuse(im, rep.problems[i].number, rep.problems[i].text);
	if (rc != PIM_OK && rep.problems_len == 0)
		refuse(im, 0, pim_rc_name(rc));
	pim_report_fini(&rep);
	g_free(data);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* folders in the order of names, so that ids are the same in every run */
static void
import_path(struct import *im, const char *path, int depth)
{
	GDir *d = g_file_test(path, G_FILE_TEST_IS_DIR) && depth < IMPORT_DEPTH ? g_dir_open(path, 0, NULL) : NULL;
	GPtrArray *names;
	const char *name;
	guint i;

	if (d == NULL) {
		import_file(im, path);
		return;
	}
	names = g_ptr_array_new_with_free_func(g_free);
	while ((name = g_dir_read_name(d)) != NULL)
		if (name[0] != '.' && !g_str_has_suffix(name, ".md"))
			g_ptr_array_add(names, g_build_filename(path, name, NULL));
	g_dir_close(d);
	g_ptr_array_sort(names, by_name);
	for (i = 0; i < names->len; i++)
		import_path(im, g_ptr_array_index(names, i), depth + 1);
	g_ptr_array_free(names, TRUE);
}

bool
import_paths(const char *user, char *const *paths, int n)
{
	struct import im = { .u = user_named(user) };
	int i;

	if (im.u == NULL) {
		fprintf(stderr, "oxsim: --import-user: there is no user \"%s\"\n", user);
		return false;
	}
	pim_init();
	(void)module_known("calendar"); /* the routes are indexed at their first use */
	for (i = 0; i < n; i++)
		import_path(&im, paths[i], 0);
	sb_free(&im.out);
	printf("imported for %s: %zu contacts, %zu distribution lists, %zu appointments, %zu tasks, %zu mails; refused: %zu\n",
	    user, im.taken[PIM_CONTACT], im.taken[PIM_DISTLIST], im.taken[PIM_APPOINTMENT], im.taken[PIM_TASK], im.taken[PIM_MAIL], im.refused);
	fflush(stdout);
	return true;
}
