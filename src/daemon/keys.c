/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The keys that seal losing values, journal and cached passwords: those of seal_keys, the first is active, and the one that comes from the master key.
 * usmctl keys list, rotate, drop.  The file is one line of keys and is replaced as a whole: a crash leaves the old one or the new one.
 */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "usmd/store.h"

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

static enum rc
records(const struct conf *c, struct store_sealed_key *used, size_t *n, struct err *e)
{
	struct store_options o = { .conninfo = c->pg_conninfo, .pool = 1, .statement_timeout_ms = (unsigned)c->pg_statement_timeout,
		.lease_timeout_ms = (unsigned)c->pg_lease_timeout, .lock_timeout_ms = (unsigned)c->pg_lock_timeout };
	struct store *s = NULL;
	struct store_conn *conn = NULL;
	enum rc rc = store_open(&o, &s, e);

	*n = 0;
	if (rc == RC_OK)
		rc = store_lease(s, &conn, e);
	if (rc == RC_OK)
		rc = store_sealed_keys(conn, used, 2 * KEYRING_MAX, n, e);
	store_release(conn);
	store_close(s);
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

static void
print_key(const unsigned char id[KEY_ID_BYTES], const char *what, int64_t n)
{
	char hex[2 * KEY_ID_BYTES + 1];

	hex_encode(id, KEY_ID_BYTES, hex);
	(void)printf("%s  %-10s %10lld\n", hex, what, (long long)n);
}

static enum rc
list(const struct conf *c, const struct keyring *r, struct err *e)
{
	struct store_sealed_key used[2 * KEYRING_MAX];
	size_t n;
	enum rc rc = records(c, used, &n, e);

	if (rc != RC_OK)
		return rc;
	(void)printf("%-16s  %-10s %10s\n", "key", "", "records");
	for (size_t i = 0; i < r->n; i++)
		print_key(r->v[i].id, i == 0 ? "active" : i + 1 == r->n ? "master" : "old", used_by(used, n, r->v[i].id));
	for (size_t i = 0; i < n; i++) {
		bool have = false;

		for (size_t k = 0; k < r->n; k++)
			have |= memcmp(r->v[k].id, used[i].id, KEY_ID_BYTES) == 0;
		if (!have)
			print_key(used[i].id, "missing", used[i].records);
	}
	return RC_OK;
}

static enum rc
rotate(const struct conf *c, struct keyring *r, struct err *e)
{
	struct keyring next = { .n = 0 };
	unsigned char key[KEY_BYTES];
	enum rc rc;

	if (c->seal_keys[0] == '\0')
		return err_set(e, RC_PROTO, "seal_keys is not set: name the file in usmd.conf where the keys shall be; an empty file of mode 0600 to begin with");
	if (r->n == KEYRING_MAX)
		return err_set(e, RC_LIMIT, "%s is full; usmctl keys drop", c->seal_keys);
	random_bytes(key, sizeof(key));
	(void)keyring_add(&next, key);
	for (size_t i = 0; i < r->n; i++)
		(void)keyring_add(&next, r->v[i].key);
	rc = save(c->seal_keys, &next, e);
	if (rc == RC_OK) {
		print_key(next.v[0].id, "active", 0);
		(void)printf("Copy %s to all nodes, then usmctl reload at each (a restart, where it is a credential); until then they seal with the old key.\n", c->seal_keys);
	}
	secret_wipe(key, sizeof(key));
	secret_wipe(&next, sizeof(next));
	return rc;
}

static enum rc
drop(const struct conf *c, const struct keyring *r, struct err *e)
{
	struct store_sealed_key used[2 * KEYRING_MAX];
	struct keyring left = { .n = 0 };
	size_t n, gone = 0;
	enum rc rc = records(c, used, &n, e);

	for (size_t i = 0; i < r->n && rc == RC_OK; i++) {
		if (i == 0 || i + 1 == r->n || used_by(used, n, r->v[i].id) > 0) {
			(void)keyring_add(&left, r->v[i].key);
			continue;
		}
		print_key(r->v[i].id, "dropped", 0);
		gone++;
	}
	if (rc == RC_OK && gone > 0)
		rc = save(c->seal_keys, &left, e);
	if (rc == RC_OK && gone == 0)
		(void)printf("No old key is without records; usmd seals them anew in the background once it runs with the active key.\n");
	secret_wipe(&left, sizeof(left));
	return rc;
}

int
run_keys(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { NULL, 0, NULL, 0 } };
	const char *file = USMD_CONFFILE, *what;
	unsigned char master[KEY_BYTES] = { 0 };
	struct keyring r = { .n = 0 };
	struct conf *c = NULL;
	struct err e = { .rc = RC_OK };
	int opt, code = EXIT_OK;
	enum rc rc;

	while ((opt = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (opt != 'c')
			return EXIT_USAGE;
		file = optarg;
	}
	what = optind < argc ? argv[optind] : "list";
	if (optind + 1 < argc || (strcmp(what, "list") != 0 && strcmp(what, "rotate") != 0 && strcmp(what, "drop") != 0)) {
		(void)fprintf(stderr, "usmctl: keys list, rotate or drop\n");
		return EXIT_USAGE;
	}
	rc = conf_load(file, &c, &e);
	if (rc == RC_OK)
		rc = key_load(c->key_file, master, &e);
	if (rc == RC_OK)
		rc = keys_load(c, master, &r, &e);
	if (rc != RC_OK)
		code = EXIT_CONFIG;
	else
		rc = what[0] == 'l' ? list(c, &r, &e) : what[0] == 'r' ? rotate(c, &r, &e) : drop(c, &r, &e);
	if (rc == RC_OK && fflush(stdout) != 0)
		rc = err_set(&e, RC_INTERNAL, "cannot write: %s", strerror(errno));
	if (rc != RC_OK) {
		code = code == EXIT_OK ? EXIT_FAILED : code;
		print_err("usmctl", &e);
	}
	secret_wipe(master, sizeof(master));
	secret_wipe(&r, sizeof(r));
	conf_free(c);
	return code;
}
