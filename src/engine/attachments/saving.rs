//! Fetching attachments of others into the configured folder.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::command::{CommandError, ErrorCode};
use super::super::event::EventKind;
use super::super::wiring::Wiring;
use super::MAX_FILE;
use crate::protocol::chat_message::Attachment;
use crate::rest::{RestError, TransferError, unwatched};
use crate::store::history::Entry;

/// Fetches one attachment of a message; where it is then, and its bytes.
///
/// # Errors
/// [`CommandError`].
pub async fn save(wiring: &Wiring, message: &str, number: usize) -> Result<Value, CommandError> {
    let found = wiring.history.message(message).await;
    let entry = found
        .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))?
        .ok_or_else(|| not_found(format!("there is no message {message}")))?;
    let attachment = entry.attachments.get(number);
    let attachment =
        attachment.ok_or_else(|| not_found(format!("attachment: there is no number {number}")))?;
    fetch(wiring, message, number, attachment, MAX_FILE).await
}

/// Fetches those that are small enough to come by themselves.
pub fn save_by_itself(wiring: &Wiring, entry: &Entry) {
    let limit = u64::from(wiring.config.attachments.save_up_to_mb) << 20;
    if limit == 0 || wiring.config.attachments.save_to.is_none() {
        return;
    }
    for (number, attachment) in entry.attachments.iter().enumerate() {
        if attachment.size.is_some_and(|size| size > limit) || uid_of(attachment).is_none() {
            continue;
        }
        let (wiring, id, attachment) = (wiring.clone(), entry.id.clone(), attachment.clone());
        actix::spawn(async move {
            if let Err(error) = fetch(&wiring, &id, number, &attachment, limit).await {
                tracing::warn!(%error, message = id, number, "an attachment was not fetched");
            }
        });
    }
}

fn uid_of(attachment: &Attachment) -> Option<&str> {
    attachment.uid.as_deref().or(attachment.id.as_deref())
}

async fn fetch(
    wiring: &Wiring,
    message: &str,
    number: usize,
    attachment: &Attachment,
    limit: u64,
) -> Result<Value, CommandError> {
    let Some(folder) = &wiring.config.attachments.save_to else {
        let rule = "`[attachments] save_to` is not configured";
        return Err(CommandError::new(ErrorCode::NotAllowed, rule));
    };
    let uid = uid_of(attachment)
        .ok_or_else(|| not_found("attachment: is no file of the server's".to_owned()))?;
    let place: PathBuf = folder.join(format!("{message}-{number}{}", ending(attachment)));
    let failed = |error: TransferError| {
        let code = match &error {
            TransferError::Rest(RestError::NotFound(_)) => ErrorCode::NotFound,
            _ => ErrorCode::Unavailable,
        };
        CommandError::new(code, error.to_string())
    };
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))?;
    let bytes = wiring.rest.download(uid, &place, limit, &unwatched()).await;
    let bytes = bytes.map_err(failed)?;
    let file = place.display().to_string();
    wiring.board.publish(EventKind::ChatSaved {
        message: message.to_owned(),
        attachment: number,
        file: file.clone(),
        bytes,
    });
    Ok(json!({ "file": file, "bytes": bytes }))
}

/// The name's ending if it is plain: the rest of a name from the network has no say in ours.
fn ending(attachment: &Attachment) -> String {
    let name = attachment.name.as_deref().unwrap_or("");
    match name.rsplit_once('.') {
        Some((_, ending))
            if (1..=8).contains(&ending.len())
                && ending.chars().all(|c| c.is_ascii_alphanumeric()) =>
        {
            format!(".{}", ending.to_ascii_lowercase())
        }
        _ => String::new(),
    }
}

fn not_found(text: String) -> CommandError {
    CommandError::new(ErrorCode::NotFound, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_network_gives_at_most_a_plain_ending() {
        for (name, expected) in [
            ("door.JPG", ".jpg"),
            ("../../etc/passwd", ""),
            ("x./etc", ""),
            ("a.tar.gz", ".gz"),
        ] {
            let attachment = Attachment {
                name: Some(name.into()),
                ..Attachment::default()
            };
            assert_eq!(ending(&attachment), expected, "{name}");
        }
    }
}
