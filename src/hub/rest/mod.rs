//! The REST API (wire reference E): one entry for every request, and the table of routes.
//!
//! Invariant: every error has a JSON body of the contract's shape, and every answer the headers
//! a browser on another origin needs.
//! Must not enter: SQL, stanzas other than those a request asks to be sent.

mod calls;
mod dialogs;
mod error;
mod messages;
mod params;
mod request;
mod sessions;
mod users;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value as Json;

use self::error::ApiError;
use self::request::Request;
use crate::hub::site::Site;

type Answer = Result<HttpResponse, ApiError>;

/// Takes any request that no other service took.
pub async fn serve(http: HttpRequest, body: Payload, site: Data<Site>) -> HttpResponse {
    let mut response = if http.method() == Method::OPTIONS {
        HttpResponse::Ok().finish()
    } else {
        let path = http.path().to_owned();
        let answer = match Request::read(&http, body, site.into_inner()).await {
            Ok(request) => route(http.method(), &path, &request).await,
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            error.log(http.method(), &path);
            error.response()
        })
    };
    allow_other_origins(response.headers_mut());
    response
}

/// The routes. A path may end in `.json`, as the JS SDK writes it, or not (E.1).
async fn route(method: &Method, path: &str, request: &Request) -> Answer {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".json").unwrap_or(path);
    let segments: Vec<String> = path.split('/').map(params::decode_path).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // The docs write both `/chat/Dialog` and `/chat/dialog`.
    match (method.as_str(), segments.as_slice()) {
        ("POST", ["session"]) => sessions::create(request).await,
        ("GET", ["session"]) => sessions::get(request).await,
        ("DELETE", ["session"]) => sessions::destroy(request).await,
        ("POST", ["login"]) => sessions::log_in(request).await,
        ("DELETE", ["login"]) => sessions::log_out(request).await,

        ("POST", ["users"]) => users::sign_up(request).await,
        ("GET", ["users", "v2"]) => users::search(request).await,
        ("GET", ["users", "online"]) => users::online(request).await,
        ("GET", ["users", name @ ("by_login" | "by_email" | "phone")]) => {
            users::by_name(request, name).await
        }
        ("GET", ["users", "external", id]) => users::by_external_id(request, id).await,
        ("GET", ["users", id]) => users::by_id(request, id).await,
        ("PUT", ["users", id]) => users::update(request, id).await,
        ("DELETE", ["users", id]) => users::delete(request, id).await,

        ("GET", ["chat", "Dialog" | "dialog"]) => dialogs::list(request).await,
        ("POST", ["chat", "Dialog" | "dialog"]) => dialogs::create(request).await,
        ("PUT", ["chat", "Dialog" | "dialog", id]) => dialogs::update(request, id).await,
        ("PUT", ["chat", "Dialog" | "dialog", id, "admins"]) => dialogs::update(request, id).await,
        ("DELETE", ["chat", "Dialog" | "dialog", ids]) => dialogs::delete(request, ids).await,

        ("GET", ["chat", "Message", "unread"]) => messages::unread(request).await,
        ("GET", ["chat", "Message"]) => messages::list(request).await,
        ("POST", ["chat", "Message"]) => messages::create(request).await,
        ("PUT", ["chat", "Message"]) => messages::update(request, None).await,
        ("PUT", ["chat", "Message", ids]) => messages::update(request, Some(ids)).await,

        ("POST", ["calls", "reject"]) => calls::reject(request).await,
        _ => Err(ApiError::not_found(format!(
            "Route not found: {method} /{path}"
        ))),
    }
}

/// Tokens travel in headers, never in cookies, so any origin may ask (E.1).
fn allow_other_origins(headers: &mut header::HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, PUT, DELETE, PATCH, OPTIONS",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Content-Type, CB-SDK, CB-Token, CB-AuthKey, CB-Administration-API-Key",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
}

fn json(status: StatusCode, body: &Json) -> HttpResponse {
    HttpResponse::build(status).json(body)
}

/// "200 OK" of the docs: a body that is no JSON, which the SDK hands on as text.
fn done() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body(" ")
}
