/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The client that the administrator announces: a small manifest beside the package.  Nothing is announced that is not as the manifest says. */
#include "service/client_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_MAX ((size_t)64 * 1024)
#define PATH_SIZE 1200

enum rc
service_client_new(const struct service_client_options *o, struct service_client **out, struct err *e)
{
	*out = mem_alloc(sizeof(**out));
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	(*out)->o = *o;
	(void)pthread_mutex_init(&(*out)->lock, NULL);
	return RC_OK;
}

void
service_client_free(struct service_client *c)
{
	if (c == NULL)
		return;
	json_decref(c->manifest);
	(void)pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

/* ---- the manifest ---- */

static const char *
text(const json_t *m, const char *key)
{
	const char *s = json_string_value(json_object_get(m, key));

	return s != NULL ? s : "";
}

/* A plain name in the directory itself, no way out of it. */
static bool
is_file_name(const char *s)
{
	return s[0] != '\0' && s[0] != '.' && strchr(s, '/') == NULL && strlen(s) <= 255;
}

static bool
is_sum(const char *s)
{
	return strlen(s) == 64 && s[strspn(s, "0123456789abcdefABCDEF")] == '\0';
}

static enum rc
manifest_check(const json_t *m, struct err *e)
{
	static const struct { const char *name; bool needed; size_t max; } members[] = { { "name", true, 100 }, { "version", true, 64 }, { "file", true, 255 },
		{ "sha256", true, 64 }, { "signature", false, 16384 }, { "minimum", false, 64 }, { "notes", false, 4096 } };
	const char *key;
	json_t *v;

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (members[i].needed && text(m, members[i].name)[0] == '\0')
			return err_set(e, RC_PROTO, "it has no text \"%s\"", members[i].name);
	json_object_foreach((json_t *)(uintptr_t)m, key, v) {
		size_t i = 0;

		while (i < ARRAY_LEN(members) && strcmp(members[i].name, key) != 0)
			i++;
		if (i == ARRAY_LEN(members))
			return err_set(e, RC_PROTO, "there is no member \"%.40s\"", key);
		if (!json_is_string(v) || json_string_length(v) > members[i].max)
			return err_set(e, RC_PROTO, "\"%s\" must be a text of at most %zu octets", key, members[i].max);
	}
	if (!is_file_name(text(m, "file")))
		return err_set(e, RC_PROTO, "\"file\" must be the name of a file in the same directory");
	return is_sum(text(m, "sha256")) ? RC_OK : err_set(e, RC_PROTO, "\"sha256\" must be 64 hex digits");
}

static enum rc
manifest_load(const char *path, json_t **out, struct err *e)
{
	static const struct json_limits limits = { .depth = 2, .string = MANIFEST_MAX };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mem_alloc(MANIFEST_MAX + 1);
	ssize_t n = fd >= 0 && p != NULL ? pread(fd, p, MANIFEST_MAX + 1, 0) : -1;
	enum rc rc;

	*out = NULL;
	if (n < 0)
		rc = err_set(e, RC_NOTFOUND, "it cannot be read: %s", strerror(errno));
	else if ((size_t)n > MANIFEST_MAX)
		rc = err_set(e, RC_LIMIT, "it is larger than %zu octets", MANIFEST_MAX);
	else
		rc = model_json_parse(p, (size_t)n, &limits, out, e);
	if (rc == RC_OK && !json_is_object(*out))
		rc = err_set(e, RC_PROTO, "it is no JSON object");
	if (rc == RC_OK)
		rc = manifest_check(*out, e);
	if (rc != RC_OK) {
		json_decref(*out);
		*out = NULL;
	}
	mem_free(p);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static enum rc
package_check(const char *path, const json_t *m, char sum[65], int64_t *size, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	unsigned char digest[32];
	struct stat st;
	enum rc rc = RC_OK;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !sha256_file(fd, digest, size)) {
		rc = err_set(e, RC_NOTFOUND, "its file %s cannot be read", text(m, "file"));
	} else {
		hex_encode(digest, sizeof(digest), sum);
		if (strcasecmp(sum, text(m, "sha256")) != 0)
			rc = err_set(e, RC_PROTO, "the SHA-256 of %s is %s, not what it says", text(m, "file"), sum);
	}
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

/* ---- what is known of it ---- */

static void
stamp_file(struct stamp *st, int i, const char *path)
{
	struct stat s;

	st->s[i] = st->ns[i] = st->size[i] = -1;
	if (stat(path, &s) != 0)
		return;
	st->s[i] = (int64_t)s.st_mtim.tv_sec;
	st->ns[i] = (int64_t)s.st_mtim.tv_nsec;
	st->size[i] = (int64_t)s.st_size;
}

static void
package_path(const struct service_client *c, char out[PATH_SIZE])
{
	(void)snprintf(out, PATH_SIZE, "%.800s/%.255s", c->o.package_dir, text(c->manifest, "file"));
}

static void
stamp_now(const struct service_client *c, const char *manifest, struct stamp *st)
{
	char path[PATH_SIZE];

	memset(st, 0, sizeof(*st));
	stamp_file(st, 0, manifest);
	if (c->manifest == NULL)
		return;
	package_path(c, path);
	stamp_file(st, 1, path);
}

static void
refresh_locked(struct service_client *c)
{
	char manifest[PATH_SIZE], path[PATH_SIZE];
	struct stamp now;
	struct err e = { .rc = RC_OK };
	enum rc rc;

	(void)snprintf(manifest, sizeof(manifest), "%.800s/" SERVICE_MANIFEST, c->o.package_dir);
	stamp_now(c, manifest, &now);
	if (c->read && memcmp(&now, &c->stamp, sizeof(now)) == 0)
		return;
	json_decref(c->manifest);
	rc = manifest_load(manifest, &c->manifest, &e);
	if (c->manifest != NULL)
		package_path(c, path);
	stamp_now(c, manifest, &c->stamp); /* before it is read: a change during that is seen the next time */
	if (rc == RC_OK)
		rc = package_check(path, c->manifest, c->sha256, &c->size, &e);
	c->read = true;
	c->good = rc == RC_OK;
	if (rc != RC_OK && c->stamp.s[0] != -1)
		log_warn("client-package", "file=%s text=no client is announced: %s", manifest, e.text);
	else if (rc == RC_OK)
		log_info("client-package", "file=%s version=%s size=%lld", manifest, text(c->manifest, "version"), (long long)c->size);
}

enum rc
service_package_get(struct service_client *c, struct arena *a, struct service_package *out, struct err *e)
{
	enum rc rc = RC_OK;

	memset(out, 0, sizeof(*out));
	if (c == NULL || c->o.package_dir[0] == '\0')
		return err_set(e, RC_NOTFOUND, "no client is announced here");
	(void)pthread_mutex_lock(&c->lock);
	refresh_locked(c);
	if (!c->good) {
		rc = err_set(e, RC_NOTFOUND, "no client is announced here");
	} else {
		out->name = arena_strdup(a, text(c->manifest, "name"));
		out->version = arena_strdup(a, text(c->manifest, "version"));
		out->minimum = arena_strdup(a, text(c->manifest, "minimum"));
		out->file = arena_strdup(a, text(c->manifest, "file"));
		out->signature = arena_strdup(a, text(c->manifest, "signature"));
		out->notes = arena_strdup(a, text(c->manifest, "notes"));
		memcpy(out->sha256, c->sha256, sizeof(out->sha256));
		out->size = c->size;
		if (out->name == NULL || out->version == NULL || out->minimum == NULL || out->file == NULL || out->signature == NULL || out->notes == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory");
	}
	(void)pthread_mutex_unlock(&c->lock);
	return rc;
}

/* The path of the package of VERSION, as it was compared. */
static enum rc
package_of(struct service_client *c, const char *version, char path[PATH_SIZE], int64_t *size, struct err *e)
{
	enum rc rc = RC_OK;

	(void)pthread_mutex_lock(&c->lock);
	refresh_locked(c);
	if (!c->good || strcmp(text(c->manifest, "version"), version) != 0)
		rc = err_set_path(e, RC_NOTFOUND, "version", "is not announced any more; ask getClientVersion");
	else
		package_path(c, path);
	*size = c->size;
	(void)pthread_mutex_unlock(&c->lock);
	return rc;
}

enum rc
service_package_read(struct service_client *c, const char *version, int64_t offset, struct buf *out, struct err *e)
{
	char path[PATH_SIZE], *p;
	int64_t size;
	ssize_t n;
	int fd;
	enum rc rc;

	if (c == NULL || c->o.package_dir[0] == '\0')
		return err_set(e, RC_NOTFOUND, "no client is announced here");
	rc = package_of(c, version, path, &size, e);
	if (rc != RC_OK)
		return rc;
	if (offset > size)
		return err_set_path(e, RC_PROTO, "offset", "is beyond the end: the package has %lld octets", (long long)size);
	p = mem_alloc(SERVICE_PIECE);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	n = p != NULL && fd >= 0 ? pread(fd, p, SERVICE_PIECE, (off_t)offset) : -1;
	if (n < 0)
		rc = err_set(e, RC_BUSY, "the package cannot be read just now; try again later");
	else
		buf_add(out, p, (size_t)n);
	if (fd >= 0)
		(void)close(fd);
	mem_free(p);
	return rc == RC_OK && out->failed ? err_set(e, RC_NOMEM, "out of memory") : rc;
}
