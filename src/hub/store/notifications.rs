//! Notifications on their way to subscriptions, until a push service has them.

use rusqlite::{Connection, OptionalExtension, params};

use super::subscriptions::WEB;
use crate::protocol::address::UserId;

/// Notifications that wait for one subscription; beyond that its oldest go. A phone that comes back
/// after a week wants to know that something was, not each of a thousand things.
const WAITING: u32 = 50;
/// Seconds for which an event's number stays (nothing reads more of it).
const EVENT_LIFE: i64 = 30 * 24 * 3600;

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The text the receiver decrypts.
    pub payload: String,
    /// Whether somebody waits for it now, as with a call.
    pub is_urgent: bool,
    /// When it is worth nothing any more, in Unix seconds.
    pub expires_at: i64,
}

/// How many subscriptions something is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Those the hub delivers to.
    pub queued: usize,
    /// Those of channels it does not deliver by.
    pub kept_only: usize,
}

/// One notification for one subscription.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which notification.
    pub notification: i64,
    /// Which subscription.
    pub subscription: i64,
    /// Whose subscription.
    pub user: UserId,
    /// The address of the subscription.
    pub address: String,
    /// Its public key.
    pub p256dh: Vec<u8>,
    /// Its secret.
    pub auth: Vec<u8>,
    /// The text.
    pub payload: String,
    /// Whether somebody waits for it now.
    pub is_urgent: bool,
    /// When it is worth nothing any more.
    pub expires_at: i64,
    /// Attempts for this subscription that failed in a row.
    pub failures: u32,
}

/// Queues a notification for all subscriptions of some users, in one environment if it is given.
pub fn queue(
    connection: &Connection,
    notification: &Notification,
    users: &[UserId],
    environment: Option<&str>,
    now: i64,
) -> rusqlite::Result<Reach> {
    let mut reach = Reach::default();
    let mut id = None;
    for user in users {
        let found: Vec<(i64, bool)> = connection
            .prepare_cached(
                "SELECT id, channel = ?2 FROM subscriptions
                 WHERE user_id = ?1 AND (?3 IS NULL OR environment = ?3)",
            )?
            .query_map(params![*user as i64, WEB, environment], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (subscription, is_delivered) in found {
            if !is_delivered {
                reach.kept_only += 1;
                continue;
            }
            let id = match id {
                Some(id) => id,
                None => *id.insert(insert(connection, notification, now)?),
            };
            add(connection, subscription, id)?;
            reach.queued += 1;
        }
    }
    Ok(reach)
}

fn insert(connection: &Connection, notification: &Notification, now: i64) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO notifications (payload, is_urgent, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            notification.payload,
            notification.is_urgent,
            now,
            notification.expires_at
        ])?;
    Ok(connection.last_insert_rowid())
}

fn add(connection: &Connection, subscription: i64, notification: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO pushes (subscription_id, notification_id) VALUES (?1, ?2)")?
        .execute([subscription, notification])?;
    connection
        .prepare_cached(
            "DELETE FROM pushes WHERE subscription_id = ?1 AND notification_id <= (
                 SELECT notification_id FROM pushes WHERE subscription_id = ?1
                 ORDER BY notification_id DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![subscription, WAITING])?;
    Ok(())
}

/// What may be sent now, one for each subscription, urgent ones first.
pub fn due(connection: &Connection, now: i64, limit: usize) -> rusqlite::Result<Vec<Due>> {
    connection
        .prepare_cached(
            "SELECT n.id, s.id, s.user_id, s.address, s.p256dh, s.auth, n.payload, n.is_urgent,
                    n.expires_at, s.failures
             FROM subscriptions s
             JOIN notifications n ON n.id = (
                 SELECT p.notification_id FROM pushes p JOIN notifications o
                     ON o.id = p.notification_id
                 WHERE p.subscription_id = s.id ORDER BY o.is_urgent DESC, o.id LIMIT 1)
             WHERE s.channel = ?1 AND s.next_at <= ?2
               AND s.id IN (SELECT subscription_id FROM pushes)
             ORDER BY n.is_urgent DESC, n.id LIMIT ?3",
        )?
        .query_map(params![WEB, now, limit as i64], |row| {
            Ok(Due {
                notification: row.get(0)?,
                subscription: row.get(1)?,
                user: row.get::<_, i64>(2)?.unsigned_abs(),
                address: row.get(3)?,
                p256dh: row.get(4)?,
                auth: row.get(5)?,
                payload: row.get(6)?,
                is_urgent: row.get(7)?,
                expires_at: row.get(8)?,
                failures: row.get(9)?,
            })
        })?
        .collect()
}

/// When the next one waiting may be sent, if one waits until after `now`.
pub fn next_at(connection: &Connection, now: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT min(next_at) FROM subscriptions s WHERE next_at > ?1
             AND EXISTS (SELECT 1 FROM pushes WHERE subscription_id = s.id)",
        )?
        .query_row([now], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// Takes one off the queue. With `is_delivered` the subscription is known to work.
pub fn done(connection: &Connection, due: &Due, is_delivered: bool) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM pushes WHERE subscription_id = ?1 AND notification_id = ?2")?
        .execute([due.subscription, due.notification])?;
    if is_delivered && due.failures > 0 {
        connection
            .prepare_cached("UPDATE subscriptions SET failures = 0, next_at = 0 WHERE id = ?1")?
            .execute([due.subscription])?;
    }
    Ok(())
}

