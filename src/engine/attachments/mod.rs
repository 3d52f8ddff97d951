//! Files that go with messages: `outgoing` makes one ready, the `Uploads` actor carries it,
//! `saving` fetches those of others.
//!
//! Invariant: files are read from and written to the configured folders alone; a message with a
//! file leaves when the file is on the server, and is on the disk until then.
//! Must not enter: paths from the network.

mod outgoing;
mod saving;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::event::EventKind;
use super::mailbox::MAILBOX_CAPACITY;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::base::backoff::Backoff;
use crate::rest::{NewBlob, Progress, TransferError, UploadSource, UploadTicket};
use crate::store::history::OwnStatus;
use crate::store::{QueuedUpload, StoreError};

pub use outgoing::{prepare, prepare_picture};
pub use saving::{save, save_by_itself};

/// The largest file, bytes (ST-03).
pub const MAX_FILE: u64 = 100 << 20;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Wakes the uploads; cheap to clone.
#[derive(Clone, Default)]
pub struct UploadSignal(Arc<Notify>);

impl UploadSignal {
    /// There is a file to upload.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// The actor.
pub struct Uploads {
    _life: Life,
    wiring: Wiring,
}

supervised!(Uploads);

impl Uploads {
    /// Carries nothing yet.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
        }
    }
}

impl Actor for Uploads {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.spawn(carry_all(self.wiring.clone()).into_actor(self));
    }
}

enum Failure {
    /// Another try may do.
    Later(String),
    /// None will.
    Never(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

/// One after the other, so that a slow line is not shared among many that all take long.
async fn carry_all(wiring: Wiring) {
    let mut backoff = Backoff::standard();
    loop {
        let upload = match wiring.store.next_upload().await {
            Ok(Some(upload)) => upload,
            Ok(None) => {
                wiring.upload_signal.0.notified().await;
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "uploads cannot be read");
                tokio::time::sleep(backoff.next_delay()).await;
                continue;
            }
        };
        match carry(&wiring, &upload).await {
            Ok(()) => backoff.reset(),
            Err(Failure::Later(reason)) => {
                tracing::warn!(reason, message = upload.message.id, "an upload waits");
                tokio::time::sleep(backoff.next_delay()).await;
            }
            Err(Failure::Never(reason)) => refuse(&wiring, &upload, &reason).await,
        }
    }
}

async fn carry(wiring: &Wiring, upload: &QueuedUpload) -> Result<(), Failure> {
    let id = &upload.message.id;
    let known: Option<UploadTicket> = upload
        .ticket
        .as_deref()
        .and_then(|ticket| serde_json::from_str(ticket).ok());
    let ticket = match known {
        Some(ticket) => ticket,
        None => begin(wiring, upload).await?,
    };
    let source = UploadSource::File(upload.file.clone());
    let progress = progress(wiring, id);
    let blob = match wiring.rest.resume_upload(&ticket, &source, &progress).await {
        Ok(blob) => blob,
        Err(TransferError::Expired) => {
            wiring.store.set_upload_ticket(id, None).await?;
            return Err(Failure::Later("its ticket has expired".to_owned()));
        }
        Err(error) if error.is_transient() => return Err(Failure::Later(error.to_string())),
        Err(error) => return Err(Failure::Never(error.to_string())),
    };
    let mut message = upload.message.clone();
    if let Some(attachment) = message.attachments.last_mut() {
        attachment.id = Some(blob.id.to_string());
        attachment.uid = Some(blob.uid);
    }
    let sent = wiring.chat.client().send(message).await;
    sent.map_err(|error| Failure::Later(error.to_string()))?;
    wiring.store.upload_done(id).await?;
    if upload.is_temporary
        && let Err(error) = tokio::fs::remove_file(&upload.file).await
    {
        tracing::warn!(%error, "a sent picture stays in the state folder");
    }
    tell(wiring, id, "done", upload.size, upload.size, None);
    Ok(())
}

async fn begin(wiring: &Wiring, upload: &QueuedUpload) -> Result<UploadTicket, Failure> {
    let new = NewBlob {
        name: upload.name.clone(),
        content_type: upload.content_type.clone(),
        is_public: false,
    };
    let created = wiring.rest.create_upload(&new, upload.size).await;
    let ticket = created.map_err(|error| {
        if error.is_transient() {
            Failure::Later(error.to_string())
        } else {
            Failure::Never(error.to_string())
        }
    })?;
    let json = serde_json::to_string(&ticket).ok();
    let id = &upload.message.id;
    wiring.store.set_upload_ticket(id, json).await?;
    Ok(ticket)
}

async fn refuse(wiring: &Wiring, upload: &QueuedUpload, reason: &str) {
    let id = &upload.message.id;
    if let Err(error) = wiring.store.upload_refused(id, reason).await {
        tracing::error!(%error, id, reason, "an upload that cannot be is tried again");
    }
    let own = super::history::Input::Own {
        message_id: id.clone(),
        status: OwnStatus::Refused,
        reason: Some(reason.to_owned()),
    };
    wiring.history_queue.put(own).await;
    tell(wiring, id, "refused", 0, upload.size, Some(reason));
}

/// Tells of the progress, not more often than people look.
fn progress(wiring: &Wiring, id: &str) -> Progress {
    let (wiring, id) = (wiring.clone(), id.to_owned());
    let told: Mutex<Option<Instant>> = Mutex::new(None);
    Arc::new(move |bytes, size| {
        let mut told = told.lock();
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            tell(&wiring, &id, "uploading", bytes, size, None);
        }
    })
}

fn tell(
    wiring: &Wiring,
    id: &str,
    status: &'static str,
    bytes: u64,
    size: u64,
    reason: Option<&str>,
) {
    wiring.board.publish(EventKind::ChatUpload {
        message: id.to_owned(),
        status,
        bytes,
        size,
        reason: reason.map(str::to_owned),
    });
}
