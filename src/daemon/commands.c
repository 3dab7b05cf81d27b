/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Commands of usmctl that show what is stored, and that decide about devices, sessions, folders, objects and users. */
#include "daemon/admin_int.h"

#include <stdio.h>
#include <string.h>

#define WORD_IS(x, w) ((x)->word != NULL && strcmp((x)->word, w) == 0)

/* ---- lists ---- */

static int
list(int argc, char **argv, enum store_list what, unsigned need)
{
	struct admin x;
	struct store_table t;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(argc, argv, need, &x);

	if (code >= 0)
		return code;
	rc = store_list(x.conn, x.a, what, x.account_id, x.device_id, &t, &e);
	if (rc == RC_OK)
		rc = admin_print(&x, &t, &e);
	return admin_end(&x, rc, &e);
}

int run_accounts(int argc, char **argv) { return list(argc, argv, LIST_ACCOUNTS, 0); }
int run_devices(int argc, char **argv) { return list(argc, argv, LIST_DEVICES, 0); }
int run_folders(int argc, char **argv) { return list(argc, argv, LIST_FOLDERS, 0); }
int run_conflicts(int argc, char **argv) { return list(argc, argv, LIST_CONFLICTS, 0); }
int run_audit(int argc, char **argv) { return list(argc, argv, LIST_AUDIT, 0); }
int run_stats(int argc, char **argv) { return list(argc, argv, LIST_STATS, 0); }
int run_report(int argc, char **argv) { return list(argc, argv, LIST_REPORT, 0); }

/* ---- what the command is about ---- */

