/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The demo's story under faults: usmd killed at random moments, Redis killed, OX's answers dropped after the work was done,
 * clients whose answers get lost, the database made anew.  After each: the server and both devices hold the same, nothing doubled
 * (tests/demo/compare reads the server without usmd).  SEED= repeats a run; KILLS= sets how often usmd dies (default 200).
 */
#include <check.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/proc.h"

static unsigned seed;
static const char *const no_windows[] = { "default_modes = mail full", "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 3s", "ox_timeout = 3s", NULL };

/* usmd lives for a second and a half at most: what is in doubt must have a chance to be settled meanwhile */
static const char *const hasty[] = { "default_modes = mail full", "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_write_max_time = 1s", "ox_timeout = 1s", NULL };

static pid_t
story_start(struct world *w, const char *retry, const char *options)
{
	char log[160];
	char *argv[] = { "sh", "tests/demo/story", "quiet", NULL };

	(void)setenv("B", w->build, 1);
	(void)setenv("D", w->dir, 1);
	(void)setenv("OX_BASE", w->ox, 1);
	(void)setenv("SERVER", w->server, 1);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	(void)setenv("STORY_RETRY", retry, 1);
	(void)setenv("STORY_OPTIONS", options, 1);
	(void)snprintf(log, sizeof(log), "%s/story.log", w->dir);
	return run_start(argv, log);
}

static int
story_wait(pid_t pid)
{
	int st;

	(void)waitpid(pid, &st, 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

static void
show(const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		(void)fputs(line, stderr); /* the failing test ends without flushing stdout */
	if (f != NULL)
		(void)fclose(f);
}

static int
sync_device(struct world *w, const char *name, const char *device, const char *option, const char *value, const char *log)
{
	char prog[160], dir[160];
	char *argv[] = { prog, "--server", w->server, "--user", "berta", "--dir", dir, "--device", (char *)(size_t)device, (char *)(size_t)option, (char *)(size_t)value, NULL };

	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w->build);
	(void)snprintf(dir, sizeof(dir), "%s/%s", w->dir, name);
	return run_wait(argv, log);
}

/* How many objects (a series with its exceptions is one) the folders hold after the story, whatever went wrong: one more is one doubled. */
static const struct count {
	const char *folder;
	unsigned n;
} after_story[] = { { "Contacts", 27 }, { "Calendar", 23 }, { "Calendar/Project", 1 }, { "Tasks", 9 }, { "E-Mail/Inbox", 25 }, { "E-Mail/Drafts", 1 }, { NULL, 0 } },
  untouched[] = { { "Contacts", 27 }, { "Calendar", 21 }, { "Tasks", 10 }, { "E-Mail/Inbox", 25 }, { NULL, 0 } };

/* The first of WANT that the table in LOG does not show, NULL = none; *GOT what it shows. */
static const struct count *
miscounted(const char *log, const struct count *want, unsigned *got)
{
	for (; want->folder != NULL; want++) {
		char line[512], name[100];
		unsigned n = 0;
		FILE *f = fopen(log, "r");

		*got = 0;
		ck_assert_ptr_nonnull(f);
		while (fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "%99s %u", name, &n) == 2 && strcmp(name, want->folder) == 0)
				*got = n;
		(void)fclose(f);
		if (*got != want->n)
			return want;
	}
	return NULL;
}

#define SETTLE_S 30
#define UNSETTLED 5 /* usmsync: the server does not know yet what became of a change */

