//! Filters, sorting and paging of list requests (wire reference E.1), as SQL with bound values.
//!
//! Column names come from closed lists, never from the request.

use std::borrow::Cow;

use rusqlite::types::Value;
use serde_json::Value as Json;

use crate::hub::clock::{iso8601, parse_time};
use crate::hub::data::value;

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// As text.
    Text,
    /// As a whole number.
    Number,
    /// As a number.
    Real,
    /// As a truth value: 1 or 0 in the table.
    Flag,
    /// As a time: Unix seconds or ISO 8601 in the request, seconds in the table.
    Time,
    /// The same with ISO 8601 in the table, in whole seconds of UTC.
    Date,
    /// By its distance from a place: longitude and latitude as a JSON list in the table.
    Place,
    /// As a text of any of several rows: what follows `FROM`, with its `WHERE`.
    TextIn(&'a str),
    /// As a whole number of any of several rows.
    NumberIn(&'a str),
    /// As a number of any of several rows.
    RealIn(&'a str),
    /// As a truth value of any of several rows.
    FlagIn(&'a str),
}

impl<'a> Kind<'a> {
    fn rows(self) -> Option<&'a str> {
        match self {
            Self::TextIn(rows) | Self::NumberIn(rows) | Self::RealIn(rows) | Self::FlagIn(rows) => {
                Some(rows)
            }
            _ => None,
        }
    }
}

/// A filter field: its name in requests, the SQL it stands for, and how it is compared.
pub type Field = (&'static str, &'static str, Kind<'static>);

/// A filter the request asked for and this server does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The operator is none of the contract's.
    #[error("operator {operator:?} of field {field:?} is not supported")]
    Operator {
        /// The field.
        field: String,
        /// The operator, cut to 32 characters.
        operator: String,
    },
    /// The value is not of the field's kind.
    #[error("value of field {0:?} is not valid")]
    Value(String),
    /// The text that is looked for is longer than it may be.
    #[error("the text field {field:?} is to contain has more than {most} characters")]
    Pattern {
        /// The field.
        field: String,
        /// Characters it may have.
        most: usize,
    },
    /// A condition without a value, which every row would meet.
    #[error("field {0:?} needs a value to be compared with")]
    Empty(String),
    /// A list cannot be filtered or sorted by this.
    #[error("field {0:?} cannot be filtered or sorted by")]
    Field(String),
}

impl FilterError {
    /// The field of the request that is wrong.
    pub fn field(&self) -> &str {
        match self {
            Self::Operator { field, .. }
            | Self::Pattern { field, .. }
            | Self::Value(field)
            | Self::Empty(field)
            | Self::Field(field) => field,
        }
    }
}

/// Values one `in` may list.
const MAX_LIST: usize = 1000;
/// Conditions of one request; SQLite itself allows expressions 1,000 deep.
const MAX_CONDITIONS: usize = 200;
/// Characters of a text that is looked for within another; SQLite itself allows 50,000 bytes.
const MAX_PATTERN: usize = 1_000;
/// Values of one request; SQLite itself allows 32,766 parameters.
const MAX_VALUES: usize = 10_000;

/// A conjunction of conditions.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    /// Adds a condition of the caller's own, with its values in order.
    pub fn and(mut self, condition: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
        self
    }

    /// Adds the conditions of another filter.
    pub fn and_filter(mut self, other: Self) -> Self {
        self.conditions.extend(other.conditions);
        self.values.extend(other.values);
        self
    }

    /// Adds the request's conditions on `fields`. Fields not in the list are left alone: they are
    /// paging parameters or of a later version.
    ///
    /// # Errors
    /// [`FilterError`] names the field.
    pub fn and_request(mut self, request: &Json, fields: &[Field]) -> Result<Self, FilterError> {
        for (name, column, kind) in fields {
            if let Some(wanted) = request.get(*name) {
                self.add_field(name, column, *kind, wanted)?;
            }
        }
        Ok(self)
    }

    /// Adds the request's conditions on one field, whose name and column the caller vouches for.
    ///
    /// # Errors
    /// [`FilterError`] names the field.
    pub fn add_field(
        &mut self,
        name: &str,
        column: &str,
        kind: Kind<'_>,
        wanted: &Json,
    ) -> Result<(), FilterError> {
        match wanted {
            Json::Object(operators) if operators.is_empty() => {
                return Err(FilterError::Empty(name.to_owned()));
            }
            Json::Object(operators) => {
                for (operator, value) in operators {
                    self.add(name, column, kind, operator, value)?;
                }
            }
            Json::Array(_) => self.add(name, column, kind, "in", wanted)?,
            _ => self.add(name, column, kind, "eq", wanted)?,
        }
        if self.conditions.len() > MAX_CONDITIONS || self.values.len() > MAX_VALUES {
            return Err(FilterError::Value(name.to_owned()));
        }
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        column: &str,
        kind: Kind<'_>,
        operator: &str,
        value: &Json,
    ) -> Result<(), FilterError> {
        // Every row has all of none. None of none is what a list asks for that leaves out nothing.
        if operator == "all" && items(name, value)?.is_empty() {
            return Err(FilterError::Empty(name.to_owned()));
        }
        if operator == "all" {
            for item in &items(name, value)? {
                self.add(name, column, kind, "eq", item)?;
            }
            return Ok(());
        }
        let Some(rows) = kind.rows() else {
            let (condition, values) = compare(name, column, kind, operator, value)?;
            self.conditions.push(condition);
            self.values.extend(values);
            return Ok(());
        };
        // Of several rows none may be what is excluded, and any may be what is wanted.
        let (not, positive) = match operator {
            "ne" => ("NOT ", "eq"),
            "nin" => ("NOT ", "in"),
            other => ("", other),
        };
        let (condition, values) = compare(name, column, kind, positive, value)?;
        self.conditions.push(format!(
            "{not}EXISTS (SELECT 1 FROM {rows} AND {condition})"
        ));
        self.values.extend(values);
        Ok(())
    }

    /// Whether it has no condition: every row meets it.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// The condition, `1` when there is none.
    pub fn sql(&self) -> String {
        if self.conditions.is_empty() {
            return "1".to_owned();
        }
        self.conditions.join(" AND ")
    }

    /// The values, in the order of the condition.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// One condition and its values.
fn compare(
    name: &str,
    column: &str,
    kind: Kind<'_>,
    operator: &str,
    value: &Json,
) -> Result<(String, Vec<Value>), FilterError> {
    let invalid = || FilterError::Value(name.to_owned());
    let unsupported = || FilterError::Operator {
        field: name.to_owned(),
        operator: operator.chars().take(32).collect(),
    };
    if value.is_null() && matches!(operator, "eq" | "ne") {
        let not = if operator == "ne" { "NOT " } else { "" };
        return Ok((format!("{column} IS {not}NULL"), Vec::new()));
    }
    if (kind == Kind::Place) != (operator == "near") {
        return Err(unsupported());
    }
    let like = |pattern: fn(&str) -> String| {
        let text = match value {
            Json::String(text) if text.chars().count() > MAX_PATTERN => return Err(invalid()),
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            _ => return Err(invalid()),
        };
        let condition = format!("{column} LIKE ? ESCAPE '\\'");
        Ok((condition, vec![Value::from(pattern(&escape_like(&text)))]))
    };
    let sign = match operator {
        "eq" => "=",
        "ne" => "IS NOT",
        "gt" => ">",
        "lt" => "<",
        "gte" => ">=",
        "lte" => "<=",
        "start_with" => return like(|text| format!("{text}%")),
        "ctn" => return like(|text| format!("%{text}%")),
        // One field that is one value or another is what `in` says, too.
        "in" | "or" | "nin" => {
            let values: Option<Vec<Value>> = items(name, value)?
                .iter()
                .map(|item| bind(kind, item).filter(|value| *value != Value::Null))
                .collect();
            let values = values.ok_or_else(invalid)?;
            let marks = vec!["?"; values.len()].join(", ");
            // What has no value has none of these, as with `ne`.
            let condition = match operator {
                "nin" => format!("({column} IS NULL OR {column} NOT IN ({marks}))"),
                _ => format!("{column} IN ({marks})"),
            };
            return Ok((condition, values));
        }
        "near" => {
            let (longitude, latitude, radius) = circle(value).ok_or_else(invalid)?;
            let condition = format!("metres_from({column}, ?, ?) <= ?");
            return Ok((
                condition,
                [longitude, latitude, radius].map(Value::from).into(),
            ));
        }
        _ => return Err(unsupported()),
    };
    let value = bind(kind, value).ok_or_else(invalid)?;
    Ok((format!("{column} {sign} ?"), vec![value]))
}

/// `longitude,latitude;radius`, the radius in metres (CD-10).
fn circle(value: &Json) -> Option<(f64, f64, f64)> {
    let (place, radius) = value.as_str()?.split_once(';')?;
    let (longitude, latitude) = value::place(&place.into())?;
    let radius: f64 = radius.trim().parse().ok()?;
    (radius.is_finite() && radius >= 0.0).then_some((longitude, latitude, radius))
}

/// The items of a list, if they are not too many.
fn items(name: &str, value: &Json) -> Result<Vec<Json>, FilterError> {
    let items = list(value);
    if items.len() > MAX_LIST {
        return Err(FilterError::Value(name.to_owned()));
    }
    Ok(items)
}

/// Refuses conditions on and sorting by what is neither in `fields` nor one of `others`, instead of
/// answering with what was not asked for. Plain parameters of other names are left alone: clients
/// send some of their own.
///
/// # Errors
/// [`FilterError`] names the field.
pub fn check_names(request: &Json, fields: &[Field], others: &[&str]) -> Result<(), FilterError> {
    let is_known = |wanted: &str| fields.iter().any(|(name, _, _)| *name == wanted);
    let is_sortable = |wanted: &str| sort_column(fields, wanted).is_some();
    for (name, value) in request.as_object().into_iter().flatten() {
        let is_sort = matches!(name.as_str(), "sort_asc" | "sort_desc");
        if is_sort && !value.as_str().is_some_and(is_sortable) {
            let wanted = value.as_str().unwrap_or(name);
            return Err(FilterError::Field(wanted.chars().take(64).collect()));
        }
        let is_number = || match value {
            Json::String(text) => text.trim().parse::<u64>().is_ok(),
            other => other.is_u64(),
        };
        if matches!(name.as_str(), "limit" | "skip" | "offset") && !is_number() {
            return Err(FilterError::Value(name.clone()));
        }
        if value.is_object() && !is_known(name) && !others.contains(&name.as_str()) {
            return Err(FilterError::Field(name.chars().take(64).collect()));
        }
    }
    Ok(())
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

fn bind(kind: Kind<'_>, value: &Json) -> Option<Value> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Bool(flag) => flag.to_string(),
        Json::Null => return Some(Value::Null),
        _ => return None,
    };
    match kind {
        Kind::Text | Kind::TextIn(_) => Some(text.into()),
        Kind::Number | Kind::NumberIn(_) => text.trim().parse::<i64>().ok().map(Value::from),
        Kind::Real | Kind::RealIn(_) => {
            let text = text.trim();
            let whole = text.parse::<i64>().ok().map(Value::from);
            let real = || text.parse().ok().filter(|real: &f64| real.is_finite());
            whole.or_else(|| real().map(Value::from))
        }
        Kind::Flag | Kind::FlagIn(_) => match text.as_str() {
            "true" | "1" => Some(1.into()),
            "false" | "0" => Some(0.into()),
            _ => None,
        },
        Kind::Time => parse_time(text.trim()).map(Value::from),
        Kind::Date => parse_time(text.trim()).map(|seconds| iso8601(seconds).into()),
        Kind::Place => None,
    }
}

/// Both array encodings: a list, or one text with commas (E.1).
pub fn list(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.clone(),
        Json::String(text) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Json::from)
            .collect(),
        Json::Object(items) => items.values().cloned().collect(),
        Json::Null => Vec::new(),
        other => vec![other.clone()],
    }
}

