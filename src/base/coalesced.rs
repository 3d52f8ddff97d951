//! Small writes gathered until they are flushed: one TLS record and one system call for all the
//! stanzas of a turn, instead of one each. Without memory of its own while there is nothing to
//! write, as most connections idle.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes gathered at most: what fits into one TLS record (RFC 8446 §5.1).
const LIMIT: usize = 16 << 10;

/// A stream whose writes reach the one below when they are flushed, or are more than 16 KiB.
#[derive(Debug)]
pub struct Coalesced<S> {
    inner: S,
    gathered: Vec<u8>,
    written: usize,
}

impl<S> Coalesced<S> {
    /// Nothing gathered yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            gathered: Vec::new(),
            written: 0,
        }
    }
}

impl<S: AsyncWrite + Unpin> Coalesced<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.gathered.len() {
            let rest = &self.gathered[self.written..];
            let count = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.gathered = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Coalesced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gathered.len() + bytes.len() > LIMIT {
            ready!(this.poll_drain(cx))?;
            if bytes.len() > LIMIT {
                return Pin::new(&mut this.inner).poll_write(cx, bytes);
            }
        }
        this.gathered.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn small_writes_arrive_together_when_they_are_flushed_and_leave_no_memory_behind() {
        let (near, mut far) = duplex(64 << 10);
        let mut stream = Coalesced::new(near);
        stream.write_all(b"one ").await.unwrap();
        stream.write_all(b"two").await.unwrap();
        let mut heard = [0; 16];
        let early = futures::FutureExt::now_or_never(far.read(&mut heard));
        assert!(early.is_none(), "written before it was flushed");
        stream.flush().await.unwrap();
        let count = far.read(&mut heard).await.unwrap();
        assert_eq!(&heard[..count], b"one two");
        assert_eq!(stream.gathered.capacity(), 0);
    }

    #[tokio::test]
    async fn what_is_long_passes_in_order_through_a_line_that_takes_little() {
        let (near, mut far) = duplex(100);
        let mut stream = Coalesced::new(near);
        let long: Vec<u8> = (0..3 * LIMIT).map(|number| number as u8).collect();
        let write = async {
            for part in [&long[..10], &long[10..LIMIT + 20], &long[LIMIT + 20..]] {
                stream.write_all(part).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let (_, read) = tokio::join!(write, far.read_to_end(&mut heard));
        read.unwrap();
        assert_eq!(heard, long);
    }
}
