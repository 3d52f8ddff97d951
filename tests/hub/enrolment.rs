//! Enrolment: a code made beside the running hub brings a device its account, once, from the hub
//! that made it and from no other.

use std::process::Command;

use cubelet::config::hub::HubConfig;
use cubelet::hub::enrolment::{EnrolError, LIFE, Opened, Wish, enroll};
use cubelet::protocol::enrolment::{Code, CodeSecret, Invitation};
use cubelet::rest::enrolment::{EnrolmentError, redeem};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Hub;

fn wish(hub: &Hub, login: &str) -> Wish {
    Wish {
        login: login.into(),
        full_name: Some("Front door".into()),
        again: false,
        life: LIFE,
        hub: Some(hub.ready().https.parse().unwrap()),
    }
}

async fn opened(hub: &Hub, login: &str) -> Opened {
    enroll(hub.config(), wish(hub, login)).await.unwrap()
}

async fn take(
    invitation: &Invitation,
) -> Result<cubelet::rest::enrolment::Enrolled, EnrolmentError> {
    redeem(&invitation.hub, &invitation.code, invitation.authority).await
}

async fn post_secret(hub: &Hub, secret: &str) -> (u16, Value) {
    let body = Some(json!({ "secret": secret }));
    hub.call(Method::POST, "/enrolments/redeem", &[], body)
        .await
}

#[tokio::test]
async fn a_code_brings_an_account_that_logs_in_and_the_authority_to_trust() {
    let hub = Hub::start().await;
    let opened = opened(&hub, "front-door").await;
    let enrolled = take(&opened.invitation).await.unwrap();
    let account = &enrolled.account;
    assert_eq!(account.login, "front-door");
    assert_eq!(account.user_id, opened.user);
    assert_eq!(account.app_id, 1);
    assert_eq!(
        account.api.as_str().trim_end_matches('/'),
        hub.ready().https
    );
    assert_eq!(account.chat.as_str(), hub.ready().chat_wss);
    let trusted = reqwest::Certificate::from_der(&enrolled.authority).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([trusted])
        .build()
        .unwrap();
    let body = json!({
        "application_id": account.app_id,
        "auth_key": account.auth_key,
        "user": {"login": account.login, "password": account.password},
    });
    let url = format!("{}session", account.api);
    let answer = client.post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

#[tokio::test]
async fn a_code_is_good_once() {
    let hub = Hub::start().await;
    let opened = opened(&hub, "front-door").await;
    take(&opened.invitation).await.unwrap();
    let second = take(&opened.invitation).await.unwrap_err();
    assert!(matches!(second, EnrolmentError::Refused(_)), "{second}");
}

#[tokio::test]
async fn of_many_that_come_at_once_with_one_code_one_is_served() {
    let hub = Hub::start().await;
    let opened = opened(&hub, "front-door").await;
    let secret = opened.invitation.code.secret.expose();
    let all = (0..5).map(|_| post_secret(&hub, secret));
    let mut statuses: Vec<u16> = futures::future::join_all(all)
        .await
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401, 401, 401, 401]);
}

#[tokio::test]
async fn a_code_runs_out() {
    let hub = Hub::start().await;
    let opened = opened(&hub, "front-door").await;
    hub.clock.advance(opened.expires_at - hub.clock.now());
    let late = take(&opened.invitation).await.unwrap_err();
    assert!(matches!(late, EnrolmentError::Refused(_)), "{late}");
}

#[tokio::test]
async fn guessing_makes_the_address_wait() {
    let hub = Hub::start_with(|config| config.limits.login_failures = 3).await;
    let opened = opened(&hub, "front-door").await;
    for guess in 0..3 {
        let secret = CodeSecret::of(guess);
        assert_eq!(post_secret(&hub, secret.expose()).await.0, 401);
    }
    let secret = opened.invitation.code.secret.expose();
    assert_eq!(post_secret(&hub, secret).await.0, 429);
    hub.clock.advance(300);
    assert_eq!(post_secret(&hub, secret).await.0, 201);
}

#[tokio::test]
async fn what_is_no_code_is_refused_before_it_is_looked_up() {
    let hub = Hub::start().await;
    for secret in ["", "short", "ABCDEFGH?J", &"A".repeat(5000)] {
        let (status, body) = post_secret(&hub, secret).await;
        assert_eq!(status, 422, "{body}");
    }
}

