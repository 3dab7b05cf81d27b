/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What reading and writing rows share: how a row is spread over columns and body. */
#ifndef USMD_STORE_ROWS_INT_H
#define USMD_STORE_ROWS_INT_H

#include "store_int.h"

/* A row whose time range ends later than this after its sk is marked `odd` and looked at whenever a window moves. */
#define ROW_SPAN_MS (INT64_C(32) * 24 * 3600 * 1000)

/** row_orders_by_sk - does the first fill of CT go by sk (stored) or by id alone (sk is always 0, column NULL)? */
bool row_orders_by_sk(enum content ct);
/** client_id_hash - the column cid of a row with this client_id; a match is confirmed with the text in the body. */
int64_t client_id_hash(const char *client_id);

MUST_CHECK enum rc row_body_unpack(struct arena *a, enum content ct, const void *p, size_t n, struct row *r);

#endif
