/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl config: are the settings right, what are they and where do they come from, how do they differ; and what the running daemon is told about them. */
#include "daemon/daemon_int.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int
fail(const struct err *e, int code)
{
	print_err("usmctl", e);
	return code;
}

static int
print_buf(struct buf *b)
{
	bool ok = !b->failed && (b->p == NULL || fputs(b->p, stdout) >= 0) && fflush(stdout) == 0;

	buf_fini(b);
	return ok ? EXIT_OK : EXIT_FAILED;
}

/* Everything that is wrong, not only the first; then what only modules know, and the key. */
static int
check(const char *file)
{
	unsigned char key[KEY_BYTES];
	struct keyring ring = { .n = 0 };
	struct err e = { .rc = RC_OK };
	struct conf *c;
	struct buf b;
	size_t n;
	int code = EXIT_OK;

	buf_init(&b, 0);
	n = conf_problems(file, &c, &b);
	if (b.p != NULL)
		(void)fputs(b.p, stderr);
	buf_fini(&b);
	if (c != NULL && wire_check(c, &e) != RC_OK)
		code = fail(&e, EXIT_CONFIG);
	if (c != NULL && (key_load(c->key_file, key, &e) != RC_OK || keys_load(c, key, &ring, &e) != RC_OK))
		code = fail(&e, EXIT_CONFIG);
	secret_wipe(&ring, sizeof(ring));
	secret_wipe(key, sizeof(key));
	conf_free(c);
	if (n > 0)
		(void)fprintf(stderr, "usmctl: %s: %zu problems\n", file, n);
	if (n == 0 && code == EXIT_OK)
		(void)printf("%s: ok\n", file);
	return n > 0 ? EXIT_CONFIG : code;
}

static int
diff(const struct conf *c, bool running)
{
	struct conf *defaults = running ? NULL : conf_defaults();
	struct err e = { .rc = RC_OK };
	struct buf other, out;
	enum rc rc = RC_OK;

	buf_init(&other, 0);
	buf_init(&out, 0);
	if (running)
		rc = control_ask(c->control_socket, "config", &other, &e);
	else if (defaults != NULL)
		conf_dump(defaults, &other);
	conf_free(defaults);
	if (rc == RC_OK && other.p == NULL)
		rc = err_set(&e, RC_NOMEM, "out of memory");
	if (rc == RC_OK && conf_diff(c, other.p, running ? "running" : "default", &out) == 0)
		buf_adds(&out, running ? "The running daemon has these settings.\n" : "All settings have their defaults.\n");
	buf_fini(&other);
	if (rc == RC_OK)
		return print_buf(&out);
	buf_fini(&out);
	return fail(&e, EXIT_FAILED);
}

static int
usage(void)
{
	(void)fputs("usage: usmctl config [check | show | diff [--running] | sample] [--config FILE]\n", stderr);
	return EXIT_USAGE;
}

static int
run(const char *what, bool running, const char *file)
{
	struct err e = { .rc = RC_OK };
	struct conf *c = NULL;
	struct buf b;
	int code;

	if (strcmp(what, "check") == 0)
		return check(file);
	buf_init(&b, 0);
	if (strcmp(what, "sample") == 0) {
		conf_sample(&b);
		return print_buf(&b);
	}
	if (strcmp(what, "show") != 0 && strcmp(what, "dump") != 0 && strcmp(what, "diff") != 0)
		return usage();
	if (conf_load(file, &c, &e) != RC_OK)
		return fail(&e, EXIT_CONFIG);
	if (strcmp(what, "diff") == 0) {
		code = diff(c, running);
	} else {
		if (strcmp(what, "show") == 0)
			conf_show(c, &b);
		else
			conf_dump(c, &b);
		code = print_buf(&b);
	}
	conf_free(c);
	return code;
}

int
run_config(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 't' }, { "dump", no_argument, NULL, 'd' },
		{ "sample", no_argument, NULL, 's' }, { "running", no_argument, NULL, 'r' }, { NULL, 0, NULL, 0 },
	};
	const char *file = USMD_CONFFILE, *what = "check";
	bool running = false;
	int opt;

	if (argc > 1 && argv[1][0] != '-') {
		what = argv[1];
		argc--;
		argv++;
	}
	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (opt) {
		case 'c': file = optarg; break;
		case 't': what = "check"; break;
		case 'd': what = "dump"; break;
		case 's': what = "sample"; break;
		case 'r': running = true; break;
		default: return usage();
		}
	return optind < argc || (running && strcmp(what, "diff") != 0) ? usage() : run(what, running, file);
}

static int
tell(int argc, char **argv, const char *command)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { NULL, 0, NULL, 0 } };
	const char *file = USMD_CONFFILE;
	struct err e = { .rc = RC_OK };
	struct conf *c = NULL;
	struct buf out;
	int opt, code = EXIT_OK;

	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (opt != 'c')
			return EXIT_USAGE;
		file = optarg;
	}
	if (optind < argc) {
		(void)fprintf(stderr, "usmctl: '%s' is not expected\n", argv[optind]);
		return EXIT_USAGE;
	}
	buf_init(&out, 0);
	if (conf_load(file, &c, &e) != RC_OK)
		code = fail(&e, EXIT_CONFIG);
	else if (control_ask(c->control_socket, command, &out, &e) != RC_OK)
		code = fail(&e, EXIT_FAILED);
	conf_free(c);
	if (code == EXIT_OK)
		return print_buf(&out);
	buf_fini(&out);
	return code;
}

int
run_reload(int argc, char **argv)
{
	return tell(argc, argv, "reload");
}

int
run_drain(int argc, char **argv)
{
	return tell(argc, argv, "drain");
}
