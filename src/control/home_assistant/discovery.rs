//! When the announcement is sent, sent again and taken back.
//!
//! The device subscribes to its own announcement: so it knows what the broker has, sends only what
//! differs, and takes back what an earlier configuration left there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::announcement::{announcement, device_id, device_topic};
use super::camera_controls::{self, Announced};
use crate::config::DiscoveryForm;
use crate::control::ControlSettings;
use crate::control::intake::Arrival;
use crate::control::message::Message;
use crate::engine::state::DeviceState;

/// How long the broker's retained messages may take to arrive after the subscription, and our own
/// after they are sent.
const SETTLE: Duration = Duration::from_millis(500);
/// Many devices hear Home Assistant start at once; each waits for its own share of this.
pub(super) const JITTER_MAX_MS: u64 = 5_000;
/// Announcements remembered, of an earlier configuration or somebody's invention.
const SEEN_MAX: usize = 128;

/// What is to be done about the announcement, and when.
#[derive(Debug)]
pub(in crate::control) struct Discovery {
    settings: ControlSettings,
    jitter: Duration,
    /// What the broker has, as far as it was heard.
    seen: BTreeMap<String, Bytes>,
    /// What of the camera was announced last on this connection.
    camera: Option<Announced>,
    due: Option<Due>,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    /// Home Assistant is new and is told everything, also what the broker has already.
    is_birth: bool,
}

impl Discovery {
    /// `random` decides how long this device waits when Home Assistant starts.
    pub(in crate::control) fn new(settings: ControlSettings, random: u64) -> Self {
        Self {
            settings,
            jitter: Duration::from_millis(random % JITTER_MAX_MS),
            seen: BTreeMap::new(),
            camera: None,
            due: None,
        }
    }

    /// What to subscribe to.
    pub(in crate::control) fn filters(&self) -> Vec<String> {
        let assistant = &self.settings.mqtt.home_assistant;
        let components = format!(
            "{}/+/{}/+/config",
            assistant.prefix,
            device_id(&self.settings)
        );
        let mut filters = vec![device_topic(&self.settings), components];
        if assistant.enabled {
            filters.push(assistant.birth_topic.clone());
        }
        filters
    }

    /// The subscription stands.
    pub(in crate::control) fn subscribed(&mut self, now: Instant) {
        self.seen.clear();
        self.due = Some(Due {
            at: now + SETTLE,
            is_birth: false,
        });
    }

    /// The connection is gone.
    pub(in crate::control) fn disconnected(&mut self) {
        self.camera = None;
        self.due = None;
    }

    /// The state is another one: another camera, or one that came back with other controls, is
    /// announced anew.
    pub(in crate::control) fn changed(&mut self, now: Instant, state: &DeviceState) {
        let is_outdated = |camera: &Announced| camera.is_outdated_by(state);
        if self.due.is_none() && self.camera.as_ref().is_some_and(is_outdated) {
            self.due = Some(Due {
                at: now + SETTLE,
                is_birth: false,
            });
        }
    }

    /// Takes a message that is about discovery; says whether it was.
    pub(in crate::control) fn arrive(&mut self, now: Instant, arrival: &Arrival) -> bool {
        let assistant = &self.settings.mqtt.home_assistant;
        if assistant.enabled && arrival.topic == assistant.birth_topic {
            // A retained one is of a start long ago, and what is retained by us is known to it.
            if arrival.payload == "online" && !arrival.retained {
                self.due = Some(Due {
                    at: now + self.jitter,
                    is_birth: true,
                });
            }
            return true;
        }
        if !self.is_announcement(&arrival.topic) {
            return false;
        }
        if arrival.payload.is_empty() {
            self.seen.remove(&arrival.topic);
        } else if self.seen.len() < SEEN_MAX || self.seen.contains_key(&arrival.topic) {
            self.seen
                .insert(arrival.topic.clone(), arrival.payload.clone());
        }
        true
    }

