/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What clients hand in for the administrator: diagnostics, a comment.  Two files each, mode 0600: ID.data as it came, and ID.json, the record, which is
 * written last: without it there is nothing.  The id begins with the time and a hash of the device, so that limits and expiry need no record.
 */
#include "service/client_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD ".json"
#define DATA ".data"
#define RECORD_MAX ((size_t)64 * 1024)
#define HALF_DONE_MS (INT64_C(60) * 60 * 1000) /* data without a record is what a crash left, after so long */
#define PATH_SIZE 1200

static bool
is_id(const char *s, size_t n)
{
	return n > 14 && n < SERVICE_FEEDBACK_ID && strspn(s, "0123456789abcdef-") >= n && s[13] == '-';
}

bool
service_feedback_path(const char *dir, const char *id, char *path, size_t size)
{
	if (!is_id(id, strlen(id)))
		return false;
	return (size_t)snprintf(path, size, "%s/%s" DATA, dir, id) < size;
}

static void
file_path(const char *dir, const char *id, const char *ending, char path[PATH_SIZE])
{
	(void)snprintf(path, PATH_SIZE, "%.900s/%.60s%s", dir, id, ending);
}

/* ---- what is there ---- */

struct census {
	uint64_t octets;
	unsigned of_device;
};

/* Is NAME one of ours, and its id *N long? */
static bool
our_file(const char *name, size_t *n, bool *record)
{
	const char *dot = strchr(name, '.');

	if (dot == NULL || !is_id(name, (size_t)(dot - name)))
		return false;
	*n = (size_t)(dot - name);
	*record = strcmp(dot, RECORD) == 0;
	return *record || strcmp(dot, DATA) == 0;
}

static bool
has_record(int dir, const char *name, size_t n)
{
	char record[SERVICE_FEEDBACK_ID + 8];
	struct stat st;

	(void)snprintf(record, sizeof(record), "%.*s" RECORD, (int)n, name);
	return fstatat(dir, record, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What has expired goes; the rest is counted.  DEVICE: its hash, as it stands in ids. */
static bool
sweep(const char *path, msec_t keep_ms, const char *device, struct census *c)
{
	DIR *d = opendir(path);
	const struct dirent *f;
	msec_t now = now_ms();

	memset(c, 0, sizeof(*c));
	if (d == NULL)
		return false;
	while ((f = readdir(d)) != NULL) {
		struct stat st;
		bool record;
		size_t n;
		msec_t made;

		if (!our_file(f->d_name, &n, &record))
			continue;
		made = (msec_t)strtoll(f->d_name, NULL, 10);
		if (made + keep_ms <= now || (!record && made + HALF_DONE_MS <= now && !has_record(dirfd(d), f->d_name, n))) {
			(void)unlinkat(dirfd(d), f->d_name, 0);
			continue;
		}
		if (fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			c->octets += (uint64_t)st.st_size;
		c->of_device += record && device != NULL && strncmp(f->d_name + 14, device, strlen(device)) == 0;
	}
	(void)closedir(d);
	return true;
}

void
service_feedback_care(struct service_client *c)
{
	struct census unused;

	if (c == NULL || c->o.feedback_dir[0] == '\0')
		return;
	(void)pthread_mutex_lock(&c->lock);
	(void)sweep(c->o.feedback_dir, c->o.feedback_keep_ms, NULL, &unused);
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- taking one ---- */

static bool
write_file(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	const char *at = p;
	bool ok = fd >= 0;

	while (ok && n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		ok = done > 0;
		at += ok ? done : 0;
		n -= ok ? (size_t)done : 0;
	}
	ok = ok && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	return ok;
}

static void
device_hash(const struct engine_session *s, char out[9])
{
	const struct ox_user *u = ox_session_user(engine_session_ox(s));
	unsigned char digest[32];
	char text[160];

	(void)snprintf(text, sizeof(text), "%" PRId64 "/%" PRId64 "/%s", u->context_id, u->user_id, engine_session_device(s));
	sha256(text, strlen(text), digest);
	hex_encode(digest, 4, out);
}

static bool
record_text(const struct engine_session *s, const struct service_feedback *in, const char *id, msec_t now, size_t n, struct buf *b)
{
	const struct ox_user *u = ox_session_user(engine_session_ox(s));
	json_t *o = json_pack("{s:s,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:I}", "id", id, "time", (json_int_t)now, "context", (json_int_t)u->context_id, "user",
	    (json_int_t)u->user_id, "login", ox_session_name(engine_session_ox(s)), "device", engine_session_device(s), "version", in->version, "type", in->type,
	    "comment", in->comment, "size", (json_int_t)n);

	if (o == NULL)
		return false;
	json_text(b, o);
	buf_addc(b, '\n');
	json_decref(o);
	return !b->failed;
}

/* Data, then record; all or nothing. */
static enum rc
store(struct service_client *c, const char *id, const void *data, size_t n, const struct buf *record, struct err *e)
{
	char path[2][PATH_SIZE];
	int why;

	file_path(c->o.feedback_dir, id, DATA, path[0]);
	file_path(c->o.feedback_dir, id, RECORD, path[1]);
	if (write_file(path[0], data, n) && write_file(path[1], record->p, record->len))
		return RC_OK;
	why = errno;
	(void)unlink(path[1]);
	(void)unlink(path[0]);
	log_error("feedback", "dir=%s text=cannot be written: %s", c->o.feedback_dir, strerror(why));
	return err_set(e, RC_BUSY, "It cannot be kept just now, the server's disk does not take it; try again later");
}

static enum rc
room(struct service_client *c, const char *device, size_t n, struct err *e)
{
	struct census now;

	if (mkdir(c->o.feedback_dir, 0700) != 0 && errno != EEXIST) {
		log_error("feedback", "dir=%s text=cannot be made: %s", c->o.feedback_dir, strerror(errno));
		return err_set(e, RC_BUSY, "It cannot be kept just now, the server's disk does not take it; try again later");
	}
	if (!sweep(c->o.feedback_dir, c->o.feedback_keep_ms, device, &now))
		return err_set(e, RC_BUSY, "It cannot be kept just now, the server's disk does not take it; try again later");
	if (now.of_device >= c->o.feedback_per_device)
		return err_set(e, RC_LIMIT, "This device has handed in %u already, which the administrator keeps; more is not taken from it for now", now.of_device);
	if (now.octets + n > c->o.feedback_budget)
		return err_set(e, RC_LIMIT, "The room for what is handed in is used up; ask the administrator");
	return RC_OK;
}

enum rc
service_feedback_put(struct service_client *c, const struct engine_session *s, const struct service_feedback *in, const void *data, size_t n,
    char id[SERVICE_FEEDBACK_ID], struct err *e)
{
	unsigned char random[4];
	char device[9], unique[9];
	msec_t now = now_ms();
	struct buf record;
	enum rc rc;

	if (c == NULL || c->o.feedback_dir[0] == '\0') {
		rc = err_set(e, RC_UPSTREAM, "This server takes no feedback; send it to the administrator by mail");
		(void)snprintf(e->code, sizeof(e->code), "%s", SERVICE_ABSENT);
		return rc;
	}
	if (n > c->o.feedback_max) {
		rc = err_set_path(e, RC_LIMIT, "data", "has %zu octets, %zu are possible", n, c->o.feedback_max);
		err_set_length(e, (int64_t)n, (int64_t)c->o.feedback_max);
		return rc;
	}
	device_hash(s, device);
	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), unique);
	(void)snprintf(id, SERVICE_FEEDBACK_ID, "%013" PRId64 "-%s-%s", now, device, unique);
	buf_init(&record, RECORD_MAX);
	rc = record_text(s, in, id, now, n, &record) ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
	(void)pthread_mutex_lock(&c->lock);
	if (rc == RC_OK)
		rc = room(c, device, n + record.len, e);
	if (rc == RC_OK)
		rc = store(c, id, data, n, &record, e);
	(void)pthread_mutex_unlock(&c->lock);
	buf_fini(&record);
	if (rc == RC_OK)
		log_info("feedback", "id=%s bytes=%zu", id, n);
	return rc;
}

/* ---- for the administrator ---- */

static const char *
text_in(struct arena *a, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? arena_strdup(a, s) : "";
}

static bool
record_read(const char *path, struct arena *a, struct service_feedback *f)
{
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	const char *id = json_string_value(json_object_get(o, "id"));
	bool ok = id != NULL && is_id(id, strlen(id));

	if (ok) {
		memset(f, 0, sizeof(*f));
		(void)snprintf(f->id, sizeof(f->id), "%s", id);
		f->time = json_integer_value(json_object_get(o, "time"));
		f->context = json_integer_value(json_object_get(o, "context"));
		f->user = json_integer_value(json_object_get(o, "user"));
		f->size = json_integer_value(json_object_get(o, "size"));
		f->login = text_in(a, o, "login");
		f->device = text_in(a, o, "device");
		f->version = text_in(a, o, "version");
		f->type = text_in(a, o, "type");
		f->comment = text_in(a, o, "comment");
		ok = f->login != NULL && f->device != NULL && f->version != NULL && f->type != NULL && f->comment != NULL;
	}
	json_decref(o);
	return ok;
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct service_feedback *)a)->id, ((const struct service_feedback *)b)->id);
}

