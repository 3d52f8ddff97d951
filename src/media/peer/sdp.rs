//! What a session description says about the media we can do (RFC 8866, RFC 8829).
//!
//! Looked at before the WebRTC library sees it: to refuse garbage with a reason a human can act
//! on, and to know which codec was agreed without asking a library that answers differently for
//! offerer and answerer.

use std::collections::BTreeMap;

use crate::media::VideoCodec;
use crate::media::rtp::digits;

/// A browser's offer with every codec it knows is about 10 kB.
const MAX_SIZE: usize = 256 * 1024;
const MAX_SECTIONS: usize = 64;

/// What is wrong with a description.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SdpError {
    /// Larger than any real one.
    #[error("it has {0} bytes, more than the {MAX_SIZE} allowed")]
    TooLarge(usize),
    /// It does not begin as every description does.
    #[error("it does not begin with v=0")]
    NotSdp,
    /// A line cannot be read.
    #[error("line {line} cannot be read: {text:?}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Cut to 80 characters.
        text: String,
    },
    /// More sections than any real call has.
    #[error("it has more than {MAX_SECTIONS} media sections")]
    TooManySections,
    /// Nothing to talk about.
    #[error("it has no audio or video section")]
    NoMedia,
    /// Something WebRTC cannot do without.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// No codec in common.
    #[error("it has no {0} codec we know")]
    NoCodec(&'static str),
    /// It would send where only receiving makes sense.
    #[error("it offers to send: only `a=recvonly` sections are answered here")]
    NotReceiveOnly,
    /// The library refused it, for a reason of its own.
    #[error("{0}")]
    Refused(String),
}

/// Which way media flows, from the view of whoever wrote the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) send: bool,
    pub(super) receive: bool,
}

impl Direction {
    /// The same from the other end.
    pub(super) fn reversed(self) -> Self {
        Self {
            send: self.receive,
            receive: self.send,
        }
    }
}

/// One media section with the codecs we can do, in the order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section<C> {
    pub(super) codecs: Vec<(u8, C)>,
    pub(super) direction: Direction,
}

/// The first audio and the first video section in use.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Description {
    pub(super) audio: Option<Section<()>>,
    pub(super) video: Option<Section<VideoCodec>>,
    /// The payload type of telephone keys in the stream of sound, at its clock rate.
    pub(super) digits: Option<u8>,
    /// Whether the far side insists on beginning DTLS (`a=setup:active`, RFC 8842 §5.2).
    pub(super) begins_dtls: bool,
}

/// Reads a description. Rejected (port 0) sections count as absent.
pub(super) fn read(sdp: &str) -> Result<Description, SdpError> {
    if sdp.len() > MAX_SIZE {
        return Err(SdpError::TooLarge(sdp.len()));
    }
    let raw = split(sdp)?;
    if !raw.iter().any(|section| section.has("ice-ufrag")) {
        return Err(SdpError::Missing("ice-ufrag"));
    }
    if !raw.iter().any(|section| section.has("ice-pwd")) {
        return Err(SdpError::Missing("ice-pwd"));
    }
    if !raw.iter().any(|section| section.has("fingerprint")) {
        return Err(SdpError::Missing("fingerprint"));
    }
    let media = |kind: &str| {
        raw.iter()
            .find(|section| section.kind == kind && section.used)
    };
    let audio = media("audio");
    let digits = audio.and_then(RawSection::digits);
    let video = media("video");
    if audio.is_none() && video.is_none() {
        return Err(SdpError::NoMedia);
    }
    let audio = audio
        .map(|section| {
            let codecs = section.codecs(|name, _| name.eq_ignore_ascii_case("opus").then_some(()));
            section.with(codecs).ok_or(SdpError::NoCodec("audio"))
        })
        .transpose()?;
    let video = video.and_then(|section| {
        let codecs = section.codecs(|name, format| {
            VideoCodec::from_encoding_name(name)
                .filter(|codec| *codec != VideoCodec::H264 || baseline(format))
        });
        section.with(codecs)
    });
    let begins_dtls = raw.iter().any(|section| section.begins_dtls);
    Ok(Description {
        audio,
        video,
        digits,
        begins_dtls,
    })
}

