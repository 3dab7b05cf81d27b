/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Compares whole answers: status, headers, cookies, the envelope and its timestamp.  What is
 * inside data is compared in compare.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compare_int.h"
#include "tokens.h"

const char *
response_header(const json_t *response, const char *name)
{
	json_t *h;
	size_t i;

	json_array_foreach(json_object_get(response, "headers"), i, h)
		if (strcasecmp(json_string_value(json_array_get(h, 0)), name) == 0)
			return json_string_value(json_array_get(h, 1));
	return NULL;
}

/* --- envelopes ---------------------------------------------------------------------------------- */

/* A write makes a new instant; a read may answer one that is known. */
static bool
is_write(const struct xchg *x)
{
	static const char *const writes[] = { "new", "update", "delete", "confirm", "attach", "detach",
		"copy", "move", NULL };
	const char *action = request_param(x->request, "action");

	return action && compare_one_of(action, writes);
}

static void
cmp_envelope_time(struct env *e, const char *path, json_t *rec, json_t *rep)
{
	int64_t a = json_integer_value(rec), b = json_integer_value(rep);
	bool asked = e->req_rec >= 0 && e->req_rec < INT64_C(9000000000000000);

	if (!json_is_integer(rec) || !json_is_integer(rep)) {
		compare_differ(e, path, "type", rec, rep);
	} else if (a == 0 || b == 0) {
		if (a != b)
			compare_differ(e, path, "value", rec, rep);
	} else if (e->req_rec >= 0 && a == e->req_rec) {
		if (b != e->req_rep)
			diff(e->x, path, "the timestamp of the request vs %" PRId64 ", sent %" PRId64, b,
			    e->req_rep);
	} else if (asked && a > e->req_rec && b <= e->req_rep) {
		diff(e->x, path, "later than the timestamp of the request vs %" PRId64 ", sent %" PRId64,
		    b, e->req_rep);
	} else if (a > *e->x->rec_max && *e->x->rec_max && b < *e->x->rep_max + is_write(e->x)) {
		diff(e->x, path, "later than every timestamp before vs %" PRId64 ", before %" PRId64, b,
		    *e->x->rep_max);
	} else if (compare_is_server_time(e, a)) {
		compare_time(e, path, a, b);
		*e->x->rec_max = a > *e->x->rec_max ? a : *e->x->rec_max;
		*e->x->rep_max = b > *e->x->rep_max ? b : *e->x->rep_max;
	} else if (a != b) {
		compare_differ(e, path, "value", rec, rep);
	}
}

static void
cmp_envelope(struct env *e, const char *path, json_t *rec, json_t *rep)
{
	char sub[PATH_SIZE], text[96];
	const char *key;
	json_t *v, *w;

	if (!json_is_object(rec) || !json_is_object(rep)) {
		compare_value(e, path, "", NULL, rec, rep);
		return;
	}
	v = json_object_get(rec, "code");
	w = json_object_get(rep, "code");
	if ((v == NULL) != (w == NULL)) {
		/* an error against none: the other members say nothing more */
		compare_child(sub, path, "code");
		compare_differ(e, sub, "error", v, w);
		return;
	}
	json_object_foreach(rec, key, v) {
		compare_child(sub, path, key);
		w = json_object_get(rep, key);
		if (w == NULL)
			diff(e->x, sub, "member %s vs absent", compare_brief(v, text, sizeof(text)));
		else if (strcmp(key, "timestamp") == 0)
			cmp_envelope_time(e, sub, v, w);
		else
			compare_value(e, sub, strcmp(key, "data") == 0 && (json_is_array(v) || json_is_string(v)) ?
			    "id" : key, e->kind, v, w);
	}
	json_object_foreach(rep, key, w) {
		compare_child(sub, path, key);
		if (json_object_get(rec, key) == NULL)
			diff(e->x, sub, "absent vs member %s", compare_brief(w, text, sizeof(text)));
	}
}

static void
parse_columns(struct env *e, const char *columns)
{
	char *end;

	for (const char *p = columns; p && *p && e->ncolumns < MAX_COLUMNS; p = *end ? end + 1 : end) {
		e->columns[e->ncolumns++] = (int)strtol(p, &end, 10);
		if (end == p)
			end += strcspn(p, ",");
	}
}

/* PARAMS: the query, or one member of the body of `multiple`. */
static struct env
make_env(struct xchg *x, const char *module, const json_t *params)
{
	struct env e = { .x = x, .module = module, .kind = request_kind(module), .req_rec = -1 };
	const json_t *t = json_object_get(params, "timestamp");
	const char *number = json_string_value(json_object_get(params, "module"));

	if (strcmp(module, "import") == 0)
		e.kind = strcmp(json_string_value(json_object_get(params, "action")), "VCARD") ? "event" : "contact";
	e.attached = request_kind_of_number(number ? (int)strtol(number, NULL, 10) : 0);
	parse_columns(&e, json_string_value(json_object_get(params, "columns")));
	e.folder = json_string_value(json_object_get(params, "folder"));
	e.sorted = json_object_get(params, "sort") != NULL;
	if (json_is_integer(t))
		e.req_rec = json_integer_value(t);
	else if (json_is_string(t) && compare_is_number(json_string_value(t)))
		e.req_rec = strtoll(json_string_value(t), NULL, 10);
	e.req_rep = e.req_rec > INT64_C(1000000000000) && e.req_rec < INT64_C(9000000000000) ?
	    idmap_time(x->run->map, e.req_rec) : e.req_rec;
	return e;
}

