-- Files. The bytes lie in the file store under their SHA-256; several rows may name the same.

CREATE TABLE blobs (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 32 hex digits, not to be guessed: who knows it may read the file.
    uid               TEXT NOT NULL UNIQUE,
    user_id           INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name              TEXT NOT NULL,
    content_type      TEXT NOT NULL,
    is_public         INTEGER NOT NULL,
    digest            BLOB,
    size              INTEGER,
    -- Uploaded, and not yet declared complete.
    pending_digest    BLOB,
    pending_size      INTEGER,
    upload_expires_at INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    completed_at      INTEGER
) STRICT;
CREATE INDEX blobs_user ON blobs(user_id, size, pending_size);
