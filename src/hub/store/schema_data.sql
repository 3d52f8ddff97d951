-- Records of custom classes (store/classes.rs). The author's number has no foreign key: what
-- somebody reported is the operator's, and stays when its author goes.

CREATE TABLE records (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    class      TEXT NOT NULL,
    user_id    INTEGER NOT NULL,
    fields     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX records_class ON records(class, seq);
CREATE INDEX records_author ON records(class, user_id, seq);
