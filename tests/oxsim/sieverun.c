/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mail filter: rules at work on a mail that comes, after RFC 5228 (5230 vacation, 5232 flags, 5260 dates): the tests and actions that the v2 config
 * announces, but regex of more than one value, "notify", "set" and "string", which do nothing.
 */
#define _GNU_SOURCE /* strcasestr, FNM_CASEFOLD */
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "oxsim/mail.h"
#include "oxsim/sieve.h"

/* What becomes of the mail so far. */
struct fate {
	struct user *u;
	const char *p;
	size_t n;
	GMimeMessage *m;
	bool keep;       /* nothing took the place of the INBOX */
	bool stop;
	int flags;
	json_t *words;   /* other flags */
	int hops;        /* of a mail that rules send */
};

static void deliver_hop(struct user *u, const char *p, size_t n, int hops);

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static bool
matches(const char *cmp, const char *v, const char *pattern)
{
	regex_t re;
	bool hit;

	if (strcmp(cmp, "is") == 0)
		return strcasecmp(v, pattern) == 0;
	if (strcmp(cmp, "contains") == 0)
		return strcasestr(v, pattern) != NULL;
	if (strcmp(cmp, "matches") == 0)
		return fnmatch(pattern, v, FNM_CASEFOLD | FNM_NOESCAPE) == 0;
	if (strcmp(cmp, "regex") != 0 || regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_ICASE) != 0)
		return false;
	hit = regexec(&re, v, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

static bool
any_value(const json_t *t, const char *v)
{
	size_t i;
	json_t *x;

	json_array_foreach(json_object_get(t, "values"), i, x)
		if (matches(text_of(t, "comparison"), v, json_string_value(x) ? json_string_value(x) : ""))
			return true;
	return false;
}

/* A header's text; with ADDRESS each address of it, or its domain or local part. */
static bool
header_hit(const struct fate *f, const json_t *t, const char *name, bool address)
{
	const char *raw = g_mime_object_get_header(GMIME_OBJECT(f->m), name), *part = text_of(t, "addresspart"), *a, *at;
	InternetAddressList *l;
	bool hit = false;
	char *v;
	int i;

	if (raw == NULL)
		return false;
	if (!address) {
		v = g_mime_utils_header_decode_text(NULL, raw);
		hit = any_value(t, v);
		g_free(v);
		return hit;
	}
	l = internet_address_list_parse(NULL, raw);
	for (i = 0; l != NULL && i < internet_address_list_length(l) && !hit; i++) {
		InternetAddress *x = internet_address_list_get_address(l, i);

		if (!INTERNET_ADDRESS_IS_MAILBOX(x) || (a = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(x))) == NULL)
			continue;
		at = strchr(a, '@');
		if (at != NULL && strcmp(part, "domain") == 0)
			hit = any_value(t, at + 1);
		else if (at != NULL && (strcmp(part, "localpart") == 0 || strcmp(part, "user") == 0)) {
			v = xmemdup0(a, (size_t)(at - a));
			hit = any_value(t, v);
			free(v);
		} else {
			hit = any_value(t, a);
		}
	}
	g_clear_object(&l);
	return hit;
}

static bool
date_hit(const json_t *t)
{
	const char *z = text_of(t, "zone"), *cmp = text_of(t, "comparison"), *part = text_of(t, "datepart");
	const json_t *want = json_array_get(json_object_get(t, "datevalue"), 0);
	int64_t off = strlen(z) == 5 ? (z[0] == '-' ? -1 : 1) * (strtol((char[]){ z[1], z[2], 0 }, NULL, 10) * 60 + strtol(z + 3, NULL, 10)) : 0, now, v;

	now = sim_now() + off * 60000;
	v = json_integer_value(want);
	if (strcmp(part, "date") == 0) {
		now = now / 86400000;
		v = v / 86400000;
	} else if (strcmp(part, "time") == 0) {
		now = now % 86400000 / 60000;
		v = v % 86400000 / 60000;
	} else {
		now = (now / 86400000 + 4) % 7;
		v = json_is_string(want) ? strtol(json_string_value(want), NULL, 10) : v;
	}
	return strcmp(cmp, "ge") == 0 ? now >= v : strcmp(cmp, "le") == 0 ? now <= v : now == v;
}

