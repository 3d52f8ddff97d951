//! Whom an event is for: users by number, by somebody else's number, by tag (PN-10…PN-12).

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::protocol::address::UserId;

/// A way of choosing users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// By number.
    Ids(Vec<UserId>),
    /// By the number another system has for them.
    ExternalIds(Vec<String>),
    /// Who has one of the tags at least.
    AnyTag(Vec<String>),
    /// Who has all of them.
    AllTags(Vec<String>),
    /// Who has none of them.
    WithoutTags(Vec<String>),
}

/// Values one query takes (SQLite's own bound is 32,766).
pub const MAX_VALUES: usize = 10_000;

impl Recipients {
    /// How many numbers or tags are named.
    pub fn count(&self) -> usize {
        match self {
            Self::Ids(ids) => ids.len(),
            Self::ExternalIds(texts)
            | Self::AnyTag(texts)
            | Self::AllTags(texts)
            | Self::WithoutTags(texts) => texts.len(),
        }
    }
}

/// The users chosen, `limit` of them at most. Who is no user is left out, and what is named beyond
/// [`MAX_VALUES`] is not looked for.
pub fn find(
    connection: &Connection,
    recipients: &Recipients,
    limit: usize,
) -> rusqlite::Result<Vec<UserId>> {
    let texts = |texts: &[String]| -> Vec<Value> {
        let mut texts = texts.to_vec();
        texts.sort_unstable();
        texts.dedup();
        texts
            .into_iter()
            .take(MAX_VALUES)
            .map(Value::from)
            .collect()
    };
    let (condition, values) = match recipients {
        Recipients::Ids(ids) => (
            "id IN (?)",
            ids.iter()
                .take(MAX_VALUES)
                .map(|id| Value::from(*id as i64))
                .collect(),
        ),
        Recipients::ExternalIds(ids) => (
            "(external_id IN (?) OR external_user_id IN (?))",
            texts(ids),
        ),
        Recipients::AnyTag(tags) => (
            "id IN (SELECT user_id FROM tags WHERE tag IN (?))",
            texts(tags),
        ),
        Recipients::AllTags(tags) => (
            "id IN (SELECT user_id FROM tags WHERE tag IN (?)
                    GROUP BY user_id HAVING count(*) = #)",
            texts(tags),
        ),
        Recipients::WithoutTags(tags) => (
            "id NOT IN (SELECT user_id FROM tags WHERE tag IN (?))",
            texts(tags),
        ),
    };
    // Numbered, since a condition may name the same values twice.
    let numbers: Vec<String> = (1..=values.len()).map(|n| format!("?{n}")).collect();
    let condition = condition
        .replace('?', &numbers.join(", "))
        .replace('#', &values.len().to_string());
    connection
        .prepare(&format!(
            "SELECT id FROM users WHERE {condition} ORDER BY id LIMIT {limit}"
        ))?
        .query_map(params_from_iter(values), |row| row.get::<_, i64>(0))?
        .map(|id| id.map(i64::unsigned_abs))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::{Store, users};

    #[tokio::test]
    async fn every_way_of_choosing_finds_whom_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let done = store.run(|db| {
            let user = |external: &str, tags: &str| {
                let changes = vec![
                    ("external_user_id", Some(external.to_owned())),
                    ("user_tags", Some(tags.to_owned())),
                ];
                users::create(db, &changes, None, false, 0).map(|user| user.unwrap().id)
            };
            let nurse = user("E1", "nurse,night")?;
            let doctor = user("E2", "doctor,night")?;
            let guest = user("E3", "")?;
            let found = |recipients: &Recipients| find(db, recipients, 10).unwrap();
            let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
            let ids = Recipients::Ids(vec![guest, nurse, 9_999]);
            assert_eq!(found(&ids), [nurse, guest]);
            let external = Recipients::ExternalIds(words("E2,E3,E9"));
            assert_eq!(found(&external), [doctor, guest]);
            let any = Recipients::AnyTag(words("nurse,doctor,none"));
            assert_eq!(found(&any), [nurse, doctor]);
            let all = Recipients::AllTags(words("night,doctor,night"));
            assert_eq!(found(&all), [doctor]);
            let without = Recipients::WithoutTags(words("doctor,none"));
            assert_eq!(found(&without), [nurse, guest]);
            assert_eq!(find(db, &without, 1)?, [nurse]);
            assert!(found(&Recipients::AnyTag(words("x') OR 1 --"))).is_empty());
            Ok(())
        });
        done.await.unwrap();
    }
}
