//! cubelet against software nobody here wrote: the official ConnectyCube SDK, Chromium and
//! Mosquitto, driven by the Node scripts beside this file, and Prosody.
//!
//! A script prints one line, `{"checks":[{"name","ok","detail"}],"logs"}`; a test here runs one
//! script and fails with every failed check and what hub, device and page had to say.
//! `make interop-deps` installs the scripts' packages; Chromium, Mosquitto and Node are Debian's.

#![cfg(all(feature = "hub", feature = "phone", feature = "media"))]

mod prosody;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

/// Every wait in a script has a limit of its own; this one is for a script that is broken.
const SCRIPT_LIMIT: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
struct Report {
    checks: Vec<Check>,
    logs: String,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

/// Runs a script and panics unless it made at least `least` checks and all of them passed.
async fn passes(script: &str, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    assert!(
        folder.join("node_modules/connectycube").exists(),
        "the interop tests need their npm packages: run `make interop-deps`"
    );

    let child = Command::new("node")
        .arg(script)
        .current_dir(&folder)
        .env("CUBELET_BIN", env!("CARGO_BIN_EXE_cubelet"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What the script says on stderr is progress; the test runner keeps it for a failure.
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("the interop tests need Node 18+: run `scripts/setup test`");
    let output = tokio::time::timeout(SCRIPT_LIMIT, child.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("{script} did not finish within {SCRIPT_LIMIT:?}"))
        .expect("the script can be waited for");

    let stdout = String::from_utf8_lossy(&output.stdout);
    let report: Report = stdout
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_else(|| {
            panic!(
                "{script} ended ({}) without a report:\n{stdout}",
                output.status
            )
        });
    let failed: Vec<&Check> = report.checks.iter().filter(|check| !check.ok).collect();
    if !failed.is_empty() {
        let mut story = format!(
            "{script}: {} of {} checks failed\n",
            failed.len(),
            report.checks.len()
        );
        for check in failed {
            let _ = writeln!(
                story,
                "\n- {}\n  {}",
                check.name,
                check.detail.replace('\n', "\n  ")
            );
        }
        panic!("{story}\nlogs:\n{}", report.logs);
    }
    assert!(
        report.checks.len() >= least,
        "{script} made {} checks instead of {least}: it ended early",
        report.checks.len()
    );
    assert!(
        output.status.success(),
        "{script} ended with {}",
        output.status
    );
}

#[tokio::test]
async fn the_official_sdk_finds_sessions_users_dialogs_and_messages_as_documented() {
    passes("sdk.mjs", 44).await;
}

#[tokio::test]
async fn two_web_phones_write_and_call_each_other_through_the_hub() {
    passes("phones.mjs", 26).await;
}

#[tokio::test]
async fn a_device_and_a_web_phone_see_hear_write_and_open_the_door() {
    passes("device.mjs", 17).await;
}
