/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of every call of usmd/backend.h, with answers of OX that are any bytes.  The first octet is the call, the second the type of content (and
 * whether appointments come from chronos), then the answers in turn, separated by 0x1e: a letter that says how it comes (see answer()), and its body.
 *
 * http_do is this file's (the linker wraps it), so everything above the socket is real.  Each call ends with a result of its contract and a reason; what was
 * read can be used; a write whose answer was lost, or was no answer of OX, is never taken for undone; nothing is sent without end.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "backend/backend_int.h"
#include "fuzz.h"

#include <string.h>

#define SEPARATOR 0x1e
#define MAX_EXCHANGES 200U

enum rc __wrap_http_do(struct backend *b, struct http *h, struct err *e);

static struct script {
	const char *p, *end;
	unsigned n;        /* exchanges */
	bool login;        /* the answers of a login come from here, not from the input */
	bool write_lost;   /* a write has an unknown outcome */
} script;

static struct model_keys *keys;

static void
plain(struct http *h, long status, const char *type, const char *p, size_t n)
{
	h->status = status;
	(void)snprintf(h->type, sizeof(h->type), "%s", type);
	buf_add(&h->answer, p, n);
}

static enum rc
login_answer(struct http *h)
{
	static const char login[] = "{\"session\":\"5e55\",\"user_id\":3,\"context_id\":1,\"locale\":\"de_DE\"}";
	static const char user[] = "[{\"data\":{\"contacts\":31,\"calendar\":32,\"tasks\":33}},{\"data\":{\"inbox\":\"default0/INBOX\",\"trash\":\"default0/Trash\","
	                           "\"drafts\":\"default0/Drafts\",\"sent\":\"default0/Sent\"}},{\"data\":1},{\"data\":3}]";
	const char *text = strstr(h->url, "login") != NULL ? login : user;

	plain(h, 200, "application/json", text, strlen(text));
	return RC_OK;
}

/* One answer of the script, by its letter; nothing is left: OX is gone. */
static enum rc
answer(struct http *h, struct err *e)
{
	const char *p = script.p, *end = p < script.end ? memchr(p, SEPARATOR, (size_t)(script.end - p)) : NULL, *nl;
	char kind;

	if (p >= script.end)
		return err_set(e, RC_UPSTREAM, "gone");
	if (end == NULL)
		end = script.end;
	script.p = end + 1;
	kind = p < end ? *p++ : 'j';
	switch (kind) {
	case 't': return err_set(e, RC_TIMEOUT, "lost");
	case 'u': return err_set(e, RC_UPSTREAM, "not reached");
	case 'h': plain(h, 200, "text/html; charset=UTF-8", p, (size_t)(end - p)); break;
	case 'o': plain(h, 200, "image/png", p, (size_t)(end - p)); break;
	case '4': plain(h, 404, "text/html", p, (size_t)(end - p)); break;
	case '5': plain(h, 503, "text/html", p, (size_t)(end - p)); break;
	case 'w': h->retry_after_s = 7; plain(h, 503, "", p, (size_t)(end - p)); break;
	case '9': plain(h, 429, "", p, (size_t)(end - p)); break;
	case '1': plain(h, 401, "", p, (size_t)(end - p)); break;
	case 'c': /* a line of a cookie before the body */
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl != NULL) {
			buf_add(&h->set_cookies, p, (size_t)(nl + 1 - p));
			p = nl + 1;
		}
		plain(h, 200, "application/json", p, (size_t)(end - p));
		break;
	default: plain(h, 200, "application/json; charset=UTF-8", p, (size_t)(end - p)); break;
	}
	if (h->answer.failed)
		return err_set(e, h->write ? RC_TIMEOUT : RC_UPSTREAM, "too large");
	return RC_OK;
}

