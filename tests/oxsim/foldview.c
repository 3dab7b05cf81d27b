/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a folder is written: columns, rows and objects, ids of all kinds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/folder.h"

struct fcol { int col; const char *name; };

/* order = order of the members of action=get */
static const struct fcol fcols[] = {
	{ 1, "id" }, { 2, "created_by" }, { 3, "modified_by" }, { 4, "creation_date" },
	{ 5, "last_modified" }, { 6, "last_modified_utc" }, { 20, "folder_id" }, { 300, "title" },
	{ 301, "module" }, { 302, "type" }, { 304, "subfolders" }, { 305, "own_rights" },
	{ 306, "permissions" }, { 307, "summary" }, { 308, "standard_folder" }, { 309, "total" },
	{ 310, "new" }, { 311, "unread" }, { 312, "deleted" }, { 313, "capabilities" },
	{ 314, "subscribed" }, { 315, "subscr_subflds" }, { 316, "standard_folder_type" },
	{ 317, "supported_capabilities" }, { 318, "account_id" }, { 319, "folder_name" },
	{ 321, "used_for_sync" }, { 51, "created_from" }, { 52, "modified_from" },
	{ 3030, "com.openexchange.folderstorage.displayName" },
	{ 3020, "com.openexchange.subscribe.subscriptionFlag" },
	{ 3060, "com.openexchange.share.extendedPermissions" }, { 3062, "preDefined" },
};

const char *
mod_name(enum mod m)
{
	switch (m) {
	case M_TASKS: return "tasks";
	case M_CALENDAR: return "calendar";
	case M_CONTACTS: return "contacts";
	case M_MAIL: return "mail";
	case M_INFOSTORE: return "infostore";
	default: return "system";
	}
}

bool
mod_by_name(const char *name, enum mod *m, bool *event)
{
	static const enum mod all[] = { M_TASKS, M_CALENDAR, M_CONTACTS, M_MAIL, M_INFOSTORE, M_SYSTEM };
	size_t i;

	*event = strcmp(name, "event") == 0;
	if (*event)
		name = "calendar";
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(mod_name(all[i]), name) == 0 || strtol(name, NULL, 10) == (long)all[i]) {
			*m = all[i];
			return true;
		}
	return false;
}

bool
folder_shared(const struct req *r, const struct folder *f)
{
	return f->type == 1 && f->owner != r->u->id;
}

bool
folder_subscribed(const struct folder *f, int user)
{
	int i;

	for (i = 0; i < f->nunsub; i++)
		if (f->unsub[i] == user)
			return false;
	return true;
}

int64_t
fref_lm(const struct fref *x)
{
	return x->f != NULL ? x->f->lm : 0;
}

static void
put_id(struct sb *b, const struct fref *x)
{
	switch (x->k) {
	case FK_PLAIN: sb_printf(b, "\"%d\"", x->f->id); break;
	case FK_CAL: sb_printf(b, "\"cal://0/%d\"", x->f->id); break;
	case FK_CON: sb_printf(b, "\"con://0/%d\"", x->f->id); break;
	case FK_OWNER: sb_printf(b, "\"u:%d\"", x->owner); break;
	case FK_ROOT: sb_str(b, "\"0\""); break;
	case FK_MAILROOT: sb_str(b, "\"default0\""); break;
	case FK_MAIL: {
		char *s = xprintf("default0/%s", x->mb->path);

		sb_js(b, s);
		free(s);
	}
	}
}

static void
put_parent(struct req *r, const struct fref *x)
{
	struct sb *b = r->out;
	const char *slash;

	switch (x->k) {
	case FK_ROOT: sb_str(b, "\"0\""); return;
	case FK_OWNER: sb_str(b, "\"3\""); return;
	case FK_MAILROOT: sb_str(b, "\"1\""); return;
	case FK_MAIL:
		slash = strrchr(x->mb->path, '/');
		if (slash == NULL) {
			sb_str(b, "\"default0\"");
		} else {
			char *s = xprintf("default0/%.*s", (int)(slash - x->mb->path), x->mb->path);

			sb_js(b, s);
			free(s);
		}
		return;
	default:
		break;
	}
	if (x->under != 0) {
		sb_printf(b, "\"%d\"", x->under);
		return;
	}
	if (folder_shared(r, x->f)) {
		const struct folder *p = folder_get(r->c, x->f->parent);

		if (p == NULL || p->id == 1 || !perm_visible(r->c, p, r->u->id)) {
			sb_printf(b, "\"u:%d\"", x->f->owner);
			return;
		}
	}
	sb_printf(b, "\"%d\"", x->f->parent);
}

