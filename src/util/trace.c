/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Traces of what single devices say and hear, and of what OX is asked for them.  A trace is switched on by a file NUMBER.on in the trace folder, which
 * names its end, sides and key (trace_order); it ends by itself, and what it has written goes after a while, too.  A record is two lines: head and body.
 */
#include "util/trace_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACES 16U        /* at once */
#define ORDER_SIZE 400U
#define BODY_MAX ((size_t)8 * 1024 * 1024)

struct trace {
	struct trace_order order;
	int fd;               /* -1 = free */
	int64_t size;
	struct redact redact;
	bool seen;            /* its order is still there */
};

static struct trace traces[TRACES];
static atomic_uint running;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *folder;
static int64_t max_bytes;
static msec_t keep_ms;
static bool may_be_plain;

void
trace_setup(const struct trace_options *o)
{
	mem_free(folder);
	folder = o->dir[0] != '\0' ? mem_dup_str(o->dir) : NULL;
	max_bytes = o->max_bytes;
	keep_ms = o->keep_ms;
	may_be_plain = o->plain;
	for (size_t i = 0; i < TRACES; i++)
		if (atomic_load(&running) == 0)
			traces[i].fd = -1;
}

static void
path_of(char *out, size_t size, const char *dir, const struct trace_order *o, bool order)
{
	if (order)
		(void)snprintf(out, size, "%s/%" PRId64 ".on", dir, o->device);
	else
		(void)snprintf(out, size, "%s/%" PRId64 "-%" PRId64 ".trace", dir, o->device, o->began);
}

/* ---- orders ---- */

enum rc
trace_order_write(const char *dir, const struct trace_order *o, struct err *e)
{
	char path[300], tmp[310], text[ORDER_SIZE], key[33];
	struct stat st;
	int fd, n;

	path_of(path, sizeof(path), dir, o, true);
	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	hex_encode(o->key, sizeof(o->key), key);
	n = snprintf(text, sizeof(text), "began=%" PRId64 "\nuntil=%" PRId64 "\nsides=%u\nplain=%d\nby=%" PRId64 "\nkey=%s\n", o->began, o->until, o->sides,
	    o->plain, o->by_uid, key);
	if (stat(dir, &st) != 0)
		return err_set(e, RC_NOTFOUND, "%s (trace_dir) cannot be used: %s", dir, strerror(errno));
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	/* the daemon's user owns the folder; root, who may write into it, gives him the order */
	if (fd >= 0 && (write(fd, text, (size_t)n) != n || (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) != 0) || rename(tmp, path) != 0)) {
		(void)close(fd);
		(void)unlink(tmp);
		fd = -1;
	}
	secret_wipe(text, sizeof(text));
	if (fd < 0)
		return err_set(e, RC_INTERNAL, "%s cannot be written: %s; be root or the user of usmd", path, strerror(errno));
	(void)close(fd);
	return RC_OK;
}

bool
trace_ordered(const char *dir, int64_t device)
{
	const struct trace_order o = { .device = device };
	char path[300];

	path_of(path, sizeof(path), dir, &o, true);
	return access(path, F_OK) == 0;
}

bool
trace_order_drop(const char *dir, int64_t device)
{
	struct trace_order o = { .device = device };
	char path[300];

	path_of(path, sizeof(path), dir, &o, true);
	return unlink(path) == 0;
}

static bool
value_of(const char *text, const char *name, int64_t max, int64_t *out)
{
	const char *at = strstr(text, name);
	char number[24];
	size_t n;

	if (at == NULL)
		return false;
	at += strlen(name);
	n = strcspn(at, "\n");
	if (n >= sizeof(number))
		return false;
	memcpy(number, at, n);
	number[n] = '\0';
	return parse_i64(number, 0, max, out);
}

