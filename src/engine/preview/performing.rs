//! Outputs of both sides' state machines, performed.

use std::time::Instant;

use super::link::{Link, LinkParts};
use super::{Live, Previews, Side};
use crate::call::preview::door::{self, End, Request};
use crate::call::preview::viewer;
use crate::config::AudioSource;
use crate::engine::event::EventKind;
use crate::engine::media_settings;
use crate::media::peer::{ChannelPolicy, OneWay, PeerSettings, Way};
use crate::protocol::call_signal::CallType;
use crate::protocol::preview::{PreviewSignal, Word};
use crate::store::CallPreview;

impl Previews {
    pub(super) fn feed_door(&mut self, input: door::Input) {
        for output in self.door.handle(Instant::now(), input) {
            match output {
                door::Output::Open(request, offer) => {
                    let link = self.link(&request, Side::Door, Some(offer));
                    self.shown.insert(request, Live { link, shown: None });
                }
                door::Output::Candidates(request, candidates) => {
                    if let Some(live) = self.shown.get(&request) {
                        live.link.candidates(candidates);
                    }
                }
                door::Output::Shown(request) => {
                    if let Some(live) = self.shown.get_mut(&request) {
                        live.shown = Some(Instant::now());
                    }
                    self.publish(&request, "started", None);
                }
                door::Output::Close(request, end) => {
                    if let Some(live) = self.shown.remove(&request) {
                        self.count(&request, &live);
                    }
                    if end.is_told() {
                        self.say(&request, Word::End(end.name().to_owned()));
                    }
                    if end != End::BadOffer {
                        self.publish(&request, "ended", Some(end.name()));
                    }
                }
                door::Output::Refuse(request, refusal) => {
                    self.say(&request, Word::Refuse(refusal.name().to_owned()));
                    self.publish(&request, "refused", Some(refusal.name()));
                }
                door::Output::Ignored(request, why) => {
                    tracing::debug!(call = request.call, from = request.user, why, "no preview");
                }
            }
        }
    }

    pub(super) fn feed_viewer(&mut self, input: viewer::Input) {
        for output in self.viewer.handle(Instant::now(), input) {
            match output {
                viewer::Output::Open(request) => {
                    let link = self.link(&request, Side::Viewer, None);
                    self.seen = Some(Live { link, shown: None });
                }
                viewer::Output::Answer(_, sdp) => {
                    if let Some(live) = &self.seen {
                        live.link.answer(sdp);
                    }
                }
                viewer::Output::Candidates(_, candidates) => {
                    if let Some(live) = &self.seen {
                        live.link.candidates(candidates);
                    }
                }
                viewer::Output::Shown(request) => {
                    let rang = self.rang.map(|(at, _)| at.elapsed().as_millis() as u64);
                    self.first_frame_ms = rang;
                    if let Some(live) = &mut self.seen {
                        live.shown = Some(Instant::now());
                    }
                    self.publish(&request, "started", None);
                }
                viewer::Output::Close { request, is_told } => {
                    let live = self.seen.take();
                    let was_shown = live.as_ref().is_some_and(|live| live.shown.is_some());
                    if let Some(live) = live {
                        self.count(&request, &live);
                    }
                    if is_told {
                        self.say(&request, Word::End("lost".to_owned()));
                    }
                    if was_shown {
                        self.publish(&request, "ended", None);
                    }
                }
            }
        }
    }

    fn link(&self, request: &Request, side: Side, offer: Option<String>) -> Link {
        Link::start(LinkParts {
            request: request.clone(),
            side,
            offer,
            settings: self.settings(side),
            video: self.wiring.video.clone(),
            audio: self.wiring.audio.clone(),
            calls: self.wiring.slots.calls.clone(),
            chat: self.wiring.chat.clone(),
        })
    }

    fn settings(&self, side: Side) -> PeerSettings {
        let config = &self.wiring.config;
        let one_way = match side {
            Side::Door => OneWay {
                way: Way::Out,
                sound: config.calls.preview.audio && config.audio.source != AudioSource::None,
            },
            Side::Viewer => OneWay {
                way: Way::In,
                sound: self.rang.is_some_and(|(_, has_sound)| has_sound),
            },
        };
        PeerSettings {
            one_way: Some(one_way),
            loudspeaker: self.wiring.loudspeaker.clone(),
            video_sink: self.wiring.screen_for(None),
            // Who only looks orders nothing.
            channel: ChannelPolicy::Off,
            ..media_settings::peer(config, CallType::Video)
        }
    }

    /// Adds a connection that is over to what its call's record tells.
    fn count(&mut self, request: &Request, live: &Live) {
        let Some(shown) = live.shown else {
            return;
        };
        let stats = live.link.stats().unwrap_or_default();
        let total = self.totals.entry(request.call.clone()).or_default();
        *total = CallPreview {
            times: total.times + 1,
            seconds: total.seconds + shown.elapsed().as_secs_f64(),
            frames_sent: total.frames_sent + stats.frames_sent,
            frames_decoded: total.frames_decoded + stats.frames_decoded,
        };
    }

    fn publish(&self, request: &Request, phase: &'static str, reason: Option<&'static str>) {
        self.wiring.board.publish(EventKind::CallPreview {
            call: request.call.clone(),
            peer: request.user,
            phase,
            reason,
        });
    }

    fn say(&self, request: &Request, word: Word) {
        let signal = PreviewSignal {
            session_id: request.call.clone(),
            request_id: request.id.clone(),
            word,
        };
        let (chat, to) = (self.wiring.chat.clone(), request.user);
        actix::spawn(async move {
            // The other side has a time limit of its own.
            if let Err(error) = super::link::send(&chat, to, &signal).await {
                tracing::info!(to, %error, "a word about a preview was not sent");
            }
        });
    }
}
