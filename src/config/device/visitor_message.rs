//! `[visitor_message]`.

use std::path::PathBuf;

use super::read::user;
use crate::base::object_id::ObjectId;
use crate::config::reader::SectionReader;
use crate::protocol::address::UserRef;

/// What a visitor may leave when nobody answers.
#[derive(Clone, Debug)]
pub struct VisitorMessage {
    /// Nothing is recorded without.
    pub enabled: bool,
    /// Who gets it.
    pub to: Recipients,
    /// Seconds, 5 to 300.
    pub max_s: u32,
    /// What the visitor hears before.
    pub tone: Tone,
    /// Whether a ring without an answer begins one.
    pub after_ring: bool,
    /// Whether a picture of the visitor is sent when it begins.
    pub snapshot: bool,
    /// Days, 0 to 365, a sent recording is kept.
    pub keep_days: u32,
    /// MiB, 16 to 100,000, for all recordings.
    pub keep_mb: u32,
}

/// Who gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// These, each by a private dialog; at most 16.
    Users(Vec<UserRef>),
    /// All of a group dialog.
    Dialog(String),
}

/// What the visitor hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    None,
    /// A tone.
    Default,
    /// A file.
    File(PathBuf),
}

pub(super) fn read(section: &SectionReader<'_>) -> Option<VisitorMessage> {
    let enabled = section.boolean("enabled");
    let to = section.list("to", user);
    let dialog = section.parsed("dialog", |text| match text.parse::<ObjectId>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be 24 hex digits".to_owned()),
    });
    if section.given("dialog") && !to.is_empty() {
        section.fail("dialog", "only one of to and dialog may be given");
    }
    if enabled == Some(true) && to.is_empty() && !section.given("dialog") {
        section.fail(
            "enabled",
            "needs `to` or `dialog`: a message for nobody is no use",
        );
    }
    let tone = section.parsed("tone", |text| {
        match text.split_once(':').unwrap_or((text, "")) {
            ("none", "") => Ok(Tone::None),
            ("default", "") => Ok(Tone::Default),
            ("file", path) if !path.is_empty() => section.existing_file(path).map(Tone::File),
            _ => Err("must be `none`, `default` or `file:PATH`".to_owned()),
        }
    });
    let max_s = section.integer("max_s");
    let after_ring = section.boolean("after_ring");
    let snapshot = section.boolean("snapshot");
    let keep_days = section.integer("keep_days");
    let keep_mb = section.integer("keep_mb");
    Some(VisitorMessage {
        enabled: enabled?,
        to: match dialog {
            Some(dialog) => Recipients::Dialog(dialog),
            None => Recipients::Users(to),
        },
        max_s: max_s?,
        tone: tone?,
        after_ring: after_ring?,
        snapshot: snapshot?,
        keep_days: keep_days?,
        keep_mb: keep_mb?,
    })
}
