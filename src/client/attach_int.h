/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One object's attachments while both sides are compared: shared by attach.c (this side) and attach_server.c (the server's). */
#ifndef USMD_CLIENT_ATTACH_INT_H
#define USMD_CLIENT_ATTACH_INT_H

#include "client/client_int.h"

struct side {
	struct client *c;
	const struct cfolder *f;
	const struct cobject *o;
	char *dir;              /* relative path of the directory, made when the first file comes */
	struct cattach *rows;
	size_t n;
	char version[64];       /* what the server said last */
	bool left_over;         /* something could not be done: asked again by the next run */
};

/* attach.c */
/** side_dir - path of the directory beside FILE; DAY of an exception that is in its series' file, else 0. */
char *side_dir(const struct cfolder *f, const char *file, int64_t day_ms);
enum rc side_tell(struct side *s, const char *name, enum rc rc, struct err *e);
json_t *side_body(const struct side *s, const char *aid);
/** side_row_add - takes NAME; NULL = out of memory. */
struct cattach *side_row_add(struct side *s, const char *aid, char *name);
enum rc side_row_remove(struct side *s, size_t i, struct err *e);
/** side_replace - ROW (which moves) stands for the attachment AID now; what it stood for is deleted at the server by the next to_server. */
enum rc side_replace(struct side *s, struct cattach *row, const char *aid, struct err *e);
struct cattach *side_row_named(const struct side *s, const char *name);
/** side_look - the file NAME of the directory as it is; false = not there.  *PATH is always set, mem_free. */
bool side_look(const struct side *s, const char *name, int64_t *size, int64_t *mtime_ns, char **path);
enum rc side_read(const struct side *s, const char *path, struct buf *out, char hash[65], struct err *e);

/* attach_server.c */
enum rc side_from_server(struct side *s, struct err *e);

#endif
