//! The connection a ring goes out by.

use std::time::Duration;

use crate::engine::board::Board;
use crate::engine::state::ChatStatus;

/// How long a press waits for it. With the time dialling may take, whoever pressed by command is
/// answered in time.
const LIMIT: Duration = Duration::from_secs(6);

/// Waits while the connection is being made: right after a start, after the network changed, or
/// when a part of this program comes back.
/// Who pressed stands at the door and would have to know to press once more. One that is not made
/// in time, or is refused, is the ring's own trouble.
pub(super) async fn up(board: &Board) {
    let mut states = board.watch();
    let settled = states.wait_for(|state| {
        matches!(
            state.chat.status,
            ChatStatus::Online | ChatStatus::Refused | ChatStatus::Displaced
        )
    });
    // Late or over: the ring finds out by itself.
    let _ = tokio::time::timeout(LIMIT, settled).await;
}
