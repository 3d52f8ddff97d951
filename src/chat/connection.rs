//! An established stream: counts what is sent and handled (XEP-0198), asks for acknowledgement,
//! answers the server's questions, notices its death, and leaves behind what resumes it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use minidom::Element;
use tokio::sync::oneshot;

use super::error::{ConnectionEnd, Fault};
use super::handshake::{Established, Start, stream_error};
use super::liveness::{Liveness, Verdict};
use super::resumption::{Outgoing, Purpose, Resumption, Suspended, stanzas};
use super::settings::ChatTuning;
use super::transport::{Inbound, Transport, TransportError, WriteError};
use crate::base::object_id::ObjectId;
use crate::protocol::address::UserId;
use crate::protocol::ns;
use crate::protocol::stream_management::{self, Nonza, Outbound, Ticket, answer, counts, request};
use crate::protocol::xml::SetAttribute;

/// Elements waiting for the network; call signals beyond it are refused.
const MAX_OUTGOING: usize = 256;
/// Pings under way.
const MAX_PINGS: usize = 16;
/// Time for the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Stanzas after which the server's question for our count is answered, though more are waiting.
const MAX_UNANSWERED: u32 = 64;

/// What a connection has to tell.
#[derive(Debug)]
pub(super) enum Event {
    /// The server has our presence: from now on others reach us.
    Online,
    /// A message, presence or answer.
    Stanza(Element),
    /// The server has these messages.
    Acknowledged(Vec<String>),
    /// This message cannot be written as XML; it was not sent.
    Unsendable { message_id: String, reason: String },
    /// The server wants our count: make sure of what was handed over, then
    /// [`Connection::answer`].
    CountAsked,
}

/// No room: the network does not take what we send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

struct Ping {
    id: String,
    since: Instant,
    answer: oneshot::Sender<Duration>,
}

/// An established stream. Drive it with [`Connection::next`].
pub(super) struct Connection {
    transport: Transport,
    user: UserId,
    pub(super) jid: String,
    resumption: Option<Resumption>,
    pub(super) is_resumed: bool,
    fruitless: u32,
    handled_before: u32,
    has_acknowledged: bool,
    outgoing: VecDeque<Outgoing>,
    needs_flush: bool,
    sent: Outbound<Outgoing>,
    is_online: bool,
    received: stream_management::Inbound,
    in_hand: Option<Ticket>,
    is_count_asked: bool,
    answered: u32,
    early: VecDeque<Element>,
    events: VecDeque<(Event, Option<Ticket>)>,
    ended: Option<ConnectionEnd>,
    pings: VecDeque<Ping>,
    liveness: Liveness,
    bytes_heard: u64,
}

impl Connection {
    /// Takes over a stream. A new one turns on carbons (XEP-0280) and sends presence, and
    /// [`Event::Online`] follows when the server has acknowledged that: a signal sent to us
    /// before is lost. A resumed one is online at once and first sends what the server lacks.
    pub(super) fn new(established: Established, user: UserId, tuning: &ChatTuning) -> Self {
        let now = Instant::now();
        let bytes_heard = established.transport.meter().total();
        let mut connection = Self {
            transport: established.transport,
            user,
            jid: established.jid,
            resumption: None,
            is_resumed: false,
            fruitless: 0,
            handled_before: 0,
            has_acknowledged: false,
            outgoing: VecDeque::new(),
            needs_flush: false,
            sent: Outbound::default(),
            is_online: false,
            received: stream_management::Inbound::default(),
            in_hand: None,
            is_count_asked: false,
            answered: 0,
            early: established.early,
            events: VecDeque::new(),
            ended: None,
            pings: VecDeque::new(),
            liveness: Liveness::new(now, tuning.quiet, tuning.patience),
            bytes_heard,
        };
        match established.start {
            Start::New { resumption, left } => {
                connection.resumption = resumption;
                let carbons = Element::builder("iq", ns::CLIENT)
                    .with("type", "set")
                    .with("id", format!("{}:enableCarbons", ObjectId::generate()))
                    .append(Element::bare("enable", ns::CARBONS))
                    .build();
                connection.push(carbons, Purpose::Other);
                connection.push(Element::bare("presence", ns::CLIENT), Purpose::Presence);
                connection.outgoing.extend(left);
            }
            Start::Resumed(resumed) => {
                connection.resumption = Some(resumed.resumption);
                connection.is_resumed = true;
                connection.fruitless = resumed.fruitless;
                connection.handled_before = resumed.received.handled();
                connection.answered = resumed.received.handled();
                connection.sent = resumed.sent;
                connection.received = resumed.received;
                connection.outgoing = resumed.outgoing;
                if resumed.is_online {
                    connection.goes_online();
                }
                connection.acknowledged(resumed.acknowledged);
            }
        }
        // Asked even if nothing else is sent: the answer shows that the new line works.
        connection.ask();
        connection
    }

