//! A network of our own between two peers: a relay that loses, delays and holds back packets.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cubelet::media::VideoSourceSettings;
use cubelet::media::peer::{PeerEvent, PeerSettings};
use cubelet::protocol::call_signal::Candidate;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::support::{Device, End, camera_settings, sees, warm, within};

/// The payload type of it in our offers.
const H264: u8 = 102;
/// Losing nothing.
pub const NONE: usize = usize::MAX;

/// What the way to the callee does.
#[derive(Clone, Copy, Default)]
pub struct Link {
    /// Of all packets, by a seeded generator.
    pub loss: f64,
    /// Each way.
    pub delay: Duration,
    /// Capacity; none is unlimited.
    pub kbps: Option<u32>,
    /// How much of it waits before packets are dropped.
    pub queue: Duration,
}

/// Stands between the two: each side knows the other only by a socket of the relay.
pub struct Relay {
    for_caller: SocketAddr,
    for_callee: SocketAddr,
    caller: watch::Sender<Option<SocketAddr>>,
    callee: watch::Sender<Option<SocketAddr>>,
    /// Every how many-th large packet to the callee is lost.
    pub lose_every: Arc<AtomicUsize>,
    pub link: watch::Sender<Link>,
    /// What came by, with its code point.
    pub marks: Arc<watch::Sender<BTreeSet<(Kind, u8)>>>,
    /// Of the pictures to the callee.
    pub first_second: Arc<watch::Sender<FirstSecond>>,
}

impl Relay {
    async fn start(losses: Losses) -> Self {
        let left = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let right = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        for socket in [&left, &right] {
            setsockopt(socket, sockopt::IpRecvTos, &true).unwrap();
        }
        let relay = Self {
            for_caller: left.local_addr().unwrap(),
            for_callee: right.local_addr().unwrap(),
            caller: watch::Sender::new(None),
            callee: watch::Sender::new(None),
            lose_every: Arc::new(AtomicUsize::new(NONE)),
            link: watch::Sender::new(Link::default()),
            marks: Arc::default(),
            first_second: Arc::default(),
        };
        let to_callee = Way {
            from: Arc::clone(&left),
            marks: Arc::clone(&relay.marks),
            by: Arc::clone(&right),
            to: relay.callee.subscribe(),
            lose_every: Arc::clone(&relay.lose_every),
            link: relay.link.subscribe(),
            first_second: Arc::clone(&relay.first_second),
            is_narrow: true,
            losses,
        };
        let to_caller = Way {
            from: right,
            marks: Arc::clone(&relay.marks),
            by: left,
            to: relay.caller.subscribe(),
            lose_every: Arc::new(AtomicUsize::new(NONE)),
            link: relay.link.subscribe(),
            first_second: Arc::default(),
            is_narrow: false,
            losses,
        };
        tokio::spawn(to_callee.forward());
        tokio::spawn(to_caller.forward());
        relay
    }
}

/// What a packet is, as far as its first two bytes tell (RFC 7983 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// RTP and RTCP, by the second byte without the marker.
    Media(u8),
    Other,
}

impl Kind {
    fn of(packet: &[u8]) -> Self {
        match packet {
            [128..=191, kind, ..] => Self::Media(kind & 0x7f),
            _ => Self::Other,
        }
    }
}

/// The pictures of the first second of their own clock, so that a busy machine changes nothing.
#[derive(Default)]
pub struct FirstSecond {
    begins: Option<u32>,
    /// Numbers of the packets, for repetitions do not count.
    seen: BTreeSet<u16>,
    pub bytes: usize,
    /// A later picture has come by.
    pub is_over: bool,
}

impl FirstSecond {
    /// Whether it is over by this packet.
    fn add(&mut self, packet: &[u8]) -> bool {
        let &[_, _, a, b, c, d, e, f, ..] = packet else {
            return false;
        };
        if self.is_over || Kind::of(packet) != Kind::Media(H264) {
            return false;
        }
        let at = u32::from_be_bytes([c, d, e, f]);
        let begins = *self.begins.get_or_insert(at);
        self.is_over = at.wrapping_sub(begins) >= 90_000;
        if !self.is_over && self.seen.insert(u16::from_be_bytes([a, b])) {
            self.bytes += packet.len();
        }
        self.is_over
    }
}

/// A packet's size and its code point (DSCP).
async fn receive(socket: &UdpSocket, packet: &mut [u8]) -> std::io::Result<(usize, u8)> {
    let take = || {
        let mut space = nix::cmsg_space!(u8);
        let mut iov = [std::io::IoSliceMut::new(&mut *packet)];
        let descriptor = socket.as_raw_fd();
        let message = recvmsg::<()>(descriptor, &mut iov, Some(&mut space), MsgFlags::empty())?;
        let byte = message.cmsgs()?.find_map(|one| match one {
            ControlMessageOwned::Ipv4Tos(byte) => Some(byte),
            _ => None,
        });
        Ok((message.bytes, byte.unwrap_or_default() >> 2))
    };
    socket.async_io(tokio::io::Interest::READABLE, take).await
}

struct Way {
    from: Arc<UdpSocket>,
    marks: Arc<watch::Sender<BTreeSet<(Kind, u8)>>>,
    by: Arc<UdpSocket>,
    to: watch::Receiver<Option<SocketAddr>>,
    lose_every: Arc<AtomicUsize>,
    link: watch::Receiver<Link>,
    first_second: Arc<watch::Sender<FirstSecond>>,
    /// Whether loss and capacity are of this way.
    is_narrow: bool,
    losses: Losses,
}

