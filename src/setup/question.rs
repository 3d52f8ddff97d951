//! What can be asked.

/// A question, by what it is about. Each has a flag of `cubelet setup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Which hub, or the cloud.
    Hub,
    /// The enrolment code; `account` for an account that exists.
    Code,
    /// Of an account that exists: the application's number.
    AppId,
    /// The application's key.
    AuthKey,
    /// The login.
    Login,
    /// The password.
    Password,
    /// The file of the hub's authority.
    Ca,
    /// The camera.
    Camera,
    /// The microphone.
    Microphone,
    /// The loudspeaker.
    Speaker,
    /// Whom the bell rings.
    Ring,
    /// The MQTT broker.
    Broker,
    /// The device's user there.
    BrokerUser,
    /// That user's password.
    BrokerPassword,
    /// Whether a file that is there may go.
    Overwrite,
}

impl Topic {
    /// The flag that answers it.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Hub => "--hub",
            Self::Code => "--code",
            Self::AppId => "--app-id",
            Self::AuthKey => "--auth-key-file",
            Self::Login => "--login",
            Self::Password => "--password-file",
            Self::Ca => "--ca",
            Self::Camera => "--camera",
            Self::Microphone => "--microphone",
            Self::Speaker => "--speaker",
            Self::Ring => "--ring",
            Self::Broker => "--broker",
            Self::BrokerUser => "--broker-user",
            Self::BrokerPassword => "--broker-password-file",
            Self::Overwrite => "--force",
        }
    }

    /// Whether the answer must not be shown while it is typed.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::AuthKey | Self::Password | Self::BrokerPassword)
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Hub => {
                "Where is the hub? A number, an address such as https://hub.lan:8443, or \"cloud\""
            }
            Self::Code => {
                "The code that `cubelet hub enroll` printed, or \"account\" to use one that exists"
            }
            Self::AppId => "The application's number (app_id)",
            Self::AuthKey => "The application's key (auth_key)",
            Self::Login => "The device's login",
            Self::Password => "Its password",
            Self::Ca => "The file of the hub's CA certificate; nothing for a public one",
            Self::Camera => "Which camera?",
            Self::Microphone => "Which microphone?",
            Self::Speaker => "Which loudspeaker?",
            Self::Ring => "Whom does the bell ring? Logins with commas between them",
            Self::Broker => "Which MQTT broker? HOST or HOST:PORT, or \"none\"",
            Self::BrokerUser => "The device's user at the broker; nothing for none",
            Self::BrokerPassword => "That user's password",
            Self::Overwrite => "There is a configuration already. Replace it? (it is kept beside)",
        }
    }
}

/// One of the answers offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is answered.
    pub value: String,
    /// What people see.
    pub label: String,
}

impl Choice {
    /// One that explains itself with a few words.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
        }
    }
}

/// What to ask somebody now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What about.
    pub topic: Topic,
    /// The words.
    pub text: &'static str,
    /// Answers to choose from by number; others may be possible.
    pub choices: Vec<Choice>,
    /// What nothing means; `None` if something must be said.
    pub default: Option<String>,
}
