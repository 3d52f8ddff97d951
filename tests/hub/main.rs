//! The site server from outside: REST with plain HTTP, chat over WebSocket and TLS.
#![cfg(feature = "hub")]
// Clippy excuses test functions only; the helpers they share fail the same way.
#![allow(clippy::unwrap_used)]

mod blobs;
mod broadcast;
mod chat;
mod chat_alerts;
mod data;
mod data_changes;
mod data_criteria;
mod data_dialogs;
mod data_guide;
mod data_lists;
mod data_permissions;
mod data_records;
mod data_relations;
mod data_support;
mod deletion;
mod delivery_order;
mod dialogs;
mod enrolment;
mod extensions;
mod filters;
mod full_disk;
mod groups;
mod hostile;
mod lifecycle;
mod login;
mod message_changes;
mod message_models;
mod privacy;
mod public_dialogs;
mod push;
mod reactions;
mod recordings;
mod replay;
mod requests;
mod resumption;
mod roles;
mod rooms;
mod search;
mod sessions;
mod sessions_ending;
mod slow_readers;
mod streams;
mod support;
mod system_messages;
mod upgrades;
mod users;
mod users_profile;
mod users_search;
