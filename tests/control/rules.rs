//! Rules from the file to the verdict: mistakes with their lines, and every example of the guide
//! through `cubelet rules test`.

use std::path::Path;
use std::process::Command;

use cubelet::config::Surroundings;
use cubelet::control::rule_check;

use crate::fixture::{Fixture, MINIMAL};

const GUIDES: [&str; 2] = [
    include_str!("../../docs/guide/rules.md"),
    include_str!("../../docs/guide/home-assistant.md"),
];
const BROKER: &str = "[mqtt]\nhost = \"127.0.0.1\"\n";

/// The mistakes of a file with more text, without its folder; also those of commands.
fn problems(more: &str) -> Vec<String> {
    let fixture = Fixture::new();
    let file = fixture.write(&format!("{MINIMAL}{more}"));
    let report = rule_check::check(&file, &Surroundings::default());
    let dir = format!("{}/", fixture.path().display());
    let errors = report.outcome.unwrap_err();
    errors
        .problems()
        .iter()
        .map(|problem| problem.to_string().replace(&dir, ""))
        .collect()
}

/// The lines of the fixture above what is added.
fn line(number: usize) -> usize {
    MINIMAL.lines().count() + number
}

#[test]
fn every_mistake_of_every_rule_is_named_with_its_line() {
    let found = problems(
        "[mqtt]\nhost = \"127.0.0.1\"\n\
         [[rule]]\nname = \"a b\"\non = [\"buton/pressed\"]\ndo = [\"snapshott\"]\n\
         [[rule]]\nname = \"b\"\non_topic = \"cubelet/+/cmd/#\"\nwhen = \"night\"\n\
         if = [\"event.x = 1\", \"calls.status\"]\ndo = [{ text = \"x\" }, 3, \"kill\"]\n\
         [[rule]]\nname = \"c\"\non = [\"rule\"]\ndo = [{ command = \"send\", text = \"${event\" }]\n\
         [[rule]]\nname = \"d\"\ndo = []\n",
    );
    let expected = [
        (4, "rule[0].name: must be 1 to 32 of"),
        (
            5,
            "rule[0].on[0]: unknown event `buton/pressed`; did you mean `button/pressed`?",
        ),
        (
            6,
            "rule[0].do[0]: unknown command `snapshott`; did you mean `snapshot`?",
        ),
        (
            9,
            "rule[1].on_topic: must not include the commands of this device",
        ),
        (10, "rule[1].when: unknown schedule `night`"),
        (11, "rule[1].if[0]: must be `FIELD`"),
        (
            11,
            "rule[1].if[1]: `calls` is neither `event` nor a part of the state",
        ),
        (12, "rule[1].do[0]: needs `command = \"VERB\"`"),
        (
            12,
            "rule[1].do[1]: must be a command or a table with one, not the integer 3",
        ),
        (12, "rule[1].do[2]: unknown command `kill`"),
        (15, "rule[2].on[0]: unknown event `rule`"),
        (16, "rule[2].do[0]: `${` is not closed"),
        (17, "rule[3].on: is required (or on_topic)"),
        (19, "rule[3].do: must name at least one command"),
    ];
    for (number, text) in expected {
        let place = format!("kiosk.toml:{}:", line(number));
        let is_named = |one: &String| one.starts_with(&place) && one.contains(text);
        assert!(found.iter().any(is_named), "{place} {text}\n{found:#?}");
    }
}

#[test]
fn commands_of_rules_are_checked_against_the_table_of_commands() {
    let found = problems(
        "[[rule]]\nname = \"a\"\non = [\"chat/message\"]\ndo = [\n\
         \"unlock\",\n\
         { command = \"unlock\", now = true },\n\
         { command = \"dnd\", on = true, minutes = 0 },\n\
         { command = \"send\", to = \"${event.from}\", text = \"got it\" },\n\
         { command = \"edit\", message = \"${event.message}\", text = \"x\", colour = \"red\" },\n\
         ]\ncooldown_s = 10\n",
    );
    assert_eq!(found.len(), 3, "{found:#?}");
    for (found, (number, text)) in found.iter().zip([
        (6, "rule[0].do[1]: `unlock`: unknown field `now`"),
        (
            7,
            "rule[0].do[2]: `dnd`: minutes: must be 1 to 44640, not 0",
        ),
        (9, "rule[0].do[4]: `edit`: unknown field `colour`"),
    ]) {
        let place = format!("kiosk.toml:{}:", line(number));
        assert!(found.starts_with(&place) && found.contains(text), "{found}");
    }
}

