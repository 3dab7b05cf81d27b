/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Mail rules, absence and signatures through real HTTP: what is announced, made, changed, refused, and what rules do with a mail. */
#include "wire.h"

#define DAY 86400000LL

static const char *const settings[] = { "heartbeat_min = 1s", "ping_poll_interval = 1s", "login_attempts = 1000", NULL };
static struct dev d;

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

/* Every test with a user's rules and signatures as they were at the beginning: none. */
static void
begin(void)
{
	world_control(&w, "reset", "{}", NULL, 0);
	world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
	login(&d, "anton", "rules-1");
}

static void
end(void)
{
	forget_devices();
}

/* ---- helpers; requests are stolen ---- */

static json_t *
ok(const struct dev *dev, const char *command, json_t *body)
{
	json_t *data = good(dev, command, body);

	json_decref(body);
	return data;
}

static void
refused(const char *command, json_t *body, const char *code, const char *path)
{
	char at[80];
	const char *got = bad(&d, command, body, at);

	ck_assert_msg(strcmp(got, code) == 0 && strcmp(at, path) == 0, "%s: %s at %s, not %s at %s", command, got, at, code, path);
	json_decref(body);
}

static json_t *
parse(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &e);

	ck_assert_msg(j != NULL, "%s: %s", e.text, text);
	return j;
}

static json_t *
rules(const struct dev *dev)
{
	return ok(dev, "getRules", json_object());
}

static size_t
n_rules(void)
{
	json_t *r = rules(&d);
	size_t n = json_array_size(json_object_get(r, "rules"));

	json_decref(r);
	return n;
}

#define SUBJECT "{\"id\":\"subject\",\"comparison\":\"contains\",\"values\":[\"[list]\"]}"
#define SEEN "[{\"id\":\"addflags\",\"flags\":[\"\\\\Seen\"]},{\"id\":\"keep\"}]"

static json_t *
new_rule(const char *client_id, const char *name)
{
	return json_pack("{s:s,s:s,s:o,s:o}", "clientId", client_id, "name", name, "test", parse(SUBJECT), "actions", parse(SEEN));
}

/* A rule of its own: the rule of the answer. */
static json_t *
made(const char *client_id, const char *name)
{
	json_t *a = ok(&d, "setRule", new_rule(client_id, name)), *rule = json_incref(json_object_get(a, "rule"));

	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert_ptr_nonnull(rule);
	json_decref(a);
	return rule;
}

/* {id, rev} of RULE */
static json_t *
of(const json_t *rule)
{
	return json_pack("{s:O,s:O}", "id", json_object_get(rule, "id"), "rev", json_object_get(rule, "rev"));
}

static json_t *
with(json_t *o, const char *key, json_t *v)
{
	(void)json_object_set_new(o, key, v);
	return o;
}

/* What OX holds: the rules as v1 lists them. */
static json_t *
at_ox(const char *user)
{
	return ox_as(user, "mailfilter", "list", json_object(), NULL);
}

static void
sieve(const char *json)
{
	world_control(&w, "sieve", json, NULL, 0);
}

static bool
same(const json_t *o, const char *key, const char *text)
{
	json_t *want = parse(text);
	bool yes = json_equal(json_object_get(o, key), want) != 0;

	json_decref(want);
	return yes;
}

/* ---- rules ---- */

START_TEST(announced)
{
	json_t *r = rules(&d), *t;
	bool found = false;
	size_t i;

	ck_assert_uint_eq(json_array_size(json_object_get(r, "rules")), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(r, "tests")), 21);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "maxRedirects")), 4);
	ck_assert(json_is_true(json_object_get(r, "nested")));
	json_array_foreach(json_object_get(r, "tests"), i, t)
		if (strcmp(str(t, "id"), "envelope") == 0) {
			found = true;
			ck_assert(same(t, "headers", "[\"from\",\"to\"]"));
			ck_assert(same(t, "parts", "[\"all\",\"domain\",\"localpart\",\"detail\",\"user\"]"));
		}
	ck_assert(found);
	json_array_foreach(json_object_get(r, "actions"), i, t)
		ck_assert_str_ne(json_string_value(t), "stop");
	json_decref(r);
}
END_TEST

START_TEST(made_changed_deleted)
{
	json_t *rule = made("r1", "Lists"), *a, *r, *x;

	ck_assert(json_is_true(json_object_get(rule, "active")));
	ck_assert(json_is_false(json_object_get(rule, "stop")));
	ck_assert(same(rule, "test", SUBJECT));
	ck_assert(same(rule, "actions", SEEN));
	/* off, and nothing else */
	a = ok(&d, "setRule", with(of(rule), "active", json_false()));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	x = json_object_get(a, "rule");
	ck_assert(json_is_false(json_object_get(x, "active")));
	ck_assert_str_eq(str(x, "name"), "Lists");
	ck_assert(same(x, "test", SUBJECT));
	ck_assert_str_ne(str(x, "rev"), str(rule, "rev"));
	json_decref(rule);
	rule = json_incref(x);
	json_decref(a);
	/* name, condition, actions, stop */
	a = ok(&d, "setRule", with(with(with(with(of(rule), "name", json_string("Lists \xc3\xbc")), "test", parse("{\"id\":\"not\",\"test\":{\"id\":\"anyof\",\"tests\":["
	    SUBJECT ",{\"id\":\"size\",\"comparison\":\"over\",\"size\":\"10K\"}]}}")), "actions", parse("[{\"id\":\"discard\"}]")), "stop", json_true()));
	x = json_object_get(a, "rule");
	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert(json_is_true(json_object_get(x, "stop")));
	ck_assert(same(x, "actions", "[{\"id\":\"discard\"}]"));
	/* what OX's own list loses: that the group is turned round */
	ck_assert_str_eq(str(json_object_get(x, "test"), "id"), "not");
	r = rules(&d);
	ck_assert(json_equal(json_array_get(json_object_get(r, "rules"), 0), x));
	json_decref(r);
	json_decref(rule);
	rule = json_incref(x);
	json_decref(a);
	/* gone, and asked again */
	for (int i = 0; i < 2; i++) {
		a = ok(&d, "deleteRule", of(rule));
		ck_assert(json_is_true(json_object_get(a, "applied")));
		json_decref(a);
	}
	ck_assert_uint_eq(n_rules(), 0);
	refused("setRule", with(of(rule), "name", json_string("x")), "not-found", "id");
	json_decref(rule);
}
END_TEST

