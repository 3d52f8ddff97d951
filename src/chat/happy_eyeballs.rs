//! Connecting to a name with several addresses (RFC 8305): the next one is tried while the last
//! one is still silent, so a broken IPv6 costs a quarter of a second and not the whole try.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};

/// Connection Attempt Delay (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses tried at most; a name with more is no chat server's.
const MAX_ADDRESSES: usize = 16;

/// Resolves and connects; bounded in time by the caller. The error is the last one seen.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    race(interleave(lookup_host((host, port)).await?.collect())).await
}

async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut tries = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.next() {
            tries.push(TcpStream::connect(address));
        }
        tokio::select! {
            outcome = tries.next() => match outcome {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = tokio::time::sleep(STAGGER), if waiting.len() > 0 => {}
        }
    }
}

/// Alternates the families, in the resolver's order, which begins with the preferred one
/// (RFC 8305 §4, RFC 6724).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let prefers_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == prefers_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    while order.len() < MAX_ADDRESSES && (first.len() > 0 || second.len() > 0) {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_take_turns_beginning_with_the_resolvers_first() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"]);
        let order = addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"]);
        assert_eq!(interleave(given), order);
    }

    #[tokio::test]
    async fn a_refused_address_is_followed_by_the_next_at_once() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = closed.local_addr().unwrap();
        drop(closed);
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let somebody = open.local_addr().unwrap();
        let stream = race(vec![nobody, somebody]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), somebody);
    }

    #[tokio::test]
    async fn a_silent_address_does_not_hold_up_the_next() {
        // A full backlog drops the handshake: the first address never answers.
        let full = socket_with_full_backlog();
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let somebody = open.local_addr().unwrap();
        let tried = race(vec![full.address, somebody]);
        let stream = tokio::time::timeout(Duration::from_secs(3), tried).await;
        let stream = stream.expect("it waits for the silent one").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), somebody);
    }

    struct Full {
        address: SocketAddr,
        _listener: std::net::TcpListener,
        _fillers: Vec<TcpStream>,
    }

    fn socket_with_full_backlog() -> Full {
        use nix::sys::socket::{
            AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket,
        };
        let kind = SockType::Stream;
        let fd = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(
            std::os::fd::AsRawFd::as_raw_fd(&fd),
            &SockaddrIn::new(127, 0, 0, 1, 0),
        )
        .unwrap();
        listen(&fd, Backlog::new(0).unwrap()).unwrap();
        let listener = std::net::TcpListener::from(fd);
        let address = listener.local_addr().unwrap();
        let mut fillers = Vec::new();
        // Until one is not taken any more.
        for _ in 0..8 {
            let filler = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
            let Ok(filler) = filler else { break };
            filler.set_nonblocking(true).unwrap();
            fillers.push(TcpStream::from_std(filler).unwrap());
        }
        Full {
            address,
            _listener: listener,
            _fillers: fillers,
        }
    }

    #[tokio::test]
    async fn a_name_without_address_says_so() {
        let error = race(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
