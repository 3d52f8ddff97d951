//! Who may open the door.

use cubelet::engine::call_command::{CallCommand, Keys};
use cubelet::engine::chat_command::Draft;
use cubelet::engine::command::{Command, CommandError, ErrorCode, UserRef};
use cubelet::engine::event::EventKind;
use cubelet::engine::ringing_command::{DoorLog, RingingCommand};

use crate::site::{Site, Station, door_and_indoor, talk, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_in_the_call_and_on_the_list_opens_the_door() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    indoor.command(Command::Unlock).await.expect("opened");
    let by = door
        .events
        .hear("the door is unlocked", |event| match event {
            EventKind::DoorUnlocked { by, .. } => Some(by.clone()),
            _ => None,
        })
        .await;
    assert_eq!(by, indoor.user.to_string());
    door.reaches("locked again", |state| {
        state.door.last_unlocked.is_some() && !state.door.unlocked
    })
    .await;
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_in_the_call_but_not_on_the_list_is_refused_and_reported() {
    let site = Site::start().await;
    let mut door = site
        .station(
            "door",
            "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n[door]\nrelay = \"log\"\n",
        )
        .await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    let refusal = indoor.command(Command::Unlock).await.expect_err("refused");
    assert_eq!(refusal.code, ErrorCode::NotAllowed);
    let by = door
        .events
        .hear("the refusal", |event| match event {
            EventKind::DoorRefused { by, .. } => Some(by.clone()),
            _ => None,
        })
        .await;
    assert_eq!(by, indoor.user.to_string());
    assert!(door.state().door.last_unlocked.is_none());
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

async fn say(station: &Station, text: &str) {
    let draft = Draft {
        to: Some(user("door")),
        text: text.to_owned(),
        ..Draft::default()
    };
    let send = Command::Send(Box::new(draft));
    station.command(send).await.expect("sent");
}

/// The answer to a message that asked for the door: whether it is open.
async fn answer(station: &mut Station) -> String {
    station
        .events
        .hear("the answer about the door", |event| match event {
            EventKind::ChatMessage { details, .. } => {
                details.custom.get("ok")?.as_str().map(str::to_owned)
            }
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_somebody_on_the_list_opens_the_door_and_every_attempt_is_noted() {
    let site = Site::start().await;
    let mut friend = site
        .station("friend", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    let mut stranger = site
        .station("stranger", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    let door = site
        .station(
            "door",
            "[door]\nrelay = \"log\"\nunlock_allowed = [\"friend\"]\n\
             chat_unlock = \"always\"\nchat_words = [\"Open\"]\n",
        )
        .await;
    say(&stranger, "open").await;
    assert_eq!(answer(&mut stranger).await, "false");
    say(&friend, "how are you?").await;
    say(&friend, " OPEN ").await;
    assert_eq!(answer(&mut friend).await, "true");
    assert!(door.state().door.last_unlocked.is_some());
    door.command(Command::Unlock).await.expect("opened");
    let log = Command::Ringing(RingingCommand::DoorLog(DoorLog::default()));
    let log = door.command(log).await.expect("a log");
    let attempts = log["attempts"].as_array().expect("a list").iter();
    let attempts: Vec<String> = attempts
        .map(|one| {
            format!(
                "{} {} {}",
                one["by"].as_str().unwrap_or(""),
                one["how"],
                one["opened"]
            )
        })
        .collect();
    assert_eq!(
        attempts,
        [
            "control \"control\" true".to_owned(),
            format!("{} \"chat\" true", friend.user),
            format!("{} \"chat\" false", stranger.user),
        ]
    );
    for station in [door, friend, stranger] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ends_some_time_after_the_door_was_opened_in_it() {
    let site = Site::start().await;
    let mut door = site
        .station(
            "door",
            "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n\
             [door]\nrelay = \"log\"\nunlock_allowed = [\"indoor\"]\nhang_up_after_s = 1\n",
        )
        .await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    indoor.command(Command::Unlock).await.expect("opened");
    assert_eq!(door.ended().await, "hung_up");
    assert_eq!(indoor.ended().await, "remote_hung_up");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

/// A door with a code that rings `indoor`; `list` is who may enter it.
async fn door_with_code(site: &Site, list: &str, code: &str) -> Station {
    let file = site.secret("door-code", code);
    let extra = format!(
        "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n\
         [door]\nrelay = \"log\"\nunlock_allowed = [\"{list}\"]\ncode_file = {file:?}\n\
         hang_up_after_s = 1\n"
    );
    site.station("door", &extra).await
}

async fn press(station: &Station, digits: &str) -> Result<serde_json::Value, CommandError> {
    let keys = Keys {
        digits: digits.to_owned(),
        user: None,
    };
    let command = Command::InCall(CallCommand::Digits(keys));
    station.command(command).await
}

/// Why and by which way the door stayed closed, the next time.
async fn refusal(door: &mut Station) -> (String, &'static str) {
    let refused = |event: &EventKind| match event {
        EventKind::DoorRefused { reason, how, .. } => Some((reason.clone(), *how)),
        _ => None,
    };
    door.events.hear("the refusal", refused).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_opens_the_door_with_its_code_and_no_event_tells_the_keys() {
    let site = Site::start().await;
    let mut door = door_with_code(&site, "indoor", "2468").await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    let sent = press(&indoor, "2468#").await.expect("sent");
    assert_eq!(sent["users"], serde_json::json!([door.user]));
    for _ in 0..4 {
        let told = |event: &EventKind| match event {
            EventKind::CallDigit { peer, digit, .. } => Some((*peer, *digit)),
            _ => None,
        };
        let (peer, digit) = door.events.hear("a key", told).await;
        assert_eq!((peer, digit), (indoor.user, None));
    }
    let unlocked = |event: &EventKind| match event {
        EventKind::DoorUnlocked { by, how, call } => Some((by.clone(), *how, call.clone())),
        _ => None,
    };
    let (by, how, call) = door.events.hear("the door is unlocked", unlocked).await;
    assert_eq!((by, how), (indoor.user.to_string(), "code"));
    assert!(call.is_some());
    assert_eq!(door.ended().await, "hung_up", "as after any unlocking");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_wrong_codes_are_noted_and_then_the_right_one_is_not_heard_either() {
    let site = Site::start().await;
    let mut door = door_with_code(&site, "indoor", "24").await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    press(&indoor, "1112131415").await.expect("sent");
    for _ in 0..4 {
        assert_eq!(
            refusal(&mut door).await,
            ("a wrong code".to_owned(), "code")
        );
    }
    let (last, _) = refusal(&mut door).await;
    assert_eq!(last, "a wrong code, the last one heard in this call");
    press(&indoor, "24#*24#A").await.expect("sent");
    for _ in 0..8 {
        let told = |event: &EventKind| matches!(event, EventKind::CallDigit { .. }).then_some(());
        door.events.hear("a key", told).await;
    }
    // `door` is asked behind what the keys could have brought about.
    let log = RingingCommand::DoorLog(DoorLog { limit: 10 });
    let log = door.command(Command::Ringing(log)).await.expect("the log");
    let opened = |attempt: &serde_json::Value| attempt["opened"] == true;
    let attempts = log["attempts"].as_array().expect("a list");
    assert_eq!(attempts.len(), 5, "{log}");
    assert!(!attempts.iter().any(opened), "{log}");
    assert!(door.state().door.last_unlocked.is_none());
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_code_of_somebody_not_on_the_list_opens_nothing() {
    let site = Site::start().await;
    let mut door = door_with_code(&site, "somebody-else", "24").await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    press(&indoor, "24").await.expect("sent");
    let (reason, how) = refusal(&mut door).await;
    assert_eq!(
        (reason.as_str(), how),
        ("you are not on this door's list", "code")
    );
    assert!(door.state().door.last_unlocked.is_none());
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_told_and_set_off_rules_where_there_is_no_code() {
    let site = Site::start().await;
    let mut door = site
        .station(
            "door",
            "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n[door]\nrelay = \"log\"\n\
             [[rule]]\nname = \"gate\"\non = [\"call/digit\"]\nif = [\"event.digit == '5'\"]\n\
             cooldown_s = 10\ndo = [\"unlock\"]\n",
        )
        .await;
    let mut indoor = site
        .station("indoor", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    talk(&mut door, &mut indoor).await;
    press(&indoor, "*95").await.expect("sent");
    for key in ['*', '9', '5'] {
        let told = |event: &EventKind| match event {
            EventKind::CallDigit { digit, .. } => Some(*digit),
            _ => None,
        };
        assert_eq!(door.events.hear("a key", told).await, Some(key));
    }
    let unlocked = |event: &EventKind| match event {
        EventKind::DoorUnlocked { how, .. } => Some(*how),
        _ => None,
    };
    assert_eq!(
        door.events.hear("the rule's doing", unlocked).await,
        "control"
    );
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_for_nobody_are_refused_by_name() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let refused = press(&door, "1").await.expect_err("no call");
    assert_eq!(refused.code, ErrorCode::WrongState);
    talk(&mut door, &mut indoor).await;
    let to_stranger = CallCommand::Digits(Keys {
        digits: "1".to_owned(),
        user: Some(UserRef::Id(1)),
    });
    let refused = door.command(Command::InCall(to_stranger)).await;
    let refused = refused.expect_err("a stranger");
    assert_eq!(refused.code, ErrorCode::NotFound);
    assert!(
        refused.message.starts_with("user: 1 "),
        "{}",
        refused.message
    );
    press(&door, &"1".repeat(32)).await.expect("sent");
    let refused = press(&door, &"1".repeat(32)).await.expect_err("too many");
    assert!(
        refused.message.starts_with("digits: "),
        "{}",
        refused.message
    );
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_whose_line_is_not_there_opens_nothing_and_says_why() {
    let site = Site::start().await;
    let mut door = site
        .station(
            "door",
            "[calls]\nbind = [\"127.0.0.1\"]\n[door]\nrelay = \"gpio:gpiochip999:4\"\n",
        )
        .await;
    let why = "there is no GPIO chip `gpiochip999`: `cubelet devices` lists those of this board";
    door.reaches("the fault is shown", |state| {
        state.door.fault.as_deref() == Some(why)
    })
    .await;
    let refusal = door.command(Command::Unlock).await.expect_err("not opened");
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    assert_eq!(refusal.message, why);
    let reason = door
        .events
        .hear("the refusal", |event| match event {
            EventKind::DoorRefused { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert_eq!(reason, why);
    assert!(!door.state().door.unlocked);
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_whose_line_is_not_there_is_shown_and_the_rest_goes_on() {
    let site = Site::start().await;
    let mut door = site
        .station(
            "door",
            "[calls]\nbind = [\"127.0.0.1\"]\n[door]\nrelay = \"log\"\n\
             [[button]]\nname = \"bell\"\nline = \"gpio:NO_SUCH_LINE\"\n",
        )
        .await;
    door.reaches("the fault is shown", |state| {
        let button = state.door.buttons.get("bell");
        button.is_some_and(|bell| {
            let fault = bell.fault.as_deref();
            fault.is_some_and(|fault| fault.contains("`NO_SUCH_LINE`")) && !bell.pressed
        })
    })
    .await;
    door.command(Command::Unlock).await.expect("opened");
    door.stop().await;
    site.hub.stop().await;
}
