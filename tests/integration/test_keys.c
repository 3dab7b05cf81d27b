/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Another key seals: what older ones have sealed is opened all the time, is sealed anew in the background, also when usmd is killed in the middle of
 * it, and then the old key can go.  Files that others can read are refused.
 */
#include "wire.h"

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/stat.h>

#define NOW "9007199254740992"
#define COPIES 3000

static char file[200];
static struct dev d;

static int
sh(const char *cmd)
{
	char line[1600];
	char *argv[] = { "sh", "-c", line, NULL };

	(void)snprintf(line, sizeof(line), "K=%s; D=%s; ctl() { %s/usmctl \"$@\" --config %s/usmd.conf; }; { %s; } >>%s/out 2>&1", file, w.dir, w.build, w.dir, cmd, w.dir);
	return run_wait(argv, NULL);
}

static void
must(const char *cmd)
{
	char line[300];
	char *argv[] = { "sh", "-c", line, NULL };

	if (sh(cmd) == 0)
		return;
	(void)snprintf(line, sizeof(line), "cat %.120s/out", w.dir);
	(void)run_wait(argv, NULL);
	ck_abort_msg("%s", cmd);
}

static long
sql(const char *text)
{
	char info[400];
	PGconn *c;
	PGresult *r;
	long n = 0;

	(void)snprintf(info, sizeof(info), "%s dbname=usmd_world", getenv("USMD_TEST_PG"));
	c = PQconnectdb(info);
	r = PQexec(c, text);
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", text, PQerrorMessage(c));
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		n = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return n;
}

static long
keys_in_use(void)
{
	return sql("SELECT count(DISTINCT substring(sealed FROM 1 FOR 8)) FROM (SELECT sealed FROM usmd.conflict UNION ALL SELECT sealed FROM usmd.journal) x");
}

/* One losing value, and a device's deletion in the journal. */
static void
make(const char *name)
{
	char uuid[40], id[24] = "";
	json_t *data, *body;

	open_folder(&d, str(d.defaults, "contact"));
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", name, "last_name", name, "note", "first")), NULL, NULL));
	(void)snprintf(uuid, sizeof(uuid), "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(&d);
	ck_assert_uint_eq(ox_rows("berta", "contacts", "42", "1,502", name, id, sizeof(id)), 1);
	json_decref(ox_as("berta", "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", "42", "id", id, "timestamp", NOW), json_pack("{s:s}", "note", "server")));
	body = request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "note", "lost")), NULL);
	(void)json_object_set_new(body, "conflictResolution", json_string("server"));
	json_decref(update(&d, body));
	json_decref(update(&d, request(&d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "note", "written")), NULL)));
}

/* All that getConflicts can open: their number. */
static size_t
opened(void)
{
	size_t n = 0;
	json_int_t after = 0;
	bool more = true;

	while (more) {
		json_t *b = json_pack("{s:i}", "limit", 1000), *data;

		if (after > 0)
			(void)json_object_set_new(b, "after", json_integer(after));
		data = good(&d, "getConflicts", b);
		n += json_array_size(json_object_get(data, "conflicts"));
		more = json_is_true(json_object_get(data, "more"));
		after = json_integer_value(json_object_get(data, "next"));
		json_decref(b);
		json_decref(data);
	}
	return n;
}

static void
restart(void)
{
	world_usmd_kill(&w);
	world_usmd_start(&w);
}

