-- Messages that nobody at their receiver has acknowledged, written before they are delivered. The
-- stanza is held once for all its receivers.

CREATE TABLE stanzas (
    -- The order of delivery. Given out by the hub, as messages without a row have a place as well.
    seq       INTEGER PRIMARY KEY,
    stanza    TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    -- How many rows of `undelivered` refer to it.
    receivers INTEGER NOT NULL
) STRICT;

CREATE TABLE undelivered (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (user_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER undelivered_removed AFTER DELETE ON undelivered BEGIN
    UPDATE stanzas SET receivers = receivers - 1 WHERE seq = OLD.seq;
    DELETE FROM stanzas WHERE seq = OLD.seq AND receivers <= 0;
END;

INSERT INTO stanzas (seq, stanza, stored_at, receivers)
    SELECT seq, stanza, stored_at, 1 FROM offline;
INSERT INTO undelivered (user_id, seq) SELECT user_id, seq FROM offline;
DROP TABLE offline;
