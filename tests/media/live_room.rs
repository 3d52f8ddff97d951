//! A room between the loudspeaker and the microphone of a running device: everything from a
//! participant's voice to the Opus packets a call sends is the product's own, in real time; only
//! ALSA's two elements are the room's. Also measured by `make bench-echo`.

use std::sync::Arc;
use std::time::Duration;

use cubelet::media::fanout::Subscription;
use cubelet::media::rtp::EncodedFrame;
use cubelet::media::sink::AudioSinkKind;
use cubelet::media::sound::{BUFFER, FRAME, RATE, SoundFeed, SoundTap};
use cubelet::media::{
    AudioDevice, AudioDeviceSettings, AudioFanout, AudioSourceKind, Loudspeaker, Processing,
};
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use crate::room::{
    CAPS, FAR, NEAR, NEAR_AT, Room, SETTLED, decibels, launch, read, share, sink, speech,
};

/// The far side begins so much after the device, whose canceller nothing has told of the room.
const FAR_AT: usize = RATE;

/// A card hands over what its microphone heard after so long.
const PERIOD: Duration = Duration::from_millis(10);
/// What a card does not tell of its delay.
const HIDDEN: Duration = Duration::from_millis(10);

/// What became of echo and visitor.
#[derive(Debug)]
pub struct LiveFigures {
    /// What is left of the echo, after 3 s of one speaking: decibels below what the microphone
    /// hears (ITU-T G.168: echo return loss enhancement).
    pub erle: f64,
    /// The part of the visitor's voice that comes through while both speak, of what comes through
    /// while nobody else does.
    pub kept: f64,
}

/// Plays both through three devices at once, in as long as the far side speaks.
pub fn measure() -> LiveFigures {
    cubelet::media::initialise().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let far = speech("en-us", FAR, folder.path());
    let near = speech("en-gb", NEAR, folder.path());
    let silence = vec![0; far.len()];
    let both_end = NEAR_AT + near.len();
    assert!(both_end < far.len(), "they do not speak at the same time");
    let running = [(&far, None), (&silence, Some(&near)), (&far, Some(&near))]
        .map(|(far, near)| Station::start(far.clone(), near.cloned()));
    let waiting = futures::future::join_all(running.map(Station::ended));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let recorded = runtime.block_on(waiting);
    let [echo, alone, both] = &recorded[..] else {
        unreachable!("as many as were started");
    };
    let of_visitor = FAR_AT + NEAR_AT..FAR_AT + both_end;
    LiveFigures {
        erle: decibels(
            &echo.heard[FAR_AT + SETTLED..],
            &echo.sent[FAR_AT + SETTLED..],
        ),
        kept: share(&both.sent[of_visitor.clone()], &alone.sent[of_visitor]),
    }
}

/// What was heard and what was sent of it, sample for sample.
struct Recorded {
    heard: Vec<i16>,
    sent: Vec<i16>,
}

/// A device with the room around it.
struct Station {
    _device: AudioDevice,
    listener: Subscription,
    heard: Arc<Mutex<Vec<i16>>>,
    length: usize,
}

impl Station {
    fn start(far: Vec<i16>, near: Option<Vec<i16>>) -> Self {
        let (fanout, loudspeaker) = (AudioFanout::new(), Loudspeaker::new());
        // Before the device, so that its first packet is seen.
        let listener = fanout.subscribe();
        let feed = SoundFeed::new();
        let heard = Arc::<Mutex<Vec<i16>>>::default();
        let length = FAR_AT + far.len();
        let tap = {
            let (feed, heard) = (feed.clone(), Arc::clone(&heard));
            let voice = loudspeaker.live();
            let room = Mutex::new(Room::new(1));
            SoundTap::new(move |at, played| {
                let mut heard = heard.lock();
                let now = heard.len();
                // As a participant's decoder does, whose packets come at this pace.
                if let Some(said) = now.checked_sub(FAR_AT)
                    && let Some(said) = far.get(said..far.len().min(said + FRAME))
                {
                    voice.push(said);
                }
                // What is heard now was given to the card a whole buffer ago.
                let late = BUFFER + PERIOD;
                if at < late {
                    room.lock().hear(played, 0);
                    return;
                }
                let mut sound = room.lock().hear(played, samples(late + HIDDEN));
                if let Some(near) = &near {
                    for (n, sample) in sound.iter_mut().enumerate() {
                        let spoken = (now + n).checked_sub(FAR_AT + NEAR_AT);
                        let spoken = spoken.and_then(|at| near.get(at));
                        *sample = sample.saturating_add(spoken.copied().unwrap_or(0));
                    }
                }
                heard.extend_from_slice(&sound);
                feed.push(at - late, &sound).unwrap();
            })
        };
        let settings = AudioDeviceSettings {
            microphone: AudioSourceKind::Feed(feed),
            loudspeaker: AudioSinkKind::Tap(tap),
            processing: Processing::ALL,
            dtx: false,
            warm: true,
        };
        let (events, _) = tokio::sync::mpsc::unbounded_channel();
        let device =
            AudioDevice::start(settings, &fanout, &loudspeaker, &Loudspeaker::new(), events);
        Self {
            _device: device,
            listener,
            heard,
            length,
        }
    }

    /// Listens until the far side has said everything.
    async fn ended(self) -> Recorded {
        let mut packets = vec![self.listener.next().await];
        let first = packets[0].rtp_timestamp;
        while packets.last().is_none_or(|last| {
            let end = last.rtp_timestamp.wrapping_sub(first) as usize + 2 * FRAME;
            end < self.length
        }) {
            packets.push(self.listener.next().await);
        }
        let (mut heard, mut sent) = (self.heard.lock().clone(), decoded(&packets));
        heard.truncate(self.length);
        sent.resize(self.length, 0);
        Recorded { heard, sent }
    }
}

fn samples(duration: Duration) -> usize {
    duration.as_millis() as usize * RATE / 1_000
}

/// As the other side hears it, each packet in its place.
fn decoded(packets: &[Arc<EncodedFrame>]) -> Vec<i16> {
    let pipeline = launch(&format!(
        "appsrc name=in format=time \
         caps=audio/x-opus,channel-mapping-family=0,channels=1,rate=48000 \
         ! opusdec ! audioconvert ! audioresample ! {CAPS} ! appsink name=out sync=false"
    ));
    let source = pipeline.by_name("in").unwrap();
    let source: gst_app::AppSrc = source.downcast().unwrap();
    let out = sink(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    let first = packets[0].rtp_timestamp;
    for packet in packets {
        let at = u64::from(packet.rtp_timestamp.wrapping_sub(first));
        let mut buffer = gst::Buffer::from_slice(packet.packets[0].payload.clone());
        let fresh = buffer.get_mut().unwrap();
        fresh.set_pts(gst::ClockTime::from_useconds(at * 1_000 / 48));
        fresh.set_duration(gst::ClockTime::from_mseconds(20));
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let mut samples = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let at = sample.buffer().unwrap().pts().unwrap().useconds() * 48 / 1_000;
        // Nothing was lost on the way: a gap is one of ours.
        samples.resize(samples.len().max(usize::try_from(at).unwrap()), 0);
        samples.extend(read(&sample));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}
