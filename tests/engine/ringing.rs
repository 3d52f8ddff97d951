//! The bell with a plan, from the button to the last resort.

use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::event::{EventKind, RingPhase, RingTold};
use cubelet::engine::ringing_command::{Dnd, RingingCommand, Stop};
use cubelet::engine::state::{CallStatus, RingStatus};
use cubelet::rest::{DialogAbout, NewDialog};
use cubelet::store::CallFilter;

use crate::site::{Events, Site, Station, talk, user};

const QUIET_STATION: &str = "[calls]\nbind = [\"127.0.0.1\"]\n[control]\ntest_commands = true\n";

/// A door whose plan is `steps`, and a station for each of `people`.
async fn door_and(site: &Site, more: &str, people: &[&str]) -> (Station, Vec<Station>) {
    let mut stations = Vec::new();
    for login in people {
        stations.push(site.station(login, QUIET_STATION).await);
    }
    let door = site
        .station(
            "door",
            &format!(
                "[calls]\nbind = [\"127.0.0.1\"]\n{more}\n[control]\ntest_commands = true\n\
                 [door]\nrelay = \"log\"\n"
            ),
        )
        .await;
    (door, stations)
}

async fn hear_ring(events: &mut Events, wanted: RingPhase) -> RingTold {
    events
        .hear(&format!("{wanted:?}"), |event| match event {
            EventKind::Ring { phase, told } if *phase == wanted => Some(told.clone()),
            _ => None,
        })
        .await
}

