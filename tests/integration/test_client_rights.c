/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync in folders of others: names of directories, what may not be changed comes back, folders and rights as commands. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/harness.h"
#include "harness/proc.h"
#include "usmd/util.h"

#define SHARED "Shared folders/Anton Anders - Contacts"

static struct world w;
static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
	world_control(&w, "fill", "{\"user\":\"anton\",\"folder\":32,\"count\":3}", NULL, 0);
	world_control(&w, "as", "{\"user\":\"anton\",\"module\":\"folders\",\"action\":\"update\",\"params\":{\"id\":\"32\",\"timestamp\":\"9007199254740992\"},\"data\":{\"folder\":"
	    "{\"permissions\":[{\"entity\":3,\"bits\":403710016,\"group\":false},{\"entity\":4,\"bits\":257,\"group\":false}]}}}", NULL, 0);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
}

static void
world_down(void)
{
	world_end(&w);
}

/* Runs a shell command in the test's folder; $U is usmsync with server, user and the directory d; its status. */
static int
shell(const char *what)
{
	char cmd[2000], log[200];
	char *argv[] = { "sh", "-c", cmd, NULL };

	(void)snprintf(log, sizeof(log), "%s/out", w.dir);
	(void)snprintf(cmd, sizeof(cmd), "B='%s'; case $B in /*) ;; *) B=$PWD/$B ;; esac; cd '%s' && U=\"$B/usmsync --server %s --user berta --dir d --device rights\"; %s", w.build,
	    w.dir, w.server, what);
	return run_wait(argv, log);
}

static void
must(const char *what)
{
	int st = shell(what);

	if (st != 0) {
		char cmd[300];
		char *argv[] = { "sh", "-c", cmd, NULL };

		(void)snprintf(cmd, sizeof(cmd), "cat '%s/out'; find '%s/d'", w.dir, w.dir);
		(void)run_wait(argv, NULL);
		ck_abort_msg("%s: %d", what, st);
	}
}

static size_t
contacts_of_anton(const char *with)
{
	static char text[1 << 18];
	json_t *root, *row;
	size_t n = 0, i;

	world_control(&w, "as", "{\"user\":\"anton\",\"module\":\"contacts\",\"action\":\"all\",\"params\":{\"folder\":\"32\",\"columns\":\"518\"}}", text, sizeof(text));
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_array_foreach(json_object_get(root, "data"), i, row) {
		const char *note = json_string_value(json_array_get(row, 0));

		n += with == NULL || (note != NULL && strcmp(note, with) == 0);
	}
	json_decref(root);
	return n;
}

START_TEST(read_only_folder)
{
	must("$U && test $(ls 'd/" SHARED "' | grep -c vcf) = 3 && test -d 'd/Public folders/All Users'");
	must("cd 'd/" SHARED "' && set -- *.vcf && cp \"$1\" ../../../before && sed -i 's/^END:VCARD/NOTE:mine\\r\\nEND:VCARD/' \"$1\" && rm \"$2\" && "
	     "sed 's/^UID:.*/UID:new-one/' \"$3\" >new.vcf");
	ck_assert_int_eq(shell("$U 2>said; st=$?; test $(grep -c 'Anton Anders - Contacts/' said) = 3 && exit $st; cat said; exit 99"), 1); /* each is named */

	must("cd 'd/" SHARED "' && cmp \"$(ls *.vcf | grep -v new | head -n 1)\" ../../../before && grep -q NOTE:mine *.refused && test $(ls | grep -c 'vcf$') = 4");
	ck_assert_uint_eq(contacts_of_anton(NULL), 3);
	ck_assert_uint_eq(contacts_of_anton("mine"), 0);
	must("rm 'd/" SHARED "/new.vcf' && $U");
	/* a renamed directory gets its name back, and nothing is made of it */
	ck_assert_int_eq(shell("mv 'd/" SHARED "' 'd/Shared folders/Anton Anders - Mine' && $U"), 1);
	must("test -d 'd/" SHARED "' && test ! -e 'd/Shared folders/Anton Anders - Mine' && $U && test $(ls 'd/" SHARED "' | grep -c 'vcf$') = 3");
	ck_assert_uint_eq(contacts_of_anton(NULL), 3);
}
END_TEST

START_TEST(public_directory)
{
	must("$U && mkdir 'd/Public folders/Ours' && cp \"$(ls d/" "'" SHARED "'" "/*.vcf | head -n 1)\" 'd/Public folders/Ours/x.vcf'; $U && $U --json folders");
	must("tr -d '\\n' <out >/dev/null; $U --json folders | grep -q '\"path\": \"Public folders/Ours\"' && $U folders | grep -q 'contact *Reviewer *" SHARED "'");
}
END_TEST

START_TEST(rights_command)
{
	must("$U && $U rights Contacts set anton=author group:team=create/own/own/none | tee t1 && grep -q 'Anton Anders.*user *Author *create' t1 && "
	     "grep -q 'Team Group.*group *Custom *create *own *own *none *no' t1 && grep -q 'Berta Bauer.*Owner' t1");
	must("$U --json rights Contacts/ remove group:team set '#5=publishing-editor' | tee t2 && grep -q 'Publishing Editor' t2 && ! grep -q Team t2 && grep -q Author t2");
	ck_assert_int_eq(shell("$U rights '" SHARED "' set berta=owner"), 1);
	ck_assert_int_eq(shell("$U rights Nowhere"), 1);
	ck_assert_int_eq(shell("$U rights Contacts set anton=king"), 1);
	ck_assert_int_eq(shell("$U nonsense"), 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("client rights");
	TCase *t = tcase_create("rights");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, read_only_folder);
	tcase_add_test(t, public_directory);
	tcase_add_test(t, rights_command);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
