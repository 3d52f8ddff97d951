//! Sending a message: whether it may go, its storage, its place. Who then gets it is in `fan_out`.
//!
//! A message is one job of the store: it is checked, stamped, put into the history and written
//! down for its receivers in one transaction. Once that is on disk, still on the store's thread,
//! it is queued for the receivers' connections. So the order of storage is the order of delivery,
//! and what is not on disk is neither delivered nor acknowledged.

use std::sync::Arc;

use minidom::Element;
use tokio::sync::oneshot;

use super::alerts;
use super::announce::rest_address;
use super::change::{self, After, Target};
use super::fan_out::{Outgoing, Receivers, copy_to_own, deliver, push, receivers};
use super::message::{
    Content, content, ensure_id, is_forged, is_too_long, is_valid_id, stamp, to_store,
};
use super::router::Connection;
use super::stanza::Refusal;
use crate::hub::roles::Action;
use crate::hub::site::Site;
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::messages::{self, Insertion, NewMessage};
use crate::hub::store::{StoreError, undelivered, users};
use crate::protocol::address::{Address, UserId};
use crate::protocol::ns;
use crate::protocol::privacy::Peer;
use crate::protocol::xml::set_attribute;

/// Who sends: a connection, or a REST request.
#[derive(Clone)]
pub struct Sender {
    /// The user.
    pub user: UserId,
    /// The full address put into `from`.
    pub address: String,
    /// The connection, which gets no carbon of what it sent.
    pub connection: Option<Arc<Connection>>,
}

impl Sender {
    /// How privacy lists see the sender.
    pub(super) fn peer(&self) -> Peer<'_> {
        Peer::User {
            user: self.user,
            resource: self.connection.as_ref().map(|own| own.resource.as_str()),
        }
    }
}

/// Carries out a message stanza. Returns when it is handed in; `outcome` learns what came of it
/// once that is certain, in the order in which messages were handed in, except for those that
/// need no storing: they overtake.
pub async fn send(
    site: &Arc<Site>,
    sender: Sender,
    mut message: Element,
    outcome: impl FnOnce(Result<(), Refusal>) + Send + 'static,
) {
    let Some(to) = message.attr("to").and_then(|to| site.realm.parse(to).ok()) else {
        return outcome(Err(Refusal::NOT_FOUND));
    };
    let kind = message.attr("type").unwrap_or("normal").to_owned();
    if kind != "error" && is_forged(&message) {
        return outcome(Err(Refusal::FORBIDDEN));
    }
    match (kind.as_str(), to) {
        // Answering an error with an error could go on forever (RFC 6120 §8.3.1).
        ("error", _) => outcome(Ok(())),
        // Clients act on a change whatever type it comes with, so every type is checked as one.
        (kind @ ("chat" | "normal"), Address::User { user, resource })
            if kind == "chat" || !matches!(content(&message), Content::Text { .. }) =>
        {
            set_attribute(&mut message, "from", Some(&sender.address));
            chat(site, sender, user, resource, message, outcome).await;
        }
        (
            "groupchat",
            Address::Room {
                dialog,
                occupant: None,
            },
        ) => group(site, sender, dialog, message, outcome).await,
        ("headline" | "normal", Address::User { user, resource }) => {
            set_attribute(&mut message, "from", Some(&sender.address));
            outcome(headline(site, &sender, user, resource.as_deref(), &message).await);
        }
        ("headline" | "normal" | "chat" | "groupchat", _) => outcome(Err(Refusal::UNAVAILABLE)),
        _ => outcome(Err(Refusal::BAD_REQUEST)),
    }
}

/// Like [`send`], and waits for what comes of it.
///
/// # Errors
/// The [`Refusal`].
pub async fn send_and_wait(
    site: &Arc<Site>,
    sender: Sender,
    message: Element,
) -> Result<(), Refusal> {
    let (tell, told) = oneshot::channel();
    let outcome = move |result| {
        // Who asked may have gone.
        let _ = tell.send(result);
    };
    send(site, sender, message, outcome).await;
    told.await.unwrap_or(Err(Refusal::INTERNAL))
}

