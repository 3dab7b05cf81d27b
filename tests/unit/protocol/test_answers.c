/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Good requests: what reaches the engine, what comes back, and that every answer is what the schemas publish. */
#include <stdio.h>
#include <string.h>

#include "harness/schema.h"
#include "helpers.h"
#include "protocol/usmjson/usmjson_int.h"

struct good {
	const char *command, *body;
	enum content ct;
	const char *log;   /* part of what the engine saw */
	const char *text;  /* part of the answer */
};

#define UP "{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\",\"request\":7,"
#define MAIL "\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\""
#define CP(n) "\"uuid\":\"" U1 "\",\"clientId\":\"c" n "\""
#define RULE "{\"id\":3,\"rev\":\"0123456789abcdef\",\"name\":\"R\",\"active\":true,\"stop\":false,\"vacation\":false,\"test\":{\"id\":\"true\"},\"actions\":[{\"id\":\"keep\"}]}"
#define SIGNATURE "{\"id\":\"3\",\"rev\":\"0123456789abcdef\",\"name\":\"S\",\"html\":false,\"content\":\"-- \\nx\",\"insertion\":\"below\",\"default\":true,\"defaultReply\":false}"
static const struct good rows[] = {
	{ "serverInfo", "{}", CT_CONTACT, "", "\"protocol\":[1],\"limits\":{\"maxBody\":67108864,\"maxObjects\":1000," },
	{ "login", "{\"user\":\"ada\",\"password\":\"p\\u00e4ss\",\"device\":\"outlook-1\",\"protocol\":1}", CT_CONTACT,
	    "login user=ada password=p\xc3\xa4ss device=outlook-1 agent=check/1 ip=192.0.2.7;", "\"locale\":\"de_DE\"},\"defaultFolders\":{\"contact\":\"" U1 "\",\"appointment\":\"" U2 "\"," },
	{ "login", "{\"user\":\"ada\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1,\"client\":{\"name\":\"usmsync\",\"version\":\"2\"}}", CT_CONTACT,
	    "agent=usmsync/2 ", "\"token\":\"" FAKE_TOKEN "\",\"expires\":1795347026456," },
	{ "login", "{\"user\":\"ada\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1,\"client\":{\"name\":\"usmsync\"}}", CT_CONTACT, "agent=usmsync ", "" },
	{ "logout", "{}", CT_CONTACT, "logout;", "\"data\":{}}" },
	{ "getConfig", "{}", CT_CONTACT, "", "\"window\":{\"appointment\":{\"pastDays\":null,\"futureDays\":null}," },
	{ "setConfig", "{}", CT_CONTACT, "", "\"conflictResolution\":\"server\",\"deleteResolution\":\"server\"" },
	{ "setConfig", "{\"conflictResolution\":\"client\",\"deleteResolution\":\"error\",\"window\":{\"mail\":{\"pastDays\":30},\"task\":{\"futureDays\":0,\"pastDays\":null}}}",
	    CT_CONTACT, "", "\"conflictResolution\":\"client\",\"deleteResolution\":\"error\",\"mailDelete\":\"server\",\"window\":{\"appointment\":{\"pastDays\":null,\"futureDays\":null},"
	    "\"task\":{\"pastDays\":null,\"futureDays\":0},\"mail\":{\"pastDays\":30}}" },
	{ "setConfig", "{\"modes\":{\"mail\":\"full\",\"task\":\"off\"},\"folders\":{\"" U1 "\":\"headers\",\"" U2 "\":null},\"types\":{\"contact\":{\"sync\":false,\"exclude\":[\"note\",\"image1\"]},\"mail\":{}}}",
	    CT_CONTACT, "", "\"modes\":{\"inbox\":\"full\",\"mail\":\"full\",\"contact\":\"full\",\"appointment\":\"full\",\"task\":\"off\"},\"folders\":{\"" U1 "\":\"headers\"},\"resolutions\":{},"
	    "\"types\":{\"contact\":{\"sync\":false,\"exclude\":[\"note\",\"image1\"]},\"appointment\":{\"sync\":true,\"exclude\":[]}," },
	{ "getConfig", "{}", CT_CONTACT, "", "\"modes\":{\"inbox\":\"full\",\"mail\":\"headers\"," },
	{ "syncInit", "{}", CT_CONTACT, "sync init folder=- k=0 limit=50;", "\"objectType\":\"folder\"" },
	{ "syncInit", "{\"folder\":null,\"limit\":1}", CT_CONTACT, "sync init folder=- k=0 limit=1;", "\"parent\":null" },
	{ "syncInit", "{\"folder\":\"" U1 "\",\"limit\":2000000000}", CT_CONTACT, "sync init folder=" U1 " k=0 limit=1000;", "\"folder\":\"" U1 "\",\"objectType\":\"contact\"" },
	{ "syncInit", "{\"folder\":\"" U1 "\"}", CT_CALENDAR, "sync init", "\"objectType\":\"appointment\"" },
	{ "syncInit", "{\"folder\":\"" U1 "\"}", CT_TASK, "sync init", "\"objectType\":\"task\"" },
	{ "syncInit", "{\"folder\":\"" U1 "\"}", CT_MAIL, "sync init", "\"objectType\":\"mail\"" },
	{ "syncEstimate", "{\"syncid\":\"" S1 "\"}", CT_CONTACT, "sync estimate folder=-", "{\"count\":42}" },
	{ "syncUpdate", "{\"syncid\":\"" S1 "\"}", CT_CONTACT, "sync update folder=- k=0 limit=50;", "\"results\":[]" },
	{ "syncUpdate", "{\"syncid\":\"" S1 "\",\"conflictResolution\":\"client\"}", CT_CONTACT, "policy=1/-1", "\"syncid\":\"" S1 "\",\"more\":false,\"deleted\":[\"" },
	{ "syncUpdate", "{\"syncid\":\"" S1 "\",\"deleteResolution\":\"error\"}", CT_CONTACT, "policy=-1/2", "" },
	{ "syncUpdate", UP "\"created\":[],\"modified\":[],\"deleted\":[]}", CT_CONTACT, "k=7 limit=50;", "\"results\":[]" },
	{ "syncUpdate", UP "\"created\":[{\"clientId\":\"a:1\",\"again\":true,\"objectType\":\"contact\",\"first_name\":\"Ada\",\"birthday\":86400000,\"note\":null,\"uid\":\"u\"}]}",
	    CT_CONTACT, "create cid=a:1 again uid=u first_name=Ada birthday=set note=null;", "{\"clientId\":\"a:1\",\"status\":\"ok\",\"uuid\":\"aa000000-0000-0000-0000-0000000000c8\"}" },
	{ "syncUpdate", UP "\"modified\":[{\"uuid\":\"" U2 "\",\"rev\":\"" R1 "\",\"blind\":[\"last_name\"],\"last_name\":\"L\",\"clientId\":\"x\",\"note\":null}]}",
	    CT_CONTACT, "modify uuid=" U2 " cid=x rev=" R1 " last_name=L !last_name note=null;",
	    "{\"uuid\":\"" U2 "\",\"status\":\"ok\",\"lost\":[\"last_name\"],\"conflict\":70}" },
	{ "syncUpdate", UP "\"modified\":[{\"uuid\":\"" U1 "\",\"note\":\"n\"},{\"uuid\":\"" U2 "\",\"blind\":[\"note\"],\"note\":\"n\"}]}", CT_CONTACT, "modify uuid=" U2,
	    "{\"uuid\":\"" U2 "\",\"status\":\"gone\",\"won\":[\"note\"],\"conflict\":71}" },
	{ "resolveRecipients", "{\"queries\":[\"be\",\"c\"]}", CT_CONTACT, "people kinds=31 limit=20 photo=0 be c;",
	    "{\"results\":[{\"query\":\"be\",\"recipients\":[{\"kind\":\"user\",\"entity\":4,\"name\":\"Ada \\\"L\\\"\",\"addresses\":[\"ada@example.com\"],\"folder\":\"" U1 "\",\"uuid\":\"" U2
	    "\",\"exact\":true,\"hasPhoto\":false},{\"kind\":\"contact\",\"name\"" },
	{ "resolveRecipients", "{\"queries\":[\"x\"],\"kinds\":[\"group\",\"contact\"],\"exact\":true,\"limit\":100,\"members\":true,\"photoSize\":1000}", CT_CONTACT,
	    "people kinds=10 limit=100 exact members photo=1000 x;", "\"hasPhoto\":true,\"photo\":{\"type\":\"image/png\",\"data\":\"iVBO\"}},{\"kind\":\"group\",\"entity\":4,\"name\":\"Ada \\\"L\\\"\","
	    "\"addresses\":[],\"exact\":false,\"hasPhoto\":false,\"members\":[{\"name\":\"Bo\",\"address\":\"\",\"entity\":3},{\"name\":\"\",\"address\":\"c@example.com\",\"folder\":\"" U1 "\"," },
	{ "resolveRecipients", "{\"queries\":[\"x\"],\"kinds\":[\"list\"]}", CT_CONTACT, "kinds=4 ", "\"more\":true}],\"unavailable\":[\"resource\"]}" },
	{ "search", "{\"objectType\":\"contact\",\"text\":\"ada\"}", CT_CONTACT, "search contact text=ada from=- body=- set=0 clear=0 any limit=50 cursor=-;",
	    "{\"found\":[{\"folder\":\"" U1 "\",\"object\":{\"uuid\":\"" U2 "\",\"objectType\":\"contact\",\"rev\":\"0123456789abcdef\"," },
	{ "search", "{\"objectType\":\"mail\",\"from\":\"a\",\"body\":\"b\",\"unread\":true,\"flagged\":true,\"answered\":false,\"after\":1,\"before\":2,\"limit\":100,\"cursor\":\"ab\",\"folder\":\"" U1 "\"}",
	    CT_MAIL, "search mail text=- from=a body=b set=8 clear=33 timed limit=100 cursor=ab;", "}],\"more\":true,\"cursor\":\"00ff\",\"cut\":true}" },
	{ "search", "{\"objectType\":\"mail\",\"unread\":false}", CT_MAIL, "set=32 clear=0 any", "\"objectType\":\"mail\"" },
	{ "search", "{\"objectType\":\"appointment\",\"text\":\"x\",\"before\":5}", CT_CALENDAR, "search appointment", "\"objectType\":\"appointment\"" },
	{ "search", "{\"objectType\":\"task\",\"text\":\"x\",\"after\":5}", CT_TASK, "search task text=x", "\"objectType\":\"task\"" },
	{ "getRules", "{}", CT_CONTACT, "rules;", "{\"rev\":\"00112233445566ff\",\"hidden\":0,\"rules\":[" RULE "],\"tests\":[{\"id\":\"subject\",\"comparisons\":[\"is\"]},"
	    "{\"id\":\"envelope\",\"parts\":[\"all\"],\"headers\":[\"from\"]}],\"actions\":[\"keep\"],\"nested\":true,\"maxRedirects\":4}" },
	{ "setRule", "{\"clientId\":\"c1\",\"name\":\"R\",\"test\":{\"id\":\"true\"},\"actions\":[],\"stop\":true,\"position\":2}", CT_CONTACT, "rule -1 c1 R -1 1 2 test actions;",
	    "{\"applied\":true,\"rule\":" RULE "}" },
	{ "setRule", "{\"id\":3,\"rev\":\"" R1 "\",\"active\":false}", CT_CONTACT, "rule 3 - - 0 -1 -1;", "{\"applied\":true,\"rule\":" RULE "}" },
	{ "deleteRule", "{\"id\":3,\"rev\":\"" R1 "\"}", CT_CONTACT, "rule_delete 3 " R1 ";", "{\"applied\":true}" },
	{ "orderRules", "{\"order\":[3,1],\"rev\":\"" R1 "\"}", CT_CONTACT, "order 2 " R1 ";", "{\"applied\":false,\"rev\":\"00112233445566ff\"}" },
	{ "getVacation", "{}", CT_CONTACT, "vacation;", "{\"exists\":true,\"active\":true,\"rev\":\"0123456789abcdef\",\"text\":\"away\",\"subject\":\"Away\",\"days\":7,"
	    "\"addresses\":[\"a@example.com\",\"b@example.com\"],\"from\":86400000,\"to\":172800000,\"zone\":\"+0100\",\"other\":false}" },
	{ "setVacation", "{\"active\":true,\"text\":\"t\",\"days\":3,\"addresses\":[\"a@b.de\"],\"from\":86400000,\"to\":null,\"zone\":\"+0100\"}", CT_CONTACT,
	    "vacation_set - 1 t 3 1 1:86400000 0:0 +0100;", "{\"applied\":true,\"exists\":false,\"active\":false}" },
	{ "getSignatures", "{}", CT_CONTACT, "signatures;", "{\"signatures\":[" SIGNATURE "]}" },
	{ "setSignature", "{\"clientId\":\"c1\",\"name\":\"S\",\"content\":\"x\",\"html\":true,\"default\":true}", CT_CONTACT, "signature - c1 1 1 -1;",
	    "{\"applied\":true,\"signature\":" SIGNATURE "}" },
	{ "deleteSignature", "{\"id\":\"3\",\"rev\":\"" R1 "\"}", CT_CONTACT, "signature_delete 3 " R1 ";", "{\"applied\":true}" },
	{ "getQuota", "{}", CT_CONTACT, "quota;", "{\"mail\":{\"used\":1,\"limit\":null},\"files\":{\"used\":5,\"limit\":6},\"contact\":{\"used\":3,\"limit\":null},"
	    "\"appointment\":{\"used\":3,\"limit\":null},\"task\":{\"used\":3,\"limit\":null}}" },
	{ "getProfile", "{}", CT_CONTACT, "profile;", "{\"user\":{\"contextId\":1,\"userId\":6,\"login\":\"ada\"},\"rev\":\"0123456789abcdef\",\"contact\":{\"first_name\":\"Ada\"},"
	    "\"identities\":{\"address\":\"ada@example.com\",\"aliases\":[\"ada@example.com\"]},\"settings\":{\"language\":\"de_DE\"},\"features\":[\"mail\",\"password\"],"
	    "\"password\":{\"minLength\":10,\"minClasses\":2,\"maxLength\":null},\"groupware\":{\"version\":\"8.19.0\"}}" },
	{ "setProfile", "{\"rev\":\"f123456789abcdef\",\"contact\":{\"note\":\"n\",\"title\":null},\"settings\":{\"language\":\"fr\"}}", CT_CONTACT,
	    "set rev=f123456789abcdef {\"title\":null,\"note\":\"n\"} settings=1;", "{\"applied\":false,\"user\":" },
	{ "setProfile", "{\"settings\":{\"language\":\"fr\"}}", CT_CONTACT, "set rev= {} settings=1;", "{\"applied\":true,\"user\":" },
	{ "changePassword", "{\"oldPassword\":\"old one\",\"newPassword\":\"new one\"}", CT_CONTACT, "password 8 2 old one to new one;",
	    "{\"strength\":\"good\",\"endedSessions\":2}" },
	{ "getClientVersion", "{}", CT_CONTACT, "", "{\"client\":null}" },
	{ "sendFeedback", "{\"data\":\"YWJj\",\"type\":\"text/plain\",\"version\":\"1.0\",\"comment\":\"it\\nhangs\"}", CT_CONTACT,
	    "feedback text/plain 1.0 it\nhangs abc;", "{\"id\":\"1795343426456-00112233-44556677\"}" },
	{ "getConflicts", "{}", CT_CONTACT, "conflicts 0 50;", "{\"conflicts\":[{\"id\":9,\"time\":5,\"expires\":6,\"objectType\":\"contact\",\"folder\":\"aa000000-0000-0000-0000-000000000002\","
	    "\"uuid\":\"" U1 "\",\"title\":\"Ada \\\"L\\\"\",\"device\":\"desk\",\"loser\":\"client\",\"winner\":\"server\",\"fields\":[\"note\"],"
	    "\"values\":{\"note\":\"mine\",\"email1\":null}},{\"id\":8,\"time\":5,\"expires\":6,\"objectType\":\"folder\",\"loser\":\"server\",\"winner\":\"device\","
	    "\"fields\":[\"note\"],\"octets\":true,\"values\":{\"note\":\"mine\",\"email1\":null,\"image1\":\"AAAA\"}}],\"more\":false}" },
	{ "getConflicts", "{\"limit\":2000000000,\"after\":9}", CT_CONTACT, "conflicts 9 1000;", "\"more\":false}" },
	{ "restoreConflict", "{\"id\":9}", CT_CONTACT, "restore 9 -;", "\"data\":{\"status\":\"ok\",\"uuid\":\"aa000000-0000-0000-0000-000000000003\"}}" },
	{ "restoreConflict", "{\"id\":9,\"rev\":\"" R1 "\"}", CT_CONTACT, "restore 9 " R1 ";", "\"data\":{\"status\":\"conflict\"}}" },
	{ "restoreConflict", "{\"id\":7}", CT_CONTACT, "restore 7 -;", "\"data\":{\"status\":\"retry\"}}" },
	{ "dismissConflict", "{\"id\":9}", CT_CONTACT, "dismiss 9;", "\"data\":{}}" },
	{ "setConfig", "{\"resolutions\":{\"" U1 "\":{\"conflictResolution\":\"client\",\"deleteResolution\":null},\"" U2 "\":null}}", CT_CONTACT, "",
	    "\"folders\":{},\"resolutions\":{\"" U1 "\":{\"conflictResolution\":\"client\"}},\"types\":" },
	{ "syncUpdate", UP "\"created\":[{\"clientId\":\"re." U1 ".desk-1\",\"note\":\"n\"}]}", CT_CONTACT, "create cid=re." U1 ".desk-1 note=n;", "" },
	{ "syncUpdate", UP "\"modified\":[{\"uuid\":\"" U2 "\",\"folder\":\"" U1 "\"}]}", CT_CONTACT, "modify uuid=" U2 " to=" U1 ";",
	    "{\"uuid\":\"" U2 "\",\"status\":\"ok\",\"newUuid\":\"aa000000-0000-0000-0000-0000000000c8\"}" },
	{ "syncUpdate", UP "\"deleted\":[{\"uuid\":\"" U2 "\",\"rev\":\"" R1 "\",\"blind\":true},{\"clientId\":\"c9\"}]}", CT_CONTACT,
	    "delete uuid=" U2 " rev=" R1 " blind delete cid=c9;", "{\"uuid\":\"" U2 "\",\"status\":\"ok\"},{\"clientId\":\"c9\",\"status\":\"gone\"}" },
	{ "syncUpdate", UP "\"deleted\":[{\"clientId\":\"d1\"}],\"modified\":[{\"uuid\":\"" U2 "\",\"note\":\"n\"}],\"created\":[{\"clientId\":\"c1\",\"note\":\"n\"}]}", CT_CONTACT,
	    "create cid=c1 note=n modify uuid=" U2 " note=n delete cid=d1;", "" },
	{ "syncUpdate", UP "\"created\":[{\"clientId\":\"m1\",\"raw\":\"U3ViamVjdDogYQ0K\",\"flags\":32},{\"clientId\":\"m2\",\"raw\":\"U3ViamVjdDogYgo=\"}]}", CT_MAIL,
	    "create cid=m1 raw=Subject: a\r\n flags=set create cid=m2 raw=Subject: b\n;", "" },
	{ "syncUpdate", UP "\"modified\":[{\"uuid\":\"" U2 "\",\"flags\":32,\"color_label\":3,\"folder\":\"" U1 "\"}]}", CT_MAIL, "to=" U1 " flags=set color_label=set;", "" },
	{ "syncUpdate", "{\"syncid\":\"" S1 "\",\"request\":1,\"created\":[{\"clientId\":\"f1\",\"title\":\"T\",\"module\":\"contacts\",\"parent\":\"" U1 "\"}]}", CT_CONTACT,
	    "folder=- k=1 limit=50 create cid=f1 to=" U1 " title=T module=contacts;", "" },
	{ "syncUpdate", "{\"syncid\":\"" S1 "\",\"request\":1,\"modified\":[{\"uuid\":\"" U2 "\",\"parent\":null,\"blind\":[\"parent\"]}]}", CT_CONTACT,
	    "modify uuid=" U2 " to=00000000-0000-0000-0000-000000000000 !folder_id;", "" },
	{ "syncUpdate", "{\"syncid\":\"" S1 "\",\"rejected\":[{\"uuid\":\"" U1 "\",\"reason\":\"no room\"}]}", CT_CONTACT, "limit=50 rejected=no room;", "" },
	{ "respondToInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"response\":\"tentative\",\"message\":\"late\",\"occurrence\":86400000}", CT_CALENDAR,
	    "respond " U1 " " U2 " 3 \"late\" 86400000;", "\"data\":{\"uuid\":\"" U2 "\"}}" },
	{ "respondToInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"response\":\"decline\",\"message\":null}", CT_TASK, "respond " U1 " " U2 " 2 \"\" -1;", "" },
	{ "getFreeBusy", "{\"who\":[{\"user\":3},{\"group\":8},{\"name\":\"N\"}],\"from\":1,\"to\":100}", CT_CALENDAR, "busy 1 100 1:3 2:8 0:0N;",
	    "{\"attendees\":[{\"type\":\"user\",\"entity\":3,\"name\":\"Ada\",\"mail\":\"a@x\",\"busy\":[{\"start\":10,\"end\":20,\"shown\":\"busy\"}]},{\"type\":\"group\",\"entity\":8,"
	    "\"members\":[{\"type\":\"user\",\"entity\":3,\"name\":\"Ada\",\"mail\":\"a@x\",\"busy\":[{\"start\":10,\"end\":20,\"shown\":\"busy\"}]}]},{\"type\":\"unknown\","
	    "\"name\":\"N\",\"error\":{\"code\":\"unknown\",\"message\":\"Nobody\"}}]}" },
	{ "getFreeBusy", "{\"who\":[{\"mail\":\"a@x\"}],\"from\":1,\"to\":100,\"details\":true,\"exclude\":{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\"}}", CT_CALENDAR,
	    "busy 1 100 0:0a@x exclude;", "\"appointments\":[{\"start\":12,\"end\":20,\"shown\":\"free\",\"full_time\":true,\"title\":\"T\",\"location\":\"L\"}]" },
	{ "analyzeInvitation", "{" MAIL "}", CT_MAIL, "analyze;", "{\"method\":\"request\",\"part\":\"2\",\"uid\":\"u\",\"actions\":[\"accept\",\"decline\"],\"collides\":false,"
	    "\"messages\":[\"You are invited.\"],\"changes\":[{\"type\":\"create\",\"folder\":\"" },
	{ "applyInvitation", "{" MAIL ",\"action\":\"decline\",\"message\":\"no\",\"ignoreConflicts\":true}", CT_MAIL, "apply 2 \"no\" ignore;", "{\"changed\":true,\"appointments\":[{\"folder\":\"" },
	{ "applyInvitation", "{" MAIL ",\"action\":\"tentative\",\"message\":null}", CT_MAIL, "apply 1 \"\";", "{\"changed\":false," },
	{ "syncUpdate", UP "\"created\":[{\"clientId\":\"x\",\"recurrence_id\":\"" U1 "\",\"recurrence_date_position\":86400000,\"title\":\"T\",\"ignoreConflicts\":true,\"notify\":false}]}",
	    CT_CALENDAR, "create cid=x series=" U1 " ignore silent title=T recurrence_date_position=set;", "" },
	{ "syncUpdate", UP "\"modified\":[{\"uuid\":\"" U2 "\",\"title\":\"T\",\"ignoreConflicts\":false,\"notify\":false}]}", CT_CALENDAR, "modify uuid=" U2 " silent title=T;", "" },
	{ "reconcile", "{\"folder\":\"" U1 "\",\"pairs\":[[\"" U1 "\",\"" R1 "\"],[\"" U2 "\",\"\"]]}", CT_CONTACT, "sync reconcile folder=" U1 " k=0 limit=50 pairs=2,\"" R1 "\";", "\"more\":false" },
	{ "reconcile", "{\"pairs\":[]}", CT_CONTACT, "sync reconcile folder=-", "\"syncid\":\"" S1 "\"" },
	{ "setConfig", "{\"mailDelete\":\"final\"}", CT_CONTACT, "", "\"mailDelete\":\"final\"" },
	{ "syncUpdate", UP "\"modified\":[{\"uuid\":\"" U2 "\",\"raw\":\"U3ViamVjdDogYQ0K\"}]}", CT_MAIL, "modify uuid=" U2 " raw=Subject: a\r\n;", "" },
	{ "getMailBody", "{" MAIL ",\"format\":\"text\"}", CT_MAIL, "body;", "{\"text\":\"plain <b>\\n\",\"attachments\":[{\"id\":\"1.2\",\"contentType\":\"text/html\",\"size\":7,"
	    "\"inline\":true},{\"id\":\"2\",\"filename\":\"a \\\"b\\\".txt\",\"contentType\":\"text/plain\",\"size\":16},{\"id\":\"3\","
	    "\"contentType\":\"application/octet-stream\",\"inline\":true,\"contentId\":\"img1\"}]}" },
	{ "getMailBody", "{" MAIL ",\"format\":\"html\"}", CT_MAIL, "body;", "{\"html\":\"<p>html\",\"attachments\":[{\"id\":\"1.1\"," },
	{ "sendMail", "{\"clientId\":\"s1\",\"raw\":\"U3ViamVjdDogYQ0K\"}", CT_MAIL, "send cid=s1 raw=Subject: a\r\n save=-1;", "\"data\":{\"state\":\"sent\"}" },
	{ "sendMail", "{\"clientId\":\"s1\",\"raw\":\"U3ViamVjdDogYQ0K\",\"saveSent\":true,\"reply\":{" MAIL "},\"forward\":{" MAIL "},\"draft\":{" MAIL "}}", CT_MAIL,
	    "save=1 reply forward draft;", "{\"state\":\"sent\",\"folder\":\"aa000000-0000-0000-0000-000000000004\",\"uuid\":\"aa000000-0000-0000-0000-000000000005\"}" },
	{ "sendMail", "{\"clientId\":\"s1\",\"raw\":\"U3ViamVjdDogYQ0K\",\"saveSent\":false,\"resend\":true}", CT_MAIL, "save=0 again;", "{\"state\":\"unknown\"}" },
	{ "moveItems", "{\"folder\":\"" U1 "\",\"to\":\"" U2 "\",\"items\":[{\"uuid\":\"" U1 "\"},{\"uuid\":\"" U2 "\"}]}", CT_MAIL, "move 2;",
	    "{\"results\":[{\"uuid\":\"" U1 "\",\"status\":\"ok\",\"newUuid\":\"aa000000-0000-0000-0000-000000000009\"},{\"uuid\":\"" U2 "\",\"status\":\"gone\"}]}" },
	{ "copyItems", "{\"folder\":\"" U1 "\",\"to\":\"" U2 "\",\"items\":[{" CP("1") "},{" CP("2") "},{" CP("3") "},{" CP("4") "}]}", CT_MAIL,
	    "copy cid=c1 cid=c2 cid=c3 cid=c4 4;", "\"clientId\":\"c3\",\"status\":\"retry\"},{\"uuid\":\"" U1 "\",\"clientId\":\"c4\",\"status\":\"error\",\"error\":{\"code\":\"forbidden\"" },
};

