//! From the file to the types, section by section; a mistake in one hides none in another.

use std::cell::RefCell;
use std::path::Path;

use toml::de::DeValue;

use super::{
    Account, Allow, Attachments, Audio, AudioSink, AudioSource, Camera, Chat, ChatEndpoint,
    ChatUnlock, Device, DeviceConfig, Door, History, Hub, Mqtt, MqttVersion, PushEnvironment,
    RtspAccess, Say, VideoCodec, VideoSource,
};
use super::{
    ChatCommands, HomeAssistant, chat_commands, console, control, display, gpio, home_assistant,
    network_camera, parse, read_calls, recording, rtsp, rule, visitor_message,
};
use crate::base::loopback::is_loopback;
use crate::call::door_code;
use crate::call::duplex::Duplex;
use crate::config::Surroundings;
use crate::config::document::{self, describe};
use crate::config::fields::DEVICE;
use crate::config::problem::{ConfigErrors, Problems, Report};
use crate::config::reader::{FileReader, SectionReader};
use crate::config::version::{self, ALL};
use crate::protocol::address::UserRef;

/// Reads a device's file. Warnings go to the log.
///
/// # Errors
/// Every mistake of the file, each with its place.
pub fn load_device(path: &Path) -> Result<DeviceConfig, ConfigErrors> {
    let report = check_device(path, &Surroundings::of_process());
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    report.outcome
}

/// Reads a device's file and gives warnings back instead of logging them.
pub fn check_device(path: &Path, around: &Surroundings) -> Report<DeviceConfig> {
    let brought = document::read(path).and_then(|text| ALL.bring_up(path, text));
    let brought = match brought {
        Ok(brought) => brought,
        Err(errors) => {
            return Report {
                outcome: Err(errors),
                warnings: Vec::new(),
            };
        }
    };
    let text = brought.text;
    let mut problems = Problems::new(path, &text);
    if let Some(from) = brought.from {
        problems.warn(&(0..0), version::KEY, ALL.notice(from));
    }
    let tree = document::parse(&text, &mut problems);
    if !problems.is_empty() {
        // What a broken text means is anybody's guess; more mistakes would be guesses too.
        return problems.finish(None);
    }
    let problems = RefCell::new(problems);
    let config = read(
        path,
        &FileReader {
            tree: &tree,
            sections: DEVICE,
            problems: &problems,
            base_dir: path.parent().unwrap_or(Path::new("")),
            around,
        },
    );
    problems.into_inner().finish(config)
}

/// Topic levels beside the devices'.
const RESERVED: &[&str] = &["all", "group", "reply"];

fn read(path: &Path, file: &FileReader<'_>) -> Option<DeviceConfig> {
    file.refuse_unknown_sections();
    // Read all before the first `?`, so that every section gets its say.
    let device = device(&file.section("device"));
    let hub = hub(&file.section("hub"));
    let commands = chat_commands::read(&file.section("chat.commands"));
    let chat = chat(&file.section("chat"), commands);
    let history = history(&file.section("history"));
    let attachments = attachments(&file.section("attachments"));
    let camera = camera(file);
    let audio = audio(&file.section("audio"));
    let display = display::read(&file.section("display"));
    let schedules = read_calls::schedules(file);
    let calls = read_calls::calls(file, &schedules);
    let door = door(&file.section("door"));
    let buttons = gpio::buttons(file);
    let visitor_message = visitor_message::read(&file.section("visitor_message"));
    let say = say(&file.section("say"));
    let recording = recording::read(&file.section("recording"));
    if let (Some(calls), Some(recording)) = (&calls, &recording)
        && calls.record.is_some()
        && !recording.enabled
    {
        let rule = "needs `[recording] enabled = true`";
        file.section("calls").fail("record", rule);
    }
    if let (Some(calls), Some(camera)) = (&calls, &camera) {
        read_calls::check_start(&file.section("calls"), calls, camera);
    }
    let assistant = home_assistant::read(&file.section("mqtt.home_assistant"));
    let mqtt = file
        .optional_section("mqtt")
        .map(|section| mqtt(&section, assistant));
    let allow: Option<Vec<Allow>> = file
        .repeated("control.allow")
        .iter()
        .map(control::allow)
        .collect();
    let control = control::read(&file.section("control"), allow.unwrap_or_default());
    let console = file.optional_section("console");
    let console = console.map(|section| console::read(&section));
    let rtsp = file.optional_section("rtsp");
    let rtsp = rtsp.map(|section| rtsp::read(&section));
    let root = match (&mqtt, &device) {
        (Some(Some(mqtt)), Some(device)) => format!("{}/{}", mqtt.base, device.name),
        _ => String::new(),
    };
    let rules = rule::rules(file, &schedules, &root);
    Some(DeviceConfig {
        device: device?,
        hub: hub?,
        chat: chat?,
        history: history?,
        attachments: attachments?,
        camera: camera?,
        audio: audio?,
        display: display?,
        calls: calls?,
        schedules,
        door: door?,
        buttons: buttons?,
        visitor_message: visitor_message?,
        say: say?,
        recording: recording?,
        mqtt: match mqtt {
            Some(mqtt) => Some(mqtt?),
            None => None,
        },
        control: control?,
        console: match console {
            Some(console) => Some(console?),
            None => None,
        },
        rtsp: match rtsp {
            Some(rtsp) => Some(rtsp?),
            None => None,
        },
        rules: rules?,
        file: path.to_owned(),
    })
}

