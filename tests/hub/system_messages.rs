//! System messages by REST (CH-41, RT-44; wire reference B.6).

use serde_json::json;

use crate::support::Hub;

#[tokio::test]
async fn a_system_message_reaches_all_connections_as_a_headline_and_is_kept_for_nobody() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut one, mut two) = (hub.chat(&bob).await, hub.chat(&bob).await);
    let body = json!({"recipientId": bob.id, "friendId": 90675, "userExt": {"name": "Smith <&>"},
                      "moduleIdentifier": "WebRTCVideoChat"});
    let (status, answer) = hub
        .post(&ann, "/chat/Message/system.json", body.clone())
        .await;
    assert_eq!(status, 200);
    assert_eq!(answer["recipientId"], json!(bob.id));
    assert_eq!(
        answer["extensionParams"],
        json!({"friendId": 90675, "userExt": {"name": "Smith <&>"}})
    );
    for chat in [&mut one, &mut two] {
        let headline = chat.message().await;
        assert_eq!(
            (headline.attr("type"), headline.attr("id")),
            (Some("headline"), answer["messageId"].as_str())
        );
        assert!(
            headline
                .attr("from")
                .unwrap()
                .starts_with(&format!("{}/", hub.jid(&ann)))
        );
        let params = headline.get_child("extraParams", "jabber:client").unwrap();
        let text = |name: &str| {
            params
                .get_child(name, "jabber:client")
                .map(|child| child.text())
        };
        assert_eq!(
            text("moduleIdentifier").as_deref(),
            Some("SystemNotifications")
        );
        assert_eq!(params.children().count(), 3);
        assert_eq!(text("friendId").as_deref(), Some("90675"));
        let nested = params.get_child("userExt", "jabber:client").unwrap();
        assert_eq!(
            nested.get_child("name", "jabber:client").unwrap().text(),
            "Smith <&>"
        );
    }
    one.leave().await;
    two.leave().await;
    assert_eq!(hub.post(&ann, "/chat/Message/system", body).await.0, 200);
    let mut back = hub.bound(&bob).await;
    assert!(back.come_online().await.is_empty());
}

#[tokio::test]
async fn a_system_message_to_nobody_or_with_a_bad_name_is_refused() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let send = async |body| hub.post(&ann, "/chat/Message/system", body).await;
    assert_eq!(send(json!({"a": "b"})).await.0, 422);
    assert_eq!(send(json!({"recipientId": 999})).await.0, 404);
    let (status, error) = send(json!({"recipientId": ann.id, "no name": "x"})).await;
    assert_eq!(status, 422);
    assert!(error["errors"]["no name"].is_array());
}
