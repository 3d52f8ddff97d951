//! The one table of a device's settings: names, kinds, ranges, defaults, meaning. One file holds
//! one `[section]`, under its name.
//!
//! Invariant: the reader checks by this table and the reference manual is printed from it, so the
//! two cannot differ.
//! Must not enter: reading a file; checks between keys (`config::device`).

mod attachments;
mod audio;
mod button;
mod calls;
mod camera;
mod chat;
mod chat_commands;
mod console;
mod control;
mod device;
mod display;
mod door;
mod history;
mod home_assistant;
mod hub;
mod incoming;
mod mqtt;
mod network_camera;
mod preview;
mod recording;
mod ringing;
mod rtsp;
mod rule;
mod say;
mod schedule;
mod visitor_message;

use super::device::{EVENTS, GROUP_VERBS, PATTERNS, VERBS};

/// A `[section]` or, when repeated, a `[[section]]`.
#[derive(Debug)]
pub struct Section {
    /// Dotted name.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Whether and how often it appears.
    pub occurs: Occurs,
    /// Its keys.
    pub fields: &'static [Field],
    /// Keys that are refused with an explanation instead of "unknown".
    pub refused: &'static [(&'static str, &'static str)],
}

/// How often a section appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurs {
    /// Exactly once.
    Once,
    /// At most once; without it all defaults hold.
    Defaulted,
    /// At most once; without it the feature is off.
    Optional,
    /// Up to this many times.
    Repeated(usize),
}

/// A key.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What holds without it.
    pub without: Without,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number, bounds included.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A string of the described form.
    Text(&'static str),
    /// A file, relative to the configuration file's directory.
    Path(&'static str),
    /// A list without duplicates.
    List {
        /// What an item is.
        of: &'static str,
        /// The most items.
        most: usize,
    },
}

/// What holds when a key is not given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Without {
    /// The file is refused.
    Required,
    /// Nothing: the feature is off.
    Nothing,
    /// This number.
    Integer(i64),
    /// This truth.
    Boolean(bool),
    /// This string.
    Text(&'static str),
    /// Something that follows from other keys, told in words.
    Rule(&'static str),
}

const fn field(key: &'static str, kind: Kind, without: Without, doc: &'static str) -> Field {
    Field {
        key,
        kind,
        without,
        doc,
    }
}

const fn integer(key: &'static str, min: i64, max: i64, default: i64, doc: &'static str) -> Field {
    field(
        key,
        Kind::Integer { min, max },
        Without::Integer(default),
        doc,
    )
}

const fn boolean(key: &'static str, default: bool, doc: &'static str) -> Field {
    field(key, Kind::Boolean, Without::Boolean(default), doc)
}

/// A secret apart from the configuration, in a file only its owner reads.
const fn secret_file(key: &'static str, doc: &'static str) -> Field {
    let kind = Kind::Path("file, mode 0600 or 0400");
    field(key, kind, Without::Nothing, doc)
}

/// The same by name of a systemd credential.
const fn secret_credential(key: &'static str, doc: &'static str) -> Field {
    let kind = Kind::Text("systemd credential");
    field(key, kind, Without::Nothing, doc)
}

const INLINE_PASSWORD: &str = "a password is not written in this file, which is copied and shown \
     around: put it alone into a file of mode 0600 and name that in `password_file`, or name a \
     systemd credential in `password_credential`";

const NO_REFUSED: &[(&str, &str)] = &[];
const PARTY: &str =
    "user (number or login), `tag:NAME`, `dialog:ID`, `dialog:ID:admins` or `dialog:ID:owner`";

/// A GPIO line.
const LINE: &str = "`gpio:NAME` or `gpio:CHIP:NUMBER`";

/// The sections of a device's file, in the manual's order.
pub static DEVICE: &[Section] = &[
    device::SECTION,
    hub::SECTION,
    chat::SECTION,
    chat_commands::SECTION,
    history::SECTION,
    attachments::SECTION,
    camera::SECTION,
    network_camera::SECTION,
    audio::SECTION,
    display::SECTION,
    calls::SECTION,
    calls::ICE_SERVERS,
    ringing::STEP,
    ringing::QUIET,
    incoming::SECTION,
    preview::SECTION,
    schedule::SECTION,
    door::SECTION,
    button::SECTION,
    visitor_message::SECTION,
    say::SECTION,
    recording::SECTION,
    mqtt::SECTION,
    home_assistant::SECTION,
    control::SECTION,
    control::ALLOW,
    console::SECTION,
    rtsp::SECTION,
    rule::SECTION,
];

impl Section {
    /// The field of this key.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// What a list item may be beyond its short form in the table.
    pub fn list_notes(&self) -> Option<String> {
        match self.name {
            "camera" => Some(format!("Test patterns: `{}`.", PATTERNS.join("`, `"))),
            "control" => Some(format!(
                "Commands: `{}`.\n\nCommands for several: `{}`.",
                VERBS.join("`, `"),
                GROUP_VERBS.join("`, `")
            )),
            "rule" => Some(format!("Events: `{}`.", EVENTS.join("`, `"))),
            _ => None,
        }
    }
}
