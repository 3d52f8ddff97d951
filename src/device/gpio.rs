//! Lines of GPIO chips through the kernel's character devices: relays and push buttons.
//!
//! A line that was opened belongs to this process alone until it is dropped. An output is dropped
//! at rest, and rests from its first moment: a board that starts opens no door.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use gpiocdev::line::Bias;
use gpiocdev::line::{EdgeDetection, EdgeKind, Offset, Value};
use gpiocdev::request::{Builder, Request};
use gpiocdev::tokio::AsyncRequest;
use serde::Serialize;

use super::remedy;

/// Who holds a line, as `gpioinfo` shows it.
const CONSUMER: &str = "cubelet";

/// Which line.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// By its name in the board's device tree.
    Named(&'a str),
    /// By its place.
    Numbered {
        /// Such as `gpiochip0`.
        chip: &'a str,
        /// From 0.
        number: u32,
    },
}

/// How an input is read.
#[derive(Clone, Copy, Debug)]
pub struct InputSettings {
    /// Pressed is low.
    pub active_low: bool,
    /// The resistor inside the chip; None leaves it as it is.
    pub bias: Option<Bias>,
    /// How long a level must hold to count, at most some seconds.
    pub debounce: Duration,
}

/// Why a line does not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is no chip at all, or not this one.
    #[error("there is no GPIO chip `{0}`: `cubelet devices` lists those of this board")]
    NoChip(String),
    /// No chip has a line of this name.
    #[error("no GPIO chip has a line named `{0}`: `cubelet devices` lists what there is")]
    NoName(String),
    /// The chip has fewer lines.
    #[error("{chip} has {lines} lines, from 0; there is no line {number}")]
    NoNumber {
        /// The chip.
        chip: String,
        /// What was asked for.
        number: u32,
        /// How many there are.
        lines: u32,
    },
    /// Somebody else has it.
    #[error("line {number} of {chip} is in use by `{by}`")]
    Busy {
        /// The chip.
        chip: String,
        /// The line.
        number: u32,
        /// The kernel's driver, or a program.
        by: String,
    },
    /// The system refuses.
    #[error("{0}")]
    System(String),
}

/// A line that pulls a relay.
#[derive(Debug)]
pub struct Output {
    request: Request,
}

impl Output {
    /// Takes the line and lets it rest.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn open(wanted: Wanted<'_>, active_low: bool) -> Result<Self, LineError> {
        let place = find(wanted)?;
        let mut builder = place.builder();
        if active_low {
            builder.as_active_low();
        }
        builder.as_output(Value::Inactive);
        let request = place.request(&mut builder)?;
        Ok(Self { request })
    }

    /// Pulls it or lets it go.
    ///
    /// # Errors
    /// [`LineError::System`], for instance of a chip that was unplugged.
    pub fn set(&self, pulled: bool) -> Result<(), LineError> {
        let value = if pulled {
            Value::Active
        } else {
            Value::Inactive
        };
        let set = self.request.set_lone_value(value);
        set.map_err(|error| LineError::System(error.to_string()))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Many chips keep the last level of a line that nobody holds.
        if let Err(error) = self.set(false) {
            tracing::error!(%error, "a relay could not be let go");
        }
    }
}

/// A line that a push button is on. Lives in a tokio runtime.
#[derive(Debug)]
pub struct Input {
    request: AsyncRequest,
}

/// A button went down or up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Whether it is pressed now.
    pub pressed: bool,
    /// When, on the kernel's monotonic clock.
    pub at: Duration,
}

impl Input {
    /// Takes the line. Gives with it whether the button is pressed at this moment.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn open(wanted: Wanted<'_>, settings: InputSettings) -> Result<(Self, bool), LineError> {
        let place = find(wanted)?;
        let mut builder = place.builder();
        builder.as_input();
        if settings.active_low {
            builder.as_active_low();
        }
        builder.with_bias(settings.bias);
        builder.with_edge_detection(EdgeDetection::BothEdges);
        if !settings.debounce.is_zero() {
            builder.with_debounce_period(settings.debounce);
        }
        let request = place.request(&mut builder)?;
        let value = request
            .lone_value()
            .map_err(|error| LineError::System(error.to_string()))?;
        let request = AsyncRequest::new(request);
        Ok((Self { request }, value == Value::Active))
    }

    /// The next press or release. May be dropped while it waits.
    ///
    /// # Errors
    /// [`LineError::System`]: the line is gone for good, for instance with its chip.
    pub async fn next(&self) -> Result<Edge, LineError> {
        let event = self.request.read_edge_event().await;
        let event = event.map_err(|error| LineError::System(error.to_string()))?;
        Ok(Edge {
            pressed: event.kind == EdgeKind::Rising,
            at: Duration::from_nanos(event.timestamp_ns),
        })
    }
}

