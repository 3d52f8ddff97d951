-- What is known of a call beyond who and when, as JSON: name, ring, step, ringing and connected
-- times, quality, picture.
ALTER TABLE calls ADD COLUMN details TEXT NOT NULL DEFAULT '{}';

-- Every attempt to open the door.
CREATE TABLE door_log (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms       INTEGER NOT NULL,
    who         TEXT NOT NULL,
    how         TEXT NOT NULL,
    call        TEXT,
    is_opened   INTEGER NOT NULL,
    reason      TEXT
) STRICT;
