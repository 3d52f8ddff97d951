//! What goes into the log of orders: every refusal, as far as a flood leaves room, and what was
//! carried out that matters to security.

use std::time::Instant;

use super::rate::TokenBucket;
use crate::engine::journal::ControlEntry;

/// Refusals noted per second; more are counted.
const REFUSED_PER_S: u32 = 10;

/// Orders whose outcome is noted, by the end of their topic.
const NOTED: &[&str] = &[
    "cmd/unlock",
    "cmd/call",
    "cmd/answer",
    "cmd/conference",
    "cmd/invite",
    "cmd/digits",
    "cmd/snapshot",
    "cmd/visitor_message",
    "cmd/say",
    "cmd/record",
    "cmd/dnd",
    "cmd/ring_target",
    "cmd/auto_answer",
    "cmd/block",
    "cmd/unblock",
    "cmd/profile_update",
    "cmd/record_create",
    "cmd/record_update",
    "cmd/record_delete",
    "cmd/push",
    "cmd/download",
    "cmd/kill",
    "policy/set",
    "audio/set",
    "camera/set",
    "display/set",
    "door/set",
];

/// Collects lines.
#[derive(Debug)]
pub(super) struct Notes {
    lines: Vec<ControlEntry>,
    refusals: TokenBucket,
    left_out: u64,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            refusals: TokenBucket::new(REFUSED_PER_S),
            left_out: 0,
        }
    }
}

impl Notes {
    pub(super) fn refused(&mut self, now: Instant, mut entry: ControlEntry) {
        if !self.refusals.take(now) {
            self.left_out += 1;
            return;
        }
        if self.left_out > 0 {
            let left_out = std::mem::take(&mut self.left_out);
            let reason = entry.reason.unwrap_or_default();
            entry.reason = Some(format!("{reason} (and {left_out} refusals before it)"));
        }
        self.lines.push(entry);
    }

    /// It was the engine's turn, and this came of it.
    pub(super) fn ended(&mut self, entry: ControlEntry) {
        if NOTED.iter().any(|noted| entry.topic.ends_with(noted)) {
            self.lines.push(entry);
        }
    }

    /// Everything since the last call.
    pub(super) fn take(&mut self) -> Vec<ControlEntry> {
        std::mem::take(&mut self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn entry(topic: &str) -> ControlEntry {
        ControlEntry {
            topic: topic.into(),
            reason: Some("no".into()),
            ..ControlEntry::default()
        }
    }

    #[test]
    fn a_flood_of_refusals_is_counted_not_written_out() {
        let mut notes = Notes::default();
        let now = Instant::now();
        for _ in 0..100 {
            notes.refused(now, entry("door/cmd/unlock"));
        }
        assert_eq!(notes.take().len(), 10);
        notes.refused(now + Duration::from_secs(1), entry("door/cmd/unlock"));
        let line = notes.take().remove(0);
        assert_eq!(
            line.reason.as_deref(),
            Some("no (and 90 refusals before it)")
        );
    }

    #[test]
    fn what_only_reads_is_not_noted_when_it_is_done() {
        let mut notes = Notes::default();
        notes.ended(entry("door/cmd/history"));
        notes.ended(entry("all/from/panel/cmd/unlock"));
        notes.ended(entry("door/policy/set"));
        assert_eq!(notes.take().len(), 2);
    }
}
