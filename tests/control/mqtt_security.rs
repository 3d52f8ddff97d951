//! TLS and passwords at the broker.

use std::path::Path;
use std::sync::Arc;

use cubelet::config::{Allow, AllowBy, Secret};
use cubelet::control::BrokerStatus;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::broker::{Broker, Client, free_port};
use crate::device::{Device, settings};

/// A CA and a certificate of 127.0.0.1 signed by it.
fn make_certificates(dir: &Path) {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate for self-signed whose issuer has its own name.
    params
        .distinguished_name
        .push(DnType::CommonName, "site CA");
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

/// The shipped files of Mosquitto, as a reader of the guide would install them: with the paths
/// and ports of this test.
async fn shipped() -> (Broker, u16) {
    let mut broker = Broker::stopped("");
    let tls_port = free_port();
    make_certificates(broker.dir());
    let dir = broker.dir().to_str().unwrap().to_owned();
    let passwords = broker.dir().join("passwords");
    std::fs::write(&passwords, "").unwrap();
    for user in ["front-door", "panel", "admin"] {
        let made = std::process::Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(&passwords)
            .args([user, "secret"])
            .status()
            .unwrap();
        assert!(made.success());
    }
    let conf = include_str!("../../configs/mosquitto/cubelet.conf")
        .replace("listener 1883", &format!("listener {}", broker.port))
        .replace("listener 8883", &format!("listener {tls_port} 127.0.0.1"))
        .replace("certs/site-ca.pem", "ca.pem")
        .replace("certs/broker.pem", "server.pem")
        .replace("certs/broker.key", "server.key")
        .replace("/etc/mosquitto", &dir);
    let acl = include_str!("../../configs/mosquitto/acl");
    std::fs::write(broker.dir().join("acl"), acl).unwrap();
    broker.configure(&format!("user root\nlog_dest stderr\nlog_type all\n{conf}"));
    broker.launch().await;
    (broker, tls_port)
}

/// Publishes over TLS with a response topic, as a panel would.
async fn order(broker: &Broker, port: u16, topic: &str, payload: &str) {
    let sent = tokio::process::Command::new("mosquitto_pub")
        .args(["-V", "5", "-h", "127.0.0.1", "-q", "1"])
        .args(["-u", "panel", "-P", "secret"])
        .args(["-p", &port.to_string(), "-t", topic, "-m", payload])
        .args(["-D", "publish", "response-topic", "panel/7/answers"])
        .arg("--cafile")
        .arg(broker.dir().join("ca.pem"))
        .output()
        .await
        .unwrap();
    // Version 5 tells of a refused publish; that it was sent is all that is wanted here.
    let complaint = String::from_utf8_lossy(&sent.stderr);
    assert!(
        sent.status.success() || complaint.contains("ot authori"),
        "{complaint}"
    );
}

#[tokio::test]
async fn with_the_shipped_files_each_orders_under_the_own_name_over_tls_and_only_what_it_may() {
    let (broker, port) = shipped().await;
    let mut settings = with_credentials(&broker, "secret");
    settings.device = "front-door".into();
    settings.mqtt.port = port;
    settings.mqtt.username = Some("front-door".into());
    settings.control.allow = vec![Allow {
        by: AllowBy::Topic,
        requesters: vec!["panel".into()],
        commands: vec!["unlock".into()],
    }];
    let mut device = Device::start(settings);
    device.online().await;
    let panel = Some(("panel", "secret"));
    let mut client = Client::subscribe_as(&broker, "panel/7/answers", panel).await;
    // Dropped by the broker: the plain topic, and somebody else's name.
    let root = "cubelet/front-door";
    order(&broker, port, &format!("{root}/cmd/unlock"), "").await;
    order(&broker, port, &format!("{root}/from/admin/cmd/unlock"), "").await;
    let own = format!("{root}/from/panel");
    order(&broker, port, &format!("{own}/cmd/press"), r#"{"id":"p"}"#).await;
    let refused = client.next().await.json();
    assert_eq!(
        (&refused["id"], &refused["error"]["code"]),
        (&"p".into(), &"not_allowed".into())
    );
    let open = r#"{"id":"s","unlocked":true}"#;
    order(&broker, port, &format!("{own}/door/set"), open).await;
    order(&broker, port, &format!("{own}/cmd/unlock"), r#"{"id":"u"}"#).await;
    let answers = [client.next().await.json(), client.next().await.json()];
    assert!(
        answers.iter().all(|answer| answer["ok"] == true),
        "{answers:?}"
    );
    assert_eq!(device.executed.lock().len(), 2, "nothing else came through");
    let mut watcher = Client::subscribe_as(&broker, "cubelet/front-door/#", panel).await;
    watcher
        .until("cubelet/front-door/availability", "online")
        .await;
    let outsider = rumqttc::v5::MqttOptions::new("outsider", "127.0.0.1", broker.port);
    let (_client, mut events) = rumqttc::v5::AsyncClient::new(outsider, 4);
    let refused = events.poll().await.unwrap_err().to_string();
    assert!(refused.contains("NotAuthorized"), "{refused}");
}
