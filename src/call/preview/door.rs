//! The door's side: who of those it rings sees the visitor before answering.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::protocol::address::UserId;
use crate::protocol::call_signal::Candidate;

/// How long a preview may take to connect before its place is given to others.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often one target may ask in one session, from all its devices: a page that was loaded anew, a
/// network that changed. Beyond it the door says so once and then nothing.
pub const ASKS_MAX: u32 = 12;
/// Devices of one target that look at once; one more takes the oldest one's place, which is as a
/// rule a page that was loaded anew.
pub const DEVICES_MAX: usize = 3;
/// Candidates taken of one viewer.
pub const CANDIDATES_MAX: usize = 64;

/// One request of one target of one session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// The session.
    pub call: String,
    /// Who asks.
    pub user: UserId,
    /// The asking side's own number of it.
    pub id: String,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A target is being rung from now on.
    Rings {
        /// The session.
        call: String,
        /// The target.
        user: UserId,
        /// Whether it may look.
        is_allowed: bool,
    },
    /// It is not, any more: answered, declined, cancelled, timed out.
    RingsNoMore {
        /// The session.
        call: String,
        /// The target.
        user: UserId,
    },
    /// Somebody asks, with this offer.
    Asked(Request, String),
    /// More ways to reach a viewer.
    Candidates(Request, Vec<Candidate>),
    /// A viewer has seen enough.
    Stopped(Request),
    /// Pictures can flow.
    Connected(Request),
    /// They cannot any more.
    Lost(Request),
    /// The offer is of no use to media.
    Unusable(Request),
    /// Time has passed.
    Tick,
}

/// Why somebody does not get to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Rung, but not on the list.
    NotAllowed,
    /// As many look as may.
    Busy,
    /// Asked too often in one session.
    TooOften,
    /// The offer cannot be used.
    BadOffer,
}

impl Refusal {
    /// The name on the wire and in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Busy => "busy",
            Self::TooOften => "too_often",
            Self::BadOffer => "bad_offer",
        }
    }
}

/// Why a preview is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody rings there any more. The call's own signals tell that.
    RingingOver,
    /// The viewer has seen enough.
    Stopped,
    /// The same target asked anew, and had no further place.
    Replaced,
    /// It never connected.
    NoPath,
    /// The connection was lost.
    Lost,
    /// The offer cannot be used; the refusal tells that.
    BadOffer,
}

impl End {
    /// The name on the wire and in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::RingingOver => "ringing_over",
            Self::Stopped => "stopped",
            Self::Replaced => "replaced",
            Self::NoPath => "no_path",
            Self::Lost => "lost",
            Self::BadOffer => "bad_offer",
        }
    }

    /// Whether the viewer learns it in no other way.
    pub fn is_told(self) -> bool {
        matches!(self, Self::Replaced | Self::NoPath | Self::Lost)
    }
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Make a connection that answers this offer. Closed by exactly one [`Output::Close`].
    Open(Request, String),
    /// Give these candidates to the connection.
    Candidates(Request, Vec<Candidate>),
    /// The first time pictures can flow.
    Shown(Request),
    /// Free the connection.
    Close(Request, End),
    /// Tell that there will be none.
    Refuse(Request, Refusal),
    /// Say nothing; the reason is for the log. A stranger must not learn whom the door rings.
    Ignored(Request, &'static str),
}

#[derive(Debug)]
struct Target {
    is_allowed: bool,
    asks: u32,
    /// One for each of its devices that looks, oldest first.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    request: String,
    /// When it is given up, until it connects.
    connects_by: Option<Instant>,
    candidates: usize,
}

/// Everybody who is being rung, and who of them looks.
#[derive(Debug)]
pub struct Previews {
    most: usize,
    targets: BTreeMap<(String, UserId), Target>,
}

