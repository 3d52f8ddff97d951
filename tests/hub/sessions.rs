//! Sessions and log-in (wire reference E.1, E.2).

use reqwest::Method;
use serde_json::json;

use crate::support::{Hub, Person};

#[tokio::test]
async fn a_session_is_created_described_and_destroyed() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let (status, body) = hub.get(&ann, "/session.json").await;
    assert_eq!(status, 200);
    assert_eq!(body["session"]["user"]["login"], "ann");
    assert_eq!(body["session"]["application_id"], 1);
    assert!(!body.to_string().contains("argon2"), "{body}");
    assert_eq!(hub.delete(&ann, "/session.json").await.0, 200);
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
}

#[tokio::test]
async fn an_unknown_token_is_told_in_the_words_clients_compare() {
    let hub = Hub::start().await;
    let nobody = Person {
        id: 1,
        token: "bad".into(),
    };
    for path in ["/session", "/users/v2", "/chat/Dialog.json"] {
        let (status, body) = hub.get(&nobody, path).await;
        assert_eq!(status, 401);
        assert_eq!(
            body,
            json!({"errors": {"base": ["Required session does not exist"]}})
        );
    }
}

#[tokio::test]
async fn a_token_slides_with_use_and_ends_two_hours_after_the_last() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    for _ in 0..3 {
        hub.clock.advance(7_000);
        assert_eq!(hub.get(&ann, "/session").await.0, 200);
    }
    hub.clock.advance(7_200 + 61);
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
}

#[tokio::test]
async fn an_unknown_login_is_404_and_a_wrong_password_401() {
    let hub = Hub::start().await;
    hub.person("ann").await;
    let wrong = json!({"login": "ann", "password": "wrong"});
    assert_eq!(hub.create_session(wrong).await.0, 401);
    let unknown = json!({"login": "bob", "password": "password"});
    assert_eq!(hub.create_session(unknown).await.0, 404);
    let unknown = json!({"email": "bob@example.org", "password": "password"});
    assert_eq!(hub.create_session(unknown).await.0, 404);
}

#[tokio::test]
async fn with_auto_create_an_unknown_login_becomes_a_user() {
    let hub = Hub::start_with(|config| config.auto_create_users = true).await;
    let user = json!({"login": "new", "password": "password"});
    let (status, body) = hub.create_session(user.clone()).await;
    assert_eq!(
        (status, &body["session"]["user"]["login"]),
        (201, &json!("new"))
    );
    let (_, again) = hub.create_session(user).await;
    assert_eq!(again["session"]["user_id"], body["session"]["user_id"]);
    let wrong = json!({"login": "new", "password": "other"});
    assert_eq!(hub.create_session(wrong).await.0, 401);
}

#[tokio::test]
async fn a_wrong_application_or_key_opens_nothing() {
    let hub = Hub::start().await;
    for body in [
        json!({"application_id": 1, "auth_key": "wrong"}),
        json!({"application_id": 2, "auth_key": "key"}),
        json!({}),
    ] {
        let (status, body) = hub.call(Method::POST, "/session", &[], Some(body)).await;
        assert_eq!(status, 401, "{body}");
    }
}

#[tokio::test]
async fn an_application_session_is_raised_to_a_user_and_lowered_again() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let (_, body) = hub.create_session(json!(null)).await;
    let app = Person {
        id: 0,
        token: body["session"]["token"].as_str().unwrap().into(),
    };
    assert_eq!(body["session"]["user_id"], 0);
    assert_eq!(hub.get(&app, "/chat/Dialog").await.0, 403);
    let credentials = json!({"login": "ann", "password": "password"});
    let (status, body) = hub.post(&app, "/login", credentials).await;
    assert_eq!((status, body["user"]["id"].as_u64()), (202, Some(ann.id)));
    assert_eq!(hub.get(&app, "/chat/Dialog").await.0, 200);
    assert_eq!(hub.delete(&app, "/login").await.0, 200);
    assert_eq!(hub.get(&app, "/chat/Dialog").await.0, 403);
}

#[tokio::test]
async fn a_guest_lives_a_day_and_cannot_log_in_by_name() {
    let hub = Hub::start().await;
    let (status, body) = hub
        .create_session(json!({"guest": "1", "full_name": "Visitor"}))
        .await;
    assert_eq!(status, 201);
    let user = &body["session"]["user"];
    assert_eq!(
        (&user["is_guest"], &user["full_name"]),
        (&json!(true), &json!("Visitor"))
    );
    let guest = Person {
        id: 0,
        token: body["session"]["token"].as_str().unwrap().into(),
    };
    hub.clock.advance(8 * 3600);
    assert_eq!(hub.get(&guest, "/session").await.0, 200);
    let by_name = json!({"login": user["login"], "password": ""});
    assert_ne!(hub.create_session(by_name).await.0, 201);
    let by_name = json!({"login": user["login"], "password": "x"});
    assert_eq!(hub.create_session(by_name).await.0, 401);
}

#[tokio::test]
async fn an_account_waits_after_too_many_failures_even_with_the_right_password() {
    let hub = Hub::start_with(|config| config.limits.login_failures = 3).await;
    hub.person("ann").await;
    let wrong = json!({"login": "ann", "password": "wrong"});
    for _ in 0..3 {
        assert_eq!(hub.create_session(wrong.clone()).await.0, 401);
    }
    let right = json!({"login": "ann", "password": "password"});
    assert_eq!(hub.create_session(right.clone()).await.0, 429);
    hub.clock.advance(301);
    assert_eq!(hub.create_session(right).await.0, 201);
}

#[tokio::test]
async fn every_error_has_a_json_body_of_the_contracts_shape() {
    let hub = Hub::start_with(|config| config.limits.body_bytes = 2_000).await;
    let client = reqwest::Client::new();
    let url = format!("{}/session", hub.ready().api);
    for body in [
        "{".to_owned(),
        "[1]".into(),
        format!("{{\"a\":\"{}\"}}", "x".repeat(3_000)),
    ] {
        let sent = client
            .post(&url)
            .header("content-type", "application/json")
            .body(body);
        let response = sent.send().await.unwrap();
        assert!(response.status().is_client_error());
        let body: serde_json::Value = response.json().await.unwrap();
        assert!(body["errors"]["base"][0].is_string(), "{body}");
    }
    let (status, body) = hub.call(Method::GET, "/nowhere", &[], None).await;
    assert_eq!((status, body["errors"]["base"].is_array()), (404, true));
}

#[tokio::test]
async fn a_browser_of_another_origin_may_ask() {
    let hub = Hub::start().await;
    let client = reqwest::Client::new();
    let preflight = client
        .request(Method::OPTIONS, format!("{}/session.json", hub.ready().api))
        .header("origin", "https://app.example")
        .header("access-control-request-headers", "cb-token,content-type")
        .header("access-control-request-method", "DELETE");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 200);
    let allowed = preflight.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    for name in ["CB-Token", "CB-AuthKey", "CB-SDK", "Content-Type"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    assert!(
        preflight.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("DELETE")
    );
    let refused = client
        .get(format!("{}/session", hub.ready().api))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn the_hubs_version_is_for_those_who_are_logged_in() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let (status, told) = hub.get(&ann, "/cubelet/version").await;
    assert_eq!(
        (status, &told),
        (200, &json!({ "version": env!("CARGO_PKG_VERSION") }))
    );
    let path = "/cubelet/version";
    let (status, _) = hub.call(Method::GET, path, &[], None).await;
    assert_eq!(status, 401);
}
