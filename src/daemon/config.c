/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmctl config: are the settings right, what are they and where do they come from, how do they differ; and what the running daemon is told about them. */
#include "daemon/admin_int.h"

#include <stdio.h>
#include <string.h>

/* ---- config ---- */

/* The lines of TEXT as an array of strings. */
static void
add_lines(const char *text, struct buf *b)
{
	bool first = true;

	buf_addc(b, '[');
	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "\n");

		if (n > 0) {
			buf_adds(b, first ? "" : ",\n");
			json_text_string(b, text, n);
			first = false;
		}
		text += n + (text[n] == '\n');
	}
	buf_addc(b, ']');
}

/* Everything that is wrong, not only the first; then what only modules know, and the key. */
static int
check(const struct admin *x)
{
	unsigned char key[KEY_BYTES];
	struct keyring ring = { .n = 0 };
	struct err e = { .rc = RC_OK };
	struct buf wrong, json;
	struct conf *c;
	size_t n;

	buf_init(&wrong, 0);
	n = conf_problems(x->config, &c, &wrong);
	if (c != NULL && wire_check(c, &e) != RC_OK) {
		buf_addf(&wrong, "%s%s%s\n", e.path, e.path[0] != '\0' ? ": " : "", e.text);
		n++;
	}
	if (c != NULL && (key_load(c->key_file, key, &e) != RC_OK || keys_load(c, key, &ring, &e) != RC_OK)) {
		buf_addf(&wrong, "%s%s%s\n", e.path, e.path[0] != '\0' ? ": " : "", e.text);
		n++;
	}
	secret_wipe(&ring, sizeof(ring));
	secret_wipe(key, sizeof(key));
	conf_free(c);
	if (x->json) {
		buf_init(&json, 0);
		buf_addf(&json, "{\"ok\":%s,\"problems\":", n == 0 ? "true" : "false");
		add_lines(wrong.p, &json);
		(void)printf("%s}\n", json.failed ? "[]" : json.p);
		buf_fini(&json);
	} else if (n > 0) {
		(void)fprintf(stderr, "%susmctl: %s: %zu problems\n", wrong.p != NULL ? wrong.p : "", x->config, n);
	} else {
		(void)printf("%s: ok\n", x->config);
	}
	buf_fini(&wrong);
	return n > 0 ? EXIT_CONFIG : EXIT_OK;
}

/* Lines "name = value  # remark" as objects of name, value and REMARK; other lines are none. */
static void
settings_json(const char *text, const char *remark, struct buf *b)
{
	bool first = true;

	buf_addc(b, '[');
	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "\n");
		const char *is = strstr(text, " = "), *hash = NULL;

		for (const char *p = text; (p = strstr(p, "  # ")) != NULL && p < text + n; p++)
			hash = p;
		if (is != NULL && is < text + n && text[0] != '#') {
			const char *value = is + 3, *end = hash != NULL ? hash : text + n;

			buf_adds(b, first ? "{\"name\":" : ",\n{\"name\":");
			first = false;
			json_text_string(b, text, (size_t)(is - text));
			buf_adds(b, ",\"value\":");
			json_text_string(b, value, end > value ? (size_t)(end - value) : 0);
			if (hash != NULL) {
				buf_addf(b, ",\"%s\":", remark);
				json_text_string(b, hash + 4, (size_t)(text + n - hash - 4));
			}
			buf_addc(b, '}');
		}
		text += n + (text[n] == '\n');
	}
	buf_adds(b, "]\n");
}

/* Every setting with what is allowed, as config sample has it for people. */
static void
sample_json(struct buf *b)
{
	size_t n;
	const struct conf_setting *s = conf_settings(&n);
	char range[200];
	bool first = true;

	buf_addc(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (s[i].name == NULL)
			continue;
		conf_range(&s[i], range, sizeof(range));
		buf_addf(b, "%s{\"name\":\"%s\",\"default\":", first ? "" : ",\n", s[i].name);
		first = false;
		json_text_string(b, s[i].def, strlen(s[i].def));
		buf_addf(b, ",\"reloadable\":%s,\"allowed\":", s[i].live ? "true" : "false");
		json_text_string(b, range, strlen(range));
		buf_adds(b, ",\"help\":");
		json_text_string(b, s[i].help, strlen(s[i].help));
		buf_addc(b, '}');
	}
	buf_adds(b, "]\n");
}

static enum rc
diff(const struct admin *x, struct buf *out, struct err *e)
{
	struct conf *defaults = x->running ? NULL : conf_defaults();
	struct buf other;
	size_t n = 0;
	enum rc rc = RC_OK;

	buf_init(&other, 0);
	if (x->running)
		rc = control_ask(x->c->control_socket, "config", &other, e);
	else if (defaults != NULL)
		conf_dump(defaults, &other);
	conf_free(defaults);
	if (rc == RC_OK && other.p == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK)
		n = conf_diff(x->c, other.p, x->running ? "running" : "default", out);
	if (rc == RC_OK && n == 0 && !x->json)
		buf_adds(out, x->running ? "The running daemon has these settings.\n" : "All settings have their defaults.\n");
	buf_fini(&other);
	return rc;
}

