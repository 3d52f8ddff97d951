//! Requests: ping, activity, switches (wire reference B.9). Privacy lists and discovery have files
//! of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use minidom::Element;

use super::router::Connection;
use super::stanza::{Refusal, result};
use super::{discovery, privacy};
use crate::hub::site::Site;
use crate::hub::store::{StoreError, users};
use crate::protocol::address::{Address, UserId};
use crate::protocol::ns;
use crate::protocol::privacy::{Peer, Traffic};
use crate::protocol::xml::SetAttribute;

/// Answers an IQ of a bound connection; results and errors need no answer.
pub async fn answer(site: &Site, connection: &Arc<Connection>, iq: &Element) -> Option<Element> {
    let kind = iq.attr("type").unwrap_or_default();
    if matches!(kind, "result" | "error") {
        return None;
    }
    let mut children = iq.children();
    // RFC 6120 §8.2.3: an id, and one child.
    let answered = match (kind, children.next(), children.next(), iq.attr("id")) {
        ("get" | "set", Some(payload), None, Some(_)) => {
            handle(site, connection, iq, kind, payload).await
        }
        _ => Err(Refusal::BAD_REQUEST),
    };
    Some(match answered {
        Ok(payload) => result(iq, payload),
        Err(refusal) => refusal.answer(iq),
    })
}

async fn handle(
    site: &Site,
    connection: &Arc<Connection>,
    iq: &Element,
    kind: &str,
    payload: &Element,
) -> Result<Option<Element>, Refusal> {
    let namespace = payload.ns();
    let request = (kind, payload.name(), namespace.as_str());
    if iq.attr("to") == Some(site.realm.rooms().as_str()) {
        return discovery::of_rooms(request);
    }
    let to = match iq.attr("to") {
        None => Address::Server,
        Some(to) => site.realm.parse(to).map_err(|_| Refusal::NOT_FOUND)?,
    };
    let is_own = match &to {
        Address::Server => true,
        Address::User { user, resource } => {
            *user == connection.user
                && resource
                    .as_ref()
                    .is_none_or(|resource| *resource == connection.resource)
        }
        Address::Room { .. } => false,
    };
    match request {
        ("get", "ping", ns::PING) if is_own => Ok(None),
        ("get", "query", ns::LAST) => last_activity(site, connection, &to).await.map(Some),
        ("get", "query", ns::DISCO_ITEMS) => {
            discovery::items(site, connection, &to).await.map(Some)
        }
        ("get", "query", ns::DISCO_INFO) => discovery::info(site, connection, &to).await.map(Some),
        ("get" | "set", "query", ns::PRIVACY) if is_own => {
            privacy::answer(site, connection, kind, payload).await
        }
        // There is no contact list: it is always empty, and nobody can change it.
        ("get", "query", ns::ROSTER) if is_own => Ok(Some(Element::bare("query", ns::ROSTER))),
        ("set", "query", ns::ROSTER) if is_own => Err(Refusal::NOT_ALLOWED),
        ("set", name @ ("enable" | "disable"), ns::CARBONS) if is_own => {
            connection
                .carbons
                .store(name == "enable", Ordering::Relaxed);
            Ok(None)
        }
        ("set", "subscribe", ns::STATUS_STREAMING) => watch(site, connection, payload).await,
        ("set", "mobile", ns::MOBILE) => {
            let wants_push = payload.attr("enable") == Some("true");
            connection.wants_push.store(wants_push, Ordering::Relaxed);
            Ok(None)
        }
        ("set", "session", ns::SESSION) => Ok(None),
        (_, name, namespace) => {
            tracing::debug!(user = connection.user, name, namespace, "unknown request");
            Err(Refusal::UNAVAILABLE)
        }
    }
}

/// Seconds since the user was here; 0 while online (XEP-0012).
async fn last_activity(
    site: &Site,
    connection: &Connection,
    to: &Address,
) -> Result<Element, Refusal> {
    let Address::User { user, .. } = to else {
        return Err(Refusal::UNAVAILABLE);
    };
    let asking = Peer::User {
        user: connection.user,
        resource: Some(&connection.resource),
    };
    let denies = |traffic| site.blocks.denies(*user, None, &asking, traffic);
    if denies(Traffic::IqIn) || denies(Traffic::PresenceOut) {
        return Err(Refusal::UNAVAILABLE);
    }
    let seconds = if site.router.is_online(*user) {
        0
    } else {
        let user = *user;
        let seen = site.store.run(move |db| users::last_seen(db, user)).await;
        let seen = seen.map_err(internal)?.ok_or(Refusal::NOT_FOUND)?;
        // 0 means online, so somebody who has just gone is 1 s away.
        (site.now() - seen).max(1)
    };
    Ok(activity(seconds))
}

fn activity(seconds: i64) -> Element {
    Element::builder("query", ns::LAST)
        .with("seconds", seconds.to_string())
        .build()
}

/// Tells the watchers of a user that it came or went (B.9).
pub fn announce_activity(site: &Site, user: UserId, is_online: bool) {
    let push = Element::builder("iq", ns::CLIENT)
        .with("type", "result")
        .with(
            "id",
            crate::base::object_id::ObjectId::generate().to_string(),
        )
        .with("from", site.realm.user(user))
        .append(activity(i64::from(!is_online)))
        .build();
    for watcher in site.router.watchers(user) {
        let resource = Some(watcher.resource.as_str());
        if site.blocks.may_see(watcher.user, resource, user, None) {
            watcher.push(push.clone());
        }
    }
}

async fn watch(
    site: &Site,
    connection: &Arc<Connection>,
    payload: &Element,
) -> Result<Option<Element>, Refusal> {
    let user = payload
        .attr("user_jid")
        .and_then(|jid| site.realm.parse(jid).ok());
    let Some(Address::User { user, .. }) = user else {
        return Err(Refusal::BAD_REQUEST);
    };
    let found = site.store.run(move |db| users::last_seen(db, user)).await;
    found.map_err(internal)?.ok_or(Refusal::NOT_FOUND)?;
    let enable = payload.attr("enable") != Some("false");
    if site.router.watch(user, connection, enable) {
        Ok(None)
    } else {
        Err(Refusal::UNAVAILABLE)
    }
}

/// A request could not be answered for a reason of ours.
pub(super) fn internal(error: StoreError) -> Refusal {
    tracing::error!(%error, "a request could not be answered");
    Refusal::INTERNAL
}
