//! `[door] relay` and `[[button]]`: the lines of GPIO chips.

use super::{Relay, read};
use crate::config::reader::{FileReader, SectionReader};
use crate::config::suggest;
use crate::protocol::address::UserRef;

/// A line of a GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpioLine {
    /// By the name the board's device tree gives it.
    Named(String),
    /// By its place.
    Numbered {
        /// Such as `gpiochip0`.
        chip: String,
        /// From 0.
        number: u32,
    },
}

impl std::fmt::Display for GpioLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => write!(f, "gpio:{name}"),
            Self::Numbered { chip, number } => write!(f, "gpio:{chip}:{number}"),
        }
    }
}

/// A level of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Towards ground.
    Low,
    /// Towards the supply.
    #[default]
    High,
}

/// The resistor of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// To the supply.
    Up,
    /// To ground.
    Down,
    /// Switched off.
    None,
    /// Left as it is.
    AsIs,
}

/// A push button.
#[derive(Clone, Debug, PartialEq)]
pub struct Button {
    /// What events call it.
    pub name: String,
    /// Where it is connected.
    pub line: GpioLine,
    /// The level while it is pressed.
    pub active: Level,
    /// The resistor.
    pub pull: Pull,
    /// Milliseconds a level must hold to count, 0 to 1,000.
    pub debounce_ms: u32,
    /// Whether a press rings the bell.
    pub rings: bool,
    /// Whether somebody talks while it is held.
    pub talks: bool,
    /// Whom it rings; empty means as `[calls]` says.
    pub targets: Vec<UserRef>,
}

/// Characters of a line's name: the kernel's limit (`GPIO_MAX_NAME_SIZE`) without its final zero.
const LINE_NAME_MAX: usize = 31;

/// `gpio:NAME` or `gpio:CHIP:NUMBER`.
pub(super) fn line(text: &str) -> Result<GpioLine, String> {
    let Some(line) = text.strip_prefix("gpio:") else {
        return Err(
            "must be `gpio:NAME` or `gpio:CHIP:NUMBER`; `cubelet devices` lists what there is"
                .into(),
        );
    };
    match line.split_once(':') {
        None if line.is_empty() => Err("`gpio:` is followed by the name of a line".into()),
        None if line.len() > LINE_NAME_MAX => Err(format!(
            "a line's name has at most {LINE_NAME_MAX} characters"
        )),
        None => Ok(GpioLine::Named(line.to_owned())),
        Some((chip, number)) => {
            let is_chip = chip
                .strip_prefix("gpiochip")
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            if !is_chip {
                return Err(format!("`{chip}` is no chip: gpiochip0, gpiochip1 …"));
            }
            match number.parse() {
                Ok(number) if number < 1024 => Ok(GpioLine::Numbered {
                    chip: chip.to_owned(),
                    number,
                }),
                _ => Err(format!("`{number}` is no line's number: 0 to 1023")),
            }
        }
    }
}

/// `[door] relay` and `relay_active`.
pub(super) fn relay(section: &SectionReader<'_>) -> Option<Relay> {
    let active = section.text("relay_active").map(level);
    let relay = section.parsed("relay", |text| match text {
        "none" => Ok(None),
        "log" => Ok(Some(Relay::Log)),
        text if text.starts_with("gpio:") => Ok(Some(Relay::Line {
            line: line(text)?,
            active: active.unwrap_or_default(),
        })),
        other => Err(suggest::unknown("value", other, &["none", "log", "gpio:"])),
    })?;
    if section.given("relay_active") && !matches!(relay, Some(Relay::Line { .. })) {
        section.fail("relay_active", "needs a `relay` that is a line");
    }
    active?;
    Some(relay.unwrap_or(Relay::None))
}

/// All `[[button]]`.
pub(super) fn buttons(file: &FileReader<'_>) -> Option<Vec<Button>> {
    let mut buttons: Vec<Button> = Vec::new();
    let mut all = true;
    for section in file.repeated("button") {
        let Some(button) = button(&section) else {
            all = false;
            continue;
        };
        if buttons.iter().any(|other| other.name == button.name) {
            section.fail("name", "is another button's name already");
        }
        if buttons.iter().any(|other| other.line == button.line) {
            section.fail("line", "is another button's line already");
        }
        buttons.push(button);
    }
    all.then_some(buttons)
}

fn button(section: &SectionReader<'_>) -> Option<Button> {
    let name = section.parsed("name", super::parse::device_name);
    let line = section.parsed("line", line);
    let active = section.text("active").map(level);
    let pull = section.text("pull").map(|pull| match pull {
        "up" => Pull::Up,
        "down" => Pull::Down,
        "none" => Pull::None,
        _ => Pull::AsIs,
    });
    let debounce_ms = section.integer("debounce_ms");
    let rings = section.boolean("rings");
    let talks = section.boolean("talks");
    if talks == Some(true) && rings == Some(true) {
        section.fail("talks", "needs `rings = false`: who talks does not ring");
    }
    let targets = section.list("targets", read::user);
    if !targets.is_empty() && rings == Some(false) {
        section.fail("targets", "are for a button that `rings`");
    }
    Some(Button {
        name: name?,
        line: line?,
        active: active?,
        pull: pull?,
        debounce_ms: debounce_ms?,
        rings: rings?,
        talks: talks?,
        targets,
    })
}

fn level(text: &str) -> Level {
    match text {
        "low" => Level::Low,
        _ => Level::High,
    }
}
