/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Time zones: offsets at an instant, read once per zone from the system's
 * TZif files and looked up by bisection (a row of 30 columns may ask for
 * several shifted values, so this must cost nanoseconds).
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

struct tz {
	char *name;
	int n;
	int64_t *at;		/* transition, ms */
	int32_t *off;		/* seconds from there on; off[0] before the first */
};

static GHashTable *zones;

static uint32_t
be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t
be64(const unsigned char *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static size_t
block_len(const unsigned char *h, size_t tsize)
{
	return be32(h + 32) * (tsize + 1) + be32(h + 36) * 6 + be32(h + 40) +
	    be32(h + 28) * (tsize + 4) + be32(h + 24) + be32(h + 20);
}

/* the 64-bit part of a version 2 file */
static struct tz *
parse(const char *name, const unsigned char *d, size_t len)
{
	const unsigned char *h = d, *p, *types;
	uint32_t nt, ntyp, i;
	struct tz *z;

	if (len < 88 || memcmp(d, "TZif", 4) != 0 || d[4] < '2')
		return NULL;
	h = d + 44 + block_len(d, 4);
	if ((size_t)(h - d) + 44 > len || memcmp(h, "TZif", 4) != 0)
		return NULL;
	nt = be32(h + 32);
	ntyp = be32(h + 36);
	p = h + 44;
	if (ntyp == 0 || (size_t)(p - d) + block_len(h, 8) > len)
		return NULL;
	types = p + nt * 9;
	z = xcalloc(1, sizeof(*z));
	z->name = xstrdup(name);
	z->n = (int)nt;
	z->at = xcalloc(nt, sizeof(*z->at));
	z->off = xcalloc(nt + 1, sizeof(*z->off));
	z->off[0] = (int32_t)be32(types);
	for (i = 0; i < nt; i++) {
		unsigned int t = p[nt * 8 + i];

		z->at[i] = be64(p + i * 8) * 1000;
		z->off[i + 1] = t < ntyp ? (int32_t)be32(types + t * 6) : 0;
	}
	return z;
}

const struct tz *
tz_get(const char *name)
{
	struct tz *z;
	char *path;
	gchar *data = NULL;
	gsize len = 0;

	if (zones == NULL)
		zones = g_hash_table_new(g_str_hash, g_str_equal);
	if (name == NULL || *name == '\0' || strstr(name, "..") != NULL || *name == '/')
		return NULL;
	if ((z = g_hash_table_lookup(zones, name)) != NULL)
		return z;
	if (strcmp(name, "UTC") == 0 || strcmp(name, "GMT") == 0) {
		z = xcalloc(1, sizeof(*z));
		z->name = xstrdup(name);
		z->off = xcalloc(1, sizeof(*z->off));
	} else {
		path = xprintf("/usr/share/zoneinfo/%s", name);
		if (g_file_get_contents(path, &data, &len, NULL))
			z = parse(name, (const unsigned char *)data, len);
		g_free(data);
		free(path);
	}
	if (z != NULL)
		g_hash_table_insert(zones, z->name, z);
	return z;
}

const char *
tz_name(const struct tz *z)
{
	return z->name;
}

int64_t
tz_offset(const struct tz *z, int64_t t)
{
	/* the calendar repeats every 28 years between 1901 and 2099: files end in 2037 */
	const int64_t cycle = 10227 * DAY_MS, y2037 = INT64_C(2114380800000);
	int lo = 0, hi = z->n;

	if (z->n > 0 && t > y2037)
		t = y2037 - cycle + (t - y2037) % cycle;
	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (z->at[mid] <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (int64_t)z->off[lo] * 1000;
}

/* RFC 5545, 3.3.5: the first of two equal hours; where an hour is left out, the offset from before it */
int64_t
tz_to_utc(const struct tz *z, int64_t local)
{
	int64_t before = tz_offset(z, local - DAY_MS), after = tz_offset(z, local + DAY_MS);

	if (tz_offset(z, local - before) == before || tz_offset(z, local - after) != after)
		return local - before;
	return local - after;
}
