/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From settings to the store: the same for usmd and each command of usmctl. */
#include "daemon/daemon_int.h"

#include "usmd/store.h"

enum rc
database_password(const struct conf *c, struct password *out, struct err *e)
{
	out->text[0] = '\0';
	return c->pg_password_file[0] == '\0' ? RC_OK
	                                      : conf_secret_read("pg_password_file", c->pg_password_file, out->text, sizeof(out->text), e);
}

enum rc
database_open(const struct conf *c, unsigned pool, struct store **out, struct err *e)
{
	struct password password;
	struct store_options o = {
		.conninfo = c->pg_conninfo,
		.password = password.text,
		.pool = pool,
		.statement_timeout_ms = (unsigned)c->pg_statement_timeout,
		.lease_timeout_ms = (unsigned)c->pg_lease_timeout,
		.lock_timeout_ms = (unsigned)c->pg_lock_timeout,
	};
	enum rc rc = database_password(c, &password, e);

	*out = NULL;
	if (rc == RC_OK)
		rc = store_open(&o, out, e);
	secret_wipe(&password, sizeof(password));
	return rc;
}
