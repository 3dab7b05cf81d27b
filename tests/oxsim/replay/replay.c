/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* oxsim-replay: proves the stand-in server against recorded exchanges.  Exit status 0 means
 * that no exchange differs outside the list of exceptions, 1 that some do, 2 a wrong call. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>

#include "replay.h"

#ifndef REPLAY_DATA
#define REPLAY_DATA "tests/oxsim/replay"
#endif

static int
usage(void)
{
	fputs("usage: oxsim-replay --base URL --transcripts DIR [--only NN] [--exceptions FILE] [-v]\n"
	    "  --base        the server under test, such as http://127.0.0.1:8009; use a fresh one\n"
	    "  --transcripts folder of the recordings (NN-topic.json)\n"
	    "  --only        report this topic; those before it still run, for their effects\n"
	    "  --exceptions  known differences, default " REPLAY_DATA "/exceptions.txt\n"
	    "  --setup       steps before an exchange, default " REPLAY_DATA "/setup.json\n"
	    "  -v            print every difference instead of the first 20 of a topic\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "base", required_argument, NULL, 'b' },
		{ "transcripts", required_argument, NULL, 't' },
		{ "only", required_argument, NULL, 'o' },
		{ "exceptions", required_argument, NULL, 'e' },
		{ "setup", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 }
	};
	const char *base = NULL, *dir = NULL, *exceptions = REPLAY_DATA "/exceptions.txt";
	const char *setup = REPLAY_DATA "/setup.json";
	struct counts sum = { 0 };
	struct run *r;
	json_t *ping;
	long only = 0;
	bool verbose = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "v", options, NULL)) != -1)
		switch (opt) {
		case 'b': base = optarg; break;
		case 't': dir = optarg; break;
		case 'o': only = strtol(optarg, NULL, 10); break;
		case 'e': exceptions = optarg; break;
		case 's': setup = optarg; break;
		case 'v': verbose = true; break;
		default: return usage();
		}
	if (base == NULL || dir == NULL || optind != argc)
		return usage();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	r = run_new(base, dir, exceptions, setup, verbose, stdout);
	if (r == NULL)
		return 2;
	ping = request_send_plain(r, "GET", "/ajax/system?action=ping", NULL, NULL, 0);
	if (ping == NULL) {
		fprintf(stderr, "no server answers at %s; start build/oxsim and name its port\n", base);
		run_free(r);
		return 2;
	}
	json_decref(ping);
	for (int t = 1; t < REPLAY_TOPICS && (only == 0 || t <= only); t++) {
		struct counts c;

		if (!run_has_topic(r, t))
			continue;
		c = run_topic(r, t, only && t != only);
		if (only && t != only)
			continue;
		sum.exchanges += c.exchanges;
		sum.equal += c.equal;
		sum.excepted += c.excepted;
		sum.different += c.different;
		sum.differences += c.differences;
	}
	exceptions_unused(r->exceptions, r->ran, stdout);
	printf("%-40s exchanges %3d  equal %3d  excepted %3d  different %3d (%d differences)\n", "sum",
	    sum.exchanges, sum.equal, sum.excepted, sum.different, sum.differences);
	run_free(r);
	curl_global_cleanup();
	return sum.different ? 1 : 0;
}