/* Both devices until both say that they are equal with the server: an unanswered create is in doubt until OX cannot be at it any more. */
static void
settle(struct world *w)
{
	char log[160];
	time_t until = time(NULL) + SETTLE_S;
	int quiet = 0;

	(void)snprintf(log, sizeof(log), "%s/last.log", w->dir);
	while (quiet < 2) {
		int a = sync_device(w, "A", "laptop", NULL, NULL, log), b = sync_device(w, "B", "phone", NULL, NULL, log);

		ck_assert_msg((a == 0 || a == UNSETTLED) && (b == 0 || b == UNSETTLED), "usmsync ended with %d and %d (seed %u), see %s", a, b, seed, log);
		quiet = a == 0 && b == 0 ? quiet + 1 : 0;
		if (quiet != 0)
			continue;
		if (time(NULL) > until)
			show(log);
		ck_assert_msg(time(NULL) <= until, "changes are unsettled for ever (seed %u)", seed);
		sleep_ms(200);
	}
}

/* What usmsync says is equal must be: server and devices hold the same, and as much as WANT. */
static void
check_equal(struct world *w, const struct count *want)
{
	char prog[160], url[80], a[160], b[160], log[160], story[160];
	char *argv[] = { prog, url, "berta", "secret", a, b, NULL };
	const struct count *wrong;
	unsigned got;
	int rc;

	(void)snprintf(log, sizeof(log), "%s/compare.log", w->dir);
	(void)snprintf(story, sizeof(story), "%s/story.log", w->dir);
	(void)snprintf(prog, sizeof(prog), "%s/compare", w->build);
	(void)snprintf(url, sizeof(url), "%s/ajax", w->ox);
	(void)snprintf(a, sizeof(a), "%s/A", w->dir);
	(void)snprintf(b, sizeof(b), "%s/B", w->dir);
	settle(w);
	(void)unlink(log); /* the log is appended to */
	rc = run_wait(argv, log);
	wrong = miscounted(log, want, &got);
	if (rc != 0 || wrong != NULL) {
		show(log);
		show(story);
	}
	ck_assert_msg(rc == 0, "server and devices differ (seed %u)", seed);
	ck_assert_msg(wrong == NULL, "%s: %u objects instead of %u (seed %u)", wrong != NULL ? wrong->folder : "", got, wrong != NULL ? wrong->n : 0, seed);
}

/* Mails in FOLDER of USER with this subject. */
static size_t
mails(const struct world *w, const char *user, const char *folder, const char *subject)
{
	static char text[1 << 18];
	char body[300];
	json_t *root, *row;
	size_t i, n = 0;

	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"module\":\"mail\",\"action\":\"all\",\"params\":{\"folder\":\"default0/%s\",\"columns\":\"600,607\"}}", user, folder);
	world_control(w, "as", body, text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_array_foreach(json_object_get(root, "data"), i, row)
		n += strcmp(json_string_value(json_array_get(row, 1)), subject) == 0;
	json_decref(root);
	return n;
}

static bool
says(const struct world *w, const char *where, const char *words)
{
	char cmd[500];
	char *argv[] = { "sh", "-c", cmd, NULL };

	(void)snprintf(cmd, sizeof(cmd), "cd '%s' && grep -qr '%s' %s", w->dir, words, where);
	return run_wait(argv, NULL) == 0;
}

/*
 * Everything equal, as much as there should be, and what was typed last is there.  The mail went out once, or, where an accident made that unknown,
 * not at all.  CERTAIN: nothing was late, so B had the series when it was edited there.
 */
static void
check_story(struct world *w, bool certain)
{
	size_t sent;

	check_equal(w, after_story);
	sent = says(w, "sent", "1");
	ck_assert_msg(sent == 1 || !certain, "the mail was not sent (seed %u)", seed);
	ck_assert_uint_eq(mails(w, "berta", "Sent", "Story mail"), sent);
	ck_assert_uint_eq(mails(w, "anton", "INBOX", "Story mail"), sent);
	ck_assert_msg(says(w, "B/E-Mail/Drafts", "second thoughts"), "the draft is the old one (seed %u)", seed);
	ck_assert_msg(says(w, "B/Calendar", "Late meeting"), "the edit of the changed occurrence is lost (seed %u)", seed);
	if (certain)
		ck_assert_msg(says(w, "A/Calendar", "LOCATION:Room 7"), "B's edit of the changed occurrence is lost (seed %u)", seed);
}

