use std::sync::Arc;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::config::hub::DataRules;
use crate::hub::data::{Classes, Permissions};
use crate::hub::store::query::Page;
use crate::hub::store::records::{self, Record};
use crate::hub::store::{functions, migrations};
use crate::protocol::address::UserId;

fn class() -> Arc<Class> {
    let rules: DataRules = toml::from_str(
        "[[class]]
         name = 'c'
         fields = { n = 'Integer', s = 'String', b = 'Boolean', a = 'Array of Integer',
                    t = 'Array', d = 'Date', place = 'Location' }",
    )
    .unwrap();
    Arc::clone(Classes::new(&rules).find("c").unwrap())
}

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    functions::add(&connection).unwrap();
    migrations::apply(&mut connection).unwrap();
    connection
}

fn add_record(connection: &Connection, id: &str, author: UserId, fields: Json, permissions: Json) {
    let mut record = Record {
        id: id.to_owned(),
        parent: None,
        author,
        fields: Map::new(),
        permissions: Permissions::default(),
        created_at: 0,
        updated_at: 0,
    };
    class()
        .write(&mut record.fields, fields.as_object().unwrap())
        .unwrap();
    record.permissions.write(&permissions).unwrap();
    records::create(connection, &class(), &record).unwrap();
}

fn ids(connection: &Connection, filter: Filter) -> Vec<String> {
    let page = Page {
        limit: 1_000,
        skip: 0,
        sort: None,
    };
    let found = records::list(connection, &class(), filter, &page).unwrap();
    found.into_iter().map(|record| record.id).collect()
}

fn wanted(given: Json) -> Result<Filter, FilterError> {
    criteria(&class(), given.as_object().unwrap())
}

#[test]
fn operators_apply_to_the_types_of_the_class() {
    let connection = database();
    for (id, fields) in [
        (
            "1",
            json!({"n": 5, "s": "a_b", "b": true, "a": [1, 2], "t": ["x", 7, true],
                     "d": "2026-01-02T00:00:00Z", "place": [13.40, 52.52]}),
        ),
        (
            "2",
            json!({"n": 10, "s": "axb", "b": false, "a": [2, 3], "t": ["7"],
                     "d": "2026-01-03T00:00:00Z", "place": [13.41, 52.52]}),
        ),
        ("3", json!({})),
    ] {
        add_record(&connection, id, 1, fields, Json::Null);
    }
    for (given, expected) in [
        (json!({"n": {"gt": "9.5"}}), "2"),
        (json!({"n": {"lte": 5}}), "1"),
        (json!({"n": {"ne": 5}}), "2 3"),
        (json!({"n": {"nin": [5]}}), "2 3"),
        (json!({"n": {"or": "5,10"}}), "1 2"),
        (json!({"n": {"ctn": "1"}}), "2"),
        (json!({"n": null}), "3"),
        (json!({"n": {"ne": null}}), "1 2"),
        (json!({"s": {"ctn": "_"}}), "1"),
        (json!({"s": {"in": ["axb", "z"]}}), "2"),
        (json!({"b": "true"}), "1"),
        (json!({"b": {"ne": true}}), "2 3"),
        (json!({"a": {"all": "1,2"}}), "1"),
        (json!({"a": 2}), "1 2"),
        (json!({"a": {"nin": [1]}}), "2 3"),
        (json!({"a": null}), "3"),
        (json!({"a": {"gt": 2}}), "2"),
        (json!({"t": {"all": ["x", true]}}), "1"),
        (json!({"t": {"in": "7"}}), "1 2"),
        (json!({"d": {"gt": "2026-01-02T01:00:00+01:00"}}), "2"),
        (json!({"d": 1_767_312_000}), "1"),
        (json!({"place": {"near": "13.40,52.52;100"}}), "1"),
        (json!({"place": {"near": "13.40,52.52;1000"}}), "1 2"),
        (json!({"n": {"gt": 1, "lt": 7}, "s": "a_b"}), "1"),
        (json!({"_id": {"in": "1,3"}}), "1 3"),
        (json!({"user_id": 1, "created_at": {"lt": 1}}), "1 2 3"),
    ] {
        let found = ids(&connection, wanted(given.clone()).unwrap()).join(" ");
        assert_eq!(found, expected, "{given}");
    }
}

