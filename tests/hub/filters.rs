//! Filters, sorting, paging and their refusal (CH-05…CH-07, CH-31, CH-33; wire reference E.1).

use serde_json::json;

use crate::support::{Hub, START};

#[tokio::test]
async fn dialogs_are_found_by_every_operator_in_either_array_encoding() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let with = async |kind: u8, name: &str, others: Vec<u64>| {
        hub.clock.advance(10);
        let more = json!({"name": name, "occupants_ids": others});
        hub.dialog(&ann, kind, more).await
    };
    let first = with(2, "Alpha", vec![bob.id]).await;
    let second = with(2, "Beta", vec![bob.id, eve.id]).await;
    let third = with(3, "", vec![bob.id]).await;
    let names = async |query: String| {
        let (status, list) = hub.get(&ann, &format!("/chat/Dialog?{query}")).await;
        assert_eq!(status, 200, "{query}: {list}");
        assert_eq!(
            list["total_entries"],
            json!(list["items"].as_array().unwrap().len())
        );
        let name = |id: &serde_json::Value| match id.as_str().unwrap() {
            id if id == first => "1",
            id if id == second => "2",
            _ => "3",
        };
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| name(&item["_id"]))
            .collect::<String>()
    };
    for (query, expected) in [
        (String::new(), "321"),
        ("sort_asc=created_at".to_owned(), "123"),
        ("sort_desc=date_sent&type=2".to_owned(), "21"),
        ("type[in]=2,3&sort_asc=created_at".to_owned(), "123"),
        ("type[in][]=3&type[in][]=4".to_owned(), "3"),
        ("type[nin]=3".to_owned(), "21"),
        ("type[ne]=2".to_owned(), "3"),
        ("type[gte]=3".to_owned(), "3"),
        ("type[lt]=3".to_owned(), "21"),
        ("name=Beta".to_owned(), "2"),
        ("name[ctn]=lph".to_owned(), "1"),
        (format!("_id={first}"), "1"),
        (format!("_id[in]={first},{third}&sort_asc=created_at"), "13"),
        (format!("occupants_ids[all]={},{}", bob.id, eve.id), "2"),
        (format!("occupants_ids[in]={}", eve.id), "2"),
        (format!("occupants_ids[nin]={}", eve.id), "31"),
        (format!("created_at[gt]={}", START + 20), "3"),
        (format!("updated_at[lte]={}", START + 10), "1"),
        ("updated_at[gt]=2026-11-22T13:07:16.500Z".to_owned(), "3"),
    ] {
        assert_eq!(names(query.clone()).await, expected, "{query}");
    }
    let (_, page) = hub
        .get(&ann, "/chat/Dialog?limit=1&skip=1&sort_asc=created_at")
        .await;
    assert_eq!(
        (&page["total_entries"], &page["limit"], &page["skip"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(page["items"][0]["_id"], json!(second));
    let (_, count) = hub.get(&ann, "/chat/Dialog?count=1&type=2").await;
    assert_eq!(count, json!({"items": {"count": 2}}));
}

#[tokio::test]
async fn a_change_of_a_dialog_shows_in_an_incremental_list() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (quiet, busy) = (
        hub.group(&ann, &[&bob]).await,
        hub.group(&ann, &[&bob]).await,
    );
    hub.clock.advance(60);
    hub.write(&bob, &busy, "x").await;
    let path = format!("/chat/Dialog?updated_at[gt]={START}");
    let (_, list) = hub.get(&ann, &path).await;
    assert_eq!(
        (&list["total_entries"], &list["items"][0]["_id"]),
        (&json!(1), &json!(busy))
    );
    hub.put(&bob, &format!("/chat/Dialog/{quiet}"), json!({"name": "N"}))
        .await;
    assert_eq!(hub.get(&ann, &path).await.1["total_entries"], 2);
}

#[tokio::test]
async fn messages_are_found_by_attachment_type_sender_and_change() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let id = hub.group(&ann, &[&bob]).await;
    let send = async |person, text: &str, kinds: &[&str]| {
        let attachments: Vec<_> = kinds.iter().map(|kind| json!({"type": kind})).collect();
        let body = json!({"chat_dialog_id": id, "message": text, "attachments": attachments});
        hub.post(person, "/chat/Message", body).await.1["_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    send(&ann, "1", &[]).await;
    send(&bob, "2", &["photo"]).await;
    let third = send(&ann, "3", &["photo", "audio"]).await;
    let texts = async |query: String| {
        let path = format!("/chat/Message?chat_dialog_id={id}&mark_as_read=0&{query}");
        let (status, list) = hub.get(&ann, &path).await;
        assert_eq!(status, 200, "{query}: {list}");
        let items = list["items"].as_array().unwrap().clone();
        let texts = items.iter().map(|item| item["message"].as_str().unwrap());
        texts.collect::<String>()
    };
    for (query, expected) in [
        ("attachments.type=photo".to_owned(), "23"),
        ("attachments.type[in]=audio,video".to_owned(), "3"),
        ("attachments.type[all]=photo,audio".to_owned(), "3"),
        ("attachments.type[ne]=audio".to_owned(), "12"),
        ("attachments.type[nin]=photo,audio".to_owned(), "1"),
        (format!("sender_id={}", bob.id), "2"),
        (format!("sender_id[ne]={}", bob.id), "13"),
        (format!("_id[in]={third}"), "3"),
        ("sort_desc=date_sent&limit=1".to_owned(), "3"),
        ("limit=5000".to_owned(), "123"),
    ] {
        assert_eq!(texts(query.clone()).await, expected, "{query}");
    }
    // Reading, editing and reacting count as changes.
    hub.clock.advance(60);
    let since = format!("updated_at[gt]={START}");
    assert_eq!(texts(since.clone()).await, "");
    let edit = json!({"chat_dialog_id": id, "message": "III"});
    hub.put(&ann, &format!("/chat/Message/{third}"), edit).await;
    assert_eq!(texts(since.clone()).await, "III");
    hub.put(
        &bob,
        "/chat/Message",
        json!({"chat_dialog_id": id, "read": 1}),
    )
    .await;
    assert_eq!(texts(since).await, "1III");
}

#[tokio::test]
async fn a_wrong_field_operator_or_value_is_refused_by_name() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let id = hub.group(&ann, &[]).await;
    for (list, query, field) in [
        ("Dialog?", "colour[gt]=1", "colour"),
        ("Dialog?", "name[like]=x", "name"),
        ("Dialog?", "type=group", "type"),
        ("Dialog?", "type[in]=2,x", "type"),
        ("Dialog?", "updated_at[gt]=yesterday", "updated_at"),
        ("Dialog?", "sort_desc=colour", "colour"),
        ("Dialog?", "limit=many", "limit"),
        ("Dialog?", "skip=-1", "skip"),
        ("Message?", "colour[gt]=1", "colour"),
        ("Message?", "date_sent[near]=1", "date_sent"),
        ("Message?", "sender_id=ann", "sender_id"),
        ("Message?", "sort_asc=colour", "colour"),
    ] {
        let path = format!("/chat/{list}chat_dialog_id={id}&{query}");
        let (status, error) = hub.get(&ann, &path).await;
        assert_eq!(status, 422, "{query}: {error}");
        assert!(error["errors"][field][0].is_string(), "{query}: {error}");
    }
    // What is no condition is left alone.
    assert_eq!(hub.get(&ann, "/chat/Dialog?colour=red").await.0, 200);
}
