//! `/cubelet/version`: which program the site runs. No other server of this API has it.

use actix_web::http::StatusCode;
use serde_json::json;

use super::request::Request;
use super::{Answer, json as respond};

/// `GET /cubelet/version`, for those who are logged in: strangers need not know.
pub async fn show(request: &Request) -> Answer {
    request.user().await?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(respond(StatusCode::OK, &json!({ "version": version })))
}
