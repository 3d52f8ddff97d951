//! One chat stream from its first byte to its last, whatever carries it.

use std::borrow::Borrow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use tokio::time::Instant;

use super::connection::Line;
use super::delivery::{self, Sender};
use super::presence::{self, After};
use super::router::Connection;
use super::sending::Queued;
use super::stanza::Refusal;
use super::{alerts, iq, login, resumption, undelivered, unexpected};
use crate::hub::site::Site;
use crate::protocol::ns;
use crate::protocol::scram::MECHANISM;
use crate::protocol::stream_management::{self, Nonza};
use crate::protocol::xml::{SetAttribute, set_attribute};

/// Which features a stream header is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Features {
    /// Before log-in: the mechanisms, with SCRAM-SHA-256 or without.
    Login {
        /// Whether SCRAM-SHA-256 is offered besides PLAIN.
        scram: bool,
    },
    /// After log-in: binding, stream management.
    Bind,
}

impl Features {
    /// The mechanisms, the best first; none after log-in.
    pub fn mechanisms(self) -> Vec<&'static str> {
        match self {
            Self::Login { scram: true } => vec![MECHANISM, "PLAIN"],
            Self::Login { scram: false } => vec!["PLAIN"],
            Self::Bind => Vec::new(),
        }
    }

    /// The other features.
    pub fn others(self) -> Vec<Element> {
        match self {
            Self::Login { .. } => Vec::new(),
            Self::Bind => vec![
                Element::bare("bind", ns::BIND),
                Element::builder("session", ns::SESSION)
                    .append(Element::bare("optional", ns::SESSION))
                    .build(),
                Element::bare("sm", ns::SM),
                Element::bare("csi", ns::CSI),
            ],
        }
    }
}

/// What came in.
#[derive(Debug)]
pub enum Inbound {
    /// A whole element.
    Element(Element),
    /// Something the stream survives: a pong, a keep-alive, an element that made no sense. The
    /// reason is given if it should be logged.
    Nothing(Option<String>),
    /// The peer closed the stream, or the bytes broke a rule.
    End(Ending),
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The connection is lost; nothing can be said any more.
    Lost,
    /// The peer said good-bye and gets one back.
    Closed,
    /// With a stream error (RFC 6120 §4.9.3).
    Error(&'static str),
}

/// What carries a stream: WebSocket frames or a TLS byte stream.
pub trait Transport {
    /// Waits for the peer's stream header and answers it with ours and the features.
    async fn open(&mut self, host: &str, features: Features) -> Result<(), Ending>;
    /// Sends SASL success; a new stream header follows.
    async fn restart(&mut self, success: &Element) -> Result<(), Ending>;
    /// Waits for the next element. Cancelling it loses nothing.
    async fn receive(&mut self) -> Inbound;
    /// Sends elements; cancelled only when the connection is given up.
    async fn send<E: Borrow<Element>>(&mut self, batch: &[E]) -> Result<(), Ending>;
    /// Says good-bye, if there is anybody to hear it, and closes within a bound.
    async fn close(self, ending: Ending);
}

/// Elements that made no sense before the stream is given up.
const MAX_MALFORMED: u32 = 20;
/// Stanzas of one peer that may be on their way to the store; then it is not read any more.
const MAX_OPEN: usize = 256;

/// Runs a stream to its end.
pub async fn serve<T: Transport>(site: Arc<Site>, mut transport: T, address: Option<IpAddr>) {
    let Ok(slot) = Arc::clone(&site.chat_slots).try_acquire_owned() else {
        tracing::warn!("all chat connections are taken");
        return transport.close(Ending::Error("resource-constraint")).await;
    };
    let Some(share) = site.addresses.take(address) else {
        tracing::warn!(?address, "the address has its share of chat connections");
        return transport.close(Ending::Error("resource-constraint")).await;
    };
    let deadline = Duration::from_secs(site.config.limits.login_seconds);
    // Logging in takes much more memory than being logged in.
    let negotiation = Box::pin(login::negotiate(&site, &mut transport, address));
    let bound = tokio::select! {
        () = site.stop.cancelled() => Err(Ending::Error("system-shutdown")),
        bound = tokio::time::timeout(deadline, negotiation) =>
            bound.unwrap_or(Err(Ending::Error("connection-timeout"))),
    };
    let (connection, line) = match bound {
        Ok(bound) => bound,
        Err(ending) => return transport.close(ending).await,
    };
    connection.attached();
    let (user, resource) = (connection.user, &connection.resource);
    tracing::info!(user, resource, "connected");
    let mut stream = Stream {
        site: &site,
        connection: &connection,
        line: &line,
        last_inbound: Instant::now(),
        is_pinged: false,
        is_arriving: false,
        malformed: 0,
    };
    let end = stream.run(&mut transport).await;
    let is_resumable = connection.sending().is_resumable();
    let ending = match end {
        End::Replaced => Ending::Error("conflict"),
        End::With(ending) => ending,
    };
    let is_lost = matches!(ending, Ending::Lost | Ending::Error("connection-timeout"));
    if end == End::Replaced || is_lost && is_resumable && !connection.is_ended() {
        tracing::info!(user, ?ending, "line lost");
        // Even a line that is replaced is kept for, in case its successor never comes about.
        let kept = Arc::clone(&connection);
        let detached = connection.detached();
        if is_lost {
            alerts::line_lost(&site, &connection).await;
        }
        drop(line);
        transport.close(ending).await;
        drop((slot, share));
        if !detached.is_cancelled() {
            resumption::keep(&site, &kept).await;
        }
        return;
    }
    if ending == Ending::Closed {
        // A peer that says good-bye has taken what it was sent.
        let written = connection.sending().give_up();
        undelivered::arrived(&site, &connection, &written);
    }
    end_session(&site, &connection).await;
    drop(line);
    tracing::info!(user, ?ending, "disconnected");
    transport.close(ending).await;
}

/// Takes an ended connection out of everything, once. What it did not acknowledge waits for the next.
pub async fn end_session(site: &Arc<Site>, connection: &Arc<Connection>) {
    connection.end("undefined-condition");
    if !connection.close() {
        return;
    }
    site.resumptions.remove(connection);
    presence::gone(site, connection).await;
    undelivered::end(site, connection).await;
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The session goes on on another one.
    Replaced,
    /// For a reason of its own.
    With(Ending),
}

impl From<Ending> for End {
    fn from(ending: Ending) -> Self {
        Self::With(ending)
    }
}

struct Stream<'a> {
    site: &'a Arc<Site>,
    connection: &'a Arc<Connection>,
    line: &'a Line,
    last_inbound: Instant,
    is_pinged: bool,
    // It has just become available and gets what it missed before it is listened to again.
    is_arriving: bool,
    malformed: u32,
}

