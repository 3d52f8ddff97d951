//! One bound resource: its queue, its counts, and the line that carries it.
//!
//! It lives as long as its session. Where the peer asked for resumption (XEP-0198 §5) that is
//! longer than a socket lives: the line changes, queue and counts stay.
//!
//! Invariant: putting something into the queue never waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use minidom::Element;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::in_flight::Push;
use super::receipts::Receipts;
use super::sending::{Queued, Sending};
use super::stanza::weight;
use crate::protocol::address::UserId;
use crate::protocol::ns;
use crate::protocol::stream_management::{AckError, Nonza, Ticket, answer};
use crate::protocol::xml::set_attribute;

/// Numbers connections in the order they were made.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Stanzas written to the socket in one go.
const WRITE_BATCH: usize = 32;

/// One bound connection.
pub struct Connection {
    /// Whose it is.
    pub user: UserId,
    /// Its resource.
    pub resource: String,
    /// Its full address.
    pub address: String,
    /// Its place in the order of connections.
    pub number: u64,
    /// Whether it asked for carbons.
    pub carbons: AtomicBool,
    /// Whether its user does not look at it (XEP-0352); then nobody's typing is told.
    pub is_inactive: AtomicBool,
    /// Whether it asked for push notifications although it is connected (B.9). Messages come to
    /// it all the same.
    pub wants_push: AtomicBool,
    available: AtomicBool,
    is_detached: AtomicBool,
    queue: Mutex<Queue>,
    max_stanzas: usize,
    max_bytes: usize,
    lag: AtomicU8,
    changed: Notify,
    receipts: Mutex<Receipts>,
    is_waiting_for_receipts: AtomicBool,
    sending: Mutex<Sending>,
    line: Arc<tokio::sync::Mutex<()>>,
    release: Mutex<CancellationToken>,
    keeper: Mutex<CancellationToken>,
    end: CancellationToken,
    end_condition: Mutex<&'static str>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Queued>,
    bytes: usize,
    is_closed: bool,
}

/// Up to date: messages go into the queue.
const LIVE: u8 = 0;
/// Messages wait in the store and can be read now.
const BEHIND: u8 = 1;
/// The next piece is being read.
const READING: u8 = 2;

/// The right to read from and write to a connection. Only one line has it at a time.
pub struct Line {
    /// Cancelled when the line has to let go: the session is resumed on another one.
    pub release: CancellationToken,
    _held: OwnedMutexGuard<()>,
}

