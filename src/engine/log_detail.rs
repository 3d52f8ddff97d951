//! More of calls in the log, for a while.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::board::Board;
use super::command::{CommandError, ErrorCode};
use super::event::unix_ms;
use super::state::LogState;
use crate::base::telemetry::{self, LogDetail, NoLog};

/// The way back to what is normal. Cheap to clone; every clone is the same.
#[derive(Clone, Default)]
pub struct LogDetails(Arc<Mutex<Option<AbortOnDropHandle<()>>>>);

impl LogDetails {
    /// From now on and for so long, then as the program was started.
    ///
    /// # Errors
    /// `unavailable` where the log is not ours, as in a program that has the engine as a library.
    pub fn set(
        &self,
        board: &Board,
        detail: LogDetail,
        lasts: Duration,
    ) -> Result<Value, CommandError> {
        let mut end = self.0.lock();
        telemetry::set_detail(detail).map_err(refused)?;
        let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let until = (detail != LogDetail::Normal).then(|| unix_ms().saturating_add(millis));
        board.update(|state| {
            state.device.log = until.map(|until| LogState { detail, until });
        });
        // An earlier end is none any more.
        *end = until.map(|_| {
            let board = board.clone();
            AbortOnDropHandle::new(tokio::spawn(async move {
                tokio::time::sleep(lasts).await;
                if let Err(error) = telemetry::set_detail(LogDetail::Normal) {
                    tracing::error!(%error, "calls are still logged closely");
                }
                board.update(|state| state.device.log = None);
            }))
        });
        Ok(json!({ "detail": detail, "until": until }))
    }
}

fn refused(error: NoLog) -> CommandError {
    CommandError::new(ErrorCode::Unavailable, error.to_string())
}
