//! Values of fields: what each type takes, and how forms' texts become them (CD-02).

use serde_json::{Number, Value as Json, json};

use crate::config::hub::FieldType;
use crate::hub::clock::{iso8601, parse_time};

/// Items of a list.
pub const MAX_ITEMS: usize = 1_000;
/// Seconds of the years 0 to 9999, which ISO 8601 can write.
const DATES: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// What one item of a list takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// A truth value.
    Boolean,
    /// A text.
    String,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A whole number, 1 or more: what a report is of.
    Id,
    /// Text of 1 to so many characters.
    Text(usize),
    /// Either: the docs have a number where the real thing is text (CH-47).
    IdOrText(usize),
    /// One of a class the operator has made.
    Scalar(Scalar),
    /// A date with its time; answered in ISO 8601.
    Date,
    /// Longitude and latitude in degrees.
    Location,
    /// A stored file.
    File,
    /// A list, of one type or of any.
    Array(Option<Scalar>),
}

/// A record's field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The class has no such field.
    #[error("is no field of class {0}")]
    Unknown(String),
    /// The class needs it.
    #[error("can't be blank")]
    Missing,
    /// Not of the field's kind.
    #[error("must be {0}")]
    Kind(&'static str),
    /// Longer than so many characters.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// A list with more items than there may be.
    #[error("has more than {MAX_ITEMS} items")]
    TooMany,
    /// The record as a whole is larger than so many bytes.
    #[error("of the record are more than {0} bytes")]
    TooLarge(usize),
    /// An update operator that its type does not have.
    #[error("{0} is for {1} only")]
    Operator(&'static str, &'static str),
    /// A place in a list that it does not have.
    #[error("has no item {0}")]
    Index(String),
    /// A sum beyond 64 bits.
    #[error("would be too large a number")]
    Overflow,
    /// No file one may name.
    #[error("is no stored file of yours, and no public one")]
    File,
    /// An operator whose value is none.
    #[error("{0}")]
    Rule(&'static str),
}

impl From<FieldType> for FieldKind {
    fn from(kind: FieldType) -> Self {
        match kind {
            FieldType::Integer => Self::Scalar(Scalar::Integer),
            FieldType::Float => Self::Scalar(Scalar::Float),
            FieldType::Boolean => Self::Scalar(Scalar::Boolean),
            FieldType::String => Self::Scalar(Scalar::String),
            FieldType::Date => Self::Date,
            FieldType::Location => Self::Location,
            FieldType::File => Self::File,
            FieldType::Array => Self::Array(None),
            FieldType::Integers => Self::Array(Some(Scalar::Integer)),
            FieldType::Floats => Self::Array(Some(Scalar::Float)),
            FieldType::Booleans => Self::Array(Some(Scalar::Boolean)),
            FieldType::Strings => Self::Array(Some(Scalar::String)),
        }
    }
}

impl FieldKind {
    /// A value of this kind, or null.
    ///
    /// # Errors
    /// What it must be.
    pub fn read(self, value: &Json) -> Result<Json, FieldError> {
        if value.is_null() {
            return Ok(Json::Null);
        }
        match self {
            Self::Id => {
                let number = whole(value).filter(|number| *number >= 1);
                number
                    .map(Json::from)
                    .ok_or(FieldError::Kind("a whole number of 1 or more"))
            }
            Self::Text(most) => text(value, most),
            Self::IdOrText(_) if value.is_number() => Self::Id.read(value),
            Self::IdOrText(most) => text(value, most).map_err(|error| match error {
                FieldError::Kind(_) => FieldError::Kind("a text or a whole number"),
                other => other,
            }),
            Self::Scalar(scalar) => scalar.read(value),
            Self::Date => {
                let seconds = value
                    .as_i64()
                    .or_else(|| parse_time(value.as_str()?.trim()))
                    .filter(|seconds| DATES.contains(seconds));
                let rule = FieldError::Kind("a date: ISO 8601 or Unix seconds");
                seconds.map(|seconds| iso8601(seconds).into()).ok_or(rule)
            }
            Self::Location => place(value)
                .map(|(longitude, latitude)| json!([longitude, latitude]))
                .ok_or(FieldError::Kind(
                    "a place: longitude within -180 to 180 and latitude within -90 to 90",
                )),
            Self::File => match value {
                Json::String(id) if !id.is_empty() && id.len() <= 32 => Ok(value.clone()),
                Json::Number(id) if id.is_u64() => Ok(id.to_string().into()),
                _ => Err(FieldError::Kind("the uid or the number of a stored file")),
            },
            Self::Array(scalar) => {
                let items = value.as_array().ok_or(FieldError::Kind("a list"))?;
                if items.len() > MAX_ITEMS {
                    return Err(FieldError::TooMany);
                }
                let items: Result<Vec<Json>, FieldError> =
                    items.iter().map(|item| item_of(scalar, item)).collect();
                items.map(Json::from)
            }
        }
    }
}

/// One item of a list.
///
/// # Errors
/// What it must be.
pub fn item_of(scalar: Option<Scalar>, item: &Json) -> Result<Json, FieldError> {
    match (scalar, item) {
        (_, Json::Null) => Err(FieldError::Kind("a list without null")),
        (Some(scalar), _) => scalar.read(item),
        (None, Json::Array(_) | Json::Object(_)) => Err(FieldError::Kind(
            "a list of texts, numbers and truth values",
        )),
        (None, item) => Ok(item.clone()),
    }
}

impl Scalar {
    fn read(self, value: &Json) -> Result<Json, FieldError> {
        let read = match self {
            Self::Integer => whole(value).map(Json::from),
            Self::Float => number(value).map(Json::from),
            Self::Boolean => truth(value).map(Json::from),
            Self::String => value.as_str().map(Json::from),
        };
        read.ok_or(FieldError::Kind(match self {
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Boolean => "true or false",
            Self::String => "a text",
        }))
    }
}

/// A whole number, written as one or as text.
pub fn whole(value: &Json) -> Option<i64> {
    // 3.0 is whole, too: some languages have no other numbers.
    let of_float = |float: f64| {
        let is_exact = float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
        is_exact.then_some(float as i64)
    };
    match value {
        Json::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|_| number.is_f64())
                .and_then(of_float)
        }),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number, written as one or as text.
