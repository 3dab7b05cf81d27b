/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is about the client program itself, through real HTTP: the announced version and its download, what clients hand in, usmctl feedback. */
#include "wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKAGE_OCTETS 2500000 /* three pieces */
#define KEEP_MS 2000

static char package_dir[160], feedback_dir[160], base[160];

static void
start(const char *more)
{
	static char s[8][200];
	const char *list[9] = { NULL };
	size_t n = 0;

	(void)snprintf(base, sizeof(base), "%.100s/client.XXXXXX", harness_env("USMD_TEST_DIR"));
	ck_assert_ptr_nonnull(mkdtemp(base));
	(void)snprintf(package_dir, sizeof(package_dir), "%.120s/package", base);
	(void)snprintf(feedback_dir, sizeof(feedback_dir), "%.120s/feedback", base);
	ck_assert_int_eq(mkdir(package_dir, 0755), 0);
	(void)snprintf(s[n++], 200, "client_dir = %s", package_dir);
	(void)snprintf(s[n++], 200, "feedback_dir = %s", feedback_dir);
	(void)snprintf(s[n++], 200, "feedback_max = 64K");
	(void)snprintf(s[n++], 200, "feedback_budget = 150K");
	(void)snprintf(s[n++], 200, "feedback_per_device = 3");
	if (more != NULL)
		(void)snprintf(s[n++], 200, "%s", more);
	for (size_t i = 0; i < n; i++)
		list[i] = s[i];
	world_begin(&w, NULL, list);
}

static void
up(void)
{
	start(NULL);
}

static void
up_short(void)
{
	start("feedback_keep = 2s");
}

static void
none_up(void)
{
	base[0] = '\0';
	world_begin(&w, NULL, NULL);
}

static void
down(void)
{
	char *argv[] = { "rm", "-rf", base, NULL };

	world_down();
	if (base[0] != '\0')
		(void)run_wait(argv, NULL);
}

static void
put_file(const char *name, const void *p, size_t n)
{
	char path[260];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", package_dir, name);
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(p, 1, n, f), n);
	(void)fclose(f);
}

