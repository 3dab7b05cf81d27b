/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of what is small and comes from outside or from a storage that may be damaged.  The first octet chooses: packed cursors and rows,
 * sealed values, uuids and other texts of fixed form, base64, uids of clients, words of rights, and whose X-Forwarded-For is believed.  What is taken apart
 * must come back the same when it is put together; nothing that is forged may be opened.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "fuzz.h"
#include "httpd/httpd_int.h"
#include "usmd/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

static struct model_keys *keys;

/* ---- packed ---- */

static void
cursor(struct arena *a, const uint8_t *p, size_t n)
{
	struct cursor c = { .pos = 4711 }, d;
	struct buf b;
	enum rc rc = cursor_unpack(a, p, n, &c);

	if (rc != RC_OK) {
		must(rc == RC_INTERNAL && c.pos == 4711, "a refused cursor is not left alone");
		return;
	}
	must(c.lo <= c.pos, "a cursor has settled more than it has seen");
	for (size_t i = 0; i < c.n_have; i++) {
		must(i == 0 || c.have[i - 1].id < c.have[i].id, "ids do not ascend");
		must(cursor_have(&c, c.have[i].id) == c.have[i].cn, "an entry is not found");
	}
	buf_init(&b, 0);
	cursor_pack(&c, &b);
	must(!b.failed && b.len <= n, "a cursor grows when it is packed again");
	must(cursor_unpack(a, b.p, b.len, &d) == RC_OK && cursor_equal(&c, &d) && cursor_equal(&d, &c), "a cursor comes back as another one");
	buf_fini(&b);
}

static bool
texts_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
rows_equal(const struct row *a, const struct row *b)
{
	if (a->dead != b->dead || a->known != b->known || a->first_cn != b->first_cn || a->keycn != b->keycn || a->lm != b->lm || a->t0 != b->t0 ||
	    a->t1 != b->t1 || a->nf != b->nf || !texts_equal(a->oxid, b->oxid) || !texts_equal(a->client_id, b->client_id))
		return false;
	for (unsigned i = 0; i < a->nf; i++)
		if (a->f[i].i != b->f[i].i || a->f[i].cn != b->f[i].cn || a->f[i].fp != b->f[i].fp)
			return false;
	return true;
}

static void
row(struct arena *a, const uint8_t *p, size_t n)
{
	struct reader in = { .p = p, .end = p + n };
	struct row r = { .id = 1, .cn = reader_uv(&in), .sk = 2, .lm = 4711 }, s = r;
	char rev[2][REV_TEXT];
	struct buf b;
	enum rc rc = in.failed ? RC_INTERNAL : row_unpack(a, in.p, (size_t)(in.end - in.p), &r);

	if (rc != RC_OK) {
		must(rc == RC_INTERNAL && r.lm == 4711 && r.f == NULL, "a refused row is not left alone");
		return;
	}
	buf_init(&b, 0);
	row_pack(&r, &b);
	must(!b.failed && row_unpack(a, b.p, b.len, &s) == RC_OK && rows_equal(&r, &s), "a row comes back as another one");
	for (unsigned i = 0; i < r.nf; i++)
		must(r.f[i].cn <= r.cn && row_field_get(&r, r.f[i].i) == &r.f[i], "a field of a row is not found");
	row_rev(keys, CT_CALENDAR, &r, NULL, rev[0]);
	row_rev(keys, CT_CALENDAR, &s, NULL, rev[1]);
	must(strcmp(rev[0], rev[1]) == 0, "equal rows have another rev");
	buf_fini(&b);
}

