//! Who looks before the answer, played by hand and at random.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::door::{
    ASKS_MAX, CANDIDATES_MAX, CONNECT_LIMIT, DEVICES_MAX, End, Input, Output, Previews, Refusal,
    Request,
};
use super::viewer::{self, Viewer};
use crate::protocol::call_signal::Candidate;

fn request(call: &str, user: u64, id: &str) -> Request {
    Request {
        call: call.to_owned(),
        user,
        id: id.to_owned(),
    }
}

fn rings(call: &str, user: u64, is_allowed: bool) -> Input {
    Input::Rings {
        call: call.to_owned(),
        user,
        is_allowed,
    }
}

fn no_more(call: &str, user: u64) -> Input {
    Input::RingsNoMore {
        call: call.to_owned(),
        user,
    }
}

fn asked(request: &Request) -> Input {
    Input::Asked(request.clone(), "v=0".to_owned())
}

fn opened(request: &Request) -> Output {
    Output::Open(request.clone(), "v=0".to_owned())
}

fn candidates(count: usize) -> Vec<Candidate> {
    let one = Candidate {
        candidate: "candidate:1".to_owned(),
        sdp_mid: "0".to_owned(),
        sdp_m_line_index: 0,
    };
    vec![one; count]
}

#[test]
fn who_is_rung_and_allowed_looks_until_it_rings_no_more() {
    let now = Instant::now();
    let mut door = Previews::new(4);
    let one = request("a", 1, "r");
    assert!(door.handle(now, rings("a", 1, true)).is_empty());
    assert_eq!(door.handle(now, asked(&one)), [opened(&one)]);
    assert_eq!(door.deadline(), Some(now + CONNECT_LIMIT));
    let connected = Input::Connected(one.clone());
    assert_eq!(
        door.handle(now, connected.clone()),
        [Output::Shown(one.clone())]
    );
    assert!(door.handle(now, connected).is_empty(), "shown once");
    assert_eq!(door.deadline(), None);
    let closed = [Output::Close(one.clone(), End::RingingOver)];
    assert_eq!(door.handle(now, no_more("a", 1)), closed);
    assert!(matches!(
        door.handle(now, asked(&one))[..],
        [Output::Ignored(..)]
    ));
}

#[test]
fn strangers_and_targets_of_another_session_hear_nothing() {
    let now = Instant::now();
    let mut door = Previews::new(4);
    door.handle(now, rings("a", 1, true));
    for foreign in [request("a", 2, "r"), request("b", 1, "r")] {
        assert!(matches!(
            door.handle(now, asked(&foreign))[..],
            [Output::Ignored(_, "not rung in this session")]
        ));
        assert!(door.handle(now, Input::Stopped(foreign.clone())).is_empty());
        assert!(
            door.handle(now, Input::Candidates(foreign, candidates(1)))
                .is_empty()
        );
    }
}

#[test]
fn who_may_not_look_is_told_so_as_it_is_rung_anyway() {
    let now = Instant::now();
    let mut door = Previews::new(4);
    door.handle(now, rings("a", 1, false));
    let one = request("a", 1, "r");
    let refused = [Output::Refuse(one.clone(), Refusal::NotAllowed)];
    assert_eq!(door.handle(now, asked(&one)), refused);
}

#[test]
fn only_so_many_look_at_once_and_a_place_is_given_on() {
    let now = Instant::now();
    let mut door = Previews::new(2);
    let all: Vec<Request> = (1..=3).map(|user| request("a", user, "r")).collect();
    for one in &all {
        door.handle(now, rings("a", one.user, true));
    }
    assert_eq!(door.handle(now, asked(&all[0])), [opened(&all[0])]);
    assert_eq!(door.handle(now, asked(&all[1])), [opened(&all[1])]);
    let busy = [Output::Refuse(all[2].clone(), Refusal::Busy)];
    assert_eq!(door.handle(now, asked(&all[2])), busy);
    // One of those who look may ask anew all the same.
    let again = request("a", 1, "r2");
    assert_eq!(
        door.handle(now, asked(&again)),
        [Output::Close(all[0].clone(), End::Replaced), opened(&again)]
    );
    door.handle(now, Input::Stopped(all[1].clone()));
    let third = request("a", 3, "r2");
    assert_eq!(door.handle(now, asked(&third)), [opened(&third)]);
}