/* Written by this user or root, and by nobody else to be read: what another one put there is no order. */
static bool
order_read(const char *dir, int64_t device, struct trace_order *o)
{
	char path[300], text[ORDER_SIZE], hex[33] = "";
	int64_t sides = 0, plain = 0;
	struct stat st;
	const char *key;
	ssize_t n = -1;
	int fd;

	*o = (struct trace_order){ .device = device };
	path_of(path, sizeof(path), dir, o, true);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 && (st.st_uid == geteuid() || st.st_uid == 0))
		n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	key = strstr(text, "key=");
	if (key == NULL || strlen(key) < 4 + 32)
		return false;
	memcpy(hex, key + 4, 32);
	if (!hex_decode(hex, o->key, sizeof(o->key)) || !value_of(text, "began=", INT64_MAX, &o->began) || !value_of(text, "until=", INT64_MAX, &o->until) ||
	    !value_of(text, "sides=", 3, &sides) || !value_of(text, "plain=", 1, &plain) || !value_of(text, "by=", INT64_MAX, &o->by_uid))
		return false;
	o->sides = (unsigned)sides;
	o->plain = plain != 0;
	secret_wipe(text, sizeof(text));
	return true;
}

/* ---- begin and end ---- */

static void
put_locked(struct trace *t, const struct buf *b)
{
	if (b->failed || write(t->fd, b->p, b->len) != (ssize_t)b->len)
		t->order.until = 0; /* a full disk ends it at the next look */
	t->size += (int64_t)b->len;
}

static void
end_locked(struct trace *t, const char *why, bool drop)
{
	struct buf b;

	buf_init(&b, 200);
	buf_addf(&b, "= end %s\n\n", why);
	put_locked(t, &b);
	buf_fini(&b);
	(void)close(t->fd);
	t->fd = -1;
	if (drop)
		(void)trace_order_drop(folder, t->order.device);
	log_info("trace-off", "device=%" PRId64 " octets=%" PRId64 " reason=%s", t->order.device, t->size, why);
	secret_wipe(&t->redact, sizeof(t->redact));
	secret_wipe(&t->order, sizeof(t->order));
	atomic_fetch_sub(&running, 1);
}

static void
begin_locked(struct trace *t, const struct trace_order *o)
{
	char path[300];
	struct stat st;
	struct buf b;

	path_of(path, sizeof(path), folder, o, false);
	t->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0 || fstat(t->fd, &st) != 0) {
		log_error("trace", "file=%s text=cannot be written: %s", path, strerror(errno));
		if (t->fd >= 0)
			(void)close(t->fd);
		t->fd = -1;
		(void)trace_order_drop(folder, o->device);
		return;
	}
	t->order = *o;
	t->size = st.st_size;
	memcpy(t->redact.key, o->key, sizeof(t->redact.key));
	t->redact.plain = o->plain && may_be_plain;
	buf_init(&b, 300);
	buf_addf(&b, "= usmd-trace 1 device=%" PRId64 " began=%" PRId64 " values=%s version=" USMD_VERSION "\n\n", o->device, o->began,
	    t->redact.plain ? "plain" : "replaced");
	put_locked(t, &b);
	buf_fini(&b);
	log_warn("trace-on", "device=%" PRId64 " seconds=%" PRId64 " sides=%s values=%s by_uid=%" PRId64 " file=%s", o->device, (o->until - now_ms()) / 1000,
	    o->sides == TRACE_CLIENT ? "client" : o->sides == TRACE_OX ? "ox" : "both", t->redact.plain ? "plain" : "replaced", o->by_uid, path);
	atomic_fetch_add(&running, 1);
}

static struct trace *
find_locked(int64_t device)
{
	for (size_t i = 0; i < TRACES; i++)
		if (traces[i].fd >= 0 && traces[i].order.device == device)
			return &traces[i];
	return NULL;
}

static struct trace *
free_locked(void)
{
	for (size_t i = 0; i < TRACES; i++)
		if (traces[i].fd < 0)
			return &traces[i];
	return NULL;
}

static void
look_at_order_locked(int64_t device)
{
	struct trace *t = find_locked(device);
	struct trace_order o;

	if (!order_read(folder, device, &o))
		return;
	if (t != NULL && t->order.began != o.began) {
		end_locked(t, "replaced", false);
		t = NULL;
	}
	if (t == NULL && o.until <= now_ms())
		(void)trace_order_drop(folder, device); /* of a time in which nobody ran */
	else if (t == NULL && (t = free_locked()) != NULL)
		begin_locked(t, &o);
	if (t != NULL)
		t->seen = true;
	secret_wipe(&o, sizeof(o));
}

