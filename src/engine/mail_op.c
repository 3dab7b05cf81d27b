/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The notes about mails that were sent, stored, copied, moved, replaced.  OX gives a mail no uid of ours and a new number wherever it
 * goes, so what became of a request without an answer is found out by looking for the mail: by its Message-ID where we gave OX the octets,
 * by Message-ID, size and date of arrival where OX moved or copied them.  Only keyed hashes of these are kept.
 */
#include "engine/mail_int.h"

#include <string.h>
#include <strings.h>

#define KEPT_MS (84 * DAY_MS) /* as long as OX remembers deletions: a client that repeats a request after that is a new one */

enum rc
mail_place_open(struct op *op, const char *oxid, struct mail_place *p, struct err *e)
{
	struct store_folder f = { .ct = CT_MAIL };
	enum rc rc;

	memset(p, 0, sizeof(*p));
	p->oxid = oxid;
	p->topic = tag_of_folder(op->g, op->s->n->account, CT_MAIL, oxid);
	rc = ox_mail_examine(op->s->ox, oxid, &p->x, e);
	f.validity = p->x.validity;
	p->tag = tag_of_index(op->g, p->topic, &f);
	return rc;
}

void
mail_place_uuid(const struct op *op, const struct mail_place *p, int64_t uid, struct uuid *out)
{
	uuid_make(op->g->keys, p->tag, uid, out);
}

/* ---- marks ---- */

uint64_t
mail_mark_id(const struct op *op, const char *message_id, size_t n)
{
	size_t from = 0, to;
	uint64_t h;

	while (from < n && strchr(" \t\r\n<", message_id[from]) != NULL)
		from++;
	for (to = from; to < n && strchr(" \t\r\n>", message_id[to]) == NULL; to++)
		;
	h = siphash24(op->g->topic_key, message_id + from, to - from);
	return to > from && h != 0 ? h : 1;
}

uint64_t
mail_mark(const struct op *op, const struct ox_mail_head *h)
{
	uint64_t v[3] = { mail_mark_id(op, h->message_id, h->message_id_len), (uint64_t)h->size, (uint64_t)h->received };

	return siphash24(op->g->topic_key, v, sizeof(v));
}

uint64_t
mail_digest(const struct op *op, const void *raw, size_t n)
{
	uint64_t h = siphash24(op->g->topic_key, raw, n);

	return h != 0 ? h : 1;
}

/* ---- notes ---- */

const char *
mail_key(struct op *op, char kind, const char *name)
{
	return arena_printf(op->a, "%c:%s", kind, name);
}

const char *
mail_key_uuid(struct op *op, char kind, const struct uuid *u)
{
	char text[UUID_TEXT];

	uuid_format(u, text);
	return mail_key(op, kind, text);
}

struct mail_op
mail_op_begin(const struct engine *g, const struct mail_place *p, uint64_t mark)
{
	return (struct mail_op){ .state = MAIL_OP_PENDING, .at = store_clock(g->store), .expires = now_ms() + KEPT_MS, .place = p->topic,
		.validity = p->x.validity, .mail = (int64_t)p->x.next, .mark = mark };
}

