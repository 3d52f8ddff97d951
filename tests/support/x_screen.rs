//! An X server without hardware, whose screen can be looked at.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a screen may take to show something.
const LIMIT: Duration = Duration::from_secs(30);

pub const SIZE: (usize, usize) = (640, 480);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Red,
    Green,
    Blue,
    Black,
    Else,
}

/// What is on a screen of [`SIZE`]: blue, green, red and one more byte a pixel.
pub struct Shot(pub Vec<u8>);

impl Shot {
    pub fn at(&self, x: usize, y: usize) -> Colour {
        let place = (y * SIZE.0 + x) * 4;
        match (self.0[place], self.0[place + 1], self.0[place + 2]) {
            (..60, ..60, 180..) => Colour::Red,
            (..60, 100.., ..60) => Colour::Green,
            (180.., ..60, ..60) => Colour::Blue,
            (..40, ..40, ..40) => Colour::Black,
            _ => Colour::Else,
        }
    }
}

/// A server of screens, ended with the value.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// An X server whose screen is a file.
pub fn x_server(folder: &Path, number: Option<&str>) -> (Server, String) {
    let mut command = Command::new("Xvfb");
    if let Some(number) = number {
        command.arg(number);
    }
    let mut child = command
        .args(["-displayfd", "1", "-screen", "0", "640x480x24"])
        .args(["-nolisten", "tcp", "-fbdir"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is installed: scripts/setup test");
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    (Server(child), format!(":{}", said.trim()))
}

/// The X server's own memory, in the format of `xwd`: a header, as long as its first word says,
/// colours of 12 bytes each (word 19 counts them), pixels.
fn shot(folder: &Path) -> Option<Shot> {
    let file = fs::read(folder.join("Xvfb_screen0")).ok()?;
    let word = |n: usize| {
        let bytes = file[n * 4..n * 4 + 4].try_into().unwrap();
        u32::from_be_bytes(bytes) as usize
    };
    let begin = word(0) + word(19) * 12;
    Some(Shot(file[begin..begin + SIZE.0 * SIZE.1 * 4].to_vec()))
}

/// Looks until it is as wanted; a screen tells nobody when its picture is another.
pub async fn shows(what: &str, folder: &Path, wanted: impl Fn(&Shot) -> bool) {
    let looking = async {
        while !shot(folder).is_some_and(|shot| wanted(&shot)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let shown = tokio::time::timeout(LIMIT, looking).await;
    assert!(shown.is_ok(), "the screen never shows {what}");
}