static struct store_subject
subject(const struct admin *x)
{
	return (struct store_subject){ .account = x->account_id, .device = x->device_id, .ct = -1, .folder = x->folder != NULL ? x->folder : "",
		.session = x->session != NULL ? x->session : "" };
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

/* Behind the user and the device: folder and object go into the record, too. */
static void
note_target(struct admin *x)
{
	size_t n = strlen(x->target);

	if (x->folder != NULL)
		(void)snprintf(x->target + n, sizeof(x->target) - n, " folder=%.60s", x->folder);
	n = strlen(x->target);
	if (x->object != NULL)
		(void)snprintf(x->target + n, sizeof(x->target) - n, " object=%.40s", x->object);
}

/* ---- devices ---- */

int
run_device(int argc, char **argv)
{
	static const struct { const char *word; enum store_act act; const char *command, *noun; } words[] = {
		{ "allow", ACT_ALLOW, "device allow", "devices allowed" },
		{ "block", ACT_BLOCK, "device block", "devices blocked" },
		{ "quarantine", ACT_QUARANTINE, "device quarantine", "devices quarantined" },
		{ "remove", ACT_DEVICE_REMOVE, "device remove", "devices removed; a removed device that logs in again is a new one" },
	};
	struct admin x;
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc = RC_PROTO;
	int code = admin_begin(argc, argv, NEED_DEVICE | NEED_ENGINE | TAKES_WORD, &x);

	if (code >= 0)
		return code;
	s = subject(&x);
	(void)err_set(&e, RC_PROTO, "device %.20s: say allow, block, quarantine or remove", x.word);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (WORD_IS(&x, words[i].word)) {
			x.command = words[i].command;
			rc = admin_act(&x, words[i].act, &s, words[i].noun, &e);
		}
	return admin_end(&x, rc, &e);
}

int
run_sessions(int argc, char **argv)
{
	struct admin x;
	struct store_table t;
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(argc, argv, NEED_ENGINE, &x);

	if (code >= 0)
		return code;
	s = subject(&x);
	if (!x.end) {
		rc = store_list(x.conn, x.a, LIST_SESSIONS, x.account_id, x.device_id, &t, &e);
		if (rc == RC_OK)
			rc = admin_print(&x, &t, &e);
	} else if (x.account_id == 0) {
		rc = err_set(&e, RC_PROTO, "--end needs --user or --device");
	} else {
		rc = admin_act(&x, ACT_SESSIONS, &s, "sessions ended; the clients have to log in again", &e);
	}
	return admin_end(&x, rc, &e);
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
run_resync(int argc, char **argv)
{
	struct admin x;
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(argc, argv, NEED_EITHER | NEED_ENGINE, &x);

	if (code >= 0)
		return code;
	s = subject(&x);
	note_target(&x);
	rc = subject_type(&x, &s, &e);
	if (rc == RC_OK)
		rc = object_parse(&x, &s, &e);
	if (rc == RC_OK)
		rc = admin_act(&x, ACT_RESYNC, &s, "folders of devices: each is compared anew at its device's next sync, and only differences are sent", &e);
	return admin_end(&x, rc, &e);
}

int
run_aside(int argc, char **argv)
{
	struct admin x;
	struct store_table t;
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(argc, argv, NEED_ENGINE, &x);

	if (code >= 0)
		return code;
	s = subject(&x);
	note_target(&x);
	rc = object_parse(&x, &s, &e);
	if (rc != RC_OK)
		return admin_end(&x, rc, &e);
	if (x.retry && x.account_id == 0)
		rc = err_set(&e, RC_PROTO, "--retry needs --device, or --user for what the groupware server cannot deliver");
	else if (x.retry)
		rc = admin_act(&x, ACT_ASIDE_RETRY, &s, "objects are tried again at the next sync", &e);
	else if (x.skip && (x.device_id == 0 || s.object == 0))
		rc = err_set(&e, RC_PROTO, "--skip needs --device, --folder and --object");
	else if (x.skip)
		rc = admin_act(&x, ACT_ASIDE_SKIP, &s, "objects are not sent to the device any more unless they change", &e);
	else if ((rc = store_list(x.conn, x.a, LIST_ASIDE, x.account_id, x.device_id, &t, &e)) == RC_OK)
		rc = admin_print(&x, &t, &e);
	return admin_end(&x, rc, &e);
}

/* ---- users ---- */

int
run_forget(int argc, char **argv)
{
	struct admin x;
	struct store_table t;
	struct store_subject s;
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code = admin_begin(argc, argv, NEED_USER | NEED_ENGINE, &x);

	if (code >= 0)
		return code;
	s = subject(&x);
	x.dry_run = !x.apply || x.dry_run;
	if (x.device != NULL)
		rc = err_set(&e, RC_PROTO, "forget is about a user; usmctl device remove is about one device");
	else if (x.dry_run && (rc = store_list(x.conn, x.a, LIST_KEPT, x.account_id, 0, &t, &e)) == RC_OK)
		rc = admin_print(&x, &t, &e);
	else if (!x.dry_run)
		rc = admin_act(&x, ACT_FORGET, &s, "users forgotten", &e);
	if (rc == RC_OK && x.dry_run && !x.json)
		(void)puts("Nothing is deleted yet: repeat the command with --apply.  What the user has at the groupware server is not touched.");
	return admin_end(&x, rc, &e);
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
		buf_adds(&b, ",\"details\":");
		json_text(&b, y->details);
		(void)printf("%s}", b.failed ? "null" : b.p);
	}
	buf_fini(&b);
}

int
run_explain(int argc, char **argv)
{
	struct explanation *y = NULL;
	struct explain_want want;
	struct admin x;
	struct err e = { .rc = RC_OK };
	size_t n = 0;
	enum rc rc;
	int code = admin_begin(argc, argv, NEED_DEVICE | NEED_ENGINE, &x);

	if (code >= 0)
		return code;
	want = (struct explain_want){ .device = x.device_id, .uuid = x.object, .folder = x.folder, .id = x.id, .client_id = x.client_id, .title = x.title };
	y = arena_array(x.a, struct explanation, EXPLAIN_MAX);
	if (x.object == NULL && (x.folder == NULL || x.id == NULL) && x.client_id == NULL && x.title == NULL)
		rc = err_set(&e, RC_PROTO, "name the object: --object UUID, --folder F --id N, --client-id X or --title TEXT");
	else
		rc = y != NULL ? engine_explain(x.g, x.conn, x.a, &want, y, &n, &e) : err_set(&e, RC_NOMEM, "out of memory");
	if (rc == RC_OK && x.json)
		(void)putchar('[');
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		print_explanation(&x, &y[i], i == 0);
		json_decref(y[i].details);
	}
	if (rc == RC_OK && x.json)
		(void)puts("]");
	return admin_end(&x, rc, &e);
}
