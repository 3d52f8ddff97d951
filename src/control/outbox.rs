//! What waits for the broker and what the broker has not yet acknowledged.
//!
//! We keep unacknowledged messages ourselves instead of relying on the MQTT client, which drops
//! what it holds when a restarted broker has forgotten the session.

use std::collections::VecDeque;

use super::message::{Class, Message};

/// The most events waiting; beyond it the oldest is dropped.
pub(super) const EVENTS_MAX: usize = 1_000;
/// The most replies waiting; beyond it the oldest is dropped.
pub(super) const REPLIES_MAX: usize = 1_000;
/// The most messages unacknowledged at once.
pub(super) const WINDOW_MAX: usize = 64;

#[derive(Debug)]
struct InFlight {
    /// Known once the client has given it a packet id.
    packet: Option<u16>,
    /// None once acknowledged.
    message: Option<Message>,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Outbox {
    latest: VecDeque<Message>,
    replies: VecDeque<Message>,
    events: VecDeque<Message>,
    in_flight: VecDeque<InFlight>,
    window: usize,
    /// The window was full, and is not half empty yet.
    is_congested: bool,
    packet_max: usize,
    dropped: u64,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            latest: VecDeque::new(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
            in_flight: VecDeque::new(),
            window: WINDOW_MAX,
            is_congested: false,
            packet_max: usize::MAX,
            dropped: 0,
        }
    }

    /// A new connection with its limits: how many unacknowledged messages the broker takes, and
    /// how large a packet may be.
    pub(super) fn connected(&mut self, receive_max: Option<u16>, packet_max: Option<u32>) {
        self.disconnected();
        // One less than the broker takes: the subscription uses up a packet id, and the client
        // reuses ids as soon as it has counted up to the limit.
        self.window = receive_max.map_or(WINDOW_MAX, |most| {
            usize::from(most).saturating_sub(1).clamp(1, WINDOW_MAX)
        });
        self.packet_max = packet_max.map_or(usize::MAX, |most| most as usize);
    }

    /// The largest packet the broker takes, in bytes.
    pub(super) fn packet_max(&self) -> usize {
        self.packet_max
    }

    /// Puts a message into its queue.
    pub(super) fn push(&mut self, message: Message) {
        match message.class {
            Class::Latest => match self.latest.iter_mut().find(|m| m.topic == message.topic) {
                Some(older) => *older = message,
                None => self.latest.push_back(message),
            },
            Class::Reply => {
                self.replies.push_back(message);
                self.dropped += shed(&mut self.replies, REPLIES_MAX);
            }
            Class::Event => {
                self.events.push_back(message);
                self.dropped += shed(&mut self.events, EVENTS_MAX);
            }
        }
    }

    /// The next message to hand to the client, if the window has room. The whole span from the
    /// oldest unacknowledged message counts, even where newer ones are acknowledged: so the
    /// client can never need a packet id that is still in use, a state it does not leave.
    ///
    /// A window that was full is left alone until it is half empty: else each acknowledgement would
    /// let one message through, in a packet of its own. Events get the first half of it only:
    /// nobody waits for them, but somebody does for a reply.
    pub(super) fn next(&mut self) -> Option<Message> {
        let out = self.in_flight.len();
        self.is_congested = out >= self.window || (self.is_congested && out > self.window / 2);
        if self.is_congested {
            return None;
        }
        let mut events = match out < self.window.div_ceil(2) {
            true => Some(&mut self.events),
            false => None,
        };
        loop {
            let message = self
                .latest
                .pop_front()
                .or_else(|| self.replies.pop_front())
                .or_else(|| events.as_mut()?.pop_front())?;
            if message.packet_size() > self.packet_max {
                // The client would close the connection over it, again and again.
                self.dropped += 1;
                tracing::warn!(
                    topic = message.topic,
                    bytes = message.payload.len(),
                    "larger than the broker takes; dropped"
                );
                continue;
            }
            self.in_flight.push_back(InFlight {
                packet: None,
                message: Some(message.clone()),
            });
            return Some(message);
        }
    }

    /// The client has given the oldest unnumbered message a packet id.
    pub(super) fn numbered(&mut self, packet: u16) {
        if let Some(waiting) = self.in_flight.iter_mut().find(|m| m.packet.is_none()) {
            waiting.packet = Some(packet);
        }
    }

    /// The broker has taken a message; it is returned, for refusals name the topic.
    pub(super) fn acknowledged(&mut self, packet: u16) -> Option<Message> {
        let message = self
            .in_flight
            .iter_mut()
            .find(|m| m.packet == Some(packet) && m.message.is_some())?
            .message
            .take();
        while self.in_flight.front().is_some_and(|m| m.message.is_none()) {
            self.in_flight.pop_front();
        }
        message
    }

    /// The connection is gone: what was not acknowledged goes back to the front, in order.
    pub(super) fn disconnected(&mut self) {
        self.is_congested = false;
        while let Some(in_flight) = self.in_flight.pop_back() {
            let Some(message) = in_flight.message else {
                continue;
            };
            match message.class {
                Class::Latest => {
                    if !self.latest.iter().any(|m| m.topic == message.topic) {
                        self.latest.push_front(message);
                    }
                }
                Class::Reply => self.replies.push_front(message),
                Class::Event => self.events.push_front(message),
            }
        }
        self.dropped += shed(&mut self.replies, REPLIES_MAX);
        self.dropped += shed(&mut self.events, EVENTS_MAX);
    }

    /// Whether nothing waits and everything is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.latest.is_empty()
            && self.replies.is_empty()
            && self.events.is_empty()
            && self.in_flight.is_empty()
    }

    /// How many messages were dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

fn shed(queue: &mut VecDeque<Message>, most: usize) -> u64 {
    let excess = queue.len().saturating_sub(most);
    queue.drain(..excess);
    excess as u64
}

#[cfg(test)]
mod tests;
