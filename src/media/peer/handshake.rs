//! Repeats our last messages of the DTLS handshake while they may be lost.
//!
//! The library repeats a flight after a second, for as long as its own part of the handshake
//! lasts; one message lost on a bad network costs every call that second, and a lost last message
//! costs the call. Browsers begin after 50 ms (RFC 6347 §4.2.4.1 allows any value where the
//! application knows better). What has arrived before is thrown away by its number
//! (RFC 6347 §4.1.2.6), so the very same datagrams can go out again.
//!
//! Sans-IO: [`super::datagrams`] sends what is due.

use std::time::{Duration, Instant};

use super::content::Content;

/// From the last message of a flight to its repetitions, one after the other; from then on the
/// library's own, which begin with the second.
const REPEATED_AFTER: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(350),
    Duration::from_millis(700),
];
/// Messages of a flight: a certificate chain in pieces, and the rest in one or two.
const MOST_MESSAGES: usize = 12;

/// Our last flight. `T` says where to.
#[derive(Debug)]
pub(super) struct Flight<T> {
    messages: Vec<(T, Vec<u8>)>,
    sent: Option<Instant>,
    repeated: usize,
    is_answered: bool,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            sent: None,
            repeated: 0,
            is_answered: false,
        }
    }
}

impl<T> Flight<T> {
    /// A message of ours goes out.
    pub(super) fn sent(&mut self, now: Instant, to: T, datagram: &[u8]) {
        let since = self.sent.map(|sent| now.saturating_duration_since(sent));
        if std::mem::take(&mut self.is_answered) || since.is_none_or(|it| it >= REPEATED_AFTER[1]) {
            self.messages.clear();
        }
        if self.messages.len() < MOST_MESSAGES {
            self.messages.push((to, datagram.to_vec()));
        }
        self.sent = Some(now);
        self.repeated = 0;
    }

    /// What came in. A handshake message is no proof that our last one arrived, but what we send
    /// next is a new flight.
    pub(super) fn received(&mut self, content: Content) {
        match content {
            Content::Handshake => self.is_answered = true,
            Content::Media => *self = Self::default(),
            Content::Dtls | Content::Other => {}
        }
    }

    /// When to send it once more; none when it has arrived or the library takes over.
    pub(super) fn due(&self) -> Option<Instant> {
        let after = REPEATED_AFTER.get(self.repeated)?;
        self.sent.map(|sent| sent + *after)
    }

    /// All of it, to be sent once more, if it is due.
    pub(super) fn repeat(&mut self, now: Instant) -> &[(T, Vec<u8>)] {
        if self.due().is_none_or(|due| due > now) {
            return &[];
        }
        self.repeated += 1;
        &self.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_flight_is_repeated_ever_more_slowly_until_the_library_does_it() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.sent(start, 'a', b"hello");
        assert!(flight.repeat(start + 49 * MS).is_empty());
        let mut at = Vec::new();
        while let Some(due) = flight.due() {
            assert_eq!(flight.repeat(due), [('a', b"hello".to_vec())]);
            at.push((due - start).as_millis());
        }
        assert_eq!(at, [50, 150, 350, 700]);
    }

    #[test]
    fn what_is_sent_after_an_answer_is_a_flight_of_its_own() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.sent(start, 'a', b"hello");
        flight.received(Content::Handshake);
        assert!(flight.due().is_some(), "it may have been an old one");
        for message in [b"certificate", b"finished 12"] {
            flight.sent(start + 10 * MS, 'a', message);
        }
        let again = flight.repeat(start + 60 * MS);
        assert!(
            again
                .iter()
                .map(|(_, it)| &it[..])
                .eq([&b"certificate"[..], b"finished 12"])
        );
    }

    #[test]
    fn the_librarys_own_repetition_takes_the_place_of_the_first() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.sent(start, 'a', b"hello 1");
        flight.sent(start + 1_000 * MS, 'a', b"hello 2");
        assert_eq!(
            flight.repeat(start + 1_050 * MS),
            [('a', b"hello 2".to_vec())]
        );
    }

    #[test]
    fn media_end_it() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.sent(start, 'a', b"finished");
        flight.received(Content::Other);
        assert!(flight.due().is_some());
        flight.received(Content::Media);
        assert_eq!(flight.due(), None);
    }
}