/// What is lost from the beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    None,
    /// Each datagram of the DTLS handshake, both ways, until the very same one comes again.
    FirstHandshakes,
}

impl Way {
    async fn forward(self) {
        let mut packet = [0; 2048];
        let mut count = 0;
        let mut random = StdRng::seed_from_u64(7);
        let mut busy_until = Instant::now();
        let mut waiting = VecDeque::<(Instant, Vec<u8>)>::new();
        let mut handshakes = BTreeSet::new();
        loop {
            let due = waiting.front().map(|(due, _)| *due);
            let next = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = next => {
                    if let Some((_, packet)) = waiting.pop_front() {
                        self.send(&packet).await;
                    }
                }
                received = receive(&self.from, &mut packet) => {
                    let Ok((size, mark)) = received else { return };
                    let is_new = |marks: &mut BTreeSet<_>| marks.insert((Kind::of(&packet), mark));
                    self.marks.send_if_modified(is_new);
                    self.first_second.send_if_modified(|pictures| pictures.add(&packet[..size]));
                    let every = self.lose_every.load(Ordering::Relaxed);
                    let is_handshake = matches!(packet[0], 20 | 22);
                    if self.losses == Losses::FirstHandshakes
                        && is_handshake
                        && handshakes.insert(packet[..size].to_vec())
                    {
                        continue;
                    }
                    // Only media is this large; losing connectivity checks is not what is tested.
                    if size > 200 && every != NONE {
                        count += 1;
                        if count % every == 0 {
                            continue;
                        }
                    }
                    let link = *self.link.borrow();
                    let now = Instant::now();
                    let mut due = now + link.delay;
                    if self.is_narrow {
                        if random.random_bool(link.loss) {
                            continue;
                        }
                        if let Some(kbps) = link.kbps {
                            let begins = busy_until.max(now);
                            if begins - now > link.queue {
                                continue;
                            }
                            let bits = (size + 28) as f64 * 8.0;
                            busy_until = begins + Duration::from_secs_f64(bits / 1_000.0 / f64::from(kbps));
                            due = busy_until + link.delay;
                        }
                    }
                    if due <= now && waiting.is_empty() {
                        self.send(&packet[..size]).await;
                    } else {
                        waiting.push_back((due, packet[..size].to_vec()));
                    }
                }
            }
        }
    }

    async fn send(&self, packet: &[u8]) {
        let to = *self.to.borrow();
        if let Some(to) = to {
            // A peer that is gone is not the relay's concern.
            let _ = self.by.send_to(packet, to).await;
        }
    }
}

/// Replaces the address and tells the relay the real one.
fn redirect(
    candidate: &Candidate,
    to: SocketAddr,
    real: &watch::Sender<Option<SocketAddr>>,
) -> Candidate {
    let mut words: Vec<_> = candidate.candidate.split(' ').map(str::to_owned).collect();
    real.send_replace(Some(format!("{}:{}", words[4], words[5]).parse().unwrap()));
    words[4] = to.ip().to_string();
    words[5] = to.port().to_string();
    Candidate {
        candidate: words.join(" "),
        ..candidate.clone()
    }
}

/// Two devices in a call in which both see the other.
pub struct RelayedCall {
    pub relay: Relay,
    pub caller: End,
    pub callee: End,
    pub devices: [Device; 2],
}

pub async fn call_through_a_relay(settings: PeerSettings) -> RelayedCall {
    call_from_a_camera(camera_settings(), settings).await
}

/// `camera` is the caller's.
pub async fn call_from_a_camera(
    camera: VideoSourceSettings,
    settings: PeerSettings,
) -> RelayedCall {
    call_with_losses(Losses::None, camera, settings).await
}

/// `camera` is the caller's.
pub async fn call_with_losses(
    losses: Losses,
    camera: VideoSourceSettings,
    settings: PeerSettings,
) -> RelayedCall {
    warm().await;
    let relay = Relay::start(losses).await;
    let (door, room) = (Device::with(camera), Device::start());
    let mut caller = End::new(settings.clone(), &door).await;
    let mut callee = End::new(settings, &room).await;
    let offer = caller.peer.create_offer().await.unwrap();
    let answer = callee.peer.accept_offer(&offer).await.unwrap();
    caller.peer.set_answer(&answer).await.unwrap();
    within("the call", async {
        while !sees(&caller) || !sees(&callee) {
            tokio::select! {
                Some(event) = caller.events.recv() => {
                    if let PeerEvent::LocalCandidate(candidate) = &event {
                        let candidate = redirect(candidate, relay.for_callee, &relay.caller);
                        callee.peer.add_candidates(&[candidate]).await;
                    }
                    caller.seen.push(event);
                }
                Some(event) = callee.events.recv() => {
                    if let PeerEvent::LocalCandidate(candidate) = &event {
                        let candidate = redirect(candidate, relay.for_caller, &relay.callee);
                        caller.peer.add_candidates(&[candidate]).await;
                    }
                    callee.seen.push(event);
                }
            }
        }
    })
    .await;
    RelayedCall {
        relay,
        caller,
        callee,
        devices: [door, room],
    }
}
