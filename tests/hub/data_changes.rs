//! Changing records: operators, several at once (CD-17, CD-18, CD-20).

use serde_json::{Value, json};

use crate::data_support::{each, hub, record, refused};
use crate::support::START;

#[tokio::test]
async fn a_change_sets_what_it_names_and_leaves_the_rest() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let id = record(
        &hub,
        &ann,
        json!({"age": 20, "full_name": "Barret", "job": "cook"}),
    )
    .await;
    hub.clock.advance(7);
    let path = format!("/data/profile/{id}.json");
    let body = json!({"age": "22", "job": null, "_id": id, "user_id": 5, "created_at": 1});
    let (status, changed) = hub.put(&ann, &path, body).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (&changed["age"], &changed["job"]),
        (&json!(22), &Value::Null)
    );
    assert_eq!(changed["full_name"], "Barret");
    assert_eq!(changed["user_id"], ann.id);
    assert_eq!(
        (&changed["created_at"], &changed["updated_at"]),
        (&json!(START), &json!(START + 7))
    );
    assert_eq!(changed["permissions"]["update"]["access"], "owner");
    assert_eq!(hub.get(&ann, &path).await.1["items"][0], changed);
}

#[tokio::test]
async fn operators_change_a_record_at_once_or_not_at_all() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let id = record(
        &hub,
        &ann,
        json!({"age": 40, "scores": [1, 2, 3], "groups": ["a"]}),
    )
    .await;
    let path = format!("/data/profile/{id}");
    let body = json!({"inc": {"age": 2, "height": "1.5"}, "pull": {"scores": {"gte": 3}},
                      "add_to_set": {"groups": ["a", "b"]}, "job": "cook"});
    let (status, changed) = hub.put(&ann, &path, body).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (&changed["age"], &changed["height"]),
        (&json!(42), &json!(1.5))
    );
    assert_eq!(changed["scores"], json!([1, 2]));
    assert_eq!(changed["groups"], json!(["a", "b"]));
    for (body, scores) in [
        (json!({"push": {"scores": [7, 8]}}), json!([1, 2, 7, 8])),
        (json!({"pop": {"scores": "1"}}), json!([1, 2, 7])),
        (json!({"pop": {"scores": "-1"}}), json!([2, 7])),
        (json!({"scores": {"0": "5"}}), json!([5, 7])),
        (json!({"pull_all": {"scores": [5, 9]}}), json!([7])),
        (json!({"pull": {"scores": "7"}}), json!([])),
        (json!({"scores": null}), Value::Null),
    ] {
        let (status, changed) = hub.put(&ann, &path, body.clone()).await;
        assert_eq!(status, 200, "{body}: {changed}");
        assert_eq!(changed["scores"], scores, "{body}");
    }
    for (body, field) in [
        (
            json!({"job": "thief", "inc": {"full_name": 1}}),
            "full_name",
        ),
        (json!({"job": "thief", "push": {"colour": 1}}), "colour"),
        (json!({"job": "thief", "scores": {"0": 1}}), "scores"),
        (
            json!({"job": "thief", "push": {"scores": vec![0; 1_001]}}),
            "scores",
        ),
    ] {
        refused(hub.put(&ann, &path, body).await, 422, field);
    }
    assert_eq!(hub.get(&ann, &path).await.1["items"][0]["job"], "cook");
}

#[tokio::test]
async fn increments_from_many_at_once_all_count() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let id = record(&hub, &ann, json!({"age": 0})).await;
    let path = format!("/data/profile/{id}");
    let all = (0..20).map(|_| hub.put(&ann, &path, json!({"inc": {"age": 1}})));
    for (status, answer) in futures::future::join_all(all).await {
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(hub.get(&ann, &path).await.1["items"][0]["age"], 20);
}

#[tokio::test]
async fn several_records_are_changed_and_those_missing_are_named() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (one, two) = (
        record(&hub, &ann, json!({})).await,
        record(&hub, &ann, json!({})).await,
    );
    let theirs = record(&hub, &bob, json!({"age": 1})).await;
    let none = "0".repeat(24);
    let body = json!({"record": {
        "1": {"id": one, "country_of_birth": "USA", "age": "50"},
        "2": {"id": two, "inc": {"age": 28}},
        "3": {"id": none, "age": 35},
    }});
    let (status, told) = hub.put(&ann, "/data/profile/multi.json", body).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["class_name"], "profile");
    assert_eq!(told["not_found"], json!({"ids": [none]}));
    assert_eq!(each(&told, "_id"), [&json!(one), &json!(two)]);
    assert_eq!(each(&told, "age"), [&json!(50), &json!(28)]);
    assert_eq!(told["items"][0]["permissions"]["delete"]["access"], "owner");
    assert_eq!(told.get("WrongPermissions"), None);
    let body = json!({"record": {"1": {"id": one, "age": 51}, "2": {"id": theirs, "age": 52}}});
    let (_, told) = hub.put(&ann, "/data/profile/multi", body).await;
    assert_eq!(told["WrongPermissions"], json!({"ids": [theirs]}));
    assert_eq!(each(&told, "age"), [&json!(51)]);
    // One that cannot be leaves all as they are.
    let body = json!({"record": {"1": {"id": one, "age": 60}, "2": {"id": two, "age": "x"}}});
    refused(
        hub.put(&ann, "/data/profile/multi", body).await,
        422,
        "record[2][age]",
    );
    let body = json!({"record": {"1": {"age": 60}}});
    refused(
        hub.put(&ann, "/data/profile/multi", body).await,
        422,
        "record",
    );
    let (_, list) = hub.get(&ann, "/data/profile?sort_asc=age").await;
    assert_eq!(each(&list, "age"), [&json!(1), &json!(28), &json!(51)]);
}