impl Stream<'_> {
    async fn run<T: Transport>(&mut self, transport: &mut T) -> End {
        let silence = tokio::time::sleep_until(self.silence_ends());
        tokio::pin!(silence);
        loop {
            undelivered::catch_up(self.site, self.connection).await;
            let batch = self.connection.take_batch();
            if !batch.is_empty()
                && let Err(end) = self.send(transport, batch).await
            {
                return end;
            }
            let is_busy = self.connection.has_waiting();
            self.is_arriving &= self.connection.is_behind() && !self.is_slow_to_acknowledge();
            let may_read = !self.is_arriving && self.connection.has_fewer_open(MAX_OPEN);
            let step = tokio::select! {
                // Whoever sends much must not keep a peer's acknowledgements from being read.
                biased;
                () = self.line.release.cancelled() => Err(End::Replaced),
                condition = self.connection.ended() => Err(Ending::Error(condition).into()),
                inbound = transport.receive(), if may_read => self.take(inbound).await,
                () = std::future::ready(()), if is_busy => Ok(()),
                () = self.connection.changed() => Ok(()),
                () = silence.as_mut() => {
                    let step = self.on_silence();
                    silence.as_mut().reset(self.silence_ends());
                    step
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// What was missed is more than the peer acknowledges before it is listened to.
    fn is_slow_to_acknowledge(&self) -> bool {
        self.connection.sending().outstanding() > self.site.config.limits.queued_stanzas / 2
    }

    fn silence_ends(&self) -> Instant {
        let limits = &self.site.config.limits;
        let mut silence = limits.idle_seconds;
        if self.is_pinged {
            silence += limits.ping_seconds;
        }
        self.last_inbound + Duration::from_secs(silence)
    }

    fn on_silence(&mut self) -> Result<(), End> {
        // The timer is not set anew for each element that comes in.
        if Instant::now() < self.silence_ends() {
            return Ok(());
        }
        if self.is_pinged {
            return Err(Ending::Error("connection-timeout").into());
        }
        self.is_pinged = true;
        self.connection.push(
            Element::builder("iq", ns::CLIENT)
                .with("type", "get")
                .with("id", "hub:ping")
                .with("from", &self.site.realm.chat_host)
                .append(Element::bare("ping", ns::PING))
                .build(),
        );
        Ok(())
    }

    /// Sends, unless somebody ends the connection meanwhile: a peer that does not read holds up
    /// only itself.
    async fn send<T: Transport>(
        &mut self,
        transport: &mut T,
        batch: Vec<Queued>,
    ) -> Result<(), End> {
        let (written, asks) = {
            let mut sending = self.connection.sending();
            (sending.note(&batch), sending.asks())
        };
        let request = asks.then(|| Arc::new(stream_management::request()));
        let batch: Vec<Arc<Element>> = batch
            .into_iter()
            .map(|queued| queued.element)
            .chain(request)
            .collect();
        tokio::select! {
            biased;
            () = self.line.release.cancelled() => return Err(End::Replaced),
            condition = self.connection.ended() => return Err(Ending::Error(condition).into()),
            sent = transport.send(&batch) => sent?,
        }
        undelivered::arrived(self.site, self.connection, &written);
        Ok(())
    }

    async fn take(&mut self, inbound: Inbound) -> Result<(), End> {
        self.last_inbound = Instant::now();
        self.is_pinged = false;
        let element = match inbound {
            Inbound::Element(element) => element,
            Inbound::Nothing(None) => return Ok(()),
            Inbound::Nothing(Some(reason)) => {
                tracing::warn!(user = self.connection.user, reason, "malformed stanza");
                self.malformed += 1;
                return if self.malformed > MAX_MALFORMED {
                    Err(Ending::Error("not-well-formed").into())
                } else {
                    Ok(())
                };
            }
            Inbound::End(ending) => return Err(ending.into()),
        };
        if element.ns() == ns::SM {
            self.on_management(&element).await;
        } else {
            self.on_stanza(element).await?;
        }
        Ok(())
    }

    async fn on_stanza(&mut self, element: Element) -> Result<(), Ending> {
        match (element.name(), element.ns().as_str()) {
            ("message", ns::CLIENT) => self.on_message(element).await,
            ("iq", ns::CLIENT) => {
                // Its answer may tell of messages before it, so those come first.
                self.connection.all_settled().await;
                let ticket = self.connection.accept();
                if let Some(answer) = iq::answer(self.site, self.connection, &element).await {
                    self.connection.push(answer);
                }
                self.connection.settle(ticket);
            }
            ("presence", ns::CLIENT) => {
                self.connection.all_settled().await;
                let ticket = self.connection.accept();
                let after = presence::handle(self.site, self.connection, &element).await;
                if after == After::HandOver {
                    undelivered::admit(self.site, self.connection).await;
                    self.is_arriving = true;
                }
                self.connection.settle(ticket);
            }
            _ => unexpected::handle(self.connection, &element)?,
        }
        Ok(())
    }

    /// Hands a message in and goes on: it is handled when it is on disk.
    async fn on_message(&self, element: Element) {
        let ticket = self.connection.accept();
        let sender = Sender {
            user: self.connection.user,
            address: self.connection.address.clone(),
            connection: Some(Arc::clone(self.connection)),
        };
        let connection = Arc::clone(self.connection);
        let request = envelope(&element);
        let outcome = move |result: Result<(), Refusal>| {
            if let Err(refusal) = result {
                tracing::debug!(user = connection.user, %refusal, id = request.attr("id"), "refused");
                connection.push(refusal.answer(&request));
            }
            connection.settle(ticket);
        };
        delivery::send(self.site, sender, element, outcome).await;
    }

    /// XEP-0198 (wire reference A.5).
    async fn on_management(&mut self, element: &Element) {
        let connection = self.connection;
        let user = connection.user;
        let is_enabled = connection.sending().is_enabled();
        match Nonza::read(element) {
            Ok(Nonza::Enable { resume, .. }) if !is_enabled => {
                connection.all_settled().await;
                connection.start_counting();
                let seconds = self.site.config.limits.resume_seconds;
                let is_resumable = resume && seconds > 0;
                connection.sending().enable(is_resumable);
                let enabled = Nonza::Enabled {
                    resume: is_resumable,
                    id: is_resumable.then(|| self.site.resumptions.enter(connection)),
                    max: is_resumable.then_some(seconds),
                    location: None,
                };
                connection.push(enabled.to_element());
            }
            Ok(Nonza::Enable { .. } | Nonza::Resume { .. }) => {
                let failed = Nonza::Failed {
                    handled: None,
                    condition: Some("unexpected-request".to_owned()),
                };
                connection.push(failed.to_element());
            }
            Ok(Nonza::Request) if is_enabled => connection.ask(),
            Ok(Nonza::Answer { handled }) => {
                let (arrived, error) = connection.sending().acknowledge(handled);
                if let Some(error) = error {
                    tracing::warn!(user, %error, "acknowledgement");
                }
                undelivered::arrived(self.site, connection, &arrived);
                if connection.sending().asks() {
                    connection.push(stream_management::request());
                }
            }
            Ok(_) => tracing::debug!(user, "stream management out of turn"),
            Err(error) => tracing::debug!(user, %error, "stream management"),
        }
    }
}

/// What an error answer needs of a stanza.
fn envelope(element: &Element) -> Element {
    let mut envelope = Element::bare(element.name(), ns::CLIENT);
    for name in ["id", "to"] {
        set_attribute(&mut envelope, name, element.attr(name));
    }
    envelope
}
