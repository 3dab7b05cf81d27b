/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of what OX pushes.  The first octet chooses: a datagram; a signature header, a line end and a body; a body that is
 * rightly signed.  What is taken must be within the limits that push.h tells.  Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "usmd/push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_event(void *arg, const struct push_event *ev)
{
	(void)arg;
	if (ev->context <= 0 || ev->n_users == 0 || (ev->folder != NULL && ev->folder[0] == '\0') || ev->ct >= CT_COUNT)
		abort();
	for (size_t i = 0; i < ev->n_users; i++)
		if (ev->users[i] < 0 || ev->users[i] > INT32_MAX)
			abort();
}

static void
datagram(const void *p, size_t n)
{
	static struct push_packet packet;
	struct push_event ev;
	struct err e;

	if (push_packet_parse(p, n, &packet, &e) != RC_OK)
		return;
	if (packet.n_users == 0 || packet.n_users > PUSH_USERS_MAX || packet.folder[0] == '\0')
		abort();
	(void)push_packet_event(&packet, &ev);
}

static void
signed_body(struct push_hook *h, const char *secret, const char *body, size_t n)
{
	static msec_t last;
	unsigned char mac[32];
	char hex[65], header[120];
	struct buf b;

	last = now_ms() > last ? now_ms() : last + 1; /* each post is a new one */
	buf_init(&b, 0);
	buf_addf(&b, "v1:%lld:", (long long)last);
	buf_add(&b, body, n);
	hmac_sha256(secret, strlen(secret), b.p, b.len, mac);
	buf_fini(&b);
	hex_encode(mac, sizeof(mac), hex);
	(void)snprintf(header, sizeof(header), "t=%lld, v1=%s", (long long)last, hex);
	if (push_hook_take(h, header, body, n) == PUSH_UNSIGNED)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char secret[] = "secret";
	static struct push_hook *h;
	const char *p = (const char *)data + 1, *nl;
	char *header;

	if (h == NULL)
		h = push_hook_new(&(struct push_hook_options){ .secret = secret, .window_ms = 3600000 }, on_event, NULL);
	if (size == 0 || h == NULL)
		return 0;
	size--;
	if (data[0] % 3 == 0) {
		datagram(p, size);
	} else if (data[0] % 3 == 1) {
		nl = memchr(p, '\n', size);
		header = mem_alloc(nl != NULL ? (size_t)(nl - p) + 1 : 1);
		if (nl != NULL && header != NULL) {
			memcpy(header, p, (size_t)(nl - p));
			if (push_hook_take(h, header, nl + 1, size - (size_t)(nl + 1 - p)) == PUSH_TAKEN)
				abort(); /* nobody guesses an HMAC */
		}
		mem_free(header);
	} else {
		signed_body(h, secret, p, size);
	}
	return 0;
}
