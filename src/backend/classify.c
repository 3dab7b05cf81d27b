/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What OX's error codes and categories mean for the caller, all in one place.  The code decides where it is listed, else the
 * category: OX 8.19 gives one code several meanings (OX-0001 is "conflict" or "not found") and puts one meaning into several
 * categories (a task that is gone is "permission denied").
 *
 * Sources: OX's description of its HTTP API, and exchanges recorded from a server.
 */
#include "backend/backend_int.h"

#include <stdio.h>
#include <string.h>

enum { CAT_USER_INPUT = 1, CAT_CONFIGURATION, CAT_PERMISSION, CAT_TRY_AGAIN, CAT_SERVICE_DOWN, CAT_CONNECTIVITY, CAT_ERROR = 8,
	CAT_CONFLICT, CAT_CAPACITY = 11, CAT_TRUNCATED };

struct meaning {
	const char *code;
	int category;  /* 0 = any */
	bool write;    /* only of a write */
	enum rc rc;
};

static const struct meaning meanings[] = {
	/* the object or folder is not there, or not for this user: the same to a sync client */
	{ "CON-0125", 0, false, RC_NOTFOUND }, { "CON-0174", 0, false, RC_NOTFOUND }, { "TSK-0006", 0, false, RC_NOTFOUND },
	{ "TSK-0019", 0, false, RC_NOTFOUND }, { "TSK-0046", 0, false, RC_NOTFOUND }, { "TSK-0048", 0, false, RC_NOTFOUND },
	{ "CAL-4040", 0, false, RC_NOTFOUND }, { "CAL-4041", 0, false, RC_NOTFOUND }, { "CAL-4042", 0, false, RC_NOTFOUND },
	{ "CAL-4045", 0, false, RC_NOTFOUND }, { "ATT-0405", 0, false, RC_NOTFOUND }, { "OX-0001", CAT_USER_INPUT, false, RC_NOTFOUND }, { "FLD-0003", 0, false, RC_NOTFOUND },
	{ "FLD-0008", 0, false, RC_NOTFOUND }, { "FLD-1004", 0, false, RC_NOTFOUND }, { "MSG-0032", 0, false, RC_NOTFOUND },
	{ "USR-0010", 0, false, RC_NOTFOUND }, { "GRP-0017", 0, false, RC_NOTFOUND }, { "MSG-0066", 0, false, RC_NOTFOUND }, { "MSG-0123", 0, false, RC_NOTFOUND }, { "IMAP-1002", 0, false, RC_NOTFOUND },
	/* changed meanwhile; an uid in use is the object that an earlier, unanswered create made */
	{ "CON-0119", 0, false, RC_CONFLICT }, { "TSK-0007", 0, false, RC_CONFLICT }, { "CAL-4120", 0, false, RC_CONFLICT },
	{ "FLD-1022", 0, false, RC_CONFLICT }, { "CAL-4090", 0, false, RC_CONFLICT }, { "APP-0100", 0, false, RC_CONFLICT },
	/* appointments that collide are no edit conflict */
	{ "CAL-4091", 0, false, RC_PROTO }, { "CAL-4092", 0, false, RC_PROTO },
	/* a name that is taken is the client's to change, though OX calls it a missing permission */
	{ "FLD-1014", 0, false, RC_PROTO }, { "FLD-0012", 0, false, RC_PROTO }, { "FLD-1033", 0, false, RC_PROTO },
	{ "FLD-1034", 0, false, RC_PROTO }, { "MSG-0063", 0, false, RC_PROTO },
	/* so is a rule of permissions that OX calls an error of its own: a private folder is administered by its owner only */
	{ "FLD-0017", 0, true, RC_PROTO },
	/* a picture that cannot be read, for OX a reason to try again */
	{ "CON-0158", 0, true, RC_PROTO },
	/* too much */
	{ "CAL-5072", 0, false, RC_LIMIT }, { "UPL-0005", 0, false, RC_LIMIT },
	/* data that OX fails on instead of refusing it: the same request would fail for ever */
	{ "SVL-0011", CAT_ERROR, true, RC_PROTO }, { "OX-9999", CAT_ERROR, true, RC_PROTO }, { "TSK-0053", 0, true, RC_PROTO },
	{ "TSK-0049", 0, true, RC_PROTO }, { "SVL-0005", 0, true, RC_PROTO }, { "SVL-0006", 0, true, RC_PROTO },
	/* the user may not log in, or not now */
	{ "LGI-0001", 0, false, RC_DENIED }, { "LGI-0006", 0, false, RC_DENIED }, { "LGI-0011", 0, false, RC_DENIED },
	{ "LGI-0012", 0, false, RC_DENIED }, { "LGI-0013", 0, false, RC_DENIED }, { "LGI-0014", 0, false, RC_FORBIDDEN },
	{ "SES-0007", 0, false, RC_UPSTREAM },
	/* mail rules and signatures */
	{ "MAIL_FILTER-0008", 0, false, RC_NOTFOUND }, { "SNIPPET-0003", 0, false, RC_NOTFOUND }, { "MAIL_FILTER-0021", 0, false, RC_CONFLICT },
	{ "MAIL_FILTER-0028", 0, false, RC_CONFLICT }, { "MAIL_FILTER-0005", 0, true, RC_PROTO }, { "MAIL_FILTER-0016", 0, true, RC_PROTO },
	{ "MAIL-FILTER-0001", 0, true, RC_PROTO }, { "SVL-0002", CAT_ERROR, true, RC_PROTO },
};

