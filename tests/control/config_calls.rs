//! `[calls]`, its steps and schedules: what is refused, with the field and the rule.

use std::time::Duration;

use crate::fixture::Fixture;

const NIGHT: &str =
    "[[schedule]]\nname = 'night'\nzone = 'Europe/Vienna'\nwindows = ['22:00-06:00']\n";

#[test]
fn every_broken_rule_names_its_field() {
    let fixture = Fixture::new();
    for (text, problem) in [
        (
            "[[schedule]]\nname = 'n'\nzone = 'Europe/Vien'\nwindows = ['sat']\n",
            "schedule[0].zone: `Europe/Vien` is no time zone",
        ),
        (
            "[[schedule]]\nname = 'n'\nzone = 'UTC'\nwindows = ['sat', 'mo 1-2']\n",
            "schedule[0].windows[1]: `mo` is no day",
        ),
        (
            "[[schedule]]\nname = 'n'\nzone = 'UTC'\nwindows = []\n",
            "schedule[0].windows: must name at least one",
        ),
        (
            "[[schedule]]\nname = 'n'\nzone = 'UTC'\nwindows = ['sat']\nexcept = ['2026-02-30']\n",
            "schedule[0].except[0]: must be a date",
        ),
        (
            "[[schedule]]\nname = 'n'\nzone = 'UTC'\nwindows = ['sat']\n\
             [[schedule]]\nname = 'n'\nzone = 'UTC'\nwindows = ['sun']\n",
            "schedule[1].name: there is a schedule `n` already",
        ),
        (
            &format!("{NIGHT}[[calls.step]]\nring = ['a']\nwhen = 'nigth'\n"),
            "calls.step[0].when: unknown schedule `nigth`; did you mean `night`?",
        ),
        (
            &format!("{NIGHT}[[calls.step]]\nring = ['a']\nwhen = 'night'\nunless = 'night'\n"),
            "calls.step[0].unless: only one of when and unless",
        ),
        (
            "[[calls.step]]\nring = ['a']\nseconds = 90\n",
            "calls.step[0].seconds: 90 is above `[calls] answer_timeout_s`, which is 60",
        ),
        (
            "[[calls.step]]\nring = []\n",
            "calls.step[0].ring: must name somebody",
        ),
        (
            "[calls]\nring = ['a']\n[[calls.step]]\nring = ['b']\n",
            "calls.ring: has no use beside `[[calls.step]]`",
        ),
        (
            "[calls]\nringback = 'bang'\n",
            "calls.ringback: must be `chime`, `phone`, `tone`, `file:PATH` or `none`",
        ),
        (
            "[calls.incoming]\nring_tone = 'file:missing.ogg'\n",
            "missing.ogg: No such file or directory",
        ),
        (
            "[calls.incoming]\nring_volume = 101\n",
            "calls.incoming.ring_volume: 101 is above the largest 100",
        ),
        (
            "[calls]\nring = ['dialog:12']\n",
            "calls.ring[0]: the dialog's id",
        ),
        (
            "[calls]\nmissed_to = ['dialog:66f0aa000102030405000007:owner']\n",
            "calls.missed_to[0]: a message goes to a dialog as a whole",
        ),
        (
            "[calls]\nvisitor_message = true\n",
            "calls.visitor_message: is a section of its own",
        ),
        (
            "[calls]\nmax_bandwidth_kbps = 300\nstart_bandwidth_kbps = 400\n",
            "calls.start_bandwidth_kbps: 400 is above `[calls] max_bandwidth_kbps`, which is 300",
        ),
        (
            "[calls]\nstart_bandwidth_kbps = 1500\n",
            "calls.start_bandwidth_kbps: 1500 is above `[camera] bitrate_kbps`, which is 1200",
        ),
        (
            "[calls]\nstart_bandwidth_kbps = 100\n",
            "calls.start_bandwidth_kbps: 100 is below `[calls] min_bandwidth_kbps`, which is 150",
        ),
        (
            "[[calls.quiet]]\nwho = ['a']\nwhen = 'night'\n",
            "calls.quiet[0].when: unknown schedule `night`",
        ),
        (
            "[calls.incoming]\nquiet = 'night'\n",
            "calls.incoming.quiet: unknown schedule `night`",
        ),
        (
            "[door]\nchat_unlock = 'always'\n",
            "door.chat_unlock: needs somebody in `unlock_allowed`",
        ),
    ] {
        let problems = fixture.problems_with(text);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(problem), "{problem}: {problems:?}");
    }
}

#[test]
fn a_plain_ring_is_a_plan_of_one_step_and_forwarding_is_the_last() {
    let fixture = Fixture::new();
    let text = "[calls]\nring = ['a', 7]\nanswer_timeout_s = 45\nforward_to = ['tag:late']\n";
    let plan = fixture.check_with(text).outcome.unwrap().calls.plan();
    let plan: Vec<(Vec<String>, Duration)> = plan
        .into_iter()
        .map(|step| {
            let ring = step.ring.iter().map(ToString::to_string).collect();
            (ring, step.rings_for)
        })
        .collect();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected: [(Vec<String>, Duration); 2] = [
        (names(&["a", "7"]), Duration::from_secs(45)),
        (names(&["tag:late"]), Duration::from_secs(30)),
    ];
    assert_eq!(plan, expected);
}

#[test]
fn missed_visits_are_told_of_unless_calls_are_meant_and_both_can_be() {
    let fixture = Fixture::new();
    let told = |text: &str| {
        let calls = fixture.check_with(text).outcome.unwrap().calls;
        (calls.missed_rings, calls.missed_calls)
    };
    assert_eq!(told(""), (true, false));
    assert_eq!(told("[calls]\nmissed_for = ['incoming']\n"), (false, true));
    assert_eq!(
        told("[calls]\nmissed_for = ['ring', 'incoming']\n"),
        (true, true)
    );
    assert_eq!(told("[calls]\nmissed_for = []\n"), (false, false));
}
