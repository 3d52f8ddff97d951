//! Who gets a message, and handing it over: the receivers' connections, carbons, what the hub says
//! itself. Nothing here decides whether a message may be sent; that is `delivery`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use minidom::Element;

use super::announce::rest_address;
use super::delivery::Sender;
use super::router::Connection;
use super::stanza::carbon;
use super::undelivered::flush_if_due;
use crate::hub::site::Site;
use crate::hub::store::dialogs::{self, Dialog};
use crate::protocol::address::UserId;
use crate::protocol::ns;
use crate::protocol::privacy::{Peer, Traffic};

/// A message that has been checked and stored, and where it goes.
pub(super) struct Outgoing {
    pub(super) stanza: Element,
    pub(super) to: Receivers,
    // Its place, if it must arrive.
    pub(super) seq: Option<i64>,
    // Whether the store has it for its receivers.
    pub(super) is_written: bool,
}

/// Who gets it.
pub(super) enum Receivers {
    // One user, at one resource if it is there.
    One(UserId, Option<String>),
    // The occupants of a dialog.
    Many { dialog: String, users: Vec<UserId> },
}

/// Queues a stored message for its receivers. On the store's thread only: it is what makes the
/// order of storage the order of delivery.
pub(super) fn deliver(site: &Arc<Site>, sender: &Sender, outgoing: Outgoing) {
    let Outgoing {
        stanza,
        to,
        seq,
        is_written,
    } = outgoing;
    let unsaved = seq
        .filter(|_| !is_written)
        .map(|_| Arc::new(stanza.clone()));
    let peer = match &to {
        Receivers::One(..) => sender.peer(),
        Receivers::Many { dialog, .. } => Peer::Occupant {
            dialog,
            user: sender.user,
        },
    };
    let one = |user: UserId, resource: Option<&str>| {
        let Some(seq) = seq else {
            push(site, &peer, user, resource, &stanza);
            return;
        };
        let targets = targets(site, &peer, user, resource, &stanza);
        let mut in_flight = site.in_flight.lock();
        let later = in_flight.hand_out(
            user,
            seq,
            unsaved.clone(),
            &targets,
            |target| target.number,
            |target| target.push_message(stanza.clone(), seq),
        );
        for target in targets.iter().filter(|one| later.contains(&one.number)) {
            target.fall_behind();
        }
    };
    match &to {
        Receivers::One(user, resource) => {
            one(*user, resource.as_deref());
            copy_to_own(site, sender, &stanza);
        }
        Receivers::Many { users, .. } => {
            for user in users.iter().copied() {
                if user == sender.user {
                    // The own connections get their copy (B.2).
                    site.router.deliver(user, None, &stanza);
                } else {
                    one(user, None);
                }
            }
        }
    }
    flush_if_due(site);
}

/// Joining is not needed to receive, and the sender's own connections get their copy (B.2). A
/// broadcast goes to every user who is connected. Who has blocked the sender in rooms gets
/// nothing, and the sender does not learn of it (B.9).
pub(super) fn receivers(
    site: &Site,
    dialog: &Dialog,
    sender: UserId,
    except: Option<UserId>,
) -> Receivers {
    let mut users = if dialog.kind == dialogs::BROADCAST {
        site.router.online()
    } else {
        dialog.occupants.clone()
    };
    users.retain(|user| Some(*user) != except);
    leave_out_blocks(site, dialog, sender, &mut users);
    Receivers::Many {
        dialog: dialog.id.clone(),
        users,
    }
}

/// Leaves out whom the dialog has blocked, and who has blocked the sender.
pub(super) fn leave_out_blocks(
    site: &Site,
    dialog: &Dialog,
    sender: UserId,
    users: &mut Vec<UserId>,
) {
    let peer = Peer::Occupant {
        dialog: &dialog.id,
        user: sender,
    };
    users.retain(|user| {
        !dialog.blocked.contains(user) && site.blocks.takes(&site.router, *user, None, &peer)
    });
}

/// Hands a stanza that the hub made for `user` to the people of a dialog, the user's own
/// connections included. It is kept for nobody: the history says the same.
pub fn emit(site: &Site, dialog: &Dialog, user: UserId, stanza: &Element) {
    let sender = Sender {
        user,
        address: rest_address(site, user),
        connection: None,
    };
    if dialog.kind == dialogs::PRIVATE {
        if let Some(partner) = dialog.partner(user) {
            push(site, &sender.peer(), partner, None, stanza);
            copy_to_own(site, &sender, stanza);
        }
    } else if let Receivers::Many { dialog, users } = receivers(site, dialog, user, None) {
        let peer = Peer::Occupant {
            dialog: &dialog,
            user,
        };
        for receiver in users {
            push(site, &peer, receiver, None, stanza);
        }
    }
}

/// Where a stanza of `peer` to a user goes: to those connections whose privacy lists let it
/// through (B.9), and typing not to who does not look (XEP-0352).
fn targets(
    site: &Site,
    peer: &Peer<'_>,
    to: UserId,
    resource: Option<&str>,
    stanza: &Element,
) -> Vec<Arc<Connection>> {
    let mut targets = site.router.targets(to, resource);
    let is_typing = ["composing", "paused"]
        .iter()
        .any(|name| stanza.has_child(name, ns::CHAT_STATES));
    targets.retain(|target| {
        let resource = Some(target.resource.as_str());
        let is_unseen = is_typing && target.is_inactive.load(Ordering::Relaxed);
        !is_unseen && !site.blocks.denies(to, resource, peer, Traffic::MessageIn)
    });
    targets
}

/// Hands over what is not kept for anybody. Returns how many took it.
pub(super) fn push(
    site: &Site,
    peer: &Peer<'_>,
    to: UserId,
    resource: Option<&str>,
    stanza: &Element,
) -> usize {
    let targets = targets(site, peer, to, resource, stanza);
    let taken = targets.iter().filter(|target| target.push(stanza.clone()));
    taken.count()
}

/// Sent-carbons for the sender's other connections (B.1).
pub(super) fn copy_to_own(site: &Site, sender: &Sender, message: &Element) {
    let own = site.router.available(sender.user);
    let is_alone = |one: &Arc<Connection>| {
        let sent = sender.connection.as_ref();
        sent.is_some_and(|sent| Arc::ptr_eq(sent, one))
    };
    if own.iter().all(is_alone) {
        return;
    }
    let bare = site.realm.user(sender.user);
    let mut copy = None;
    for other in own {
        let is_sender = sender
            .connection
            .as_ref()
            .is_some_and(|own| own.resource == other.resource);
        // A message to oneself reached the other connections already.
        let is_target = message.attr("to") == Some(other.address.as_str())
            || message.attr("to") == Some(bare.as_str());
        if !is_sender && !is_target && other.carbons.load(Ordering::Relaxed) {
            let copy = copy.get_or_insert_with(|| carbon(message, &bare));
            other.push(copy.clone());
        }
    }
}
