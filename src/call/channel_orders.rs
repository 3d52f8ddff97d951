//! Orders over the data channel of a call: what the far side writes, and what it is answered.
//!
//! One JSON object a message: `{"id": 1, "command": "unlock"}`, answered once by
//! `{"id": 1, "ok": true}` or `{"id": 1, "ok": false, "error": {"code", "message"}}`. An id that
//! comes again is answered as before and orders nothing. What is no order at all is ignored, as an
//! answer to garbage would only invite more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of an order at most.
pub const ORDER_MAX: usize = 1_024;
/// Orders obeyed or refused a second; a person presses a button once.
const PER_S: u32 = 2;
/// So many at once.
const BURST: u32 = 5;
/// Answers remembered of one call.
const REMEMBERED: usize = 32;
/// Characters of an id.
const ID_MAX: usize = 64;

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Open the door.
    Unlock,
}

impl Order {
    const ALL: [Self; 1] = [Self::Unlock];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unlock => "unlock",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }
}

/// What is to be done about a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing; the reason is for the log.
    Ignore(&'static str),
    /// Send this.
    Answer(String),
    /// Carry it out, then call [`ChannelOrders::done`] with the id.
    Obey(Value, Order),
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For machines.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// With a reason.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    id: Value,
    command: String,
}

/// What one participant of one call has ordered.
#[derive(Debug, Default)]
pub struct ChannelOrders {
    /// Ids and their answers; none while it is being carried out.
    known: VecDeque<(Value, Option<String>)>,
    /// When the allowance was full but for what has been taken since.
    full_at: Option<Instant>,
}

impl ChannelOrders {
    /// Judges a message.
    pub fn take(&mut self, now: Instant, text: &str) -> Verdict {
        if text.len() > ORDER_MAX {
            return Verdict::Ignore("it is too long");
        }
        let Ok(Value::Object(object)) = serde_json::from_str(text) else {
            return Verdict::Ignore("it is no JSON object");
        };
        let is_id = |id: &Value| match id {
            Value::String(text) => (1..=ID_MAX).contains(&text.chars().count()),
            Value::Number(number) => number.is_u64() || number.is_i64(),
            _ => false,
        };
        let Some(id) = object.get("id").filter(|id| is_id(id)).cloned() else {
            return Verdict::Ignore("it has no id, a number or up to 64 characters");
        };
        if !self.is_allowed(now) {
            let refusal = Refusal::new("rate_limited", "more orders than 2 a second");
            return Verdict::Answer(answer(&id, Err(refusal)));
        }
        if let Some((_, answer)) = self.known.iter().find(|(known, _)| *known == id) {
            return match answer {
                Some(answer) => Verdict::Answer(answer.clone()),
                None => Verdict::Ignore("it is being carried out"),
            };
        }
        let message: Message = match serde_json::from_value(Value::Object(object)) {
            Ok(message) => message,
            Err(error) => {
                let refusal = Refusal::new("invalid_payload", error.to_string());
                return Verdict::Answer(answer(&id, Err(refusal)));
            }
        };
        let Some(order) = Order::of(&message.command) else {
            let refusal = Refusal::new("unknown_command", "only `unlock` can be ordered here");
            return Verdict::Answer(answer(&id, Err(refusal)));
        };
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back((message.id.clone(), None));
        Verdict::Obey(message.id, order)
    }

    /// What came of it; the answer to be sent.
    pub fn done(&mut self, id: &Value, outcome: Result<(), Refusal>) -> String {
        let answer = answer(id, outcome);
        if let Some((_, kept)) = self.known.iter_mut().find(|(known, _)| known == id) {
            *kept = Some(answer.clone());
        }
        answer
    }

    /// A bucket of [`BURST`], filled at [`PER_S`].
    fn is_allowed(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / PER_S;
        let full_at = self.full_at.unwrap_or(now).max(now);
        if full_at + each > now + each * BURST {
            return false;
        }
        self.full_at = Some(full_at + each);
        true
    }
}

/// What the device says when the channel opens: what this participant may order.
pub fn greeting(may: &[Order]) -> String {
    let names: Vec<&str> = may.iter().map(|order| order.name()).collect();
    json!({ "commands": names }).to_string()
}

fn answer(id: &Value, outcome: Result<(), Refusal>) -> String {
    let body = match outcome {
        Ok(()) => json!({ "id": id, "ok": true }),
        Err(Refusal { code, message }) => {
            json!({ "id": id, "ok": false, "error": { "code": code, "message": message } })
        }
    };
    body.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(verdict: &Verdict) -> String {
        let Verdict::Answer(text) = verdict else {
            panic!("no answer: {verdict:?}");
        };
        let answer: Value = serde_json::from_str(text).unwrap();
        answer["error"]["code"].as_str().unwrap_or("ok").to_owned()
    }

    const UNLOCK: &str = r#"{"id":"a","command":"unlock"}"#;

    #[test]
    fn an_order_is_obeyed_once_and_answered_each_time() {
        let mut orders = ChannelOrders::default();
        let now = Instant::now();
        let id = Value::from("a");
        assert_eq!(
            orders.take(now, UNLOCK),
            Verdict::Obey(id.clone(), Order::Unlock)
        );
        assert!(matches!(orders.take(now, UNLOCK), Verdict::Ignore(_)));
        let answer = orders.done(&id, Ok(()));
        assert_eq!(answer, r#"{"id":"a","ok":true}"#);
        assert_eq!(orders.take(now, UNLOCK), Verdict::Answer(answer));
    }

    #[test]
    fn what_is_wrong_is_named_and_what_is_no_order_is_ignored() {
        let mut orders = ChannelOrders::default();
        let mut later = Instant::now();
        for (text, expected) in [
            (r#"{"id":1,"command":"fly"}"#, "unknown_command"),
            (r#"{"id":2}"#, "invalid_payload"),
            (
                r#"{"id":3,"command":"unlock","door":"back"}"#,
                "invalid_payload",
            ),
            (r#"{"id":4,"command":5}"#, "invalid_payload"),
        ] {
            later += Duration::from_secs(1);
            assert_eq!(code(&orders.take(later, text)), expected, "{text}");
        }
        let long = format!(r#"{{"id":5,"command":"{}"}}"#, "x".repeat(ORDER_MAX));
        for text in [
            "",
            "unlock",
            "[]",
            "{",
            r#"{"command":"unlock"}"#,
            r#"{"id":null,"command":"unlock"}"#,
            r#"{"id":{},"command":"unlock"}"#,
            &long,
        ] {
            assert!(
                matches!(orders.take(later, text), Verdict::Ignore(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_flood_is_refused_and_ends() {
        let mut orders = ChannelOrders::default();
        let now = Instant::now();
        let text = |n: u32| format!(r#"{{"id":{n},"command":"unlock"}}"#);
        for n in 0..BURST {
            assert!(matches!(orders.take(now, &text(n)), Verdict::Obey(..)));
        }
        assert_eq!(code(&orders.take(now, &text(99))), "rate_limited");
        let later = now + Duration::from_millis(500);
        assert!(matches!(orders.take(later, &text(99)), Verdict::Obey(..)));
        assert_eq!(code(&orders.take(later, &text(100))), "rate_limited");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded_and_harmless(texts in proptest::collection::vec(".{0,40}", 0..50)) {
            let mut orders = ChannelOrders::default();
            for text in &texts {
                orders.take(Instant::now(), text);
            }
            prop_assert!(orders.known.len() <= REMEMBERED);
        }
    }
}