#[test]
fn a_condition_that_cannot_be_names_its_field() {
    for (given, field) in [
        (json!({"x": 1}), "x"),
        (json!({"n') OR 1; --": 1}), "n') OR 1; --"),
        (json!({"n": "abc"}), "n"),
        (json!({"n": {"near": "1,2;3"}}), "n"),
        (json!({"n": {"like": 1}}), "n"),
        (json!({"place": {"near": "13.4,52.5"}}), "place"),
        (json!({"place": {"near": "200,52.5;1"}}), "place"),
        (json!({"place": {"near": "1,2;-1"}}), "place"),
        (json!({"place": {"gt": 1}}), "place"),
        (json!({"b": "maybe"}), "b"),
        (json!({"d": {"gt": "soon"}}), "d"),
        (json!({"s": {"ctn": "x".repeat(2_000)}}), "s"),
        (json!({"n": {"in": [null]}}), "n"),
    ] {
        assert_eq!(wanted(given.clone()).unwrap_err().field(), field, "{given}");
    }
}

/// A record's fields as plain values.
#[derive(Clone, Debug)]
struct Plain {
    n: Option<i64>,
    s: Option<String>,
    b: Option<bool>,
    a: Option<Vec<i64>>,
}

/// One condition, and whether a plain record meets it.
#[derive(Clone, Debug)]
enum Condition {
    N(&'static str, i64),
    NIn(bool, Vec<i64>),
    S(&'static str, String),
    B(bool, bool),
    AAll(Vec<i64>),
    AHas(bool, i64),
    Null(&'static str, bool),
}

impl Condition {
    fn request(&self) -> (String, Json) {
        let (field, wanted) = match self {
            Self::N(operator, value) => ("n", json!({(*operator): value})),
            Self::NIn(not, values) => ("n", json!({(if *not { "nin" } else { "in" }): values})),
            Self::S(operator, value) => ("s", json!({(*operator): value})),
            Self::B(not, value) => ("b", json!({(if *not { "ne" } else { "eq" }): value})),
            Self::AAll(values) => ("a", json!({"all": values})),
            Self::AHas(not, value) => ("a", json!({(if *not { "ne" } else { "eq" }): value})),
            Self::Null(field, not) => (*field, json!({(if *not { "ne" } else { "eq" }): null})),
        };
        (field.to_owned(), wanted)
    }

    fn holds(&self, record: &Plain) -> bool {
        match self {
            Self::N("ne", value) => record.n != Some(*value),
            Self::N(operator, value) => record.n.is_some_and(|n| match *operator {
                "gt" => n > *value,
                "gte" => n >= *value,
                "lt" => n < *value,
                "lte" => n <= *value,
                _ => n == *value,
            }),
            Self::NIn(not, values) => record.n.is_some_and(|n| values.contains(&n)) != *not,
            Self::S("ne", value) => record.s.as_ref() != Some(value),
            Self::S("ctn", value) => record
                .s
                .as_ref()
                .is_some_and(|s| s.to_ascii_lowercase().contains(&value.to_ascii_lowercase())),
            Self::S(_, value) => record.s.as_ref() == Some(value),
            Self::B(not, value) => (record.b == Some(*value)) != *not,
            Self::AAll(values) => values
                .iter()
                .all(|value| record.a.as_ref().is_some_and(|a| a.contains(value))),
            Self::AHas(not, value) => record.a.as_ref().is_some_and(|a| a.contains(value)) != *not,
            Self::Null(field, not) => {
                let is_null = match *field {
                    "n" => record.n.is_none(),
                    "s" => record.s.is_none(),
                    "b" => record.b.is_none(),
                    _ => record.a.is_none(),
                };
                is_null != *not
            }
        }
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let number = -3i64..4;
    let text = "[aB%_\\\\']{0,2}";
    let compare = prop::sample::select(vec!["eq", "ne", "gt", "gte", "lt", "lte"]);
    let of_text = prop::sample::select(vec!["eq", "ne", "ctn"]);
    let field = prop::sample::select(vec!["n", "s", "b", "a"]);
    prop_oneof![
        (compare, number.clone()).prop_map(|(operator, value)| Condition::N(operator, value)),
        (any::<bool>(), prop::collection::vec(number.clone(), 0..3))
            .prop_map(|(not, values)| Condition::NIn(not, values)),
        (of_text, text).prop_map(|(operator, value)| Condition::S(operator, value)),
        any::<(bool, bool)>().prop_map(|(not, value)| Condition::B(not, value)),
        prop::collection::vec(number.clone(), 1..3).prop_map(Condition::AAll),
        (any::<bool>(), number).prop_map(|(not, value)| Condition::AHas(not, value)),
        (field, any::<bool>()).prop_map(|(field, not)| Condition::Null(field, not)),
    ]
}

fn plain() -> impl Strategy<Value = Plain> {
    let number = -3i64..4;
    (
        prop::option::of(number.clone()),
        prop::option::of("[aB%_\\\\']{0,3}"),
        prop::option::of(any::<bool>()),
        prop::option::of(prop::collection::vec(number, 0..3)),
    )
        .prop_map(|(n, s, b, a)| Plain { n, s, b, a })
}

fn access() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(json!({"access": "open"})),
        Just(json!({"access": "owner"})),
        prop::collection::vec(1u64..4, 1..3)
            .prop_map(|ids| json!({"access": "open_for_users_ids", "ids": ids})),
        prop::collection::vec("[gh']", 1..3)
            .prop_map(|groups| json!({"access": "open_for_groups", "groups": groups})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_finds_what_a_look_at_every_record_finds(
        records in prop::collection::vec(plain(), 0..12),
        conditions in prop::collection::vec(condition(), 1..4),
    ) {
        let connection = database();
        for (place, record) in records.iter().enumerate() {
            let fields = json!({"n": record.n, "s": record.s, "b": record.b, "a": record.a});
            add_record(&connection, &place.to_string(), 1, fields, Json::Null);
        }
        let mut filter = Filter::default();
        for condition in &conditions {
            let (field, request) = condition.request();
            filter = filter.and_filter(wanted(json!({(field): request})).unwrap());
        }
        let expected: Vec<String> = records
            .iter()
            .enumerate()
            .filter(|(_, record)| conditions.iter().all(|condition| condition.holds(record)))
            .map(|(place, _)| place.to_string())
            .collect();
        prop_assert_eq!(ids(&connection, filter), expected, "{:?}", conditions);
    }

    #[test]
    fn the_records_found_are_those_whose_permissions_admit(
        all in prop::collection::vec((1u64..4, access(), access()), 0..8),
        id in 1u64..5, tags in prop::collection::vec("[gh']", 0..2),
    ) {
        let connection = database();
        for (place, (author, read, update)) in all.iter().enumerate() {
            let permissions = json!({"read": read, "update": update});
            add_record(&connection, &place.to_string(), *author, json!({}), permissions);
        }
        let asker = Asker::User { id, tags };
        for action in Action::ALL {
            let mut expected = Vec::new();
            for (place, (author, read, update)) in all.iter().enumerate() {
                let mut permissions = Permissions::default();
                permissions.write(&json!({"read": read, "update": update})).unwrap();
                if permissions.of(action).admits(&asker, Some(*author)) {
                    expected.push(place.to_string());
                }
            }
            prop_assert_eq!(ids(&connection, admitted(&class(), action, &asker)), expected);
        }
    }
}
