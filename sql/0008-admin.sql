-- SPDX-License-Identifier: AGPL-3.0-or-later
-- What an administrator decides about devices, and what administrators have done.

ALTER TABLE usmd.device ADD COLUMN made_at int8 NOT NULL DEFAULT 0, ADD COLUMN state_at int8 NOT NULL DEFAULT 0,
	ADD COLUMN state int2 NOT NULL DEFAULT 0, ADD COLUMN agent text NOT NULL DEFAULT '' CHECK (length(agent) <= 200);
-- Until now seen_at became 0 where the sync state had been dropped; from now on it keeps the time, negative.  Those of before count from today.
UPDATE usmd.device SET seen_at = -(extract(epoch FROM now()) * 1000)::int8 WHERE seen_at = 0;
CREATE INDEX device_unused ON usmd.device (abs(seen_at));
COMMENT ON COLUMN usmd.device.seen_at IS 'Last login (ms). The sync state of a device without session for longer than tombstones are kept is dropped, and this becomes negative; after device_keep the device goes.';
COMMENT ON COLUMN usmd.device.made_at IS 'First login (ms); 0 = not known (a device of an older version).';
COMMENT ON COLUMN usmd.device.state IS '0 allowed, 1 quarantined until an administrator allows it, 2 blocked.';
COMMENT ON COLUMN usmd.device.state_at IS 'When state was set (ms); 0 = never.';
COMMENT ON COLUMN usmd.device.agent IS 'User-Agent of the last login: the client''s name and version.';

CREATE TABLE usmd.audit (
	id      int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      int8 NOT NULL,
	uid     int8 NOT NULL,
	changed int8 NOT NULL,
	command text NOT NULL CHECK (length(command) <= 60),
	target  text NOT NULL CHECK (length(target) <= 300)
);
CREATE INDEX audit_at ON usmd.audit (at);
COMMENT ON TABLE usmd.audit IS 'What administrators have changed with usmctl; kept for audit_keep. Shown by usmctl audit.';
COMMENT ON COLUMN usmd.audit.id IS 'Key; rises with time.';
COMMENT ON COLUMN usmd.audit.at IS 'When (ms).';
COMMENT ON COLUMN usmd.audit.uid IS 'Number of the system''s user who did it.';
COMMENT ON COLUMN usmd.audit.changed IS 'How many rows (sessions, devices, folders, ...) it concerned.';
COMMENT ON COLUMN usmd.audit.command IS 'Command of usmctl.';
COMMENT ON COLUMN usmd.audit.target IS 'On what: context/user, device, folder, object; numbers and device names.';

SELECT usmd.patch_register(8, 'admin');
