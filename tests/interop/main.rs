//! cubelet against software nobody here wrote: the official ConnectyCube SDK, slixmpp, Chromium
//! and Mosquitto, driven by the Node and Python scripts beside this file, Prosody, and aiortc.
//!
//! A script prints one line, `{"checks":[{"name","ok","detail"}],"logs"}`; a test here runs one
//! script and fails with every failed check and what hub, device and page had to say.
//! `make interop-deps` installs the scripts' packages; Chromium, Mosquitto, Node and Python are
//! Debian's. docs/design/interop.md says what is proved against what.

#![cfg(all(feature = "hub", feature = "phone", feature = "media"))]
// Clippy excuses test functions only; the helpers they share fail the same way.
#![allow(clippy::unwrap_used)]

mod aiortc;
#[cfg(feature = "console")]
mod prometheus;
mod prosody;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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

/// Runs a script of Node's and panics unless it made at least `least` checks and all passed.
async fn passes(script: &str, least: usize) {
    run(
        Path::new("node"),
        "node_modules/connectycube",
        script,
        least,
    )
    .await;
}

/// One area of the official SDK's conformance suite; see `conformance.mjs`.
async fn conforms(area: &str, least: usize) {
    passes(&format!("conformance.mjs {area}"), least).await;
}

/// Runs a script of Python's with slixmpp.
async fn slixmpp_passes(script: &str, least: usize) {
    let python = folder().join(".venv/bin/python");
    run(&python, ".venv/bin/python", script, least).await;
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// `needed` is a file that tells whether the script's packages are there.
async fn run(program: &Path, needed: &str, script: &str, least: usize) {
    let folder = folder();
    assert!(
        folder.join(needed).exists(),
        "the interop tests need their packages: run `make interop-deps`"
    );

    let child = Command::new(program)
        .args(script.split(' '))
        .current_dir(&folder)
        .env("CUBELET_BIN", env!("CARGO_BIN_EXE_cubelet"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What the script says on stderr is progress; the test runner keeps it for a failure.
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("the interop tests need Node 18+ and Python 3.11+: run `scripts/setup test`");
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
async fn the_contract_of_mqtt_is_an_asyncapi_document() {
    let needs = "node_modules/@asyncapi/specs";
    run(Path::new("node"), needs, "asyncapi.mjs", 3).await;
}

#[tokio::test]
async fn every_method_of_the_official_sdk_is_exercised_or_excused() {
    conforms("coverage", 5).await;
}

#[tokio::test]
async fn the_official_sdk_opens_upgrades_renews_and_ends_sessions() {
    conforms("sessions", 17).await;
}

#[tokio::test]
async fn the_official_sdk_signs_up_finds_and_changes_users() {
    conforms("users", 20).await;
}

#[tokio::test]
async fn the_official_sdk_keeps_dialogs_of_every_type_by_their_roles() {
    conforms("dialogs", 32).await;
}

#[tokio::test]
async fn the_official_sdk_writes_reads_changes_and_searches_messages() {
    conforms("messages", 29).await;
}

#[tokio::test]
async fn the_official_sdk_chats_from_person_to_person() {
    conforms("chat", 36).await;
}

#[tokio::test]
async fn the_official_sdk_chats_in_rooms() {
    conforms("rooms", 17).await;
}

#[tokio::test]
async fn the_official_sdk_blocks_people_by_privacy_lists() {
    conforms("privacy", 13).await;
}

#[tokio::test]
async fn the_official_sdk_reports_users_and_messages() {
    conforms("reports", 9).await;
}

#[tokio::test]
async fn the_official_sdk_keeps_records_in_classes_of_the_operators() {
    conforms("data", 15).await;
}

#[tokio::test]
async fn the_official_sdk_subscribes_to_push_and_reaches_who_is_away() {
    conforms("push", 15).await;
}

#[tokio::test]
async fn the_web_phone_of_somebody_who_does_not_look_is_told_by_its_service_worker() {
    passes("phone_push.mjs", 5).await;
}

#[tokio::test]
async fn the_official_sdk_stores_and_fetches_files() {
    conforms("storage", 15).await;
}

#[tokio::test]
async fn the_official_sdk_survives_broken_lines() {
    conforms("reconnect", 8).await;
}

#[tokio::test]
async fn older_generations_of_the_official_sdk_log_in_join_and_chat() {
    passes("generations.mjs", 15).await;
}

#[tokio::test]
async fn slixmpp_logs_in_by_scram_and_plain_and_trusts_only_the_hubs_authority() {
    slixmpp_passes("slixmpp/login.py", 9).await;
}

#[tokio::test]
async fn slixmpp_chats_joins_rooms_and_discovers() {
    slixmpp_passes("slixmpp/chat.py", 14).await;
}

#[tokio::test]
async fn slixmpp_resumes_its_stream_after_a_cut() {
    slixmpp_passes("slixmpp/resumption.py", 8).await;
}

#[tokio::test]
async fn two_web_phones_write_and_call_each_other_through_the_hub() {
    passes("phones.mjs", 26).await;
}

#[tokio::test]
async fn a_device_and_a_web_phone_see_hear_write_and_open_the_door() {
    passes("device.mjs", 18).await;
}

#[tokio::test]
async fn chromium_hears_a_device_that_pauses_in_a_call_and_in_a_recording() {
    passes("pauses.mjs", 2).await;
}

#[tokio::test]
async fn a_browser_without_any_sdk_watches_a_device_by_whep() {
    passes("whep.mjs", 6).await;
}

#[tokio::test]
async fn a_browser_orders_over_the_data_channel_of_its_call() {
    passes("data_channel.mjs", 5).await;
}

#[tokio::test]
async fn chromium_presses_telephone_keys_that_open_a_door_and_hears_those_of_a_device() {
    passes("digits.mjs", 7).await;
}

#[tokio::test]
async fn devices_and_phones_of_the_official_sdk_call_each_other_in_twos_threes_and_fours() {
    passes("calls.mjs", 20).await;
}
