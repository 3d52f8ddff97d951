//! What a person can do about a file or folder that cannot be written.

use std::fmt;
use std::io::{Error, ErrorKind};

/// An error of the system with what to do about it, in one sentence.
#[derive(Debug)]
pub struct Explained<'e>(pub &'e Error);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match remedy(self.0) {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// What to do, if anything is known to help.
pub fn remedy(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::PermissionDenied => {
            "run this as the daemon's user, or give the folder to it (chown)"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "the disk is read-only: mount it writable, or name a folder on one that is"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full: make room",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "something else has the folder's name: move it away"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_a_full_and_a_foreign_disk_are_told_apart() {
        for (number, words) in [
            (libc::EROFS, "read-only: mount it writable"),
            (libc::ENOSPC, "make room"),
            (libc::EACCES, "as the daemon's user"),
        ] {
            let said = Explained(&Error::from_raw_os_error(number)).to_string();
            assert!(said.contains(words), "{said}");
        }
        let other = Error::from_raw_os_error(libc::EIO);
        assert_eq!(Explained(&other).to_string(), other.to_string());
    }
}
