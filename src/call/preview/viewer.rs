//! The side that rings: asks for the picture of who calls, one at a time.

use std::time::{Duration, Instant};

use super::door::Request;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::Candidate;

/// How long the answer and the connection may take before it is given up; the call rings on.
pub const LIMIT: Duration = Duration::from_secs(10);

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A call rings whose caller has a preview on offer. The request's user is the caller.
    Rings(Request),
    /// A call rings no more.
    RingsNoMore(String),
    /// The caller answers.
    Answered(Request, String),
    /// The caller refuses.
    Refused(Request),
    /// The caller's candidates.
    Candidates(Request, Vec<Candidate>),
    /// The caller ends it.
    Ended(Request),
    /// A picture is on the screen.
    Seen(Request),
    /// The connection cannot be made, or is lost.
    Lost(Request),
    /// Time has passed.
    Tick,
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Make a connection and send its offer. Closed by exactly one [`Output::Close`].
    Open(Request),
    /// Give the answer to the connection.
    Answer(Request, String),
    /// Give candidates to the connection.
    Candidates(Request, Vec<Candidate>),
    /// The first picture is on the screen.
    Shown(Request),
    /// Free the connection.
    Close {
        /// Which.
        request: Request,
        /// Whether the caller does not know and is to be told.
        is_told: bool,
    },
}

#[derive(Debug)]
struct Watching {
    request: Request,
    is_answered: bool,
    /// When it is given up, until there is a picture.
    until: Option<Instant>,
}

/// What is being looked at, if anything.
#[derive(Debug, Default)]
pub struct Viewer(Option<Watching>);

impl Viewer {
    /// What is being looked at: the session and the caller.
    pub fn watching(&self) -> Option<(&str, UserId)> {
        let request = &self.0.as_ref()?.request;
        Some((&request.call, request.user))
    }

    /// When [`Input::Tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.until
    }

    /// Feeds one input; performs nothing. Whatever belongs to another request, or comes from
    /// another user, is passed over.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match (input, &mut self.0) {
            (Input::Rings(request), watching @ None) => {
                *watching = Some(Watching {
                    request: request.clone(),
                    is_answered: false,
                    until: Some(now + LIMIT),
                });
                vec![Output::Open(request)]
            }
            (Input::Answered(request, answer), Some(one))
                if one.request == request && !one.is_answered =>
            {
                one.is_answered = true;
                vec![Output::Answer(request, answer)]
            }
            (Input::Candidates(request, candidates), Some(one)) if one.request == request => {
                vec![Output::Candidates(request, candidates)]
            }
            (Input::Seen(request), Some(one)) if one.request == request => match one.until.take() {
                Some(_) => vec![Output::Shown(request)],
                None => Vec::new(),
            },
            (Input::RingsNoMore(call), Some(one)) if one.request.call == call => self.close(false),
            (Input::Refused(request) | Input::Ended(request), Some(one))
                if one.request == request =>
            {
                self.close(false)
            }
            (Input::Lost(request), Some(one)) if one.request == request => self.close(true),
            (Input::Tick, Some(one)) if one.until.is_some_and(|until| until <= now) => {
                self.close(true)
            }
            _ => Vec::new(),
        }
    }

    fn close(&mut self, is_told: bool) -> Vec<Output> {
        let closed = self.0.take().map(|one| Output::Close {
            request: one.request,
            is_told,
        });
        closed.into_iter().collect()
    }
}
