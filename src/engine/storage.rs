//! The `Storage` actor: owns the life of the store's thread, and brings it back.

use std::time::Duration;

use actix::prelude::*;

use super::mailbox::MAILBOX_CAPACITY;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;

/// How often the thread is looked after.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// The actor. While it is away the store is closed: what needs it is refused, nothing pretends to
/// have been kept.
pub struct Storage {
    _life: Life,
    wiring: Wiring,
}

supervised!(Storage);

impl Storage {
    /// Opens nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
        }
    }
}

impl Actor for Storage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        if !self.wiring.store.is_open() {
            let store = self.wiring.store.clone();
            // Opening checks the whole file and must not hold up the control arbiter.
            let reopen = tokio::task::spawn_blocking(move || store.reopen());
            ctx.spawn(
                reopen
                    .into_actor(self)
                    .map(|reopened, _, ctx| match reopened {
                        Ok(Ok(())) => tracing::info!("the store is open again"),
                        Ok(Err(error)) => {
                            tracing::error!(%error, "the store cannot be opened");
                            ctx.stop();
                        }
                        Err(error) => {
                            tracing::error!(%error, "opening the store failed");
                            ctx.stop();
                        }
                    }),
            );
        }
        ctx.run_interval(CHECK_EVERY, |storage, ctx| {
            if !storage.wiring.store.is_open() {
                tracing::error!("the store's thread is gone");
                ctx.stop();
            }
        });
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.wiring.store.close();
    }
}
