//! Update operators (CD-18): what a request to change a record says, carried out on its fields.
//!
//! Plain values come first, then the operators in the order of [`OPERATORS`].

use serde_json::{Map, Number, Value as Json};

use super::class::{Class, ClassField};
use super::value::{FieldError, FieldKind, MAX_ITEMS, Scalar, item_of, number, plain, whole};

/// The operators, in the order in which they are carried out. The last two are the official SDK's
/// names for what the API writes as `pull` with a filter and as a field with numbers for keys.
pub const OPERATORS: &[&str] = &[
    "inc",
    "pull",
    "pull_all",
    "pop",
    "push",
    "add_to_set",
    "pull_with_filter",
    "update_by_index",
];

type Broken = (String, FieldError);

/// Changes a record's fields to what a request says.
///
/// # Errors
/// The field and the rule it breaks; nothing has changed then.
pub fn apply(
    class: &Class,
    record: &mut Map<String, Json>,
    given: &Map<String, Json>,
) -> Result<(), Broken> {
    let mut written = record.clone();
    for (name, value) in given {
        if OPERATORS.contains(&name.as_str()) {
            continue;
        }
        let field = class.known(name)?;
        let value = match (field.kind, value) {
            (FieldKind::Array(_), Json::Object(items)) => {
                set_items(field, written.get(name), items)
            }
            (kind, value) => kind.read(value),
        };
        written.insert(name.clone(), value.map_err(|error| (name.clone(), error))?);
    }
    for operator in OPERATORS {
        let Some(fields) = given.get(*operator) else {
            continue;
        };
        let fields = fields.as_object().ok_or_else(|| {
            let rule = FieldError::Rule("must be an object of fields");
            ((*operator).to_owned(), rule)
        })?;
        for (name, value) in fields {
            let field = class.known(name)?;
            let changed = carry_out(operator, field, written.get(name), value);
            written.insert(
                name.clone(),
                changed.map_err(|error| (name.clone(), error))?,
            );
        }
    }
    class.complete(&mut written)?;
    *record = written;
    Ok(())
}

fn carry_out(
    operator: &'static str,
    field: &ClassField,
    now: Option<&Json>,
    value: &Json,
) -> Result<Json, FieldError> {
    if operator == "inc" {
        return increment(field, now, value);
    }
    let FieldKind::Array(scalar) = field.kind else {
        return Err(FieldError::Operator(operator, "lists"));
    };
    if operator == "update_by_index" {
        let places = value.as_object();
        let places = places.ok_or(FieldError::Rule("must be an object of places"))?;
        return set_items(field, now, places);
    }
    let mut items = now.and_then(Json::as_array).cloned().unwrap_or_default();
    match operator {
        "pop" => match whole(value) {
            Some(1) => drop(items.pop()),
            Some(-1) if items.is_empty() => {}
            Some(-1) => drop(items.remove(0)),
            _ => {
                return Err(FieldError::Rule(
                    "pop takes 1 for the last item, -1 for the first",
                ));
            }
        },
        "push" => items.extend(given_items(scalar, value)?),
        "add_to_set" => {
            for item in given_items(scalar, value)? {
                if !items.iter().any(|there| is_same(there, &item)) {
                    items.push(item);
                }
            }
        }
        "pull_all" => {
            let gone = given_items(scalar, value)?;
            items.retain(|item| !gone.iter().any(|other| is_same(item, other)));
        }
        // `pull`, with a filter or without.
        _ => match value {
            Json::Object(filter) => {
                let tests: Vec<Test> = filter
                    .iter()
                    .map(|(name, value)| Test::read(scalar, name, value))
                    .collect::<Result<_, _>>()?;
                items.retain(|item| !tests.iter().all(|test| test.holds(item)));
            }
            _ => {
                let gone = item_of(scalar, value)?;
                items.retain(|item| !is_same(item, &gone));
            }
        },
    }
    if items.len() > MAX_ITEMS {
        return Err(FieldError::TooMany);
    }
    // Taking something out of no list leaves none.
    let is_none = now.is_none_or(Json::is_null) && items.is_empty();
    Ok(if is_none { Json::Null } else { items.into() })
}

