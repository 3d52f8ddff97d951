//! Calls with aiortc, a WebRTC stack that shares no line with ours or with libwebrtc.

use std::process::Stdio;
use std::time::{Duration, Instant};

use cubelet::media::peer::{Peer, PeerEvent, PeerSettings};
use cubelet::media::{
    AudioDevice, AudioDeviceSettings, AudioFanout, AudioSourceKind, Loudspeaker, VideoCodec,
    VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings,
};
use cubelet::protocol::call_signal::CallType;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::unbounded_channel;

/// Python decodes slowly, and other tests run at the same time.
const LIMIT: Duration = Duration::from_secs(60);

/// Both must have decoded so many pictures, and a second of sound.
const PICTURES: u64 = 30;
const SOUNDS: u64 = 50;

async fn talks(role: &str, codec: VideoCodec) {
    let folder = super::folder();
    let mut python = Command::new(folder.join(".venv/bin/python"))
        .args([folder.join("aiortc/peer.py").as_os_str(), role.as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("make interop-deps installs Python's packages");
    let mut told = BufReader::new(python.stdout.take().unwrap()).lines();
    let mut input = python.stdin.take().unwrap();
    let mut tell = async move |line: Value| {
        input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    };

    let (video, audio) = (VideoFanout::new(), AudioFanout::new());
    let camera = VideoSourceSettings {
        source: VideoSourceKind::Test {
            pattern: "ball".into(),
        },
        width: 320,
        height: 240,
        framerate: 15,
        bitrate_kbps: 300,
        warm: true,
    };
    let _camera = VideoSource::start(camera, video.clone(), unbounded_channel().0);
    // The test microphone ticks once a second: most of it is silence, which is not sent then.
    let dtx = role == "answer";
    let began = Instant::now();
    let _microphone = AudioDevice::start(
        AudioDeviceSettings {
            dtx,
            ..AudioDeviceSettings::microphone(AudioSourceKind::Test, true)
        },
        &audio,
        &Loudspeaker::new(),
        &Loudspeaker::new(),
        unbounded_channel().0,
    );
    let settings = PeerSettings {
        preferred_codec: codec,
        ..PeerSettings::new(CallType::Video)
    };
    let (events, mut news) = unbounded_channel();
    let peer = Peer::new(settings, video, audio, events).await.unwrap();
    if role == "answer" {
        let sdp = peer.create_offer().await.unwrap();
        tell(json!({"kind": "offer", "sdp": sdp})).await;
    }
    let mut agreed = String::new();
    // Ours can be added only where our description is known.
    let mut is_described = role == "answer";
    let mut early = Vec::new();
    loop {
        tokio::select! {
            line = told.next_line() => {
                let line: Value = serde_json::from_str(&line.unwrap().expect("aiortc ended")).unwrap();
                let sdp = line["sdp"].as_str().unwrap_or_default();
                match line["kind"].as_str().unwrap() {
                    "offer" => {
                        agreed = peer.accept_offer(sdp).await.unwrap();
                        tell(json!({"kind": "answer", "sdp": agreed})).await;
                        is_described = true;
                        for candidate in early.drain(..) {
                            tell(candidate).await;
                        }
                    }
                    "answer" => {
                        peer.set_answer(sdp).await.unwrap();
                        agreed = sdp.to_owned();
                    }
                    _ => {
                        let ours = peer.stats();
                        let theirs = |kind: &str| line[kind].as_u64().unwrap();
                        if theirs("video") >= PICTURES
                            && theirs("audio") >= SOUNDS
                            && ours.frames_decoded >= PICTURES
                            && ours.audio_decoded_ms >= 20 * SOUNDS
                        {
                            break;
                        }
                    }
                }
            }
            Some(event) = news.recv() => match event {
                PeerEvent::LocalCandidate(found) => {
                    let line = json!({
                        "kind": "candidate", "candidate": found.candidate, "mid": found.sdp_mid,
                    });
                    if is_described {
                        tell(line).await;
                    } else {
                        early.push(line);
                    }
                }
                PeerEvent::Failed { reason } => panic!("{reason}"),
                _ => {}
            },
        }
    }
    // The first format of the section is the one both send.
    let section = agreed.split("m=video").nth(1).unwrap();
    let number = section.split_whitespace().nth(2).unwrap();
    let map = format!("a=rtpmap:{number} {codec}/90000");
    assert!(section.contains(&map), "{section}");
    if dtx {
        let sent = peer.stats().audio_packets_sent as f64;
        let all = began.elapsed().as_secs_f64() * 50.0;
        assert!(sent < all / 2.0, "{sent} of {all} packets");
    }
    // aiortc reports as any receiver does.
    assert!(peer.stats().video_sent.packets > 0);
    peer.close().await;
}

async fn within_the_limit(role: &str, codec: VideoCodec) {
    let talks = talks(role, codec);
    tokio::time::timeout(LIMIT, talks)
        .await
        .expect("pictures and sound both ways");
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_answers_us_in_h264() {
    within_the_limit("answer", VideoCodec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_answers_us_in_vp8() {
    within_the_limit("answer", VideoCodec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_calls_us_in_h264() {
    within_the_limit("offer", VideoCodec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_calls_us_in_vp8() {
    within_the_limit("offer", VideoCodec::Vp8).await;
}
