-- SPDX-License-Identifier: AGPL-3.0-or-later
-- Conflicts that a person settled: kept without their values until they expire, so that a repeated restoration finds that it was done.

ALTER TABLE usmd.conflict ADD COLUMN done int8, ADD COLUMN result uuid;
COMMENT ON COLUMN usmd.conflict.done IS 'When it was restored or dismissed (ms); the values are forgotten with that.  NULL = open.';
COMMENT ON COLUMN usmd.conflict.result IS 'Restored: uuid of the object that has the values; NULL = dismissed, or open.';

SELECT usmd.patch_register(4, 'conflict');
