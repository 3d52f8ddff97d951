//! Names of fields: `event.button` of what happened, `call.status` of the device's state.

use std::fmt;

use serde_json::Value;

/// The parts of the state a path may begin with.
pub const PARTS: &[&str] = &[
    "call",
    "ring",
    "policy",
    "chat",
    "camera",
    "audio",
    "display",
    "door",
    "visitor_message",
    "recording",
    "device",
    "health",
];
/// What a path to a field of what happened begins with.
const EVENT: &str = "event";
/// The longest path, in levels.
const LEVELS_MAX: usize = 8;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<String>);

/// What paths are looked up in.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The fields of the event, or of somebody else's message.
    pub event: &'a Value,
    /// The device's state.
    pub state: &'a Value,
}

impl std::str::FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let levels: Vec<String> = text.split('.').map(str::to_owned).collect();
        let is_name = |level: &String| {
            !level.is_empty()
                && level
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        if !levels.iter().all(is_name) || levels.len() > LEVELS_MAX {
            let text: String = text.chars().take(64).collect();
            return Err(format!("`{text}` is no field such as `event.button`"));
        }
        let first = levels[0].as_str();
        if first != EVENT && !PARTS.contains(&first) {
            return Err(format!(
                "`{first}` is neither `event` nor a part of the state: {}",
                PARTS.join(", ")
            ));
        }
        if levels.len() < 2 {
            return Err(format!("`{first}` needs a field, such as `{first}.status`"));
        }
        Ok(Self(levels))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl Path {
    /// The field's value, if there is one; a number picks an item of a list.
    pub fn find<'a>(&self, facts: Facts<'a>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        let mut value = if first == EVENT {
            facts.event
        } else {
            facts.state.get(first)?
        };
        for level in rest {
            value = match value {
                Value::Array(list) => list.get(level.parse::<usize>().ok()?)?,
                other => other.get(level)?,
            };
        }
        (!value.is_null()).then_some(value)
    }
}