#[test]
fn every_device_of_who_is_rung_looks_and_one_too_many_takes_the_oldest_ones_place() {
    let now = Instant::now();
    let mut door = Previews::new(DEVICES_MAX + 2);
    door.handle(now, rings("a", 1, true));
    let devices: Vec<Request> = (0..=DEVICES_MAX)
        .map(|number| request("a", 1, &number.to_string()))
        .collect();
    for one in &devices[..DEVICES_MAX] {
        assert_eq!(door.handle(now, asked(one)), [opened(one)]);
    }
    let last = &devices[DEVICES_MAX];
    assert_eq!(
        door.handle(now, asked(last)),
        [
            Output::Close(devices[0].clone(), End::Replaced),
            opened(last)
        ]
    );
    // Each ends by itself, and all of them with the ringing.
    let stopped = door.handle(now, Input::Stopped(devices[1].clone()));
    assert_eq!(stopped, [Output::Close(devices[1].clone(), End::Stopped)]);
    let closed = [&devices[2], last].map(|one| Output::Close(one.clone(), End::RingingOver));
    assert_eq!(door.handle(now, no_more("a", 1)), closed);
}

#[test]
fn who_asks_without_end_is_told_once_and_then_hears_nothing() {
    let now = Instant::now();
    let mut door = Previews::new(2);
    door.handle(now, rings("a", 1, true));
    let mut said = Vec::new();
    for number in 0..ASKS_MAX + 5 {
        let one = request("a", 1, &number.to_string());
        said.extend(door.handle(now, asked(&one)));
    }
    let of = |wanted: fn(&Output) -> bool| said.iter().filter(|one| wanted(one)).count();
    assert_eq!(of(|one| matches!(one, Output::Open(..))), ASKS_MAX as usize);
    assert_eq!(door.open(), 2);
    assert_eq!(
        of(|one| matches!(one, Output::Refuse(_, Refusal::TooOften))),
        1
    );
    assert_eq!(of(|one| matches!(one, Output::Ignored(..))), 4);
}

#[test]
fn a_preview_that_does_not_connect_frees_its_place() {
    let now = Instant::now();
    let mut door = Previews::new(1);
    let one = request("a", 1, "r");
    door.handle(now, rings("a", 1, true));
    door.handle(now, asked(&one));
    assert!(door.handle(now + CONNECT_LIMIT / 2, Input::Tick).is_empty());
    let closed = [Output::Close(one.clone(), End::NoPath)];
    assert_eq!(door.handle(now + CONNECT_LIMIT, Input::Tick), closed);
    assert_eq!(door.open(), 0);
}

#[test]
fn an_offer_media_cannot_use_is_refused_and_a_flood_of_candidates_is_cut() {
    let now = Instant::now();
    let mut door = Previews::new(1);
    let one = request("a", 1, "r");
    door.handle(now, rings("a", 1, true));
    door.handle(now, asked(&one));
    let many = Input::Candidates(one.clone(), candidates(CANDIDATES_MAX + 9));
    assert_eq!(
        door.handle(now, many.clone()),
        [Output::Candidates(one.clone(), candidates(CANDIDATES_MAX))]
    );
    assert!(door.handle(now, many).is_empty());
    assert_eq!(
        door.handle(now, Input::Unusable(one.clone())),
        [
            Output::Close(one.clone(), End::BadOffer),
            Output::Refuse(one, Refusal::BadOffer)
        ]
    );
}

