/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of mails.  The first octet chooses (as a file of unknown kind, as .eml, one mail alone), the rest is a message or an mbox.  The same
 * octets must give the same summary; sizes, the preview and the list of parts keep to what pim.h promises.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "fuzz.h"
#include "usmd/pim.h"

#include <string.h>

#define FIXED ((size_t)2 << 20)

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static void
people_are_pairs(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		must(json_array_size(p) == 2 && json_is_string(json_array_get(p, 1)), "an address is no pair");
		must(json_is_null(json_array_get(p, 0)) || json_is_string(json_array_get(p, 0)), "a name is no text");
	}
}

static void
look(const json_t *o, size_t size)
{
	static const char *const people[] = { "from", "to", "cc", "bcc", "reply_to" };
	const json_t *list = json_object_get(o, "attachments"), *preview = json_object_get(o, "text_preview");
	json_int_t priority = json_integer_value(json_object_get(o, "priority"));

	must(json_integer_value(json_object_get(o, "size")) == (json_int_t)size, "the size is not that of the octets");
	must(priority >= 1 && priority <= 5, "no such priority");
	must(preview == NULL || characters(json_string_value(preview)) <= 100, "the preview is too long");
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		people_are_pairs(json_object_get(o, people[i]));
	for (size_t i = 0; i < json_array_size(list); i++)
		must(json_is_string(json_object_get(json_array_get(list, i), "id")), "a part without an id");
}

static void
mail(const void *p, size_t n, const struct pim_options *opt)
{
	json_t *a = NULL, *b = NULL;
	struct pim_error err;
	enum pim_rc rc = pim_mail_summary(p, n, opt, &a, &err);

	must((rc == PIM_OK) == (a != NULL), "a refused mail has a summary");
	must(rc == PIM_OK || err.text[0] != '\0', "a refusal without a reason");
	must(pim_mail_summary(p, n, opt, &b, NULL) == rc && (a == NULL || json_equal(a, b)), "the same octets have another summary");
	if (a != NULL)
		look(a, n);
	json_decref(a);
	json_decref(b);
}

struct seen {
	const struct pim_options *opt;
	size_t octets;
};

static int
on_item(void *arg, const struct pim_item *it)
{
	struct seen *s = arg;

	if (it->kind == PIM_MAIL) {
		s->octets += it->octets_len;
		look(it->object, it->octets_len);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pim_options opt;
	struct pim_report rep;
	struct seen s = { &opt, 0 };

	if (size == 0)
		return 0;
	pim_init();
	pim_options_init(&opt);
	pim_report_init(&rep);
	memory_watch();
	if ((data[0] & 3) == 1)
		mail(data + 1, size - 1, &opt);
	else
		pim_file_parse((data[0] & 3) == 2 ? "x.eml" : NULL, data + 1, size - 1, &opt, on_item, &s, &rep);
	memory_bound(64 * size + FIXED);
	must(s.octets <= size, "more octets than there are");
	pim_report_fini(&rep);
	return 0;
}
