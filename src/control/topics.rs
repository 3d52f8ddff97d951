//! Topic names of one device.

/// Whom an order is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// This device.
    Device,
    /// Every device of a group.
    Group(String),
    /// Every device.
    All,
}

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order<'t> {
    /// `cmd/<verb>`
    Command(&'t str),
    /// `<part>/set`
    Setting(&'t str),
}

impl Order<'_> {
    /// The verb, or `<part>/set`.
    pub(super) fn name(self) -> String {
        match self {
            Self::Command(verb) => verb.to_owned(),
            Self::Setting(part) => format!("{part}/set"),
        }
    }
}

/// A topic that orders something, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addressed<'t> {
    pub(super) audience: Audience,
    /// The level after `from`, which the broker's access list guards.
    pub(super) requester: Option<&'t str>,
    pub(super) order: Order<'t>,
}

/// Builds and reads the topics below `<base>/<device>`, and reads those of its groups.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    base: String,
    device: String,
    root: String,
    groups: Vec<String>,
}

impl Topics {
    pub(super) fn new(base: &str, device: &str, groups: &[String]) -> Self {
        Self {
            base: base.to_owned(),
            device: device.to_owned(),
            root: format!("{base}/{device}"),
            groups: groups.to_vec(),
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

    /// What the device listens to: its own topics first, then those of everybody and its groups.
    pub(super) fn subscriptions(&self) -> Vec<String> {
        let root = &self.root;
        let mut filters = vec![
            format!("{root}/cmd/+"),
            format!("{root}/+/set"),
            format!("{root}/from/+/cmd/+"),
            format!("{root}/from/+/+/set"),
        ];
        let everybody = std::iter::once(format!("{}/all", self.base));
        let groups = self
            .groups
            .iter()
            .map(|tag| format!("{}/group/{tag}", self.base));
        for prefix in everybody.chain(groups) {
            filters.push(format!("{prefix}/cmd/+"));
            filters.push(format!("{prefix}/from/+/cmd/+"));
        }
        filters
    }

    pub(super) fn setting(&self, part: &str) -> String {
        format!("{}/{part}/set", self.root)
    }

    pub(super) fn command(&self, verb: &str) -> String {
        format!("{}/cmd/{verb}", self.root)
    }

    /// How many of the subscriptions are the device's own.
    pub(super) const OWN: usize = 4;

    /// A topic without the base.
    pub(super) fn below_base<'t>(&self, topic: &'t str) -> &'t str {
        topic
            .strip_prefix(&self.base)
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(topic)
    }

    /// What a topic orders; nothing if it is none of ours.
    pub(super) fn read<'t>(&self, topic: &'t str) -> Option<Addressed<'t>> {
        let below = topic.strip_prefix(&self.base)?.strip_prefix('/')?;
        let levels: Vec<&str> = below.split('/').collect();
        let (audience, rest) = match levels.as_slice() {
            [device, rest @ ..] if *device == self.device => (Audience::Device, rest),
            ["all", rest @ ..] => (Audience::All, rest),
            ["group", tag, rest @ ..] if self.groups.iter().any(|group| group == tag) => {
                (Audience::Group((*tag).to_owned()), rest)
            }
            _ => return None,
        };
        let (requester, rest) = match rest {
            ["from", requester, rest @ ..] => (Some(*requester), rest),
            rest => (None, rest),
        };
        let order = match rest {
            ["cmd", verb] if !verb.is_empty() => Order::Command(verb),
            [part, "set"] if !part.is_empty() && audience == Audience::Device => {
                Order::Setting(part)
            }
            _ => return None,
        };
        Some(Addressed {
            audience,
            requester,
            order,
        })
    }

    /// Where a reply goes when the order names no response topic. Orders to several are answered
    /// by each on its own topics.
    pub(super) fn reply(&self, to: &Addressed<'_>) -> String {
        let from = match to.requester {
            Some(requester) => format!("/from/{requester}"),
            None => String::new(),
        };
        match to.order {
            Order::Command(verb) => format!("{}{from}/cmd/{verb}/reply", self.root),
            Order::Setting(part) => format!("{}{from}/{part}/set/reply", self.root),
        }
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

    fn topics() -> Topics {
        Topics::new("site/cubelet", "door", &["floor-1".to_owned()])
    }

    #[test]
    fn orders_to_the_device_to_its_groups_and_to_everybody_are_read() {
        let topics = topics();
        let read = |topic: &'static str| {
            topics
                .read(topic)
                .map(|read| (read.audience, read.requester, read.order))
        };
        let group = || Audience::Group("floor-1".into());
        for (topic, expected) in [
            (
                "site/cubelet/door/cmd/ring",
                (Audience::Device, None, Order::Command("ring")),
            ),
            (
                "site/cubelet/door/policy/set",
                (Audience::Device, None, Order::Setting("policy")),
            ),
            (
                "site/cubelet/door/from/panel/cmd/ring",
                (Audience::Device, Some("panel"), Order::Command("ring")),
            ),
            (
                "site/cubelet/door/from/panel/audio/set",
                (Audience::Device, Some("panel"), Order::Setting("audio")),
            ),
            (
                "site/cubelet/all/cmd/dnd",
                (Audience::All, None, Order::Command("dnd")),
            ),
            (
                "site/cubelet/group/floor-1/from/panel/cmd/dnd",
                (group(), Some("panel"), Order::Command("dnd")),
            ),
        ] {
            assert_eq!(read(topic), Some(expected), "{topic}");
        }
    }

    #[test]
    fn what_is_no_order_to_this_device_is_passed_over() {
        for topic in [
            "site/cubelet/door/cmd/",
            "site/cubelet/door/cmd/ring/reply",
            "site/cubelet/door2/cmd/ring",
            "site/cubelet/door/event/ring",
            "site/cubelet/door/policy/set/reply",
            "site/cubelet/all/policy/set",
            "site/cubelet/group/floor-2/cmd/dnd",
            "site/cubeletx/door/cmd/ring",
        ] {
            assert_eq!(topics().read(topic), None, "{topic}");
        }
    }

    #[test]
    fn replies_cannot_be_steered_onto_a_devices_topics() {
        let topics = Topics::new("cubelet", "door", &[]);
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
