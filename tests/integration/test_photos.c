/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Pictures of contacts over the wire: up, down, away, refused; changed on both sides; sent again after lost answers.  A picture is never
 * written twice, never lost without a record, and never brought back to the device that sent it.
 */
#include "wire.h"

#include <libpq-fe.h>

#define BERTA_CONTACTS "42"
#define NOW "9007199254740992"

static const char *const settings[] = { "ox_write_max_time = 3s", "ox_timeout = 2s", "max_attachment = 6M", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

/* A picture for OX: how it begins decides, the rest is NAME (and ZEROS octets). */
static char *
picture(const char *name, size_t zeros)
{
	struct buf raw, text;
	char *s;

	buf_init(&raw, 0);
	buf_init(&text, 0);
	buf_add(&raw, "\x89PNG\r\n\x1a\n", 8);
	buf_adds(&raw, name);
	if (zeros > 0) {
		memset(buf_reserve(&raw, zeros), 0, zeros);
		raw.len += zeros;
	}
	base64_encode(&text, raw.p, raw.len);
	s = strdup(text.p);
	ck_assert_ptr_nonnull(s);
	buf_fini(&raw);
	buf_fini(&text);
	return s;
}

static void
berta(struct dev *d, const char *device)
{
	login(d, "berta", device);
	open_folder(d, str(d->defaults, "contact"));
}

static void
make(struct dev *d, const char *name, const char *photo, char uuid[40])
{
	json_t *c = json_pack("{s:s,s:s}", "clientId", name, "last_name", name), *data;

	if (photo != NULL)
		(void)json_object_set_new(c, "image1", json_string(photo));
	data = update(d, request(d, one(c), NULL, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(d);
	open_folder(d, d->folder);
}

/* What getPhoto answers: "" = not found, else base64; the type into TYPE. */
static const char *
photo(const struct dev *d, const char *uuid)
{
	static char text[64 << 10];
	json_t *b = json_pack("{s:s,s:s}", "folder", d->folder, "uuid", uuid);
	char *s = json_dumps(b, 0);
	struct buf out, base64;
	long status;

	buf_init(&out, 8 << 20);
	buf_init(&base64, 0);
	http("http://localhost/usm-json/getPhoto", d->token, s, &out, &status);
	text[0] = '\0';
	if (status == 200) {
		base64_encode(&base64, out.p, out.len);
		(void)snprintf(text, sizeof(text), "%s", base64.p);
	} else {
		ck_assert_int_eq(status, 404);
		ck_assert_ptr_null(schema_check("getPhoto", out.p, out.len));
	}
	free(s);
	json_decref(b);
	buf_fini(&out);
	buf_fini(&base64);
	return text;
}

static json_t *
change(const char *uuid, const char *photo_text)
{
	return json_pack("{s:s,s:s?}", "uuid", uuid, "image1", photo_text);
}

/* Somebody else changes the picture of NAME. */
static void
ox_photo_edit(const char *name, const char *photo_text)
{
	char id[24] = "";

	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, "1,502", name, id, sizeof(id)), 1);
	json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", BERTA_CONTACTS, "id", id, "timestamp", NOW),
	    json_pack("{s:s?}", "image1", photo_text)));
}

static json_int_t
stamp(const struct dev *d, const char *uuid)
{
	return json_integer_value(json_object_get(json_object_get(d->have, uuid), "image_last_modified"));
}

static bool
lists(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
			return true;
	return false;
}

/* Does the answer DATA bring the object UUID with a picture that is not the device's own? */
static bool
foreign_picture(const json_t *data, const char *uuid)
{
	static const char *const keys[] = { "created", "modified" };

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < json_array_size(json_object_get(data, keys[k])); i++) {
			const json_t *o = json_array_get(json_object_get(data, keys[k]), i);

			ck_assert_ptr_null(json_object_get(o, "image1"));
			if (strcmp(str(o, "uuid"), uuid) == 0 && json_object_get(o, "image_last_modified") != NULL && !lists(json_object_get(o, "own"), "image1"))
				return true;
		}
	return false;
}

static json_t *
with_policy(json_t *req, const char *policy)
{
	(void)json_object_set_new(req, "conflictResolution", json_string(policy));
	return req;
}

static long
asked(const char *action)
{
	char url[160];
	CURL *c = curl_easy_init();
	FILE *f;
	char *p = NULL;
	size_t n = 0;
	json_t *root;
	long count;

	(void)snprintf(url, sizeof(url), "%s/control/counters", w.ox);
	f = open_memstream(&p, &n);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)fclose(f);
	curl_easy_cleanup(c);
	root = json_loadb(p, n, JSON_REJECT_DUPLICATES, NULL);
	count = (long)json_integer_value(json_object_get(json_object_get(root, "actions"), action));
	json_decref(root);
	free(p);
	return count;
}

