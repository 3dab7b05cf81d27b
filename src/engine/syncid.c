/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Names of cursors: random, so that a database that was set back gives none twice, but for the time at their beginning, which tells an administrator when. */
#include "engine/engine_int.h"

void
syncid_make(struct syncid *out)
{
	uint64_t now = (uint64_t)now_ms();

	random_bytes(out->b, sizeof(out->b));
	for (int i = 0; i < 6; i++)
		out->b[i] = (unsigned char)(now >> (40 - 8 * i));
	out->b[6] = (unsigned char)(0x70 | (out->b[6] & 0x0f));
	out->b[8] = (unsigned char)(0x80 | (out->b[8] & 0x3f));
}

msec_t
syncid_time(const struct syncid *s)
{
	msec_t at = 0;

	for (int i = 0; i < 6; i++)
		at = at << 8 | s->b[i];
	/* a random one of an older version may look like it: then its time is most likely absurd */
	return s->b[6] >> 4 == 7 && s->b[8] >> 6 == 2 && at > INT64_C(1700000000000) && at < now_ms() + INT64_C(86400000) ? at : 0;
}
