/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TLS to OX: who is trusted, from which version on, and what an administrator can do when the other side is refused.  There is no way around a refusal:
 * nothing is sent before the certificate is checked, and nobody tries again without TLS.
 */
#include "backend/backend_int.h"

#include <stdlib.h>
#include <string.h>

/* OpenSSL's results of a check (X509_V_ERR_..., x509_vfy.h), as libcurl hands them on. */
enum {
	NOT_YET_VALID = 9,
	EXPIRED = 10,
	SELF_SIGNED = 18,         /* by itself */
	SELF_SIGNED_IN_CHAIN = 19,
	ISSUER_UNKNOWN = 20,
	ISSUER_UNKNOWN_LEAF = 21,
};

void
tls_set(const struct backend *b, CURL *c)
{
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, b->o.tls_verify ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, b->o.tls_verify ? 2L : 0L);
	/* sent where they were sent to and nowhere else: the session and the password are in them */
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	if (b->o.ca_file[0] == '\0')
		return;
	curl_easy_setopt(c, CURLOPT_CAINFO, b->o.ca_file);
	/* the system's folder of certificates would be trusted besides */
	curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
}

bool
tls_refused(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_SSL_CACERT_BADFILE;
}

/* What to do about a certificate, by what is wrong with it. */
static const char *
advice(CURL *c)
{
	long result = 0;

	(void)curl_easy_getinfo(c, CURLINFO_SSL_VERIFYRESULT, &result);
	switch (result) {
	case NOT_YET_VALID:
	case EXPIRED:
		return "OX's server needs a new certificate, unless a clock is wrong";
	case SELF_SIGNED:
	case SELF_SIGNED_IN_CHAIN:
	case ISSUER_UNKNOWN:
	case ISSUER_UNKNOWN_LEAF:
		return "if it is the right server, name a file with the certificate of who signed it in ox_ca_file";
	default:
		return "ox_url must have the host name that the certificate was made out for";
	}
}

enum rc
tls_error(struct backend *b, CURL *c, CURLcode code, const char *why, struct err *e)
{
	struct err x = { .rc = RC_OK };

	if (code == CURLE_SSL_CACERT_BADFILE)
		(void)err_set(&x, RC_UPSTREAM, "ox_ca_file cannot be used: %.120s", why);
	else if (code == CURLE_SSL_CONNECT_ERROR)
		(void)err_set(&x, RC_UPSTREAM, "no TLS with OX: %.110s; ox_url must lead to a server that speaks TLS 1.2 or later there", why);
	else
		(void)err_set(&x, RC_UPSTREAM, "the certificate of OX is refused: %.100s; %s", why, advice(c));
	if (!atomic_exchange(&b->untrusted, true))
		log_error("ox-tls", "text=%s", x.text);
	return err_set(e, x.rc, "%s", x.text);
}

void
tls_fine(struct backend *b)
{
	if (atomic_load_explicit(&b->untrusted, memory_order_relaxed) && atomic_exchange(&b->untrusted, false))
		log_info("ox-tls", "text=OX is trusted again");
}

bool
backend_trusts(const struct backend *b)
{
	return b == NULL || !atomic_load(&b->untrusted);
}
