//! Between the rules and the connection to the broker, which come and go independently.

use bytes::Bytes;
use tokio::sync::{broadcast, watch};

use super::intake::Arrival;
use crate::call::rule::topic;

/// Messages of others that may wait for the rules.
const BACKLOG: usize = 256;
/// Pictures that may wait for the connection.
const PICTURES: usize = 4;

/// Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub struct Exchange {
    filters: watch::Sender<Vec<String>>,
    heard: broadcast::Sender<Arrival>,
    pictures: broadcast::Sender<Bytes>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            filters: watch::Sender::default(),
            heard: broadcast::Sender::new(BACKLOG),
            pictures: broadcast::Sender::new(PICTURES),
        }
    }
}

impl Exchange {
    /// The rules wait for messages on these topics.
    pub(super) fn want(&self, filters: Vec<String>) {
        self.filters.send_if_modified(|now| {
            let differs = *now != filters;
            *now = filters;
            differs
        });
    }

    /// Which topics are waited for, now and as it changes.
    pub(super) fn wanted(&self) -> watch::Receiver<Vec<String>> {
        self.filters.subscribe()
    }

    /// Tells the rules of a message, if they wait for it.
    pub(super) fn arrive(&self, arrival: &Arrival) -> bool {
        let filters = self.filters.borrow();
        let is_wanted = filters
            .iter()
            .any(|filter| topic::matches(filter, &arrival.topic));
        if is_wanted {
            // An error means that there are no rules at this moment.
            let _ = self.heard.send(arrival.clone());
        }
        is_wanted
    }

    /// The messages the rules wait for.
    pub(super) fn heard(&self) -> broadcast::Receiver<Arrival> {
        self.heard.subscribe()
    }

    /// A picture a rule has had taken is published.
    pub(super) fn show(&self, picture: Bytes) {
        // An error means that there is no broker.
        let _ = self.pictures.send(picture);
    }

    /// The pictures to publish.
    pub(super) fn pictures(&self) -> broadcast::Receiver<Bytes> {
        self.pictures.subscribe()
    }
}
