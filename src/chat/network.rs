//! Hearing of changes of the network below the connection (RT-14, RT-20).

use std::time::Duration;

use tokio::sync::watch;

/// One change comes as a burst: link, address, route. The last of it is what a new connection
/// needs.
const SETTLE: Duration = Duration::from_millis(200);

/// Where changes come from; nowhere by default.
#[derive(Default)]
pub(super) struct Network {
    changes: Option<watch::Receiver<u64>>,
}

impl Network {
    pub(super) fn of(changes: watch::Receiver<u64>) -> Self {
        Self {
            changes: Some(changes),
        }
    }

    /// What has changed until now is no news.
    pub(super) fn mark_seen(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.mark_unchanged();
        }
    }

    /// Ready a moment after the next change. May be dropped at any time.
    pub(super) async fn changed(&mut self) {
        let Some(changes) = &mut self.changes else {
            return std::future::pending().await;
        };
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
        // Seen only after the pause, so that nothing is lost with this future.
        changes.mark_changed();
        tokio::time::sleep(SETTLE).await;
        changes.mark_unchanged();
    }
}
