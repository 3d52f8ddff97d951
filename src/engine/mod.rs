//! The device daemon: supervised actors, each a thin shell around a state machine or a module of
//! the layer below.
//!
//! Invariant: an actor decides nothing a state machine could decide; it feeds inputs in and
//! performs outputs. No actor can take another one down.
//! Must not enter: MQTT topics (that is `control`), command-line parsing, hub code.

mod apply_setting;
pub mod attachments;
pub mod audio;
pub mod bell;
pub mod board;
pub mod buttons;
pub mod call_command;
mod call_settings;
pub mod calls;
pub mod camera;
mod camera_controls;
pub mod chat;
pub mod chat_command;
mod chat_status;
pub mod chosen;
pub mod command;
pub mod daemon;
pub mod directory;
pub mod dispatch;
pub mod doctor;
pub mod door;
pub mod event;
pub mod gallery;
pub mod history;
pub mod incoming;
pub mod journal;
pub mod live;
pub mod log_detail;
pub mod mailbox;
mod media_settings;
mod messages;
mod newest;
pub mod presence;
pub mod preview;
pub mod recording;
pub mod recording_command;
pub mod records;
pub mod reloading;
mod ring_tone;
pub mod ringing_command;
pub mod roster;
pub mod say_command;
mod saying;
mod screen;
mod self_view;
pub mod session;
pub mod setting_command;
pub mod state;
pub mod storage;
pub mod supervised;
pub mod supervisor;
mod talking;
pub mod texting;
pub mod upstream;
pub mod visitor_message;
mod vitals;
mod volume;
pub mod watched;
pub mod wiring;
