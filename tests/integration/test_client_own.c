/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync whoami, passwd, version. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/harness.h"
#include "harness/proc.h"
#include "usmd/util.h"

static struct world w;
static char package[200], setting[230];
static const char *settings[] = { setting, NULL };

static void
world_up(void)
{
	(void)snprintf(package, sizeof(package), "%.150s/announced.%d", harness_env("USMD_TEST_DIR"), (int)now_ms() & 0xffff);
	ck_assert_int_eq(mkdir(package, 0755), 0);
	(void)snprintf(setting, sizeof(setting), "client_dir = %s", package);
	world_begin(&w, NULL, settings);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
}

static void
world_down(void)
{
	char *argv[] = { "rm", "-rf", package, NULL };

	world_end(&w);
	(void)run_wait(argv, NULL);
}

/* Runs a shell command in the test's folder; $U is usmsync with server, user and the directory d; its status. */
static int
shell(const char *what)
{
	char cmd[2000], log[200];
	char *argv[] = { "sh", "-c", cmd, NULL };

	(void)snprintf(log, sizeof(log), "%s/out", w.dir);
	(void)snprintf(cmd, sizeof(cmd), "B='%s'; case $B in /*) ;; *) B=$PWD/$B ;; esac; cd '%s' && U=\"$B/usmsync --server %s --user berta --dir d --device own\"; %s", w.build,
	    w.dir, w.server, what);
	return run_wait(argv, log);
}

static void
must(const char *what)
{
	int st = shell(what);

	if (st != 0) {
		char file[200];
		char *argv[] = { "cat", file, NULL };

		(void)snprintf(file, sizeof(file), "%s/out", w.dir);
		(void)run_wait(argv, NULL);
		ck_abort_msg("%s: %d", what, st);
	}
}

START_TEST(own_data)
{
	must("$U whoami > who && grep -q 'first_name *Berta' who && grep -q 'berta@example.com' who && grep -q 'timeZone *Europe/Berlin' who && grep -q 'files *[0-9]* of [0-9]*' who && "
	     "grep -q 'allowed' who");
	must("$U whoami set birthday=1990-05-17 'street_home=Way 1' lineWrap=72 quoteText=no 'senderName=Berta B.' > who && grep -q 'birthday *1990-05-17' who && "
	     "grep -q 'street_home *Way 1' who && grep -q 'lineWrap *72' who && grep -q 'quoteText *false' who && grep -q 'senderName *Berta B.' who");
	must("$U whoami set street_home= > who && ! grep -q street_home who");
	must("$U --json whoami | grep -q '\"birthday\": 642902400000'");
	/* what is wrong is named, and nothing is set */
	must("! $U whoami set nothing=1 2> err && grep -q 'there is no field or setting \"nothing\"' err");
	must("! $U whoami set birthday=soon 2> err && grep -q 'is a day such as' err");
	must("! $U whoami set timeZone=Nowhere 2> err && grep -q 'time zone' err");
	must("! $U whoami set 2> err && grep -q 'FIELD=VALUE' err");
	must("! $U whoami change 2> err");
}
END_TEST

START_TEST(password)
{
	must("printf 'short\\n' > p && ! $U --new-password-file p passwd 2> err && grep -q 'at least 8 characters' err");
	must("printf 'Tr0ub4dor-9\\n' > p && $U --new-password-file p passwd > out2 && grep -q 'strength: good' out2 && ! grep -q Tr0ub out2");
	must("$U whoami > /dev/null 2> err; test $? = 4");
	must("$U --password-file p whoami > /dev/null");
	must("printf 'secret-word-2\\n' > q && $U --password-file p --new-password-file q passwd > out2 && grep -q 'still holds the old one' out2");
	must("! $U --password-file q passwd < /dev/null 2> err && grep -q 'no new password' err");
	world_control(&w, "password", "{\"user\":\"berta\",\"password\":\"secret\"}", NULL, 0);
}
END_TEST

START_TEST(version)
{
	char cmd[1000];

	must("$U version | grep -q '^usmsync .* at usmd '");
	must("$U version --check | grep -q 'announces no client'");
	(void)snprintf(cmd, sizeof(cmd), "printf abc > '%s/c.bin'; S=$(sha256sum < '%s/c.bin' | cut -c1-64); "
	    "printf '{\"name\":\"usmsync\",\"version\":\"900.10\",\"minimum\":\"900.9\",\"file\":\"c.bin\",\"sha256\":\"%%s\"}' $S > '%s/client.json'; "
	    "$U version --check | grep -q 'usmsync 900.10 is announced.*should not be used any more'", package, package, package);
	must(cmd);
	(void)snprintf(cmd, sizeof(cmd), "sed -i 's/900.10/0.0.1/' '%s/client.json'; $U version --check | grep -q 'is up to date'", package);
	must(cmd);
	(void)snprintf(cmd, sizeof(cmd), "sed -i 's/usmsync/Other/' '%s/client.json'; $U version --check | grep -q 'Other 0.0.1, which is another program'", package);
	must(cmd);
	must("! $U version now 2> err");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("usmsync, the user himself");
	TCase *t = tcase_create("own");

	tcase_set_timeout(t, 120);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_test(t, own_data);
	tcase_add_test(t, password);
	tcase_add_test(t, version);
	suite_add_tcase(s, t);
	return harness_main(s);
}
