//! What can be set of a camera.

use serde::Serialize;

use crate::device::cameras::Control;
pub use crate::device::cameras::{Choice, ControlKind};

/// Something of a camera that can be set, as its driver tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct CameraControl {
    /// The driver's words for it.
    pub label: String,
    /// What values it takes.
    pub kind: ControlKind,
    /// Of a number: the smallest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// Of a number: the largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// Of a number: the distance of values, from the smallest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// The choices, in the driver's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// What it is without anybody's doing; a switch that is on is 1. Absent of a button.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<i64>,
    /// What it was when the camera came or when something of it was last set through this device:
    /// automatisms and other programs move it unseen. Absent where the driver does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
}

impl CameraControl {
    /// Whether it is the same control, whatever it is set to.
    pub fn takes_the_same_as(&self, other: &Self) -> bool {
        let unset = |control: &Self| Self {
            value: None,
            ..control.clone()
        };
        unset(self) == unset(other)
    }
}

impl From<Control> for CameraControl {
    fn from(control: Control) -> Self {
        let is_number = control.kind == ControlKind::Number;
        Self {
            label: control.name,
            kind: control.kind,
            minimum: is_number.then_some(control.minimum),
            maximum: is_number.then_some(control.maximum),
            step: is_number.then_some(control.step.max(1)),
            choices: control.choices,
            default: (control.kind != ControlKind::Button).then_some(control.default),
            value: control.value,
        }
    }
}
