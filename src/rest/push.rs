//! Push notifications the device asks the server for (wire reference E.5; PN-09…PN-12, PN-14).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;
use crate::protocol::address::UserId;

/// Whom a notification is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRecipients {
    /// These users.
    Users(Vec<UserId>),
    /// The users another system knows by these numbers.
    ExternalIds(Vec<String>),
    /// Who has one of these tags at least.
    AnyTag(Vec<String>),
    /// Who has all of them.
    AllTags(Vec<String>),
    /// Who has none of them.
    WithoutTags(Vec<String>),
}

impl PushRecipients {
    /// Lists as texts with commas: the one encoding the documentation has for all of them.
    fn put_into(&self, event: &mut Value) {
        match self {
            Self::Users(ids) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                event["user"] = json!({"ids": ids.join(",")});
            }
            Self::ExternalIds(ids) => event["external_user"] = json!({"ids": ids.join(",")}),
            Self::AnyTag(tags) => event["user"] = json!({"tags": {"any": tags.join(",")}}),
            Self::AllTags(tags) => event["user"] = json!({"tags": {"all": tags.join(",")}}),
            Self::WithoutTags(tags) => {
                event["user"] = json!({"tags": {"exclude": tags.join(",")}});
            }
        }
    }
}

/// A notification to be sent at once.
#[derive(Clone, Debug, PartialEq)]
pub struct PushEvent {
    /// `production` or `development`: which subscriptions are meant.
    pub environment: &'static str,
    /// Whom for.
    pub recipients: PushRecipients,
    /// Universal keys (PN-14): `message` and others.
    pub payload: Map<String, Value>,
}

#[derive(Deserialize)]
struct Listed {
    event: Created,
}

#[derive(Deserialize)]
struct Created {
    id: u64,
}

impl RestClient {
    /// `POST /events`: sends a push notification; gives the event's id.
    ///
    /// # Errors
    /// [`RestError::Validation`] with 422 where nobody of the recipients has subscribed.
    pub async fn push(&self, event: &PushEvent) -> Result<u64, RestError> {
        let payload = Value::Object(event.payload.clone()).to_string();
        let mut body = json!({
            "notification_type": "push",
            "event_type": "one_shot",
            "environment": event.environment,
            "message": BASE64_STANDARD.encode(payload),
        });
        event.recipients.put_into(&mut body);
        let request = Request::new(Method::POST, &["events"]).body(json!({ "event": body }));
        let operation = request.operation();
        let listed: Vec<Listed> = self.call(request).await?;
        let first = listed.first().map(|listed| listed.event.id);
        first.ok_or_else(|| RestError::BadAnswer {
            operation,
            reason: "the list of events is empty".to_owned(),
        })
    }
}
