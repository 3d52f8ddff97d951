//! The way from the command `reload` to whoever can read the configuration again, a layer above.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::command::{CommandError, ErrorCode};

/// How long reading the file again may take.
const LIMIT: Duration = Duration::from_secs(8);

/// A question to read it again, with the way back.
pub type Reload = oneshot::Sender<Result<Value, CommandError>>;

/// Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Reloading {
    server: Arc<Mutex<Option<mpsc::Sender<Reload>>>>,
}

impl Reloading {
    /// From now on the questions come here.
    pub fn serve(&self) -> mpsc::Receiver<Reload> {
        let (sender, receiver) = mpsc::channel(4);
        *self.server.lock() = Some(sender);
        receiver
    }

    /// Has the configuration read again.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn ask(&self) -> Result<Value, CommandError> {
        let unavailable = |message: &str| CommandError::new(ErrorCode::Unavailable, message);
        let server = self.server.lock().clone();
        let server = server.ok_or_else(|| unavailable("nobody reads the configuration again"))?;
        let (reply, answer) = oneshot::channel();
        server
            .try_send(reply)
            .map_err(|_| unavailable("the configuration is being read already"))?;
        match tokio::time::timeout(LIMIT, answer).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(unavailable("the configuration was not read")),
        }
    }
}
