//! Addresses of users and rooms (wire reference A.1).
//!
//! A user is `{user}-{app}@{chat}`, a room `{app}_{dialog}@muc.{chat}`, an occupant the room with
//! the user's number as resource.

use std::fmt;

/// A user's number in its application.
pub type UserId = u64;

/// A user named by number or by login.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(untagged)]
pub enum UserRef {
    /// The user's number.
    Id(UserId),
    /// The user's login, looked up at the hub and remembered.
    Login(String),
}

impl UserRef {
    /// The longest login taken, in characters.
    pub const LOGIN_MAX: usize = 64;

    /// Takes 1 to 64 characters without white space or control characters.
    ///
    /// # Errors
    /// The rule, for people.
    pub fn login(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if length == 0 || length > Self::LOGIN_MAX {
            return Err(format!(
                "a login has 1 to {} characters, this has {length}",
                Self::LOGIN_MAX
            ));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("a login has no white space or control characters".into());
        }
        Ok(Self::Login(text.to_owned()))
    }
}

impl schemars::JsonSchema for UserRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UserRef".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A user's number or login.",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "minLength": 1, "maxLength": Self::LOGIN_MAX },
            ],
        })
    }
}

// By hand, because serde's untagged form says only that nothing matched, and the sender of a
// command wants to know what would have.
impl<'de> serde::Deserialize<'de> for UserRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = UserRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a user's number or login")
            }

            fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<UserRef, E> {
                Ok(UserRef::Id(id))
            }

            fn visit_i64<E: serde::de::Error>(self, id: i64) -> Result<UserRef, E> {
                u64::try_from(id)
                    .map(UserRef::Id)
                    .map_err(|_| E::custom("a user's number is not negative"))
            }

            fn visit_str<E: serde::de::Error>(self, login: &str) -> Result<UserRef, E> {
                UserRef::login(login).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// An application and its chat host: what turns numbers into addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// The application's number.
    pub app_id: u64,
    /// The chat host (`endpoints.chat`), without port.
    pub chat_host: String,
}

/// Who sent or shall receive a stanza.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A user, with the resource of one connection if the address was a full one.
    User {
        /// The user's number.
        user: UserId,
        /// The connection, absent in a bare address.
        resource: Option<String>,
    },
    /// A group dialog's room, with an occupant if the address named one.
    Room {
        /// The dialog's id.
        dialog: String,
        /// The occupant, from the resource.
        occupant: Option<UserId>,
    },
    /// The chat host itself.
    Server,
}

/// The text is not an address of this realm.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an address of {host}: {address:?}")]
pub struct AddressError {
    /// The chat host of the realm.
    pub host: String,
    /// The rejected address, cut to 128 characters.
    pub address: String,
}

impl Realm {
    /// `{user}-{app}@{chat}`.
    pub fn user(&self, user: UserId) -> String {
        format!("{user}-{}@{}", self.app_id, self.chat_host)
    }

    /// `{user}-{app}`: the name a user authenticates with.
    pub fn user_name(&self, user: UserId) -> String {
        format!("{user}-{}", self.app_id)
    }

    /// `{user}-{app}@{chat}/{resource}`.
    pub fn connection(&self, user: UserId, resource: &str) -> String {
        format!("{}/{resource}", self.user(user))
    }

    /// `muc.{chat}`: the host of all rooms.
    pub fn rooms(&self) -> String {
        format!("muc.{}", self.chat_host)
    }

    /// `{app}_{dialog}@muc.{chat}`.
    pub fn room(&self, dialog: impl fmt::Display) -> String {
        format!("{}_{dialog}@muc.{}", self.app_id, self.chat_host)
    }

    /// `{app}_{dialog}@muc.{chat}/{user}`.
    pub fn occupant(&self, dialog: impl fmt::Display, user: UserId) -> String {
        format!("{}/{user}", self.room(dialog))
    }

    /// Reads an address of this realm. Anything of another host or shape is an error.
    ///
    /// # Errors
    /// [`AddressError`] with the address.
    pub fn parse(&self, text: &str) -> Result<Address, AddressError> {
        self.parse_inner(text).ok_or_else(|| AddressError {
            host: self.chat_host.clone(),
            address: text.chars().take(128).collect(),
        })
    }

    fn parse_inner(&self, text: &str) -> Option<Address> {
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let Some((local, host)) = bare.split_once('@') else {
            return (bare == self.chat_host && resource.is_none()).then_some(Address::Server);
        };
        if host == self.chat_host {
            let (user, app) = local.split_once('-')?;
            (app.parse() == Ok(self.app_id)).then_some(())?;
            let resource = resource.map(str::to_owned);
            Some(Address::User {
                user: user.parse().ok()?,
                resource,
            })
        } else if host.strip_prefix("muc.") == Some(&self.chat_host) {
            let (app, dialog) = local.split_once('_')?;
            (app.parse() == Ok(self.app_id) && !dialog.is_empty()).then_some(())?;
            let occupant = resource.map(str::parse).transpose().ok()?;
            Some(Address::Room {
                dialog: dialog.to_owned(),
                occupant,
            })
        } else {
            None
        }
    }
}

impl Address {
    /// The user behind a user or occupant address.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User { user, .. } => Some(*user),
            Self::Room { occupant, .. } => *occupant,
            Self::Server => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm {
            app_id: 7,
            chat_host: "chat.example".into(),
        }
    }

    #[test]
    fn every_form_survives_text_and_back() {
        let realm = realm();
        let user = |resource: Option<&str>| Address::User {
            user: 1002,
            resource: resource.map(str::to_owned),
        };
        let room = |occupant| Address::Room {
            dialog: "66f0".into(),
            occupant,
        };
        assert_eq!(realm.parse(&realm.user(1002)), Ok(user(None)));
        assert_eq!(
            realm.parse(&realm.connection(1002, "abc/d")),
            Ok(user(Some("abc/d")))
        );
        assert_eq!(realm.parse(&realm.room("66f0")), Ok(room(None)));
        assert_eq!(realm.parse(&realm.occupant("66f0", 5)), Ok(room(Some(5))));
        assert_eq!(realm.parse("chat.example"), Ok(Address::Server));
    }

    #[test]
    fn addresses_of_other_hosts_apps_and_shapes_are_refused() {
        for bad in [
            "",
            "@",
            "1002@chat.example",
            "1002-8@chat.example",
            "x-7@chat.example",
            "1002-7@other.example",
            "7_@muc.chat.example",
            "7_66f0@muc.chat.example/x",
            "8_66f0@muc.chat.example",
            "chat.example/x",
        ] {
            assert!(realm().parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}
