-- A copy of what the server has, and of what is on its way there. Only the marks of what was
-- reported cannot be fetched again.
CREATE TABLE messages (
    -- order of arrival here; AUTOINCREMENT so that the index of texts never meets a number twice
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    -- absent in a message of ours to somebody with whom there is no dialog yet
    dialog      TEXT,
    sender      INTEGER NOT NULL,
    recipient   INTEGER,
    date_sent   INTEGER NOT NULL,
    body        TEXT NOT NULL,
    -- attachments and custom parameters as JSON
    details     TEXT NOT NULL,
    delivered_to TEXT NOT NULL DEFAULT '[]',
    read_by     TEXT NOT NULL DEFAULT '[]',
    reactions   TEXT,
    is_own      INTEGER NOT NULL,
    -- of our own: 0 queued, 1 sent, 2 delivered, 3 read, 4 refused
    status      INTEGER,
    reason      TEXT,
    is_edited   INTEGER NOT NULL DEFAULT 0,
    is_removed  INTEGER NOT NULL DEFAULT 0,
    -- whether we have read it; own ones count as read
    is_read     INTEGER NOT NULL,
    -- 0 those above are to be told of it, 1 they were, 2 it was taken in as old
    is_reported INTEGER NOT NULL,
    -- Unix seconds
    destroy_at  INTEGER
) STRICT;
CREATE INDEX messages_by_dialog ON messages (dialog, date_sent, seq);
CREATE INDEX messages_by_date ON messages (date_sent, seq);
CREATE INDEX messages_unread ON messages (dialog) WHERE is_read = 0 AND is_removed = 0;
CREATE INDEX messages_unreported ON messages (seq) WHERE is_reported = 0;
CREATE INDEX messages_to_destroy ON messages (destroy_at) WHERE destroy_at IS NOT NULL;

CREATE VIRTUAL TABLE message_texts USING fts5 (
    body, content = 'messages', content_rowid = 'seq',
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN
    INSERT INTO message_texts (rowid, body) VALUES (new.seq, new.body);
END;
CREATE TRIGGER messages_gone AFTER DELETE ON messages BEGIN
    INSERT INTO message_texts (message_texts, rowid, body) VALUES ('delete', old.seq, old.body);
END;
CREATE TRIGGER messages_changed AFTER UPDATE OF body ON messages BEGIN
    INSERT INTO message_texts (message_texts, rowid, body) VALUES ('delete', old.seq, old.body);
    INSERT INTO message_texts (rowid, body) VALUES (new.seq, new.body);
END;

CREATE TABLE dialogs (
    id          TEXT PRIMARY KEY,
    type        INTEGER NOT NULL,
    name        TEXT NOT NULL,
    occupants   TEXT NOT NULL,
    last_date   INTEGER NOT NULL,
    -- as the server tells it
    json        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each dialog's messages are known: the server's updated_at, Unix seconds. Kept apart from
-- the dialogs, which come and go.
CREATE TABLE cursors (
    dialog      TEXT PRIMARY KEY,
    synced_to   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    name        TEXT PRIMARY KEY,
    value       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
