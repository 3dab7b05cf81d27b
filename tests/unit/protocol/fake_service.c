/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A service for tests of the protocol, as fake_engine.c is an engine. */
#include "fake_engine.h"
#include "usmd/service.h"

enum rc
service_quota_get(struct engine_session *s, struct service_quota *out, struct err *e)
{
	(void)s;
	fake_note("quota;");
	*out = (struct service_quota){ .mail = { 1, -1 }, .files = { 5, 6 } };
	for (int ct = 0; ct < CT_COUNT; ct++)
		out->objects[ct] = (struct service_use){ 3, -1 };
	return fake_fails("quota", e);
}
