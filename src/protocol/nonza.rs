//! The elements of stream management (XEP-0198), read leniently and written strictly.

use minidom::{Element, ElementBuilder};

use super::ns;
use super::xml::SetAttribute;

/// The elements of stream management; "nonza" is XEP-0360's word for what is no stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nonza {
    /// `<enable/>`: count from here on (§3).
    Enable {
        /// Whether the stream shall be resumable.
        resume: bool,
        /// For how many seconds the client wishes it to be.
        max: Option<u32>,
    },
    /// `<enabled/>`: counting has begun (§3).
    Enabled {
        /// Whether the stream can be resumed.
        resume: bool,
        /// Under which name; required to resume.
        id: Option<String>,
        /// For how many seconds after a cut.
        max: Option<u32>,
        /// Where the server would like to be reached for it.
        location: Option<String>,
    },
    /// `<resume/>`: go on with an earlier stream (§5).
    Resume {
        /// Its name.
        previous: String,
        /// Our count on it.
        handled: u32,
    },
    /// `<resumed/>`: it goes on (§5).
    Resumed {
        /// Its name.
        previous: String,
        /// The server's count on it.
        handled: u32,
    },
    /// `<failed/>`: neither enabled nor resumed (§3, §5).
    Failed {
        /// The server's count on the stream that cannot be resumed, if it still knows.
        handled: Option<u32>,
        /// The stanza error condition's name (RFC 6120 §8.3.3), if stated.
        condition: Option<String>,
    },
    /// `<r/>`: what is your count? (§4)
    Request,
    /// `<a/>`: this is our count (§4).
    Answer {
        /// The count.
        handled: u32,
    },
}

/// An element of the stream management namespace that cannot be acted on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NonzaError {
    /// XEP-0198 defines no such element.
    #[error("<{0}/> is no element of stream management")]
    Unknown(String),
    /// Something it cannot do without is absent or no number below 2³².
    #[error("<{element}/> has no usable '{attribute}'")]
    Attribute {
        /// The element's name.
        element: &'static str,
        /// The attribute's name.
        attribute: &'static str,
    },
}

impl Nonza {
    /// Reads an element of [`ns::SM`]. An optional attribute that makes no sense counts as absent.
    ///
    /// # Errors
    /// [`NonzaError`].
    pub fn read(element: &Element) -> Result<Self, NonzaError> {
        let text = |name: &str| element.attr(name).map(str::to_owned);
        let number = |name: &str| element.attr(name)?.trim().parse::<u32>().ok();
        let resume = || matches!(element.attr("resume"), Some("true" | "1"));
        let lacks = |element, attribute| NonzaError::Attribute { element, attribute };
        Ok(match element.name() {
            _ if element.ns() != ns::SM => {
                return Err(NonzaError::Unknown(element.name().to_owned()));
            }
            "enable" => Self::Enable {
                resume: resume(),
                max: number("max"),
            },
            "enabled" => Self::Enabled {
                resume: resume(),
                id: text("id"),
                max: number("max"),
                location: text("location"),
            },
            "resume" => Self::Resume {
                previous: text("previd").ok_or(lacks("resume", "previd"))?,
                handled: number("h").ok_or(lacks("resume", "h"))?,
            },
            "resumed" => Self::Resumed {
                previous: text("previd").ok_or(lacks("resumed", "previd"))?,
                handled: number("h").ok_or(lacks("resumed", "h"))?,
            },
            "failed" => Self::Failed {
                handled: number("h"),
                condition: element
                    .children()
                    .find(|child| child.ns() == ns::STANZAS && child.name() != "text")
                    .map(|child| child.name().to_owned()),
            },
            "r" => Self::Request,
            "a" => Self::Answer {
                handled: number("h").ok_or(lacks("a", "h"))?,
            },
            name => return Err(NonzaError::Unknown(name.to_owned())),
        })
    }

