/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which concrete parts make up a running usmd, and how settings become their options.  Decides nothing else. */
#include "daemon/status_int.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "usmd/backend.h"
#include "usmd/cache.h"
#include "usmd/engine.h"
#include "usmd/push.h"
#include "usmd/service.h"
#include "usmd/store.h"

#define DAY_MS (INT64_C(86400) * 1000)

struct wire {
	const struct conf *start; /* borrowed: the settings of the start */
	struct hub *hub; /* borrowed */
	struct store *store;
	struct cache *cache;
	struct backend *backend;
	struct engine *engine;
	pthread_mutex_t ear_lock;
	struct engine *ear;     /* the engine while it works: other nodes are heard before and after */
	struct selftest *test;  /* from its making on, heard by the ears; NULL = none yet */
	struct status *status;  /* borrowed, NULL = no page */
	struct push_udp *udp;
	struct service_client *client;
	struct protocol protocols[2]; /* the longer path first */
	size_t n;
	bool hooked;     /* protocols[0] is the webhook */
};

static enum rc
calendar_module(const char *word, enum ox_calendar *out, struct err *e)
{
	static const char *const words[] = { [OX_CALENDAR_AUTO] = "auto", [OX_CALENDAR_LEGACY] = "legacy", [OX_CALENDAR_CHRONOS] = "chronos" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i], word) == 0) {
			*out = (enum ox_calendar)i;
			return RC_OK;
		}
	return err_set_path(e, RC_PROTO, "ox_calendar", "\"%.40s\" is not possible; allowed: auto, legacy or chronos", word);
}

static enum rc
open_backend(struct wire *w, const struct conf *c, struct err *e)
{
	struct backend_options o = {
		.url = c->ox_url,
		.client = c->ox_client,
		.client_fallback = c->ox_client_fallback,
		.user_agent = c->ox_user_agent,
		.client_ip = c->ox_client_ip,
		.ca_file = c->ox_ca_file,
		.tls_verify = c->ox_tls_verify,
		.connect_timeout_ms = (long)c->ox_connect_timeout,
		.timeout_ms = (long)c->ox_timeout,
		.max_connections = (unsigned)c->ox_max_connections,
		.max_answer_bytes = (size_t)c->ox_max_answer,
		.rows_per_request = (unsigned)c->ox_rows_per_request,
	};

	enum rc rc = calendar_module(c->ox_calendar, &o.calendar, e);

	return rc == RC_OK ? backend_new(&o, &w->backend, e) : rc;
}

/* Another node changed TOPIC. */
static void
on_topic(void *arg, uint64_t topic)
{
	struct wire *w = arg;

	(void)pthread_mutex_lock(&w->ear_lock);
	if (w->ear != NULL)
		engine_heard(w->ear, topic);
	else
		(void)hub_wake(w->hub, topic);
	(void)pthread_mutex_unlock(&w->ear_lock);
}

static void
claimed(struct wire *w, enum claim_way way, uint64_t claim, uint64_t ticket, bool own)
{
	(void)pthread_mutex_lock(&w->ear_lock);
	if (w->ear != NULL)
		engine_claimed(w->ear, way, claim, ticket, own);
	(void)pthread_mutex_unlock(&w->ear_lock);
}

static void
on_redis_claim(void *arg, uint64_t claim, uint64_t ticket, bool own)
{
	struct wire *w = arg;

	if (!own || !selftest_heard(w->test, SELFTEST_REDIS, claim))
		claimed(w, CLAIM_BY_REDIS, claim, ticket, own);
}

static void
on_pg_claim(void *arg, uint64_t claim, uint64_t ticket, bool own)
{
	struct wire *w = arg;

	if (!own || !selftest_heard(w->test, SELFTEST_POSTGRESQL, claim))
		claimed(w, CLAIM_BY_PG, claim, ticket, own);
}

static void
ear_set(struct wire *w, struct engine *g)
{
	(void)pthread_mutex_lock(&w->ear_lock);
	w->ear = g;
	(void)pthread_mutex_unlock(&w->ear_lock);
}

