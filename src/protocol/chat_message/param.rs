//! Custom parameters of a message: text, or nested like a small object (B.1; RT-30).

use minidom::Element;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::protocol::extra_params::{ExtraParams, text_element};
use crate::protocol::ns;

/// Levels of nesting read and written; what lies deeper stays XML text.
const MAX_DEPTH: usize = 8;
/// Parameters whose meaning is a field of the message.
const RESERVED: &[&str] = &[
    "save_to_history",
    "dialog_id",
    "date_sent",
    "silent",
    "attachment",
];
/// What tells the modules of headlines apart; no parameter of an application.
const MODULE_IDENTIFIER: &str = "moduleIdentifier";

/// A parameter: names may repeat, order is kept.
pub type Param = (String, ParamValue);

/// What a parameter holds. The serde form is a string, or a list of pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// Text; numbers and truths are text on the wire.
    Text(String),
    /// Parameters inside.
    Nested(Vec<Param>),
}

impl From<&str> for ParamValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ParamValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl ParamValue {
    /// The text, unless it is nested.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nested(_) => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Nested(params) => Value::Object(params_to_json(params)),
        }
    }
}

/// As a JSON object; of a repeated name every value is kept, in a list.
pub fn params_to_json(params: &[Param]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in params {
        match object.get_mut(name) {
            Some(Value::Array(values)) => values.push(value.to_json()),
            Some(first) => *first = Value::Array(vec![first.take(), value.to_json()]),
            None => {
                object.insert(name.clone(), value.to_json());
            }
        }
    }
    object
}

/// Parameters of a message from a JSON object. Numbers and truths become text, null the empty text, a list one parameter
/// per item.
///
/// # Errors
/// Names the parameter and the rule: names are XML names of 1 to 64 characters and none of those
/// with a meaning of their own, nesting has at most 8 levels.
pub fn params_from_json(object: &Map<String, Value>) -> Result<Vec<Param>, String> {
    for name in object.keys() {
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("{name}: is a field of the message itself"));
        }
    }
    system_params_from_json(object)
}

/// [`params_from_json`] for system messages, which have no fields besides.
///
/// # Errors
/// As [`params_from_json`].
pub fn system_params_from_json(object: &Map<String, Value>) -> Result<Vec<Param>, String> {
    if object.contains_key(MODULE_IDENTIFIER) {
        return Err(format!("{MODULE_IDENTIFIER}: is set by itself"));
    }
    nested_from_json(object, 1)
}

fn nested_from_json(object: &Map<String, Value>, depth: usize) -> Result<Vec<Param>, String> {
    if depth > MAX_DEPTH {
        return Err(format!("nesting has at most {MAX_DEPTH} levels"));
    }
    let mut params = Vec::with_capacity(object.len());
    for (name, value) in object {
        if !is_element_name(name) {
            let shown: String = name.chars().take(64).collect();
            return Err(format!(
                "{shown:?}: a name has 1 to 64 of `A-Z a-z 0-9 _ . -` and begins with a letter"
            ));
        }
        let values = match value {
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        for value in values {
            params.push((name.clone(), value_from_json(value, depth)?));
        }
    }
    Ok(params)
}

fn value_from_json(value: &Value, depth: usize) -> Result<ParamValue, String> {
    Ok(match value {
        Value::Null => ParamValue::Text(String::new()),
        Value::String(text) => ParamValue::Text(text.clone()),
        Value::Object(inner) => ParamValue::Nested(nested_from_json(inner, depth + 1)?),
        other => ParamValue::Text(other.to_string()),
    })
}

/// The part of XML's names that every client takes.
fn is_element_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The custom parameters of a container, without those that are fields of the message.
pub(super) fn custom_of(params: ExtraParams<'_>) -> Vec<Param> {
    params
        .iter()
        .filter(|element| !RESERVED.contains(&element.name()))
        .map(|element| (element.name().to_owned(), value_of(element, 1)))
        .collect()
}

/// The parameters of a system message.
pub(super) fn system_params_of(params: ExtraParams<'_>) -> Vec<Param> {
    params
        .iter()
        .filter(|element| element.name() != MODULE_IDENTIFIER)
        .map(|element| (element.name().to_owned(), value_of(element, 1)))
        .collect()
}

fn value_of(element: &Element, depth: usize) -> ParamValue {
    let has_children = element.children().next().is_some();
    if !element.attrs().is_empty() || (has_children && depth >= MAX_DEPTH) {
        // Nothing of it is lost, though it is no parameter as the contract knows them.
        return ParamValue::Text(String::from(element));
    }
    if !has_children {
        return ParamValue::Text(element.text());
    }
    let nested = |child: &Element| (child.name().to_owned(), value_of(child, depth + 1));
    ParamValue::Nested(element.children().map(nested).collect())
}

/// A parameter as an element.
pub(super) fn element_of(name: &str, value: &ParamValue) -> Element {
    match value {
        ParamValue::Text(text) => text_element(name, text),
        ParamValue::Nested(params) => Element::builder(name, ns::CLIENT)
            .append_all(params.iter().map(|(name, value)| element_of(name, value)))
            .build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_becomes_parameters_and_comes_back() {
        let object = json!({"mood": "ok", "n": 5, "on": true, "deep": {"x": {"y": "z"}}});
        let params = params_from_json(object.as_object().unwrap()).unwrap();
        assert_eq!(
            Value::Object(params_to_json(&params)),
            json!({"mood": "ok", "n": "5", "on": "true", "deep": {"x": {"y": "z"}}})
        );
    }

    #[test]
    fn every_value_of_a_repeated_name_is_kept() {
        let object = json!({"tag": ["a", "b", "c"]});
        let params = params_from_json(object.as_object().unwrap()).unwrap();
        assert_eq!(params.len(), 3);
        assert_eq!(Value::Object(params_to_json(&params)), object);
    }

    #[test]
    fn a_name_xml_cannot_carry_or_that_means_something_else_is_refused_by_name() {
        for (object, named) in [
            (json!({"two words": 1}), "two words"),
            (json!({"dialog_id": 1}), "dialog_id"),
            (json!({"a": {"1": 1}}), "\"1\""),
        ] {
            let error = params_from_json(object.as_object().unwrap()).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut value = json!("x");
        for _ in 0..9 {
            value = json!({ "n": value });
        }
        let error = params_from_json(value.as_object().unwrap()).unwrap_err();
        assert!(error.contains("8 levels"), "{error}");
    }
}
