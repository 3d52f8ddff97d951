//! Who is meant where a list names people: a user, everybody with a tag, or the people of a
//! dialog, all of them or by role (PC-13; US-04 for tags, CH-02 for dialogs).

use std::fmt;

use crate::base::object_id::ObjectId;
use crate::protocol::address::UserRef;

/// An entry of such a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// One user.
    User(UserRef),
    /// Everybody whose `user_tags` contain it.
    Tag(String),
    /// People of a dialog.
    Dialog {
        /// 24 hex digits.
        id: String,
        /// Which of them.
        role: Role,
    },
}

/// Who somebody is in a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everybody in it.
    Occupant,
    /// Its admins and its owner.
    Admin,
    /// Its owner.
    Owner,
}

/// The longest tag, in characters.
const TAG_MAX: usize = 64;

impl std::str::FromStr for Party {
    type Err = String;

    /// Reads `LOGIN`, `tag:NAME`, `dialog:ID`, `dialog:ID:admins` or `dialog:ID:owner`. A login
    /// that begins like these is named by its number.
    ///
    /// # Errors
    /// The rule, for people.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(tag) = text.strip_prefix("tag:") {
            let fits = (1..=TAG_MAX).contains(&tag.chars().count())
                && !tag.contains(',')
                && !tag.chars().any(char::is_control);
            return if fits {
                Ok(Self::Tag(tag.to_owned()))
            } else {
                Err(format!(
                    "a tag has 1 to {TAG_MAX} characters and no comma or control characters"
                ))
            };
        }
        if let Some(dialog) = text.strip_prefix("dialog:") {
            let (id, role) = match dialog.split_once(':') {
                None => (dialog, Role::Occupant),
                Some((id, "admins")) => (id, Role::Admin),
                Some((id, "owner")) => (id, Role::Owner),
                Some(_) => {
                    return Err("the role in a dialog must be `admins` or `owner`".into());
                }
            };
            id.parse::<ObjectId>()
                .map_err(|error| format!("the dialog's id: {error}"))?;
            return Ok(Self::Dialog {
                id: id.to_owned(),
                role,
            });
        }
        UserRef::login(text).map(Self::User)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(UserRef::Id(id)) => write!(f, "{id}"),
            Self::User(UserRef::Login(login)) => f.write_str(login),
            Self::Tag(tag) => write!(f, "tag:{tag}"),
            Self::Dialog { id, role } => {
                let role = match role {
                    Role::Occupant => "",
                    Role::Admin => ":admins",
                    Role::Owner => ":owner",
                };
                write!(f, "dialog:{id}{role}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_the_same() {
        for text in [
            "kitchen",
            "tag:night shift",
            "dialog:66f0aa000102030405000007",
            "dialog:66f0aa000102030405000007:admins",
            "dialog:66f0aa000102030405000007:owner",
        ] {
            assert_eq!(text.parse::<Party>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_party_is_refused_with_the_rule() {
        for (text, rule) in [
            ("", "a login has 1 to 64"),
            ("tag:", "a tag has 1 to 64"),
            ("tag:a,b", "no comma"),
            ("dialog:1", "the dialog's id"),
            (
                "dialog:66f0aa000102030405000007:boss",
                "`admins` or `owner`",
            ),
        ] {
            let error = text.parse::<Party>().unwrap_err();
            assert!(error.contains(rule), "{text:?}: {error}");
        }
    }
}
