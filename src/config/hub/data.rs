//! `[data]` of `hub.toml`: classes of custom objects (CD-01, CD-02, CD-25, CD-27).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Custom objects: records in classes that the operator defines.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataRules {
    /// Bytes of one record's fields as JSON.
    pub record_bytes: usize,
    /// The classes. `UserReports` and `MessageReports` are there without being named.
    pub class: Vec<ClassRules>,
}

impl Default for DataRules {
    fn default() -> Self {
        Self {
            record_bytes: 16_384,
            class: Vec::new(),
        }
    }
}

/// One class: a table of records with the same fields.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassRules {
    /// Its name, as it stands in addresses: 1 to 64 letters, digits and underscores, a letter first.
    pub name: String,
    /// The name and type of each field besides those every record has.
    pub fields: BTreeMap<String, FieldType>,
    /// Who may create records, and for which other actions the class decides instead of each record.
    #[serde(default)]
    pub permissions: ClassPermissions,
    /// Records of all users together.
    #[serde(default = "records")]
    pub records: u64,
    /// Records one user may have created.
    #[serde(default = "records_per_user")]
    pub records_per_user: u64,
}

fn records() -> u64 {
    100_000
}

fn records_per_user() -> u64 {
    10_000
}

/// What a field takes (CD-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub enum FieldType {
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A text.
    String,
    /// A date with its time, in seconds.
    Date,
    /// A place: longitude and latitude in degrees.
    Location,
    /// A stored file, by its uid.
    File,
    /// A list of texts, numbers and truth values.
    Array,
    /// A list of whole numbers.
    #[serde(rename = "Array of Integer")]
    Integers,
    /// A list of numbers.
    #[serde(rename = "Array of Float")]
    Floats,
    /// A list of truth values.
    #[serde(rename = "Array of Boolean")]
    Booleans,
    /// A list of texts.
    #[serde(rename = "Array of String")]
    Strings,
}

/// Permissions of a class (CD-25). An action other than `create` that is named here is decided by
/// the class for all of its records ("use class permissions", CD-27); one that is not, by each record.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassPermissions {
    /// Who may create records: everybody unless said otherwise. Never `owner`.
    pub create: Option<Permission>,
    /// Who may read them.
    pub read: Option<Permission>,
    /// Who may change them.
    pub update: Option<Permission>,
    /// Who may delete them.
    pub delete: Option<Permission>,
}

/// Who may do something.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The level.
    pub access: Level,
    /// For `open_for_groups`: users with one of these tags.
    #[serde(default)]
    pub groups: Vec<String>,
    /// For `open_for_users_ids`: these users.
    #[serde(default)]
    pub ids: Vec<u64>,
}

/// Levels of permission (CD-24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every user.
    Open,
    /// The user who created the record.
    Owner,
    /// Nobody but who has the administration key.
    NotAllowed,
    /// Users with one of some tags.
    OpenForGroups,
    /// Some users.
    OpenForUsersIds,
}

/// Names that mean something else in a request or are of every record.
pub const RESERVED_FIELDS: &[&str] = &[
    "_id",
    "id",
    "_parent_id",
    "user_id",
    "created_at",
    "updated_at",
    "permissions",
    "class_name",
    "record",
    "search_criteria",
    "sort_asc",
    "sort_desc",
    "skip",
    "offset",
    "limit",
    "count",
    "output",
    "group_by",
    "inc",
    "pull",
    "pull_with_filter",
    "pull_all",
    "pop",
    "push",
    "add_to_set",
    "update_by_index",
];

/// Classes the hub has by itself.
const RESERVED_CLASSES: &[&str] = &["UserReports", "MessageReports"];
const MAX_CLASSES: usize = 100;
const MAX_FIELDS: usize = 100;
const MAX_NAME: usize = 64;
/// Bytes of a record: enough for the smallest, and no more than a request may have by default.
const RECORD_BYTES: std::ops::RangeInclusive<usize> = 256..=262_144;

impl DataRules {
    /// Every broken rule, as sentences naming the field.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !RECORD_BYTES.contains(&self.record_bytes) {
            faults.push(format!(
                "data.record_bytes: {} is not within {} to {}",
                self.record_bytes,
                RECORD_BYTES.start(),
                RECORD_BYTES.end()
            ));
        }
        if self.class.len() > MAX_CLASSES {
            let count = self.class.len();
            faults.push(format!("data.class: {count} are more than {MAX_CLASSES}"));
        }
        let mut seen = BTreeSet::new();
        for class in &self.class {
            let name = &class.name;
            if !is_plain(name) {
                faults.push(format!(
                    "data.class: {name:?} is no name of a class: {NAME_RULE}"
                ));
            }
            if RESERVED_CLASSES.contains(&name.as_str()) {
                faults.push(format!(
                    "data.class: {name} is there already, with fields of its own"
                ));
            }
            if !seen.insert(name) {
                faults.push(format!("data.class: {name} is named twice"));
            }
            faults.extend(
                class
                    .rules()
                    .into_iter()
                    .map(|rule| format!("data.class: {name}: {rule}")),
            );
        }
        faults
    }
}

const NAME_RULE: &str = "1 to 64 letters, digits and underscores, a letter first";

