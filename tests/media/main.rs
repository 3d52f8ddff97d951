//! Media over loopback: two peers in one process, test sources, real encoders and decoders.
#![cfg(feature = "media")]
// The exemption for tests does not cover the functions they share.
#![allow(clippy::unwrap_used)]

mod adaptation;
mod announcement;
mod calls;
mod colours;
mod covered;
mod digits;
mod display;
mod echo;
mod fanout;
mod far_side;
mod films;
mod live_room;
mod loss;
mod network_camera;
mod one_way;
mod pauses;
mod playing;
mod pre_roll;
mod recording;
mod relay;
mod room;
#[path = "../support/rtsp_camera.rs"]
mod rtsp_camera;
mod screens;
// Makes certificates with what the hub makes its own.
#[cfg(feature = "hub")]
mod secure_camera;
mod segments;
mod sound;
mod sources;
mod stats;
mod support;
// Makes a certificate with what the hub makes its own.
#[cfg(feature = "hub")]
mod turn;
#[path = "../support/wayland_screen.rs"]
mod wayland_screen;
#[path = "../support/x_screen.rs"]
mod x_screen;
