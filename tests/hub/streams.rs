//! Streams: log-in, binding, both transports, and peers that misbehave (wire reference A).

use std::time::{Duration, Instant};

use crate::support::{Chat, Hub, body_of};

#[tokio::test]
async fn the_password_and_the_token_both_log_in_and_the_token_is_quick() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let name = format!("{}-1", ann.id);
    for secret in ["password", &ann.token] {
        let mut chat = Chat::open_websocket(&hub.ready().chat_url).await;
        assert_eq!(chat.log_in(&name, secret).await, Ok(()), "{secret}");
    }
    let old_form = format!("{name}@127.0.0.1\0{name}\0password");
    let mut chat = Chat::open_websocket(&hub.ready().chat_url).await;
    assert_eq!(chat.try_plain(&old_form).await, Ok(()));
}

#[tokio::test]
async fn wrong_secrets_are_refused_and_the_stream_bears_another_try() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let name = format!("{}-1", ann.id);
    let mut chat = Chat::open_websocket(&hub.ready().chat_url).await;
    assert_eq!(
        chat.log_in(&name, "wrong").await,
        Err("not-authorized".into())
    );
    assert_eq!(
        chat.log_in(&name, &bob.token).await,
        Err("not-authorized".into())
    );
    assert_eq!(chat.log_in(&name, "password").await, Ok(()));
}

#[tokio::test]
async fn a_guessing_stream_is_ended_and_the_account_locked_for_a_while() {
    let hub = Hub::start_with(|config| config.limits.login_failures = 3).await;
    let ann = hub.person("ann").await;
    let name = format!("{}-1", ann.id);
    let mut chat = Chat::open_websocket(&hub.ready().chat_url).await;
    for _ in 0..3 {
        assert!(chat.log_in(&name, "wrong").await.is_err());
    }
    assert_eq!(chat.next().await.name(), "error");
    let mut chat = Chat::open_websocket(&hub.ready().chat_url).await;
    assert_eq!(
        chat.log_in(&name, "password").await,
        Err("temporary-auth-failure".into())
    );
}

#[tokio::test]
async fn a_safe_wished_resource_is_granted_and_replaces_its_older_self() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let name = format!("{}-1", ann.id);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut chat = Chat::open_websocket(&hub.ready().chat_url).await;
        chat.log_in(&name, &ann.token).await.unwrap();
        chat.bind(Some("kiosk-entrance-0001")).await;
        assert_eq!(chat.resource(), "kiosk-entrance-0001");
        streams.push(chat);
    }
    let error = streams[0].next().await;
    assert_eq!(error.children().next().unwrap().name(), "conflict");
    let mut chat = Chat::open_websocket(&hub.ready().chat_url).await;
    chat.log_in(&name, &ann.token).await.unwrap();
    chat.bind(Some("1")).await;
    assert!(chat.resource().len() >= 16);
}

#[tokio::test]
async fn tls_and_websocket_clients_talk_to_each_other() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut tls = Chat::open_tls(&hub.ready().xmpp_tls, &hub.ready().ca).await;
    tls.log_in(&format!("{}-1", ann.id), &ann.token)
        .await
        .unwrap();
    tls.bind(None).await;
    tls.come_online().await;
    let mut ws = hub.chat(&bob).await;
    tls.say("chat", &hub.jid(&bob), "m1", "from tls").await;
    assert_eq!(body_of(&ws.message().await), "from tls");
    ws.say("chat", &hub.jid(&ann), "m2", "from ws").await;
    assert_eq!(body_of(&tls.message().await), "from ws");
    tls.leave().await;
}

#[tokio::test]
async fn the_root_path_upgrades_as_well() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = Chat::open_websocket(&hub.ready().chat_url.replace("/xmpp", "/")).await;
    assert_eq!(
        chat.log_in(&format!("{}-1", ann.id), &ann.token).await,
        Ok(())
    );
}

#[tokio::test]
async fn a_malformed_frame_is_survived() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    for bad in [
        "<message",
        "no xml",
        "<a></b>",
        "",
        "<message xmlns='jabber:client'/>",
    ] {
        chat.send(bad).await;
    }
    chat.sync().await;
}

#[tokio::test]
async fn nesting_and_size_beyond_the_bounds_end_a_stream_and_leave_the_hub_up() {
    let hub = Hub::start_with(|config| config.limits.stanza_bytes = 20_000).await;
    let ann = hub.person("ann").await;
    let deep = "<a>".repeat(5_000);
    let large = format!(
        "<message xmlns='jabber:client'><body>{}</body></message>",
        "x".repeat(30_000)
    );
    for bad in [&deep, &large] {
        let mut chat = hub.chat(&ann).await;
        chat.send(bad).await;
        while chat.try_next().await.is_some() {}
    }
    let mut tls = Chat::open_tls(&hub.ready().xmpp_tls, &hub.ready().ca).await;
    tls.log_in(&format!("{}-1", ann.id), &ann.token)
        .await
        .unwrap();
    tls.bind(None).await;
    tls.come_online().await;
    tls.send(&large).await;
    while tls.try_next().await.is_some() {}
    hub.chat(&ann).await.sync().await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_disconnected_and_others_are_served() {
    let hub = Hub::start_with(|config| {
        config.limits.queued_stanzas = 50;
        config.limits.queued_bytes = 300_000;
    })
    .await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let slow = hub.chat(&bob).await.hold();
    let mut from = hub.chat(&ann).await;
    let body = "x".repeat(60_000);
    let started = Instant::now();
    // Socket buffers take some megabytes before anything queues up.
    loop {
        from.send(&format!(
            "<message xmlns='jabber:client' type='headline' to='{}'><body>{body}</body></message>",
            hub.jid(&bob)
        ))
        .await;
        from.sync().await;
        if hub.get(&ann, "/users/online?count=true").await.1["count"] == 1 {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "never disconnected"
        );
    }
    drop(slow);
}

#[tokio::test]
async fn a_silent_stream_is_asked_and_then_ended_and_an_idle_login_too() {
    let hub = Hub::start_with(|config| {
        config.limits.idle_seconds = 1;
        config.limits.ping_seconds = 1;
        config.limits.login_seconds = 1;
    })
    .await;
    let ann = hub.person("ann").await;
    let mut idle = Chat::open_websocket(&hub.ready().chat_url).await;
    assert_eq!(
        idle.next().await.children().next().unwrap().name(),
        "connection-timeout"
    );
    let mut chat = hub.chat(&ann).await;
    let ping = chat.until(|element| element.name() == "iq").await;
    assert!(ping.has_child("ping", "urn:xmpp:ping"));
    let error = chat.until(|element| element.name() == "error").await;
    assert_eq!(
        error.children().next().unwrap().name(),
        "connection-timeout"
    );
}

#[tokio::test]
async fn the_oldest_of_too_many_connections_of_a_user_ends() {
    let hub = Hub::start_with(|config| config.limits.connections_per_user = 2).await;
    let ann = hub.person("ann").await;
    let mut first = hub.chat(&ann).await;
    let mut second = hub.chat(&ann).await;
    hub.chat(&ann).await.sync().await;
    assert_eq!(
        first
            .until(|element| element.name() == "error")
            .await
            .name(),
        "error"
    );
    second.sync().await;
}
