/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which members of a recurrence pattern the legacy modules are sent.  QUIRK(OX, 8.19), measured: an appointment's pattern is replaced as a whole by an
 * update that has recurrence_type, and without it all its other members are ignored without a word; a member that the type does not know is
 * refused even where it is null (APP-0097), and so is a null where the type has a choice (APP-0056).  A task's members are set one by one.  Of both
 * until and occurrences a null beside a value is refused (SVL-0002): either clears the other.
 */
#include "backend/backend_int.h"

#include <string.h>

static const struct {
	const char *name;
	int from, to; /* the types that have it: 1 daily, 2 weekly, 3 monthly, 4 yearly */
} members[] = {
	{ "interval", 1, 4 }, { "days", 2, 4 }, { "day_in_month", 3, 4 }, { "month", 4, 4 }, { "until", 1, 4 }, { "occurrences", 1, 4 },
};

static int
member_no(enum content ct, const char *name)
{
	return model_field(model_content(ct), name);
}

/* A number of occurrences that is 0 is none, like an unset one. */
static bool
says(const struct object *o, int i)
{
	const json_t *v = i >= 0 ? o->v[i] : NULL;

	return v != NULL && !json_is_null(v) && (i != member_no(o->ct, "occurrences") || object_get_i64(o, (unsigned)i, 0) > 0);
}

void
pattern_end(const struct object *o, const struct fmask *changed, struct fmask *m)
{
	int until = member_no(o->ct, "until"), count = member_no(o->ct, "occurrences");

	if (until < 0 || count < 0)
		return;
	if (fmask_has(changed, (unsigned)until) && says(o, until) && !fmask_has(changed, (unsigned)count))
		fmask_clear(m, (unsigned)count);
	if (fmask_has(changed, (unsigned)count) && says(o, count) && !fmask_has(changed, (unsigned)until))
		fmask_clear(m, (unsigned)until);
}

static void
one_end(const struct object *o, struct fmask *m)
{
	int until = member_no(o->ct, "until"), count = member_no(o->ct, "occurrences");

	if (!fmask_has(m, (unsigned)until) || !fmask_has(m, (unsigned)count) || says(o, until) == says(o, count))
		return;
	fmask_clear(m, (unsigned)(says(o, until) ? count : until));
}

void
pattern_members(const struct object *o, struct fmask *m)
{
	int i = member_no(o->ct, "recurrence_type");
	int64_t type;

	if (i < 0)
		return;
	if (o->ct == CT_TASK || !fmask_has(m, (unsigned)i)) {
		one_end(o, m);
		return;
	}
	type = object_get_i64(o, (unsigned)i, 0);
	for (size_t k = 0; k < ARRAY_LEN(members); k++) {
		i = member_no(o->ct, members[k].name);
		/* a value that is missing is refused by OX, which names it; what the type has no use for is not told */
		if (type < members[k].from || type > members[k].to || !says(o, i))
			fmask_clear(m, (unsigned)i);
	}
}
