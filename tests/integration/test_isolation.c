/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Nobody reaches into another account: requests of one user, made from what was stolen of others - uuids, syncids, conflicts, attachments, client ids,
 * names of devices, tokens that have ended - and from what was guessed.  The two others are a user of the same context and one of another context with
 * the same numbers.  After each answer: nothing of theirs is in it.  At the end: all that the database and OX hold of them is as it was.
 * Every command of the table must have its requests here.  ROUNDS= and SEED= as in other random tests.
 */
#define _GNU_SOURCE /* memmem */
#include "wire.h"

#include <inttypes.h>
#include <libpq-fe.h>

#define NOW "9007199254740992"
#define BERTA 4 /* at OX */
#define POOL_MAX 400
#define TEXT_MAX 120

static const char *const settings[] = { "heartbeat_min = 1s", "ping_poll_interval = 0", "login_attempts = 10000", "calendar_past = 0", "calendar_future = 0",
	"mail_past = 0", "ox_write_max_time = 3s", "ox_timeout = 3s", "flood_rate = 0", NULL };

/* ---- chance ---- */

static uint64_t state;

static uint64_t
chance(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

/* ---- what is known of whom ---- */

enum kind { FOLDER, OBJECT, SYNCID, CONFLICT, CLIENT_ID, REV, ATTACHMENT, NUMBER, SIGNATURE, DEVICE, TOKEN, TEXT, KINDS };
static const char letters[] = "FUSCIRANGDKT";

struct pool {
	char v[POOL_MAX][TEXT_MAX];
	size_t n;
};
static struct pool stolen[KINDS], own[KINDS];
/* What must never be seen by somebody else; an id that the attacker has sent before (to a setting, say) is no news to it, when it comes back. */
static struct pool secrets;
static bool sent_before[POOL_MAX];

static void
keep(struct pool *p, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	ck_assert_uint_lt(p->n, POOL_MAX);
	ck_assert_uint_lt(strlen(text), TEXT_MAX);
	(void)snprintf(p->v[p->n++], TEXT_MAX, "%s", text);
}

struct person {
	const char *user, *mark, *contacts, *device;
	struct pool *known;
	bool victim;
	struct dev d;
};
static struct person people[] = {
	{ .user = "anton", .mark = "Plain", .contacts = "32", .device = "phone", .known = own },
	{ .user = "berta", .mark = "Geheim-berta", .contacts = "42", .device = "phone", .known = stolen, .victim = true },
	{ .user = "otto@example.net", .mark = "Geheim-otto", .contacts = "32", .device = "tablet-7", .known = stolen, .victim = true },
};
#define ATTACKER (&people[0])

static void
know(const struct person *p, enum kind k, const char *text)
{
	keep(&p->known[k], text);
	if (p->victim && (k == FOLDER || k == OBJECT || k == SYNCID || k == ATTACHMENT || k == TOKEN))
		keep(&secrets, text);
}

static json_t *
ask(const struct person *p, const char *command, json_t *body)
{
	json_t *data = good(&p->d, command, body);

	json_decref(body);
	return data;
}

static char *
marked(const struct person *p, const char *what)
{
	static char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text), "%s-%s", p->mark, what);
	if (p->victim)
		keep(&secrets, text);
	return text;
}

static json_t *
base64(const char *s)
{
	struct buf b;
	json_t *v;

	buf_init(&b, 0);
	base64_encode(&b, s, strlen(s));
	v = json_string(b.p);
	buf_fini(&b);
	return v;
}

static json_t *
mail_of(const struct person *p)
{
	json_t *v;
	struct buf b;

	buf_init(&b, 0);
	buf_addf(&b, "From: a@example.com\r\nTo: b@example.com\r\nSubject: %s\r\nMessage-ID: <%s@example.com>\r\n", marked(p, "subject"), p->mark);
	buf_addf(&b, "Date: Mon, 1 Jun 2026 10:00:00 +0000\r\nContent-Type: text/plain\r\n\r\n%s\r\n", marked(p, "body"));
	v = base64(b.p);
	buf_fini(&b);
	return v;
}

