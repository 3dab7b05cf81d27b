/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Failed logins, and guesses of who is logged in, are throttled: a slot a (user, minute) and (address, minute), in this process's memory alone. */
#include "engine/engine_int.h"

#include <stdio.h>
#include <string.h>

static struct throttle *
throttle_slot_locked(struct engine *g, const char *what, const char *value)
{
	uint64_t key;
	struct throttle *t;
	int64_t minute = now_ms() / 60000;
	char text[320];

	(void)snprintf(text, sizeof(text), "%s:%s", what, value);
	key = siphash24(g->topic_key, text, strlen(text));
	t = &g->throttle[key % THROTTLE_SLOTS];
	if (t->key != key || t->minute != minute)
		*t = (struct throttle){ .key = key, .minute = minute };
	return t;
}

enum rc
throttle_check(struct engine *g, const char *who, const char *client_ip, struct err *e)
{
	enum rc rc = RC_OK;

	(void)pthread_mutex_lock(&g->lock);
	if (throttle_slot_locked(g, "user", who)->failed >= g->o.login_attempts ||
	    throttle_slot_locked(g, "address", client_ip)->failed >= g->o.login_attempts) {
		rc = err_set(e, RC_LIMIT, "too many failed logins; wait a minute and check the password");
		metric_count(F_REFUSED, "login", NULL);
		if (e != NULL)
			e->retry_after_s = 60;
	}
	(void)pthread_mutex_unlock(&g->lock);
	return rc;
}

void
throttle_note(struct engine *g, const char *who, const char *client_ip)
{
	(void)pthread_mutex_lock(&g->lock);
	throttle_slot_locked(g, "user", who)->failed++;
	throttle_slot_locked(g, "address", client_ip)->failed++;
	(void)pthread_mutex_unlock(&g->lock);
}
