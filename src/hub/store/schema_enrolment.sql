-- Codes by which devices come by their accounts: one open code an account at most.
CREATE TABLE enrolments (
    user_id    INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    -- argon2id of the code's secret half; the code itself is nowhere.
    secret     BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
