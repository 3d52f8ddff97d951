//! Where messages go: storage, recipients, carbons, the offline store.

use minidom::Element;

use super::announce::rest_address;
use super::change::{self, After, Target};
use super::message::{
    Content, content, ensure_id, is_forged, is_too_long, is_valid_id, stamp, to_store,
};
use super::router::Connection;
use super::stanza::{Refusal, carbon};
use crate::hub::roles::Action;
use crate::hub::site::Site;
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::messages::{self, Insertion, NewMessage};
use crate::hub::store::{StoreError, offline, users};
use crate::protocol::address::{Address, UserId};
use crate::protocol::xml::set_attribute;

/// Who sends: a connection, or a REST request.
pub struct Sender<'a> {
    /// The user.
    pub user: UserId,
    /// The full address put into `from`.
    pub address: &'a str,
    /// The connection, which gets no carbon of what it sent.
    pub connection: Option<&'a Connection>,
}

/// Carries out a message stanza.
///
/// # Errors
/// The [`Refusal`] to answer with.
pub async fn send(site: &Site, sender: &Sender<'_>, mut message: Element) -> Result<(), Refusal> {
    let to = message.attr("to").and_then(|to| site.realm.parse(to).ok());
    let to = to.ok_or(Refusal::NOT_FOUND)?;
    let kind = message.attr("type").unwrap_or("normal").to_owned();
    if kind != "error" && is_forged(&message) {
        return Err(Refusal::FORBIDDEN);
    }
    match (kind.as_str(), to) {
        // Answering an error with an error could go on forever (RFC 6120 §8.3.1).
        ("error", _) => Ok(()),
        // Clients act on a change whatever type it comes with, so every type is checked as one.
        (kind @ ("chat" | "normal"), Address::User { user, resource })
            if kind == "chat" || !matches!(content(&message), Content::Text { .. }) =>
        {
            set_attribute(&mut message, "from", Some(sender.address));
            chat(site, sender, user, resource, message).await
        }
        (
            "groupchat",
            Address::Room {
                dialog,
                occupant: None,
            },
        ) => group(site, sender, dialog, message).await,
        ("headline" | "normal", Address::User { user, resource }) => {
            set_attribute(&mut message, "from", Some(sender.address));
            site.router.deliver(user, resource.as_deref(), &message);
            copy_to_own(site, sender, &message);
            Ok(())
        }
        ("headline" | "normal" | "chat" | "groupchat", _) => Err(Refusal::UNAVAILABLE),
        _ => Err(Refusal::BAD_REQUEST),
    }
}

/// Sent-carbons for the sender's other connections (B.1).
fn copy_to_own(site: &Site, sender: &Sender<'_>, message: &Element) {
    let copy = carbon(message, &site.realm.user(sender.user));
    for other in site.router.available(sender.user) {
        let is_sender = sender
            .connection
            .is_some_and(|own| own.resource == other.resource);
        // A message to oneself reached the other connections already.
        let is_target = message.attr("to") == Some(other.address.as_str())
            || message.attr("to") == Some(site.realm.user(sender.user).as_str());
        if !is_sender && !is_target && other.carbons.load(std::sync::atomic::Ordering::Relaxed) {
            other.push(copy.clone());
        }
    }
}

async fn chat(
    site: &Site,
    sender: &Sender<'_>,
    to: UserId,
    resource: Option<String>,
    mut message: Element,
) -> Result<(), Refusal> {
    let content = content(&message);
    match content.clone() {
        Content::Typing => {
            site.router.deliver(to, resource.as_deref(), &message);
            return Ok(());
        }
        Content::Text { is_saved } => {
            let id = ensure_id(&mut message);
            if !store_chat(site, sender.user, to, &mut message, id, is_saved).await? {
                return Ok(());
            }
        }
        change => {
            if apply_change(site, sender.user, To::User(to), change).await? == After::Drop {
                return Ok(());
            }
        }
    }
    let lane = site.lanes.enter(to).await;
    let taken = site.router.deliver(to, resource.as_deref(), &message);
    if taken == 0 && matches!(content, Content::Text { .. }) {
        keep_for_later(site, to, &message).await.map_err(internal)?;
    }
    drop(lane);
    copy_to_own(site, sender, &message);
    Ok(())
}

/// Finds or makes the dialog, stamps the message and stores it. `false` for a duplicate.
async fn store_chat(
    site: &Site,
    sender: UserId,
    to: UserId,
    message: &mut Element,
    id: String,
    is_saved: bool,
) -> Result<bool, Refusal> {
    if is_saved && !is_valid_id(&id) {
        return Err(Refusal::BAD_REQUEST);
    }
    if is_too_long(message) {
        return Err(Refusal::TOO_LONG);
    }
    let now = site.now();
    let mut stamped = message.clone();
    let stored = site
        .store
        .run(move |connection| {
            if users::by_id(connection, to)?.is_none() {
                return Ok(None);
            }
            let dialog = dialogs::private_between(connection, sender, to, now)?;
            let date = stamp(&mut stamped, &dialog.id, now);
            let mut insertion = Insertion::New;
            if is_saved {
                let new = to_store(&stamped, id, dialog.id, sender, Some(to), date);
                insertion = messages::insert(connection, &new, now)?;
            }
            Ok(Some((stamped, insertion)))
        })
        .await
        .map_err(internal)?;
    let (stamped, insertion) = stored.ok_or(Refusal::NOT_FOUND)?;
    *message = stamped;
    is_first(insertion)
}

fn is_first(insertion: Insertion) -> Result<bool, Refusal> {
    match insertion {
        Insertion::New => Ok(true),
        // Sent again after a lost acknowledgement: accepted, but it has gone out before.
        Insertion::Duplicate => Ok(false),
        Insertion::Conflict => Err(Refusal::CONFLICT),
    }
}

