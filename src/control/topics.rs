//! Topic names of one device.

/// Builds and reads the topics below `<base>/<device>`.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    base: String,
    root: String,
}

impl Topics {
    pub(super) fn new(base: &str, device: &str) -> Self {
        Self {
            base: base.to_owned(),
            root: format!("{base}/{device}"),
        }
    }

    pub(super) fn availability(&self) -> String {
        format!("{}/availability", self.root)
    }

    /// `state`, or `<part>/state`.
    pub(super) fn state(&self, part: Option<&str>) -> String {
        match part {
            Some(part) => format!("{}/{part}/state", self.root),
            None => format!("{}/state", self.root),
        }
    }

    pub(super) fn event(&self, kind: &str) -> String {
        format!("{}/event/{kind}", self.root)
    }

    pub(super) fn snapshot(&self) -> String {
        format!("{}/camera/main/snapshot", self.root)
    }

    pub(super) fn command(&self, verb: &str) -> String {
        format!("{}/cmd/{verb}", self.root)
    }

    pub(super) fn commands(&self) -> String {
        format!("{}/cmd/+", self.root)
    }

    /// The verb of a command topic.
    pub(super) fn verb<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let verb = topic.strip_prefix(&self.root)?.strip_prefix("/cmd/")?;
        (!verb.is_empty() && !verb.contains('/')).then_some(verb)
    }

    /// Where a reply goes when the command names no response topic.
    pub(super) fn reply(&self, verb: &str) -> String {
        format!("{}/cmd/{verb}/reply", self.root)
    }

    /// Whether a reply may be sent to a topic the requester named. A device answers with its own
    /// rights at the broker, so it must not be talked into writing to the topics of this or
    /// another device: below the base, only a topic with a level `reply` is taken.
    pub(super) fn may_reply_to(&self, topic: &str) -> bool {
        let well_formed = (1..=1024).contains(&topic.len())
            && !topic.starts_with('$')
            && !topic.contains(['+', '#', '\0']);
        let below_base = topic
            .strip_prefix(&self.base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        well_formed && (!below_base || topic.split('/').any(|level| level == "reply"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_level_below_cmd_is_a_verb() {
        let topics = Topics::new("site/cubelet", "door");
        assert_eq!(topics.verb("site/cubelet/door/cmd/ring"), Some("ring"));
        for topic in [
            "site/cubelet/door/cmd/",
            "site/cubelet/door/cmd/ring/reply",
            "site/cubelet/door2/cmd/ring",
            "site/cubelet/door/event/ring",
        ] {
            assert_eq!(topics.verb(topic), None, "{topic}");
        }
    }

    #[test]
    fn replies_cannot_be_steered_onto_a_devices_topics() {
        let topics = Topics::new("cubelet", "door");
        for good in [
            "app/7/answers",
            "cubelet/door/cmd/ring/reply",
            "cubeletx/state",
        ] {
            assert!(topics.may_reply_to(good), "{good}");
        }
        for bad in [
            "cubelet/door/availability",
            "cubelet/other/cmd/unlock",
            "cubelet",
            "$SYS/x",
            "a/+",
            "#",
            "",
        ] {
            assert!(!topics.may_reply_to(bad), "{bad}");
        }
    }
}
