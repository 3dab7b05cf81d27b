/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What two users do with each other, chapter by chapter.  Each has two devices, one at each of two nodes, and OX tells by UDP what has changed.  Who
 * shall see something waits for it in a ping; how long that took is printed, and must be less than LATENCY_US.
 */
#include "wire.h"
#include "nodes.h"
#include "meeting.h"

#define DAY_0 INT64_C(1833580800000) /* 2028-02-08, a Tuesday */
#define BERTA 4
#define NEW_PASSWORD "Tr0ub4dor-9"

/* What OX tells comes at once, what it does not (what a rule files, others' answers) is found by asking each second: ten times that, for a machine
 * that has much to do. */
#define LATENCY_US 10000000

static const char *const settings[] = { "calendar_past = 0", "calendar_future = 0", "mail_past = 0", "heartbeat_min = 1s", "ping_poll_interval = 1s",
	"ping_poll_max = 1s", "login_attempts = 1000", NULL };
static struct node node[2];

static json_int_t
control_int(const char *path, const char *body, const char *member)
{
	static char text[1 << 16];
	json_t *j;
	json_int_t v;

	world_control(&w, path, body, text, sizeof(text));
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(j);
	v = json_is_array(json_object_get(j, member)) ? (json_int_t)json_array_size(json_object_get(j, member)) : json_integer_value(json_object_get(j, member));
	json_decref(j);
	return v;
}

static void
world_up(void)
{
	char path[160];
	FILE *f;

	redis_up();
	world_begin(&w, NULL, settings);
	world_usmd_kill(&w);
	(void)snprintf(path, sizeof(path), "%s/usmd.conf", w.dir);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "udp_listen = 127.0.0.1:0\nudp_nodes = 127.0.0.1:%d\nudp_register_interval = 1s\n",
	    (int)control_int("push", "{\"enabled\":true,\"delay_ms\":0}", "port"));
	ck_assert_int_eq(fclose(f), 0);
	world_usmd_start(&w);
	node[0] = first_node();
	node_start(&node[1]);
	while (control_int("push", "{}", "hosts") < 2)
		sleep_ms(10);
}

static void
world_up_chronos(void)
{
	world_up();
	world_control(&w, "modules", "{\"without\":[\"calendar\"]}", NULL, 0);
}

static void
nodes_down(void)
{
	ck_assert_int_eq(node_end(&node[1], SIGTERM), 0);
	world_down();
	redis_down();
}

/* Also after a chapter that failed. */
static void
begin(void)
{
	no_faults();
	world_control(&w, "clock", "{\"mode\":\"real\"}", NULL, 0);
	world_control(&w, "password", "{\"user\":\"anton\",\"password\":\"secret\"}", NULL, 0);
	world_control(&w, "sieve", "{\"user\":\"anton\",\"rules\":[]}", NULL, 0);
}

/* ---- the cast ---- */

/* A and b, each at the first and at the second node. */
struct cast {
	struct dev a[2], b[2];
};

static struct cast cast;

static void
at(int n)
{
	(void)snprintf(w.server, sizeof(w.server), "%s", node[n].server);
}

/* A folder for A's devices, another for b's: a type, or NULL for the hierarchy. */
static void
enter(const char *chapter, const char *a_type, const char *b_type)
{
	char name[40];

	for (int i = 0; i < 2; i++) {
		at(i);
		(void)snprintf(name, sizeof(name), "%.30s-%d", chapter, i);
		login(&cast.a[i], "anton", name);
		login(&cast.b[i], "berta", name);
		open_folder(&cast.a[i], a_type != NULL ? str(cast.a[i].defaults, a_type) : NULL);
		open_folder(&cast.b[i], b_type != NULL ? str(cast.b[i].defaults, b_type) : NULL);
	}
	at(0);
}

/* A device works with another folder; what it has of the former one is forgotten. */
static void
turn_to(struct dev *d, const char *folder)
{
	char to[40];

	(void)snprintf(to, sizeof(to), "%s", folder != NULL ? folder : "");
	open_folder(d, to[0] != '\0' ? to : NULL);
}

/* ---- who waits, and what he shall see ---- */

