//! Reports as records of custom classes (CH-46, CH-47; wire reference E.5).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Hub, Person, START};

const ADMIN: &[(&str, &str)] = &[("CB-Administration-API-Key", "admin-key")];

async fn as_admin(hub: &Hub, method: Method, path: &str) -> (u16, Value) {
    hub.call(method, path, ADMIN, None).await
}

/// Reports a user; the record's id.
async fn report(hub: &Hub, person: &Person, whom: u64, reason: &str) -> String {
    let body = json!({"reportedUserId": whom, "reason": reason});
    let (status, record) = hub.post(person, "/data/UserReports.json", body).await;
    assert_eq!(status, 201, "{record}");
    record["_id"].as_str().unwrap().to_owned()
}

fn reasons(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["reason"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_user_is_reported_with_a_record_of_its_class() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let body = json!({"reportedUserId": bob.id, "reason": "shouts", "permissions": {}});
    let (status, record) = hub.post(&ann, "/data/UserReports", body).await;
    assert_eq!(status, 201, "{record}");
    let owner = json!({"access": "owner"});
    let id = record["_id"].as_str().unwrap();
    assert_eq!(id.len(), 24);
    assert_eq!(
        record,
        json!({
            "_id": id, "_parent_id": null, "user_id": ann.id, "created_at": START,
            "updated_at": START, "reportedUserId": bob.id, "reason": "shouts",
            "permissions": {"read": owner, "update": owner, "delete": owner},
        })
    );
    let (status, found) = hub.get(&ann, &format!("/data/UserReports/{id}.json")).await;
    assert_eq!(status, 200);
    assert_eq!(
        found,
        json!({"class_name": "UserReports", "items": [record]})
    );
    let (_, permissions) = hub
        .get(&ann, &format!("/data/UserReports/{id}?permissions=1"))
        .await;
    let expected = json!({"record_id": id, "permissions": record["permissions"]});
    assert_eq!(permissions, expected);
}

#[tokio::test]
async fn a_message_is_reported_by_the_text_or_the_number_of_its_id() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    for id in [json!("66f0aa000102030405000001"), json!(42)] {
        let body = json!({"reportedMessageId": id});
        let (status, record) = hub.post(&ann, "/data/MessageReports", body).await;
        assert_eq!(status, 201, "{record}");
        assert_eq!(record["reportedMessageId"], id);
        assert_eq!(record["reason"], Value::Null);
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let path = format!("/data/MessageReports?reportedMessageId={text}");
        let (_, list) = hub.get(&ann, &path).await;
        assert_eq!(list["items"][0]["_id"], record["_id"], "{list}");
    }
}

#[tokio::test]
async fn own_records_are_filtered_sorted_paged_and_counted() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for (whom, reason) in [(1, "a"), (2, "b"), (3, "c"), (3, "d")] {
        report(&hub, &ann, whom, reason).await;
        hub.clock.advance(10);
    }
    report(&hub, &bob, 3, "of bob").await;
    let second = START + 10;
    for (query, expected) in [
        ("".to_owned(), &["a", "b", "c", "d"][..]),
        ("?sort_desc=created_at".to_owned(), &["d", "c", "b", "a"]),
        ("?reportedUserId=3".to_owned(), &["c", "d"]),
        (
            "?reportedUserId[lt]=3&sort_desc=reason".to_owned(),
            &["b", "a"],
        ),
        ("?reason[in]=a,d".to_owned(), &["a", "d"]),
        (format!("?created_at[gt]={second}"), &["c", "d"]),
        ("?limit=2&skip=1".to_owned(), &["b", "c"]),
        ("?limit=-1".to_owned(), &["d"]),
        (format!("?user_id={}", bob.id), &[]),
    ] {
        let (status, list) = hub.get(&ann, &format!("/data/UserReports{query}")).await;
        assert_eq!(status, 200, "{query}: {list}");
        assert_eq!(reasons(&list), expected, "{query}");
        assert_eq!(list["class_name"], "UserReports");
        assert!(
            list["items"]
                .get(0)
                .is_none_or(|one| one.get("permissions").is_none())
        );
    }
    let (_, page) = hub.get(&ann, "/data/UserReports?limit=500&skip=3").await;
    assert_eq!((&page["limit"], &page["skip"]), (&json!(100), &json!(3)));
    let (_, count) = hub
        .get(&ann, "/data/UserReports?count=1&reportedUserId=3")
        .await;
    assert_eq!(count["items"]["count"], 2);
    for (query, field) in [
        ("colour[gt]=1", "colour"),
        ("sort_asc=colour", "colour"),
        ("reportedUserId[near]=1", "reportedUserId"),
        ("reportedUserId=x", "reportedUserId"),
    ] {
        let (status, refused) = hub.get(&ann, &format!("/data/UserReports?{query}")).await;
        assert_eq!(status, 422, "{query}: {refused}");
        assert!(refused["errors"][field].is_array(), "{query}: {refused}");
    }
}

