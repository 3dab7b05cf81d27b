/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options, opening, tables and the record of what was done, for the commands in commands.c. */
#include "daemon/admin_int.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "usmd/cache.h"

#define DEVICES_MAX 20
#define CELL_MAX 60 /* a column of a table for people is not wider; --json has all */

/* ---- options ---- */

static const struct option longs[] = {
	{ "config", required_argument, NULL, 'c' }, { "device", required_argument, NULL, 'D' }, { "user", required_argument, NULL, 'U' },
	{ "folder", required_argument, NULL, 'F' }, { "type", required_argument, NULL, 'T' }, { "object", required_argument, NULL, 'O' },
	{ "id", required_argument, NULL, 'I' }, { "client-id", required_argument, NULL, 'C' }, { "title", required_argument, NULL, 'L' },
	{ "session", required_argument, NULL, 'S' }, { "json", no_argument, NULL, 'j' }, { "apply", no_argument, NULL, 'A' },
	{ "end", no_argument, NULL, 'E' }, { "retry", no_argument, NULL, 'R' }, { "skip", no_argument, NULL, 'K' },
	{ "dry-run", no_argument, NULL, 'N' }, { NULL, 0, NULL, 0 },
};

static bool
option(struct admin *x, int opt)
{
	switch (opt) {
	case 'c': x->config = optarg; return true;
	case 'D': x->device = optarg; return true;
	case 'F': x->folder = optarg; return true;
	case 'T': x->type = optarg; return true;
	case 'O': x->object = optarg; return true;
	case 'I': x->id = optarg; return true;
	case 'C': x->client_id = optarg; return true;
	case 'L': x->title = optarg; return true;
	case 'S': x->session = optarg; return true;
	case 'j': x->json = true; return true;
	case 'A': x->apply = true; return true;
	case 'E': x->end = true; return true;
	case 'R': x->retry = true; return true;
	case 'K': x->skip = true; return true;
	case 'N': x->dry_run = true; return true;
	case 'U':
		if (context_user_parse(optarg, &x->context, &x->user))
			return true;
		(void)fprintf(stderr, "usmctl: --user %s: say CONTEXT/USER, the numbers of both\n", optarg);
		return false;
	default:
		return false;
	}
}

