/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync against accidents of the file system and of its own run (what vanished by accident deletes nothing on the server), and series as files. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "harness/proc.h"
#include "usmd/util.h"

static struct world w;
static char log_file[160];
static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", NULL };
static const char *const server_modes[] = { "calendar_past = 0", "mail_past = 0", "default_modes = inbox headers, task off", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":42,\"count\":5}", NULL, 0);
	(void)snprintf(log_file, sizeof(log_file), "%s/client.log", w.dir);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
}

static void
world_up_modes(void)
{
	world_begin(&w, NULL, server_modes);
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
	char cmd[2400];
	char *argv[] = { "sh", "-c", cmd, NULL };

	ck_assert_int_lt(snprintf(cmd, sizeof(cmd), "cd '%s' && %s", w.dir, what), (int)sizeof(cmd));
	ck_assert_msg(run_wait(argv, NULL) == 0, "%s", what);
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

/* ---- a series and its exceptions are one file ---- */

#define OVERRIDE(id, day, hour, title) "BEGIN:VEVENT\\r\\nUID:w-1\\r\\nRECURRENCE-ID:202712" day "T080000Z\\r\\nDTSTART:202712" day "T" hour "0000Z\\r\\n" \
	"DTEND:202712" day "T" hour "3000Z\\r\\nSUMMARY:" title "\\r\\nEND:VEVENT\\r\\n"
#define SERIES "BEGIN:VEVENT\\r\\nUID:w-1\\r\\nDTSTART:20271206T080000Z\\r\\nDTEND:20271206T090000Z\\r\\nSUMMARY:Weekly\\r\\nLOCATION:Room 1\\r\\nDESCRIPTION:Cake\\r\\nCATEGORIES:a\\r\\n" \
	"RRULE:FREQ=WEEKLY;COUNT=6;BYDAY=MO\\r\\n" \
	"EXDATE:20271227T080000Z\\r\\nEND:VEVENT\\r\\n"
#define ICS(x) "printf 'BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:x\\r\\n" x "END:VCALENDAR\\r\\n'"

/* Appointments in berta's calendar whose title is TITLE; "series" and "exceptions" as OX has them. */
static size_t
events_at_ox(const char *title, size_t *changed, size_t *deleted)
{
	static char text[1 << 18];
	json_t *root, *row;
	size_t n = 0, i;

	world_control(&w, "as", "{\"user\":\"berta\",\"module\":\"calendar\",\"action\":\"all\",\"params\":{\"folder\":\"41\",\"columns\":\"1,200,210,211,209\","
	    "\"start\":1820000000000,\"end\":1850000000000,\"recurrence_master\":true}}", text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_array_foreach(json_object_get(root, "data"), i, row) {
		const char *t = json_string_value(json_array_get(row, 1));

		if (json_integer_value(json_array_get(row, 4)) > 0) {
			*changed = json_array_size(json_array_get(row, 2));
			*deleted = json_array_size(json_array_get(row, 3));
		}
		n += t != NULL && strcmp(t, title) == 0;
	}
	json_decref(root);
	return n;
}

/* Both directories say the same of the series, in one file each. */
static void
both_have(const char *vevents, const char *words)
{
	char cmd[400];

	ck_assert_int_eq(usmsync("ser"), 0);
	ck_assert_int_eq(usmsync("ser2"), 0);
	ck_assert_int_eq(usmsync("ser"), 0);
	shell("test \"$(ls ser/Calendar | wc -l)\" = 1 && test \"$(ls ser2/Calendar | wc -l)\" = 1");
	shell("cmp ser/Calendar/*.ics ser2/Calendar/*.ics");
	(void)snprintf(cmd, sizeof(cmd), "test \"$(grep -c BEGIN:VEVENT ser/Calendar/*.ics)\" = %s && grep -q '%s' ser2/Calendar/*.ics", vevents, words);
	shell(cmd);
}

START_TEST(series_in_one_file)
{
	size_t changed = 0, deleted = 0;

	ck_assert_int_eq(usmsync("ser"), 0);
	shell(ICS(SERIES OVERRIDE("w-1", "13", "10", "Moved")) " >ser/Calendar/mine.ics");
	both_have("2", "SUMMARY:Moved");
	shell("test \"$(grep -c -e ^LOCATION -e ^DESCRIPTION -e ^CATEGORIES ser2/Calendar/*.ics)\" = 3"); /* the occurrence has none, and says so */
	ck_assert_uint_eq(events_at_ox("Moved", &changed, &deleted), 1);
	ck_assert_uint_eq(events_at_ox("Weekly", &changed, &deleted), 1);
	ck_assert_uint_eq(changed, 1);
	ck_assert_uint_eq(deleted, 1);
	/* edited here, another one added there, and both at once */
	shell("sed -i 's/SUMMARY:Moved/SUMMARY:Moved again/' ser2/Calendar/*.ics");
	ck_assert_int_eq(usmsync("ser2"), 0);
	both_have("2", "SUMMARY:Moved again");
	shell("sed -i 's/SUMMARY:Moved again/SUMMARY:Moved thrice/' ser/Calendar/*.ics");
	shell("sed -i '/^END:VCALENDAR/d' ser2/Calendar/*.ics && printf '" OVERRIDE("w-1", "20", "12", "Second") "END:VCALENDAR\\r\\n' >>\"$(ls ser2/Calendar/*.ics)\"");
	shell("sed -i \"s/^UID:w-1/$(grep -h -m1 ^UID: ser/Calendar/mine.ics | tr -d '\\r')/\" ser2/Calendar/*.ics");
	ck_assert_int_eq(usmsync("ser2"), 0);
	both_have("3", "SUMMARY:Moved thrice");
	ck_assert_uint_eq(events_at_ox("Second", &changed, &deleted), 1);
	ck_assert_uint_eq(changed, 2);
	/* an override that is only taken out comes back, and its owner is told */
	shell("awk '/BEGIN:VEVENT/{b=\"\"} {b=b $0 \"\\n\"} /END:VEVENT/{if (b !~ /Second/) printf \"%s\", b; b=\"\"} END{printf \"%s\", b}' ser/Calendar/mine.ics >x && mv x ser/Calendar/mine.ics");
	ck_assert_int_eq(usmsync("ser"), 1);
	shell("grep -q 'comes back' client.log");
	both_have("3", "SUMMARY:Second");
	/* with its day in EXDATE it is deleted */
	shell("awk '/BEGIN:VEVENT/{b=\"\"} {b=b $0 \"\\n\"} /END:VEVENT/{if (b !~ /Second/) printf \"%s\", b; b=\"\"} END{printf \"%s\", b}' ser/Calendar/mine.ics |"
	    "sed 's/^EXDATE\\(.*\\):20271227T080000Z/&\\r\\nEXDATE\\1:20271220T080000Z/' >x && mv x ser/Calendar/mine.ics");
	both_have("2", "SUMMARY:Moved thrice");
	ck_assert_uint_eq(events_at_ox("Second", &changed, &deleted), 0);
	ck_assert_uint_eq(changed, 1);
	ck_assert_uint_eq(deleted, 2);
	/* the file is the series */
	shell("rm ser2/Calendar/*.ics");
	ck_assert_int_eq(usmsync("ser2"), 0);
	ck_assert_int_eq(usmsync("ser"), 0);
	shell("test \"$(ls ser/Calendar | wc -l)\" = 0 && test \"$(ls ser2/Calendar | wc -l)\" = 0");
	ck_assert_uint_eq(events_at_ox("Weekly", &changed, &deleted), 0);
	ck_assert_uint_eq(events_at_ox("Moved thrice", &changed, &deleted), 0);
}
END_TEST

/* Answers get lost at every step, and nothing is doubled. */
START_TEST(series_with_lost_answers)
{
	size_t changed = 0, deleted = 0;

	ck_assert_int_eq(usmsync("lost"), 0);
	shell(ICS(SERIES OVERRIDE("w-1", "13", "10", "Lost one") OVERRIDE("w-1", "20", "10", "Lost two")) " >lost/Calendar/mine.ics");
	{
		int st = 0;

		ck_assert_int_gt(waitpid(usmsync_start("lost", "--drop-answers=3"), &st, 0), 0);
	}
	ck_assert_int_eq(usmsync("lost"), 0);
	ck_assert_int_eq(usmsync("lost"), 0);
	ck_assert_uint_eq(events_at_ox("Lost one", &changed, &deleted), 1);
	ck_assert_uint_eq(events_at_ox("Lost two", &changed, &deleted), 1);
	ck_assert_uint_eq(events_at_ox("Weekly", &changed, &deleted), 1);
	ck_assert_uint_eq(changed, 2);
	ck_assert_uint_eq(deleted, 1);
	shell("test \"$(ls lost/Calendar | wc -l)\" = 1 && test \"$(grep -c BEGIN:VEVENT lost/Calendar/mine.ics)\" = 3");
}
END_TEST

/* A file that the server refuses is named, sent again only when it says something else, and keeps nothing else from being sent. */
START_TEST(refused_file_waits)
{
	size_t n = contacts_at_ox();

	ck_assert_int_eq(usmsync("refused"), 0);
	shell("printf 'BEGIN:VCARD\\r\\nVERSION:3.0\\r\\nFN:Refused\\r\\nN:Refused;;;;\\r\\nEND:VCARD\\r\\n' >refused/Contacts/bad.vcf");
	world_control(&w, "faults", "{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"user\":\"berta\",\"count\":1},\"effect\":{\"error\":\"CON-0168\",\"category\":1}}", NULL, 0);
	ck_assert_int_eq(usmsync("refused"), 1);
	ck_assert_uint_eq(contacts_at_ox(), n);
	/* OX would take it now, but nobody has changed it */
	shell(": >client.log");
	shell("printf 'BEGIN:VCARD\\r\\nVERSION:3.0\\r\\nFN:Good one\\r\\nN:Good;;;;\\r\\nEND:VCARD\\r\\n' >refused/Contacts/good.vcf");
	ck_assert_int_eq(usmsync("refused"), 1);
	shell("grep -q 'bad.vcf: the server refused it and it has not been changed since' client.log");
	ck_assert_uint_eq(contacts_at_ox(), n + 1);
	shell("sed -i 's/Refused/Accepted/' refused/Contacts/bad.vcf");
	ck_assert_int_eq(usmsync("refused"), 0);
	ck_assert_uint_eq(contacts_at_ox(), n + 2);
}
END_TEST

static int
usmsync_with(const char *name, const char *option)
{
	int st = 0;

	ck_assert_int_gt(waitpid(usmsync_start(name, option), &st, 0), 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

static void
doubt_at_ox(const char *action, const char *params, const char *data, char *out, size_t size)
{
	char body[500];

	(void)snprintf(body, sizeof(body), "{\"user\":\"berta\",\"module\":\"contacts\",\"action\":\"%s\",\"params\":%s,\"data\":%s}", action, params, data);
	world_control(&w, "as", body, out, size);
}

/*
 * One field is changed on both sides, and OX does not say what became of the client's value: the answer brings the other value and settles nothing.
 * The file keeps the client's, and it stays a change until it is answered.
 */
START_TEST(change_stays_until_answered)
{
	char text[4000], params[120], id[24];
	json_t *j;

	doubt_at_ox("new", "{}", "{\"folder_id\":42,\"display_name\":\"Doubt\",\"last_name\":\"Doubt\",\"nickname\":\"before\"}", text, sizeof(text));
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	(void)snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(json_object_get(j, "data"), "id")));
	json_decref(j);
	ck_assert_int_eq(usmsync("doubt"), 0);
	shell("sed -i 's/^NICKNAME:.*/NICKNAME:mine\\r/' doubt/Contacts/Doubt.vcf && grep -q mine doubt/Contacts/Doubt.vcf");
	(void)snprintf(params, sizeof(params), "{\"folder\":\"42\",\"id\":\"%s\",\"timestamp\":\"9007199254740992\"}", id);
	doubt_at_ox("update", params, "{\"nickname\":\"theirs\"}", NULL, 0);
	world_control(&w, "faults", "{\"match\":{\"module\":\"contacts\",\"action\":\"update\",\"user\":\"berta\",\"count\":1},\"effect\":{\"drop_before\":true}}", NULL, 0);
	(void)usmsync_with("doubt", "--policy=client");
	shell("grep -q NICKNAME:mine doubt/Contacts/Doubt.vcf");
	ck_assert_int_eq(usmsync_with("doubt", "--policy=client"), 0);
	doubt_at_ox("get", params, "null", text, sizeof(text));
	ck_assert_msg(strstr(text, "\"nickname\":\"mine\"") != NULL, "%s", text);
	shell("grep -q NICKNAME:mine doubt/Contacts/Doubt.vcf");
}
END_TEST

/* A folder that is off stays as it is on both sides; on again, it gets what it missed. */
START_TEST(folder_switched_off)
{
	size_t n = contacts_at_ox();

	ck_assert_int_eq(usmsync("modes"), 0);
	ck_assert_uint_eq(files("modes/Contacts"), n);
	ck_assert_int_eq(usmsync_with("modes", "--mode=Contacts=off"), 0);
	world_control(&w, "fill", "{\"user\":\"berta\",\"folder\":42,\"count\":3}", NULL, 0);
	shell("cp \"$(ls -d modes/Contacts/*.vcf | head -n 1)\" kept.vcf && sed -i 's/^UID.*//' kept.vcf && cp kept.vcf modes/Contacts/mine.vcf");
	ck_assert_int_eq(usmsync_with("modes", "--mode=Contacts=off"), 0);
	ck_assert_uint_eq(files("modes/Contacts"), n + 1);
	ck_assert_uint_eq(contacts_at_ox(), n + 3);
	ck_assert_int_eq(usmsync("modes"), 0);
	ck_assert_uint_eq(files("modes/Contacts"), n + 4);
	ck_assert_uint_eq(contacts_at_ox(), n + 4);
	ck_assert_int_eq(usmsync_with("modes", "--mode=Kontacts=off"), 1);
	ck_assert_int_eq(usmsync_with("modes", "--mode=Contacts=of"), 2);
	ck_assert_int_eq(usmsync_with("modes", "--first=Contacts"), 0);
}
END_TEST

/* Mails in FOLDER of USER with this subject. */
static size_t
mails(const char *user, const char *folder, const char *subject)
{
	static char text[1 << 18];
	char body[300];
	json_t *root, *row;
	size_t i, n = 0;

	(void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"module\":\"mail\",\"action\":\"all\",\"params\":{\"folder\":\"default0/%s\",\"columns\":\"600,607\"}}", user, folder);
	world_control(&w, "as", body, text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_array_foreach(json_object_get(root, "data"), i, row)
		n += strcmp(json_string_value(json_array_get(row, 1)), subject) == 0;
	json_decref(root);
	return n;
}

static int
usmsync_send(const char *drop, const char *file)
{
	char prog[160], dir[300], path[300];
	char *argv[] = { prog, "--server", w.server, "--user", "berta", "--dir", dir, "--device", "sender", "--drop-answers", (char *)(size_t)drop, "send", path, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(dir, sizeof(dir), "%s/sender", w.dir);
	(void)snprintf(path, sizeof(path), "%s/%s", w.dir, file);
	return run_wait(argv, log_file);
}

START_TEST(sends_files)
{
	shell("printf 'From: berta@example.com\\r\\nTo: anton@example.com\\r\\nSubject: From a file\\r\\n\\r\\nx\\r\\n' > m.eml");
	shell("printf 'From: x@example.org\\r\\nTo: anton@example.com\\r\\nSubject: Not hers\\r\\n\\r\\nx\\r\\n' > foreign.eml");
	ck_assert_int_eq(usmsync_send("2", "m.eml"), 0);
	ck_assert_uint_eq(mails("anton", "INBOX", "From a file"), 1);
	ck_assert_uint_eq(mails("berta", "Sent", "From a file"), 1);
	ck_assert_int_eq(usmsync_send("0", "m.eml"), 0); /* it was answered: this is another sending */
	ck_assert_uint_eq(mails("anton", "INBOX", "From a file"), 2);
	ck_assert_int_eq(usmsync_send("0", "foreign.eml"), 1);
	shell("grep -q 'one of your own addresses' client.log");
	ck_assert_uint_eq(mails("anton", "INBOX", "Not hers"), 0);
	ck_assert_int_eq(usmsync_send("0", "missing.eml"), 1);
}
END_TEST

/* A draft is a file like others: made, edited, edited while answers get lost; what was received is not replaced. */
START_TEST(edits_drafts)
{
	ck_assert_int_eq(usmsync("drafts"), 0);
	shell("printf 'From: berta@example.com\\r\\nSubject: Draft one\\r\\nMessage-ID: <d@example.com>\\r\\n\\r\\none\\r\\n' > drafts/E-Mail/Drafts/new,DS.eml");
	ck_assert_int_eq(usmsync("drafts"), 0);
	ck_assert_uint_eq(mails("berta", "Drafts", "Draft one"), 1);
	shell("sed -i 's/Draft one/Draft two, longer/' drafts/E-Mail/Drafts/new,DS.eml");
	ck_assert_int_eq(usmsync("drafts"), 0);
	ck_assert_uint_eq(mails("berta", "Drafts", "Draft one"), 0);
	ck_assert_uint_eq(mails("berta", "Drafts", "Draft two, longer"), 1);
	shell("grep -q 'Draft two' drafts/E-Mail/Drafts/new,DS.eml && test \"$(ls drafts/E-Mail/Drafts | wc -l)\" = 1");
	ck_assert_int_eq(usmsync("drafts"), 0); /* nothing more to do */
	shell("tail -n 1 client.log | grep -q ' 0 sent'");
	shell("mv drafts/E-Mail/Drafts/new,DS.eml drafts/E-Mail/Drafts/new,DFS.eml && sed -i 's/two/three/' drafts/E-Mail/Drafts/new,DFS.eml");
	ck_assert_int_eq(usmsync("drafts"), 0);
	ck_assert_uint_eq(mails("berta", "Drafts", "Draft three, longer"), 1);
	ck_assert_int_eq(usmsync("drafts-2"), 0);
	shell("ls drafts-2/E-Mail/Drafts | grep -q ',DFS.eml'");
	shell("sed -i 's/three/four/' drafts-2/E-Mail/Drafts/*.eml");
	ck_assert_int_eq(usmsync("drafts-2"), 0);
	ck_assert_int_eq(usmsync("drafts"), 0);
	ck_assert_uint_eq(mails("berta", "Drafts", "Draft four, longer"), 1);
	shell("grep -q 'Draft four' drafts/E-Mail/Drafts/*.eml && test \"$(ls drafts/E-Mail/Drafts | wc -l)\" = 1");
}
END_TEST

/* OPTION and, after it, the command fetch of the file PATH, "" = no command. */
static int
stubs(const char *dir, const char *option, const char *file)
{
	char prog[160], full[300], path[400];
	char *argv[] = { prog, "--server", w.server, "--user", "berta", "--dir", full, "--device", (char *)(size_t)dir, (char *)(size_t)option,
		file[0] != '\0' ? "fetch" : NULL, path, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(full, sizeof(full), "%s/%s", w.dir, dir);
	(void)snprintf(path, sizeof(path), "%s/%s", full, file);
	return run_wait(argv, log_file);
}

#define HEADERS "--mode=E-Mail/Inbox=headers"

/* Of a mail there is the head and the text until it is fetched; what becomes of that file does nothing to the mail. */
START_TEST(stubs_of_mails)
{
	ck_assert_int_eq(usmsync("whole"), 0);
	shell("printf 'From: berta@example.com\r\nTo: anton@example.com\r\nSubject: Rich stub\r\nMessage-ID: <stub@example.com>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThe words\r\n--b1\r\n"
	    "Content-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "QmluYXJ5\r\n--b1--\r\n' > 'whole/E-Mail/Inbox/Rich stub.eml'");
	ck_assert_int_eq(usmsync("whole"), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(stubs(i == 0 ? "stubs" : "stubs-2", HEADERS, ""), 0);
		shell(i == 0 ? "cd stubs/E-Mail/Inbox && test ! -e 'Rich stub.eml' && head -n 1 'Rich stub.stub' | grep -q '^X-USMD-Stub: ' && "
		    "grep -q 'The words' 'Rich stub.stub' && grep -q '^X-USMD-Attachment: a.pdf' 'Rich stub.stub' && ! grep -q QmluYXJ5 'Rich stub.stub'" :
		    "test -e 'stubs-2/E-Mail/Inbox/Rich stub.stub'");
	}
	/* edited, copied as a mail, put elsewhere: nothing of it is sent */
	shell("cd stubs/E-Mail && echo mine >>'Inbox/Rich stub.stub' && cp 'Inbox/Rich stub.stub' Drafts/copy,D.eml");
	ck_assert_int_eq(stubs("stubs", HEADERS, ""), 1);
	shell("grep -q 'copy,D.eml: is not a whole mail' client.log");
	shell("cd stubs/E-Mail && rm Drafts/copy,D.eml && mv 'Inbox/Rich stub.stub' Sent/");
	ck_assert_int_eq(stubs("stubs", HEADERS, ""), 1);
	shell("cd stubs/E-Mail && rm 'Sent/Rich stub.stub' && test -e 'Inbox/Rich stub.stub' && ! grep -q mine 'Inbox/Rich stub.stub'");
	ck_assert_uint_eq(mails("berta", "INBOX", "Rich stub"), 1);
	ck_assert_uint_eq(mails("berta", "Drafts", "Rich stub") + mails("berta", "Sent", "Rich stub") + mails("berta", "Trash", "Rich stub"), 0);
	/* its name has the flags of the mail, also that of a draft */
	shell("cd stubs/E-Mail/Inbox && mv 'Rich stub.stub' 'Rich stub,DF.stub' && sed -i 's/words/lies/' 'Rich stub,DF.stub'");
	ck_assert_int_eq(stubs("stubs", HEADERS, ""), 0);
	ck_assert_int_eq(stubs("stubs", HEADERS, ""), 0);
	ck_assert_int_eq(usmsync("whole"), 0);
	ck_assert_int_eq(usmsync("whole-2"), 0);
	shell("test -e 'whole/E-Mail/Inbox/Rich stub,DF.eml' && grep -q 'The words' 'whole-2/E-Mail/Inbox/Rich stub,DF.eml'");
	/* fetched, by name and by the folder's mode: octet by octet */
	ck_assert_int_eq(stubs("stubs-2", HEADERS, "E-Mail/Inbox/Rich stub.stub"), 0);
	ck_assert_int_eq(stubs("stubs-2", HEADERS, "E-Mail/Inbox/Rich stub.stub"), 1);
	ck_assert_int_eq(stubs("stubs-2", HEADERS, ""), 0);
	shell("cmp 'stubs-2/E-Mail/Inbox/Rich stub,DF.eml' 'whole-2/E-Mail/Inbox/Rich stub,DF.eml' && test ! -e 'stubs-2/E-Mail/Inbox/Rich stub.stub'");
	ck_assert_int_eq(stubs("stubs", "--mode=E-Mail/Inbox=full", ""), 0);
	shell("cmp 'stubs/E-Mail/Inbox/Rich stub,DF.eml' 'whole-2/E-Mail/Inbox/Rich stub,DF.eml'");
	ck_assert_uint_eq(mails("berta", "INBOX", "Rich stub"), 1);
	/* a whole mail again: its absence is a deletion */
	shell("rm 'stubs/E-Mail/Inbox/Rich stub,DF.eml'");
	ck_assert_int_eq(usmsync("stubs"), 0);
	ck_assert_uint_eq(mails("berta", "INBOX", "Rich stub"), 0);
}
END_TEST

/* What was misspelt once leaves nothing behind: the next run, spelt right, is as if there had been none. */
START_TEST(misspelt)
{
	ck_assert_int_eq(usmsync_with("typo", "--device=my phone"), 2);
	shell("tail -n 3 client.log | grep -q -e '--device takes' && test ! -e typo");
	ck_assert_int_eq(usmsync_with("typo", "--user=nobody"), 4);
	shell("! tail -n 1 client.log | grep -q 'objects received'");
	ck_assert_int_eq(usmsync_with("typo", "--server=unix:/nowhere/usmd.sock"), 3);
	shell("tail -n 1 client.log | grep -q 'unix:/nowhere/usmd.sock'");
	ck_assert_int_eq(usmsync_with("typo", "--server=localhost"), 2);
	ck_assert_int_eq(usmsync_with("typo", "--first=Kontakte"), 1);
	ck_assert_int_eq(usmsync("typo"), 0);
}
END_TEST

/* What the server gives of a kind of folder counts without an option: stubs in the Inbox, whole mails elsewhere, nothing of the tasks. */
START_TEST(modes_of_the_server)
{
	world_control(&w, "as", "{\"user\":\"berta\",\"module\":\"tasks\",\"action\":\"new\",\"data\":{\"folder_id\":43,\"title\":\"Off\"}}", NULL, 0);
	ck_assert_int_eq(usmsync("server"), 0);
	shell("printf 'From: a@example.com\\r\\nSubject: Mode\\r\\nMessage-ID: <mode@example.com>\\r\\n\\r\\nwords\\r\\n' | tee server/E-Mail/Inbox/Mode.eml >server/E-Mail/Sent/Mode.eml");
	ck_assert_int_eq(usmsync("server"), 0);
	ck_assert_uint_eq(mails("berta", "INBOX", "Mode"), 1);
	ck_assert_int_eq(usmsync("server-2"), 0);
	shell("cd server-2/E-Mail && test -e Inbox/Mode.stub && test ! -e Inbox/Mode.eml && test -e Sent/Mode.eml && test \"$(ls ../Tasks | wc -l)\" = 0");
	/* what is made in a folder that is off stays here, and is no problem */
	shell(ICS("BEGIN:VTODO\\r\\nUID:off-1\\r\\nSUMMARY:Mine\\r\\nEND:VTODO\\r\\n") " >server-2/Tasks/mine.ics");
	ck_assert_int_eq(usmsync("server-2"), 0);
	shell("tail -n 1 client.log | grep -q ' 0 sent'");
	/* an option goes before it, and without the option it counts again */
	ck_assert_int_eq(usmsync_with("server-2", "--mode=E-Mail/Inbox=full"), 0);
	shell("cd server-2/E-Mail/Inbox && test -e Mode.eml && test ! -e Mode.stub");
	ck_assert_int_eq(usmsync_with("server-2", "--mode=Tasks=full"), 0);
	shell("test \"$(ls server-2/Tasks | wc -l)\" = 2");
	ck_assert_int_eq(usmsync("server-3"), 0);
	shell("test -e server-3/E-Mail/Inbox/Mode.stub");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("client");
	TCase *t = tcase_create("accidents");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, vanished_directory);
	tcase_add_test(t, rename_into_another_directory);
	tcase_add_test(t, renamed_directory);
	tcase_add_test(t, second_one_is_told);
	tcase_add_test(t, refused_file_waits);
	tcase_add_test(t, change_stays_until_answered);
	tcase_add_test(t, folder_switched_off);
	tcase_add_test(t, series_in_one_file);
	tcase_add_test(t, series_with_lost_answers);
	tcase_add_test(t, sends_files);
	tcase_add_test(t, edits_drafts);
	tcase_add_test(t, attachments);
	tcase_add_test(t, stubs_of_mails);
	tcase_add_test(t, misspelt);
	suite_add_tcase(suite, t);
	t = tcase_create("modes");
	tcase_add_unchecked_fixture(t, world_up_modes, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, modes_of_the_server);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
