//! What one viewer asks and is answered (RFC 2326). Sans-IO.

use rtsp_types::headers::{
    self, CONTENT_BASE, CONTENT_TYPE, CSEQ, HeaderName, PUBLIC, REQUIRE, SESSION, TRANSPORT,
    UNSUPPORTED,
};
use rtsp_types::{Method, Request, Response, ResponseBuilder, StatusCode, Version};

use super::description::{self, ParameterSets};
use super::digest::Challenge;

const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER";
/// Wrong answers to the challenge; the first request of all has none yet.
const GUESSES: u32 = 3;
/// What the viewer is told of the session's life, seconds. Nothing is ended while pictures arrive;
/// it makes viewers give a sign of life now and then.
const TIMEOUT_S: u32 = 60;

/// A track of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    Video,
    Audio,
}

/// RTP's channel of each track that was set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Channels {
    pub video: Option<u8>,
    pub audio: Option<u8>,
}

/// What is to be done beside sending the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// There is no answer yet: [`Session::described`] gives it, once the camera's first picture told its
    /// parameter sets.
    Describe,
    Play(Channels),
    /// Send the answer and close.
    Close,
}

/// One connection's conversation.
#[derive(Debug)]
pub(super) struct Session {
    challenge: Option<Challenge>,
    wrong_answers: u32,
    has_audio: bool,
    /// The identifier, once a track was set up.
    id: String,
    number: u64,
    channels: Channels,
    is_playing: bool,
    /// The description that is being made: `CSeq`, base address, host.
    describing: Option<(String, String, String)>,
}

type Answer = (Vec<u8>, Effect);

impl Session {
    /// `number` must be random.
    pub(super) fn new(challenge: Option<Challenge>, has_audio: bool, number: u64) -> Self {
        Self {
            challenge,
            wrong_answers: 0,
            has_audio,
            id: format!("{number:016x}"),
            number,
            channels: Channels::default(),
            is_playing: false,
            describing: None,
        }
    }

    /// Whether a request begins to play, which needs a place.
    pub(super) fn would_play(&self, request: &Request<Vec<u8>>) -> bool {
        !self.is_playing && *request.method() == Method::Play
    }

    /// Answers one request. `has_place`: one more may watch.
    pub(super) fn on(&mut self, request: &Request<Vec<u8>>, has_place: bool) -> Answer {
        let Some(sequence) = value(request, &CSEQ) else {
            return (write(answer(StatusCode::BadRequest, "0")), Effect::Close);
        };
        let sequence = sequence.to_owned();
        if request.version() != Version::V1_0 {
            let refusal = answer(StatusCode::RTSPVersionNotSupported, &sequence);
            return (write(refusal), Effect::Close);
        }
        if let Some(wanted) = value(request, &REQUIRE) {
            let refusal = answer(StatusCode::OptionNotSupported, &sequence);
            return (write(refusal.header(UNSUPPORTED, wanted)), Effect::Nothing);
        }
        if *request.method() == Method::Options {
            let answer = answer(StatusCode::Ok, &sequence).header(PUBLIC, METHODS);
            return (write(answer), Effect::Nothing);
        }
        if let Some(refusal) = self.refuse_strangers(request, &sequence) {
            return refusal;
        }
        match request.method() {
            Method::Describe => self.describe(request, sequence),
            Method::Setup => self.set_up(request, &sequence),
            Method::Play => self.play(request, &sequence, has_place),
            Method::Teardown => (write(answer(StatusCode::Ok, &sequence)), Effect::Close),
            // Signs of life; there is nothing to set.
            Method::GetParameter | Method::SetParameter => (
                write(self.with_session(StatusCode::Ok, &sequence)),
                Effect::Nothing,
            ),
            Method::Pause | Method::Announce | Method::Redirect | Method::PlayNotify => {
                let refusal = answer(StatusCode::MethodNotAllowed, &sequence);
                (
                    write(refusal.header(headers::ALLOW, METHODS)),
                    Effect::Nothing,
                )
            }
            _ => (
                write(answer(StatusCode::NotImplemented, &sequence)),
                Effect::Nothing,
            ),
        }
    }

    fn refuse_strangers(&mut self, request: &Request<Vec<u8>>, sequence: &str) -> Option<Answer> {
        let challenge = self.challenge.as_ref()?;
        let method: &str = request.method().into();
        let authorization = value(request, &headers::AUTHORIZATION);
        if authorization.is_some_and(|given| challenge.is_met(method, given)) {
            return None;
        }
        let refusal = answer(StatusCode::Unauthorized, sequence)
            .header(headers::WWW_AUTHENTICATE, challenge.header());
        self.wrong_answers += u32::from(authorization.is_some());
        let effect = match self.wrong_answers {
            GUESSES.. => Effect::Close,
            _ => Effect::Nothing,
        };
        Some((write(refusal), effect))
    }

