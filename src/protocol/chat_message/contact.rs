//! Contacts as attachments (RT-43): a name and a telephone number.

use serde::{Deserialize, Serialize};

use super::attachment::Attachment;
use crate::protocol::percent;

/// The attachment's type.
const KIND: &str = "contact";

/// A contact card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Contact {
    /// The telephone number as it was written.
    pub phone: String,
    /// Whose it is.
    pub name: String,
}

impl Contact {
    /// The contact in an attachment, if it is one that can be read. Its `data` is JSON, which
    /// some clients write percent-encoded.
    pub fn of(attachment: &Attachment) -> Option<Self> {
        if attachment.kind != KIND {
            return None;
        }
        let data = attachment.data.as_deref()?;
        let plain = serde_json::from_str(data);
        plain
            .or_else(|_| serde_json::from_str(&percent::decode(data)))
            .ok()
    }

    /// The contact as an attachment, its `data` as raw JSON.
    pub fn to_attachment(&self) -> Attachment {
        let data = serde_json::json!({ "phone": self.phone, "name": self.name });
        Attachment {
            kind: KIND.to_owned(),
            data: Some(data.to_string()),
            ..Attachment::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attached(kind: &str, data: &str) -> Attachment {
        Attachment {
            kind: kind.to_owned(),
            data: Some(data.to_owned()),
            ..Attachment::default()
        }
    }

    fn ana() -> Contact {
        Contact {
            phone: "+49 30 1234".to_owned(),
            name: "Ana & Co".to_owned(),
        }
    }

    #[test]
    fn raw_and_percent_encoded_json_are_the_same_contact() {
        let raw = r#"{"phone":"+49 30 1234","name":"Ana & Co","more":1}"#;
        assert_eq!(Contact::of(&attached("contact", raw)), Some(ana()));
        let encoded =
            "%7B%22phone%22%3A%22%2B49%2030%201234%22%2C%22name%22%3A%22Ana%20%26%20Co%22%7D";
        assert_eq!(Contact::of(&attached("contact", encoded)), Some(ana()));
    }

    #[test]
    fn what_is_no_contact_stays_an_attachment_alone() {
        let raw = r#"{"phone":"1","name":"Ana"}"#;
        assert_eq!(Contact::of(&attached("location", raw)), None);
        assert_eq!(Contact::of(&attached("contact", "BEGIN:VCARD")), None);
        assert_eq!(Contact::of(&attached("contact", r#"{"phone":"1"}"#)), None);
        let without = Attachment {
            data: None,
            ..attached("contact", "")
        };
        assert_eq!(Contact::of(&without), None);
    }

    proptest! {
        #[test]
        fn a_contact_is_read_back_as_it_was(phone in ".{0,20}", name in ".{0,40}") {
            let contact = Contact { phone, name };
            prop_assert_eq!(Contact::of(&contact.to_attachment()), Some(contact));
        }
    }
}
