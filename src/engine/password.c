/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A user changes his password with one of his devices.  OX ends all of his other sessions there (recorded from a server), and so do we: whoever
 * has a device that is lost changes the password for that.  The session that did it goes on, at all nodes: the new password takes the old one's place
 * in the cache, and a node whose OX session is refused looks there (engine_session_renewed).
 */
#include "engine/watch_int.h"

#include <string.h>

#define TRIES 3 /* of ending the other sessions: OX has done its part */

/* OX did not answer: with which of the two passwords does it let him in? */
static enum rc
find_out(struct engine_session *s, const struct engine_password *in, struct err *e)
{
	struct ox_session *ox = NULL;
	struct err probe = { .rc = RC_OK };
	enum rc rc = ox_login(s->g->backend, ox_session_name(s->ox), in->is, "usmd", &ox, &probe);

	if (rc == RC_OK) {
		ox_session_end(ox);
		ox_session_unref(ox);
		return ox_session_password_set(s->ox, in->is, e);
	}
	if (rc == RC_DENIED)
		return err_set(e, RC_TIMEOUT, "The groupware server did not answer in time and has not changed the password until now. Log in with the old one; "
		    "should it be refused, then the new one counts");
	return err_set(e, RC_TIMEOUT, "The groupware server does not answer: whether the password was changed is not known. Log in with the old one; should it "
	    "be refused, then the new one counts");
}

/* Out of the database, and out of the cache, so that no node opens one of them any more. */
static enum rc
end_others(struct engine_session *s, size_t *ended, struct err *e)
{
	struct arena *a = arena_new(0);
	struct store_conn *c = NULL;
	unsigned char (*hash)[32] = NULL;
	size_t n = 0;
	enum rc rc = a != NULL ? store_lease(s->g->store, &c, e) : err_set(e, RC_NOMEM, "out of memory for the other sessions");

	if (rc == RC_OK)
		rc = store_session_delete_others(c, a, s->n->account_id, s->n->hash, &hash, &n, e);
	store_release(c);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		password_forget(s->g, hash[i]);
	*ended = n;
	arena_free(a);
	return rc;
}

static void
others_are_out(struct engine_session *s, size_t *ended)
{
	const struct account *a = s->n->account;
	uint64_t topic = engine_account_topic(s->g, a->context, a->user);
	struct err e = { .rc = RC_OK };
	enum rc rc = RC_INTERNAL;

	for (int i = 0; i < TRIES && rc != RC_OK; i++)
		rc = end_others(s, ended, &e);
	if (rc != RC_OK)
		log_error("password", "context=%lld user=%lld failed=%s text=the password is changed, but sessions of other devices could not be ended: %s",
		    (long long)a->context, (long long)a->user, rc_name(rc), e.text);
	(void)session_remove_others(s);
	wake_found(s->g, topic);
}

enum rc
engine_password_change(struct engine_session *s, const struct engine_password *in, size_t *ended, struct err *e)
{
	const char *name = ox_session_name(s->ox);
	const struct engine_login guess = { .user = name, .password = in->was, .device = s->n->device, .client_ip = in->client_ip };
	struct throttle_try attempt;
	enum rc rc = throttle_begin(s->g, &guess, &attempt, e);

	*ended = 0;
	if (rc != RC_OK)
		return rc;
	rc = ox_password_change(s->ox, in->was, in->is, e);
	throttle_end(s->g, &attempt, rc == RC_PROTO && e != NULL && strcmp(e->code, OX_WRONG_PASSWORD) == 0 ? RC_DENIED : rc);
	if (rc == RC_TIMEOUT)
		rc = find_out(s, in, e);
	if (rc != RC_OK)
		return rc;
	password_remember(s->g, in->token, s->n->hash, name, in->is);
	others_are_out(s, ended);
	log_info("password", "context=%lld user=%lld ended=%zu", (long long)s->n->account->context, (long long)s->n->account->user, *ended);
	return RC_OK;
}
