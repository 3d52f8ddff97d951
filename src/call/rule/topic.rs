//! Filters of MQTT (MQTT 5.0, 4.7).

/// Whether a topic is one of a filter's.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) => return true,
            (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

/// Whether it is a filter at all.
///
/// # Errors
/// The rule, for people.
pub fn check(filter: &str) -> Result<(), String> {
    if filter.is_empty() || filter.len() > 256 || filter.contains('\0') {
        return Err("must be 1 to 256 bytes".into());
    }
    let levels: Vec<&str> = filter.split('/').collect();
    for (at, level) in levels.iter().enumerate() {
        if *level == "#" && at + 1 < levels.len() {
            return Err("`#` must be the last level".into());
        }
        if level.len() > 1 && level.contains(['+', '#']) {
            return Err("`+` and `#` must be a level of their own".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_matches_as_the_standard_says() {
        for (filter, topic, fits) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/broker", false),
            ("+/b", "$SYS/b", false),
            ("a/+/c", "a/b/c", true),
        ] {
            assert_eq!(matches(filter, topic), fits, "{filter} {topic}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for bad in ["", "a/#/b", "a+/b", "a/b#"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for good in ["a", "+", "#", "zigbee2mqtt/hall", "a/+/#"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
