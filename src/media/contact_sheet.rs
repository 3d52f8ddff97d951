//! Several pictures as one: a row for each series, as PNG.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

/// Size of one picture on the sheet, in pixels.
const CELL: (usize, usize) = (320, 240);
/// How long composing may take.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// Why there is no contact sheet.
#[derive(Debug, thiserror::Error)]
pub enum ContactSheetError {
    /// No picture was given.
    #[error("there is no picture to show")]
    NoPictures,
    /// GStreamer refused.
    #[error("the pictures could not be put together: {0}")]
    Pipeline(String),
    /// The file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<gst::glib::Error> for ContactSheetError {
    fn from(error: gst::glib::Error) -> Self {
        Self::Pipeline(error.to_string())
    }
}

/// Writes the JPEG pictures of each row side by side. Blocks for the time of decoding and
/// encoding; not for an arbiter.
///
/// # Errors
/// [`ContactSheetError`].
pub fn write(rows: &[Vec<Bytes>], file: &Path) -> Result<(), ContactSheetError> {
    let png = compose(rows)?;
    std::fs::write(file, png).map_err(|source| ContactSheetError::Write {
        path: file.to_owned(),
        source,
    })
}

fn compose(rows: &[Vec<Bytes>]) -> Result<Vec<u8>, ContactSheetError> {
    let places: Vec<(usize, usize, &Bytes)> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, pictures)| {
            pictures
                .iter()
                .enumerate()
                .map(move |(column, picture)| (row, column, picture))
        })
        .collect();
    if places.is_empty() {
        return Err(ContactSheetError::NoPictures);
    }
    let mut description = String::from("compositor name=sheet background=black");
    for (index, (row, column, _)) in places.iter().enumerate() {
        let (x, y) = (column * CELL.0, row * CELL.1);
        description.push_str(&format!(" sink_{index}::xpos={x} sink_{index}::ypos={y}"));
    }
    description.push_str(
        " ! videoconvert ! pngenc snapshot=true ! appsink name=out sync=false max-buffers=1",
    );
    for index in 0..places.len() {
        description.push_str(&format!(
            " appsrc name=in{index} format=time caps=image/jpeg,framerate=1/1 ! jpegdec \
             ! videoconvert ! videoscale ! video/x-raw,width={},height={} ! sheet.sink_{index}",
            CELL.0, CELL.1
        ));
    }
    let pipeline = gst::parse::launch(&description)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| ContactSheetError::Pipeline("not a pipeline".into()))?;
    let result = run(&pipeline, &places);
    if pipeline.set_state(gst::State::Null).is_err() {
        tracing::warn!("the contact sheet's pipeline did not stop");
    }
    result
}

fn run(
    pipeline: &gst::Pipeline,
    places: &[(usize, usize, &Bytes)],
) -> Result<Vec<u8>, ContactSheetError> {
    let refuse = |what: &str| ContactSheetError::Pipeline(what.to_owned());
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| refuse(&error.to_string()))?;
    for (index, (_, _, picture)) in places.iter().enumerate() {
        let source = pipeline
            .by_name(&format!("in{index}"))
            .and_then(|element| element.downcast::<gst_app::AppSrc>().ok())
            .ok_or_else(|| refuse("no source"))?;
        let mut buffer = gst::Buffer::from_slice((*picture).clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::ZERO);
            buffer.set_duration(gst::ClockTime::SECOND);
        }
        source
            .push_buffer(buffer)
            .map_err(|error| refuse(&error.to_string()))?;
        source
            .end_of_stream()
            .map_err(|error| refuse(&error.to_string()))?;
    }
    let sink = pipeline
        .by_name("out")
        .and_then(|element| element.downcast::<gst_app::AppSink>().ok())
        .ok_or_else(|| refuse("no sink"))?;
    let sample = sink.try_pull_sample(LIMIT).ok_or_else(|| {
        let error = pipeline
            .bus()
            .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]))
            .map_or_else(
                || "no picture came out".to_owned(),
                |message| format!("{message:?}"),
            );
        ContactSheetError::Pipeline(error)
    })?;
    let buffer = sample.buffer().ok_or_else(|| refuse("an empty picture"))?;
    let map = buffer
        .map_readable()
        .map_err(|_| refuse("an unreadable picture"))?;
    Ok(map.to_vec())
}
