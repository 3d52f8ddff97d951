//! SCRAM-SHA-256 at log-in (RFC 5802, RFC 7677; RT-04): with an independent client's code.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use sasl::client::Mechanism;
use sasl::client::mechanisms::Scram;
use sasl::common::ChannelBinding;
use sasl::common::scram::Sha256;
use serde_json::json;

use crate::support::{Chat, Hub};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

async fn open(hub: &Hub) -> Chat {
    Chat::open_websocket(&hub.ready().chat_url).await
}

fn payload(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// The client's first message and the server's answer to it.
async fn challenge(chat: &mut Chat, first: &[u8]) -> minidom::Element {
    let first = BASE64_STANDARD.encode(first);
    chat.sasl(&format!(
        "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>"
    ))
    .await
}

/// Logs in by SCRAM; the server's proof is checked as well. `Err` is the failure's condition.
async fn log_in(chat: &mut Chat, name: &str, secret: &str) -> Result<(), String> {
    let mut scram = Scram::<Sha256>::new(name, secret, ChannelBinding::None).unwrap();
    let first = scram.initial();
    let answer = challenge(chat, &first).await;
    if answer.name() == "failure" {
        return chat.after_login(&answer).await;
    }
    let text = BASE64_STANDARD.decode(answer.text()).unwrap();
    let response = BASE64_STANDARD.encode(scram.response(&text).unwrap());
    let answer = chat
        .sasl(&format!("<response xmlns='{SASL}'>{response}</response>"))
        .await;
    if answer.name() == "success" {
        let proof = BASE64_STANDARD.decode(answer.text()).unwrap();
        scram
            .success(&proof)
            .expect("the server did not prove itself");
    }
    chat.after_login(&answer).await
}

#[tokio::test]
async fn the_password_and_every_token_log_in_by_scram_over_both_transports() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let again = hub.log_in("ann").await;
    let name = format!("{}-1", ann.id);
    for secret in ["password", &ann.token, &again.token] {
        let mut chat = open(&hub).await;
        assert_eq!(log_in(&mut chat, &name, secret).await, Ok(()), "{secret}");
        chat.bind(None).await;
        chat.sync().await;
        let mut chat = Chat::open_tls(&hub.ready().xmpp_tls, &hub.ready().ca).await;
        assert_eq!(log_in(&mut chat, &name, secret).await, Ok(()), "{secret}");
        chat.bind(None).await;
        chat.sync().await;
    }
}

#[tokio::test]
async fn a_guest_and_a_session_logged_in_later_have_their_token() {
    let hub = Hub::start().await;
    let (status, guest) = hub
        .create_session(json!({"guest": 1, "full_name": "G"}))
        .await;
    assert_eq!(status, 201, "{guest}");
    let session = &guest["session"];
    let name = format!("{}-1", session["user_id"]);
    let token = session["token"].as_str().unwrap();
    assert_eq!(log_in(&mut open(&hub).await, &name, token).await, Ok(()));

    let ann = hub.person("ann").await;
    let (_, application) = hub.create_session(json!(null)).await;
    let token = application["session"]["token"].as_str().unwrap();
    let body = json!({"login": "ann", "password": "password"});
    let headers = [("CB-Token", token)];
    let (status, _) = hub.call(Method::POST, "/login", &headers, Some(body)).await;
    assert_eq!(status, 202);
    let name = format!("{}-1", ann.id);
    assert_eq!(log_in(&mut open(&hub).await, &name, token).await, Ok(()));
}

#[tokio::test]
async fn wrong_secrets_ended_sessions_and_old_passwords_are_refused() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let name = format!("{}-1", ann.id);
    let ended = hub.log_in("ann").await;
    assert_eq!(hub.delete(&ended, "/session").await.0, 200);
    let change = json!({"user": {"password": "new password", "old_password": "password"}});
    let path = format!("/users/{}", ann.id);
    assert_eq!(hub.put(&ann, &path, change).await.0, 200);
    for secret in ["wrong", "password", &bob.token, &ended.token] {
        let refused = log_in(&mut open(&hub).await, &name, secret).await;
        assert_eq!(refused, Err("not-authorized".into()), "{secret}");
    }
    let now = log_in(&mut open(&hub).await, &name, "new password").await;
    assert_eq!(now, Ok(()));
}

