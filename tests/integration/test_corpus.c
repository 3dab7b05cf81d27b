/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Real cards, calendars and mails on the whole way: file -> server (oxsim) -> usmd -> usmsync -> file, and from these files back into a second
 * account and out of it again.  What the files say is compared, field by field; the differences that are allowed stand in kept.h, each
 * with its reason, and in usmsync(1).  Mails must come back octet by octet.
 * CORPUS names the folder (default ../shared/corpus, skipped loudly without it), CORPUS_EVERY takes each Nth file (default 4; `make corpus`: all).
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/harness.h"
#include "harness/proc.h"
#include "kept.h"
#include "usmd/pim.h"

#define MAX_OBJECTS 4000

/** What one file, or one object of it, says. */
struct said {
	enum pim_kind kind;
	char *from;   /* the file */
	json_t *o;    /* mail: {"octets": base16 of a hash} */
	char *text;   /* canonical, after the allowed differences */
	bool used;
};

struct bag {
	struct said v[MAX_OBJECTS];
	size_t n;
};

static struct bag original, first, second;
static struct world w;
static char in[160];

/* ---- reading ---- */

static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *p;
	long size;

	ck_assert_msg(f != NULL, "%s cannot be read", path);
	(void)fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	p = malloc((size_t)size + 1);
	ck_assert_uint_eq(fread(p, 1, (size_t)size, f), (size_t)size);
	(void)fclose(f);
	p[size] = '\0';
	*n = (size_t)size;
	return p;
}

/* OX ends every line with CRLF: a lone LF is one, too. */
static size_t
lines(char *p, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (p[i] != '\r' || i + 1 == n || p[i + 1] != '\n')
			p[k++] = p[i];
	return k;
}

/*
 * What OX 8.19 changes in the header of a mail that it takes: raw 8-bit characters are replaced, and it adds a mark, and From where there is none.
 * usmd gives a mail without Message-ID one.  The lines of such are left out, and so is what stands where such a character was; the body stays as it is.
 * A header that no empty line ends, so that there is no body, gets one from OX: it is told without its end.
 */
static size_t
header(char *p, size_t n)
{
	static const char *const added[] = { "X-OX-Marker: ", "Message-ID: <usm1", "From: berta@example.com", "From: dora@example.com" };
	size_t i = 0, k = 0, end;

	for (; i < n && p[i] != '\n'; i = end) {
		bool leave = false;

		for (end = i; end < n && p[end++] != '\n';)
			;
		for (size_t x = 0; x < sizeof(added) / sizeof(added[0]); x++)
			leave = leave || (end - i > strlen(added[x]) && strncmp(p + i, added[x], strlen(added[x])) == 0);
		for (size_t x = i; !leave && x < end; x++)
			if ((unsigned char)p[x] < 0x80 && p[x] != '?')
				p[k++] = p[x];
	}
	if (i + 1 >= n) {
		while (k > 0 && p[k - 1] == '\n')
			k--;
		return k;
	}
	memmove(p + k, p + i, n - i);
	return k + (n - i);
}

/* Which mail it is: length and 64 bits of FNV-1a. */
static json_t *
octets(const char *mail, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037);
	char *p = malloc(n + 1);
	json_t *v;

	memcpy(p, mail, n);
	n = header(p, lines(p, n));

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(1099511628211);
	v = json_sprintf("%zu octets, %016llx", n, (unsigned long long)h);
	free(p);
	return v;
}

static void
say(struct bag *b, enum pim_kind kind, const char *from, json_t *o)
{
	struct said *s = &b->v[b->n];

	ck_assert_uint_lt(b->n, MAX_OBJECTS);
	s->kind = kind;
	s->from = strdup(from);
	s->o = o;
	s->used = false;
	normalise(kind, o);
	s->text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	b->n++;
}

struct reading {
	struct bag *b;
	const char *path;
};

static int
on_item(void *arg, const struct pim_item *it)
{
	struct reading *r = arg;

	if (it->kind == PIM_MAIL) {
		say(r->b, PIM_MAIL, r->path, json_pack("{s:o}", "octets", octets(it->octets, it->octets_len)));
		return 0;
	}
	say(r->b, it->kind, r->path, json_deep_copy(it->object));
	for (size_t i = 0; i < json_array_size(it->exceptions); i++)
		say(r->b, it->kind, r->path, json_deep_copy(json_array_get(it->exceptions, i)));
	return 0;
}

