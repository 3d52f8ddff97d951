//! Records of custom classes.

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Map, Value as Json, json};

use super::query::{Filter, Page};
use crate::hub::data::{Asker, Class, Permissions};
use crate::protocol::address::UserId;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// 24 hex digits.
    pub id: String,
    /// The record it belongs to.
    pub parent: Option<String>,
    /// Who created it.
    pub author: UserId,
    /// Every field of its class.
    pub fields: Map<String, Json>,
    /// What it says itself of who may do what.
    pub permissions: Permissions,
    /// When it was created.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

const COLUMNS: &str = "id, parent_id, user_id, fields, permissions, created_at, updated_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Record> {
    let text: String = row.get("fields")?;
    let fields = serde_json::from_str(&text).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
    })?;
    let permissions: Option<String> = row.get("permissions")?;
    Ok(Record {
        id: row.get("id")?,
        parent: row.get("parent_id")?,
        author: row.get::<_, i64>("user_id")?.unsigned_abs(),
        fields,
        permissions: Permissions::of_kept(permissions.as_deref()),
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Who a user is where records are concerned.
pub fn asker(connection: &Connection, user: UserId) -> rusqlite::Result<Asker> {
    let tags = connection
        .prepare_cached("SELECT tag FROM tags WHERE user_id = ?1")?
        .query_map([user as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Asker::User { id: user, tags })
}

/// Stores a new record.
pub fn create(connection: &Connection, class: &Class, record: &Record) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO records (id, class, parent_id, user_id, fields, permissions, created_at,
                                  updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            record.id,
            class.name,
            record.parent,
            record.author as i64,
            json!(record.fields).to_string(),
            record.permissions.kept(),
            record.created_at,
            record.updated_at
        ])?;
    Ok(())
}

/// A record of a class.
pub fn find(connection: &Connection, class: &Class, id: &str) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM records WHERE class = ?1 AND id = ?2"
        ))?
        .query_row([&*class.name, id], read)
        .optional()
}

/// The name of a record's class.
pub fn class_of(connection: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT class FROM records WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Records of a class, oldest first unless the page says otherwise.
pub fn list(
    connection: &Connection,
    class: &Class,
    filter: Filter,
    page: &Page,
) -> rusqlite::Result<Vec<Record>> {
    let filter = of_class(class, filter);
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM records WHERE {} {}",
            filter.sql(),
            page.sql("records.seq")
        ))?
        .query_map(params_from_iter(filter.values()), read)?
        .collect()
}

/// How many records of a class there are.
pub fn count(connection: &Connection, class: &Class, filter: Filter) -> rusqlite::Result<u64> {
    let filter = of_class(class, filter);
    let sql = format!("SELECT count(*) FROM records WHERE {}", filter.sql());
    let values = params_from_iter(filter.values());
    let count: i64 = connection.query_row(&sql, values, |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Those an author created.
pub fn by_author(author: UserId) -> Filter {
    Filter::default().and("records.user_id = ?", [(author as i64).into()])
}

/// Writes back what can change of a record.
pub fn update(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE records SET parent_id = ?2, fields = ?3, permissions = ?4, updated_at = ?5
             WHERE id = ?1",
        )?
        .execute(params![
            record.id,
            record.parent,
            json!(record.fields).to_string(),
            record.permissions.kept(),
            record.updated_at
        ])?;
    Ok(())
}

/// Removes records with all that belong to them, in whatever depth (CD-30).
pub fn delete(connection: &Connection, ids: &[String]) -> rusqlite::Result<()> {
    // UNION, not UNION ALL: what belongs to itself in a circle is met once.
    connection
        .prepare_cached(
            "WITH RECURSIVE gone(id) AS (
                 SELECT value FROM json_each(?1)
                 UNION
                 SELECT records.id FROM gone JOIN records ON records.parent_id = gone.id)
             DELETE FROM records WHERE id IN (SELECT id FROM gone)",
        )?
        .execute([json!(ids).to_string()])?;
    Ok(())
}

/// Whether a record is another one or belongs to it, in whatever depth.
pub fn is_under(connection: &Connection, id: &str, other: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "WITH RECURSIVE up(id) AS (
                 VALUES (?1)
                 UNION
                 SELECT records.parent_id FROM up JOIN records ON records.id = up.id
                 WHERE records.parent_id IS NOT NULL)
             SELECT EXISTS (SELECT 1 FROM up WHERE id = ?2)",
        )?
        .query_row([id, other], |row| row.get(0))
}

pub(super) fn of_class(class: &Class, filter: Filter) -> Filter {
    Filter::default()
        .and("records.class = ?", [class.name.clone().into()])
        .and_filter(filter)
}
