//! Hostile input: every offender is disconnected with the right stream error (RFC 6120 §4.9.3)
//! within a bound, and nobody else notices.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::raw::{Carrier, Raw, frame};
use crate::support::{Chat, Hub, body_of};

const BOTH: [Carrier; 2] = [Carrier::Tls, Carrier::WebSocket];

async fn hub() -> Hub {
    Hub::start_with(|config| {
        config.limits.stanza_bytes = 100_000;
        config.limits.connections_per_user = 100;
    })
    .await
}

/// Two people who talk with each other while somebody else misbehaves.
struct Bystanders {
    from: Chat,
    to: Chat,
    address: String,
    count: u32,
}

impl Bystanders {
    async fn of(hub: &Hub) -> Self {
        let (cat, dan) = (hub.person("cat").await, hub.person("dan").await);
        Self {
            from: hub.chat(&cat).await,
            to: hub.chat(&dan).await,
            address: hub.jid(&dan),
            count: 0,
        }
    }

    async fn talk(&mut self) {
        self.count += 1;
        let text = format!("undisturbed {}", self.count);
        let id = format!("b{}", self.count);
        self.from.say("chat", &self.address, &id, &text).await;
        assert_eq!(body_of(&self.to.message().await), text);
    }

    /// Goes on talking until the others are done.
    async fn talk_while(&mut self, others: impl Future<Output = ()>) {
        tokio::pin!(others);
        loop {
            tokio::select! {
                biased;
                () = self.talk() => {}
                () = &mut others => return,
            }
        }
    }
}

fn stanza(inside: &str) -> String {
    format!("<message xmlns='jabber:client' to='1-1@127.0.0.1'>{inside}</message>")
}

fn billion_laughs() -> String {
    let entities: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let body = stanza("<body>&l9;</body>");
    format!("<!DOCTYPE lolz [<!ENTITY l0 'lol'>{entities}]>{body}")
}

