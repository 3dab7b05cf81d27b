/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Whose X-Forwarded-For is believed.  Each proxy appends the address that it saw to the header's end, so it is read
 * from the right: as long as the speaker is a trusted proxy, the next entry is true; the first untrusted one is the
 * client.  What stands left of it was written by the client and is worth nothing.
 */
#include "httpd/httpd_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* One address as 16 bytes, IPv4 mapped; *V4 tells which it was. */
static bool
address_parse(const char *s, unsigned char out[16], bool *v4)
{
	memset(out, 0, 16);
	out[10] = out[11] = 0xff;
	*v4 = inet_pton(AF_INET, s, out + 12) == 1;
	return *v4 || inet_pton(AF_INET6, s, out) == 1;
}

static bool
net_parse(const char *word, struct proxy_net *net)
{
	char text[INET6_ADDRSTRLEN + 8];
	char *slash;
	int64_t bits;
	bool v4;

	if (strlen(word) >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%s", word);
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash = '\0';
	if (!address_parse(text, net->addr, &v4))
		return false;
	bits = v4 ? 32 : 128;
	if (slash != NULL && !parse_i64(slash + 1, 0, bits, &bits))
		return false;
	net->bits = (unsigned)bits + (v4 ? 96U : 0U);
	return true;
}

enum rc
proxies_parse(const char *list, struct proxies *out, struct err *e)
{
	static const char sep[] = ", \t";
	size_t words = 0;

	memset(out, 0, sizeof(*out));
	if (list == NULL)
		return RC_OK;
	for (const char *p = list; *p != '\0'; p += strcspn(p, sep)) {
		p += strspn(p, sep);
		words += *p != '\0';
	}
	out->nets = mem_alloc(words * sizeof(*out->nets));
	if (out->nets == NULL)
		return err_set(e, RC_NOMEM, "trusted_proxies: out of memory");
	for (const char *p = list + strspn(list, sep); *p != '\0'; p += strspn(p, sep)) {
		size_t n = strcspn(p, sep);
		char word[64];

		if (n < sizeof(word)) {
			memcpy(word, p, n);
			word[n] = '\0';
			if (strcmp(word, "unix") == 0)
				out->unix_peer = true;
			else if (net_parse(word, &out->nets[out->n]))
				out->n++;
			else
				n = sizeof(word);
		}
		if (n >= sizeof(word)) {
			proxies_fini(out);
			return err_set(e, RC_PROTO, "trusted_proxies: '%.60s' begins with neither an address (192.0.2.1), "
			    "a network (192.0.2.0/24) nor the word unix", p);
		}
		p += n;
	}
	return RC_OK;
}

void
proxies_fini(struct proxies *p)
{
	mem_free(p->nets);
	memset(p, 0, sizeof(*p));
}

static bool
is_trusted(const struct proxies *p, const unsigned char addr[16])
{
	for (size_t i = 0; i < p->n; i++) {
		unsigned whole = p->nets[i].bits / 8, rest = p->nets[i].bits % 8;

		if (memcmp(addr, p->nets[i].addr, whole) != 0)
			continue;
		if (rest == 0 || (addr[whole] ^ p->nets[i].addr[whole]) >> (8 - rest) == 0)
			return true;
	}
	return false;
}

bool
address_is_v4(const unsigned char addr[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

void
address_format(const unsigned char addr[16], char out[CLIENT_IP_SIZE])
{
	bool v4 = address_is_v4(addr);

	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, out, CLIENT_IP_SIZE) == NULL)
		out[0] = '\0';
}

bool
proxies_peer(const struct proxies *p, const struct sockaddr *peer, unsigned char addr[16])
{
	memset(addr, 0, 16);
	if (peer->sa_family == AF_INET) {
		addr[10] = addr[11] = 0xff;
		memcpy(addr + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
	} else {
		memcpy(addr, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
	}
	return is_trusted(p, addr);
}

void
proxies_client_ip(const struct proxies *p, const struct sockaddr *peer, const char *forwarded_for, unsigned char addr[16])
{
	bool trusted, v4;
	size_t end = forwarded_for != NULL ? strlen(forwarded_for) : 0;

	memset(addr, 0, 16);
	if (peer != NULL && (peer->sa_family == AF_INET || peer->sa_family == AF_INET6)) {
		trusted = proxies_peer(p, peer, addr);
	} else {
		addr[15] = 1; /* a unix socket's peer is this machine: ::1 */
		trusted = p->unix_peer;
	}
	while (trusted && end > 0) {
		unsigned char before[16];
		char word[INET6_ADDRSTRLEN];
		size_t start, n;

		while (end > 0 && strchr(", \t", forwarded_for[end - 1]) != NULL)
			end--;
		for (start = end; start > 0 && strchr(", \t", forwarded_for[start - 1]) == NULL; start--)
			;
		n = end - start;
		if (n == 0 || n >= sizeof(word))
			break;
		memcpy(word, forwarded_for + start, n);
		word[n] = '\0';
		if (!address_parse(word, before, &v4))
			break;
		memcpy(addr, before, sizeof(before));
		trusted = is_trusted(p, addr);
		end = start;
	}
}
