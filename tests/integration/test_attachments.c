/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Attachments of contacts, appointments and tasks over the wire: added, listed, read, deleted by two devices; lost answers, repetitions, late
 * execution, limits, rights.  A repetition never doubles one, and a device's own attachment is no conflict for it.
 */
#include "wire.h"

#include <sys/wait.h>
#include <unistd.h>

#define BERTA_CONTACTS "42"
#define NOW "9007199254740992"

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "ox_write_max_time = 3s", "ox_timeout = 2s", "max_attachment = 64K",
	"max_attachments_per_object = 5", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static const struct kind {
	const char *type, *ox, *name;
} kinds[] = { { "contact", "contacts", "last_name" }, { "appointment", "calendar", "title" }, { "task", "tasks", "title" } };

/* USER's device with a new object NAME of KIND in the folder of that kind. */
static void
begin(struct dev *d, const char *user, const char *device, const struct kind *k)
{
	login(d, user, device);
	open_folder(d, str(d->defaults, k->type));
}

static void
make(struct dev *d, const struct kind *k, const char *name, char uuid[40])
{
	json_t *c = json_pack("{s:s,s:s}", "clientId", name, k->name, name), *data;

	if (strcmp(k->type, "appointment") == 0)
		(void)json_object_update_new(c, json_pack("{s:I,s:I,s:s}", "start_date", (json_int_t)1798678800000, "end_date", (json_int_t)1798682400000, "timezone", "UTC"));
	data = update(d, request(d, one(c), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(d);
	open_folder(d, d->folder);
}

static json_t *
body(const struct dev *d, const char *uuid)
{
	return json_pack("{s:s,s:s}", "folder", d->folder, "uuid", uuid);
}

static json_t *
file(const struct dev *d, const char *uuid, const char *name, const char *text)
{
	json_t *b = body(d, uuid);
	struct buf base64;

	buf_init(&base64, 0);
	base64_encode(&base64, text, strlen(text));
	(void)json_object_set_new(b, "filename", json_string(name));
	(void)json_object_set_new(b, "contentType", json_string("text/plain"));
	(void)json_object_set_new(b, "data", json_string(base64.p != NULL ? base64.p : ""));
	buf_fini(&base64);
	return b;
}

/* Adds and expects it to work; the id into ID (may be NULL); the answer's count. */
static json_int_t
add(const struct dev *d, const char *uuid, const char *name, const char *text, char id[40])
{
	json_t *b = file(d, uuid, name, text), *data = good(d, "addAttachment", b);
	json_int_t n = json_integer_value(json_object_get(data, "number_of_attachments"));

	ck_assert_int_gt(json_integer_value(json_object_get(data, "lastModifiedOfNewestAttachmentUTC")), 0);
	if (id != NULL)
		(void)snprintf(id, 40, "%s", str(data, "id"));
	json_decref(b);
	json_decref(data);
	return n;
}

static json_t *
list(const struct dev *d, const char *uuid)
{
	json_t *b = body(d, uuid), *data = good(d, "getAttachments", b), *l = json_incref(json_object_get(data, "attachments"));

	json_decref(b);
	json_decref(data);
	return l;
}

static size_t
count(const struct dev *d, const char *uuid)
{
	json_t *l = list(d, uuid);
	size_t n = json_array_size(l);

	json_decref(l);
	return n;
}

/* The HTTP status of getAttachment; octets into OUT. */
static long
octets(const struct dev *d, const char *uuid, const char *id, struct buf *out)
{
	json_t *b = body(d, uuid);
	long status;
	char *s;

	(void)json_object_set_new(b, "id", json_string(id));
	s = json_dumps(b, 0);
	buf_reset(out);
	http("http://localhost/usm-json/getAttachment", d->token, s, out, &status);
	free(s);
	json_decref(b);
	return status;
}

static void
check_octets(const struct dev *d, const char *uuid, const char *id, const char *text)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	ck_assert_int_eq(octets(d, uuid, id, &out), 200);
	ck_assert_uint_eq(out.len, strlen(text));
	ck_assert_int_eq(memcmp(out.p != NULL ? out.p : "", text, out.len), 0);
	buf_fini(&out);
}

static void
delete(const struct dev *d, const char *uuid, const char *id)
{
	json_t *b = body(d, uuid);

	(void)json_object_set_new(b, "id", json_string(id));
	json_decref(good(d, "deleteAttachment", b));
	json_decref(b);
}

static json_int_t
told(const struct dev *d, const char *uuid)
{
	return json_integer_value(json_object_get(json_object_get(d->have, uuid), "number_of_attachments"));
}

/* ---- */

START_TEST(two_devices)
{
	const struct kind *k = &kinds[_i];
	char uuid[40], id[40], second[40];
	struct dev d, other;
	const json_t *a;
	json_t *l, *data;

	begin(&d, "berta", "two-1", k);
	begin(&other, "berta", "two-2", k);
	make(&d, k, "With-files", uuid);
	(void)pull(&other);
	ck_assert_int_eq(told(&other, uuid), 0);
	ck_assert_int_eq(add(&d, uuid, "Übersicht \"1\".txt", "hello", id), 1);
	ck_assert_int_eq(add(&d, uuid, "empty", "", second), 2);
	ck_assert_uint_gt(pull(&other), 0);
	ck_assert_int_eq(told(&other, uuid), 2);
	l = list(&other, uuid);
	ck_assert_uint_eq(json_array_size(l), 2);
	a = json_array_get(l, 0);
	ck_assert_str_eq(str(a, "id"), id);
	ck_assert_str_eq(str(a, "filename"), "Übersicht \"1\".txt");
	ck_assert_str_eq(str(a, "contentType"), "text/plain");
	ck_assert_int_eq(json_integer_value(json_object_get(a, "size")), 5);
	/* berta's zone, in which OX tells it, is not UTC */
	ck_assert_int_lt(llabs(now_ms() - json_integer_value(json_object_get(a, "created"))), 60000);
	json_decref(l);
	check_octets(&other, uuid, id, "hello");
	check_octets(&other, uuid, second, "");
	(void)pull(&d);
	ck_assert_int_eq(told(&d, uuid), 2);
	ck_assert_uint_eq(pull(&d), 0);
	/* an edit that began before the file came is no conflict with it */
	data = update(&other, request(&other, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "note", "edited")), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	delete(&other, uuid, id);
	delete(&other, uuid, id); /* repeated */
	(void)pull(&d);
	ck_assert_int_eq(told(&d, uuid), 1);
	ck_assert_uint_eq(count(&d, uuid), 1);
	delete(&d, uuid, second);
	(void)pull(&other);
	ck_assert_int_eq(told(&other, uuid), 0);
}
END_TEST

/* The client hears nothing and repeats: one attachment.  Another content, or another name, is another one. */
START_TEST(repeated)
{
	char uuid[40], id[40], again[40];
	struct dev d;

	begin(&d, "berta", "repeated", &kinds[0]);
	make(&d, &kinds[0], "Repeated", uuid);
	(void)add(&d, uuid, "a.txt", "one", id);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(add(&d, uuid, "a.txt", "one", again), 1);
		ck_assert_str_eq(again, id);
	}
	ck_assert_int_eq(add(&d, uuid, "a.txt", "two", NULL), 2);
	ck_assert_int_eq(add(&d, uuid, "b.txt", "one", NULL), 3);
	ck_assert_uint_eq(count(&d, uuid), 3);
}
END_TEST

