//! The roles matrix over REST (CH-03, CH-16…CH-19; §6.4 of the contract).

use serde_json::{Value, json};

use crate::support::{Hub, Person};

struct Cast {
    owner: Person,
    admin: Person,
    regular: Person,
    stranger: Person,
}

async fn cast(hub: &Hub) -> Cast {
    Cast {
        owner: hub.person("owner").await,
        admin: hub.person("admin").await,
        regular: hub.person("regular").await,
        stranger: hub.person("stranger").await,
    }
}

/// A dialog of the kind with an administrator and, where there are any, a regular member.
async fn dialog(hub: &Hub, cast: &Cast, kind: u8) -> String {
    let more = json!({"occupants_ids": [cast.regular.id], "admins_ids": [cast.admin.id]});
    let id = hub.dialog(&cast.owner, kind, more).await;
    if kind == 4 {
        let path = format!("/chat/dialog/{id}/subscribe");
        assert_eq!(hub.post(&cast.regular, &path, json!({})).await.0, 200);
    }
    id
}

#[tokio::test]
async fn each_role_changes_in_each_kind_of_dialog_what_the_matrix_says() {
    let hub = Hub::start_with(|config| {
        config.chat.broadcast_by_users = true;
        config.chat.dialog_extensions = vec!["place".to_owned()];
    })
    .await;
    let cast = cast(&hub).await;
    let extra = hub.person("extra").await;
    // For broadcast, group and public: the least role of `o`wner, `a`dmin, `r`egular, `-` nobody.
    let rights: &[(&str, Value)] = &[
        ("ara", json!({"name": "N"})),
        ("ara", json!({"description": "D", "photo": "P"})),
        ("ara", json!({"extensions": {"place": "door"}})),
        ("aaa", json!({"permissions": {"allow_preview": true}})),
        ("-ra", json!({"push_all": {"occupants_ids": [extra.id]}})),
        ("-aa", json!({"pull_all": {"occupants_ids": [extra.id]}})),
        ("ooo", json!({"push_all": {"admins_ids": [extra.id]}})),
        ("ooo", json!({"pull_all": {"admins_ids": [extra.id]}})),
        ("a-a", json!({"push_all": {"blocked_ids": [extra.id]}})),
        ("a-a", json!({"pull_all": {"blocked_ids": [extra.id]}})),
    ];
    for (column, kind) in [1, 2, 4].into_iter().enumerate() {
        let id = dialog(&hub, &cast, kind).await;
        let path = format!("/chat/Dialog/{id}");
        for (row, body) in rights {
            let least = row.as_bytes()[column];
            for (person, letters) in [
                (&cast.regular, "r"),
                (&cast.admin, "ra"),
                (&cast.owner, "rao"),
            ] {
                let expected = if letters.as_bytes().contains(&least) {
                    200
                } else {
                    403
                };
                let (status, answer) = hub.put(person, &path, body.clone()).await;
                assert_eq!(status, expected, "type {kind}, {letters}: {body} {answer}");
            }
        }
        let refused = hub.put(&cast.stranger, &path, json!({"name": "x"})).await.0;
        assert_eq!(refused, if kind == 1 { 403 } else { 404 });
    }
}

#[tokio::test]
async fn a_private_dialog_keeps_its_two_people_its_name_and_its_lack_of_administrators() {
    let hub = Hub::start().await;
    let cast = cast(&hub).await;
    let more = json!({"occupants_ids": [cast.regular.id]});
    let id = hub.dialog(&cast.owner, 3, more).await;
    let message = hub.write(&cast.owner, &id, "pin me").await;
    for body in [
        json!({"name": "N"}),
        json!({"permissions": {"allow_preview": true}}),
        json!({"push_all": {"occupants_ids": [cast.admin.id]}}),
        json!({"pull_all": {"occupants_ids": [cast.regular.id]}}),
        json!({"pull_all": {"occupants_ids": [cast.owner.id]}}),
        json!({"push_all": {"admins_ids": [cast.regular.id]}}),
        json!({"push_all": {"pinned_messages_ids": [message]}}),
        json!({"push_all": {"blocked_ids": [cast.regular.id]}}),
    ] {
        let (status, _) = hub
            .put(&cast.owner, &format!("/chat/Dialog/{id}"), body.clone())
            .await;
        assert_eq!(status, 403, "{body}");
    }
}

#[tokio::test]
async fn administrators_are_made_by_the_owner_and_are_five_at_most() {
    let hub = Hub::start().await;
    let owner = hub.person("owner").await;
    let mut others = Vec::new();
    for n in 0..6 {
        others.push(hub.person(&format!("user{n}")).await.id);
    }
    let id = hub
        .dialog(&owner, 2, json!({"occupants_ids": others}))
        .await;
    let path = format!("/chat/Dialog/{id}/admins.json");
    let all = json!({"push_all": {"admins_ids": others}});
    let (status, error) = hub.put(&owner, &path, all).await;
    assert_eq!(status, 422);
    assert!(
        error["errors"]["admins_ids"][0]
            .as_str()
            .unwrap()
            .contains("5")
    );
    let five = json!({"push_all": {"admins_ids": others[..5]}});
    let (_, dialog) = hub.put(&owner, &path, five).await;
    assert_eq!(dialog["admins_ids"], json!(others[..5]));
    let sixth = json!({"push_all": {"admins_ids": [others[5]]}});
    assert_eq!(hub.put(&owner, &path, sixth).await.0, 422);
    let swap = json!({"push_all": {"admins_ids": [others[5]]},
                      "pull_all": {"admins_ids": [others[0]]}});
    let (_, dialog) = hub.put(&owner, &path, swap).await;
    assert_eq!(dialog["admins_ids"], json!(others[1..]));
    let body = json!({"type": 2, "name": "G", "admins_ids": others});
    assert_eq!(hub.post(&owner, "/chat/Dialog", body).await.0, 422);
}

