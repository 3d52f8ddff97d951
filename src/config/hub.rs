//! `hub.toml`: the site server's configuration. `configs/hub.toml` is the annotated example.

mod data;
mod push;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::data::{
    ClassPermissions, ClassRules, DataRules, FieldType, Level, Permission, RESERVED_FIELDS,
};
pub use self::push::PushRules;
use super::load::{Check, Validate};
pub use super::secret::Secret;
use super::{ConfigErrors, load};

/// Everything the hub needs to know.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// The version of the keys this file is written in. A newer one than this program knows is
    /// refused.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Folder of the database, the local CA and, later, files. Created with mode 0700.
    pub data_dir: PathBuf,
    /// The application's number; clients send it when they create a session.
    pub app_id: u64,
    /// The application's key; clients send it too. It is in every client, so it keeps strangers'
    /// mistakes out rather than strangers.
    pub auth_key: Secret,
    /// File with the administration key (mode 0600): whoever has it may create users. Without
    /// it there is no administration over HTTP.
    #[serde(default)]
    pub admin_key_file: Option<PathBuf>,
    /// The administration key itself; set from `admin_key_file`, or by `HubConfig::dev`.
    #[serde(skip)]
    pub admin_key: Option<Secret>,
    /// Names and addresses under which clients reach the hub; the server's certificate carries
    /// them besides localhost and the machine's name. The first is the chat host unless
    /// `chat_host` says otherwise.
    #[serde(default = "default_names")]
    pub names: Vec<String>,
    /// The domain of chat addresses. It must not contain "muc", which clients take for a room.
    #[serde(default)]
    pub chat_host: Option<String>,
    /// Where the hub listens.
    #[serde(default)]
    pub listen: Listen,
    /// Create a user on the fly when somebody logs in with an unknown login (AU-03). Off by
    /// default: anybody with the auth key could fill the user table.
    #[serde(default)]
    pub auto_create_users: bool,
    /// Accept guest sessions (AU-14).
    #[serde(default = "yes")]
    pub guests: bool,
    /// Let anybody with the auth key sign up by `POST /users`.
    #[serde(default = "yes")]
    pub sign_up: bool,
    /// Let a user list everybody by `/users/v2` without a search, as the web phone does. The cloud
    /// does not: its users are strangers, where those of a site are neighbours.
    #[serde(default = "yes")]
    pub directory: bool,
    /// Let users list all users with the deprecated `GET /users` (US-07). Off by default, as at
    /// the cloud: `/users/v2` finds whom one knows something of.
    #[serde(default)]
    pub list_users_v1: bool,
    /// File with the application's secret (mode 0600), which SDKs up to 3.x sign sessions with
    /// (wire reference E.7). With it a signature that is sent must be right; without it, and for
    /// newer SDKs, which send none, nothing is checked.
    #[serde(default)]
    pub auth_secret_file: Option<PathBuf>,
    /// The secret itself; set from `auth_secret_file`.
    #[serde(skip)]
    pub auth_secret: Option<Secret>,
    /// Hand the application's credentials to the web phone at `/phone/config.json`, so that its
    /// users need not type them. For sites where whoever reaches the hub may use it.
    #[serde(default)]
    pub phone_config: bool,
    /// Announce the hub on the local network by multicast DNS, so that a device's setup finds it.
    #[serde(default = "yes")]
    pub announce: bool,
    /// What the chat allows.
    #[serde(default)]
    pub chat: ChatRules,
    /// Files that users store.
    #[serde(default)]
    pub files: FileRules,
    /// Custom objects.
    #[serde(default)]
    pub data: DataRules,
    /// Reaching users who are away.
    #[serde(default)]
    pub push: PushRules,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// Remove `data_dir` at a clean end; only `HubConfig::dev` sets it.
    #[serde(skip)]
    pub is_scratch: bool,
}

/// Listening addresses; port 0 takes a free one.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Plain HTTP and WebSocket: loopback only, for a reverse proxy and for programs on the
    /// machine itself.
    pub http: SocketAddr,
    /// HTTPS and secure WebSocket.
    pub https: SocketAddr,
    /// XMPP over direct TLS.
    pub xmpp_tls: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            http: (Ipv4Addr::LOCALHOST, 8080).into(),
            https: (Ipv4Addr::UNSPECIFIED, 8443).into(),
            xmpp_tls: (Ipv4Addr::UNSPECIFIED, 5223).into(),
        }
    }
}

