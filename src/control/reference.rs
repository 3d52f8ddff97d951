//! The tables of the contract's manual, made from the same types as [`super::asyncapi`].
//!
//! `docs/reference/mqtt.md` has them between marks, with the rules in words around them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::asyncapi::{document, events, meaning, strings};
use super::catalogue;
use super::payload_schema::{self, written_by};
use crate::config::device::VERBS;
use crate::engine::command::ErrorCode;
use crate::engine::setting_command::{PARTS, Setting};
use crate::engine::state::DeviceState;

/// How deep fields of fields are told.
const DEPTH: usize = 4;
/// What every order has; the words around the tables tell of it.
const ENVELOPE: &[&str] = &["id", "ts", "expires"];

/// The tables by the name of their mark.
pub fn tables() -> Vec<(&'static str, String)> {
    vec![
        ("topics", topics()),
        ("states", states()),
        ("events", event_rows()),
        ("event fields", event_fields()),
        ("commands", commands()),
        ("settings", settings()),
        ("errors", errors()),
    ]
}

/// The page with its tables as they are to be.
///
/// # Errors
/// Names the mark that is missing.
pub fn page(text: &str) -> Result<String, String> {
    let mut page = text.to_owned();
    for (name, table) in tables() {
        let begin = format!("<!-- made from the code: {name} -->\n");
        let end = "<!-- end -->";
        let at = page
            .find(&begin)
            .map(|at| at + begin.len())
            .ok_or_else(|| format!("there is no {begin}"))?;
        let to = page[at..]
            .find(end)
            .map(|length| at + length)
            .ok_or_else(|| format!("nothing ends {name}"))?;
        page.replace_range(at..to, &format!("\n{table}\n"));
    }
    Ok(page)
}

/// Topics of one kind in one row: commands, parts and events differ in their last levels only.
fn topics() -> String {
    let document = document();
    let channels = &document["channels"];
    let mut rows: BTreeMap<String, (bool, String, String)> = BTreeMap::new();
    let mut order = Vec::new();
    let operations = document["operations"].as_object();
    for operation in operations.into_iter().flat_map(|all| all.values()) {
        let channel = |reference: &Value| {
            let key = reference["$ref"].as_str()?.rsplit('/').next()?;
            let address = channels[key]["address"].as_str()?;
            Some((
                general(address),
                channels[key]["messages"]["message"].clone(),
            ))
        };
        let mqtt = &operation["bindings"]["mqtt"];
        let sends = operation["action"] == "send";
        let retained = match (sends, mqtt["retain"] == true) {
            (true, true) => "yes",
            (true, false) => "no",
            (false, _) => "never",
        };
        let qos = if sends {
            mqtt["qos"].to_string()
        } else {
            "any".to_owned()
        };
        let mut add = |found: Option<(String, Value)>, sends, qos: &str, retained: &str| {
            let Some((address, message)) = found else {
                return;
            };
            let content = message["contentType"]
                .as_str()
                .unwrap_or("application/json");
            let row = (sends, format!("{qos} | {retained}"), content.to_owned());
            if rows.insert(address.clone(), row).is_none() {
                order.push(address);
            }
        };
        add(channel(&operation["channel"]), sends, &qos, retained);
        add(channel(&operation["reply"]["channel"]), true, "1", "no");
    }
    order.sort_by_key(|address| (!rows[address].0, address.clone()));
    let mut table = head(&["topic", "direction", "QoS", "retained", "payload"]);
    for address in order {
        let (sends, qos_retained, content) = &rows[&address];
        let direction = if *sends { "device →" } else { "→ device" };
        let _ = writeln!(
            table,
            "| `{address}` | {direction} | {qos_retained} | {content} |"
        );
    }
    table
}

