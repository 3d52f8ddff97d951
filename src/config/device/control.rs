//! Reads `[control]` and its `[[control.allow]]` rules.

use super::read::string;
use super::{Allow, AllowBy, Control, GROUP_VERBS, GROUP_VERBS_ON_REQUEST, VERBS};
use crate::config::reader::SectionReader;
use crate::config::suggest;

/// A rule.
pub(super) fn allow(section: &SectionReader<'_>) -> Option<Allow> {
    let by = section.text("by").and_then(|by| match by {
        "property" => Some(AllowBy::Property),
        "anyone" => Some(AllowBy::Anyone),
        "topic" => Some(AllowBy::Topic),
        // Reported when it was read.
        _ => None,
    });
    let requesters = section.list("requesters", |value| {
        let name = string(value)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
        if (1..=64).contains(&name.len()) && name.chars().all(is_plain) {
            Ok(name.to_owned())
        } else {
            Err("must be 1 to 64 of `A-Z a-z 0-9 _ - . @`".to_owned())
        }
    });
    if section.given("requesters") && by == Some(AllowBy::Anyone) {
        section.fail("requesters", "have no use with `by = \"anyone\"`");
    }
    if section.given("requesters") && requesters.is_empty() {
        section.fail("requesters", "must name somebody");
    }
    let commands = verbs(section, "commands", VERBS);
    if section.given("commands") && commands.is_empty() {
        section.fail("commands", "must name a command");
    }
    Some(Allow {
        by: by?,
        requesters,
        commands,
    })
}

/// The section.
pub(super) fn read(section: &SectionReader<'_>, allow: Vec<Allow>) -> Option<Control> {
    let commands = if section.given("commands") {
        verbs(section, "commands", VERBS)
    } else {
        owned(VERBS)
    };
    let group_commands = if section.given("group_commands") {
        verbs(section, "group_commands", GROUP_VERBS)
    } else {
        let mut verbs = owned(GROUP_VERBS);
        verbs.retain(|verb| !GROUP_VERBS_ON_REQUEST.contains(&verb.as_str()));
        verbs
    };
    let rate_per_s = section.integer("rate_per_s");
    let group_jitter_ms = section.integer("group_jitter_ms");
    let max_age_s = section.integer("max_age_s");
    let keep_log = section.integer("keep_log");
    let test_commands = section.boolean("test_commands");
    if test_commands == Some(true) {
        section.warn(
            "test_commands",
            "warning: `kill` makes parts of this device crash on request; not for real doors",
        );
    }
    Some(Control {
        commands,
        rate_per_s: rate_per_s?,
        test_commands: test_commands?,
        allow,
        group_commands,
        group_jitter_ms: group_jitter_ms?,
        max_age_s: max_age_s?,
        keep_log: keep_log?,
    })
}

fn owned(verbs: &[&str]) -> Vec<String> {
    verbs.iter().map(|verb| (*verb).to_owned()).collect()
}

fn verbs(section: &SectionReader<'_>, key: &str, known: &[&str]) -> Vec<String> {
    section.list(key, |value| {
        let verb = string(value)?;
        if known.contains(&verb) {
            Ok(verb.to_owned())
        } else {
            Err(suggest::unknown("command", verb, known))
        }
    })
}