/// `inc`; null counts as 0.
fn increment(field: &ClassField, now: Option<&Json>, by: &Json) -> Result<Json, FieldError> {
    match field.kind {
        FieldKind::Scalar(Scalar::Integer) => {
            let by = whole(by).ok_or(FieldError::Kind("incremented by a whole number"))?;
            let now = now.and_then(Json::as_i64).unwrap_or(0);
            now.checked_add(by)
                .map(Json::from)
                .ok_or(FieldError::Overflow)
        }
        FieldKind::Scalar(Scalar::Float) => {
            let by = number(by).and_then(|by| by.as_f64());
            let by = by.ok_or(FieldError::Kind("incremented by a number"))?;
            let now = now.and_then(Json::as_f64).unwrap_or(0.0);
            Number::from_f64(now + by)
                .map(Json::from)
                .ok_or(FieldError::Overflow)
        }
        _ => Err(FieldError::Operator("inc", "numbers")),
    }
}

/// `{"0": value}`: items at places there are.
fn set_items(
    field: &ClassField,
    now: Option<&Json>,
    places: &Map<String, Json>,
) -> Result<Json, FieldError> {
    let FieldKind::Array(scalar) = field.kind else {
        return Err(FieldError::Operator("update_by_index", "lists"));
    };
    let mut items = now.and_then(Json::as_array).cloned().unwrap_or_default();
    for (place, value) in places {
        let there = place
            .parse()
            .ok()
            .and_then(|place: usize| items.get_mut(place));
        let there = there.ok_or_else(|| FieldError::Index(place.chars().take(20).collect()))?;
        *there = item_of(scalar, value)?;
    }
    Ok(items.into())
}

/// One item, or a list of them.
fn given_items(scalar: Option<Scalar>, value: &Json) -> Result<Vec<Json>, FieldError> {
    match value {
        Json::Array(items) if items.len() > MAX_ITEMS => Err(FieldError::TooMany),
        Json::Array(items) => items.iter().map(|item| item_of(scalar, item)).collect(),
        item => Ok(vec![item_of(scalar, item)?]),
    }
}

/// Whether two items are the same: numbers by their value, all else by how they are written, as
/// filters of lists see them.
pub fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            one == other || one.as_f64() == other.as_f64() && (one.is_f64() || other.is_f64())
        }
        _ => plain(one) == plain(other),
    }
}

/// One condition of `pull` with a filter.
enum Test {
    Compare(&'static [std::cmp::Ordering], Json),
    Not(Json),
    In(Vec<Json>),
    NotIn(Vec<Json>),
    Contains(String),
}

impl Test {
    fn read(scalar: Option<Scalar>, name: &str, value: &Json) -> Result<Self, FieldError> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let one = || item_of(scalar, value);
        let several = || match value {
            Json::String(text) => text
                .split(',')
                .map(|part| item_of(scalar, &part.trim().into()))
                .collect(),
            value => given_items(scalar, value),
        };
        Ok(match name {
            "eq" => Self::In(vec![one()?]),
            "ne" => Self::Not(one()?),
            "gt" => Self::Compare(&[Greater], one()?),
            "gte" => Self::Compare(&[Greater, Equal], one()?),
            "lt" => Self::Compare(&[Less], one()?),
            "lte" => Self::Compare(&[Less, Equal], one()?),
            "in" | "or" => Self::In(several()?),
            "nin" => Self::NotIn(several()?),
            "ctn" => Self::Contains(plain(value).ok_or(FieldError::Kind("a text"))?),
            _ => {
                return Err(FieldError::Rule(
                    "is pulled by none of eq, ne, gt, gte, lt, lte, in, or, nin, ctn",
                ));
            }
        })
    }

    fn holds(&self, item: &Json) -> bool {
        let is_one_of = |items: &[Json]| items.iter().any(|other| is_same(item, other));
        match self {
            Self::Compare(orders, other) => {
                order(item, other).is_some_and(|order| orders.contains(&order))
            }
            Self::Not(other) => !is_same(item, other),
            Self::In(items) => is_one_of(items),
            Self::NotIn(items) => !is_one_of(items),
            Self::Contains(part) => plain(item).is_some_and(|text| text.contains(part.as_str())),
        }
    }
}

/// Numbers by their value, texts by their letters, and nothing else.
fn order(one: &Json, other: &Json) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
        },
        (Json::String(one), Json::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

#[cfg(test)]
#[path = "operators_tests.rs"]
mod tests;
