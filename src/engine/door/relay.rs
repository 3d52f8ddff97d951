//! What pulls the bolt.

use crate::config;
use crate::device::gpio::{LineError, Output};
use crate::engine::buttons::wanted;

/// The door's relay, or that there is none.
pub(super) enum Relay {
    /// This station opens no door of its own.
    None,
    /// Nothing moves.
    Virtual,
    /// A line, taken as soon as it can be.
    Line {
        line: config::GpioLine,
        active_low: bool,
        taken: Option<Output>,
    },
}

impl Relay {
    pub(super) fn of(relay: &config::Relay) -> Self {
        match relay {
            config::Relay::None => Self::None,
            config::Relay::Log => Self::Virtual,
            config::Relay::Line { line, active } => Self::Line {
                line: line.clone(),
                active_low: *active == config::Level::Low,
                taken: None,
            },
        }
    }

    pub(super) fn exists(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Takes the line, at rest. A call to the kernel of microseconds, and of a millisecond where the chip
    /// is behind a bus: short enough for the actors' thread.
    pub(super) fn open(&mut self) -> Result<(), LineError> {
        if let Self::Line {
            line,
            active_low,
            taken,
        } = self
            && taken.is_none()
        {
            *taken = Some(Output::open(wanted(line), *active_low)?);
        }
        Ok(())
    }

    /// Pulls it. A line that is gone, for instance with the plug of its chip, is taken anew.
    pub(super) fn pull(&mut self) -> Result<(), LineError> {
        if self.set(true).is_ok() {
            return Ok(());
        }
        if let Self::Line { taken, .. } = self {
            *taken = None;
        }
        self.set(true)
    }

    /// Lets it go.
    pub(super) fn release(&mut self) -> Result<(), LineError> {
        self.set(false)
    }

    fn set(&mut self, pulled: bool) -> Result<(), LineError> {
        self.open()?;
        match self {
            Self::Line {
                taken: Some(output),
                ..
            } => output.set(pulled),
            _ => Ok(()),
        }
    }
}
