/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Fields and columns of contacts, tasks and appointments as tables, with the
 * lengths measured on OX 8.19.  The order of a table is the order of the
 * members in an answer of action=get.  Members that begin with "_" are
 * stored but never answered by the legacy modules.
 */
#include "oxsim/sim.h"

static const struct fld contact_fld[] = {
	{ 1, "id", FT_VIRT, 0, NULL, NULL, NULL },
	{ 2, "created_by", FT_VIRT, 0, NULL, NULL, NULL },
	{ 3, "modified_by", FT_VIRT, 0, NULL, NULL, NULL },
	{ 4, "creation_date", FT_VIRT, 0, NULL, NULL, NULL },
	{ 5, "last_modified", FT_VIRT, 0, NULL, NULL, NULL },
	{ 6, "last_modified_utc", FT_VIRT, 0, NULL, NULL, NULL },
	{ 20, "folder_id", FT_VIRT, 0, NULL, NULL, NULL },
	{ 100, "categories", FT_STR, 1024, NULL, NULL, "Categories" },
	{ 101, "private_flag", FT_BOOL, 0, "false", NULL, NULL },
	{ 102, "color_label", FT_INT, 0, "0", NULL, NULL },
	{ 104, "number_of_attachments", FT_VIRT, 0, NULL, NULL, NULL },
	{ 105, "lastModifiedOfNewestAttachmentUTC", FT_VIRT, 0, NULL, NULL, NULL },
	{ 223, "uid", FT_STR, 255, NULL, NULL, "UID" },
	{ 500, "display_name", FT_STR, 320, NULL, NULL, "Display name" },
	{ 501, "first_name", FT_STR, 128, NULL, NULL, "First name" },
	{ 502, "last_name", FT_STR, 128, NULL, NULL, "Last name" },
	{ 503, "second_name", FT_STR, 128, NULL, NULL, "Middle name" },
	{ 504, "suffix", FT_STR, 64, NULL, NULL, "Suffix" },
	{ 505, "title", FT_STR, 64, NULL, NULL, "Title" },
	{ 506, "street_home", FT_STR, 256, NULL, NULL, "Street home" },
	{ 507, "postal_code_home", FT_STR, 64, NULL, NULL, "Postal code home" },
	{ 508, "city_home", FT_STR, 64, NULL, NULL, "City home" },
	{ 509, "state_home", FT_STR, 64, NULL, NULL, "State home" },
	{ 510, "country_home", FT_STR, 64, NULL, NULL, "Country home" },
	{ 511, "birthday", FT_DATE, 0, NULL, NULL, NULL },
	{ 512, "marital_status", FT_STR, 64, NULL, NULL, "Marital status" },
	{ 513, "number_of_children", FT_STR, 64, NULL, NULL, "Children" },
	{ 514, "profession", FT_STR, 64, NULL, NULL, "Profession" },
	{ 515, "nickname", FT_STR, 64, NULL, NULL, "Nickname" },
	{ 516, "spouse_name", FT_STR, 64, NULL, NULL, "Spouse" },
	{ 517, "anniversary", FT_DATE, 0, NULL, NULL, NULL },
	{ 518, "note", FT_STR, 65535, NULL, NULL, "Note" },
	{ 519, "department", FT_STR, 128, NULL, NULL, "Department" },
	{ 520, "position", FT_STR, 128, NULL, NULL, "Position" },
	{ 521, "employee_type", FT_STR, 64, NULL, NULL, "Employee type" },
	{ 522, "room_number", FT_STR, 64, NULL, NULL, "Room number" },
	{ 523, "street_business", FT_STR, 256, NULL, NULL, "Street business" },
	{ 524, "user_id", FT_INT, 0, "0", NULL, NULL },
	{ 525, "postal_code_business", FT_STR, 64, NULL, NULL, "Postal code business" },
	{ 526, "city_business", FT_STR, 128, NULL, NULL, "City business" },
	{ 527, "state_business", FT_STR, 64, NULL, NULL, "State business" },
	{ 528, "country_business", FT_STR, 64, NULL, NULL, "Country business" },
	{ 529, "number_of_employees", FT_STR, 64, NULL, NULL, "Employee ID" },
	{ 530, "sales_volume", FT_STR, 64, NULL, NULL, "Sales volume" },
	{ 531, "tax_id", FT_STR, 128, NULL, NULL, "Tax ID" },
	{ 532, "commercial_register", FT_STR, 64, NULL, NULL, "Commercial register" },
	{ 533, "branches", FT_STR, 64, NULL, NULL, "Branches" },
	{ 534, "busines_categorie", FT_STR, 64, NULL, NULL, "Business category" },
	{ 535, "info", FT_STR, 65535, NULL, NULL, "Info" },
	{ 536, "manager_name", FT_STR, 64, NULL, NULL, "Manager" },
	{ 537, "assistant_name", FT_STR, 64, NULL, NULL, "Assistant" },
	{ 538, "street_other", FT_STR, 256, NULL, NULL, "Street other" },
	{ 539, "city_other", FT_STR, 64, NULL, NULL, "City other" },
	{ 540, "postal_code_other", FT_STR, 64, NULL, NULL, "Postal code other" },
	{ 541, "country_other", FT_STR, 64, NULL, NULL, "Country other" },
	{ 542, "telephone_business1", FT_STR, 64, NULL, NULL, "Telephone business 1" },
	{ 543, "telephone_business2", FT_STR, 128, NULL, NULL, "Telephone business 2" },
	{ 544, "fax_business", FT_STR, 64, NULL, NULL, "FAX business" },
	{ 545, "telephone_callback", FT_STR, 64, NULL, NULL, "Telephone callback" },
	{ 546, "telephone_car", FT_STR, 64, NULL, NULL, "Telephone car" },
	{ 547, "telephone_company", FT_STR, 64, NULL, NULL, "Telephone company" },
	{ 548, "telephone_home1", FT_STR, 64, NULL, NULL, "Telephone home 1" },
	{ 549, "telephone_home2", FT_STR, 64, NULL, NULL, "Telephone home 2" },
	{ 550, "fax_home", FT_STR, 64, NULL, NULL, "FAX home" },
	{ 551, "cellular_telephone1", FT_STR, 64, NULL, NULL, "Cellular telephone 1" },
	{ 552, "cellular_telephone2", FT_STR, 64, NULL, NULL, "Cellular telephone 2" },
	{ 553, "telephone_other", FT_STR, 64, NULL, NULL, "Telephone other" },
	{ 554, "fax_other", FT_STR, 64, NULL, NULL, "FAX other" },
	{ 555, "email1", FT_STR, 256, NULL, NULL, "Email 1" },
	{ 556, "email2", FT_STR, 256, NULL, NULL, "Email 2" },
	{ 557, "email3", FT_STR, 256, NULL, NULL, "Email 3" },
	{ 558, "url", FT_STR, 128, NULL, NULL, "URL" },
	{ 559, "telephone_isdn", FT_STR, 64, NULL, NULL, "Telephone ISDN" },
	{ 560, "telephone_pager", FT_STR, 64, NULL, NULL, "Pager" },
	{ 561, "telephone_primary", FT_STR, 64, NULL, NULL, "Telephone primary" },
	{ 562, "telephone_radio", FT_STR, 64, NULL, NULL, "Telephone radio" },
	{ 563, "telephone_telex", FT_STR, 64, NULL, NULL, "Telex" },
	{ 564, "telephone_ttytdd", FT_STR, 64, NULL, NULL, "TTY/TDD" },
	{ 565, "instant_messenger1", FT_STR, 64, NULL, NULL, "Instantmessenger 1" },
	{ 566, "instant_messenger2", FT_STR, 64, NULL, NULL, "Instantmessenger 2" },
	{ 567, "telephone_ip", FT_STR, 64, NULL, NULL, "IP phone" },
	{ 568, "telephone_assistant", FT_STR, 64, NULL, NULL, "Telephone assistant" },
	{ 569, "company", FT_STR, 512, NULL, NULL, "Company" },
	{ 570, "image1", FT_VIRT, 0, NULL, NULL, NULL },
	{ 571, "userfield01", FT_STR, 64, NULL, NULL, "Dynamic Field 1" },
	{ 572, "userfield02", FT_STR, 64, NULL, NULL, "Dynamic Field 2" },
	{ 573, "userfield03", FT_STR, 64, NULL, NULL, "Dynamic Field 3" },
	{ 574, "userfield04", FT_STR, 64, NULL, NULL, "Dynamic Field 4" },
	{ 575, "userfield05", FT_STR, 64, NULL, NULL, "Dynamic Field 5" },
	{ 576, "userfield06", FT_STR, 64, NULL, NULL, "Dynamic Field 6" },
	{ 577, "userfield07", FT_STR, 64, NULL, NULL, "Dynamic Field 7" },
	{ 578, "userfield08", FT_STR, 64, NULL, NULL, "Dynamic Field 8" },
	{ 579, "userfield09", FT_STR, 64, NULL, NULL, "Dynamic Field 9" },
	{ 580, "userfield10", FT_STR, 64, NULL, NULL, "Dynamic Field 10" },
	{ 581, "userfield11", FT_STR, 64, NULL, NULL, "Dynamic Field 11" },
	{ 582, "userfield12", FT_STR, 64, NULL, NULL, "Dynamic Field 12" },
	{ 583, "userfield13", FT_STR, 64, NULL, NULL, "Dynamic Field 13" },
	{ 584, "userfield14", FT_STR, 64, NULL, NULL, "Dynamic Field 14" },
	{ 585, "userfield15", FT_STR, 64, NULL, NULL, "Dynamic Field 15" },
	{ 586, "userfield16", FT_STR, 64, NULL, NULL, "Dynamic Field 16" },
	{ 587, "userfield17", FT_STR, 64, NULL, NULL, "Dynamic Field 17" },
	{ 588, "userfield18", FT_STR, 64, NULL, NULL, "Dynamic Field 18" },
	{ 589, "userfield19", FT_STR, 64, NULL, NULL, "Dynamic Field 19" },
	{ 590, "userfield20", FT_STR, 64, NULL, NULL, "Dynamic Field 20" },
	{ 592, "distribution_list", FT_JSON, 0, NULL, NULL, NULL },
	{ 594, "number_of_distribution_list", FT_VIRT, 0, NULL, NULL, NULL },
	{ 596, "number_of_images", FT_VIRT, 0, NULL, NULL, NULL },
	{ 597, "image_last_modified", FT_VIRT, 0, NULL, NULL, NULL },
	{ 598, "state_other", FT_STR, 64, NULL, NULL, "State other" },
	{ 599, "file_as", FT_STR, 320, NULL, NULL, "File as" },
	{ 601, "image1_content_type", FT_VIRT, 0, NULL, NULL, NULL },
	{ 602, "mark_as_distributionlist", FT_BOOL, 0, "false", NULL, NULL },
	{ 605, "default_address", FT_INT, 0, NULL, NULL, NULL },
	{ 606, "image1_url", FT_VIRT, 0, NULL, NULL, NULL },
	{ 607, "sort_name", FT_VIRT, 0, NULL, NULL, NULL },
	{ 608, "useCount", FT_VIRT, 0, NULL, NULL, NULL },
	{ 616, "yomiFirstName", FT_STR, 128, NULL, NULL, "Yomi First Name" },
	{ 617, "yomiLastName", FT_STR, 128, NULL, NULL, "Yomi Last Name" },
	{ 618, "yomiCompany", FT_STR, 512, NULL, NULL, "Yomi Company" },
	{ 619, "addressHome", FT_STR, 512, NULL, NULL, "Address Home" },
	{ 620, "addressBusiness", FT_STR, 512, NULL, NULL, "Address Business" },
	{ 621, "addressOther", FT_STR, 512, NULL, NULL, "Address Other" },
};

