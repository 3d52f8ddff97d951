//! Records of custom classes.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value as Json};

use super::classes::Class;
use super::query::{Filter, Page};
use crate::protocol::address::UserId;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// 24 hex digits.
    pub id: String,
    /// Who created it.
    pub author: UserId,
    /// Every field of its class.
    pub fields: Map<String, Json>,
    /// When it was created.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

const COLUMNS: &str = "id, user_id, fields, created_at, updated_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Record> {
    let text: String = row.get("fields")?;
    let fields = serde_json::from_str(&text).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
    })?;
    Ok(Record {
        id: row.get("id")?,
        author: row.get::<_, i64>("user_id")?.unsigned_abs(),
        fields,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Stores a new record.
pub fn create(connection: &Connection, class: &Class, record: &Record) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO records (id, class, user_id, fields, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            record.id,
            class.name,
            record.author as i64,
            serde_json::Value::Object(record.fields.clone()).to_string(),
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
        .query_row([class.name, id], read)
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
            page.sql("seq")
        ))?
        .query_map(rusqlite::params_from_iter(filter.values()), read)?
        .collect()
}

/// How many records of a class there are.
pub fn count(connection: &Connection, class: &Class, filter: Filter) -> rusqlite::Result<u64> {
    let filter = of_class(class, filter);
    let sql = format!("SELECT count(*) FROM records WHERE {}", filter.sql());
    let values = rusqlite::params_from_iter(filter.values());
    let count: i64 = connection.query_row(&sql, values, |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Those an author created.
pub fn by_author(author: UserId) -> Filter {
    Filter::default().and("user_id = ?", [(author as i64).into()])
}

/// Writes a record's fields back.
pub fn update(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE records SET fields = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(params![
            record.id,
            serde_json::Value::Object(record.fields.clone()).to_string(),
            record.updated_at
        ])?;
    Ok(())
}

/// Removes a record.
pub fn delete(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM records WHERE id = ?1", [id])?;
    Ok(())
}

fn of_class(class: &Class, filter: Filter) -> Filter {
    Filter::default()
        .and("class = ?", [class.name.to_owned().into()])
        .and_filter(filter)
}
