//! `PUT /chat/Dialog/{id}` and `…/admins` (wire reference E.3; CH-16…CH-19, CH-49).

use std::sync::Arc;

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::Value as Json;

use super::dialog_input::{texts, user_ids};
use super::dialogs::{check_admins, check_occupants, existing, load, load_own, shown};
use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, dialog_data, json as respond};
use crate::hub::roles::Action;
use crate::hub::site::Site;
use crate::hub::store::dialogs::{self, BROADCAST, Dialog, PRIVATE, PUBLIC, Texts};
use crate::hub::store::{changes, occupants};
use crate::hub::xmpp::kick;
use crate::protocol::address::UserId;

/// Messages one dialog may pin.
const MAX_PINNED: usize = 100;

/// `PUT /chat/Dialog/{id}` and `PUT /chat/Dialog/{id}/admins`
pub async fn update(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let change = Change::read(request)?;
    let (site, now, dialog_id) = (Arc::clone(&request.site), request.site.now(), id.to_owned());
    let (json, gone) = request
        .in_store(move |db| {
            let dialog = load_own(db, &dialog_id, user)?;
            let mut change = change.with_existing_users(db, &dialog)?;
            change.check(&site, &dialog, user)?;
            dialog_data::settle(db, &site.classes, Some(&dialog), user, &mut change.texts)?;
            change.apply(db, &dialog, now)?;
            let dialog = load(db, &dialog_id)?;
            let json = shown(db, &site, &dialog, user)?;
            let is_open = matches!(dialog.kind, PUBLIC | BROADCAST);
            if dialog.occupants.is_empty() && !is_open {
                // Nobody is left who could ever see it again.
                dialogs::delete(db, &dialog.id)?;
            }
            let gone: Vec<UserId> = change.remove.into_iter().chain(change.block).collect();
            Ok((json, gone))
        })
        .await?;
    for victim in gone {
        kick(&request.site, id, victim, user);
    }
    Ok(respond(StatusCode::OK, &json))
}

/// What a request wants changed.
struct Change {
    texts: Texts,
    add: Vec<UserId>,
    remove: Vec<UserId>,
    admins: Vec<UserId>,
    no_admins: Vec<UserId>,
    block: Vec<UserId>,
    unblock: Vec<UserId>,
    pin: Vec<String>,
    unpin: Vec<String>,
}

impl Change {
    fn read(request: &Request) -> Result<Self, ApiError> {
        let params = &request.params;
        let nothing = Json::Null;
        let push = params.get("push_all").unwrap_or(&nothing);
        let pull = params.get("pull_all").unwrap_or(&nothing);
        Ok(Self {
            texts: texts(params, &request.site.config.chat.dialog_extensions)?,
            add: user_ids(push, "occupants_ids")?,
            remove: user_ids(pull, "occupants_ids")?,
            admins: user_ids(push, "admins_ids")?,
            no_admins: user_ids(pull, "admins_ids")?,
            block: user_ids(push, "blocked_ids")?,
            unblock: user_ids(pull, "blocked_ids")?,
            pin: push.texts("pinned_messages_ids"),
            unpin: pull.texts("pinned_messages_ids"),
        })
    }

    /// Leaves out users there are not, and the owner as an administrator, who needs no such row.
    fn with_existing_users(
        mut self,
        connection: &Connection,
        dialog: &Dialog,
    ) -> Result<Self, ApiError> {
        self.add = existing(connection, &self.add)?;
        self.admins = existing(connection, &self.admins)?;
        self.admins.retain(|user| *user != dialog.owner);
        let unknown = self.pin.len() != changes::those_in(connection, &dialog.id, &self.pin)?.len();
        if unknown {
            let rule = "are no messages of this dialog";
            return Err(ApiError::invalid("pinned_messages_ids", rule));
        }
        Ok(self)
    }

