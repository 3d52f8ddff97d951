//! Whatever users do to their dialog in whatever order, each sees what a simple model says:
//! the same messages, the same last one, the same count of unread ones.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::Map;

use super::dialogs::{self, Dialog, GROUP, Texts};
use super::messages::{self, NewMessage};
use super::query::Page;
use super::{changes, dialog_views, migrations, occupants, receipts, users};
use crate::protocol::address::UserId;

const PEOPLE: [UserId; 3] = [1, 2, 3];

#[derive(Clone, Debug)]
enum Step {
    /// A message by a user, sent so many seconds ago.
    Send(usize, i64),
    /// A user marks one of the messages there ever were.
    Mark(usize, usize, bool),
    MarkAll(usize, bool),
    Hide(usize, usize),
    Remove(usize),
    Clear(usize),
    ClearForAll,
    Leave(usize),
    Join(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        6 => (who.clone(), 0..5_i64).prop_map(|(who, ago)| Step::Send(who, ago)),
        3 => (who.clone(), 0..20_usize, any::<bool>()).prop_map(|(a, b, c)| Step::Mark(a, b, c)),
        1 => (who.clone(), any::<bool>()).prop_map(|(a, b)| Step::MarkAll(a, b)),
        2 => (who.clone(), 0..20_usize).prop_map(|(a, b)| Step::Hide(a, b)),
        2 => (0..20_usize).prop_map(Step::Remove),
        1 => who.clone().prop_map(Step::Clear),
        1 => Just(Step::ClearForAll),
        1 => who.clone().prop_map(Step::Leave),
        2 => who.prop_map(Step::Join),
    ]
}

/// A message as the model has it.
struct Known {
    id: String,
    author: UserId,
    date: i64,
    unread: BTreeSet<UserId>,
    gone_for: BTreeSet<UserId>,
}

struct World {
    connection: Connection,
    dialog: String,
    people: BTreeSet<UserId>,
    known: Vec<Known>,
    sent: usize,
    now: i64,
}

impl World {
    fn new() -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .unwrap();
        migrations::apply(&mut connection).unwrap();
        for _ in PEOPLE {
            users::create(&connection, &vec![], None, false, 0)
                .unwrap()
                .unwrap();
        }
        let dialog = dialogs::create(
            &connection,
            GROUP,
            PEOPLE[0],
            &PEOPLE,
            &[],
            &Texts::default(),
            0,
        )
        .unwrap();
        Self {
            connection,
            dialog: dialog.id,
            people: PEOPLE.into(),
            known: Vec::new(),
            sent: 0,
            now: 100,
        }
    }

    fn take(&mut self, step: &Step) {
        self.now += 1;
        let (db, now) = (&self.connection, self.now);
        match *step {
            Step::Send(who, ago) => self.send(PEOPLE[who], now - ago),
            Step::Mark(who, which, is_read) => {
                let user = PEOPLE[who];
                let id = self.nth(which);
                let ids = std::slice::from_ref(&id);
                receipts::mark(db, user, &self.dialog, Some(ids), is_read, now).unwrap();
                let marked = self
                    .known
                    .iter_mut()
                    .filter(|known| is_read && known.id == id);
                marked.for_each(|known| {
                    known.unread.remove(&user);
                });
            }
            Step::MarkAll(who, is_read) => {
                let user = PEOPLE[who];
                receipts::mark(db, user, &self.dialog, None, is_read, now).unwrap();
                if is_read {
                    self.read_all(user);
                }
            }
            Step::Hide(who, which) => {
                let user = PEOPLE[who];
                let id = self.nth(which);
                if let Some(place) = messages::place(db, &id).unwrap() {
                    changes::hide(db, &place, user).unwrap();
                }
                for known in self.known.iter_mut().filter(|known| known.id == id) {
                    known.gone_for.insert(user);
                    known.unread.remove(&user);
                }
            }
            Step::Remove(which) => {
                let id = self.nth(which);
                if let Some(place) = messages::place(db, &id).unwrap() {
                    changes::remove(db, &place, &id, now).unwrap();
                }
                self.known.retain(|known| known.id != id);
            }
            Step::Clear(who) => {
                let user = PEOPLE[who];
                dialog_views::clear(db, &self.dialog, user).unwrap();
                self.read_all(user);
                for known in &mut self.known {
                    known.gone_for.insert(user);
                }
            }
            Step::ClearForAll => {
                changes::remove_all(db, &self.dialog, now).unwrap();
                self.known.clear();
            }
            Step::Leave(who) => {
                occupants::remove(db, &self.dialog, &[PEOPLE[who]]).unwrap();
                self.people.remove(&PEOPLE[who]);
                self.read_all(PEOPLE[who]);
            }
            Step::Join(who) => {
                occupants::add(db, &self.dialog, &[PEOPLE[who]], now).unwrap();
                self.people.insert(PEOPLE[who]);
            }
        }
    }

    fn send(&mut self, author: UserId, date: i64) {
        self.sent += 1;
        let id = format!("m{}", self.sent);
        let message = NewMessage {
            id: id.clone(),
            dialog_id: self.dialog.clone(),
            sender: author,
            recipient: None,
            body: Some(id.clone()),
            date_sent: date,
            attachments: Vec::new(),
            custom: Map::new(),
        };
        messages::insert(&self.connection, &message, self.now).unwrap();
        let others = self.people.iter().copied().filter(|user| *user != author);
        self.known.push(Known {
            id,
            author,
            date,
            unread: others.collect(),
            gone_for: BTreeSet::new(),
        });
        // Stable: of one second, the later arrival is the later message.
        self.known.sort_by_key(|known| known.date);
    }

    fn nth(&self, which: usize) -> String {
        format!("m{}", which % self.sent.max(1) + 1)
    }

    fn read_all(&mut self, user: UserId) {
        for known in &mut self.known {
            known.unread.remove(&user);
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let db = &self.connection;
        let dialog: Dialog = dialogs::load(db, &self.dialog).unwrap().unwrap();
        for user in PEOPLE {
            let visible: Vec<&Known> = self
                .known
                .iter()
                .filter(|known| !known.gone_for.contains(&user))
                .collect();
            let page = Page {
                limit: 1_000,
                skip: 0,
                sort: Some(("m.date_sent".into(), false)),
            };
            let filter = messages::visible_in(db, &self.dialog, user).unwrap();
            let listed = messages::list(db, user, &filter, &page).unwrap();
            let listed: Vec<&str> = listed
                .iter()
                .map(|message| message["_id"].as_str().unwrap())
                .collect();
            let expected: Vec<&str> = visible.iter().map(|known| known.id.as_str()).collect();
            prop_assert_eq!(&listed, &expected);
            let count = messages::count(db, &filter).unwrap();
            prop_assert_eq!(count, expected.len() as u64);
            let last = messages::last_visible(db, &dialog, user).unwrap();
            let expected = visible.last().map(|known| (known.id.clone(), known.author));
            prop_assert_eq!(last.map(|last| (last.id, last.sender)), expected);
            let unread = self
                .known
                .iter()
                .filter(|known| known.unread.contains(&user));
            let counted = receipts::unread(db, user, &self.dialog).unwrap();
            prop_assert_eq!(counted, unread.count() as u64);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_view_of_a_dialog_follows_the_model(
        steps in prop::collection::vec(any_step(), 1..40)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check()?;
        }
    }
}
