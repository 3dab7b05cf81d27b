/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Most recordings begin with a session whose login was not recorded: it is made up here,
 * with the same user and User-Agent, when the session is seen for the first time. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "replay.h"
#include "session.h"
#include "tokens.h"

static const char *const cookie_classes[] = { "open-xchange-secret-", "open-xchange-public-session-",
	"open-xchange-session-", "open-xchange-share-", NULL };

/* Remembers hash and value of the cookie NAME=VALUE against the one of the same class. */
static void
learn_cookie(struct idmap *m, const char *rec, const char *rep)
{
	for (const char *const *c = cookie_classes; *c; c++) {
		size_t len = strlen(*c);
		const char *rec_eq = strchr(rec, '=');
		const char *rep_eq = strchr(rep, '=');
		char *a, *b;

		if (strncmp(rec, *c, len) || strncmp(rep, *c, len) || !rec_eq || !rep_eq)
			continue;
		a = strndup(rec + len, (size_t)(rec_eq - rec) - len);
		b = strndup(rep + len, (size_t)(rep_eq - rep) - len);
		idmap_put(m, "token", a, b);
		free(a);
		free(b);
		a = strndup(rec_eq + 1, strcspn(rec_eq + 1, "; "));
		b = strndup(rep_eq + 1, strcspn(rep_eq + 1, "; "));
		idmap_put(m, "token", a, b);
		free(a);
		free(b);
	}
}

void
request_learn_cookies(struct idmap *m, const json_t *recorded, const json_t *replayed)
{
	json_t *rec, *rep;
	size_t i, k;

	json_array_foreach(json_object_get(recorded, "headers"), i, rec) {
		if (strcasecmp(json_string_value(json_array_get(rec, 0)), "Set-Cookie"))
			continue;
		json_array_foreach(json_object_get(replayed, "headers"), k, rep)
			if (strcasecmp(json_string_value(json_array_get(rep, 0)), "Set-Cookie") == 0)
				learn_cookie(m, json_string_value(json_array_get(rec, 1)),
				    json_string_value(json_array_get(rep, 1)));
	}
}

static void
learn_from_request(struct idmap *m, const char *cookies, const json_t *login)
{
	char *copy = strdup(cookies), *save = NULL;
	json_t *h;
	size_t i;

	for (char *c = strtok_r(copy, "; ", &save); c; c = strtok_r(NULL, "; ", &save))
		json_array_foreach(json_object_get(login, "headers"), i, h)
			if (strcasecmp(json_string_value(json_array_get(h, 0)), "Set-Cookie") == 0)
				learn_cookie(m, c, json_string_value(json_array_get(h, 1)));
	free(copy);
}

static json_t *
log_in(struct run *r, const char *user, const char *agent)
{
	static unsigned serial;
	json_t *headers = json_pack("{s:s,s:s}", "User-Agent", agent,
	    "Content-Type", "application/x-www-form-urlencoded");
	char *body = text_format("name=%s&password=secret&client=USM-EAS&version=1.0&authId=replay%u",
	    user, ++serial);
	json_t *answer;

	answer = request_send_plain(r, "POST", "/ajax/login?action=login", headers, body, strlen(body));
	free(body);
	json_decref(headers);
	return answer;
}

void
request_ensure_session(struct xchg *x)
{
	const char *session = request_param(x->request, "session");
	json_t *headers = json_object_get(x->request, "headers");
	const char *cookies = json_string_value(json_object_get(headers, "Cookie"));
	const char *agent = json_string_value(json_object_get(headers, "User-Agent"));
	json_t *body = json_object_get(json_object_get(x->response, "body"), "json");
	const char *code = json_string_value(json_object_get(body, "code"));
	json_t *login;
	const char *fresh;

	if (session == NULL || x->user == NULL || idmap_get(x->run->map, "token", session))
		return;
	if ((code && strcmp(code, "SES-0203") == 0) || cookies == NULL)
		return;		/* the recording sent a session that did not exist */
	login = log_in(x->run, x->user, agent ? agent : "Open-Xchange USM HTTP Client");
	fresh = json_string_value(json_object_get(json_object_get(json_object_get(login, "body"),
	    "json"), "session"));
	if (fresh) {
		idmap_put(x->run->map, "token", session, fresh);
		learn_from_request(x->run->map, cookies, login);
	} else {
		diff(x, "@login", "no session for user %s", x->user);
	}
	json_decref(login);
}

/* "name=value; ..." of the cookies an answer sets, for the next request.  Caller frees. */
static char *
cookies_of(const json_t *answer)
{
	char *text = NULL;
	size_t size = 0, i;
	FILE *f = open_memstream(&text, &size);
	json_t *h;

	json_array_foreach(json_object_get(answer, "headers"), i, h) {
		const char *v = json_string_value(json_array_get(h, 1));

		if (strcasecmp(json_string_value(json_array_get(h, 0)), "Set-Cookie") == 0)
			fprintf(f, "%.*s; ", (int)strcspn(v, ";"), v);
	}
	fclose(f);
	return text;
}

json_t *
session_request(struct run *r, const char *user, const char *method, const char *url,
    const char *body)
{
	static const char agent[] = "Open-Xchange USM HTTP Client";
	json_t *headers = json_pack("{s:s}", "User-Agent", agent), *login = NULL, *answer;
	const char *session = NULL;
	char *full, *cookies;

	if (user) {
		login = log_in(r, user, agent);
		session = json_string_value(json_object_get(json_object_get(json_object_get(login,
		    "body"), "json"), "session"));
		cookies = cookies_of(login);
		json_object_set_new(headers, "Cookie", json_string(cookies));
		free(cookies);
	}
	if (body)
		json_object_set_new(headers, "Content-Type", json_string("application/json"));
	full = session ? text_format("%s%csession=%s", url, strchr(url, '?') ? '&' : '?', session) :
	    text_format("%s", url);
	answer = request_send_plain(r, method, full, headers, body, body ? strlen(body) : 0);
	free(full);
	if (session) {
		/* many steps must not use up the sessions of the user */
		full = text_format("/ajax/login?action=logout&session=%s", session);
		json_decref(request_send_plain(r, "GET", full, headers, NULL, 0));
		free(full);
	}
	json_decref(headers);
	json_decref(login);
	return answer;
}