/// The column of a field to sort by; of several rows there is no order.
fn sort_column(fields: &[Field], wanted: &str) -> Option<&'static str> {
    let found = fields.iter().find(|(name, _, _)| *name == wanted)?;
    found.2.rows().is_none().then_some(found.1)
}

/// One page of a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows at most.
    pub limit: u64,
    /// Rows left out before.
    pub skip: u64,
    /// SQL of the sort column and whether it descends.
    pub sort: Option<(Cow<'static, str>, bool)>,
}

impl Page {
    /// Reads `limit`, `skip` or `offset`, `sort_asc` and `sort_desc`. A sort field that is not in
    /// `fields` is ignored, as clients send names of other server versions.
    pub fn read(request: &Json, fields: &[Field], default: u64, max: u64) -> Self {
        let number = |name: &str| match request.get(name) {
            Some(Json::String(text)) => text.trim().parse::<u64>().ok(),
            Some(Json::Number(number)) => number.as_u64(),
            _ => None,
        };
        let sort = |name: &str| {
            let wanted = request.get(name)?.as_str()?;
            sort_column(fields, wanted)
        };
        Self {
            limit: number("limit").unwrap_or(default).min(max),
            skip: number("skip")
                .or_else(|| number("offset"))
                .unwrap_or(0)
                .min(u64::from(u32::MAX)),
            sort: match sort("sort_desc") {
                Some(column) => Some((column.into(), true)),
                None => sort("sort_asc").map(|column| (column.into(), false)),
            },
        }
    }

    /// `ORDER BY … LIMIT … OFFSET …`; `tie` makes the order of equal rows certain.
    pub fn sql(&self, tie: &str) -> String {
        let order = match &self.sort {
            Some((column, true)) => format!("{column} DESC, {tie} DESC"),
            Some((column, false)) => format!("{column} ASC, {tie} ASC"),
            None => format!("{tie} ASC"),
        };
        format!("ORDER BY {order} LIMIT {} OFFSET {}", self.limit, self.skip)
    }
}

/// The steps SQLite would take, for tests that must not read whole tables.
#[cfg(test)]
pub fn plan(
    connection: &rusqlite::Connection,
    sql: &str,
    values: &[Value],
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?
        .query_map(rusqlite::params_from_iter(values), |row| row.get("detail"))?
        .collect()
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