static const struct fld task_fld[] = {
	{ 1, "id", FT_VIRT, 0, NULL, NULL, NULL },
	{ 2, "created_by", FT_VIRT, 0, NULL, NULL, NULL },
	{ 3, "modified_by", FT_VIRT, 0, NULL, NULL, NULL },
	{ 4, "creation_date", FT_VIRT, 0, NULL, NULL, NULL },
	{ 5, "last_modified", FT_VIRT, 0, NULL, NULL, NULL },
	{ 6, "last_modified_utc", FT_VIRT, 0, NULL, NULL, NULL },
	{ 20, "folder_id", FT_VIRT, 0, NULL, NULL, NULL },
	{ 100, "categories", FT_STR, 255, NULL, NULL, "Categories" },
	{ 101, "private_flag", FT_BOOL, 0, "false", "false", NULL },
	{ 102, "color_label", FT_INT, 0, NULL, NULL, NULL },
	{ 104, "number_of_attachments", FT_VIRT, 0, NULL, NULL, NULL },
	{ 105, "lastModifiedOfNewestAttachmentUTC", FT_VIRT, 0, NULL, NULL, NULL },
	{ 223, "uid", FT_STR, 255, NULL, NULL, "UID" },
	{ 200, "title", FT_STR, 256, NULL, NULL, "title" },
	{ 201, "start_date", FT_SEC, 0, NULL, NULL, NULL },
	{ 202, "end_date", FT_SEC, 0, NULL, NULL, NULL },
	{ 316, "start_time", FT_VIRT, 0, NULL, NULL, NULL },
	{ 317, "end_time", FT_VIRT, 0, NULL, NULL, NULL },
	{ 401, "full_time", FT_BOOL, 0, "true", "true", NULL },
	{ 226, "confirmations", FT_VIRT, 0, NULL, NULL, NULL },
	{ 203, "note", FT_STR, 65535, NULL, NULL, "note" },
	{ 204, "alarm", FT_TIME, 0, NULL, NULL, NULL },
	{ 209, "recurrence_type", FT_INT, 0, "0", "0", NULL },
	{ 212, "days", FT_INT, 0, NULL, NULL, NULL },
	{ 213, "day_in_month", FT_INT, 0, NULL, NULL, NULL },
	{ 214, "month", FT_INT, 0, NULL, NULL, NULL },
	{ 215, "interval", FT_INT, 0, NULL, NULL, NULL },
	{ 216, "until", FT_SEC, 0, NULL, NULL, NULL },
	{ 222, "occurrences", FT_INT, 0, NULL, NULL, NULL },
	{ 220, "participants", FT_VIRT, 0, NULL, NULL, NULL },
	{ 221, "users", FT_VIRT, 0, NULL, NULL, NULL },
	{ 300, "status", FT_INT, 0, NULL, NULL, NULL },
	{ 301, "percent_completed", FT_INT, 0, NULL, NULL, NULL },
	{ 302, "actual_costs", FT_NUM, 0, NULL, NULL, NULL },
	{ 303, "actual_duration", FT_DUR, 0, NULL, NULL, NULL },
	{ 305, "billing_information", FT_STR, 255, NULL, NULL, "billing information" },
	{ 307, "target_costs", FT_NUM, 0, NULL, NULL, NULL },
	{ 308, "target_duration", FT_DUR, 0, NULL, NULL, NULL },
	{ 309, "priority", FT_INT, 0, NULL, NULL, NULL },
	{ 312, "currency", FT_STR, 10, NULL, NULL, "currency" },
	{ 313, "trip_meter", FT_STR, 255, NULL, NULL, "trip meter" },
	{ 314, "companies", FT_STR, 255, NULL, NULL, "companies" },
	{ 315, "date_completed", FT_TIME, 0, NULL, NULL, NULL },
};

