/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Bad requests, one row each: the status, the code and the JSON path that the client is told; nothing reaches the engine.  A change that is wrong
 * but says which object it is about reaches the engine as refused.
 */
#include <stdio.h>
#include <string.h>

#include "harness/schema.h"
#include "helpers.h"
#include "protocol/usmjson/usmjson_int.h"

struct bad {
	const char *path, *body;
	const char *code;
	const char *where;
};

#define UP "{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\",\"request\":1,"
#define PERMIT "{\"folder\":\"" U1 "\",\"rev\":\"" R1 "\","
#define NEW "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\",\"filename\":"
static const struct bad rows[] = {
	/* the body */
	{ "/ping", "", "bad-request", "" },
	{ "/ping", "[]", "bad-request", "" },
	{ "/ping", "{", "bad-request", "" },
	{ "/ping", "{} x", "bad-request", "" },
	{ "/getConfig", "{\"a\":1,\"a\":2}", "bad-request", "a" },
	{ "/getConfig", "{\"a\":\"\xff\"}", "bad-request", "" },
	{ "/getConfig", "{\"a\":\"\xed\xa0\x80\"}", "bad-request", "" },
	{ "/getConfig", "{\"a\":\"\\u0000\"}", "bad-request", "a" },
	{ "/getConfig", "{\"a\":1e999}", "bad-request", "a" },
	{ "/getConfig", "{\"a\":99999999999999999999}", "bad-request", "a" },
	{ "/getConfig", "{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", "limit", "a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]" },
	/* members that do not exist */
	{ "/getConfig", "{\"a\":1}", "bad-request", "a" },
	{ "/logout", "{\"token\":\"x\"}", "bad-request", "token" },
	{ "/serverInfo", "{\"a\":1}", "bad-request", "a" },
	{ "/getQuota", "{\"a\":1}", "bad-request", "a" },
	/* rules, absence, signatures */
	{ "/getRules", "{\"a\":1}", "bad-request", "a" },
	{ "/setRule", "{}", "bad-request", "" },
	{ "/setRule", "{\"id\":1,\"clientId\":\"c\"}", "bad-request", "" },
	{ "/setRule", "{\"id\":1}", "bad-request", "rev" },
	{ "/setRule", "{\"clientId\":\"c\",\"rev\":\"" R1 "\"}", "bad-request", "rev" },
	{ "/setRule", "{\"id\":1,\"rev\":\"" R1 "\",\"position\":1}", "bad-request", "position" },
	{ "/setRule", "{\"clientId\":\"c\",\"test\":{},\"actions\":[{}]}", "bad-request", "name" },
	{ "/setRule", "{\"clientId\":\"c\",\"name\":\"n\",\"actions\":[{}]}", "bad-request", "test" },
	{ "/setRule", "{\"clientId\":\"c\",\"name\":\"n\",\"test\":{}}", "bad-request", "actions" },
	{ "/setRule", "{\"clientId\":\"c\",\"name\":\"n\",\"test\":[],\"actions\":[{}]}", "bad-request", "test" },
	{ "/setRule", "{\"id\":-1,\"rev\":\"" R1 "\"}", "bad-request", "id" },
	{ "/deleteRule", "{\"id\":1}", "bad-request", "rev" },
	{ "/deleteRule", "{\"id\":\"1\",\"rev\":\"" R1 "\"}", "bad-request", "id" },
	{ "/orderRules", "{\"order\":[1,\"2\"],\"rev\":\"" R1 "\"}", "bad-request", "order[1]" },
	{ "/getVacation", "{\"a\":1}", "bad-request", "a" },
	{ "/setVacation", "{\"days\":0}", "bad-request", "days" },
	{ "/setVacation", "{\"from\":\"x\"}", "bad-request", "from" },
	{ "/setVacation", "{\"to\":-1}", "bad-request", "to" },
	{ "/setVacation", "{\"zone\":\"CET\"}", "bad-request", "zone" },
	{ "/getSignatures", "{\"a\":1}", "bad-request", "a" },
	{ "/setSignature", "{}", "bad-request", "" },
	{ "/setSignature", "{\"clientId\":\"c\",\"content\":\"\"}", "bad-request", "name" },
	{ "/setSignature", "{\"clientId\":\"c\",\"name\":\"n\"}", "bad-request", "content" },
	{ "/setSignature", "{\"clientId\":\"c\",\"name\":\"n\",\"content\":\"\",\"insertion\":\"aside\"}", "bad-request", "insertion" },
	{ "/deleteSignature", "{\"id\":\"1\"}", "bad-request", "rev" },
	{ "/getProfile", "{\"a\":1}", "bad-request", "a" },
	{ "/setProfile", "{}", "bad-request", "" },
	{ "/setProfile", "{\"contact\":{\"note\":\"n\"}}", "bad-request", "rev" },
	{ "/setProfile", "{\"rev\":\"0123456789abcdef\",\"contact\":{\"nothing\":\"n\"}}", "bad-request", "contact.nothing" },
	{ "/setProfile", "{\"rev\":\"0123456789abcdef\",\"contact\":{\"user_id\":7}}", "bad-request", "contact.user_id" },
	{ "/setProfile", "{\"rev\":\"0123456789abcdef\",\"contact\":{\"image1\":\"R0lG\"}}", "bad-request", "contact.image1" },
	{ "/setProfile", "{\"settings\":{\"colour\":1}}", "bad-request", "settings.colour" },
	{ "/setProfile", "{\"settings\":[]}", "bad-request", "settings" },
	{ "/changePassword", "{\"oldPassword\":\"x\"}", "bad-request", "newPassword" },
	{ "/changePassword", "{\"oldPassword\":\"x\",\"newPassword\":\"\"}", "bad-request", "newPassword" },
	{ "/getClientVersion", "{\"a\":1}", "bad-request", "a" },
	{ "/getClientFile", "{}", "bad-request", "version" },
	{ "/getClientFile", "{\"version\":\"1\",\"offset\":-1}", "bad-request", "offset" },
	{ "/sendFeedback", "{}", "bad-request", "data" },
	{ "/sendFeedback", "{\"data\":\"no base64!\"}", "bad-request", "data" },
	{ "/sendFeedback", "{\"data\":\"YWJj\",\"comment\":\"\\u001b[2J\"}", "bad-request", "comment" },
	{ "/syncInit", "{\"uuid\":\"" U1 "\"}", "bad-request", "uuid" },
	/* resolveRecipients, search */
	{ "/resolveRecipients", "{}", "bad-request", "queries" },
	{ "/resolveRecipients", "{\"queries\":[]}", "bad-request", "queries" },
	{ "/resolveRecipients", "{\"queries\":[\"\"]}", "bad-request", "queries[0]" },
	{ "/resolveRecipients", "{\"queries\":[\"a\",\"  \"]}", "bad-request", "queries[1]" },
	{ "/resolveRecipients", "{\"queries\":[3]}", "bad-request", "queries[0]" },
	{ "/resolveRecipients", "{\"queries\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}", "limit", "queries" },
	{ "/resolveRecipients", "{\"queries\":[\"a\"],\"kinds\":[\"users\"]}", "bad-request", "kinds[0]" },
	{ "/resolveRecipients", "{\"queries\":[\"a\"],\"limit\":0}", "bad-request", "limit" },
	{ "/resolveRecipients", "{\"queries\":[\"a\"],\"photoSize\":131073}", "bad-request", "photoSize" },
	{ "/resolveRecipients", "{\"queries\":[\"a\"],\"query\":\"a\"}", "bad-request", "query" },
	{ "/search", "{\"text\":\"a\"}", "bad-request", "objectType" },
	{ "/search", "{\"objectType\":\"folder\",\"text\":\"a\"}", "bad-request", "objectType" },
	{ "/search", "{\"objectType\":\"contacts\",\"text\":\"a\"}", "bad-request", "objectType" },
	{ "/search", "{\"objectType\":\"mail\"}", "bad-request", "text" },
	{ "/search", "{\"objectType\":\"task\",\"after\":1}", "bad-request", "text" },
	{ "/search", "{\"objectType\":\"task\",\"text\":\"\"}", "bad-request", "text" },
	{ "/search", "{\"objectType\":\"task\",\"text\":\"a\",\"unread\":true}", "bad-request", "unread" },
	{ "/search", "{\"objectType\":\"contact\",\"text\":\"a\",\"from\":\"a\"}", "bad-request", "from" },
	{ "/search", "{\"objectType\":\"contact\",\"text\":\"a\",\"before\":1}", "bad-request", "before" },
	{ "/search", "{\"objectType\":\"mail\",\"after\":2,\"before\":2}", "bad-request", "before" },
	{ "/search", "{\"objectType\":\"mail\",\"text\":\"a\",\"limit\":101}", "bad-request", "limit" },
	{ "/search", "{\"objectType\":\"mail\",\"text\":\"a\",\"folder\":\"INBOX\"}", "bad-request", "folder" },
	/* login */
	{ "/login", "{\"user\":\"ada\",\"device\":\"d\",\"protocol\":1}", "bad-request", "password" },
	{ "/login", "{\"password\":\"x\",\"device\":\"d\",\"protocol\":1}", "bad-request", "user" },
	{ "/login", "{\"user\":\"\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1}", "bad-request", "user" },
	{ "/login", "{\"user\":3,\"password\":\"x\",\"device\":\"d\",\"protocol\":1}", "bad-request", "user" },
	{ "/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"a b\",\"protocol\":1}", "bad-request", "device" },
	{ "/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"\",\"protocol\":1}", "bad-request", "device" },
	{ "/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\"}", "bad-request", "protocol" },
	{ "/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":2}", "bad-request", "protocol" },
	{ "/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1,\"client\":\"x\"}", "bad-request", "client" },
	{ "/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1,\"client\":{\"version\":\"1\"}}", "bad-request", "client.name" },
	{ "/login", "{\"user\":\"a\",\"password\":\"x\",\"device\":\"d\",\"protocol\":1,\"client\":{\"name\":\"a\\nb\"}}", "bad-request", "client" },
	/* setConfig */
	{ "/setConfig", "{\"conflictResolution\":\"mine\"}", "bad-request", "conflictResolution" },
	{ "/setConfig", "{\"deleteResolution\":1}", "bad-request", "deleteResolution" },
	{ "/setConfig", "{\"window\":[]}", "bad-request", "window" },
	{ "/setConfig", "{\"window\":{\"contact\":{}}}", "bad-request", "window.contact" },
	{ "/setConfig", "{\"window\":{\"task\":{\"pastDays\":-1}}}", "bad-request", "window.task.pastDays" },
	{ "/setConfig", "{\"window\":{\"task\":{\"pastDays\":\"1\"}}}", "bad-request", "window.task.pastDays" },
	{ "/setConfig", "{\"window\":{\"mail\":{\"futureDays\":1}}}", "bad-request", "window.mail.futureDays" },
	{ "/setConfig", "{\"window\":{\"appointment\":{\"futureDays\":99999}}}", "bad-request", "window.appointment.futureDays" },
	{ "/setConfig", "{\"modes\":{\"inbox\":\"all\"}}", "bad-request", "modes.inbox" },
	{ "/setConfig", "{\"modes\":{\"notes\":\"full\"}}", "bad-request", "modes.notes" },
	{ "/setConfig", "{\"folders\":{\"x\":\"full\"}}", "bad-request", "folders.x" },
	{ "/setConfig", "{\"folders\":{\"" U1 "\":1}}", "bad-request", "folders." U1 },
	{ "/setConfig", "{\"resolutions\":{\"x\":null}}", "bad-request", "resolutions.x" },
	{ "/setConfig", "{\"resolutions\":{\"" U1 "\":\"client\"}}", "bad-request", "resolutions." U1 },
	{ "/setConfig", "{\"resolutions\":{\"" U1 "\":{\"conflictResolution\":\"mine\"}}}", "bad-request", "resolutions." U1 ".conflictResolution" },
	{ "/setConfig", "{\"resolutions\":{\"" U1 "\":{\"mode\":\"full\"}}}", "bad-request", "resolutions." U1 ".mode" },
	{ "/setConfig", "{\"types\":{\"folder\":{}}}", "bad-request", "types.folder" },
	{ "/setConfig", "{\"types\":{\"task\":{\"sync\":1}}}", "bad-request", "types.task.sync" },
	{ "/setConfig", "{\"types\":{\"task\":{\"exclude\":[\"note\",\"first_name\"]}}}", "bad-request", "types.task.exclude[1]" },
	{ "/setConfig", "{\"types\":{\"task\":{\"exclude\":[\"id\"]}}}", "bad-request", "types.task.exclude[0]" },
	/* syncInit, syncEstimate */
	{ "/syncInit", "{\"folder\":\"x\"}", "bad-request", "folder" },
	{ "/syncInit", "{\"folder\":7}", "bad-request", "folder" },
	{ "/syncInit", "{\"limit\":0}", "bad-request", "limit" },
	{ "/syncInit", "{\"limit\":1.5}", "bad-request", "limit" },
	{ "/syncInit", "{\"limit\":null}", "bad-request", "limit" },
	{ "/syncEstimate", "{}", "bad-request", "syncid" },
	{ "/syncEstimate", "{\"syncid\":\"5c\"}", "bad-request", "syncid" },
	/* syncUpdate */
	{ "/syncUpdate", "{}", "bad-request", "syncid" },
	{ "/syncUpdate", "{\"syncid\":null}", "bad-request", "syncid" },
	{ "/syncUpdate", "{\"syncid\":\"" S1 "\",\"request\":0}", "bad-request", "request" },
	{ "/syncUpdate", "{\"syncid\":\"" S1 "\",\"deleted\":[{\"uuid\":\"" U1 "\"}]}", "bad-request", "request" },
	{ "/syncUpdate", UP "\"conflictResolution\":\"x\"}", "bad-request", "conflictResolution" },
	{ "/syncUpdate", UP "\"created\":{}}", "bad-request", "created" },
	{ "/syncUpdate", UP "\"created\":[7]}", "bad-request", "created[0]" },
	{ "/syncUpdate", UP "\"created\":[{\"first_name\":\"a\"}]}", "bad-request", "created[0].clientId" },
	{ "/syncUpdate", UP "\"created\":[{\"clientId\":\"a b\",\"first_name\":\"a\"}]}", "bad-request", "created[0].clientId" },
	{ "/syncUpdate", UP "\"created\":[{\"clientId\":\"re." U1 ".a b\",\"first_name\":\"a\"}]}", "bad-request", "created[0].clientId" },
	{ "/syncUpdate", UP "\"created\":[{\"clientId\":\"re." U1 "\",\"first_name\":\"a\"}]}", "bad-request", "created[0].clientId" },
	{ "/syncUpdate", UP "\"created\":[{\"clientId\":\"re." U1 ".\",\"first_name\":\"a\"}]}", "bad-request", "created[0].clientId" },
	{ "/syncUpdate", UP "\"created\":[{\"clientId\":\"re.c1\",\"first_name\":\"a\"}]}", "bad-request", "created[0].clientId" },
	{ "/syncUpdate", UP "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\"},{\"clientId\":\"c1\",\"first_name\":\"b\"}]}", "bad-request", "created[1]" },
	{ "/syncUpdate", UP "\"modified\":[{\"first_name\":\"a\"}]}", "bad-request", "modified[0].uuid" },
	{ "/syncUpdate", UP "\"modified\":[{\"uuid\":\"" U1 "\",\"first_name\":\"a\"}],\"deleted\":[{\"uuid\":\"" U1 "\"}]}", "bad-request", "deleted[0]" },
	{ "/syncUpdate", UP "\"deleted\":[\"" U1 "\"]}", "bad-request", "deleted[0]" },
	{ "/syncUpdate", UP "\"deleted\":[{}]}", "bad-request", "deleted[0]" },
	{ "/syncUpdate", UP "\"deleted\":[{\"uuid\":\"" U1 "\",\"clientId\":\"c\"}]}", "bad-request", "deleted[0]" },
	{ "/syncUpdate", UP "\"rejected\":[{\"uuid\":\"" U1 "\"}]}", "bad-request", "rejected[0].reason" },
	{ "/syncUpdate", UP "\"rejected\":[{\"reason\":\"x\"}]}", "bad-request", "rejected[0].uuid" },
	{ "/syncUpdate", UP "\"rejected\":[{\"uuid\":\"" U1 "\",\"reason\":\"\"}]}", "bad-request", "rejected[0].reason" },
	/* reconcile */
	{ "/reconcile", "{}", "bad-request", "pairs" },
	{ "/reconcile", "{\"pairs\":[[\"" U1 "\"]]}", "bad-request", "pairs[0]" },
	{ "/reconcile", "{\"pairs\":[{}]}", "bad-request", "pairs[0]" },
	{ "/reconcile", "{\"pairs\":[[\"" U1 "\",\"" R1 "\"],[\"x\",\"" R1 "\"]]}", "bad-request", "pairs[1][0]" },
	{ "/reconcile", "{\"pairs\":[[\"" U1 "\",\"zz\"]]}", "bad-request", "pairs[0][1]" },
	{ "/reconcile", "{\"pairs\":[[\"" U1 "\",7]]}", "bad-request", "pairs[0][1]" },
	{ "/reconcile", "{\"pairs\":[[\"" U1 "\",\"\"],[\"" U2 "\",\"\"],[\"" U1 "\",\"\"]]}", "bad-request", "pairs[2]" },
	{ "/reconcile", "{\"pairs\":[],\"created\":[]}", "bad-request", "created" },
	/* ping */
	{ "/ping", "{\"folders\":[{\"syncid\":\"" S1 "\"}]}", "bad-request", "heartbeat" },
	{ "/ping", "{\"folders\":[],\"heartbeat\":60}", "bad-request", "folders" },
	{ "/ping", "{\"folders\":[{}],\"heartbeat\":60}", "bad-request", "folders[0].syncid" },
	{ "/ping", "{\"folders\":[{\"syncid\":\"" S1 "\"},{\"syncid\":\"" S1 "\"}],\"heartbeat\":60}", "bad-request", "folders[1]" },
	{ "/ping", "{\"folders\":[{\"syncid\":\"" S1 "\"}],\"heartbeat\":0}", "bad-request", "heartbeat" },
	/* mails */
	{ "/setConfig", "{\"mailDelete\":\"never\"}", "bad-request", "mailDelete" },
	{ "/getMailBody", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\"}", "bad-request", "format" },
	{ "/getMailBody", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\",\"format\":\"rtf \"}", "bad-request", "format" },
	{ "/getMailPart", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\"}", "bad-request", "id" },
	{ "/getMailPart", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\",\"id\":\"\"}", "bad-request", "id" },
	{ "/sendMail", "{\"raw\":\"U3ViamVjdDogYQ0K\"}", "bad-request", "clientId" },
	{ "/sendMail", "{\"clientId\":\"s1\"}", "bad-request", "raw" },
	{ "/sendMail", "{\"clientId\":\"s1\",\"raw\":\"\"}", "bad-request", "raw" },
	{ "/sendMail", "{\"clientId\":\"s1\",\"raw\":\"no base64!\"}", "bad-request", "raw" },
	{ "/sendMail", "{\"clientId\":\"s1\",\"raw\":\"U3ViamVjdDogYQ0K\",\"reply\":{\"uuid\":\"" U1 "\"}}", "bad-request", "reply.folder" },
	{ "/sendMail", "{\"clientId\":\"s1\",\"raw\":\"U3ViamVjdDogYQ0K\",\"saveSent\":1}", "bad-request", "saveSent" },
	{ "/moveItems", "{\"folder\":\"" U1 "\",\"items\":[{\"uuid\":\"" U1 "\"}]}", "bad-request", "to" },
	{ "/moveItems", "{\"folder\":\"" U1 "\",\"to\":\"" U1 "\",\"items\":[]}", "bad-request", "items" },
	{ "/moveItems", "{\"folder\":\"" U1 "\",\"to\":\"" U1 "\",\"items\":[{\"uuid\":\"" U1 "\"},{\"uuid\":\"" U1 "\"}]}", "bad-request", "items[1]" },
	{ "/moveItems", "{\"folder\":\"" U1 "\",\"to\":\"" U1 "\",\"items\":[{\"uuid\":\"" U1 "\",\"clientId\":\"a\"}]}", "bad-request", "items[0].clientId" },
	{ "/copyItems", "{\"folder\":\"" U1 "\",\"to\":\"" U1 "\",\"items\":[{\"uuid\":\"" U1 "\"}]}", "bad-request", "items[0].clientId" },
	{ "/copyItems", "{\"folder\":\"" U1 "\",\"to\":\"" U1 "\",\"items\":[{\"uuid\":\"" U1 "\",\"clientId\":\"a\"},{\"uuid\":\"" U1 "\",\"clientId\":\"a\"}]}", "bad-request", "items[1]" },
	/* getMail */
	{ "/getMail", "{\"folder\":\"" U1 "\"}", "bad-request", "uuid" },
	{ "/getMail", "{\"folder\":null,\"uuid\":\"" U1 "\"}", "bad-request", "folder" },
	/* respondToInvitation */
	{ "/respondToInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\"}", "bad-request", "response" },
	{ "/respondToInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"response\":\"yes\"}", "bad-request", "response" },
	{ "/respondToInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"response\":\"accept\",\"occurrence\":1}", "bad-request", "occurrence" },
	{ "/respondToInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"response\":\"accept\",\"message\":7}", "bad-request", "message" },
	/* getFreeBusy, analyzeInvitation, applyInvitation */
	{ "/getFreeBusy", "{\"from\":1,\"to\":2}", "bad-request", "who" },
	{ "/getFreeBusy", "{\"who\":[],\"from\":1,\"to\":2}", "bad-request", "who" },
	{ "/getFreeBusy", "{\"who\":[{}],\"from\":1,\"to\":2}", "bad-request", "who[0]" },
	{ "/getFreeBusy", "{\"who\":[{\"user\":3},{\"user\":3,\"mail\":\"a@x\"}],\"from\":1,\"to\":2}", "bad-request", "who[1]" },
	{ "/getFreeBusy", "{\"who\":[{\"mail\":\"nobody\"}],\"from\":1,\"to\":2}", "bad-request", "who[0].mail" },
	{ "/getFreeBusy", "{\"who\":[{\"user\":-1}],\"from\":1,\"to\":2}", "bad-request", "who[0].user" },
	{ "/getFreeBusy", "{\"who\":[{\"user\":3}],\"from\":2,\"to\":2}", "bad-request", "to" },
	{ "/getFreeBusy", "{\"who\":[{\"user\":3}],\"from\":0,\"to\":34560000001}", "limit", "to" },
	{ "/getFreeBusy", "{\"who\":[{\"user\":3}],\"from\":1,\"to\":2,\"exclude\":{\"folder\":\"" U1 "\"}}", "bad-request", "exclude.uuid" },
	{ "/analyzeInvitation", "{\"folder\":\"" U1 "\"}", "bad-request", "uuid" },
	{ "/applyInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\"}", "bad-request", "action" },
	{ "/applyInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"action\":\"apply\"}", "bad-request", "action" },
	{ "/applyInvitation", "{\"folder\":\"" U1 "\",\"uuid\":\"" U2 "\",\"action\":\"accept\",\"ignoreConflicts\":1}", "bad-request", "ignoreConflicts" },
	/* permissions */
	{ "/reconcile", "{\"pairs\":[],\"formerly\":null}", "bad-request", "formerly" },
	{ "/getPermissions", "{\"folder\":null}", "bad-request", "folder" },
	{ "/setPermissions", "{\"folder\":\"" U1 "\",\"set\":[]}", "bad-request", "rev" },
	{ "/setPermissions", PERMIT "\"set\":[],\"remove\":[]}", "bad-request", "" },
	{ "/setPermissions", PERMIT "\"set\":[{\"entity\":4}]}", "bad-request", "set[0]" },
	{ "/setPermissions", PERMIT "\"set\":[{\"level\":\"Author\"}]}", "bad-request", "set[0]" },
	{ "/setPermissions", PERMIT "\"set\":[{\"entity\":4,\"name\":\"b\",\"level\":\"Author\"}]}", "bad-request", "set[0]" },
	{ "/setPermissions", PERMIT "\"set\":[{\"entity\":4,\"level\":\"Custom\"}]}", "bad-request", "set[0].level" },
	{ "/setPermissions", PERMIT "\"set\":[{\"entity\":4,\"level\":\"Author\",\"rights\":{}}]}", "bad-request", "set[0]" },
	{ "/setPermissions", PERMIT "\"set\":[{\"entity\":4,\"rights\":{\"folder\":\"see\"}}]}", "bad-request", "set[0].rights.read" },
	{ "/setPermissions", PERMIT "\"set\":[{\"entity\":4,\"rights\":{\"folder\":\"see\",\"read\":\"some\",\"write\":\"own\",\"delete\":\"own\",\"administer\":false}}]}",
	    "bad-request", "set[0].rights.read" },
	{ "/setPermissions", PERMIT "\"set\":[{\"entity\":-1,\"level\":\"Author\"}]}", "bad-request", "set[0].entity" },
	{ "/setPermissions", PERMIT "\"remove\":[{\"entity\":4,\"level\":\"Author\"}]}", "bad-request", "remove[0].level" },
	/* pictures */
	{ "/getPhoto", "{\"folder\":\"" U1 "\"}", "bad-request", "uuid" },
	{ "/getPhoto", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\",\"size\":1}", "bad-request", "size" },
	/* attachments */
	{ "/getAttachments", "{\"folder\":\"" U1 "\"}", "bad-request", "uuid" },
	{ "/getAttachment", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\"}", "bad-request", "id" },
	{ "/getAttachment", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\",\"id\":7}", "bad-request", "id" },
	{ "/addAttachment", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\",\"data\":\"QUJD\"}", "bad-request", "filename" },
	{ "/addAttachment", NEW "\"\",\"data\":\"QUJD\"}", "bad-request", "filename" },
	{ "/addAttachment", NEW "\"a/b\",\"data\":\"QUJD\"}", "bad-request", "filename" },
	{ "/addAttachment", NEW "\"a\\nb\",\"data\":\"QUJD\"}", "bad-request", "filename" },
	{ "/addAttachment", NEW "\"a\"}", "bad-request", "data" },
	{ "/addAttachment", NEW "\"a\",\"data\":7}", "bad-request", "data" },
	{ "/addAttachment", NEW "\"a\",\"data\":\"QUJ\"}", "bad-request", "data" },
	{ "/addAttachment", NEW "\"a\",\"data\":\"QUJD\",\"contentType\":\"text\"}", "bad-request", "contentType" },
	{ "/addAttachment", NEW "\"a\",\"data\":\"QUJD\",\"contentType\":\"text/plain; charset=x\"}", "bad-request", "contentType" },
	{ "/addAttachment", NEW "\"a\",\"data\":\"QUJD\",\"id\":\"" U1 "\"}", "bad-request", "id" },
	{ "/deleteAttachment", "{\"folder\":\"" U1 "\",\"uuid\":\"" U1 "\"}", "bad-request", "id" },
	/* conflicts */
	{ "/getConflicts", "{\"limit\":0}", "bad-request", "limit" },
	{ "/getConflicts", "{\"after\":\"7\"}", "bad-request", "after" },
	{ "/getConflicts", "{\"folder\":\"" U1 "\"}", "bad-request", "folder" },
	{ "/restoreConflict", "{}", "bad-request", "id" },
	{ "/restoreConflict", "{\"id\":0}", "bad-request", "id" },
	{ "/restoreConflict", "{\"id\":7,\"rev\":\"1\"}", "bad-request", "rev" },
	{ "/dismissConflict", "{\"id\":1.5}", "bad-request", "id" },
	{ "/dismissConflict", "{\"id\":7,\"rev\":\"" R1 "\"}", "bad-request", "rev" },
};

