/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Searching at OX, a page at a time.  Nothing of a search is kept: each page asks OX anew and goes on behind the object that its cursor names, so no
 * result outlives the rights that it was found with.
 */
#include "usmd/service.h"

#include <stdio.h>
#include <string.h>

#define QUERY_OCTETS 8 /* of the digest of what is looked for */

/* A cursor, as octets: for what, how many came before, and which was the last. */
struct position {
	unsigned char query[QUERY_OCTETS];
	uint32_t passed;
	struct uuid last;
};
#define POSITION_OCTETS (QUERY_OCTETS + 4 + sizeof(struct uuid))

_Static_assert(2 * POSITION_OCTETS < SERVICE_CURSOR, "a cursor fits its text");

static void
add_text(struct buf *b, const char *s)
{
	buf_addf(b, "%c%zu:%s", s != NULL ? 't' : 'n', s != NULL ? strlen(s) : 0, s != NULL ? s : "");
}

/* Another query, another digest: the pages of one search are not those of another. */
static enum rc
digest(const struct service_search *q, unsigned char out[QUERY_OCTETS], struct err *e)
{
	unsigned char hash[32];
	char folder[UUID_TEXT] = "";
	struct buf b;
	bool ok;

	if (q->folder != NULL)
		uuid_format(q->folder, folder);
	buf_init(&b, 0);
	buf_addf(&b, "%d %s %u %u %lld %lld", (int)q->ct, folder, q->set, q->clear, (long long)q->after, (long long)q->before);
	add_text(&b, q->text);
	add_text(&b, q->from);
	add_text(&b, q->to);
	add_text(&b, q->subject);
	add_text(&b, q->body);
	ok = !b.failed;
	if (ok)
		sha256(b.p, b.len, hash);
	buf_fini(&b);
	if (!ok)
		return err_set(e, RC_NOMEM, "out of memory for a search");
	memcpy(out, hash, QUERY_OCTETS);
	return RC_OK;
}

static void
cursor_write(const struct position *p, char out[SERVICE_CURSOR])
{
	unsigned char raw[POSITION_OCTETS];

	memcpy(raw, p->query, QUERY_OCTETS);
	for (int i = 0; i < 4; i++)
		raw[QUERY_OCTETS + i] = (unsigned char)(p->passed >> 8 * i);
	memcpy(raw + QUERY_OCTETS + 4, p->last.b, sizeof(p->last.b));
	hex_encode(raw, sizeof(raw), out);
}

static enum rc
cursor_read(const char *text, const unsigned char query[QUERY_OCTETS], struct position *p, struct err *e)
{
	unsigned char raw[POSITION_OCTETS];

	if (strlen(text) != 2 * sizeof(raw) || !hex_decode(text, raw, sizeof(raw)) || memcmp(raw, query, QUERY_OCTETS) != 0)
		return err_set_path(e, RC_PROTO, "cursor", "this is no cursor of this very search; leave it out to begin anew");
	p->passed = 0;
	for (int i = 0; i < 4; i++)
		p->passed |= (uint32_t)raw[QUERY_OCTETS + i] << 8 * i;
	memcpy(p->last.b, raw + QUERY_OCTETS + 4, sizeof(p->last.b));
	return RC_OK;
}

/* ---- what is asked of OX ---- */

static enum rc
words(struct arena *a, const char *text, const char **out, size_t *n, struct err *e)
{
	char *rest = NULL, *copy = arena_strdup(a, text);

	if (copy == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a search");
	for (char *w = strtok_r(copy, " \t", &rest); w != NULL; w = strtok_r(NULL, " \t", &rest)) {
		if (*n == SERVICE_WORDS)
			return err_set_path(e, RC_PROTO, "text", "has more than %d words", SERVICE_WORDS);
		out[(*n)++] = w;
	}
	return *n > 0 ? RC_OK : err_set_path(e, RC_PROTO, "text", "has no word in it");
}

/* The user does not have the module: it has no folders, or is not there. */
static enum rc
absent(const struct service_search *q, struct err *e)
{
	enum rc rc = err_set(e, RC_UPSTREAM, "objects of the type %s cannot be searched here", model_content(q->ct)->name);

	if (e != NULL)
		(void)snprintf(e->code, sizeof(e->code), "%s", SERVICE_ABSENT);
	return rc;
}

static enum rc
ask(struct engine_session *s, struct arena *a, const struct service_search *q, const struct engine_folder *places, size_t n_places, struct ox_hit **hits,
    size_t *n, bool *cut, struct err *e)
{
	const char *word[SERVICE_WORDS];
	const char **folders = arena_array(a, const char *, n_places + 1);
	struct ox_search x = { .ct = q->ct, .words = word, .from = q->from, .to = q->to, .subject = q->subject, .body = q->body, .set = q->set, .clear = q->clear,
		.after = q->after, .before = q->before, .max = SERVICE_FINDS };
	enum rc rc = folders != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a search");

	if (rc == RC_OK && q->body != NULL && q->body[strspn(q->body, " *?\\")] == '\0') /* see ox_search: nothing would be left to look for */
		rc = err_set_path(e, RC_PROTO, "body", "has nothing in it but * ? \\, which cannot be looked for alone in the text of mails");
	if (rc == RC_OK && q->text != NULL)
		rc = words(a, q->text, word, &x.n_words, e);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n_places; i++)
		folders[i] = places[i].oxid;
	x.folders = folders;
	x.n_folders = n_places;
	rc = ox_search(engine_session_ox(s), a, &x, hits, n, cut, e);
	if (rc != RC_OK && (strcmp(e->code, "HTTP-404") == 0 || strcmp(e->code, "SVL-0007") == 0 || strcmp(e->code, "SVL-0021") == 0))
		rc = absent(q, e); /* the module is not there, or does not search */
	return rc;
}