START_TEST(ordered)
{
	json_t *a = made("o1", "One"), *b = made("o2", "Two"), *c, *r, *x;
	char rev[20];

	c = ok(&d, "setRule", with(new_rule("o3", "First"), "position", json_integer(0)));
	r = rules(&d);
	(void)snprintf(rev, sizeof(rev), "%s", str(r, "rev"));
	ck_assert_str_eq(str(json_array_get(json_object_get(r, "rules"), 0), "name"), "First");
	json_decref(r);
	x = json_pack("{s:[O,O,O],s:s}", "order", json_object_get(b, "id"), json_object_get(json_object_get(c, "rule"), "id"), json_object_get(a, "id"), "rev", rev);
	for (int i = 0; i < 2; i++) { /* its answer was lost */
		json_t *ans = good(&d, "orderRules", x);

		ck_assert(json_is_true(json_object_get(ans, "applied")));
		ck_assert_str_ne(str(ans, "rev"), rev);
		json_decref(ans);
	}
	r = rules(&d);
	ck_assert_str_eq(str(json_array_get(json_object_get(r, "rules"), 0), "name"), "Two");
	ck_assert_str_eq(str(json_array_get(json_object_get(r, "rules"), 2), "name"), "One");
	/* the list that the client knows is outdated; then one that misses a rule */
	(void)json_object_set_new(x, "order", json_pack("[O,O,O]", json_object_get(a, "id"), json_object_get(b, "id"), json_object_get(json_object_get(c, "rule"), "id")));
	json_decref(ok(&d, "getRules", json_object()));
	{
		json_t *ans = good(&d, "orderRules", x);

		ck_assert(json_is_false(json_object_get(ans, "applied")));
		ck_assert_str_eq(str(ans, "rev"), str(r, "rev"));
		json_decref(ans);
	}
	refused("orderRules", json_pack("{s:[O],s:s}", "order", json_object_get(a, "id"), "rev", str(r, "rev")), "bad-request", "order");
	json_decref(r);
	json_decref(x);
	json_decref(a);
	json_decref(b);
	json_decref(c);
}
END_TEST

