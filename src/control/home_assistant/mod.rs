//! Home Assistant finds the device by itself: what is announced (`announcement`, `components`,
//! `camera_controls`, `choices`, `loudspeaker`, `privacy`, `recordings`, `screen`), and when (`discovery`).
//!
//! Invariant: Home Assistant is told of topics and commands others have as well; nothing is
//! published for it alone, except the announcement.
//! Must not enter: sockets, clocks, what a command does.

mod announcement;
mod camera_controls;
mod choices;
mod components;
mod discovery;
mod loudspeaker;
mod privacy;
mod recordings;
mod screen;

pub use announcement::announcement;
pub(super) use discovery::Discovery;

/// What the device has, as far as that decides about components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Equipment {
    /// A relay of its own.
    pub relay: bool,
    /// A camera.
    pub camera: bool,
    /// Somebody whose calls are answered by themselves.
    pub auto_answer: bool,
    /// Visitors may leave messages.
    pub visitor_message: bool,
    /// A loudspeaker.
    pub loudspeaker: bool,
    /// A screen.
    pub screen: bool,
    /// The cameras there are, by the names of `camera/set`.
    pub cameras: Vec<String>,
    /// The microphones, by those of `audio/set`.
    pub microphones: Vec<String>,
    /// The loudspeakers, likewise.
    pub loudspeakers: Vec<String>,
    /// Recordings are permitted.
    pub recording: bool,
}
