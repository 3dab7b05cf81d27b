/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync rules, vacation and signatures: what is shown, made, changed, and refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/harness.h"
#include "harness/proc.h"
#include "usmd/util.h"

static struct world w;

static void
world_up(void)
{
	world_begin(&w, NULL, NULL);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
}

static void
world_down(void)
{
	world_end(&w);
}

/* Each test with no rule, no signature and no directory. */
static void
begin(void)
{
	char dir[200];
	char *argv[] = { "rm", "-rf", dir, NULL };

	(void)snprintf(dir, sizeof(dir), "%s/d", w.dir);
	(void)run_wait(argv, NULL);
	world_control(&w, "reset", "{}", NULL, 0);
	world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
}

static char said[16384];

/* Runs a shell command in the test's folder; $U is usmsync of berta; its status, and what it wrote in SAID. */
static int
shell(const char *what)
{
	char cmd[2000], log[200];
	char *argv[] = { "sh", "-c", cmd, NULL };
	size_t n = 0;
	FILE *f;
	int st;

	(void)snprintf(log, sizeof(log), "%s/out", w.dir);
	(void)remove(log); /* what is written there is appended */
	(void)snprintf(cmd, sizeof(cmd), "B='%s'; case $B in /*) ;; *) B=$PWD/$B ;; esac; cd '%s' && U=\"$B/usmsync --server %s --user berta --dir d --device rules\"; %s", w.build,
	    w.dir, w.server, what);
	st = run_wait(argv, log);
	f = fopen(log, "r");
	if (f != NULL) {
		n = fread(said, 1, sizeof(said) - 1, f);
		(void)fclose(f);
	}
	said[n] = '\0';
	return st;
}

/* WHAT ends with STATUS and says TEXT. */
static void
says(const char *what, int status, const char *text)
{
	int st = shell(what);

	ck_assert_msg(st == status && strstr(said, text) != NULL, "%s: %d, not %d \"%s\":\n%s", what, st, status, text, said);
}

static void
says_not(const char *text)
{
	ck_assert_msg(strstr(said, text) == NULL, "\"%s\" is said:\n%s", text, said);
}

START_TEST(rules_are_made)
{
	says("$U rules", 0, "what it does\n");
	says_not("if ");
	says("$U rules add News subject:contains=news from:is=a@example.org then flag='\\Seen' keep stop", 0,
	    "   1 yes  News                           if (subject contains \"news\" and from is \"a@example.org\"): addflags \"\\Seen\", keep, stop\n");
	/* the same words again are the same rule */
	says("$U rules add News subject:contains=news from:is=a@example.org then flag='\\Seen' keep stop", 0, "   1 yes  News");
	says_not("   2 ");
	says("$U rules add Big any size:over=10K header.X-Spam:is=YES then discard", 0, "   2 yes  Big                            if (size over 10K or header \"X-Spam\" is \"YES\"): discard\n");
	says("$U rules add All then redirect=b@example.org", 0, "   3 yes  All                            if every mail: redirect b@example.org\n");
	says("P=$($U folders | awk '$1 == \"mail\" && /INBOX|Inbox/ { sub(/^[^ ]+ +[^ ]+ +/, \"\"); print; exit }'); $U rules add Here body:contains=offer then copy=\"$P\"", 0,
	    "   4 yes  Here                           if body contains \"offer\": copy");
	says("$U --json rules list", 0, "\"maxRedirects\"");
}
END_TEST

START_TEST(rules_are_changed)
{
	says("for i in One Two Three; do $U rules add $i subject:is=$i then keep >/dev/null || exit; done; $U rules", 0, "   3 yes  Three");
	says("$U rules off 2", 0, "   2 no   Two");
	says("$U rules on 2", 0, "   2 yes  Two");
	says("$U rules move 3 1", 0, "   1 yes  Three");
	ck_assert_ptr_nonnull(strstr(said, "   2 yes  One"));
	ck_assert_ptr_nonnull(strstr(said, "   3 yes  Two"));
	says("$U rules show 1", 0, "\"name\": \"Three\"");
	says_not("Two");
	says("$U rules delete 1", 0, "   1 yes  One");
	says_not("Three");
}
END_TEST

