//! `[calls]` and what belongs to it, and the schedules it refers to.

use std::net::IpAddr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::read::string;
use super::{
    CallSound, Calls, Camera, DataChannel, IceServer, Incoming, Preview, QuietHours, RecordedCall,
    RingStep, parse,
};
use crate::call::party::Party;
use crate::call::policy::{AnswerMedia, BusyPolicy};
use crate::call::ring_plan::Condition;
use crate::call::schedule::{Schedule, Window};
use crate::config::document::describe;
use crate::config::reader::{FileReader, SectionReader};
use crate::config::suggest;
use crate::protocol::address::UserRef;
use crate::protocol::call_signal::CallType;

pub(super) fn party(value: &DeValue<'_>) -> Result<Party, String> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map(|id| Party::User(UserRef::Id(id)))
            .map_err(|_| format!("{number} is no user number")),
        DeValue::String(text) => text.parse(),
        other => Err(format!(
            "must be a user's number, or a string such as a login, `tag:NAME` or `dialog:ID`, not {}",
            describe(other)
        )),
    }
}

pub(super) fn schedules(file: &FileReader<'_>) -> Vec<Schedule> {
    let mut schedules: Vec<Schedule> = Vec::new();
    for section in file.repeated("schedule") {
        let name = section.parsed("name", parse::device_name);
        let zone = section.parsed("zone", |zone| {
            // The local zone has no name that would be the same on the next board.
            TimeZone::get(zone).map_err(|_| {
                let zone: String = zone.chars().take(64).collect();
                format!("`{zone}` is no time zone; it must be one such as `Europe/Vienna` or `UTC`")
            })
        });
        let windows = section.list("windows", |value| string(value)?.parse::<Window>());
        if section.given("windows") && windows.is_empty() {
            section.fail("windows", "must name at least one window");
        }
        let except = section.list("except", |value| {
            string(value)?
                .parse::<Date>()
                .map_err(|_| "must be a date `YYYY-MM-DD`".to_owned())
        });
        let Some(name) = name else { continue };
        if schedules.iter().any(|known| known.name == name) {
            section.fail("name", format!("there is a schedule `{name}` already"));
        }
        // A schedule whose zone is wrong still has its name, so that what refers to it is not
        // reported as well.
        schedules.push(Schedule {
            name,
            zone: zone.unwrap_or(TimeZone::UTC),
            windows,
            except,
        });
    }
    schedules
}

/// The name of a schedule that exists.
pub(super) fn schedule(
    section: &SectionReader<'_>,
    key: &str,
    schedules: &[Schedule],
) -> Option<String> {
    section.parsed(key, |name| {
        let known: Vec<&str> = schedules.iter().map(|one| one.name.as_str()).collect();
        if known.contains(&name) {
            Ok(name.to_owned())
        } else {
            Err(suggest::unknown("schedule", name, &known))
        }
    })
}

