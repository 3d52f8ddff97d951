//! One connection at a time per upload: a later one ends the earlier, because after a cut the
//! earlier is a dead line that has not noticed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::FileError;

#[derive(Default)]
struct Line {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// Ends whoever came last.
    last: CancellationToken,
}

/// The uploads somebody works on.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Line>>>);

/// The right to work on one upload.
pub(super) struct Turn {
    uid: String,
    lines: Turns,
    ended: CancellationToken,
    _held: OwnedMutexGuard<()>,
}

impl Turns {
    /// Ends who works on the upload, and waits until it has let go.
    pub(super) async fn take(&self, uid: &str) -> Result<Turn, FileError> {
        let ended = CancellationToken::new();
        let lock = {
            let mut lines = self.0.lock();
            let line = lines.entry(uid.to_owned()).or_default();
            line.last.cancel();
            line.last = ended.clone();
            Arc::clone(&line.lock)
        };
        let held = lock.lock_owned().await;
        let turn = Turn {
            uid: uid.to_owned(),
            lines: self.clone(),
            ended,
            _held: held,
        };
        if turn.ended.is_cancelled() {
            return Err(FileError::Superseded);
        }
        Ok(turn)
    }
}

impl Turn {
    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    /// Ends when somebody else has come.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Who came last cleans up; if somebody has come since, they will.
        if !self.ended.is_cancelled() {
            self.lines.0.lock().remove(&self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_later_turn_ends_the_earlier_and_waits_for_it() {
        let turns = Turns::default();
        let first = turns.take("a").await.unwrap();
        let later = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take("a").await.map(drop) }
        });
        first.ended().await;
        assert!(!later.is_finished());
        drop(first);
        later.await.unwrap().unwrap();
        assert!(turns.0.lock().is_empty());
    }

    #[tokio::test]
    async fn uploads_do_not_wait_for_each_other() {
        let turns = Turns::default();
        let _first = turns.take("a").await.unwrap();
        let _other = turns.take("b").await.unwrap();
    }
}
