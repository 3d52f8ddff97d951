//! A TOML text as a tree whose nodes know where they stand.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigErrors, Problems};

/// The largest file taken. A configuration of this size is something else by mistake.
const SIZE_MAX: u64 = 1 << 20;

pub(super) type Tree<'t> = Spanned<DeTable<'t>>;

/// Reads the file as text.
pub(super) fn read(path: &Path) -> Result<String, ConfigErrors> {
    let refuse = |rule: String| ConfigErrors::unreadable(path, rule);
    let size = std::fs::metadata(path)
        .map_err(|error| refuse(format!("cannot be read: {error}")))?
        .len();
    if size > SIZE_MAX {
        return Err(refuse(format!(
            "{size} bytes are more than the largest {SIZE_MAX}"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| refuse(format!("cannot be read: {error}")))
}

/// Parses the text; every syntax error is noted, and what could be understood is returned.
pub(super) fn parse<'t>(text: &'t str, problems: &mut Problems) -> Tree<'t> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        problems.add(&span, "", error.message().trim_end());
    }
    tree
}

/// The span of the field, or of the nearest table around it that exists.
pub(super) fn locate(tree: &Tree<'_>, path: &str) -> Range<usize> {
    let mut span = 0..0;
    let mut table = tree.get_ref();
    let mut steps = steps(path).peekable();
    while let Some(Step::Key(key)) = steps.next() {
        let Some(mut value) = table.get(key.as_ref()) else {
            return span;
        };
        span = value.span();
        while let Some(Step::Index(index)) = steps.peek() {
            let Some(item) = value.get_ref().as_array().and_then(|list| list.get(*index)) else {
                return span;
            };
            value = item;
            span = value.span();
            steps.next();
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return span,
        }
    }
    span
}

/// A step of a path such as `users[2].login`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'p> {
    Key(Cow<'p, str>),
    Index(usize),
}

pub(super) fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('.').flat_map(|part| {
        let mut pieces = part.split('[');
        let key = pieces.next().unwrap_or_default();
        std::iter::once(Step::Key(Cow::Borrowed(key))).chain(
            pieces.filter_map(|index| index.trim_end_matches(']').parse().ok().map(Step::Index)),
        )
    })
}

/// What a value is, with its text when that is short and says no secret: type errors show it.
pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(number) => format!("the integer {number}"),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => format!("the boolean {flag}"),
        // Never the text itself: it may be a password in the wrong place.
        DeValue::String(_) => "a string".into(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}