START_TEST(good_request)
{
	const struct good *g = &rows[_i];
	struct reply rep, again;
	char path[40];
	const char *why;

	fake.ct = g->ct;
	(void)snprintf(path, sizeof(path), "/%s", g->command);
	why = schema_check_request(g->command, g->body, strlen(g->body));
	ck_assert_msg(why == NULL, "%s: %s", g->body, why);
	post(path, g->body, &rep);
	ck_assert_msg(rep.status == 200, "%s: %d %.500s", g->body, rep.status, rep.body);
	ck_assert_str_eq(rep.content_type, "application/json; charset=utf-8");
	ck_assert_uint_eq(strlen(rep.body), rep.body_len);
	why = schema_check(g->command, rep.body, rep.body_len);
	ck_assert_msg(why == NULL, "%s in %.500s", why, rep.body);
	ck_assert_msg(strstr(fake.log, g->log) != NULL, "the engine saw: %s", fake.log);
	ck_assert_msg(strstr(rep.body, g->text) != NULL, "%s: %.900s", g->body, rep.body);
	ck_assert_int_eq(strncmp(rep.body, "{\"status\":1,\"time\":1795343426456,\"data\":{", 41), 0);
	/* the same input gives the same bytes */
	post(path, g->body, &again);
	ck_assert_str_eq(rep.body, again.body);
	reply_fini(&rep);
	reply_fini(&again);
}
END_TEST

