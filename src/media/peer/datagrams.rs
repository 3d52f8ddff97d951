//! The library's sockets, put right in three things: what is sent is marked ([`super::marking`]), what is
//! lost of the handshake is sent again ([`super::handshake`]), and the library is handed no datagram in
//! one batch behind a DTLS message.
//!
//! The library drains a socket before it looks at what the datagrams led to. The keys for media
//! are such a consequence of the handshake's last message, and a far side that has them sends its
//! first key frame right behind it: in one batch, those packets meet a connection without keys
//! and are thrown away. A picture then appears only after a request, some 200 ms later. So a batch
//! ends with a DTLS message, whether alone or through a TURN server ([`super::content`]).

use std::fmt::Debug;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    Transmit,
};

use super::content::Content;
use super::handshake::Flight;
use super::marking::{MarkedSocket, Marking};

/// The library's own runtime, with sockets that end a batch where they must.
#[derive(Debug)]
pub(super) struct MediaRuntime<R> {
    pub(super) library: R,
    /// None: what is sent has no mark.
    pub(super) marking: Option<Marking>,
}

impl<R: Runtime> Runtime for MediaRuntime<R> {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        self.library.spawn(future)
    }

    fn spawn_reactor(
        &self,
        reactor_pool_size: usize,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Box<dyn JoinHandle> {
        self.library.spawn_reactor(reactor_pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let marked = match &self.marking {
            Some(marking) => Some(MarkedSocket::new(socket.try_clone()?, marking.clone())),
            None => None,
        };
        let socket = self.library.wrap_udp_socket(socket)?;
        Ok(BatchedSocket::new(socket, marked))
    }

    fn wrap_tcp_listener(
        &self,
        listener: std::net::TcpListener,
    ) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.library.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote_addr: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.library.connect_tcp(remote_addr)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.library.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.library.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.library.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.library.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.library.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.library.yield_now()
    }

    fn name(&self) -> &'static str {
        self.library.name()
    }
}

#[derive(Debug)]
struct BatchedSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    marked: Option<MarkedSocket>,
    batch: Mutex<Batch>,
    handshake: Handshake,
    this: Weak<Self>,
}

/// What of the handshake may have to be sent again.
#[derive(Debug, Default)]
struct Handshake {
    flight: Mutex<Flight<SocketAddr>>,
    /// Whether a task looks after it, and media are looked for.
    is_open: AtomicBool,
}

/// What is kept between two looks at the socket.
#[derive(Debug, Default)]
struct Batch {
    /// The last datagram given out was a DTLS message.
    ended: bool,
    /// What the kernel joined to a DTLS message, and how.
    behind: Option<(Vec<u8>, RecvMeta)>,
}

impl BatchedSocket {
    fn new(socket: Arc<dyn AsyncUdpSocket>, marked: Option<MarkedSocket>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            socket,
            marked,
            batch: Mutex::default(),
            handshake: Handshake::default(),
            this: Weak::clone(this),
        })
    }

    fn keep_handshake(&self, transmit: &Transmit<'_>) {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        let now = Instant::now();
        // Held to the end: the task that looks after it ends under the same lock.
        let mut flight = self.handshake.flight.lock();
        for datagram in transmit.contents.chunks(size.max(1)) {
            if Content::of(datagram) == Content::Handshake {
                flight.sent(now, transmit.destination, datagram);
            }
        }
        if !self.handshake.is_open.swap(true, Ordering::AcqRel) {
            tokio::spawn(repeat_handshake(Weak::clone(&self.this)));
        }
    }

    fn look_for_handshake(&self, datagrams: std::slice::Chunks<'_, u8>) {
        if !self.handshake.is_open.load(Ordering::Acquire) {
            return;
        }
        let mut flight = self.handshake.flight.lock();
        for datagram in datagrams {
            flight.received(Content::of(datagram));
        }
    }
}

/// Until the handshake is over, or the socket is gone.
async fn repeat_handshake(socket: Weak<BatchedSocket>) {
    loop {
        let due = {
            let Some(socket) = socket.upgrade() else {
                return;
            };
            let flight = socket.handshake.flight.lock();
            let due = flight.due();
            if due.is_none() {
                socket.handshake.is_open.store(false, Ordering::Release);
            }
            due
        };
        let Some(due) = due else { return };
        tokio::time::sleep_until(due.into()).await;
        let Some(socket) = socket.upgrade() else {
            return;
        };
        let again = socket
            .handshake
            .flight
            .lock()
            .repeat(Instant::now())
            .to_vec();
        for (destination, contents) in again {
            let transmit = Transmit {
                destination,
                ecn: None,
                contents: &contents,
                segment_size: None,
                src_ip: None,
            };
            // One that does not go out is one more that is lost.
            let _ = std::future::poll_fn(|cx| socket.send(cx, &transmit)).await;
        }
    }
}

impl BatchedSocket {
    fn send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let marked = self
            .marked
            .as_ref()
            .and_then(|marked| marked.send(transmit));
        match marked {
            Some(bytes) => Poll::Ready(Ok(bytes)),
            None => self.socket.poll_send(cx, transmit),
        }
    }
}

