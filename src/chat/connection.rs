//! An established stream: counts what is sent and handled (XEP-0198), asks for acknowledgement,
//! answers the server's questions, notices its death.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use minidom::Element;
use tokio::sync::oneshot;

use super::error::{ConnectionEnd, Fault};
use super::handshake::{Established, stream_error};
use super::liveness::{Liveness, Verdict};
use super::transport::{Inbound, Transport, TransportError, WriteError};
use crate::base::object_id::ObjectId;
use crate::protocol::ns;
use crate::protocol::stream_management::{Outbound, answer, counts, handled_of, request};
use crate::protocol::xml::SetAttribute;

/// Elements waiting for the network; call signals beyond it are refused.
const MAX_OUTGOING: usize = 256;
/// Pings under way.
const MAX_PINGS: usize = 16;
/// Time for the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

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
}

/// Carbons and presence, which open every connection.
const OPENING: u32 = 2;

/// No room: the network does not take what we send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

struct Outgoing {
    element: Element,
    /// The message to report when the server acknowledges it.
    message_id: Option<String>,
}

struct Ping {
    id: String,
    since: Instant,
    answer: oneshot::Sender<Duration>,
}

/// An established stream. Drive it with [`Connection::next`].
pub(super) struct Connection {
    transport: Transport,
    pub(super) jid: String,
    outgoing: VecDeque<Outgoing>,
    needs_flush: bool,
    sent: Outbound<Option<String>>,
    is_request_open: bool,
    is_online: bool,
    handled: u32,
    is_last_unhandled: bool,
    early: VecDeque<Element>,
    events: VecDeque<Event>,
    pings: VecDeque<Ping>,
    liveness: Liveness,
    bytes_heard: u64,
}

impl Connection {
    /// Takes over a stream, turns on carbons (XEP-0280) and sends presence. [`Event::Online`]
    /// follows when the server has acknowledged that; a signal sent to us before is lost.
    pub(super) fn new(established: Established) -> Self {
        let bytes_heard = established.transport.meter().total();
        let mut connection = Self {
            transport: established.transport,
            jid: established.jid,
            outgoing: VecDeque::new(),
            needs_flush: false,
            sent: Outbound::default(),
            is_request_open: true,
            is_online: false,
            handled: 0,
            is_last_unhandled: false,
            early: established.early,
            events: VecDeque::new(),
            pings: VecDeque::new(),
            liveness: Liveness::new(Instant::now()),
            bytes_heard,
        };
        let carbons = Element::builder("iq", ns::CLIENT)
            .with("type", "set")
            .with("id", format!("{}:enableCarbons", ObjectId::generate()))
            .append(Element::bare("enable", ns::CARBONS))
            .build();
        connection.push(carbons, None);
        connection.push(Element::bare("presence", ns::CLIENT), None);
        connection.push(request(), None);
        connection.liveness.asked(Instant::now());
        connection
    }

    /// Queues an element. With `message_id` its acknowledgement is reported.
    pub(super) fn send(
        &mut self,
        element: Element,
        message_id: Option<String>,
    ) -> Result<(), Full> {
        if self.outgoing.len() >= MAX_OUTGOING {
            return Err(Full);
        }
        self.push(element, message_id);
        Ok(())
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
        if self.pings.len() >= MAX_PINGS || self.send(element, None).is_err() {
            return; // Dropping `answer` tells the asker.
        }
        let since = Instant::now();
        self.pings.push_back(Ping { id, since, answer });
    }

    /// Whether everything sent is acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.outgoing.is_empty() && self.sent.outstanding() == 0
    }

    fn push(&mut self, element: Element, message_id: Option<String>) {
        self.outgoing.push_back(Outgoing {
            element,
            message_id,
        });
    }

    /// The next event. Calling it says that the previous stanza is dealt with, which is what the
    /// server is told when it asks for our count. May be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> Result<Event, ConnectionEnd> {
        if std::mem::take(&mut self.is_last_unhandled) {
            self.handled = self.handled.wrapping_add(1);
        }
        if let Some(element) = self.early.pop_front() {
            return Ok(Event::Stanza(element));
        }
        loop {
            if let Some(event) = self.events.pop_front() {
                self.is_last_unhandled = matches!(event, Event::Stanza(_));
                return Ok(event);
            }
            let wake = tokio::time::Instant::from_std(self.liveness.deadline());
            tokio::select! {
                // What has arrived comes first: after a pause the clock alone would say "dead".
                biased;
                turn = poll_fn(|cx| self.poll_turn(cx)) => {
                    if let Some(inbound) = turn.map_err(lost)? {
                        self.take(inbound)?;
                    }
                }
                () = tokio::time::sleep_until(wake) => self.check_life()?,
            }
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
        self.transport.poll_receive(cx).map_ok(Some)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), TransportError> {
        loop {
            if self.outgoing.is_empty() && self.sent.outstanding() > 0 && !self.is_request_open {
                // One question for all that was sent since the last answer.
                self.is_request_open = true;
                self.liveness.asked(Instant::now());
                self.push(request(), None);
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
                        self.sent.sent(next.message_id);
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
        match outgoing.message_id {
            Some(message_id) => self
                .events
                .push_back(Event::Unsendable { message_id, reason }),
            None => {
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
            if self.is_request_open {
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
                self.liveness.asked(Instant::now());
                self.is_request_open = true;
                self.push(request(), None);
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
        if element.is("r", ns::SM) {
            self.push(answer(self.handled), None);
            return Ok(());
        }
        if let Some(handled) = handled_of(&element) {
            self.is_request_open = false;
            self.liveness.heard(Instant::now());
            let acknowledged = self
                .sent
                .acknowledge(handled)
                .map_err(|error| Fault::Miscount(error.to_string()))?;
            let acknowledged: Vec<String> = acknowledged.into_iter().flatten().collect();
            if !self.is_online && handled >= OPENING {
                self.is_online = true;
                self.events.push_back(Event::Online);
            }
            if !acknowledged.is_empty() {
                self.events.push_back(Event::Acknowledged(acknowledged));
            }
            return Ok(());
        }
        if !counts(&element) {
            tracing::debug!(name = element.name(), ns = element.ns(), "left unread");
            return Ok(());
        }
        if self.take_iq(&element) {
            self.handled = self.handled.wrapping_add(1);
        } else {
            self.events.push_back(Event::Stanza(element));
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
        self.push(reply.build(), None);
    }
}

fn lost(error: TransportError) -> ConnectionEnd {
    match error {
        TransportError::Broken(reason) => Fault::Broken(reason),
        TransportError::NotXml(reason) => Fault::NotXml(reason),
    }
    .into()
}