static void
look_at(const char *name)
{
	char number[24], path[300];
	size_t n = strspn(name, "0123456789");
	int64_t device;
	struct stat st;

	if (n == 0 || n >= sizeof(number))
		return;
	memcpy(number, name, n);
	number[n] = '\0';
	(void)snprintf(path, sizeof(path), "%s/%.60s", folder, name);
	if (strcmp(name + n, ".on") == 0 && parse_i64(number, 1, INT64_MAX, &device))
		look_at_order_locked(device);
	else if (strlen(name) < 60 && strcmp(name + strlen(name) - 6, ".trace") == 0 && stat(path, &st) == 0 &&
	    now_ms() - (msec_t)st.st_mtim.tv_sec * 1000 > keep_ms)
		(void)unlink(path);
}

void
trace_look(void)
{
	DIR *d = folder != NULL ? opendir(folder) : NULL;
	struct dirent *x;

	if (d == NULL)
		return;
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < TRACES; i++)
		traces[i].seen = false;
	while ((x = readdir(d)) != NULL)
		if (strlen(x->d_name) > 3)
			look_at(x->d_name);
	for (size_t i = 0; i < TRACES; i++)
		if (traces[i].fd >= 0) {
			if (traces[i].size >= max_bytes)
				end_locked(&traces[i], "size", true);
			else if (traces[i].order.until <= now_ms())
				end_locked(&traces[i], "time", true);
			else if (!traces[i].seen)
				end_locked(&traces[i], "off", true);
		}
	(void)pthread_mutex_unlock(&lock);
	(void)closedir(d);
}

/* ---- records ---- */

bool
trace_wanted(int64_t device, enum trace_side side)
{
	struct trace *t;
	bool yes;

	if (device == 0 || atomic_load_explicit(&running, memory_order_relaxed) == 0)
		return false;
	(void)pthread_mutex_lock(&lock);
	t = find_locked(device);
	yes = t != NULL && (t->order.sides & (unsigned)side) != 0 && t->order.until > now_ms() && t->size < max_bytes;
	(void)pthread_mutex_unlock(&lock);
	return yes;
}

static void
add_body(const struct redact *r, const char *body, size_t n, struct buf *b)
{
	size_t skip = 0;

	while (skip < n && strchr(" \t\r\n", body[skip]) != NULL)
		skip++;
	if (n == 0)
		buf_adds(b, "-");
	else if (skip < n && (body[skip] == '{' || body[skip] == '['))
		redact_json(r, body + skip, n - skip, b);
	else
		buf_addf(b, "octets %zu", n);
	buf_addc(b, '\n');
}

void
trace_record(int64_t device, const struct trace_record *x)
{
	struct redact r = { .plain = false };
	struct trace *t;
	struct buf b;
	msec_t began = 0;

	(void)pthread_mutex_lock(&lock);
	t = find_locked(device);
	if (t != NULL) {
		r = t->redact;
		began = t->order.began;
	}
	(void)pthread_mutex_unlock(&lock);
	if (t == NULL)
		return;
	buf_init(&b, BODY_MAX * 2);
	buf_addf(&b, "%c %s %" PRId64 ".%03d req=%" PRIu64 " ", x->answer ? '<' : '>', x->side == TRACE_OX ? "ox" : "client", (x->at - began) / 1000,
	    (int)((x->at - began) % 1000), log_ctx()->req);
	if (x->answer)
		buf_addf(&b, "%d", x->status);
	else
		buf_addf(&b, "%s ", x->method);
	if (!x->answer)
		redact_query(&r, x->what, &b);
	buf_addc(&b, '\n');
	if (x->len <= BODY_MAX)
		add_body(&r, x->body, x->len, &b);
	else
		buf_addf(&b, "octets %zu\n", x->len);
	(void)pthread_mutex_lock(&lock);
	t = find_locked(device);
	if (t != NULL && t->size < max_bytes)
		put_locked(t, &b);
	(void)pthread_mutex_unlock(&lock);
	buf_fini(&b);
	secret_wipe(&r, sizeof(r));
}

void
trace_stop(void)
{
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < TRACES && atomic_load(&running) > 0; i++)
		if (traces[i].fd >= 0) {
			(void)close(traces[i].fd); /* its order stays: the next start goes on */
			traces[i].fd = -1;
			atomic_fetch_sub(&running, 1);
		}
	mem_free(folder);
	folder = NULL;
	(void)pthread_mutex_unlock(&lock);
}