static void
put_perm(struct sb *b, int entity, bool group, int bits, bool *first)
{
	sb_printf(b, "%s{\"identifier\":\"%d\",\"bits\":%d,\"entity\":%d,\"group\":%s}",
	    *first ? "" : ",", entity, bits, entity, group ? "true" : "false");
	*first = false;
}

static void
put_perms(struct req *r, const struct fref *x)
{
	struct sb *b = r->out;
	bool first = true;
	int i;

	sb_ch(b, '[');
	switch (x->k) {
	case FK_MAIL:
		put_perm(b, r->u->id, false, 272662788, &first);
		for (i = 0; i < x->mb->nperm; i++)
			put_perm(b, x->mb->perm[i].entity, x->mb->perm[i].group, x->mb->perm[i].bits, &first);
		break;
	case FK_MAILROOT: put_perm(b, r->u->id, false, 4, &first); break;
	case FK_ROOT:
	case FK_OWNER:
		put_perm(b, 0, true, 1, &first);
		put_perm(b, 2147483647, true, 1, &first);
		break;
	default:
		for (i = 0; i < x->f->nperm; i++)
			put_perm(b, x->f->perm[i].entity, x->f->perm[i].group, x->f->perm[i].bits, &first);
	}
	sb_ch(b, ']');
}

static void
put_contact(struct sb *b, const struct user *u)
{
	sb_str(b, "{\"first_name\":");
	sb_js(b, u->first);
	sb_str(b, ",\"last_name\":");
	sb_js(b, u->last);
	sb_str(b, ",\"email1\":");
	sb_js(b, u->mail);
	sb_ch(b, '}');
}

static bool
put_from(struct req *r, int id)
{
	const struct user *u = user_by_id(r->c, id);

	if (u == NULL)
		return false;
	sb_printf(r->out, "{\"identifier\":\"%d\",\"type\":\"user\",\"display_name\":", id);
	sb_js(r->out, u->display);
	sb_printf(r->out, ",\"entity\":%d,\"contact\":", id);
	put_contact(r->out, u);
	sb_ch(r->out, '}');
	return true;
}

static void
put_extended(struct req *r, const struct fref *x)
{
	struct sb *b = r->out;
	struct perm own = { r->u->id, false, x->k == FK_MAILROOT ? 4 : 272662788 };
	static const struct perm system[] = { { 0, true, 1 }, { 2147483647, true, 1 } };
	bool virt = x->k == FK_ROOT || x->k == FK_OWNER;
	const struct perm *p = virt ? system : x->f ? x->f->perm : &own;
	int i, n = virt ? 2 : x->f ? x->f->nperm : 1;
	bool first = true;

	sb_ch(b, '[');
	for (i = 0; i < n; i++) {
		const struct user *u = p[i].group ? NULL : user_by_id(r->c, p[i].entity);
		const struct group *g = p[i].group ? group_by_id(r->c, p[i].entity) : NULL;

		if (u == NULL && !p[i].group)
			continue;
		sb_printf(b, "%s{\"identifier\":\"%d\",\"entity\":%d,\"bits\":%d,\"type\":\"%s\",\"display_name\":",
		    first ? "" : ",", p[i].entity, p[i].entity, p[i].bits, u ? "user" : "group");
		sb_js(b, u ? u->display : g ? g->display : p[i].entity == 0 ? "All users" : "Guests");
		if (u != NULL) {
			sb_str(b, ",\"contact\":");
			put_contact(b, u);
		}
		sb_ch(b, '}');
		first = false;
	}
	sb_ch(b, ']');
}

static void
put_caps(struct sb *b, const struct fref *x)
{
	switch (x->k) {
	case FK_CAL:
		sb_str(b, "[\"search\",\"subscribe\",\"permissions\",\"quota\",\"alarms\",\"warnings\",\"sync\"]");
		break;
	case FK_CON:
		sb_str(b, "[\"use_count\",\"search\",\"read_write\",\"subscribe\",\"sync\",\"permissions\"]");
		break;
	case FK_MAILROOT:
		sb_str(b, "[\"TEXT_PREVIEW\",\"FILENAME_SEARCH\",\"MAIL_STRUCTURE\",\"case_insensitive\",\"FOLDER_VALIDITY\"]");
		break;
	case FK_MAIL:
		sb_str(b, "[\"TEXT_PREVIEW\",\"count_total\",\"MAIL_STRUCTURE\",\"case_insensitive\",\"STORE_SEEN\",\"FOLDER_VALIDITY\",\"FILENAME_SEARCH\"]");
		break;
	default:
		if (x->f == NULL || x->f->m == M_SYSTEM || x->f->m == M_INFOSTORE)
			sb_str(b, "null");
		else
			sb_str(b, "[\"permissions\",\"quota\",\"sort\"]");
	}
}

