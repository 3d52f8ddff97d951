//! The three worked set-ups of docs/guide/calls.md: each is a right configuration, and its bell
//! does through an evening what the guide says.

use std::path::Path;
use std::time::{Duration, Instant};

use cubelet::call::party::Party;
use cubelet::call::policy::{AnswerMedia, Caller, Decision, Present, Refusal, Rules, decide};
use cubelet::call::ring_plan::{
    Circumstances, Condition, Input, Outcome, Output, RingPlan, Step, Unanswered,
};
use cubelet::config::DeviceConfig;
use cubelet::protocol::address::UserId;

use crate::fixture::Fixture;

fn set_up(name: &str) -> DeviceConfig {
    let fixture = Fixture::new();
    for secret in ["hub-password", "hub-auth-key", "mqtt-password"] {
        fixture.secret(secret, "x", 0o600);
    }
    fixture.certificate("hub-ca.pem");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("configs")
        .join(name);
    let report = fixture.check(&std::fs::read_to_string(path).unwrap());
    assert!(report.warnings.is_empty(), "{name}: {:?}", report.warnings);
    report
        .outcome
        .unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

/// A house at one time of one evening.
struct House {
    config: DeviceConfig,
    /// Every name of the configuration with the people behind it.
    people: Vec<(&'static str, Vec<UserId>)>,
    offline: Vec<UserId>,
    now_ms: u64,
}

impl House {
    fn new(name: &str, people: &[(&'static str, &[UserId])]) -> Self {
        Self {
            config: set_up(name),
            people: people.iter().map(|(n, p)| (*n, p.to_vec())).collect(),
            offline: Vec::new(),
            now_ms: 0,
        }
    }

    fn at(&mut self, time: &str) -> &mut Self {
        let time: jiff::Timestamp = time.parse().unwrap();
        self.now_ms = time.as_millisecond() as u64;
        self
    }

    fn who(&self, list: &[Party]) -> Vec<UserId> {
        list.iter()
            .flat_map(|party| {
                let name = party.to_string();
                let known = self.people.iter().find(|(known, _)| *known == name);
                known.unwrap_or_else(|| panic!("{name}")).1.clone()
            })
            .collect()
    }

    fn schedule(&self, name: &str) -> bool {
        let schedules = &self.config.schedules;
        let schedule = schedules.iter().find(|one| one.name == name).unwrap();
        schedule.holds(self.now_ms)
    }

    /// Rings, and lets everybody ring in vain: who rang for how many seconds, and the outcome.
    fn ring(&self) -> (Vec<(Vec<UserId>, u64)>, Outcome) {
        let steps = self.config.calls.plan();
        let steps = steps.into_iter().map(|step| Step {
            targets: self.who(&step.ring),
            rings_for: step.rings_for,
            condition: step.condition,
        });
        let mut now = Instant::now();
        let (mut plan, mut outputs) = RingPlan::begin(now, steps.collect(), false, self);
        let mut rung = Vec::new();
        loop {
            let mut input = Input::Tick;
            for output in outputs {
                match output {
                    Output::Dial { step, users, kept } => {
                        let calls = users.iter().map(|user| (*user, format!("{step}/{user}")));
                        if !users.is_empty() {
                            input = Input::Dialled {
                                step,
                                users: users.clone(),
                                calls: calls.collect(),
                            };
                        }
                        let until = plan.deadline().unwrap();
                        let on = kept.iter().map(|(user, _)| *user);
                        let all: Vec<UserId> = on.chain(users).collect();
                        rung.push((all, (until - now).as_secs()));
                    }
                    Output::Finished(outcome) => return (rung, outcome),
                    _ => {}
                }
            }
            if input == Input::Tick {
                now = plan.deadline().unwrap();
            }
            outputs = plan.handle(now, self, input);
        }
    }

    fn call_from(&self, user: UserId) -> Decision {
        let incoming = &self.config.calls.incoming;
        let rules = Rules {
            is_refused_silently: incoming.is_refused_silently,
            auto_answer_after: Duration::from_secs(incoming.auto_answer_after_s.into()),
            auto_answer_media: incoming.auto_answer_media,
            busy: incoming.busy,
        };
        let caller = Caller {
            is_allowed: incoming.allow.is_empty() || self.who(&incoming.allow).contains(&user),
            is_auto_answered: self.who(&incoming.auto_answer).contains(&user),
            gets_through: self.who(&incoming.quiet_except).contains(&user),
        };
        let present = Present {
            is_quiet_hours: incoming
                .quiet
                .as_ref()
                .is_some_and(|name| self.schedule(name)),
            ..Present::default()
        };
        decide(&rules, caller, present)
    }
}

impl Circumstances for House {
    fn is_quiet(&self, user: UserId) -> bool {
        let quiet = &self.config.calls.quiet;
        quiet
            .iter()
            .any(|one| self.who(&one.who).contains(&user) && self.schedule(&one.schedule))
    }
    fn is_offline(&self, user: UserId) -> bool {
        self.offline.contains(&user)
    }
    fn holds(&self, condition: &Condition) -> bool {
        self.schedule(&condition.schedule) != condition.is_negated
    }
}

const NOBODY: Outcome = Outcome::Unanswered(Unanswered::NoAnswer);

#[test]
fn a_house_door_rings_the_family_and_leaves_the_child_alone_at_bedtime() {
    let mut house = House::new(
        "house.toml",
        &[("anna", &[1]), ("ben", &[2]), ("clara", &[3])],
    );
    let family = vec![(vec![1, 2, 3], 40)];
    let parents = vec![(vec![1, 2], 40)];
    // Thursday, 5 November 2026, and the night after it.
    assert_eq!(house.at("2026-11-05T19:29:59+01:00").ring().0, family);
    assert_eq!(house.at("2026-11-05T19:30:00+01:00").ring().0, parents);
    assert_eq!(house.at("2026-11-06T06:59:59+01:00").ring().0, parents);
    assert_eq!(house.at("2026-11-06T07:00:00+01:00").ring().0, family);
    // Friday is longer, and New Year's Eve has no bedtime.
    assert_eq!(house.at("2026-11-06T20:30:00+01:00").ring().0, family);
    assert_eq!(
        house.at("2026-12-31T23:59:00+01:00").ring(),
        (family, NOBODY)
    );
    // Who has no signal is left out, unless nobody has any.
    house.offline = vec![1];
    assert_eq!(
        house.at("2026-11-05T23:00:00+01:00").ring().0,
        vec![(vec![2], 40)]
    );
    house.offline = vec![1, 2, 3];
    assert_eq!(house.ring().0, parents);
}

#[test]
fn an_apartment_house_goes_from_the_tenant_to_whoever_is_there_at_this_hour() {
    let mut house = House::new(
        "apartments.toml",
        &[
            ("tenant-12", &[1]),
            ("tag:helps-flat-12", &[2, 3]),
            ("concierge", &[4]),
            ("duty-phone", &[5]),
        ],
    );
    let (tenant, helpers) = ((vec![1], 20), (vec![2, 3], 20));
    let (concierge, duty) = ((vec![4], 20), (vec![5], 40));
    // Tuesday, 3 November 2026: office hours, the evening, the night.
    assert_eq!(
        house.at("2026-11-03T17:59:00+01:00").ring().0,
        [tenant.clone(), helpers.clone(), concierge, duty.clone()]
    );
    assert_eq!(
        house.at("2026-11-03T18:00:00+01:00").ring().0,
        [tenant.clone(), helpers.clone(), duty.clone()]
    );
    assert_eq!(
        house.at("2026-11-03T22:00:00+01:00").ring(),
        (vec![duty.clone()], NOBODY)
    );
    // A holiday has no office hours.
    assert_eq!(
        house.at("2026-12-08T10:00:00+01:00").ring().0,
        [tenant, helpers, duty]
    );
    assert_eq!(house.call_from(99), Decision::Refuse(Refusal::NotAllowed));
    assert_eq!(house.call_from(4), Decision::Ring { replaces: false });
}

#[test]
fn a_telemedicine_cart_lets_staff_knock_and_at_night_only_the_doctor() {
    let mut cart = House::new(
        "telemedicine.toml",
        &[
            ("tag:ward-3", &[1, 2]),
            ("doctor-on-duty", &[3]),
            ("dialog:66f0aa000102030405000007", &[3, 4]),
        ],
    );
    let knocks = Decision::AutoAnswer {
        after: Duration::from_secs(3),
        media: AnswerMedia::Knock,
        replaces: false,
    };
    cart.at("2026-11-03T16:00:00+01:00");
    assert_eq!(cart.call_from(1), knocks);
    assert_eq!(cart.call_from(4), Decision::Ring { replaces: false });
    assert_eq!(cart.call_from(99), Decision::Ignore(Refusal::NotAllowed));
    cart.at("2026-11-03T21:30:00+01:00");
    assert_eq!(cart.call_from(1), Decision::Refuse(Refusal::QuietHours));
    assert_eq!(cart.call_from(3), knocks);
    // The help button knows no hours.
    assert_eq!(cart.ring(), (vec![(vec![1, 2], 30), (vec![3], 45)], NOBODY));
}
