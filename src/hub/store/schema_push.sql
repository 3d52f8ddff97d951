-- Where users are reached who are away.
CREATE TABLE subscriptions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    channel     TEXT NOT NULL,
    environment TEXT NOT NULL,
    platform    TEXT NOT NULL,
    udid        TEXT NOT NULL,
    bundle      TEXT,
    -- The phone's token, or the address of a Web Push subscription with its two keys.
    address     TEXT NOT NULL,
    p256dh      BLOB,
    auth        BLOB,
    created_at  INTEGER NOT NULL,
    -- Attempts that failed in a row, and when the next one may be.
    failures    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL DEFAULT 0,
    -- A device has one subscription of a kind, and an address is one device's.
    UNIQUE (user_id, channel, udid),
    UNIQUE (channel, address)
) STRICT;

-- Notifications on their way; each is gone when it is for nobody any more.
CREATE TABLE notifications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    payload    TEXT NOT NULL,
    is_urgent  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX notifications_end ON notifications(expires_at);

CREATE TABLE pushes (
    subscription_id INTEGER NOT NULL REFERENCES subscriptions(id) ON DELETE CASCADE,
    notification_id INTEGER NOT NULL REFERENCES notifications(id) ON DELETE CASCADE,
    PRIMARY KEY (subscription_id, notification_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX pushes_notification ON pushes(notification_id);
CREATE TRIGGER notification_is_done AFTER DELETE ON pushes
WHEN NOT EXISTS (SELECT 1 FROM pushes WHERE notification_id = old.notification_id)
BEGIN
    DELETE FROM notifications WHERE id = old.notification_id;
END;

-- What applications asked to be sent (PN-16): their numbers and whose they were.
CREATE TABLE events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    queued      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX events_end ON events(created_at);
