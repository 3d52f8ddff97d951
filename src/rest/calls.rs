//! Calls (wire reference E.5).

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;
use crate::protocol::address::UserId;

impl RestClient {
    /// `POST /calls/reject`: declines a call without a chat connection.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn reject_call(
        &self,
        session_id: &str,
        recipient: UserId,
        user_info: &BTreeMap<String, String>,
    ) -> Result<(), RestError> {
        let body = json!({
            "sessionID": session_id,
            "recipientId": recipient,
            "platform": "linux",
            "userInfo": user_info,
        });
        let request = Request::new(Method::POST, &["calls", "reject"]).body(body);
        self.call_raw(&request).await.map(drop)
    }
}
