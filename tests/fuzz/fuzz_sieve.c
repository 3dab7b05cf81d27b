/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of the reader of Sieve scripts, which a user's other programs may have written.  Not more rules than the script has octets, a
 * condition at most for each.  Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "backend/backend_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sieve_shape s;

	sieve_scan((const char *)data, size, &s);
	if (s.rules > size || json_array_size(s.tests) > s.rules)
		abort();
	json_decref(s.tests);
	return 0;
}