#[tokio::test]
async fn another_hub_is_told_nothing() {
    let (hub, other) = (Hub::start().await, Hub::start().await);
    let opened = opened(&hub, "front-door").await;
    let elsewhere = other.ready().https.parse().unwrap();
    // With the whole digest, and with the pin that is typed.
    for authority in [opened.invitation.authority, None] {
        let refused = redeem(&elsewhere, &opened.invitation.code, authority).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, EnrolmentError::Stranger(_)), "{refused}");
    }
    let plain = hub.ready().api.parse().unwrap();
    let refused = redeem(&plain, &opened.invitation.code, None).await;
    assert!(matches!(refused, Err(EnrolmentError::NotHttps(_))));
    // The code is still good.
    let typed: Code = opened.invitation.code.expose().parse().unwrap();
    redeem(&opened.invitation.hub, &typed, None).await.unwrap();
}

#[tokio::test]
async fn an_account_in_use_gets_a_new_code_only_on_request_and_the_old_holder_is_out() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let refused = enroll(hub.config(), wish(&hub, "ann")).await;
    assert!(matches!(refused, Err(EnrolError::InUse(_))));
    let again = Wish {
        again: true,
        ..wish(&hub, "ann")
    };
    let opened = enroll(hub.config(), again).await.unwrap();
    // Until it is taken, nothing changes.
    assert_eq!(hub.get(&ann, "/session").await.0, 200);
    let enrolled = take(&opened.invitation).await.unwrap();
    assert_eq!(enrolled.account.user_id, ann.id);
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
    let user = json!({"login": "ann", "password": "password"});
    assert_eq!(hub.create_session(user).await.0, 401);
}

#[tokio::test]
async fn a_second_code_replaces_one_that_was_never_taken() {
    let hub = Hub::start().await;
    let first = opened(&hub, "front-door").await;
    let second = opened(&hub, "front-door").await;
    assert_eq!(first.user, second.user);
    assert!(take(&first.invitation).await.is_err());
    take(&second.invitation).await.unwrap();
}

#[tokio::test]
async fn the_program_enrols_beside_a_running_hub_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.toml");
    let text = format!(
        "data_dir = '{}'\napp_id = 1\nauth_key = 'key'\nnames = ['hub.lan']\n\
         [listen]\nhttp = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\nxmpp_tls = '127.0.0.1:0'\n",
        folder.path().join("data").display()
    );
    std::fs::write(&file, text).unwrap();
    let enrol = |login: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_cubelet"))
            .args(["hub", "enroll", login, "--config"])
            .arg(&file)
            .args(more)
            .output()
            .unwrap()
    };
    let before = enrol("door-0", &["--hub", "https://hub.lan"]);
    let said = String::from_utf8_lossy(&before.stderr);
    assert!(
        !before.status.success() && said.contains("start the hub once"),
        "{said}"
    );

    let hub = cubelet::hub::start(HubConfig::load(&file).unwrap())
        .await
        .unwrap();
    let https = hub.ready().https.clone();
    let beside = enrol("door-1", &["--json", "--hub", &https]);
    let one: Value = serde_json::from_slice(&beside.stdout)
        .unwrap_or_else(|error| panic!("{error}: {beside:?}"));
    let invitation: Invitation = one["uri"].as_str().unwrap().parse().unwrap();
    take(&invitation).await.unwrap();
    hub.stop().await;

    let without = enrol("door-2", &["--hub", "https://hub.lan:8443"]);
    let page = String::from_utf8(without.stdout).unwrap();
    let code = page
        .lines()
        .find_map(|line| line.trim().parse::<Code>().ok());
    let code = code.unwrap_or_else(|| panic!("no code in {page}"));
    assert!(
        page.contains('█') && page.contains("cubelet setup --hub https://hub.lan:8443"),
        "{page}"
    );
    let hub = cubelet::hub::start(HubConfig::load(&file).unwrap())
        .await
        .unwrap();
    let place = hub.ready().https.parse().unwrap();
    let enrolled = redeem(&place, &code, None).await.unwrap();
    assert_eq!(enrolled.account.login, "door-2");
    hub.stop().await;
    let kept = std::fs::read(folder.path().join("data/hub.sqlite")).unwrap();
    let secret = code.secret.expose().as_bytes().to_vec();
    assert!(!kept.windows(secret.len()).any(|part| part == secret));
}