/* One object of each kind in P's default folder of TYPE; its uuid into UUID. */
static void
make(struct person *p, const char *type, const char *title, char uuid[40])
{
	char id[TEXT_MAX];
	json_t *o, *data;
	const char *u;
	json_t *v;

	open_folder(&p->d, str(p->d.defaults, type));
	(void)snprintf(id, sizeof(id), "id-%s-%s", type, p->device);
	o = json_pack("{s:s}", "clientId", id);
	know(p, CLIENT_ID, id);
	if (strcmp(type, "inbox") == 0) {
		(void)json_object_set_new(o, "raw", mail_of(p));
	} else {
		(void)json_object_set_new(o, title, json_string(marked(p, type)));
		(void)json_object_set_new(o, "note", json_string(marked(p, "note")));
	}
	if (strcmp(type, "appointment") == 0)
		(void)json_object_update_new(o, json_pack("{s:I,s:I,s:s}", "start_date", (json_int_t)1798678800000, "end_date", (json_int_t)1798682400000,
		    "timezone", "UTC"));
	data = update(&p->d, request(&p->d, one(o), NULL, NULL));
	if (strcmp(str(result(data, 0), "status"), "ok") != 0)
		ck_abort_msg("%s: %s", type, json_dumps(data, JSON_COMPACT));
	(void)snprintf(uuid, 40, "%s", str(result(data, 0), "uuid"));
	json_decref(data);
	(void)pull(&p->d);
	json_object_foreach(p->d.have, u, v) {
		know(p, OBJECT, u);
		know(p, REV, str(v, "rev"));
	}
	know(p, SYNCID, p->d.syncid);
}

static void
make_conflict(struct person *p, const char *uuid)
{
	char name[TEXT_MAX], id[24] = "", number[24];
	json_t *body, *data, *row;
	size_t i;

	(void)snprintf(name, sizeof(name), "%s-contact", p->mark);
	ck_assert_uint_ge(ox_rows(p->user, "contacts", p->contacts, "1,502", name, id, sizeof(id)), 1);
	open_folder(&p->d, str(p->d.defaults, "contact"));
	json_decref(ox_as(p->user, "contacts", "update", json_pack("{s:s,s:s,s:s}", "folder", p->contacts, "id", id, "timestamp", NOW),
	    json_pack("{s:s}", "note", marked(p, "server"))));
	body = request(&p->d, NULL, one(json_pack("{s:s,s:s}", "uuid", uuid, "note", marked(p, "lost"))), NULL);
	(void)json_object_set_new(body, "conflictResolution", json_string("server"));
	json_decref(update(&p->d, body));
	know(p, SYNCID, p->d.syncid);
	data = ask(p, "getConflicts", json_object());
	json_array_foreach(json_object_get(data, "conflicts"), i, row) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(json_object_get(row, "id")));
		know(p, CONFLICT, number);
	}
	ck_assert_uint_ge(p->known[CONFLICT].n, 1);
	json_decref(data);
}

static void
make_attachment(struct person *p, const char *uuid)
{
	json_t *data = ask(p, "addAttachment", json_pack("{s:s,s:s,s:s,s:s,s:o}", "folder", p->d.folder, "uuid", uuid, "filename", marked(p, "file"),
	    "contentType", "text/plain", "data", base64(marked(p, "octets"))));

	know(p, ATTACHMENT, str(data, "id"));
	json_decref(data);
}

