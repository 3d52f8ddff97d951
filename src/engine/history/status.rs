//! What the state says about the history, and what is done when its file fails.

use super::super::state::HistoryStatus;
use super::super::wiring::Wiring;
use super::sync::SyncError;
use crate::store::StoreError;

/// The file is open.
pub(super) fn opened(wiring: &Wiring) {
    let aside = wiring.history.set_aside();
    wiring.board.update(|state| {
        state.chat.history.status = HistoryStatus::Behind;
        state.chat.history.reason = aside.map(|file| {
            format!(
                "the history was damaged and is kept as {}",
                file.file_name().unwrap_or_default().to_string_lossy()
            )
        });
    });
}

/// Everything the server has is here.
pub(super) async fn synchronised(wiring: &Wiring) {
    let now = super::super::event::unix_ms();
    wiring.board.update(|state| {
        state.chat.history.status = HistoryStatus::Current;
        // That a file was set aside stays readable until the next start.
        if wiring.history.set_aside().is_none() {
            state.chat.history.reason = None;
        }
        state.chat.history.synced_at = Some(now);
    });
    show_unread(wiring).await;
}

/// Something of the server's may be missing.
pub(super) async fn behind(wiring: &Wiring, error: SyncError) {
    tracing::warn!(%error, "the history is not synchronised; trying again");
    match error {
        SyncError::Store(error) => failed(wiring, &error).await,
        error => wiring.board.update(|state| {
            state.chat.history.status = HistoryStatus::Behind;
            state.chat.history.reason = Some(error.to_string());
        }),
    }
}

/// The history cannot be written or read. Messages go on without it.
pub(super) async fn failed(wiring: &Wiring, error: &StoreError) {
    tracing::error!(%error, "the history fails");
    let status = match error {
        StoreError::Full { .. } => HistoryStatus::Full,
        _ => HistoryStatus::Failed,
    };
    wiring.board.update(|state| {
        state.chat.history.status = status;
        state.chat.history.reason = Some(error.to_string());
    });
    if matches!(
        error,
        StoreError::Corrupt { .. } | StoreError::Closed { .. }
    ) {
        let history = wiring.history.clone();
        history.close();
        // Opening checks the whole file.
        let reopened = tokio::task::spawn_blocking(move || history.reopen()).await;
        match reopened {
            Ok(Ok(())) => {
                opened(wiring);
                wiring.history_queue.nudge();
            }
            outcome => tracing::error!(?outcome, "the history cannot be opened again"),
        }
    }
}

/// Counts what is unread.
pub async fn show_unread(wiring: &Wiring) {
    match wiring.history.unread().await {
        Ok(unread) => wiring.board.update(|state| {
            state.chat.unread = unread.iter().map(|(_, count)| count).sum();
        }),
        Err(error) => tracing::warn!(%error, "unread messages cannot be counted"),
    }
}