START_TEST(rotated)
{
	long before;

	login(&d, "berta", "phone");
	make("one");
	ck_assert_int_ge(sql("SELECT count(*) FROM usmd.journal WHERE sealed IS NOT NULL"), 1);
	ck_assert_uint_eq(opened(), 1);
	must("ctl keys list | grep -q 'active  *[1-9]'");
	/* what a rotation left that was cut off before its end */
	must("echo garbage >$K.new; ctl keys rotate && ctl keys list | grep -q 'active  *0$' && [ $(stat -c %a $K) = 600 ] && [ ! -e $K.new ]");
	restart();
	ck_assert_uint_eq(opened(), 1); /* the session, too, was revived: its password is sealed by the old key */
	for (int i = 0; i < 1000 && keys_in_use() > 1; i++)
		sleep_ms(10);
	make("two");
	ck_assert_int_eq(keys_in_use(), 1);
	ck_assert_uint_eq(opened(), 2);
	must("ctl keys list | grep -q 'active  *[1-9]' && ctl keys list | grep -q 'master  *0$'");

	/* many, and killed in the middle */
	(void)sql("INSERT INTO usmd.conflict (account, device, ct, uuid, at, expires, digest, sealed) SELECT account, device, ct, uuid, at, expires,"
	    " sha256(convert_to(id::text || ':' || n::text, 'UTF8')), sealed FROM usmd.conflict, generate_series(1, 1500) n");
	must("ctl keys rotate");
	must("ctl keys drop | grep -q 'No old key'");
	restart();
	before = 0;
	for (int i = 0; i < 30000 && before == 0; i++)
		before = keys_in_use() > 1 && sql("SELECT count(DISTINCT substring(sealed FROM 1 FOR 8)) FROM usmd.conflict") > 1;
	world_usmd_kill(&w);
	ck_assert_int_gt(before, 0);
	(void)printf("keys: killed when %ld of %d records were still under the old key\n",
	    sql("SELECT min(n) FROM (SELECT count(*) AS n FROM usmd.conflict GROUP BY substring(sealed FROM 1 FOR 8)) x"), COPIES + 2);
	world_usmd_start(&w);
	ck_assert_uint_eq(opened(), COPIES + 2);
	for (int i = 0; i < 3000 && keys_in_use() > 1; i++)
		sleep_ms(10);
	ck_assert_int_eq(keys_in_use(), 1);
	must("ctl keys drop | grep -q dropped && [ $(wc -w <$K) = 1 ] && ctl keys list | grep -q 'active  *[1-9]'");
	restart();
	ck_assert_uint_eq(opened(), COPIES + 2);

	/* a record of somebody else's does not open, wherever it is moved to */
	(void)sql("INSERT INTO usmd.account (context_id, user_id) VALUES (99, 99)");
	login(&d, "anton", "phone");
	(void)sql("UPDATE usmd.conflict SET account = (SELECT id FROM usmd.account WHERE context_id = 1 AND user_id = 3)");
	ck_assert_uint_eq(opened(), 0);
}
END_TEST

/* All data of the database, as pg_dump writes them. */
static void
read_postgresql(struct buf *b)
{
	char program[300], url[300], dump[200], piece[4096];
	char *argv[] = { program, (char[]){ "-a" }, (char[]){ "-n" }, (char[]){ "usmd" }, (char[]){ "-f" }, dump, (char[]){ "-d" }, url, NULL };
	size_t n;
	FILE *f;

	(void)snprintf(program, sizeof(program), "%.200s/pg_dump", getenv("USMD_TEST_PGBIN"));
	(void)snprintf(url, sizeof(url), "%.200s dbname=usmd_world", getenv("USMD_TEST_PG"));
	(void)snprintf(dump, sizeof(dump), "%.128s/dump.sql", w.dir);
	ck_assert_int_eq(run_wait(argv, NULL), 0);
	f = fopen(dump, "r");
	ck_assert_ptr_nonnull(f);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(b, piece, n);
	(void)fclose(f);
}

static redisReply *
redis(redisContext *c, const char *command, const char *arg)
{
	redisReply *r = arg != NULL ? redisCommand(c, command, arg) : redisCommand(c, command);

	ck_assert_msg(r != NULL && r->type != REDIS_REPLY_ERROR, "%s: %s", command, r != NULL ? r->str : c->errstr);
	return r;
}

/* All keys of Redis and what is under them. */
static void
read_redis(struct buf *b)
{
	redisContext *c = redisConnectUnix(strchr(getenv("USMD_TEST_REDIS"), ':') + 1);
	redisReply *keys, *value;

	freeReplyObject(redis(c, "CONFIG SET rdbcompression no", NULL));
	freeReplyObject(redis(c, "SET of-this-test %s", "planted"));
	keys = redis(c, "KEYS *", NULL);
	ck_assert_uint_gt(keys->elements, 1);
	for (size_t i = 0; i < keys->elements; i++) {
		value = redis(c, "DUMP %s", keys->element[i]->str);
		buf_add(b, keys->element[i]->str, keys->element[i]->len);
		if (value->type == REDIS_REPLY_STRING) /* it may have expired */
			buf_add(b, value->str, value->len);
		freeReplyObject(value);
	}
	freeReplyObject(keys);
	freeReplyObject(redis(c, "DEL of-this-test", NULL));
	redisFree(c);
}

/* As it is, or as hexadecimal digits. */
static bool
holds(const struct buf *b, const char *word)
{
	char hex[200];

	hex_encode(word, strlen(word), hex);
	for (size_t i = 0, n = strlen(word); i + n <= b->len; i++)
		if (memcmp(b->p + i, word, n) == 0 || (i + 2 * n <= b->len && memcmp(b->p + i, hex, 2 * n) == 0))
			return true;
	return false;
}

