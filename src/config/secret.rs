//! Passwords and keys: where they may come from, and how they are kept from being seen.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The longest secret taken, in bytes.
const SECRET_MAX: u64 = 4096;

/// A password or key. Printed as `***`, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Hand it to the one call that needs it and keep no copy.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl schemars::JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What the process finds around it and a test wants to set.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// systemd's `CREDENTIALS_DIRECTORY`.
    pub credentials_dir: Option<PathBuf>,
    /// The unit's `StateDirectory=`, as systemd's `STATE_DIRECTORY` says.
    pub state_dir: Option<PathBuf>,
}

impl Surroundings {
    /// From the environment.
    pub fn of_process() -> Self {
        // Several directories of one unit come as one list; the first is the daemon's.
        let state_dir = std::env::var("STATE_DIRECTORY")
            .ok()
            .and_then(|list| list.split(':').next().map(PathBuf::from))
            .filter(|directory| !directory.as_os_str().is_empty());
        Self {
            credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            state_dir,
        }
    }
}

/// Reads a secret file: mode 0600 or 0400, owned by this user or root, one line of text.
///
/// # Errors
/// Names the file and the rule it breaks.
pub fn read_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} can be read by others (mode {mode:04o}); run `chmod 600 {shown}`"
        ));
    }
    // /proc/self belongs to the effective user, which asks no unsafe call of us.
    let own = std::fs::metadata("/proc/self").map(|own| own.uid());
    let owner = metadata.uid();
    if let Ok(own) = own
        && own != 0
        && owner != 0
        && owner != own
    {
        return Err(format!(
            "{shown} belongs to user {owner}, who could change it; it must belong to this \
             process's user {own} or to root"
        ));
    }
    read_text(path)
}

/// Reads a systemd credential. Its mode is systemd's affair: the directory is closed to others,
/// and the access list systemd may use shows up as group bits in the mode.
pub(super) fn read_credential(name: &str, around: &Surroundings) -> Result<Secret, String> {
    let safe = !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !safe {
        return Err("a credential's name has only letters, digits, `-`, `_` and `.`".into());
    }
    let Some(dir) = &around.credentials_dir else {
        return Err(format!(
            "there are no systemd credentials here (CREDENTIALS_DIRECTORY is not set); \
             add `LoadCredential={name}:/path` to the unit"
        ));
    };
    read_text(&dir.join(name))
}

fn read_text(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let cannot = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    if metadata.len() > SECRET_MAX {
        return Err(format!("{shown} is longer than {SECRET_MAX} bytes"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(cannot)?);
    let line = text.trim_end_matches(['\n', '\r']);
    if line.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err(format!("{shown} must hold one line"));
    }
    Ok(Secret::new(line))
}
