/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libmicrohttpd adapter: collects a request, runs it, sends the answer.
 * One epoll thread does all the work; a second thread only wakes connections
 * that a fault rule delayed.
 */
#define _GNU_SOURCE /* memmem */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "oxsim/sim.h"

#define MAX_BODY (512u << 20)

struct conn {
	struct MHD_Connection *mc;
	char *method;
	char *url;
	struct sb body;
	bool delayed, executed;
	int64_t due;			/* monotonic ms */
	struct conn *next;
};

static struct conn *delayed;
static pthread_mutex_t delay_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t delay_cond = PTHREAD_COND_INITIALIZER;
static bool stopping;

static int64_t
mono_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void *
delay_main(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&delay_lock);
	while (!stopping) {
		struct conn **pp = &delayed;
		int64_t now = mono_ms(), wait = 60000;
		struct timespec ts;

		while (*pp != NULL) {
			struct conn *c = *pp;

			if (c->due <= now) {
				*pp = c->next;
				MHD_resume_connection(c->mc);
				continue;
			}
			if (c->due - now < wait)
				wait = c->due - now;
			pp = &c->next;
		}
		(void)clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_sec += (time_t)(wait / 1000);
		ts.tv_nsec += (long)(wait % 1000) * 1000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_sec++;
			ts.tv_nsec -= 1000000000;
		}
		(void)pthread_cond_timedwait(&delay_cond, &delay_lock, &ts);
	}
	while (delayed != NULL) {
		MHD_resume_connection(delayed->mc);
		delayed = delayed->next;
	}
	pthread_mutex_unlock(&delay_lock);
	return NULL;
}

static void
delay(struct conn *c, int ms)
{
	c->delayed = true;
	c->due = mono_ms() + ms;
	MHD_suspend_connection(c->mc);
	pthread_mutex_lock(&delay_lock);
	c->next = delayed;
	delayed = c;
	pthread_cond_signal(&delay_cond);
	pthread_mutex_unlock(&delay_lock);
}

static enum MHD_Result
take_arg(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	add_arg(cls, key, value);
	return MHD_YES;
}

static void
one_part(struct req *r, const char *p, const char *end)
{
	const char *head_end = NULL, *q;
	struct part *pt;
	gchar *head, **lines, **l;

	for (q = p; q + 4 <= end; q++)
		if (memcmp(q, "\r\n\r\n", 4) == 0) {
			head_end = q;
			break;
		}
	if (head_end == NULL)
		return;
	r->part = xrealloc(r->part, sizeof(*r->part) * (r->npart + 1));
	pt = &r->part[r->npart++];
	memset(pt, 0, sizeof(*pt));
	pt->p = head_end + 4;
	pt->n = (size_t)(end - pt->p);
	head = g_strndup(p, (gsize)(head_end - p));
	lines = g_strsplit(head, "\r\n", -1);
	for (l = lines; *l != NULL; l++) {
		const char *n;

		if (g_ascii_strncasecmp(*l, "Content-Type:", 13) == 0)
			pt->type = xstrdup(g_strstrip(*l + 13));
		if (g_ascii_strncasecmp(*l, "Content-Disposition:", 20) != 0)
			continue;
		if ((n = strstr(*l, " name=\"")) != NULL)
			pt->name = xmemdup0(n + 7, strcspn(n + 7, "\""));
		if ((n = strstr(*l, "filename=\"")) != NULL)
			pt->filename = xmemdup0(n + 10, strcspn(n + 10, "\""));
	}
	g_strfreev(lines);
	g_free(head);
	if (pt->name == NULL)
		pt->name = xstrdup("");
}

static void
split_multipart(struct req *r)
{
	const char *b = r->ctype_in ? strstr(r->ctype_in, "boundary=") : NULL;
	const char *p = r->body, *end = r->body + r->blen, *next;
	char *delim;
	size_t n;

	if (b == NULL || strncmp(r->ctype_in, "multipart/form-data", 19) != 0)
		return;
	b += 9;
	if (*b == '"')
		delim = xprintf("--%.*s", (int)strcspn(b + 1, "\""), b + 1);
	else
		delim = xprintf("--%.*s", (int)strcspn(b, "; "), b);
	n = strlen(delim);
	p = memmem(p, r->blen, delim, n);
	while (p != NULL) {
		p += n;
		if (p + 2 > end || (p[0] == '-' && p[1] == '-'))
			break;
		p += 2;
		next = memmem(p, (size_t)(end - p), delim, n);
		if (next == NULL)
			break;
		one_part(r, p, next - 2 >= p ? next - 2 : p);
		p = next;
	}
	free(delim);
}

