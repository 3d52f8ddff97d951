//! Presence: becoming available, and joining and leaving rooms (wire reference B.8).

use std::collections::HashSet;
use std::sync::Arc;

use minidom::Element;

use super::iq::announce_activity;
use super::router::Connection;
use super::stanza::Refusal;
use crate::hub::site::Site;
use crate::hub::store::{dialogs, users};
use crate::protocol::address::{Address, UserId};
use crate::protocol::ns;
use crate::protocol::xml::{SetAttribute, set_attribute};

/// What the stream does after a presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing more.
    Done,
    /// The connection has become available: it gets what was kept.
    HandOver,
}

/// Carries out a presence stanza.
pub async fn handle(site: &Site, connection: &Arc<Connection>, presence: &Element) -> After {
    let kind = presence.attr("type");
    let Some(to) = presence.attr("to") else {
        return match kind {
            None => available(site, connection, presence),
            Some("unavailable") => {
                unavailable(site, connection).await;
                After::Done
            }
            // Subscriptions need a contact list, which this contract has not.
            Some(_) => After::Done,
        };
    };
    // A room's nick is the user's number, whatever name a client wishes for (A.1).
    let bare = to.split('/').next().unwrap_or(to);
    let answer = match (site.realm.parse(bare), kind) {
        (Ok(Address::Room { dialog, .. }), None) => join(site, connection, &dialog, presence).await,
        (Ok(Address::Room { dialog, .. }), Some("unavailable")) => {
            leave(site, connection, &dialog);
            Ok(())
        }
        (Err(_), None) => Err(Refusal::NOT_FOUND),
        // Also errors, which are never answered (RFC 6120 §8.3.1).
        _ => Ok(()),
    };
    if let Err(refusal) = answer {
        connection.push(join_error(presence, refusal));
    }
    After::Done
}

fn join_error(presence: &Element, refusal: Refusal) -> Element {
    let mut error = Element::builder("presence", ns::CLIENT)
        .with("type", "error")
        // Without this child the SDK's promise never settles (B.8).
        .append(Element::bare("x", ns::MUC))
        .append(refusal.element())
        .build();
    set_attribute(&mut error, "id", presence.attr("id"));
    set_attribute(&mut error, "from", presence.attr("to"));
    error
}

fn available(site: &Site, connection: &Arc<Connection>, presence: &Element) -> After {
    let was_available = connection.is_available();
    if site.router.set_available(connection, true) {
        announce_activity(site, connection.user, true);
    }
    let mut echo = presence.clone();
    set_attribute(&mut echo, "from", Some(&connection.address));
    connection.push(echo);
    if was_available {
        After::Done
    } else {
        After::HandOver
    }
}

async fn unavailable(site: &Site, connection: &Arc<Connection>) {
    if site.router.set_available(connection, false) {
        went_offline(site, connection.user).await;
    }
}

/// Notes the time and tells the watchers.
async fn went_offline(site: &Site, user: UserId) {
    let now = site.now();
    if let Err(error) = site.store.run(move |db| users::seen(db, user, now)).await {
        tracing::warn!(user, %error, "the time of going offline is lost");
    }
    announce_activity(site, user, false);
}

/// Cleans up after a connection that has ended.
pub async fn gone(site: &Site, connection: &Arc<Connection>) {
    let (rooms, was_last) = site.router.unregister(connection);
    site.blocks
        .set_active(connection.user, &connection.resource, None);
    for dialog in rooms {
        announce_leave(site, &dialog, connection.user, &site.router.joined(&dialog));
    }
    if was_last {
        went_offline(site, connection.user).await;
    }
}

async fn join(
    site: &Site,
    connection: &Arc<Connection>,
    dialog: &str,
    presence: &Element,
) -> Result<(), Refusal> {
    let id = dialog.to_owned();
    let found = site.store.run(move |db| dialogs::load(db, &id)).await;
    let found = found.map_err(|error| {
        tracing::error!(%error, "a room could not be looked up");
        Refusal::INTERNAL
    })?;
    // One answer for both, so that ids of strangers' dialogs cannot be probed.
    let is_member =
        found.is_some_and(|dialog| dialog.kind != dialogs::PRIVATE && dialog.has(connection.user));
    if !is_member {
        return Err(Refusal::FORBIDDEN);
    }
    let is_of_user = |other: &Arc<Connection>| other.user == connection.user;
    // A user is in a room once, through however many connections (B.8).
    let was_there = site.router.joined(dialog).iter().any(is_of_user);
    let others = site
        .router
        .join(dialog, connection)
        .ok_or(Refusal::UNAVAILABLE)?;
    let own = site.realm.occupant(dialog, connection.user);
    let mut told: HashSet<UserId> = HashSet::new();
    for other in others.iter().filter(|other| !is_of_user(other)) {
        if told.insert(other.user) && may_see(site, connection, other.user, dialog) {
            let theirs = site.realm.occupant(dialog, other.user);
            connection.push(occupant(&theirs, None, None));
        }
        if !was_there && may_see(site, other, connection.user, dialog) {
            other.push(occupant(&own, None, None));
        }
    }
    let mut own_presence = occupant(&own, None, Some((site, "110")));
    if presence.attr("to") != Some(own.as_str()) {
        name_given(&mut own_presence);
    }
    set_attribute(&mut own_presence, "id", presence.attr("id"));
    connection.push(own_presence);
    Ok(())
}

