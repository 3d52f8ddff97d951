//! Placeholders in a command's texts: `${event.text}` is that field of what happened, `$${` is
//! `${` itself. A text that is one placeholder and nothing else becomes the field's value with its
//! type; nothing else is computed.

use serde_json::{Map, Value};

use super::path::{Facts, Path};

/// The most characters of one field put into a text.
const INSERTED_MAX: usize = 1_000;

enum Piece {
    Text(String),
    Field(Path),
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$${") {
            plain.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let (path, after) = after
                .split_once('}')
                .ok_or("`${` is not closed by `}`; `$${` is the text itself")?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Field(path.trim().parse()?));
            rest = after;
        } else {
            plain.push('$');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Checks the placeholders of a command's fields.
///
/// # Errors
/// The rule, for people.
pub fn check(fields: &Map<String, Value>) -> Result<(), String> {
    map(fields, &mut |_| Some(Value::Null)).map(drop)
}

/// A command's fields with `stand_in` in the place of what is one placeholder and nothing else,
/// and in texts around; none if there is no placeholder.
///
/// # Errors
/// As [`check`].
pub fn with_stand_in(
    fields: &Map<String, Value>,
    stand_in: &Value,
) -> Result<Option<Map<String, Value>>, String> {
    let mut any = false;
    let filled = map(fields, &mut |_| {
        any = true;
        Some(stand_in.clone())
    })?;
    Ok(any.then_some(filled))
}

/// Puts in what is there.
///
/// # Errors
/// Which field is missing.
pub fn fill(fields: &Map<String, Value>, facts: Facts<'_>) -> Result<Map<String, Value>, String> {
    map(fields, &mut |path| path.find(facts).cloned())
}

type Lookup<'a> = dyn FnMut(&Path) -> Option<Value> + 'a;

fn map(fields: &Map<String, Value>, lookup: &mut Lookup<'_>) -> Result<Map<String, Value>, String> {
    fields
        .iter()
        .map(|(key, value)| Ok((key.clone(), one(value, lookup)?)))
        .collect()
}

fn one(value: &Value, lookup: &mut Lookup<'_>) -> Result<Value, String> {
    match value {
        Value::String(text) => filled(text, lookup),
        Value::Array(list) => list.iter().map(|item| one(item, lookup)).collect(),
        Value::Object(fields) => map(fields, lookup).map(Value::Object),
        other => Ok(other.clone()),
    }
}

fn filled(text: &str, lookup: &mut Lookup<'_>) -> Result<Value, String> {
    let pieces = pieces(text)?;
    let mut found = |path: &Path| lookup(path).ok_or_else(|| format!("there is no {path}"));
    if let [Piece::Field(path)] = pieces.as_slice() {
        return found(path);
    }
    let mut out = String::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Field(path) => {
                let text = match found(path)? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                out.extend(text.chars().take(INSERTED_MAX));
            }
        }
    }
    Ok(Value::String(out))
}
