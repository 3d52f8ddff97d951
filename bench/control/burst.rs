//! Somebody who orders in bursts and costs little beside what is measured: MQTT 5 on a socket of its
//! own, on the caller's thread. As many orders as the broker takes unacknowledged go out by one
//! `write`, and what one `read` brings is acknowledged by one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectReturnCode, Filter, Packet, PubAck, Publish, PublishProperties, Subscribe,
};
use rumqttc::v5::mqttbytes::{Error, QoS};

use crate::place::{ANSWERS, PATIENCE};
use crate::statistics::Latencies;

/// The largest packet that is read.
const PACKET: usize = 1 << 20;

pub struct Bursts {
    stream: TcpStream,
    read: BytesMut,
    write: BytesMut,
    /// What the broker takes unacknowledged, and what it has not acknowledged.
    window: usize,
    unacknowledged: usize,
}

impl Bursts {
    /// Connects and hears answers.
    pub fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut bursts = Self {
            stream,
            read: BytesMut::with_capacity(PACKET),
            write: BytesMut::with_capacity(PACKET),
            window: usize::from(u16::MAX),
            unacknowledged: 0,
        };
        let connect = Connect {
            keep_alive: 0,
            client_id: "bursts".to_owned(),
            clean_start: true,
            properties: None,
        };
        bursts.put(&Packet::Connect(connect, None, None))?;
        let mut subscribe = Subscribe::new(Filter::new(ANSWERS, QoS::AtLeastOnce), None);
        subscribe.pkid = 1;
        bursts.put(&Packet::Subscribe(subscribe))?;
        bursts.flush()?;
        loop {
            match bursts.take()? {
                Some(Packet::ConnAck(taken)) => {
                    ensure!(taken.code == ConnectReturnCode::Success, "{:?}", taken.code);
                    let window = taken.properties.and_then(|told| told.receive_max);
                    bursts.window = window.map_or(bursts.window, usize::from);
                }
                Some(Packet::SubAck(_)) => return Ok(bursts),
                Some(other) => bail!("the broker begins with {other:?}"),
                None => bursts.fill()?,
            }
        }
    }

    /// Orders all of these at once and waits for their answers. Each is measured from the moment the
    /// first is written: what waits for the broker's window waits in the figure, too.
    pub fn burst(
        &mut self,
        topic: &str,
        payloads: &[String],
        latencies: &mut Latencies,
        counts: bool,
    ) -> anyhow::Result<()> {
        let mut waiting = payloads.iter().enumerate();
        let mut answered = vec![false; payloads.len()];
        let mut missing = payloads.len();
        let began = Instant::now();
        loop {
            while self.unacknowledged < self.window {
                let Some((which, payload)) = waiting.next() else {
                    break;
                };
                self.order(topic, which, payload)?;
            }
            self.flush()?;
            if missing == 0 && self.unacknowledged == 0 {
                return Ok(());
            }
            self.fill()?;
            let at = Instant::now();
            while let Some(packet) = self.take()? {
                match packet {
                    Packet::PubAck(_) => self.unacknowledged -= 1,
                    Packet::Publish(answer) => {
                        self.put(&Packet::PubAck(PubAck::new(answer.pkid, None)))?;
                        let which = which(&answer)?;
                        let is_second = answered
                            .get_mut(which)
                            .is_none_or(|seen| std::mem::replace(seen, true));
                        ensure!(!is_second, "a second answer to {which}");
                        missing -= 1;
                        if counts {
                            latencies.add(at - began);
                        }
                    }
                    other => bail!("the broker says {other:?}"),
                }
            }
        }
    }

    fn order(&mut self, topic: &str, which: usize, payload: &str) -> anyhow::Result<()> {
        let correlation = which.to_le_bytes().to_vec().into();
        let properties = PublishProperties {
            response_topic: Some(ANSWERS.to_owned()),
            correlation_data: Some(correlation),
            ..PublishProperties::default()
        };
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, Some(properties));
        publish.pkid = u16::try_from(which + 1)?;
        self.unacknowledged += 1;
        self.put(&Packet::Publish(publish))
    }

    fn put(&mut self, packet: &Packet) -> anyhow::Result<()> {
        packet
            .write(&mut self.write, None)
            .map_err(|error| anyhow::anyhow!("cannot be written: {error:?}"))?;
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.write)?;
        self.write.clear();
        Ok(())
    }

    /// Waits for bytes.
    fn fill(&mut self) -> anyhow::Result<()> {
        let mut bytes = [0; 16_384];
        let many = self
            .stream
            .read(&mut bytes)
            .context("the broker is silent")?;
        ensure!(many > 0, "the broker hung up");
        self.read.extend_from_slice(&bytes[..many]);
        Ok(())
    }

    /// The next whole packet of what has come.
    fn take(&mut self) -> anyhow::Result<Option<Packet>> {
        match Packet::read(&mut self.read, u32::try_from(PACKET).ok()) {
            Ok(packet) => Ok(Some(packet)),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => bail!("not MQTT: {error:?}"),
        }
    }
}

/// Which order an answer is for; fails with the device's words where it is a refusal.
fn which(answer: &Publish) -> anyhow::Result<usize> {
    let is_ok = answer.payload.starts_with(b"{\"ok\":true");
    if !is_ok {
        crate::place::must_be_ok(&serde_json::from_slice(&answer.payload)?)?;
    }
    let properties = answer.properties.as_ref().context("no properties")?;
    let correlation = properties.correlation_data.as_ref();
    let correlation = correlation.context("no correlation")?.as_ref();
    Ok(usize::from_le_bytes(correlation.try_into()?))
}