static void
read_tree(const char *dir, struct bag *b)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort);

	ck_assert_msg(n >= 0, "%s is no folder", dir);
	for (int i = 0; i < n; i++) {
		char path[1024];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (list[i]->d_name[0] != '.' && strcmp(list[i]->d_name, "Public folders") != 0 && stat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode)) {
				read_tree(path, b);
			} else {
				struct reading r = { b, path };
				struct pim_options opt;
				size_t len;
				char *p = slurp(path, &len);

				pim_options_init(&opt);
				opt.lenient = true; /* as the server's import reads */
				(void)pim_file_parse(path, p, len, &opt, on_item, &r, NULL);
				free(p);
			}
		}
		free(list[i]);
	}
	free(list);
}

static void
bag_clear(struct bag *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->v[i].from);
		free(b->v[i].text);
		json_decref(b->v[i].o);
	}
	b->n = 0;
}

/* ---- comparing ---- */

static size_t
differing(const struct said *a, const struct said *b)
{
	const char *name;
	json_t *v;
	size_t n = 0;

	json_object_foreach(a->o, name, v)
		n += !json_equal(v, json_object_get(b->o, name));
	json_object_foreach(b->o, name, v)
		n += json_object_get(a->o, name) == NULL;
	return n;
}

static void
explain(const struct said *a, const struct said *b)
{
	const char *name;
	json_t *v;

	(void)printf("%s\n  and %s\n", a->from, b->from);
	json_object_foreach(a->o, name, v)
		if (!json_equal(v, json_object_get(b->o, name))) {
			char *x = json_dumps(v, JSON_ENCODE_ANY), *y = json_object_get(b->o, name) != NULL ? json_dumps(json_object_get(b->o, name), JSON_ENCODE_ANY) : NULL;

			(void)printf("    %s: %.300s | %.300s\n", name, x, y != NULL ? y : "-");
			free(x);
			free(y);
		}
	json_object_foreach(b->o, name, v)
		if (json_object_get(a->o, name) == NULL) {
			char *y = json_dumps(v, JSON_ENCODE_ANY);

			(void)printf("    %s: - | %.300s\n", name, y);
			free(y);
		}
}

/*
 * Every object of B is one of A's, each of A at most once; what is left over of either is named: of A it is what the server refused.
 * Number of the differences.
 */
static unsigned
compare(struct bag *a, struct bag *b)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < a->n; i++)
		a->v[i].used = false;
	for (size_t k = 0; k < b->n; k++) {
		b->v[k].used = false;
		for (size_t i = 0; i < a->n && !b->v[k].used; i++)
			if (!a->v[i].used && a->v[i].kind == b->v[k].kind && strcmp(a->v[i].text, b->v[k].text) == 0)
				a->v[i].used = b->v[k].used = true;
	}
	for (size_t k = 0; k < b->n; k++) {
		struct said *near = NULL;

		if (b->v[k].used)
			continue;
		wrong++;
		for (size_t i = 0; i < a->n; i++)
			if (!a->v[i].used && a->v[i].kind == b->v[k].kind && (near == NULL || differing(&a->v[i], &b->v[k]) < differing(near, &b->v[k])))
				near = &a->v[i];
		if (near == NULL) {
			(void)printf("%s is of no file\n", b->v[k].from);
			continue;
		}
		near->used = true;
		explain(near, &b->v[k]);
	}
	for (size_t i = 0; i < a->n; i++)
		if (!a->v[i].used)
			(void)printf("%s is not there\n", a->v[i].from);
	return wrong;
}

static size_t
count(const struct bag *b, enum pim_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->v[i].kind == kind && json_object_get(b->v[i].o, "recurrence_date_position") == NULL; /* a series counts once */
	return n;
}

/* ---- the way ---- */

static void
shell(const char *command)
{
	char *argv[] = { "sh", "-c", (char *)(size_t)command, NULL };

	ck_assert_msg(run_wait(argv, NULL) == 0, "%s", command);
}

/*
 * What the server does not take into the second account, named by usmsync one by one: mails without any header, and meetings whose people are in the
 * same meeting of the first account.  false: there is another problem.
 */
static bool
expected(const char *log, size_t refused[PIM_KINDS])
{
	char line[1000];
	FILE *f = fopen(log, "r");
	bool ok = true;

	ck_assert_ptr_nonnull(f);
	while (ok && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, ": These octets are no mail: ") != NULL)
			refused[PIM_MAIL]++;
		else if (strstr(line, ": Not stored, it collides with ") != NULL)
			refused[PIM_APPOINTMENT]++;
		else
			ok = strstr(line, " problems, ") != NULL || line[0] == '\n';
	}
	(void)fclose(f);
	return ok;
}

