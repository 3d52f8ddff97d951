//! Recordings on command and by rule, and what stays of them.

use std::path::PathBuf;
use std::time::Duration;

use cubelet::engine::chat_command::Draft;
use cubelet::engine::command::{Command, CommandError, ErrorCode};
use cubelet::engine::event::{EventKind, RecordingPhase, RecordingTold};
use cubelet::engine::recording_command::{
    ListRecordings, Record, RecordAction, RecordSide, RecordingCommand,
};
use cubelet::engine::state::RecordingStatus;
use serde_json::Value;

use crate::broker::{Broker, Client};
use crate::playing::play;
use crate::site::{Site, Station, talk, user};

const DOOR: &str = "[calls]\nbind = [\"127.0.0.1\"]\n[control]\ntest_commands = true\n";

fn door(rules: &str) -> String {
    format!("{DOOR}[recording]\nenabled = true\n{rules}\n")
}

impl Station {
    async fn record(&self, seconds: Option<u32>) -> Result<Value, CommandError> {
        let record = Record {
            action: RecordAction::Start,
            seconds,
            side: None,
        };
        self.command(Command::Recording(RecordingCommand::Record(record)))
            .await
    }

    async fn stop_recording(&self) -> Result<Value, CommandError> {
        let record = Record {
            action: RecordAction::Stop,
            seconds: None,
            side: None,
        };
        self.command(Command::Recording(RecordingCommand::Record(record)))
            .await
    }

    async fn recordings(&self) -> Vec<Value> {
        let list = RecordingCommand::List(ListRecordings::default());
        let listed = self
            .command(Command::Recording(list))
            .await
            .expect("a list");
        listed["recordings"].as_array().expect("a list").clone()
    }

    /// Waits for a recording's next phase; gives its id and what is told.
    async fn recording(&mut self, wanted: RecordingPhase) -> (String, RecordingTold) {
        self.events
            .hear(&format!("{wanted:?}"), |event| match event {
                EventKind::Recording {
                    phase,
                    recording,
                    told,
                    ..
                } if *phase == wanted => Some((recording.clone(), told.clone())),
                _ => None,
            })
            .await
    }
}

fn folder(site: &Site) -> PathBuf {
    site.state_folder("door").join("recordings")
}

