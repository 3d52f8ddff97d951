//! Who may do what with records (CD-06, CD-16, CD-24…CD-28).

use reqwest::Method;
use serde_json::{Value, json};

use crate::data_support::{PROFILE, as_admin, hub, hub_with, record, tagged};
use crate::support::{Hub, Person};

#[tokio::test]
async fn a_record_with_permissions_is_answered_with_them_and_only_its_owner_reads_them() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let body = json!({"full_name": "Jacelyn Millard", "permissions": {
        "update": {"access": "open_for_users_ids", "ids": ["51941", "51943"]},
        "delete": {"access": "open_for_groups", "groups": ["officers", "assistants"]},
    }});
    let (status, record) = hub.post(&ann, "/data/profile", body).await;
    assert_eq!(status, 201, "{record}");
    let expected = json!({
        "read": {"access": "open"},
        "update": {"access": "open_for_users_ids", "users_ids": ["51941", "51943"]},
        "delete": {"access": "open_for_groups", "users_groups": ["officers", "assistants"]},
    });
    assert_eq!(record["permissions"], expected);
    let path = format!("/data/profile/{}", record["_id"].as_str().unwrap());
    let (_, list) = hub.get(&bob, "/data/profile").await;
    assert_eq!(list["items"][0]["_id"], record["_id"]);
    assert_eq!(list["items"][0].get("permissions"), None);
    assert_eq!(
        hub.get(&bob, &path).await.1["items"][0]["permissions"],
        expected
    );
    let path = format!("{path}?permissions=1");
    let told = json!({"record_id": record["_id"], "permissions": expected});
    assert_eq!(hub.get(&ann, &path).await, (200, told.clone()));
    assert_eq!(hub.get(&bob, &path).await.0, 403);
    assert_eq!(as_admin(&hub, Method::GET, &path, None).await, (200, told));
}

/// Whether somebody may read, list, change and delete a record: `y` or `n` each. What was deleted
/// is made again.
async fn rights(hub: &Hub, owner: &Person, person: &Person, permissions: &Value) -> String {
    let fields = json!({"age": 1, "permissions": permissions});
    let id = record(hub, owner, fields).await;
    let path = format!("/data/profile/{id}");
    let mut rights = String::new();
    let mut note = |status: u16| {
        assert!(matches!(status, 200 | 403), "{status}");
        rights.push(if status == 200 { 'y' } else { 'n' });
    };
    note(hub.get(person, &path).await.0);
    let (_, list) = hub.get(person, &format!("/data/profile?_id={id}")).await;
    note(if list["items"] == json!([]) { 403 } else { 200 });
    note(hub.put(person, &path, json!({"age": 2})).await.0);
    note(hub.delete(person, &path).await.0);
    rights
}

#[tokio::test]
async fn each_record_admits_those_its_permissions_name() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let cook = tagged(&hub, "cook", &["kitchen", "staff"]).await;
    let level = |access: Value| json!({"read": access, "update": access, "delete": access});
    let groups = json!({"access": "open_for_groups", "groups": ["staff", "officers"]});
    let ids = json!({"access": "open_for_users_ids", "ids": [bob.id]});
    for (permissions, of_ann, of_bob, of_cook) in [
        (json!({}), "yyyy", "yynn", "yynn"),
        (level(json!({"access": "open"})), "yyyy", "yyyy", "yyyy"),
        (level(json!({"access": "owner"})), "yyyy", "nnnn", "nnnn"),
        // Those named and nobody else.
        (level(groups), "nnnn", "nnnn", "yyyy"),
        (level(ids), "nnnn", "yyyy", "nnnn"),
    ] {
        for (person, expected) in [(&ann, of_ann), (&bob, of_bob), (&cook, of_cook)] {
            let found = rights(&hub, &ann, person, &permissions).await;
            assert_eq!(found, expected, "{permissions} {}", person.id);
        }
    }
}