/* Octets of the largest record of a lost version; they are sealed, so that more is not to be seen from here. */
static long
largest_record(void)
{
	char info[512];
	PGconn *c;
	PGresult *r;
	long n;

	(void)snprintf(info, sizeof(info), "%s dbname=usmd_world", getenv("USMD_TEST_PG"));
	c = PQconnectdb(info);
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	r = PQexec(c, "SELECT coalesce(max(length(sealed)), 0) FROM usmd.conflict");
	n = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return n;
}

/* ---- */

START_TEST(up_and_down)
{
	char uuid[40], *a = picture("first", 0), *b = picture("second", 5000);
	struct dev d, other;
	json_t *data;
	json_int_t was;

	berta(&d, "up-1");
	make(&d, "Pictured", a, uuid);
	berta(&other, "up-2");
	ck_assert_str_eq(photo(&other, uuid), a);
	was = stamp(&other, uuid);
	ck_assert_int_gt(was, 0);
	data = update(&d, request(&d, NULL, one(change(uuid, b)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_msg(!foreign_picture(data, uuid), "the device's own picture is told as somebody else's");
	json_decref(data);
	ck_assert_uint_eq(pull(&d), 0);
	data = update(&other, request(&other, NULL, NULL, NULL));
	ck_assert(foreign_picture(data, uuid));
	json_decref(data);
	ck_assert_int_gt(stamp(&other, uuid), was);
	ck_assert_str_eq(photo(&other, uuid), b);
	data = update(&d, request(&d, NULL, one(change(uuid, NULL)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	ck_assert_str_eq(photo(&d, uuid), "");
	(void)pull(&other);
	ck_assert_int_eq(stamp(&other, uuid), 0);
	ck_assert_uint_eq(pull(&d), 0);
	free(a);
	free(b);
}
END_TEST

/* Each refused for that change alone, in words; the other change of the request goes on. */
START_TEST(refused)
{
	char uuid[40], *large = picture("large", 4 << 20), *good_one = picture("good", 0), *text = picture("faulty", 0);
	static const char *const bad_ones[] = { "no base64!", "aGVsbG8=", "" };
	struct dev d;
	json_t *data, *list, *x;

	berta(&d, "refused");
	make(&d, "Refused", good_one, uuid);
	list = one(change(uuid, large));
	data = update(&d, request(&d, one(json_pack("{s:s,s:s}", "clientId", "beside", "last_name", "Beside")), list, NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_str_eq(str(result(data, 1), "status"), "error");
	x = json_object_get(result(data, 1), "error");
	ck_assert_str_eq(str(json_object_get(x, "details"), "ox"), "CON-0172");
	ck_assert_str_eq(str(json_object_get(x, "details"), "path"), "modified[0].image1");
	json_decref(data);
	for (size_t i = 0; i < 3; i++) {
		data = update(&d, request(&d, NULL, one(change(uuid, bad_ones[i])), NULL));
		ck_assert_str_eq(str(result(data, 0), "status"), "error");
		ck_assert_str_eq(str(json_object_get(json_object_get(result(data, 0), "error"), "details"), "path"), "modified[0].image1");
		json_decref(data);
	}
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"update\"},\"effect\":{\"error\":\"CON-0158\",\"category\":4}}");
	data = update(&d, request(&d, NULL, one(change(uuid, text)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "error");
	json_decref(data);
	ck_assert_str_eq(photo(&d, uuid), good_one);
	free(large);
	free(good_one);
	free(text);
}
END_TEST

/* Changed on both sides: the loser is recorded; equal pictures are no conflict. */
START_TEST(both_sides)
{
	static const struct { const char *policy, *status; bool mine, lost; } t[] = {
		{ "server", "ok", false, true }, { "client", "ok", true, false }, { "error", "conflict", false, false },
	};
	/* of two sizes in each round, so that a record tells whose picture it holds */
	char uuid[40], name[40], *base = picture("base", 0), *mine = picture("mine", 3000 + 6000 * (size_t)_i), *theirs = picture("theirs", 6000 + 6000 * (size_t)_i);
	long lost = t[_i].lost ? 4 * (3000 + 6000 * _i) / 3 : t[_i].mine ? 4 * (6000 + 6000 * _i) / 3 : 0, record;
	struct dev d;
	json_t *data;

	(void)snprintf(name, sizeof(name), "Both-%s", t[_i].policy);
	berta(&d, name);
	make(&d, name, base, uuid);
	ox_photo_edit(name, theirs);
	data = update(&d, with_policy(request(&d, NULL, one(change(uuid, mine)), NULL), t[_i].policy));
	ck_assert_str_eq(str(result(data, 0), "status"), t[_i].status);
	ck_assert_int_eq(lists(json_object_get(result(data, 0), "lost"), "image1"), t[_i].lost);
	ck_assert_int_eq(foreign_picture(data, uuid), !t[_i].mine);
	json_decref(data);
	record = largest_record();
	ck_assert_msg(lost == 0 || (record >= lost && record < lost + 500), "the lost picture is not recorded: %ld octets", record);
	ck_assert_str_eq(photo(&d, uuid), t[_i].mine ? mine : theirs);
	(void)pull(&d);
	ox_photo_edit(name, base);
	data = update(&d, with_policy(request(&d, NULL, one(change(uuid, base)), NULL), t[_i].policy));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert_ptr_null(json_object_get(result(data, 0), "lost"));
	json_decref(data);
	free(base);
	free(mine);
	free(theirs);
}
END_TEST

/* The client's answer is lost, or OX's: the repetition writes nothing, finds nothing foreign, and the device is not sent its own picture. */
START_TEST(repeated)
{
	char uuid[40], name[40], *a = picture("before", 0), *b = picture("sent", 0);
	struct dev d;
	json_t *req, *data;
	long updates;

	(void)snprintf(name, sizeof(name), "Repeated-%d", _i);
	berta(&d, name);
	make(&d, name, a, uuid);
	if (_i == 1)
		faults("{\"match\":{\"module\":\"contacts\",\"action\":\"update\"},\"effect\":{\"drop_after\":true}}");
	req = request(&d, NULL, one(change(uuid, b)), NULL);
	data = good(&d, "syncUpdate", req);
	ck_assert_str_eq(str(result(data, 0), "status"), _i == 1 ? "retry" : "ok");
	json_decref(data);
	no_faults();
	updates = asked("contacts/update");
	for (int i = 0; i < 3; i++) {
		data = good(&d, "syncUpdate", req);
		ck_assert_str_eq(str(result(data, 0), "status"), "ok");
		ck_assert_ptr_null(json_object_get(result(data, 0), "lost"));
		ck_assert(!foreign_picture(data, uuid));
		if (i == 2)
			apply(&d, data);
		json_decref(data);
	}
	ck_assert_int_eq(asked("contacts/update"), updates);
	ck_assert_uint_eq(pull(&d), 0);
	ck_assert_str_eq(photo(&d, uuid), b);
	json_decref(req);
	free(a);
	free(b);
}
END_TEST

/* A picture whose write was not answered does not keep its own device from deleting the contact. */
START_TEST(unanswered_then_deleted)
{
	char uuid[40], *a = picture("before", 0), *b = picture("sent", 0);
	struct dev d;
	json_t *req, *data;

	berta(&d, "unanswered");
	make(&d, "Unanswered", a, uuid);
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"update\"},\"effect\":{\"drop_after\":true}}");
	req = request(&d, NULL, one(change(uuid, b)), NULL);
	json_decref(good(&d, "syncUpdate", req));
	json_decref(req);
	no_faults();
	data = update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", uuid))));
	ck_assert_str_eq(str(result(data, 0), "status"), "gone");
	json_decref(data);
	free(a);
	free(b);
}
END_TEST

/* A create with a picture whose answer from OX is lost: found again, own, not doubled. */
START_TEST(create_unanswered)
{
	char *a = picture("created", 0);
	struct dev d;
	json_t *req, *data = NULL;

	berta(&d, "create");
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"new\"},\"effect\":{\"drop_after\":true}}");
	req = request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "c", "last_name", "Created", "image1", a)), NULL, NULL);
	for (int i = 0; i < 100; i++) {
		data = good(&d, "syncUpdate", req);
		if (strcmp(str(result(data, 0), "status"), "retry") != 0)
			break;
		json_decref(data);
		(void)json_object_set_new(json_array_get(json_object_get(req, "created"), 0), "again", json_true());
		sleep_ms(50);
	}
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	ck_assert(!foreign_picture(data, str(result(data, 0), "uuid")));
	ck_assert_str_eq(photo(&d, str(result(data, 0), "uuid")), a);
	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, "1,502", "Created", NULL, 0), 1);
	json_decref(data);
	json_decref(req);
	free(a);
}
END_TEST

/* A change that is about no picture asks for none. */
START_TEST(costs_nothing)
{
	char uuid[40], *a = picture("there", 0);
	struct dev d;
	json_t *data;
	long before;

	berta(&d, "costs");
	make(&d, "Costs", a, uuid);
	before = asked("contacts/picture/get");
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "note", "text")), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	ck_assert_int_eq(asked("contacts/picture/get"), before);
	free(a);
}
END_TEST

