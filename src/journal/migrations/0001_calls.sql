-- The journal of calls, first edition. Times of day are milliseconds since 1970 in UTC; times within a call (`_us`) are
-- microseconds since its line was opened, as everywhere below the shell.

CREATE TABLE call (
    key          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    line         TEXT    NOT NULL,          -- as the user calls it
    port         TEXT    NOT NULL,
    command      TEXT    NOT NULL,
    direction    TEXT    NOT NULL CHECK (direction IN ('in', 'out')),
    number       TEXT,                      -- the far party's, in the clear: this is its owner's own record
    name         TEXT,
    begun_ms     INTEGER NOT NULL,
    begun_us     INTEGER NOT NULL,
    lasted_us    INTEGER,                   -- when it ended
    answered_us  INTEGER,
    stage        TEXT    NOT NULL,
    outcome      TEXT,                      -- NULL: under way
    exit         INTEGER,                   -- NULL: under way, or its owner was killed
    q850         INTEGER,
    target       TEXT,                      -- who took the call in the end
    in_flight    TEXT,                      -- what an owner that is gone was doing
    owner_pid    INTEGER NOT NULL,
    owner_start  INTEGER NOT NULL,          -- of the process, in clock ticks since the machine started
    owner_boot   TEXT    NOT NULL
) STRICT;
CREATE INDEX call_by_time ON call (begun_ms);
CREATE INDEX call_under_way ON call (key) WHERE outcome IS NULL;

CREATE TABLE leg (
    call         INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
    n            INTEGER NOT NULL,
    number       TEXT,
    name         TEXT,
    begun_us     INTEGER NOT NULL,
    answered_us  INTEGER,
    outcome      TEXT,
    PRIMARY KEY (call, n)
) STRICT, WITHOUT ROWID;

-- The lines of the record, masked as in every log.
CREATE TABLE event (
    call         INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
    n            INTEGER NOT NULL,
    at_us        INTEGER NOT NULL,
    who          TEXT    NOT NULL,
    what         TEXT    NOT NULL,
    PRIMARY KEY (call, n)
) STRICT, WITHOUT ROWID;

-- What was about to be done to the line: committed before it was done.
CREATE TABLE intent (
    call         INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
    n            INTEGER NOT NULL,
    at_us        INTEGER NOT NULL,
    what         TEXT    NOT NULL,
    outcome      TEXT,                      -- NULL: nobody knows whether it was done
    PRIMARY KEY (call, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE note (
    key          INTEGER PRIMARY KEY,
    call         INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
    at_ms        INTEGER NOT NULL,
    author       TEXT    NOT NULL,
    text         TEXT    NOT NULL
) STRICT;
CREATE INDEX note_of_call ON note (call);

CREATE TABLE tag (
    call         INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
    tag          TEXT    NOT NULL,
    PRIMARY KEY (call, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_by_name ON tag (tag);
