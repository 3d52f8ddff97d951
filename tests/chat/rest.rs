//! The REST client: its session, its errors, what it sends.

use std::time::{Duration, Instant};

use cubelet::rest::{
    Account, DialogAbout, HistoryQuery, Login, NetworkFault, NewDialog, NewUser, RestClient,
    RestError,
};

use crate::http::{Answer, Http, json};

const EXPIRED: &str = r#"{"errors":{"base":["Required session does not exist"]}}"#;

#[tokio::test]
async fn a_login_names_application_key_and_user() {
    let http = Http::start([]).await;
    let session = http.client().session().await.unwrap();
    assert_eq!((session.token.as_str(), session.user_id), ("token-1", 5));
    let request = &http.requests()[0];
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "application_id": 7,
            "auth_key": "the-auth-key",
            "user": { "login": "door", "password": "secret word" },
        })
    );
    assert!(request.header("cb-sdk").unwrap().starts_with("cubelet "));
    assert_eq!(request.header("cb-token"), None);
}

#[tokio::test]
async fn calls_share_one_session() {
    let http = Http::start([]).await;
    let client = http.client();
    client.unread(&[]).await.unwrap_err();
    client.unread(&[]).await.unwrap_err();
    assert_eq!(http.logins(), 1);
    assert_eq!(http.requests()[2].header("cb-token"), Some("token-1"));
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_and_the_call_repeated() {
    let script = [json(401, EXPIRED), json(200, r#"{"total":3,"66f0":3}"#)];
    let http = Http::start(script).await;
    let unread = http.client().unread(&["66f0".into()]).await.unwrap();
    assert_eq!((unread.total, unread.by_dialog["66f0"]), (3, 3));
    assert_eq!(http.logins(), 2);
    assert_eq!(http.requests()[3].header("cb-token"), Some("token-2"));
}

#[tokio::test]
async fn a_call_refused_twice_is_given_up() {
    let script = [json(401, EXPIRED), json(401, EXPIRED), json(401, EXPIRED)];
    let http = Http::start(script).await;
    let error = http.client().unread(&[]).await.unwrap_err();
    let expected = RestError::Unauthorised("Required session does not exist".into());
    assert_eq!(error, expected);
    assert_eq!(http.count("GET /chat/Message/unread"), 2);
    assert_eq!(http.logins(), 2);
}

#[tokio::test]
async fn many_calls_at_once_cause_one_login() {
    let answers = std::iter::repeat_n(json(200, r#"{"total":0}"#), 20);
    let http = Http::start_gated(answers, true).await;
    let client = http.client();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.unread(&[]).await })
        })
        .collect();
    http.release();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(http.logins(), 1);
}

#[tokio::test]
async fn many_calls_refused_at_once_cause_one_renewal() {
    let http = Http::start(std::iter::repeat_n(json(200, r#"{"total":0}"#), 20)).await;
    let client = http.client();
    client.session().await.unwrap();
    http.expire("token-1");
    let calls = (0..20).map(|_| client.unread(&[]));
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(http.logins(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_tried_again_by_the_next_call() {
    let http = Http::start([]).await;
    http.answer_logins([json(401, r#"{"errors":["Unauthorized"]}"#)]);
    let client = http.client();
    let expected = RestError::Unauthorised("Unauthorized".into());
    assert_eq!(client.session().await.unwrap_err(), expected);
    assert_eq!(client.unread(&[]).await.unwrap_err(), expected);
    assert_eq!(http.logins(), 1);
}

#[tokio::test]
async fn an_unknown_user_is_none_and_not_an_error() {
    let http = Http::start([json(404, r#"{"errors":{"base":["Not found"]}}"#)]).await;
    assert_eq!(http.client().user_by_login("nobody").await.unwrap(), None);
    assert_eq!(http.count("GET /users/by_login?login=nobody"), 1);
}

#[tokio::test]
async fn a_validation_error_carries_the_servers_words() {
    let body = r#"{"errors":{"login":["has already been taken"]}}"#;
    let http = Http::start([json(422, body)]).await;
    let new = NewUser {
        login: Login::new("door", "secret word"),
        full_name: Some("Front door".into()),
    };
    let error = http.client().sign_up(&new).await.unwrap_err();
    let RestError::Validation { status, text } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (*status, text.as_str()),
        (422, "login has already been taken")
    );
    let request = &http.requests()[0];
    assert_eq!(request.header("cb-authkey"), Some("the-auth-key"));
    assert_eq!(request.header("cb-token"), None);
}

#[tokio::test]
async fn a_rate_limit_tells_how_long_to_wait() {
    let limited = Answer::With(429, "Retry-After: 17\r\n", "{}".into());
    let http = Http::start([limited]).await;
    let error = http.client().unread(&[]).await.unwrap_err();
    let retry_after = Some(Duration::from_secs(17));
    assert_eq!(error, RestError::RateLimited { retry_after });
}

#[tokio::test]
async fn a_server_fault_is_told_from_a_refusal() {
    let http = Http::start([json(503, "<html>busy</html>")]).await;
    let error = http.client().unread(&[]).await.unwrap_err();
    assert_eq!(error, RestError::Server(503));
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_get_lost_to_the_network_is_asked_once_more() {
    let http = Http::start([Answer::Hangup, json(200, r#"{"total":1}"#)]).await;
    let unread = http.client().unread(&[]).await.unwrap();
    assert_eq!(unread.total, 1);
    assert_eq!(http.count("GET /chat/Message/unread"), 2);
}

#[tokio::test]
async fn a_post_lost_to_the_network_is_not_repeated() {
    let http = Http::start([Answer::Hangup]).await;
    let error = http
        .client()
        .create_dialog(&NewDialog::Private(9), &DialogAbout::default())
        .await
        .unwrap_err();
    let RestError::Network { kind, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*kind, NetworkFault::Broken);
    assert_eq!(http.count("POST /chat/Dialog"), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_runs_into_the_deadline() {
    let http = Http::start([]).await;
    http.answer_logins([Answer::Silence]);
    let since = Instant::now();
    let error = http.client().session().await.unwrap_err();
    let RestError::Network { kind, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*kind, NetworkFault::Timeout);
    let taken = since.elapsed();
    assert!(taken < Duration::from_secs(17), "{taken:?}");
}

#[tokio::test]
async fn a_closed_port_is_told_as_a_failed_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = Http::start([]).await.settings();
    let port = listener.local_addr().unwrap().port();
    settings.api = format!("http://127.0.0.1:{port}").parse().unwrap();
    drop(listener);
    let client = RestClient::new(settings, Login::new("door", "p")).unwrap();
    let error = client.session().await.unwrap_err();
    let RestError::Network { kind, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*kind, NetworkFault::Connect);
}

#[tokio::test]
async fn an_untrusted_certificate_is_told_as_such() {
    let server = crate::peer::Server::tls().await;
    let mut settings = Http::start([]).await.settings();
    let port = server.port();
    settings.api = format!("https://localhost:{port}").parse().unwrap();
    let client = RestClient::new(settings, Login::new("door", "p")).unwrap();
    let (served, outcome) = tokio::join!(server.try_accept(), client.session());
    assert!(served.is_err());
    let error = outcome.unwrap_err();
    let RestError::Network { kind, reason } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*kind, NetworkFault::Tls);
    assert!(reason.contains("UnknownIssuer"), "{reason}");
}

#[tokio::test]
async fn clear_text_beyond_this_machine_is_refused() {
    let mut settings = Http::start([]).await.settings();
    settings.api = "http://192.0.2.1".parse().unwrap();
    let refused = RestClient::new(settings, Login::new("door", "p"));
    assert!(matches!(refused, Err(RestError::Setup(_))));
}

#[tokio::test]
async fn an_answer_that_is_no_session_names_the_field_and_not_its_value() {
    let http = Http::start([]).await;
    let body = r#"{"session":{"token":"top-secret-token","user_id":"five"}}"#;
    http.answer_logins([json(201, body)]);
    let error = http.client().session().await.unwrap_err().to_string();
    assert!(error.contains("session.user_id"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn users_are_asked_for_by_number() {
    let items = r#"{"items":[{"id":9,"login":"desk"},{"id":10}]}"#;
    let http = Http::start([json(200, items)]).await;
    let users = http.client().users_by_ids(&[9, 10, 11]).await.unwrap();
    assert_eq!(
        users.iter().map(|user| user.id).collect::<Vec<_>>(),
        [9, 10]
    );
    let line = &http.requests()[1].line;
    let expected =
        "GET /users/v2?limit=3&id%5Bin%5D%5B%5D=9&id%5Bin%5D%5B%5D=10&id%5Bin%5D%5B%5D=11";
    assert_eq!(line, expected);
}

#[tokio::test]
async fn an_id_cannot_leave_its_place_in_the_query() {
    let http = Http::start([json(200, r#"{"items":[]}"#)]).await;
    let query = HistoryQuery {
        dialog: "x&mark_as_read=1#".into(),
        limit: 10,
        skip: 0,
        mark_as_read: false,
    };
    http.client().history(&query).await.unwrap();
    let line = &http.requests()[1].line;
    assert!(
        line.contains("chat_dialog_id=x%26mark_as_read%3D1%23&"),
        "{line}"
    );
}

#[tokio::test]
async fn every_page_of_dialogs_is_read() {
    let page = |count: usize| {
        let dialog = r#"{"_id":"66f0","type":3}"#;
        let items = vec![dialog; count].join(",");
        json(200, &format!(r#"{{"items":[{items}]}}"#))
    };
    let http = Http::start([page(100), page(3)]).await;
    assert_eq!(http.client().dialogs().await.unwrap().len(), 103);
    assert!(http.requests()[2].line.contains("skip=100"));
}

#[tokio::test]
async fn a_destroyed_session_is_not_used_again() {
    let http = Http::start([]).await;
    let client = http.client();
    client.session().await.unwrap();
    client.destroy_session().await.unwrap();
    assert_eq!(http.requests()[1].line, "DELETE /session");
    assert_eq!(http.requests()[1].header("cb-token"), Some("token-1"));
    assert_eq!(client.session().await.unwrap().token, "token-2");
}

#[tokio::test]
async fn no_credential_shows_in_debug_output() {
    let client = Http::start([]).await.client();
    let shown = format!("{client:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(!shown.contains("the-auth-key"), "{shown}");
}

#[tokio::test]
async fn a_user_known_by_an_e_mail_address_logs_in_by_it() {
    let http = Http::start([json(200, r#"{"total":1}"#)]).await;
    let account = Account::Email("door@site.example".into());
    let login = Login::of(account, "secret word");
    let client = RestClient::new(http.settings(), login).unwrap();
    client.unread(&[]).await.unwrap();
    let requests = http.requests();
    let body: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(
        body["user"],
        serde_json::json!({"email": "door@site.example", "password": "secret word"})
    );
}

#[tokio::test]
async fn a_report_is_a_record_of_its_class() {
    let record = r#"{"_id":"66f0aa000102030405000009","user_id":5}"#;
    let http = Http::start([json(201, record), json(201, record)]).await;
    let client = http.client();
    let id = client.report_user(9, "sends spam").await.unwrap();
    assert_eq!(id, "66f0aa000102030405000009");
    let message = "66f0aa000102030405000001";
    client.report_message(message, "spam").await.unwrap();
    assert_eq!(http.count("POST /data/UserReports"), 1);
    assert_eq!(http.count("POST /data/MessageReports"), 1);
    let sent: Vec<serde_json::Value> = http
        .requests()
        .iter()
        .filter(|request| request.line.starts_with("POST /data/"))
        .map(|request| serde_json::from_str(&request.body).unwrap())
        .collect();
    assert_eq!(
        sent,
        [
            serde_json::json!({"reportedUserId": 9, "reason": "sends spam"}),
            serde_json::json!({"reportedMessageId": message, "reason": "spam"}),
        ]
    );
}

#[tokio::test]
async fn an_application_without_the_class_takes_no_reports() {
    let http = Http::start([json(404, r#"{"errors":["Class not found"]}"#)]).await;
    let error = http.client().report_user(9, "spam").await.unwrap_err();
    assert!(matches!(error, RestError::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn a_hub_of_this_program_tells_its_version_and_another_server_none() {
    let script = [
        json(200, r#"{"version":"9.1.0"}"#),
        json(404, r#"{"errors":{"base":["not found"]}}"#),
        json(500, "{}"),
    ];
    let http = Http::start(script).await;
    let client = http.client();
    assert_eq!(client.hub_version().await, Ok(Some("9.1.0".into())));
    assert_eq!(client.hub_version().await, Ok(None));
    client.hub_version().await.unwrap_err();
    let asked = http.requests().pop().unwrap();
    assert!(asked.line.starts_with("GET /cubelet/version"), "{asked:?}");
    assert!(asked.header("cb-token").is_some());
}

#[tokio::test]
async fn a_push_notification_is_asked_for_with_one_way_of_choosing_people() {
    use base64::Engine;
    use cubelet::rest::{PushEvent, PushRecipients};

    let answer = r#"[{"event":{"id":8429,"event_type":"one_shot"}}]"#;
    let http = Http::start(std::iter::repeat_n(json(201, answer), 5)).await;
    let client = http.client();
    let texts = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let payload = serde_json::json!({"message": "Tür"});
    for (recipients, user, external) in [
        (
            PushRecipients::Users(vec![3, 4]),
            serde_json::json!({"ids": "3,4"}),
            None,
        ),
        (
            PushRecipients::ExternalIds(texts("E1 E2")),
            serde_json::Value::Null,
            Some("E1,E2"),
        ),
        (
            PushRecipients::AnyTag(texts("a b")),
            serde_json::json!({"tags": {"any": "a,b"}}),
            None,
        ),
        (
            PushRecipients::AllTags(texts("a b")),
            serde_json::json!({"tags": {"all": "a,b"}}),
            None,
        ),
        (
            PushRecipients::WithoutTags(texts("a")),
            serde_json::json!({"tags": {"exclude": "a"}}),
            None,
        ),
    ] {
        let event = PushEvent {
            environment: "production",
            recipients,
            payload: payload.as_object().unwrap().clone(),
        };
        assert_eq!(client.push(&event).await.unwrap(), 8429);
        let requests = http.requests();
        let sent: serde_json::Value = serde_json::from_str(&requests.last().unwrap().body).unwrap();
        let sent = &sent["event"];
        assert_eq!(sent["user"], user);
        assert_eq!(sent["external_user"]["ids"].as_str(), external);
        assert_eq!(sent["notification_type"], "push");
        assert_eq!(sent["environment"], "production");
        let message = sent["message"].as_str().unwrap();
        let message = base64::prelude::BASE64_STANDARD.decode(message).unwrap();
        assert_eq!(message, payload.to_string().into_bytes());
    }
}
