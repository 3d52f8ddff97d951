//! Records that belong to others (CD-29…CD-31).

use serde_json::{Value, json};

use crate::data_support::{hub_with, record_of, refused};
use crate::support::{Hub, Person};

const CLASSES: &str = "
    [[class]]
    name = 'device'
    fields = { name = 'String' }
    [[class]]
    name = 'reading'
    fields = { value = 'Float' }
";

async fn under(hub: &Hub, person: &Person, class: &str, parent: Option<&str>) -> String {
    let fields = json!({"_parent_id": parent});
    let record = record_of(hub, person, class, fields).await;
    assert_eq!(record["_parent_id"], json!(parent));
    record["_id"].as_str().unwrap().to_owned()
}

async fn ids(hub: &Hub, person: &Person, path: &str) -> Vec<String> {
    let (status, list) = hub.get(person, path).await;
    assert_eq!(status, 200, "{list}");
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn children_are_found_by_their_parent_and_go_with_it_in_whatever_depth() {
    let hub = hub_with(CLASSES).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let door = under(&hub, &ann, "device", None).await;
    let other = under(&hub, &ann, "device", None).await;
    let first = under(&hub, &ann, "reading", Some(&door)).await;
    let second = under(&hub, &bob, "reading", Some(&door)).await;
    let kept = under(&hub, &ann, "reading", Some(&other)).await;
    let mut deep = first.clone();
    for _ in 0..50 {
        deep = under(&hub, &ann, "reading", Some(&deep)).await;
    }
    let children = format!("/data/reading?_parent_id={door}");
    assert_eq!(ids(&hub, &ann, &children).await, [first, second]);
    assert_eq!(
        hub.delete(&ann, &format!("/data/device/{door}")).await.0,
        200
    );
    // Whoever's they were, and at once.
    assert_eq!(ids(&hub, &ann, "/data/reading").await, [kept]);
    assert_eq!(ids(&hub, &ann, "/data/device").await, [other.as_str()]);
    let path = format!("/data/device/by_criteria?_id={other}");
    assert_eq!(hub.delete(&ann, &path).await.1, json!({"total_deleted": 1}));
    assert_eq!(ids(&hub, &ann, "/data/reading").await, [""; 0]);
}

#[tokio::test]
async fn a_parent_and_its_child_are_both_told_as_deleted_when_both_are_named() {
    let hub = hub_with(CLASSES).await;
    let ann = hub.person("ann").await;
    let one = under(&hub, &ann, "device", None).await;
    let two = under(&hub, &ann, "device", Some(&one)).await;
    let (status, told) = hub.delete(&ann, &format!("/data/device/{two},{one}")).await;
    assert_eq!(status, 200);
    let mut expected = vec![one, two];
    expected.sort();
    assert_eq!(told["SuccessfullyDeleted"]["ids"], json!(expected));
    assert_eq!(told["NotFound"]["ids"], json!([]));
}

#[tokio::test]
async fn a_record_belongs_to_none_that_is_not_there_not_to_be_read_or_its_own_child() {
    let hub = hub_with(CLASSES).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let hidden = json!({"permissions": {"read": {"access": "owner"}}});
    let hidden = record_of(&hub, &ann, "device", hidden).await;
    for parent in [json!("0".repeat(24)), hidden["_id"].clone(), json!(5)] {
        let body = json!({"_parent_id": parent});
        refused(
            hub.post(&bob, "/data/reading", body).await,
            422,
            "_parent_id",
        );
    }
    let top = under(&hub, &ann, "device", None).await;
    let middle = under(&hub, &ann, "device", Some(&top)).await;
    let low = under(&hub, &ann, "reading", Some(&middle)).await;
    let path = format!("/data/device/{top}");
    for parent in [&top, &middle, &low] {
        let body = json!({"_parent_id": parent});
        refused(hub.put(&ann, &path, body).await, 422, "_parent_id");
    }
    // Set free, the lowest can be the highest's parent.
    for free in [json!(""), Value::Null] {
        let path = format!("/data/reading/{low}");
        let (_, changed) = hub.put(&ann, &path, json!({"_parent_id": free})).await;
        assert_eq!(changed["_parent_id"], Value::Null, "{changed}");
    }
    let (status, changed) = hub.put(&ann, &path, json!({"_parent_id": low})).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["_parent_id"], json!(low));
}

/// Asserts that somebody cannot give a record to another one, whichever way they ask.
async fn stays_free(hub: &Hub, person: &Person, class: &str, id: &str, parent: &str) {
    let path = format!("/data/{class}");
    for (path, body) in [
        (format!("{path}/{id}"), json!({"_parent_id": parent})),
        (
            format!("{path}/by_criteria"),
            json!({"search_criteria": {"_id": id}, "_parent_id": parent}),
        ),
        (
            format!("{path}/multi"),
            json!({"record": [{"id": id, "_parent_id": parent}]}),
        ),
    ] {
        let (status, told) = hub.put(person, &path, body).await;
        assert_eq!(status, 403, "{path}: {told}");
    }
    let path = format!("/data/device/{parent}");
    assert_eq!(hub.delete(person, &path).await.0, 200);
    assert_eq!(
        ids(hub, person, &format!("/data/{class}?_id={id}")).await,
        [id]
    );
}

#[tokio::test]
async fn a_record_one_may_change_and_not_delete_is_not_taken_along_by_ones_own() {
    let hub = hub_with(CLASSES).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let open = json!({"permissions": {"update": {"access": "open"}}});
    let victim = record_of(&hub, &ann, "reading", open).await;
    let victim = victim["_id"].as_str().unwrap();
    let own = under(&hub, &bob, "device", None).await;
    stays_free(&hub, &bob, "reading", victim, &own).await;
    // Its owner may, and then others change the rest of it and send back what they have read.
    let other = under(&hub, &ann, "device", None).await;
    let path = format!("/data/reading/{victim}");
    let body = json!({"_parent_id": other, "value": 1});
    assert_eq!(hub.put(&ann, &path, body.clone()).await.0, 200);
    assert_eq!(hub.put(&bob, &path, body).await.0, 200);
}

#[tokio::test]
async fn a_record_nobody_may_delete_is_not_given_to_one_that_can_be() {
    let class = format!("{CLASSES} permissions = {{ delete = {{ access = 'not_allowed' }} }}");
    let hub = hub_with(&class).await;
    let ann = hub.person("ann").await;
    let kept = under(&hub, &ann, "reading", None).await;
    let own = under(&hub, &ann, "device", None).await;
    stays_free(&hub, &ann, "reading", &kept, &own).await;
}
