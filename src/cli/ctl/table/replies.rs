//! A command's reply: lists as tables, one thing as a line a field, all else as `ok` and what it
//! says.

use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

use super::columns::{clean, columns};
use super::line;

/// Prints a command's reply.
pub fn reply(verb: &str, reply: &Value, json: bool) {
    if json {
        println!("{reply}");
    } else {
        print!("{}", shown(verb, reply));
    }
}

fn shown(verb: &str, reply: &Value) -> String {
    match verb {
        "history" | "search" => messages(reply),
        "dialogs" => dialogs(&reply["dialogs"]),
        "users" | "dialog_occupants" => users(&reply["users"]),
        "blocked" => blocked(&reply["users"]),
        "unread" => unread(reply),
        "last_activity" => activity(reply),
        "dialog_create" | "dialog_update" | "dialog_subscribe" => one(&reply["details"]),
        "profile_update" => one(&reply["user"]),
        "record_create" | "record_update" => one(&reply["record"]),
        "records" => items(&reply["records"])
            .map(|record| format!("{}\n", clean(&record.to_string())))
            .collect(),
        "dialog_notifications" => match &reply["enabled"] {
            Value::Bool(true) => "on\n".to_owned(),
            _ => "off\n".to_owned(),
        },
        "send_status" => status(reply),
        "calls" => calls(&reply["calls"]),
        "logs" => items(&reply["lines"])
            .filter_map(Value::as_str)
            .map(|line| format!("{}\n", clean(line)))
            .collect(),
        "door_log" => attempts(&reply["attempts"]),
        "recordings" => recordings(&reply["recordings"]),
        "control_log" => orders(&reply["entries"]),
        _ => plain(reply),
    }
}

/// `ok` and the fields.
fn plain(reply: &Value) -> String {
    let mut details = reply.clone();
    if let Some(details) = details.as_object_mut() {
        details.retain(|name, _| name != "id" && name != "ok");
    }
    let fields = format!("ok {}", line(&details));
    format!("{}\n", clean(fields.trim_end()))
}

