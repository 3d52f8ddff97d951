//! WHEP (draft-ietf-wish-whep): a viewer's offer is answered with the camera's picture.
//!
//! Without trickle: the answer has all candidates of the local network, and the viewer's are found
//! by its checks. A session ends by `DELETE`, with its path, or with the server.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::routes::{Console, unavailable};
use super::sessions::Place;
use crate::media::peer::{Peer, PeerError, PeerEvent};

/// Bytes of an offer; a browser's with every codec it knows is about 10 kB.
const OFFER_MAX: usize = 64 << 10;
/// How long its body may take to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(5);
/// How long a session may take to connect before its place is given to others.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the answer waits for candidates, and how long after the last of a burst.
const FIRST_CANDIDATES: Duration = Duration::from_millis(100);
const BURST: Duration = Duration::from_millis(10);

const SDP: &str = "application/sdp";

/// `POST /whep`
pub(super) async fn offer(
    console: web::Data<Console>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    if !is_sdp(&request) {
        return HttpResponse::UnsupportedMediaType().body("the offer must be application/sdp\n");
    }
    let offer = match tokio::time::timeout(BODY_LIMIT, read(body)).await {
        Ok(Ok(offer)) => offer,
        Ok(Err(response)) => return response,
        Err(_) => return HttpResponse::RequestTimeout().body("the offer took too long\n"),
    };
    let Some(place) = console.sessions.reserve() else {
        return unavailable("as many watch as may");
    };
    let (events, mut happening) = unbounded_channel();
    let peer = match console.port.viewer(console.sound, events).await {
        Ok(peer) => peer,
        Err(error) => return unavailable(&error.to_string()),
    };
    match answer(&peer, &offer, &mut happening).await {
        Ok(answer) => {
            let location = format!("/whep/{}", place.id);
            actix_web::rt::spawn(watch(place, peer, happening));
            HttpResponse::Created()
                .content_type(SDP)
                .insert_header((header::LOCATION, location))
                .body(answer)
        }
        Err(PeerError::Sdp(error)) => {
            peer.close().await;
            HttpResponse::BadRequest().body(format!("the offer cannot be used: {error}\n"))
        }
        Err(error) => {
            peer.close().await;
            unavailable(&error.to_string())
        }
    }
}

/// `DELETE /whep/{id}`
pub(super) async fn end(console: web::Data<Console>, id: web::Path<String>) -> HttpResponse {
    if console.sessions.end(&id) {
        HttpResponse::Ok().finish()
    } else {
        HttpResponse::NotFound().body("there is no such session\n")
    }
}

/// What WHEP does not have here: trickle and ICE restarts (`PATCH`), and pages (`GET`).
pub(super) async fn other_method(request: HttpRequest) -> HttpResponse {
    let is_session = request.match_info().get("id").is_some();
    let allowed = if is_session { "DELETE" } else { "POST" };
    let mut response = HttpResponse::MethodNotAllowed();
    response.insert_header((header::ALLOW, allowed));
    if !is_session {
        response.insert_header(("Accept-Post", SDP));
    }
    response.finish()
}

fn is_sdp(request: &HttpRequest) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(SDP)
}

async fn read(mut body: web::Payload) -> Result<String, HttpResponse> {
    let mut offer: Vec<u8> = Vec::new();
    while let Some(part) = body.next().await {
        let part: Bytes = part.map_err(|error| {
            HttpResponse::BadRequest().body(format!("the offer cannot be read: {error}\n"))
        })?;
        if offer.len() + part.len() > OFFER_MAX {
            let why = format!("an offer has at most {OFFER_MAX} bytes\n");
            return Err(HttpResponse::PayloadTooLarge().body(why));
        }
        offer.extend_from_slice(&part);
    }
    String::from_utf8(offer).map_err(|_| HttpResponse::BadRequest().body("the offer is no UTF-8\n"))
}

async fn answer(
    peer: &Peer,
    offer: &str,
    happening: &mut UnboundedReceiver<PeerEvent>,
) -> Result<String, PeerError> {
    peer.accept_offer(offer).await?;
    let last = tokio::time::Instant::now() + FIRST_CANDIDATES;
    let mut deadline = last;
    // Nothing but candidates happens before the viewer has the answer.
    while let Ok(Some(_)) = tokio::time::timeout_at(deadline, happening.recv()).await {
        deadline = last.min(tokio::time::Instant::now() + BURST);
    }
    peer.local_sdp().await.ok_or(PeerError::Closed)
}

/// Keeps a session until it ends, by whatever end.
async fn watch(place: Place, peer: Peer, mut happening: UnboundedReceiver<PeerEvent>) {
    let connected = async {
        while let Some(event) = happening.recv().await {
            match event {
                PeerEvent::Connected => return Some(happening),
                PeerEvent::Disconnected | PeerEvent::Failed { .. } | PeerEvent::Closed => break,
                _ => {}
            }
        }
        None
    };
    let lives = async {
        let Ok(Some(mut happening)) = tokio::time::timeout(CONNECT_LIMIT, connected).await else {
            return "it did not connect";
        };
        tracing::info!(session = place.id, "somebody watches");
        while let Some(event) = happening.recv().await {
            match event {
                PeerEvent::Disconnected | PeerEvent::Failed { .. } | PeerEvent::Closed => break,
                _ => {}
            }
        }
        "the path was lost"
    };
    let why = tokio::select! {
        why = lives => why,
        () = place.ended.cancelled() => "it was ended",
    };
    tracing::info!(session = place.id, why, "somebody watches no more");
    peer.close().await;
}
