//! TLS and passwords at the broker.

use std::path::Path;
use std::sync::Arc;

use cubelet::config::Secret;
use cubelet::control::BrokerStatus;
use cubelet::engine::command::Command;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::broker::{Broker, Client};
use crate::device::{Device, settings};

/// A CA and a certificate of 127.0.0.1 signed by it.
fn make_certificates(dir: &Path) {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(dir.join("server.pem"), server.pem()).unwrap();
    std::fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
}

async fn secured() -> Broker {
    let mut broker = Broker::stopped(
        "cafile {dir}/ca.pem\ncertfile {dir}/server.pem\nkeyfile {dir}/server.key\n\
         allow_anonymous false\npassword_file {dir}/passwords\n",
    );
    make_certificates(broker.dir());
    let made = std::process::Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(broker.dir().join("passwords"))
        .args(["door", "open sesame"])
        .status()
        .unwrap();
    assert!(made.success());
    broker.launch().await;
    broker
}

fn with_credentials(broker: &Broker, password: &str) -> cubelet::control::ControlSettings {
    let mut settings = settings(broker);
    settings.mqtt.tls = true;
    settings.mqtt.ca = Some(broker.dir().join("ca.pem"));
    settings.mqtt.username = Some("door".into());
    settings.mqtt.password = Some(Secret::new(password));
    settings
}

async fn reason(device: &mut Device) -> String {
    let offline = |status: &BrokerStatus| matches!(status, BrokerStatus::Offline { .. });
    match device.status_is(offline).await {
        BrokerStatus::Offline { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tls_with_a_sites_own_ca_and_a_password_gets_online() {
    let broker = secured().await;
    let mut device = Device::start(with_credentials(&broker, "open sesame"));
    device.online().await;
    device.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let broker = secured().await;
    let mut device = Device::start(with_credentials(&broker, "hunter2"));
    let reason = reason(&mut device).await;
    assert_eq!(reason, "the broker refuses the user or password");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_refused() {
    let broker = secured().await;
    let mut settings = with_credentials(&broker, "open sesame");
    settings.mqtt.ca = None;
    let mut device = Device::start(settings);
    let reason = reason(&mut device).await;
    assert!(reason.starts_with("TLS"), "{reason}");
}

#[tokio::test]
async fn a_ca_file_that_vanished_is_told_and_used_when_it_is_back() {
    let broker = secured().await;
    let settings = with_credentials(&broker, "open sesame");
    let ca = broker.dir().join("ca.pem");
    let aside = broker.dir().join("aside.pem");
    std::fs::rename(&ca, &aside).unwrap();
    let mut device = Device::start(settings);
    assert!(reason(&mut device).await.contains("ca.pem"));
    std::fs::rename(&aside, &ca).unwrap();
    device.online().await;
}

/// Everything logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_password_and_no_message_text_is_logged_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // The test's runtime has one thread, so this covers the device's tasks.
    let _guard = tracing::subscriber::set_default(subscriber);
    let broker = Broker::start().await;
    let mut settings = settings(&broker);
    settings.mqtt.username = Some("door".into());
    settings.mqtt.password = Some(Secret::new("open sesame"));
    let mut device = Device::start(settings);
    device.online().await;
    let mut client = Client::subscribe(&broker, "cubelet/door/cmd/+/reply").await;
    let text = r#"{"id":1,"to":7,"text":"private words"}"#;
    client.publish("cubelet/door/cmd/send", text, false);
    assert_eq!(client.next().await.json()["ok"], true);
    device.stop().await;
    let logged = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(
        logged.contains("cubelet/door/cmd/send"),
        "nothing was logged: {logged}"
    );
    assert!(!logged.contains("open sesame"), "{logged}");
    assert!(!logged.contains("private words"), "{logged}");
}

/// The access list of the guide, as a reader would copy it.
fn guides_access_list() -> &'static str {
    let guide = include_str!("../../docs/guide/mqtt.md");
    let from = guide.find("# The device: all of its own topics").unwrap();
    let length = guide[from..].find("```").unwrap();
    &guide[from..from + length]
}

#[tokio::test]
async fn with_the_guides_access_list_a_panel_opens_the_door_and_can_do_nothing_else() {
    let mut broker = Broker::stopped(
        "allow_anonymous false\npassword_file {dir}/passwords\nacl_file {dir}/acl\n",
    );
    let passwords = broker.dir().join("passwords");
    std::fs::write(&passwords, "").unwrap();
    for user in ["front-door", "panel"] {
        let made = std::process::Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(&passwords)
            .args([user, "secret"])
            .status()
            .unwrap();
        assert!(made.success());
    }
    std::fs::write(broker.dir().join("acl"), guides_access_list()).unwrap();
    broker.launch().await;
    let mut settings = settings(&broker);
    settings.device = "front-door".into();
    settings.mqtt.username = Some("front-door".into());
    settings.mqtt.password = Some(Secret::new("secret"));
    let mut device = Device::start(settings);
    device.online().await;
    let panel = Some(("panel", "secret"));
    let answers = "panel/7/answers";
    let mut client = Client::subscribe_as(&broker, answers, panel).await;
    client.request("cubelet/front-door/cmd/ring", "", answers, b"ring");
    client.request("cubelet/front-door/cmd/unlock", "", answers, b"unlock");
    assert_eq!(
        client.next().await.correlation.as_deref(),
        Some(&b"unlock"[..])
    );
    assert_eq!(device.executed.lock().as_slice(), [Command::Unlock]);
    let mut watcher = Client::subscribe_as(&broker, "cubelet/front-door/#", panel).await;
    watcher
        .until("cubelet/front-door/availability", "online")
        .await;
}
