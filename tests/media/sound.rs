//! Microphone and loudspeaker as one device. `null` is defined by ALSA itself, so the real
//! elements run without a card.

use std::time::{Duration, Instant};

use cubelet::media::announcement::{Announcement, Tone};
use cubelet::media::fanout::Subscription;
use cubelet::media::sink::AudioSinkKind;
use cubelet::media::sound::{FRAME, RATE};
use cubelet::media::{
    AudioDevice, AudioDeviceSettings, AudioEvent, AudioFanout, AudioSourceKind, Loudspeaker,
    LoudspeakerStatus, Processing, SourceEvent,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::room;
use crate::support::{LIMIT, warm, within};

pub struct Sound {
    pub fanout: AudioFanout,
    pub loudspeaker: Loudspeaker,
    pub outgoing: Loudspeaker,
    pub events: UnboundedReceiver<AudioEvent>,
    pub device: AudioDevice,
}

impl Sound {
    pub fn start(settings: AudioDeviceSettings) -> Self {
        let (fanout, loudspeaker) = (AudioFanout::new(), Loudspeaker::new());
        let outgoing = Loudspeaker::new();
        let (tell, events) = unbounded_channel();
        let device = AudioDevice::start(settings, &fanout, &loudspeaker, &outgoing, tell);
        Self {
            fanout,
            loudspeaker,
            outgoing,
            events,
            device,
        }
    }

    /// The first event that fits.
    async fn tells(&mut self, fits: impl Fn(&AudioEvent) -> bool) -> AudioEvent {
        within("an event of the sound", async {
            loop {
                let event = self.events.recv().await.unwrap();
                if fits(&event) {
                    return event;
                }
            }
        })
        .await
    }
}

pub fn alsa(name: &str) -> AudioSourceKind {
    AudioSourceKind::Alsa {
        device: name.into(),
    }
}

pub fn on_alsa(microphone: AudioSourceKind, loudspeaker: &str) -> Sound {
    Sound::start(AudioDeviceSettings {
        microphone,
        loudspeaker: AudioSinkKind::Alsa {
            device: loudspeaker.into(),
        },
        processing: Processing::ALL,
        dtx: false,
        warm: false,
    })
}

fn is_running(event: &AudioEvent) -> bool {
    matches!(event, AudioEvent::Microphone(SourceEvent::Running { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alsa_device_is_captured_as_opus() {
    warm().await;
    let sound = Sound::start(AudioDeviceSettings::microphone(alsa("null"), false));
    let listener = sound.fanout.subscribe();
    let packet = within("sound", listener.next()).await;
    // RFC 6716 §3.1: the first byte tells mode, channels and frames per packet.
    let contents = packet.packets[0].payload[0];
    assert_eq!(contents & 0b111, 0, "one mono frame, not {contents:08b}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_that_of_the_tone_and_asking_for_it_opens_no_microphone() {
    warm().await;
    let settings = AudioDeviceSettings::microphone(AudioSourceKind::TestTone, false);
    let mut sound = Sound::start(settings);
    // It is opened once, to see whether it works.
    let closed = |fanout: &AudioFanout| fanout.level(Instant::now()).is_none();
    within("the end of its trial", async {
        sound.tells(is_running).await;
        while !closed(&sound.fanout) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let listener = sound.fanout.subscribe();
    let level = within("a second of the tone", async {
        loop {
            listener.next().await;
            let level = sound.fanout.level(Instant::now());
            if let Some(level) = level.filter(|level| level.rms_dbfs > -16) {
                return level;
            }
        }
    })
    .await;
    // A sine of 0.3: -10.5 dBFS, and 3 dB less in the mean.
    assert!((-14..=-13).contains(&level.rms_dbfs), "{level:?}");
    assert!((-11..=-10).contains(&level.peak_dbfs), "{level:?}");
}

/// What is sent while a sound is played to those in the call, by its place in time: packets of
/// 20 ms, whether one begins a talk spurt, and its place in 48 kHz.
async fn sent(sound: &Sound, listener: &Subscription, samples: Vec<i16>) -> Vec<(bool, u32)> {
    let voice = sound.outgoing.patient();
    let played = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + LIMIT;
        voice.play(&samples, deadline)?;
        voice.drain(deadline)
    });
    tokio::pin!(played);
    let mut packets = Vec::new();
    loop {
        tokio::select! {
            done = &mut played => {
                done.unwrap().unwrap();
                return packets;
            }
            frame = listener.next() => {
                packets.push((frame.packets[0].marker, frame.rtp_timestamp));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_dtx_silence_takes_a_tenth_of_the_packets_of_speech_which_goes_on_without_a_gap() {
    warm().await;
    let sound = Sound::start(AudioDeviceSettings {
        dtx: true,
        ..AudioDeviceSettings::microphone(AudioSourceKind::TestTone, false)
    });
    // What is sent is what is said alone.
    sound.device.set_silent(true);
    let listener = sound.fanout.subscribe();
    let folder = tempfile::tempdir().unwrap();
    let text = "Hello, here is the post office with a parcel for you. It is rather large.";
    let speech = room::speech("en-gb", text, folder.path());
    let silence = vec![0; 5 * RATE];
    let frames = |samples: &[i16]| samples.len() / (2 * FRAME);
    // How a stream begins is another matter.
    sent(&sound, &listener, vec![0; RATE]).await;
    for _ in 0..2 {
        let said = sent(&sound, &listener, speech.clone()).await;
        // Pauses between sentences count as silence.
        assert!(
            said.len() * 10 > frames(&speech) * 8,
            "{} of {}",
            said.len(),
            frames(&speech)
        );
        // Only a pause leaves a gap, and what follows it is marked (RFC 7587 §4.1).
        let gaps: Vec<_> = said
            .windows(2)
            .map(|pair| (pair[1].0, pair[1].1.wrapping_sub(pair[0].1)))
            .filter(|(is_marked, step)| !is_marked && *step != 960)
            .collect();
        assert!(gaps.is_empty(), "missing within a talk spurt: {gaps:?}");
        let silent = sent(&sound, &listener, silence.clone()).await;
        // It takes a while to be taken for silence.
        let begin = silent[0].1;
        let settled = silent
            .iter()
            .filter(|one| one.1.wrapping_sub(begin) as usize > RATE);
        let (count, of) = (settled.count(), frames(&silence[RATE..]));
        assert!(count * 10 <= of, "{count} of {of}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_microphone_is_reported() {
    warm().await;
    let mut sound = Sound::start(AudioDeviceSettings::microphone(alsa("no-such-card"), true));
    match sound.events.recv().await.unwrap() {
        AudioEvent::Microphone(SourceEvent::Failed { reason }) => {
            assert!(reason.contains("microphone"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_directions_run_in_one_pipeline_with_everything_done_to_the_sound() {
    warm().await;
    let mut sound = on_alsa(alsa("null"), "null");
    let listener = sound.fanout.subscribe();
    within("sound through the processing", listener.next()).await;
    let told = sound
        .tells(|event| matches!(event, AudioEvent::Processing { .. }))
        .await;
    let whole = AudioEvent::Processing {
        active: Processing::ALL,
        lack: None,
    };
    assert_eq!(told, whole);
    assert_eq!(sound.loudspeaker.status(), LoudspeakerStatus::Playing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_loudspeaker_leaves_the_microphone_on() {
    warm().await;
    let mut sound = on_alsa(alsa("null"), "no-such-card");
    let listener = sound.fanout.subscribe();
    within("sound", listener.next()).await;
    let failed = sound
        .tells(|event| matches!(event, AudioEvent::Loudspeaker(LoudspeakerStatus::Failed(_))))
        .await;
    assert!(format!("{failed:?}").contains("speaker"), "{failed:?}");
    sound.tells(is_running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_microphone_leaves_the_loudspeaker_on() {
    warm().await;
    let mut sound = on_alsa(alsa("no-such-card"), "null");
    let (_playback, heard) = Announcement::Tone(Tone::Notice).play(&[&sound.loudspeaker]);
    assert_eq!(within("the tone", heard).await.unwrap(), Ok(()));
    let failed = sound
        .tells(|event| matches!(event, AudioEvent::Microphone(_)))
        .await;
    assert!(format!("{failed:?}").contains("microphone"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_opens_the_loudspeaker_and_its_end_closes_it() {
    warm().await;
    let mut sound = on_alsa(AudioSourceKind::None, "null");
    let is = |wanted: LoudspeakerStatus| {
        move |event: &AudioEvent| *event == AudioEvent::Loudspeaker(wanted.clone())
    };
    let voice = sound.loudspeaker.live();
    sound.tells(is(LoudspeakerStatus::Playing)).await;
    drop(voice);
    sound.tells(is(LoudspeakerStatus::Closed)).await;
}
