/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Between the making of a log line and its writing. */
#ifndef USMD_LOG_INT_H
#define USMD_LOG_INT_H

#include "usmd/util.h"

enum log_form { LOG_TEXT, LOG_JSON, LOG_JOURNAL };

struct log_entry {
	enum log_level level;
	enum log_form form;
	char time[72];
	struct buf text;   /* level=... event=...; always there */
	struct buf shaped; /* as JSON or for the journal, else empty */
};

/* log_form - how the present target wants its lines. */
enum log_form log_form(void);
/* log_write - one line, in one piece; what cannot be written is counted. */
void log_write(const struct log_entry *en);

#endif
