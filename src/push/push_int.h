/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of push share: addresses as settings write them. */
#ifndef USMD_PUSH_INT_H
#define USMD_PUSH_INT_H

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "usmd/push.h"

#define DEFAULT_PORT "44335" /* com.openexchange.push.udp.registerPort */

/* address_split - "host", "host:port", "[v6]:port": *HOST is new and the caller's.  PORT gets FALLBACK (NULL: must be there) where TEXT has none. */
bool address_split(const char *text, char **host, char port[6], const char *fallback);
/* listen_parse - udp_listen: a number and a port, or "*:port". */
MUST_CHECK enum rc listen_parse(const char *text, struct sockaddr_storage *at, socklen_t *len, struct err *e);
/* advertise_parse - udp_advertise, or where it is empty the address AT that is listened on. */
MUST_CHECK enum rc advertise_parse(const char *text, const struct sockaddr_storage *at, char *host, size_t size, unsigned *port, struct err *e);

#endif
