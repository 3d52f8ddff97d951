//! The one table of a device's settings: names, kinds, ranges, defaults, meaning. The reader
//! checks by it, the reference manual is printed from it.

mod visitor_message;

use super::device::{PATTERNS, VERBS};

/// A `[section]` or, when repeated, a `[[section]]`.
#[derive(Debug)]
pub struct Section {
    /// Dotted name.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Whether and how often it appears.
    pub occurs: Occurs,
    /// Its keys.
    pub fields: &'static [Field],
    /// Keys that are refused with an explanation instead of "unknown".
    pub refused: &'static [(&'static str, &'static str)],
}

/// How often a section appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurs {
    /// Exactly once.
    Once,
    /// At most once; without it all defaults hold.
    Defaulted,
    /// At most once; without it the feature is off.
    Optional,
    /// Up to this many times.
    Repeated(usize),
}

/// A key.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What holds without it.
    pub without: Without,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number, bounds included.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A string of the described form.
    Text(&'static str),
    /// A file, relative to the configuration file's directory.
    Path(&'static str),
    /// A list without duplicates.
    List {
        /// What an item is.
        of: &'static str,
        /// The most items.
        most: usize,
    },
}

/// What holds when a key is not given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Without {
    /// The file is refused.
    Required,
    /// Nothing: the feature is off.
    Nothing,
    /// This number.
    Integer(i64),
    /// This truth.
    Boolean(bool),
    /// This string.
    Text(&'static str),
    /// Something that follows from other keys, told in words.
    Rule(&'static str),
}

const fn field(key: &'static str, kind: Kind, without: Without, doc: &'static str) -> Field {
    Field {
        key,
        kind,
        without,
        doc,
    }
}

const fn integer(key: &'static str, min: i64, max: i64, default: i64, doc: &'static str) -> Field {
    field(
        key,
        Kind::Integer { min, max },
        Without::Integer(default),
        doc,
    )
}

const fn boolean(key: &'static str, default: bool, doc: &'static str) -> Field {
    field(key, Kind::Boolean, Without::Boolean(default), doc)
}

const INLINE_PASSWORD: &str = "a password is not written in this file, which is copied and shown \
     around: put it alone into a file of mode 0600 and name that in `password_file`, or name a \
     systemd credential in `password_credential`";

const NO_REFUSED: &[(&str, &str)] = &[];
const USER: &str = "user: number or login";

/// The sections of a device's file.
pub static DEVICE: &[Section] = &[
    Section {
        name: "device",
        doc: "The device itself.",
        occurs: Occurs::Once,
        refused: NO_REFUSED,
        fields: &[
            field(
                "name",
                Kind::Text("1 to 32 of `a-z 0-9 _ -`"),
                Without::Required,
                "The device's name in every MQTT topic.",
            ),
            field(
                "state_dir",
                Kind::Path("directory"),
                Without::Text("/var/lib/cubelet"),
                "Where the outbox, the call log and the certificate are kept. Made if missing.",
            ),
        ],
    },
    Section {
        name: "hub",
        doc: "The server and the account on it: a cubelet hub or the ConnectyCube cloud.",
        occurs: Occurs::Once,
        refused: &[("password", INLINE_PASSWORD)],
        fields: &[
            field(
                "api",
                Kind::Text("`https://…`, or `http://…` on this machine"),
                Without::Required,
                "The REST API.",
            ),
            field(
                "chat",
                Kind::Text("`tls://host:port`, `wss://…`, or `ws://…` on this machine"),
                Without::Required,
                "The chat server: direct TLS (port 5223 if none is given) or WebSocket.",
            ),
            field(
                "chat_host",
                Kind::Text("host name"),
                Without::Rule("the host of `chat`"),
                "The domain in user addresses (`endpoints.chat` of the application).",
            ),
            field(
                "ca",
                Kind::Path("PEM file"),
                Without::Nothing,
                "The certificate of a site's own CA, trusted besides the public ones.",
            ),
            field(
                "app_id",
                Kind::Integer {
                    min: 1,
                    max: i64::MAX,
                },
                Without::Required,
                "The application's number.",
            ),
            field(
                "auth_key",
                Kind::Text("string"),
                Without::Rule("one of the three is required"),
                "The application's authorization key.",
            ),
            field(
                "auth_key_file",
                Kind::Path("file, mode 0600 or 0400"),
                Without::Rule("one of the three is required"),
                "A file holding the authorization key.",
            ),
            field(
                "auth_key_credential",
                Kind::Text("systemd credential"),
                Without::Rule("one of the three is required"),
                "The systemd credential (`LoadCredential=`) holding the authorization key.",
            ),
            field(
                "login",
                Kind::Text("1 to 64 characters"),
                Without::Required,
                "The device's user.",
            ),
            field(
                "password_file",
                Kind::Path("file, mode 0600 or 0400"),
                Without::Rule("one of the two is required"),
                "A file holding the user's password.",
            ),
            field(
                "password_credential",
                Kind::Text("systemd credential"),
                Without::Rule("one of the two is required"),
                "The systemd credential (`LoadCredential=`) holding the user's password.",
            ),
        ],
    },
    Section {
        name: "chat",
        doc: "How patient the chat connection is.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            field(
                "retry_first_ms",
                Kind::Integer {
                    min: 100,
                    max: 30_000,
                },
                Without::Integer(300),
                "The longest pause before the second try, ms; doubled with each failure. The pause is drawn at random up to it, so that a fleet does not come back in step.",
            ),
            field(
                "retry_longest_s",
                Kind::Integer { min: 1, max: 3600 },
                Without::Integer(30),
                "What that doubling ends at, s. A change of the network cuts any pause short.",
            ),
            field(
                "step_timeout_s",
                Kind::Integer { min: 1, max: 60 },
                Without::Integer(5),
                "Time for each step of connecting: TCP, TLS, stream, login and so on, s.",
            ),
            field(
                "keep_alive_s",
                Kind::Integer { min: 1, max: 300 },
                Without::Integer(4),
                "After so long without a byte the server is asked for a sign of life, s. Also keeps NAT and VPN entries alive.",
            ),
            field(
                "answer_timeout_s",
                Kind::Integer { min: 1, max: 60 },
                Without::Integer(5),
                "So long the answer may take before the connection counts as dead, s.",
            ),
            field(
                "resume_s",
                Kind::Integer {
                    min: 0,
                    max: 86_400,
                },
                Without::Integer(600),
                "For how long after a cut the server is asked to keep the stream for resumption, s; 0 asks for none.",
            ),
        ],
    },
    Section {
        name: "history",
        doc: "The copy of dialogs and messages kept on the device, for reading and searching without a network.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            integer(
                "max_days",
                0,
                36_500,
                365,
                "Older messages leave the device, days; 0 keeps them whatever their age.",
            ),
            integer(
                "max_messages",
                100,
                10_000_000,
                50_000,
                "The most messages kept; the oldest leave.",
            ),
            integer(
                "max_mb",
                4,
                4_096,
                64,
                "The most room on the disk, MiB. The oldest messages leave before it is used up.",
            ),
            integer(
                "first_messages",
                0,
                100,
                100,
                "Messages of each dialog fetched when the device first meets it.",
            ),
            boolean(
                "read_on_arrival",
                true,
                "Tell the author that a message was read as soon as its event is published; \
                 otherwise the command `mark_read` does.",
            ),
        ],
    },
    Section {
        name: "attachments",
        doc: "Files that go with messages. Paths come from here and from nowhere else.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            field(
                "send_from",
                Kind::Path("directory"),
                Without::Nothing,
                "Files of this folder may be sent by their name.",
            ),
            field(
                "save_to",
                Kind::Path("directory"),
                Without::Nothing,
                "Attachments are fetched into this folder. Made if missing.",
            ),
            integer(
                "save_up_to_mb",
                0,
                100,
                0,
                "Attachments up to this size are fetched by themselves, MiB; 0 fetches none.",
            ),
        ],
    },
    Section {
        name: "camera",
        doc: "What is captured, and how it is encoded.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            field(
                "source",
                Kind::Text("`test`, `test:PATTERN`, `v4l2:/dev/videoN`, `none`"),
                Without::Text("none"),
                "The camera. Patterns are those of GStreamer's `videotestsrc`.",
            ),
            integer("width", 64, 3840, 640, "Picture width, pixels."),
            integer("height", 64, 2160, 480, "Picture height, pixels."),
            integer("framerate", 1, 60, 30, "Pictures per second."),
            integer(
                "bitrate_kbps",
                64,
                20_000,
                1_200,
                "The encoder's target, kbit/s; lowered when the network cannot carry it.",
            ),
            field(
                "codec",
                Kind::Choice(&["h264", "vp8"]),
                Without::Text("h264"),
                "Preferred in calls; the other one is used when the peer cannot take it.",
            ),
            boolean(
                "warm",
                true,
                "Keep capture and encoder running between calls: a picture sooner, for power.",
            ),
        ],
    },
    Section {
        name: "audio",
        doc: "Microphone and loudspeaker.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            field(
                "source",
                Kind::Text("`test`, `alsa:NAME`, `none`"),
                Without::Text("none"),
                "The microphone; NAME is an ALSA PCM such as `plughw:1,0`.",
            ),
            field(
                "sink",
                Kind::Text("`null`, `alsa:NAME`"),
                Without::Text("null"),
                "The loudspeaker. `null` decodes and drops.",
            ),
        ],
    },
    Section {
        name: "display",
        doc: "Where the other side's picture is shown.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[field(
            "sink",
            Kind::Choice(&["null", "window"]),
            Without::Text("null"),
            "`window` shows it on the screen; `null` decodes and drops.",
        )],
    },
    Section {
        name: "calls",
        doc: "Whom the bell rings, and the limits of a call.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            field(
                "ring",
                Kind::List { of: USER, most: 16 },
                Without::Rule("`[]`"),
                "Whom `ring` calls; the first to answer takes the call.",
            ),
            field(
                "call_type",
                Kind::Choice(&["video", "audio"]),
                Without::Text("video"),
                "Whether outgoing calls have a picture.",
            ),
            integer(
                "answer_timeout_s",
                10,
                300,
                60,
                "How long a call rings before it ends as not answered, seconds.",
            ),
            integer(
                "dialing_interval_s",
                3,
                60,
                5,
                "How often the call is repeated to a side that has not answered, seconds.",
            ),
            integer(
                "disconnect_timeout_s",
                5,
                300,
                30,
                "How long a lost connection may take to come back, seconds.",
            ),
            integer(
                "max_bandwidth_kbps",
                0,
                100_000,
                0,
                "The most a call may send, kbit/s; 0 is unlimited. Also told to the other side.",
            ),
            boolean(
                "relay_only",
                false,
                "Use only TURN candidates, which hides the device's addresses.",
            ),
            field(
                "bind",
                Kind::List {
                    of: "IP address",
                    most: 16,
                },
                Without::Rule("`[]`: all addresses"),
                "The device's addresses media may use.",
            ),
        ],
    },
    Section {
        name: "calls.ice_servers",
        doc: "STUN and TURN servers, besides those the hub names.",
        occurs: Occurs::Repeated(8),
        refused: &[(
            "credential",
            "a credential is not written in this file: put it alone into a file of mode 0600 \
             and name that in `credential_file`",
        )],
        fields: &[
            field(
                "urls",
                Kind::List {
                    of: "`stun:host[:port]` or `turn:host[:port][?transport=udp]`",
                    most: 8,
                },
                Without::Required,
                "The server's addresses.",
            ),
            field(
                "username",
                Kind::Text("string"),
                Without::Rule("required for `turn:`"),
                "The user at the TURN server.",
            ),
            field(
                "credential_file",
                Kind::Path("file, mode 0600 or 0400"),
                Without::Rule("required for `turn:`"),
                "A file holding the TURN credential.",
            ),
        ],
    },
    Section {
        name: "door",
        doc: "The door opener.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            field(
                "relay",
                Kind::Choice(&["none", "log"]),
                Without::Text("none"),
                "`log` is a virtual relay: it logs and publishes, and moves nothing.",
            ),
            integer(
                "pulse_ms",
                100,
                60_000,
                3_000,
                "How long the relay is pulled, milliseconds.",
            ),
            field(
                "unlock_allowed",
                Kind::List { of: USER, most: 64 },
                Without::Rule("`[]`: nobody"),
                "Who may open the door from within a call.",
            ),
        ],
    },
    visitor_message::SECTION,
    Section {
        name: "mqtt",
        doc: "The broker for local control. Without this section there is none.",
        occurs: Occurs::Optional,
        refused: &[("password", INLINE_PASSWORD)],
        fields: &[
            field(
                "host",
                Kind::Text("host name or IP address"),
                Without::Required,
                "The broker.",
            ),
            field(
                "port",
                Kind::Integer {
                    min: 1,
                    max: 65_535,
                },
                Without::Rule("8883 with TLS, 1883 without"),
                "Its port.",
            ),
            field(
                "base",
                Kind::Text("topic levels of `A-Z a-z 0-9 _ -`, 1 to 64 characters"),
                Without::Text("cubelet"),
                "The first level (or levels) of every topic.",
            ),
            field(
                "username",
                Kind::Text("1 to 128 characters"),
                Without::Nothing,
                "The device's user at the broker.",
            ),
            field(
                "password_file",
                Kind::Path("file, mode 0600 or 0400"),
                Without::Nothing,
                "A file holding that user's password.",
            ),
            field(
                "password_credential",
                Kind::Text("systemd credential"),
                Without::Nothing,
                "The systemd credential holding that user's password.",
            ),
            field(
                "tls",
                Kind::Boolean,
                Without::Rule("`true`, but `false` for a broker on this machine"),
                "Encrypt, and verify the broker's certificate.",
            ),
            field(
                "ca",
                Kind::Path("PEM file"),
                Without::Nothing,
                "The certificate of a site's own CA, trusted besides the public ones.",
            ),
            boolean(
                "plaintext",
                false,
                "Allows `tls = false` for a broker on another machine. Everybody on the network \
                 can then read the password and open the door.",
            ),
        ],
    },
    Section {
        name: "control",
        doc: "What may be ordered over MQTT.",
        occurs: Occurs::Defaulted,
        refused: NO_REFUSED,
        fields: &[
            field(
                "commands",
                Kind::List {
                    of: "command",
                    most: VERBS.len(),
                },
                Without::Rule("all"),
                "The commands obeyed; others are answered `not_allowed`.",
            ),
            integer(
                "rate_per_s",
                1,
                1_000,
                20,
                "Commands per second, with bursts of one second's worth; others are answered \
                 `rate_limited`.",
            ),
            boolean(
                "test_commands",
                false,
                "Allows the test aid `kill`, which makes a part of the device crash.",
            ),
        ],
    },
];

impl Section {
    /// The field of this key.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// What a list item may be beyond its short form in the table.
    pub fn list_notes(&self) -> Option<String> {
        match self.name {
            "camera" => Some(format!("Test patterns: `{}`.", PATTERNS.join("`, `"))),
            "control" => Some(format!("Commands: `{}`.", VERBS.join("`, `"))),
            _ => None,
        }
    }
}
