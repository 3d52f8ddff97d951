//! What a visitor leaves when nobody answers arrives, whatever stands in its way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cubelet::engine::chat_command::Draft;
use cubelet::engine::command::{Command, ErrorCode, VisitorAction};
use cubelet::engine::event::{EventKind, VisitorPhase, VisitorTold};
use cubelet::engine::state::{ChatStatus, VisitorStatus};
use cubelet::protocol::call_signal::CallType;
use serde_json::{Value, json};

use crate::playing::{Played, play};
use crate::site::{Site, Station, user};
use crate::upstream::Upstream;

const DOOR: &str = "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\nanswer_timeout_s = 10\n\
     [chat]\nretry_longest_s = 1\n[control]\ntest_commands = true\n";

fn door(rules: &str) -> String {
    format!("{DOOR}[visitor_message]\nto = [\"indoor\"]\n{rules}\n")
}

fn indoor(saved: &Path) -> String {
    format!(
        "[calls]\nbind = [\"127.0.0.1\"]\n[chat]\nretry_longest_s = 1\n\
         [attachments]\nsave_to = {saved:?}\nsave_up_to_mb = 20\n"
    )
}

impl Station {
    async fn visitor(&self, action: VisitorAction) -> Result<Value, ErrorCode> {
        let done = self.command(Command::VisitorMessage(action)).await;
        done.map_err(|error| error.code)
    }

    /// Waits for a message's next phase; gives its id and what is told.
    async fn hears(&mut self, wanted: VisitorPhase) -> (String, VisitorTold) {
        self.events
            .hear(&format!("{wanted:?}"), |event| match event {
                EventKind::VisitorMessage {
                    phase,
                    visitor_message,
                    told,
                    ..
                } if *phase == wanted => Some((visitor_message.clone(), told.clone())),
                _ => None,
            })
            .await
    }

    /// Records until there are so many seconds, then ends it.
    async fn records(&mut self, seconds: u64) -> String {
        self.visitor(VisitorAction::Start).await.expect("accepted");
        let (id, _) = self.hears(VisitorPhase::Recording).await;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.visitor(VisitorAction::Stop).await.expect("under way");
        id
    }

    /// Waits for a chat message with a video; gives its text, the attachment and the saved file.
    async fn gets_video(&mut self) -> (String, Value, PathBuf) {
        let (id, text, attachment) = self
            .events
            .hear("a video", |event| match event {
                EventKind::ChatMessage {
                    message,
                    text,
                    details,
                    ..
                } => {
                    let video = details.attachments.iter().find(|one| one.kind == "video")?;
                    Some((message.clone(), text.clone(), json!(video)))
                }
                _ => None,
            })
            .await;
        let file = self
            .events
            .hear("the saved video", |event| match event {
                EventKind::ChatSaved { message, file, .. } if *message == id => {
                    Some(PathBuf::from(file))
                }
                _ => None,
            })
            .await;
        (text, attachment, file)
    }

    /// No second video comes: what was sent after it arrives first.
    async fn gets_no_other_video(&mut self, from: &Station) {
        let send = Command::Send(Box::new(Draft {
            to: Some(user("indoor")),
            text: "that was all".into(),
            ..Draft::default()
        }));
        from.command(send).await.expect("stored");
        let videos = std::cell::Cell::new(0);
        self.events
            .hear("the last message", |event| match event {
                EventKind::ChatMessage { text, details, .. } => {
                    videos.set(videos.get() + details.attachments.len());
                    (text == "that was all").then_some(())
                }
                _ => None,
            })
            .await;
        assert_eq!(videos.get(), 0, "it came twice");
    }
}

async fn playing(file: PathBuf) -> Played {
    tokio::task::spawn_blocking(move || play(&file))
        .await
        .expect("it plays")
}

