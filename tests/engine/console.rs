//! The device's own web server.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cubelet::media::peer::{OneWay, Peer, PeerEvent, PeerSettings, Way};
use cubelet::media::{AudioFanout, VideoFanout};
use cubelet::protocol::call_signal::CallType;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::site::{Site, Station};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);
const TOKEN: &str = "a-token-that-nobody-guesses";

/// A station with a console of these settings, and the console's address.
async fn station_with(site: &Site, console: &str) -> (Station, String) {
    let extra = format!(
        "[calls]\nbind = [\"127.0.0.1\"]\n[console]\nlisten = \"127.0.0.1:0\"\n{console}\n"
    );
    let mut station = site.station("kiosk", &extra).await;
    let bound = tokio::time::timeout(LIMIT, station.console.wait_for(Option::is_some));
    let address = bound
        .await
        .expect("in time")
        .expect("a console")
        .expect("an address");
    (station, format!("http://{address}"))
}

async fn sent(request: RequestBuilder) -> Response {
    let answer = tokio::time::timeout(LIMIT, request.send()).await;
    answer.expect("an answer in time").expect("an answer")
}

async fn get(url: &str) -> Response {
    sent(Client::new().get(url)).await
}

async fn metric(console: &str, line: &str) -> bool {
    let page = get(&format!("{console}/metrics")).await.text().await;
    page.expect("text").lines().any(|one| one == line)
}

async fn offer_to(console: &str, offer: String) -> Response {
    let post = Client::new().post(format!("{console}/whep"));
    sent(post.header("Content-Type", "application/sdp").body(offer)).await
}

/// Somebody who only looks.
async fn viewer() -> (Peer, UnboundedReceiver<PeerEvent>) {
    let settings = PeerSettings {
        bind: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        one_way: Some(OneWay {
            way: Way::In,
            sound: true,
        }),
        ..PeerSettings::new(CallType::Video)
    };
    let (events, happening) = unbounded_channel();
    let peer = Peer::new(settings, VideoFanout::new(), AudioFanout::new(), events).await;
    (peer.expect("a peer"), happening)
}

