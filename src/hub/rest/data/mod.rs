//! `/data/{Class}` (wire reference E.5; capabilities 6.5): records of the site's classes.
//!
//! ```text
//! input                what a request says of a record
//! creation  changes    one record, or several
//! lists                records, counted, added up, with the fields one wants
//! criteria             changing and removing whatever meets conditions
//! removal              by ids, with what belongs to them
//! ```
//!
//! Invariant: nobody learns of, changes or removes what the permissions keep from them, and a
//! request does all it says or nothing.
//! Must not enter: SQL.

mod changes;
mod creation;
mod criteria;
mod input;
mod lists;
mod removal;

pub use input::resolve_files;
pub use lists::read_nulls;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::request::Request;
use super::{Answer, no_route};
use crate::hub::data::{Action, Asker, Class, FieldError};
use crate::hub::store::query::{Page, check_names};
use crate::hub::store::records::{self, Record};
use crate::protocol::address::UserId;

/// Records a page has unless the request says otherwise, and at most (CD-12).
const PAGE: u64 = 100;
/// Records one request may name.
const MAX_NAMED: usize = 100;
/// Records one request may change or remove by criteria.
const MAX_MATCHED: u64 = 1_000;

/// How long finding records may take: others wait for their turn meanwhile.
const MAX_READ: Duration = Duration::from_secs(2);

/// The requests there are of a class.
pub async fn route(method: &str, class: &str, rest: &[&str], request: &Request) -> Answer {
    match (method, rest) {
        ("POST", []) => creation::one(request, class).await,
        ("POST", ["multi"]) => creation::several(request, class).await,
        ("GET", []) => lists::list(request, class).await,
        ("GET", [ids]) => lists::show(request, class, ids).await,
        ("PUT", ["multi"]) => changes::several(request, class).await,
        ("PUT", ["by_criteria"]) => criteria::update(request, class).await,
        ("PUT", [id]) => changes::one(request, class, id).await,
        ("DELETE", ["by_criteria"]) => criteria::delete(request, class).await,
        ("DELETE", [ids]) => removal::delete(request, class, ids).await,
        _ => Err(no_route(method, "data/…")),
    }
}

/// Who asks for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The operator.
    Admin,
    /// A user.
    User(UserId),
}

impl Who {
    async fn of(request: &Request) -> Result<Self, ApiError> {
        if request.has_admin_key() {
            return Ok(Self::Admin);
        }
        request.user().await.map(Self::User)
    }

    fn asker(self, connection: &Connection) -> rusqlite::Result<Asker> {
        match self {
            Self::Admin => Ok(Asker::Operator),
            Self::User(user) => records::asker(connection, user),
        }
    }
}

fn class_of(request: &Request, name: &str) -> Result<Arc<Class>, ApiError> {
    let found = request.site.classes.find(name).map(Arc::clone);
    found.ok_or_else(|| ApiError::not_found(format!("Class {name} not found")))
}

fn may(class: &Class, action: Action, record: &Record, asker: &Asker) -> bool {
    let access = class.access(action);
    let access = access.unwrap_or_else(|| record.permissions.of(action));
    access.admits(asker, Some(record.author))
}

/// A record somebody may do something with.
///
/// # Errors
/// 404 and 403.
fn load(
    db: &Connection,
    class: &Class,
    id: &str,
    action: Action,
    asker: &Asker,
) -> Result<Record, ApiError> {
    let record = records::find(db, class, id)?.ok_or_else(not_found)?;
    if may(class, action, &record, asker) {
        return Ok(record);
    }
    Err(not_allowed(action))
}

fn not_found() -> ApiError {
    ApiError::not_found("Record not found")
}

fn not_allowed(action: Action) -> ApiError {
    ApiError::forbidden(format!("You may not {} this record", action.name()))
}

/// The field of a record and the rule it breaks; `of` says which of several it is.
pub fn broken(of: Option<&str>, (field, error): (String, FieldError)) -> ApiError {
    ApiError::invalid_field(&place(of, &field), error.to_string())
}

fn place(of: Option<&str>, field: &str) -> String {
    match of {
        Some(number) => format!("record[{number}][{field}]"),
        None => field.to_owned(),
    }
}

fn read_ids(text: &str) -> Result<Vec<String>, ApiError> {
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    let mut ids: Vec<String> = ids.map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    if ids.len() > MAX_NAMED {
        return Err(ApiError::invalid(
            "_id",
            format!("are more than {MAX_NAMED}"),
        ));
    }
    Ok(ids)
}

/// The page these parameters ask for.
///
/// # Errors
/// 422 for one that is no number.
fn page_of(params: &Map<String, Json>, names: &[&str]) -> Result<Page, ApiError> {
    let number = |name: &&str| Some(((*name).to_owned(), params.get(*name)?.clone()));
    let numbers = Json::Object(names.iter().filter_map(number).collect());
    check_names(&numbers, &[], &[])?;
    Ok(Page::read(&numbers, &[], PAGE, PAGE))
}

/// The record as lists have it: with the fields its class has today.
fn envelope(class: &Class, record: &Record) -> Json {
    let mut body = json!({
        "_id": record.id,
        "_parent_id": record.parent,
        "user_id": record.author,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    });
    for field in &class.fields {
        let value = record.fields.get(&field.name);
        body[&field.name] = value.cloned().unwrap_or_default();
    }
    body
}

/// The record with its permissions, as all answers but lists have it.
fn detailed(class: &Class, record: &Record) -> Json {
    let mut body = envelope(class, record);
    body["permissions"] = record.permissions.json(class);
    body
}

/// The record after a change, to who changed it: who may not read it learns no more than that it
/// was changed.
fn changed(class: &Class, record: &Record, asker: &Asker) -> Json {
    if may(class, Action::Read, record, asker) {
        return detailed(class, record);
    }
    json!({"_id": record.id, "updated_at": record.updated_at})
}
