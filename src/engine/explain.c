/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * "Why does the device not have it?": causes in the order in which they decide, the first that holds is the answer.  Each is a row of a table: a test
 * that writes what is so, and what to do about it; both are the one sentence of the answer.  A new cause is a new row, a paragraph in usmctl(8), and a case
 * in test_explain.
 */
#include "engine/explain_int.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define AT_TEXT 24

struct cause {
	const char *name;
	bool (*holds)(const struct look *l, struct buf *why);
	const char *remedy;
};

/* Local time, to the minute. */
static const char *
at_text(msec_t at, char out[AT_TEXT])
{
	time_t t = (time_t)(at / 1000);
	struct tm tm;

	out[0] = '\0';
	if (at == TIME_MIN || at == TIME_MAX || localtime_r(&t, &tm) == NULL || strftime(out, AT_TEXT, "%Y-%m-%d %H:%M", &tm) == 0)
		memcpy(out, "any time", sizeof("any time"));
	return out;
}

static const struct store_cursor *
newest(const struct look *l)
{
	return l->n_cur > 0 ? &l->cur[l->n_cur - 1] : NULL;
}

static bool
alive(const struct look *l)
{
	return l->row != NULL && !l->row->dead;
}

/* Does the device have the object, in whatever version, by what it was told last? */
static bool
told(const struct look *l)
{
	return newest(l) != NULL && alive(l) && sync_base_of(&newest(l)->c, l->row) != 0;
}

/* ---- the device ---- */

static bool
device_blocked(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	buf_addf(why, "The device is blocked since %s", at_text(l->dev->state_at, at));
	return l->dev->d.state == DEVICE_BLOCKED;
}

static bool
device_quarantined(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	buf_addf(why, "The device is quarantined since %s and gets nothing until an administrator allows it", at_text(l->dev->state_at, at));
	return l->dev->d.state == DEVICE_QUARANTINED;
}

/* ---- the folder ---- */

static bool
create_unknown(const struct look *l, struct buf *why)
{
	buf_adds(why, "The device has never sent an object with this id, or it was deleted again");
	return l->f == NULL && l->client_id != NULL;
}

static bool
object_unknown(const struct look *l, struct buf *why)
{
	buf_adds(why, "It is in no folder that any device of this user has synchronised: no device wants the folder, or the object is another user's");
	return l->f == NULL;
}

static bool
folder_gone(const struct look *l, struct buf *why)
{
	buf_addf(why, "The user does not see the folder %s any more: it was deleted, or is not shared with him now", l->f->oxid);
	return l->place != NULL && l->place->dead;
}

static bool
folder_unknown(const struct look *l, struct buf *why)
{
	buf_addf(why, "The folder %s is not among the user's folders: he has no right to see it, or it is new and the device has not asked for the folders since", l->f->oxid);
	return l->f->ct != CT_FOLDER && l->place == NULL;
}

static bool
may_not_read(const struct look *l, struct buf *why)
{
	int64_t bits;

	buf_addf(why, "The user may not read the folder %s, only put something into it", l->f->oxid);
	return look_rights(l, &bits) && rights_unpack(bits).read == 0;
}

static bool
type_off(const struct look *l, struct buf *why)
{
	buf_addf(why, "The device does not want objects of the type %s (its setting types.%s.sync)", model_content(l->f->ct)->name, model_content(l->f->ct)->name);
	return l->cfg->type_off[l->f->ct];
}

static bool
folder_off(const struct look *l, struct buf *why)
{
	buf_addf(why, "The device does not synchronise the folder %s: its mode there is off", l->f->oxid);
	return l->mode == MODE_OFF;
}

/* ---- the object ---- */

static bool
create_in_doubt(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	if (l->intent.at > 0)
		buf_addf(why, "The device has made it, the groupware server was told at %s and has not answered: the outcome is in doubt until the device asks again",
		    at_text(l->intent.at, at));
	else
		buf_adds(why, "The device has made it, and it surely did not reach the groupware server");
	return l->has_intent && l->intent.state == INTENT_PENDING && !alive(l);
}