static void
put_manifest(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void
put_manifest(const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_file("client.json", text, strlen(text));
}

static json_t *
announced(void)
{
	struct dev nobody = { .k = 0 };
	json_t *none = json_object(), *data = good(&nobody, "serverInfo", none), *client = json_incref(json_object_get(data, "client"));

	json_decref(none);
	json_decref(data);
	return client;
}

static bool
log_has(const char *text)
{
	char path[200];
	static char all[1 << 20];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%.150s/usmd.log", w.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(all, 1, sizeof(all) - 1, f);
	all[n] = '\0';
	(void)fclose(f);
	return strstr(all, text) != NULL;
}

/* ---- the announced client ---- */

static void
fetch_piece(const struct dev *d, const char *version, size_t offset, struct buf *out, long *status)
{
	char body[120];

	(void)snprintf(body, sizeof(body), "{\"version\":\"%s\",\"offset\":%zu}", version, offset);
	http("http://localhost/usm-json/getClientFile", d->token, body, out, status);
}

START_TEST(announced_and_fetched)
{
	char *octets = malloc(PACKAGE_OCTETS), hex[65];
	unsigned char sum[32];
	struct dev d;
	struct buf got;
	json_t *client, *none = json_object(), *data;
	long status;

	for (size_t i = 0; i < PACKAGE_OCTETS; i++)
		octets[i] = (char)(i * i >> 9); /* no piece like another */
	sha256(octets, PACKAGE_OCTETS, sum);
	hex_encode(sum, 32, hex);
	login(&d, "anton", "cv-1");
	data = good(&d, "getClientVersion", none);
	ck_assert(json_is_null(json_object_get(data, "client")));
	json_decref(data);
	put_file("setup.bin", octets, PACKAGE_OCTETS);
	put_manifest("{\"name\":\"Connector\",\"version\":\"2.1\",\"file\":\"setup.bin\",\"sha256\":\"%s\",\"signature\":\"c2ln\",\"minimum\":\"1.9\"}", hex);
	client = announced(); /* before any login, and without a restart */
	ck_assert_ptr_nonnull(client);
	ck_assert_str_eq(str(client, "version"), "2.1");
	ck_assert_str_eq(str(client, "minimum"), "1.9");
	ck_assert_str_eq(str(client, "signature"), "c2ln");
	ck_assert_str_eq(str(client, "sha256"), hex);
	ck_assert_int_eq(json_integer_value(json_object_get(client, "size")), PACKAGE_OCTETS);
	json_decref(client);
	buf_init(&got, 0);
	for (size_t before = 1; got.len != before;) {
		before = got.len;
		fetch_piece(&d, "2.1", before, &got, &status);
		ck_assert_int_eq(status, 200);
		ck_assert_uint_le(got.len - before, 1048576);
	}
	ck_assert_uint_eq(got.len, PACKAGE_OCTETS);
	ck_assert_mem_eq(got.p, octets, PACKAGE_OCTETS);
	buf_reset(&got);
	fetch_piece(&d, "2.1", PACKAGE_OCTETS + 1, &got, &status);
	ck_assert_int_eq(status, 400);
	fetch_piece(&d, "2.0", 0, &got, &status);
	ck_assert_int_eq(status, 404);
	d.token[0] = '\0'; /* the file itself is for users only */
	fetch_piece(&d, "2.1", 0, &got, &status);
	ck_assert_int_eq(status, 401);
	buf_fini(&got);
	json_decref(none);
	free(octets);
}
END_TEST

START_TEST(nothing_wrong_is_announced)
{
	static const char good_sum[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; /* of "abc" */
	static const struct { const char *text, *log; } t[] = {
		{ "{\"name\":\"C\",\"version\":\"3\",\"file\":\"abc.bin\",\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}", "the SHA-256 of abc.bin is" },
		{ "{\"name\":\"C\",\"version\":\"3\",\"file\":\"gone.bin\",\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}", "gone.bin cannot be read" },
		{ "{\"name\":\"C\",\"version\":\"3\",\"file\":\"../package/abc.bin\",\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}", "name of a file in the same directory" },
		{ "{\"name\":\"C\",\"file\":\"abc.bin\",\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}", "it has no text" },
		{ "{\"name\":\"C\",\"version\":\"3\",\"file\":\"abc.bin\",\"sha256\":\"ba78\"}", "64 hex digits" },
		{ "{\"name\":\"C\",\"version\":\"3\",\"file\":\"abc.bin\",\"sha512\":\"ba78\",\"sha256\":\"x\"}", "there is no member" },
		{ "{\"name\":", "no client is announced" },
		{ "[]", "it is no JSON object" },
	};
	json_t *client;

	put_file("abc.bin", "abc", 3);
	put_manifest("{\"name\":\"C\",\"version\":\"3\",\"file\":\"abc.bin\",\"sha256\":\"%s\"}", good_sum);
	client = announced();
	ck_assert_str_eq(str(client, "version"), "3");
	json_decref(client);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		put_manifest("%s", t[i].text);
		ck_assert_msg(announced() == NULL, "%s is announced", t[i].text);
		ck_assert_msg(log_has(t[i].log), "the log does not say %s", t[i].log);
	}
	/* and the package that changes under a good manifest */
	put_manifest("{\"name\":\"C\",\"version\":\"3\",\"file\":\"abc.bin\",\"sha256\":\"%s\"}", good_sum);
	client = announced();
	ck_assert_ptr_nonnull(client);
	json_decref(client);
	put_file("abc.bin", "abd and more", 12);
	ck_assert_ptr_null(announced());
}
END_TEST

/* ---- feedback ---- */

static json_t *
bundle(size_t octets, const char *comment)
{
	char *raw = malloc(octets + 1);
	struct buf b;
	json_t *body;

	memset(raw, 'q', octets);
	buf_init(&b, 0);
	base64_encode(&b, raw, octets);
	body = json_pack("{s:s%,s:s,s:s,s:s}", "data", b.p != NULL ? b.p : "", b.len, "type", "application/zip", "version", "1.2.3", "comment", comment);
	buf_fini(&b);
	free(raw);
	return body;
}

/* The id, or the error's code and path. */
static const char *
hand_in(const struct dev *d, size_t octets)
{
	static char text[200];
	json_t *body = bundle(octets, "a secret comment"), *root = call(d, "sendFeedback", body), *e = json_object_get(root, "error");

	(void)snprintf(text, sizeof(text), "%s", e == NULL ? str(json_object_get(root, "data"), "id") : str(e, "code"));
	json_decref(root);
	json_decref(body);
	return text;
}

static unsigned
files_kept(void)
{
	DIR *d = opendir(feedback_dir);
	const struct dirent *f;
	unsigned n = 0;

	while (d != NULL && (f = readdir(d)) != NULL)
		n += f->d_name[0] != '.';
	if (d != NULL)
		(void)closedir(d);
	return n;
}

/* The exit status of usmctl feedback with WORDS, its output in the file OUT of BASE, which is read. */
static int
usmctl(char *out, size_t size, const char *word, const char *id, const char *data)
{
	char prog[160], conf[200], file[200];
	char *argv[10] = { prog, "feedback" };
	size_t n = 2;
	FILE *f;
	int status;

	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "--config=%.150s/usmd.conf", w.dir);
	(void)snprintf(file, sizeof(file), "%.120s/usmctl.out", base);
	argv[n++] = (char *)(size_t)word;
	if (id != NULL)
		argv[n++] = (char *)(size_t)id;
	if (data != NULL) {
		argv[n++] = "--data";
		argv[n++] = (char *)(size_t)data;
	}
	argv[n++] = conf;
	(void)unlink(file);
	status = run_wait(argv, file);
	f = fopen(file, "r");
	n = f != NULL ? fread(out, 1, size - 1, f) : 0;
	out[n] = '\0';
	if (f != NULL)
		(void)fclose(f);
	return status;
}

