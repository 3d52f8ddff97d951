//! The log of a device, asked for and made more of.

use cubelet::base::telemetry::{self, LogDetail, LogFormat};
use cubelet::engine::command::Command;

use crate::site::{Site, Station, door_and_indoor, talk};

async fn lines(station: &Station) -> String {
    let told = station.command(Command::Logs { limit: 500 }).await;
    told.expect("lines")["lines"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_logged_closely_for_a_while_and_then_no_longer() {
    // What a broken connection logs is of no interest here.
    telemetry::init(LogFormat::Text, "info");
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let detail = |detail, for_s| Command::LogDetail { detail, for_s };
    let told = door.command(detail(LogDetail::Calls, 3_600)).await;
    let told = told.expect("set");
    assert_eq!(told["detail"], "calls");
    let until = door.state().device.log.expect("told in the state").until;
    assert_eq!(told["until"], until);
    talk(&mut door, &mut indoor).await;
    let said = lines(&door).await;
    for line in [
        "a signal goes",
        "a signal comes",
        "candidates of the far side",
        "Connected",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    // Of WebRTC itself only where that is asked for.
    assert!(!said.contains(" rtc"), "{said}");
    door.command(Command::Hangup).await.expect("hung up");
    indoor.ended().await;
    let told = door.command(detail(LogDetail::Media, 1)).await;
    assert_eq!(told.expect("set")["detail"], "media");
    talk(&mut door, &mut indoor).await;
    let said = lines(&door).await;
    assert!(said.contains(" rtc"), "{said}");
    assert!(!said.to_lowercase().contains("pwd"), "{said}");
    door.reaches("the usual log", |state| state.device.log.is_none())
        .await;
    door.command(Command::Hangup).await.expect("hung up");
    indoor.ended().await;
    talk(&mut door, &mut indoor).await;
    let call = door.state().call.call.expect("a call");
    let said = lines(&door).await;
    let told: Vec<&str> = said
        .split("\",\"")
        .filter(|line| line.contains(&call))
        .collect();
    assert!(
        !told.iter().any(|line| line.contains("a signal")),
        "{told:?}"
    );
    for station in [door, indoor] {
        station.stop().await;
    }
    site.hub.stop().await;
}
