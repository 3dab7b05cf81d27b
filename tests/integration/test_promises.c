/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The promises of usm-json(7), as far as no other test holds them: what a client may repeat, and what becomes of old, late, doubled and
 * foreign requests.  tests/lint/check-promises compares that page with the names here.
 */
#include "wire.h"

#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTACTS "42"
#define NAME "1,502" /* columns id, last_name */
#define NOW "9007199254740992"

static const char *const settings[] = { "ox_write_max_time = 3s", "ox_timeout = 3s", "login_attempts = 3", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

static void
berta(struct dev *d, const char *device)
{
	login(d, "berta", device);
	open_folder(d, str(d->defaults, "contact"));
}

static size_t
at_ox(const char *name)
{
	return ox_rows("berta", "contacts", CONTACTS, NAME, name, NULL, 0);
}

static json_t *
contact(const char *client_id, const char *name)
{
	return json_pack("{s:s,s:s}", "clientId", client_id, "last_name", name);
}

/* One whose clientId is its name, which has no spaces. */
static json_t *
named(const char *name)
{
	return contact(name, name);
}

/* Somebody else makes a contact. */
static void
ox_make(const char *name)
{
	json_decref(ox_as("berta", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", CONTACTS, "last_name", name)));
}

static json_t *
modify(const char *uuid, const char *note)
{
	return json_pack("{s:s,s:s}", "uuid", uuid, "note", note);
}

static void
make(struct dev *d, const char *name, char uuid[40])
{
	json_t *data = update(d, request(d, one(named(name)), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(d);
}

/* REQ is refused with status 8, and leaves nothing at OX. */
static void
refused(const struct dev *d, json_t *req)
{
	static unsigned n;
	char name[40];

	(void)snprintf(name, sizeof(name), "Refused-%u", ++n);
	(void)json_object_set_new(req, "request", json_integer(1000));
	(void)json_object_set_new(req, "created", one(named(name)));
	ck_assert_str_eq(bad(d, "syncUpdate", req, NULL), "reconcile");
	ck_assert_uint_eq(at_ox(name), 0);
	json_decref(req);
}

/* ---- the same again ---- */

/* Pages, the last page, and "nothing new": asked again under the same syncid, the answer is equal in every member. */
START_TEST(the_same_answer_twice)
{
	struct dev d;
	bool more = true;
	unsigned pages = 0;

	berta(&d, "twice");
	ox_make("Twice one");
	ox_make("Twice two");
	ox_make("Twice three");
	while (more || pages < 4) {
		json_t *b = request(&d, NULL, NULL, NULL), *first, *second;

		(void)json_object_set_new(b, "limit", json_integer(2));
		first = good(&d, "syncUpdate", b);
		second = good(&d, "syncUpdate", b);
		ck_assert(json_equal(first, second));
		more = json_is_true(json_object_get(first, "more"));
		apply(&d, first);
		json_decref(first);
		json_decref(second);
		json_decref(b);
		pages++;
	}
	ck_assert_ptr_nonnull(find(&d, "last_name", "Twice one", NULL));
	ck_assert_ptr_nonnull(find(&d, "last_name", "Twice three", NULL));
}
END_TEST

/* Sends REQ and writes what became of its first change to FD. */
static pid_t
send_beside(const struct dev *d, const json_t *req, int fd)
{
	pid_t pid = fork();
	char line[80];
	json_t *data;
	int n;

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	data = good(d, "syncUpdate", req);
	n = snprintf(line, sizeof(line), "%s %s\n", str(result(data, 0), "status"), str(result(data, 0), "uuid"));
	_exit(write(fd, line, (size_t)n) == n ? 0 : 1);
}

/* One request four times at once: each is answered, all say the same, and it was done once. */
START_TEST(at_once)
{
	struct dev d;
	json_t *req;
	pid_t pid[4];
	int fd[2], st;
	char text[400] = "", *end;
	size_t n;

	berta(&d, "at-once");
	ck_assert_int_eq(pipe(fd), 0);
	req = request(&d, one(contact("at-once", "At once")), NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(pid); i++)
		pid[i] = send_beside(&d, req, fd[1]);
	for (size_t i = 0; i < ARRAY_LEN(pid); i++) {
		ck_assert_int_eq(waitpid(pid[i], &st, 0), pid[i]);
		ck_assert(WIFEXITED(st) && WEXITSTATUS(st) == 0);
	}
	(void)close(fd[1]);
	n = (size_t)read(fd[0], text, sizeof(text) - 1);
	(void)close(fd[0]);
	end = strchr(text, '\n');
	ck_assert_ptr_nonnull(end);
	ck_assert_uint_eq(n, ARRAY_LEN(pid) * (size_t)(end + 1 - text));
	for (size_t i = 1; i < ARRAY_LEN(pid); i++)
		ck_assert_msg(memcmp(text, text + i * (size_t)(end + 1 - text), (size_t)(end + 1 - text)) == 0, "%s", text);
	ck_assert_int_eq(strncmp(text, "ok ", 3), 0);
	ck_assert_uint_eq(at_ox("At once"), 1);
	json_decref(update(&d, req));
	ck_assert_uint_eq(pull(&d), 0);
}
END_TEST

/* The server dies after it has answered, and the answer is lost: the same request to the new process. */
START_TEST(after_a_crash)
{
	struct dev d, again;
	char uuid[40];
	json_t *req, *data;

	berta(&d, "crash");
	req = request(&d, one(contact("crash", "Crash")), NULL, NULL);
	data = good(&d, "syncUpdate", req);
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	world_usmd_kill(&w);
	world_usmd_start(&w);
	login(&again, "berta", "crash");
	(void)json_object_set_new(json_array_get(json_object_get(req, "created"), 0), "again", json_true());
	data = good(&again, "syncUpdate", req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(str(result(data, 0), "uuid"), uuid);
	ck_assert_uint_eq(at_ox("Crash"), 1);
	json_decref(data);
	json_decref(req);
}
END_TEST

/* The way to OX breaks after the changes were written: the request has failed, and its repetition finds them done. */
START_TEST(half_done)
{
	struct dev d;
	char uuid[40];
	json_t *req, *data;

	berta(&d, "half");
	make(&d, "Half-old", uuid);
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"list\",\"user\":\"berta\",\"count\":10},\"effect\":{\"http_status\":503}}");
	req = request(&d, one(contact("half", "Half new")), one(modify(uuid, "the other half")), NULL);
	ck_assert_str_eq(bad(&d, "syncUpdate", req, NULL), "upstream");
	ck_assert_uint_eq(at_ox("Half new"), 1);
	no_faults();
	data = update(&d, req);
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(str(result(data, 1), "status"), "ok");
	ck_assert_ptr_null(json_object_get(result(data, 1), "lost"));
	ck_assert_uint_eq(at_ox("Half new"), 1);
	json_decref(data);
	open_folder(&d, d.folder);
	ck_assert_ptr_nonnull(find(&d, "note", "the other half", NULL));
	ck_assert_ptr_nonnull(find(&d, "last_name", "Half new", NULL));
}
END_TEST

/* ---- old and foreign syncids ---- */

START_TEST(an_old_syncid)
{
	struct dev d, old;
	json_t *b, *data;

	berta(&d, "old");
	old = d;
	ox_make("Old one");
	ck_assert_uint_ge(pull(&d), 1); /* it holds the next one, which the server cannot know yet */
	b = request(&old, NULL, NULL, NULL);
	data = good(&old, "syncUpdate", b);
	ck_assert_uint_ge(json_array_size(json_object_get(data, "created")), 1);
	json_decref(data);
	json_decref(b);
	ox_make("Old two");
	ck_assert_uint_ge(pull(&d), 1); /* it has used the next one */
	refused(&old, request(&old, NULL, NULL, NULL));
	ck_assert_uint_eq(pull(&d), 0); /* and the device itself goes on */
}
END_TEST

START_TEST(a_foreign_syncid)
{
	struct dev d, other, dora;
	json_t *req;

	berta(&d, "foreign-1");
	berta(&other, "foreign-2");
	login(&dora, "dora", "foreign-1");
	open_folder(&dora, str(dora.defaults, "contact"));
	req = request(&other, NULL, NULL, NULL); /* of another device of the account */
	(void)json_object_set_new(req, "syncid", json_string(d.syncid));
	refused(&other, req);
	req = request(&dora, NULL, NULL, NULL); /* of another account, whose device has the same name */
	(void)json_object_set_new(req, "syncid", json_string(d.syncid));
	refused(&dora, req);
	req = request(&d, NULL, NULL, NULL); /* of another folder of the device */
	(void)json_object_set_new(req, "folder", json_string(str(d.defaults, "task")));
	(void)json_object_set_new(req, "created", json_array());
	ck_assert_str_eq(bad(&d, "syncUpdate", req, NULL), "reconcile");
	json_decref(req);
	req = request(&d, NULL, NULL, NULL); /* invented */
	(void)json_object_set_new(req, "syncid", json_string("00112233445566778899aabbccddeeff"));
	refused(&d, req);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_uint_eq(pull(&dora), 0);
}
END_TEST

/* ---- order ---- */

/* Results stand in the order created, modified, deleted, each as the client had them, whatever became of them. */
START_TEST(results_in_order)
{
	struct dev d;
	char a[40], b[40], c[40];
	json_t *created, *modified, *data;

	berta(&d, "order");
	make(&d, "Order-a", a);
	make(&d, "Order-b", b);
	make(&d, "Order-c", c);
	created = one(contact("o1", "Order new"));
	(void)json_array_append_new(created, json_pack("{s:s,s:i}", "clientId", "o2", "last_name", 5)); /* wrong type: its own error */
	modified = one(modify(b, "changed"));
	(void)json_array_append_new(modified, modify(a, "changed"));
	data = update(&d, request(&d, created, modified, one(json_pack("{s:s}", "uuid", c))));
	ck_assert_uint_eq(json_array_size(json_object_get(data, "results")), 5);
	ck_assert_str_eq(str(result(data, 0), "clientId"), "o1");
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(str(result(data, 1), "clientId"), "o2");
	ck_assert_str_eq(str(result(data, 1), "status"), "error");
	ck_assert_str_eq(str(result(data, 2), "uuid"), b);
	ck_assert_str_eq(str(result(data, 2), "status"), "ok");
	ck_assert_str_eq(str(result(data, 3), "uuid"), a);
	ck_assert_str_eq(str(result(data, 4), "uuid"), c);
	ck_assert_str_eq(str(result(data, 4), "status"), "gone");
	json_decref(data);
}
END_TEST

/* ---- sessions ---- */

START_TEST(a_new_session)
{
	struct dev d, again;
	json_t *req, *data, *empty = json_object();

	berta(&d, "session");
	req = request(&d, one(contact("session", "Session")), NULL, NULL);
	json_decref(good(&d, "logout", empty));
	ck_assert_str_eq(bad(&d, "syncUpdate", req, NULL), "login-required");
	ck_assert_uint_eq(at_ox("Session"), 0);
	login(&again, "berta", "session");
	data = good(&again, "syncUpdate", req); /* folder, syncid and number as they were */
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_uint_eq(at_ox("Session"), 1);
	json_decref(data);
	json_decref(req);
	json_decref(empty);
}
END_TEST

/* ---- limits ---- */

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	static const char name[] = "Retry-After:";

	if (size * n > sizeof(name) && strncasecmp(p, name, sizeof(name) - 1) == 0)
		*(long *)arg = strtol(p + sizeof(name) - 1, NULL, 10);
	return size * n;
}

/* An attempt to log in: its status; what the header and the body say of when to come again. */
static long
attempt(const char *password, long *header, long *told)
{
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *c = curl_easy_init();
	char body[200], *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);
	long status = 0;
	json_t *root;

	*header = *told = 0;
	(void)snprintf(body, sizeof(body), "{\"user\":\"clara\",\"password\":\"%s\",\"device\":\"limits\",\"protocol\":1}", password);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, w.server + strlen("unix:"));
	(void)curl_easy_setopt(c, CURLOPT_URL, "http://localhost/usm-json/login");
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, header);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	(void)fclose(f);
	root = json_loads(p, JSON_REJECT_DUPLICATES, NULL);
	*told = (long)json_integer_value(json_object_get(json_object_get(json_object_get(root, "error"), "details"), "retryAfter"));
	json_decref(root);
	free(p);
	curl_easy_cleanup(c);
	curl_slist_free_all(h);
	return status;
}

/* Beyond the limit even the right password is not tried; when to come again stands in the header and in the body. */
START_TEST(throttled_says_when)
{
	long header, told, status = 401;

	for (int i = 0; i < 4 && status == 401; i++)
		status = attempt("wrong", &header, &told);
	ck_assert_int_eq(status, 429);
	status = attempt("secret", &header, &told);
	ck_assert_int_eq(status, 429);
	ck_assert_int_ge(header, 1);
	ck_assert_int_eq(header, told);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("promises");
	TCase *t = tcase_create("wire");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, the_same_answer_twice);
	tcase_add_test(t, at_once);
	tcase_add_test(t, half_done);
	tcase_add_test(t, an_old_syncid);
	tcase_add_test(t, a_foreign_syncid);
	tcase_add_test(t, results_in_order);
	tcase_add_test(t, a_new_session);
	tcase_add_test(t, throttled_says_when); /* counts by address as well: last */
	suite_add_tcase(s, t);
	t = tcase_create("crash"); /* with a world of its own: the daemon is started anew */
	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, after_a_crash);
	suite_add_tcase(s, t);
	return harness_main(s);
}