/// Markers, edits and removals act on the stored message, if there is one.
async fn apply_change(
    site: &Site,
    user: UserId,
    to: To,
    change: Content,
) -> Result<After, Refusal> {
    let now = site.now();
    site.store
        .run(move |connection| {
            let target = match &to {
                To::User(other) => Target::User(*other),
                To::Room(dialog) => Target::Room(dialog),
            };
            change::apply(connection, user, target, &change, now)
        })
        .await
        .map_err(internal)?
}

enum To {
    User(UserId),
    Room(Box<Dialog>),
}

/// Keeps a message for a user who is away, and hands it over at once if the user has just come.
async fn keep_for_later(site: &Site, user: UserId, message: &Element) -> Result<(), StoreError> {
    let text = String::from(message);
    let now = site.now();
    let limit = site.config.limits.offline_messages;
    site.store
        .run(move |connection| offline::keep(connection, user, &text, limit, now))
        .await?;
    // Whoever became available between the look-up and the storing has already asked for what
    // was kept, so it is handed over here.
    if site.router.is_online(user) {
        let kept = site
            .store
            .run(move |connection| offline::take(connection, user, 1))
            .await?;
        for kept in kept {
            if let Ok(stanza) = kept.stanza.parse() {
                site.router.deliver(user, None, &stanza);
            }
        }
    }
    Ok(())
}

async fn group(
    site: &Site,
    sender: &Sender<'_>,
    dialog_id: String,
    mut message: Element,
) -> Result<(), Refusal> {
    let content = content(&message);
    let user = sender.user;
    let id = dialog_id.clone();
    let dialog = site
        .store
        .run(move |connection| dialogs::load(connection, &id))
        .await
        .map_err(internal)?
        .filter(|dialog| dialog.kind != dialogs::PRIVATE)
        .ok_or(Refusal::NOT_FOUND)?;
    if !dialog.has(user) {
        return Err(Refusal::FORBIDDEN);
    }
    let occupant = site.realm.occupant(&dialog_id, user);
    set_attribute(&mut message, "from", Some(&occupant));
    match content.clone() {
        Content::Typing | Content::Text { .. } if !dialog.may(user, Action::Write) => {
            return Err(Refusal::FORBIDDEN);
        }
        Content::Typing => {}
        Content::Text { is_saved } => {
            if is_too_long(&message) {
                return Err(Refusal::TOO_LONG);
            }
            let id = ensure_id(&mut message);
            let now = site.now();
            let date = stamp(&mut message, &dialog_id, now);
            if is_saved {
                if !is_valid_id(&id) {
                    return Err(Refusal::BAD_REQUEST);
                }
                let new = to_store(&message, id, dialog_id, user, None, date);
                let insertion = site
                    .store
                    .run(move |connection| messages::insert(connection, &new, now))
                    .await
                    .map_err(internal)?;
                if !is_first(insertion)? {
                    return Ok(());
                }
            }
        }
        change => {
            let room = To::Room(Box::new(dialog.clone()));
            if apply_change(site, user, room, change).await? == After::Drop {
                return Ok(());
            }
        }
    }
    let except = (content == Content::Typing).then_some(user);
    deliver_to_group(site, &dialog, &message, except);
    Ok(())
}

/// Joining is not needed to receive, and the sender's own connections get their copy (B.2). A
/// broadcast goes to every user who is connected.
fn deliver_to_group(site: &Site, dialog: &Dialog, message: &Element, except: Option<UserId>) {
    let everybody;
    let receivers = if dialog.kind == dialogs::BROADCAST {
        everybody = site.router.online();
        &everybody
    } else {
        &dialog.occupants
    };
    for user in receivers {
        if Some(*user) != except && !dialog.blocked.contains(user) {
            site.router.deliver(*user, None, message);
        }
    }
}

/// Hands a stanza that the hub made for `user` to the people of a dialog, the user's own
/// connections included. It is kept for nobody: the history says the same.
pub fn emit(site: &Site, dialog: &Dialog, user: UserId, stanza: &Element) {
    if dialog.kind != dialogs::PRIVATE {
        deliver_to_group(site, dialog, stanza, None);
    } else if let Some(partner) = dialog.partner(user) {
        site.router.deliver(partner, None, stanza);
        let sender = Sender {
            user,
            address: &rest_address(site, user),
            connection: None,
        };
        copy_to_own(site, &sender, stanza);
    }
}

/// Stores a message that came by REST and, if asked, sends it to the dialog's people.
///
/// # Errors
/// [`StoreError`]; the insertion says whether the id was new.
pub async fn post(
    site: &Site,
    dialog: Dialog,
    new: NewMessage,
    stanza: Option<Element>,
) -> Result<Insertion, StoreError> {
    let now = site.now();
    let (sender, recipient) = (new.sender, new.recipient);
    let insertion = site
        .store
        .run(move |connection| messages::insert(connection, &new, now))
        .await?;
    let (Insertion::New, Some(stanza)) = (insertion, stanza) else {
        return Ok(insertion);
    };
    match recipient {
        None => deliver_to_group(site, &dialog, &stanza, None),
        Some(user) => {
            let lane = site.lanes.enter(user).await;
            if site.router.deliver(user, None, &stanza) == 0 {
                keep_for_later(site, user, &stanza).await?;
            }
            drop(lane);
            let address = rest_address(site, sender);
            let sender = Sender {
                user: sender,
                address: &address,
                connection: None,
            };
            copy_to_own(site, &sender, &stanza);
        }
    }
    Ok(insertion)
}

fn internal(error: StoreError) -> Refusal {
    tracing::error!(%error, "a message could not be stored");
    Refusal::INTERNAL
}
