/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The user's own data and his password through real HTTP, at two nodes where that matters. */
#include "wire.h"
#include "nodes.h"

#define NEW_PASSWORD "Tr0ub4dor-9"
#define MS 1000 /* us */

/* nobody polls OX: what is heard was told */
static const char *const settings[] = { "ping_poll_interval = 0", "heartbeat_min = 1s", "login_attempts = 3", NULL };
static const char *const impatient[] = { "ox_timeout = 1s", NULL };
static struct node first, two;

static void
world_up(void)
{
	world_begin(&w, NULL, NULL);
}

static void
impatient_up(void)
{
	world_begin(&w, NULL, impatient);
}

static void
nodes_up(void)
{
	redis_up();
	world_begin(&w, NULL, settings);
	first = first_node();
	node_start(&two);
}

/* The first node asks OX all the time, the second one once an hour. */
static void
unlike_up(void)
{
	static const char *const often[] = { "ping_poll_interval = 300ms", "ping_poll_max = 300ms", NULL };
	char path[200], text[8192], *at;
	size_t len;
	FILE *f;

	redis_up();
	world_begin(&w, NULL, often);
	first = first_node();
	(void)snprintf(path, sizeof(path), "%s/usmd.conf", w.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[len] = '\0';
	while ((at = strstr(text, "= 300ms")) != NULL)
		(void)memcpy(at, "= 29m  ", 7);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	node_start(&two);
}

static void
nodes_down(void)
{
	ck_assert_int_eq(node_end(&two, SIGTERM), 0);
	world_down();
	redis_down();
}

static void
at(const struct node *n)
{
	(void)snprintf(w.server, sizeof(w.server), "%s", n->server);
}

static json_t *
ask(const struct dev *d, const char *command, json_t *body)
{
	json_t *data = good(d, command, body);

	json_decref(body);
	return data;
}

/* The error of COMMAND, whose BODY is stolen, as "code path". */
static const char *
refused(const struct dev *d, const char *command, json_t *body)
{
	static char text[200];
	char path[80];
	const char *code = bad(d, command, body, path);

	(void)snprintf(text, sizeof(text), "%s %s", code, path);
	json_decref(body);
	return text;
}

static json_t *
passwords(const char *was, const char *is)
{
	return json_pack("{s:s,s:s}", "oldPassword", was, "newPassword", is);
}

static const char *
try_login(const char *user, const char *password, const char *device)
{
	static char code[80];
	struct dev nobody = { .k = 0 };
	json_t *body = json_pack("{s:s,s:s,s:s,s:i}", "user", user, "password", password, "device", device, "protocol", 1), *root = call(&nobody, "login", body);

	(void)snprintf(code, sizeof(code), "%s", json_object_get(root, "error") != NULL ? str(json_object_get(root, "error"), "code") : "ok");
	json_decref(root);
	json_decref(body);
	return code;
}

/* ---- quota ---- */

static json_t *
quota_of(const struct dev *d)
{
	return ask(d, "getQuota", json_object());
}

START_TEST(quota_as_ox_counts)
{
	struct dev d;
	json_t *q, *more;

	login(&d, "anton", "own-1");
	q = quota_of(&d);
	ck_assert(json_is_null(json_object_get(json_object_get(q, "mail"), "limit"))); /* -1 KiB at OX */
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(q, "files"), "limit")), 1073741824);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(q, "contact"), "limit")), 250000);
	json_decref(ox_as("anton", "contacts", "new", json_object(), json_pack("{s:s,s:s}", "folder_id", "32", "last_name", "One more")));
	more = quota_of(&d);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(more, "contact"), "used")),
	    json_integer_value(json_object_get(json_object_get(q, "contact"), "used")) + 1);
	json_decref(q);
	json_decref(more);
}
END_TEST

/* ---- own data ---- */

static bool
has_feature(const json_t *profile, const char *word)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(profile, "features"), i, v)
		if (strcmp(json_string_value(v), word) == 0)
			return true;
	return false;
}

