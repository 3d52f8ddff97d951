//! Chat alerts (CH-48): which messages are worth a notification, and to whom.
//!
//! A message to be read, once it is stored, tells those of its receivers who are not there: nobody
//! of theirs is connected, or all who are said that they do not look (RT-48). Edits, markers, typing,
//! copies and call signals tell nobody.

use minidom::Element;
use rusqlite::Connection as Database;

use super::fan_out::Receivers;
use crate::hub::push::payload::{self, Alert};
use crate::hub::site::Site;
use crate::hub::store::notifications::{self, Notification};
use crate::hub::store::{dialog_views, dialogs, subscriptions, users};
use crate::protocol::address::UserId;
use crate::protocol::extra_params::ExtraParams;
use crate::protocol::ns;

/// Queues the notifications of a new message, in the transaction that stores it.
pub(super) fn tell(
    site: &Site,
    db: &Database,
    message: &Element,
    to: &Receivers,
    sender: UserId,
) -> rusqlite::Result<()> {
    let Some(push) = site.push.as_ref().filter(|_| site.config.push.chat_alerts) else {
        return Ok(());
    };
    let params = ExtraParams::of(message);
    let param = |name: &str| params.and_then(|params| params.get(name));
    if matches!(param("silent").as_deref(), Some("1" | "true")) {
        return Ok(());
    }
    let users: &[UserId] = match to {
        Receivers::One(user, _) => &[*user],
        Receivers::Many { users, .. } => users,
    };
    let is_away = |user: &UserId| *user != sender && !site.router.is_attended(*user);
    let mut away: Vec<UserId> = users.iter().copied().filter(is_away).collect();
    if away.is_empty() || !subscriptions::is_anybody_subscribed(db)? {
        return Ok(());
    }
    let dialog_id = param("dialog_id").unwrap_or_default();
    let mut told = Vec::with_capacity(away.len());
    for user in away.drain(..) {
        if dialog_views::notifications(db, &dialog_id, user)? {
            told.push(user);
        }
    }
    let rules = &site.config.push;
    let sender_name = users::by_id(db, sender)?.map(|user| user.name());
    let sender_name = sender_name.unwrap_or_default();
    let dialog = dialogs::load(db, &dialog_id)?;
    let dialog_name = dialog.and_then(|dialog| dialog.name);
    let alert = Alert {
        sender: &sender_name,
        message: &text_of(message),
        dialog_name: dialog_name.as_deref().unwrap_or(&sender_name),
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
    if reach.queued > 0 {
        // The sender's own reading is a job behind this one.
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
