/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A message as a tree of parts that point into its octets.
 */
#ifndef OXSIM_MIMETREE_H
#define OXSIM_MIMETREE_H

#include <stdbool.h>
#include <stddef.h>

struct mpart {
	char id[40];		/* "1.2" as the mail API numbers parts, "" for the message itself */
	const char *raw;	/* header and body */
	size_t rawlen;
	const char *body;
	size_t bodylen;
	char *type;		/* "text/plain", lower case */
	char *charset;		/* NULL when not given */
	char *method;		/* of text/calendar, NULL */
	char *filename;		/* decoded, NULL when not given */
	char *cid;		/* with its angle brackets, NULL */
	char *cte;		/* transfer encoding, lower case, "" */
	bool attachment;	/* Content-Disposition: attachment */
	bool inlined;		/* Content-Disposition: inline */
	struct mpart **child;	/* of a multipart, or the one message of message/rfc822 */
	int n;
};

struct mpart *mimetree_parse(const char *p, size_t n);
void mimetree_free(struct mpart *m);
/* by id ("2", "1.1") or NULL */
const struct mpart *mimetree_find(const struct mpart *m, const char *id);
/* by content id without brackets, or by file name; NULL */
const struct mpart *mimetree_find_cid(const struct mpart *m, const char *cid);
/* the octets with the transfer encoding undone; *len set; to be freed */
char *mimetree_decode(const struct mpart *m, size_t *len);
/* decoded text as UTF-8, NUL-terminated; to be freed */
char *mimetree_text(const struct mpart *m);
/* the name of a file made of the part: its own, or Part_<id>.<ending> */
char *mimetree_filename(const struct mpart *m);
/* calls CB for every header line: name, unfolded raw value */
void mimetree_headers(const char *p, size_t n, void (*cb)(void *, const char *, const char *), void *arg);

#endif
