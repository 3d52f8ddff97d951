//! Ending sessions, signatures, rates (AU-13, AU-21, AU-24, E.7).

use hmac::{Hmac, Mac};
use reqwest::Method;
use serde_json::json;

use crate::support::{Hub, Person};

async fn session_id(hub: &Hub, person: &Person) -> u64 {
    hub.get(person, "/session").await.1["session"]["id"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn a_user_ends_one_other_session_of_its_own_by_number() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let lost = hub.log_in("ann").await;
    let path = format!("/session/{}.json", session_id(&hub, &lost).await);
    assert_eq!(hub.delete(&bob, &path).await.0, 404);
    assert_eq!(hub.delete(&ann, &path).await.0, 200);
    assert_eq!(hub.get(&lost, "/session").await.0, 401);
    assert_eq!(hub.get(&ann, "/session").await.0, 200);
    assert_eq!(hub.delete(&ann, "/session/nonsense").await.0, 404);
}

#[tokio::test]
async fn a_user_ends_all_sessions_but_the_present_one() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let others = [hub.log_in("ann").await, hub.log_in("ann").await];
    assert_eq!(hub.delete(&ann, "/session/list.json").await.0, 200);
    for other in &others {
        assert_eq!(hub.get(other, "/session").await.0, 401);
    }
    assert_eq!(hub.get(&ann, "/session").await.0, 200);
    assert_eq!(hub.get(&bob, "/session").await.0, 200);
}

#[tokio::test]
async fn a_chat_connection_outlives_its_token_but_does_not_come_back_with_it() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    hub.clock.advance(3 * 3_600);
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
    assert!(chat.sync().await.is_empty());
    let mut again = crate::support::Chat::open_websocket(&hub.ready().chat_url).await;
    let refused = again.log_in(&format!("{}-1", ann.id), &ann.token).await;
    assert_eq!(refused, Err("not-authorized".to_owned()));
}

#[tokio::test]
async fn a_signature_is_checked_where_the_hub_knows_the_secret_and_one_is_sent() {
    let hub = Hub::start_with(|config| {
        config.auth_secret = Some(cubelet::config::hub::Secret::new("app secret"));
    })
    .await;
    hub.person("ann").await;
    let text = "application_id=1&auth_key=key&nonce=6218&timestamp=1795353850\
                &user[login]=ann&user[password]=password";
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"app secret").unwrap();
    mac.update(text.as_bytes());
    let right = hex::encode(mac.finalize().into_bytes());
    for (signature, expected) in [(right.as_str(), 201), ("00", 422)] {
        let body = json!({
            "application_id": 1, "auth_key": "key", "nonce": 6218, "timestamp": 1_795_353_850,
            "user": {"login": "ann", "password": "password"}, "signature": signature,
        });
        let (status, _) = hub
            .call(Method::POST, "/session.json", &[], Some(body))
            .await;
        assert_eq!(status, expected, "{signature}");
    }
    let unsigned = json!({"login": "ann", "password": "password"});
    assert_eq!(hub.create_session(unsigned).await.0, 201);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let hub = Hub::start_with(|config| {
        config.limits.requests_per_second = 1;
        config.limits.request_burst = 5;
    })
    .await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for _ in 0..5 {
        assert_eq!(hub.get(&ann, "/session").await.0, 200);
    }
    let answer = reqwest::Client::new()
        .get(format!("{}/session", hub.ready().api))
        .header("CB-Token", &ann.token);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "1");
    let body: serde_json::Value = answer.json().await.unwrap();
    assert!(body["errors"]["base"].is_array(), "{body}");
    assert_eq!(hub.get(&bob, "/session").await.0, 200);
    hub.clock.advance(1);
    assert_eq!(hub.get(&ann, "/session").await.0, 200);
}
