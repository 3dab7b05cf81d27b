-- SPDX-License-Identifier: AGPL-3.0-or-later
-- What was done, or was about to be done, with mails: sent, stored, copied, moved, replaced.  Mail has neither uid nor version: a
-- repeated request finds out here what became of the first one.

CREATE TABLE usmd.mail_op (
	at       int8 NOT NULL,
	expires  int8 NOT NULL,
	place    int8 NOT NULL,
	validity int8 NOT NULL,
	mail     int8 NOT NULL,
	mark     int8 NOT NULL,
	digest   int8 NOT NULL,
	device   int4 NOT NULL REFERENCES usmd.device ON DELETE CASCADE,
	state    int2 NOT NULL,
	key      text NOT NULL,
	PRIMARY KEY (device, key)
);
CREATE INDEX mail_op_expires ON usmd.mail_op (expires);
COMMENT ON TABLE usmd.mail_op IS 'Mails that a device let send, store, copy, move or replace: a repeated request does nothing a second time.';
COMMENT ON COLUMN usmd.mail_op.device IS 'Whose request.';
COMMENT ON COLUMN usmd.mail_op.key IS 'Kind (s sent, i stored, c copied, m moved, d draft replaced), a colon, the clientId or the uuid of the mail.';
COMMENT ON COLUMN usmd.mail_op.state IS '0 pending, 1 done, 2 done with all that follows, 3 surely not done.';
COMMENT ON COLUMN usmd.mail_op.at IS 'When it was last sent to OX (ms).';
COMMENT ON COLUMN usmd.mail_op.expires IS 'Deleted after (ms).';
COMMENT ON COLUMN usmd.mail_op.place IS 'Keyed hash of the folder in which the result lies; 0 = in none.';
COMMENT ON COLUMN usmd.mail_op.validity IS 'UIDVALIDITY of that folder.';
COMMENT ON COLUMN usmd.mail_op.mail IS 'Pending: the lowest uid that the result can have. Done: its uid, 0 = not known or none was kept.';
COMMENT ON COLUMN usmd.mail_op.mark IS 'Keyed hash of what the mail is recognised by.';
COMMENT ON COLUMN usmd.mail_op.digest IS 'Keyed hash of the octets, where a second request may bring others; else 0.';

SELECT usmd.patch_register(3, 'mail-op');