static void
make_settings(struct person *p)
{
	char number[24];
	json_t *data, *x;

	data = ask(p, "setRule", json_pack("{s:s,s:s,s:o,s:o}", "clientId", "rule-1", "name", marked(p, "rule"), "test",
	    json_pack("{s:s,s:s,s:[s]}", "id", "subject", "comparison", "contains", "values", "x"), "actions", json_pack("[{s:s}]", "id", "keep")));
	x = json_object_get(data, "rule");
	(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(json_object_get(x, "id")));
	know(p, NUMBER, number);
	know(p, REV, str(x, "rev"));
	json_decref(data);
	json_decref(ask(p, "setVacation", json_pack("{s:b,s:s,s:s}", "active", 1, "text", marked(p, "absent"), "subject", "Away")));
	data = ask(p, "setSignature", json_pack("{s:s,s:s,s:b,s:s}", "clientId", "sig-1", "name", marked(p, "signature"), "html", 0, "content",
	    marked(p, "greeting")));
	x = json_object_get(data, "signature");
	know(p, SIGNATURE, str(x, "id"));
	know(p, REV, str(x, "rev"));
	json_decref(data);
}

/* A token that has ended, and one that is the hash of a good one: both as they may be stolen. */
static void
make_tokens(struct person *p)
{
	struct dev old;
	unsigned char hash[32];
	char hex[65];

	login(&old, p->user, "old");
	json_decref(good(&old, "logout", json_object()));
	know(p, TOKEN, old.token);
	sha256(p->d.token, strlen(p->d.token), hash);
	hex_encode(hash, sizeof(hash), hex);
	know(p, TOKEN, hex);
	if (p->victim)
		keep(&secrets, p->d.token);
}

static void
set_up(struct person *p)
{
	static const char *const types[][2] = { { "appointment", "title" }, { "task", "title" }, { "inbox", "" }, { "contact", "last_name" } };
	char uuid[40];
	const char *u;
	json_t *v;

	login(&p->d, p->user, p->device);
	open_folder(&p->d, NULL);
	json_object_foreach(p->d.have, u, v) {
		know(p, FOLDER, u);
		know(p, REV, str(v, "rev"));
	}
	know(p, SYNCID, p->d.syncid);
	know(p, DEVICE, p->device);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		make(p, types[i][0], types[i][1], uuid);
	make_attachment(p, uuid);
	make_conflict(p, uuid);
	make_settings(p);
	make_tokens(p);
}

/* ---- all that is stored of the others ---- */

static void
add_rows(PGconn *c, const char *sql, struct buf *out)
{
	PGresult *r = PQexec(c, sql);

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(c));
	for (int i = 0; i < PQntuples(r); i++) {
		buf_adds(out, PQgetvalue(r, i, 0));
		buf_addc(out, '\n');
	}
	PQclear(r);
}

/* Any table that names an account, a device or a folder, also one that comes later. */
static void
database_state(struct buf *out)
{
	static const char victims[] = "(SELECT id FROM usmd.account WHERE NOT (context_id = 1 AND user_id = 3))";
	char sql[900];
	PGconn *c;
	PGresult *t;

	(void)snprintf(sql, sizeof(sql), "%s dbname=usmd_world", getenv("USMD_TEST_PG"));
	c = PQconnectdb(sql);
	ck_assert_int_eq(PQstatus(c), CONNECTION_OK);
	t = PQexec(c, "SELECT table_name, max(CASE column_name WHEN 'account' THEN 3 WHEN 'device' THEN 2 WHEN 'folder' THEN 1 END) FROM information_schema.columns"
	    " WHERE table_schema = 'usmd' AND column_name IN ('account', 'device', 'folder') GROUP BY 1 ORDER BY 1");
	ck_assert_int_ge(PQntuples(t), 12);
	for (int i = 0; i < PQntuples(t); i++) {
		const char *name = PQgetvalue(t, i, 0), *by = PQgetvalue(t, i, 1);

		if (by[0] == '3')
			(void)snprintf(sql, sizeof(sql), "SELECT x::text FROM usmd.%s x WHERE account IN %s ORDER BY 1", name, victims);
		else
			(void)snprintf(sql, sizeof(sql), "SELECT x::text FROM usmd.%s x WHERE %s IN (SELECT id FROM usmd.%s WHERE account IN %s) ORDER BY 1", name,
			    by[0] == '2' ? "device" : "folder", by[0] == '2' ? "device" : "folder", victims);
		buf_addf(out, "table %s\n", name);
		add_rows(c, sql, out);
	}
	PQclear(t);
	PQfinish(c);
}