    fn is_announcement(&self, topic: &str) -> bool {
        let prefix = &self.settings.mqtt.home_assistant.prefix;
        let below = topic
            .strip_prefix(prefix.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        let Some(below) = below else { return false };
        let id = device_id(&self.settings);
        match below.split('/').collect::<Vec<_>>().as_slice() {
            ["device", device, "config"] => *device == id,
            [_, device, _, "config"] => *device == id,
            _ => false,
        }
    }

    /// When [`Discovery::take`] has something to do.
    pub(in crate::control) fn due(&self) -> Option<Instant> {
        self.due.map(|due| due.at)
    }

    /// What is to be published, in this order, now that it is due.
    pub(in crate::control) fn take(&mut self, state: &DeviceState) -> Vec<Message> {
        let is_birth = self.due.take().is_some_and(|due| due.is_birth);
        let wanted = if self.settings.mqtt.home_assistant.enabled {
            self.camera = Some(Announced::of(state));
            let mut wanted = announcement(&self.settings, state);
            self.keep_what_is_not_known_yet(&mut wanted, state);
            wanted
        } else {
            BTreeMap::new()
        };
        let mut messages = Vec::new();
        // First what goes: the same entity must not be there twice in the two forms.
        let gone = self
            .seen
            .keys()
            .filter(|topic| !wanted.contains_key(*topic));
        for topic in gone {
            messages.push(Message::announcement(topic.clone(), Bytes::new()));
        }
        for (topic, payload) in wanted {
            let text = Bytes::from(payload.to_string());
            let before = self.seen.get(&topic);
            if before == Some(&text) && !is_birth {
                continue;
            }
            if let Some(farewell) = before.and_then(|before| farewell(before, &payload)) {
                messages.push(Message::announcement(topic.clone(), farewell.into()));
            }
            messages.push(Message::announcement(topic, text));
        }
        messages
    }

    /// Takes over from what the broker has what this device cannot tell yet: an entity taken away
    /// at each start would lose in Home Assistant what people made of it.
    fn keep_what_is_not_known_yet(
        &self,
        wanted: &mut BTreeMap<String, Value>,
        state: &DeviceState,
    ) {
        let is_kept = |key: &str| camera_controls::is_to_be_kept(key, &self.settings, state);
        for (topic, before) in &self.seen {
            if let Some(components) = wanted.get_mut(topic).and_then(|one| one.get_mut("cmps")) {
                let earlier = components_of(before).into_iter().flatten();
                for (key, one) in earlier.filter(|(key, _)| is_kept(key)) {
                    components[key] = one;
                }
            } else if self.settings.mqtt.home_assistant.form == DiscoveryForm::Components
                && let Some(key) = topic.rsplit('/').nth(1)
                && is_kept(key)
                && let Ok(payload) = serde_json::from_slice(before)
            {
                wanted.insert(topic.clone(), payload);
            }
        }
    }
}

/// What an announcement tells about components by their keys.
fn components_of(announcement: &[u8]) -> Option<Map<String, Value>> {
    let mut announcement: Value = serde_json::from_slice(announcement).ok()?;
    match announcement.get_mut("cmps")?.take() {
        Value::Object(components) => Some(components),
        _ => None,
    }
}

/// Home Assistant keeps a component that is merely left out of a new announcement: it has to be
/// named without anything but its platform once. One that is now of another platform goes before it
/// comes again.
fn farewell(before: &[u8], now: &Value) -> Option<String> {
    let kept = now.get("cmps")?.as_object()?;
    let gone: Map<String, Value> = components_of(before)?
        .into_iter()
        .filter(|(key, one)| kept.get(key).and_then(|kept| kept.get("p")) != one.get("p"))
        .filter_map(|(key, one)| Some((key, json!({ "p": one.get("p")?.as_str()? }))))
        .collect();
    if gone.is_empty() {
        return None;
    }
    let mut farewell = now.clone();
    farewell["cmps"].as_object_mut()?.extend(gone);
    Some(farewell.to_string())
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
