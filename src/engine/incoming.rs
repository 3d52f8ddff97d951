//! The device's policy about calls that come in: the lists of the configuration, what was changed
//! while it runs, and the clock, brought to [`crate::call::policy`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::board::Board;
use super::calls::{Calls, HangUpCalls, Ledger};
use super::event::{EventKind, unix_ms};
use super::live::Live;
use super::mailbox::Slot;
use super::roster::Roster;
use crate::call::end::EndReason;
use crate::call::policy::{AnswerMedia, Caller, Decision, Present, Refusal, Rules, decide};
use crate::call::refusals::Refusals;
use crate::call::verdict::{IncomingPolicy, Invitation, Verdict};
use crate::config::{AudioSink, DeviceConfig};
use crate::protocol::address::UserId;

/// What the callers answered by themselves get, by call, from the verdict to the first media.
#[derive(Clone, Debug, Default)]
pub struct Manners(Arc<Mutex<BTreeMap<String, AnswerMedia>>>);

/// Verdicts remembered; a call takes its own at once.
const MANNERS_MAX: usize = 64;

impl Manners {
    fn set(&self, call: &str, media: AnswerMedia) {
        let mut manners = self.0.lock();
        if manners.len() >= MANNERS_MAX {
            manners.pop_first();
        }
        manners.insert(call.to_owned(), media);
    }

    /// What this call's other side gets; everything unless said otherwise.
    pub fn take(&self, call: &str) -> AnswerMedia {
        self.0.lock().remove(call).unwrap_or(AnswerMedia::Video)
    }
}

/// What the policy looks at.
pub struct DevicePolicy {
    /// Lists and rules.
    pub config: Arc<DeviceConfig>,
    /// Where refusals are told.
    pub board: Board,
    /// Who is on the lists.
    pub roster: Roster,
    /// Do-not-disturb and its like.
    pub live: Live,
    /// Which calls are open.
    pub ledger: Ledger,
    /// Ends calls that are replaced.
    pub calls: Slot<Calls>,
    /// What automatic answers give.
    pub manners: Manners,
    /// Who was refused lately.
    pub refusals: Mutex<Refusals>,
}

impl DevicePolicy {
    fn caller(&self, user: UserId) -> Caller {
        let incoming = &self.config.calls.incoming;
        let is_on = |list: &[_]| self.roster.includes(list, user);
        Caller {
            is_allowed: incoming.allow.is_empty() || is_on(&incoming.allow),
            is_auto_answered: is_on(&incoming.auto_answer),
            gets_through: is_on(&incoming.quiet_except),
        }
    }

    fn present(&self, invitation: &Invitation) -> Present {
        let now = unix_ms();
        let quiet = &self.config.calls.incoming.quiet;
        let schedules = &self.config.schedules;
        let is_quiet_hours = schedules
            .iter()
            .any(|one| quiet.as_ref() == Some(&one.name) && one.holds(now));
        let (is_dnd, is_auto_answer_off) = self
            .live
            .read(|live| (live.is_dnd(now), live.auto_answer_off));
        let refusals = self.refusals.lock();
        Present {
            is_busy: invitation.is_busy,
            is_dnd,
            is_quiet_hours,
            is_auto_answer_off,
            is_flood: refusals.is_flood(Instant::now(), invitation.from),
        }
    }

    fn tell_refusal(&self, invitation: &Invitation, refusal: Refusal) {
        let (call, peer) = (&invitation.call, invitation.from);
        let told = self.refusals.lock().refused(Instant::now(), peer);
        let Some(untold) = told else {
            tracing::debug!(call, peer, reason = refusal.name(), "call refused again");
            return;
        };
        tracing::info!(call, peer, reason = refusal.name(), untold, "call refused");
        self.board.publish(EventKind::CallRefused {
            call: call.clone(),
            peer,
            reason: refusal.name(),
            untold,
        });
    }

    fn make_room(&self, replaces: bool) {
        if replaces {
            // Carried out after the verdict, when the new call rings already; an absent actor has
            // no calls to end.
            let _ = self.calls.tell(HangUpCalls {
                calls: self.ledger.calls(),
                reason: EndReason::Replaced,
            });
        }
    }
}

/// The tone is over before the loudspeaker is needed for the call.
const TONE: Duration = Duration::from_millis(800);

fn answers_after(config: &DeviceConfig) -> Duration {
    let incoming = &config.calls.incoming;
    let notice = if incoming.auto_answer_tone && config.audio.sink != AudioSink::Null {
        TONE
    } else {
        Duration::ZERO
    };
    notice.max(Duration::from_secs(incoming.auto_answer_after_s.into()))
}

impl IncomingPolicy for DevicePolicy {
    fn verdict(&self, invitation: &Invitation) -> Verdict {
        let incoming = &self.config.calls.incoming;
        let rules = Rules {
            is_refused_silently: incoming.is_refused_silently,
            auto_answer_after: answers_after(&self.config),
            auto_answer_media: incoming.auto_answer_media,
            busy: incoming.busy,
        };
        match decide(
            &rules,
            self.caller(invitation.from),
            self.present(invitation),
        ) {
            Decision::Ring { replaces } => {
                self.make_room(replaces);
                Verdict::Ring
            }
            Decision::AutoAnswer {
                after,
                media,
                replaces,
            } => {
                self.make_room(replaces);
                self.manners.set(&invitation.call, media);
                self.board.publish(EventKind::CallAutoAnswer {
                    call: invitation.call.clone(),
                    peer: invitation.from,
                    after_s: after.as_secs(),
                    media: media.name(),
                });
                Verdict::AutoAnswer { after }
            }
            Decision::Refuse(refusal) => {
                self.tell_refusal(invitation, refusal);
                Verdict::Refuse(refusal.told())
            }
            Decision::Ignore(refusal) => {
                self.tell_refusal(invitation, refusal);
                Verdict::Ignore
            }
        }
    }
}
