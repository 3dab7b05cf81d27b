/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* usmsync: options, password, login, one run or --watch, the summary, the exit status. */
#include "client/client_int.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "usmd/pim.h"

enum { EXIT_OK = 0, EXIT_INCOMPLETE = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3, EXIT_LOGIN = 4, EXIT_AGAIN = 5 };

volatile sig_atomic_t client_stop;

static void
on_signal(int sig)
{
	(void)sig;
	client_stop = 1;
}

void
say(const struct client *c, const char *fmt, ...)
{
	va_list ap;

	if (c->o.quiet)
		return;
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

static void
tell(const struct client *c, const char *fmt, va_list ap)
{
	if (c->progress)
		(void)fprintf(stderr, "\r\033[K");
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
}

void
complain(struct client *c, const char *fmt, ...)
{
	va_list ap;

	c->t.refused++;
	va_start(ap, fmt);
	tell(c, fmt, ap);
	va_end(ap);
}

void
put_off(struct client *c, const char *fmt, ...)
{
	va_list ap;

	c->t.put_off++;
	va_start(ap, fmt);
	tell(c, fmt, ap);
	va_end(ap);
}

static void
usage(FILE *out)
{
	(void)fputs("usage: usmsync --server URL --user NAME --dir DIR [options] [command]\n"
	    "Keeps DIR in step with the account: contacts as .vcf, appointments and tasks as .ics, mails as .eml.\n"
	    "\n"
	    "  folders               list the folders with your rights\n"
	    "  rights FOLDER [set WHO=LEVEL ...] [remove WHO ...]\n"
	    "                        who may do what in FOLDER (its path in DIR), and change it; WHO: a name, #number, group:name\n"
	    "  conflicts [restore ID... | dismiss ID...]\n"
	    "                        list what lost a conflict, write it again at the server, or forget it\n"
	    "  freebusy WHO...       when people have time; WHO: a name, a mail address, #number, group:..., resource:...\n"
	    "  respond FILE accept|tentative|decline\n"
	    "                        answer the invitation in FILE: an appointment or task (.ics) or a mail (.eml) in DIR\n"
	    "  find WORDS...         what the server finds in contacts, appointments, tasks and mails, kept here or not\n"
	    "  who NAME...           who answers to names and addresses that begin so, with members of groups and lists\n"
	    "  rules [list | show N | on N | off N | delete N | move N POS | add NAME WHAT...]\n"
	    "                        the rules that the mail server applies to incoming mail; N as listed; usmsync(1) tells what WHAT is\n"
	    "  vacation [on | off | set WHAT...]\n"
	    "                        the absence notice: show it, switch it, change it (subject=, text-file=, days=, from=, to=, address=)\n"
	    "  signatures [list | show NAME | set NAME WHAT... | delete NAME]\n"
	    "                        the signatures that the server keeps; set makes or changes one (text-file=, html-file=, insertion=above or below,\n"
	    "                        default=yes or no, replies=yes or no, name=); NAME: also #N as listed\n"
	    "  whoami [set FIELD=VALUE ...]\n"
	    "                        your own entry, addresses, quota and settings at the server, and change them; an empty VALUE clears\n"
	    "  passwd                change the password; other devices have to log in again\n"
	    "  version [--check]     of the server; --check: is there a newer usmsync that the administrator announces?\n"
	    "  fetch FILE...         bring the whole mail in place of each FILE, a " STUB " of a folder in the mode headers\n"
	    "  send FILE...          send each FILE (a mail, .eml), once however often it is interrupted and repeated\n", out);
	(void)fputs("\n"
	    "  --server URL          where usmd answers, such as https://mail.example.com/usm-json, or unix:/path of its socket\n"
	    "  --user NAME           login name\n"
	    "  --dir DIR             directory to keep in step (made when it is not there)\n"
	    "  --device ID           name of this device at the server (default: made once, kept in DIR)\n"
	    "  --password-file FILE  first line of FILE is the password (else $USMSYNC_PASSWORD, else a prompt)\n"
	    "  --new-password-file FILE  passwd: first line of FILE is the new password (else a prompt)\n"
	    "  --policy WHO          who wins a conflict: server (default), client, or error\n"
	    "  --deletions yes|no    what was removed here and the server asks about: remove it there, or bring it back\n"
	    "  --mode FOLDER=MODE    what of FOLDER (its path in DIR) is synchronized: full, headers or off; may be repeated\n"
	    "  --first FOLDER        synchronize FOLDER before all others; may be repeated\n"
	    "  --limit N             objects asked for at once, 1 to 1000 (default 50)\n"
	    "  --in FOLDER           find: in this folder (its path in DIR) only\n"
	    "  --type TYPE           find: contact, appointment, task or mail only\n"
	    "  --from TEXT, --to TEXT, --subject TEXT, --body TEXT\n"
	    "                        find: mails with that in the sender, recipients, subject, text\n"
	    "  --save DIRECTORY      find: the found mails into files there\n"
	    "  --again               send: what may have been sent, but is not known to be, too\n"
	    "  --from TIME, --to TIME  freebusy: the range (default: today); TIME: 2028-01-31 or 2028-01-31T09:30\n"
	    "  --message TEXT        respond: for the organizer\n"
	    "  --occurrence DAY      respond: to this one day of a series\n"
	    "  --propose TIME[/TIME] respond: ask the organizer for another time\n"
	    "  --in-spite            respond accept: although it collides with something\n"
	    "  --watch               stay and follow changes of both sides until interrupted\n"
	    "  --ca-file FILE        certificate authorities to trust\n"
	    "  --drop-answers N      tests: throw the first N answers away after they came\n"
	    "  --quiet               print problems only\n"
	    "  --json                of what the commands print: as JSON\n"
	    "  --version, --help\n"
	    "\n"
	    "Exit status: 0 in step, 1 some objects were refused (each is named), 2 wrong usage, 3 server not reached, 4 login refused,\n"
	    "5 the server does not know yet what became of a change: the next run asks again.\n", out);
}

/* A wrong word is named alone: below it the whole usage would hide it. */
static int
misused(const char *fmt, ...) PRINTF_LIKE(1, 2);
static int
misused(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("usmsync: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputs("\nusmsync --help lists options and commands.\n", stderr);
	return EXIT_USAGE;
}
#ifdef __clang_analyzer__ /* which does not follow functions of any number of arguments */
#define misused(...) ((void)misused(__VA_ARGS__), EXIT_USAGE)
#endif

static bool
server_valid(const char *url)
{
	return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0 || strncmp(url, "unix:/", 6) == 0;
}

/* As usm-json(7), login, has it: another one would be kept in the directory and refused in each run. */
static bool
device_valid(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n >= 1 && n <= 64 && name[n] == '\0';
}

/* The options together, after each was read. */
static int
check_options(const struct options *o)
{
	if (!server_valid(o->server))
		return misused("--server takes https://..., http://... or unix:/path, not \"%s\"", o->server);
	if (o->device != NULL && !device_valid(o->device))
		return misused("--device takes 1 to 64 characters of A-Z a-z 0-9 . _ -, not \"%s\"", o->device);
	if (strcmp(o->policy, "server") != 0 && strcmp(o->policy, "client") != 0 && strcmp(o->policy, "error") != 0)
		return misused("--policy is server, client or error, not \"%s\"", o->policy);
	if (o->deletions != NULL && strcmp(o->deletions, "yes") != 0 && strcmp(o->deletions, "no") != 0)
		return misused("--deletions is yes or no, not \"%s\"", o->deletions);
	if (o->type != NULL && (model_content_by_name(o->type) == NULL || strcmp(o->type, "folder") == 0 || strcmp(model_content_by_name(o->type)->name, o->type) != 0))
		return misused("--type is contact, appointment, task or mail, not \"%s\"", o->type);
	if (o->type != NULL && strcmp(o->type, "mail") != 0 && (o->from != NULL || o->to != NULL || o->subject != NULL || o->body != NULL))
		return misused("--from, --to, --subject and --body are for --type mail");
	return 0;
}

static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option opts[] = {
		{ "server", required_argument, NULL, 's' }, { "user", required_argument, NULL, 'u' }, { "dir", required_argument, NULL, 'd' },
		{ "device", required_argument, NULL, 'D' }, { "password-file", required_argument, NULL, 'p' }, { "policy", required_argument, NULL, 'P' },
		{ "limit", required_argument, NULL, 'l' }, { "mode", required_argument, NULL, 'm' }, { "first", required_argument, NULL, 'f' }, { "watch", no_argument, NULL, 'w' }, { "ca-file", required_argument, NULL, 'c' },
		{ "drop-answers", required_argument, NULL, 'x' }, { "quiet", no_argument, NULL, 'q' }, { "json", no_argument, NULL, 'j' }, { "version", no_argument, NULL, 'V' },
		{ "deletions", required_argument, NULL, 'y' }, { "again", no_argument, NULL, 'a' }, { "new-password-file", required_argument, NULL, 'n' },
		{ "check", no_argument, NULL, 'k' }, { "help", no_argument, NULL, 'h' }, { "from", required_argument, NULL, 'F' },
		{ "to", required_argument, NULL, 'T' }, { "message", required_argument, NULL, 'M' }, { "occurrence", required_argument, NULL, 'O' },
		{ "propose", required_argument, NULL, 'N' }, { "in-spite", no_argument, NULL, 'I' }, { "in", required_argument, NULL, 'i' },
		{ "type", required_argument, NULL, 't' }, { "subject", required_argument, NULL, 'S' }, { "body", required_argument, NULL, 'B' },
		{ "save", required_argument, NULL, 'v' }, { NULL, 0, NULL, 0 },
	};
	int64_t v;
	int ch;

	memset(o, 0, sizeof(*o));
	o->policy = "server";
	o->limit = 50;
	while ((ch = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (ch) {
		case 's': o->server = optarg; break;
		case 'u': o->user = optarg; break;
		case 'd': o->dir = optarg; break;
		case 'D': o->device = optarg; break;
		case 'p': o->password_file = optarg; break;
		case 'P': o->policy = optarg; break;
		case 'n': o->new_password_file = optarg; break;
		case 'k': o->check = true; break;
		case 'y': o->deletions = optarg; break;
		case 'c': o->ca_file = optarg; break;
		case 'w': o->watch = true; break;
		case 'a': o->again = true; break;
		case 'i': o->in = optarg; break;
		case 't': o->type = optarg; break;
		case 'S': o->subject = optarg; break;
		case 'B': o->body = optarg; break;
		case 'v': o->save = optarg; break;
		case 'q': o->quiet = true; break;
		case 'j': o->json = true; break;
		case 'F': o->from = optarg; break;
		case 'T': o->to = optarg; break;
		case 'M': o->message = optarg; break;
		case 'O': o->occurrence = optarg; break;
		case 'N': o->propose = optarg; break;
		case 'I': o->in_spite = true; break;
		case 'm':
			if (!mode_valid(optarg) || o->n_modes == MAX_CHOICES)
				return misused("--mode takes FOLDER=full, FOLDER=headers or FOLDER=off, at most %d times, not \"%s\"", MAX_CHOICES, optarg);
			o->modes[o->n_modes++] = optarg;
			break;
		case 'f':
			if (o->n_first == MAX_CHOICES)
				return misused("--first may be given %d times", MAX_CHOICES);
			o->first[o->n_first++] = optarg;
			break;
		case 'l':
			if (!parse_i64(optarg, 1, 1000, &v))
				return misused("--limit takes a number from 1 to 1000, not \"%s\"", optarg);
			o->limit = (unsigned)v;
			break;
		case 'x':
			if (!parse_i64(optarg, 0, 1000000, &v))
				return misused("--drop-answers takes a number from 0 to 1000000, not \"%s\"", optarg);
			o->drop_answers = (unsigned)v;
			break;
		case 'V':
			(void)puts("usmsync " USMD_VERSION);
			return -1;
		case 'h':
			usage(stdout);
			return -1;
		default: /* getopt has named it */
			(void)fputs("usmsync --help lists options and commands.\n", stderr);
			return EXIT_USAGE;
		}
	}
	o->command = argv + optind;
	o->n_command = argc - optind;
	if (o->n_command > 0 && !command_known(o->command[0]))
		return misused("there is no command \"%s\"", o->command[0]);
	if (o->server == NULL || o->user == NULL || o->dir == NULL)
		return misused("%s is missing", o->server == NULL ? "--server" : o->user == NULL ? "--user" : "--dir");
	return check_options(o);
}

/* The directory belongs to one account at one server: another one would delete what it does not know.  ALLOWED: it has logged in, and is noted. */
static enum rc
check_account(struct client *c, bool allowed, struct err *e)
{
	char *known = state_get(c, "account");
	struct buf now;
	enum rc rc = RC_OK;

	buf_init(&now, 4096);
	buf_addf(&now, "%s %s", c->o.user, c->o.server);
	if (known == NULL)
		rc = allowed ? state_set(c, "account", now.p, e) : RC_OK;
	else if (strncmp(known, now.p, strlen(c->o.user) + 1) != 0)
		rc = err_set(e, RC_PROTO, "%s belongs to the account %s; use another directory for %s", c->o.dir, known, c->o.user);
	mem_free(known);
	buf_fini(&now);
	return rc;
}

static char *
device_name(struct client *c, struct err *e)
{
	char *d = state_get(c, "device");
	unsigned char rnd[6];
	char hex[13], name[40];

	if (d != NULL && (c->o.device == NULL || strcmp(c->o.device, d) == 0))
		return d;
	mem_free(d);
	random_bytes(rnd, sizeof(rnd));
	hex_encode(rnd, sizeof(rnd), hex);
	(void)snprintf(name, sizeof(name), "usmsync-%s", hex);
	d = mem_dup_str(c->o.device != NULL ? c->o.device : name);
	if (d == NULL || state_set(c, "device", d, e) != RC_OK) {
		mem_free(d);
		return NULL;
	}
	return d;
}

static enum rc
login(struct client *c, struct err *e)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:i}", "user", c->o.user, "password", c->password, "device", c->o.device, "protocol", 1), *data = NULL;
	const char *token;
	enum rc rc = body != NULL ? RC_TIMEOUT : err_set(e, RC_PROTO, "the user name or the password is no valid UTF-8");

	for (unsigned i = 0; rc == RC_TIMEOUT && i < MAX_LOST && !client_stop; i++)
		rc = net_call(c->net, "login", body, 120, &data, e);
	json_decref(body);
	token = json_string_value(json_object_get(data, "token"));
	if (rc == RC_OK && token == NULL)
		rc = err_set(e, RC_UPSTREAM, "the server's login gave no token");
	if (rc == RC_OK)
		net_token(c->net, token);
	if (json_is_string(json_object_get(json_object_get(data, "defaultFolders"), "inbox")))
		(void)snprintf(c->inbox, sizeof(c->inbox), "%s", json_string_value(json_object_get(json_object_get(data, "defaultFolders"), "inbox")));
	json_decref(data);
	return rc;
}