/*
 * The N-th allocation fails, once, for every N until a request needs fewer: jansson's count as well.  The answer is whole, or an error that says
 * "later"; the engine hears the whole request, or nothing; nothing is left open or leaked (make asan).
 */
static unsigned long allowed;

static bool
out_of_memory(void)
{
	return allowed != 0 && --allowed == 0;
}

START_TEST(out_of_memory_anywhere)
{
	const struct good *g = &rows[_i];
	struct reply whole, rep;
	char path[40], log[sizeof(fake.log)];
	json_malloc_t was_alloc;
	json_free_t was_free;

	fake.ct = g->ct;
	(void)snprintf(path, sizeof(path), "/%s", g->command);
	post(path, g->body, &whole);
	(void)snprintf(log, sizeof(log), "%s", fake.log);
	json_get_alloc_funcs(&was_alloc, &was_free);
	model_json_memory();
	mem_override(out_of_memory);
	for (unsigned long n = 1;; n++) {
		fake.log[0] = '\0';
		allowed = n;
		post(path, g->body, &rep);
		if (allowed > 0) { /* it needed fewer */
			allowed = 0;
			ck_assert_str_eq(rep.body, whole.body);
			reply_fini(&rep);
			break;
		}
		ck_assert_msg(strncmp(log, fake.log, strlen(fake.log)) == 0, "%s, allocation %lu: the engine saw %s", g->body, n, fake.log);
		if (rep.status == 200)
			ck_assert_msg(strcmp(rep.body, whole.body) == 0, "%s, allocation %lu: %.900s", g->body, n, rep.body);
		else
			ck_assert_msg(rep.status >= 500 && (rep.body == NULL || schema_check(g->command, rep.body, rep.body_len) == NULL), "%s, allocation %lu: %d %.900s",
			    g->body, n, rep.status, rep.body);
		reply_fini(&rep);
		ck_assert_int_eq(fake.sessions, 0);
		ck_assert_int_eq(fake.answers, 0);
	}
	mem_override(NULL);
	json_set_alloc_funcs(was_alloc, was_free);
	reply_fini(&whole);
}
END_TEST

