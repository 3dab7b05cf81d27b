/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The derived keys, for the files of model alone: nobody else may compute an id or a fingerprint. */
#ifndef USMD_MODEL_KEYS_INT_H
#define USMD_MODEL_KEYS_INT_H

#include "usmd/model.h"

#define SIP_KEY 16

/** One key a purpose, so that a fingerprint never says anything about an id or a place. */
struct model_keys {
	struct block_key *uuid;       /* uuid_make, uuid_id */
	unsigned char place[SIP_KEY]; /* place_tag */
	unsigned char id[SIP_KEY];    /* model_id of ids that are no numbers */
	unsigned char field[SIP_KEY]; /* field_fp */
	unsigned char rev[SIP_KEY];   /* row_rev */
};

#endif