/* Every kind of broken rule, and the path that the client is told; nothing is made. */
START_TEST(broken)
{
	static const struct { const char *test, *actions, *path; } rows[] = {
		{ "{\"id\":\"nonsense\"}", SEEN, "test.id" },
		{ "{}", SEEN, "test.id" },
		{ "{\"id\":\"subject\",\"comparison\":\"foo\",\"values\":[\"x\"]}", SEEN, "test.comparison" },
		{ "{\"id\":\"subject\",\"comparison\":\"is\"}", SEEN, "test.values" },
		{ "{\"id\":\"subject\",\"comparison\":\"is\",\"values\":[]}", SEEN, "test.values" },
		{ "{\"id\":\"subject\",\"comparison\":\"is\",\"values\":[\"x\",7]}", SEEN, "test.values[1]" },
		{ "{\"id\":\"subject\",\"comparison\":\"is\",\"values\":[\"a\\nb\"]}", SEEN, "test.values[0]" },
		{ "{\"id\":\"subject\",\"comparison\":\"regex\",\"values\":[\"ok\",\"[\"]}", SEEN, "test.values[1]" },
		{ "{\"id\":\"header\",\"comparison\":\"is\",\"values\":[\"x\"]}", SEEN, "test.headers" },
		{ "{\"id\":\"envelope\",\"comparison\":\"is\",\"addresspart\":\"all\",\"headers\":[\"subject\"],\"values\":[\"x\"]}", SEEN, "test.headers[0]" },
		{ "{\"id\":\"address\",\"comparison\":\"is\",\"addresspart\":\"half\",\"headers\":[\"from\"],\"values\":[\"x\"]}", SEEN, "test.addresspart" },
		{ "{\"id\":\"size\",\"comparison\":\"over\",\"size\":\"1X\"}", SEEN, "test.size" },
		{ "{\"id\":\"currentdate\",\"comparison\":\"ge\",\"datepart\":\"year\",\"datevalue\":[1]}", SEEN, "test.datepart" },
		{ "{\"id\":\"currentdate\",\"comparison\":\"ge\",\"datepart\":\"date\",\"datevalue\":[]}", SEEN, "test.datevalue" },
		{ "{\"id\":\"currentdate\",\"comparison\":\"ge\",\"datepart\":\"date\",\"datevalue\":[1],\"zone\":\"CET\"}", SEEN, "test.zone" },
		{ "{\"id\":\"allof\",\"tests\":[]}", SEEN, "test.tests" },
		{ "{\"id\":\"allof\",\"tests\":[{\"id\":\"true\"},{\"id\":\"anyof\",\"tests\":[{\"id\":\"bad\"}]}]}", SEEN, "test.tests[1].tests[0].id" },
		{ "{\"id\":\"not\"}", SEEN, "test.test" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"nonsense\"}]", "actions[0].id" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"keep\"},{\"id\":\"stop\"}]", "actions[1].id" },
		{ "{\"id\":\"true\"}", "[]", "actions" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"move\"}]", "actions[0].folder" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"move\",\"folder\":\"x\"}]", "actions[0].folder" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"redirect\",\"to\":\"nomail\"}]", "actions[0].to" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"redirect\"}]", "actions[0].to" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"redirect\",\"to\":\"a@b.de\"},{\"id\":\"redirect\",\"to\":\"a@b.de\"},{\"id\":\"redirect\",\"to\":\"a@b.de\"},"
		    "{\"id\":\"redirect\",\"to\":\"a@b.de\"},{\"id\":\"redirect\",\"to\":\"a@b.de\"}]", "actions[4]" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"reject\"}]", "actions[0].text" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"vacation\",\"days\":1}]", "actions[0].text" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"vacation\",\"days\":0,\"text\":\"x\"}]", "actions[0].days" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"vacation\",\"addresses\":[],\"text\":\"x\"}]", "actions[0].addresses" },
		{ "{\"id\":\"true\"}", "[{\"id\":\"addflags\",\"flags\":[]}]", "actions[0].flags" },
	};

	open_folder(&d, NULL); /* folders are known */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		refused("setRule", json_pack("{s:s,s:s,s:o,s:o}", "clientId", "b1", "name", "n", "test", parse(rows[i].test), "actions", parse(rows[i].actions)),
		    "bad-request", rows[i].path);
	refused("setRule", json_pack("{s:s,s:s,s:o,s:[{s:s,s:s}]}", "clientId", "b1", "name", "n", "test", parse("{\"id\":\"true\"}"), "actions", "id", "move", "folder",
	    "aa000000-0000-4000-8000-000000000002"), "not-found", "actions[0].folder");
	refused("setRule", json_pack("{s:s,s:s,s:o,s:[{s:s,s:o}]}", "clientId", "b1", "name", "n", "test", parse("{\"id\":\"true\"}"), "actions", "id", "move", "folder",
	    json_incref(json_object_get(d.defaults, "contact"))), "bad-request", "actions[0].folder");
	refused("setRule", json_pack("{s:s,s:s,s:o,s:o}", "clientId", "b1", "name", "a\nb", "test", parse(SUBJECT), "actions", parse(SEEN)), "bad-request", "name");
	refused("setRule", json_pack("{s:s,s:o,s:o}", "clientId", "b1", "test", parse(SUBJECT), "actions", parse(SEEN)), "bad-request", "name");
	ck_assert_uint_eq(n_rules(), 0);
}
END_TEST

/* The mail server's own words arrive, without what it says about other rules. */
START_TEST(words)
{
	json_t *b = json_pack("{s:s,s:s,s:o,s:o}", "clientId", "w1", "name", "n", "test", parse("{\"id\":\"subject\",\"comparison\":\"regex\",\"values\":[\"[\"]}"), "actions",
	    parse(SEEN)), *a = call(&d, "setRule", b), *e = json_object_get(a, "error");

	ck_assert_ptr_nonnull(strstr(str(e, "message"), "invalid regular expression '['"));
	ck_assert_ptr_null(strstr(str(e, "message"), "validation failed"));
	ck_assert_str_eq(str(json_object_get(e, "details"), "ox"), "MAIL_FILTER-0025");
	json_decref(a);
	json_decref(b);
}
END_TEST

/* ---- never twice, never lost ---- */

START_TEST(lost_answer_makes_one_rule)
{
	json_t *b = new_rule("once", "Once"), *a, *again;

	/* OX did it, its answer was lost */
	faults("{\"match\":{\"module\":\"mailfilter/v2\",\"action\":\"new\"},\"effect\":{\"drop_after\":true}}");
	ck_assert_str_eq(bad(&d, "setRule", b, NULL), "upstream-timeout");
	a = good(&d, "setRule", b);
	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert_uint_eq(n_rules(), 1);
	/* and our answer was lost */
	again = good(&d, "setRule", b);
	ck_assert(json_equal(a, again));
	ck_assert_uint_eq(n_rules(), 1);
	json_decref(again);
	/* it is found by its mark, not by its content: somebody gave it another name meanwhile */
	json_decref(ox_as("anton", "mailfilter/v2", "update", json_object(), json_pack("{s:O,s:s}", "id", json_object_get(json_object_get(a, "rule"), "id"), "rulename", "Theirs")));
	again = good(&d, "setRule", b);
	ck_assert_str_eq(str(json_object_get(again, "rule"), "name"), "Theirs");
	ck_assert_uint_eq(n_rules(), 1);
	json_decref(again);
	/* the same clientId of another device is another rule */
	{
		struct dev other;

		login(&other, "anton", "rules-2");
		json_decref(good(&other, "setRule", b));
	}
	ck_assert_uint_eq(n_rules(), 2);
	json_decref(a);
	json_decref(b);
}
END_TEST

