//! Whom a user keeps away, as the vendor writes it into a privacy list (RT-49…RT-53, wire
//! reference B.9): two items for each user, one for what comes directly and one for what comes
//! through rooms. Items of other kinds are left as they are.

use super::address::{Address, Realm, UserId};
use super::privacy::{Action, Item, List, Scope, Subject};

/// Somebody who is kept away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The user's number.
    pub user: UserId,
    /// Whether nothing goes to the user either.
    pub is_mutual: bool,
}

/// What a one-way block is about: everything that comes in, and one's own presence.
const ONE_WAY: Scope = Scope {
    message: true,
    presence_in: true,
    presence_out: true,
    iq: true,
};

/// Keeps a user away from now on; one who is kept away already gets the new kind of block.
pub fn block(list: &mut List, realm: &Realm, blocked: Blocked) {
    unblock(list, realm, blocked.user);
    let next = list.items.iter().map(|item| item.order).max();
    let next = next.map_or(1, |last| last.saturating_add(1));
    let scope = if blocked.is_mutual {
        Scope::default()
    } else {
        ONE_WAY
    };
    let addresses = [realm.user(blocked.user), in_rooms(realm, blocked.user)];
    for (place, address) in addresses.into_iter().enumerate() {
        list.items.push(Item {
            subject: Subject::Jid(address),
            action: Action::Deny,
            order: next.saturating_add(place as u32),
            scope,
        });
    }
}

/// Lets a user in again. Says whether the list had anything about the user.
pub fn unblock(list: &mut List, realm: &Realm, user: UserId) -> bool {
    let before = list.items.len();
    let rooms = in_rooms(realm, user);
    list.items.retain(|item| {
        let is_direct = user_of(item, realm) == Some(user);
        !is_direct && item.subject != Subject::Jid(rooms.clone())
    });
    list.items.len() < before
}

/// Who is kept away, in the list's order.
pub fn blocked(list: &List, realm: &Realm) -> Vec<Blocked> {
    let denied = list.items.iter().filter(|item| item.action == Action::Deny);
    denied
        .filter_map(|item| {
            Some(Blocked {
                user: user_of(item, realm)?,
                is_mutual: item.scope == Scope::default(),
            })
        })
        .collect()
}

fn in_rooms(realm: &Realm, user: UserId) -> String {
    format!("muc.{}/{user}", realm.chat_host)
}

fn user_of(item: &Item, realm: &Realm) -> Option<UserId> {
    let Subject::Jid(address) = &item.subject else {
        return None;
    };
    match realm.parse(address) {
        Ok(Address::User {
            user,
            resource: None,
        }) => Some(user),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::privacy::{Peer, Rules, Traffic};

    fn realm() -> Realm {
        Realm {
            app_id: 7,
            chat_host: "chat.example".into(),
        }
    }

    fn list() -> List {
        List {
            name: "blocked".into(),
            items: Vec::new(),
        }
    }

    fn blocks(user: UserId, is_mutual: bool) -> Blocked {
        Blocked { user, is_mutual }
    }

    #[test]
    fn a_blocked_user_reaches_us_neither_directly_nor_through_a_room() {
        let mut list = list();
        block(&mut list, &realm(), blocks(1002, false));
        let rules = Rules::new(&list.items, &realm());
        let direct = Peer::User {
            user: 1002,
            resource: None,
        };
        let room = Peer::Occupant {
            dialog: "66f0",
            user: 1002,
        };
        assert!(rules.denies(&direct, Traffic::MessageIn));
        assert!(rules.denies(&room, Traffic::MessageIn));
        assert!(!rules.denies(&direct, Traffic::MessageOut));
        block(&mut list, &realm(), blocks(1002, true));
        let rules = Rules::new(&list.items, &realm());
        assert!(rules.denies(&direct, Traffic::MessageOut));
        assert_eq!(blocked(&list, &realm()), [blocks(1002, true)]);
    }

    #[test]
    fn items_stay_in_pairs_and_those_of_others_stay_as_they_are() {
        let mut list = list();
        let foreign = Item {
            subject: Subject::Jid("elsewhere.example".into()),
            action: Action::Allow,
            order: 40,
            scope: Scope::default(),
        };
        list.items.push(foreign.clone());
        for user in [1002, 1003] {
            block(&mut list, &realm(), blocks(user, false));
        }
        assert!(unblock(&mut list, &realm(), 1002));
        assert!(!unblock(&mut list, &realm(), 1002));
        let values: Vec<(u32, Subject)> = list
            .items
            .iter()
            .map(|item| (item.order, item.subject.clone()))
            .collect();
        assert_eq!(
            values,
            [
                (40, foreign.subject),
                (43, Subject::Jid("1003-7@chat.example".into())),
                (44, Subject::Jid("muc.chat.example/1003".into())),
            ]
        );
    }
}
