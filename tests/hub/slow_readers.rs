//! Readers that are slow hold up nobody, grow nothing, and miss nothing that must arrive.

use crate::support::Hub;

fn body(number: usize) -> String {
    format!("{number:04}{}", "x".repeat(20_000))
}

fn number(body: &str) -> usize {
    body[..4].parse().unwrap()
}

/// Twelve megabytes are more than the sockets between hub and client take.
const COUNT: usize = 600;

#[tokio::test]
async fn a_reader_that_lags_gets_everything_in_order_and_others_notice_nothing() {
    let hub = Hub::start_with(|config| config.limits.queued_stanzas = 40).await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let room = hub.room(&hub.group(&ann, &[&bob, &eve]).await);
    let mut from = hub.chat(&ann).await;
    let (mut slow, mut quick) = (hub.chat(&bob).await, hub.chat(&eve).await);
    let mut own = 0;
    for n in 0..COUNT {
        from.write("groupchat", &room, &format!("m{n}"), &body(n), true)
            .await;
        assert_eq!(number(&quick.bodies(1).await[0]), n);
        own += from.bodies(1).await.len();
    }
    assert_eq!(own, COUNT);
    for n in 0..COUNT {
        assert_eq!(number(&slow.bodies(1).await[0]), n);
    }
    // It is up to date again.
    from.write("groupchat", &room, "last", &body(9_999), true)
        .await;
    assert_eq!(number(&slow.bodies(1).await[0]), 9_999);
}

#[tokio::test]
async fn a_device_that_lags_behind_the_users_other_one_gets_everything_as_well() {
    let hub = Hub::start_with(|config| config.limits.queued_stanzas = 40).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let (mut slow, mut quick) = (hub.chat(&bob).await, hub.chat(&bob).await);
    for n in 0..COUNT {
        from.write(
            "chat",
            &hub.jid(&bob),
            &format!("m{n}"),
            &body(n),
            n % 2 == 0,
        )
        .await;
        assert_eq!(number(&quick.bodies(1).await[0]), n);
    }
    for n in 0..COUNT {
        assert_eq!(number(&slow.bodies(1).await[0]), n);
    }
}

#[tokio::test]
async fn a_peer_that_reads_and_does_not_acknowledge_is_sent_a_bounded_number() {
    let hub = Hub::start_with(|config| config.limits.queued_stanzas = 40).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    let mut to = hub.bound(&bob).await;
    to.enable(false).await;
    to.come_online().await;
    from.write_numbers("chat", &hub.jid(&bob), 0..200, |_| true)
        .await;
    from.sync().await;
    let mut handled = 3;
    for n in 0..200 {
        assert_eq!(to.bodies(1).await, [n.to_string()]);
        handled += 1;
        // Not before the hub must be waiting for it.
        if n % 30 == 29 {
            to.acknowledge(handled).await;
        }
    }
}
