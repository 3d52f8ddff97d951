//! The picture before the answer, between two devices.

use std::time::Duration;

use cubelet::engine::chat_command::{ChatCommand, SendSystem};
use cubelet::engine::command::{Command, UserRef};
use cubelet::engine::event::EventKind;
use cubelet::engine::state::{CallStatus, ChatStatus, DeviceState, PreviewState};
use cubelet::protocol::call_signal::CallType;
use serde_json::{Value, json};

use crate::site::{Events, Site, Station, user};

const DOOR: &str = "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n";
const INDOOR: &str = "[calls]\nbind = [\"127.0.0.1\"]\n";

/// A door whose `[calls.preview]` says this, and an indoor station.
async fn door_and_indoor(site: &Site, preview: &str) -> (Station, Station) {
    let preview = format!("{DOOR}[calls.preview]\n{preview}\n");
    let door = site.station("door", &preview).await;
    let indoor = site.station("indoor", INDOOR).await;
    (door, indoor)
}

async fn stop_all(site: Site, stations: impl IntoIterator<Item = Station>) {
    for station in stations {
        station.stop().await;
    }
    site.hub.stop().await;
}

/// Waits for the next `call/preview` of this phase; the reason.
async fn hear_preview(events: &mut Events, wanted: &str) -> Option<&'static str> {
    events
        .hear(wanted, |event| match event {
            EventKind::CallPreview { phase, reason, .. } if *phase == wanted => Some(*reason),
            _ => None,
        })
        .await
}

fn seen(station: &Station) -> PreviewState {
    station.state().call.preview.unwrap_or_default()
}

/// Presses and waits until the indoor station, still ringing, sees the door.
async fn look(door: &mut Station, indoor: &mut Station) {
    door.command(Command::Press).await.expect("the bell rings");
    indoor
        .reaches("pictures while it rings", |state| {
            let preview = state.call.preview.clone().unwrap_or_default();
            state.call.status == CallStatus::Ringing && preview.frames_decoded > 15
        })
        .await;
    let indoor_user = indoor.user;
    door.reaches("somebody looking", |state| {
        let preview = state.call.preview.clone().unwrap_or_default();
        state.call.status == CallStatus::Dialing && preview.viewers == [indoor_user]
    })
    .await;
}

/// Nothing of it is left.
async fn nobody_looks(stations: [&mut Station; 2]) {
    for station in stations {
        station
            .reaches("no preview", |state| state.call.preview.is_none())
            .await;
    }
}