static void
add_json(const json_t *x, struct buf *out)
{
	char *text = json_dumps(x, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	buf_adds(out, text != NULL ? text : "null");
	buf_addc(out, '\n');
	free(text);
}

/* Of OX: the whole of the other context; of the same one, who is the victim and what it can see of objects that it made. */
static void
ox_state(struct buf *out)
{
	static char text[8 << 20];
	char url[200];
	json_t *root, *c, *x, *list;
	const char *name;
	size_t i, k;
	CURL *h = curl_easy_init();
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)snprintf(url, sizeof(url), "%s/control/state?content=1", w.ox);
	(void)curl_easy_setopt(h, CURLOPT_URL, url);
	(void)curl_easy_setopt(h, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(h), CURLE_OK);
	(void)fclose(f);
	curl_easy_cleanup(h);
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(root);
	json_array_foreach(json_object_get(root, "contexts"), i, c) {
		if (json_integer_value(json_object_get(c, "id")) != 1) {
			add_json(c, out);
			continue;
		}
		json_array_foreach(json_object_get(c, "users"), k, x)
			if (json_integer_value(json_object_get(x, "id")) == BERTA)
				add_json(x, out);
		json_array_foreach(json_object_get(c, "folders"), k, x)
			if (json_integer_value(json_object_get(x, "created_by")) == BERTA)
				add_json(x, out);
		json_object_foreach(json_object_get(c, "objects"), name, list)
			json_array_foreach(list, k, x)
				if (json_integer_value(json_object_get(x, "created_by")) == BERTA)
					add_json(x, out);
	}
	json_decref(root);
}

/* ---- the requests ---- */

