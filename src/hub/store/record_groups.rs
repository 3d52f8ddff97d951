//! Records added up in groups (CD-15).

use rusqlite::{Connection, params_from_iter, types::Value};
use serde_json::{Map, Value as Json};

use super::query::Filter;
use super::record_filter::value_column;
use super::records::of_class;
use crate::hub::data::{Class, ClassField, FieldKind, Scalar};

/// What is made of the numbers of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calc {
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// All together.
    Sum,
}

impl Calc {
    /// Reads its name on the wire.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "avg" => Some(Self::Avg),
            "min" => Some(Self::Min),
            "max" => Some(Self::Max),
            "sum" => Some(Self::Sum),
            _ => None,
        }
    }

    fn sql(self, column: &str) -> String {
        match self {
            Self::Avg => format!("avg({column})"),
            Self::Min => format!("min({column})"),
            Self::Max => format!("max({column})"),
            // A sum of whole numbers beyond 64 bits would be an error of SQLite's.
            Self::Sum => format!("total({column})"),
        }
    }
}

/// Whether numbers can be made of a field.
pub fn is_number(field: &ClassField) -> bool {
    let kind = field.kind;
    kind == FieldKind::Id || matches!(kind, FieldKind::Scalar(Scalar::Integer | Scalar::Float))
}

/// Whether records can be grouped by a field: whole numbers, numbers, texts, truth values.
pub fn is_group(field: &ClassField) -> bool {
    !matches!(
        field.kind,
        FieldKind::Array(_) | FieldKind::Location | FieldKind::Date | FieldKind::File
    )
}

/// One item a group, in order of what they have in common: that under its field's name, and what was
/// made of each other field under its.
pub fn list(
    connection: &Connection,
    class: &Class,
    filter: Filter,
    group: &ClassField,
    calcs: &[(&ClassField, Calc)],
    (limit, skip): (u64, u64),
) -> rusqlite::Result<Vec<Json>> {
    let filter = of_class(class, filter);
    let by = value_column(group);
    let columns: Vec<String> = calcs
        .iter()
        .map(|(field, calc)| calc.sql(&value_column(field)))
        .collect();
    let sql = format!(
        "SELECT {by}, {} FROM records WHERE {} GROUP BY 1 ORDER BY 1 LIMIT {limit} OFFSET {skip}",
        columns.join(", "),
        filter.sql()
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(filter.values()), |row| {
        let mut item = Map::new();
        item.insert(group.name.clone(), json_of(group.kind, row.get(0)?));
        for (place, (field, _)) in calcs.iter().enumerate() {
            item.insert(field.name.clone(), json_of(field.kind, row.get(place + 1)?));
        }
        Ok(Json::Object(item))
    })?;
    rows.collect()
}

fn json_of(kind: FieldKind, value: Value) -> Json {
    let is_whole = kind == FieldKind::Scalar(Scalar::Integer);
    match value {
        Value::Integer(number) if kind == FieldKind::Scalar(Scalar::Boolean) => {
            (number != 0).into()
        }
        Value::Integer(number) => number.into(),
        // What is whole of whole numbers is written so.
        Value::Real(real) if is_whole && real.fract() == 0.0 && real.abs() < 9e15 => {
            (real as i64).into()
        }
        Value::Real(real) => real.into(),
        Value::Text(text) => text.into(),
        Value::Null | Value::Blob(_) => Json::Null,
    }
}
