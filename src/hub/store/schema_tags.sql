-- Tags of users, one a row, so that they can be searched; users.user_tags keeps their text.

CREATE TABLE tags (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    tag     TEXT NOT NULL,
    PRIMARY KEY (user_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_tag ON tags(tag, user_id);

WITH RECURSIVE split(user_id, tag, rest) AS (
    SELECT id, '', user_tags || ',' FROM users WHERE user_tags IS NOT NULL
    UNION ALL
    SELECT user_id, trim(substr(rest, 1, instr(rest, ',') - 1)), substr(rest, instr(rest, ',') + 1)
    FROM split WHERE rest <> ''
)
INSERT OR IGNORE INTO tags SELECT user_id, tag FROM split WHERE tag <> '';