static void
mail_counts(const struct mbox *mb, int *total, int *unread)
{
	size_t i;

	*total = (int)mb->n;
	*unread = 0;
	for (i = 0; i < mb->n; i++)
		if (!(mb->m[i]->flags & 32))
			(*unread)++;
}

static void
put_title(struct req *r, const struct fref *x)
{
	const struct user *u;
	const char *slash;

	switch (x->k) {
	case FK_ROOT: sb_str(r->out, "\"root\""); break;
	case FK_MAILROOT: sb_str(r->out, "\"E-Mail\""); break;
	case FK_OWNER:
		u = user_by_id(r->c, x->owner);
		sb_js(r->out, u ? u->display : "?");
		break;
	case FK_MAIL:
		slash = strrchr(x->mb->path, '/');
		sb_js(r->out, strcmp(x->mb->path, "INBOX") == 0 ? "Inbox" :
		    slash ? slash + 1 : x->mb->path);
		break;
	default:
		sb_js(r->out, x->f->title);
	}
}

static int
folder_type(struct req *r, const struct fref *x)
{
	switch (x->k) {
	case FK_MAIL:
	case FK_MAILROOT: return 7;
	case FK_OWNER:
	case FK_ROOT: return 5;
	default: return folder_shared(r, x->f) ? 3 : x->f->type;
	}
}

static int
own_rights(struct req *r, const struct fref *x)
{
	switch (x->k) {
	case FK_MAIL: return 809533700;
	case FK_MAILROOT: return 4;
	case FK_OWNER:
	case FK_ROOT: return 1;
	default: return perm_bits(r->c, x->f, r->u->id);
	}
}

static int
std_type(const struct req *r, const struct fref *x)
{
	if (x->k == FK_MAIL)
		return x->mb->std;
	if (x->f == NULL)
		return 0;
	if (x->k == FK_CON)
		return 3;
	if (x->k == FK_CAL)
		return folder_shared(r, x->f) ? 0 : 2;
	return x->f->owner == r->u->id && x->f->type != 5 ? x->f->std_type : 0;
}

static const char *
jbool(bool b)
{
	return b ? "true" : "false";
}

