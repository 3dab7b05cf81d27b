/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which OX contact field is which vCard property.  Tables only: the reader and
 * the writer both go by them, which is what makes the round trip hold.
 */
#include "vcard_int.h"

#include <string.h>

const struct vcard_text vcard_texts[] = {
	{ "uid", "UID", NULL, 255 },
	{ "display_name", "FN", NULL, 320 },
	{ "nickname", "NICKNAME", NULL, 64 },
	{ "position", "TITLE", NULL, 128 },
	{ "profession", "ROLE", NULL, 64 },
	{ "note", "NOTE", NULL, 65535 },
	{ "url", "URL", NULL, 128 },
	{ "categories", "CATEGORIES", NULL, 1024 },
	{ "yomiFirstName", "X-PHONETIC-FIRST-NAME", NULL, 128 },
	{ "yomiLastName", "X-PHONETIC-LAST-NAME", NULL, 128 },
	{ "yomiCompany", "X-PHONETIC-ORG", NULL, 512 },
	{ "spouse_name", "X-OX-SPOUSE-NAME", "X-EVOLUTION-SPOUSE", 64 },
	{ "manager_name", "X-OX-MANAGER-NAME", "X-EVOLUTION-MANAGER", 64 },
	{ "assistant_name", "X-OX-ASSISTANT-NAME", "X-EVOLUTION-ASSISTANT", 64 },
	{ "file_as", "X-OX-FILE-AS", "X-EVOLUTION-FILE-AS", 320 },
	{ "instant_messenger1", "X-OX-INSTANT-MESSENGER1", NULL, 64 },
	{ "instant_messenger2", "X-OX-INSTANT-MESSENGER2", NULL, 64 },
	{ "marital_status", "X-OX-MARITAL-STATUS", NULL, 64 },
	{ "number_of_children", "X-OX-NUMBER-OF-CHILDREN", NULL, 64 },
	{ "employee_type", "X-OX-EMPLOYEE-TYPE", NULL, 64 },
	{ "room_number", "X-OX-ROOM-NUMBER", NULL, 64 },
	{ "number_of_employees", "X-OX-NUMBER-OF-EMPLOYEES", NULL, 64 },
	{ "sales_volume", "X-OX-SALES-VOLUME", NULL, 64 },
	{ "tax_id", "X-OX-TAX-ID", NULL, 128 },
	{ "commercial_register", "X-OX-COMMERCIAL-REGISTER", NULL, 64 },
	{ "branches", "X-OX-BRANCHES", NULL, 64 },
	{ "business_category", "X-OX-BUSINESS-CATEGORY", NULL, 64 },
	{ "busines_categorie", "X-OX-BUSINES-CATEGORIE", NULL, 64 },	/* as OX 8.19 spells it */
	{ "info", "X-OX-INFO", NULL, 65535 },
	{ "userfield01", "X-OX-USERFIELD01", NULL, 64 },
	{ "userfield02", "X-OX-USERFIELD02", NULL, 64 },
	{ "userfield03", "X-OX-USERFIELD03", NULL, 64 },
	{ "userfield04", "X-OX-USERFIELD04", NULL, 64 },
	{ "userfield05", "X-OX-USERFIELD05", NULL, 64 },
	{ "userfield06", "X-OX-USERFIELD06", NULL, 64 },
	{ "userfield07", "X-OX-USERFIELD07", NULL, 64 },
	{ "userfield08", "X-OX-USERFIELD08", NULL, 64 },
	{ "userfield09", "X-OX-USERFIELD09", NULL, 64 },
	{ "userfield10", "X-OX-USERFIELD10", NULL, 64 },
	{ "userfield11", "X-OX-USERFIELD11", NULL, 64 },
	{ "userfield12", "X-OX-USERFIELD12", NULL, 64 },
	{ "userfield13", "X-OX-USERFIELD13", NULL, 64 },
	{ "userfield14", "X-OX-USERFIELD14", NULL, 64 },
	{ "userfield15", "X-OX-USERFIELD15", NULL, 64 },
	{ "userfield16", "X-OX-USERFIELD16", NULL, 64 },
	{ "userfield17", "X-OX-USERFIELD17", NULL, 64 },
	{ "userfield18", "X-OX-USERFIELD18", NULL, 64 },
	{ "userfield19", "X-OX-USERFIELD19", NULL, 64 },
	{ "userfield20", "X-OX-USERFIELD20", NULL, 64 },
	{ NULL, NULL, NULL, 0 }
};

