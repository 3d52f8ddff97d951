//! What can be set of a camera while it captures: brightness, exposure, pan, tilt and zoom, a torch.
//! Which there are, and what they take, is the driver's to say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde::Deserialize;
use v4l::Device;
use v4l::control::{Control as ToSet, Value};

use super::cameras::{Control, ControlKind, controls};

/// What is wanted of a control.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum ControlValue {
    /// Of what is on or off; of a button `true`, which presses it.
    Switch(bool),
    /// Of what has a range, or the number of a choice.
    Number(i64),
    /// A choice by the driver's name of it.
    Choice(String),
}

/// By name, as [`Control::key`]; nothing is the driver's default.
pub type WantedControls = BTreeMap<String, Option<ControlValue>>;

/// A control is not set. Each begins with the control's name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ControlError {
    /// The camera has none of that name.
    #[error("{name}: this camera has no such control; it has {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// It does not take that value.
    #[error("{name}: must be {rule}")]
    Value {
        /// Which.
        name: String,
        /// What it takes, and what was asked for.
        rule: String,
    },
    /// The driver does not take it.
    #[error("{name}: the camera refuses: {reason}")]
    Refused {
        /// Which.
        name: String,
        /// The system's words.
        reason: String,
    },
}

/// A camera, as far as its controls go.
pub trait Panel {
    /// What can be set, with its present values.
    fn controls(&self) -> Vec<Control>;
    /// Sets one; the value is one it takes.
    ///
    /// # Errors
    /// The driver's.
    fn set(&self, control: &Control, value: i64) -> io::Result<()>;
}

/// A camera of Video4Linux. Opening it a second time disturbs nobody who captures.
pub struct V4l2Panel(Device);

impl V4l2Panel {
    /// Blocks for as long as the driver takes, usually less than a millisecond.
    ///
    /// # Errors
    /// What is wrong with the node and what to do about it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let device = Device::with_path(path);
        device
            .map(Self)
            .map_err(|error| super::remedy(path, &error, "video"))
    }
}

impl Panel for V4l2Panel {
    fn controls(&self) -> Vec<Control> {
        controls(&self.0)
    }

    fn set(&self, control: &Control, value: i64) -> io::Result<()> {
        self.0.set_control(ToSet {
            id: control.id,
            value: Value::Integer(value),
        })
    }
}

/// Sets all of them or none, and gives what they were set to. Buttons are pressed after that, and are
/// set to nothing.
///
/// # Errors
/// [`ControlError`] of the first that cannot be; those before it are as they were.
pub fn set(
    panel: &impl Panel,
    wanted: &WantedControls,
) -> Result<BTreeMap<String, i64>, ControlError> {
    let known = panel.controls();
    let mut resolved = Vec::new();
    for (name, wanted) in wanted {
        let control = find(&known, name)?;
        resolved.push((control, resolve(control, wanted.as_ref())?));
    }
    put(panel, resolved)
}

/// Sets again what was set before a camera was away, as far as it still can be, and gives what could
/// not.
pub fn restore(panel: &impl Panel, kept: &BTreeMap<String, i64>) -> Vec<ControlError> {
    let known = panel.controls();
    let mut errors = Vec::new();
    let mut resolved = Vec::new();
    for (name, value) in kept {
        let one = find(&known, name).and_then(|control| {
            let value = resolve(control, Some(&ControlValue::Number(*value)))?;
            Ok((control, value))
        });
        match one {
            Ok(one) => resolved.push(one),
            Err(error) => errors.push(error),
        }
    }
    resolved.sort_by_key(|(control, _)| place(control));
    for (control, value) in resolved {
        errors.extend(refused(control, panel.set(control, value)).err());
    }
    errors
}

fn put(
    panel: &impl Panel,
    mut resolved: Vec<(&Control, i64)>,
) -> Result<BTreeMap<String, i64>, ControlError> {
    resolved.sort_by_key(|(control, _)| place(control));
    for (at, (control, value)) in resolved.iter().enumerate() {
        let Err(error) = refused(control, panel.set(control, *value)) else {
            continue;
        };
        for (before, _) in resolved[..at].iter().rev() {
            if let Some(value) = before.value
                && let Err(error) = panel.set(before, value)
            {
                tracing::warn!(%error, control = before.key, "a camera's control is not set back");
            }
        }
        return Err(error);
    }
    let values = resolved.into_iter();
    Ok(values
        .filter(|(control, _)| control.kind != ControlKind::Button)
        .map(|(control, value)| (control.key.clone(), value))
        .collect())
}

/// What switches an automatism comes before what it else would set; what cannot be set back, last.
fn place(control: &Control) -> u8 {
    match control.kind {
        ControlKind::Switch | ControlKind::Choice => 0,
        ControlKind::Number => 1,
        ControlKind::Button => 2,
    }
}

fn refused(control: &Control, set: io::Result<()>) -> Result<(), ControlError> {
    set.map_err(|error| ControlError::Refused {
        name: control.key.clone(),
        reason: error.to_string(),
    })
}

