//! Which connections still owe an acknowledgement for which messages, without IO.
//!
//! A message on its way has a place, its `seq`, and for each receiving user an entry here as long
//! as a connection of that user has to acknowledge it. What is written down in the store stays
//! there until somebody has acknowledged it and nobody else owes; a connection that ends sets its
//! entries free. A connection that cannot take a message now has it on its list and reads it
//! later; until the list is empty everything goes through the list, so order holds.

use std::collections::{BTreeMap, HashMap};

use crate::protocol::address::UserId;

/// What became of an attempt to queue a message for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is in the queue.
    Taken,
    /// There is no room now.
    Full,
    /// The connection has ended.
    Gone,
}

/// A message a connection has to read before it is up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed<T> {
    /// Its place.
    pub seq: i64,
    /// It had been waiting before the connection came.
    pub is_old: bool,
    /// The message, if it is not in the store.
    pub unsaved: Option<T>,
}

/// A message in the store that needs to be there no more, or one that now has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// The user has it.
    Remove(UserId, i64),
    /// Nobody took it, and the store has not got it.
    Write(UserId, i64, T),
}

struct Entry<T> {
    owing: Vec<u64>,
    is_acknowledged: bool,
    unsaved: Option<T>,
}

struct Member {
    connection: u64,
    // By place: whether it had been waiting before the connection came.
    missed: BTreeMap<i64, bool>,
}

struct User<T> {
    members: Vec<Member>,
    entries: BTreeMap<i64, Entry<T>>,
}

impl<T> Default for User<T> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            entries: BTreeMap::new(),
        }
    }
}

/// The messages under way. `T` is a message that is not in the store.
pub struct InFlight<T> {
    users: HashMap<UserId, User<T>>,
    changes: Vec<Change<T>>,
    last_seq: i64,
    max_missed: usize,
}

impl<T: Clone> InFlight<T> {
    /// Nothing under way; places begin after `last_seq`. A connection's list holds at most
    /// `max_missed` messages; beyond that the oldest are dropped from it.
    pub fn starting_after(last_seq: i64, max_missed: usize) -> Self {
        Self {
            users: HashMap::new(),
            changes: Vec::new(),
            last_seq,
            max_missed,
        }
    }

    /// The next place in the order of delivery.
    pub fn next_seq(&mut self) -> i64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// The last place given out.
    pub fn last_seq(&self) -> i64 {
        self.last_seq
    }

    /// Takes what the store has to do; it is given out once.
    pub fn take_changes(&mut self) -> Vec<Change<T>> {
        std::mem::take(&mut self.changes)
    }

    /// How much the store has to do.
    pub fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// Gives back what [`InFlight::take_changes`] gave and the store could not do.
    pub fn put_back(&mut self, mut changes: Vec<Change<T>>) {
        changes.append(&mut self.changes);
        self.changes = changes;
    }

    /// Enters a connection that now takes messages. It misses what is stored for the user, given
    /// by `rows`, and what is under way to the user's other connections: one of them may be the
    /// same device on a line that nobody knows to be dead yet. Returns whether it misses anything.
    pub fn admit(&mut self, user: UserId, connection: u64, rows: &[i64]) -> bool {
        let User { members, entries } = self.users.entry(user).or_default();
        let place = members.iter().position(|one| one.connection == connection);
        let place = place.unwrap_or_else(|| {
            members.push(Member {
                connection,
                missed: BTreeMap::new(),
            });
            members.len() - 1
        });
        let missed = &mut members[place].missed;
        for (seq, entry) in entries.iter_mut() {
            if !entry.is_acknowledged && !entry.owing.contains(&connection) {
                entry.owing.push(connection);
                missed.insert(*seq, false);
            }
        }
        for seq in rows {
            entries.entry(*seq).or_insert_with(|| {
                missed.insert(*seq, true);
                Entry {
                    owing: vec![connection],
                    is_acknowledged: false,
                    unsaved: None,
                }
            });
        }
        !missed.is_empty()
    }

