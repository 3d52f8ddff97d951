//! Who may do what in a dialog (the roles matrix; CH-03, CH-12, CH-16…CH-24, CH-39…CH-40, CH-49).
//!
//! Pure: the store says what somebody is, the REST API and the chat ask here what that allows.

use super::store::dialogs::{BROADCAST, GROUP, MEETING, PRIVATE, PUBLIC};

/// What somebody is in a dialog. Each includes the rights of those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Not in it, or blocked.
    Stranger,
    /// An occupant, a subscriber, or any user in a broadcast dialog.
    Regular,
    /// One of up to five administrators.
    Admin,
    /// Its creator, the "super admin".
    Owner,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See the dialog, its messages and who reacted; react; mark as read.
    Read,
    /// Send messages and show that one types.
    Write,
    /// Change name, description and photo.
    ChangeTexts,
    /// Change the custom fields.
    ChangeExtensions,
    /// Decide who may preview it.
    ChangePermissions,
    /// Add people.
    AddOccupants,
    /// Remove people other than oneself.
    RemoveOccupants,
    /// Keep users out.
    Block,
    /// Pin messages.
    Pin,
    /// Make and unmake administrators.
    ChangeAdmins,
    /// Delete a message for oneself.
    HideMessage,
    /// Delete the own message for everybody.
    RemoveOwnMessage,
    /// Delete somebody else's message for everybody.
    RemoveOthersMessage,
    /// Delete the dialog or its history for everybody.
    DeleteForAll,
}

/// Whether `role` allows `action` in a dialog of this kind.
pub fn may(kind: u8, role: Role, action: Action) -> bool {
    least(kind, action).is_some_and(|least| role >= least)
}

/// The least role that may, `None` where nobody may.
fn least(kind: u8, action: Action) -> Option<Role> {
    use Action::*;
    use Role::*;
    match (action, kind) {
        (Read, _) => Some(Regular),
        (Write | HideMessage | RemoveOwnMessage, BROADCAST) => Some(Admin),
        (Write | HideMessage | RemoveOwnMessage, _) => Some(Regular),
        // Named after the other one, and nobody's to be shown around.
        (ChangeTexts | ChangePermissions, PRIVATE) => None,
        (ChangeTexts, GROUP | MEETING) => Some(Regular),
        (ChangeExtensions, PRIVATE | GROUP | MEETING) => Some(Regular),
        (ChangeTexts | ChangeExtensions | ChangePermissions, _) => Some(Admin),
        (AddOccupants, GROUP | MEETING) => Some(Regular),
        (AddOccupants | RemoveOccupants, PUBLIC) => Some(Admin),
        (RemoveOccupants, GROUP | MEETING) => Some(Admin),
        (AddOccupants | RemoveOccupants, _) => None,
        (Block, PUBLIC | BROADCAST) => Some(Admin),
        (Block, _) => None,
        (Pin | RemoveOthersMessage | ChangeAdmins, PRIVATE) => None,
        (Pin | RemoveOthersMessage, _) => Some(Admin),
        (ChangeAdmins | DeleteForAll, _) => Some(Owner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each action the least role in a broadcast, group, private, public and meeting dialog:
    /// `s`tranger … `o`wner, `-` nobody.
    const MATRIX: &[(Action, &str)] = &[
        (Action::Read, "rrrrr"),
        (Action::Write, "arrrr"),
        (Action::ChangeTexts, "ar-ar"),
        (Action::ChangeExtensions, "arrar"),
        (Action::ChangePermissions, "aa-aa"),
        (Action::AddOccupants, "-r-ar"),
        (Action::RemoveOccupants, "-a-aa"),
        (Action::Block, "a--a-"),
        (Action::Pin, "aa-aa"),
        (Action::ChangeAdmins, "oo-oo"),
        (Action::HideMessage, "arrrr"),
        (Action::RemoveOwnMessage, "arrrr"),
        (Action::RemoveOthersMessage, "aa-aa"),
        (Action::DeleteForAll, "ooooo"),
    ];

    #[test]
    fn rights_are_those_of_the_matrix() {
        let roles = [Role::Stranger, Role::Regular, Role::Admin, Role::Owner];
        for (action, row) in MATRIX {
            for (kind, least) in (1..=5).zip(row.chars()) {
                let first = "srao".find(least).unwrap_or(roles.len());
                for (rank, role) in roles.iter().enumerate() {
                    let expected = rank >= first;
                    assert_eq!(
                        may(kind, *role, *action),
                        expected,
                        "{action:?} {kind} {role:?}"
                    );
                }
            }
        }
    }
}
