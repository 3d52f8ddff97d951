//! Requests and their answers, both ways (RFC 6120 §8.2.3): what we ask, and what we are asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use minidom::Element;
use tokio::sync::oneshot;

use super::client::{ChatClient, Command, SendError, check};
use crate::base::object_id::ObjectId;
use crate::protocol::address::UserId;
use crate::protocol::last_activity;
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// Time for the answer to a ping unless told otherwise (RT-17).
pub const PING_LIMIT: Duration = Duration::from_secs(5);
/// Requests under way.
const MAX_REQUESTS: usize = 64;

/// Whether a request reads or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IqKind {
    /// Reads.
    Get,
    /// Changes.
    Set,
}

/// A request (RFC 6120 §8.2.3).
#[derive(Clone, Debug)]
pub struct Iq {
    /// Whether it reads or changes.
    pub kind: IqKind,
    /// Whom it asks; our own account when absent.
    pub to: Option<String>,
    /// What ends its id; the vendor's servers and clients know requests by it (wire reference
    /// B.9), such as `lastActivity`.
    pub name: &'static str,
    /// What it asks.
    pub payload: Element,
}

impl Iq {
    fn into_element(self) -> Element {
        let kind = match self.kind {
            IqKind::Get => "get",
            IqKind::Set => "set",
        };
        let mut iq = Element::builder("iq", ns::CLIENT)
            .with("type", kind)
            .with("id", format!("{}:{}", ObjectId::generate(), self.name));
        if let Some(to) = self.to {
            iq = iq.with("to", to);
        }
        iq.append(self.payload).build()
    }
}

impl ChatClient {
    /// The time to the server and back.
    ///
    /// # Errors
    /// [`SendError::Offline`], or [`SendError::NoAnswer`] within [`PING_LIMIT`]. A caller who takes
    /// that for the end of the line calls [`ChatClient::reconnect`].
    pub async fn ping(&self) -> Result<Duration, SendError> {
        self.ping_within(PING_LIMIT).await
    }

    /// [`ChatClient::ping`] with the caller's patience.
    ///
    /// # Errors
    /// As [`ChatClient::ping`].
    pub async fn ping_within(&self, limit: Duration) -> Result<Duration, SendError> {
        let since = Instant::now();
        let iq = Iq {
            kind: IqKind::Get,
            to: Some(self.realm.chat_host.clone()),
            name: "ping",
            payload: Element::bare("ping", ns::PING),
        };
        // An error is an answer as well.
        self.exchange(iq, limit).await.map(|_| since.elapsed())
    }

    /// Asks the server, or another entity through it, and gives the payload of its answer.
    ///
    /// # Errors
    /// [`SendError::Offline`]; [`SendError::NoAnswer`] within `limit` or because the connection
    /// was replaced meanwhile: whether the request was carried out is then unknown;
    /// [`SendError::Answered`] with the error that came instead.
    pub async fn request(&self, iq: Iq, limit: Duration) -> Result<Option<Element>, SendError> {
        let answer = self.exchange(iq, limit).await?;
        if answer.attr("type") != Some("error") {
            return Ok(answer.children().next().cloned());
        }
        let error = answer.children().find(|child| child.name() == "error");
        let code = error.and_then(|error| error.attr("code")?.parse().ok());
        let text = error.and_then(|error| match error.get_child("text", ns::STANZAS) {
            Some(text) => Some(text.text()),
            None => error.children().next().map(|child| child.name().to_owned()),
        });
        Err(SendError::Answered {
            code: code.unwrap_or(0),
            text: text.unwrap_or_else(|| "no reason given".to_owned()),
        })
    }

    /// Seconds since a user was last active, 0 while online (RT-46).
    ///
    /// # Errors
    /// As [`ChatClient::request`]; [`SendError::Answered`] too for an answer without a number.
    pub async fn last_activity(&self, user: UserId) -> Result<u64, SendError> {
        let iq = Iq {
            kind: IqKind::Get,
            to: Some(self.realm.user(user)),
            name: "lastActivity",
            payload: Element::bare("query", ns::LAST),
        };
        let answer = self.request(iq, PING_LIMIT).await?;
        let seconds = answer.and_then(|query| query.attr("seconds")?.parse().ok());
        seconds.ok_or_else(|| SendError::Answered {
            code: 0,
            text: "the answer has no number of seconds".to_owned(),
        })
    }

    /// Has the server tell when a user comes and goes, as [`ChatEvent::Iq`] (RT-47), or stop it.
    ///
    /// # Errors
    /// As [`ChatClient::request`].
    pub async fn watch_activity(&self, user: UserId, is_watched: bool) -> Result<(), SendError> {
        let iq = Iq {
            kind: IqKind::Set,
            to: None,
            name: "statusStreaming",
            payload: last_activity::subscription(&self.realm, user, is_watched),
        };
        self.request(iq, PING_LIMIT).await.map(drop)
    }

    async fn exchange(&self, iq: Iq, limit: Duration) -> Result<Element, SendError> {
        self.check_online()?;
        let iq = iq.into_element();
        check(&iq)?;
        let (answer, answered) = oneshot::channel();
        self.command(Command::Request { iq, answer })?;
        match tokio::time::timeout(limit, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(SendError::NoAnswer),
        }
    }
}

/// Our requests that wait for an answer.
#[derive(Default)]
pub(super) struct Requests {
    open: VecDeque<(String, oneshot::Sender<Element>)>,
}

/// What became of an IQ.
pub(super) enum Taken {
    /// It concerns somebody above.
    NotOurs,
    /// It is dealt with, once this is sent.
    Done(Option<Element>),
}

impl Requests {
    /// Whether another one may be asked.
    pub(super) fn has_room(&mut self) -> bool {
        self.open.retain(|(_, answer)| !answer.is_closed());
        self.open.len() < MAX_REQUESTS
    }

    /// This was asked.
    pub(super) fn asked(&mut self, id: String, answer: oneshot::Sender<Element>) {
        self.open.push_back((id, answer));
    }

    /// Takes an answer to one of ours, or a request of the other side.
    pub(super) fn take(&mut self, stanza: &Element) -> Taken {
        if stanza.name() != "iq" {
            return Taken::NotOurs;
        }
        let id = stanza.attr("id").unwrap_or_default();
        if matches!(stanza.attr("type"), Some("get" | "set")) {
            return Taken::Done(Some(reply(stanza, id)));
        }
        let place = self.open.iter().position(|(open, _)| open == id);
        match place.and_then(|place| self.open.remove(place)) {
            Some((_, answer)) => {
                // The asker may have given up.
                let _ = answer.send(stanza.clone());
                Taken::Done(None)
            }
            None if id.ends_with(":enableCarbons") => Taken::Done(None),
            None => Taken::NotOurs,
        }
    }
}

/// Every request is answered, with an error where we know no better.
fn reply(request: &Element, id: &str) -> Element {
    let is_ping = request.has_child("ping", ns::PING);
    let mut reply = Element::builder("iq", ns::CLIENT)
        .with("type", if is_ping { "result" } else { "error" })
        .with("id", id);
    if let Some(from) = request.attr("from") {
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
    reply.build()
}
