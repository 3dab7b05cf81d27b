/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of usmsync: a run in an empty directory, with answers of the server that are any bytes, separated by 0x1e; the first octet of each says
 * how it comes (see next()).  Whatever they say, nothing outside of the directory is made, changed or removed, every file in it has a name of this
 * directory's own, and a run that the server does not answer changes no file.  The network is this file's (the linker wraps it).
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#define _XOPEN_SOURCE 700 /* nftw */

#include "client/client_int.h"
#include "fuzz.h"
#include "usmd/pim.h"

#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEPARATOR 0x1e
#define MAX_REQUESTS 500U

enum rc __wrap_net_call(struct net *n, const char *command, const json_t *body, unsigned timeout_s, json_t **data, struct err *e);
enum rc __wrap_net_octets(struct net *n, const char *command, const json_t *body, struct buf *out, struct err *e);
enum rc __wrap_net_mail(struct net *n, const char *folder, const char *uuid, struct buf *out, struct err *e);

volatile sig_atomic_t client_stop;

static const char *script, *script_end;
static unsigned requests;

void
say(const struct client *c, const char *fmt, ...)
{
	(void)c;
	(void)fmt;
}

void
complain(struct client *c, const char *fmt, ...)
{
	(void)fmt;
	c->t.refused++;
}

void
put_off(struct client *c, const char *fmt, ...)
{
	(void)fmt;
	c->t.put_off++;
}

/* ---- the server ---- */

/* The next answer, less its first octet: t lost, c reconcile, r an old request, n not found, f forbidden, p bad request, u away; else good. */
static enum rc
next(const char **p, size_t *n, struct err *e)
{
	const char *from = script, *end = from < script_end ? memchr(from, SEPARATOR, (size_t)(script_end - from)) : NULL;
	char kind;

	must(++requests < MAX_REQUESTS, "a run asks without end");
	if (from >= script_end)
		return err_set(e, RC_UPSTREAM, "away");
	if (end == NULL)
		end = script_end;
	script = end + 1;
	kind = from < end ? *from++ : 'u';
	*p = from;
	*n = (size_t)(end - from);
	switch (kind) {
	case 't': return err_set(e, RC_TIMEOUT, "lost");
	case 'c': return err_set(e, RC_CONFLICT, "no such syncid");
	case 'r': (void)err_set(e, RC_CONFLICT, "too old");
		(void)snprintf(e->code, sizeof(e->code), "outdated-request");
		return RC_CONFLICT;
	case 'n': return err_set(e, RC_NOTFOUND, "gone");
	case 'f': return err_set(e, RC_FORBIDDEN, "forbidden");
	case 'p': return err_set(e, RC_PROTO, "bad");
	case 'u': return err_set(e, RC_UPSTREAM, "away");
	default: return RC_OK;
	}
}

enum rc
__wrap_net_call(struct net *net, const char *command, const json_t *body, unsigned timeout_s, json_t **data, struct err *e)
{
	const char *p = NULL;
	size_t n = 0;
	enum rc rc = next(&p, &n, e);

	(void)net;
	(void)timeout_s;
	must(command[0] != '\0' && json_is_object(body), "a request is none");
	*data = NULL;
	if (rc == RC_OK && (*data = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL)) == NULL)
		rc = err_set(e, RC_UPSTREAM, "no usm-json server");
	return rc;
}

enum rc
__wrap_net_octets(struct net *net, const char *command, const json_t *body, struct buf *out, struct err *e)
{
	const char *p = NULL;
	size_t n = 0;
	enum rc rc = next(&p, &n, e);

	(void)net;
	must(command[0] != '\0' && json_is_object(body), "a request is none");
	if (rc == RC_OK)
		buf_add(out, p, n);
	return rc;
}

enum rc
__wrap_net_mail(struct net *net, const char *folder, const char *uuid, struct buf *out, struct err *e)
{
	json_t *body = json_pack("{s:s, s:s}", "folder", folder, "uuid", uuid);
	enum rc rc = __wrap_net_octets(net, "getMail", body, out, e);

	json_decref(body);
	return rc;
}

