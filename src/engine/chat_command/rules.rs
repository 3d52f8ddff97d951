//! Rules several commands share. An error names the field and the rule.

use super::super::command::UserRef;
use crate::base::object_id::ObjectId;

/// The most messages or users in one command.
pub(super) const LIST_MAX: usize = 100;

pub(super) type Checked = Result<(), String>;

pub(super) fn target(to: Option<&UserRef>, dialog: Option<&str>) -> Checked {
    match (to, dialog) {
        (Some(_), Some(_)) => Err("to and dialog: only one may be given".into()),
        (None, None) => Err("to or dialog: one is required".into()),
        (None, Some(dialog)) => object_id("dialog", dialog),
        (Some(_), None) => Ok(()),
    }
}

pub(super) fn optional_dialog(dialog: Option<&str>) -> Checked {
    dialog.map_or(Ok(()), |dialog| object_id("dialog", dialog))
}

pub(super) fn object_id(field: &str, text: &str) -> Checked {
    text.parse::<ObjectId>()
        .map(drop)
        .map_err(|error| format!("{field}: {error}"))
}

pub(super) fn ids(field: &str, ids: &[String]) -> Checked {
    if ids.len() > LIST_MAX {
        return Err(too_many(field, ids.len(), LIST_MAX));
    }
    ids.iter().try_for_each(|id| object_id(field, id))
}

pub(super) fn limit(limit: u32) -> Checked {
    if (1..=100).contains(&limit) {
        Ok(())
    } else {
        Err(format!("limit: must be 1 to 100, not {limit}"))
    }
}

pub(super) fn too_many(field: &str, count: usize, most: usize) -> String {
    format!("{field}: {count} are more than the most {most}")
}

pub(super) fn characters(field: &str, text: &str, least: usize, most: usize) -> Checked {
    match text.chars().count() {
        0 if least > 0 => Err(format!("{field}: must not be empty")),
        length if length < least => Err(format!(
            "{field}: {length} characters are fewer than the least {least}"
        )),
        length if length > most => Err(format!(
            "{field}: {length} characters are more than the most {most}"
        )),
        _ => Ok(()),
    }
}
