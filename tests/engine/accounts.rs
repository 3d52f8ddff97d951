//! How a device logs in, and what its state says of the connection.

use cubelet::engine::command::Command;
use cubelet::engine::state::ChatStatus;
use serde_json::json;

use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_known_by_its_e_mail_address_comes_online() {
    let site = Site::start().await;
    let (email, password) = ("lobby@site.example", "a long password");
    let user = site
        .sign_up_as(json!({ "email": email, "password": password }))
        .await;
    let account = format!("email = {email:?}");
    let mut lobby = site.launch("lobby", &account, user, password.into(), "");
    lobby
        .reaches("online", |state| {
            state.chat.status == ChatStatus::Online && state.chat.user == Some(user)
        })
        .await;
    lobby.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_connection_is_told_from_a_resumed_one() {
    let site = Site::start().await;
    let mut door = site
        .station("door", "[control]\ntest_commands = true\n")
        .await;
    assert_eq!(door.state().chat.resumed, Some(false));
    // A new connection, on a new stream: the actor that knew the old one is gone.
    let kill = Command::Kill {
        actor: "chat".into(),
    };
    door.command(kill).await.expect("killed");
    door.reaches("anything but online", |state| {
        state.chat.status != ChatStatus::Online && state.chat.resumed.is_none()
    })
    .await;
    door.reaches("online anew", |state| state.chat.resumed == Some(false))
        .await;
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_hub_the_state_says_when_the_next_try_is() {
    let site = Site::start().await;
    let mut door = site.station("door", "").await;
    site.hub.stop().await;
    door.reaches("a next try", |state| {
        state.chat.status == ChatStatus::Reconnecting
            && state.chat.retry_at.is_some()
            && state.chat.reason.is_some()
            && state.chat.resumed.is_none()
    })
    .await;
    door.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_with_a_wrong_password_says_that_it_is_refused() {
    let site = Site::start().await;
    let user = site.sign_up("door", "the right password").await;
    let account = "login = \"door\"";
    let mut door = site.launch("door", account, user, "a wrong password".into(), "");
    door.reaches("refused", |state| {
        state.chat.status == ChatStatus::Refused && state.chat.reason.is_some()
    })
    .await;
    door.stop().await;
    site.hub.stop().await;
}

/// `cubelet password` on a station's configuration.
fn change_password(site: &Site, login: &str) -> std::process::Output {
    let file = site.state_folder(login).with_file_name("kiosk.toml");
    std::process::Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["password", "--config"])
        .arg(file)
        .output()
        .expect("it runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_device_takes_the_password_it_was_given_at_the_hub_and_in_its_file() {
    let site = Site::start().await;
    let mut door = site.station("door", "").await;
    let output = change_password(&site, "door");
    assert!(output.status.success(), "{output:?}");
    // The hub ends every connection of the user; the device is back on the new password.
    door.reaches("offline", |state| state.chat.status != ChatStatus::Online)
        .await;
    door.reaches("online again", |state| {
        state.chat.status == ChatStatus::Online
    })
    .await;
    let file = site.state_folder("door").with_file_name("password");
    let now = std::fs::read_to_string(&file).expect("a file");
    assert_ne!(now.trim(), door.password);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains(now.trim()), "the password is shown");
    assert!(!file.with_file_name("password.new").exists());
    let rest = site.rest("door", now.trim());
    rest.session().await.expect("the hub knows the new one");
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_the_hub_does_not_change_stays_in_its_file() {
    let site = Site::start().await;
    site.sign_up("door", "the right password").await;
    site.configure("door", "login = \"door\"", "a wrong password", "", "");
    let output = change_password(&site, "door");
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("not authorised"), "{said}");
    let file = site.state_folder("door").with_file_name("password");
    let kept = std::fs::read_to_string(&file).expect("a file");
    assert_eq!(kept.trim(), "a wrong password");
    assert!(!file.with_file_name("password.new").exists());
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_knows_the_version_of_its_hub() {
    let site = Site::start().await;
    let mut door = site.station("door", "").await;
    // The hub is of the same build.
    door.reaches("the hub's version", |state| {
        state.device.latest_version.as_deref() == Some(state.device.version)
    })
    .await;
    door.stop().await;
    site.hub.stop().await;
}
