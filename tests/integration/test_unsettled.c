/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What usmsync says of changes whose outcome nobody knows: a run claims that both sides are equal (status 0) only when they are.  Requests that OX
 * loses, answers that usmsync never hears, runs that end in between; then the same files once more, and nothing is lost or doubled.
 */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "harness/proc.h"

#define UNSETTLED 5

static struct world w;
static char log_file[160];
static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "ox_timeout = 1s", "ox_write_max_time = 3s", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":42,\"count\":5}", NULL, 0);
	(void)snprintf(log_file, sizeof(log_file), "%s/client.log", w.dir);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
}

static void
world_down(void)
{
	world_end(&w);
}

static pid_t
usmsync_start(const char *name, const char *option)
{
	char prog[160], dir[300];
	char *argv[] = { prog, "--server", w.server, "--user", "berta", "--dir", dir, "--device", (char *)(size_t)name, (char *)(size_t)option, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(dir, sizeof(dir), "%s/%s", w.dir, name);
	return run_start(argv, log_file);
}

static int
usmsync(const char *name, const char *option)
{
	int st = 0;

	ck_assert_int_gt(waitpid(usmsync_start(name, option), &st, 0), 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

/* Runs until NAME says that it is equal; every run before says that it does not know. */
static void
settle(const char *name)
{
	int rc, left = 100;

	while ((rc = usmsync(name, NULL)) != 0) {
		ck_assert_int_eq(rc, UNSETTLED);
		ck_assert_int_gt(left--, 0);
		sleep_ms(100);
	}
}

static void
shell(const char *what)
{
	char cmd[2400];
	char *argv[] = { "sh", "-c", cmd, NULL };

	ck_assert_int_lt(snprintf(cmd, sizeof(cmd), "cd '%s' && %s", w.dir, what), (int)sizeof(cmd));
	ck_assert_msg(run_wait(argv, NULL) == 0, "%s", what);
}

static void
fault(const char *module, const char *action, const char *effect)
{
	char rule[300];

	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"%s\",\"action\":\"%s\",\"user\":\"berta\",\"count\":1},\"effect\":{%s}}", module, action, effect);
	world_control(&w, "faults", rule, NULL, 0);
}

/*
 * Storing a mail is not answered, and until world_no_faults OX does not find it (who looks for a mail wants the header Message-ID), though it lists it:
 * its caches do not agree.
 */
static void
mail_in_doubt(const char *dropped)
{
	fault("mail", "import", dropped);
	world_control(&w, "faults", "{\"match\":{\"module\":\"mail\",\"action\":\"all\",\"param\":\"headers\",\"user\":\"berta\",\"count\":0},\"effect\":{\"empty\":true}}", NULL, 0);
}

/* Column COL of the contacts and appointments of berta that have TITLE; the number of them. */
static size_t
at_ox(const char *module, const char *folder, const char *columns, const char *title, json_t **row)
{
	static char text[1 << 18];
	char body[400];
	json_t *root, *r;
	size_t i, n = 0;

	(void)snprintf(body, sizeof(body), "{\"user\":\"berta\",\"module\":\"%s\",\"action\":\"all\",\"params\":{\"folder\":\"%s\",\"columns\":\"1,%s\","
	    "\"start\":\"0\",\"end\":\"253402214400000\",\"recurrence_master\":\"true\"}}", module, folder, columns);
	world_control(&w, "as", body, text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_array_foreach(json_object_get(root, "data"), i, r) {
		const char *t = json_string_value(json_array_get(r, 1));

		if (t == NULL || strcmp(t, title) != 0)
			continue;
		n++;
		if (row != NULL)
			*row = json_deep_copy(r);
	}
	json_decref(root);
	return n;
}

#define CONTACT(name) "printf 'BEGIN:VCARD\\r\\nVERSION:3.0\\r\\nFN:" name "\\r\\nN:" name ";;;;\\r\\nEND:VCARD\\r\\n'"

/* OX never executed the create, but nobody can know that before its longest time has passed. */
START_TEST(create_lost_on_the_way)
{
	ck_assert_int_eq(usmsync("create", NULL), 0);
	shell(CONTACT("Late") " >create/Contacts/late.vcf");
	fault("contacts", "new", "\"drop_before\":true");
	ck_assert_int_eq(usmsync("create", NULL), UNSETTLED);
	shell("grep -q 'Contacts/late.vcf: the server does not know yet' client.log && tail -n 1 client.log | grep -q ' 1 left for the next run'");
	ck_assert_uint_eq(at_ox("contacts", "42", "500", "Late", NULL), 0);
	settle("create");
	ck_assert_uint_eq(at_ox("contacts", "42", "500", "Late", NULL), 1);
	/* executed, the answer lost: found, not repeated */
	shell(CONTACT("Found") " >create/Contacts/found.vcf");
	fault("contacts", "new", "\"drop_after\":true");
	settle("create");
	ck_assert_uint_eq(at_ox("contacts", "42", "500", "Found", NULL), 1);
}
END_TEST

/* ---- the clock of usmd's machine is set while a create is unanswered ---- */

static char clock_file[160];

static void
clock_wrong_by(int64_t ms)
{
	FILE *f = fopen(clock_file, "r+");

	f = f != NULL ? f : fopen(clock_file, "w"); /* in place: usmd has it mapped */
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(&ms, sizeof(ms), 1, f), 1);
	ck_assert_int_eq(fclose(f), 0);
}

/* The note of the create says when it was sent: by a clock that was ahead it would not be over before that time has come. */
START_TEST(clock_is_set)
{
	char preload[200];

	if (getenv("ASAN_OPTIONS") != NULL || getenv("TSAN_OPTIONS") != NULL)
		return; /* no preloading into sanitized programs */
	(void)snprintf(clock_file, sizeof(clock_file), "%s/clock.wrong", w.dir);
	clock_wrong_by(0);
	(void)snprintf(preload, sizeof(preload), "%s/faults-clock.so", w.build);
	world_usmd_kill(&w);
	ck_assert_int_eq(setenv("LD_PRELOAD", preload, 1) | setenv("FAULTS_CLOCK", clock_file, 1), 0);
	world_usmd_start(&w);
	(void)unsetenv("LD_PRELOAD");
	ck_assert_int_eq(usmsync("clock", NULL), 0);
	clock_wrong_by(3600000);
	shell(CONTACT("Ahead") " >clock/Contacts/ahead.vcf");
	fault("contacts", "new", "\"drop_before\":true");
	ck_assert_int_eq(usmsync("clock", NULL), UNSETTLED);
	clock_wrong_by(0);
	settle("clock");
	ck_assert_uint_eq(at_ox("contacts", "42", "500", "Ahead", NULL), 1);
}
END_TEST

/* A new folder and what is in it. */
START_TEST(folder_lost_on_the_way)
{
	ck_assert_int_eq(usmsync("folder", NULL), 0);
	shell("mkdir folder/Contacts/Sub && " CONTACT("Inside") " >folder/Contacts/Sub/inside.vcf");
	fault("folders", "new", "\"drop_before\":true");
	ck_assert_int_eq(usmsync("folder", NULL), UNSETTLED);
	settle("folder");
	shell("sed -i '/END:VCARD/i NICKNAME:Kim\\r' folder/Contacts/Sub/inside.vcf");
	settle("folder");
	settle("folder2");
	shell("grep -q NICKNAME:Kim folder2/Contacts/Sub/*.vcf && test \"$(ls folder2/Contacts/Sub | wc -l)\" = 1");
}
END_TEST

/* Sent, not answered, and taken back since: what was typed last is what everybody has. */
START_TEST(edit_taken_back)
{
	json_t *row = NULL;

	ck_assert_int_eq(usmsync("back", NULL), 0);
	shell(CONTACT("Back") " >back/Contacts/back.vcf");
	settle("back");
	shell("cp back/Contacts/back.vcf before.vcf && sed -i '/END:VCARD/i NICKNAME:Hasty\\r' back/Contacts/back.vcf");
	ck_assert_int_eq(usmsync("back", "--drop-answers=21"), 3);
	ck_assert_uint_eq(at_ox("contacts", "42", "500,515", "Back", &row), 1);
	ck_assert_str_eq(json_string_value(json_array_get(row, 2)), "Hasty");
	json_decref(row);
	shell("cp before.vcf back/Contacts/back.vcf");
	settle("back");
	ck_assert_uint_eq(at_ox("contacts", "42", "500,515", "Back", &row), 1);
	ck_assert(json_is_null(json_array_get(row, 2)));
	json_decref(row);
	shell("! grep -q NICKNAME back/Contacts/back.vcf");
	ck_assert_int_eq(usmsync("back", NULL), 0); /* it is agreed, nothing more is sent */
	shell("tail -n 1 client.log | grep -q ' 0 sent'");
}
END_TEST

static json_int_t
attached(const char *title)
{
	json_t *row = NULL;
	json_int_t n;

	ck_assert_uint_eq(at_ox("contacts", "42", "500,104", title, &row), 1);
	n = json_integer_value(json_array_get(row, 2));
	json_decref(row);
	return n;
}

/* An attached file is edited: the new one is attached, then the old one is deleted.  The run is ended before ACTION was answered. */
static const char *const interrupted[] = { "detach", "list" };

START_TEST(edited_attachment)
{
	char dir[16], cmd[400];
	pid_t pid;

	(void)snprintf(dir, sizeof(dir), "edit%d", _i);
	ck_assert_int_eq(usmsync(dir, NULL), 0);
	(void)snprintf(cmd, sizeof(cmd), "cd %s/Contacts && printf 'BEGIN:VCARD\\r\\nVERSION:3.0\\r\\nFN:%s\\r\\nN:%s;;;;\\r\\nEND:VCARD\\r\\n' >a.vcf && mkdir a.vcf.attachments"
	    " && echo one >a.vcf.attachments/notes.txt", dir, dir, dir);
	shell(cmd);
	settle(dir);
	ck_assert_int_eq(attached(dir), 1);
	(void)snprintf(cmd, sizeof(cmd), "echo 'number two' >%s/Contacts/a.vcf.attachments/notes.txt", dir);
	shell(cmd);
	fault(_i == 0 ? "attachment" : "contacts", interrupted[_i], "\"delay_ms\":1500");
	pid = usmsync_start(dir, NULL);
	while (attached(dir) != 2)
		sleep_ms(10);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	settle(dir);
	ck_assert_int_eq(attached(dir), 1);
	(void)snprintf(cmd, sizeof(cmd), "cd %s/Contacts/a.vcf.attachments && test \"$(ls)\" = notes.txt && grep -q 'number two' notes.txt", dir);
	shell(cmd);
}
END_TEST

#define SERIES "BEGIN:VEVENT\\r\\nUID:w-1\\r\\nDTSTART:20271206T080000Z\\r\\nDTEND:20271206T090000Z\\r\\nSUMMARY:Weekly\\r\\nRRULE:FREQ=WEEKLY;COUNT=6;BYDAY=MO\\r\\nEND:VEVENT\\r\\n"
#define OVERRIDE "BEGIN:VEVENT\\r\\nUID:w-1\\r\\nRECURRENCE-ID:20271213T080000Z\\r\\nDTSTART:20271213T100000Z\\r\\nDTEND:20271213T110000Z\\r\\nSUMMARY:Moved\\r\\nEND:VEVENT\\r\\n"
#define ICS(x) "printf 'BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:x\\r\\n" x "END:VCALENDAR\\r\\n'"

/* An exception that was refused waits for its file, which is that of its series, to say something else, and goes then. */
START_TEST(refused_exception)
{
	ck_assert_int_eq(usmsync("exc", NULL), 0);
	shell(ICS(SERIES) " >exc/Calendar/w.ics");
	settle("exc");
	shell(ICS(SERIES OVERRIDE) " >exc/Calendar/w.ics");
	/* twice: with the first answer the file is written as this program writes it, which says something else of a series */
	for (int i = 0; i < 2; i++) {
		fault("calendar", "update", "\"error\":\"APP-0071\",\"category\":1");
		ck_assert_int_eq(usmsync("exc", NULL), 1);
	}
	ck_assert_int_eq(usmsync("exc", NULL), 1);
	shell("grep -q 'Calendar/w.ics: the server refused it and it has not been changed since' client.log");
	ck_assert_uint_eq(at_ox("calendar", "41", "200", "Moved", NULL), 0);
	shell("sed -i 's/Moved/Moved again/' exc/Calendar/w.ics");
	settle("exc");
	ck_assert_uint_eq(at_ox("calendar", "41", "200", "Moved again", NULL), 1);
}
END_TEST

/* A draft whose storing was never answered, edited meanwhile; then the answers to the edit and to the removal of the old version get lost as well. */
START_TEST(draft_in_doubt)
{
	ck_assert_int_eq(usmsync("draft", NULL), 0);
	shell("printf 'From: berta@example.com\\r\\nSubject: Doubt\\r\\nMessage-ID: <doubt@example.com>\\r\\n\\r\\nfirst words\\r\\n' >draft/E-Mail/Drafts/d,DS.eml");
	mail_in_doubt(_i == 0 ? "\"drop_before\":true" : "\"drop_after\":true");
	ck_assert_int_eq(usmsync("draft", _i == 2 ? "--drop-answers=21" : NULL), _i == 2 ? 3 : UNSETTLED);
	world_no_faults(&w);
	shell("sed -i 's/first words/second thoughts/' draft/E-Mail/Drafts/d,DS.eml");
	fault("mail", "import", "\"drop_after\":true");
	fault("mail", "delete", "\"drop_after\":true");
	settle("draft");
	settle("draft2");
	shell("grep -q 'second thoughts' draft/E-Mail/Drafts/*.eml && test \"$(ls draft/E-Mail/Drafts | wc -l)\" = 1");
	shell("grep -q 'second thoughts' draft2/E-Mail/Drafts/*.eml && test \"$(ls draft2/E-Mail/Drafts | wc -l)\" = 1");
	shell("rm draft/E-Mail/Drafts/*.eml");
	settle("draft");
	settle("draft2");
}
END_TEST

/*
 * A draft whose storing was never answered has come as somebody's mail, so a person has it twice.  What he does with the two files until the answer
 * comes: the one that came is edited; both are; it is marked; it is removed; its edit is with the server, and then the own one is edited, or it is removed.
 */
enum { EDITED, BOTH, MARKED, REMOVED, EDITED_THEN_BOTH, EDITED_THEN_REMOVED, WITH_A_TWIN };

static const char *const done_with_twin[] = {
	[EDITED] = "sed -i 's/first/second/' twin*.eml",
	[BOTH] = "sed -i 's/first/second/' twin*.eml && sed -i 's/first/third/' own,DS.eml",
	[MARKED] = "mv twin*.eml \"$(ls twin*.eml | sed s/,.*//),DFS.eml\"",
	[REMOVED] = "rm twin*.eml",
	[EDITED_THEN_BOTH] = "sed -i 's/first/second/' twin*.eml",
	[EDITED_THEN_REMOVED] = "sed -i 's/first/second/' twin*.eml",
};
static const char *const done_later[] = {
	[EDITED_THEN_BOTH] = "sed -i 's/first/third/' own,DS.eml",
	[EDITED_THEN_REMOVED] = "rm twin*.eml",
	[WITH_A_TWIN] = NULL,
};
static const char *const left_of_twin[] = {
	[EDITED] = "test \"$(ls | wc -l)\" = 1 && grep -q 'second words' *.eml",
	[BOTH] = "test \"$(ls | wc -l)\" = 2 && grep -q 'second words' *.eml && grep -q 'third words' *.eml",
	[MARKED] = "test \"$(ls | wc -l)\" = 1 && ls | grep -q ',DFS.eml' && grep -q 'first words' *.eml",
	[REMOVED] = "test \"$(ls | wc -l)\" = 1 && grep -q 'first words' *.eml",
	[EDITED_THEN_BOTH] = "test \"$(ls | wc -l)\" = 2 && grep -q 'second words' *.eml && grep -q 'third words' *.eml",
	[EDITED_THEN_REMOVED] = "test \"$(ls | wc -l)\" = 1 && grep -q 'first words' *.eml",
};

START_TEST(draft_twice)
{
	char cmd[600], one[16], two[16];

	(void)snprintf(one, sizeof(one), "one%d", _i);
	(void)snprintf(two, sizeof(two), "two%d", _i);
	ck_assert_int_eq(usmsync(one, NULL), 0);
	(void)snprintf(cmd, sizeof(cmd), "printf 'From: berta@example.com\\r\\nSubject: twin%d\\r\\nMessage-ID: <twin%d@example.com>\\r\\n\\r\\nfirst words\\r\\n' >%s/E-Mail/Drafts/own,DS.eml", _i, _i, one);
	shell(cmd);
	mail_in_doubt("\"drop_after\":true");
	ck_assert_int_eq(usmsync(one, NULL), UNSETTLED);
	(void)snprintf(cmd, sizeof(cmd), "cd %s/E-Mail/Drafts && test -f own,DS.eml && test -f twin*.eml && %s", one, done_with_twin[_i]);
	shell(cmd);
	if (done_later[_i] != NULL) {
		ck_assert_int_eq(usmsync(one, NULL), UNSETTLED);
		(void)snprintf(cmd, sizeof(cmd), "cd %s/E-Mail/Drafts && %s", one, done_later[_i]);
		shell(cmd);
	}
	world_no_faults(&w);
	settle(one);
	settle(two);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(cmd, sizeof(cmd), "cd %s/E-Mail/Drafts && %s", i == 0 ? one : two, left_of_twin[_i]);
		shell(cmd);
	}
	(void)snprintf(cmd, sizeof(cmd), "rm %s/E-Mail/Drafts/*.eml", one);
	shell(cmd);
	settle(one);
}
END_TEST

/* Only the answer is lost, of a new mail or a new folder: OX is asked with the next request, so that nothing ever comes as somebody else's. */
START_TEST(found_at_once)
{
	ck_assert_int_eq(usmsync("once", NULL), 0);
	if (_i == 0) {
		shell("printf 'From: berta@example.com\\r\\nSubject: Once\\r\\n\\r\\nwords\\r\\n' >once/E-Mail/Drafts/once,DS.eml");
		fault("mail", "import", "\"drop_after\":true");
	} else {
		shell("mkdir once/Contacts/Once");
		fault("folders", "new", "\"drop_after\":true");
	}
	/* of a folder the next run asks: nothing can be put into it in this one */
	ck_assert_int_eq(usmsync("once", NULL), _i == 0 ? 0 : UNSETTLED);
	ck_assert_int_eq(usmsync("once", NULL), 0);
	shell(_i == 0 ? "cd once/E-Mail/Drafts && test \"$(ls *.eml)\" = once,DS.eml" : "test \"$(find once -type d -name 'Once*' | wc -l)\" = 1");
	ck_assert_int_eq(usmsync("once", NULL), 0);
	shell(_i == 0 ? "rm once/E-Mail/Drafts/once,DS.eml" : "rmdir once/Contacts/Once");
	settle("once");
}
END_TEST

/* A contact, an appointment or a task comes with its clientId, so there is never a second file of it; what is edited meanwhile is a change. */
static const struct {
	const char *module, *dir, *text;
} kinds[] = {
	{ "contacts", "Contacts", CONTACT("Alone") },
	{ "calendar", "Calendar", ICS("BEGIN:VEVENT\\r\\nUID:alone-1\\r\\nDTSTART:20271206T080000Z\\r\\nDTEND:20271206T090000Z\\r\\nSUMMARY:Alone\\r\\nEND:VEVENT\\r\\n") },
	{ "tasks", "Tasks", ICS("BEGIN:VTODO\\r\\nUID:alone-2\\r\\nSUMMARY:Alone\\r\\nEND:VTODO\\r\\n") },
};

START_TEST(created_is_one_file)
{
	char cmd[700];

	settle("alone");
	(void)snprintf(cmd, sizeof(cmd), "ls alone/%s | wc -l >alone.n; %s >alone/%s/x", kinds[_i].dir, kinds[_i].text, kinds[_i].dir);
	shell(cmd);
	(void)snprintf(cmd, sizeof(cmd), "cd alone/%s && mv x x.%s", kinds[_i].dir, _i == 0 ? "vcf" : "ics");
	shell(cmd);
	fault(kinds[_i].module, "new", "\"drop_after\":true");
	(void)usmsync("alone", NULL);
	(void)snprintf(cmd, sizeof(cmd), "cd alone/%s && test \"$(ls | wc -l)\" -eq $(($(cat ../../alone.n) + 1)) && sed -i 's/Alone/Edited/' x.*", kinds[_i].dir);
	shell(cmd);
	settle("alone");
	settle("alone2");
	for (int i = 0; i < 2; i++) {
		(void)snprintf(cmd, sizeof(cmd), "cd alone%s/%s && test \"$(grep -l Edited * | wc -l)\" = 1 && ! grep -q Alone *", i == 0 ? "" : "2", kinds[_i].dir);
		shell(cmd);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("unsettled");
	TCase *t = tcase_create("runs");
	SRunner *r;
	int failed;

	if (getenv("USMD_TEST_PG") == NULL) {
		(void)puts("SKIPPED: run me inside tests/harness/with-servers");
		return 77;
	}
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, create_lost_on_the_way);
	tcase_add_test(t, folder_lost_on_the_way);
	tcase_add_test(t, edit_taken_back);
	tcase_add_loop_test(t, edited_attachment, 0, (int)(sizeof(interrupted) / sizeof(interrupted[0])));
	tcase_add_test(t, refused_exception);
	tcase_add_loop_test(t, draft_in_doubt, 0, 2);
	tcase_add_loop_test(t, found_at_once, 0, 2);
	tcase_add_loop_test(t, created_is_one_file, 0, (int)(sizeof(kinds) / sizeof(kinds[0])));
	tcase_add_loop_test(t, draft_twice, 0, WITH_A_TWIN);
	suite_add_tcase(suite, t);
	t = tcase_create("clock"); /* with a usmd of its own */
	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, clock_is_set);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
