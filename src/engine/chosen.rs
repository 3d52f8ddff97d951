//! Which of the configured cameras, microphones and loudspeakers a name means, and what each is
//! called: as the configuration spells it.

use crate::config::{AudioSink, AudioSource, DeviceConfig, VideoSource};

/// The camera of that name, else the first: one that is configured no longer is as good as none.
pub fn camera<'c>(config: &'c DeviceConfig, wanted: Option<&str>) -> &'c VideoSource {
    let camera = &config.camera;
    named(&camera.source, &camera.others, wanted, name_of_camera)
}

/// The microphone of that name, else the first.
pub fn microphone<'c>(config: &'c DeviceConfig, wanted: Option<&str>) -> &'c AudioSource {
    let audio = &config.audio;
    let others = &audio.other_sources;
    named(&audio.source, others, wanted, name_of_microphone)
}

/// The loudspeaker of that name, else the first.
pub fn loudspeaker<'c>(config: &'c DeviceConfig, wanted: Option<&str>) -> &'c AudioSink {
    let audio = &config.audio;
    named(&audio.sink, &audio.other_sinks, wanted, name_of_loudspeaker)
}

/// The names of the configured cameras, the first one first; none where there is none.
pub fn camera_names(config: &DeviceConfig) -> Vec<String> {
    let camera = &config.camera;
    let is_there = camera.source != VideoSource::None;
    names(is_there, &camera.source, &camera.others, name_of_camera)
}

/// The names of the configured microphones.
pub fn microphone_names(config: &DeviceConfig) -> Vec<String> {
    let audio = &config.audio;
    let is_there = audio.source != AudioSource::None;
    let others = &audio.other_sources;
    names(is_there, &audio.source, others, name_of_microphone)
}

/// The names of the configured loudspeakers.
pub fn loudspeaker_names(config: &DeviceConfig) -> Vec<String> {
    let audio = &config.audio;
    let is_there = audio.sink != AudioSink::Null;
    let others = &audio.other_sinks;
    names(is_there, &audio.sink, others, name_of_loudspeaker)
}

fn named<'c, T>(
    first: &'c T,
    others: &'c [T],
    wanted: Option<&str>,
    name: impl Fn(&T) -> String,
) -> &'c T {
    let is_wanted = |other: &&T| wanted == Some(&name(other));
    others.iter().find(is_wanted).unwrap_or(first)
}

fn names<T>(is_there: bool, first: &T, others: &[T], name: impl Fn(&T) -> String) -> Vec<String> {
    let first = is_there.then_some(first);
    first.into_iter().chain(others).map(name).collect()
}

/// The camera as the configuration spells it.
pub fn name_of_camera(source: &VideoSource) -> String {
    match source {
        VideoSource::Test { pattern } => format!("test:{pattern}"),
        VideoSource::V4l2(device) => format!("v4l2:{}", device.display()),
        VideoSource::Rtsp(url) => url.to_string(),
        VideoSource::File(path) => format!("file:{}", path.display()),
        VideoSource::Screen(None) => "screen".to_owned(),
        VideoSource::Screen(Some(display)) => format!("screen:{display}"),
        VideoSource::Libcamera(None) => "libcamera".to_owned(),
        VideoSource::Libcamera(Some(name)) => format!("libcamera:{name}"),
        VideoSource::None => "none".to_owned(),
    }
}

/// The microphone as the configuration spells it.
pub fn name_of_microphone(source: &AudioSource) -> String {
    match source {
        AudioSource::Test => "test".to_owned(),
        AudioSource::TestTone => "test:tone".to_owned(),
        AudioSource::Alsa(device) => format!("alsa:{device}"),
        AudioSource::None => "none".to_owned(),
    }
}

/// The loudspeaker as the configuration spells it.
pub fn name_of_loudspeaker(sink: &AudioSink) -> String {
    match sink {
        AudioSink::Alsa(device) => format!("alsa:{device}"),
        AudioSink::Null => "null".to_owned(),
    }
}
