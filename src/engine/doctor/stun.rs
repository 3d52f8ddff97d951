//! A STUN binding request (RFC 8489 §5, §14.2): does a server answer, and what does it see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};

const MAGIC: u32 = 0x2112_A442;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const DEFAULT_PORT: u16 = 3478;
/// UDP loses packets: three tries, as long as a slow way takes.
const TRIES: usize = 3;
const PATIENCE: Duration = Duration::from_millis(800);

#[derive(Debug, thiserror::Error)]
pub(super) enum StunError {
    #[error("it is not asked over UDP")]
    NotUdp,
    #[error("the host name has no address: {0}")]
    Name(String),
    #[error("no answer")]
    Silent,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Our address as the server of a `stun:` or `turn:` URL (RFC 7064, RFC 7065) sees it.
pub(super) async fn ask(url: &str) -> Result<SocketAddr, StunError> {
    let (host, port) = place(url).ok_or(StunError::NotUdp)?;
    let server = lookup_host((host, port))
        .await
        .map_err(|error| StunError::Name(error.to_string()))?
        .next()
        .ok_or_else(|| StunError::Name("none".into()))?;
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let transaction: [u8; 12] = rand::random();
    let mut answer = [0; 512];
    for _ in 0..TRIES {
        socket.send(&request(&transaction)).await?;
        let received = tokio::time::timeout(PATIENCE, socket.recv(&mut answer)).await;
        if let Ok(length) = received
            && let Some(address) = mapped_address(&answer[..length?], &transaction)
        {
            return Ok(address);
        }
    }
    Err(StunError::Silent)
}

/// Host and port of a URL whose server is asked over UDP.
fn place(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once(':')?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !matches!(scheme, "stun" | "turn") || query.contains("transport=tcp") {
        return None;
    }
    match place.rsplit_once(':') {
        // More colons than one are an IPv6 address without a port, unless in brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some((host, port.parse().ok()?))
        }
        _ => Some((
            place.trim_start_matches('[').trim_end_matches(']'),
            DEFAULT_PORT,
        )),
    }
}

fn request(transaction: &[u8; 12]) -> Vec<u8> {
    let mut message = Vec::with_capacity(20);
    message.extend(BINDING_REQUEST.to_be_bytes());
    message.extend([0, 0]);
    message.extend(MAGIC.to_be_bytes());
    message.extend(transaction);
    message
}

/// What the server saw, if this is its answer to us.
fn mapped_address(message: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let number = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
    let (header, mut attributes) = message.split_at_checked(20)?;
    if number(&header[..2])? != BINDING_SUCCESS || header[8..] != transaction[..] {
        return None;
    }
    while let Some((head, rest)) = attributes.split_at_checked(4) {
        let (kind, length) = (number(&head[..2])?, usize::from(number(&head[2..])?));
        let value = rest.get(..length)?;
        if kind == XOR_MAPPED_ADDRESS {
            return unmask(value, transaction);
        }
        // Values are padded to four bytes.
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn unmask(value: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC.to_be_bytes());
    mask[4..].copy_from_slice(transaction);
    let port = u16::from_be_bytes(value.get(2..4)?.try_into().ok()?) ^ (MAGIC >> 16) as u16;
    let masked = value.get(4..)?;
    let plain = |index: usize| masked[index] ^ mask[index];
    let address: IpAddr = match (value[1], masked.len()) {
        (1, 4) => std::array::from_fn::<u8, 4, _>(plain).into(),
        (2, 16) => std::array::from_fn::<u8, 16, _>(plain).into(),
        _ => return None,
    };
    Some((address, port).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_name_their_server() {
        assert_eq!(place("stun:stun.lan"), Some(("stun.lan", 3478)));
        assert_eq!(
            place("turn:10.0.0.1:3479?transport=udp"),
            Some(("10.0.0.1", 3479))
        );
        assert_eq!(place("stun:[::1]:9"), Some(("::1", 9)));
        assert_eq!(place("turn:lan?transport=tcp"), None);
        assert_eq!(place("turns:lan"), None);
    }

    #[test]
    fn the_example_of_rfc_5769_is_understood() {
        // §2.2, without the attributes behind the address.
        let transaction = [
            0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
        ];
        let mut message = vec![0x01, 0x01, 0x00, 0x1c, 0x21, 0x12, 0xa4, 0x42];
        message.extend(transaction);
        message.extend([0x80, 0x22, 0x00, 0x0b]);
        message.extend(b"test vector ");
        message.extend([
            0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
        ]);
        let seen = mapped_address(&message, &transaction);
        assert_eq!(seen, Some("192.0.2.1:32853".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn no_answer_can_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut message = message;
            if message.len() >= 20 {
                message[..2].copy_from_slice(&BINDING_SUCCESS.to_be_bytes());
                message[8..20].fill(7);
            }
            let _ = mapped_address(&message, &[7; 12]);
        }
    }
}