/* A create that OX executes after it was repeated leaves a twin: the next write takes it away. */
START_TEST(late_twin)
{
	json_t *rule = made("late", "Late"), *a, *list = at_ox("anton"), *twin = json_deep_copy(json_array_get(list, 0));

	json_decref(list);
	(void)json_object_del(twin, "id");
	json_decref(ox_as("anton", "mailfilter", "new", json_object(), twin));
	ck_assert_uint_eq(n_rules(), 2);
	a = ok(&d, "setRule", with(of(rule), "name", json_string("Later")));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert_uint_eq(n_rules(), 1);
	json_decref(a);
	json_decref(rule);
}
END_TEST

START_TEST(changed_meanwhile)
{
	json_t *rule = made("c1", "Mine"), *a, *x;

	json_decref(ox_as("anton", "mailfilter/v2", "update", json_object(), json_pack("{s:O,s:s}", "id", json_object_get(rule, "id"), "rulename", "Theirs")));
	a = ok(&d, "setRule", with(of(rule), "active", json_false()));
	ck_assert(json_is_false(json_object_get(a, "applied")));
	x = json_object_get(a, "rule");
	ck_assert_str_eq(str(x, "name"), "Theirs");
	ck_assert(json_is_true(json_object_get(x, "active")));
	json_decref(ok(&d, "deleteRule", of(rule)));
	ck_assert_uint_eq(n_rules(), 1);
	json_decref(rule);
	rule = json_incref(x);
	json_decref(a);
	/* with what it is now it goes; a repetition is no conflict */
	for (int i = 0; i < 2; i++) {
		a = ok(&d, "setRule", with(of(rule), "active", json_false()));
		ck_assert(json_is_true(json_object_get(a, "applied")));
		ck_assert_str_eq(str(json_object_get(a, "rule"), "name"), "Theirs");
		json_decref(a);
	}
	json_decref(rule);
}
END_TEST

#define UNKNOWN "{\"id\":\"duplicate\",\"handle\":\"h\",\"seconds\":7}"

START_TEST(unknown_parts_stay)
{
	json_t *r, *rule, *a, *now;

	sieve("{\"user\":\"anton\",\"rules\":[{\"id\":4,\"rulename\":\"Odd\",\"active\":true,\"flags\":[\"spam\"],\"test\":{\"id\":\"allof\",\"tests\":[" UNKNOWN
	    ",{\"id\":\"header\",\"comparison\":\"is\",\"headers\":[\"Subject\"],\"values\":[\"x\"]}]},\"actioncmds\":[{\"id\":\"pgp\",\"keys\":[\"k\"]},{\"id\":\"stop\"}]}]}");
	r = rules(&d);
	rule = json_array_get(json_object_get(r, "rules"), 0);
	ck_assert(same(rule, "actions", "[{\"id\":\"pgp\",\"keys\":[\"k\"]}]"));
	ck_assert(json_is_true(json_object_get(rule, "stop")));
	a = ok(&d, "setRule", with(of(rule), "name", json_string("Even")));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	now = at_ox("anton");
	ck_assert(same(json_array_get(now, 0), "flags", "[\"spam\"]"));
	{
		json_t *want = parse(UNKNOWN);

		ck_assert(json_equal(json_array_get(json_object_get(json_object_get(json_array_get(now, 0), "test"), "tests"), 0), want));
		json_decref(want);
	}
	ck_assert(same(json_array_get(now, 0), "actioncmds", "[{\"id\":\"pgp\",\"keys\":[\"k\"]},{\"id\":\"stop\"}]"));
	json_decref(now);
	/* a new condition of that kind is refused, and so is a new action */
	refused("setRule", with(of(json_object_get(a, "rule")), "test", parse("{\"id\":\"duplicate\",\"handle\":\"other\"}")), "bad-request", "test.id");
	refused("setRule", with(of(json_object_get(a, "rule")), "actions", parse("[{\"id\":\"pgp\",\"keys\":[\"k\"]},{\"id\":\"pgp\"}]")), "bad-request", "actions[1].id");
	json_decref(a);
	json_decref(r);
}
END_TEST

/* OX deletes with any write what it cannot read in the script: so nothing is written. */
START_TEST(unreadable_script)
{
	json_t *r, *rule, *now, *a;
	const char *said;

	sieve("{\"user\":\"anton\",\"rules\":[{\"id\":0,\"rulename\":\"By hand\",\"active\":true,\"unread\":true,\"flags\":[],\"test\":{\"id\":\"duplicate\"},"
	    "\"actioncmds\":[{\"id\":\"keep\"}]},{\"id\":1,\"rulename\":\"Ours\",\"active\":true,\"flags\":[],\"test\":{\"id\":\"true\"},\"actioncmds\":[{\"id\":\"keep\"}]}]}");
	r = rules(&d);
	ck_assert_int_eq(json_integer_value(json_object_get(r, "hidden")), 1);
	rule = json_array_get(json_object_get(r, "rules"), 0);
	ck_assert_str_eq(str(rule, "name"), "Ours");
	refused("setRule", with(of(rule), "name", json_string("x")), "forbidden", "");
	refused("setRule", new_rule("u1", "x"), "forbidden", "");
	refused("deleteRule", of(rule), "forbidden", "");
	refused("setVacation", json_pack("{s:s}", "text", "away"), "forbidden", "");
	/* what can be done about it, and nothing of a folder's owner */
	now = of(rule);
	a = call(&d, "deleteRule", now);
	said = str(json_object_get(a, "error"), "message");
	ck_assert_msg(strstr(said, "the program that wrote it.") != NULL && strstr(said, "owner") == NULL, "%s", said);
	json_decref(a);
	json_decref(now);
	now = at_ox("anton");
	ck_assert_uint_eq(json_array_size(now), 1);
	json_decref(now);
	json_decref(r);
}
END_TEST

