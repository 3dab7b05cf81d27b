/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Administration from the command line: settings, the database's schema, the master key; devices are put right in repair.c.  Each command is one row of the table. */
#include "daemon/daemon_int.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "usmd/store.h"

struct command {
	const char *name, *args, *help;
	int (*run)(int argc, char **argv); /* argv[0] is the command; returns the exit code */
};

static int command_usage(const char *name);

static int
fail(const struct err *e, int code)
{
	print_err("usmctl", e);
	return code;
}

static int
run_migrate(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "sql", required_argument, NULL, 's' }, { NULL, 0, NULL, 0 },
	};
	const char *file = USMD_CONFFILE, *sql = USMD_SQLDIR;
	struct password password;
	struct conf *c;
	struct err e = { .rc = RC_OK };
	int opt;
	enum rc rc;

	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (opt == 'c')
			file = optarg;
		else if (opt == 's')
			sql = optarg;
		else
			return command_usage(argv[0]);
	}
	if (optind < argc)
		return command_usage(argv[0]);
	if (conf_load(file, &c, &e) != RC_OK)
		return fail(&e, EXIT_CONFIG);
	rc = database_password(c, &password, &e);
	if (rc == RC_OK)
		rc = store_migrate(c->pg_conninfo, password.text, sql, &e);
	secret_wipe(&password, sizeof(password));
	conf_free(c);
	return rc == RC_OK ? EXIT_OK : fail(&e, EXIT_FAILED);
}

static int
run_key_create(int argc, char **argv)
{
	struct err e = { .rc = RC_OK };

	if (argc != 2 || argv[1][0] == '-')
		return command_usage(argv[0]);
	if (key_create(argv[1], &e) != RC_OK)
		return fail(&e, EXIT_FAILED);
	(void)printf("%s: a new key. Keep a copy in a safe place; all nodes need the same one, readable by the service's user only.\n", argv[1]);
	return EXIT_OK;
}

static int run_help(int argc, char **argv);

