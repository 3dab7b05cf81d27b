/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module quota: how many objects and octets are in use.  Nothing is limited.
 */
#include "oxsim/sim.h"

#define LIMIT_OBJECTS 250000
#define LIMIT_OCTETS INT64_C(1073741824)

static int64_t
attached_octets(const struct ctx *c, int *count)
{
	static const enum mod mods[] = { M_CONTACTS, M_TASKS, M_CALENDAR };
	GHashTableIter it;
	gpointer v;
	int64_t sum = 0;
	size_t i;
	int k;

	*count = 0;
	for (i = 0; i < 3; i++) {
		g_hash_table_iter_init(&it, c->obj[mods[i]]);
		while (g_hash_table_iter_next(&it, NULL, &v)) {
			const struct obj *o = v;

			*count += o->nat;
			for (k = 0; k < o->nat; k++)
				sum += (int64_t)o->at[k].data->len;
		}
	}
	return sum;
}

static int
objects(const struct ctx *c, enum mod m)
{
	return (int)g_hash_table_size(c->obj[m]);
}

static void
put_account(struct sb *b, const char *key, const char *title, const char *id, const char *name,
    int limit, int used, int64_t octets)
{
	sb_printf(b, "%s\"%s\":{\"display_name\":\"%s\",\"accounts\":[{\"account_id\":\"%s\","
	    "\"account_name\":\"%s\",\"countquota\":%d,\"countuse\":%d", b->p[b->len - 1] == '{' ? "" : ",",
	    key, title, id, name, limit, used);
	if (octets >= 0)
		sb_printf(b, ",\"quota\":%lld,\"use\":%lld", (long long)LIMIT_OCTETS, (long long)octets);
	sb_str(b, "}]}");
}

void
quota_get(struct req *r)
{
	int n;
	int64_t sum = attached_octets(r->c, &n);
	struct sb *b = r->out;

	sb_ch(b, '{');
	put_account(b, "calendar", "Calendar", "0", "Internal Calendar", LIMIT_OBJECTS,
	    objects(r->c, M_CALENDAR), -1);
	put_account(b, "share_links", "Share links", "0", "Share links", 100, 0, -1);
	put_account(b, "task", "Tasks", "0", "Tasks", LIMIT_OBJECTS, objects(r->c, M_TASKS), -1);
	put_account(b, "attachment", "Attachments", "0", "Attachments", LIMIT_OBJECTS, n, sum);
	put_account(b, "contact", "Contacts", "0", "Contacts", LIMIT_OBJECTS, objects(r->c, M_CONTACTS), -1);
	put_account(b, "invite_guests", "Invite guests", "0", "Invite guests", 100, 0, -1);
	put_account(b, "filestorage", "Drive", "infostore", "Standard Infostore", LIMIT_OBJECTS, 0, sum);
	sb_ch(b, '}');
}

void
quota_filestore(struct req *r)
{
	int n;

	sb_printf(r->out, "{\"quota\":%lld,\"use\":%lld}", (long long)LIMIT_OCTETS,
	    (long long)attached_octets(r->c, &n));
}

/* A mail server without quota: -1 KiB is "unlimited". */
void
quota_mail(struct req *r)
{
	sb_str(r->out, "{\"quota\":-1024,\"use\":-1024,\"countquota\":-1,\"countuse\":-1}");
}
