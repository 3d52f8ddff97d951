//! Records of the operator's classes: types, envelope, several at once, bounds (CD-01…CD-07, ST-17).

use reqwest::Method;
use serde_json::{Value, json};

use crate::data_support::{as_admin, each, hub, hub_with, record, record_of, refused};
use crate::support::START;

#[tokio::test]
async fn a_record_is_answered_with_its_envelope_its_values_typed_and_the_rest_null() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let body = json!({"full_name": "Nadine Collier", "age": "41", "job": "accountant",
                      "country_of_birth": "Germany", "user_id": 1, "_id": "mine"});
    let (status, record) = hub.post(&ann, "/data/profile", body).await;
    assert_eq!(status, 201, "{record}");
    let id = record["_id"].as_str().unwrap();
    assert_eq!(id.len(), 24);
    assert_eq!(
        record,
        json!({
            "_id": id, "_parent_id": null, "user_id": ann.id, "created_at": START,
            "updated_at": START, "full_name": "Nadine Collier", "age": 41, "job": "accountant",
            "country_of_birth": "Germany", "height": null, "member": null, "born": null,
            "home": null, "avatar": null, "groups": null, "scores": null,
            "permissions": {"read": {"access": "open"}, "update": {"access": "owner"},
                            "delete": {"access": "owner"}},
        })
    );
    let (_, found) = hub.get(&ann, &format!("/data/profile/{id}.json")).await;
    assert_eq!(found, json!({"class_name": "profile", "items": [record]}));
}

#[tokio::test]
async fn every_type_takes_its_values_and_refuses_others_by_name() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let body = json!({"height": "1.75", "member": "true", "born": 1_569_100_860,
                      "home": [50.004444, 36.23438], "groups": ["a", 1, true], "scores": ["3", 4]});
    let (_, record) = hub.post(&ann, "/data/profile", body).await;
    for (field, expected) in [
        ("height", json!(1.75)),
        ("member", json!(true)),
        ("born", json!("2019-09-21T21:21:00Z")),
        ("home", json!([50.004444, 36.23438])),
        ("groups", json!(["a", 1, true])),
        ("scores", json!([3, 4])),
    ] {
        assert_eq!(record[field], expected, "{record}");
    }
    for (body, field) in [
        (json!({"age": "old"}), "age"),
        (json!({"full_name": 5}), "full_name"),
        (json!({"member": "perhaps"}), "member"),
        (json!({"born": "yesterday"}), "born"),
        (json!({"home": [500, 0]}), "home"),
        (json!({"scores": [1, "x"]}), "scores"),
        (json!({"groups": "a"}), "groups"),
        (json!({"colour": "red"}), "colour"),
        (json!({"inc": {"age": 1}}), "inc"),
    ] {
        refused(hub.post(&ann, "/data/profile", body).await, 422, field);
    }
    let (_, list) = hub.get(&ann, "/data/profile").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_form_writes_texts_that_become_numbers_lists_and_null() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let id = record(&hub, &ann, json!({"age": 1, "job": "cook"})).await;
    let form = "age=42&job=null&scores=1%2C2&groups%5B%5D=a&groups%5B%5D=b&inc%5Bheight%5D=2";
    let path = format!("/data/profile/{id}");
    let (status, changed) = hub.form(Method::PUT, &path, &ann, form).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["age"], 42);
    assert_eq!(changed["job"], Value::Null);
    assert_eq!(changed["scores"], json!([1, 2]));
    assert_eq!(changed["groups"], json!(["a", "b"]));
    assert_eq!(changed["height"], 2.0);
    // In JSON the text is a text.
    let (_, changed) = hub.put(&ann, &path, json!({"job": "null"})).await;
    assert_eq!(changed["job"], "null");
}

#[tokio::test]
async fn several_records_are_created_at_once_numbered_or_as_a_list() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    // The documentation counts from 0, the official SDK from 1; ten is after nine.
    let numbered: Value = (0..11)
        .map(|n| (n.to_string(), json!({"age": n})))
        .collect();
    let (status, made) = hub
        .post(
            &ann,
            "/data/profile/multi.json",
            json!({"record": numbered}),
        )
        .await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["class_name"], "profile");
    let ages: Vec<Value> = (0..11).map(Value::from).collect();
    assert_eq!(each(&made, "age"), ages.iter().collect::<Vec<_>>());
    assert_eq!(made["items"][0]["permissions"]["read"]["access"], "open");
    let list = json!({"record": [{"age": 1}, {"age": 2}]});
    assert_eq!(hub.post(&ann, "/data/profile/multi", list).await.0, 201);
    let two = json!({"record": {"0": {"age": 1}, "1": {"age": "x"}}});
    refused(
        hub.post(&ann, "/data/profile/multi", two).await,
        422,
        "record[1][age]",
    );
    let many: Value = (0..101).map(|n| (n.to_string(), json!({}))).collect();
    for record in [json!({}), json!("x"), json!({"a": {}}), many] {
        let body = json!({"record": record});
        refused(
            hub.post(&ann, "/data/profile/multi", body).await,
            422,
            "record",
        );
    }
    let body = json!({"record": {"0": 5}});
    refused(
        hub.post(&ann, "/data/profile/multi", body).await,
        422,
        "record[0]",
    );
    let (_, count) = hub.get(&ann, "/data/profile?count=1").await;
    assert_eq!(count["items"]["count"], 13);
}

