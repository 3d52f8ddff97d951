//! Which version of the keys a file is written in. An older one is read as if it were written
//! today, and its owner told; a newer one is refused, for what it means is not known here.
//!
//! What changes from one version to the next is a change of the text: what is read in memory and
//! what a migration writes are the same, and comments stay.

use std::ops::Range;
use std::path::Path;

use super::document::{self, Tree, locate};
use super::problem::{ConfigErrors, Problems};

/// The key, at the top of the file.
pub(super) const KEY: &str = "version";
/// What files without the key are of.
const FIRST: i64 = 1;

/// The versions of one kind of file.
#[derive(Debug)]
pub struct Versions {
    /// The one written today.
    current: i64,
    /// How to come to each but the first, in order.
    migrations: &'static [Migration],
}

/// From one version to the next.
#[derive(Debug)]
struct Migration {
    to: i64,
    renamed: &'static [Renamed],
}

/// A key that is called otherwise.
#[derive(Debug)]
struct Renamed {
    section: &'static str,
    from: &'static str,
    to: &'static str,
}

/// Of a device's file, and of a hub's: the first, so that nothing is older yet. A change that
/// readers of yesterday's files must not notice goes here.
pub const ALL: Versions = Versions {
    current: FIRST,
    migrations: &[],
};

/// A text as of today.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Brought {
    pub(super) text: String,
    /// The version it was written in, if that is an older one.
    pub(super) from: Option<i64>,
}

impl Versions {
    /// Brings a text up to date. One with mistakes of syntax is given back as it is: its reader
    /// names them.
    ///
    /// # Errors
    /// A version that is none, or that is not known here.
    pub(super) fn bring_up(&self, path: &Path, text: String) -> Result<Brought, ConfigErrors> {
        let version = {
            let mut problems = Problems::new(path, &text);
            let tree = document::parse(&text, &mut problems);
            if !problems.is_empty() {
                return Ok(Brought { text, from: None });
            }
            match self.version_of(&tree) {
                Ok(version) => version,
                Err(rule) => {
                    problems.add(&locate(&tree, KEY), KEY, rule);
                    return match problems.finish::<()>(None).outcome {
                        Err(errors) => Err(errors),
                        Ok(()) => Ok(Brought { text, from: None }),
                    };
                }
            }
        };
        if version == self.current {
            return Ok(Brought { text, from: None });
        }
        let mut brought = text;
        for migration in self.migrations.iter().filter(|one| one.to > version) {
            brought = migration.apply(path, &brought);
        }
        Ok(Brought {
            text: brought,
            from: Some(version),
        })
    }

    /// The notice about an older file.
    pub(super) fn notice(&self, from: i64) -> String {
        format!(
            "this file is of version {from}, and read as version {}; `cubelet setup --migrate` \
             writes it anew, and keeps this one beside",
            self.current
        )
    }

    /// The text with today's number in it.
    pub(super) fn numbered(&self, path: &Path, text: &str) -> String {
        let mut problems = Problems::new(path, text);
        let tree = document::parse(text, &mut problems);
        let number = self.current.to_string();
        match tree.get_ref().get(KEY) {
            Some(value) => replaced(text, vec![(value.span(), number)]),
            None => format!("{KEY} = {number}\n{text}"),
        }
    }

    fn version_of(&self, tree: &Tree<'_>) -> Result<i64, String> {
        let Some(value) = tree.get_ref().get(KEY) else {
            return Ok(FIRST);
        };
        let number = value.get_ref().as_integer();
        let number =
            number.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        match number {
            None => Err("must be a whole number".into()),
            Some(number) if number < FIRST => Err(format!("{number} is below the first, {FIRST}")),
            Some(number) if number > self.current => Err(format!(
                "this file is of version {number}, and this cubelet ({}) knows up to {}: install a \
                 newer cubelet, or bring back the file of before",
                env!("CARGO_PKG_VERSION"),
                self.current
            )),
            Some(number) => Ok(number),
        }
    }
}

impl Migration {
    fn apply(&self, path: &Path, text: &str) -> String {
        let mut problems = Problems::new(path, text);
        let tree = document::parse(text, &mut problems);
        let edits = self.renamed.iter().filter_map(|renamed| {
            let mut table = tree.get_ref();
            for name in renamed.section.split('.') {
                table = table.get(name)?.get_ref().as_table()?;
            }
            let (key, _) = table.get_key_value(renamed.from)?;
            Some((key.span(), renamed.to.to_owned()))
        });
        replaced(text, edits.collect())
    }
}

/// Replaces pieces of a text that do not overlap.
fn replaced(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(span, _)| span.start);
    let mut whole = text.to_owned();
    for (span, with) in edits.into_iter().rev() {
        whole.replace_range(span, &with);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history there might have been.
    const THREE: Versions = Versions {
        current: 3,
        migrations: &[
            Migration {
                to: 2,
                renamed: &[Renamed {
                    section: "camera",
                    from: "fps",
                    to: "rate",
                }],
            },
            Migration {
                to: 3,
                renamed: &[Renamed {
                    section: "camera",
                    from: "rate",
                    to: "framerate",
                }],
            },
        ],
    };

    fn brought(text: &str) -> Brought {
        THREE
            .bring_up(Path::new("kiosk.toml"), text.into())
            .unwrap()
    }

    #[test]
    fn an_older_file_is_brought_up_step_by_step_and_keeps_its_comments() {
        let old = "# mine\n[camera]\nfps = 25 # slow\n";
        let now = "# mine\n[camera]\nframerate = 25 # slow\n";
        assert_eq!(
            brought(old),
            Brought {
                text: now.into(),
                from: Some(1)
            }
        );
        let second = "version = 2\n[camera]\nrate = 25\n";
        assert_eq!(
            brought(second).text,
            "version = 2\n[camera]\nframerate = 25\n"
        );
        assert_eq!(brought(second).from, Some(2));
        let path = Path::new("kiosk.toml");
        assert_eq!(THREE.numbered(path, now), format!("version = 3\n{now}"));
        assert_eq!(
            THREE.numbered(path, &brought(second).text),
            "version = 3\n[camera]\nframerate = 25\n"
        );
    }

    #[test]
    fn todays_file_is_left_alone() {
        let text = "version = 3\n[camera]\nfps = 25\n";
        assert_eq!(
            brought(text),
            Brought {
                text: text.into(),
                from: None
            }
        );
    }

    #[test]
    fn a_newer_file_and_no_number_are_refused_at_their_place() {
        for (version, rule) in [
            ("4", "knows up to 3"),
            ("0", "below the first"),
            ("'1'", "whole number"),
        ] {
            let text = format!("# mine\nversion = {version}\n[camera]\nfps = 25\n");
            let refused = THREE.bring_up(Path::new("kiosk.toml"), text).unwrap_err();
            let said = refused.to_string();
            assert!(
                said.starts_with("kiosk.toml:2:") && said.contains(rule),
                "{said}"
            );
        }
    }
}
