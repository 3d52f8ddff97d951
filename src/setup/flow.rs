//! Which question or trial comes next. No clock, terminal or device: answers and outcomes come in,
//! steps go out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::answer::{beside, check_broker, check_source, host_and_port, hub_address};
use super::plan::{Broker, Plan};
use super::question::{Choice, Question, Topic};
use crate::config::{Secret, VideoSource};
use crate::protocol::enrolment::{Code, Invitation};

/// The ConnectyCube cloud.
const CLOUD_API: &str = "https://api.connectycube.com";
const CLOUD_CHAT: &str = "tls://chat.connectycube.com:5223";
/// Logins the bell may ring.
const RING_MOST: usize = 32;

/// What there is to choose from on this machine.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Cameras that can be used, as a configuration names them.
    pub cameras: Vec<Choice>,
    /// Microphones.
    pub microphones: Vec<Choice>,
    /// Loudspeakers.
    pub speakers: Vec<Choice>,
    /// Whether a broker listens on this machine.
    pub has_broker: bool,
    /// Whether there is a configuration that somebody wrote.
    pub is_configured: bool,
    /// The device's name, if it is to be another than its login.
    pub name: Option<String>,
}

/// A hub that was found, by an address that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubAddress {
    /// What it calls itself.
    pub name: String,
    /// Its `https` address.
    pub address: String,
}

/// An account that lets us in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// REST.
    pub api: String,
    /// Chat.
    pub chat: String,
    /// The domain of chat addresses, unless it is the host of `chat`.
    pub chat_host: Option<String>,
    /// The hub's own authority, in PEM.
    pub ca: Option<String>,
    /// The application's number.
    pub app_id: u64,
    /// The application's key.
    pub auth_key: Secret,
    /// The login.
    pub login: String,
    /// The number.
    pub user: u64,
    /// The password.
    pub password: Secret,
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Ask; the answer goes to [`Flow::answer`].
    Ask(Question),
    /// Try; what came of it goes to [`Flow::found`], [`Flow::tried`], [`Flow::measured`] or
    /// [`Flow::admitted`].
    Try(Trial),
    /// Somebody does not want the file replaced.
    Declined,
    /// Write this.
    Done(Box<Plan>),
}

/// Something to try.
#[derive(Clone, Debug)]
pub enum Trial {
    /// Look for hubs on the network.
    FindHubs,
    /// A picture of this camera.
    Camera(String),
    /// A second of this microphone.
    Microphone(String),
    /// A tone on this loudspeaker.
    Speaker(String),
    /// How long sound is on its way from this loudspeaker to this microphone.
    Echo {
        /// The microphone.
        microphone: String,
        /// The loudspeaker.
        speaker: String,
    },
    /// A connection to this broker.
    Broker(Broker),
    /// Take a code to a hub. It is good once.
    Redeem {
        /// The hub.
        hub: Url,
        /// The code.
        code: Code,
        /// The authority's whole digest, if the code was scanned.
        authority: Option<[u8; 32]>,
    },
    /// Log in with an account that exists; its number is not known yet.
    LogIn {
        /// What is known.
        account: Box<Admission>,
        /// The file of the hub's authority.
        ca: Option<PathBuf>,
    },
}