enum rc
__wrap_http_do(struct backend *b, struct http *h, struct err *e)
{
	enum rc rc;

	(void)b;
	must(++script.n < MAX_EXCHANGES, "a call asks OX without end");
	must(strpbrk(h->url, " \r\n") == NULL, "an address is none");
	buf_reset(&h->answer);
	buf_reset(&h->set_cookies);
	h->type[0] = '\0';
	h->retry_after_s = 0;
	if (script.login)
		return login_answer(h);
	rc = answer(h, e);
	if (h->write && (rc == RC_TIMEOUT || (rc == RC_OK && h->status >= 500 && h->retry_after_s == 0)))
		script.write_lost = true;
	return rc;
}

/* ---- what was read ---- */

static void
use(struct arena *a, enum content ct, struct object **o, size_t n)
{
	struct sighting s;

	for (size_t i = 0; i < n; i++) {
		must(o[i] != NULL && o[i]->ct == ct, "an object of another type");
		must(ct == CT_FOLDER || o[i]->id != 0 || o[i]->oxid != NULL, "an object without an id");
		must(o[i]->broken || object_sight(a, keys, o[i], &s) == RC_OK, "an object cannot be looked at");
	}
	object_drop_all(o, n);
}

static void
sightings(const struct sighting *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 1; k < s[i].nf; k++)
			must(s[i].f[k - 1].i < s[i].f[k].i, "fields do not ascend");
}

/* ---- the calls ---- */

struct call {
	struct ox_session *s;
	struct arena *a;
	enum content ct;
	const char *folder;
	struct err *e;
};

static enum rc
read_call(const struct call *c, unsigned which)
{
	static const int64_t ids[] = { 4, 5, 6 };
	static const char *const oxids[] = { "4", NULL, "x/6" };
	struct ox_updates_req many[] = { { .ct = c->ct, .folder = c->folder, .since = 5 }, { .ct = CT_TASK, .folder = "33", .since = 0 } };
	struct object **o = NULL, *one = NULL;
	struct sighting *s = NULL;
	int64_t *deleted = NULL, id = 0;
	size_t n = 0, n_deleted = 0;
	struct ox_digest d = { .set = false };
	msec_t ts = 0;
	enum rc rc;

	switch (which) {
	case 0: rc = ox_folders(c->s, c->a, &o, &n, c->e); break;
	case 1: rc = ox_listing(c->s, c->a, keys, c->ct, c->folder, &s, &n, c->e);
		if (rc == RC_OK)
			sightings(s, n);
		return rc;
	case 2: rc = ox_updates(c->s, c->a, c->ct, c->folder, 1000, &o, &n, &deleted, &n_deleted, &ts, &d, c->e); break;
	case 3: memset(&d, 0, sizeof(d));
		d.set = true;
		must(!ox_updates_same(c->s, c->ct, c->folder, 1000, &d), "an answer has the digest of nothing");
		return RC_OK;
	case 4: rc = ox_updates_many(c->s, c->a, many, 2, c->e);
		for (size_t i = 0; i < 2 && rc == RC_OK; i++)
			if (many[i].rc == RC_OK)
				use(c->a, many[i].ct, many[i].objects, many[i].n);
			else
				must(many[i].err.text[0] != '\0', "a part that failed has no reason");
		return rc;
	case 5: rc = ox_list(c->s, c->a, c->ct, c->folder, ids, oxids, 3, &o, &n, c->e); break;
	case 6: rc = ox_find_uid(c->s, c->a, c->ct, "uid-1", &one, c->e); break;
	case 7: rc = ox_get_any(c->s, c->a, c->ct, c->folder, 4, &one, c->e); break;
	default: return ox_exception_find(c->s, c->folder, "4", which == 8 ? INT64_C(1770000000000) / DAY_MS * DAY_MS : -1, 2, &id, c->e);
	}
	if (rc == RC_OK && one != NULL)
		use(c->a, c->ct, &one, 1);
	else if (rc == RC_OK)
		use(c->a, which == 0 ? CT_FOLDER : c->ct, o, n);
	return rc;
}

