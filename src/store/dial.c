/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A connection to PostgreSQL as pg_conninfo says, for the pool, the listener and the migration alike, and what to say when there is none: whether
 * waiting can help, and whether it is the certificate.  libpq has no codes for that, so its messages are looked at (they are in English: nobody here
 * calls setlocale); one that is not known is taken for a server that is away.
 */
#include "store_int.h"

#include <stdio.h>
#include <string.h>

#define TELL_MAX 180U /* octets of libpq's words, so that ours fit behind them */

/* The later entry wins: conninfo may say otherwise about the time-out, and an empty password is none. */
static const char *const dial_keys[] = { "connect_timeout", "dbname", "password", NULL };
#define DIAL_VALUES(conninfo, password) { "5", (conninfo), (password), NULL }

PGconn *
pg_dial(const char *conninfo, const char *password)
{
	const char *const values[] = DIAL_VALUES(conninfo, password);

	return PQconnectdbParams(dial_keys, values, 1);
}

bool
pg_dial_refused(const char *conninfo, const char *password)
{
	const char *const values[] = DIAL_VALUES(conninfo, password);
	PGPing ping = PQpingParams(dial_keys, values, 1);

	return ping == PQPING_OK || ping == PQPING_NO_ATTEMPT;
}

/* Does LINE of a message say that this host is not trusted, or that its own certificate's files are not there? */
static bool
is_distrust(const char *line, size_t n)
{
	static const char *const says[] = { "certificate", "SSL was required", "does not support SSL", "private key file", "unsupported protocol", "wrong version number" };
	char text[300];

	(void)snprintf(text, sizeof(text), "%.*s", (int)(n < sizeof(text) ? n : sizeof(text) - 1), line);
	for (size_t i = 0; i < ARRAY_LEN(says); i++)
		if (strstr(text, says[i]) != NULL)
			return true;
	return false;
}

/* NAME of `connection to server at "NAME"` or `on socket "NAME"`, which begins what is told of one address; NULL: the line is something else. */
static const char *
host_of(const char *line, size_t *n)
{
	static const char begin[] = "connection to server ";
	const char *name = line + strcspn(line, "\"\n");

	if (strncmp(line, begin, sizeof(begin) - 1) != 0 || *name != '"')
		return NULL;
	name++;
	*n = strcspn(name, "\"\n");
	return name;
}

/*
 * A line for each address that was tried (a host can have several, of which the server listens on one), and sometimes further ones of advice.  What is
 * told is the first about trust, since that is what somebody has to do something about; but as long as one of several hosts is only away, it may come
 * back and be the right one.
 */
bool
pg_dial_error(const PGconn *pg, char *text, size_t size)
{
	const char *line = pg != NULL ? PQerrorMessage(pg) : "out of memory", *tell = line, *host = NULL;
	bool all = true, any = false, this_one = true;
	size_t host_len = 0;

	while (*line != '\0') {
		size_t n = strcspn(line, "\n"), len = 0;
		const char *name = host_of(line, &len);
		bool distrust = is_distrust(line, n);

		if (name != NULL && (host == NULL || len != host_len || memcmp(name, host, len) != 0)) {
			all = all && this_one;
			this_one = false;
			host = name;
			host_len = len;
		}
		if (distrust && !any)
			tell = line;
		this_one = this_one || distrust;
		any = any || distrust;
		line += n + (line[n] == '\n');
	}
	(void)snprintf(text, size, "%.*s%s", (int)(strcspn(tell, "\n") < TELL_MAX ? strcspn(tell, "\n") : TELL_MAX), tell,
	    any ? "; see sslmode and sslrootcert in pg_conninfo" : "");
	return any && all && this_one;
}
