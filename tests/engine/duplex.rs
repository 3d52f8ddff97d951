//! Who may speak when, on whole devices: what is sent of a tone the microphone hears.

use cubelet::call::duplex::Duplex;
use cubelet::engine::call_command::{CallCommand, MediaDirection, Mute};
use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::setting_command::{AudioSetting, Setting};

use crate::site::{Site, Station, talk};

/// The test microphone's tone is -13 dBFS.
const HEARD: i8 = -20;
/// 45 dB less, and a little more for the encoder.
const ATTENUATED: i8 = -50;
const SILENT: i8 = -90;

async fn stations(site: &Site, audio: &str) -> (Station, Station) {
    let speaking = |ring: &str, audio: &str| {
        format!("[calls]\nbind = [\"127.0.0.1\"]\n{ring}[audio]\nsource = \"test:tone\"\n{audio}")
    };
    let door = speaking("ring = [\"indoor\"]\n", audio);
    let door = site.station("door", &door).await;
    let indoor = site.station("indoor", &speaking("", "")).await;
    (door, indoor)
}

/// Waits until the other side is heard so loud here.
async fn hears(station: &mut Station, what: &str, is_so: impl Fn(i8) -> bool) {
    station
        .reaches(what, |state| {
            let mut levels = state.call.participants.iter().filter_map(|one| one.level);
            levels.any(|level| is_so(level.rms_dbfs))
        })
        .await;
}

fn mute(audio: bool) -> Command {
    Command::InCall(CallCommand::Mute(Mute {
        audio: Some(audio),
        video: None,
        direction: MediaDirection::Send,
        user: None,
    }))
}

fn set(duplex: Duplex) -> Command {
    Command::Set(Setting::Audio(AudioSetting {
        duplex: Some(duplex),
        ..AudioSetting::default()
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_half_duplex_the_microphone_gives_way_while_the_other_side_speaks() {
    let site = Site::start().await;
    let half = "sink = \"alsa:null\"\nduplex = \"half\"\n";
    let (mut door, mut indoor) = stations(&site, half).await;
    assert_eq!(door.state().audio.duplex, Duplex::Half);
    talk(&mut door, &mut indoor).await;
    hears(&mut indoor, "the door gives way", |level| {
        level < ATTENUATED
    })
    .await;
    indoor.command(mute(true)).await.expect("silent");
    hears(&mut indoor, "the door has the way", |level| level > HEARD).await;
    indoor.command(mute(false)).await.expect("speaks");
    hears(&mut indoor, "the door gives way", |level| {
        level < ATTENUATED
    })
    .await;
    let told = door.command(set(Duplex::Full)).await.expect("set");
    assert_eq!(told["audio"]["duplex"], "full");
    hears(&mut indoor, "both speak", |level| level > HEARD).await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_push_to_talk_nothing_is_heard_until_somebody_talks() {
    let site = Site::start().await;
    // With DTX next to nothing is sent meanwhile, and what follows must be heard all the same.
    let audio = "duplex = \"push_to_talk\"\ndtx = true\n";
    let (mut door, mut indoor) = stations(&site, audio).await;
    let talk_now = |on| Command::Talk { on };
    let refused = door.command(talk_now(true)).await.expect_err("no call");
    assert_eq!(refused.code, ErrorCode::WrongState);
    talk(&mut door, &mut indoor).await;
    hears(&mut indoor, "silence", |level| level < SILENT).await;
    door.command(talk_now(true)).await.expect("talks");
    assert!(door.state().audio.talking);
    hears(&mut indoor, "the door", |level| level > HEARD).await;
    door.command(talk_now(false)).await.expect("no more");
    assert!(!door.state().audio.talking);
    hears(&mut indoor, "silence again", |level| level < SILENT).await;
    door.command(talk_now(true)).await.expect("talks");
    indoor.command(Command::Hangup).await.expect("hung up");
    door.reaches("nobody talks after the call", |state| !state.audio.talking)
        .await;
    door.command(set(Duplex::Full)).await.expect("set");
    let refused = door.command(talk_now(true)).await.expect_err("no need");
    assert!(refused.message.contains("push_to_talk"), "{refused}");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_forgets_to_stop_talking_is_silent_after_a_while() {
    let site = Site::start().await;
    let audio = "duplex = \"push_to_talk\"\ntalk_max_s = 1\n";
    let (mut door, mut indoor) = stations(&site, audio).await;
    talk(&mut door, &mut indoor).await;
    let told = door
        .command(Command::Talk { on: true })
        .await
        .expect("talks");
    assert_eq!(
        (told["talking"].as_bool(), told["most_s"].as_u64()),
        (Some(true), Some(1))
    );
    door.reaches("it ends by itself", |state| !state.audio.talking)
        .await;
    hears(&mut indoor, "silence", |level| level < SILENT).await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}
