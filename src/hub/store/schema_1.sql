-- Times are Unix seconds. Ids of dialogs and messages are the 24 hex digits of the wire.

CREATE TABLE users (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    login            TEXT COLLATE NOCASE UNIQUE,
    email            TEXT COLLATE NOCASE UNIQUE,
    password         TEXT,
    full_name        TEXT,
    phone            TEXT,
    website          TEXT,
    external_id      TEXT,
    external_user_id TEXT,
    facebook_id      TEXT,
    twitter_id       TEXT,
    custom_data      TEXT,
    avatar           TEXT,
    blob_id          TEXT,
    timezone         TEXT,
    user_tags        TEXT,
    is_guest         INTEGER NOT NULL DEFAULT 0,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    last_request_at  INTEGER,
    last_seen_at     INTEGER
) STRICT;

CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB NOT NULL UNIQUE,
    user_id    INTEGER REFERENCES users(id) ON DELETE CASCADE,
    life       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions(user_id);
CREATE INDEX sessions_expiry ON sessions(expires_at);

CREATE TABLE dialogs (
    id                     TEXT PRIMARY KEY,
    type                   INTEGER NOT NULL,
    name                   TEXT,
    description            TEXT,
    photo                  TEXT,
    user_id                INTEGER NOT NULL,
    -- "smaller-larger" user id of a private dialog: there is one dialog for two people.
    pair                   TEXT UNIQUE,
    extensions             TEXT,
    permissions            TEXT,
    pinned_messages_ids    TEXT NOT NULL DEFAULT '[]',
    last_message           TEXT,
    last_message_id        TEXT,
    last_message_user_id   INTEGER,
    last_message_date_sent INTEGER,
    created_at             INTEGER NOT NULL,
    updated_at             INTEGER NOT NULL
) STRICT;

CREATE TABLE occupants (
    dialog_id TEXT NOT NULL REFERENCES dialogs(id) ON DELETE CASCADE,
    user_id   INTEGER NOT NULL,
    is_admin  INTEGER NOT NULL DEFAULT 0,
    -- The user removed the dialog from the own list; a new message brings it back.
    hidden    INTEGER NOT NULL DEFAULT 0,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (dialog_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX occupants_user ON occupants(user_id);

CREATE TABLE messages (
    id           TEXT PRIMARY KEY,
    dialog_id    TEXT NOT NULL REFERENCES dialogs(id) ON DELETE CASCADE,
    sender_id    INTEGER NOT NULL,
    recipient_id INTEGER,
    message      TEXT,
    date_sent    INTEGER NOT NULL,
    attachments  TEXT NOT NULL DEFAULT '[]',
    custom       TEXT NOT NULL DEFAULT '{}',
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_dialog ON messages(dialog_id, date_sent);

CREATE TABLE receipts (
    message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
    user_id    INTEGER NOT NULL,
    is_read    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, user_id)
) STRICT, WITHOUT ROWID;

-- One-to-one messages nobody was there to take, as their stanzas.
CREATE TABLE offline (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id   INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    stanza    TEXT NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT;
CREATE INDEX offline_user ON offline(user_id, seq);