/* N octets that nobody sealed; then sealed by us and touched at one place. */
static void
sealed(const uint8_t *p, size_t n)
{
	static const unsigned char key[KEY_BYTES] = { 7 };
	struct buf out, plain;

	buf_init(&out, 0);
	buf_init(&plain, 0);
	must(secret_open(key, "a", p, n, &plain) == RC_DENIED && plain.len == 0, "what nobody sealed is opened");
	must(secret_seal(key, "a", p, n, &out) == RC_OK, "it cannot be sealed");
	must(secret_open(key, "b", out.p, out.len, &plain) == RC_DENIED && plain.len == 0, "it is opened for another purpose");
	must(secret_open(key, "a", out.p, out.len, &plain) == RC_OK && plain.len == n && (n == 0 || memcmp(plain.p, p, n) == 0), "it is opened as another text");
	buf_reset(&plain);
	if (n > 1) {
		out.p[((size_t)p[0] << 8 | p[1]) % out.len] ^= (char)(1 << (p[0] & 7));
		must(secret_open(key, "a", out.p, out.len, &plain) == RC_DENIED && plain.len == 0, "what was touched is opened");
	}
	must(secret_open(key, "a", out.p, out.len - 1, &plain) == RC_DENIED && plain.len == 0, "what was cut is opened");
	buf_fini(&out);
	buf_fini(&plain);
}

/* ---- texts ---- */

static void
uuid(const char *s, const uint8_t *p, size_t n)
{
	struct uuid u, v;
	char text[UUID_TEXT];
	int64_t id;

	if (uuid_parse(s, &u)) {
		uuid_format(&u, text);
		must(strlen(s) == sizeof(text) - 1 && uuid_parse(text, &v) && memcmp(&u, &v, sizeof(u)) == 0, "a uuid comes back as another one");
		for (size_t i = 0; s[i] != '\0'; i++)
			must((s[i] | 32) == (text[i] | 32), "a uuid is read from other digits");
	}
	if (n < sizeof(u) + sizeof(id))
		return;
	memcpy(&u, p, sizeof(u));
	memcpy(&id, p + sizeof(u), sizeof(id));
	must(!uuid_id(keys, 5, &u, &id), "a forged uuid belongs to a place");
	uuid_make(keys, (uint64_t)id, id, &v);
	must(uuid_id(keys, (uint64_t)id, &v, &id), "a uuid does not belong to its place");
	must(!uuid_id(keys, (uint64_t)id + 1, &v, &id), "a uuid belongs to another place");
}

static void
digits(const char *s)
{
	unsigned char b[16];
	char text[33], *end;
	int64_t v = 0;

	if (hex_decode(s, b, sizeof(b))) {
		hex_encode(b, sizeof(b), text);
		for (size_t i = 0; i < 32; i++)
			must((s[i] | 32) == text[i], "digits come back as others");
		must(s[32] == '\0', "digits behind the end are taken");
	}
	if (parse_i64(s, -1000, INT64_MAX, &v)) {
		errno = 0;
		must(strtoll(s, &end, 10) == v && *end == '\0' && errno == 0 && v >= -1000, "a number is read as another one");
	}
}

static void
base64(const char *s, const uint8_t *p, size_t n)
{
	struct buf text, back;
	size_t had;

	buf_init(&text, 0);
	buf_init(&back, 0);
	base64_encode(&text, p, n);
	must(!text.failed && base64_decode(&back, text.p != NULL ? text.p : "", text.len) && back.len == n && (n == 0 || memcmp(back.p, p, n) == 0),
	    "octets come back as others");
	buf_reset(&text);
	buf_reset(&back);
	buf_adds(&back, "before");
	had = back.len;
	if (base64_decode(&back, s, strlen(s))) {
		must(back.len - had <= strlen(s) / 4 * 3, "base64 gives more octets than it has");
		base64_encode(&text, back.p + had, back.len - had);
		must(text.len == strlen(s), "base64 of another length is the same octets");
	} else {
		must(back.len == had, "refused base64 leaves octets");
	}
	buf_fini(&text);
	buf_fini(&back);
}

static void
utf8(const char *s, size_t n)
{
	json_t *v = json_stringn(s, n);

	must(utf8_valid(s, n) == (v != NULL), "not the same as jansson thinks of UTF-8");
	json_decref(v);
}

