//! Signals to one participant, in the order given, through the ups and downs of the chat.
//!
//! A chat connection that is lost in mid-call takes nothing with it: what is worth sending later
//! waits for the next one, a rejection goes by REST (PC-11), and media does not notice.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::call::exchange::UserInfo;
use crate::chat::{ConnectionStatus, SendError};
use crate::engine::chat::ChatLine;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, Candidate, SignalKind};
use crate::rest::RestClient;

/// Before the chat client is looked up again, which a restarted chat actor has made anew.
const NEW_CLIENT: Duration = Duration::from_millis(200);

/// A signal with its variable parts.
pub(super) struct Outgoing {
    pub kind: SignalKind,
    pub sdp: Option<String>,
    pub candidates: Vec<Candidate>,
    pub user_info: UserInfo,
    /// Everybody called, where that differs from what the participant was told first.
    pub opponents: Option<Vec<UserId>>,
}

impl Outgoing {
    pub fn plain(kind: SignalKind) -> Self {
        Self {
            kind,
            sdp: None,
            candidates: Vec::new(),
            user_info: UserInfo::new(),
            opponents: None,
        }
    }

    pub fn saying(kind: SignalKind, user_info: UserInfo) -> Self {
        Self {
            user_info,
            ..Self::plain(kind)
        }
    }

    pub fn with_sdp(kind: SignalKind, sdp: String) -> Self {
        Self {
            sdp: Some(sdp),
            ..Self::plain(kind)
        }
    }

    /// With what every signal of the call carries. ICE restarts carry the session's id alone
    /// (wire reference C.1).
    fn complete(self, envelope: &CallSignal) -> CallSignal {
        let is_bare = matches!(
            self.kind,
            SignalKind::IceRestart | SignalKind::IceRestartAccept
        );
        CallSignal {
            kind: self.kind,
            sdp: self.sdp,
            candidates: self.candidates,
            user_info: self.user_info,
            caller_id: envelope.caller_id.filter(|_| !is_bare),
            opponents: self.opponents.unwrap_or_else(|| envelope.opponents.clone()),
            ..envelope.clone()
        }
    }
}

/// Where signals to one participant are put. Dropping it lets those already put go out.
#[derive(Clone)]
pub(super) struct Outlet {
    queue: mpsc::UnboundedSender<Outgoing>,
}

/// What an outlet sends with.
#[derive(Clone)]
pub(super) struct Line {
    pub chat: ChatLine,
    pub rest: RestClient,
    /// How long a signal is worth sending: as long as the other side waits for a lost one.
    pub patience: Duration,
}

impl Outlet {
    /// Must be called in an actix system. `envelope` is what every signal of the call carries.
    pub fn open(line: Line, to: UserId, envelope: CallSignal) -> Self {
        // Some dozens in the life of a call, bounded by the session's limits.
        let (queue, mut waiting) = mpsc::unbounded_channel::<Outgoing>();
        actix::spawn(async move {
            while let Some(signal) = waiting.recv().await {
                deliver(&line, to, signal.complete(&envelope)).await;
            }
        });
        Self { queue }
    }

    pub fn send(&self, signal: Outgoing) {
        // The task ends with the last sender only.
        let _ = self.queue.send(signal);
    }
}

async fn deliver(line: &Line, to: UserId, signal: CallSignal) {
    let expires = Instant::now() + line.patience;
    let kind = signal.kind;
    loop {
        let client = line.chat.client();
        let Err(error) = client.signal(to, &signal).await else {
            tracing::debug!(
                to,
                call = signal.session_id,
                kind = kind.name(),
                "a signal goes"
            );
            return;
        };
        let later = matches!(error, SendError::Offline | SendError::Busy);
        if later && kind == SignalKind::Reject {
            return reject_by_rest(line, to, &signal).await;
        }
        // An invitation is repeated anyway, with candidates found meanwhile.
        if !later || kind == SignalKind::Call || Instant::now() >= expires {
            tracing::warn!(to, call = signal.session_id, kind = kind.name(), %error, "signal not sent");
            return;
        }
        let mut status = client.watch_status();
        let is_news = |now: &ConnectionStatus| {
            matches!(
                now,
                ConnectionStatus::Online { .. } | ConnectionStatus::Closed
            )
        };
        let left = expires.saturating_duration_since(Instant::now());
        // Neither a time-out nor a client that is gone says more than the next try will.
        let _ = tokio::time::timeout(left, status.wait_for(is_news)).await;
        if !matches!(*status.borrow(), ConnectionStatus::Online { .. }) || error_is_busy(&error) {
            tokio::time::sleep(NEW_CLIENT.min(left)).await;
        }
    }
}

fn error_is_busy(error: &SendError) -> bool {
    matches!(error, SendError::Busy)
}

async fn reject_by_rest(line: &Line, to: UserId, signal: &CallSignal) {
    let told = line
        .rest
        .reject_call(&signal.session_id, to, &signal.user_info)
        .await;
    match told {
        Ok(()) => tracing::info!(to, call = signal.session_id, "rejected by REST"),
        // The caller's own timer ends its call.
        Err(error) => tracing::warn!(to, call = signal.session_id, %error, "not rejected"),
    }
}
