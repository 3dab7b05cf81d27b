-- SPDX-License-Identifier: AGPL-3.0-or-later
-- Networks of clients through which waits die, because something on the way ends connections that are silent.

CREATE TABLE usmd.path (
	net    text PRIMARY KEY CHECK (length(net) <= 60),
	cut    int4 NOT NULL,
	safe   int4 NOT NULL,
	seen   int4 NOT NULL,
	since  int8 NOT NULL,
	last   int8 NOT NULL
);
COMMENT ON TABLE usmd.path IS 'Networks of clients whose waits die before their time; forgotten after path_memory. Shown by usmctl proxies.';
COMMENT ON COLUMN usmd.path.net IS 'The clients'' network, 192.0.2.0/24 or 2001:db8::/48.';
COMMENT ON COLUMN usmd.path.cut IS 'A silent connection ends after so many seconds.';
COMMENT ON COLUMN usmd.path.safe IS 'Waits are answered after so many seconds at the latest.';
COMMENT ON COLUMN usmd.path.seen IS 'Waits that ended so.';
COMMENT ON COLUMN usmd.path.since IS 'When it was learnt (ms).';
COMMENT ON COLUMN usmd.path.last IS 'When a wait ended so for the last time (ms).';

SELECT usmd.patch_register(7, 'path');
