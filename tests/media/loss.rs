//! A call over a network that loses packets: a relay of our own between two peers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cubelet::media::VideoCodec;
use cubelet::media::peer::PeerEvent;
use cubelet::protocol::call_signal::{CallType, Candidate};
use tokio::net::UdpSocket;

use crate::support::{Device, End, sees, settings, until, warm, within};

/// Losing nothing.
const NONE: usize = usize::MAX;

/// Stands between the two: each side knows the other only by a socket of the relay.
struct Relay {
    for_caller: SocketAddr,
    for_callee: SocketAddr,
    caller: tokio::sync::watch::Sender<Option<SocketAddr>>,
    callee: tokio::sync::watch::Sender<Option<SocketAddr>>,
    /// Every how many-th large packet to the callee is lost.
    lose_every: Arc<AtomicUsize>,
}

impl Relay {
    async fn start() -> Self {
        let left = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let right = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let relay = Self {
            for_caller: left.local_addr().unwrap(),
            for_callee: right.local_addr().unwrap(),
            caller: tokio::sync::watch::Sender::new(None),
            callee: tokio::sync::watch::Sender::new(None),
            lose_every: Arc::new(AtomicUsize::new(NONE)),
        };
        let nothing = Arc::new(AtomicUsize::new(NONE));
        let (to_caller, to_callee) = (relay.caller.subscribe(), relay.callee.subscribe());
        let lossy = Arc::clone(&relay.lose_every);
        tokio::spawn(forward(
            Arc::clone(&left),
            Arc::clone(&right),
            to_callee,
            lossy,
        ));
        tokio::spawn(forward(right, left, to_caller, nothing));
        relay
    }
}

async fn forward(
    from: Arc<UdpSocket>,
    by: Arc<UdpSocket>,
    to: tokio::sync::watch::Receiver<Option<SocketAddr>>,
    lose_every: Arc<AtomicUsize>,
) {
    let mut packet = [0; 2048];
    let mut count = 0;
    while let Ok((size, _)) = from.recv_from(&mut packet).await {
        let every = lose_every.load(Ordering::Relaxed);
        // Only media is this large; losing connectivity checks is not what is tested.
        if size > 200 && every != NONE {
            count += 1;
            if count % every == 0 {
                continue;
            }
        }
        let to = *to.borrow();
        if let Some(to) = to {
            // A peer that is gone is not the relay's concern.
            let _ = by.send_to(&packet[..size], to).await;
        }
    }
}

/// Replaces the address and tells the relay the real one.
fn redirect(
    candidate: &Candidate,
    to: SocketAddr,
    real: &tokio::sync::watch::Sender<Option<SocketAddr>>,
) -> Candidate {
    let mut words: Vec<_> = candidate.candidate.split(' ').map(str::to_owned).collect();
    real.send_replace(Some(format!("{}:{}", words[4], words[5]).parse().unwrap()));
    words[4] = to.ip().to_string();
    words[5] = to.port().to_string();
    Candidate {
        candidate: words.join(" "),
        ..candidate.clone()
    }
}

async fn call_through_a_relay(codec: VideoCodec) -> (Relay, End, End, [Device; 2]) {
    warm().await;
    let relay = Relay::start().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(settings(CallType::Video, codec), &door).await;
    let mut callee = End::new(settings(CallType::Video, codec), &room).await;
    let offer = caller.peer.create_offer().await.unwrap();
    let answer = callee.peer.accept_offer(&offer).await.unwrap();
    caller.peer.set_answer(&answer).await.unwrap();
    within("the call", async {
        while !sees(&caller) || !sees(&callee) {
            tokio::select! {
                Some(event) = caller.events.recv() => {
                    if let PeerEvent::LocalCandidate(candidate) = &event {
                        let candidate = redirect(candidate, relay.for_callee, &relay.caller);
                        callee.peer.add_candidates(&[candidate]).await;
                    }
                    caller.seen.push(event);
                }
                Some(event) = callee.events.recv() => {
                    if let PeerEvent::LocalCandidate(candidate) = &event {
                        let candidate = redirect(candidate, relay.for_caller, &relay.callee);
                        caller.peer.add_candidates(&[candidate]).await;
                    }
                    callee.seen.push(event);
                }
            }
        }
    })
    .await;
    (relay, caller, callee, [door, room])
}

async fn pictures_go_on(codec: VideoCodec) {
    let (relay, caller, callee, _devices) = call_through_a_relay(codec).await;
    for lose_every in [20, 5, 2, 1] {
        relay.lose_every.store(lose_every, Ordering::Relaxed);
        let sent = caller.peer.stats().frames_sent;
        until(&caller.peer, "a second of loss", |stats| {
            stats.frames_sent > sent + 30
        })
        .await;
        relay.lose_every.store(NONE, Ordering::Relaxed);
        let decoded = callee.peer.stats().frames_decoded;
        until(&callee.peer, "pictures after the loss", |stats| {
            stats.frames_decoded > decoded + 30
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_pictures_come_back_after_loss() {
    pictures_go_on(VideoCodec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vp8_pictures_come_back_after_loss() {
    pictures_go_on(VideoCodec::Vp8).await;
}
