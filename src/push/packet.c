/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packets of OX's UDP push, read and written: text, with the byte 1 between its parts. */
#include "usmd/push.h"

#include <stdio.h>
#include <string.h>

#define MAGIC "1337"
#define TYPE_PUSH 3
#define TYPE_REGISTER_HOST 4
/* modules as OX's events number them */
enum { MOD_CALENDAR = 1, MOD_TASK = 4, MOD_CONTACT = 7, MOD_MAIL = 19, MOD_FOLDER = 20 };
#define LAST_ROOT 3 /* folders 1 to 3 are the roots of the private, the public and the shared tree */

/* Digits up to STOP (or, with STOP 0, to the end), which is skipped. */
static bool
number(const char **p, const char *end, char stop, int64_t max, int64_t *out)
{
	const char *q = *p;
	int64_t v = 0;

	if (q == end || (*q == '0' && q + 1 < end && q[1] >= '0' && q[1] <= '9'))
		return false;
	for (; q < end && *q >= '0' && *q <= '9'; q++) {
		v = v * 10 + (*q - '0');
		if (v > max)
			return false;
	}
	if (q == *p || (stop == '\0' ? q != end : q == end || *q != stop))
		return false;
	*out = v;
	*p = stop == '\0' ? q : q + 1;
	return true;
}

/* "3,4,5" up to the separator. */
static bool
users(const char **p, const char *end, struct push_packet *out)
{
	const char *stop = memchr(*p, '\1', (size_t)(end - *p));

	if (stop == NULL)
		return false;
	out->n_users = 0;
	while (out->n_users < PUSH_USERS_MAX) {
		bool last = memchr(*p, ',', (size_t)(stop - *p)) == NULL;

		if (!number(p, last ? stop : end, last ? '\0' : ',', INT32_MAX, &out->users[out->n_users]))
			return false;
		out->n_users++;
		if (last) {
			*p = stop + 1;
			return true;
		}
	}
	return false;
}

enum rc
push_packet_parse(const void *data, size_t n, struct push_packet *out, struct err *e)
{
	const char *p = data, *end = p + n;
	int64_t length, type, folder;

	out->n_users = 0;
	if (n < sizeof(MAGIC) || memcmp(p, MAGIC "\1", sizeof(MAGIC)) != 0)
		return err_set(e, RC_PROTO, "no packet of OX's push");
	p += sizeof(MAGIC);
	if (!number(&p, end, '\1', PUSH_PACKET_MAX, &length) || length != end - p)
		return err_set(e, RC_PROTO, "the length is not that of the packet");
	if (!number(&p, end, '\1', INT32_MAX, &type) || type != TYPE_PUSH)
		return err_set(e, RC_PROTO, "the packet is no event");
	if (!number(&p, end, '\1', INT32_MAX, &folder) || !number(&p, end, '\1', INT32_MAX, &out->module) ||
	    !number(&p, end, '\1', INT32_MAX, &out->context) || !users(&p, end, out) || !number(&p, end, '\0', INT64_MAX / 16, &out->stamp))
		return err_set(e, RC_PROTO, "a part of the packet is missing or no number");
	(void)snprintf(out->folder, sizeof(out->folder), "%lld", (long long)folder);
	return RC_OK;
}

/*
 * A change of a folder comes as two packets: the folder's own, which names those who see it, and its parent's.  That of a
 * root names everybody in the context whatever was made below it, and says nothing to those whom the first one does not name.
 */
bool
push_packet_event(const struct push_packet *p, struct push_event *out)
{
	*out = (struct push_event){ .context = p->context, .folder = p->folder, .users = p->users, .n_users = p->n_users };
	switch (p->module) {
	case MOD_CALENDAR:
		out->ct = CT_CALENDAR;
		return true;
	case MOD_TASK:
		out->ct = CT_TASK;
		return true;
	case MOD_CONTACT:
		out->ct = CT_CONTACT;
		return true;
	case MOD_MAIL: /* the folder is always 1 and means the INBOX */
		out->ct = CT_MAIL;
		out->folder = NULL;
		return true;
	case MOD_FOLDER:
		out->ct = CT_FOLDER;
		return p->folder[1] != '\0' || p->folder[0] > '0' + LAST_ROOT;
	default:
		return false;
	}
}

void
push_packet_register(const char *host, unsigned port, struct buf *out)
{
	char data[128];
	int n = snprintf(data, sizeof(data), "%d\1%s\1%u", TYPE_REGISTER_HOST, host, port);

	buf_addf(out, MAGIC "\1%d\1%s", n, data);
}
