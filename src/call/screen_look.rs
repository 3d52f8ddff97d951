//! How a picture is put onto a screen: which part of it, fitted how, mirrored or not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What becomes of a picture whose shape is not the screen's.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScreenFit {
    /// All of it is seen, between black bars.
    #[default]
    Contain,
    /// It fills the screen, and what does not fit is cut off.
    Cover,
}

/// The part of a screen that is used: `full`, or `WIDTHxHEIGHT+X+Y` in pixels, as X11 writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ScreenArea {
    /// All of it.
    #[default]
    Full,
    /// A rectangle.
    Part(ScreenPart),
}

/// A rectangle on a screen, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreenPart {
    /// 16 to 8192, even.
    pub width: u16,
    /// 16 to 8192, even.
    pub height: u16,
    /// From the left, 0 to 8191.
    pub x: u16,
    /// From the top, 0 to 8191.
    pub y: u16,
}

impl ScreenPart {
    /// What of it is on a screen of that size, pixels; none when that is less than 16 in either
    /// direction. Nothing larger than the screen is ever made for it.
    pub fn on(self, screen: (u32, u32)) -> Option<Self> {
        let rest = |whole: u32, from: u16, wanted: u16| {
            let there = whole.saturating_sub(from.into()).min(wanted.into());
            // Not above `wanted`, which fits.
            u16::try_from(there).ok().map(|pixels| pixels & !1)
        };
        let width = rest(screen.0, self.x, self.width)?;
        let height = rest(screen.1, self.y, self.height)?;
        (width >= 16 && height >= 16).then_some(Self {
            width,
            height,
            ..self
        })
    }
}

/// What is no [`ScreenArea`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `full` or `WIDTHxHEIGHT+X+Y` in pixels: width and height even, 16 to 8192, X and Y 0 \
     to 8191"
)]
pub struct NoScreenArea;

impl std::str::FromStr for ScreenArea {
    type Err = NoScreenArea;

    fn from_str(text: &str) -> Result<Self, NoScreenArea> {
        if text == "full" {
            return Ok(Self::Full);
        }
        let numbers = |text: &str| -> Option<ScreenPart> {
            let (width, rest) = text.split_once('x')?;
            let mut rest = rest.split('+');
            let [height, x, y] = [rest.next()?, rest.next()?, rest.next()?].map(whole);
            if rest.next().is_some() {
                return None;
            }
            Some(ScreenPart {
                width: whole(width)?,
                height: height?,
                x: x?,
                y: y?,
            })
        };
        let part = numbers(text).ok_or(NoScreenArea)?;
        let is_size = |size: u16| (16..=8192).contains(&size) && size.is_multiple_of(2);
        if is_size(part.width) && is_size(part.height) && part.x < 8192 && part.y < 8192 {
            Ok(Self::Part(part))
        } else {
            Err(NoScreenArea)
        }
    }
}

/// Digits alone; the library's own parser takes a sign too.
pub(crate) fn whole(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for ScreenArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Part(ScreenPart {
                width,
                height,
                x,
                y,
            }) => write!(f, "{width}x{height}+{x}+{y}"),
        }
    }
}

impl TryFrom<String> for ScreenArea {
    type Error = NoScreenArea;

    fn try_from(text: String) -> Result<Self, NoScreenArea> {
        text.parse()
    }
}

impl From<ScreenArea> for String {
    fn from(area: ScreenArea) -> Self {
        area.to_string()
    }
}

impl schemars::JsonSchema for ScreenArea {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ScreenArea".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "`full`, or `WIDTHxHEIGHT+X+Y` in pixels: width and height even, 16 to \
                8192, X and Y 0 to 8191.",
            "type": "string",
            "pattern": "^(full|[0-9]+x[0-9]+\\+[0-9]+\\+[0-9]+)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_area_is_read_as_it_is_written(
            width in 8_u16..=4096, height in 8_u16..=4096, x in 0_u16..8192, y in 0_u16..8192,
        ) {
            let part = ScreenPart { width: width * 2, height: height * 2, x, y };
            let area = ScreenArea::Part(part);
            prop_assert_eq!(area.to_string().parse(), Ok(area));
        }

        #[test]
        fn whatever_else_is_written_is_refused(text in "[0-9x+ full-]{0,20}") {
            if let Ok(area) = text.parse::<ScreenArea>() {
                // Leading zeros are all that may differ.
                prop_assert_eq!(area.to_string().parse(), Ok(area));
                prop_assert!(!text.contains([' ', '-']));
            }
        }
    }

    #[test]
    fn what_lies_beside_the_screen_is_left_out() {
        let part = |text: &str| match text.parse() {
            Ok(ScreenArea::Part(part)) => part,
            other => panic!("{other:?}"),
        };
        let on = |text: &str| part(text).on((1281, 720));
        assert_eq!(on("640x360+20+10"), Some(part("640x360+20+10")));
        assert_eq!(on("8192x8192+0+0"), Some(part("1280x720+0+0")));
        assert_eq!(on("8192x8192+1001+700"), Some(part("280x20+1001+700")));
        assert_eq!(on("640x360+1270+0"), None);
        assert_eq!(on("640x360+0+8191"), None);
    }

    #[test]
    fn what_no_screen_has_is_no_area() {
        for text in [
            "",
            "640x480",
            "15x16+0+0",
            "641x480+0+0",
            "640x480+0+8192",
            "640x8194+0+0",
            "640x480+0+0+0",
            "640x480-1+0",
            "+640x480+0+0",
            "Full",
        ] {
            assert_eq!(text.parse::<ScreenArea>(), Err(NoScreenArea), "{text:?}");
        }
    }
}
