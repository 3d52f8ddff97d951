//! An outage of the broker in real time, as a site has it: nothing told is lost, and waiting costs
//! next to nothing. Not part of `make test`: `make outage`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::broker::{Broker, Client};
use crate::presses::{Heard, device_without_a_broker, presses, tell};
use crate::process::Process;

const EVENTS: usize = 500;
/// What a daemon says after each try.
const REFUSED: &str = "not connected to the broker";

/// How long the broker is away, unless `OUTAGE_SECONDS` says otherwise.
fn outage() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(600, |text| text.parse().expect("OUTAGE_SECONDS: seconds")))
}

/// Processor time of a process so far, all its threads.
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold anything; what counts stands after it.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks: u64 = [11, 12]
        .map(|n: usize| fields[n].parse::<u64>().unwrap())
        .iter()
        .sum();
    // USER_HZ, which Linux promises to be 100 to programs.
    Duration::from_millis(ticks * 10)
}

#[tokio::test]
#[ignore = "takes ten minutes: `make outage`"]
async fn after_an_outage_in_real_time_no_event_is_lost_and_waiting_cost_next_to_nothing() {
    let outage = outage();
    let mut broker = Broker::start().await;
    // The whole daemon, which is measured and finds nobody at the broker's port; and control with an
    // engine that tells five hundred things meanwhile, which finds somebody who hangs up on it.
    let process = Process::start(&broker, broker.port, "").await;
    let pid = process.child.id().unwrap();
    let (gate, device) = device_without_a_broker(&mut broker).await;

    let began = Instant::now();
    let spent = processor_time(pid);
    let tries = || (gate.connections(), process.logged(REFUSED));
    let tried = tries();
    let events = presses(EVENTS);
    for event in &events {
        tell(&device, event);
        // The time that passes is what is measured.
        tokio::time::sleep(outage / EVENTS as u32).await;
    }
    let lasted = began.elapsed();
    let processor = (processor_time(pid) - spent).as_secs_f64() / lasted.as_secs_f64() * 100.0;
    let now = tries();
    let (hung_up, refused) = (now.0 - tried.0, now.1 - tried.1);

    gate.close();
    broker.launch().await;
    let back = Instant::now();
    let daemon_back = async {
        process.online(&broker).await;
        back.elapsed().as_secs_f64()
    };
    let mut heard = Heard::default();
    let told = async {
        let mut client = Client::subscribe(&broker, "cubelet/door/#").await;
        gate.open();
        let mut state_after = None;
        while heard.0.len() < EVENTS || state_after.is_none() {
            let seen = client.next_within(Duration::from_secs(60)).await;
            heard.count(&seen);
            if seen.topic == "cubelet/door/chat/state" {
                assert_eq!(
                    seen.json()["outbox"],
                    EVENTS,
                    "the state is the present one"
                );
                state_after.get_or_insert_with(|| back.elapsed().as_secs_f64());
            }
        }
        (state_after, back.elapsed().as_secs_f64())
    };
    let (daemon_after, (state_after, all_after)) = tokio::join!(daemon_back, told);
    let connections = gate.open_connections();
    let lost = heard.missed(&events);
    let figures = json!({
        "outage_s": lasted.as_secs_f64(),
        "events": EVENTS,
        "lost": lost,
        "twice": heard.0.values().filter(|times| **times > 1).count(),
        "daemon_processor_percent": processor,
        "tries_refused": refused,
        "tries_hung_up": hung_up,
        "connections": connections,
        "state_after_s": state_after,
        "all_events_after_s": all_after,
        "daemon_online_after_s": daemon_after,
    });
    println!("{figures}");
    assert_eq!(lost, 0);
    assert_eq!(connections, 1);
    // Delays are drawn from 0 to 4 s where nobody is there, to 30 s where somebody hangs up; a loop
    // without them would try thousands of times.
    let seconds = outage.as_secs() as usize;
    assert!(refused <= 20 + seconds, "{refused} tries");
    assert!(hung_up <= 20 + seconds / 10, "{hung_up} tries");
    assert!(processor < 1.0, "{processor} % of a core");
}