/// Judges a description as an offer or answer that arrived is judged before the library sees it.
///
/// # Errors
/// [`SdpError`], as the far side would be told.
pub fn check(sdp: &str) -> Result<(), SdpError> {
    read(sdp).map(drop)
}

/// The clock rate of telephone keys, if that is what the value of an `a=rtpmap:` says.
fn named_events(encoding: &str) -> Option<u32> {
    let (name, rate) = encoding.split_once('/')?;
    let is_named = name.eq_ignore_ascii_case("telephone-event");
    is_named.then(|| rate.trim().parse().ok())?
}

/// The same description without telephone keys at another clock rate than that of the sound they
/// would be part of (RFC 4733 §2.1). Browsers offer several; the library does not tell them apart.
pub(super) fn with_digits_of_sound(sdp: &str) -> String {
    let other = |line: &str| {
        let (number, encoding) = line.trim_end().strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let rate = named_events(encoding)?;
        (rate != digits::CLOCK_RATE).then(|| number.to_owned())
    };
    let others: Vec<String> = sdp.lines().filter_map(other).collect();
    if others.is_empty() {
        return sdp.to_owned();
    }
    let is_other = |number: &str| others.iter().any(|other| other == number);
    let about_other = |line: &str| {
        let about = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"];
        let value = about.iter().find_map(|begin| line.strip_prefix(begin));
        value.is_some_and(|value| is_other(value.split([' ', '\r', '\n']).next().unwrap_or("")))
    };
    // The numbers of a bundle mean the same in all of its sections (RFC 8843 §10.1).
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive('\n').filter(|line| !about_other(line)) {
        if line.starts_with("m=audio ") {
            let words = line.trim_end().split(' ').enumerate();
            let kept = words.filter(|(at, word)| *at < 3 || !is_other(word));
            let kept: Vec<&str> = kept.map(|(_, word)| word).collect();
            out.push_str(&kept.join(" "));
            out.push_str(&line[line.trim_end().len()..]);
        } else {
            out.push_str(line);
        }
    }
    out
}

/// Our offer, stating that DTLS begins here instead of leaving the choice to the answerer.
pub(super) fn with_dtls_begun_here(sdp: &str) -> String {
    sdp.replace("a=setup:actpass", "a=setup:active")
}

/// Lines end in CRLF (RFC 8866 §9); XML on the way may have made it LF.
pub(super) fn with_crlf(sdp: &str) -> String {
    let mut text = sdp.lines().collect::<Vec<_>>().join("\r\n");
    text.push_str("\r\n");
    text
}

/// What every decoder here and in browsers can do: baseline of any constraint, with fragmentation
/// (RFC 6184 §8.1).
fn baseline(format: &str) -> bool {
    let parameter = |name: &str| {
        format.split(';').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    parameter("packetization-mode").as_deref() == Some("1")
        && parameter("profile-level-id").is_none_or(|profile| profile.starts_with("42"))
}

struct RawSection<'a> {
    kind: &'a str,
    used: bool,
    payload_types: Vec<u8>,
    direction: Direction,
    attributes: Vec<&'a str>,
    begins_dtls: bool,
    /// Name, clock rate and channels.
    encodings: BTreeMap<u8, &'a str>,
    formats: BTreeMap<u8, &'a str>,
}

