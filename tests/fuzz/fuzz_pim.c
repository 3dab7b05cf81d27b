/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of the text formats: any bytes as a file, strict and lenient;
 * what is accepted must be writable and readable again.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "usmd/pim.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
on_item(void *arg, const struct pim_item *it)
{
	struct pim_options *opt = arg;
	char *text = NULL;
	json_t *o = NULL, *ex = NULL;
	enum pim_rc rc = PIM_OK;

	switch (it->kind) {
	case PIM_CONTACT:
	case PIM_DISTLIST:
		if (pim_vcard_format(it->object, opt, &text, NULL) != PIM_OK)
			abort();
		rc = pim_vcard_parse(text, strlen(text), opt, &o, NULL, NULL);
		break;
	case PIM_APPOINTMENT:
		if (pim_ical_event_format(it->object, it->exceptions, opt, &text, NULL) != PIM_OK)
			abort();
		rc = pim_ical_event_parse(text, strlen(text), opt, &o, &ex, NULL, NULL);
		break;
	case PIM_TASK:
		if (pim_ical_task_format(it->object, opt, &text, NULL) != PIM_OK)
			abort();
		rc = pim_ical_task_parse(text, strlen(text), opt, &o, NULL, NULL);
		break;
	case PIM_MAIL:
	case PIM_KINDS:
		break;
	}
	if (rc != PIM_OK)
		abort();
	free(text);
	json_decref(o);
	json_decref(ex);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int versions[] = { 21, 30, 40 };
	struct pim_options opt;
	struct pim_report rep;

	pim_options_init(&opt);
	opt.lenient = size % 2 == 1;
	opt.vcard_version = versions[size % 3];
	pim_report_init(&rep);
	pim_file_parse(size % 5 == 0 ? "x.vcf" : NULL, data, size, &opt, on_item, &opt, &rep);
	pim_report_fini(&rep);
	return 0;
}
