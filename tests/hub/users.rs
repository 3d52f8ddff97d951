//! Users (wire reference E.2).

use reqwest::Method;
use serde_json::json;

use crate::support::Hub;

#[tokio::test]
async fn sign_up_needs_a_key_and_a_free_login() {
    let hub = Hub::start().await;
    let body = Some(json!({"user": {"login": "ann", "password": "password"}}));
    let (status, _) = hub
        .call(Method::POST, "/users.json", &[], body.clone())
        .await;
    assert_eq!(status, 401);
    let key = [("CB-AuthKey", "key")];
    let (status, user) = hub
        .call(Method::POST, "/users.json", &key, body.clone())
        .await;
    assert_eq!(status, 201);
    assert!(user["user"].get("password").is_none());
    let (status, body) = hub.call(Method::POST, "/users.json", &key, body).await;
    assert_eq!(status, 422);
    assert_eq!(
        body,
        json!({"errors": {"login": ["has already been taken"]}})
    );
}

#[tokio::test]
async fn without_sign_up_only_the_administration_key_creates_users() {
    let hub = Hub::start_with(|config| config.sign_up = false).await;
    let body = Some(json!({"user": {"login": "ann", "password": "password"}}));
    let key = [("CB-AuthKey", "key")];
    assert_eq!(
        hub.call(Method::POST, "/users", &key, body.clone()).await.0,
        403
    );
    let wrong = [("CB-Administration-API-Key", "wrong")];
    assert_eq!(
        hub.call(Method::POST, "/users", &wrong, body.clone())
            .await
            .0,
        401
    );
    let admin = [("CB-Administration-API-Key", "admin-key")];
    assert_eq!(hub.call(Method::POST, "/users", &admin, body).await.0, 201);
}

#[tokio::test]
async fn users_are_found_by_id_login_and_filters_in_both_array_encodings() {
    let hub = Hub::start().await;
    let ann = hub.person("anna").await;
    let bob = hub.person("bob").await;
    hub.person("carl").await;
    let (status, body) = hub.get(&ann, &format!("/users/{}", bob.id)).await;
    assert_eq!((status, &body["user"]["login"]), (200, &json!("bob")));
    assert!(body["user"]["last_request_at"].is_string());
    assert_eq!(hub.get(&ann, "/users/by_login.json?login=bob").await.0, 200);
    assert_eq!(hub.get(&ann, "/users/by_login?login=nobody").await.0, 404);
    let ids = format!("{},{}", ann.id, bob.id);
    for query in [
        format!("id[in][]={}&id[in][]={}&sort_desc=id", ann.id, bob.id),
        format!("id[in]={}&sort_desc=id", ids.replace(',', "%2C")),
    ] {
        let (_, body) = hub.get(&ann, &format!("/users/v2.json?{query}")).await;
        assert_eq!(body["total_entries"], 2, "{query}: {body}");
        assert_eq!(body["items"][0]["login"], "bob");
    }
    let (_, body) = hub.get(&ann, "/users/v2?full_name[start_with]=ANNA").await;
    assert_eq!(
        (&body["total_entries"], &body["limit"]),
        (&json!(1), &json!(5))
    );
    let (_, body) = hub
        .get(
            &ann,
            "/users/v2?login[in]=anna,bob,carl&sort_asc=login&limit=1&offset=1",
        )
        .await;
    assert_eq!(
        (&body["items"][0]["login"], &body["skip"]),
        (&json!("bob"), &json!(1))
    );
    assert_eq!(hub.get(&ann, "/users/v2?id[like]=1").await.0, 422);
}

#[tokio::test]
async fn only_the_own_user_is_changed_and_a_password_needs_the_old_one() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let bob = hub.person("bob").await;
    let own = format!("/users/{}.json", ann.id);
    let change = json!({"user": {"full_name": "Ann B.", "tag_list": ["x", "y"]}});
    assert_eq!(hub.put(&bob, &own, change.clone()).await.0, 403);
    let (status, body) = hub.put(&ann, &own, change).await;
    assert_eq!((status, &body["user"]["user_tags"]), (200, &json!("x,y")));
    let wrong = json!({"user": {"password": "new password", "old_password": "wrong"}});
    assert_eq!(hub.put(&ann, &own, wrong).await.0, 422);
    let right = json!({"user": {"password": "new password", "old_password": "password"}});
    assert_eq!(hub.put(&ann, &own, right).await.0, 200);
    let with_new = json!({"login": "ann", "password": "new password"});
    assert_eq!(hub.create_session(with_new).await.0, 201);
}

#[tokio::test]
async fn a_deleted_user_is_gone_with_session_and_connection() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    assert_eq!(hub.delete(&ann, &format!("/users/{}", ann.id)).await.0, 200);
    assert_eq!(hub.get(&ann, "/session").await.0, 401);
    assert_eq!(chat.next().await.name(), "error");
    let again = json!({"login": "ann", "password": "password"});
    assert_eq!(hub.create_session(again).await.0, 404);
}

#[tokio::test]
async fn nobody_sets_a_column_that_is_the_hubs_own() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let change = json!({"user": {"id": 99, "is_guest": 1, "created_at": 5, "login": "ann2"}});
    let (_, body) = hub.put(&ann, &format!("/users/{}", ann.id), change).await;
    assert_eq!(body["user"]["id"].as_u64(), Some(ann.id));
    assert_eq!(
        (&body["user"]["is_guest"], &body["user"]["login"]),
        (&json!(false), &json!("ann2"))
    );
}