/* ---- without the function ---- */

START_TEST(not_available)
{
	static const char *const without[] = { "{\"without\":[\"mailfilter\",\"snippet\"]}" };

	world_control(&w, "modules", without[0], NULL, 0);
	refused("getRules", json_object(), "not-available", "");
	refused("setRule", new_rule("n1", "x"), "not-available", "");
	refused("getVacation", json_object(), "not-available", "");
	refused("getSignatures", json_object(), "not-available", "");
	json_decref(ok(&d, "getQuota", json_object()));
	world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
	/* the server has it, this user may not */
	faults("{\"match\":{\"module\":\"mailfilter/v2\",\"count\":1},\"effect\":{\"error\":\"MAIL_FILTER-0027\",\"category\":3}}");
	refused("getRules", json_object(), "not-available", "");
	no_faults();
}
END_TEST

START_TEST(sieve_server_down)
{
	json_t *rule = made("s1", "Before"), *b, *a;

	sieve("{\"user\":\"anton\",\"foreign\":true}");
	refused("getRules", json_object(), "upstream", "");
	refused("setRule", with(of(rule), "active", json_false()), "upstream", "");
	refused("getVacation", json_object(), "upstream", "");
	b = json_object();
	a = call(&d, "getRules", b);
	ck_assert_ptr_nonnull(strstr(str(json_object_get(a, "error"), "message"), "cannot be reached"));
	json_decref(a);
	json_decref(b);
	json_decref(ok(&d, "getSignatures", json_object()));
	sieve("{\"user\":\"anton\",\"foreign\":false}");
	ck_assert_uint_eq(n_rules(), 1);
	json_decref(rule);
}
END_TEST

/* ---- rules at work ---- */

static void
send_mail(const struct dev *from, const char *id, const char *to, const char *subject)
{
	json_t *b = json_pack("{s:s}", "clientId", id);
	char raw[400];
	struct buf text;

	(void)snprintf(raw, sizeof(raw), "From: berta@example.com\r\nTo: %s\r\nSubject: %s\r\n\r\nbody\r\n", to, subject);
	buf_init(&text, 0);
	base64_encode(&text, raw, strlen(raw));
	(void)json_object_set_new(b, "raw", json_string(text.p));
	buf_fini(&text);
	json_decref(good(from, "sendMail", b));
	json_decref(b);
}

START_TEST(rule_files_mail)
{
	struct dev berta, waiting;
	char into[40];
	json_t *a, *b, *changed;

	open_folder(&d, NULL);
	a = update(&d, request(&d, one(json_pack("{s:s,s:s,s:s,s:O}", "clientId", "filed", "title", "Filed", "module", "mail", "parent", json_object_get(d.defaults, "inbox"))), NULL, NULL));
	(void)snprintf(into, sizeof(into), "%s", str(result(a, 0), "uuid"));
	ck_assert_uint_eq(strlen(into), 36);
	json_decref(a);
	a = ok(&d, "setRule", json_pack("{s:s,s:s,s:o,s:[{s:s,s:s}],s:b}", "clientId", "f1", "name", "File", "test", parse(SUBJECT), "actions", "id", "move", "folder", into, "stop", 1));
	ck_assert(json_is_true(json_object_get(json_object_get(a, "rule"), "stop")));
	ck_assert_str_eq(str(json_array_get(json_object_get(json_object_get(a, "rule"), "actions"), 0), "folder"), into);
	ck_assert_str_eq(str(json_array_get(json_object_get(json_object_get(a, "rule"), "actions"), 0), "into"), "default0/INBOX/Filed");
	json_decref(a);
	/* another device of his waits for that folder, and wakes when a mail comes there */
	login(&waiting, "anton", "rules-2");
	open_folder(&waiting, NULL);
	open_folder(&waiting, into);
	ck_assert_uint_eq(json_object_size(waiting.have), 0);
	login(&berta, "berta", "sender");
	send_mail(&berta, "m1", "anton@example.com", "news [list] today");
	send_mail(&berta, "m2", "anton@example.com", "other");
	b = json_pack("{s:[{s:s,s:s}],s:i}", "folders", "folder", into, "syncid", waiting.syncid, "heartbeat", 20);
	a = good(&waiting, "ping", b);
	changed = json_object_get(a, "changed");
	ck_assert_uint_eq(json_array_size(changed), 1);
	json_decref(a);
	json_decref(b);
	ck_assert_uint_ge(pull(&waiting), 1);
	ck_assert_ptr_nonnull(find(&waiting, "subject", "news [list] today", NULL));
	ck_assert_ptr_null(find(&waiting, "subject", "other", NULL));
}
END_TEST

/* ---- absence ---- */

static json_t *
vacation(void)
{
	return ok(&d, "getVacation", json_object());
}

