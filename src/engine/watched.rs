//! Whose coming and going we are told of: kept beside the stream, because a new one knows nothing
//! of what was asked on the last.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::protocol::address::UserId;

/// Users watched at once.
const MAX_WATCHED: usize = 1_000;

/// Cheap to clone; every clone is the same.
#[derive(Clone, Default)]
pub struct Watched {
    users: Arc<Mutex<BTreeSet<UserId>>>,
}

impl Watched {
    /// Remembers or forgets a user. Says whether there was room.
    pub fn set(&self, user: UserId, is_watched: bool) -> bool {
        let mut users = self.users.lock();
        if !is_watched {
            users.remove(&user);
            return true;
        }
        users.contains(&user) || users.len() < MAX_WATCHED && users.insert(user)
    }

    /// Everybody watched.
    pub fn all(&self) -> Vec<UserId> {
        self.users.lock().iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_thousand_and_one_who_is_watched_needs_no_more() {
        let watched = Watched::default();
        assert!((0..MAX_WATCHED as u64).all(|user| watched.set(user, true)));
        assert!(!watched.set(5_000, true));
        assert!(watched.set(7, true));
        assert!(watched.set(7, false));
        assert!(watched.set(5_000, true));
        assert_eq!(watched.all().len(), MAX_WATCHED);
    }
}