static int64_t
octets(const char *s)
{
	char *end;
	int64_t v = strtoll(s, &end, 10);

	return *end == 'K' || *end == 'k' ? v * 1024 : *end == 'M' || *end == 'm' ? v * 1048576 : v;
}

static bool
holds(const struct fate *f, const json_t *t)
{
	const char *id = text_of(t, "id"), *end;
	bool all = strcmp(id, "allof") == 0, hit = false;
	json_t *v;
	size_t i;

	if (all || strcmp(id, "anyof") == 0) {
		json_array_foreach(json_object_get(t, "tests"), i, v)
			if (holds(f, v) != all)
				return !all;
		return all;
	}
	if (strcmp(id, "not") == 0)
		return !holds(f, json_object_get(t, "test"));
	if (strcmp(id, "true") == 0)
		return true;
	if (strcmp(id, "size") == 0)
		return strcmp(text_of(t, "comparison"), "over") == 0 ? (int64_t)f->n > octets(text_of(t, "size")) : (int64_t)f->n < octets(text_of(t, "size"));
	if (strcmp(id, "currentdate") == 0)
		return date_hit(t);
	if (strcmp(id, "body") == 0) {
		char *b;

		end = f->p + mime_header_len(f->p, f->n);
		b = xmemdup0(end, (size_t)(f->p + f->n - end));
		hit = any_value(t, b);
		free(b);
		return hit;
	}
	if (strcmp(id, "exists") == 0) {
		json_array_foreach(json_object_get(t, "headers"), i, v)
			if (g_mime_object_get_header(GMIME_OBJECT(f->m), json_string_value(v)) == NULL)
				return false;
		return true;
	}
	if (strcmp(id, "hasflag") == 0) {
		json_array_foreach(f->words, i, v)
			hit = hit || any_value(t, json_string_value(v));
		return hit;
	}
	json_array_foreach(json_object_get(t, "headers"), i, v)
		hit = hit || header_hit(f, t, json_string_value(v), strcmp(id, "header") != 0);
	return hit;
}

/* ---- actions ---- */

static void
file(const struct fate *f, const char *folder)
{
	const char *path = mail_path(folder);
	struct mbox *mb = path != NULL ? mbox_get(f->u, path) : NULL;
	struct mail *m;

	/* a folder that is gone: the mail stays in the INBOX */
	m = mail_append(f->u, mb != NULL ? mb : mbox_get(f->u, "INBOX"), mime_store_form(f->p, f->n), f->flags, sim_now());
	if (json_array_size(f->words) > 0)
		m->user = json_deep_copy(f->words);
}

static void
forward(const struct fate *f, const char *to)
{
	int k;

	for (k = 0; k < S.nctx; k++) {
		struct user *u = user_by_mail(S.ctx[k], to);

		if (u != NULL)
			deliver_hop(u, f->p, f->n, f->hops + 1);
	}
}

