//! Counts what arrives: any byte is a sign of life, and one element may not fill the memory.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::coalesced::Coalesced;

/// Bytes one inbound element may have. Call signals, the largest stanzas, are some 10 KiB.
pub(in crate::chat) const MAX_ELEMENT: u64 = 1 << 20;

/// A TCP or TLS connection.
pub(in crate::chat) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Any of them.
pub(in crate::chat) type AnyIo = Box<dyn Io>;

/// The counts of one connection.
#[derive(Clone, Debug, Default)]
pub(in crate::chat) struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    total: AtomicU64,
    element: AtomicU64,
}

impl Meter {
    /// Bytes received since the start.
    pub(in crate::chat) fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    /// An element is complete; the next one has the whole allowance again.
    pub(super) fn element_complete(&self) {
        self.0.element.store(0, Ordering::Relaxed);
    }
}

/// A connection whose reading is counted and bounded per element.
pub(in crate::chat) struct Metered {
    io: Coalesced<AnyIo>,
    meter: Meter,
}

impl Metered {
    pub(in crate::chat) fn new(io: AnyIo) -> (Self, Meter) {
        let meter = Meter::default();
        let metered = Self {
            io: Coalesced::new(io),
            meter: meter.clone(),
        };
        (metered, meter)
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        let counts = &self.meter.0;
        counts.total.fetch_add(read, Ordering::Relaxed);
        if counts.element.fetch_add(read, Ordering::Relaxed) + read > MAX_ELEMENT {
            let reason = format!("an element is longer than {MAX_ELEMENT} bytes");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