impl RawSection<'_> {
    fn has(&self, attribute: &str) -> bool {
        self.attributes.contains(&attribute)
    }

    fn codecs<C>(&self, known: impl Fn(&str, &str) -> Option<C>) -> Vec<(u8, C)> {
        self.payload_types
            .iter()
            .filter_map(|payload_type| {
                let encoding = self.encodings.get(payload_type)?;
                let name = encoding.split('/').next().unwrap_or_default();
                let format = self.formats.get(payload_type).copied().unwrap_or_default();
                Some((*payload_type, known(name, format)?))
            })
            .collect()
    }

    fn digits(&self) -> Option<u8> {
        let is_digits = |payload_type: &&u8| {
            let encoding = self.encodings.get(*payload_type);
            encoding.is_some_and(|encoding| named_events(encoding) == Some(digits::CLOCK_RATE))
        };
        self.payload_types.iter().find(is_digits).copied()
    }

    fn with<C>(&self, codecs: Vec<(u8, C)>) -> Option<Section<C>> {
        (!codecs.is_empty()).then_some(Section {
            codecs,
            direction: self.direction,
        })
    }
}

/// The session part first, then one per `m=` line.
fn split(sdp: &str) -> Result<Vec<RawSection<'_>>, SdpError> {
    let mut lines = sdp.lines().enumerate().filter(|(_, line)| !line.is_empty());
    if lines.next().map(|(_, line)| line.trim_end()) != Some("v=0") {
        return Err(SdpError::NotSdp);
    }
    let mut sections = vec![RawSection {
        kind: "session",
        used: false,
        payload_types: Vec::new(),
        direction: Direction {
            send: true,
            receive: true,
        },
        attributes: Vec::new(),
        begins_dtls: false,
        encodings: BTreeMap::new(),
        formats: BTreeMap::new(),
    }];
    for (number, line) in lines {
        let line = line.trim_end();
        let unreadable = || SdpError::Line {
            line: number + 1,
            text: line.chars().take(80).collect(),
        };
        let (letter, value) = line.split_once('=').ok_or_else(unreadable)?;
        if letter.len() != 1 {
            return Err(unreadable());
        }
        match letter {
            "m" => {
                if sections.len() > MAX_SECTIONS {
                    return Err(SdpError::TooManySections);
                }
                // The default direction of a section is the session's (RFC 8866 §6.7).
                let direction = sections.first().map_or(
                    Direction {
                        send: true,
                        receive: true,
                    },
                    |session| session.direction,
                );
                sections.push(media_line(value, direction).ok_or_else(unreadable)?);
            }
            "a" => {
                if let Some(section) = sections.last_mut() {
                    attribute(section, value);
                }
            }
            _ => {}
        }
    }
    Ok(sections)
}

/// `<media> <port> <proto> <fmt> …` (RFC 8866 §5.14).
fn media_line(value: &str, direction: Direction) -> Option<RawSection<'_>> {
    let mut words = value.split_ascii_whitespace();
    let kind = words.next()?;
    let port = words.next()?.split('/').next()?.parse::<u16>().ok()?;
    words.next()?;
    Some(RawSection {
        kind,
        used: port != 0,
        // Data channels have names here instead of numbers.
        payload_types: words.filter_map(|word| word.parse().ok()).collect(),
        direction,
        attributes: Vec::new(),
        begins_dtls: false,
        encodings: BTreeMap::new(),
        formats: BTreeMap::new(),
    })
}