/// What the cloud's admin panel sets for the chat, and how the hub speaks XMPP.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChatRules {
    /// Names of the custom fields a dialog may have in `extensions`, at most three (CH-13).
    /// Others are ignored; taking a name away hides it in all dialogs.
    pub dialog_extensions: Vec<String>,
    /// Let every user create broadcast dialogs, whose messages reach everybody. Otherwise only
    /// who sends the administration key with the request may (CH-12).
    pub broadcast_by_users: bool,
    /// Offer SCRAM-SHA-256 besides PLAIN, and keep the keys it needs. With it a client never
    /// hands its secret over and sees that the server knows it too; but who steals the database
    /// can try passwords against these keys faster than against the argon2id hashes.
    pub scram: bool,
    /// Put what SDK versions 4.0 to 6.1.2 read instead of a status code beside it in room
    /// presences. Without it their joining and leaving rooms never ends.
    pub sdk_compat: bool,
}

impl Default for ChatRules {
    fn default() -> Self {
        Self {
            dialog_extensions: Vec::new(),
            broadcast_by_users: false,
            scram: true,
            sdk_compat: true,
        }
    }
}

/// Custom fields of a dialog (CH-13).
pub const MAX_EXTENSIONS: usize = 3;

impl ChatRules {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let names = &self.dialog_extensions;
        if names.len() > MAX_EXTENSIONS {
            faults.push(format!(
                "chat.dialog_extensions: {} are more than {MAX_EXTENSIONS}",
                names.len()
            ));
        }
        for name in names {
            // The name becomes part of a query, so only what needs no escaping.
            let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if name.is_empty() || name.len() > 64 || !is_plain {
                faults.push(format!(
                    "chat.dialog_extensions: {name:?} is not 1 to 64 letters, digits or underscores"
                ));
            }
        }
        faults
    }
}

fn is_plain_address(text: &str) -> bool {
    // An `@` anywhere breaks the address parser of the official SDK (wire reference E.4).
    !text.contains('@')
        && url::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.query().is_none()
                && url.fragment().is_none()
        })
}

/// What users may store, and where clients reach it.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileRules {
    /// Address of the hub as clients see it, such as `https://hub.example.org`, for the links of
    /// files. Without it links go to the host the client itself asked.
    pub public_url: Option<String>,
    /// Bytes of one file, 100 MB at most (ST-03).
    pub file_bytes: u64,
    /// Bytes of one user's files together.
    pub user_bytes: u64,
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Free bytes on the disk that uploads leave to the database.
    pub reserve_bytes: u64,
    /// Uploads one user may have under way.
    pub open_uploads: u64,
    /// Seconds from the creation of a file to the end of its upload (ST-02).
    pub upload_seconds: i64,
}

/// Bytes of a file in the contract (E.1).
pub const MAX_FILE_BYTES: u64 = 100_000_000;

impl Default for FileRules {
    fn default() -> Self {
        Self {
            public_url: None,
            file_bytes: MAX_FILE_BYTES,
            user_bytes: 2_000_000_000,
            total_bytes: 20_000_000_000,
            reserve_bytes: 256_000_000,
            open_uploads: 50,
            upload_seconds: 3600,
        }
    }
}

impl FileRules {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(text) = &self.public_url
            && !is_plain_address(text)
        {
            faults.push(format!(
                "files.public_url: {text:?} is no plain http or https address"
            ));
        }
        if !(1..=MAX_FILE_BYTES).contains(&self.file_bytes) {
            faults.push(format!(
                "files.file_bytes: {} is not within 1 to {MAX_FILE_BYTES}",
                self.file_bytes
            ));
        }
        for (name, value, least) in [
            ("user_bytes", self.user_bytes, self.file_bytes),
            ("total_bytes", self.total_bytes, self.user_bytes),
            ("open_uploads", self.open_uploads, 1),
            (
                "upload_seconds",
                self.upload_seconds.max(0).unsigned_abs(),
                60,
            ),
        ] {
            if value < least {
                faults.push(format!("files.{name}: {value} is below {least}"));
            }
        }
        faults
    }
}

