//! Requests about privacy lists (XEP-0016, wire reference B.9; RT-49…RT-53).

use minidom::Element;

use super::iq::internal;
use super::router::Connection;
use super::stanza::Refusal;
use crate::hub::site::Site;
use crate::hub::store::privacy;
use crate::protocol::ns;
use crate::protocol::privacy::{List, PrivacyError, Request, Rules, read};
use crate::protocol::xml::SetAttribute;

/// Lists one user may keep.
const MAX_LISTS: usize = 20;
/// Items of one list: five hundred blocked users at two items each.
const MAX_ITEMS: usize = 1_000;

/// The list, or one more, would be too much to keep.
const TOO_MUCH: Refusal = Refusal {
    code: 406,
    kind: "modify",
    condition: "not-acceptable",
    text: "Too many privacy lists or items.",
};
/// XEP-0016 §2.6: another connection of the user relies on the list.
const IN_USE: Refusal = Refusal {
    code: 409,
    kind: "cancel",
    condition: "conflict",
    text: "The privacy list is in use.",
};

/// Carries out a request about the asking user's own lists.
pub async fn answer(
    site: &Site,
    connection: &Connection,
    kind: &str,
    query: &Element,
) -> Result<Option<Element>, Refusal> {
    let request = read(kind, query).map_err(|error| {
        tracing::debug!(user = connection.user, %error, "privacy list refused");
        match error {
            PrivacyError::Malformed(_) => Refusal::BAD_REQUEST,
            PrivacyError::UnknownGroup(_) => Refusal::NOT_FOUND,
        }
    })?;
    match request {
        Request::Names => names(site, connection).await.map(Some),
        Request::Get(name) => get(site, connection, name).await.map(Some),
        change => {
            let _changing = site.blocks.changing.lock().await;
            match change {
                Request::Put(list) => put(site, connection, list).await,
                Request::Delete(name) => delete(site, connection, name).await,
                Request::SetDefault(name) => set_default(site, connection, name).await,
                Request::SetActive(name) => set_active(site, connection, name).await,
                Request::Names | Request::Get(_) => Ok(()),
            }
            .map(|()| None)
        }
    }
}

async fn names(site: &Site, connection: &Connection) -> Result<Element, Refusal> {
    let names = stored_names(site, connection).await?;
    let named =
        |element: &str, name: &str| Element::builder(element, ns::PRIVACY).with("name", name);
    let active = site.blocks.active(connection.user, &connection.resource);
    Ok(Element::builder("query", ns::PRIVACY)
        .append_all(names.default.iter().map(|name| named("default", name)))
        .append_all(active.iter().map(|name| named("active", name)))
        .append_all(names.all.iter().map(|name| named("list", name)))
        .build())
}

async fn stored_names(site: &Site, connection: &Connection) -> Result<privacy::Names, Refusal> {
    let user = connection.user;
    let names = site.store.run(move |db| privacy::names(db, user)).await;
    names.map_err(internal)
}

async fn get(site: &Site, connection: &Connection, name: String) -> Result<Element, Refusal> {
    let items = stored_items(site, connection, name.clone()).await?;
    let list = List { name, items };
    Ok(Element::builder("query", ns::PRIVACY)
        .append(list.element())
        .build())
}

async fn stored_items(
    site: &Site,
    connection: &Connection,
    name: String,
) -> Result<Vec<crate::protocol::privacy::Item>, Refusal> {
    let user = connection.user;
    let items = site.store.run(move |db| privacy::items(db, user, &name));
    items.await.map_err(internal)?.ok_or(Refusal::NOT_FOUND)
}

async fn put(site: &Site, connection: &Connection, list: List) -> Result<(), Refusal> {
    if list.items.len() > MAX_ITEMS {
        return Err(TOO_MUCH);
    }
    let user = connection.user;
    let rules = Rules::new(&list.items, &site.realm);
    let name = list.name.clone();
    let stored = site.store.run(move |db| {
        let is_kept = privacy::put(db, user, &list, MAX_LISTS)?;
        Ok(is_kept.then_some(privacy::names(db, user)?.default))
    });
    let default = stored.await.map_err(internal)?.ok_or(TOO_MUCH)?;
    site.blocks.replace_active(user, &name, Some(&rules));
    if default.as_ref() == Some(&name) {
        site.blocks.set_default(user, Some(rules));
    }
    Ok(())
}

async fn delete(site: &Site, connection: &Connection, name: String) -> Result<(), Refusal> {
    let user = connection.user;
    let names = stored_names(site, connection).await?;
    if !names.all.contains(&name) {
        return Err(Refusal::NOT_FOUND);
    }
    let is_default = names.default.as_ref() == Some(&name);
    let others = site.router.available(user);
    let mut others = others
        .iter()
        .filter(|other| other.resource != connection.resource);
    let is_in_use = others.any(|other| match site.blocks.active(user, &other.resource) {
        Some(active) => active == name,
        None => is_default,
    });
    if is_in_use {
        return Err(IN_USE);
    }
    let gone = name.clone();
    let deleted = site.store.run(move |db| privacy::delete(db, user, &gone));
    deleted.await.map_err(internal)?;
    site.blocks.replace_active(user, &name, None);
    if is_default {
        site.blocks.set_default(user, None);
    }
    Ok(())
}

/// XEP-0016 §2.4 would refuse this while another connection of the user relies on the old
/// default. Blocking somebody must work from whichever device is at hand, so it is done, and
/// holds for all of them at once.
async fn set_default(
    site: &Site,
    connection: &Connection,
    name: Option<String>,
) -> Result<(), Refusal> {
    let user = connection.user;
    let stored = site.store.run(move |db| {
        if !privacy::set_default(db, user, name.as_deref())? {
            return Ok(None);
        }
        let items = name.map(|name| privacy::items(db, user, &name));
        Ok(Some(items.transpose()?.flatten()))
    });
    let items = stored.await.map_err(internal)?.ok_or(Refusal::NOT_FOUND)?;
    let rules = items.map(|items| Rules::new(&items, &site.realm));
    site.blocks.set_default(user, rules);
    Ok(())
}

async fn set_active(
    site: &Site,
    connection: &Connection,
    name: Option<String>,
) -> Result<(), Refusal> {
    let list = match name {
        None => None,
        Some(name) => {
            let items = stored_items(site, connection, name.clone()).await?;
            Some((name, Rules::new(&items, &site.realm)))
        }
    };
    site.blocks
        .set_active(connection.user, &connection.resource, list);
    Ok(())
}
