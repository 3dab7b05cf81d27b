-- SPDX-License-Identifier: AGPL-3.0-or-later
-- Tables of usmd.  Times are int8 milliseconds since the epoch (UTC), as in the code; unsigned 64-bit values are
-- stored with their bits as int8.  Columns are ordered by alignment, widest first: padding would cost up to 14 % of a
-- small row.
--
-- Foreign keys stand only between the small, rarely written tables.  On pim_row, mail_row, cursor and write_log each
-- insert would lock and so dirty the folder's or device's row; whoever drops a folder or device deletes their rows in the same
-- transaction instead (store_folder_drop, store_expire).
--
-- Not partitioned: one node's data (10,000 accounts of 10,000 objects are 25 GB) fit one heap each, and every statement that touches
-- pim_row, mail_row or cursor names the folder, so PARTITION BY HASH (folder) is possible later without a change to the code.

CREATE TABLE usmd.account (
	id         int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	context_id int8 NOT NULL,
	user_id    int8 NOT NULL,
	UNIQUE (context_id, user_id)
);
COMMENT ON TABLE usmd.account IS 'OX users that have logged in through usmd. User 0 of a context stands for indexes that all its users share.';
COMMENT ON COLUMN usmd.account.id IS 'Number of the account in all other tables.';
COMMENT ON COLUMN usmd.account.context_id IS 'OX context number.';
COMMENT ON COLUMN usmd.account.user_id IS 'OX user number within the context.';

CREATE TABLE usmd.device (
	account int8 NOT NULL REFERENCES usmd.account ON DELETE CASCADE,
	seen_at int8 NOT NULL,
	id      int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name    text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
	config  text NOT NULL DEFAULT '{}',
	UNIQUE (account, name)
);
CREATE INDEX device_seen_at ON usmd.device (seen_at) WHERE seen_at > 0;
COMMENT ON TABLE usmd.device IS 'Client installations: one row for each name that a client of an account calls itself.';
COMMENT ON COLUMN usmd.device.id IS 'Number of the device in all other tables.';
COMMENT ON COLUMN usmd.device.account IS 'Whose device it is.';
COMMENT ON COLUMN usmd.device.seen_at IS 'Last login (ms). The sync state of a device without session for longer than tombstones are kept is dropped, and this becomes 0.';
COMMENT ON COLUMN usmd.device.name IS 'As the client calls itself.';
COMMENT ON COLUMN usmd.device.config IS 'JSON text of setConfig.';

CREATE TABLE usmd.session (
	token_hash bytea NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
	account    int8  NOT NULL REFERENCES usmd.account ON DELETE CASCADE,
	expires    int8  NOT NULL,
	device     int4  NOT NULL REFERENCES usmd.device ON DELETE CASCADE
);
CREATE INDEX session_expires ON usmd.session (expires);
CREATE INDEX session_device ON usmd.session (device);
COMMENT ON TABLE usmd.session IS 'Logged-in clients. The token itself is never stored.';
COMMENT ON COLUMN usmd.session.token_hash IS 'SHA-256 of the token.';
COMMENT ON COLUMN usmd.session.account IS 'Who is logged in.';
COMMENT ON COLUMN usmd.session.device IS 'With which device.';
COMMENT ON COLUMN usmd.session.expires IS 'Ends at (ms); from then on it is not found.';

