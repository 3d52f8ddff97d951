//! Which state topics changed: the whole, and each part that is one field of it.

use serde_json::{Map, Value};

/// Remembers what was published last.
#[derive(Debug, Default)]
pub(super) struct StateParts {
    last: Map<String, Value>,
}

impl StateParts {
    /// The parts that differ from the last time (`None` is the whole device), all of them after
    /// a [`StateParts::forget`].
    pub(super) fn changes(&mut self, state: Value) -> Vec<(Option<String>, Value)> {
        let Value::Object(state) = state else {
            return Vec::new();
        };
        let mut changes: Vec<(Option<String>, Value)> = state
            .iter()
            .filter(|(part, value)| self.last.get(*part) != Some(value))
            .map(|(part, value)| (Some(part.clone()), value.clone()))
            .collect();
        if !changes.is_empty() {
            changes.insert(0, (None, Value::Object(state.clone())));
            self.last = state;
        }
        changes
    }

    /// The broker may have forgotten everything: publish all again.
    pub(super) fn forget(&mut self) {
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::DeviceState;

    fn names(changes: &[(Option<String>, Value)]) -> Vec<&str> {
        changes
            .iter()
            .map(|(part, _)| part.as_deref().unwrap_or("*"))
            .collect()
    }

    #[test]
    fn only_the_changed_part_and_the_whole_are_published() {
        let mut parts = StateParts::default();
        let mut state = DeviceState::default();
        let all = [
            "*",
            "call",
            "ring",
            "policy",
            "chat",
            "camera",
            "audio",
            "display",
            "door",
            "visitor_message",
            "recording",
            "device",
            "health",
        ];
        let value = |state: &DeviceState| serde_json::to_value(state).unwrap();
        assert_eq!(names(&parts.changes(value(&state))), all);
        assert!(parts.changes(value(&state)).is_empty());
        state.door.unlocked = true;
        let changes = parts.changes(value(&state));
        assert_eq!(names(&changes), ["*", "door"]);
        assert_eq!(changes[0].1["door"]["unlocked"], true);
        parts.forget();
        assert_eq!(names(&parts.changes(value(&state))), all);
    }
}
