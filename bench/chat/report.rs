//! What was measured, by whom; and which figures are made of it.

use std::collections::BTreeMap;

use crate::device::Client;
use crate::load::Outcome;
use crate::server::Kind;
use crate::statistics::{Bound, median, print};

/// A kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sample {
    /// Messages a second, as fast as it can.
    Full,
    /// Its p50 in ms.
    FullMiddle,
    /// Its p99 in ms.
    FullTail,
    /// Processor time of the server for each of these messages, in µs.
    Cost,
    /// p50 at a rate all manage.
    RateMiddle,
    /// p99 of it.
    RateTail,
    /// p50 at half of what Prosody can.
    HalfMiddle,
    /// p99 of it.
    HalfTail,
    /// Stored messages a second.
    Saved,
    /// Their p50.
    SavedMiddle,
    /// Their p99.
    SavedTail,
    /// kB per idle connection without TLS.
    IdlePlain,
    /// With TLS.
    IdleTls,
    /// Messages a second from device to device.
    Device,
    /// Their p50.
    DeviceMiddle,
    /// Their p99.
    DeviceTail,
    /// Processor time of both devices for a message, in µs.
    DeviceCost,
    /// Of the hub, meanwhile.
    DeviceHub,
}

/// All samples.
#[derive(Default)]
pub struct Report {
    samples: BTreeMap<(Sample, &'static str), Vec<f64>>,
}

/// How much better ours should be than the peer.
#[derive(Clone, Copy)]
enum Aim {
    Times(f64),
    /// One of so many parts of the peer's.
    Share(f64),
    AtMost(f64),
    Known,
}

impl Report {
    /// Notes a sample.
    pub fn add(&mut self, who: &'static str, sample: Sample, value: f64) {
        self.samples.entry((sample, who)).or_default().push(value);
    }

    /// Notes the latencies of a run.
    pub fn add_latency(
        &mut self,
        who: &'static str,
        middle: Sample,
        tail: Sample,
        outcome: &mut Outcome,
    ) {
        let quantiles = [(middle, 0.5), (tail, 0.99)];
        let mut told = format!("{who}: {tail:?}: {:.0}/s", outcome.per_second);
        for (sample, share) in quantiles {
            if let Some(value) = outcome.latencies.quantile(share) {
                told += &format!(", p{:.0} {value:.2} ms", share * 100.0);
                self.add(who, sample, value);
            }
        }
        eprintln!("{told}");
    }

    fn median(&self, who: &'static str, sample: Sample) -> Option<f64> {
        median(self.samples.get(&(sample, who))?)
    }

    fn figure(&self, name: &str, unit: &str, sample: Sample, peers: &[&'static str], aim: Aim) {
        let Some(ours) = self.median(Kind::Cubelet.name(), sample) else {
            return;
        };
        let bound = |theirs: Option<f64>| match (aim, theirs) {
            (Aim::Times(times), Some(theirs)) => Bound::AtLeast(times * theirs),
            (Aim::Share(parts), Some(theirs)) => Bound::AtMost(theirs / parts),
            (Aim::AtMost(limit), _) => Bound::AtMost(limit),
            _ => Bound::None,
        };
        if peers.is_empty() {
            return print(name, unit, ours, None, bound(None));
        }
        for (place, peer) in peers.iter().enumerate() {
            if let Some(theirs) = self.median(peer, sample) {
                // The aim is against the first; the others are there to be known.
                let is_aim = place == 0 || matches!(aim, Aim::AtMost(_));
                let bound = if is_aim {
                    bound(Some(theirs))
                } else {
                    Bound::None
                };
                print(name, unit, ours, Some((peer, theirs)), bound);
            } else if place == 0 {
                print(name, unit, ours, None, bound(None));
            }
        }
    }

    /// Prints every figure there are samples for.
    pub fn print(&self) {
        let servers = [Kind::Prosody.name(), Kind::Ejabberd.name()];
        let clients = [Client::Sdk.name(), Client::Slixmpp.name()];
        let known = Aim::Known;
        let tail = Aim::AtMost(25.0);
        for (name, unit, sample, peers, aim) in [
            (
                "hub, messages",
                "1/s",
                Sample::Full,
                &servers[..],
                Aim::Times(2.0),
            ),
            (
                "hub, messages, p50",
                "ms",
                Sample::FullMiddle,
                &servers,
                known,
            ),
            (
                "hub, messages, p99",
                "ms",
                Sample::FullTail,
                &servers,
                known,
            ),
            (
                "hub, processor time of a message",
                "µs",
                Sample::Cost,
                &servers,
                known,
            ),
            (
                "hub, 2,000 messages/s, p50",
                "ms",
                Sample::RateMiddle,
                &servers,
                known,
            ),
            (
                "hub, 2,000 messages/s, p99",
                "ms",
                Sample::RateTail,
                &servers,
                tail,
            ),
            (
                "hub, half of Prosody's most, p50",
                "ms",
                Sample::HalfMiddle,
                &servers,
                known,
            ),
            (
                "hub, half of Prosody's most, p99",
                "ms",
                Sample::HalfTail,
                &servers,
                tail,
            ),
            ("hub, stored messages", "1/s", Sample::Saved, &[], known),
            (
                "hub, stored messages, p50",
                "ms",
                Sample::SavedMiddle,
                &[],
                known,
            ),
            (
                "hub, stored messages, p99",
                "ms",
                Sample::SavedTail,
                &[],
                known,
            ),
            (
                "hub, idle connection, plain",
                "kB",
                Sample::IdlePlain,
                &servers,
                Aim::AtMost(15.0),
            ),
            (
                "hub, idle connection, TLS",
                "kB",
                Sample::IdleTls,
                &servers,
                Aim::AtMost(40.0),
            ),
            (
                "device to device, stored",
                "1/s",
                Sample::Device,
                &clients,
                Aim::Times(3.0),
            ),
            (
                "device to device, p50",
                "ms",
                Sample::DeviceMiddle,
                &clients,
                known,
            ),
            (
                "device to device, p99",
                "ms",
                Sample::DeviceTail,
                &clients,
                known,
            ),
            (
                "device to device, processor time of both for a message",
                "µs",
                Sample::DeviceCost,
                &clients,
                Aim::Share(3.0),
            ),
            (
                "device to device, processor time of the hub for a message",
                "µs",
                Sample::DeviceHub,
                &clients,
                known,
            ),
        ] {
            self.figure(name, unit, sample, peers, aim);
        }
    }
}