pub(super) fn calls(file: &FileReader<'_>, schedules: &[Schedule]) -> Option<Calls> {
    let ice_servers: Option<Vec<IceServer>> = file
        .repeated("calls.ice_servers")
        .iter()
        .map(ice_server)
        .collect();
    let section = file.section("calls");
    let ring = section.list("ring", party);
    let answer_timeout_s = section.integer("answer_timeout_s");
    let steps: Option<Vec<RingStep>> = file
        .repeated("calls.step")
        .iter()
        .map(|section| step(section, schedules, answer_timeout_s))
        .collect();
    if steps.as_ref().is_none_or(|steps| !steps.is_empty()) && section.given("ring") {
        section.fail("ring", "has no use beside `[[calls.step]]`");
    }
    let quiet: Option<Vec<QuietHours>> = file
        .repeated("calls.quiet")
        .iter()
        .map(|section| quiet(section, schedules))
        .collect();
    let incoming = incoming(&file.section("calls.incoming"), schedules);
    let preview = preview(&file.section("calls.preview"));
    let skip_offline = section.boolean("skip_offline");
    let wake = section.boolean("wake");
    let ring_in_call = busy(&section, "ring_in_call");
    let ringback = call_sound(&section, "ringback");
    let data_channel = section.text("data_channel").map(|policy| match policy {
        "off" => DataChannel::Off,
        "offer" => DataChannel::Offer,
        _ => DataChannel::Answer,
    });
    let forward_to = section.list("forward_to", party);
    let forward_s = section.integer("forward_s");
    if !forward_to.is_empty() {
        within_answer_timeout(&section, "forward_s", forward_s, answer_timeout_s);
    }
    let missed_to = section.list("missed_to", |value| match party(value)? {
        Party::Dialog { role, .. } if role != crate::call::party::Role::Occupant => {
            Err("a message goes to a dialog as a whole: leave the role out".into())
        }
        party => Ok(party),
    });
    let missed_for = section.list("missed_for", |value| {
        let what = string(value)?;
        if ["ring", "incoming"].contains(&what) {
            Ok(what.to_owned())
        } else {
            Err(suggest::unknown("value", what, &["ring", "incoming"]))
        }
    });
    let is_missed = |what: &str, by_itself: bool| {
        missed_for.iter().any(|one| one == what) || by_itself && !section.given("missed_for")
    };
    let record = section.text("record").map(|record| match record {
        "door" => Some(RecordedCall::Door),
        "remote" => Some(RecordedCall::Remote),
        "both" => Some(RecordedCall::Both),
        _ => None,
    });
    let keep_records = section.integer("keep_records");
    let call_type = section.text("call_type").map(|kind| match kind {
        "audio" => CallType::Audio,
        _ => CallType::Video,
    });
    let dialing_interval_s = section.integer("dialing_interval_s");
    let disconnect_timeout_s = section.integer("disconnect_timeout_s");
    let max_bandwidth_kbps = section.integer("max_bandwidth_kbps");
    let min_bandwidth_kbps = section.integer("min_bandwidth_kbps");
    let start_bandwidth_kbps = section.integer("start_bandwidth_kbps");
    let relay_only = section.boolean("relay_only");
    let dscp = section.boolean("dscp");
    let bind = section.list("bind", |value| {
        string(value)?
            .parse::<IpAddr>()
            .map_err(|_| "must be an IP address".to_owned())
    });
    Some(Calls {
        ring,
        steps: steps?,
        quiet: quiet?,
        skip_offline: skip_offline?,
        wake: wake?,
        ring_in_call: ring_in_call?,
        ringback: ringback?,
        data_channel: data_channel?,
        forward_to,
        forward_s: forward_s?,
        missed_to,
        missed_rings: is_missed("ring", true),
        missed_calls: is_missed("incoming", false),
        record: record?,
        keep_records: keep_records?,
        incoming: incoming?,
        preview: preview?,
        call_type: call_type?,
        answer_timeout_s: answer_timeout_s?,
        dialing_interval_s: dialing_interval_s?,
        disconnect_timeout_s: disconnect_timeout_s?,
        max_bandwidth_kbps: max_bandwidth_kbps?,
        min_bandwidth_kbps: min_bandwidth_kbps?,
        start_bandwidth_kbps: start_bandwidth_kbps?,
        ice_servers: ice_servers?,
        relay_only: relay_only?,
        dscp: dscp?,
        bind,
    })
}

/// A start outside of what pictures may have would silently be another one.
pub(super) fn check_start(section: &SectionReader<'_>, calls: &Calls, camera: &Camera) {
    const KEY: &str = "start_bandwidth_kbps";
    if !section.given(KEY) {
        return;
    }
    let start = calls.start_bandwidth_kbps;
    let rules = [
        (
            "above `[calls] max_bandwidth_kbps`",
            calls.max_bandwidth_kbps,
            calls.max_bandwidth_kbps > 0 && start > calls.max_bandwidth_kbps,
        ),
        (
            "above `[camera] bitrate_kbps`",
            camera.bitrate_kbps,
            start > camera.bitrate_kbps,
        ),
        (
            "below `[calls] min_bandwidth_kbps`",
            calls.min_bandwidth_kbps,
            start < calls.min_bandwidth_kbps,
        ),
    ];
    for (rule, bound, is_broken) in rules {
        if is_broken {
            section.fail(KEY, format!("{start} is {rule}, which is {bound}"));
        }
    }
}

/// A call ends by itself after that time, so a step cannot ring longer.
fn within_answer_timeout(
    section: &SectionReader<'_>,
    key: &str,
    seconds: Option<u32>,
    limit: Option<u32>,
) {
    if let (Some(seconds), Some(limit)) = (seconds, limit)
        && seconds > limit
    {
        let rule = format!("{seconds} is above `[calls] answer_timeout_s`, which is {limit}");
        section.fail(key, rule);
    }
}