START_TEST(own_entry_read_and_edited)
{
	struct dev d;
	json_t *p, *q, *was;

	login(&d, "anton", "own-2");
	p = ask(&d, "getProfile", json_object());
	ck_assert_str_eq(str(json_object_get(p, "contact"), "first_name"), "Anton");
	ck_assert_str_eq(str(json_object_get(p, "user"), "login"), "anton");
	ck_assert_str_eq(str(json_object_get(p, "identities"), "address"), "anton@example.com");
	ck_assert_str_eq(str(json_object_get(p, "groupware"), "version"), "8.19.0");
	ck_assert(has_feature(p, "password") && has_feature(p, "contacts") && !has_feature(p, "nothing"));
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(p, "password"), "minLength")), 8); /* ours is more than the 4 of OX */
	/* business, private, additional; and one that is cleared */
	q = ask(&d, "setProfile", json_pack("{s:s,s:{s:s,s:s,s:s,s:I,s:n}}", "rev", str(p, "rev"), "contact", "telephone_business1", "+49 1", "street_home", "Way 1",
	    "userfield01", "extra", "birthday", (json_int_t)86400000, "note"));
	ck_assert(json_is_true(json_object_get(q, "applied")));
	ck_assert_str_eq(str(json_object_get(q, "contact"), "street_home"), "Way 1");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(q, "contact"), "birthday")), 86400000);
	ck_assert_str_ne(str(p, "rev"), str(q, "rev"));
	/* everybody sees it */
	was = ox_as("berta", "user", "get", json_pack("{s:s}", "id", "3"), NULL);
	ck_assert_str_eq(str(was, "userfield01"), "extra");
	json_decref(was);
	/* the same request again, as after a lost answer: it is so already */
	was = ask(&d, "setProfile", json_pack("{s:s,s:{s:s}}", "rev", str(p, "rev"), "contact", "street_home", "Way 1"));
	ck_assert(json_is_true(json_object_get(was, "applied")));
	json_decref(was);
	/* somebody was faster */
	json_decref(ox_as("anton", "user", "update", json_pack("{s:s,s:s}", "id", "3", "timestamp", "9007199254740992"), json_pack("{s:s}", "note", "elsewhere")));
	was = ask(&d, "setProfile", json_pack("{s:s,s:{s:s}}", "rev", str(q, "rev"), "contact", "note", "mine"));
	ck_assert(json_is_false(json_object_get(was, "applied")));
	ck_assert_str_eq(str(json_object_get(was, "contact"), "note"), "elsewhere");
	json_decref(was);
	json_decref(p);
	json_decref(q);
}
END_TEST

START_TEST(own_entry_refusals)
{
	struct dev d;
	json_t *p, *root, *body, *details, *q;
	char longer[400];

	login(&d, "berta", "own-3");
	p = ask(&d, "getProfile", json_object());
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	body = json_pack("{s:s,s:{s:s,s:s}}", "rev", str(p, "rev"), "contact", "nickname", "B", "suffix", longer);
	root = call(&d, "setProfile", body);
	details = json_object_get(json_object_get(root, "error"), "details");
	ck_assert_str_eq(str(details, "field"), "suffix");
	ck_assert_int_eq(json_integer_value(json_object_get(details, "maxLength")), 64);
	json_decref(root);
	json_decref(body);
	/* the first address is the administrator's: OX says no */
	ck_assert_str_eq(refused(&d, "setProfile", json_pack("{s:s,s:{s:s}}", "rev", str(p, "rev"), "contact", "email1", "other@example.com")), "forbidden contact.email1");
	q = ask(&d, "getProfile", json_object());
	ck_assert_str_eq(str(p, "rev"), str(q, "rev")); /* nothing of all this was set */
	json_decref(p);
	json_decref(q);
}
END_TEST