/// What it is, its bytes, and how a stream ends over TLS and over a WebSocket.
type Offence = (&'static str, Vec<u8>, &'static str, Option<&'static str>);

/// What is sent after log-in and how the stream ends; on a WebSocket a frame of broken XML alone
/// is survived, because the next frame starts anew.
fn offences() -> Vec<Offence> {
    let both =
        |name, text: String, condition| (name, text.into_bytes(), condition, Some(condition));
    let broken = |name, text: &str| (name, text.as_bytes().to_vec(), "not-well-formed", None);
    let attributes: String = (0..100).map(|n| format!(" a{n}='1'")).collect();
    vec![
        both(
            "an oversized stanza",
            stanza(&format!("<body>{}</body>", "x".repeat(110_000))),
            "policy-violation",
        ),
        (
            "an oversized attribute",
            format!(
                "<message xmlns='jabber:client' id='{}'/>",
                "x".repeat(110_000)
            )
            .into_bytes(),
            // A stream's parser has a bound of its own on one token.
            "not-well-formed",
            Some("policy-violation"),
        ),
        both(
            "deep nesting",
            stanza(&"<a>".repeat(5_000)),
            "policy-violation",
        ),
        both(
            "deep nesting behind character data",
            stanza(&"<a><![CDATA[></a>]]>".repeat(1_000)),
            "policy-violation",
        ),
        both(
            "many elements",
            stanza(&"<a/>".repeat(11_000)),
            "policy-violation",
        ),
        both(
            "many attributes",
            format!("<message xmlns='jabber:client'{attributes}/>"),
            "policy-violation",
        ),
        both("a billion laughs", billion_laughs(), "restricted-xml"),
        both(
            "an external entity",
            format!(
                "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>{}",
                stanza("<body>&x;</body>")
            ),
            "restricted-xml",
        ),
        both("a comment", stanza("<!-- hidden -->"), "restricted-xml"),
        both(
            "a processing instruction",
            stanza("<?php ?>"),
            "restricted-xml",
        ),
        both(
            "a message of another namespace",
            "<message xmlns='jabber:server' to='1-1@127.0.0.1'/>".into(),
            "invalid-namespace",
        ),
        both(
            "an element nobody knows",
            "<hello xmlns='urn:example:world'/>".into(),
            "unsupported-stanza-type",
        ),
        both(
            "a stream in the stream",
            "<stream:stream xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'/>"
                .into(),
            "bad-format",
        ),
        both(
            "a second open",
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>".into(),
            "bad-format",
        ),
        broken("an entity nobody declared", &stanza("<body>&lol;</body>")),
        broken("tags that do not match", &stanza("<a></b>")),
        broken(
            "an attribute twice",
            "<message xmlns='jabber:client' id='1' id='2'/>",
        ),
        broken("a prefix nobody declared", &stanza("<x:y/>")),
        (
            "bytes that are no UTF-8",
            b"<message xmlns='jabber:client'><body>\xff\xfe</body></message>".to_vec(),
            "not-well-formed",
            Some("bad-format"),
        ),
    ]
}

#[tokio::test]
async fn an_offender_is_told_why_and_nobody_else_notices() {
    let hub = hub().await;
    let eve = hub.person("eve").await;
    let mut others = Bystanders::of(&hub).await;
    let (hub, eve) = (&hub, &eve);
    let offend = |(name, bytes, over_tls, over_websocket): Offence, carrier| async move {
        let mut raw = Raw::available(hub, carrier, eve).await;
        raw.send_bytes(&bytes).await;
        let condition = match carrier {
            Carrier::Tls => Some(over_tls),
            Carrier::WebSocket => over_websocket,
        };
        if condition.is_some() {
            let told = raw.ending().await;
            assert_eq!(told.as_deref(), condition, "{name} over {carrier:?}");
        } else {
            raw.send(
                "<iq xmlns='jabber:client' type='get' id='alive'>\
                 <ping xmlns='urn:xmpp:ping'/></iq>",
            )
            .await;
            raw.until("alive").await;
        }
    };
    let all = BOTH.into_iter().flat_map(|carrier| {
        offences()
            .into_iter()
            .map(move |offence| (offence, carrier))
    });
    let all = all.map(|(offence, carrier)| offend(offence, carrier));
    let all = futures::future::join_all(all);
    others.talk_while(async { drop(all.await) }).await;
}

#[tokio::test]
async fn a_peer_that_only_sends_broken_frames_is_disconnected() {
    let hub = hub().await;
    let eve = hub.person("eve").await;
    let mut raw = Raw::available(&hub, Carrier::WebSocket, &eve).await;
    for _ in 0..21 {
        raw.send("<message").await;
    }
    assert_eq!(raw.ending().await.as_deref(), Some("not-well-formed"));
}

#[tokio::test]
async fn frames_that_break_the_websocket_protocol_end_the_stream() {
    let hub = hub().await;
    let eve = hub.person("eve").await;
    let mut others = Bystanders::of(&hub).await;
    let mut huge = vec![0x81, 0x80 | 127];
    huge.extend((1_u64 << 62).to_be_bytes());
    huge.extend([0; 4]);
    let pieces: Vec<u8> = std::iter::once(frame(0x01, &[b'x'; 60_000]))
        .chain((0..4).map(|_| frame(0x00, &[b'x'; 60_000])))
        .flatten()
        .collect();
    let flood: Vec<u8> = frame(0x89, b"ping").repeat(300);
    let offences = [
        (
            "a binary frame",
            frame(0x82, b"<iq/>"),
            "unsupported-encoding",
        ),
        (
            "a frame without mask",
            vec![0x81, 0x02, b'h', b'i'],
            "bad-format",
        ),
        ("an opcode nobody knows", frame(0x83, b"x"), "bad-format"),
        (
            "a piece without a beginning",
            frame(0x80, b"x"),
            "bad-format",
        ),
        ("an absurd length", huge, "policy-violation"),
        ("a message in endless pieces", pieces, "policy-violation"),
        ("a flood of pings", flood, "policy-violation"),
    ];
    let (hub, eve) = (&hub, &eve);
    let offend = |(name, bytes, condition): (&'static str, Vec<u8>, &'static str)| async move {
        let mut raw = Raw::available(hub, Carrier::WebSocket, eve).await;
        raw.write(&bytes).await;
        assert_eq!(raw.ending().await.as_deref(), Some(condition), "{name}");
    };
    let all = futures::future::join_all(offences.map(offend));
    others.talk_while(async { drop(all.await) }).await;
}

#[tokio::test]
async fn stanzas_before_log_in_end_the_stream() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    let to = hub.jid(&ann);
    for early in [
        format!("<message xmlns='jabber:client' type='chat' to='{to}'><body>x</body></message>"),
        "<presence xmlns='jabber:client'/>".to_owned(),
        "<iq xmlns='jabber:client' type='set' id='b'>\
         <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
            .to_owned(),
        "<enable xmlns='urn:xmpp:sm:3'/>".to_owned(),
    ] {
        for carrier in BOTH {
            let mut raw = Raw::opened(&hub, carrier).await;
            raw.send(&early).await;
            assert_eq!(
                raw.ending().await.as_deref(),
                Some("not-authorized"),
                "{early}"
            );
        }
    }
    assert!(chat.messages().await.is_empty());
}

#[tokio::test]
async fn bounds_hold_before_log_in_as_well() {
    let hub = hub().await;
    let mut others = Bystanders::of(&hub).await;
    for carrier in BOTH {
        for (bytes, condition) in [
            ("<a>".repeat(5_000), "policy-violation"),
            (billion_laughs(), "restricted-xml"),
            (
                format!("<auth>{}</auth>", "x".repeat(110_000)),
                "policy-violation",
            ),
        ] {
            let mut raw = Raw::opened(&hub, carrier).await;
            raw.send(&bytes).await;
            assert_eq!(
                raw.ending().await.as_deref(),
                Some(condition),
                "{carrier:?}"
            );
            others.talk().await;
        }
    }
}

