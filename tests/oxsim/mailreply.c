/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module mail, drafts made from a message: reply, replyall and forward.  They
 * change nothing that is stored.
 */
#include <glib.h>
#include <stdlib.h>

#include "oxsim/mail.h"
#include "oxsim/mimetree.h"
#include "oxsim/sim.h"

static json_t *
addresses(const char *json)
{
	json_t *v = json ? json_loads(json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;

	return v ? v : json_array();
}

/* The members of LIST whose address is not the user's own. */
static json_t *
without_self(const struct req *r, json_t *list)
{
	json_t *out = json_array(), *a;
	size_t i;

	json_array_foreach(list, i, a) {
		const char *mail = json_string_value(json_array_get(a, 1));

		if (mail != NULL && g_ascii_strcasecmp(mail, r->u->mail) != 0)
			json_array_append(out, a);
	}
	json_decref(list);
	return out;
}

static const struct mpart *
body_part(const struct mpart *m)
{
	const struct mpart *f;
	int i;

	if (m->n == 0)
		return strncmp(m->type, "text/", 5) == 0 && !m->attachment ? m : NULL;
	for (i = 0; i < m->n; i++)
		if ((f = body_part(m->child[i])) != NULL)
			return f;
	return NULL;
}

/* The text behind an introduction, every line marked. */
static char *
quoted(const struct mail *m, const char *intro)
{
	struct mpart *tree = mimetree_parse(m->raw->p, m->raw->len);
	const struct mpart *part = body_part(tree);
	char *text = part ? mimetree_text(part) : xstrdup(""), *html;
	gchar **line;
	GString *s = g_string_new("<br>&gt; ");
	int i;

	html = mailview_html(intro);
	g_string_append_printf(s, "%s<br>&gt; ", html);
	free(html);
	html = mailview_html(g_strchomp(text));
	line = g_strsplit(html, "<br>", -1);
	for (i = 0; line[i] != NULL; i++)
		g_string_append_printf(s, "<br>&gt; %s", line[i]);
	g_strfreev(line);
	free(html);
	free(text);
	mimetree_free(tree);
	return g_string_free(s, FALSE);
}

static json_t *
reply_headers(const char *msgid)
{
	json_t *h = json_pack("{s:s,s:s}", "MIME-Version", "1.0", "Content-Transfer-Encoding", "7bit");

	if (msgid != NULL) {
		char *ref = xprintf("<%s>", msgid);

		json_object_set_new(h, "References", json_string(ref));
		json_object_set_new(h, "In-Reply-To", json_string(ref));
		free(ref);
	}
	return h;
}

static void
answer(struct req *r, bool forward, bool all)
{
	const struct mailinfo *i;
	struct mbox *mb;
	struct mail *m;
	json_t *o, *to;
	char *text, *intro, *ref, *subject;

	if ((m = mail_asked(r, &mb)) == NULL)
		return;
	i = mail_info(m);
	to = addresses(i->reply_to);
	if (json_array_size(to) == 0) {
		json_decref(to);
		to = addresses(i->from);
	}
	intro = xprintf(forward ? "Message of %s:" : "%s wrote:", i->from_text ? i->from_text : "somebody");
	text = quoted(m, intro);
	ref = xprintf("default0/%s/%u", mb->path, m->uid);
	subject = xprintf("%s: %s", forward ? "Fwd" : "Re", i->subject_raw ? i->subject_raw : "");
	o = json_pack("{s:s,s:i,s:b,s:s,s:i,s:i,s:b,s:{s:b,s:b,s:s},s:[],s:o,s:o,s:[],s:[],s:s,s:I}",
	    "msgref", ref, "unread", 0, "attachment", 0, "content_type", "text/plain", "size", -1,
	    "account_id", 0, "malicious", 0, "security_info", "encrypted", 0, "signed", 0, "type", "OTHER",
	    "sender", "to", forward ? json_array() : to, "cc",
	    all ? without_self(r, addresses(i->cc)) : json_array(), "bcc", "reply_to", "subject", subject,
	    "sent_date", (json_int_t)shift(r, sim_now() / 1000 * 1000));
	if (forward)
		json_decref(to);
	json_object_set_new(o, "from", forward ? json_pack("[[n,s]]", r->u->mail) : json_array());
	json_object_set_new(o, "flags", json_integer(0));
	json_object_set_new(o, "user", json_array());
	json_object_set_new(o, "color_label", json_integer(0));
	json_object_set_new(o, "priority", json_integer(3));
	json_object_set_new(o, "headers", reply_headers(i->msgid));
	json_object_set_new(o, "attachments", json_pack("[{s:s,s:s,s:s,s:I,s:s,s:b,s:b}]", "id", "1",
	    "disp", "inline", "content_type", "text/plain", "size", (json_int_t)g_utf8_strlen(text, -1),
	    "content", text, "truncated", 0, "sanitized", 1));
	json_object_set_new(o, "modified", json_integer(0));
	free(text);
	text = json_dumps(o, JSON_COMPACT);
	sb_str(r->out, text);
	json_decref(o);
	free(text);
	free(intro);
	free(ref);
	free(subject);
}

void
mail_reply(struct req *r)
{
	answer(r, false, false);
}

void
mail_replyall(struct req *r)
{
	answer(r, false, true);
}

void
mail_forward(struct req *r)
{
	answer(r, true, false);
}
