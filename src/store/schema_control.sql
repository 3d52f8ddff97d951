-- Who ordered what over MQTT, and what came of it.
CREATE TABLE control_log (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms       INTEGER NOT NULL,
    requester   TEXT NOT NULL,
    way         TEXT NOT NULL,
    topic       TEXT NOT NULL,
    request     TEXT,
    outcome     TEXT NOT NULL,
    reason      TEXT
) STRICT;

-- Requests with an id: being carried out (no reply yet) or answered.
CREATE TABLE control_requests (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    request     TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    reply       TEXT,
    unix_ms     INTEGER NOT NULL,
    boot        TEXT NOT NULL,
    up_ms       INTEGER NOT NULL,
    UNIQUE (name, request)
) STRICT;
