//! `make bench-media`: what calls cost and how late their pictures are, beside GStreamer's
//! `webrtcbin` doing the same. Method and figures: docs/benchmarks.md.
//!
//! Usage: media_load [cost|latency|chromium]... [--seconds N]
//! Its parts, which tell each other lines of JSON: send CALLS | receive | watch | latency-ours SECONDS

mod ends;
mod latency;
mod process;
mod signal;
// The benchmark of chat uses all of it.
#[allow(dead_code)]
#[path = "../chat/statistics.rs"]
mod statistics;
mod timecode;

use std::time::Duration;

use anyhow::{Context, bail};
use process::{Call, Program};
use statistics::{Bound, print};

/// Beyond the time a measurement takes, for its parts to start and end.
const SLACK: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u32>().context("a number is expected");
    match words.as_slice() {
        ["send", count] => ends::send(number(count)? as usize),
        ["receive"] => ends::receive(false),
        ["watch"] => ends::receive(true),
        ["latency-ours", seconds] => latency::measure(Duration::from_secs(number(seconds)?.into())),
        _ => measure(&words),
    }
}

fn measure(words: &[&str]) -> anyhow::Result<()> {
    let mut parts = Vec::new();
    let mut seconds = 20;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "cost" | "latency" | "chromium" => parts.push(*word),
            "--seconds" => seconds = words.next().context("--seconds needs a number")?.parse()?,
            // What cargo tells every benchmark.
            "--bench" => {}
            other => bail!("unknown argument {other:?}: cost, latency, chromium, --seconds N"),
        }
    }
    let wants = |part| parts.is_empty() || parts.contains(&part);
    let duration = Duration::from_secs(seconds);
    if wants("cost") {
        cost(duration)?;
    }
    if wants("latency") {
        delay(duration)?;
    }
    // Needs the packages of the interop tests, so that it is asked for by name.
    if parts.contains(&"chromium") {
        beside_chromium(duration)?;
    }
    Ok(())
}

fn run(program: Program, peers: u32, duration: Duration) -> anyhow::Result<process::Cost> {
    let cost = Call::start(program, peers)?.measure(duration)?;
    eprintln!(
        "{program:?} with {peers} peers: {:.1} % of a core, {:.1} MB, each receives {:?} kbit/s",
        cost.cpu_percent, cost.resident_mb, cost.received_kbps
    );
    Ok(cost)
}

/// Three calls of each, at the same size, rate and limit of the bitrate.
fn beside_chromium(duration: Duration) -> anyhow::Result<()> {
    let ours = run(Program::Ours, 3, duration)?;
    let theirs = run(Program::Chromium, 3, duration)?;
    let peer = "chromium";
    print(
        "media_cpu_three_peers",
        "% of a core",
        ours.cpu_percent,
        Some((peer, theirs.cpu_percent)),
        Bound::AtMost(theirs.cpu_percent),
    );
    print(
        "media_memory_three_peers",
        "MB",
        ours.resident_mb,
        Some((peer, theirs.resident_mb)),
        Bound::AtMost(theirs.resident_mb),
    );
    Ok(())
}

fn cost(duration: Duration) -> anyhow::Result<()> {
    let run = |program, peers| run(program, peers, duration);
    let encoding = run(Program::Ours, 0)?;
    let (one, three) = (run(Program::Ours, 1)?, run(Program::Ours, 3)?);
    let (their_one, their_three) = (run(Program::Webrtcbin, 1)?, run(Program::Webrtcbin, 3)?);
    let peer = "webrtcbin";
    print(
        "media_cpu_one_peer",
        "% of a core",
        one.cpu_percent,
        Some((peer, their_one.cpu_percent)),
        Bound::AtMost(their_one.cpu_percent),
    );
    print(
        "media_cpu_three_peers",
        "% of a core",
        three.cpu_percent,
        Some((peer, their_three.cpu_percent)),
        Bound::None,
    );
    print(
        "media_cpu_three_peers_to_one",
        "times",
        three.cpu_percent / one.cpu_percent,
        Some((peer, their_three.cpu_percent / their_one.cpu_percent)),
        Bound::AtMost(1.3),
    );
    print(
        "media_cpu_transport",
        "% of a core",
        one.cpu_percent - encoding.cpu_percent,
        None,
        Bound::AtMost(3.0),
    );
    print(
        "media_memory_further_peer",
        "MB",
        (three.resident_mb - one.resident_mb) / 2.0,
        Some((
            peer,
            (their_three.resident_mb - their_one.resident_mb) / 2.0,
        )),
        Bound::AtMost(4.0),
    );
    Ok(())
}

fn delay(duration: Duration) -> anyhow::Result<()> {
    let mut ours = process::latencies(Program::Ours, duration)?;
    let mut theirs = process::latencies(Program::Webrtcbin, duration)?;
    eprintln!("{} and {} pictures", ours.len(), theirs.len());
    for (share, bound) in [(0.5, Bound::None), (0.95, Bound::AtMost(120.0))] {
        let none = "no picture came";
        print(
            &format!("media_glass_to_glass_p{:.0}", share * 100.0),
            "ms",
            ours.quantile(share).context(none)?,
            Some(("webrtcbin", theirs.quantile(share).context(none)?)),
            bound,
        );
    }
    Ok(())
}
