/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Commands of usmctl that show what is stored, and that decide about devices, sessions, folders, objects and users. */
#include "daemon/admin_int.h"

#include <stdio.h>
#include <string.h>

/* ---- lists ---- */

static int
list(struct admin *x, enum store_list what)
{
	struct store_table t;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(NEED_STORE, x);

	if (code >= 0)
		return code;
	rc = store_list(x->conn, x->a, what, x->account_id, x->device_id, &t, &e);
	if (rc == RC_OK)
		rc = admin_print(x, &t, &e);
	return admin_end(x, rc, &e);
}

int run_accounts(struct admin *x) { return list(x, LIST_ACCOUNTS); }
int run_devices(struct admin *x) { return list(x, LIST_DEVICES); }
int run_folders(struct admin *x) { return list(x, LIST_FOLDERS); }
int run_conflicts(struct admin *x) { return list(x, LIST_CONFLICTS); }
int run_audit(struct admin *x) { return list(x, LIST_AUDIT); }
int run_stats(struct admin *x) { return list(x, LIST_STATS); }
int run_report(struct admin *x) { return list(x, LIST_REPORT); }

/* ---- what the command is about ---- */

static struct store_subject
subject(const struct admin *x)
{
	return (struct store_subject){ .account = x->account_id, .device = x->device_id, .ct = -1, .folder = x->folder != NULL ? x->folder : "",
		.session = x->session != NULL ? x->session : "", .wake = x->g != NULL ? engine_account_topic(x->g, x->context, x->user) : 0 };
}

static enum rc
subject_type(const struct admin *x, struct store_subject *s, struct err *e)
{
	const struct content_type *t = x->type != NULL ? model_content_by_name(x->type) : NULL;

	if (x->type == NULL)
		return RC_OK;
	if (t == NULL)
		return err_set(e, RC_PROTO, "--type %.40s: say folder, contact, appointment, task or mail", x->type);
	s->ct = (int)t->ct;
	return RC_OK;
}

/* ---- devices ---- */

int
run_device(struct admin *x)
{
	static const struct { const char *word; enum store_act act; const char *command, *noun; } words[] = {
		{ "allow", ACT_ALLOW, "device allow", "devices allowed" },
		{ "block", ACT_BLOCK, "device block", "devices blocked" },
		{ "quarantine", ACT_QUARANTINE, "device quarantine", "devices quarantined" },
		{ "remove", ACT_DEVICE_REMOVE, "device remove", "devices removed; a removed device that logs in again is a new one" },
	};
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc = RC_OK;
	size_t i = 0;
	int code;

	while (i < ARRAY_LEN(words) && !admin_word(x, 0, words[i].word))
		i++;
	if (i == ARRAY_LEN(words))
		return admin_usage(x);
	code = admin_begin(NEED_DEVICE | NEED_ENGINE, x);
	if (code >= 0)
		return code;
	s = subject(x);
	x->command = words[i].command;
	rc = admin_act(x, words[i].act, &s, words[i].noun, &e);
	return admin_end(x, rc, &e);
}

int
run_sessions(struct admin *x)
{
	struct store_table t;
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(NEED_ENGINE, x);

	if (code >= 0)
		return code;
	s = subject(x);
	if (!x->end) {
		rc = store_list(x->conn, x->a, LIST_SESSIONS, x->account_id, x->device_id, &t, &e);
		if (rc == RC_OK)
			rc = admin_print(x, &t, &e);
	} else if (x->account_id == 0) {
		rc = err_set(&e, RC_PROTO, "--end needs --user or --device");
	} else {
		x->command = "sessions end";
		rc = admin_act(x, ACT_SESSIONS, &s, "sessions ended; the clients have to log in again", &e);
	}
	return admin_end(x, rc, &e);
}

/* ---- folders and objects ---- */

static enum rc
object_parse(const struct admin *x, struct store_subject *s, struct err *e)
{
	if (x->object == NULL)
		return RC_OK;
	if (!parse_i64(x->object, INT64_MIN, INT64_MAX, &s->object) || s->object == 0)
		return err_set(e, RC_PROTO, "--object %.40s: say the number that usmctl aside shows, or \"id\" of usmctl explain --json", x->object);
	if (x->folder == NULL)
		return err_set(e, RC_PROTO, "--object needs --folder: the same number may be another object in another folder");
	return RC_OK;
}

int
run_resync(struct admin *x)
{
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(NEED_EITHER | NEED_ENGINE, x);

	if (code >= 0)
		return code;
	s = subject(x);
	admin_about(x, "folder", x->folder);
	admin_about(x, "object", x->object);
	rc = subject_type(x, &s, &e);
	if (rc == RC_OK)
		rc = object_parse(x, &s, &e);
	if (rc == RC_OK)
		rc = admin_act(x, ACT_RESYNC, &s, "folders of devices: each is compared anew at its device's next sync, and only differences are sent", &e);
	return admin_end(x, rc, &e);
}

