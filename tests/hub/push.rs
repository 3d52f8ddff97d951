//! Subscriptions, events, and the way of a notification to a push service (PN-01…PN-16, PN-23).

use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::push_service::{Browser, Push, PushService};
use crate::support::{Hub, Person, START};

/// A hub that may send to the machine itself, and a push service there.
async fn site() -> (Hub, PushService) {
    let hub = Hub::start_with(|config| {
        config.push.local_services = vec!["127.0.0.1".to_owned()];
        config.push.subject = Some("mailto:site@example.org".to_owned());
    });
    (hub.await, PushService::start().await)
}

async fn subscribe(hub: &Hub, person: &Person, endpoint: &str) -> Browser {
    let browser = Browser::new();
    let body = browser.subscription(endpoint, endpoint);
    let (status, answer) = hub.post(person, "/subscriptions.json", body).await;
    assert_eq!(status, 201, "{answer}");
    browser
}

fn event(selector: Value, payload: &str) -> Value {
    let mut event = json!({
        "notification_type": "push", "environment": "production",
        "message": BASE64_STANDARD.encode(payload),
    });
    for (name, value) in selector.as_object().unwrap() {
        event[name] = value.clone();
    }
    json!({ "event": event })
}

async fn notify(hub: &Hub, sender: &Person, to: &Person, payload: &str) {
    let body = event(json!({"user": {"ids": [to.id]}}), payload);
    let (status, answer) = hub.post(sender, "/events.json", body).await;
    assert_eq!(status, 201, "{answer}");
}

/// The next push, while the hub's time runs: ten seconds for each moment in which none comes. When
/// the hub notes an answer, and so from when it counts, cannot be seen from outside.
async fn next_as_time_passes(hub: &Hub, service: &mut PushService) -> Push {
    for _ in 0..1_000 {
        match tokio::time::timeout(Duration::from_millis(10), service.next()).await {
            Ok(push) => return push,
            Err(_) => hub.clock.advance(10),
        }
    }
    panic!("nothing came in three hours");
}

async fn subscriptions(hub: &Hub, person: &Person) -> Vec<Value> {
    let (status, list) = hub.get(person, "/subscriptions.json").await;
    assert_eq!(status, 200, "{list}");
    list.as_array().unwrap().clone()
}

#[tokio::test]
async fn subscriptions_of_every_channel_are_kept_listed_and_deleted() {
    let (hub, service) = site().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut expected = Vec::new();
    for (channel, platform) in [("apns", "ios"), ("apns_voip", "ios"), ("gcm", "android")] {
        let body = json!({
            "notification_channel": channel,
            "push_token": {
                "environment": "development", "bundle_identifier": "org.example.app",
                "client_identification_sequence": format!("token of {channel}"),
            },
            "device": {"platform": platform, "udid": "D1"},
        });
        let (status, answer) = hub.post(&ann, "/subscriptions.json", body).await;
        assert_eq!(status, 201, "{answer}");
        let one = &answer.as_array().unwrap()[0];
        let id = one["subscription"]["id"].as_i64().unwrap();
        let shape = json!({"subscription": {
            "id": id,
            "notification_channel": {"name": channel},
            "device": {"udid": "D1", "platform": {"name": platform}},
        }});
        assert_eq!(*one, shape);
        expected.push(shape);
    }
    subscribe(&hub, &ann, &service.endpoint("a")).await;
    let listed = subscriptions(&hub, &ann).await;
    assert_eq!(listed[..3], expected);
    assert_eq!(
        listed[3]["subscription"]["notification_channel"]["name"],
        "web"
    );
    assert!(subscriptions(&hub, &bob).await.is_empty());

    let path = format!("/subscriptions/{}.json", listed[3]["subscription"]["id"]);
    assert_eq!(hub.delete(&bob, &path).await.0, 404);
    assert_eq!(hub.delete(&ann, &path).await.0, 200);
    assert_eq!(hub.delete(&ann, &path).await.0, 404);
    assert_eq!(subscriptions(&hub, &ann).await, expected);
}

