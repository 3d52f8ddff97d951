//! The media of one call: a task that performs its operations strictly in order, because an
//! answer must leave before the candidates that belong to it.
//!
//! The `Calls` actor queues operations and hears the news; packets never pass here.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Calls;
use super::messages::{FromLeg, LegNews};
use crate::call::policy::AnswerMedia;
use crate::engine::chat::ChatLine;
use crate::engine::mailbox::Slot;
use crate::media::peer::{Peer, PeerError, PeerEvent, PeerSettings, PeerStats, TrackKind};
use crate::media::{AudioFanout, VideoFanout};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, Candidate, SignalKind};

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
    Send(OutgoingSignal),
    /// Send `call` with the current local description.
    SendCall,
    /// Callee: keep the newest offer until it is answered.
    RemoteOffer(String),
    /// Callee: answer the offer and send `accept`.
    SendAccept,
    /// Caller, or the side that restarted ICE: take the answer.
    RemoteAnswer(String),
    /// Take candidates.
    RemoteCandidates(Vec<Candidate>),
    /// Answer an ICE restart.
    AnswerRestart(String),
    /// Let the other side have so much of this device.
    Give(AnswerMedia),
}

/// A signal with its variable parts; the envelope is filled in by `Calls`.
pub(super) struct OutgoingSignal {
    pub kind: SignalKind,
    pub candidates: Vec<Candidate>,
    pub user_info: std::collections::BTreeMap<String, String>,
}

impl OutgoingSignal {
    pub fn plain(kind: SignalKind) -> Self {
        Self {
            kind,
            candidates: Vec::new(),
            user_info: Default::default(),
        }
    }
}

/// Sends the signals of one call to the other side, in the order given.
pub(super) struct Outlet {
    pub chat: ChatLine,
    pub to: UserId,
    /// What every signal of the call carries.
    pub envelope: CallSignal,
    /// Our name, told with the invitation.
    pub name: String,
    /// Who is at the door, told with the invitation once taken.
    pub picture: Option<String>,
}

impl Outlet {
    async fn send(&self, signal: OutgoingSignal, sdp: Option<String>) {
        let kind = signal.kind;
        let mut message = CallSignal {
            kind,
            sdp,
            ..self.envelope.clone()
        };
        message.candidates = signal.candidates;
        message.user_info = signal.user_info;
        if kind == SignalKind::Call {
            let info = &mut message.user_info;
            info.insert("name".to_owned(), self.name.clone());
            if let Some(picture) = &self.picture {
                info.insert("snapshot".to_owned(), picture.clone());
            }
        }
        // A lost invitation is repeated, and the session's timers notice anything else.
        if let Err(error) = self.chat.client().signal(self.to, &message).await {
            tracing::warn!(to = self.to, kind = kind.name(), %error, "signal not sent");
        }
    }
}

/// What a leg needs.
pub(super) struct LegParts {
    pub call: String,
    /// Whether the leg begins by making an offer.
    pub is_caller: bool,
    pub settings: PeerSettings,
    pub video: VideoFanout,
    pub audio: AudioFanout,
    pub calls: Slot<Calls>,
    pub outlet: Outlet,
    /// What of this device the other side gets.
    pub gives: AnswerMedia,
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

    pub fn stats(&self) -> Option<PeerStats> {
        self.peer.borrow().as_ref().map(Peer::stats)
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
        is_caller,
        settings,
        video,
        audio,
        calls,
        mut outlet,
        gives,
    } = parts;
    let is_video = settings.call_type == CallType::Video;
    let tell = |news: LegNews| {
        // An absent actor has dropped its legs; the closed queue ends this one next.
        let _ = calls.tell(FromLeg {
            call: call.clone(),
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
    give(&peer, gives);
    ready.send_replace(Some(peer.clone()));
    let unusable = |error: PeerError| {
        tracing::warn!(call, %error, "media cannot use this");
        tell(LegNews::Unusable(error.to_string()));
    };
    if is_caller {
        let offer = make_offer(&peer, &mut news, &tell);
        let (offered, taken) = tokio::join!(offer, async {
            if is_video {
                picture(&video).await
            } else {
                None
            }
        });
        outlet.picture = taken;
        match offered {
            Ok(()) => tell(LegNews::OfferReady),
            Err(error) => unusable(error),
        }
    }
    let mut remote_offer = None;
    loop {
        tokio::select! {
            event = news.recv() => match event {
                Some(event) => tell(LegNews::Peer(event)),
                None => break,
            },
            operation = queue.recv() => {
                let Some(operation) = operation else { break };
                if let Err(error) = perform(&peer, operation, &mut remote_offer, &outlet).await {
                    unusable(error);
                }
            }
        }
    }
    ready.send_replace(None);
    peer.close().await;
}

/// Before anything is sent, so that nobody sees a room who is to hear it alone.
fn give(peer: &Peer, what: AnswerMedia) {
    let (sound, pictures) = match what {
        AnswerMedia::Video => (true, true),
        AnswerMedia::Audio => (true, false),
        AnswerMedia::ListenOnly | AnswerMedia::Knock => (false, false),
    };
    peer.set_muted(TrackKind::Audio, !sound);
    peer.set_muted(TrackKind::Video, !pictures);
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

async fn perform(
    peer: &Peer,
    operation: LegOperation,
    remote_offer: &mut Option<String>,
    outlet: &Outlet,
) -> Result<(), PeerError> {
    match operation {
        LegOperation::Send(signal) => outlet.send(signal, None).await,
        LegOperation::SendCall => {
            let sdp = peer.local_sdp().await;
            outlet
                .send(OutgoingSignal::plain(SignalKind::Call), sdp)
                .await;
        }
        LegOperation::RemoteOffer(sdp) => *remote_offer = Some(sdp),
        LegOperation::SendAccept => {
            let offer = remote_offer.take().ok_or(PeerError::NoOffer)?;
            let answer = peer.accept_offer(&offer).await?;
            outlet
                .send(OutgoingSignal::plain(SignalKind::Accept), Some(answer))
                .await;
        }
        LegOperation::Give(what) => give(peer, what),
        LegOperation::RemoteAnswer(sdp) => peer.set_answer(&sdp).await?,
        LegOperation::RemoteCandidates(candidates) => peer.add_candidates(&candidates).await,
        LegOperation::AnswerRestart(sdp) => {
            let answer = peer.accept_offer(&sdp).await?;
            outlet
                .send(
                    OutgoingSignal::plain(SignalKind::IceRestartAccept),
                    Some(answer),
                )
                .await;
        }
    }
    Ok(())
}
