-- SCRAM-SHA-256 keys (RFC 5802): what checks a proof and cannot make one.

-- Secrets of the hub itself, made here once.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
INSERT INTO secrets (name, value) VALUES ('scram_salt', randomblob(32));

CREATE TABLE scram_passwords (
    user_id    INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    iterations INTEGER NOT NULL,
    stored_key BLOB NOT NULL,
    server_key BLOB NOT NULL
) STRICT;

-- A changed password takes its keys with it, whoever changes it and by whatever statement.
CREATE TRIGGER scram_password_changed AFTER UPDATE OF password ON users
WHEN old.password IS NOT new.password
BEGIN
    DELETE FROM scram_passwords WHERE user_id = old.id;
END;

CREATE TABLE scram_sessions (
    session_id INTEGER PRIMARY KEY REFERENCES sessions(id) ON DELETE CASCADE,
    -- Whose salt it was derived with; the session may have changed hands since.
    user_id    INTEGER NOT NULL,
    iterations INTEGER NOT NULL,
    stored_key BLOB NOT NULL,
    server_key BLOB NOT NULL
) STRICT;