/// Call signals and system messages: now or never.
async fn headline(
    site: &Site,
    sender: &Sender,
    to: UserId,
    resource: Option<&str>,
    message: &Element,
) -> Result<(), Refusal> {
    let peer = sender.peer();
    if !site.blocks.may_message(&site.router, &peer, to, resource) {
        return Err(Refusal::UNAVAILABLE);
    }
    if push(site, &peer, to, resource, message) == 0 {
        let known = site.store.run(move |db| users::exists(db, to)).await;
        if !known.map_err(|error| refusal_of(&error))? {
            return Err(Refusal::NOT_FOUND);
        }
    }
    copy_to_own(site, sender, message);
    Ok(())
}

/// Sends a call signal that came by REST, unless the receiver has blocked the sender: then it is
/// as if nobody were there.
pub fn signal(site: &Site, sender: UserId, to: UserId, message: &Element) {
    if may_post(site, sender, to) {
        push(site, &without_connection(sender), to, None, message);
    }
}

/// Whether a user may write to another one by REST: neither has blocked the other (B.9).
pub fn may_post(site: &Site, sender: UserId, to: UserId) -> bool {
    let peer = without_connection(sender);
    site.blocks.may_message(&site.router, &peer, to, None)
}

/// How privacy lists see who sends by REST.
fn without_connection(user: UserId) -> Peer<'static> {
    Peer::User {
        user,
        resource: None,
    }
}

/// Hands in a job that checks and stores a message, and delivers what it returns.
async fn submit(
    site: &Arc<Site>,
    sender: Sender,
    job: impl FnOnce(
        &Site,
        &rusqlite::Connection,
    ) -> rusqlite::Result<Result<Option<Outgoing>, Refusal>>
    + Send
    + 'static,
    outcome: impl FnOnce(Result<(), Refusal>) + Send + 'static,
) {
    let (store_site, site_after) = (Arc::clone(site), Arc::clone(site));
    let job = move |db: &rusqlite::Connection| job(&store_site, db);
    let after = move |stored: Result<Result<Option<Outgoing>, Refusal>, StoreError>| {
        let result = stored.unwrap_or_else(|error| Err(refusal_of(&error)));
        outcome(result.map(|outgoing| {
            if let Some(outgoing) = outgoing {
                deliver(&site_after, &sender, outgoing);
            }
        }));
    };
    site.store.run_then(job, after).await;
}

async fn chat(
    site: &Arc<Site>,
    sender: Sender,
    to: UserId,
    resource: Option<String>,
    mut message: Element,
    outcome: impl FnOnce(Result<(), Refusal>) + Send + 'static,
) {
    let user = sender.user;
    let content = content(&message);
    let peer = sender.peer();
    let resource_name = resource.as_deref();
    let is_blocked = !site
        .blocks
        .may_message(&site.router, &peer, to, resource_name);
    match content {
        // Clients send these by themselves, so nobody waits for an answer: what is blocked is
        // dropped in silence.
        Content::Typing => {
            if !is_blocked {
                push(site, &peer, to, resource_name, &message);
            }
            outcome(Ok(()));
        }
        content if is_blocked && !matches!(content, Content::Marker { .. }) => {
            outcome(Err(Refusal::UNAVAILABLE));
        }
        Content::Text { is_saved } => {
            let id = ensure_id(&mut message);
            if is_saved && !is_valid_id(&id) {
                return outcome(Err(Refusal::BAD_REQUEST));
            }
            if is_too_long(&message) {
                return outcome(Err(Refusal::TOO_LONG));
            }
            let job = move |site: &Site, db: &rusqlite::Connection| {
                let now = site.now();
                if !users::exists(db, to)? {
                    return Ok(Err(Refusal::NOT_FOUND));
                }
                let dialog = match dialogs::private_id(db, user, to)? {
                    Some(id) => id,
                    None => dialogs::private_between(db, user, to, now)?.id,
                };
                let date = stamp(&mut message, &dialog, now);
                if is_saved {
                    let new = to_store(&message, id, dialog, user, Some(to), date);
                    if let Some(known) = known(messages::insert(db, &new, now)?) {
                        return Ok(known);
                    }
                }
                let must_arrive = is_saved || message.has_child("body", ns::CLIENT);
                if must_arrive {
                    alerts::to_one(site, db, &message, to, user)?;
                }
                let to = Receivers::One(to, resource);
                write_down(site, db, message, to, user, must_arrive, is_saved).map(Ok)
            };
            submit(site, sender, job, outcome).await;
        }
        change => {
            let job = move |site: &Site, db: &rusqlite::Connection| {
                let target = Target::User(to);
                match change::apply(db, user, target, &change, site.now())? {
                    Err(refusal) => Ok(Err(refusal)),
                    Ok(After::Drop) => Ok(Ok(None)),
                    Ok(After::Relay) if is_blocked => Ok(Ok(None)),
                    Ok(After::Relay) => {
                        let must_arrive = follows_its_message(&change);
                        let to = Receivers::One(to, resource);
                        write_down(site, db, message, to, user, must_arrive, true).map(Ok)
                    }
                }
            };
            submit(site, sender, job, outcome).await;
        }
    }
}