async fn pictures(file: PathBuf) -> usize {
    let played = tokio::task::spawn_blocking(move || play(&file)).await;
    played.expect("it plays").video.times.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_is_begun_and_ended_by_command_listed_and_plays() {
    let site = Site::start().await;
    let mut front = site.station("door", &door("")).await;
    let begun = front.record(None).await.expect("accepted");
    let (id, told) = front.recording(RecordingPhase::Started).await;
    assert_eq!(begun["recording"], id.as_str());
    assert_eq!(told.file.as_deref(), begun["files"][0].as_str());
    front
        .reaches("recording", |state| {
            state.recording.status == RecordingStatus::Recording
                && state.recording.recording.as_deref() == Some(&id)
        })
        .await;
    let again = front.record(None).await.expect_err("one at a time");
    assert_eq!(again.code, ErrorCode::WrongState);
    let listed = front.recordings().await;
    assert_eq!(listed[0]["unfinished"], true, "{listed:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        front.stop_recording().await.expect("ended")["recording"],
        id.as_str()
    );
    let (ended, told) = front.recording(RecordingPhase::Finished).await;
    assert_eq!(ended, id);
    assert_eq!(told.reason.as_deref(), Some("stopped"));
    front
        .reaches("idle", |state| {
            state.recording.status == RecordingStatus::Idle && state.recording.last == told.file
        })
        .await;
    let listed = front.recordings().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["file"].as_str(), told.file.as_deref());
    assert_eq!(listed[0]["bytes"].as_u64(), told.bytes);
    let file = folder(&site).join(told.file.expect("a name"));
    assert!(pictures(file).await > 30);
    let nothing = front.stop_recording().await.expect_err("none is under way");
    assert_eq!(nothing.code, ErrorCode::WrongState);
    front.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_is_no_longer_than_ordered_and_an_order_no_longer_than_configured() {
    let site = Site::start().await;
    let mut front = site.station("door", &door("max_s = 60")).await;
    let refused = front.record(Some(61)).await.expect_err("too long");
    assert_eq!(refused.code, ErrorCode::InvalidPayload);
    assert_eq!(
        refused.message,
        "seconds: 61 are more than `[recording] max_s`, which is 60"
    );
    front.record(Some(2)).await.expect("accepted");
    let (_, told) = front.recording(RecordingPhase::Finished).await;
    assert_eq!(told.reason.as_deref(), Some("limit"));
    let seconds = told.duration_s.expect("a length");
    assert!((1.8..=2.0).contains(&seconds), "{seconds}");
    front.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_recording_is_made_unless_they_are_switched_on() {
    let site = Site::start().await;
    let front = site.station("door", DOOR).await;
    let refused = front.record(None).await.expect_err("off");
    assert_eq!(refused.code, ErrorCode::NotAllowed);
    assert_eq!(front.recordings().await, [Value::Null; 0]);
    assert!(!folder(&site).exists());
    front.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_records_what_happens_when_the_button_is_pressed() {
    let site = Site::start().await;
    let rule = "segment_s = 5\n[[rule]]\nname = \"evidence\"\non = [\"button/pressed\"]\n\
                do = [{ command = \"record\", action = \"start\", seconds = 2 }]\n";
    let mut front = site.station("door", &door(rule)).await;
    // Nobody is to be rung; the button was pressed all the same.
    front.command(Command::Press).await.expect_err("nobody");
    let (_, told) = front.recording(RecordingPhase::Finished).await;
    assert_eq!(told.reason.as_deref(), Some("limit"));
    front.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_recordings_leave_and_a_long_one_is_cut() {
    let site = Site::start().await;
    let place = folder(&site);
    std::fs::create_dir_all(&place).expect("a folder");
    let fill = |name: &str, bytes: u64| {
        let file = std::fs::File::create(place.join(name)).expect("a file");
        file.set_len(bytes).expect("a size");
    };
    // Too old, and together with the next ones too much.
    fill("20010101T000000.000Z.mp4", 1 << 20);
    let day = |ago: u64| {
        let began = jiff::Timestamp::now().as_second() - ago as i64 * 86_400;
        let began = jiff::Timestamp::from_second(began).expect("a time");
        began.strftime("%Y%m%dT%H%M%S.000Z.mp4").to_string()
    };
    let days = [3, 2, 1].map(day);
    for name in &days {
        fill(name, 7 << 20);
    }
    fill("holiday.mp4", 50 << 20);
    let rules = "segment_s = 5\nkeep_mb = 16\nkeep_days = 5\nmax_s = 8";
    let mut front = site.station("door", &door(rules)).await;
    front.record(None).await.expect("accepted");
    let (id, told) = front.recording(RecordingPhase::Finished).await;
    assert_eq!(told.reason.as_deref(), Some("segment"));
    let (same, told) = front.recording(RecordingPhase::Finished).await;
    assert_eq!(same, id);
    assert_eq!(told.reason.as_deref(), Some("limit"));
    assert_eq!(told.file, Some(format!("{id}_002.mp4")));
    let mut left: Vec<String> = std::fs::read_dir(&place)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    left.sort();
    let [_, second, third] = days;
    let ours = [format!("{id}.mp4"), format!("{id}_002.mp4")];
    let [first, next] = ours;
    assert_eq!(left, [second, third, first, next, "holiday.mp4".to_owned()]);
    front.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_disk_without_room_the_old_ones_leave_and_the_new_one_says_why_it_is_not_made() {
    let site = Site::start().await;
    let place = folder(&site);
    std::fs::create_dir_all(&place).expect("a folder");
    let old = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.000Z.mp4");
    let old = place.join(old.to_string());
    std::fs::write(&old, "x").expect("a file");
    // More than there is.
    let mut front = site.station("door", &door("min_free_mb = 1000000")).await;
    front.record(None).await.expect("accepted");
    let (_, told) = front.recording(RecordingPhase::Failed).await;
    let reason = told.reason.expect("a reason");
    assert!(reason.starts_with("no room for a recording: "), "{reason}");
    assert!(!old.exists(), "it left for the new one");
    front
        .reaches("idle", |state| {
            state.recording.status == RecordingStatus::Idle
        })
        .await;
    front.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_begins_before_it_was_ordered() {
    let site = Site::start().await;
    let mut front = site.station("door", &door("pre_roll_s = 2")).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    front.record(Some(1)).await.expect("accepted");
    let (_, told) = front.recording(RecordingPhase::Finished).await;
    let seconds = told.duration_s.expect("a length");
    assert!(seconds > 2.5, "{seconds}");
    front.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_until_a_restart_or_a_power_cut_is_kept_and_told_of() {
    let site = Site::start().await;
    let mut front = site.station("door", &door("")).await;
    front.record(None).await.expect("accepted");
    front.recording(RecordingPhase::Started).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let part = std::fs::read_dir(folder(&site))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|ending| ending == "part"))
        .expect("it is being written");
    // As a power cut leaves it.
    let cut = std::fs::read(&part).expect("readable");
    let before = front.stop().await;
    let whole = part.with_extension("");
    assert!(whole.exists(), "the shutdown finished it");
    std::fs::remove_file(&whole).expect("removed");
    std::fs::write(&part, cut).expect("written");
    let mut front = before.again(&site, &door("")).await;
    let name = whole.file_name().and_then(|name| name.to_str());
    front
        .reaches("it is finished", |state| {
            state.recording.last.as_deref() == name
        })
        .await;
    let listed = front.recordings().await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(
        listed[0]["duration_s"].as_f64().expect("a length") > 1.0,
        "{listed:?}"
    );
    assert!(pictures(whole).await > 15);
    front.stop().await;
    site.hub.stop().await;
}

/// The daemon as it is installed, killed with its parent if need be.
fn daemon(config: &std::path::Path) -> tokio::process::Child {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["run", "--config"])
        .arg(config)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_in_mid_recording_has_what_was_recorded_at_its_next_start() {
    // Neither the recording nor the order needs a hub: the device has none of its users.
    let site = Site::start().await;
    let broker = Broker::start().await;
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port);
    let camera = "[camera]\nsource = \"test:ball\"\nwidth = 320\nheight = 240\n";
    let config = site.configure("door", "login = \"door\"", "x", camera, &door(&mqtt));
    let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
    let mut running = daemon(&config);
    client.until("cubelet/door/availability", "online").await;
    client.publish("cubelet/door/cmd/record", r#"{"action":"start"}"#, false);
    let told = client.event("recording/started").await;
    let file = folder(&site).join(told["file"].as_str().expect("a name"));
    let part = PathBuf::from(format!("{}.part", file.display()));
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while std::fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 40_000 {
        assert!(std::time::Instant::now() < until, "nothing is recorded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // SIGKILL: nothing is finished, nothing is said.
    running.kill().await.expect("killed");
    assert!(part.exists() && !file.exists());
    let mut running = daemon(&config);
    let told = client.event("recording/finished").await;
    assert_eq!(told["reason"], "recovered");
    assert_eq!(
        told["file"],
        file.file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
    );
    client.publish("cubelet/door/cmd/recordings", "{}", false);
    let reply = loop {
        let seen = client.next().await;
        if seen.topic == "cubelet/door/cmd/recordings/reply" {
            break seen.json();
        }
    };
    assert_eq!(reply["recordings"][0]["file"], told["file"], "{reply}");
    // A file's own words are in whole milliseconds.
    let seconds = |of: &Value| of["duration_s"].as_f64().expect("a length");
    let (listed, told) = (seconds(&reply["recordings"][0]), seconds(&told));
    assert!((listed - told).abs() < 0.01, "{listed} and {told}");
    assert!(pictures(file).await > 15);
    running.kill().await.expect("killed");
    site.hub.stop().await;
}

impl Client {
    async fn event(&mut self, kind: &str) -> Value {
        let topic = format!("cubelet/door/event/{kind}");
        loop {
            let seen = self.next().await;
            if seen.topic == topic {
                return seen.json();
            }
        }
    }
}

const CALLER: &str = "[calls]\nbind = [\"127.0.0.1\"]\nring = [\"indoor\"]\n";

fn indoor() -> String {
    "[calls]\nbind = [\"127.0.0.1\"]\n".to_owned()
}

async fn played(file: PathBuf) -> crate::playing::Played {
    let played = tokio::task::spawn_blocking(move || play(&file)).await;
    played.expect("it plays")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_recorded_on_both_sides_from_its_beginning_to_its_end_and_they_are_told() {
    let site = Site::start().await;
    let rules = format!("{CALLER}record = \"both\"\n[recording]\nenabled = true\n");
    let mut front = site.station("door", &rules).await;
    let mut inside = site.station("indoor", &indoor()).await;
    talk(&mut front, &mut inside).await;
    let mut started = Vec::new();
    for _ in 0..2 {
        let (_, told) = front.recording(RecordingPhase::Started).await;
        started.push(told.file.expect("a name"));
    }
    let told = inside
        .events
        .hear("the notice", |event| match event {
            EventKind::CallTold { info, .. } => info.get("recording").cloned(),
            _ => None,
        })
        .await;
    assert_eq!(told, "started");
    inside
        .events
        .hear("the message", |event| match event {
            EventKind::ChatMessage { text, .. } if text == "This call is being recorded." => {
                Some(())
            }
            _ => None,
        })
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    front.command(Command::Hangup).await.expect("hung up");
    let mut finished = Vec::new();
    for _ in 0..2 {
        let (id, told) = front.recording(RecordingPhase::Finished).await;
        assert_eq!(told.reason.as_deref(), Some("call_ended"));
        finished.push((id, told.file.expect("a name")));
    }
    let id = finished[0].0.clone();
    let mut files: Vec<String> = finished.into_iter().map(|(_, file)| file).collect();
    files.sort();
    started.sort();
    assert_eq!(files, [format!("{id}.mp4"), format!("{id}_remote.mp4")]);
    assert_eq!(files, started);
    for file in files {
        let played = played(folder(&site).join(&file)).await;
        assert!(
            played.video.times.len() > 15,
            "{} pictures in {file}",
            played.video.times.len()
        );
        assert!(
            played.audio.end > Duration::from_secs(2),
            "{:?} of sound in {file}",
            played.audio.end
        );
    }
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_side_is_recorded_on_command_in_a_call_and_refused_out_of_one() {
    let site = Site::start().await;
    let rules = format!("{CALLER}[recording]\nenabled = true\nnotice = \"none\"\n");
    let mut front = site.station("door", &rules).await;
    let mut inside = site.station("indoor", &indoor()).await;
    let remote = || {
        let record = Record {
            action: RecordAction::Start,
            seconds: Some(2),
            side: Some(RecordSide::Remote),
        };
        Command::Recording(RecordingCommand::Record(record))
    };
    let refused = front.command(remote()).await.expect_err("no call");
    assert_eq!(refused.code, ErrorCode::WrongState);
    assert!(refused.message.starts_with("side: "), "{refused}");
    talk(&mut front, &mut inside).await;
    front.command(remote()).await.expect("accepted");
    let (id, told) = front.recording(RecordingPhase::Finished).await;
    assert_eq!(told.reason.as_deref(), Some("limit"));
    assert_eq!(told.file, Some(format!("{id}_remote.mp4")));
    assert!(pictures(folder(&site).join(told.file.expect("a name"))).await > 15);
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_allowed_records_by_writing_to_the_device() {
    let site = Site::start().await;
    let rules =
        format!("{CALLER}[recording]\nenabled = true\n[chat.commands]\nrecord = [\"indoor\"]\n");
    let mut front = site.station("door", &rules).await;
    let mut inside = site.station("indoor", &indoor()).await;
    let write = |text: &str| {
        Command::Send(Box::new(Draft {
            to: Some(user("door")),
            text: text.into(),
            ..Draft::default()
        }))
    };
    inside.command(write("record 1m")).await.expect("stored");
    front.recording(RecordingPhase::Started).await;
    inside.command(write("record stop")).await.expect("stored");
    let (_, told) = front.recording(RecordingPhase::Finished).await;
    assert_eq!(told.reason.as_deref(), Some("stopped"));
    inside
        .events
        .hear("the answer", |event| match event {
            EventKind::ChatMessage { text, .. } => {
                (text == "The recording is over and kept.").then_some(())
            }
            _ => None,
        })
        .await;
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}