/* every field of every type, whole and changed: valid by the schemas, OX's own ids of folder objects stay inside */
START_TEST(all_fields)
{
	struct reply rep;
	json_t *j, *created, *modified, *o;

	fake.ct = (enum content)_i;
	fake.items = 4;
	post("/syncUpdate", fake.ct == CT_FOLDER ? "{\"syncid\":\"" S1 "\"}" : "{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\"}", &rep);
	ck_assert_msg(schema_check("syncUpdate", rep.body, rep.body_len) == NULL, "%s", schema_check("syncUpdate", rep.body, rep.body_len));
	j = answer_json(&rep);
	created = json_object_get(json_object_get(j, "data"), "created");
	modified = json_object_get(json_object_get(j, "data"), "modified");
	ck_assert_uint_eq(json_array_size(created), 4);
	ck_assert_uint_eq(json_array_size(modified), 4);
	o = json_array_get(created, 0);
	for (size_t i = 0; i < model_content(fake.ct)->n_fields; i++) {
		const struct field *f = &model_content(fake.ct)->fields[i];
		bool inside = (f->flags & (FF_NODELIVER | FF_APART)) != 0 || (fake.ct == CT_FOLDER && strcmp(f->name, "folder_id") == 0);

		ck_assert_msg((json_object_get(o, f->name) != NULL) == !inside, "%s", f->name);
		ck_assert_msg((json_object_get(json_array_get(modified, 1), f->name) != NULL) == !inside, "%s", f->name);
	}
	ck_assert_str_eq(json_string_value(json_object_get(o, "clientId")), "local.1");
	/* only what changed, a cleared field as null */
	o = json_array_get(modified, 0);
	ck_assert(json_is_null(json_object_get(o, model_content(fake.ct)->fields[9].name)));
	ck_assert_uint_le(json_object_size(o), 6);
	json_decref(j);
	reply_fini(&rep);
}
END_TEST