/* An object that a device shall have, or not have any more. */
struct want {
	const char *key, *value;                 /* the field that names it; NULL = title */
	bool gone;
	json_int_t day;                          /* the exception of this day; 0 = no exception */
	const char *field;                       /* whose number shall be N; NULL = none */
	json_int_t n;
	int who, confirmation;                   /* the answer of this user; 0 = nobody's */
	const char *message;
};

static const json_t *
wanted(const struct dev *d, const struct want *x)
{
	const char *uuid;
	json_t *v;

	json_object_foreach(d->have, uuid, v)
		if (strcmp(str(v, x->key != NULL ? x->key : "title"), x->value) == 0 && num(v, "recurrence_date_position") == x->day)
			return v;
	return NULL;
}

static bool
has_answer(const json_t *o, const struct want *x)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o, "users"), i, v)
		if (num(v, "id") == x->who)
			return num(v, "confirmation") == x->confirmation && strcmp(str(v, "confirmmessage"), x->message != NULL ? x->message : "") == 0;
	return false;
}

static bool
sees(const struct dev *d, const struct want *x)
{
	const json_t *o = wanted(d, x);

	if (x->gone || o == NULL)
		return x->gone && o == NULL;
	return (x->field == NULL || num(o, x->field) == x->n) && (x->who == 0 || has_answer(o, x));
}

/* Devices that wait: at most all four. */
struct audience {
	size_t n;
	struct dev *d[4];
	int at[4]; /* node */
	struct waiting x[4];
	int64_t since;
};

static void
listens(struct audience *u, struct dev *d, int where)
{
	u->d[u->n] = d;
	u->at[u->n++] = where;
}

/* Everybody waits from now on; what is done next is measured. */
static void
hush(struct audience *u)
{
	long waiters[2] = { 0, 0 };

	for (size_t i = 0; i < u->n; i++) {
		at(u->at[i]);
		(void)pull(u->d[i]);
		wait_begin(&u->x[i], node[u->at[i]].server, u->d[i], 50);
		waiters[u->at[i]]++;
	}
	node_await(&node[0], "usmd_waiters", waiters[0]);
	node_await(&node[1], "usmd_waiters", waiters[1]);
	at(0);
	u->since = now_mono_us();
}

/* Each of them is woken until it sees X. */
static void
hear(struct audience *u, const char *what, const struct want *x)
{
	for (size_t i = 0; i < u->n; i++) {
		int wakes = 0;

		at(u->at[i]);
		for (;;) {
			wait_end(&u->x[i]);
			ck_assert_msg(u->x[i].changed, "%s: %zu of %zu waits for nothing: %s", what, i + 1, u->n, u->x[i].text);
			wakes++;
			(void)pull(u->d[i]);
			if (sees(u->d[i], x)) {
				ck_assert_msg(u->x[i].ended_us - u->since < LATENCY_US, "%s: %zu of %zu hears of it after %lld us", what, i + 1, u->n, (long long)(u->x[i].ended_us - u->since));
				break;
			}
			ck_assert_msg(wakes < 20, "%s: %zu of %zu does not see it", what, i + 1, u->n);
			wait_begin(&u->x[i], node[u->at[i]].server, u->d[i], 50);
		}
		(void)printf("%-44s %zu of %zu, node %d: %7.1f ms%s\n", what, i + 1, u->n, u->at[i] + 1, (double)(u->x[i].ended_us - u->since) / 1000,
		    wakes > 1 ? " (and more)" : "");
	}
	at(0);
}

/* All but A's first device, which acts. */
static struct audience
all_but_a(void)
{
	struct audience u = { .n = 0 };

	listens(&u, &cast.a[1], 1);
	listens(&u, &cast.b[0], 0);
	listens(&u, &cast.b[1], 1);
	return u;
}

static struct audience
all_but_b(void)
{
	struct audience u = { .n = 0 };

	listens(&u, &cast.a[0], 0);
	listens(&u, &cast.a[1], 1);
	listens(&u, &cast.b[1], 1);
	return u;
}

static struct audience
both(struct dev d[2])
{
	struct audience u = { .n = 0 };

	listens(&u, &d[0], 0);
	listens(&u, &d[1], 1);
	return u;
}

