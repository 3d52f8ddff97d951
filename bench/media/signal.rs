//! What the two ends of the calls tell each other: one JSON object a line, over standard input and
//! output, carried by the measuring process.

use cubelet::protocol::call_signal::Candidate;
use serde::{Deserialize, Serialize};

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// Of the sending side.
    Offer {
        /// Which of the calls.
        call: usize,
        /// The description.
        sdp: String,
    },
    /// Of the receiving side.
    Answer {
        /// Which of the calls.
        call: usize,
        /// The description.
        sdp: String,
    },
    /// Of either.
    Candidate {
        /// Which of the calls.
        call: usize,
        /// The candidate's line.
        candidate: String,
        /// Section by name.
        mid: String,
        /// Section by number.
        index: u16,
    },
    /// The receiving side, once a second, each in the order of the calls.
    Received {
        /// Kbit/s of pictures.
        kbps: Vec<u32>,
        /// Pictures decoded so far.
        decoded: Vec<u64>,
        /// Milliseconds they stood still so far.
        frozen_ms: Vec<u64>,
        /// Thousandths of the packets lost lately.
        lost: Vec<u32>,
    },
    /// Delays of pictures in microseconds.
    Latencies {
        /// In the order of the pictures.
        micros: Vec<u32>,
    },
}

impl Line {
    /// Prints it.
    pub fn tell(&self) {
        // Only strings and numbers, which always are JSON.
        println!("{}", serde_json::to_string(self).unwrap_or_default());
    }

    /// A candidate of ours.
    pub fn candidate(call: usize, candidate: Candidate) -> Self {
        Self::Candidate {
            call,
            candidate: candidate.candidate,
            mid: candidate.sdp_mid,
            index: candidate.sdp_m_line_index,
        }
    }
}

/// A candidate of the other side.
pub fn candidate(candidate: String, mid: String, index: u16) -> Candidate {
    Candidate {
        candidate,
        sdp_mid: mid,
        sdp_m_line_index: index,
    }
}
