/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usmctl undo, duplicates, held: what a device has done, and putting it right.  They only mark entries in the database; usmd carries it out with a
 * session of the user, because nothing here knows a password.
 */
#include "daemon/daemon_int.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "usmd/store.h"

#define DEVICES_MAX 20
#define SHOWN_MAX 10000
#define VERDICT_MS (INT64_C(86400) * 1000)
#define DUPLICATES_LEAST 2

struct repair {
	const char *config, *device, *since, *folder;
	int64_t context_id, user_id;
	bool apply, remove;
	enum guard_verdict verdict;
	/* opened */
	struct conf *c;
	struct store *s;
	struct store_conn *conn;
	struct arena *a;
	struct store_named_device d;
};

static enum rc
user_parse(const char *text, struct repair *r, struct err *e)
{
	char context[24];
	size_t n = strcspn(text, "/");

	if (n < sizeof(context) && text[n] == '/') {
		memcpy(context, text, n);
		context[n] = '\0';
		if (parse_i64(context, 1, INT64_MAX, &r->context_id) && parse_i64(text + n + 1, 1, INT64_MAX, &r->user_id))
			return RC_OK;
	}
	return err_set(e, RC_PROTO, "--user %s: say CONTEXT/USER, the numbers of both", text);
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

static enum rc
open_all(struct repair *r, struct err *e)
{
	struct store_named_device d[DEVICES_MAX];
	size_t n = 0;
	enum rc rc = conf_load(r->config, &r->c, e);

	if (rc != RC_OK)
		return rc;
	r->a = arena_new(0);
	rc = r->a != NULL ? database_open(r->c, 1, &r->s, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK)
		rc = store_lease(r->s, &r->conn, e);
	if (rc == RC_OK)
		rc = store_device_find(r->conn, r->device, r->context_id, r->user_id, d, DEVICES_MAX, &n, e);
	if (rc != RC_OK)
		return rc;
	if (n == 0)
		return err_set(e, RC_NOTFOUND, "there is no device %s%s", r->device, r->user_id != 0 ? " of this user" : "");
	if (n > 1) {
		(void)printf("%zu users have a device %s:\n", n, r->device);
		for (size_t i = 0; i < n; i++)
			(void)printf("  --user %" PRId64 "/%" PRId64 "\n", d[i].context_id, d[i].user_id);
		return err_set(e, RC_PROTO, "say which one with --user");
	}
	r->d = d[0];
	return RC_OK;
}

static void
close_all(struct repair *r)
{
	store_release(r->conn);
	store_close(r->s);
	arena_free(r->a);
	conf_free(r->c);
}

static int
finish(struct repair *r, enum rc rc, const struct err *e)
{
	close_all(r);
	if (rc == RC_OK)
		return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
	print_err("usmctl", e);
	return EXIT_FAILED;
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

/* What an administrator orders is logged; content is not. */
static void
audit(const struct repair *r, const char *what, size_t n)
{
	log_info(what, "device=%" PRId64 " name=%s context=%" PRId64 " user=%" PRId64 " entries=%zu by_uid=%ld", r->d.device, r->device, r->d.context_id,
	    r->d.user_id, n, (long)getuid());
}

/* -1 to go on, else the exit code. */
static int
options(int argc, char **argv, const struct option *longs, struct repair *r)
{
	struct err e = { .rc = RC_OK };
	int opt;

	r->config = USMD_CONFFILE;
	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (opt) {
		case 'c': r->config = optarg; break;
		case 'D': r->device = optarg; break;
		case 'S': r->since = optarg; break;
		case 'F': r->folder = optarg; break;
		case 'A': r->apply = true; break;
		case 'N': r->apply = false; break;
		case 'R': r->remove = true; break;
		case 'L': r->verdict = GUARD_RELEASE; break;
		case 'X': r->verdict = GUARD_REFUSE; break;
		case 'U':
			if (user_parse(optarg, r, &e) != RC_OK) {
				print_err("usmctl", &e);
				return EXIT_USAGE;
			}
			break;
		default:
			return EXIT_USAGE;
		}
	if (optind < argc || r->device == NULL) {
		(void)fprintf(stderr, "usmctl: %s needs --device, and nothing but options\n", argv[0]);
		return EXIT_USAGE;
	}
	return -1;
}

#define COMMON { "config", required_argument, NULL, 'c' }, { "device", required_argument, NULL, 'D' }, { "user", required_argument, NULL, 'U' }

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

static enum rc
undo(struct repair *r, struct err *e)
{
	struct store_journal *x;
	size_t n, deleted = 0;
	msec_t since = 0;
	enum rc rc = since_parse(r->since, &since, e);

	if (rc == RC_OK)
		rc = open_all(r, e);
	if (rc == RC_OK)
		rc = store_journal_list(r->conn, r->a, r->d.device, since, r->folder, SHOWN_MAX, &x, &n, e);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n; i++) {
		print_entry(&x[i]);
		deleted += x[i].op == JOURNAL_DELETED;
	}
	(void)printf("%zu deleted, %zu overwritten%s\n", deleted, n - deleted, n == SHOWN_MAX ? " (only the first are shown)" : "");
	if (!r->apply) {
		(void)puts("Nothing is brought back yet: repeat the command with --apply.");
		return RC_OK;
	}
	rc = store_journal_want(r->conn, r->d.device, since, r->folder, &n, e);
	if (rc != RC_OK)
		return rc;
	audit(r, "undo-wanted", n);
	(void)printf("%zu entries will be brought back within seconds, as soon as the user is logged in with some device; this command without --apply shows "
	    "what became of them.\n", n);
	return RC_OK;
}

int
run_undo(int argc, char **argv)
{
	static const struct option longs[] = {
		COMMON, { "since", required_argument, NULL, 'S' }, { "folder", required_argument, NULL, 'F' }, { "apply", no_argument, NULL, 'A' },
		{ "dry-run", no_argument, NULL, 'N' }, { NULL, 0, NULL, 0 },
	};
	struct repair r = { 0 };
	struct err e = { .rc = RC_OK };
	int code = options(argc, argv, longs, &r);

	if (code >= 0)
		return code;
	if (r.since == NULL) {
		(void)fputs("usmctl: undo needs --since\n", stderr);
		return EXIT_USAGE;
	}
	return finish(&r, undo(&r, &e), &e);
}

/* ---- duplicates ---- */

static enum rc
duplicates(struct repair *r, struct err *e)
{
	struct store_created *x;
	size_t n, copies = 0;
	enum rc rc = open_all(r, e);

	if (rc == RC_OK)
		rc = store_created_list(r->conn, r->a, r->d.device, DUPLICATES_LEAST, &x, &n, e);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || x[i].folder != x[i - 1].folder || x[i].content != x[i - 1].content;

		print_time(x[i].at);
		(void)printf("  %-11s  folder %s  id %" PRId64 "  %s\n", model_content(x[i].ct)->name, x[i].place, x[i].object, first ? "first" : "copy");
		copies += !first;
	}
	(void)printf("%zu copies\n", copies);
	if (!r->remove)
		return RC_OK;
	rc = store_created_want(r->conn, r->d.device, DUPLICATES_LEAST, &n, e);
	if (rc != RC_OK)
		return rc;
	audit(r, "duplicates-wanted", n);
	(void)printf("%zu copies will be removed within seconds, as soon as the user is logged in; those that differ from the first by now stay.\n", n);
	return RC_OK;
}