static void
sync_as(const char *user, const char *name, size_t refused[PIM_KINDS])
{
	char prog[160], dir[200], log[200];
	char *argv[] = { prog, "--server", w.server, "--user", (char *)(size_t)user, "--dir", dir, "--device", (char *)(size_t)name, "--limit", "500", NULL };
	int rc;

	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(dir, sizeof(dir), "%s/%s", w.dir, name);
	(void)snprintf(log, sizeof(log), "%s/%s.log", w.dir, name);
	rc = run_wait(argv, log);
	if (rc != 0 && (rc != 1 || refused == NULL || !expected(log, refused))) {
		char *text, show[2000];
		size_t n;

		text = slurp(log, &n);
		(void)snprintf(show, sizeof(show), "%s", n > 1900 ? text + n - 1900 : text);
		free(text);
		ck_abort_msg("usmsync of %s in %s ended with %d: %s", user, name, rc, show);
	}
}

/* Each Nth file of the corpus into the folder that the server imports. */
static bool
choose_files(void)
{
	const char *corpus = getenv("CORPUS") != NULL ? getenv("CORPUS") : "../shared/corpus", *every = getenv("CORPUS_EVERY");
	char command[600];
	struct stat st;

	if (stat(corpus, &st) != 0) {
		(void)printf("SKIPPED: no corpus at %s (set CORPUS to a folder of vCards, calendars and mails)\n", corpus);
		(void)fflush(stdout);
		return false;
	}
	(void)snprintf(in, sizeof(in), "%s/corpus", harness_env("USMD_TEST_DIR"));
	(void)snprintf(command, sizeof(command), "mkdir -p '%s' && find '%s' -type f ! -name SOURCES.md | LC_ALL=C sort | awk 'NR %% %s == 0' | "
	    "awk '{n = $0; sub(/.*\\//, \"\", n); printf \"%%s\\t%s/%%05d-%%s\\n\", $0, NR, n}' | while IFS='\t' read -r f to; do cp -- \"$f\" \"$to\"; done",
	    in, corpus, every != NULL ? every : "4", in);
	shell(command);
	return true;
}

START_TEST(there_and_back)
{
	/* the whole corpus has the same appointment 29 times, which a guard takes for a device gone wrong */
	static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "guard_create_count = 0", NULL };
	char path[200], command[600];
	size_t refused[PIM_KINDS] = { 0 };
	unsigned wrong;

	if (_i == 0)
		(void)snprintf(in, sizeof(in), "tests/data/demo");
	else if (!choose_files())
		return;
	world_begin(&w, in, settings);
	sync_as("berta", "A", NULL);
	(void)snprintf(path, sizeof(path), "%s/A", w.dir);
	read_tree(path, &first);
	read_tree(in, &original);
	(void)snprintf(command, sizeof(command), "cp -r '%s/A' '%s/B' && rm -rf '%s/B/.usmsync' '%s/B/Public folders'", w.dir, w.dir, w.dir, w.dir);
	shell(command);
	sync_as("dora", "B", refused);
	sync_as("dora", "C", NULL);
	(void)snprintf(path, sizeof(path), "%s/C", w.dir);
	read_tree(path, &second);
	for (int k = 0; k < PIM_KINDS; k++)
		(void)printf("%-18s %zu in the files, %zu in the first account, %zu in the second, %zu refused there\n", pim_kind_name((enum pim_kind)k), count(&original, (enum pim_kind)k),
		    count(&first, (enum pim_kind)k), count(&second, (enum pim_kind)k), refused[k]);
	(void)puts("== files and first account");
	wrong = compare(&original, &first);
	(void)puts("== first and second account");
	wrong += compare(&first, &second);
	for (int k = 0; k < PIM_KINDS; k++)
		wrong += count(&first, (enum pim_kind)k) != count(&second, (enum pim_kind)k) + refused[k];
	(void)fflush(stdout);
	bag_clear(&original);
	bag_clear(&first);
	bag_clear(&second);
	world_end(&w);
	ck_assert_msg(wrong == 0, "%u objects differ", wrong);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("corpus");
	TCase *tc = tcase_create("corpus");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(tc, 1800); /* all files (make corpus) on a busy machine */
	tcase_add_loop_test(tc, there_and_back, 0, 2);
	suite_add_tcase(suite, tc);
	return harness_main(suite);
}
