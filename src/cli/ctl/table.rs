//! Laid out for people: status, events, replies.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

/// Prints the whole status, a part a line.
pub fn status(device: &str, availability: &str, state: &Value) {
    let mut text = format!("{device:<10} {availability}\n");
    if let Some(parts) = state.as_object() {
        for (part, fields) in parts {
            if part == "health" {
                // The text grows; writing to a String cannot fail.
                let _ = writeln!(text, "{part:<10} {}", health(fields));
            } else {
                let _ = writeln!(text, "{part:<10} {}", line(fields));
            }
        }
    }
    print!("{text}");
}

/// One event as a line.
pub fn event(kind: &str, event: &Value) -> String {
    let at = event["ts"].as_i64().map(clock).unwrap_or_default();
    let mut fields = event.clone();
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, _| name != "id" && name != "ts");
    }
    format!("{at:<12} {kind:<18} {}", line(&fields))
        .trim_end()
        .to_owned()
}

/// Prints a command's reply: `ok` and what it says.
pub fn reply(reply: &Value, json: bool) {
    if json {
        println!("{reply}");
        return;
    }
    if let Some(calls) = reply["calls"].as_array().filter(|calls| are_records(calls)) {
        for call in calls {
            println!("{}", call_line(call));
        }
        return;
    }
    if let Some(attempts) = reply["attempts"].as_array() {
        for attempt in attempts {
            println!("{}", attempt_line(attempt));
        }
        return;
    }
    for list in ["messages", "dialogs", "users"] {
        if let Some(items) = reply[list].as_array() {
            for item in items {
                println!("{}", list_line(item));
            }
            if let Some(next) = reply["next"].as_str() {
                println!("next={next}");
            }
            return;
        }
    }
    let mut details = reply.clone();
    if let Some(details) = details.as_object_mut() {
        details.retain(|name, _| name != "id" && name != "ok");
    }
    println!("{}", format!("ok {}", line(&details)).trim_end());
}

/// `ring` answers with ids under the same name.
fn are_records(calls: &[Value]) -> bool {
    calls.iter().all(Value::is_object)
}

/// A call that is over: when, which way, who, how it ended, how long, of which ring.
fn call_line(call: &Value) -> String {
    let at = call["started_ms"].as_i64().map(date).unwrap_or_default();
    let way = match call["direction"].as_str() {
        Some("incoming") => "from",
        _ => "to",
    };
    let name = call["name"].as_str().map(plain);
    let who = name.unwrap_or_else(|| call["peer"].to_string());
    let reason = call["reason"].as_str().unwrap_or_default();
    let talked = call["talked_s"].as_f64();
    let talked = talked.map_or("-".to_owned(), |seconds| format!("{seconds:.0} s"));
    let mut line = format!("{at}  {way:<4} {who:<16} {reason:<18} {talked:>7}");
    if let (Some(ring), Some(step)) = (call["ring"].as_str(), call["step"].as_u64()) {
        let _ = write!(line, "  ring {ring} step {step}");
    }
    line
}

/// An attempt to open the door.
fn attempt_line(attempt: &Value) -> String {
    let at = attempt["at"].as_i64().map(date).unwrap_or_default();
    let by = attempt["by"].as_str().map(plain).unwrap_or_default();
    let how = attempt["how"].as_str().unwrap_or_default();
    let result = if attempt["opened"] == true {
        "opened".to_owned()
    } else {
        let reason = attempt["reason"].as_str().map(plain).unwrap_or_default();
        format!("refused: {reason}")
    };
    format!("{at}  {by:<12} {how:<8} {result}")
}

/// A text from the network has no say in the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Unix milliseconds as date and time, UTC like everything here.
fn date(millis: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp(millis / 1000)
        .ok()
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default()
}

