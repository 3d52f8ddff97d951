//! Privacy lists (XEP-0016, wire reference B.9): whom a user lets through.
//!
//! A list is an ordered sequence of rules, the first that fits a stanza decides, and what no rule
//! fits is let through. Order and pairing of items survive reading and writing, because clients
//! read every second item.

use std::collections::BTreeSet;

use minidom::Element;
use serde::{Deserialize, Serialize};

use super::address::{Address, Realm, UserId};
use super::ns;
use super::xml::SetAttribute;

/// The longest name of a list, in bytes.
pub const NAME_MAX: usize = 128;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Lets through.
    Allow,
    /// Stops.
    Deny,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Everybody: the rule that ends a list.
    Everybody,
    /// An address: a user's, one connection's, a room's, or `muc.{chat}/{user}` for what a user
    /// writes in rooms.
    Jid(String),
    /// Users by subscription (`both`, `to`, `from`, `none`). There is no contact list here, so
    /// everybody's is `none`.
    Subscription(String),
}

/// The kinds of stanza a rule is about. With none named it is about all of them, in both
/// directions (XEP-0016 §2.1): a mutual block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Messages that come in.
    pub message: bool,
    /// Presence that comes in.
    pub presence_in: bool,
    /// Presence that goes out.
    pub presence_out: bool,
    /// Requests that come in.
    pub iq: bool,
}

