/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options, opening, tables and the record of what was done, for the commands in commands.c. */
#include "daemon/admin_int.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "usmd/cache.h"

#define DEVICES_MAX 20
#define CELL_MAX 60 /* a column of a table for people is not wider; --json has all */

/* ---- options ---- */

static const struct choice {
	char letter;
	const char *name;
	bool valued;
	size_t at; /* of the member of struct admin: const char *, or bool */
} choices[] = {
#define VALUED(letter, name, member) { letter, name, true, offsetof(struct admin, member) }
#define SWITCH(letter, name, member) { letter, name, false, offsetof(struct admin, member) }
	VALUED('c', "config", config), SWITCH('j', "json", json), VALUED('D', "device", device), VALUED('U', "user", what), VALUED('F', "folder", folder),
	VALUED('T', "type", type), VALUED('O', "object", object), VALUED('I', "id", id), VALUED('C', "client-id", client_id), VALUED('L', "title", title),
	VALUED('S', "session", session), VALUED('s', "since", since), VALUED('f', "for", period), VALUED('d', "side", side), VALUED('a', "data", data),
	VALUED('q', "sql", sql), SWITCH('N', "dry-run", dry_run), SWITCH('A', "apply", apply), SWITCH('E', "end", end), SWITCH('R', "retry", retry),
	SWITCH('K', "skip", skip), SWITCH('r', "running", running), SWITCH('p', "plain", plain), SWITCH('o', "off", off), SWITCH('l', "list", list),
	SWITCH('m', "remove", remove), SWITCH('e', "release", release), SWITCH('x', "refuse", refuse),
	/* as words of config are written in older units and scripts */
	SWITCH('t', "check", what), SWITCH('u', "dump", what), SWITCH('w', "sample", what),
};
#define ALWAYS "cj"

static bool
takes(const struct command *c, char letter)
{
	return strchr(ALWAYS, letter) != NULL || strchr(c->takes, letter) != NULL;
}

static const struct choice *
choice_of(int letter)
{
	for (size_t i = 0; i < ARRAY_LEN(choices); i++)
		if (choices[i].letter == letter)
			return &choices[i];
	return NULL;
}

static bool
option(struct admin *x, int letter)
{
	const struct choice *o = choice_of(letter);

	if (o == NULL)
		return false;
	if (letter == 'U') {
		if (context_user_parse(optarg, &x->context, &x->user))
			return true;
		(void)fprintf(stderr, "usmctl: --user %s: say CONTEXT/USER, the numbers of both\n", optarg);
		return false;
	}
	if (o->at == offsetof(struct admin, what))
		x->what = o->name;
	else if (o->valued)
		*(const char **)(void *)((char *)x + o->at) = optarg;
	else
		*(bool *)(void *)((char *)x + o->at) = true;
	return true;
}

int
admin_options(const struct command *c, int argc, char **argv, struct admin *x)
{
	struct option longs[ARRAY_LEN(choices) + 1];
	size_t n = 0;
	int opt;

	*x = (struct admin){ .row = c, .command = c->name, .config = USMD_CONFFILE };
	for (size_t i = 0; i < ARRAY_LEN(choices); i++)
		if (takes(c, choices[i].letter))
			longs[n++] = (struct option){ choices[i].name, choices[i].valued ? required_argument : no_argument, NULL, choices[i].letter };
	longs[n] = (struct option){ NULL, 0, NULL, 0 };
	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		if (!option(x, opt))
			return admin_usage(x);
	x->word = argv + optind;
	x->n_words = (size_t)(argc - optind);
	if (x->n_words <= c->words)
		return -1;
	(void)fprintf(stderr, "usmctl: '%s' is not expected\n", x->word[c->words]);
	return admin_usage(x);
}

void
admin_option_names(const struct command *c, struct buf *out)
{
	bool first = true;

	buf_addc(out, '[');
	for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
		if (!takes(c, choices[i].letter))
			continue;
		buf_addf(out, "%s\"--%s\"", first ? "" : ",", choices[i].name);
		first = false;
	}
	buf_addc(out, ']');
}

int
admin_usage(const struct admin *x)
{
	(void)fprintf(stderr, "usage: usmctl %s %s\n", x->row->name, x->row->args);
	return EXIT_USAGE;
}

bool
admin_word(const struct admin *x, size_t i, const char *w)
{
	return i < x->n_words && strcmp(x->word[i], w) == 0;
}

/* ---- what the record says ---- */