static void
fault(const char *action, const char *effect)
{
	char rule[200];

	(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"attachment\",\"action\":\"%s\"},\"effect\":{%s}}", action, effect);
	faults(rule);
}

/* How often the fault rules have hit. */
static long
hits(void)
{
	char url[160], *p = NULL;
	CURL *c = curl_easy_init();
	json_t *root;
	size_t n = 0;
	long count_ = 0;
	FILE *f = open_memstream(&p, &n);

	(void)snprintf(url, sizeof(url), "%s/control/faults", w.ox);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)fclose(f);
	curl_easy_cleanup(c);
	root = json_loadb(p, n, JSON_REJECT_DUPLICATES, NULL);
	for (size_t i = 0; i < json_array_size(root); i++)
		count_ += (long)json_integer_value(json_object_get(json_array_get(root, i), "hits"));
	ck_assert_msg(json_is_array(root), "%s", p);
	json_decref(root);
	free(p);
	return count_;
}

/* OX does it and its answer is lost; OX never gets it; OX does it late. */
START_TEST(unanswered)
{
	static const char *const effects[] = { "\"drop_after\":true", "\"drop_before\":true", "\"delay_ms\":2500" };
	char uuid[40], name[40];
	json_t *b, *root;
	struct dev d;
	const char *code;
	int busy = 0;

	begin(&d, "berta", "unanswered", &kinds[0]);
	(void)snprintf(name, sizeof(name), "Unanswered-%d", _i);
	make(&d, &kinds[0], name, uuid);
	fault("attach", effects[_i]);
	b = file(&d, uuid, "late.txt", "octets");
	ck_assert_str_eq(bad(&d, "addAttachment", b, NULL), "upstream-timeout");
	for (int i = 0; i < 200; i++) {
		root = call(&d, "addAttachment", b);
		code = str(json_object_get(root, "error"), "code");
		if (json_object_get(root, "data") != NULL)
			break;
		ck_assert_str_eq(code, "busy");
		busy++;
		json_decref(root);
		sleep_ms(50);
	}
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(root, "data"), "number_of_attachments")), 1);
	ck_assert_msg(_i == 0 || busy > 0, "what OX may still be executing is sent again at once");
	ck_assert_uint_eq(count(&d, uuid), 1);
	json_decref(root);
	json_decref(b);
	no_faults();
}
END_TEST

