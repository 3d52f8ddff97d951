//! Who is behind the tags, dialogs and logins of the configuration: kept here and on the disk, so
//! that the bell rings and a caller is known without asking the hub.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::command::{CommandError, ErrorCode};
use super::directory::resolve;
use super::wiring::Wiring;
use crate::call::party::{Party, Role};
use crate::protocol::address::{UserId, UserRef};
use crate::protocol::rest::Dialog;
use crate::rest::{DialogQuery, RestError};

/// Where it is kept between two starts.
const SETTING: &str = "roster";
/// Users of one tag; a larger group is no ring target and no list of callers.
const TAG_MAX: u32 = 500;
/// Users asked for at once.
const PAGE: u32 = 100;

/// Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<RwLock<HashMap<String, Vec<UserId>>>>);

impl Roster {
    /// The people of a party as last heard of; nobody while that is not known.
    fn people(&self, party: &Party) -> Vec<UserId> {
        match party {
            Party::User(UserRef::Id(id)) => vec![*id],
            party => self
                .0
                .read()
                .get(&party.to_string())
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// Everybody of a list, each once, in the list's order.
    pub fn all(&self, list: &[Party]) -> Vec<UserId> {
        let mut all = Vec::new();
        for user in list.iter().flat_map(|party| self.people(party)) {
            if !all.contains(&user) {
                all.push(user);
            }
        }
        all
    }

    /// Whether somebody is on a list.
    pub fn includes(&self, list: &[Party], user: UserId) -> bool {
        list.iter().any(|party| self.people(party).contains(&user))
    }

    /// Those of a list that have never been looked up with success.
    pub fn unknown(&self, list: &[Party]) -> Vec<String> {
        let known = self.0.read();
        list.iter()
            .filter(|party| !matches!(party, Party::User(UserRef::Id(_))))
            .map(Party::to_string)
            .filter(|name| !known.contains_key(name))
            .collect()
    }

    /// Reads what was known when the device last ran.
    pub async fn remember(&self, wiring: &Wiring) {
        let kept = match wiring.store.setting(SETTING).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "who is behind tags and dialogs cannot be read");
                return;
            }
        };
        if let Ok(known) = serde_json::from_str::<HashMap<String, Vec<UserId>>>(&kept) {
            let mut now = self.0.write();
            for (party, users) in known {
                now.entry(party).or_insert(users);
            }
        }
    }

    /// Asks the hub about these parties. What cannot be asked stays as it was.
    pub async fn refresh(&self, wiring: &Wiring, parties: &[Party]) {
        let mut has_changed = false;
        for party in parties {
            match look_up(wiring, party).await {
                Ok(users) => {
                    let before = self.0.write().insert(party.to_string(), users.clone());
                    has_changed |= before.as_ref() != Some(&users);
                }
                Err(error) => tracing::warn!(%party, %error, "cannot find out who this is"),
            }
        }
        if !has_changed {
            return;
        }
        let text = serde_json::to_string(&*self.0.read());
        if let Ok(text) = text
            && let Err(error) = wiring.store.set_setting(SETTING, Some(&text)).await
        {
            tracing::warn!(%error, "who is behind tags and dialogs cannot be kept");
        }
    }

    /// The people of a list. Parties never met before are asked for; a list of which nobody is
    /// known says why.
    ///
    /// # Errors
    /// `not_found` for an unknown login, `unavailable` when the hub cannot be asked.
    pub async fn resolved(
        &self,
        wiring: &Wiring,
        list: &[Party],
    ) -> Result<Vec<UserId>, CommandError> {
        let mut trouble = None;
        for party in list.iter().filter(|party| self.people(party).is_empty()) {
            match look_up(wiring, party).await {
                Ok(users) => {
                    self.0.write().insert(party.to_string(), users);
                }
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        let all = self.all(list);
        match trouble {
            Some(error) if all.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!(%error, "somebody of a list cannot be found");
                Ok(all)
            }
            None => Ok(all),
        }
    }
}

async fn look_up(wiring: &Wiring, party: &Party) -> Result<Vec<UserId>, CommandError> {
    match party {
        Party::User(user) => Ok(vec![resolve(wiring, user).await?]),
        Party::Tag(tag) => tagged(wiring, tag).await.map_err(unavailable),
        Party::Dialog { id, role } => {
            let query = DialogQuery {
                conditions: vec![("_id".to_owned(), id.clone())],
                limit: 1,
                ..DialogQuery::default()
            };
            let found = wiring.rest.dialogs_where(&query).await;
            let dialog = found
                .map_err(unavailable)?
                .into_iter()
                .find(|dialog| dialog.id == *id);
            let dialog = dialog.ok_or_else(|| {
                let message = format!("this device is in no dialog {id}");
                CommandError::new(ErrorCode::NotFound, message)
            })?;
            let me = wiring.user();
            let people = people_of(&dialog, *role);
            Ok(people
                .into_iter()
                .filter(|user| Some(*user) != me)
                .collect())
        }
    }
}

fn people_of(dialog: &Dialog, role: Role) -> Vec<UserId> {
    let owner = dialog.user_id;
    match role {
        Role::Occupant => dialog.occupants_ids.clone(),
        Role::Owner => owner.into_iter().collect(),
        Role::Admin => {
            let admins = dialog
                .other
                .get("admins_ids")
                .and_then(|ids| ids.as_array());
            let admins = admins
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_u64);
            owner.into_iter().chain(admins).collect()
        }
    }
}

async fn tagged(wiring: &Wiring, tag: &str) -> Result<Vec<UserId>, RestError> {
    let me = wiring.user();
    let mut users = Vec::new();
    for offset in (0..TAG_MAX).step_by(PAGE as usize) {
        let page = wiring
            .rest
            .users_where(("user_tags[in][]", tag), PAGE, offset)
            .await?;
        let is_last = page.len() < PAGE as usize;
        users.extend(page.into_iter().map(|user| user.id));
        if is_last {
            break;
        }
    }
    users.retain(|user| Some(*user) != me);
    Ok(users)
}

fn unavailable(error: RestError) -> CommandError {
    CommandError::new(ErrorCode::Unavailable, error.to_string())
}
