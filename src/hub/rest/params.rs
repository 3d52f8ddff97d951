//! The parameters of a request, whatever way they came: JSON body, form body, query.
//!
//! All become one JSON object: `user[login]=a` is `{"user":{"login":"a"}}`, `k[]=1&k[]=2` is
//! `{"k":["1","2"]}` (wire reference E.1).

use serde_json::{Map, Value as Json};

pub use crate::hub::data::value::plain;
use crate::hub::store::query::list;

/// Levels of brackets; the contract uses three.
const MAX_LEVELS: usize = 6;
/// Pairs in one query or form.
const MAX_PAIRS: usize = 2_000;

/// Reads a query string or a form body.
pub fn read_form(text: &str) -> Map<String, Json> {
    let mut root = Map::new();
    for (key, value) in url::form_urlencoded::parse(text.as_bytes()).take(MAX_PAIRS) {
        let path = split_key(&key);
        if path.len() <= MAX_LEVELS && !path[0].is_empty() {
            insert(&mut root, &path, value.into_owned());
        }
    }
    root
}

/// `a[b][]` → `a`, `b`, ``.
fn split_key(key: &str) -> Vec<&str> {
    let Some((name, rest)) = key.split_once('[') else {
        return vec![key];
    };
    let mut path = vec![name];
    path.extend(
        rest.split('[')
            .map(|part| part.strip_suffix(']').unwrap_or(part)),
    );
    path
}

fn insert(object: &mut Map<String, Json>, path: &[&str], value: String) {
    let [name, rest @ ..] = path else { return };
    match rest {
        [] => {
            object.insert((*name).to_owned(), value.into());
        }
        [""] => {
            let entry = object
                .entry(*name)
                .or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(items) = entry {
                items.push(value.into());
            }
        }
        _ => {
            let entry = object
                .entry(*name)
                .or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}

/// A path segment with its percent signs decoded.
pub fn decode_path(segment: &str) -> String {
    crate::protocol::percent::decode(segment)
}

/// Reading single parameters of an object.
pub trait Params {
    /// A text; numbers and booleans count as theirs. Empty counts as absent.
    fn text(&self, name: &str) -> Option<String>;
    /// A number, written as one or as text.
    fn number(&self, name: &str) -> Option<i64>;
    /// `1`, `"1"`, `true` or `"true"`.
    fn flag(&self, name: &str) -> bool;
    /// A list of numbers in either array encoding, without repetition.
    fn ids(&self, name: &str) -> Vec<u64>;
    /// A list of texts in either array encoding.
    fn texts(&self, name: &str) -> Vec<String>;
}

impl Params for Json {
    fn text(&self, name: &str) -> Option<String> {
        let text = plain(self.get(name)?)?;
        (!text.is_empty()).then_some(text)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("1" | "true"))
    }

    fn ids(&self, name: &str) -> Vec<u64> {
        let mut ids: Vec<u64> = self
            .texts(name)
            .iter()
            .filter_map(|text| text.parse().ok())
            .filter(|id| i64::try_from(*id).is_ok())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let items = self.get(name).map(list).unwrap_or_default();
        // A list may hold comma texts again: `["1,2"]`.
        let items = items.iter().filter_map(plain);
        items
            .flat_map(|item| {
                item.split(',')
                    .map(|part| part.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .filter(|item| !item.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(text: &str) -> Json {
        Json::Object(read_form(text))
    }

    #[test]
    fn brackets_arrays_and_operators_become_one_object() {
        assert_eq!(
            form("a[]=1&a[]=2&b=3%2C4&c[in]=5%2C6&user[login]=al+ice&id[in][]=7&id[in][]=8"),
            json!({"a": ["1", "2"], "b": "3,4", "c": {"in": "5,6"},
                   "user": {"login": "al ice"}, "id": {"in": ["7", "8"]}})
        );
    }

    #[test]
    fn every_list_encoding_gives_the_same_ids() {
        for params in [
            json!({"ids": [45, 78, 45]}),
            json!({"ids": "45, 78"}),
            json!({"ids": ["45", "78"]}),
            json!({"ids": ["45,78"]}),
            json!({"ids": {"0": 45, "1": 78}}),
            form("ids[]=45&ids[]=78"),
        ] {
            assert_eq!(params.ids("ids"), [45, 78], "{params}");
        }
        assert_eq!(json!({"ids": -1}).ids("ids"), Vec::<u64>::new());
    }

    #[test]
    fn contradicting_and_broken_keys_do_no_harm() {
        form("a=1&a[b]=2&a[]=3&[x]=4&]=5&a[=6&=7&b[[[[[[[[[[=8");
        assert_eq!(decode_path("a%2Fb+c&d"), "a/b+c&d");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_reading_panic_or_grow(text in "[a-c&=%\\[\\]0-9+]{0,120}") {
            let read = Json::Object(read_form(&text));
            proptest::prop_assert!(read.to_string().len() <= 8 * text.len() + 2);
        }
    }
}