START_TEST(plain)
{
	struct world w;

	world_begin(&w, "tests/data/demo", no_windows);
	ck_assert_int_eq(story_wait(story_start(&w, "0", "")), 0);
	check_story(&w, true);
	world_end(&w);
}
END_TEST

/* An answer thrown away by the client is a lost answer; at page sizes 1, 50 and 1000. */
static const char *const pages[] = { "--limit 1 --drop-answers 7", "--limit 50 --drop-answers 5", "--limit 1000 --drop-answers 3" };

/* The same where OX has no legacy calendar. */
START_TEST(by_chronos)
{
	struct world w;

	world_begin(&w, "tests/data/demo", no_windows);
	world_control(&w, "modules", "{\"without\":[\"calendar\"]}", NULL, 0);
	ck_assert_int_eq(story_wait(story_start(&w, "0", "")), 0);
	check_story(&w, true);
	world_end(&w);
}
END_TEST

START_TEST(lost_answers)
{
	struct world w;

	world_begin(&w, "tests/data/demo", no_windows);
	ck_assert_int_eq(story_wait(story_start(&w, "0", pages[_i])), 0);
	check_story(&w, true);
	world_end(&w);
}
END_TEST

START_TEST(killed)
{
	const char *k = getenv("KILLS");
	long want = k != NULL ? strtol(k, NULL, 10) : 200, kills = 0, stories = 0;

	srandom(seed);
	while (kills < want) {
		struct world w;
		pid_t story;
		int st;

		world_begin(&w, "tests/data/demo", hasty);
		story = story_start(&w, "400", "");
		while (waitpid(story, &st, WNOHANG) == 0) {
			sleep_ms((unsigned)(random() % 120));
			world_usmd_kill(&w);
			kills++;
			world_usmd_start(&w);
			sleep_ms((unsigned)(random() % 200) + (kills % 8 == 0 ? 1500 : 0)); /* without any peace no sync would ever end */
		}
		if (!WIFEXITED(st) || WEXITSTATUS(st) != 0) {
			char log[160];

			(void)snprintf(log, sizeof(log), "%s/story.log", w.dir);
			show(log);
		}
		ck_assert_msg(WIFEXITED(st) && WEXITSTATUS(st) == 0, "the story ended with %d (seed %u)", st, seed);
		check_story(&w, false);
		world_end(&w);
		stories++;
	}
	(void)printf("usmd killed %ld times in %ld stories, seed %u\n", kills, stories, seed);
}
END_TEST

static pid_t
redis_start(const char *sock)
{
	char *argv[] = { "redis-server", "--port", "0", "--unixsocket", (char *)(size_t)sock, "--save", "", "--appendonly", "no", NULL };

	return run_start(argv, "/dev/null");
}

static void
redis_stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* A Redis of its own, killed again and again while the story runs; at the end it stays away. */
START_TEST(redis_killed)
{
	struct world w;
	pid_t story, redis;
	char sock[200], url[220], shared[256];
	int st = 0, kills = 0;

	(void)snprintf(sock, sizeof(sock), "%s/own-redis.sock", getenv("USMD_TEST_DIR"));
	(void)snprintf(url, sizeof(url), "unix:%s", sock);
	(void)snprintf(shared, sizeof(shared), "%s", getenv("USMD_TEST_REDIS"));
	(void)setenv("USMD_TEST_REDIS", url, 1);
	redis = redis_start(sock);
	world_begin(&w, "tests/data/demo", no_windows);
	(void)setenv("USMD_TEST_REDIS", shared, 1);
	story = story_start(&w, "20", "");
	while (waitpid(story, &st, WNOHANG) == 0) {
		sleep_ms(60);
		redis_stop(redis);
		kills++;
		sleep_ms(60);
		redis = redis_start(sock);
	}
	ck_assert_msg(WIFEXITED(st) && WEXITSTATUS(st) == 0 && kills > 0, "the story ended with %d after %d kills", st, kills);
	redis_stop(redis);
	check_story(&w, true);
	world_end(&w);
}
END_TEST