impl Scope {
    const NAMES: [&'static str; 4] = ["message", "presence-in", "presence-out", "iq"];

    fn flags(self) -> [bool; 4] {
        [self.message, self.presence_in, self.presence_out, self.iq]
    }

    fn covers(self, traffic: Traffic) -> bool {
        if self == Self::default() {
            return true;
        }
        match traffic {
            Traffic::MessageIn => self.message,
            Traffic::PresenceIn => self.presence_in,
            Traffic::PresenceOut => self.presence_out,
            Traffic::IqIn => self.iq,
            Traffic::MessageOut => false,
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Whom it is about.
    pub subject: Subject,
    /// What it does.
    pub action: Action,
    /// Its place; each place is taken once.
    pub order: u32,
    /// Which stanzas it is about.
    pub scope: Scope,
}

/// A named list, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its name.
    pub name: String,
    /// At least one rule, by rising order.
    pub items: Vec<Item>,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The names of the lists, and which are in use.
    Names,
    /// One list.
    Get(String),
    /// Create a list or replace it as a whole.
    Put(List),
    /// Delete a list.
    Delete(String),
    /// Apply a list to the user, or none.
    SetDefault(Option<String>),
    /// Apply a list to the asking connection instead of the default, or none.
    SetActive(Option<String>),
}

/// Why a request makes no sense; always XEP-0016's `bad-request` but for groups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivacyError {
    /// A rule of the request's form is broken.
    #[error("{0}")]
    Malformed(&'static str),
    /// A group of a contact list, which nobody has here (`item-not-found`).
    #[error("there is no contact list, so no group {0:?}")]
    UnknownGroup(String),
}

/// Reads the `<query/>` of an IQ of this kind (`get` or `set`).
///
/// # Errors
/// [`PrivacyError`].
pub fn read(kind: &str, query: &Element) -> Result<Request, PrivacyError> {
    let mut children = query.children();
    let (first, second) = (children.next(), children.next());
    if second.is_some() {
        return Err(PrivacyError::Malformed("a request has one child at most"));
    }
    let Some(child) = first else {
        return match kind {
            "get" => Ok(Request::Names),
            _ => Err(PrivacyError::Malformed("nothing to set")),
        };
    };
    if child.ns() != ns::PRIVACY {
        return Err(PrivacyError::Malformed("a child of a strange namespace"));
    }
    match (kind, child.name()) {
        ("get", "list") => Ok(Request::Get(name_of(child)?)),
        ("set", "list") if child.children().next().is_none() => {
            Ok(Request::Delete(name_of(child)?))
        }
        ("set", "list") => Ok(Request::Put(List::read(child)?)),
        ("set", "default") => Ok(Request::SetDefault(optional_name(child)?)),
        ("set", "active") => Ok(Request::SetActive(optional_name(child)?)),
        _ => Err(PrivacyError::Malformed("no such request")),
    }
}

fn name_of(element: &Element) -> Result<String, PrivacyError> {
    optional_name(element)?.ok_or(PrivacyError::Malformed("a list needs a name"))
}

fn optional_name(element: &Element) -> Result<Option<String>, PrivacyError> {
    match element.attr("name") {
        None => Ok(None),
        Some(name) if (1..=NAME_MAX).contains(&name.len()) => Ok(Some(name.to_owned())),
        Some(_) => Err(PrivacyError::Malformed("a name has 1 to 128 bytes")),
    }
}

impl Request {
    /// The request as a client sends it: the kind of IQ and its `<query/>`.
    pub fn query(&self) -> (&'static str, Element) {
        let named = |element: &str, name: &Option<String>| {
            let element = Element::builder(element, ns::PRIVACY);
            match name {
                Some(name) => element.with("name", name).build(),
                None => element.build(),
            }
        };
        let (kind, child) = match self {
            Self::Names => ("get", None),
            Self::Get(name) => ("get", Some(named("list", &Some(name.clone())))),
            Self::Put(list) => ("set", Some(list.element())),
            Self::Delete(name) => ("set", Some(named("list", &Some(name.clone())))),
            Self::SetDefault(name) => ("set", Some(named("default", name))),
            Self::SetActive(name) => ("set", Some(named("active", name))),
        };
        let query = Element::builder("query", ns::PRIVACY).append_all(child);
        (kind, query.build())
    }
}

/// The name of the default list in the answer to [`Request::Names`], if one is set.
pub fn default_name(answer: &Element) -> Option<String> {
    let default = answer.get_child("default", ns::PRIVACY)?;
    default.attr("name").map(str::to_owned)
}

impl List {
    /// The list in the answer to [`Request::Get`].
    ///
    /// # Errors
    /// [`PrivacyError`] when there is none, or one that makes no sense.
    pub fn of_answer(answer: &Element) -> Result<Self, PrivacyError> {
        let list = answer.get_child("list", ns::PRIVACY);
        Self::read(list.ok_or(PrivacyError::Malformed("an answer without a list"))?)
    }

    fn read(element: &Element) -> Result<Self, PrivacyError> {
        let name = name_of(element)?;
        let items: Result<Vec<Item>, _> = element.children().map(Item::read).collect();
        let mut items = items?;
        let places: BTreeSet<u32> = items.iter().map(|item| item.order).collect();
        if places.len() != items.len() {
            return Err(PrivacyError::Malformed("each order is taken once"));
        }
        items.sort_by_key(|item| item.order);
        Ok(Self { name, items })
    }

    /// The `<list/>` element.
    pub fn element(&self) -> Element {
        Element::builder("list", ns::PRIVACY)
            .with("name", &self.name)
            .append_all(self.items.iter().map(Item::element))
            .build()
    }
}

impl Item {
    fn read(element: &Element) -> Result<Self, PrivacyError> {
        if !element.is("item", ns::PRIVACY) {
            return Err(PrivacyError::Malformed("a list consists of items"));
        }
        let value = || {
            let value = element.attr("value").filter(|value| !value.is_empty());
            value
                .map(str::to_owned)
                .ok_or(PrivacyError::Malformed("an item with a type needs a value"))
        };
        let subject = match element.attr("type") {
            None => Subject::Everybody,
            Some("jid") => Subject::Jid(value()?),
            Some("subscription") => match value()? {
                value if ["both", "to", "from", "none"].contains(&value.as_str()) => {
                    Subject::Subscription(value)
                }
                _ => return Err(PrivacyError::Malformed("no such subscription")),
            },
            Some("group") => return Err(PrivacyError::UnknownGroup(value()?)),
            Some(_) => return Err(PrivacyError::Malformed("no such type of item")),
        };
        let action = match element.attr("action") {
            Some("allow") => Action::Allow,
            Some("deny") => Action::Deny,
            _ => return Err(PrivacyError::Malformed("an action is allow or deny")),
        };
        let order = element.attr("order").and_then(|order| order.parse().ok());
        let order = order.ok_or(PrivacyError::Malformed("an order is a number from 0"))?;
        let has = |name| element.has_child(name, ns::PRIVACY);
        let [message, presence_in, presence_out, iq] = Scope::NAMES.map(has);
        Ok(Self {
            subject,
            action,
            order,
            scope: Scope {
                message,
                presence_in,
                presence_out,
                iq,
            },
        })
    }

    fn element(&self) -> Element {
        let mut item = Element::builder("item", ns::PRIVACY);
        item = match &self.subject {
            Subject::Everybody => item,
            Subject::Jid(value) => item.with("type", "jid").with("value", value),
            Subject::Subscription(value) => item.with("type", "subscription").with("value", value),
        };
        let action = match self.action {
            Action::Allow => "allow",
            Action::Deny => "deny",
        };
        let named = Scope::NAMES.into_iter().zip(self.scope.flags());
        item.with("action", action)
            .with("order", self.order.to_string())
            .append_all(
                named
                    .filter(|(_, is_named)| *is_named)
                    .map(|(name, _)| Element::bare(name, ns::PRIVACY)),
            )
            .build()
    }
}

/// Which way a stanza goes, seen from the owner of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A message to the owner.
    MessageIn,
    /// A message of the owner.
    MessageOut,
    /// Somebody's presence or activity, shown to the owner.
    PresenceIn,
    /// The owner's presence or activity, shown to somebody.
    PresenceOut,
    /// A request about the owner.
    IqIn,
}

/// Whom a stanza comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// A user, directly.
    User {
        /// The user's number.
        user: UserId,
        /// The connection, if it is known.
        resource: Option<&'a str>,
    },
    /// A user in a room.
    Occupant {
        /// The dialog.
        dialog: &'a str,
        /// The user's number.
        user: UserId,
    },
}

