/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync against accidents of the file system and of its own run: what vanished by accident deletes nothing on the server. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/proc.h"
#include "usmd/util.h"

static struct world w;
static char log_file[160];
static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", NULL };

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
usmsync(const char *name)
{
	int st = 0;

	ck_assert_int_gt(waitpid(usmsync_start(name, NULL), &st, 0), 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

static size_t
contacts_at_ox(void)
{
	static char text[1 << 18];
	json_t *root;
	size_t n;

	world_control(&w, "as", "{\"user\":\"berta\",\"module\":\"contacts\",\"action\":\"all\",\"params\":{\"folder\":\"42\",\"columns\":\"1\"}}", text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	n = json_array_size(json_object_get(root, "data"));
	json_decref(root);
	return n;
}

static size_t
files(const char *path)
{
	char count[200], cmd[500];
	char *argv[] = { "sh", "-c", cmd, NULL };
	unsigned n = 0;
	FILE *f;

	(void)snprintf(count, sizeof(count), "%s/count", w.dir);
	(void)snprintf(cmd, sizeof(cmd), "ls '%s/%s' 2>/dev/null | grep -c vcf >'%s'", w.dir, path, count);
	(void)run_wait(argv, NULL);
	f = fopen(count, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%u", &n), 1);
	(void)fclose(f);
	return n;
}

static void
shell(const char *what)
{
	char cmd[600];
	char *argv[] = { "sh", "-c", cmd, NULL };

	(void)snprintf(cmd, sizeof(cmd), "cd '%s' && %s", w.dir, what);
	ck_assert_int_eq(run_wait(argv, NULL), 0);
}

START_TEST(vanished_directory)
{
	size_t n = contacts_at_ox();

	ck_assert_uint_ge(n, 5);
	ck_assert_int_eq(usmsync("vanish"), 0);
	ck_assert_uint_eq(files("vanish/Contacts"), n);
	shell("rm -r vanish/Contacts");
	ck_assert_int_eq(usmsync("vanish"), 0);
	ck_assert_uint_eq(contacts_at_ox(), n);
	ck_assert_uint_eq(files("vanish/Contacts"), n);
	shell("cd vanish/Contacts && rm \"$(ls *.vcf | head -n 1)\""); /* one file is a deletion */
	ck_assert_int_eq(usmsync("vanish"), 0);
	ck_assert_uint_eq(contacts_at_ox(), n - 1);
}
END_TEST

/* The folder is renamed on the server while a directory of that name is here: its files are not those of the folder. */
START_TEST(rename_into_another_directory)
{
	size_t n;

	world_control(&w, "as", "{\"user\":\"berta\",\"module\":\"folders\",\"action\":\"new\",\"params\":{\"folder_id\":\"1\"},\"data\":{\"module\":\"contacts\","
	    "\"title\":\"Before\",\"permissions\":[{\"entity\":4,\"bits\":403710016,\"group\":false}]}}", NULL, 0);
	ck_assert_int_eq(usmsync("rename"), 0);
	shell("cd rename/Contacts && cp \"$(ls *.vcf | head -n 1)\" ../Before/copy.vcf");
	ck_assert_int_eq(usmsync("rename"), 0);
	n = files("rename/Before");
	ck_assert_uint_eq(n, 1);
	shell("mkdir rename/After && touch rename/After/unrelated.txt");
	{
		static char text[1 << 18], body[400];
		json_t *root, *row;
		size_t i;

		world_control(&w, "as", "{\"user\":\"berta\",\"module\":\"folders\",\"action\":\"list\",\"params\":{\"parent\":\"1\",\"columns\":\"1,300\"}}", text, sizeof(text));
		root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		json_array_foreach(json_object_get(root, "data"), i, row) {
			if (strcmp(json_string_value(json_array_get(row, 1)), "Before") != 0)
				continue;
			(void)snprintf(body, sizeof(body), "{\"user\":\"berta\",\"module\":\"folders\",\"action\":\"update\",\"params\":{\"id\":\"%s\","
			    "\"timestamp\":\"9007199254740992\"},\"data\":{\"folder\":{\"title\":\"After\"}}}", json_string_value(json_array_get(row, 0)));
			world_control(&w, "as", body, NULL, 0);
		}
		ck_assert_str_ne(body, "");
		json_decref(root);
	}
	(void)usmsync("rename");
	(void)usmsync("rename");
	ck_assert_uint_eq(files("rename/Before"), 1); /* still in step, under the old name */
	shell("rm -r rename/After");
	ck_assert_int_eq(usmsync("rename"), 0);
	ck_assert_uint_eq(files("rename/After"), 1);
}
END_TEST

/* A person renames a directory: the folder is renamed, nothing is made twice. A mail folder's directory is put back. */
START_TEST(renamed_directory)
{
	size_t n;

	ck_assert_int_eq(usmsync("dirs"), 0);
	shell("mkdir dirs/Contacts/Old && cp \"$(find dirs/Contacts -name '*.vcf' | sort | head -n 1)\" dirs/Contacts/Old/x.vcf");
	ck_assert_int_eq(usmsync("dirs"), 0);
	n = files("dirs/Contacts");
	shell("mv dirs/Contacts/Old dirs/Contacts/New");
	ck_assert_int_eq(usmsync("dirs"), 0);
	ck_assert_int_eq(usmsync("dirs2"), 0);
	ck_assert_uint_eq(files("dirs2/Contacts"), n);
	ck_assert_uint_eq(files("dirs2/Contacts/New"), 1);
	ck_assert_uint_eq(files("dirs/Contacts/New"), 1);
	shell("test ! -e dirs2/Contacts/Old && test ! -e dirs/Contacts/Old");
	shell("mv dirs/E-Mail/Inbox dirs/E-Mail/Elsewhere");
	ck_assert_int_eq(usmsync("dirs"), 1); /* named as a problem */
	shell("test -d dirs/E-Mail/Inbox && test ! -e dirs/E-Mail/Elsewhere");
	ck_assert_int_eq(usmsync("dirs"), 0);
}
END_TEST

/* Attachments are files beside their object; the last directory that vanishes is an accident, one file is a deletion. */
START_TEST(attachments)
{
	ck_assert_int_eq(usmsync("att"), 0);
	shell("cd att/Contacts && printf 'BEGIN:VCARD\\r\\nVERSION:3.0\\r\\nFN:Att Ached\\r\\nN:Ached;Att;;;\\r\\nEND:VCARD\\r\\n' >a.vcf &&"
	    " mkdir a.vcf.attachments && echo one >a.vcf.attachments/one.txt && echo two >a.vcf.attachments/two.txt");
	/* what is inside a text comes out of it */
	shell("cd att/Calendar && printf 'BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:x\\r\\nBEGIN:VEVENT\\r\\nUID:att-1@example.org\\r\\nDTSTAMP:20261101T000000Z\\r\\n"
	    "DTSTART:20261201T090000Z\\r\\nDTEND:20261201T100000Z\\r\\nSUMMARY:Inside\\r\\nATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY;FILENAME=../in.txt:aW5zaWRl\\r\\n"
	    "END:VEVENT\\r\\nEND:VCALENDAR\\r\\n' >i.ics");
	ck_assert_int_eq(usmsync("att"), 0);
	ck_assert_int_eq(usmsync("att2"), 0);
	shell("cd att2/Contacts/Att*.vcf.attachments && test \"$(cat one.txt two.txt | tr -d '\\n')\" = onetwo");
	shell("test \"$(cat att2/Calendar/Inside.ics.attachments/*in.txt)\" = inside && ! ls att/in.txt att/Calendar/in.txt 2>/dev/null");
	/* a renamed file takes them along; nothing is sent */
	shell("cd att2/Contacts && mv Att*.vcf renamed.vcf");
	ck_assert_int_eq(usmsync("att2"), 0);
	shell("grep -q ', 0 sent,' client.log && test -f att2/Contacts/renamed.vcf.attachments/two.txt");
	shell("rm -r att2/Contacts");
	ck_assert_int_eq(usmsync("att2"), 0);
	shell("test \"$(cat att2/Contacts/*.attachments/two.txt)\" = two");
	shell("rm att2/Contacts/*.attachments/one.txt");
	ck_assert_int_eq(usmsync("att2"), 0);
	ck_assert_int_eq(usmsync("att"), 0);
	shell("test ! -e att/Contacts/a.vcf.attachments/one.txt && test -f att/Contacts/a.vcf.attachments/two.txt");
	/* edited here, removed there: it stays, and is attached again */
	shell("echo edited >att/Contacts/a.vcf.attachments/two.txt && rm -r att2/Contacts/*.attachments");
	ck_assert_int_eq(usmsync("att2"), 0);
	ck_assert_int_eq(usmsync("att"), 0);
	ck_assert_int_eq(usmsync("att2"), 0);
	shell("test \"$(cat att2/Contacts/*.attachments/two.txt)\" = edited");
	/* the object goes, and they go with it */
	shell("rm att2/Contacts/Att*.vcf");
	ck_assert_int_eq(usmsync("att2"), 0);
	ck_assert_int_eq(usmsync("att"), 0);
	shell("test ! -e att/Contacts/a.vcf && test ! -e att/Contacts/a.vcf.attachments && ! ls -d att2/Contacts/*.attachments 2>/dev/null");
}
END_TEST

START_TEST(second_one_is_told)
{
	pid_t pid;
	int st;

	pid = usmsync_start("watch", "--watch");
	while (files("watch/Contacts") == 0) /* its files tell that it is at work; the test's time limit ends this */
		sleep_ms(20);
	ck_assert_int_eq(usmsync("watch"), 1);
	shell("grep -q 'another usmsync works on' client.log");
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("client");
	TCase *t = tcase_create("accidents");
	SRunner *r;
	int failed;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, vanished_directory);
	tcase_add_test(t, rename_into_another_directory);
	tcase_add_test(t, renamed_directory);
	tcase_add_test(t, attachments);
	tcase_add_test(t, second_one_is_told);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
