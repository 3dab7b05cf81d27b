/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The colour label of a mail and \Flagged are one thing to OX (8.19): a label above 0 that is set sets \Flagged, 0 takes it away, and a flagged mail
 * without a label reads as label 1.  Said in one request, the flag is applied behind the label, so both can be had as a client says them - but for
 * "flagged, without a label", which OX cannot hold.  What OX does to the one because a client changed the other is that client's own doing.
 */
#include "engine/change_int.h"

#include <string.h>

static unsigned
no_of(const char *name)
{
	return (unsigned)model_field(model_content(CT_MAIL), name);
}

bool
label_possible(const struct op *op, struct client_change *cc)
{
	unsigned flags = no_of("flags"), flagged = no_of("flag_flagged"), label = no_of("color_label");

	if (op->t.ct != CT_MAIL || cc->object == NULL || !fmask_has(&cc->fields, flags) || !fmask_has(&cc->fields, label) ||
	    cc->object->v[flagged] == NULL || object_get_i64(cc->object, label, 0) != 0)
		return false;
	object_set(cc->object, label, json_integer(1));
	return true;
}

static uint64_t
fp_there(const struct row *r, unsigned i)
{
	const struct row_field *f = r != NULL ? row_field_get(r, i) : NULL;

	return f != NULL ? f->fp : 0;
}

/* What the client says of field I; false: nothing. */
static bool
said(const struct work *w, unsigned i, uint64_t *fp)
{
	for (unsigned k = 0; k < w->ch.nf; k++)
		if (w->ch.f[k].i == i) {
			*fp = w->ch.f[k].fp;
			return true;
		}
	return false;
}

void
label_with_flag(struct work *w)
{
	unsigned both[2] = { no_of("color_label"), no_of("flag_flagged") };
	uint64_t fp;

	if (w->op->t.ct != CT_MAIL)
		return;
	for (int k = 0; k < 2; k++)
		if (fmask_has(&w->p.fields, both[k]) && !fmask_has(&w->p.fields, both[1 - k]) && said(w, both[1 - k], &fp) && fp == fp_there(w->row, both[1 - k]))
			fmask_set(&w->p.fields, both[1 - k]);
}

unsigned
label_sent(const struct work *w, const struct fmask *mask, struct write_field *f, unsigned n)
{
	const struct content_type *t = model_content(CT_MAIL);
	unsigned label = no_of("color_label"), flagged = no_of("flag_flagged"), other, at = 0;
	json_t *one;
	uint64_t fp;
	bool on;

	if (w->op->t.ct != CT_MAIL || mask == NULL || w->cc->object == NULL || fmask_has(mask, label) == fmask_has(mask, flagged))
		return n;
	other = fmask_has(mask, label) ? flagged : label;
	on = other == flagged ? object_get_i64(w->cc->object, label, 0) > 0 : w->cc->object->v[flagged] != NULL;
	one = other == flagged ? json_true() : json_integer(1);
	fp = on ? field_fp(w->op->g->keys, &t->fields[other], one) : 0;
	json_decref(one);
	while (at < n && f[at].i < other)
		at++;
	memmove(f + at + 1, f + at, (n - at) * sizeof(*f));
	f[at] = (struct write_field){ .i = (uint8_t)other, .fp = fp };
	return n + 1;
}