enum rc
ox_classify(const char *code, int category, bool write)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		const struct meaning *m = &meanings[i];

		if (strcmp(m->code, code) == 0 && (m->category == 0 || m->category == category) && (!m->write || write))
			return m->rc;
	}
	switch (category) {
	case CAT_USER_INPUT:
	case CAT_TRUNCATED:
		return RC_PROTO;
	case CAT_CONFIGURATION:
	case CAT_PERMISSION:
		return RC_FORBIDDEN;
	case CAT_CONFLICT:
		return RC_CONFLICT;
	case CAT_CAPACITY:
		return RC_LIMIT;
	default:
		return RC_UPSTREAM;
	}
}

static int
by_column(const struct content_type *t, const json_t *column)
{
	return json_is_integer(column) && json_integer_value(column) > 0 && json_integer_value(column) < 100000 ?
	    model_field_column(t, (int)json_integer_value(column)) : -1;
}

/* By OX's English label of it; some codes give the reason first and the field behind it (CON-0168). */
static int
by_label(const struct content_type *t, const json_t *params)
{
	for (size_t p = 0; p < json_array_size(params); p++) {
		const char *label = json_string_value(json_array_get(params, p));

		for (size_t i = 0; label != NULL && i < t->n_fields; i++)
			if (t->fields[i].label != NULL && strcmp(t->fields[i].label, label) == 0)
				return (int)i;
	}
	return -1;
}

/* Faults of a picture name no field: broken (SVL-0005 where it begins like a picture), no image, too large, not of a kind that is stored, unusable upload. */
static bool
is_picture_fault(const char *code)
{
	static const char *const codes[] = { "CON-0136", "CON-0158", "CON-0172", "SVL-0005", "SVL-0022", "UPL-0011" };

	for (size_t i = 0; code != NULL && i < ARRAY_LEN(codes); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

/*
 * QUIRK(OX, 8.19): tasks and folders name the column of what is too long; contacts and appointments say column 0 and name only
 * the field's English label, as the first of error_params.  All tell both lengths in `problematic`.
 */
void
ox_blame(const struct content_type *t, const json_t *env, struct err *e)
{
	const json_t *problem = json_array_get(json_object_get(env, "problematic"), 0);
	const char *name;
	int i;

	if (t == NULL || e == NULL)
		return;
	if (t->ct == CT_CONTACT && is_picture_fault(json_string_value(json_object_get(env, "code"))))
		i = model_field(t, "image1");
	else
		i = by_column(t, json_array_get(json_object_get(env, "truncated"), 0));
	if (i < 0)
		i = by_column(t, json_object_get(problem, "id"));
	name = i < 0 ? json_string_value(json_object_get(problem, "name")) : NULL;
	if (i < 0 && name != NULL)
		i = model_field(t, name);
	else if (i < 0)
		i = by_label(t, json_object_get(env, "error_params"));
	if (i >= 0) {
		model_err_field(e, t, (unsigned)i);
		name = t->fields[i].name;
	}
	if (name != NULL)
		(void)snprintf(e->path, sizeof(e->path), "%s", name);
	err_set_length(e, json_integer_value(json_object_get(problem, "length")), json_integer_value(json_object_get(problem, "max_size")));
}

static bool
is_in(const json_t *v, const char *value)
{
	const char *text = json_string_value(v);
	const json_t *x;
	const char *key;
	size_t i;
	bool found = text != NULL && strcmp(text, value) == 0;

	json_array_foreach (v, i, x)
		found = found || is_in(x, value);
	json_object_foreach ((json_t *)(uintptr_t)v, key, x)
		found = found || is_in(x, value);
	return found;
}

/*
 * QUIRK(OX, 8.19): of an address that is none (CON-0100) and of a member of a list without one (CON-0177, its name) only the value is told, as the
 * first of error_params: it is that of the first field of O which says it.
 */
void
ox_blame_value(const struct object *o, const json_t *env, struct err *e)
{
	const char *code = json_string_value(json_object_get(env, "code"));
	const char *value = json_string_value(json_array_get(json_object_get(env, "error_params"), 0));
	const struct content_type *t = model_content(o->ct);

	if (e == NULL || o->ct != CT_CONTACT || code == NULL || value == NULL || (strcmp(code, "CON-0100") != 0 && strcmp(code, "CON-0177") != 0))
		return;
	for (unsigned i = 0; i < t->n_fields; i++) {
		if ((strncmp(t->fields[i].name, "email", 5) != 0 && strcmp(t->fields[i].name, "distribution_list") != 0) || !is_in(o->v[i], value))
			continue;
		model_err_field(e, t, i);
		(void)snprintf(e->path, sizeof(e->path), "%s", t->fields[i].name);
		return;
	}
}
