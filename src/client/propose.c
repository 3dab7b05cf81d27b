/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Another time is proposed by a mail with METHOD:COUNTER (RFC 5546 section 3.2.7), since OX has no way of its own for those who are invited.
 * X-MS-OLK-ORIGINALSTART and -END say that nothing but the time is another one: by these, OX and others offer to take it over.
 */
#include "client/client_int.h"

#include <string.h>
#include <time.h>

static const char *
text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static void
add_time(struct buf *b, const char *name, msec_t t)
{
	time_t s = (time_t)(t / 1000);
	char text[20] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
	buf_addf(b, "%s:%s\r\n", name, text);
}

/* A TEXT of RFC 5545, folded at 60 octets, between characters. */
static void
add_text(struct buf *b, const char *name, const char *s)
{
	size_t at = strlen(name) + 1;

	buf_addf(b, "%s:", name);
	for (; *s != '\0'; s++) {
		if (at >= 60 && ((unsigned char)*s & 0xc0) != 0x80) {
			buf_adds(b, "\r\n ");
			at = 1;
		}
		if (strchr("\\;,", *s) != NULL)
			buf_addc(b, '\\');
		if (*s == '\n')
			buf_adds(b, "\\n");
		else if ((unsigned char)*s >= 0x20)
			buf_addc(b, *s);
		at++;
	}
	buf_adds(b, "\r\n");
}

static void
add_calendar(struct buf *b, const struct client *c, const struct cobject *o, const char *response, const char *mail, msec_t now, msec_t from, msec_t to)
{
	const json_t *was = o->base;

	buf_adds(b, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//usmd//usmsync//EN\r\nMETHOD:COUNTER\r\nBEGIN:VEVENT\r\n");
	add_text(b, "UID", text_of(was, "uid"));
	add_time(b, "DTSTAMP", now);
	add_time(b, "DTSTART", from);
	add_time(b, "DTEND", to);
	add_time(b, "X-MS-OLK-ORIGINALSTART", json_integer_value(json_object_get(was, "start_date")));
	add_time(b, "X-MS-OLK-ORIGINALEND", json_integer_value(json_object_get(was, "end_date")));
	add_text(b, "SUMMARY", text_of(was, "title"));
	buf_addf(b, "SEQUENCE:%lld\r\n", (long long)json_integer_value(json_object_get(was, "sequence")));
	buf_addf(b, "ORGANIZER:mailto:%s\r\n", text_of(was, "organizer"));
	buf_addf(b, "ATTENDEE;PARTSTAT=%s:mailto:%s\r\n", strcmp(response, "decline") == 0 ? "DECLINED" : "TENTATIVE", mail);
	if (c->o.message != NULL)
		add_text(b, "COMMENT", c->o.message);
	buf_adds(b, "END:VEVENT\r\nEND:VCALENDAR\r\n");
}

/* A header field holds no line breaks; what is not ASCII goes as an encoded word. */
static void
add_subject(struct buf *b, const char *title)
{
	struct buf text;

	buf_init(&text, 4096);
	buf_addf(&text, "New time proposed: %.200s", title);
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < 0x20)
			text.p[i] = ' ';
	while (text.len > 0 && !text.failed && !utf8_valid(text.p, text.len)) /* cut in the middle of a character */
		text.len--;
	buf_adds(b, "Subject: =?UTF-8?B?");
	base64_encode(b, text.p != NULL ? text.p : "", text.len);
	buf_adds(b, "?=\r\n");
	buf_fini(&text);
}

static void
add_part(struct buf *b, const char *type, const char *p, size_t n)
{
	struct buf text;

	buf_init(&text, b->max);
	base64_encode(&text, p, n);
	buf_addf(b, "--=_usmsync\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n", type);
	for (size_t i = 0; i < text.len; i += 76)
		buf_addf(b, "%.*s\r\n", (int)(text.len - i < 76 ? text.len - i : 76), text.p + i);
	buf_fini(&text);
}

