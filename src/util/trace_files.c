/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which devices have orders or traces in a trace folder, and their removal: when the device, or the person behind it, is to be forgotten. */
#include "util/trace_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* NUMBER.on, NUMBER.on.new, NUMBER-BEGAN.trace: the number; 0 = another file. */
static int64_t
device_of(const char *name)
{
	size_t n = strspn(name, "0123456789"), len = strlen(name);
	bool trace = name[n] == '-' && len > n + 6 && strcmp(name + len - 6, ".trace") == 0;
	char number[24];
	int64_t device;

	if (n == 0 || n >= sizeof(number) || (!trace && strcmp(name + n, ".on") != 0 && strcmp(name + n, ".on.new") != 0))
		return 0;
	(void)snprintf(number, sizeof(number), "%.*s", (int)n, name);
	return parse_i64(number, 1, INT64_MAX, &device) ? device : 0;
}

size_t
trace_devices(const char *dir, int64_t *out, size_t max)
{
	DIR *d = dir[0] != '\0' ? opendir(dir) : NULL;
	const struct dirent *x;
	size_t n = 0;

	while (d != NULL && n < max && (x = readdir(d)) != NULL) {
		int64_t device = device_of(x->d_name);
		size_t i = 0;

		while (i < n && out[i] != device)
			i++;
		if (device != 0 && i == n)
			out[n++] = device;
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

enum rc
trace_remove(const char *dir, int64_t device, bool count, size_t *n, struct err *e)
{
	DIR *d = dir[0] != '\0' ? opendir(dir) : NULL;
	const struct dirent *x;
	enum rc rc = RC_OK;

	*n = 0;
	if (d == NULL)
		return dir[0] == '\0' || errno == ENOENT ? RC_OK : err_set(e, RC_FORBIDDEN, "%s (trace_dir) cannot be read: %s; be root or the user of usmd", dir, strerror(errno));
	while (rc == RC_OK && (x = readdir(d)) != NULL) {
		if (device_of(x->d_name) != device)
			continue;
		if (!count && unlinkat(dirfd(d), x->d_name, 0) != 0 && errno != ENOENT)
			rc = err_set(e, RC_FORBIDDEN, "%s/%s cannot be removed: %s; be root or the user of usmd", dir, x->d_name, strerror(errno));
		*n += rc == RC_OK;
	}
	(void)closedir(d);
	return rc;
}
