//! Which program the server is.

use reqwest::Method;
use serde::Deserialize;

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;

#[derive(Deserialize)]
struct Program {
    version: String,
}

impl RestClient {
    /// `GET /cubelet/version`: the version of a cubelet hub, as it writes it; none where the server
    /// is another.
    ///
    /// # Errors
    /// Those of the session and of the network.
    pub async fn hub_version(&self) -> Result<Option<String>, RestError> {
        let request = Request::new(Method::GET, &["cubelet", "version"]);
        match self.call::<Program>(request).await {
            Ok(program) => Ok(Some(program.version)),
            Err(RestError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
