//! Announcements by command on a whole device.

use cubelet::engine::command::{Command, CommandError, ErrorCode};
use cubelet::engine::event::{AnnouncementPhase, EventKind};
use cubelet::engine::say_command::{SayCommand, SayTarget};
use cubelet::engine::setting_command::{AudioSetting, Setting};
use cubelet::engine::state::DeviceState;
use serde_json::Value;

use crate::settings::WITH_SPEAKER;
use crate::site::{Site, Station, talk};

async fn say(station: &Station, say: SayCommand) -> Result<Value, CommandError> {
    station.command(Command::Say(say)).await
}

fn sound(name: &str) -> SayCommand {
    SayCommand {
        sound: Some(name.to_owned()),
        ..SayCommand::default()
    }
}

/// The next news of an announcement: its id and where it is.
async fn hear(station: &mut Station) -> (String, AnnouncementPhase, Option<String>) {
    station
        .events
        .hear("an announcement", |event| match event {
            EventKind::Announcement {
                phase,
                announcement,
                reason,
            } => Some((announcement.clone(), *phase, reason.clone())),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announcements_are_played_one_after_the_other_and_stopped() {
    use AnnouncementPhase::{Ended, Started};
    let site = Site::start().await;
    let mut door = site.station("door", WITH_SPEAKER).await;
    let first = say(&door, sound("tone")).await.expect("said");
    let text = SayCommand {
        text: Some("Please come in, the door is open. I will be with you in a minute.".into()),
        ..SayCommand::default()
    };
    let second = say(&door, text).await.expect("said");
    let id = |told: &Value| told["announcement"].as_str().expect("an id").to_owned();
    for (announcement, phase) in [(&first, Started), (&first, Ended), (&second, Started)] {
        assert_eq!(hear(&mut door).await, (id(announcement), phase, None));
    }
    let stop = SayCommand {
        stop: Some(true),
        ..SayCommand::default()
    };
    assert_eq!(say(&door, stop).await.expect("stopped")["stopped"], 1);
    let stopped = (id(&second), Ended, Some("stopped".to_owned()));
    assert_eq!(hear(&mut door).await, stopped);
    door.stop().await;
    site.hub.stop().await;
}

/// The door's microphone is muted: what the other side hears is the announcement alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_to_the_call_is_heard_by_the_other_side_and_ends_with_the_call() {
    use AnnouncementPhase::{Ended, Started};
    let site = Site::start().await;
    let ringing = WITH_SPEAKER.replacen("[calls]", "[calls]\nring = [\"indoor\"]", 1);
    let mut door = site.station("door", &ringing).await;
    let mut indoor = site.station("indoor", WITH_SPEAKER).await;
    let mute = Setting::Audio(AudioSetting {
        muted: Some(true),
        ..AudioSetting::default()
    });
    let to = |target, say: SayCommand| SayCommand { target, ..say };
    let early = say(&door, to(SayTarget::Call, sound("tone"))).await;
    let early = early.expect_err("no call");
    assert_eq!(early.code, ErrorCode::WrongState);
    assert!(early.message.starts_with("target: "), "{early}");
    talk(&mut door, &mut indoor).await;
    door.command(Command::Set(mute)).await.expect("muted");
    door.reaches("a muted microphone has no level", |state| {
        state
            .call
            .media
            .is_some_and(|media| media.microphone.is_none())
    })
    .await;
    let hears = |state: &DeviceState, is_so: fn(i8) -> bool| {
        let mut levels = state.call.participants.iter().filter_map(|one| one.level);
        levels.any(|level| is_so(level.peak_dbfs))
    };
    let silence = |state: &DeviceState| hears(state, |peak| peak < -90);
    indoor.reaches("silence", silence).await;
    for target in [SayTarget::Call, SayTarget::Both] {
        say(&door, to(target, sound("tone"))).await.expect("said");
        assert_eq!(hear(&mut door).await.1, Started);
        indoor
            .reaches("the tone", |state| hears(state, |peak| peak > -15))
            .await;
        assert_eq!(hear(&mut door).await.1, Ended);
        indoor.reaches("silence again", silence).await;
    }
    let text = "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve.";
    let long = SayCommand {
        text: Some(text.to_owned()),
        ..SayCommand::default()
    };
    say(&door, to(SayTarget::Call, long)).await.expect("said");
    say(&door, sound("tone")).await.expect("said");
    let (begun, phase, _) = hear(&mut door).await;
    assert_eq!(phase, Started);
    indoor.command(Command::Hangup).await.expect("hung up");
    let cut = (begun, Ended, Some("call_ended".to_owned()));
    assert_eq!(hear(&mut door).await, cut);
    // What is for those in front of the device follows.
    for phase in [Started, Ended] {
        assert_eq!(hear(&mut door).await.1, phase);
    }
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_said_is_named() {
    let site = Site::start().await;
    let door = site.station("door", WITH_SPEAKER).await;
    let unknown = say(&door, sound("gong")).await.expect_err("no such sound");
    assert_eq!(unknown.code, ErrorCode::NotFound);
    assert!(unknown.message.starts_with("sound: "), "{unknown}");
    let mute = site
        .station("mute", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    let silent = say(&mute, sound("tone")).await.expect_err("no loudspeaker");
    assert_eq!(silent.code, ErrorCode::Unavailable);
    door.stop().await;
    mute.stop().await;
    site.hub.stop().await;
}
