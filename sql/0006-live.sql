-- SPDX-License-Identifier: AGPL-3.0-or-later
-- How many objects a folder index holds, kept with it: counting the rows costs as much as the folder is large.

ALTER TABLE usmd.folder ADD COLUMN live int4 NOT NULL DEFAULT -1;
ALTER TABLE usmd.folder ALTER COLUMN live SET DEFAULT 0;
COMMENT ON COLUMN usmd.folder.live IS 'Number of rows that are no tombstones; -1 = not counted yet (an index of an older version), until the next complete listing.';

SELECT usmd.patch_register(6, 'live');
