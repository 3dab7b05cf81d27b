/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is published is what the tables say: conf/schema/objects.json, and the tables of usm-json(7), are made from the
 * table of fields and the table of status codes.  With USMD_UPDATE=1 in the environment this test rewrites them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/schema.h"
#include "helpers.h"
#include "protocol/usmjson/usmjson_int.h"

#define OBJECTS "conf/schema/objects.json"
#define MAN "man/usm-json.7"

static bool
updating(void)
{
	const char *u = getenv("USMD_UPDATE");

	return u != NULL && strcmp(u, "1") == 0;
}

static bool
delivered(const struct content_type *t, const struct field *f)
{
	return (f->flags & FF_NODELIVER) == 0 && !(t->ct == CT_FOLDER && strcmp(f->name, "folder_id") == 0);
}

static void
read_text(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "rb");
	char tmp[4096];
	size_t n;

	buf_init(b, 0);
	ck_assert_msg(f != NULL, "%s cannot be read", path);
	while ((n = fread(tmp, 1, sizeof(tmp), f)) > 0)
		buf_add(b, tmp, n);
	(void)fclose(f);
}

static void
write_text(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(b->p, 1, b->len, f), b->len);
	ck_assert_int_eq(fclose(f), 0);
}

/* ---- conf/schema/objects.json ---- */

enum shape { WHOLE, MODIFIED, CREATE, CHANGE };

static void
schema_type(struct buf *b, const struct field *f, enum shape shape)
{
	static const char *const types[] = {
		[FT_STRING] = "\"string\"", [FT_INT] = "\"integer\"", [FT_NUMBER] = "\"number\", \"string\"", [FT_BOOL] = "\"boolean\"",
		[FT_DATE] = "\"integer\"", [FT_TIME] = "\"integer\"", [FT_ID] = "\"string\"", [FT_BINARY] = "\"string\"", [FT_JSON] = "\"array\", \"object\"",
	};

	buf_addf(b, ",\n\t\t\t\t\"%s\": {\"type\": [%s%s]", f->name, types[f->type], shape == WHOLE ? "" : ", \"null\"");
	if ((shape == CREATE || shape == CHANGE) && f->type == FT_STRING && f->max_len != 0)
		buf_addf(b, ", \"maxLength\": %u", f->max_len);
	buf_adds(b, "}");
}

static void
schema_member(struct buf *b, const char *name, const char *type)
{
	buf_addf(b, "%s\n\t\t\t\t\"%s\": %s", b->p[b->len - 1] == '{' ? "" : ",", name, type);
}

#define REF(x) "{\"$ref\": \"common.json#/$defs/" x "\"}"
static void
schema_envelope(struct buf *b, const struct content_type *t, enum shape shape)
{
	char type[80];

	(void)snprintf(type, sizeof(type), "{\"const\": \"%s\"}", t->name);
	if (shape != CREATE)
		schema_member(b, "uuid", REF("uuid"));
	schema_member(b, "objectType", type);
	schema_member(b, "clientId", REF("clientId"));
	if (shape != CREATE)
		schema_member(b, "rev", REF("rev"));
	if (shape == WHOLE || shape == MODIFIED)
		schema_member(b, "own", "{\"type\": \"array\", \"items\": {\"type\": \"string\"}}");
	if ((shape == WHOLE || shape == MODIFIED) && t->ct == CT_MAIL)
		schema_member(b, "truncated", "{\"const\": true}");
	if (shape == CREATE)
		schema_member(b, "again", "{\"type\": \"boolean\"}");
	if ((shape == CREATE || shape == CHANGE) && t->ct == CT_CALENDAR)
		schema_member(b, "ignoreConflicts", "{\"type\": \"boolean\"}");
	if ((shape == CREATE || shape == CHANGE) && (t->ct == CT_CALENDAR || t->ct == CT_TASK))
		schema_member(b, "notify", "{\"type\": \"boolean\"}");
	if ((shape == CREATE || shape == CHANGE) && t->ct == CT_MAIL)
		schema_member(b, "raw", "{\"type\": \"string\", \"minLength\": 4}");
	if (shape == CHANGE)
		schema_member(b, "blind", "{\"type\": \"array\", \"items\": {\"type\": \"string\"}}");
	if (shape == CHANGE && t->ct != CT_FOLDER)
		schema_member(b, "folder", REF("uuid"));
	if (t->ct == CT_FOLDER)
		schema_member(b, "parent", REF("folder"));
	if (t->ct == CT_FOLDER && (shape == WHOLE || shape == MODIFIED)) {
		schema_member(b, "owner", REF("owner"));
		schema_member(b, "displayName", "{\"type\": \"string\"}");
	}
}

