//! How a ring ends, and why steps of it are not taken: the words of events and records.

use super::end::EndReason;
use crate::protocol::address::UserId;

/// Why a step is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its condition is not fulfilled.
    OutOfHours,
    /// Nobody of it is to be disturbed.
    DoNotDisturb,
    /// Nobody of it is connected, and others are.
    Offline,
    /// All of it have declined already.
    Rejected,
    /// It names nobody who is known.
    Nobody,
}

impl SkipReason {
    /// The name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfHours => "out_of_hours",
            Self::DoNotDisturb => "do_not_disturb",
            Self::Offline => "offline",
            Self::Rejected => "rejected",
            Self::Nobody => "nobody",
        }
    }
}

/// Why nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unanswered {
    /// No step was to be taken at this time.
    OutOfHours,
    /// Nobody was to be disturbed.
    DoNotDisturb,
    /// No call could be made.
    Unavailable,
    /// Everybody who could have answered cannot do calls.
    NotSupported,
    /// Everybody was in a call.
    Busy,
    /// Everybody declined.
    Rejected,
    /// It rang, and nobody took it.
    NoAnswer,
}

impl Unanswered {
    /// The name in events and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfHours => "out_of_hours",
            Self::DoNotDisturb => "do_not_disturb",
            Self::Unavailable => "unavailable",
            Self::NotSupported => "not_supported",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
            Self::NoAnswer => "no_answer",
        }
    }

    /// By its name in events and records.
    pub fn by_name(name: &str) -> Option<Self> {
        let all = [
            Self::OutOfHours,
            Self::DoNotDisturb,
            Self::Unavailable,
            Self::NotSupported,
            Self::Busy,
            Self::Rejected,
            Self::NoAnswer,
        ];
        all.into_iter().find(|reason| reason.name() == name)
    }

    pub(super) fn of(reason: EndReason) -> Self {
        match reason {
            EndReason::Busy => Self::Busy,
            EndReason::DoNotDisturb => Self::DoNotDisturb,
            EndReason::NotSupported => Self::NotSupported,
            EndReason::RemoteRejected => Self::Rejected,
            EndReason::NoAnswer => Self::NoAnswer,
            _ => Self::Unavailable,
        }
    }
}

/// Why somebody stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody opened the door, or does not want the bell to ring any more.
    Cancelled,
    /// Somebody ended every call of this device.
    HungUp,
    /// The device is shutting down.
    Shutdown,
    /// A part of this program failed.
    Internal,
}

impl StopReason {
    pub(super) fn end(self) -> EndReason {
        match self {
            Self::Cancelled => EndReason::Cancelled,
            Self::HungUp => EndReason::HungUp,
            Self::Shutdown => EndReason::Shutdown,
            Self::Internal => EndReason::Internal,
        }
    }

    /// The name in events.
    pub fn name(self) -> &'static str {
        self.end().name()
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody took it.
    Answered {
        /// In which step, from 0.
        step: usize,
        /// Who.
        user: UserId,
        /// By which call.
        call: String,
    },
    /// Nobody did.
    Unanswered(Unanswered),
    /// Nobody did, and the visitor may leave a message.
    LeaveMessage(Unanswered),
    /// It was stopped.
    Stopped(StopReason),
}
