//! Laid out for people: status, events, devices here; `replies` says how each command's reply
//! looks, `columns` lines it up.
//!
//! Invariant: what comes from the network has no say in the terminal: control characters never
//! get there.
//! Must not enter: what is printed with `--json`, beyond printing it.

mod call;
mod columns;
mod replies;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

pub use call::stats;
pub use replies::reply;

/// The whole status, a part a line.
pub fn status(device: &str, availability: &str, state: &Value) -> String {
    let mut text = format!("{device:<10} {availability}\n");
    if let Some(parts) = state.as_object() {
        // A part the device does not have, such as a screen, is empty.
        let there = parts.iter().filter(|(_, fields)| **fields != json!({}));
        for (part, fields) in there {
            if part == "health" {
                // The text grows; writing to a String cannot fail.
                let _ = writeln!(text, "{part:<10} {}", health(fields));
            } else {
                let _ = writeln!(text, "{part:<10} {}", line(fields));
            }
        }
    }
    text
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
        let mut name = name.as_str();
        let shown = match (name, value) {
            ("retry_at", Value::Number(millis)) => {
                name = "retry_in";
                seconds_until(millis.as_i64().unwrap_or_default())
            }
            ("started", Value::Number(millis)) => {
                name = "up";
                time_since(millis.as_i64().unwrap_or_default())
            }
            ("since" | "last_unlocked" | "synced_at", Value::Number(millis)) => {
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

/// How long it is until a Unix time in milliseconds, nothing if that is over.
fn seconds_until(millis: i64) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    let left = i128::from(millis).saturating_sub(now).max(0);
    format!("{}s", left.div_euclid(1000))
}

/// How long ago a Unix time in milliseconds was, in its two largest units.
fn time_since(millis: i64) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let seconds = now.saturating_sub(millis.div_euclid(1000)).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
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
    fn the_next_try_of_a_lost_connection_is_told_in_seconds_from_now() {
        let past = json!({"status": "reconnecting", "reason": "cut", "retry_at": 1_000});
        assert_eq!(line(&past), "reconnecting  reason=cut  retry_in=0s");
        let later = OffsetDateTime::now_utc().unix_timestamp() * 1000 + 3_600_500;
        let shown = line(&json!({"status": "reconnecting", "retry_at": later}));
        assert!(
            shown.ends_with("retry_in=3600s") || shown.ends_with("retry_in=3599s"),
            "{shown}"
        );
    }

    #[test]
    fn health_names_only_what_is_not_well() {
        let actors = json!({"chat": {"alive": true, "restarts": 0},
            "calls": {"alive": true, "restarts": 2}, "door": {"alive": false, "restarts": 1}});
        assert_eq!(health(&actors), "calls restarted 2×, door is down");
    }
}
