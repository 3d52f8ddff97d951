//! The picture before the answer: what a door and a phone that rings say to each other about it.
//!
//! A door tells in its invitation that a preview is on offer ([`OFFERED_KEY`]). A phone that
//! understands it asks by a system message (wire reference B.6), which every server relays and
//! every other phone passes over:
//!
//! ```text
//! phone → door   cubelet=preview             session_id request_id sdp   (recvonly)
//! door  → phone  cubelet=preview_answer      session_id request_id ok=true sdp   (sendonly)
//!                                                              … ok=false reason
//! both           cubelet=preview_candidates  session_id request_id candidates   (JSON)
//! both           cubelet=preview_end         session_id request_id reason
//! ```
//!
//! Invariant: everything read is bounded, and what is written here is read back as it was.
//! Must not enter: who may look.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::call_signal::Candidate;

/// In the `userInfo` of an invitation, with the value [`YES`]: the callee may ask for a preview.
pub const OFFERED_KEY: &str = "preview";
/// Beside it: the preview has the visitor's sound.
pub const SOUND_KEY: &str = "preview_audio";
/// The value of both.
pub const YES: &str = "1";

/// The parameter that tells our system messages apart.
const VERB_KEY: &str = "cubelet";
const ASK: &str = "preview";
const ANSWER: &str = "preview_answer";
const CANDIDATES: &str = "preview_candidates";
const END: &str = "preview_end";

/// Bytes of a session's id, as of call signals.
const MAX_SESSION_ID: usize = 128;
/// Bytes of a request's id.
const MAX_REQUEST_ID: usize = 64;
/// Bytes. A browser's offer of pictures and sound with every codec it knows is about 10 kB.
const MAX_SDP: usize = 32 << 10;
/// Candidates in one message.
const MAX_CANDIDATES: usize = 32;
/// Bytes of one candidate.
const MAX_CANDIDATE: usize = 512;
/// Bytes of a reason.
const MAX_REASON: usize = 64;

/// A message about a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewSignal {
    /// The session of the invitation.
    pub session_id: String,
    /// Made up by who asks: tells its requests, and its devices, apart.
    pub request_id: String,
    /// What it says.
    pub word: Word,
}

/// What such a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Show me who is there: an offer that only receives.
    Ask(String),
    /// Here it comes: the answer.
    Answer(String),
    /// No, and why.
    Refuse(String),
    /// More ways to reach the sender.
    Candidates(Vec<Candidate>),
    /// It is over, and why.
    End(String),
}

/// What is wrong with a message about a preview.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PreviewError {
    /// It lacks a parameter.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter is longer than any real one, or empty.
    #[error("{field} has {length} bytes; 1 to {limit} are allowed")]
    Length {
        /// Which.
        field: &'static str,
        /// What it has.
        length: usize,
        /// What it may have.
        limit: usize,
    },
    /// A parameter does not read.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
}

/// A candidate as browsers write it (RTCIceCandidateInit).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CandidateInit {
    candidate: String,
    #[serde(default)]
    sdp_mid: Option<String>,
    #[serde(default, rename = "sdpMLineIndex")]
    sdp_m_line_index: Option<u16>,
}

impl PreviewSignal {
    /// Reads the parameters of a system message; `None` if it is about something else.
    ///
    /// # Errors
    /// [`PreviewError`] names the parameter and the rule.
    pub fn read(params: &HashMap<String, String>) -> Option<Result<Self, PreviewError>> {
        let verb = params.get(VERB_KEY)?.as_str();
        let is_ours = [ASK, ANSWER, CANDIDATES, END].contains(&verb);
        is_ours.then(|| Self::read_verb(verb, params))
    }

    fn read_verb(verb: &str, params: &HashMap<String, String>) -> Result<Self, PreviewError> {
        let session_id = bounded(params, "session_id", MAX_SESSION_ID)?;
        let request_id = bounded(params, "request_id", MAX_REQUEST_ID)?;
        let word = match verb {
            ASK => Word::Ask(sdp(params)?),
            ANSWER => match params.get("ok").map(String::as_str) {
                Some("true") => Word::Answer(sdp(params)?),
                Some("false") => Word::Refuse(reason(params)),
                Some(_) => return Err(PreviewError::Unreadable("ok")),
                None => return Err(PreviewError::Missing("ok")),
            },
            CANDIDATES => Word::Candidates(candidates(params)?),
            _ => Word::End(reason(params)),
        };
        Ok(Self {
            session_id,
            request_id,
            word,
        })
    }