/// The pattern an address belongs to.
fn general(address: &str) -> String {
    let address = address
        .replace("{base}", "cubelet")
        .replace("{device}", "front-door");
    let mut levels: Vec<String> = Vec::new();
    let mut parts = address.split('/').peekable();
    while let Some(level) = parts.next() {
        let last = levels.last().map(String::as_str);
        let next = parts.peek().copied();
        levels.push(match (last, level, next) {
            (Some("cmd"), _, _) => "<verb>".to_owned(),
            (Some("event"), _, _) => {
                parts.by_ref().for_each(drop);
                "<type>".to_owned()
            }
            (_, "{requester}", _) => "<requester>".to_owned(),
            (_, "{group}", _) => "<group>".to_owned(),
            (_, _, Some("state" | "set")) if level != "front-door" => "<part>".to_owned(),
            _ => level.to_owned(),
        });
    }
    levels.join("/")
}

fn states() -> String {
    let mut table = head(&["field", "type", "is"]);
    let schema = written_by::<DeviceState>();
    for (path, field, _) in fields(&schema, DEPTH) {
        let (kind, words) = (kind(&field), words(&field));
        // Where a field's documentation only lists its values, theirs says more.
        let said = match meanings(&field) {
            Some(values) if words == kind => values,
            Some(values) if kind.contains('`') => format!("{words}. {values}"),
            _ => words,
        };
        let _ = writeln!(table, "| `{path}` | {kind} | {said} |");
    }
    table
}

/// What the values of an enum mean.
fn meanings(field: &Value) -> Option<String> {
    let field = present(field);
    let mut values = Vec::new();
    strings(&field, &mut values);
    let told: Vec<String> = values
        .iter()
        .filter_map(|value| Some(format!("`{value}`: {}", line(&meaning(&field, value)?))))
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// What each event means.
fn event_rows() -> String {
    let mut table = head(&["`event/…`", "is"]);
    for (name, schema) in events() {
        let _ = writeln!(table, "| `{name}` | {} |", words(&schema));
    }
    table
}

/// Phases of one thing share their row, as they share their fields.
fn event_fields() -> String {
    let mut rows: Vec<(Vec<String>, String)> = Vec::new();
    for (name, schema) in events() {
        let told = told_fields(&schema, &["id", "ts", "type", "phase"]);
        let (of, _) = name.split_once('/').unwrap_or_default();
        let is_next = |last: &str| last.starts_with(&format!("`{of}/"));
        match rows.last_mut() {
            Some((names, same)) if *same == told && is_next(&names[0]) => {
                names.push(format!("`{name}`"));
            }
            _ => rows.push((vec![format!("`{name}`")], told)),
        }
    }
    let mut table = head(&["`event/…`", "fields"]);
    for (names, told) in rows {
        let _ = writeln!(table, "| {} | {told} |", names.join(", "));
    }
    table
}

fn told_fields(schema: &Value, but: &[&str]) -> String {
    let fields = fields(schema, 1);
    let own = fields
        .iter()
        .filter(|(name, ..)| !but.contains(&name.as_str()));
    let told: Vec<String> = own
        .map(|(name, field, is_required)| told(name, field, *is_required))
        .collect();
    told.join("; ")
}

fn commands() -> String {
    let mut table = head(&["`cmd/…`", "does", "fields", "reply"]);
    for verb in VERBS {
        let told = order_fields(payload_schema::command(verb));
        let (does, reply) = match catalogue::described(verb) {
            Some(words) => (words.words(), words.reply),
            None => Default::default(),
        };
        let _ = writeln!(table, "| `{verb}` | {does} | {told} | {reply} |");
    }
    table
}

fn settings() -> String {
    let mut table = head(&["`…/set`", "sets", "fields", "needs the permission of"]);
    for part in PARTS {
        let schema = payload_schema::part(part);
        let sets = schema.as_ref().map(words).unwrap_or_default();
        let told = order_fields(schema);
        let needs: Vec<String> = Setting::permissions(part)
            .iter()
            .map(|verb| format!("`{verb}`"))
            .collect();
        let _ = writeln!(
            table,
            "| `{part}` | {sets} | {told} | {} |",
            needs.join(", ")
        );
    }
    table
}

fn order_fields(schema: Option<Value>) -> String {
    schema
        .map(|schema| told_fields(&schema, ENVELOPE))
        .unwrap_or_default()
}

fn errors() -> String {
    let mut table = head(&["`error.code`", "means"]);
    let schema = written_by::<ErrorCode>();
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        let code = one["const"].as_str().or_else(|| one["enum"][0].as_str());
        let _ = writeln!(table, "| `{}` | {} |", code.unwrap_or_default(), words(one));
    }
    table
}

