//! Calls live on when the addresses below them change.

use std::os::unix::fs::MetadataExt;
use std::process::Command as Process;

use cubelet::engine::state::CallStatus;

use crate::site::{Site, talk};

/// Runs `ip` with these words.
fn ip(words: &str) {
    let done = Process::new("ip").args(words.split(' ')).status();
    assert!(done.expect("iproute2").success(), "ip {words}");
}

/// In a network namespace of its own, where this process may change addresses and nobody else
/// does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs inside a network namespace, started by the test below"]
async fn inside_a_namespace() {
    for words in [
        "link set dev lo up",
        "address add 192.0.2.1/32 dev lo",
        // The hub is at 127.0.0.1; media must not find its way there.
        "rule add pref 10 lookup local",
        "rule del pref 0",
        "rule add pref 5 ipproto udp to 127.0.0.0/8 prohibit",
    ] {
        ip(words);
    }
    let site = Site::start().await;
    let mut door = site.station("door", "[calls]\nring = [\"indoor\"]\n").await;
    let mut indoor = site.station("indoor", "").await;
    talk(&mut door, &mut indoor).await;
    let call = door.state().call.call;
    // Another network: the only path there was is gone.
    ip("address add 192.0.2.2/32 dev lo");
    ip("address del 192.0.2.1/32 dev lo");
    let media = |state: &cubelet::engine::state::DeviceState| state.call.media.unwrap_or_default();
    let before = (media(&door.state()), media(&indoor.state()));
    for (station, before) in [(&mut door, before.0), (&mut indoor, before.1)] {
        // More than was on its way, or decoded but not yet shown.
        station
            .reaches("pictures and sound over the new path", |state| {
                let now = media(state);
                now.frames_decoded > before.frames_decoded + 90
                    && now.audio_decoded_ms > before.audio_decoded_ms + 3_000
                    && state.call.status == CallStatus::Connected
            })
            .await;
    }
    assert_eq!(door.state().call.call, call, "the same call");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[test]
fn a_call_goes_on_over_a_new_path_when_the_devices_address_changes() {
    let may = Process::new("unshare").args(["-Urn", "true"]).output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        let me = std::fs::metadata("/proc/self").expect("/proc").uid();
        assert_ne!(me, 0, "root gets no network namespace here");
        eprintln!("left out: this system gives no network namespaces to ordinary users");
        return;
    }
    let inside = Process::new("unshare")
        .arg("-Urn")
        .arg(std::env::current_exe().expect("this program"))
        .args([
            "network_change::inside_a_namespace",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .expect("it runs");
    let words = String::from_utf8_lossy(&inside.stdout);
    let trouble = String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success(), "{words}\n{trouble}");
    assert!(words.contains("1 passed"), "{words}");
}