/* The session ends with the run; one that could not be ended expires by itself. */
static void
logout(struct client *c)
{
	json_t *body = json_object(), *data = NULL;
	struct err e;

	if (net_call(c->net, "logout", body, 10, &data, &e) != RC_OK)
		say(c, "logout: %s", e.text);
	json_decref(body);
	json_decref(data);
}

static int
exit_status(const struct client *c, enum rc rc, bool full)
{
	if (rc == RC_DENIED || full || (rc == RC_FORBIDDEN && c->o.n_command == 0))
		return EXIT_LOGIN;
	if (rc == RC_UPSTREAM || rc == RC_TIMEOUT)
		return EXIT_UNREACHABLE;
	if (rc != RC_OK || c->t.refused != 0 || (client_stop && !c->o.watch))
		return EXIT_INCOMPLETE;
	return c->t.put_off != 0 ? EXIT_AGAIN : EXIT_OK;
}

static int
run(struct client *c, char *password)
{
	struct err e = { 0 };
	char *device = NULL;
	bool in;
	enum rc rc;

	rc = dir_make(c, "", &e);
	if (rc == RC_OK && mkdir(c->o.dir, 0700) != 0 && errno != EEXIST)
		rc = err_set(&e, RC_PROTO, "the directory %s cannot be made: %s", c->o.dir, strerror(errno));
	if (rc == RC_OK)
		rc = state_open(c, &e);
	if (rc == RC_OK)
		rc = check_account(c, false, &e);
	if (rc == RC_OK && (device = device_name(c, &e)) == NULL)
		rc = RC_INTERNAL;
	c->o.device = device;
	c->password = password;
	if (rc == RC_OK)
		rc = state_todo_run(c, &e); /* what an interrupted run left to do */
	if (rc == RC_OK)
		rc = net_open(&c->o, &c->net, &e);
	if (rc == RC_OK)
		rc = login(c, &e);
	if (!c->o.watch && (c->o.n_command == 0 || strcmp(c->o.command[0], "passwd") != 0))
		secret_wipe(password, strlen(password));
	in = rc == RC_OK;
	if (rc == RC_OK)
		rc = check_account(c, true, &e);
	if (rc == RC_OK) {
		rc = c->o.n_command > 0 ? command_run(c, &e) : c->o.watch ? run_watch(c, login, &e) : run_once(c, &e);
		if (rc != RC_UPSTREAM && !client_stop)
			logout(c);
	}
	secret_wipe(password, strlen(password));
	if (rc != RC_OK)
		(void)fprintf(stderr, "usmsync: %s\n", e.text);
	if (c->o.n_command == 0 && in)
		say(c, "%zu objects received, %zu sent, %zu removed here, %zu conflicts, %zu problems, %zu left for the next run, %zu requests", c->t.down,
		    c->t.up, c->t.removed, c->t.conflicts, c->t.refused, c->t.put_off, c->t.requests);
	net_close(c->net);
	if (c->db != NULL)
		state_close(c);
	mem_free(device);
	/* a login that is refused since the user has too many devices: later is no better than now */
	return exit_status(c, rc, !in && rc == RC_PROTO && strcmp(e.code, "limit") == 0);
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct client c = { 0 };
	char password[512];
	int status = parse_options(argc, argv, &c.o);

	if (status != 0)
		return status < 0 ? EXIT_OK : status;
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	c.progress = isatty(STDERR_FILENO) != 0;
	c.skip = json_object();
	pim_init();
	if (!password_get(&c.o, password, sizeof(password)))
		return EXIT_USAGE;
	status = run(&c, password);
	json_decref(c.skip);
	json_decref(c.config);
	return status;
}
