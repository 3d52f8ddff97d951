-- Whether the server keeps the message in its history: then it is missing there only if it was
-- removed.
ALTER TABLE messages ADD COLUMN is_saved INTEGER NOT NULL DEFAULT 0;

-- Changes of reactions that were applied lately: counting one twice would be wrong for good.
CREATE TABLE changes (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE
) STRICT;
