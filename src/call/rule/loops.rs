//! Rules that set themselves off: by the events their commands are followed by.

use std::time::Duration;

use super::{Rule, Trigger, includes};

/// A rule that can set itself off must cool down at least so long.
pub const COOLDOWN_MIN: Duration = Duration::from_secs(10);

/// What follows a command, as beginnings of event types.
fn consequences(verb: &str) -> &'static [&'static str] {
    match verb {
        "press" => &["button", "ring", "call"],
        "ring" | "stop_ringing" => &["ring", "call"],
        "call" | "conference" | "invite" | "answer" | "reject" | "hangup" | "mute" | "hold"
        | "resume" | "tell" | "reconnect" => &["call", "ring"],
        // Keys may be answered by keys.
        "digits" => &["call/digit"],
        "unlock" => &["door", "call"],
        "say" => &["announcement"],
        "visitor_message" => &["visitor_message", "chat"],
        "record" => &["recording"],
        "send" | "edit" | "remove" | "react" | "mark_read" | "download" | "send_system" => {
            &["chat"]
        }
        _ if verb.starts_with("dialog_") => &["chat"],
        _ => &[],
    }
}

/// Whether one rule can set the other off.
fn leads_to(from: &Rule, to: &Rule) -> bool {
    let Trigger::Events(wanted) = &to.trigger else {
        // A topic of somebody else's: what comes there is theirs.
        return false;
    };
    from.actions
        .iter()
        .flat_map(|action| consequences(&action.verb))
        .any(|event| {
            wanted
                .iter()
                .any(|one| includes(event, one) || includes(one, event))
        })
}

/// The rules that can set themselves off, themselves or by others, and cool down too little: their
/// places in the list, and the way round in names.
pub fn find(rules: &[Rule]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (start, rule) in rules.iter().enumerate() {
        if rule.cooldown >= COOLDOWN_MIN {
            continue;
        }
        if let Some(way) = way_back(rules, start) {
            let names: Vec<&str> = way.iter().map(|at| rules[*at].name.as_str()).collect();
            found.push((start, names.join(" → ")));
        }
    }
    found
}

/// The shortest way from a rule back to itself; none if another rule on every way cools down.
fn way_back(rules: &[Rule], start: usize) -> Option<Vec<usize>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = vec![false; rules.len()];
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        for (next, rule) in rules.iter().enumerate() {
            if !leads_to(&rules[last], rule) {
                continue;
            }
            let mut longer = way.clone();
            longer.push(next);
            if next == start {
                return Some(longer);
            }
            // One that cools down breaks the circle.
            if !seen[next] && rule.cooldown < COOLDOWN_MIN {
                seen[next] = true;
                ways.push_back(longer);
            }
        }
    }
    None
}
