//! Questions to the chat server and who waits for their answers; whom we watch.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::chat::{ChatClient, SendError};
use crate::protocol::address::UserId;

/// Users watched at once.
const MAX_WATCHED: usize = 1_000;

/// Why a question brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum InquiryError {
    /// It was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Nobody answered in time.
    #[error("the chat server did not answer in time")]
    NoAnswer,
    /// The server refuses; the condition's name or its text.
    #[error("the chat server refuses: {0}")]
    Refused(String),
}

/// Cheap to clone; every clone is the same.
#[derive(Clone, Default)]
pub struct Inquiries {
    open: Arc<Mutex<HashMap<String, oneshot::Sender<Element>>>>,
    watched: Arc<Mutex<BTreeSet<UserId>>>,
}

impl Inquiries {
    /// Sends an iq and waits for its answer, at most `limit`.
    ///
    /// # Errors
    /// [`InquiryError`].
    pub async fn ask(
        &self,
        client: &ChatClient,
        iq: Element,
        limit: Duration,
    ) -> Result<Element, InquiryError> {
        let id = iq.attr("id").unwrap_or_default().to_owned();
        let (answer, answered) = oneshot::channel();
        self.open.lock().insert(id.clone(), answer);
        let outcome = match client.now(iq).await {
            Ok(()) => tokio::time::timeout(limit, answered).await.map_err(drop),
            Err(error) => {
                self.open.lock().remove(&id);
                return Err(error.into());
            }
        };
        self.open.lock().remove(&id);
        let Ok(Ok(answer)) = outcome else {
            return Err(InquiryError::NoAnswer);
        };
        match answer.attr("type") {
            Some("error") => Err(InquiryError::Refused(reason(&answer))),
            _ => Ok(answer),
        }
    }

    /// Gives an answer to whoever asked; gives it back if nobody did.
    pub fn answered(&self, iq: Element) -> Option<Element> {
        let waiting = iq.attr("id").and_then(|id| self.open.lock().remove(id));
        match waiting {
            // Whoever asked may have given up; nobody else wants it.
            Some(waiting) => {
                let _ = waiting.send(iq);
                None
            }
            None => Some(iq),
        }
    }

    /// Remembers or forgets whom we watch. Says whether there was room.
    pub fn set_watched(&self, user: UserId, watched: bool) -> bool {
        let mut all = self.watched.lock();
        if !watched {
            all.remove(&user);
            return true;
        }
        all.len() < MAX_WATCHED && {
            all.insert(user);
            true
        }
    }

    /// Whom we watch.
    pub fn watched(&self) -> Vec<UserId> {
        self.watched.lock().iter().copied().collect()
    }
}

fn reason(answer: &Element) -> String {
    let error = answer.children().find(|child| child.name() == "error");
    error
        .and_then(|error| {
            let text = error.children().find(|child| child.name() == "text");
            text.map(Element::text)
                .or_else(|| Some(error.children().next()?.name().to_owned()))
        })
        .unwrap_or_else(|| "no reason given".to_owned())
}
