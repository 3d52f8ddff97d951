//! How one actor reaches another: through a slot that survives the other's restart.
//!
//! This is the only module that may touch `Addr` to send. A message that cannot be delivered is
//! returned as an error, never dropped in silence.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use parking_lot::RwLock;

/// How many messages an actor's mailbox holds. Signals, commands and timers are small and few; a
/// mailbox this full means the actor is stuck, and its senders should hear so.
pub const MAILBOX_CAPACITY: usize = 256;

/// Where the present incarnation of an actor is reached.
#[derive(Debug)]
pub struct Slot<A: Actor>(Arc<RwLock<Option<Addr<A>>>>);

impl<A: Actor> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Actor> Default for Slot<A> {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(None)))
    }
}

/// Why a message did not reach an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It is between two lives.
    #[error("the {0} actor is restarting")]
    Absent(&'static str),
    /// Its mailbox is full.
    #[error("the {0} actor is overloaded")]
    Full(&'static str),
    /// It did not answer in time.
    #[error("the {0} actor did not answer in time")]
    Timeout(&'static str),
}

impl<A: Actor<Context = Context<A>>> Slot<A> {
    /// Puts a new incarnation in place.
    pub fn put(&self, address: Addr<A>) {
        *self.0.write() = Some(address);
    }

    /// Nobody is here until the next [`Slot::put`].
    pub fn clear(&self) {
        *self.0.write() = None;
    }

    fn address(&self) -> Result<Addr<A>, Undelivered> {
        self.0
            .read()
            .clone()
            .ok_or(Undelivered::Absent(name_of::<A>()))
    }

    /// Sends without waiting for an answer.
    ///
    /// # Errors
    /// [`Undelivered`]; it is also logged, so that a caller with nothing better to do may go on.
    pub fn tell<M>(&self, message: M) -> Result<(), Undelivered>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let result = self.address().and_then(|address| {
            address.try_send(message).map_err(|error| match error {
                SendError::Full(_) => Undelivered::Full(name_of::<A>()),
                SendError::Closed(_) => Undelivered::Absent(name_of::<A>()),
            })
        });
        if let Err(error) = result {
            tracing::warn!(message = std::any::type_name::<M>(), %error, "message not delivered");
        }
        result
    }

    /// Sends and waits for the answer, at most `limit`.
    ///
    /// # Errors
    /// [`Undelivered`].
    pub async fn ask<M>(&self, message: M, limit: Duration) -> Result<M::Result, Undelivered>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let name = name_of::<A>();
        self.address()?
            .send(message)
            .timeout(limit)
            .await
            .map_err(|error| match error {
                MailboxError::Closed => Undelivered::Absent(name),
                MailboxError::Timeout => Undelivered::Timeout(name),
            })
    }
}

fn name_of<A>() -> &'static str {
    let path = std::any::type_name::<A>();
    path.rsplit("::").next().unwrap_or(path)
}
