//! Fetching what was missed: dialogs that changed, then their messages that changed (CH-06,
//! CH-31, CH-32). Nothing is marked as read by it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::event::EventKind;
use super::super::wiring::Wiring;
use crate::protocol::address::UserId;
use crate::protocol::chat_message::params_from_json;
use crate::protocol::rest::Dialog;
use crate::rest::{DialogAbout, DialogQuery, HistoryMessage, MessageQuery, NewDialog, RestError};
use crate::store::StoreError;
use crate::store::history::{Entry, OwnStatus, Saved, is_provisional};

/// Messages or dialogs in one request.
const PAGE: u32 = 100;
/// Seconds asked for again each time: the server's stamps have a resolution of one, and what was
/// being written while we asked may bear an earlier one.
const OVERLAP: u64 = 5;
/// Dialogs looked at in any case: receipts and reactions change messages, not their dialog.
const ALWAYS: u32 = 10;
/// Dialogs read in all; a device in more of them is misconfigured.
const MAX_DIALOGS: u32 = 10_000;
/// Where the time of the last complete synchronisation is kept, in the device's own database: it
/// tells new messages from old ones should the history be lost.
const SYNCED_TO: &str = "history.synced_to";

/// Why fetching failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum SyncError {
    /// The server did not give it.
    #[error("the hub: {0}")]
    Rest(#[from] RestError),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It took too long.
    #[error("the hub is too slow")]
    TooSlow,
}

/// What is common to one run.
struct Run<'a> {
    wiring: &'a Wiring,
    me: UserId,
    /// Everything was seen once before: what is unknown is new.
    is_complete: bool,
    /// Up to where an earlier history went that is lost.
    baseline: Option<u64>,
    newest: u64,
}

/// Fetches everything missed; what is new is in the history then, not yet told of.
pub(super) async fn run(wiring: &Wiring) -> Result<(), SyncError> {
    let me = wiring.rest.session().await?.user_id;
    let stored = wiring.store.setting(SYNCED_TO).await?;
    let baseline = stored.as_deref().and_then(|text| text.parse().ok());
    let mut run = Run {
        wiring,
        me,
        is_complete: wiring.history.is_complete().await?,
        baseline,
        newest: baseline.unwrap_or(0),
    };
    for user in wiring.history.provisional_users().await? {
        if let Err(error) = place(wiring, user).await {
            // One that cannot be, such as with a user who is gone, does not hold up the others.
            tracing::warn!(%error, user, "the dialog with somebody is not known yet");
        }
    }
    for dialog in run.dialogs().await? {
        run.messages(&dialog).await?;
    }
    wiring.history.set_complete().await?;
    if Some(run.newest) != baseline {
        let newest = run.newest.to_string();
        wiring.store.set_setting(SYNCED_TO, Some(&newest)).await?;
    }
    Ok(())
}

/// Asks for the private dialog with somebody we have written to (CH-09): the server makes it with
/// the first message, or now. It takes the place of the provisional one.
pub(in crate::engine) async fn place(wiring: &Wiring, user: UserId) -> Result<(), SyncError> {
    let private = NewDialog::Private(user);
    let dialog = wiring
        .rest
        .create_dialog(&private, &DialogAbout::default())
        .await?;
    for dialog in wiring.history.put_dialogs(vec![dialog]).await? {
        let dialog = dialog.id;
        wiring.board.publish(EventKind::ChatDialog { dialog });
    }
    Ok(())
}

