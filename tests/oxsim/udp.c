/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The UDP push: registrations (types 1 and 4) and events (type 3 to hosts, the folder's number to clients).  Events wait
 * delay_ms, begun anew by each further one of the same folder and users, at most five times as long; mail is never delayed by that.
 * A host is forgotten timeout_ms after its last registration - one of the configuration, too, counted from the start - and at a restart.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "oxsim/push.h"

#define MAIL_MS 500 /* until the mail server's listener has noticed */

struct host { struct sockaddr_in at; int64_t made; bool fixed; };
struct client { int ctx, user; struct sockaddr_in at; };
struct waiting { char *key, *data; int folder, ctx; char *users; int64_t due, first; };

static struct {
	pthread_mutex_t lock;
	int fd, pipe[2];
	unsigned int port;
	bool enabled;
	int64_t delay, timeout;
	GArray *host, *client;
	GPtrArray *queue;
	uint64_t sent, registrations;
} P = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .timeout = 3600000 };

static int64_t
mono(void)
{
	return g_get_monotonic_time() / 1000;
}

static void
waiting_free(gpointer p)
{
	struct waiting *w = p;

	free(w->key);
	free(w->data);
	free(w->users);
	free(w);
}

/* --- sending --------------------------------------------------------------------------- */

static bool
names(const char *users, int user)
{
	char num[16];
	gchar **v = g_strsplit(users, ",", -1);
	bool is;

	(void)snprintf(num, sizeof(num), "%d", user);
	is = g_strv_contains((const gchar *const *)v, num);
	g_strfreev(v);
	return is;
}

static void
send_one(const struct waiting *w)
{
	char *packet = xprintf("1337\1%zu\1%s", strlen(w->data), w->data), folder[16];
	guint i;

	(void)snprintf(folder, sizeof(folder), "%d\1", w->folder);
	for (i = 0; i < P.client->len; i++) {
		const struct client *c = &g_array_index(P.client, struct client, i);

		if (c->ctx == w->ctx && names(w->users, c->user))
			(void)sendto(P.fd, folder, strlen(folder), 0, (const struct sockaddr *)&c->at, sizeof(c->at));
	}
	for (i = 0; P.enabled && i < P.host->len; i++) {
		const struct host *h = &g_array_index(P.host, struct host, i);

		if (mono() > h->made + P.timeout) {
			g_array_remove_index(P.host, i--);
			continue;
		}
		(void)sendto(P.fd, packet, strlen(packet), 0, (const struct sockaddr *)&h->at, sizeof(h->at));
		P.sent++;
	}
	free(packet);
}

/* What is due; how long until the next, -1 none. */
static int
send_due(void)
{
	int64_t next = INT64_MAX, now = mono();
	guint i;

	for (i = 0; i < P.queue->len; i++) {
		struct waiting *w = g_ptr_array_index(P.queue, i);

		if (w->due <= now) {
			send_one(w);
			g_ptr_array_remove_index(P.queue, i--);
		} else if (w->due < next) {
			next = w->due;
		}
	}
	return next == INT64_MAX ? -1 : (int)(next - now);
}

void
udp_event(int ctx, int module, int folder, const char *users, int64_t stamp)
{
	char *key = xprintf("%d/%d/%d/%s", ctx, module, folder, users);
	int64_t now = mono(), delay;
	struct waiting *w = NULL;
	guint i;

	pthread_mutex_lock(&P.lock);
	if (P.fd < 0) {
		pthread_mutex_unlock(&P.lock);
		free(key);
		return;
	}
	delay = module == EV_MAIL ? MAIL_MS : P.delay;
	/* without a delay nothing is put together */
	for (i = 0; delay > 0 && i < P.queue->len && w == NULL; i++)
		if (strcmp(((struct waiting *)g_ptr_array_index(P.queue, i))->key, key) == 0)
			w = g_ptr_array_index(P.queue, i);
	if (w != NULL) {
		if (module != EV_MAIL)
			w->due = now + delay < w->first + 5 * delay ? now + delay : w->first + 5 * delay;
		free(key);
	} else {
		w = xcalloc(1, sizeof(*w));
		*w = (struct waiting){ .key = key, .folder = folder, .ctx = ctx, .users = xstrdup(users), .due = now + delay, .first = now,
			.data = xprintf("3\1%d\1%d\1%d\1%s\1%lld", folder, module, ctx, users, (long long)stamp) };
		g_ptr_array_add(P.queue, w);
	}
	if (write(P.pipe[1], "", 1) < 0)
		perror("oxsim: udp");
	pthread_mutex_unlock(&P.lock);
}

/* --- registrations ------------------------------------------------------------------------ */

static void
host_add(const char *name, int port, const struct sockaddr_in *from, bool fixed)
{
	struct host h = { .at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) }, .made = mono(), .fixed = fixed };
	guint i;

	if (strcmp(name, "localhost") == 0)
		h.at.sin_addr = from->sin_addr;
	else if (inet_pton(AF_INET, name, &h.at.sin_addr) != 1)
		return;
	for (i = 0; i < P.host->len; i++) {
		struct host *x = &g_array_index(P.host, struct host, i);

		if (x->at.sin_addr.s_addr == h.at.sin_addr.s_addr && x->at.sin_port == h.at.sin_port) {
			x->made = h.made;
			return;
		}
	}
	g_array_append_val(P.host, h);
}

