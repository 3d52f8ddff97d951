//! The classes of custom objects this hub has (CD-01: they are made by the operator of a service,
//! never through its API), and what their records may hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::access::{Access, Action};
use super::value::{FieldError, FieldKind};
use crate::config::hub::{ClassPermissions, ClassRules, DataRules};

/// A class: a table of records with the same fields.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name, as it stands in addresses.
    pub name: String,
    /// What a record holds besides its envelope.
    pub fields: Vec<ClassField>,
    /// Who may create records.
    pub create: Access,
    /// Records of all users together.
    pub max_records: u64,
    /// Records one user may have created.
    pub max_own: u64,
    /// Bytes of a record's fields.
    pub max_bytes: usize,
    /// Whether its records may belong to another one (CD-29).
    pub has_parents: bool,
    // Where the class decides instead of its records.
    read: Option<Access>,
    update: Option<Access>,
    delete: Option<Access>,
}

/// One field of a class.
#[derive(Clone, Debug)]
pub struct ClassField {
    /// Its name: letters, digits and underscores.
    pub name: String,
    /// What it takes.
    pub kind: FieldKind,
    /// Whether a record needs it. One that is not needed may be null.
    pub is_required: bool,
}

/// Characters of a reason: what a visitor types at a door, not a file.
const MAX_REASON: usize = 2_000;
/// Characters of a message id.
const MAX_MESSAGE_ID: usize = 64;
/// Bytes of a report: no more than its fields can have.
const MAX_REPORT: usize = 16_384;
/// Reports one user may have made.
const MAX_REPORTS: u64 = 1_000;

/// The classes of a site.
#[derive(Debug)]
pub struct Classes(BTreeMap<String, Arc<Class>>);

impl Classes {
    /// Those of the configuration, and those of reports.
    pub fn new(rules: &DataRules) -> Self {
        let own = rules
            .class
            .iter()
            .map(|class| Class::new(class, rules.record_bytes));
        let reports = [
            report("UserReports", "reportedUserId", FieldKind::Id),
            report(
                "MessageReports",
                "reportedMessageId",
                FieldKind::IdOrText(MAX_MESSAGE_ID),
            ),
        ];
        let all = reports.into_iter().chain(own);
        Self(
            all.map(|class| (class.name.clone(), Arc::new(class)))
                .collect(),
        )
    }

    /// The class of a name.
    pub fn find(&self, name: &str) -> Option<&Arc<Class>> {
        self.0.get(name)
    }
}

/// A class of reports (CH-46, CH-47): what somebody reported is theirs and the operator's.
fn report(name: &str, of: &str, kind: FieldKind) -> Class {
    let field = |name: &str, kind, is_required| ClassField {
        name: name.to_owned(),
        kind,
        is_required,
    };
    Class {
        name: name.to_owned(),
        fields: vec![
            field(of, kind, true),
            field("reason", FieldKind::Text(MAX_REASON), false),
        ],
        create: Access::Open,
        max_records: u64::MAX,
        max_own: MAX_REPORTS,
        max_bytes: MAX_REPORT,
        has_parents: false,
        read: Some(Access::Owner),
        update: Some(Access::Owner),
        delete: Some(Access::Owner),
    }
}

impl Class {
    /// A class of the operator's.
    fn new(rules: &ClassRules, max_bytes: usize) -> Self {
        let fields = rules.fields.iter().map(|(name, kind)| ClassField {
            name: name.clone(),
            kind: (*kind).into(),
            is_required: false,
        });
        let ClassPermissions {
            create,
            read,
            update,
            delete,
        } = &rules.permissions;
        Self {
            name: rules.name.clone(),
            fields: fields.collect(),
            create: create.as_ref().map_or(Access::Open, Access::from),
            max_records: rules.records,
            max_own: rules.records_per_user,
            max_bytes,
            has_parents: true,
            read: read.as_ref().map(Access::from),
            update: update.as_ref().map(Access::from),
            delete: delete.as_ref().map(Access::from),
        }
    }

