/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * "Work grows with the changes only": what one sync with K changes costs in a folder of N objects, and its ratio to the same in the
 * smallest folder.  Requests to OX, rows that PostgreSQL read and octets to the client are counted and exact; CPU is a median.
 *
 * Between the rounds OX's clock goes on and somebody changes one object, so that `updates` starts behind the round before: how often a bulk
 * change is read again in its overlap is another question.
 */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZES 3
#define MAX_K 100
#define NOTICED 1.3     /* a ratio beyond is marked; CPU is noisier */
#define NOTICED_CPU 2
#define AGAIN 1.1       /* ... if it grew from the middle to the largest folder as well */
#define NEIGHBOURS 512  /* rows more or less are chance: the indexes group them, 64 to a key, and a look-up reads its group */
#define WARM 2          /* rounds before those that count */
#define COUNTED 3

static const size_t ks[] = { 0, 1, 10, 100 };

struct grown {
	char user[20];
	bool mail;
	size_t n;         /* objects at first */
	int64_t folder, *ids;
	size_t n_ids, mails;
	struct device d;
	char made[MAX_K][40];
};

enum column { C_OX, C_ROWS, C_OCTETS, C_CPU, C_PG, C_COUNT };
static const char *const titles[C_COUNT] = { "OX requests", "rows read", "octets", "usmd us", "PostgreSQL us" };

struct cell {
	struct series v[C_COUNT];
};

/* One way to change something; PREPARE is not measured. Its text, if any, is the client's request. */
struct work {
	const char *what;
	bool mail;
	void (*prepare)(struct bench *b, struct grown *p, size_t k, unsigned round, char *text, size_t size);
	void (*after)(struct grown *p, size_t k);
};

/* ---- the changes ---- */

static void
by_others(struct bench *b, struct grown *p, size_t k, unsigned round, char *text, size_t size)
{
	(void)text, (void)size;
	for (size_t i = 0; i < k; i++)
		ox_touch(&b->ox, p->user, p->folder, p->ids[(i * (p->n_ids / k) + round) % p->n_ids], round);
}

static void
new_mails(struct bench *b, struct grown *p, size_t k, unsigned round, char *text, size_t size)
{
	(void)round, (void)text, (void)size;
	if (k > 0)
		ox_fill_mail(&b->ox, p->user, k, p->mails);
	p->mails += k;
}

/* Adds ITEM to the text  "LIST":[ITEM,ITEM...]  */
static void
add_item(char *text, size_t size, const char *list, const char *item)
{
	size_t n = strlen(text);
	bool first = n == 0;

	if (first)
		n = (size_t)snprintf(text, size, "\"%s\":[]", list);
	if ((size_t)snprintf(text + n - 1, size - n + 1, "%s%s]", first ? "" : ",", item) >= size - n + 1)
		die("a request is too long");
}

static void
by_device(struct bench *b, struct grown *p, size_t k, unsigned round, char *text, size_t size)
{
	char item[200];

	(void)b;
	for (size_t i = 0; i < k; i++) {
		(void)snprintf(item, sizeof(item), "{\"uuid\":\"%s\",\"note\":\"own %08u\"}", p->d.uuids[(i * (p->d.n_uuids / k) + round) % p->d.n_uuids], round);
		add_item(text, size, "modified", item);
	}
}

static void
created(struct bench *b, struct grown *p, size_t k, unsigned round, char *text, size_t size)
{
	char item[200];

	(void)b, (void)p;
	for (size_t i = 0; i < k; i++) {
		(void)snprintf(item, sizeof(item), "{\"clientId\":\"g%zu.%u.%zu\",\"last_name\":\"Growth %zu %u %zu\"}", k, round, i, k, round, i);
		add_item(text, size, "created", item);
	}
}

static void
remember_made(struct grown *p, size_t k)
{
	device_result_uuids(&p->d, p->made, k);
}

static void
deleted(struct bench *b, struct grown *p, size_t k, unsigned round, char *text, size_t size)
{
	char item[60];

	(void)b, (void)round;
	for (size_t i = 0; i < k; i++) {
		(void)snprintf(item, sizeof(item), "{\"uuid\":\"%s\"}", p->made[i]);
		add_item(text, size, "deleted", item);
	}
}

/* Those of a group are done one after the other in each round: what was created is deleted again. */
static const struct work works[][2] = {
	{ { "contacts changed by others", false, by_others, NULL } },
	{ { "contacts changed by the device", false, by_device, NULL } },
	{ { "contacts created by it", false, created, remember_made }, { "contacts deleted by it", false, deleted, NULL } },
	{ { "new mails", true, new_mails, NULL } },
};

/* ---- one cell ---- */

enum round { R_WARM, R_TIMED, R_COUNTED };