fn head(columns: &[&str]) -> String {
    format!(
        "| {} |\n|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    )
}

fn told(name: &str, field: &Value, is_required: bool) -> String {
    let optional = if is_required { "" } else { ", optional" };
    let words = words(field);
    let separator = if words.is_empty() { "" } else { ": " };
    format!("`{name}` ({}{optional}){separator}{words}", kind(field))
}

/// The fields of an object in their order, with a dot before those of a field, and whether each is
/// always there.
fn fields(schema: &Value, depth: usize) -> Vec<(String, Value, bool)> {
    let mut found = Vec::new();
    let required = |name: &str| {
        let names = schema["required"].as_array().into_iter().flatten();
        names.into_iter().any(|one| one == name)
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        found.push((name.clone(), field.clone(), required(name)));
        if depth > 1 {
            let field = present(field);
            // What is in a list has the mark of a list, what is in a map that of any name.
            let (mark, inner) = match (&field["items"], &field["additionalProperties"]) {
                (items @ Value::Object(_), _) => ("[]", items),
                (_, values @ Value::Object(_)) => (".<name>", values),
                _ => ("", &field),
            };
            let inner = fields(inner, depth - 1);
            let below =
                |(path, field, is_required)| (format!("{name}{mark}.{path}"), field, is_required);
            found.extend(inner.into_iter().map(below));
        }
    }
    found
}

/// What a field is when it is there: without `null`, and with what it refers to in place.
fn present(field: &Value) -> Value {
    for list in ["anyOf", "oneOf", "allOf"] {
        let alternatives: Vec<&Value> = field[list]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["type"] != "null")
            .collect();
        if let [only] = alternatives.as_slice() {
            return (*only).clone();
        }
    }
    field.clone()
}

/// The type in a word or two, or all values of an enum.
fn kind(field: &Value) -> String {
    let field = present(field);
    let mut values = Vec::new();
    strings(&field, &mut values);
    if !values.is_empty() {
        let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return quoted.join(", ");
    }
    let names: Vec<&str> = match &field["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let alternatives = ["anyOf", "oneOf"]
        .iter()
        .find_map(|list| field[*list].as_array());
    match (names.iter().find(|name| **name != "null"), alternatives) {
        (Some(&"array"), _) => format!("list of {}", kind(&field["items"])),
        (Some(&"integer"), _) => "whole number".to_owned(),
        (Some(&"string"), _) => "text".to_owned(),
        (Some(&"boolean"), _) => "true or false".to_owned(),
        (Some(name), _) => (*name).to_owned(),
        (None, Some(several)) => {
            let kinds: Vec<String> = several
                .iter()
                .filter(|one| one["type"] != "null")
                .map(kind)
                .collect();
            kinds.join(" or ")
        }
        (None, None) => "any".to_owned(),
    }
}

/// The documentation of a field, on one line and without its last full stop.
fn words(field: &Value) -> String {
    line(field["description"].as_str().unwrap_or_default())
}

fn line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches('.').replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_a_mark_is_told_which() {
        let error = page("# nothing").unwrap_err();
        assert!(error.contains("topics"), "{error}");
    }

    #[test]
    fn text_around_the_tables_stays_as_it_is() {
        let marks: String = tables()
            .iter()
            .map(|(name, _)| {
                format!(
                    "before {name}\n<!-- made from the code: {name} -->\nold\n<!-- end -->\nafter\n"
                )
            })
            .collect();
        let page = page(&marks).unwrap();
        assert!(!page.contains("old\n"));
        for (name, _) in tables() {
            assert!(page.contains(&format!("before {name}\n")), "{name}");
        }
        assert!(
            page.contains("| `cubelet/front-door/cmd/<verb>` | → device | any | never |"),
            "{page}"
        );
    }
}
