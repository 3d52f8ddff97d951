//! Making a file ready to be sent: from the configured folder, or a picture of the camera.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::command::{CommandError, ErrorCode};
use super::super::wiring::Wiring;
use super::MAX_FILE;
use crate::protocol::chat_message::{Attachment, OutgoingMessage};
use crate::store::QueuedUpload;

/// How long the camera may take.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(5);
/// The longest name the file store takes, in characters.
const NAME_MAX: usize = 100;

/// A message with its file, ready to be queued. `file` is a name in the folder; without one it is
/// a picture of the camera.
///
/// # Errors
/// [`CommandError`]: no folder is configured, no such file, too large, no camera.
pub async fn prepare(
    wiring: &Wiring,
    message: OutgoingMessage,
    file: Option<&str>,
) -> Result<QueuedUpload, CommandError> {
    let (path, name, is_temporary) = match file {
        Some(name) => (in_folder(wiring, name)?, name.to_owned(), false),
        None => (
            picture(wiring, &message.id).await?,
            "snapshot.jpg".to_owned(),
            true,
        ),
    };
    described(message, path, name, is_temporary).await
}

/// A message with a picture the device has taken. The picture is copied, so that it may go before
/// the message is sent.
///
/// # Errors
/// [`CommandError`]: it cannot be copied.
pub async fn prepare_picture(
    wiring: &Wiring,
    message: OutgoingMessage,
    picture: &Path,
) -> Result<QueuedUpload, CommandError> {
    let folder = wiring.config.device.state_dir.join("uploads");
    tokio::fs::create_dir_all(&folder).await.map_err(missing)?;
    let path = folder.join(format!("{}.jpg", message.id));
    tokio::fs::copy(picture, &path).await.map_err(missing)?;
    described(message, path, "snapshot.jpg".to_owned(), true).await
}

async fn described(
    mut message: OutgoingMessage,
    path: PathBuf,
    name: String,
    is_temporary: bool,
) -> Result<QueuedUpload, CommandError> {
    let size = tokio::fs::metadata(&path).await.map_err(missing)?.len();
    if !(1..=MAX_FILE).contains(&size) {
        let rule = format!("file: {size} bytes; 1 to {MAX_FILE} are allowed");
        return Err(CommandError::new(ErrorCode::InvalidPayload, rule));
    }
    let (kind, content_type) = kind_of(&name);
    message.attachments.push(Attachment {
        kind: kind.to_owned(),
        name: Some(name.clone()),
        size: Some(size),
        content_type: Some(content_type.to_owned()),
        ..Attachment::default()
    });
    Ok(QueuedUpload {
        file: path,
        size,
        content_type: content_type.to_owned(),
        name,
        is_temporary,
        message,
        ticket: None,
    })
}

/// A file of the folder itself: a link that leads elsewhere is not one.
fn in_folder(wiring: &Wiring, name: &str) -> Result<PathBuf, CommandError> {
    let Some(folder) = &wiring.config.attachments.send_from else {
        let rule = "file: `[attachments] send_from` is not configured";
        return Err(CommandError::new(ErrorCode::NotAllowed, rule));
    };
    let length = name.chars().count();
    let is_name = (1..=NAME_MAX).contains(&length)
        && Path::new(name).file_name().is_some_and(|own| own == name)
        && !name.contains(['/', '\\', '\0']);
    if !is_name {
        let rule = format!("file: must be a file name of 1 to {NAME_MAX} characters, no path");
        return Err(CommandError::new(ErrorCode::InvalidPayload, rule));
    }
    let folder = folder.canonicalize().map_err(missing)?;
    let path = folder.join(name).canonicalize().map_err(missing)?;
    if path.parent() != Some(folder.as_path()) || !path.is_file() {
        let rule = "file: is no file of the folder";
        return Err(CommandError::new(ErrorCode::NotAllowed, rule));
    }
    Ok(path)
}

fn missing(error: std::io::Error) -> CommandError {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorCode::NotFound,
        _ => ErrorCode::Unavailable,
    };
    CommandError::new(code, format!("file: {error}"))
}

/// Takes a picture and puts it on the disk, where it survives until it is sent.
async fn picture(wiring: &Wiring, id: &str) -> Result<PathBuf, CommandError> {
    let unavailable =
        |error: String| CommandError::new(ErrorCode::Unavailable, format!("snapshot: {error}"));
    let picture = wiring.video.snapshot(SNAPSHOT_LIMIT).await;
    let picture = picture.map_err(|error| unavailable(error.to_string()))?;
    let folder = wiring.config.device.state_dir.join("uploads");
    let path = folder.join(format!("{id}.jpg"));
    let written = path.clone();
    let writing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        use std::io::Write;
        std::fs::create_dir_all(&folder)?;
        let mut file = std::fs::File::create(&written)?;
        file.write_all(&picture)?;
        file.sync_all()
    });
    match writing.await {
        Ok(Ok(())) => Ok(path),
        Ok(Err(error)) => Err(unavailable(error.to_string())),
        Err(error) => Err(unavailable(error.to_string())),
    }
}

/// The attachment's type and MIME type, by the name's ending.
fn kind_of(name: &str) -> (&'static str, &'static str) {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    match ending.unwrap_or("").to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => ("photo", "image/jpeg"),
        "png" => ("photo", "image/png"),
        "gif" => ("photo", "image/gif"),
        "webp" => ("photo", "image/webp"),
        "mp4" => ("video", "video/mp4"),
        "webm" => ("video", "video/webm"),
        "mp3" => ("audio", "audio/mpeg"),
        "ogg" | "opus" => ("audio", "audio/ogg"),
        "wav" => ("audio", "audio/wav"),
        "pdf" => ("file", "application/pdf"),
        "txt" | "log" => ("file", "text/plain"),
        _ => ("file", "application/octet-stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn the_ending_of_a_name_tells_its_kind_whatever_its_case() {
        assert_eq!(kind_of("door.JPG"), ("photo", "image/jpeg"));
        assert_eq!(kind_of("noending").0, "file");
    }
}
