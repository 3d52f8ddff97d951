//! Dialogs bound to a custom object, as the vendor's Flutter SDK sends it (CH-20).

use serde_json::{Value, json};

use crate::data_support::{each, hub_with, refused};
use crate::support::{Hub, Person};

const VISIT: &str = "
    [[class]]
    name = 'visit'
    fields = { flat = 'Integer', name = 'String', done = 'Boolean', tags = 'Array of String' }
    [[class]]
    name = 'other'
    fields = { name = 'String' }
";

async fn names(hub: &Hub, person: &Person, query: &str) -> Vec<String> {
    let (status, list) = hub
        .get(person, &format!("/chat/Dialog?sort_asc=name&{query}"))
        .await;
    assert_eq!(status, 200, "{query}: {list}");
    let names = each(&list, "name").into_iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_dialog_carries_an_object_of_a_class_with_its_values_typed() {
    let hub = hub_with(VISIT).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let data = json!({"class_name": "visit", "flat": "12", "tags": ["late"]});
    let id = hub
        .dialog(&ann, 2, json!({"occupants_ids": [bob.id], "data": data}))
        .await;
    let expected =
        json!({"class_name": "visit", "flat": 12, "name": null, "done": null, "tags": ["late"]});
    assert_eq!(hub.listed(&bob, &id).await.unwrap()["data"], expected);
    // What is not named stays, as with a record.
    let path = format!("/chat/Dialog/{id}");
    let body = json!({"data": {"class_name": "visit", "name": "post", "done": true, "tags": null}});
    let (status, changed) = hub.put(&bob, &path, body).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        changed["data"],
        json!({"class_name": "visit", "flat": 12, "name": "post", "done": true, "tags": null})
    );
    let body = json!({"data": {"class_name": "other"}});
    let (_, changed) = hub.put(&ann, &path, body).await;
    assert_eq!(
        changed["data"],
        json!({"class_name": "other", "name": null})
    );
    let (_, changed) = hub
        .put(&ann, &path, json!({"name": "G", "data": null}))
        .await;
    assert_eq!(changed["data"], Value::Null);
    let private =
        json!({"type": 3, "occupants_ids": [bob.id], "data": {"class_name": "visit", "flat": 1}});
    let (status, dialog) = hub.post(&ann, "/chat/Dialog", private).await;
    assert_eq!((status, &dialog["data"]["flat"]), (201, &json!(1)));
}

#[tokio::test]
async fn dialogs_are_found_by_their_object() {
    let hub = hub_with(VISIT).await;
    let ann = hub.person("ann").await;
    for (name, data) in [
        (
            "a",
            json!({"class_name": "visit", "flat": 1, "tags": ["x", "y"]}),
        ),
        (
            "b",
            json!({"class_name": "visit", "flat": 12, "name": "post"}),
        ),
        ("c", json!({"class_name": "other", "name": "post"})),
        ("d", Value::Null),
    ] {
        hub.dialog(&ann, 2, json!({"name": name, "data": data}))
            .await;
    }
    for (query, expected) in [
        ("data[class_name]=visit", &["a", "b"][..]),
        ("data[class_name]=visit&data[flat]=12", &["b"]),
        ("data[class_name]=visit&data[flat][lt]=12", &["a"]),
        ("data[class_name]=visit&data[name]=null", &["a"]),
        ("data[class_name]=visit&data[tags][all]=x,y", &["a"]),
        ("data[class_name]=other&data[name]=post", &["c"]),
        ("data[class_name]=visit&data[flat]=1&type=3", &[]),
    ] {
        assert_eq!(names(&hub, &ann, query).await, expected, "{query}");
    }
    for (query, field) in [
        ("data[flat]=1", "data"),
        ("data[class_name]=none", "data"),
        ("data=visit", "data"),
        ("data[class_name]=visit&data[colour]=1", "data[colour]"),
        ("data[class_name]=visit&data[flat]=x", "data[flat]"),
    ] {
        let answer = hub.get(&ann, &format!("/chat/Dialog?{query}")).await;
        refused(answer, 422, field);
    }
}

#[tokio::test]
async fn an_object_that_breaks_a_rule_of_its_class_leaves_the_dialog_as_it_was() {
    let hub = hub_with(VISIT).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub
        .dialog(&ann, 2, json!({"data": {"class_name": "visit", "flat": 5}}))
        .await;
    let path = format!("/chat/Dialog/{id}");
    for (data, field) in [
        (json!({"flat": 6}), "data"),
        (json!("visit"), "data"),
        (json!({"class_name": "none"}), "data"),
        (json!({"class_name": "visit", "flat": "x"}), "data[flat]"),
        (json!({"class_name": "visit", "colour": 1}), "data[colour]"),
    ] {
        let body = json!({"name": "changed", "data": data});
        refused(hub.put(&ann, &path, body.clone()).await, 422, field);
        let new = json!({"type": 2, "name": "N", "data": data});
        refused(hub.post(&ann, "/chat/Dialog", new).await, 422, field);
    }
    let dialog = hub.listed(&ann, &id).await.unwrap();
    assert_eq!(
        (&dialog["name"], &dialog["data"]["flat"]),
        (&json!("D"), &json!(5))
    );
    // The rights are those of its other custom fields.
    let open = hub
        .dialog(&ann, 4, json!({"data": {"class_name": "visit", "flat": 5}}))
        .await;
    let path = format!("/chat/Dialog/{open}");
    assert_eq!(
        hub.post(&bob, &format!("{path}/subscribe"), json!({}))
            .await
            .0,
        200
    );
    let body = json!({"data": {"class_name": "visit", "flat": 6}});
    assert_eq!(hub.put(&bob, &path, body).await.0, 403);
}