/* One answer to a sender within the days of the rule (RFC 5230 4.2), none to lists and to answers of machines (4.6). */
static void
answer_absent(const struct fate *f, const json_t *a)
{
	struct mailinfo *i = mime_info(f->p, f->n);
	const char *days = text_of(a, "days"), *subject = text_of(a, "subject"), *to = i->from_addr;
	int64_t span = (*days ? strtoll(days, NULL, 10) : 7) * INT64_C(86400000), *last;
	struct user *u = NULL;
	char *mail;
	int k;

	if (f->u->answered == NULL)
		f->u->answered = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
	if (to != NULL && g_mime_object_get_header(GMIME_OBJECT(f->m), "Auto-Submitted") == NULL && g_mime_object_get_header(GMIME_OBJECT(f->m), "List-Id") == NULL &&
	    ((last = g_hash_table_lookup(f->u->answered, to)) == NULL || sim_now() - *last >= span)) {
		last = xcalloc(1, sizeof(*last));
		*last = sim_now();
		g_hash_table_replace(f->u->answered, xstrdup(to), last);
		for (k = 0; k < S.nctx && u == NULL; k++)
			u = user_by_mail(S.ctx[k], to);
		mail = xprintf("From: %s\r\nTo: %s\r\nSubject: %s%s\r\nAuto-Submitted: auto-replied (vacation)\r\nMIME-Version: 1.0\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", f->u->mail, to, *subject ? subject : "Auto: ",
		    *subject || i->subject_raw == NULL ? "" : i->subject_raw, text_of(a, "text"));
		if (u != NULL)
			deliver_hop(u, mail, strlen(mail), f->hops + 1);
		free(mail);
	}
	mailinfo_free(i);
}

static void
set_flags(struct fate *f, const char *how, const json_t *flags)
{
	static const struct { const char *name; int bit; } known[] = { { "\\Answered", 1 }, { "\\Deleted", 2 }, { "\\Draft", 4 }, { "\\Flagged", 8 }, { "\\Seen", 32 } };
	bool add = strcmp(how, "removeflags") != 0;
	json_t *v;
	size_t i, k;

	if (strcmp(how, "setflags") == 0) {
		f->flags = 0;
		json_array_clear(f->words);
	}
	json_array_foreach((json_t *)(uintptr_t)flags, i, v) {
		for (k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (strcasecmp(known[k].name, json_string_value(v) ? json_string_value(v) : "") == 0)
				break;
		if (k < sizeof(known) / sizeof(known[0]))
			f->flags = add ? f->flags | known[k].bit : f->flags & ~known[k].bit;
		else if (add)
			json_array_append(f->words, v);
	}
}

static void
act(struct fate *f, const json_t *a)
{
	const char *id = text_of(a, "id");
	bool copy = json_is_true(json_object_get(a, "copy"));

	if (strcmp(id, "move") == 0 || strcmp(id, "redirect") == 0) {
		if (*id == 'm')
			file(f, text_of(a, "into"));
		else
			forward(f, text_of(a, "to"));
		f->keep = f->keep && copy;
	} else if (strcmp(id, "keep") == 0) {
		file(f, "default0/INBOX");
		f->keep = false;
	} else if (strcmp(id, "discard") == 0 || strcmp(id, "reject") == 0) {
		f->keep = false;
	} else if (strcmp(id, "stop") == 0) {
		f->stop = true;
	} else if (strcmp(id, "vacation") == 0) {
		answer_absent(f, a);
	} else if (strstr(id, "flags") != NULL) {
		set_flags(f, id, json_object_get(a, "flags"));
	}
}

static void
deliver_hop(struct user *u, const char *p, size_t n, int hops)
{
	struct fate f = { .u = u, .p = p, .n = n, .keep = true, .hops = hops };
	size_t i, k;
	json_t *rule, *a;

	/* two users who forward to each other */
	if (hops > 5)
		return;
	f.m = json_array_size(u->rules) > 0 ? mime_parse(p, n) : NULL;
	f.words = json_array();
	json_array_foreach(f.m != NULL ? u->rules : NULL, i, rule) {
		if (f.stop || !json_is_true(json_object_get(rule, "active")) || !holds(&f, json_object_get(rule, "test")))
			continue;
		json_array_foreach(json_object_get(rule, "actioncmds"), k, a)
			if (!f.stop)
				act(&f, a);
	}
	if (f.keep)
		file(&f, "default0/INBOX");
	json_decref(f.words);
	if (f.m != NULL)
		g_object_unref(f.m);
}

void
sieve_deliver(struct user *u, const char *p, size_t n)
{
	deliver_hop(u, p, n, 0);
}
