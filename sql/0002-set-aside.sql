-- SPDX-License-Identifier: AGPL-3.0-or-later
-- Objects that are set aside: OX cannot deliver them, or a device could not store them.

CREATE TABLE usmd.set_aside (
	object   int8 NOT NULL,
	version  int8 NOT NULL,
	since    int8 NOT NULL,
	next_try int8 NOT NULL,
	folder   int4 NOT NULL REFERENCES usmd.folder ON DELETE CASCADE,
	device   int4 NOT NULL,
	tries    int4 NOT NULL,
	reason   text NOT NULL CHECK (length(reason) <= 200),
	PRIMARY KEY (folder, device, object)
);
COMMENT ON TABLE usmd.set_aside IS 'Objects that are set aside, so that their folder goes on.';
COMMENT ON COLUMN usmd.set_aside.folder IS 'Number of the folder index.';
COMMENT ON COLUMN usmd.set_aside.device IS 'Device that could not store the object; 0 = OX cannot deliver it to anybody.';
COMMENT ON COLUMN usmd.set_aside.object IS 'Object id, as pim_row.id or mail_row.id.';
COMMENT ON COLUMN usmd.set_aside.version IS 'Of a device: change number of the row that it refused.  Of OX: the last_modified that was listed (ms), 0 = none.';
COMMENT ON COLUMN usmd.set_aside.since IS 'When it was set aside first (ms).';
COMMENT ON COLUMN usmd.set_aside.next_try IS 'OX is not asked for it before (ms); 0 for a device.';
COMMENT ON COLUMN usmd.set_aside.tries IS 'How often it failed.';
COMMENT ON COLUMN usmd.set_aside.reason IS 'Why, in words.';

SELECT usmd.patch_register(2, 'set-aside');
