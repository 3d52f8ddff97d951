//! Who orders, and what `[[control.allow]]` lets them order.

use crate::config::{Allow, AllowBy, Control};
use crate::engine::command::{CommandError, ErrorCode};

/// The longest name, in characters.
const NAME_MAX: usize = 64;

/// How a requester is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// The level after `from` of the topic: the broker's access list can guard it.
    Topic,
    /// The user property `requester`: whoever may publish can say anything.
    Property,
    /// The response topic, which tells requesters apart and no more.
    ResponseTopic,
    /// Not at all.
    Unnamed,
}

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Property => "property",
            Self::ResponseTopic => "response_topic",
            Self::Unnamed => "none",
        }
    }
}

/// Somebody who orders.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Requester {
    pub(super) way: Way,
    pub(super) name: String,
}

impl Requester {
    /// By the best that is known.
    ///
    /// # Errors
    /// The rule a name breaks, with where it stands.
    pub(super) fn of(
        topic: Option<&str>,
        property: Option<&str>,
        response_topic: Option<&str>,
    ) -> Result<Self, String> {
        let (way, name, place) = match (topic, property, response_topic) {
            (Some(name), ..) => (Way::Topic, name, "the topic level after from"),
            (None, Some(name), _) => (Way::Property, name, "the user property requester"),
            (None, None, Some(name)) => {
                // Kept short: it is only told apart by it.
                let name = name.chars().take(NAME_MAX).collect();
                let way = Way::ResponseTopic;
                return Ok(Self { way, name });
            }
            (None, None, None) => {
                return Ok(Self {
                    way: Way::Unnamed,
                    name: String::new(),
                });
            }
        };
        if is_name(name) {
            let name = name.to_owned();
            return Ok(Self { way, name });
        }
        Err(format!(
            "{place}: must be 1 to {NAME_MAX} of A–Z, a–z, 0–9, `_`, `-`, `.`, `@`"
        ))
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_plain)
}

/// What may be ordered by whom.
#[derive(Clone, Debug)]
pub(super) struct Access {
    commands: Vec<String>,
    group_commands: Vec<String>,
    rules: Vec<Allow>,
    test_commands: bool,
}

impl Access {
    pub(super) fn new(control: &Control) -> Self {
        Self {
            commands: control.commands.clone(),
            group_commands: control.group_commands.clone(),
            rules: control.allow.clone(),
            test_commands: control.test_commands,
        }
    }

    /// Whether somebody may order all of these commands, of one device or of several.
    ///
    /// # Errors
    /// `not_allowed`, naming the setting that says no.
    pub(super) fn permit(
        &self,
        requester: &Requester,
        verbs: &[&str],
        to_several: bool,
    ) -> Result<(), CommandError> {
        let refuse = |message: String| Err(CommandError::new(ErrorCode::NotAllowed, message));
        for &verb in verbs {
            let listed = |list: &[String]| list.iter().any(|one| one == verb);
            if verb == "kill" {
                if !self.test_commands {
                    return refuse("[control] test_commands does not permit it".into());
                }
            } else if !listed(&self.commands) {
                return refuse(format!("[control] commands does not permit {verb}"));
            }
            if to_several && !listed(&self.group_commands) {
                return refuse(format!("[control] group_commands does not permit {verb}"));
            }
            if !self.rules.is_empty() && !self.rules.iter().any(|rule| fits(rule, requester, verb))
            {
                return refuse(format!("no [[control.allow]] rule permits {verb} to {}", {
                    match requester.way {
                        Way::Topic => format!("`{}` (by topic)", requester.name),
                        Way::Property => format!("`{}` (by user property)", requester.name),
                        Way::ResponseTopic | Way::Unnamed => "a requester without a name".into(),
                    }
                }));
            }
        }
        Ok(())
    }
}

fn fits(rule: &Allow, requester: &Requester, verb: &str) -> bool {
    let way_fits = match (rule.by, requester.way) {
        (AllowBy::Anyone, _) => true,
        (AllowBy::Topic, Way::Topic) => true,
        // Who is named by a guarded topic is named at least as well.
        (AllowBy::Property, Way::Topic | Way::Property) => true,
        _ => false,
    };
    let is_named = rule.by == AllowBy::Anyone
        || rule.requesters.is_empty()
        || rule.requesters.contains(&requester.name);
    let is_permitted = rule.commands.is_empty() || rule.commands.iter().any(|one| one == verb);
    way_fits && is_named && is_permitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::device::{GROUP_VERBS, VERBS};

    fn access(allow: Vec<Allow>) -> Access {
        let all = |verbs: &[&str]| verbs.iter().map(|verb| (*verb).to_owned()).collect();
        Access {
            commands: all(VERBS),
            group_commands: all(GROUP_VERBS),
            rules: allow,
            test_commands: false,
        }
    }

    fn rule(by: AllowBy, requesters: &[&str], commands: &[&str]) -> Allow {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        Allow {
            by,
            requesters: owned(requesters),
            commands: owned(commands),
        }
    }

    fn named(way: Way, name: &str) -> Requester {
        Requester {
            way,
            name: name.into(),
        }
    }

    #[test]
    fn without_rules_everybody_may_what_the_lists_permit() {
        let access = access(vec![]);
        let nobody = named(Way::Unnamed, "");
        assert!(access.permit(&nobody, &["unlock"], false).is_ok());
        assert!(access.permit(&nobody, &["kill"], false).is_err());
        assert!(access.permit(&nobody, &["call"], true).is_err());
    }

    #[test]
    fn a_rule_by_topic_is_not_met_by_a_mere_property() {
        let access = access(vec![
            rule(AllowBy::Topic, &["panel"], &["unlock", "snapshot"]),
            rule(AllowBy::Property, &["clock"], &["dnd"]),
            rule(AllowBy::Anyone, &[], &["calls"]),
        ]);
        for (way, name, verb, may) in [
            (Way::Topic, "panel", "unlock", true),
            (Way::Topic, "panel", "ring", false),
            (Way::Topic, "lamp", "unlock", false),
            (Way::Property, "panel", "unlock", false),
            (Way::Property, "clock", "dnd", true),
            (Way::Topic, "clock", "dnd", true),
            (Way::Unnamed, "", "calls", true),
            (Way::ResponseTopic, "panel", "unlock", false),
        ] {
            let permitted = access.permit(&named(way, name), &[verb], false);
            assert_eq!(permitted.is_ok(), may, "{way:?} {name} {verb}");
        }
        let both = access.permit(&named(Way::Topic, "panel"), &["unlock", "ring"], false);
        assert!(both.unwrap_err().message.contains("ring"));
    }

    #[test]
    fn the_best_known_name_counts_and_must_be_plain() {
        let of = Requester::of;
        assert_eq!(of(Some("a"), Some("b"), None), Ok(named(Way::Topic, "a")));
        assert_eq!(of(None, Some("b"), None), Ok(named(Way::Property, "b")));
        assert_eq!(of(None, None, None), Ok(named(Way::Unnamed, "")));
        assert!(
            of(None, Some("b c"), None)
                .unwrap_err()
                .contains("user property")
        );
        assert!(
            of(Some(""), None, None)
                .unwrap_err()
                .contains("topic level")
        );
    }
}
