//! The `Session` actor: logs in at the hub and keeps the token from going stale.

use std::time::Duration;

use actix::prelude::*;

use super::mailbox::MAILBOX_CAPACITY;
use super::newest;
use super::state::ChatStatus;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::base::backoff::{Backoff, NOBODY_THERE};
use crate::rest::RestError;

/// A token lives two hours from its last use (AU-05); asking this often keeps it alive with
/// room for an outage.
const RENEW_EVERY: Duration = Duration::from_secs(30 * 60);
/// Wrong credentials do not become right by asking often.
const REFUSED_RETRY: Duration = Duration::from_secs(60);

/// The actor.
pub struct Session {
    _life: Life,
    wiring: Wiring,
}

supervised!(Session);

impl Session {
    /// Not logged in.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.spawn(keep_alive(self.wiring.clone()).into_actor(self));
    }
}

async fn keep_alive(wiring: Wiring) {
    let mut backoff = Backoff::standard();
    loop {
        let delay = match wiring.rest.session().await {
            Ok(session) => {
                backoff.reset();
                let before = wiring.identity.send_replace(Some(session.user_id));
                if before != Some(session.user_id) {
                    tracing::info!(user = session.user_id, "logged in at the hub");
                }
                wiring
                    .board
                    .update(|state| state.chat.user = Some(session.user_id));
                newest::ask(&wiring).await;
                RENEW_EVERY
            }
            Err(error) => {
                let is_refused =
                    matches!(error, RestError::Unauthorised(_) | RestError::NotFound(_));
                let delay = if is_refused {
                    REFUSED_RETRY
                } else if error.is_nobody_there() {
                    backoff.next_delay_within(NOBODY_THERE)
                } else {
                    backoff.next_delay()
                };
                tracing::warn!(%error, ?delay, "cannot log in at the hub; trying again");
                // While chat is up it knows better than REST how we stand.
                wiring.board.update(|state| {
                    if state.chat.status != ChatStatus::Online {
                        state.chat.reason = Some(format!("login: {error}"));
                        if is_refused {
                            state.chat.status = ChatStatus::Refused;
                            state.chat.retry_at = None;
                        }
                    }
                });
                delay
            }
        };
        tokio::time::sleep(delay).await;
    }
}