fn is_plain(name: &str) -> bool {
    // The name becomes part of queries, so only what needs no escaping.
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl ClassRules {
    fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        if self.fields.is_empty() {
            rules.push("needs at least one field".to_owned());
        }
        if self.fields.len() > MAX_FIELDS {
            rules.push(format!(
                "{} fields are more than {MAX_FIELDS}",
                self.fields.len()
            ));
        }
        for field in self.fields.keys() {
            if RESERVED_FIELDS.contains(&field.as_str()) {
                rules.push(format!("{field} is no name for a field: it is reserved"));
            } else if !is_plain(field) {
                rules.push(format!("{field:?} is no name of a field: {NAME_RULE}"));
            }
        }
        for (name, value) in [
            ("records", self.records),
            ("records_per_user", self.records_per_user),
        ] {
            if value == 0 {
                rules.push(format!("{name} must be at least 1"));
            }
        }
        let permissions = &self.permissions;
        for (action, permission) in [
            ("create", &permissions.create),
            ("read", &permissions.read),
            ("update", &permissions.update),
            ("delete", &permissions.delete),
        ] {
            let Some(permission) = permission else {
                continue;
            };
            let broken = permission.rules();
            rules.extend(
                broken
                    .iter()
                    .map(|rule| format!("permissions.{action}: {rule}")),
            );
            if action == "create" && permission.access == Level::Owner {
                rules.push(
                    "permissions.create: a record has no owner before it is created".to_owned(),
                );
            }
        }
        rules
    }
}

impl Permission {
    fn rules(&self) -> Vec<&'static str> {
        let (by_group, by_id) = (Level::OpenForGroups, Level::OpenForUsersIds);
        let wrong = [
            (
                self.access == by_group && self.groups.is_empty(),
                "open_for_groups needs groups",
            ),
            (
                self.access != by_group && !self.groups.is_empty(),
                "groups are for open_for_groups only",
            ),
            (
                self.access == by_id && self.ids.is_empty(),
                "open_for_users_ids needs ids",
            ),
            (
                self.access != by_id && !self.ids.is_empty(),
                "ids are for open_for_users_ids only",
            ),
        ];
        wrong
            .into_iter()
            .filter_map(|(is_wrong, rule)| is_wrong.then_some(rule))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let rules: Result<DataRules, _> = toml::from_str(text);
        rules
            .map(|rules| rules.faults())
            .map_err(|error| error.to_string())
    }

    fn class(text: &str) -> String {
        format!("[[class]]\nname = 'profile'\n{text}")
    }

    #[test]
    fn a_class_of_every_type_and_level_is_taken() {
        let text = "
            [[class]]
            name = 'profile'
            fields = { name = 'String', age = 'Integer', height = 'Float', member = 'Boolean',
                       born = 'Date', home = 'Location', photo = 'File', mixed = 'Array',
                       a = 'Array of Integer', b = 'Array of Float', c = 'Array of Boolean',
                       d = 'Array of String' }
            records = 10
            records_per_user = 2
            [class.permissions]
            create = { access = 'open_for_groups', groups = ['officers'] }
            read = { access = 'open' }
            update = { access = 'open_for_users_ids', ids = [7] }
            delete = { access = 'not_allowed' }
        ";
        assert_eq!(read(text), Ok(Vec::new()));
    }

    #[test]
    fn an_unknown_type_and_level_are_told_with_those_there_are() {
        let error = read(&class("fields = { age = 'Number' }")).unwrap_err();
        assert!(
            error.contains("Number") && error.contains("Array of Integer"),
            "{error}"
        );
        let text = class(
            "fields = { age = 'Integer' }\npermissions = { read = { access = 'everybody' } }",
        );
        let error = read(&text).unwrap_err();
        assert!(
            error.contains("everybody") && error.contains("open_for_users_ids"),
            "{error}"
        );
    }

    #[test]
    fn a_class_that_breaks_a_rule_is_named_with_the_rule() {
        let with = |permissions: &str| {
            class(&format!(
                "fields = {{ age = 'Integer' }}\npermissions = {{ {permissions} }}"
            ))
        };
        let twice = format!(
            "{0}\n{0}",
            "[[class]]\nname = 'a'\nfields = { x = 'String' }"
        );
        for (text, rule) in [
            (class("fields = {}"), "profile: needs at least one field"),
            (class("fields = { _id = 'String' }"), "_id is no name"),
            (class("fields = { limit = 'Integer' }"), "limit is no name"),
            (class("fields = { 'a b' = 'String' }"), "\"a b\" is no name"),
            (
                class("fields = { a = 'String' }\nrecords = 0"),
                "records must be",
            ),
            (twice, "a is named twice"),
            (
                "[[class]]\nname = 'UserReports'\nfields = { x = 'String' }".to_owned(),
                "UserReports is there already",
            ),
            (
                "[[class]]\nname = \"x'y\"\nfields = { x = 'String' }".to_owned(),
                "is no name of a class",
            ),
            (
                with("create = { access = 'owner' }"),
                "permissions.create: a record has no owner",
            ),
            (
                with("read = { access = 'open_for_groups' }"),
                "permissions.read: open_for_groups needs groups",
            ),
            (
                with("update = { access = 'open', ids = [1] }"),
                "permissions.update: ids are for",
            ),
            ("record_bytes = 1".to_owned(), "data.record_bytes"),
        ] {
            let faults = read(&text).unwrap().join("\n");
            assert!(faults.contains(rule), "{rule}: {faults}");
        }
    }
}
