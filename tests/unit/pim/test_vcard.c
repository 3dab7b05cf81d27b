/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pim_test.h"
TCase *
tcase_vcard(void)
{
	return tcase_create("vcard");
}
