//! The task that works the queue: one notification at a time for each subscription, some at a time
//! for each user, until the hub stops. What it was sending then is sent again by the next hub.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use tokio::task::{Id, JoinSet};

use super::encryption::{self, EncryptionError, Receiver};
use super::endpoint;
use super::verdict::{self, Verdict};
use super::{Push, PushError};
use crate::hub::site::Site;
use crate::hub::store::notifications::{self, Due};
use crate::hub::store::{StoreError, subscriptions};
use crate::protocol::address::UserId;

/// Requests under way in all.
const AT_ONCE: usize = 32;
/// Requests under way for one user: whoever's service takes its time holds up nobody else.
const AT_ONCE_PER_USER: usize = 2;
/// Looked at for a place that is free: beyond those of users who have no place.
const CANDIDATES: usize = 256;
/// Seconds until a subscription is served again whose outcome could not be noted: otherwise a full
/// disk would send the same notification over and over.
const HELD: i64 = 60;
/// Seconds until the queue is read again that could not be.
const READ_AGAIN: i64 = 5;

/// Sends what is queued until the hub stops. A panic ends the work of the moment, not push
/// notifications for good: what was under way is in the queue still.
pub async fn run(site: Arc<Site>) {
    while let Err(error) = tokio::spawn(work(Arc::clone(&site))).await {
        tracing::error!(%error, "the sending of notifications had failed; it begins again");
        let again = site.now() + READ_AGAIN;
        tokio::select! {
            () = site.stop.cancelled() => return,
            () = site.clock.sleep_until(again) => {}
        }
    }
}

async fn work(site: Arc<Site>) {
    let Some(push) = &site.push else { return };
    let mut under_way = UnderWay::default();
    loop {
        let read = fill(&site, &mut under_way).await;
        let next = read.unwrap_or_else(|error| {
            tracing::warn!(%error, "notifications that wait cannot be read");
            Some(site.now() + READ_AGAIN)
        });
        tokio::select! {
            () = site.stop.cancelled() => return,
            () = push.queued.notified() => {}
            () = under_way.one_done(&site), if !under_way.is_empty() => {}
            () = site.clock.sleep_until(next.unwrap_or(i64::MAX)) => {}
        }
    }
}

/// Begins what there is a place for; returns when to look again.
async fn fill(site: &Arc<Site>, under_way: &mut UnderWay) -> Result<Option<i64>, StoreError> {
    if under_way.tasks.len() >= AT_ONCE {
        return Ok(None);
    }
    let now = site.now();
    let found = site.store.run(move |db| {
        let due = notifications::due(db, now, CANDIDATES)?;
        Ok((due, notifications::next_at(db, now)?))
    });
    let (due, next) = found.await?;
    under_way.held.retain(|_, until| *until > now);
    for due in due {
        if under_way.has_place(&due) {
            under_way.begin(site, due);
        }
    }
    Ok(next
        .into_iter()
        .chain(under_way.held.values().copied())
        .min())
}

#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Result<(), StoreError>>,
    of: HashMap<Id, (i64, UserId)>,
    held: HashMap<i64, i64>,
}

impl UnderWay {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn has_place(&self, due: &Due) -> bool {
        let of_user = self.of.values().filter(|(_, user)| *user == due.user);
        self.tasks.len() < AT_ONCE
            && of_user.count() < AT_ONCE_PER_USER
            && !self.held.contains_key(&due.subscription)
            && self.of.values().all(|(one, _)| *one != due.subscription)
    }

    fn begin(&mut self, site: &Arc<Site>, due: Due) {
        let of = (due.subscription, due.user);
        let site = Arc::clone(site);
        let task = self.tasks.spawn(async move { serve(&site, due).await });
        self.of.insert(task.id(), of);
    }

    async fn one_done(&mut self, site: &Site) {
        let (id, outcome) = match self.tasks.join_next_with_id().await {
            Some(Ok((id, outcome))) => (id, outcome.map_err(|error| error.to_string())),
            Some(Err(error)) => (error.id(), Err(error.to_string())),
            None => return,
        };
        let of = self.of.remove(&id);
        if let (Some((subscription, _)), Err(error)) = (of, outcome) {
            tracing::warn!(error, "what came of a notification cannot be noted");
            self.held.insert(subscription, site.now() + HELD);
        }
    }
}

/// Sends one notification and notes what came of it.
async fn serve(site: &Site, due: Due) -> Result<(), StoreError> {
    let Some(push) = &site.push else {
        return Ok(());
    };
    let verdict = if due.expires_at <= site.now() {
        Verdict::Refused
    } else {
        attempt(site, push, &due).await
    };
    let now = site.now();
    let dice = rand::random();
    let noted = site.store.run(move |db| match verdict {
        Verdict::Accepted => notifications::done(db, &due, true),
        Verdict::Refused => notifications::done(db, &due, false),
        Verdict::Gone => subscriptions::delete_gone(db, due.subscription, &due.address).map(drop),
        Verdict::Later(asked) => {
            let wait = verdict::wait(due.failures.saturating_add(1), asked, dice);
            notifications::postpone(db, &due, now + wait)
        }
    });
    noted.await
}

/// The address of a subscription is a secret of its user's, so the log has the host alone.
async fn attempt(site: &Site, push: &Push, due: &Due) -> Verdict {
    let (user, subscription) = (due.user, due.subscription);
    let endpoint = match endpoint::check(&due.address, &site.config.push.local_services) {
        Ok(endpoint) => endpoint,
        Err(rule) => {
            tracing::warn!(user, subscription, %rule, "a notification has nowhere to go");
            return Verdict::Refused;
        }
    };
    let host = endpoint.url.host_str().unwrap_or_default().to_owned();
    let body = match encrypt_for(due) {
        Ok(body) => body,
        Err(EncryptionError::Key) => return Verdict::Gone,
        Err(error @ EncryptionError::TooLong) => {
            tracing::warn!(user, subscription, %error, "a notification cannot be sent");
            return Verdict::Refused;
        }
    };
    let now = site.now();
    let origin = endpoint.url.origin().ascii_serialization();
    let Some(authorization) = push.vapid.authorization(&origin, now) else {
        return Verdict::Later(None);
    };
    let urgency = if due.is_urgent { "high" } else { "normal" };
    let request = push
        .client(&endpoint)
        .post(endpoint.url.clone())
        .header(AUTHORIZATION, authorization)
        .header(CONTENT_ENCODING, "aes128gcm")
        .header(CONTENT_TYPE, "application/octet-stream")
        .header("TTL", (due.expires_at - now).max(0))
        .header("Urgency", urgency)
        .body(body);
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            // Without the address, which reqwest puts into its texts.
            let error = PushError::from(error.without_url());
            tracing::info!(user, subscription, host, %error, "a push service is not reached");
            return Verdict::Later(None);
        }
    };
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok());
    let verdict = verdict::of_answer(status, retry_after, now);
    match verdict {
        Verdict::Accepted => tracing::debug!(user, subscription, host, "a notification is out"),
        Verdict::Gone => tracing::info!(user, subscription, host, status, "a subscription is over"),
        Verdict::Refused | Verdict::Later(_) => {
            tracing::warn!(user, subscription, host, status, "a push service refused");
        }
    }
    verdict
}

fn encrypt_for(due: &Due) -> Result<Vec<u8>, EncryptionError> {
    let receiver = Receiver::read(&due.p256dh, &due.auth).ok_or(EncryptionError::Key)?;
    encryption::encrypt(&receiver, due.payload.as_bytes())
}
