//! The collecting reader: reads a section's keys by the table of fields, notes every mistake at
//! its place and goes on.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Tree, describe};
use super::fields::{Field, Kind, Occurs, Section, Without};
use super::problem::Problems;
use super::secret::{self, Secret, Surroundings};
use super::suggest;
use super::version;

/// The whole file.
pub(super) struct FileReader<'d> {
    pub(super) tree: &'d Tree<'d>,
    pub(super) sections: &'static [Section],
    pub(super) problems: &'d RefCell<Problems>,
    pub(super) base_dir: &'d Path,
    pub(super) around: &'d Surroundings,
}

/// One section, or one of its repetitions.
pub(super) struct SectionReader<'d> {
    file: &'d FileReader<'d>,
    section: &'static Section,
    /// None when the section is not in the file.
    table: Option<&'d DeTable<'d>>,
    span: Range<usize>,
    path: String,
    /// The section itself was already reported; its keys are not reported one by one.
    silent: bool,
}

enum Raw<'d> {
    Given(&'d Spanned<DeValue<'d>>),
    Default(Without),
}

impl<'d> FileReader<'d> {
    /// A section that appears once, or whose defaults hold when it does not appear.
    pub(super) fn section(&'d self, name: &'static str) -> SectionReader<'d> {
        self.find(name).unwrap_or_else(|| {
            let section = self.table_entry(name);
            let missing = section.occurs == Occurs::Once;
            if missing {
                let rule = format!("the section [{name}] is missing");
                self.problems.borrow_mut().add(&(0..0), name, rule);
            }
            self.reader(section, None, 0..0, name.to_owned(), missing)
        })
    }

    /// A section that switches a feature on.
    pub(super) fn optional_section(&'d self, name: &'static str) -> Option<SectionReader<'d>> {
        self.find(name)
    }

    /// All repetitions of `[[parent.key]]`.
    pub(super) fn repeated(&'d self, name: &'static str) -> Vec<SectionReader<'d>> {
        let section = self.table_entry(name);
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let most = match section.occurs {
            Occurs::Repeated(most) => most,
            _ => 1,
        };
        let refuse = |rule: String| self.problems.borrow_mut().add(&value.span(), name, rule);
        let Some(list) = value.get_ref().as_array() else {
            refuse(format!("must be written as [[{name}]]"));
            return Vec::new();
        };
        if list.len() > most {
            refuse(format!(
                "{} entries are more than the most {most}",
                list.len()
            ));
        }
        let mut readers = Vec::new();
        for (n, item) in list.iter().enumerate().take(most) {
            let path = format!("{name}[{n}]");
            match item.get_ref() {
                DeValue::Table(table) => {
                    readers.push(self.reader(section, Some(table), item.span(), path, false));
                }
                other => self.problems.borrow_mut().add(
                    &item.span(),
                    &path,
                    format!("must be a table, not {}", describe(other)),
                ),
            }
        }
        readers
    }

    fn find(&'d self, name: &'static str) -> Option<SectionReader<'d>> {
        let value = self.value(name)?;
        let section = self.table_entry(name);
        match value.get_ref() {
            DeValue::Table(table) => {
                Some(self.reader(section, Some(table), value.span(), name.to_owned(), false))
            }
            other => {
                let rule = format!("must be the section [{name}], not {}", describe(other));
                self.problems.borrow_mut().add(&value.span(), name, rule);
                Some(self.reader(section, None, value.span(), name.to_owned(), true))
            }
        }
    }

    fn value(&'d self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        let mut keys = name.split('.');
        let mut value = self.tree.get_ref().get(keys.next()?)?;
        for key in keys {
            value = value.get_ref().as_table()?.get(key)?;
        }
        Some(value)
    }

    // Names are literals in the reader of the device, and a test reads every section.
    #[allow(clippy::expect_used)]
    fn table_entry(&self, name: &str) -> &'static Section {
        self.sections
            .iter()
            .find(|section| section.name == name)
            .expect("the section is in the table of fields")
    }

    fn reader(
        &'d self,
        section: &'static Section,
        table: Option<&'d DeTable<'d>>,
        span: Range<usize>,
        path: String,
        silent: bool,
    ) -> SectionReader<'d> {
        let reader = SectionReader {
            file: self,
            section,
            table,
            span,
            path,
            silent,
        };
        reader.refuse_unknown_keys();
        reader
    }

    /// Notes every top-level key that is no section.
    pub(super) fn refuse_unknown_sections(&self) {
        let known: Vec<&str> = self
            .sections
            .iter()
            .map(|section| section.name)
            .filter(|name| !name.contains('.'))
            .collect();
        for (key, _) in self.tree.get_ref().iter() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) && name != version::KEY {
                let rule = suggest::unknown("section", name, &known);
                self.problems.borrow_mut().add(&key.span(), name, rule);
            }
        }
    }
}

