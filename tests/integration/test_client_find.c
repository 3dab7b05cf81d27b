/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync find and usmsync who: what is printed, what is saved, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/harness.h"
#include "harness/proc.h"
#include "usmd/util.h"

static struct world w;

static void
as(const char *json)
{
	world_control(&w, "as", json, NULL, 0);
}

static void
world_up(void)
{
	world_begin(&w, NULL, NULL);
	as("{\"user\":\"berta\",\"module\":\"contacts\",\"action\":\"new\",\"params\":{},\"data\":{\"folder_id\":\"42\",\"display_name\":\"Magpie Nest\",\"email1\":\"nest@example.org\"}}");
	as("{\"user\":\"berta\",\"module\":\"tasks\",\"action\":\"new\",\"params\":{},\"data\":{\"folder_id\":\"43\",\"title\":\"Watch the magpie\"}}");
	as("{\"user\":\"berta\",\"module\":\"calendar\",\"action\":\"new\",\"params\":{\"timezone\":\"UTC\"},\"data\":{\"folder_id\":\"41\",\"title\":\"Magpie day\",\"start_date\":1796086800000,"
	   "\"end_date\":1796090400000,\"ignore_conflicts\":true}}");
	as("{\"user\":\"berta\",\"module\":\"mail\",\"action\":\"new\",\"params\":{\"folder\":\"default0/INBOX\",\"force\":\"true\"},\"data\":\"From: Jay <jay@example.org>\\r\\nTo: berta@example.com\\r\\n"
	   "Subject: About the magpie\\r\\n\\r\\nit shines\\r\\n\"}");
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
}

static void
world_down(void)
{
	world_end(&w);
}

/* Runs a shell command in the test's folder; $U is usmsync; what it wrote, on both, in *OUT. */
static int
shell(const char *what, char out[16384])
{
	char cmd[2000], log[200];
	char *argv[] = { "sh", "-c", cmd, NULL };
	FILE *f;
	size_t n = 0;
	int st;

	(void)snprintf(log, sizeof(log), "%s/out", w.dir);
	(void)remove(log); /* what is written there is appended */
	(void)snprintf(cmd, sizeof(cmd), "B='%s'; case $B in /*) ;; *) B=$PWD/$B ;; esac; cd '%s' && U=\"$B/usmsync --server %s --user berta --dir d --device find\"; %s", w.build,
	    w.dir, w.server, what);
	st = run_wait(argv, log);
	f = fopen(log, "r");
	if (f != NULL) {
		n = fread(out, 1, 16383, f);
		(void)fclose(f);
	}
	out[n] = '\0';
	return st;
}

static const struct row {
	const char *what;
	int status;
	const char *shows[4], *hides;
} rows[] = {
	{ "$U find magpie", 0, { "contact ", "Magpie Nest", "Watch the magpie", "About the magpie  (jay@example.org)" }, NULL },
	{ "$U find magpie day", 0, { "Magpie day" }, "Watch" },
	{ "$U find --type task magpie", 0, { "Watch the magpie" }, "Nest" },
	{ "$U folders >f && P=$(awk '$1 == \"contact\" && /Contacts/ { sub(/^[^ ]+ +[^ ]+ +/, \"\"); print; exit }' f) && $U find --in \"$P\" magpie", 0, { "Magpie Nest  in Contacts" }, "Watch" },
	{ "$U find --from jay@", 0, { "About the magpie" }, "Nest" },
	{ "$U find --body shines --subject magpie", 0, { "About the magpie" }, "Nest" },
	{ "$U --json find --type contact magpie", 0, { "\"display_name\": \"Magpie Nest\"", "\"folder\": " }, "Watch" },
	{ "mkdir -p m && $U --quiet find --save m magpie >/dev/null && grep -l shines m/*.eml", 0, { ".eml" }, NULL },
	{ "mkdir -p m && $U find --save m magpie && $U find --save m magpie && ls m | wc -l", 0, { "\n1\n" }, NULL },
	{ "$U find --save nowhere --from jay", 1, { "nowhere/", "cannot be written" }, NULL },
	{ "$U find zzzzz", 0, { "nothing is found" }, "magpie" },
	{ "$U find", 1, { "needs words" }, NULL },
	{ "$U find --in Nowhere magpie", 1, { "no folder \"Nowhere\"" }, NULL },
	{ "$U find --type mails magpie", 2, { "--type is contact" }, NULL },
	{ "$U find --type task --from x magpie", 2, { "for --type mail" }, NULL },
	{ "$U who mag bert", 0, { "contact   Magpie Nest  <nest@example.org>", "user      Berta Bauer  <berta@example.com>  #4" }, NULL },
	{ "$U who team", 0, { "group     Team Group  #8", "- Anton Anders  <anton@example.com>" }, NULL },
	{ "$U --json who beam", 0, { "\"kind\": \"resource\"" }, NULL },
	{ "$U who nobodyatall", 0, { "nobody is found" }, NULL },
	{ "$U who", 1, { "needs 1 to 20 names" }, NULL },
};

START_TEST(shown)
{
	const struct row *r = &rows[_i];
	static char out[16384];
	int st = shell(r->what, out);

	ck_assert_msg(st == r->status, "%s: %d\n%s", r->what, st, out);
	for (size_t i = 0; i < ARRAY_LEN(r->shows) && r->shows[i] != NULL; i++)
		ck_assert_msg(strstr(out, r->shows[i]) != NULL, "%s does not show \"%s\":\n%s", r->what, r->shows[i], out);
	if (r->hides != NULL)
		ck_assert_msg(strstr(out, r->hides) == NULL, "%s shows \"%s\":\n%s", r->what, r->hides, out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("client find");
	TCase *t = tcase_create("find");

	tcase_set_timeout(t, 120);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_loop_test(t, shown, 0, (int)ARRAY_LEN(rows));
	suite_add_tcase(s, t);
	return harness_main(s);
}