static void
set(struct object *o, const char *name, json_t *v)
{
	int i = model_field(model_content(o->ct), name);

	if (i >= 0)
		object_set(o, (unsigned)i, v);
	else
		json_decref(v);
}

static struct object *
object(struct arena *a, enum content ct, bool series)
{
	struct object *o = object_new(a, ct);

	must(o != NULL, "out of memory");
	o->id = 4;
	set(o, "title", json_string("a title"));
	set(o, "last_name", json_string("a name"));
	set(o, "start_date", json_integer(INT64_C(1770022800000)));
	set(o, "end_date", json_integer(INT64_C(1770026400000)));
	set(o, "timezone", json_string("Europe/Berlin"));
	set(o, "alarm", json_integer(15));
	set(o, "participants", json_pack("[{s:i,s:i},{s:i,s:s}]", "type", 1, "id", 3, "type", 5, "mail", "b@example.com"));
	set(o, "flags", json_integer(32));
	set(o, "user", json_pack("[s]", "key"));
	if (series) {
		set(o, "recurrence_type", json_integer(2));
		set(o, "days", json_integer(2));
		set(o, "interval", json_integer(1));
		set(o, "delete_exceptions", json_pack("[I,I]", (json_int_t)1770595200000, (json_int_t)1771200000000));
	}
	return o;
}

static enum rc
write_call(const struct call *c, unsigned which)
{
	struct ox_response response = { .confirmation = OX_ACCEPT, .message = which == 6 ? "yes" : "", .occurrence = which == 6 ? -1 : INT64_C(1770595200000) };
	struct object *o = object(c->a, c->ct, which % 2 == 1);
	struct fmask all;
	int64_t id = 0;
	msec_t lm = 0;
	enum rc rc;

	memset(&all, 0xff, sizeof(all));
	switch (which) {
	case 0:
	case 1: rc = ox_create(c->s, c->folder, o, "usm1-a-b", &id, &lm, c->e);
		must(rc != RC_OK || id > 0, "something was created without an id");
		break;
	case 2: set(o, "recurrence_id", json_string("9"));
		set(o, "recurrence_date_position", json_integer(INT64_C(1770595200000)));
		o->lm = 77;
		rc = ox_create(c->s, c->folder, o, NULL, &id, &lm, c->e);
		break;
	case 3:
	case 4: rc = ox_update(c->s, c->folder, 4, NULL, o, &all, 77, &lm, c->e); break;
	case 5: rc = ox_delete(c->s, c->ct, c->folder, 4, NULL, 77, false, c->e); break;
	case 6:
	case 7: rc = ox_confirm(c->s, c->ct, c->folder, 4, &response, &lm, c->e); break;
	default: rc = ox_move(c->s, c->ct, c->folder, 4, NULL, "34", 77, &id, &lm, c->e); break;
	}
	object_drop(o);
	return rc;
}

static enum rc
folder_call(const struct call *c, unsigned which)
{
	struct object *o = object(c->a, CT_FOLDER, false);
	json_t *folder = NULL, *permissions = json_pack("[{s:i,s:i}]", "entity", 3, "bits", 403710016);
	char *text = NULL;
	struct fmask all;
	int64_t id = 0;
	msec_t lm = 0;
	enum rc rc;

	memset(&all, 0xff, sizeof(all));
	switch (which) {
	case 0: rc = ox_folder_create(c->s, c->a, "1", c->ct, "new", &text, &lm, c->e);
		must(rc != RC_OK || text != NULL, "a folder was created without an id");
		break;
	case 1: rc = ox_folder_update(c->s, c->a, c->folder, o, &all, 77, &text, &lm, c->e); break;
	case 2: rc = ox_folder_delete(c->s, c->folder, 77, c->e); break;
	case 3: rc = ox_folder_get(c->s, c->folder, &folder, c->e);
		must((rc == RC_OK) == (folder != NULL), "a folder without a value, or a value without one");
		break;
	case 4: rc = ox_folder_permit(c->s, c->folder, permissions, 77, c->e); break;
	case 5: rc = ox_principal_name(c->s, c->a, 3, c->ct == CT_TASK, &text, c->e);
		must(rc != RC_OK || (text != NULL && utf8_valid(text, strlen(text))), "a name is none");
		break;
	default: rc = ox_principal_find(c->s, "Anna", c->ct == CT_TASK, &id, c->e); break;
	}
	json_decref(folder);
	json_decref(permissions);
	object_drop(o);
	return rc;
}

