/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Three devices of two users who share a folder, and somebody at OX itself: they edit files, synchronize, and write it into the ledger. */
#include "faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/proc.h"

struct device dev[DEVICES] = {
	{ .name = "laptop", .user = "berta", .policy = "server" },
	{ .name = "phone", .user = "berta", .policy = "client" },
	{ .name = "tablet", .user = "caesar", .policy = "server" },
};
int ox_folder_team;

static pthread_t threads[DEVICES + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool paused, stopping;
static int resting; /* threads that wait in a pause */
static uint64_t load_seed;
static unsigned values; /* the last value given out; under lock */

static unsigned
next_value(void)
{
	unsigned v;

	(void)pthread_mutex_lock(&lock);
	v = ++values;
	(void)pthread_mutex_unlock(&lock);
	return v;
}

/* False: the load ends. */
static bool
go_on(void)
{
	bool more;

	(void)pthread_mutex_lock(&lock);
	resting++;
	(void)pthread_cond_broadcast(&changed);
	while (paused && !stopping)
		(void)pthread_cond_wait(&changed, &lock);
	resting--;
	more = !stopping;
	(void)pthread_mutex_unlock(&lock);
	return more;
}

/* ---- files ---- */

static const char *
dir_of(const struct device *d, enum place p)
{
	static const char *const own[PLACES] = { "Contacts", "Contacts/Team", "Calendar", "Tasks", "E-Mail/Inbox" };

	return strcmp(d->user, "berta") == 0 ? own[p] : "Shared folders/Berta Bauer - Team";
}

static void
path_of(const struct device *d, enum place p, const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s/%s%s", d->dir, dir_of(d, p), name, p == IN_INBOX ? ".eml" : p == IN_CALENDAR || p == IN_TASKS ? ".ics" : ".vcf");
}

static bool
write_whole(const char *path, const char *text)
{
	char tmp[300];
	FILE *f;
	bool ok;

	(void)snprintf(tmp, sizeof(tmp), "%s", path);
	(void)snprintf(strrchr(tmp, '/') + 1, 10, ".edit"); /* beside it; usmsync leaves names with a dot alone */
	f = fopen(tmp, "w");
	if (f == NULL)
		return false;
	ok = fputs(text, f) >= 0;
	ok = fclose(f) == 0 && ok;
	return ok && rename(tmp, path) == 0;
}

static char *
read_whole(const char *path)
{
	FILE *f = fopen(path, "r");
	char *p = f != NULL ? calloc(1, 65536) : NULL;

	if (p != NULL)
		(void)!fread(p, 1, 65535, f);
	if (f != NULL)
		(void)fclose(f);
	return p;
}

/* The line NAME:value of TEXT, NULL = none. */
static char *
property(char *text, const char *name)
{
	char key[40], *at;

	(void)snprintf(key, sizeof(key), "\n%s:", name);
	at = strstr(text, key);
	return at != NULL ? at + 1 : NULL;
}

/* Sets NAME in the object of the file; WAS gets the value of before. */
static bool
edit(const char *path, const char *name, const char *end, const char *value, char *was, size_t size)
{
	char *text = read_whole(path), *at, *out = NULL;
	bool ok = false;

	if (text == NULL)
		return false;
	was[0] = '\0';
	at = property(text, name);
	if (at != NULL) {
		size_t n = strcspn(at, "\n");

		(void)snprintf(was, size, "%.*s", (int)strcspn(at + strlen(name) + 1, "\r\n"), at + strlen(name) + 1);
		memmove(at, at + n + 1, strlen(at + n + 1) + 1);
	}
	at = strstr(text, end);
	if (at != NULL && asprintf(&out, "%.*s%s:%s\r\n%s", (int)(at - text), text, name, value, at) > 0)
		ok = write_whole(path, out);
	free(out);
	free(text);
	return ok;
}

static void
make(int who, struct rng *r)
{
	static const char *const text[PLACES] = {
		"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:m-%zu\r\nN:Made;%zu;;;\r\nEND:VCARD\r\n",
		"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:m-%zu\r\nN:Made;%zu;;;\r\nEND:VCARD\r\n",
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//faults//EN\r\nBEGIN:VEVENT\r\nUID:m-%zu@example.org\r\nDTSTAMP:20261101T000000Z\r\n"
		"DTSTART:20261201T090000Z\r\nDTEND:20261201T100000Z\r\nTRANSP:TRANSPARENT\r\nSUMMARY:m-%zu\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//faults//EN\r\nBEGIN:VTODO\r\nUID:m-%zu@example.org\r\nDTSTAMP:20261101T000000Z\r\nSUMMARY:m-%zu\r\nEND:VTODO\r\nEND:VCALENDAR\r\n",
		"From: a@example.org\r\nTo: berta@example.com\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\nSubject: m-%zu\r\nMessage-ID: <m-%zu@faults.example.org>\r\n\r\nHello.\r\n",
	};
	struct device *d = &dev[who];
	enum place p = strcmp(d->user, "berta") == 0 ? (enum place)rng_below(r, PLACES) : IN_TEAM;
	size_t n = ledger_add(who, p);
	char path[300], name[32], body[800];

	(void)snprintf(name, sizeof(name), "m-%zu", n);
	path_of(d, p, name, path, sizeof(path));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(body, sizeof(body), text[p], n, n);
#pragma GCC diagnostic pop
	trace("%s makes %s", d->name, path);
	if (!write_whole(path, body))
		ledger_forget(n);
}

static void
change(int who, struct rng *r, bool remove)
{
	size_t n = ledger_pick(who, r);
	char path[300], name[32], value[24], was[200];
	enum place p;
	unsigned v;

	if (n == SIZE_MAX)
		return;
	p = ledger_place(n);
	(void)snprintf(name, sizeof(name), "m-%zu", n);
	path_of(&dev[who], p, name, path, sizeof(path));
	if (remove) {
		if (unlink(path) == 0) {
			trace("%s deletes %s", dev[who].name, path);
			ledger_delete(n);
		}
		return;
	}
	if (p == IN_INBOX)
		return;
	v = next_value();
	(void)snprintf(value, sizeof(value), "n%u", v);
	if (edit(path, p == IN_CONTACTS || p == IN_TEAM ? "NOTE" : "DESCRIPTION", p == IN_CALENDAR ? "END:VEVENT" : p == IN_TASKS ? "END:VTODO" : "END:VCARD", value, was,
	    sizeof(was))) {
		trace("%s sets the note of %s to %s, it was %s", dev[who].name, path, value, was);
		ledger_note(n, v);
	}
}

static void
contest(int who, struct rng *r)
{
	unsigned which = strcmp(dev[who].user, "berta") == 0 ? rng_below(r, HOT) : HOT / 2 + rng_below(r, HOT / 2);
	char path[300], name[32], value[24], was[200];

	(void)snprintf(name, sizeof(name), "hot-%u", which);
	(void)snprintf(value, sizeof(value), "v%u", next_value());
	path_of(&dev[who], which < HOT / 2 ? IN_CONTACTS : IN_TEAM, name, path, sizeof(path));
	if (edit(path, "NICKNAME", "END:VCARD", value, was, sizeof(was))) {
		trace("%s sets the nickname of hot-%u to \"%s\", it was \"%s\"", dev[who].name, which, value, was);
		ledger_hot(which, was, value);
	}
}

/* ---- devices ---- */

static pid_t
device_spawn(struct device *d, int node, unsigned limit, bool watching)
{
	char prog[160], server[160], page[16];
	char *argv[] = { prog, "--server", server, "--user", (char *)(size_t)d->user, "--dir", d->dir, "--device", (char *)(size_t)d->name, "--policy",
	    (char *)(size_t)d->policy, "--limit", page, watching ? "--watch" : NULL, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(server, sizeof(server), "unix:%s/node%d/client.sock", w.dir, node);
	(void)snprintf(page, sizeof(page), "%u", limit);
	trace("run of %s at node %d, pages of %u%s", d->name, node + 1, limit, watching ? ", waiting for more" : "");
	return run_start(argv, d->log);
}

static int
device_wait(struct device *d)
{
	pid_t pid = d->pid;
	int st = 0, rc;

	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	d->pid = 0;
	rc = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
	trace("run of %s ends with %d", d->name, rc);
	return rc;
}

int
device_sync(struct device *d, int node, unsigned limit)
{
	int rc;

	d->pid = device_spawn(d, node, limit, false);
	rc = device_wait(d);
	d->runs++;
	d->good += rc == 0;
	d->killed += rc >= 128;
	return rc;
}

/* A client that stays: stopped after a while, however it got on. */
static void
device_watch(struct device *d, int node, unsigned limit, unsigned ms)
{
	pid_t pid = device_spawn(d, node, limit, true);

	d->pid = pid;
	sleep_ms(ms);
	(void)kill(pid, SIGTERM);
	d->killed += device_wait(d) >= 128;
	d->runs++;
}

static void *
device_run(void *arg)
{
	int who = (int)(intptr_t)arg;
	struct rng r = { load_seed + (uint64_t)who * 7919 };

	while (go_on()) {
		for (unsigned k = rng_below(&r, 4); k > 0; k--) {
			unsigned dice = rng_below(&r, 10);

			if (dice < 3)
				make(who, &r);
			else if (dice < 8)
				dice < 5 ? change(who, &r, false) : contest(who, &r);
			else if (dice < 9)
				change(who, &r, true);
		}
		if (who == DEVICES - 1 && rng_below(&r, 3) == 0)
			device_watch(&dev[who], (int)rng_below(&r, NODES), 20, rng_between(&r, 500, 3000));
		else
			(void)device_sync(&dev[who], (int)rng_below(&r, NODES), rng_between(&r, 2, 60));
		sleep_ms(rng_below(&r, 150));
	}
	return NULL;
}

/* ---- somebody at OX ---- */

struct made_at_ox {
	size_t n;
	char id[16];
};

static void
ox_make(struct made_at_ox *made, size_t *count, size_t max)
{
	size_t n = ledger_add(DEVICES, IN_CONTACTS);
	char data[200];
	const char *id;
	json_t *j;

	(void)snprintf(data, sizeof(data), "{\"folder_id\":42,\"display_name\":\"m-%zu\",\"last_name\":\"Made\"}", n);
	j = ox_as("berta", "contacts", "new", "{}", data);
	id = json_string_value(json_object_get(json_object_get(j, "data"), "id"));
	trace("somebody at OX makes m-%zu: %s", n, id != NULL ? id : "refused");
	if (id == NULL)
		ledger_forget(n);
	else if (*count < max) {
		made[*count].n = n;
		(void)snprintf(made[(*count)++].id, sizeof(made->id), "%s", id);
	}
	json_decref(j);
}

static void
ox_delete(struct made_at_ox *made, size_t *count, struct rng *r)
{
	size_t k;
	char data[100];
	json_t *j;

	if (*count == 0)
		return;
	k = rng_below(r, (unsigned)*count);
	(void)snprintf(data, sizeof(data), "[{\"id\":\"%s\",\"folder\":\"42\"}]", made[k].id);
	j = ox_as("berta", "contacts", "delete", "{\"timestamp\":\"9007199254740992\"}", data);
	if (j != NULL && json_object_get(j, "error") == NULL) {
		trace("somebody at OX deletes m-%zu", made[k].n);
		ledger_delete(made[k].n);
		made[k] = made[--*count];
	}
	json_decref(j);
}

static char hot_id[HOT][16];

/* Reads, then writes unless somebody wrote meanwhile: nothing is replaced that was not seen. */
static void
ox_contest(struct rng *r)
{
	unsigned which = rng_below(r, HOT), v = next_value();
	char params[160], data[80], value[24];
	const char *base;
	json_t *j, *put;

	(void)snprintf(params, sizeof(params), "{\"folder\":\"%d\",\"id\":\"%s\"}", which < HOT / 2 ? 42 : ox_folder_team, hot_id[which]);
	j = ox_as("berta", "contacts", "get", params, "null");
	base = json_string_value(json_object_get(json_object_get(j, "data"), "nickname"));
	(void)snprintf(params, sizeof(params), "{\"folder\":\"%d\",\"id\":\"%s\",\"timestamp\":\"%lld\"}", which < HOT / 2 ? 42 : ox_folder_team, hot_id[which],
	    (long long)json_integer_value(json_object_get(json_object_get(j, "data"), "last_modified")));
	(void)snprintf(value, sizeof(value), "v%u", v);
	(void)snprintf(data, sizeof(data), "{\"nickname\":\"%s\"}", value);
	put = j != NULL ? ox_as("berta", "contacts", "update", params, data) : NULL;
	trace("somebody at OX sets the nickname of hot-%u to \"%s\", it was \"%s\": %s", which, value, base != NULL ? base : "", put != NULL && json_object_get(put, "error") == NULL ?
	    "done" : "refused");
	if (put != NULL && json_object_get(put, "error") == NULL)
		ledger_hot(which, base != NULL ? base : "", value);
	json_decref(put);
	json_decref(j);
}

static void *
person_run(void *arg)
{
	static struct made_at_ox made[1000];
	size_t count = 0;
	struct rng r = { load_seed + 99991 };

	(void)arg;
	while (go_on()) {
		unsigned dice = rng_below(&r, 10);

		if (dice < 3)
			ox_make(made, &count, 1000);
		else if (dice < 4)
			ox_delete(made, &count, &r);
		else
			ox_contest(&r);
		sleep_ms(rng_between(&r, 100, 500));
	}
	return NULL;
}

/* ---- all ---- */

static int
must_id(json_t *j, char *out, size_t size)
{
	const json_t *data = json_object_get(j, "data");
	const char *id = json_is_string(data) ? json_string_value(data) : json_string_value(json_object_get(data, "id"));

	if (id == NULL)
		fail("OX refuses what the load needs: %s", json_string_value(json_object_get(j, "error_desc")));
	(void)snprintf(out, size, "%s", id);
	json_decref(j);
	return (int)strtol(out, NULL, 10);
}

void
load_prepare(void)
{
	char team[16], data[300];

	ox_folder_team = must_id(ox_as("berta", "folders", "new", "{\"folder_id\":\"42\"}", "{\"folder\":{\"title\":\"Team\",\"module\":\"contacts\",\"permissions\":["
	    "{\"entity\":4,\"bits\":403710016,\"group\":false},{\"entity\":5,\"bits\":8454660,\"group\":false}]}}"), team, sizeof(team));
	for (unsigned i = 0; i < HOT; i++) {
		(void)snprintf(data, sizeof(data), "{\"folder_id\":%d,\"display_name\":\"hot-%u\",\"last_name\":\"Hot\",\"nickname\":\"v0\"}", i < HOT / 2 ? 42 : ox_folder_team, i);
		(void)must_id(ox_as("berta", "contacts", "new", "{}", data), hot_id[i], sizeof(hot_id[i]));
	}
	for (int i = 0; i < DEVICES; i++) {
		(void)snprintf(dev[i].dir, sizeof(dev[i].dir), "%s/%s", w.dir, dev[i].name);
		(void)snprintf(dev[i].log, sizeof(dev[i].log), "%s/%s.log", w.dir, dev[i].name);
		if (device_sync(&dev[i], i % NODES, 50) != 0)
			fail("the first sync of %s failed, see its log", dev[i].name);
	}
}

void
load_start(uint64_t seed)
{
	load_seed = seed;
	for (int i = 0; i <= DEVICES; i++)
		if (pthread_create(&threads[i], NULL, i < DEVICES ? device_run : person_run, (void *)(intptr_t)i) != 0)
			fail("no thread for a device");
}

void
load_pause(bool on)
{
	(void)pthread_mutex_lock(&lock);
	paused = on;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
	while (on && resting < DEVICES + 1) {
		world_tick(); /* their runs may wait for a server that has to be started */
		sleep_ms(20);
	}
}

void
load_stop(void)
{
	(void)pthread_mutex_lock(&lock);
	stopping = true;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
	for (int i = 0; i <= DEVICES; i++)
		(void)pthread_join(threads[i], NULL);
}
