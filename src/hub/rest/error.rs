//! Errors of requests: a status and one of the contract's JSON shapes (E.1).

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};
use serde_json::json;

use crate::hub::auth::{LoginError, PasswordError};
use crate::hub::files::FileError;
use crate::hub::store::StoreError;
use crate::hub::store::query::FilterError;
use crate::hub::store::users::Taken;

/// Why a request was refused.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    field: Cow<'static, str>,
    text: String,
    retry_after: Option<i64>,
    // For the log only: what must not be told to a stranger.
    cause: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            field: "base".into(),
            text: text.into(),
            retry_after: None,
            cause: None,
        }
    }

    /// The request cannot be read.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// No live session; clients compare this text to renew theirs.
    pub fn no_session() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Required session does not exist")
    }

    /// Wrong key or password.
    pub fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// Known, and not allowed.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// Not there.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// A field has a value that cannot be.
    pub fn invalid(field: &'static str, text: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, text)
        }
    }

    /// A field whose name the client chose has a value that cannot be.
    pub fn invalid_field(field: &str, text: impl Into<String>) -> Self {
        // What a client sends back to itself is bounded all the same.
        let field: String = field.chars().take(64).collect();
        Self {
            field: field.into(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, text)
        }
    }

    /// The body is larger than the bound.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request body is larger than {limit} bytes"),
        )
    }

    /// The disk has no room, or the site's share of it is used up.
    pub fn no_space() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "The server has no space left for files",
        )
    }

    /// The request does not fit what is there.
    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, text)
    }

    /// Asked too often; `seconds` until the next is welcome.
    pub fn too_many(seconds: i64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("Too many requests, try again in {seconds} s"),
            )
        }
    }

    /// Nothing came for too long.
    pub fn stalled() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "The upload has stalled")
    }

    /// Whether the request had no live session or a wrong key.
    pub fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// The hub's own fault; the cause goes to the log only.
    pub fn internal(cause: impl ToString) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        }
    }

    /// Logs what an operator needs to see.
    pub fn log(&self, method: &Method, path: &str) {
        match &self.cause {
            Some(cause) => tracing::error!(%method, path, cause, "request failed"),
            None => {
                tracing::debug!(%method, path, status = %self.status, text = self.text, "refused")
            }
        }
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.json(json!({"errors": {(self.field.as_ref()): [self.text]}}))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TookTooLong => Self::invalid(
                "base",
                "Finding what meets this takes too long: ask with conditions on fewer fields or \
                 with shorter texts",
            ),
            error => Self::internal(error),
        }
    }
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Full => {
                tracing::error!("no space is left for files");
                Self::no_space()
            }
            FileError::Offset(_) | FileError::Superseded => Self::conflict(error.to_string()),
            FileError::Io(error) => Self::internal(error),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        Self::internal(error)
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        Self::invalid_field(error.field(), error.to_string())
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(error)
    }
}

impl From<Taken> for ApiError {
    fn from(Taken(field): Taken) -> Self {
        Self::invalid(field, "has already been taken")
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            // Clients sign a user up exactly on 404 (E.1).
            LoginError::Unknown => Self::not_found("User not found"),
            LoginError::Wrong => Self::unauthorized("Unauthorized"),
            LoginError::Locked(seconds) => Self {
                retry_after: Some(seconds),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    format!("Too many failed log-ins, try again in {seconds} s"),
                )
            },
            LoginError::Store(error) => error.into(),
            LoginError::Password(error) => error.into(),
            LoginError::Scram(error) => Self::invalid("base", error.to_string()),
        }
    }
}
