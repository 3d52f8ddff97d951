//! Who is connected, and the way to them.
//!
//! Invariant: handing a stanza over never waits. A connection whose queue is full is ended, not
//! waited for, unless the stanza can wait in the store: one slow reader must not hold up a room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use minidom::Element;
use parking_lot::Mutex;

pub use super::connection::Connection;
use crate::protocol::address::UserId;

#[derive(Default)]
struct Tables {
    users: HashMap<UserId, Vec<Arc<Connection>>>,
    // By dialog: who joined, in order of joining.
    rooms: HashMap<String, Vec<Arc<Connection>>>,
    // By user: the connections that want to know about coming and going (B.9).
    watchers: HashMap<UserId, Vec<Arc<Connection>>>,
    count: usize,
}

/// Rooms one connection may join, and users it may watch: more than any site has of either.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// The table of connections.
#[derive(Default)]
pub struct Router {
    tables: Mutex<Tables>,
}

impl Router {
    /// Enters a connection. One of the same resource, or the oldest beyond `per_user`, ends.
    pub fn register(&self, connection: &Arc<Connection>, per_user: usize) {
        let mut tables = self.tables.lock();
        let own = tables.users.entry(connection.user).or_default();
        for other in own
            .iter()
            .filter(|other| other.resource == connection.resource)
        {
            other.end("conflict");
        }
        let surplus = (own.len() + 1).saturating_sub(per_user);
        // Those that wait to be resumed first.
        let (detached, attached): (Vec<_>, Vec<_>) =
            own.iter().partition(|other| other.is_detached());
        for oldest in detached.into_iter().chain(attached).take(surplus) {
            oldest.end("policy-violation");
        }
        own.push(Arc::clone(connection));
        tables.count += 1;
    }

    /// Removes a connection. Returns the rooms it was in, and whether it was the user's last
    /// available one.
    pub fn unregister(&self, connection: &Arc<Connection>) -> (Vec<String>, bool) {
        let was_available = self.set_available(connection, false);
        let mut tables = self.tables.lock();
        let gone = |other: &Arc<Connection>| Arc::ptr_eq(other, connection);
        if let Some(own) = tables.users.get_mut(&connection.user) {
            own.retain(|other| !gone(other));
            if own.is_empty() {
                tables.users.remove(&connection.user);
            }
            tables.count = tables.count.saturating_sub(1);
        }
        let mut left = Vec::new();
        tables.rooms.retain(|dialog, joined| {
            if joined.iter().any(gone) {
                left.push(dialog.clone());
                joined.retain(|other| !gone(other));
            }
            !joined.is_empty()
        });
        tables.watchers.retain(|_, watching| {
            watching.retain(|other| !gone(other));
            !watching.is_empty()
        });
        (left, was_available)
    }

    /// Marks a connection as taking messages or not. Returns whether this changed the user from
    /// offline to online or back.
    pub fn set_available(&self, connection: &Arc<Connection>, available: bool) -> bool {
        let tables = self.tables.lock();
        let others = tables.users.get(&connection.user).is_some_and(|own| {
            own.iter()
                .any(|other| !Arc::ptr_eq(other, connection) && other.is_available())
        });
        let before = connection.set_available(available);
        before != available && !others
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.tables.lock().count
    }

    /// The users who take messages now, in order of their numbers.
    pub fn online(&self) -> Vec<UserId> {
        let tables = self.tables.lock();
        let mut online: Vec<UserId> = tables
            .users
            .iter()
            .filter(|(_, own)| own.iter().any(|connection| connection.is_available()))
            .map(|(user, _)| *user)
            .collect();
        online.sort_unstable();
        online
    }

    /// Whether a user takes messages now.
    pub fn is_online(&self, user: UserId) -> bool {
        !self.available(user).is_empty()
    }

    /// Whether somebody looks at what comes for a user: a connection that is there, and whose client
    /// neither sleeps nor asked for push notifications (RT-48). One whose line is broken is not
    /// there, even while it can be resumed.
    pub fn is_attended(&self, user: UserId) -> bool {
        self.available(user).iter().any(|one| {
            !one.is_detached()
                && !one.is_inactive.load(Ordering::Relaxed)
                && !one.wants_push.load(Ordering::Relaxed)
        })
    }

