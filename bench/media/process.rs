//! Programs under measurement: started, connected with each other, and looked at from outside.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::SLACK;
use crate::signal::Line;
use crate::statistics::Latencies;

/// After the last call is connected, before anything is measured: rates settle.
const WARM_UP: Duration = Duration::from_secs(8);
/// Less does not count as a call with pictures.
const LEAST_KBPS: u32 = 300;

/// Whose.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// This repository's.
    Ours,
    /// GStreamer's, driven by a small program beside this one.
    Webrtcbin,
    /// Debian's Chromium, driven by a small program beside this one.
    Chromium,
}

impl Program {
    fn command(self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = match self {
            Self::Ours => Command::new(std::env::current_exe()?),
            Self::Webrtcbin => {
                // Debian's own: GStreamer's bindings are not in a virtual environment.
                let mut python = Command::new("/usr/bin/python3");
                python.arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/bench/media/webrtcbin.py"
                ));
                python
            }
            Self::Chromium => {
                let mut node = Command::new("node");
                node.arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/bench/media/chromium.mjs"
                ));
                node
            }
        };
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Ok(command)
    }
}

/// What a run took.
pub struct Cost {
    pub cpu_percent: f64,
    pub resident_mb: f64,
    pub received_kbps: Vec<u32>,
}

/// A program whose end is our end.
struct Running {
    child: Child,
    input: ChildStdin,
}

impl Running {
    fn start(mut command: Command) -> anyhow::Result<(Self, BufReader<ChildStdout>)> {
        let mut child = command.spawn().context("a program does not start")?;
        let input = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        Ok((Self { child, input }, BufReader::new(output)))
    }

    /// What does the work: the program, or what it drives.
    fn workers(&self, program: Program) -> anyhow::Result<Vec<u32>> {
        let root = self.child.id();
        let Program::Chromium = program else {
            return Ok(vec![root]);
        };
        let mut parents = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // One that has just ended is none any more.
            if let Ok(fields) = stat(id) {
                parents.push((id, fields.parent));
            }
        }
        let mut family = vec![root];
        let mut at = 0;
        while let Some(parent) = family.get(at).copied() {
            let children = parents.iter().filter(|(_, of)| *of == parent);
            family.extend(children.map(|(id, _)| *id));
            at += 1;
        }
        family.remove(0);
        ensure!(!family.is_empty(), "Chromium does not run");
        Ok(family)
    }

    /// Seconds of processor time so far.
    fn cpu(&self, program: Program) -> anyhow::Result<f64> {
        let mut seconds = 0.0;
        for id in self.workers(program)? {
            seconds += stat(id)?.cpu_seconds;
        }
        Ok(seconds)
    }

    /// Of several processes, what they share is counted once.
    fn resident_mb(&self, program: Program) -> anyhow::Result<f64> {
        let what = match program {
            Program::Chromium => "Pss:",
            _ => "Rss:",
        };
        let mut kb = 0.0;
        for id in self.workers(program)? {
            let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix(what));
            let text = line.and_then(|line| line.split_whitespace().next());
            kb += text.context("no resident memory")?.parse::<f64>()?;
        }
        Ok(kb / 1_024.0)
    }
}

struct Stat {
    parent: u32,
    cpu_seconds: f64,
}

