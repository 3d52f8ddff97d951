//! The REST client of the device (wire reference E): one file per API family, all on one
//! [`RestClient`] that keeps the session alive.
//!
//! Invariant: whatever many callers ask for at once, at most one login is under way; a refused
//! token costs one renewal and one repetition, never a loop.
//! Must not enter: chat, storage, decisions about calls.

mod blobs;
mod calls;
mod client;
mod deletion;
mod dialog_changes;
mod dialogs;
mod download;
#[cfg(any(feature = "media", feature = "hub"))]
pub mod enrolment;
mod error;
mod exchange;
mod message_changes;
mod messages;
mod push;
mod records;
mod reports;
mod session;
mod session_state;
mod settings;
mod transfer;
mod upload;
mod users;
mod version;

pub use blobs::{Blob, NewBlob, UploadTicket};
pub use client::RestClient;
pub use deletion::Deletion;
pub use dialog_changes::{DialogLists, DialogUpdate};
pub use dialogs::{DialogAbout, DialogQuery, NewDialog};
pub use error::{NetworkFault, RestError};
pub use message_changes::Found;
pub use messages::{HistoryMessage, HistoryQuery, MessageQuery, NewMessage, Unread};
pub use push::{PushEvent, PushRecipients};
pub use records::{Record, RecordAbout, RecordQuery, Removed};
pub use settings::{Account, Login, RestSettings};
pub use transfer::{Progress, TransferError, UploadSource, unwatched};
pub use users::{NewUser, ProfileUpdate};