/* ---- BASE/a/dir is the client's; BASE and BASE/a hold nothing else but BASE/a/outside ---- */

static char base[80], root[100];
static struct { uint64_t sum; unsigned files; } seen;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int
look_at(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *name = path + at->base;

	must(type != FTW_SL, "a link was made");
	if (at->level == 0 || strstr(path, "/" STATE_DIR) != NULL)
		return 0;
	must(utf8_valid(name, strlen(name)) && strlen(name) < 256, "a file name is none");
	for (const char *p = name; *p != '\0'; p++)
		must((unsigned char)*p >= 0x20, "a file name with control characters");
	seen.files++;
	seen.sum += siphash24((const unsigned char *)"sixteen octets!!", path, strlen(path)) ^ (type == FTW_F ? (uint64_t)st->st_size : 0);
	return 0;
}

static void
only(const char *dir, const char *a, const char *b)
{
	DIR *d = opendir(dir);
	struct dirent *x;

	must(d != NULL, "a directory is gone");
	while ((x = readdir(d)) != NULL)
		must(strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0 || strcmp(x->d_name, a) == 0 || strcmp(x->d_name, b) == 0, "a file outside of the directory");
	(void)closedir(d);
}

static void
look(void)
{
	char path[120], text[8] = "";
	FILE *f;

	only(base, "a", "a");
	(void)snprintf(path, sizeof(path), "%s/a", base);
	only(path, "dir", "outside");
	(void)snprintf(path, sizeof(path), "%s/a/outside", base);
	f = fopen(path, "r");
	must(f != NULL && fread(text, 1, sizeof(text), f) == 4 && memcmp(text, "mine", 4) == 0, "a file outside is another one");
	(void)fclose(f);
	seen.sum = 0;
	seen.files = 0;
	must(nftw(root, look_at, 20, FTW_PHYS) == 0, "the directory cannot be read");
}

static void
start(void)
{
	char path[120];
	FILE *f;

	(void)snprintf(base, sizeof(base), "%s/usmd-fuzz-client-%ld", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
	(void)nftw(base, remove_one, 20, FTW_DEPTH | FTW_PHYS);
	must(mkdir(base, 0700) == 0, "no place for a directory");
	(void)snprintf(path, sizeof(path), "%s/a", base);
	must(mkdir(path, 0700) == 0, "no place for a directory");
	(void)snprintf(root, sizeof(root), "%s/a/dir", base);
	must(mkdir(root, 0700) == 0, "no place for a directory");
	(void)snprintf(path, sizeof(path), "%s/a/outside", base);
	f = fopen(path, "w");
	must(f != NULL && fputs("mine", f) >= 0 && fclose(f) == 0, "no place for a file");
}

static void
run(const char *mode)
{
	struct client c = { .o = { .user = "anna", .dir = root, .device = "d", .policy = "server", .limit = 50, .quiet = true } };
	struct err e = { .rc = RC_OK };
	enum rc rc;

	if (mode != NULL)
		c.o.modes[c.o.n_modes++] = mode;
	c.skip = json_object();
	rc = state_open(&c, &e);
	if (rc == RC_OK)
		rc = state_todo_run(&c, &e);
	if (rc == RC_OK)
		rc = run_once(&c, &e);
	must(rc == RC_OK || e.text[0] != '\0', "a failure without a reason");
	if (c.db != NULL)
		state_close(&c);
	json_decref(c.skip);
	json_decref(c.config);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t before;

	if (size == 0)
		return 0;
	pim_init();
	start();
	requests = 0;
	script = (const char *)data + 1;
	script_end = (const char *)data + size;
	run((data[0] & 1) != 0 ? "Mail=headers" : NULL);
	if ((data[0] & 2) != 0)
		run(NULL);
	look();
	before = seen.sum;
	script = script_end; /* away */
	run(NULL);
	look();
	must(seen.sum == before, "without a server's answer a file is another one");
	(void)nftw(base, remove_one, 20, FTW_DEPTH | FTW_PHYS);
	return 0;
}