/* ---- what they do; requests are stolen ---- */

static json_t *
ask(const struct dev *d, const char *command, json_t *body)
{
	json_t *data = good(d, command, body);

	json_decref(body);
	return data;
}

/* One change, whose result is STATUS; *UUID (may be NULL) of the object. */
static void
change(struct dev *d, const char *list, json_t *what, const char *status, char uuid[40])
{
	json_t *req = request(d, NULL, NULL, NULL), *data;
	char *text;

	(void)json_object_set_new(req, list, one(what));
	data = update(d, json_incref(req));
	text = json_dumps(result(data, 0), JSON_COMPACT);
	ck_assert_msg(strcmp(str(result(data, 0), "status"), status) == 0, "%s is not %s: %s", list, status, text);
	if (uuid != NULL)
		(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	if (strcmp(list, "created") == 0) /* what was taken as it was sent is not sent back */
		(void)json_object_update_missing(json_object_get(d->have, str(result(data, 0), "uuid")), json_array_get(json_object_get(req, list), 0));
	json_decref(req);
	free(text);
	json_decref(data);
}

/* When b is busy on the days from DAY, as A sees it: in hours since DAY, "9-10 12-13". */
static const char *
busy(msec_t day, int days)
{
	static char text[200];
	json_t *data = ask(&cast.a[0], "getFreeBusy", json_pack("{s:[{s:s}],s:I,s:I}", "who", "mail", "berta@example.com", "from", (json_int_t)day, "to",
	    (json_int_t)(day + days * DAY)));
	const json_t *x;
	size_t i, n = 0;

	text[0] = '\0';
	json_array_foreach(json_object_get(json_array_get(json_object_get(data, "attendees"), 0), "busy"), i, x)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%g-%g", i > 0 ? " " : "", (double)(num(x, "start") - day) / (double)HOUR, (double)(num(x, "end") - day) / (double)HOUR);
	json_decref(data);
	return text;
}

/* A series of three days at ten, which b is invited to and everybody has. */
static void
meet(const char *title, msec_t day, char uuid[40])
{
	struct audience u = all_but_a();

	hush(&u);
	change(&cast.a[0], "created", with(daily(event("e1", title, day + 10 * HOUR), 3), "participants", one(user(BERTA))), "ok", uuid);
	hear(&u, "invited", &(struct want){ .value = title, .field = "start_date", .n = day + 10 * HOUR, .who = BERTA });
}

static const char *
hers(const char *title)
{
	return str(wanted(&cast.b[0], &(struct want){ .value = title }), "uuid");
}

static void
answer(const char *title, const char *response, const char *message, json_int_t occurrence)
{
	json_t *b = json_pack("{s:s,s:s,s:s,s:s}", "folder", cast.b[0].folder, "uuid", hers(title), "response", response, "message", message);

	if (occurrence >= 0)
		(void)json_object_set_new(b, "occurrence", json_integer(occurrence));
	json_decref(ask(&cast.b[0], "respondToInvitation", b));
	(void)pull(&cast.b[0]);
}

/* ---- a meeting ---- */

START_TEST(free_time_is_seen_and_used)
{
	msec_t day = DAY_0;
	json_int_t before;
	char uuid[40];

	enter("free", "appointment", "appointment");
	change(&cast.b[1], "created", event("e1", "Dentist", day + 9 * HOUR), "ok", NULL);
	ck_assert_str_eq(busy(day, 3), "9-10");
	before = counted("mail/invitation");
	meet("Plan", day, uuid);
	ck_assert_int_eq(counted("mail/invitation") - before, 1);
	ck_assert_str_eq(busy(day, 3), "9-11 34-35 58-59");
	/* to the one that is invited it is the same meeting, not another one of his */
	ck_assert_str_eq(str(wanted(&cast.b[0], &(struct want){ .value = "Plan" }), "uid"), str(wanted(&cast.a[1], &(struct want){ .value = "Plan" }), "uid"));
	ck_assert_str_ne(str(wanted(&cast.b[0], &(struct want){ .value = "Plan" }), "uid"), "");
}
END_TEST

START_TEST(accepted_with_a_message)
{
	struct audience u;
	json_int_t before;
	char uuid[40];

	enter("accept", "appointment", "appointment");
	meet("Accepted", DAY_0 + 10 * DAY, uuid);
	before = counted("mail/reply");
	u = all_but_b();
	hush(&u);
	answer("Accepted", "accept", "gladly", -1);
	hear(&u, "accepted", &(struct want){ .value = "Accepted", .who = BERTA, .confirmation = 1, .message = "gladly" });
	ck_assert(sees(&cast.b[0], &(struct want){ .value = "Accepted", .who = BERTA, .confirmation = 1, .message = "gladly" }));
	ck_assert_int_eq(counted("mail/reply") - before, 1);
}
END_TEST

START_TEST(series_is_moved)
{
	msec_t day = DAY_0 + 20 * DAY;
	struct audience u;
	char uuid[40];

	enter("move", "appointment", "appointment");
	meet("Moved", day, uuid);
	answer("Moved", "accept", "", -1);
	(void)pull(&cast.a[0]);
	u = all_but_a();
	hush(&u);
	change(&cast.a[0], "modified", json_pack("{s:s,s:I,s:I}", "uuid", uuid, "start_date", (json_int_t)(day + 14 * HOUR), "end_date", (json_int_t)(day + 15 * HOUR)), "ok", NULL);
	hear(&u, "moved by four hours", &(struct want){ .value = "Moved", .field = "start_date", .n = day + 14 * HOUR });
	ck_assert_str_eq(busy(day, 3), "14-15 38-39 62-63");
}
END_TEST

START_TEST(one_occurrence_is_declined)
{
	msec_t day = DAY_0 + 30 * DAY;
	struct want second = { .value = "Declined", .day = day + DAY, .who = BERTA, .confirmation = 2, .message = "not then" };
	struct audience u;
	char uuid[40];

	enter("decline", "appointment", "appointment");
	meet("Declined", day, uuid);
	answer("Declined", "accept", "", -1);
	u = all_but_b();
	hush(&u);
	answer("Declined", "decline", "not then", day + DAY);
	hear(&u, "one day declined", &second);
	for (int i = 0; i < 2; i++) { /* the others stand */
		ck_assert(sees(&cast.a[i], &(struct want){ .value = "Declined", .who = BERTA, .confirmation = 1 }));
		ck_assert(sees(&cast.b[i], &(struct want){ .value = "Declined", .who = BERTA, .confirmation = 1 }));
	}
	ck_assert(sees(&cast.b[0], &second));
	ck_assert_str_eq(busy(day, 3), "10-11 58-59");
}
END_TEST

START_TEST(cancelled)
{
	msec_t day = DAY_0 + 40 * DAY;
	struct audience u;
	char uuid[40];

	enter("cancel", "appointment", "appointment");
	meet("Cancelled", day, uuid);
	answer("Cancelled", "decline", "", day + 2 * DAY); /* with an exception */
	(void)pull(&cast.a[0]);
	u = all_but_a();
	hush(&u);
	change(&cast.a[0], "deleted", json_pack("{s:s}", "uuid", uuid), "gone", NULL);
	hear(&u, "cancelled", &(struct want){ .value = "Cancelled", .gone = true });
	for (int i = 0; i < 2; i++) {
		at(i);
		(void)pull(&cast.a[i]);
		(void)pull(&cast.b[i]);
		ck_assert(sees(&cast.a[i], &(struct want){ .value = "Cancelled", .day = day + 2 * DAY, .gone = true }));
		ck_assert(sees(&cast.b[i], &(struct want){ .value = "Cancelled", .day = day + 2 * DAY, .gone = true }));
	}
	at(0);
	ck_assert_str_eq(busy(day, 3), "");
}
END_TEST

/* ---- a task ---- */

START_TEST(task_is_delegated_and_refused)
{
	struct audience u;
	json_int_t invitations, replies;

	enter("task", "task", "task");
	u = all_but_a();
	invitations = counted("mail/invitation");
	replies = counted("mail/reply");
	hush(&u);
	change(&cast.a[0], "created", json_pack("{s:s,s:s,s:o}", "clientId", "t1", "title", "Write the report", "participants", one(user(BERTA))), "ok", NULL);
	hear(&u, "task delegated", &(struct want){ .value = "Write the report", .who = BERTA });
	ck_assert_int_eq(counted("mail/invitation") - invitations, 1);
	u = all_but_b();
	hush(&u);
	answer("Write the report", "decline", "no time", -1);
	hear(&u, "task refused", &(struct want){ .value = "Write the report", .who = BERTA, .confirmation = 2, .message = "no time" });
	ck_assert_int_eq(counted("mail/reply") - replies, 1);
}
END_TEST

/* ---- a shared calendar ---- */

static json_t *
permit(const char *folder, json_t *set, json_t *remove)
{
	json_t *now = ask(&cast.a[0], "getPermissions", json_pack("{s:s}", "folder", folder)), *b = json_pack("{s:s,s:O}", "folder", folder, "rev", json_object_get(now, "rev"));

	(void)json_object_set_new(b, set != NULL ? "set" : "remove", one(set != NULL ? set : remove));
	json_decref(now);
	return ask(&cast.a[0], "setPermissions", b);
}

static void
level(const char *folder, const char *name)
{
	json_t *data = permit(folder, json_pack("{s:s,s:s}", "name", "berta", "level", name), NULL);

	ck_assert(json_is_true(json_object_get(data, "applied")));
	json_decref(data);
}

START_TEST(calendar_is_shared_and_withdrawn)
{
	static const char *const shown = "Anton Anders - Travel";
	msec_t day = DAY_0 + 50 * DAY;
	struct want folder = { .key = "displayName", .value = shown, .field = "own_rights", .n = 257 };
	char theirs[40], own[40], uuid[40];
	struct audience u;
	struct dev tree[2]; /* b's devices at the hierarchy, while they work with the folder, too */
	json_t *b;

	enter("share", NULL, NULL);
	change(&cast.a[0], "created", json_pack("{s:s,s:s,s:s,s:O}", "clientId", "travel", "title", "Travel", "module", "calendar", "parent",
	    json_object_get(cast.a[0].defaults, "appointment")), "ok", own);
	turn_to(&cast.a[0], own);
	change(&cast.a[0], "created", event("e1", "To Rome", day + 9 * HOUR), "ok", uuid);
	ck_assert_ptr_null(wanted(&cast.b[0], &folder));
	/* a reviewer reads */
	u = both(cast.b);
	hush(&u);
	level(own, "Reviewer");
	hear(&u, "shared to a Reviewer", &folder);
	(void)snprintf(theirs, sizeof(theirs), "%s", str(wanted(&cast.b[0], &folder), "uuid"));
	for (int i = 0; i < 2; i++) {
		at(i);
		tree[i] = cast.b[i];
		cast.b[i].have = json_object();
		(void)json_array_append_new(held, cast.b[i].have);
		turn_to(&cast.b[i], theirs);
		ck_assert(sees(&cast.b[i], &(struct want){ .value = "To Rome", .field = "start_date", .n = day + 9 * HOUR }));
	}
	at(0);
	change(&cast.b[0], "modified", json_pack("{s:s,s:s}", "uuid", hers("To Rome"), "location", "Termini"), "error", NULL);
	/* an editor writes */
	u = both(tree);
	hush(&u);
	level(own, "Editor");
	folder.n = 4227330;
	hear(&u, "raised to Editor", &folder);
	at(1);
	turn_to(&cast.a[1], own);
	u = all_but_b();
	hush(&u);
	change(&cast.b[0], "modified", json_pack("{s:s,s:I,s:I}", "uuid", hers("To Rome"), "start_date", (json_int_t)(day + 12 * HOUR), "end_date", (json_int_t)(day + 13 * HOUR)),
	    "ok", NULL);
	hear(&u, "changed by the Editor", &(struct want){ .value = "To Rome", .field = "start_date", .n = day + 12 * HOUR });
	/* nobody */
	u = both(tree);
	hush(&u);
	b = permit(own, NULL, json_pack("{s:s}", "name", "berta"));
	ck_assert(json_is_true(json_object_get(b, "applied")));
	json_decref(b);
	folder.gone = true;
	hear(&u, "withdrawn", &folder);
	for (int i = 0; i < 2; i++) {
		at(i);
		b = request(&cast.b[i], NULL, NULL, NULL);
		ck_assert_str_eq(bad(&cast.b[i], "syncUpdate", b, NULL), "not-found");
		json_decref(b);
		ck_assert_uint_eq(pull(&cast.a[i]), 0); /* to its owner it is what it was */
		ck_assert(sees(&cast.a[i], &(struct want){ .value = "To Rome" }));
	}
}
END_TEST

/* ---- mail ---- */

static void
mail_to_anton(const char *id, const char *subject)
{
	json_t *b = json_pack("{s:s}", "clientId", id);
	char raw[300];
	struct buf text;

	(void)snprintf(raw, sizeof(raw), "From: berta@example.com\r\nTo: anton@example.com\r\nSubject: %s\r\n\r\nbody\r\n", subject);
	buf_init(&text, 0);
	base64_encode(&text, raw, strlen(raw));
	(void)json_object_set_new(b, "raw", json_string(text.p));
	buf_fini(&text);
	json_decref(ask(&cast.b[0], "sendMail", b));
}

START_TEST(rule_files_mail)
{
	static const char *const subject = "[list] of trains";
	struct audience u;
	char into[40];

	enter("rule", NULL, "inbox");
	u = (struct audience){ .n = 0 };
	listens(&u, &cast.a[1], 1);
	hush(&u);
	change(&cast.a[0], "created", json_pack("{s:s,s:s,s:s,s:O}", "clientId", "lists", "title", "Lists", "module", "mail", "parent",
	    json_object_get(cast.a[0].defaults, "inbox")), "ok", into);
	hear(&u, "folder made", &(struct want){ .value = "Lists" });
	json_decref(ask(&cast.a[0], "setRule", json_pack("{s:s,s:s,s:{s:s,s:s,s:[s]},s:[{s:s,s:s}],s:b}", "clientId", "r1", "name", "Lists", "test", "id", "subject", "comparison",
	    "contains", "values", "[list]", "actions", "id", "move", "folder", into, "stop", 1)));
	for (int i = 0; i < 2; i++) {
		at(i);
		turn_to(&cast.a[i], into);
	}
	u = both(cast.a);
	hush(&u);
	mail_to_anton("m1", subject);
	hear(&u, "mail filed by a rule", &(struct want){ .key = "subject", .value = subject });
	for (int i = 0; i < 2; i++) { /* and only there */
		at(i);
		turn_to(&cast.a[i], str(cast.a[i].defaults, "inbox"));
		ck_assert_ptr_null(find(&cast.a[i], "subject", subject, NULL));
	}
	/* what it does not meet */
	at(0);
	u = both(cast.a);
	hush(&u);
	mail_to_anton("m2", "Tickets");
	hear(&u, "mail that no rule meets", &(struct want){ .key = "subject", .value = "Tickets" });
}
END_TEST

START_TEST(away_next_week)
{
	msec_t from = (now_ms() / DAY + 7) * DAY;
	struct audience u;
	json_t *v;
	size_t n;

	enter("away", "inbox", "inbox");
	v = ask(&cast.a[0], "setVacation", json_pack("{s:b,s:s,s:s,s:I,s:I,s:s}", "active", 1, "subject", "Away", "text", "Back on Monday.", "from", (json_int_t)from, "to",
	    (json_int_t)(from + 4 * DAY), "zone", "+0000"));
	ck_assert(json_is_true(json_object_get(v, "applied")));
	json_decref(v);
	at(1);
	v = ask(&cast.a[1], "getVacation", json_object());
	ck_assert(json_is_true(json_object_get(v, "active")));
	ck_assert_int_eq(num(v, "from"), from);
	json_decref(v);
	/* he is still there */
	u = both(cast.a);
	hush(&u);
	mail_to_anton("v1", "Before you go");
	hear(&u, "mail in the week before", &(struct want){ .key = "subject", .value = "Before you go" });
	ck_assert_uint_eq(ox_rows("berta", "mail", "default0/INBOX", "600,607", "Away", NULL, 0), 0);
	/* a week later */
	world_control(&w, "clock", "{\"advance\":691200000}", NULL, 0);
	u = both(cast.b);
	hush(&u);
	mail_to_anton("v2", "Where are you");
	hear(&u, "answered by the absence notice", &(struct want){ .key = "subject", .value = "Away" });
	mail_to_anton("v3", "Really away");
	for (int i = 0; i < 2; i++) {
		at(i);
		(void)pull(&cast.b[i]);
		(void)find(&cast.b[i], "subject", "Away", &n);
		ck_assert_uint_eq(n, 1); /* each sender once in these days */
	}
}
END_TEST

/* ---- the password ---- */

static void
log_in_again(struct dev *d, const char *device)
{
	struct dev nobody = { .k = 0 };
	json_t *data = ask(&nobody, "login", json_pack("{s:s,s:s,s:s,s:i}", "user", "anton", "password", NEW_PASSWORD, "device", device, "protocol", 1));

	(void)snprintf(d->token, sizeof(d->token), "%s", str(data, "token"));
	json_decref(data);
}

START_TEST(password_changes_while_devices_wait)
{
	struct audience u, other;
	struct dev third;
	char name[40];
	json_t *data;

	enter("password", "task", "task");
	at(0);
	login(&third, "anton", "password-3");
	u = both(cast.a);
	other = (struct audience){ .n = 0 };
	listens(&other, &cast.b[1], 1);
	hush(&other);
	hush(&u);
	node_await(&node[1], "usmd_waiters", 2);
	data = ask(&third, "changePassword", json_pack("{s:s,s:s}", "oldPassword", "secret", "newPassword", NEW_PASSWORD));
	ck_assert_int_ge(num(data, "endedSessions"), 2); /* and what other chapters left */
	json_decref(data);
	for (int i = 0; i < 2; i++) {
		(void)pthread_join(u.x[i].thread, NULL);
		ck_assert_msg(u.x[i].status == 401 && u.x[i].ended_us - u.since < LATENCY_US, "%ld: %s", u.x[i].status, u.x[i].text);
		(void)printf("%-44s %d of 2, node %d: %7.1f ms\n", "told to log in again", i + 1, i + 1, (double)(u.x[i].ended_us - u.since) / 1000);
	}
	/* with the new one they go on where they were */
	for (int i = 0; i < 2; i++) {
		at(i);
		(void)snprintf(name, sizeof(name), "password-%d", i);
		log_in_again(&cast.a[i], name);
		ck_assert_uint_eq(pull(&cast.a[i]), 0);
	}
	/* b has noticed nothing, and hears what the others do */
	at(0);
	u = both(cast.a);
	hush(&u);
	turn_to(&third, str(third.defaults, "task"));
	change(&third, "created", json_pack("{s:s,s:s,s:o}", "clientId", "p1", "title", "Remember it", "participants", one(user(BERTA))), "ok", NULL);
	hear(&u, "after the login", &(struct want){ .value = "Remember it" });
	hear(&other, "who had nothing to do with it", &(struct want){ .value = "Remember it", .who = BERTA });
}
END_TEST

/* What goes by the calendar, with either of OX's modules for it. */
static TCase *
meetings(const char *name, SFun up)
{
	TCase *t = tcase_create(name);

	tcase_add_unchecked_fixture(t, up, nodes_down);
	tcase_add_checked_fixture(t, begin, forget_devices);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, free_time_is_seen_and_used);
	tcase_add_test(t, accepted_with_a_message);
	tcase_add_test(t, series_is_moved);
	tcase_add_test(t, one_occurrence_is_declined);
	tcase_add_test(t, cancelled);
	tcase_add_test(t, calendar_is_shared_and_withdrawn);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("two users");
	TCase *t;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	t = meetings("calendar", world_up);
	tcase_add_test(t, task_is_delegated_and_refused);
	tcase_add_test(t, rule_files_mail);
	tcase_add_test(t, away_next_week);
	tcase_add_test(t, password_changes_while_devices_wait);
	suite_add_tcase(s, t);
	suite_add_tcase(s, meetings("chronos", world_up_chronos));
	return harness_main(s);
}
