//! What the official SDK was recorded to send is sent to a hub, and the hub answers in the shapes
//! the recording has.

use minidom::Element;
use serde_json::json;

use crate::support::recording::{CHAT, Direction, Line, lines, parse};
use crate::support::{Chat, Hub};

const ALICE: u64 = 1001;
const BOB: u64 = 1002;
/// The first message of the recording, which alice wrote to bob.
const FIRST_MESSAGE: &str = "6b02e8f0e5c5146c78000000";

/// A stanza somebody sent, and what the recorded server sent because of it, to whom.
struct Exchange {
    sender: u64,
    stanza: String,
    answers: Vec<(u64, String)>,
}

/// The recording from the first ping on: before it, everybody logs in.
fn exchanges() -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in lines(CHAT) {
        let Line::Xmpp {
            direction,
            user: Some(user),
            stanza,
        } = line
        else {
            continue;
        };
        let is_first = stanza.contains(":ping\"") && direction == Direction::ToServer;
        if exchanges.is_empty() && !is_first || stanza.starts_with("<close") {
            continue;
        }
        if direction == Direction::ToServer {
            exchanges.push(Exchange {
                sender: user,
                stanza,
                answers: Vec::new(),
            });
        } else if !is_staged(&stanza) {
            let exchange = exchanges.last_mut().unwrap();
            exchange.answers.push((user, stanza));
        }
    }
    exchanges
}

/// What the recorded server sent of its own accord, to see what the SDK makes of it.
fn is_staged(stanza: &str) -> bool {
    stanza.contains("/zz9\"") || stanza.contains("code=\"301\"")
}

/// The recorded names and the ones this hub gave.
struct Names(Vec<(String, String)>);

impl Names {
    fn translate(&self, stanza: &str) -> String {
        let translate = |text: String, (old, new): &(String, String)| text.replace(old, new);
        self.0.iter().fold(stanza.to_owned(), translate)
    }
}

/// Everything the expected element says is said by the actual one, in any order; it may say more:
/// a date, a second status.
fn says(actual: &Element, expected: &Element) -> bool {
    let own_text = |element: &Element| element.texts().collect::<String>();
    let has_attribute = |((namespace, name), value): ((&_, &_), &String)| {
        actual.attr_ns(namespace, name) == Some(value.as_str())
    };
    let mut others: Vec<&Element> = actual.children().collect();
    let mut has_child = |child: &Element| {
        let found = others.iter().position(|other| says(other, child));
        found.map(|position| others.remove(position)).is_some()
    };
    actual.name() == expected.name()
        && actual.ns() == expected.ns()
        && expected.attrs().iter().all(has_attribute)
        && own_text(actual).trim() == own_text(expected).trim()
        && expected.children().all(&mut has_child)
}

/// One side of the recording, with what came and nobody asked for yet.
struct Side {
    chat: Chat,
    unclaimed: Vec<Element>,
}

impl Side {
    /// Takes the first stanza that says what is expected, waiting for it if need be.
    async fn hears(&mut self, expected: &Element) {
        let claimed = |stanza: &Element| says(stanza, expected);
        if let Some(position) = self.unclaimed.iter().position(claimed) {
            self.unclaimed.remove(position);
            return;
        }
        loop {
            let stanza = self.chat.next().await;
            if says(&stanza, expected) {
                return;
            }
            // Shown with a failure: what came instead.
            println!("  came     {}", String::from(&stanza));
            self.unclaimed.push(stanza);
        }
    }
}

#[tokio::test]
async fn recorded_stanzas_of_the_official_sdk_are_answered_in_their_recorded_shapes() {
    let hub = Hub::start().await;
    let (alice, bob) = (hub.person("alice").await, hub.person("bob").await);
    let private = hub
        .dialog(&alice, 3, json!({"occupants_ids": [bob.id]}))
        .await;
    let group = hub.group(&alice, &[&bob]).await;
    let side = async |person| Side {
        chat: hub.chat(person).await,
        unclaimed: Vec::new(),
    };
    let (mut alices, mut bobs) = (side(&alice).await, side(&bob).await);
    let names = Names(
        [
            ("feas38be79d72223bddcbdb2", alices.chat.resource()),
            ("feas8a6f5d1d1b12a63d1f9c", bobs.chat.resource()),
            ("1001-7@", &format!("{}-1@", alice.id)),
            ("1002-7@", &format!("{}-1@", bob.id)),
            ("9999-7@", "9999-1@"),
            ("127.0.0.1/1001\"", &format!("127.0.0.1/{}\"", alice.id)),
            ("127.0.0.1/1002\"", &format!("127.0.0.1/{}\"", bob.id)),
            // The recorded server gave those in a room a display name.
            (" name=\"1001\"", ""),
            (" name=\"1002\"", ""),
            ("dd6b4d5804fe2339390abd05", &private),
            ("7_ab3098fa776342535220bc35", &format!("1_{group}")),
            ("ab3098fa776342535220bc35", &group),
            // Changes were recorded of a message that never was; this hub has to know it.
            ("id=\"m1\"", &format!("id=\"{FIRST_MESSAGE}\"")),
        ]
        .map(|(recorded, here)| (recorded.to_owned(), here.to_owned()))
        .into(),
    );

    let mut answers = 0;
    for exchange in exchanges() {
        let sent = names.translate(&exchange.stanza);
        println!("sent     {sent}");
        let sender = if exchange.sender == ALICE {
            &mut alices
        } else {
            &mut bobs
        };
        sender.chat.send(&sent).await;
        for (receiver, answer) in exchange.answers {
            let expected = parse(&names.translate(&answer));
            println!("expected {} by {receiver}", String::from(&expected));
            let receiver = match receiver {
                ALICE => &mut alices,
                BOB => &mut bobs,
                other => panic!("nobody is {other}"),
            };
            receiver.hears(&expected).await;
            answers += 1;
        }
    }
    assert!(answers > 30, "{answers} answers");
}
