/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The keys that seal losing values, journal and cached passwords: those of seal_keys, the first is active, and the one that comes from the master key.
 * usmctl keys list, rotate, drop.  The file is one line of keys and is replaced as a whole: a crash leaves the old one or the new one.
 */
#include "daemon/admin_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_TEXT (2 * KEY_BYTES)
#define LINE_MAX_BYTES (KEYRING_MAX * (KEY_TEXT + 1) + 2)

enum rc
keys_load(const struct conf *c, const unsigned char master[KEY_BYTES], struct keyring *out, struct err *e)
{
	char line[LINE_MAX_BYTES], *save = NULL;
	unsigned char key[KEY_BYTES];
	enum rc rc = RC_OK;

	memset(out, 0, sizeof(*out));
	if (c->seal_keys[0] != '\0') {
		rc = conf_secret_read("seal_keys", c->seal_keys, line, sizeof(line), e);
		for (char *w = rc == RC_OK ? strtok_r(line, " ", &save) : NULL; w != NULL && rc == RC_OK; w = strtok_r(NULL, " ", &save))
			if (!hex_decode(w, key, KEY_BYTES))
				rc = err_set(e, RC_PROTO, "seal_keys: the line of %s is not keys of %d hex digits; restore the file from a backup", c->seal_keys, KEY_TEXT);
			else if (out->n == KEYRING_MAX - 1 || !keyring_add(out, key))
				rc = err_set(e, RC_PROTO, "seal_keys: %s holds a key twice or more than %d of them; usmctl keys drop", c->seal_keys, KEYRING_MAX - 1);
		secret_wipe(line, sizeof(line));
		secret_wipe(key, sizeof(key));
	}
	if (rc == RC_OK)
		(void)keyring_add(out, master);
	return rc;
}

/* Beside the file, then in its place; the last key, the master key's, is not in it. */
static enum rc
save(const char *file, const struct keyring *r, struct err *e)
{
	char text[LINE_MAX_BYTES] = "", temp[600];
	size_t at = 0;
	enum rc rc = RC_OK;
	int fd;

	if (strchr(file, '/') == NULL || snprintf(temp, sizeof(temp), "%s.new", file) >= (int)sizeof(temp))
		return err_set(e, RC_PROTO, "seal_keys: '%s' is no path of a file: change it where it is kept", file);
	for (size_t i = 0; i + 1 < r->n; i++) {
		hex_encode(r->v[i].key, KEY_BYTES, text + at);
		at += KEY_TEXT;
		text[at++] = i + 2 < r->n ? ' ' : '\n';
	}
	(void)unlink(temp); /* of a rotation that was cut off */
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, at) != (ssize_t)at || fsync(fd) != 0)
		rc = err_set(e, RC_INTERNAL, "cannot write %s: %s", temp, strerror(errno));
	if (fd >= 0 && close(fd) != 0 && rc == RC_OK)
		rc = err_set(e, RC_INTERNAL, "cannot write %s: %s", temp, strerror(errno));
	if (rc == RC_OK && rename(temp, file) != 0)
		rc = err_set(e, RC_INTERNAL, "cannot replace %s: %s", file, strerror(errno));
	secret_wipe(text, sizeof(text));
	return rc;
}

static int64_t
used_by(const struct store_sealed_key *used, size_t n, const unsigned char id[KEY_ID_BYTES])
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(used[i].id, id, KEY_ID_BYTES) == 0)
			return used[i].records;
	return 0;
}

/* What there is to know of the keys, and what a command does to them. */
struct keys {
	struct admin *x;
	struct keyring ring, next;
	struct store_sealed_key used[2 * KEYRING_MAX];
	size_t n_used, gone;
};

static void
add_key(const struct keys *k, const unsigned char id[KEY_ID_BYTES], const char *what, int64_t n, struct buf *b)
{
	char hex[2 * KEY_ID_BYTES + 1];

	hex_encode(id, KEY_ID_BYTES, hex);
	if (k->x->json)
		buf_addf(b, "%s{\"key\":\"%s\",\"is\":\"%s\",\"records\":%" PRId64 "}", b->len > 1 ? ",\n" : "", hex, what, n);
	else
		buf_addf(b, "%s  %-10s %10" PRId64 "\n", hex, what, n);
}

static enum rc
list(const struct keys *k, struct err *e)
{
	const struct keyring *r = &k->ring;
	struct buf b;

	buf_init(&b, 0);
	if (k->x->json)
		buf_addc(&b, '[');
	else
		buf_addf(&b, "%-16s  %-10s %10s\n", "key", "", "records");
	for (size_t i = 0; i < r->n; i++)
		add_key(k, r->v[i].id, i == 0 ? "active" : i + 1 == r->n ? "master" : "old", used_by(k->used, k->n_used, r->v[i].id), &b);
	for (size_t i = 0; i < k->n_used; i++) {
		bool have = false;

		for (size_t m = 0; m < r->n; m++)
			have |= memcmp(r->v[m].id, k->used[i].id, KEY_ID_BYTES) == 0;
		if (!have)
			add_key(k, k->used[i].id, "missing", k->used[i].records, &b);
	}
	if (k->x->json)
		buf_adds(&b, "]\n");
	return admin_put(&b, e);
}