enum rc
mail_op_get(struct op *op, const char *key, struct mail_op *o, bool *known, struct err *e)
{
	enum rc rc = key != NULL ? store_mailop_get(op->c, op->s->n->device_id, key, o, e) : err_set(e, RC_NOMEM, "out of memory for a mail");

	*known = rc == RC_OK;
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

enum rc
mail_op_put(struct op *op, const char *key, struct mail_op *o, enum mail_op_state state, struct err *e)
{
	o->state = state;
	return key != NULL ? store_mailop_put(op->c, op->s->n->device_id, key, o, e) : err_set(e, RC_NOMEM, "out of memory for a mail");
}

void
mail_op_unanswered(struct op *op, const char *key, struct mail_op *o)
{
	struct err e;

	o->at = store_clock(op->g->store);
	if (mail_op_put(op, key, o, MAIL_OP_PENDING, &e) != RC_OK)
		log_error("mail-op", "%s", e.text);
}

bool
mail_op_may_run(const struct op *op, const struct mail_op *o)
{
	msec_t at = o->at < op->g->started ? op->g->started : o->at;

	return o->state == MAIL_OP_PENDING && store_clock(op->g->store) - at < op->g->o.late_max_ms;
}

struct wanted {
	const struct op *op;
	uint64_t mark;
	bool by_id;
};

static bool
is_wanted(const void *arg, const struct ox_mail_head *h)
{
	const struct wanted *w = arg;

	if (w->by_id)
		return h->message_id_len > 0 && mail_mark_id(w->op, h->message_id, h->message_id_len) == w->mark;
	return mail_mark(w->op, h) == w->mark;
}

enum rc
mail_op_find(struct op *op, const struct mail_place *p, const struct mail_op *o, bool by_id, int64_t *uid, struct err *e)
{
	struct wanted arg = { .op = op, .mark = o->mark, .by_id = by_id };
	/* uids begin anew with another UIDVALIDITY: what they were says nothing of those that are now */
	struct ox_mail_wanted w = { .is = is_wanted, .arg = &arg, .from = o->validity == p->x.validity ? o->mail : 0 };

	return ox_mail_find(op->s->ox, p->oxid, &w, uid, e);
}

/* ---- the octets ---- */

/* Length of the field NAME with its colon at the begin of LINE, 0 = another one; blanks between them are of old mails (RFC 5322 section 4.5). */
static size_t
field_is(const char *line, size_t l, const char *name)
{
	size_t k = strlen(name);

	if (l <= k || strncasecmp(line, name, k) != 0)
		return 0;
	while (k < l && (line[k] == ' ' || line[k] == '\t'))
		k++;
	return k < l && line[k] == ':' ? k + 1 : 0;
}

static const char *
header_value(const char *raw, size_t n, const char *name, size_t *len)
{

	for (size_t i = 0; i < n;) {
		const char *line = raw + i;
		const char *end = memchr(line, '\n', n - i);
		size_t l = end != NULL ? (size_t)(end - line) + 1 : n - i, nl = field_is(line, l, name);

		if (l == 1 || (l == 2 && line[0] == '\r'))
			return NULL; /* end of the header */
		if (nl != 0) {
			size_t next = i + l;

			while (next < n && (raw[next] == ' ' || raw[next] == '\t')) { /* folded */
				const char *e2 = memchr(raw + next, '\n', n - next);

				next = e2 != NULL ? (size_t)(e2 - raw) + 1 : n;
			}
			*len = next - i - nl;
			return line + nl;
		}
		i += l;
	}
	return NULL;
}

/* Is there a field before the first empty line?  OX takes text without one, too, and puts a header behind it. */
static bool
has_header(const char *raw, size_t n)
{
	const char *end;

	for (size_t i = 0; i < n; i = (size_t)(end - raw) + 1) {
		size_t k = i;

		end = memchr(raw + i, '\n', n - i);
		if (raw[i] == '\n' || (raw[i] == '\r' && end == raw + i + 1))
			return false;
		while (k < n && raw[k] > 32 && raw[k] < 127 && raw[k] != ':')
			k++;
		for (; k > i && k < n && (raw[k] == ' ' || raw[k] == '\t'); k++) /* RFC 5322 section 4.5 */
			;
		if (k > i && k < n && raw[k] == ':')
			return true;
		if (end == NULL)
			return false;
	}
	return false;
}

enum rc
mail_octets(struct op *op, const char *seed, const void **raw, size_t *n, struct buf *buf, const char **message_id, struct err *e)
{
	const char *v, *open, *close = NULL;
	size_t len = 0;

	*message_id = NULL;
	buf_init(buf, *n + 2048);
	if (*raw == NULL || *n == 0)
		return err_set_path(e, RC_PROTO, "raw", "a new mail needs its RFC 822 octets in `raw`");
	if (*n > op->g->o.max_mail_bytes) {
		(void)err_set_path(e, RC_LIMIT, "raw", "The mail has %zu bytes, %zu are possible", *n, op->g->o.max_mail_bytes);
		err_set_length(e, (int64_t)*n, (int64_t)op->g->o.max_mail_bytes);
		return RC_LIMIT;
	}
	if (!has_header(*raw, *n))
		return err_set_path(e, RC_PROTO, "raw", "These octets are no mail: they begin with no header (RFC 5322)");
	v = header_value(*raw, *n, "message-id", &len);
	open = v != NULL ? memchr(v, '<', len) : NULL;
	if (open != NULL)
		close = memchr(open, '>', len - (size_t)(open - v));
	if (close != NULL && close - open > 1 && close - open < 900) {
		char *id = arena_memdup(op->a, open, (size_t)(close - open) + 2);

		if (id == NULL)
			return err_set(e, RC_NOMEM, "out of memory for a mail");
		id[close - open + 1] = '\0';
		*message_id = id;
		return RC_OK;
	}
	/* RFC 5322 section 3.6.4: a mail should have one; without it a lost answer could double the mail */
	*message_id = arena_printf(op->a, "<%s@usmd.invalid>", client_uid_format(op->a, op->s->n->owner, seed));
	buf_addf(buf, "Message-ID: %s\r\n", *message_id);
	buf_add(buf, *raw, *n);
	if (*message_id == NULL || buf->failed)
		return err_set(e, RC_NOMEM, "out of memory for a mail");
	*raw = buf->p;
	*n = buf->len;
	return RC_OK;
}
