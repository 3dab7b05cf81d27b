/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Passwords: from a file, the environment or a terminal; usmsync passwd. */
#include "client/client_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* The first line of IN into OUT, without its end. */
static bool
read_line(FILE *in, char *out, size_t size)
{
	size_t n;

	if (fgets(out, (int)size, in) == NULL)
		return false;
	n = strcspn(out, "\r\n");
	out[n] = '\0';
	return n > 0;
}

static bool
password_prompt(const char *what, const char *user, char *out, size_t size)
{
	struct termios old, off;
	FILE *tty = fopen("/dev/tty", "r+");
	bool ok;

	if (tty == NULL)
		return false;
	(void)fprintf(tty, "%s of %s: ", what, user);
	(void)fflush(tty);
	(void)tcgetattr(fileno(tty), &old);
	off = old;
	off.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(fileno(tty), TCSAFLUSH, &off);
	ok = read_line(tty, out, size);
	(void)tcsetattr(fileno(tty), TCSAFLUSH, &old);
	(void)fputc('\n', tty);
	(void)fclose(tty);
	return ok;
}

/* The first line of FILE. */
static bool
password_of_file(const char *file, char *out, size_t size)
{
	FILE *f = fopen(file, "r");
	bool ok = f != NULL && read_line(f, out, size);

	if (!ok)
		(void)fprintf(stderr, "usmsync: no password in %s: %s\n", file, f == NULL ? strerror(errno) : "its first line is empty");
	if (f != NULL)
		(void)fclose(f);
	return ok;
}

bool
password_get(const struct options *o, char *out, size_t size)
{
	const char *env = getenv("USMSYNC_PASSWORD");

	if (o->password_file != NULL)
		return password_of_file(o->password_file, out, size);
	if (env != NULL && env[0] != '\0') {
		(void)snprintf(out, size, "%s", env);
		return true;
	}
	if (password_prompt("Password", o->user, out, size))
		return true;
	(void)fputs("usmsync: no password: give --password-file, set USMSYNC_PASSWORD, or run on a terminal\n", stderr);
	return false;
}

/* Typed twice, since nobody sees what he types. */
static bool
password_new(const struct options *o, char *out, size_t size)
{
	char again[1024];
	bool same;

	if (o->new_password_file != NULL)
		return password_of_file(o->new_password_file, out, size);
	if (!password_prompt("New password", o->user, out, size) || !password_prompt("Once more the new password", o->user, again, sizeof(again))) {
		(void)fputs("usmsync: no new password: give --new-password-file, or run on a terminal\n", stderr);
		return false;
	}
	same = strcmp(out, again) == 0;
	secret_wipe(again, sizeof(again));
	if (!same)
		(void)fputs("usmsync: the two new passwords are not the same; nothing was changed\n", stderr);
	return same;
}

enum rc
password_command(struct client *c, struct err *e)
{
	char is[1024];
	json_t *body, *data = NULL;
	enum rc rc;

	if (!password_new(&c->o, is, sizeof(is)))
		return err_set(e, RC_PROTO, "the password stays as it is");
	body = json_pack("{s:s,s:s}", "oldPassword", c->password, "newPassword", is);
	secret_wipe(is, sizeof(is));
	rc = body != NULL ? net_call(c->net, "changePassword", body, 300, &data, e) : err_set(e, RC_PROTO, "the new password is no valid UTF-8");
	if (json_is_string(json_object_get(body, "newPassword")))
		secret_wipe((char *)(uintptr_t)json_string_value(json_object_get(body, "newPassword")), json_string_length(json_object_get(body, "newPassword")));
	if (rc == RC_OK && c->o.json)
		print_json(data);
	else if (rc == RC_OK)
		(void)printf("The password is changed; its strength: %s. Sessions of other devices that have ended: %lld.%s\n", json_string_value(json_object_get(data, "strength")),
		    (long long)json_integer_value(json_object_get(data, "endedSessions")), c->o.password_file != NULL ? " The password file still holds the old one." : "");
	json_decref(body);
	json_decref(data);
	return rc;
}
