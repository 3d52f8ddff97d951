//! The newest version of this program that is known: the site's hub is the same program.
//!
//! Must not enter: getting and installing it, which is the package manager's.

use semver::Version;

use super::wiring::Wiring;

/// Asks the hub and shows the outcome. Where it cannot be had, what was known stays.
pub(super) async fn ask(wiring: &Wiring) {
    let told = match wiring.rest.hub_version().await {
        Ok(told) => told,
        Err(error) => {
            tracing::debug!(%error, "the hub's version is not known");
            return;
        }
    };
    let newest = told.and_then(|told| newest(&told, env!("CARGO_PKG_VERSION")));
    wiring.board.update(|state| {
        if state.device.latest_version != newest {
            if let Some(newest) = newest.as_ref().filter(|it| *it != state.device.version) {
                tracing::info!(newest, "the site's hub is newer than this program");
            }
            state.device.latest_version = newest;
        }
    });
}

/// The newer of the hub's version and ours, by the rules of semver.org; none if the hub's is none.
fn newest(hub: &str, own: &str) -> Option<String> {
    let parse = |what: &str, text: &str| {
        let parsed = Version::parse(text);
        parsed
            .inspect_err(|error| tracing::warn!(%error, what, text, "no version"))
            .ok()
    };
    let hub = parse("hub", hub)?;
    let own = parse("device", own)?;
    Some(hub.max(own).to_string())
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn the_newer_one_counts_by_the_rules_of_versions_not_of_text() {
        let known = |hub| newest(hub, "0.9.1");
        assert_eq!(known("0.10.0").as_deref(), Some("0.10.0"));
        assert_eq!(known("0.9.0").as_deref(), Some("0.9.1"));
        assert_eq!(known("0.9.1").as_deref(), Some("0.9.1"));
        assert_eq!(known("0.9.1-rc.1").as_deref(), Some("0.9.1"), "before it");
        assert_eq!(known("next week"), None);
    }
}
