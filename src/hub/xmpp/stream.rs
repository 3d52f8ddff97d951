//! One chat stream from its first byte to its last, whatever carries it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use tokio::time::Instant;

use super::delivery::{self, Sender};
use super::presence::{self, After};
use super::router::{Connection, Outbox};
use super::stanza::delay;
use super::{iq, login};
use crate::hub::clock::iso8601;
use crate::hub::site::Site;
use crate::hub::store::offline;
use crate::protocol::ns;
use crate::protocol::stream_management::{self, Outbound, counts, handled_of};
use crate::protocol::xml::SetAttribute;

/// Which features a stream header is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Features {
    /// Before log-in: the mechanisms.
    Login,
    /// After log-in: binding, stream management.
    Bind,
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
    async fn send(&mut self, batch: &[Element]) -> Result<(), Ending>;
    /// Says good-bye, if there is anybody to hear it, and closes within a bound.
    async fn close(self, ending: Ending);
}

/// Elements that made no sense before the stream is given up.
const MAX_MALFORMED: u32 = 20;
/// Kept messages handed over in one go.
const HAND_OVER: u32 = 50;
/// Stanzas of other kinds sent before an acknowledgement is asked for.
const ACK_EVERY: usize = 20;

/// Runs a stream to its end.
pub async fn serve<T: Transport>(site: Arc<Site>, mut transport: T, address: Option<IpAddr>) {
    let Ok(_slot) = Arc::clone(&site.chat_slots).try_acquire_owned() else {
        tracing::warn!("all chat connections are taken");
        return transport.close(Ending::Error("resource-constraint")).await;
    };
    let deadline = Duration::from_secs(site.config.limits.login_seconds);
    let bound = tokio::select! {
        () = site.stop.cancelled() => Err(Ending::Error("system-shutdown")),
        bound = tokio::time::timeout(deadline, login::negotiate(&site, &mut transport, address)) =>
            bound.unwrap_or(Err(Ending::Error("connection-timeout"))),
    };
    let (connection, outbox) = match bound {
        Ok(bound) => bound,
        Err(ending) => return transport.close(ending).await,
    };
    tracing::info!(
        user = connection.user,
        resource = connection.resource,
        "connected"
    );
    let mut stream = Stream {
        site: &site,
        connection: &connection,
        outbox,
        management: None,
        last_inbound: Instant::now(),
        is_pinged: false,
        malformed: 0,
    };
    let ending = stream.run(&mut transport).await;
    let lane = site.lanes.enter(connection.user).await;
    let unsent = stream.into_unsent(ending);
    presence::gone(&site, &connection).await;
    tracing::info!(user = connection.user, ?ending, "disconnected");
    keep_unsent(&site, &connection, unsent).await;
    drop(lane);
    transport.close(ending).await;
}

struct Management {
    handled: u32,
    // `None` once the peer has shown that its count is not to be relied on.
    // What is kept of each stanza: one to be delivered again, else nothing.
    sent: Option<Outbound<Option<Element>>>,
    since_request: usize,
    // Until `<enabled/>` is out, what is sent counts for neither side.
    is_announced: bool,
}

impl Management {
    /// Counts what is about to be sent. `true` when an acknowledgement should be asked for: at
    /// once after a message that would have to be delivered again.
    fn note(&mut self, batch: &[Element]) -> bool {
        let Some(sent) = &mut self.sent else {
            return false;
        };
        let mut has_text = false;
        for element in batch {
            self.is_announced |= element.is("enabled", ns::SM);
            if !self.is_announced || !counts(element) {
                continue;
            }
            let is_text = is_chat_text(element);
            has_text |= is_text;
            sent.sent(is_text.then(|| element.clone()));
            self.since_request += 1;
        }
        let is_due = has_text || self.since_request >= ACK_EVERY;
        if is_due {
            self.since_request = 0;
        }
        is_due
    }
}

struct Stream<'a> {
    site: &'a Site,
    connection: &'a Arc<Connection>,
    outbox: Outbox,
    management: Option<Management>,
    last_inbound: Instant,
    is_pinged: bool,
    malformed: u32,
}

