/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Settings: every kind of right and wrong line, reload, dump, secrets; and that sample file and man page agree with the table. */
#include "usmd/conf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct conf *
parse_ok(const char *text)
{
	struct conf *c;
	struct err e = { .rc = RC_OK };
	enum rc rc = conf_parse("t.conf", text, strlen(text), &c, &e);

	ck_assert_msg(rc == RC_OK, "%s: %s", e.path, e.text);
	return c;
}

static void
parse_bad(const char *text, const char *path, const char *part)
{
	struct conf *c;
	struct err e = { .rc = RC_OK };

	ck_assert_msg(conf_parse("t.conf", text, strlen(text), &c, &e) == RC_PROTO, "accepted: %s", text);
	ck_assert_ptr_null(c);
	ck_assert_str_eq(e.path, path);
	ck_assert_msg(strstr(e.text, part) != NULL, "'%s' lacks '%s'", e.text, part);
}

START_TEST(defaults)
{
	struct conf *c = conf_defaults();

	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(c->listen, "/run/usmd/usmd.sock");
	ck_assert_int_eq(c->listen_mode, 0660);
	ck_assert_int_eq(c->connection_memory, 4096);
	ck_assert_int_eq(c->refresh_overlap, 10000);
	ck_assert_int_eq(c->ox_deletions_kept, INT64_C(12) * 7 * 86400 * 1000);
	ck_assert_int_eq(c->calendar_past, INT64_C(2) * 365 * 86400 * 1000);
	ck_assert_int_eq(c->max_objects_per_folder, 65535);
	ck_assert(c->cookie_secure);
	ck_assert_int_eq(c->log_level, LOG_LVL_INFO);
	ck_assert_str_eq(c->redis_url, "");
	conf_free(c);
	conf_free(NULL);
}
END_TEST

START_TEST(good_lines)
{
	struct conf *c = parse_ok("# comment\n\n  listen=/run/usmd/usmd.sock  \r\n\tworkers =\t7\nlisten_mode = 600\nmax_body=2 M\n"
	    "max_body_total = 3000000\nfresh_for = 1500ms\nheartbeat_max = 2h\nheartbeat_min = 5 m\ncookie_secure = off\n"
	    "log_level = debug\npg_conninfo = host=a,b dbname='x y' # no comment\nredis_url =\npassword_lifetime = 0\n"
	    "  # the last line has no end\nox_ca_file = /etc/ca.pem");

	ck_assert_str_eq(c->listen, "/run/usmd/usmd.sock");
	ck_assert_int_eq(c->workers, 7);
	ck_assert_int_eq(c->listen_mode, 0600);
	ck_assert_int_eq(c->max_body, 2 * 1024 * 1024);
	ck_assert_int_eq(c->max_body_total, 3000000);
	ck_assert_int_eq(c->fresh_for, 1500);
	ck_assert_int_eq(c->heartbeat_max, 7200000);
	ck_assert_int_eq(c->heartbeat_min, 300000);
	ck_assert(!c->cookie_secure);
	ck_assert_int_eq(c->log_level, LOG_LVL_DEBUG);
	ck_assert_str_eq(c->pg_conninfo, "host=a,b dbname='x y' # no comment");
	ck_assert_str_eq(c->redis_url, "");
	ck_assert_int_eq(c->password_lifetime, 0);
	ck_assert_str_eq(c->ox_ca_file, "/etc/ca.pem");
	/* the rest stays at its default */
	ck_assert_str_eq(c->ox_client, "USM-JSON");
	conf_free(c);
}
END_TEST

