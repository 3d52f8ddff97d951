//! `[chat]`: how patient the chat connection is.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, field};

pub(super) const SECTION: Section = Section {
    name: "chat",
    doc: "How patient the chat connection is.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "retry_first_ms",
            Kind::Integer {
                min: 100,
                max: 30_000,
            },
            Without::Integer(300),
            "The longest pause before the second try, ms; doubled with each failure. The pause is drawn at random up to it, so that a fleet does not come back in step.",
        ),
        field(
            "retry_longest_s",
            Kind::Integer { min: 1, max: 3600 },
            Without::Integer(30),
            "What that doubling ends at, s; at most 4 while nobody answers at all (no address, no route, \
             refused). A change of the network cuts any pause short.",
        ),
        field(
            "step_timeout_s",
            Kind::Integer { min: 1, max: 60 },
            Without::Integer(5),
            "Time for each step of connecting: TCP, TLS, stream, login and so on, s.",
        ),
        field(
            "keep_alive_s",
            Kind::Integer { min: 1, max: 300 },
            Without::Integer(4),
            "After so long without a byte the server is asked for a sign of life, s. Also keeps NAT and VPN entries alive.",
        ),
        field(
            "answer_timeout_s",
            Kind::Integer { min: 1, max: 60 },
            Without::Integer(5),
            "So long the answer may take before the connection counts as dead, s.",
        ),
        field(
            "resume_s",
            Kind::Integer {
                min: 0,
                max: 86_400,
            },
            Without::Integer(600),
            "For how long after a cut the server is asked to keep the stream for resumption, s; 0 asks for none.",
        ),
    ],
};