fn find<'c>(known: &'c [Control], name: &str) -> Result<&'c Control, ControlError> {
    let found = known.iter().find(|control| control.key == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|control| control.key.as_str()).collect();
        ControlError::Unknown {
            name: name.to_owned(),
            known: match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            },
        }
    })
}

/// The number a driver is told.
fn resolve(control: &Control, wanted: Option<&ControlValue>) -> Result<i64, ControlError> {
    let Some(wanted) = wanted else {
        return match control.kind {
            ControlKind::Button => Err(ControlError::Value {
                name: control.key.clone(),
                rule: format!("{}, and has no default", range(control)),
            }),
            _ => Ok(control.default),
        };
    };
    let value = match (control.kind, wanted) {
        // Whatever the value, it is pressed.
        (ControlKind::Button, ControlValue::Switch(true)) => Some(1),
        (ControlKind::Switch, ControlValue::Switch(is_on)) => Some(i64::from(*is_on)),
        (ControlKind::Switch, ControlValue::Number(value)) if [0, 1].contains(value) => {
            Some(*value)
        }
        (ControlKind::Number, ControlValue::Number(value)) => {
            let above = i128::from(*value) - i128::from(control.minimum);
            let is_on_step = above % i128::from(control.step.max(1)) == 0;
            let is_within = (control.minimum..=control.maximum).contains(value);
            (is_within && is_on_step).then_some(*value)
        }
        (ControlKind::Choice, ControlValue::Number(value)) => {
            let mut choices = control.choices.iter();
            choices
                .find(|choice| i64::from(choice.value) == *value)
                .map(|choice| i64::from(choice.value))
        }
        (ControlKind::Choice, ControlValue::Choice(name)) => {
            let mut choices = control.choices.iter();
            choices
                .find(|choice| choice.name.eq_ignore_ascii_case(name))
                .map(|choice| i64::from(choice.value))
        }
        _ => None,
    };
    value.ok_or_else(|| ControlError::Value {
        name: control.key.clone(),
        rule: match wanted {
            ControlValue::Switch(given) => format!("{}, not {given}", range(control)),
            ControlValue::Number(given) => format!("{}, not {given}", range(control)),
            ControlValue::Choice(given) => format!("{}, not {given:?}", range(control)),
        },
    })
}