/// Nothing more is sent to a subscription until `until`.
pub fn postpone(connection: &Connection, due: &Due, until: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE subscriptions SET failures = failures + 1, next_at = ?2 WHERE id = ?1",
        )?
        .execute([due.subscription, until])?;
    Ok(())
}

/// Forgets what is worth nothing any more. Returns how many pushes that were.
pub fn sweep(connection: &Connection, now: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM events WHERE created_at <= ?1";
    connection.execute(sql, [now - EVENT_LIFE])?;
    let sql = "DELETE FROM pushes WHERE notification_id IN (
                   SELECT id FROM notifications WHERE expires_at <= ?1)";
    connection.execute(sql, [now])
}

/// Notes that an application asked for something to be sent; the event's number.
pub fn note_event(
    connection: &Connection,
    user: UserId,
    environment: &str,
    reach: Reach,
    now: i64,
) -> rusqlite::Result<i64> {
    connection.execute(
        "INSERT INTO events (user_id, environment, queued, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![user as i64, environment, reach.queued as i64, now],
    )?;
    Ok(connection.last_insert_rowid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::subscriptions::{self, New};
    use crate::hub::store::{Store, users};

    const NOW: i64 = 1_000;

    fn subscribe(db: &Connection, user: UserId, channel: &str, udid: &str) {
        let new = New {
            user,
            channel: channel.into(),
            environment: "production".into(),
            platform: "web".into(),
            udid: udid.into(),
            bundle: None,
            address: format!("https://{user}.example/{udid}"),
            keys: Some((vec![4], vec![1])),
        };
        subscriptions::put(db, &new, 20, NOW).unwrap();
    }

    fn notification(text: &str, is_urgent: bool) -> Notification {
        Notification {
            payload: text.into(),
            is_urgent,
            expires_at: NOW + 60,
        }
    }

    async fn with_user(
        job: impl FnOnce(&Connection, UserId) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let done = store.run(move |db| {
            let user = users::create(db, &vec![], None, false, 0)?.unwrap().id;
            job(db, user)
        });
        done.await.unwrap();
    }

    fn payloads(db: &Connection, now: i64) -> Vec<String> {
        let due = due(db, now, 100).unwrap();
        due.into_iter().map(|due| due.payload).collect()
    }

    fn kept(db: &Connection) -> i64 {
        db.query_row("SELECT count(*) FROM notifications", [], |row| row.get(0))
            .unwrap()
    }

    #[tokio::test]
    async fn each_subscription_has_one_on_its_way_and_the_urgent_go_first() {
        with_user(|db, user| {
            subscribe(db, user, "web", "a");
            subscribe(db, user, "web", "b");
            subscribe(db, user, "gcm", "phone");
            let reach = queue(db, &notification("chat", false), &[user], None, NOW)?;
            let expected = Reach {
                queued: 2,
                kept_only: 1,
            };
            assert_eq!(reach, expected);
            queue(db, &notification("call", true), &[user], None, NOW)?;
            assert_eq!(payloads(db, NOW), ["call", "call"]);
            for due in due(db, NOW, 100)? {
                done(db, &due, true)?;
            }
            assert_eq!(payloads(db, NOW), ["chat", "chat"]);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn only_the_environment_asked_for_is_reached() {
        with_user(|db, user| {
            subscribe(db, user, "web", "a");
            let other = Some("development");
            let reach = queue(db, &notification("x", false), &[user], other, NOW)?;
            assert_eq!((reach, kept(db)), (Reach::default(), 0));
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_failing_subscription_waits_as_a_whole_and_knows_when_it_is_its_turn() {
        with_user(|db, user| {
            subscribe(db, user, "web", "a");
            queue(db, &notification("one", false), &[user], None, NOW)?;
            let first = due(db, NOW, 1)?.remove(0);
            postpone(db, &first, NOW + 5)?;
            queue(db, &notification("two", false), &[user], None, NOW)?;
            assert_eq!(payloads(db, NOW), Vec::<String>::new());
            assert_eq!(next_at(db, NOW)?, Some(NOW + 5));
            let again = due(db, NOW + 5, 1)?.remove(0);
            assert_eq!((again.payload.as_str(), again.failures), ("one", 1));
            done(db, &again, true)?;
            assert_eq!(due(db, NOW, 1)?[0].failures, 0);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn the_newest_are_kept_and_nothing_is_kept_for_nobody() {
        with_user(|db, user| {
            subscribe(db, user, "web", "a");
            for number in 0..WAITING + 10 {
                let text = number.to_string();
                queue(db, &notification(&text, false), &[user], None, NOW)?;
            }
            assert_eq!(payloads(db, NOW), ["10"]);
            assert_eq!(kept(db), i64::from(WAITING));
            assert_eq!(sweep(db, NOW + 59)?, 0);
            assert_eq!(sweep(db, NOW + 60)?, WAITING as usize);
            assert_eq!(kept(db), 0);
            queue(db, &notification("x", false), &[user], None, NOW)?;
            users::delete(db, user)?;
            assert_eq!(kept(db), 0);
            Ok(())
        })
        .await;
    }
}