#[tokio::test]
async fn a_permission_a_record_cannot_have_is_refused() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    for permissions in [
        json!({"read": {"access": "not_allowed"}}),
        json!({"create": {"access": "open"}}),
        json!({"read": {"access": "open_for_groups"}}),
        json!({"read": {"access": "open_for_groups", "groups": vec!["g".repeat(255); 17]}}),
        json!({"read": {"access": "open_for_users_ids", "ids": vec![ann.id; 101]}}),
        json!("open"),
    ] {
        let body = json!({"permissions": permissions});
        let (status, refused) = hub.post(&ann, "/data/profile", body).await;
        assert_eq!(status, 422, "{refused}");
        assert!(refused["errors"]["permissions"].is_array(), "{refused}");
    }
}

#[tokio::test]
async fn only_the_owner_changes_the_permissions_of_a_record() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let open = json!({"update": {"access": "open"}});
    let id = record(&hub, &ann, json!({"permissions": open})).await;
    let path = format!("/data/profile/{id}");
    let closed = json!({"age": 3, "permissions": {"read": {"access": "owner"}}});
    assert_eq!(hub.put(&bob, &path, closed.clone()).await.0, 403);
    // Sending back what one has read changes nothing and is no offence.
    let (_, read) = hub.get(&bob, &path).await;
    let (status, changed) = hub.put(&bob, &path, read["items"][0].clone()).await;
    assert_eq!(status, 200, "{changed}");
    let (status, changed) = hub.put(&ann, &path, closed).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["permissions"]["read"]["access"], "owner");
    assert_eq!(changed["permissions"]["update"]["access"], "open");
    // Who may change it and not read it does not read it by changing it.
    let (status, changed) = hub.put(&bob, &path, json!({"job": "spy"})).await;
    assert_eq!(status, 200);
    assert_eq!(changed["_id"], json!(id));
    assert_eq!(changed.get("age"), None, "{changed}");
    assert_eq!(changed.get("permissions"), None, "{changed}");
}

#[tokio::test]
async fn where_the_class_decides_the_record_does_not_and_only_the_operator_passes_not_allowed() {
    let class = format!(
        "{PROFILE}
         [class.permissions]
         create = {{ access = 'open_for_groups', groups = ['staff'] }}
         read = {{ access = 'owner' }}
         update = {{ access = 'open' }}
         delete = {{ access = 'not_allowed' }}"
    );
    let hub = hub_with(&class).await;
    let cook = tagged(&hub, "cook", &["staff"]).await;
    let ann = hub.person("ann").await;
    assert_eq!(hub.post(&ann, "/data/profile", json!({})).await.0, 403);
    let many = json!({"record": [{}]});
    assert_eq!(hub.post(&ann, "/data/profile/multi", many).await.0, 403);
    let with_key = [
        ("CB-Administration-API-Key", "admin-key"),
        ("CB-Token", &ann.token),
    ];
    let (status, by_ann) = hub
        .call(
            Method::POST,
            "/data/profile",
            &with_key,
            Some(json!({"age": 1})),
        )
        .await;
    assert_eq!((status, &by_ann["user_id"]), (201, &json!(ann.id)));
    let wish = json!({"age": 2, "permissions": {"read": {"access": "open"}, "delete": {"access": "open"}}});
    let (status, by_cook) = hub.post(&cook, "/data/profile", wish).await;
    assert_eq!(status, 201, "{by_cook}");
    assert_eq!(
        by_cook["permissions"],
        json!({"read": {"access": "owner"}, "update": {"access": "open"},
               "delete": {"access": "not_allowed"}})
    );
    let path = format!("/data/profile/{}", by_cook["_id"].as_str().unwrap());
    assert_eq!(hub.get(&ann, &path).await.0, 403);
    let (_, list) = hub.get(&ann, "/data/profile").await;
    assert_eq!(list["items"][0]["_id"], by_ann["_id"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(hub.put(&ann, &path, json!({"age": 9})).await.0, 200);
    assert_eq!(hub.delete(&cook, &path).await.0, 403);
    let (_, all) = as_admin(&hub, Method::GET, "/data/profile", None).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert_eq!(as_admin(&hub, Method::DELETE, &path, None).await.0, 200);
}
