//! A camera of the network, played by an RTSP server nobody here wrote: GStreamer's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The process of the server; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start(launch: &str) -> Self {
        Self::start_at(0, launch, &[])
    }

    pub fn start_at(port: u16, launch: &str, login: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/rtsp_server.py");
        // Debian's, which is who has GStreamer's bindings.
        let mut child = Command::new("/usr/bin/python3")
            .args([script, &port.to_string(), launch])
            .args(login)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line
            .trim()
            .parse()
            .expect("python3-gi and gir1.2-gst-rtsp-server-1.0 are installed: scripts/setup test");
        Self { child, port }
    }

    pub fn signal(&self, name: &str) {
        let told = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(told.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub fn h264(pattern: &str) -> String {
    format!(
        "( videotestsrc is-live=true pattern={pattern} ! video/x-raw,width=320,height=240,framerate=15/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96 )"
    )
}
