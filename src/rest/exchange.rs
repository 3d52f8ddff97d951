//! One HTTP exchange: headers of wire reference E.1, deadlines, a bound on the answer.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use url::Url;

use super::error::RestError;
use super::settings::RestSettings;
use crate::base::loopback::is_loopback;
use crate::base::tls;

/// Time for TCP and TLS together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Time from the call to the last byte of the answer.
const TOTAL_DEADLINE: Duration = Duration::from_secs(15);
/// The longest one try of carrying a file may take: 100 MB at 10 kB/s.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(3 * 3600);
/// Bytes of an answer; a page of 100 messages of full length stays below.
const MAX_ANSWER: usize = 8 << 20;

const SDK: HeaderName = HeaderName::from_static("cb-sdk");
const TOKEN: HeaderName = HeaderName::from_static("cb-token");
const AUTH_KEY: HeaderName = HeaderName::from_static("cb-authkey");

/// How a request proves itself.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// A login carries its proof in the body.
    InBody,
    /// The application's key, for signing up.
    AuthKey,
    /// A session's token.
    Token(&'a str),
}

/// What to ask. Reused as it is when the call is repeated.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Path segments below the API's base; each is escaped on its own, so an id cannot leave it.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<serde_json::Value>,
}

impl Request {
    pub(super) fn new(method: Method, path: &[&str]) -> Self {
        Self {
            method,
            path: path.iter().map(|&segment| segment.to_owned()).collect(),
            query: Vec::new(),
            body: None,
        }
    }

    pub(super) fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    pub(super) fn body(mut self, body: serde_json::Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Method and path for errors; never the query or the body.
    pub(super) fn operation(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }
}

/// The HTTP side: a connection pool and the settings.
pub(super) struct Exchange {
    http: Client,
    settings: RestSettings,
}

impl Exchange {
    pub(super) fn new(settings: RestSettings) -> Result<Self, RestError> {
        let setup = |reason: String| RestError::Setup(reason);
        if settings.api.cannot_be_a_base() {
            return Err(setup(format!("{} is no base address", settings.api)));
        }
        let is_local = settings.api.host_str().is_some_and(is_loopback);
        if settings.api.scheme() != "https" && !is_local {
            return Err(setup(format!(
                "{} would send the password in clear text; use https",
                settings.api
            )));
        }
        let config =
            tls::client_config(settings.ca.as_deref()).map_err(|error| setup(error.to_string()))?;
        let http = Client::builder()
            .tls_backend_preconfigured((*config).clone())
            .connect_timeout(CONNECT_DEADLINE)
            .timeout(TOTAL_DEADLINE)
            // A proxy from the environment or a redirect would take the token elsewhere.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()
            .map_err(|error| setup(error.to_string()))?;
        Ok(Self { http, settings })
    }

    pub(super) fn settings(&self) -> &RestSettings {
        &self.settings
    }

    /// Sends a request and returns the body of a 2xx answer.
    pub(super) async fn send(
        &self,
        request: &Request,
        proof: Proof<'_>,
    ) -> Result<Vec<u8>, RestError> {
        let mut builder = self
            .http
            .request(request.method.clone(), self.url(request)?)
            .headers(self.headers(proof)?);
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let mut answer = builder.send().await.map_err(RestError::of_network)?;
        let status = answer.status();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(RestError::of_network)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(RestError::BadAnswer {
                    operation: request.operation(),
                    reason: format!("it is longer than {MAX_ANSWER} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        tracing::debug!(
            operation = request.operation(),
            status = status.as_u16(),
            "answered"
        );
        if status.is_success() {
            Ok(body)
        } else {
            Err(RestError::of_status(status.as_u16(), retry_after, &body))
        }
    }

    /// A request of a file's bytes: it takes as long as it takes, so who sends it watches that
    /// something moves.
    pub(super) fn transfer(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http.request(method, url).timeout(TRANSFER_DEADLINE)
    }

    /// The headers of a call in a session.
    pub(super) fn token_headers(&self, token: &str) -> Result<HeaderMap, RestError> {
        self.headers(Proof::Token(token))
    }

    /// The address of a request, without its query.
    pub(super) fn url(&self, request: &Request) -> Result<Url, RestError> {
        let mut url = self.settings.api.clone();
        url.path_segments_mut()
            .map_err(|()| RestError::Setup("the API's address has no path".into()))?
            .pop_if_empty()
            .extend(&request.path);
        Ok(url)
    }

    fn headers(&self, proof: Proof<'_>) -> Result<HeaderMap, RestError> {
        let secret = |text: &str| {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| RestError::Setup("a key holds characters HTTP cannot carry".into()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let mut headers = HeaderMap::new();
        let sdk = concat!("cubelet ", env!("CARGO_PKG_VERSION"), " - Client");
        headers.insert(SDK, HeaderValue::from_static(sdk));
        match proof {
            Proof::InBody => {}
            Proof::AuthKey => {
                headers.insert(AUTH_KEY, secret(&self.settings.auth_key)?);
            }
            Proof::Token(token) => {
                headers.insert(TOKEN, secret(token)?);
            }
        }
        Ok(headers)
    }
}

/// Reads a body as JSON.
pub(super) fn read<T: DeserializeOwned>(request: &Request, body: &[u8]) -> Result<T, RestError> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(deserializer).map_err(|error| RestError::BadAnswer {
        operation: request.operation(),
        reason: describe(&error),
    })
}

/// Path and kind of a JSON fault. The parser's own text would quote the value, which may be a
/// token.
fn describe(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let inner = error.inner();
    let kind = match inner.classify() {
        serde_json::error::Category::Data => "has another type than expected or is missing",
        serde_json::error::Category::Eof => "ends too early",
        _ => "is no JSON",
    };
    format!(
        "{} {kind} (line {}, column {})",
        error.path(),
        inner.line(),
        inner.column()
    )
}
