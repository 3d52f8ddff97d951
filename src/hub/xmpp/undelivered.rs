//! The store's side of messages under way: what a connection missed, what has arrived, and what
//! is left when a connection ends.
//!
//! Everything that reads or changes what is written down for a user is a job of the store, so
//! that nothing slips between looking and doing.

use std::sync::Arc;

use minidom::Element;

use super::in_flight::{Change, Missed, Push};
use super::router::Connection;
use super::stanza::delay;
use crate::hub::clock::iso8601;
use crate::hub::site::Site;
use crate::hub::store::{StoreError, undelivered};
use crate::protocol::address::UserId;

/// Arrivals that are noted in the store together. Those that a crash takes away make the hub
/// deliver a message again, which devices recognise by its id.
const NOTE_TOGETHER: usize = 64;
/// Seconds a message may have waited without its receiver being told.
const UNTOLD_DELAY: i64 = 5;

type Changes = Vec<Change<Arc<Element>>>;

/// A connection takes messages now: it gets everything of its user that nobody has acknowledged.
/// Returns when that is arranged, not when it has happened.
pub async fn admit(site: &Arc<Site>, connection: &Arc<Connection>) {
    let (user, limit) = (connection.user, site.config.limits.offline_messages);
    let (in_job, newcomer) = (Arc::clone(site), Arc::clone(connection));
    let admitted = site.store.run(move |db| {
        // What has arrived must not be read again.
        let changes = in_job.in_flight.lock().take_changes();
        let written = write(&in_job, db, &changes);
        if let Err(error) = written {
            in_job.in_flight.lock().put_back(changes);
            return Err(error);
        }
        undelivered::trim(db, user, limit)?;
        let mut in_flight = in_job.in_flight.lock();
        let rows = undelivered::seqs(db, user)?;
        Ok(in_flight.admit(user, newcomer.number, &rows))
    });
    match admitted.await {
        Ok(true) => connection.fall_behind(),
        Ok(false) => {}
        Err(error) => {
            // Without it the connection would get nothing; coming back it tries again.
            tracing::error!(user, %error, "messages that wait cannot be looked up");
            connection.end("internal-server-error");
        }
    }
}

/// Queues the next piece of what a connection missed, if it has room.
pub async fn catch_up(site: &Arc<Site>, connection: &Arc<Connection>) {
    let limit = connection.begin_reading();
    if limit == 0 {
        return;
    }
    let (user, number) = (connection.user, connection.number);
    let (in_job, in_after) = (Arc::clone(site), Arc::clone(site));
    let connection = Arc::clone(connection);
    let job = move |db: &rusqlite::Connection| {
        let missed = in_job.in_flight.lock().missed(user, number, limit);
        missed
            .into_iter()
            .map(|one| Ok((one.seq, read(&in_job, db, user, one)?)))
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let after = move |piece: Result<Vec<(i64, Option<Element>)>, StoreError>| match piece {
        Ok(piece) => {
            let mut in_flight = in_after.in_flight.lock();
            for (seq, stanza) in piece {
                match stanza.map(|stanza| connection.push_message(stanza, seq)) {
                    None => in_flight.dropped(user, number, seq),
                    Some(Push::Taken) => in_flight.caught_up_with(user, number, seq),
                    Some(Push::Full | Push::Gone) => break,
                }
            }
            connection.end_reading(in_flight.is_behind(user, number));
        }
        Err(error) => {
            tracing::error!(user, %error, "messages that wait cannot be read");
            connection.end("internal-server-error");
        }
    };
    site.store.run_then(job, after).await;
}

/// A missed message, with the time since which it waits if that is of interest.
fn read(
    site: &Site,
    db: &rusqlite::Connection,
    user: UserId,
    missed: Missed<Arc<Element>>,
) -> rusqlite::Result<Option<Element>> {
    if let Some(unsaved) = missed.unsaved {
        return Ok(Some((*unsaved).clone()));
    }
    let Some(found) = undelivered::load(db, user, missed.seq)? else {
        return Ok(None);
    };
    let Ok(mut stanza) = found.stanza.parse::<Element>() else {
        tracing::error!(user, seq = missed.seq, "a stored stanza cannot be read");
        return Ok(None);
    };
    if missed.is_old || site.now() - found.stored_at >= UNTOLD_DELAY {
        stanza.append_child(delay(&site.realm.chat_host, &iso8601(found.stored_at)));
    }
    Ok(Some(stanza))
}

/// Messages have arrived at a connection.
pub fn arrived(site: &Arc<Site>, connection: &Connection, seqs: &[i64]) {
    if seqs.is_empty() {
        return;
    }
    let mut in_flight = site.in_flight.lock();
    for seq in seqs {
        in_flight.acknowledge(connection.user, connection.number, *seq);
    }
    drop(in_flight);
    flush_if_due(site);
}

/// A connection has ended: what it did not acknowledge waits for the next one.
pub async fn end(site: &Arc<Site>, connection: &Arc<Connection>) {
    let (user, number) = (connection.user, connection.number);
    let in_job = Arc::clone(site);
    // On the store's thread, behind every message that was queued for the connection.
    let job = move |_: &rusqlite::Connection| {
        in_job.in_flight.lock().end(user, number);
        Ok(())
    };
    let in_after = Arc::clone(site);
    let after = move |_| flush_if_due(&in_after);
    site.store.run_then(job, after).await;
}

/// Brings the store up to date with what has arrived. For once in a while, so that little comes
/// twice after a crash, and for the end.
pub async fn flush(site: &Arc<Site>) {
    if site.in_flight.lock().change_count() == 0 {
        return;
    }
    let (in_job, in_after) = (Arc::clone(site), Arc::clone(site));
    let (tell, told) = tokio::sync::oneshot::channel();
    let job = move |db: &rusqlite::Connection| {
        let changes = in_job.in_flight.lock().take_changes();
        // Failing would roll back nothing but this, and lose the list.
        let written = write(&in_job, db, &changes);
        Ok((changes, written))
    };
    let after = move |done: Result<(Changes, rusqlite::Result<()>), StoreError>| {
        if let Ok((changes, Err(error))) = done {
            tracing::warn!(%error, "arrivals are not noted yet");
            in_after.in_flight.lock().put_back(changes);
        }
        let _ = tell.send(());
    };
    site.store.run_then(job, after).await;
    // An error means that the store has closed.
    drop(told.await);
}

/// Like [`flush`] when there is enough to do, from where nothing can wait. If there is no place
/// for the job now, the next occasion will do.
pub(super) fn flush_if_due(site: &Arc<Site>) {
    if site.in_flight.lock().change_count() < NOTE_TOGETHER {
        return;
    }
    let in_job = Arc::clone(site);
    site.store.try_run(move |db| {
        let changes = in_job.in_flight.lock().take_changes();
        write(&in_job, db, &changes).inspect_err(|_| {
            in_job.in_flight.lock().put_back(changes);
        })
    });
}

fn write(
    site: &Site,
    db: &rusqlite::Connection,
    changes: &[Change<Arc<Element>>],
) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            Change::Remove(user, seq) => undelivered::remove(db, *user, *seq)?,
            Change::Write(user, seq, stanza) => {
                let text = String::from(&**stanza);
                let limit = site.config.limits.offline_messages;
                undelivered::insert(db, *seq, &text, &[*user], limit, site.now())?;
            }
        }
    }
    Ok(())
}
