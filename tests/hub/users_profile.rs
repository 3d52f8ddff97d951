//! Changing and removing users (US-01, US-18…US-23).

use reqwest::Method;
use serde_json::json;

use crate::support::Hub;

const ADMIN: [(&str, &str); 1] = [("CB-Administration-API-Key", "admin-key")];

#[tokio::test]
async fn what_cannot_be_a_login_or_an_address_is_refused_by_name() {
    let hub = Hub::start().await;
    let key = [("CB-AuthKey", "key")];
    for (user, field) in [
        (json!({"login": "ab"}), "login"),
        (json!({"login": "x".repeat(71)}), "login"),
        (json!({"email": "nobody"}), "email"),
        (json!({"email": "a@b@c"}), "email"),
        (
            json!({"login": "anna", "full_name": "x".repeat(2_000)}),
            "full_name",
        ),
    ] {
        let mut body = user.clone();
        body["password"] = json!("password");
        let body = Some(json!({"user": body}));
        let (status, answer) = hub.call(Method::POST, "/users", &key, body).await;
        assert_eq!(status, 422, "{user}");
        assert!(answer["errors"][field].is_array(), "{user}: {answer}");
    }
}

#[tokio::test]
async fn identifiers_belong_to_one_user() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for field in ["email", "external_id", "facebook_id", "twitter_id"] {
        let user = json!({"user": {field: "same@example.org"}});
        let own = format!("/users/{}", ann.id);
        assert_eq!(hub.put(&ann, &own, user.clone()).await.0, 200, "{field}");
        assert_eq!(
            hub.put(&ann, &own, user.clone()).await.0,
            200,
            "{field} again"
        );
        let (status, body) = hub.put(&bob, &format!("/users/{}", bob.id), user).await;
        assert_eq!(status, 422);
        assert_eq!(body["errors"][field], json!(["has already been taken"]));
    }
}

#[tokio::test]
async fn every_field_of_the_profile_is_kept() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let profile = json!({
        "full_name": "Ann", "email": "ann@example.org", "phone": "+49 1", "website": "https://a.b",
        "external_id": "e", "facebook_id": "f", "twitter_id": "t", "custom_data": "{\"a\":1}",
        "avatar": "0123456789abcdef0123456789abcdef", "blob_id": 5, "timezone": 60,
        "user_tags": "x,y",
    });
    let own = format!("/users/{}", ann.id);
    hub.put(&ann, &own, json!({"user": profile})).await;
    let (_, body) = hub.get(&ann, &own).await;
    for (name, value) in profile.as_object().unwrap() {
        assert_eq!(&body["user"][name], value, "{name}");
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_all_connections() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let elsewhere = hub.log_in("ann").await;
    let mut chat = hub.chat(&elsewhere).await;
    let change = json!({"user": {"password": "new password", "old_password": "password"}});
    let (status, _) = hub.put(&ann, &format!("/users/{}", ann.id), change).await;
    assert_eq!(status, 200);
    assert_eq!(chat.next().await.name(), "error");
    assert_eq!(hub.get(&elsewhere, "/session").await.0, 401);
    assert_eq!(hub.get(&ann, "/session").await.0, 200);
}

#[tokio::test]
async fn the_old_password_cannot_be_guessed_with_a_stolen_session() {
    let hub = Hub::start_with(|config| config.limits.login_failures = 3).await;
    let ann = hub.person("ann").await;
    let own = format!("/users/{}", ann.id);
    let guess = json!({"user": {"password": "new password", "old_password": "guess"}});
    for _ in 0..3 {
        assert_eq!(hub.put(&ann, &own, guess.clone()).await.0, 422);
    }
    assert_eq!(hub.put(&ann, &own, guess).await.0, 429);
}

#[tokio::test]
async fn the_administration_key_sets_a_password_without_the_old_one() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let own = format!("/users/{}", ann.id);
    let body = Some(json!({"user": {"password": "new password"}}));
    assert_eq!(
        hub.call(Method::PUT, &own, &ADMIN, body.clone()).await.0,
        200
    );
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
    let login = json!({"login": "ann", "password": "new password"});
    assert_eq!(hub.create_session(login).await.0, 201);
    assert_eq!(
        hub.call(Method::PUT, "/users/99", &ADMIN, body).await.0,
        404
    );
}

#[tokio::test]
async fn a_password_reset_says_that_no_mail_is_sent_for_known_and_unknown_alike() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mail = json!({"user": {"email": "ann@example.org"}});
    hub.put(&ann, &format!("/users/{}", ann.id), mail).await;
    let path = "/users/password/reset.json?email=";
    let known = hub
        .call(Method::GET, &format!("{path}ann@example.org"), &[], None)
        .await;
    let unknown = hub
        .call(Method::GET, &format!("{path}bob@example.org"), &[], None)
        .await;
    assert_eq!(known, unknown);
    assert_eq!(known.0, 422);
    assert!(
        known.1["errors"]["base"][0]
            .as_str()
            .unwrap()
            .contains("no mail")
    );
}

#[tokio::test]
async fn a_user_is_deleted_by_the_external_id_by_itself_or_the_operator() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for (person, id) in [(&ann, "asset-1"), (&bob, "asset-2")] {
        let change = json!({"user": {"external_id": id}});
        hub.put(person, &format!("/users/{}", person.id), change)
            .await;
    }
    assert_eq!(hub.delete(&bob, "/users/external/asset-1").await.0, 403);
    assert_eq!(hub.delete(&ann, "/users/external/asset-1").await.0, 200);
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
    let path = "/users/external/asset-2";
    assert_eq!(hub.call(Method::DELETE, path, &[], None).await.0, 401);
    assert_eq!(hub.call(Method::DELETE, path, &ADMIN, None).await.0, 200);
    assert_eq!(hub.call(Method::DELETE, path, &ADMIN, None).await.0, 404);
}