impl Connection {
    /// A connection nothing was sent to yet.
    pub fn new(
        user: UserId,
        resource: String,
        address: String,
        max_stanzas: usize,
        max_bytes: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            user,
            resource,
            address,
            number: COUNT.fetch_add(1, Ordering::Relaxed),
            carbons: AtomicBool::new(false),
            is_inactive: AtomicBool::new(false),
            wants_push: AtomicBool::new(false),
            available: AtomicBool::new(false),
            is_detached: AtomicBool::new(false),
            queue: Mutex::default(),
            max_stanzas,
            max_bytes,
            lag: AtomicU8::new(LIVE),
            changed: Notify::new(),
            receipts: Mutex::default(),
            is_waiting_for_receipts: AtomicBool::new(false),
            sending: Mutex::default(),
            line: Arc::default(),
            release: Mutex::default(),
            keeper: Mutex::default(),
            end: CancellationToken::new(),
            end_condition: Mutex::new("undefined-condition"),
        })
    }

    /// Queues a stanza addressed to this connection. `false` means it was ended for being slow,
    /// or is gone.
    pub fn push(&self, element: Element) -> bool {
        let is_perishable = element.attr("type") == Some("headline")
            || element.has_child("composing", ns::CHAT_STATES)
            || element.has_child("paused", ns::CHAT_STATES);
        let queued = self.addressed(element, None, is_perishable);
        match self.put(queued, self.max_stanzas, self.max_bytes) {
            Push::Taken => true,
            Push::Gone => false,
            Push::Full => {
                if !self.end.is_cancelled() {
                    tracing::warn!(user = self.user, "a slow reader is disconnected");
                }
                self.end("policy-violation");
                false
            }
        }
    }

    /// Queues a message that must arrive. It leaves a quarter of the queue to what cannot wait
    /// in the store.
    pub fn push_message(&self, element: Element, seq: i64) -> Push {
        let queued = self.addressed(element, Some(seq), false);
        self.put(queued, self.message_room(), self.max_bytes / 4 * 3)
    }

    fn message_room(&self) -> usize {
        (self.max_stanzas / 4 * 3).max(1)
    }

    fn addressed(&self, mut element: Element, seq: Option<i64>, is_perishable: bool) -> Queued {
        if matches!(element.name(), "message" | "presence" | "iq") {
            set_attribute(&mut element, "to", Some(&self.address));
        }
        Queued {
            weight: weight(&element),
            element: Arc::new(element),
            seq,
            perishable_since: is_perishable.then(Instant::now),
        }
    }

    fn put(&self, queued: Queued, max_stanzas: usize, max_bytes: usize) -> Push {
        {
            let mut queue = self.queue.lock();
            if queue.is_closed || self.end.is_cancelled() {
                return Push::Gone;
            }
            let count = queue.waiting.len();
            if count > 0 && (count >= max_stanzas || queue.bytes + queued.weight > max_bytes) {
                return Push::Full;
            }
            queue.bytes += queued.weight;
            queue.waiting.push_back(queued);
        }
        self.changed.notify_one();
        Push::Taken
    }

    /// What is to be written next, oldest first; nothing if the queue is empty, or if too much
    /// that was written is not acknowledged.
    pub fn take_batch(&self) -> Vec<Queued> {
        self.take_batch_at(Instant::now())
    }

    fn take_batch_at(&self, now: Instant) -> Vec<Queued> {
        let mut batch = Vec::new();
        if self.is_stalled() {
            return batch;
        }
        let mut queue = self.queue.lock();
        while batch.len() < WRITE_BATCH
            && let Some(queued) = queue.waiting.pop_front()
        {
            queue.bytes -= queued.weight;
            if !queued.is_stale(now) {
                batch.push(queued);
            }
        }
        if queue.waiting.is_empty() && queue.waiting.capacity() > WRITE_BATCH {
            // An idle connection holds no memory for a busy hour.
            queue.waiting = VecDeque::new();
        }
        batch
    }

    /// Messages up to a place that the peer has not acknowledged, written or waiting, if the session
    /// can be resumed.
    pub fn unacknowledged(&self, last: i64) -> Vec<Arc<Element>> {
        let is_wanted = |queued: &&Queued| queued.seq.is_some_and(|seq| seq <= last);
        let element = |queued: &Queued| Arc::clone(&queued.element);
        let sending = self.sending.lock();
        let mut found: Vec<_> = sending.kept().filter(is_wanted).map(element).collect();
        drop(sending);
        let queue = self.queue.lock();
        found.extend(queue.waiting.iter().filter(is_wanted).map(element));
        found
    }

    /// Whether there is something to write.
    pub fn has_waiting(&self) -> bool {
        !self.is_stalled() && !self.queue.lock().waiting.is_empty()
    }

    fn is_stalled(&self) -> bool {
        self.sending.lock().outstanding() >= self.max_stanzas
    }

    /// Waits until something has changed about queue, lag or receipts; may return without.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes no more, and forgets what is queued. `false` if it had been closed before.
    pub fn close(&self) -> bool {
        let mut queue = self.queue.lock();
        queue.waiting = VecDeque::new();
        queue.bytes = 0;
        !std::mem::replace(&mut queue.is_closed, true)
    }

    /// Messages wait for it in the store.
    pub fn fall_behind(&self) {
        let was = self
            .lag
            .compare_exchange(LIVE, BEHIND, Ordering::AcqRel, Ordering::Acquire);
        if was.is_ok() {
            self.changed.notify_one();
        }
    }

    /// How many of the messages that wait in the store to read now: none unless it is behind and
    /// most of its queue is written. Whoever gets a number reads them.
    pub fn begin_reading(&self) -> usize {
        if self.lag.load(Ordering::Acquire) != BEHIND || self.is_stalled() {
            return 0;
        }
        let waiting = self.queue.lock().waiting.len();
        if waiting > self.max_stanzas / 4 {
            return 0;
        }
        self.lag.store(READING, Ordering::Release);
        (self.message_room() - waiting.min(self.message_room())).clamp(1, 64)
    }

    /// The piece has been read.
    pub fn end_reading(&self, is_behind: bool) {
        let lag = if is_behind { BEHIND } else { LIVE };
        self.lag.store(lag, Ordering::Release);
        self.changed.notify_one();
    }

    /// Whether messages wait for it in the store.
    pub fn is_behind(&self) -> bool {
        self.lag.load(Ordering::Acquire) != LIVE
    }

    /// Its sending side.
    pub fn sending(&self) -> parking_lot::MutexGuard<'_, Sending> {
        self.sending.lock()
    }

    /// A stanza has come in.
    pub fn accept(&self) -> Ticket {
        self.receipts.lock().accept()
    }

    /// A stanza has been dealt with.
    pub fn settle(&self, ticket: Ticket) {
        let mut receipts = self.receipts.lock();
        let due = receipts.settle(ticket);
        self.answer(due, receipts.handled());
        drop(receipts);
        if self.is_waiting_for_receipts.load(Ordering::Acquire) {
            self.changed.notify_one();
        }
    }

    /// The peer asks for our count. It is answered when everything before the question has been
    /// dealt with.
    pub fn ask(&self) {
        let mut receipts = self.receipts.lock();
        let due = receipts.ask();
        self.answer(due, receipts.handled());
    }

    fn answer(&self, times: usize, handled: u32) {
        for _ in 0..times {
            self.push(answer(handled));
        }
    }

    /// Our count begins.
    pub fn start_counting(&self) {
        *self.receipts.lock() = Receipts::default();
    }

    /// Our count.
    pub fn handled(&self) -> u32 {
        self.receipts.lock().handled()
    }

    /// Whether fewer than `limit` stanzas wait to be dealt with. If not, [`Connection::changed`]
    /// returns when one has been.
    pub fn has_fewer_open(&self, limit: usize) -> bool {
        self.is_waiting_for_receipts.store(true, Ordering::Release);
        let is_fewer = self.receipts.lock().outstanding() < limit;
        if is_fewer {
            self.is_waiting_for_receipts.store(false, Ordering::Release);
        }
        is_fewer
    }

    /// Waits until every stanza has been dealt with.
    pub async fn all_settled(&self) {
        while !self.has_fewer_open(1) {
            self.changed().await;
        }
    }

    /// Takes the line over from whoever has it, and waits until that one has let go. `None` when
    /// the session has ended.
    pub async fn attach(&self) -> Option<Line> {
        let release = CancellationToken::new();
        std::mem::replace(&mut *self.release.lock(), release.clone()).cancel();
        let held = Arc::clone(&self.line).lock_owned().await;
        (!self.end.is_cancelled()).then_some(Line {
            release,
            _held: held,
        })
    }

    /// Takes the line if nobody has it.
    pub fn try_attach(&self) -> Option<Line> {
        let held = Arc::clone(&self.line).try_lock_owned().ok()?;
        Some(Line {
            release: self.release.lock().clone(),
            _held: held,
        })
    }

    /// The line is in use: whoever keeps the session until it is resumed may go.
    pub fn attached(&self) {
        self.is_detached.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.keeper.lock()).cancel();
    }

    /// The line is lost and the session waits to be resumed. The token is cancelled when it is.
    pub fn detached(&self) -> CancellationToken {
        self.is_detached.store(true, Ordering::Relaxed);
        self.keeper.lock().clone()
    }

    /// Whether the session waits to be resumed.
    pub fn is_detached(&self) -> bool {
        self.is_detached.load(Ordering::Relaxed)
    }

    /// Goes on after `<resume/>` on a new line: `<resumed/>`, then what the peer has not got, then
    /// the queue. Returns the places of messages that have arrived.
    ///
    /// # Errors
    /// [`AckError`]; nothing has changed then.
    pub fn resume(&self, previous: String, handled: u32) -> Result<Vec<i64>, AckError> {
        let (arrived, again) = self.sending.lock().resume(handled)?;
        let ours = {
            let mut receipts = self.receipts.lock();
            receipts.lose();
            receipts.handled()
        };
        let resumed = Nonza::Resumed {
            previous,
            handled: ours,
        };
        let resumed = self.addressed(resumed.to_element(), None, false);
        let mut queue = self.queue.lock();
        // Questions and answers of the old line mean nothing on the new one.
        queue.waiting.retain(|queued| queued.element.ns() != ns::SM);
        for queued in again.into_iter().rev() {
            queue.waiting.push_front(queued);
        }
        queue.waiting.push_front(resumed);
        queue.bytes = queue.waiting.iter().map(|queued| queued.weight).sum();
        drop(queue);
        self.changed.notify_one();
        Ok(arrived)
    }

    /// Ends the connection with an RFC 6120 §4.9.3 stream error condition.
    pub fn end(&self, condition: &'static str) {
        if !self.end.is_cancelled() {
            *self.end_condition.lock() = condition;
            self.end.cancel();
        }
    }

    /// Whether it has been ended.
    pub fn is_ended(&self) -> bool {
        self.end.is_cancelled()
    }

    /// Waits until somebody ends the connection, and says why.
    pub async fn ended(&self) -> &'static str {
        self.end.cancelled().await;
        *self.end_condition.lock()
    }

    /// Whether it sent its presence, and so takes messages.
    pub fn is_available(&self) -> bool {
        self.available.load(Ordering::Relaxed)
    }

    /// Notes whether it takes messages, and returns whether it did. For the router, which knows
    /// who else of the user does.
    pub(super) fn set_available(&self, available: bool) -> bool {
        self.available.swap(available, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn connection() -> Arc<Connection> {
        let address = "7-1@chat/phone".to_owned();
        Connection::new(7, "phone".to_owned(), address, 100, 100_000)
    }

    fn signal() -> Element {
        let params = "<extraParams><moduleIdentifier>WebRTCVideoChat</moduleIdentifier>\
                      <signalType>call</signalType></extraParams>";
        let call =
            format!("<message xmlns='jabber:client' type='headline' id='call'>{params}</message>");
        call.parse().unwrap()
    }

    fn message(id: &str) -> Element {
        format!("<message xmlns='jabber:client' type='chat' id='{id}'><body>x</body></message>")
            .parse()
            .unwrap()
    }

    /// Cut off, and resumed by a peer that has got nothing: what is written `after` so long.
    fn resumed(connection: &Connection, after: Duration) -> Vec<String> {
        connection.resume("name".to_owned(), 0).unwrap();
        let batch = connection.take_batch_at(Instant::now() + after);
        connection.sending().note(&batch);
        let ids = batch.iter().filter_map(|queued| queued.element.attr("id"));
        ids.map(str::to_owned).collect()
    }

    fn resumable() -> Arc<Connection> {
        let connection = connection();
        connection.sending().enable(true);
        connection.push(Element::bare("enabled", ns::SM));
        let batch = connection.take_batch();
        connection.sending().note(&batch);
        connection
    }

    #[test]
    fn a_call_kept_for_a_lost_line_does_not_ring_later_than_ten_seconds() {
        for (seconds, expected) in [(9, &["m1", "call", "m2"][..]), (11, &["m1", "m2"])] {
            let connection = resumable();
            connection.push_message(message("m1"), 1);
            connection.push(signal());
            connection.push_message(message("m2"), 2);
            assert_eq!(resumed(&connection, Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_call_that_was_written_and_not_acknowledged_does_not_ring_again_later_and_counts_stay_right()
     {
        let connection = resumable();
        connection.push(signal());
        connection.push_message(message("m1"), 1);
        let written = connection.take_batch();
        assert_eq!(written.len(), 2);
        connection.sending().note(&written);
        assert_eq!(resumed(&connection, Duration::from_secs(11)), ["m1"]);
        // The peer counts what it got on the new line only.
        assert_eq!(connection.sending().acknowledge(1), (vec![1], None));
    }

    #[test]
    fn typing_is_as_perishable_as_a_call() {
        let connection = resumable();
        let typing = "<message xmlns='jabber:client' type='chat' id='typing'>\
                      <composing xmlns='http://jabber.org/protocol/chatstates'/></message>";
        connection.push(typing.parse().unwrap());
        assert!(resumed(&connection, Duration::from_secs(11)).is_empty());
    }
}
