/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl as an administrator calls it, for tests with a world (wire.h). */
#ifndef TESTS_USMCTL_H
#define TESTS_USMCTL_H

#include "wire.h"

#include <unistd.h>

/* usmctl ARGS...; its output in a static buffer, *CODE its exit status (NULL: must be 0). */
static const char *
usmctl(const char *const *args, int *code)
{
	static char out[400000];
	char prog[160], conf[160], log[160];
	const char *argv[24] = { prog, args[0] };
	size_t n = 2;
	int status;
	FILE *f;

	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w.dir);
	(void)snprintf(log, sizeof(log), "%s/usmctl.log", w.dir);
	for (size_t i = 1; args[i] != NULL; i++)
		argv[n++] = args[i];
	argv[n++] = "--config";
	argv[n] = conf;
	(void)unlink(log);
	status = run_wait((char *const *)(uintptr_t)argv, log);
	f = fopen(log, "r");
	ck_assert_ptr_nonnull(f);
	out[fread(out, 1, sizeof(out) - 1, f)] = '\0';
	(void)fclose(f);
	if (code != NULL)
		*code = status;
	else
		ck_assert_msg(status == 0, "usmctl %s: %d: %s", args[0], status, out);
	return out;
}
#define USMCTL(...) usmctl((const char *const[]){ __VA_ARGS__, NULL }, NULL)

#endif
