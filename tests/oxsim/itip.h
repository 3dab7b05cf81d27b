/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The iCalendar part of a mail, and the appointment that it is about. */
#ifndef OXSIM_ITIP_H
#define OXSIM_ITIP_H

#include <libical/ical.h>

#include "oxsim/chronos.h"

struct invite {
	icalcomponent *root, *event;
	char *text;
	char *method;		/* "REQUEST", "CANCEL", ... */
	char *uid;
	struct obj *known;	/* the appointment of that uid in a calendar of the user */
	int sequence;
};

/* of the mail that the body names; false with the error set. To be ended whatever it answers */
bool invite_read(struct req *r, struct invite *in);
void invite_end(struct invite *in);
/* the OX appointment that the invitation describes, without what only the server knows; NULL: it is none */
json_t *invite_appointment(const struct req *r, const struct invite *in);
/* the same as an object that is not stored; NULL with the error set */
struct obj *invite_object(struct req *r, const struct invite *in);
/* the one who answers, by the mail of his: a participant of the known appointment, or an attendee of it; both NULL: nobody */
void invite_sender(const struct req *r, const struct invite *in, struct participant **outside, struct attendee **inside, int *conf, const char **comment);
/* a proposal says nothing but another time (8.19: Outlook's properties, else a comparison) */
bool invite_time_only(const struct invite *in);

#endif
