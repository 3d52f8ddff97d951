//! Where a TURN server is, out of its URI (RFC 7065).

/// How to reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnTransport {
    /// `turn:…?transport=tcp`.
    Tcp,
    /// `turns:…`, with or without `?transport=tcp`.
    Tls,
}

/// A TURN server that is not reached over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnAddress {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// 3478, or 5349 for TLS, unless told otherwise (RFC 7065 §3.2).
    pub port: u16,
    /// How.
    pub transport: TurnTransport,
}

impl TurnAddress {
    /// Of a URI that needs TCP or TLS; none for `stun:`, TURN over UDP, and what is no such URI.
    pub fn over_stream(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once(':')?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let transport = match (scheme, query) {
            ("turn", Some("transport=tcp")) => TurnTransport::Tcp,
            ("turns", None | Some("transport=tcp")) => TurnTransport::Tls,
            _ => return None,
        };
        let standard = match transport {
            TurnTransport::Tcp => 3_478,
            TurnTransport::Tls => 5_349,
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host, port.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => standard,
        };
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
            transport,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_over_tcp_and_tls_are_read_and_others_left() {
        let read =
            |uri| TurnAddress::over_stream(uri).map(|one| (one.host, one.port, one.transport));
        let some = |host: &str, port, transport| Some((host.to_owned(), port, transport));
        assert_eq!(
            read("turn:t.example?transport=tcp"),
            some("t.example", 3_478, TurnTransport::Tcp)
        );
        assert_eq!(
            read("turns:t.example:443"),
            some("t.example", 443, TurnTransport::Tls)
        );
        assert_eq!(
            read("turns:[::1]?transport=tcp"),
            some("::1", 5_349, TurnTransport::Tls)
        );
        for other in [
            "stun:s.example",
            "turn:t.example",
            "turn:t.example?transport=udp",
            "turns:t.example?transport=udp",
            "turns:",
            "turns:t.example:99999",
            "turns:[::1",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
