/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl trace: orders of traces to the usmd of this node, through its trace_dir; who may write there may order. */
#include "daemon/admin_int.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


static enum rc
period_parse(const char *text, msec_t *out, struct err *e)
{
	static const struct { char unit; msec_t ms; } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 } };
	size_t n = strspn(text, "0123456789");
	char number[8];
	int64_t v;

	if (n > 0 && n < sizeof(number) && strlen(text) == n + 1) {
		(void)snprintf(number, sizeof(number), "%.*s", (int)n, text);
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (units[i].unit == text[n] && parse_i64(number, 1, TRACE_LONGEST_MS / units[i].ms, &v)) {
				*out = v * units[i].ms;
				return RC_OK;
			}
	}
	return err_set(e, RC_PROTO, "--for %.20s: say how long, 24h at most, such as 10m", text);
}

static enum rc
trace_list(const struct admin *x, struct err *e)
{
	DIR *d = opendir(x->c->trace_dir);
	const struct dirent *f;
	char path[600];
	struct stat st;
	struct buf b;
	size_t n = 0;

	if (d == NULL)
		return err_set(e, RC_NOTFOUND, "%s (trace_dir): %s", x->c->trace_dir, strerror(errno));
	buf_init(&b, 0);
	while ((f = readdir(d)) != NULL) {
		size_t len = strlen(f->d_name);
		bool on = len > 3 && strcmp(f->d_name + len - 3, ".on") == 0;

		(void)snprintf(path, sizeof(path), "%s/%s", x->c->trace_dir, f->d_name);
		if (!on && (len <= 6 || strcmp(f->d_name + len - 6, ".trace") != 0 || stat(path, &st) != 0))
			continue;
		if (x->json) {
			buf_adds(&b, n == 0 ? "[{\"file\":" : ",\n{\"file\":");
			json_text_string(&b, path, strlen(path));
			buf_addf(&b, ",\"device\":%.*s,\"being_written\":%s,\"octets\":%" PRId64 "}", (int)strspn(f->d_name, "0123456789"), f->d_name, on ? "true" : "false",
			    on ? 0 : (int64_t)st.st_size);
		} else if (on) {
			buf_addf(&b, "%s  (being written: device %.*s)\n", path, (int)(len - 3), f->d_name);
		} else {
			buf_addf(&b, "%s  %" PRId64 " octets\n", path, (int64_t)st.st_size);
		}
		n++;
	}
	(void)closedir(d);
	if (x->json)
		buf_adds(&b, n > 0 ? "]\n" : "[]\n");
	else if (n == 0)
		buf_adds(&b, "There are no traces at this node.\n");
	return admin_put(&b, e);
}

struct trace_change {
	const struct admin *x;
	struct trace_order order;
	bool trial;
};

/* The order is a file; its record goes into the database only if it was written. */
static enum rc
switch_on(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	const struct trace_change *t = arg;

	(void)c;
	*n = 1;
	return t->trial ? RC_OK : trace_order_write(t->x->c->trace_dir, &t->order, e);
}

static enum rc
switch_off(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	const struct trace_change *t = arg;

	(void)c;
	*n = 1;
	if (t->trial ? trace_ordered(t->x->c->trace_dir, t->order.device) : trace_order_drop(t->x->c->trace_dir, t->order.device))
		return RC_OK;
	return err_set(e, RC_NOTFOUND, "this device is not traced at this node");
}

static enum rc
trace_switch(struct admin *x, struct err *e)
{
	struct trace_change t = { .x = x, .trial = x->dry_run, .order = { .began = now_ms(), .device = x->device_id, .plain = x->plain, .by_uid = (int64_t)getuid() } };
	msec_t ms = 0;
	size_t n = 0;
	enum rc rc = x->off ? RC_OK : period_parse(x->period, &ms, e);

	t.order.until = t.order.began + ms;
	t.order.sides = x->side == NULL || strcmp(x->side, "both") == 0 ? TRACE_CLIENT | TRACE_OX : strcmp(x->side, "client") == 0 ? TRACE_CLIENT : TRACE_OX;
	random_bytes(t.order.key, sizeof(t.order.key));
	if (rc == RC_OK && x->plain && !x->c->trace_plain)
		rc = err_set(e, RC_FORBIDDEN, "--plain: values as they are have to be allowed first, by trace_plain = yes and a restart");
	x->command = x->off ? "trace off" : x->plain ? "trace on plain" : "trace on";
	admin_about(x, "for", x->period);
	if (rc == RC_OK)
		rc = admin_change(x, x->off ? switch_off : switch_on, &t, &n, e);
	secret_wipe(t.order.key, sizeof(t.order.key));
	if (rc != RC_OK)
		return rc;
	if (!x->dry_run)
		log_warn("trace-ordered", "device=%" PRId64 " name=%s seconds=%" PRId64 " plain=%d by_uid=%ld", x->device_id, x->device, ms / 1000, x->plain, (long)getuid());
	if (x->json || x->dry_run)
		admin_done(x, n, x->off ? "traces end" : "traces begin");
	else if (!x->off)
		(void)printf("%s/%" PRId64 "-%" PRId64 ".trace will hold what this node hears until the time is over.\n", x->c->trace_dir, x->device_id, t.order.began);
	return RC_OK;
}

int
run_trace(struct admin *x)
{
	struct err e = { .rc = RC_OK };
	enum rc rc;
	int code;

	if ((!x->list && (x->device == NULL || x->off == (x->period != NULL))) ||
	    (x->side != NULL && strcmp(x->side, "client") != 0 && strcmp(x->side, "ox") != 0 && strcmp(x->side, "both") != 0))
		return admin_usage(x);
	code = admin_begin(x->list ? 0 : NEED_STORE, x);
	if (code >= 0)
		return code;
	if (x->c->trace_dir[0] == '\0')
		rc = err_set(&e, RC_NOTFOUND, "trace_dir is empty: there are no traces");
	else
		rc = x->list ? trace_list(x, &e) : trace_switch(x, &e);
	return admin_end(x, rc, &e);
}