impl Peer<'_> {
    /// The user's number.
    pub fn user(&self) -> UserId {
        match self {
            Self::User { user, .. } | Self::Occupant { user, .. } => *user,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Matcher {
    Everybody,
    // An address of another server, or of no form known here.
    Nobody,
    // The chat host: every user on it.
    AnyUser,
    User(UserId),
    Connection(UserId, String),
    // The host of rooms: every room on it.
    AnyRoom,
    Room(String),
    Occupant(String, UserId),
    // `muc.{chat}/{user}`: that user in any room.
    InAnyRoom(UserId),
}

impl Matcher {
    /// XEP-0016 §2.1: a full address, a bare one, a host with a resource, or a host.
    fn of(subject: &Subject, realm: &Realm) -> Self {
        let address = match subject {
            Subject::Everybody => return Self::Everybody,
            Subject::Subscription(value) if value == "none" => return Self::Everybody,
            Subject::Subscription(_) => return Self::Nobody,
            Subject::Jid(address) => address,
        };
        let rooms = address
            .strip_prefix("muc.")
            .and_then(|rest| rest.strip_prefix(realm.chat_host.as_str()));
        if let Some(rest) = rooms {
            return match rest.strip_prefix('/').map(str::parse) {
                Some(Ok(user)) => Self::InAnyRoom(user),
                None if rest.is_empty() => Self::AnyRoom,
                _ => Self::Nobody,
            };
        }
        match realm.parse(address) {
            Ok(Address::Server) => Self::AnyUser,
            Ok(Address::User {
                user,
                resource: None,
            }) => Self::User(user),
            Ok(Address::User {
                user,
                resource: Some(resource),
            }) => Self::Connection(user, resource),
            Ok(Address::Room {
                dialog,
                occupant: None,
            }) => Self::Room(dialog),
            Ok(Address::Room {
                dialog,
                occupant: Some(user),
            }) => Self::Occupant(dialog, user),
            Err(_) => Self::Nobody,
        }
    }

    fn fits(&self, peer: &Peer<'_>) -> bool {
        match (self, peer) {
            (Self::Everybody, _)
            | (Self::AnyUser, Peer::User { .. })
            | (Self::AnyRoom, Peer::Occupant { .. }) => true,
            (Self::User(own), Peer::User { user, .. })
            | (Self::InAnyRoom(own), Peer::Occupant { user, .. }) => own == user,
            (Self::Connection(own, name), Peer::User { user, resource }) => {
                own == user && *resource == Some(name.as_str())
            }
            (Self::Room(own), Peer::Occupant { dialog, .. }) => own == dialog,
            (Self::Occupant(room, own), Peer::Occupant { dialog, user }) => {
                room == dialog && own == user
            }
            _ => false,
        }
    }
}

/// A list made ready for deciding, without the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<(Matcher, Action, Scope)>,
}

impl Rules {
    /// Makes a list's items ready; they are taken in the order given.
    pub fn new(items: &[Item], realm: &Realm) -> Self {
        let ready = |item: &Item| (Matcher::of(&item.subject, realm), item.action, item.scope);
        Self {
            rules: items.iter().map(ready).collect(),
        }
    }

    /// Whether the list stops this traffic.
    pub fn denies(&self, peer: &Peer<'_>, traffic: Traffic) -> bool {
        let mut fitting = self
            .rules
            .iter()
            .filter(|(matcher, _, scope)| scope.covers(traffic) && matcher.fits(peer));
        fitting
            .next()
            .is_some_and(|(_, action, _)| *action == Action::Deny)
    }
}

#[cfg(test)]
#[path = "privacy_tests.rs"]
mod tests;