static enum rc
file_call(const struct call *c, unsigned which)
{
	struct ox_attachment *list = NULL;
	struct buf out;
	size_t n = 0;
	int64_t id = 0;
	msec_t lm = 0;
	enum rc rc;

	buf_init(&out, 1000);
	switch (which) {
	case 0: rc = ox_photo(c->s, c->folder, 4, &out, c->e); break;
	case 1: rc = ox_attachments(c->s, c->a, c->ct, c->folder, 4, &list, &n, c->e);
		for (size_t i = 0; rc == RC_OK && i < n; i++)
			must(list[i].name != NULL && list[i].type != NULL, "an attachment without name or type");
		break;
	case 2: rc = ox_attachment_octets(c->s, c->ct, c->folder, 4, 1, &out, c->e); break;
	case 3: rc = ox_attach(c->s, c->ct, c->folder, 4, "a \"file\".txt", "text/plain", "octets", 6, &id, &lm, c->e);
		must(rc != RC_OK || id > 0, "a file was attached without an id");
		break;
	default: rc = ox_detach(c->s, c->ct, c->folder, 4, 1, &lm, c->e); break;
	}
	must(out.len <= 1000, "more octets than there is room for");
	buf_fini(&out);
	return rc;
}

static bool
wanted(const void *arg, const struct ox_mail_head *h)
{
	must(h->message_id != NULL && strlen(h->message_id) >= h->message_id_len, "a Message-ID longer than it is");
	return h->size == *(const int64_t *)arg;
}

static void
body_of(const struct ox_mail_body *b)
{
	must(b->text == NULL || strlen(b->text) <= b->text_len, "a text is longer than it is");
	must(b->html == NULL || strlen(b->html) <= b->html_len, "a text is longer than it is");
	for (size_t i = 0; i < b->n_parts; i++)
		must(b->part[i].id != NULL && b->part[i].size >= -1, "a part without an id");
}

static enum rc
mail_call(const struct call *c, unsigned which)
{
	static const int64_t size = 1234, top[] = { 9, 5 };
	static const char inbox[] = "default0/INBOX", raw[] = "From: a@example.com\r\nTo: b@example.com\r\n\r\ntext\r\n";
	struct ox_mail_wanted w = { .is = wanted, .arg = &size, .from = 2 };
	struct ox_mail_body body = { 0 };
	struct ox_mail_head head = { 0 };
	struct sighting *s = NULL;
	struct ox_examine x;
	const char *folder = NULL;
	struct buf out;
	int64_t id = 0;
	size_t n = 0;
	enum rc rc;

	buf_init(&out, 1000);
	switch (which) {
	case 0: rc = ox_mail_examine(c->s, inbox, &x, c->e); break;
	case 1: rc = ox_mail_newest(c->s, c->a, keys, inbox, 2, c->ct == CT_MAIL ? NULL : top, &s, &n, c->e);
		if (rc == RC_OK)
			sightings(s, n);
		break;
	case 2: rc = ox_mail_raw(c->s, inbox, 4, NULL, &out, c->e); break;
	case 3: rc = ox_mail_import(c->s, inbox, raw, sizeof(raw) - 1, 32, &id, c->e);
		must(rc != RC_OK || id > 0, "a mail was stored without an id");
		break;
	case 4: rc = ox_mail_mark(c->s, inbox, 4, NULL, 1, c->e); break;
	case 5: rc = ox_mail_copy(c->s, inbox, 4, NULL, "default0/Trash", &id, c->e); break;
	case 6: rc = ox_mail_send(c->s, c->a, raw, sizeof(raw) - 1, 1, &folder, &id, c->e);
		must(folder != NULL || id == 0, "a copy without a folder");
		break;
	case 7: rc = ox_mail_head(c->s, c->a, inbox, 4, NULL, &head, c->e);
		must(rc != RC_OK || strlen(head.message_id) >= head.message_id_len, "a Message-ID longer than it is");
		break;
	case 8: rc = ox_mail_find(c->s, inbox, &w, &id, c->e);
		must(rc != RC_OK || id >= w.from, "a mail below the first uid");
		break;
	case 9: rc = ox_mail_body(c->s, c->a, inbox, 4, NULL, &body, c->e);
		if (rc == RC_OK)
			body_of(&body);
		break;
	default: rc = ox_mail_part(c->s, inbox, 4, NULL, "2", &out, c->e); break;
	}
	must(out.len <= 1000, "more octets than there is room for");
	buf_fini(&out);
	return rc;
}