/* ---- the limit ---- */

#define LIMIT 65536
static const char *const tight[] = { "ox_timeout = 2s", "max_attachment = 64K", NULL };

static void
world_up_tight(void)
{
	world_begin(&w, NULL, tight);
}

/* Status of getPhoto; *LEN: of the octets, or of the error that names the limit. */
static long
photo_status(const struct dev *d, const char *uuid, size_t *len)
{
	json_t *b = json_pack("{s:s,s:s}", "folder", d->folder, "uuid", uuid);
	char *s = json_dumps(b, 0);
	struct buf out;
	long status;

	buf_init(&out, 1 << 20);
	http("http://localhost/usm-json/getPhoto", d->token, s, &out, &status);
	*len = out.len;
	if (status != 200) {
		ck_assert_ptr_null(schema_check("getPhoto", out.p, out.len));
		ck_assert_ptr_nonnull(strstr(out.p, "65536"));
	}
	free(s);
	json_decref(b);
	buf_fini(&out);
	return status;
}

/* usmsync goes on without a picture that the server does not give, and says so. */
static void
synchronise(int want)
{
	char prog[160], dir[160], log[160], check[700];
	char *argv[] = { prog, "--server", w.server, "--user", "berta", "--dir", dir, "--device", "usmsync", NULL };
	char *sh[] = { "sh", "-c", check, NULL };

	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(dir, sizeof(dir), "%s/A", w.dir);
	(void)snprintf(log, sizeof(log), "%s/usmsync.log", w.dir);
	ck_assert_int_eq(run_wait(argv, log), want);
	(void)snprintf(check, sizeof(check), "cd %s/Contacts && test \"$(grep -l '^N:Limit' *.vcf | wc -l)\" = 1 && test \"$(grep -c '^PHOTO' \"$(grep -l '^N:Limit' *.vcf)\")\" = %d", dir, want == 0);
	ck_assert_int_eq(run_wait(sh, log), 0);
	(void)snprintf(check, sizeof(check), "test %d = 0 || grep -q 'its picture is not here: .*65536' %s", want, log);
	ck_assert_int_eq(run_wait(sh, log), 0);
}