const struct vcard_part vcard_name_parts[] = {
	{ "last_name", 0, 128 }, { "first_name", 1, 128 }, { "second_name", 2, 128 },
	{ "title", 3, 64 }, { "suffix", 4, 64 }, { NULL, 0, 0 }
};

const struct vcard_part vcard_org_parts[] = {
	{ "company", 0, 512 }, { "department", 1, 128 }, { NULL, 0, 0 }
};

/* The first row whose types fit takes a number; MARK rows are reached by X-OX-FIELD, or when
 * the row before them with the same types is taken. */
const struct vcard_slot vcard_tels[] = {
	{ "telephone_business1", "WORK VOICE", false, 64 },
	{ "telephone_business2", "WORK VOICE", true, 128 },
	{ "fax_business", "WORK FAX", false, 64 },
	{ "telephone_home1", "HOME VOICE", false, 64 },
	{ "telephone_home2", "HOME VOICE", true, 64 },
	{ "fax_home", "HOME FAX", false, 64 },
	{ "cellular_telephone1", "CELL", false, 64 },
	{ "cellular_telephone2", "CELL", true, 64 },
	{ "fax_other", "FAX", false, 64 },
	{ "telephone_car", "CAR", false, 64 },
	{ "telephone_isdn", "ISDN", false, 64 },
	{ "telephone_pager", "PAGER", false, 64 },
	{ "telephone_primary", "PREF VOICE", true, 64 },
	{ "telephone_company", "X-COMPANY", false, 64 },
	{ "telephone_callback", "X-CALLBACK", false, 64 },
	{ "telephone_radio", "X-RADIO", false, 64 },
	{ "telephone_telex", "X-TELEX", false, 64 },
	{ "telephone_ttytdd", "TEXTPHONE", false, 64 },
	{ "telephone_ip", "X-IP", false, 64 },
	{ "telephone_assistant", "X-ASSISTANT", false, 64 },
	{ "telephone_other", "VOICE", false, 64 },
	{ NULL, NULL, false, 0 }
};

const struct vcard_slot vcard_emails[] = {
	{ "email1", "INTERNET WORK", false, 256 },
	{ "email2", "INTERNET HOME", false, 256 },
	{ "email3", "INTERNET", true, 256 },
	{ NULL, NULL, false, 0 }
};

const struct vcard_adr vcard_adrs[3] = {
	{ "HOME", { { "street_home", 2, 256 }, { "city_home", 3, 64 }, { "state_home", 4, 64 },
	    { "postal_code_home", 5, 64 }, { "country_home", 6, 64 }, { NULL, 0, 0 } }, "addressHome" },
	{ "WORK", { { "street_business", 2, 256 }, { "city_business", 3, 128 }, { "state_business", 4, 64 },
	    { "postal_code_business", 5, 64 }, { "country_business", 6, 64 }, { NULL, 0, 0 } }, "addressBusiness" },
	{ "", { { "street_other", 2, 256 }, { "city_other", 3, 64 }, { "state_other", 4, 64 },
	    { "postal_code_other", 5, 64 }, { "country_other", 6, 64 }, { NULL, 0, 0 } }, "addressOther" },
};

const char *const vcard_ints[] = { "default_address", "color_label", NULL };

const char *const vcard_dates[2][3] = {
	{ "birthday", "BDAY", NULL },
	{ "anniversary", "ANNIVERSARY", "X-ANNIVERSARY" },
};
