//! A call between two peers of this process.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cubelet::media::peer::{Peer, PeerEvent, PeerSettings, PeerStats};
use cubelet::media::{
    AudioDevice, AudioDeviceSettings, AudioFanout, AudioSourceKind, Loudspeaker, SourceEvent,
    VideoCodec, VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings,
};
use cubelet::protocol::call_signal::CallType;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Nothing here takes longer, also on a busy machine in a debug build.
pub const LIMIT: Duration = Duration::from_secs(20);

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {LIMIT:?}"),
    }
}

/// Loads plugins once per test process, so that no test measures that.
pub async fn warm() {
    static WARM: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    WARM.get_or_init(|| async {
        let report = cubelet::media::prewarm(&VideoCodec::ALL).unwrap();
        let report = within("prewarming", report).await.unwrap();
        assert!(report.trouble.is_empty(), "{:?}", report.trouble);
        for (_, encoder) in &report.encoders {
            encoder.as_ref().unwrap();
        }
        assert!(report.decoders.iter().all(|(_, found)| found.is_some()));
    })
    .await;
}

pub fn camera_settings() -> VideoSourceSettings {
    VideoSourceSettings {
        source: VideoSourceKind::Test {
            pattern: "ball".into(),
        },
        width: 320,
        height: 240,
        framerate: 30,
        bitrate_kbps: 500,
        warm: true,
    }
}

/// A device with test sources.
pub struct Device {
    pub video: VideoFanout,
    pub audio: AudioFanout,
    pub camera: Option<VideoSource>,
    pub camera_events: UnboundedReceiver<SourceEvent>,
    pub loudspeaker: Loudspeaker,
    pub microphone: AudioDevice,
}

impl Device {
    pub fn start() -> Self {
        Self::with(camera_settings())
    }

    pub fn with(camera: VideoSourceSettings) -> Self {
        let microphone = AudioDeviceSettings::microphone(AudioSourceKind::Test, true);
        Self::of(camera, microphone)
    }

    /// One that sends next to nothing while it is silent: its microphone ticks once a second.
    pub fn that_pauses() -> Self {
        let microphone = AudioDeviceSettings {
            dtx: true,
            ..AudioDeviceSettings::microphone(AudioSourceKind::Test, true)
        };
        Self::of(camera_settings(), microphone)
    }

    fn of(camera: VideoSourceSettings, microphone: AudioDeviceSettings) -> Self {
        let video = VideoFanout::new();
        let audio = AudioFanout::new();
        let (events, camera_events) = unbounded_channel();
        let camera = VideoSource::start(camera, video.clone(), events);
        let (events, _) = unbounded_channel();
        let loudspeaker = Loudspeaker::new();
        let microphone = AudioDevice::start(
            microphone,
            &audio,
            &loudspeaker,
            &Loudspeaker::new(),
            events,
        );
        Self {
            video,
            audio,
            camera: Some(camera),
            camera_events,
            loudspeaker,
            microphone,
        }
    }
}

pub fn settings(call_type: CallType, preferred_codec: VideoCodec) -> PeerSettings {
    PeerSettings {
        preferred_codec,
        bind: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        keep_frames: true,
        ..PeerSettings::new(call_type)
    }
}

/// One end of a call, with what it has told so far.
pub struct End {
    pub peer: Peer,
    pub events: UnboundedReceiver<PeerEvent>,
    pub seen: Vec<PeerEvent>,
}

impl End {
    pub async fn new(settings: PeerSettings, device: &Device) -> Self {
        let (events, received) = unbounded_channel();
        let peer = Peer::new(settings, device.video.clone(), device.audio.clone(), events)
            .await
            .unwrap();
        Self {
            peer,
            events: received,
            seen: Vec::new(),
        }
    }

    fn has(&self, wanted: impl Fn(&PeerEvent) -> bool) -> bool {
        self.seen.iter().any(wanted)
    }
}

/// Offers, answers, and carries candidates until `done`, which is asked after every event.
pub async fn call(
    caller: &mut End,
    callee: &mut End,
    done: impl Fn(&End, &End) -> bool,
) -> (String, String) {
    let offer = caller.peer.create_offer().await.unwrap();
    let answer = callee.peer.accept_offer(&offer).await.unwrap();
    caller.peer.set_answer(&answer).await.unwrap();
    carry(caller, callee, done).await;
    (offer, answer)
}

pub async fn carry(caller: &mut End, callee: &mut End, done: impl Fn(&End, &End) -> bool) {
    within("the call", async {
        while !done(caller, callee) {
            tokio::select! {
                Some(event) = caller.events.recv() => {
                    if let PeerEvent::LocalCandidate(candidate) = &event {
                        callee.peer.add_candidates(std::slice::from_ref(candidate)).await;
                    }
                    caller.seen.push(event);
                }
                Some(event) = callee.events.recv() => {
                    if let PeerEvent::LocalCandidate(candidate) = &event {
                        caller.peer.add_candidates(std::slice::from_ref(candidate)).await;
                    }
                    callee.seen.push(event);
                }
            }
        }
    })
    .await;
}

pub fn sees(end: &End) -> bool {
    end.has(|event| matches!(event, PeerEvent::FirstVideoFrame { .. }))
}

pub fn hears(end: &End) -> bool {
    end.has(|event| matches!(event, PeerEvent::FirstAudio { .. }))
}

/// Waits until the counters of a peer satisfy a condition. Counters have no event, so they are
/// looked at in the rhythm of the pictures.
pub async fn until(peer: &Peer, what: &str, condition: impl Fn(&PeerStats) -> bool) {
    within(what, async {
        let mut tick = tokio::time::interval(Duration::from_millis(33));
        while !condition(&peer.stats()) {
            tick.tick().await;
        }
    })
    .await;
}
