//! The classes of custom objects this hub has (CD-01: they are made by the operator of a service,
//! never through its API), and what their records may hold.

use serde_json::{Map, Value as Json};

use super::query::{Field, Kind};

/// A class: a table of records with the same fields.
#[derive(Debug)]
pub struct Class {
    /// Its name, as it stands in addresses.
    pub name: &'static str,
    /// What a record holds besides its envelope.
    pub fields: &'static [ClassField],
    /// What lists are filtered and sorted by.
    pub filters: &'static [Field],
}

/// One field of a class.
#[derive(Debug)]
pub struct ClassField {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: FieldKind,
    /// Whether a record needs it. One that is not needed may be null.
    pub is_required: bool,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A whole number, 1 or more; a form writes it as text.
    Number,
    /// Text of 1 to so many characters.
    Text(usize),
    /// Either: the docs have a number where the real thing is text (CH-47).
    NumberOrText(usize),
}

/// A record's field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The class has no such field.
    #[error("is no field of class {0}")]
    Unknown(&'static str),
    /// The class needs it.
    #[error("can't be blank")]
    Missing,
    /// Not of the field's kind.
    #[error("must be {0}")]
    Kind(&'static str),
    /// Longer than so many characters.
    #[error("is longer than {0} characters")]
    TooLong(usize),
}

/// Characters of a reason: what a visitor types at a door, not a file.
const MAX_REASON: usize = 2_000;
/// Characters of a message id.
const MAX_MESSAGE_ID: usize = 64;

/// Why somebody or something is reported.
const REASON: ClassField = ClassField {
    name: "reason",
    kind: FieldKind::Text(MAX_REASON),
    is_required: false,
};
const ID: Field = ("_id", "id", Kind::Text);
const AUTHOR: Field = ("user_id", "user_id", Kind::Number);
const CREATED: Field = ("created_at", "created_at", Kind::Time);
const UPDATED: Field = ("updated_at", "updated_at", Kind::Time);
const REASON_FILTER: Field = ("reason", "json_extract(fields, '$.reason')", Kind::Text);

const CLASSES: &[Class] = &[
    // CH-46
    Class {
        name: "UserReports",
        fields: &[
            ClassField {
                name: "reportedUserId",
                kind: FieldKind::Number,
                is_required: true,
            },
            REASON,
        ],
        filters: &[
            ID,
            AUTHOR,
            CREATED,
            UPDATED,
            REASON_FILTER,
            (
                "reportedUserId",
                "json_extract(fields, '$.reportedUserId')",
                Kind::Number,
            ),
        ],
    },
    // CH-47
    Class {
        name: "MessageReports",
        fields: &[
            ClassField {
                name: "reportedMessageId",
                kind: FieldKind::NumberOrText(MAX_MESSAGE_ID),
                is_required: true,
            },
            REASON,
        ],
        filters: &[
            ID,
            AUTHOR,
            CREATED,
            UPDATED,
            REASON_FILTER,
            (
                "reportedMessageId",
                "CAST(json_extract(fields, '$.reportedMessageId') AS TEXT)",
                Kind::Text,
            ),
        ],
    },
];

/// The class of a name.
pub fn find(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name == name)
}

impl Class {
    /// Changes the fields of a record to what `given` says, and leaves the others. An empty record
    /// and what a client sends make a new one.
    ///
    /// # Errors
    /// The field and the rule it breaks; nothing has changed then.
    pub fn write(
        &self,
        record: &mut Map<String, Json>,
        given: &Map<String, Json>,
    ) -> Result<(), (String, FieldError)> {
        let known = |name: &str| self.fields.iter().find(|field| field.name == name);
        let mut written = record.clone();
        for (name, value) in given {
            let of_name = |error| (name.clone(), error);
            let field = known(name).ok_or_else(|| of_name(FieldError::Unknown(self.name)))?;
            let value = field.kind.read(value).map_err(of_name)?;
            written.insert(name.clone(), value);
        }
        for field in self.fields {
            let value = written.entry(field.name).or_insert(Json::Null);
            if field.is_required && value.is_null() {
                return Err((field.name.to_owned(), FieldError::Missing));
            }
        }
        *record = written;
        Ok(())
    }
}

