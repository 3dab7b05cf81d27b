/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The worlds that are played: each one has its own troubles, so that a failure names them; the last has all. */
#include "sim.h"

#define FAULTS .faults = true, .late = true, .crash = true, .dups = true, .latecommit = true

const struct sim_world sim_worlds[] = {
	{ "quiet", { .users = 1, .devs = 2, .nodes = 1 } },
	{ "faults", { .users = 1, .devs = 2, .nodes = 1, FAULTS } },
	{ "repeats", { .users = 1, .devs = 2, .nodes = 1, .faults = true, .dups = true } },
	{ "shared", { .users = 2, .devs = 3, .nodes = 2, FAULTS, .shares = true, .redisloss = true } },
	{ "moves", { .users = 1, .devs = 3, .nodes = 1, FAULTS, .moves = true } },
	{ "windows", { .users = 1, .devs = 2, .nodes = 2, FAULTS, .windows = true } },
	{ "mail", { .users = 1, .devs = 2, .nodes = 1, FAULTS, .mail = true, .moves = true, .validity = true } },
	{ "folders", { .users = 2, .devs = 3, .nodes = 1, FAULTS, .folders = true, .moves = true, .mail = true, .shares = true } },
	{ "losses", { .users = 1, .devs = 2, .nodes = 2, FAULTS, .dbloss = true, .rollback = true, .backup = true, .locklost = true, .redisloss = true } },
	{ "astray", { .users = 1, .devs = 2, .nodes = 1, FAULTS, .dbloss = true, .moves = true } },
	{ "poison", { .users = 2, .devs = 3, .nodes = 1, FAULTS, .poison = true, .error_policy = true, .copies = true } },
	{ "everything", { .users = 2, .devs = 4, .nodes = 2, FAULTS, .moves = true, .windows = true, .copies = true, .dbloss = true, .rollback = true,
	    .backup = true, .locklost = true, .redisloss = true, .shares = true, .folders = true, .error_policy = true, .poison = true, .mail = true } },
};

const size_t sim_n_worlds = ARRAY_LEN(sim_worlds);

unsigned
sim_length(uint64_t seed)
{
	static const unsigned lengths[] = { 150, 400, 1000, 2500 };

	return lengths[seed % ARRAY_LEN(lengths)];
}