    /// Queues an element. The acknowledgement of a [`Purpose::Message`] is reported.
    pub(super) fn send(&mut self, element: Element, purpose: Purpose) -> Result<(), Full> {
        if self.outgoing.len() >= MAX_OUTGOING {
            return Err(Full);
        }
        self.push(element, purpose);
        Ok(())
    }

    /// Tells the server our count, which covers every stanza that was handed over.
    pub(super) fn answer(&mut self) {
        self.settle_in_hand();
        self.answered = self.received.handled();
        self.push(answer(self.answered), Purpose::Management);
    }

    /// What it takes to resume the stream after `end`; nothing if that cannot or must not be.
    pub(super) fn suspend(mut self, end: &ConnectionEnd) -> Option<Suspended> {
        match end {
            ConnectionEnd::Lost(Fault::Miscount(_) | Fault::Store(_)) => return None,
            ConnectionEnd::Lost(_) => {}
            _ => return None,
        }
        self.settle_in_hand();
        let resumption = self.resumption?;
        let is_forward = self.has_acknowledged || self.received.handled() != self.handled_before;
        self.received.forget_unhandled();
        Some(Suspended {
            user: self.user,
            jid: self.jid,
            until: Instant::now() + resumption.lasts,
            resumption,
            sent: self.sent,
            received: self.received,
            unwritten: stanzas(self.outgoing),
            is_online: self.is_online,
            fruitless: if is_forward { 0 } else { self.fruitless + 1 },
        })
    }

    /// Has the line tested at once, with short patience: the network below it has changed.
    pub(super) fn probe(&mut self) {
        self.liveness.probe(Instant::now());
        self.sent.requested();
        self.push(request(), Purpose::Management);
    }

    /// Asks the server for a sign of life and measures the time to its answer.
    pub(super) fn ping(&mut self, host: &str, answer: oneshot::Sender<Duration>) {
        let id = format!("{}:ping", ObjectId::generate());
        let element = Element::builder("iq", ns::CLIENT)
            .with("type", "get")
            .with("id", id.clone())
            .with("to", host)
            .append(Element::bare("ping", ns::PING))
            .build();
        if self.pings.len() >= MAX_PINGS || self.send(element, Purpose::Other).is_err() {
            return; // Dropping `answer` tells the asker.
        }
        let since = Instant::now();
        self.pings.push_back(Ping { id, since, answer });
    }

