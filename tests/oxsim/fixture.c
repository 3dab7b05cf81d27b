/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The users and folders a server starts with: those of the recorded
 * exchanges (context 1) and a second, small context.
 */
#include <stdlib.h>

#include "oxsim/sim.h"

static void
system_folder(struct ctx *c, int id, int parent, const char *title, enum mod m, int bits, int guest)
{
	struct folder *f = folder_add(c, id, parent, title, m, 5, 2, sim_now());

	folder_set_perm(f, 0, true, bits);
	if (guest > 0)
		folder_set_perm(f, 2147483647, true, guest);
	if (id == 2 || id == 9)
		folder_set_perm(f, 2, false, 268435460);
}

static struct folder *
own_folder(struct user *u, int id, int parent, const char *title, enum mod m, int std)
{
	struct folder *f = folder_add(u->c, id, parent, title, m, m == M_INFOSTORE ? 2 : 1, u->id,
	    sim_now());

	folder_set_perm(f, u->id, false, PERM_OWNER);
	f->standard = std != 0;
	f->std_type = std;
	return f;
}

static void
gal_entry(struct user *u)
{
	struct folder *gal = folder_get(u->c, 6);
	struct obj *o = obj_new(u->c, M_CONTACTS, u->contact, u->id, sim_now());
	char uuid[37];

	gen_uuid(uuid);
	obj_set_str(o, fld_by_name(&MI_CONTACTS, "uid"), uuid);
	obj_set_str(o, fld_by_name(&MI_CONTACTS, "first_name"), u->first);
	obj_set_str(o, fld_by_name(&MI_CONTACTS, "last_name"), u->last);
	obj_set_str(o, fld_by_name(&MI_CONTACTS, "display_name"), u->display);
	obj_set_str(o, fld_by_name(&MI_CONTACTS, "file_as"), u->display);
	obj_set_str(o, fld_by_name(&MI_CONTACTS, "email1"), u->mail);
	obj_set_int(o, fld_by_name(&MI_CONTACTS, "user_id"), u->id);
	contact_resort(o);
	obj_place(o, gal, 0);
	folder_set_perm(gal, u->id, false, u->id == 2 ? 268452097 : 16641);
}

struct user *
fixture_user(struct ctx *c, int id, const char *login, const char *first, const char *last,
    const char *zone, int base, int contact)
{
	struct user *u = xcalloc(1, sizeof(*u));

	u->id = id;
	u->c = c;
	u->login = xstrdup(login);
	u->first = xstrdup(first);
	u->last = xstrdup(last);
	u->display = strcmp(login, "oxadmin") == 0 ? xstrdup("Context Admin") :
	    xprintf("%s %s", first, last);
	u->mail = xprintf("%s@%s", login, c->name);
	u->password = xstrdup("secret");
	u->zone = xstrdup(zone);
	u->locale = xstrdup("en_US");
	u->contact = contact != 0 ? contact : c->next_id[M_CONTACTS];
	u->f_cal = base;
	u->f_con = base + 1;
	u->f_task = base + 2;
	u->f_info = base + 3;
	u->attr = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
	u->jslob = json_object();
	u->rules = json_array();
	u->snippets = json_array();
	u->mailset = json_object();
	c->user = xrealloc(c->user, sizeof(*c->user) * (size_t)(c->nuser + 1));
	c->user[c->nuser++] = u;
	own_folder(u, u->f_cal, 1, "Calendar", M_CALENDAR, 2);
	own_folder(u, u->f_con, 1, "Contacts", M_CONTACTS, 3);
	own_folder(u, u->f_task, 1, "Tasks", M_TASKS, 1);
	own_folder(u, u->f_info, 10, u->display, M_INFOSTORE, 8);
	gal_entry(u);
	mailboxes_init(u);
	return u;
}