static enum rc
any_call(const struct call *c, unsigned which)
{
	if (which < 10)
		return read_call(c, which);
	if (which < 19)
		return write_call(c, which - 10);
	if (which < 26)
		return folder_call(c, which - 19);
	return which < 31 ? file_call(c, which - 26) : mail_call(c, which - 31);
}

static void
end_of_call(enum rc rc, const struct err *e)
{
	must(rc >= RC_OK && rc < RC_COUNT, "a result that is none");
	must(rc == RC_OK || e->text[0] != '\0', "a failure without a reason");
	must(rc == RC_OK || e->rc == rc, "a failure with another result than its reason's");
	must(!script.write_lost || rc == RC_TIMEOUT || rc == RC_OK, "a write of unknown outcome is taken for undone");
}

#define CALLS 43U /* the last one is a login */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char master[KEY_BYTES] = { 3 };
	static const enum content types[] = { CT_CONTACT, CT_CALENDAR, CT_TASK, CT_MAIL };
	struct backend_options o = { .url = "http://ox/ajax", .client = "USM-JSON", .client_fallback = "USM-EAS", .user_agent = "usmd", .client_ip = "",
		.ca_file = "", .connect_timeout_ms = 1, .timeout_ms = 1, .max_connections = 1, .max_answer_bytes = 100000, .rows_per_request = 2 };
	struct err e = { .rc = RC_OK };
	struct call c = { .e = &e };
	struct backend *b = NULL;
	enum rc rc;

	if (size < 2 || size > 100000)
		return 0;
	if (keys == NULL)
		keys = model_keys_new(master);
	log_level_set(LOG_LVL_ERROR);
	c.ct = types[data[1] % 4];
	c.folder = c.ct == CT_MAIL ? "default0/INBOX" : "31";
	o.calendar = (data[1] & 4) != 0 ? OX_CALENDAR_CHRONOS : (data[1] & 8) != 0 ? OX_CALENDAR_LEGACY : OX_CALENDAR_AUTO;
	c.a = arena_new(64U << 20);
	must(c.a != NULL && keys != NULL && backend_new(&o, &b, &e) == RC_OK, "out of memory");
	script = (struct script){ .p = (const char *)data + 2, .end = (const char *)data + size, .login = data[0] % CALLS != CALLS - 1 };
	memory_watch();
	rc = ox_login(b, "anna", "secret", "device", &c.s, &e);
	must(!script.login || rc == RC_OK, "the login of the harness fails");
	if (script.login) {
		script.login = false;
		script.n = 0;
		rc = any_call(&c, data[0] % CALLS);
	}
	end_of_call(rc, &e);
	memory_bound(256 * size + ((size_t)4 << 20));
	script.login = true; /* for the logout */
	if (c.s != NULL)
		ox_session_end(c.s);
	ox_session_unref(c.s);
	arena_free(c.a);
	backend_free(b);
	return 0;
}
