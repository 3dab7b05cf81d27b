/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Recurrence patterns as the legacy modules read them, measured at 8.19: an appointment's pattern is replaced as a whole, and only where
 * recurrence_type comes with it; a task's members are set one by one.
 */
#include "oxsim/cal.h"
#include "oxsim/task.h"

static const char *const members[] = { "interval", "days", "day_in_month", "month", "until", "occurrences" };
#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

static bool
has(const json_t *f, const char *k)
{
	return json_object_get(f, k) != NULL;
}

static json_int_t
number(const json_t *f, const char *k)
{
	const json_t *v = json_object_get(f, k);
	int64_t n = json_is_integer(v) ? json_integer_value(v) : 0;

	if (json_is_string(v))
		(void)parse_i64(json_string_value(v), &n);
	return n;
}

/* until and occurrences in one request: neither, or both with a value */
static bool
ends_agree(struct req *r, const json_t *f)
{
	bool until = has(f, "until") && !json_is_null(json_object_get(f, "until")), occ = number(f, "occurrences") > 0;

	if (!has(f, "until") || !has(f, "occurrences") || until == occ)
		return true;
	fail(r, "SVL-0002/type", json_pack("[s]", "Illegal combination of until and occurrences value."));
	return false;
}

static bool
refuse(struct req *r, const char *code, json_t *params)
{
	fail(r, code, params);
	return false;
}

static bool
unnecessary(struct req *r, const json_t *f, const char *k, bool may)
{
	return may || !has(f, k) || refuse(r, "APP-0097", json_pack("[s]", k));
}

static bool
complete(struct req *r, const json_t *f, int type)
{
	if (!has(f, "interval"))
		return refuse(r, "APP-0087", NULL);
	if (type == 2 && !has(f, "days"))
		return refuse(r, "APP-0089", NULL);
	if (type >= 3 && !has(f, "day_in_month"))
		return refuse(r, "APP-0090", NULL);
	if (!unnecessary(r, f, "days", type >= 2) || !unnecessary(r, f, "day_in_month", type >= 3) || !unnecessary(r, f, "month", type == 4))
		return false;
	if (type == 4 && !has(f, "month"))
		return refuse(r, "APP-0064", json_pack("[i]", -1));
	if (has(f, "until") && number(f, "occurrences") > 0)
		return refuse(r, "APP-0095", NULL);
	if (number(f, "interval") < 1)
		return refuse(r, "APP-0055", json_pack("[I]", number(f, "interval")));
	if (has(f, "days") && number(f, "days") < 1)
		return refuse(r, "APP-0056", json_pack("[I]", number(f, "days")));
	if (type >= 3 && number(f, "day_in_month") == 0)
		return refuse(r, has(f, "days") ? "APP-0045" : "APP-0042", json_pack("[i]", 0));
	return true;
}

bool
cal_pattern(struct req *r, json_t *f, bool create)
{
	int type = (int)number(f, "recurrence_type");
	size_t i;

	if (!ends_agree(r, f))
		return false;
	if (!has(f, "recurrence_type")) {
		for (i = 0; i < N_MEMBERS && !create; i++)
			json_object_del(f, members[i]);
		return true;
	}
	if (type > 0 && !complete(r, f, type > 4 ? 4 : type))
		return false;
	for (i = 0; i < N_MEMBERS; i++)
		if (type == 0 || !has(f, members[i]))
			json_object_set_new(f, members[i], json_null());
	return true;
}

bool
task_pattern(struct req *r, json_t *f)
{
	if (!ends_agree(r, f))
		return false;
	if (number(f, "occurrences") > 0)
		json_object_set_new(f, "until", json_null());
	else if (has(f, "until") || has(f, "occurrences"))
		json_object_set_new(f, has(f, "until") ? "occurrences" : "until", json_null());
	return true;
}
