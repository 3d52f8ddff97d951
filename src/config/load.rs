//! Loading any serde type with every mistake named, although serde stops at the first.
//!
//! The trick: note the first error, take the offending node out of the tree (or put a stand-in
//! where a required one is missing), and deserialise again, until nothing is left to complain
//! about. Stand-ins never reach the caller, for a tree that needed one had a mistake.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::document::{self, Tree, locate};
use super::problem::{ConfigErrors, Problems};
use super::secret::{self, Secret, Surroundings};
use super::suggest;
use super::version::{self, ALL};

/// Rounds of "deserialise, note, mend"; a file with more mistakes needs a rewrite, not a list.
const ROUNDS_MAX: usize = 200;

/// The rules serde cannot express: ranges, references between fields, files.
pub trait Validate {
    /// Notes every broken rule. Called only when the types are right.
    fn validate(&self, check: &mut Check<'_>);
}

/// Where [`Validate::validate`] notes mistakes.
pub struct Check<'c> {
    tree: &'c Tree<'c>,
    problems: &'c mut Problems,
    base_dir: &'c Path,
}

impl Check<'_> {
    /// Notes a mistake at a field such as `http.port` or `users[2].login`.
    pub fn fail(&mut self, path: &str, rule: impl Into<String>) {
        self.problems.add(&locate(self.tree, path), path, rule);
    }

    /// Notes something allowed that deserves a second thought.
    pub fn warn(&mut self, path: &str, rule: impl Into<String>) {
        self.problems.warn(&locate(self.tree, path), path, rule);
    }

    /// Notes a number out of range.
    pub fn range<T: PartialOrd + std::fmt::Display>(
        &mut self,
        path: &str,
        value: T,
        min: T,
        max: T,
    ) {
        if value < min {
            self.fail(path, format!("{value} is below the smallest {min}"));
        } else if value > max {
            self.fail(path, format!("{value} is above the largest {max}"));
        }
    }

    /// A path of the file, relative to the file's directory.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base_dir.join(path)
    }

    /// Reads a secret file (mode 0600 or 0400), or notes why it cannot be.
    pub fn secret_file(&mut self, field: &str, path: &Path) -> Option<Secret> {
        secret::read_file(&self.resolve(path))
            .map_err(|rule| self.fail(field, rule))
            .ok()
    }

    /// Reads a systemd credential, or notes why it cannot be.
    pub fn credential(&mut self, field: &str, name: &str) -> Option<Secret> {
        secret::read_credential(name, &Surroundings::of_process())
            .map_err(|rule| self.fail(field, rule))
            .ok()
    }
}

/// Reads a file into any serde type. Warnings go to the log.
///
/// # Errors
/// Every mistake of the file, each with its place.
pub fn load<T: DeserializeOwned + Validate>(path: &Path) -> Result<T, ConfigErrors> {
    let brought = ALL.bring_up(path, document::read(path)?)?;
    let text = brought.text;
    let mut problems = Problems::new(path, &text);
    if let Some(from) = brought.from {
        problems.warn(&(0..0), version::KEY, ALL.notice(from));
    }
    let tree = document::parse(&text, &mut problems);
    if !problems.is_empty() {
        return problems.finish(None).outcome;
    }
    let value: Option<T> = deserialise(&tree, &mut problems);
    if let Some(value) = &value {
        value.validate(&mut Check {
            tree: &tree,
            problems: &mut problems,
            base_dir: path.parent().unwrap_or(Path::new("")),
        });
    }
    let report = problems.finish(value);
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    report.outcome
}

/// The strings tried for a missing value: what parses as most of the grammars in use.
const STAND_IN_TEXTS: [&str; 5] = [
    "",
    "0.0.0.0",
    "127.0.0.1:80",
    "https://localhost/",
    "00000000-0000-0000-0000-000000000000",
];

/// The `n`th stand-in for a missing value, until one is of the wanted type.
fn stand_in(n: usize, span: Range<usize>) -> Option<Spanned<DeValue<'static>>> {
    let value = match n.checked_sub(STAND_IN_TEXTS.len()) {
        None => DeValue::String(STAND_IN_TEXTS[n].into()),
        Some(0) => DeValue::Integer(Default::default()),
        Some(1) => DeValue::Boolean(false),
        Some(2) => DeValue::Array(DeArray::new()),
        Some(3) => DeValue::Table(DeTable::new()),
        Some(4) => DeValue::Float(Default::default()),
        Some(_) => return None,
    };
    Some(Spanned::new(span, value))
}

