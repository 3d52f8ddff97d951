//! Announcements by command on a whole device.

use cubelet::engine::command::{Command, CommandError, ErrorCode};
use cubelet::engine::event::{AnnouncementPhase, EventKind};
use cubelet::engine::say_command::SayCommand;
use serde_json::Value;

use crate::settings::WITH_SPEAKER;
use crate::site::{Site, Station};

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
