//! Who may call this device, and what becomes of the call: a decision from what is known, without
//! asking anybody.

use std::time::Duration;

use super::end::EndReason;

/// What of this device a caller gets whose call is answered by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerMedia {
    /// Picture and sound, as far as the call has them.
    Video,
    /// Sound alone.
    Audio,
    /// Nothing: this device only listens.
    ListenOnly,
    /// Nothing until somebody here lets the caller in.
    Knock,
}

impl AnswerMedia {
    /// The name in the configuration and in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::ListenOnly => "listen_only",
            Self::Knock => "knock",
        }
    }
}

/// What becomes of a second call, or of the bell during a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyPolicy {
    /// It is refused.
    Reject,
    /// It waits for the first to end.
    Wait,
    /// It takes the place of the first.
    Replace,
}

/// What the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether those who may not call hear nothing at all.
    pub is_refused_silently: bool,
    /// How long a call rings before it is answered by itself.
    pub auto_answer_after: Duration,
    /// What its caller then gets.
    pub auto_answer_media: AnswerMedia,
    /// A call during another.
    pub busy: BusyPolicy,
}

/// What the lists say about the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// May call.
    pub is_allowed: bool,
    /// Calls are answered by themselves.
    pub is_auto_answered: bool,
    /// Gets through quiet hours and do-not-disturb.
    pub gets_through: bool,
}

/// How things are at the moment of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Another call is open, ringing or answered.
    pub is_busy: bool,
    /// Somebody asked not to be disturbed.
    pub is_dnd: bool,
    /// The quiet hours' schedule holds.
    pub is_quiet_hours: bool,
    /// Automatic answers are switched off.
    pub is_auto_answer_off: bool,
    /// This caller was refused too often in too short a time.
    pub is_flood: bool,
}

/// What to do about the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let it ring.
    Ring {
        /// End the open calls first.
        replaces: bool,
    },
    /// Let it ring for a while, then answer it.
    AutoAnswer {
        /// How long.
        after: Duration,
        /// What the caller gets.
        media: AnswerMedia,
        /// End the open calls first.
        replaces: bool,
    },
    /// Decline, telling why.
    Refuse(Refusal),
    /// Say nothing.
    Ignore(Refusal),
}

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not on the list of those who may call.
    NotAllowed,
    /// Somebody asked not to be disturbed.
    DoNotDisturb,
    /// At these hours calls do not ring.
    QuietHours,
    /// In another call.
    Busy,
    /// Refused too often already.
    TooOften,
}

impl Refusal {
    /// The name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::DoNotDisturb => "do_not_disturb",
            Self::QuietHours => "quiet_hours",
            Self::Busy => "busy",
            Self::TooOften => "too_often",
        }
    }

    /// What the caller is told. A stranger learns no more than that the call is declined.
    pub fn told(self) -> EndReason {
        match self {
            Self::NotAllowed | Self::TooOften => EndReason::Rejected,
            Self::DoNotDisturb | Self::QuietHours => EndReason::DoNotDisturb,
            Self::Busy => EndReason::Busy,
        }
    }
}

/// Decides about a call. The lists come first, then the quiet, then the open call.
pub fn decide(rules: &Rules, caller: Caller, present: Present) -> Decision {
    if present.is_flood {
        return Decision::Ignore(Refusal::TooOften);
    }
    if !caller.is_allowed {
        return if rules.is_refused_silently {
            Decision::Ignore(Refusal::NotAllowed)
        } else {
            Decision::Refuse(Refusal::NotAllowed)
        };
    }
    if !caller.gets_through {
        if present.is_dnd {
            return Decision::Refuse(Refusal::DoNotDisturb);
        }
        if present.is_quiet_hours {
            return Decision::Refuse(Refusal::QuietHours);
        }
    }
    let replaces = match (present.is_busy, rules.busy) {
        (false, _) => false,
        (true, BusyPolicy::Reject) => return Decision::Refuse(Refusal::Busy),
        // Nobody drops in on a conversation: it rings, and waits.
        (true, BusyPolicy::Wait) => return Decision::Ring { replaces: false },
        (true, BusyPolicy::Replace) => true,
    };
    if caller.is_auto_answered && !present.is_auto_answer_off {
        return Decision::AutoAnswer {
            after: rules.auto_answer_after,
            media: rules.auto_answer_media,
            replaces,
        };
    }
    Decision::Ring { replaces }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