/* each kind of result, and OX's own code and text in the place where the change stood */
START_TEST(results)
{
	char body[4000] = "{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\",\"request\":1,\"created\":[";
	struct reply rep;
	json_t *j, *list, *e;
	static const char *const want[] = { "ok", "gone", "refused", "retry", "conflict", "recreate", "held", "error" };

	for (int i = 0; i < 4; i++)
		(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), "%s{\"clientId\":\"c%d\",\"note\":\"x\"}", i > 0 ? "," : "", i);
	(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), "],\"modified\":[");
	for (int i = 0; i < 4; i++)
		(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), "%s{\"uuid\":\"aa000000-0000-0000-0000-0000000000%02d\",\"note\":\"x\"}", i > 0 ? "," : "", i);
	(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), "]}");
	post("/syncUpdate", body, &rep);
	j = answer_json(&rep);
	list = json_object_get(json_object_get(j, "data"), "results");
	ck_assert_uint_eq(json_array_size(list), 8);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, i), "status")), want[i]);
	e = json_object_get(json_array_get(list, 7), "error");
	ck_assert_str_eq(json_string_value(json_object_get(e, "code")), "bad-request");
	ck_assert_str_eq(json_string_value(json_object_get(e, "message")), "Die E-Mail-Adresse ist ung\xc3\xbcltig.");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(e, "details"), "ox")), "CON-0100");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(e, "details"), "path")), "modified[3].email1");
	ck_assert_ptr_null(schema_check("syncUpdate", rep.body, rep.body_len));
	json_decref(j);
	reply_fini(&rep);
}
END_TEST

