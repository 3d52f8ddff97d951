//! The fields of a command, put together from arguments.

use serde_json::{Map, Value, json};

/// Fields being collected; what is not given is left out, so that the device's default holds.
#[derive(Default)]
pub(super) struct Payload(Map<String, Value>);

impl Payload {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A field, if it is given.
    pub(super) fn put<T: serde::Serialize>(mut self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), json!(value));
        }
        self
    }

    /// A field that says `true`, if it does.
    pub(super) fn flag(self, name: &str, is_set: bool) -> Self {
        self.put(name, is_set.then_some(true))
    }

    /// A list, unless it is empty.
    pub(super) fn list<T: serde::Serialize>(self, name: &str, items: &[T]) -> Self {
        let given = (!items.is_empty()).then_some(items);
        self.put(name, given)
    }

    /// A user, if one is given.
    pub(super) fn person(self, name: &str, user: Option<&String>) -> Self {
        self.put(name, user.map(|user| person(user)))
    }

    /// Users, unless there are none.
    pub(super) fn people(self, name: &str, users: &[String]) -> Self {
        let users: Vec<Value> = users.iter().map(|user| person(user)).collect();
        self.list(name, &users)
    }

    /// An object of named texts, unless it is empty.
    pub(super) fn pairs(self, name: &str, pairs: &[(String, String)]) -> Self {
        let object: Map<String, Value> = pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        self.put(name, (!object.is_empty()).then_some(object))
    }

    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// A number is a user's id, anything else a login.
fn person(user: &str) -> Value {
    match user.parse::<u64>() {
        Ok(id) => id.into(),
        Err(_) => user.into(),
    }
}

/// Reads `NAME=VALUE`; the value may hold further equals signs.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is not NAME=VALUE".to_owned()),
    }
}
