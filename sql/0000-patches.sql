-- SPDX-License-Identifier: AGPL-3.0-or-later
-- The schema and the register of patches.  `usmctl migrate` applies the files of this folder in order, each in its
-- own transaction (by hand: psql -1 -v ON_ERROR_STOP=1 -f FILE).  A released file is never edited: add the next number.

CREATE SCHEMA usmd;
COMMENT ON SCHEMA usmd IS 'usmd: what every sync client has, and the change numbers of every folder. Numbers and keyed fingerprints only, never content.';

CREATE TABLE usmd.patch (
	number     int4        NOT NULL PRIMARY KEY,
	title      text        NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE usmd.patch IS 'Patches applied to this schema; the daemon starts only when the highest number is the one it was built for.';
COMMENT ON COLUMN usmd.patch.number IS 'Number at the beginning of the file name; no gaps.';
COMMENT ON COLUMN usmd.patch.title IS 'Rest of the file name.';
COMMENT ON COLUMN usmd.patch.applied_at IS 'When it was applied.';

CREATE FUNCTION usmd.patch_register(n int4, t text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF n <> (SELECT coalesce(max(number) + 1, 0) FROM usmd.patch) THEN
		RAISE EXCEPTION 'patch % (%) is out of order: the database has %', n, t,
			(SELECT coalesce(max(number)::text, 'none') FROM usmd.patch);
	END IF;
	INSERT INTO usmd.patch (number, title) VALUES (n, t);
END $$;
COMMENT ON FUNCTION usmd.patch_register(int4, text) IS 'Every patch calls this once: refuses a gap and a second application.';

SELECT usmd.patch_register(0, 'patches');