START_TEST(bad_request)
{
	const struct bad *b = &rows[_i];
	struct reply rep;
	char what[400];
	bool limit = strcmp(b->code, "limit") == 0;

	(void)snprintf(what, sizeof(what), "%s %s", b->path, b->body);
	post(b->path, b->body, &rep);
	check_error(what, b->path + 1, &rep, 400, limit ? 11 : 2, b->code, b->where);
	ck_assert_msg(strstr(fake.log, "sync") == NULL && strstr(fake.log, "login") == NULL && strstr(fake.log, "watch") == NULL && strstr(fake.log, "permi") == NULL, "%s reached the engine", what);
}
END_TEST

struct typed_row {
	enum content ct;
	bool hierarchy;
	const char *changes, *where;
};
static const struct typed_row typed[] = {
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\"}]", "created[0]" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"again\":1}]", "created[0].again" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"rev\":\"" R1 "\"}]", "created[0].rev" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"folder\":\"" U1 "\"}]", "created[0].folder" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"parent\":\"" U1 "\"}]", "created[0].parent" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"ignoreConflicts\":true}]", "created[0].ignoreConflicts" },
	{ CT_TASK, false, "\"created\":[{\"clientId\":\"c1\",\"title\":\"a\",\"ignoreConflicts\":true}]", "created[0].ignoreConflicts" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"notify\":false}]", "created[0].notify" },
	{ CT_TASK, false, "\"created\":[{\"clientId\":\"c1\",\"title\":\"a\",\"recurrence_id\":\"" U1 "\"}]", "created[0].recurrence_id" },
	{ CT_CALENDAR, false, "\"created\":[{\"clientId\":\"c1\",\"title\":\"a\",\"recurrence_id\":\"17\"}]", "created[0].recurrence_id" },
	{ CT_TASK, false, "\"created\":[{\"clientId\":\"c1\",\"title\":\"a\",\"start_date\":0}]", "created[0].start_date" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"raw\":\"QUJD\"}]", "created[0].raw" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\",\"objectType\":\"task\"}]", "created[0].objectType" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"nonsense\":\"a\"}]", "created[0].nonsense" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"last_modified\":1}]", "created[0].last_modified" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"id\":\"1\"}]", "created[0].id" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\"},{\"clientId\":\"c2\",\"first_name\":7}]", "created[1].first_name" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":[\"a\"]}]", "created[0].first_name" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"birthday\":\"x\"}]", "created[0].birthday" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"a\\u0001\"}]", "created[0].first_name" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"distribution_list\":\"x\"}]", "created[0].distribution_list" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\"}]", "modified[0]" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"uid\":\"x\"}]", "modified[0].uid" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"first_name\":\"a\",\"again\":true}]", "modified[0].again" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"first_name\":\"a\",\"rev\":\"1\"}]", "modified[0].rev" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"first_name\":\"a\",\"blind\":true}]", "modified[0].blind" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"first_name\":\"a\",\"blind\":[\"first_name\",\"x\"]}]", "modified[0].blind[1]" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"first_name\":\"a\",\"blind\":[\"folder_id\"]}]", "modified[0].blind[0]" },
	{ CT_CONTACT, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"first_name\":\"a\",\"folder\":null}]", "modified[0].folder" },
	{ CT_CONTACT, false, "\"deleted\":[{\"uuid\":\"" U1 "\",\"first_name\":\"c\"}]", "deleted[0].first_name" },
	{ CT_CONTACT, false, "\"deleted\":[{\"uuid\":\"" U1 "\",\"blind\":[\"first_name\"]}]", "deleted[0].blind" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"image1\":\"no base64\"}]", "created[0].image1" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"image1\":\"aGVsbG8=\"}]", "created[0].image1" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"image_last_modified\":1}]", "created[0].image_last_modified" },
	{ CT_CONTACT, false, "\"created\":[{\"clientId\":\"c1\",\"birthday\":3600000}]", "created[0].birthday" },
	{ CT_MAIL, false, "\"created\":[{\"clientId\":\"c1\",\"flags\":32}]", "created[0].raw" },
	{ CT_MAIL, false, "\"created\":[{\"clientId\":\"c1\",\"raw\":\"****\"}]", "created[0].raw" },
	{ CT_MAIL, false, "\"created\":[{\"clientId\":\"c1\",\"raw\":\"\"}]", "created[0].raw" },
	{ CT_MAIL, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"subject\":\"x\"}]", "modified[0].subject" },
	{ CT_MAIL, false, "\"modified\":[{\"uuid\":\"" U1 "\",\"folder\":\"" U1 "\",\"raw\":\"QUJD\"}]", "modified[0].raw" },
	{ CT_TASK, false, "\"created\":[{\"clientId\":\"c1\",\"first_name\":\"x\"}]", "created[0].first_name" },
	{ CT_CONTACT, true, "\"created\":[{\"clientId\":\"c1\",\"title\":\"x\",\"parent\":7}]", "created[0].parent" },
	{ CT_CONTACT, true, "\"created\":[{\"clientId\":\"c1\",\"title\":\"x\",\"folder_id\":\"1\"}]", "created[0].folder_id" },
	{ CT_CONTACT, true, "\"modified\":[{\"uuid\":\"" U1 "\",\"folder\":\"" U1 "\"}]", "modified[0].folder" },
	{ CT_CONTACT, true, "\"modified\":[{\"uuid\":\"" U1 "\",\"own_rights\":1}]", "modified[0].own_rights" },
	{ CT_CONTACT, true, "\"modified\":[{\"uuid\":\"" U1 "\",\"type\":2}]", "modified[0].type" },
	{ CT_CONTACT, true, "\"modified\":[{\"uuid\":\"" U1 "\",\"module\":\"tasks\"}]", "modified[0].module" },
	{ CT_CONTACT, true, "\"modified\":[{\"uuid\":\"" U1 "\",\"permissions\":[]}]", "modified[0].permissions" },
};