static void
add_mail(struct buf *b, const struct client *c, const struct cobject *o, const char *response, const char *mail, msec_t now, msec_t from, msec_t to)
{
	const char *message = c->o.message != NULL ? c->o.message : "Could we meet at another time?";
	time_t s = (time_t)(now / 1000);
	struct buf ics;
	struct tm tm;
	char date[64] = "";

	if (gmtime_r(&s, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	buf_init(&ics, b->max);
	add_calendar(&ics, c, o, response, mail, now, from, to);
	buf_addf(b, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\n", mail, text_of(o->base, "organizer"), date);
	add_subject(b, text_of(o->base, "title"));
	buf_adds(b, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_usmsync\"\r\n\r\n");
	add_part(b, "text/plain; charset=UTF-8", message, strlen(message));
	add_part(b, "text/calendar; method=COUNTER; charset=UTF-8", ics.p != NULL ? ics.p : "", ics.len);
	buf_adds(b, "--=_usmsync--\r\n");
	buf_fini(&ics);
}

/* The user's own mail address, as the server knows him by the name that he logs in with. */
static enum rc
own_mail(struct client *c, char *out, size_t size, struct err *e)
{
	json_int_t now = now_ms(), then = now + 1000;
	json_t *body = json_pack("{s:[{s:s}],s:I,s:I}", "who", strchr(c->o.user, '@') != NULL ? "mail" : "name", c->o.user, "from", now, "to", then), *data = NULL;
	enum rc rc = net_call(c->net, "getFreeBusy", body, 120, &data, e);

	(void)snprintf(out, size, "%s", text_of(json_array_get(json_object_get(data, "attendees"), 0), "mail"));
	if (rc == RC_OK && (out[0] == '\0' || strpbrk(out, "<>\r\n ") != NULL))
		rc = err_set(e, RC_PROTO, "the server does not know a mail address of %s, so that no proposal can be sent", c->o.user);
	json_decref(body);
	json_decref(data);
	return rc;
}

/* The name of this sending and when it began, kept until it is out: a run that is repeated sends the same mail. */
static enum rc
begun(struct client *c, const char *key, char id[33], msec_t *now, struct err *e)
{
	char *kept = state_get(c, key), text[80];
	unsigned char rnd[16];
	int64_t at;
	enum rc rc = RC_OK;

	if (kept != NULL && strlen(kept) > 33 && kept[32] == ' ' && parse_i64(kept + 33, 0, INT64_MAX, &at)) {
		(void)snprintf(id, 33, "%.32s", kept);
		*now = at;
	} else {
		random_bytes(rnd, sizeof(rnd));
		hex_encode(rnd, sizeof(rnd), id);
		*now = now_ms();
		(void)snprintf(text, sizeof(text), "%s %lld", id, (long long)*now);
		rc = state_set(c, key, text, e);
	}
	mem_free(kept);
	return rc;
}

enum rc
propose_mail(struct client *c, const struct cobject *o, const char *response, msec_t from, msec_t to, struct err *e)
{
	char mail[330], key[120], id[33] = "";
	struct buf raw;
	msec_t now = 0;
	enum rc rc;

	if (strchr(text_of(o->base, "organizer"), '@') == NULL || strpbrk(text_of(o->base, "organizer"), "<>\r\n ") != NULL)
		return err_set(e, RC_PROTO, "has no organizer with a mail address, so that nothing can be proposed");
	rc = own_mail(c, mail, sizeof(mail), e);
	(void)snprintf(key, sizeof(key), "propose %s %lld %lld", o->uuid, (long long)from, (long long)to);
	if (rc == RC_OK)
		rc = begun(c, key, id, &now, e);
	buf_init(&raw, 1 << 20);
	if (rc == RC_OK) {
		add_mail(&raw, c, o, response, mail, now, from, to);
		rc = raw.failed ? err_set(e, RC_NOMEM, "out of memory for a proposal") : send_octets(c, key, id, &raw, "the proposal", e);
	}
	buf_fini(&raw);
	if (rc == RC_OK)
		say(c, "proposed to the organizer");
	return rc;
}
