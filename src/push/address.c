/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Addresses of the settings.  Numbers only, where OX is told one: it looks names up by its own lights. */
#include "push/push_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool
address_split(const char *text, char **host, char port[6], const char *fallback)
{
	const char *colon, *end;
	bool v6 = text[0] == '[';
	int64_t n;
	size_t len;

	*host = NULL;
	if (v6) {
		text++;
		end = strchr(text, ']');
		if (end == NULL || (end[1] != ':' && end[1] != '\0'))
			return false;
		colon = end[1] == ':' ? end + 1 : NULL;
	} else {
		colon = strchr(text, ':');
		end = colon != NULL ? colon : text + strlen(text);
		if (colon != NULL && strchr(colon + 1, ':') != NULL)
			return false; /* IPv6 wants brackets */
	}
	len = (size_t)(end - text);
	if (len == 0 || len > 253 || (colon == NULL && fallback == NULL))
		return false;
	(void)snprintf(port, 6, "%s", fallback != NULL ? fallback : "");
	if (colon != NULL) {
		if (!parse_i64(colon + 1, 0, 65535, &n))
			return false;
		(void)snprintf(port, 6, "%u", (unsigned)n & 0xffffU);
	}
	*host = mem_alloc(len + 1);
	if (*host == NULL)
		return false;
	memcpy(*host, text, len);
	return true;
}

static bool
to_sockaddr(const char *host, unsigned port, struct sockaddr_storage *at, socklen_t *len)
{
	struct sockaddr_in *v4 = (void *)at;
	struct sockaddr_in6 *v6 = (void *)at;

	memset(at, 0, sizeof(*at));
	if (strcmp(host, "*") == 0)
		host = "0.0.0.0";
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((in_port_t)port);
		*len = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return false;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((in_port_t)port);
	*len = sizeof(*v6);
	return true;
}

static unsigned
port_number(const char *text)
{
	int64_t n = 0;

	return parse_i64(text, 0, 65535, &n) ? (unsigned)n : 0;
}

enum rc
listen_parse(const char *text, struct sockaddr_storage *at, socklen_t *len, struct err *e)
{
	char *host, port[6];
	bool ok = address_split(text, &host, port, NULL) && to_sockaddr(host, port_number(port), at, len);

	mem_free(host);
	return ok ? RC_OK : err_set_path(e, RC_PROTO, "udp_listen", "\"%.60s\" is no address with a port; write one as 10.0.0.5:44399, [fd00::5]:44399 or *:44399", text);
}

enum rc
advertise_parse(const char *text, const struct sockaddr_storage *at, char *host, size_t size, unsigned *port, struct err *e)
{
	const struct sockaddr_in *v4 = (const void *)at;
	const struct sockaddr_in6 *v6 = (const void *)at;
	bool is4 = at->ss_family == AF_INET;
	struct sockaddr_storage told;
	socklen_t len;
	char *name, number[6], own[8];
	bool ok;

	*port = ntohs(is4 ? v4->sin_port : v6->sin6_port);
	if (text[0] == '\0') {
		if (is4 ? v4->sin_addr.s_addr == htonl(INADDR_ANY) : memcmp(&v6->sin6_addr, &in6addr_any, sizeof(in6addr_any)) == 0)
			return err_set_path(e, RC_PROTO, "udp_advertise", "udp_listen is every address of this machine: which one shall OX send to?");
		return inet_ntop(at->ss_family, is4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr, host, (socklen_t)size) != NULL ?
		    RC_OK : err_set_path(e, RC_PROTO, "udp_listen", "the address cannot be written");
	}
	(void)snprintf(own, sizeof(own), "%u", *port);
	ok = address_split(text, &name, number, own) && strcmp(name, "*") != 0 && to_sockaddr(name, port_number(number), &told, &len) && strlen(name) < size;
	if (ok) {
		(void)snprintf(host, size, "%s", name);
		*port = port_number(number);
	}
	mem_free(name);
	return ok ? RC_OK : err_set_path(e, RC_PROTO, "udp_advertise", "\"%.60s\" is no address; write one as 10.0.0.5 or 10.0.0.5:44399, not a name", text);
}