impl AsyncUdpSocket for BatchedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.send(cx, transmit);
        if sent.is_ready() && Content::of(transmit.contents) == Content::Handshake {
            self.keep_handshake(transmit);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut batch = self.batch.lock();
        if std::mem::take(&mut batch.ended) {
            // The next look takes what may be there; this one says that the batch is over.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        if let Some((bytes, of)) = batch.behind.take() {
            let length = bytes.len().min(buf.len());
            buf[..length].copy_from_slice(&bytes[..length]);
            *meta = of;
            meta.len = length;
        } else {
            let mut one = [IoSliceMut::new(buf)];
            match self
                .socket
                .poll_recv(cx, &mut one, std::slice::from_mut(meta))
            {
                Poll::Ready(Ok(1..)) => {}
                other => return other,
            }
        }
        let stride = meta.stride.max(1);
        let messages = buf[..meta.len.min(buf.len())].chunks(stride);
        self.look_for_handshake(messages.clone());
        let Some(handshake) = messages.map(is_dtls).position(|dtls| dtls) else {
            return Poll::Ready(Ok(1));
        };
        batch.ended = true;
        let end = (handshake + 1) * stride;
        if end < meta.len {
            let mut of = *meta;
            of.len = meta.len - end;
            batch.behind = Some((buf[end..meta.len].to_vec(), of));
            meta.len = end;
        }
        Poll::Ready(Ok(1))
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}

fn is_dtls(datagram: &[u8]) -> bool {
    matches!(Content::of(datagram), Content::Handshake | Content::Dtls)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;
    use crate::media::peer::content::tests::{in_channel, in_indication};

    const FINISHED: &[u8] = &[22, 254, 253, 0];
    const PICTURE: &[u8] = &[0x80, 96, 0, 1];

    /// Gives out, one a look, what the kernel would: datagrams joined by their stride.
    #[derive(Debug)]
    struct Kernel(Mutex<VecDeque<(Vec<u8>, usize)>>);

    impl AsyncUdpSocket for Kernel {
        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(([127, 0, 0, 1], 9).into())
        }

        fn poll_send(&self, _: &mut Context<'_>, _: &Transmit<'_>) -> Poll<io::Result<usize>> {
            unreachable!("these tests send nothing")
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            bufs: &mut [IoSliceMut<'_>],
            meta: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            let Some((bytes, stride)) = self.0.lock().pop_front() else {
                return Poll::Pending;
            };
            bufs[0][..bytes.len()].copy_from_slice(&bytes);
            meta[0].len = bytes.len();
            meta[0].stride = stride;
            Poll::Ready(Ok(1))
        }
    }

    /// What comes out, look by look; `None` where a batch ends.
    fn looks(kernel: &[(&[&[u8]], usize)], count: usize) -> Vec<Option<Vec<u8>>> {
        let datagrams = kernel
            .iter()
            .map(|(joined, stride)| (joined.concat(), *stride))
            .collect();
        let socket = BatchedSocket::new(Arc::new(Kernel(Mutex::new(datagrams))), None);
        let mut cx = Context::from_waker(Waker::noop());
        (0..count)
            .map(|_| {
                let mut buf = [0; 64];
                let mut meta = [RecvMeta::default()];
                let mut bufs = [IoSliceMut::new(&mut buf)];
                match socket.poll_recv(&mut cx, &mut bufs, &mut meta) {
                    Poll::Ready(result) => {
                        assert_eq!(result.unwrap(), 1);
                        Some(buf[..meta[0].len].to_vec())
                    }
                    Poll::Pending => None,
                }
            })
            .collect()
    }

    #[test]
    fn a_batch_ends_with_a_handshake_message_and_nothing_is_lost() {
        let out = looks(&[(&[FINISHED], 4), (&[PICTURE], 4), (&[PICTURE], 4)], 4);
        let picture = || Some(PICTURE.to_vec());
        assert_eq!(out, [Some(FINISHED.to_vec()), None, picture(), picture()]);
    }

    #[test]
    fn what_the_kernel_joined_to_a_handshake_message_comes_with_the_next_batch() {
        let joined: &[&[u8]] = &[PICTURE, FINISHED, PICTURE, &PICTURE[..2]];
        let out = looks(&[(joined, 4)], 3);
        assert_eq!(
            out,
            [
                Some([PICTURE, FINISHED].concat()),
                None,
                Some([PICTURE, &PICTURE[..2]].concat())
            ]
        );
    }

    #[test]
    fn a_handshake_through_a_relay_is_seen_as_one() {
        for relayed in [in_channel(FINISHED), in_indication(FINISHED)] {
            let out = looks(&[(&[&relayed], relayed.len()), (&[PICTURE], 4)], 3);
            assert_eq!(out, [Some(relayed), None, Some(PICTURE.to_vec())]);
        }
    }

    #[test]
    fn media_is_never_held_up() {
        let out = looks(&[(&[PICTURE, PICTURE], 4), (&[PICTURE], 4)], 2);
        assert!(out.iter().all(Option::is_some));
    }
}