fn device(section: &SectionReader<'_>) -> Option<Device> {
    let name = section.parsed("name", |text| {
        let name = parse::device_name(text)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("`{name}` has a meaning of its own in topics"));
        }
        Ok(name)
    });
    let state_dir = match section.surroundings().state_dir.clone() {
        Some(of_the_unit) if !section.given("state_dir") => Some(of_the_unit),
        _ => section.path("state_dir"),
    };
    let groups = section.list("groups", |value| parse::device_name(string(value)?));
    Some(Device {
        name: name?,
        state_dir: state_dir?,
        groups,
    })
}

fn hub(section: &SectionReader<'_>) -> Option<Hub> {
    let api = section.parsed("api", parse::api);
    let chat = section.parsed("chat", parse::chat);
    let chat_host = if section.given("chat_host") {
        section.parsed("chat_host", parse::host)
    } else {
        chat.as_ref().map(|chat| match chat {
            ChatEndpoint::Tls { host, .. } => host.clone(),
            ChatEndpoint::WebSocket(url) => parse::host_of(url),
        })
    };
    let ca = section.certificates("ca");
    let app_id = section.integer("app_id");
    let auth_key = section.secret("auth_key", true);
    let account = account(section);
    let password = section.secret("password", true);
    let password_file = section
        .given("password_file")
        .then(|| section.path("password_file"))
        .flatten();
    let push_environment = section
        .text("push_environment")
        .map(|environment| match environment {
            "development" => PushEnvironment::Development,
            _ => PushEnvironment::Production,
        });
    Some(Hub {
        api: api?,
        chat: chat?,
        chat_host: chat_host?,
        ca,
        app_id: app_id?,
        auth_key: auth_key?,
        account: account?,
        password: password?,
        password_file,
        push_environment: push_environment?,
    })
}

/// The user by login name or by e-mail address (AU-01, AU-02).
fn account(section: &SectionReader<'_>) -> Option<Account> {
    let login = section.parsed("login", |text| {
        UserRef::login(text).map(|_| Account::Login(text.to_owned()))
    });
    let email = section.parsed("email", parse::email).map(Account::Email);
    match (section.given("login"), section.given("email")) {
        (true, true) => {
            section.fail("email", "only one of login and email may be given");
            None
        }
        (false, false) => {
            section.require("login", "is required (or email)");
            None
        }
        _ => login.or(email),
    }
}

fn chat(section: &SectionReader<'_>, commands: Option<ChatCommands>) -> Option<Chat> {
    let retry_first_ms: Option<u32> = section.integer("retry_first_ms");
    let retry_longest_s: Option<u32> = section.integer("retry_longest_s");
    if let (Some(first), Some(longest)) = (retry_first_ms, retry_longest_s)
        && first > longest * 1000
    {
        section.fail("retry_longest_s", "is below `retry_first_ms`");
    }
    let step_timeout_s = section.integer("step_timeout_s");
    let keep_alive_s = section.integer("keep_alive_s");
    let answer_timeout_s = section.integer("answer_timeout_s");
    let resume_s = section.integer("resume_s");
    Some(Chat {
        retry_first_ms: retry_first_ms?,
        retry_longest_s: retry_longest_s?,
        step_timeout_s: step_timeout_s?,
        keep_alive_s: keep_alive_s?,
        answer_timeout_s: answer_timeout_s?,
        resume_s: resume_s?,
        commands: commands?,
    })
}

fn history(section: &SectionReader<'_>) -> Option<History> {
    let max_days = section.integer("max_days");
    let max_messages = section.integer("max_messages");
    let max_mb = section.integer("max_mb");
    let first_messages = section.integer("first_messages");
    let read_on_arrival = section.boolean("read_on_arrival");
    Some(History {
        max_days: max_days?,
        max_messages: max_messages?,
        max_mb: max_mb?,
        first_messages: first_messages?,
        read_on_arrival: read_on_arrival?,
    })
}

