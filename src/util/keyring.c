/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Keys that seal what is kept: the first one seals, each opens what it has sealed.  A sealed text begins with the id of its key. */
#include "usmd/util.h"

#include <string.h>

bool
keyring_add(struct keyring *r, const unsigned char key[KEY_BYTES])
{
	unsigned char id[KEY_ID_BYTES];

	derive_key(key, "usmd key id", id, sizeof(id));
	for (size_t i = 0; i < r->n; i++)
		if (memcmp(r->v[i].id, id, sizeof(id)) == 0)
			return false;
	if (r->n == KEYRING_MAX)
		return false;
	memcpy(r->v[r->n].id, id, sizeof(id));
	memcpy(r->v[r->n].key, key, KEY_BYTES);
	r->n++;
	return true;
}

static void
own_key(const unsigned char key[KEY_BYTES], const struct seal_use *use, unsigned char out[KEY_BYTES])
{
	derive_key(key, use->label, out, KEY_BYTES);
	if (use->with != NULL)
		hmac_sha256(out, KEY_BYTES, use->with, strlen(use->with), out);
}

enum rc
keyring_seal(const struct keyring *r, const struct seal_use *use, const void *p, size_t n, struct buf *out)
{
	unsigned char key[KEY_BYTES];
	size_t mark = out->len;
	enum rc rc;

	buf_add(out, r->v[0].id, KEY_ID_BYTES);
	if (out->failed)
		return RC_NOMEM;
	own_key(r->v[0].key, use, key);
	rc = secret_seal(key, use->bound, p, n, out);
	secret_wipe(key, sizeof(key));
	if (rc != RC_OK)
		out->len = mark;
	return rc;
}

enum rc
keyring_open(const struct keyring *r, const struct seal_use *use, const void *p, size_t n, struct buf *out)
{
	unsigned char key[KEY_BYTES];
	enum rc rc = RC_DENIED;

	for (size_t i = 0; i < r->n && n > KEY_ID_BYTES; i++) {
		if (memcmp(r->v[i].id, p, KEY_ID_BYTES) != 0)
			continue;
		own_key(r->v[i].key, use, key);
		rc = secret_open(key, use->bound, (const unsigned char *)p + KEY_ID_BYTES, n - KEY_ID_BYTES, out);
		secret_wipe(key, sizeof(key));
	}
	return rc;
}