/// An edit or a removal has to arrive wherever its message may have: whoever was away gets both,
/// in their order. What is only known to be read or received is in the history.
fn follows_its_message(change: &Content) -> bool {
    matches!(change, Content::Edit { .. } | Content::Remove { .. })
}

/// Gives a message its place, and writes it down for its receivers in the same transaction that
/// stored it. One that is not in the history is written down only for those who are not there
/// to take it, so that chatting without history costs no write.
fn write_down(
    site: &Site,
    db: &rusqlite::Connection,
    stanza: Element,
    to: Receivers,
    sender: UserId,
    must_arrive: bool,
    is_saved: bool,
) -> rusqlite::Result<Option<Outgoing>> {
    let mut outgoing = Outgoing {
        stanza,
        to,
        seq: None,
        is_written: false,
    };
    if !must_arrive {
        return Ok(Some(outgoing));
    }
    let receivers: Vec<UserId> = match &outgoing.to {
        Receivers::One(user, _) => vec![*user],
        Receivers::Many { users, .. } => {
            users.iter().copied().filter(|one| *one != sender).collect()
        }
    };
    let seq = {
        let mut in_flight = site.in_flight.lock();
        // A reader that is behind would hold everything in memory that is not in the store.
        let is_taken =
            |user: &UserId| site.router.is_online(*user) && !in_flight.has_somebody_behind(*user);
        outgoing.is_written = is_saved || !receivers.iter().all(is_taken);
        in_flight.next_seq()
    };
    outgoing.seq = Some(seq);
    if outgoing.is_written {
        let text = String::from(&outgoing.stanza);
        let limit = site.config.limits.offline_messages;
        undelivered::insert(db, seq, &text, &receivers, limit, site.now())?;
    }
    Ok(Some(outgoing))
}

/// What follows when an id was known; nothing for a new message.
fn known<T>(insertion: Insertion) -> Option<Result<Option<T>, Refusal>> {
    match insertion {
        Insertion::New => None,
        // Sent again after a lost acknowledgement: accepted, but it has gone out before.
        Insertion::Duplicate => Some(Ok(None)),
        Insertion::Conflict => Some(Err(Refusal::CONFLICT)),
    }
}

