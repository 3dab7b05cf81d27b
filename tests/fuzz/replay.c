/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Feeds every seed of a fuzz harness to it, without libFuzzer: what was once found stays found in every `make unit`.
 * The program's name, replay_<name>, says which: tests/fuzz/corpus/<name>.  A harness stops the program when something is wrong.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "usmd/util.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char now[600]; /* for who looks at a crash: the file that was being fed */

static void
on_abort(int sig)
{
	(void)sig;
	(void)!write(STDERR_FILENO, now, strlen(now));
	(void)!write(STDERR_FILENO, "\n", 1);
}

static int
feed(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buf b;
	char tmp[4096];
	size_t n;

	if (f == NULL) {
		(void)fprintf(stderr, "%s cannot be read\n", path);
		return 1;
	}
	buf_init(&b, 0);
	while ((n = fread(tmp, 1, sizeof(tmp), f)) > 0)
		buf_add(&b, tmp, n);
	(void)fclose(f);
	(void)snprintf(now, sizeof(now), "%s", path);
	(void)LLVMFuzzerTestOneInput((const unsigned char *)(b.p != NULL ? b.p : ""), b.len);
	buf_fini(&b);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *base = argc > 0 ? strrchr(argv[0], '/') : NULL, *name = base != NULL ? strstr(base, "replay_") : NULL;
	struct dirent **list = NULL;
	char dir[256], path[600];
	int files = 0, bad = 0, n;

	(void)snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name != NULL ? name + strlen("replay_") : "");
	(void)signal(SIGABRT, on_abort);
	n = scandir(dir, &list, NULL, alphasort);
	for (int k = 0; k < n; k++) {
		if (list[k]->d_name[0] != '.') {
			(void)snprintf(path, sizeof(path), "%s/%s", dir, list[k]->d_name);
			files++;
			bad += feed(path);
		}
		free(list[k]);
	}
	free(list);
	/* the form of Check's summary, which run-tests adds up */
	printf("%d%%: Checks: %d, Failures: %d, Errors: 0\n", files > 0 ? 100 * (files - bad) / files : 0, files, bad);
	return bad == 0 && files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