int
run_duplicates(int argc, char **argv)
{
	static const struct option longs[] = { COMMON, { "remove", no_argument, NULL, 'R' }, { NULL, 0, NULL, 0 } };
	struct repair r = { 0 };
	struct err e = { .rc = RC_OK };
	int code = options(argc, argv, longs, &r);

	return code >= 0 ? code : finish(&r, duplicates(&r, &e), &e);
}

/* ---- held deletions ---- */

static enum rc
held(struct repair *r, struct err *e)
{
	struct store_guard *x;
	size_t n;
	enum rc rc = open_all(r, e);

	if (rc == RC_OK)
		rc = store_guard_held(r->conn, r->a, r->d.device, &x, &n, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		print_time(x[i].held_at);
		(void)printf("  folder %s  %" PRId64 " deletions held%s\n", x[i].place, x[i].held, x[i].until < now_ms() || x[i].verdict == GUARD_NONE ? "" :
		    x[i].verdict == GUARD_RELEASE ? ", released" : ", refused");
	}
	if (rc != RC_OK || r->verdict == GUARD_NONE)
		return rc;
	rc = store_guard_decide(r->conn, r->d.device, 0, r->verdict, now_ms() + VERDICT_MS, &n, e);
	if (rc != RC_OK)
		return rc;
	audit(r, r->verdict == GUARD_RELEASE ? "deletions-released" : "deletions-refused", n);
	(void)printf(r->verdict == GUARD_RELEASE ? "%zu folders: the device deletes them when it sends them again within a day.\n"
	                                         : "%zu folders: the device gets the objects back when it sends the deletions again within a day.\n", n);
	return RC_OK;
}

int
run_held(int argc, char **argv)
{
	static const struct option longs[] = { COMMON, { "release", no_argument, NULL, 'L' }, { "refuse", no_argument, NULL, 'X' }, { NULL, 0, NULL, 0 } };
	struct repair r = { 0 };
	struct err e = { .rc = RC_OK };
	int code = options(argc, argv, longs, &r);

	return code >= 0 ? code : finish(&r, held(&r, &e), &e);
}
