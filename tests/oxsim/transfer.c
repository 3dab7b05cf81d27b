/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Modules import and export: whole folders as vCard, iCalendar or CSV.  The
 * two text formats are those of the pim module.  Changed occurrences of an
 * imported series are left out.
 */
#include <stdlib.h>

#include "oxsim/mail.h"
#include "oxsim/sim.h"
#include "usmd/pim.h"

/* The folder of the request if it is of one of the modules A and B; NULL with the error set. */
static struct folder *
folder_of(struct req *r, enum mod a, enum mod b)
{
	const char *id = need(r, "folder");
	struct folder *f = NULL;
	int n;

	if (id == NULL)
		return NULL;
	if (folder_id_parse(id, &n))
		f = folder_get(r->c, n);
	if (f == NULL || (f->m != a && f->m != b)) {
		fail(r, "FLD-0008", json_pack("[s,i]", id, r->c->id));
		return NULL;
	}
	if (!perm_visible(r->c, f, r->u->id)) {
		fail(r, "FLD-0003", json_pack("[i,i,i]", f->id, r->u->id, r->c->id));
		return NULL;
	}
	return f;
}

/* --- import ------------------------------------------------------------------------------ */

struct importing {
	struct req *r;
	struct folder *f;
	json_t *results;
};

static int
import_item(void *arg, const struct pim_item *item)
{
	struct importing *im = arg;
	struct req *r = im->r;
	bool event = item->kind == PIM_APPOINTMENT;
	bool contact = item->kind == PIM_CONTACT || item->kind == PIM_DISTLIST;
	size_t parts = r->npart;
	struct obj *o;
	char *id, *folder;

	if ((im->f->m == M_CALENDAR) != event || (im->f->m == M_CONTACTS) != contact)
		return 0;
	json_object_set_new(item->object, "folder_id", json_integer(im->f->id));
	/* the uploaded file is not the picture of a contact */
	r->npart = 0;
	o = store_insert(r, im->f, item->object);
	r->npart = parts;
	if (o == NULL) {
		/* one bad object does not stop the others */
		json_array_append(im->results, r->err);
		json_decref(r->err);
		r->err = NULL;
		r->failed = false;
		return 0;
	}
	id = xprintf("%d", o->id);
	folder = xprintf("%d", im->f->id);
	json_array_append_new(im->results, json_pack("{s:s,s:I,s:s}", "id", id, "last_modified",
	    (json_int_t)o->lm, "folder_id", folder));
	free(id);
	free(folder);
	return 0;
}

static void
import(struct req *r, enum mod a, enum mod b)
{
	struct importing im = { .r = r, .f = folder_of(r, a, b) };
	const char *zone = r->u->zone;
	struct pim_options opt;
	char *text;
	size_t i;

	if (im.f == NULL)
		return;
	im.results = json_array();
	pim_options_init(&opt);
	opt.lenient = true;
	opt.timezone = zone;
	/* the objects of the pim module hold true UTC times */
	r->zone = tz_get("UTC");
	for (i = 0; i < r->npart; i++)
		if (r->part[i].filename != NULL)
			(void)pim_file_parse(r->part[i].filename, r->part[i].p, r->part[i].n, &opt,
			    import_item, &im, NULL);
	text = json_dumps(im.results, JSON_COMPACT);
	sb_str(r->out, text);
	free(text);
	json_decref(im.results);
}

void
import_ical(struct req *r)
{
	import(r, M_CALENDAR, M_TASKS);
}

void
import_vcard(struct req *r)
{
	import(r, M_CONTACTS, M_CONTACTS);
}

/* --- export ------------------------------------------------------------------------------ */

/* The object as action=get would answer it with timezone=UTC. */
static json_t *
object_of(struct req *r, const struct ent *e)
{
	size_t at = r->out->len;
	json_t *o;

	emit_object(r, modinfo_of(e->f->m), e);
	o = json_loadb(r->out->p + at, r->out->len - at, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
	r->out->len = at;
	return o;
}

static struct ent **
readable(struct req *r, struct folder *f, size_t *n)
{
	struct ent **v = xcalloc(f->n + 1, sizeof(*v));
	uint32_t i;

	*n = 0;
	for (i = 0; i < f->n; i++)
		if (may_read(r->c, f, r->u->id, f->item[i]->o->created_by))
			v[(*n)++] = f->item[i];
	ents_by_id(v, *n);
	r->zone = tz_get("UTC");
	return v;
}

static void
send_file(struct req *r, const struct folder *f, const char *ending, const char *type, struct sb *text)
{
	char *name = xprintf("%s.%s", f->title, ending);

	mail_disposition(r, "attachment", name);
	raw_reply(r, type, text->p, text->len);
	free(name);
	sb_free(text);
}

/* A series without its changed occurrences, which are objects of their own. */
static bool
is_exception(const struct obj *o)
{
	return o->series != 0 && o->series != o->id;
}

static json_t *
exceptions_of(struct req *r, struct ent **v, size_t n, int series)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		if (is_exception(v[i]->o) && v[i]->o->series == series)
			json_array_append_new(list, object_of(r, v[i]));
	return list;
}

