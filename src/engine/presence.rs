//! Who of the people the bell rings is connected, as far as the server has told (RT-45…RT-47).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::wiring::Wiring;
use crate::protocol::address::UserId;

/// Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Presence(Arc<RwLock<HashMap<UserId, bool>>>);

impl Presence {
    /// Whether somebody is known not to be connected; who is not known may be.
    pub fn is_offline(&self, user: UserId) -> bool {
        self.0.read().get(&user) == Some(&false)
    }

    /// Everybody known not to be connected, in order.
    pub fn offline(&self) -> Vec<UserId> {
        let known = self.0.read();
        let offline = known.iter().filter(|(_, is_online)| !**is_online);
        let mut offline: Vec<UserId> = offline.map(|(user, _)| *user).collect();
        offline.sort_unstable();
        offline
    }

    /// The server says when somebody was last active; 0 is now.
    pub fn heard(&self, user: UserId, seconds: u64) {
        if let Some(known) = self.0.write().get_mut(&user) {
            *known = seconds == 0;
        }
    }

    /// Asks about these people and to be told when one comes or goes. What cannot be asked is
    /// not known.
    pub async fn follow(&self, wiring: &Wiring, users: &[UserId]) {
        self.0.write().retain(|user, _| users.contains(user));
        let client = wiring.chat.client();
        let ask = users.iter().map(|&user| {
            let client = client.clone();
            async move {
                if !wiring.watched.set(user, true) {
                    tracing::warn!(user, "too many are watched; not known whether online");
                    return;
                }
                let watching = client.watch_activity(user, true).await;
                let asked = match watching {
                    Ok(_) => client.last_activity(user).await,
                    Err(error) => Err(error),
                };
                match asked {
                    Ok(seconds) => {
                        self.0.write().insert(user, seconds == 0);
                    }
                    Err(error) => {
                        tracing::debug!(user, %error, "not known whether online");
                        self.0.write().remove(&user);
                    }
                }
            }
        });
        futures::future::join_all(ask).await;
    }

    /// Without a connection nobody's presence is known.
    pub fn forget(&self) {
        self.0.write().clear();
    }
}
