//! Where messages go: storage, recipients, carbons, the offline store.

use minidom::Element;

use super::message::{Content, content, ensure_id, is_valid_id, stamp, to_store};
use super::router::Connection;
use super::stanza::{Refusal, carbon};
use crate::hub::site::Site;
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::messages::{self, Insertion, NewMessage};
use crate::hub::store::{StoreError, offline, users};
use crate::protocol::address::{Address, UserId};
use crate::protocol::privacy::{Peer, Traffic};
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

impl Sender<'_> {
    /// How privacy lists see the sender.
    fn peer(&self) -> Peer<'_> {
        Peer::User {
            user: self.user,
            resource: self.connection.map(|own| own.resource.as_str()),
        }
    }
}

/// Carries out a message stanza.
///
/// # Errors
/// The [`Refusal`] to answer with.
pub async fn send(site: &Site, sender: &Sender<'_>, mut message: Element) -> Result<(), Refusal> {
    let to = message.attr("to").and_then(|to| site.realm.parse(to).ok());
    let to = to.ok_or(Refusal::NOT_FOUND)?;
    let kind = message.attr("type").unwrap_or("normal").to_owned();
    match (kind.as_str(), to) {
        // Answering an error with an error could go on forever (RFC 6120 §8.3.1).
        ("error", _) => Ok(()),
        ("chat", Address::User { user, resource }) => {
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
            headline(site, sender, user, resource.as_deref(), &message).await
        }
        ("headline" | "normal" | "chat" | "groupchat", _) => Err(Refusal::UNAVAILABLE),
        _ => Err(Refusal::BAD_REQUEST),
    }
}

/// Call signals and system messages: now or never.
async fn headline(
    site: &Site,
    sender: &Sender<'_>,
    to: UserId,
    resource: Option<&str>,
    message: &Element,
) -> Result<(), Refusal> {
    let peer = sender.peer();
    if !site.blocks.may_message(&site.router, &peer, to, resource) {
        return Err(Refusal::UNAVAILABLE);
    }
    if deliver_from(site, &peer, to, resource, message) == 0 {
        let found = site.store.run(move |db| users::by_id(db, to)).await;
        found.map_err(internal)?.ok_or(Refusal::NOT_FOUND)?;
    }
    copy_to_own(site, sender, message);
    Ok(())
}

/// Sends a call signal that came by REST, unless the receiver has blocked the sender: then it is
/// as if nobody were there.
pub fn signal(site: &Site, sender: UserId, to: UserId, message: &Element) {
    let peer = Peer::User {
        user: sender,
        resource: None,
    };
    if site.blocks.may_message(&site.router, &peer, to, None) {
        deliver_from(site, &peer, to, None, message);
    }
}

/// Hands a message to those of a user's connections whose privacy lists let the peer through.
fn deliver_from(
    site: &Site,
    peer: &Peer<'_>,
    to: UserId,
    resource: Option<&str>,
    message: &Element,
) -> usize {
    site.router.deliver(to, resource, message, |target| {
        let resource = Some(target.resource.as_str());
        !site.blocks.denies(to, resource, peer, Traffic::MessageIn)
    })
}

/// Tells that somebody types, but not to who does not look (XEP-0352).
fn tell_typing(
    site: &Site,
    peer: &Peer<'_>,
    to: UserId,
    resource: Option<&str>,
    message: &Element,
) {
    site.router.deliver(to, resource, message, |target| {
        let resource = Some(target.resource.as_str());
        !target
            .is_inactive
            .load(std::sync::atomic::Ordering::Relaxed)
            && !site.blocks.denies(to, resource, peer, Traffic::MessageIn)
    });
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
    let peer = sender.peer();
    let is_blocked = !site
        .blocks
        .may_message(&site.router, &peer, to, resource.as_deref());
    if is_blocked {
        return match content {
            // Clients send these by themselves, so nobody waits for an answer.
            Content::Typing => Ok(()),
            Content::Marker { .. } => apply_change(site, sender.user, content).await,
            _ => Err(Refusal::UNAVAILABLE),
        };
    }
    match content.clone() {
        Content::Typing => {
            tell_typing(site, &peer, to, resource.as_deref(), &message);
            return Ok(());
        }
        Content::Text { is_saved } => {
            let id = ensure_id(&mut message);
            if !store_chat(site, sender.user, to, &mut message, id, is_saved).await? {
                return Ok(());
            }
        }
        change => apply_change(site, sender.user, change).await?,
    }
    let lane = site.lanes.enter(to).await;
    let taken = deliver_from(site, &peer, to, resource.as_deref(), &message);
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
async fn apply_change(site: &Site, user: UserId, change: Content) -> Result<(), Refusal> {
    let now = site.now();
    site.store
        .run(move |connection| {
            let (Content::Edit { id, .. } | Content::Remove { id } | Content::Marker { id, .. }) =
                &change
            else {
                return Ok(Ok(()));
            };
            // A message that was never saved can still be marked between its two clients.
            let Some((dialog, author)) = messages::place(connection, id)? else {
                return Ok(Ok(()));
            };
            let is_member =
                dialogs::load(connection, &dialog)?.is_some_and(|dialog| dialog.has(user));
            let may = match &change {
                Content::Marker { .. } => is_member,
                _ => is_member && author == user,
            };
            if !may {
                return Ok(Err(Refusal::FORBIDDEN));
            }
            match &change {
                Content::Edit { id, body } => {
                    messages::edit(connection, user, id, body, now)?;
                }
                Content::Remove { id } => {
                    messages::remove(connection, user, id, now)?;
                }
                Content::Marker { id, is_read } => {
                    let ids = [id.clone()];
                    messages::mark(connection, user, &dialog, Some(&ids), *is_read)?;
                }
                Content::Typing | Content::Text { .. } => {}
            }
            Ok(Ok(()))
        })
        .await
        .map_err(internal)?
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
                site.router.deliver(user, None, &stanza, |_| true);
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
        Content::Typing => {}
        Content::Text { is_saved } => {
            if dialog.kind == dialogs::BROADCAST && !dialog.is_run_by(user) {
                return Err(Refusal::FORBIDDEN);
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
        change => apply_change(site, user, change).await?,
    }
    if content == Content::Typing {
        let peer = Peer::Occupant {
            dialog: &dialog.id,
            user,
        };
        for other in dialog.occupants.iter().filter(|other| **other != user) {
            tell_typing(site, &peer, *other, None, &message);
        }
    } else {
        deliver_to_group(site, &dialog, user, &message);
    }
    Ok(())
}

/// Joining is not needed to receive, and the sender's own connections get their copy (B.2).
/// Who has blocked the sender in rooms gets nothing, and the sender does not learn of it (B.9).
fn deliver_to_group(site: &Site, dialog: &Dialog, sender: UserId, message: &Element) {
    let peer = Peer::Occupant {
        dialog: &dialog.id,
        user: sender,
    };
    for user in &dialog.occupants {
        deliver_from(site, &peer, *user, None, message);
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
        None => deliver_to_group(site, &dialog, sender, &stanza),
        Some(user) => {
            let lane = site.lanes.enter(user).await;
            let peer = Peer::User {
                user: sender,
                resource: None,
            };
            if deliver_from(site, &peer, user, None, &stanza) == 0 {
                keep_for_later(site, user, &stanza).await?;
            }
            drop(lane);
            let address = format!("{}/rest", site.realm.user(sender));
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