/* A device that waits for the global address book hears of it. */
START_TEST(the_address_book_is_told)
{
	struct dev d, other;
	struct waiting x;
	json_t *p, *folders;
	const char *uuid, *book = NULL;
	json_t *v;
	int64_t t;

	at(&first);
	login(&d, "caesar", "gab-1");
	login(&other, "berta", "gab-2");
	open_folder(&other, NULL);
	json_object_foreach(other.have, uuid, v)
		if (strcmp(str(v, "module"), "contacts") == 0 && strcmp(str(v, "title"), "All Users") == 0)
			book = uuid;
	ck_assert_ptr_nonnull(book);
	folders = json_string(book);
	open_folder(&other, json_string_value(folders));
	wait_begin(&x, first.server, &other, 60);
	node_await(&first, "usmd_waiters", 1);
	p = ask(&d, "getProfile", json_object());
	t = now_mono_us();
	json_decref(ask(&d, "setProfile", json_pack("{s:s,s:{s:s}}", "rev", str(p, "rev"), "contact", "note", "told")));
	wait_end(&x);
	ck_assert_msg(x.changed, "%s", x.text);
	(void)printf("own entry to a waiting device: %.1f ms\n", (double)(x.ended_us - t) / MS);
	json_decref(folders);
	json_decref(p);
}
END_TEST

START_TEST(settings_set_at_ox)
{
	static const char change[] = "{\"settings\":{\"language\":\"de_DE\",\"timeZone\":\"America/New_York\",\"senderName\":\"Dora D.\",\"mailDelete\":\"final\",\"mailFormat\":\"html\","
	    "\"forwardAs\":\"attachment\",\"lineWrap\":72,\"quoteText\":false,\"saveSent\":false,\"receiptPrompt\":true}}";
	struct dev d;
	json_t *body = json_loads(change, JSON_REJECT_DUPLICATES, NULL), *p, *q, *v;
	const char *name;

	login(&d, "dora", "own-4");
	p = good(&d, "setProfile", body);
	ck_assert(json_is_true(json_object_get(p, "applied")));
	json_object_foreach(json_object_get(body, "settings"), name, v)
		ck_assert_msg(json_equal(v, json_object_get(json_object_get(p, "settings"), name)), "%s is not set", name);
	q = ox_as("dora", "account", "get", json_pack("{s:s}", "id", "0"), NULL);
	ck_assert_str_eq(str(q, "personal"), "Dora D.");
	json_decref(q);
	/* a name can go again */
	q = ask(&d, "setProfile", json_pack("{s:{s:s}}", "settings", "senderName", ""));
	ck_assert_str_eq(str(json_object_get(q, "settings"), "senderName"), "");
	json_decref(q);
	ck_assert_str_eq(refused(&d, "setProfile", json_pack("{s:{s:s,s:i}}", "settings", "timeZone", "Nowhere/At_all", "lineWrap", 60)), "bad-request settings.timeZone");
	ck_assert_str_eq(refused(&d, "setProfile", json_pack("{s:{s:s}}", "settings", "sendAddress", "anton@example.com")), "bad-request settings.sendAddress");
	ck_assert_str_eq(refused(&d, "setProfile", json_pack("{s:{s:s}}", "settings", "language", "Klingon")), "bad-request settings.language");
	ck_assert_str_eq(refused(&d, "setProfile", json_pack("{s:{s:s}}", "settings", "mailDelete", "later")), "bad-request settings.mailDelete");
	ck_assert_str_eq(refused(&d, "setProfile", json_pack("{s:{s:i}}", "settings", "lineWrap", 5000)), "bad-request settings.lineWrap");
	ck_assert_str_eq(refused(&d, "setProfile", json_pack("{s:{s:i}}", "settings", "quoteText", 1)), "bad-request settings.quoteText");
	json_decref(p);
	json_decref(body);
}
END_TEST

/* ---- password ---- */

