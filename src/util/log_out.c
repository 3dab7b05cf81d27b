/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where log lines go: standard error, a file, syslog or the journal.  A line is one write, so that those of several threads never mix. */
#include "util/log_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

enum target { TO_STDERR, TO_FILE, TO_SYSLOG, TO_JOURNAL };

static enum target target;
static bool with_prefix, json;
static int out_fd = STDERR_FILENO;
static char *file_name;
static const char *journal_path = JOURNAL_SOCKET;

void
log_setup(enum log_level level, bool systemd_prefix)
{
	log_level_set(level);
	with_prefix = systemd_prefix;
}

enum log_form
log_form(void)
{
	return target == TO_JOURNAL ? LOG_JOURNAL : json ? LOG_JSON : LOG_TEXT;
}

static int
journal_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", journal_path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

/* Appended to and, as it may name accounts and addresses, for its owner alone. */
static int
file_open(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static enum rc
take(enum target t, int fd, struct err *e)
{
	if (fd < 0)
		return err_set_path(e, RC_NOTFOUND, "log_to", t == TO_JOURNAL ? "there is no journal (" JOURNAL_SOCKET "): %s" : "the log file cannot be opened: %s",
		    strerror(errno));
	out_fd = fd;
	target = t;
	return RC_OK;
}

enum rc
log_open(const char *to, bool as_json, struct err *e)
{
	int fd;

	if (out_fd != STDERR_FILENO)
		(void)close(out_fd);
	mem_free(file_name);
	file_name = NULL;
	out_fd = STDERR_FILENO;
	target = TO_STDERR;
	json = as_json;
	if (strcmp(to, "stderr") == 0)
		return RC_OK;
	if (strcmp(to, "auto") == 0) {
		/* only where standard error is the journal's: what was redirected stays where the administrator put it */
		fd = with_prefix && !as_json ? journal_socket() : -1;
		return fd >= 0 ? take(TO_JOURNAL, fd, e) : RC_OK;
	}
	if (strcmp(to, "journal") == 0)
		return take(TO_JOURNAL, journal_socket(), e);
	if (strcmp(to, "syslog") == 0) {
		openlog("usmd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
		target = TO_SYSLOG;
		return RC_OK;
	}
	if (to[0] != '/')
		return err_set_path(e, RC_PROTO, "log_to", "\"%.60s\" is not possible; allowed: auto, stderr, journal, syslog or the path of a file", to);
	file_name = mem_dup_str(to);
	return file_name != NULL ? take(TO_FILE, file_open(to), e) : err_set(e, RC_NOMEM, "out of memory");
}

void
log_journal_override(const char *path)
{
	journal_path = path != NULL ? path : JOURNAL_SOCKET;
}

bool
log_check(const char *to)
{
	return to[0] == '/' || strcmp(to, "auto") == 0 || strcmp(to, "stderr") == 0 || strcmp(to, "journal") == 0 || strcmp(to, "syslog") == 0;
}

bool
log_reopen(void)
{
	int fd;

	if (target != TO_FILE)
		return true;
	fd = file_open(file_name);
	if (fd < 0)
		return false;
	/* the number stays: another thread may be about to write to it */
	if (dup2(fd, out_fd) < 0) {
		(void)close(fd);
		return false;
	}
	(void)fcntl(out_fd, F_SETFD, FD_CLOEXEC);
	(void)close(fd);
	return true;
}

static bool
write_line(struct buf *b)
{
	buf_addc(b, '\n');
	return !b->failed && write(out_fd, b->p, b->len) == (ssize_t)b->len;
}

void
log_write(const struct log_entry *en)
{
	static const char prio[] = "3467"; /* of syslog, and sd-daemon(3): <N> sets the journal's */
	struct buf b;
	bool ok = true;

	buf_init(&b, 20000);
	switch (target) {
	case TO_SYSLOG:
		syslog(prio[en->level] - '0', "%s", en->form == LOG_JSON ? en->shaped.p : en->text.p);
		break;
	case TO_JOURNAL:
		buf_addf(&b, "MESSAGE=%s\nPRIORITY=%c\nSYSLOG_IDENTIFIER=usmd\n", en->text.p, prio[en->level]);
		buf_add(&b, en->shaped.p, en->shaped.len);
		ok = !b.failed && send(out_fd, b.p, b.len, MSG_NOSIGNAL) == (ssize_t)b.len;
		break;
	default:
		if (target == TO_STDERR && with_prefix)
			buf_addf(&b, "<%c>", prio[en->level]);
		else if (en->form != LOG_JSON)
			buf_addf(&b, "%s ", en->time);
		buf_adds(&b, en->form == LOG_JSON ? en->shaped.p : en->text.p);
		ok = write_line(&b);
		break;
	}
	if (!ok)
		metric_add(M_LOG_LOST, 1);
	buf_fini(&b);
}
