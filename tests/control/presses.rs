//! Many things a device tells while its broker is away, each to arrive.

use std::collections::BTreeMap;

use cubelet::engine::event::{Event, EventKind};

use crate::broker::{Broker, Gate, Seen};
use crate::device::{Device, settings};

/// So many presses of buttons.
pub fn presses(count: usize) -> Vec<Event> {
    let pressed = |n: usize| {
        Event::now(EventKind::ButtonPressed {
            button: n.to_string(),
        })
    };
    (0..count).map(pressed).collect()
}

/// A device behind a gate whose broker has just gone.
pub async fn device_without_a_broker(broker: &mut Broker) -> (Gate, Device) {
    let gate = Gate::to(broker).await;
    let mut settings = settings(broker);
    settings.mqtt.port = gate.port;
    let mut device = Device::start(settings);
    device.online().await;
    broker.kill().await;
    device.offline().await;
    (gate, device)
}

/// Tells one, and counts it in the state.
pub fn tell(device: &Device, event: &Event) {
    device.events.send(event.clone()).unwrap();
    device.state.send_modify(|state| state.chat.outbox += 1);
}

/// How often each was heard, by its id.
#[derive(Debug, Default)]
pub struct Heard(pub BTreeMap<String, usize>);

impl Heard {
    /// Counts a message if it is a press.
    pub fn count(&mut self, seen: &Seen) {
        if seen.topic == "cubelet/door/event/button/pressed" {
            let id = seen.json()["id"].as_str().unwrap().to_owned();
            *self.0.entry(id).or_default() += 1;
        }
    }

    /// Those of them that were not.
    pub fn missed(&self, events: &[Event]) -> usize {
        let missed = |event: &&Event| !self.0.contains_key(&event.id);
        events.iter().filter(missed).count()
    }
}