#[test]
fn rules_that_set_themselves_off_must_rest() {
    let rule = |cooldown: &str| {
        format!("[[rule]]\nname = \"a\"\non = [\"button\"]\ndo = [\"press\"]\n{cooldown}")
    };
    let found = problems(&rule("cooldown_s = 9\n"));
    let expected =
        "rule[0].cooldown_s: must be at least 10, for the rule can set itself off: a → a";
    assert!(found[0].contains(expected), "{found:#?}");
    let fixture = Fixture::new();
    assert!(
        fixture
            .check_with(&rule("cooldown_s = 10\n"))
            .outcome
            .is_ok()
    );
}

/// The blocks of a page in a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    page.split(&format!("```{language}\n"))
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

fn write(fixture: &Fixture, more: &str) -> String {
    let broker = if more.contains("[mqtt]") { "" } else { BROKER };
    let file = fixture.write(&format!("{MINIMAL}{broker}{more}"));
    file.to_str().unwrap().to_owned()
}

/// What the program prints for arguments as in a shell, quotes included.
fn shell(folder: &Path, line: &str) -> String {
    let line = line.replacen("cubelet", env!("CARGO_BIN_EXE_cubelet"), 1);
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_example_of_the_guides_is_a_right_configuration() {
    let mut examples = 0;
    for guide in GUIDES {
        for example in blocks(guide, "toml") {
            let fixture = Fixture::new();
            let file = write(&fixture, example);
            let report = rule_check::check(Path::new(&file), &Surroundings::default());
            if let Err(errors) = report.outcome {
                panic!("{example}\n{errors}");
            }
            examples += 1;
        }
    }
    assert_eq!(examples, 4);
}

#[test]
fn what_the_guide_says_of_trying_a_rule_is_what_is_printed() {
    let fixture = Fixture::new();
    write(&fixture, blocks(GUIDES[0], "toml")[0]);
    let session = blocks(GUIDES[0], "").into_iter();
    let session = session.filter(|one| one.starts_with("$ cubelet rules test"));
    let mut commands = 0;
    for step in session.flat_map(|one| one.split("$ ").skip(1)) {
        let (line, expected) = step.split_once('\n').unwrap();
        assert_eq!(shell(fixture.path(), line), expected, "{line}");
        commands += 1;
    }
    assert_eq!(commands, 2);
}

#[test]
fn motion_of_a_sensor_sets_the_guides_rule_off_in_the_dark_without_a_call() {
    let fixture = Fixture::new();
    write(&fixture, blocks(GUIDES[0], "toml")[1]);
    let test = |more: &str, fields: &str| {
        let line =
            format!("cubelet rules test --config kiosk.toml {more} zigbee2mqtt/hall '{fields}'");
        shell(fixture.path(), &line)
    };
    let dark = r#"{"occupancy": true, "illuminance": 7}"#;
    assert_eq!(
        test("", dark),
        "hall-motion: fires\n  snapshot {}\n  send {\"snapshot\":true,\
         \"text\":\"Motion in the hall, 7 lx\",\"to\":\"concierge\"}\n"
    );
    let told = test(r#"--state '{"call":{"status":"connected"}}'"#, dark);
    assert_eq!(
        told,
        "hall-motion: does not fire: not `call.status == \"idle\"`: call.status is \"connected\"\n"
    );
    assert_eq!(
        test("", r#"{"occupancy": true}"#),
        "hall-motion: does not fire: not `event.illuminance < 50`: there is no event.illuminance\n"
    );
    assert_eq!(
        shell(
            fixture.path(),
            "cubelet rules test --config kiosk.toml button/pressed"
        ),
        "hall-motion: waits for something else\n"
    );
}
