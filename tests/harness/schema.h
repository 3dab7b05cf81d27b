/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * schema - checks JSON against the published schemas in conf/schema, for tests.  Knows the part of JSON Schema that
 * these files use and fails on any other keyword, so that no rule is skipped silently.
 */
#ifndef TESTS_SCHEMA_H
#define TESTS_SCHEMA_H

#include <jansson.h>
#include <stddef.h>

/**
 * schema_check - TEXT (LEN bytes), the answer to COMMAND, against conf/schema/<COMMAND>.json.
 * schema_check_request - a request likewise, against its definition "request".
 *
 * Returns NULL when valid, else a sentence with the JSON path (static, until the next call).
 * The directory is $USMD_SCHEMA_DIR or conf/schema.   Threads: one at a time.
 */
const char *schema_check(const char *command, const char *text, size_t len);
const char *schema_check_request(const char *command, const char *text, size_t len);

/** schema_check_value - VALUE against SCHEMA; references to files are looked up as above, "#/..." inside SCHEMA. */
const char *schema_check_value(const json_t *schema, const json_t *value);

#endif
