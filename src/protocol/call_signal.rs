//! Call signals: the `WebRTCVideoChat` headline messages of wire reference C.1 (PC-02…PC-10).

use std::collections::BTreeMap;

use minidom::Element;

use super::address::{Realm, UserId};
use super::extra_params::{ExtraParams, ExtraParamsBuilder, text_element};
use super::ns;
use super::xml::SetAttribute;

/// `moduleIdentifier` of call signals.
pub const MODULE: &str = "WebRTCVideoChat";

/// What we run on, in every signal.
pub const PLATFORM: &str = "linux";

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignalKind {
    /// Invites, with an offer; repeated until answered.
    Call,
    /// Takes the call, with an answer.
    Accept,
    /// Declines.
    Reject,
    /// Ends.
    HangUp,
    /// Brings ICE candidates.
    IceCandidates,
    /// Changed call parameters; tolerated.
    Update,
    /// A new offer with fresh ICE credentials.
    IceRestart,
    /// The answer to [`SignalKind::IceRestart`].
    IceRestartAccept,
}

const NAMES: [(SignalKind, &str); 8] = [
    (SignalKind::Call, "call"),
    (SignalKind::Accept, "accept"),
    (SignalKind::Reject, "reject"),
    (SignalKind::HangUp, "hangUp"),
    (SignalKind::IceCandidates, "iceCandidates"),
    (SignalKind::Update, "update"),
    (SignalKind::IceRestart, "iceRestart"),
    (SignalKind::IceRestartAccept, "iceRestartAccept"),
];

impl SignalKind {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }
}

/// Whether a call has pictures.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CallType {
    /// `callType` 1.
    Video,
    /// `callType` 2.
    Audio,
}

/// One ICE candidate as trickled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// `candidate:…`, never empty.
    pub candidate: String,
    /// Media id of the m-line.
    pub sdp_mid: String,
    /// Index of the m-line. The JS SDK writes 0 as an empty element.
    pub sdp_m_line_index: u16,
}

/// A call signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSignal {
    /// What it does.
    pub kind: SignalKind,
    /// The call it belongs to; a UUID by custom, opaque by contract.
    pub session_id: String,
    /// Who started the call, which need not be the sender. ICE restarts leave it out.
    pub caller_id: Option<UserId>,
    /// Everybody called.
    pub opponents: Vec<UserId>,
    /// Pictures or not; absent means video, as the SDK reads it.
    pub call_type: CallType,
    /// Offer or answer, with CRLF line ends restored.
    pub sdp: Option<String>,
    /// Candidates of [`SignalKind::IceCandidates`].
    pub candidates: Vec<Candidate>,
    /// Custom parameters; nested ones as their text. What goes beyond [`MAX_INFO_ENTRIES`] or
    /// [`MAX_INFO_BYTES`] was cut when it was read.
    pub user_info: BTreeMap<String, String>,
    /// What the sender runs on: `web`, `mobile`, `node`, `ios`, `android`, and `linux` for a
    /// device like us. Ours is always sent as [`PLATFORM`].
    pub platform: Option<String>,
}

