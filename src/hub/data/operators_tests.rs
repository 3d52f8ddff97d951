use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::hub::DataRules;
use crate::hub::data::Classes;

fn class() -> Arc<Class> {
    let rules: DataRules = toml::from_str(
        "[[class]]
         name = 'c'
         fields = { n = 'Integer', f = 'Float', s = 'String', a = 'Array of Integer', t = 'Array' }",
    )
    .unwrap();
    Arc::clone(Classes::new(&rules).find("c").unwrap())
}

/// The record after a change, or the field and the rule.
fn changed(record: Json, given: Json) -> Result<Json, (String, String)> {
    let class = class();
    let mut fields = Map::new();
    class
        .write(&mut fields, record.as_object().unwrap())
        .unwrap();
    let before = fields.clone();
    match apply(&class, &mut fields, given.as_object().unwrap()) {
        Ok(()) => Ok(Json::Object(fields)),
        Err((field, error)) => {
            assert_eq!(fields, before, "a refused change has changed something");
            Err((field, error.to_string()))
        }
    }
}

#[test]
fn every_operator_does_what_it_says() {
    for (record, given, field, expected) in [
        (json!({"n": 40}), json!({"inc": {"n": "2"}}), "n", json!(42)),
        (json!({}), json!({"inc": {"n": -3}}), "n", json!(-3)),
        (json!({"f": 1.5}), json!({"inc": {"f": 1}}), "f", json!(2.5)),
        (
            json!({"a": [1, 2, 1]}),
            json!({"pull": {"a": 1}}),
            "a",
            json!([2]),
        ),
        (
            json!({"a": [1, 5, 9]}),
            json!({"pull": {"a": {"gt": 1, "lt": "9"}}}),
            "a",
            json!([1, 9]),
        ),
        (
            json!({"a": [1, 5]}),
            json!({"pull_with_filter": {"a": {"gte": 5}}}),
            "a",
            json!([1]),
        ),
        (
            json!({"a": [1, 5]}),
            json!({"pull": {"a": {"in": "5,6"}}}),
            "a",
            json!([1]),
        ),
        (
            json!({"t": ["ab", "c"]}),
            json!({"pull": {"t": {"ctn": "b"}}}),
            "t",
            json!(["c"]),
        ),
        (
            json!({"a": [1, 2, 3]}),
            json!({"pull_all": {"a": ["1", 3]}}),
            "a",
            json!([2]),
        ),
        (
            json!({"a": [1, 2, 3]}),
            json!({"pop": {"a": "1"}}),
            "a",
            json!([1, 2]),
        ),
        (
            json!({"a": [1, 2, 3]}),
            json!({"pop": {"a": -1}}),
            "a",
            json!([2, 3]),
        ),
        (json!({"a": []}), json!({"pop": {"a": -1}}), "a", json!([])),
        (json!({}), json!({"pop": {"a": 1}}), "a", Json::Null),
        (
            json!({"a": [1]}),
            json!({"push": {"a": [1, 2]}}),
            "a",
            json!([1, 1, 2]),
        ),
        (json!({}), json!({"push": {"a": 7}}), "a", json!([7])),
        (
            json!({"a": [1]}),
            json!({"add_to_set": {"a": [1, 2, 2]}}),
            "a",
            json!([1, 2]),
        ),
        (
            json!({"a": [1, 2]}),
            json!({"a": {"0": "9"}}),
            "a",
            json!([9, 2]),
        ),
        (
            json!({"a": [1, 2]}),
            json!({"update_by_index": {"a": {"1": 9}}}),
            "a",
            json!([1, 9]),
        ),
        (json!({"s": "x"}), json!({"s": null}), "s", Json::Null),
        (
            json!({"n": 1}),
            json!({"n": 5, "inc": {"n": 1}}),
            "n",
            json!(6),
        ),
    ] {
        let after = changed(record.clone(), given.clone()).unwrap();
        assert_eq!(after[field], expected, "{record} {given}");
    }
}