static const struct fld cal_fld[] = {
	{ 1, "id", FT_VIRT, 0, NULL, NULL, NULL },
	{ 2, "created_by", FT_VIRT, 0, NULL, NULL, NULL },
	{ 3, "modified_by", FT_VIRT, 0, NULL, NULL, NULL },
	{ 4, "creation_date", FT_VIRT, 0, NULL, NULL, NULL },
	{ 5, "last_modified", FT_VIRT, 0, NULL, NULL, NULL },
	{ 6, "last_modified_utc", FT_VIRT, 0, NULL, NULL, NULL },
	{ 20, "folder_id", FT_VIRT, 0, NULL, NULL, NULL },
	{ 104, "number_of_attachments", FT_VIRT, 0, NULL, NULL, NULL },
	{ 105, "lastModifiedOfNewestAttachmentUTC", FT_VIRT, 0, NULL, NULL, NULL },
	{ 102, "color_label", FT_INT, 0, "0", "0", NULL },
	{ 101, "private_flag", FT_BOOL, 0, "false", "false", NULL },
	{ 100, "categories", FT_STR, 1024, NULL, NULL, "Categories" },
	{ 401, "full_time", FT_BOOL, 0, "false", "false", NULL },
	{ 227, "organizerId", FT_VIRT, 0, NULL, NULL, NULL },
	{ 226, "confirmations", FT_VIRT, 0, NULL, NULL, NULL },
	{ 225, "sequence", FT_VIRT, 0, NULL, NULL, NULL },
	{ 224, "organizer", FT_VIRT, 0, NULL, NULL, NULL },
	{ 223, "uid", FT_STR, 1024, NULL, NULL, "UID" },
	{ 200, "title", FT_STR, 255, NULL, NULL, "Subject" },
	{ 201, "start_date", FT_VIRT, 0, NULL, NULL, NULL },
	{ 202, "end_date", FT_VIRT, 0, NULL, NULL, NULL },
	{ 402, "shown_as", FT_INT, 0, "1", "1", NULL },
	{ 400, "location", FT_STR, 255, NULL, NULL, "Location" },
	{ 203, "note", FT_STR, 65535, NULL, NULL, "Description" },
	{ 204, "alarm", FT_VIRT, 0, NULL, NULL, NULL },
	{ 209, "recurrence_type", FT_VIRT, 0, NULL, NULL, NULL },
	{ 212, "days", FT_INT, 0, NULL, NULL, NULL },
	{ 213, "day_in_month", FT_INT, 0, NULL, NULL, NULL },
	{ 214, "month", FT_INT, 0, NULL, NULL, NULL },
	{ 215, "interval", FT_INT, 0, NULL, NULL, NULL },
	{ 216, "until", FT_SEC, 0, NULL, NULL, NULL },
	{ 222, "occurrences", FT_INT, 0, NULL, NULL, NULL },
	{ 206, "recurrence_id", FT_VIRT, 0, NULL, NULL, NULL },
	{ 207, "recurrence_position", FT_VIRT, 0, NULL, NULL, NULL },
	{ 208, "recurrence_date_position", FT_VIRT, 0, NULL, NULL, NULL },
	{ 210, "change_exceptions", FT_VIRT, 0, NULL, NULL, NULL },
	{ 211, "delete_exceptions", FT_VIRT, 0, NULL, NULL, NULL },
	{ 220, "participants", FT_VIRT, 0, NULL, NULL, NULL },
	{ 221, "users", FT_VIRT, 0, NULL, NULL, NULL },
	{ 228, "principal", FT_VIRT, 0, NULL, NULL, NULL },
	{ 229, "principalId", FT_VIRT, 0, NULL, NULL, NULL },
	{ 408, "timezone", FT_VIRT, 0, NULL, NULL, NULL },
	{ 410, "recurrence_start", FT_VIRT, 0, NULL, NULL, NULL },
	{ 0, "_start", FT_SEC, 0, NULL, NULL, NULL },
	{ 0, "_end", FT_SEC, 0, NULL, NULL, NULL },
	{ 0, "_zone", FT_STR, 0, NULL, NULL, NULL },
	{ 0, "_rtype", FT_INT, 0, NULL, NULL, NULL },
	{ 0, "_class", FT_STR, 0, NULL, NULL, NULL },
	{ 0, "_orgmail", FT_STR, 0, NULL, NULL, NULL },
	{ 0, "_orgname", FT_STR, 0, NULL, NULL, NULL },
	{ 0, "_url", FT_STR, 767, NULL, NULL, NULL },
	{ 0, "_color", FT_STR, 32, NULL, NULL, NULL },
	{ 0, "_status", FT_STR, 0, NULL, NULL, NULL },
	{ 0, "_geo", FT_JSON, 0, NULL, NULL, NULL },
	{ 0, "_filename", FT_STR, 1024, NULL, NULL, NULL },
	{ 0, "_extprops", FT_JSON, 0, NULL, NULL, NULL },
	{ 0, "_rrule", FT_STR, 0, NULL, NULL, NULL },
	{ 0, "_shown", FT_INT, 0, NULL, NULL, NULL },
};