/* writes one value; false: this folder has none */
static bool
put_value(struct req *r, const struct fref *x, int col, bool row)
{
	struct sb *b = r->out;
	const struct folder *f = x->f;
	bool mail = x->k == FK_MAIL || x->k == FK_MAILROOT;
	int total = 0, unread = 0;
	struct fref tmp[1];

	if (x->k == FK_MAIL)
		mail_counts(x->mb, &total, &unread);
	switch (col) {
	case 1: put_id(b, x); return true;
	case 2:
	case 3:
		if (f == NULL && x->k != FK_ROOT)
			return false;
		sb_int(b, f == NULL ? 0 : col == 2 ? f->created_by : f->modified_by);
		return true;
	case 4:
	case 5:
	case 6:
		if (f == NULL)
			return false;
		sb_int(b, col == 4 ? shift(r, f->created) : col == 5 ? shift(r, f->lm) : f->lm);
		return true;
	case 20: put_parent(r, x); return true;
	case 300: put_title(r, x); return true;
	case 301: sb_printf(b, "\"%s\"", x->k == FK_MAIL ? "mail" : f ? mod_name(f->m) : "system"); return true;
	case 302: sb_int(b, folder_type(r, x)); return true;
	case 304: sb_str(b, jbool(subfolders(r, x, tmp, 1, false) > 0)); return true;
	case 305: sb_int(b, own_rights(r, x)); return true;
	case 306: put_perms(r, x); return true;
	case 307:
		if (!mail)
			return false;
		sb_str(b, x->k == FK_MAIL ? "\"(-1/-1)\"" : "\"\"");
		return true;
	case 308:
		sb_str(b, jbool(x->k == FK_MAIL ? x->mb->std != 0 : f != NULL && f->standard));
		return true;
	case 309:
	case 311:
		if (!mail)
			return false;
		sb_int(b, col == 309 ? total : unread);
		return true;
	case 313:
		if (!mail)
			return false;
		sb_str(b, "8123");
		return true;
	case 314:
		sb_str(b, jbool(x->mb != NULL ? !x->mb->unsub : f == NULL || folder_subscribed(f, r->u->id)));
		return true;
	case 315: sb_str(b, jbool(subfolders(r, x, tmp, 1, false) > 0)); return true;
	case 316: sb_int(b, std_type(r, x)); return true;
	case 317:
		if (x->k == FK_OWNER || x->k == FK_ROOT || (f != NULL && (f->m == M_SYSTEM || f->m == M_INFOSTORE)))
			return false;
		put_caps(b, x);
		return true;
	case 318:
		if (mail)
			sb_str(b, "\"default0\"");
		else if (x->k == FK_CAL)
			sb_str(b, "\"cal://0\"");
		else if (x->k == FK_CON)
			sb_str(b, "\"con://0\"");
		else
			return false;
		return true;
	case 319:
		if (x->k == FK_MAIL)
			sb_js(b, strrchr(x->mb->path, '/') ? strrchr(x->mb->path, '/') + 1 : x->mb->path);
		else if (f != NULL && f->id == 6)
			sb_str(b, "\"Global address book\"");
		else
			put_title(r, x);
		return true;
	case 321:
		if (x->k == FK_ROOT || x->k == FK_OWNER || (f != NULL && f->m == M_SYSTEM))
			sb_str(b, "{\"value\":\"false\",\"protected\":\"true\"}");
		else
			sb_printf(b, "{\"value\":\"true\",\"protected\":\"%s\"}", jbool(f != NULL && f->standard));
		return true;
	case 51: return f != NULL && put_from(r, f->created_by);
	case 52: return f != NULL && put_from(r, f->modified_by);
	case 3030: {
		const struct user *u = f ? user_by_id(r->c, f->owner) : NULL;

		if (u == NULL)
			return false;
		sb_js(b, u->display);
		return true;
	}
	case 3020: sb_str(b, "false"); return true;
	case 3060: put_extended(r, x); return true;
	case 3062: sb_str(b, "false"); return true;
	default:
		(void)row;
		return false;
	}
}

void
fref_row(struct req *r, const struct fref *x, const int *cols, int n)
{
	int i;

	sb_ch(r->out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		if (!put_value(r, x, cols[i], true))
			sb_str(r->out, "null");
	}
	sb_ch(r->out, ']');
}

void
fref_object(struct req *r, const struct fref *x)
{
	struct sb *b = r->out;
	size_t i;

	sb_ch(b, '{');
	for (i = 0; i < sizeof(fcols) / sizeof(fcols[0]); i++) {
		size_t mark = b->len;

		if (b->p[b->len - 1] != '{')
			sb_ch(b, ',');
		sb_printf(b, "\"%s\":", fcols[i].name);
		if (!put_value(r, x, fcols[i].col, false))
			b->len = mark;
	}
	if (x->k == FK_CAL)
		sb_str(b, ",\"com.openexchange.calendar.config\":{},\"com.openexchange.calendar.provider\":\"chronos\","
		    "\"com.openexchange.calendar.extendedProperties\":{\"color\":{},\"scheduleTransp\":{\"value\":"
		    "\"OPAQUE\",\"protected\":\"true\"}}");
	else if (x->k == FK_CON)
		sb_str(b, ",\"com.openexchange.contacts.config\":{},\"com.openexchange.contacts.provider\":\"contacts\","
		    "\"com.openexchange.contacts.extendedProperties\":{\"usedInPicker\":{\"value\":\"true\","
		    "\"protected\":\"true\"}}");
	sb_ch(b, '}');
}

int
folder_cols(struct req *r, int *cols, int max)
{
	const char *s = need(r, "columns");
	int n = 0;
	char *end;

	if (s == NULL)
		return -1;
	while (*s != '\0' && n < max) {
		long v = strtol(s, &end, 10);

		if (end == s || (*end != ',' && *end != '\0')) {
			fail(r, "SVL-0010", json_pack("[s,s]", "columns", arg(r, "columns")));
			return -1;
		}
		cols[n++] = (int)v;
		s = *end == ',' ? end + 1 : end;
	}
	return n;
}
