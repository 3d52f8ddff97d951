//! The reference manual's tables, printed from the table of fields so that they cannot differ
//! from what the reader does.

use std::fmt::Write;

use super::fields::{DEVICE, Field, Kind, Occurs, Without};

/// What the number at the top of a file means.
pub(super) const VERSION: &str = "The version of the keys this file is written in; without it the first. \
     An older file is read as if it were written today, with a notice (`cubelet setup --migrate` writes it \
     anew); a newer one is refused.";

/// The sections of a device's file in Markdown.
pub fn device() -> String {
    let mut page = format!("## `version`\n\nAt the top of the file: `version = 1`. {VERSION}\n\n");
    for section in DEVICE {
        let (heading, occurs) = match section.occurs {
            Occurs::Once => (format!("[{}]", section.name), "Required.".to_owned()),
            Occurs::Defaulted => (
                format!("[{}]", section.name),
                "May be left out; then every default holds.".to_owned(),
            ),
            Occurs::Optional => (
                format!("[{}]", section.name),
                "May be left out; then the feature is off.".to_owned(),
            ),
            Occurs::Repeated(most) => (
                format!("[[{}]]", section.name),
                format!("May be repeated, at most {most} times."),
            ),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "## `{heading}`\n\n{} {occurs}\n", section.doc);
        page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for field in section.fields {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                field.key,
                kind(field),
                without(field),
                field.doc
            );
        }
        page.push('\n');
        if let Some(notes) = section.list_notes() {
            let _ = writeln!(page, "{notes}\n");
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn kind(field: &Field) -> String {
    match field.kind {
        Kind::Integer { min, max: i64::MAX } => format!("integer from {min}"),
        Kind::Integer { min, max } => format!("integer {min} to {max}"),
        Kind::Boolean => "`true` or `false`".into(),
        Kind::Choice(choices) => choices
            .iter()
            .map(|choice| format!("`\"{choice}\"`"))
            .collect::<Vec<_>>()
            .join(" or "),
        Kind::Text("string") => "string".into(),
        Kind::Text(form) => format!("string: {form}"),
        Kind::Path(what) => format!("path: {what}"),
        Kind::List { of, most } => format!("list of at most {most}, each {of}"),
    }
}

fn without(field: &Field) -> String {
    match field.without {
        Without::Required => "required".into(),
        Without::Nothing => "none".into(),
        Without::Integer(number) => format!("`{number}`"),
        Without::Boolean(flag) => format!("`{flag}`"),
        Without::Text(text) => format!("`\"{text}\"`"),
        Without::Rule(rule) => rule.into(),
    }
}
