/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Private to the replay test: tokens inside text (sessions, cookies, uuids, instants). */
#ifndef REPLAY_TOKENS_H
#define REPLAY_TOKENS_H

#include <stddef.h>

struct idmap;

/* printf into fresh memory; caller frees. */
char *text_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

enum token { TOKEN_NONE, TOKEN_HEX, TOKEN_UUID, TOKEN_INSTANT, TOKEN_UTC };

/* Length of the token that begins at S, 0 when none does. */
size_t tokens_at(const char *s, enum token *type);
/* TEXT with every known token replaced by its value of this run.  Caller frees. */
char *tokens_map(const struct idmap *m, const char *text);
/* Octets of a base64 text, NUL terminated; caller frees. */
char *tokens_base64(const char *text, size_t *len);
char *tokens_base64_encode(const char *data, size_t len);

#endif