#[test]
fn a_device_that_rings_looks_until_it_rings_no_more_and_heeds_its_own_caller_only() {
    let now = Instant::now();
    let mut viewer = Viewer::default();
    let one = request("a", 7, "r");
    let mut tell = |input| viewer.handle(now, input);
    let open = viewer::Output::Open(one.clone());
    assert_eq!(tell(viewer::Input::Rings(one.clone())), [open]);
    // Another call that rings beside it has no screen to show on.
    assert!(tell(viewer::Input::Rings(request("b", 8, "r2"))).is_empty());
    let foreign = request("a", 8, "r");
    assert!(tell(viewer::Input::Answered(foreign.clone(), "v=0".into())).is_empty());
    assert!(tell(viewer::Input::Ended(foreign)).is_empty());
    let answer = viewer::Input::Answered(one.clone(), "v=0".into());
    assert_eq!(
        tell(answer.clone()),
        [viewer::Output::Answer(one.clone(), "v=0".into())]
    );
    assert!(tell(answer).is_empty(), "an answer counts once");
    let shown = [viewer::Output::Shown(one.clone())];
    assert_eq!(tell(viewer::Input::Seen(one.clone())), shown);
    assert!(tell(viewer::Input::RingsNoMore("b".into())).is_empty());
    let closed = viewer::Output::Close {
        request: one,
        is_told: false,
    };
    assert_eq!(tell(viewer::Input::RingsNoMore("a".into())), [closed]);
    assert_eq!(viewer.deadline(), None);
}

#[test]
fn a_device_gives_up_on_a_caller_who_does_not_answer_and_says_so() {
    let now = Instant::now();
    let mut viewer = Viewer::default();
    let one = request("a", 7, "r");
    viewer.handle(now, viewer::Input::Rings(one.clone()));
    let until = viewer.deadline().unwrap();
    assert!(viewer.handle(now, viewer::Input::Tick).is_empty());
    let closed = viewer::Output::Close {
        request: one,
        is_told: true,
    };
    assert_eq!(viewer.handle(until, viewer::Input::Tick), [closed]);
}

/// Calls a and b, users 1 to 3, requests v to z, in any order and at any time.
fn any_input() -> impl Strategy<Value = (u64, Input)> {
    let one = ("[ab]", 1_u64..4, "[v-z]").prop_map(|(call, user, id)| request(&call, user, &id));
    let input = (one, 0..9_u8, any::<bool>()).prop_map(|(one, what, is_allowed)| match what {
        0 | 1 => rings(&one.call, one.user, is_allowed),
        2 => no_more(&one.call, one.user),
        3 | 4 => asked(&one),
        5 => Input::Candidates(one, candidates(3)),
        6 => Input::Stopped(one),
        7 => Input::Connected(one),
        8 if is_allowed => Input::Lost(one),
        _ => Input::Unusable(one),
    });
    prop_oneof![9 => input, 1 => Just(Input::Tick)]
        .prop_flat_map(|input| (0..4_000_u64, Just(input)))
}

proptest! {
    #[test]
    fn whatever_happens_what_was_opened_is_closed_once_and_the_limits_hold(
        most in 1_usize..6,
        story in prop::collection::vec(any_input(), 0..80),
    ) {
        let mut now = Instant::now();
        let mut door = Previews::new(most);
        let mut open: BTreeSet<Request> = BTreeSet::new();
        let ending = ["a", "b"].into_iter().flat_map(|call| (1..4).map(move |user| (0, no_more(call, user))));
        for (ms, input) in story.into_iter().chain(ending) {
            now += Duration::from_millis(ms);
            for output in door.handle(now, input) {
                match output {
                    Output::Open(one, _) => {
                        let same = |other: &&Request| other.call == one.call && other.user == one.user;
                        prop_assert!(open.iter().filter(same).count() < DEVICES_MAX, "{one:?}");
                        prop_assert!(open.insert(one));
                    }
                    Output::Close(one, _) => prop_assert!(open.remove(&one), "closed twice: {one:?}"),
                    Output::Candidates(one, _) | Output::Shown(one) => prop_assert!(open.contains(&one)),
                    Output::Refuse(..) | Output::Ignored(..) => {}
                }
                prop_assert!(open.len() <= most);
            }
            prop_assert_eq!(open.len(), door.open());
        }
        prop_assert!(open.is_empty(), "left open: {open:?}");
        prop_assert_eq!(door.deadline(), None);
    }
}