#[tokio::test]
async fn a_form_and_the_plural_of_the_docs_are_understood() {
    let (hub, _service) = site().await;
    let ann = hub.person("ann").await;
    let query = "notification_channels=gcm&push_token[environment]=production\
                 &push_token[client_identification_sequence]=t&device[platform]=android\
                 &device[udid]=D";
    let headers = [("CB-Token", ann.token.as_str())];
    let path = format!("/subscriptions?{query}");
    let (status, answer) = hub.call(Method::POST, &path, &headers, None).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(subscriptions(&hub, &ann).await.len(), 1);
}

#[tokio::test]
async fn a_wrong_subscription_is_refused_by_its_field() {
    let (hub, service) = site().await;
    let ann = hub.person("ann").await;
    let right = Browser::new().subscription(&service.endpoint("a"), "D");
    let off_curve = BASE64_URL_SAFE_NO_PAD.encode([4; 65]);
    for (path, value, field) in [
        (
            "/notification_channel",
            json!("sms"),
            "notification_channel",
        ),
        (
            "/push_token/environment",
            json!("test"),
            "push_token[environment]",
        ),
        (
            "/push_token/web_endpoint",
            json!(""),
            "push_token[web_endpoint]",
        ),
        (
            "/push_token/web_endpoint",
            json!("http://10.0.0.9/x"),
            "push_token[web_endpoint]",
        ),
        (
            "/push_token/web_endpoint",
            json!("https://[::1]/x"),
            "push_token[web_endpoint]",
        ),
        (
            "/push_token/web_endpoint",
            json!("http://push.example/x"),
            "push_token[web_endpoint]",
        ),
        (
            "/push_token/web_auth",
            json!("AAAA"),
            "push_token[web_auth]",
        ),
        ("/push_token/web_auth", Value::Null, "push_token[web_auth]"),
        (
            "/push_token/web_p256dh",
            json!("!!"),
            "push_token[web_p256dh]",
        ),
        (
            "/push_token/web_p256dh",
            json!(off_curve),
            "push_token[web_p256dh]",
        ),
        ("/device/platform", json!("toaster"), "device[platform]"),
        ("/device/udid", json!("x".repeat(256)), "device[udid]"),
    ] {
        let mut body = right.clone();
        *body.pointer_mut(path).unwrap() = value.clone();
        let (status, answer) = hub.post(&ann, "/subscriptions", body).await;
        assert_eq!(status, 422, "{path} {value}: {answer}");
        assert!(answer["errors"][field][0].is_string(), "{field}: {answer}");
    }
    assert!(subscriptions(&hub, &ann).await.is_empty());
    let (status, _) = hub.call(Method::GET, "/subscriptions", &[], None).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn an_event_reaches_its_receiver_encrypted_and_signed() {
    let (hub, mut service) = site().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let browser = subscribe(&hub, &bob, &service.endpoint("bob?up=1")).await;
    let payload = r#"{"message": "Grüße", "title": "Door", "ios_badge": 1, "friend_id": 51}"#;
    let mut body = event(json!({"user": {"ids": bob.id.to_string()}}), payload);
    body["event"]["event_type"] = json!("one_shot");
    let (status, answer) = hub.post(&ann, "/events.json", body.clone()).await;
    assert_eq!(status, 201, "{answer}");
    let told = &answer[0]["event"];
    for (name, value) in [
        ("event_type", json!("one_shot")),
        ("message", body["event"]["message"].clone()),
        ("occured_count", json!(0)),
        ("created_at", json!("2026-11-22T13:06:56Z")),
        ("end_date", Value::Null),
        ("active", json!(true)),
        ("application_id", json!(1)),
        ("user_id", json!(ann.id)),
        ("kind", json!("API")),
        ("environment", json!("production")),
        ("tag_query", Value::Null),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(told["id"].as_i64().unwrap() > 0);

    let push = service.next().await;
    assert_eq!(push.path, "/bob?up=1");
    assert_eq!(push.header("content-encoding"), "aes128gcm");
    assert_eq!((push.ttl(), push.header("urgency")), (86_400, "normal"));
    let claims = push.claims();
    assert_eq!(claims["aud"], format!("http://{}", service.address));
    assert_eq!(claims["sub"], "mailto:site@example.org");
    let (_, key) = hub.get(&bob, "/cubelet/push").await;
    let key = key["vapid_public_key"].as_str().unwrap();
    assert!(
        push.header("authorization")
            .ends_with(&format!(", k={key}"))
    );
    let expected = json!({"data": {"message": "Grüße", "title": "Door", "friend_id": 51}});
    assert_eq!(browser.read(&push), expected);
}

#[tokio::test]
async fn a_call_is_urgent_and_what_old_sdks_encode_in_latin_is_read() {
    let (hub, mut service) = site().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let browser = subscribe(&hub, &bob, &service.endpoint("bob")).await;
    let mut body = event(json!({"user": {"ids": [bob.id]}}), "");
    // What `btoa` makes of it in a browser: one byte a character.
    let latin = b"{\"message\": \"T\xfcr\", \"ios_voip\": 1, \"uuid\": \"c1\"}";
    body["event"]["message"] = json!(BASE64_STANDARD.encode(latin));
    assert_eq!(hub.post(&ann, "/events", body).await.0, 201);
    let push = service.next().await;
    assert_eq!((push.ttl(), push.header("urgency")), (60, "high"));
    assert_eq!(
        browser.read(&push),
        json!({"data": {"message": "Tür", "uuid": "c1"}})
    );
}

#[tokio::test]
async fn each_way_of_choosing_receivers_works_and_exactly_one_is_needed() {
    let (hub, mut service) = site().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for (person, external, tags) in [(&ann, "E1", "staff,night"), (&bob, "E2", "staff")] {
        let changes = json!({"user": {"external_user_id": external, "user_tags": tags}});
        let path = format!("/users/{}", person.id);
        assert_eq!(hub.put(person, &path, changes).await.0, 200);
        subscribe(&hub, person, &service.endpoint(external)).await;
    }
    for (selector, expected) in [
        (json!({"user": {"ids": [bob.id, 9_999_999]}}), vec!["/E2"]),
        (
            json!({"external_user": {"ids": "E1,E2"}}),
            vec!["/E1", "/E2"],
        ),
        (
            json!({"user": {"tags": {"any": "night,none"}}}),
            vec!["/E1"],
        ),
        (
            json!({"user": {"tags": {"all": ["staff", "night"]}}}),
            vec!["/E1"],
        ),
        (json!({"user": {"tags": {"exclude": "night"}}}), vec!["/E2"]),
    ] {
        let (status, answer) = hub
            .post(&ann, "/events", event(selector.clone(), "m"))
            .await;
        assert_eq!(status, 201, "{selector}: {answer}");
        let mut reached = Vec::new();
        for _ in &expected {
            reached.push(service.next().await.path);
        }
        reached.sort();
        assert_eq!(reached, expected, "{selector}");
    }
    for selector in [
        json!({}),
        json!({"user": {"ids": [bob.id], "tags": {"any": "staff"}}}),
        json!({"user": {"ids": [bob.id]}, "external_user": {"ids": "E1"}}),
        json!({"user": {"ids": "nonsense"}}),
    ] {
        let (status, answer) = hub
            .post(&ann, "/events", event(selector.clone(), "m"))
            .await;
        assert_eq!(status, 422, "{selector}: {answer}");
    }
}

#[tokio::test]
async fn an_event_that_reaches_nobody_or_cannot_be_delivered_is_refused() {
    let (hub, service) = site().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let to_bob = json!({"user": {"ids": [bob.id]}});
    let base = |answer: &Value| {
        answer["errors"]["base"][0]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };
    let (status, answer) = hub.post(&ann, "/events", event(to_bob.clone(), "m")).await;
    assert_eq!(
        (status, base(&answer).as_str()),
        (422, "No one can receive the message")
    );

    let phone = json!({
        "notification_channel": "gcm", "device": {"platform": "android", "udid": "P"},
        "push_token": {"environment": "production", "client_identification_sequence": "t"},
    });
    assert_eq!(hub.post(&bob, "/subscriptions", phone).await.0, 201);
    let (status, answer) = hub.post(&ann, "/events", event(to_bob.clone(), "m")).await;
    assert_eq!(status, 422);
    assert!(base(&answer).contains("1 subscriptions"), "{answer}");

    subscribe(&hub, &bob, &service.endpoint("b")).await;
    for (name, value, field) in [
        ("push_type", json!("gcm"), "event[push_type]"),
        ("push_type", json!("sms"), "event[push_type]"),
        (
            "notification_type",
            json!("mail"),
            "event[notification_type]",
        ),
        ("environment", json!("test"), "event[environment]"),
        ("event_type", json!("daily"), "event[event_type]"),
        ("message", json!("%%%"), "event[message]"),
        ("message", Value::Null, "event[message]"),
        (
            "message",
            json!(BASE64_STANDARD.encode("x".repeat(5_000))),
            "event[message]",
        ),
        (
            "message",
            json!(BASE64_STANDARD.encode(r#"{"message":"m","expiration":5}"#)),
            "event[message]",
        ),
    ] {
        let mut body = event(to_bob.clone(), "m");
        body["event"][name] = value;
        let (status, answer) = hub.post(&ann, "/events", body).await;
        assert_eq!(status, 422, "{name}: {answer}");
        assert!(answer["errors"][field][0].is_string(), "{field}: {answer}");
    }
    let mut other = event(to_bob, "m");
    other["event"]["environment"] = json!("development");
    assert_eq!(hub.post(&ann, "/events", other).await.0, 422);
}

#[tokio::test]
async fn a_service_that_is_busy_is_asked_again_when_it_said() {
    let (hub, mut service) = site().await;
    let ann = hub.person("ann").await;
    let browser = subscribe(&hub, &ann, &service.endpoint("a")).await;
    service.answer(429, "Retry-After: 600\r\n");
    notify(&hub, &ann, &ann, "first").await;
    assert_eq!(service.next().await.ttl(), 86_400);
    let again = next_as_time_passes(&hub, &mut service).await;
    // Not before: so much of its life is over.
    assert!(again.ttl() <= 86_400 - 600, "{}", again.ttl());
    assert_eq!(browser.read(&again), json!({"data": {"message": "first"}}));
}

#[tokio::test]
async fn a_subscription_its_service_has_forgotten_is_deleted() {
    for status in [404, 410] {
        let (hub, mut service) = site().await;
        let ann = hub.person("ann").await;
        subscribe(&hub, &ann, &service.endpoint("a")).await;
        subscribe(&hub, &ann, &service.endpoint("b")).await;
        service.answer(status, "");
        notify(&hub, &ann, &ann, "m").await;
        let first = service.next().await.path;
        service.next().await;
        notify(&hub, &ann, &ann, "again").await;
        let left = service.next().await.path;
        assert_ne!(first, left);
        // The answer is noted when it is; each question is a round trip later.
        let mut questions = 0;
        while subscriptions(&hub, &ann).await.len() > 1 {
            questions += 1;
            assert!(questions < 1_000, "it is still there");
        }
    }
}

#[tokio::test]
async fn what_a_service_will_not_take_is_dropped_and_the_next_one_sent() {
    let (hub, mut service) = site().await;
    let ann = hub.person("ann").await;
    let browser = subscribe(&hub, &ann, &service.endpoint("a")).await;
    service.answer(302, "Location: http://127.0.0.1:1/elsewhere\r\n");
    notify(&hub, &ann, &ann, "refused").await;
    service.next().await;
    notify(&hub, &ann, &ann, "taken").await;
    let next = service.next().await;
    assert_eq!(browser.read(&next), json!({"data": {"message": "taken"}}));
}

#[tokio::test]
async fn notifications_that_wait_survive_a_restart_and_end_when_they_are_worth_nothing() {
    let (hub, mut service) = site().await;
    let ann = hub.person("ann").await;
    let browser = subscribe(&hub, &ann, &service.endpoint("a")).await;
    service.answer(503, "Retry-After: 30\r\n");
    let short = format!(r#"{{"message": "short", "expiration": {}}}"#, START + 20);
    notify(&hub, &ann, &ann, &short).await;
    assert_eq!(service.next().await.ttl(), 20);
    notify(&hub, &ann, &ann, "long").await;
    let key = hub.get(&ann, "/cubelet/push").await.1;
    let hub = hub.restarted().await;
    assert_eq!(hub.get(&ann, "/cubelet/push").await.1, key);
    // The short one may be sent once more, if the hub stopped before it had noted the answer.
    let mut push = next_as_time_passes(&hub, &mut service).await;
    if push.ttl() <= 20 {
        push = next_as_time_passes(&hub, &mut service).await;
    }
    assert_eq!(browser.read(&push), json!({"data": {"message": "long"}}));
}

#[tokio::test]
async fn a_service_that_does_not_answer_holds_up_nobody_else() {
    let (hub, mut service) = site().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for name in ["1", "2", "3", "4"] {
        subscribe(&hub, &ann, &service.endpoint(&format!("ann{name}"))).await;
    }
    subscribe(&hub, &bob, &service.endpoint("bob")).await;
    service.fall_silent();
    service.fall_silent();
    notify(&hub, &ann, &ann, "m").await;
    for _ in 0..2 {
        assert!(service.next().await.path.starts_with("/ann"));
    }
    notify(&hub, &bob, &bob, "m").await;
    assert_eq!(service.next().await.path, "/bob");
}

#[tokio::test]
async fn an_address_another_user_subscribes_is_that_users() {
    let (hub, mut service) = site().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    subscribe(&hub, &ann, &service.endpoint("tablet")).await;
    let browser = subscribe(&hub, &bob, &service.endpoint("tablet")).await;
    assert!(subscriptions(&hub, &ann).await.is_empty());
    notify(&hub, &ann, &bob, "for bob").await;
    let push: Push = service.next().await;
    assert_eq!(browser.read(&push), json!({"data": {"message": "for bob"}}));
}

#[tokio::test]
async fn a_site_that_wants_no_notifications_refuses_them() {
    let hub = Hub::start_with(|config| config.push.enabled = false).await;
    let ann = hub.person("ann").await;
    let body = Browser::new().subscription("https://push.example.com/x", "D");
    assert_eq!(hub.post(&ann, "/subscriptions", body).await.0, 403);
    let body = event(json!({"user": {"ids": [ann.id]}}), "m");
    assert_eq!(hub.post(&ann, "/events", body).await.0, 403);
    assert_eq!(hub.get(&ann, "/cubelet/push").await.0, 403);
    assert!(!hub.config().data_dir.join("vapid.key").exists());
}

/// How often sending to a person's subscription has failed in a row, as soon as it has.
async fn failures(hub: &Hub, person: &Person) -> i64 {
    let database = hub.config().data_dir.join("hub.sqlite");
    let db = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT failures FROM subscriptions WHERE user_id = ?1";
    for _ in 0..1_000 {
        let failures = db
            .query_row(sql, [person.id as i64], |row| row.get(0))
            .unwrap();
        if failures > 0 {
            return failures;
        }
        // A round trip, so that the hub gets on.
        hub.get(person, "/subscriptions").await;
    }
    panic!("nothing has failed");
}

#[tokio::test]
async fn a_name_that_leads_into_the_site_is_not_connected_to() {
    let (hub, service) = site().await;
    let ann = hub.person("ann").await;
    let (_, port) = service.address.rsplit_once(':').unwrap();
    // As written it could be anywhere.
    subscribe(&hub, &ann, &format!("https://localhost:{port}/x")).await;
    notify(&hub, &ann, &ann, "m").await;
    assert_eq!(failures(&hub, &ann).await, 1);
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn a_service_of_the_site_is_trusted_by_the_sites_own_authority_only() {
    let (mut service, certificate) = PushService::start_tls().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.pem");
    std::fs::write(&file, certificate).unwrap();
    let endpoint = format!("https://{}/x", service.address);

    let stranger = Hub::start_with(|config| {
        config.push.local_services = vec!["127.0.0.1".to_owned()];
    });
    let stranger = stranger.await;
    let ann = stranger.person("ann").await;
    subscribe(&stranger, &ann, &endpoint).await;
    notify(&stranger, &ann, &ann, "to nobody").await;
    assert_eq!(failures(&stranger, &ann).await, 1);

    let hub = Hub::start_with(|config| {
        config.push.local_services = vec!["127.0.0.1".to_owned()];
        config.push.ca_file = Some(file);
    });
    let hub = hub.await;
    let bob = hub.person("bob").await;
    let browser = subscribe(&hub, &bob, &endpoint).await;
    notify(&hub, &bob, &bob, "by TLS").await;
    let push = service.next().await;
    assert_eq!(push.claims()["aud"], format!("https://{}", service.address));
    assert_eq!(browser.read(&push), json!({"data": {"message": "by TLS"}}));
}
