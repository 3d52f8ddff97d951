use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::call::ring_plan;
use crate::call::rule::condition::Condition;
use crate::call::rule::{Action, loops};
use crate::call::schedule::Schedule;

/// 2026-09-21 14:13:20 UTC.
const AFTERNOON: u64 = 1_790_000_000_000;
const EIGHT_HOURS: u64 = 8 * 3_600_000;

fn rule(name: &str, on: &str, verb: &str) -> Rule {
    Rule {
        name: name.into(),
        trigger: Trigger::Events(vec![on.into()]),
        hours: None,
        conditions: Vec::new(),
        actions: vec![Action {
            verb: verb.into(),
            fields: Map::new(),
        }],
        cooldown: Duration::ZERO,
    }
}

fn night() -> Schedule {
    Schedule {
        name: "night".into(),
        zone: jiff::tz::TimeZone::UTC,
        windows: vec!["22:00-06:00".parse().unwrap()],
        except: Vec::new(),
    }
}

fn condition(text: &str) -> Condition {
    text.parse().unwrap()
}

fn occasion<'a>(kind: &'a str, event: &'a Value, state: &'a Value) -> Occasion<'a> {
    Occasion {
        cause: Cause::Event(kind),
        facts: Facts { event, state },
        unix_ms: AFTERNOON,
    }
}

#[test]
fn a_rule_fires_on_its_event_at_its_hours_under_its_conditions() {
    let mut rule = rule("night", "button/pressed", "ring");
    rule.hours = Some(ring_plan::Condition {
        schedule: "night".into(),
        is_negated: false,
    });
    rule.conditions = vec![condition("call.status == 'idle'")];
    let book = RuleBook::new(vec![rule], vec![night()]);
    let (event, idle) = (
        json!({"button": "bell"}),
        json!({"call": {"status": "idle"}}),
    );
    let busy = json!({"call": {"status": "connected"}});
    let judge = |occasion: Occasion<'_>| book.judge(Instant::now(), occasion)[0].1.clone();

    let day = occasion("button/pressed", &event, &idle);
    assert_eq!(
        judge(day),
        Judgement::Held(Held::Hours("the schedule `night` does not hold".into()))
    );
    let at_night = Occasion {
        unix_ms: AFTERNOON + EIGHT_HOURS,
        ..day
    };
    assert!(matches!(judge(at_night), Judgement::Fires(orders) if orders[0].verb == "ring"));
    let in_call = Occasion {
        unix_ms: AFTERNOON + EIGHT_HOURS,
        ..occasion("button/pressed", &event, &busy)
    };
    let held = judge(in_call);
    assert!(
        matches!(&held, Judgement::Held(why) if why.to_string()
            == "not `call.status == \"idle\"`: call.status is \"connected\""),
        "{held:?}"
    );
    assert_eq!(
        judge(occasion("ring/started", &event, &idle)),
        Judgement::NotConcerned
    );
}

#[test]
fn fields_of_the_occasion_are_put_into_the_commands() {
    let mut rule = rule("motion", "x", "send");
    rule.trigger = Trigger::Topic("zigbee2mqtt/+".into());
    let fields = json!({
        "to": "${event.user}", "text": "Motion: ${event.room}, ${event.lux} lx, $${x}",
        "params": {"n": ["${event.lux}"]},
    });
    rule.actions[0].fields = fields.as_object().unwrap().clone();
    let book = RuleBook::new(vec![rule], Vec::new());
    assert_eq!(book.topics(), ["zigbee2mqtt/+"]);
    let state = json!({});
    let orders = |event: &Value| {
        let occasion = Occasion {
            cause: Cause::Topic("zigbee2mqtt/hall"),
            ..occasion("", event, &state)
        };
        match book.judge(Instant::now(), occasion).remove(0).1 {
            Judgement::Fires(orders) => orders[0].fields.clone(),
            other => panic!("{other:?}"),
        }
    };
    let filled = orders(&json!({"user": 1002, "room": "hall", "lux": 7.5})).unwrap();
    assert_eq!(
        Value::Object(filled),
        json!({
            "to": 1002, "text": "Motion: hall, 7.5 lx, ${x}", "params": {"n": [7.5]},
        })
    );
    let missing = orders(&json!({"user": 1002}));
    assert_eq!(missing, Err("there is no event.room".into()));
}

#[test]
fn a_rule_rests_for_its_cool_down_also_across_a_reload() {
    let mut one = rule("a", "button", "ring");
    one.cooldown = Duration::from_secs(10);
    let mut book = RuleBook::new(vec![one.clone()], Vec::new());
    let (event, state) = (json!({}), json!({}));
    let pressed = occasion("button/pressed", &event, &state);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(book.fire(at(0), pressed).len(), 1);
    assert_eq!(book.fire(at(9), pressed).len(), 0);
    book.replace(vec![rule("b", "button", "ring"), one], Vec::new());
    let fired = book.fire(at(9), pressed);
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].0, "b");
    assert_eq!(book.fire(at(10), pressed).len(), 2);
}