START_TEST(reconcile_has_no_syncid_before_its_end)
{
	struct reply rep;

	fake.more = true;
	post("/reconcile", "{\"pairs\":[]}", &rep);
	ck_assert_ptr_null(strstr(rep.body, "\"syncid\""));
	ck_assert_ptr_nonnull(strstr(rep.body, "\"more\":true"));
	ck_assert_ptr_null(schema_check("reconcile", rep.body, rep.body_len));
	reply_fini(&rep);
}
END_TEST

START_TEST(cookies)
{
	struct usmjson_options o = { .cookie_secure = true };
	struct reply rep;
	struct err e;

	post("/LOGIN", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1}", &rep);
	ck_assert_str_eq(rep.set_cookie, "usm_session=" FAKE_TOKEN "; Path=/usm-json; HttpOnly; SameSite=Strict; Max-Age=3600");
	reply_fini(&rep);
	usmjson_free(&proto);
	ck_assert_int_eq(usmjson_new(fake_engine(), &o, &proto, &e), RC_OK);
	post("/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1}", &rep);
	ck_assert_str_eq(rep.set_cookie, "usm_session=" FAKE_TOKEN "; Path=/usm-json; HttpOnly; SameSite=Strict; Max-Age=3600; Secure");
	reply_fini(&rep);
	post("/logout", "{}", &rep);
	ck_assert_str_eq(rep.set_cookie, "usm_session=; Path=/usm-json; HttpOnly; SameSite=Strict; Max-Age=0; Secure");
	reply_fini(&rep);
	/* no cookie with a refusal; throttled without a time gets one */
	fake.fail_in = "login";
	(void)err_set(&fake.err, RC_LIMIT, "Too many attempts");
	post("/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1}", &rep);
	ck_assert_str_eq(rep.set_cookie, "");
	ck_assert_int_eq(rep.retry_after_s, 60);
	check_error("throttled", "login", &rep, 429, 13, "throttled", "");
	(void)err_set(&fake.err, RC_DENIED, "User name or password is wrong");
	post("/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1}", &rep);
	ck_assert_ptr_null(strstr(rep.body, "\"x\""));
	check_error("denied", "login", &rep, 401, 3, "login-required", "");
}
END_TEST

static const char *origin_headers[4][2];

static const char *
origin_header(const struct request *req, const char *name)
{
	(void)req;
	for (size_t i = 0; i < ARRAY_LEN(origin_headers); i++)
		if (origin_headers[i][0] != NULL && strcmp(origin_headers[i][0], name) == 0)
			return origin_headers[i][1];
	return NULL;
}

/* A cookie counts only where no page of another site can have made the browser send it. */
START_TEST(cookies_of_other_sites)
{
	static const struct {
		const char *site, *origin, *host, *forwarded;
		bool bearer;
		int status;
	} t[] = {
		{ NULL, NULL, "usm.example.com", NULL, false, 200 },
		{ NULL, "https://usm.example.com", "usm.example.com", NULL, false, 200 },
		{ NULL, "https://USM.example.com:8443", "usm.example.com:8443", NULL, false, 200 },
		{ NULL, "https://usm.example.com", "127.0.0.1:8090", "usm.example.com", false, 200 },
		{ NULL, "https://usm.example.com", "127.0.0.1:8090", "x.example.org, usm.example.com", false, 200 },
		{ NULL, "https://evil.example.org", "usm.example.com", NULL, false, 403 },
		{ NULL, "https://usm.example.com.evil.example.org", "usm.example.com", NULL, false, 403 },
		{ NULL, "https://usm.example.com:1", "usm.example.com", NULL, false, 403 },
		{ NULL, "null", "usm.example.com", NULL, false, 403 },
		{ NULL, "https://", "", NULL, false, 403 },
		{ "same-origin", "https://usm.example.com", "127.0.0.1", NULL, false, 200 },
		{ "none", NULL, "usm.example.com", NULL, false, 200 },
		{ "same-site", "https://usm.example.com", "usm.example.com", NULL, false, 403 },
		{ "cross-site", NULL, "usm.example.com", NULL, false, 403 },
		{ "cross-site", "https://evil.example.org", "usm.example.com", NULL, true, 200 },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct request req = { .method = "POST", .path = "/getConfig", .token = FAKE_TOKEN, .bearer = t[i].bearer, .user_agent = "", .language = "",
			.content_type = "application/json", .client_ip = "", .body = "{}", .body_len = 2, .header = origin_header };
		struct reply rep = { 0 };
		int64_t before = metric_get(M_ORIGIN_REFUSED);

		memcpy(origin_headers, (const char *[4][2]){ { "Sec-Fetch-Site", t[i].site }, { "Origin", t[i].origin }, { "Host", t[i].host },
		    { "X-Forwarded-Host", t[i].forwarded } }, sizeof(origin_headers));
		proto.handle(proto.self, &req, &rep);
		ck_assert_msg(rep.status == t[i].status, "%zu: %d", i, rep.status);
		ck_assert_int_eq(metric_get(M_ORIGIN_REFUSED) - before, t[i].status == 403);
		reply_fini(&rep);
	}
}
END_TEST

