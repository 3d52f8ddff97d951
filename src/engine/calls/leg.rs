//! The media of one call: a task that performs its operations strictly in order, because an
//! answer must leave before the candidates that belong to it.
//!
//! The `Calls` actor queues operations and hears the news; packets never pass here.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Calls;
use super::messages::{FromLeg, LegNews};
use super::outlet::{Outgoing, Outlet};
use crate::call::exchange::UserInfo;
use crate::engine::mailbox::Slot;
use crate::media::peer::{Peer, PeerError, PeerEvent, PeerSettings, PeerStats};
use crate::media::{AudioFanout, VideoFanout};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallType, Candidate, SignalKind};
use crate::protocol::telephone_event::Digit;

/// How long the first invitation waits for local candidates: host candidates come within a few
/// milliseconds, and a callee that has them with the offer saves a round trip.
const FIRST_CANDIDATES: Duration = Duration::from_millis(40);
/// They come in one burst; so long after the last one the invitation goes out.
const BURST: Duration = Duration::from_millis(5);
/// How long the first invitation waits for the picture of who is at the door. A warm camera has
/// it in less than the candidates take.
const PICTURE_LIMIT: Duration = Duration::from_millis(120);
/// Pixels: enough to know a face on a phone's screen.
const PICTURE_WIDTH: u32 = 320;
/// Bytes of JPEG beyond which the picture is left out: servers bound a stanza at 64 KiB, which
/// the offer and base64 must fit into as well.
const PICTURE_MAX: usize = 24 << 10;

/// Something to do, in the order queued.
pub(super) enum LegOperation {
    /// Send a signal that needs no description.
    Send(Outgoing),
    /// Send `call` with the current local description and these parameters.
    SendCall(UserInfo),
    /// Callee: keep the newest offer until it is answered.
    RemoteOffer(String),
    /// Callee: answer the offer and send `accept`.
    SendAccept,
    /// Callee: send the same `accept` again.
    ResendAccept,
    /// Caller, or the side that restarted ICE: take the answer.
    RemoteAnswer(String),
    /// Take candidates.
    RemoteCandidates(Vec<Candidate>),
    /// Make an offer with fresh ICE credentials and send `iceRestart`.
    RestartIce,
    /// Answer an ICE restart.
    AnswerRestart(String),
}

/// What a leg needs.
pub(super) struct LegParts {
    pub call: String,
    /// With whom.
    pub with: UserId,
    /// Whether the leg begins by making an offer.
    pub offers: bool,
    /// Whether the invitation brings a picture of the camera.
    pub shows_picture: bool,
    pub settings: PeerSettings,
    pub video: VideoFanout,
    pub audio: AudioFanout,
    pub calls: Slot<Calls>,
    pub outlet: Outlet,
}

/// The queue of a running leg. Dropping it closes the peer connection.
pub(super) struct Leg {
    operations: mpsc::UnboundedSender<LegOperation>,
    peer: tokio::sync::watch::Receiver<Option<Peer>>,
}

impl Leg {
    pub fn start(parts: LegParts) -> Self {
        // A call queues some dozens of operations in its life, bounded by the session's limits.
        let (operations, queue) = mpsc::unbounded_channel();
        let (ready, peer) = tokio::sync::watch::channel(None);
        actix::spawn(run(parts, queue, ready));
        Self { operations, peer }
    }

    pub fn queue(&self, operation: LegOperation) {
        // A leg that ended by itself has told so in its news.
        let _ = self.operations.send(operation);
    }

    /// Does something to the peer connection as soon as it exists.
    pub fn with_peer(&self, act: impl FnOnce(&Peer) + 'static) {
        if let Some(peer) = self.peer.borrow().as_ref() {
            return act(peer);
        }
        let mut peer = self.peer.clone();
        actix::spawn(async move {
            // An error means that the leg ended without one.
            if let Ok(peer) = peer.wait_for(Option::is_some).await
                && let Some(peer) = peer.as_ref()
            {
                act(peer);
            }
        });
    }

    /// Presses keys of a telephone.
    ///
    /// # Errors
    /// As [`Peer::send_digits`]; of a leg without a connection that nothing was agreed.
    pub fn send_digits(&self, digits: &[Digit]) -> Result<(), PeerError> {
        let peer = self.peer.borrow();
        let peer = peer.as_ref().ok_or(PeerError::NoDigits)?;
        peer.send_digits(digits)
    }

    pub fn stats(&self) -> Option<PeerStats> {
        self.peer.borrow().as_ref().map(Peer::stats)
    }

    /// How loud the participant is at this moment, dBFS.
    pub fn loudness(&self) -> Option<i8> {
        self.peer.borrow().as_ref().map(Peer::loudness)
    }

    /// Pictures received so far, if they are kept.
    pub fn pictures(&self) -> Vec<bytes::Bytes> {
        let frames = self
            .peer
            .borrow()
            .as_ref()
            .map(Peer::last_frames)
            .unwrap_or_default();
        frames.into_iter().map(|frame| frame.jpeg).collect()
    }
}