CREATE TABLE usmd.folder (
	account   int8 NOT NULL REFERENCES usmd.account ON DELETE CASCADE,
	epoch     int8 NOT NULL,
	cn        int8 NOT NULL DEFAULT 0,
	fence     int8 NOT NULL DEFAULT 0,
	ox_ts     int8 NOT NULL DEFAULT 0,
	seen_at   int8 NOT NULL DEFAULT 0,
	listed_at int8 NOT NULL DEFAULT 0,
	validity  int8 NOT NULL DEFAULT 0,
	uidnext   int8 NOT NULL DEFAULT 0,
	total     int8 NOT NULL DEFAULT 0,
	unread    int8 NOT NULL DEFAULT 0,
	mark_cn   int8 NOT NULL DEFAULT 0,
	mark_at   int8 NOT NULL DEFAULT 0,
	id        int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	ct        int2 NOT NULL,
	init      bool NOT NULL DEFAULT false,
	oxid      text NOT NULL,
	UNIQUE (account, ct, oxid)
);
CREATE INDEX folder_mark_at ON usmd.folder (mark_at);
COMMENT ON TABLE usmd.folder IS 'Heads of the folder indexes: one for each account and folder, shared by all its devices.';
COMMENT ON COLUMN usmd.folder.account IS 'Whose view of the folder it is.';
COMMENT ON COLUMN usmd.folder.epoch IS 'Random; new whenever change numbers start again, which makes all older syncids unknown.';
COMMENT ON COLUMN usmd.folder.cn IS 'Last change number given out.';
COMMENT ON COLUMN usmd.folder.fence IS '+1 with every saved merge: a task that lost its lock cannot save over a newer one.';
COMMENT ON COLUMN usmd.folder.ox_ts IS 'OX timestamp that the next `updates` starts from (less an overlap); never moves back.';
COMMENT ON COLUMN usmd.folder.seen_at IS 'When OX was last asked and the answer saved (ms); coarse, as an unchanged refresh writes nothing.';
COMMENT ON COLUMN usmd.folder.listed_at IS 'Last complete listing (ms).';
COMMENT ON COLUMN usmd.folder.validity IS 'Mail: UIDVALIDITY.';
COMMENT ON COLUMN usmd.folder.uidnext IS 'Mail: UIDNEXT when last asked.';
COMMENT ON COLUMN usmd.folder.total IS 'Mail: number of mails when last asked.';
COMMENT ON COLUMN usmd.folder.unread IS 'Mail: number of unread mails when last asked.';
COMMENT ON COLUMN usmd.folder.mark_cn IS 'cn of the folder at mark_at: tombstones up to here are older than mark_at.';
COMMENT ON COLUMN usmd.folder.mark_at IS 'When mark_cn was noted (ms); dates tombstones without a column in each of them.';
COMMENT ON COLUMN usmd.folder.id IS 'Number of the index in all other tables.';
COMMENT ON COLUMN usmd.folder.ct IS 'Content type: 0 folder hierarchy, 1 contacts, 2 calendar, 3 tasks, 4 mail.';
COMMENT ON COLUMN usmd.folder.init IS 'A complete listing was merged at least once.';
COMMENT ON COLUMN usmd.folder.oxid IS 'OX folder id.';

