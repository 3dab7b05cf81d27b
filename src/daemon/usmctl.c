/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Administration from the command line: the table of commands, and those that need no other file: the database's schema, the master key, help. */
#include "daemon/admin_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Done it is: that there is no record of it is said, and is no failure.  MAY_LACK: not even said, since at the first start there is no database yet. */
static void
record_late(struct admin *x, size_t n, bool may_lack)
{
	struct err e = { .rc = RC_OK };
	enum rc rc = x->c != NULL ? RC_OK : conf_load(x->config, &x->c, &e);

	if (rc == RC_OK)
		rc = admin_open_store(x, &e);
	if (rc == RC_OK)
		rc = store_audit(x->conn, (int64_t)getuid(), x->command, x->target, n, &e);
	if (rc != RC_OK && !may_lack)
		(void)fprintf(stderr, "usmctl: there is no record of this in the audit: %s\n", e.text);
}

static size_t
lines_of(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->p[i] == '\n';
	return n;
}

static void
print_patches(const struct admin *x, const struct buf *names)
{
	const char *p = names->p;

	for (size_t n; !x->json && p != NULL && *p != '\0'; p += n + 1) {
		n = strcspn(p, "\n");
		(void)printf("%s %.*s\n", x->dry_run ? "would apply" : "applied", (int)n, p);
	}
}

static int
run_migrate(struct admin *x)
{
	struct password password;
	struct err e = { .rc = RC_OK };
	struct buf names;
	size_t n;
	enum rc rc;
	int code = admin_begin(0, x);

	if (code >= 0)
		return code;
	buf_init(&names, 0);
	rc = database_password(x->c, &password, &e);
	if (rc == RC_OK)
		rc = store_migrate(x->c->pg_conninfo, password.text, x->sql != NULL ? x->sql : USMD_SQLDIR, x->dry_run, &names, &e);
	secret_wipe(&password, sizeof(password));
	n = lines_of(&names);
	print_patches(x, &names);
	if (n > 0 && !x->dry_run) {
		admin_about(x, "patches", x->sql != NULL ? x->sql : USMD_SQLDIR);
		record_late(x, n, false);
	}
	if (rc == RC_OK && (x->json || x->dry_run))
		admin_done(x, n, "patches");
	buf_fini(&names);
	return admin_end(x, rc, &e);
}

static int
run_key_create(struct admin *x)
{
	const char *file = x->n_words == 1 ? x->word[0] : NULL;
	struct err e = { .rc = RC_OK };
	enum rc rc;

	if (file == NULL)
		return admin_usage(x);
	rc = x->dry_run ? key_check_new(file, &e) : key_create(file, &e);
	admin_about(x, "file", file);
	if (rc == RC_OK && !x->dry_run)
		record_late(x, 1, true);
	if (rc == RC_OK && (x->json || x->dry_run))
		admin_done(x, 1, "key");
	else if (rc == RC_OK)
		(void)printf("%s: a new key. Keep a copy in a safe place; all nodes need the same one, readable by the service's user only.\n", file);
	if (rc == RC_OK)
		return admin_end(x, rc, &e);
	(void)admin_end(x, RC_OK, NULL);
	print_err("usmctl", &e);
	return EXIT_FAILED;
}

static int run_help(struct admin *x);

