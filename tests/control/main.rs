//! The device's configuration and its local control over MQTT, from outside.

// Outside #[test] functions too, a failed set-up fails the test by panicking.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "media")]
mod broker;
mod config_calls;
mod config_cameras;
mod config_check;
mod config_console;
mod config_docs;
mod config_lines;
mod config_load;
mod config_rtsp;
mod config_secrets;
mod config_sound;
#[cfg(feature = "media")]
mod ctl;
#[cfg(feature = "media")]
mod ctl_chat;
#[cfg(feature = "media")]
mod ctl_process;
#[cfg(feature = "media")]
mod device;
#[cfg(feature = "media")]
mod doc_blocks;
mod fixture;
#[cfg(feature = "media")]
mod guide_examples;
#[cfg(feature = "media")]
mod home_assistant;
mod home_assistant_camera;
#[cfg(feature = "media")]
mod manual;
#[cfg(feature = "media")]
mod mqtt_authorisation;
#[cfg(feature = "media")]
mod mqtt_bursts;
#[cfg(feature = "media")]
mod mqtt_commands;
#[cfg(feature = "media")]
mod mqtt_delivery;
#[cfg(feature = "media")]
mod mqtt_docs;
#[cfg(feature = "media")]
mod mqtt_groups;
#[cfg(feature = "media")]
mod mqtt_hostile;
#[cfg(feature = "media")]
mod mqtt_idempotency;
#[cfg(feature = "media")]
mod mqtt_presence;
#[cfg(feature = "media")]
mod mqtt_security;
#[cfg(feature = "media")]
mod mqtt_settings;
#[cfg(feature = "media")]
mod mqtt_versions;
#[cfg(feature = "media")]
mod outage;
#[cfg(feature = "media")]
mod presses;
mod process;
mod rules;
mod schemas;
mod setups;
