/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One kept-alive HTTP connection with as little work around it as libcurl allows: it is what others are measured against. */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct link *l = arg;
	size_t len = size * n;

	if (l->len + len + 1 > l->cap) {
		size_t cap = (l->len + len + 1) * 2;
		char *more = realloc(l->text, cap);

		if (more == NULL)
			return 0;
		l->text = more;
		l->cap = cap;
	}
	memcpy(l->text + l->len, p, len);
	l->len += len;
	l->text[l->len] = '\0';
	l->total += len;
	return len;
}

static void
header_add(struct link *l, const char *name, const char *value)
{
	char line[1200];

	if (snprintf(line, sizeof(line), "%s: %s", name, value) >= (int)sizeof(line))
		die("a header is too long");
	l->headers = curl_slist_append(l->headers, line);
	if (l->headers == NULL)
		die("out of memory");
}

void
link_open(struct link *l, const char *unix_path, const char *header, const char *header_value)
{
	memset(l, 0, sizeof(*l));
	l->curl = curl_easy_init();
	if (l->curl == NULL)
		die("libcurl gives no handle");
	header_add(l, "Content-Type", "application/json");
	if (header != NULL)
		header_add(l, header, header_value);
	curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, l->headers);
	curl_easy_setopt(l->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(l->curl, CURLOPT_WRITEDATA, l);
	curl_easy_setopt(l->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(l->curl, CURLOPT_TIMEOUT, 120L);
	curl_easy_setopt(l->curl, CURLOPT_ACCEPT_ENCODING, unix_path == NULL ? "" : NULL); /* as usmd asks OX */
	if (unix_path != NULL)
		curl_easy_setopt(l->curl, CURLOPT_UNIX_SOCKET_PATH, unix_path);
}

void
link_close(struct link *l)
{
	if (l->curl != NULL)
		curl_easy_cleanup(l->curl);
	curl_slist_free_all(l->headers);
	free(l->text);
	memset(l, 0, sizeof(*l));
}

void
link_call(struct link *l, const char *method, const char *url, const char *body)
{
	CURLcode code;
	long status = 0;

	l->len = 0;
	curl_easy_setopt(l->curl, CURLOPT_URL, url);
	if (body != NULL) {
		curl_easy_setopt(l->curl, CURLOPT_CUSTOMREQUEST, method);
		curl_easy_setopt(l->curl, CURLOPT_POSTFIELDS, body);
	} else {
		curl_easy_setopt(l->curl, CURLOPT_CUSTOMREQUEST, NULL);
		curl_easy_setopt(l->curl, CURLOPT_HTTPGET, 1L);
	}
	code = curl_easy_perform(l->curl);
	if (code != CURLE_OK)
		die("%s: %s", url, curl_easy_strerror(code));
	curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		die("%s: HTTP %ld: %.300s", url, status, l->len > 0 ? l->text : "");
}
