/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usmctl undo, duplicates, held: what a device has done, and putting it right.  They only mark entries in the database; usmd carries it out with a
 * session of the user, because nothing here knows a password.
 */
#include "daemon/admin_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SHOWN_MAX 10000
#define VERDICT_MS (INT64_C(86400) * 1000)
#define DUPLICATES_LEAST 2

/* Shows a list unless a script only wants to know how much a change would concern. */
static bool
lists(const struct admin *x)
{
	return !x->json || (!x->dry_run && !x->apply && !x->remove && !x->release && !x->refuse);
}

/* A number of at most DIGITS digits at *P, and then one of END, which *P is behind then; where it is the end of the text, *P stays at it. */
static bool
take_number(const char **p, size_t digits, const char *end, int *out)
{
	size_t n = strspn(*p, "0123456789");

	if (n == 0 || n > digits || ((*p)[n] != '\0' && strchr(end, (*p)[n]) == NULL) || ((*p)[n] == '\0' && *end != '\0'))
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++)
		*out = *out * 10 + ((*p)[i] - '0');
	*p += n + ((*p)[n] != '\0');
	return true;
}

/* YYYY-MM-DD, HH:MM or HH:MM:SS behind it or not, in local time. */
static bool
date_parse(const char *p, msec_t *out)
{
	struct tm tm = { .tm_isdst = -1 };
	bool ok = take_number(&p, 4, "-", &tm.tm_year) && take_number(&p, 2, "-", &tm.tm_mon);

	if (ok && take_number(&p, 2, " T", &tm.tm_mday)) {
		ok = take_number(&p, 2, ":", &tm.tm_hour);
		if (ok && take_number(&p, 2, ":", &tm.tm_min))
			ok = take_number(&p, 2, "", &tm.tm_sec);
		else
			ok = ok && take_number(&p, 2, "", &tm.tm_min);
	} else {
		ok = ok && take_number(&p, 2, "", &tm.tm_mday);
	}
	if (!ok || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*out = (msec_t)mktime(&tm) * 1000;
	return true;
}

/* "2h" ago, or a local time: "2026-11-22 14:00". */
static enum rc
since_parse(const char *text, msec_t *out, struct err *e)
{
	static const struct { char unit; msec_t ms; } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 }, { 'w', 604800000 } };
	const char *p = text;
	int n;

	if (take_number(&p, 5, "smhdw", &n) && *p == '\0')
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (units[i].unit == p[-1]) {
				*out = now_ms() - n * units[i].ms;
				return RC_OK;
			}
	if (date_parse(text, out))
		return RC_OK;
	return err_set(e, RC_PROTO, "--since %s: say how long ago (30m, 2h, 7d) or when (\"2026-11-22 14:00\")", text);
}

static void
print_time(msec_t at)
{
	time_t t = (time_t)(at / 1000);
	char text[32] = "";
	struct tm tm;

	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	(void)printf("%-19s", text);
}

/* ---- undo ---- */

static void
print_entry(const struct store_journal *x)
{
	static const char *const state[JOURNAL_STATES] = {
		[JOURNAL_KEPT] = "", [JOURNAL_WANTED] = "to be brought back", [JOURNAL_SENT] = "being brought back", [JOURNAL_UNDONE] = "brought back",
		[JOURNAL_FAILED] = "not brought back",
	};
	const struct content_type *t = model_content(x->ct);

	print_time(x->at);
	(void)printf("  %-11s  %-11s  folder %s  id %" PRId64, x->op == JOURNAL_DELETED ? "deleted" : "overwritten", t->name, x->place, x->object);
	for (unsigned i = 0; i < x->nf; i++)
		if (x->f[i].i < t->n_fields)
			(void)printf("%s%s", i == 0 ? "  fields " : ",", t->fields[x->f[i].i].name);
	if (x->state != JOURNAL_KEPT && (unsigned)x->state < JOURNAL_STATES)
		(void)printf("  [%s%s%s]", state[x->state], x->note[0] != '\0' ? ": " : "", x->note);
	(void)putchar('\n');
}

