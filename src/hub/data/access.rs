//! Who may do what with a record (CD-24…CD-28).
//!
//! The levels are taken at their word: `open_for_groups` and `open_for_users_ids` admit those they
//! name and nobody else, not even the record's owner.

use serde_json::{Map, Value as Json, json};

use super::class::Class;
use crate::config::hub::{Level, Permission};
use crate::protocol::address::UserId;

/// Groups or users one permission may name.
const MAX_NAMED: usize = 100;
/// Bytes all permissions of a record take as they are kept: each read of the record reads them.
const MAX_BYTES: usize = 4_096;
/// Characters of a group: those of a tag.
const MAX_GROUP: usize = 255;

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See it.
    Read,
    /// Change it.
    Update,
    /// Remove it.
    Delete,
}

impl Action {
    /// All of them, as answers order them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Update, Self::Delete];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The operator, with the administration key: everything is allowed (CD-28).
    Operator,
    /// A user.
    User {
        /// Their number.
        id: UserId,
        /// Their tags, which are the groups they are in.
        tags: Vec<String>,
    },
}

/// A level of permission with whom it names (CD-24).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every user.
    Open,
    /// The record's owner.
    Owner,
    /// Nobody. Classes only.
    NotAllowed,
    /// Users with one of these tags.
    Groups(Vec<String>),
    /// These users.
    Users(Vec<UserId>),
}

impl From<&Permission> for Access {
    fn from(permission: &Permission) -> Self {
        match permission.access {
            Level::Open => Self::Open,
            Level::Owner => Self::Owner,
            Level::NotAllowed => Self::NotAllowed,
            Level::OpenForGroups => Self::Groups(permission.groups.clone()),
            Level::OpenForUsersIds => Self::Users(permission.ids.clone()),
        }
    }
}

impl Access {
    /// Whether it admits somebody to what `owner` has; a record to be created has no owner yet.
    pub fn admits(&self, asker: &Asker, owner: Option<UserId>) -> bool {
        let Asker::User { id, tags } = asker else {
            return true;
        };
        match self {
            Self::Open => true,
            Self::Owner => owner == Some(*id),
            Self::NotAllowed => false,
            Self::Groups(groups) => tags.iter().any(|tag| groups.contains(tag)),
            Self::Users(users) => users.contains(id),
        }
    }

    /// As answers have it. Numbers of users are texts there.
    fn json(&self) -> Json {
        match self {
            Self::Open => json!({"access": "open"}),
            Self::Owner => json!({"access": "owner"}),
            Self::NotAllowed => json!({"access": "not_allowed"}),
            Self::Groups(groups) => json!({"access": "open_for_groups", "users_groups": groups}),
            Self::Users(users) => {
                let users: Vec<String> = users.iter().map(u64::to_string).collect();
                json!({"access": "open_for_users_ids", "users_ids": users})
            }
        }
    }

    /// As requests have it: `ids` and `groups` of the API, `users_ids` and `users_groups` of its
    /// answers, `user_ids` and `user_groups` of the official SDK's types.
    fn read(given: &Json) -> Result<Self, String> {
        let level = given.get("access").and_then(Json::as_str).unwrap_or("");
        match level {
            "open" => Ok(Self::Open),
            "owner" => Ok(Self::Owner),
            "open_for_groups" => named(given, &["groups", "users_groups", "user_groups"], |item| {
                let text = item.as_str()?.trim();
                let fits = !text.is_empty() && text.chars().count() <= MAX_GROUP;
                fits.then(|| text.to_owned())
            })
            .map(Self::Groups),
            "open_for_users_ids" => named(given, &["ids", "users_ids", "user_ids"], |item| {
                let id = item
                    .as_u64()
                    .or_else(|| item.as_str()?.trim().parse().ok())?;
                (id > 0 && i64::try_from(id).is_ok()).then_some(id)
            })
            .map(Self::Users),
            "not_allowed" => Err("not_allowed is for classes only".to_owned()),
            _ => {
                Err("access is none of open, owner, open_for_groups, open_for_users_ids".to_owned())
            }
        }
    }
}

/// Whom a permission names, under the first of `keys` there is.
fn named<T>(
    given: &Json,
    keys: &[&str],
    read: impl Fn(&Json) -> Option<T>,
) -> Result<Vec<T>, String> {
    let name = keys[0];
    let items = keys.iter().find_map(|key| given.get(*key));
    let items: Vec<Json> = match items {
        Some(Json::Array(items)) => items.clone(),
        Some(Json::String(text)) => text.split(',').map(|part| part.trim().into()).collect(),
        _ => Vec::new(),
    };
    if items.is_empty() {
        return Err(format!("needs {name}"));
    }
    if items.len() > MAX_NAMED {
        return Err(format!("{name} are more than {MAX_NAMED}"));
    }
    let items: Option<Vec<T>> = items.iter().map(read).collect();
    items.ok_or_else(|| format!("{name} holds what is none"))
}

/// The permissions of a record (CD-26): what is not set is its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    read: Access,
    update: Access,
    delete: Access,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            read: Access::Open,
            update: Access::Owner,
            delete: Access::Owner,
        }
    }
}

impl Permissions {
    /// What they say of an action.
    pub fn of(&self, action: Action) -> &Access {
        match action {
            Action::Read => &self.read,
            Action::Update => &self.update,
            Action::Delete => &self.delete,
        }
    }