/* One that hangs is worse than one that is gone. */
START_TEST(redis_hangs)
{
	struct world w;
	pid_t story;
	char path[256];
	long pid = 0;
	FILE *f;

	world_begin(&w, "tests/data/demo", no_windows);
	(void)snprintf(path, sizeof(path), "%s/redis.pid", getenv("USMD_TEST_DIR"));
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%ld", &pid), 1);
	(void)fclose(f);
	story = story_start(&w, "20", "");
	sleep_ms(300);
	ck_assert_int_eq(kill((pid_t)pid, SIGSTOP), 0);
	sleep_ms(1500);
	ck_assert_int_eq(kill((pid_t)pid, SIGCONT), 0);
	ck_assert_int_eq(story_wait(story), 0);
	check_story(&w, true);
	world_end(&w);
}
END_TEST

/* OX does the work and the answer is lost: every third write. */
START_TEST(ox_answers_dropped)
{
	static const char *const modules[] = { "contacts", "calendar", "tasks", "mail" };
	struct world w;

	world_begin(&w, "tests/data/demo", no_windows);
	for (size_t i = 0; i < 4; i++) {
		static const char *const actions[] = { "new", "update", "delete", "import" };

		for (size_t k = 0; k < 4; k++) {
			char rule[256];

			(void)snprintf(rule, sizeof(rule), "[{\"match\":{\"module\":\"%s\",\"action\":\"%s\",\"count\":2},\"effect\":{\"drop_after\":true}}]", modules[i], actions[k]);
			world_control(&w, "faults", rule, NULL, 0);
		}
	}
	for (size_t k = 0; k < 3; k++) {
		static const char *const actions[] = { "attach", "detach", "document" };
		char rule[256];

		(void)snprintf(rule, sizeof(rule), "[{\"match\":{\"module\":\"attachment\",\"action\":\"%s\",\"count\":2},\"effect\":{\"drop_after\":true}}]", actions[k]);
		world_control(&w, "faults", rule, NULL, 0);
	}
	ck_assert_int_eq(story_wait(story_start(&w, "60", "")), 0);
	check_story(&w, true);
	world_end(&w);
}
END_TEST