/* the server makes this folder at the first login */
void
user_first_login(struct user *u)
{
	struct folder *f;

	if (u->seen)
		return;
	u->seen = true;
	f = own_folder(u, u->c->next_folder, u->f_con, "Collected addresses", M_CONTACTS, 0);
	f->standard = true;
	u->f_collect = f->id;
	folder_touch(u->c, folder_get(u->c, u->f_con), f->lm);
}

static struct ctx *
new_context(int id, const char *name)
{
	struct ctx *c = ctx_new(id, name);
	struct folder *f;

	system_folder(c, 1, 0, "Private folders", M_SYSTEM, 4, 1);
	system_folder(c, 2, 0, "Public folders", M_SYSTEM, 4, 1);
	system_folder(c, 3, 0, "Shared folders", M_SYSTEM, 1, 1);
	system_folder(c, 9, 0, "Infostore", M_INFOSTORE, 1, 1);
	system_folder(c, 10, 9, "Userstore", M_INFOSTORE, 1, 0);
	system_folder(c, 15, 9, "Public infostore", M_INFOSTORE, 4, 0);
	f = folder_add(c, 6, 2, "All Users", M_CONTACTS, 5, 2, sim_now());
	f->standard = false;
	return c;
}

static void
add_group(struct ctx *c, int id, const char *name, const char *display, const int *m, int n)
{
	struct group *g = xcalloc(1, sizeof(*g));

	g->id = id;
	g->name = xstrdup(name);
	g->display = xstrdup(display);
	g->member = xcalloc((size_t)(n > 0 ? n : 1), sizeof(int));
	memcpy(g->member, m, sizeof(int) * (size_t)n);
	g->n = n;
	g->lm = sim_now();
	c->group = xrealloc(c->group, sizeof(*c->group) * (size_t)(c->ngroup + 1));
	c->group[c->ngroup++] = g;
}

static void
small(void)
{
	static const int team[] = { 3, 4, 5 };
	struct ctx *c = new_context(1, "example.com");
	struct resource *rs = xcalloc(1, sizeof(*rs));
	struct user *berta;

	fixture_user(c, 2, "oxadmin", "Admin", "User", "Europe/Berlin", 21, 1);
	fixture_user(c, 3, "anton", "Anton", "Anders", "Europe/Berlin", 31, 2);
	berta = fixture_user(c, 4, "berta", "Berta", "Bauer", "Europe/Berlin", 41, 3);
	fixture_user(c, 5, "caesar", "Caesar", "Conrad", "America/New_York", 51, 4);
	fixture_user(c, 6, "dora", "Dora", "Dietz", "UTC", 61, 5);
	fixture_user(c, 7, "emil", "Emil", "Ernst", "Europe/Berlin", 71, 6);
	/* granted later than the account was made */
	berta->olox20 = true;
	(void)obj_touch(c, obj_get(c, M_CONTACTS, 3), 4, stamp_new(c));
	c->next_folder = 81;
	c->next_principal = 10;
	add_group(c, 8, "team", "Team Group", team, 3);
	rs->id = 9;
	rs->name = xstrdup("beamer");
	rs->display = xstrdup("Beamer Room 1");
	rs->mail = xstrdup("beamer@example.com");
	rs->lm = sim_now();
	c->res = xcalloc(1, sizeof(*c->res));
	c->res[c->nres++] = rs;
	c = new_context(2, "example.net");
	fixture_user(c, 2, "oxadmin", "Admin", "User", "Europe/Berlin", 21, 1);
	fixture_user(c, 3, "otto", "Otto", "Oster", "Europe/Berlin", 31, 2);
	fixture_user(c, 4, "paula", "Paula", "Pohl", "UTC", 41, 3)->olox20 = true;
	c->next_folder = 81;
	c->next_principal = 8;
}

void
fixture_load(const char *name)
{
	if (strcmp(name, "small") == 0) {
		small();
		return;
	}
	fixture_user(new_context(1, "example.com"), 2, "oxadmin", "Admin", "User", "UTC", 21, 1);
	S.ctx[0]->next_principal = 3;
}
