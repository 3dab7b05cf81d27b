/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a request has changed, told when it is done: one event for each object and folder, with those who may see the folder.
 * The gaps are those of the recorded server: an answer to an invitation and one's own removal name one's own calendar only;
 * a deleted folder is told without its parent; of mail the INBOX alone, and never flags.
 */
#include <stdlib.h>

#include "oxsim/push.h"

struct event {
	struct ctx *c;
	int module, folder, obj;
	int64_t stamp;
	GArray *users;
};

static GPtrArray *events;
static struct ctx *acting;
static int only_user, too_user;

static void
event_free(gpointer p)
{
	struct event *e = p;

	g_array_free(e->users, TRUE);
	free(e);
}

/* The program's own beginning is no event. */
void
events_start(void)
{
	events = g_ptr_array_new_with_free_func(event_free);
}

void
events_by(struct ctx *c)
{
	acting = c;
}

void
events_only(int user)
{
	only_user = user;
}

void
events_too(int user)
{
	too_user = user;
}

static void
add_user(struct event *e, int user)
{
	guint i = 0;

	while (i < e->users->len && g_array_index(e->users, int, i) < user)
		i++;
	if (i == e->users->len || g_array_index(e->users, int, i) != user)
		g_array_insert_val(e->users, i, user);
}

static struct event *
event_of(struct ctx *c, int module, int folder, int obj, int64_t stamp)
{
	struct event *e;
	guint i;

	for (i = 0; i < events->len; i++) {
		e = g_ptr_array_index(events, i);
		if (e->c == c && e->module == module && e->folder == folder && e->obj == obj)
			return e;
	}
	e = xcalloc(1, sizeof(*e));
	*e = (struct event){ c, module, folder, obj, stamp, g_array_new(FALSE, FALSE, sizeof(int)) };
	g_ptr_array_add(events, e);
	return e;
}

static void
add_readers(struct event *e, const struct folder *f)
{
	int i;

	for (i = 0; i < e->c->nuser; i++)
		if (f->type == 5 || perm_visible(e->c, f, e->c->user[i]->id) || e->c->user[i]->id == too_user)
			add_user(e, e->c->user[i]->id);
}

void
events_obj(const struct obj *o, const struct ent *at, int64_t stamp)
{
	static const int modules[M_COUNT] = { [M_CALENDAR] = EV_CALENDAR, [M_TASKS] = EV_TASK, [M_CONTACTS] = EV_CONTACT };

	if (events == NULL || acting == NULL || (only_user != 0 && at->user != only_user))
		return;
	add_readers(event_of(acting, modules[o->m], at->f->id, o->id, stamp), at->f);
}

void
events_folder(struct ctx *c, const struct folder *f, int64_t stamp)
{
	if (events != NULL && acting != NULL)
		add_readers(event_of(c, EV_FOLDER, f->id, 0, stamp), f);
}

static json_t *
new_mail(const struct mbox *mb, struct mail *m)
{
	const struct mailinfo *info = mail_info(m);
	size_t i, unread = 0;

	for (i = 0; i < mb->n; i++)
		unread += (mb->m[i]->flags & 32) == 0;
	return json_pack("{s:s, s:o, s:s, s:s, s:I}", "folder", "default0/INBOX", "id", json_sprintf("%u", m->uid), "email",
	    info->from_addr ? info->from_addr : "", "subject", info->subject_raw ? info->subject_raw : "", "unread", (json_int_t)unread);
}

/* A listener of the mail server runs for who has a session here, or a subscription. */
static bool
listened_to(const struct user *u)
{
	GHashTableIter it;
	gpointer k, v;

	if (hook_listens(u->c->id, u->id))
		return true;
	g_hash_table_iter_init(&it, S.session);
	while (g_hash_table_iter_next(&it, &k, &v))
		if (((struct session *)v)->u == u)
			return true;
	return false;
}

/* M came into MB; NULL: one left it */
void
events_mail(struct user *u, const struct mbox *mb, struct mail *m)
{
	char user[16];

	if (events == NULL || strcmp(mb->path, "INBOX") != 0 || !listened_to(u))
		return;
	(void)snprintf(user, sizeof(user), "%d", u->id);
	udp_event(u->c->id, EV_MAIL, 1, user, 0);
	if (m != NULL && hook_listens(u->c->id, u->id))
		hook_mail(u->c->id, u->id, u->mail, new_mail(mb, m));
}

static void
tell(const struct event *e)
{
	struct sb users = { 0 };
	guint i;

	for (i = 0; i < e->users->len; i++) {
		int id = g_array_index(e->users, int, i);
		const struct user *u = user_by_id(e->c, id);

		sb_printf(&users, "%s%d", i > 0 ? "," : "", id);
		if (e->module == EV_CALENDAR && u != NULL)
			hook_calendar(e->c->id, id, u->mail, e->folder);
	}
	if (users.len > 0)
		udp_event(e->c->id, e->module, e->folder, users.p, e->stamp);
	sb_free(&users);
}

void
events_flush(void)
{
	guint i;

	for (i = 0; events != NULL && i < events->len; i++)
		tell(g_ptr_array_index(events, i));
	if (events != NULL)
		g_ptr_array_set_size(events, 0);
	acting = NULL;
	only_user = too_user = 0;
}

/* All contexts go: so must what refers to them. */
void
events_forget(void)
{
	if (events != NULL)
		g_ptr_array_set_size(events, 0);
	acting = NULL;
}