/* <F> a folder, <U> an object, and so on: the letters above; <X> = a number that is nobody's. */
struct tried {
	const char *command, *body;
};
static const struct tried requests[] = {
	{ "serverInfo", "{}" },
	{ "login", "{\"user\":\"berta\",\"password\":\"<T>\",\"device\":\"<D>\",\"protocol\":1}" },
	{ "login", "{\"user\":\"otto@example.net\",\"password\":\"<K>\",\"device\":\"<D>\",\"protocol\":1}" },
	{ "login", "{\"user\":\"anton\",\"password\":\"secret\",\"device\":\"<D>\",\"protocol\":1}" },
	{ "logout", "{}" },
	{ "getConfig", "{}" },
	{ "setConfig", "{\"folders\":{\"<F>\":\"off\"}}" },
	{ "setConfig", "{\"resolutions\":{\"<F>\":{\"conflictResolution\":\"client\"}}}" },
	{ "syncInit", "{\"folder\":\"<F>\"}" },
	{ "syncInit", "{\"folder\":\"<U>\"}" },
	{ "syncUpdate", "{\"folder\":\"<F>\",\"syncid\":\"<S>\"}" },
	{ "syncUpdate", "{\"syncid\":\"<S>\",\"request\":<X>,\"deleted\":[{\"uuid\":\"<F>\"}],\"confirmDeletions\":true}" },
	{ "syncUpdate", "{\"folder\":\"<F>\",\"syncid\":\"<S>\",\"request\":<X>,\"deleted\":[{\"uuid\":\"<U>\"},{\"clientId\":\"<I>\"}],\"confirmDeletions\":true}" },
	{ "syncUpdate", "{\"folder\":\"<F>\",\"syncid\":\"<S>\",\"request\":<X>,\"modified\":[{\"uuid\":\"<U>\",\"rev\":\"<R>\",\"note\":\"<T>\"}]}" },
	{ "syncUpdate", "{\"folder\":\"<F>\",\"syncid\":\"<S>\",\"request\":<X>,\"modified\":[{\"uuid\":\"<U>\",\"folder\":\"<F>\"}]}" },
	{ "syncUpdate", "{\"folder\":\"<F>\",\"syncid\":\"<S>\",\"request\":<X>,\"created\":[{\"clientId\":\"<I>\",\"last_name\":\"<T>\"}]}" },
	{ "syncUpdate", "{\"folder\":\"<F>\",\"syncid\":\"<S>\",\"request\":<X>,\"created\":[{\"clientId\":\"re.<U>.<I>\",\"title\":\"<T>\"}]}" },
	{ "syncUpdate", "{\"syncid\":\"<S>\",\"request\":<X>,\"created\":[{\"clientId\":\"<I>\",\"title\":\"<T>\",\"module\":\"contacts\",\"parent\":\"<F>\"}]}" },
	{ "syncEstimate", "{\"folder\":\"<F>\",\"syncid\":\"<S>\"}" },
	{ "reconcile", "{\"folder\":\"<F>\",\"pairs\":[[\"<U>\",\"<R>\"]]}" },
	{ "reconcile", "{\"folder\":\"<F>\",\"formerly\":\"<F>\",\"pairs\":[[\"<U>\",\"\"]]}" },
	{ "ping", "{\"folders\":[{\"folder\":\"<F>\",\"syncid\":\"<S>\"}],\"heartbeat\":1}" },
	{ "events", "{\"folders\":[{\"folder\":\"<F>\",\"syncid\":\"<S>\"}],\"heartbeat\":1}" },
	{ "getMail", "{\"folder\":\"<F>\",\"uuid\":\"<U>\"}" },
	{ "getMailBody", "{\"folder\":\"<F>\",\"uuid\":\"<U>\",\"format\":\"text\"}" },
	{ "getMailPart", "{\"folder\":\"<F>\",\"uuid\":\"<U>\",\"id\":\"1\"}" },
	{ "sendMail", "{\"clientId\":\"<I>\",\"raw\":\"<M>\",\"reply\":{\"folder\":\"<F>\",\"uuid\":\"<U>\"}}" },
	{ "sendMail", "{\"clientId\":\"<I>\",\"raw\":\"<M>\",\"draft\":{\"folder\":\"<F>\",\"uuid\":\"<U>\"}}" },
	{ "sendMail", "{\"clientId\":\"<I>\",\"raw\":\"<M>\",\"forward\":{\"folder\":\"<F>\",\"uuid\":\"<U>\"}}" },
	{ "moveItems", "{\"folder\":\"<F>\",\"to\":\"<F>\",\"items\":[{\"uuid\":\"<U>\"}]}" },
	{ "copyItems", "{\"folder\":\"<F>\",\"to\":\"<F>\",\"items\":[{\"uuid\":\"<U>\",\"clientId\":\"<I>\"}]}" },
	{ "respondToInvitation", "{\"folder\":\"<F>\",\"uuid\":\"<U>\",\"response\":\"decline\"}" },
	{ "getPermissions", "{\"folder\":\"<F>\"}" },
	{ "setPermissions", "{\"folder\":\"<F>\",\"rev\":\"<R>\",\"set\":[{\"entity\":5,\"level\":\"Owner\"}]}" },
	{ "getRules", "{}" },
	{ "setRule", "{\"id\":<N>,\"rev\":\"<R>\",\"active\":false}" },
	{ "setRule", "{\"clientId\":\"<I>\",\"name\":\"<T>\",\"test\":{\"id\":\"true\"},\"actions\":[{\"id\":\"move\",\"folder\":\"<F>\"}]}" },
	{ "deleteRule", "{\"id\":<N>,\"rev\":\"<R>\"}" },
	{ "orderRules", "{\"order\":[<N>],\"rev\":\"<R>\"}" },
	{ "getVacation", "{}" },
	{ "setVacation", "{\"rev\":\"<R>\",\"active\":false,\"text\":\"<T>\"}" },
	{ "getSignatures", "{}" },
	{ "setSignature", "{\"id\":\"<G>\",\"rev\":\"<R>\",\"name\":\"<T>\"}" },
	{ "deleteSignature", "{\"id\":\"<G>\",\"rev\":\"<R>\"}" },
	{ "getQuota", "{}" },
	{ "getPhoto", "{\"folder\":\"<F>\",\"uuid\":\"<U>\"}" },
	{ "getAttachments", "{\"folder\":\"<F>\",\"uuid\":\"<U>\"}" },
	{ "getAttachment", "{\"folder\":\"<F>\",\"uuid\":\"<U>\",\"id\":\"<A>\"}" },
	{ "addAttachment", "{\"folder\":\"<F>\",\"uuid\":\"<U>\",\"filename\":\"<T>\",\"data\":\"eA==\"}" },
	{ "deleteAttachment", "{\"folder\":\"<F>\",\"uuid\":\"<U>\",\"id\":\"<A>\"}" },
	{ "getFreeBusy", "{\"who\":[{\"mail\":\"berta@example.com\"},{\"mail\":\"otto@example.net\"}],\"from\":1798588800000,\"to\":1798761600000}" },
	{ "getFreeBusy", "{\"who\":[{\"mail\":\"berta@example.com\"}],\"from\":1798588800000,\"to\":1798761600000,\"exclude\":{\"folder\":\"<F>\",\"uuid\":\"<U>\"}}" },
	{ "analyzeInvitation", "{\"folder\":\"<F>\",\"uuid\":\"<U>\"}" },
	{ "applyInvitation", "{\"folder\":\"<F>\",\"uuid\":\"<U>\",\"action\":\"remove\"}" },
	{ "resolveRecipients", "{\"queries\":[\"Geheim\",\"<T>\"]}" },
	{ "search", "{\"objectType\":\"contact\",\"text\":\"Geheim\"}" },
	{ "search", "{\"objectType\":\"mail\",\"folder\":\"<F>\",\"text\":\"Geheim\"}" },
	{ "search", "{\"objectType\":\"appointment\",\"folder\":\"<F>\",\"text\":\"Geheim\"}" },
	{ "getProfile", "{}" },
	{ "setProfile", "{\"rev\":\"<R>\",\"contact\":{\"note\":\"<T>\"}}" },
	{ "changePassword", "{\"oldPassword\":\"<T>\",\"newPassword\":\"<K>\"}" },
	{ "getClientVersion", "{}" },
	{ "getClientFile", "{\"version\":\"../../<T>\"}" },
	{ "sendFeedback", "{\"data\":\"eA==\",\"comment\":\"<T>\"}" },
	{ "getConflicts", "{\"after\":<C>}" },
	{ "restoreConflict", "{\"id\":<C>}" },
	{ "restoreConflict", "{\"id\":<C>,\"rev\":\"<R>\"}" },
	{ "dismissConflict", "{\"id\":<C>}" },
};

