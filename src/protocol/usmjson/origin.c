/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests that a browser sends because a page of another site says so.  The cookie is SameSite=Strict and a form cannot send application/json; this
 * holds where a browser knows neither, and for what carries no session at all (login).  Programs send none of these headers and are not asked.
 */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>
#include <strings.h>

static const char *
header(const struct request *req, const char *name)
{
	const char *v = req->header(req, name);

	return v != NULL ? v : "";
}

/* The host of an origin "https://host:port" is HOST, or the last one of a list of them that proxies wrote. */
static bool
host_is(const char *origin, const char *hosts)
{
	const char *host = strstr(origin, "://"), *last = strrchr(hosts, ',');

	last = last != NULL ? last + 1 : hosts;
	last += strspn(last, " \t");
	return host != NULL && last[0] != '\0' && strcasecmp(host + 3, last) == 0;
}

bool
origin_ok(const struct request *req)
{
	const char *site, *origin;

	if (req->bearer || req->header == NULL)
		return true; /* a page has no way to send a token that it does not know */
	site = header(req, "Sec-Fetch-Site");
	if (site[0] != '\0')
		return strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
	origin = header(req, "Origin");
	/* a proxy in front may have put its own name for us into Host, and the one that was asked for into X-Forwarded-Host */
	return origin[0] == '\0' || host_is(origin, header(req, "Host")) || host_is(origin, header(req, "X-Forwarded-Host"));
}
