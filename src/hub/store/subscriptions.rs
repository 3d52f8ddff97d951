//! Where users are reached who are away: one row for each device and kind of push service.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value as Json, json};

use crate::protocol::address::UserId;

/// The channel the hub itself delivers by: Web Push. Others are kept only.
pub const WEB: &str = "web";

/// A subscription to be stored.
#[derive(Clone, Debug)]
pub struct New {
    /// Whose.
    pub user: UserId,
    /// `apns`, `apns_voip`, `gcm` or `web`.
    pub channel: String,
    /// `development` or `production`.
    pub environment: String,
    /// `ios`, `android` or `web`.
    pub platform: String,
    /// Which device.
    pub udid: String,
    /// Which application.
    pub bundle: Option<String>,
    /// The phone's token, or the address of a Web Push subscription.
    pub address: String,
    /// The keys of a Web Push subscription: its public key and its secret.
    pub keys: Option<(Vec<u8>, Vec<u8>)>,
}

/// A stored subscription, as answers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    id: i64,
    channel: String,
    platform: String,
    udid: String,
}

impl Subscription {
    /// The object of wire reference E.5.
    pub fn json(&self) -> Json {
        json!({"subscription": {
            "id": self.id,
            "notification_channel": {"name": self.channel},
            "device": {"udid": self.udid, "platform": {"name": self.platform}},
        }})
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            channel: row.get(1)?,
            platform: row.get(2)?,
            udid: row.get(3)?,
        })
    }
}

const COLUMNS: &str = "id, channel, platform, udid";

/// Stores a subscription. A device that comes again changes its own one, and an address that was
/// another user's is that user's no more: somebody else holds the device now. Beyond `limit` the
/// user's oldest go.
pub fn put(
    connection: &Connection,
    new: &New,
    limit: u32,
    now: i64,
) -> rusqlite::Result<Subscription> {
    let user = new.user as i64;
    connection
        .prepare_cached(
            "DELETE FROM subscriptions WHERE channel = ?1 AND address = ?2
             AND NOT (user_id = ?3 AND udid = ?4)",
        )?
        .execute(params![new.channel, new.address, user, new.udid])?;
    let (p256dh, auth) = new.keys.clone().unzip();
    let stored = connection
        .prepare_cached(&format!(
            "INSERT INTO subscriptions (user_id, channel, environment, platform, udid, bundle,
                                        address, p256dh, auth, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (user_id, channel, udid) DO UPDATE SET
                 environment = excluded.environment, platform = excluded.platform,
                 bundle = excluded.bundle, address = excluded.address,
                 p256dh = excluded.p256dh, auth = excluded.auth,
                 created_at = excluded.created_at, failures = 0, next_at = 0
             RETURNING {COLUMNS}"
        ))?
        .query_row(
            params![
                user,
                new.channel,
                new.environment,
                new.platform,
                new.udid,
                new.bundle,
                new.address,
                p256dh,
                auth,
                now
            ],
            Subscription::read,
        )?;
    connection
        .prepare_cached(
            "DELETE FROM subscriptions WHERE user_id = ?1 AND id IN (
                 SELECT id FROM subscriptions WHERE user_id = ?1
                 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![user, limit])?;
    Ok(stored)
}

/// A user's subscriptions, oldest first.
pub fn of_user(connection: &Connection, user: UserId) -> rusqlite::Result<Vec<Subscription>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM subscriptions WHERE user_id = ?1 ORDER BY id"
        ))?
        .query_map([user as i64], Subscription::read)?
        .collect()
}

/// Deletes a user's subscription with what is on its way there, and tells whether there was one.
pub fn delete(connection: &Connection, user: UserId, id: i64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM subscriptions WHERE id = ?1 AND user_id = ?2";
    Ok(connection.execute(sql, params![id, user as i64])? > 0)
}

/// Deletes a subscription that its push service knows no more, unless the device has put another
/// address in the place of `address` meanwhile.
pub fn delete_gone(connection: &Connection, id: i64, address: &str) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM subscriptions WHERE id = ?1 AND address = ?2";
    Ok(connection.execute(sql, params![id, address])? > 0)
}

/// Everybody who can be reached by Web Push.
pub fn subscribers(connection: &Connection) -> rusqlite::Result<Vec<UserId>> {
    connection
        .prepare_cached("SELECT DISTINCT user_id FROM subscriptions WHERE channel = ?1")?
        .query_map([WEB], |row| row.get::<_, i64>(0))?
        .map(|user| user.map(i64::unsigned_abs))
        .collect()
}

/// Whether anybody at all can be reached by Web Push.
pub fn is_anybody_subscribed(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM subscriptions WHERE channel = ?1 LIMIT 1")?
        .query_row([WEB], |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::{Store, users};

    fn new(user: UserId, udid: &str, address: &str) -> New {
        New {
            user,
            channel: "gcm".into(),
            environment: "production".into(),
            platform: "android".into(),
            udid: udid.into(),
            bundle: None,
            address: address.into(),
            keys: None,
        }
    }

    async fn with_users(
        job: impl FnOnce(&Connection, UserId, UserId) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let done = store.run(move |db| {
            let user = || Ok(users::create(db, &vec![], None, false, 0)?.unwrap().id);
            let (one, other): (UserId, UserId) =
                (user()?, user().map_err(|error: rusqlite::Error| error)?);
            job(db, one, other)
        });
        done.await.unwrap();
    }

    #[tokio::test]
    async fn a_device_that_comes_again_keeps_its_number_and_changes_its_address() {
        with_users(|db, one, _| {
            let first = put(db, &new(one, "d", "old"), 5, 0)?;
            let again = put(db, &new(one, "d", "new"), 5, 1)?;
            assert_eq!(first, again);
            assert_eq!(of_user(db, one)?, std::slice::from_ref(&again));
            assert!(!delete_gone(db, again.id, "old")?);
            assert!(delete_gone(db, again.id, "new")?);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn an_address_belongs_to_whoever_subscribed_last() {
        with_users(|db, one, other| {
            put(db, &new(one, "d", "token"), 5, 0)?;
            put(db, &new(other, "d", "token"), 5, 0)?;
            assert_eq!(of_user(db, one)?, []);
            assert_eq!(of_user(db, other)?.len(), 1);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_users_oldest_subscriptions_give_way() {
        with_users(|db, one, other| {
            put(db, &new(other, "d", "other"), 2, 0)?;
            for number in 0..4 {
                let text = number.to_string();
                put(db, &new(one, &text, &text), 2, number)?;
            }
            let left: Vec<String> = of_user(db, one)?.into_iter().map(|one| one.udid).collect();
            assert_eq!(left, ["2", "3"]);
            assert_eq!(of_user(db, other)?.len(), 1);
            Ok(())
        })
        .await;
    }
}
