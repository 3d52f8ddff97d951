//! Reports of users and messages (CH-46, CH-47): records of two classes of custom objects that the
//! application's administration has made (wire reference E.5).

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;
use crate::protocol::address::UserId;

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "_id")]
    id: String,
}

impl RestClient {
    /// `POST /data/UserReports`: reports a user; gives the record's id.
    ///
    /// # Errors
    /// [`RestError::NotFound`] where the application has no such class.
    pub async fn report_user(&self, user: UserId, reason: &str) -> Result<String, RestError> {
        let record = json!({ "reportedUserId": user, "reason": reason });
        self.report("UserReports", record).await
    }

    /// `POST /data/MessageReports`: reports a message; gives the record's id.
    ///
    /// # Errors
    /// As [`RestClient::report_user`].
    pub async fn report_message(&self, message: &str, reason: &str) -> Result<String, RestError> {
        let record = json!({ "reportedMessageId": message, "reason": reason });
        self.report("MessageReports", record).await
    }

    async fn report(&self, class: &str, record: Value) -> Result<String, RestError> {
        let request = Request::new(Method::POST, &["data", class]).body(record);
        Ok(self.call::<Record>(request).await?.id)
    }
}
