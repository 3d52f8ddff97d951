//! The contract as an AsyncAPI 3 document: every topic with its JSON Schema, made from the types
//! that are read and written.

use serde_json::{Map, Value, json};

use super::catalogue::{self, Described};
use super::payload_schema::{self, written_by};
use crate::config::device::{GROUP_VERBS, VERBS};
use crate::engine::command::ErrorCode;
use crate::engine::event::EventKind;
use crate::engine::setting_command::PARTS;
use crate::engine::state::DeviceState;

/// Everything there is.
pub fn document() -> Value {
    let mut contract = Contract::default();
    contract.states();
    contract.events();
    contract.orders();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "cubelet",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a device and those who watch and command it say to each other \
                            over MQTT. The rules in words: docs/reference/mqtt.md.",
        },
        "defaultContentType": "application/json",
        "channels": contract.channels,
        "operations": contract.operations,
        "components": { "messages": { "reply": { "payload": answer() } } },
    })
}

/// The types of event there are, each with its schema.
pub fn events() -> Vec<(String, Value)> {
    let kinds = written_by::<EventKind>();
    let mut events = Vec::new();
    for kind in kinds["anyOf"].as_array().into_iter().flatten() {
        let mut schema = kind.clone();
        schema["properties"]["id"] = json!({
            "description": "24 hex digits; who hears an event twice knows it by this.",
            "type": "string",
        });
        schema["properties"]["ts"] = json!({
            "description": "When, Unix milliseconds.",
            "type": "integer",
            "minimum": 0,
        });
        if let Some(required) = schema["required"].as_array_mut() {
            required.extend([json!("id"), json!("ts")]);
        }
        // The documentation of each kind begins with its type.
        let text = kind["description"].as_str().unwrap_or_default();
        let name = text.split('`').nth(1).unwrap_or_default().to_owned();
        match name.strip_suffix("/<phase>") {
            None => {
                let text = text.split_once("`: ").map_or(text, |(_, words)| words);
                schema["description"] = text.into();
                events.push((name, schema));
            }
            Some(of) => {
                let mut phases = Vec::new();
                strings(&schema["properties"]["phase"], &mut phases);
                for phase in phases {
                    let mut schema = schema.clone();
                    if let Some(text) = meaning(&schema["properties"]["phase"], &phase) {
                        schema["description"] = text.into();
                    }
                    schema["properties"]["phase"] = json!({ "const": phase });
                    events.push((format!("{of}/{phase}"), schema));
                }
            }
        }
    }
    events
}

/// What a value of an enum means, as its documentation says.
pub(super) fn meaning(schema: &Value, value: &str) -> Option<String> {
    let one = &mut schema["oneOf"].as_array().into_iter().flatten();
    let found = one.find(|one| one["const"] == value)?;
    Some(found["description"].as_str()?.to_owned())
}

/// The strings a schema of a plain enum admits.
pub(super) fn strings(schema: &Value, found: &mut Vec<String>) {
    for one in schema["enum"].as_array().into_iter().flatten() {
        found.extend(one.as_str().map(str::to_owned));
    }
    found.extend(schema["const"].as_str().map(str::to_owned));
    for list in ["oneOf", "anyOf", "allOf"] {
        for one in schema[list].as_array().into_iter().flatten() {
            strings(one, found);
        }
    }
}

#[derive(Default)]
struct Contract {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Contract {
    fn channel(&mut self, key: &str, below_base: &str, message: Value) {
        let address = format!("{{base}}/{below_base}");
        let parameters: Map<String, Value> = PARAMETERS
            .iter()
            .filter(|(name, ..)| address.contains(&format!("{{{name}}}")))
            .map(|(name, description)| ((*name).to_owned(), json!({ "description": description })))
            .collect();
        let channel = json!({
            "address": address,
            "parameters": parameters,
            "messages": { "message": message },
        });
        self.channels.insert(key.to_owned(), channel);
    }

