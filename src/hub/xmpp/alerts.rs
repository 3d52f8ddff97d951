//! Chat alerts (CH-48): which messages are worth a notification, and to whom.
//!
//! A message to be read, once it is stored, tells those of its receivers who are not there: nobody
//! of theirs is connected, or all who are said that they do not look (RT-48). Edits, markers, typing,
//! copies and call signals tell nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use minidom::Element;
use rusqlite::Connection as Database;

use super::connection::Connection;
use super::fan_out::leave_out_blocks;
use super::message::{Content, content};
use crate::hub::push::payload::{self, Alert};
use crate::hub::site::Site;
use crate::hub::store::dialogs::{self, Dialog};
use crate::hub::store::notifications::{self, Notification};
use crate::hub::store::{dialog_views, subscriptions, users};
use crate::protocol::address::{Address, UserId};
use crate::protocol::extra_params::ExtraParams;
use crate::protocol::ns;

/// Queues the notification of a new message to one user, in the transaction that stores it.
pub(super) fn to_one(
    site: &Site,
    db: &Database,
    message: &Element,
    to: UserId,
    sender: UserId,
) -> rusqlite::Result<()> {
    if is_loud(site, message) {
        tell(site, db, message, vec![to], None, sender)?;
    }
    Ok(())
}

/// The same to the people of a dialog. A broadcast is for everybody, connected or not.
pub(super) fn in_dialog(
    site: &Site,
    db: &Database,
    message: &Element,
    dialog: &Dialog,
    sender: UserId,
) -> rusqlite::Result<()> {
    if !is_loud(site, message) {
        return Ok(());
    }
    let mut users = if dialog.kind == dialogs::BROADCAST {
        subscriptions::subscribers(db)?
    } else {
        dialog.occupants.clone()
    };
    leave_out_blocks(site, dialog, sender, &mut users);
    tell(site, db, message, users, dialog.name.as_deref(), sender)
}

/// A line is lost that somebody looked at: what was written to it and not acknowledged may never
/// have been seen. Who comes back in a moment is told once too often; who does not, not at all
/// otherwise.
pub(super) async fn line_lost(site: &Arc<Site>, connection: &Arc<Connection>) {
    let has_looked = !connection.is_inactive.load(Ordering::Relaxed)
        && !connection.wants_push.load(Ordering::Relaxed);
    if !has_looked || site.push.is_none() || !site.config.push.chat_alerts {
        return;
    }
    // What is stored from now on sees that nobody is there.
    let last = site.in_flight.lock().last_seq();
    let (site_after, connection) = (Arc::clone(site), Arc::clone(connection));
    // Behind every message that is on its way into the queue.
    let collect = move |_| {
        let missed = connection.unacknowledged(last);
        let (user, in_job) = (connection.user, Arc::clone(&site_after));
        let is_queued = missed.is_empty()
            || site_after.store.try_run(move |db| {
                missed
                    .iter()
                    .try_for_each(|message| missed_by(&in_job, db, message, user))
            });
        if !is_queued {
            tracing::warn!(
                user,
                "the store is too busy to tell of what a lost line missed"
            );
        }
    };
    site.store.run_then(|_| Ok(()), collect).await;
}

fn missed_by(site: &Site, db: &Database, message: &Element, user: UserId) -> rusqlite::Result<()> {
    let is_text = matches!(content(message), Content::Text { .. });
    // What had waited for the connection was told when it came.
    let was_told = message.has_child("delay", ns::DELAY);
    if !is_text || was_told || !is_loud(site, message) {
        return Ok(());
    }
    let from = message
        .attr("from")
        .and_then(|from| site.realm.parse(from).ok());
    match from {
        Some(Address::User { user: sender, .. }) => {
            tell(site, db, message, vec![user], None, sender)
        }
        Some(Address::Room {
            dialog,
            occupant: Some(sender),
        }) => {
            let name = dialogs::load(db, &dialog)?.and_then(|dialog| dialog.name);
            tell(site, db, message, vec![user], name.as_deref(), sender)
        }
        _ => Ok(()),
    }
}

/// Whether a message tells anybody at all (RT-29).
fn is_loud(site: &Site, message: &Element) -> bool {
    let silent = ExtraParams::of(message).and_then(|params| params.get("silent"));
    site.push.is_some()
        && site.config.push.chat_alerts
        && !matches!(silent.as_deref(), Some("1" | "true"))
}

fn tell(
    site: &Site,
    db: &Database,
    message: &Element,
    mut users: Vec<UserId>,
    dialog_name: Option<&str>,
    sender: UserId,
) -> rusqlite::Result<()> {
    users.retain(|user| *user != sender && !site.router.is_attended(*user));
    if users.is_empty() || !subscriptions::is_anybody_subscribed(db)? {
        return Ok(());
    }
    let params = ExtraParams::of(message);
    let dialog_id = params.and_then(|params| params.get("dialog_id"));
    let dialog_id = dialog_id.unwrap_or_default();
    let mut told = Vec::with_capacity(users.len());
    for user in users {
        if dialog_views::notifications(db, &dialog_id, user)? {
            told.push(user);
        }
    }
    let rules = &site.config.push;
    let sender_name = users::by_id(db, sender)?.map(|user| user.name());
    let sender_name = sender_name.unwrap_or_default();
    let alert = Alert {
        sender: &sender_name,
        message: &text_of(message),
        dialog_name: dialog_name.unwrap_or(&sender_name),
        dialog: &dialog_id,
        id: message.attr("id").unwrap_or_default(),
        user: sender,
    };
    let now = site.now();
    let notification = Notification {
        payload: payload::alert(&alert, &rules.chat_title, &rules.chat_message),
        is_urgent: false,
        expires_at: now + rules.life_seconds,
    };
    let reach = notifications::queue(db, &notification, &told, None, now)?;
    if reach.queued > 0
        && let Some(push) = &site.push
    {
        // What reads the queue is a job behind this one.
        push.wake();
    }
    Ok(())
}

/// The body, or what is attached instead.
fn text_of(message: &Element) -> String {
    let body = message.get_child("body", ns::CLIENT).map(Element::text);
    if let Some(body) = body.filter(|body| !body.trim().is_empty()) {
        return body;
    }
    let params = ExtraParams::of(message);
    let attachment = params.and_then(|params| params.element("attachment"));
    let described = attachment.and_then(|one| one.attr("name").or(one.attr("type")));
    format!("[{}]", described.unwrap_or("…"))
}