START_TEST(weak_passwords)
{
	static const char *const weak[] = { "Ab1-", "abcdefghij", "emil-2026-x", "xEMILx-2026", "secret", "tab\there1" };
	struct dev d;

	login(&d, "emil", "own-5");
	for (size_t i = 0; i < ARRAY_LEN(weak); i++)
		ck_assert_msg(strcmp(refused(&d, "changePassword", passwords("secret", weak[i])), "bad-request newPassword") == 0, "%s is taken", weak[i]);
	/* none of them has reached OX, which would have ended the session of somebody else */
	ck_assert_str_eq(try_login("emil", "secret", "own-5b"), "ok");
}
END_TEST

START_TEST(not_allowed_to_change_it)
{
	struct dev d;
	json_t *p;

	login(&d, "emil", "own-6");
	world_control(&w, "allow", "{\"user\":\"emil\",\"edit_password\":false}", NULL, 0);
	p = ask(&d, "getProfile", json_object());
	ck_assert(!has_feature(p, "password") && has_feature(p, "mail"));
	ck_assert_str_eq(refused(&d, "changePassword", passwords("secret", NEW_PASSWORD)), "not-available ");
	json_decref(ask(&d, "setProfile", json_pack("{s:s,s:{s:s}}", "rev", str(p, "rev"), "contact", "note", "the rest works")));
	world_control(&w, "allow", "{\"user\":\"emil\",\"edit_password\":true}", NULL, 0);
	/* an OX that has no such module at all, nor most others */
	world_control(&w, "modules", "{\"without\":[\"passwordchange\",\"capabilities\",\"jslob\",\"account\"]}", NULL, 0);
	ck_assert_str_eq(refused(&d, "changePassword", passwords("secret", NEW_PASSWORD)), "not-available ");
	json_decref(p);
	p = ask(&d, "getProfile", json_object());
	ck_assert(json_is_null(json_object_get(p, "features")));
	world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
	json_decref(p);
}
END_TEST

/* OX has changed it, and its answer is lost; or it was not reached: the session goes on in both cases. */
START_TEST(ox_does_not_answer)
{
	struct dev d;

	login(&d, "emil", "own-7");
	faults("{\"match\":{\"module\":\"passwordchange\"},\"effect\":{\"drop_after\":true}}");
	json_decref(ask(&d, "changePassword", passwords("secret", NEW_PASSWORD)));
	no_faults();
	json_decref(quota_of(&d));
	ck_assert_str_eq(try_login("emil", "secret", "own-7b"), "login-required");
	ck_assert_str_eq(try_login("emil", NEW_PASSWORD, "own-7b"), "ok");
	faults("{\"match\":{\"module\":\"passwordchange\"},\"effect\":{\"drop_before\":true}}");
	ck_assert_str_eq(refused(&d, "changePassword", passwords(NEW_PASSWORD, "secret-2")), "upstream-timeout ");
	no_faults();
	json_decref(quota_of(&d));
	ck_assert_str_eq(try_login("emil", NEW_PASSWORD, "own-7b"), "ok");
	world_control(&w, "expire", "{}", NULL, 0); /* and OX's own session can be opened anew */
	json_decref(quota_of(&d));
	json_decref(ask(&d, "changePassword", passwords(NEW_PASSWORD, "secret-2")));
	world_control(&w, "password", "{\"user\":\"emil\",\"password\":\"secret\"}", NULL, 0);
}
END_TEST

/* OX goes silent while it works: the answer comes after ox_timeout and its look, and it is carried out late. */
START_TEST(ox_is_late)
{
	struct dev d;
	int64_t t = now_mono_us();

	login(&d, "dora", "own-8");
	faults("{\"match\":{\"module\":\"passwordchange\"},\"effect\":{\"delay_ms\":3000}}");
	ck_assert_str_eq(refused(&d, "changePassword", passwords("secret", NEW_PASSWORD)), "upstream-timeout ");
	ck_assert_int_lt(now_mono_us() - t, 3000 * MS);
	no_faults();
	json_decref(quota_of(&d));
	for (int i = 0; i < 1000 && strcmp(try_login("dora", NEW_PASSWORD, "own-8b"), "ok") != 0; i++)
		sleep_ms(100); /* by then it is */
	ck_assert_str_eq(try_login("dora", NEW_PASSWORD, "own-8b"), "ok");
	json_decref(quota_of(&d)); /* with the password of the other device */
	world_control(&w, "password", "{\"user\":\"dora\",\"password\":\"secret\"}", NULL, 0);
}
END_TEST

