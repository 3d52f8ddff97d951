//! What is known of the device in Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::engine::state::{DeviceState, SourceStatus};
use crate::media::stats::Level;

/// `Content-Type` of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the state does not have.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Events since the server began, by topic.
    pub events: BTreeMap<&'static str, u64>,
    /// Who watches by WHEP now.
    pub viewers: usize,
}

struct Page(String);

impl Page {
    /// One metric with its help and samples.
    fn metric(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, f64)>,
    ) {
        let _ = writeln!(self.0, "# HELP cubelet_{name} {help}");
        let _ = writeln!(self.0, "# TYPE cubelet_{name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "cubelet_{name}{labels} {value}");
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.metric(name, "gauge", help, [(String::new(), value)]);
    }

    /// One sample, 1, whose label says which state holds.
    fn state(&mut self, name: &str, help: &str, holds: &impl Serialize) {
        let label = label("status", &named(holds));
        self.metric(name, "gauge", help, [(label, 1.0)]);
    }
}

/// The page.
pub(super) fn render(state: &DeviceState, counts: &Counts) -> String {
    let mut page = Page(String::new());
    let build = label("version", env!("CARGO_PKG_VERSION"));
    page.metric(
        "build_info",
        "gauge",
        "The running version.",
        [(build, 1.0)],
    );
    page.state("call_status", "Where the call stands.", &state.call.status);
    page.state("ring_status", "Where the bell stands.", &state.ring.status);
    page.state(
        "chat_status",
        "Where the chat connection stands.",
        &state.chat.status,
    );
    let media = state.call.media.unwrap_or_default();
    let number = |value: u64| value as f64;
    page.gauge(
        "call_frames_decoded",
        "Pictures decoded in the present call.",
        number(media.frames_decoded),
    );
    page.gauge(
        "call_frames_sent",
        "Pictures sent in the present call.",
        number(media.frames_sent),
    );
    page.gauge(
        "call_audio_decoded_seconds",
        "Sound decoded in the present call.",
        number(media.audio_decoded_ms) / 1e3,
    );
    levels(&mut page, state);
    let previews = state
        .call
        .preview
        .as_ref()
        .map_or(0, |one| one.viewers.len());
    page.gauge(
        "preview_viewers",
        "Who sees the visitor before answering.",
        number(previews as u64),
    );
    page.gauge(
        "whep_viewers",
        "Who watches by WHEP.",
        number(counts.viewers as u64),
    );
    page.gauge(
        "chat_outbox_messages",
        "Messages the hub has not acknowledged.",
        number(state.chat.outbox),
    );
    page.gauge(
        "chat_unread_messages",
        "Messages not read.",
        number(state.chat.unread),
    );
    page.gauge(
        "visitor_messages_waiting",
        "Recordings the hub does not have yet.",
        number(state.visitor_message.waiting),
    );
    page.gauge(
        "door_unlocked",
        "Whether the relay is pulled.",
        f64::from(u8::from(state.door.unlocked)),
    );
    let sources = [
        ("camera", state.camera.status),
        ("audio", state.audio.microphone.status),
    ];
    let of = |wanted: SourceStatus| {
        sources.map(|(name, status)| {
            let holds = f64::from(u8::from(status == wanted));
            (label("source", name), holds)
        })
    };
    page.metric(
        "source_running",
        "gauge",
        "Whether a source delivers.",
        of(SourceStatus::Running),
    );
    page.metric(
        "source_failed",
        "gauge",
        "Whether a source has failed.",
        of(SourceStatus::Failed),
    );
    let actors = state.health.iter();
    let alive = actors
        .clone()
        .map(|(name, one)| (label("part", name), f64::from(u8::from(one.alive))));
    page.metric("part_alive", "gauge", "Whether a part runs.", alive);
    let restarts = actors.map(|(name, one)| (label("part", name), f64::from(one.restarts)));
    page.metric(
        "part_restarts_total",
        "counter",
        "How often a part was brought back.",
        restarts,
    );
    let events = counts
        .events
        .iter()
        .map(|(topic, count)| (label("type", topic), number(*count)));
    page.metric(
        "events_total",
        "counter",
        "Events since the console began.",
        events,
    );
    page.0
}

/// How loud everybody in the call is; no samples where nothing is heard.
fn levels(page: &mut Page, state: &DeviceState) {
    let microphone = state.call.media.and_then(|media| media.microphone);
    let own = microphone.map(|level| (label("of", "microphone"), level));
    let others = state.call.participants.iter().filter_map(|one| {
        let of = label("of", &one.user.to_string());
        Some((of, one.level?))
    });
    let all: Vec<_> = own.into_iter().chain(others).collect();
    let samples = |value: fn(&Level) -> i8| {
        let all = all.iter();
        all.map(move |(of, level)| (of.clone(), f64::from(value(level))))
    };
    page.metric(
        "call_sound_rms_dbfs",
        "gauge",
        "How loud the microphone and each participant were in the last second.",
        samples(|level| level.rms_dbfs),
    );
    page.metric(
        "call_sound_peak_dbfs",
        "gauge",
        "The loudest sample of that second.",
        samples(|level| level.peak_dbfs),
    );
}

/// Whether every part runs.
pub(super) fn is_well(state: &DeviceState) -> bool {
    state.health.values().all(|part| part.alive)
}

/// A value's name in the state topics.
fn named(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{{{name}=\"{value}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::{ActorHealth, CallStatus, ParticipantState};

    #[test]
    fn every_sample_follows_its_help_and_type_and_says_what_the_state_says() {
        let mut state = DeviceState::default();
        state.call.status = CallStatus::Ringing;
        state.chat.outbox = 3;
        let part = ActorHealth {
            alive: true,
            restarts: 2,
            last_end: None,
        };
        state.health.insert("calls".to_owned(), part);
        state.call.participants.push(ParticipantState {
            user: 1002,
            level: Some(Level {
                rms_dbfs: -31,
                peak_dbfs: -12,
            }),
            ..ParticipantState::default()
        });
        let counts = Counts {
            events: BTreeMap::from([("call/ended", 4)]),
            viewers: 1,
        };
        let page = render(&state, &counts);
        for line in [
            "cubelet_call_status{status=\"ringing\"} 1",
            "cubelet_chat_outbox_messages 3",
            "cubelet_part_alive{part=\"calls\"} 1",
            "cubelet_part_restarts_total{part=\"calls\"} 2",
            "cubelet_events_total{type=\"call/ended\"} 4",
            "cubelet_call_sound_rms_dbfs{of=\"1002\"} -31",
            "cubelet_whep_viewers 1",
        ] {
            assert!(page.lines().any(|one| one == line), "{line} in\n{page}");
        }
        let mut described = "";
        for line in page.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(rest) => described = rest.split(' ').next().unwrap(),
                None if line.starts_with('#') => {}
                None => assert!(line.starts_with(described), "{line}"),
            }
        }
    }

    #[test]
    fn the_device_is_well_while_all_its_parts_run() {
        let mut state = DeviceState::default();
        assert!(is_well(&state));
        state
            .health
            .insert("chat".to_owned(), ActorHealth::default());
        assert!(!is_well(&state));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label("a", "x\"\\\ny"), r#"{a="x\"\\\ny"}"#);
    }
}