static bool
ox_fails(const struct look *l, struct buf *why)
{
	const struct store_aside *x = look_aside(l, false);
	char since[AT_TEXT], next[AT_TEXT];

	if (x == NULL)
		return false;
	buf_addf(why, "It is set aside since %s: the groupware server names it and cannot deliver it (tried %u times, next try %s)", at_text(x->since, since), x->tries,
	    at_text(x->next_try, next));
	return true;
}

static bool
never_read(const struct look *l, struct buf *why)
{
	buf_addf(why, "No device has read the folder %s to its end yet, so nothing is known of the object", l->f->oxid);
	return l->row == NULL && !l->f->init;
}

static bool
own_only(const struct look *l, struct buf *why)
{
	int64_t bits;

	buf_addf(why, "The user may read only his own objects of the folder %s, and this is none of them as far as the groupware server shows it", l->f->oxid);
	return l->row == NULL && look_rights(l, &bits) && rights_unpack(bits).read == 1;
}

static bool
not_there(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	buf_addf(why, "The groupware server did not show it in the folder %s when it was asked (%s or later): it is newer, private, or has never been there", l->f->oxid,
	    at_text(l->f->seen_at, at));
	return l->row == NULL;
}

static void
add_deleter(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	for (size_t i = 0; i < l->n_journal; i++)
		if (l->journal[i].what == JOURNAL_DELETED) {
			buf_addf(why, " by the device %s at %s", l->journal[i].device, at_text(l->journal[i].at, at));
			return;
		}
	buf_addf(why, " at the groupware server or by another client, noticed not later than %s", at_text(l->f->seen_at, at));
}

static bool
deletion_untold(const struct look *l, struct buf *why)
{
	buf_adds(why, "It was deleted");
	add_deleter(l, why);
	buf_adds(why, ", and the device has not been told yet and still shows it");
	return l->row != NULL && l->row->dead && newest(l) != NULL && newest(l)->c.epoch == l->f->epoch && newest(l)->c.lo < l->row->cn &&
	    l->row->first_cn <= newest(l)->c.lo;
}

static bool
deleted(const struct look *l, struct buf *why)
{
	buf_adds(why, "It was deleted");
	add_deleter(l, why);
	return l->row != NULL && l->row->dead;
}

static bool
rejected(const struct look *l, struct buf *why)
{
	const struct store_aside *x = look_aside(l, true);
	char at[AT_TEXT];

	if (x == NULL || (uint64_t)x->version < l->row->cn)
		return false;
	if (strcmp(x->reason, STORE_SKIPPED) == 0)
		buf_addf(why, "It is set aside for the device since %s, by an administrator, until it changes", at_text(x->since, at));
	else
		buf_addf(why, "It is set aside since %s because the device could not store it (\"%s\"), until it changes", at_text(x->since, at), x->reason);
	return true;
}

static bool
marked_deleted(const struct look *l, struct buf *why)
{
	buf_adds(why, "The mail is marked as deleted in its folder: devices get it no more");
	return l->row->t0 > l->row->t1;
}

static bool
outside_window(const struct look *l, struct buf *why)
{
	char from[AT_TEXT], to[AT_TEXT], w0[AT_TEXT], w1[AT_TEXT];

	buf_addf(why, "It is outside the time that the device synchronises: it lasts from %s to %s, the device gets %s to %s", at_text(l->row->t0, from),
	    at_text(l->row->t1, to), at_text(l->w0, w0), at_text(l->w1, w1));
	return l->row->t0 <= l->row->t1 && !sync_in_window(l->row, l->w0, l->w1);
}

/* ---- what the device was told ---- */

static bool
never_synced(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	buf_addf(why, "The device has never synchronised the folder %s, or not since its state was dropped; it last logged in at %s", l->f->oxid,
	    at_text(l->dev->seen_at, at));
	return l->n_cur == 0;
}

static bool
must_reconcile(const struct look *l, struct buf *why)
{
	buf_addf(why, "The folder %s was made anew since the device last synchronised it, which has to compare it", l->f->oxid);
	return newest(l)->c.epoch != l->f->epoch;
}