/* Who has copies of PostgreSQL and of Redis looks for what a device has written and deleted, for a password and for the token. */
START_TEST(thieves_read_nothing)
{
	const char *const words[] = { "Quittenstrauch", "Mirabellengelee", "secret", d.token };
	json_t *data;
	struct buf b;

	buf_init(&b, 0);
	login(&d, "berta", "phone");
	make("one");
	data = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s}", "clientId", "c2", "last_name", "Quittenstrauch", "note", "Mirabellengelee")), NULL, NULL));
	(void)pull(&d);
	json_decref(update(&d, request(&d, NULL, NULL, one(json_pack("{s:s}", "uuid", str(result(data, 0), "uuid"))))));
	json_decref(data);
	ck_assert_int_ge(sql("SELECT count(*) FROM usmd.conflict"), 1);
	ck_assert_int_ge(sql("SELECT count(*) FROM usmd.journal WHERE sealed IS NOT NULL"), 2);
	read_postgresql(&b);
	ck_assert(holds(&b, "phone")); /* what is not secret is found */
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		ck_assert_msg(!holds(&b, words[i]), "PostgreSQL holds %s", words[i]);
	buf_reset(&b);
	read_redis(&b);
	ck_assert(holds(&b, "planted"));
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		ck_assert_msg(!holds(&b, words[i]), "Redis holds %s", words[i]);
	buf_fini(&b);
}
END_TEST

/* A reload takes a new key while everything goes on, and no wrong file. */
START_TEST(reloaded)
{
	login(&d, "berta", "phone");
	make("one");
	must("cp $K $D/before; ctl keys rotate && ctl keys list | grep -q 'active  *0$'");
	ck_assert_int_eq(kill(w.usmd, SIGHUP), 0);
	for (int i = 0; i < 300 && sh("ctl keys list | grep -q 'active  *0$'") == 0; i++)
		sleep_ms(10);
	for (int i = 0; i < 1000 && keys_in_use() > 1; i++)
		sleep_ms(10);
	must("ctl keys list | grep -q 'active  *[1-9]' && ctl keys list | grep -q 'master  *0$'");
	make("two");
	ck_assert_int_eq(keys_in_use(), 1);
	ck_assert_uint_eq(opened(), 2);
	/* what is no file of keys, or another master key, changes nothing: what comes next is sealed as before */
	must("cp $K $D/after; echo 'not a key' >$K");
	ck_assert_int_eq(kill(w.usmd, SIGHUP), 0);
	must("for i in $(seq 300); do grep -q 'event=reload.*seal_keys.*stay as they were' $D/usmd.log && exit 0; sleep 0.1; done; exit 1");
	must("cat $D/before >$K; cp -p $D/key $D/key.kept; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' >$D/key; chmod 600 $D/key");
	ck_assert_int_eq(kill(w.usmd, SIGHUP), 0);
	must("for i in $(seq 300); do grep -q 'event=reload.*another key than at the start' $D/usmd.log && exit 0; sleep 0.1; done; exit 1");
	must("mv $D/key.kept $D/key; cat $D/after >$K");
	make("three");
	ck_assert_int_eq(keys_in_use(), 1);
	ck_assert_uint_eq(opened(), 3);
}
END_TEST

START_TEST(open_to_others)
{
	must("chmod 640 $K; ctl config --check; [ $? = 78 ] && ctl keys list; [ $? = 78 ] && grep -q 'chmod 600' $D/out; chmod 600 $K; ctl config --check");
	must("chmod 604 $D/key; ctl config --check; [ $? = 78 ]; rc=$?; chmod 600 $D/key; [ $rc = 0 ]");
	must("cp $K $D/saved; echo 'not a key' >$K; ctl config --check; [ $? = 78 ] && cat $D/saved >$K && ctl config --check");
}
END_TEST

static void
world_up(void)
{
	static char line[240];
	const char *settings[] = { "calendar_past = 0", "calendar_future = 0", "ping_poll_interval = 0", line, NULL };
	FILE *f;

	(void)snprintf(file, sizeof(file), "%s/seal-keys", harness_env("USMD_TEST_DIR"));
	(void)umask(0077);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
	(void)snprintf(line, sizeof(line), "seal_keys = %s", file);
	world_begin(&w, NULL, settings);
}

int
main(void)
{
	Suite *s = suite_create("keys");
	TCase *t = tcase_create("keys");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, world_up, world_down); /* usmd is started anew in the tests */
	tcase_add_test(t, open_to_others);
	tcase_add_test(t, rotated);
	tcase_add_test(t, reloaded);
	tcase_add_test(t, thieves_read_nothing);
	suite_add_tcase(s, t);
	return harness_main(s);
}