/// Bounds on what one client, or all together, may take.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one stanza. A call offer with many candidates takes some 20 KiB.
    pub stanza_bytes: usize,
    /// Bytes of one REST request body.
    pub body_bytes: usize,
    /// Chat connections in all.
    pub connections: usize,
    /// Chat connections from one address, logged in or not.
    pub connections_per_address: usize,
    /// Whether connections from the machine itself are not counted for that: those of a reverse
    /// proxy all come from there.
    pub loopback_exempt: bool,
    /// Chat connections of one user; one more ends the oldest.
    pub connections_per_user: usize,
    /// Stanzas waiting for one slow reader. Beyond that, messages wait in the database, and
    /// anything else ends the connection.
    pub queued_stanzas: usize,
    /// Bytes waiting for one slow reader, likewise.
    pub queued_bytes: usize,
    /// Seconds for which a session survives its broken connection, if the client asked for
    /// that; 0 for never.
    pub resume_seconds: u32,
    /// Seconds of silence after which a connection is pinged.
    pub idle_seconds: u64,
    /// Seconds a silent connection has to answer the ping.
    pub ping_seconds: u64,
    /// Seconds from the first byte to a bound resource.
    pub login_seconds: u64,
    /// REST requests one session may make per second in the long run, and one address without a
    /// session. 0 counts none.
    pub requests_per_second: u64,
    /// REST requests it may make at once.
    pub request_burst: u64,
    /// Failed log-ins in a row before an account waits.
    pub login_failures: u32,
    /// Seconds it waits.
    pub lockout_seconds: i64,
    /// Seconds a session lives after its last use (AU-05).
    pub session_seconds: i64,
    /// Seconds a guest's session lives (AU-14).
    pub guest_seconds: i64,
    /// Messages kept for a user until one of its devices has acknowledged them; beyond that the
    /// oldest go. The history has them all.
    pub offline_messages: u32,
    /// Bytes the database may take; 0 leaves that to the disk. When it is full, messages are
    /// refused until there is room again.
    pub database_bytes: u64,
    /// People in one group dialog.
    pub occupants: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stanza_bytes: 256 * 1024,
            body_bytes: 256 * 1024,
            connections: 5_000,
            connections_per_address: 500,
            loopback_exempt: true,
            connections_per_user: 20,
            queued_stanzas: 1_000,
            queued_bytes: 4 * 1024 * 1024,
            resume_seconds: 300,
            idle_seconds: 60,
            ping_seconds: 30,
            login_seconds: 30,
            requests_per_second: 200,
            request_burst: 2_000,
            login_failures: 10,
            lockout_seconds: 300,
            session_seconds: 2 * 3600,
            guest_seconds: 24 * 3600,
            offline_messages: 1_000,
            database_bytes: 0,
            occupants: 1_000,
        }
    }
}

fn default_names() -> Vec<String> {
    vec!["localhost".to_owned()]
}