START_TEST(mail_octets)
{
	struct reply rep;

	post("/getMail", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\"}", &rep);
	ck_assert_int_eq(rep.status, 200);
	ck_assert_str_eq(rep.own_type, "message/rfc822");
	ck_assert_uint_eq(rep.body_len, 26);
	ck_assert_int_eq(memcmp(rep.body, "Subject: \xe4 8-bit\r\n\r\nbody\r\n", 26), 0);
	ck_assert_str_eq(fake.log, "mail " U1 " " U2 ";");
	reply_fini(&rep);
	fake.fail_in = "mail";
	(void)err_set(&fake.err, RC_NOTFOUND, "The mail does not exist any more");
	post("/getMail", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\"}", &rep);
	check_error("gone", "getMail", &rep, 404, 5, "not-found", "");
}
END_TEST

START_TEST(permissions)
{
	static const char entries[] = "\"rev\":\"00112233445566aa\",\"own\":{\"level\":\"Publishing Editor\",\"rights\":{\"folder\":\"subfolders\",\"read\":\"all\","
	    "\"write\":\"all\",\"delete\":\"all\",\"administer\":false}},\"entries\":[{\"entity\":3,\"group\":false,\"type\":\"user\",\"name\":\"Anton Anders\",\"level\":\"Owner\",";
	struct reply rep;

	post("/getPermissions", "{\"folder\":\"" U1 "\"}", &rep);
	ck_assert_int_eq(rep.status, 200);
	ck_assert_ptr_null(schema_check("getPermissions", rep.body, rep.body_len));
	ck_assert_ptr_nonnull(strstr(rep.body, entries));
	ck_assert_ptr_nonnull(strstr(rep.body, "\"type\":\"guest\",\"name\":\"g@example.org\",\"level\":\"Custom\",\"rights\":{\"folder\":\"see\",\"read\":\"own\",\"write\":\"none\""));
	reply_fini(&rep);
	fake.log[0] = '\0';
	post("/setPermissions", "{\"folder\":\"" U1 "\",\"rev\":\"" R1 "\",\"set\":[{\"entity\":0,\"group\":true,\"level\":\"author\"},{\"name\":\"berta\",\"rights\":{\"folder\":\"create\","
	    "\"read\":\"own\",\"write\":\"all\",\"delete\":\"none\",\"administer\":true}}],\"remove\":[{\"entity\":5}]}", &rep);
	ck_assert_str_eq(fake.log, "permit " R1 " g0=2113794 0berta=268468354 5-=0;");
	ck_assert_ptr_null(schema_check("setPermissions", rep.body, rep.body_len));
	ck_assert_ptr_nonnull(strstr(rep.body, "{\"applied\":true,\"rev\""));
	reply_fini(&rep);
	fake.fail_in = "permit";
	(void)err_set(&fake.err, RC_FORBIDDEN, "No right");
	post("/setPermissions", "{\"folder\":\"" U1 "\",\"rev\":\"" R1 "\",\"remove\":[{\"entity\":5}]}", &rep);
	ck_assert_ptr_nonnull(strstr(rep.body, "\"right\":\"administer\""));
	check_error("right", "setPermissions", &rep, 403, 4, "forbidden", "");
}
END_TEST

START_TEST(photo_octets)
{
	struct reply rep;

	post("/getPhoto", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\"}", &rep);
	ck_assert_int_eq(rep.status, 200);
	ck_assert_str_eq(rep.own_type, "image/jpeg");
	ck_assert_uint_eq(rep.body_len, 11);
	ck_assert_str_eq(fake.log, "photo " U1 " " U2 ";");
	reply_fini(&rep);
	fake.fail_in = "photo";
	(void)err_set(&fake.err, RC_NOTFOUND, "this contact has no picture");
	post("/getPhoto", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\"}", &rep);
	check_error("none", "getPhoto", &rep, 404, 5, "not-found", "");
}
END_TEST

#define ATTACHMENT "\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\""
START_TEST(attachments)
{
	struct reply rep;

	post("/getAttachments", "{" ATTACHMENT "}", &rep);
	ck_assert_ptr_null(schema_check("getAttachments", rep.body, rep.body_len));
	ck_assert_ptr_nonnull(strstr(rep.body, "\"filename\":\"a \\\"b\\\".txt\",\"contentType\":\"text/plain\",\"size\":3,\"created\":5"));
	reply_fini(&rep);
	post("/addAttachment", "{" ATTACHMENT ",\"filename\":\"\xc3\xa4.txt\",\"contentType\":\"text/plain\",\"data\":\"QUJD\"}", &rep);
	ck_assert_ptr_null(schema_check("addAttachment", rep.body, rep.body_len));
	ck_assert_ptr_nonnull(strstr(rep.body, "\"number_of_attachments\":4,\"lastModifiedOfNewestAttachmentUTC\":7"));
	ck_assert_ptr_nonnull(strstr(fake.log, "\xc3\xa4.txt text/plain 3 ABC;"));
	reply_fini(&rep);
	post("/addAttachment", "{" ATTACHMENT ",\"filename\":\"empty\",\"data\":\"\"}", &rep);
	ck_assert_ptr_null(schema_check("addAttachment", rep.body, rep.body_len));
	ck_assert_ptr_nonnull(strstr(fake.log, "empty  0 ;"));
	reply_fini(&rep);
	post("/deleteAttachment", "{" ATTACHMENT ",\"id\":\"" U1 "\"}", &rep);
	ck_assert_ptr_null(schema_check("deleteAttachment", rep.body, rep.body_len));
	ck_assert_ptr_nonnull(strstr(rep.body, "\"lastModifiedOfNewestAttachmentUTC\":null"));
	reply_fini(&rep);
}
END_TEST

/* What OX calls the type of an attachment becomes a header only where it is one. */
START_TEST(attachment_octets)
{
	static const struct { const char *octets, *type, *header; } t[] = {
		{ "%PDF", "application/pdf", "application/pdf" }, { "x", "", "application/octet-stream" },
		{ "", "text/x\r\nSet-Cookie: a=b", "application/octet-stream" },
	};
	struct reply rep;

	for (size_t i = 0; i < 3; i++) {
		fake.octets = t[i].octets;
		fake.type = t[i].type;
		post("/getAttachment", "{" ATTACHMENT ",\"id\":\"" U1 "\"}", &rep);
		ck_assert_int_eq(rep.status, 200);
		ck_assert_str_eq(rep.own_type, t[i].header);
		ck_assert_uint_eq(rep.body_len, strlen(t[i].octets));
		reply_fini(&rep);
	}
}
END_TEST