fn step(
    section: &SectionReader<'_>,
    schedules: &[Schedule],
    answer_timeout_s: Option<u32>,
) -> Option<RingStep> {
    let ring = section.list("ring", party);
    if section.given("ring") && ring.is_empty() {
        section.fail("ring", "must name somebody");
    }
    let seconds = section.integer("seconds");
    within_answer_timeout(section, "seconds", seconds, answer_timeout_s);
    let when = schedule(section, "when", schedules);
    let unless = schedule(section, "unless", schedules);
    if section.given("when") && section.given("unless") {
        section.fail("unless", "only one of when and unless may be given");
    }
    let condition = match (when, unless) {
        (Some(schedule), _) => Some((schedule, false)),
        (None, Some(schedule)) => Some((schedule, true)),
        (None, None) => None,
    };
    Some(RingStep {
        ring,
        rings_for: Duration::from_secs(seconds.map(u64::from)?),
        condition: condition.map(|(schedule, is_negated)| Condition {
            schedule,
            is_negated,
        }),
    })
}

fn quiet(section: &SectionReader<'_>, schedules: &[Schedule]) -> Option<QuietHours> {
    let who = section.list("who", party);
    if section.given("who") && who.is_empty() {
        section.fail("who", "must name somebody");
    }
    let schedule = schedule(section, "when", schedules);
    Some(QuietHours {
        who,
        schedule: schedule?,
    })
}

fn call_sound(section: &SectionReader<'_>, key: &str) -> Option<CallSound> {
    section.parsed(key, |text| {
        match text.split_once(':').unwrap_or((text, "")) {
            ("none", "") => Ok(CallSound::None),
            ("chime", "") => Ok(CallSound::Chime),
            ("phone", "") => Ok(CallSound::Phone),
            ("tone", "") => Ok(CallSound::Tone),
            ("file", path) if !path.is_empty() => section.existing_file(path).map(CallSound::File),
            _ => Err("must be `chime`, `phone`, `tone`, `file:PATH` or `none`".to_owned()),
        }
    })
}

fn incoming(section: &SectionReader<'_>, schedules: &[Schedule]) -> Option<Incoming> {
    let allow = section.list("allow", party);
    let refuse = section.text("refuse");
    let auto_answer = section.list("auto_answer", party);
    let auto_answer_after_s = section.integer("auto_answer_after_s");
    let auto_answer_tone = section.boolean("auto_answer_tone");
    let ring_tone = call_sound(section, "ring_tone");
    let ring_volume = section.integer("ring_volume");
    let media = section.text("auto_answer_media").map(|media| match media {
        "audio" => AnswerMedia::Audio,
        "listen_only" => AnswerMedia::ListenOnly,
        "knock" => AnswerMedia::Knock,
        _ => AnswerMedia::Video,
    });
    let quiet = schedule(section, "quiet", schedules);
    let quiet_except = section.list("quiet_except", party);
    let busy = busy(section, "busy");
    Some(Incoming {
        allow,
        is_refused_silently: refuse? == "ignore",
        auto_answer,
        auto_answer_after_s: auto_answer_after_s?,
        auto_answer_tone: auto_answer_tone?,
        ring_tone: ring_tone?,
        ring_volume,
        auto_answer_media: media?,
        quiet,
        quiet_except,
        busy: busy?,
    })
}

fn preview(section: &SectionReader<'_>) -> Option<Preview> {
    Some(Preview {
        enabled: section.boolean("enabled")?,
        allow: section.list("allow", party),
        audio: section.boolean("audio")?,
        most: section.integer("most")?,
        show: section.boolean("show")?,
    })
}

fn busy(section: &SectionReader<'_>, key: &str) -> Option<BusyPolicy> {
    section.text(key).map(|policy| match policy {
        "wait" => BusyPolicy::Wait,
        "replace" => BusyPolicy::Replace,
        _ => BusyPolicy::Reject,
    })
}

fn ice_server(section: &SectionReader<'_>) -> Option<IceServer> {
    let urls = section.list("urls", |value| parse::ice_url(string(value)?));
    if urls.is_empty() {
        section.fail("urls", "must name at least one address");
    }
    let username = section.parsed("username", |text| match text {
        "" => Err("must not be empty".into()),
        text => Ok(text.to_owned()),
    });
    let is_relay = |url: &String| url.starts_with("turn:") || url.starts_with("turns:");
    let relay = urls.iter().any(is_relay);
    if relay && !section.given("username") {
        section.fail("username", "is required for a `turn:` or `turns:` address");
    }
    let credential = section.secret("credential", relay);
    Some(IceServer {
        urls,
        username,
        credential,
    })
}
