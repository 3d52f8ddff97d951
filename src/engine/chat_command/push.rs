//! A push notification to people, wherever they are (PN-09…PN-12).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::command::UserRef;
use super::rules::{Checked, LIST_MAX, characters, too_many};

/// The longest text and title, in characters: a notification carries some 4 KiB in all.
const TEXT_MAX: usize = 1_000;
const TITLE_MAX: usize = 200;
/// The longest tag or foreign number, in characters.
const NAME_MAX: usize = 255;
/// The most further keys, and the most bytes of them together.
const DATA_MAX: usize = 16;
const DATA_BYTES: usize = 1_500;
/// The longest life: four weeks, as push services keep nothing longer (seconds).
const LIFE_MAX: u32 = 2_419_200;
/// Keys with a field of their own.
const OWN_KEYS: &[&str] = &["message", "title", "expiration"];

/// Whom to tell, and what. Exactly one of the five ways of choosing people.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// These users, at most 100.
    pub users: Vec<UserRef>,
    /// The users another system knows by these numbers (`external_id`), at most 100.
    pub external_ids: Vec<String>,
    /// Everybody with one of these tags at least.
    pub any_tag: Vec<String>,
    /// Everybody with all of these tags.
    pub all_tags: Vec<String>,
    /// Everybody without any of these tags.
    pub without_tags: Vec<String>,
    /// The text, 1 to 1,000 characters.
    pub text: String,
    /// A title, 1 to 200 characters; without it the device's name.
    pub title: Option<String>,
    /// For so long it is worth something, 1 to 2,419,200 seconds; without it as the server has it.
    pub life_s: Option<u32>,
    /// Further keys for the application, at most 16 and 1,500 bytes of JSON.
    pub data: Map<String, Value>,
}

pub(super) fn check(push: &Push) -> Checked {
    let lists = [
        ("external_ids", &push.external_ids),
        ("any_tag", &push.any_tag),
        ("all_tags", &push.all_tags),
        ("without_tags", &push.without_tags),
    ];
    let ways = lists.iter().filter(|(_, list)| !list.is_empty()).count();
    if ways + usize::from(!push.users.is_empty()) != 1 {
        let rule = "users, external_ids, any_tag, all_tags or without_tags";
        return Err(format!("{rule}: exactly one is required"));
    }
    if push.users.len() > LIST_MAX {
        return Err(too_many("users", push.users.len(), LIST_MAX));
    }
    for (field, list) in lists {
        if list.len() > LIST_MAX {
            return Err(too_many(field, list.len(), LIST_MAX));
        }
        for name in list {
            characters(field, name, 1, NAME_MAX)?;
            if name.contains(',') {
                return Err(format!("{field}: {name:?} has a comma, which parts them"));
            }
        }
    }
    characters("text", &push.text, 1, TEXT_MAX)?;
    if let Some(title) = &push.title {
        characters("title", title, 1, TITLE_MAX)?;
    }
    if let Some(life) = push.life_s
        && !(1..=LIFE_MAX).contains(&life)
    {
        return Err(format!("life_s: must be 1 to {LIFE_MAX}, not {life}"));
    }
    if push.data.len() > DATA_MAX {
        return Err(too_many("data", push.data.len(), DATA_MAX));
    }
    if let Some(own) = push
        .data
        .keys()
        .find(|key| OWN_KEYS.contains(&key.as_str()))
    {
        return Err(format!("data: {own:?} has a field of its own"));
    }
    let bytes = Value::Object(push.data.clone()).to_string().len();
    if bytes > DATA_BYTES {
        return Err(format!(
            "data: {bytes} bytes are more than the most {DATA_BYTES}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(more: Value) -> Checked {
        let mut fields = json!({"text": "Leak in the cellar"});
        for (name, value) in more.as_object().unwrap() {
            fields[name] = value.clone();
        }
        check(&serde_json::from_value(fields).unwrap())
    }

    #[test]
    fn every_way_of_choosing_is_taken_alone() {
        for way in [
            json!({"users": ["anna", 7]}),
            json!({"external_ids": ["E-7"]}),
            json!({"any_tag": ["duty"], "title": "Alarm", "life_s": 60, "data": {"zone": 3}}),
            json!({"all_tags": ["duty", "night"]}),
            json!({"without_tags": ["guest"]}),
        ] {
            assert_eq!(checked(way.clone()), Ok(()), "{way}");
        }
    }

    #[test]
    fn a_broken_rule_names_its_field() {
        for (fields, field) in [
            (json!({}), "users"),
            (json!({"users": [1], "any_tag": ["a"]}), "exactly one"),
            (json!({"any_tag": ["a,b"]}), "any_tag"),
            (json!({"any_tag": [""]}), "any_tag"),
            (json!({"users": [1], "text": ""}), "text"),
            (json!({"users": [1], "title": "x".repeat(201)}), "title"),
            (json!({"users": [1], "life_s": 0}), "life_s"),
            (json!({"users": [1], "data": {"message": 1}}), "data"),
            (
                json!({"users": [1], "data": {"a": "x".repeat(2_000)}}),
                "data",
            ),
            (json!({"users": vec![1; 101]}), "users"),
        ] {
            let rule = checked(fields.clone()).unwrap_err();
            assert!(rule.contains(field), "{fields}: {rule}");
        }
    }
}