START_TEST(handed_in_listed_and_deleted)
{
	static char out[80000];
	char id[60], path[260], copy[200];
	struct dev d;
	struct stat st;

	login(&d, "anton", "fb-1");
	(void)snprintf(id, sizeof(id), "%s", hand_in(&d, 1000));
	ck_assert_msg(strlen(id) == 31, "%s", id);
	(void)snprintf(path, sizeof(path), "%s/%s.data", feedback_dir, id);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(st.st_size, 1000);
	(void)snprintf(path, sizeof(path), "%s/%s.json", feedback_dir, id);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(feedback_dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(usmctl(out, sizeof(out), "list", NULL, NULL), 0);
	ck_assert(strstr(out, id) != NULL && strstr(out, "fb-1") != NULL && strstr(out, "anton") != NULL && strstr(out, "1.2.3") != NULL);
	ck_assert_int_eq(usmctl(out, sizeof(out), "show", id, NULL), 0);
	ck_assert(strstr(out, "a secret comment") != NULL);
	(void)snprintf(copy, sizeof(copy), "%.120s/copy", base);
	ck_assert_int_eq(usmctl(out, sizeof(out), "show", id, copy), 0);
	ck_assert_int_eq(stat(copy, &st), 0);
	ck_assert_int_eq(st.st_size, 1000);
	ck_assert_int_ne(usmctl(out, sizeof(out), "show", "../../etc/passwd", NULL), 0);
	ck_assert_int_ne(usmctl(out, sizeof(out), "delete", "1795343426456-00000000-00000000", NULL), 0);
	ck_assert_int_eq(usmctl(out, sizeof(out), "delete", id, NULL), 0);
	ck_assert_uint_eq(files_kept(), 0);
	ck_assert(!log_has("secret comment") && !log_has("qqqq"));
}
END_TEST

START_TEST(limits_of_what_is_taken)
{
	static char out[20000];
	struct dev d, other;
	char first[60];

	login(&d, "berta", "fb-2");
	login(&other, "caesar", "fb-3");
	ck_assert_str_eq(hand_in(&d, 64 * 1024 + 1), "limit");
	(void)snprintf(first, sizeof(first), "%s", hand_in(&d, 100));
	(void)hand_in(&d, 60000);
	ck_assert_msg(strlen(hand_in(&d, 100)) == 31, "the third is not taken");
	ck_assert_str_eq(hand_in(&d, 100), "limit"); /* of this device */
	ck_assert_msg(strlen(hand_in(&other, 60000)) == 31, "another device's is not taken");
	ck_assert_str_eq(hand_in(&other, 60000), "limit"); /* the budget */
	/* what the administrator has dealt with makes room */
	ck_assert_int_eq(usmctl(out, sizeof(out), "delete", first, NULL), 0);
	ck_assert_uint_eq(strlen(hand_in(&d, 100)), 31);
	ck_assert_uint_eq(files_kept(), 8);
}
END_TEST

/* The directory is no directory: nothing is left, and it works again when that is put right. */
START_TEST(the_disk_does_not_take_it)
{
	struct dev d;
	char *rm[] = { "rm", "-rf", feedback_dir, NULL };

	login(&d, "dora", "fb-4");
	(void)run_wait(rm, NULL);
	ck_assert_int_eq(close(open(feedback_dir, O_CREAT | O_WRONLY, 0600)), 0);
	ck_assert_str_eq(hand_in(&d, 100), "busy");
	(void)run_wait(rm, NULL);
	ck_assert_uint_eq(strlen(hand_in(&d, 100)), 31);
}
END_TEST

START_TEST(it_expires)
{
	struct dev d;
	char first[60], path[260];
	msec_t until;

	login(&d, "emil", "fb-5");
	(void)snprintf(first, sizeof(first), "%s", hand_in(&d, 100));
	until = now_ms() + KEEP_MS;
	(void)snprintf(path, sizeof(path), "%s/%s.data", feedback_dir, first);
	ck_assert_int_eq(access(path, F_OK), 0);
	while (now_ms() <= until + 10)
		sleep_ms(50); /* the time is what is tested */
	ck_assert_uint_eq(strlen(hand_in(&d, 100)), 31);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_uint_eq(files_kept(), 2);
}
END_TEST

START_TEST(nothing_is_taken_nor_announced)
{
	struct dev d;

	login(&d, "anton", "fb-6");
	ck_assert_str_eq(hand_in(&d, 10), "not-available");
	ck_assert_ptr_null(announced());
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("client service");
	TCase *t = tcase_create("taken"), *late = tcase_create("expired"), *none = tcase_create("none");

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, up, down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, announced_and_fetched);
	tcase_add_test(t, nothing_wrong_is_announced);
	tcase_add_test(t, handed_in_listed_and_deleted);
	tcase_add_test(t, limits_of_what_is_taken);
	tcase_add_test(t, the_disk_does_not_take_it);
	suite_add_tcase(s, t);
	tcase_set_timeout(late, 60);
	tcase_add_unchecked_fixture(late, up_short, down);
	tcase_add_checked_fixture(late, NULL, forget_devices);
	tcase_add_test(late, it_expires);
	suite_add_tcase(s, late);
	tcase_add_unchecked_fixture(none, none_up, down);
	tcase_add_checked_fixture(none, NULL, forget_devices);
	tcase_add_test(none, nothing_is_taken_nor_announced);
	suite_add_tcase(s, none);
	return harness_main(s);
}