static bool
too_many(const struct look *l, struct buf *why)
{
	const struct view *v = &newest(l)->c.view;

	buf_addf(why, "The folder has more objects than a device gets of one (max_objects_per_folder = %zu): this one is among the oldest and stays on the server",
	    l->g->o.max_objects);
	return !told(l) && !v->filled && l->g->o.max_objects > 0 && v->n_filled >= l->g->o.max_objects && !sync_in_view(l->row, v);
}

static bool
not_logged_in(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	buf_addf(why, "It is still to be sent, but the device is not logged in since its session ended (it last logged in at %s)", at_text(l->dev->seen_at, at));
	return !told(l) && l->dev->expires == 0;
}

static bool
filling(const struct look *l, struct buf *why)
{
	const struct view *v = &newest(l)->c.view;

	buf_addf(why, "The device is still loading the folder %s for the first time, newest first: %" PRIu64 " objects were sent, this one comes later", l->f->oxid,
	    v->n_filled);
	return !told(l) && !v->filled && l->row->cn <= newest(l)->c.pos;
}

static bool
still_to_be_sent(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];
	msec_t synced = syncid_time(&newest(l)->syncid);

	buf_addf(why, "It is still to be sent: the device has last got something of the folder %s at %s, and the object came after that", l->f->oxid,
	    synced > 0 ? at_text(synced, at) : "an unknown time");
	return !told(l);
}

static bool
held(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	buf_addf(why, "The device wanted to delete %" PRId64 " objects of this folder at once at %s; that is held until it is confirmed, so the device may show it no "
	    "more although it is still there", l->guard.held, at_text(l->guard.held_at, at));
	return l->guard.held > 0;
}

static bool
write_in_doubt(const struct look *l, struct buf *why)
{
	buf_adds(why, "The device has it and has changed it; whether the groupware server took the change is in doubt until the device asks again");
	for (size_t i = 0; i < l->n_writes; i++)
		if (l->writes[i].id == l->id && !l->writes[i].done && l->writes[i].cn == 0)
			return true;
	return false;
}

static bool
in_conflict(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];

	for (size_t i = 0; i < l->n_conflict; i++)
		if (l->conflict[i].what == 1) {
			buf_addf(why, "The device has the version that won: at %s both sides had changed it, and the other version (found by the device %s) is kept as an open conflict",
			    at_text(l->conflict[i].at, at), l->conflict[i].device);
			return true;
		}
	return false;
}

/* Fields that have changed since, and that the device gets. */
static void
behind(const struct look *l, struct fmask *out)
{
	struct fmask hidden;

	sync_changed_fields(l->row, sync_base_of(&newest(l)->c, l->row), out);
	sync_hidden_of(&newest(l)->c, l->row, &hidden);
	fmask_minus(out, &hidden);
	fmask_minus(out, &l->hidden);
}

static bool
older_version(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];
	struct fmask m;
	msec_t synced = syncid_time(&newest(l)->syncid);

	behind(l, &m);
	buf_addf(why, "The device has an older version, of %s or before: the changes since are still to be sent", synced > 0 ? at_text(synced, at) : "an unknown time");
	return !fmask_empty(&m);
}

static bool
fields_hidden(const struct look *l, struct buf *why)
{
	bool some = l->mode == MODE_HEADERS && l->f->ct == CT_MAIL;

	for (unsigned k = 0; k < l->row->nf; k++)
		some = some || (l->row->f[k].fp != 0 && fmask_has(&l->hidden, l->row->f[k].i));
	buf_addf(why, "The device has it, but not all of it: %s", l->mode == MODE_HEADERS ? "its mode for the folder is headers" : "it has excluded fields of this type");
	return some;
}

static bool
unconfirmed(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];
	msec_t synced = syncid_time(&newest(l)->syncid);

	buf_addf(why, "It was sent with the last answer (%s), whose receipt the device has not confirmed by another sync yet", synced > 0 ? at_text(synced, at) : "time unknown");
	return l->n_cur > 1 && sync_base_of(&l->cur[0].c, l->row) == 0;
}

