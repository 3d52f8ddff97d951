//! What is asked and answered, WHEP aside; and what every answer has.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::oneshot;

use super::guard::{Denial, Guard};
use super::metrics::{self, Counts};
use super::sessions::Sessions;
use crate::engine::command::{Command, Reply, Request};
use crate::engine::daemon::Port;

/// How long a snapshot may take; the camera may have to be opened for it.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(8);

/// What the routes look at.
pub(super) struct Console {
    pub port: Port,
    pub guard: Guard,
    pub sessions: Sessions,
    /// Whether who watches hears the microphone.
    pub sound: bool,
    pub counts: Arc<Mutex<Counts>>,
}

type Answer<B> = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

/// Before and after every route: may they ask, and may a page's script read the answer (CORS).
pub(super) async fn guarded<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Answer<B> {
    let console = request.app_data::<web::Data<Console>>().cloned();
    let Some(console) = console else {
        let missing = HttpResponse::InternalServerError().finish();
        return Ok(request.into_response(missing).map_into_right_body());
    };
    let text = |name: header::HeaderName| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let origin = text(header::ORIGIN);
    let allowed = console.guard.allows(origin.as_deref()).map(str::to_owned);
    // HTTP/2 has the host in its URI.
    let host = text(header::HOST).or_else(|| request.uri().authority().map(ToString::to_string));
    let may = console.guard.check(
        request.path(),
        host.as_deref(),
        text(header::AUTHORIZATION).as_deref(),
    );
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = match may {
        // Browsers ask ahead without a token (Fetch §4.8); nothing is told by it.
        _ if is_preflight && allowed.is_some() => {
            request.into_response(preflight()).map_into_right_body()
        }
        Err(denial) => request.into_response(denied(denial)).map_into_right_body(),
        Ok(()) => next.call(request).await?.map_into_left_body(),
    };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    headers.insert(header::VARY, header::HeaderValue::from_static("Origin"));
    if let Some(allowed) = allowed.and_then(|origin| header::HeaderValue::from_str(&origin).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let exposed = header::HeaderValue::from_static("Location");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    Ok(response)
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}

fn denied(denial: Denial) -> HttpResponse {
    match denial {
        Denial::NoToken => HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
            .body("a bearer token is required\n"),
        Denial::WrongHost => HttpResponse::Forbidden()
            .body("without a token only localhost is answered, by that name or its address\n"),
    }
}

/// `GET /healthz`
pub(super) async fn health(console: web::Data<Console>) -> HttpResponse {
    let is_well = metrics::is_well(&console.port.state().borrow());
    let status = if is_well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let word = if is_well { "ok" } else { "failing" };
    HttpResponse::build(status).json(json!({ "status": word }))
}

/// `GET /metrics`
pub(super) async fn metrics(console: web::Data<Console>) -> HttpResponse {
    let mut counts = console.counts.lock().clone();
    counts.viewers = console.sessions.len();
    let page = metrics::render(&console.port.state().borrow(), &counts);
    HttpResponse::Ok()
        .content_type(metrics::CONTENT_TYPE)
        .body(page)
}

/// `GET /snapshot.jpg`
pub(super) async fn snapshot(console: web::Data<Console>) -> HttpResponse {
    let (reply, answer) = oneshot::channel();
    let request = Request {
        command: Command::Snapshot,
        reply,
    };
    if console.port.requests.try_send(request).is_err() {
        return unavailable("the device is too busy, or ending");
    }
    match tokio::time::timeout(SNAPSHOT_LIMIT, answer).await {
        Ok(Ok(Ok(Reply::Jpeg(picture)))) => {
            HttpResponse::Ok().content_type("image/jpeg").body(picture)
        }
        Ok(Ok(Err(error))) => unavailable(&error.message),
        Ok(Ok(Ok(Reply::Json(_)))) | Ok(Err(_)) => unavailable("the device gave no picture"),
        Err(_) => unavailable("the camera took too long"),
    }
}

pub(super) fn unavailable(why: &str) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, "5"))
        .body(format!("{why}\n"))
}