static void
client_uid(struct arena *a, const char *s)
{
	char *id = client_uid_parse(a, s), *slash;

	if (id == NULL)
		return;
	slash = strchr(id, '/');
	must(slash != NULL && slash > id && slash[1] != '\0', "a client's id without a device or an id");
	*slash = '\0';
	must(strcmp(client_uid_format(a, id, slash + 1), s) == 0, "a client's id has two uids");
}

static void
rights(const char *s, const uint8_t *p, size_t n)
{
	struct rights r;
	int64_t bits, v;

	if (n >= sizeof(bits)) {
		memcpy(&bits, p, sizeof(bits));
		r = rights_unpack(bits);
		v = rights_pack(&r);
		r = rights_unpack(v);
		must(rights_pack(&r) == v, "rights come back as others");
		(void)rights_level(bits);
	}
	if (rights_of_level(s, &bits))
		must(strcasecmp(rights_level(bits), s) == 0, "a level is another one");
	for (int folder = 0; folder < 2; folder++)
		if (rights_of_word(s, folder != 0, &v))
			must(strcasecmp(rights_word(v, folder != 0), s) == 0, "a right is another one");
}

/* ---- X-Forwarded-For: the trusted proxies in the first line, the header in the second ---- */

static void
proxies(const char *s, unsigned kind)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	const struct sockaddr *peers[] = { NULL, (struct sockaddr *)&v4, (struct sockaddr *)&v6 };
	const char *nl = strchr(s, '\n');
	char list[512], out[CLIENT_IP_SIZE];
	unsigned char client[16], peer[16], addr[16];
	struct proxies p;
	struct err e;

	if (nl == NULL || (size_t)(nl - s) >= sizeof(list))
		return;
	memcpy(list, s, (size_t)(nl - s));
	list[nl - s] = '\0';
	must(inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr) == 1 && inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr) == 1, "no addresses");
	if (proxies_parse(list, &p, &e) != RC_OK) {
		must(p.nets == NULL && p.n == 0 && !p.unix_peer && e.rc == RC_PROTO && e.text[0] != '\0', "a refused list leaves proxies");
		return;
	}
	proxies_client_ip(&p, peers[kind % 3], nl + 1, client);
	address_format(client, out);
	must(inet_pton(AF_INET, out, addr) == 1 || inet_pton(AF_INET6, out, addr) == 1, "the client's address is none");
	proxies_client_ip(&p, peers[kind % 3], NULL, peer);
	if (p.n == 0 && !p.unix_peer)
		must(memcmp(client, peer, sizeof(client)) == 0, "a header is believed that nobody trusted wrote");
	proxies_fini(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char master[KEY_BYTES] = { 3 };
	struct arena *a = arena_new(16U << 20);
	const uint8_t *p = data + 1;
	size_t n = size - 1;
	char *s;

	if (keys == NULL)
		keys = model_keys_new(master);
	must(a != NULL && keys != NULL, "out of memory");
	s = size > 0 ? arena_alloc(a, size) : NULL;
	if (s == NULL) {
		arena_free(a);
		return 0;
	}
	memcpy(s, p, n); /* zeroed: a text that ends at the first NUL */
	memory_watch();
	switch (data[0] % 11) {
	case 0: cursor(a, p, n); break;
	case 1: row(a, p, n); break;
	case 2: sealed(p, n); break;
	case 3: uuid(s, p, n); break;
	case 4: digits(s); break;
	case 5: base64(s, p, n); break;
	case 6: utf8((const char *)p, n); break;
	case 7: client_uid(a, s); break;
	case 8: rights(s, p, n); break;
	default: proxies(s, data[0] % 11 + data[0] / 11); break;
	}
	memory_bound(16 * size + ((size_t)1 << 18));
	arena_free(a);
	return 0;
}
