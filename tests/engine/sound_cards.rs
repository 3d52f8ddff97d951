//! Microphones and loudspeakers a device has several of (PC-43, PC-44).

use cubelet::engine::command::{Command, CommandError, ErrorCode};
use cubelet::engine::setting_command::{AudioSetting, Setting};
use cubelet::engine::state::{SourceStatus, SpeakerStatus};
use cubelet::media::stats::Level;
use serde_json::Value;

use crate::site::{Site, Station, talk};

async fn microphone(station: &Station, source: &str) -> Result<Value, CommandError> {
    let setting = AudioSetting {
        source: Some(source.to_owned()),
        ..AudioSetting::default()
    };
    station.command(Command::Set(Setting::Audio(setting))).await
}

async fn loudspeaker(station: &Station, sink: &str) -> Result<Value, CommandError> {
    let setting = AudioSetting {
        sink: Some(sink.to_owned()),
        ..AudioSetting::default()
    };
    station.command(Command::Set(Setting::Audio(setting))).await
}

/// Waits until the other side is heard here like this.
async fn hears(station: &mut Station, what: &str, is_so: impl Fn(Level) -> bool) {
    station
        .reaches(what, |state| {
            let mut levels = state.call.participants.iter().filter_map(|one| one.level);
            levels.any(&is_so)
        })
        .await;
}

/// -10 dBFS all the time.
fn is_tone(level: Level) -> bool {
    level.rms_dbfs > -20 && level.peak_dbfs < -7
}

/// As loud as can be, for a moment of a second.
fn is_tick(level: Level) -> bool {
    level.peak_dbfs > -4
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn microphone_and_loudspeaker_are_switched_in_a_call_which_goes_on() {
    let site = Site::start().await;
    let audio = "[audio]\nsource = \"test\"\nother_sources = [\"test:tone\", \"alsa:no-such-card\"]\n\
                 sink = \"alsa:null\"\nother_sinks = [\"alsa:no-such-card\"]\n";
    let calls = "[calls]\nbind = [\"127.0.0.1\"]\nring = [\"indoor\"]\n";
    let mut door = site.station("door", &format!("{calls}{audio}")).await;
    let tone = "[calls]\nbind = [\"127.0.0.1\"]\n[audio]\nsource = \"test:tone\"\n";
    let mut indoor = site.station("indoor", tone).await;
    talk(&mut door, &mut indoor).await;
    let call = indoor.state().call.call;

    // A card that is not there leaves the microphone alone …
    let told = loudspeaker(&door, "alsa:no-such-card").await.expect("set");
    assert_eq!(told["audio"]["speaker"]["sink"], "alsa:no-such-card");
    door.reaches("no loudspeaker", |state| {
        state.audio.speaker.status == SpeakerStatus::Failed
    })
    .await;
    let told = microphone(&door, "test:tone").await.expect("set");
    assert_eq!(told["audio"]["source"], "test:tone");
    hears(&mut indoor, "the tone", is_tone).await;
    // … and the other way round.
    loudspeaker(&door, "alsa:null").await.expect("set");
    microphone(&door, "alsa:no-such-card").await.expect("set");
    door.reaches("a loudspeaker and no microphone", |state| {
        state.audio.speaker.status == SpeakerStatus::Playing
            && state.audio.microphone.status == SourceStatus::Failed
    })
    .await;
    microphone(&door, "test").await.expect("set");
    hears(&mut indoor, "ticks", is_tick).await;
    microphone(&door, "test:tone").await.expect("set");
    hears(&mut indoor, "the tone again", is_tone).await;
    assert_eq!(indoor.state().call.call, call);

    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_microphone_and_the_loudspeaker_chosen_are_remembered() {
    let site = Site::start().await;
    let audio = "[calls]\nbind = [\"127.0.0.1\"]\n\
                 [audio]\nsource = \"test\"\nother_sources = [\"test:tone\"]\n\
                 sink = \"alsa:null\"\nother_sinks = [\"alsa:hw:9\"]\n";
    let mut door = site.station("door", audio).await;
    microphone(&door, "test:tone").await.expect("set");
    loudspeaker(&door, "alsa:hw:9").await.expect("set");
    door = door.stop().await.again(&site, audio).await;
    door.reaches("those chosen before", |state| {
        let audio = &state.audio;
        audio.microphone.source == "test:tone" && audio.speaker.sink == "alsa:hw:9"
    })
    .await;
    // What the configuration no longer has is as good as not chosen.
    let first = "[calls]\nbind = [\"127.0.0.1\"]\n\
                 [audio]\nsource = \"test\"\nsink = \"alsa:null\"\n";
    door = door.stop().await.again(&site, first).await;
    door.reaches("the first of them", |state| {
        let audio = &state.audio;
        audio.microphone.source == "test" && audio.speaker.sink == "alsa:null"
    })
    .await;
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_microphone_or_loudspeaker_that_is_not_configured_is_refused_by_name() {
    let site = Site::start().await;
    let bind = "[calls]\nbind = [\"127.0.0.1\"]\n";
    let several = format!(
        "{bind}[audio]\nsource = \"test\"\nother_sources = [\"test:tone\"]\nsink = \"alsa:null\"\n"
    );
    let door = site.station("door", &several).await;
    let mute = format!("{bind}[audio]\nsource = \"none\"\n");
    let mute = site.station("mute", &mute).await;
    for (refused, code, message) in [
        (
            microphone(&door, "alsa:hw:1").await,
            ErrorCode::NotFound,
            "source: is none of the configured microphones: test, test:tone",
        ),
        (
            loudspeaker(&door, "null").await,
            ErrorCode::NotFound,
            "sink: is none of the configured loudspeakers: alsa:null",
        ),
        (
            microphone(&mute, "test").await,
            ErrorCode::Unavailable,
            "source: this device has no microphone (`[audio] source`)",
        ),
        (
            loudspeaker(&mute, "alsa:null").await,
            ErrorCode::Unavailable,
            "sink: this device has no loudspeaker (`[audio] sink`)",
        ),
    ] {
        let error = refused.expect_err(message);
        assert_eq!((error.code, error.message.as_str()), (code, message));
    }
    assert_eq!(door.state().audio.microphone.source, "test");
    door.stop().await;
    mute.stop().await;
    site.hub.stop().await;
}
