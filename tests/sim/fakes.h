/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the scheduler does to the fakes from outside. */
#ifndef TEST_SIM_FAKES_H
#define TEST_SIM_FAKES_H

#include "sim.h"

/** redis_forget - Redis was emptied, or replaced.  redis_away - nothing reaches it, so nothing is forgotten in it either. */
void redis_forget(void);
void redis_away(bool away);

/** store_for, backend_for - handles for an engine of node N; they hold no state of their own. */
struct store *store_for(unsigned node);

#endif
