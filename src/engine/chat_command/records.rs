//! Commands about records of custom objects (CD-04…CD-22).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::rules::{Checked, LIST_MAX, characters, ids, limit, object_id, too_many};

/// Characters of a class's name.
const CLASS_MAX: usize = 64;
/// Fields of one record.
const FIELDS_MAX: usize = 100;

/// A record to be created.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRecord {
    /// The class, as the application's administration has named it.
    pub class: String,
    /// Its fields, as the class has them.
    pub fields: Map<String, Value>,
    /// The record it belongs to.
    #[serde(default)]
    pub parent: Option<String>,
    /// Who may `read`, `update` and `delete` it, each an object with `access` (`open`, `owner`,
    /// `open_for_groups` with `groups`, `open_for_users_ids` with `ids`).
    #[serde(default)]
    pub permissions: Option<Map<String, Value>>,
}

/// Records to be listed.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRecords {
    /// The class.
    pub class: String,
    /// These records alone, at most 100, with their permissions; without filter, order and page.
    #[serde(default)]
    pub records: Vec<String>,
    /// Conditions: a field's value, or an object of operators (`gt`, `lt`, `gte`, `lte`, `ne`, `in`,
    /// `nin`, `all`, `or`, `ctn`, `near`) with theirs; `_parent_id` for what belongs to a record.
    #[serde(default)]
    pub filter: Map<String, Value>,
    /// Sort by this field, the smallest first.
    #[serde(default)]
    pub sort_asc: Option<String>,
    /// Sort by this field, the greatest first.
    #[serde(default)]
    pub sort_desc: Option<String>,
    /// At most so many, 1 to 100.
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// Leave out so many.
    #[serde(default)]
    pub skip: u32,
}

fn default_limit() -> u32 {
    20
}

/// A record to be changed.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRecord {
    /// The class.
    pub class: String,
    /// The record.
    pub record: String,
    /// Fields with their new values, null for none, and update operators: `inc`, `pull`,
    /// `pull_all`, `pop`, `push`, `add_to_set`, each an object of fields.
    #[serde(default)]
    pub changes: Map<String, Value>,
    /// The record it belongs to from now on; an empty text for none.
    #[serde(default)]
    pub parent: Option<String>,
    /// Who may do what with it from now on, as for `record_create`; for its owner.
    #[serde(default)]
    pub permissions: Option<Map<String, Value>>,
}

/// Records to be deleted, with all that belong to them.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteRecords {
    /// The class.
    pub class: String,
    /// The records, at most 100.
    pub records: Vec<String>,
}

fn class(name: &str) -> Checked {
    characters("class", name, 1, CLASS_MAX)
}

fn fields(name: &str, fields: &Map<String, Value>) -> Checked {
    match fields.len() {
        count if count > FIELDS_MAX => Err(too_many(name, count, FIELDS_MAX)),
        _ => Ok(()),
    }
}

pub(super) fn check_new(new: &CreateRecord) -> Checked {
    class(&new.class)?;
    if let Some(parent) = &new.parent {
        object_id("parent", parent)?;
    }
    fields("fields", &new.fields)
}

pub(super) fn check_list(list: &ListRecords) -> Checked {
    class(&list.class)?;
    limit(list.limit)?;
    ids("records", &list.records)?;
    if list.sort_asc.is_some() && list.sort_desc.is_some() {
        return Err("sort_asc and sort_desc: only one is possible".to_owned());
    }
    fields("filter", &list.filter)?;
    list.filter
        .iter()
        .try_for_each(|(name, wanted)| condition(name, wanted))
}

/// An empty list or object would not be asked for at all, and everything would be listed.
fn condition(name: &str, wanted: &Value) -> Checked {
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    };
    let mut operators = wanted.as_object().into_iter().flatten();
    if is_empty(wanted) || operators.any(|(_, value)| is_empty(value)) {
        return Err(format!("filter: {name} needs a value to be compared with"));
    }
    Ok(())
}

pub(super) fn check_update(update: &UpdateRecord) -> Checked {
    class(&update.class)?;
    object_id("record", &update.record)?;
    if update.changes.is_empty() && update.parent.is_none() && update.permissions.is_none() {
        return Err("nothing to change: changes, parent, permissions are all missing".to_owned());
    }
    if let Some(parent) = update.parent.as_ref().filter(|parent| !parent.is_empty()) {
        object_id("parent", parent)?;
    }
    fields("changes", &update.changes)
}

pub(super) fn check_delete(delete: &DeleteRecords) -> Checked {
    class(&delete.class)?;
    match delete.records.len() {
        0 => Err("records: must not be empty".to_owned()),
        count if count > LIST_MAX => Err(too_many("records", count, LIST_MAX)),
        _ => ids("records", &delete.records),
    }
}
