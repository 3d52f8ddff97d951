//! How the media of the present call does, for people.

use std::fmt::Write;

use serde_json::Value;

use super::columns::columns;
use super::value_text;

/// Both directions a line, what concerns both, and everybody with how loud they are.
pub fn stats(device: &str, call: &Value) -> String {
    let status = call["status"].as_str().unwrap_or("idle");
    let mut text = format!("{device}  {status}\n");
    let media = &call["media"];
    if media.is_object() {
        let flow = |name: &str| {
            let fields = [
                "kbps",
                "fps",
                "packets",
                "loss_percent",
                "jitter_ms",
                "nacks",
                "plis",
            ];
            let values = fields.map(|field| cell(&media[name][field]));
            std::iter::once(name.to_owned()).chain(values).collect()
        };
        let heading = [
            "",
            "KBIT/S",
            "FPS",
            "PACKETS",
            "LOSS %",
            "JITTER ms",
            "NACKS",
            "PLIS",
        ];
        text.push_str(&columns(&heading, &[flow("sent"), flow("received")]));
        let both = [
            ("rtt_ms", "round trip", " ms"),
            ("freezes", "freezes", ""),
            ("frozen_ms", "frozen", " ms"),
            ("decode_ms", "decoding", " ms"),
            ("encoder_kbps", "encoder", " kbit/s"),
            ("target_kbps", "network", " kbit/s"),
        ];
        let both = both
            .into_iter()
            .filter(|(field, ..)| !media[*field].is_null());
        let both: Vec<String> = both
            .map(|(field, name, unit)| format!("{name} {}{unit}", cell(&media[field])))
            .collect();
        // The text grows; writing to a String cannot fail.
        let _ = writeln!(text, "{}", both.join(", "));
    }
    let row = |who: String, status: &Value, level: &Value, note: &str| {
        let levels = [&level["rms_dbfs"], &level["peak_dbfs"]].map(cell);
        let [rms, peak] = levels;
        vec![who, cell(status), rms, peak, note.to_owned()]
    };
    let mut rows = Vec::new();
    if media["microphone"].is_object() {
        let status = Value::Null;
        rows.push(row(
            "microphone".to_owned(),
            &status,
            &media["microphone"],
            "",
        ));
    }
    for one in call["participants"].as_array().into_iter().flatten() {
        let speaks = one["user"] == call["speaker"] && !one["user"].is_null();
        let note = if speaks { "speaks" } else { "" };
        rows.push(row(cell(&one["user"]), &one["status"], &one["level"], note));
    }
    if !rows.is_empty() {
        text.push_str(&columns(&["WHO", "STATUS", "RMS dBFS", "PEAK", ""], &rows));
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => value_text(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_told_by_direction_and_by_who_is_how_loud() {
        let call = json!({
            "status": "connected", "speaker": 1003,
            "media": {
                "sent": {"kbps": 1130, "fps": 30, "packets": 4020, "loss_percent": 0.4,
                    "jitter_ms": 3, "nacks": 16, "plis": 1},
                "received": {"kbps": 15, "fps": 0, "packets": 52, "loss_percent": 0.0,
                    "jitter_ms": 2, "nacks": 0, "plis": 0},
                "microphone": {"rms_dbfs": -31, "peak_dbfs": -12},
                "rtt_ms": 23, "freezes": 0, "frozen_ms": 0, "decode_ms": 3.1, "target_kbps": 1080,
            },
            "participants": [
                {"user": 1002, "status": "ringing"},
                {"user": 1003, "status": "connected", "level": {"rms_dbfs": -28, "peak_dbfs": -9}},
            ],
        });
        let expected = "\
front-door  connected
          KBIT/S  FPS  PACKETS  LOSS %  JITTER ms  NACKS  PLIS
sent      1130    30   4020     0.4     3          16     1
received  15      0    52       0.0     2          0      0
round trip 23 ms, freezes 0, frozen 0 ms, decoding 3.1 ms, network 1080 kbit/s
WHO         STATUS     RMS dBFS  PEAK
microphone             -31       -12
1002        ringing
1003        connected  -28       -9    speaks
";
        assert_eq!(stats("front-door", &call), expected);
        assert_eq!(
            stats("front-door", &json!({"status": "idle"})),
            "front-door  idle\n"
        );
    }
}