    /// A user's connections that take messages.
    pub fn available(&self, user: UserId) -> Vec<Arc<Connection>> {
        let tables = self.tables.lock();
        let own = tables.users.get(&user).into_iter().flatten();
        own.filter(|connection| connection.is_available())
            .cloned()
            .collect()
    }

    /// Where a message to a user goes: to one resource if it is there, else to all.
    pub fn targets(&self, user: UserId, resource: Option<&str>) -> Vec<Arc<Connection>> {
        let mut targets = self.available(user);
        if let Some(resource) = resource
            && targets.iter().any(|target| target.resource == resource)
        {
            targets.retain(|target| target.resource == resource);
        }
        targets
    }

    /// Hands a stanza to a user: to one resource if it is there, else to all. Returns how many
    /// took it.
    pub fn deliver(&self, user: UserId, resource: Option<&str>, element: &Element) -> usize {
        self.targets(user, resource)
            .iter()
            .filter(|target| target.push(element.clone()))
            .count()
    }

    /// Ends all connections of a user.
    pub fn end_user(&self, user: UserId, condition: &'static str) {
        for connection in self.tables.lock().users.get(&user).into_iter().flatten() {
            connection.end(condition);
        }
    }

    /// Ends all connections.
    pub fn end_all(&self, condition: &'static str) {
        for connection in self.tables.lock().users.values().flatten() {
            connection.end(condition);
        }
    }

    /// Enters a connection into a room. Returns who else is there, or `None` when it is in too
    /// many rooms already.
    pub fn join(&self, dialog: &str, connection: &Arc<Connection>) -> Option<Vec<Arc<Connection>>> {
        let mut tables = self.tables.lock();
        let is_own = |other: &Arc<Connection>| Arc::ptr_eq(other, connection);
        let rooms = tables
            .rooms
            .values()
            .filter(|joined| joined.iter().any(is_own))
            .count();
        if rooms >= MAX_SUBSCRIPTIONS {
            return None;
        }
        let joined = tables.rooms.entry(dialog.to_owned()).or_default();
        joined.retain(|other| !is_own(other));
        let others = joined.clone();
        joined.push(Arc::clone(connection));
        Some(others)
    }

    /// Takes a connection out of a room. Returns who remains, or `None` if it was not there.
    pub fn leave(
        &self,
        dialog: &str,
        connection: &Arc<Connection>,
    ) -> Option<Vec<Arc<Connection>>> {
        let mut tables = self.tables.lock();
        let joined = tables.rooms.get_mut(dialog)?;
        let before = joined.len();
        joined.retain(|other| !Arc::ptr_eq(other, connection));
        let remaining = joined.clone();
        let was_there = before != remaining.len();
        if remaining.is_empty() {
            tables.rooms.remove(dialog);
        }
        was_there.then_some(remaining)
    }

    /// Who is in a room.
    pub fn joined(&self, dialog: &str) -> Vec<Arc<Connection>> {
        self.tables
            .lock()
            .rooms
            .get(dialog)
            .cloned()
            .unwrap_or_default()
    }

    /// Starts or stops telling `connection` when `user` comes and goes. `false` when it watches
    /// too many.
    pub fn watch(&self, user: UserId, connection: &Arc<Connection>, enable: bool) -> bool {
        let mut tables = self.tables.lock();
        let is_own = |other: &Arc<Connection>| Arc::ptr_eq(other, connection);
        let watched = tables
            .watchers
            .values()
            .filter(|all| all.iter().any(is_own))
            .count();
        if enable && watched >= MAX_SUBSCRIPTIONS {
            return false;
        }
        let watching = tables.watchers.entry(user).or_default();
        watching.retain(|other| !is_own(other));
        if enable {
            watching.push(Arc::clone(connection));
        }
        if watching.is_empty() {
            tables.watchers.remove(&user);
        }
        true
    }

    /// The connections that watch a user.
    pub fn watchers(&self, user: UserId) -> Vec<Arc<Connection>> {
        self.tables
            .lock()
            .watchers
            .get(&user)
            .cloned()
            .unwrap_or_default()
    }
}
