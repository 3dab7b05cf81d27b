/* SPDX-License-Identifier: AGPL-3.0-or-later */
#ifndef TESTS_PATHS_H
#define TESTS_PATHS_H

TCase *paths_tests(void);

#endif