int
run_aside(struct admin *x)
{
	struct store_table t;
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(NEED_ENGINE, x);

	if (code >= 0)
		return code;
	s = subject(x);
	admin_about(x, "folder", x->folder);
	admin_about(x, "object", x->object);
	rc = object_parse(x, &s, &e);
	if (rc != RC_OK)
		return admin_end(x, rc, &e);
	x->command = x->retry ? "aside retry" : x->skip ? "aside skip" : x->command;
	if (x->retry && x->account_id == 0)
		rc = err_set(&e, RC_PROTO, "--retry needs --device, or --user for what the groupware server cannot deliver");
	else if (x->retry)
		rc = admin_act(x, ACT_ASIDE_RETRY, &s, "objects are tried again at the next sync", &e);
	else if (x->skip && (x->device_id == 0 || s.object == 0))
		rc = err_set(&e, RC_PROTO, "--skip needs --device, --folder and --object");
	else if (x->skip)
		rc = admin_act(x, ACT_ASIDE_SKIP, &s, "objects are not sent to the device any more unless they change", &e);
	else if ((rc = store_list(x->conn, x->a, LIST_ASIDE, x->account_id, x->device_id, &t, &e)) == RC_OK)
		rc = admin_print(x, &t, &e);
	return admin_end(x, rc, &e);
}

/* ---- users ---- */

/* A line for the files behind those of the tables. */
static enum rc
add_kept(struct arena *a, struct store_table *t, const char *what, size_t n, struct err *e)
{
	const char **cell = arena_array(a, const char *, (t->n_rows + 1) * t->n_columns);

	if (cell == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	memcpy(cell, t->cell, t->n_rows * t->n_columns * sizeof(*cell));
	cell[t->n_rows * t->n_columns] = what;
	cell[t->n_rows * t->n_columns + 1] = arena_printf(a, "%zu", n);
	t->cell = cell;
	t->n_rows++;
	return RC_OK;
}

/* The files go first: when that fails the database still knows whose they are, and the command can be given again. */
static enum rc
forget(struct admin *x, bool only_show, struct err *e)
{
	const struct person p = { .account = x->account_id, .context = x->context, .user = x->user };
	struct store_subject s = subject(x);
	struct person_files files;
	struct store_table t;
	enum rc rc = persons_files(x->c, x->conn, x->a, &p, true, &files, e);

	if (rc == RC_OK && x->account_id == 0 && files.feedback + files.traces == 0)
		return err_set(e, RC_NOTFOUND, "nothing is kept of the user %lld/%lld at this node", (long long)x->context, (long long)x->user);
	if (rc == RC_OK && !x->dry_run)
		rc = persons_files(x->c, x->conn, x->a, &p, false, &files, e);
	if (rc == RC_OK && !only_show)
		return admin_act(x, ACT_FORGET, &s, "users forgotten; other nodes remove their files of the user within half a minute", e);
	if (rc == RC_OK)
		rc = store_list(x->conn, x->a, LIST_KEPT, x->account_id, 0, &t, e);
	if (rc == RC_OK)
		rc = add_kept(x->a, &t, "feedback_files", files.feedback, e);
	if (rc == RC_OK)
		rc = add_kept(x->a, &t, "trace_files", files.traces, e);
	return rc == RC_OK ? admin_print(x, &t, e) : rc;
}

int
run_forget(struct admin *x)
{
	struct err e = { .rc = RC_OK };
	/* people see what is kept before they decide; a script that says --dry-run gets what every command answers to that */
	bool show = x->dry_run ? !x->json : !x->apply;
	enum rc rc;
	int code = admin_begin(NEED_USER | NEED_ENGINE | KNOWN_OR_NOT, x);

	if (code >= 0)
		return code;
	x->dry_run = x->dry_run || !x->apply;
	rc = forget(x, show, &e);
	if (rc == RC_OK && x->dry_run && !x->json)
		(void)puts("Nothing is deleted yet: repeat the command with --apply.  What the user has at the groupware server is not touched.");
	return admin_end(x, rc, &e);
}

/* ---- why ---- */

static void
print_explanation(const struct admin *x, const struct explanation *y, bool first)
{
	struct buf b;

	buf_init(&b, 0);
	json_text(&b, y->details);
	if (x->json)
		(void)printf("%s{\"cause\":\"%s\",\"text\":", first ? "" : ",\n", y->cause);
	else
		(void)printf("%s\n%s\n", y->text, b.failed ? "" : b.p);
	buf_reset(&b);
	if (x->json) {
		json_text_string(&b, y->text, strlen(y->text));
		buf_adds(&b, ",\"remedy\":");
		json_text_string(&b, y->remedy, strlen(y->remedy));
		buf_adds(&b, ",\"details\":");
		json_text(&b, y->details);
		(void)printf("%s}", b.failed ? "null" : b.p);
	}
	buf_fini(&b);
}

int
run_explain(struct admin *x)
{
	struct explanation *y = NULL;
	struct explain_want want;
	struct err e = { .rc = RC_OK };
	size_t n = 0;
	enum rc rc;
	int code = admin_begin(NEED_DEVICE | NEED_ENGINE, x);

	if (code >= 0)
		return code;
	want = (struct explain_want){ .device = x->device_id, .uuid = x->object, .folder = x->folder, .id = x->id, .client_id = x->client_id, .title = x->title };
	y = arena_array(x->a, struct explanation, EXPLAIN_MAX);
	if (x->object == NULL && (x->folder == NULL || x->id == NULL) && x->client_id == NULL && x->title == NULL)
		rc = err_set(&e, RC_PROTO, "name the object: --object UUID, --folder F --id N, --client-id X or --title TEXT");
	else
		rc = y != NULL ? engine_explain(x->g, x->conn, x->a, &want, y, &n, &e) : err_set(&e, RC_NOMEM, "out of memory");
	if (rc == RC_OK && x->json)
		(void)putchar('[');
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		print_explanation(x, &y[i], i == 0);
		json_decref(y[i].details);
	}
	if (rc == RC_OK && x->json)
		(void)puts("]");
	return admin_end(x, rc, &e);
}