fn may_see(site: &Site, viewer: &Connection, user: UserId, dialog: &str) -> bool {
    let resource = Some(viewer.resource.as_str());
    site.blocks
        .may_see(viewer.user, resource, user, Some(dialog))
}

/// The room gave the nick, not the client (XEP-0045 §7.2.3); after the 110, which has to be first.
fn name_given(presence: &mut Element) {
    if let Some(x) = presence.get_child_mut("x", ns::MUC_USER) {
        x.append_child(
            Element::builder("status", ns::MUC_USER)
                .with("code", "210")
                .build(),
        );
    }
}

fn leave(site: &Site, connection: &Arc<Connection>, dialog: &str) {
    if let Some(remaining) = site.router.leave(dialog, connection) {
        announce_leave(site, dialog, connection.user, &remaining);
    }
    // Leaving twice is answered too, or the SDK's promise would hang.
    let own = site.realm.occupant(dialog, connection.user);
    connection.push(occupant(&own, Some("unavailable"), Some((site, "110"))));
}

/// Tells a room, unless the user is still in it through another connection.
fn announce_leave(site: &Site, dialog: &str, user: UserId, remaining: &[Arc<Connection>]) {
    if remaining.iter().any(|other| other.user == user) {
        return;
    }
    let presence = occupant(
        &site.realm.occupant(dialog, user),
        Some("unavailable"),
        None,
    );
    for other in remaining {
        if may_see(site, other, user, dialog) {
            other.push(presence.clone());
        }
    }
}

/// What SDK versions 4.0 to 6.1.2 read instead of a status code (B.8), if the site wants it.
fn shim(site: &Site, code: &str) -> Option<Element> {
    site.config.chat.sdk_compat.then(|| {
        Element::builder("xmlns", ns::MUC_USER)
            .append(Element::builder("code", ns::MUC_USER).append(code))
            .build()
    })
}

/// A room's presence. `status` is for the occupant itself.
fn occupant(from: &str, kind: Option<&str>, status: Option<(&Site, &str)>) -> Element {
    let role = if kind.is_some() {
        "none"
    } else {
        "participant"
    };
    let mut x = Element::builder("x", ns::MUC_USER).append(
        Element::builder("item", ns::MUC_USER)
            .with("affiliation", "member")
            .with("role", role),
    );
    if let Some((site, code)) = status {
        x = x
            .append(Element::builder("status", ns::MUC_USER).with("code", code))
            .append_all(shim(site, code));
    }
    let mut presence = Element::builder("presence", ns::CLIENT)
        .with("from", from)
        .append(x)
        .build();
    set_attribute(&mut presence, "type", kind);
    presence
}

/// Takes a user who was removed from a dialog out of its room (B.8).
pub fn kick(site: &Site, dialog: &str, victim: UserId, by: UserId) {
    let own = site.realm.occupant(dialog, victim);
    let item = || {
        Element::builder("item", ns::MUC_USER)
            .with("affiliation", "none")
            .with("role", "none")
            .append(Element::builder("actor", ns::MUC_USER).with("jid", site.realm.user(by)))
            .build()
    };
    for connection in site.router.joined(dialog) {
        if connection.user != victim || site.router.leave(dialog, &connection).is_none() {
            continue;
        }
        let status = |code: &str| Element::builder("status", ns::MUC_USER).with("code", code);
        let x = Element::builder("x", ns::MUC_USER)
            .append(item())
            .append(status("301"))
            .append(status("110"))
            .append_all(shim(site, "301"));
        // Old clients read the item inside `x`, newer ones beside it.
        let presence = Element::builder("presence", ns::CLIENT)
            .with("type", "unavailable")
            .with("from", &own)
            .append(x)
            .append(item());
        connection.push(presence.build());
    }
    announce_leave(site, dialog, victim, &site.router.joined(dialog));
}