impl Run<'_> {
    /// The dialogs whose messages are to be looked at.
    async fn dialogs(&mut self) -> Result<Vec<Dialog>, SyncError> {
        let since = self.baseline.filter(|_| self.is_complete);
        let mut query = DialogQuery {
            limit: PAGE,
            sort_desc: Some("last_message_date_sent"),
            ..DialogQuery::default()
        };
        if let Some(since) = since {
            let since = since.saturating_sub(OVERLAP).to_string();
            query.conditions.push(("updated_at[gte]".to_owned(), since));
        }
        let mut dialogs = Vec::new();
        loop {
            let page = self.wiring.rest.dialogs_where(&query).await?;
            let count = page.len() as u32;
            let changed = self.wiring.history.put_dialogs(page.clone()).await?;
            for dialog in changed.into_iter().filter(|_| self.is_complete) {
                self.wiring
                    .board
                    .publish(EventKind::ChatDialog { dialog: dialog.id });
            }
            dialogs.extend(page);
            query.skip += count;
            if count < PAGE || query.skip >= MAX_DIALOGS {
                break;
            }
        }
        for dialog in &dialogs {
            self.newest = self.newest.max(seconds(dialog.updated_at.as_deref()));
        }
        for dialog in self.wiring.history.dialogs(ALWAYS, 0).await? {
            let is_known = dialogs.iter().any(|known| known.id == dialog.id);
            if !is_known && !is_provisional(&dialog.id) {
                dialogs.push(dialog);
            }
        }
        Ok(dialogs)
    }

    /// The messages of a dialog that changed since we last looked.
    async fn messages(&mut self, dialog: &Dialog) -> Result<(), SyncError> {
        let history = &self.wiring.history;
        // Before anything is fetched, which may lack what is being sent this moment.
        let saved = history.latest_saved(&dialog.id, PAGE).await?;
        match history.synced_to(&dialog.id).await? {
            None => self.first_messages(dialog).await?,
            Some(cursor) => self.further_messages(dialog, cursor).await?,
        }
        self.vanished_messages(dialog, saved).await
    }

    /// Those of the latest messages that were removed while we were away: a removal changes no
    /// stamp, and the server's queue forgets it. They are missing on the server's latest page and
    /// when asked for by their ids.
    async fn vanished_messages(
        &mut self,
        dialog: &Dialog,
        saved: Vec<Saved>,
    ) -> Result<(), SyncError> {
        if saved.is_empty() {
            return Ok(());
        }
        let mut query = MessageQuery {
            dialog: dialog.id.clone(),
            limit: PAGE,
            newest_first: true,
            ..MessageQuery::default()
        };
        let page = self.wiring.rest.messages(&query).await?;
        // What is older than a full page may be on the next one.
        let from = match page.last() {
            Some(oldest) if page.len() as u32 == PAGE => oldest.date_sent + 1,
            _ => 0,
        };
        let mut missing = saved;
        missing.retain(|saved| {
            saved.date_sent >= from && !page.iter().any(|found| found.id == saved.id)
        });
        if missing.is_empty() {
            return Ok(());
        }
        // The server may know a message under another date than we do.
        let ids: Vec<&str> = missing.iter().map(|saved| saved.id.as_str()).collect();
        query.conditions = vec![("_id[in]".to_owned(), ids.join(","))];
        let found = self.wiring.rest.messages(&query).await?;
        missing.retain(|saved| !found.iter().any(|found| found.id == saved.id));
        for saved in missing {
            if self.wiring.history.removed(&saved.id).await? {
                self.wiring.board.publish(EventKind::ChatRemoved {
                    message: saved.id,
                    from: saved.sender,
                    dialog: Some(dialog.id.clone()),
                });
            }
        }
        Ok(())
    }

    async fn first_messages(&mut self, dialog: &Dialog) -> Result<(), SyncError> {
        let query = MessageQuery {
            dialog: dialog.id.clone(),
            limit: self.wiring.config.history.first_messages,
            newest_first: true,
            ..MessageQuery::default()
        };
        let mut messages = if query.limit == 0 {
            Vec::new()
        } else {
            self.wiring.rest.messages(&query).await?
        };
        messages.reverse();
        let mut cursor = seconds(dialog.updated_at.as_deref());
        let mut entries = Vec::with_capacity(messages.len());
        for message in messages {
            cursor = cursor.max(seconds(message.updated_at.as_deref()));
            let is_due = match self.baseline {
                _ if self.is_complete => true,
                Some(baseline) if seconds(message.created_at.as_deref()) > baseline => {
                    self.wiring.store.first_sighting(&message.id).await?
                }
                _ => false,
            };
            entries.push((self.entry(message), is_due));
        }
        self.keep(dialog, entries, Some(cursor)).await
    }

    async fn further_messages(&mut self, dialog: &Dialog, cursor: u64) -> Result<(), SyncError> {
        let since = cursor.saturating_sub(OVERLAP);
        let mut query = MessageQuery {
            dialog: dialog.id.clone(),
            conditions: vec![("updated_at[gte]".to_owned(), since.to_string())],
            limit: PAGE,
            ..MessageQuery::default()
        };
        let mut newest = cursor;
        loop {
            let page = self.wiring.rest.messages(&query).await?;
            let count = page.len() as u32;
            let mut entries = Vec::with_capacity(page.len());
            for message in page {
                newest = newest.max(seconds(message.updated_at.as_deref()));
                // An old message that changed and has left the history since is not news.
                let is_due = seconds(message.created_at.as_deref()) >= since;
                entries.push((self.entry(message), is_due));
            }
            query.skip += count;
            let is_last = count < PAGE;
            // Pages are not a snapshot: only once all are in is the dialog known up to there.
            self.keep(dialog, entries, is_last.then_some(newest))
                .await?;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn keep(
        &mut self,
        dialog: &Dialog,
        entries: Vec<(Entry, bool)>,
        cursor: Option<u64>,
    ) -> Result<(), SyncError> {
        self.newest = self.newest.max(cursor.unwrap_or(0));
        let history = &self.wiring.history;
        history.synchronised(&dialog.id, entries, cursor).await?;
        Ok(())
    }

    fn entry(&self, message: HistoryMessage) -> Entry {
        let is_own = message.sender_id == self.me;
        let others = |ids: &[UserId]| ids.iter().any(|&id| id != message.sender_id);
        let status = if others(&message.read_ids) {
            OwnStatus::Read
        } else if others(&message.delivered_ids) {
            OwnStatus::Delivered
        } else {
            OwnStatus::Sent
        };
        let mut other = message.other;
        for field in ["views_count", "read", "_id"] {
            other.remove(field);
        }
        Entry {
            is_read: is_own || message.read_ids.contains(&self.me),
            id: message.id,
            dialog: Some(message.chat_dialog_id),
            sender: message.sender_id,
            recipient: message.recipient_id,
            date_sent: message.date_sent,
            text: message.message.unwrap_or_default(),
            attachments: message.attachments,
            // What XML could not carry was not sent as a parameter of a message either.
            custom: params_from_json(&other).unwrap_or_default(),
            delivered_to: message.delivered_ids.into_iter().collect(),
            read_by: message.read_ids.into_iter().collect(),
            reactions: message.reactions,
            is_own,
            status: is_own.then_some(status),
            is_saved: true,
            ..Entry::default()
        }
    }
}

/// An ISO 8601 time as Unix seconds; 0 if there is none.
fn seconds(time: Option<&str>) -> u64 {
    time.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok())
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .unwrap_or(0)
}
