/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of the configuration: any bytes as a file; behind a NUL octet, the file of a later reload.  A refusal names file and line and gives
 * nothing out; what is accepted is within its ranges and dumps to a file that says the same; a reload takes the live settings alone.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "conf/conf_int.h"
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#define PIPE_MAX ((size_t)60000) /* less than a pipe takes without a reader */

static void
refused(const struct conf *c, const struct err *e, enum rc rc)
{
	must(c == NULL, "a refused file leaves settings");
	must(rc == RC_PROTO && e->rc == RC_PROTO, "a refused file is not the file's fault");
	must(strncmp(e->path, "f", 1) == 0 || e->path[0] == '/', "a refusal does not name the file");
	must(e->text[0] != '\0', "a refusal without a reason");
}

static void
in_range(const struct conf *c)
{
	size_t n;
	const struct conf_setting *s = conf_settings(&n);

	for (size_t i = 0; i < n; i++) {
		if (s[i].name == NULL)
			continue;
		if (conf_is_text(s[i].kind))
			must(*(const char *const *)conf_member(&s[i], c) != NULL, "a text is missing");
		else if (s[i].kind != CONF_BOOL && s[i].kind != CONF_LEVEL)
			must(conf_number(&s[i], c) >= s[i].min && conf_number(&s[i], c) <= s[i].max, "a number is out of its range");
	}
}

static bool
equal(const struct conf_setting *s, const struct conf *a, const struct conf *b)
{
	if (conf_is_text(s->kind))
		return strcmp(*(const char *const *)conf_member(s, a), *(const char *const *)conf_member(s, b)) == 0;
	return conf_number(s, a) == conf_number(s, b);
}

/* But for what is hidden in it. */
static void
dump_says_the_same(const struct conf *c)
{
	struct conf *again = NULL;
	struct buf b;
	struct err e;
	size_t n;
	const struct conf_setting *s = conf_settings(&n);

	buf_init(&b, 0);
	conf_dump(c, &b);
	must(!b.failed, "no memory for a dump");
	if (conf_parse("f", b.p, b.len, &again, &e) != RC_OK) {
		must(strstr(b.p, "***") != NULL, "the dump is refused"); /* an address that hides a password is none any more */
		buf_fini(&b);
		return;
	}
	for (size_t i = 0; i < n; i++)
		must(s[i].name == NULL || equal(&s[i], c, again) ||
		    (conf_is_text(s[i].kind) && strstr(*(const char *const *)conf_member(&s[i], again), "***") != NULL), "a setting is another one after a dump");
	conf_free(again);
	buf_fini(&b);
}

static void
reload(const struct conf *old, const char *text, size_t len)
{
	struct conf *c = NULL, *fresh = NULL;
	struct buf ignored, applied;
	char name[32];
	struct err e;
	enum rc rc;
	size_t n;
	const struct conf_setting *s = conf_settings(&n);
	int fd[2];

	must(pipe(fd) == 0 && write(fd[1], text, len) == (ssize_t)len, "the pipe takes less than it should");
	(void)close(fd[1]);
	(void)snprintf(name, sizeof(name), "/dev/fd/%d", fd[0]);
	buf_init(&ignored, 0);
	buf_init(&applied, 0);
	rc = conf_reload(old, name, &c, &ignored, &applied, &e);
	(void)close(fd[0]);
	if (rc != RC_OK) {
		refused(c, &e, rc);
		must(conf_parse("f", text, len, &fresh, &e) != RC_OK, "a reload refuses what a start takes");
	} else {
		must(conf_parse("f", text, len, &fresh, &e) == RC_OK, "a reload takes what a start refuses");
		for (size_t i = 0; i < n; i++)
			must(s[i].name == NULL || equal(&s[i], c, s[i].live ? fresh : old), "a reload mixes up old and new");
	}
	conf_free(c);
	conf_free(fresh);
	buf_fini(&ignored);
	buf_fini(&applied);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *nul = size > 0 ? memchr(text, '\0', size) : NULL;
	size_t n = nul != NULL ? (size_t)(nul - text) : size;
	struct conf *c = NULL;
	struct err e;
	enum rc rc = conf_parse("f", text, n, &c, &e);

	if (rc != RC_OK) {
		refused(c, &e, rc);
		rc = conf_parse("f", text, size, &c, &e);
		must(rc != RC_OK, "more of a refused file is accepted");
		return 0;
	}
	in_range(c);
	dump_says_the_same(c);
	if (nul != NULL && size - n - 1 <= PIPE_MAX)
		reload(c, nul + 1, size - n - 1);
	conf_free(c);
	return 0;
}
