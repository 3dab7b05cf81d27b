/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of vCards.  The first octet chooses (strict or lenient, the version to write), the rest is a file with cards, or a JSON object as OX
 * sends it.  What is accepted must come back from its own text as it was, without a difference; reading keeps to its promise of memory.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "fuzz.h"
#include "usmd/pim.h"

#include <string.h>

#define FIXED ((size_t)1 << 20) /* besides what is in proportion to the input */

/* O as a text and back; with EXACT it must be the same. */
static void
there_and_back(const json_t *o, const struct pim_options *opt, bool exact)
{
	char *text = NULL, *again = NULL;
	json_t *back = NULL;
	struct pim_error err;
	enum pim_rc rc = pim_vcard_format(o, opt, &text, &err);

	must(!exact || rc == PIM_OK, "a card that was read cannot be written");
	if (rc == PIM_OK) {
		rc = pim_vcard_parse(text, strlen(text), opt, &back, NULL, &err);
		must(!exact || rc == PIM_OK, "what was written cannot be read");
		if (exact && !json_equal(o, back)) {
			(void)json_dumpf(o, stderr, JSON_SORT_KEYS | JSON_INDENT(1));
			(void)fprintf(stderr, "\n%s\n", text);
			(void)json_dumpf(back, stderr, JSON_SORT_KEYS | JSON_INDENT(1));
		}
		must(!exact || json_equal(o, back), "a card comes back as another one");
		must(rc != PIM_OK || pim_vcard_format(back, opt, &again, &err) == PIM_OK, "what came back cannot be written");
	}
	free(text);
	free(again);
	json_decref(back);
}

static int
on_card(void *arg, const struct pim_item *it)
{
	if (it->kind == PIM_CONTACT || it->kind == PIM_DISTLIST)
		there_and_back(it->object, arg, true);
	return 0;
}

static int
nothing(void *arg, const char *name, const void *p, size_t n)
{
	(void)arg;
	must(name != NULL && (p != NULL || n == 0), "an attachment without a name or octets");
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int versions[] = { 21, 30, 40 };
	struct pim_options opt;
	struct pim_report rep;
	json_t *o;

	if (size == 0)
		return 0;
	pim_init();
	pim_options_init(&opt);
	opt.lenient = (data[0] & 1) != 0;
	opt.vcard_version = versions[(data[0] >> 1 & 7) % 3];
	pim_report_init(&rep);
	o = data[1 % size] == '{' ? json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (o != NULL) {
		there_and_back(o, &opt, false);
	} else {
		memory_watch();
		pim_file_parse("x.vcf", data + 1, size - 1, &opt, on_card, &opt, &rep);
		(void)pim_attachments((const char *)data + 1, size - 1, &opt, nothing, NULL);
		memory_bound(64 * size + FIXED);
	}
	json_decref(o);
	pim_report_fini(&rep);
	return 0;
}