async fn group(
    site: &Arc<Site>,
    sender: Sender,
    dialog_id: String,
    mut message: Element,
    outcome: impl FnOnce(Result<(), Refusal>) + Send + 'static,
) {
    let content = content(&message);
    let user = sender.user;
    let occupant = site.realm.occupant(&dialog_id, user);
    set_attribute(&mut message, "from", Some(&occupant));
    let job = move |site: &Site, db: &rusqlite::Connection| {
        let dialog = dialogs::load(db, &dialog_id)?;
        let Some(dialog) = dialog.filter(|dialog| dialog.kind != dialogs::PRIVATE) else {
            return Ok(Err(Refusal::NOT_FOUND));
        };
        if !dialog.has(user) {
            return Ok(Err(Refusal::FORBIDDEN));
        }
        // Broadcasts and public dialogs may have any number of people, who read the history.
        let is_listed = dialog.kind == dialogs::GROUP;
        let is_saved = match &content {
            Content::Typing | Content::Text { .. } if !dialog.may(user, Action::Write) => {
                return Ok(Err(Refusal::FORBIDDEN));
            }
            Content::Typing => {
                let to = receivers(site, &dialog, user, Some(user));
                return write_down(site, db, message, to, user, false, false).map(Ok);
            }
            Content::Text { is_saved } => *is_saved,
            change => {
                return match change::apply(db, user, Target::Room(&dialog), change, site.now())? {
                    Err(refusal) => Ok(Err(refusal)),
                    Ok(After::Drop) => Ok(Ok(None)),
                    Ok(After::Relay) => {
                        let must_arrive = is_listed && follows_its_message(change);
                        let to = receivers(site, &dialog, user, None);
                        write_down(site, db, message, to, user, must_arrive, true).map(Ok)
                    }
                };
            }
        };
        if is_too_long(&message) {
            return Ok(Err(Refusal::TOO_LONG));
        }
        let id = ensure_id(&mut message);
        if is_saved && !is_valid_id(&id) {
            return Ok(Err(Refusal::BAD_REQUEST));
        }
        let now = site.now();
        let date = stamp(&mut message, &dialog_id, now);
        if is_saved {
            let new = to_store(&message, id, dialog_id, user, None, date);
            if let Some(known) = known(messages::insert(db, &new, now)?) {
                return Ok(known);
            }
        }
        let is_told = is_saved || message.has_child("body", ns::CLIENT);
        let must_arrive = is_listed && is_told;
        let to = receivers(site, &dialog, user, None);
        if is_told {
            alerts::in_dialog(site, db, &message, &dialog, user)?;
        }
        write_down(site, db, message, to, user, must_arrive, is_saved).map(Ok)
    };
    submit(site, sender, job, outcome).await;
}

/// Stores a message that came by REST and, if asked, sends it to the dialog's people.
///
/// # Errors
/// [`StoreError`]; the insertion says whether the id was new.
pub async fn post(
    site: &Arc<Site>,
    dialog: Dialog,
    new: NewMessage,
    stanza: Option<Element>,
) -> Result<Insertion, StoreError> {
    let user = new.sender;
    let sender = Sender {
        user,
        address: rest_address(site, user),
        connection: None,
    };
    let (store_site, site_after) = (Arc::clone(site), Arc::clone(site));
    let job = move |db: &rusqlite::Connection| {
        let site = &*store_site;
        let insertion = messages::insert(db, &new, site.now())?;
        let (Insertion::New, Some(stanza)) = (insertion, stanza) else {
            return Ok((insertion, None));
        };
        let (to, must_arrive) = match new.recipient {
            Some(recipient) => {
                alerts::to_one(site, db, &stanza, recipient, user)?;
                (Receivers::One(recipient, None), true)
            }
            None => {
                alerts::in_dialog(site, db, &stanza, &dialog, user)?;
                let is_listed = dialog.kind == dialogs::GROUP;
                (receivers(site, &dialog, user, None), is_listed)
            }
        };
        let outgoing = write_down(site, db, stanza, to, user, must_arrive, true)?;
        Ok((insertion, outgoing))
    };
    let (tell, told) = oneshot::channel();
    let after = move |stored: Result<(Insertion, Option<Outgoing>), StoreError>| {
        let stored = stored.map(|(insertion, outgoing)| {
            if let Some(outgoing) = outgoing {
                deliver(&site_after, &sender, outgoing);
            }
            insertion
        });
        // The client may have gone meanwhile; the message has not.
        drop(tell.send(stored));
    };
    site.store.run_then(job, after).await;
    told.await.map_err(|_| StoreError::Closed)?
}

/// The sender may try again when there is room or the hub is back.
fn refusal_of(error: &StoreError) -> Refusal {
    match error {
        StoreError::Panicked => {
            tracing::error!(%error, "a message could not be stored");
            Refusal::INTERNAL
        }
        error => {
            tracing::debug!(%error, "a message could not be stored");
            Refusal::NO_ROOM
        }
    }
}
