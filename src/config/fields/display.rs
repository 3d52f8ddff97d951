//! `[display]`: where the other side's picture is shown.

use super::{Kind, NO_REFUSED, Occurs, Section, Without, boolean, field, integer};

pub(super) const SECTION: Section = Section {
    name: "display",
    doc: "Where the other side's picture is shown.",
    occurs: Occurs::Defaulted,
    refused: NO_REFUSED,
    fields: &[
        field(
            "sink",
            Kind::Choice(&["none", "null", "window", "wayland", "x11", "kms"]),
            Without::Text("none"),
            "`window` shows it in a window of the desktop there is, Wayland's or X11's; `wayland` and \
             `x11` in one of that alone; `kms` on a screen without a desktop; `none` (or `null`) \
             nowhere. A screen that is missing or goes away is told in `display/state` and tried \
             again each second; calls go on without.",
        ),
        field(
            "address",
            Kind::Text("display, socket or device"),
            Without::Rule(
                "what `WAYLAND_DISPLAY` or `DISPLAY` names; with `kms` each card in turn",
            ),
            "Of X11 the display, as `:0`; of Wayland the socket, as `wayland-1` or a path; of `kms` \
             the device, as `/dev/dri/card1`. A service has no environment that names one.",
        ),
        field(
            "connector",
            Kind::Text("connector"),
            Without::Rule("the first a screen is connected to"),
            "With `kms`: where the screen is connected, as `HDMI-A-1` or `DSI-1` \
             (`ls /sys/class/drm`).",
        ),
        field(
            "mode",
            Kind::Text("WIDTHxHEIGHT"),
            Without::Rule("the one the screen prefers"),
            "With `kms`: the screen's resolution, as `1280x720`.",
        ),
        integer(
            "rotate",
            0,
            270,
            0,
            "Degrees pictures are turned by, clockwise, for a screen that is mounted so: 0, 90, 180 or \
             270.",
        ),
        boolean(
            "mirror",
            false,
            "Left and right exchanged; changed while the device runs by `display/set`.",
        ),
        field(
            "fit",
            Kind::Choice(&["contain", "cover"]),
            Without::Text("contain"),
            "A picture of another shape than the screen's: all of it between black bars (`contain`), \
             or as much of it as fills the screen (`cover`); changed while the device runs by \
             `display/set`.",
        ),
        field(
            "area",
            Kind::Text("`full` or WIDTHxHEIGHT+X+Y"),
            Without::Text("full"),
            "The part of the screen that is used, pixels: width and height even, 16 to 8192, X and Y \
             0 to 8191; changed while the device runs by `display/set`. On Wayland the compositor \
             chooses the place.",
        ),
        field(
            "layout",
            Kind::Choice(&["grid", "speaker"]),
            Without::Text("grid"),
            "How several people share it: all of one size, or one large and the others below; \
             changed while the device runs by `display/set`. One person alone has all of it. Who \
             sends no picture for 3 s, or black for 1 s, makes room.",
        ),
        field(
            "self_view",
            Kind::Choice(&[
                "off",
                "top_left",
                "top_right",
                "bottom_left",
                "bottom_right",
            ]),
            Without::Text("off"),
            "The corner in which people see themselves during a call, small and as in a mirror, for \
             as long as the others see them; changed while the device runs by `display/set`. It \
             makes one person's picture one of several, which are put together at 25 pictures a \
             second.",
        ),
    ],
};
