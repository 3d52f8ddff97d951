//! What the device publishes, by kind: how it waits, whether the broker keeps it, how long it is
//! worth delivering.

use bytes::Bytes;
use serde_json::Value;

use super::intake::Answer;

/// How long the broker keeps an event for a subscriber that is away, seconds. A bell should not
/// ring hours late.
const EVENT_EXPIRY_S: u32 = 3_600;
/// How long the broker keeps a reply or a picture for a requester that is away, seconds.
const REPLY_EXPIRY_S: u32 = 60;

/// How a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Only the newest of its topic matters.
    Latest,
    /// The answer to a command.
    Reply,
    /// Each one counts.
    Event,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Json,
    Jpeg,
    Text,
}

/// A message to publish with QoS 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) class: Class,
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) content: Content,
    pub(super) retain: bool,
    pub(super) expiry_s: Option<u32>,
    pub(super) correlation: Option<Bytes>,
}

impl Message {
    /// Kept by the broker for whoever comes later.
    fn retained(topic: String, payload: Bytes, content: Content) -> Self {
        Self {
            class: Class::Latest,
            topic,
            payload,
            content,
            retain: true,
            expiry_s: None,
            correlation: None,
        }
    }

    pub(super) fn availability(topic: String, text: &'static str) -> Self {
        Self::retained(topic, Bytes::from_static(text.as_bytes()), Content::Text)
    }

    /// For Home Assistant. The order counts, so that none takes another's place.
    pub(super) fn announcement(topic: String, payload: Bytes) -> Self {
        Self {
            class: Class::Event,
            ..Self::retained(topic, payload, Content::Json)
        }
    }

    pub(super) fn state(topic: String, value: &Value) -> Self {
        Self::retained(topic, value.to_string().into(), Content::Json)
    }

    pub(super) fn event(topic: String, payload: Vec<u8>) -> Self {
        Self {
            class: Class::Event,
            topic,
            payload: payload.into(),
            content: Content::Json,
            retain: false,
            expiry_s: Some(EVENT_EXPIRY_S),
            correlation: None,
        }
    }

    pub(super) fn reply(answer: &Answer) -> Self {
        Self {
            class: Class::Reply,
            topic: answer.to.topic.clone(),
            payload: answer.body.to_string().into(),
            content: Content::Json,
            retain: false,
            expiry_s: Some(REPLY_EXPIRY_S),
            correlation: answer.to.correlation.clone(),
        }
    }

    /// Not retained: a picture of whoever stands at the door is for those who are looking, and
    /// should not stay on the broker.
    pub(super) fn snapshot(topic: String, picture: Bytes) -> Self {
        Self {
            class: Class::Latest,
            topic,
            payload: picture,
            content: Content::Jpeg,
            retain: false,
            expiry_s: Some(REPLY_EXPIRY_S),
            correlation: None,
        }
    }

    /// An upper bound of its size as an MQTT packet, in bytes.
    pub(super) fn packet_size(&self) -> usize {
        let correlation = self.correlation.as_ref().map_or(0, Bytes::len);
        self.payload.len() + self.topic.len() + correlation + 64
    }
}
