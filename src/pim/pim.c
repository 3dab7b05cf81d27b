/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Whole files: what a file is, and the delivery of its objects one by one.  The
 * formats themselves are in the other files.
 */
#include "ical_int.h"
#include "mime_int.h"
#include "vcard_int.h"

#include <gmime/gmime.h>
#include <libical/ical.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void
libraries_init(void)
{
	g_mime_init();
	icalerror_set_errors_are_fatal(false);
	icaltimezone_set_builtin_tzdata(0);	/* the system's time zones, which the distribution keeps fresh */
}

void
pim_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, libraries_init);
}

struct file {
	struct pim_ctx c;
	const char *name;
	pim_item_cb cb;
	void *arg;
};

static enum pim_rc
deliver(struct file *f, enum pim_kind kind, json_t *o, json_t *exceptions, const char *octets, size_t len)
{
	struct pim_item item = { .kind = kind, .name = f->name, .number = f->c.number, .object = o,
	                         .octets = octets, .octets_len = len };

	if (json_array_size(exceptions) > 0)
		item.exceptions = exceptions;
	if (f->c.rep != NULL) {
		f->c.rep->objects[kind]++;
		f->c.rep->exceptions += json_array_size(exceptions);
	}
	return f->cb(f->arg, &item) == 0 ? PIM_OK : PIM_STOPPED;
}

/* An object that cannot be delivered: into the report, and on with the next. */
static enum pim_rc
refused(struct file *f, enum pim_rc rc)
{
	if (rc == PIM_NOMEM || rc == PIM_STOPPED || rc == PIM_OK)
		return rc;
	pim_note(&f->c, PIM_PROBLEM_REFUSED, "%s", f->c.why);
	f->c.why[0] = '\0';
	return PIM_OK;
}

static enum pim_rc
ical_deliver(void *arg, struct pim_ctx *c, enum pim_kind kind, json_t *o, json_t *exceptions)
{
	(void)c;
	return deliver(arg, kind, o, exceptions, NULL, 0);
}

/* vCards and calendars, also mixed in one file. */
static enum pim_rc
lines_parse(struct file *f, const char *s, size_t n)
{
	struct pim_mem mem = { 0 };
	struct pim_comp *root = NULL, *k;
	enum pim_rc rc = pim_lines_read(&f->c, &mem, s, n, &root);
	size_t objects = 0;

	enum pim_rc limit = rc == PIM_LIMIT ? rc : PIM_OK;
	char why[sizeof(f->c.why)];

	/* what was read before a limit of the file is delivered; the limit is told at the end */
	memcpy(why, f->c.why, sizeof(why));
	f->c.why[0] = '\0';
	if (limit != PIM_OK && root != NULL)
		rc = PIM_OK;
	for (k = root == NULL ? NULL : root->kids; k != NULL && rc == PIM_OK; k = k->next) {
		json_t *o = NULL;
		bool list = false;

		if (strcmp(k->name, "VCARD") != 0)
			continue;
		if (++objects > f->c.opt->max_objects) {
			rc = pim_fail(&f->c, PIM_LIMIT, "more than %zu objects in the file", f->c.opt->max_objects);
			break;
		}
		f->c.number++;
		rc = vcard_card_parse(&f->c, k, root, &o, &list);
		if (rc == PIM_OK)
			rc = deliver(f, list ? PIM_DISTLIST : PIM_CONTACT, o, NULL, NULL, 0);
		else
			rc = refused(f, rc);
		json_decref(o);
	}
	if (rc == PIM_OK && root != NULL)
		rc = ical_each(&f->c, &mem, root, NULL, ical_deliver, f);
	json_decref(f->c.uids);
	f->c.uids = NULL;
	pim_mem_fini(&mem);
	return rc != PIM_OK || limit == PIM_OK ? rc : pim_fail(&f->c, limit, "%s", why);
}

static enum pim_rc
mail_deliver(struct file *f, const char *s, size_t n)
{
	json_t *o = NULL;
	enum pim_rc rc;

	f->c.number++;
	rc = pim_mail_read(&f->c, s, n, &o);
	rc = rc == PIM_OK ? deliver(f, PIM_MAIL, o, NULL, s, n) : refused(f, rc);
	json_decref(o);
	return rc;
}

