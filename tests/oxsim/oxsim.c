/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * oxsim: a server that speaks the HTTP API of an OX App Suite middleware,
 * for demonstrations, tests and benchmarks.  This file: options and start.
 */
#include <getopt.h>
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/sim.h"

static const char usage[] =
"usage: oxsim [options]\n"
"  --listen ADDRESS:PORT   IPv4 address and port, default 127.0.0.1:8009; port 0 chooses one\n"
"  --port-file FILE        writes the port in use to FILE\n"
"  --data FILE             loads FILE at the start if it exists, writes it at the end (SIGTERM)\n"
"  --fixture small|none    users and folders at the start, default small; ignored when --data loaded\n"
"  --older                 answers as servers before release 8 do\n"
  "  --without MODULE,..     does not offer these modules, for example calendar\n"
"  --rate-limit N/MS       429 after N requests within MS milliseconds (not for USM clients)\n"
"  --session-ttl MS        idle time after which a session ends, default 3600000, 0 never\n"
"  --log FILE              one line per request, - for the standard error output\n"
"  --import-user NAME      whose default folders --import fills, default berta\n"
"  --import PATH...        reads .vcf, .ics, .eml, mbox files and folders of them at the start; what is\n"
"                          refused is named with the reason; must be the last option\n"
"  --help                  this text\n"
"\n"
"Users of the fixture (password: secret): oxadmin, anton, berta (may use client USM-JSON), caesar\n"
"(America/New_York), dora (UTC), emil @example.com; otto, paula @example.net.\n"
"\n"
"Control API, JSON in and out, same port (details: tests/oxsim/README.md):\n"
"  GET  /control/state[?user=U][&content=1]   everything that is stored\n"
"  GET  /control/counters                      requests per module and action\n"
"  POST /control/faults  [rules]               append fault rules;  DELETE clears them\n"
"  POST /control/clock   {mode: real|offset|fixed, value: ms}   or {advance: ms}\n"
"  POST /control/late    {ms: N, every: K}     emulate late commits\n"
"  POST /control/fill    {user, folder, module, count[, fields]}\n"
"  POST /control/as      {user, module, action, params, data}   act as a user without login\n"
"  POST /control/users   {context, login, ...}  add a user\n"
"  POST /control/expire | /control/restart | /control/reset | /control/save | /control/rate\n";

static bool
listen_opt(const char *s, char *host, size_t cap, int *port)
{
	const char *colon = strrchr(s, ':');
	int64_t p;

	if (colon == NULL || (size_t)(colon - s) >= cap || !parse_i64(colon + 1, &p) || p < 0 ||
	    p > 65535)
		return false;
	memcpy(host, s, (size_t)(colon - s));
	host[colon - s] = '\0';
	*port = (int)p;
	return true;
}

static bool
rate_opt(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);
	int64_t ms;

	if (*end != '/' || n < 1 || n > 1000000 || !parse_i64(end + 1, &ms) || ms < 1)
		return false;
	S.rate_max = (int)n;
	S.rate_window = ms;
	return true;
}

int
main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "port-file", required_argument, NULL, 'p' },
		{ "data", required_argument, NULL, 'd' },
		{ "fixture", required_argument, NULL, 'f' },
		{ "older", no_argument, NULL, 'o' },
		{ "without", required_argument, NULL, 'w' },
		{ "rate-limit", required_argument, NULL, 'r' },
		{ "session-ttl", required_argument, NULL, 't' },
		{ "log", required_argument, NULL, 'L' },
		{ "import-user", required_argument, NULL, 'u' },
		{ "import", no_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ 0, 0, 0, 0 }
	};
	char host[64] = "127.0.0.1";
	const char *port_file = NULL, *fixture = "small", *import_user = "berta";
	bool import = false;
	int port = 8009, o, rc;

	S.session_ttl = 3600000;
	while ((o = getopt_long(argc, argv, "h", opts, NULL)) != -1) {
		switch (o) {
		case 'l':
			if (!listen_opt(optarg, host, sizeof(host), &port)) {
				fprintf(stderr, "oxsim: --listen wants ADDRESS:PORT, not \"%s\"\n", optarg);
				return 2;
			}
			break;
		case 'p': port_file = optarg; break;
		case 'd': S.data_file = optarg; break;
		case 'f': fixture = optarg; break;
		case 'u': import_user = optarg; break;
		case 'i': import = true; break;
		case 'o': S.older = true; break;
		case 'w':
			g_strfreev(S.without);
			S.without = g_strsplit(optarg, ",", -1);
			break;
		case 't':
			if (!parse_i64(optarg, &S.session_ttl)) {
				fputs("oxsim: --session-ttl wants milliseconds\n", stderr);
				return 2;
			}
			break;
		case 'r':
			if (!rate_opt(optarg)) {
				fputs("oxsim: --rate-limit wants N/MS, for example 1500/300000\n", stderr);
				return 2;
			}
			break;
		case 'L':
			S.log = strcmp(optarg, "-") == 0 ? stderr : fopen(optarg, "a");
			if (S.log == NULL) {
				fprintf(stderr, "oxsim: cannot write %s\n", optarg);
				return 1;
			}
			setvbuf(S.log, NULL, _IOLBF, 0);
			break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if ((optind < argc) != import || (strcmp(fixture, "small") != 0 && strcmp(fixture, "none") != 0)) {
		fputs(usage, stderr);
		return 2;
	}
	g_mime_init();
	columns_init();
	S.session = g_hash_table_new(g_str_hash, g_str_equal);
	S.session_alt = g_hash_table_new(g_str_hash, g_str_equal);
	S.counter = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
	S.rate = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
	S.err_base = g_random_int() & 0x7fffffff;
	S.fixture = xstrdup(fixture);
	if (S.data_file == NULL || !g_file_test(S.data_file, G_FILE_TEST_EXISTS))
		fixture_load(fixture);
	else if (!persist_load(S.data_file))
		return 1;
	if (import && !import_paths(import_user, argv + optind, argc - optind))
		return 2;
	rc = http_run(host, port, port_file);
	if (S.data_file != NULL && !persist_save(S.data_file))
		rc = 1;
	store_reset();
	g_strfreev(S.without);
	return rc;
}