static void
guess(enum kind k, char out[TEXT_MAX])
{
	static const char hex[] = "0123456789abcdef";

	if (k == CONFLICT || k == NUMBER) {
		(void)snprintf(out, TEXT_MAX, "%" PRIu64, 1 + chance(200));
		return;
	}
	if (k == TEXT) {
		(void)snprintf(out, TEXT_MAX, "t%" PRIu64, chance(1000));
		return;
	}
	/* one digit of a true one is another */
	(void)snprintf(out, TEXT_MAX, "%s", stolen[k].v[chance(stolen[k].n)]);
	for (size_t at = chance(strlen(out)), i = 0; i < strlen(out); i++, at = (at + 1) % strlen(out))
		if (strchr(hex, out[at]) != NULL) {
			out[at] = hex[chance(16)];
			break;
		}
}

static void
value(enum kind k, char out[TEXT_MAX])
{
	uint64_t x = chance(10);

	if (x < 5 && stolen[k].n > 0)
		(void)snprintf(out, TEXT_MAX, "%s", stolen[k].v[chance(stolen[k].n)]);
	else if (x < 8 && own[k].n > 0)
		(void)snprintf(out, TEXT_MAX, "%s", own[k].v[chance(own[k].n)]);
	else
		guess(k, out);
}

static void
fill(const char *form, struct buf *out)
{
	for (const char *p = form; *p != '\0'; p++) {
		const char *at = p[0] == '<' && p[2] == '>' ? strchr(letters, p[1]) : NULL;
		char text[TEXT_MAX] = "";

		if (at != NULL)
			value((enum kind)(at - letters), text);
		else if (p[0] == '<' && p[1] == 'X')
			(void)snprintf(text, sizeof(text), "%" PRIu64, 1 + chance(1000));
		else if (p[0] == '<' && p[1] == 'M') /* to the sender himself: mail to a victim changes its INBOX, as it should */
			(void)snprintf(text, sizeof(text), "%s", "VG86IGFudG9uQGV4YW1wbGUuY29tDQpGcm9tOiBhbnRvbkBleGFtcGxlLmNvbQ0KU3ViamVjdDogYQ0KDQp4DQo=");
		if (text[0] == '\0') {
			buf_addc(out, *p);
			continue;
		}
		buf_adds(out, text);
		p += 2;
	}
	/* some are no JSON any more, or another */
	if (out->len > 4 && chance(12) == 0)
		out->p[chance(out->len)] = (char)(32 + chance(90));
}

