//! Why a call ended. Every end has exactly one of these, in the call's record, on MQTT and in the
//! `userInfo` told to the other side.

use std::collections::BTreeMap;
use std::fmt;

/// The reason a call is over, from this device's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// This side hung up.
    HungUp,
    /// The other side hung up.
    RemoteHungUp,
    /// This side declined.
    Rejected,
    /// The other side declined.
    RemoteRejected,
    /// The other side is in a call.
    Busy,
    /// The other side does not want to be disturbed.
    DoNotDisturb,
    /// The other side cannot do calls (PC-06).
    NotSupported,
    /// We called and nobody answered in time.
    NoAnswer,
    /// We were called and nobody answered here in time.
    Missed,
    /// The caller gave up before anybody answered here.
    Cancelled,
    /// Another device or another person took it.
    AnsweredElsewhere,
    /// Media was up and is gone for longer than the disconnect timeout.
    ConnectionLost,
    /// Media never came up.
    ConnectFailed,
    /// An offer, an answer or a device could not be used.
    MediaFailed,
    /// Both called each other at once; the other side's call goes on.
    Crossed,
    /// Another call was taken instead.
    Replaced,
    /// Whoever started the call ended it for everybody.
    EndedByCaller,
    /// A part of this program failed.
    Internal,
    /// The device is shutting down.
    Shutdown,
}

const NAMES: [(EndReason, &str); 19] = [
    (EndReason::HungUp, "hung_up"),
    (EndReason::RemoteHungUp, "remote_hung_up"),
    (EndReason::Rejected, "rejected"),
    (EndReason::RemoteRejected, "remote_rejected"),
    (EndReason::Busy, "busy"),
    (EndReason::DoNotDisturb, "do_not_disturb"),
    (EndReason::NotSupported, "not_supported"),
    (EndReason::NoAnswer, "no_answer"),
    (EndReason::Missed, "missed"),
    (EndReason::Cancelled, "cancelled"),
    (EndReason::AnsweredElsewhere, "answered_elsewhere"),
    (EndReason::ConnectionLost, "connection_lost"),
    (EndReason::ConnectFailed, "connect_failed"),
    (EndReason::MediaFailed, "media_failed"),
    (EndReason::Crossed, "crossed"),
    (EndReason::Replaced, "replaced"),
    (EndReason::EndedByCaller, "ended_by_caller"),
    (EndReason::Internal, "internal"),
    (EndReason::Shutdown, "shutdown"),
];

/// The `userInfo` key that carries a reason's name to the other side.
pub const REASON_KEY: &str = "reason";

impl EndReason {
    /// The name in records, on MQTT and on the wire.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(reason, _)| *reason == self)
            .map_or("internal", |(_, name)| name)
    }

    /// The reason of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(reason, _)| *reason)
    }

    /// What the other side is told in `userInfo`.
    pub fn user_info(self) -> BTreeMap<String, String> {
        let mut info = BTreeMap::from([(REASON_KEY.to_owned(), self.name().to_owned())]);
        match self {
            // The keys the vendor's apps look for (PC-05, PC-06).
            Self::Busy => {
                info.insert("busy".to_owned(), "1".to_owned());
            }
            Self::NotSupported => {
                info.insert("not_supported".to_owned(), "1".to_owned());
            }
            _ => {}
        }
        info
    }

    /// What a `reject` of the other side means: `busy` and `not_supported` are the vendor's keys
    /// (PC-05, PC-06), `reason` is ours.
    pub fn of_reject(user_info: &BTreeMap<String, String>) -> Self {
        let is_set = |key: &str| {
            user_info
                .get(key)
                .is_some_and(|value| value == "1" || value == "true")
        };
        if is_set("busy") || user_info.get(REASON_KEY).map(String::as_str) == Some("busy") {
            Self::Busy
        } else if is_set("not_supported") {
            Self::NotSupported
        } else if user_info.get(REASON_KEY).map(String::as_str) == Some("do_not_disturb") {
            Self::DoNotDisturb
        } else {
            Self::RemoteRejected
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = NAMES.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), NAMES.len());
        for (reason, name) in NAMES {
            assert_eq!(reason.name(), name);
            assert_eq!(EndReason::by_name(name), Some(reason));
        }
    }

    #[test]
    fn the_vendors_reject_keys_are_understood() {
        let info = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(EndReason::of_reject(&info("busy", "true")), EndReason::Busy);
        assert_eq!(
            EndReason::of_reject(&info("reason", "busy")),
            EndReason::Busy
        );
        assert_eq!(
            EndReason::of_reject(&info("not_supported", "1")),
            EndReason::NotSupported
        );
        assert_eq!(
            EndReason::of_reject(&info("busy", "false")),
            EndReason::RemoteRejected
        );
        assert_eq!(
            EndReason::of_reject(&BTreeMap::new()),
            EndReason::RemoteRejected
        );
    }
}
