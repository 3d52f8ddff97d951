//! What a browser gets besides the API: the web phone, its configuration, the CA's certificate.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use serde_json::json;

use super::site::Site;

/// The files of the web phone: path, content type, bytes. The build script writes the table.
#[cfg(feature = "phone")]
mod assets {
    include!(concat!(env!("OUT_DIR"), "/phone_assets.rs"));
}

/// A build without the phone has no files of it.
#[cfg(not(feature = "phone"))]
mod assets {
    pub static ASSETS: &[(&str, &str, &[u8])] = &[];
}

/// `GET /phone/{path}`; the page itself for the empty path.
pub async fn phone(path: Path<String>) -> HttpResponse {
    if assets::ASSETS.is_empty() {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("this build has no web phone (feature `phone` is off)\n");
    }
    let wanted = path.trim_start_matches('/');
    let wanted = if wanted.is_empty() {
        "index.html"
    } else {
        wanted
    };
    match assets::ASSETS.iter().find(|(name, _, _)| *name == wanted) {
        Some((_, kind, bytes)) => HttpResponse::Ok()
            .content_type(*kind)
            // Only the page may ask for this site's own files; calls need no foreign script.
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::CACHE_CONTROL, cache_rule(wanted)))
            .body(*bytes),
        None => HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("not found\n"),
    }
}

/// Built files carry a hash in their name and never change; the page that names them does.
fn cache_rule(path: &str) -> &'static str {
    if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

/// `GET /phone`: relative addresses in the page need the slash.
pub async fn phone_without_slash() -> HttpResponse {
    if assets::ASSETS.is_empty() {
        return phone(Path::from(String::new())).await;
    }
    HttpResponse::Found()
        .insert_header((header::LOCATION, "/phone/"))
        .finish()
}

/// `GET /phone/config.json`: what the page would otherwise ask its user for. The page takes the
/// addresses of API and chat from where it was loaded.
pub async fn phone_config(site: Data<Site>) -> HttpResponse {
    if !site.config.phone_config {
        return HttpResponse::NotFound().json(
            json!({"errors": {"base": ["phone_config is off in this hub's configuration"]}}),
        );
    }
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(json!({
            "app_id": site.config.app_id,
            "auth_key": site.config.auth_key.expose(),
            "chat": site.realm.chat_host,
        }))
}

/// `GET /ca.pem`: the CA's certificate, to be compared with the fingerprint in the hub's log
/// before it is trusted.
pub async fn ca(site: Data<Site>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/x-pem-file")
        .body(site.ca_pem.clone())
}

/// `GET /` without a WebSocket: the way to the phone.
pub async fn root() -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, "/phone/"))
        .finish()
}

/// `GET /xmpp` without a WebSocket.
pub async fn chat_without_upgrade() -> HttpResponse {
    HttpResponse::from(actix_http::Response::from(
        actix_http::ws::HandshakeError::NoWebsocketUpgrade,
    ))
}
