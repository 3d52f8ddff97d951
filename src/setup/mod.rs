//! A device's first run: what is asked, in which order, what is tried, and what is written of it.
//!
//! ```text
//! flow  question  answer  which question or trial comes next: sans-IO
//! plan                    the answers as files: sans-IO
//! echo                    a chirp, and where it is in what was heard: sans-IO
//! trial  sound  place     hubs found, devices tried, accounts taken; files put in place
//! ```
//!
//! Invariant: nothing is written before everything was tried, and a code, which is good once, is
//! taken last. Must not enter: terminals, arguments (`cli::setup`).

mod answer;
pub mod echo;
mod flow;
mod place;
mod plan;
mod question;
mod sound;
pub mod trial;

pub use flow::{Admission, Around, Flow, HubAddress, Step, Trial};
pub use place::{PlaceError, Target};
pub use plan::{Broker, Draft, Plan};
pub use question::{Choice, Question, Topic};