async fn record(events: &mut Events) -> Value {
    events
        .hear("a record", |event| match event {
            EventKind::CallRecord(record) => Some(json!(record)),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_visitor_is_seen_and_not_heard_while_it_rings_until_somebody_answers() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site, "").await;
    look(&mut door, &mut indoor).await;
    let state = seen(&indoor);
    assert_eq!(state.audio_decoded_ms, 0);
    assert!(state.first_frame_ms.is_some());
    assert_eq!(seen(&door).audio_packets_sent, 0);
    indoor.command(Command::Answer).await.expect("answered");
    door.is_connected().await;
    indoor.is_connected().await;
    nobody_looks([&mut door, &mut indoor]).await;
    let why = hear_preview(&mut door.events, "ended").await;
    assert_eq!(why, Some("ringing_over"));
    door.command(Command::Hangup).await.expect("hung up");
    let kept = record(&mut door.events).await;
    assert_eq!(kept["preview"]["times"], 1, "{kept}");
    assert!(kept["preview"]["frames_sent"].as_u64() > Some(15), "{kept}");
    let kept = record(&mut indoor.events).await;
    assert!(
        kept["preview"]["frames_decoded"].as_u64() > Some(15),
        "{kept}"
    );
    stop_all(site, [door, indoor]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_of_one_user_look_at_the_same_time() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site, "").await;
    let account = "login = \"indoor\"";
    let password = indoor.password.clone();
    let mut tablet = site.launch("tablet", account, indoor.user, password, INDOOR);
    tablet
        .reaches("online", |state| state.chat.status == ChatStatus::Online)
        .await;
    door.command(Command::Press).await.expect("the bell rings");
    let decoded = |station: &Station| seen(station).frames_decoded;
    for station in [&mut indoor, &mut tablet] {
        station
            .reaches("pictures", |state| {
                let preview = state.call.preview.clone().unwrap_or_default();
                preview.frames_decoded > 5
            })
            .await;
    }
    // Neither took the other's place.
    let before = [decoded(&indoor), decoded(&tablet)];
    for (station, before) in [&mut indoor, &mut tablet].into_iter().zip(before) {
        station
            .reaches("more pictures", |state| {
                let preview = state.call.preview.clone().unwrap_or_default();
                preview.frames_decoded > before + 5
            })
            .await;
    }
    assert_eq!(seen(&door).viewers, [indoor.user], "one user looks");
    tablet.command(Command::Answer).await.expect("answered");
    door.is_connected().await;
    nobody_looks([&mut door, &mut indoor]).await;
    stop_all(site, [door, indoor, tablet]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preview_ends_when_it_is_declined_cancelled_or_answered_elsewhere() {
    let site = Site::start().await;
    let ring = "[calls]\nring = [\"indoor\", \"attic\"]\nbind = [\"127.0.0.1\"]\n";
    let mut door = site.station("door", ring).await;
    let mut indoor = site.station("indoor", INDOOR).await;
    let mut attic = site
        .station("attic", &format!("{INDOOR}[calls.preview]\nshow = false\n"))
        .await;
    let both = |state: &DeviceState| {
        let preview = state.call.preview.clone().unwrap_or_default();
        preview.viewers.len() == 1
    };
    // Declined by the one who looks, while the other rings on.
    door.command(Command::Press).await.expect("rings");
    attic.rings().await;
    door.reaches("one who looks", both).await;
    let reject = Command::Reject { reason: None };
    indoor.command(reject).await.expect("declined");
    nobody_looks([&mut door, &mut indoor]).await;
    assert_eq!(attic.state().call.status, CallStatus::Ringing);
    assert_eq!(attic.state().call.preview, None, "`show` is off");
    // Cancelled.
    door.command(Command::Hangup).await.expect("cancelled");
    assert_eq!(indoor.ended().await, "rejected");
    assert_eq!(attic.ended().await, "cancelled");
    door.reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    door.command(Command::Press).await.expect("rings again");
    door.reaches("one who looks", both).await;
    door.command(Command::Hangup).await.expect("cancelled");
    nobody_looks([&mut door, &mut indoor]).await;
    assert_eq!(indoor.ended().await, "cancelled");
    assert_eq!(attic.ended().await, "cancelled");
    door.reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    // Answered by the one who does not look.
    door.command(Command::Press).await.expect("rings again");
    attic.rings().await;
    door.reaches("one who looks", both).await;
    attic.command(Command::Answer).await.expect("answered");
    assert_eq!(indoor.ended().await, "answered_elsewhere");
    nobody_looks([&mut door, &mut indoor]).await;
    attic.is_connected().await;
    stop_all(site, [door, indoor, attic]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_goes_along_only_if_the_door_is_told_to() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site, "audio = true").await;
    look(&mut door, &mut indoor).await;
    indoor
        .reaches("sound while it rings", |state| {
            let preview = state.call.preview.clone().unwrap_or_default();
            state.call.status == CallStatus::Ringing && preview.audio_decoded_ms > 200
        })
        .await;
    stop_all(site, [door, indoor]).await;
}

/// Sends a system message about a preview as a device's user.
async fn say(from: &Station, to: u64, params: Value) {
    let system = SendSystem {
        to: UserRef::Id(to),
        body: None,
        params: params.as_object().expect("an object").clone(),
    };
    from.chat(ChatCommand::SendSystem(system)).await;
}

fn ask(call: &str, request: &str, sdp: &str) -> Value {
    json!({ "cubelet": "preview", "session_id": call, "request_id": request, "sdp": sdp })
}

/// Long enough for a message to go to the door and be acted on, which it must not be.
const A_WHILE: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_look_and_whoever_is_not_rung_sees_nothing() {
    let site = Site::start().await;
    let ring = "[calls]\nring = [\"indoor\", \"attic\"]\nbind = [\"127.0.0.1\"]\n\
                [calls.preview]\nallow = [\"attic\"]\n";
    let mut indoor = site.station("indoor", INDOOR).await;
    let quiet = format!("{INDOOR}[calls.preview]\nshow = false\n");
    let mut attic = site.station("attic", &quiet).await;
    let stranger = site.station("stranger", "").await;
    let mut door = site.station("door", ring).await;
    door.knows_everybody().await;
    door.command(Command::Press).await.expect("rings");
    indoor.rings().await;
    attic.rings().await;
    let call_of = |station: &Station| station.state().call.call.expect("a call");
    let (indoor_call, attic_call) = (call_of(&indoor), call_of(&attic));
    assert!(!indoor.state().call.info.contains_key("preview"));
    assert_eq!(attic.state().call.info["preview"], "1");
    let offer = "v=0\r\nhostile\r\n";
    // Not on the list: told so.
    say(&indoor, door.user, ask(&indoor_call, "r1", offer)).await;
    let why = hear_preview(&mut door.events, "refused").await;
    assert_eq!(why, Some("not_allowed"));
    // Not rung at all, or rung in another session: nothing, not even an answer.
    say(&stranger, door.user, ask(&attic_call, "r2", offer)).await;
    say(&attic, door.user, ask(&indoor_call, "r3", offer)).await;
    say(&attic, door.user, ask("no-such-session", "r4", offer)).await;
    door.stays_for(A_WHILE, |state| state.call.preview.is_none())
        .await;
    // Rung, allowed, and hostile: refused, and the door rings on.
    say(&attic, door.user, ask(&attic_call, "r5", offer)).await;
    let why = hear_preview(&mut door.events, "refused").await;
    assert_eq!(why, Some("bad_offer"));
    attic.command(Command::Answer).await.expect("answered");
    door.is_connected().await;
    stop_all(site, [door, indoor, attic, stranger]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_that_is_off_or_a_call_that_is_no_ring_of_the_bell_offers_none() {
    let site = Site::start().await;
    let (door, mut indoor) = door_and_indoor(&site, "enabled = false").await;
    door.command(Command::Press).await.expect("rings");
    indoor.rings().await;
    indoor
        .stays_for(A_WHILE, |state| state.call.preview.is_none())
        .await;
    door.command(Command::Hangup).await.expect("cancelled");
    indoor
        .reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    let mut gate = site.station("gate", INDOOR).await;
    let call = Command::Call {
        user: user("indoor"),
        call_type: CallType::Video,
    };
    gate.command(call).await.expect("dialled");
    indoor.rings().await;
    assert!(!indoor.state().call.info.contains_key("preview"));
    gate.command(Command::Hangup).await.expect("cancelled");
    gate.ended().await;
    stop_all(site, [door, indoor, gate]).await;
}
