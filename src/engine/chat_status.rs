//! The chat connection's status as the world sees it (RT-10, RT-11).

use super::state::{ChatState, ChatStatus};
use crate::chat::ConnectionStatus;

/// The connection's status as the world sees it; `now_ms` in Unix milliseconds.
pub(super) fn show(chat: &mut ChatState, now: ConnectionStatus, now_ms: u64) {
    let last_reason = chat.reason.take();
    (chat.resumed, chat.retry_at) = (None, None);
    (chat.status, chat.reason) = match now {
        ConnectionStatus::Idle => (ChatStatus::Idle, None),
        // The last failure stays readable while the next try is under way.
        ConnectionStatus::Connecting => (ChatStatus::Connecting, last_reason),
        ConnectionStatus::Authenticated => (ChatStatus::Authenticated, last_reason),
        ConnectionStatus::Online { resumed, .. } => {
            chat.resumed = Some(resumed);
            (ChatStatus::Online, None)
        }
        ConnectionStatus::Offline { reason, retry_in } => {
            let pause = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            chat.retry_at = Some(now_ms.saturating_add(pause));
            (ChatStatus::Reconnecting, Some(reason))
        }
        ConnectionStatus::Refused { reason } => (ChatStatus::Refused, Some(reason)),
        ConnectionStatus::Displaced => {
            let reason = "another connection took over".to_owned();
            (ChatStatus::Displaced, Some(reason))
        }
        ConnectionStatus::Closed => (ChatStatus::Closed, None),
    };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(statuses: Vec<ConnectionStatus>) -> ChatState {
        let mut chat = ChatState::default();
        for status in statuses {
            show(&mut chat, status, 1_000);
        }
        chat
    }

    fn offline() -> ConnectionStatus {
        ConnectionStatus::Offline {
            reason: "the line is cut".into(),
            retry_in: Duration::from_millis(500),
        }
    }

    #[test]
    fn a_lost_connection_says_why_and_when_the_next_try_is() {
        let chat = shown(vec![offline()]);
        assert_eq!(chat.status, ChatStatus::Reconnecting);
        assert_eq!(chat.reason.as_deref(), Some("the line is cut"));
        assert_eq!(chat.retry_at, Some(1_500));
    }

    #[test]
    fn the_reason_outlives_the_pause_but_not_the_next_connection() {
        let chat = shown(vec![offline(), ConnectionStatus::Connecting]);
        assert_eq!(chat.status, ChatStatus::Connecting);
        assert_eq!(chat.reason.as_deref(), Some("the line is cut"));
        assert_eq!(chat.retry_at, None);
        let chat = shown(vec![
            offline(),
            ConnectionStatus::Authenticated,
            ConnectionStatus::Online {
                user: 7,
                resumed: true,
            },
        ]);
        assert_eq!((chat.status, chat.reason), (ChatStatus::Online, None));
        assert_eq!(chat.resumed, Some(true));
    }

    #[test]
    fn only_an_online_connection_is_new_or_resumed() {
        let online = ConnectionStatus::Online {
            user: 7,
            resumed: false,
        };
        assert_eq!(shown(vec![online.clone()]).resumed, Some(false));
        for end in [
            offline(),
            ConnectionStatus::Displaced,
            ConnectionStatus::Closed,
        ] {
            assert_eq!(shown(vec![online.clone(), end]).resumed, None);
        }
    }
}
