//! From a recording to messages in the durable upload queue.

use jiff::tz::TimeZone;

use super::super::chat_command::Draft;
use super::super::command::{CommandError, ErrorCode, UserRef};
use super::super::directory::resolve;
use super::super::messages;
use super::super::wiring::Wiring;
use super::archive::{Addressed, Archive, Note, Standing};
use crate::base::object_id::ObjectId;
use crate::call::party::Party;
use crate::config::device::Recipients;
use crate::protocol::chat_message::{Attachment, OutgoingMessage, Target};
use crate::store::QueuedUpload;
use crate::store::history::OwnStatus;

const CONTENT_TYPE: &str = "video/mp4";

/// Queues a recording for everybody who gets it; gives its note as it is then on the disk.
///
/// # Errors
/// [`CommandError`] when a recipient is not known yet or the disk fails; trying again later is
/// safe.
pub(super) async fn queue(
    wiring: &Wiring,
    archive: &Archive,
    mut note: Note,
) -> Result<Note, CommandError> {
    if note.messages.is_empty() {
        note.messages = address(wiring).await?;
        save(archive, &note).await?;
    }
    for addressed in &note.messages {
        let target = match (&addressed.dialog, addressed.user) {
            (Some(dialog), _) => (None, Some(dialog.clone())),
            (None, user) => (user.map(UserRef::Id), None),
        };
        let (target, dialog) = messages::place(wiring, target.0.as_ref(), target.1).await?;
        let upload = upload(wiring, archive, &note, &addressed.message, target, dialog);
        messages::queue_file(wiring, upload).await?;
    }
    note.standing = Standing::Queued;
    save(archive, &note).await?;
    Ok(note)
}

async fn address(wiring: &Wiring) -> Result<Vec<Addressed>, CommandError> {
    let addressed = |user, dialog| Addressed {
        message: ObjectId::generate().to_string(),
        user,
        dialog,
        is_sent: false,
    };
    match &wiring.config.visitor_message.to {
        Recipients::Dialog(dialog) => Ok(vec![addressed(None, Some(dialog.clone()))]),
        Recipients::Users(users) => {
            let mut messages = Vec::with_capacity(users.len());
            for user in users {
                messages.push(addressed(Some(resolve(wiring, user).await?), None));
            }
            Ok(messages)
        }
    }
}

fn upload(
    wiring: &Wiring,
    archive: &Archive,
    note: &Note,
    id: &str,
    target: Target,
    dialog_id: Option<String>,
) -> QueuedUpload {
    let name = format!(
        "visitor-message-{}.mp4",
        local(note.started, "%Y-%m-%d-%H%M")
    );
    let camera = &wiring.config.camera;
    let attachment = Attachment {
        kind: "video".to_owned(),
        name: Some(name.clone()),
        size: Some(note.bytes),
        duration: Some(note.seconds()),
        width: Some(camera.width.into()),
        height: Some(camera.height.into()),
        content_type: Some(CONTENT_TYPE.to_owned()),
        ..Attachment::default()
    };
    QueuedUpload {
        file: archive.file(&note.id),
        size: note.bytes,
        content_type: CONTENT_TYPE.to_owned(),
        name,
        // It is removed by the rules of `[visitor_message]`, not by the queue.
        is_temporary: false,
        message: OutgoingMessage {
            id: id.to_owned(),
            target,
            body: text(note),
            dialog_id,
            date_sent: note.started / 1_000,
            attachments: vec![attachment],
            ..OutgoingMessage::default()
        },
        ticket: None,
    }
}

fn text(note: &Note) -> String {
    let time = local(note.started, "%H:%M");
    format!("Visitor message, {time}, {} s", note.seconds())
}

/// A time as people at the device read it.
fn local(unix_ms: u64, format: &str) -> String {
    let time = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default();
    time.to_zoned_datetime(TimeZone::system())
        .strftime(format)
        .to_string()
}

async fn save(archive: &Archive, note: &Note) -> Result<(), CommandError> {
    let (archive, note) = (archive.clone(), note.clone());
    let saved = tokio::task::spawn_blocking(move || archive.save(&note)).await;
    let failed = |error: String| CommandError::new(ErrorCode::Unavailable, error);
    saved
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))
}

/// Shows everybody who gets the message who is at the door, now. Who is told of the ring that was
/// missed has a picture already.
pub(super) async fn send_picture(wiring: &Wiring, started_ms: u64, after_ring: bool) {
    let text = format!("Visitor at the door, {}", local(started_ms, "%H:%M"));
    let draft = |to, dialog| Draft {
        to,
        dialog,
        text: text.clone(),
        snapshot: true,
        ..Draft::default()
    };
    let calls = &wiring.config.calls;
    let told: &[Party] = match after_ring && calls.missed_rings {
        true => &calls.missed_to,
        false => &[],
    };
    let mut drafts = Vec::new();
    match &wiring.config.visitor_message.to {
        Recipients::Dialog(dialog) => {
            let is_it = |party: &Party| matches!(party, Party::Dialog { id, .. } if id == dialog);
            if !told.iter().any(is_it) {
                drafts.push(draft(None, Some(dialog.clone())));
            }
        }
        Recipients::Users(users) => {
            for user in users {
                let known = resolve(wiring, user).await;
                if !known.is_ok_and(|user| wiring.roster.includes(told, user)) {
                    drafts.push(draft(Some(user.clone()), None));
                }
            }
        }
    }
    for draft in drafts {
        if let Err(error) = messages::send(wiring, draft).await {
            // The recording itself follows in any case.
            tracing::warn!(%error, "the picture of a visitor was not sent");
        }
    }
}

/// What became of a message, by the history.
pub(super) async fn became_of(wiring: &Wiring, message: &str) -> Option<Became> {
    match wiring.history.message(message).await.ok()??.status? {
        OwnStatus::Sent | OwnStatus::Delivered | OwnStatus::Read => Some(Became::Sent),
        OwnStatus::Refused => Some(Became::Refused),
        OwnStatus::Queued => None,
    }
}

/// A message's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    Sent,
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_when_and_how_long() {
        let note = Note {
            id: String::new(),
            ring: None,
            started: 1_790_000_000_000,
            duration_ms: 16_100,
            bytes: 1,
            standing: Standing::Recorded,
            messages: Vec::new(),
        };
        let text = text(&note);
        let (time, rest) = text["Visitor message, ".len()..].split_once(',').unwrap();
        assert_eq!(rest, " 17 s");
        assert_eq!((time.len(), time.find(':')), (5, Some(2)), "{time}");
    }
}