/* ---- a page ---- */

/* Where the page behind P begins. */
static size_t
begin_of(struct engine_session *s, const struct service_search *q, const struct engine_folder *places, const struct ox_hit *hit, size_t n, const struct position *p)
{
	for (size_t i = 0; i < n; i++) {
		struct uuid mark;

		engine_mark(s, q->ct, places[hit[i].folder].oxid, hit[i].id, &mark);
		if (memcmp(mark.b, p->last.b, sizeof(mark.b)) == 0)
			return i + 1;
	}
	/* it has gone, and what was behind it has moved up by one: rather once more than left out */
	return p->passed < n ? (p->passed > 0 ? p->passed - 1 : 0) : n;
}

/* Only those mails of the page whose text has it, special characters and all; the page becomes shorter, and its end stays where it is. */
static enum rc
look_through(struct engine_session *s, const struct service_search *q, struct service_found *out, struct err *e)
{
	size_t n = 0;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < out->n && rc == RC_OK; i++) {
		const struct engine_found *f = &out->v[i];
		bool yes;

		rc = ox_mail_says(engine_session_ox(s), f->place->oxid, f->id, f->oxid, q->body, &yes, e);
		if (rc == RC_NOTFOUND)
			rc = RC_OK;
		if (yes)
			out->v[n++] = *f;
	}
	out->n = rc == RC_OK ? n : 0;
	return rc;
}

static enum rc
page(struct engine_session *s, struct arena *a, const struct service_search *q, const struct engine_folder *places, const struct ox_hit *hit, size_t n,
    struct position *p, struct service_found *out, struct err *e)
{
	size_t from = q->cursor != NULL ? begin_of(s, q, places, hit, n, p) : 0, limit = q->limit < SERVICE_PAGE ? q->limit : SERVICE_PAGE;
	const struct ox_hit *last;
	enum rc rc;

	out->v = arena_array(a, struct engine_found, limit + 1);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a search");
	out->n = n - from < limit ? n - from : limit;
	for (size_t i = 0; i < out->n; i++) {
		memset(&out->v[i], 0, sizeof(out->v[i]));
		out->v[i].place = &places[hit[from + i].folder];
		out->v[i].id = hit[from + i].id;
		out->v[i].oxid = hit[from + i].oxid;
	}
	out->more = from + out->n < n;
	if (out->more && out->n > 0) {
		last = &hit[from + out->n - 1];
		p->passed = (uint32_t)(from + out->n);
		engine_mark(s, q->ct, places[last->folder].oxid, last->id, &p->last);
		cursor_write(p, out->cursor);
	}
	rc = q->body != NULL && !ox_body_exact(q->body) ? look_through(s, q, out, e) : RC_OK;
	return rc == RC_OK ? engine_found(s, a, q->ct, out->v, out->n, e) : rc;
}

enum rc
service_search(struct engine_session *s, struct arena *a, const struct service_search *q, struct service_found *out, struct err *e)
{
	struct position p = { .passed = 0 };
	struct engine_folder *places;
	struct ox_hit *hits = NULL;
	size_t n_places, n = 0;
	enum rc rc = digest(q, p.query, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK && q->cursor != NULL)
		rc = cursor_read(q->cursor, p.query, &p, e);
	if (rc == RC_OK)
		rc = engine_folders(s, a, q->ct, q->folder, &places, &n_places, e);
	if (rc == RC_OK && n_places == 0)
		rc = absent(q, e);
	if (rc == RC_OK)
		rc = ask(s, a, q, places, n_places, &hits, &n, &out->cut, e);
	if (rc == RC_OK)
		rc = page(s, a, q, places, hits, n, &p, out, e);
	return rc;
}

void
service_found_done(struct service_found *f)
{
	engine_found_done(f->v, f->n);
	f->n = 0;
}
