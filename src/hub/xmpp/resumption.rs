//! Sessions that outlive their lines (XEP-0198 §5).

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use minidom::Element;
use parking_lot::Mutex;

use super::connection::Line;
use super::router::Connection;
use super::{stream, undelivered};
use crate::hub::auth::secret;
use crate::hub::site::Site;
use crate::protocol::address::UserId;
use crate::protocol::stream_management::Nonza;

/// Letters of a session's name: some 190 random bits.
const NAME: usize = 32;
/// How long what came in on the old line may take to be dealt with. A commit takes milliseconds.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// The sessions that can be resumed.
#[derive(Default)]
pub struct Resumptions {
    by_name: Mutex<HashMap<String, Weak<Connection>>>,
}

impl Resumptions {
    /// Makes a session resumable, and returns the name under which it is.
    pub fn enter(&self, connection: &Arc<Connection>) -> String {
        let name = secret::random_text(NAME);
        let weak = Arc::downgrade(connection);
        self.by_name.lock().insert(name.clone(), weak);
        name
    }

    /// Forgets an ended session.
    pub fn remove(&self, connection: &Arc<Connection>) {
        let ended = Arc::downgrade(connection);
        self.by_name
            .lock()
            .retain(|_, weak| !weak.ptr_eq(&ended) && weak.strong_count() > 0);
    }

    fn find(&self, name: &str, user: UserId) -> Option<Arc<Connection>> {
        let found = self.by_name.lock().get(name)?.upgrade()?;
        // One answer for both, so that nobody learns of other people's sessions.
        (found.user == user).then_some(found)
    }
}

/// Carries out `<resume/>` for a user who has logged in. The session's old line is cut, if it
/// is still there.
///
/// # Errors
/// The `<failed/>` to answer with; the client may bind then.
pub async fn resume(
    site: &Arc<Site>,
    user: UserId,
    request: &Element,
) -> Result<(Arc<Connection>, Line), Element> {
    let failed = |condition: &str, handled| {
        let condition = Some(condition.to_owned());
        Nonza::Failed { handled, condition }.to_element()
    };
    let Ok(Nonza::Resume { previous, handled }) = Nonza::read(request) else {
        return Err(failed("bad-request", None));
    };
    let found = site.resumptions.find(&previous, user);
    let connection = found.ok_or_else(|| failed("item-not-found", None))?;
    let line = connection.attach().await;
    let line = line.ok_or_else(|| failed("item-not-found", Some(connection.handled())))?;
    // What is being stored counts; the client need not send it again.
    if tokio::time::timeout(SETTLE_LIMIT, connection.all_settled())
        .await
        .is_err()
    {
        tracing::warn!(user, "stanzas of a resumed session are not stored yet");
    }
    match connection.resume(previous, handled) {
        Ok(arrived) => {
            undelivered::arrived(site, &connection, &arrived);
            Ok((connection, line))
        }
        Err(error) => {
            tracing::warn!(user, %error, "a session cannot be resumed");
            connection.end("undefined-condition");
            stream::end_session(site, &connection).await;
            Err(failed("item-not-found", Some(connection.handled())))
        }
    }
}

/// Keeps a session whose line is lost until it is resumed, ended, or too old.
pub async fn keep(site: &Arc<Site>, connection: &Arc<Connection>) {
    let resumed = connection.detached();
    let life = Duration::from_secs(site.config.limits.resume_seconds.into());
    let mut wait = life;
    loop {
        tokio::select! {
            () = resumed.cancelled() => return,
            condition = connection.ended() => {
                // A new line may be about to see it, too; ending a session twice does no harm.
                tracing::info!(user = connection.user, condition, "a detached session is ended");
                return stream::end_session(site, connection).await;
            }
            () = tokio::time::sleep(wait) => {}
        }
        // Somebody who resumes it at this moment holds the line.
        if let Some(_line) = connection.try_attach() {
            tracing::info!(user = connection.user, "a session was not resumed in time");
            connection.end("connection-timeout");
            return stream::end_session(site, connection).await;
        }
        wait = SETTLE_LIMIT;
    }
}