    /// Changes them to what a request says, and leaves the actions it does not name.
    ///
    /// # Errors
    /// The rule that is broken, with the action; nothing has changed then.
    pub fn write(&mut self, given: &Json) -> Result<(), String> {
        let given = match given {
            Json::Null => return Ok(()),
            Json::Object(given) => given,
            _ => return Err("must be an object of actions".to_owned()),
        };
        let mut written = self.clone();
        for (name, access) in given {
            let action = Action::named(name);
            let action = action.ok_or_else(|| format!("{name} is none of read, update, delete"))?;
            let access = Access::read(access).map_err(|rule| format!("{name}: {rule}"))?;
            match action {
                Action::Read => written.read = access,
                Action::Update => written.update = access,
                Action::Delete => written.delete = access,
            }
        }
        if written.kept().is_some_and(|kept| kept.len() > MAX_BYTES) {
            return Err(format!("take more than {MAX_BYTES} bytes"));
        }
        *self = written;
        Ok(())
    }

    /// As answers have them; the class's word where the class decides (CD-27).
    pub fn json(&self, class: &Class) -> Json {
        let of = |action: Action| {
            let access = class.access(action).unwrap_or_else(|| self.of(action));
            (action.name().to_owned(), access.json())
        };
        Json::Object(Action::ALL.map(of).into_iter().collect::<Map<_, _>>())
    }

    /// As they are kept; `None` for the defaults.
    pub fn kept(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let of = |action: Action| (action.name().to_owned(), self.of(action).json());
        let all: Map<String, Json> = Action::ALL.map(of).into_iter().collect();
        Some(Json::Object(all).to_string())
    }

    /// Reads what was kept. What cannot be read is its owner's alone.
    pub fn of_kept(text: Option<&str>) -> Self {
        let Some(text) = text else {
            return Self::default();
        };
        let mut permissions = Self::default();
        let kept = serde_json::from_str(text).map_err(|error| error.to_string());
        match kept.and_then(|kept: Json| permissions.write(&kept)) {
            Ok(()) => permissions,
            Err(_) => Self {
                read: Access::Owner,
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: UserId, tags: &[&str]) -> Asker {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Asker::User { id, tags }
    }

    #[test]
    fn each_level_admits_whom_it_names_and_the_operator_passes_all() {
        let groups = Access::Groups(vec!["officers".to_owned(), "cooks".to_owned()]);
        for (access, who, expected) in [
            (Access::Open, user(2, &[]), true),
            (Access::Owner, user(1, &[]), true),
            (Access::Owner, user(2, &[]), false),
            (Access::NotAllowed, user(1, &[]), false),
            (groups.clone(), user(2, &["cooks"]), true),
            (groups.clone(), user(1, &["officer"]), false),
            (Access::Users(vec![2, 3]), user(3, &[]), true),
            (Access::Users(vec![2, 3]), user(1, &[]), false),
        ] {
            assert_eq!(access.admits(&who, Some(1)), expected, "{access:?} {who:?}");
            assert!(access.admits(&Asker::Operator, Some(1)), "{access:?}");
        }
        assert!(!Access::Owner.admits(&user(1, &[]), None));
    }

    #[test]
    fn permissions_are_read_as_sent_and_kept_as_answered() {
        let mut permissions = Permissions::default();
        let given = json!({
            "read": {"access": "owner"},
            "update": {"access": "open_for_users_ids", "ids": ["51941", 51943]},
            "delete": {"access": "open_for_groups", "groups": ["officers"]},
        });
        permissions.write(&given).unwrap();
        let kept = permissions.kept().unwrap();
        let expected = json!({
            "read": {"access": "owner"},
            "update": {"access": "open_for_users_ids", "users_ids": ["51941", "51943"]},
            "delete": {"access": "open_for_groups", "users_groups": ["officers"]},
        });
        assert_eq!(serde_json::from_str::<Json>(&kept).unwrap(), expected);
        assert_eq!(Permissions::of_kept(Some(&kept)), permissions);
        assert_eq!(Permissions::default().kept(), None);
    }

    #[test]
    fn a_permission_no_record_can_have_is_told_with_its_action() {
        for (given, rule) in [
            (json!({"create": {"access": "open"}}), "create is none of"),
            (
                json!({"read": {"access": "not_allowed"}}),
                "read: not_allowed",
            ),
            (json!({"read": {"access": "all"}}), "read: access is none"),
            (json!({"read": "open"}), "read: access is none"),
            (
                json!({"update": {"access": "open_for_users_ids"}}),
                "update: needs ids",
            ),
            (
                json!({"update": {"access": "open_for_users_ids", "ids": ["ann"]}}),
                "update: ids",
            ),
            (
                json!({"delete": {"access": "open_for_groups", "groups": []}}),
                "delete: needs groups",
            ),
            (json!("open"), "must be an object"),
            (
                json!({"read": {"access": "open_for_users_ids", "ids": vec![7; 101]}}),
                "read: ids are more than 100",
            ),
            (
                json!({"read": {"access": "open_for_groups", "groups": vec!["g".repeat(255); 17]}}),
                "take more than 4096 bytes",
            ),
        ] {
            let mut permissions = Permissions::default();
            let error = permissions.write(&given).unwrap_err();
            assert!(error.contains(rule), "{rule}: {error}");
            assert_eq!(permissions, Permissions::default());
        }
    }
}