fn messages(reply: &Value) -> String {
    let rows: Vec<Vec<String>> = items(&reply["messages"])
        .map(|message| {
            let text = if message["is_removed"] == true {
                "(removed)".to_owned()
            } else {
                cell(&message["text"])
            };
            vec![
                date(&message["date_sent"]),
                cell(&message["message"]),
                cell(&message["from"]),
                cell(&message["status"]),
                text,
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no messages\n".to_owned();
    }
    let mut text = columns(&["SENT", "MESSAGE", "FROM", "STATUS", "TEXT"], &rows);
    if let Some(next) = reply["next"].as_str() {
        text.push_str(&format!("older ones: --before {}\n", clean(next)));
    }
    text
}

fn dialogs(dialogs: &Value) -> String {
    let rows: Vec<Vec<String>> = items(dialogs)
        .map(|dialog| {
            vec![
                cell(&dialog["dialog"]),
                cell(&dialog["kind"]),
                cell(&dialog["name"]),
                items(&dialog["users"]).count().to_string(),
                date(&dialog["last_date"]),
                cell(&dialog["last_message"]),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no dialogs\n".to_owned();
    }
    let heading = ["DIALOG", "KIND", "NAME", "PEOPLE", "LAST", "LAST MESSAGE"];
    columns(&heading, &rows)
}

/// One dialog or user, a line a field; empty ones are left out.
fn one(details: &Value) -> String {
    let Some(fields) = details.as_object() else {
        return "ok\n".to_owned();
    };
    let mut text = String::new();
    for (name, value) in fields {
        let value = match name.as_str() {
            "last_date" => date(value),
            _ => cell(value),
        };
        if !value.is_empty() {
            text.push_str(&format!("{:<14}{}\n", clean(name), clean(&value)));
        }
    }
    text
}

fn users(users: &Value) -> String {
    let rows: Vec<Vec<String>> = items(users)
        .map(|user| {
            ["id", "login", "full_name", "email", "user_tags"]
                .iter()
                .map(|&field| cell(&user[field]))
                .collect()
        })
        .collect();
    if rows.is_empty() {
        return "no users\n".to_owned();
    }
    columns(&["ID", "LOGIN", "NAME", "EMAIL", "TAGS"], &rows)
}

fn blocked(users: &Value) -> String {
    let rows: Vec<Vec<String>> = items(users)
        .map(|user| {
            let mutual = if user["mutual"] == true { "both" } else { "in" };
            vec![cell(&user["user"]), mutual.to_owned()]
        })
        .collect();
    if rows.is_empty() {
        return "nobody is blocked\n".to_owned();
    }
    columns(&["USER", "WAYS"], &rows)
}

fn unread(reply: &Value) -> String {
    let rows: Vec<Vec<String>> = reply["dialogs"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(dialog, count)| vec![dialog.clone(), cell(count)])
        .collect();
    if rows.is_empty() {
        return "nothing is unread\n".to_owned();
    }
    columns(&["DIALOG", "UNREAD"], &rows)
}

fn activity(reply: &Value) -> String {
    let user = cell(&reply["user"]);
    match reply["seconds"].as_u64() {
        Some(0) => format!("{user} is online\n"),
        Some(seconds) => format!("{user} was active {} ago\n", span(seconds)),
        None => plain(reply),
    }
}

fn status(reply: &Value) -> String {
    let mut text = cell(&reply["status"]);
    for (label, field) in [("delivered to", "delivered_to"), ("read by", "read_by")] {
        let users = cell(&reply[field]);
        if !users.is_empty() {
            text.push_str(&format!(", {label} {users}"));
        }
    }
    if let Some(reason) = reply["reason"].as_str() {
        text.push_str(&format!(": {reason}"));
    }
    format!("{}\n", clean(&text))
}

/// Calls that are over: when, which way, who, how it ended, how long, of which ring.
fn calls(calls: &Value) -> String {
    let rows: Vec<Vec<String>> = items(calls)
        .map(|call| {
            let way = match call["direction"].as_str() {
                Some("incoming") => "from",
                _ => "to",
            };
            let who = match &call["name"] {
                Value::Null => &call["peer"],
                name => name,
            };
            let talked = call["talked_s"].as_f64();
            let ring = match (call["ring"].as_str(), call["step"].as_u64()) {
                (Some(ring), Some(step)) => format!("{ring} step {step}"),
                _ => String::new(),
            };
            vec![
                date_of_millis(&call["started_ms"]),
                way.to_owned(),
                cell(who),
                cell(&call["reason"]),
                talked.map_or("-".to_owned(), |seconds| format!("{seconds:.0} s")),
                path(&call["quality"]),
                ring,
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no calls\n".to_owned();
    }
    let heading = [
        "STARTED", "WAY", "WHO", "ENDED", "TALKED", "LOST RTT", "RING",
    ];
    columns(&heading, &rows)
}

/// The worse direction's loss, and the round trip.
fn path(quality: &Value) -> String {
    let lost = ["lost_sent_percent", "lost_received_percent"]
        .iter()
        .filter_map(|direction| quality[direction].as_f64())
        .reduce(f64::max);
    let lost = lost.map(|percent| format!("{percent:.1} %"));
    let round_trip = quality["rtt_ms"].as_u64().map(|ms| format!("{ms} ms"));
    let known: Vec<String> = [lost, round_trip].into_iter().flatten().collect();
    if known.is_empty() {
        "-".to_owned()
    } else {
        known.join(" ")
    }
}

/// Who tried to open the door.
fn attempts(attempts: &Value) -> String {
    let rows: Vec<Vec<String>> = items(attempts)
        .map(|attempt| {
            let result = match attempt["opened"] == true {
                true => "opened".to_owned(),
                false => format!("refused: {}", cell(&attempt["reason"])),
            };
            vec![
                date_of_millis(&attempt["at"]),
                cell(&attempt["by"]),
                cell(&attempt["how"]),
                result,
            ]
        })
        .collect();
    if rows.is_empty() {
        return "nobody has tried\n".to_owned();
    }
    columns(&["AT", "WHO", "HOW", "RESULT"], &rows)
}

fn recordings(recordings: &Value) -> String {
    let rows: Vec<Vec<String>> = items(recordings)
        .map(|kept| {
            let length = match kept["duration_s"].as_f64() {
                Some(seconds) => format!("{seconds:.1} s"),
                None if kept["unfinished"] == true => "unfinished".to_owned(),
                None => "damaged".to_owned(),
            };
            let file = cell(&kept["file"]);
            vec![
                date_of_millis(&kept["began"]),
                length,
                cell(&kept["bytes"]),
                file,
            ]
        })
        .collect();
    if rows.is_empty() {
        return "nothing is recorded\n".to_owned();
    }
    columns(&["BEGAN", "LENGTH", "BYTES", "FILE"], &rows)
}

fn orders(entries: &Value) -> String {
    let rows: Vec<Vec<String>> = items(entries)
        .map(|entry| {
            let result = match entry["outcome"] == "ok" {
                true => "done".to_owned(),
                false => format!("{}: {}", cell(&entry["outcome"]), cell(&entry["reason"])),
            };
            vec![
                date_of_millis(&entry["at"]),
                cell(&entry["requester"]),
                cell(&entry["way"]),
                cell(&entry["topic"]),
                result,
            ]
        })
        .collect();
    if rows.is_empty() {
        return "nothing was refused, and nothing done that matters\n".to_owned();
    }
    columns(&["AT", "WHO", "KNOWN BY", "TOPIC", "RESULT"], &rows)
}

/// Seconds in the two greatest units that say something.
fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A value as a cell: texts bare, lists with commas, what is missing as nothing.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields.iter();
            let pairs = fields.map(|(name, value)| format!("{name}={}", cell(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Unix milliseconds as date and time, UTC.
fn date_of_millis(millis: &Value) -> String {
    let seconds = millis.as_i64().map(|millis| millis / 1000);
    date(&seconds.map_or(Value::Null, Value::from))
}

/// Unix seconds as date and time, UTC.
fn date(seconds: &Value) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    seconds
        .as_i64()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_of_messages_is_a_table_and_names_the_page_behind() {
        let page = json!({"ok": true, "messages": [
            {"message": "66f0", "from": 1002, "date_sent": 1_790_000_000, "text": "hello\u{7}"},
            {"message": "66ef", "from": 1, "status": "read", "is_removed": true},
        ], "next": "1790000000-66ef"});
        assert_eq!(
            shown("history", &page),
            "SENT                  MESSAGE  FROM  STATUS  TEXT\n\
             2026-09-21 14:13:20Z  66f0     1002          hello\n\
             \u{20}                     66ef     1     read    (removed)\n\
             older ones: --before 1790000000-66ef\n"
        );
    }

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(
            shown("blocked", &json!({"users": []})),
            "nobody is blocked\n"
        );
        assert_eq!(shown("users", &json!({"users": []})), "no users\n");
        assert_eq!(shown("dialogs", &json!({"dialogs": []})), "no dialogs\n");
        assert_eq!(shown("search", &json!({"messages": []})), "no messages\n");
        assert_eq!(
            shown("unread", &json!({"total": 0, "dialogs": {}})),
            "nothing is unread\n"
        );
    }

    #[test]
    fn a_call_and_an_attempt_at_the_door_are_a_line_each() {
        let call = json!({"started_ms": 1_790_000_012_345_i64, "direction": "outgoing",
            "peer": 1002, "name": "Anna", "reason": "remote_hung_up", "talked_s": 41.2,
            "quality": {"lost_sent_percent": 0.4, "lost_received_percent": 1.25, "rtt_ms": 23},
            "ring": "66f0", "step": 2});
        assert_eq!(
            shown("calls", &json!({"calls": [call]})),
            "STARTED               WAY  WHO   ENDED           TALKED  LOST RTT     RING\n\
             2026-09-21 14:13:32Z  to   Anna  remote_hung_up  41 s    1.2 % 23 ms  66f0 step 2\n"
        );
        let refused = json!({"at": 1_790_000_012_345_i64, "by": "1002", "how": "chat",
            "opened": false, "reason": "you are not\u{1b}[2J on the list"});
        assert_eq!(
            shown("door_log", &json!({"attempts": [refused]})),
            "AT                    WHO   HOW   RESULT\n\
             2026-09-21 14:13:32Z  1002  chat  refused: you are not [2J on the list\n"
        );
    }

    #[test]
    fn an_activity_is_told_in_units_for_people() {
        let ago = |seconds: u64| shown("last_activity", &json!({"user": 7, "seconds": seconds}));
        assert_eq!(ago(0), "7 is online\n");
        assert_eq!(ago(59), "7 was active 59 s ago\n");
        assert_eq!(ago(61), "7 was active 1 min 1 s ago\n");
        assert_eq!(ago(7_260), "7 was active 2 h 1 min ago\n");
        assert_eq!(ago(180_000), "7 was active 2 d 2 h ago\n");
    }
}
