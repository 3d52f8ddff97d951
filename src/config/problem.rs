//! What is wrong with a file, in the form compilers have taught editors to follow.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::document;

/// One mistake: `kiosk.toml:12:9: camera.width: 5000 is above the largest 3840`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as named by the caller.
    pub file: PathBuf,
    /// Line and column from 1, in characters; none when the file itself could not be read.
    pub position: Option<(usize, usize)>,
    /// The field, as `section.key` or `section.list[0]`; empty when no field is meant.
    pub path: String,
    /// What was found and what is wanted.
    pub rule: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.rule)
    }
}

/// Every mistake of a file, in the order of the file. Displayed one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// The mistakes; there is at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    pub(super) fn unreadable(file: &Path, rule: String) -> Self {
        Self(vec![Problem {
            file: file.to_owned(),
            position: None,
            path: String::new(),
            rule,
        }])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// What came of reading a file: the configuration or the mistakes, and what is allowed but
/// deserves a second thought.
#[derive(Debug)]
pub struct Report<T> {
    /// The configuration, only when nothing at all is wrong.
    pub outcome: Result<T, ConfigErrors>,
    /// In the form of the mistakes.
    pub warnings: Vec<Problem>,
}

/// Mistakes only a layer above can find, each with its field, put into their places in the file.
/// At least one must be given.
pub fn locate_problems(path: &Path, mistakes: Vec<(String, String)>) -> ConfigErrors {
    let text = match document::read(path) {
        Ok(text) => text,
        Err(errors) => return errors,
    };
    let mut problems = Problems::new(path, &text);
    let tree = document::parse(&text, &mut problems);
    for (field, rule) in mistakes {
        problems.add(&document::locate(&tree, &field), &field, rule);
    }
    let report: Report<()> = problems.finish(None);
    match report.outcome {
        Err(errors) => errors,
        Ok(()) => ConfigErrors::unreadable(path, "could not be read".into()),
    }
}

/// Gathers mistakes while a file is read.
#[derive(Debug)]
pub(super) struct Problems {
    file: PathBuf,
    line_starts: Vec<usize>,
    text: String,
    found: Vec<(usize, Problem)>,
    warnings: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            file: file.to_owned(),
            line_starts,
            text: text.to_owned(),
            found: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn problem(&self, span: &Range<usize>, path: &str, rule: String) -> Problem {
        let offset = span.start.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let column = self
            .text
            .get(start..offset)
            .map_or(offset - start, |before| before.chars().count());
        Problem {
            file: self.file.clone(),
            position: Some((line, column + 1)),
            path: path.to_owned(),
            rule,
        }
    }

    /// Notes a mistake. A field that already has one, itself or around it, is left alone: the
    /// first says it best.
    pub(super) fn add(&mut self, span: &Range<usize>, path: &str, rule: impl Into<String>) {
        let within = |known: &str| {
            !known.is_empty()
                && path
                    .strip_prefix(known)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if self.found.iter().any(|(_, known)| within(&known.path)) {
            return;
        }
        let problem = self.problem(span, path, rule.into());
        self.found.push((span.start, problem));
    }

    pub(super) fn warn(&mut self, span: &Range<usize>, path: &str, rule: impl Into<String>) {
        let warning = self.problem(span, path, rule.into());
        self.warnings.push(warning);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The configuration if it is there and nothing was noted against it.
    pub(super) fn finish<T>(mut self, config: Option<T>) -> Report<T> {
        self.found.sort_by_key(|(offset, _)| *offset);
        let outcome = match config {
            Some(config) if self.found.is_empty() => Ok(config),
            _ if self.found.is_empty() => Err(ConfigErrors::unreadable(
                &self.file,
                "the file could not be read, and the reader cannot say why".into(),
            )),
            _ => Err(ConfigErrors(
                self.found.into_iter().map(|(_, problem)| problem).collect(),
            )),
        };
        Report {
            outcome,
            warnings: self.warnings,
        }
    }
}
