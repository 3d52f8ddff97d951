//! Starting, the pages besides the API, TLS, stopping, and coming back.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use cubelet::config::hub::{HubConfig, Secret};
use cubelet::hub::{Clock, start_at};
use serde_json::{Value, json};

use crate::support::{Hub, dev_config};

#[tokio::test]
async fn the_database_outlives_the_process_and_scratch_does_not() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let fingerprint = hub.ready().ca_sha256.clone();
    let hub = hub.restarted().await;
    assert_eq!(hub.ready().ca_sha256, fingerprint);
    assert_eq!(hub.get(&ann, "/session").await.0, 200);
    let config = HubConfig::dev(Secret::new("key"), Secret::new("admin-key")).unwrap();
    let data = config.data_dir.clone();
    let scratch = start_at(config, Clock::system()).await.unwrap();
    assert!(data.join("hub.sqlite").exists());
    scratch.stop().await;
    assert!(!data.exists());
}

#[tokio::test]
async fn https_serves_the_same_with_the_local_authoritys_certificate() {
    let hub = Hub::start().await;
    cubelet::base::tls::install_provider();
    let pem = std::fs::read(&hub.ready().ca).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
        .build()
        .unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let url = hub.ready().https.replace("127.0.0.1", host);
        let response = client.get(format!("{url}/ca.pem")).send().await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), pem);
    }
    let stranger = reqwest::Client::new();
    assert!(stranger.get(&hub.ready().https).send().await.is_err());
}

#[tokio::test]
async fn the_phones_configuration_is_given_only_where_it_is_switched_on() {
    for (is_on, status) in [(true, 200), (false, 404)] {
        let hub = Hub::start_with(|config| config.phone_config = is_on).await;
        let url = format!("{}/phone/config.json", hub.ready().api);
        let response = reqwest::get(url).await.unwrap();
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        if is_on {
            assert_eq!(
                body,
                json!({"app_id": 1, "auth_key": "key", "chat": "127.0.0.1"})
            );
        } else {
            assert!(!body.to_string().contains("\"key\""), "{body}");
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_field() {
    let hub = Hub::start().await;
    let taken = hub.ready().xmpp_tls.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = dev_config(&folder);
    config.listen.xmpp_tls = taken;
    let Err(error) = start_at(config, Clock::system()).await else {
        panic!("two hubs on one port")
    };
    assert!(error.to_string().contains("listen.xmpp_tls"), "{error}");
}

#[tokio::test]
async fn a_stop_says_good_bye_to_streams() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    let stopping = tokio::spawn(hub.running.stop());
    let error = chat.until(|element| element.name() == "error").await;
    assert_eq!(error.children().next().unwrap().name(), "system-shutdown");
    while chat.try_next().await.is_some() {}
    stopping.await.unwrap();
}

#[test]
fn keys_never_show_in_a_debug_print() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = dev_config(&folder);
    config.admin_key = Some(Secret::new("very-secret"));
    assert!(!format!("{config:?}").contains("very-secret"));
}

#[test]
fn the_program_prints_one_line_when_ready_and_ends_cleanly_on_sigterm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["hub", "--dev", "--ready-json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    for field in [
        "api",
        "https",
        "chat",
        "chat_url",
        "xmpp_tls",
        "ca",
        "phone",
        "auth_key",
        "admin_key",
    ] {
        assert!(ready[field].is_string(), "{field} is missing in {ready}");
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(!std::path::Path::new(ready["ca"].as_str().unwrap()).exists());
}

#[tokio::test]
async fn a_hub_that_announces_itself_is_found_and_says_good_bye() {
    let hub = Hub::start_with(|config| {
        config.announce = true;
        config.names = vec!["hub.example".into()];
    })
    .await;
    let told = hub.ready().ca_sha256.replace(':', "").to_lowercase()[..16].to_owned();
    let wanted = told.clone();
    let look = move |patience: u64, wanted: String| {
        let patience = std::time::Duration::from_secs(patience);
        tokio::task::spawn_blocking(move || cubelet::discovery::find(patience, Some(&wanted)))
    };
    let found = look(30, wanted.clone()).await.unwrap().unwrap();
    let ours = found.iter().find(|hub| hub.authority == told);
    let ours = ours.unwrap_or_else(|| panic!("{told} is not among {found:?}"));
    let port = hub.ready().https.rsplit_once(':').unwrap().1;
    assert_eq!(
        ours.addresses,
        [
            format!("https://hub.example:{port}"),
            format!("https://127.0.0.1:{port}")
        ]
    );
    assert_eq!(ours.version, env!("CARGO_PKG_VERSION"));
    hub.running.stop().await;
    let found = look(1, wanted).await.unwrap().unwrap();
    assert!(found.iter().all(|hub| hub.authority != told), "{found:?}");
}

#[tokio::test]
async fn a_hub_whose_database_is_damaged_comes_up_empty_and_says_where_the_old_one_is() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    assert_eq!(hub.ready().database_set_aside, None);
    let database = hub.config().data_dir.join("hub.sqlite");
    let hub = hub
        .restarted_after(|| std::fs::write(&database, "no database at all").unwrap())
        .await;
    let kept = hub.ready().database_set_aside.clone().unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "no database at all");
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
    hub.person("ann").await;
}
