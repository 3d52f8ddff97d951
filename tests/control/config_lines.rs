//! `[door] relay` and `[[button]]`.

use cubelet::config::{GpioLine, Level, Pull, Relay};

use crate::fixture::Fixture;

fn button(line: &str, more: &str) -> String {
    format!("[[button]]\nname = \"bell\"\nline = \"{line}\"\n{more}")
}

#[test]
fn a_relay_is_a_line_by_name_or_by_number() {
    let fixture = Fixture::new();
    for (text, line) in [
        ("gpio:GPIO17", GpioLine::Named("GPIO17".into())),
        (
            "gpio:gpiochip4:17",
            GpioLine::Numbered {
                chip: "gpiochip4".into(),
                number: 17,
            },
        ),
    ] {
        let config = fixture.check_with(&format!("[door]\nrelay = \"{text}\"\n"));
        let active = Level::High;
        let relay = config.outcome.unwrap().door.relay;
        assert_eq!(
            relay,
            Relay::Line {
                line: line.clone(),
                active
            }
        );
        assert_eq!(line.to_string(), text);
    }
}

#[test]
fn a_button_is_to_ground_with_a_resistor_and_rings_unless_told_otherwise() {
    let fixture = Fixture::new();
    let config = fixture.check_with(&button("gpio:GPIO27", ""));
    let bell = config.outcome.unwrap().buttons.remove(0);
    assert_eq!((bell.active, bell.pull), (Level::Low, Pull::Up));
    assert_eq!((bell.debounce_ms, bell.rings), (30, true));
    assert!(bell.targets.is_empty());
}

#[test]
fn lines_that_cannot_be_are_refused_with_the_rule() {
    let fixture = Fixture::new();
    for (line, rule) in [
        ("GPIO17", "must be `gpio:NAME` or `gpio:CHIP:NUMBER`"),
        ("gpio:", "followed by the name of a line"),
        ("gpio:chip0:1", "`chip0` is no chip"),
        ("gpio:gpiochip:1", "`gpiochip` is no chip"),
        ("gpio:gpiochip0:-1", "`-1` is no line's number"),
        ("gpio:gpiochip0:1024", "`1024` is no line's number"),
        ("gpio:gpiochip0:1:2", "`1:2` is no line's number"),
        (
            "gpio:A_NAME_LONGER_THAN_THE_KERNEL_HAS",
            "at most 31 characters",
        ),
    ] {
        let errors = fixture.check_with(&button(line, "")).outcome.unwrap_err();
        let errors = errors.to_string();
        assert!(errors.contains("button[0].line"), "{errors}");
        assert!(errors.contains(rule), "{line}: {errors}");
    }
}

#[test]
fn two_buttons_have_two_names_and_two_lines() {
    let fixture = Fixture::new();
    let twice = format!("{0}{0}", button("gpio:GPIO27", ""));
    let errors = fixture.check_with(&twice).outcome.unwrap_err().to_string();
    assert!(
        errors.contains("is another button's name already"),
        "{errors}"
    );
    assert!(
        errors.contains("is another button's line already"),
        "{errors}"
    );
}

#[test]
fn keys_that_do_nothing_are_refused() {
    let fixture = Fixture::new();
    let errors = |text: &str| fixture.check_with(text).outcome.unwrap_err().to_string();
    let level = errors("[door]\nrelay = \"log\"\nrelay_active = \"low\"\n");
    assert!(level.contains("needs a `relay` that is a line"), "{level}");
    let targets = errors(&button(
        "gpio:GPIO27",
        "rings = false\ntargets = [\"anna\"]\n",
    ));
    assert!(
        targets.contains("are for a button that `rings`"),
        "{targets}"
    );
    let talks = errors(&button("gpio:GPIO27", "talks = true\n"));
    assert!(talks.contains("talks: needs `rings = false`"), "{talks}");
}