fn recordings(site: &Site, station: &str) -> Vec<String> {
    let folder = site.state_folder(station).join("visitor-messages");
    let entries = std::fs::read_dir(folder).map(|entries| {
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    });
    let mut names: Vec<String> = entries.unwrap_or_default();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_nobody_answers_leaves_a_message_that_arrives_and_plays() {
    let site = Site::start().await;
    let saved = tempfile::tempdir().expect("a folder");
    let rules = "enabled = true\nmax_s = 5\nkeep_days = 0";
    let mut front = site.station("door", &door(rules)).await;
    let mut inside = site.station("indoor", &indoor(saved.path())).await;
    front.command(Command::Press).await.expect("it rings");
    inside.rings().await;
    // Nobody answers.
    let (started, _) = front.hears(VisitorPhase::Started).await;
    let (recording, _) = front.hears(VisitorPhase::Recording).await;
    front
        .reaches("recording", |state| {
            state.visitor_message.status == VisitorStatus::Recording
        })
        .await;
    let (stored, told) = front.hears(VisitorPhase::Stored).await;
    assert_eq!((&started, &recording), (&stored, &stored), "one message");
    assert_eq!(told.reason.as_deref(), Some("limit"));
    let seconds = told.duration_s.expect("a length");
    assert!((4.8..=5.0).contains(&seconds), "{seconds} s");

    let picture = inside
        .events
        .hear("the picture of the visitor", |event| match event {
            EventKind::ChatMessage { text, details, .. } => {
                Some((text.clone(), details.attachments[0].kind.clone()))
            }
            _ => None,
        })
        .await;
    assert!(
        picture.0.starts_with("Visitor at the door, "),
        "{picture:?}"
    );
    assert_eq!(picture.1, "photo");
    let (text, attachment, file) = inside.gets_video().await;
    assert!(
        text.starts_with("Visitor message, ") && text.ends_with(", 5 s"),
        "{text}"
    );
    assert_eq!(attachment["content-type"], "video/mp4");
    assert_eq!(attachment["duration"], 5);
    assert_eq!(attachment["size"], told.bytes.expect("a size"));
    assert_eq!(
        attachment["size"],
        std::fs::metadata(&file).expect("a file").len()
    );
    let played = playing(file).await;
    assert!(
        played.video.times.len() > 100,
        "{} pictures",
        played.video.times.len()
    );
    assert!(
        played.audio.end > Duration::from_millis(4_500),
        "{:?}",
        played.audio.end
    );

    let (sent, told) = front.hears(VisitorPhase::Sent).await;
    assert_eq!(sent, stored);
    assert_eq!(told.messages.len(), 1);
    front
        .reaches("nothing waits", |state| {
            state.visitor_message.waiting == 0
                && state.visitor_message.status == VisitorStatus::Idle
        })
        .await;
    gone(&site, "door").await;
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_told_of_the_missed_ring_gets_no_second_picture_of_the_visitor() {
    let site = Site::start().await;
    let saved = tempfile::tempdir().expect("a folder");
    let rules = door("enabled = true\nmax_s = 5");
    let rules = rules.replacen("[calls]\n", "[calls]\nmissed_to = [\"indoor\"]\n", 1);
    let front = site.station("door", &rules).await;
    let mut inside = site.station("indoor", &indoor(saved.path())).await;
    front.command(Command::Press).await.expect("it rings");
    inside.rings().await;
    // Nobody answers.
    let pictures = std::cell::RefCell::new(Vec::new());
    inside
        .events
        .hear("the recording", |event| match event {
            EventKind::ChatMessage { text, details, .. } => {
                let kinds = details.attachments.iter().map(|one| one.kind.as_str());
                let has = |kind: &str| kinds.clone().any(|one| one == kind);
                if has("photo") {
                    pictures.borrow_mut().push(text.clone());
                }
                has("video").then_some(())
            }
            _ => None,
        })
        .await;
    assert_eq!(
        pictures.into_inner(),
        ["Nobody answered the bell at door."],
        "one picture, with the message about the ring"
    );
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

/// Waits until no recording is left.
async fn gone(site: &Site, station: &str) {
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !recordings(site, station).is_empty() {
        assert!(
            std::time::Instant::now() < until,
            "{:?} stay",
            recordings(site, station)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_recorded_unless_it_is_switched_on() {
    let site = Site::start().await;
    let mut front = site.station("door", &door("enabled = false")).await;
    let mut inside = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    assert_eq!(
        front.visitor(VisitorAction::Start).await,
        Err(ErrorCode::NotAllowed)
    );
    front.command(Command::Press).await.expect("it rings");
    inside.rings().await;
    let reject = Command::Reject { reason: None };
    inside.command(reject).await.expect("declined");
    assert_eq!(front.ended().await, "remote_rejected");
    // The actor that would begin one has heard of the end once it answers this.
    assert_eq!(
        front.visitor(VisitorAction::Stop).await,
        Err(ErrorCode::WrongState)
    );
    assert_eq!(recordings(&site, "door"), [""; 0]);
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_ended_cancelled_and_begun_by_command_and_refused_out_of_place() {
    let site = Site::start().await;
    let saved = tempfile::tempdir().expect("a folder");
    let rules = "enabled = true\ntone = \"none\"\nsnapshot = false";
    let mut front = site.station("door", &door(rules)).await;
    let mut inside = site.station("indoor", &indoor(saved.path())).await;
    for action in [VisitorAction::Stop, VisitorAction::Cancel] {
        assert_eq!(front.visitor(action).await, Err(ErrorCode::WrongState));
    }
    front.visitor(VisitorAction::Start).await.expect("accepted");
    assert_eq!(
        front.visitor(VisitorAction::Start).await,
        Err(ErrorCode::WrongState)
    );
    front.hears(VisitorPhase::Recording).await;
    front
        .visitor(VisitorAction::Cancel)
        .await
        .expect("called off");
    let (_, told) = front.hears(VisitorPhase::Cancelled).await;
    assert_eq!(told.reason.as_deref(), Some("cancelled"));
    front
        .visitor(VisitorAction::Start)
        .await
        .expect("accepted again");
    front.hears(VisitorPhase::Recording).await;
    front.visitor(VisitorAction::Stop).await.expect("ended");
    let (_, told) = front.hears(VisitorPhase::Cancelled).await;
    assert_eq!(told.reason.as_deref(), Some("too_short"));
    gone(&site, "door").await;

    // A resident who calls the door late ends it, and gets what was said.
    front.visitor(VisitorAction::Start).await.expect("accepted");
    front.hears(VisitorPhase::Recording).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let call = Command::Call {
        user: user("door"),
        call_type: CallType::Audio,
    };
    inside.command(call).await.expect("calls the door");
    let (_, told) = front.hears(VisitorPhase::Stored).await;
    assert_eq!(told.reason.as_deref(), Some("answered"));
    let (_, _, file) = inside.gets_video().await;
    assert!(playing(file).await.video.times.len() > 30);
    front.hears(VisitorPhase::Sent).await;
    let kept = recordings(&site, "door");
    assert_eq!(
        kept.len(),
        2,
        "the recording and its note are kept: {kept:?}"
    );
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_until_its_actor_died_is_sent() {
    let site = Site::start().await;
    let saved = tempfile::tempdir().expect("a folder");
    let rules = "enabled = true\nsnapshot = false";
    let mut front = site.station("door", &door(rules)).await;
    let mut inside = site.station("indoor", &indoor(saved.path())).await;
    front.visitor(VisitorAction::Start).await.expect("accepted");
    front.hears(VisitorPhase::Recording).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let kill = Command::Kill {
        actor: "visitor_message".into(),
    };
    front.command(kill).await.expect("killed");
    let (text, _, file) = inside.gets_video().await;
    assert!(text.starts_with("Visitor message, "), "{text}");
    assert!(playing(file).await.video.times.len() > 30);
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_stopped_in_mid_upload_gets_the_rest_when_it_is_back() {
    let mut site = Site::start().await;
    let saved = tempfile::tempdir().expect("a folder");
    let line = Upstream::to(&site.hub.ready().api).await;
    site.api = Some(line.api());
    let mut front = site
        .station("door", &door("enabled = true\nsnapshot = false"))
        .await;
    site.api = None;
    let mut inside = site.station("indoor", &indoor(saved.path())).await;
    line.pass(30_000);
    front.records(3).await;
    let (_, told) = front.hears(VisitorPhase::Stored).await;
    assert!(told.bytes.expect("a size") > 40_000, "{told:?}");
    line.stalls().await;
    let (site, ()) = site.without_hub(async || line.open()).await;
    let (_, attachment, file) = inside.gets_video().await;
    assert_eq!(
        attachment["size"],
        std::fs::metadata(&file).expect("a file").len()
    );
    assert!(playing(file).await.video.times.len() > 60);
    front.hears(VisitorPhase::Sent).await;
    inside.gets_no_other_video(&front).await;
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_restarted_in_mid_upload_goes_on_with_it() {
    let mut site = Site::start().await;
    let saved = tempfile::tempdir().expect("a folder");
    let line = Upstream::to(&site.hub.ready().api).await;
    site.api = Some(line.api());
    let rules = door("enabled = true\nsnapshot = false");
    let mut front = site.station("door", &rules).await;
    let mut inside = site.station("indoor", &indoor(saved.path())).await;
    line.pass(30_000);
    let id = front.records(3).await;
    front.hears(VisitorPhase::Stored).await;
    line.stalls().await;
    let (number, password) = (front.user, front.password.clone());
    front.stop().await;
    line.open();
    let mut front = site.launch("door", "login = \"door\"", number, password, &rules);
    front
        .reaches("online", |state| state.chat.status == ChatStatus::Online)
        .await;
    let (_, _, file) = inside.gets_video().await;
    assert!(playing(file).await.video.times.len() > 60);
    front
        .reaches("nothing waits", |state| state.visitor_message.waiting == 0)
        .await;
    let note = site
        .state_folder("door")
        .join(format!("visitor-messages/{id}.json"));
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !std::fs::read_to_string(&note)
        .expect("a note")
        .contains("\"sent\"")
    {
        assert!(std::time::Instant::now() < until, "never noted as sent");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    inside.gets_no_other_video(&front).await;
    front.stop().await;
    inside.stop().await;
    site.hub.stop().await;
}
