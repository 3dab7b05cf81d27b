/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Compares what is no JSON: mail octets, files, HTML answers to uploads, vCard, iCalendar. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"
#include "tokens.h"

/* Where the last comparison failed, for the report. */
static const char *failed_rec, *failed_rep;

/* Two texts are walked together; where both have a token of one type at the same place, the
 * pair is compared with what is known, or learned. */
bool
compare_string_equal(struct xchg *x, const char *rec, const char *rep)
{
	const char *a = rec, *b = rep;

	while (*a && *b) {
		bool start = a == rec || !isalnum((unsigned char)a[-1]);
		enum token ta = TOKEN_NONE, tb = TOKEN_NONE;
		size_t na = start ? tokens_at(a, &ta) : 0;
		size_t nb = start ? tokens_at(b, &tb) : 0;
		const char *known = NULL;
		char *wa, *wb;

		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b) && a - rec >= 3 &&
		    strncmp(a - 3, "id=", 3) == 0) {
			/* an id inside an address in a text: its kind is not known here */
			a += strspn(a, "0123456789");
			b += strspn(b, "0123456789");
			continue;
		}
		if (na == 0 || ta != tb) {
			if (*a != *b) {
				failed_rec = a;
				failed_rep = b;
				return false;
			}
			a++;
			b++;
			continue;
		}
		wa = strndup(a, na);
		wb = strndup(b, nb);
		if (ta == TOKEN_HEX || ta == TOKEN_UUID) {
			known = idmap_get(x->run->map, "token", wa);
			if (known && strcmp(known, wb)) {
				free(wa);
				free(wb);
				failed_rec = a;
				failed_rep = b;
				return false;
			}
			if (strcmp(wa, wb))
				idmap_put(x->run->map, "token", wa, wb);
		}
		free(wa);
		free(wb);
		a += na;
		b += nb;
	}
	failed_rec = a;
	failed_rep = b;
	return *a == *b;
}

json_t *
compare_callback(const char *html, char *name, size_t size)
{
	const char *p = strstr(html, "parent[\"");
	const char *open, *close = NULL;

	if (p == NULL)
		return NULL;
	p += strlen("parent[\"");
	snprintf(name, size, "%.*s", (int)strcspn(p, "\""), p);
	open = strstr(p, "({");
	for (const char *e = open; e && (e = strstr(e, "})")); e++)
		close = e;
	if (open == NULL || close == NULL)
		return NULL;
	return json_loadb(open + 1, (size_t)(close - open), JSON_REJECT_DUPLICATES, NULL);
}

/* Property names (with the BEGIN/END lines) of a vCard or iCalendar text, sorted lines. */
static json_t *
property_counts(const char *text)
{
	json_t *counts = json_object();

	for (const char *l = text; *l; ) {
		size_t len = strcspn(l, "\r\n");
		size_t n = strcspn(l, ":;\r\n");
		char *name;

		if (len && l[0] != ' ' && l[0] != '\t') {
			if (strncmp(l, "BEGIN:", 6) == 0 || strncmp(l, "END:", 4) == 0)
				n = len;
			name = strndup(l, n);
			json_object_set_new(counts, name, json_integer(
			    json_integer_value(json_object_get(counts, name)) + 1));
			free(name);
		}
		l += len;
		l += strspn(l, "\r\n");
	}
	return counts;
}

static void
compare_properties(struct xchg *x, const char *rec, const char *rep)
{
	json_t *a = property_counts(rec), *b = property_counts(rep);
	const char *name;
	json_t *v;
	char path[128];

	json_object_foreach(a, name, v) {
		json_int_t n = json_integer_value(json_object_get(b, name));

		snprintf(path, sizeof(path), "/%s", name);
		if (n != json_integer_value(v))
			diff(x, path, "%" JSON_INTEGER_FORMAT " times vs %" JSON_INTEGER_FORMAT,
			    json_integer_value(v), n);
	}
	json_object_foreach(b, name, v) {
		snprintf(path, sizeof(path), "/%s", name);
		if (json_object_get(a, name) == NULL)
			diff(x, path, "absent vs %" JSON_INTEGER_FORMAT " times", json_integer_value(v));
	}
	json_decref(a);
	json_decref(b);
}

static void
compare_upload_answer(struct xchg *x, json_t *a, const char *name, const char *rep)
{
	char other[64] = "";
	json_t *b = compare_callback(rep, other, sizeof(other));

	if (b == NULL)
		diff(x, "@text", "upload answer %s vs %.40s", name, rep);
	else if (strcmp(name, other))
		diff(x, "@callback", "%s vs %s", name, other);
	if (b)
		compare_json_answer(x, a, b);
	json_decref(b);
}

void
compare_text(struct xchg *x, const char *path, const char *mime, const char *rec, const char *rep)
{
	char name[64] = "";
	json_t *upload = compare_callback(rec, name, sizeof(name));
	int status = (int)json_integer_value(json_object_get(x->response, "status"));

	if (upload) {
		compare_upload_answer(x, upload, name, rep);
		json_decref(upload);
		return;
	}
	if (status >= 400)
		return;		/* the page of an HTTP error is the server's property */
	if (strstr(mime, "vcard") || strstr(mime, "text/calendar")) {
		compare_properties(x, rec, rep);
		return;
	}
	if (compare_string_equal(x, rec, rep))
		return;
	diff(x, path, "at %zu: %.60s vs %.60s", (size_t)(failed_rec - rec), failed_rec, failed_rep);
}
