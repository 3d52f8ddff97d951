//! Custom fields of dialogs (CH-13).

use serde_json::json;

use crate::support::Hub;

async fn hub() -> Hub {
    Hub::start_with(|config| {
        config.chat.dialog_extensions = vec!["place".to_owned(), "floor".to_owned()];
    })
    .await
}

#[tokio::test]
async fn allowed_fields_are_kept_as_texts_others_are_ignored_and_null_resets() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let more = json!({"extensions": {"place": "Sun bar", "floor": 3, "unknown": "x"}});
    let id = hub.dialog(&ann, 2, more).await;
    let listed = hub.listed(&ann, &id).await.unwrap();
    assert_eq!(
        listed["extensions"],
        json!({"place": "Sun bar", "floor": "3"})
    );
    let path = format!("/chat/Dialog/{id}");
    let (_, dialog) = hub
        .put(&ann, &path, json!({"extensions": {"place": true}}))
        .await;
    assert_eq!(dialog["extensions"], json!({"place": "true"}));
    let (_, dialog) = hub.put(&ann, &path, json!({"name": "other"})).await;
    assert_eq!(dialog["extensions"], json!({"place": "true"}));
    let (_, dialog) = hub.put(&ann, &path, json!({"extensions": null})).await;
    assert_eq!(dialog["extensions"], json!(null));
}

#[tokio::test]
async fn dialogs_are_found_by_their_fields() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let bar = hub
        .dialog(&ann, 2, json!({"extensions": {"place": "Sun bar"}}))
        .await;
    hub.dialog(
        &ann,
        2,
        json!({"extensions": {"place": "Moon bar", "floor": 1}}),
    )
    .await;
    hub.dialog(&ann, 2, json!({})).await;
    let total = async |query: &str| {
        hub.get(&ann, &format!("/chat/Dialog?{query}")).await.1["total_entries"].clone()
    };
    let (_, list) = hub
        .get(&ann, "/chat/Dialog?extensions[place]=Sun%20bar")
        .await;
    assert_eq!(
        (&list["total_entries"], &list["items"][0]["_id"]),
        (&json!(1), &json!(bar))
    );
    assert_eq!(total("extensions[place][in]=Sun%20bar,Moon%20bar").await, 2);
    assert_eq!(
        total("extensions[place][ctn]=bar&extensions[floor]=1").await,
        1
    );
    let (status, error) = hub.get(&ann, "/chat/Dialog?extensions[unknown]=x").await;
    assert_eq!(status, 422);
    assert!(
        error["errors"]["extensions"][0]
            .as_str()
            .unwrap()
            .contains("unknown")
    );
}

#[tokio::test]
async fn a_private_dialog_may_have_them_too() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let more = json!({"occupants_ids": [bob.id], "extensions": {"place": "door"}});
    let id = hub.dialog(&ann, 3, more).await;
    assert_eq!(
        hub.listed(&bob, &id).await.unwrap()["extensions"],
        json!({"place": "door"})
    );
}
