//! A recording in several files.

use std::time::Duration;

use cubelet::media::recording::{EndedBy, RecorderEvent, RecorderSettings, Segments};

use crate::recording::{STEP, Under, boxes, playing, settings};
use crate::support::{Device, warm, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_long_recording_goes_on_in_further_files_without_a_gap() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let cut = RecorderSettings {
        max_duration: Duration::from_secs(5),
        segments: Some(Segments {
            length: Duration::from_secs(2),
            bytes: 50 << 20,
        }),
        ..settings(&folder.path().join("a.mp4"))
    };
    let mut under = Under::start(cut, &device);
    let mut files = Vec::new();
    within("the last file", async {
        loop {
            match under.events.recv().await.unwrap() {
                RecorderEvent::Segment(recording) => {
                    assert_eq!(recording.ended_by, EndedBy::Segment);
                    files.push(recording);
                }
                RecorderEvent::Finished(recording) => {
                    assert_eq!(recording.ended_by, EndedBy::MaxDuration);
                    return files.push(recording);
                }
                RecorderEvent::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
    })
    .await;
    let names: Vec<_> = files.iter().map(|one| one.file.clone()).collect();
    let wanted = ["a.mp4", "a_002.mp4", "a_003.mp4"].map(|name| folder.path().join(name));
    assert_eq!(names, wanted[..names.len()]);
    assert!(names.len() >= 2, "{names:?}");
    let mut pictures = 0;
    for recording in &files {
        assert_eq!(boxes(&recording.file), ["ftyp", "mdat", "moov"]);
        let played = playing(&recording.file).await;
        assert!(played.video.times[0] < STEP, "it begins with a picture");
        assert!(
            played.audio.end.abs_diff(played.video.end) < 2 * STEP,
            "{:?} of sound, {:?} of pictures",
            played.audio.end,
            played.video.end
        );
        pictures += played.video.times.len();
    }
    let total: Duration = files.iter().map(|one| one.duration).sum();
    assert!(total <= Duration::from_secs(5), "{total:?}");
    // No picture is lost at a cut: the test camera gives 30 a second, a loaded machine fewer.
    let lost: u64 = files.iter().map(|one| one.lost).sum();
    assert_eq!(lost, 0);
    assert!(pictures > 4 * 20, "{pictures} pictures in {total:?}");
}
