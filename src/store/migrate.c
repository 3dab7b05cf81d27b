/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Applying the patches of sql/: in order, each in its own transaction, one migrator at a time.  The daemon never
 * migrates by itself, it only checks the version (pool.c).
 */
#include "store_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATCH_NAME 80
#define PATCH_MAX_BYTES (4U * 1024 * 1024)

struct patch {
	char name[PATCH_NAME];
};

struct patches {
	struct patch *p;
	size_t n;
};

static bool
is_patch(const char *name)
{
	size_t n = strlen(name);

	return n > 9 && n < PATCH_NAME && strspn(name, "0123456789") == 4 && name[4] == '-' &&
	    strcmp(name + n - 4, ".sql") == 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct patch *)a)->name, ((const struct patch *)b)->name);
}

/* The patch files of DIR in order; file N must be number N. */
static enum rc
list_patches(const char *dir, struct patches *out, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *ent;
	struct patch *p;
	enum rc rc = RC_OK;

	if (d == NULL)
		return err_set(e, RC_NOTFOUND, "%s: %s", dir, strerror(errno));
	while (rc == RC_OK && (ent = readdir(d)) != NULL) {
		if (!is_patch(ent->d_name))
			continue;
		p = mem_realloc(out->p, (out->n + 1) * sizeof(*p));
		if (p == NULL) {
			rc = err_set(e, RC_NOMEM, "out of memory");
			break;
		}
		out->p = p;
		(void)snprintf(p[out->n++].name, PATCH_NAME, "%s", ent->d_name);
	}
	(void)closedir(d);
	if (rc != RC_OK)
		return rc;
	if (out->n == 0)
		return err_set(e, RC_NOTFOUND, "%s holds no patches (NNNN-title.sql)", dir);
	qsort(out->p, out->n, sizeof(*out->p), by_name);
	for (size_t i = 0; i < out->n; i++)
		if ((size_t)strtoul(out->p[i].name, NULL, 10) != i)
			return err_set(e, RC_INTERNAL, "%s: %s follows number %zu: a patch is missing or there twice", dir,
			    out->p[i].name, i == 0 ? (size_t)0 : i - 1);
	return RC_OK;
}

static enum rc
read_file(const char *dir, const char *name, struct buf *b, struct err *e)
{
	char path[4096];
	size_t got;
	FILE *f;
	char *q;

	buf_reset(b);
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_set(e, RC_LIMIT, "%s: the path is too long", dir);
	f = fopen(path, "re");
	if (f == NULL)
		return err_set(e, RC_NOTFOUND, "%s: %s", path, strerror(errno));
	do {
		q = buf_reserve(b, 65536);
		got = q != NULL ? fread(q, 1, 65536, f) : 0;
		b->len += got;
	} while (got > 0);
	if (ferror(f) != 0)
		b->failed = true;
	(void)fclose(f);
	buf_addc(b, '\n');
	if (b->failed || memchr(b->p, '\0', b->len) != NULL)
		return err_set(e, RC_INTERNAL, "%s cannot be read, is too big or no text", path);
	return RC_OK;
}

/* Number of the last patch that the database has, -1 = none at all. */
static enum rc
last_applied(PGconn *pg, int64_t *last, struct err *e)
{
	PGresult *r = NULL;
	enum rc rc;

	*last = -1;
	rc = pg_script(pg, "SELECT to_regclass('usmd.patch') IS NOT NULL", &r, e);
	if (rc != RC_OK || PQgetvalue(r, 0, 0)[0] != 't')
		goto out;
	PQclear(r);
	rc = pg_script(pg, "SELECT coalesce(max(number), -1) FROM usmd.patch", &r, e);
	if (rc == RC_OK && !parse_i64(PQgetvalue(r, 0, 0), -1, INT32_MAX, last))
		rc = err_set(e, RC_INTERNAL, "usmd.patch holds no sensible number");
out:
	PQclear(r);
	return rc;
}

static enum rc
apply(PGconn *pg, const char *dir, const char *name, struct buf *b, struct err *e)
{
	enum rc rc = read_file(dir, name, b, e);
	struct err cause = { .rc = RC_OK };

	if (rc != RC_OK)
		return rc;
	rc = pg_script(pg, "BEGIN", NULL, e);
	if (rc != RC_OK)
		return rc;
	rc = pg_script(pg, b->p, NULL, &cause);
	if (rc == RC_OK)
		rc = pg_script(pg, "COMMIT", NULL, &cause);
	if (rc == RC_OK)
		return RC_OK;
	if (pg_script(pg, "ROLLBACK", NULL, NULL) != RC_OK)
		log_warn("migrate.rollback", "patch=%s", name);
	return err_set(e, rc, "%s: %s; nothing of it was applied", name, cause.text);
}

static enum rc
migrate(PGconn *pg, const char *dir, const struct patches *files, bool count, struct buf *names, struct err *e)
{
	int64_t last;
	struct buf b;
	char key[24];
	const char *v[] = { key };
	enum rc rc;

	/* a second migrator waits here and then finds everything done */
	(void)snprintf(key, sizeof(key), "%lld", (long long)STORE_LOCK_PATCH);
	rc = pg_query(pg, "SELECT pg_advisory_lock($1::int8)", 1, v, 0, NULL, e);
	if (rc == RC_OK)
		rc = last_applied(pg, &last, e);
	if (rc != RC_OK)
		return rc;
	if (last >= (int64_t)files->n)
		return err_set(e, RC_INTERNAL, "the database is at patch %lld, %s ends at %zu: install the newer usmd",
		    (long long)last, dir, files->n - 1);
	buf_init(&b, PATCH_MAX_BYTES);
	for (size_t i = (size_t)(last + 1); i < files->n && rc == RC_OK; i++) {
		rc = count ? RC_OK : apply(pg, dir, files->p[i].name, &b, e);
		if (rc == RC_OK && names != NULL)
			buf_addf(names, "%s\n", files->p[i].name);
	}
	buf_fini(&b);
	return rc;
}

enum rc
store_migrate(const char *conninfo, const char *password, const char *sql_dir, bool count, struct buf *names, struct err *e)
{
	struct patches files = { .n = 0 };
	PGconn *pg = NULL;
	char text[256];
	enum rc rc;

	rc = list_patches(sql_dir, &files, e);
	if (rc != RC_OK)
		goto out;
	pg = pg_dial(conninfo, password);
	if (PQstatus(pg) != CONNECTION_OK) {
		(void)pg_dial_error(pg, text, sizeof(text));
		rc = err_set(e, RC_UPSTREAM, "no connection to PostgreSQL: %s", text);
		goto out;
	}
	rc = migrate(pg, sql_dir, &files, count, names, e);
out:
	PQfinish(pg); /* gives the lock back */
	mem_free(files.p);
	return rc;
}