enum rc
service_feedback_list(const char *dir, struct arena *a, struct service_feedback **out, size_t *n, struct err *e)
{
	DIR *d = opendir(dir);
	const struct dirent *f;
	size_t max = 0, len;
	bool record;
	char path[PATH_SIZE];

	*n = 0;
	if (d == NULL)
		return err_set(e, RC_NOTFOUND, "%s cannot be read: %s", dir, strerror(errno));
	while ((f = readdir(d)) != NULL)
		max += our_file(f->d_name, &len, &record) && record;
	rewinddir(d);
	*out = arena_array(a, struct service_feedback, max + 1);
	while (*out != NULL && (f = readdir(d)) != NULL && *n < max)
		if (our_file(f->d_name, &len, &record) && record) {
			(void)snprintf(path, sizeof(path), "%.900s/%.250s", dir, f->d_name);
			*n += record_read(path, a, &(*out)[*n]);
		}
	(void)closedir(d);
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	qsort(*out, *n, sizeof(**out), by_id);
	return RC_OK;
}

enum rc
service_feedback_delete(const char *dir, const char *id, struct err *e)
{
	char path[PATH_SIZE];

	if (!is_id(id, strlen(id)))
		return err_set(e, RC_NOTFOUND, "\"%.60s\" is no id; usmctl feedback list shows them", id);
	file_path(dir, id, RECORD, path);
	if (unlink(path) != 0)
		return err_set(e, RC_NOTFOUND, "there is no %s: %s", id, strerror(errno));
	file_path(dir, id, DATA, path);
	return unlink(path) == 0 || errno == ENOENT ? RC_OK : err_set(e, RC_INTERNAL, "%s: %s", path, strerror(errno));
}