START_TEST(rules_are_refused)
{
	static const struct { const char *what, *text; } t[] = {
		{ "$U rules show 1", "there is no rule \"1\"" }, { "$U rules delete", "there is no rule \"\"" }, { "$U rules sort", "rules has list, show," },
		{ "$U rules add", "rules add NAME" }, { "$U rules add X subject then keep", "\"subject\" is no condition" }, { "$U rules add X then run=it", "\"run=it\" is no action" },
		{ "$U rules add X subject:looks=x then keep", "test.comparison" }, { "$U rules add X subject:is=x", "actions" },
		{ "$U rules add X then move=Nowhere", "no folder \"Nowhere\"" }, { "$U rules add X then redirect=nomail", "actions[0].to" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		says(t[i].what, 1, t[i].text);
	says("$U rules", 0, "what it does\n");
	says_not("   1 ");
	says("$U rules add X then keep && $U rules move 1 2", 1, "POS is from 1 to 1");
	/* a script that OX cannot read: shown, and not touched */
	world_control(&w, "sieve", "{\"user\":\"berta\",\"rules\":[{\"id\":0,\"rulename\":\"By hand\",\"active\":true,\"unread\":true,\"flags\":[],\"test\":{\"id\":\"duplicate\"},"
	    "\"actioncmds\":[{\"id\":\"keep\"}]},{\"id\":1,\"rulename\":\"Ours\",\"active\":true,\"flags\":[],\"test\":{\"id\":\"true\"},\"actioncmds\":[{\"id\":\"keep\"}]}]}", NULL, 0);
	says("$U rules", 0, "nothing can be changed here");
	says("$U rules delete 1", 1, "with the program that wrote it.\n");
	says_not("owner");
	says("$U rules", 0, "   1 yes  Ours");
}
END_TEST

START_TEST(absence)
{
	says("$U vacation", 0, "There is no absence notice.\n");
	says("$U vacation set subject=Away", 1, "text");
	says("printf 'Back on\\nMonday.\\n' > text && $U vacation set subject=Away text-file=text days=3 from=2026-12-24 to=2027-01-06 address=berta@example.com address=b2@example.com", 0,
	    "from       2026-12-24\nto         2027-01-06\ndays       3\naddresses  berta@example.com b2@example.com\nsubject    Away\n\nBack on\nMonday.\n");
	says("$U vacation off", 0, "active     no");
	ck_assert_ptr_nonnull(strstr(said, "Monday."));
	says("$U vacation on", 0, "active     yes");
	says("$U vacation set from=none address=", 0, "from       -\nto         2027-01-06\n");
	says_not("b2@example.com");
	says("echo shorter | $U vacation set text-file=-", 0, "\nshorter\n");
	says("$U --json vacation", 0, "\"exists\": true");
	/* it is a rule, too */
	says("$U rules", 0, ": vacation");
}
END_TEST

START_TEST(absence_is_refused)
{
	static const struct { const char *what, *text; } t[] = {
		{ "$U vacation set days=0", "days takes a number from 1 to 365" }, { "$U vacation set from=soon", "from=soon is no day" },
		{ "$U vacation set from=2027-02-30", "from=2027-02-30 is no day" }, { "$U vacation set text-file=nowhere", "cannot read nowhere" },
		{ "$U vacation set colour=red", "vacation set takes" }, { "$U vacation often", "vacation has on, off and set" },
		{ "$U vacation set", "vacation set takes" },
		{ "$U vacation set from=2027-01-06 to=2027-01-05", "to " }, { "$U vacation set address=nomail", "addresses[0]" },
	};

	says("echo away | $U vacation set text-file=-", 0, "\naway\n");
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		says(t[i].what, 1, t[i].text);
	says("$U vacation", 0, "from       -\nto         -\n");
}
END_TEST

/* ---- signatures ---- */

START_TEST(signatures)
{
	says("$U signatures", 0, "insertion content\n");
	says_not("   1 ");
	says("printf -- '-- \\nBerta\\n' > text && $U signatures set Work text-file=text insertion=below default=yes", 0,
	    "   1 Work                           text  new      below     --  Berta \n");
	/* the same words again are the same signature */
	says("$U signatures set Work text-file=text insertion=below default=yes", 0, "   1 Work");
	says_not("   2 ");
	says("printf '<p>Berta <b>Bauer</b>, whose name goes on and on and on</p>' | $U signatures set Home html-file=- replies=yes", 0,
	    "   2 Home                           html  replies  -         Berta Bauer, whose name goes on and on a...\n");
	says("$U signatures show Home", 0, "<p>Berta <b>Bauer</b>, whose");
	says("$U signatures show '#1'", 0, "-- \nBerta\n");
	/* one thing changes, and nothing else */
	says("$U signatures set Work replies=yes", 0, "   1 Work                           text  both     below     --  Berta \n");
	ck_assert_ptr_nonnull(strstr(said, "   2 Home                           html  -        -         Berta Bauer"));
	says("$U signatures set '#2' name=Work && $U signatures", 0, "   2 Work");
	says("$U signatures delete Work", 1, "2 signatures are called \"Work\"");
	says("$U --json signatures list", 0, "\"defaultReply\": true");
	says("$U signatures delete '#1'", 0, "   1 Work                           html  -        -");
	says_not("   2 ");
	says("$U signatures delete Work", 0, "insertion content\n");
	says_not("   1 ");
}
END_TEST

START_TEST(signatures_are_refused)
{
	static const struct { const char *what, *text; } t[] = {
		{ "$U signatures show", "say which signature" }, { "$U signatures show Work", "there is no signature \"Work\"" }, { "$U signatures delete Work", "there is no signature" },
		{ "$U signatures show '#1'", "there is no signature \"#1\"" }, { "$U signatures paint", "signatures has list, show, set and delete" },
		{ "$U signatures set Work", "give one of them" }, { "$U signatures set Work default=yes", "a new one needs text-file=" },
		{ "$U signatures set Work colour=red", "signatures set takes" }, { "$U signatures set Work text-file=nowhere", "nowhere" },
		{ "$U signatures set Work text-file=/dev/null default=perhaps", "default is yes or no" },
		{ "$U signatures set Work text-file=/dev/null insertion=aside", "insertion" },
		{ "head -c 1048577 /dev/zero | tr '\\0' x | $U signatures set Work text-file=-", "longer than the 1048576 bytes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		says(t[i].what, 1, t[i].text);
	says("$U signatures", 0, "insertion content\n");
	says_not("   1 ");
	/* a server without them */
	world_control(&w, "modules", "{\"without\":[\"snippet\"]}", NULL, 0);
	says("$U signatures", 1, "does not offer that");
	says("$U rules", 0, "what it does\n");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("client rules");
	TCase *t = tcase_create("rules");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 120);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, begin, NULL);
	tcase_add_test(t, rules_are_made);
	tcase_add_test(t, rules_are_changed);
	tcase_add_test(t, rules_are_refused);
	tcase_add_test(t, absence);
	tcase_add_test(t, absence_is_refused);
	tcase_add_test(t, signatures);
	tcase_add_test(t, signatures_are_refused);
	suite_add_tcase(s, t);
	return harness_main(s);
}
