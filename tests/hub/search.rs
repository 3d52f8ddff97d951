//! Global search (CH-45).

use serde_json::{Value, json};

use crate::support::{Hub, Person, START};

fn texts(found: &Value) -> Vec<&str> {
    let messages = found["results"]["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["message"].as_str().unwrap())
        .collect()
}

async fn search(hub: &Hub, person: &Person, query: &str) -> Value {
    let (status, found) = hub.get(person, &format!("/chat/search.json?{query}")).await;
    assert_eq!(status, 200, "{query}: {found}");
    found
}

#[tokio::test]
async fn texts_and_names_are_found_as_they_are_written_and_only_in_the_own_dialogs() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bobby_lorem").await,
        hub.person("eve").await,
    );
    let own = hub
        .dialog(
            &ann,
            2,
            json!({"name": "lorem ipsum", "occupants_ids": [bob.id]}),
        )
        .await;
    let other = hub.dialog(&eve, 2, json!({"name": "lorem eve"})).await;
    hub.write(&ann, &own, "say lorem 100%").await;
    hub.clock.advance(1);
    hub.write(&bob, &own, "Lorem with a capital").await;
    hub.write(&bob, &own, "a second lorem").await;
    hub.write(&eve, &other, "lorem of others").await;
    let found = search(&hub, &ann, "search_text=lorem").await;
    assert_eq!(texts(&found), ["a second lorem", "say lorem 100%"]);
    let dialogs = found["results"]["dialogs"].as_array().unwrap();
    assert_eq!((dialogs.len(), &dialogs[0]["_id"]), (1, &json!(own)));
    // A percent sign is a percent sign.
    assert_eq!(
        texts(&search(&hub, &ann, "search_text=%20100%25").await),
        ["say lorem 100%"]
    );
    let people = search(&hub, &ann, "search_text=BOBBY").await;
    assert_eq!(people["results"]["users"][0]["id"], json!(bob.id));
    let strangers = search(&hub, &eve, "search_text=BOBBY").await;
    assert_eq!(strangers["results"]["users"], json!([]));
    let found = search(&hub, &eve, "search_text=lorem").await;
    assert_eq!(texts(&found), ["lorem of others"]);
}

#[tokio::test]
async fn a_search_is_narrowed_by_dialogs_dates_and_limit() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let (one, two) = (hub.group(&ann, &[]).await, hub.group(&ann, &[]).await);
    for (dialog, text) in [(&one, "needle 0"), (&two, "needle 1"), (&one, "needle 2")] {
        hub.write(&ann, dialog, text).await;
        hub.clock.advance(100);
    }
    let found = async |query: String| {
        let found = search(&hub, &ann, &format!("search_text=needle&{query}")).await;
        texts(&found).join(", ")
    };
    assert_eq!(
        found(format!("chat_dialog_ids={one}")).await,
        "needle 2, needle 0"
    );
    assert_eq!(
        found(format!("chat_dialog_ids={one},{two}&limit=1")).await,
        "needle 2"
    );
    assert_eq!(found("chat_dialog_ids=unknown".into()).await, "");
    let (early, late) = (START + 50, START + 150);
    assert_eq!(
        found(format!("start_date={late}&end_date={early}")).await,
        "needle 1"
    );
    assert_eq!(
        found("start_date=2026-11-22T13:08:40Z&end_date=2026-09-01T00:00:00Z".into()).await,
        "needle 1, needle 0"
    );
}

#[tokio::test]
async fn a_search_beyond_its_limits_is_refused_by_field() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    for (query, field) in [
        ("", "search_text"),
        ("search_text=abcd", "search_text"),
        ("search_text=abcde&limit=101", "limit"),
        (
            "search_text=abcde&chat_dialog_ids=1,2,3,4,5,6,7,8,9,10,11",
            "chat_dialog_ids",
        ),
        (
            "search_text=abcde&start_date=2026-01-01T00:00:00Z",
            "end_date",
        ),
        (
            "search_text=abcde&start_date=soon&end_date=2026-01-01T00:00:00Z",
            "start_date",
        ),
        (
            "search_text=abcde&start_date=2026-06-01T00:00:00Z&end_date=2026-01-01T00:00:00Z",
            "end_date",
        ),
    ] {
        let (status, error) = hub.get(&ann, &format!("/chat/search?{query}")).await;
        assert_eq!(status, 422, "{query}");
        assert!(error["errors"][field][0].is_string(), "{query}: {error}");
    }
}