static const struct command commands[] = {
	{ "config", "[check | show | diff [--running] | sample] [--json] [--config FILE]",
	  "check (default): are settings and key right?  show: the effective settings and where each comes from, passwords hidden.\n"
	  "      diff: what differs from the defaults, or from what the running daemon has.  sample: a file with all settings explained", "rtuw", 1, run_config },
	{ "reload", "[--dry-run] [--json] [--config FILE]", "let the running daemon read its settings again; says what holds now, and what waits for a restart", "N", 0,
	  run_reload },
	{ "drain", "[--dry-run] [--json] [--config FILE]", "let the running daemon send its clients to other nodes, before it is stopped", "N", 0, run_drain },
	{ "migrate", "[--sql DIR] [--dry-run] [--json] [--config FILE]", "bring the database's schema to this version (patches of DIR, default " USMD_SQLDIR ")", "qN", 0,
	  run_migrate },
	{ "key-create", "FILE [--dry-run] [--json] [--config FILE]", "write a new master key to FILE, which must not exist", "N", 1, run_key_create },
	{ "keys", "[list | rotate | drop] [--dry-run] [--json] [--config FILE]",
	  "list (default): the keys of seal_keys and how many records each has sealed; rotate: a new key becomes active;\n"
	  "      drop: forget old keys that no record needs", "N", 1, run_keys },
	{ "undo", "--device D --since T [--user C/U] [--folder F] [--apply | --dry-run] [--json] [--config FILE]",
	  "show what the device has overwritten and deleted since T (2h, 7d, \"2026-11-22 14:00\"); --apply: bring it back", "DUsFAN", 0, run_undo },
	{ "duplicates", "--device D [--user C/U] [--remove | --dry-run] [--json] [--config FILE]",
	  "show what the device has created more than once; --remove: delete the copies", "DUmN", 0, run_duplicates },
	{ "held", "--device D [--user C/U] [--release | --refuse] [--dry-run] [--json] [--config FILE]",
	  "show the device's deletions that wait for a confirmation; --release: let them pass, --refuse: give the objects back", "DUexN", 0, run_held },
	{ "proxies", "[--json] [--config FILE]", "show networks of clients where something ends waiting connections before their time", "", 0, run_proxies },
	{ "sources", "[--user C/U] [--json] [--config FILE]",
	  "show what tells the running usmd of changes, for each account that clients wait for, and how long ago each source did last", "U", 0, run_sources },
	{ "explain", "--device D [--user C/U] (--object UUID | --folder F --id N | --client-id X | --title TEXT) [--json]",
	  "why does the device have this object, or why not: one sentence, and the details", "DUOFICL", 0, run_explain },
	{ "accounts", "[--user C/U] [--json]", "show users that have logged in through usmd", "U", 0, run_accounts },
	{ "devices", "[--user C/U] [--device D] [--json]", "show devices: client, last login and sync, state, what is wrong", "UD", 0, run_devices },
	{ "folders", "[--user C/U] [--device D] [--json]", "show what devices synchronise: last sync and changes behind, for each folder", "UD", 0, run_folders },
	{ "device", "allow | block | quarantine | remove --device D [--user C/U] [--dry-run] [--json]",
	  "decide about a device; remove: forget what is kept of it", "DUN", 1, run_device },
	{ "sessions", "[--user C/U] [--device D] [--end [--session S] [--dry-run]] [--json]", "show who is logged in; --end: end these sessions", "UDESN", 0, run_sessions },
	{ "resync", "(--device D | --user C/U) [--type T] [--folder F [--object N]] [--dry-run] [--json]",
	  "let devices compare folders anew at their next sync; only differences are sent", "DUTFON", 0, run_resync },
	{ "aside", "[--user C/U] [--device D] [--folder F] [--object N] [--retry | --skip] [--dry-run] [--json]",
	  "show objects that are set aside; --retry: try them again, --skip: set one aside for the device", "UDFORKN", 0, run_aside },
	{ "conflicts", "[--user C/U] [--device D] [--json]", "show conflicts of which a losing version is kept", "UD", 0, run_conflicts },
	{ "forget", "--user C/U [--apply | --dry-run] [--json]", "show what is kept of a user; --apply: delete it", "UAN", 0, run_forget },
	{ "audit", "[--json]", "show what administrators have changed", "", 0, run_audit },
	{ "stats", "[--json]", "show how much is stored", "", 0, run_stats },
	{ "report", "[--json]", "show counts for a report on the installation: nothing of persons", "", 0, run_report },
	{ "feedback", "list | show ID [--data FILE] | delete ID... [--dry-run] [--json] [--config FILE]",
	  "what clients have handed in at this node (feedback_dir); show: the record, and the octets into FILE, - is the standard output", "aN", 10000, run_feedback },
	{ "trace", "--device D [--user C/U] --for 10m [--side client|ox|both] [--plain] [--dry-run] | --device D --off [--dry-run] | --list [--json] [--config FILE]",
	  "write down what the device and OX say for so long, values replaced by tokens; --list: the traces that there are", "DUfdpolN", 0, run_trace },
	{ "help", "[--json]", "print this", "", 0, run_help },
};

static void
usage(FILE *f)
{
	(void)fputs("usage: usmctl COMMAND [OPTION...]\n", f);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		(void)fprintf(f, "  %s %s\n      %s\n", commands[i].name, commands[i].args, commands[i].help);
	(void)fputs("The default FILE of --config is " USMD_CONFFILE ".  See usmctl(8).\n", f);
}

/* For scripts, and for the test that tries each command. */
static void
usage_json(struct buf *b)
{
	buf_addc(b, '[');
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		buf_addf(b, "%s{\"name\":\"%s\",\"args\":", i == 0 ? "" : ",\n", commands[i].name);
		json_text_string(b, commands[i].args, strlen(commands[i].args));
		buf_adds(b, ",\"help\":");
		json_text_string(b, commands[i].help, strlen(commands[i].help));
		buf_addf(b, ",\"changes\":%s,\"options\":", strchr(commands[i].takes, 'N') != NULL ? "true" : "false");
		admin_option_names(&commands[i], b);
		buf_addc(b, '}');
	}
	buf_adds(b, "]\n");
}

static int
run_help(struct admin *x)
{
	struct err e = { .rc = RC_OK };
	struct buf b;

	if (!x->json) {
		usage(stdout);
		return EXIT_OK;
	}
	buf_init(&b, 0);
	usage_json(&b);
	return admin_put(&b, &e) == RC_OK ? EXIT_OK : EXIT_FAILED;
}

static const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
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
	struct admin x;
	int code;

	(void)umask(0077);
	credentials_here();
	model_json_memory();
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
	code = admin_options(c, argc - 1, argv + 1, &x);
	return code >= 0 ? code : c->run(&x);
}