    fn describe(&mut self, request: &Request<Vec<u8>>, sequence: String) -> Answer {
        let Some(url) = request.request_uri() else {
            return (
                write(answer(StatusCode::NotFound, &sequence)),
                Effect::Nothing,
            );
        };
        if !matches!(url.path(), "" | "/" | "/live" | "/live/") {
            return (
                write(answer(StatusCode::NotFound, &sequence)),
                Effect::Nothing,
            );
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let base = format!("{}/", url.as_str().trim_end_matches('/'));
        self.describing = Some((sequence, base, host));
        (Vec::new(), Effect::Describe)
    }

    /// The answer to a description that was asked for. None: the camera gives no picture.
    pub(super) fn described(&mut self, sets: Option<&ParameterSets>) -> Vec<u8> {
        let Some((sequence, base, host)) = self.describing.take() else {
            return Vec::new();
        };
        let Some(sets) = sets else {
            return write(answer(StatusCode::ServiceUnavailable, &sequence));
        };
        let text = description::write(&host, self.number, sets, self.has_audio);
        let response = answer(StatusCode::Ok, &sequence)
            .header(CONTENT_BASE, base)
            .header(CONTENT_TYPE, "application/sdp")
            .build(text.into_bytes());
        bytes(&response)
    }

    fn set_up(&mut self, request: &Request<Vec<u8>>, sequence: &str) -> Answer {
        let refuse = |status| (write(answer(status, sequence)), Effect::Nothing);
        if self.is_playing {
            return refuse(StatusCode::MethodNotValidInThisState);
        }
        let track = request.request_uri().map_or("", |url| url.as_str());
        let medium = match track.rsplit('/').next() {
            Some("track=video") => Medium::Video,
            Some("track=audio") if self.has_audio => Medium::Audio,
            _ => return refuse(StatusCode::NotFound),
        };
        let offered = value(request, &TRANSPORT).unwrap_or_default();
        let Some(channel) = interleaved(offered, self.free_channel()) else {
            return refuse(StatusCode::UnsupportedTransport);
        };
        let taken = [self.channels.video, self.channels.audio];
        let clash = |other: u8| other.abs_diff(channel) < 2;
        let own = match medium {
            Medium::Video => 0,
            Medium::Audio => 1,
        };
        if taken[1 - own].is_some_and(clash) {
            return refuse(StatusCode::UnsupportedTransport);
        }
        match medium {
            Medium::Video => self.channels.video = Some(channel),
            Medium::Audio => self.channels.audio = Some(channel),
        }
        let next = channel + 1;
        let transport = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{next}");
        let answer = self.with_session(StatusCode::Ok, sequence);
        (write(answer.header(TRANSPORT, transport)), Effect::Nothing)
    }

    fn free_channel(&self) -> u8 {
        match (self.channels.video, self.channels.audio) {
            (Some(0), _) | (_, Some(0)) => 2,
            _ => 0,
        }
    }

    fn play(&mut self, request: &Request<Vec<u8>>, sequence: &str, has_place: bool) -> Answer {
        if self.channels == Channels::default() {
            let refusal = answer(StatusCode::MethodNotValidInThisState, sequence);
            return (write(refusal), Effect::Nothing);
        }
        let named = value(request, &SESSION).map(|named| named.split(';').next().unwrap_or(named));
        if named.is_some_and(|named| named.trim() != self.id) {
            return (
                write(answer(StatusCode::SessionNotFound, sequence)),
                Effect::Nothing,
            );
        }
        if !self.is_playing && !has_place {
            let refusal = answer(StatusCode::NotEnoughBandwidth, sequence);
            return (write(refusal), Effect::Nothing);
        }
        let response = self
            .with_session(StatusCode::Ok, sequence)
            .header(headers::RANGE, "npt=now-");
        // A second PLAY is a sign of life of some recorders.
        let effect = match std::mem::replace(&mut self.is_playing, true) {
            true => Effect::Nothing,
            false => Effect::Play(self.channels),
        };
        (write(response), effect)
    }

    fn with_session(&self, status: StatusCode, sequence: &str) -> ResponseBuilder {
        let response = answer(status, sequence);
        match self.channels == Channels::default() {
            true => response,
            false => response.header(SESSION, format!("{};timeout={TIMEOUT_S}", self.id)),
        }
    }
}

fn value<'r>(request: &'r Request<Vec<u8>>, name: &HeaderName) -> Option<&'r str> {
    request.header(name).map(headers::HeaderValue::as_str)
}

