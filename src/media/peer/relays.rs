//! STUN and TURN servers as the library can use them: those it would skip, behind a shim.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use webrtc::peer_connection::RTCIceServer;

use super::connection::addresses;
use super::settings::PeerSettings;
use crate::base::tls;
use crate::media::turn::{Shim, TurnAddress};

/// The servers, and the shims that must live as long as they are used. A server that cannot be
/// used is left out and logged, as the call may do without it.
///
/// # Errors
/// When the certificate authority for `turns:` cannot be read.
pub(super) async fn reachable(
    settings: &PeerSettings,
) -> Result<(Vec<RTCIceServer>, Vec<Shim>), String> {
    let mut shims = Vec::new();
    let mut servers = Vec::new();
    for server in &settings.ice_servers {
        let mut urls = Vec::new();
        for url in &server.urls {
            let Some(address) = TurnAddress::over_stream(url) else {
                urls.push(url.clone());
                continue;
            };
            let config =
                tls::client_config(settings.ca.as_deref()).map_err(|error| error.to_string())?;
            match Shim::start(address, loopback(settings), &config).await {
                Ok(shim) => {
                    urls.push(format!("turn:{}?transport=udp", shim.address()));
                    shims.push(shim);
                }
                Err(error) => tracing::warn!(url, %error, "a TURN server is left out"),
            }
        }
        if !urls.is_empty() {
            servers.push(RTCIceServer {
                urls,
                username: server.username.clone(),
                credential: server.credential.clone(),
            });
        }
    }
    Ok((servers, shims))
}

/// The library sends to a server from its addresses of the same family.
fn loopback(settings: &PeerSettings) -> IpAddr {
    if addresses(settings).iter().any(|address| address.is_ipv4()) {
        Ipv4Addr::LOCALHOST.into()
    } else {
        Ipv6Addr::LOCALHOST.into()
    }
}
