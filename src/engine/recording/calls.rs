//! When a call begins and ends, for recordings that go with it. Sans-IO.

use super::super::state::{CallStatus, DeviceState};
use crate::protocol::address::UserId;

/// What changed about the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallChange {
    /// Media flows, with these people.
    Began(Vec<UserId>),
    /// It is over, or another has taken its place.
    Ended,
}

/// Remembers the call seen last.
#[derive(Debug, Default)]
pub(super) struct CallWatch {
    call: Option<String>,
}

impl CallWatch {
    /// What the state says that it did not say before.
    pub(super) fn see(&mut self, state: &DeviceState) -> Option<CallChange> {
        let call = &state.call;
        let present = (call.status == CallStatus::Connected)
            .then(|| call.call.clone())
            .flatten();
        if present == self.call {
            return None;
        }
        // Another call in its place is told of when this one's end has been.
        if self.call.take().is_some() {
            return Some(CallChange::Ended);
        }
        self.call = present;
        Some(CallChange::Began(people(state)))
    }

    /// Whether there is a call.
    pub(super) fn is_on(&self) -> bool {
        self.call.is_some()
    }
}

/// Who is in the call besides us.
pub(super) fn people(state: &DeviceState) -> Vec<UserId> {
    let talking = state.call.participants.iter();
    let talking: Vec<UserId> = talking
        .filter(|one| one.status == "connected")
        .map(|one| one.user)
        .collect();
    match talking.is_empty() {
        true => state.call.peer.into_iter().collect(),
        false => talking,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(call: Option<&str>, status: CallStatus) -> DeviceState {
        let mut state = DeviceState::default();
        state.call.call = call.map(str::to_owned);
        state.call.status = status;
        state.call.peer = Some(7);
        state
    }

    #[test]
    fn a_call_begins_when_media_flows_and_ends_once() {
        let mut watch = CallWatch::default();
        assert_eq!(watch.see(&state(Some("a"), CallStatus::Ringing)), None);
        let connected = state(Some("a"), CallStatus::Connected);
        assert_eq!(watch.see(&connected), Some(CallChange::Began(vec![7])));
        assert!(watch.is_on());
        assert_eq!(watch.see(&connected), None);
        let idle = state(None, CallStatus::Idle);
        assert_eq!(watch.see(&idle), Some(CallChange::Ended));
        assert_eq!(watch.see(&idle), None);
    }

    #[test]
    fn a_call_in_the_place_of_another_is_another() {
        let mut watch = CallWatch::default();
        watch.see(&state(Some("a"), CallStatus::Connected));
        let next = state(Some("b"), CallStatus::Connected);
        assert_eq!(watch.see(&next), Some(CallChange::Ended));
        assert_eq!(watch.see(&next), Some(CallChange::Began(vec![7])));
    }
}