static void
schema_object(struct buf *b, const struct content_type *t, enum shape shape)
{
	static const char *const suffix[] = { [WHOLE] = "", [MODIFIED] = "Modified", [CREATE] = "Create", [CHANGE] = "Change" };
	static const char *const required[] = {
		[WHOLE] = "\"uuid\", \"objectType\", \"rev\"", [MODIFIED] = "\"uuid\", \"objectType\"", [CREATE] = "\"clientId\"", [CHANGE] = "\"uuid\"",
	};

	buf_addf(b, "%s\n\t\t\"%s%s\": {\n\t\t\t\"type\": \"object\",\n\t\t\t\"properties\": {", b->p[b->len - 1] == '{' ? "" : ",", t->name, suffix[shape]);
	schema_envelope(b, t, shape);
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field *f = &t->fields[i];

		if ((shape == WHOLE || shape == MODIFIED) && (f->flags & FF_APART) != 0)
			continue;
		if (!delivered(t, f) || ((shape == CREATE || shape == CHANGE) && (f->flags & FF_READONLY) != 0) || (shape == CHANGE && (f->flags & FF_ONCE) != 0))
			continue;
		schema_type(b, f, shape);
	}
	buf_addf(b, "\n\t\t\t},\n\t\t\t\"required\": [%s%s],\n\t\t\t\"additionalProperties\": false\n\t\t}", required[shape],
	    shape == CREATE && t->ct == CT_MAIL ? ", \"raw\"" : "");
}

START_TEST(schema_of_objects)
{
	struct buf want, have;

	buf_init(&want, 0);
	buf_adds(&want, "{\n\t\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n\t\"$id\": \"objects.json\",\n"
	    "\t\"title\": \"Objects by type: as delivered, Modified = changed fields only, Create and Change = as a client sends them\",\n\t\"$defs\": {");
	for (int ct = 0; ct < CT_COUNT; ct++)
		for (int s = WHOLE; s <= CHANGE; s++)
			schema_object(&want, model_content((enum content)ct), (enum shape)s);
	buf_adds(&want, "\n\t}\n}\n");
	if (updating())
		write_text(OBJECTS, &want);
	read_text(OBJECTS, &have);
	ck_assert_msg(have.len == want.len && memcmp(have.p, want.p, want.len) == 0,
	    OBJECTS " is not what the table of fields says: run this test with USMD_UPDATE=1 and look at the difference");
	buf_fini(&want);
	buf_fini(&have);
}
END_TEST

/* ---- the tables of usm-json(7) ---- */

static void
man_status(struct buf *b)
{
	buf_adds(b, ".TS\nlb lb lb lb\nl l l lx.\nstatus\tcode\tHTTP\twhat to do\n");
	for (int i = US_OK; i < US_END; i++) {
		const struct status *s = status_get((enum usm_status)i);

		buf_addf(b, "%d\t%s\t%d\tT{\n%s\nT}\n", i, s->name, s->http, i == US_OK ? "Use the answer." : s->advice);
	}
	buf_adds(b, ".TE\n");
}

static void
man_fields(struct buf *b, const struct content_type *t)
{
	static const char *const types[] = {
		[FT_STRING] = "string", [FT_INT] = "integer", [FT_NUMBER] = "number", [FT_BOOL] = "boolean", [FT_DATE] = "date",
		[FT_TIME] = "time", [FT_ID] = "uuid", [FT_BINARY] = "base64", [FT_JSON] = "structure",
	};

	buf_adds(b, ".TS\nlb lb lb lb lb\nl l l l l.\nfield\ttype\tlength\tset by\tlist\n");
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field *f = &t->fields[i];

		if (!delivered(t, f))
			continue;
		buf_addf(b, "%s\t%s\t", f->name, types[f->type]);
		if (f->max_len != 0)
			buf_addf(b, "%u", f->max_len);
		else
			buf_addc(b, '-');
		buf_addf(b, "\t%s\t%s\n", (f->flags & FF_READONLY) != 0 ? "server" : (f->flags & FF_ONCE) != 0 ? "create" : "both",
		    (f->flags & FF_HEADERS) != 0 ? "yes" : "-");
	}
	buf_adds(b, ".TE\n");
}