#define N(t) ((int)(sizeof(t) / sizeof((t)[0])))

struct modinfo MI_CONTACTS = { .m = M_CONTACTS, .name = "contacts", .f = contact_fld, .n = N(contact_fld) };
struct modinfo MI_TASKS = { .m = M_TASKS, .name = "tasks", .f = task_fld, .n = N(task_fld) };
struct modinfo MI_CALENDAR = { .m = M_CALENDAR, .name = "calendar", .f = cal_fld, .n = N(cal_fld) };

static void
index_fields(struct modinfo *mi)
{
	int i;

	mi->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	for (i = 0; i < mi->n; i++) {
		if (mi->f[i].col > 0)
			mi->by_col[mi->f[i].col] = (short)(i + 1);
		g_hash_table_insert(mi->by_name, xstrdup(mi->f[i].name), GINT_TO_POINTER(i + 1));
	}
}

void
columns_init(void)
{
	index_fields(&MI_CONTACTS);
	index_fields(&MI_TASKS);
	index_fields(&MI_CALENDAR);
}

const struct modinfo *
modinfo_of(enum mod m)
{
	switch (m) {
	case M_CONTACTS: return &MI_CONTACTS;
	case M_TASKS: return &MI_TASKS;
	case M_CALENDAR: return &MI_CALENDAR;
	default: return NULL;
	}
}

int
fld_by_name(const struct modinfo *mi, const char *name)
{
	return GPOINTER_TO_INT(g_hash_table_lookup(mi->by_name, name)) - 1;
}

int
fld_by_col(const struct modinfo *mi, int col)
{
	if (col <= 0 || col >= (int)(sizeof(mi->by_col) / sizeof(mi->by_col[0])))
		return -1;
	return mi->by_col[col] - 1;
}
