//! REST models both sides share (wire reference E). Reading ignores unknown fields, so that a
//! newer server does not break an older device.

use serde::{Deserialize, Serialize};

use super::address::UserId;

/// A user as every answer shows it; never with a password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The number.
    pub id: UserId,
    /// Display name.
    #[serde(default)]
    pub full_name: Option<String>,
    /// Login name, unique in the application.
    #[serde(default)]
    pub login: Option<String>,
    /// E-mail address, unique in the application.
    #[serde(default)]
    pub email: Option<String>,
    /// Comma-separated tags.
    #[serde(default)]
    pub user_tags: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Uid or address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Whatever the application keeps there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_data: Option<String>,
}

/// A session: what a token stands for (AU-01).
#[derive(Clone, Deserialize)]
pub struct Session {
    /// The secret sent as `CB-Token` and, for token users, as the chat password.
    pub token: String,
    /// The user logged in; 0 for an application session.
    #[serde(default)]
    pub user_id: UserId,
    /// The user, when logged in.
    #[serde(default)]
    pub user: Option<User>,
}

// Not derived: the token is a credential and must not reach a log.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// A dialog, as far as the device uses it (E.3).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Dialog {
    /// 24 hex digits.
    #[serde(rename = "_id")]
    pub id: String,
    /// 1 broadcast, 2 group, 3 private, 4 public.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Title; of a private dialog, the other user's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its members.
    #[serde(default)]
    pub occupants_ids: Vec<UserId>,
    /// Messages the asking user has not read.
    #[serde(default)]
    pub unread_messages_count: u64,
    /// Its owner.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// When anything about it last changed, ISO 8601.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// When its last message was written, Unix seconds.
    #[serde(default)]
    pub last_message_date_sent: Option<u64>,
    /// Everything else the server tells: photo, description, admins, the last message, pinned
    /// messages, extensions.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Reactions to a message (CH-43).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Reactions {
    /// Ours.
    #[serde(default)]
    pub own: Vec<String>,
    /// How many of each, ours included.
    #[serde(default)]
    pub total: std::collections::BTreeMap<String, u64>,
}

/// The error body of every failed request, in its three shapes (E.1).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ErrorBody {
    /// `{"errors":{"base":["…"],"field":["…"]}}`
    ByField {
        /// Messages per field; `base` for the request as a whole.
        errors: std::collections::BTreeMap<String, Vec<String>>,
    },
    /// `{"errors":["…"]}`
    List {
        /// The messages.
        errors: Vec<String>,
    },
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByField { errors } => {
                for (position, (field, messages)) in errors.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    let messages = messages.join(", ");
                    match field.as_str() {
                        "base" => write!(f, "{separator}{messages}")?,
                        field => write!(f, "{separator}{field} {messages}")?,
                    }
                }
                Ok(())
            }
            Self::List { errors } => f.write_str(&errors.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_reads_as_a_sentence() {
        let text = |body: &str| serde_json::from_str::<ErrorBody>(body).unwrap().to_string();
        assert_eq!(
            text(r#"{"errors":{"base":["Required session does not exist"]}}"#),
            "Required session does not exist"
        );
        assert_eq!(
            text(r#"{"errors":{"login":["has already been taken"]}}"#),
            "login has already been taken"
        );
        assert_eq!(text(r#"{"errors":["Unauthorized"]}"#), "Unauthorized");
    }

    #[test]
    fn a_session_never_shows_its_token() {
        let session: Session =
            serde_json::from_str(r#"{"token":"secret-token","user_id":5}"#).unwrap();
        assert!(!format!("{session:?}").contains("secret"));
    }
}