/* an error from each engine call leaves nothing open (the fixture looks) and is answered */
START_TEST(failing_calls)
{
	static const struct { const char *in, *path, *body; } rows_[] = {
		{ "session_open", "/getConfig", "{}" }, { "logout", "/logout", "{}" }, { "config_set", "/setConfig", "{}" }, { "sync", "/syncInit", "{}" },
		{ "sync", "/syncEstimate", "{\"syncid\":\"" S1 "\"}" }, { "sync", "/reconcile", "{\"pairs\":[]}" },
		{ "folder_type", "/syncUpdate", "{\"syncid\":\"" S1 "\",\"request\":1,\"deleted\":[{\"clientId\":\"c\"}]}" },
		{ "sync", "/syncUpdate", "{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\",\"request\":1,\"created\":[{\"clientId\":\"c\",\"note\":\"x\"}]}" },
		{ "respond", "/respondToInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"response\":\"accept\"}" },
		{ "busy", "/getFreeBusy", "{\"who\":[{\"user\":3}],\"from\":1,\"to\":100}" }, { "analyze", "/analyzeInvitation", "{" MAIL "}" },
		{ "apply", "/applyInvitation", "{" MAIL ",\"action\":\"accept\"}" },
		{ "conflicts", "/getConflicts", "{}" }, { "restore", "/restoreConflict", "{\"id\":1}" }, { "dismiss", "/dismissConflict", "{\"id\":1}" },
		{ "watch_new", "/ping", "{\"folders\":[{\"syncid\":\"" S1 "\"}],\"heartbeat\":60}" },
		{ "watch_check", "/ping", "{\"folders\":[{\"syncid\":\"" S1 "\"}],\"heartbeat\":60}" },
	};
	struct reply rep;

	for (size_t i = 0; i < ARRAY_LEN(rows_); i++) {
		fake.fail_in = rows_[i].in;
		(void)err_set(&fake.err, RC_FORBIDDEN, "No right");
		post(rows_[i].path, rows_[i].body, &rep);
		check_error(rows_[i].path, rows_[i].path + 1, &rep, 403, 4, "forbidden", "");
	}
}
END_TEST

/* what the device does not get is in no whole object, and what is left out is told; settings of one folder come and go */
START_TEST(hidden_and_noticed)
{
	static const char *const codes[] = { "too-many-objects", "too-many-attachments", "unreadable", "too-large", "rejected", "deletions-held", "set-aside" };
	const json_t *data, *list, *o;
	struct reply rep;
	json_t *j;

	fmask_set(&fake.hidden, (unsigned)model_field(model_content(CT_CONTACT), "note"));
	fake.notices = true;
	fake.mode = MODE_HEADERS;
	post("/syncInit", "{\"folder\":\"" U1 "\"}", &rep);
	ck_assert_ptr_null(schema_check("syncInit", rep.body, rep.body_len));
	j = answer_json(&rep);
	data = json_object_get(j, "data");
	ck_assert_str_eq(json_string_value(json_object_get(data, "mode")), "headers");
	o = json_array_get(json_object_get(data, "created"), 0);
	ck_assert(json_object_get(o, "note") == NULL && json_object_get(o, "last_name") != NULL);
	list = json_object_get(data, "notices");
	ck_assert_uint_eq(json_array_size(list), ARRAY_LEN(codes));
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, i), "code")), codes[i]);
	o = json_array_get(list, 0);
	ck_assert_str_eq(json_string_value(json_object_get(o, "message")), "This folder holds 7 objects, 3 are synchronized: the newest ones. The others stay on the server.");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(o, "details"), "folder")), U1);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(o, "details"), "limit")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json_array_get(list, 3), "details"), "size")), 307);
	json_decref(j);
	reply_fini(&rep);
	for (int i = 0; i < 2; i++) {
		post("/setConfig", i == 0 ? "{\"folders\":{\"" U1 "\":\"off\",\"" U2 "\":\"full\"}}" : "{\"folders\":{\"" U1 "\":null}}", &rep);
		ck_assert_ptr_nonnull(strstr(rep.body, i == 0 ? "\"folders\":{\"" U1 "\":\"off\",\"" U2 "\":\"full\"}" : "\"folders\":{\"" U2 "\":\"full\"}"));
		reply_fini(&rep);
	}
	/* who wins is said apart: neither of the two forgets the other */
	post("/setConfig", "{\"resolutions\":{\"" U1 "\":{\"deleteResolution\":\"error\"},\"" U2 "\":{\"conflictResolution\":\"client\"}}}", &rep);
	ck_assert_ptr_nonnull(strstr(rep.body, "\"folders\":{\"" U2 "\":\"full\"},\"resolutions\":{\"" U2 "\":{\"conflictResolution\":\"client\"},\"" U1 "\":{\"deleteResolution\":\"error\"}}"));
	reply_fini(&rep);
	post("/setConfig", "{\"folders\":{\"" U2 "\":null},\"resolutions\":{\"" U1 "\":null}}", &rep);
	ck_assert_ptr_nonnull(strstr(rep.body, "\"folders\":{},\"resolutions\":{\"" U2 "\":{\"conflictResolution\":\"client\"}}"));
	reply_fini(&rep);
}
END_TEST

/* no field may be named like a member of the envelope, or one of them could not be said */
START_TEST(no_field_hides_a_member)
{
	static const char *const members[] = { "uuid", "objectType", "rev", "clientId", "own", "parent", "again", "blind", "folder", "raw", "owner", "displayName", "truncated" };

	for (int ct = 0; ct < CT_COUNT; ct++)
		for (size_t i = 0; i < ARRAY_LEN(members); i++)
			ck_assert_msg(model_field(model_content((enum content)ct), members[i]) < 0, "%s", members[i]);
}
END_TEST

Suite *
suite_answers(void)
{
	Suite *s = suite_create("usmjson answers");
	TCase *t = tcase_create("good");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, good_request, 0, (int)ARRAY_LEN(rows));
	tcase_add_loop_test(t, out_of_memory_anywhere, 0, (int)ARRAY_LEN(rows));
	tcase_add_loop_test(t, all_fields, 0, CT_COUNT);
	tcase_add_test(t, results);
	tcase_add_test(t, hidden_and_noticed);
	tcase_add_test(t, reconcile_has_no_syncid_before_its_end);
	tcase_add_test(t, cookies);
	tcase_add_test(t, cookies_of_other_sites);
	tcase_add_test(t, mail_octets);
	tcase_add_test(t, permissions);
	tcase_add_test(t, photo_octets);
	tcase_add_test(t, attachments);
	tcase_add_test(t, attachment_octets);
	tcase_add_test(t, failing_calls);
	tcase_add_test(t, no_field_hides_a_member);
	suite_add_tcase(s, t);
	return s;
}
