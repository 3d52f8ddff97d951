//! A request, read: parameters, credentials, who asks.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use futures::StreamExt;
use rusqlite::Connection;
use serde_json::{Map, Value as Json};

use super::error::ApiError;
use super::params::read_form;
use crate::hub::auth::secret;
use crate::hub::http::Door;
use crate::hub::site::Site;
use crate::hub::store::sessions::{self, Session};
use crate::protocol::address::UserId;

/// A request with its body read and bounded.
pub struct Request {
    /// The site.
    pub site: Arc<Site>,
    /// Query and body together; the body wins.
    pub params: Json,
    /// Whether all of them are texts: no JSON was sent.
    pub is_form: bool,
    /// Who connects.
    pub address: Option<IpAddr>,
    /// The hub's address as the client sees it, without a slash at the end.
    pub origin: String,
    /// Which part of a file is wanted.
    pub conditions: Conditions,
    token: Option<String>,
    auth_key: Option<String>,
    admin_key: Option<String>,
}

/// What a download may be conditional on (RFC 9110, sections 13 and 14).
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// A body beyond the bound, or one that is not what it says.
    pub async fn read(
        http: &HttpRequest,
        mut body: Payload,
        site: Arc<Site>,
    ) -> Result<Self, ApiError> {
        let limit = site.config.limits.body_bytes;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| ApiError::bad_request(error.to_string()))?;
            if bytes.len() + chunk.len() > limit {
                return Err(ApiError::too_large(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| ApiError::bad_request("The request body is not UTF-8"))?;
        let header = |name: &str| {
            let value = http.headers().get(name)?.to_str().ok()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let mut params = read_form(http.query_string());
        let (body, is_form) = read_body(&text, header("content-type").as_deref())?;
        params.extend(body);
        Ok(Self {
            params: Json::Object(params),
            is_form,
            address: http.peer_addr().map(|peer| peer.ip()),
            origin: origin_of(http, &site),
            conditions: Conditions {
                range: header("range"),
                if_range: header("if-range"),
                if_none_match: header("if-none-match"),
            },
            token: header("CB-Token"),
            auth_key: header("CB-AuthKey"),
            admin_key: header("CB-Administration-API-Key"),
            site,
        })
    }

    /// The token as sent.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether the header has the application's key.
    pub fn has_auth_key(&self) -> bool {
        let expected = self.site.config.auth_key.expose();
        self.auth_key
            .as_deref()
            .is_some_and(|given| secret::same(given, expected))
    }

    /// Whether the header has the administration key.
    pub fn has_admin_key(&self) -> bool {
        let expected = self.site.config.admin_key.as_ref();
        let given = self.admin_key.as_deref();
        given
            .zip(expected)
            .is_some_and(|(given, expected)| secret::same(given, expected.expose()))
    }

    /// The live session of the token.
    ///
    /// # Errors
    /// 401 with the text clients know.
    pub async fn session(&self) -> Result<Session, ApiError> {
        self.session_of(self.token().ok_or_else(ApiError::no_session)?)
            .await
    }

    /// The live session of a token that came otherwise than in the header.
    ///
    /// # Errors
    /// 401 with the text clients know.
    pub async fn session_of(&self, token: &str) -> Result<Session, ApiError> {
        let hash = secret::token_hash(token);
        let now = self.site.now();
        let found = self
            .site
            .store
            .run(move |db| sessions::touch(db, hash, now))
            .await?;
        found.ok_or_else(ApiError::no_session)
    }

    /// Runs a job on the store's thread that may also find out that the request is refused; then
    /// what it had changed is undone.
    ///
    /// # Errors
    /// The job's, or the store's.
    pub async fn in_store<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let outcome = self.site.store.run(move |connection| {
            connection.execute_batch("SAVEPOINT request")?;
            let outcome = job(connection);
            connection.execute_batch(match outcome {
                Ok(_) => "RELEASE request",
                Err(_) => "ROLLBACK TO request; RELEASE request",
            })?;
            Ok(outcome)
        });
        outcome.await?
    }

    /// The user of the live session.
    ///
    /// # Errors
    /// 401 without a session, 403 for an application session.
    pub async fn user(&self) -> Result<UserId, ApiError> {
        let user = self.session().await?.user;
        user.ok_or_else(|| ApiError::forbidden("The session has no user: log in first"))
    }
}

/// The configured address, or the one the client used. A `Host` that is no host name (an `@` in a
/// link breaks the official SDK) gives way to the site's own name.
pub fn origin_of(http: &HttpRequest, site: &Site) -> String {
    if let Some(address) = &site.config.files.public_url {
        return address.trim_end_matches('/').to_owned();
    }
    let connection = http.connection_info();
    let door = http.conn_data::<Door>();
    // A client of HTTP/1.0 may name no host at all.
    let is_named = http.headers().contains_key(header::HOST) || http.uri().authority().is_some();
    let own = door
        .filter(|_| !is_named)
        .map(|door| door.address.to_string());
    let host = own.as_deref().unwrap_or_else(|| connection.host());
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    let host = if is_host {
        host
    } else {
        site.realm.chat_host.as_str()
    };
    // What a proxy says of its client comes first.
    let is_forwarded = http.headers().contains_key(header::FORWARDED)
        || http.headers().contains_key(header::X_FORWARDED_PROTO);
    let scheme = match connection.scheme() {
        "https" => "https",
        _ if !is_forwarded && door.is_some_and(|door| door.is_tls) => "https",
        _ => "http",
    };
    format!("{scheme}://{host}")
}

/// The parameters of a body, and whether it is no JSON.
fn read_body(
    text: &str,
    content_type: Option<&str>,
) -> Result<(Map<String, Json>, bool), ApiError> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok((Map::new(), true));
    }
    // curl sends JSON under the form type unless told otherwise, so the text itself decides.
    let is_json = trimmed.starts_with('{')
        || content_type.is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json {
        return Ok((read_form(trimmed), true));
    }
    match serde_json::from_str(trimmed) {
        Ok(Json::Object(body)) => Ok((body, false)),
        Ok(_) => Err(ApiError::bad_request("The request body is no JSON object")),
        Err(error) => Err(ApiError::bad_request(format!(
            "The request body is no JSON: {error}"
        ))),
    }
}
