//! The REST API (wire reference E): one entry for every request, and the table of routes.
//!
//! Invariant: every error has a JSON body of the contract's shape, and every answer the headers
//! a browser on another origin needs.
//! Must not enter: SQL, stanzas other than those a request asks to be sent.

mod blobs;
mod calls;
mod data;
mod dialog_data;
mod dialog_input;
mod dialog_removal;
mod dialog_update;
mod dialogs;
mod downloads;
mod enrolments;
mod error;
mod events;
mod message_changes;
mod message_creation;
mod messages;
mod params;
mod push_subscriptions;
mod range;
mod reactions;
mod request;
mod search;
mod sessions;
mod subscriptions;
mod system_messages;
mod uploads;
mod user_filter;
mod user_list;
mod users;
mod version;

pub use params::read_form;
use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value as Json;

use self::error::ApiError;
use self::request::Request;
use crate::hub::auth::{Caller, secret};
use crate::hub::site::Site;

type Answer = Result<HttpResponse, ApiError>;

/// Takes any request that no other service took.
pub async fn serve(http: HttpRequest, body: Payload, site: Data<Site>) -> HttpResponse {
    let mut response = if http.method() == Method::OPTIONS {
        HttpResponse::Ok().finish()
    } else {
        let path = http.path().to_owned();
        let answer = answer(&http, body, site.into_inner(), &path).await;
        answer.unwrap_or_else(|error| {
            error.log(http.method(), &path);
            error.response()
        })
    };
    allow_other_origins(response.headers_mut());
    response
}

async fn answer(http: &HttpRequest, body: Payload, site: Arc<Site>, path: &str) -> Answer {
    let now = site.now();
    let token = http.headers().get("CB-Token");
    let caller = Caller {
        token: token.and_then(|token| Some(secret::token_hash(token.to_str().ok()?))),
        address: http.peer_addr().map(|peer| peer.ip()),
    };
    site.rates.take(&caller, now).map_err(ApiError::too_many)?;
    let counting = Arc::clone(&site);
    let answer = match path.strip_prefix("/uploads/") {
        Some(uid) => uploads::serve(http, body, &site, uid).await,
        None => match Request::read(http, body, site).await {
            Ok(request) => route(http.method(), path, &request).await,
            Err(error) => Err(error),
        },
    };
    if answer.as_ref().is_err_and(ApiError::is_unauthorized) {
        counting.rates.refused(&caller, now);
    }
    answer
}

/// The routes. A path may end in `.json`, as the JS SDK writes it, or not (E.1).
async fn route(method: &Method, path: &str, request: &Request) -> Answer {
    let path = path.trim_matches('/');
    let is_json = path.ends_with(".json");
    let path = path.strip_suffix(".json").unwrap_or(path);
    let segments: Vec<String> = path.split('/').map(params::decode_path).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // The docs write both `/chat/Dialog` and `/chat/dialog`.
    match (method.as_str(), segments.as_slice()) {
        ("POST", ["session"]) => sessions::create(request).await,
        ("GET", ["session"]) => sessions::get(request).await,
        ("DELETE", ["session"]) => sessions::destroy(request).await,
        ("DELETE", ["session", "list"]) => sessions::destroy_others(request).await,
        ("DELETE", ["session", id]) => sessions::destroy_one(request, id).await,
        ("POST", ["login"]) => sessions::log_in(request).await,
        ("DELETE", ["login"]) => sessions::log_out(request).await,

        ("POST", ["enrolments", "redeem"]) => enrolments::redeem(request).await,

        ("POST", ["users"]) => users::sign_up(request).await,
        ("GET", ["users", "v2"]) => users::search(request).await,
        ("GET", ["users", "online"]) => users::online(request).await,
        ("GET", ["users"]) => user_list::all(request).await,
        ("GET", ["users", "by_full_name"]) => user_list::by_full_name(request).await,
        ("GET", ["users", "by_tags"]) => user_list::by_tags(request).await,
        ("GET" | "POST", ["users", "password", "reset"]) => users::reset_password(request),
        ("GET", ["users", route]) if users::column_of(route).is_some() => {
            users::by_name(request, route).await
        }
        ("GET", ["users", "external", id]) => users::by_external_id(request, id).await,
        ("DELETE", ["users", "external", id]) => users::delete_external(request, id).await,
        ("GET", ["users", id]) => users::by_id(request, id).await,
        ("PUT", ["users", id]) => users::update(request, id).await,
        ("DELETE", ["users", id]) => users::delete(request, id).await,

        ("GET", ["chat", "search"]) => search::search(request).await,
        (method, ["chat", "Dialog" | "dialog", rest @ ..]) => {
            dialog_route(method, rest, request).await
        }
        (method, ["chat", "Message" | "message", rest @ ..]) => {
            message_route(method, rest, request).await
        }

        ("GET" | "HEAD", ["blobs", id]) if !is_json && blobs::is_uid(id) => {
            downloads::by_uid(request, id).await
        }
        (method, ["blobs", rest @ ..]) => blob_route(method, rest, request).await,

        (method, ["data", class, rest @ ..]) => data::route(method, class, rest, request).await,

        ("POST", ["subscriptions"]) => push_subscriptions::create(request).await,
        ("GET", ["subscriptions"]) => push_subscriptions::list(request).await,
        ("DELETE", ["subscriptions", id]) => push_subscriptions::delete(request, id).await,
        ("POST", ["events"]) => events::create(request).await,

        ("GET", ["cubelet", "push"]) => push_subscriptions::show_key(request).await,
        ("GET", ["cubelet", "version"]) => version::show(request).await,
        ("POST", ["calls", "reject"]) => calls::reject(request).await,
        _ => Err(no_route(method.as_str(), path)),
    }
}

