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
use super::iq::{Requests, Taken};
use super::liveness::{Liveness, Verdict};
use super::resumption::{MAX_FRUITLESS, Outgoing, Purpose, Resumption, Suspended, stanzas};
use super::settings::ChatTuning;
use super::transport::{Inbound, Transport, TransportError, WriteError};
use crate::base::object_id::ObjectId;
use crate::protocol::address::UserId;
use crate::protocol::ns;
use crate::protocol::stream_management::{self, Nonza, Outbound, Ticket, answer, counts};
use crate::protocol::xml::SetAttribute;

/// Elements waiting for the network; call signals beyond it are refused.
const MAX_OUTGOING: usize = 256;
/// Time for the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Stanzas after which the server's question for our count is answered, though more are waiting.
const MAX_UNANSWERED: u32 = 64;

/// What a connection has to tell.
#[derive(Debug)]
pub(super) enum Event {
    /// The server has our presence: from now on others reach us.
    Online,
    /// A message, presence or answer. Once it is dealt with, [`Connection::settle`] its ticket;
    /// what came before stanzas were counted has none.
    Stanza(Element, Option<Ticket>),
    /// The server has these messages.
    Acknowledged(Vec<String>),
    /// This message cannot be written as XML; it was not sent.
    Unsendable { message_id: String, reason: String },
    /// The server wants our count: make sure of what is settled, then [`Connection::answer`].
    CountAsked,
}

/// No room: the network does not take what we send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

/// An established stream. Drive it with [`Connection::next`].
pub(super) struct Connection {
    transport: Transport,
    user: UserId,
    pub(super) jid: String,
    resumption: Option<Resumption>,
    pub(super) is_resumed: bool,
    fruitless: u32,
    is_answered: bool,
    handled_before: u32,
    has_acknowledged: bool,
    outgoing: VecDeque<Outgoing>,
    needs_flush: bool,
    sent: Outbound<Outgoing>,
    is_online: bool,
    received: stream_management::Inbound,
    is_count_asked: bool,
    answered: u32,
    early: VecDeque<Element>,
    events: VecDeque<Event>,
    ended: Option<ConnectionEnd>,
    requests: Requests,
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
            is_answered: false,
            handled_before: 0,
            has_acknowledged: false,
            outgoing: VecDeque::new(),
            needs_flush: false,
            sent: Outbound::default(),
            is_online: false,
            received: stream_management::Inbound::default(),
            is_count_asked: false,
            answered: 0,
            early: established.early,
            events: VecDeque::new(),
            ended: None,
            requests: Requests::default(),
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

    /// A stanza is dealt with.
    pub(super) fn settle(&mut self, ticket: Ticket) {
        self.received.handle(ticket);
    }

    /// Tells the server our count, which covers every stanza that is settled.
    pub(super) fn answer(&mut self) {
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
        let resumption = self.resumption?;
        let is_forward = self.has_acknowledged || self.received.handled() != self.handled_before;
        let fruitless = match end {
            _ if is_forward => 0,
            // A server that resumes and then does not hear us has resumed the stream wrongly:
            // Prosody 0.12 goes on reading the stanza that was cut in its middle.
            ConnectionEnd::Lost(Fault::Silent(_) | Fault::Stream { .. } | Fault::NotXml(_))
                if self.is_resumed && !self.is_answered =>
            {
                MAX_FRUITLESS
            }
            _ => self.fruitless + 1,
        };
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
            fruitless,
        })
    }

    /// Has the line tested at once, with short patience: the network below it has changed.
    pub(super) fn probe(&mut self) {
        self.liveness.probe(Instant::now());
        self.sent.requested();
        self.push(stream_management::request(), Purpose::Management);
    }

    /// Sends an IQ request and hands on the answer that comes under its id, be it an error.
    /// Dropping `answer` tells the asker that there will be none.
    pub(super) fn request(&mut self, iq: Element, answer: oneshot::Sender<Element>) {
        let id = iq.attr("id").unwrap_or_default().to_owned();
        if self.requests.has_room() && self.send(iq, Purpose::Other).is_ok() {
            self.requests.asked(id, answer);
        }
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
        self.push(stream_management::request(), Purpose::Management);
    }

    fn tell(&mut self, event: Event) {
        self.events.push_back(event);
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

    /// The next event. May be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> Result<Event, ConnectionEnd> {
        if let Some(element) = self.early.pop_front() {
            return Ok(Event::Stanza(element, None));
        }
        loop {
            if let Some(event) = self.events.pop_front() {
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
                Err(WriteError::Transport(error)) => {
                    // It has its turn on the next connection.
                    self.outgoing.push_front(next);
                    return Err(error);
                }
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
        match self.requests.take(&element) {
            Taken::NotOurs => {
                self.events.push_back(Event::Stanza(element, Some(ticket)));
            }
            Taken::Done(reply) => {
                self.received.handle(ticket);
                if let Some(reply) = reply {
                    self.push(reply, Purpose::Other);
                }
            }
        }
        Ok(())
    }

    fn take_management(&mut self, element: &Element) -> Result<(), ConnectionEnd> {
        match Nonza::read(element) {
            Ok(Nonza::Request) => {
                let outstanding = u32::try_from(self.received.outstanding()).unwrap_or(u32::MAX);
                let arrived = self.received.handled().wrapping_add(outstanding);
                if arrived.wrapping_sub(self.answered) >= MAX_UNANSWERED {
                    self.is_count_asked = false;
                    self.tell(Event::CountAsked);
                } else {
                    self.is_count_asked = true;
                }
            }
            Ok(Nonza::Answer { handled }) => {
                self.liveness.heard(Instant::now());
                self.is_answered = true;
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
}

fn lost(error: TransportError) -> ConnectionEnd {
    match error {
        TransportError::Broken(reason) => Fault::Broken(reason),
        TransportError::NotXml(reason) => Fault::NotXml(reason),
    }
    .into()
}
