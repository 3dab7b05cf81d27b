/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a user is told who cannot have what he asks for, function by function: the groupware server does not offer it, he has no right, somebody or something is
 * not there, the request is broken.  After each refusal everything else works.  Every command that is no part of synchronising has its rows here.
 */
#include "wire.h"

#define NOW "9007199254740992"
#define T0 INT64_C(1830297600000) /* 2028-01-01 */

static const char *const settings[] = { "heartbeat_min = 1s", "ping_poll_interval = 0", "login_attempts = 1000", "calendar_past = 0", "calendar_future = 0", "mail_past = 0", NULL };
static struct dev d;

/* What $ and a letter stand for in the requests below. */
static char value[128][80];

static void
is(char letter, const char *text)
{
	(void)snprintf(value[(unsigned char)letter], sizeof(value[0]), "%s", text);
}

static json_t *
ask(const char *command, json_t *body)
{
	json_t *data = good(&d, command, body);

	json_decref(body);
	return data;
}

static void
mail_with(char letter, const char *id, const char *type, const char *text)
{
	char raw[1000];
	struct buf b;
	json_t *data;

	(void)snprintf(raw, sizeof(raw), "From: orga@example.org\r\nTo: anton@example.com\r\nSubject: x\r\nMessage-ID: <%s@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: %s\r\n\r\n%s",
	    id, type, text);
	buf_init(&b, 4096);
	base64_encode(&b, raw, strlen(raw));
	buf_addc(&b, '\0');
	data = update(&d, request(&d, one(json_pack("{s:s,s:s}", "clientId", id, "raw", b.p)), NULL, NULL));
	is(letter, str(result(data, 0), "uuid"));
	buf_fini(&b);
	json_decref(data);
}

#define ICS "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:r1@example.org\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20280110T090000Z\r\n" \
	"DTEND:20280110T100000Z\r\nSUMMARY:Invited\r\nORGANIZER:mailto:orga@example.org\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:anton@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

/* An appointment of USER's at OX, in FOLDER. */
static void
appointment_of(const char *user, const char *folder, const char *title)
{
	json_decref(ox_as(user, "calendar", "new", json_pack("{s:s}", "timezone", "UTC"), json_pack("{s:s,s:s,s:I,s:I,s:b}", "folder_id", folder, "title", title, "start_date",
	    (json_int_t)T0, "end_date", (json_int_t)(T0 + 3600000), "ignore_conflicts", 1)));
}

static void
world_up(void)
{
	json_t *data, *x;

	world_begin(&w, NULL, settings);
	login(&d, "anton", "refused");
	is('X', "aa000000-0000-4000-8000-000000000001");
	appointment_of("anton", "31", "Own");
	appointment_of("berta", "41", "Hers");
	json_decref(ox_as("berta", "folders", "update", json_pack("{s:s,s:s}", "id", "41", "timestamp", NOW), json_pack("{s:{s:[{s:i,s:i,s:b},{s:i,s:i,s:b}]}}", "folder", "permissions",
	    "bits", 403710016, "entity", 4, "group", 0, "bits", 257, "entity", 3, "group", 0)));
	open_folder(&d, NULL);
	is('S', str(find(&d, "displayName", "Berta Bauer - Calendar", NULL), "uuid"));
	is('A', str(d.defaults, "appointment"));
	is('C', str(d.defaults, "contact"));
	is('T', str(d.defaults, "task"));
	is('I', str(d.defaults, "inbox"));
	open_folder(&d, value['S']);
	is('s', str(find(&d, "title", "Hers", NULL), "uuid"));
	open_folder(&d, value['A']);
	is('a', str(find(&d, "title", "Own", NULL), "uuid"));
	open_folder(&d, value['I']);
	mail_with('i', "m1", "text/calendar; method=REQUEST", ICS);
	mail_with('m', "m2", "text/plain", "nothing\r\n");
	mail_with('b', "m3", "text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\nEND:NONSENSE\r\n");
	open_folder(&d, value['C']);
	data = update(&d, request(&d, one(json_pack("{s:s,s:s}", "clientId", "c1", "last_name", "Plain")), NULL, NULL));
	is('c', str(result(data, 0), "uuid"));
	json_decref(data);
	data = ask("addAttachment", json_pack("{s:s,s:s,s:s,s:s}", "folder", value['C'], "uuid", value['c'], "filename", "kept.txt", "data", "eA=="));
	is('h', str(data, "id"));
	json_decref(data);
	data = ask("setRule", json_pack("{s:s,s:s,s:{s:s},s:[{s:s}]}", "clientId", "r1", "name", "All", "test", "id", "true", "actions", "id", "keep"));
	x = json_object_get(data, "rule");
	(void)snprintf(value['r'], sizeof(value[0]), "%lld", (long long)json_integer_value(json_object_get(x, "id")));
	is('v', str(x, "rev"));
	json_decref(data);
	data = ask("setSignature", json_pack("{s:s,s:s,s:s}", "clientId", "g1", "name", "Sig", "content", "x"));
	is('g', str(json_object_get(data, "signature"), "id"));
	is('w', str(json_object_get(data, "signature"), "rev"));
	json_decref(data);
	data = ask("getRules", json_object());
	is('o', str(data, "rev"));
	json_decref(data);
	data = ask("getProfile", json_object());
	is('p', str(data, "rev"));
	json_decref(data);
	data = ask("getPermissions", json_pack("{s:s}", "folder", value['A']));
	is('q', str(data, "rev"));
	json_decref(data);
	data = ask("getPermissions", json_pack("{s:s}", "folder", value['S']));
	is('t', str(data, "rev"));
	json_decref(data);
	for (const char *p = "SACTIsaimbchrvgwopqt"; *p != '\0'; p++)
		ck_assert_msg(value[(unsigned char)*p][0] != '\0', "$%c is not there", *p);
}

