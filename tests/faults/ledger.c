/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What devices and people did, and whether it is there: each object once with its last value, none that was deleted, and each value
 * of a contested field either there, or replaced by somebody who had seen it, or in a conflict record.
 */
#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmd/util.h"

#define MAX_OBJECTS 20000
#define MAX_EDITS 20000

struct entry {
	int owner;
	enum place place;
	bool gone;
	unsigned note; /* last value, 0 = none */
	unsigned seen; /* by the check */
	unsigned note_seen;
};
struct edit {
	unsigned which;
	char base[24], value[24];
};

static struct entry entries[MAX_OBJECTS];
static struct edit edits[MAX_EDITS];
static size_t n_entries, n_edits;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t n_conflicts;

size_t
ledger_add(int owner, enum place p)
{
	size_t n;

	(void)pthread_mutex_lock(&lock);
	if (n_entries == MAX_OBJECTS)
		fail("more than %d objects", MAX_OBJECTS);
	n = n_entries++;
	entries[n] = (struct entry){ .owner = owner, .place = p };
	(void)pthread_mutex_unlock(&lock);
	return n;
}

void
ledger_forget(size_t n)
{
	(void)pthread_mutex_lock(&lock);
	entries[n].gone = true;
	(void)pthread_mutex_unlock(&lock);
}

void
ledger_delete(size_t n)
{
	ledger_forget(n);
}

void
ledger_note(size_t n, unsigned value)
{
	(void)pthread_mutex_lock(&lock);
	entries[n].note = value;
	(void)pthread_mutex_unlock(&lock);
}

size_t
ledger_pick(int owner, struct rng *r)
{
	size_t found = SIZE_MAX;

	(void)pthread_mutex_lock(&lock);
	for (int i = 0; i < 50 && found == SIZE_MAX && n_entries > 0; i++) {
		size_t k = rng_below(r, (unsigned)n_entries);

		if (entries[k].owner == owner && !entries[k].gone)
			found = k;
	}
	(void)pthread_mutex_unlock(&lock);
	return found;
}

enum place
ledger_place(size_t n)
{
	return entries[n].place;
}

void
ledger_hot(unsigned which, const char *base, const char *value)
{
	(void)pthread_mutex_lock(&lock);
	if (n_edits == MAX_EDITS)
		fail("more than %d edits", MAX_EDITS);
	edits[n_edits].which = which;
	(void)snprintf(edits[n_edits].base, sizeof(edits[n_edits].base), "%s", base);
	(void)snprintf(edits[n_edits].value, sizeof(edits[n_edits].value), "%s", value);
	n_edits++;
	(void)pthread_mutex_unlock(&lock);
}

size_t
ledger_count(void)
{
	return n_entries;
}

void
ledger_print(void)
{
	size_t gone = 0;

	for (size_t i = 0; i < n_entries; i++)
		gone += entries[i].gone;
	(void)printf("objects made: %zu, of them deleted again: %zu; edits of contested fields: %zu, conflict records: %zu\n", n_entries, gone, n_edits, n_conflicts);
}

/* ---- the check ---- */

static char why[400];
static char hot_now[HOT][64];

/* One folder by OX's list: title, note and nickname of each object. */
static const char *
read_folder(enum place p)
{
	static const struct {
		const char *module, *folder, *columns;
	} where[PLACES] = {
		[IN_CONTACTS] = { "contacts", "42", "500,518,515" }, [IN_TEAM] = { "contacts", NULL, "500,518,515" },
		[IN_CALENDAR] = { "calendar", "41", "200,203" }, [IN_TASKS] = { "tasks", "43", "200,203" }, [IN_INBOX] = { "mail", "default0/INBOX", "607" },
	};
	char params[300], team[16];
	json_t *j, *row;
	size_t i;

	(void)snprintf(team, sizeof(team), "%d", ox_folder_team);
	(void)snprintf(params, sizeof(params), "{\"folder\":\"%s\",\"columns\":\"%s\",\"start\":\"0\",\"end\":\"253402214400000\",\"recurrence_master\":\"true\"}",
	    where[p].folder != NULL ? where[p].folder : team, where[p].columns);
	j = ox_as("berta", where[p].module, "all", params, "null");
	if (!json_is_array(json_object_get(j, "data"))) {
		(void)snprintf(why, sizeof(why), "OX does not list %s", where[p].module);
		json_decref(j);
		return why;
	}
	json_array_foreach(json_object_get(j, "data"), i, row) {
		const char *title = json_string_value(json_array_get(row, 0)), *note = json_string_value(json_array_get(row, 1));
		const char *nick = json_string_value(json_array_get(row, 2));
		unsigned n, v = 0, h;

		if (title == NULL)
			continue;
		if (sscanf(title, "hot-%u", &h) == 1 && h < HOT)
			(void)snprintf(hot_now[h], sizeof(hot_now[h]), "%s", nick != NULL ? nick : "");
		if (sscanf(title, "m-%u", &n) != 1 || n >= n_entries)
			continue;
		if (note != NULL && sscanf(note, "n%u", &v) != 1)
			v = 0;
		entries[n].seen++;
		entries[n].note_seen = v;
		if (entries[n].place != p)
			entries[n].seen += 100;
	}
	json_decref(j);
	return NULL;
}