static bool
has_it(const struct look *l, struct buf *why)
{
	char at[AT_TEXT];
	msec_t synced = syncid_time(&newest(l)->syncid);

	buf_addf(why, "The device has it, in the version that the groupware server had when it was last asked (the last answer with changes of this folder was at %s)",
	    synced > 0 ? at_text(synced, at) : "an unknown time");
	return true;
}

/* Each may rely on what the ones before it have excluded: behind object_unknown there is a folder, behind deleted a live row, behind never_synced a cursor. */
static const struct cause causes[] = {
	{ "device-blocked", device_blocked, "usmctl device allow lets it in again" },
	{ "device-quarantined", device_quarantined, "usmctl device allow lets it in" },
	{ "create-unknown", create_unknown, "look at the device whether the object waits there, and let it synchronise" },
	{ "object-unknown", object_unknown, "check the uuid and --user, and let a device synchronise the folder" },
	{ "folder-gone", folder_gone, "its owner can share it again, and one that was deleted has to be made again at the groupware server" },
	{ "folder-unknown", folder_unknown, "its owner can share it with him, and the device finds a new one at its next sync" },
	{ "no-permission", may_not_read, "the folder's owner can give him the right to read" },
	{ "type-off", type_off, "switch the type on in the client's settings" },
	{ "folder-off", folder_off, "choose the folder in the client's settings" },
	{ "create-in-doubt", create_in_doubt, "let the device synchronise: it asks and sends again what did not arrive, and nothing is made twice" },
	{ "ox-fails", ox_fails, "the groupware server's log tells why it fails, and usmctl aside --retry --user asks at once when that is mended" },
	{ "never-read", never_read, "let the device synchronise the folder to its end" },
	{ "own-objects-only", own_only, "the folder's owner can give him the right to read all of them" },
	{ "not-there", not_there, "look whether the user himself sees it at the groupware server, and if so let the device synchronise" },
	{ "deletion-untold", deletion_untold, "the next sync tells the device, and usmctl undo brings back what a device has deleted" },
	{ "deleted", deleted, "usmctl undo brings back what a device has deleted, anything else has to be made again at the groupware server" },
	{ "rejected-by-device", rejected, "usmctl aside --retry has it sent again, once what kept the device from it is mended" },
	{ "marked-deleted", marked_deleted, "whoever wants it back takes the mark away in a mail program" },
	{ "outside-window", outside_window, "widen the time in the client's settings, or calendar_past, calendar_future and mail_past in usmd.conf" },
	{ "never-synced", never_synced, "let the device synchronise it" },
	{ "must-reconcile", must_reconcile, "let the device synchronise: it does so by itself" },
	{ "too-many-objects", too_many, "raise max_objects_per_folder, or move objects into other folders" },
	{ "not-logged-in", not_logged_in, "log in with the device again" },
	{ "first-fill", filling, "let the device go on until it has all" },
	{ "to-be-sent", still_to_be_sent, "let the device synchronise" },
	{ "deletions-held", held, "decide with usmctl held --release or --refuse" },
	{ "write-in-doubt", write_in_doubt, "let the device synchronise: it asks, and nothing is changed twice" },
	{ "conflict", in_conflict, "the user can restore the other version with his client or dismiss it, and usmctl conflicts lists it" },
	{ "older-version", older_version, "let the device synchronise" },
	{ "fields-hidden", fields_hidden, "change that in the client's settings if all of it is wanted" },
	{ "unconfirmed", unconfirmed, "let the device synchronise once more" },
	{ "has-it", has_it, "if it does not show it, look at the device itself, or let it compare the folder anew with usmctl resync" },
};

/* ---- details ---- */

static json_t *
at_json(msec_t at)
{
	return at == 0 || at == TIME_MIN || at == TIME_MAX ? json_null() : json_integer((json_int_t)at);
}

static json_t *
fields_json(const struct look *l, const struct fmask *m)
{
	const struct content_type *t = model_content(l->f->ct);
	json_t *list = json_array();

	for (unsigned k = 0; k < l->row->nf; k++)
		if (l->row->f[k].i < t->n_fields && fmask_has(m, l->row->f[k].i))
			(void)json_array_append_new(list, json_string(t->fields[l->row->f[k].i].name));
	return list;
}

