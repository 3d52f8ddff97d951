//! A camera of the network: whatever an RTSP server (RFC 2326) sends, decoded to pictures.

use std::sync::Arc;

use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

use super::super::decoder;
use super::super::pipeline::{End, Pipeline};
use super::installed;
use super::rtsp_tls::{self, RtspTrust};

/// The element, and where it comes from.
pub(super) const SOURCE: &str = "rtspsrc";
pub(super) const PACKAGE: &str = "gstreamer1.0-plugins-good";

/// How long the camera may take to connect and to answer, microseconds.
const ANSWER_LIMIT_US: u64 = 5_000_000;
/// How long a missing packet is waited for, milliseconds. It delays nothing that arrives in order.
const WAIT_MS: u32 = 200;

/// Where a camera of the network is, and how it lets us in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtspCamera {
    /// `rtsp://host[:port]/path` or `rtsps:`, without user and password.
    pub url: String,
    /// Who looks; nobody in particular without.
    pub login: Option<RtspLogin>,
    /// RTP in datagrams of their own, which a firewall or a lossy network may eat, and not through
    /// the connection.
    pub udp: bool,
    /// Which certificates are good, with `rtsps:`.
    pub trust: RtspTrust,
}

/// A user of a camera.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspLogin {
    /// The camera's name of it.
    pub user: String,
    /// May be empty, as of cameras fresh from the factory.
    pub password: String,
}

impl std::fmt::Debug for RtspLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtspLogin")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What goes wrong is told by GStreamer in words of its own; where it is known better, this says it.
pub(super) type Diagnosis = Arc<Mutex<Option<String>>>;

/// `tail` takes decoded pictures.
pub(super) fn pipeline(
    camera: &RtspCamera,
    tail: &str,
    on_end: impl Fn(End) + Send + Sync + 'static,
) -> Result<Pipeline, String> {
    installed(SOURCE, PACKAGE)?;
    let diagnosis = Diagnosis::default();
    let protocol = if camera.udp { "udp" } else { "tcp" };
    let pipeline = Pipeline::parse(
        &format!(
            "rtspsrc name=camera protocols={protocol} latency={WAIT_MS} \
             tcp-timeout={ANSWER_LIMIT_US} timeout={ANSWER_LIMIT_US} \
             identity name=pictures silent=true ! {tail}"
        ),
        {
            let diagnosis = Arc::clone(&diagnosis);
            move |end| {
                on_end(match (end, diagnosis.lock().take()) {
                    (End::Failed(_), Some(better)) => End::Failed(better),
                    (end, _) => end,
                });
            }
        },
    )?;
    let source: gst::Element = pipeline.element("camera")?;
    source.set_property("location", &camera.url);
    if let Some(login) = &camera.login {
        source.set_property("user-id", &login.user);
        source.set_property("user-pw", &login.password);
    }
    if camera.url.starts_with("rtsps:") {
        rtsp_tls::check_certificates(&source, &camera.trust, &diagnosis)?;
    }
    select_pictures(&source, &diagnosis);
    let pictures: gst::Element = pipeline.element("pictures")?;
    let pictures = pictures.static_pad("sink").ok_or("no way in")?;
    source.connect_pad_added(move |source, pad| {
        if let Err(reason) = decode(source, pad, &pictures) {
            *diagnosis.lock() = Some(reason);
            gst::element_error!(source, gst::StreamError::Decode, ["not decoded"]);
        }
    });
    Ok(pipeline)
}

/// Asks for the first stream of pictures that can be decoded, and for nothing else.
fn select_pictures(source: &gst::Element, diagnosis: &Diagnosis) {
    let diagnosis = Arc::clone(diagnosis);
    // GStreamer asks again for each stream when it begins anew.
    let selected = Mutex::new(None::<u32>);
    source.connect("select-stream", false, move |arguments| {
        let number = arguments.get(1)?.get::<u32>().ok()?;
        let caps = arguments.get(2)?.get::<gst::Caps>().ok()?;
        let mut selected = selected.lock();
        let offered = encoding(&caps);
        let is_wanted = match &offered {
            None => Err("it has sound and no pictures".to_owned()),
            Some(encoding) => decoder::of_network_camera(encoding).map(|_| ()),
        };
        if is_wanted.is_ok() && selected.is_none_or(|selected| selected == number) {
            *selected = Some(number);
            *diagnosis.lock() = None;
            return Some(true.to_value());
        }
        if let (Err(reason), None) = (is_wanted, *selected) {
            let mut diagnosis = diagnosis.lock();
            // Pictures that cannot be decoded say more than sound that is not asked for.
            if diagnosis.is_none() || offered.is_some() {
                *diagnosis = Some(reason);
            }
        }
        Some(false.to_value())
    });
}

/// What pictures are encoded as; none of anything else.
fn encoding(caps: &gst::Caps) -> Option<String> {
    let structure = caps.structure(0)?;
    let is_video = structure.get::<&str>("media") == Ok("video");
    let name = structure.get::<&str>("encoding-name").ok()?;
    is_video.then(|| name.to_uppercase())
}

fn decode(source: &gst::Element, pad: &gst::Pad, pictures: &gst::Pad) -> Result<(), String> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let encoding = encoding(&caps).ok_or("a stream without pictures was not asked for")?;
    let description = decoder::of_network_camera(&encoding)?;
    let words = |error: gst::glib::BoolError| error.to_string();
    let decode =
        gst::parse::bin_from_description(&description, true).map_err(|error| error.to_string())?;
    let whole = source
        .parent()
        .and_then(|parent| parent.downcast::<gst::Bin>().ok())
        .ok_or("the camera has no pipeline any more")?;
    whole.add(&decode).map_err(words)?;
    let (Some(entrance), Some(exit)) = (decode.static_pad("sink"), decode.static_pad("src")) else {
        return Err("the decoder has no way in or out".into());
    };
    exit.link(pictures).map_err(|error| error.to_string())?;
    decode.sync_state_with_parent().map_err(words)?;
    pad.link(&entrance).map_err(|error| error.to_string())?;
    Ok(())
}
