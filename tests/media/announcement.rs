//! What is said to those in front of the device.

use std::path::Path;
use std::sync::Arc;

use cubelet::media::announcement::{Announcement, AnnouncementError, Tone};
use cubelet::media::sink::AudioSinkKind;
use cubelet::media::sound::SoundTap;
use cubelet::media::{AudioDeviceSettings, AudioSourceKind, Loudspeaker};
use parking_lot::Mutex;

use crate::sound::{Sound, on_alsa};
use crate::support::{warm, within};

async fn heard(
    announcement: Announcement,
    loudspeaker: &Loudspeaker,
) -> Result<(), AnnouncementError> {
    let (_playback, done) = announcement.play(&[loudspeaker]);
    within("the end of the announcement", done).await.unwrap()
}

/// A fifth of a second of a square wave.
fn write_wav(file: &Path) {
    let samples: Vec<u8> = (0..1600i16)
        .flat_map(|n| (if n / 20 % 2 == 0 { 8_000i16 } else { -8_000 }).to_le_bytes())
        .collect();
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + samples.len() as u32).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend_from_slice(&8_000u32.to_le_bytes());
    wav.extend_from_slice(&16_000u32.to_le_bytes());
    wav.extend_from_slice(b"\x02\0\x10\0data");
    wav.extend_from_slice(&(samples.len() as u32).to_le_bytes());
    wav.extend_from_slice(&samples);
    std::fs::write(file, wav).unwrap();
}

/// A loudspeaker alone, and all it has played.
fn listened_to() -> (Sound, Arc<Mutex<Vec<i16>>>) {
    let played = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&played);
    let tap = SoundTap::new(move |_, frame| kept.lock().extend_from_slice(frame));
    let sound = Sound::start(AudioDeviceSettings {
        loudspeaker: AudioSinkKind::Tap(tap),
        ..AudioDeviceSettings::microphone(AudioSourceKind::None, false)
    });
    (sound, played)
}

/// Silence before, behind and, where nobody hands over the next in time, between is not compared.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_heard_is_the_tone_sample_by_sample() {
    warm().await;
    for tone in [Tone::Chime, Tone::Phone, Tone::Ringback] {
        let (sound, played) = listened_to();
        let outcome = heard(Announcement::Tone(tone), &sound.loudspeaker).await;
        assert_eq!(outcome, Ok(()));
        sound.device.closed().await;
        let mut played = std::mem::take(&mut *played.lock());
        let mut wanted = tone.samples();
        for samples in [&mut played, &mut wanted] {
            samples.retain(|sample| *sample != 0);
        }
        assert!(played == wanted, "{tone:?} is not what was heard");
    }
}

/// At a volume of the mix of 10 %, which is a thousandth: what rings is not changed by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ring_is_heard_sample_by_sample_as_loud_as_it_is_set_and_never_louder_than_it_comes() {
    warm().await;
    let wanted = Tone::Chime.samples();
    for (percent, factor) in [(100, 1.0), (50, 0.125)] {
        let (sound, played) = listened_to();
        sound.loudspeaker.set_volume(10, percent);
        let ringing = sound.loudspeaker.for_ringing();
        let outcome = heard(Announcement::Tone(Tone::Chime), &ringing).await;
        assert_eq!(outcome, Ok(()));
        sound.device.closed().await;
        let mut played = std::mem::take(&mut *played.lock());
        let scaled = wanted.iter().map(|one| (f32::from(*one) * factor) as i16);
        let mut wanted: Vec<i16> = scaled.collect();
        for samples in [&mut played, &mut wanted] {
            samples.retain(|sample| *sample != 0);
        }
        assert!(played == wanted, "{percent} % is not what was heard");
    }
}

/// `null` is defined by ALSA itself, so the real playback element runs without a card.
#[tokio::test(flavor = "multi_thread")]
async fn a_tone_and_a_file_are_played_to_their_end() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("please speak ! now.wav");
    write_wav(&file);
    let null = on_alsa(AudioSourceKind::None, "null");
    for announcement in [Announcement::Tone(Tone::Notice), Announcement::File(file)] {
        assert_eq!(heard(announcement.clone(), &null.loudspeaker).await, Ok(()));
        assert_eq!(heard(announcement, &Loudspeaker::new()).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_read_out_and_a_voice_that_does_not_exist_says_so() {
    warm().await;
    let null = on_alsa(AudioSourceKind::None, "null");
    let speech = |voice: &str| Announcement::Speech {
        voice: voice.into(),
        text: "--version".into(),
    };
    assert_eq!(heard(speech("en"), &null.loudspeaker).await, Ok(()));
    match heard(speech("zz-nowhere"), &null.loudspeaker).await {
        Err(AnnouncementError::Failed(reason)) => {
            assert!(reason.contains("espeak-ng"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_loudspeaker_and_a_file_that_is_none_say_what_is_wrong() {
    warm().await;
    let missing = on_alsa(AudioSourceKind::None, "no-such-card");
    match heard(Announcement::Tone(Tone::Notice), &missing.loudspeaker).await {
        Err(AnnouncementError::Failed(reason)) => assert!(reason.contains("speaker"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.wav");
    std::fs::write(&text, "this is no sound").unwrap();
    for file in [text, folder.path().join("not-there.wav")] {
        let outcome = heard(Announcement::File(file), &Loudspeaker::new()).await;
        assert!(
            matches!(outcome, Err(AnnouncementError::Failed(_))),
            "{outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_announcement_stops() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tone.wav");
    write_wav(&file);
    let (playback, done) = Announcement::File(file).play(&[&Loudspeaker::new()]);
    drop(playback);
    // It may have ended by itself just before.
    let outcome = within("its end", done).await.unwrap();
    assert!(
        matches!(outcome, Ok(()) | Err(AnnouncementError::Stopped)),
        "{outcome:?}"
    );
}