static const struct command commands[] = {
	{ "config", "[check | show | diff [--running] | sample] [--config FILE]",
	  "check (default): are settings and key right?  show: the effective settings and where each comes from, passwords hidden.\n"
	  "      diff: what differs from the defaults, or from what the running daemon has.  sample: a file with all settings explained", run_config },
	{ "reload", "[--config FILE]", "let the running daemon read its settings again; says what holds now, and what waits for a restart", run_reload },
	{ "drain", "[--config FILE]", "let the running daemon send its clients to other nodes, before it is stopped", run_drain },
	{ "migrate", "[--config FILE] [--sql DIR]", "bring the database's schema to this version (patches of DIR, default " USMD_SQLDIR ")", run_migrate },
	{ "key-create", "FILE", "write a new master key to FILE, which must not exist", run_key_create },
	{ "keys", "[list | rotate | drop] [--config FILE]",
	  "list (default): the keys of seal_keys and how many records each has sealed; rotate: a new key becomes active;\n"
	  "      drop: forget old keys that no record needs", run_keys },
	{ "undo", "--device D --since T [--user C/U] [--folder F] [--apply | --dry-run] [--config FILE]",
	  "show what the device has overwritten and deleted since T (2h, 7d, \"2026-11-22 14:00\"); --apply: bring it back", run_undo },
	{ "duplicates", "--device D [--user C/U] [--remove] [--config FILE]",
	  "show what the device has created more than once; --remove: delete the copies", run_duplicates },
	{ "held", "--device D [--user C/U] [--release | --refuse] [--config FILE]",
	  "show the device's deletions that wait for a confirmation; --release: let them pass, --refuse: give the objects back", run_held },
	{ "proxies", "[--config FILE]", "show networks of clients where something ends waiting connections before their time", run_proxies },
	{ "sources", "[--user C/U] [--config FILE]",
	  "show what tells the running usmd of changes, for each account that clients wait for, and how long ago each source did last", run_sources },
	{ "explain", "--device D [--user C/U] (--object UUID | --folder F --id N | --client-id X | --title TEXT) [--json]",
	  "why does the device have this object, or why not: one sentence, and the details", run_explain },
	{ "accounts", "[--user C/U] [--json]", "show users that have logged in through usmd", run_accounts },
	{ "devices", "[--user C/U] [--device D] [--json]", "show devices: client, last login and sync, state, what is wrong", run_devices },
	{ "folders", "[--user C/U] [--device D] [--json]", "show what devices synchronise: last sync and changes behind, for each folder", run_folders },
	{ "device", "allow | block | quarantine | remove --device D [--user C/U] [--dry-run] [--json]",
	  "decide about a device; remove: forget what is kept of it", run_device },
	{ "sessions", "[--user C/U] [--device D] [--end [--session S] [--dry-run]] [--json]", "show who is logged in; --end: end these sessions", run_sessions },
	{ "resync", "(--device D | --user C/U) [--type T] [--folder F [--object N]] [--dry-run] [--json]",
	  "let devices compare folders anew at their next sync; only differences are sent", run_resync },
	{ "aside", "[--user C/U] [--device D] [--folder F] [--object N] [--retry | --skip] [--dry-run] [--json]",
	  "show objects that are set aside; --retry: try them again, --skip: set one aside for the device", run_aside },
	{ "conflicts", "[--user C/U] [--device D] [--json]", "show conflicts of which a losing version is kept", run_conflicts },
	{ "forget", "--user C/U [--apply] [--json]", "show what is kept of a user; --apply: delete it", run_forget },
	{ "audit", "[--json]", "show what administrators have changed", run_audit },
	{ "stats", "[--json]", "show how much is stored", run_stats },
	{ "report", "[--json]", "show counts for a report on the installation: nothing of persons", run_report },
	{ "feedback", "list | show ID [--data FILE] | delete ID... [--config FILE]",
	  "what clients have handed in at this node (feedback_dir); show: the record, and the octets into FILE, - is the standard output", run_feedback },
	{ "trace", "--device D [--user C/U] --for 10m [--side client|ox|both] [--plain] | --device D --off | --list [--config FILE]",
	  "write down what the device and OX say for so long, values replaced by tokens; --list: the traces that there are", run_trace },
	{ "help", "", "print this", run_help },
};

static void
usage(FILE *f)
{
	(void)fputs("usage: usmctl COMMAND [OPTION...]\n", f);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		(void)fprintf(f, "  %s %s\n      %s\n", commands[i].name, commands[i].args, commands[i].help);
	(void)fputs("The default FILE of --config is " USMD_CONFFILE ".  See usmctl(8).\n", f);
}

static int
run_help(int argc, char **argv)
{
	(void)argv;
	usage(argc == 1 ? stdout : stderr);
	return argc == 1 ? EXIT_OK : EXIT_USAGE;
}

static const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int
command_usage(const char *name)
{
	const struct command *c = command_find(name);

	if (c != NULL)
		(void)fprintf(stderr, "usage: usmctl %s %s\n", c->name, c->args);
	return EXIT_USAGE;
}

/* Outside of the service a credential's name means the file that the unit takes it from: the one beside the settings. */
static void
credentials_here(void)
{
	static const char file[] = USMD_CONFFILE;
	char dir[sizeof(file)];

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(file, '/') - file), file);
	(void)setenv("CREDENTIALS_DIRECTORY", dir, 0);
}

int
main(int argc, char **argv)
{
	const struct command *c;

	(void)umask(0077);
	credentials_here();
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		(void)puts("usmctl " USMD_VERSION);
		return EXIT_OK;
	}
	c = command_find(argv[1]);
	if (c == NULL) {
		(void)fprintf(stderr, "usmctl: there is no command '%s'; usmctl help lists them\n", argv[1]);
		return EXIT_USAGE;
	}
	return c->run(argc - 1, argv + 1);
}