static void
html_page(struct req *r, int status, const char *text)
{
	r->kind = RK_RAW;
	r->status = status;
	r->ctype = "text/html;charset=UTF-8";
	r->out->len = 0;
	sb_printf(r->out, "<!DOCTYPE html><html><head><title>%d</title></head><body>%s</body></html>",
	    status, text);
}

/* true: over the limit */
static bool
rate_limited(struct req *r)
{
	struct win { int64_t from; int n; } *w;
	char *key;
	int64_t now;

	if (S.rate_max <= 0 || (r->ua != NULL &&
	    strncmp(r->ua, "Open-Xchange USM HTTP Client", 28) == 0))
		return false;
	now = sim_now();
	key = xprintf("%s %s", r->xff ? r->xff : r->peer, r->ua ? r->ua : "");
	w = g_hash_table_lookup(S.rate, key);
	if (w == NULL) {
		w = xcalloc(1, sizeof(*w));
		w->from = now;
		g_hash_table_insert(S.rate, key, w);
	} else {
		free(key);
	}
	if (now - w->from > S.rate_window) {
		w->from = now;
		w->n = 0;
	}
	return ++w->n > S.rate_max;
}

/* uploads answer with a page whose script hands the envelope to a callback */
static void
html_callback(struct req *r, bool upload)
{
	/* imports share one callback, whatever their action is called */
	const char *name = strcmp(r->module, "import") == 0 ? "import" : r->action ? r->action : "";
	struct sb page = { 0 };

	if (!upload || arg_true(r, "plainJson") ||
	    (arg_true(r, "force_json_response") && !r->failed))
		return;
	sb_printf(&page, "<!DOCTYPE html><html><head><META http-equiv=\"Content-Type\" content=\"text/html; "
	    "charset=UTF-8\"><script type=\"text/javascript\">(parent[\"callback_%s\"] || window.opener "
	    "&& window.opener[\"callback_%s\"])(", name, name);
	sb_put(&page, r->out->p, r->out->len);
	sb_str(&page, ")</script></head></html>");
	sb_free(r->out);
	*r->out = page;
	r->ctype = "text/html;charset=UTF-8";
	add_header(r, "Content-Disposition", "inline");
}

