//! People who are away are woken by push notifications, and told what concerns them (PN-09…PN-12).

use std::collections::BTreeMap;

use cubelet::engine::call_command::{CallCommand, Conference};
use cubelet::engine::chat_command::{ChatCommand, Push};
use cubelet::engine::command::{Command, ErrorCode};
use cubelet::engine::event::{EventKind, RingPhase};
use cubelet::protocol::address::UserRef;
use cubelet::protocol::call_signal::CallType;
use serde_json::{Value, json};

use crate::push_service::{Browser, PushService};
use crate::site::{Site, Station};

const QUIET: &str = "[calls]\nbind = [\"127.0.0.1\"]\n";

async fn site() -> (Site, PushService) {
    let site = Site::start_with(|hub| hub.push.local_services = vec!["127.0.0.1".to_owned()]);
    (site.await, PushService::start().await)
}

/// Signs somebody up who has a browser and no device.
async fn away(site: &Site, service: &PushService, login: &str) -> (u64, Browser) {
    let id = site.sign_up(login, "password-of-them").await;
    (
        id,
        subscribe(site, service, login, "password-of-them").await,
    )
}

async fn subscribe(site: &Site, service: &PushService, login: &str, password: &str) -> Browser {
    let token = site.rest(login, password).session().await.unwrap().token;
    let browser = Browser::new();
    let answer = reqwest::Client::new()
        .post(format!("{}/subscriptions", site.hub.ready().api))
        .header("CB-Token", token)
        .json(&browser.subscription(&service.endpoint(login), "tab"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    browser
}

async fn door(site: &Site, more: &str) -> Station {
    let calls = format!("[calls]\nbind = [\"127.0.0.1\"]\n{more}\n");
    site.station("door", &calls).await
}

async fn stop_all(site: Site, stations: impl IntoIterator<Item = Station>) {
    for station in stations {
        station.stop().await;
    }
    site.hub.stop().await;
}

fn push(fields: Value) -> Command {
    let push: Push = serde_json::from_value(fields).unwrap();
    Command::Chat(ChatCommand::Push(Box::new(push)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_is_away_is_woken_by_the_bell_and_rings_when_it_is_back() {
    let (site, mut service) = site().await;
    let anna = site.station("anna", QUIET).await;
    let ben = site.station("ben", QUIET).await;
    let browser = subscribe(&site, &service, "ben", &ben.password).await;
    let id = ben.user;
    let ben = ben.stop().await;
    let mut door = door(&site, "ring = [\"anna\", \"ben\"]").await;
    door.knows_who_is_offline().await;
    door.command(Command::Press).await.expect("it rings");
    let push = service.next().await;
    assert_eq!(push.path, "/ben");
    // A minute, of which some may be over.
    assert!((50..=60).contains(&push.ttl()), "{}", push.ttl());
    assert_eq!(push.header("urgency"), "high");
    let told = browser.read(&push)["data"].clone();
    assert_eq!(told["message"], "Somebody rings at door.");
    assert_eq!(told["initiatorId"], json!(door.user));
    assert_eq!(told["opponentsIds"], json!(id.to_string()));
    assert_eq!(
        (&told["callType"], &told["call_type"]),
        (&json!("video"), &json!(1))
    );
    assert_eq!(
        (&told["signal_type"], &told["caller_name"]),
        (&json!("startCall"), &json!("door"))
    );
    let mut ben = ben.again(&site, QUIET).await;
    ben.rings().await;
    stop_all(site, [ben, anna, door]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_rung_although_away_is_woken_for_that_very_call() {
    let (site, mut service) = site().await;
    let (id, browser) = away(&site, &service, "carla").await;
    let mut door = door(&site, "ring = [\"carla\"]").await;
    door.knows_who_is_offline().await;
    let reply = door.command(Command::Press).await.expect("it rings");
    let told = browser.read(&service.next().await)["data"].clone();
    assert_eq!(told["uuid"], reply["calls"][0], "{reply}");
    assert_eq!(told["session_id"], reply["calls"][0]);
    assert_eq!(told["call_opponents"], json!(id.to_string()));
    stop_all(site, [door]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_woken_where_that_is_switched_off() {
    let (site, mut service) = site().await;
    let (_, browser) = away(&site, &service, "carla").await;
    let mut door = door(&site, "ring = [\"carla\"]\nwake = false").await;
    door.knows_who_is_offline().await;
    door.command(Command::Press).await.expect("it rings");
    let phase = |event: &EventKind| match event {
        EventKind::Ring { phase, .. } if *phase == RingPhase::Step => Some(()),
        _ => None,
    };
    door.events.hear("the step", phase).await;
    // The first that comes is what is ordered now: one subscription's are sent in their order.
    let order = push(json!({"users": ["carla"], "text": "ordered"}));
    door.command(order).await.expect("sent");
    let first = service.next().await;
    assert_eq!(browser.read(&first)["data"]["message"], "ordered");
    stop_all(site, [door]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_is_ordered_for_people_with_a_tag() {
    let (site, mut service) = site().await;
    let anna = site.station("anna", QUIET).await;
    let browser = subscribe(&site, &service, "anna", &anna.password).await;
    site.tag(&anna, "duty").await;
    let door = door(&site, "").await;
    let order = push(json!({
        "any_tag": ["duty", "night"], "text": "Leak in the cellar", "title": "Alarm",
        "life_s": 600, "data": {"zone": 3},
    }));
    let reply = door.command(order).await.expect("sent");
    assert!(reply["event"].as_u64().is_some(), "{reply}");
    let push_request = service.next().await;
    assert!(
        (590..=600).contains(&push_request.ttl()),
        "{}",
        push_request.ttl()
    );
    let expected = json!({"data": {"zone": 3, "title": "Alarm", "message": "Leak in the cellar"}});
    assert_eq!(browser.read(&push_request), expected);

    let nobody = push(json!({"users": ["door"], "text": "nobody"}));
    let refused = door.command(nobody).await.expect_err("not subscribed");
    assert_eq!(refused.code, ErrorCode::NotFound);
    let twice = push(json!({"users": ["anna"], "any_tag": ["duty"], "text": "x"}));
    let refused = door.command(twice).await.expect_err("two ways");
    assert_eq!(refused.code, ErrorCode::InvalidPayload);
    stop_all(site, [anna, door]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_somebody_looks_at_is_rung_and_not_woken() {
    let (site, mut service) = site().await;
    let mut anna = site.station("anna", QUIET).await;
    let browser = subscribe(&site, &service, "anna", &anna.password).await;
    let door = door(&site, "ring = [\"anna\"]").await;
    door.command(Command::Press).await.expect("it rings");
    anna.rings().await;
    // The first that comes is what is ordered now: it was asked for after the ring's.
    let order = push(json!({"users": ["anna"], "text": "ordered"}));
    door.command(order).await.expect("sent");
    let first = service.next().await;
    assert_eq!(browser.read(&first)["data"]["message"], "ordered");
    stop_all(site, [anna, door]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_called_although_away_is_woken_and_rings_when_back() {
    let (site, mut service) = site().await;
    let ben = site.station("ben", QUIET).await;
    let browser = subscribe(&site, &service, "ben", &ben.password).await;
    let ben = ben.stop().await;
    let door = door(&site, "").await;
    let order = Command::Call {
        user: UserRef::Login("ben".into()),
        call_type: CallType::Audio,
    };
    let reply = door.command(order).await.expect("it calls");
    let told = browser.read(&service.next().await)["data"].clone();
    assert_eq!(told["message"], "door calls.");
    assert_eq!(told["callType"], "audio");
    assert_eq!(told["uuid"], reply["call"], "{reply}");
    let mut ben = ben.again(&site, QUIET).await;
    ben.rings().await;
    stop_all(site, [ben, door]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_away_is_woken_for_a_conference_and_who_is_invited_later_for_that_one() {
    let (site, mut service) = site().await;
    let (_, anna) = away(&site, &service, "anna").await;
    let (_, carla) = away(&site, &service, "carla").await;
    let mut dora = site.station("dora", QUIET).await;
    let mut door = door(&site, "").await;
    let login = |user: &str| UserRef::Login(user.to_owned());
    let conference = Conference {
        users: ["anna", "dora"].map(login).to_vec(),
        call_type: None,
        info: BTreeMap::new(),
    };
    let order = Command::InCall(CallCommand::Confer(conference));
    let call = door.command(order).await.expect("it calls")["call"].clone();
    let push = service.next().await;
    assert_eq!(push.path, "/anna");
    assert_eq!(anna.read(&push)["data"]["uuid"], call);
    dora.rings().await;
    dora.command(Command::Answer).await.expect("answered");
    door.is_connected().await;
    let order = Command::InCall(CallCommand::Invite(login("carla")));
    door.command(order).await.expect("invited");
    let push = service.next().await;
    assert_eq!(push.path, "/carla");
    assert_eq!(carla.read(&push)["data"]["session_id"], call);
    stop_all(site, [dora, door]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_woken_by_a_call_where_that_is_switched_off() {
    let (site, mut service) = site().await;
    let (_, browser) = away(&site, &service, "carla").await;
    let door = door(&site, "wake = false").await;
    let order = Command::Call {
        user: UserRef::Login("carla".into()),
        call_type: CallType::Video,
    };
    door.command(order).await.expect("it calls");
    // The first that comes is what is ordered now: one subscription's are sent in their order.
    let order = push(json!({"users": ["carla"], "text": "ordered"}));
    door.command(order).await.expect("sent");
    let first = service.next().await;
    assert_eq!(browser.read(&first)["data"]["message"], "ordered");
    stop_all(site, [door]).await;
}
