//! Cameras as V4L2 tells of them: formats, sizes, rates, controls. Of all the nodes a board has,
//! the ones that capture pictures; decoders, encoders and image processors are named as what they
//! are, since people take their numbers for cameras.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use v4l::capability::Flags;
use v4l::control::{Flags as ControlFlags, MenuItem, Type, Value};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::{Device, context};

/// A `/dev/video*` node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoNode {
    /// Its path.
    pub path: PathBuf,
    /// What it calls itself; empty when it could not be asked.
    pub name: String,
    /// The kernel's driver.
    pub driver: String,
    /// Where it is attached (`usb-0000:01:00.0-1.3`).
    pub bus: String,
    /// What it is.
    #[serde(flatten)]
    pub role: Role,
}

/// What a node is for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// It captures pictures.
    Camera {
        /// In the driver's order, the preferred one first.
        formats: Vec<Format>,
        /// What can be set.
        controls: Vec<Control>,
    },
    /// A hardware codec or image processor: pictures in, pictures out.
    Converter,
    /// Metadata, radio, output: nothing a door station captures from.
    Other,
    /// It would not open or answer.
    Unusable {
        /// What is wrong and what to do about it.
        reason: String,
    },
}

/// A pixel format with its sizes, the largest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Format {
    /// The four characters V4L2 names it by (`MJPG`, `YUYV`).
    pub fourcc: String,
    /// Sizes it captures in.
    pub sizes: Vec<Size>,
}

/// A size and the most pictures a second in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures per second; none if the driver does not say.
    pub framerate: Option<f64>,
}

/// Something that can be set while it captures (exposure, torch, pan, tilt, zoom).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Control {
    /// V4L2's number.
    pub id: u32,
    /// The driver's name of it.
    pub name: String,
    /// The name it is set by: as `v4l2-ctl` makes it of the driver's, `Pan, Absolute` being
    /// `pan_absolute`.
    pub key: String,
    /// What values it takes.
    pub kind: ControlKind,
    /// Smallest value.
    pub minimum: i64,
    /// Largest value.
    pub maximum: i64,
    /// Distance of values.
    pub step: u64,
    /// What it is without anybody's doing.
    pub default: i64,
    /// What it is now; none if the driver does not say.
    pub value: Option<i64>,
    /// The choices, where values are names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

/// What values a control takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControlKind {
    /// Any of its range.
    Number,
    /// On or off.
    Switch,
    /// One of its choices.
    Choice,
    /// It is pressed, not set.
    Button,
}

/// One named value of a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Choice {
    /// What is set.
    pub value: u32,
    /// What it means.
    pub name: String,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        match self.framerate {
            Some(rate) if rate.fract() < 0.05 => write!(f, "@{rate:.0}"),
            Some(rate) => write!(f, "@{rate:.1}"),
            None => Ok(()),
        }
    }
}

/// Every video node of this machine, by number. Blocks for as long as the drivers take to answer,
/// usually milliseconds.
pub fn video_nodes() -> Vec<VideoNode> {
    let mut nodes = context::enum_devices();
    nodes.sort_by_key(|node| node.index());
    nodes.iter().map(|node| ask(node.path())).collect()
}

/// One node.
pub fn ask(path: &Path) -> VideoNode {
    let mut node = VideoNode {
        path: path.to_owned(),
        name: String::new(),
        driver: String::new(),
        bus: String::new(),
        role: Role::Other,
    };
    match describe(path, &mut node) {
        Ok(role) => node.role = role,
        Err(error) => {
            let reason = super::remedy(path, &error, "video");
            node.role = Role::Unusable { reason };
        }
    }
    node
}

fn describe(path: &Path, node: &mut VideoNode) -> io::Result<Role> {
    let device = Device::with_path(path)?;
    let told = device.query_caps()?;
    node.name = told.card;
    node.driver = told.driver;
    node.bus = told.bus;
    let captures = Flags::VIDEO_CAPTURE | Flags::VIDEO_CAPTURE_MPLANE;
    let converts = Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE;
    // A codec of an older kernel says that it captures and that it puts out.
    let puts_out = Flags::VIDEO_OUTPUT | Flags::VIDEO_OUTPUT_MPLANE;
    let flags = told.capabilities;
    if flags.intersects(converts) || (flags.intersects(captures) && flags.intersects(puts_out)) {
        return Ok(Role::Converter);
    }
    if !flags.intersects(captures) {
        return Ok(Role::Other);
    }
    let formats = formats(&device)?;
    Ok(Role::Camera {
        formats,
        controls: controls(&device),
    })
}