static void
no_secret(const char *sent, const struct buf *answer, const char *command)
{
	for (size_t i = 0; answer->p != NULL && i < secrets.n; i++) {
		const char *s = secrets.v[i];

		sent_before[i] |= strstr(sent, s) != NULL;
		if (!sent_before[i] && memmem(answer->p, answer->len, s, strlen(s)) != NULL)
			ck_abort_msg("%s %s tells %s: %.2000s", command, sent, s, answer->p);
	}
}

static size_t
take(char *p, size_t size, size_t n, void *out)
{
	buf_add(out, p, size * n);
	return size * n;
}

/* As http() of wire.h; an event stream goes on until it is left. */
static long
post(const char *command, const char *token, const struct buf *body, struct buf *out)
{
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	bool stream = strcmp(command, "events") == 0;
	char text[200];
	CURL *c = curl_easy_init();
	long status = 0;
	CURLcode rc;

	(void)snprintf(text, sizeof(text), "Authorization: Bearer %s", token);
	h = curl_slist_append(h, text);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, w.server + strlen("unix:"));
	(void)snprintf(text, sizeof(text), "http://localhost/usm-json/%s", command);
	(void)curl_easy_setopt(c, CURLOPT_URL, text);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)body->len);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body->p);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, stream ? 300L : 60000L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
	rc = curl_easy_perform(c);
	ck_assert_msg(rc == CURLE_OK || (stream && rc == CURLE_OPERATION_TIMEDOUT), "%s %s: %s", command, body->p, curl_easy_strerror(rc));
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	curl_slist_free_all(h);
	return status;
}

/* HTTP status: how often the request was good is printed, so that one sees that not all of them fail at the door. */
static long
try(const struct tried *t, const char *token)
{
	struct buf body, out;
	const char *why;
	long status;

	buf_init(&body, 1 << 16);
	buf_init(&out, 32 << 20);
	fill(t->body, &body);
	status = post(t->command, token, &body, &out);
	no_secret(body.p, &out, t->command);
	ck_assert_msg(status < 500 || status == 501 || status == 502 || status == 503 || status == 504, "%s %s: %ld %.500s", t->command, body.p, status, out.p);
	if (out.len > 10 && strncmp(out.p, "{\"status\":", 10) == 0) {
		why = schema_check(t->command, out.p, out.len);
		ck_assert_msg(why == NULL, "%s %s: %s\n%.1000s", t->command, body.p, why, out.p);
	}
	buf_fini(&body);
	buf_fini(&out);
	return status;
}

