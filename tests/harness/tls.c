/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A thread for the listener and one for each connection; they end when their sockets are shut down. */
#include "harness/tls.h"

#include <arpa/inet.h>
#include <check.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 256
#define HOUR 3600L

/* ---- certificates ---- */

static void
path_of(char out[400], const char *dir, const char *name, const char *end)
{
	(void)snprintf(out, 400, "%s/%s.%s", dir, name, end);
}

static FILE *
open_for(const char *dir, const char *name, const char *end, const char *mode)
{
	char path[400];
	FILE *f;

	path_of(path, dir, name, end);
	f = fopen(path, mode);
	ck_assert_msg(f != NULL, "%s cannot be opened", path);
	return f;
}

static void
extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(ext);
	ck_assert_int_eq(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* Signed by SIGNER's files, NULL = by itself; for HOST, NULL = an authority. */
static void
make(const char *dir, const char *name, const char *signer, const char *host, long from_s, long until_s)
{
	static long serial = 1;
	EVP_PKEY *key = EVP_EC_gen("P-256"), *by = key;
	X509 *x = X509_new(), *issuer = x;
	char san[200];
	FILE *f;

	ck_assert_ptr_nonnull(key);
	if (signer != NULL) {
		f = open_for(dir, signer, "crt", "r");
		issuer = PEM_read_X509(f, NULL, NULL, NULL);
		(void)fclose(f);
		f = open_for(dir, signer, "key", "r");
		by = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		(void)fclose(f);
		ck_assert(issuer != NULL && by != NULL);
	}
	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), until_s);
	(void)X509_set_pubkey(x, key);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(issuer));
	extend(x, issuer, NID_basic_constraints, host == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (host != NULL) {
		(void)snprintf(san, sizeof(san), "DNS:%s", host);
		extend(x, issuer, NID_subject_alt_name, san);
	}
	ck_assert_int_gt(X509_sign(x, by, EVP_sha256()), 0);
	f = open_for(dir, name, "crt", "w");
	ck_assert_int_eq(PEM_write_X509(f, x), 1);
	ck_assert_int_eq(fclose(f), 0);
	f = open_for(dir, name, "key", "w");
	ck_assert_int_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	ck_assert_int_eq(fclose(f), 0);
	if (issuer != x)
		X509_free(issuer);
	if (by != key)
		EVP_PKEY_free(by);
	X509_free(x);
	EVP_PKEY_free(key);
}

void
tls_authority(const char *dir, const char *name)
{
	make(dir, name, NULL, NULL, -HOUR, HOUR);
}

void
tls_certificate(const char *dir, const struct tls_subject *s)
{
	bool now = s->from_s == 0 && s->until_s == 0;

	make(dir, s->name, s->signed_by, s->host, now ? -HOUR : s->from_s, now ? HOUR : s->until_s);
}

/* ---- the server ---- */

struct tls_front {
	pthread_mutex_t lock;     /* all but the ports and the listener's socket */
	pthread_t listener, threads[CONNECTIONS];
	unsigned n;               /* of threads */
	int fd, sockets[CONNECTIONS];
	unsigned port, to;
	char cert[400], key[400];
	bool old, redirect;
	struct tls_seen seen;
};

struct connection {
	struct tls_front *f;
	unsigned i;
	int fd;
};

static int
dial(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((in_port_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void
count(struct tls_front *f, unsigned *what)
{
	(void)pthread_mutex_lock(&f->lock);
	(*what)++;
	(void)pthread_mutex_unlock(&f->lock);
}

static SSL_CTX *
context(struct tls_front *f)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	(void)pthread_mutex_lock(&f->lock);
	(void)SSL_CTX_use_certificate_file(ctx, f->cert, SSL_FILETYPE_PEM);
	(void)SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM);
	if (f->old) {
		(void)SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0");
		(void)SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		(void)SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	} else {
		/* the client's last word is waited for: a refused certificate is seen in the handshake */
		(void)SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	}
	(void)pthread_mutex_unlock(&f->lock);
	return ctx;
}

static bool
put_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* To and fro until one of them ends. */
static void
relay(struct tls_front *f, SSL *ssl, int fd)
{
	char tmp[16384];
	int to = dial(f->to);
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = to, .events = POLLIN } };

	while (to >= 0 && (SSL_pending(ssl) > 0 || poll(p, 2, -1) > 0)) {
		if (SSL_pending(ssl) > 0 || p[0].revents != 0) {
			int n = SSL_read(ssl, tmp, sizeof(tmp));

			if (n <= 0 || !put_all(to, tmp, (size_t)n))
				break;
			count(f, &f->seen.requests);
		}
		if (p[1].revents != 0) {
			ssize_t n = recv(to, tmp, sizeof(tmp), 0);

			if (n <= 0 || SSL_write(ssl, tmp, (int)n) <= 0)
				break;
		}
		p[1].revents = 0;
	}
	(void)close(to);
}