fn attachments(section: &SectionReader<'_>) -> Option<Attachments> {
    let folder = |key: &str| section.given(key).then(|| section.path(key)).flatten();
    let (send_from, save_to) = (folder("send_from"), folder("save_to"));
    let save_up_to_mb: Option<u32> = section.integer("save_up_to_mb");
    if save_up_to_mb.is_some_and(|most| most > 0) && !section.given("save_to") {
        section.fail("save_up_to_mb", "needs `save_to`");
    }
    Some(Attachments {
        send_from,
        save_to,
        save_up_to_mb: save_up_to_mb?,
    })
}

fn camera(file: &FileReader<'_>) -> Option<Camera> {
    let section = &file.section("camera");
    let placed = |source| match source {
        VideoSource::File(path) => VideoSource::File(section.resolved(&path)),
        source => source,
    };
    let source = section.parsed("source", parse::video_source).map(placed);
    let others = section.list("others", |value| {
        match parse::video_source(string(value)?).map(placed)? {
            VideoSource::None => Err("`none` is no camera to switch to".into()),
            other if Some(&other) == source.as_ref() => Err("is `source` already".into()),
            other => Ok(other),
        }
    });
    let width: Option<u32> = section.integer("width");
    let height: Option<u32> = section.integer("height");
    for (key, pixels) in [("width", width), ("height", height)] {
        if pixels.is_some_and(|pixels| pixels % 2 != 0) {
            section.fail(key, "must be even, for colour is stored at half resolution");
        }
    }
    let framerate = section.integer("framerate");
    let bitrate_kbps = section.integer("bitrate_kbps");
    let codec = section.text("codec").map(|codec| match codec {
        "vp8" => VideoCodec::Vp8,
        _ => VideoCodec::H264,
    });
    let warm = section.boolean("warm");
    let rtsp = rtsp_access(section);
    let sources: Vec<_> = source.iter().chain(&others).collect();
    let network = network_camera::read(file, &sources);
    Some(Camera {
        source: source?,
        others,
        width: width?,
        height: height?,
        framerate: framerate?,
        bitrate_kbps: bitrate_kbps?,
        codec: codec?,
        warm: warm?,
        rtsp: rtsp?,
        network: network?,
    })
}

fn rtsp_access(section: &SectionReader<'_>) -> Option<RtspAccess> {
    let username = section.parsed("rtsp_username", parse::camera_user);
    let password = section.secret("rtsp_password", false);
    if password.is_some() && !section.given("rtsp_username") {
        section.fail("rtsp_username", "is required with a password");
    }
    let udp = section.text("rtsp_transport")? == "udp";
    Some(RtspAccess {
        login: username.map(|username| (username, password)),
        udp,
    })
}

/// What one can switch to beside the first, which is another field: `other_sources` beside `source`.
fn further<T: PartialEq>(
    section: &SectionReader<'_>,
    (key, first): (&str, Option<&T>),
    none: &T,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    section.list(&format!("other_{key}s"), |value| {
        let text = string(value)?;
        let other = parse(text)?;
        if other == *none {
            Err(format!("`{text}` is nothing to switch to"))
        } else if first == Some(none) {
            Err(format!("`{key}` has to name the first"))
        } else if first == Some(&other) {
            Err(format!("is `{key}` already"))
        } else {
            Ok(other)
        }
    })
}

fn audio(section: &SectionReader<'_>) -> Option<Audio> {
    let source = section.parsed("source", parse::audio_source);
    let sink = section.parsed("sink", parse::audio_sink);
    let first = ("source", source.as_ref());
    let other_sources = further(section, first, &AudioSource::None, parse::audio_source);
    let first = ("sink", sink.as_ref());
    let other_sinks = further(section, first, &AudioSink::Null, parse::audio_sink);
    let echo_cancel = section.boolean("echo_cancel");
    let noise_suppression = section.boolean("noise_suppression");
    let gain_control = section.boolean("gain_control");
    let high_pass = section.boolean("high_pass");
    let duplex = section.text("duplex").map(|duplex| match duplex {
        "half" => Duplex::Half,
        "push_to_talk" => Duplex::PushToTalk,
        _ => Duplex::Full,
    });
    let talk_max_s = section.integer("talk_max_s");
    let dtx = section.boolean("dtx");
    Some(Audio {
        source: source?,
        other_sources,
        sink: sink?,
        other_sinks,
        echo_cancel: echo_cancel?,
        noise_suppression: noise_suppression?,
        gain_control: gain_control?,
        high_pass: high_pass?,
        duplex: duplex?,
        talk_max_s: talk_max_s?,
        dtx: dtx?,
    })
}