    /// The parameters of the system message.
    pub fn params(&self) -> Vec<(&'static str, String)> {
        let (verb, rest): (_, Vec<(&'static str, String)>) = match &self.word {
            Word::Ask(sdp) => (ASK, vec![("sdp", sdp.clone())]),
            Word::Answer(sdp) => (
                ANSWER,
                vec![("ok", "true".to_owned()), ("sdp", sdp.clone())],
            ),
            Word::Refuse(reason) => (
                ANSWER,
                vec![("ok", "false".to_owned()), ("reason", reason.clone())],
            ),
            Word::Candidates(candidates) => (
                CANDIDATES,
                vec![("candidates", candidates_to_json(candidates))],
            ),
            Word::End(reason) => (END, vec![("reason", reason.clone())]),
        };
        let mut params = vec![
            (VERB_KEY, verb.to_owned()),
            ("session_id", self.session_id.clone()),
            ("request_id", self.request_id.clone()),
        ];
        params.extend(rest);
        params
    }
}

fn bounded(
    params: &HashMap<String, String>,
    field: &'static str,
    limit: usize,
) -> Result<String, PreviewError> {
    let value = params.get(field).ok_or(PreviewError::Missing(field))?;
    let length = value.len();
    if length == 0 || length > limit {
        return Err(PreviewError::Length {
            field,
            length,
            limit,
        });
    }
    Ok(value.clone())
}

fn sdp(params: &HashMap<String, String>) -> Result<String, PreviewError> {
    let sdp = bounded(params, "sdp", MAX_SDP)?;
    if sdp.starts_with("v=0") {
        Ok(sdp)
    } else {
        Err(PreviewError::Unreadable("sdp"))
    }
}

/// Only for people and logs, so a wrong one spoils nothing.
fn reason(params: &HashMap<String, String>) -> String {
    let reason = params.get("reason").map_or("", String::as_str);
    let printable = reason.chars().filter(|c| !c.is_control());
    let mut short = String::new();
    for c in printable {
        if short.len() + c.len_utf8() > MAX_REASON {
            break;
        }
        short.push(c);
    }
    short
}

fn candidates(params: &HashMap<String, String>) -> Result<Vec<Candidate>, PreviewError> {
    const FIELD: &str = "candidates";
    let text = bounded(params, FIELD, MAX_CANDIDATES * MAX_CANDIDATE)?;
    let unreadable = || PreviewError::Unreadable(FIELD);
    let read: Vec<CandidateInit> = serde_json::from_str(&text).map_err(|_| unreadable())?;
    if read.len() > MAX_CANDIDATES {
        return Err(unreadable());
    }
    // An empty candidate is the end of them, which nobody needs to be told.
    let real = read.into_iter().filter(|one| !one.candidate.is_empty());
    let read: Vec<Candidate> = real
        .map(|one| Candidate {
            candidate: one.candidate,
            sdp_mid: one.sdp_mid.unwrap_or_else(|| "0".to_owned()),
            sdp_m_line_index: one.sdp_m_line_index.unwrap_or(0),
        })
        .collect();
    let fits = |one: &Candidate| {
        one.candidate.len() <= MAX_CANDIDATE && one.sdp_mid.len() <= MAX_REQUEST_ID
    };
    read.iter().all(fits).then_some(read).ok_or_else(unreadable)
}

fn candidates_to_json(candidates: &[Candidate]) -> String {
    let init = |one: &Candidate| {
        serde_json::json!({
            "candidate": one.candidate,
            "sdpMid": one.sdp_mid,
            "sdpMLineIndex": one.sdp_m_line_index,
        })
    };
    serde_json::Value::Array(candidates.iter().map(init).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(params: &[(&str, &str)]) -> HashMap<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        params.iter().map(own).collect()
    }

    fn read(params: &[(&str, &str)]) -> Result<PreviewSignal, PreviewError> {
        PreviewSignal::read(&map(params)).unwrap()
    }

    #[test]
    fn a_system_message_about_something_else_is_left_alone() {
        assert_eq!(PreviewSignal::read(&map(&[("cubelet", "unlock")])), None);
        assert_eq!(PreviewSignal::read(&map(&[("mood", "ok")])), None);
    }

    #[test]
    fn each_defect_is_named() {
        let ids = [("session_id", "s"), ("request_id", "r")];
        let ask = |more: &[(&str, &str)]| read(&[&[("cubelet", "preview")], more].concat());
        assert_eq!(ask(&[]), Err(PreviewError::Missing("session_id")));
        assert_eq!(
            ask(&[("session_id", "s")]),
            Err(PreviewError::Missing("request_id"))
        );
        assert_eq!(ask(&ids), Err(PreviewError::Missing("sdp")));
        assert_eq!(
            ask(&[&ids[..], &[("sdp", "hello")]].concat()),
            Err(PreviewError::Unreadable("sdp"))
        );
        let long = format!("v=0{}", "x".repeat(MAX_SDP));
        assert!(matches!(
            ask(&[&ids[..], &[("sdp", &long)]].concat()),
            Err(PreviewError::Length { field: "sdp", .. })
        ));
        let answer = |ok| read(&[&ids[..], &[("cubelet", "preview_answer"), ("ok", ok)]].concat());
        assert_eq!(answer("perhaps"), Err(PreviewError::Unreadable("ok")));
    }

    #[test]
    fn candidates_are_those_of_a_browser_and_bounded() {
        let read = |candidates: &str| {
            let ids = [("session_id", "s"), ("request_id", "r")];
            let verb = [
                ("cubelet", "preview_candidates"),
                ("candidates", candidates),
            ];
            read(&[&ids[..], &verb].concat()).map(|signal| signal.word)
        };
        let browser = r#"[{"candidate":"candidate:1 1 udp 1 10.0.0.1 9 typ host","sdpMid":"0",
            "sdpMLineIndex":0,"usernameFragment":"x"},{"candidate":"","sdpMid":"0"}]"#;
        let Ok(Word::Candidates(found)) = read(browser) else {
            panic!("unreadable");
        };
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].sdp_mid, "0");
        let many = format!("[{}]", vec![r#"{"candidate":"c"}"#; 33].join(","));
        let long = format!(r#"[{{"candidate":"{}"}}]"#, "c".repeat(MAX_CANDIDATE + 1));
        for wrong in ["{}", "[1]", &many, &long] {
            assert_eq!(read(wrong), Err(PreviewError::Unreadable("candidates")));
        }
    }

    fn any_word() -> impl Strategy<Value = Word> {
        let candidate =
            ("[!-~]{1,80}", "[a-z0-9]{1,8}", 0_u16..4).prop_map(|(text, mid, line)| Candidate {
                candidate: text,
                sdp_mid: mid,
                sdp_m_line_index: line,
            });
        prop_oneof![
            "v=0[ -~\r\n]{0,200}".prop_map(Word::Ask),
            "v=0[ -~\r\n]{0,200}".prop_map(Word::Answer),
            "[a-z_]{0,30}".prop_map(Word::Refuse),
            prop::collection::vec(candidate, 0..5).prop_map(Word::Candidates),
            "[a-z_]{0,30}".prop_map(Word::End),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            session_id in "[a-f0-9-]{1,40}",
            request_id in "[a-f0-9-]{1,40}",
            word in any_word(),
        ) {
            let signal = PreviewSignal { session_id, request_id, word };
            let params = signal.params().into_iter().map(|(name, value)| (name.to_owned(), value));
            prop_assert_eq!(PreviewSignal::read(&params.collect()), Some(Ok(signal)));
        }

        #[test]
        fn no_parameters_make_it_fail(
            verb in "preview(_answer|_candidates|_end)?",
            fields in prop::collection::hash_map(
                "session_id|request_id|sdp|ok|reason|candidates", "\\PC{0,80}", 0..6
            ),
        ) {
            let mut params = fields;
            params.insert("cubelet".to_owned(), verb);
            let _ = PreviewSignal::read(&params);
        }
    }
}
