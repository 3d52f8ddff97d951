//! Screens without a window system, as the kernel's mode setting has them.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use drm::Device as _;
use drm::control::{Device as _, Mode, connector};

use super::KmsSettings;
use super::error::ScreenError;

/// Where the kernel has the devices of screens.
const FOLDER: &str = "/dev/dri";
/// What shows pictures on them.
pub(super) const ELEMENT: &str = "kmssink";

/// A screen that is connected, and nobody else's.
pub(super) struct Screen {
    card: Card,
    connector: connector::Handle,
    name: String,
    /// Of its mode, pixels.
    pub(super) size: (u32, u32),
}

struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

impl Screen {
    /// The configured connector, or the first that something is connected to.
    pub(super) fn open(wanted: &KmsSettings) -> Result<Self, ScreenError> {
        let cards = match &wanted.card {
            Some(card) => vec![card.clone()],
            None => cards(Path::new(FOLDER))?,
        };
        let mut seen = Vec::new();
        for path in cards {
            let failed = |source| ScreenError::Card {
                card: path.clone(),
                source,
            };
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            let card = Card(opened.map_err(failed)?);
            // A device that computes and shows nothing has no such resources.
            let Ok(resources) = card.resource_handles() else {
                continue;
            };
            for handle in resources.connectors() {
                let info = card.get_connector(*handle, true).map_err(failed)?;
                let name = name(&info);
                let is_connected = info.state() == connector::State::Connected;
                let is_wanted = wanted.connector.as_ref().is_none_or(|it| *it == name);
                if is_wanted && is_connected {
                    let size = size(info.modes(), wanted.mode).map_err(|reason| {
                        let card = path.display();
                        ScreenError::Mode(format!("{card}: the screen at {name} {reason}"))
                    })?;
                    // The first to open it has it; a window system has it before.
                    card.acquire_master_lock()
                        .map_err(|source| ScreenError::Taken {
                            card: path.clone(),
                            source,
                        })?;
                    return Ok(Self {
                        connector: *handle,
                        card,
                        name,
                        size,
                    });
                }
                seen.push(name);
            }
        }
        let reason = missing(wanted.connector.as_deref(), &seen);
        Err(ScreenError::Connector(reason))
    }

    /// For the element that shows pictures on it, no longer than this lives.
    pub(super) fn fd(&self) -> RawFd {
        self.card.0.as_raw_fd()
    }

    /// Its number in the kernel.
    pub(super) fn connector(&self) -> u32 {
        self.connector.into()
    }

    /// Whether it is still there.
    pub(super) fn look(&self) -> Result<(), String> {
        let info = self.card.get_connector(self.connector, false);
        match info.map(|info| info.state()) {
            Ok(connector::State::Connected) => Ok(()),
            Ok(_) => Err(format!("nothing is connected to {} any more", self.name)),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }
}

impl std::fmt::Display for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (width, height) = self.size;
        write!(f, "{}, {width}x{height}", self.name)
    }
}

/// As the kernel names it in its log and in `/sys/class/drm`, without the card.
fn name(info: &connector::Info) -> String {
    format!("{}-{}", info.interface().as_str(), info.interface_id())
}

/// The device files of screens, in their order.
fn cards(folder: &Path) -> Result<Vec<PathBuf>, ScreenError> {
    let entries = std::fs::read_dir(folder);
    let mut found: Vec<PathBuf> = entries
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    found.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("card"))
    });
    found.sort();
    if found.is_empty() {
        return Err(ScreenError::NoCard(folder.to_owned()));
    }
    Ok(found)
}

/// Of the wanted mode, or of the one the screen prefers.
fn size(modes: &[Mode], wanted: Option<(u16, u16)>) -> Result<(u32, u32), String> {
    let sizes = modes.iter().map(Mode::size);
    let found = match wanted {
        Some(wanted) => sizes.clone().find(|size| *size == wanted),
        None => sizes.clone().next(),
    };
    if let Some((width, height)) = found {
        return Ok((width.into(), height.into()));
    }
    let mut known: Vec<String> = sizes
        .map(|(width, height)| format!("{width}x{height}"))
        .collect();
    known.dedup();
    Err(match wanted {
        Some((width, height)) => {
            format!("has no mode {width}x{height}, only {}", known.join(", "))
        }
        None => "has no mode".into(),
    })
}

fn missing(wanted: Option<&str>, seen: &[String]) -> String {
    match wanted {
        _ if seen.is_empty() => "the kernel has no connectors for screens".into(),
        Some(name) if seen.iter().any(|one| one == name) => {
            format!("nothing is connected to {name}")
        }
        Some(name) => format!("there is no connector {name}, only {}", seen.join(", ")),
        None => format!("nothing is connected to {}", seen.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_that_is_not_there_is_told_with_those_that_are() {
        let seen = ["HDMI-A-1".to_owned(), "DSI-1".to_owned()];
        assert_eq!(
            missing(Some("HDMI-A-2"), &seen),
            "there is no connector HDMI-A-2, only HDMI-A-1, DSI-1"
        );
        assert_eq!(
            missing(Some("DSI-1"), &seen),
            "nothing is connected to DSI-1"
        );
        assert_eq!(
            missing(None, &seen),
            "nothing is connected to HDMI-A-1, DSI-1"
        );
        assert_eq!(
            missing(Some("DSI-1"), &[]),
            "the kernel has no connectors for screens"
        );
    }

    #[test]
    fn without_devices_of_screens_the_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("renderD128"), "").unwrap();
        let reason = cards(folder.path()).unwrap_err().to_string();
        assert!(reason.contains("there is no") && reason.contains("card*"));
        for name in ["card1", "card0"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = ["card0", "card1"].map(|name| folder.path().join(name));
        assert_eq!(cards(folder.path()).unwrap(), names);
    }
}
