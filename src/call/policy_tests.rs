//! The rules, one by one and all at once.

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    is_refused_silently: false,
    auto_answer_after: Duration::from_secs(3),
    auto_answer_media: AnswerMedia::Audio,
    busy: BusyPolicy::Reject,
};

const FRIEND: Caller = Caller {
    is_allowed: true,
    is_auto_answered: false,
    gets_through: false,
};

const NOW: Present = Present {
    is_busy: false,
    is_dnd: false,
    is_quiet_hours: false,
    is_auto_answer_off: false,
    is_flood: false,
};

#[test]
fn a_stranger_is_refused_or_ignored_and_learns_only_that() {
    let silent = Rules {
        is_refused_silently: true,
        ..RULES
    };
    let stranger = Caller::default();
    let dnd = Present {
        is_dnd: true,
        is_busy: true,
        ..NOW
    };
    assert_eq!(
        decide(&RULES, stranger, dnd),
        Decision::Refuse(Refusal::NotAllowed)
    );
    assert_eq!(Refusal::NotAllowed.told(), EndReason::Rejected);
    assert_eq!(
        decide(&silent, stranger, NOW),
        Decision::Ignore(Refusal::NotAllowed)
    );
}

#[test]
fn quiet_refuses_all_but_those_who_get_through() {
    let family = Caller {
        gets_through: true,
        ..FRIEND
    };
    let dnd = Present {
        is_dnd: true,
        ..NOW
    };
    let night = Present {
        is_quiet_hours: true,
        ..NOW
    };
    assert_eq!(
        decide(&RULES, FRIEND, dnd),
        Decision::Refuse(Refusal::DoNotDisturb)
    );
    assert_eq!(
        decide(&RULES, FRIEND, night),
        Decision::Refuse(Refusal::QuietHours)
    );
    for present in [dnd, night] {
        assert_eq!(
            decide(&RULES, family, present),
            Decision::Ring { replaces: false }
        );
    }
}

#[test]
fn a_call_during_another_is_refused_waits_or_takes_its_place() {
    let busy = Present {
        is_busy: true,
        ..NOW
    };
    let staff = Caller {
        is_auto_answered: true,
        ..FRIEND
    };
    let with = |busy| Rules { busy, ..RULES };
    assert_eq!(decide(&RULES, staff, busy), Decision::Refuse(Refusal::Busy));
    assert_eq!(
        decide(&with(BusyPolicy::Wait), staff, busy),
        Decision::Ring { replaces: false }
    );
    assert_eq!(
        decide(&with(BusyPolicy::Replace), FRIEND, busy),
        Decision::Ring { replaces: true }
    );
    assert!(matches!(
        decide(&with(BusyPolicy::Replace), staff, busy),
        Decision::AutoAnswer { replaces: true, .. }
    ));
}

#[test]
fn an_automatic_answer_can_be_switched_off() {
    let staff = Caller {
        is_auto_answered: true,
        ..FRIEND
    };
    let answered = Decision::AutoAnswer {
        after: Duration::from_secs(3),
        media: AnswerMedia::Audio,
        replaces: false,
    };
    assert_eq!(decide(&RULES, staff, NOW), answered);
    let off = Present {
        is_auto_answer_off: true,
        ..NOW
    };
    assert_eq!(
        decide(&RULES, staff, off),
        Decision::Ring { replaces: false }
    );
}

proptest! {
    #[test]
    fn nobody_rings_who_may_not_and_nothing_is_answered_in_the_quiet(
        caller in any::<(bool, bool, bool)>(),
        present in any::<(bool, bool, bool, bool, bool)>(),
        silently: bool,
        busy in prop::sample::select(vec![
            BusyPolicy::Reject, BusyPolicy::Wait, BusyPolicy::Replace,
        ]),
    ) {
        let rules = Rules { is_refused_silently: silently, busy, ..RULES };
        let caller = Caller {
            is_allowed: caller.0, is_auto_answered: caller.1, gets_through: caller.2,
        };
        let present = Present {
            is_busy: present.0, is_dnd: present.1, is_quiet_hours: present.2,
            is_auto_answer_off: present.3, is_flood: present.4,
        };
        let decision = decide(&rules, caller, present);
        let (rings, is_answered, replaces) = match decision {
            Decision::Ring { replaces } => (true, false, replaces),
            Decision::AutoAnswer { replaces, .. } => (true, true, replaces),
            Decision::Refuse(_) | Decision::Ignore(_) => (false, false, false),
        };
        let is_quiet = present.is_dnd || present.is_quiet_hours;
        if rings {
            prop_assert!(caller.is_allowed && !present.is_flood);
            prop_assert!(!is_quiet || caller.gets_through);
            prop_assert!(!present.is_busy || busy != BusyPolicy::Reject);
        }
        if is_answered {
            prop_assert!(caller.is_auto_answered && !present.is_auto_answer_off);
            prop_assert!(!present.is_busy || replaces);
        }
        prop_assert!(!replaces || present.is_busy);
    }
}