#[test]
fn conditions_say_what_they_say() {
    let event = json!({"n": 3, "on": true, "off": false, "text": "Hello", "none": null,
        "list": [{"x": 1}], "user": 1002});
    let state = json!({"call": {"status": "idle"}, "policy": {"quiet_users": []}});
    let facts = Facts {
        event: &event,
        state: &state,
    };
    for (text, holds) in [
        ("event.on", true),
        ("event.off", false),
        ("not event.off", true),
        ("not event.nothing", true),
        ("event.none", false),
        ("event.n == 3.0", true),
        ("event.n != 3", false),
        ("event.n<4", true),
        ("event.n >= 3", true),
        ("event.n > 3", false),
        ("event.text == \"Hello\"", true),
        ("event.text=='Hello'", true),
        ("event.text > 3", false),
        ("event.missing == 1", false),
        ("event.missing != 1", true),
        ("event.user in [1001, 1002]", true),
        ("event.text in ['a', 'Hello']", true),
        ("event.list.0.x == 1", true),
        ("call.status == 'idle'", true),
        ("policy.quiet_users", false),
    ] {
        assert_eq!(condition(text).holds(facts), holds, "{text}");
    }
    for bad in [
        "",
        "event",
        "button == 1",
        "event.x ==",
        "event.x = 1",
        "event.x in 3",
        "event.x < 'a'",
        "event.x == unquoted",
        "event..x",
        "a b",
    ] {
        assert!(bad.parse::<Condition>().is_err(), "{bad}");
    }
}

#[test]
fn rules_that_set_themselves_off_are_found() {
    let press = rule("press", "button/pressed", "press");
    let there = rule("there", "ring/unanswered", "unlock");
    let back = rule("back", "door", "ring");
    let harmless = rule("night", "button/pressed", "ring");
    let found = loops::find(&[press.clone(), there.clone(), back.clone(), harmless]);
    assert_eq!(
        found,
        [
            (0, "press → press".to_owned()),
            (1, "there → back → there".to_owned()),
            (2, "back → there → back".to_owned()),
        ]
    );
    let patient = Rule {
        cooldown: loops::COOLDOWN_MIN,
        ..back
    };
    assert!(loops::find(&[there, patient]).is_empty());
}

proptest! {
    /// Everything any rule does is followed by everything any rule waits for, at once.
    #[test]
    fn no_rules_and_no_consequences_make_an_endless_loop(
        cooldowns in proptest::collection::vec(0u64..20_000, 1..6),
        steps in proptest::collection::vec(0u64..3_000, 1..400),
    ) {
        let rules: Vec<Rule> = cooldowns
            .iter()
            .enumerate()
            .map(|(n, cooldown)| Rule {
                cooldown: Duration::from_millis(*cooldown),
                ..rule(&n.to_string(), "button", "press")
            })
            .collect();
        let mut book = RuleBook::new(rules, Vec::new());
        let (event, state) = (json!({}), json!({}));
        let start = Instant::now();
        let mut now = start;
        let mut firings: Vec<Vec<Instant>> = vec![Vec::new(); cooldowns.len()];
        for step in steps {
            now += Duration::from_millis(step);
            for (name, _) in book.fire(now, occasion("button/pressed", &event, &state)) {
                firings[name.parse::<usize>().unwrap()].push(now);
            }
        }
        for (firings, cooldown) in firings.iter().zip(cooldowns) {
            for pair in firings.windows(2) {
                prop_assert!(pair[1] - pair[0] >= Duration::from_millis(cooldown));
            }
            for span in firings.windows(FIRINGS_MAX + 1) {
                prop_assert!(span[FIRINGS_MAX] - span[0] >= FIRINGS_SPAN);
            }
        }
    }

    #[test]
    fn whatever_is_written_is_a_condition_or_refused_and_reads_back_the_same(
        text in "(not )?(event|call|x)\\.[a-z.]{0,6} ?(==|!=|<|in)? ?([0-9]|'[a-z]*'|\\[1\\]|true)?",
    ) {
        if let Ok(one) = text.parse::<Condition>() {
            prop_assert_eq!(one.to_string().parse::<Condition>(), Ok(one));
        }
    }

    #[test]
    fn whatever_stands_in_a_text_is_filled_in_or_refused(text in "[${}a-z. ]{0,24}") {
        let fields: Map<String, Value> = [("text".to_owned(), json!(text))].into_iter().collect();
        let facts = Facts { event: &json!({"a": "${event.a}"}), state: &json!({}) };
        let filled = template::fill(&fields, facts);
        if template::check(&fields).is_err() {
            prop_assert!(filled.is_err());
        }
    }
}