fn attribute<'a>(section: &mut RawSection<'a>, text: &'a str) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    section.attributes.push(name);
    section.begins_dtls |= name == "setup" && value.trim() == "active";
    let numbered = || {
        let (number, rest) = value.split_once(' ')?;
        Some((number.parse::<u8>().ok()?, rest))
    };
    let both_ways = |send, receive| Direction { send, receive };
    match name {
        "sendrecv" => section.direction = both_ways(true, true),
        "sendonly" => section.direction = both_ways(true, false),
        "recvonly" => section.direction = both_ways(false, true),
        "inactive" => section.direction = both_ways(false, false),
        "rtpmap" => {
            if let Some((number, encoding)) = numbered() {
                section.encodings.insert(number, encoding.trim());
            }
        }
        "fmtp" => {
            if let Some((number, format)) = numbered() {
                section.formats.insert(number, format);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=fingerprint:sha-256 AA\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\na=recvonly\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=rtpmap:102 H264/90000\r\n\
        a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f\r\n\
        a=rtpmap:103 H264/90000\r\n\
        a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f\r\n\
        a=rtpmap:104 H264/90000\r\n\
        a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";

    #[test]
    fn a_browsers_offer_is_reduced_to_what_we_can_do() {
        let description = read(OFFER).unwrap();
        let audio = description.audio.unwrap();
        assert_eq!(audio.codecs, [(111, ())]);
        assert_eq!(
            (audio.direction.send, audio.direction.receive),
            (false, true)
        );
        let video = description.video.unwrap();
        assert_eq!(
            video.codecs,
            [(96, VideoCodec::Vp8), (104, VideoCodec::H264)]
        );
        assert_eq!(
            (video.direction.send, video.direction.receive),
            (true, true)
        );
    }

    #[test]
    fn telephone_keys_are_taken_at_the_clock_rate_of_the_sound() {
        assert_eq!(read(OFFER).unwrap().digits, None);
        let with = |rates: &[(u8, &str)]| {
            let numbers: String = rates
                .iter()
                .map(|(number, _)| format!(" {number}"))
                .collect();
            let lines: String = rates
                .iter()
                .map(|(number, rate)| {
                    format!("a=rtpmap:{number} telephone-event/{rate}\r\na=fmtp:{number} 0-15\r\n")
                })
                .collect();
            OFFER
                .replace("111 63\r\n", &format!("111 63{numbers}\r\n"))
                .replace("a=rtpmap:63", &format!("{lines}a=rtpmap:63"))
        };
        let browser = with(&[(110, "48000"), (126, "8000")]);
        assert_eq!(read(&browser).unwrap().digits, Some(110));
        assert_eq!(with_digits_of_sound(&browser), with(&[(110, "48000")]));
        let telephone = with(&[(101, "8000")]);
        assert_eq!(read(&telephone).unwrap().digits, None);
        assert_eq!(with_digits_of_sound(&telephone), OFFER);
        assert_eq!(with_digits_of_sound(OFFER), OFFER);
    }

    #[test]
    fn line_ends_do_not_matter() {
        let lf = OFFER.replace("\r\n", "\n");
        assert_eq!(read(&lf), read(OFFER));
        assert_eq!(with_crlf(&lf), OFFER);
    }

    #[test]
    fn a_rejected_section_is_absent() {
        let sdp = OFFER.replace("m=video 9", "m=video 0");
        assert_eq!(read(&sdp).unwrap().video, None);
    }

    #[test]
    fn each_defect_is_named() {
        assert_eq!(read(""), Err(SdpError::NotSdp));
        assert_eq!(read("hello"), Err(SdpError::NotSdp));
        assert_eq!(
            read("v=0\r\nnonsense\r\n"),
            Err(SdpError::Line {
                line: 2,
                text: "nonsense".into()
            })
        );
        assert_eq!(
            read(&OFFER.replace("a=fingerprint", "a=nofingerprint")),
            Err(SdpError::Missing("fingerprint"))
        );
        assert_eq!(
            read(&OFFER.replace("a=ice-pwd", "a=nothing")),
            Err(SdpError::Missing("ice-pwd"))
        );
        assert_eq!(
            read(&OFFER.replace("opus", "pcmu")),
            Err(SdpError::NoCodec("audio"))
        );
        let long = format!("v=0\r\n{}", "a".repeat(MAX_SIZE));
        assert!(matches!(read(&long), Err(SdpError::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "(v=0\r\n)?([a-z]=[ -~]{0,40}\r?\n){0,20}") {
            let _ = read(&text);
            with_digits_of_sound(&text);
        }

        #[test]
        fn no_list_of_telephone_keys_makes_it_fail(
            text in "(m=audio [0-9 ]{0,9}\r?\n)?(a=rtpmap:[0-9 ]{0,4}telephone-event/[0-9]{0,5}\r?\n){0,4}",
        ) {
            with_digits_of_sound(&text);
        }
    }
}