/* TEXT is one whole calendar; only the first keeps its frame lines. */
static void
append_calendar(struct sb *out, const char *text)
{
	const char *begin = strstr(text, "\r\nBEGIN:"), *end = strstr(text, "END:VCALENDAR");

	if (begin == NULL || end == NULL)
		return;
	if (out->len == 0)
		sb_put(out, text, (size_t)(end - text));
	else
		sb_put(out, begin + 2, (size_t)(end - begin - 2));
}

static void
format_ent(struct req *r, const struct ent *e, struct ent **v, size_t n, const struct pim_options *opt,
    struct sb *text)
{
	json_t *o = object_of(r, e), *changed;
	struct pim_error err;
	char *one = NULL;

	if (e->o->m == M_CONTACTS) {
		if (pim_vcard_format(o, opt, &one, &err) == PIM_OK)
			sb_str(text, one);
	} else if (e->o->m == M_TASKS) {
		if (pim_ical_task_format(o, opt, &one, &err) == PIM_OK)
			append_calendar(text, one);
	} else if (!is_exception(e->o)) {
		changed = exceptions_of(r, v, n, e->o->id);
		if (pim_ical_event_format(o, changed, opt, &one, &err) == PIM_OK)
			append_calendar(text, one);
		json_decref(changed);
	}
	json_decref(o);
	free(one);
}