#[tokio::test]
async fn a_name_nobody_has_gets_a_stable_challenge_and_a_plain_refusal() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut salts = Vec::new();
    for name in ["99999-1", "99999-1", "somebody", &format!("{}-1", ann.id)] {
        let mut chat = open(&hub).await;
        let answer = challenge(&mut chat, format!("n,,n={name},r=abc").as_bytes()).await;
        assert_eq!(answer.name(), "challenge", "{name}");
        let text = String::from_utf8(BASE64_STANDARD.decode(answer.text()).unwrap()).unwrap();
        let mut parts = text.split(',');
        assert!(parts.next().unwrap().starts_with("r=abc"));
        salts.push(parts.next().unwrap().to_owned());
        let iterations: u32 = parts.next().unwrap()[2..].parse().unwrap();
        assert!(iterations >= 10_000);
        let refused = log_in(&mut open(&hub).await, name, "guess").await;
        assert_eq!(refused, Err("not-authorized".into()), "{name}");
    }
    assert_eq!(salts[0], salts[1]);
    salts.sort();
    salts.dedup();
    assert_eq!(salts.len(), 3);
}

#[tokio::test]
async fn failures_lock_the_account_whatever_the_mechanism() {
    let hub = Hub::start_with(|config| config.limits.login_failures = 3).await;
    let ann = hub.person("ann").await;
    let name = format!("{}-1", ann.id);
    for _ in 0..3 {
        let refused = log_in(&mut open(&hub).await, &name, "wrong").await;
        assert_eq!(refused, Err("not-authorized".into()));
    }
    let locked = Err("temporary-auth-failure".to_owned());
    assert_eq!(
        log_in(&mut open(&hub).await, &name, "password").await,
        locked
    );
    assert_eq!(open(&hub).await.log_in(&name, "password").await, locked);
}

#[tokio::test]
async fn broken_exchanges_are_refused_and_the_stream_bears_another_try() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let name = format!("{}-1", ann.id);
    for (first, condition) in [
        ("", "malformed-request"),
        ("n,,r=x", "malformed-request"),
        ("p=tls-exporter,,n=1-1,r=x", "malformed-request"),
        ("n,a=9-1,n=1-1,r=x", "invalid-authzid"),
    ] {
        let mut chat = open(&hub).await;
        let answer = challenge(&mut chat, first.as_bytes()).await;
        let refused = chat.after_login(&answer).await;
        assert_eq!(refused, Err(condition.to_owned()), "{first}");
        assert_eq!(log_in(&mut chat, &name, "password").await, Ok(()));
    }
    let mut chat = open(&hub).await;
    let first = format!("n,,n={name},r=x");
    assert_eq!(
        challenge(&mut chat, first.as_bytes()).await.name(),
        "challenge"
    );
    let aborted = chat.sasl(&format!("<abort xmlns='{SASL}'/>")).await;
    assert_eq!(chat.after_login(&aborted).await, Err("aborted".into()));
    assert_eq!(
        challenge(&mut chat, first.as_bytes()).await.name(),
        "challenge"
    );
    let forged = payload("c=biws,r=other,p=AAAA");
    let refused = chat
        .sasl(&format!("<response xmlns='{SASL}'>{forged}</response>"))
        .await;
    assert_eq!(
        chat.after_login(&refused).await,
        Err("malformed-request".into())
    );
}

#[tokio::test]
async fn a_password_from_before_scram_works_after_the_next_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let start = |scram: bool| {
        let folder = folder.path().to_owned();
        Hub::start_with(move |config| {
            config.data_dir = folder;
            config.is_scratch = false;
            config.chat.scram = scram;
        })
    };
    let hub = start(false).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    hub.running.stop().await;
    let hub = start(true).await;
    let [ann, bob] = [ann, bob].map(|person| format!("{}-1", person.id));
    let early = log_in(&mut open(&hub).await, &ann, "password").await;
    assert_eq!(early, Err("not-authorized".into()));
    hub.log_in("ann").await;
    assert_eq!(open(&hub).await.log_in(&bob, "password").await, Ok(()));
    for name in [ann, bob] {
        let now = log_in(&mut open(&hub).await, &name, "password").await;
        assert_eq!(now, Ok(()), "{name}");
    }
    hub.running.stop().await;
}

#[tokio::test]
async fn scram_can_be_switched_off() {
    let hub = Hub::start_with(|config| config.chat.scram = false).await;
    let ann = hub.person("ann").await;
    let name = format!("{}-1", ann.id);
    let mut chat = open(&hub).await;
    let refused = log_in(&mut chat, &name, "password").await;
    assert_eq!(refused, Err("invalid-mechanism".into()));
    assert_eq!(chat.log_in(&name, "password").await, Ok(()));
}
