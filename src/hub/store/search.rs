//! Global search (CH-45): the text as it is written, in what the searcher may see.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value as Json;

use super::dialogs::{self, Dialog};
use super::messages;
use super::query::{Filter, Page};
use super::users::{self, User};
use crate::protocol::address::UserId;

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The text; capitals count.
    pub text: String,
    /// Only in these dialogs, if any are given.
    pub dialogs: Vec<String>,
    /// Only messages sent at or before this time, in Unix seconds.
    pub until: Option<i64>,
    /// Only messages sent at or after this time, in Unix seconds.
    pub since: Option<i64>,
    /// Results of each kind at most.
    pub limit: u64,
}

/// The searcher's dialogs with the text in the name, the latest first. A private dialog's name is
/// the other one's.
pub fn in_names(
    connection: &Connection,
    search: &Search,
    viewer: UserId,
) -> rusqlite::Result<Vec<Dialog>> {
    let text = Value::from(search.text.clone());
    let mut filter = among(dialogs::listed_for(viewer), &search.dialogs).and(
        "(instr(dialogs.name, ?) OR (dialogs.type = 3 AND EXISTS
             (SELECT 1 FROM occupants x JOIN users u ON u.id = x.user_id
              WHERE x.dialog_id = dialogs.id AND x.user_id <> ? AND instr(u.full_name, ?))))",
        [text.clone(), Value::from(viewer as i64), text],
    );
    if let Some(since) = search.since {
        filter = filter.and("dialogs.updated_at >= ?", [since.into()]);
    }
    if let Some(until) = search.until {
        filter = filter.and("dialogs.created_at <= ?", [until.into()]);
    }
    let sort = Some(("dialogs.last_message_date_sent", true));
    dialogs::list(connection, &filter, &page(search, sort))
}

/// The messages with the text, in the searcher's dialogs and still visible there, the latest
/// first.
pub fn in_messages(
    connection: &Connection,
    search: &Search,
    viewer: UserId,
) -> rusqlite::Result<Vec<Json>> {
    let own = among(dialogs::listed_for(viewer), &search.dialogs);
    let ids: Vec<Json> = connection
        .prepare(&format!("SELECT id FROM dialogs WHERE {}", own.sql()))?
        .query_map(params_from_iter(own.values()), |row| {
            row.get::<_, String>(0).map(Json::from)
        })?
        .collect::<rusqlite::Result<_>>()?;
    let filter = message_filter(search, viewer, ids);
    messages::list(connection, viewer, &filter, &message_page(search))
}

fn message_filter(search: &Search, viewer: UserId, dialogs: Vec<Json>) -> Filter {
    let viewer = Value::from(viewer as i64);
    let mut filter = Filter::default().and(
        "m.dialog_id IN (SELECT value FROM json_each(?)) AND instr(m.message, ?)
         AND m.seq > coalesce((SELECT cleared_seq FROM dialog_views v
                               WHERE v.user_id = ? AND v.dialog_id = m.dialog_id), 0)
         AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.message_seq = m.seq AND d.user_id = ?)",
        [
            Json::Array(dialogs).to_string().into(),
            search.text.clone().into(),
            viewer.clone(),
            viewer,
        ],
    );
    if let Some(since) = search.since {
        filter = filter.and("m.date_sent >= ?", [since.into()]);
    }
    if let Some(until) = search.until {
        filter = filter.and("m.date_sent <= ?", [until.into()]);
    }
    filter
}

fn message_page(search: &Search) -> Page {
    page(search, Some(("m.date_sent", true)))
}

/// The people with the text in their name among those the searcher shares a private or group
/// dialog with; nobody finds strangers this way.
pub fn in_people(
    connection: &Connection,
    search: &Search,
    viewer: UserId,
) -> rusqlite::Result<Vec<User>> {
    let own = among(dialogs::listed_for(viewer), &search.dialogs);
    let mut values = own.values().to_vec();
    values.extend([
        Value::from(viewer as i64),
        search.text.clone().into(),
        Value::from(i64::try_from(search.limit).unwrap_or(i64::MAX)),
    ]);
    let ids: Vec<UserId> = connection
        .prepare(&format!(
            "SELECT DISTINCT o.user_id FROM dialogs
             JOIN occupants o ON o.dialog_id = dialogs.id JOIN users u ON u.id = o.user_id
             WHERE {} AND dialogs.type IN (2, 3, 5) AND o.user_id <> ? AND instr(u.full_name, ?)
             ORDER BY o.user_id LIMIT ?",
            own.sql()
        ))?
        .query_map(params_from_iter(values), |row| {
            Ok(row.get::<_, i64>(0)?.unsigned_abs())
        })?
        .collect::<rusqlite::Result<_>>()?;
    users::by_ids(connection, &ids)
}

fn among(filter: Filter, ids: &[String]) -> Filter {
    if ids.is_empty() {
        return filter;
    }
    let marks = vec!["?"; ids.len()].join(", ");
    filter.and(
        &format!("dialogs.id IN ({marks})"),
        ids.iter().cloned().map(Value::from),
    )
}

fn page(search: &Search, sort: Option<(&'static str, bool)>) -> Page {
    Page {
        limit: search.limit,
        skip: 0,
        sort: sort.map(|(column, descends)| (column.into(), descends)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::Store;
    use crate::hub::store::query::plan;

    #[tokio::test]
    async fn only_the_searchers_dialogs_and_only_the_dates_asked_for_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let search = Search {
            text: "lorem".into(),
            dialogs: Vec::new(),
            until: Some(9),
            since: Some(5),
            limit: 100,
        };
        let steps = store
            .run(move |connection| {
                let filter = message_filter(&search, 1, vec!["d".into()]);
                let sql = messages::list_sql(&filter, &message_page(&search));
                plan(connection, &sql, filter.values())
            })
            .await
            .unwrap();
        let steps = steps.join("; ");
        let index = "SEARCH m USING INDEX messages_dialog \
                     (dialog_id=? AND date_sent>? AND date_sent<?)";
        assert!(steps.contains(index), "{steps}");
    }
}