    fn operation(&mut self, key: &str, action: &str, retain: bool, reply: Option<&str>) {
        let mut operation = json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{key}") },
            "bindings": { "mqtt": { "qos": 1, "retain": retain, "bindingVersion": "0.2.0" } },
        });
        if let Some(reply) = reply {
            operation["reply"] = json!({
                "address": {
                    "description": "The response topic of MQTT 5, if there is one; else the \
                                    channel below.",
                    "location": "$message.header#/responseTopic",
                },
                "channel": { "$ref": format!("#/channels/{reply}") },
            });
        }
        self.operations.insert(key.to_owned(), operation);
    }

    fn states(&mut self) {
        let text = json!({ "type": "string", "enum": ["online", "offline"] });
        let message = json!({ "contentType": "text/plain", "payload": text });
        self.channel("availability", "{device}/availability", message);
        self.operation("availability", "send", true, None);
        let whole = written_by::<DeviceState>();
        for (part, schema) in whole["properties"].as_object().into_iter().flatten() {
            let key = format!("{part}.state");
            let address = format!("{{device}}/{part}/state");
            self.channel(&key, &address, json!({ "payload": schema }));
            self.operation(&key, "send", true, None);
        }
        self.channel("state", "{device}/state", json!({ "payload": whole }));
        self.operation("state", "send", true, None);
        let picture = json!({ "contentType": "image/jpeg", "payload": {} });
        self.channel("snapshot", "{device}/camera/main/snapshot", picture);
        self.operation("snapshot", "send", false, None);
    }

    fn events(&mut self) {
        for (name, schema) in events() {
            let key = format!("event.{}", name.replace('/', "."));
            let address = format!("{{device}}/event/{name}");
            self.channel(&key, &address, json!({ "payload": schema }));
            self.operation(&key, "send", false, None);
        }
    }

    fn orders(&mut self) {
        for verb in VERBS {
            let Some(schema) = payload_schema::command(verb) else {
                continue;
            };
            let words = catalogue::described(verb);
            let message = json!({
                "description": words.map(Described::words),
                "payload": schema,
            });
            let reply = match words.map(|words| words.reply) {
                None | Some("") => "Nothing beside `id` and `ok`.".to_owned(),
                Some(reply) => format!("Beside `id` and `ok`: {reply}."),
            };
            let key = format!("cmd.{verb}");
            self.order(&key, &format!("{{device}}/cmd/{verb}"), &message, &reply);
            let named = format!("{{device}}/from/{{requester}}/cmd/{verb}");
            let same = refer(&key);
            self.order(&format!("from.{key}"), &named, &same, &reply);
            if GROUP_VERBS.contains(verb) {
                let reply = format!("{key}.reply");
                for (audience, address) in [
                    ("all", format!("all/cmd/{verb}")),
                    ("group", format!("group/{{group}}/cmd/{verb}")),
                ] {
                    let key = format!("{audience}.{key}");
                    self.channel(&key, &address, same.clone());
                    self.operation(&key, "receive", false, Some(&reply));
                }
            }
        }
        for part in PARTS {
            let Some(schema) = payload_schema::part(part) else {
                continue;
            };
            let message = json!({ "description": schema["description"], "payload": schema });
            let reply = format!("Beside `id` and `ok`: `{part}`, the resulting state.");
            let key = format!("{part}.set");
            self.order(&key, &format!("{{device}}/{part}/set"), &message, &reply);
            let named = format!("{{device}}/from/{{requester}}/{part}/set");
            self.order(&format!("from.{key}"), &named, &refer(&key), &reply);
        }
    }

    fn order(&mut self, key: &str, address: &str, message: &Value, details: &str) {
        let reply = format!("{key}.reply");
        self.channel(key, address, message.clone());
        let answer = json!({ "$ref": "#/components/messages/reply" });
        self.channel(&reply, &format!("{address}/reply"), answer);
        self.channels[&reply]["description"] = details.into();
        self.operation(key, "receive", false, Some(&reply));
    }
}

/// The message of another channel.
fn refer(channel: &str) -> Value {
    json!({ "$ref": format!("#/channels/{channel}/messages/message") })
}

const PARAMETERS: &[(&str, &str)] = &[
    ("base", "`[mqtt] base`, by default `cubelet`."),
    ("device", "`[device] name`."),
    (
        "requester",
        "Who orders; the broker's access list guards it.",
    ),
    ("group", "One of `[device] groups`."),
];

fn answer() -> Value {
    let mut codes = Vec::new();
    strings(&written_by::<ErrorCode>(), &mut codes);
    json!({
        "type": "object",
        "required": ["id", "ok"],
        "properties": {
            "id": { "description": "As in the order; null if it had none." },
            "ok": { "type": "boolean" },
            "device": {
                "description": "Which device answers, if several were asked.",
                "type": "string",
            },
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": { "enum": codes },
                    "message": { "type": "string" },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_events_are_those_the_code_names() {
        let source = include_str!("../engine/event/topic.rs");
        let topics = source.split_once("fn topic(&self)").unwrap().1;
        let in_code: BTreeSet<&str> = topics.split('"').skip(1).step_by(2).collect();
        let events = events();
        let in_document: BTreeSet<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(in_document, in_code);
    }

    #[test]
    fn every_order_names_the_channel_of_its_reply() {
        let document = document();
        let operations = document["operations"].as_object().unwrap();
        for (name, operation) in operations {
            for pointer in ["/channel/$ref", "/reply/channel/$ref"] {
                if let Some(channel) = operation.pointer(pointer) {
                    let key = channel.as_str().unwrap().trim_start_matches("#/channels/");
                    assert!(document["channels"][key].is_object(), "{name}: {key}");
                }
            }
            let is_order = operation["action"] == "receive";
            assert_eq!(operation["reply"].is_object(), is_order, "{name}");
        }
    }
}