static void
export(struct req *r, enum mod a, enum mod b, const char *ending, const char *type)
{
	struct folder *f = folder_of(r, a, b);
	struct sb text = { 0 };
	struct pim_options opt;
	struct ent **v;
	size_t n, i;

	if (f == NULL)
		return;
	pim_options_init(&opt);
	opt.now_ms = sim_now();
	v = readable(r, f, &n);
	for (i = 0; i < n; i++)
		format_ent(r, v[i], v, n, &opt, &text);
	if (a == M_CALENDAR) {
		if (text.len == 0)
			sb_str(&text, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//oxsim//EN\r\n");
		sb_str(&text, "END:VCALENDAR\r\n");
	}
	free(v);
	send_file(r, f, ending, type, &text);
}

void
export_ical(struct req *r)
{
	export(r, M_CALENDAR, M_TASKS, "ics", "text/calendar;charset=UTF-8");
}

void
export_vcard(struct req *r)
{
	export(r, M_CONTACTS, M_CONTACTS, "vcf", "text/x-vcard;charset=UTF-8");
}

/* Titles and fields of the CSV file, in its order. */
static const struct { const char *title, *field; } csv[] = {
	{ "Display name", "display_name" }, { "Sur name", "last_name" }, { "Given name", "first_name" },
	{ "Middle name", "second_name" }, { "Suffix", "suffix" }, { "Title", "title" },
	{ "Street home", "street_home" }, { "Postal code home", "postal_code_home" },
	{ "City home", "city_home" }, { "State home", "state_home" }, { "Country home", "country_home" },
	{ "Marital status", "marital_status" }, { "Number of children", "number_of_children" },
	{ "Profession", "profession" }, { "Nickname", "nickname" }, { "Spouse name", "spouse_name" },
	{ "Note", "note" }, { "Company", "company" }, { "Department", "department" },
	{ "Position", "position" }, { "Employee type", "employee_type" }, { "Room number", "room_number" },
	{ "Street business", "street_business" }, { "Postal code business", "postal_code_business" },
	{ "City business", "city_business" }, { "State business", "state_business" },
	{ "Country business", "country_business" }, { "Employee ID", "number_of_employees" },
	{ "Sales volume", "sales_volume" }, { "Tax id", "tax_id" },
	{ "Commercial register", "commercial_register" }, { "Branches", "branches" },
	{ "Business category", "busines_categorie" }, { "Info", "info" },
	{ "Manager's name", "manager_name" }, { "Assistant's name", "assistant_name" },
	{ "Street other", "street_other" }, { "Postal code other", "postal_code_other" },
	{ "City other", "city_other" }, { "State other", "state_other" },
	{ "Country other", "country_other" }, { "Telephone assistant", "telephone_assistant" },
	{ "Telephone business 1", "telephone_business1" },
	{ "Telephone business 2", "telephone_business2" }, { "FAX business", "fax_business" },
	{ "Telephone callback", "telephone_callback" }, { "Telephone car", "telephone_car" },
	{ "Telephone company", "telephone_company" }, { "Telephone home 1", "telephone_home1" },
	{ "Telephone home 2", "telephone_home2" }, { "FAX home", "fax_home" },
	{ "Telephone ISDN", "telephone_isdn" }, { "Cellular telephone 1", "cellular_telephone1" },
	{ "Cellular telephone 2", "cellular_telephone2" }, { "Telephone other", "telephone_other" },
	{ "FAX other", "fax_other" }, { "Telephone pager", "telephone_pager" },
	{ "Telephone primary", "telephone_primary" }, { "Telephone radio", "telephone_radio" },
	{ "Telephone telex", "telephone_telex" }, { "Telephone TTY/TDD", "telephone_ttytdd" },
	{ "Instantmessenger 1", "instant_messenger1" }, { "Instantmessenger 2", "instant_messenger2" },
	{ "Telephone IP", "telephone_ip" }, { "Email 1", "email1" }, { "Email 2", "email2" },
	{ "Email 3", "email3" }, { "URL", "url" }, { "Categories", "categories" },
	{ "Dynamic Field 1", "userfield01" }, { "Dynamic Field 2", "userfield02" },
	{ "Dynamic Field 3", "userfield03" }, { "Dynamic Field 4", "userfield04" },
	{ "Dynamic Field 5", "userfield05" }, { "Dynamic Field 6", "userfield06" },
	{ "Dynamic Field 7", "userfield07" }, { "Dynamic Field 8", "userfield08" },
	{ "Dynamic Field 9", "userfield09" }, { "Dynamic Field 10", "userfield10" },
	{ "Dynamic Field 11", "userfield11" }, { "Dynamic Field 12", "userfield12" },
	{ "Dynamic Field 13", "userfield13" }, { "Dynamic Field 14", "userfield14" },
	{ "Dynamic Field 15", "userfield15" }, { "Dynamic Field 16", "userfield16" },
	{ "Dynamic Field 17", "userfield17" }, { "Dynamic Field 18", "userfield18" },
	{ "Dynamic Field 19", "userfield19" }, { "Dynamic Field 20", "userfield20" },
	{ "Distribution list", "" }, { "Created by", "created_by" }, { "Modified by", "modified_by" },
	{ "Creation date", "creation_date" }, { "Changing date", "last_modified" },
	{ "Birthday", "birthday" }, { "Anniversary", "anniversary" },
	{ "Default address", "default_address" },
	{ "Mark as distribution list", "mark_as_distributionlist" },
};

/* One quoted cell; a quote inside is doubled. */
static void
csv_cell(struct sb *b, const char *text, bool last)
{
	sb_ch(b, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			sb_ch(b, '"');
		sb_ch(b, *text);
	}
	sb_str(b, last ? "\"\r\n" : "\",");
}

static void
csv_value(struct sb *b, const json_t *o, const char *field, bool last)
{
	const json_t *v = json_object_get(o, field);
	char *number;

	if (json_is_integer(v) || strcmp(field, "default_address") == 0) {
		number = xprintf("%lld", (long long)json_integer_value(v));
		csv_cell(b, number, last);
		free(number);
	} else if (strcmp(field, "mark_as_distributionlist") == 0) {
		csv_cell(b, json_is_true(v) ? "true" : "false", last);
	} else {
		csv_cell(b, json_is_string(v) ? json_string_value(v) : "", last);
	}
}

void
export_csv(struct req *r)
{
	struct folder *f = folder_of(r, M_CONTACTS, M_CONTACTS);
	size_t columns = sizeof(csv) / sizeof(csv[0]), n, i, k;
	struct sb text = { 0 };
	struct ent **v;
	json_t *o;

	if (f == NULL)
		return;
	for (k = 0; k < columns; k++)
		csv_cell(&text, csv[k].title, k + 1 == columns);
	v = readable(r, f, &n);
	for (i = 0; i < n; i++) {
		o = object_of(r, v[i]);
		for (k = 0; k < columns; k++)
			csv_value(&text, o, csv[k].field, k + 1 == columns);
		json_decref(o);
	}
	free(v);
	send_file(r, f, "csv", "text/csv;charset=UTF-8", &text);
}
