//! `[[rule]]`.

use std::time::Duration;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::read::string;
use super::{EVENTS, VERBS, parse, read_calls};
use crate::call::ring_plan::Condition as Hours;
use crate::call::rule::condition::Condition;
use crate::call::rule::{Action, Rule, Trigger, includes, loops, template, topic};
use crate::call::schedule::Schedule;
use crate::config::document::describe;
use crate::config::reader::{FileReader, SectionReader};
use crate::config::suggest;

/// What a rule does is told as an event, which must not set off others.
const OWN_KIND: &str = "rule";

/// The rules; `root` is the beginning of the device's own topics.
pub(super) fn rules(
    file: &FileReader<'_>,
    schedules: &[Schedule],
    root: &str,
) -> Option<Vec<Rule>> {
    let sections = file.repeated("rule");
    let read: Vec<Option<Rule>> = sections
        .iter()
        .map(|section| rule(section, schedules, root))
        .collect();
    for (at, section) in sections.iter().enumerate() {
        let name = |one: &Option<Rule>| one.as_ref().map(|rule| rule.name.clone());
        if read[at].is_some() && read[..at].iter().any(|one| name(one) == name(&read[at])) {
            section.fail("name", "there is a rule of this name already");
        }
    }
    let rules: Vec<Rule> = read.into_iter().collect::<Option<_>>()?;
    for (at, way) in loops::find(&rules) {
        let least = loops::COOLDOWN_MIN.as_secs();
        let rule = format!("must be at least {least}, for the rule can set itself off: {way}");
        sections[at].fail("cooldown_s", rule);
    }
    Some(rules)
}

fn rule(section: &SectionReader<'_>, schedules: &[Schedule], root: &str) -> Option<Rule> {
    let name = section.parsed("name", parse::device_name);
    let trigger = trigger(section, root);
    let when = read_calls::schedule(section, "when", schedules);
    let unless = read_calls::schedule(section, "unless", schedules);
    if section.given("when") && section.given("unless") {
        section.fail("unless", "only one of when and unless may be given");
    }
    let hours = when
        .map(|schedule| (schedule, false))
        .or(unless.map(|schedule| (schedule, true)));
    let conditions = section.list("if", |value| string(value)?.parse::<Condition>());
    let actions = section.list("do", action);
    if section.given("do") && actions.is_empty() {
        section.fail("do", "must name at least one command");
    }
    let cooldown = section.integer::<u32>("cooldown_s");
    Some(Rule {
        name: name?,
        trigger: trigger?,
        hours: hours.map(|(schedule, is_negated)| Hours {
            schedule,
            is_negated,
        }),
        conditions,
        actions: if actions.is_empty() {
            return None;
        } else {
            actions
        },
        cooldown: Duration::from_secs(cooldown?.into()),
    })
}

fn trigger(section: &SectionReader<'_>, root: &str) -> Option<Trigger> {
    let events = section.list("on", |value| {
        let wanted = string(value)?;
        let known = EVENTS.iter().filter(|one| !includes(OWN_KIND, one));
        if known.clone().any(|one| includes(wanted, one)) && !wanted.is_empty() {
            return Ok(wanted.to_owned());
        }
        let known: Vec<&str> = known.copied().collect();
        Err(suggest::unknown("event", wanted, &known))
    });
    let filter = section.parsed("on_topic", |text| {
        topic::check(text)?;
        // The broker would deliver a command twice, once for each subscription.
        if topic::matches(text, &format!("{root}/cmd/x")) {
            return Err(format!(
                "must not include the commands of this device, {root}/cmd/…"
            ));
        }
        Ok(text.to_owned())
    });
    match (section.given("on"), section.given("on_topic")) {
        (true, true) => {
            section.fail("on_topic", "only one of on and on_topic may be given");
            None
        }
        (false, false) => {
            section.require("on", "is required (or on_topic)");
            None
        }
        (true, false) if events.is_empty() => {
            section.fail("on", "must name at least one event");
            None
        }
        (true, false) => Some(Trigger::Events(events)),
        (false, true) => filter.map(Trigger::Topic),
    }
}

fn action(value: &DeValue<'_>) -> Result<Action, String> {
    let (verb, fields) = match value {
        DeValue::String(verb) => (verb.to_string(), Map::new()),
        DeValue::Table(_) => {
            let Value::Object(mut fields) = json(value)? else {
                return Err("must be a command".into());
            };
            let verb = fields.shift_remove("command");
            let Some(Value::String(verb)) = verb else {
                return Err("needs `command = \"VERB\"`".into());
            };
            (verb, fields)
        }
        other => {
            return Err(format!(
                "must be a command or a table with one, not {}",
                describe(other)
            ));
        }
    };
    if !VERBS.contains(&verb.as_str()) {
        return Err(suggest::unknown("command", &verb, VERBS));
    }
    if verb == "reload" {
        return Err("a rule cannot reload the rules".into());
    }
    template::check(&fields)?;
    Ok(Action { verb, fields })
}

fn json(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| format!("{number} is no number of 64 bits"))?,
        DeValue::Float(number) => {
            let parsed: Option<f64> = number.as_str().replace('_', "").parse().ok();
            parsed
                .and_then(serde_json::Number::from_f64)
                .map(Value::Number)
                .ok_or_else(|| format!("{} is no number of JSON", number.as_str()))?
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(_) => return Err("a date must be written as a text".into()),
        DeValue::Array(list) => list
            .iter()
            .map(|item| json(item.get_ref()))
            .collect::<Result<_, _>>()?,
        DeValue::Table(table) => {
            let fields: Result<Map<String, Value>, String> = table
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect();
            Value::Object(fields?)
        }
    })
}
