//! How the pictures of several people share a screen.

use serde::{Deserialize, Serialize};

/// How several pictures share a screen.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScreenLayout {
    /// All of one size.
    #[default]
    Grid,
    /// Who speaks large, the others below.
    Speaker,
}
