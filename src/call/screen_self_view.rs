//! Where whoever stands before the device sees what the others see of them.

use serde::{Deserialize, Serialize};

/// The place of the own picture on the screen.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScreenSelfView {
    /// It is not shown.
    #[default]
    Off,
    /// Small, above the others' pictures.
    TopLeft,
    /// Small, above the others' pictures.
    TopRight,
    /// Small, above the others' pictures.
    BottomLeft,
    /// Small, above the others' pictures.
    BottomRight,
}