void
admin_about(struct admin *x, const char *name, const char *value)
{
	size_t n = strlen(x->target);

	if (value != NULL)
		(void)snprintf(x->target + n, sizeof(x->target) - n, "%s%s=%.60s", n > 0 ? " " : "", name, value);
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

enum rc
admin_open_store(struct admin *x, struct err *e)
{
	enum rc rc = database_open(x->c, 1, &x->s, e);

	return rc == RC_OK ? store_lease(x->s, &x->conn, e) : rc;
}

static enum rc
open_all(struct admin *x, unsigned need, struct err *e)
{
	enum rc rc = conf_load(x->config, &x->c, e);

	if (rc != RC_OK)
		return rc;
	x->a = arena_new(0);
	if (x->a == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if ((need & NEED_STORE) == 0)
		return RC_OK;
	rc = admin_open_store(x, e);
	if (rc == RC_OK && x->device != NULL)
		rc = find_device(x, e);
	else if (rc == RC_OK && x->user != 0)
		rc = store_account_find(x->conn, x->context, x->user, &x->account_id, e);
	if (rc == RC_NOTFOUND && x->device == NULL && (need & KNOWN_OR_NOT) != 0)
		rc = RC_OK;
	if (rc == RC_OK && (need & NEED_ENGINE) == NEED_ENGINE)
		rc = open_engine(x, e);
	if (x->user != 0)
		(void)snprintf(x->target, sizeof(x->target), "user=%" PRId64 "/%" PRId64, x->context, x->user);
	admin_about(x, "device", x->device);
	return rc;
}

int
admin_begin(unsigned need, struct admin *x)
{
	struct err e = { .rc = RC_OK };
	enum rc rc;

	if (((need & NEED_DEVICE) != 0 && x->device == NULL) || ((need & NEED_USER) != 0 && x->user == 0) ||
	    ((need & NEED_EITHER) != 0 && x->device == NULL && x->user == 0)) {
		(void)fprintf(stderr, "usmctl: %s needs %s\n", x->command, (need & NEED_DEVICE) != 0 ? "--device" : (need & NEED_USER) != 0 ? "--user" : "--device or --user");
		return EXIT_USAGE;
	}
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

	if (!x->json) {
		print_table(t);
		return RC_OK;
	}
	buf_init(&b, 0);
	add_json(&b, t);
	return admin_put(&b, e);
}

enum rc
admin_put(struct buf *b, struct err *e)
{
	bool failed = b->failed, ok = !failed && (b->len == 0 || fputs(b->p, stdout) >= 0);

	buf_fini(b);
	return ok ? RC_OK : failed ? err_set(e, RC_NOMEM, "the answer is too long") : err_set(e, RC_INTERNAL, "cannot write: %s", strerror(errno));
}

/* ---- doing ---- */

static struct store_record
record_of(const struct admin *x)
{
	return (struct store_record){ .by_uid = (int64_t)getuid(), .command = x->command, .target = x->target, .count = x->dry_run };
}

void
admin_done(const struct admin *x, size_t n, const char *noun)
{
	if (x->json)
		(void)printf("{\"command\":\"%s\",\"dry_run\":%s,\"changed\":%zu}\n", x->command, x->dry_run ? "true" : "false", n);
	else
		(void)printf("%zu %s%s\n", n, noun, x->dry_run ? " (nothing is done: --dry-run)" : "");
	if (!x->dry_run)
		log_info("admin", "command=%s %s changed=%zu by_uid=%ld", x->command, x->target, n, (long)getuid());
}

enum rc
admin_change(struct admin *x, store_change change, void *arg, size_t *n, struct err *e)
{
	const struct store_record r = record_of(x);

	return store_recorded(x->conn, &r, change, arg, n, e);
}

enum rc
admin_act(struct admin *x, enum store_act what, const struct store_subject *s, const char *noun, struct err *e)
{
	const struct store_record r = record_of(x);
	const char **keys = NULL;
	size_t n = 0, n_keys = 0;
	enum rc rc = RC_OK;

	if (x->g != NULL && !x->dry_run)
		rc = engine_quick_list(x->conn, x->a, s->account, s->device, &keys, &n_keys, e);
	if (rc == RC_OK)
		rc = store_act(x->conn, what, s, &r, &n, e);
	if (rc != RC_OK)
		return rc;
	if (x->g != NULL)
		engine_quick_drop(x->g, keys, n_keys);
	admin_done(x, n, noun);
	return RC_OK;
}
