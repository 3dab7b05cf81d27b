/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The invariants, once everything is quiet: clients equal OX through their windows, nothing is doubled, nothing typed is lost. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

bool
ox_in_window(const struct sim *s, const struct client *c, const struct oxobj *o)
{
	enum content ct = s->ox.folder[o->folder].ct;
	int64_t today = (s->ox.now + s->skew) / DAY, days = c->days >= 0 && ct != CT_MAIL ? c->days : PAST_DAYS;
	msec_t w0 = (today - days) * DAY, w1 = (today + days + 1) * DAY - 1;

	switch (ct) {
	case CT_CALENDAR:
		return o->f[3] <= w1 && (o->f[4] > o->f[3] ? o->f[4] : o->f[3]) >= w0; /* merged fields of two people may end before they begin */
	case CT_TASK:
		return o->f[2] <= w1 && o->f[2] >= w0;
	case CT_MAIL:
		return o->date >= w0;
	default:
		return true;
	}
}

static void
check_objects(struct sim *s, struct client *c, int folder, int of)
{
	enum content ct = s->ox.folder[of].ct;
	int want = 0, n = 0;

	for (int i = 0; i < c->n_obj; i++)
		n += c->obj[i].used && c->obj[i].folder == folder;
	for (size_t i = 0; i < s->ox.n_obj; i++) {
		const struct oxobj *o = &s->ox.obj[i];
		bool found = false;

		if (!o->live || o->folder != of || !ox_in_window(s, c, o))
			continue;
		want++;
		for (int k = 0; k < c->n_obj && !found; k++) {
			const struct local *l = &c->obj[k];

			/* a text is in one object only, so the first field of a typed object names it; others are told apart by all fields */
			found = l->used && l->folder == folder && memcmp(l->cur, o->f, sim_nf(ct) * sizeof(l->cur[0])) == 0;
		}
		for (int k = 0; !found && k < c->n_obj; k++)
			if (c->obj[k].used && c->obj[k].folder == folder)
				tell(s, "%s has in folder %d %s: %lld %lld %lld %lld %lld", c->name, folder, c->obj[k].cid, (long long)c->obj[k].cur[0], (long long)c->obj[k].cur[1],
				    (long long)c->obj[k].cur[2], (long long)c->obj[k].cur[3], (long long)c->obj[k].cur[4]);
		if (!found)
			sim_fail(s, "%s does not have object %lld of folder %s as OX has it: %lld %lld %lld %lld %lld", c->name, (long long)o->id, s->ox.folder[of].id,
			    (long long)o->f[0], (long long)o->f[1], (long long)o->f[2], (long long)o->f[3], (long long)o->f[4]);
	}
	for (int k = 0; n != want && k < c->n_obj; k++) {
		const struct local *l = &c->obj[k];
		bool found = !l->used || l->folder != folder;

		for (size_t i = 0; i < s->ox.n_obj && !found; i++)
			found = s->ox.obj[i].live && s->ox.obj[i].folder == of && ox_in_window(s, c, &s->ox.obj[i]) &&
			    memcmp(l->cur, s->ox.obj[i].f, sim_nf(ct) * sizeof(l->cur[0])) == 0;
		if (!found)
			sim_fail(s, "%s holds %d objects of folder %s, not %d: too much is %lld %lld %lld %lld %lld", c->name, n, s->ox.folder[of].id, want,
			    (long long)l->cur[0], (long long)l->cur[1], (long long)l->cur[2], (long long)l->cur[3], (long long)l->cur[4]);
	}
	for (size_t i = 0; n != want && i < s->ox.n_obj; i++)
		if (s->ox.obj[i].live && s->ox.obj[i].folder == of)
			tell(s, "OX has %lld", (long long)s->ox.obj[i].id);
	if (n != want)
		sim_fail(s, "%s holds %d objects of folder %s, not %d: some twice", c->name, n, s->ox.folder[of].id, want);
}

const char *
folder_name(const struct sim *s, const struct client *c, int f)
{
	int of = f > 0 ? ox_folder_of(s, c, f) : -1;

	return f == 0 ? "the hierarchy" : of >= 0 ? s->ox.folder[of].id : "a folder that is gone";
}

/* The folder of OX that client folder F is: titles are texts of their own. */
int
ox_folder_of(const struct sim *s, const struct client *c, int f)
{
	for (int i = 0; i < c->n_obj; i++) {
		const struct local *l = &c->obj[i];

		if (!l->used || l->folder != 0 || memcmp(&l->uuid, &c->folder[f].uuid, sizeof(l->uuid)) != 0)
			continue;
		for (int k = 0; k < s->ox.n_folder; k++)
			if (ox_sees(s, c->user, k) && s->ox.folder[k].title == l->cur[0])
				return k;
	}
	return -1;
}