/* usmsync itself killed at random moments, in its first fill and with changes of its own: the next run goes on. */
START_TEST(client_killed)
{
	struct world w;
	char prog[160], dir[160], log[160], edit[900];
	char *sync[] = { prog, "--server", w.server, "--user", "berta", "--dir", dir, "--device", "laptop", "--limit", "20", NULL };
	char *sh[] = { "sh", "-c", edit, NULL };

	srandom(seed);
	world_begin(&w, "tests/data/demo", no_windows);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(dir, sizeof(dir), "%s/A", w.dir);
	(void)snprintf(log, sizeof(log), "%s/story.log", w.dir);
	for (int i = 0; i < 60; i++) {
		pid_t pid;
		int rc;

		if (i % 20 == 19) { /* by now it has something to edit: a change, a new file, a deletion */
			while ((rc = run_wait(sync, log)) == UNSETTLED)
				sleep_ms(100);
			ck_assert_int_eq(rc, 0);
			(void)snprintf(edit, sizeof(edit), "cd '%s/Contacts' && f=$(ls *.vcf | sed -n %dp) && sed -i 's/^END:VCARD/NICKNAME:n%d\\nEND:VCARD/' \"$f\" &&"
			    " printf 'BEGIN:VCARD\\nVERSION:3.0\\nFN:New %d\\nN:New;%d;;;\\nEND:VCARD\\n' >new%d.vcf && rm \"$(ls *.vcf | sed -n %dp)\"",
			    dir, 2 + i / 20, i, i, i, i, 6 + i / 20);
			ck_assert_int_eq(run_wait(sh, log), 0);
		}
		pid = run_start(sync, log);
		sleep_ms((unsigned)(random() % 70));
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	check_equal(&w, untouched); /* three made, three deleted */
	world_end(&w);
}
END_TEST

/* ---- what PostgreSQL says ---- */

static long
rows_written(void)
{
	char info[512];
	PGconn *c;
	PGresult *r;
	long n;

	(void)snprintf(info, sizeof(info), "%s dbname=usmd_world", getenv("USMD_TEST_PG"));
	c = PQconnectdb(info);
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	r = PQexec(c, "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0");
	for (int i = 0; i < PQntuples(r); i++)
		(void)printf("  %s: %s inserted, %s updated, %s deleted\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), PQgetvalue(r, i, 2), PQgetvalue(r, i, 3));
	PQclear(r);
	r = PQexec(c, "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables WHERE relname NOT IN ('session', 'device')"); /* these two are the login's */
	n = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return n;
}

/* usmd's connections report their statistics when they end. */
static long
rows_written_now(struct world *w)
{
	(void)kill(w->usmd, SIGTERM);
	(void)waitpid(w->usmd, NULL, 0);
	w->usmd = 0;
	return rows_written();
}

START_TEST(unchanged_writes_nothing)
{
	struct world w;
	long before, after;

	world_begin(&w, "tests/data/demo", no_windows);
	ck_assert_int_eq(sync_device(&w, "A", "laptop", NULL, NULL, NULL), 0);
	ck_assert_int_eq(sync_device(&w, "A", "laptop", NULL, NULL, NULL), 0);
	before = rows_written_now(&w);
	world_usmd_start(&w);
	ck_assert_int_eq(sync_device(&w, "A", "laptop", NULL, NULL, NULL), 0);
	after = rows_written_now(&w);
	ck_assert_msg(after == before, "an unchanged sync wrote %ld rows", after - before);
	world_usmd_start(&w);
	world_end(&w);
}
END_TEST

START_TEST(database_lost)
{
	struct world w;
	char log[160], text[4096];
	size_t n;
	FILE *f;

	world_begin(&w, "tests/data/demo", no_windows);
	ck_assert_int_eq(story_wait(story_start(&w, "0", "")), 0);
	check_story(&w, true);
	world_usmd_kill(&w);
	world_new_database(&w);
	world_usmd_start(&w);
	(void)snprintf(log, sizeof(log), "%s/lost.log", w.dir);
	ck_assert_int_eq(sync_device(&w, "A", "laptop", NULL, NULL, log), 0);
	f = fopen(log, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	ck_assert_msg(strstr(text, "0 objects received, 0 sent, 0 removed") != NULL, "after the database was lost: %s", text);
	check_story(&w, true);
	world_end(&w);
}
END_TEST

int
main(void)
{
	const char *s = getenv("SEED");
	Suite *suite = suite_create("story");
	TCase *t = tcase_create("faults"), *k = tcase_create("killed");

	if (getenv("USMD_TEST_PG") == NULL) {
		(void)puts("SKIPPED: run me inside tests/harness/with-servers");
		return 77;
	}
	seed = s != NULL ? (unsigned)strtoul(s, NULL, 10) : (unsigned)time(NULL);
	(void)printf("seed %u (repeat with SEED=%u)\n", seed, seed);
	(void)fflush(stdout);
	tcase_set_timeout(t, 900);
	tcase_add_test(t, plain);
	tcase_add_test(t, by_chronos);
	tcase_add_loop_test(t, lost_answers, 0, 3);
	tcase_add_test(t, unchanged_writes_nothing);
	tcase_add_test(t, database_lost);
	tcase_add_test(t, client_killed);
	tcase_add_test(t, redis_killed);
	tcase_add_test(t, redis_hangs);
	tcase_add_test(t, ox_answers_dropped);
	tcase_set_timeout(k, 900);
	tcase_add_test(k, killed);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, k);
	return harness_main(suite);
}
