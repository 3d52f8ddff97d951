//! XEP-0198 counters, sans-IO: which of our stanzas the peer has acknowledged, how many of the
//! peer's we have handled. Used by the device; the hub counts the same way.

use std::collections::VecDeque;

use minidom::Element;

use super::ns;
use super::xml::SetAttribute;

/// Whether an element counts: only the three stanza kinds do (XEP-0198 §4).
pub fn counts(element: &Element) -> bool {
    matches!(element.name(), "message" | "presence" | "iq") && element.ns() == ns::CLIENT
}

/// Our sending side. `T` is what the caller wants back when a stanza is acknowledged; stanzas
/// nobody cares for are counted with `None`.
#[derive(Debug)]
pub struct Outbound<T> {
    acknowledged: u32,
    unacknowledged: VecDeque<Option<T>>,
}

/// The peer acknowledged more stanzas than were sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the peer acknowledged {claimed} stanzas, only {sent} are unacknowledged")]
pub struct AckError {
    /// How many the peer claims beyond the last acknowledgement.
    pub claimed: u32,
    /// How many were outstanding.
    pub sent: usize,
}

impl<T> Default for Outbound<T> {
    fn default() -> Self {
        Self {
            acknowledged: 0,
            unacknowledged: VecDeque::new(),
        }
    }
}

impl<T> Outbound<T> {
    /// Notes one sent stanza.
    pub fn sent(&mut self, tag: Option<T>) {
        self.unacknowledged.push_back(tag);
    }

    /// How many stanzas await acknowledgement.
    pub fn outstanding(&self) -> usize {
        self.unacknowledged.len()
    }

    /// Takes the peer's `h` (modulo 2³²) and returns the tags it acknowledges, oldest first.
    ///
    /// # Errors
    /// [`AckError`] when the peer claims stanzas that were never sent.
    pub fn acknowledge(&mut self, handled: u32) -> Result<Vec<T>, AckError> {
        let claimed = handled.wrapping_sub(self.acknowledged);
        if claimed as usize > self.unacknowledged.len() {
            return Err(AckError {
                claimed,
                sent: self.unacknowledged.len(),
            });
        }
        self.acknowledged = handled;
        Ok(self
            .unacknowledged
            .drain(..claimed as usize)
            .flatten()
            .collect())
    }

    /// Every tag still unacknowledged, oldest first, when the stream is gone for good.
    pub fn into_unacknowledged(self) -> Vec<T> {
        self.unacknowledged.into_iter().flatten().collect()
    }
}

/// `<r/>`: asks the peer for its count.
pub fn request() -> Element {
    Element::bare("r", ns::SM)
}

/// `<a h='…'/>`: tells the peer our count.
pub fn answer(handled: u32) -> Element {
    Element::builder("a", ns::SM)
        .with("h", handled.to_string())
        .build()
}

/// The `h` of an `<a/>`, if it is one.
pub fn handled_of(element: &Element) -> Option<u32> {
    element
        .is("a", ns::SM)
        .then(|| element.attr("h")?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_return_tags_in_order_and_skip_untagged_stanzas() {
        let mut outbound = Outbound::default();
        for tag in [Some(1), None, Some(2), Some(3)] {
            outbound.sent(tag);
        }
        assert_eq!(outbound.acknowledge(3), Ok(vec![1, 2]));
        assert_eq!(outbound.acknowledge(3), Ok(vec![]));
        assert_eq!(outbound.into_unacknowledged(), vec![3]);
    }

    #[test]
    fn a_claim_beyond_what_was_sent_is_an_error_and_changes_nothing() {
        let mut outbound = Outbound::default();
        outbound.sent(Some(1));
        assert_eq!(
            outbound.acknowledge(2),
            Err(AckError {
                claimed: 2,
                sent: 1
            })
        );
        assert_eq!(outbound.acknowledge(1), Ok(vec![1]));
    }

    #[test]
    fn the_count_wraps_at_two_to_the_thirty_second() {
        let mut outbound = Outbound {
            acknowledged: u32::MAX,
            unacknowledged: VecDeque::new(),
        };
        outbound.sent(Some(1));
        assert_eq!(outbound.acknowledge(0), Ok(vec![1]));
    }

    #[test]
    fn an_answer_is_read_back() {
        assert_eq!(handled_of(&answer(7)), Some(7));
        assert_eq!(handled_of(&request()), None);
    }
}