#[tokio::test]
async fn only_the_author_and_the_operator_read_change_and_remove_a_record() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let first = report(&hub, &ann, 7, "first").await;
    let second = report(&hub, &ann, 8, "second").await;
    let path = format!("/data/UserReports/{first}");
    hub.clock.advance(5);
    let (status, changed) = hub
        .put(&ann, &path, json!({"reason": "better", "_id": first}))
        .await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["reason"], "better");
    assert_eq!(changed["reportedUserId"], 7);
    assert_eq!(changed["updated_at"], START + 5);
    assert_eq!(hub.get(&bob, &path).await.0, 403);
    assert_eq!(hub.put(&bob, &path, json!({"reason": "x"})).await.0, 403);
    assert_eq!(hub.delete(&bob, &path).await.0, 403);
    assert_eq!(
        hub.get(&bob, "/data/UserReports").await.1["items"],
        json!([])
    );
    let mine = report(&hub, &bob, 9, "third").await;
    let several = format!("/data/UserReports/{first},{mine},{}", "0".repeat(24));
    let (_, seen) = hub.get(&bob, &several).await;
    assert_eq!(reasons(&seen), ["third"]);
    let (status, told) = hub.delete(&bob, &several).await;
    assert_eq!(status, 200);
    assert_eq!(
        told,
        json!({
            "SuccessfullyDeleted": {"ids": [mine]},
            "WrongPermissions": {"ids": [first]},
            "NotFound": {"ids": ["0".repeat(24)]},
        })
    );
    let (_, all) = as_admin(&hub, Method::GET, "/data/UserReports").await;
    assert_eq!(reasons(&all), ["better", "second"]);
    assert_eq!(as_admin(&hub, Method::GET, &path).await.0, 200);
    let other = format!("/data/UserReports/{second}");
    assert_eq!(as_admin(&hub, Method::DELETE, &other).await.0, 200);
    assert_eq!(hub.delete(&ann, &path).await, (200, json!(" ")));
    assert_eq!(hub.get(&ann, &path).await.0, 404);
    assert_eq!(hub.delete(&ann, &path).await.0, 404);
    assert_eq!(hub.put(&ann, &path, json!({})).await.0, 404);
}

#[tokio::test]
async fn what_is_no_class_no_session_or_no_record_of_the_class_is_refused() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    for (method, path) in [
        (Method::POST, "/data/Cars"),
        (Method::GET, "/data/Cars"),
        (Method::GET, "/data/Cars/1"),
        (Method::PUT, "/data/Cars/1"),
        (Method::DELETE, "/data/userreports/1"),
    ] {
        let token = [("CB-Token", ann.token.as_str())];
        let (status, refused) = hub.call(method, path, &token, Some(json!({}))).await;
        assert_eq!(status, 404, "{path}: {refused}");
        let text = refused["errors"]["base"][0].as_str().unwrap();
        assert!(text.starts_with("Class "), "{text}");
    }
    let good = json!({"reportedUserId": 1});
    for headers in [&[][..], ADMIN] {
        let (status, _) = hub
            .call(
                Method::POST,
                "/data/UserReports",
                headers,
                Some(good.clone()),
            )
            .await;
        // The operator has no user to report as.
        assert_eq!(status, 401, "{headers:?}");
    }
    for (body, field) in [
        (json!({}), "reportedUserId"),
        (json!({"reportedUserId": "bob"}), "reportedUserId"),
        (json!({"reportedUserId": 1, "colour": "red"}), "colour"),
        (
            json!({"reportedUserId": 1, "_parent_id": "x"}),
            "_parent_id",
        ),
        (
            json!({"reportedUserId": 1, "reason": "x".repeat(2_001)}),
            "reason",
        ),
    ] {
        let (status, refused) = hub.post(&ann, "/data/UserReports", body).await;
        assert_eq!(status, 422, "{field}: {refused}");
        assert!(refused["errors"][field].is_array(), "{field}: {refused}");
    }
    assert_eq!(
        hub.get(&ann, "/data/UserReports").await.1["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_report_outlives_its_author() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    report(&hub, &ann, 7, "seen at the gate").await;
    assert_eq!(hub.delete(&ann, &format!("/users/{}", ann.id)).await.0, 200);
    let (_, all) = as_admin(&hub, Method::GET, "/data/UserReports").await;
    assert_eq!(all["items"][0]["user_id"], ann.id);
}
