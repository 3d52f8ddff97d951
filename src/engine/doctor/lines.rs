//! The door's relay and the buttons: whether their lines are there and free. None is moved.

use super::Check;
use crate::config::{DeviceConfig, GpioLine, Relay};
use crate::device::gpio;
use crate::engine::buttons::wanted;

/// `running`: a daemon of this device holds the lines.
pub(super) fn check(config: &DeviceConfig, running: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    match &config.door.relay {
        Relay::None => {}
        Relay::Log => checks.push(Check::warning(
            "door",
            "`[door] relay = \"log\"` moves nothing",
            "name the line of a real relay, such as `relay = \"gpio:GPIO17\"`",
        )),
        Relay::Line { line, .. } => checks.push(look("door", line, running)),
    }
    for button in &config.buttons {
        checks.push(look(
            format!("button {}", button.name),
            &button.line,
            running,
        ));
    }
    checks
}

fn look(name: impl Into<String>, line: &GpioLine, running: bool) -> Check {
    if running {
        return Check::skipped(
            name,
            format!("{line} is the running daemon's; see its state"),
        );
    }
    match gpio::look(wanted(line)) {
        Ok(()) => Check::passed(name, format!("{line} is there and free")),
        Err(error) => Check::failed(name, error.to_string(), "`cubelet devices` lists the lines"),
    }
}
