//! What a request asks of the records of a class, as a [`Filter`]: names come from the class, and
//! values are bound.

use serde_json::{Map, Value as Json, json};

use super::query::{Field, Filter, FilterError, Kind};
use crate::hub::data::{Access, Action, Asker, Class, ClassField, FieldKind, Scalar};

/// What every record has besides its fields (CD-03).
const ENVELOPE: &[Field] = &[
    ("_id", "records.id", Kind::Text),
    ("user_id", "records.user_id", Kind::Number),
    ("_parent_id", "records.parent_id", Kind::Text),
    ("created_at", "records.created_at", Kind::Time),
    ("updated_at", "records.updated_at", Kind::Time),
];
const FIELDS: &str = "records.fields";
/// Characters of a text that a field is to contain: each place of a record's text is compared with
/// it, of every record of the class.
const MAX_PATTERN: usize = 128;

/// The records of a class that meet all of these conditions on fields and envelope.
///
/// # Errors
/// [`FilterError`] names the field; one that the class has not got is refused, too.
pub fn criteria(class: &Class, given: &Map<String, Json>) -> Result<Filter, FilterError> {
    let mut filter = Filter::default();
    for (name, wanted) in given {
        let of_all = ENVELOPE.iter().find(|(known, _, _)| known == name);
        match (of_all, class.field(name)) {
            (Some((_, column, kind)), _) => filter.add_field(name, column, *kind, wanted)?,
            (None, Some(field)) => add(&mut filter, FIELDS, name, field, wanted)?,
            (None, None) => return Err(FilterError::Field(name.chars().take(64).collect())),
        }
    }
    Ok(filter)
}

/// Adds the conditions on one field of a class, whose values are in the JSON object `base`; `name`
/// is what errors call it.
///
/// # Errors
/// [`FilterError`] names the field.
pub fn add(
    filter: &mut Filter,
    base: &str,
    name: &str,
    field: &ClassField,
    wanted: &Json,
) -> Result<(), FilterError> {
    check_pattern(name, wanted)?;
    let column = column(base, field);
    let rows = format!("json_each({base}, '$.{}') item WHERE 1", field.name);
    let (column, kind) = match field.kind {
        FieldKind::Text(_) | FieldKind::IdOrText(_) | FieldKind::File => (&*column, Kind::Text),
        FieldKind::Id => (&*column, Kind::Number),
        FieldKind::Scalar(Scalar::String) => (&*column, Kind::Text),
        FieldKind::Scalar(Scalar::Integer | Scalar::Float) => (&*column, Kind::Real),
        FieldKind::Scalar(Scalar::Boolean) => (&*column, Kind::Flag),
        FieldKind::Date => (&*column, Kind::Date),
        FieldKind::Location => (&*column, Kind::Place),
        FieldKind::Array(Some(Scalar::String)) => ("item.value", Kind::TextIn(&rows)),
        FieldKind::Array(Some(Scalar::Integer | Scalar::Float)) => {
            ("item.value", Kind::RealIn(&rows))
        }
        FieldKind::Array(Some(Scalar::Boolean)) => ("item.value", Kind::FlagIn(&rows)),
        FieldKind::Array(None) => (ANY_ITEM, Kind::TextIn(&rows)),
    };
    filter.add_field(name, column, kind, wanted)
}

fn check_pattern(name: &str, wanted: &Json) -> Result<(), FilterError> {
    for operator in ["ctn", "start_with"] {
        let text = wanted.get(operator).and_then(Json::as_str).unwrap_or("");
        if text.chars().count() > MAX_PATTERN {
            return Err(FilterError::Pattern {
                field: name.to_owned(),
                most: MAX_PATTERN,
            });
        }
    }
    Ok(())
}

/// An item of any type, as it is written.
const ANY_ITEM: &str = "CASE item.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' \
                        ELSE CAST(item.value AS TEXT) END";

/// The SQL of a field's value.
pub fn column(base: &str, field: &ClassField) -> String {
    let value = format!("json_extract({base}, '$.{}')", field.name);
    match field.kind {
        FieldKind::IdOrText(_) => format!("CAST({value} AS TEXT)"),
        _ => value,
    }
}

/// The SQL records are sorted by for a name: of any field, lists and places by how they are written.
pub fn sort_column(class: &Class, name: &str) -> Option<String> {
    // Ids of one second are in no order; records are numbered as they come.
    if name == "_id" {
        return Some("records.seq".to_owned());
    }
    let of_all = ENVELOPE.iter().find(|(known, _, _)| *known == name);
    of_all
        .map(|(_, column, _)| (*column).to_owned())
        .or_else(|| class.field(name).map(|field| column(FIELDS, field)))
}

/// The SQL records are grouped or added up by.
pub fn value_column(field: &ClassField) -> String {
    column(FIELDS, field)
}

/// The records somebody may do something with: as [`Access::admits`] says for each.
pub fn admitted(class: &Class, action: Action, asker: &Asker) -> Filter {
    let Asker::User { id, tags } = asker else {
        return Filter::default();
    };
    let own = (*id as i64).into();
    match class.access(action) {
        Some(Access::Owner) => Filter::default().and("records.user_id = ?", [own]),
        Some(access) if access.admits(asker, None) => Filter::default(),
        Some(_) => Filter::default().and("0", []),
        None => {
            let name = action.name();
            let default = match action {
                Action::Read => "open",
                Action::Update | Action::Delete => "owner",
            };
            let condition = format!(
                "CASE coalesce(records.permissions ->> '$.{name}.access', '{default}')
                 WHEN 'open' THEN 1
                 WHEN 'owner' THEN records.user_id = ?
                 WHEN 'open_for_users_ids' THEN EXISTS (
                     SELECT 1 FROM json_each(records.permissions, '$.{name}.users_ids') named
                     WHERE named.value = ?)
                 WHEN 'open_for_groups' THEN EXISTS (
                     SELECT 1 FROM json_each(records.permissions, '$.{name}.users_groups') named
                     WHERE named.value IN (SELECT value FROM json_each(?)))
                 ELSE 0 END"
            );
            let values = [own, id.to_string().into(), json!(tags).to_string().into()];
            Filter::default().and(&condition, values)
        }
    }
}

#[cfg(test)]
#[path = "record_filter_tests.rs"]
mod tests;
