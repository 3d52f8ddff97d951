-- Messages get a number that is never given twice, in order of arrival. What a user has cleared,
-- deleted for himself or not read yet is told by it.
CREATE TABLE numbered (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
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
INSERT INTO numbered (id, dialog_id, sender_id, recipient_id, message, date_sent, attachments,
                      custom, created_at, updated_at)
    SELECT id, dialog_id, sender_id, recipient_id, message, date_sent, attachments,
           custom, created_at, updated_at
    FROM messages ORDER BY rowid;
-- The author has always received and read the own message: no row says so any more.
CREATE TABLE old_receipts AS
    SELECT n.seq AS message_seq, r.user_id, r.is_read
    FROM receipts r JOIN numbered n ON n.id = r.message_id WHERE r.user_id <> n.sender_id;
DROP TABLE receipts;
DROP TABLE messages;
ALTER TABLE numbered RENAME TO messages;
CREATE INDEX messages_dialog ON messages(dialog_id, date_sent);

CREATE TABLE receipts (
    message_seq INTEGER NOT NULL REFERENCES messages(seq) ON DELETE CASCADE,
    user_id     INTEGER NOT NULL,
    is_read     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message_seq, user_id)
) STRICT, WITHOUT ROWID;
INSERT INTO receipts SELECT message_seq, user_id, is_read FROM old_receipts;
DROP TABLE old_receipts;

-- What a user has in the own view of a dialog, also of one he is in without being listed.
CREATE TABLE dialog_views (
    user_id       INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    dialog_id     TEXT NOT NULL REFERENCES dialogs(id) ON DELETE CASCADE,
    notifications INTEGER NOT NULL DEFAULT 1,
    -- Removed from the own list; a new message brings it back.
    hidden        INTEGER NOT NULL DEFAULT 0,
    -- Messages up to this number are gone for the user.
    cleared_seq   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, dialog_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dialog_views_dialog ON dialog_views(dialog_id);
INSERT INTO dialog_views (user_id, dialog_id, hidden)
    SELECT user_id, dialog_id, 1 FROM occupants
    WHERE hidden = 1 AND user_id IN (SELECT id FROM users);
ALTER TABLE occupants DROP COLUMN hidden;

-- Messages of private and group dialogs that an occupant has not read. Counting them does not
-- touch the history.
CREATE TABLE unread (
    user_id     INTEGER NOT NULL,
    dialog_id   TEXT NOT NULL,
    message_seq INTEGER NOT NULL,
    PRIMARY KEY (user_id, dialog_id, message_seq)
) STRICT, WITHOUT ROWID;
INSERT INTO unread
    SELECT o.user_id, m.dialog_id, m.seq
    FROM messages m
    JOIN dialogs d ON d.id = m.dialog_id AND d.type IN (2, 3, 5)
    JOIN occupants o ON o.dialog_id = m.dialog_id AND o.user_id <> m.sender_id
                    AND o.joined_at <= m.created_at
    WHERE NOT EXISTS (SELECT 1 FROM receipts r
                      WHERE r.message_seq = m.seq AND r.user_id = o.user_id AND r.is_read = 1);
CREATE TRIGGER occupants_left AFTER DELETE ON occupants BEGIN
    DELETE FROM unread WHERE user_id = OLD.user_id AND dialog_id = OLD.dialog_id;
END;
CREATE TRIGGER messages_removed AFTER DELETE ON messages BEGIN
    DELETE FROM unread WHERE message_seq = OLD.seq AND dialog_id = OLD.dialog_id
        AND user_id IN (SELECT user_id FROM occupants WHERE dialog_id = OLD.dialog_id);
END;

-- Messages a user has deleted for himself.
CREATE TABLE deletions (
    message_seq INTEGER NOT NULL REFERENCES messages(seq) ON DELETE CASCADE,
    user_id     INTEGER NOT NULL,
    PRIMARY KEY (message_seq, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE reactions (
    message_seq INTEGER NOT NULL REFERENCES messages(seq) ON DELETE CASCADE,
    user_id     INTEGER NOT NULL,
    reaction    TEXT NOT NULL,
    added_at    INTEGER NOT NULL,
    PRIMARY KEY (message_seq, user_id, reaction)
) STRICT, WITHOUT ROWID;

-- Users whom the administrators of a public or broadcast dialog keep out of it.
CREATE TABLE blocked (
    dialog_id TEXT NOT NULL REFERENCES dialogs(id) ON DELETE CASCADE,
    user_id   INTEGER NOT NULL,
    PRIMARY KEY (dialog_id, user_id)
) STRICT, WITHOUT ROWID;

-- Broadcast dialogs are in everybody's list.
CREATE INDEX dialogs_broadcast ON dialogs(type) WHERE type = 1;
-- The creator is an administrator by right, not by a row.
UPDATE occupants SET is_admin = 0
    WHERE user_id = (SELECT user_id FROM dialogs WHERE id = occupants.dialog_id);