void
compare_json_answer(struct xchg *x, json_t *rec, json_t *rep)
{
	json_t *body = json_object_get(x->request, "body");
	struct env e;

	if (strcmp(x->module, "multiple") || !json_is_array(rec) || !json_is_array(rep)) {
		e = make_env(x, x->module, json_object_get(x->request, "query"));
		cmp_envelope(&e, "", rec, rep);
		return;
	}
	if (json_array_size(rec) != json_array_size(rep))
		diff(x, "", "%zu answers vs %zu", json_array_size(rec), json_array_size(rep));
	for (size_t i = 0; i < json_array_size(rec) && i < json_array_size(rep); i++) {
		json_t *item = json_array_get(body, i);
		const char *module = json_string_value(json_object_get(item, "module"));
		char path[24];

		snprintf(path, sizeof(path), "/%zu", i);
		e = make_env(x, module ? module : "", item);
		cmp_envelope(&e, path, json_array_get(rec, i), json_array_get(rep, i));
	}
}

/* --- the HTTP side --------------------------------------------------------------------------------- */

/* A set of cookie classes ("open-xchange-secret-*" counts as one name). */
static json_t *
cookie_names(const json_t *response)
{
	static const char *const classes[] = { "open-xchange-secret-", "open-xchange-public-session-",
		"open-xchange-session-", NULL };
	json_t *names = json_object(), *h;
	size_t i;

	json_array_foreach(json_object_get(response, "headers"), i, h) {
		const char *v = json_string_value(json_array_get(h, 1));
		char *name;

		if (strcasecmp(json_string_value(json_array_get(h, 0)), "Set-Cookie"))
			continue;
		name = strndup(v, strcspn(v, "="));
		for (const char *const *c = classes; *c; c++)
			if (strncmp(name, *c, strlen(*c)) == 0)
				name[strlen(*c)] = '\0';
		json_object_set_new(names, name, json_true());
		free(name);
	}
	return names;
}

static void
cmp_headers(struct xchg *x)
{
	static const char *const present[] = { "Content-Disposition", "ETag", "Last-Modified",
		"Retry-After", NULL };
	const char *a = response_header(x->response, "Content-Type");
	const char *b = response_header(x->answer, "Content-Type");
	json_t *ca = cookie_names(x->response), *cb = cookie_names(x->answer);
	char ta[96], tb[96];

	snprintf(ta, sizeof(ta), "%.*s", a ? (int)strcspn(a, "; ") : 4, a ? a : "none");
	snprintf(tb, sizeof(tb), "%.*s", b ? (int)strcspn(b, "; ") : 4, b ? b : "none");
	if (strcasecmp(ta, tb))
		diff(x, "@content-type", "%s vs %s", ta, tb);
	if (!json_equal(ca, cb))
		diff(x, "@set-cookie", "%s vs %s", compare_brief(ca, ta, sizeof(ta)), compare_brief(cb, tb, sizeof(tb)));
	for (const char *const *h = present; *h; h++) {
		a = response_header(x->response, *h);
		b = response_header(x->answer, *h);
		snprintf(ta, sizeof(ta), "@%s", *h);
		if ((a == NULL) != (b == NULL))
			diff(x, ta, "%s vs %s", a ? a : "absent", b ? b : "absent");
	}
	json_decref(ca);
	json_decref(cb);
}

static void
cmp_binary(struct xchg *x, const char *rec, const char *rep, const char *mime)
{
	size_t na, nb;
	char *a = tokens_base64(rec, &na), *b = tokens_base64(rep, &nb);
	/* the octets of an archive depend on the clock and the packer */
	bool equal = strstr(mime, "zip") ? strncmp(a, b, 2) == 0 :
	    na == nb && (memcmp(a, b, na) == 0 || compare_string_equal(x, a, b));

	if (!equal)
		diff(x, "@octets", "%zu octets %.40s vs %zu octets %.40s", na, rec, nb, rep);
	free(a);
	free(b);
}

void
compare_response(struct xchg *x)
{
	json_t *rec = json_object_get(x->response, "body"), *rep = json_object_get(x->answer, "body");
	int a = (int)json_integer_value(json_object_get(x->response, "status"));
	int b = (int)json_integer_value(json_object_get(x->answer, "status"));
	const char *mime = response_header(x->response, "Content-Type");
	static const char *const forms[] = { "json", "text", "base64", NULL };

	request_learn_cookies(x->run->map, x->response, x->answer);
	if (a != b)
		diff(x, "@status", "%d vs %d", a, b);
	cmp_headers(x);
	for (const char *const *f = forms; *f; f++) {
		json_t *v = json_object_get(rec, *f), *w = json_object_get(rep, *f);

		if (v == NULL)
			continue;
		if (w == NULL) {
			char text[160];

			diff(x, "@body", "%s vs %s", *f, compare_brief(rep, text, sizeof(text)));
		} else if (**f == 'j') {
			compare_json_answer(x, v, w);
		} else if (**f == 't') {
			compare_text(x, "@text", mime ? mime : "", json_string_value(v), json_string_value(w));
		} else {
			cmp_binary(x, json_string_value(v), json_string_value(w), mime ? mime : "");
		}
	}
}
