//! A Wayland compositor without hardware.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::x_screen::Server;

/// Weston's desktop without a panel; its socket is `screen` in that folder.
pub fn weston(folder: &Path) -> Server {
    let settings = folder.join("weston.ini");
    fs::write(
        &settings,
        "[shell]\npanel-position=none\nstartup-animation=none\nclose-animation=none\nanimation=none\nbackground-color=0xff00ff00\nlocking=false\n",
    )
    .expect("a file");
    let child = Command::new("weston")
        .args(["--backend=headless-backend.so", "--use-pixman"])
        .args(["--width=640", "--height=480", "--idle-time=0", "--debug"])
        .args(["--socket=screen", "--shell=desktop-shell.so"])
        .arg(format!("--config={}", settings.display()))
        .env("XDG_RUNTIME_DIR", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("weston is installed: scripts/setup test");
    Server(child)
}