/* A change that names its object is refused alone: the request is carried out, and the result of this change is the error. */
START_TEST(bad_change)
{
	const struct typed_row *t = &typed[_i];
	const json_t *result, *details;
	struct reply rep;
	char body[600];
	json_t *j;

	fake.ct = t->ct;
	(void)snprintf(body, sizeof(body), "{%s%s\"syncid\":\"" S1 "\",\"request\":3,%s}", t->hierarchy ? "" : "\"folder\":\"" U2 "\"", t->hierarchy ? "" : ",", t->changes);
	post("/syncUpdate", body, &rep);
	ck_assert_msg(rep.status == 200, "%s: %.1000s", body, rep.body);
	ck_assert_ptr_null(schema_check("syncUpdate", rep.body, rep.body_len));
	j = answer_json(&rep);
	result = json_object_get(json_object_get(j, "data"), "results");
	result = json_array_get(result, json_array_size(result) - 1);
	ck_assert_str_eq(json_string_value(json_object_get(result, "status")), "error");
	details = json_object_get(json_object_get(result, "error"), "details");
	ck_assert_msg(strcmp(json_string_value(json_object_get(details, "path")), t->where) == 0, "%s: %.1000s", body, json_string_value(json_object_get(details, "path")));
	ck_assert_ptr_nonnull(strstr(fake.log, " refused"));
	json_decref(j);
	reply_fini(&rep);
}
END_TEST

