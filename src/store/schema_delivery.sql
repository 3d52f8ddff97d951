-- Messages received, noted and acknowledged to the server, which nobody has taken over yet.
CREATE TABLE inbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    -- the stanza as it came
    stanza      TEXT NOT NULL
) STRICT;

-- outbox.state 3: the server asked to try again later. Such a message holds up the later ones of
-- its dialog, so that their order stays.
CREATE INDEX outbox_later ON outbox (user_id, dialog) WHERE state = 3;

-- Written to make everything before it safe from a power cut.
CREATE TABLE barrier (
    only        INTEGER PRIMARY KEY CHECK (only = 0),
    count       INTEGER NOT NULL
) STRICT;
INSERT INTO barrier VALUES (0, 0);