int
run_config(struct admin *x)
{
	const char *what = x->n_words > 0 ? x->word[0] : x->what != NULL ? x->what : "check";
	bool shows = strcmp(what, "show") == 0, differs = strcmp(what, "diff") == 0, sample = strcmp(what, "sample") == 0;
	struct err e = { .rc = RC_OK };
	struct buf b, json;
	enum rc rc = RC_OK;
	int code;

	if ((x->running && !differs) || (!shows && !differs && !sample && strcmp(what, "check") != 0 && strcmp(what, "dump") != 0))
		return admin_usage(x);
	if (strcmp(what, "check") == 0)
		return check(x);
	code = sample ? -1 : admin_begin(0, x);
	if (code >= 0)
		return code;
	buf_init(&b, 0);
	buf_init(&json, 0);
	if (sample && x->json)
		sample_json(&json);
	else if (sample)
		conf_sample(&b);
	else if (differs)
		rc = diff(x, &b, &e);
	else if (shows)
		conf_show(x->c, &b);
	else
		conf_dump(x->c, &b);
	if (x->json && !sample)
		settings_json(b.p, differs ? "other" : "from", &json);
	if (rc == RC_OK)
		rc = admin_put(x->json ? &json : &b, &e);
	buf_fini(&b);
	buf_fini(&json);
	if (sample)
		return rc == RC_OK ? EXIT_OK : EXIT_FAILED;
	return admin_end(x, rc, &e);
}

/* ---- the running daemon ---- */

/* What stands behind "NAME: " in a line of the answer, as an array of words; how many. */
static size_t
add_words(const char *answer, size_t line, struct buf *b)
{
	static const char *const none[] = { "nothing\n", "nothing new\n", "no change\n" };
	const char *p = answer;
	size_t n = 0;

	for (size_t i = 0; i < line && p != NULL; i++) {
		p = strchr(p, '\n');
		p += p != NULL;
	}
	p = p != NULL ? strstr(p, ": ") : NULL;
	p = p != NULL ? p + 2 : "";
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (strncmp(p, none[i], strlen(none[i])) == 0)
			p = "";
	buf_addc(b, '[');
	for (size_t len; *p != '\0' && *p != '\n'; p += len + strspn(p + len, " ")) {
		len = strcspn(p, " \n");
		buf_adds(b, n++ > 0 ? "," : "");
		json_text_string(b, p, len);
	}
	buf_addc(b, ']');
	return n;
}

static void
reload_json(const struct admin *x, const char *answer, struct buf *b)
{
	struct buf now, later;
	size_t n;

	buf_init(&now, 0);
	buf_init(&later, 0);
	n = add_words(answer, 0, &now);
	(void)add_words(answer, 1, &later);
	buf_addf(b, "{\"command\":\"reload\",\"dry_run\":%s,\"changed\":%zu,\"in_force\":%s,\"restart\":%s}\n", x->dry_run ? "true" : "false", n, now.p, later.p);
	buf_fini(&now);
	buf_fini(&later);
}

static void
drain_json(const struct admin *x, const char *answer, struct buf *b)
{
	const char *colon = strstr(answer, ": ");

	buf_addf(b, "{\"command\":\"drain\",\"dry_run\":%s,\"changed\":%.*s}\n", x->dry_run ? "true" : "false", colon != NULL ? (int)strspn(colon + 2, "0123456789") : 1,
	    colon != NULL ? colon + 2 : "0");
}

/* The daemon does it, and writes the record: it knows from the kernel who asks. */
static int
tell(struct admin *x, const char *command, void (*to_json)(const struct admin *x, const char *answer, struct buf *b))
{
	struct err e = { .rc = RC_OK };
	struct buf answer, json;
	char line[40];
	enum rc rc;
	int code = admin_begin(0, x);

	if (code >= 0)
		return code;
	buf_init(&answer, 0);
	buf_init(&json, 0);
	(void)snprintf(line, sizeof(line), "%s%s", command, x->dry_run ? " dry-run" : "");
	rc = control_ask(x->c->control_socket, line, &answer, &e);
	if (rc == RC_OK && x->json)
		to_json(x, answer.p, &json);
	if (rc == RC_OK)
		rc = admin_put(x->json ? &json : &answer, &e);
	buf_fini(&answer);
	buf_fini(&json);
	return admin_end(x, rc, &e);
}

int
run_reload(struct admin *x)
{
	return tell(x, "reload", reload_json);
}

int
run_drain(struct admin *x)
{
	return tell(x, "drain", drain_json);
}
