//! Attachments: a file, picture, place or contact that goes with a message (B.2; RT-40…RT-43).

use minidom::Element;
use minidom::rxml::{Namespace, NcName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::protocol::ns;
use crate::protocol::xml::clean_text;

/// What is attached, by attributes alone. Everything but `kind` is optional; attributes without a
/// field, and numbers that are none, are kept in `other`. The serde form is the REST API's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attachment {
    /// `photo`, `image`, `video`, `audio`, `file`, `location`, `place`, `contact` …
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Number or uid of the file, as older clients have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The file's uid: what a download address is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Where the content is, if not in the file store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The content of places and contacts, opaque: raw JSON from some clients, percent-encoded
    /// from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number")]
    #[schemars(with = "Option<u64>")]
    pub size: Option<u64>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number")]
    #[schemars(with = "Option<u64>")]
    pub width: Option<u64>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number")]
    #[schemars(with = "Option<u64>")]
    pub height: Option<u64>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number")]
    #[schemars(with = "Option<u64>")]
    pub duration: Option<u64>,
    /// MIME type.
    #[serde(
        rename = "content-type",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub content_type: Option<String>,
    /// File name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Further attributes.
    #[serde(flatten)]
    pub other: BTreeMap<String, Text>,
}

/// An attribute's text; the REST API may have it as a number or a truth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }))
    }
}

/// Numbers that some servers write as strings.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub fn serialize<S: Serializer>(value: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        Ok(match Value::deserialize(from)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        })
    }
}

impl Attachment {
    /// Reads an `<attachment/>`.
    pub(super) fn read(element: &Element) -> Self {
        let mut attachment = Self::default();
        for ((_, name), value) in element.attrs().iter() {
            attachment.set(name.as_str(), value.to_string());
        }
        attachment
    }

    fn set(&mut self, name: &str, value: String) {
        let number = match name {
            "size" => Some(&mut self.size),
            "width" => Some(&mut self.width),
            "height" => Some(&mut self.height),
            "duration" => Some(&mut self.duration),
            _ => None,
        };
        if let Some(number) = number
            && let Ok(value) = value.parse()
        {
            *number = Some(value);
            return;
        }
        match name {
            "type" => self.kind = value,
            "id" => self.id = Some(value),
            "uid" => self.uid = Some(value),
            "url" => self.url = Some(value),
            "data" => self.data = Some(value),
            "content-type" => self.content_type = Some(value),
            "name" => self.name = Some(value),
            _ => {
                self.other.insert(name.to_owned(), Text(value));
            }
        }
    }

    /// The `<attachment/>`. Further attributes whose name is no XML name are left out.
    pub(super) fn to_element(&self) -> Element {
        let mut element = Element::bare("attachment", ns::CLIENT);
        let attributes = element.attrs_mut();
        let mut put = |name: &str, value: &str| {
            if let Ok(name) = NcName::try_from(name) {
                attributes.insert(Namespace::NONE, name, clean_text(value));
            }
        };
        put("type", &self.kind);
        for (name, value) in [
            ("id", &self.id),
            ("uid", &self.uid),
            ("url", &self.url),
            ("data", &self.data),
            ("content-type", &self.content_type),
            ("name", &self.name),
        ] {
            if let Some(value) = value {
                put(name, value);
            }
        }
        for (name, value) in [
            ("size", self.size),
            ("width", self.width),
            ("height", self.height),
            ("duration", self.duration),
        ] {
            if let Some(value) = value {
                put(name, &value.to_string());
            }
        }
        for (name, value) in &self.other {
            put(name, &value.0);
        }
        element
    }
}