static void
one_round(struct bench *b, const struct work *w, struct grown *p, struct cell *c, size_t k, unsigned round, enum round kind)
{
	static char text[MAX_K * 200];
	const char *folder = p->mail ? p->d.inbox : p->d.contacts;
	double rows, cpu, pg;
	int64_t ox;
	size_t octets;

	text[0] = '\0';
	if (!w->mail)
		by_others(b, p, 1, round + 1000003, text, sizeof(text));
	(void)device_sync(&p->d, folder);
	(void)device_sync(&p->d, folder); /* of which nothing changed any more: the quick way knows OX's answer */
	w->prepare(b, p, k, round, text, sizeof(text));
	rows = kind == R_COUNTED ? pg_rows_read(b) : 0;
	ox = ox_requests(&b->ox);
	octets = p->d.link.total;
	pg = cpu_of_children(b->pg);
	cpu = cpu_of(b->usmd);
	if (text[0] != '\0')
		device_send(&p->d, folder, text, k);
	else if (device_sync(&p->d, folder) != k)
		die("%s: %zu changes were expected: %.300s", p->user, k, p->d.link.text);
	cpu = cpu_of(b->usmd) - cpu;
	pg = cpu_of_children(b->pg) - pg;
	if (kind == R_TIMED) {
		series_add(&c->v[C_CPU], cpu * 1e6);
		series_add(&c->v[C_PG], pg * 1e6);
	}
	if (kind == R_COUNTED) {
		series_add(&c->v[C_OX], (double)(ox_requests(&b->ox) - ox));
		series_add(&c->v[C_OCTETS], (double)(p->d.link.total - octets));
		series_add(&c->v[C_ROWS], pg_rows_read(b) - rows);
	}
	if (w->after != NULL && k > 0)
		w->after(p, k);
}

/* ---- the table ---- */

static void
print_head(void)
{
	printf("\nWork grows with the changes only: one sync; the ratios are to the smallest folder, ! marks what grows\n%-31s %4s %6s", "changes", "", "in");
	for (int i = 0; i < C_COUNT; i++)
		printf(" %14s %7s", titles[i], "ratio");
	printf("\n");
}

static bool
print_row(const char *what, size_t k, const struct grown *p, const struct cell *c, const struct cell *small, const struct cell *before)
{
	bool grew = false;

	printf("%-31s %4zu %6zu", what, k, p->n);
	for (int i = 0; i < C_COUNT; i++) {
		double v = series_median(&c->v[i]), base = series_median(&small->v[i]), ratio = base > 0 ? v / base : v > 0 ? INFINITY : 1;
		bool mark = before != small && ratio > (i >= C_CPU ? NOTICED_CPU : NOTICED) && v > AGAIN * series_median(&before->v[i]) &&
		    (i != C_ROWS || v > base + NEIGHBOURS);
		char text[20] = "";

		if (c != small)
			(void)snprintf(text, sizeof(text), "%.2f%s", ratio, mark ? "!" : "");
		grew |= mark;
		printf(" %14.0f %7s", v, text);
	}
	printf("\n");
	(void)fflush(stdout);
	return grew;
}

static unsigned
group(struct bench *b, const struct work *w, size_t n_works, struct grown *places)
{
	static unsigned round;
	struct cell c[2][SIZES];
	unsigned grew = 0;

	for (size_t ki = 0; ki < ARRAY_LEN(ks); ki++) {
		size_t k = ks[ki];

		if (k == 0 && w->prepare != by_others && w->prepare != new_mails)
			continue; /* a sync without changes is the same, whoever makes none */
		memset(c, 0, sizeof(c));
		for (size_t r = 0; r < WARM + b->runs + COUNTED; r++) {
			enum round kind = r < WARM ? R_WARM : r < WARM + b->runs ? R_TIMED : R_COUNTED;

			round++;
			ox_advance(&b->ox, 15000);
			for (size_t s = 0; s < SIZES; s++)
				for (size_t i = 0; i < n_works; i++)
					one_round(b, &w[i], &places[s], &c[i][s], k, round, kind);
		}
		for (size_t i = 0; i < n_works; i++)
			for (size_t s = 0; s < SIZES; s++)
				grew += print_row(s == 0 ? w[i].what : "", k, &places[s], &c[i][s], &c[i][0], &c[i][s > 0 ? s - 1 : 0]);
	}
	return grew;
}

static void
place_open(struct bench *b, struct grown *p, size_t n, bool mail)
{
	memset(p, 0, sizeof(*p));
	(void)snprintf(p->user, sizeof(p->user), "grow%s%zu", mail ? "mail" : "", n);
	p->n = n;
	p->mail = mail;
	p->folder = ox_user_with_contacts(&b->ox, p->user, mail ? 1 : n - 1);
	if (mail) {
		ox_fill_mail(&b->ox, p->user, n, 0);
		p->mails = n;
	} else {
		ox_login_as(&b->ox, p->user);
		p->n_ids = ox_ids(&b->ox, p->folder, &p->ids);
	}
	device_login(&p->d, b->socket, p->user, "growth");
	if (device_fill(&p->d, mail ? p->d.inbox : p->d.contacts, PAGE) != n)
		die("%s: the first fill is not complete", p->user);
	(void)device_sync(&p->d, mail ? p->d.inbox : p->d.contacts);
}

void
bench_growth(struct bench *b)
{
	static struct grown places[2][SIZES];
	size_t sizes[SIZES] = { 100, b->quick ? 1000 : 10000, b->large };
	unsigned grew = 0;

	for (size_t m = 0; m < 2; m++)
		for (size_t s = 0; s < SIZES; s++)
			place_open(b, &places[m][s], sizes[s], m == 1);
	pg_do(b, "VACUUM ANALYZE"); /* as autovacuum would have by then */
	print_head();
	for (size_t g = 0; g < ARRAY_LEN(works); g++)
		grew += group(b, works[g], works[g][1].what != NULL ? 2 : 1, places[works[g][0].mail]);
	if (grew == 0)
		printf("nothing grew with the folder\n");
	else
		printf("%u rows GREW with the folder\n", grew);
	for (size_t m = 0; m < 2; m++)
		for (size_t s = 0; s < SIZES; s++) {
			device_close(&places[m][s].d);
			free(places[m][s].ids);
		}
}
