//! Many calls one after the other in one process, and a very long one: what they leave behind shows.
//!
//! `make soak-calls` makes a thousand; `SOAK_CALLS` says how many. `make soak-media` holds one for an
//! hour; `SOAK_MINUTES` says for how long.

use std::time::Duration;

use cubelet::base::allocator;
use cubelet::engine::command::Command;
use cubelet::engine::state::CallStatus;

use crate::site::{Site, Station, door_and_indoor, talk};

/// Calls after which everything kept for good is there: pools, caches, the allocator's arenas.
const WARM: usize = 20;
/// What a thread or a file may take to be gone after the end of its call was told.
const SETTLES_IN: Duration = Duration::from_secs(20);

/// What this process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    threads: u64,
    files: u64,
    resident_kb: u64,
}

impl Held {
    fn now() -> Self {
        // What is free and merely kept by the allocator is not held.
        allocator::trim();
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
        let number = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("no {name} in {status}"))
        };
        Self {
            threads: number("Threads:"),
            files: std::fs::read_dir("/proc/self/fd").expect("/proc").count() as u64,
            resident_kb: number("VmRSS:"),
        }
    }

    /// As members of a JSON object: what was held before, and what is.
    fn beside(self, before: Self) -> String {
        format!(
            "\"resident_kb\":[{},{}],\"threads\":[{},{}],\"files\":[{},{}]",
            before.resident_kb,
            self.resident_kb,
            before.threads,
            self.threads,
            before.files,
            self.files,
        )
    }

    fn is_within(self, before: Self) -> bool {
        self.threads <= before.threads && self.files <= before.files
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_one_after_the_other_leave_no_thread_no_file_and_no_memory_behind() {
    let calls: usize = std::env::var("SOAK_CALLS")
        .map(|text| text.parse().expect("SOAK_CALLS is a number"))
        .unwrap_or(50);
    // As `cubelet run` does.
    allocator::tune_for_small_boards();
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    for _ in 0..WARM {
        call(&mut door, &mut indoor).await;
    }
    let before = settled(None).await;
    let mut resident = Vec::new();
    for number in 0..calls {
        call(&mut door, &mut indoor).await;
        resident.push(Held::now().resident_kb as f64);
        if (number + 1) % 100 == 0 {
            eprintln!("{} calls: {:?}", number + 1, Held::now());
        }
    }
    let after = settled(Some(before)).await;
    let slope = slope(&resident);
    println!(
        "{{\"figure\":\"soak_calls\",\"calls\":{calls},\"resident_kb_per_call\":{slope:.2},{}}}",
        after.beside(before)
    );
    assert!(after.is_within(before), "{before:?} became {after:?}");
    // A leaked pipeline or peer connection is some hundred kilobytes a call, two of each.
    assert!(slope < 100.0, "{slope:.1} kB a call: {resident:?}");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "as long as a call may be; make soak-media"]
async fn a_long_call_goes_on_as_it_began() {
    let minutes: u64 = std::env::var("SOAK_MINUTES")
        .map(|text| text.parse().expect("SOAK_MINUTES is a number"))
        .unwrap_or(60);
    allocator::tune_for_small_boards();
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    // Rates, and all that is made when it is first needed.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = Held::now();
    let mut resident = Vec::new();
    let mut seen = [&door, &indoor].map(counters);
    for minute in 1..=minutes {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            resident.push(Held::now().resident_kb as f64);
        }
        for (station, seen) in [&door, &indoor].into_iter().zip(&mut seen) {
            let now = counters(station);
            let (pictures, sound_ms) = (now.0 - seen.0, now.1 - seen.1);
            // A loaded machine may be late; pictures and sound must not cease.
            assert!(pictures > 300, "minute {minute}: {pictures} pictures");
            assert!(sound_ms > 30_000, "minute {minute}: {sound_ms} ms of sound");
            *seen = now;
        }
        if minute % 10 == 0 {
            eprintln!("{minute} minutes: {:?}", Held::now());
        }
    }
    let after = settled(Some(before)).await;
    // Six values a minute.
    let an_hour = slope(&resident) * 360.0;
    let freezes: u64 = [&door, &indoor]
        .map(|one| one.state().call.media.unwrap_or_default().freezes)
        .iter()
        .sum();
    println!(
        "{{\"figure\":\"soak_media\",\"minutes\":{minutes},\"resident_kb_per_hour\":{an_hour:.0},\
         \"freezes\":{freezes},{}}}",
        after.beside(before)
    );
    assert!(after.is_within(before), "{before:?} became {after:?}");
    indoor.command(Command::Hangup).await.expect("hung up");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

/// Pictures decoded, and milliseconds of sound.
fn counters(station: &Station) -> (u64, u64) {
    let media = station.state().call.media.expect("the call goes on");
    (media.frames_decoded, media.audio_decoded_ms)
}

async fn call(door: &mut Station, indoor: &mut Station) {
    talk(door, indoor).await;
    indoor.command(Command::Hangup).await.expect("hung up");
    for station in [door, indoor] {
        station.ended().await;
        station
            .reaches("idle", |state| state.call.status == CallStatus::Idle)
            .await;
    }
}

/// What is held once it is no more than `before`, or the time for that is over; without `before`,
/// once it has not changed for a while.
async fn settled(before: Option<Held>) -> Held {
    let until = tokio::time::Instant::now() + SETTLES_IN;
    let mut last = Held::now();
    loop {
        // There is no event for a thread of the kernel's that is gone.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = Held::now();
        let is_settled = match before {
            Some(before) => now.is_within(before),
            None => now.is_within(last) && last.is_within(now),
        };
        if is_settled || tokio::time::Instant::now() > until {
            return now;
        }
        last = now;
    }
}

/// Of the straight line through the values, per step (least squares).
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let distance = at as f64 - middle;
        above += distance * (value - mean);
        below += distance * distance;
    }
    above / below
}