fn answer(status: StatusCode, sequence: &str) -> ResponseBuilder {
    Response::builder(Version::V1_0, status).header(CSEQ, sequence)
}

fn write(response: ResponseBuilder) -> Vec<u8> {
    bytes(&response.build(Vec::new()))
}

fn bytes(response: &Response<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory does not fail.
    let _ = response.write(&mut bytes);
    bytes
}

/// RTP's channel out of the first transport that goes through this connection; `free` where the viewer
/// leaves the choice. The library's reader of this header is not used: it panics on some of them.
fn interleaved(offered: &str, free: u8) -> Option<u8> {
    let transport = offered.split(',').map(str::trim).find(|one| {
        let protocol = one.split(';').next().unwrap_or_default();
        protocol.eq_ignore_ascii_case("RTP/AVP/TCP")
    })?;
    let channels = transport.split(';').find_map(|parameter| {
        let (name, channels) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("interleaved")
            .then_some(channels)
    });
    match channels {
        None => Some(free),
        Some(channels) => {
            let first = channels.split('-').next().unwrap_or_default();
            first.trim().parse().ok().filter(|channel| *channel < 254)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtsp_types::Message;

    use super::*;
    use crate::config::Secret;
    use crate::rtsp::digest::Account;

    fn request(method: &str, path: &str, more: &str) -> Request<Vec<u8>> {
        let text = format!("{method} rtsp://door:8554{path} RTSP/1.0\r\nCSeq: 3\r\n{more}\r\n");
        match Message::parse(text.as_bytes()).unwrap().0 {
            Message::Request(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn ask(session: &mut Session, method: &str, path: &str, more: &str) -> (String, Effect) {
        let (answer, effect) = session.on(&request(method, path, more), true);
        (String::from_utf8(answer).unwrap(), effect)
    }

    const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";

    fn open(has_audio: bool) -> Session {
        Session::new(None, has_audio, 0xabc)
    }

    #[test]
    fn a_viewer_sets_up_both_tracks_and_plays() {
        let mut session = open(true);
        let (answer, _) = ask(&mut session, "SETUP", "/live/track=video", TCP);
        assert!(answer.starts_with("RTSP/1.0 200"), "{answer}");
        assert!(answer.contains("interleaved=0-1"), "{answer}");
        assert!(answer.contains("0000000000000abc;timeout=60"), "{answer}");
        let choice = "Transport: RTP/AVP;unicast;client_port=1-2, RTP/AVP/TCP;unicast\r\n";
        let (answer, _) = ask(&mut session, "SETUP", "/live/track=audio", choice);
        assert!(answer.contains("interleaved=2-3"), "{answer}");
        let named = "Session: 0000000000000abc\r\n";
        let (answer, effect) = ask(&mut session, "PLAY", "/live/", named);
        assert!(answer.starts_with("RTSP/1.0 200"), "{answer}");
        let channels = Channels {
            video: Some(0),
            audio: Some(2),
        };
        assert_eq!(effect, Effect::Play(channels));
        assert_eq!(
            ask(&mut session, "PLAY", "/live/", named).1,
            Effect::Nothing
        );
        assert_eq!(
            ask(&mut session, "TEARDOWN", "/live/", named).1,
            Effect::Close
        );
    }

    #[test]
    fn a_description_waits_for_the_cameras_picture() {
        let mut session = open(false);
        assert_eq!(
            ask(&mut session, "DESCRIBE", "/live", ""),
            (String::new(), Effect::Describe)
        );
        let sets = ParameterSets {
            sps: vec![0x67, 0x42, 0xe0, 0x1f, 1],
            pps: vec![0x68, 2],
        };
        let answer = String::from_utf8(session.described(Some(&sets))).unwrap();
        assert!(
            answer.contains("Content-Base: rtsp://door:8554/live/\r\n"),
            "{answer}"
        );
        assert!(answer.contains("profile-level-id=42e01f;sprop-parameter-sets=Z0LgHwE=,aAI=\r\n"));
        assert!(!answer.contains("m=audio"), "{answer}");
        ask(&mut session, "DESCRIBE", "/live", "");
        let answer = String::from_utf8(session.described(None)).unwrap();
        assert!(answer.starts_with("RTSP/1.0 503"), "{answer}");
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_own_number() {
        let mut playing = open(false);
        ask(&mut playing, "SETUP", "/live/track=video", TCP);
        ask(&mut playing, "PLAY", "/live", "");
        let udp = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
        let hostile = "Transport: RTP/AVP/TCP;dest_addr=\"\\\";interleaved=999-1000\r\n";
        for (mut session, method, path, more, status) in [
            (open(false), "DESCRIBE", "/other", "", 404),
            (open(false), "SETUP", "/live/track=video", udp, 461),
            (open(false), "SETUP", "/live/track=video", hostile, 461),
            (open(false), "SETUP", "/live/track=audio", TCP, 404),
            (playing, "SETUP", "/live/track=video", TCP, 455),
            (open(false), "PLAY", "/live", "", 455),
            (open(false), "PAUSE", "/live", "", 405),
            (open(false), "RECORD", "/live", "", 501),
            (
                open(false),
                "PLAY",
                "/live",
                "Require: onvif-replay\r\n",
                551,
            ),
        ] {
            let (answer, _) = ask(&mut session, method, path, more);
            let expected = format!("RTSP/1.0 {status} ");
            assert!(answer.starts_with(&expected), "{method} {path}: {answer}");
            assert!(answer.contains("CSeq: 3"), "{answer}");
        }
    }

    #[test]
    fn two_tracks_do_not_share_a_channel() {
        let mut session = open(true);
        ask(&mut session, "SETUP", "/live/track=video", TCP);
        let (answer, _) = ask(&mut session, "SETUP", "/live/track=audio", TCP);
        assert!(answer.starts_with("RTSP/1.0 461"), "{answer}");
    }

    #[test]
    fn without_a_place_nobody_plays() {
        let mut session = open(false);
        ask(&mut session, "SETUP", "/live/track=video", TCP);
        let play = request("PLAY", "/live", "");
        assert!(session.would_play(&play));
        let (answer, effect) = session.on(&play, false);
        assert!(
            String::from_utf8(answer)
                .unwrap()
                .starts_with("RTSP/1.0 453")
        );
        assert_eq!(effect, Effect::Nothing);
        assert!(matches!(session.on(&play, true).1, Effect::Play(_)));
    }

    #[test]
    fn three_wrong_passwords_end_the_connection() {
        let account = Account {
            username: "viewer".into(),
            password: Secret::new("correct horse"),
        };
        let challenge = Challenge::new(account, "0011".into());
        let mut session = Session::new(Some(challenge), false, 1);
        assert!(
            ask(&mut session, "OPTIONS", "/live", "")
                .0
                .starts_with("RTSP/1.0 200")
        );
        let (answer, effect) = ask(&mut session, "DESCRIBE", "/live", "");
        assert!(answer.contains("401"), "{answer}");
        assert!(
            answer.contains("Digest realm=\"cubelet\", nonce=\"0011\""),
            "{answer}"
        );
        assert_eq!(effect, Effect::Nothing);
        let wrong = "Authorization: Digest username=\"viewer\", response=\"00\"\r\n";
        for effect in [Effect::Nothing, Effect::Nothing, Effect::Close] {
            assert_eq!(ask(&mut session, "DESCRIBE", "/live", wrong).1, effect);
        }
    }

    proptest! {
        /// Whatever is asked in whatever order: every request but a description is answered once.
        #[test]
        fn every_request_is_answered(asked in proptest::collection::vec((
            prop_oneof![
                Just("OPTIONS"), Just("DESCRIBE"), Just("SETUP"), Just("PLAY"), Just("TEARDOWN"),
                Just("GET_PARAMETER"), Just("PAUSE"), Just("X"),
            ],
            prop_oneof![Just("/live"), Just("/live/track=video"), Just("/live/track=audio"), Just("/x")],
            prop_oneof![
                Just(String::new()), Just(TCP.to_owned()),
                "[ -9;-~]{0,40}".prop_map(|text| format!("Transport: {text}\r\n")),
                "[ -9;-~]{0,40}".prop_map(|text| format!("Session: {text}\r\n")),
            ],
            any::<bool>(),
        ), 0..20)) {
            let mut session = open(true);
            for (method, path, more, has_place) in asked {
                let (mut answer, effect) = session.on(&request(method, path, &more), has_place);
                if effect == Effect::Describe {
                    prop_assert!(answer.is_empty());
                    answer = session.described(None);
                }
                prop_assert!(answer.starts_with(b"RTSP/1.0 "));
                prop_assert!(answer.ends_with(b"\r\n\r\n"));
            }
        }
    }
}
