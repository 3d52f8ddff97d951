//! Two whole devices and a hub on loopback, driven through their commands: calls, the door, and
//! what is left standing when a part dies.

mod accounts;
#[path = "../control/broker.rs"]
// The whole of it serves the control tests; here a broker is enough.
#[allow(dead_code, clippy::unwrap_used)]
mod broker;
mod calls;
mod chat_commands;
mod console;
mod ctl;
#[path = "../control/ctl_process.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod ctl_process;
mod dialogs;
#[allow(clippy::unwrap_used)] // All of it is test code.
mod doctor;
mod door;
mod duplex;
mod history;
mod incoming;
mod logs;
mod making;
mod malformed;
mod mesh;
mod messages;
mod network_change;
mod pair;
#[path = "../media/playing.rs"]
#[allow(clippy::unwrap_used)] // All of it is test code.
mod playing;
mod preview;
#[path = "../support/push_service.rs"]
// The whole of it serves the hub's tests; all of it is test code.
#[allow(dead_code, clippy::unwrap_used)]
mod push_service;
mod recordings;
mod records;
mod recovery;
mod ring_tones;
mod ringing;
#[allow(clippy::unwrap_used)] // All of it is test code.
mod rtsp;
#[path = "../support/rtsp_camera.rs"]
// The whole of it serves the media tests; all of it is test code.
#[allow(dead_code, clippy::unwrap_used)]
mod rtsp_camera;
mod rules;
mod saying;
#[allow(clippy::unwrap_used)] // All of it is test code.
mod screens;
mod settings;
mod site;
mod soak;
mod sound_cards;
mod upstream;
mod visitor_messages;
#[allow(clippy::unwrap_used)] // All of it is test code.
mod waking;
#[path = "../support/wayland_screen.rs"]
mod wayland_screen;
#[path = "../support/x_screen.rs"]
#[allow(clippy::unwrap_used)] // All of it is test code.
mod x_screen;
