//! The life of a session, sans-IO: when a token may be used, when to log in again, and when not
//! to try at all.

use std::time::{Duration, Instant};

use super::error::RestError;
use crate::protocol::rest::Session;

/// A token dies two hours after its last use (wire reference E.1); renewed a little earlier, so
/// that none dies on the way.
const IDLE_LIMIT: Duration = Duration::from_secs(2 * 3600 - 600);
/// After a login was refused, further ones wait this long: nobody has changed the password in
/// between, and a server locks out those who knock too often.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// What to do for the next request.
pub(super) enum Demand {
    /// This session is good.
    Use(Session),
    /// Log in first.
    LogIn,
    /// The last login was refused a moment ago; this is what the server said.
    Refused(RestError),
}

/// The session held, if any.
#[derive(Default)]
pub(super) struct SessionState {
    held: Option<(Session, Instant)>,
    refused: Option<(RestError, Instant)>,
}

impl SessionState {
    /// What to do now. `rejected` is the token a request was just refused with: if it is still
    /// the held one it is dropped, otherwise somebody else has renewed already.
    pub(super) fn demand(&mut self, now: Instant, rejected: Option<&str>) -> Demand {
        if let Some((session, last_use)) = &self.held {
            let is_rejected = rejected == Some(session.token.as_str());
            let is_idle = now.saturating_duration_since(*last_use) >= IDLE_LIMIT;
            if !is_rejected && !is_idle {
                return Demand::Use(session.clone());
            }
            self.held = None;
        }
        match &self.refused {
            Some((error, at)) if now.saturating_duration_since(*at) < REFUSED_PAUSE => {
                Demand::Refused(error.clone())
            }
            _ => Demand::LogIn,
        }
    }

    /// A login succeeded.
    pub(super) fn logged_in(&mut self, now: Instant, session: Session) {
        self.held = Some((session, now));
        self.refused = None;
    }

    /// A login failed. Network faults leave no trace: the next call may try at once.
    pub(super) fn login_failed(&mut self, now: Instant, error: &RestError) {
        self.held = None;
        if !error.is_transient() {
            self.refused = Some((error.clone(), now));
        }
    }

    /// A request with this token succeeded, which prolongs its life.
    pub(super) fn used(&mut self, now: Instant, token: &str) {
        if let Some((session, last_use)) = &mut self.held
            && session.token == token
        {
            *last_use = now;
        }
    }

    /// The session held, to be destroyed.
    pub(super) fn take(&mut self) -> Option<Session> {
        self.held.take().map(|(session, _)| session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(token: &str) -> Session {
        Session {
            token: token.into(),
            user_id: 5,
            user: None,
        }
    }

    fn token(demand: Demand) -> Option<String> {
        match demand {
            Demand::Use(session) => Some(session.token),
            Demand::LogIn | Demand::Refused(_) => None,
        }
    }

    #[test]
    fn every_use_prolongs_the_token_and_idling_ends_it() {
        let start = Instant::now();
        let hour = Duration::from_secs(3600);
        let mut state = SessionState::default();
        state.logged_in(start, session("a"));
        state.used(start + hour, "a");
        assert_eq!(
            token(state.demand(start + 2 * hour + hour / 2, None)),
            Some("a".into())
        );
        assert_eq!(token(state.demand(start + 3 * hour, None)), None);
    }

    #[test]
    fn a_rejected_token_is_dropped_only_while_it_is_the_held_one() {
        let now = Instant::now();
        let mut state = SessionState::default();
        state.logged_in(now, session("new"));
        assert_eq!(token(state.demand(now, Some("old"))), Some("new".into()));
        assert!(matches!(state.demand(now, Some("new")), Demand::LogIn));
    }

    #[test]
    fn a_refused_login_is_not_repeated_for_half_a_minute() {
        let now = Instant::now();
        let mut state = SessionState::default();
        state.login_failed(now, &RestError::Unauthorised("wrong".into()));
        assert!(matches!(
            state.demand(now + Duration::from_secs(29), None),
            Demand::Refused(_)
        ));
        assert!(matches!(
            state.demand(now + Duration::from_secs(30), None),
            Demand::LogIn
        ));
    }

    #[test]
    fn a_login_lost_to_the_network_may_be_repeated_at_once() {
        let now = Instant::now();
        let mut state = SessionState::default();
        state.login_failed(now, &RestError::Server(503));
        assert!(matches!(state.demand(now, None), Demand::LogIn));
    }
}
