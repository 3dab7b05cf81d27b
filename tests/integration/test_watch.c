/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From end to end: two devices with usmsync --watch behind a real Apache, two nodes of usmd, PostgreSQL, Redis, and the stand-in for OX.
 * How long each way takes that a change may come is printed.
 */
#include "wire.h"
#include "nodes.h"

#include <dirent.h>

#include "harness/apache.h"

static const char *const settings[] = { "heartbeat_min = 1s", "ping_poll_interval = 2s", "login_attempts = 1000", NULL };

static struct apache proxy;
static struct node n[2];
static pid_t device[2];
static char dir[2][200];

static void
device_start(unsigned i)
{
	char prog[160], url[100], log[220], name[8];
	char *argv[] = { prog, "--server", url, "--user", "berta", "--dir", dir[i], "--device", name, "--watch", NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(url, sizeof(url), "%s/usm-json", proxy.url);
	(void)snprintf(dir[i], sizeof(dir[i]), "%.120s/device%u", w.dir, i);
	(void)snprintf(log, sizeof(log), "%s.log", dir[i]);
	(void)snprintf(name, sizeof(name), "dev%u", i);
	device[i] = run_start(argv, log);
}

static void
up(void)
{
	world_begin(&w, NULL, settings);
	world_usmd_kill(&w); /* nodes stand on TCP */
	for (unsigned i = 0; i < 2; i++)
		node_start(&n[i]);
	apache_start(&proxy, w.dir, (const char *const[]){ n[0].proxy, n[1].proxy }, 2, NULL);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	for (unsigned i = 0; i < 2; i++)
		device_start(i);
}

static void
down(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (device[i] != 0)
			(void)kill(device[i], SIGKILL);
	apache_stop(&proxy);
	for (unsigned i = 0; i < 2; i++)
		(void)node_end(&n[i], SIGKILL);
	world_down();
}

/* Is there a file with TEXT in it in the contacts of the device? */
static bool
has(unsigned i, const char *text)
{
	char path[600], line[600];
	bool found = false;
	struct dirent *ent;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/Contacts", dir[i]);
	d = opendir(path);
	while (d != NULL && !found && (ent = readdir(d)) != NULL) {
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/Contacts/%.255s", dir[i], ent->d_name);
		f = strstr(ent->d_name, ".vcf") != NULL ? fopen(path, "r") : NULL;
		while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
			found = strstr(line, text) != NULL;
		if (f != NULL)
			(void)fclose(f);
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

/* How long until the device shows TEXT: 40 s at most. */
static double
seen_after(unsigned i, const char *text, int64_t since_us)
{
	for (int k = 0; k < 8000; k++) {
		if (has(i, text))
			return (double)(now_mono_us() - since_us) / 1e6;
		sleep_ms(5);
	}
	ck_abort_msg("device %u does not get %s", i, text);
	return 0;
}

static void
write_contact(unsigned i, const char *name)
{
	char path[600];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/Contacts/%s.vcf", dir[i], name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:%s\r\nN:%s;;;;\r\nEND:VCARD\r\n", name, name);
	(void)fclose(f);
}

static void
change_in_ox(const char *name)
{
	json_decref(ox_as("berta", "contacts", "new", json_object(), json_pack("{s:i,s:s,s:s}", "folder_id", 42, "last_name", name, "display_name", name)));
}

/* All that comes from one way: the median and the longest of several. */
static void
report(const char *what, double *s, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		for (unsigned k = i; k > 0 && s[k - 1] > s[k]; k--) {
			double t = s[k];

			s[k] = s[k - 1];
			s[k - 1] = t;
		}
	(void)printf("%-40s median %.3f s, longest %.3f s, of %u\n", what, s[count / 2], s[count - 1], count);
	(void)fflush(stdout);
}

static void
await_waiters(long want)
{
	for (int i = 0; i < 4000; i++) {
		if (node_metric(&n[0], "usmd_waiters") + node_metric(&n[1], "usmd_waiters") >= want)
			return;
		sleep_ms(10);
	}
	ck_abort_msg("the devices do not wait");
}

#define ROUNDS 5

START_TEST(two_devices_follow)
{
	double other[ROUNDS], polled[2 * ROUNDS], direct[ROUNDS];
	char name[32];
	struct dev d;
	int status;

	await_waiters(2);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t t = now_mono_us();

		(void)snprintf(name, sizeof(name), "Written%u", i);
		write_contact(0, name);
		other[i] = seen_after(1, name, t);
	}
	report("a file of the other device", other, ROUNDS);
	/* the same without the second in which usmsync looks at its files */
	(void)snprintf(w.server, sizeof(w.server), "%s", n[0].server);
	login(&d, "berta", "direct");
	open_folder(&d, str(d.defaults, "contact"));
	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t t;

		await_waiters(2);
		(void)snprintf(name, sizeof(name), "Direct%u", i);
		t = now_mono_us();
		json_decref(update(&d, request(&d, json_pack("[{s:s,s:s,s:s}]", "clientId", name, "last_name", name, "display_name", name), NULL, NULL)));
		direct[i] = seen_after(1, name, t);
	}
	report("a change through the other node", direct, ROUNDS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t t;

		await_waiters(2);
		(void)snprintf(name, sizeof(name), "Polled%u", i);
		t = now_mono_us();
		change_in_ox(name);
		polled[2 * i] = seen_after(0, name, t);
		polled[2 * i + 1] = seen_after(1, name, t);
	}
	report("a change in OX, polled every 2 s", polled, 2 * ROUNDS);

	/* a node dies, and then the other one while the first is back: nobody has to do anything */
	(void)node_end(&n[0], SIGKILL);
	change_in_ox("Meanwhile");
	(void)seen_after(0, "Meanwhile", 0);
	(void)seen_after(1, "Meanwhile", 0);

	/* and a signal is the ordinary end */
	for (unsigned i = 0; i < 2; i++) {
		(void)kill(device[i], i == 0 ? SIGTERM : SIGINT);
		while (waitpid(device[i], &status, 0) < 0 && errno == EINTR)
			;
		device[i] = 0;
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "device %u ended with %d, see %s.log", i, status, dir[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("watch");
	TCase *t = tcase_create("watch");

	(void)harness_env("USMD_TEST_DIR");
	if (!apache_is_there()) {
		(void)fprintf(stderr, "no Apache found: run 'make deps'\n");
		return 77;
	}
	tcase_add_checked_fixture(t, up, down);
	tcase_set_timeout(t, 200);
	tcase_add_test(t, two_devices_follow);
	suite_add_tcase(s, t);
	return harness_main(s);
}
