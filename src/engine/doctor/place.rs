//! The state folder, the room on its disk, and the clock.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Check;
use crate::base::disk;
use crate::store::{Ownership, OwnershipError};

/// Below this a visitor's message of a minute may not fit, bytes.
const LITTLE_ROOM: u64 = 200 << 20;
/// Below this the daemon may not be able to open its database, and then does not start, bytes.
const NO_ROOM: u64 = 1 << 20;
const ROOM: &str = "room on disk";
/// 2025-01-01: no board that runs this has seen an earlier day.
const OLDEST_DAY: Duration = Duration::from_secs(1_735_689_600);

/// The folder, and whether a daemon works in it.
pub(super) fn check(folder: &Path) -> (Vec<Check>, bool) {
    const NAME: &str = "state folder";
    let shown = folder.display();
    let writable = std::fs::create_dir_all(folder).map_err(|error| {
        Check::failed(
            NAME,
            format!("{shown}: {error}"),
            match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::NotFound => format!(
                    "run this as the daemon's user, or make it: `install -d -o cubelet -m 700 {shown}`"
                ),
                _ => disk::remedy(&error)
                    .unwrap_or("name another folder in device.state_dir")
                    .to_owned(),
            },
        )
    });
    if let Err(check) = writable {
        return (vec![check], false);
    }
    let mut running = false;
    let own = match Ownership::take(folder) {
        Ok(_) => Check::passed(NAME, shown.to_string()),
        Err(OwnershipError::InUse { pid, .. }) => {
            running = true;
            let pid = pid
                .map(|pid| format!(", process {pid}"))
                .unwrap_or_default();
            Check::passed(NAME, format!("{shown}; the daemon is running{pid}"))
        }
        Err(OwnershipError::Io { file, source }) => Check::failed(
            NAME,
            format!("{}: {source}", file.display()),
            match source.kind() {
                ErrorKind::PermissionDenied => {
                    format!("it must belong to the daemon's user: `chown -R cubelet {shown}`")
                }
                _ => disk::remedy(&source)
                    .unwrap_or("name another folder in device.state_dir")
                    .to_owned(),
            },
        ),
    };
    (vec![own, room(folder)], running)
}

fn room(folder: &Path) -> Check {
    match rustix::fs::statvfs(folder) {
        Err(error) => Check::skipped(ROOM, format!("{}: {error}", folder.display())),
        Ok(disk) => judge(disk.f_bavail.saturating_mul(disk.f_frsize)),
    }
}

fn judge(free: u64) -> Check {
    let detail = format!("{} MB free", free >> 20);
    match free {
        ..NO_ROOM => {
            let remedy = "the daemon does not start without room for its database: make room";
            Check::failed(ROOM, detail, remedy)
        }
        NO_ROOM..LITTLE_ROOM => {
            let remedy = "messages, recordings and the history stop when it is full: make room";
            Check::warning(ROOM, detail, remedy)
        }
        _ => Check::passed(ROOM, detail),
    }
}

/// Certificates are judged by the clock, and a board without a battery begins in 1970 or on the
/// day it was last switched off.
pub(super) fn clock(now: SystemTime) -> Check {
    const NAME: &str = "clock";
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if since < OLDEST_DAY {
        Check::failed(
            NAME,
            format!("it is {} s after 1970 here", since.as_secs()),
            "set the time: no certificate is valid yet. `timedatectl set-ntp true`, or a clock chip",
        )
    } else {
        Check::passed(NAME, "set")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_board_without_a_battery_is_told_to_set_its_clock() {
        assert_eq!(clock(UNIX_EPOCH).status, Status::Failed);
        assert_eq!(clock(SystemTime::now()).status, Status::Passed);
    }

    #[test]
    fn a_full_disk_is_a_fault_and_little_room_a_warning() {
        assert_eq!(judge(0).status, Status::Failed);
        assert_eq!(judge(NO_ROOM - 1).status, Status::Failed);
        assert_eq!(judge(NO_ROOM).status, Status::Warning);
        assert_eq!(judge(LITTLE_ROOM).status, Status::Passed);
    }

    #[test]
    fn a_folder_with_a_daemon_in_it_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let _daemon = Ownership::take(folder.path()).unwrap();
        let (checks, running) = check(folder.path());
        assert!(running);
        assert_eq!(checks[0].status, Status::Passed, "{checks:?}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let (checks, running) = check(Path::new("/proc/cubelet"));
        assert!(!running);
        assert_eq!(checks[0].status, Status::Failed, "{checks:?}");
        assert!(checks[0].detail.contains("/proc/cubelet"), "{checks:?}");
    }
}