fn first_version() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HubConfigError {
    /// The file has mistakes; each with its place.
    #[error(transparent)]
    File(#[from] ConfigErrors),
    /// Fields contradict each other or the rules; all faults at once.
    #[error("{}", .0.join("\n"))]
    Rules(Vec<String>),
    /// The scratch folder cannot be made.
    #[error("cannot create a scratch folder: {0}")]
    Scratch(std::io::Error),
}

impl HubConfig {
    /// Reads `hub.toml` and the files it names.
    ///
    /// # Errors
    /// [`HubConfigError`] with every broken rule.
    pub fn load(path: &Path) -> Result<Self, HubConfigError> {
        let mut config: Self = load(path)?;
        if let Some(file) = &config.admin_key_file {
            // Paths are relative to the file that names them, as in a device's file.
            let file = path.parent().unwrap_or(Path::new("")).join(file);
            let key = super::secret::read_file(&file)
                .map_err(|rule| HubConfigError::Rules(vec![format!("admin_key_file: {rule}")]))?;
            config.admin_key = Some(key);
        }
        if let Some(file) = &config.auth_secret_file {
            let file = path.parent().unwrap_or(Path::new("")).join(file);
            let secret = super::secret::read_file(&file)
                .map_err(|rule| HubConfigError::Rules(vec![format!("auth_secret_file: {rule}")]))?;
            config.auth_secret = Some(secret);
        }
        if let Some(file) = &mut config.push.ca_file {
            *file = path.parent().unwrap_or(Path::new("")).join(&*file);
        }
        Ok(config)
    }

    /// No configuration: loopback, free ports, a scratch folder, and keys made up by the caller.
    ///
    /// # Errors
    /// When the scratch folder cannot be made.
    pub fn dev(auth_key: Secret, admin_key: Secret) -> Result<Self, HubConfigError> {
        let folder = scratch_folder().map_err(HubConfigError::Scratch)?;
        Ok(Self {
            is_scratch: true,
            ..Self::dev_in(folder, auth_key, admin_key)
        })
    }

    /// The same in a folder that is the caller's, and stays.
    pub fn dev_in(data_dir: PathBuf, auth_key: Secret, admin_key: Secret) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            version: first_version(),
            data_dir,
            app_id: 1,
            auth_key,
            admin_key_file: None,
            admin_key: Some(admin_key),
            names: vec!["127.0.0.1".to_owned()],
            chat_host: None,
            listen: Listen {
                http: loopback,
                https: loopback,
                xmpp_tls: loopback,
            },
            auto_create_users: false,
            guests: true,
            sign_up: true,
            directory: true,
            list_users_v1: false,
            auth_secret_file: None,
            auth_secret: None,
            phone_config: true,
            // A hub for a try is nobody's but its maker's.
            announce: false,
            chat: ChatRules::default(),
            files: FileRules::default(),
            data: DataRules::default(),
            push: PushRules::default(),
            limits: Limits::default(),
            is_scratch: false,
        }
    }

    /// Whom push services may turn to.
    pub fn push_subject(&self) -> String {
        let public = self.files.public_url.clone();
        let public = public.filter(|url| url.starts_with("https://"));
        let subject = self.push.subject.clone().or(public);
        subject.unwrap_or_else(|| format!("mailto:postmaster@{}", self.chat_host()))
    }

    /// The domain of chat addresses.
    pub fn chat_host(&self) -> &str {
        self.chat_host
            .as_deref()
            .or(self.names.first().map(String::as_str))
            .unwrap_or("localhost")
    }

    /// Every rule the configuration breaks, as sentences naming the field.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.app_id == 0 {
            faults.push("app_id: must be at least 1".to_owned());
        }
        if self.auth_key.expose().is_empty() {
            faults.push("auth_key: must not be empty".to_owned());
        }
        if self.names.is_empty() {
            faults.push("names: at least one name or address is needed".to_owned());
        }
        let host = self.chat_host();
        if host.contains("muc") {
            faults.push(format!(
                "chat_host: {host:?} contains \"muc\", which clients take for a room"
            ));
        }
        if host.is_empty() || host.contains(['/', '@', ' ', '\'', '"', '<', '&']) {
            faults.push(format!("chat_host: {host:?} is no host name"));
        }
        if !self.listen.http.ip().is_loopback() {
            faults.push(format!(
                "listen.http: {} is not loopback; plain HTTP stays on the machine, use listen.https",
                self.listen.http
            ));
        }
        faults.extend(self.chat.faults());
        faults.extend(self.files.faults());
        faults.extend(self.data.faults());
        faults.extend(self.push.faults());
        let limits = &self.limits;
        for (name, value, least) in [
            ("stanza_bytes", limits.stanza_bytes, 10_000),
            ("body_bytes", limits.body_bytes, 1_000),
            ("connections", limits.connections, 1),
            ("connections_per_address", limits.connections_per_address, 1),
            ("connections_per_user", limits.connections_per_user, 1),
            ("queued_stanzas", limits.queued_stanzas, 1),
            ("queued_bytes", limits.queued_bytes, limits.stanza_bytes),
            ("idle_seconds", limits.idle_seconds as usize, 1),
            ("ping_seconds", limits.ping_seconds as usize, 1),
            ("login_seconds", limits.login_seconds as usize, 1),
            ("occupants", limits.occupants, 2),
            (
                "request_burst",
                usize::try_from(limits.request_burst).unwrap_or(usize::MAX),
                usize::from(limits.requests_per_second > 0),
            ),
            ("offline_messages", limits.offline_messages as usize, 1),
        ] {
            if value < least {
                faults.push(format!("limits.{name}: {value} is below {least}"));
            }
        }
        if limits.resume_seconds > MAX_RESUME {
            faults.push(format!(
                "limits.resume_seconds: {} is above {MAX_RESUME}",
                limits.resume_seconds
            ));
        }
        if (1..MIN_DATABASE).contains(&limits.database_bytes) {
            faults.push(format!(
                "limits.database_bytes: {} is below {MIN_DATABASE}; 0 is no bound",
                limits.database_bytes
            ));
        }
        faults
    }
}

/// Seconds a session may wait to be resumed: it counts as online meanwhile.
const MAX_RESUME: u32 = 3_600;
/// Bytes of a database that can hold its own tables and a few messages.
const MIN_DATABASE: u64 = 1_000_000;
/// Characters of an administration key that cannot be guessed.
const ADMIN_KEY_MIN: usize = 16;

impl Validate for HubConfig {
    fn validate(&self, check: &mut Check<'_>) {
        for fault in self.faults() {
            let (field, rule) = fault.split_once(": ").unwrap_or(("", &fault));
            check.fail(field, rule);
        }
        if let Some(file) = &self.admin_key_file
            && let Some(key) = check.secret_file("admin_key_file", file)
            && key.expose().len() < ADMIN_KEY_MIN
        {
            let rule = format!("the key has fewer than {ADMIN_KEY_MIN} characters");
            check.fail("admin_key_file", rule);
        }
        if let Some(file) = &self.auth_secret_file {
            check.secret_file("auth_secret_file", file);
        }
        if let Some(file) = &self.push.ca_file
            && let Err(error) = crate::base::tls::read_certificates(&check.resolve(file))
        {
            check.fail("push.ca_file", error.to_string());
        }
    }
}

fn scratch_folder() -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let name = format!("cubelet-hub-{}", uuid::Uuid::new_v4());
    let path = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
