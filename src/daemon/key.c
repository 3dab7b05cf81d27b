/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The master key: 32 random bytes as hex in a file of its own.  All other keys are derived from it. */
#include "daemon/daemon_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
print_err(const char *program, const struct err *e)
{
	(void)fprintf(stderr, "%s: %s%s%s\n", program, e->path, e->path[0] != '\0' ? ": " : "", e->text);
}

enum rc
key_load(const char *key_file, unsigned char key[KEY_BYTES], struct err *e)
{
	char text[2 * KEY_BYTES + 2];
	enum rc rc = conf_secret_read("key_file", key_file, text, sizeof(text), e);

	if (rc == RC_NOTFOUND && access(key_file, F_OK) != 0 && strchr(key_file, '/') != NULL)
		return err_set(e, rc, "key_file: %s does not exist; make it with: usmctl key-create %s", key_file, key_file);
	if (rc == RC_LIMIT || (rc == RC_OK && !hex_decode(text, key, KEY_BYTES)))
		rc = err_set(e, RC_PROTO, "key_file: the first line of %s is not %d hex digits; restore the file from a backup "
		    "(a new key makes all clients reconcile)", key_file, 2 * KEY_BYTES);
	secret_wipe(text, sizeof(text));
	return rc;
}

enum rc
key_check_new(const char *file, struct err *e)
{
	char dir[600];
	const char *slash = strrchr(file, '/');

	if (access(file, F_OK) == 0)
		return err_set(e, RC_CONFLICT, "%s exists; it is not overwritten, because what is encrypted with its key would be lost", file);
	(void)snprintf(dir, sizeof(dir), "%.*s", slash != NULL ? (int)(slash - file) + 1 : 1, slash != NULL ? file : ".");
	return access(dir, W_OK | X_OK) == 0 ? RC_OK : err_set(e, RC_INTERNAL, "cannot create %s: %s", file, strerror(errno));
}

enum rc
key_create(const char *file, struct err *e)
{
	unsigned char key[KEY_BYTES];
	char text[2 * KEY_BYTES + 2];
	enum rc rc = RC_OK;
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return err_set(e, RC_CONFLICT, "%s exists; it is not overwritten, because what is encrypted with its key would be lost", file);
	if (fd < 0)
		return err_set(e, RC_INTERNAL, "cannot create %s: %s", file, strerror(errno));
	random_bytes(key, sizeof(key));
	hex_encode(key, sizeof(key), text);
	text[2 * KEY_BYTES] = '\n';
	if (write(fd, text, 2 * KEY_BYTES + 1) != 2 * KEY_BYTES + 1 || fsync(fd) != 0)
		rc = err_set(e, RC_INTERNAL, "cannot write %s: %s", file, strerror(errno));
	if (close(fd) != 0 && rc == RC_OK)
		rc = err_set(e, RC_INTERNAL, "cannot write %s: %s", file, strerror(errno));
	if (rc != RC_OK)
		(void)unlink(file);
	secret_wipe(key, sizeof(key));
	secret_wipe(text, sizeof(text));
	return rc;
}