static void
send_elsewhere(struct tls_front *f, SSL *ssl)
{
	char text[300];

	if (SSL_read(ssl, text, sizeof(text)) <= 0)
		return;
	count(f, &f->seen.requests);
	(void)snprintf(text, sizeof(text), "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/ajax/login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", f->port);
	(void)SSL_write(ssl, text, (int)strlen(text));
	(void)SSL_shutdown(ssl);
}

static void *
connection_main(void *arg)
{
	struct connection c = *(struct connection *)arg;
	struct tls_front *f = c.f;
	SSL_CTX *ctx = context(f);
	SSL *ssl = SSL_new(ctx);
	bool redirect;
	char first;

	free(arg);
	if (recv(c.fd, &first, 1, MSG_PEEK) != 1)
		goto out;
	if (first != 0x16) { /* RFC 5246: a handshake record */
		count(f, &f->seen.plain);
		goto out;
	}
	(void)SSL_set_fd(ssl, c.fd);
	if (SSL_accept(ssl) != 1) {
		count(f, &f->seen.refused);
		goto out;
	}
	count(f, &f->seen.trusted);
	(void)pthread_mutex_lock(&f->lock);
	redirect = f->redirect;
	(void)pthread_mutex_unlock(&f->lock);
	if (redirect)
		send_elsewhere(f, ssl);
	else
		relay(f, ssl, c.fd);
out:
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)shutdown(c.fd, SHUT_RDWR); /* closed by tls_front_free, so that the number is nobody else's until then */
	return NULL;
}

static void *
listener_main(void *arg)
{
	struct tls_front *f = arg;
	int fd;

	while ((fd = accept(f->fd, NULL, NULL)) >= 0) {
		struct connection *c = malloc(sizeof(*c));

		(void)pthread_mutex_lock(&f->lock);
		ck_assert_uint_lt(f->n, CONNECTIONS);
		*c = (struct connection){ f, f->n, fd };
		f->sockets[f->n] = fd;
		(void)pthread_create(&f->threads[f->n], NULL, connection_main, c);
		f->n++;
		(void)pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

struct tls_front *
tls_front_new(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	struct tls_front *f = calloc(1, sizeof(*f));

	f->to = port;
	(void)pthread_mutex_init(&f->lock, NULL);
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(f->fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(f->fd, 16), 0);
	ck_assert_int_eq(getsockname(f->fd, (struct sockaddr *)&sa, &len), 0);
	f->port = ntohs(sa.sin_port);
	ck_assert_int_eq(pthread_create(&f->listener, NULL, listener_main, f), 0);
	return f;
}

void
tls_front_use(struct tls_front *f, const char *dir, const char *name)
{
	(void)pthread_mutex_lock(&f->lock);
	path_of(f->cert, dir, name, "crt");
	path_of(f->key, dir, name, "key");
	(void)pthread_mutex_unlock(&f->lock);
}

void
tls_front_old(struct tls_front *f, bool on)
{
	(void)pthread_mutex_lock(&f->lock);
	f->old = on;
	(void)pthread_mutex_unlock(&f->lock);
}

void
tls_front_redirect(struct tls_front *f, bool on)
{
	(void)pthread_mutex_lock(&f->lock);
	f->redirect = on;
	(void)pthread_mutex_unlock(&f->lock);
}

unsigned
tls_front_port(const struct tls_front *f)
{
	return f->port;
}

struct tls_seen
tls_front_seen(struct tls_front *f)
{
	struct tls_seen seen;

	(void)pthread_mutex_lock(&f->lock);
	seen = f->seen;
	f->seen = (struct tls_seen){ 0 };
	(void)pthread_mutex_unlock(&f->lock);
	return seen;
}

void
tls_front_free(struct tls_front *f)
{
	(void)shutdown(f->fd, SHUT_RDWR);
	(void)pthread_join(f->listener, NULL);
	for (unsigned i = 0; i < f->n; i++)
		(void)shutdown(f->sockets[i], SHUT_RDWR);
	for (unsigned i = 0; i < f->n; i++) {
		(void)pthread_join(f->threads[i], NULL);
		(void)close(f->sockets[i]);
	}
	(void)close(f->fd);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}
