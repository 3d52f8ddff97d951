//! The flags of `cubelet setup`: one for each question.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::config::{self, Secret};
use crate::setup::Topic;

/// Arguments of `cubelet setup`.
#[derive(Debug, clap::Args)]
pub struct SetupArgs {
    /// The file to write; keys and passwords go into files of their own beside it.
    #[arg(long, value_name = "FILE", default_value = "/etc/cubelet/kiosk.toml")]
    pub(super) config: PathBuf,

    /// The hub's address, or `cloud` for ConnectyCube's. Hubs on the network are found.
    #[arg(long, value_name = "ADDRESS")]
    hub: Option<String>,

    /// The code of `cubelet hub enroll`, or the text of its QR code; `account` to log in with an
    /// account that exists.
    #[arg(long, value_name = "CODE")]
    code: Option<String>,

    /// For an account that exists: the application's number.
    #[arg(long, value_name = "N")]
    app_id: Option<String>,

    /// The application's key, alone in a file of mode 0600.
    #[arg(long, value_name = "FILE")]
    auth_key_file: Option<PathBuf>,

    /// The device's login.
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,

    /// Its password, alone in a file of mode 0600.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// The hub's CA certificate; empty for a public one.
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,

    /// The camera as `cubelet devices` names it: `v4l2:/dev/video0`, `rtsp://HOST/PATH`,
    /// `file:PATH` (relative to the configuration), `test`, `none`.
    #[arg(long, value_name = "SOURCE")]
    camera: Option<String>,

    /// The microphone: `alsa:NAME`, `test`, `none`.
    #[arg(long, value_name = "SOURCE")]
    microphone: Option<String>,

    /// The loudspeaker: `alsa:NAME`, `null`.
    #[arg(long, value_name = "SINK")]
    speaker: Option<String>,

    /// Whom the bell rings: logins with commas between them.
    #[arg(long, value_name = "LOGINS")]
    ring: Option<String>,

    /// The MQTT broker: `HOST`, `HOST:PORT` or `none`.
    #[arg(long, value_name = "PLACE")]
    broker: Option<String>,

    /// The device's user at the broker.
    #[arg(long, value_name = "USER")]
    broker_user: Option<String>,

    /// That user's password, alone in a file of mode 0600.
    #[arg(long, value_name = "FILE")]
    broker_password_file: Option<PathBuf>,

    /// The device's name in topics, if it is to be another than its login.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,

    /// Whom the secrets belong to; `cubelet` if there is such a user and this one may.
    #[arg(long, value_name = "USER")]
    pub(super) owner: Option<String>,

    /// Replace a configuration that is there; the old one is kept beside.
    #[arg(long)]
    force: bool,

    /// Ask nothing: what has no flag is what would be offered first.
    #[arg(long, short)]
    pub(super) yes: bool,

    /// Write without trying camera, sound and broker, as for a board that is elsewhere.
    #[arg(long)]
    pub(super) untested: bool,

    /// Only write a configuration of an older version anew, as this one reads it; the old one is kept
    /// beside.
    #[arg(long)]
    pub(super) migrate: bool,

    /// The result as one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl SetupArgs {
    /// What the flags answer, with what their files hold.
    pub(super) fn answers(&self) -> Result<Vec<(Topic, Secret)>, Failure> {
        let texts = [
            (Topic::Hub, &self.hub),
            (Topic::Code, &self.code),
            (Topic::AppId, &self.app_id),
            (Topic::Login, &self.login),
            (Topic::Ca, &self.ca),
            (Topic::Camera, &self.camera),
            (Topic::Microphone, &self.microphone),
            (Topic::Speaker, &self.speaker),
            (Topic::Ring, &self.ring),
            (Topic::Broker, &self.broker),
            (Topic::BrokerUser, &self.broker_user),
        ];
        let mut answers: Vec<(Topic, Secret)> = texts
            .into_iter()
            .filter_map(|(topic, text)| Some((topic, Secret::new(text.as_deref()?))))
            .collect();
        for (topic, file) in [
            (Topic::AuthKey, &self.auth_key_file),
            (Topic::Password, &self.password_file),
            (Topic::BrokerPassword, &self.broker_password_file),
        ] {
            if let Some(file) = file {
                answers.push((topic, read(topic, file)?));
            }
        }
        if self.force {
            answers.push((Topic::Overwrite, Secret::new("yes")));
        }
        Ok(answers)
    }
}

fn read(topic: Topic, file: &Path) -> Result<Secret, Failure> {
    config::read_secret(file).map_err(|rule| Failure::Wrong {
        flag: topic.flag(),
        rule,
    })
}