CREATE TABLE usmd.pim_row (
	id     int8 NOT NULL,
	cn     int8 NOT NULL,
	sk     int8,
	cid    int8,
	folder int4 NOT NULL,
	dead   bool NOT NULL,
	odd    bool NOT NULL,
	body   bytea NOT NULL,
	PRIMARY KEY (folder, id) WITH (fillfactor = 100)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
-- 64 neighbouring change numbers share one index key: btree deduplication then stores about 7 bytes a row, not 28.
-- Readers give the group as a range and sort inside it, so they read at most 63 rows too many.
CREATE INDEX pim_row_cn ON usmd.pim_row (folder, (cn >> 6)) WITH (fillfactor = 100);
-- The same with time: 2^30 ms are 12.4 days.
CREATE INDEX pim_row_sk ON usmd.pim_row (folder, (sk >> 30)) WITH (fillfactor = 100) WHERE sk IS NOT NULL AND NOT dead;
CREATE INDEX pim_row_odd ON usmd.pim_row (folder) WHERE odd AND NOT dead;
CREATE INDEX pim_row_cid ON usmd.pim_row (folder, cid) WHERE cid IS NOT NULL;
CREATE INDEX pim_row_dead ON usmd.pim_row (folder, cn) WHERE dead;
COMMENT ON TABLE usmd.pim_row IS 'One row for each object of a folder index (contacts, appointments, tasks, folders of the hierarchy), tombstones included. Measured with indexes (10,000 rows): 244 bytes with 16 fields set, appointment with 12 fields 246.';
COMMENT ON COLUMN usmd.pim_row.id IS 'OX id; a negative keyed hash where OX''s id is no number.';
COMMENT ON COLUMN usmd.pim_row.cn IS 'Change number of the last change.';
COMMENT ON COLUMN usmd.pim_row.sk IS 'Sort key of the first fill (start, ms) in calendars and task lists, of folders their place by type; NULL where the id orders.';
COMMENT ON COLUMN usmd.pim_row.cid IS 'Hash of the client''s id of an object that one of our clients made; NULL for all others.';
COMMENT ON COLUMN usmd.pim_row.folder IS 'Number of the folder index.';
COMMENT ON COLUMN usmd.pim_row.dead IS 'Tombstone: cn is that of the deletion.';
COMMENT ON COLUMN usmd.pim_row.odd IS 'Its time range cannot be found through sk (ends more than 32 days after it begins: a series with an end).';
COMMENT ON COLUMN usmd.pim_row.body IS 'Packed rest of the row (row_pack in src/model): first_cn, keycn, last_modified, time range, and a fingerprint and change number a field.';

CREATE TABLE usmd.mail_row (
	id     int8 NOT NULL,
	cn     int8 NOT NULL,
	cid    int8,
	folder int4 NOT NULL,
	dead   bool NOT NULL,
	body   bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
-- No unique index on purpose: with its 28 bytes a mail would pass 100.  Grouped keys (see pim_row_cn) cost 7.  Uniqueness
-- is kept by the writers: every merge saves rows and the folder's fence in one transaction, so two cannot both commit.
CREATE INDEX mail_row_id ON usmd.mail_row (folder, (id >> 6)) WITH (fillfactor = 100);
CREATE INDEX mail_row_cn ON usmd.mail_row (folder, (cn >> 6)) WITH (fillfactor = 100);
CREATE INDEX mail_row_cid ON usmd.mail_row (folder, cid) WHERE cid IS NOT NULL;
CREATE INDEX mail_row_dead ON usmd.mail_row (folder, cn) WHERE dead;
COMMENT ON TABLE usmd.mail_row IS 'One row for each mail of a folder index, tombstones included; slimmer than pim_row: measured 99 bytes with indexes (10,000 mails, every fourth with a label).';
COMMENT ON COLUMN usmd.mail_row.id IS 'IMAP uid; (folder, id) is unique, see the comment at its index.';
COMMENT ON COLUMN usmd.mail_row.cn IS 'Change number of the last change.';
COMMENT ON COLUMN usmd.mail_row.cid IS 'Hash of the client''s id of a mail that one of our clients made; NULL for all others.';
COMMENT ON COLUMN usmd.mail_row.folder IS 'Number of the folder index.';
COMMENT ON COLUMN usmd.mail_row.dead IS 'Tombstone: cn is that of the deletion.';
COMMENT ON COLUMN usmd.mail_row.body IS 'Packed rest of the row (row_pack in src/model): first_cn, keycn, date, fingerprints of flags and label.';

CREATE TABLE usmd.mail_span (
	block  int8 NOT NULL,
	t0     int8 NOT NULL,
	t1     int8 NOT NULL,
	folder int4 NOT NULL,
	PRIMARY KEY (folder, block)
);
COMMENT ON TABLE usmd.mail_span IS 'Oldest and newest date of each block of 1,024 uids: finds the mails that a moving time window lets in or out without a date index of 15 bytes a mail.';
COMMENT ON COLUMN usmd.mail_span.block IS 'uid / 1024.';
COMMENT ON COLUMN usmd.mail_span.t0 IS 'No mail of the block is older (ms).';
COMMENT ON COLUMN usmd.mail_span.t1 IS 'No mail of the block is newer (ms).';
COMMENT ON COLUMN usmd.mail_span.folder IS 'Number of the folder index.';

CREATE TABLE usmd.cursor (
	seq    int8 NOT NULL,
	k      int8 NOT NULL,
	lo     int8 NOT NULL,
	device int4 NOT NULL,
	folder int4 NOT NULL,
	more   bool NOT NULL,
	syncid uuid NOT NULL,
	body   bytea NOT NULL,
	PRIMARY KEY (device, folder, seq)
);
CREATE INDEX cursor_folder ON usmd.cursor (folder);
COMMENT ON TABLE usmd.cursor IS 'What a client has of a folder, under the syncid that it was handed out with. Immutable but for k; at most five for each device and folder, pruned on use. Measured: 2 cursors 614 bytes, 5 cursors 1003.';
COMMENT ON COLUMN usmd.cursor.device IS 'Whose cursor.';
COMMENT ON COLUMN usmd.cursor.seq IS 'Order in which the syncids of this device and folder were handed out.';
COMMENT ON COLUMN usmd.cursor.k IS 'Highest request number that carried changes with this syncid; a smaller one is refused.';
COMMENT ON COLUMN usmd.cursor.lo IS 'Copy of lo in body: tombstones above it are still needed.';
COMMENT ON COLUMN usmd.cursor.folder IS 'Number of the folder index.';
COMMENT ON COLUMN usmd.cursor.more IS 'The answer was a page with more to come.';
COMMENT ON COLUMN usmd.cursor.syncid IS 'Random; found among the few rows of (device, folder), so it needs no index.';
COMMENT ON COLUMN usmd.cursor.body IS 'Packed cursor (cursor_pack in src/model).';

CREATE TABLE usmd.write_log (
	wid    int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	object int8 NOT NULL,
	seq    int8 NOT NULL,
	cn     int8 NOT NULL,
	lm     int8 NOT NULL,
	device int4 NOT NULL,
	folder int4 NOT NULL,
	done   bool NOT NULL,
	fields bytea NOT NULL
);
CREATE INDEX write_log_device ON usmd.write_log (device, folder, wid);
COMMENT ON TABLE usmd.write_log IS 'What a device wrote and was not yet seen to have been told: its own writes are no conflicts with itself.';
COMMENT ON COLUMN usmd.write_log.wid IS 'Key.';
COMMENT ON COLUMN usmd.write_log.device IS 'Who wrote.';
COMMENT ON COLUMN usmd.write_log.object IS 'Object id, as pim_row.id or mail_row.id.';
COMMENT ON COLUMN usmd.write_log.seq IS 'seq of the first answer that told the device; 0 = none yet.';
COMMENT ON COLUMN usmd.write_log.cn IS 'Change number of the row when read back; 0 = outcome not known yet.';
COMMENT ON COLUMN usmd.write_log.lm IS 'Timestamp that OX answered to the write (ms).';
COMMENT ON COLUMN usmd.write_log.folder IS 'Number of the folder index.';
COMMENT ON COLUMN usmd.write_log.done IS 'OX said that it was done.';
COMMENT ON COLUMN usmd.write_log.fields IS 'Packed: number of each field, fingerprint as sent, change number that it got.';

CREATE TABLE usmd.intent (
	object    int8 NOT NULL,
	at        int8 NOT NULL,
	seq       int8 NOT NULL,
	device    int4 NOT NULL REFERENCES usmd.device ON DELETE CASCADE,
	folder    int4 NOT NULL,
	state     int2 NOT NULL,
	id_known  bool NOT NULL,
	unsure    bool NOT NULL,
	client_id text NOT NULL,
	fields    bytea NOT NULL,
	PRIMARY KEY (device, client_id)
);
COMMENT ON TABLE usmd.intent IS 'Creates that were, or were about to be, sent to OX: a repeated request finds the object instead of making a second one.';
COMMENT ON COLUMN usmd.intent.device IS 'Whose create.';
COMMENT ON COLUMN usmd.intent.object IS 'OX id of the object; 0 = not known.';
COMMENT ON COLUMN usmd.intent.at IS 'When it was last sent (ms); 0 = surely not running any more.';
COMMENT ON COLUMN usmd.intent.seq IS 'seq of the first answer that told the device; 0 = none yet.';
COMMENT ON COLUMN usmd.intent.folder IS 'Folder index it was made for.';
COMMENT ON COLUMN usmd.intent.state IS '0 pending, 1 done, 2 deleted.';
COMMENT ON COLUMN usmd.intent.id_known IS 'OX answered with object as the id.';
COMMENT ON COLUMN usmd.intent.unsure IS 'Deleted while its outcome was unknown.';
COMMENT ON COLUMN usmd.intent.client_id IS 'The client''s own id of the object.';
COMMENT ON COLUMN usmd.intent.fields IS 'Packed as write_log.fields.';

CREATE TABLE usmd.conflict (
	id      int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	account int8 NOT NULL REFERENCES usmd.account ON DELETE CASCADE,
	at      int8 NOT NULL,
	expires int8 NOT NULL,
	device  int4 NOT NULL,
	ct      int2 NOT NULL,
	uuid    uuid NOT NULL,
	digest  bytea NOT NULL CHECK (length(digest) = 32),
	sealed  bytea NOT NULL,
	UNIQUE (account, uuid, digest)
);
CREATE INDEX conflict_account ON usmd.conflict (account, id);
CREATE INDEX conflict_expires ON usmd.conflict (expires);
COMMENT ON TABLE usmd.conflict IS 'Versions that lost a conflict, encrypted, until they expire: nothing that a person typed disappears.';
COMMENT ON COLUMN usmd.conflict.id IS 'Key, shown to clients.';
COMMENT ON COLUMN usmd.conflict.account IS 'Whose object.';
COMMENT ON COLUMN usmd.conflict.device IS 'Device whose request found the conflict.';
COMMENT ON COLUMN usmd.conflict.at IS 'When (ms).';
COMMENT ON COLUMN usmd.conflict.expires IS 'Deleted after (ms).';
COMMENT ON COLUMN usmd.conflict.ct IS 'Content type, as folder.ct.';
COMMENT ON COLUMN usmd.conflict.uuid IS 'uuid of the object as clients know it.';
COMMENT ON COLUMN usmd.conflict.digest IS 'Keyed digest of the plain losing values: a repeated request records them once.';
COMMENT ON COLUMN usmd.conflict.sealed IS 'The losing values, encrypted with a key that is not in the database.';

SELECT usmd.patch_register(1, 'base');