/* which field it is, how long its value is and may be, in words for who typed it; what is good in the same request goes on */
START_TEST(too_long_is_said_plainly)
{
	static const char *const whys[] = { "Last name has 129 characters, 128 are possible: shorten it.", "First name has the wrong type: a string or null is expected." };
	const json_t *results, *x, *d;
	char body[700], name[140];
	struct reply rep;
	json_t *j;

	memset(name, 'x', sizeof(name));
	(void)snprintf(body, sizeof(body), "%s\"created\":[{\"clientId\":\"c1\",\"last_name\":\"%.129s\"},{\"clientId\":\"c2\",\"last_name\":\"%.128s\"}],\"modified\":[{\"first_name\":1,\"uuid\":\"" U1 "\"}]}",
	    UP, name, name);
	post("/syncUpdate", body, &rep);
	j = answer_json(&rep);
	results = json_object_get(json_object_get(j, "data"), "results");
	ck_assert_uint_eq(json_array_size(results), 3);
	for (size_t i = 0; i < 2; i++) {
		x = json_object_get(json_array_get(results, i * 2), "error");
		ck_assert_str_eq(json_string_value(json_object_get(x, "message")), whys[i]);
		d = json_object_get(x, "details");
		ck_assert_str_eq(json_string_value(json_object_get(d, "path")), i == 0 ? "created[0].last_name" : "modified[0].first_name");
		ck_assert_str_eq(json_string_value(json_object_get(d, "field")), i == 0 ? "last_name" : "first_name");
		ck_assert_str_eq(json_string_value(json_object_get(d, "label")), i == 0 ? "Last name" : "First name");
		ck_assert_int_eq(json_integer_value(json_object_get(d, "length")), i == 0 ? 129 : 0);
		ck_assert_int_eq(json_integer_value(json_object_get(d, "maxLength")), i == 0 ? 128 : 0);
	}
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(results, 1), "status")), "gone"); /* the fake's second answer */
	json_decref(j);
	reply_fini(&rep);
}
END_TEST

