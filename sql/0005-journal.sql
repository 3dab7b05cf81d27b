-- SPDX-License-Identifier: AGPL-3.0-or-later
-- What devices overwrote and deleted, so that it can be brought back; and what the guards against devices gone wrong remember.

CREATE TABLE usmd.journal (
	id      int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      int8 NOT NULL,
	expires int8 NOT NULL,
	object  int8 NOT NULL,
	digest  int8 NOT NULL,
	tried   int8 NOT NULL DEFAULT 0,
	account int8 NOT NULL REFERENCES usmd.account ON DELETE CASCADE,
	device  int4 NOT NULL REFERENCES usmd.device ON DELETE CASCADE,
	ct      int2 NOT NULL,
	op      int2 NOT NULL,
	state   int2 NOT NULL DEFAULT 0,
	place   text NOT NULL,
	note    text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
	fields  bytea NOT NULL,
	sealed  bytea,
	UNIQUE (device, digest)
);
CREATE INDEX journal_account ON usmd.journal (account, id);
CREATE INDEX journal_expires ON usmd.journal (expires);
CREATE INDEX journal_wanted ON usmd.journal (account, object) WHERE state IN (1, 2);
COMMENT ON TABLE usmd.journal IS 'What a device overwrote or deleted, written before it was done; until it expires it can be brought back (usmctl undo).';
COMMENT ON COLUMN usmd.journal.id IS 'Key; rises with time.';
COMMENT ON COLUMN usmd.journal.at IS 'When (ms).';
COMMENT ON COLUMN usmd.journal.expires IS 'Deleted after (ms).';
COMMENT ON COLUMN usmd.journal.object IS 'Object id, as pim_row.id or mail_row.id.';
COMMENT ON COLUMN usmd.journal.digest IS 'Keyed hash of object, version and change: a repeated request is noted once.';
COMMENT ON COLUMN usmd.journal.tried IS 'When it was last begun to be brought back (ms); 0 = never.';
COMMENT ON COLUMN usmd.journal.account IS 'Whose object.';
COMMENT ON COLUMN usmd.journal.device IS 'Who changed it.';
COMMENT ON COLUMN usmd.journal.ct IS 'Content type, as folder.ct.';
COMMENT ON COLUMN usmd.journal.op IS '1 overwritten, 2 deleted.';
COMMENT ON COLUMN usmd.journal.state IS '0 kept, 1 to be brought back, 2 being brought back, 3 brought back, 4 could not be (note says why).';
COMMENT ON COLUMN usmd.journal.place IS 'OX folder id.';
COMMENT ON COLUMN usmd.journal.note IS 'What became of bringing it back, in words.';
COMMENT ON COLUMN usmd.journal.fields IS 'Packed as write_log.fields: what was overwritten, with the fingerprints of the new values; empty for a deletion.';
COMMENT ON COLUMN usmd.journal.sealed IS 'The values of before, encrypted with a key that is not in the database; NULL = too large to be kept.';

CREATE TABLE usmd.guard_delete (
	at       int8 NOT NULL,
	held_at  int8 NOT NULL DEFAULT 0,
	until    int8 NOT NULL DEFAULT 0,
	device   int4 NOT NULL REFERENCES usmd.device ON DELETE CASCADE,
	folder   int4 NOT NULL REFERENCES usmd.folder ON DELETE CASCADE,
	deleted  int4 NOT NULL,
	held     int4 NOT NULL DEFAULT 0,
	verdict  int2 NOT NULL DEFAULT 0,
	PRIMARY KEY (folder, device)
);
CREATE INDEX guard_delete_at ON usmd.guard_delete (at);
COMMENT ON TABLE usmd.guard_delete IS 'How much of a folder a device has deleted lately, and what of it is held until somebody confirms.';
COMMENT ON COLUMN usmd.guard_delete.device IS 'Whose deletions.';
COMMENT ON COLUMN usmd.guard_delete.folder IS 'Number of the folder index.';
COMMENT ON COLUMN usmd.guard_delete.at IS 'When something was last deleted or held (ms).';
COMMENT ON COLUMN usmd.guard_delete.deleted IS 'Deletions lately, as of at: fades to nothing within guard_delete_period.';
COMMENT ON COLUMN usmd.guard_delete.held IS 'Deletions of the last request that was held; 0 = none is.';
COMMENT ON COLUMN usmd.guard_delete.held_at IS 'When it was held (ms).';
COMMENT ON COLUMN usmd.guard_delete.verdict IS 'An administrator''s word: 0 none, 1 let them pass, 2 refuse them: the device gets the objects back.';
COMMENT ON COLUMN usmd.guard_delete.until IS 'The verdict counts until then (ms).';

CREATE TABLE usmd.guard_create (
	at      int8 NOT NULL,
	content int8 NOT NULL,
	object  int8 NOT NULL,
	device  int4 NOT NULL REFERENCES usmd.device ON DELETE CASCADE,
	folder  int4 NOT NULL REFERENCES usmd.folder ON DELETE CASCADE,
	state   int2 NOT NULL DEFAULT 0,
	PRIMARY KEY (folder, device, content, object)
);
CREATE INDEX guard_create_at ON usmd.guard_create (at);
CREATE INDEX guard_create_wanted ON usmd.guard_create (device) WHERE state = 1;
COMMENT ON TABLE usmd.guard_create IS 'What devices created lately: equal contents are counted, and can be removed but for the first (usmctl duplicates).';
COMMENT ON COLUMN usmd.guard_create.device IS 'Who created.';
COMMENT ON COLUMN usmd.guard_create.folder IS 'Number of the folder index.';
COMMENT ON COLUMN usmd.guard_create.content IS 'Keyed hash of the fields as the device sent them.';
COMMENT ON COLUMN usmd.guard_create.object IS 'Object id that OX gave.';
COMMENT ON COLUMN usmd.guard_create.at IS 'When (ms).';
COMMENT ON COLUMN usmd.guard_create.state IS '0 noted, 1 to be removed where a twin of it remains.';

SELECT usmd.patch_register(5, 'journal');