static enum pim_rc
mbox_parse(struct file *f, const char *s, size_t n)
{
	enum pim_rc rc = PIM_OK;
	const char *msg;
	size_t at = 0, len, objects = 0;

	while (rc == PIM_OK) {
		struct pim_buf owned = { 0 };

		if (!pim_mbox_next(s, n, &at, &msg, &len, &owned))
			break;
		if (owned.failed)
			rc = PIM_NOMEM;
		else if (++objects > f->c.opt->max_objects)
			rc = pim_fail(&f->c, PIM_LIMIT, "more than %zu messages in the file", f->c.opt->max_objects);
		else
			rc = mail_deliver(f, msg, len);
		pim_buf_fini(&owned);
	}
	return rc;
}

enum content {
	CONTENT_NONE, CONTENT_LINES, CONTENT_MBOX, CONTENT_MAIL
};

/* "Name: " at the very start, as every message has it. */
static bool
is_header(const char *s, size_t n)
{
	size_t i;

	size_t name;

	for (i = 0; i < n && i < 80 && s[i] > ' ' && s[i] < 0x7f && s[i] != ':'; i++)
		;
	name = i;
	while (i < n && (s[i] == ' ' || s[i] == '\t'))	/* the old syntax has blanks before the colon */
		i++;
	return name > 1 && i < n && s[i] == ':';
}

static enum content
content_of(const char *name, const char *s, size_t n)
{
	static const struct {
		const char *ending;
		enum content content;
	} endings[] = { { ".vcf", CONTENT_LINES }, { ".vcard", CONTENT_LINES }, { ".ics", CONTENT_LINES },
	                { ".ical", CONTENT_LINES }, { ".ifb", CONTENT_LINES }, { ".eml", CONTENT_MAIL }, { ".mbox", CONTENT_MBOX } };
	size_t i, skip = 0;

	while (skip < n && (s[skip] == ' ' || s[skip] == '\t' || s[skip] == '\r' || s[skip] == '\n'))
		skip++;
	if (n - skip > 6 && strncasecmp(s + skip, "BEGIN:", 6) == 0)
		return CONTENT_LINES;
	if (pim_mbox_is(s, n))
		return CONTENT_MBOX;
	for (i = 0; name != NULL && i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t len = strlen(name), e = strlen(endings[i].ending);

		if (len > e && strcasecmp(name + len - e, endings[i].ending) == 0 && endings[i].content != CONTENT_MBOX)
			return endings[i].content;
	}
	return is_header(s, n) ? CONTENT_MAIL : CONTENT_NONE;
}

static enum pim_rc
file_parse(struct file *f, const void *data, size_t len)
{
	const char *s = data;
	char *owned = NULL;
	enum content content;
	size_t delivered = 0, before = 0;
	enum pim_rc rc;
	int i;

	for (i = 0; f->c.rep != NULL && i < PIM_KINDS; i++)
		before += f->c.rep->objects[i];
	if (len > f->c.opt->max_file_bytes)
		return pim_fail(&f->c, PIM_LIMIT, "the file is larger than %zu bytes", f->c.opt->max_file_bytes);
	content = content_of(f->name, s, len);
	if (content == CONTENT_MAIL)
		return mail_deliver(f, s, len);
	if (content == CONTENT_MBOX)
		return mbox_parse(f, s, len);
	if (!pim_file_text(&s, &len, &owned))
		return PIM_NOMEM;
	if (content == CONTENT_NONE)	/* behind a byte order mark, or in UTF-16 */
		content = content_of(f->name, s, len);
	rc = content == CONTENT_LINES ? lines_parse(f, s, len) :
	     content == CONTENT_MAIL ? mail_deliver(f, s, len) :
	     content == CONTENT_MBOX ? mbox_parse(f, s, len) :
	     pim_fail(&f->c, PIM_REFUSED, "the file is no vCard, no calendar and no message");
	for (i = 0; f->c.rep != NULL && i < PIM_KINDS; i++)
		delivered += f->c.rep->objects[i];
	if (rc == PIM_OK && f->c.number == 0 && delivered == before)
		rc = pim_fail(&f->c, PIM_REFUSED, "the file holds no card, event, task or message");
	free(owned);
	return rc;
}

enum pim_rc
pim_file_parse(const char *name, const void *data, size_t len, const struct pim_options *opt, pim_item_cb cb,
               void *arg, struct pim_report *report)
{
	struct pim_options defaults;
	struct file f = { .name = name, .cb = cb, .arg = arg };
	enum pim_rc rc;

	pim_init();
	pim_ctx_init(&f.c, opt, &defaults, report);
	f.c.number = 0;
	rc = file_parse(&f, data, len);
	if ((rc == PIM_REFUSED || rc == PIM_LIMIT) && f.c.why[0] != '\0') {
		f.c.number = 0;
		pim_note(&f.c, PIM_PROBLEM_REFUSED, "%s", f.c.why);
	}
	return rc;
}
