-- Privacy lists (XEP-0016): the items as JSON, because they are only ever read and written whole.
CREATE TABLE privacy_lists (
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    items      TEXT NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX privacy_default ON privacy_lists(user_id) WHERE is_default = 1;
