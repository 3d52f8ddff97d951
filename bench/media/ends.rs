//! The two ends: a camera with any number of peers, and the peers that receive it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use cubelet::media::peer::{Peer, PeerEvent, PeerSettings, TrackKind};
use cubelet::media::{
    AudioFanout, VideoCodec, VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings,
};
use cubelet::protocol::call_signal::CallType;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::signal::{Line, candidate};

/// Of both programs compared.
const KBPS: u32 = 1_200;

pub fn settings() -> PeerSettings {
    PeerSettings {
        full_bitrate_kbps: KBPS,
        ..PeerSettings::new(CallType::Video)
    }
}

pub fn camera(source: VideoSourceKind) -> VideoSourceSettings {
    VideoSourceSettings {
        source,
        width: 1_280,
        height: 720,
        framerate: 30,
        bitrate_kbps: KBPS,
        warm: true,
    }
}

fn on_a_runtime<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// Offers `count` calls; with none the encoder works for a consumer without a network.
pub fn send(count: usize) -> anyhow::Result<()> {
    on_a_runtime(async {
        warm_up().await?;
        let (video, audio) = (VideoFanout::new(), AudioFanout::new());
        let (events, _) = unbounded_channel();
        let pattern = "smpte".to_owned();
        let source = VideoSourceKind::Test { pattern };
        let _camera = VideoSource::start(camera(source), video.clone(), events);
        let (news, mut heard) = unbounded_channel();
        let mut peers = BTreeMap::new();
        for call in 0..count {
            let peer = a_peer(call, &video, &audio, &news).await?;
            let sdp = peer.create_offer().await?;
            Line::Offer { call, sdp }.tell();
            peers.insert(call, peer);
        }
        if count == 0 {
            let consumer = video.subscribe(VideoCodec::H264);
            tokio::spawn(async move {
                loop {
                    consumer.next().await;
                }
            });
        }
        let mut lines = lines();
        while let Some(line) = next(&mut lines, &mut heard).await? {
            match line {
                Line::Answer { call, sdp } => {
                    let peer = peers.get(&call).context("an answer to no call")?;
                    peer.set_answer(&sdp).await?;
                }
                line => add_candidate(&peers, line).await,
            }
        }
        Ok(())
    })
}

/// Answers whatever is offered, and tells once a second what comes.
pub fn receive(decodes: bool) -> anyhow::Result<()> {
    on_a_runtime(async {
        warm_up().await?;
        let (video, audio) = (VideoFanout::new(), AudioFanout::new());
        let (news, mut heard) = unbounded_channel();
        let mut peers: BTreeMap<usize, Peer> = BTreeMap::new();
        let mut lines = lines();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            let line = tokio::select! {
                line = next(&mut lines, &mut heard) => line?,
                _ = tick.tick() => {
                    let stats: Vec<_> = peers.values().map(Peer::stats).collect();
                    Line::Received {
                        kbps: stats.iter().map(|one| one.video_received.kbps).collect(),
                        decoded: stats.iter().map(|one| one.frames_decoded).collect(),
                        frozen_ms: stats.iter().map(|one| one.frozen.as_millis() as u64).collect(),
                        lost: stats.iter().map(|one| one.video_received.loss_permille).collect(),
                    }
                    .tell();
                    continue;
                }
            };
            match line {
                None => return Ok(()),
                Some(Line::Offer { call, sdp }) => {
                    let peer = a_peer(call, &video, &audio, &news).await?;
                    peer.set_receiving(TrackKind::Video, decodes);
                    let sdp = peer.accept_offer(&sdp).await?;
                    Line::Answer { call, sdp }.tell();
                    peers.insert(call, peer);
                }
                Some(line) => add_candidate(&peers, line).await,
            }
        }
    })
}

pub async fn warm_up() -> anyhow::Result<()> {
    cubelet::media::prewarm(&[VideoCodec::H264])?.await?;
    Ok(())
}

async fn a_peer(
    call: usize,
    video: &VideoFanout,
    audio: &AudioFanout,
    news: &UnboundedSender<(usize, PeerEvent)>,
) -> anyhow::Result<Peer> {
    let (events, mut heard) = unbounded_channel();
    let peer = Peer::new(settings(), video.clone(), audio.clone(), events).await?;
    let news = news.clone();
    tokio::spawn(async move {
        while let Some(event) = heard.recv().await {
            // The receiver lives as long as the program.
            let _ = news.send((call, event));
        }
    });
    Ok(peer)
}

/// The other side's next line; our own candidates are told meanwhile.
async fn next(
    lines: &mut UnboundedReceiver<String>,
    heard: &mut UnboundedReceiver<(usize, PeerEvent)>,
) -> anyhow::Result<Option<Line>> {
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return Ok(None) };
                return Ok(Some(serde_json::from_str(&line)?));
            }
            Some((call, event)) = heard.recv() => match event {
                PeerEvent::LocalCandidate(found) => Line::candidate(call, found).tell(),
                PeerEvent::Failed { reason } => anyhow::bail!("call {call} failed: {reason}"),
                _ => {}
            },
        }
    }
}

/// Lines of the standard input, to its end.
fn lines() -> UnboundedReceiver<String> {
    let (tell, lines) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

async fn add_candidate(peers: &BTreeMap<usize, Peer>, line: Line) {
    if let Line::Candidate {
        call,
        candidate: text,
        mid,
        index,
    } = line
        && let Some(peer) = peers.get(&call)
    {
        peer.add_candidates(&[candidate(text, mid, index)]).await;
    }
}