async fn stop_all(site: Site, stations: impl IntoIterator<Item = Station>) {
    for station in stations {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bell_nobody_answers_takes_its_steps_and_tells_of_the_visit_with_a_picture() {
    let site = Site::start().await;
    let plan = "missed_to = [\"anna\"]\n\
                [[calls.step]]\nring = [\"anna\"]\nseconds = 5\n\
                [[calls.step]]\nring = [\"ben\"]\nseconds = 5\n";
    let (mut door, mut people) = door_and(&site, plan, &["anna", "ben"]).await;
    let reply = door.command(Command::Press).await.expect("it rings");
    assert_eq!(reply["calls"].as_array().map(Vec::len), Some(1), "{reply}");
    let first = hear_ring(&mut door.events, RingPhase::Step).await;
    assert_eq!((first.step, first.users), (Some(1), vec![people[0].user]));
    people[0].rings().await;
    let second = hear_ring(&mut door.events, RingPhase::Step).await;
    assert_eq!((second.step, second.users), (Some(2), vec![people[1].user]));
    people[1].rings().await;
    let over = hear_ring(&mut door.events, RingPhase::Unanswered).await;
    assert_eq!(over.reason, Some("no_answer"));
    let (custom, attachments) = people[0]
        .events
        .hear("the message about it", |event| match event {
            EventKind::ChatMessage { details, .. } => {
                Some((details.custom.clone(), details.attachments.clone()))
            }
            _ => None,
        })
        .await;
    assert_eq!(custom["cubelet"], "missed_ring");
    assert_eq!(custom["ring"], over.ring.as_str());
    assert_eq!(attachments.len(), 1);
    assert!(attachments[0].uid.is_some(), "{attachments:?}");
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_two_steps_one_after_the_other_rings_on() {
    let site = Site::start().await;
    let plan = "[[calls.step]]\nring = [\"anna\"]\nseconds = 5\n\
                [[calls.step]]\nring = [\"anna\", \"ben\"]\nseconds = 30\n";
    let (mut door, mut people) = door_and(&site, plan, &["anna", "ben"]).await;
    let pressed = door.command(Command::Press).await.expect("it rings");
    people[0].rings().await;
    let kept = people[0].state().call.call;
    assert_eq!(kept.as_deref(), pressed["calls"][0].as_str());
    hear_ring(&mut door.events, RingPhase::Step).await;
    let second = hear_ring(&mut door.events, RingPhase::Step).await;
    assert_eq!(second.step, Some(2));
    assert_eq!(second.users, [people[0].user, people[1].user]);
    people[1].rings().await;
    assert_eq!(people[0].state().call.call, kept, "the same call");
    assert_eq!(people[0].state().call.last_end, None, "and no other before");
    people[0].command(Command::Answer).await.expect("answered");
    let taken = hear_ring(&mut door.events, RingPhase::Answered).await;
    assert_eq!((taken.step, taken.call), (Some(2), kept));
    assert_eq!(people[1].ended().await, "answered_elsewhere");
    door.is_connected().await;
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_to_answer_takes_the_ring_and_every_call_leaves_its_record() {
    let site = Site::start().await;
    let (mut door, mut people) =
        door_and(&site, "ring = [\"anna\", \"ben\"]\n", &["anna", "ben"]).await;
    talk(&mut door, &mut people[0]).await;
    let taken = hear_ring(&mut door.events, RingPhase::Answered).await;
    assert_eq!(taken.users, [people[0].user]);
    assert_eq!(people[1].ended().await, "answered_elsewhere");
    people[0].command(Command::Hangup).await.expect("hung up");
    let record = door
        .events
        .hear("the record of the call", |event| match event {
            EventKind::CallRecord(record) if record.answered_ms.is_some() => Some(record.clone()),
            _ => None,
        })
        .await;
    assert_eq!(record.reason, "remote_hung_up");
    assert_eq!(record.details.ring.as_deref(), Some(taken.ring.as_str()));
    assert_eq!(record.details.step, Some(1));
    assert_eq!(record.details.name.as_deref(), Some("anna"));
    assert!(record.details.talked_s.unwrap_or_default() > 0.0);
    let quality = record.details.quality.clone().expect("a quality");
    assert!(quality.frames_decoded > 0 && quality.first_frame_ms.is_some());
    let picture = record.details.snapshot.clone().expect("a picture");
    assert!(site.state_folder("door").join(picture).exists());
    let filter = CallFilter {
        ring: Some(taken.ring),
        ..CallFilter::default()
    };
    let calls = door
        .command(Command::Ringing(RingingCommand::Calls(filter)))
        .await
        .expect("a list");
    let reasons: Vec<&str> = calls["calls"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|call| call["reason"].as_str())
        .collect();
    assert_eq!(reasons, ["remote_hung_up", "answered_elsewhere"]);
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_press_begins_nothing_and_a_stop_silences_every_phone() {
    let site = Site::start().await;
    let (mut door, mut people) =
        door_and(&site, "ring = [\"anna\", \"ben\"]\n", &["anna", "ben"]).await;
    let first = door.command(Command::Press).await.expect("it rings");
    for one in &mut people {
        one.rings().await;
    }
    let again = door.command(Command::Press).await.expect("taken in");
    assert_eq!(again["ring"], first["ring"]);
    assert_eq!(again["repeated"], true);
    hear_ring(&mut door.events, RingPhase::Repeated).await;
    let detail = Some("I opened the door".to_owned());
    let stop = Command::Ringing(RingingCommand::StopRinging(Stop {
        detail: detail.clone(),
    }));
    door.command(stop.clone()).await.expect("stopped");
    let stopped = hear_ring(&mut door.events, RingPhase::Stopped).await;
    assert_eq!(stopped.reason, Some("cancelled"));
    assert_eq!(stopped.detail, detail);
    for one in &mut people {
        assert_eq!(one.ended().await, "cancelled");
    }
    door.reaches("silence", |state| {
        state.ring.status == RingStatus::Idle && state.call.status == CallStatus::Idle
    })
    .await;
    let refused = door.command(stop).await.expect_err("nothing to stop");
    assert_eq!(refused.code, ErrorCode::WrongState);
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_not_to_be_disturbed_is_left_out_and_stops_ringing_when_it_is_said() {
    let site = Site::start().await;
    let (mut door, mut people) =
        door_and(&site, "ring = [\"anna\", \"ben\"]\n", &["anna", "ben"]).await;
    let dnd = |who: &str, on| {
        Command::Ringing(RingingCommand::Dnd(Dnd {
            on,
            minutes: None,
            until: None,
            user: Some(user(who)),
        }))
    };
    door.command(dnd("anna", true)).await.expect("kept");
    let reply = door.command(Command::Press).await.expect("it rings");
    assert_eq!(reply["calls"].as_array().map(Vec::len), Some(1), "{reply}");
    people[1].rings().await;
    assert_eq!(people[0].state().call.status, CallStatus::Idle);
    door.command(dnd("ben", true)).await.expect("kept");
    assert_eq!(people[1].ended().await, "cancelled");
    let over = hear_ring(&mut door.events, RingPhase::Unanswered).await;
    assert_eq!(over.reason, Some("do_not_disturb"));
    let refused = door.command(Command::Press).await.expect_err("nobody");
    assert_eq!(refused.code, ErrorCode::WrongState);
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_offline_is_skipped_and_named_for_waking() {
    let site = Site::start().await;
    site.sign_up("away", "password-away").await;
    let plan = "[[calls.step]]\nring = [\"away\"]\n[[calls.step]]\nring = [\"anna\"]\n";
    let (mut door, mut people) = door_and(&site, plan, &["anna"]).await;
    door.knows_who_is_offline().await;
    door.command(Command::Press).await.expect("it rings");
    let offline = hear_ring(&mut door.events, RingPhase::Offline).await;
    assert_eq!((offline.users.len(), offline.rung), (1, Some(false)));
    let step = hear_ring(&mut door.events, RingPhase::Step).await;
    assert_eq!(step.step, Some(2));
    people[0].rings().await;
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_wakes_in_time_rings_with_the_others() {
    let site = Site::start().await;
    let ben = site.station("ben", QUIET_STATION).await;
    let user = ben.user;
    let ben = ben.stop().await;
    let (mut door, mut people) = door_and(&site, "ring = [\"anna\", \"ben\"]\n", &["anna"]).await;
    door.knows_who_is_offline().await;
    door.command(Command::Press).await.expect("it rings");
    let step = hear_ring(&mut door.events, RingPhase::Step).await;
    assert_eq!(step.users, [people[0].user]);
    people[0].rings().await;
    let mut ben = ben.again(&site, QUIET_STATION).await;
    ben.rings().await;
    let joined = hear_ring(&mut door.events, RingPhase::Joined).await;
    assert_eq!(joined.users, [user]);
    ben.command(Command::Answer).await.expect("answered");
    assert_eq!(people[0].ended().await, "answered_elsewhere");
    ben.is_connected().await;
    people.extend([ben, door]);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_with_a_tag_is_rung() {
    let site = Site::start().await;
    let (mut door, mut people) =
        door_and(&site, "ring = [\"tag:family\"]\n", &["anna", "ben"]).await;
    for one in &people {
        site.tag(one, "family").await;
    }
    let reply = door.command(Command::Press).await.expect("it rings");
    assert_eq!(reply["calls"].as_array().map(Vec::len), Some(2), "{reply}");
    for one in &mut people {
        one.rings().await;
    }
    door.command(Command::Hangup).await.expect("stopped");
    hear_ring(&mut door.events, RingPhase::Stopped).await;
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bell_that_dies_leaves_nobody_ringing_and_the_next_press_works() {
    let site = Site::start().await;
    let (mut door, mut people) = door_and(&site, "ring = [\"anna\"]\n", &["anna"]).await;
    door.command(Command::Press).await.expect("it rings");
    people[0].rings().await;
    let kill = Command::Kill {
        actor: "bell".into(),
    };
    door.command(kill).await.expect("killed");
    let stopped = hear_ring(&mut door.events, RingPhase::Stopped).await;
    assert_eq!(stopped.reason, Some("internal"));
    people[0].ended().await;
    people[0]
        .reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    door.reaches("idle", |state| state.call.status == CallStatus::Idle)
        .await;
    talk(&mut door, &mut people[0]).await;
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bell_during_a_call_waits_for_its_end_if_told_to() {
    let site = Site::start().await;
    let plan = "ring = [\"anna\"]\nring_in_call = \"wait\"\n";
    let (mut door, mut people) = door_and(&site, plan, &["anna", "ben"]).await;
    let call = Command::Call {
        user: user("door"),
        call_type: cubelet::protocol::call_signal::CallType::Video,
    };
    people[1].command(call).await.expect("dialled");
    door.rings().await;
    door.command(Command::Answer).await.expect("answered");
    people[1].is_connected().await;
    let reply = door.command(Command::Press).await.expect("it waits");
    assert_eq!(reply["waiting"], true);
    hear_ring(&mut door.events, RingPhase::Waiting).await;
    assert_eq!(people[0].state().call.status, CallStatus::Idle);
    people[1].command(Command::Hangup).await.expect("hung up");
    people[0].rings().await;
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bell_during_a_call_is_refused_and_told_of_otherwise() {
    let site = Site::start().await;
    let (mut door, mut people) = door_and(&site, "ring = [\"anna\"]\n", &["anna"]).await;
    talk(&mut door, &mut people[0]).await;
    let refused = door.command(Command::Press).await.expect_err("in a call");
    assert_eq!(refused.code, ErrorCode::WrongState);
    let told = hear_ring(&mut door.events, RingPhase::Unanswered).await;
    assert_eq!(told.reason, Some("in_call"));
    assert_eq!(door.state().call.status, CallStatus::Connected);
    people.push(door);
    stop_all(site, people).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_of_a_dialog_is_rung_and_its_other_people_are_not() {
    let site = Site::start().await;
    let (door, mut people) = door_and(&site, "", &["anna", "ben"]).await;
    let new = NewDialog::Group {
        name: "flat 12".to_owned(),
        occupants: vec![door.user, people[1].user],
    };
    let anna = site.rest("anna", &people[0].password);
    let dialog = anna
        .create_dialog(&new, &DialogAbout::default())
        .await
        .expect("a dialog")
        .id;
    let plan = format!("[calls]\nbind = [\"127.0.0.1\"]\nring = [\"dialog:{dialog}:owner\"]\n");
    let mut door = door.stop().await.again(&site, &plan).await;
    door.knows_everybody().await;
    let reply = door.command(Command::Press).await.expect("it rings");
    assert_eq!(reply["calls"].as_array().map(Vec::len), Some(1), "{reply}");
    people[0].rings().await;
    assert_eq!(people[1].state().call.status, CallStatus::Idle);
    people.push(door);
    stop_all(site, people).await;
}