async fn dialog_route(method: &str, rest: &[&str], request: &Request) -> Answer {
    match (method, rest) {
        ("GET", []) => dialogs::list(request).await,
        ("POST", []) => dialogs::create(request).await,
        ("PUT", [id] | [id, "admins"]) => dialog_update::update(request, id).await,
        ("DELETE", ["clearHistory", id]) => dialog_removal::clear_history(request, id).await,
        ("DELETE", [ids]) => dialog_removal::delete(request, ids).await,
        ("POST", [id, "subscribe"]) => subscriptions::subscribe(request, id).await,
        ("DELETE", [id, "subscribe"]) => subscriptions::unsubscribe(request, id).await,
        ("GET", [id, "occupants"]) => subscriptions::occupants(request, id).await,
        ("GET", [id, "notifications"]) => subscriptions::notifications(request, id).await,
        ("PUT", [id, "notifications"]) => subscriptions::set_notifications(request, id).await,
        _ => Err(no_route(method, "chat/Dialog/…")),
    }
}

async fn blob_route(method: &str, rest: &[&str], request: &Request) -> Answer {
    match (method, rest) {
        ("GET", []) => blobs::list(request).await,
        ("POST", []) => blobs::create(request).await,
        ("PUT", [id, "complete"]) => blobs::complete(request, id).await,
        ("GET" | "HEAD", [uid, "download"]) => downloads::redirect(request, uid).await,
        ("GET" | "HEAD", [uid, "content"]) => downloads::by_link(request, uid).await,
        ("GET", [uid, "object"]) => downloads::object(request, uid).await,
        // The JS SDK omits the verb of an update.
        ("GET", [id]) if request.params.get("blob").is_some() => blobs::update(request, id).await,
        ("GET", [id]) => blobs::show(request, id).await,
        ("PUT", [id]) => blobs::update(request, id).await,
        ("DELETE", [id]) => blobs::delete(request, id).await,
        _ => Err(no_route(method, "blobs/…")),
    }
}

async fn message_route(method: &str, rest: &[&str], request: &Request) -> Answer {
    match (method, rest) {
        ("GET", []) => messages::list(request).await,
        ("GET", ["unread"]) => messages::unread(request).await,
        ("POST", []) => message_creation::create(request).await,
        ("POST", ["system"]) => system_messages::create(request).await,
        ("PUT", []) => message_changes::update(request, None).await,
        ("PUT", [ids]) => message_changes::update(request, Some(ids)).await,
        ("DELETE", [ids]) => message_changes::delete(request, ids).await,
        ("GET", [id, "reactions"]) => reactions::list(request, id).await,
        ("PUT", [id, "reactions"]) => reactions::update(request, id).await,
        _ => Err(no_route(method, "chat/Message/…")),
    }
}

fn no_route(method: &str, path: &str) -> ApiError {
    ApiError::not_found(format!("Route not found: {method} /{path}"))
}

/// Tokens travel in headers, never in cookies, so any origin may ask (E.1).
fn allow_other_origins(headers: &mut header::HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Content-Type, CB-SDK, CB-Token, CB-AuthKey, CB-Administration-API-Key, Range, Upload-Offset",
        ),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "Content-Range, ETag, Location, Retry-After, Upload-Offset",
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
