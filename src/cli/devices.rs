//! `cubelet devices`: what is attached, how to name it in a configuration, and which codec will be
//! used and why.

use std::fmt::Write;

use serde::Serialize;

use crate::device::cameras::{self, Role, VideoNode};
use crate::device::controls;
use crate::device::gpio::{self, Chip};
use crate::device::sound::{self, Pcm, Use};
use crate::media::encoder::Verdict;
use crate::media::source::{Elsewhere, elsewhere};
use crate::media::{VideoCodec, decoder, encoder};

/// Sizes shown of each format; `--json` has all.
const SIZES_SHOWN: usize = 6;

/// Arguments of `cubelet devices`.
#[derive(Debug, clap::Args)]
pub struct DevicesArgs {
    /// Everything as one JSON object, with every size and control.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Inventory {
    video: Vec<VideoNode>,
    other_cameras: Vec<Elsewhere>,
    sound: Vec<Pcm>,
    /// Why ALSA told nothing.
    sound_error: Option<String>,
    gpio: Vec<Chip>,
    codecs: Vec<Codec>,
}

#[derive(Serialize)]
struct Codec {
    codec: &'static str,
    encoders: Vec<Verdict>,
    decoders: Vec<Verdict>,
}

/// Looks and prints. Codecs are really tried, which takes a second or two.
///
/// # Errors
/// Only when stdout is closed.
pub fn run(arguments: &DevicesArgs) -> anyhow::Result<()> {
    let (sound, sound_error) = match sound::pcms() {
        Ok(pcms) => (pcms, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let inventory = Inventory {
        video: cameras::video_nodes(),
        other_cameras: elsewhere(),
        sound,
        sound_error,
        gpio: gpio::chips(),
        codecs: [VideoCodec::H264, VideoCodec::Vp8]
            .map(|codec| Codec {
                codec: codec.encoding_name(),
                encoders: encoder::survey(codec),
                decoders: decoder::survey(codec),
            })
            .into(),
    };
    let text = if arguments.json {
        serde_json::to_string(&inventory)?
    } else {
        page(&inventory)
    };
    super::output::print(format!("{}\n", text.trim_end()))?;
    Ok(())
}

fn page(inventory: &Inventory) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_cameras(&mut page, &inventory.video);
    let _ = write_elsewhere(&mut page, &inventory.other_cameras);
    let _ = write_sound(&mut page, inventory);
    let _ = write_lines(&mut page, &inventory.gpio);
    for codec in &inventory.codecs {
        let _ = write_codec(&mut page, codec.codec, "encoders", &codec.encoders);
        let _ = write_codec(&mut page, codec.codec, "decoders", &codec.decoders);
    }
    page
}

fn write_cameras(page: &mut String, nodes: &[VideoNode]) -> std::fmt::Result {
    writeln!(page, "CAMERAS")?;
    let mut others = Vec::new();
    let mut any = false;
    for node in nodes {
        match &node.role {
            Role::Camera { formats, controls } => {
                any = true;
                let path = node.path.display();
                writeln!(
                    page,
                    "  source = \"v4l2:{path}\"   {} ({})",
                    node.name, node.bus
                )?;
                for format in formats {
                    let mut sizes: Vec<String> = format
                        .sizes
                        .iter()
                        .take(SIZES_SHOWN)
                        .map(ToString::to_string)
                        .collect();
                    if format.sizes.len() > SIZES_SHOWN {
                        sizes.push("…".into());
                    }
                    writeln!(page, "    {}  {}", format.fourcc, sizes.join(" "))?;
                }
                if !controls.is_empty() {
                    writeln!(page, "    can be set (`camera/set`, `controls`):")?;
                }
                for control in controls {
                    let range = controls::range(control);
                    write!(page, "      {}: {range}", control.key)?;
                    match control.value {
                        Some(value) => writeln!(page, "; is {value}")?,
                        None => writeln!(page)?,
                    }
                }
            }
            Role::Unusable { reason } => {
                any = true;
                writeln!(page, "  {reason}")?;
            }
            Role::Converter => others.push(format!("{} ({})", node.path.display(), node.name)),
            Role::Other => {}
        }
    }
    if !any {
        writeln!(
            page,
            "  none. A camera on a ribbon cable shows up when its overlay is in config.txt; a USB \
             camera at once. source = \"test:ball\" works without one."
        )?;
    }
    if !others.is_empty() {
        writeln!(page, "  no cameras but converters: {}", others.join(", "))?;
    }
    writeln!(page)
}

fn write_elsewhere(page: &mut String, others: &[Elsewhere]) -> std::fmt::Result {
    writeln!(page, "OTHER SOURCES")?;
    for other in others {
        let note = other.refused.as_deref().unwrap_or("can be used");
        writeln!(page, "  source = \"{}\"   {note}", other.source)?;
    }
    writeln!(page)
}

fn write_sound(page: &mut String, inventory: &Inventory) -> std::fmt::Result {
    writeln!(page, "SOUND")?;
    if let Some(error) = &inventory.sound_error {
        writeln!(page, "  {error}")?;
    }
    let mut any = false;
    for pcm in &inventory.sound {
        if pcm.capture == Use::Absent && pcm.playback == Use::Absent {
            continue;
        }
        any = true;
        writeln!(page, "  \"alsa:{}\"   {}", pcm.name, pcm.description)?;
        writeln!(
            page,
            "    microphone: {}; speaker: {}",
            said(&pcm.capture),
            said(&pcm.playback)
        )?;
    }
    if !any {
        writeln!(
            page,
            "  no sound card. source = \"test\" and sink = \"null\" work without one."
        )?;
    }
    writeln!(page)
}

fn write_lines(page: &mut String, chips: &[Chip]) -> std::fmt::Result {
    writeln!(page, "GPIO LINES")?;
    for chip in chips {
        let lines = match &chip.lines {
            Ok(lines) => lines,
            Err(reason) => {
                writeln!(page, "  {reason}")?;
                continue;
            }
        };
        writeln!(
            page,
            "  {} ({}), {} lines",
            chip.name,
            chip.label,
            lines.len()
        )?;
        let free: Vec<String> = lines
            .iter()
            .filter(|line| line.used_by.is_none())
            .map(|line| match line.name.as_str() {
                "" => format!("gpio:{}:{}", chip.name, line.number),
                name => format!("gpio:{name}"),
            })
            .collect();
        writeln!(page, "    free: {}", free.join(" "))?;
    }
    if chips.is_empty() {
        writeln!(page, "  none. relay = \"log\" works without one.")?;
    }
    writeln!(page)
}

fn said(usable: &Use) -> &str {
    match usable {
        Use::Works => "yes",
        Use::Absent => "no",
        Use::Refused(reason) => reason,
    }
}

fn write_codec(
    page: &mut String,
    codec: &str,
    what: &str,
    verdicts: &[Verdict],
) -> std::fmt::Result {
    writeln!(page, "{codec} {}", what.to_uppercase())?;
    let chosen = verdicts
        .iter()
        .position(|verdict| verdict.refused.is_none());
    for (index, verdict) in verdicts.iter().enumerate() {
        let note = match &verdict.refused {
            Some(reason) => reason.as_str(),
            None if Some(index) == chosen => {
                "works: will be used, being the first of these that does"
            }
            None => "works",
        };
        writeln!(page, "  {:<14} {note}", verdict.element)?;
    }
    if chosen.is_none() {
        writeln!(
            page,
            "  none works: install gstreamer1.0-plugins-bad or -ugly"
        )?;
    }
    writeln!(page)
}
