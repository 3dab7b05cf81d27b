/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files and names in the synchronised directory: whole reads, atomic writes, names that no file system refuses. */
#include "client/client_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE ((size_t)128 * 1024 * 1024)

char *
path_join(const char *dir, const char *name)
{
	struct buf b;

	buf_init(&b, 8192);
	buf_adds(&b, dir);
	if (dir[0] != '\0' && name[0] != '\0')
		buf_addc(&b, '/');
	buf_adds(&b, name);
	return buf_take(&b, NULL);
}

char *
full_path(const struct client *c, const char *path)
{
	return path_join(c->o.dir, path);
}

/* All of FD (closed, may be -1 with errno), which the person knows as NAME. */
static enum rc
read_all(int fd, const char *name, struct buf *out, struct err *e)
{
	enum rc rc = RC_OK;
	ssize_t got = 0;
	char *p;

	if (fd < 0)
		return err_set(e, errno == ENOENT ? RC_NOTFOUND : RC_INTERNAL, "%s: %s", name, strerror(errno));
	do {
		p = out->len < MAX_FILE ? buf_reserve(out, 65536) : NULL;
		got = p != NULL ? read(fd, p, 65536) : -1;
		if (got > 0)
			out->len += (size_t)got;
	} while (got > 0);
	if (got < 0)
		rc = err_set(e, p == NULL ? RC_LIMIT : RC_INTERNAL, "%s: %s", name, p == NULL ? "too large" : strerror(errno));
	else
		out->p[out->len] = '\0';
	(void)close(fd);
	return rc;
}

enum rc
file_read(const struct client *c, const char *path, struct buf *out, struct err *e)
{
	char *full = full_path(c, path);
	enum rc rc = full == NULL ? err_set(e, RC_NOMEM, "out of memory") : read_all(open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), path, out, e);

	mem_free(full);
	return rc;
}

enum rc
file_read_any(const char *path, struct buf *out, struct err *e)
{
	return read_all(open(path, O_RDONLY | O_CLOEXEC), path, out, e);
}

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

/* A reader of the directory sees the old file or the new one, never a part of it. */
enum rc
file_write(const struct client *c, const char *path, const void *p, size_t n, struct err *e)
{
	char *full = full_path(c, path), *tmp = NULL;
	enum rc rc = RC_OK;
	int fd = -1;

	if (full != NULL)
		tmp = path_join(c->o.dir, STATE_DIR "/write.tmp");
	if (tmp == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		goto out;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !write_all(fd, p, n) || fsync(fd) != 0 || close(fd) != 0) {
		rc = err_set(e, RC_INTERNAL, "%s: %s", path, strerror(errno));
		goto out;
	}
	fd = -1;
	if (rename(tmp, full) != 0)
		rc = err_set(e, RC_INTERNAL, "%s: %s", path, strerror(errno));
out:
	if (fd >= 0)
		(void)close(fd);
	mem_free(tmp);
	mem_free(full);
	return rc;
}

void
file_hash(const void *p, size_t n, char out[65])
{
	unsigned char h[32];

	sha256(p, n, h);
	hex_encode(h, sizeof(h), out);
}

bool
file_stat(const struct client *c, const char *path, int64_t *size, int64_t *mtime_ns)
{
	char *full = full_path(c, path);
	struct stat st;
	bool ok = full != NULL && lstat(full, &st) == 0 && S_ISREG(st.st_mode);

	if (ok) {
		*size = (int64_t)st.st_size;
		*mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	}
	mem_free(full);
	return ok;
}

enum rc
dir_make(const struct client *c, const char *path, struct err *e)
{
	char *full = full_path(c, path), *p;
	enum rc rc = RC_OK;

	if (full == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	p = full + strlen(c->o.dir); /* PATH may be empty: then there is no slash behind it */
	for (p += *p == '/'; p != NULL && *p != '\0'; p = strchr(p, '/') != NULL ? strchr(p, '/') + 1 : NULL) {
		char *slash = strchr(p, '/');

		if (slash != NULL)
			*slash = '\0';
		if (mkdir(full, 0700) != 0 && errno != EEXIST)
			rc = err_set(e, RC_INTERNAL, "%s: %s", full, strerror(errno));
		if (slash != NULL)
			*slash = '/';
	}
	mem_free(full);
	return rc;
}

char *
name_clean(const char *title, const char *fallback)
{
	char *s = mem_dup_str(title != NULL && title[0] != '\0' ? title : fallback);
	size_t n = 0;

	if (s == NULL)
		return NULL;
	for (const char *p = s; *p != '\0' && n < 100; p++) {
		unsigned char ch = (unsigned char)*p;

		if (ch < 0x20 || ch == 0x7f || strchr("/\\:*?\"<>|,", *p) != NULL)
			s[n++] = '_';
		else
			s[n++] = *p;
	}
	while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80) /* do not end inside a UTF-8 character */
		n--;
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '.'))
		n--;
	s[n] = '\0';
	if (s[0] == '.')
		s[0] = '_';
	if (n == 0) {
		mem_free(s);
		return mem_dup_str(fallback);
	}
	return s;
}