static void
wait_all(struct waiting x[], const struct dev d[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		wait_begin(&x[i], i % 2 == 0 ? first.server : two.server, &d[i], 60);
	node_await(&first, "usmd_waiters", (long)(n + 1) / 2);
	node_await(&two, "usmd_waiters", (long)n / 2);
}

/* Devices wait at two nodes, one of them changes the password: the others are told at once, this one goes on everywhere. */
START_TEST(others_have_to_log_in_again)
{
	struct dev d[5];
	struct waiting x[4];
	char name[20];
	json_t *data, *p;
	int64_t t, worst = 0;

	for (size_t i = 0; i < 5; i++) {
		at(i % 2 == 0 ? &first : &two);
		(void)snprintf(name, sizeof(name), "pw-%zu", i);
		login(&d[i], "dora", name);
		open_folder(&d[i], str(d[i].defaults, "contact"));
	}
	/* the device that does it works at the second node, too */
	at(&two);
	json_decref(quota_of(&d[4]));
	wait_all(x, d, 4);
	at(&first);
	t = now_mono_us();
	data = ask(&d[4], "changePassword", passwords("secret", NEW_PASSWORD));
	ck_assert_int_eq(json_integer_value(json_object_get(data, "endedSessions")), 4);
	ck_assert_str_eq(str(data, "strength"), "good");
	for (size_t i = 0; i < 4; i++) {
		(void)pthread_join(x[i].thread, NULL);
		ck_assert_msg(x[i].status == 401, "device %zu: %ld %s", i, x[i].status, x[i].text);
		worst = x[i].ended_us - t > worst ? x[i].ended_us - t : worst;
	}
	(void)printf("password changed: four devices at two nodes told after %.1f ms at most\n", (double)worst / MS);
	ck_assert_int_lt(worst, 2000 * MS);
	for (size_t i = 0; i < 4; i++) {
		at(i % 2 == 0 ? &two : &first);
		ck_assert_str_eq(refused(&d[i], "getQuota", json_object()), "login-required ");
	}
	/* this one goes on, here and there, also when OX drops its sessions */
	for (int i = 0; i < 2; i++) {
		at(&first);
		json_decref(quota_of(&d[4]));
		at(&two);
		json_decref(quota_of(&d[4]));
		world_control(&w, "expire", "{}", NULL, 0);
	}
	ck_assert_str_eq(try_login("dora", "secret", "pw-0"), "login-required");
	ck_assert_str_eq(try_login("dora", NEW_PASSWORD, "pw-0"), "ok");
	p = ask(&d[4], "changePassword", passwords(NEW_PASSWORD, "secret-again-1"));
	ck_assert_int_eq(json_integer_value(json_object_get(p, "endedSessions")), 1);
	world_control(&w, "password", "{\"user\":\"dora\",\"password\":\"secret\"}", NULL, 0);
	json_decref(data);
	json_decref(p);
}
END_TEST

/* Changed at OX itself: the node that notices tells the other, which finds out by its own session at OX. */
START_TEST(changed_at_ox)
{
	struct dev d[4];
	struct waiting x[4];
	char name[20];
	int64_t t;

	for (size_t i = 0; i < 4; i++) {
		at(i % 2 == 0 ? &first : &two);
		(void)snprintf(name, sizeof(name), "ox-%zu", i);
		login(&d[i], "dora", name);
		open_folder(&d[i], str(d[i].defaults, "contact"));
	}
	wait_all(x, d, 4);
	t = now_mono_us();
	world_control(&w, "password", "{\"user\":\"dora\",\"password\":\"another\"}", NULL, 0);
	for (size_t i = 0; i < 4; i++) {
		(void)pthread_join(x[i].thread, NULL);
		ck_assert_msg(x[i].status == 401 && strstr(x[i].text, "login-required") != NULL, "device %zu: %ld %s", i, x[i].status, x[i].text);
		(void)printf("password changed at OX: told at the %s node after %.1f ms\n", i % 2 == 0 ? "same" : "other", (double)(x[i].ended_us - t) / MS);
	}
	ck_assert_int_lt(now_mono_us() - t, 30000 * MS); /* not at the end of the heartbeat, or at the next poll */
	world_control(&w, "password", "{\"user\":\"dora\",\"password\":\"secret\"}", NULL, 0);
}
END_TEST

/* It waits at one node while its user changes the password with it at the other: the wait goes on, and hears what happens. */
START_TEST(the_own_wait_goes_on)
{
	struct dev d;
	struct waiting x;
	json_t *data;

	at(&first);
	login(&d, "caesar", "pw-own");
	open_folder(&d, str(d.defaults, "contact"));
	wait_begin(&x, two.server, &d, 60);
	node_await(&two, "usmd_waiters", 1);
	json_decref(ask(&d, "changePassword", passwords("secret", NEW_PASSWORD)));
	world_control(&w, "expire", "{}", NULL, 0);
	data = update(&d, request(&d, json_pack("[{s:s,s:s}]", "clientId", "c1", "last_name", "Waited for"), NULL, NULL));
	json_decref(data);
	wait_end(&x);
	ck_assert_msg(x.changed, "%s", x.text);
	at(&two);
	json_decref(quota_of(&d));
	world_control(&w, "password", "{\"user\":\"caesar\",\"password\":\"secret\"}", NULL, 0);
}
END_TEST

/* Who has a device in his hand cannot guess the password with it, and its owner's other devices are not harmed by that. */
START_TEST(guesses_are_throttled)
{
	struct dev d;
	char guess[20];

	at(&first);
	login(&d, "emil", "pw-guess");
	for (int i = 0; i < 3; i++) {
		(void)snprintf(guess, sizeof(guess), "guess %d", i);
		ck_assert_str_eq(refused(&d, "changePassword", passwords(guess, NEW_PASSWORD)), "bad-request oldPassword");
	}
	ck_assert_str_eq(refused(&d, "changePassword", passwords("secret", NEW_PASSWORD)), "throttled ");
	json_decref(quota_of(&d));
	at(&two);
	ck_assert_str_eq(try_login("emil", "secret", "pw-guess-2"), "ok");
}
END_TEST

/* ---- rights ---- */

static const char *
folder_titled(const struct dev *d, const char *title)
{
	const char *uuid;
	json_t *v;

	json_object_foreach(d->have, uuid, v)
		if (strcmp(str(v, "title"), title) == 0)
			return uuid;
	return NULL;
}

/* What ANTON gives and takes reaches the hierarchies of those whom it concerns: at the same node, at another one, through a group. */
START_TEST(rights_reach_the_others_at_once)
{
	struct dev owner, reader, member;
	struct waiting x, y;
	json_t *p, *q;
	const char *folder;
	int64_t t;

	at(&first);
	login(&owner, "anton", "r-owner");
	open_folder(&owner, NULL);
	json_decref(ox_as("anton", "folders", "new", json_pack("{s:s}", "folder_id", "1"), json_pack("{s:{s:s,s:s}}", "folder", "title", "To be shared", "module", "contacts")));
	(void)pull(&owner);
	folder = folder_titled(&owner, "To be shared");
	ck_assert_ptr_nonnull(folder);
	login(&reader, "caesar", "r-reader");
	open_folder(&reader, NULL);
	at(&two);
	login(&member, "berta", "r-member");
	open_folder(&member, NULL);
	at(&first);
	p = ask(&owner, "getPermissions", json_pack("{s:s}", "folder", folder));
	wait_begin(&x, first.server, &reader, 60);
	wait_begin(&y, two.server, &member, 60);
	node_await(&first, "usmd_waiters", 1);
	node_await(&two, "usmd_waiters", 1);
	/* the first by himself, the second as a member of the group */
	t = now_mono_us();
	q = ask(&owner, "setPermissions", json_pack("{s:s,s:s,s:[{s:s,s:s},{s:i,s:b,s:s}]}", "folder", folder, "rev", str(p, "rev"), "set", "name", "caesar", "level", "Author",
	    "entity", 8, "group", 1, "level", "Reviewer"));
	wait_end(&x);
	wait_end(&y);
	ck_assert_msg(x.changed && y.changed, "%s / %s", x.text, y.text);
	(void)printf("rights given: heard at the same node after %.1f ms, at the other after %.1f ms\n", (double)(x.ended_us - t) / MS, (double)(y.ended_us - t) / MS);
	(void)pull(&reader);
	at(&two);
	(void)pull(&member);
	ck_assert_ptr_nonnull(folder_titled(&reader, "To be shared"));
	ck_assert_ptr_nonnull(folder_titled(&member, "To be shared"));
	/* taken from both */
	at(&first);
	wait_begin(&x, first.server, &reader, 60);
	wait_begin(&y, two.server, &member, 60);
	node_await(&first, "usmd_waiters", 1);
	node_await(&two, "usmd_waiters", 1);
	t = now_mono_us();
	json_decref(ask(&owner, "setPermissions", json_pack("{s:s,s:s,s:[{s:s},{s:i,s:b}]}", "folder", folder, "rev", str(q, "rev"), "remove", "name", "caesar", "entity", 8, "group", 1)));
	wait_end(&x);
	wait_end(&y);
	ck_assert_msg(x.changed && y.changed, "%s / %s", x.text, y.text);
	(void)printf("rights taken: heard at the same node after %.1f ms, at the other after %.1f ms\n", (double)(x.ended_us - t) / MS, (double)(y.ended_us - t) / MS);
	(void)pull(&reader);
	ck_assert_ptr_null(folder_titled(&reader, "To be shared"));
	json_decref(p);
	json_decref(q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("own");
	TCase *t = tcase_create("own"), *late = tcase_create("late"), *nodes = tcase_create("nodes"), *unlike = tcase_create("unlike");

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_add_test(t, quota_as_ox_counts);
	tcase_add_test(t, own_entry_read_and_edited);
	tcase_add_test(t, own_entry_refusals);
	tcase_add_test(t, settings_set_at_ox);
	tcase_add_test(t, weak_passwords);
	tcase_add_test(t, not_allowed_to_change_it);
	tcase_add_test(t, ox_does_not_answer);
	suite_add_tcase(s, t);
	tcase_set_timeout(late, 120);
	tcase_add_unchecked_fixture(late, impatient_up, world_down);
	tcase_add_checked_fixture(late, NULL, forget_devices);
	tcase_add_test(late, ox_is_late);
	suite_add_tcase(s, late);
	tcase_set_timeout(nodes, 120);
	tcase_add_unchecked_fixture(nodes, nodes_up, nodes_down);
	tcase_add_checked_fixture(nodes, NULL, forget_devices);
	tcase_add_test(nodes, the_address_book_is_told);
	tcase_add_test(nodes, rights_reach_the_others_at_once);
	tcase_add_test(nodes, others_have_to_log_in_again);
	tcase_add_test(nodes, the_own_wait_goes_on);
	tcase_add_test(nodes, guesses_are_throttled); /* the last: the address is throttled, too */
	suite_add_tcase(s, nodes);
	tcase_set_timeout(unlike, 120);
	tcase_add_unchecked_fixture(unlike, unlike_up, nodes_down);
	tcase_add_checked_fixture(unlike, NULL, forget_devices);
	tcase_add_test(unlike, changed_at_ox);
	suite_add_tcase(s, unlike);
	return harness_main(s);
}