fn stat(id: u32) -> anyhow::Result<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // Behind the name, which may contain anything: state is the third field.
    let (_, fields) = stat.rsplit_once(')').context("stat without a name")?;
    let field = |field: usize| {
        let text = fields.split_whitespace().nth(field - 3);
        text.context("stat is short")
    };
    // utime and stime in ticks, of which Linux has 100 a second for every program.
    let ticks = field(14)?.parse::<f64>()? + field(15)?.parse::<f64>()?;
    Ok(Stat {
        parent: field(4)?.parse()?,
        cpu_seconds: ticks / 100.0,
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Sender,
    Receiver,
}

/// A sender with a receiver for each of its calls.
pub struct Call {
    program: Program,
    sender: Running,
    receiver: Running,
    lines: Receiver<(End, String)>,
    peers: u32,
}

impl Call {
    /// The receiver is always ours, so that both senders serve the same.
    pub fn start(program: Program, peers: u32) -> anyhow::Result<Self> {
        let count = peers.to_string();
        let (receiver, from_receiver) = Running::start(Program::Ours.command(&["receive"])?)?;
        let (sender, from_sender) = Running::start(program.command(&["send", &count])?)?;
        let (told, lines) = channel();
        listen(End::Sender, from_sender, told.clone());
        listen(End::Receiver, from_receiver, told);
        Ok(Self {
            program,
            sender,
            receiver,
            lines,
            peers,
        })
    }

    /// Carries signals until all calls bring pictures, and measures the sender for so long.
    pub fn measure(mut self, duration: Duration) -> anyhow::Result<Cost> {
        let limit = Instant::now() + SLACK;
        while self.peers > 0 {
            let kbps = self.carry(limit)?;
            if self.flows(&kbps) {
                break;
            }
            ensure!(Instant::now() < limit, "no pictures came: {kbps:?} kbit/s");
        }
        self.carry_until(Instant::now() + WARM_UP)?;
        let (began, before) = (Instant::now(), self.sender.cpu(self.program)?);
        let received_kbps = self.carry_until(began + duration)?;
        let spent = self.sender.cpu(self.program)? - before;
        ensure!(
            self.peers == 0 || self.flows(&received_kbps),
            "pictures ceased: {received_kbps:?} kbit/s"
        );
        Ok(Cost {
            cpu_percent: spent * 100.0 / began.elapsed().as_secs_f64(),
            resident_mb: self.sender.resident_mb(self.program)?,
            received_kbps,
        })
    }

    fn flows(&self, kbps: &[u32]) -> bool {
        kbps.len() == self.peers as usize && kbps.iter().all(|kbps| *kbps >= LEAST_KBPS)
    }

    /// Until the receiver tells what it receives.
    fn carry(&mut self, limit: Instant) -> anyhow::Result<Vec<u32>> {
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let (from, line) = self.lines.recv_timeout(left).context("silence")?;
            if let Ok(Line::Received { kbps, .. }) = serde_json::from_str(&line) {
                return Ok(kbps);
            }
            let to = match from {
                End::Sender => &mut self.receiver,
                End::Receiver => &mut self.sender,
            };
            writeln!(to.input, "{line}")?;
        }
    }

    fn carry_until(&mut self, until: Instant) -> anyhow::Result<Vec<u32>> {
        let mut last = Vec::new();
        while Instant::now() < until {
            last = self.carry(until + Duration::from_secs(5))?;
        }
        Ok(last)
    }
}

fn listen(end: End, output: BufReader<ChildStdout>, told: Sender<(End, String)>) {
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if told.send((end, line)).is_err() {
                return;
            }
        }
    });
}

/// Delays of all pictures of so much time.
pub fn latencies(program: Program, duration: Duration) -> anyhow::Result<Latencies> {
    let seconds = duration.as_secs().to_string();
    let word = match program {
        Program::Ours => "latency-ours",
        Program::Webrtcbin => "latency",
        Program::Chromium => bail!("Chromium's pictures carry no time"),
    };
    let (running, output) = Running::start(program.command(&[word, &seconds])?)?;
    let (told, lines) = channel();
    listen(End::Sender, output, told);
    let limit = Instant::now() + duration + SLACK;
    loop {
        let left = limit.saturating_duration_since(Instant::now());
        let line = match lines.recv_timeout(left) {
            Ok((_, line)) => line,
            Err(RecvTimeoutError::Timeout) => bail!("{program:?} told nothing"),
            Err(RecvTimeoutError::Disconnected) => bail!("{program:?} ended"),
        };
        if let Ok(Line::Latencies { micros }) = serde_json::from_str(&line) {
            drop(running);
            let mut latencies = Latencies::default();
            for micros in micros {
                latencies.add(Duration::from_micros(micros.into()));
            }
            return Ok(latencies);
        }
    }
}