/* splits the path into module and rest */
static bool
route(struct req *r, const char *url)
{
	char *slash;

	if (strncmp(url, "/ajax/", 6) != 0 || url[6] == '\0')
		return false;
	(void)snprintf(r->path, sizeof(r->path), "%s", url + 6);
	r->rest = "";
	(void)snprintf(r->module, sizeof(r->module), "%s", r->path);
	if (module_known(r->module))
		return true;
	slash = strchr(r->module, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	r->rest = r->path + (slash - r->module) + 1;
	return module_known(r->module) &&
	    (strcmp(r->module, "config") == 0 || strcmp(r->module, "attachment") == 0 ||
	    strcmp(r->module, "mail") == 0);
}

static void
run_ajax(struct req *r, const char *url, struct fault *fa)
{
	if (strncmp(url, "/control", 8) == 0) {
		(void)snprintf(r->path, sizeof(r->path), "%s", url + 8);
		control(r);
		return;
	}
	if (!route(r, url)) {
		r->kind = RK_RAW;
		r->status = 404;
		r->ctype = "text/html;charset=UTF-8";
		return;
	}
	if (strcmp(r->method, "OPTIONS") == 0) {
		r->kind = RK_RAW;
		return;
	}
	r->action = arg(r, "action");
	if (r->action == NULL)
		r->action = r->method;
	S.requests++;
	{
		const char *sid = arg(r, "session");
		struct session *s = sid ? g_hash_table_lookup(S.session, sid) : NULL;

		*fa = fault_match(r, s ? s->u->login : arg(r, "name"));
		if (fa->kind == FA_EXPIRE && s != NULL)
			session_kill(s);
	}
	if (fa->kind == FA_STATUS) {
		html_page(r, fa->num, "Injected fault.");
		return;
	}
	if (fa->kind == FA_DROP_BEFORE)
		return;
	if (rate_limited(r)) {
		html_page(r, 429, "Too many requests.");
		add_header(r, "Retry-After", "300");
		return;
	}
	if (strcmp(r->module, "login") == 0) {
		act_login(r);
		if (r->failed)
			envelope_end(r);
		return;
	}
	if (strcmp(r->module, "multiple") == 0) {
		r->kind = RK_FLAT;
		if (session_check(r)) {
			if (fa->kind == FA_ERROR)
				fail(r, fa->code, NULL);
			else
				act_multiple(r);
		}
		if (r->failed)
			envelope_end(r);
		return;
	}
	envelope_begin(r);
	if (strcmp(r->module, "system") == 0 ||
	    (strstr(r->module, "picture") != NULL ? session_public(r) : session_check(r))) {
		if (fa->kind == FA_ERROR) {
			fail(r, fa->code, NULL);
			if (fa->category > 0)
				error_category(r->err, fa->category);
		} else if (fa->kind == FA_EMPTY) {
			sb_str(r->out, "[]");
		} else {
			dispatch(r);
			return;
		}
	}
	r->kind = RK_JSON;
	envelope_end(r);
}

static enum MHD_Result
send_reply(struct MHD_Connection *mc, struct req *r, struct sb *out)
{
	struct MHD_Response *resp;
	enum MHD_Result ok;
	size_t i;

	resp = MHD_create_response_from_buffer(out->len, out->len ? out->p : NULL,
	    out->len ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (resp == NULL)
		return MHD_NO;
	if (out->len == 0)
		free(out->p);
	if (r->status != 404 || out->len > 0)
		(void)MHD_add_response_header(resp, "Content-Type", r->ctype ? r->ctype :
		    S.older ? "text/javascript; charset=UTF-8" : "application/json;charset=UTF-8");
	(void)MHD_add_response_header(resp, "Cache-Control", "no-store, no-cache, must-revalidate");
	if (r->failed && !r->null_data && strcmp(r->module, "login") != 0)
		(void)MHD_add_response_header(resp, "Content-Disposition", "inline");
	for (i = 0; i < r->nhdr; i++)
		(void)MHD_add_response_header(resp, r->hdr[i].k, r->hdr[i].v);
	if (r->close_conn)
		(void)MHD_add_response_header(resp, "Connection", "close");
	ok = MHD_queue_response(mc, (unsigned int)r->status, resp);
	MHD_destroy_response(resp);
	return ok;
}

static const char *
peer_name(struct MHD_Connection *mc, char *out, size_t cap)
{
	const union MHD_ConnectionInfo *ci =
	    MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = ci ? ci->client_addr : NULL;

	if (sa != NULL && sa->sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr,
		    out, (socklen_t)cap);
	else if (sa != NULL && sa->sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
		    out, (socklen_t)cap);
	else
		(void)snprintf(out, cap, "unix");
	return out;
}

/* Executes the request; HEARD: somebody waits for the answer. */
static enum MHD_Result
finish(struct conn *c, bool heard)
{
	struct req r = { 0 };
	struct sb out = { 0 };
	struct fault fa = { 0 };
	enum MHD_Result ok;
	char peer[64];
	bool upload;

	c->executed = true;
	r.method = c->method;
	r.out = &out;
	r.status = 200;
	r.body = c->body.p;
	r.blen = c->body.len;
	r.peer = peer_name(c->mc, peer, sizeof(peer));
	r.ua = MHD_lookup_connection_value(c->mc, MHD_HEADER_KIND, "User-Agent");
	r.xff = MHD_lookup_connection_value(c->mc, MHD_HEADER_KIND, "X-Forwarded-For");
	r.cookie = MHD_lookup_connection_value(c->mc, MHD_HEADER_KIND, "Cookie");
	r.ctype_in = MHD_lookup_connection_value(c->mc, MHD_HEADER_KIND, "Content-Type");
	(void)MHD_get_connection_values(c->mc, MHD_GET_ARGUMENT_KIND, take_arg, &r);
	if (r.blen > 0)
		split_multipart(&r);
	upload = r.npart > 0;
	sb_reserve(&out, 512);
	run_ajax(&r, c->url, &fa);
	events_flush();
	if (r.kind != RK_RAW && upload && strncmp(c->url, "/control", 8) != 0)
		html_callback(&r, upload);
	/* octets that were asked for stay whole: half of a mail looks like a mail, to everybody */
	if (fa.kind == FA_TRUNCATE && r.kind != RK_RAW)
		out.len /= 2;
	for (size_t i = 0; fa.kind == FA_GARBAGE && r.kind != RK_RAW && i < out.len; i++)
		out.p[i] = (char)(out.p[i] * 7 + (char)i);
	if (S.log != NULL)
		fprintf(S.log, "%s %s action=%s user=%s status=%d bytes=%zu%s%s\n", c->method, c->url,
		    r.action ? r.action : "", r.u ? r.u->login : "-", r.status, out.len,
		    r.failed ? " code=" : "",
		    r.failed ? json_string_value(json_object_get(r.err, "code")) : "");
	if (!heard || fa.kind == FA_DROP_BEFORE || fa.kind == FA_DROP_AFTER) {
		sb_free(&out);
		ok = MHD_NO;
	} else {
		ok = send_reply(c->mc, &r, &out);
	}
	req_clear(&r);
	return ok;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mc, const char *url, const char *method,
    const char *version, const char *data, size_t *len, void **con_cls)
{
	struct conn *c = *con_cls;

	(void)cls;
	(void)version;
	if (c == NULL) {
		c = xcalloc(1, sizeof(*c));
		c->mc = mc;
		c->method = xstrdup(method);
		c->url = xstrdup(url);
		*con_cls = c;
		return MHD_YES;
	}
	if (*len > 0) {
		if (c->body.len + *len > MAX_BODY)
			return MHD_NO;
		sb_put(&c->body, data, *len);
		*len = 0;
		return MHD_YES;
	}
	if (!c->delayed) {
		struct req probe = { 0 };
		struct fault fa;
		const char *sid = MHD_lookup_connection_value(mc, MHD_GET_ARGUMENT_KIND, "session");
		struct session *s = sid ? g_hash_table_lookup(S.session, sid) : NULL;
		const char *a = MHD_lookup_connection_value(mc, MHD_GET_ARGUMENT_KIND, "action");

		if (S.rules != NULL && strncmp(url, "/ajax/", 6) == 0) {
			(void)snprintf(probe.module, sizeof(probe.module), "%s", url + 6);
			probe.action = a ? a : method;
			fa = fault_delay(&probe, s ? s->u->login : NULL);
			if (fa.kind == FA_DELAY) {
				delay(c, fa.num);
				return MHD_YES;
			}
		}
	}
	return finish(c, true);
}

static void
on_done(void *cls, struct MHD_Connection *mc, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct conn *c = *con_cls;

	(void)cls;
	(void)mc;
	(void)why;
	if (c == NULL)
		return;
	if (c->delayed && !c->executed) /* nobody waits any more, but the servers behind the listener never hear of that */
		(void)finish(c, false);
	free(c->method);
	free(c->url);
	sb_free(&c->body);
	free(c);
	*con_cls = NULL;
}

int
http_run(const char *host, int port, const char *port_file)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct MHD_Daemon *d;
	const union MHD_DaemonInfo *info;
	pthread_t th;
	sigset_t set;
	int sig, rc = 0;
	FILE *f;

	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1) {
		fprintf(stderr, "oxsim: \"%s\" is no IPv4 address\n", host);
		return 1;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	events_start();
	d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
	    on_request, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&sin,
	    MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 300u,
	    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_CONNECTION_LIMIT, 4000u,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)131072, MHD_OPTION_END);
	if (d == NULL) {
		fprintf(stderr, "oxsim: cannot listen on %s:%d; is the port in use?\n", host, port);
		return 1;
	}
	info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
	if (info != NULL)
		port = info->port;
	if (pthread_create(&th, NULL, delay_main, NULL) != 0) {
		MHD_stop_daemon(d);
		return 1;
	}
	if (port_file != NULL) {
		char *tmp = xprintf("%s.tmp", port_file);

		f = fopen(tmp, "w");
		if (f == NULL || fprintf(f, "%d\n", port) < 0 || fclose(f) != 0 ||
		    rename(tmp, port_file) != 0) {
			fprintf(stderr, "oxsim: cannot write %s\n", port_file);
			rc = 1;
		}
		free(tmp);
	}
	printf("oxsim: listening on %s:%d\n", host, port);
	(void)fflush(stdout);
	while (rc == 0 && sigwait(&set, &sig) == 0 && sig == SIGHUP)
		;
	pthread_mutex_lock(&delay_lock);
	stopping = true;
	pthread_cond_signal(&delay_cond);
	pthread_mutex_unlock(&delay_lock);
	(void)pthread_join(th, NULL);
	MHD_stop_daemon(d);
	return rc;
}