    /// The element. An unknown condition in [`Nonza::Failed`] is written as it is and must be an
    /// XML name.
    pub fn to_element(&self) -> Element {
        let build = |name: &str| Element::builder(name, ns::SM);
        let builder = match self {
            Self::Enable { resume, max } => optional(resumable(build("enable"), *resume), *max),
            Self::Enabled {
                resume,
                id,
                max,
                location,
            } => {
                let mut enabled = optional(resumable(build("enabled"), *resume), *max);
                if let Some(id) = id {
                    enabled = enabled.with("id", id);
                }
                match location {
                    Some(location) => enabled.with("location", location),
                    None => enabled,
                }
            }
            Self::Resume { previous, handled } => build("resume")
                .with("previd", previous)
                .with("h", handled.to_string()),
            Self::Resumed { previous, handled } => build("resumed")
                .with("previd", previous)
                .with("h", handled.to_string()),
            Self::Failed { handled, condition } => {
                let mut failed = build("failed");
                if let Some(handled) = handled {
                    failed = failed.with("h", handled.to_string());
                }
                match condition {
                    Some(condition) => failed.append(Element::bare(condition, ns::STANZAS)),
                    None => failed,
                }
            }
            Self::Request => build("r"),
            Self::Answer { handled } => build("a").with("h", handled.to_string()),
        };
        builder.build()
    }
}

/// `false` is what absence means (XEP-0198 §11), and some clients read any value as true.
fn resumable(builder: ElementBuilder, resume: bool) -> ElementBuilder {
    if resume {
        builder.with("resume", "true")
    } else {
        builder
    }
}

fn optional(builder: ElementBuilder, max: Option<u32>) -> ElementBuilder {
    match max {
        Some(max) => builder.with("max", max.to_string()),
        None => builder,
    }
}

/// `<r/>`: asks the peer for its count.
pub fn request() -> Element {
    Nonza::Request.to_element()
}

/// `<a h='…'/>`: tells the peer our count.
pub fn answer(handled: u32) -> Element {
    Nonza::Answer { handled }.to_element()
}

/// The `h` of an `<a/>`, if it is one.
pub fn handled_of(element: &Element) -> Option<u32> {
    match Nonza::read(element) {
        Ok(Nonza::Answer { handled }) => Some(handled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_read_back() {
        let all = [
            Nonza::Enable {
                resume: true,
                max: Some(60),
            },
            Nonza::Enable {
                resume: false,
                max: None,
            },
            Nonza::Enabled {
                resume: true,
                id: Some("a<b".into()),
                max: Some(600),
                location: Some("[2001:db8::1]:5223".into()),
            },
            Nonza::Resume {
                previous: "x".into(),
                handled: u32::MAX,
            },
            Nonza::Resumed {
                previous: "x".into(),
                handled: 0,
            },
            Nonza::Failed {
                handled: Some(3),
                condition: Some("item-not-found".into()),
            },
            Nonza::Failed {
                handled: None,
                condition: None,
            },
            Nonza::Request,
            Nonza::Answer { handled: 7 },
        ];
        for nonza in all {
            let text = String::from(&nonza.to_element());
            let element: Element = text.parse().unwrap();
            assert_eq!(Nonza::read(&element), Ok(nonza), "{text}");
        }
    }

    #[test]
    fn what_lacks_the_indispensable_is_refused_and_the_rest_forgiven() {
        let read = |text: &str| Nonza::read(&text.parse::<Element>().unwrap());
        let lenient = "<enabled xmlns='urn:xmpp:sm:3' resume='1' id='x' max='soon' shiny='yes'/>";
        assert_eq!(
            read(lenient),
            Ok(Nonza::Enabled {
                resume: true,
                id: Some("x".into()),
                max: None,
                location: None
            })
        );
        for (text, element, attribute) in [
            ("<resume xmlns='urn:xmpp:sm:3' h='1'/>", "resume", "previd"),
            (
                "<resumed xmlns='urn:xmpp:sm:3' previd='x' h='-1'/>",
                "resumed",
                "h",
            ),
            ("<a xmlns='urn:xmpp:sm:3' h='4294967296'/>", "a", "h"),
        ] {
            let error = NonzaError::Attribute { element, attribute };
            assert_eq!(read(text), Err(error), "{text}");
        }
        assert!(read("<sm xmlns='urn:xmpp:sm:3'/>").is_err());
        assert!(read("<r xmlns='urn:xmpp:sm:2'/>").is_err());
    }
}