impl Stream<'_> {
    async fn run<T: Transport>(&mut self, transport: &mut T) -> Ending {
        loop {
            let limits = &self.site.config.limits;
            let silence = if self.is_pinged {
                limits.idle_seconds + limits.ping_seconds
            } else {
                limits.idle_seconds
            };
            let step = tokio::select! {
                // What is queued goes out before more is taken in.
                biased;
                condition = self.connection.ended() => Err(Ending::Error(condition)),
                batch = self.outbox.next() => self.send(transport, batch).await,
                inbound = transport.receive() => self.take(transport, inbound).await,
                () = tokio::time::sleep_until(self.last_inbound + Duration::from_secs(silence)) =>
                    self.on_silence(),
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    fn on_silence(&mut self) -> Result<(), Ending> {
        if self.is_pinged {
            return Err(Ending::Error("connection-timeout"));
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
        mut batch: Vec<Element>,
    ) -> Result<(), Ending> {
        if let Some(management) = &mut self.management {
            if management.note(&batch) {
                batch.push(stream_management::request());
            }
            let limit = self.site.config.limits.queued_stanzas;
            let outstanding = management.sent.as_ref().map_or(0, Outbound::outstanding);
            if outstanding > limit {
                tracing::info!(
                    user = self.connection.user,
                    outstanding,
                    "never acknowledges"
                );
                management.sent = None;
            }
        }
        tokio::select! {
            biased;
            condition = self.connection.ended() => Err(Ending::Error(condition)),
            sent = transport.send(&batch) => sent,
        }
    }

    async fn take<T: Transport>(
        &mut self,
        transport: &mut T,
        inbound: Inbound,
    ) -> Result<(), Ending> {
        self.last_inbound = Instant::now();
        self.is_pinged = false;
        let element = match inbound {
            Inbound::Element(element) => element,
            Inbound::Nothing(None) => return Ok(()),
            Inbound::Nothing(Some(reason)) => {
                tracing::warn!(user = self.connection.user, reason, "malformed stanza");
                self.malformed += 1;
                return if self.malformed > MAX_MALFORMED {
                    Err(Ending::Error("not-well-formed"))
                } else {
                    Ok(())
                };
            }
            Inbound::End(ending) => return Err(ending),
        };
        if element.ns() == ns::SM {
            self.on_management(&element);
            return Ok(());
        }
        let after = self.on_stanza(&element).await;
        if counts(&element)
            && let Some(management) = &mut self.management
        {
            management.handled = management.handled.wrapping_add(1);
        }
        if after == After::HandOver {
            self.hand_over(transport).await?;
        }
        Ok(())
    }

    async fn on_stanza(&self, element: &Element) -> After {
        match (element.name(), element.ns().as_str()) {
            ("message", ns::CLIENT) => {
                let sender = Sender {
                    user: self.connection.user,
                    address: &self.connection.address,
                    connection: Some(self.connection),
                };
                if let Err(refusal) = delivery::send(self.site, &sender, element.clone()).await {
                    tracing::debug!(user = sender.user, %refusal, id = element.attr("id"), "refused");
                    self.connection.push(refusal.answer(element));
                }
            }
            ("iq", ns::CLIENT) => {
                if let Some(answer) = iq::answer(self.site, self.connection, element).await {
                    self.connection.push(answer);
                }
            }
            ("presence", ns::CLIENT) => {
                return presence::handle(self.site, self.connection, element).await;
            }
            (name, namespace) => {
                tracing::warn!(
                    user = self.connection.user,
                    name,
                    namespace,
                    "unknown element"
                );
            }
        }
        After::Done
    }

    /// XEP-0198 without resumption (wire reference A.5).
    fn on_management(&mut self, element: &Element) {
        match (element.name(), &mut self.management) {
            ("enable", None) => {
                // Asking to resume is answered without an id, which means no (XEP-0198 §3).
                self.connection.push(Element::bare("enabled", ns::SM));
                self.management = Some(Management {
                    handled: 0,
                    sent: Some(Outbound::default()),
                    since_request: 0,
                    is_announced: false,
                });
            }
            ("enable", Some(_)) | ("resume", _) => {
                let failed = Element::builder("failed", ns::SM)
                    .append(Element::bare("feature-not-implemented", ns::STANZAS));
                self.connection.push(failed.build());
            }
            ("r", Some(management)) => {
                self.connection
                    .push(stream_management::answer(management.handled));
            }
            ("a", Some(management)) => {
                let sent = management.sent.as_mut();
                let outcome = sent
                    .zip(handled_of(element))
                    .map(|(sent, handled)| sent.acknowledge(handled));
                if let Some(Err(error)) = outcome {
                    tracing::warn!(user = self.connection.user, %error, "acknowledgement");
                    management.sent = None;
                }
            }
            (name, _) => tracing::debug!(name, "stream management before it was enabled"),
        }
    }

    /// Sends what was kept while the user was away, oldest first, each once.
    async fn hand_over<T: Transport>(&mut self, transport: &mut T) -> Result<(), Ending> {
        let user = self.connection.user;
        loop {
            let taken = self
                .site
                .store
                .run(move |db| offline::take(db, user, HAND_OVER))
                .await;
            let kept = match taken {
                Ok(kept) if kept.is_empty() => return Ok(()),
                Ok(kept) => kept,
                Err(error) => {
                    tracing::error!(user, %error, "kept messages cannot be read");
                    return Ok(());
                }
            };
            let batch = kept.iter().filter_map(|kept| {
                let stanza: Element = kept.stanza.parse().ok()?;
                let mut stanza = stanza.with("to", &self.connection.address);
                stanza.append_child(delay(&self.site.realm.chat_host, &iso8601(kept.stored_at)));
                Some(stanza)
            });
            let batch = batch.collect();
            if let Err(ending) = self.send(transport, batch).await {
                // With stream management, what was not acknowledged is kept again at the end.
                if self.management.is_none() {
                    let back = self
                        .site
                        .store
                        .run(move |db| offline::put_back(db, user, &kept));
                    if let Err(error) = back.await {
                        tracing::error!(user, %error, "kept messages could not be put back");
                    }
                }
                return Err(ending);
            }
        }
    }

    /// One-to-one messages that have not arrived: those still queued, and after a cut those not
    /// acknowledged. A peer that says good-bye has taken what it was sent.
    fn into_unsent(mut self, ending: Ending) -> Vec<Element> {
        let unacknowledged = self
            .management
            .and_then(|management| management.sent)
            .filter(|_| ending != Ending::Closed)
            .map(Outbound::into_unacknowledged)
            .unwrap_or_default()
            .into_iter()
            .flatten();
        let queued = self.outbox.drain().into_iter().filter(is_chat_text);
        unacknowledged.chain(queued).collect()
    }
}

fn is_chat_text(element: &Element) -> bool {
    element.is("message", ns::CLIENT)
        && element.attr("type") == Some("chat")
        && element.has_child("body", ns::CLIENT)
}

async fn keep_unsent(site: &Site, connection: &Arc<Connection>, unsent: Vec<Element>) {
    let user = connection.user;
    if unsent.is_empty() {
        return;
    }
    if site.router.is_online(user) {
        // Connections older than this one have had their own copy. A newer one may be the same
        // device come back before its old line was known to be dead; devices ignore a message
        // they have seen.
        for newer in site.router.newer_than(connection) {
            unsent.iter().for_each(|element| {
                newer.push(element.clone());
            });
        }
        return;
    }
    let (now, limit) = (site.now(), site.config.limits.offline_messages);
    let texts: Vec<String> = unsent
        .into_iter()
        .map(|mut element| {
            // The time of the first delivery attempt is in `date_sent`; one delay is enough.
            element.remove_child("delay", ns::DELAY);
            String::from(&element)
        })
        .collect();
    let kept = site.store.run(move |db| {
        for text in &texts {
            offline::keep(db, user, text, limit, now)?;
        }
        Ok(())
    });
    if let Err(error) = kept.await {
        tracing::error!(user, %error, "unsent messages could not be kept");
    }
}
