//! `[display]`.

use super::{Display, ScreenFit, ScreenLayout, ScreenSelfView, VideoSink};
use crate::call::screen_look::whole;
use crate::config::reader::SectionReader;

pub(super) fn read(section: &SectionReader<'_>) -> Option<Display> {
    let sink = section.text("sink").map(|sink| match sink {
        "window" => VideoSink::Window,
        "wayland" => VideoSink::Wayland,
        "x11" => VideoSink::X11,
        "kms" => VideoSink::Kms,
        _ => VideoSink::Null,
    });
    let address = section.parsed("address", |text| match sink {
        _ if text.is_empty() || text.len() > 107 => {
            Err("must be 1 to 107 bytes, as sockets are named".to_owned())
        }
        Some(VideoSink::X11) if !text.contains(':') => {
            Err("must be a display of X11, as `:0`".to_owned())
        }
        Some(VideoSink::Kms) if !text.starts_with("/dev/") => {
            Err("must be a device, as `/dev/dri/card1`".to_owned())
        }
        _ => Ok(text.to_owned()),
    });
    let connector = section.parsed("connector", |text| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if (1..=32).contains(&text.len()) && text.chars().all(is_plain) {
            Ok(text.to_owned())
        } else {
            Err("must be a connector's name, as `HDMI-A-1`".to_owned())
        }
    });
    let mode = section.parsed("mode", |text| {
        let number = |text: &str| whole(text).filter(|pixels| (16..=8192).contains(pixels));
        text.split_once('x')
            .and_then(|(width, height)| Some((number(width)?, number(height)?)))
            .ok_or_else(|| "must be WIDTHxHEIGHT, 16 to 8192 pixels each, as `1280x720`".to_owned())
    });
    for key in ["connector", "mode"] {
        if section.given(key) && sink.is_some_and(|sink| sink != VideoSink::Kms) {
            section.fail(key, "has a use with `sink = \"kms\"` only");
        }
    }
    let rotate = section.integer("rotate");
    if rotate.is_some_and(|degrees: u16| !degrees.is_multiple_of(90)) {
        section.fail("rotate", "must be 0, 90, 180 or 270");
    }
    let mirror = section.boolean("mirror");
    let fit = section.text("fit").map(|fit| match fit {
        "cover" => ScreenFit::Cover,
        _ => ScreenFit::Contain,
    });
    let area = section.parsed("area", |text| {
        text.parse()
            .map_err(|error: crate::call::screen_look::NoScreenArea| error.to_string())
    });
    let layout = section.text("layout").map(|layout| match layout {
        "speaker" => ScreenLayout::Speaker,
        _ => ScreenLayout::Grid,
    });
    let self_view = section.text("self_view").map(|place| match place {
        "top_left" => ScreenSelfView::TopLeft,
        "top_right" => ScreenSelfView::TopRight,
        "bottom_left" => ScreenSelfView::BottomLeft,
        "bottom_right" => ScreenSelfView::BottomRight,
        _ => ScreenSelfView::Off,
    });
    Some(Display {
        sink: sink?,
        address,
        connector,
        mode,
        rotate: rotate?,
        mirror: mirror?,
        fit: fit?,
        area: area?,
        layout: layout?,
        self_view: self_view?,
    })
}
