/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A change that OX refused for want of a right: which right it is, and the server's object for the client that still holds its own version
 * of it.  Nothing was written.
 */
#include "engine/change_int.h"
#include "engine/tree.h"

#include <stdio.h>
#include <string.h>

enum rc
err_set_right(struct err *e, const char *right, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set(e, RC_FORBIDDEN, "%s", text);
	e->right = right;
	return RC_FORBIDDEN;
}

/*
 * What OX's codes say of rights (ox-http-api.md 1.9, recorded exchanges).  NULL: the code stands for several, and the change tells which;
 * other codes of OX's category "permission denied" are rules (only the organizer may ...), no rights.
 */
static const struct {
	const char *code, *right;
} codes[] = {
	{ "CON-0112", "create" }, { "CON-0169", "delete" }, { "CON-0176", "write" }, { "CON-0104", NULL },
	{ "TSK-0023", "create" }, { "TSK-0033", "write" }, { "TSK-0014", "delete" }, { "TSK-0025", "read" }, { "TSK-0059", NULL },
	{ "CAL-4030", "read" }, { "CAL-4031", NULL }, { "CAL-4032", "delete" },
	{ "APP-0013", NULL }, { "APP-0037", NULL }, { "APP-0058", NULL }, { "APP-0059", NULL }, { "APP-0060", NULL }, { "APP-0061", NULL },
	{ "APP-0062", NULL }, { "APP-0063", NULL },
	{ "FLD-0010", "administer" }, { "FLD-1026", "administer" }, { "FLD-1027", "administer" }, { "FLD-1029", "createSubfolders" },
};

static const char *
by_change(const struct work *w)
{
	bool folder = w->op->t.ct == CT_FOLDER;

	switch (w->cc->op) {
	case OP_CREATE:
		return folder ? "createSubfolders" : "create";
	case OP_DELETE:
		return folder ? "administer" : "delete";
	case OP_MODIFY:
		break;
	}
	return folder ? "administer" : "write";
}

/* OX's codes do not tell whether a move failed here or there: the rights do. */
static const char *
by_move(const struct work *w)
{
	struct op *op = w->op;
	const struct object *here, *there;
	struct rights r;
	enum content ct;
	const char *to;
	struct err e;

	if (!folder_uuid_oxid(op, &w->cc->move_to, &to, &ct) || hierarchy_load(op, &e) != RC_OK)
		return NULL;
	here = tree_find(op, op->t.oxid);
	there = tree_find(op, to);
	if (here == NULL || there == NULL)
		return NULL;
	if (rights_unpack(tree_own_rights(there)).folder < 2)
		return "create";
	r = rights_unpack(tree_own_rights(here));
	return r.write <= r.remove ? "write" : "delete";
}

static const char *
right_of(const struct work *w, const struct err *e)
{
	bool move = w->op->t.ct != CT_FOLDER && w->cc->has_move;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (strcmp(e->code, codes[i].code) == 0 && move)
			return by_move(w);
		else if (strcmp(e->code, codes[i].code) == 0)
			/* QUIRK(OX, 8.19): a new task in a folder that one may not read is refused with the code of reading */
			return codes[i].right != NULL && w->cc->op != OP_CREATE ? codes[i].right : by_change(w);
	return w->op->t.ct == CT_MAIL ? by_change(w) : NULL; /* the mail server's ACL: codes of many kinds */
}

enum rc
refused_right(struct work *w, struct err *e)
{
	struct op *op = w->op;
	struct row *row;
	int64_t id;
	enum rc rc;

	if (w->res->err.rc == RC_FORBIDDEN && w->res->err.right == NULL)
		w->res->err.right = right_of(w, &w->res->err);
	if (w->cc->op == OP_CREATE || !w->cc->has_uuid || !uuid_id(op->g->keys, op->t.tag, &w->cc->uuid, &id))
		return RC_OK;
	if (w->res->err.rc != RC_FORBIDDEN && op->t.ct != CT_FOLDER)
		return RC_OK; /* what OX does not like in the data the person can mend: it stays as typed */
	rc = op_row(op, id, &row, e);
	return rc == RC_OK && row != NULL && !row->dead ? forced_add(op, id, SYNC_PUT) : rc;
}
