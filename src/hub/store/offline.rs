//! One-to-one messages that nobody was there to take.

use rusqlite::{Connection, params};

use crate::protocol::address::UserId;

/// A stanza kept for a user.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its place in the order of arrival.
    pub seq: i64,
    /// The stanza as XML.
    pub stanza: String,
    /// When it arrived, in Unix seconds.
    pub stored_at: i64,
}

/// Keeps a stanza. Beyond `limit` of a user the oldest go: they are in the history still.
pub fn keep(
    connection: &Connection,
    user: UserId,
    stanza: &str,
    limit: u32,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO offline (user_id, stanza, stored_at) VALUES (?1, ?2, ?3)")?
        .execute(params![user as i64, stanza, now])?;
    connection
        .prepare_cached(
            "DELETE FROM offline WHERE user_id = ?1 AND seq <= (
                 SELECT seq FROM offline WHERE user_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![user as i64, limit])?;
    Ok(())
}

/// Takes the oldest `limit` stanzas kept for a user; the next one to ask does not get them.
pub fn take(connection: &Connection, user: UserId, limit: u32) -> rusqlite::Result<Vec<Kept>> {
    let mut kept: Vec<Kept> = connection
        .prepare_cached(
            "DELETE FROM offline WHERE seq IN (
                 SELECT seq FROM offline WHERE user_id = ?1 ORDER BY seq LIMIT ?2)
             RETURNING seq, stanza, stored_at",
        )?
        .query_map(params![user as i64, limit], |row| {
            Ok(Kept {
                seq: row.get(0)?,
                stanza: row.get(1)?,
                stored_at: row.get(2)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    kept.sort_by_key(|kept| kept.seq);
    Ok(kept)
}

/// Returns what was taken and could not be handed over, to its old place in the order.
pub fn put_back(connection: &Connection, user: UserId, kept: &[Kept]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO offline (seq, user_id, stanza, stored_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for kept in kept {
        statement.execute(params![kept.seq, user as i64, kept.stanza, kept.stored_at])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::Store;
    use crate::hub::store::users;

    #[tokio::test]
    async fn the_newest_are_kept_in_order_and_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let taken = store
            .run(|connection| {
                let user = users::create(connection, &vec![], None, false, 0)?
                    .unwrap()
                    .id;
                for n in 0..5 {
                    keep(connection, user, &n.to_string(), 3, n)?;
                }
                let first = take(connection, user, 2)?;
                put_back(connection, user, &first)?;
                let all = take(connection, user, 9)?;
                assert!(take(connection, user, 9)?.is_empty());
                Ok(all)
            })
            .await
            .unwrap();
        let texts: Vec<_> = taken.iter().map(|kept| kept.stanza.as_str()).collect();
        assert_eq!(texts, ["2", "3", "4"]);
    }
}