    /// Gives a message to those of a user's connections that have been entered. `unsaved` is the
    /// message if the store has not got it; nobody taking it makes it a [`Change::Write`].
    /// Connections to which it goes later are returned.
    pub fn hand_out<C>(
        &mut self,
        user: UserId,
        seq: i64,
        unsaved: Option<T>,
        connections: &[C],
        number: impl Fn(&C) -> u64,
        mut push: impl FnMut(&C) -> Push,
    ) -> Vec<u64> {
        let mut later = Vec::new();
        let mut owing = Vec::new();
        let mut surplus = Vec::new();
        if let Some(User { members, .. }) = self.users.get_mut(&user) {
            for connection in connections {
                let number = number(connection);
                let member = members.iter_mut().find(|one| one.connection == number);
                // Who has not been entered reads everything when it is.
                let Some(member) = member else { continue };
                if member.missed.contains_key(&seq) {
                    later.push(number);
                    continue;
                }
                let is_behind = !member.missed.is_empty();
                match if is_behind {
                    Push::Full
                } else {
                    push(connection)
                } {
                    Push::Taken => owing.push(number),
                    Push::Full => {
                        owing.push(number);
                        member.missed.insert(seq, false);
                        later.push(number);
                        if member.missed.len() > self.max_missed
                            && let Some((oldest, _)) = member.missed.pop_first()
                        {
                            surplus.push((number, oldest));
                        }
                    }
                    Push::Gone => {}
                }
            }
        }
        if !owing.is_empty() {
            let user = self.users.entry(user).or_default();
            let entry = user.entries.entry(seq).or_insert(Entry {
                owing: Vec::new(),
                is_acknowledged: false,
                unsaved: None,
            });
            entry.owing.extend(owing);
            entry.unsaved = unsaved;
        } else if let Some(unsaved) = unsaved {
            self.changes.push(Change::Write(user, seq, unsaved));
        }
        for (connection, oldest) in surplus {
            self.release(user, connection, oldest, false);
        }
        later
    }

    /// The oldest messages that a connection has to read, at most `limit`.
    pub fn missed(&self, user: UserId, connection: u64, limit: usize) -> Vec<Missed<T>> {
        let Some(User { members, entries }) = self.users.get(&user) else {
            return Vec::new();
        };
        let member = members.iter().find(|one| one.connection == connection);
        let missed = member.into_iter().flat_map(|member| &member.missed);
        missed
            .take(limit)
            .map(|(seq, is_old)| Missed {
                seq: *seq,
                is_old: *is_old,
                unsaved: entries.get(seq).and_then(|entry| entry.unsaved.clone()),
            })
            .collect()
    }

    /// A connection has a missed message in its queue now. Call in the order of places.
    pub fn caught_up_with(&mut self, user: UserId, connection: u64, seq: i64) {
        if let Some(member) = self.member(user, connection) {
            member.missed.remove(&seq);
        }
    }

    /// Whether a connection has messages to read.
    pub fn is_behind(&mut self, user: UserId, connection: u64) -> bool {
        self.member(user, connection)
            .is_some_and(|member| !member.missed.is_empty())
    }

    /// Whether any connection of a user has messages to read: then what is not in the store
    /// would pile up here.
    pub fn has_somebody_behind(&self, user: UserId) -> bool {
        let members = self.users.get(&user).map(|user| user.members.as_slice());
        let mut members = members.into_iter().flatten();
        members.any(|member| !member.missed.is_empty())
    }

    fn member(&mut self, user: UserId, connection: u64) -> Option<&mut Member> {
        let members = &mut self.users.get_mut(&user)?.members;
        members.iter_mut().find(|one| one.connection == connection)
    }

    /// A missed message is no longer there, as there were too many.
    pub fn dropped(&mut self, user: UserId, connection: u64, seq: i64) {
        self.caught_up_with(user, connection, seq);
        self.release(user, connection, seq, false);
    }

    /// A connection has acknowledged a message.
    pub fn acknowledge(&mut self, user: UserId, connection: u64, seq: i64) {
        self.release(user, connection, seq, true);
    }

    fn release(&mut self, user: UserId, connection: u64, seq: i64, is_acknowledged: bool) {
        let Some(User { members, entries }) = self.users.get_mut(&user) else {
            return;
        };
        let Some(entry) = entries.get_mut(&seq) else {
            return;
        };
        entry.owing.retain(|one| *one != connection);
        entry.is_acknowledged |= is_acknowledged;
        if entry.owing.is_empty()
            && let Some(entry) = entries.remove(&seq)
        {
            match (entry.is_acknowledged, entry.unsaved) {
                (true, None) => self.changes.push(Change::Remove(user, seq)),
                (false, Some(unsaved)) => self.changes.push(Change::Write(user, seq, unsaved)),
                (true, Some(_)) | (false, None) => {}
            }
        }
        if members.is_empty() && entries.is_empty() {
            self.users.remove(&user);
        }
    }

