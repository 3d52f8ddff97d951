//! Calls through a TURN server and nothing else: coturn, started here on free ports of loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use cubelet::media::VideoCodec;
use cubelet::media::peer::{IceServer, PeerEvent, PeerSettings};
use cubelet::protocol::call_signal::CallType;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{Device, End, call, hears, sees, settings, warm, within};

/// Ends with the test.
struct Coturn {
    _process: Child,
    folder: tempfile::TempDir,
    port: u16,
    tls_port: u16,
}

/// A port nobody uses now.
fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

impl Coturn {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("certificate.pem"), made.cert.pem()).unwrap();
        std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let (port, tls_port) = (free_port(), free_port());
        let path = |option: &str, name: &str| format!("--{option}={}", file(name).display());
        let mut process = Command::new("turnserver")
            .args([
                "-n",
                "--verbose",
                "--listening-ip=127.0.0.1",
                "--relay-ip=127.0.0.1",
            ])
            .args(["--lt-cred-mech", "--user=door:s3cret", "--realm=test"])
            .args(["--allow-loopback-peers", "--no-cli", "--log-file=stdout"])
            .args([path("cert", "certificate.pem"), path("pkey", "key.pem")])
            .args([path("pidfile", "pid"), path("userdb", "users")])
            .arg(format!("--listening-port={port}"))
            .arg(format!("--tls-listening-port={tls_port}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("coturn is installed by scripts/setup test");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        within("the start of coturn", async {
            let opened = |kind: &str, port| (format!("{kind} listener opened on"), port);
            let mut missing = vec![
                opened("TLS/TCP", port),
                opened("DTLS/UDP", port),
                opened("TLS/TCP", tls_port),
            ];
            while !missing.is_empty() {
                let line = lines.next_line().await.unwrap().expect("coturn ended");
                missing.retain(|(words, port)| {
                    !(line.contains(words) && line.ends_with(&format!("127.0.0.1:{port}")))
                });
            }
        })
        .await;
        // A pipe that is full would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            _process: process,
            folder,
            port,
            tls_port,
        }
    }

    fn settings(&self, url: String) -> PeerSettings {
        PeerSettings {
            ice_servers: vec![IceServer {
                urls: vec![url],
                username: "door".into(),
                credential: "s3cret".into(),
            }],
            ca: Some(self.folder.path().join("certificate.pem")),
            relay_only: true,
            ..settings(CallType::Video, VideoCodec::H264)
        }
    }
}

fn candidates(end: &End) -> Vec<&str> {
    let found = end.seen.iter().filter_map(|event| match event {
        PeerEvent::LocalCandidate(candidate) => Some(candidate.candidate.as_str()),
        _ => None,
    });
    found.collect()
}

/// Both use the relay, and nothing else.
async fn relayed(coturn: &Coturn, url: String) {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(coturn.settings(url.clone()), &door).await;
    let mut callee = End::new(coturn.settings(url), &room).await;
    call(&mut caller, &mut callee, |caller, callee| {
        [caller, callee].iter().all(|end| sees(end) && hears(end))
    })
    .await;
    for end in [&caller, &callee] {
        let found = candidates(end);
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|one| one.contains(" typ relay")),
            "{found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_through_a_relay_over_udp() {
    let coturn = Coturn::start().await;
    relayed(&coturn, format!("turn:127.0.0.1:{}", coturn.port)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_through_a_relay_over_tcp() {
    let coturn = Coturn::start().await;
    let url = format!("turn:127.0.0.1:{}?transport=tcp", coturn.port);
    relayed(&coturn, url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_through_a_relay_over_tls() {
    let coturn = Coturn::start().await;
    relayed(&coturn, format!("turns:localhost:{}", coturn.tls_port)).await;
}

/// The certificate names another host than the one asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_another_ones_certificate_is_not_used() {
    let coturn = Coturn::start().await;
    warm().await;
    let device = Device::start();
    let url = format!("turns:127.0.0.1:{}", coturn.tls_port);
    let mut end = End::new(coturn.settings(url), &device).await;
    end.peer.create_offer().await.unwrap();
    // Ten times what it takes with the right one.
    let found = tokio::time::timeout(Duration::from_secs(3), end.events.recv()).await;
    assert!(found.is_err(), "{found:?}");
}