/* replaces what is between .\" BEGIN NAME and .\" END NAME in B by TEXT; false when it is there already */
static bool
section_set(struct buf *b, const char *name, const struct buf *text)
{
	char begin[80], end[80];
	char *p, *q;
	struct buf out;
	bool same;

	(void)snprintf(begin, sizeof(begin), ".\\\" BEGIN %s\n", name);
	(void)snprintf(end, sizeof(end), ".\\\" END %s\n", name);
	p = strstr(b->p, begin);
	ck_assert_msg(p != NULL, MAN " has no section %s", name);
	p += strlen(begin);
	q = strstr(p, end);
	ck_assert_msg(q != NULL, MAN " has no end of section %s", name);
	same = (size_t)(q - p) == text->len && memcmp(p, text->p, text->len) == 0;
	if (same)
		return false;
	buf_init(&out, 0);
	buf_add(&out, b->p, (size_t)(p - b->p));
	buf_add(&out, text->p, text->len);
	buf_adds(&out, q);
	buf_fini(b);
	*b = out;
	return true;
}

START_TEST(tables_of_the_manual)
{
	struct buf man, text;
	char name[40];

	read_text(MAN, &man);
	for (int ct = -1; ct < CT_COUNT; ct++) {
		bool differs;

		buf_init(&text, 0);
		if (ct < 0)
			man_status(&text);
		else
			man_fields(&text, model_content((enum content)ct));
		(void)snprintf(name, sizeof(name), "%s", ct < 0 ? "status" : model_content((enum content)ct)->name);
		differs = section_set(&man, name, &text);
		ck_assert_msg(!differs || updating(), MAN ": the table \"%s\" is not what the program says: run this test with USMD_UPDATE=1", name);
		buf_fini(&text);
	}
	if (updating())
		write_text(MAN, &man);
	buf_fini(&man);
}
END_TEST

/* every command has its schema file and its section in the manual */
START_TEST(every_command_is_published)
{
	const struct command *c;
	struct buf man;
	char text[120];
	size_t n;

	read_text(MAN, &man);
	c = command_table(&n);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "\n.SS %s\n", c[i].name);
		ck_assert_msg(strstr(man.p, text) != NULL, "%s is not in " MAN, c[i].name);
		(void)snprintf(text, sizeof(text), "{\"status\":16,\"time\":1,\"error\":{\"code\":\"internal\",\"message\":\"m\",\"details\":{}}}");
		ck_assert_msg(schema_check(c[i].name, text, strlen(text)) == NULL, "%s", c[i].name);
		ck_assert_ptr_nonnull(schema_check_request(c[i].name, "{\"no\":1}", 8));
	}
	buf_fini(&man);
}
END_TEST

/* the enumeration of codes in common.json is the table of status codes */
START_TEST(codes_in_the_schema)
{
	char text[200];

	for (int i = US_OK + 1; i < US_END; i++) {
		(void)snprintf(text, sizeof(text), "{\"status\":%d,\"time\":1,\"error\":{\"code\":\"%s\",\"message\":\"m\",\"details\":{}}}", i, status_get((enum usm_status)i)->name);
		ck_assert_msg(schema_check("ping", text, strlen(text)) == NULL, "%s", schema_check("ping", text, strlen(text)));
	}
	ck_assert_ptr_nonnull(schema_check("ping", "{\"status\":20,\"time\":1,\"error\":{\"code\":\"ok\",\"message\":\"m\",\"details\":{}}}", 70));
}
END_TEST

/* the manual names every limit that serverInfo tells; that it gives the defaults of the settings is a test of conf */
START_TEST(limits_in_the_manual)
{
	struct reply rep;
	struct buf man;
	json_t *j, *v;
	const char *name;
	char line[120];

	read_text(MAN, &man);
	post("/serverInfo", "{}", &rep);
	j = answer_json(&rep);
	json_object_foreach(json_object_get(json_object_get(j, "data"), "limits"), name, v) {
		(void)snprintf(line, sizeof(line), "\n%s\t", name);
		ck_assert_msg(strstr(man.p, line) != NULL, MAN " does not name the limit %s", name);
	}
	json_decref(j);
	reply_fini(&rep);
	buf_fini(&man);
}
END_TEST

Suite *
suite_published(void)
{
	Suite *s = suite_create("usmjson published");
	TCase *t = tcase_create("published");

	tcase_add_test(t, schema_of_objects);
	tcase_add_test(t, tables_of_the_manual);
	tcase_add_test(t, every_command_is_published);
	tcase_add_test(t, codes_in_the_schema);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, limits_in_the_manual);
	suite_add_tcase(s, t);
	return s;
}
