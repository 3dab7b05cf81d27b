/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The field tables of the vCard reader and writer; lengths as the server measures them. */
#ifndef PIM_VCARD_INT_H
#define PIM_VCARD_INT_H

#include "line_int.h"

/* A text field that is the whole value of one property. */
struct vcard_text {
	const char *field;
	const char *prop;	/* property written; X-OX-<FIELD> if OX alone knows it */
	const char *also;	/* another name that is read, or NULL */
	size_t max;		/* code points; 65535 also limits bytes */
};
extern const struct vcard_text vcard_texts[];	/* ends with field NULL */

/* A component of a structured property. */
struct vcard_part {
	const char *field;
	unsigned index;		/* component of the value, from 0 */
	size_t max;
};
extern const struct vcard_part vcard_name_parts[], vcard_org_parts[];

/* One of the numbered fields that share TEL or EMAIL. */
struct vcard_slot {
	const char *field;
	const char *types;	/* written, space separated, upper case */
	bool mark;		/* types alone lead elsewhere: X-OX-FIELD is written */
	size_t max;
};
extern const struct vcard_slot vcard_tels[], vcard_emails[];

struct vcard_adr {
	const char *type;	/* HOME, WORK or "" */
	struct vcard_part parts[6];
	const char *label;	/* the field with the formatted address */
};
extern const struct vcard_adr vcard_adrs[3];

#define VCARD_YEARLESS 1604	/* stands for "no year": a leap year, and what other address books write */

extern const char *const vcard_ints[];		/* whole-number fields: X-OX-<FIELD> */
extern const char *const vcard_dates[2][3];	/* field, property, other property */

/* vcard_list.c: distribution lists */
bool vcard_is_list(const struct pim_comp *card);
/* ALL (NULL allowed) is where other cards of the file are looked up by UID. */
enum pim_rc vcard_list_parse(struct pim_ctx *c, struct pim_comp *card, const struct pim_comp *all, json_t *o);
enum pim_rc vcard_list_format(struct pim_ctx *c, const json_t *o, int version, struct pim_buf *out);

/* Write one text property with the escapes and encodings of the version. */
void vcard_put(struct pim_buf *out, int version, const char *name, const char *escaped);
/* One card as object; used by pim.c for files. */
enum pim_rc vcard_card_parse(struct pim_ctx *c, struct pim_comp *card, const struct pim_comp *all,
                             json_t **object, bool *is_list);

#endif