START_TEST(absence)
{
	struct dev berta;
	json_t *v = vacation(), *a;
	const long long from = 20780 * DAY, to = 20790 * DAY;

	ck_assert(json_is_false(json_object_get(v, "exists")));
	json_decref(v);
	refused("setVacation", json_pack("{s:b}", "active", 1), "bad-request", "text");
	refused("setVacation", json_pack("{s:s,s:i,s:i}", "text", "x", "from", 2, "to", 1), "bad-request", "from");
	refused("setVacation", json_pack("{s:s,s:I,s:I}", "text", "x", "from", (json_int_t)to, "to", (json_int_t)from), "bad-request", "to");
	refused("setVacation", json_pack("{s:s,s:[s]}", "text", "x", "addresses", "nomail"), "bad-request", "addresses[0]");
	a = ok(&d, "setVacation", json_pack("{s:b,s:s,s:s,s:i,s:[s,s]}", "active", 1, "text", "Bin weg.\nGr\xc3\xbc\xc3\x9f" "e", "subject", "Weg", "days", 3, "addresses",
	    "anton@example.com", "a2@example.com"));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert(json_is_true(json_object_get(a, "active")));
	ck_assert_int_eq(json_integer_value(json_object_get(a, "days")), 3);
	ck_assert_str_eq(str(a, "subject"), "Weg");
	json_decref(a);
	/* it answers */
	login(&berta, "berta", "sender");
	send_mail(&berta, "v1", "anton@example.com", "hello");
	send_mail(&berta, "v2", "anton@example.com", "hello again");
	ck_assert_uint_eq(ox_rows("berta", "mail", "default0/INBOX", "600,607", "Weg", NULL, 0), 1);
	/* off, and on: the text stays */
	json_decref(ok(&d, "setVacation", json_pack("{s:b}", "active", 0)));
	v = vacation();
	ck_assert(json_is_false(json_object_get(v, "active")));
	ck_assert_str_eq(str(v, "text"), "Bin weg.\nGr\xc3\xbc\xc3\x9f" "e");
	json_decref(v);
	/* a period */
	a = ok(&d, "setVacation", json_pack("{s:b,s:I,s:I,s:s}", "active", 1, "from", (json_int_t)from, "to", (json_int_t)to, "zone", "+0100"));
	ck_assert_int_eq(json_integer_value(json_object_get(a, "from")), from);
	ck_assert_int_eq(json_integer_value(json_object_get(a, "to")), to);
	ck_assert_str_eq(str(a, "zone"), "+0100");
	ck_assert(json_is_false(json_object_get(a, "other")));
	json_decref(a);
	/* one bound goes, the other and its zone stay */
	a = ok(&d, "setVacation", json_pack("{s:n}", "from"));
	ck_assert_ptr_null(json_object_get(a, "from"));
	ck_assert_int_eq(json_integer_value(json_object_get(a, "to")), to);
	ck_assert_str_eq(str(a, "zone"), "+0100");
	json_decref(a);
	a = ok(&d, "setVacation", json_pack("{s:n,s:[],s:s}", "to", "addresses", "subject", ""));
	ck_assert_ptr_null(json_object_get(a, "to"));
	ck_assert_ptr_null(json_object_get(a, "subject"));
	ck_assert_uint_eq(json_array_size(json_object_get(a, "addresses")), 0);
	ck_assert_ptr_nonnull(strstr(str(a, "text"), "Bin weg."));
	json_decref(a);
}
END_TEST

START_TEST(absence_keeps_the_rest)
{
	json_t *v, *a, *now, *rule;

	sieve("{\"user\":\"anton\",\"rules\":[{\"id\":2,\"rulename\":\"Urlaub\",\"active\":true,\"flags\":[\"vacation\",\"odd\"],\"test\":{\"id\":\"allof\",\"tests\":["
	    "{\"id\":\"header\",\"comparison\":\"contains\",\"headers\":[\"To\"],\"values\":[\"anton\"]},"
	    "{\"id\":\"currentdate\",\"comparison\":\"ge\",\"datepart\":\"date\",\"datevalue\":[1796083200000],\"zone\":\"+0100\"}]},"
	    "\"actioncmds\":[{\"id\":\"vacation\",\"days\":\"5\",\"text\":\"T\",\"from\":\"anton@example.com\",\"odd\":1},{\"id\":\"move\",\"into\":\"default0/Trash\"}]}]}");
	v = vacation();
	ck_assert(json_is_true(json_object_get(v, "other")));
	ck_assert_int_eq(json_integer_value(json_object_get(v, "from")), 1796083200000);
	a = ok(&d, "setVacation", json_pack("{s:s,s:s,s:I}", "rev", str(v, "rev"), "text", "New", "to", (json_int_t)1796169600000));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	json_decref(a);
	now = at_ox("anton");
	rule = json_array_get(now, 0);
	ck_assert(same(rule, "flags", "[\"vacation\",\"odd\"]"));
	ck_assert_str_eq(str(rule, "rulename"), "Urlaub");
	ck_assert(same(rule, "actioncmds", "[{\"id\":\"vacation\",\"days\":\"5\",\"text\":\"New\",\"from\":\"anton@example.com\",\"odd\":1},{\"id\":\"move\",\"into\":\"default0/Trash\"}]"));
	ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(rule, "test"), "tests")), 3);
	json_decref(now);
	/* the rev of before is outdated; what it would do is done already: no conflict; something else is one */
	a = ok(&d, "setVacation", json_pack("{s:s,s:s}", "rev", str(v, "rev"), "text", "New"));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	json_decref(a);
	a = ok(&d, "setVacation", json_pack("{s:s,s:s}", "rev", str(v, "rev"), "text", "Newer"));
	ck_assert(json_is_false(json_object_get(a, "applied")));
	ck_assert_str_eq(str(a, "text"), "New");
	json_decref(a);
	json_decref(v);
}
END_TEST