#[tokio::test]
async fn a_class_holds_no_more_records_than_it_may_of_all_and_of_each() {
    let hub = hub_with(
        "record_bytes = 300
         [[class]]
         name = 'note'
         fields = { text = 'String' }
         records = 3
         records_per_user = 2",
    )
    .await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let multi = |count: usize| json!({"record": vec![json!({}); count]});
    refused(
        hub.post(&ann, "/data/note/multi", multi(3)).await,
        422,
        "base",
    );
    assert_eq!(hub.post(&ann, "/data/note/multi", multi(2)).await.0, 201);
    refused(hub.post(&ann, "/data/note", json!({})).await, 422, "base");
    assert_eq!(hub.post(&bob, "/data/note", json!({})).await.0, 201);
    let answer = hub.post(&bob, "/data/note", json!({})).await;
    assert!(
        answer.1["errors"]["base"][0]
            .as_str()
            .unwrap()
            .contains("full")
    );
    refused(answer, 422, "base");
    let (_, list) = hub
        .get(&bob, &format!("/data/note?user_id={}", bob.id))
        .await;
    let path = format!("/data/note/{}", list["items"][0]["_id"].as_str().unwrap());
    let large = json!({"text": "x".repeat(300)});
    refused(hub.put(&bob, &path, large).await, 422, "fields");
    assert_eq!(hub.delete(&bob, &path).await.0, 200);
    assert_eq!(hub.post(&ann, "/data/note", json!({})).await.0, 422);
    assert_eq!(hub.post(&bob, "/data/note", json!({})).await.0, 201);
}

#[tokio::test]
async fn a_file_field_names_a_stored_file_that_is_public_or_ones_own() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let blob = |public: bool| json!({"blob": {"name": "a.png", "content_type": "image/png", "public": public}});
    let (status, own) = hub.post(&ann, "/blobs", blob(false)).await;
    assert_eq!(status, 201, "{own}");
    let (_, public) = hub.post(&ann, "/blobs", blob(true)).await;
    let (id, uid) = (&own["blob"]["id"], &own["blob"]["uid"]);
    for given in [id, uid] {
        let made = record_of(&hub, &ann, "profile", json!({"avatar": given})).await;
        assert_eq!(made["avatar"], *uid);
        let body = json!({"avatar": given});
        refused(hub.post(&bob, "/data/profile", body).await, 422, "avatar");
    }
    let made = record_of(
        &hub,
        &bob,
        "profile",
        json!({"avatar": public["blob"]["uid"]}),
    )
    .await;
    assert_eq!(made["avatar"], public["blob"]["uid"]);
    let none = json!({"avatar": "0".repeat(32)});
    refused(hub.post(&ann, "/data/profile", none).await, 422, "avatar");
}

#[tokio::test]
async fn records_stay_over_a_restart_and_a_class_taken_away_is_not_there() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let id = record(&hub, &ann, json!({"age": 5})).await;
    let hub = hub.restarted().await;
    let (_, found) = hub.get(&ann, &format!("/data/profile/{id}")).await;
    assert_eq!(found["items"][0]["age"], 5);
    let hub = hub
        .restarted_with(|config| config.data = toml::from_str("").unwrap())
        .await;
    assert_eq!(hub.get(&ann, "/data/profile").await.0, 404);
    // Nothing is lost: it is there again with its class, less a field the class has lost.
    let fewer = "[[class]]\nname = 'profile'\nfields = { job = 'String' }";
    let hub = hub
        .restarted_with(|config| config.data = toml::from_str(fewer).unwrap())
        .await;
    let (status, list) = hub.get(&ann, "/data/profile").await;
    assert_eq!(status, 200, "{list}");
    let (_, all) = as_admin(&hub, Method::GET, &format!("/data/profile/{id}"), None).await;
    assert_eq!(all["items"][0]["job"], Value::Null, "{all}");
    assert_eq!(all["items"][0].get("age"), None, "{all}");
}

#[tokio::test]
async fn a_file_somebody_else_has_set_is_sent_back_as_it_was_read() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let blob = json!({"blob": {"name": "a.png", "content_type": "image/png", "public": false}});
    let (_, own) = hub.post(&ann, "/blobs", blob.clone()).await;
    let uid = &own["blob"]["uid"];
    let open = json!({"update": {"access": "open"}});
    let id = record(&hub, &ann, json!({"avatar": uid, "permissions": open})).await;
    let path = format!("/data/profile/{id}");
    let (status, changed) = hub.put(&bob, &path, json!({"avatar": uid, "age": 3})).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!((&changed["avatar"], &changed["age"]), (uid, &json!(3)));
    // Another file of hers is none he may name.
    let (_, other) = hub.post(&ann, "/blobs", blob).await;
    let body = json!({"avatar": other["blob"]["uid"]});
    refused(hub.put(&bob, &path, body).await, 422, "avatar");

    // So it is with the object of a dialog.
    let data = json!({"class_name": "profile", "avatar": uid});
    let dialog = json!({"type": 2, "name": "d", "occupants_ids": [bob.id], "data": data});
    let (status, dialog) = hub.post(&ann, "/chat/Dialog", dialog).await;
    assert_eq!(status, 201, "{dialog}");
    let path = format!("/chat/Dialog/{}", dialog["_id"].as_str().unwrap());
    let admin = json!({"push_all": {"admins_ids": [bob.id]}});
    assert_eq!(hub.put(&ann, &path, admin).await.0, 200);
    let (status, changed) = hub.put(&bob, &path, json!({"data": data})).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["data"]["avatar"], *uid);
}