impl FieldKind {
    /// A value of this kind, or null, which a form writes as text (CD-18).
    fn read(self, value: &Json) -> Result<Json, FieldError> {
        let as_text = |most: usize| match value.as_str() {
            Some(text) if text.chars().count() > most => Err(FieldError::TooLong(most)),
            Some("") => Err(FieldError::Missing),
            Some(text) => Ok(Json::from(text)),
            None => Err(FieldError::Kind("a text")),
        };
        match (self, value) {
            (_, Json::Null) => Ok(Json::Null),
            (_, Json::String(text)) if text == "null" => Ok(Json::Null),
            (Self::Number, _) => {
                let number = value
                    .as_i64()
                    .or_else(|| value.as_str()?.trim().parse().ok());
                let number = number.filter(|number| *number >= 1).map(Json::from);
                number.ok_or(FieldError::Kind("a whole number of 1 or more"))
            }
            (Self::Text(most), _) => as_text(most),
            (Self::NumberOrText(_), Json::Number(_)) => Self::Number.read(value),
            (Self::NumberOrText(most), _) => as_text(most).map_err(|error| match error {
                FieldError::Kind(_) => FieldError::Kind("a text or a whole number"),
                other => other,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn made(class: &str, given: Json) -> Result<Json, (String, FieldError)> {
        let mut record = Map::new();
        let given = given.as_object().unwrap();
        find(class).unwrap().write(&mut record, given)?;
        Ok(Json::Object(record))
    }

    #[test]
    fn a_report_has_its_fields_whichever_way_they_are_written() {
        let expected = json!({"reportedUserId": 12, "reason": "shouts"});
        for id in [json!(12), json!("12")] {
            let given = json!({"reportedUserId": id, "reason": "shouts"});
            assert_eq!(made("UserReports", given), Ok(expected.clone()));
        }
        for id in [json!(12), json!("66f0aa000102030405000001")] {
            let given = json!({"reportedMessageId": id});
            let expected = json!({"reportedMessageId": id, "reason": null});
            assert_eq!(made("MessageReports", given), Ok(expected));
        }
    }

    #[test]
    fn a_field_that_breaks_a_rule_is_named() {
        let long = "x".repeat(MAX_REASON + 1);
        for (given, field, error) in [
            (
                json!({"reason": "x"}),
                "reportedUserId",
                FieldError::Missing,
            ),
            (
                json!({"reportedUserId": "null"}),
                "reportedUserId",
                FieldError::Missing,
            ),
            (
                json!({"reportedUserId": 0}),
                "reportedUserId",
                FieldError::Kind("a whole number of 1 or more"),
            ),
            (
                json!({"reportedUserId": 1, "reason": [1]}),
                "reason",
                FieldError::Kind("a text"),
            ),
            (
                json!({"reportedUserId": 1, "reason": long}),
                "reason",
                FieldError::TooLong(MAX_REASON),
            ),
            (
                json!({"reportedUserId": 1, "inc": {"x": 1}}),
                "inc",
                FieldError::Unknown("UserReports"),
            ),
        ] {
            assert_eq!(made("UserReports", given), Err((field.to_owned(), error)));
        }
    }

    proptest! {
        #[test]
        fn a_refused_change_leaves_the_record_and_a_taken_one_only_its_fields(
            reason in proptest::option::of("\\PC{0,20}"), id in proptest::option::of(-3i64..30),
        ) {
            let class = find("UserReports").unwrap();
            let before = json!({"reportedUserId": 7, "reason": "old"});
            let mut record = before.as_object().unwrap().clone();
            let mut given = Map::new();
            given.extend(reason.map(|text| ("reason".to_owned(), Json::from(text))));
            given.extend(id.map(|id| ("reportedUserId".to_owned(), Json::from(id))));
            match class.write(&mut record, &given) {
                Err(_) => prop_assert_eq!(Json::Object(record), before),
                Ok(()) => for field in class.fields {
                    let kept = given.get(field.name).unwrap_or(&before[field.name]);
                    let is_null_text = kept.as_str() == Some("null");
                    prop_assert!(record[field.name] == *kept || is_null_text);
                },
            }
        }
    }
}
