/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside service: what mail rules, absence and signatures share. */
#ifndef RULES_INT_H
#define RULES_INT_H

#include "service/service_int.h"
#include "usmd/backend.h"

#define RULE_MARK 20 /* "usm", 16 letters, NUL */

/** json_rev - of the content V (NULL = nothing). RC_NOMEM. */
MUST_CHECK enum rc json_rev(const json_t *v, char rev[REV_TEXT], struct err *e);
/** client_mark - what marks that this device made it for CLIENT_ID; letters only: a flag with a 0 (or a sign) makes OX 8.19 lose
 * the whole rule. */
void client_mark(const struct engine_session *s, const char *client_id, char mark[RULE_MARK]);
/** json_member, json_text_of - a member, "" where it is no text. */
const char *json_text_of(const json_t *o, const char *key);

/* ---- rules.c ---- */

/** rules_load - the rules for a write: RC_FORBIDDEN when it would delete what OX cannot read; twins that a late create made are removed. */
MUST_CHECK enum rc rules_load(struct engine_session *s, struct ox_rules *out, struct err *e);
/** rule_find - by id; NULL = none.  rule_flagged - the first with FLAG. */
json_t *rule_find(const json_t *list, int64_t id);
json_t *rule_flagged(const json_t *list, const char *flag);
/** rule_rev - of the rule RULE of OX. */
MUST_CHECK enum rc rule_rev(const json_t *rule, char rev[REV_TEXT], struct err *e);

/* ---- rule_check.c ---- */

/** rule_check_test, rule_check_actions - against what OX announces (CONFIG); a part that KNOWN (the rule as it is, or NULL) holds already is not looked at. */
MUST_CHECK enum rc rule_check_test(const json_t *config, const json_t *test, const json_t *known, struct err *e);
MUST_CHECK enum rc rule_check_actions(const json_t *config, const json_t *actions, const json_t *known, struct err *e);
/** rule_check_text - one line of 1 to MAX octets. */
MUST_CHECK enum rc rule_check_text(const char *path, const char *text, size_t max, struct err *e);
/** rule_check_address - looks like a mail address. */
MUST_CHECK enum rc rule_check_address(const char *path, const char *address, struct err *e);
/** rule_blame - into the path of E, what OX complains about: the member of RULE (test, actions as the client sent them) whose value its text quotes. */
void rule_blame(const json_t *test, const json_t *actions, struct err *e);

/* ---- signature_picture.c ---- */

/**
 * signature_with_pictures - TEXT (HTML) with the pictures that OX keeps beside it as data: addresses; what cannot be had stays as OX names it.
 * The caller's; NULL = out of memory.
 */
char *signature_with_pictures(struct ox_session *ox, const char *text);

#endif