static void
entry_json(const struct store_journal *x, struct buf *b)
{
	static const char *const state[JOURNAL_STATES] = { [JOURNAL_KEPT] = "kept", [JOURNAL_WANTED] = "wanted", [JOURNAL_SENT] = "sent", [JOURNAL_UNDONE] = "undone",
		[JOURNAL_FAILED] = "failed" };
	const struct content_type *t = model_content(x->ct);
	bool first = true;

	buf_addf(b, "{\"done_at\":%" PRId64 ",\"what\":\"%s\",\"type\":\"%s\",\"folder\":", x->at, x->op == JOURNAL_DELETED ? "deleted" : "overwritten", t->name);
	json_text_string(b, x->place, strlen(x->place));
	buf_addf(b, ",\"object\":%" PRId64 ",\"fields\":[", x->object);
	for (unsigned i = 0; i < x->nf; i++)
		if (x->f[i].i < t->n_fields) {
			buf_addf(b, "%s\"%s\"", first ? "" : ",", t->fields[x->f[i].i].name);
			first = false;
		}
	buf_addf(b, "],\"state\":\"%s\",\"note\":", (unsigned)x->state < JOURNAL_STATES ? state[x->state] : "unknown");
	json_text_string(b, x->note, strlen(x->note));
	buf_addc(b, '}');
}

struct undo {
	int64_t device;
	msec_t since;
	const char *folder;
};

static enum rc
undo_want(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	const struct undo *u = arg;

	return store_journal_want(c, u->device, u->since, u->folder, n, e);
}

static enum rc
undo_list(struct admin *x, const struct undo *u, struct err *e)
{
	struct store_journal *v;
	size_t n, deleted = 0;
	struct buf b;
	enum rc rc = store_journal_list(x->conn, x->a, u->device, u->since, u->folder, SHOWN_MAX, &v, &n, e);

	if (rc != RC_OK)
		return rc;
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++) {
		deleted += v[i].op == JOURNAL_DELETED;
		if (!x->json) {
			print_entry(&v[i]);
			continue;
		}
		buf_adds(&b, i == 0 ? "[" : ",\n");
		entry_json(&v[i], &b);
	}
	if (x->json)
		buf_adds(&b, n > 0 ? "]\n" : "[]\n");
	else
		buf_addf(&b, "%zu deleted, %zu overwritten%s\n", deleted, n - deleted, n == SHOWN_MAX ? " (only the first are shown)" : "");
	return admin_put(&b, e);
}

int
run_undo(struct admin *x)
{
	struct undo u = { .folder = x->folder };
	struct err e = { .rc = RC_OK };
	size_t n = 0;
	enum rc rc;
	int code;

	if (x->since == NULL) {
		(void)fputs("usmctl: undo needs --since\n", stderr);
		return EXIT_USAGE;
	}
	code = admin_begin(NEED_DEVICE | NEED_STORE, x);
	if (code >= 0)
		return code;
	u.device = x->device_id;
	admin_about(x, "folder", x->folder);
	rc = since_parse(x->since, &u.since, &e);
	if (rc == RC_OK && lists(x))
		rc = undo_list(x, &u, &e);
	if (rc == RC_OK && (x->apply || x->dry_run))
		rc = admin_change(x, undo_want, &u, &n, &e);
	if (rc == RC_OK && (x->apply || x->dry_run))
		admin_done(x, n, "entries will be brought back within seconds, as soon as the user is logged in with some device; this command without --apply shows what "
		    "became of them");
	else if (rc == RC_OK && !x->json)
		(void)puts("Nothing is brought back yet: repeat the command with --apply.");
	return admin_end(x, rc, &e);
}

/* ---- duplicates ---- */

static enum rc
copies_want(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	return store_created_want(c, *(const int64_t *)arg, DUPLICATES_LEAST, n, e);
}

