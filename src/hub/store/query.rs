//! Filters, sorting and paging of list requests (wire reference E.1), as SQL with bound values.
//!
//! Column names come from closed lists, never from the request.

use rusqlite::types::Value;
use serde_json::Value as Json;

use crate::hub::clock::parse_time;

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As text.
    Text,
    /// As a number.
    Number,
    /// As a time: Unix seconds or ISO 8601 in the request, seconds in the table.
    Time,
}

/// A filter field: its name in requests, the SQL it stands for, and how it is compared.
pub type Field = (&'static str, &'static str, Kind);

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
}

/// Values one `in` may list; SQLite itself allows 32,766 parameters.
const MAX_LIST: usize = 1000;

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

    /// Adds the request's conditions on `fields`. Fields not in the list are left alone: they are
    /// paging parameters or of a later version.
    ///
    /// # Errors
    /// [`FilterError`] names the field.
    pub fn and_request(mut self, request: &Json, fields: &[Field]) -> Result<Self, FilterError> {
        for (name, column, kind) in fields {
            match request.get(*name) {
                None => {}
                Some(Json::Object(operators)) => {
                    for (operator, value) in operators {
                        self.add(name, column, *kind, operator, value)?;
                    }
                }
                Some(value @ Json::Array(_)) => self.add(name, column, *kind, "in", value)?,
                Some(value) => self.add(name, column, *kind, "eq", value)?,
            }
        }
        Ok(self)
    }

    fn add(
        &mut self,
        name: &str,
        column: &str,
        kind: Kind,
        operator: &str,
        value: &Json,
    ) -> Result<(), FilterError> {
        let single = || bind(kind, value).ok_or_else(|| FilterError::Value(name.to_owned()));
        let condition = match operator {
            "eq" => format!("{column} = ?"),
            "ne" => format!("{column} IS NOT ?"),
            "gt" => format!("{column} > ?"),
            "lt" => format!("{column} < ?"),
            "gte" => format!("{column} >= ?"),
            "lte" => format!("{column} <= ?"),
            "start_with" => format!("{column} LIKE ? ESCAPE '\\'"),
            "ctn" => format!("{column} LIKE ? ESCAPE '\\'"),
            "in" | "nin" => {
                let items = list(value);
                if items.len() > MAX_LIST {
                    return Err(FilterError::Value(name.to_owned()));
                }
                for item in &items {
                    let item = bind(kind, item).ok_or(FilterError::Value(name.to_owned()))?;
                    self.values.push(item);
                }
                let not = if operator == "nin" { "NOT " } else { "" };
                let marks = vec!["?"; items.len()].join(", ");
                self.conditions.push(format!("{column} {not}IN ({marks})"));
                return Ok(());
            }
            other => {
                return Err(FilterError::Operator {
                    field: name.to_owned(),
                    operator: other.chars().take(32).collect(),
                });
            }
        };
        let value = match (operator, value.as_str()) {
            ("start_with", Some(prefix)) => format!("{}%", escape_like(prefix)).into(),
            ("ctn", Some(part)) => format!("%{}%", escape_like(part)).into(),
            _ => single()?,
        };
        self.conditions.push(condition);
        self.values.push(value);
        Ok(())
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

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

fn bind(kind: Kind, value: &Json) -> Option<Value> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Null => return Some(Value::Null),
        _ => return None,
    };
    match kind {
        Kind::Text => Some(text.into()),
        Kind::Number => text.trim().parse::<i64>().ok().map(Value::from),
        Kind::Time => parse_time(text.trim()).map(Value::from),
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

/// One page of a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows at most.
    pub limit: u64,
    /// Rows left out before.
    pub skip: u64,
    /// SQL of the sort column and whether it descends.
    pub sort: Option<(&'static str, bool)>,
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
            let field = fields.iter().find(|(field, _, _)| *field == wanted)?;
            Some(field.1)
        };
        Self {
            limit: number("limit").unwrap_or(default).min(max),
            skip: number("skip")
                .or_else(|| number("offset"))
                .unwrap_or(0)
                .min(u64::from(u32::MAX)),
            sort: match sort("sort_desc") {
                Some(column) => Some((column, true)),
                None => sort("sort_asc").map(|column| (column, false)),
            },
        }
    }

    /// `ORDER BY … LIMIT … OFFSET …`; `tie` makes the order of equal rows certain.
    pub fn sql(&self, tie: &str) -> String {
        let order = match self.sort {
            Some((column, true)) => format!("{column} DESC, {tie} DESC"),
            Some((column, false)) => format!("{column} ASC, {tie} ASC"),
            None => format!("{tie} ASC"),
        };
        format!("ORDER BY {order} LIMIT {} OFFSET {}", self.limit, self.skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FIELDS: &[Field] = &[
        ("id", "users.id", Kind::Number),
        ("login", "login", Kind::Text),
        ("created_at", "created_at", Kind::Time),
    ];

    fn filter(request: Json) -> Result<Filter, FilterError> {
        Filter::default().and_request(&request, FIELDS)
    }

    #[test]
    fn every_operator_binds_its_value_and_unknown_fields_are_left_alone() {
        let filter = filter(json!({
            "id": {"in": "1, 2"}, "login": {"start_with": "a%_"}, "created_at": {"gt": "7"},
            "limit": "5"
        }))
        .unwrap();
        assert_eq!(
            filter.sql(),
            "users.id IN (?, ?) AND login LIKE ? ESCAPE '\\' AND created_at > ?"
        );
        assert_eq!(
            filter.values(),
            [
                1.into(),
                2.into(),
                Value::from("a\\%\\_%".to_owned()),
                7.into()
            ]
        );
    }

    #[test]
    fn both_array_encodings_and_a_bare_value_are_understood() {
        for request in [json!({"id": ["1", "2"]}), json!({"id": {"in": ["1", "2"]}})] {
            assert_eq!(filter(request).unwrap().sql(), "users.id IN (?, ?)");
        }
        assert_eq!(filter(json!({"id": 1})).unwrap().sql(), "users.id = ?");
        assert_eq!(Filter::default().sql(), "1");
    }

    #[test]
    fn an_unknown_operator_and_a_wrong_value_are_named() {
        assert!(matches!(
            filter(json!({"id": {"like": "1"}})),
            Err(FilterError::Operator { .. })
        ));
        assert_eq!(
            filter(json!({"id": "1 OR 1=1"})).unwrap_err(),
            FilterError::Value("id".into())
        );
    }

    #[test]
    fn a_page_is_bounded_and_sorts_only_by_known_columns() {
        let page = Page::read(
            &json!({"limit": "9999", "offset": "3", "sort_desc": "id; DROP TABLE users"}),
            FIELDS,
            100,
            100,
        );
        assert_eq!(page.sql("id"), "ORDER BY id ASC LIMIT 100 OFFSET 3");
        let page = Page::read(&json!({"sort_desc": "created_at"}), FIELDS, 100, 100);
        assert_eq!(
            page.sql("id"),
            "ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET 0"
        );
    }
}