static int
options(int argc, char **argv, unsigned need, struct admin *x)
{
	int opt;

	*x = (struct admin){ .command = argv[0], .config = USMD_CONFFILE };
	if ((need & TAKES_WORD) != 0) {
		if (argc < 2 || argv[1][0] == '-') {
			(void)fprintf(stderr, "usmctl: %s needs a word behind it; see usmctl help\n", argv[0]);
			return EXIT_USAGE;
		}
		x->word = argv[1];
		argc--;
		argv++;
	}
	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		if (!option(x, opt))
			return EXIT_USAGE;
	if (optind < argc) {
		(void)fprintf(stderr, "usmctl: '%s' is not expected\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (((need & NEED_DEVICE) != 0 && x->device == NULL) || ((need & NEED_USER) != 0 && x->user == 0) ||
	    ((need & NEED_EITHER) != 0 && x->device == NULL && x->user == 0)) {
		(void)fprintf(stderr, "usmctl: %s needs %s\n", x->command, (need & NEED_DEVICE) != 0 ? "--device" : (need & NEED_USER) != 0 ? "--user" : "--device or --user");
		return EXIT_USAGE;
	}
	return -1;
}

/* ---- opening ---- */

/* The engine as usmd has it, but for OX and waiting clients: keys, settings, cache. */
static enum rc
open_engine(struct admin *x, struct err *e)
{
	unsigned char key[KEY_BYTES];
	struct engine_options o;
	struct keyring ring;
	enum rc rc = wire_engine_options(x->c, &o, e);

	if (rc == RC_OK)
		rc = key_load(x->c->key_file, key, e);
	if (rc == RC_OK)
		rc = keys_load(x->c, key, &ring, e);
	if (rc != RC_OK)
		return rc;
	o.seal = &ring;
	rc = wire_cache(x->c, &x->cache, e);
	if (rc == RC_OK)
		rc = engine_new(&o, key, x->s, x->cache, NULL, NULL, &x->g, e);
	secret_wipe(&ring, sizeof(ring));
	secret_wipe(key, sizeof(key));
	return rc;
}

static enum rc
find_device(struct admin *x, struct err *e)
{
	struct store_named_device d[DEVICES_MAX];
	size_t n = 0;
	enum rc rc = store_device_find(x->conn, x->device, x->context, x->user, d, DEVICES_MAX, &n, e);

	if (rc != RC_OK)
		return rc;
	if (n == 0)
		return err_set(e, RC_NOTFOUND, "there is no device %s%s", x->device, x->user != 0 ? " of this user" : "");
	if (n > 1) {
		(void)fprintf(stderr, "%zu users have a device %s:\n", n, x->device);
		for (size_t i = 0; i < n; i++)
			(void)fprintf(stderr, "  --user %" PRId64 "/%" PRId64 "\n", d[i].context_id, d[i].user_id);
		return err_set(e, RC_PROTO, "say which one with --user");
	}
	x->account_id = d[0].account;
	x->device_id = d[0].device;
	x->context = d[0].context_id;
	x->user = d[0].user_id;
	return RC_OK;
}

static enum rc
open_all(struct admin *x, unsigned need, struct err *e)
{
	enum rc rc = conf_load(x->config, &x->c, e);

	if (rc != RC_OK)
		return rc;
	x->a = arena_new(0);
	rc = x->a != NULL ? database_open(x->c, 1, &x->s, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK)
		rc = store_lease(x->s, &x->conn, e);
	if (rc == RC_OK && x->device != NULL)
		rc = find_device(x, e);
	else if (rc == RC_OK && x->user != 0)
		rc = store_account_find(x->conn, x->context, x->user, &x->account_id, e);
	if (rc == RC_OK && (need & NEED_ENGINE) != 0)
		rc = open_engine(x, e);
	(void)snprintf(x->target, sizeof(x->target), "user=%" PRId64 "/%" PRId64 "%s%s", x->context, x->user, x->device != NULL ? " device=" : "",
	    x->device != NULL ? x->device : "");
	return rc;
}

int
admin_begin(int argc, char **argv, unsigned need, struct admin *x)
{
	struct err e = { .rc = RC_OK };
	int code = options(argc, argv, need, x);
	enum rc rc;

	if (code >= 0)
		return code;
	rc = open_all(x, need, &e);
	return rc == RC_OK ? -1 : admin_end(x, rc, &e);
}

int
admin_end(struct admin *x, enum rc rc, const struct err *e)
{
	bool config = x->c == NULL;

	engine_free(x->g);
	cache_free(x->cache);
	store_release(x->conn);
	store_close(x->s);
	arena_free(x->a);
	conf_free(x->c);
	if (rc == RC_OK)
		return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
	print_err("usmctl", e);
	return config ? EXIT_CONFIG : EXIT_FAILED;
}

/* ---- output ---- */

static const char *
cell_for_people(const struct store_table *t, size_t row, size_t col, char *out, size_t size)
{
	const char *v = t->cell[row * t->n_columns + col];
	int64_t at = 0;
	struct tm tm;
	time_t s;

	if (v == NULL || t->kind[col] != CELL_TIME)
		return v == NULL ? "-" : v[0] == '\0' ? "-" : v;
	if (!parse_i64(v, INT64_MIN, INT64_MAX, &at) || at == 0)
		return "-";
	s = (time_t)(at / 1000);
	out[0] = '\0';
	if (localtime_r(&s, &tm) != NULL)
		(void)strftime(out, size, "%Y-%m-%d %H:%M", &tm);
	return out;
}

static void
print_table(const struct store_table *t)
{
	char at[32];

	for (size_t row = 0; row <= t->n_rows; row++) {
		for (size_t k = 0; k < t->n_columns; k++) {
			size_t width = strlen(t->column[k]);
			const char *v = row == 0 ? t->column[k] : cell_for_people(t, row - 1, k, at, sizeof(at));

			for (size_t i = 0; i < t->n_rows; i++) {
				char other[32];
				size_t n = strlen(cell_for_people(t, i, k, other, sizeof(other)));

				width = n > width ? n : width;
			}
			width = width > CELL_MAX ? CELL_MAX : width;
			(void)printf("%-*.*s%s", k + 1 < t->n_columns ? (int)width : 0, CELL_MAX, v, k + 1 < t->n_columns ? "  " : "\n");
		}
	}
}

static void
add_json(struct buf *b, const struct store_table *t)
{
	buf_addc(b, '[');
	for (size_t row = 0; row < t->n_rows; row++) {
		buf_adds(b, row > 0 ? ",\n{" : "{");
		for (size_t k = 0; k < t->n_columns; k++) {
			const char *v = t->cell[row * t->n_columns + k];

			buf_addf(b, "%s\"%s\":", k > 0 ? "," : "", t->column[k]);
			if (v == NULL)
				buf_adds(b, "null");
			else if (t->kind[k] == CELL_TEXT)
				json_text_string(b, v, strlen(v));
			else
				buf_adds(b, v);
		}
		buf_addc(b, '}');
	}
	buf_adds(b, "]\n");
}

enum rc
admin_print(const struct admin *x, const struct store_table *t, struct err *e)
{
	struct buf b;
	bool ok = true;

	if (!x->json) {
		print_table(t);
		return RC_OK;
	}
	buf_init(&b, 0);
	add_json(&b, t);
	ok = !b.failed && fputs(b.p, stdout) >= 0;
	buf_fini(&b);
	return ok ? RC_OK : err_set(e, RC_NOMEM, "the answer is too long");
}

/* ---- doing ---- */

enum rc
admin_act(struct admin *x, enum store_act what, const struct store_subject *s, const char *noun, struct err *e)
{
	const char **keys = NULL;
	size_t n = 0, n_keys = 0;
	enum rc rc = RC_OK;

	if (x->g != NULL && !x->dry_run)
		rc = engine_quick_list(x->conn, x->a, s->account, s->device, &keys, &n_keys, e);
	if (rc == RC_OK)
		rc = store_act(x->conn, what, s, x->dry_run, (int64_t)getuid(), x->command, x->target, &n, e);
	if (rc != RC_OK)
		return rc;
	if (x->g != NULL)
		engine_quick_drop(x->g, keys, n_keys);
	if (x->json)
		(void)printf("{\"command\":\"%s\",\"dry_run\":%s,\"changed\":%zu}\n", x->command, x->dry_run ? "true" : "false", n);
	else
		(void)printf("%zu %s%s\n", n, noun, x->dry_run ? " (nothing is done: --dry-run)" : "");
	if (!x->dry_run)
		log_info("admin", "command=%s %s changed=%zu by_uid=%ld", x->command, x->target, n, (long)getuid());
	return RC_OK;
}
