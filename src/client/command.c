/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What follows the options of usmsync: one command, or none to keep the directory in step. */
#include "client/client_int.h"

#include <stdlib.h>
#include <string.h>

void
print_json(const json_t *v)
{
	char *text = json_dumps(v, JSON_INDENT(2) | JSON_ENCODE_ANY);

	(void)printf("%s\n", text != NULL ? text : "null");
	free(text); /* jansson's own allocation */
}

static const struct {
	const char *name;
	enum rc (*run)(struct client *c, struct err *e);
	bool folders; /* it names folders by their path: the hierarchy is synchronized before */
} commands[] = {
	{ "folders", folders_command, true },
	{ "rights", rights_command, true },
	{ "conflicts", conflicts_command, true },
	{ "freebusy", freebusy_command, false },
	{ "respond", respond_command, false },
	{ "find", find_command, true },
	{ "who", who_command, false },
	{ "rules", rules_command, true },
	{ "vacation", vacation_command, false },
	{ "signatures", signatures_command, false },
	{ "whoami", whoami_command, false },
	{ "passwd", password_command, false },
	{ "version", version_command, false },
	{ "fetch", stubs_fetch, false },
	{ "send", send_files, false },
};

bool
command_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return true;
	return false;
}

enum rc
command_run(struct client *c, struct err *e)
{
	size_t i = 0;
	enum rc rc = RC_OK;

	while (strcmp(commands[i].name, c->o.command[0]) != 0) /* it is known */
		i++;
	if (commands[i].folders)
		rc = hierarchy_sync(c, e);
	if (rc == RC_OK)
		rc = commands[i].run(c, e);
	if (rc == RC_UPSTREAM && strcmp(e->code, "not-available") == 0)
		rc = e->rc = RC_PROTO; /* it did not fail: it refuses this one command */
	return rc;
}