START_TEST(absence_lost_answer)
{
	json_t *b = json_pack("{s:s,s:b}", "text", "away", "active", 1);

	faults("{\"match\":{\"module\":\"mailfilter/v2\",\"action\":\"new\"},\"effect\":{\"drop_after\":true}}");
	ck_assert_str_eq(bad(&d, "setVacation", b, NULL), "upstream-timeout");
	json_decref(good(&d, "setVacation", b));
	ck_assert_uint_eq(n_rules(), 1);
	json_decref(b);
}
END_TEST

/* ---- signatures ---- */

static json_t *
signatures(void)
{
	json_t *a = ok(&d, "getSignatures", json_object()), *list = json_incref(json_object_get(a, "signatures"));

	json_decref(a);
	return list;
}

static json_t *
signature_made(const char *client_id, int html, const char *content)
{
	json_t *a = ok(&d, "setSignature", json_pack("{s:s,s:s,s:b,s:s,s:s}", "clientId", client_id, "name", "Work", "html", html, "content", content, "insertion", "below")),
	       *sig = json_incref(json_object_get(a, "signature"));

	ck_assert(json_is_true(json_object_get(a, "applied")));
	json_decref(a);
	return sig;
}

START_TEST(signature_round)
{
	json_t *sig = signature_made("g1", 0, "-- \nAnton"), *html = signature_made("g2", 1, "<p>Anton</p>"), *a, *list, *x;

	ck_assert_str_eq(str(sig, "content"), "-- \nAnton");
	ck_assert(json_is_true(json_object_get(html, "html")));
	a = ok(&d, "setSignature", with(with(of(sig), "default", json_true()), "content", json_string("-- \nA.")));
	x = json_object_get(a, "signature");
	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert(json_is_true(json_object_get(x, "default")));
	ck_assert(json_is_false(json_object_get(x, "defaultReply")));
	ck_assert_str_eq(str(x, "content"), "-- \nA.");
	ck_assert_str_eq(str(x, "insertion"), "below");
	/* an outdated rev changes nothing; a repetition is no conflict */
	list = ok(&d, "setSignature", with(of(sig), "name", json_string("Other")));
	ck_assert(json_is_false(json_object_get(list, "applied")));
	json_decref(list);
	list = ok(&d, "setSignature", with(with(of(sig), "default", json_true()), "content", json_string("-- \nA.")));
	ck_assert(json_is_true(json_object_get(list, "applied")));
	json_decref(list);
	json_decref(sig);
	sig = json_incref(x);
	json_decref(a);
	/* gone: no setting names it any more */
	a = ok(&d, "deleteSignature", of(sig));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	json_decref(a);
	a = ox_as("anton", "jslob", "list", json_object(), json_pack("[s]", "io.ox/mail"));
	ck_assert_str_eq(str(json_object_get(json_array_get(a, 0), "tree"), "defaultSignature"), "");
	json_decref(a);
	list = signatures();
	ck_assert_uint_eq(json_array_size(list), 1);
	json_decref(list);
	json_decref(ok(&d, "deleteSignature", of(sig)));
	refused("setSignature", with(of(sig), "name", json_string("x")), "not-found", "id");
	refused("setSignature", json_pack("{s:s,s:s}", "clientId", "g9", "name", "x"), "bad-request", "content");
	refused("setSignature", json_pack("{s:s,s:s,s:s,s:s}", "clientId", "g9", "name", "x", "content", "", "insertion", "aside"), "bad-request", "insertion");
	json_decref(sig);
	json_decref(html);
}
END_TEST

START_TEST(signature_once)
{
	json_t *b = json_pack("{s:s,s:s,s:s}", "clientId", "once", "name", "Once", "content", "x"), *a, *list;

	/* OX did it, its answer was lost: that is found out at once */
	faults("{\"match\":{\"module\":\"snippet\",\"action\":\"new\"},\"effect\":{\"drop_after\":true}}");
	a = good(&d, "setSignature", b);
	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert_str_eq(str(json_object_get(a, "signature"), "name"), "Once");
	json_decref(a);
	json_decref(good(&d, "setSignature", b));
	list = signatures();
	ck_assert_uint_eq(json_array_size(list), 1);
	json_decref(list);
	/* OX did not do it (yet) */
	(void)json_object_set_new(b, "clientId", json_string("not-yet"));
	faults("{\"match\":{\"module\":\"snippet\",\"action\":\"new\"},\"effect\":{\"drop_before\":true}}");
	ck_assert_str_eq(bad(&d, "setSignature", b, NULL), "upstream-timeout");
	no_faults();
	json_decref(good(&d, "setSignature", b));
	list = signatures();
	ck_assert_uint_eq(json_array_size(list), 2);
	json_decref(list);
	json_decref(b);
}
END_TEST

/* What OX carries out of a create after it was repeated: the same signature once more. */
static void
ox_twin(const char *id)
{
	json_t *all = ox_as("anton", "snippet", "all", json_object(), NULL), *v, *twin = NULL;
	size_t i;

	json_array_foreach(all, i, v)
		if (strcmp(str(v, "id"), id) == 0)
			twin = json_deep_copy(v);
	ck_assert_ptr_nonnull(twin);
	(void)json_object_del(twin, "id");
	json_decref(ox_as("anton", "snippet", "new", json_object(), twin));
	json_decref(all);
}

static size_t
n_signatures_at_ox(void)
{
	json_t *all = ox_as("anton", "snippet", "all", json_object(), NULL);
	size_t n = json_array_size(all);

	json_decref(all);
	return n;
}