/* of two mails of which one is wrong, the other keeps its octets */
START_TEST(octets_of_the_others_stay)
{
	struct reply rep;

	fake.ct = CT_MAIL;
	post("/syncUpdate", UP "\"created\":[{\"clientId\":\"a\",\"raw\":\"QUFB\"},{\"clientId\":\"b\",\"raw\":\"QkJC\",\"flags\":\"x\"},{\"clientId\":\"c\",\"raw\":\"Q0ND\"}]}", &rep);
	ck_assert_int_eq(rep.status, 200);
	reply_fini(&rep);
	ck_assert_msg(strstr(fake.log, "create cid=a raw=AAA create cid=b refused create cid=c raw=CCC") != NULL, "%s", fake.log);
}
END_TEST

/* the first result of REP is the error MESSAGE about a length */
static void
check_refused(struct reply *rep, const char *message, int length, int max)
{
	json_t *j = answer_json(rep);
	const json_t *x = json_object_get(json_array_get(json_object_get(json_object_get(j, "data"), "results"), 0), "error"), *d = json_object_get(x, "details");

	ck_assert_msg(x != NULL, "%s", rep->body);
	ck_assert_str_eq(json_string_value(json_object_get(x, "code")), "limit");
	ck_assert_str_eq(json_string_value(json_object_get(x, "message")), message);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "length")), length);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "maxLength")), max);
	json_decref(j);
	reply_fini(rep);
}