static json_t *
events_json(const struct store_event *x, size_t n, const char *const *words)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_pack("{s:o,s:s,s:s}", "at", at_json(x[i].at), "device", x[i].device, "what", words[x[i].what]));
	return list;
}

static json_t *
device_json(const struct look *l)
{
	static const char *const states[] = { "allowed", "quarantined", "blocked" };
	const struct store_device_info *d = l->dev;

	return json_pack("{s:s,s:I,s:I,s:s,s:s,s:o,s:o}", "name", d->d.name, "context", (json_int_t)d->context_id, "user", (json_int_t)d->user_id, "state",
	    states[d->d.state <= DEVICE_BLOCKED ? d->d.state : DEVICE_BLOCKED], "client", d->d.agent, "login_at", at_json(d->seen_at), "session_until", at_json(d->expires));
}

static json_t *
folder_json(const struct look *l)
{
	const struct store_folder *f = l->f;
	int64_t bits;
	json_t *o = json_pack("{s:s,s:s,s:s,s:o,s:o,s:I,s:I}", "id", f->oxid, "type", model_content(f->ct)->name, "mode", folder_mode_name(l->mode),
	    "asked_at", at_json(f->seen_at), "listed_at", at_json(f->listed_at), "objects", (json_int_t)f->live, "change", (json_int_t)f->cn);

	if (look_rights(l, &bits))
		(void)json_object_set_new(o, "rights", json_string(rights_level(bits)));
	return o;
}

static json_t *
row_json(const struct look *l)
{
	char uuid[UUID_TEXT];
	json_t *o;

	uuid_format(&l->uuid, uuid);
	o = json_pack("{s:s,s:s,s:I}", "uuid", uuid, "state", l->row == NULL ? "unknown" : l->row->dead ? "deleted" : "there", "id", (json_int_t)l->id);
	if (l->row == NULL)
		return o;
	(void)json_object_set_new(o, "change", json_integer((json_int_t)l->row->cn));
	(void)json_object_set_new(o, "first_change", json_integer((json_int_t)l->row->first_cn));
	(void)json_object_set_new(o, "last_modified", at_json(l->row->lm));
	(void)json_object_set_new(o, "begins", at_json(l->row->t0));
	(void)json_object_set_new(o, "ends", at_json(l->row->t1));
	(void)json_object_set_new(o, "hidden", fields_json(l, &l->hidden));
	return o;
}

static json_t *
known_json(const struct look *l)
{
	const struct store_cursor *c = newest(l);
	struct fmask m = { { 0 } };
	json_t *o;

	if (c == NULL)
		return json_null();
	o = json_pack("{s:o,s:I,s:I,s:b,s:b,s:o,s:o,s:b}", "synced_at", at_json(syncid_time(&c->syncid)), "settled", (json_int_t)c->c.lo, "paged", (json_int_t)c->c.pos,
	    "more", c->more, "filled", c->c.view.filled, "window_from", at_json(c->c.view.w0), "window_to", at_json(c->c.view.w1), "told", told(l));
	if (!told(l))
		return o;
	behind(l, &m);
	(void)json_object_set_new(o, "behind", fields_json(l, &m));
	return o;
}

static json_t *
details_of(const struct look *l, const char *cause)
{
	static const char *const ops[] = { "", "overwritten", "deleted" }, *const open[] = { "settled", "open" };
	const struct store_aside *x;
	json_t *o = json_pack("{s:s,s:o}", "cause", cause, "device", device_json(l));

	if (l->f == NULL)
		return o;
	(void)json_object_set_new(o, "folder", folder_json(l));
	(void)json_object_set_new(o, "object", row_json(l));
	(void)json_object_set_new(o, "known_to_device", known_json(l));
	(void)json_object_set_new(o, "window", json_pack("{s:o,s:o}", "from", at_json(l->w0), "to", at_json(l->w1)));
	(void)json_object_set_new(o, "journal", events_json(l->journal, l->n_journal, ops));
	(void)json_object_set_new(o, "conflicts", events_json(l->conflict, l->n_conflict, open));
	for (unsigned device = 0; device < 2; device++) {
		x = look_aside(l, device != 0);
		if (x != NULL)
			(void)json_object_set_new(o, device != 0 ? "rejected" : "undeliverable",
			    json_pack("{s:o,s:i,s:o,s:s}", "since", at_json(x->since), "tries", (int)x->tries, "next", at_json(x->next_try), "reason", x->reason));
	}
	if (l->guard.held > 0)
		(void)json_object_set_new(o, "held", json_pack("{s:I,s:o}", "deletions", (json_int_t)l->guard.held, "at", at_json(l->guard.held_at)));
	return o;
}