    /// Whether everything sent is acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.outgoing.is_empty() && self.sent.outstanding() == 0
    }

    fn push(&mut self, element: Element, purpose: Purpose) {
        self.outgoing.push_back(Outgoing {
            element,
            purpose,
            since: Instant::now(),
        });
    }

    fn ask(&mut self) {
        self.sent.requested();
        self.liveness.asked(Instant::now());
        self.push(request(), Purpose::Management);
    }

    fn settle_in_hand(&mut self) {
        if let Some(ticket) = self.in_hand.take() {
            self.received.handle(ticket);
        }
    }

    fn tell(&mut self, event: Event) {
        self.events.push_back((event, None));
    }

    fn goes_online(&mut self) {
        self.is_online = true;
        self.tell(Event::Online);
    }

    fn acknowledged(&mut self, acknowledged: Vec<Outgoing>) {
        self.has_acknowledged |= !acknowledged.is_empty();
        let mut messages = Vec::new();
        for sent in acknowledged {
            match sent.purpose {
                Purpose::Message(id) => messages.push(id),
                Purpose::Presence if !self.is_online => self.goes_online(),
                _ => {}
            }
        }
        if !messages.is_empty() {
            self.tell(Event::Acknowledged(messages));
        }
    }

    /// The next event. Calling it says that the previous stanza is dealt with, which is what the
    /// server is told when it asks for our count. May be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> Result<Event, ConnectionEnd> {
        self.settle_in_hand();
        if let Some(element) = self.early.pop_front() {
            return Ok(Event::Stanza(element));
        }
        loop {
            if let Some((event, ticket)) = self.events.pop_front() {
                self.in_hand = ticket;
                return Ok(event);
            }
            if let Some(end) = &self.ended {
                return Err(end.clone());
            }
            let wake = tokio::time::Instant::from_std(self.liveness.deadline());
            let turn = tokio::select! {
                // What has arrived comes first: after a pause the clock alone would say "dead".
                biased;
                turn = poll_fn(|cx| self.poll_turn(cx)) => match turn {
                    Ok(Some(inbound)) => self.take(inbound),
                    Ok(None) => Ok(()),
                    Err(error) => Err(lost(error)),
                },
                () = tokio::time::sleep_until(wake) => self.check_life(),
            };
            // What was learnt before the end is told before it.
            self.ended = turn.err();
        }
    }

    /// Says goodbye, within a second.
    pub(super) async fn close(self) {
        // Whether the server hears it or not, we are gone afterwards.
        let _ = tokio::time::timeout(GOODBYE, self.transport.close()).await;
    }

    /// One turn of reading and writing. Both directions are polled together, so a server that
    /// does not read until we do cannot stall us.
    ///
    /// `None` when writing has left an event to be reported first.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Inbound>, TransportError>> {
        self.poll_write(cx)?;
        if !self.events.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let arrived = self.transport.poll_receive(cx).map_ok(Some);
        if arrived.is_pending() && self.is_count_asked {
            // One answer for all questions that came in a row: each may cost a write to the disk.
            self.is_count_asked = false;
            self.tell(Event::CountAsked);
            return Poll::Ready(Ok(None));
        }
        arrived
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), TransportError> {
        loop {
            if self.outgoing.is_empty() && self.sent.is_request_due(0) {
                // One question for all that was sent since the last answer.
                self.ask();
            }
            if self.outgoing.is_empty() || self.transport.poll_room(cx)?.is_pending() {
                break;
            }
            let Some(next) = self.outgoing.pop_front() else {
                break;
            };
            match self.transport.write(&next.element) {
                Ok(()) => {
                    self.needs_flush = true;
                    if counts(&next.element) {
                        self.sent.sent(next);
                    }
                }
                Err(WriteError::Unsendable(reason)) => {
                    self.unsendable(next, reason);
                    break;
                }
                Err(WriteError::Transport(error)) => return Err(error),
            }
        }
        if self.needs_flush && self.transport.poll_flush(cx)?.is_ready() {
            self.needs_flush = false;
        }
        Ok(())
    }

    fn unsendable(&mut self, outgoing: Outgoing, reason: String) {
        match outgoing.purpose {
            Purpose::Message(message_id) => self.tell(Event::Unsendable { message_id, reason }),
            _ => {
                let name = outgoing.element.name();
                tracing::error!(name, reason, "a stanza of ours cannot be written as XML");
            }
        }
    }

    fn heard(&mut self) {
        let bytes = self.transport.meter().total();
        if bytes != self.bytes_heard {
            self.bytes_heard = bytes;
            self.liveness.heard(Instant::now());
            if self.sent.is_request_open() {
                self.liveness.asked(Instant::now());
            }
        }
    }

    fn check_life(&mut self) -> Result<(), ConnectionEnd> {
        // Parts of a long stanza over a slow line are life as well.
        self.heard();
        match self.liveness.check(Instant::now()) {
            Verdict::Wait => Ok(()),
            Verdict::Ask => {
                self.ask();
                Ok(())
            }
            Verdict::Dead(silent) => Err(Fault::Silent(silent).into()),
        }
    }

    fn take(&mut self, inbound: Inbound) -> Result<(), ConnectionEnd> {
        self.heard();
        match inbound {
            Inbound::Element(element) => self.take_element(element),
            Inbound::Malformed(reason) => {
                tracing::warn!(
                    jid = self.jid,
                    reason,
                    "the server sent a malformed element"
                );
                Ok(())
            }
            Inbound::Closed => Err(Fault::Closed.into()),
        }
    }

    fn take_element(&mut self, element: Element) -> Result<(), ConnectionEnd> {
        if element.is("error", ns::STREAM) {
            return Err(stream_error(&element));
        }
        if element.ns() == ns::SM {
            return self.take_management(&element);
        }
        if !counts(&element) {
            tracing::debug!(name = element.name(), ns = element.ns(), "left unread");
            return Ok(());
        }
        let ticket = self.received.accept();
        if self.take_iq(&element) {
            self.received.handle(ticket);
        } else {
            let event = Event::Stanza(element);
            self.events.push_back((event, Some(ticket)));
        }
        Ok(())
    }

    fn take_management(&mut self, element: &Element) -> Result<(), ConnectionEnd> {
        match Nonza::read(element) {
            Ok(Nonza::Request) => {
                let unanswered = self.received.handled().wrapping_sub(self.answered);
                if unanswered >= MAX_UNANSWERED {
                    self.is_count_asked = false;
                    self.tell(Event::CountAsked);
                } else {
                    self.is_count_asked = true;
                }
            }
            Ok(Nonza::Answer { handled }) => {
                self.liveness.heard(Instant::now());
                let acknowledged = self
                    .sent
                    .acknowledge(handled)
                    .map_err(|error| Fault::Miscount(error.to_string()))?;
                self.acknowledged(acknowledged);
            }
            Ok(other) => tracing::debug!(?other, "out of turn"),
            Err(error) => tracing::debug!(%error, "left unread"),
        }
        Ok(())
    }

    /// Deals with the IQs that concern the connection alone; says whether this was one.
    fn take_iq(&mut self, element: &Element) -> bool {
        if element.name() != "iq" {
            return false;
        }
        let id = element.attr("id").unwrap_or_default().to_owned();
        match element.attr("type") {
            Some("get" | "set") => {
                self.answer_iq(element, id);
                true
            }
            _ => {
                let Some(place) = self.pings.iter().position(|ping| ping.id == id) else {
                    return id.ends_with(":enableCarbons");
                };
                if let Some(ping) = self.pings.remove(place) {
                    // An error is an answer as well. The asker may have given up.
                    let _ = ping.answer.send(ping.since.elapsed());
                }
                true
            }
        }
    }

    /// Every request is answered (RFC 6120 §8.2.3), with an error where we know no better.
    fn answer_iq(&mut self, element: &Element, id: String) {
        let is_ping = element.has_child("ping", ns::PING);
        let mut reply = Element::builder("iq", ns::CLIENT)
            .with("type", if is_ping { "result" } else { "error" })
            .with("id", id);
        if let Some(from) = element.attr("from") {
            reply = reply.with("to", from);
        }
        if !is_ping {
            reply = reply.append(
                Element::builder("error", ns::CLIENT)
                    .with("type", "cancel")
                    .with("code", "503")
                    .append(Element::bare("service-unavailable", ns::STANZAS)),
            );
        }
        self.push(reply.build(), Purpose::Other);
    }
}

fn lost(error: TransportError) -> ConnectionEnd {
    match error {
        TransportError::Broken(reason) => Fault::Broken(reason),
        TransportError::NotXml(reason) => Fault::NotXml(reason),
    }
    .into()
}
