//! A recording as its owner has it: begun, on a thread of its own that may wait for the disk, and
//! ended.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::feed::Feed;
use super::outcome::{RecordError, RecorderEvent};
use super::pre_roll::PreRoll;
use super::run::{Order, Origin, run};
use super::settings::RecorderSettings;
use crate::media::{AudioFanout, MediaError, VideoFanout};

/// The owner's end. Dropping it finishes the recording: nothing is lost by accident.
#[derive(Debug)]
pub struct Recorder {
    orders: watch::Sender<Order>,
}

impl Recorder {
    /// Returns at once; what goes wrong arrives as an event. Joins the fan-outs like any other
    /// consumer: nothing is captured or encoded a second time.
    pub fn start(
        settings: RecorderSettings,
        video: &VideoFanout,
        audio: &AudioFanout,
        events: UnboundedSender<RecorderEvent>,
    ) -> Self {
        let feed = Feed::live(settings.pictures, settings.sound, video, audio);
        Self::spawn(settings, Origin::Now(feed), events)
    }

    /// As [`Recorder::start`], beginning with what was kept before; the longest time counts from
    /// now.
    pub fn go_on(
        settings: RecorderSettings,
        before: PreRoll,
        events: UnboundedSender<RecorderEvent>,
    ) -> Self {
        Self::spawn(settings, Origin::Before(before), events)
    }

    fn spawn(
        settings: RecorderSettings,
        origin: Origin,
        events: UnboundedSender<RecorderEvent>,
    ) -> Self {
        let (orders, received) = watch::channel(Order::GoOn);
        let tell = events.clone();
        let spawned = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                let event = match run(settings, origin, received, &tell) {
                    Ok(recording) => RecorderEvent::Finished(recording),
                    Err(error) => RecorderEvent::Failed(error),
                };
                // An owner that no longer listens finds the file at the next start.
                let _ = tell.send(event);
            });
        if let Err(error) = spawned {
            let error = RecordError::Media(MediaError::Threads(error.to_string()));
            let _ = events.send(RecorderEvent::Failed(error));
        }
        Self { orders }
    }

    /// Ends it and keeps what there is.
    pub fn finish(self) {
        self.orders.send_replace(Order::Finish);
    }

    /// Ends it and removes what there is.
    pub fn discard(self) {
        self.orders.send_replace(Order::Discard);
    }
}
