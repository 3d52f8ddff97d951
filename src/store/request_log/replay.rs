//! The lines of the log, and what they come to.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::ControlRequest;
use crate::base::moment::Moment;

/// A line: one JSON object, so that one torn by a power cut is recognised by not being one.
#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    id: String,
    /// Hexadecimal.
    print: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    ms: u64,
    boot: String,
    up: u64,
}

/// Appends the request's line to `lines`.
pub(super) fn write(lines: &mut Vec<u8>, request: &ControlRequest) {
    let line = Line {
        name: request.name.clone(),
        id: request.request.clone(),
        print: hex::encode(&request.fingerprint),
        reply: request.reply.clone(),
        ms: request.at.unix_ms,
        boot: request.at.boot.clone(),
        up: request.at.up_ms,
    };
    let began = lines.len();
    match serde_json::to_writer(&mut *lines, &line) {
        Ok(()) => lines.push(b'\n'),
        // Strings and numbers always have a JSON form and memory takes every write.
        Err(_) => lines.truncate(began),
    }
}

/// What the log says, in the order of the last word on each request: of all the newest `keep`.
/// The second value counts the lines that are none.
pub(super) fn read(log: &[u8], keep: usize) -> (Vec<ControlRequest>, usize) {
    let mut last: HashMap<(String, String), (usize, ControlRequest)> = HashMap::new();
    let mut unreadable = 0;
    for (n, line) in log.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match request(line) {
            Some(request) => {
                let key = (request.name.clone(), request.request.clone());
                last.insert(key, (n, request));
            }
            None => unreadable += 1,
        }
    }
    let mut requests: Vec<_> = last.into_values().collect();
    requests.sort_unstable_by_key(|(n, _)| *n);
    let forgotten = requests.len().saturating_sub(keep);
    let kept = requests.drain(forgotten..).map(|(_, request)| request);
    (kept.collect(), unreadable)
}

fn request(line: &[u8]) -> Option<ControlRequest> {
    let line: Line = serde_json::from_slice(line).ok()?;
    Some(ControlRequest {
        name: line.name,
        request: line.id,
        fingerprint: hex::decode(line.print).ok()?,
        reply: line.reply,
        at: Moment {
            unix_ms: line.ms,
            boot: line.boot,
            up_ms: line.up,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(id: &str, reply: Option<&str>) -> ControlRequest {
        ControlRequest {
            name: "unlock".into(),
            request: id.into(),
            fingerprint: vec![0xa5; 32],
            reply: reply.map(str::to_owned),
            at: Moment {
                unix_ms: 1,
                boot: "b".into(),
                up_ms: 2,
            },
        }
    }

    fn log(requests: &[ControlRequest]) -> Vec<u8> {
        let mut lines = Vec::new();
        for request in requests {
            write(&mut lines, request);
        }
        lines
    }

    #[test]
    fn the_answer_takes_the_place_of_the_beginning_and_counts_as_newest() {
        let (a, b) = (request("a", None), request("b", None));
        let answered = request("a", Some(r#"{"ok":true}"#));
        let log = log(&[a, b.clone(), answered.clone()]);
        assert_eq!(read(&log, 9), (vec![b, answered.clone()], 0));
        assert_eq!(read(&log, 1), (vec![answered], 0));
    }

    #[test]
    fn what_a_power_cut_left_of_the_last_lines_is_passed_over() {
        let whole = request("a", None);
        let mut torn = log(&[whole.clone(), request("b", None)]);
        torn.truncate(torn.len() - 9);
        torn.extend([0; 16]);
        assert_eq!(read(&torn, 9), (vec![whole], 1));
    }

    proptest! {
        #[test]
        fn whatever_is_in_an_id_or_a_reply_comes_back(id in "\\PC{0,40}", reply in "(?s).{0,80}") {
            let request = request(&id, Some(&reply));
            prop_assert_eq!(read(&log(std::slice::from_ref(&request)), 1), (vec![request], 0));
        }

        #[test]
        fn no_file_is_too_broken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 3);
        }
    }
}
