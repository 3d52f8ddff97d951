//! The commands of rules against the table of commands: what the configuration's reader, a layer
//! below, cannot know. And which rules would fire, for people who ask before.

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value};

use super::payload;
use crate::call::rule::book::{Judgement, Occasion, RuleBook};
use crate::call::rule::{Action, template};
use crate::config::{DeviceConfig, Report, Surroundings, check_device, locate_problems};
use crate::protocol::call_signal::CallType;

/// What may stand for a placeholder while the command around it is checked.
const STAND_INS: [&str; 4] = ["\"66f0aa000102030405000001\"", "1", "true", "\"text\""];

/// Reads a device's file as [`check_device`] does, and checks the commands of its rules.
pub fn check(path: &Path, around: &Surroundings) -> Report<DeviceConfig> {
    let mut report = check_device(path, around);
    if let Ok(config) = &report.outcome {
        let wrong = mistakes(config);
        if !wrong.is_empty() {
            report.outcome = Err(locate_problems(path, wrong));
        }
    }
    report
}

/// Every command that could never be carried out: its place and why.
fn mistakes(config: &DeviceConfig) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, rule) in config.rules.iter().enumerate() {
        for (number, action) in rule.actions.iter().enumerate() {
            if let Err(why) = possible(action, config.calls.call_type) {
                found.push((format!("rule[{at}].do[{number}]"), why));
            }
        }
    }
    found
}

fn possible(action: &Action, call_type: CallType) -> Result<(), String> {
    let parse = |fields: Map<String, Value>| {
        payload::parse(&action.verb, fields, call_type)
            .map(drop)
            .map_err(|error| format!("`{}`: {}", action.verb, error.message))
    };
    let mut first = None;
    for stand_in in STAND_INS {
        let stand_in: Value = serde_json::from_str(stand_in).unwrap_or_default();
        match template::with_stand_in(&action.fields, &stand_in)? {
            None => return parse(action.fields.clone()),
            Some(fields) => match parse(fields) {
                Ok(()) => return Ok(()),
                Err(why) => first = first.or(Some(why)),
            },
        }
    }
    Err(first.unwrap_or_default())
}

/// What the rules of a configuration would make of an occasion, a rule a line, its commands below
/// it.
pub fn explain(config: &DeviceConfig, occasion: Occasion<'_>) -> Vec<String> {
    let book = RuleBook::new(config.rules.clone(), config.schedules.clone());
    let mut lines = Vec::new();
    for (rule, judgement) in book.judge(Instant::now(), occasion) {
        let name = &rule.name;
        match judgement {
            Judgement::NotConcerned => {
                lines.push(format!("{name}: waits for something else"));
            }
            Judgement::Held(why) => lines.push(format!("{name}: does not fire: {why}")),
            Judgement::Fires(orders) => {
                lines.push(format!("{name}: fires"));
                for order in orders {
                    let verb = order.verb;
                    let told = order.fields.and_then(|fields| {
                        let text = Value::Object(fields.clone()).to_string();
                        payload::parse(&verb, fields, config.calls.call_type)
                            .map(|_| text)
                            .map_err(|error| error.message)
                    });
                    lines.push(match told {
                        Ok(fields) => format!("  {verb} {fields}"),
                        Err(why) => format!("  {verb} is not possible: {why}"),
                    });
                }
            }
        }
    }
    lines
}

/// The fields of an occasion as the rules see them: an event's own, or those of a message.
pub fn fields_of(topic: Option<&str>, text: &str) -> Result<Value, String> {
    match topic {
        Some(topic) => Ok(super::automation::message_fields(topic, text.as_bytes())),
        None => match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
            Ok(_) => Err("the event's fields must be a JSON object".to_owned()),
            Err(error) => Err(format!("the event's fields are no JSON: {error}")),
        },
    }
}