/* Sends COMMAND and does not wait for what becomes of it. */
static pid_t
send_only(const struct dev *d, const char *command, const json_t *b)
{
	char *text = json_dumps(b, 0), url[100], auth[128], sock[200];
	struct curl_slist *h = NULL;
	pid_t pid = fork();
	CURL *c;

	ck_assert_int_ge(pid, 0);
	if (pid > 0) {
		free(text);
		return pid;
	}
	c = curl_easy_init();
	(void)snprintf(url, sizeof(url), "http://localhost/usm-json/%s", command);
	(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", d->token);
	(void)snprintf(sock, sizeof(sock), "%s", w.server + strlen("unix:"));
	h = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), auth);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, text);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
	(void)curl_easy_perform(c);
	_exit(0);
}

/* The daemon dies while OX attaches: before the next one may attach again, OX is surely done. */
START_TEST(daemon_dies)
{
	char uuid[40];
	json_t *b, *root = NULL;
	struct dev d;
	pid_t pid;

	world_begin(&w, NULL, settings);
	begin(&d, "berta", "dies", &kinds[0]);
	make(&d, &kinds[0], "Dies", uuid);
	fault("attach", "\"delay_ms\":1500");
	b = file(&d, uuid, "kept.txt", "kept");
	pid = send_only(&d, "addAttachment", b);
	while (hits() == 0) /* OX has it in work */
		sleep_ms(10);
	world_usmd_kill(&w);
	world_usmd_start(&w);
	for (int i = 0; i < 200; i++) {
		root = call(&d, "addAttachment", b);
		if (json_object_get(root, "data") != NULL)
			break;
		json_decref(root);
		sleep_ms(50);
	}
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(root, "data"), "number_of_attachments")), 1);
	(void)waitpid(pid, NULL, 0);
	ck_assert_uint_eq(count(&d, uuid), 1);
	json_decref(root);
	json_decref(b);
	forget_devices();
	world_end(&w);
}
END_TEST

/* Detached with a lost answer: the repetition says what is there. */
START_TEST(unanswered_delete)
{
	char uuid[40], id[40];
	struct dev d;
	json_t *b;

	begin(&d, "berta", "detach", &kinds[2]);
	make(&d, &kinds[2], "Detached", uuid);
	(void)add(&d, uuid, "a", "a", id);
	fault("detach", "\"drop_after\":true");
	b = body(&d, uuid);
	(void)json_object_set_new(b, "id", json_string(id));
	ck_assert_str_eq(bad(&d, "deleteAttachment", b, NULL), "upstream-timeout");
	json_decref(b);
	no_faults();
	delete(&d, uuid, id);
	ck_assert_uint_eq(count(&d, uuid), 0);
}
END_TEST

/* Who added a file deletes the object without having heard of its new version; who did not is refused. */
START_TEST(own_is_no_conflict)
{
	char uuid[40], theirs[40];
	struct dev d, other;
	json_t *data;

	begin(&d, "berta", "own-1", &kinds[0]);
	begin(&other, "berta", "own-2", &kinds[0]);
	make(&d, &kinds[0], "Own", uuid);
	make(&d, &kinds[0], "Theirs", theirs);
	(void)pull(&other);
	(void)add(&d, uuid, "mine", "x", NULL);
	(void)add(&other, theirs, "theirs", "x", NULL);
	data = update(&d, request(&d, NULL, NULL, json_pack("[{s:s},{s:s}]", "uuid", uuid, "uuid", theirs)));
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	ck_assert_str_eq(str(result(data, 1), "status"), "refused");
	json_decref(data);
}
END_TEST