/* Events of other nodes may have been missed: everybody looks once. */
static void
on_gap(void *arg)
{
	struct wire *w = arg;

	log_info("wake-all", "text=events of other nodes may have been missed waiters=%zu", hub_count(w->hub));
	(void)pthread_mutex_lock(&w->ear_lock);
	if (w->ear != NULL)
		engine_missed(w->ear);
	(void)pthread_mutex_unlock(&w->ear_lock);
}

/* Redis carries the events, or PostgreSQL has to. */
static void
on_link(void *arg, bool up)
{
	struct wire *w = arg;

	/* up, then the wake-all: what was published before it is seen by the look, what comes after is heard */
	store_notify_need(w->store, !up);
	if (up)
		on_gap(w);
}

static enum rc
listen_to_nodes(struct wire *w, const struct conf *c, struct err *e)
{
	const struct cache_ear by_redis = { .on_topic = on_topic, .on_claim = on_redis_claim, .on_link = on_link, .arg = w };
	const struct store_ear by_pg = { .on_topic = on_topic, .on_claim = on_pg_claim, .on_gap = on_gap, .arg = w, .retry_ms = (unsigned)c->redis_retry };
	enum rc rc = store_listen(w->store, &by_pg, e);

	if (c->redis_url[0] == '\0')
		store_notify_need(w->store, true);
	return rc == RC_OK ? cache_subscribe(w->cache, &by_redis, e) : rc;
}