    /// A connection has ended. What it owed and nobody else does is in the store, or comes there
    /// as a [`Change::Write`].
    pub fn end(&mut self, user: UserId, connection: u64) {
        let Some(found) = self.users.get_mut(&user) else {
            return;
        };
        found.members.retain(|one| one.connection != connection);
        let owed: Vec<i64> = found
            .entries
            .iter()
            .filter(|(_, entry)| entry.owing.contains(&connection))
            .map(|(seq, _)| *seq)
            .collect();
        if owed.is_empty() && found.members.is_empty() && found.entries.is_empty() {
            self.users.remove(&user);
        }
        for seq in owed {
            self.release(user, connection, seq, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const USER: UserId = 7;

    fn give(in_flight: &mut InFlight<i64>, connections: &[u64], push: Push) -> i64 {
        let seq = in_flight.next_seq();
        in_flight.hand_out(USER, seq, None, connections, |one| *one, |_| push);
        seq
    }

    fn seqs(in_flight: &InFlight<i64>, connection: u64) -> Vec<i64> {
        let missed = in_flight.missed(USER, connection, usize::MAX);
        missed.iter().map(|one| one.seq).collect()
    }

    #[test]
    fn a_message_is_removed_when_one_has_acknowledged_and_nobody_else_owes() {
        let mut in_flight = InFlight::starting_after(0, 10_000);
        in_flight.admit(USER, 1, &[]);
        in_flight.admit(USER, 2, &[]);
        let seq = give(&mut in_flight, &[1, 2], Push::Taken);
        in_flight.acknowledge(USER, 1, seq);
        assert_eq!(in_flight.take_changes(), []);
        in_flight.end(USER, 2);
        assert_eq!(in_flight.take_changes(), [Change::Remove(USER, seq)]);
    }

    #[test]
    fn what_nobody_acknowledged_stays() {
        let mut in_flight = InFlight::starting_after(0, 10_000);
        in_flight.admit(USER, 1, &[]);
        give(&mut in_flight, &[1], Push::Taken);
        in_flight.end(USER, 1);
        assert_eq!(in_flight.take_changes(), []);
        assert!(in_flight.users.is_empty());
    }

    #[test]
    fn an_unsaved_message_is_written_when_nobody_took_it() {
        let mut in_flight = InFlight::starting_after(0, 10_000);
        in_flight.admit(USER, 1, &[]);
        for (seq, push) in [(1, Push::Gone), (2, Push::Taken), (3, Push::Taken)] {
            in_flight.hand_out(USER, seq, Some(seq * 10), &[1], |one| *one, |_| push);
        }
        in_flight.acknowledge(USER, 1, 2);
        in_flight.end(USER, 1);
        let expected = [Change::Write(USER, 1, 10), Change::Write(USER, 3, 30)];
        assert_eq!(in_flight.take_changes(), expected);
    }

    #[test]
    fn a_newcomer_misses_what_is_stored_and_what_is_under_way_to_others_in_order() {
        let mut in_flight = InFlight::starting_after(10, 10_000);
        assert!(in_flight.admit(USER, 1, &[3, 5]));
        in_flight.caught_up_with(USER, 1, 3);
        in_flight.caught_up_with(USER, 1, 5);
        let acknowledged = give(&mut in_flight, &[1], Push::Taken);
        let under_way = give(&mut in_flight, &[1], Push::Taken);
        in_flight.acknowledge(USER, 1, acknowledged);
        in_flight.acknowledge(USER, 1, 3);
        assert!(in_flight.admit(USER, 2, &[4, 5]));
        assert_eq!(seqs(&in_flight, 2), [4, 5, under_way]);
        let old: Vec<bool> = in_flight
            .missed(USER, 2, 9)
            .iter()
            .map(|one| one.is_old)
            .collect();
        assert_eq!(old, [true, false, false]);
        // Coming again without having gone changes nothing.
        in_flight.admit(USER, 2, &[4, 5]);
        assert_eq!(seqs(&in_flight, 2), [4, 5, under_way]);
    }

    #[test]
    fn who_has_no_room_gets_later_ones_only_after_what_it_missed() {
        let mut in_flight = InFlight::starting_after(0, 10_000);
        in_flight.admit(USER, 1, &[]);
        let first = give(&mut in_flight, &[1], Push::Full);
        let second = give(&mut in_flight, &[1], Push::Taken);
        assert_eq!(seqs(&in_flight, 1), [first, second]);
        in_flight.caught_up_with(USER, 1, first);
        in_flight.dropped(USER, 1, second);
        assert!(!in_flight.is_behind(USER, 1));
        assert_eq!(in_flight.take_changes(), []);
    }

    #[test]
    fn a_list_that_grows_too_long_loses_its_oldest() {
        let mut in_flight = InFlight::starting_after(0, 2);
        in_flight.admit(USER, 1, &[]);
        let given: Vec<i64> = (0..4)
            .map(|_| give(&mut in_flight, &[1], Push::Full))
            .collect();
        assert_eq!(seqs(&in_flight, 1), given[2..]);
        assert_eq!(in_flight.users[&USER].entries.len(), 2);
    }

    /// What may happen between the hub and one user's devices, by chance.
    #[derive(Clone, Debug)]
    enum Step {
        Message { is_saved: bool, push: Push },
        Come,
        Read,
        Acknowledge(usize),
        End(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let push = prop_oneof![4 => Just(Push::Taken), 1 => Just(Push::Full)];
        prop_oneof![
            6 => (any::<bool>(), push).prop_map(|(is_saved, push)| Step::Message { is_saved, push }),
            1 => Just(Step::Come),
            2 => Just(Step::Read),
            4 => any::<usize>().prop_map(Step::Acknowledge),
            1 => any::<usize>().prop_map(Step::End),
        ]
    }

    #[derive(Default)]
    struct Model {
        rows: BTreeSet<i64>,
        // By connection: what it was given, in order, and how many of these it acknowledged.
        devices: BTreeMap<u64, (Vec<i64>, usize)>,
        acknowledged: BTreeSet<i64>,
        count: u64,
    }

    impl Model {
        fn store(&mut self, in_flight: &mut InFlight<i64>) {
            for change in in_flight.take_changes() {
                match change {
                    Change::Remove(_, seq) => {
                        assert!(self.rows.remove(&seq) && self.acknowledged.contains(&seq));
                    }
                    Change::Write(_, seq, same) => assert!(seq == same && self.rows.insert(seq)),
                }
            }
        }

        fn pick(&self, choice: usize) -> Option<u64> {
            let numbers: Vec<u64> = self.devices.keys().copied().collect();
            (!numbers.is_empty()).then(|| numbers[choice % numbers.len()])
        }

        fn read(&mut self, in_flight: &mut InFlight<i64>, device: u64) {
            for missed in in_flight.missed(USER, device, 3) {
                assert!(missed.unsaved.is_some() || self.rows.contains(&missed.seq));
                in_flight.caught_up_with(USER, device, missed.seq);
                self.devices.get_mut(&device).unwrap().0.push(missed.seq);
            }
        }

        fn take(&mut self, in_flight: &mut InFlight<i64>, step: &Step) {
            match step {
                Step::Message { is_saved, push } => {
                    let seq = in_flight.next_seq();
                    if *is_saved {
                        self.rows.insert(seq);
                    }
                    let unsaved = (!is_saved).then_some(seq);
                    let all: Vec<u64> = self.devices.keys().copied().collect();
                    in_flight.hand_out(
                        USER,
                        seq,
                        unsaved,
                        &all,
                        |one| *one,
                        |one| {
                            if *push == Push::Taken {
                                self.devices.get_mut(one).unwrap().0.push(seq);
                            }
                            *push
                        },
                    );
                }
                Step::Come => {
                    self.store(in_flight);
                    self.count += 1;
                    self.devices.insert(self.count, Default::default());
                    let rows: Vec<i64> = self.rows.iter().copied().collect();
                    in_flight.admit(USER, self.count, &rows);
                }
                Step::Read => {
                    for device in self.devices.keys().copied().collect::<Vec<_>>() {
                        self.read(in_flight, device);
                    }
                }
                Step::Acknowledge(choice) => {
                    let Some(device) = self.pick(*choice) else {
                        return;
                    };
                    let (given, count) = self.devices.get_mut(&device).unwrap();
                    if let Some(seq) = given.get(*count) {
                        *count += 1;
                        self.acknowledged.insert(*seq);
                        in_flight.acknowledge(USER, device, *seq);
                    }
                }
                Step::End(choice) => {
                    if let Some(device) = self.pick(*choice) {
                        self.devices.remove(&device);
                        in_flight.end(USER, device);
                    }
                }
            }
            self.store(in_flight);
        }
    }

    proptest! {
        #[test]
        fn each_message_reaches_each_device_in_order_and_is_kept_until_one_has_it(
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let (mut in_flight, mut model) = (InFlight::starting_after(0, 10_000), Model::default());
            for step in &steps {
                model.take(&mut in_flight, step);
                for (given, _) in model.devices.values() {
                    prop_assert!(given.is_sorted_by(|one, other| one < other), "{:?}", given);
                }
            }
            for device in model.devices.keys().copied().collect::<Vec<_>>() {
                model.take(&mut in_flight, &Step::End(device as usize));
            }
            for _ in 0..model.devices.len() {
                model.take(&mut in_flight, &Step::End(0));
            }
            prop_assert!(in_flight.users.is_empty());
            // A last device gets whatever nobody has acknowledged.
            model.take(&mut in_flight, &Step::Come);
            while in_flight.is_behind(USER, model.count) {
                model.take(&mut in_flight, &Step::Read);
            }
            let expected: Vec<i64> = (1..in_flight.next_seq())
                .filter(|seq| !model.acknowledged.contains(seq))
                .collect();
            prop_assert_eq!(&model.devices[&model.count].0, &expected);
        }
    }
}
