/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a password has to be, and its change. */
#include "usmd/service.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MIN 3 /* characters of a name below which it may well be a part of a password */

enum { LOWER, UPPER, DIGIT, OTHER, FOREIGN, CLASSES };

struct made_of {
	bool has[CLASSES];
	unsigned length, distinct; /* characters */
};

/* The character at *P, which moves on; what is no UTF-8 counts octet by octet. */
static uint32_t
next(const unsigned char **p)
{
	uint32_t c = *(*p)++;
	unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	for (; more > 0 && (**p & 0xc0) == 0x80; more--)
		c = c << 8 | *(*p)++;
	return c;
}

static int
class_of(uint32_t c)
{
	if (c >= 'a' && c <= 'z')
		return LOWER;
	if (c >= 'A' && c <= 'Z')
		return UPPER;
	if (c >= '0' && c <= '9')
		return DIGIT;
	return c < 0x80 ? OTHER : FOREIGN;
}

static void
take_apart(const char *password, struct made_of *m)
{
	const unsigned char *p = (const unsigned char *)password;

	memset(m, 0, sizeof(*m));
	while (*p != '\0') {
		const unsigned char *before = (const unsigned char *)password;
		uint32_t c = next(&p);
		bool seen = false;

		for (unsigned i = 0; i < m->length && !seen; i++)
			seen = next(&before) == c;
		m->has[class_of(c)] = true;
		m->length++;
		m->distinct += !seen;
	}
}

/* 16 times the binary logarithm of V > 0, cut. */
static unsigned
log2_sixteenths(unsigned v)
{
	unsigned whole = 0, out;
	uint64_t x;

	while (v >> (whole + 1) != 0)
		whole++;
	out = whole * 16;
	x = ((uint64_t)v << 32) >> whole; /* 1 to 2, 32 binary places */
	for (unsigned bit = 8; bit > 0; bit /= 2) {
		x = (x >> 16) * (x >> 16);
		if (x >= UINT64_C(2) << 32) {
			x /= 2;
			out += bit;
		}
	}
	return out;
}

/* Bits that somebody who knows of which characters it is made has to guess, repetitions counting half at most. */
static enum service_strength
strength_of(const struct made_of *m)
{
	static const unsigned of_class[CLASSES] = { [LOWER] = 26, [UPPER] = 26, [DIGIT] = 10, [OTHER] = 33, [FOREIGN] = 100 };
	static const unsigned from[] = { [STRENGTH_WEAK] = 30, [STRENGTH_FAIR] = 45, [STRENGTH_GOOD] = 60, [STRENGTH_STRONG] = 80 };
	unsigned counted = m->length < 2 * m->distinct ? m->length : 2 * m->distinct, pool = 0, bits;
	enum service_strength s = STRENGTH_VERY_WEAK;

	for (int i = 0; i < CLASSES; i++)
		pool += m->has[i] ? of_class[i] : 0;
	bits = pool > 0 ? counted * log2_sixteenths(pool) / 16 : 0;
	while (s < STRENGTH_STRONG && bits >= from[s + 1])
		s++;
	return s;
}

const char *
service_strength_name(enum service_strength s)
{
	static const char *const names[] = { "very-weak", "weak", "fair", "good", "strong" };

	return names[s];
}

static bool
contains(const char *text, const char *part, size_t n)
{
	for (; *text != '\0'; text++)
		if (strncasecmp(text, part, n) == 0)
			return true;
	return false;
}

enum rc
service_password_judge(const struct service_password_rules *r, const char *name, const char *password, enum service_strength *strength, struct err *e)
{
	size_t name_len = strcspn(name, "@");
	struct made_of m;
	unsigned classes = 0;

	take_apart(password, &m);
	if (strength != NULL)
		*strength = strength_of(&m);
	for (int i = 0; i < OTHER; i++)
		classes += m.has[i];
	classes += m.has[OTHER] || m.has[FOREIGN];
	if (m.length < r->min_length) {
		(void)err_set(e, RC_PROTO, "must have at least %u characters", r->min_length);
	} else if (classes < r->min_classes) {
		(void)err_set(e, RC_PROTO, "must be made of at least %u of: lower case letters, upper case letters, digits, other characters", r->min_classes);
	} else if (name_len >= NAME_MIN && contains(password, name, name_len)) {
		(void)err_set(e, RC_PROTO, "must not contain the login name");
	} else {
		for (const char *p = password; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				return err_set(e, RC_PROTO, "must not hold control characters");
		return RC_OK;
	}
	return RC_PROTO;
}

/* What OX said, about which of the two it is; that it has no such function is no fault of either. */
static enum rc
explain(enum rc rc, struct err *e)
{
	static const char *const absent[] = { "USR-0013", "PWCHANGE-0003", "HTTP-404", "SVL-0021", "SVL-0001" };

	for (size_t i = 0; i < ARRAY_LEN(absent) && (rc == RC_FORBIDDEN || rc == RC_UPSTREAM); i++)
		if (strcmp(e->code, absent[i]) == 0) {
			rc = err_set(e, RC_UPSTREAM, "The groupware server does not let this user change his password; ask the administrator");
			(void)snprintf(e->code, sizeof(e->code), "%s", SERVICE_ABSENT);
			return rc;
		}
	if (rc == RC_PROTO || rc == RC_LIMIT)
		(void)snprintf(e->path, sizeof(e->path), "%s", strcmp(e->code, OX_WRONG_PASSWORD) == 0 ? "oldPassword" : "newPassword");
	return rc;
}

enum rc
service_password_change(struct engine_session *s, const struct service_password_rules *r, const struct engine_password *in, enum service_strength *strength,
    size_t *ended, struct err *e)
{
	enum rc rc = service_password_judge(r, ox_session_name(engine_session_ox(s)), in->is, strength, e);

	*ended = 0;
	if (rc == RC_OK && strcmp(in->was, in->is) == 0)
		rc = err_set(e, RC_PROTO, "is the old one");
	if (rc != RC_OK) {
		(void)snprintf(e->path, sizeof(e->path), "newPassword");
		return rc;
	}
	rc = engine_password_change(s, in, ended, e);
	return rc == RC_OK || (rc == RC_LIMIT && e->retry_after_s > 0) ? rc : explain(rc, e);
}