/* Bodies as they come, in pieces of any length: the same is found in the same place as by who sees all of it. */
START_TEST(looked_at_as_they_come)
{
	static const char letters[] = "{}[],:\"\"\"\\\\ax";
	uint64_t x = 20261123;

	for (int round = 0; round < 20000; round++) {
		struct body_look whole = { 0 }, piece = { 0 };
		const char *why = NULL, *all;
		unsigned depth = 0, values = 0;
		bool text = false, refused = false;
		char body[60];
		size_t n;

#define NEXT(below) (x ^= x << 13, x ^= x >> 7, x ^= x << 17, (size_t)((x >> 11) % (below)))
		n = 1 + NEXT(sizeof(body));
		for (size_t i = 0; i < n; i++)
			body[i] = letters[NEXT(sizeof(letters) - 1)];
		for (size_t i = 0; i < n && !refused; i++) {
			if (body[i] == '"')
				text = !text;
			else if (text)
				i += body[i] == '\\';
			else if (body[i] == '{' || body[i] == '[')
				refused = ++depth > 4 || ++values >= 9;
			else if (body[i] == ',')
				refused = ++values >= 9;
			else if ((body[i] == '}' || body[i] == ']') && depth > 0)
				depth--;
		}
		all = body_looked(&whole, body, n, 4, 9);
		ck_assert_msg((all != NULL) == refused, "%.*s: %s", (int)n, body, all);
		for (size_t at = 0, step; at < n && why == NULL; at += step) {
			step = 1 + NEXT(5);
			step = step > n - at ? n - at : step;
			why = body_looked(&piece, body + at, step, 4, 9);
		}
		ck_assert_msg(why == all, "%.*s: %s in pieces, else %s", (int)n, body, why, all);
		ck_assert_uint_eq(piece.values, whole.values);
		ck_assert_uint_eq(piece.depth, whole.depth);
	}
#undef NEXT
}
END_TEST