static enum rc
copies_list(struct admin *x, struct err *e)
{
	struct store_created *v;
	size_t n, copies = 0;
	struct buf b;
	enum rc rc = store_created_list(x->conn, x->a, x->device_id, DUPLICATES_LEAST, &v, &n, e);

	if (rc != RC_OK)
		return rc;
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || v[i].folder != v[i - 1].folder || v[i].content != v[i - 1].content;

		copies += !first;
		if (!x->json) {
			print_time(v[i].at);
			(void)printf("  %-11s  folder %s  id %" PRId64 "  %s\n", model_content(v[i].ct)->name, v[i].place, v[i].object, first ? "first" : "copy");
			continue;
		}
		buf_addf(&b, "%s{\"made_at\":%" PRId64 ",\"type\":\"%s\",\"folder\":", i == 0 ? "[" : ",\n", v[i].at, model_content(v[i].ct)->name);
		json_text_string(&b, v[i].place, strlen(v[i].place));
		buf_addf(&b, ",\"object\":%" PRId64 ",\"copy\":%s}", v[i].object, first ? "false" : "true");
	}
	if (x->json)
		buf_adds(&b, n > 0 ? "]\n" : "[]\n");
	else
		buf_addf(&b, "%zu copies\n", copies);
	return admin_put(&b, e);
}

int
run_duplicates(struct admin *x)
{
	struct err e = { .rc = RC_OK };
	size_t n = 0;
	enum rc rc = RC_OK;
	int code = admin_begin(NEED_DEVICE | NEED_STORE, x);

	if (code >= 0)
		return code;
	if (lists(x))
		rc = copies_list(x, &e);
	if (rc == RC_OK && (x->remove || x->dry_run))
		rc = admin_change(x, copies_want, &x->device_id, &n, &e);
	if (rc == RC_OK && (x->remove || x->dry_run))
		admin_done(x, n, "copies are removed within seconds, as soon as the user is logged in; those that differ from the first by now stay");
	return admin_end(x, rc, &e);
}

/* ---- held deletions ---- */

struct decision {
	int64_t device;
	enum guard_verdict verdict;
	msec_t until;
};

static enum rc
decide(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	const struct decision *d = arg;

	return store_guard_decide(c, d->device, 0, d->verdict, d->until, n, e);
}

static const char *
verdict_word(const struct store_guard *g)
{
	return g->until < now_ms() || g->verdict == GUARD_NONE ? "held" : g->verdict == GUARD_RELEASE ? "released" : "refused";
}

static enum rc
held_list(struct admin *x, struct err *e)
{
	struct store_guard *v;
	struct buf b;
	size_t n;
	enum rc rc = store_guard_held(x->conn, x->a, x->device_id, &v, &n, e);

	if (rc != RC_OK)
		return rc;
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++) {
		const char *word = verdict_word(&v[i]);

		if (!x->json) {
			print_time(v[i].held_at);
			(void)printf("  folder %s  %" PRId64 " deletions held%s%s\n", v[i].place, v[i].held, word[0] == 'h' ? "" : ", ", word[0] == 'h' ? "" : word);
			continue;
		}
		buf_addf(&b, "%s{\"held_at\":%" PRId64 ",\"folder\":", i == 0 ? "[" : ",\n", v[i].held_at);
		json_text_string(&b, v[i].place, strlen(v[i].place));
		buf_addf(&b, ",\"deletions\":%" PRId64 ",\"state\":\"%s\"}", v[i].held, word);
	}
	if (x->json)
		buf_adds(&b, n > 0 ? "]\n" : "[]\n");
	return admin_put(&b, e);
}

int
run_held(struct admin *x)
{
	struct decision d = { .verdict = x->release ? GUARD_RELEASE : GUARD_REFUSE, .until = now_ms() + VERDICT_MS };
	struct err e = { .rc = RC_OK };
	size_t n = 0;
	enum rc rc = RC_OK;
	int code;

	if ((x->release && x->refuse) || (x->dry_run && !x->release && !x->refuse))
		return admin_usage(x);
	code = admin_begin(NEED_DEVICE | NEED_STORE, x);
	if (code >= 0)
		return code;
	d.device = x->device_id;
	if (lists(x))
		rc = held_list(x, &e);
	if (rc == RC_OK && (x->release || x->refuse)) {
		x->command = x->release ? "held release" : "held refuse";
		rc = admin_change(x, decide, &d, &n, &e);
		if (rc == RC_OK)
			admin_done(x, n, x->release ? "folders: the device deletes them when it sends them again within a day"
			                            : "folders: the device gets the objects back when it sends the deletions again within a day");
	}
	return admin_end(x, rc, &e);
}
