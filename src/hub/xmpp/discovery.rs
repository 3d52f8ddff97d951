//! Service discovery (XEP-0030): what is offered, and who is in a room (wire reference B.8).

use minidom::Element;

use super::iq::internal;
use super::router::Connection;
use super::stanza::Refusal;
use crate::hub::site::Site;
use crate::hub::store::dialogs;
use crate::protocol::address::{Address, UserId};
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// What the server does for a client.
const SERVER: &[&str] = &[
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::PING,
    ns::LAST,
    ns::CARBONS,
    ns::PRIVACY,
    ns::CHAT_MARKERS,
];
/// What the host of rooms does.
const ROOMS: &[&str] = &[ns::DISCO_INFO, ns::PING, ns::MUC];
/// What a room is like (XEP-0045 §15.3).
const ROOM: &[&str] = &[
    ns::MUC,
    "muc_membersonly",
    "muc_nonanonymous",
    "muc_persistent",
    "muc_unmoderated",
];

/// Answers requests to the host of rooms: what it is. Which rooms there are is told by REST alone,
/// to their members.
pub fn of_rooms(request: (&str, &str, &str)) -> Result<Option<Element>, Refusal> {
    match request {
        ("get", "query", ns::DISCO_INFO) => Ok(Some(described("conference", "text", ROOMS))),
        ("get", "query", ns::DISCO_ITEMS) => Ok(Some(Element::bare("query", ns::DISCO_ITEMS))),
        ("get", "ping", ns::PING) => Ok(None),
        _ => Err(Refusal::UNAVAILABLE),
    }
}

/// What an address is.
pub async fn info(site: &Site, connection: &Connection, to: &Address) -> Result<Element, Refusal> {
    match to {
        Address::Server => Ok(described("server", "im", SERVER)),
        Address::User {
            user,
            resource: None,
        } if *user == connection.user => Ok(described("account", "registered", &[])),
        Address::Room {
            dialog,
            occupant: None,
        } => {
            check_member(site, connection, dialog).await?;
            Ok(described("conference", "text", ROOM))
        }
        _ => Err(Refusal::UNAVAILABLE),
    }
}

/// The services of the server, or the users who joined a room (B.8).
pub async fn items(site: &Site, connection: &Connection, to: &Address) -> Result<Element, Refusal> {
    let query = Element::builder("query", ns::DISCO_ITEMS);
    let item = |jid: String| Element::builder("item", ns::DISCO_ITEMS).with("jid", jid);
    let dialog = match to {
        Address::Server => return Ok(query.append(item(site.realm.rooms())).build()),
        Address::User { .. } => return Ok(query.build()),
        Address::Room { dialog, .. } => dialog,
    };
    check_member(site, connection, dialog).await?;
    let resource = Some(connection.resource.as_str());
    let joined = site.router.joined(dialog);
    let mut users: Vec<UserId> = joined.iter().map(|one| one.user).collect();
    users.sort_unstable();
    users.dedup();
    users.retain(|user| {
        site.blocks
            .may_see(connection.user, resource, *user, Some(dialog))
    });
    let items = users
        .into_iter()
        .map(|user| item(site.realm.occupant(dialog, user)).with("name", user.to_string()));
    Ok(query.append_all(items).build())
}

async fn check_member(site: &Site, connection: &Connection, dialog: &str) -> Result<(), Refusal> {
    let id = dialog.to_owned();
    let found = site.store.run(move |db| dialogs::load(db, &id)).await;
    let found = found.map_err(internal)?.ok_or(Refusal::NOT_FOUND)?;
    if found.has(connection.user) {
        Ok(())
    } else {
        Err(Refusal::FORBIDDEN)
    }
}

fn described(category: &str, kind: &str, features: &[&str]) -> Element {
    let identity = Element::builder("identity", ns::DISCO_INFO)
        .with("category", category)
        .with("type", kind)
        .with("name", "cubelet hub");
    let feature = |name: &&str| Element::builder("feature", ns::DISCO_INFO).with("var", *name);
    Element::builder("query", ns::DISCO_INFO)
        .append(identity)
        .append_all(features.iter().map(feature))
        .build()
}
