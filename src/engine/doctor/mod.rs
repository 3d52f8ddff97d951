//! Checks what a device needs, one thing at a time, and says what to do about what is wrong:
//! `cubelet doctor`, without a daemon or beside a running one.
//!
//! Invariant: a check changes nothing that outlasts it and disturbs no daemon at work; each has a
//! time limit. Must not enter: the broker (`control` above does that), printing.

mod display;
mod lines;
mod media;
mod place;
mod site;
mod stun;

use serde::Serialize;

use crate::config::DeviceConfig;

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, in a word or two.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What to do about it; none if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    Passed,
    /// It works, but not as well as it could.
    Warning,
    /// The device cannot do its work like this.
    Failed,
    /// Could not be looked at, and why.
    Skipped,
}

impl Check {
    /// All is well.
    pub fn passed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::of(name, Status::Passed, detail, None)
    }

    /// It works, but.
    pub fn warning(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::of(name, Status::Warning, detail, Some(remedy.into()))
    }

    /// It does not work.
    pub fn failed(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::of(name, Status::Failed, detail, Some(remedy.into()))
    }

    /// It was not looked at.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::of(name, Status::Skipped, why, None)
    }

    fn of(
        name: impl Into<String>,
        status: Status,
        detail: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self {
            name: name.into(),
            status,
            detail: detail.into(),
            remedy,
        }
    }
}

/// Everything about one device, in the order things depend on each other. Takes as long as the
/// slowest time limit when a server does not answer, about ten seconds.
pub async fn examine(config: &DeviceConfig) -> Vec<Check> {
    let (place, running) = place::check(&config.device.state_dir);
    let mut checks = place;
    checks.push(place::clock(std::time::SystemTime::now()));
    let (site, media) = tokio::join!(site::check(config), media::check(config, running));
    checks.extend(site);
    checks.extend(media);
    checks.push(display::check(config, running).await);
    checks.extend(lines::check(config, running));
    checks
}
