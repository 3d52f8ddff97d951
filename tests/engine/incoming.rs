//! Who may call a device, and what becomes of the call.

use cubelet::engine::command::Command;
use cubelet::engine::event::{CallPhase, EventKind};
use cubelet::engine::ringing_command::{AutoAnswer, Dnd, RingingCommand};
use cubelet::engine::state::CallStatus;
use cubelet::protocol::call_signal::CallType;

use crate::site::{Site, Station, user};

async fn two(site: &Site, incoming: &str) -> (Station, Station) {
    let caller = site
        .station("caller", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    let cart = site.station("cart", &cart(incoming)).await;
    (caller, cart)
}

fn cart(incoming: &str) -> String {
    format!("[calls]\nbind = [\"127.0.0.1\"]\n[calls.incoming]\n{incoming}\n")
}

async fn call(caller: &Station) {
    let call = Command::Call {
        user: user("cart"),
        call_type: CallType::Video,
    };
    caller.command(call).await.expect("dialled");
}

async fn hear_refusal(cart: &mut Station) -> &'static str {
    cart.events
        .hear("the refusal", |event| match event {
            EventKind::CallRefused { reason, .. } => Some(*reason),
            _ => None,
        })
        .await
}

async fn stop(site: Site, stations: [Station; 2]) {
    for station in stations {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_is_on_no_list_is_refused_and_nothing_rings() {
    let site = Site::start().await;
    site.sign_up("nurse", "password-nurse").await;
    let (mut caller, mut cart) = two(&site, "allow = [\"nurse\"]").await;
    call(&caller).await;
    assert_eq!(caller.ended().await, "remote_rejected");
    assert_eq!(hear_refusal(&mut cart).await, "not_allowed");
    assert_eq!(cart.state().call.status, CallStatus::Idle);
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_is_on_the_list_rings() {
    let site = Site::start().await;
    let (caller, mut cart) = two(&site, "allow = [\"caller\"]").await;
    cart.knows_everybody().await;
    call(&caller).await;
    cart.rings().await;
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn do_not_disturb_refuses_calls_is_told_to_the_caller_and_holds_over_a_restart() {
    let site = Site::start().await;
    let (mut caller, cart) = two(&site, "").await;
    let dnd = |on| {
        Command::Ringing(RingingCommand::Dnd(Dnd {
            on,
            minutes: on.then_some(90),
            until: None,
            user: None,
        }))
    };
    cart.command(dnd(true)).await.expect("kept");
    let cart = cart.stop().await.again(&site, &self::cart("")).await;
    let mut cart = cart;
    cart.reaches("do not disturb", |state| {
        state.policy.dnd && state.policy.dnd_until.is_some()
    })
    .await;
    call(&caller).await;
    assert_eq!(caller.ended().await, "do_not_disturb");
    assert_eq!(hear_refusal(&mut cart).await, "do_not_disturb");
    cart.command(dnd(false)).await.expect("kept");
    call(&caller).await;
    cart.rings().await;
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_on_the_list_drops_in_after_a_notice_unless_that_is_switched_off() {
    let site = Site::start().await;
    let drop_in = "auto_answer = [\"caller\"]\nauto_answer_after_s = 1";
    let (mut caller, mut cart) = two(&site, drop_in).await;
    cart.knows_everybody().await;
    call(&caller).await;
    let (after_s, media) = cart
        .events
        .hear("the notice", |event| match event {
            EventKind::CallAutoAnswer { after_s, media, .. } => Some((*after_s, *media)),
            _ => None,
        })
        .await;
    assert_eq!((after_s, media), (1, "video"));
    caller.is_connected().await;
    caller.command(Command::Hangup).await.expect("hung up");
    cart.ended().await;
    let off = Command::Ringing(RingingCommand::AutoAnswer(AutoAnswer { on: false }));
    cart.command(off).await.expect("kept");
    assert!(!cart.state().policy.auto_answer);
    call(&caller).await;
    cart.rings().await;
    caller
        .stays_for(std::time::Duration::from_secs(2), |state| {
            state.call.status == CallStatus::Dialing
        })
        .await;
    stop(site, [caller, cart]).await;
}

/// What is heard of first: the tone, with why nobody heard it, or the answer.
async fn hear_tone_or_answer(cart: &mut Station) -> Result<Option<String>, &'static str> {
    cart.events
        .hear("a tone or an answer", |event| match event {
            EventKind::CallTone { error, .. } => Some(Ok(error.clone())),
            EventKind::Call {
                phase: CallPhase::Answered,
                ..
            } => Some(Err("answered before the tone was over")),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tone_is_over_before_the_call_of_somebody_who_drops_in_is_answered() {
    let site = Site::start().await;
    // ALSA's own `null` is a loudspeaker that needs no card.
    let drop_in = "auto_answer = [\"caller\"]\nauto_answer_after_s = 0\n[audio]\nsource = \"test\"\nsink = \"alsa:null\"";
    let (mut caller, mut cart) = two(&site, drop_in).await;
    cart.knows_everybody().await;
    call(&caller).await;
    assert_eq!(hear_tone_or_answer(&mut cart).await, Ok(None));
    caller.is_connected().await;
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tone_nobody_can_hear_is_told_and_does_not_keep_the_caller_out() {
    let site = Site::start().await;
    let drop_in = "auto_answer = [\"caller\"]\nauto_answer_after_s = 1\n\
                   [audio]\nsource = \"test\"\nsink = \"alsa:no-such-card\"";
    let (mut caller, mut cart) = two(&site, drop_in).await;
    cart.knows_everybody().await;
    call(&caller).await;
    let error = hear_tone_or_answer(&mut cart).await;
    assert!(matches!(error, Ok(Some(_))), "{error:?}");
    caller.is_connected().await;
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knocks_is_seen_at_once_and_sees_nothing_until_let_in() {
    let site = Site::start().await;
    let knock =
        "auto_answer = [\"caller\"]\nauto_answer_after_s = 0\nauto_answer_media = \"knock\"";
    let (mut caller, mut cart) = two(&site, knock).await;
    cart.knows_everybody().await;
    call(&caller).await;
    cart.is_connected().await;
    assert!(cart.state().call.knocks);
    let before = caller.state().call.media.unwrap_or_default();
    assert_eq!((before.frames_decoded, before.audio_decoded_ms), (0, 0));
    cart.command(Command::Answer).await.expect("let in");
    caller.is_connected().await;
    assert!(!cart.state().call.knocks);
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_call_is_told_of_in_chat() {
    let site = Site::start().await;
    site.sign_up("watch", "password-watch").await;
    let watcher = site
        .station("owner", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    let mut watcher = watcher;
    let caller = site
        .station("caller", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    let missed = "[calls]\nbind = [\"127.0.0.1\"]\nmissed_to = [\"owner\"]\n\
                  missed_for = [\"incoming\"]\n";
    let mut cart = site.station("cart", missed).await;
    call(&caller).await;
    cart.rings().await;
    caller.command(Command::Hangup).await.expect("given up");
    let kind = watcher
        .events
        .hear("the message about it", |event| match event {
            EventKind::ChatMessage { details, .. } => Some(details.custom["cubelet"].clone()),
            _ => None,
        })
        .await;
    assert_eq!(kind, "missed_call");
    watcher.stop().await;
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_call_takes_the_place_of_the_first_where_that_is_the_rule() {
    let site = Site::start().await;
    let (mut caller, mut cart) = two(&site, "busy = \"replace\"").await;
    call(&caller).await;
    cart.rings().await;
    cart.command(Command::Answer).await.expect("answered");
    caller.is_connected().await;
    let second = site
        .station("second", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    call(&second).await;
    assert_eq!(caller.ended().await, "remote_hung_up");
    assert_eq!(cart.ended().await, "replaced");
    cart.rings().await;
    assert_eq!(cart.state().call.peer, Some(second.user));
    second.stop().await;
    stop(site, [caller, cart]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_call_that_may_wait_rings_while_the_first_goes_on() {
    let site = Site::start().await;
    let (mut caller, mut cart) = two(&site, "busy = \"wait\"").await;
    call(&caller).await;
    cart.rings().await;
    cart.command(Command::Answer).await.expect("answered");
    caller.is_connected().await;
    let mut second = site
        .station("second", "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    call(&second).await;
    let from = cart
        .events
        .hear("the second call", |event| match event {
            EventKind::Call {
                phase: CallPhase::Ringing,
                peer,
                ..
            } if *peer != caller.user => Some(*peer),
            _ => None,
        })
        .await;
    assert_eq!(from, second.user);
    assert_eq!(caller.state().call.status, CallStatus::Connected);
    caller.command(Command::Hangup).await.expect("hung up");
    cart.rings().await;
    cart.command(Command::Answer).await.expect("answered");
    second.is_connected().await;
    second.stop().await;
    stop(site, [caller, cart]).await;
}