#[tokio::test]
async fn what_is_no_stream_at_all_is_hung_up_on() {
    // What might still become a stream is given the time of a log-in.
    let hub = Hub::start_with(|config| config.limits.login_seconds = 2).await;
    let mut others = Bystanders::of(&hub).await;
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\0\x01\x02\x03",
        b"<message xmlns='jabber:client'/>",
        b"<!DOCTYPE a><a/>",
        b"<?xml version='1.0' encoding='UTF-16'?><a/>",
    ] {
        let mut raw = Raw::connect(&hub, Carrier::Tls).await;
        raw.write(bytes).await;
        raw.ending().await;
        others.talk().await;
    }
}

/// Writes one byte after the other, for ever.
async fn drip(raw: Raw, bytes: &'static [u8]) -> String {
    let (mut reading, mut writing) = raw.split();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let write = async {
        for byte in bytes.iter().cycle() {
            pace.tick().await;
            if writing.write_all(&[*byte]).await.is_err() || writing.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut seen = Vec::new();
    let read = async { while reading.read_buf(&mut seen).await.unwrap_or(0) > 0 {} };
    tokio::select! {
        () = write => {}
        () = read => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("held for 20 s"),
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test]
async fn who_drips_bytes_is_disconnected_before_and_after_log_in() {
    let hub = Hub::start_with(|config| {
        config.limits.login_seconds = 2;
        config.limits.idle_seconds = 1;
        config.limits.ping_seconds = 1;
    })
    .await;
    let eve = hub.person("eve").await;
    let raw = Raw::connect(&hub, Carrier::Tls).await;
    let no_header = drip(raw, b" ");
    let raw = Raw::opened(&hub, Carrier::Tls).await;
    let before = drip(raw, b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>x");
    let raw = Raw::available(&hub, Carrier::Tls, &eve).await;
    let after = drip(raw, b"<message><body>x</body><a/>");
    let raw = Raw::available(&hub, Carrier::WebSocket, &eve).await;
    // The head of a frame of a kilobyte that never gets full within the time.
    let framed = drip(
        raw,
        b"\x81\xfe\x04\x00\0\0\0\0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    );
    let (_, before, after, framed) = tokio::join!(no_header, before, after, framed);
    for (name, seen) in [("before", before), ("after", after), ("framed", framed)] {
        assert!(seen.contains("connection-timeout"), "{name}: {seen}");
    }
}

#[tokio::test]
async fn a_line_cut_in_mid_stanza_is_cleared_away() {
    let hub = hub().await;
    let (eve, ann) = (hub.person("eve").await, hub.person("ann").await);
    let mut chat = hub.chat(&ann).await;
    chat.ask(&format!(
        "<iq xmlns='jabber:client' type='set' id='w'><subscribe enable='true' user_jid='{}' \
         xmlns='https://connectycube.com/protocol/status_streaming'/></iq>",
        hub.jid(&eve)
    ))
    .await;
    for carrier in BOTH {
        let mut raw = Raw::available(&hub, carrier, &eve).await;
        chat.until(|element| element.attr("type") == Some("result"))
            .await;
        match carrier {
            Carrier::Tls => raw.write(b"<message xmlns='jabber:client'><bo").await,
            Carrier::WebSocket => raw.write(&[0x81, 0x90, 0, 0, 0, 0, b'<']).await,
        }
        drop(raw);
        let gone = chat
            .until(|element| element.attr("type") == Some("result"))
            .await;
        let query = gone.get_child("query", "jabber:iq:last").unwrap();
        assert_eq!(query.attr("seconds"), Some("1"), "{carrier:?}");
    }
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections_and_no_more() {
    let hub = Hub::start_with(|config| {
        config.limits.connections_per_address = 3;
        config.limits.loopback_exempt = false;
    })
    .await;
    let eve = hub.person("eve").await;
    let mut first = hub.chat(&eve).await;
    let second = hub.chat(&eve).await;
    let third = Raw::opened(&hub, Carrier::WebSocket).await;
    let mut fourth = Raw::connect(&hub, Carrier::WebSocket).await;
    assert_eq!(
        fourth.ending().await.as_deref(),
        Some("resource-constraint")
    );
    let socket = tokio::net::TcpStream::connect(&hub.ready().xmpp_tls).await;
    let mut rest = Vec::new();
    let refused = socket.unwrap().read_to_end(&mut rest).await;
    assert!(matches!(refused, Ok(0) | Err(_)));
    drop(third);
    first.sync().await;
    second.leave().await;
    // Their places are free once the hub has seen them go, which nothing tells.
    while Raw::connect(&hub, Carrier::WebSocket)
        .await
        .is_refused()
        .await
    {}
}
