/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Hashes, key derivation, the block cipher and sealed secrets, against published vectors where there are some. */
#include "unit/util/test_util.h"

#include <pthread.h>
#include <string.h>

/* SipHash-2-4 under the key 00 01 .. 0f of the n bytes 00 01 .. (n-1): the vectors that its authors published */
static const uint64_t sip_vectors[64] = {
	UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
	UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
	UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
	UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
	UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
	UINT64_C(0xa129ca6149be45e5), UINT64_C(0x3f2acc7f57c29bdb), UINT64_C(0x699ae9f52cbe4794),
	UINT64_C(0x4bc1b3f0968dd39c), UINT64_C(0xbb6dc91da77961bd), UINT64_C(0xbed65cf21aa2ee98),
	UINT64_C(0xd0f2cbb02e3b67c7), UINT64_C(0x93536795e3a33e88), UINT64_C(0xa80c038ccd5ccec8),
	UINT64_C(0xb8ad50c6f649af94), UINT64_C(0xbce192de8a85b8ea), UINT64_C(0x17d835b85bbb15f3),
	UINT64_C(0x2f2e6163076bcfad), UINT64_C(0xde4daaaca71dc9a5), UINT64_C(0xa6a2506687956571),
	UINT64_C(0xad87a3535c49ef28), UINT64_C(0x32d892fad841c342), UINT64_C(0x7127512f72f27cce),
	UINT64_C(0xa7f32346f95978e3), UINT64_C(0x12e0b01abb051238), UINT64_C(0x15e034d40fa197ae),
	UINT64_C(0x314dffbe0815a3b4), UINT64_C(0x027990f029623981), UINT64_C(0xcadcd4e59ef40c4d),
	UINT64_C(0x9abfd8766a33735c), UINT64_C(0x0e3ea96b5304a7d0), UINT64_C(0xad0c42d6fc585992),
	UINT64_C(0x187306c89bc215a9), UINT64_C(0xd4a60abcf3792b95), UINT64_C(0xf935451de4f21df2),
	UINT64_C(0xa9538f0419755787), UINT64_C(0xdb9acddff56ca510), UINT64_C(0xd06c98cd5c0975eb),
	UINT64_C(0xe612a3cb9ecba951), UINT64_C(0xc766e62cfcadaf96), UINT64_C(0xee64435a9752fe72),
	UINT64_C(0xa192d576b245165a), UINT64_C(0x0a8787bf8ecb74b2), UINT64_C(0x81b3e73d20b49b6f),
	UINT64_C(0x7fa8220ba3b2ecea), UINT64_C(0x245731c13ca42499), UINT64_C(0xb78dbfaf3a8d83bd),
	UINT64_C(0xea1ad565322a1a0b), UINT64_C(0x60e61c23a3795013), UINT64_C(0x6606d7e446282b93),
	UINT64_C(0x6ca4ecb15c5f91e1), UINT64_C(0x9f626da15c9625f3), UINT64_C(0xe51b38608ef25f57),
	UINT64_C(0x958a324ceb064572),
};

static void
count_up(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)i;
}

static void
is_hex(const unsigned char *p, size_t n, const char *hex)
{
	char text[2 * 64 + 1];

	ck_assert_uint_le(n, 64);
	hex_encode(p, n, text);
	ck_assert_str_eq(text, hex);
}

START_TEST(siphash_published)
{
	unsigned char key[16], in[64];

	count_up(key, sizeof(key));
	count_up(in, sizeof(in));
	for (size_t n = 0; n < ARRAY_LEN(sip_vectors); n++)
		ck_assert_msg(siphash24(key, in, n) == sip_vectors[n], "length %zu", n);
	/* unaligned input: the fields of a packed row start anywhere */
	for (size_t n = 0; n < 32; n++) {
		unsigned char shifted[64];

		memcpy(shifted + 1, in, n);
		ck_assert_msg(siphash24(key, shifted + 1, n) == sip_vectors[n], "unaligned, length %zu", n);
	}
	key[15] ^= 1;
	ck_assert_uint_ne(siphash24(key, in, 15), sip_vectors[15]);
}
END_TEST