fn say(section: &SectionReader<'_>) -> Option<Say> {
    let sounds = section.path("sounds");
    if let Some(folder) = &sounds
        && !folder.is_dir()
    {
        section.fail("sounds", format!("{} is no folder", folder.display()));
    }
    let voice = section.parsed("voice", |text| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-+_".contains(c);
        let is_option = text.starts_with('-');
        if (1..=32).contains(&text.len()) && text.chars().all(is_plain) && !is_option {
            Ok(text.to_owned())
        } else {
            Err("must be 1 to 32 of `A-Z a-z 0-9 - + _`".to_owned())
        }
    });
    Some(Say {
        sounds,
        voice: voice?,
    })
}

pub(super) fn user(value: &DeValue<'_>) -> Result<UserRef, String> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map(UserRef::Id)
            .map_err(|_| format!("{number} is no user number")),
        DeValue::String(login) => UserRef::login(login),
        other => Err(format!(
            "must be a user's number or login, not {}",
            describe(other)
        )),
    }
}

pub(super) fn string<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("must be a string, not {}", describe(value)))
}

fn door(section: &SectionReader<'_>) -> Option<Door> {
    let relay = gpio::relay(section);
    let pulse_ms = section.integer("pulse_ms");
    let unlock_allowed = section.list("unlock_allowed", read_calls::party);
    let hang_up_after_s = section.integer("hang_up_after_s");
    let chat_unlock = section.text("chat_unlock").map(|when| match when {
        "in_call" => ChatUnlock::InCall,
        "always" => ChatUnlock::Always,
        _ => ChatUnlock::Never,
    });
    let chat_words = if section.given("chat_words") {
        section.list("chat_words", |value| {
            let word = string(value)?.trim().to_lowercase();
            match word.chars().count() {
                1..=32 => Ok(word),
                length => Err(format!("must be 1 to 32 characters, not {length}")),
            }
        })
    } else {
        vec!["open".to_owned()]
    };
    if chat_unlock.is_some_and(|when| when != ChatUnlock::Never) {
        if unlock_allowed.is_empty() {
            section.fail("chat_unlock", "needs somebody in `unlock_allowed`");
        }
        if chat_words.is_empty() {
            section.fail(
                "chat_words",
                "must have a word, for `chat_unlock` needs one",
            );
        }
    }
    let code = section.secret("code", false);
    if let Some(code) = &code {
        let key = match section.given("code_credential") {
            true => "code_credential",
            false => "code_file",
        };
        if let Err(rule) = door_code::check(code.expose()) {
            section.fail(key, rule);
        }
        if unlock_allowed.is_empty() {
            section.fail(key, "needs somebody in `unlock_allowed`, who may enter it");
        }
    }
    Some(Door {
        relay: relay?,
        pulse_ms: pulse_ms?,
        unlock_allowed,
        hang_up_after_s: hang_up_after_s?,
        chat_unlock: chat_unlock?,
        chat_words,
        code,
    })
}

fn mqtt(section: &SectionReader<'_>, home_assistant: Option<HomeAssistant>) -> Option<Mqtt> {
    let host = section.parsed("host", parse::host);
    let local = host.as_deref().map(is_loopback);
    let tls = if section.given("tls") {
        section.boolean("tls")
    } else {
        local.map(|local| !local)
    };
    let port = if section.given("port") {
        section.integer("port")
    } else {
        tls.map(|tls| if tls { 8883 } else { 1883 })
    };
    let base = section.parsed("base", parse::topic_base);
    let username = section.parsed("username", |text| match text.chars().count() {
        1..=128 => Ok(text.to_owned()),
        length => Err(format!("must be 1 to 128 characters, not {length}")),
    });
    let password = section.secret("password", false);
    if password.is_some() && !section.given("username") {
        section.fail("username", "is required with a password");
    }
    let ca = section.certificates("ca");
    let plaintext = section.boolean("plaintext").unwrap_or_default();
    if local == Some(false) && tls == Some(false) {
        if plaintext {
            section.warn(
                "plaintext",
                "warning: commands and the password travel unencrypted to another machine; \
                 anybody on the way can read them and open the door",
            );
        } else {
            section.fail(
                "tls",
                "may be off only for a broker on this machine (or with `plaintext = true`, \
                 which lets anybody on the network open the door)",
            );
        }
    }
    if tls == Some(false) && section.given("ca") {
        section.fail("ca", "has no use without TLS");
    }
    let version = section.text("version").map(|version| match version {
        "5" => MqttVersion::Five,
        "3.1.1" => MqttVersion::Three,
        _ => MqttVersion::Auto,
    });
    Some(Mqtt {
        host: host?,
        port: port?,
        base: base?,
        username,
        password,
        tls: tls?,
        ca,
        version: version?,
        home_assistant: home_assistant?,
    })
}