START_TEST(wrong_lines)
{
	static const struct {
		const char *text, *path, *part;
	} wrong[] = {
		{ "workers", "t.conf:1", "has no '='" },
		{ "\n\nworker = 3\n", "t.conf:3", "no setting 'worker'; did you mean workers?" },
		{ "heartbeat_maxx = 3m", "t.conf:1", "did you mean heartbeat_max?" },
		{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1", "t.conf:1", "no setting 'xxx" },
		{ "= 3", "t.conf:1", "no setting ''" },
		{ "[http]\nworkers = 3", "t.conf:1", "sections" },
		{ "workers = 3\nworkers = 3", "t.conf:2", "a second time" },
		{ "workers = 0", "t.conf:1", "workers = '0' is not possible; allowed: 1 to 1024" },
		{ "workers = 1025", "t.conf:1", "1 to 1024" },
		{ "workers = 3x", "t.conf:1", "1 to 1024" },
		{ "workers =", "t.conf:1", "1 to 1024" },
		{ "workers = -3", "t.conf:1", "1 to 1024" },
		{ "workers = 99999999999999999999", "t.conf:1", "1 to 1024" },
		{ "refresh_overlap = 10", "t.conf:1", "5s to 10m, with unit ms, s, m, h, d, w or y" },
		{ "refresh_overlap = 4999ms", "t.conf:1", "5s to 10m" },
		{ "refresh_overlap = 11m", "t.conf:1", "5s to 10m" },
		{ "refresh_overlap = 10 parsecs", "t.conf:1", "5s to 10m" },
		{ "refresh_overlap = 9999999999999999999s", "t.conf:1", "5s to 10m" },
		{ "refresh_overlap = 9223372036854775807y", "t.conf:1", "5s to 10m" },
		{ "max_body = 64X", "t.conf:1", "64K to 1G, in bytes or with unit K, M or G" },
		{ "max_body = 1.5M", "t.conf:1", "64K to 1G" },
		{ "listen_mode = 0888", "t.conf:1", "0000 to 0777, octal" },
		{ "listen_mode = 1777", "t.conf:1", "0000 to 0777" },
		{ "cookie_secure = maybe", "t.conf:1", "yes or no" },
		{ "log_level = loud", "t.conf:1", "error, warn, info or debug" },
		{ "ox_url = ftp://x/", "t.conf:1", "http:// or https:// URL" },
		{ "ox_url = https://", "t.conf:1", "URL" },
		{ "ox_url =", "t.conf:1", "URL" },
		{ "ox_ca_file = ca.pem", "t.conf:1", "absolute path, or empty" },
		{ "listen =", "t.conf:1", "allowed: text" },
		{ "key_file =", "t.conf:1", "mode 0600" },
		{ "ox_client = \xff", "t.conf:1", "not UTF-8" },
		{ "heartbeat_min = 1h", "t.conf:1", "heartbeat_min is larger" },
		{ "page_max = 10", "t.conf:1", "page_default" },
		{ "max_body = 1G", "t.conf:1", "max_body_total" },
		{ "max_connections = 100", "t.conf:1", "max_waiters" },
		{ "ox_timeout = 10m", "t.conf:1", "ox_write_max_time" },
		{ "listen = 8090", "t.conf:1", "listen is neither" },
		{ "admin_listen = usmd.sock", "t.conf:1", "admin_listen is neither" },
		{ "redis_url = localhost:6379", "t.conf:1", "neither unix:/path" },
	};
	char longline[5000];
	struct conf *c;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		parse_bad(wrong[i].text, wrong[i].path, wrong[i].part);
	memset(longline, '#', sizeof(longline) - 1);
	longline[sizeof(longline) - 1] = '\0';
	parse_bad(longline, "t.conf:1", "longer than");
	ck_assert_int_eq(conf_parse("n", "a\0b", 3, &c, &e), RC_PROTO);
	ck_assert_int_eq(conf_load("/nonexistent/usmd.conf", &c, &e), RC_NOTFOUND);
}
END_TEST

START_TEST(table_is_sound)
{
	size_t n;
	const struct conf_setting *s = conf_settings(&n);
	char range[128];

	for (size_t i = 0; i < n; i++) {
		if (s[i].name == NULL)
			continue;
		conf_range(&s[i], range, sizeof(range));
		ck_assert_msg(strlen(range) < sizeof(range) - 1 && strlen(s[i].help) > 5, "%s", s[i].name);
		for (size_t k = 0; k < i; k++)
			ck_assert(s[k].name == NULL || strcmp(s[k].name, s[i].name) != 0);
	}
}
END_TEST

static char dir[32];

static void
write_path(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	(void)fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static const char *
write_file(const char *name, const char *text, mode_t mode)
{
	static char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fputs(text, f);
	(void)fclose(f);
	ck_assert_int_eq(chmod(path, mode), 0);
	return path;
}

static void
make_dir(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/usmd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
remove_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/f", dir);
	(void)unlink(path);
	(void)rmdir(dir);
}

START_TEST(reload)
{
	struct conf *old = parse_ok("workers = 3\nlisten = 127.0.0.1:1\nlog_level = warn\n"), *c;
	struct buf ignored, applied;
	struct err e;

	buf_init(&ignored, 0);
	buf_init(&applied, 0);
	ck_assert_int_eq(conf_reload(old, write_file("f", "workers = 4\nlog_level = debug\nlisten = 127.0.0.1:2\nox_client=X\n", 0644),
	    &c, &ignored, &applied, &e), RC_OK);
	ck_assert_str_eq(ignored.p, "listen workers ox_client");
	ck_assert_str_eq(applied.p, "log_level");
	ck_assert_int_eq(c->log_level, LOG_LVL_DEBUG);
	ck_assert_int_eq(c->workers, 3);
	ck_assert_str_eq(c->listen, "127.0.0.1:1");
	ck_assert_str_eq(c->ox_client, "USM-JSON");
	ck_assert_int_eq(old->log_level, LOG_LVL_WARN);
	conf_free(old);
	ck_assert_str_eq(c->listen, "127.0.0.1:1");

	/* a wrong file changes nothing */
	old = c;
	ck_assert_int_eq(conf_reload(old, write_file("f", "workers = many\n", 0644), &c, &ignored, &applied, &e), RC_PROTO);
	ck_assert_ptr_null(c);
	conf_free(old);
	buf_fini(&ignored);
	buf_fini(&applied);
}
END_TEST

/* Everything that is wrong in one go, in the main file and in a drop-in; a later file has the last word. */
START_TEST(drop_ins_and_all_problems)
{
	char d[90], a[128], b[128], c_conf[128], other[128];
	const char *main_file = write_file("f", "workers = 3\nnonsense = 1\nqueue_length = many\nheartbeat_min = 1h\n", 0644);
	struct conf *c;
	struct conf_setting const *s;
	struct buf out;
	size_t n;
	struct err e;

	(void)snprintf(d, sizeof(d), "%s/conf.d", dir);
	(void)snprintf(a, sizeof(a), "%s/10-a.conf", d);
	(void)snprintf(b, sizeof(b), "%s/20-b.conf", d);
	(void)snprintf(c_conf, sizeof(c_conf), "%s/.hidden.conf", d);
	(void)snprintf(other, sizeof(other), "%s/notes.txt", d);
	ck_assert_int_eq(mkdir(d, 0700), 0);
	write_path(b, "workers = 7\n");
	write_path(a, "workers = 5\npage_max = 70\nworkrs = 1\n");
	write_path(c_conf, "bad\n");
	write_path(other, "bad\n");
	buf_init(&out, 0);
	ck_assert_uint_eq(conf_problems(main_file, &c, &out), 4);
	ck_assert_ptr_nonnull(strstr(out.p, "/f:2: there is no setting 'nonsense'"));
	ck_assert_ptr_nonnull(strstr(out.p, "/f:3: queue_length = 'many' is not possible; allowed: 1 to 1000000"));
	ck_assert_ptr_nonnull(strstr(out.p, "/conf.d/10-a.conf:3: there is no setting 'workrs'; did you mean workers?"));
	ck_assert_ptr_nonnull(strstr(out.p, "/f:4: heartbeat_min is larger"));
	conf_free(c);
	ck_assert_int_eq(conf_load(main_file, &c, &e), RC_PROTO);
	main_file = write_file("f", "workers = 3\nqueue_length = 9\n", 0644);
	write_path(a, "workers = 5\npage_max = 70\n");
	ck_assert_int_eq(conf_load(main_file, &c, &e), RC_OK);
	ck_assert_int_eq(c->workers, 7);
	ck_assert_int_eq(c->page_max, 70);
	ck_assert_int_eq(c->queue_length, 9);
	s = conf_settings(&n);
	for (size_t i = 0; i < n; i++)
		if (s[i].name != NULL && strcmp(s[i].name, "workers") == 0) {
			ck_assert_str_eq(c->origin[i].file, b);
			ck_assert_uint_eq(c->origin[i].line, 1);
		} else if (s[i].name != NULL && strcmp(s[i].name, "listen") == 0) {
			ck_assert_ptr_null(c->origin[i].file);
		}
	buf_reset(&out);
	conf_show(c, &out);
	ck_assert_ptr_nonnull(strstr(out.p, "\npage_max = 70  # "));
	ck_assert_ptr_nonnull(strstr(out.p, "10-a.conf:2\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "\nfresh_for = 0  # default\n"));
	conf_free(c);
	(void)unlink(a), (void)unlink(b), (void)unlink(c_conf), (void)unlink(other), (void)rmdir(d);
	buf_fini(&out);
}
END_TEST

/* What differs, and how it is there; passwords are compared without being shown. */
START_TEST(differences)
{
	struct conf *c = parse_ok("workers = 3\npg_conninfo = password=a\n"), *d = conf_defaults();
	struct buf dump, out;

	buf_init(&dump, 0);
	buf_init(&out, 0);
	conf_dump(d, &dump);
	ck_assert_uint_eq(conf_diff(c, dump.p, "default", &out), 2);
	ck_assert_str_eq(out.p, "workers = 3  # default: 32\npg_conninfo = password=***  # default: dbname=usmd\n");
	buf_reset(&out);
	ck_assert_uint_eq(conf_diff(d, dump.p, "default", &out), 0);
	ck_assert_uint_gt(conf_diff(d, "", "running", &out), 50);
	ck_assert_ptr_nonnull(strstr(out.p, "# running: unknown"));
	conf_free(c);
	conf_free(d);
	buf_fini(&dump);
	buf_fini(&out);
}
END_TEST

START_TEST(dump_can_be_loaded_and_hides_passwords)
{
	struct conf *c = parse_ok("workers = 3\nfresh_for = 90s\npg_conninfo = host=x password = 'a\\'b c' user=u PASSWORD=geheim\n"
	    "redis_url = tcp://me:secret1@host:1\nox_url = https://o:secret2@ox/ajax\n"), *again;
	struct buf b, b2;

	buf_init(&b, 0);
	buf_init(&b2, 0);
	conf_dump(c, &b);
	ck_assert_ptr_nonnull(strstr(b.p, "\nworkers = 3\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\nfresh_for = 90s\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\nlisten_mode = 0660\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\npg_conninfo = host=x password =*** user=u PASSWORD=***\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\nredis_url = tcp://me:***@host:1\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "\nox_url = https://o:***@ox/ajax\n"));
	again = parse_ok(b.p);
	conf_dump(again, &b2);
	ck_assert_str_eq(b.p, b2.p);
	conf_free(c);
	conf_free(again);

	c = parse_ok("pg_conninfo = postgresql://h/d?password=geheim&x=1\n");
	buf_reset(&b);
	conf_dump(c, &b);
	ck_assert_ptr_nonnull(strstr(b.p, "\npg_conninfo = postgresql://h/d?password=***&x=1\n"));
	conf_free(c);
	buf_fini(&b);
	buf_fini(&b2);
}
END_TEST

START_TEST(secrets)
{
	char out[16];
	struct err e;

	ck_assert_int_eq(conf_secret_read("key_file", write_file("f", "abc\nrest", 0600), out, sizeof(out), &e), RC_OK);
	ck_assert_str_eq(out, "abc");
	ck_assert_int_eq(conf_secret_read("key_file", write_file("f", "", 0400), out, sizeof(out), &e), RC_OK);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(conf_secret_read("key_file", write_file("f", "abc\n", 0640), out, sizeof(out), &e), RC_FORBIDDEN);
	ck_assert_ptr_nonnull(strstr(e.text, "chmod 600"));
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(conf_secret_read("key_file", write_file("f", "123456789012345", 0600), out, sizeof(out), &e), RC_OK);
	ck_assert_int_eq(conf_secret_read("key_file", write_file("f", "1234567890123456", 0600), out, sizeof(out), &e), RC_LIMIT);
	if (geteuid() == 0) { /* usmctl, run by root, reads the key of the service's user */
		const char *path = write_file("f", "abc\n", 0600);

		ck_assert_int_eq(chown(path, 12345, 12345), 0);
		ck_assert_int_eq(conf_secret_read("key_file", path, out, sizeof(out), &e), RC_OK);
	}
	ck_assert_int_eq(conf_secret_read("key_file", "/nonexistent/key", out, sizeof(out), &e), RC_NOTFOUND);
	ck_assert_int_eq(conf_secret_read("key_file", dir, out, sizeof(out), &e), RC_FORBIDDEN);
	ck_assert_int_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	ck_assert_int_eq(conf_secret_read("key_file", "f", out, sizeof(out), &e), RC_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "LoadCredential=f:FILE"));
	/* systemd guards its own directory: the mode is its business */
	ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", dir, 1), 0);
	(void)write_file("f", "cred", 0444);
	ck_assert_int_eq(conf_secret_read("key_file", "f", out, sizeof(out), &e), RC_OK);
	ck_assert_str_eq(out, "cred");
}
END_TEST

/* ---- the files that repeat the table; tests run in the top directory ---- */

static void
read_whole(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "r");
	int c;

	ck_assert_msg(f != NULL, "%s cannot be read from here", path);
	buf_init(b, 0);
	while ((c = fgetc(f)) != EOF)
		buf_addc(b, (char)c);
	(void)fclose(f);
}

START_TEST(sample_file_agrees)
{
	struct buf is, must;
	struct conf *c;
	struct err e;

	read_whole("conf/usmd.conf", &is);
	buf_init(&must, 0);
	conf_sample(&must);
	ck_assert_msg(strcmp(is.p, must.p) == 0, "conf/usmd.conf differs from the table; write it anew: usmctl config --sample > conf/usmd.conf");
	buf_fini(&is);
	ck_assert_int_eq(conf_load("conf/usmd.conf", &c, &e), RC_OK);
	conf_free(c);

	/* with its settings uncommented it is right, too, and changes nothing */
	for (char *p = must.p; (p = strstr(p, "\n#")) != NULL; p++)
		if (p[2] != ' ')
			p[1] = ' ';
	c = parse_ok(must.p);
	conf_dump(c, &is);
	buf_reset(&must);
	conf_free(c);
	c = conf_defaults();
	conf_dump(c, &must);
	ck_assert_str_eq(is.p, must.p);
	conf_free(c);
	buf_fini(&is);
	buf_fini(&must);
}
END_TEST

/* T as it stands in a man page: '-' escaped so that it can be copied. */
static void
add_roff(struct buf *b, const char *t)
{
	for (; *t != '\0'; t++) {
		if (*t == '-')
			buf_addc(b, '\\');
		buf_addc(b, *t);
	}
}

START_TEST(man_page_agrees)
{
	struct buf page, entry;
	char range[128];
	size_t n, entries = 0;
	const struct conf_setting *s = conf_settings(&n);
	const char *at;

	read_whole("man/usmd.conf.5", &page);
	buf_init(&entry, 0);
	at = page.p;
	for (size_t i = 0; i < n; i++) {
		const char *found;

		buf_reset(&entry);
		if (s[i].name == NULL) {
			buf_addf(&entry, "\n.SS %s\n", s[i].section);
		} else {
			entries++;
			conf_range(&s[i], range, sizeof(range));
			buf_addf(&entry, "\n.TP\n.BR %s \" = ", s[i].name);
			add_roff(&entry, s[i].def);
			buf_adds(&entry, "\"\n");
			add_roff(&entry, s[i].help);
			buf_adds(&entry, ".\nAllowed: ");
			add_roff(&entry, range);
			buf_addf(&entry, ".%s\n", s[i].live ? "\nReloadable." : "");
		}
		found = strstr(at, entry.p);
		ck_assert_msg(found != NULL, "man/usmd.conf.5 lacks, or has in another place:%s", entry.p);
		at = found;
	}
	for (at = page.p; (at = strstr(at, "\nAllowed: ")) != NULL; at++)
		entries--;
	ck_assert_msg(entries == 0, "man/usmd.conf.5 describes a setting that does not exist");
	buf_fini(&page);
	buf_fini(&entry);
}
END_TEST

/* The limits that serverInfo tells are settings: usm-json(7) names them, with the default of each. */
START_TEST(limits_of_the_protocol_agree)
{
	struct buf page, row;
	size_t n, found = 0;
	const struct conf_setting *s = conf_settings(&n);

	read_whole("man/usm-json.7", &page);
	buf_init(&row, 0);
	for (size_t i = 0; i < n; i++) {
		const char *named;

		if (s[i].name == NULL)
			continue;
		buf_reset(&row);
		buf_addf(&row, " (\\fB%s\\fP)\nT}", s[i].name);
		named = strstr(page.p, row.p);
		if (named == NULL)
			continue;
		while (named > page.p && *named != '\n')
			named--;
		buf_reset(&row);
		buf_addf(&row, "\t%s\tT{", s[i].def);
		ck_assert_msg((size_t)(named - page.p) > row.len && memcmp(named - row.len, row.p, row.len) == 0,
		    "man/usm-json.7 gives another default of %s than %s", s[i].name, s[i].def);
		found++;
	}
	ck_assert_uint_eq(found, 14); /* the members of limits */
	buf_fini(&page);
	buf_fini(&row);
}
END_TEST

/* Another value than the default that is allowed, as it is written in the file. */
static void
another(const struct conf_setting *s, const struct conf *c, char *out, size_t size)
{
	const char *at = (const char *)c + s->offset;
	int64_t v = s->kind == CONF_INT || s->kind == CONF_SIZE || s->kind == CONF_TIME || s->kind == CONF_MODE ? *(const int64_t *)(const void *)at : 0;

	v = v < s->max ? v + 1 : v - 1;
	switch (s->kind) {
	case CONF_BOOL:
		(void)snprintf(out, size, "%s", *(const bool *)(const void *)at ? "no" : "yes");
		return;
	case CONF_INT:
	case CONF_SIZE:
		(void)snprintf(out, size, "%lld", (long long)v);
		return;
	case CONF_TIME:
		(void)snprintf(out, size, "%lldms", (long long)v);
		return;
	case CONF_MODE:
		(void)snprintf(out, size, "%04llo", (long long)v);
		return;
	case CONF_LEVEL:
		(void)snprintf(out, size, "debug");
		return;
	case CONF_URL:
		(void)snprintf(out, size, "http://other.example/ajax");
		return;
	default:
		(void)snprintf(out, size, "%s", strcmp(s->name, "redis_url") == 0 ? "unix:/other" : "/other");
	}
}

/* Of every setting, one by one, a reload says that it holds or that it waits, as the table and so the manual have it; and only what holds is taken. */
START_TEST(every_setting_is_told)
{
	size_t n, live = 0;
	const struct conf_setting *s = conf_settings(&n);
	struct conf *old = conf_defaults();

	ck_assert_ptr_nonnull(old);
	for (size_t i = 0; i < n; i++) {
		struct buf ignored, applied, was, is;
		struct conf *c = NULL;
		struct err e = { .rc = RC_OK };
		char value[100], line[200];
		enum rc rc;

		if (s[i].name == NULL)
			continue;
		another(&s[i], old, value, sizeof(value));
		(void)snprintf(line, sizeof(line), "%s = %s\n", s[i].name, value);
		buf_init(&ignored, 0);
		buf_init(&applied, 0);
		rc = conf_reload(old, write_file("one", line, 0644), &c, &ignored, &applied, &e);
		ck_assert_msg(rc == RC_OK, "%s: %s", line, e.text);
		ck_assert_msg(strcmp(s[i].live ? applied.p : ignored.p, s[i].name) == 0, "%s is not told", s[i].name);
		ck_assert_msg((s[i].live ? ignored.len : applied.len) == 0, "%s is told twice, or another one", s[i].name);
		buf_init(&was, 0);
		buf_init(&is, 0);
		conf_dump(old, &was);
		conf_dump(c, &is);
		ck_assert_msg((strcmp(was.p, is.p) != 0) == s[i].live, "%s is %s", s[i].name, s[i].live ? "not taken" : "taken without a restart");
		live += s[i].live;
		conf_free(c);
		buf_fini(&was);
		buf_fini(&is);
		buf_fini(&ignored);
		buf_fini(&applied);
	}
	ck_assert_uint_gt(live, 30);
	conf_free(old);
}
END_TEST

/* Whoever comes from the original finds each of its settings that is known, and what is named there in its place is a setting here. */
START_TEST(settings_of_the_original)
{
	static const char *const names[] = {
		"com.openexchange.usm.ox.url", "com.openexchange.usm.session.sync.email_pull_delay", "com.openexchange.usm.session.sync.email_pull_min_delay",
		"com.openexchange.usm.session_cache_check_interval", "com.openexchange.usm.session_cache_check_interval_log_info",
		"com.openexchange.usm.cache.session.timeout", "com.openexchange.usm.cache.syncstate.timeout",
		"com.openexchange.usm.force_new_sync_key_on_empty_sync", "com.openexchange.usm.max_objects_per_folder",
		"com.openexchange.usm.max_attachment_count_per_object", "com.openexchange.usm.max_attachment_size_per_object", "com.openexchange.usm.json.alias",
		"com.openexchange.usm.eas.alias", "com.openexchange.usm.eas.mail.time_limit", "com.openexchange.usm.eas.ping.max_heartbeat",
		"com.openexchange.usm.eas.login_pattern.domain_user", "com.openexchange.usm.eas.debug_log", "com.openexchange.usm.eas.allow_folder_selection",
		"com.openexchange.requestwatcher.usm.ignore.path", "requestwatcher.eas.ignore.cmd", "com.openexchange.push.allowedClients", "push.malpoll.*", "push.udp.*",
		"com.openexchange.servlet.maxRateLenientClients", "com.openexchange.sessiond.maxSessionPerUser", "maxSessionPerClient",
		"com.openexchange.database.tombstone.cleanup.timespan", "noipcheck.cnf", "max_states_in_db", "concurrent_modification_max_sync_retries",
		"session_storage_time_limit", "json.access_limit.*", "json.ping.interval.*", "eas.ping.min_heartbeat",
	};
	struct buf page;
	size_t n;
	const struct conf_setting *s = conf_settings(&n);
	char *at, *end;

	read_whole("man/usmd.conf.5", &page);
	at = strstr(page.p, ".SH SETTINGS OF THE ORIGINAL");
	end = at != NULL ? strstr(at + 1, "\n.SH ") : NULL;
	ck_assert_ptr_nonnull(end);
	*end = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ck_assert_msg(strstr(at, names[i]) != NULL, "man/usmd.conf.5 says nothing of %s", names[i]);
	/* lines of .B and .BR hold names of settings here and there, in roff's quotes or not */
	for (char *save = NULL, *line = strtok_r(at, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		for (char *word = strncmp(line, ".B", 2) == 0 ? line + strcspn(line, " ") : line + strlen(line); *word != '\0';) {
			size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz_"), known = 0;

			for (size_t i = 0; i < n; i++)
				known += s[i].name != NULL && strlen(s[i].name) == len && memcmp(s[i].name, word, len) == 0;
			if (memchr(word, '_', len) != NULL && strchr(" \t", word[-1]) != NULL && strchr(" ,;.\n", word[len]) != NULL && strstr(line, "openexchange") == NULL &&
			    strstr(line, "(unpublished)") == NULL)
				ck_assert_msg(known == 1, "man/usmd.conf.5 names %.*s in place of one of the original's, and there is no such setting", (int)len, word);
			word += len > 0 ? len : 1;
		}
	buf_fini(&page);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tc = tcase_create("conf"), *files = tcase_create("files");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, good_lines);
	tcase_add_test(tc, wrong_lines);
	tcase_add_test(tc, table_is_sound);
	tcase_add_test(tc, dump_can_be_loaded_and_hides_passwords);
	tcase_add_test(tc, sample_file_agrees);
	tcase_add_test(tc, man_page_agrees);
	tcase_add_test(tc, limits_of_the_protocol_agree);
	tcase_add_checked_fixture(files, make_dir, remove_dir);
	tcase_add_test(files, reload);
	tcase_add_test(files, every_setting_is_told);
	tcase_add_test(files, settings_of_the_original);
	tcase_add_test(files, drop_ins_and_all_problems);
	tcase_add_test(files, differences);
	tcase_add_test(files, secrets);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, files);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