fn formats(device: &Device) -> io::Result<Vec<Format>> {
    let mut formats = Vec::new();
    for told in device.enum_formats()? {
        let mut sizes = Vec::new();
        // A driver that names a format but no sizes has just its present one.
        for size in device.enum_framesizes(told.fourcc).unwrap_or_default() {
            let corners = match size.size {
                FrameSizeEnum::Discrete(size) => vec![(size.width, size.height)],
                FrameSizeEnum::Stepwise(range) => vec![
                    (range.max_width, range.max_height),
                    (range.min_width, range.min_height),
                ],
            };
            for (width, height) in corners {
                let framerate = fastest(device, told.fourcc, width, height);
                sizes.push(Size {
                    width,
                    height,
                    framerate,
                });
            }
        }
        sizes.sort_by_key(|size| std::cmp::Reverse(u64::from(size.width) * u64::from(size.height)));
        sizes.dedup();
        formats.push(Format {
            fourcc: told.fourcc.to_string(),
            sizes,
        });
    }
    Ok(formats)
}

fn fastest(device: &Device, fourcc: v4l::FourCC, width: u32, height: u32) -> Option<f64> {
    device
        .enum_frameintervals(fourcc, width, height)
        .ok()?
        .into_iter()
        .map(|told| match told.interval {
            FrameIntervalEnum::Discrete(interval) => interval,
            FrameIntervalEnum::Stepwise(range) => range.min,
        })
        .filter(|interval| interval.numerator > 0)
        .map(|interval| f64::from(interval.denominator) / f64::from(interval.numerator))
        .fold(None, |most: Option<f64>, rate| {
            Some(most.map_or(rate, |most| most.max(rate)))
        })
}

/// A camera without controls is a camera all the same.
pub(super) fn controls(device: &Device) -> Vec<Control> {
    // The library panics at a control of a type its kernel headers do not have yet.
    let told = catch_unwind(AssertUnwindSafe(|| device.query_controls()));
    let Ok(told) = told else {
        tracing::warn!("a camera has controls of a kind that is not known; none of it can be set");
        return Vec::new();
    };
    let told = told.unwrap_or_default();
    told.into_iter()
        .filter(|control| {
            !control
                .flags
                .intersects(ControlFlags::DISABLED | ControlFlags::READ_ONLY)
        })
        .filter_map(|control| {
            let kind = match control.typ {
                Type::Integer => ControlKind::Number,
                Type::Boolean => ControlKind::Switch,
                Type::Menu | Type::IntegerMenu => ControlKind::Choice,
                Type::Button => ControlKind::Button,
                _ => return None,
            };
            let is_told =
                kind != ControlKind::Button && !control.flags.contains(ControlFlags::WRITE_ONLY);
            Some(Control {
                id: control.id,
                key: key(&control.name),
                name: control.name,
                kind,
                minimum: control.minimum,
                maximum: control.maximum,
                step: control.step,
                default: control.default,
                value: is_told.then(|| value(device, control.id)).flatten(),
                choices: choices(control.items),
            })
        })
        .collect()
}

fn value(device: &Device, id: u32) -> Option<i64> {
    match device.control(id).ok()?.value {
        Value::Integer(value) => Some(value),
        Value::Boolean(is_on) => Some(is_on.into()),
        _ => None,
    }
}

/// As `name2var` of `v4l2-ctl` has it.
fn key(name: &str) -> String {
    let mut key = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            key.push(c.to_ascii_lowercase());
        } else if !key.is_empty() && !key.ends_with('_') {
            key.push('_');
        }
    }
    key.trim_end_matches('_').to_owned()
}

fn choices(items: Option<Vec<(u32, MenuItem)>>) -> Vec<Choice> {
    items
        .into_iter()
        .flatten()
        .map(|(value, item)| Choice {
            value,
            name: item.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_no_camera_is_named_with_the_reason() {
        let node = ask(Path::new("/dev/null"));
        let Role::Unusable { reason } = node.role else {
            panic!("{node:?}");
        };
        assert!(reason.contains("/dev/null"), "{reason}");
        let absent = ask(Path::new("/dev/video-absent"));
        assert!(matches!(absent.role, Role::Unusable { .. }), "{absent:?}");
    }

    #[test]
    fn a_refused_node_names_the_group_to_join() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let said = super::super::remedy(Path::new("/dev/video0"), &denied, "video");
        assert!(said.contains("adduser USER video"), "{said}");
    }

    #[test]
    fn a_control_is_named_as_v4l2_ctl_names_it() {
        for (name, wanted) in [
            ("Brightness", "brightness"),
            ("Pan, Absolute", "pan_absolute"),
            ("White Balance, Automatic", "white_balance_automatic"),
            ("LED1 Mode (torch)", "led1_mode_torch"),
            ("Exposure Time, Absolute", "exposure_time_absolute"),
        ] {
            assert_eq!(key(name), wanted);
        }
    }

    #[test]
    fn rates_are_shown_without_needless_digits() {
        let size = |framerate| Size {
            width: 1280,
            height: 720,
            framerate,
        };
        assert_eq!(size(Some(30.0)).to_string(), "1280x720@30");
        assert_eq!(size(Some(7.5)).to_string(), "1280x720@7.5");
        assert_eq!(size(None).to_string(), "1280x720");
    }
}
