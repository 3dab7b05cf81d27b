/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keyed hashes and secrets on OpenSSL.  SipHash-2-4 is written out: OpenSSL reaches its own only through a
 * provider lookup and context that cost ten times the hash of a short field, and a field fingerprint is the
 * hottest operation of a first fill.  tests/unit/util checks it against the algorithm's published vectors.
 */
#include "usmd/util.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/random.h>

static uint64_t
rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

static uint64_t
load64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1]; v[1] = rotl(v[1], 13) ^ v[0]; v[0] = rotl(v[0], 32);
	v[2] += v[3]; v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3]; v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1]; v[1] = rotl(v[1], 17) ^ v[2]; v[2] = rotl(v[2], 32);
}

uint64_t
siphash24(const unsigned char key[16], const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t k0 = load64(key), k1 = load64(key + 8), m;
	uint64_t v[4] = {
		k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t left = n;

	for (; left >= 8; p += 8, left -= 8) {
		m = load64(p);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)n << 56;
	for (size_t i = 0; i < left; i++)
		m |= (uint64_t)p[i] << (8 * i);
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void (*random_fn)(void *p, size_t n);

void
random_override(void (*fn)(void *p, size_t n))
{
	random_fn = fn;
}

void
random_bytes(void *p, size_t n)
{
	unsigned char *b = p;

	if (random_fn != NULL) {
		random_fn(p, n);
		return;
	}
	while (n > 0) {
		ssize_t got = getrandom(b, n, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			perror("usmd: the kernel gives no random bytes");
			abort();
		}
		b += got;
		n -= (size_t)got;
	}
}

void
sha256(const void *p, size_t n, unsigned char out[32])
{
	(void)SHA256(p, n, out);
}

bool
sha256_file(int fd, unsigned char out[32], int64_t *size)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char piece[16384];
	ssize_t n = -1;
	bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	*size = 0;
	while (ok && (n = pread(fd, piece, sizeof(piece), (off_t)*size)) > 0) {
		ok = EVP_DigestUpdate(ctx, piece, (size_t)n) == 1;
		*size += n;
	}
	ok = ok && n == 0 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

void
hmac_sha256(const void *key, size_t klen, const void *p, size_t n, unsigned char out[32])
{
	unsigned len = 32;

	(void)HMAC(EVP_sha256(), key, (int)klen, p, n, out, &len);
}

void
derive_key(const unsigned char master[KEY_BYTES], const char *label, unsigned char *out, size_t n)
{
	unsigned char prk[32], block[32 + 64 + 1], t[32] = { 0 };
	static const unsigned char salt[32];
	size_t ll = strlen(label), done = 0, tl = 0;
	unsigned char counter = 1;

	/* RFC 5869 with an empty salt; LABEL is a constant of ours, so it always fits */
	if (ll > 64 || n > 64)
		abort();
	hmac_sha256(salt, sizeof(salt), master, KEY_BYTES, prk);
	while (done < n) {
		size_t take = n - done < sizeof(t) ? n - done : sizeof(t);

		memcpy(block, t, tl);
		memcpy(block + tl, label, ll); /* NOLINT(bugprone-not-null-terminated-result): the counter follows, not a text's end */
		block[tl + ll] = counter++;
		hmac_sha256(prk, sizeof(prk), block, tl + ll + 1, t);
		tl = sizeof(t);
		memcpy(out + done, t, take);
		done += take;
	}
	secret_wipe(prk, sizeof(prk));
	secret_wipe(t, sizeof(t));
	secret_wipe(block, sizeof(block));
}

struct block_key {
	unsigned char key[16];
};

struct block_key *
block_new(const unsigned char key[16])
{
	struct block_key *k = mem_alloc(sizeof(*k));

	if (k == NULL)
		return NULL;
	memcpy(k->key, key, sizeof(k->key));
	return k;
}

void
block_free(struct block_key *k)
{
	if (k == NULL)
		return;
	secret_wipe(k->key, sizeof(k->key));
	mem_free(k);
}

/*
 * A keyed context may not be used by two threads at once, and keying one costs 0.3 us: each thread keeps one
 * context for each direction and re-keys it only when the key object differs from the last one.
 */
struct block_ctx {
	EVP_CIPHER_CTX *ctx;
	unsigned char key[16];
	bool keyed;
};

static _Thread_local struct block_ctx tl_ctx[2];
static pthread_key_t tl_key; /* only for its destructor */
static pthread_once_t tl_once = PTHREAD_ONCE_INIT;

static void
tl_drop(void *arg)
{
	struct block_ctx *c = arg;

	for (int i = 0; i < 2; i++)
		EVP_CIPHER_CTX_free(c[i].ctx);
	secret_wipe(c, 2 * sizeof(*c));
}

static void
tl_make_key(void)
{
	if (pthread_key_create(&tl_key, tl_drop) != 0)
		abort();
}

static void
block_crypt(const struct block_key *k, int enc, const unsigned char in[16], unsigned char out[16])
{
	struct block_ctx *c = &tl_ctx[enc];
	int n = 0;

	if (c->ctx == NULL) {
		(void)pthread_once(&tl_once, tl_make_key);
		c->ctx = EVP_CIPHER_CTX_new();
		if (c->ctx == NULL || pthread_setspecific(tl_key, tl_ctx) != 0)
			abort();
	}
	if (!c->keyed || memcmp(c->key, k->key, sizeof(c->key)) != 0) {
		if (EVP_CipherInit_ex(c->ctx, EVP_aes_128_ecb(), NULL, k->key, NULL, enc) != 1)
			abort();
		(void)EVP_CIPHER_CTX_set_padding(c->ctx, 0);
		memcpy(c->key, k->key, sizeof(c->key));
		c->keyed = true;
	}
	if (EVP_CipherUpdate(c->ctx, out, &n, in, 16) != 1 || n != 16)
		abort();
}

void
block_encrypt(const struct block_key *k, const unsigned char in[16], unsigned char out[16])
{
	block_crypt(k, 1, in, out);
}

void
block_decrypt(const struct block_key *k, const unsigned char in[16], unsigned char out[16])
{
	block_crypt(k, 0, in, out);
}

#define NONCE_LEN 12
#define TAG_LEN 16

enum rc
secret_seal(const unsigned char key[KEY_BYTES], const char *ad, const void *p, size_t n, struct buf *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	unsigned char *q = (unsigned char *)buf_reserve(out, NONCE_LEN + n + TAG_LEN);
	enum rc rc = RC_INTERNAL;
	int len = 0;

	if (c == NULL || q == NULL || n > INT32_MAX) {
		rc = RC_NOMEM;
		goto out;
	}
	random_bytes(q, NONCE_LEN);
	if (EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, q) != 1 ||
	    EVP_EncryptUpdate(c, NULL, &len, (const unsigned char *)ad, (int)strlen(ad)) != 1 ||
	    EVP_EncryptUpdate(c, q + NONCE_LEN, &len, p, (int)n) != 1 ||
	    EVP_EncryptFinal_ex(c, q + NONCE_LEN + n, &len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_LEN, q + NONCE_LEN + n) != 1)
		goto out;
	out->len += NONCE_LEN + n + TAG_LEN;
	out->p[out->len] = '\0';
	rc = RC_OK;
out:
	EVP_CIPHER_CTX_free(c);
	return rc;
}

enum rc
secret_open(const unsigned char key[KEY_BYTES], const char *ad, const void *p, size_t n, struct buf *out)
{
	const unsigned char *in = p;
	EVP_CIPHER_CTX *c = NULL;
	unsigned char tag[TAG_LEN], *q;
	enum rc rc = RC_DENIED;
	size_t plain;
	int len = 0;

	if (n < NONCE_LEN + TAG_LEN || n > INT32_MAX)
		return RC_DENIED;
	plain = n - NONCE_LEN - TAG_LEN;
	memcpy(tag, in + NONCE_LEN + plain, TAG_LEN);
	q = (unsigned char *)buf_reserve(out, plain);
	c = EVP_CIPHER_CTX_new();
	if (c == NULL || q == NULL) {
		rc = RC_NOMEM;
		goto out;
	}
	if (EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, in) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &len, (const unsigned char *)ad, (int)strlen(ad)) != 1 ||
	    EVP_DecryptUpdate(c, q, &len, in + NONCE_LEN, (int)plain) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) != 1 ||
	    EVP_DecryptFinal_ex(c, q + plain, &len) != 1) {
		secret_wipe(q, plain);
		goto out;
	}
	out->len += plain;
	out->p[out->len] = '\0';
	rc = RC_OK;
out:
	EVP_CIPHER_CTX_free(c);
	return rc;
}

void
secret_wipe(void *p, size_t n)
{
	if (p != NULL)
		OPENSSL_cleanse(p, n);
}

bool
secret_eq(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
