//! A camera that is plugged in is noticed at once, and not when it happens to be tried again.
//!
//! The kernel's device folder is watched by inotify: the node appears there, and its permissions
//! are set a moment later. It needs no daemon and no library of its own, and works in a sandbox
//! that sees `/dev`.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

use crate::media::network;

/// Bytes of events read at once.
const BUFFER: usize = 4096;
const DEVICES: &str = "/dev";

/// Calls somebody each time a device node appears or changes, for as long as it lives.
pub(super) struct ArrivalWatch(AbortHandle);

impl ArrivalWatch {
    /// Watches for `device`. By a name such as `/dev/v4l/by-id/…`, whose folder goes with the last
    /// camera, for every new node in `/dev`.
    ///
    /// # Errors
    /// In words; without a watch a camera is still tried again every few seconds.
    pub(super) fn start(
        device: &Path,
        on_arrival: impl Fn() + Send + 'static,
    ) -> Result<Self, String> {
        let (folder, name) = watched(device);
        let watching =
            inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)
                .map_err(|error| error.to_string())?;
        let wanted = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::ATTRIB
            | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&watching, folder.as_path(), wanted)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let runtime = network::handle().map_err(|error| error.to_string())?;
        let task = runtime.spawn(async move {
            if let Err(error) = follow(watching, name.as_deref(), on_arrival).await {
                tracing::warn!(%error, "cameras that are plugged in are not noticed at once");
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

impl Drop for ArrivalWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The folder, and the name in it; any name without.
fn watched(device: &Path) -> (PathBuf, Option<String>) {
    let folder = device.parent().unwrap_or(Path::new(DEVICES));
    let name = device.file_name().and_then(|name| name.to_str());
    let is_deeper = folder.starts_with(DEVICES) && folder != Path::new(DEVICES);
    match name {
        Some(name) if !is_deeper => (folder.to_owned(), Some(name.to_owned())),
        _ => (PathBuf::from(DEVICES), None),
    }
}

async fn follow(
    watching: OwnedFd,
    name: Option<&str>,
    on_arrival: impl Fn(),
) -> std::io::Result<()> {
    // An owned descriptor stays the same for as long as it lives; what replaces this is unsafe code.
    #[allow(deprecated)]
    let watching = AsyncFd::new(watching)?;
    let mut buffer = [std::mem::MaybeUninit::uninit(); BUFFER];
    loop {
        let mut ready = watching.readable().await?;
        let mut has_arrived = false;
        {
            let mut events = inotify::Reader::new(watching.get_ref(), &mut buffer);
            loop {
                match events.next() {
                    Ok(event) => {
                        let of = event.file_name().and_then(|name| name.to_str().ok());
                        has_arrived |= name.is_none_or(|name| of == Some(name));
                    }
                    Err(rustix::io::Errno::AGAIN) => break,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        ready.clear_ready();
        if has_arrived {
            on_arrival();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_node_that_appears_is_noticed_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, told) = channel();
        let device = folder.path().join("video7");
        let _watch = ArrivalWatch::start(&device, move || tell.send(()).unwrap()).unwrap();
        std::fs::write(folder.path().join("video8"), "").unwrap();
        std::fs::write(&device, "").unwrap();
        told.recv_timeout(Duration::from_secs(20)).unwrap();
        std::fs::remove_file(&device).unwrap();
        assert!(
            told.recv_timeout(Duration::from_millis(50)).is_err(),
            "one call for one node, and none for it going"
        );
        std::fs::write(&device, "").unwrap();
        told.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn names_below_the_device_folder_are_watched_for_by_any_new_node() {
        let watched = |device: &str| watched(Path::new(device));
        let one = (PathBuf::from("/dev"), Some("video0".to_owned()));
        assert_eq!(watched("/dev/video0"), one);
        assert_eq!(
            watched("/dev/v4l/by-id/usb-cam"),
            (PathBuf::from("/dev"), None)
        );
    }
}