static json_t *
filled(const char *text)
{
	struct buf b;
	json_t *j;

	buf_init(&b, 1 << 16);
	for (const char *p = text; *p != '\0'; p++)
		if (*p == '$')
			buf_adds(&b, value[(unsigned char)*++p]);
		else
			buf_addc(&b, *p == '\'' ? '"' : *p);
	buf_addc(&b, '\0');
	j = json_loads(b.p, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(j != NULL, "%s", b.p);
	buf_fini(&b);
	return j;
}

#define NO_CALENDAR "'calendar','chronos'"
#define NO_FILTER "'mailfilter','mailfilter/v2'"
#define KEEP "'actions':[{'id':'keep'}]"

/* Bodies with ' for ".  without: modules that the groupware server does not have then. */
static const struct row {
	const char *command, *without, *body, *code, *path;
} rows[] = {
	{ "getFreeBusy", NO_CALENDAR, "{'who':[{'user':4}],'from':1,'to':2}", "not-available", "" },
	{ "getFreeBusy", NULL, "{'who':[{'user':4}],'from':2,'to':1}", "bad-request", "to" },
	{ "getFreeBusy", NULL, "{'who':[],'from':1,'to':2}", "bad-request", "who" },
	{ "getFreeBusy", NULL, "{'who':[{'user':4}],'from':1,'to':2,'exclude':{'folder':'$A','uuid':'$X'}}", "not-found", "uuid" },
	{ "respondToInvitation", NO_CALENDAR, "{'folder':'$A','uuid':'$a','response':'accept'}", "not-available", "" },
	{ "respondToInvitation", NULL, "{'folder':'$A','uuid':'$X','response':'accept'}", "not-found", "uuid" },
	{ "respondToInvitation", NULL, "{'folder':'$S','uuid':'$s','response':'accept'}", "forbidden", "uuid" },
	{ "respondToInvitation", NULL, "{'folder':'$A','uuid':'$a','response':'perhaps'}", "bad-request", "response" },
	{ "respondToInvitation", NULL, "{'folder':'$C','uuid':'$c','response':'accept'}", "bad-request", "folder" },
	{ "analyzeInvitation", NO_CALENDAR, "{'folder':'$I','uuid':'$i'}", "not-available", "" },
	{ "analyzeInvitation", NULL, "{'folder':'$I','uuid':'$m'}", "not-found", "uuid" },
	{ "analyzeInvitation", NULL, "{'folder':'$I','uuid':'$b'}", "bad-request", "" },
	{ "applyInvitation", NO_CALENDAR, "{'folder':'$I','uuid':'$i','action':'accept'}", "not-available", "" },
	{ "applyInvitation", NULL, "{'folder':'$I','uuid':'$m','action':'accept'}", "not-found", "uuid" },
	{ "applyInvitation", NULL, "{'folder':'$I','uuid':'$i','action':'remove'}", "bad-request", "action" },
	{ "getPermissions", NULL, "{'folder':'$X'}", "not-found", "folder" },
	{ "setPermissions", NULL, "{'folder':'$S','rev':'$t','set':[{'name':'dora','level':'Author'}]}", "forbidden", "" },
	{ "setPermissions", NULL, "{'folder':'$A','rev':'$q','set':[{'name':'nobody','level':'Author'}]}", "bad-request", "set[0].name" },
	{ "setPermissions", NULL, "{'folder':'$A','rev':'$q','set':[{'name':'dora','level':'King'}]}", "bad-request", "set[0].level" },
	{ "resolveRecipients", "'resource'", "{'queries':['be'],'kinds':['resource']}", "not-available", "" },
	{ "resolveRecipients", NULL, "{'queries':['']}", "bad-request", "queries[0]" },
	{ "search", "'tasks'", "{'objectType':'task','text':'a'}", "not-available", "" },
	{ "search", NULL, "{'objectType':'task'}", "bad-request", "text" },
	{ "search", NULL, "{'objectType':'task','text':'a','folder':'$X'}", "not-found", "folder" },
	{ "getRules", NO_FILTER, "{}", "not-available", "" },
	{ "setRule", NO_FILTER, "{'clientId':'n','name':'n','test':{'id':'true'}," KEEP "}", "not-available", "" },
	{ "setRule", NULL, "{'clientId':'n','name':'n','test':{'id':'nonsense'}," KEEP "}", "bad-request", "test.id" },
	{ "setRule", NULL, "{'id':4711,'rev':'$v','name':'n'}", "not-found", "id" },
	{ "deleteRule", NO_FILTER, "{'id':$r,'rev':'$v'}", "not-available", "" },
	{ "deleteRule", NULL, "{'id':$r}", "bad-request", "rev" },
	{ "orderRules", NO_FILTER, "{'order':[$r],'rev':'$o'}", "not-available", "" },
	{ "orderRules", NULL, "{'order':[4711],'rev':'$o'}", "bad-request", "order" },
	{ "getVacation", NO_FILTER, "{}", "not-available", "" },
	{ "setVacation", NO_FILTER, "{'text':'away'}", "not-available", "" },
	{ "setVacation", NULL, "{'text':'away','addresses':['nomail']}", "bad-request", "addresses[0]" },
	{ "getSignatures", "'snippet'", "{}", "not-available", "" },
	{ "setSignature", "'snippet'", "{'clientId':'n','name':'n','content':'x'}", "not-available", "" },
	{ "setSignature", NULL, "{'id':'4711','rev':'$w','name':'n'}", "not-found", "id" },
	{ "deleteSignature", "'snippet'", "{'id':'$g','rev':'$w'}", "not-available", "" },
	{ "deleteSignature", NULL, "{'id':'$g'}", "bad-request", "rev" },
	{ "getQuota", "'quota'", "{}", "not-available", "" },
	{ "getProfile", "'user','contacts'", "{}", "not-available", "" },
	{ "setProfile", "'user','contacts'", "{'rev':'$p','contact':{'note':'x'}}", "not-available", "" },
	{ "setProfile", NULL, "{'rev':'$p','contact':{'email1':'x@example.com'}}", "forbidden", "contact.email1" },
	{ "setProfile", NULL, "{'rev':'$p','contact':{'no_such_field':'x'}}", "bad-request", "contact.no_such_field" },
	{ "setProfile", NULL, "{'settings':{'timeZone':'Nowhere'}}", "bad-request", "settings.timeZone" },
	{ "changePassword", "'passwordchange'", "{'oldPassword':'secret','newPassword':'Tr0ub4dor-9'}", "not-available", "" },
	{ "changePassword", NULL, "{'oldPassword':'wrong','newPassword':'Tr0ub4dor-9'}", "bad-request", "oldPassword" },
	{ "changePassword", NULL, "{'oldPassword':'secret','newPassword':'weak'}", "bad-request", "newPassword" },
	{ "getClientVersion", NULL, "{'what':1}", "bad-request", "what" },
	{ "getClientFile", NULL, "{'version':'1','offset':0}", "not-found", "" },
	{ "sendFeedback", NULL, "{'data':'eA==','type':'text/plain','version':'1'}", "not-available", "" },
	{ "getPhoto", NULL, "{'folder':'$C','uuid':'$c'}", "not-found", "" },
	{ "getPhoto", NULL, "{'folder':'$C','uuid':'$X'}", "not-found", "uuid" },
	{ "getAttachments", "'attachment'", "{'folder':'$C','uuid':'$c'}", "not-available", "" },
	{ "getAttachments", NULL, "{'folder':'$C','uuid':'$X'}", "not-found", "uuid" },
	{ "getAttachment", "'attachment'", "{'folder':'$C','uuid':'$c','id':'$h'}", "not-available", "" },
	{ "getAttachment", NULL, "{'folder':'$C','uuid':'$c','id':'$X'}", "not-found", "id" },
	{ "addAttachment", "'attachment'", "{'folder':'$C','uuid':'$c','filename':'x.txt','data':'eA=='}", "not-available", "" },
	{ "addAttachment", NULL, "{'folder':'$S','uuid':'$s','filename':'x.txt','data':'eA=='}", "forbidden", "" },
	{ "deleteAttachment", "'attachment'", "{'folder':'$C','uuid':'$c','id':'$h'}", "not-available", "" },
	{ "deleteAttachment", NULL, "{'folder':'$S','uuid':'$X','id':'$X'}", "not-found", "uuid" },
};

/* Also after a row that failed. */
static void
begin(void)
{
	world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
}

START_TEST(told)
{
	const struct row *r = &rows[_i];
	char without[120] = "", path[80];
	json_t *body = filled(r->body), *other;
	const char *code;

	if (r->without != NULL) {
		(void)snprintf(without, sizeof(without), "{\"without\":[%s]}", r->without);
		for (char *p = without; *p != '\0'; p++)
			*p = *p == '\'' ? '"' : *p;
		world_control(&w, "modules", without, NULL, 0);
	}
	code = bad(&d, r->command, body, path);
	ck_assert_msg(strcmp(code, r->code) == 0 && strcmp(path, r->path) == 0, "%s %s%s: %s at \"%s\", not %s at \"%s\"", r->command, r->body, without, code, path, r->code, r->path);
	json_decref(body);
	/* the rest works */
	other = json_pack("{s:s,s:s}", "objectType", "mail", "text", "x");
	json_decref(good(&d, "search", other));
	json_decref(other);
}
END_TEST

/* What synchronising and its conflicts are has its refusals where it is tested. */
static bool
is_of_sync(const char *command)
{
	static const char *const names[] = { "serverInfo", "login", "logout", "getConfig", "setConfig", "syncInit", "syncUpdate", "syncEstimate", "reconcile", "ping", "events", "getMail",
		"getMailBody", "getMailPart", "sendMail", "moveItems", "copyItems", "getConflicts", "restoreConflict", "dismissConflict" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], command) == 0)
			return true;
	return false;
}

START_TEST(every_command)
{
	json_t *info = ask("serverInfo", json_object()), *v;
	size_t i, k;

	json_array_foreach(json_object_get(info, "commands"), i, v) {
		for (k = 0; k < ARRAY_LEN(rows) && strcmp(rows[k].command, json_string_value(v)) != 0; k++)
			continue;
		ck_assert_msg(k < ARRAY_LEN(rows) || is_of_sync(json_string_value(v)), "%s has no row here", json_string_value(v));
	}
	json_decref(info);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("refusals");
	TCase *t = tcase_create("told");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, begin, NULL);
	tcase_add_test(t, every_command);
	tcase_add_loop_test(t, told, 0, (int)ARRAY_LEN(rows));
	suite_add_tcase(s, t);
	return harness_main(s);
}
