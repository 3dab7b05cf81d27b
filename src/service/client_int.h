/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Shared by package.c and feedback.c. */
#ifndef SERVICE_CLIENT_INT_H
#define SERVICE_CLIENT_INT_H

#include <pthread.h>

#include "usmd/service.h"

/** Of which version of two files something is known. */
struct stamp {
	int64_t s[2], ns[2], size[2];
};

struct service_client {
	struct service_client_options o;
	pthread_mutex_t lock;      /* everything below */
	struct stamp stamp;        /* of manifest and package when they were read last */
	bool read, good;
	json_t *manifest;          /* of GOOD */
	char sha256[65];
	int64_t size;
};

#endif