/* A picture of max_attachment octets goes both ways; one octet more is refused, with the limit in the answer, and changes nothing. */
START_TEST(at_the_limit)
{
	char *fits = picture("fits", LIMIT - 12), *over = picture("over", LIMIT - 11), uuid[40];
	struct dev d;
	json_t *data, *x;
	size_t len;

	berta(&d, "limit");
	make(&d, "Limit", fits, uuid);
	ck_assert_int_eq(photo_status(&d, uuid, &len), 200);
	ck_assert_uint_eq(len, LIMIT);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "too-large", "last_name", "Over", "image1", over)), one(change(uuid, over)), NULL));
	for (size_t i = 0; i < 2; i++) {
		ck_assert_str_eq(str(result(data, i), "status"), "error");
		x = json_object_get(result(data, i), "error");
		ck_assert_str_eq(str(x, "code"), "limit");
		ck_assert_str_eq(str(json_object_get(x, "details"), "path"), i == 0 ? "created[0].image1" : "modified[0].image1");
		ck_assert_ptr_nonnull(strstr(str(x, "message"), "65536"));
	}
	json_decref(data);
	ck_assert_uint_eq(ox_rows("berta", "contacts", BERTA_CONTACTS, "1,502", "Over", NULL, 0), 0);
	ck_assert_int_eq(photo_status(&d, uuid, &len), 200);
	ck_assert_uint_eq(len, LIMIT);
	/* OX may hold larger ones: the contact comes, its picture does not */
	ox_photo_edit("Limit", over);
	data = update(&d, request(&d, NULL, NULL, NULL));
	ck_assert(foreign_picture(data, uuid));
	json_decref(data);
	ck_assert_int_eq(photo_status(&d, uuid, &len), 400);
	data = update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "nickname", "Kim")), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	synchronise(1);
	data = update(&d, request(&d, NULL, one(change(uuid, fits)), NULL));
	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
	ck_assert_int_eq(photo_status(&d, uuid, &len), 200);
	ck_assert_uint_eq(len, LIMIT);
	synchronise(0);
	free(fits);
	free(over);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("photos");
	TCase *t = tcase_create("wire");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, no_faults, forget_devices);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, up_and_down);
	tcase_add_test(t, refused);
	tcase_add_loop_test(t, both_sides, 0, 3);
	tcase_add_loop_test(t, repeated, 0, 2);
	tcase_add_test(t, unanswered_then_deleted);
	tcase_add_test(t, create_unanswered);
	tcase_add_test(t, costs_nothing);
	suite_add_tcase(suite, t);
	t = tcase_create("limit");
	tcase_add_unchecked_fixture(t, world_up_tight, world_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, at_the_limit);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