impl Previews {
    /// At most so many at once.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            targets: BTreeMap::new(),
        }
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.targets.values().map(|one| one.open.len()).sum()
    }

    /// When [`Input::Tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        let open = self.targets.values().flat_map(|one| &one.open);
        open.filter_map(|open| open.connects_by).min()
    }

    /// Feeds one input; performs nothing.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Rings {
                call,
                user,
                is_allowed,
            } => {
                self.targets.entry((call, user)).or_insert(Target {
                    is_allowed,
                    asks: 0,
                    open: Vec::new(),
                });
            }
            Input::RingsNoMore { call, user } => {
                let target = self.targets.remove(&(call.clone(), user));
                for open in target.into_iter().flat_map(|target| target.open) {
                    let (call, id) = (call.clone(), open.request);
                    out.push(Output::Close(Request { call, user, id }, End::RingingOver));
                }
            }
            Input::Asked(request, offer) => self.asked(now, request, offer, &mut out),
            Input::Candidates(request, candidates) => {
                if let Some(open) = self.opened(&request) {
                    let room = CANDIDATES_MAX - open.candidates;
                    let taken: Vec<Candidate> = candidates.into_iter().take(room).collect();
                    open.candidates += taken.len();
                    if !taken.is_empty() {
                        out.push(Output::Candidates(request, taken));
                    }
                }
            }
            Input::Connected(request) => {
                if let Some(open) = self.opened(&request)
                    && open.connects_by.take().is_some()
                {
                    out.push(Output::Shown(request));
                }
            }
            Input::Stopped(request) => self.end(&request, End::Stopped, &mut out),
            Input::Lost(request) => self.end(&request, End::Lost, &mut out),
            Input::Unusable(request) => {
                if self.opened(&request).is_some() {
                    self.end(&request, End::BadOffer, &mut out);
                    out.push(Output::Refuse(request, Refusal::BadOffer));
                }
            }
            Input::Tick => {
                for request in self.late(now) {
                    self.end(&request, End::NoPath, &mut out);
                }
            }
        }
        out
    }

    fn asked(&mut self, now: Instant, request: Request, offer: String, out: &mut Vec<Output>) {
        let is_full = self.open() >= self.most;
        let key = (request.call.clone(), request.user);
        let Some(target) = self.targets.get_mut(&key) else {
            out.push(Output::Ignored(request, "not rung in this session"));
            return;
        };
        if target.open.iter().any(|open| open.request == request.id) {
            out.push(Output::Ignored(request, "asked already"));
            return;
        }
        target.asks = target.asks.saturating_add(1);
        let refusal = if target.asks > ASKS_MAX + 1 {
            out.push(Output::Ignored(request, "asked too often"));
            return;
        } else if target.asks > ASKS_MAX {
            Some(Refusal::TooOften)
        } else if !target.is_allowed {
            Some(Refusal::NotAllowed)
        } else if is_full && target.open.is_empty() {
            Some(Refusal::Busy)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            out.push(Output::Refuse(request, refusal));
            return;
        }
        if is_full || target.open.len() >= DEVICES_MAX {
            let oldest = target.open.remove(0);
            let replaced = Request {
                id: oldest.request,
                ..request.clone()
            };
            out.push(Output::Close(replaced, End::Replaced));
        }
        target.open.push(Open {
            request: request.id.clone(),
            connects_by: Some(now + CONNECT_LIMIT),
            candidates: 0,
        });
        out.push(Output::Open(request, offer));
    }

    /// Those that should have connected by now.
    fn late(&self, now: Instant) -> Vec<Request> {
        let all = self.targets.iter().flat_map(|((call, user), target)| {
            target.open.iter().map(move |open| (call, *user, open))
        });
        all.filter(|(_, _, open)| open.connects_by.is_some_and(|by| by <= now))
            .map(|(call, user, open)| Request {
                call: call.clone(),
                user,
                id: open.request.clone(),
            })
            .collect()
    }

    /// The open connection of exactly this request.
    fn opened(&mut self, request: &Request) -> Option<&mut Open> {
        let target = self
            .targets
            .get_mut(&(request.call.clone(), request.user))?;
        target
            .open
            .iter_mut()
            .find(|open| open.request == request.id)
    }

    fn end(&mut self, request: &Request, end: End, out: &mut Vec<Output>) {
        let key = (request.call.clone(), request.user);
        let Some(target) = self.targets.get_mut(&key) else {
            return;
        };
        let before = target.open.len();
        target.open.retain(|open| open.request != request.id);
        if target.open.len() < before {
            out.push(Output::Close(request.clone(), end));
        }
    }
}