    fn check(&self, site: &Site, dialog: &Dialog, user: UserId) -> Result<(), ApiError> {
        let texts = &self.texts;
        let sets_text =
            texts.name.is_some() || texts.description.is_some() || texts.photo.is_some();
        let removes_others = self.remove.iter().any(|id| *id != user);
        let changes_admins = !self.admins.is_empty() || !self.no_admins.is_empty();
        for (is_wanted, action, refusal) in [
            (
                sets_text,
                Action::ChangeTexts,
                "You cannot change name, description and photo of this dialog",
            ),
            (
                texts.extensions.is_some(),
                Action::ChangeExtensions,
                "You cannot change the extensions of this dialog",
            ),
            (
                texts.data.is_some(),
                Action::ChangeExtensions,
                "You cannot change the data of this dialog",
            ),
            (
                texts.permissions.is_some(),
                Action::ChangePermissions,
                "You cannot change the permissions of this dialog",
            ),
            (
                !self.add.is_empty(),
                Action::AddOccupants,
                "You cannot add occupants to this dialog",
            ),
            (
                removes_others,
                Action::RemoveOccupants,
                "You cannot remove others from this dialog",
            ),
            (
                changes_admins,
                Action::ChangeAdmins,
                "Only the owner can change administrators",
            ),
            (
                !self.block.is_empty() || !self.unblock.is_empty(),
                Action::Block,
                "You cannot block users in this dialog",
            ),
            (
                !self.pin.is_empty() || !self.unpin.is_empty(),
                Action::Pin,
                "Only administrators can pin messages",
            ),
        ] {
            if is_wanted && !dialog.may(user, action) {
                return Err(ApiError::forbidden(refusal));
            }
        }
        if self.remove.contains(&user) && matches!(dialog.kind, PRIVATE | BROADCAST) {
            return Err(ApiError::forbidden("This dialog cannot be left"));
        }
        self.check_rank(dialog, user)?;
        self.check_counts(site, dialog)
    }

    /// Nobody removes the owner, and only the owner an administrator.
    fn check_rank(&self, dialog: &Dialog, user: UserId) -> Result<(), ApiError> {
        for victim in self.remove.iter().chain(&self.block) {
            let is_self = *victim == user && self.remove.contains(victim);
            if *victim == dialog.owner && !is_self {
                return Err(ApiError::forbidden("The owner cannot be removed"));
            }
            if dialog.admins.contains(victim) && dialog.owner != user && !is_self {
                let text = "Only the owner can remove an administrator";
                return Err(ApiError::forbidden(text));
            }
        }
        let let_in = |id: &&UserId| dialog.blocked.contains(*id) && !self.unblock.contains(*id);
        if let Some(blocked) = self.add.iter().chain(&self.admins).find(let_in) {
            let rule = format!("{blocked} is blocked in this dialog");
            return Err(ApiError::invalid("occupants_ids", rule));
        }
        Ok(())
    }

    fn check_counts(&self, site: &Site, dialog: &Dialog) -> Result<(), ApiError> {
        let count = |now: &[UserId], add: &[&[UserId]], remove: &[&[UserId]]| {
            let mut all: Vec<UserId> = now.iter().chain(add.concat().iter()).copied().collect();
            all.sort_unstable();
            all.dedup();
            all.retain(|user| !remove.iter().any(|some| some.contains(user)));
            all.len()
        };
        let gone: &[&[UserId]] = &[&self.remove, &self.block];
        if !self.add.is_empty() || !self.admins.is_empty() {
            let people = count(&dialog.occupants, &[&self.add, &self.admins], gone);
            check_occupants(site, people)?;
        }
        let demoted: &[&[UserId]] = &[&self.no_admins, &self.remove, &self.block];
        check_admins(count(&dialog.admins, &[&self.admins], demoted))?;
        if pinned(dialog, &self.pin, &self.unpin).len() > MAX_PINNED {
            let rule = format!("are more than {MAX_PINNED}");
            return Err(ApiError::invalid("pinned_messages_ids", rule));
        }
        Ok(())
    }

    fn apply(&self, db: &Connection, dialog: &Dialog, now: i64) -> Result<(), ApiError> {
        let id = &dialog.id;
        dialogs::set_texts(db, id, &self.texts, now)?;
        occupants::unblock(db, id, &self.unblock)?;
        occupants::add(db, id, &self.add, now)?;
        occupants::add(db, id, &self.admins, now)?;
        occupants::set_admins(db, id, &self.admins, true)?;
        occupants::set_admins(db, id, &self.no_admins, false)?;
        occupants::remove(db, id, &self.remove)?;
        occupants::block(db, id, &self.block)?;
        if !self.pin.is_empty() || !self.unpin.is_empty() {
            dialogs::set_pinned(db, id, &pinned(dialog, &self.pin, &self.unpin))?;
        }
        Ok(())
    }
}

/// The pinned messages afterwards, the latest pin last.
fn pinned(dialog: &Dialog, pin: &[String], unpin: &[String]) -> Vec<String> {
    let mut pinned = dialog.pinned.clone();
    pinned.retain(|id| !unpin.contains(id) && !pin.contains(id));
    pinned.extend(pin.iter().cloned());
    pinned.dedup();
    pinned
}