/* What httpd asks before it keeps a body, and what it is told to answer. */
START_TEST(bodies_of_nobody)
{
	struct body_look l = { 0 };
	struct reply rep = { 0 };
	bool stranger = false;

	ck_assert_uint_eq(proto.body_max(proto.self, "/login", FAKE_TOKEN, &stranger), 65536);
	ck_assert(!stranger);
	ck_assert_uint_eq(proto.body_max(proto.self, "/syncUpdate", NULL, &stranger), 65536);
	ck_assert(stranger);
	ck_assert_uint_eq(proto.body_max(proto.self, "/nothing", FAKE_TOKEN, &stranger), 65536);
	ck_assert(!stranger);
	ck_assert_uint_eq(proto.body_max(proto.self, "/syncUpdate", "another", &stranger), SIZE_MAX);
	ck_assert(stranger);
	ck_assert_uint_eq(proto.body_max(proto.self, "/syncUpdate", FAKE_TOKEN, &stranger), SIZE_MAX);
	ck_assert(!stranger);
	ck_assert(proto.look(proto.self, &l, "[[[[[[[[[[[[[[[[", 16, &rep));
	ck_assert(!proto.look(proto.self, &l, "[", 1, &rep));
	check_error("depth", "syncUpdate", &rep, 400, 11, "limit", "");
}
END_TEST

