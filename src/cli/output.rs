//! Results on stdout, for a reader that may leave early (`| head`).

use std::io::{ErrorKind, Write};

/// Prints `text` as it is. A closed pipe is the reader's way to say that it has enough.
///
/// # Errors
/// Any other fault, such as a full disk behind a redirection.
pub(super) fn print(text: impl AsRef<[u8]>) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_ref())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
