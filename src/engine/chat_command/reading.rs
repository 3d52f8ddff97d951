//! What was received: pages of it, words in it, what was read of it, its files.

use serde::Deserialize;

/// Messages we have read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MarkRead {
    /// All of this dialog, unless messages are given.
    pub dialog: Option<String>,
    /// These, at most 100.
    pub messages: Vec<String>,
}

/// A page of the history.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReadHistory {
    /// Of one dialog; of all without.
    pub dialog: Option<String>,
    /// `next` of the page before: the messages older than those.
    pub before: Option<String>,
    /// At most this many, 1 to 100.
    pub limit: u32,
}

impl Default for ReadHistory {
    fn default() -> Self {
        Self {
            dialog: None,
            before: None,
            limit: 20,
        }
    }
}

/// Words to look for in the history.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The words, or how they begin; 1 to 256 characters.
    pub text: String,
    /// In one dialog; in all without.
    pub dialog: Option<String>,
    /// At most this many, 1 to 100.
    #[serde(default = "twenty")]
    pub limit: u32,
}

/// An attachment to be fetched.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// The message.
    pub message: String,
    /// Which of its attachments, from 0.
    #[serde(default)]
    pub attachment: usize,
}

fn twenty() -> u32 {
    20
}
