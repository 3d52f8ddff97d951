//! The files of a plan in their place: made and checked beside it, then moved, the configuration
//! last. A power cut leaves the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use super::plan::Draft;
use crate::base::disk::Explained;
use crate::config::{ConfigErrors, Surroundings, check_device};

/// The package's own example, which nobody has written.
const SHIPPED: &str = include_str!("../../configs/kiosk.toml");
/// What is behind the name of a configuration that was replaced.
const KEPT: &str = "before-setup";

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The folder or a file cannot be written.
    #[error("{} cannot be written: {}; --config names another file", .path.display(), Explained(.source))]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name is none a configuration can have.
    #[error("{0} is no file name that ends in .toml")]
    Name(PathBuf),
    /// There is no such user to give the secrets to.
    #[error("there is no user {0:?} to give the secrets to; --owner names another")]
    Owner(String),
    /// The answers make no configuration.
    #[error("the answers make no configuration that works:\n{0}")]
    Wrong(ConfigErrors),
}

/// Where the configuration goes.
#[derive(Clone, Debug)]
pub struct Target {
    file: PathBuf,
    folder: PathBuf,
    stem: String,
    owner: Option<(u32, u32)>,
}

impl Target {
    /// `owner` is whom the secrets are given to; a superuser gives them to `cubelet` if there is
    /// such a user, anybody else keeps them.
    ///
    /// # Errors
    /// A name without `.toml`, or an owner nobody knows.
    pub fn new(file: &Path, owner: Option<&str>) -> Result<Self, PlaceError> {
        let stem = file
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".toml"))
            .filter(|stem| !stem.is_empty() && !stem.starts_with('.'))
            .ok_or_else(|| PlaceError::Name(file.to_owned()))?;
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let user = |name: &str| User::from_name(name).ok().flatten();
        let owner = match owner {
            Some(name) => Some(user(name).ok_or_else(|| PlaceError::Owner(name.into()))?),
            None if geteuid().is_root() => user("cubelet"),
            None => None,
        };
        Ok(Self {
            file: file.to_owned(),
            stem: stem.to_owned(),
            folder,
            owner: owner.map(|owner| (owner.uid.as_raw(), owner.gid.as_raw())),
        })
    }

    /// The configuration's name without `.toml`.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// Whether there is a configuration that somebody wrote: the package's example is nobody's.
    pub fn is_somebodys(&self) -> bool {
        match fs::read_to_string(&self.file) {
            Ok(text) => text != SHIPPED,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Tries what [`Target::write`] needs: a code must not be used up for nothing.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn try_writing(&self) -> Result<(), PlaceError> {
        let staging = Staging::make(&self.folder)?;
        let draft = Draft {
            name: "try".into(),
            text: crate::config::Secret::new("try"),
            is_secret: true,
        };
        staging.write(&draft, self.owner)
    }

    /// Writes the files. A configuration that was there is kept beside, and its place returned.
    ///
    /// # Errors
    /// [`PlaceError`]; then what was there is as it was.
    pub fn write(&self, drafts: &[Draft]) -> Result<Option<PathBuf>, PlaceError> {
        let staging = Staging::make(&self.folder)?;
        for draft in drafts {
            staging.write(draft, self.owner)?;
        }
        let staged = staging.folder.join(format!("{}.toml", self.stem));
        check_device(&staged, &Surroundings::of_process())
            .outcome
            .map_err(PlaceError::Wrong)?;
        let kept = self.keep_old()?;
        for draft in drafts {
            let place = self.folder.join(&draft.name);
            fs::rename(staging.folder.join(&draft.name), &place).map_err(io_at(&place))?;
        }
        let folder = File::open(&self.folder).map_err(io_at(&self.folder))?;
        folder.sync_all().map_err(io_at(&self.folder))?;
        Ok(kept)
    }

    fn keep_old(&self) -> Result<Option<PathBuf>, PlaceError> {
        if !self.is_somebodys() {
            return Ok(None);
        }
        let mut name = self.file.as_os_str().to_owned();
        name.push(".");
        name.push(KEPT);
        let kept = PathBuf::from(name);
        fs::copy(&self.file, &kept).map_err(io_at(&kept))?;
        Ok(Some(kept))
    }
}

/// A folder for files in the making, on the same disk; gone with this.
struct Staging {
    folder: PathBuf,
}

impl Staging {
    fn make(beside: &Path) -> Result<Self, PlaceError> {
        let folder = beside.join(format!(".setup-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(beside).map_err(io_at(beside))?;
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(io_at(beside))?;
        Ok(Self { folder })
    }

    fn write(&self, draft: &Draft, owner: Option<(u32, u32)>) -> Result<(), PlaceError> {
        let path = self.folder.join(&draft.name);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(if draft.is_secret { 0o600 } else { 0o644 })
                .open(&path)?;
            if draft.is_secret
                && let Some((user, group)) = owner
            {
                chown(&path, Some(user), Some(group))?;
            }
            file.write_all(draft.text.expose().as_bytes())?;
            file.sync_all()
        };
        write().map_err(io_at(&path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "not removed");
        }
    }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> PlaceError {
    move |source| PlaceError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Secret;

    fn drafts() -> Vec<Draft> {
        let draft = |name: &str, text: &str, is_secret| Draft {
            name: name.into(),
            text: Secret::new(text),
            is_secret,
        };
        vec![
            draft("kiosk-hub-password", "secret\n", true),
            draft(
                "kiosk.toml",
                "[device]\nname = 'door'\n[hub]\napi = 'https://hub.lan'\nchat = 'tls://hub.lan'\n\
                 app_id = 1\nauth_key = 'key'\nlogin = 'door'\npassword_file = 'kiosk-hub-password'\n",
                false,
            ),
        ]
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn secrets_are_closed_to_others_and_what_was_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kiosk.toml");
        fs::write(&file, SHIPPED).unwrap();
        let target = Target::new(&file, None).unwrap();
        assert!(!target.is_somebodys());
        assert_eq!(target.write(&drafts()).unwrap(), None);
        assert!(target.is_somebodys());
        let mode = |name: &str| {
            let metadata = fs::metadata(folder.path().join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode("kiosk-hub-password"), 0o600);
        assert_eq!(mode("kiosk.toml"), 0o644);
        let kept = target.write(&drafts()).unwrap().unwrap();
        assert_eq!(kept, folder.path().join("kiosk.toml.before-setup"));
        assert_eq!(
            names(folder.path()),
            [
                "kiosk-hub-password",
                "kiosk.toml",
                "kiosk.toml.before-setup"
            ]
        );
    }

    #[test]
    fn answers_that_make_no_configuration_leave_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kiosk.toml");
        fs::write(&file, "mine").unwrap();
        let target = Target::new(&file, None).unwrap();
        let mut wrong = drafts();
        wrong.remove(0);
        let refused = target.write(&wrong).unwrap_err().to_string();
        assert!(refused.contains("hub.password_file"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert_eq!(names(folder.path()), ["kiosk.toml"]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_with_what_to_do() {
        let target = Target::new(Path::new("/proc/cubelet/kiosk.toml"), None).unwrap();
        let refused = target.try_writing().unwrap_err().to_string();
        assert!(refused.contains("/proc/cubelet"), "{refused}");
        assert!(refused.contains("--config"), "{refused}");
        assert!(Target::new(Path::new("kiosk.conf"), None).is_err());
        assert!(Target::new(Path::new("kiosk.toml"), Some("nobody-of-this-name")).is_err());
    }
}
