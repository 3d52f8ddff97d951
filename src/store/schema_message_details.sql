-- What a message is beyond its text, as JSON: attachments, silent, unsaved, what it does.
ALTER TABLE outbox ADD COLUMN details TEXT NOT NULL DEFAULT '{}';

-- Files on their way to the file store, each with the message that leaves once it is there.
CREATE TABLE uploads (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- the message's id
    id          TEXT NOT NULL UNIQUE,
    file        TEXT NOT NULL,
    size        INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    name        TEXT NOT NULL,
    is_public   INTEGER NOT NULL,
    -- whether the file is ours to delete once it is sent
    is_temporary INTEGER NOT NULL,
    -- the message, as JSON
    message     TEXT NOT NULL,
    -- what the file store has told about the upload so far, as JSON
    progress    TEXT,
    -- 0 waiting, 1 refused for good
    state       INTEGER NOT NULL DEFAULT 0,
    reason      TEXT
) STRICT;
