//! Recording: the encoded frames of the fan-outs, put into an MP4 file as they are.
//!
//! ```text
//! VideoFanout ─┐ patient queues          muxer (sans-IO)            NAME.part ─► NAME, NAME_002 …
//! AudioFanout ─┼────────────► recorder ─► timeline, boxes ─► bytes ─► file
//!              └─► pre-roll ─►(thread)                                 recovery (after a cut)
//! ```
//!
//! Invariant: what is older than a second is on the disk, and a file cut off anywhere plays up to
//! the cut. Nothing is captured or encoded for a recording alone, and a slow disk costs the
//! recording pictures and nobody else anything.
//! Must not enter: what is recorded why, who may see it, how long it is kept.
//!
//! Why there is no GStreamer in here: docs/design/recording.md.

mod assembled;
mod boxes;
mod feed;
mod file;
mod h264;
mod muxer;
mod opus;
mod outcome;
mod picture;
mod pre_roll;
mod recorder;
mod recovery;
mod run;
mod sample_table;
mod settings;
mod sps;
mod timeline;
mod vp8;

pub use assembled::assembled;
pub use file::{DiskError, free_space};
pub use h264::parameter_sets;
pub use outcome::{EndedBy, RecordError, RecorderEvent, Recording};
pub use pre_roll::{Held, PreRoll, PreRollSettings};
pub use recorder::Recorder;
pub use recovery::{Recovered, RecoveryError, length_of, recover, recover_file};
pub use settings::{Pictures, RecorderSettings, Segments};
