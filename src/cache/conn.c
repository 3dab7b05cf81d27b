/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Making one connection to Redis: address, time-outs, password. */
#include "cache_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static redisContext *
dial(const char *url, struct timeval tv)
{
	char host[256];
	const char *colon;
	int64_t port;
	size_t n;

	if (strncmp(url, "unix:", 5) == 0)
		return redisConnectUnixWithTimeout(url + 5, tv);
	colon = strrchr(url, ':');
	if (strncmp(url, "tcp:", 4) != 0 || colon < url + 5 || !parse_i64(colon + 1, 1, 65535, &port))
		return NULL;
	url += 4;
	n = (size_t)(colon - url);
	if (n >= 2 && url[0] == '[' && url[n - 1] == ']') { /* tcp:[::1]:6379 */
		url++;
		n -= 2;
	}
	if (n >= sizeof(host))
		return NULL;
	(void)snprintf(host, sizeof(host), "%.*s", (int)n, url);
	return redisConnectWithTimeout(host, (int)port, tv);
}

/* The file is read for every connection: a changed password needs no restart. */
static bool
authenticate(redisContext *r, const char *file)
{
	char pw[512];
	redisReply *reply = NULL;
	FILE *f;
	size_t n;
	bool ok;

	if (file == NULL || *file == '\0')
		return true;
	f = fopen(file, "re");
	if (f == NULL) {
		log_error("cache.password", "file=%s cannot be read", file);
		return false;
	}
	n = fread(pw, 1, sizeof(pw), f);
	(void)fclose(f);
	while (n > 0 && (pw[n - 1] == '\n' || pw[n - 1] == '\r'))
		n--;
	reply = redisCommand(r, "AUTH %b", pw, n);
	secret_wipe(pw, sizeof(pw));
	ok = reply != NULL && reply->type == REDIS_REPLY_STATUS;
	if (reply != NULL && !ok)
		log_error("cache.password", "Redis refused the password of file=%s", file);
	if (reply != NULL)
		freeReplyObject(reply);
	return ok;
}

redisContext *
cache_connect(const struct cache *c)
{
	struct timeval tv = { .tv_sec = c->o.timeout_ms / 1000, .tv_usec = (suseconds_t)(c->o.timeout_ms % 1000) * 1000 };
	redisContext *r = dial(c->o.url, tv);

	if (r == NULL || r->err != 0 || redisSetTimeout(r, tv) != REDIS_OK || !authenticate(r, c->o.password_file)) {
		log_debug("cache.connect", "url=%s failed: %s", c->o.url, r != NULL && r->err != 0 ? r->errstr : "address or password");
		if (r != NULL)
			redisFree(r);
		return NULL;
	}
	return r;
}
