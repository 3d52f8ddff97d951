//! Requests: ping, activity, discovery, switches (wire reference B.9).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use minidom::Element;

use super::router::Connection;
use super::stanza::{Refusal, result};
use crate::hub::site::Site;
use crate::hub::store::{StoreError, dialogs, users};
use crate::protocol::address::{Address, UserId};
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// Answers an IQ of a bound connection; results and errors need no answer.
pub async fn answer(site: &Site, connection: &Arc<Connection>, iq: &Element) -> Option<Element> {
    let kind = iq.attr("type").unwrap_or_default();
    if matches!(kind, "result" | "error") {
        return None;
    }
    let answered = match (kind, iq.children().next()) {
        ("get" | "set", Some(payload)) => handle(site, connection, iq, kind, payload).await,
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
    let to = match iq.attr("to") {
        None => Address::Server,
        Some(to) => site.realm.parse(to).map_err(|_| Refusal::NOT_FOUND)?,
    };
    let is_own = match &to {
        Address::Server => true,
        Address::User {
            user,
            resource: None,
        } => *user == connection.user,
        _ => false,
    };
    match (kind, payload.name(), payload.ns().as_str()) {
        ("get", "ping", ns::PING) if is_own => Ok(None),
        ("get", "query", ns::LAST) => last_activity(site, &to).await.map(Some),
        ("get", "query", ns::DISCO_ITEMS) => items(site, connection, &to).await.map(Some),
        ("get", "query", ns::DISCO_INFO) if matches!(to, Address::Server) => Ok(Some(info())),
        ("set", name @ ("enable" | "disable"), ns::CARBONS) if is_own => {
            connection
                .carbons
                .store(name == "enable", Ordering::Relaxed);
            Ok(None)
        }
        ("set", "subscribe", ns::STATUS_STREAMING) => watch(site, connection, payload),
        // Whether a phone sleeps matters to push notifications only, which come with a later
        // version; until then there is nothing to switch, and clients expect a result.
        ("set", "mobile", ns::MOBILE) => Ok(None),
        ("set", "session", ns::SESSION) => Ok(None),
        (_, name, namespace) => {
            tracing::debug!(user = connection.user, name, namespace, "unknown request");
            Err(Refusal::UNAVAILABLE)
        }
    }
}

/// Seconds since the user was here; 0 while online (XEP-0012).
async fn last_activity(site: &Site, to: &Address) -> Result<Element, Refusal> {
    let Address::User { user, .. } = to else {
        return Err(Refusal::UNAVAILABLE);
    };
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
        watcher.push(push.clone());
    }
}

fn watch(
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
    let enable = payload.attr("enable") != Some("false");
    if site.router.watch(user, connection, enable) {
        Ok(None)
    } else {
        Err(Refusal::UNAVAILABLE)
    }
}

/// The users who joined a room (B.8).
async fn items(
    site: &Site,
    connection: &Arc<Connection>,
    to: &Address,
) -> Result<Element, Refusal> {
    let query = Element::builder("query", ns::DISCO_ITEMS);
    let Address::Room { dialog, .. } = to else {
        return Ok(query.build());
    };
    let id = dialog.clone();
    let found = site.store.run(move |db| dialogs::load(db, &id)).await;
    let found = found.map_err(internal)?.ok_or(Refusal::NOT_FOUND)?;
    if !found.has(connection.user) {
        return Err(Refusal::FORBIDDEN);
    }
    let mut users: Vec<UserId> = site
        .router
        .joined(dialog)
        .iter()
        .map(|one| one.user)
        .collect();
    users.sort_unstable();
    users.dedup();
    let items = users.into_iter().map(|user| {
        Element::builder("item", ns::DISCO_ITEMS)
            .with("jid", site.realm.occupant(dialog, user))
            .with("name", user.to_string())
    });
    Ok(query.append_all(items).build())
}

fn info() -> Element {
    let features = [
        ns::PING,
        ns::LAST,
        ns::CARBONS,
        ns::DISCO_ITEMS,
        ns::MUC,
        ns::CHAT_MARKERS,
    ];
    let identity = Element::builder("identity", ns::DISCO_INFO)
        .with("category", "server")
        .with("type", "im")
        .with("name", "cubelet hub");
    Element::builder("query", ns::DISCO_INFO)
        .append(identity)
        .append_all(
            features
                .map(|feature| Element::builder("feature", ns::DISCO_INFO).with("var", feature)),
        )
        .build()
}

fn internal(error: StoreError) -> Refusal {
    tracing::error!(%error, "a request could not be answered");
    Refusal::INTERNAL
}