static void
client_add(int user, int ctx, const struct sockaddr_in *from)
{
	struct client c = { ctx, user, *from };
	guint i;

	for (i = 0; i < P.client->len; i++)
		if (g_array_index(P.client, struct client, i).ctx == ctx && g_array_index(P.client, struct client, i).user == user)
			g_array_remove_index(P.client, i--);
	g_array_append_val(P.client, c);
	(void)sendto(P.fd, "OK\1", 3, 0, (const struct sockaddr *)from, sizeof(*from));
}

/* Garbage is ignored without a word. */
static void
receive(void)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char b[2048];
	ssize_t n = recvfrom(P.fd, b, sizeof(b) - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
	gchar **v;
	int64_t size, x, y;
	guint k;

	if (n <= 0)
		return;
	b[n] = '\0';
	v = g_strsplit(b, "\1", 8);
	k = g_strv_length(v);
	if (k >= 5 && strcmp(v[0], "1337") == 0 && parse_i64(v[1], &size) && size >= 0 && 4 + 1 + (int64_t)strlen(v[1]) + 1 + size <= n) {
		if (strcmp(v[2], "1") == 0 && parse_i64(v[3], &x) && parse_i64(v[4], &y))
			client_add((int)x, (int)y, &from);
		if (strcmp(v[2], "4") == 0 && parse_i64(v[4], &x) && x > 0 && x < 65536) {
			P.registrations++;
			host_add(v[3], (int)x, &from, false);
		}
	}
	g_strfreev(v);
}

void
udp_restart(void)
{
	guint i;

	pthread_mutex_lock(&P.lock);
	for (i = 0; P.fd >= 0 && i < P.host->len; i++) {
		if (g_array_index(P.host, struct host, i).fixed)
			g_array_index(P.host, struct host, i).made = mono();
		else
			g_array_remove_index(P.host, i--);
	}
	if (P.fd >= 0) {
		g_array_set_size(P.client, 0);
		g_ptr_array_set_size(P.queue, 0);
	}
	pthread_mutex_unlock(&P.lock);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void *
udp_main(void *arg)
{
	struct pollfd p[2] = { { .fd = P.pipe[0], .events = POLLIN }, { .fd = P.fd, .events = POLLIN } };
	char b[64];
	int ms = -1;

	for (;;) {
		(void)poll(p, 2, ms);
		pthread_mutex_lock(&P.lock);
		if (p[0].revents != 0 && read(P.pipe[0], b, sizeof(b)) < 0)
			perror("oxsim: udp");
		if (p[1].revents != 0)
			receive();
		ms = send_due();
		pthread_mutex_unlock(&P.lock);
	}
	return arg;
}

static bool
udp_open(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	pthread_t th;

	if (P.fd >= 0)
		return true;
	P.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (P.fd < 0 || bind(P.fd, (struct sockaddr *)&a, sizeof(a)) != 0 || getsockname(P.fd, (struct sockaddr *)&a, &len) != 0 || pipe(P.pipe) != 0)
		return false;
	P.port = ntohs(a.sin_port);
	P.host = g_array_new(FALSE, FALSE, sizeof(struct host));
	P.client = g_array_new(FALSE, FALSE, sizeof(struct client));
	P.queue = g_ptr_array_new_with_free_func(waiting_free);
	return pthread_create(&th, NULL, udp_main, NULL) == 0 && pthread_detach(th) == 0;
}

/* {"enabled":bool,"delay_ms":n,"timeout_ms":n,"hosts":["127.0.0.1:port"]}; answers what is so */
void
udp_control(struct req *r)
{
	json_t *j = r->j, *v;
	char host[64];
	int port;
	size_t i;

	pthread_mutex_lock(&P.lock);
	if (udp_open()) {
		if (json_is_boolean(json_object_get(j, "enabled")))
			P.enabled = json_is_true(json_object_get(j, "enabled"));
		if (json_is_integer(json_object_get(j, "delay_ms")))
			P.delay = json_integer_value(json_object_get(j, "delay_ms"));
		if (json_is_integer(json_object_get(j, "timeout_ms")))
			P.timeout = json_integer_value(json_object_get(j, "timeout_ms"));
		json_array_foreach(json_object_get(j, "hosts"), i, v)
			if (json_is_string(v) && sscanf(json_string_value(v), "%63[^:]:%d", host, &port) == 2)
				host_add(host, port, NULL, true);
	}
	v = json_pack("{s:i, s:i, s:I, s:I}", "port", (int)P.port, "hosts", P.fd >= 0 ? (int)P.host->len : 0, "sent", (json_int_t)P.sent, "registrations",
	    (json_int_t)P.registrations);
	pthread_mutex_unlock(&P.lock);
	control_reply(r, v);
}