#[test]
fn an_operator_on_a_field_it_is_not_for_names_the_field() {
    for (record, given, field, rule) in [
        (
            json!({}),
            json!({"inc": {"s": 1}}),
            "s",
            "inc is for numbers only",
        ),
        (json!({}), json!({"inc": {"n": 0.5}}), "n", "whole number"),
        (
            json!({"n": i64::MAX}),
            json!({"inc": {"n": 1}}),
            "n",
            "too large",
        ),
        (
            json!({"f": 1e308}),
            json!({"inc": {"f": 1e308}}),
            "f",
            "too large",
        ),
        (
            json!({}),
            json!({"push": {"n": 1}}),
            "n",
            "push is for lists only",
        ),
        (
            json!({}),
            json!({"push": {"x": 1}}),
            "x",
            "is no field of class c",
        ),
        (json!({}), json!({"push": 1}), "push", "object of fields"),
        (
            json!({"a": [1]}),
            json!({"pop": {"a": 2}}),
            "a",
            "1 for the last",
        ),
        (
            json!({"a": [1]}),
            json!({"a": {"1": 5}}),
            "a",
            "has no item 1",
        ),
        (
            json!({"a": [1]}),
            json!({"pull": {"a": {"near": 1}}}),
            "a",
            "is pulled by none",
        ),
        (
            json!({"a": vec![0; 1_000]}),
            json!({"push": {"a": 1}}),
            "a",
            "more than 1000",
        ),
        (
            json!({"a": [1]}),
            json!({"n": 2, "push": {"a": "x"}}),
            "a",
            "a whole number",
        ),
    ] {
        let (named, error) = changed(record, given.clone()).unwrap_err();
        assert_eq!(named, field, "{given}: {error}");
        assert!(error.contains(rule), "{given}: {error}");
    }
}

/// One step on a list, and what a plain list does with it.
#[derive(Clone, Debug)]
enum Step {
    Push(Vec<i64>),
    AddToSet(Vec<i64>),
    Pull(i64),
    PullBelow(i64),
    PullAll(Vec<i64>),
    Pop(bool),
    Set(usize, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let number = -4i64..4;
    let numbers = prop::collection::vec(number.clone(), 0..4);
    prop_oneof![
        numbers.clone().prop_map(Step::Push),
        numbers.clone().prop_map(Step::AddToSet),
        number.clone().prop_map(Step::Pull),
        number.clone().prop_map(Step::PullBelow),
        numbers.prop_map(Step::PullAll),
        any::<bool>().prop_map(Step::Pop),
        (0usize..6, number).prop_map(|(place, value)| Step::Set(place, value)),
    ]
}

impl Step {
    fn request(&self) -> Json {
        match self {
            Self::Push(items) => json!({"push": {"a": items}}),
            Self::AddToSet(items) => json!({"add_to_set": {"a": items}}),
            Self::Pull(item) => json!({"pull": {"a": item}}),
            Self::PullBelow(bound) => json!({"pull": {"a": {"lt": bound}}}),
            Self::PullAll(items) => json!({"pull_all": {"a": items}}),
            Self::Pop(last) => json!({"pop": {"a": if *last { 1 } else { -1 }}}),
            Self::Set(place, value) => json!({"a": {(place.to_string()): value}}),
        }
    }

    /// `false` where it is refused.
    fn on(&self, list: &mut Vec<i64>) -> bool {
        match self {
            Self::Push(items) => list.extend(items),
            Self::AddToSet(items) => {
                for item in items {
                    if !list.contains(item) {
                        list.push(*item);
                    }
                }
            }
            Self::Pull(item) => list.retain(|there| there != item),
            Self::PullBelow(bound) => list.retain(|there| there >= bound),
            Self::PullAll(items) => list.retain(|there| !items.contains(there)),
            Self::Pop(true) => drop(list.pop()),
            Self::Pop(false) => drop(list.drain(..list.len().min(1))),
            Self::Set(place, value) => match list.get_mut(*place) {
                Some(there) => *there = *value,
                None => return false,
            },
        }
        true
    }
}

proptest! {
    #[test]
    fn operators_on_lists_do_what_a_plain_list_does(
        first in prop::collection::vec(-4i64..4, 0..5), steps in prop::collection::vec(step(), 1..8),
    ) {
        let class = class();
        let mut record = Map::new();
        class.write(&mut record, json!({"a": first}).as_object().unwrap()).unwrap();
        let mut model = first;
        for step in steps {
            let request = step.request();
            let taken = apply(&class, &mut record, request.as_object().unwrap()).is_ok();
            prop_assert_eq!(taken, step.on(&mut model), "{:?}", step);
            prop_assert_eq!(&record["a"], &json!(model), "{:?}", step);
        }
    }

    #[test]
    fn increments_add_up(start in any::<i32>(), steps in prop::collection::vec(any::<i32>(), 0..8)) {
        let class = class();
        let mut record = Map::new();
        class.write(&mut record, json!({"n": start}).as_object().unwrap()).unwrap();
        for step in &steps {
            apply(&class, &mut record, json!({"inc": {"n": step}}).as_object().unwrap()).unwrap();
        }
        let sum = steps.iter().map(|step| i64::from(*step)).sum::<i64>() + i64::from(start);
        prop_assert_eq!(&record["n"], &json!(sum));
    }
}