/* It goes by whatever looks next, a reader or a writer; one that a person has changed stays, and so does the one that is the default. */
START_TEST(late_twin_of_a_signature)
{
	json_t *sig = signature_made("t1", 0, "x"), *list, *a;

	ox_twin(str(sig, "id"));
	ck_assert_uint_eq(n_signatures_at_ox(), 2);
	list = signatures();
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_eq(str(json_array_get(list, 0), "id"), str(sig, "id"));
	ck_assert_uint_eq(n_signatures_at_ox(), 1);
	json_decref(list);
	ox_twin(str(sig, "id"));
	a = ok(&d, "setSignature", with(of(sig), "name", json_string("Home")));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	ck_assert_uint_eq(n_signatures_at_ox(), 1);
	/* the web client was told to use the twin */
	ox_twin(str(sig, "id"));
	json_decref(ox_as("anton", "jslob", "update", json_pack("{s:s}", "id", "io.ox/mail"), json_pack("{s:s}", "defaultSignature", "2")));
	list = signatures();
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_str_eq(str(json_array_get(list, 0), "id"), "2");
	ck_assert(json_is_true(json_object_get(json_array_get(list, 0), "default")));
	ck_assert_str_eq(str(json_array_get(list, 0), "name"), "Home");
	json_decref(list);
	/* another text: both are meant */
	ox_twin("2");
	json_decref(ox_as("anton", "snippet", "update", json_pack("{s:s}", "id", "3"), json_pack("{s:s}", "content", "y")));
	list = signatures();
	ck_assert_uint_eq(json_array_size(list), 2);
	json_decref(list);
	json_decref(sig);
	json_decref(a);
}
END_TEST

/* What OX keeps of a picture outside the text comes with it; what another client keeps in the signature stays. */
START_TEST(signature_of_ox)
{
	json_t *list, *sig, *a, *x;

	json_decref(ox_as("anton", "snippet", "new", json_object(), json_pack("{s:s,s:s,s:s,s:s,s:{s:s,s:s,s:{s:i}}}", "type", "signature", "module", "io.ox/mail", "displayname", "Web",
	    "content", "<p><img src=\"/ajax/image/snippet/image?id=1&amp;uid=abc\" id=\"abc\">Hi</p>", "misc", "content-type", "text/html", "insertion", "above", "theirs", "k", 1)));
	list = signatures();
	sig = json_array_get(list, 0);
	ck_assert_ptr_nonnull(strstr(str(sig, "content"), "<img src=\"data:image/gif;base64,R0lGODlh"));
	ck_assert_ptr_null(strstr(str(sig, "content"), "/ajax/"));
	a = ok(&d, "setSignature", with(of(sig), "insertion", json_string("below")));
	ck_assert(json_is_true(json_object_get(a, "applied")));
	json_decref(a);
	a = ox_as("anton", "snippet", "all", json_object(), NULL);
	x = json_object_get(json_array_get(a, 0), "misc");
	ck_assert(same(x, "theirs", "{\"k\":1}"));
	ck_assert_str_eq(str(x, "content-type"), "text/html");
	ck_assert_str_eq(str(x, "insertion"), "below");
	ck_assert_ptr_nonnull(strstr(str(json_array_get(a, 0), "content"), "/ajax/image/snippet/image?id=1"));
	json_decref(a);
	json_decref(list);
}
END_TEST

/* Newer web clients name a default for each address of the user. */
START_TEST(default_by_address)
{
	json_t *sig = signature_made("a1", 0, "x"), *a;

	json_decref(ox_as("anton", "jslob", "update", json_pack("{s:s}", "id", "io.ox/mail"), json_pack("{s:s,s:{s:s,s:s}}", "defaultSendAddress", "anton@example.com", "defaultSignature",
	    "anton@example.com", "77", "a2@example.com", "78")));
	a = ok(&d, "setSignature", with(of(sig), "default", json_true()));
	ck_assert(json_is_true(json_object_get(json_object_get(a, "signature"), "default")));
	json_decref(a);
	a = ox_as("anton", "jslob", "list", json_object(), json_pack("[s]", "io.ox/mail"));
	ck_assert_str_eq(str(json_object_get(json_object_get(json_array_get(a, 0), "tree"), "defaultSignature"), "a2@example.com"), "78");
	ck_assert_str_eq(str(json_object_get(json_object_get(json_array_get(a, 0), "tree"), "defaultSignature"), "anton@example.com"), str(sig, "id"));
	json_decref(a);
	json_decref(sig);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rules");
	TCase *t = tcase_create("rules");

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, announced);
	tcase_add_test(t, made_changed_deleted);
	tcase_add_test(t, ordered);
	tcase_add_test(t, broken);
	tcase_add_test(t, words);
	tcase_add_test(t, lost_answer_makes_one_rule);
	tcase_add_test(t, late_twin);
	tcase_add_test(t, changed_meanwhile);
	tcase_add_test(t, unknown_parts_stay);
	tcase_add_test(t, unreadable_script);
	tcase_add_test(t, not_available);
	tcase_add_test(t, sieve_server_down);
	tcase_add_test(t, rule_files_mail);
	tcase_add_test(t, absence);
	tcase_add_test(t, absence_keeps_the_rest);
	tcase_add_test(t, absence_lost_answer);
	tcase_add_test(t, signature_round);
	tcase_add_test(t, signature_once);
	tcase_add_test(t, late_twin_of_a_signature);
	tcase_add_test(t, signature_of_ox);
	tcase_add_test(t, default_by_address);
	suite_add_tcase(s, t);
	return harness_main(s);
}
