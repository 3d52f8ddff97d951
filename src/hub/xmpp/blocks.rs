//! Whom users have blocked, in memory: the hot path asks here for every stanza and never waits.
//!
//! The default list applies to a user, an active list to one connection instead of the default
//! (XEP-0016 §2.2). A user without either has no entry, so a site that blocks nobody pays one
//! look-up in an empty table.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::router::Router;
use crate::protocol::address::UserId;
use crate::protocol::privacy::{Peer, Rules, Traffic};

#[derive(Clone, Default)]
struct Own {
    default: Option<Arc<Rules>>,
    active: Vec<Active>,
}

#[derive(Clone)]
struct Active {
    resource: String,
    name: String,
    rules: Arc<Rules>,
}

/// The lists that apply now.
#[derive(Default)]
pub struct Blocks {
    users: RwLock<HashMap<UserId, Own>>,
    /// Held while a list is changed in the store and here, so that both end up with the same.
    pub changing: tokio::sync::Mutex<()>,
}

impl Blocks {
    /// Whether the list that applies to `owner`, or to the one connection if it has a list of its
    /// own, stops this. Nobody is blocked from himself (XEP-0016 §2.2).
    pub fn denies(
        &self,
        owner: UserId,
        resource: Option<&str>,
        peer: &Peer<'_>,
        traffic: Traffic,
    ) -> bool {
        if peer.user() == owner {
            return false;
        }
        let users = self.users.read();
        let Some(own) = users.get(&owner) else {
            return false;
        };
        own.rules(resource)
            .is_some_and(|rules| rules.denies(peer, traffic))
    }

    /// Whether a message of a user's connection may go to another user: the sender has not
    /// blocked the receiver mutually, and the receiver takes it. Without leave the sender is told that the service
    /// is not available (wire reference B.9).
    pub fn may_message(
        &self,
        router: &Router,
        sender: &Peer<'_>,
        to: UserId,
        to_resource: Option<&str>,
    ) -> bool {
        let receiver = Peer::User {
            user: to,
            resource: to_resource,
        };
        let own_resource = match sender {
            Peer::User { resource, .. } => *resource,
            Peer::Occupant { .. } => None,
        };
        !self.denies(sender.user(), own_resource, &receiver, Traffic::MessageOut)
            && self.takes(router, to, to_resource, sender)
    }

    /// Whether a user takes messages of this peer: at least one connection does, or while none is
    /// there, the default list.
    pub fn takes(
        &self,
        router: &Router,
        to: UserId,
        to_resource: Option<&str>,
        sender: &Peer<'_>,
    ) -> bool {
        if !self.denies(to, None, sender, Traffic::MessageIn) && !self.has_active(to) {
            return true;
        }
        let targets = router.targets(to, to_resource);
        let admits = |resource| !self.denies(to, resource, sender, Traffic::MessageIn);
        if targets.is_empty() {
            admits(None)
        } else {
            targets
                .iter()
                .any(|target| admits(Some(target.resource.as_str())))
        }
    }

    /// Whether `viewer`'s connection may see that `user` is there, in this dialog or, with `None`,
    /// at all.
    pub fn may_see(
        &self,
        viewer: UserId,
        resource: Option<&str>,
        user: UserId,
        dialog: Option<&str>,
    ) -> bool {
        let peer = |user| match dialog {
            Some(dialog) => Peer::Occupant { dialog, user },
            None => Peer::User {
                user,
                resource: None,
            },
        };
        !self.denies(viewer, resource, &peer(user), Traffic::PresenceIn)
            && !self.denies(user, None, &peer(viewer), Traffic::PresenceOut)
    }

    /// Applies a default list to a user, or none.
    pub fn set_default(&self, user: UserId, rules: Option<Rules>) {
        self.change(user, |own| own.default = rules.map(Arc::new));
    }

    /// Applies an active list to a connection, or none.
    pub fn set_active(&self, user: UserId, resource: &str, list: Option<(String, Rules)>) {
        self.change(user, |own| {
            own.active.retain(|active| active.resource != resource);
            own.active.extend(list.map(|(name, rules)| Active {
                resource: resource.to_owned(),
                name,
                rules: Arc::new(rules),
            }));
        });
    }

    /// A list was replaced or, with `None`, deleted: connections that have it active follow.
    pub fn replace_active(&self, user: UserId, name: &str, rules: Option<&Rules>) {
        self.change(user, |own| match rules {
            None => own.active.retain(|active| active.name != name),
            Some(rules) => {
                let rules = Arc::new(rules.clone());
                for active in own.active.iter_mut().filter(|active| active.name == name) {
                    active.rules = Arc::clone(&rules);
                }
            }
        });
    }

    /// The name of the list active on a connection.
    pub fn active(&self, user: UserId, resource: &str) -> Option<String> {
        let users = self.users.read();
        let active = users.get(&user)?.active_on(resource)?;
        Some(active.name.clone())
    }

    fn has_active(&self, user: UserId) -> bool {
        let users = self.users.read();
        users.get(&user).is_some_and(|own| !own.active.is_empty())
    }

    fn change(&self, user: UserId, change: impl FnOnce(&mut Own)) {
        let mut users = self.users.write();
        let own = users.entry(user).or_default();
        change(own);
        if own.default.is_none() && own.active.is_empty() {
            users.remove(&user);
        }
    }
}

impl Own {
    fn active_on(&self, resource: &str) -> Option<&Active> {
        self.active
            .iter()
            .find(|active| active.resource == resource)
    }

    fn rules(&self, resource: Option<&str>) -> Option<&Rules> {
        let active = resource.and_then(|resource| self.active_on(resource));
        active
            .map(|active| &*active.rules)
            .or(self.default.as_deref())
    }
}