static void
log_tells_nothing(void)
{
	static char text[16 << 20];
	char path[200];
	struct buf b = { .p = text };
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/usmd.log", w.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	b.len = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	ck_assert_uint_gt(b.len, 1000);
	no_secret("", &b, "the log");
}

static const char *
the_token(char out[TEXT_MAX])
{
	if (chance(10) > 0)
		return ATTACKER->d.token;
	if (chance(2) == 0)
		(void)snprintf(out, TEXT_MAX, "%s", stolen[TOKEN].v[chance(stolen[TOKEN].n)]);
	else
		guess(TOKEN, out);
	return out;
}

START_TEST(nothing_of_others)
{
	const char *seed = getenv("SEED"), *rounds = getenv("ROUNDS");
	uint64_t first = seed != NULL ? strtoull(seed, NULL, 0) : UINT64_C(20261122), n = rounds != NULL ? strtoull(rounds, NULL, 0) : 1000, fine = 0;
	struct buf before, after;
	char token[TEXT_MAX];

	state = first;
	(void)printf("isolation: SEED=%" PRIu64 " ROUNDS=%" PRIu64 "\n", first, n);
	for (size_t i = 0; i < ARRAY_LEN(people); i++)
		set_up(&people[i]);
	buf_init(&before, 64 << 20);
	buf_init(&after, 64 << 20);
	database_state(&before);
	ox_state(&before);
	ck_assert_msg(strstr(before.p, "Geheim-berta-contact") != NULL && strstr(before.p, "Geheim-otto-contact") != NULL,
	    "the compared state holds nothing of the others");
	for (uint64_t i = 0; i < n; i++) {
		const struct tried *t = &requests[i < ARRAY_LEN(requests) ? i : chance(ARRAY_LEN(requests))];

		fine += try(t, the_token(token)) == 200;
		if (strcmp(t->command, "logout") == 0)
			login(&ATTACKER->d, ATTACKER->user, ATTACKER->device);
	}
	(void)printf("isolation: %" PRIu64 " of %" PRIu64 " requests were good ones, %zu secrets looked for\n", fine, n, secrets.n);
	ck_assert_uint_ge(fine, n / 10);
	database_state(&after);
	ox_state(&after);
	for (size_t i = 0; i < before.len && i < after.len; i++)
		if (before.p[i] != after.p[i])
			ck_abort_msg("changed:\n%.400s\nis now:\n%.400s", before.p + (i > 200 ? i - 200 : 0), after.p + (i > 200 ? i - 200 : 0));
	ck_assert_uint_eq(before.len, after.len);
	buf_fini(&before);
	buf_fini(&after);
	log_tells_nothing();
}
END_TEST

START_TEST(every_command_is_tried)
{
	const struct dev nobody = { .token = "" };
	json_t *b = json_object(), *data = good(&nobody, "serverInfo", b), *name;
	size_t i;

	json_array_foreach(json_object_get(data, "commands"), i, name) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_LEN(requests) && !found; k++)
			found = strcmp(requests[k].command, json_string_value(name)) == 0;
		ck_assert_msg(found, "%s has no request in tests/integration/test_isolation.c: add what somebody may try with it", json_string_value(name));
	}
	json_decref(b);
	json_decref(data);
}
END_TEST

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

int
main(void)
{
	Suite *s = suite_create("isolation");
	TCase *t = tcase_create("isolation");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_test(t, every_command_is_tried);
	tcase_add_test(t, nothing_of_others);
	suite_add_tcase(s, t);
	return harness_main(s);
}