/* The file is replaced; the record is written only if it was. */
static enum rc
save_next(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	const struct keys *k = arg;

	(void)c;
	*n = k->gone > 0 ? k->gone : 1;
	return k->x->dry_run ? RC_OK : save(k->x->c->seal_keys, &k->next, e);
}

static enum rc
print_new_key(const struct keys *k, struct err *e)
{
	struct buf b;

	buf_init(&b, 0);
	add_key(k, k->next.v[0].id, "active", 0, &b);
	buf_addf(&b, "Copy %s to all nodes, then usmctl reload at each (a restart, where it is a credential); until then they seal with the old key.\n", k->x->c->seal_keys);
	return admin_put(&b, e);
}

static enum rc
rotate(struct keys *k, struct err *e)
{
	struct admin *x = k->x;
	unsigned char key[KEY_BYTES];
	size_t n = 0;
	enum rc rc;

	if (x->c->seal_keys[0] == '\0')
		return err_set(e, RC_PROTO, "seal_keys is not set: name the file in usmd.conf where the keys shall be; an empty file of mode 0600 to begin with");
	if (k->ring.n == KEYRING_MAX)
		return err_set(e, RC_LIMIT, "%s is full; usmctl keys drop", x->c->seal_keys);
	random_bytes(key, sizeof(key));
	(void)keyring_add(&k->next, key);
	secret_wipe(key, sizeof(key));
	for (size_t i = 0; i < k->ring.n; i++)
		(void)keyring_add(&k->next, k->ring.v[i].key);
	rc = admin_change(x, save_next, k, &n, e);
	if (rc == RC_OK && !x->json && !x->dry_run)
		return print_new_key(k, e);
	if (rc == RC_OK)
		admin_done(x, n, "new key in front of the others");
	return rc;
}

static enum rc
drop(struct keys *k, struct err *e)
{
	struct admin *x = k->x;
	struct buf b;
	size_t n = 0;
	enum rc rc = RC_OK;

	buf_init(&b, 0);
	for (size_t i = 0; i < k->ring.n; i++) {
		if (i == 0 || i + 1 == k->ring.n || used_by(k->used, k->n_used, k->ring.v[i].id) > 0) {
			(void)keyring_add(&k->next, k->ring.v[i].key);
			continue;
		}
		add_key(k, k->ring.v[i].id, "dropped", 0, &b);
		k->gone++;
	}
	if (k->gone > 0)
		rc = admin_change(x, save_next, k, &n, e);
	if (k->gone == 0)
		buf_adds(&b, "No old key is without records; usmd seals them anew in the background once it runs with the active key.\n");
	if (rc == RC_OK && !x->json)
		rc = admin_put(&b, e);
	if (rc == RC_OK && (x->json || x->dry_run))
		admin_done(x, n, "keys dropped");
	buf_fini(&b);
	return rc;
}

static enum rc
load_all(struct keys *k, struct err *e)
{
	unsigned char master[KEY_BYTES];
	enum rc rc = key_load(k->x->c->key_file, master, e);

	if (rc == RC_OK)
		rc = keys_load(k->x->c, master, &k->ring, e);
	secret_wipe(master, sizeof(master));
	return rc == RC_OK ? store_sealed_keys(k->x->conn, k->used, 2 * KEYRING_MAX, &k->n_used, e) : rc;
}

int
run_keys(struct admin *x)
{
	static const struct { const char *word, *command; } words[] = { { "list", "keys" }, { "rotate", "keys rotate" }, { "drop", "keys drop" } };
	struct keys k = { .x = x };
	struct err e = { .rc = RC_OK };
	size_t i = 0;
	enum rc rc;
	int code;

	while (x->n_words > 0 && i < ARRAY_LEN(words) && !admin_word(x, 0, words[i].word))
		i++;
	if (i == ARRAY_LEN(words) || (i == 0 && x->dry_run))
		return admin_usage(x);
	code = admin_begin(NEED_STORE, x);
	if (code >= 0)
		return code;
	x->command = words[i].command;
	rc = load_all(&k, &e);
	if (rc == RC_OK)
		rc = i == 0 ? list(&k, &e) : i == 1 ? rotate(&k, &e) : drop(&k, &e);
	secret_wipe(&k.ring, sizeof(k.ring));
	secret_wipe(&k.next, sizeof(k.next));
	return admin_end(x, rc, &e);
}
