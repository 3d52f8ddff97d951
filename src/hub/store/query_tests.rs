use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::hub::store::{dialogs, messages, migrations};

const FIELDS: &[Field] = &[
    ("id", "users.id", Kind::Number),
    ("login", "login", Kind::Text),
    ("created_at", "created_at", Kind::Time),
];

fn filter(request: Json) -> Result<Filter, FilterError> {
    Filter::default().and_request(&request, FIELDS)
}

#[test]
fn every_operator_binds_its_value_and_unknown_fields_are_left_alone() {
    let filter = filter(json!({
        "id": {"in": "1, 2"}, "login": {"start_with": "a%_"}, "created_at": {"gt": "7"},
        "limit": "5"
    }))
    .unwrap();
    assert_eq!(
        filter.sql(),
        "users.id IN (?, ?) AND login LIKE ? ESCAPE '\\' AND created_at > ?"
    );
    assert_eq!(
        filter.values(),
        [
            1.into(),
            2.into(),
            Value::from("a\\%\\_%".to_owned()),
            7.into()
        ]
    );
}

#[test]
fn both_array_encodings_and_a_bare_value_are_understood() {
    for request in [json!({"id": ["1", "2"]}), json!({"id": {"in": ["1", "2"]}})] {
        assert_eq!(filter(request).unwrap().sql(), "users.id IN (?, ?)");
    }
    assert_eq!(filter(json!({"id": 1})).unwrap().sql(), "users.id = ?");
    assert_eq!(Filter::default().sql(), "1");
}

#[test]
fn an_unknown_operator_and_a_wrong_value_are_named() {
    assert!(matches!(
        filter(json!({"id": {"like": "1"}})),
        Err(FilterError::Operator { .. })
    ));
    assert_eq!(
        filter(json!({"id": "1 OR 1=1"})).unwrap_err(),
        FilterError::Value("id".into())
    );
}

#[test]
fn fields_of_several_rows_are_wanted_in_any_and_excluded_from_all_of_them() {
    let fields: &[Field] = &[(
        "tags",
        "t.tag",
        Kind::TextIn("tags t WHERE t.id = users.id"),
    )];
    let sql = |request: Json| {
        let filter = Filter::default().and_request(&request, fields).unwrap();
        (filter.sql(), filter.values().len())
    };
    let row = "EXISTS (SELECT 1 FROM tags t WHERE t.id = users.id AND t.tag";
    assert_eq!(
        sql(json!({"tags": {"all": "a,b"}})),
        (format!("{row} = ?) AND {row} = ?)"), 2)
    );
    assert_eq!(
        sql(json!({"tags": {"nin": ["a", "b"]}})),
        (format!("NOT {row} IN (?, ?))"), 2)
    );
    assert_eq!(
        sql(json!({"tags": {"ne": "a"}})),
        (format!("NOT {row} = ?)"), 1)
    );
}

#[test]
fn conditions_on_unknown_fields_are_refused_and_plain_parameters_are_not() {
    let check = |request: Json| check_names(&request, FIELDS, &["push"]);
    assert_eq!(
        check(json!({"id": {"gt": 1}, "x": "1", "push": {}, "limit": "5"})),
        Ok(())
    );
    for (request, field) in [
        (json!({"x": {"gt": 1}}), "x"),
        (json!({"sort_desc": "x"}), "x"),
        (json!({"limit": "-1"}), "limit"),
        (json!({"skip": []}), "skip"),
    ] {
        assert_eq!(check(request).unwrap_err().field(), field);
    }
}

#[test]
fn a_page_is_bounded_and_sorts_only_by_known_columns() {
    let page = Page::read(
        &json!({"limit": "9999", "offset": "3", "sort_desc": "id; DROP TABLE users"}),
        FIELDS,
        100,
        100,
    );
    assert_eq!(page.sql("id"), "ORDER BY id ASC LIMIT 100 OFFSET 3");
    let page = Page::read(&json!({"sort_desc": "created_at"}), FIELDS, 100, 100);
    assert_eq!(
        page.sql("id"),
        "ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET 0"
    );
}

/// Requests as a hostile client may build them.
fn any_request() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
        Just(Json::Null),
        Just(json!("1,2,3")),
        Just(json!("2026-01-01T00:00:00Z")),
        Just(json!(true)),
    ];
    let list = prop::collection::vec(scalar.clone(), 0..4).prop_map(Json::from);
    let value = prop_oneof![3 => scalar, 1 => list].boxed();
    let operator = prop_oneof![
        9 => prop::sample::select(vec![
            "eq", "ne", "gt", "lt", "gte", "lte", "in", "nin", "all", "ctn", "start_with",
        ]).prop_map(str::to_owned),
        1 => ".{0,6}",
    ];
    let operators = prop::collection::btree_map(operator, value.clone(), 0..4)
        .prop_map(|all| Json::Object(all.into_iter().collect()));
    let field = prop_oneof![
        9 => prop::sample::select(vec![
            "_id", "type", "name", "date_sent", "occupants_ids", "attachments.type", "sender_id",
            "updated_at", "limit", "skip", "sort_asc", "sort_desc",
        ]).prop_map(str::to_owned),
        1 => ".{0,6}",
    ];
    let wanted = prop_oneof![
        2 => operators,
        2 => value,
        1 => prop::sample::select(vec!["_id", "occupants_ids", "attachments.type", "date_sent"])
            .prop_map(Json::from),
    ];
    prop::collection::btree_map(field, wanted, 0..4)
        .prop_map(|all| Json::Object(all.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_request_is_refused_or_becomes_sql_that_runs(request in any_request()) {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .unwrap();
        migrations::apply(&mut connection).unwrap();
        for (fields, table, tie) in [
            (dialogs::FIELDS, "dialogs", "dialogs.id"),
            (messages::FIELDS, "messages m", "m.seq"),
        ] {
            if check_names(&request, fields, &[]).is_err() {
                continue;
            }
            let page = Page::read(&request, fields, 100, 100);
            if let Ok(filter) = Filter::default().and_request(&request, fields) {
                let sql = format!("SELECT 1 FROM {table} WHERE {} {}", filter.sql(), page.sql(tie));
                let rows = connection
                    .prepare(&sql)
                    .and_then(|mut statement| {
                        let values = rusqlite::params_from_iter(filter.values());
                        statement.query_map(values, |_| Ok(()))?.collect::<Result<Vec<_>, _>>()
                    });
                prop_assert!(rows.is_ok(), "{sql}: {rows:?}");
            }
        }
    }
}

#[test]
fn a_request_with_more_conditions_or_values_than_the_bound_is_refused() {
    let items: Vec<u64> = (0..201).collect();
    let many = filter(json!({"id": {"all": items}})).unwrap_err();
    assert_eq!(many.field(), "id");
    let items: Vec<u64> = (0..1001).collect();
    assert!(filter(json!({"id": {"in": items}})).is_err());
}

#[test]
fn a_condition_without_a_value_is_refused_and_a_list_of_no_values_is_a_list() {
    for wanted in [json!({}), json!({"all": []}), json!({"all": ""})] {
        let refused = filter(json!({"id": wanted})).unwrap_err();
        assert_eq!(refused, FilterError::Empty("id".into()), "{wanted}");
    }
    for (operator, sql) in [
        ("in", "users.id IN ()"),
        ("nin", "(users.id IS NULL OR users.id NOT IN ())"),
    ] {
        let found = filter(json!({"id": {operator: []}})).unwrap();
        assert_eq!(found.sql(), sql);
    }
}