/// A headline that claims to be a call signal and is not a usable one.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignalError {
    /// `sessionID` is absent or empty.
    #[error("the signal has no sessionID")]
    NoSession,
    /// `signalType` is absent or none we know.
    #[error("signalType {0:?} is not known")]
    UnknownKind(String),
    /// The kind needs an SDP.
    #[error("{0} carries no sdp")]
    NoSdp(&'static str),
    /// The SDP is none, so that nobody could answer it.
    #[error("{0} carries an sdp that is none")]
    NotSdp(&'static str),
    /// A value is longer than any real one.
    #[error("{length} bytes of {field} are more than the {limit} allowed")]
    TooLong {
        /// The element.
        field: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A value is not of its type.
    #[error("{field} is not a number: {value:?}")]
    NotANumber {
        /// The element.
        field: &'static str,
        /// Its text, cut to 64 characters.
        value: String,
    },
    /// More opponents or candidates than any real call has.
    #[error("{count} {field} are more than the {limit} allowed")]
    TooMany {
        /// The element.
        field: &'static str,
        /// How many came.
        count: usize,
        /// How many are read.
        limit: usize,
    },
}

/// A mesh call has at most four people; this leaves room for senders that count otherwise.
const MAX_OPPONENTS: usize = 32;
/// A browser with many interfaces gathers some dozens.
const MAX_CANDIDATES: usize = 256;
/// Bytes; a browser's offer of everything it can has some 7 KiB.
const MAX_SDP: usize = 128 << 10;
/// Characters; a UUID has 36.
const MAX_SESSION_ID: usize = 128;
/// Custom parameters that are read of one signal.
pub const MAX_INFO_ENTRIES: usize = 64;
/// Bytes of names and values of custom parameters that are read; a small picture fits in.
pub const MAX_INFO_BYTES: usize = 64 << 10;

impl CallSignal {
    /// A signal with nothing but its kind and session.
    pub fn new(kind: SignalKind, session_id: impl Into<String>) -> Self {
        Self {
            kind,
            session_id: session_id.into(),
            caller_id: None,
            opponents: Vec::new(),
            call_type: CallType::Video,
            sdp: None,
            candidates: Vec::new(),
            user_info: BTreeMap::new(),
            platform: None,
        }
    }

    /// Reads the parameters of a headline whose module identifier is [`MODULE`].
    ///
    /// # Errors
    /// [`SignalError`] names the element and the rule.
    pub fn read(params: ExtraParams<'_>) -> Result<Self, SignalError> {
        let name = params.get("signalType").unwrap_or_default();
        let kind = NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
            .ok_or_else(|| SignalError::UnknownKind(name.chars().take(64).collect()))?;
        let session_id = params.get("sessionID").ok_or(SignalError::NoSession)?;
        within("sessionID", &session_id, MAX_SESSION_ID)?;
        let sdp = params.get("sdp").map(|sdp| with_crlf(&sdp));
        let needs_sdp = matches!(
            kind,
            SignalKind::Call
                | SignalKind::Accept
                | SignalKind::IceRestart
                | SignalKind::IceRestartAccept
        );
        if needs_sdp && sdp.is_none() {
            return Err(SignalError::NoSdp(kind.name()));
        }
        if let Some(sdp) = &sdp {
            within("sdp", sdp, MAX_SDP)?;
            // What media can make of it is media's business; this spares a bell for nothing.
            let is_empty = kind == SignalKind::Call && !sdp.contains("\nm=");
            if needs_sdp && (!sdp.starts_with("v=0") || is_empty) {
                return Err(SignalError::NotSdp(kind.name()));
            }
        }
        Ok(Self {
            kind,
            session_id,
            caller_id: params
                .get("callerID")
                .map(|text| number("callerID", &text))
                .transpose()?,
            opponents: read_opponents(params)?,
            call_type: match params.get("callType").as_deref() {
                Some("2") => CallType::Audio,
                _ => CallType::Video,
            },
            sdp,
            candidates: read_candidates(params)?,
            user_info: params
                .element("userInfo")
                .map(read_info)
                .unwrap_or_default(),
            platform: params
                .get("platform")
                .map(|name| name.chars().take(32).collect()),
        })
    }

    /// The headline message. `id` is the stanza's.
    pub fn to_element(&self, realm: &Realm, id: &str, to: UserId) -> Element {
        let mut params = ExtraParamsBuilder::default();
        if !self.user_info.is_empty() {
            let info = self
                .user_info
                .iter()
                .map(|(name, value)| text_element(name, value));
            params = params.element(
                Element::builder("userInfo", ns::CLIENT)
                    .append_all(info)
                    .build(),
            );
        }
        params = params.text("sessionID", &self.session_id);
        if let Some(caller) = self.caller_id {
            let call_type = match self.call_type {
                CallType::Video => "1",
                CallType::Audio => "2",
            };
            let opponents = self
                .opponents
                .iter()
                .map(|user| text_element("opponentID", &user.to_string()));
            params = params
                .text("callType", call_type)
                .text("callerID", caller.to_string())
                .element(
                    Element::builder("opponentsIDs", ns::CLIENT)
                        .append_all(opponents)
                        .build(),
                );
        }
        if let Some(sdp) = &self.sdp {
            params = params.text("sdp", sdp);
        }
        if !self.candidates.is_empty() {
            let candidates = self.candidates.iter().map(candidate_element);
            params = params.element(
                Element::builder("iceCandidates", ns::CLIENT)
                    .append_all(candidates)
                    .build(),
            );
        }
        params = params
            .text("moduleIdentifier", MODULE)
            .text("signalType", self.kind.name())
            .text("platform", PLATFORM);
        Element::builder("message", ns::CLIENT)
            .with("type", "headline")
            .with("id", id)
            .with("to", realm.user(to))
            .append(params.build())
            .build()
    }
}

fn candidate_element(candidate: &Candidate) -> Element {
    Element::builder("iceCandidate", ns::CLIENT)
        .append(text_element(
            "sdpMLineIndex",
            &candidate.sdp_m_line_index.to_string(),
        ))
        .append(text_element("sdpMid", &candidate.sdp_mid))
        .append(text_element("candidate", &candidate.candidate))
        .build()
}

fn read_opponents(params: ExtraParams<'_>) -> Result<Vec<UserId>, SignalError> {
    let Some(list) = params.element("opponentsIDs") else {
        return Ok(Vec::new());
    };
    let count = list.children().count();
    if count > MAX_OPPONENTS {
        return Err(SignalError::TooMany {
            field: "opponentID",
            count,
            limit: MAX_OPPONENTS,
        });
    }
    list.children()
        .map(|child| number("opponentID", &child.text()))
        .collect()
}

fn read_candidates(params: ExtraParams<'_>) -> Result<Vec<Candidate>, SignalError> {
    let Some(list) = params.element("iceCandidates") else {
        return Ok(Vec::new());
    };
    let count = list.children().count();
    if count > MAX_CANDIDATES {
        return Err(SignalError::TooMany {
            field: "iceCandidate",
            count,
            limit: MAX_CANDIDATES,
        });
    }
    let text_of = |entry: &Element, name: &str| {
        entry
            .children()
            .find(|child| child.name() == name)
            .map(Element::text)
            .unwrap_or_default()
    };
    let mut candidates = Vec::with_capacity(count);
    for entry in list.children() {
        let candidate = text_of(entry, "candidate");
        if candidate.is_empty() {
            continue;
        }
        let index = text_of(entry, "sdpMLineIndex");
        candidates.push(Candidate {
            candidate,
            sdp_mid: text_of(entry, "sdpMid"),
            sdp_m_line_index: if index.is_empty() {
                0
            } else {
                number("sdpMLineIndex", &index)?
            },
        });
    }
    Ok(candidates)
}

/// Entries in the order sent, as far as they fit: a bomb loses its tail, a call its bell never.
fn read_info(info: &Element) -> BTreeMap<String, String> {
    let mut read = BTreeMap::new();
    let mut room = MAX_INFO_BYTES;
    for child in info.children().take(MAX_INFO_ENTRIES) {
        let (name, value) = (child.name(), child.text());
        let Some(left) = room.checked_sub(name.len() + value.len()) else {
            continue;
        };
        room = left;
        read.insert(name.to_owned(), value);
    }
    read
}

fn within(field: &'static str, text: &str, limit: usize) -> Result<(), SignalError> {
    if text.len() <= limit {
        return Ok(());
    }
    Err(SignalError::TooLong {
        field,
        length: text.len(),
        limit,
    })
}

fn number<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, SignalError> {
    text.trim().parse().map_err(|_| SignalError::NotANumber {
        field,
        value: text.chars().take(64).collect(),
    })
}

/// XML parsers turn CRLF into LF; SDP needs CRLF (RFC 8866 §5).
fn with_crlf(sdp: &str) -> String {
    let mut text = String::with_capacity(sdp.len() + 64);
    for line in sdp.lines() {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm {
            app_id: 7,
            chat_host: "chat.example".into(),
        }
    }

    fn read(xml: &str) -> Result<CallSignal, SignalError> {
        let element: Element =
            format!("<message xmlns='jabber:client'><extraParams>{xml}</extraParams></message>")
                .parse()
                .unwrap();
        CallSignal::read(ExtraParams::of(&element).unwrap())
    }

    #[test]
    fn every_kind_survives_the_wire() {
        for (kind, _) in NAMES {
            let mut signal = CallSignal::new(kind, "s-1");
            signal.caller_id = Some(1001);
            signal.opponents = vec![1002, 1003];
            signal.call_type = CallType::Audio;
            signal.sdp = Some("v=0\r\nm=audio 9\r\n".into());
            signal.platform = Some(PLATFORM.into());
            signal.candidates = vec![Candidate {
                candidate: "candidate:1 1 udp 1 127.0.0.1 5 typ host".into(),
                sdp_mid: "0".into(),
                sdp_m_line_index: 1,
            }];
            signal
                .user_info
                .insert("door".into(), "front & back".into());
            let text = String::from(&signal.to_element(&realm(), "id", 1002));
            let element: Element = text.parse().unwrap();
            assert_eq!(
                CallSignal::read(ExtraParams::of(&element).unwrap()),
                Ok(signal)
            );
        }
    }

    #[test]
    fn the_sdks_empty_m_line_index_is_zero_and_empty_candidates_are_skipped() {
        let signal = read(
            "<sessionID>s</sessionID><signalType>iceCandidates</signalType><iceCandidates>\
             <iceCandidate><sdpMLineIndex/><sdpMid>0</sdpMid><candidate>candidate:1</candidate>\
             </iceCandidate><iceCandidate><sdpMid>0</sdpMid><candidate/></iceCandidate>\
             </iceCandidates>",
        )
        .unwrap();
        assert_eq!(signal.candidates.len(), 1);
        assert_eq!(signal.candidates[0].sdp_m_line_index, 0);
    }

    #[test]
    fn a_bare_lf_sdp_gets_its_crlf_back() {
        let signal = read(
            "<sessionID>s</sessionID><signalType>call</signalType><callerID>1</callerID>\
             <sdp>v=0\nm=audio 9\n</sdp>",
        )
        .unwrap();
        assert_eq!(signal.sdp.as_deref(), Some("v=0\r\nm=audio 9\r\n"));
    }

    #[test]
    fn a_user_info_bomb_loses_its_tail_and_the_call_its_bell_never() {
        let many: String = (0..10_000).map(|n| format!("<k{n}>v</k{n}>")).collect();
        let huge = "x".repeat(MAX_INFO_BYTES);
        for info in [
            many,
            format!("<door>front</door><big>{huge}</big><last>1</last>"),
        ] {
            let signal = read(&format!(
                "<sessionID>s</sessionID><signalType>call</signalType><sdp>v=0\nm=audio 9\n</sdp>\
                 <userInfo>{info}</userInfo>",
            ))
            .unwrap();
            assert!(signal.user_info.len() <= MAX_INFO_ENTRIES);
            assert!(signal.user_info.values().all(|value| value.len() < 10));
        }
    }

    #[test]
    fn a_hostile_sdp_is_refused_before_anything_rings() {
        let call = |sdp: &str| {
            read(&format!(
                "<sessionID>s</sessionID><signalType>call</signalType><sdp>{sdp}</sdp>"
            ))
        };
        assert_eq!(call("hello"), Err(SignalError::NotSdp("call")));
        assert_eq!(call("  "), Err(SignalError::NotSdp("call")));
        assert_eq!(call("v=0\ns=-\n"), Err(SignalError::NotSdp("call")));
        let huge = format!("v=0\n{}", "a=x\n".repeat(100_000));
        assert!(matches!(call(&huge), Err(SignalError::TooLong { .. })));
        assert!(matches!(
            read(&format!(
                "<sessionID>{}</sessionID><signalType>hangUp</signalType>",
                "s".repeat(1_000)
            )),
            Err(SignalError::TooLong {
                field: "sessionID",
                ..
            })
        ));
    }

    #[test]
    fn each_malformed_signal_names_its_fault() {
        assert_eq!(
            read("<signalType>hangUp</signalType>"),
            Err(SignalError::NoSession)
        );
        assert_eq!(
            read("<sessionID>s</sessionID><signalType>dance</signalType>"),
            Err(SignalError::UnknownKind("dance".into()))
        );
        assert_eq!(
            read("<sessionID>s</sessionID><signalType>call</signalType>"),
            Err(SignalError::NoSdp("call"))
        );
        assert!(matches!(
            read("<sessionID>s</sessionID><signalType>reject</signalType><callerID>x</callerID>"),
            Err(SignalError::NotANumber {
                field: "callerID",
                ..
            })
        ));
    }
}
