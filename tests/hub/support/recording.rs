//! What the official SDK 6.1.2 and a server said to each other, recorded line by line.
//!
//! `{"k":"xmpp","d":"C>S"|"S>C","u":user or null before log-in,"s":stanza}` or
//! `{"k":"rest","m":method,"u":path,"b":body,"rc":status,"rb":answer}`.

use minidom::Element;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub enum Line {
    Xmpp {
        #[serde(rename = "d")]
        direction: Direction,
        #[serde(rename = "u")]
        user: Option<u64>,
        #[serde(rename = "s")]
        stanza: String,
    },
    Rest {
        #[serde(rename = "m")]
        method: String,
        #[serde(rename = "u")]
        path: String,
        #[serde(rename = "rc")]
        status: u16,
        #[serde(rename = "rb")]
        answer: String,
    },
    /// The name of what follows.
    Mark {},
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Direction {
    #[serde(rename = "C>S")]
    ToServer,
    #[serde(rename = "S>C")]
    ToClient,
}

pub const CHAT: &str = include_str!("../../testdata/vectors/sdk612-rest-xmpp.ndjson");
pub const CALLS: &str = include_str!("../../testdata/vectors/sdk612-p2p-3way.ndjson");

pub fn lines(recording: &str) -> Vec<Line> {
    let lines = recording.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The stanzas of both recordings, in their order.
pub fn stanzas() -> Vec<(Direction, Option<u64>, String)> {
    let all = [CHAT, CALLS].into_iter().flat_map(lines);
    all.filter_map(|line| match line {
        Line::Xmpp {
            direction,
            user,
            stanza,
        } => Some((direction, user, stanza)),
        _ => None,
    })
    .collect()
}

/// A stanza as a stream reads it, where `jabber:client` goes without saying.
pub fn parse(stanza: &str) -> Element {
    let client = "jabber:client".to_owned();
    Element::from_reader_with_prefixes(stanza.as_bytes(), client)
        .unwrap_or_else(|error| panic!("{error}: {stanza}"))
}
