//! The picture before the answer, performed: connections and messages for what
//! `call::preview` decides. Lives inside the `Calls` actor, which knows what rings.
//!
//! Invariant: a connection lives as long as its entry here, and nothing here outlives the ringing.
//! Must not enter: who may look (the configuration's list, asked by `Calls`); how long.

mod link;
mod performing;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use actix::prelude::*;

use self::link::Link;
use super::state::PreviewState;
use super::wiring::Wiring;
use crate::call::preview::door::{self, Request};
use crate::call::preview::viewer::{self, Viewer};
use crate::protocol::address::UserId;
use crate::protocol::preview::{PreviewSignal, Word};
use crate::store::CallPreview;

/// A message about a preview came in over chat.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PreviewArrived {
    /// Who sent it.
    pub from: UserId,
    /// What it says.
    pub signal: PreviewSignal,
}

/// News of a preview's connection.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FromPreview {
    request: Request,
    side: Side,
    news: News,
}

/// Which end of a preview we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Ours is seen.
    Door,
    /// We look.
    Viewer,
}

enum News {
    Connected,
    FirstFrame,
    /// The other side's description is of no use.
    Unusable,
    Lost,
}

/// A connection with what became of it.
struct Live {
    link: Link,
    /// When pictures could flow.
    shown: Option<Instant>,
}

/// Everything about previews at this device.
pub(super) struct Previews {
    wiring: Wiring,
    door: door::Previews,
    shown: BTreeMap<Request, Live>,
    viewer: Viewer,
    seen: Option<Live>,
    /// When the call that is looked at began to ring, and whether its preview has sound.
    rang: Option<(Instant, bool)>,
    /// From the ringing to the first picture, milliseconds.
    first_frame_ms: Option<u64>,
    /// What became of those that are over, by call.
    totals: HashMap<String, CallPreview>,
}

impl Previews {
    /// None.
    pub fn new(wiring: Wiring) -> Self {
        let most = wiring.config.calls.preview.most as usize;
        Self {
            wiring,
            door: door::Previews::new(most),
            shown: BTreeMap::new(),
            viewer: Viewer::default(),
            seen: None,
            rang: None,
            first_frame_ms: None,
            totals: HashMap::new(),
        }
    }

    /// Door: a target is being rung.
    pub fn rings(&mut self, call: &str, user: UserId, is_allowed: bool) {
        self.feed_door(door::Input::Rings {
            call: call.to_owned(),
            user,
            is_allowed,
        });
    }

    /// Door: it is not, any more.
    pub fn rings_no_more(&mut self, call: &str, user: UserId) {
        self.feed_door(door::Input::RingsNoMore {
            call: call.to_owned(),
            user,
        });
    }

    /// A call rings here whose caller has a preview on offer.
    pub fn look(&mut self, call: &str, caller: UserId, has_sound: bool) {
        if self.viewer.watching().is_some() {
            return;
        }
        self.rang = Some((Instant::now(), has_sound));
        self.first_frame_ms = None;
        self.feed_viewer(viewer::Input::Rings(Request {
            call: call.to_owned(),
            user: caller,
            id: uuid::Uuid::new_v4().to_string(),
        }));
    }

    /// It rings no more.
    pub fn look_no_more(&mut self, call: &str) {
        self.feed_viewer(viewer::Input::RingsNoMore(call.to_owned()));
    }

    /// A message of another participant.
    pub fn arrived(&mut self, PreviewArrived { from, signal }: PreviewArrived) {
        let request = Request {
            call: signal.session_id,
            user: from,
            id: signal.request_id,
        };
        match signal.word {
            Word::Ask(offer) => self.feed_door(door::Input::Asked(request, offer)),
            Word::Answer(sdp) => self.feed_viewer(viewer::Input::Answered(request, sdp)),
            Word::Refuse(reason) => {
                tracing::info!(call = request.call, from, reason, "no preview");
                self.feed_viewer(viewer::Input::Refused(request));
            }
            // Both sides send them; each knows its own requests.
            Word::Candidates(candidates) => {
                let (one, same) = (request.clone(), candidates.clone());
                self.feed_door(door::Input::Candidates(one, same));
                self.feed_viewer(viewer::Input::Candidates(request, candidates));
            }
            Word::End(_) => {
                self.feed_door(door::Input::Stopped(request.clone()));
                self.feed_viewer(viewer::Input::Ended(request));
            }
        }
    }

    /// News of a connection.
    pub fn on_news(&mut self, from: FromPreview) {
        let FromPreview {
            request,
            side,
            news,
        } = from;
        match (side, news) {
            (Side::Door, News::Connected) => self.feed_door(door::Input::Connected(request)),
            (Side::Door, News::Unusable) => self.feed_door(door::Input::Unusable(request)),
            (Side::Door, News::Lost) => self.feed_door(door::Input::Lost(request)),
            (Side::Viewer, News::FirstFrame) => self.feed_viewer(viewer::Input::Seen(request)),
            (Side::Viewer, News::Unusable | News::Lost) => {
                self.feed_viewer(viewer::Input::Lost(request));
            }
            (Side::Door, News::FirstFrame) | (Side::Viewer, News::Connected) => {}
        }
    }

    /// When [`Previews::tick`] is next due.
    pub fn deadline(&self) -> Option<Instant> {
        let both = [self.door.deadline(), self.viewer.deadline()];
        both.into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        self.feed_door(door::Input::Tick);
        self.feed_viewer(viewer::Input::Tick);
    }

    /// What became of the previews of a call that is over.
    pub fn take(&mut self, call: &str) -> Option<CallPreview> {
        self.totals.remove(call)
    }

    /// What the world may see of them.
    pub fn state(&self) -> Option<PreviewState> {
        let mut state = PreviewState {
            first_frame_ms: self.first_frame_ms,
            ..PreviewState::default()
        };
        for (request, live) in &self.shown {
            // Several devices of one user look as one.
            if live.shown.is_some() && !state.viewers.contains(&request.user) {
                state.viewers.push(request.user);
            }
            let stats = live.link.stats().unwrap_or_default();
            state.frames_sent += stats.frames_sent;
            state.audio_packets_sent += stats.audio_packets_sent;
        }
        if let Some(live) = &self.seen {
            let stats = live.link.stats().unwrap_or_default();
            state.frames_decoded = stats.frames_decoded;
            state.audio_decoded_ms = stats.audio_decoded_ms;
        }
        (self.seen.is_some() || !self.shown.is_empty()).then_some(state)
    }
}