const char *
engine_explain_cause(size_t i)
{
	return i < ARRAY_LEN(causes) ? causes[i].name : NULL;
}

static enum rc
judge(const struct look *l, struct explanation *out, struct err *e)
{
	struct buf why;
	size_t i = 0;

	buf_init(&why, 4096);
	while (!causes[i].holds(l, &why)) {
		buf_reset(&why);
		i++;
	}
	*out = (struct explanation){ .cause = causes[i].name, .remedy = causes[i].remedy, .text = why.p != NULL ? arena_printf(l->a, "%s; %s.", why.p, causes[i].remedy) : NULL };
	buf_fini(&why);
	if (out->text == NULL)
		return err_set(e, RC_NOMEM, "out of memory for an explanation");
	out->details = details_of(l, out->cause);
	return out->details != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for an explanation");
}

enum rc
engine_explain(struct engine *g, struct store_conn *c, struct arena *a, const struct explain_want *want, struct explanation *out, size_t *n, struct err *e)
{
	struct store_device_info dev;
	struct device_config cfg;
	struct look base = { .g = g, .c = c, .a = a, .dev = &dev, .cfg = &cfg }, *found = arena_array(a, struct look, EXPLAIN_MAX);
	size_t n_found = 0;
	enum rc rc = found != NULL ? store_device_info(c, a, want->device, &dev, e) : err_set(e, RC_NOMEM, "out of memory for an explanation");

	*n = 0;
	if (rc != RC_OK)
		return rc;
	config_of_text(g, dev.d.config, &cfg);
	rc = store_folders_of(c, a, dev.d.account, &base.folders, &base.n_folders, e);
	for (size_t i = 0; i < base.n_folders; i++)
		if (base.folders[i].ct == CT_FOLDER)
			base.hier = &base.folders[i];
	if (rc == RC_OK)
		rc = look_find(&base, want, found, &n_found, e);
	for (size_t i = 0; rc == RC_OK && i < n_found; i++) {
		rc = judge(&found[i], &out[i], e);
		*n += rc == RC_OK;
	}
	for (size_t i = 0; rc != RC_OK && i < *n; i++)
		json_decref(out[i].details);
	config_fini(&cfg);
	return rc;
}

/* ---- the cache ---- */

enum rc
engine_quick_list(struct store_conn *c, struct arena *a, int64_t account, int64_t device, const char ***keys, size_t *n, struct err *e)
{
	unsigned char (*hash)[32];
	struct syncid *ids;
	size_t n_hash, n_ids;
	enum rc rc = store_session_hashes(c, a, account, device, &hash, &n_hash, e);

	*n = 0;
	*keys = NULL;
	if (rc == RC_OK)
		rc = store_account_syncids(c, a, account, device, &ids, &n_ids, e);
	if (rc == RC_OK)
		rc = quick_keys(a, ids, n_ids, n_hash, keys, n, e);
	for (size_t i = 0; rc == RC_OK && i < n_hash; i++) {
		char *key = arena_alloc(a, PASSWORD_NAME);

		if (key == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
		password_cache_name(hash[i], key, PASSWORD_NAME);
		(*keys)[(*n)++] = key;
	}
	return rc;
}

void
engine_quick_drop(struct engine *g, const char *const *keys, size_t n)
{
	if (n > 0)
		cache_del(g->cache, keys, n);
}
