//! Any plug pulled at any moment loses nothing and doubles nothing: two devices and a hub, all of
//! them real processes, over lines that cut, stall and refuse, while all three are killed again
//! and again. Every message arrives once, in order per dialog, and both sides find the same
//! history.
//!
//! A seed decides what happens when; it is printed, and `CHAOS_SEED` repeats it as far as the
//! scheduler allows; `CUBELET_BIN` names another hub. `CHAOS_MESSAGES` sets how many each side sends (`make chaos`: 10,000).

#![cfg(feature = "hub")]
// All of it is test code; clippy exempts only the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod device;
mod hub;
#[path = "../support/hub_process.rs"]
mod hub_process;
mod line;

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use device::Orders;
use hub::Hub;
use line::Line;

/// When everything is sent, nothing disturbs any more and still nothing arrives, it is over.
const CALM: Duration = Duration::from_secs(30);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// One device with its line.
struct Station {
    login: &'static str,
    orders: Orders,
    line: Line,
    process: Option<Child>,
}

impl Drop for Station {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Station {
    fn start(&mut self) {
        self.process = Some(self.orders.start());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// It may not end by itself.
    fn check(&mut self) {
        let ended = self.process.as_mut().map(|process| process.try_wait());
        if let Some(Ok(Some(status))) = ended {
            let words = std::fs::read_to_string(self.orders.folder.join("stderr"));
            panic!(
                "{} ended: {status}\n{}",
                self.login,
                words.unwrap_or_default()
            );
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mischief {
    Cut,
    CutBoth,
    Stall,
    Refuse,
    KillDevice,
    KillHub,
}

/// As often as each comes, by chance.
const MISCHIEFS: [(Mischief, u32); 6] = [
    (Mischief::Cut, 8),
    (Mischief::CutBoth, 3),
    (Mischief::Stall, 2),
    (Mischief::Refuse, 2),
    (Mischief::KillDevice, 4),
    (Mischief::KillHub, 2),
];

/// Every kind once, in any order, then by chance.
struct Deck {
    first: Vec<Mischief>,
}

impl Deck {
    fn shuffled(random: &mut StdRng) -> Self {
        let mut first: Vec<Mischief> = MISCHIEFS.iter().map(|(kind, _)| *kind).collect();
        first.shuffle(random);
        Self { first }
    }

    fn draw(&mut self, random: &mut StdRng) -> Mischief {
        if let Some(kind) = self.first.pop() {
            return kind;
        }
        let whole = MISCHIEFS.iter().map(|(_, weight)| weight).sum();
        let mut place: u32 = random.random_range(0..whole);
        for (kind, weight) in MISCHIEFS {
            if place < weight {
                return kind;
            }
            place -= weight;
        }
        Mischief::Cut
    }
}

async fn commit(kind: Mischief, hub: &mut Hub, stations: &mut [Station; 2], random: &mut StdRng) {
    let station = &mut stations[random.random_range(0..2)];
    let moment = Duration::from_millis(random.random_range(20..1200));
    match kind {
        Mischief::Cut => station.line.cut(),
        Mischief::CutBoth => {
            for station in stations {
                station.line.cut();
            }
        }
        Mischief::Stall => {
            station.line.stall();
            tokio::time::sleep(moment * 3).await;
            station.line.pass();
        }
        Mischief::Refuse => {
            station.line.refuse();
            tokio::time::sleep(moment).await;
            station.line.pass();
        }
        Mischief::KillDevice => {
            station.kill();
            tokio::time::sleep(moment).await;
            station.start();
        }
        Mischief::KillHub => {
            hub.kill();
            tokio::time::sleep(moment).await;
            hub.restart().await;
        }
    }
}

/// What a device received, by dialog, as numbers in the order they came.
fn numbers(received: &[String]) -> BTreeMap<String, Vec<u32>> {
    let mut numbers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for line in received {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, dialog, _, number] = words[..] else {
            panic!("{line}")
        };
        let number = number.parse().unwrap();
        numbers.entry(dialog.to_owned()).or_default().push(number);
    }
    numbers
}

/// Says what is wrong with a list that should be `first, first + 2, …` below `end`.
fn faults_of(list: &[u32], first: u32, end: u32) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut highest = None;
    for number in list {
        if !seen.insert(*number) {
            faults.push(format!("{number} came twice"));
        } else if highest > Some(*number) {
            faults.push(format!("{number} came after {}", highest.unwrap()));
        }
        highest = highest.max(Some(*number));
    }
    let lost = (first..end)
        .step_by(2)
        .filter(|number| !seen.contains(number));
    faults.extend(lost.map(|number| format!("{number} is lost")));
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_arrives_once_in_order_whatever_is_cut_or_killed() {
    let messages = setting("CHAOS_MESSAGES", 400) as u32;
    let seed = setting("CHAOS_SEED", 20_261_124);
    println!("CHAOS_SEED={seed} CHAOS_MESSAGES={messages}");
    let mut random = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let mut hub = Hub::start(folder).await;

    let users = [hub.sign_up("door").await, hub.sign_up("desk").await];
    let tokens = [hub.token("door").await, hub.token("desk").await];
    let dialogs = [
        hub.create_dialog(&tokens[0], 3, users[1]).await,
        hub.create_dialog(&tokens[0], 2, users[1]).await,
    ];
    let mut stations = Vec::new();
    for (place, login) in ["door", "desk"].into_iter().enumerate() {
        let home = folder.join(login);
        std::fs::create_dir(&home).unwrap();
        let line = Line::to(hub.xmpp_port, random.random(), 4_000..80_000).await;
        let orders = Orders {
            chat_host: hub.ready.chat.clone(),
            port: line.port(),
            ca: hub.ready.ca.clone(),
            app_id: hub.ready.app_id,
            user: users[place],
            password: format!("{login} password"),
            folder: home,
            peer: users[1 - place],
            dialogs: dialogs.clone(),
            messages,
            pace: setting("CHAOS_PACE_MS", 25),
        };
        stations.push(Station {
            login,
            orders,
            line,
            process: None,
        });
    }
    let Ok(mut stations) = <[Station; 2]>::try_from(stations) else {
        panic!("two stations")
    };
    for station in &mut stations {
        station.start();
    }

    let since = Instant::now();
    let mut mischiefs: BTreeMap<Mischief, u32> = BTreeMap::new();
    let mut deck = Deck::shuffled(&mut random);
    while stations
        .iter()
        .any(|station| station.orders.sent() < messages as usize)
    {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..400))).await;
        for station in &mut stations {
            station.check();
        }
        let kind = deck.draw(&mut random);
        commit(kind, &mut hub, &mut stations, &mut random).await;
        *mischiefs.entry(kind).or_default() += 1;
    }
    for station in &stations {
        station.line.calm();
    }
    let disturbed = since.elapsed();
    let since = Instant::now();
    let mut progress = (0, Instant::now());
    while progress.1.elapsed() < CALM {
        let arrived = [0, 1].map(|place: usize| stations[place].orders.received().len());
        if arrived.iter().all(|count| *count >= messages as usize) {
            break;
        }
        let arrived = arrived.iter().sum();
        if arrived != progress.0 {
            progress = (arrived, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What would come twice has a moment to do so.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let cuts: u64 = stations
        .iter()
        .map(|station| station.line.cuts.load(Ordering::Relaxed))
        .sum();
    println!(
        "{disturbed:?} of mischief, {cuts} connections ended, {mischiefs:?}, settled in {:?}",
        since.elapsed()
    );

    let mut faults = Vec::new();
    for station in &stations {
        let login = station.login;
        let words = station.orders.failures();
        faults.extend(
            words
                .iter()
                .map(|words| format!("{login} was refused {words}")),
        );
        let received = numbers(&station.orders.received());
        for (place, dialog) in dialogs.iter().enumerate() {
            let list = received.get(dialog).cloned().unwrap_or_default();
            let found = faults_of(&list, place as u32, messages);
            faults.extend(
                found
                    .iter()
                    .map(|fault| format!("{login}, dialog {place}: {fault}")),
            );
        }
        for dialog in received.keys().filter(|dialog| !dialogs.contains(dialog)) {
            faults.push(format!("{login} received in an unknown dialog {dialog:?}"));
        }
    }
    for (place, dialog) in dialogs.iter().enumerate() {
        let door = hub.history(&tokens[0], dialog).await;
        let desk = hub.history(&tokens[1], dialog).await;
        if door != desk {
            faults.push(format!("dialog {place}: the histories differ"));
        }
        for user in users {
            let own = door.iter().filter_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                (words[1] == user.to_string()).then(|| words[2].parse().unwrap())
            });
            let own: Vec<u32> = own.collect();
            let found = faults_of(&own, place as u32, messages);
            let found = found.iter();
            faults.extend(found.map(|fault| format!("history {place} of {user}: {fault}")));
        }
    }
    let count = faults.len();
    faults.truncate(40);
    if count > 0 && std::env::var_os("CHAOS_KEEP").is_some() {
        println!("kept in {}", directory.keep().display());
    }
    assert!(
        count == 0,
        "{count} faults, seed {seed}:\n{}",
        faults.join("\n")
    );
    for station in &mut stations {
        station.kill();
        let store = cubelet::store::Store::open(&station.orders.folder.join("device.db")).unwrap();
        assert_eq!(store.pending_count().await.unwrap(), 0, "{}", station.login);
        assert_eq!(store.untaken().await.unwrap(), []);
    }
}