    /// What the class says of an action, where it decides for all records (CD-27).
    pub fn access(&self, action: Action) -> Option<&Access> {
        match action {
            Action::Read => self.read.as_ref(),
            Action::Update => self.update.as_ref(),
            Action::Delete => self.delete.as_ref(),
        }
    }

    /// The field of a name.
    pub fn field(&self, name: &str) -> Option<&ClassField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field of a name a request gave.
    ///
    /// # Errors
    /// That there is none.
    pub fn known(&self, name: &str) -> Result<&ClassField, (String, FieldError)> {
        let unknown = || (name.to_owned(), FieldError::Unknown(self.name.clone()));
        self.field(name).ok_or_else(unknown)
    }

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
        let mut written = record.clone();
        for (name, value) in given {
            let field = self.known(name)?;
            let value = field.kind.read(value);
            written.insert(name.clone(), value.map_err(|error| (name.clone(), error))?);
        }
        self.complete(&mut written)?;
        *record = written;
        Ok(())
    }

    /// Fills in what is missing, leaves out what is of a field the class no longer has, and checks
    /// the record as a whole.
    ///
    /// # Errors
    /// The field and the rule it breaks.
    pub fn complete(&self, record: &mut Map<String, Json>) -> Result<(), (String, FieldError)> {
        record.retain(|name, _| self.field(name).is_some());
        for field in &self.fields {
            let value = record.entry(field.name.clone()).or_insert(Json::Null);
            if field.is_required && value.is_null() {
                return Err((field.name.clone(), FieldError::Missing));
            }
        }
        let mut size = Count(0);
        // Counting cannot fail.
        let _ = serde_json::to_writer(&mut size, record);
        if size.0 > self.max_bytes {
            return Err(("fields".to_owned(), FieldError::TooLarge(self.max_bytes)));
        }
        Ok(())
    }
}

/// Counts what would be written.
struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn class_of(name: &str) -> Arc<Class> {
        let rules: DataRules = toml::from_str(
            "[[class]]\nname = 'profile'\nfields = { age = 'Integer', tags = 'Array of String' }",
        )
        .unwrap();
        Arc::clone(
            Classes::new(&DataRules {
                record_bytes: 256,
                ..rules
            })
            .find(name)
            .unwrap(),
        )
    }

    fn made(class: &str, given: Json) -> Result<Json, (String, FieldError)> {
        let mut record = Map::new();
        let given = given.as_object().unwrap();
        class_of(class).write(&mut record, given)?;
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
                json!({"reportedUserId": null}),
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
                FieldError::Unknown("UserReports".to_owned()),
            ),
        ] {
            assert_eq!(made("UserReports", given), Err((field.to_owned(), error)));
        }
    }

    #[test]
    fn fields_not_given_are_null_and_a_record_too_large_is_refused() {
        let expected = json!({"age": 41, "tags": null});
        assert_eq!(made("profile", json!({"age": "41"})), Ok(expected));
        let error = made("profile", json!({"tags": ["x".repeat(300)]})).unwrap_err();
        assert_eq!(error, ("fields".to_owned(), FieldError::TooLarge(256)));
    }

    proptest! {
        #[test]
        fn a_refused_change_leaves_the_record_and_a_taken_one_only_its_fields(
            reason in proptest::option::of("\\PC{0,20}"), id in proptest::option::of(-3i64..30),
        ) {
            let class = class_of("UserReports");
            let before = json!({"reportedUserId": 7, "reason": "old"});
            let mut record = before.as_object().unwrap().clone();
            let mut given = Map::new();
            given.extend(reason.map(|text| ("reason".to_owned(), Json::from(text))));
            given.extend(id.map(|id| ("reportedUserId".to_owned(), Json::from(id))));
            match class.write(&mut record, &given) {
                Err(_) => prop_assert_eq!(Json::Object(record), before),
                Ok(()) => for field in &class.fields {
                    let kept = given.get(&field.name).unwrap_or(&before[&field.name]);
                    prop_assert_eq!(&record[&field.name], kept);
                },
            }
        }
    }
}