static void
check_client(struct sim *s, struct client *c)
{
	int n = 0, want = 0;

	for (int i = 0; i < s->ox.n_folder; i++)
		want += ox_sees(s, c->user, i);
	for (int f = 1; f < c->n_folder; f++) {
		int of;

		if (!c->folder[f].used)
			continue;
		n++;
		of = ox_folder_of(s, c, f);
		if (of < 0 || s->ox.folder[of].ct != c->folder[f].ct)
			sim_fail(s, "%s has a folder that OX does not have", c->name);
		check_objects(s, c, f, of);
	}
	if (n != want)
		sim_fail(s, "%s has %d folders, not %d", c->name, n, want);
}

/* An unanswered create whose object somebody moved to where its maker cannot see it is made again: nothing in sight tells of it. */
static bool
out_of_sight(const struct sim *s, const struct oxobj *o)
{
	long user = o->uid[0] != '\0' ? strtol(o->uid + strlen("usm1-"), NULL, 10) - 3 : -1;

	return user < 0 || user >= MAX_USER || !ox_sees(s, (unsigned)user, o->folder);
}

/* A text is typed into one object: A, which a client created again because it was told that it was gone, was B, made in OX. */
static bool
is_recreation_of(const struct sim *s, const struct oxobj *a, const struct oxobj *b)
{
	enum content ct = s->ox.folder[a->folder].ct;

	if (strstr(a->uid, "-re.") == NULL || b->uid[0] != '\0')
		return false;
	for (unsigned k = 0; k < sim_nf(ct) && ct == s->ox.folder[b->folder].ct; k++)
		if (is_typed(sim_fields[ct][k].kind) && a->f[k] != 0 && a->f[k] == b->f[k])
			return true;
	return false;
}

static void
check_doubles(struct sim *s)
{
	for (size_t i = 0; i < s->ox.n_obj; i++)
		for (size_t k = 0; k < i; k++) {
			const struct oxobj *a = &s->ox.obj[i], *b = &s->ox.obj[k];
			bool mail = s->ox.folder[a->folder].ct == CT_MAIL;

			if (!a->live || !b->live || mail != (s->ox.folder[b->folder].ct == CT_MAIL))
				continue;
			if (!mail && (out_of_sight(s, a) || out_of_sight(s, b)))
				continue;
			if (mail ? a->token == b->token : !s->v.copies && a->uid[0] != '\0' && strcmp(a->uid, b->uid) == 0)
				sim_fail(s, "doubled in OX: %s %s %lld in %d %lld in %d", mail ? "mail" : "object", a->uid, (long long)a->id, a->folder, (long long)b->id, b->folder);
		}
	for (size_t i = 0; i < s->ox.n_obj && s->v.users == 1; i++)
		for (size_t k = 0; k < i; k++)
			if (s->ox.obj[i].live && s->ox.obj[k].live && is_recreation_of(s, &s->ox.obj[i], &s->ox.obj[k]))
				sim_fail(s, "doubled in OX: %lld lives and was created again as %lld", (long long)s->ox.obj[k].id, (long long)s->ox.obj[i].id);
	for (int i = 0; i < s->ox.n_folder; i++)
		for (int k = 0; k < i; k++)
			if (s->ox.folder[i].live && s->ox.folder[k].live && s->ox.folder[i].title == s->ox.folder[k].title)
				sim_fail(s, "doubled in OX: folder w%lld", (long long)s->ox.folder[i].title / 2);
}

/* Everything typed is alive, was knowingly replaced by or deleted with something that is accounted for, or is in a conflict record. */
static void
check_texts(struct sim *s)
{
	static bool ok[MAX_TOKEN];
	bool again = true;

	for (int i = 0; i <= s->n_token; i++)
		ok[i] = s->gone[i] || s->recorded[i];
	for (size_t i = 0; i < s->ox.n_obj; i++) {
		const struct oxobj *o = &s->ox.obj[i];
		enum content ct = s->ox.folder[o->folder].ct;

		if (!o->live)
			continue;
		ok[o->token / 2] = true;
		for (unsigned k = 0; k < sim_nf(ct); k++)
			if (is_typed(sim_fields[ct][k].kind))
				ok[o->f[k] / 2] = true;
	}
	for (int i = 0; i < s->ox.n_folder; i++)
		if (s->ox.folder[i].live)
			ok[s->ox.folder[i].title / 2] = true;
	while (again) {
		again = false;
		for (int e = s->n_edge - 1; e >= 0; e--)
			if (ok[s->edge[e].kid] && !ok[s->edge[e].parent])
				ok[s->edge[e].parent] = again = true;
	}
	for (int i = 1; i <= s->n_token; i++)
		if (!ok[i])
			sim_fail(s, "lost without record: w%d, typed by %s%d", i, s->typist[i] != 0 ? "dev" : "OX ", s->typist[i] - 1);
}

void
world_check(struct sim *s)
{
	check_doubles(s);
	for (unsigned i = 0; i < s->v.devs; i++)
		check_client(s, &s->cl[i]);
	check_texts(s);
}