async fn run(
    parts: LegParts,
    mut queue: mpsc::UnboundedReceiver<LegOperation>,
    ready: tokio::sync::watch::Sender<Option<Peer>>,
) {
    let LegParts {
        call,
        with,
        offers,
        shows_picture,
        settings,
        video,
        audio,
        calls,
        outlet,
    } = parts;
    let shows_picture = shows_picture && settings.call_type == CallType::Video;
    let tell = |news: LegNews| {
        // An absent actor has dropped its legs; the closed queue ends this one next.
        let _ = calls.tell(FromLeg {
            call: call.clone(),
            with,
            news,
        });
    };
    let (events, mut news) = mpsc::unbounded_channel();
    let peer = match Peer::new(settings, video.clone(), audio, events).await {
        Ok(peer) => peer,
        Err(error) => {
            tracing::error!(call, %error, "cannot create the peer connection");
            tell(LegNews::Unusable(error.to_string()));
            return;
        }
    };
    ready.send_replace(Some(peer.clone()));
    let unusable = |error: PeerError| {
        tracing::warn!(call, %error, "media cannot use this");
        tell(LegNews::Unusable(error.to_string()));
    };
    let mut memory = Memory::default();
    if offers {
        let offer = make_offer(&peer, &mut news, &tell);
        let (offered, taken) = tokio::join!(offer, async {
            if shows_picture {
                picture(&video).await
            } else {
                None
            }
        });
        memory.picture = taken;
        match offered {
            Ok(()) => tell(LegNews::OfferReady),
            Err(error) => unusable(error),
        }
    }
    loop {
        tokio::select! {
            event = news.recv() => match event {
                Some(event) => tell(LegNews::Peer(event)),
                None => break,
            },
            operation = queue.recv() => {
                let Some(operation) = operation else { break };
                if let Err(error) = perform(&peer, operation, &mut memory, &outlet).await {
                    unusable(error);
                }
            }
        }
    }
    ready.send_replace(None);
    peer.close().await;
}

/// Makes the offer and passes on the candidates that come at once, so that the invitation's SDP
/// has them.
async fn make_offer(
    peer: &Peer,
    news: &mut mpsc::UnboundedReceiver<PeerEvent>,
    tell: &impl Fn(LegNews),
) -> Result<(), PeerError> {
    peer.create_offer().await?;
    let last = tokio::time::Instant::now() + FIRST_CANDIDATES;
    let mut deadline = last;
    while let Ok(Some(event)) = tokio::time::timeout_at(deadline, news.recv()).await {
        tell(LegNews::Peer(event));
        deadline = last.min(tokio::time::Instant::now() + BURST);
    }
    Ok(())
}

/// Who is at the door, as a `data:` URL the web phone shows while it rings.
async fn picture(video: &VideoFanout) -> Option<String> {
    let jpeg = match video.thumbnail(PICTURE_WIDTH, PICTURE_LIMIT).await {
        Ok(jpeg) if jpeg.len() <= PICTURE_MAX => jpeg,
        Ok(jpeg) => {
            tracing::info!(bytes = jpeg.len(), "picture too large for the invitation");
            return None;
        }
        Err(error) => {
            tracing::info!(%error, "no picture for the invitation");
            return None;
        }
    };
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(jpeg);
    Some(format!("data:image/jpeg;base64,{text}"))
}

/// What a leg keeps from one operation to a later one.
#[derive(Default)]
struct Memory {
    /// Who is at the door, told with the invitation once taken.
    picture: Option<String>,
    remote_offer: Option<String>,
    /// Our answer, should it get lost.
    answer: Option<String>,
}

async fn perform(
    peer: &Peer,
    operation: LegOperation,
    memory: &mut Memory,
    outlet: &Outlet,
) -> Result<(), PeerError> {
    match operation {
        LegOperation::Send(signal) => outlet.send(signal),
        LegOperation::SendCall(mut user_info) => {
            if let Some(picture) = &memory.picture {
                user_info.insert("snapshot".to_owned(), picture.clone());
            }
            outlet.send(Outgoing {
                sdp: peer.local_sdp().await,
                ..Outgoing::saying(SignalKind::Call, user_info)
            });
        }
        LegOperation::RemoteOffer(sdp) => memory.remote_offer = Some(sdp),
        LegOperation::SendAccept => {
            let offer = memory.remote_offer.take().ok_or(PeerError::NoOffer)?;
            let answer = peer.accept_offer(&offer).await?;
            memory.answer = Some(answer.clone());
            outlet.send(Outgoing::with_sdp(SignalKind::Accept, answer));
        }
        LegOperation::ResendAccept => {
            if let Some(answer) = memory.answer.clone() {
                outlet.send(Outgoing::with_sdp(SignalKind::Accept, answer));
            }
        }
        LegOperation::RemoteAnswer(sdp) => peer.set_answer(&sdp).await?,
        LegOperation::RemoteCandidates(candidates) => peer.add_candidates(&candidates).await,
        LegOperation::RestartIce => match peer.restart_ice().await {
            Ok(offer) => outlet.send(Outgoing::with_sdp(SignalKind::IceRestart, offer)),
            // The path may still heal, and there are further tries.
            Err(error) => tracing::warn!(%error, "ICE was not restarted"),
        },
        LegOperation::AnswerRestart(sdp) => match peer.accept_offer(&sdp).await {
            Ok(answer) => outlet.send(Outgoing::with_sdp(SignalKind::IceRestartAccept, answer)),
            // A restart that cannot be used leaves the call as it was.
            Err(error) => tracing::warn!(%error, "an ICE restart was not answered"),
        },
    }
    Ok(())
}
