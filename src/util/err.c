/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Result codes and the error text that travels with them. */
#include "usmd/util.h"

#undef err_set /* util.h says why they may be macros */
#undef err_set_path

#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 4, 0)))
err_format(struct err *e, enum rc rc, const char *path, const char *fmt, va_list ap)
{
	if (e == NULL)
		return;
	memset(e, 0, sizeof(*e));
	e->rc = rc;
	(void)snprintf(e->path, sizeof(e->path), "%s", path);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

enum rc
err_set(struct err *e, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_format(e, rc, "", fmt, ap);
	va_end(ap);
	return rc;
}

enum rc
err_set_path(struct err *e, enum rc rc, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_format(e, rc, path, fmt, ap);
	va_end(ap);
	return rc;
}

void
err_set_length(struct err *e, int64_t length, int64_t max)
{
	if (e == NULL)
		return;
	e->length = length;
	e->max_length = max;
}

const char *
rc_name(enum rc rc)
{
	static const char *const names[RC_COUNT] = {
		[RC_OK] = "ok", [RC_NOTFOUND] = "not-found", [RC_CONFLICT] = "conflict",
		[RC_BUSY] = "busy", [RC_TIMEOUT] = "timeout", [RC_UPSTREAM] = "upstream",
		[RC_DENIED] = "denied", [RC_FORBIDDEN] = "forbidden", [RC_PROTO] = "bad-request",
		[RC_LIMIT] = "limit", [RC_NOMEM] = "no-memory", [RC_INTERNAL] = "internal",
	};

	return (unsigned)rc < RC_COUNT ? names[rc] : "unknown";
}