pub fn number(value: &Json) -> Option<Number> {
    let float = match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // `NaN` and `inf` are texts that Rust reads as numbers, and no JSON.
    float.and_then(Number::from_f64)
}

/// A scalar as text.
pub fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn truth(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(flag) => Some(*flag),
        Json::String(text) if matches!(text.as_str(), "true" | "1") => Some(true),
        Json::String(text) if matches!(text.as_str(), "false" | "0") => Some(false),
        _ => None,
    }
}

/// Longitude and latitude, as a list or as a text with a comma.
pub fn place(value: &Json) -> Option<(f64, f64)> {
    let parts: Vec<f64> = match value {
        Json::Array(parts) => parts
            .iter()
            .map(|part| number(part)?.as_f64())
            .collect::<Option<_>>()?,
        Json::String(text) => text
            .split(',')
            .map(|part| part.trim().parse().ok())
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let [longitude, latitude] = parts.as_slice() else {
        return None;
    };
    let is_place = longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
    is_place.then_some((*longitude, *latitude))
}

fn text(value: &Json, most: usize) -> Result<Json, FieldError> {
    match value.as_str() {
        Some(text) if text.chars().count() > most => Err(FieldError::TooLong(most)),
        Some("") => Err(FieldError::Missing),
        Some(text) => Ok(text.into()),
        None => Err(FieldError::Kind("a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_forms_become_values_of_the_fields_type() {
        for (kind, given, expected) in [
            (FieldType::Integer, json!("41"), json!(41)),
            (FieldType::Integer, json!(41.0), json!(41)),
            (
                FieldType::Integer,
                json!(1_701_789_791_673_i64),
                json!(1_701_789_791_673_i64),
            ),
            (FieldType::Float, json!("1.25"), json!(1.25)),
            (FieldType::Boolean, json!("false"), json!(false)),
            (FieldType::Boolean, json!("1"), json!(true)),
            (FieldType::String, json!("41"), json!("41")),
            (
                FieldType::Date,
                json!(1_569_100_860),
                json!("2019-09-21T21:21:00Z"),
            ),
            (
                FieldType::Date,
                json!("2019-09-21T23:21:00+02:00"),
                json!("2019-09-21T21:21:00Z"),
            ),
            (
                FieldType::Location,
                json!([50.004444, 36.23438]),
                json!([50.004444, 36.23438]),
            ),
            (
                FieldType::Location,
                json!("11.13, 45.5"),
                json!([11.13, 45.5]),
            ),
            (FieldType::File, json!(7), json!("7")),
            (
                FieldType::Array,
                json!(["a", 1, true]),
                json!(["a", 1, true]),
            ),
            (FieldType::Integers, json!(["1", 2]), json!([1, 2])),
            (
                FieldType::Booleans,
                json!(["true", false]),
                json!([true, false]),
            ),
            (FieldType::Float, Json::Null, Json::Null),
        ] {
            assert_eq!(
                FieldKind::from(kind).read(&given),
                Ok(expected),
                "{kind:?} {given}"
            );
        }
    }

    #[test]
    fn what_is_of_another_type_is_refused_with_what_it_must_be() {
        let long = vec![1; MAX_ITEMS + 1];
        for (kind, given, rule) in [
            (FieldType::Integer, json!("4.5"), "a whole number"),
            (FieldType::Integer, json!(true), "a whole number"),
            (FieldType::Float, json!("NaN"), "a number"),
            (FieldType::Boolean, json!("yes"), "true or false"),
            (FieldType::String, json!(5), "a text"),
            (FieldType::Date, json!("yesterday"), "a date"),
            (FieldType::Date, json!(i64::MAX), "a date"),
            (FieldType::Location, json!([181, 0]), "a place"),
            (FieldType::Location, json!([1, 2, 3]), "a place"),
            (FieldType::File, json!([]), "the uid"),
            (FieldType::Array, json!("a,b"), "a list"),
            (FieldType::Array, json!([[1]]), "a list of texts"),
            (FieldType::Strings, json!(["a", null]), "without null"),
            (FieldType::Integers, json!(["x"]), "a whole number"),
            (FieldType::Integers, json!(long), "more than 1000"),
        ] {
            let error = FieldKind::from(kind).read(&given).unwrap_err().to_string();
            assert!(error.contains(rule), "{kind:?} {given}: {error}");
        }
    }
}