/// What a control takes, for people.
pub fn range(control: &Control) -> String {
    match control.kind {
        ControlKind::Button => "true, which presses it".to_owned(),
        ControlKind::Switch => "true or false".to_owned(),
        ControlKind::Choice => {
            let names = control
                .choices
                .iter()
                .map(|choice| format!("{:?}", choice.name));
            format!("one of {}", names.collect::<Vec<_>>().join(", "))
        }
        ControlKind::Number => {
            let mut range = format!("{} to {}", control.minimum, control.maximum);
            if control.step > 1 {
                // Writing to a String cannot fail.
                let _ = write!(range, " in steps of {}", control.step);
            }
            range
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::device::cameras::Choice;

    /// A camera that is no more than the list of its controls: that of a common USB webcam, as
    /// `v4l2-ctl --list-ctrls-menus` prints it, with a motor as conference cameras have it.
    struct Recorded {
        controls: Vec<Control>,
        set: RefCell<Vec<(String, i64)>>,
        refuses: Option<&'static str>,
    }

    fn number(key: &str, minimum: i64, maximum: i64, step: u64, default: i64) -> Control {
        Control {
            id: 0x0098_0900,
            name: key.to_owned(),
            key: key.to_owned(),
            kind: ControlKind::Number,
            minimum,
            maximum,
            step,
            default,
            value: Some(default),
            choices: Vec::new(),
        }
    }

    impl Recorded {
        fn new() -> Self {
            let exposure = Control {
                kind: ControlKind::Choice,
                choices: [(1, "Manual Mode"), (3, "Aperture Priority Mode")]
                    .map(|(value, name)| Choice {
                        value,
                        name: name.to_owned(),
                    })
                    .into(),
                ..number("auto_exposure", 0, 3, 1, 3)
            };
            let white = Control {
                kind: ControlKind::Switch,
                ..number("white_balance_automatic", 0, 1, 1, 1)
            };
            let button = Control {
                kind: ControlKind::Button,
                ..number("pan_reset", 0, 0, 0, 0)
            };
            Self {
                controls: vec![
                    number("brightness", -64, 64, 1, 0),
                    white,
                    exposure,
                    number("exposure_time_absolute", 1, 5000, 1, 157),
                    number("pan_absolute", -36_000, 36_000, 3_600, 0),
                    number("zoom_absolute", 100, 400, 1, 100),
                    number("led_1_mode", 0, 3, 1, 2),
                    button,
                ],
                set: RefCell::default(),
                refuses: None,
            }
        }

        fn was_set(&self) -> Vec<(String, i64)> {
            self.set.borrow().clone()
        }
    }

    impl Panel for Recorded {
        fn controls(&self) -> Vec<Control> {
            self.controls.clone()
        }

        fn set(&self, control: &Control, value: i64) -> io::Result<()> {
            if self.refuses == Some(control.key.as_str()) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.set.borrow_mut().push((control.key.clone(), value));
            Ok(())
        }
    }

    fn wanted(json: &str) -> WantedControls {
        serde_json::from_str(json).unwrap()
    }

    fn pairs<const N: usize>(pairs: [(&str, i64); N]) -> Vec<(String, i64)> {
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    #[test]
    fn controls_are_set_by_number_switch_and_name_of_a_choice_automatisms_first() {
        let camera = Recorded::new();
        let done = set(
            &camera,
            &wanted(
                r#"{"exposure_time_absolute": 300, "auto_exposure": "manual mode",
                    "white_balance_automatic": false, "pan_absolute": -7200}"#,
            ),
        );
        let in_order = pairs([
            ("auto_exposure", 1),
            ("white_balance_automatic", 0),
            ("exposure_time_absolute", 300),
            ("pan_absolute", -7200),
        ]);
        assert_eq!(camera.was_set(), in_order);
        assert_eq!(done, Ok(in_order.into_iter().collect()));
    }

    #[test]
    fn a_button_is_pressed_after_all_else_is_set_and_is_not_kept() {
        let camera = Recorded::new();
        let done = set(
            &camera,
            &wanted(r#"{"pan_reset": true, "zoom_absolute": 200}"#),
        );
        let in_order = pairs([("zoom_absolute", 200), ("pan_reset", 1)]);
        assert_eq!(camera.was_set(), in_order);
        assert_eq!(
            done,
            Ok(pairs([("zoom_absolute", 200)]).into_iter().collect())
        );
    }

    #[test]
    fn nothing_wanted_is_the_default_of_the_driver() {
        let camera = Recorded::new();
        set(&camera, &wanted(r#"{"zoom_absolute": null}"#)).unwrap();
        assert_eq!(camera.was_set(), pairs([("zoom_absolute", 100)]));
    }

    #[test]
    fn what_a_control_does_not_take_names_it_and_its_range_and_nothing_is_set() {
        for (json, said) in [
            (
                r#"{"brightness": 65}"#,
                "brightness: must be -64 to 64, not 65",
            ),
            (
                r#"{"brightness": true}"#,
                "brightness: must be -64 to 64, not true",
            ),
            (
                r#"{"pan_absolute": 100}"#,
                "pan_absolute: must be -36000 to 36000 in steps of 3600, not 100",
            ),
            (
                r#"{"zoom_absolute": -9223372036854775808}"#,
                "zoom_absolute: must be 100 to 400, not -9223372036854775808",
            ),
            (
                r#"{"white_balance_automatic": 2}"#,
                "white_balance_automatic: must be true or false, not 2",
            ),
            (
                r#"{"auto_exposure": "auto"}"#,
                "auto_exposure: must be one of \"Manual Mode\", \"Aperture Priority Mode\", not \"auto\"",
            ),
            (
                r#"{"auto_exposure": 2}"#,
                "auto_exposure: must be one of \"Manual Mode\", \"Aperture Priority Mode\", not 2",
            ),
            (
                r#"{"torch": true}"#,
                "torch: this camera has no such control; it has brightness, \
                 white_balance_automatic, auto_exposure, exposure_time_absolute, pan_absolute, \
                 zoom_absolute, led_1_mode, pan_reset",
            ),
            (
                r#"{"brightness": 9, "pan_reset": 1}"#,
                "pan_reset: must be true, which presses it, not 1",
            ),
            (
                r#"{"pan_reset": false}"#,
                "pan_reset: must be true, which presses it, not false",
            ),
            (
                r#"{"pan_reset": null}"#,
                "pan_reset: must be true, which presses it, and has no default",
            ),
        ] {
            let camera = Recorded::new();
            let error = set(&camera, &wanted(json)).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
            assert_eq!(camera.was_set(), []);
        }
    }

    #[test]
    fn one_the_driver_refuses_sets_those_before_it_back() {
        let camera = Recorded {
            refuses: Some("zoom_absolute"),
            ..Recorded::new()
        };
        let error = set(
            &camera,
            &wanted(r#"{"brightness": 9, "zoom_absolute": 200}"#),
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "zoom_absolute: the camera refuses: permission denied"
        );
        assert_eq!(
            camera.was_set(),
            pairs([("brightness", 9), ("brightness", 0)])
        );
    }

    #[test]
    fn what_is_kept_is_set_again_as_far_as_the_camera_still_has_it() {
        let camera = Recorded::new();
        let kept = pairs([
            ("auto_exposure", 1),
            ("brightness", 900),
            ("gone", 1),
            ("led_1_mode", 1),
        ]);
        let errors = restore(&camera, &kept.into_iter().collect());
        assert_eq!(
            camera.was_set(),
            pairs([("auto_exposure", 1), ("led_1_mode", 1)])
        );
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn a_node_that_is_not_there_is_named_with_the_remedy() {
        let absent = V4l2Panel::open(Path::new("/dev/video-absent"))
            .err()
            .unwrap();
        assert!(absent.contains("/dev/video-absent"), "{absent}");
    }
}
