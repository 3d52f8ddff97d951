//! What edits, removals and markers do to stored messages (wire reference B.3, B.5).

use rusqlite::Connection;

use super::message::Content;
use super::stanza::Refusal;
use crate::hub::roles::Action;
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::messages::{self, MAX_BODY};
use crate::hub::store::{changes, occupants, receipts};
use crate::protocol::address::UserId;

/// Where a change was sent to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// To another user.
    User(UserId),
    /// To a dialog's room, whose member the sender is.
    Room(&'a Dialog),
}

/// What to do with the stanza afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The receivers get it.
    Relay,
    /// There is nothing left to tell them.
    Drop,
}

/// Carries out a change. What is no change is only relayed.
///
/// # Errors
/// SQLite's; inside, the [`Refusal`] for a change the sender may not make.
pub fn apply(
    connection: &Connection,
    user: UserId,
    target: Target<'_>,
    change: &Content,
    now: i64,
) -> rusqlite::Result<Result<After, Refusal>> {
    match change {
        Content::Edit { id, body } => edit(connection, user, target, id, body, now),
        Content::Remove { id } => remove(connection, user, target, id, now),
        Content::Marker { id, is_read } => mark(connection, user, id, *is_read, now),
        Content::Typing | Content::Text { .. } => Ok(Ok(After::Relay)),
    }
}

fn edit(
    connection: &Connection,
    user: UserId,
    target: Target<'_>,
    id: &str,
    body: &str,
    now: i64,
) -> rusqlite::Result<Result<After, Refusal>> {
    if body.len() > MAX_BODY {
        return Ok(Err(Refusal::TOO_LONG));
    }
    let Some(place) = messages::place(connection, id)? else {
        return Ok(unknown(target, Err(Refusal::NOT_FOUND)));
    };
    let dialog = dialog_of(connection, user, target)?;
    let dialog = dialog.filter(|dialog| dialog.id == place.dialog);
    let may = dialog.is_some_and(|dialog| dialog.may(user, Action::Write));
    if !may || place.author != user {
        return Ok(Err(Refusal::FORBIDDEN));
    }
    changes::edit(connection, id, body, now)?;
    Ok(Ok(After::Relay))
}

fn remove(
    connection: &Connection,
    user: UserId,
    target: Target<'_>,
    id: &str,
    now: i64,
) -> rusqlite::Result<Result<After, Refusal>> {
    let Some(place) = messages::place(connection, id)? else {
        return Ok(unknown(target, Ok(After::Drop)));
    };
    let action = if place.author == user {
        Action::RemoveOwnMessage
    } else {
        Action::RemoveOthersMessage
    };
    let dialog = dialog_of(connection, user, target)?;
    let dialog = dialog.filter(|dialog| dialog.id == place.dialog);
    if !dialog.is_some_and(|dialog| dialog.may(user, action)) {
        return Ok(Err(Refusal::FORBIDDEN));
    }
    changes::remove(connection, &place, id, now)?;
    Ok(Ok(After::Relay))
}

/// Between two people a message that was never saved can still be changed: the other one trusts
/// only its author anyway. In a room nobody could tell whose it was.
fn unknown(target: Target<'_>, in_room: Result<After, Refusal>) -> Result<After, Refusal> {
    match target {
        Target::User(_) => Ok(After::Relay),
        Target::Room(_) => in_room,
    }
}

fn dialog_of(
    connection: &Connection,
    user: UserId,
    target: Target<'_>,
) -> rusqlite::Result<Option<Dialog>> {
    match target {
        Target::User(other) => dialogs::find_private(connection, user, other),
        Target::Room(dialog) => Ok(Some(dialog.clone())),
    }
}

/// A marker goes to the author, from whatever dialog the message is in; but where views are counted
/// instead, the author is not told of each of perhaps thousands.
fn mark(
    connection: &Connection,
    user: UserId,
    id: &str,
    is_read: bool,
    now: i64,
) -> rusqlite::Result<Result<After, Refusal>> {
    // A message that was never saved can still be marked between its two clients.
    let Some(place) = messages::place(connection, id)? else {
        return Ok(Ok(After::Relay));
    };
    if !occupants::has(connection, &place.dialog, user)? {
        return Ok(Err(Refusal::FORBIDDEN));
    }
    let ids = [id.to_owned()];
    receipts::mark(connection, user, &place.dialog, Some(&ids), is_read, now)?;
    let kind = dialogs::kind(connection, &place.dialog)?;
    Ok(Ok(if kind.is_some_and(dialogs::has_receipts) {
        After::Relay
    } else {
        After::Drop
    }))
}