async fn hear(happening: &mut UnboundedReceiver<PeerEvent>, wanted: fn(&PeerEvent) -> bool) {
    let wait = async {
        loop {
            let event = happening.recv().await.expect("the peer lives");
            if wanted(&event) {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_figures_and_a_picture_are_served_to_programs_of_this_machine() {
    let site = Site::start().await;
    let (station, console) = station_with(&site, "").await;
    let health = get(&format!("{console}/healthz")).await;
    assert_eq!(health.status(), StatusCode::OK);
    assert_eq!(health.text().await.expect("text"), r#"{"status":"ok"}"#);
    for line in [
        "cubelet_chat_status{status=\"online\"} 1",
        "cubelet_part_alive{part=\"console\"} 1",
        "cubelet_whep_viewers 0",
    ] {
        assert!(metric(&console, line).await, "{line}");
    }
    let picture = get(&format!("{console}/snapshot.jpg")).await;
    assert_eq!(picture.headers()["content-type"], "image/jpeg");
    assert_eq!(picture.headers()["cache-control"], "no-store");
    let picture = picture.bytes().await.expect("bytes");
    assert!(picture.starts_with(&[0xff, 0xd8]) && picture.ends_with(&[0xff, 0xd9]));
    assert_eq!(get(&format!("{console}/config")).await.status(), 404);
    station.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_watches_by_whep_until_it_says_so_or_is_gone() {
    let site = Site::start().await;
    let (station, console) = station_with(&site, "viewers = 1").await;
    let (peer, mut happening) = viewer().await;
    let offer = peer.create_offer().await.expect("an offer");
    let answer = offer_to(&console, offer.clone()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()["content-type"], "application/sdp");
    let session = answer.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(session.starts_with("/whep/"));
    let answer = answer.text().await.expect("text");
    assert!(answer.contains("a=candidate:") && answer.contains("a=sendonly"));
    peer.set_answer(&answer).await.expect("a good answer");
    hear(&mut happening, |event| {
        matches!(event, PeerEvent::FirstVideoFrame { .. })
    })
    .await;
    assert_eq!(
        peer.stats().audio_decoded_ms,
        0,
        "no sound unless configured"
    );
    assert!(metric(&console, "cubelet_whep_viewers 1").await);
    // The only place is taken.
    let refused = offer_to(&console, offer.clone()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let url = format!("{console}{session}");
    let ended = sent(Client::new().delete(&url)).await;
    assert_eq!(ended.status(), StatusCode::OK);
    gone(&console).await;
    let again = sent(Client::new().delete(&url)).await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    peer.close().await;
    // One who goes without a word.
    let (peer, mut happening) = viewer().await;
    let offer = peer.create_offer().await.expect("an offer");
    let answer = offer_to(&console, offer).await.text().await.expect("text");
    peer.set_answer(&answer).await.expect("a good answer");
    hear(&mut happening, |event| *event == PeerEvent::Connected).await;
    peer.close().await;
    gone(&console).await;
    station.stop().await;
    site.hub.stop().await;
}

/// Counters have no event: they are looked at until nobody watches.
async fn gone(console: &str) {
    let wait = async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while !metric(console, "cubelet_whep_viewers 0").await {
            tick.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .expect("nobody watches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_offer_is_refused_with_the_rule_and_takes_no_place() {
    let site = Site::start().await;
    let (station, console) = station_with(&site, "viewers = 1").await;
    let whep = format!("{console}/whep");
    let post = |kind: &'static str, body: String| {
        sent(
            Client::new()
                .post(&whep)
                .header("Content-Type", kind)
                .body(body),
        )
    };
    let status = |response: Response| response.status().as_u16();
    assert_eq!(status(post("application/json", "{}".into()).await), 415);
    assert_eq!(
        status(post("application/sdp", "v=0\r\n".repeat(20_000)).await),
        413
    );
    for wrong in ["", "hello", "v=0\r\nnonsense\r\n"] {
        assert_eq!(
            status(post("application/sdp", wrong.into()).await),
            400,
            "{wrong}"
        );
    }
    let (events, _) = unbounded_channel();
    let settings = PeerSettings::new(CallType::Video);
    let both = Peer::new(settings, VideoFanout::new(), AudioFanout::new(), events).await;
    let both = both
        .expect("a peer")
        .create_offer()
        .await
        .expect("an offer");
    let refused = post("application/sdp", both).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let why = refused.text().await.expect("text");
    assert!(why.contains("a=recvonly"), "{why}");
    let patch = sent(Client::new().patch(format!("{whep}/x"))).await;
    assert_eq!(patch.headers()["allow"], "DELETE");
    assert_eq!(status(patch), 405);
    assert!(metric(&console, "cubelet_whep_viewers 0").await);
    station.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_comes_is_given_up() {
    let site = Site::start().await;
    let (station, console) = station_with(&site, "").await;
    let address = console.strip_prefix("http://").expect("an address");
    let mut line = tokio::net::TcpStream::connect(address)
        .await
        .expect("connected");
    let head = format!(
        "POST /whep HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/sdp\r\n\
         Content-Length: 1000\r\n\r\nv=0\r\n"
    );
    line.write_all(head.as_bytes()).await.expect("written");
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(LIMIT, line.read_exact(&mut answer)).await;
    read.expect("in time").expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 408");
    station.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_token_or_by_a_foreign_name_nothing_is_told() {
    let site = Site::start().await;
    let (station, console) = station_with(&site, "").await;
    let rebound = Client::new().get(format!("{console}/metrics"));
    let rebound = sent(rebound.header("Host", "evil.example:8088")).await;
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    station.stop().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).expect("a mode");
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let certified = certified.expect("a certificate");
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, certified.cert.pem()).expect("written");
    std::fs::write(&key, certified.signing_key.serialize_pem()).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, mode).expect("a mode");
    let extra = format!(
        "[console]\nlisten = \"127.0.0.1:0\"\ntoken_file = {file:?}\ncertificate = {certificate:?}\n\
         key = {key:?}\norigins = [\"https://dashboard.lan\"]\n"
    );
    let mut station = site.station("lobby", &extra).await;
    let bound = tokio::time::timeout(LIMIT, station.console.wait_for(Option::is_some));
    let address = bound
        .await
        .expect("in time")
        .expect("a console")
        .expect("an address");
    let ca = reqwest::Certificate::from_pem(certified.cert.pem().as_bytes()).expect("a CA");
    let client = Client::builder()
        .tls_certs_only([ca])
        .build()
        .expect("a client");
    let metrics = format!("https://{address}/metrics");
    let anonymous = sent(client.get(&metrics)).await;
    assert_eq!(anonymous.headers()["www-authenticate"], "Bearer");
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let wrong = sent(
        client
            .get(&metrics)
            .bearer_auth("a-token-that-somebody-guessed"),
    )
    .await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let right = sent(client.get(&metrics).bearer_auth(TOKEN)).await;
    assert_eq!(right.status(), StatusCode::OK);
    assert!(!right.headers().contains_key("access-control-allow-origin"));
    let health = sent(client.get(format!("https://{address}/healthz"))).await;
    assert_eq!(health.status(), StatusCode::OK);
    // A listed page's script may ask, another's may not.
    let ask = |origin: &'static str| {
        let preflight = client.request(reqwest::Method::OPTIONS, format!("https://{address}/whep"));
        sent(
            preflight
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST"),
        )
    };
    let listed = ask("https://dashboard.lan").await;
    assert_eq!(listed.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        listed.headers()["access-control-allow-origin"],
        "https://dashboard.lan"
    );
    let other = ask("https://evil.example").await;
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    station.stop().await;
    site.hub.stop().await;
}