enum rc
wire_cache(const struct conf *c, struct cache **out, struct err *e)
{
	char password_file[512] = "";
	struct cache_options o = {
		.url = c->redis_url,
		.password_file = password_file,
		.timeout_ms = (unsigned)c->redis_timeout,
		.retry_ms = (unsigned)c->redis_retry,
		.pool = (unsigned)c->redis_pool,
	};

	*out = NULL;
	if (c->redis_password_file[0] != '\0' &&
	    conf_secret_path("redis_password_file", c->redis_password_file, password_file, sizeof(password_file), e) != RC_OK)
		return e->rc;
	*out = cache_new(&o);
	return *out != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

static enum rc
open_cache(struct wire *w, const struct conf *c, struct err *e)
{
	enum rc rc = wire_cache(c, &w->cache, e);

	if (rc != RC_OK)
		return rc;
	/* before the ears hear */
	w->test = selftest_new(w->hub, w->store, c->redis_url[0] != '\0' ? w->cache : NULL);
	return w->test != NULL ? listen_to_nodes(w, c, e) : err_set(e, RC_NOMEM, "out of memory");
}

/* "inbox full, mail headers": a kind that is not named gets everything. */
static enum rc
default_modes(const char *list, enum folder_mode out[KIND_COUNT], struct err *e)
{
	for (const char *p = list; *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
		char kind[16] = "", mode[16] = "", rest = '\0';
		int m = -1;

		if (sscanf(p, " %15[a-z] %15[a-z] %c", kind, mode, &rest) >= 2 && (rest == '\0' || rest == ','))
			m = folder_mode_parse(mode);
		for (size_t k = 0; m >= 0 && k <= KIND_COUNT; k++) {
			if (k == KIND_COUNT) {
				m = -1;
			} else if (strcmp(folder_kind_name((enum folder_kind)k), kind) == 0) {
				out[k] = (enum folder_mode)m;
				break;
			}
		}
		if (m < 0)
			return err_set_path(e, RC_PROTO, "default_modes", "\"%.40s\" is not understood: say inbox, mail, contact, appointment or task, "
			    "and full, headers or off", p);
	}
	return RC_OK;
}

static enum rc push_check(const struct conf *c, struct err *e);

/* Nobody logs in to the status page: who can reach it may read it. */
static enum rc
status_check(const char *address, struct err *e)
{
	static const char *const near[] = { "/", "127.", "[::1]:", "localhost:" };

	for (size_t i = 0; i < ARRAY_LEN(near); i++)
		if (strncmp(address, near[i], strlen(near[i])) == 0)
			return RC_OK;
	return address[0] == '\0' ? RC_OK : err_set_path(e, RC_PROTO, "status_listen",
	    "\"%.60s\" can be reached from elsewhere, and the page has no login: use an address of loopback or a unix socket, and a proxy with a login in front", address);
}

enum rc
wire_check(const struct conf *c, struct err *e)
{
	enum folder_mode modes[KIND_COUNT];
	enum ox_calendar calendar;
	enum rc rc = calendar_module(c->ox_calendar, &calendar, e);

	if (rc == RC_OK)
		rc = default_modes(c->default_modes, modes, e);
	if (rc == RC_OK)
		rc = status_check(c->status_listen, e);
	if (rc == RC_OK && !log_check(c->log_to))
		rc = err_set_path(e, RC_PROTO, "log_to", "\"%.60s\" is not possible; allowed: auto, stderr, journal, syslog or the path of a file", c->log_to);
	if (rc == RC_OK && strcmp(c->log_format, "text") != 0 && strcmp(c->log_format, "json") != 0)
		rc = err_set_path(e, RC_PROTO, "log_format", "\"%.40s\" is not possible; allowed: text or json", c->log_format);
	return rc == RC_OK ? push_check(c, e) : rc;
}

enum rc
wire_engine_options(const struct conf *c, struct engine_options *out, struct err *e)
{
	*out = (struct engine_options){
		.session_lifetime_ms = c->session_lifetime,
		.password_lifetime_ms = c->password_lifetime,
		.fresh_ms = c->fresh_for,
		.overlap_ms = c->refresh_overlap,
		.reread_max = 16, /* costs OX less than the two long looks that end it */
		.listing_interval_ms = c->full_listing_interval,
		.deletions_kept_ms = c->ox_deletions_kept,
		.late_max_ms = c->ox_write_max_time,
		.conflict_keep_ms = c->conflict_keep,
		.unreadable_retry_ms = c->unreadable_retry,
		.past_days = { [CT_CALENDAR] = c->calendar_past / DAY_MS, [CT_TASK] = c->calendar_past / DAY_MS,
		    [CT_MAIL] = c->mail_past / DAY_MS },
		.future_days = { [CT_CALENDAR] = c->calendar_future / DAY_MS, [CT_TASK] = c->calendar_future / DAY_MS },
		.max_objects = (size_t)c->max_objects_per_folder,
		.stub_bytes = (size_t)c->mail_stub,
		.mail_window = (size_t)c->mail_window,
		.mail_flags_ms = c->mail_flags_interval,
		.cursor_children = (unsigned)c->cursors_kept,
		.poll_ms = c->ping_poll_interval,
		.path_floor_s = (unsigned)((c->heartbeat_min + 999) / 1000),
		.path_memory_ms = c->path_memory,
		.poll_max_ms = c->ping_poll_max,
		.compare_ms = c->ping_compare_interval,
		.poll_rate = (unsigned)c->ping_poll_budget,
		.poll_workers = (unsigned)c->ping_poll_workers,
		.push_late_ms = c->push_late,
		.udp = c->udp_listen[0] != '\0',
		.webhook = c->webhook,
		.webhook_uri = c->webhook_uri,
		.webhook_renew_ms = c->webhook_renew,
		.max_mail_bytes = (size_t)c->max_mail,
		.max_body_bytes = (size_t)c->max_mail_body,
		.max_attachment_bytes = (size_t)c->max_attachment,
		.max_attachments = (unsigned)c->max_attachments_per_object,
		.journal_keep_ms = c->journal_keep,
		.journal_object_bytes = (size_t)c->journal_max_object,
		.journal_entries = (size_t)c->journal_max_entries,
		.guard_delete_share = (unsigned)c->guard_delete_share,
		.guard_delete_min = (unsigned)c->guard_delete_min,
		.guard_delete_ms = c->guard_delete_period,
		.guard_create_count = (unsigned)c->guard_create_count,
		.guard_create_ms = c->guard_create_period,
		.stuck_repeats = (unsigned)c->stuck_repeats,
		.flood_rate = (unsigned)c->flood_rate,
		.flood_burst = (unsigned)c->flood_burst,
		.resync_budget = (size_t)c->resync_budget,
		.resync_large = (size_t)c->resync_large,
		.resync_retry_ms = c->resync_retry,
		.login_attempts = (unsigned)c->login_attempts,
		.login_block_max_ms = c->login_block_max,
		.max_devices = (size_t)c->max_devices,
		.device_quarantine = c->device_quarantine,
		.device_keep_ms = c->device_keep,
		.audit_keep_ms = c->audit_keep,
	};
	return default_modes(c->default_modes, out->mode, e);
}

static enum rc
open_engine(struct wire *w, const struct conf *c, const unsigned char key[KEY_BYTES], struct err *e)
{
	struct engine_options o;
	struct keyring ring = { .n = 0 };
	enum rc rc = wire_engine_options(c, &o, e);

	if (rc == RC_OK)
		rc = keys_load(c, key, &ring, e);
	o.seal = &ring;
	if (rc == RC_OK)
		rc = engine_new(&o, key, w->store, w->cache, w->backend, w->hub, &w->engine, e);
	if (rc == RC_OK)
		rc = engine_start(w->engine, e);
	secret_wipe(&ring, sizeof(ring));
	if (rc == RC_OK)
		ear_set(w, w->engine);
	return rc;
}

static void
usmjson_options(const struct conf *c, struct usmjson_options *out)
{
	*out = (struct usmjson_options){
		.max_depth = (size_t)c->max_depth,
		.max_values = (size_t)c->max_values,
		.max_objects = (size_t)c->max_changes,
		.max_pairs = (size_t)c->max_objects_per_folder,
		.max_string_bytes = (size_t)c->max_string,
		.max_body_bytes = (size_t)c->max_body,
		.max_anonymous_bytes = (size_t)c->max_body_anonymous,
		.max_mail_bytes = (size_t)c->max_mail,
		.max_attachment_bytes = (size_t)c->max_attachment,
		.max_attachments = (size_t)c->max_attachments_per_object,
		.default_limit = (unsigned)c->page_default,
		.max_limit = (unsigned)c->page_max,
		.min_heartbeat_s = (unsigned)((c->heartbeat_min + 999) / 1000),
		.max_heartbeat_s = (unsigned)(c->heartbeat_max / 1000),
		.max_ping_folders = (size_t)c->max_ping_folders,
		.retry_spread_ms = c->wake_spread,
		.cookie_secure = c->cookie_secure,
		.password_min_length = (unsigned)c->password_min_length,
		.password_min_classes = (unsigned)c->password_min_classes,
		.max_feedback_bytes = (size_t)c->feedback_max,
	};
}

static enum rc
add_usmjson(struct wire *w, const struct conf *c, struct err *e)
{
	const struct service_client_options of_client = {
		.package_dir = c->client_dir,
		.feedback_dir = c->feedback_dir,
		.feedback_max = (size_t)c->feedback_max,
		.feedback_budget = (size_t)c->feedback_budget,
		.feedback_keep_ms = c->feedback_keep,
		.feedback_per_device = (unsigned)c->feedback_per_device,
	};
	struct usmjson_options o;
	enum rc rc = service_client_new(&of_client, &w->client, e);

	if (rc != RC_OK)
		return rc;
	usmjson_options(c, &o);
	o.client = w->client;
	rc = usmjson_new(w->engine, &o, &w->protocols[w->n], e);

	if (rc == RC_OK)
		w->n++;
	return rc;
}

/* ---- OX's push ---- */

static void
event_of(struct wire *w, enum event_source source, const struct push_event *ev)
{
	const struct engine_event event = { .source = source, .context = ev->context, .ct = ev->ct, .folder = ev->folder, .users = ev->users,
		.n_users = ev->n_users };

	engine_event(w->engine, &event);
}

static void
on_udp(void *arg, const struct push_event *ev)
{
	event_of(arg, SOURCE_UDP, ev);
}

static void
on_webhook(void *arg, const struct push_event *ev)
{
	event_of(arg, SOURCE_WEBHOOK, ev);
}

static struct push_udp_options
udp_options(const struct conf *c)
{
	return (struct push_udp_options){ .listen = c->udp_listen, .advertise = c->udp_advertise, .nodes = c->udp_nodes,
		.register_ms = (unsigned)c->udp_register_interval };
}

static enum rc
add_webhook(struct wire *w, const struct conf *c, struct err *e)
{
	const struct webhook_options o = { .header = c->webhook_header, .max_body = (size_t)c->webhook_max_body };
	char secret[1024];
	struct push_hook *hook;
	enum rc rc;

	if (c->webhook[0] == '\0')
		return RC_OK;
	rc = conf_secret_read("webhook_secret_file", c->webhook_secret_file, secret, sizeof(secret), e);
	if (rc != RC_OK)
		return rc;
	hook = push_hook_new(&(struct push_hook_options){ .secret = secret, .window_ms = (unsigned)c->webhook_window }, on_webhook, w);
	secret_wipe(secret, sizeof(secret));
	rc = hook != NULL ? webhook_new(hook, &o, &w->protocols[0], e) : err_set(e, RC_NOMEM, "out of memory");
	w->hooked = rc == RC_OK;
	w->n += w->hooked;
	return rc;
}

static enum rc
push_check(const struct conf *c, struct err *e)
{
	struct push_udp_options o = udp_options(c);

	if (c->webhook[0] != '\0' && c->webhook_secret_file[0] == '\0')
		return err_set_path(e, RC_PROTO, "webhook_secret_file", "webhook is set: without the secret nobody knows whether OX posts");
	return c->udp_listen[0] != '\0' ? push_udp_check(&o, e) : RC_OK;
}

/* The file's name changes with a restart only; what is in it, as after usmctl keys rotate, does now. */
static enum rc
reload_keys(struct wire *w, const struct conf *c, bool trial, struct err *e)
{
	unsigned char key[KEY_BYTES] = { 0 };
	struct keyring ring = { .n = 0 };
	char id[2 * KEY_ID_BYTES + 1];
	bool changed = false;
	enum rc rc = key_load(c->key_file, key, e);

	if (rc == RC_OK)
		rc = keys_load(c, key, &ring, e);
	if (rc == RC_OK && !trial)
		rc = engine_keys_set(w->engine, &ring, &changed, e);
	if (changed) {
		hex_encode(ring.v[0].id, KEY_ID_BYTES, id);
		log_info("keys", "active=%s keys=%zu text=seal_keys was read again", id, ring.n);
	}
	secret_wipe(key, sizeof(key));
	secret_wipe(&ring, sizeof(ring));
	return rc;
}

enum rc
wire_reload(struct wire *w, const struct conf *c, bool trial, struct err *e)
{
	struct engine_options o;
	struct usmjson_options json;
	enum rc rc = wire_engine_options(c, &o, e);

	if (rc == RC_OK)
		rc = reload_keys(w, c, trial, e);
	if (rc != RC_OK || trial)
		return rc;
	usmjson_options(c, &json);
	engine_reload(w->engine, &o);
	usmjson_reload(&w->protocols[w->n - 1], &json);
	return RC_OK;
}

enum rc
wire_record(struct wire *w, const struct store_record *r, size_t n, struct err *e)
{
	struct store_conn *c = NULL;
	enum rc rc = store_lease(w->store, &c, e);

	if (rc == RC_OK)
		rc = store_audit(c, r->by_uid, r->command, r->target, n, e);
	store_release(c);
	return rc;
}

size_t
wire_waiters(const struct wire *w)
{
	return hub_count(w->hub);
}

enum rc
wire_listen(struct wire *w, const struct conf *c, struct err *e)
{
	struct push_udp_options o = udp_options(c);

	return c->udp_listen[0] != '\0' ? push_udp_new(&o, on_udp, w, &w->udp, e) : RC_OK;
}

enum rc
wire_engine(const struct conf *c, const unsigned char key[KEY_BYTES], struct hub *hub, struct wire **out, struct err *e)
{
	struct wire *w = mem_alloc(sizeof(*w));
	enum rc rc;

	*out = NULL;
	if (w == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	w->start = c;
	w->hub = hub;
	(void)pthread_mutex_init(&w->ear_lock, NULL);
	rc = database_open(c, (unsigned)c->pg_pool, &w->store, e);
	if (rc == RC_OK)
		rc = open_backend(w, c, e);
	if (rc == RC_OK)
		rc = open_cache(w, c, e);
	if (rc == RC_OK)
		rc = open_engine(w, c, key, e);
	if (rc == RC_OK)
		rc = add_webhook(w, c, e);
	if (rc == RC_OK)
		rc = add_usmjson(w, c, e);
	if (rc != RC_OK)
		wire_free(w);
	else
		*out = w;
	return rc;
}

void
wire_free(struct wire *w)
{
	if (w == NULL)
		return;
	push_udp_free(w->udp);
	if (w->n > (size_t)w->hooked)
		usmjson_free(&w->protocols[w->n - 1]);
	if (w->hooked)
		webhook_free(&w->protocols[0]);
	service_client_free(w->client);
	engine_quiet(w->engine);
	ear_set(w, NULL);
	engine_free(w->engine);
	/* stops the thread that calls on_topic */
	cache_free(w->cache);
	backend_free(w->backend);
	store_close(w->store);
	selftest_free(w->test);
	(void)pthread_mutex_destroy(&w->ear_lock);
	mem_free(w);
}

void
wire_persons_care(void *arg)
{
	const struct wire *w = arg;

	persons_care(w->start, w->store);
}

void
wire_care(struct wire *w)
{
	service_feedback_care(w->client);
}

const struct protocol *
wire_protocols(const struct wire *w, size_t *n)
{
	*n = w->n;
	return w->protocols;
}

enum httpd_health
wire_health(void *arg, char *why, size_t size)
{
	struct wire *w = arg;

	switch (engine_check(w->engine, why, size)) {
	case RC_OK:
		return HTTPD_READY;
	case RC_BUSY:
		return HTTPD_DEGRADED;
	default:
		return HTTPD_NOT_READY;
	}
}

void
wire_gauges(void *arg, struct buf *out)
{
	const struct wire *w = arg;

	engine_sources_metrics(w->engine, out);
}

void
wire_status_set(struct wire *w, struct status *st)
{
	w->status = st;
}

static void
paths_get(const struct wire *w, struct arena *a, struct status_facts *f)
{
	struct store_conn *c = NULL;
	struct store_path *x = NULL;
	size_t n = 0;

	if (store_lease(w->store, &c, NULL) == RC_OK && store_paths_get(c, a, &x, &n, NULL) == RC_OK) {
		static const struct store_path none;

		f->paths = x != NULL ? x : &none;
		f->n_paths = n < STATUS_PATHS ? n : STATUS_PATHS;
	}
	store_release(c);
}

bool
wire_status(void *arg, const char *url, struct buf *out, struct httpd_page *page)
{
	struct wire *w = arg;
	struct arena *a = arena_new(0);
	char why[256] = "";
	struct status_facts f = { .why = why, .now = now_ms() };
	struct buf sources;
	bool ok;

	if (a == NULL)
		return false;
	buf_init(&sources, 0);
	f.health = wire_health(w, why, sizeof(why));
	engine_sources_metrics(w->engine, &sources);
	f.sources = sources.p != NULL ? sources.p : "";
	if (f.health != HTTPD_NOT_READY)
		paths_get(w, a, &f);
	ok = status_write(w->status, &f, url, out, &page->type);
	page->policy = status_csp(w->status);
	buf_fini(&sources);
	arena_free(a);
	return ok;
}

void
wire_self_test(void *arg)
{
	const struct wire *w = arg;

	selftest_run(w->test);
}

/* "/sources", "/sources/CONTEXT/USER" */
bool
wire_page(void *arg, const char *url, struct buf *out)
{
	static const char sources[] = "/sources";
	const struct wire *w = arg;
	int64_t context = 0, user = 0;

	if (strncmp(url, sources, sizeof(sources) - 1) != 0)
		return false;
	url += sizeof(sources) - 1;
	if (*url != '\0' && (*url != '/' || !context_user_parse(url + 1, &context, &user)))
		return false;
	engine_sources(w->engine, context, user, out);
	return true;
}
