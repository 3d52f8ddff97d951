//! `[chat.commands]`.

use super::read_calls::party;
use crate::call::party::Party;
use crate::config::reader::SectionReader;

/// Who may order what by writing to the device.
#[derive(Clone, Debug, Default)]
pub struct ChatCommands {
    /// A picture.
    pub snapshot: Vec<Party>,
    /// How the device is.
    pub status: Vec<Party>,
    /// Do-not-disturb.
    pub dnd: Vec<Party>,
    /// Recordings.
    pub record: Vec<Party>,
    /// Whether words that are not understood are answered by what can be written.
    pub helps_unknown: bool,
}

impl ChatCommands {
    /// Whether anybody may order anything.
    pub fn is_any(&self) -> bool {
        [&self.snapshot, &self.status, &self.dnd, &self.record]
            .into_iter()
            .any(|list| !list.is_empty())
    }
}

pub(super) fn read(section: &SectionReader<'_>) -> Option<ChatCommands> {
    let snapshot = section.list("snapshot", party);
    let status = section.list("status", party);
    let dnd = section.list("dnd", party);
    let record = section.list("record", party);
    let unknown = section.text("unknown");
    Some(ChatCommands {
        snapshot,
        status,
        dnd,
        record,
        helps_unknown: unknown? == "help",
    })
}
