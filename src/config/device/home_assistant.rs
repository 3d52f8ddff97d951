//! `[mqtt.home_assistant]`.

use super::parse;
use crate::config::reader::SectionReader;

/// The device in Home Assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeAssistant {
    /// Whether it is announced.
    pub enabled: bool,
    /// The discovery prefix, without slash at either end.
    pub prefix: String,
    /// Where Home Assistant says that it is there.
    pub birth_topic: String,
    /// The device's name there, if it is not that of the topics; 1 to 64 characters.
    pub name: Option<String>,
    /// What the announcement looks like.
    pub form: DiscoveryForm,
}

/// The form of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryForm {
    /// One message for the device.
    Device,
    /// One for each component.
    Components,
}

impl Default for HomeAssistant {
    /// Not announced.
    fn default() -> Self {
        Self {
            enabled: false,
            prefix: "homeassistant".to_owned(),
            birth_topic: "homeassistant/status".to_owned(),
            name: None,
            form: DiscoveryForm::Device,
        }
    }
}

pub(super) fn read(section: &SectionReader<'_>) -> Option<HomeAssistant> {
    let enabled = section.boolean("enabled");
    let prefix = section.parsed("prefix", parse::topic_base);
    let birth_topic = section.parsed("birth_topic", parse::topic_base);
    let name = section.parsed("name", |text| match text.chars().count() {
        1..=64 => Ok(text.to_owned()),
        length => Err(format!("must be 1 to 64 characters, not {length}")),
    });
    let form = section.text("form").map(|form| match form {
        "components" => DiscoveryForm::Components,
        _ => DiscoveryForm::Device,
    });
    Some(HomeAssistant {
        enabled: enabled?,
        prefix: prefix?,
        birth_topic: birth_topic?,
        name,
        form: form?,
    })
}