/// An item of a list: a message as date, author and text, anything else as its fields.
fn list_line(item: &Value) -> String {
    let Some(seconds) = item["date_sent"].as_i64() else {
        return line(item);
    };
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let at = OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default();
    let text = if item["is_removed"] == true {
        "(removed)"
    } else {
        item["text"].as_str().unwrap_or_default()
    };
    // A text from the network has no say in the terminal.
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let status = item["status"].as_str().unwrap_or_default();
    let id = item["message"].as_str().unwrap_or_default();
    format!("{at}  {id}  {:<8} {status:<9} {text}", item["from"])
}

/// Prints the devices and whether they are online.
pub fn devices(devices: &BTreeMap<String, bool>, json: bool) {
    if json {
        let list: Vec<Value> = devices
            .iter()
            .map(|(name, online)| json!({ "device": name, "online": online }))
            .collect();
        println!("{}", Value::Array(list));
        return;
    }
    for (name, online) in devices {
        println!("{name:<24} {}", if *online { "online" } else { "offline" });
    }
}

/// The fields of an object as `name=value`, its status first and bare.
fn line(fields: &Value) -> String {
    let Some(fields) = fields.as_object() else {
        return value_text(fields);
    };
    let mut text = String::new();
    if let Some(status) = fields.get("status").and_then(Value::as_str) {
        text.push_str(status);
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != "status") {
        let shown = match (name.as_str(), value) {
            ("since" | "last_unlocked", Value::Number(millis)) => {
                millis.as_i64().map(clock).unwrap_or_default()
            }
            (_, Value::Object(_)) => format!("({})", line(value)),
            _ => value_text(value),
        };
        let space = if text.is_empty() { "" } else { "  " };
        let _ = write!(text, "{space}{name}={shown}");
    }
    text
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) if is_word(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

fn health(actors: &Value) -> String {
    let Some(actors) = actors.as_object() else {
        return String::new();
    };
    let mut troubled: Vec<String> = Vec::new();
    for (name, actor) in actors {
        let restarts = actor["restarts"].as_u64().unwrap_or(0);
        if actor["alive"] != true {
            troubled.push(format!("{name} is down"));
        } else if restarts > 0 {
            troubled.push(format!("{name} restarted {restarts}×"));
        }
    }
    if troubled.is_empty() {
        format!("all {} parts are up", actors.len())
    } else {
        troubled.join(", ")
    }
}

/// Unix milliseconds as the time of day, UTC: the local zone cannot be found out safely in every
/// process, and logs are in UTC as well.
fn clock(millis: i64) -> String {
    let format = format_description!("[hour]:[minute]:[second].[subsecond digits:1]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_without_its_id() {
        let ended = json!({"id": "66f0", "ts": 1_790_000_012_345_i64, "phase": "ended",
            "reason": "hung up", "peer": 1002});
        assert_eq!(
            event("call/ended", &ended),
            "14:13:32.3Z  call/ended         phase=ended  reason=\"hung up\"  peer=1002"
        );
    }

    #[test]
    fn a_call_and_an_attempt_at_the_door_are_a_line_each() {
        let call = json!({"started_ms": 1_790_000_012_345_i64, "direction": "outgoing",
            "peer": 1002, "name": "Anna", "reason": "remote_hung_up", "talked_s": 41.2,
            "ring": "66f0", "step": 2});
        assert_eq!(
            call_line(&call),
            "2026-09-21 14:13:32Z  to   Anna             remote_hung_up        41 s  ring 66f0 step 2"
        );
        let refused = json!({"at": 1_790_000_012_345_i64, "by": "1002", "how": "chat",
            "opened": false, "reason": "you are not\u{1b}[2J on the list"});
        assert_eq!(
            attempt_line(&refused),
            "2026-09-21 14:13:32Z  1002         chat     refused: you are not [2J on the list"
        );
    }

    #[test]
    fn health_names_only_what_is_not_well() {
        let actors = json!({"chat": {"alive": true, "restarts": 0},
            "calls": {"alive": true, "restarts": 2}, "door": {"alive": false, "restarts": 1}});
        assert_eq!(health(&actors), "calls restarted 2×, door is down");
    }
}
