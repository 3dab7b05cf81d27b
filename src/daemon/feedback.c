/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl feedback: what clients have handed in for the administrator. */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "usmd/service.h"

static int
feedback_usage(void)
{
	(void)fputs("usage: usmctl feedback list | show ID [--data FILE] | delete ID... [--config FILE]\n", stderr);
	return EXIT_USAGE;
}

static int
failed(const struct err *e)
{
	print_err("usmctl", e);
	return EXIT_FAILED;
}

static void
time_text(msec_t t, char out[32])
{
	time_t s = (time_t)(t / 1000);
	struct tm tm;

	(void)strftime(out, 32, "%Y-%m-%d %H:%M", localtime_r(&s, &tm));
}

static int
list(const char *dir)
{
	struct arena *a = arena_new(0);
	struct service_feedback *f = NULL;
	struct err e = { .rc = RC_OK };
	char when[32];
	size_t n = 0;
	enum rc rc = a != NULL ? service_feedback_list(dir, a, &f, &n, &e) : err_set(&e, RC_NOMEM, "out of memory");

	if (rc == RC_OK)
		(void)printf("%-32s %-16s %-10s %-20s %-12s %s\n", "id", "time", "octets", "user", "version", "device");
	for (size_t i = 0; i < n; i++) {
		char who[80];

		time_text(f[i].time, when);
		(void)snprintf(who, sizeof(who), "%.40s (%" PRId64 "/%" PRId64 ")", f[i].login, f[i].context, f[i].user);
		(void)printf("%-32s %-16s %-10" PRId64 " %-20s %-12s %s\n", f[i].id, when, f[i].size, who, f[i].version, f[i].device);
	}
	arena_free(a);
	return rc == RC_OK ? EXIT_OK : failed(&e);
}

/* The octets of ID into FILE, which must not be there yet. */
static int
copy(const char *dir, const char *id, const char *file)
{
	char path[1200], piece[16384];
	struct err e = { .rc = RC_OK };
	ssize_t n = -1;
	int from, to;
	bool ok;

	if (!service_feedback_path(dir, id, path, sizeof(path)))
		return feedback_usage();
	from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	to = strcmp(file, "-") == 0 ? STDOUT_FILENO : open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = from >= 0 && to >= 0;
	while (ok && (n = read(from, piece, sizeof(piece))) > 0)
		for (ssize_t done = 0, w; ok && done < n; done += w) {
			w = write(to, piece + done, (size_t)(n - done));
			ok = w > 0;
		}
	ok = ok && n == 0;
	if (!ok)
		(void)err_set(&e, RC_INTERNAL, "%s to %s: %s", path, file, strerror(errno));
	if (from >= 0)
		(void)close(from);
	if (to >= 0 && to != STDOUT_FILENO && close(to) != 0)
		ok = false;
	return ok ? EXIT_OK : failed(&e);
}

static int
show(const char *dir, const char *id, const char *data)
{
	struct arena *a = arena_new(0);
	struct service_feedback *f = NULL;
	struct err e = { .rc = RC_OK };
	char when[32];
	size_t n = 0, i = 0;
	int code = EXIT_OK;
	enum rc rc = a != NULL ? service_feedback_list(dir, a, &f, &n, &e) : err_set(&e, RC_NOMEM, "out of memory");

	while (rc == RC_OK && i < n && strcmp(f[i].id, id) != 0)
		i++;
	if (rc == RC_OK && i == n)
		rc = err_set(&e, RC_NOTFOUND, "there is no %.60s; usmctl feedback list shows them", id);
	if (rc != RC_OK) {
		code = failed(&e);
	} else if (data == NULL || strcmp(data, "-") != 0) {
		time_text(f[i].time, when);
		(void)printf("id       %s\ntime     %s\nuser     %s (%" PRId64 "/%" PRId64 ")\ndevice   %s\nversion  %s\ntype     %s\noctets   %" PRId64 "\ncomment  %s\n", f[i].id, when,
		    f[i].login, f[i].context, f[i].user, f[i].device, f[i].version, f[i].type, f[i].size, f[i].comment);
	}
	if (code == EXIT_OK && data != NULL)
		code = copy(dir, f[i].id, data);
	arena_free(a);
	return code;
}

static int
remove_all(const char *dir, char *const *id, int n)
{
	struct err e = { .rc = RC_OK };
	int code = EXIT_OK;

	for (int i = 0; i < n; i++)
		if (service_feedback_delete(dir, id[i], &e) != RC_OK)
			code = failed(&e);
	return code;
}

static int
run_word(const char *dir, char *const *arg, int n, const char *data)
{
	if (strcmp(arg[0], "list") == 0 && n == 1 && data == NULL)
		return list(dir);
	if (strcmp(arg[0], "show") == 0 && n == 2)
		return show(dir, arg[1], data);
	if (strcmp(arg[0], "delete") == 0 && n >= 2 && data == NULL)
		return remove_all(dir, arg + 1, n - 1);
	return feedback_usage();
}

int
run_feedback(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { "data", required_argument, NULL, 'd' }, { NULL, 0, NULL, 0 } };
	const char *file = USMD_CONFFILE, *data = NULL;
	struct err e = { .rc = RC_OK };
	struct conf *c;
	int opt, code = EXIT_OK;

	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (opt == 'c')
			file = optarg;
		else if (opt == 'd')
			data = optarg;
		else
			return feedback_usage();
	}
	if (optind == argc)
		return feedback_usage();
	model_json_memory();
	if (conf_load(file, &c, &e) != RC_OK) {
		print_err("usmctl", &e);
		return EXIT_CONFIG;
	}
	if (c->feedback_dir[0] == '\0') {
		(void)err_set(&e, RC_PROTO, "feedback_dir is not set in %s: clients can hand in nothing", file);
		code = failed(&e);
	} else {
		code = run_word(c->feedback_dir, argv + optind, argc - optind, data);
	}
	conf_free(c);
	return code;
}
