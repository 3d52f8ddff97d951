//! The connection of one preview: a task that makes it, sends its description and candidates, and
//! tells how it fares. Dropping the handle ends both.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{FromPreview, News, Side};
use crate::call::preview::door::Request;
use crate::chat::SendError;
use crate::engine::calls::Calls;
use crate::engine::chat::ChatLine;
use crate::engine::mailbox::Slot;
use crate::media::peer::{Peer, PeerError, PeerEvent, PeerSettings, PeerStats};
use crate::media::{AudioFanout, VideoFanout};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::Candidate;
use crate::protocol::preview::{PreviewSignal, Word};

/// How long the first description waits for local candidates, so that nothing of a LAN has to
/// follow it.
const FIRST_CANDIDATES: Duration = Duration::from_millis(40);
/// They come in one burst; so long after the last one the description goes out.
const BURST: Duration = Duration::from_millis(5);
/// Later ones come singly and go out together.
const BATCH: Duration = Duration::from_millis(50);

pub(super) struct LinkParts {
    pub request: Request,
    pub side: Side,
    /// What a door answers. A viewer makes one.
    pub offer: Option<String>,
    pub settings: PeerSettings,
    pub video: VideoFanout,
    pub audio: AudioFanout,
    pub calls: Slot<Calls>,
    pub chat: ChatLine,
}

enum Operation {
    Answer(String),
    Candidates(Vec<Candidate>),
}

/// The handle.
pub(super) struct Link {
    operations: mpsc::UnboundedSender<Operation>,
    peer: watch::Receiver<Option<Peer>>,
}

impl Link {
    pub fn start(parts: LinkParts) -> Self {
        // A few in the life of a preview, bounded by the state machines.
        let (operations, queue) = mpsc::unbounded_channel();
        let (ready, peer) = watch::channel(None);
        actix::spawn(run(parts, queue, ready));
        Self { operations, peer }
    }

    pub fn answer(&self, sdp: String) {
        // A task that ended by itself has told so in its news.
        let _ = self.operations.send(Operation::Answer(sdp));
    }

    pub fn candidates(&self, candidates: Vec<Candidate>) {
        let _ = self.operations.send(Operation::Candidates(candidates));
    }

    pub fn stats(&self) -> Option<PeerStats> {
        self.peer.borrow().as_ref().map(Peer::stats)
    }
}

pub(super) async fn send(
    chat: &ChatLine,
    to: UserId,
    signal: &PreviewSignal,
) -> Result<(), SendError> {
    let params = signal.params();
    let params: Vec<(&str, &str)> = params
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    chat.client().system(to, &params).await.map(drop)
}

async fn run(
    parts: LinkParts,
    mut queue: mpsc::UnboundedReceiver<Operation>,
    ready: watch::Sender<Option<Peer>>,
) {
    let LinkParts {
        request,
        side,
        offer,
        settings,
        video,
        audio,
        calls,
        chat,
    } = parts;
    let line = Line {
        request,
        side,
        calls,
        chat,
    };
    let (events, mut happening) = mpsc::unbounded_channel();
    let peer = match Peer::new(settings, video, audio, events).await {
        Ok(peer) => peer,
        Err(error) => {
            tracing::error!(%error, "a preview's connection cannot be made");
            return line.tell(News::Lost);
        }
    };
    ready.send_replace(Some(peer.clone()));
    match first_description(&peer, offer, &mut happening, &line).await {
        // Nobody wants it any more.
        Ok(_) if queue.is_closed() => {}
        Ok(word) => {
            line.say(word).await;
            serve(&peer, &mut queue, &mut happening, &line).await;
        }
        Err(error) => {
            tracing::info!(call = line.request.call, %error, "media cannot use a preview's offer");
            line.tell(match error {
                PeerError::Sdp(_) => News::Unusable,
                _ => News::Lost,
            });
        }
    }
    // The last word on what was sent is read from the handle, whose owner has dropped it by now.
    ready.send_replace(None);
    peer.close().await;
}

/// Makes the offer or the answer, with the candidates that come at once.
async fn first_description(
    peer: &Peer,
    offer: Option<String>,
    happening: &mut mpsc::UnboundedReceiver<PeerEvent>,
    line: &Line,
) -> Result<Word, PeerError> {
    let is_answer = offer.is_some();
    match offer {
        Some(offer) => peer.accept_offer(&offer).await?,
        None => peer.create_offer().await?,
    };
    let last = tokio::time::Instant::now() + FIRST_CANDIDATES;
    let mut deadline = last;
    while let Ok(Some(event)) = tokio::time::timeout_at(deadline, happening.recv()).await {
        line.heed(&event);
        deadline = last.min(tokio::time::Instant::now() + BURST);
    }
    let sdp = peer.local_sdp().await.ok_or(PeerError::Closed)?;
    Ok(if is_answer {
        Word::Answer(sdp)
    } else {
        Word::Ask(sdp)
    })
}

async fn serve(
    peer: &Peer,
    queue: &mut mpsc::UnboundedReceiver<Operation>,
    happening: &mut mpsc::UnboundedReceiver<PeerEvent>,
    line: &Line,
) {
    loop {
        tokio::select! {
            event = happening.recv() => match event {
                Some(PeerEvent::LocalCandidate(first)) => {
                    let mut batch = vec![first];
                    let until = tokio::time::Instant::now() + BATCH;
                    while let Ok(Some(event)) = tokio::time::timeout_at(until, happening.recv()).await {
                        match event {
                            PeerEvent::LocalCandidate(more) => batch.push(more),
                            other => line.heed(&other),
                        }
                    }
                    line.say(Word::Candidates(batch)).await;
                }
                Some(event) => line.heed(&event),
                None => return,
            },
            operation = queue.recv() => match operation {
                Some(Operation::Answer(sdp)) => {
                    if let Err(error) = peer.set_answer(&sdp).await {
                        tracing::info!(%error, "media cannot use a preview's answer");
                        line.tell(News::Unusable);
                    }
                }
                Some(Operation::Candidates(candidates)) => peer.add_candidates(&candidates).await,
                None => return,
            },
        }
    }
}

/// Where a connection's words and news go.
struct Line {
    request: Request,
    side: Side,
    calls: Slot<Calls>,
    chat: ChatLine,
}

impl Line {
    fn tell(&self, news: News) {
        // An absent actor has dropped its previews.
        let _ = self.calls.tell(FromPreview {
            request: self.request.clone(),
            side: self.side,
            news,
        });
    }

    fn heed(&self, event: &PeerEvent) {
        match event {
            PeerEvent::Connected => self.tell(News::Connected),
            PeerEvent::FirstVideoFrame { .. } => self.tell(News::FirstFrame),
            PeerEvent::Disconnected | PeerEvent::Failed { .. } => self.tell(News::Lost),
            // Those of the first burst are in the description already.
            PeerEvent::LocalCandidate(_)
            | PeerEvent::FirstAudio { .. }
            | PeerEvent::Digit(_)
            | PeerEvent::ChannelOpen
            | PeerEvent::ChannelText(_)
            | PeerEvent::Closed => {}
        }
    }

    async fn say(&self, word: Word) {
        let signal = PreviewSignal {
            session_id: self.request.call.clone(),
            request_id: self.request.id.clone(),
            word,
        };
        if let Err(error) = send(&self.chat, self.request.user, &signal).await {
            tracing::info!(call = self.request.call, %error, "a preview is not signalled");
            self.tell(News::Lost);
        }
    }
}
