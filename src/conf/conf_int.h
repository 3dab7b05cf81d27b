/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Shared by the files of conf. */
#ifndef USMD_CONF_INT_H
#define USMD_CONF_INT_H

#include "usmd/conf.h"

/* conf_member - where S lives in C. */
void *conf_member(const struct conf_setting *s, const struct conf *c);
bool conf_is_text(enum conf_kind kind);
/* conf_number - value of a setting that is no text. */
int64_t conf_number(const struct conf_setting *s, const struct conf *c);
/* conf_set - parse VALUE into C; false = not allowed, or *NOMEM. */
MUST_CHECK bool conf_set(const struct conf_setting *s, struct conf *c, const char *value, bool *nomem);
/* conf_format - append the value as it would stand in the file. */
void conf_format(const struct conf_setting *s, const struct conf *c, struct buf *out);

#endif