/// Whether a line could be taken, without taking it.
///
/// # Errors
/// As [`Output::open`] would give.
pub fn look(wanted: Wanted<'_>) -> Result<(), LineError> {
    find(wanted)?.free()
}

/// A line that exists.
struct Place {
    chip: PathBuf,
    number: Offset,
    used_by: Option<String>,
}

impl Place {
    fn builder(&self) -> Builder {
        let mut builder = Request::builder();
        builder.on_chip(&self.chip).with_consumer(CONSUMER);
        builder.with_line(self.number);
        builder
    }

    fn free(&self) -> Result<(), LineError> {
        match &self.used_by {
            None => Ok(()),
            Some(by) => Err(LineError::Busy {
                chip: name(&self.chip),
                number: self.number,
                by: by.clone(),
            }),
        }
    }

    fn request(&self, builder: &mut Builder) -> Result<Request, LineError> {
        self.free()?;
        builder.request().map_err(|error| said(&self.chip, &error))
    }
}

fn find(wanted: Wanted<'_>) -> Result<Place, LineError> {
    match wanted {
        Wanted::Numbered { chip, number } => {
            let path = Path::new("/dev").join(chip);
            if !path.exists() {
                return Err(LineError::NoChip(chip.to_owned()));
            }
            let open = gpiocdev::Chip::from_path(&path).map_err(|error| said(&path, &error))?;
            let lines = open.info().map_err(|error| said(&path, &error))?.num_lines;
            if number >= lines {
                return Err(LineError::NoNumber {
                    chip: chip.to_owned(),
                    number,
                    lines,
                });
            }
            let info = open
                .line_info(number)
                .map_err(|error| said(&path, &error))?;
            Ok(Place {
                chip: path,
                number,
                used_by: info.used.then_some(info.consumer),
            })
        }
        Wanted::Named(wanted) => {
            let mut refused = None;
            for path in paths() {
                match gpiocdev::Chip::from_path(&path) {
                    Ok(chip) => {
                        if let Some(info) = chip.find_line_info(wanted) {
                            return Ok(Place {
                                chip: path,
                                number: info.offset,
                                used_by: info.used.then_some(info.consumer),
                            });
                        }
                    }
                    Err(error) => refused = Some(said(&path, &error)),
                }
            }
            // A chip that does not open may well be the one.
            Err(refused.unwrap_or_else(|| LineError::NoName(wanted.to_owned())))
        }
    }
}

/// The chips' device nodes, in the order of their numbers.
fn paths() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/dev") else {
        return Vec::new();
    };
    let mut numbered: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_prefix("gpiochip")?;
            Some((number.parse().ok()?, path))
        })
        .collect();
    numbered.sort();
    numbered.into_iter().map(|(_, path)| path).collect()
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn said(path: &Path, error: &gpiocdev::Error) -> LineError {
    LineError::System(match error {
        gpiocdev::Error::Os(errno) => remedy(path, &io::Error::from_raw_os_error(errno.0), "gpio"),
        other => format!("{}: {other}", path.display()),
    })
}

/// A chip and what is on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chip {
    /// Such as `gpiochip0`.
    pub name: String,
    /// The driver's name for it.
    pub label: String,
    /// Its lines, or why they cannot be told.
    pub lines: Result<Vec<Line>, String>,
}

/// A line as its chip tells of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// From 0.
    pub number: u32,
    /// Its name; empty for one that has none.
    pub name: String,
    /// Who uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
}

/// The chips of this board.
pub fn chips() -> Vec<Chip> {
    paths().iter().map(|path| chip(path)).collect()
}

fn chip(path: &Path) -> Chip {
    let looked = (|| {
        let chip = gpiocdev::Chip::from_path(path)?;
        let lines = chip.line_info_iter()?.map(|info| {
            info.map(|info| Line {
                number: info.offset,
                used_by: info.used.then_some(info.consumer),
                name: info.name,
            })
        });
        let lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
        Ok::<_, gpiocdev::Error>((chip.info()?.label, lines))
    })();
    match looked {
        Ok((label, lines)) => Chip {
            name: name(path),
            label,
            lines: Ok(lines),
        },
        Err(error) => Chip {
            name: name(path),
            label: String::new(),
            lines: Err(said(path, &error).to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_that_is_not_there_is_named() {
        let wanted = Wanted::Numbered {
            chip: "gpiochip999",
            number: 17,
        };
        let error = Output::open(wanted, false).unwrap_err();
        assert_eq!(error, LineError::NoChip("gpiochip999".into()));
    }

    #[test]
    fn a_line_that_is_not_there_is_named() {
        let error = Output::open(Wanted::Named("NO_SUCH_LINE"), false).unwrap_err();
        assert_eq!(error, LineError::NoName("NO_SUCH_LINE".into()));
    }
}
