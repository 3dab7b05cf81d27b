/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A device's settings: kept as JSON text with the device, read at login, narrowing what the server allows. */
#include "engine/engine_int.h"

#include <stdlib.h>
#include <string.h>

static const char *const policy_name[] = {
	[POLICY_SERVER] = "server", [POLICY_CLIENT] = "client", [POLICY_ERROR] = "error",
};

static enum sync_policy
policy_parse(const json_t *v)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s != NULL && i < ARRAY_LEN(policy_name); i++)
		if (strcmp(s, policy_name[i]) == 0)
			return (enum sync_policy)i;
	return POLICY_SERVER;
}

static const char *const mail_delete_name[] = {
	[MAIL_DELETE_SERVER] = "server", [MAIL_DELETE_TRASH] = "trash", [MAIL_DELETE_FINAL] = "final",
};

static enum mail_delete
mail_delete_parse(const json_t *v)
{
	const char *s = json_string_value(v);

	for (size_t i = 0; s != NULL && i < ARRAY_LEN(mail_delete_name); i++)
		if (strcmp(s, mail_delete_name[i]) == 0)
			return (enum mail_delete)i;
	return MAIL_DELETE_SERVER;
}

static int64_t
days_parse(const json_t *v, int64_t server)
{
	int64_t d = json_is_integer(v) ? json_integer_value(v) : -1;

	return d < 0 || (server > 0 && d > server) ? -1 : d;
}

/* What cannot be read counts as not set: the text is our own, a damaged one must not lock the device out. */
void
config_parse(const struct engine *g, const char *text, struct device_config *out)
{
	json_t *root = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	memset(out, 0, sizeof(*out));
	out->policy = policy_parse(json_object_get(root, "policy"));
	out->delete_policy = policy_parse(json_object_get(root, "deletePolicy"));
	out->mail_delete = mail_delete_parse(json_object_get(root, "mailDelete"));
	for (int ct = 0; ct < CT_COUNT; ct++) {
		const json_t *w = json_object_get(json_object_get(root, "window"), model_content((enum content)ct)->name);

		out->past_days[ct] = days_parse(json_object_get(w, "past"), g->o.past_days[ct]);
		out->future_days[ct] = days_parse(json_object_get(w, "future"), g->o.future_days[ct]);
	}
	json_decref(root);
}

static char *
config_format(const struct device_config *c)
{
	json_t *root = json_object(), *window = json_object();
	char *text;

	(void)json_object_set_new(root, "policy", json_string(policy_name[c->policy]));
	(void)json_object_set_new(root, "deletePolicy", json_string(policy_name[c->delete_policy]));
	(void)json_object_set_new(root, "mailDelete", json_string(mail_delete_name[c->mail_delete]));
	for (int ct = 0; ct < CT_COUNT; ct++) {
		if (c->past_days[ct] < 0 && c->future_days[ct] < 0)
			continue;
		(void)json_object_set_new(window, model_content((enum content)ct)->name,
		    json_pack("{s:I, s:I}", "past", (json_int_t)c->past_days[ct], "future", (json_int_t)c->future_days[ct]));
	}
	(void)json_object_set_new(root, "window", window);
	text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	return text;
}

void
engine_config_get(const struct engine_session *s, struct device_config *out)
{
	(void)pthread_mutex_lock(&s->g->lock);
	*out = s->n->config;
	(void)pthread_mutex_unlock(&s->g->lock);
	for (int ct = 0; ct < CT_COUNT; ct++) {
		if (out->past_days[ct] < 0)
			out->past_days[ct] = s->g->o.past_days[ct];
		if (out->future_days[ct] < 0)
			out->future_days[ct] = s->g->o.future_days[ct];
	}
}

enum rc
engine_config_set(struct engine_session *s, const struct device_config *c, struct err *e)
{
	struct engine *g = s->g;
	struct store_conn *conn = NULL;
	char *text = NULL;
	enum rc rc;

	for (int ct = 0; ct < CT_COUNT; ct++) {
		if ((g->o.past_days[ct] > 0 && c->past_days[ct] > g->o.past_days[ct]) ||
		    (g->o.future_days[ct] > 0 && c->future_days[ct] > g->o.future_days[ct]))
			return err_set_path(e, RC_PROTO, "window", "this server gives at most %lld days back and %lld ahead for %s",
			    (long long)g->o.past_days[ct], (long long)g->o.future_days[ct], model_content((enum content)ct)->name);
	}
	text = config_format(c);
	if (text == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the settings");
	rc = store_lease(g->store, &conn, e);
	if (rc == RC_OK)
		rc = session_verify(s, conn, e);
	if (rc == RC_OK)
		rc = store_device_config(conn, s->n->device_id, text, e);
	store_release(conn);
	if (rc == RC_OK) {
		(void)pthread_mutex_lock(&g->lock);
		s->n->config = *c;
		(void)pthread_mutex_unlock(&g->lock);
	}
	free(text); /* jansson's own allocation */
	return rc;
}
