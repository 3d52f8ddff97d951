//! `[audio]`: several microphones and loudspeakers.

use cubelet::config::{AudioSink, AudioSource};

use crate::fixture::Fixture;

#[test]
fn further_microphones_and_loudspeakers_are_kept_in_their_order() {
    let text = "[audio]\nsource = 'alsa:hw:1'\nother_sources = ['alsa:hw:2', 'test']\n\
                sink = 'alsa:hw:1'\nother_sinks = ['alsa:hdmi']\n";
    let audio = Fixture::new().check_with(text).outcome.unwrap().audio;
    let alsa = |name: &str| AudioSource::Alsa(name.to_owned());
    assert_eq!(audio.source, alsa("hw:1"));
    assert_eq!(audio.other_sources, [alsa("hw:2"), AudioSource::Test]);
    assert_eq!(audio.other_sinks, [AudioSink::Alsa("hdmi".to_owned())]);
}

#[test]
fn what_cannot_be_switched_to_is_named_with_the_rule() {
    let fixture = Fixture::new();
    for (text, problem) in [
        (
            "source = 'test'\nother_sources = ['none']",
            "audio.other_sources[0]: `none` is nothing to switch to",
        ),
        (
            "source = 'test'\nother_sources = ['test:tone', 'test']",
            "audio.other_sources[1]: is `source` already",
        ),
        (
            "other_sources = ['test']",
            "audio.other_sources[0]: `source` has to name the first",
        ),
        (
            "sink = 'alsa:default'\nother_sinks = ['null']",
            "audio.other_sinks[0]: `null` is nothing to switch to",
        ),
        (
            "other_sinks = ['alsa:default']",
            "audio.other_sinks[0]: `sink` has to name the first",
        ),
        (
            "sink = 'alsa:default'\nother_sinks = ['hdmi']",
            "audio.other_sinks[0]: `hdmi` is not known; must be `null` or `alsa:NAME`",
        ),
    ] {
        let errors = fixture.check_with(&format!("[audio]\n{text}\n")).outcome;
        let errors = errors.unwrap_err().to_string();
        assert!(errors.contains(problem), "{problem}: {errors}");
    }
}