/* A move keeps them, and their ids. */
START_TEST(moved)
{
	char uuid[40], id[40], to[40], moved_uuid[40];
	struct dev d, h;
	json_t *data;

	login(&h, "berta", "moved-h");
	open_folder(&h, NULL);
	data = update(&h, request(&h, one(json_pack("{s:s,s:s,s:s}", "clientId", "mv", "title", "Moved with files", "module", "contacts")), NULL, NULL));
	(void)snprintf(to, sizeof(to), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	begin(&d, "berta", "moved", &kinds[0]);
	make(&d, &kinds[0], "Moved", uuid);
	(void)add(&d, uuid, "goes along", "along", id);
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "folder", to)), NULL));
	(void)snprintf(moved_uuid, sizeof(moved_uuid), "%s", str(result(data, 0), "newUuid"));
	json_decref(data);
	open_folder(&d, to);
	ck_assert_int_eq(told(&d, moved_uuid), 1);
	check_octets(&d, moved_uuid, id, "along");
}
END_TEST

START_TEST(limits)
{
	static char large[70 << 10];
	char uuid[40], name[8], path[80];
	struct dev d;
	json_t *b;

	begin(&d, "berta", "limits", &kinds[0]);
	make(&d, &kinds[0], "Limits", uuid);
	memset(large, 'x', sizeof(large) - 1);
	b = file(&d, uuid, "large", large);
	ck_assert_str_eq(bad(&d, "addAttachment", b, path), "limit");
	ck_assert_str_eq(path, "data");
	json_decref(b);
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		ck_assert_int_eq(add(&d, uuid, name, name, NULL), i + 1);
	}
	b = file(&d, uuid, "one more", "x");
	ck_assert_str_eq(bad(&d, "addAttachment", b, NULL), "limit");
	json_decref(b);
	(void)add(&d, uuid, "3", "3", NULL); /* it is there already */
	/* a quota is told in OX's words; nothing is left that would delay the next attempt */
	make(&d, &kinds[0], "Quota", uuid);
	fault("attach", "\"error\":\"FLS-0024\",\"category\":11");
	b = file(&d, uuid, "quota", "x");
	ck_assert_str_eq(bad(&d, "addAttachment", b, NULL), "limit");
	no_faults();
	json_decref(good(&d, "addAttachment", b));
	json_decref(b);
}
END_TEST

START_TEST(strangers)
{
	char uuid[40], id[40], foreign[40];
	struct dev d, other;
	struct buf out;
	json_t *b;

	buf_init(&out, 1 << 20);
	begin(&d, "berta", "strangers", &kinds[0]);
	make(&d, &kinds[0], "Hers", uuid);
	(void)add(&d, uuid, "private.txt", "secret", id);
	begin(&other, "anton", "strangers", &kinds[0]);
	make(&other, &kinds[0], "His", foreign);
	/* her object in his folder, her attachment at his object, his folder with no such object */
	b = body(&other, uuid);
	ck_assert_str_eq(bad(&other, "getAttachments", b, NULL), "not-found");
	json_decref(b);
	ck_assert_int_eq(octets(&other, foreign, id, &out), 404);
	ck_assert_int_eq(octets(&d, uuid, uuid, &out), 404);
	ck_assert_int_eq(octets(&d, foreign, id, &out), 404);
	/* mails have attachments of their own, by other commands */
	open_folder(&d, str(d.defaults, "inbox"));
	b = body(&d, uuid);
	ck_assert_str_eq(bad(&d, "getAttachments", b, NULL), "not-found");
	json_decref(b);
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("attachments");
	TCase *t = tcase_create("wire"), *own = tcase_create("own world");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, two_devices, 0, 3);
	tcase_add_test(t, repeated);
	tcase_add_loop_test(t, unanswered, 0, 3);
	tcase_add_test(t, unanswered_delete);
	tcase_add_test(t, own_is_no_conflict);
	tcase_add_test(t, moved);
	tcase_add_test(t, limits);
	tcase_add_test(t, strangers);
	tcase_set_timeout(own, 60);
	tcase_add_test(own, daemon_dies);
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, own);
	return harness_main(suite);
}