impl Trial {
    /// The question whose answer is tried.
    pub fn topic(&self) -> Topic {
        match self {
            Self::FindHubs => Topic::Hub,
            Self::Camera(_) => Topic::Camera,
            Self::Microphone(_) => Topic::Microphone,
            Self::Speaker(_) | Self::Echo { .. } => Topic::Speaker,
            Self::Broker(_) => Topic::Broker,
            Self::Redeem { .. } => Topic::Code,
            Self::LogIn { .. } => Topic::Password,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hub {
    Cloud,
    At(Url),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum WayIn {
    Code(Code, Option<[u8; 32]>),
    Account,
}

/// What can be chosen for one part of the device.
struct Device<'f> {
    topic: Topic,
    there: &'f [Choice],
    /// What can be chosen without anything attached.
    always: &'static [(&'static str, &'static str)],
    trial: fn(String) -> Trial,
}

impl Device<'_> {
    fn choices(&self) -> Vec<Choice> {
        let always = self.always.iter();
        let always = always.map(|(value, label)| Choice::new(*value, *label));
        self.there.iter().cloned().chain(always).collect()
    }
}

/// The questions of a first run.
#[derive(Debug, Default)]
pub struct Flow {
    around: Around,
    hubs: Option<Vec<HubAddress>>,
    hub: Option<Hub>,
    way_in: Option<WayIn>,
    /// Answers that are texts, as they go into the file.
    texts: BTreeMap<Topic, Secret>,
    tried: BTreeMap<Topic, String>,
    /// The echo's delay once it was looked for; none if it was not heard.
    echo: Option<Option<Duration>>,
    admission: Option<Admission>,
}

impl Flow {
    /// With nothing answered.
    pub fn new(around: Around) -> Self {
        Self {
            around,
            ..Self::default()
        }
    }

    /// What comes next.
    pub fn next(&self) -> Step {
        if let Some(step) = self.next_of_hub() {
            return step;
        }
        if let Some(step) = self.next_of_devices() {
            return step;
        }
        if self.around.is_configured {
            match self.text(Topic::Overwrite) {
                None => return self.ask(Topic::Overwrite, Vec::new(), Some("no")),
                Some("yes") => {}
                Some(_) => return Step::Declined,
            }
        }
        let Some(admission) = &self.admission else {
            return self.admit();
        };
        Step::Done(Box::new(Plan {
            name: self.around.name.clone(),
            admission: admission.clone(),
            camera: self.text(Topic::Camera).unwrap_or("none").to_owned(),
            microphone: self.text(Topic::Microphone).unwrap_or("none").to_owned(),
            speaker: self.text(Topic::Speaker).unwrap_or("null").to_owned(),
            ring: self.list(Topic::Ring),
            broker: self.broker(),
        }))
    }

    /// Answers a question, now or before it is asked.
    ///
    /// # Errors
    /// Why that is no answer; it is asked again then.
    pub fn answer(&mut self, topic: Topic, text: &str) -> Result<(), String> {
        let text = text.trim();
        match topic {
            Topic::Hub => return self.answer_hub(text),
            Topic::Code => return self.answer_code(text),
            Topic::AppId if !text.parse::<u64>().is_ok_and(|number| number > 0) => {
                return Err("the application's number is a whole number from 1".into());
            }
            Topic::AuthKey | Topic::Login | Topic::Password if text.is_empty() => {
                return Err("it cannot be empty".into());
            }
            Topic::Camera => {
                text.parse::<VideoSource>()?;
            }
            Topic::Microphone => check_source(text, &["none", "test"], "alsa:")?,
            Topic::Speaker => check_source(text, &["null"], "alsa:")?,
            Topic::Ring if text.split(',').count() > RING_MOST => {
                return Err(format!("the bell rings {RING_MOST} at most"));
            }
            Topic::Broker => check_broker(text)?,
            Topic::Overwrite => {
                let is_yes = matches!(text.to_lowercase().as_str(), "y" | "yes");
                let kept = if is_yes { "yes" } else { "no" };
                self.texts.insert(topic, Secret::new(kept));
                return Ok(());
            }
            _ => {}
        }
        self.texts.insert(topic, Secret::new(text));
        Ok(())
    }

    /// What looking for hubs brought.
    pub fn found(&mut self, hubs: Vec<HubAddress>) {
        self.hubs = Some(hubs);
    }

    /// The echo was looked for. Not to hear it is no mistake: the two may be in different rooms.
    pub fn measured(&mut self, echo: Option<Duration>) {
        self.echo = Some(echo);
    }

    /// How long sound is on its way from loudspeaker to microphone, where that was heard.
    pub fn echo(&self) -> Option<Duration> {
        self.echo.flatten()
    }

    /// What came of a trial. What failed is asked again.
    pub fn tried(&mut self, topic: Topic, outcome: Result<String, ()>) {
        match outcome {
            Ok(finding) => {
                self.tried.insert(topic, finding);
            }
            Err(()) => {
                self.texts.remove(&topic);
                if topic == Topic::Broker {
                    self.texts.remove(&Topic::BrokerUser);
                    self.texts.remove(&Topic::BrokerPassword);
                }
            }
        }
    }

    /// What came of taking a code, or of logging in. What failed is asked again.
    pub fn admitted(&mut self, outcome: Result<Admission, ()>) {
        match outcome {
            Ok(admission) => self.admission = Some(admission),
            Err(()) => {
                self.texts.remove(&Topic::Login);
                self.texts.remove(&Topic::Password);
                self.way_in = match self.way_in.take() {
                    Some(WayIn::Account) => Some(WayIn::Account),
                    _ => None,
                };
            }
        }
    }

    /// What the trials found, by question.
    pub fn findings(&self) -> &BTreeMap<Topic, String> {
        &self.tried
    }

    fn next_of_hub(&self) -> Option<Step> {
        let Some(hub) = &self.hub else {
            let Some(hubs) = &self.hubs else {
                return Some(Step::Try(Trial::FindHubs));
            };
            let choices: Vec<Choice> = hubs
                .iter()
                .map(|hub| Choice::new(&hub.address, &hub.name))
                .collect();
            // Of several, only a person knows which.
            let only = match hubs.as_slice() {
                [only] => Some(only.address.as_str()),
                _ => None,
            };
            return Some(self.ask(Topic::Hub, choices, only));
        };
        let by_hand = match (hub, &self.way_in) {
            (Hub::At(_), None) => return Some(self.ask(Topic::Code, Vec::new(), None)),
            (Hub::At(_), Some(WayIn::Code(..))) => return None,
            (Hub::At(_), Some(WayIn::Account)) => &[
                Topic::Ca,
                Topic::AppId,
                Topic::AuthKey,
                Topic::Login,
                Topic::Password,
            ][..],
            (Hub::Cloud, _) => &[Topic::AppId, Topic::AuthKey, Topic::Login, Topic::Password],
        };
        let missing = by_hand.iter().find(|topic| self.text(**topic).is_none());
        missing.map(|topic| {
            let default = (*topic == Topic::Ca).then_some("");
            self.ask(*topic, Vec::new(), default)
        })
    }

    fn next_of_devices(&self) -> Option<Step> {
        let around = &self.around;
        let devices = [
            Device {
                topic: Topic::Camera,
                there: &around.cameras,
                always: &[
                    ("none", "no camera"),
                    ("test:ball", "a moving test picture"),
                ],
                trial: Trial::Camera,
            },
            Device {
                topic: Topic::Microphone,
                there: &around.microphones,
                always: &[("none", "no microphone"), ("test", "a test tone")],
                trial: Trial::Microphone,
            },
            Device {
                topic: Topic::Speaker,
                there: &around.speakers,
                always: &[("null", "no loudspeaker")],
                trial: Trial::Speaker,
            },
        ];
        for device in devices {
            let topic = device.topic;
            let Some(chosen) = self.text(topic) else {
                let choices = device.choices();
                let first = choices.first().map(|choice| choice.value.clone());
                return Some(self.ask(topic, choices, first.as_deref()));
            };
            // A test picture is tried as well: it shows that an encoder works.
            let is_nothing = matches!(chosen, "none" | "null");
            if !is_nothing && !self.tried.contains_key(&topic) {
                return Some(Step::Try((device.trial)(chosen.to_owned())));
            }
        }
        if let (None, Some(microphone), Some(speaker)) = (
            self.echo,
            self.text(Topic::Microphone),
            self.text(Topic::Speaker),
        ) && microphone.starts_with("alsa:")
            && speaker.starts_with("alsa:")
        {
            return Some(Step::Try(Trial::Echo {
                microphone: microphone.to_owned(),
                speaker: speaker.to_owned(),
            }));
        }
        if self.text(Topic::Ring).is_none() {
            return Some(self.ask(Topic::Ring, Vec::new(), Some("")));
        }
        let Some(broker) = self.text(Topic::Broker) else {
            let default = if around.has_broker {
                "localhost"
            } else {
                "none"
            };
            return Some(self.ask(Topic::Broker, Vec::new(), Some(default)));
        };
        if broker == "none" {
            return None;
        }
        match self.text(Topic::BrokerUser) {
            None => return Some(self.ask(Topic::BrokerUser, Vec::new(), Some(""))),
            Some("") => {}
            Some(_) if self.text(Topic::BrokerPassword).is_none() => {
                return Some(self.ask(Topic::BrokerPassword, Vec::new(), None));
            }
            Some(_) => {}
        }
        let is_untried = !self.tried.contains_key(&Topic::Broker);
        let broker = self.broker().filter(|_| is_untried);
        broker.map(|broker| Step::Try(Trial::Broker(broker)))
    }

    fn admit(&self) -> Step {
        let secret = |topic| {
            self.texts
                .get(&topic)
                .cloned()
                .unwrap_or_else(|| Secret::new(""))
        };
        let (api, chat) = match (&self.hub, &self.way_in) {
            (Some(Hub::At(hub)), Some(WayIn::Code(code, authority))) => {
                return Step::Try(Trial::Redeem {
                    hub: hub.clone(),
                    code: code.clone(),
                    authority: *authority,
                });
            }
            (Some(Hub::At(hub)), _) => (hub.to_string(), beside(hub)),
            _ => (CLOUD_API.to_owned(), CLOUD_CHAT.to_owned()),
        };
        let ca = self.text(Topic::Ca).filter(|ca| !ca.is_empty());
        Step::Try(Trial::LogIn {
            account: Box::new(Admission {
                api,
                chat,
                chat_host: None,
                ca: None,
                // It was checked when it was answered.
                app_id: self
                    .text(Topic::AppId)
                    .and_then(|number| number.parse().ok())
                    .unwrap_or_default(),
                auth_key: secret(Topic::AuthKey),
                login: self.text(Topic::Login).unwrap_or_default().to_owned(),
                user: 0,
                password: secret(Topic::Password),
            }),
            ca: ca.map(PathBuf::from),
        })
    }

    fn answer_hub(&mut self, text: &str) -> Result<(), String> {
        if text == "cloud" {
            self.hub = Some(Hub::Cloud);
            self.way_in = Some(WayIn::Account);
            return Ok(());
        }
        if Invitation::is_meant(text) && text.starts_with("cubelet:") {
            return self.answer_code(text);
        }
        self.hub = Some(Hub::At(hub_address(text)?));
        Ok(())
    }

    fn answer_code(&mut self, text: &str) -> Result<(), String> {
        if text == "account" {
            self.way_in = Some(WayIn::Account);
        } else if Invitation::is_meant(text) {
            let invitation: Invitation = text.parse().map_err(|error| format!("{error}"))?;
            self.way_in = Some(WayIn::Code(invitation.code, invitation.authority));
            // An address that somebody gave beside it is the better one from here.
            self.hub.get_or_insert(Hub::At(invitation.hub));
        } else {
            let code = text
                .parse()
                .map_err(|error| format!("that is no code: {error}"))?;
            self.way_in = Some(WayIn::Code(code, None));
        }
        Ok(())
    }

    fn text(&self, topic: Topic) -> Option<&str> {
        self.texts.get(&topic).map(Secret::expose)
    }

    fn list(&self, topic: Topic) -> Vec<String> {
        let items = self.text(topic).unwrap_or_default().split(',');
        items
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty())
            .collect()
    }

    fn broker(&self) -> Option<Broker> {
        let place = self.text(Topic::Broker).filter(|place| *place != "none")?;
        let (host, port) = host_and_port(place)?;
        let username = self.text(Topic::BrokerUser).filter(|user| !user.is_empty());
        Some(Broker {
            host,
            port,
            username: username.map(str::to_owned),
            password: username.and(self.texts.get(&Topic::BrokerPassword).cloned()),
        })
    }

    fn ask(&self, topic: Topic, choices: Vec<Choice>, default: Option<&str>) -> Step {
        Step::Ask(Question {
            topic,
            text: topic.text(),
            choices,
            default: default.map(str::to_owned),
        })
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