static bool
read_key(struct keyring *ring)
{
	unsigned char master[KEY_BYTES];
	char path[128], hex[65] = "";
	FILE *f;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s/key", w.dir);
	f = fopen(path, "r");
	ok = f != NULL && fgets(hex, sizeof(hex), f) != NULL && hex_decode(hex, master, sizeof(master));
	if (f != NULL)
		(void)fclose(f);
	return ok && keyring_add(ring, master);
}

/* All records in clear, one a line. */
static bool
read_conflicts(struct buf *out)
{
	struct keyring ring = { .n = 0 };
	PGconn *c = pg_connect("usmd", "usmd");
	PGresult *r = PQexecParams(c, "SELECT sealed, account::text FROM usmd.conflict", 0, NULL, NULL, NULL, NULL, 1);
	bool ok = PQresultStatus(r) == PGRES_TUPLES_OK && read_key(&ring);

	n_conflicts = (size_t)PQntuples(r);
	for (int i = 0; ok && i < PQntuples(r); i++) {
		char bound[40];
		struct seal_use use = { .label = "usmd conflict records", .bound = bound };

		(void)snprintf(bound, sizeof(bound), "conflict %.*s", PQgetlength(r, i, 1), PQgetvalue(r, i, 1));
		ok = keyring_open(&ring, &use, PQgetvalue(r, i, 0), (size_t)PQgetlength(r, i, 0), out) == RC_OK;
		buf_addc(out, '\n');
	}
	PQclear(r);
	PQfinish(c);
	return ok;
}

static bool
replaced_knowingly(const struct edit *x)
{
	for (size_t i = 0; i < n_edits; i++)
		if (edits[i].which == x->which && strcmp(edits[i].base, x->value) == 0)
			return true;
	return false;
}

static const char *
check_hot(void)
{
	struct buf b;
	bool lost = false;

	buf_init(&b, 0);
	if (!read_conflicts(&b)) {
		buf_fini(&b);
		return "the conflict records cannot be read";
	}
	buf_addc(&b, '\n');
	for (size_t i = 0; i < n_edits && !lost && !w.lossy; i++) {
		char quoted[40];

		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", edits[i].value);
		if (strcmp(hot_now[edits[i].which], edits[i].value) == 0 || replaced_knowingly(&edits[i]) || strstr(b.p, quoted) != NULL)
			continue;
		(void)snprintf(why, sizeof(why), "hot-%u: the value %s is lost: it is not the last one (%s), nobody replaced it knowingly, and no conflict record has it",
		    edits[i].which, edits[i].value, hot_now[edits[i].which]);
		lost = true;
	}
	buf_fini(&b);
	return lost ? why : NULL;
}

const char *
ledger_check(void)
{
	const char *wrong = NULL;

	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_entries; i++)
		entries[i].seen = entries[i].note_seen = 0;
	for (enum place p = 0; p < PLACES && wrong == NULL; p++)
		wrong = read_folder(p);
	for (size_t i = 0; i < n_entries && wrong == NULL; i++) {
		const struct entry *x = &entries[i];

		if (x->seen == (x->gone ? 0 : 1) && (x->gone || x->note == x->note_seen))
			continue;
		wrong = why;
		if (x->seen != (x->gone ? 0 : 1))
			(void)snprintf(why, sizeof(why), "m-%zu of %d in place %d: %u times there%s", i, x->owner, (int)x->place, x->seen, x->gone ? ", though deleted" : "");
		else
			(void)snprintf(why, sizeof(why), "m-%zu of %d in place %d: its note is n%u and should be n%u", i, x->owner, (int)x->place, x->note_seen, x->note);
	}
	if (wrong == NULL)
		wrong = check_hot();
	(void)pthread_mutex_unlock(&lock);
	return wrong;
}
