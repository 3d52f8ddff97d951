//! Where the hub may be sent. A subscription's address is whatever a user wrote, so by default it
//! leads to public addresses over TLS only; a push service on the site's own network is named by
//! the configuration.
//!
//! Names are looked up when a notification is sent, and what they lead to is judged then
//! ([`PublicOnly`]): a name that is public today may lead into the site tomorrow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Characters of an address. Those of today's services have some 200.
pub const MAX_ENDPOINT: usize = 2_000;

/// A place that may be sent to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub url: Url,
    /// Whether the configuration names its host, so that it may be on the site's own network.
    pub is_local: bool,
}

/// Why an address is not sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No address, or one with a name and a password.
    #[error("is no https address")]
    NoAddress,
    /// Longer than any service's.
    #[error("is longer than {MAX_ENDPOINT} characters")]
    TooLong,
    /// Plain HTTP.
    #[error("must be https, unless push.local_services of the hub names its host")]
    Plain,
    /// Private, loopback and the like.
    #[error("is no public address, and push.local_services of the hub does not name it")]
    Private,
}

/// Judges the address of a subscription. `local` are hosts of the site's own, `name` or
/// `name:port`.
///
/// # Errors
/// [`EndpointError`], as the rule of a field.
pub fn check(text: &str, local: &[String]) -> Result<Endpoint, EndpointError> {
    if text.len() > MAX_ENDPOINT {
        return Err(EndpointError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| EndpointError::NoAddress)?;
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_bare = url.username().is_empty() && url.password().is_none();
    let host = url.host().filter(|_| is_web && is_bare);
    let host = host.ok_or(EndpointError::NoAddress)?;
    let name = host.to_string();
    let port = url.port_or_known_default().unwrap_or_default();
    let with_port = format!("{name}:{port}");
    let is_local = local.iter().any(|one| *one == name || *one == with_port);
    if !is_local {
        let is_public = match host {
            Host::Domain(_) => true,
            Host::Ipv4(address) => is_public_v4(address),
            Host::Ipv6(address) => is_public_v6(address),
        };
        if !is_public {
            return Err(EndpointError::Private);
        }
        if url.scheme() != "https" {
            return Err(EndpointError::Plain);
        }
    }
    Ok(Endpoint { url, is_local })
}

/// Whether an address is anybody's to reach (IANA's special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // This network; carriers' own; protocols; 6to4 relays; benchmarks; multicast and beyond.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 224;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let segments = address.segments();
    // NAT64 (RFC 6052): a network without IPv4 reaches the old one's addresses through it.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [high, low] = [segments[6].to_be_bytes(), segments[7].to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(high[0], high[1], low[0], low[1]));
    }
    // Global unicast but protocols (2001::/23), documentation, and 6to4, which hides any IPv4.
    let is_unicast = segments[0] & 0xe000 == 0x2000;
    let is_special = (segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8))
        || segments[0] == 0x2002
        || (segments[0] == 0x3fff && segments[1] < 0x1000);
    is_unicast && !is_special
}

/// Looks names up by the system, and forgets what is not public.
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                let error = format!("{} has no public address", name.as_str());
                return Err(error.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<bool, EndpointError> {
        let local = ["ntfy.home:8090".to_owned(), "192.168.1.20".to_owned()];
        check(text, &local).map(|endpoint| endpoint.is_local)
    }

    #[test]
    fn public_services_are_reached_over_tls_only() {
        assert_eq!(
            judged("https://updates.push.example.com/wpush/v2/gA"),
            Ok(false)
        );
        assert_eq!(judged("https://1.1.1.1:8443/x"), Ok(false));
        assert_eq!(
            judged("http://push.example.com/x"),
            Err(EndpointError::Plain)
        );
        for bad in [
            "ftp://a/x",
            "nonsense",
            "https://u:p@a/x",
            "file:///etc/passwd",
            "https://",
        ] {
            assert_eq!(judged(bad), Err(EndpointError::NoAddress), "{bad}");
        }
        let long = format!("https://a/{}", "x".repeat(MAX_ENDPOINT));
        assert_eq!(judged(&long), Err(EndpointError::TooLong));
    }

    #[test]
    fn addresses_within_the_site_are_refused_however_they_are_written() {
        for inside in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "017700000001",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.21",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::]",
            "[2001:db8::1]",
            "[ff02::1]",
        ] {
            let found = judged(&format!("https://{inside}/x"));
            assert_eq!(found, Err(EndpointError::Private), "{inside}");
        }
    }

    #[test]
    fn what_the_configuration_names_may_be_near_and_plain_on_the_port_it_names() {
        assert_eq!(judged("http://192.168.1.20:8080/up?up=1"), Ok(true));
        assert_eq!(judged("http://ntfy.home:8090/up"), Ok(true));
        assert_eq!(judged("http://ntfy.home:22/up"), Err(EndpointError::Plain));
    }

    #[tokio::test]
    async fn a_name_that_leads_into_the_site_is_not_followed() {
        let name = "localhost".parse().unwrap();
        let error = PublicOnly.resolve(name).await.err().unwrap().to_string();
        assert!(error.contains("no public address"), "{error}");
    }
}