impl<'d> SectionReader<'d> {
    fn refuse_unknown_keys(&self) {
        let Some(table) = self.table else { return };
        let subsections = self.file.sections.iter().filter_map(|section| {
            let (parent, key) = section.name.rsplit_once('.')?;
            (parent == self.section.name).then_some(key)
        });
        let known: Vec<&str> = self
            .section
            .fields
            .iter()
            .map(|field| field.key)
            .chain(subsections)
            .collect();
        for (key, _) in table.iter() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let refused = self.section.refused.iter().find(|(key, _)| *key == name);
            let rule = match refused {
                Some((_, help)) => (*help).to_owned(),
                None => suggest::unknown("key", name, &known),
            };
            let path = format!("{}.{name}", self.path);
            self.file
                .problems
                .borrow_mut()
                .add(&key.span(), &path, rule);
        }
    }

    /// Notes a mistake at a key's value, or at the section when the key is not given.
    pub(super) fn fail(&self, key: &str, rule: impl Into<String>) {
        let path = format!("{}.{key}", self.path);
        self.file
            .problems
            .borrow_mut()
            .add(&self.span_of(key), &path, rule);
    }

    /// Notes that a key is missing, unless the whole section is, which is one mistake.
    pub(super) fn require(&self, key: &str, rule: &str) {
        if !self.silent {
            self.fail(key, rule);
        }
    }

    /// Notes something allowed that deserves a second thought.
    pub(super) fn warn(&self, key: &str, rule: impl Into<String>) {
        let path = format!("{}.{key}", self.path);
        self.file
            .problems
            .borrow_mut()
            .warn(&self.span_of(key), &path, rule);
    }

    fn span_of(&self, key: &str) -> Range<usize> {
        self.table
            .and_then(|table| table.get(key))
            .map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// What the process finds around it.
    pub(super) fn surroundings(&self) -> &Surroundings {
        self.file.around
    }

    /// Whether the file has the key.
    pub(super) fn given(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    // Keys are literals in the reader of the device, and a test reads every key of the table.
    #[allow(clippy::expect_used)]
    fn field(&self, key: &str) -> &'static Field {
        self.section
            .field(key)
            .expect("the key is in the table of fields")
    }

    fn raw(&self, key: &str) -> Option<Raw<'d>> {
        if let Some(value) = self.table.and_then(|table| table.get(key)) {
            return Some(Raw::Given(value));
        }
        match self.field(key).without {
            Without::Required => {
                if !self.silent {
                    self.fail(key, "is required");
                }
                None
            }
            Without::Nothing | Without::Rule(_) => None,
            default => Some(Raw::Default(default)),
        }
    }

    fn wrong_type(&self, key: &str, wanted: &str, value: &DeValue<'_>) {
        self.fail(key, format!("must be {wanted}, not {}", describe(value)));
    }

    /// A whole number within the table's bounds.
    pub(super) fn integer<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        let number = match self.raw(key)? {
            Raw::Default(Without::Integer(number)) => number,
            Raw::Default(_) => return None,
            Raw::Given(value) => match value.get_ref() {
                DeValue::Integer(number) => {
                    let parsed = i64::from_str_radix(number.as_str(), number.radix());
                    let Ok(parsed) = parsed else {
                        self.fail(key, format!("{number} is no number of 64 bits"));
                        return None;
                    };
                    parsed
                }
                other => {
                    self.wrong_type(key, "a whole number", other);
                    return None;
                }
            },
        };
        if let Kind::Integer { min, max } = self.field(key).kind {
            if number < min {
                self.fail(key, format!("{number} is below the smallest {min}"));
                return None;
            }
            if number > max {
                self.fail(key, format!("{number} is above the largest {max}"));
                return None;
            }
        }
        T::try_from(number).ok()
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        match self.raw(key)? {
            Raw::Default(Without::Boolean(flag)) => Some(flag),
            Raw::Default(_) => None,
            Raw::Given(value) => value.get_ref().as_bool().or_else(|| {
                self.wrong_type(key, "true or false", value.get_ref());
                None
            }),
        }
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        let text = match self.raw(key)? {
            Raw::Default(Without::Text(text)) => return Some(text),
            Raw::Default(_) => return None,
            Raw::Given(value) => match value.get_ref() {
                DeValue::String(text) => text.as_ref(),
                other => {
                    self.wrong_type(key, "a string", other);
                    return None;
                }
            },
        };
        if let Kind::Choice(choices) = self.field(key).kind
            && !choices.contains(&text)
        {
            self.fail(key, suggest::unknown("value", text, choices));
            return None;
        }
        Some(text)
    }

    /// A string of a form of its own.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(self.text(key)?)
            .map_err(|rule| self.fail(key, rule))
            .ok()
    }

    /// A path, relative to the configuration file's directory.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.parsed(key, |text| {
            if text.is_empty() {
                return Err("an empty path names nothing".into());
            }
            Ok(self.file.base_dir.join(text))
        })
    }

    /// A path that is part of a longer value, relative to the configuration file's directory.
    pub(super) fn resolved(&self, path: impl AsRef<Path>) -> PathBuf {
        self.file.base_dir.join(path)
    }

    /// The file at such a path.
    ///
    /// # Errors
    /// What is there instead.
    pub(super) fn existing_file(&self, path: &str) -> Result<PathBuf, String> {
        let path = self.resolved(path);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_file() => Ok(path),
            Ok(_) => Err(format!("{} is no file", path.display())),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// A PEM file with at least one certificate.
    pub(super) fn certificates(&self, key: &str) -> Option<PathBuf> {
        let path = self.path(key)?;
        match crate::base::tls::read_certificates(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                self.fail(key, error.to_string());
                None
            }
        }
    }

    /// A list without duplicates.
    pub(super) fn list<T: PartialEq>(
        &self,
        key: &str,
        mut item: impl FnMut(&DeValue<'d>) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(Raw::Given(value)) = self.raw(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(key, "a list", value.get_ref());
            return Vec::new();
        };
        if let Kind::List { most, .. } = self.field(key).kind
            && list.len() > most
        {
            let rule = format!("{} entries are more than the most {most}", list.len());
            self.fail(key, rule);
            return Vec::new();
        }
        let mut items: Vec<T> = Vec::new();
        for (n, value) in list.iter().enumerate() {
            let rule = match item(value.get_ref()) {
                Ok(one) if items.contains(&one) => "is in the list already".to_owned(),
                Ok(one) => {
                    items.push(one);
                    continue;
                }
                Err(rule) => rule,
            };
            let path = format!("{}.{key}[{n}]", self.path);
            self.file
                .problems
                .borrow_mut()
                .add(&value.span(), &path, rule);
        }
        items
    }

    /// A secret from `<name>`, `<name>_file` or `<name>_credential`, whichever the table has.
    pub(super) fn secret(&self, name: &'static str, required: bool) -> Option<Secret> {
        let keys: Vec<&'static str> = self
            .section
            .fields
            .iter()
            .map(|field| field.key)
            .filter(|key| {
                key.strip_prefix(name)
                    .is_some_and(|rest| ["", "_file", "_credential"].contains(&rest))
            })
            .collect();
        let given: Vec<&'static str> = keys.iter().copied().filter(|k| self.given(k)).collect();
        let refused = self
            .section
            .refused
            .iter()
            .any(|(key, _)| *key == name && self.given(key));
        match given.as_slice() {
            [] if required && !refused && !self.silent => {
                self.fail(
                    keys[0],
                    format!("is required (or {})", keys[1..].join(" or ")),
                );
            }
            [_, second, ..] => {
                self.fail(
                    second,
                    format!("only one of {} may be given", given.join(" and ")),
                );
            }
            _ => {}
        }
        let mut secret = None;
        for key in given {
            let read = if key.ends_with("_file") {
                self.path(key).map(|path| secret::read_file(&path))
            } else if key.ends_with("_credential") {
                self.text(key)
                    .map(|name| secret::read_credential(name, self.file.around))
            } else {
                self.text(key).map(|text| match text {
                    "" => Err("must not be empty".to_owned()),
                    text => Ok(Secret::new(text)),
                })
            };
            match read {
                Some(Ok(read)) => secret = Some(read),
                Some(Err(rule)) => self.fail(key, rule),
                None => {}
            }
        }
        secret
    }
}
