//! Nonsense from another user of the same hub.

use std::sync::Arc;

use cubelet::chat::{ChatClient, ChatEndpoint, ChatSettings, ConnectionStatus, Credentials};
use cubelet::engine::command::Command;
use cubelet::engine::state::{CallStatus, ChatStatus};
use cubelet::protocol::address::Realm;
use cubelet::protocol::call_signal::{CallSignal, Candidate, SignalKind};
use cubelet::store::Store;
use tokio_util::sync::CancellationToken;

use crate::site::{Site, Station, door_and_indoor, talk};

/// A user who speaks the protocol and sends what they like.
async fn stranger(site: &Site) -> (ChatClient, u64, CancellationToken) {
    let user = site.sign_up("stranger", "a-long-password").await;
    let ready = site.hub.ready();
    let (host, port) = ready.xmpp_tls.split_once(':').expect("host and port");
    let settings = ChatSettings {
        endpoint: ChatEndpoint::Tls {
            host: host.to_owned(),
            port: port.parse().expect("a port"),
        },
        realm: Realm {
            app_id: ready.app_id,
            chat_host: ready.chat.clone(),
        },
        tls: cubelet::base::tls::client_config(Some(ready.ca.as_ref())).expect("the hub's CA"),
        tuning: cubelet::chat::ChatTuning::default(),
    };
    let credentials = Credentials::with_password(user, "a-long-password");
    let store = Store::in_memory().expect("a store");
    let (client, runner) = cubelet::chat::chat(settings, Arc::new(credentials), store);
    let end = CancellationToken::new();
    let (events, mut received) = tokio::sync::mpsc::channel(64);
    tokio::spawn(runner.run(events, end.clone()));
    tokio::spawn(async move { while received.recv().await.is_some() {} });
    let online = |now: &ConnectionStatus| matches!(now, ConnectionStatus::Online { .. });
    client
        .watch_status()
        .wait_for(online)
        .await
        .expect("online");
    (client, user, end)
}

fn call(from: u64, id: &str, sdp: &str) -> CallSignal {
    let mut signal = CallSignal::new(SignalKind::Call, id);
    signal.caller_id = Some(from);
    signal.sdp = Some(sdp.to_owned());
    signal
}

async fn is_idle_again(station: &mut Station) {
    station
        .reaches("idle and online", |state| {
            state.call.status == CallStatus::Idle && state.chat.status == ChatStatus::Online
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_is_no_sdp_rings_nowhere_and_one_media_cannot_use_ends_its_call_alone() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let (stranger, me, end) = stranger(&site).await;
    for sdp in ["nonsense", "v=0\r\n"] {
        let signal = call(me, "none", sdp);
        stranger.signal(door.user, &signal).await.expect("sent");
    }
    // Signals keep their order: had one of those rung, this one would hear busy.
    for (number, sdp) in [
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF\r\n",
        "v=0\r\nm=audio 0 nonsense\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let signal = call(me, &format!("bad-{number}"), sdp);
        stranger.signal(door.user, &signal).await.expect("sent");
        door.rings().await;
        door.command(Command::Answer).await.expect("answered");
        assert_eq!(door.ended().await, "media_failed", "{sdp:?}");
        is_idle_again(&mut door).await;
    }
    talk(&mut door, &mut indoor).await;
    end.cancel();
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_of_no_call_or_of_somebody_elses_change_nothing() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    let (stranger, _, end) = stranger(&site).await;
    let running = door.state().call.call.expect("a call");
    for kind in [
        SignalKind::Accept,
        SignalKind::Reject,
        SignalKind::HangUp,
        SignalKind::IceCandidates,
        SignalKind::IceRestart,
        SignalKind::IceRestartAccept,
        SignalKind::Update,
    ] {
        for session in ["no-such-call", running.as_str()] {
            let mut signal = CallSignal::new(kind, session);
            signal.sdp = Some("nonsense".into());
            signal.candidates = vec![Candidate {
                candidate: "candidate:nonsense".into(),
                sdp_mid: "7".into(),
                sdp_m_line_index: 7,
            }];
            stranger.signal(door.user, &signal).await.expect("sent");
        }
    }
    // A system message after them is answered only once they were all handled.
    let ask = [
        ("cubelet", "unlock"),
        ("session_id", running.as_str()),
        ("request_id", "r"),
    ];
    stranger.system(door.user, &ask).await.expect("sent");
    door.events
        .hear("the stranger's refusal", |event| match event {
            cubelet::engine::event::EventKind::DoorRefused { .. } => Some(()),
            _ => None,
        })
        .await;
    door.is_connected().await;
    assert_eq!(door.state().call.call.as_deref(), Some(running.as_str()));
    assert!(door.state().door.last_unlocked.is_none());
    end.cancel();
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_and_reused_ids_ring_nothing_and_leave_a_device_that_takes_calls() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let (stranger, me, end) = stranger(&site).await;
    let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";

    // An invitation whose parameters are many and long rings, cut to what can be kept.
    let mut bomb = call(me, "bomb", offer);
    for number in 0..700 {
        let name = format!("key-{number}");
        bomb.user_info.insert(name, "x".repeat(20));
    }
    stranger.signal(door.user, &bomb).await.expect("sent");
    door.rings().await;
    assert!(door.state().call.info.len() <= 64);

    // Candidates by the thousand for a call that nobody has answered.
    for number in 0..40 {
        let mut signal = CallSignal::new(SignalKind::IceCandidates, "bomb");
        signal.candidates = (0..100)
            .map(|n| Candidate {
                candidate: format!("candidate:{number} 1 udp 1 192.0.2.1 {} typ host", n + 1),
                sdp_mid: "0".into(),
                sdp_m_line_index: 0,
            })
            .collect();
        stranger.signal(door.user, &signal).await.expect("sent");
    }
    let mut leaves = CallSignal::new(SignalKind::HangUp, "bomb");
    leaves.caller_id = Some(me);
    stranger.signal(door.user, &leaves).await.expect("sent");
    assert_eq!(door.ended().await, "cancelled");

    // The id of a call that is over, and one in other hands.
    stranger.signal(door.user, &bomb).await.expect("sent");
    talk(&mut door, &mut indoor).await;
    let running = door.state().call.call.expect("a call");
    let stolen = call(me, &running, offer);
    stranger.signal(door.user, &stolen).await.expect("sent");

    // A description near the size of the largest stanza.
    let huge = offer.to_owned() + &"a=x-nonsense:0123456789abcdef\r\n".repeat(1_200);
    let signal = call(me, "huge", &huge);
    stranger.signal(door.user, &signal).await.expect("sent");

    // Signals keep their order: this is answered once all of them were handled.
    let ask = [
        ("cubelet", "unlock"),
        ("session_id", "x"),
        ("request_id", "r"),
    ];
    stranger.system(door.user, &ask).await.expect("sent");
    door.events
        .hear("the stranger's refusal", |event| match event {
            cubelet::engine::event::EventKind::DoorRefused { .. } => Some(()),
            cubelet::engine::event::EventKind::Call {
                phase: cubelet::engine::event::CallPhase::Ringing,
                call,
                ..
            } if *call != running => panic!("{call} rings"),
            _ => None,
        })
        .await;
    door.is_connected().await;
    assert_eq!(door.state().call.call.as_deref(), Some(running.as_str()));
    end.cancel();
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}
