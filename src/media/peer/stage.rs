//! An interceptor that says only what is its own.
//!
//! The library's asks for two queues and a dozen methods, of which most do nothing but pass a packet
//! on. A [`Stage`] hears packets and streams, and may hold back or add what leaves.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Interceptor, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// What leaves for the network, in this order.
pub(super) type Leaving = VecDeque<TaggedPacket>;

/// What one interceptor does. It runs on the task that drives the connection, so it must not wait.
pub(super) trait Stage: Send + Sync {
    /// A packet from the network; it is passed on.
    fn arrives(&mut self, _packet: &TaggedPacket, _leaving: &mut Leaving) {}

    /// A packet for the network, to be put into `leaving` now or later.
    fn leaves(&mut self, packet: TaggedPacket, leaving: &mut Leaving) {
        leaving.push_back(packet);
    }

    /// When [`Stage::at`] is to be called.
    fn due(&self) -> Option<Instant> {
        None
    }

    fn at(&mut self, _now: Instant, _leaving: &mut Leaving) {}

    fn bind_local(&mut self, _stream: &StreamInfo) {}
    fn unbind_local(&mut self, _stream: &StreamInfo) {}
    fn bind_remote(&mut self, _stream: &StreamInfo) {}
    fn unbind_remote(&mut self, _stream: &StreamInfo) {}
}

/// The interceptor a stage is.
pub(super) struct Passing<S> {
    pub(super) stage: S,
    inbound: VecDeque<TaggedPacket>,
    leaving: Leaving,
}

impl<S> Passing<S> {
    pub(super) fn new(stage: S) -> Self {
        Self {
            stage,
            inbound: VecDeque::new(),
            leaving: Leaving::new(),
        }
    }
}

impl<S: Stage> Protocol<TaggedPacket, TaggedPacket, ()> for Passing<S> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.stage.arrives(&packet, &mut self.leaving);
        self.inbound.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.stage.leaves(packet, &mut self.leaving);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.leaving.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.stage.at(now, &mut self.leaving);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.stage.due()
    }
}

impl<S: Stage> Interceptor for Passing<S> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.stage.bind_local(info);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.stage.unbind_local(info);
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.stage.bind_remote(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.stage.unbind_remote(info);
    }
}