fn deserialise<T: DeserializeOwned>(original: &Tree<'_>, problems: &mut Problems) -> Option<T> {
    let mut tree = original.clone();
    // The missing field now being filled, and the number of the stand-in in its place.
    let mut filling: Option<(Vec<String>, String, usize)> = None;
    for _ in 0..ROUNDS_MAX {
        let track =
            serde_path_to_error::deserialize::<_, T>(toml::de::Deserializer::from(tree.clone()));
        let error = match track {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let keys = keys_of(error.path());
        let inner = error.into_inner();
        let message = inner.message().trim_end().to_owned();
        if let Some(name) = quoted_after(&message, "missing field ") {
            let parent = keys;
            let path = dotted(&parent, Some(&name));
            let span = locate(original, &path);
            problems.add(&span, &path, "is required");
            put(&mut tree, &parent, &name, stand_in(0, span)?)?;
            filling = Some((parent, name, 0));
        } else if let Some(name) = quoted_after(&message, "unknown field ") {
            // The path ends at the key or at the table around it, as the nesting has it.
            let mut parent = keys;
            if parent.last() == Some(&name) {
                parent.pop();
            }
            let path = dotted(&parent, Some(&name));
            let span = inner.span().unwrap_or_else(|| locate(original, &path));
            let expected: Vec<String> = all_quoted(&message).skip(1).collect();
            let known: Vec<&str> = expected.iter().map(String::as_str).collect();
            problems.add(&span, &path, suggest::unknown("key", &name, &known));
            take(&mut tree, &parent, &name)?;
        } else {
            let mut parent = keys;
            let name = parent.pop()?;
            if let Some((filled_parent, filled_name, n)) = &mut filling
                && *filled_parent == parent
                && *filled_name == name
            {
                *n += 1;
                // Without a fitting stand-in, what was found so far has to do.
                let next = match first_variant(&message) {
                    Some(variant) if *n == 1 => Spanned::new(0..0, DeValue::String(variant.into())),
                    _ => stand_in(*n, 0..0)?,
                };
                put(&mut tree, &parent, &name, next)?;
                continue;
            }
            let path = dotted(&parent, Some(&name));
            let span = inner.span().unwrap_or_else(|| locate(original, &path));
            problems.add(&span, &path, message);
            if index(&name).is_some() {
                // Taking an item out would shift the places of later mistakes.
                put(&mut tree, &parent, &name, stand_in(0, span)?)?;
                filling = Some((parent, name, 0));
            } else {
                take(&mut tree, &parent, &name)?;
            }
        }
    }
    None
}

fn keys_of(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            serde_path_to_error::Segment::Seq { index } => Some(format!("[{index}]")),
            _ => None,
        })
        .collect()
}

fn dotted(keys: &[String], last: Option<&String>) -> String {
    let mut path = String::new();
    for key in keys.iter().chain(last) {
        if !path.is_empty() && !key.starts_with('[') {
            path.push('.');
        }
        path.push_str(key);
    }
    path
}

fn all_quoted(message: &str) -> impl Iterator<Item = String> + '_ {
    message.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn quoted_after(message: &str, start: &str) -> Option<String> {
    message
        .strip_prefix(start)
        .and_then(|rest| all_quoted(rest).next())
}

/// The first of the variants an enum expects.
fn first_variant(message: &str) -> Option<String> {
    message
        .starts_with("unknown variant ")
        .then(|| all_quoted(message).nth(1))?
}

fn index(key: &str) -> Option<usize> {
    key.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// The node at the keys, if it is there.
fn node<'n, 't>(table: &'n mut DeTable<'t>, keys: &[String]) -> Option<Node<'n, 't>> {
    let mut node = Node::Table(table);
    for key in keys {
        let value = match (node, index(key)) {
            (Node::Table(table), _) => table.get_mut(key.as_str())?,
            (Node::Array(array), Some(index)) => array.get_mut(index)?,
            (Node::Array(_), None) => return None,
        };
        node = match value.get_mut() {
            DeValue::Table(table) => Node::Table(table),
            DeValue::Array(array) => Node::Array(array),
            _ => return None,
        };
    }
    Some(node)
}

enum Node<'n, 't> {
    Table(&'n mut DeTable<'t>),
    Array(&'n mut DeArray<'t>),
}

fn put<'t>(
    tree: &mut Tree<'t>,
    parent: &[String],
    name: &str,
    value: Spanned<DeValue<'t>>,
) -> Option<()> {
    match node(tree.get_mut(), parent)? {
        Node::Table(table) => {
            table.insert(Spanned::new(0..0, name.to_owned().into()), value);
        }
        Node::Array(array) => *array.get_mut(index(name)?)? = value,
    }
    Some(())
}

/// Takes a key out of a table.
fn take(tree: &mut Tree<'_>, parent: &[String], name: &str) -> Option<()> {
    match node(tree.get_mut(), parent)? {
        Node::Table(table) => table.remove(name).map(drop),
        Node::Array(_) => None,
    }
}