/* FIPS 180-4 example "abc"; RFC 4231 cases 1, 2 and 6 (a key longer than the hash's block) */
START_TEST(sha_and_hmac_published)
{
	unsigned char out[32], key[131];

	sha256("abc", 3, out);
	is_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	memset(key, 0x0b, 20);
	hmac_sha256(key, 20, "Hi There", 8, out);
	is_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	is_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hmac_sha256(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
	is_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
END_TEST

/*
 * RFC 5869's own vectors have a binary info or none of 32 bytes of key; this one was made with the openssl(1) tool:
 * openssl kdf -keylen 64 -kdfopt digest:SHA256 -kdfopt hexkey:0001..1f -kdfopt info:vector HKDF
 */
START_TEST(derived_keys)
{
	unsigned char master[KEY_BYTES], a[64], b[64], other[64];

	count_up(master, sizeof(master));
	derive_key(master, "vector", a, sizeof(a));
	is_hex(a, 64, "5c0ddd9e2ab48ac9da9ad0e6d2f048b0164cb87052dda11c8e4ba75a3f719dd0"
	    "3886980a3adb24a06e1c835a3481022dbd9d58a5845fa998d9972f8826f37009");
	derive_key(master, "vector", b, sizeof(b));
	ck_assert_mem_eq(a, b, sizeof(a));
	/* a shorter key is the beginning of the longer one, and nothing behind it is touched */
	memset(b, 0x55, sizeof(b));
	derive_key(master, "vector", b, 33);
	ck_assert_mem_eq(a, b, 33);
	for (size_t i = 33; i < sizeof(b); i++)
		ck_assert_uint_eq(b[i], 0x55);
	derive_key(master, "vector2", other, sizeof(other));
	ck_assert_mem_ne(a, other, 32);
	ck_assert_mem_ne(a + 32, other + 32, 32);
	master[31] ^= 1;
	derive_key(master, "vector", other, sizeof(other));
	ck_assert_mem_ne(a, other, 32);
}
END_TEST

static struct block_key *
fips_key(void)
{
	unsigned char key[16];
	struct block_key *k;

	count_up(key, sizeof(key));
	k = block_new(key);
	ck_assert_ptr_nonnull(k);
	return k;
}

/* FIPS 197, appendix C.1 */
START_TEST(block_published)
{
	unsigned char plain[16], out[16], zero[16] = { 0 };
	struct block_key *k = fips_key(), *other = block_new(zero);

	ck_assert_ptr_nonnull(other);
	for (size_t i = 0; i < 16; i++)
		plain[i] = (unsigned char)(i * 0x11);
	/* two keys in turn: the thread's context must notice that the key changed */
	for (int i = 0; i < 2; i++) {
		block_encrypt(k, plain, out);
		is_hex(out, 16, "69c4e0d86a7b0430d8cdb78070b4c55a");
		block_decrypt(other, out, out);
		ck_assert_mem_ne(out, plain, 16);
		block_encrypt(other, zero, out);
		is_hex(out, 16, "66e94bd4ef8a2c3b884cfa59ca342b2e");
		block_encrypt(k, plain, out);
		block_decrypt(k, out, out);
		ck_assert_mem_eq(out, plain, 16);
	}
	block_free(k);
	block_free(other);
	block_free(NULL);
}
END_TEST

static void *
crypt_much(void *arg)
{
	const struct block_key *k = arg;
	unsigned char in[16] = { 0 }, out[16];

	for (unsigned i = 0; i < 1000; i++) {
		memcpy(in, &i, sizeof(i));
		block_encrypt(k, in, out);
		block_decrypt(k, out, out);
		if (memcmp(in, out, sizeof(in)) != 0)
			return arg;
	}
	return NULL;
}

START_TEST(block_shared_by_threads)
{
	struct block_key *k = fips_key();
	pthread_t t[4];
	void *bad;

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, crypt_much, k), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		ck_assert_int_eq(pthread_join(t[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	block_free(k);
}
END_TEST

static void
refused(const unsigned char key[KEY_BYTES], const char *ad, const char *p, size_t n)
{
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "before");
	ck_assert_int_eq(secret_open(key, ad, p, n, &out), RC_DENIED);
	ck_assert_uint_eq(out.len, 6);
	ck_assert_str_eq(out.p, "before");
	ck_assert(!out.failed);
	buf_fini(&out);
}

START_TEST(sealed_secret)
{
	static const char secret[] = "p\xc3\xa4ssword";
	unsigned char key[KEY_BYTES], other[KEY_BYTES];
	struct buf sealed, again, out;

	random_bytes(key, sizeof(key));
	memcpy(other, key, sizeof(key));
	other[0] ^= 1;
	buf_init(&sealed, 0);
	buf_init(&again, 0);
	buf_init(&out, 0);
	ck_assert_int_eq(secret_seal(key, "account 7", secret, sizeof(secret) - 1, &sealed), RC_OK);
	ck_assert_uint_eq(sealed.len, 12 + sizeof(secret) - 1 + 16);
	ck_assert_int_eq(secret_seal(key, "account 7", secret, sizeof(secret) - 1, &again), RC_OK);
	ck_assert_mem_ne(sealed.p, again.p, sealed.len); /* a nonce is never used twice */
	buf_adds(&out, ">");
	ck_assert_int_eq(secret_open(key, "account 7", sealed.p, sealed.len, &out), RC_OK);
	ck_assert_str_eq(out.p, ">p\xc3\xa4ssword");

	for (size_t i = 0; i < sealed.len; i++) {
		sealed.p[i] ^= 1;
		refused(key, "account 7", sealed.p, sealed.len);
		sealed.p[i] ^= 1;
	}
	for (size_t n = 0; n < sealed.len; n++)
		refused(key, "account 7", sealed.p, n);
	refused(key, "account 8", sealed.p, sealed.len);
	refused(key, "", sealed.p, sealed.len);
	refused(other, "account 7", sealed.p, sealed.len);
	buf_fini(&sealed);
	buf_fini(&again);
	buf_fini(&out);
}
END_TEST

START_TEST(sealed_nothing)
{
	unsigned char key[KEY_BYTES] = { 1 };
	struct buf sealed, out;

	buf_init(&sealed, 0);
	ck_assert_int_eq(secret_seal(key, "", "", 0, &sealed), RC_OK);
	buf_init(&out, 0);
	ck_assert_int_eq(secret_open(key, "", sealed.p, sealed.len, &out), RC_OK);
	ck_assert_uint_eq(out.len, 0);
	buf_fini(&out);
	/* no room: refused before anything is written */
	buf_init(&out, 20);
	ck_assert_int_eq(secret_seal(key, "", "", 0, &out), RC_NOMEM);
	ck_assert_uint_eq(out.len, 0);
	buf_fini(&out);
	buf_fini(&sealed);
}
END_TEST

START_TEST(wiped_and_compared)
{
	char a[] = "secret", b[] = "secres";

	ck_assert(secret_eq(a, "secret", 6));
	ck_assert(!secret_eq(a, b, 6));
	ck_assert(secret_eq(a, b, 5));
	secret_wipe(a, 3);
	ck_assert_mem_eq(a, "\0\0\0ret", 6);
	secret_wipe(NULL, 3);
}
END_TEST

START_TEST(keyring)
{
	static const unsigned char one[KEY_BYTES] = { 1 }, two[KEY_BYTES] = { 2 };
	const struct seal_use use = { .label = "a", .bound = "mine" };
	const struct seal_use wrong[] = { { .label = "b", .bound = "mine" }, { .label = "a", .bound = "yours" }, { .label = "a", .with = "x", .bound = "mine" } };
	struct keyring old = { .n = 0 }, new = { .n = 0 }, full = { .n = 0 };
	struct buf sealed, again, plain;

	ck_assert(keyring_add(&old, one));
	ck_assert(!keyring_add(&old, one));
	ck_assert(keyring_add(&new, two));
	buf_init(&sealed, 0);
	buf_init(&again, 0);
	buf_init(&plain, 0);
	ck_assert_int_eq(keyring_seal(&old, &use, "text", 4, &sealed), RC_OK);
	ck_assert_mem_eq(sealed.p, old.v[0].id, KEY_ID_BYTES);
	ck_assert_int_eq(keyring_open(&new, &use, sealed.p, sealed.len, &plain), RC_DENIED);
	ck_assert(keyring_add(&new, one));
	ck_assert_int_eq(keyring_open(&new, &use, sealed.p, sealed.len, &plain), RC_OK);
	ck_assert_str_eq(plain.p, "text");
	ck_assert_int_eq(keyring_seal(&new, &use, "text", 4, &again), RC_OK);
	ck_assert_mem_eq(again.p, new.v[0].id, KEY_ID_BYTES);
	ck_assert_int_eq(keyring_open(&old, &use, again.p, again.len, &plain), RC_DENIED);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ck_assert_int_eq(keyring_open(&new, &wrong[i], sealed.p, sealed.len, &plain), RC_DENIED);
	for (size_t n = 0; n < sealed.len; n++)
		ck_assert_int_eq(keyring_open(&new, &use, sealed.p, n, &plain), RC_DENIED);
	for (unsigned char i = 0; i < KEYRING_MAX; i++)
		ck_assert(keyring_add(&full, (const unsigned char[KEY_BYTES]){ 9, i }));
	ck_assert(!keyring_add(&full, one));
	buf_fini(&sealed);
	buf_fini(&again);
	buf_fini(&plain);
}
END_TEST

TCase *
case_crypto(void)
{
	TCase *tc = tcase_create("crypto");

	tcase_add_test(tc, siphash_published);
	tcase_add_test(tc, sha_and_hmac_published);
	tcase_add_test(tc, derived_keys);
	tcase_add_test(tc, block_published);
	tcase_add_test(tc, block_shared_by_threads);
	tcase_add_test(tc, sealed_secret);
	tcase_add_test(tc, sealed_nothing);
	tcase_add_test(tc, wiped_and_compared);
	tcase_add_test(tc, keyring);
	return tc;
}