START_TEST(limits)
{
	struct usmjson_options o = { .max_objects = 2, .max_pairs = 1, .max_ping_folders = 1, .max_string_bytes = 40, .max_mail_bytes = 6, .max_attachment_bytes = 6, .max_body_bytes = 500, .max_values = 40 };
	struct reply rep;
	struct err e;
	char big[600];

	usmjson_free(&proto);
	ck_assert_int_eq(usmjson_new(fake_engine(), &o, &proto, &e), RC_OK);
	post("/syncUpdate", "{\"folder\":\"" U1 "\"," "\"syncid\":\"" S1 "\",\"request\":1,\"deleted\":[{\"clientId\":\"a\"},{\"clientId\":\"b\"},{\"clientId\":\"c\"}]}", &rep);
	check_error("objects", "syncUpdate", &rep, 400, 11, "limit", "");
	post("/reconcile", "{\"pairs\":[[\"" U1 "\",\"\"],[\"" U2 "\",\"\"]]}", &rep);
	check_error("pairs", "reconcile", &rep, 400, 11, "limit", "pairs");
	post("/ping", "{\"heartbeat\":9,\"folders\":[{\"syncid\":\"" S1 "\"},{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\"}]}", &rep);
	check_error("folders", "ping", &rep, 400, 11, "limit", "folders");
	post("/syncUpdate", "{\"folder\":\"" U1 "\"," "\"syncid\":\"" S1 "\",\"request\":1,\"created\":[{\"clientId\":\"a\",\"note\":\"12345678901234567890123456789012345678901\"}]}", &rep);
	check_error("string", "syncUpdate", &rep, 400, 11, "limit", "created[0].note"); /* no longer than any may be: not even parsed */
	fake.ct = CT_MAIL;
	post("/syncUpdate", "{\"folder\":\"" U1 "\"," "\"syncid\":\"" S1 "\",\"request\":1,\"created\":[{\"clientId\":\"a\",\"raw\":\"QUJDREVGR0hJ\"}]}", &rep);
	check_refused(&rep, "The mail has 9 bytes, 6 are possible. Nothing was changed; stay within the limits in serverInfo and usm-json(7).", 9, 6);
	usmjson_free(&proto);
	o.max_mail_bytes = 60;
	ck_assert_int_eq(usmjson_new(fake_engine(), &o, &proto, &e), RC_OK);
	fake.ct = CT_CONTACT;
	post("/syncUpdate", "{\"folder\":\"" U1 "\"," "\"syncid\":\"" S1 "\",\"request\":1,\"created\":[{\"clientId\":\"a\",\"note\":\"12345678901234567890123456789012345678901\"}]}", &rep);
	check_refused(&rep, "Comment has 41 bytes, 40 are possible.", 41, 40);
	fake.log[0] = '\0';
	post("/getConfig", "{\"a\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1]}", &rep);
	check_error("values", "getConfig", &rep, 400, 11, "limit", "");
	memset(big, ' ', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	post("/getConfig", big, &rep);
	check_error("body", "getConfig", &rep, 413, 10, "too-large", "");
	ck_assert_ptr_null(strstr(fake.log, "sync"));
}
END_TEST

/* what is refused before a body is looked at */
START_TEST(wrong_requests)
{
	static const struct {
		struct request req;
		const char *command, *code;
		int http, status;
	} r[] = {
		{ { .path = "" }, "ping", "unknown-command", 404, 7 },
		{ { .path = "/" }, "ping", "unknown-command", 404, 7 },
		{ { .path = "/nothing" }, "ping", "unknown-command", 404, 7 },
		{ { .path = "/ping/" }, "ping", "unknown-command", 404, 7 },
		{ { .path = "/\xff\"<" }, "ping", "unknown-command", 404, 7 },
		{ { .path = "/ping", .method = "GET" }, "ping", "method-not-allowed", 405, 6 },
		{ { .path = "/ping", .content_type = "text/plain" }, "ping", "unsupported-media-type", 415, 17 },
		{ { .path = "/ping", .content_type = "" }, "ping", "unsupported-media-type", 415, 17 },
		{ { .path = "/ping", .content_type = "application/jsonx" }, "ping", "unsupported-media-type", 415, 17 },
		{ { .path = "/ping", .content_type = "application/json; charset=latin1" }, "ping", "unsupported-media-type", 415, 17 },
		{ { .path = "/ping" }, "ping", "login-required", 401, 3 },
		{ { .path = "/ping", .token = "" }, "ping", "login-required", 401, 3 },
		{ { .path = "/ping", .token = "guess" }, "ping", "login-required", 401, 3 },
		{ { .path = "/Ping", .content_type = "Application/JSON; charset=\"UTF-8\"" }, "ping", "login-required", 401, 3 },
	};
	struct reply rep;

	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		struct request req = r[i].req;

		req.body = "nonsense";
		req.body_len = 8;
		send_request(&req, &rep);
		check_error(req.path, r[i].command, &rep, r[i].http, r[i].status, r[i].code, "");
	}
	ck_assert_str_eq(fake.log, "");
}
END_TEST

/* a path longer than its buffer is cut, also inside a character, and the answer stays valid */
START_TEST(long_member_name)
{
	char body[800] = "{\"";
	struct reply rep;
	json_t *j;

	for (int i = 0; i < 150; i++)
		(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), "%s", i % 2 != 0 ? "\xe2\x82\xac" : "x");
	(void)snprintf(body + strlen(body), sizeof(body) - strlen(body), "\":1}");
	post("/getConfig", body, &rep);
	ck_assert_int_eq(rep.status, 400);
	ck_assert(utf8_valid(rep.body, rep.body_len));
	j = answer_json(&rep);
	json_decref(j);
	reply_fini(&rep);
}
END_TEST

/* lengths of names: the longest that is taken, and one more */
START_TEST(longest_names)
{
	static const struct { int n; const char *before; bool ok; } r[] = { { 64, "", true }, { 65, "", false }, { 64, "re." U1 ".", true }, { 65, "re." U1 ".", false } };
	char body[600], name[80];
	struct reply rep;

	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		(void)snprintf(body, sizeof(body), "%s\"created\":[{\"clientId\":\"%s%.*s\",\"note\":\"n\"}]}", UP, r[i].before, r[i].n, name);
		post("/syncUpdate", body, &rep);
		ck_assert_msg((rep.status == 200) == r[i].ok, "%s: %s", body, rep.body);
		reply_fini(&rep);
	}
}
END_TEST

/* what httpd refuses by itself is answered in the same form */
START_TEST(refusals_of_httpd)
{
	static const struct { int http, status; const char *code; } r[] = { { 413, 10, "too-large" }, { 503, 12, "busy" }, { 500, 16, "internal" }, { 418, 16, "internal" } };
	struct reply rep;

	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		memset(&rep, 0, sizeof(rep));
		proto.refuse(proto.self, r[i].http, "the server is shutting down", &rep);
		ck_assert_int_eq(strstr(rep.body, "shutting") != NULL, r[i].status != 16);
		check_error("refuse", "ping", &rep, r[i].http == 418 ? 500 : r[i].http, r[i].status, r[i].code, "");
	}
}
END_TEST

Suite *
suite_requests(void)
{
	Suite *s = suite_create("usmjson requests");
	TCase *t = tcase_create("bad");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, bad_request, 0, (int)ARRAY_LEN(rows));
	tcase_add_loop_test(t, bad_change, 0, (int)ARRAY_LEN(typed));
	tcase_add_test(t, too_long_is_said_plainly);
	tcase_add_test(t, octets_of_the_others_stay);
	tcase_add_test(t, limits);
	tcase_add_test(t, looked_at_as_they_come);
	tcase_add_test(t, bodies_of_nobody);
	tcase_add_test(t, wrong_requests);
	tcase_add_test(t, long_member_name);
	tcase_add_test(t, longest_names);
	tcase_add_test(t, refusals_of_httpd);
	suite_add_tcase(s, t);
	return s;
}