#[tokio::test]
async fn the_owner_is_removed_by_nobody_and_an_administrator_only_by_the_owner() {
    let hub = Hub::start().await;
    let cast = cast(&hub).await;
    let id = dialog(&hub, &cast, 2).await;
    let path = format!("/chat/Dialog/{id}");
    let pull = |person: &Person| json!({"pull_all": {"occupants_ids": [person.id]}});
    let second = json!({"push_all": {"admins_ids": [cast.regular.id]}});
    hub.put(&cast.owner, &path, second).await;
    assert_eq!(hub.put(&cast.admin, &path, pull(&cast.owner)).await.0, 403);
    assert_eq!(
        hub.put(&cast.admin, &path, pull(&cast.regular)).await.0,
        403
    );
    assert_eq!(
        hub.put(&cast.owner, &path, pull(&cast.regular)).await.0,
        200
    );
    // Leaving is everybody's right.
    assert_eq!(hub.put(&cast.admin, &path, pull(&cast.admin)).await.0, 200);
    assert_eq!(hub.listed(&cast.admin, &id).await, None);
    let (_, dialog) = hub.put(&cast.owner, &path, json!({})).await;
    assert_eq!(dialog["occupants_ids"], json!([cast.owner.id]));
    assert_eq!(dialog["admins_ids"], json!([]));
}

#[tokio::test]
async fn only_messages_of_the_dialog_are_pinned_and_the_latest_pin_is_last() {
    let hub = Hub::start().await;
    let cast = cast(&hub).await;
    let id = dialog(&hub, &cast, 2).await;
    let elsewhere = hub.dialog(&cast.owner, 2, json!({})).await;
    let foreign = hub.write(&cast.owner, &elsewhere, "x").await;
    let (one, two) = (
        hub.write(&cast.regular, &id, "1").await,
        hub.write(&cast.owner, &id, "2").await,
    );
    let path = format!("/chat/Dialog/{id}");
    let pin = |ids: &[&String]| json!({"push_all": {"pinned_messages_ids": ids}});
    assert_eq!(hub.put(&cast.regular, &path, pin(&[&one])).await.0, 403);
    let (status, error) = hub.put(&cast.admin, &path, pin(&[&foreign])).await;
    assert_eq!(status, 422);
    assert!(error["errors"]["pinned_messages_ids"].is_array());
    hub.put(&cast.admin, &path, pin(&[&two])).await;
    let (_, dialog) = hub.put(&cast.owner, &path, pin(&[&one])).await;
    assert_eq!(dialog["pinned_messages_ids"], json!([two, one]));
    let unpin = json!({"pull_all": {"pinned_messages_ids": [two]}});
    let (_, dialog) = hub.put(&cast.admin, &path, unpin).await;
    assert_eq!(dialog["pinned_messages_ids"], json!([one]));
    // A message that is gone is pinned no more.
    hub.delete(&cast.owner, &format!("/chat/Message/{one}?force=1"))
        .await;
    let listed = hub.listed(&cast.owner, &id).await.unwrap();
    assert_eq!(listed["pinned_messages_ids"], json!([]));
}

#[tokio::test]
async fn a_request_that_is_refused_in_one_part_changes_nothing() {
    let hub = Hub::start().await;
    let cast = cast(&hub).await;
    let id = dialog(&hub, &cast, 2).await;
    let body = json!({"name": "renamed", "push_all": {"admins_ids": [cast.regular.id]}});
    let (status, error) = hub
        .put(&cast.regular, &format!("/chat/Dialog/{id}"), body)
        .await;
    assert_eq!(status, 403);
    assert!(
        error["errors"]["base"][0]
            .as_str()
            .unwrap()
            .contains("owner")
    );
    assert_eq!(hub.listed(&cast.owner, &id).await.unwrap()["name"], "D");
}

#[tokio::test]
async fn a_wrong_dialog_is_refused_with_the_field_that_is_wrong() {
    let hub = Hub::start_with(|config| config.limits.occupants = 3).await;
    let ann = hub.person("ann").await;
    let mut ids = Vec::new();
    for name in ["bob", "eve", "joe"] {
        ids.push(hub.person(name).await.id);
    }
    for (body, field) in [
        (json!({"name": "N"}), "type"),
        (json!({"type": 5, "name": "N"}), "type"),
        (json!({"type": "group", "name": "N"}), "type"),
        (json!({"type": 2}), "name"),
        (json!({"type": 4, "name": ""}), "name"),
        (json!({"type": 2, "name": ["N"]}), "name"),
        (json!({"type": 2, "name": "x".repeat(2001)}), "name"),
        (
            json!({"type": 2, "name": "N", "occupants_ids": ids}),
            "occupants_ids",
        ),
        (
            json!({"type": 2, "name": "N", "occupants_ids": "1,bob"}),
            "occupants_ids",
        ),
        (
            json!({"type": 2, "name": "N", "occupants_ids": [-1]}),
            "occupants_ids",
        ),
        (
            json!({"type": 3, "occupants_ids": ids[..2]}),
            "occupants_ids",
        ),
        (
            json!({"type": 3, "occupants_ids": [ann.id]}),
            "occupants_ids",
        ),
        (
            json!({"type": 2, "name": "N", "extensions": "x"}),
            "extensions",
        ),
        (
            json!({"type": 2, "name": "N", "permissions": 1}),
            "permissions",
        ),
    ] {
        let (status, error) = hub.post(&ann, "/chat/Dialog", body.clone()).await;
        assert_eq!(status, 422, "{body}");
        assert!(error["errors"][field][0].is_string(), "{body}: {error}");
    }
}
