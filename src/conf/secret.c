/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Secrets stand in files of their own, which nobody else may read, or come as systemd credentials. */
#include "usmd/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum rc
conf_secret_path(const char *name, const char *value, char *path, size_t size, struct err *e)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	bool file = strchr(value, '/') != NULL;

	if (!file && dir == NULL)
		return err_set(e, RC_NOTFOUND, "%s: '%s' is no path, and systemd gave no credentials; add LoadCredential=%s:FILE to the service or write a path",
		    name, value, value);
	if (snprintf(path, size, "%s%s%s", file ? "" : dir, file ? "" : "/", value) >= (int)size)
		return err_set(e, RC_PROTO, "%s: the path is too long", name);
	return RC_OK;
}

enum rc
conf_secret_read(const char *name, const char *value, char *out, size_t size, struct err *e)
{
	bool file = strchr(value, '/') != NULL;
	char path[512];
	struct stat st;
	size_t len = 0;
	int fd = -1;
	enum rc rc = conf_secret_path(name, value, path, sizeof(path), e);

	if (rc != RC_OK)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0) {
		rc = err_set(e, RC_NOTFOUND, "%s: cannot read %s: %s", name, path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		rc = err_set(e, RC_FORBIDDEN, "%s: %s is not a file", name, path);
		goto out;
	}
	/* root reads what is the service's, when it runs usmctl; the service's user reads nothing that a third one could have put there */
	if (file && ((st.st_mode & 077) != 0 || (geteuid() != 0 && st.st_uid != geteuid() && st.st_uid != 0))) {
		rc = err_set(e, RC_FORBIDDEN, "%s: others can read or change %s; make it belong to the service's user and chmod 600 it", name, path);
		goto out;
	}
	while (len < size) {
		ssize_t got = read(fd, out + len, size - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			rc = err_set(e, RC_NOTFOUND, "%s: cannot read %s: %s", name, path, strerror(errno));
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	if (rc != RC_OK)
		goto out;
	for (size_t i = 0; i < len; i++)
		if (out[i] == '\n' || out[i] == '\r' || out[i] == '\0')
			len = i;
	if (len >= size) {
		rc = err_set(e, RC_LIMIT, "%s: the first line of %s is longer than %zu bytes", name, path, size - 1);
		goto out;
	}
	out[len] = '\0';

out:
	if (rc != RC_OK)
		secret_wipe(out, size);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}
