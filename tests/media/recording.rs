//! What was recorded plays, whatever ended it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cubelet::media::recording::{
    DiskError, EndedBy, Pictures, RecordError, Recorder, RecorderEvent, RecorderSettings,
    Recording, RecoveryError, recover, recover_file,
};
use cubelet::media::{AudioFanout, VideoCodec, VideoFanout};
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::playing::{Played, play};
use crate::support::{Device, warm, within};

/// Two of these apart is out of step.
pub(crate) const STEP: Duration = Duration::from_millis(100);

pub(crate) fn settings(file: &Path) -> RecorderSettings {
    RecorderSettings {
        file: file.to_owned(),
        pictures: Pictures::H264,
        sound: true,
        max_duration: Duration::from_secs(60),
        max_bytes: 50 << 20,
        segments: None,
        min_free: 1 << 20,
    }
}

pub(crate) struct Under {
    pub(crate) recorder: Option<Recorder>,
    pub(crate) events: UnboundedReceiver<RecorderEvent>,
}

impl Under {
    pub(crate) fn start(settings: RecorderSettings, device: &Device) -> Self {
        Self::from(settings, &device.video, &device.audio)
    }

    pub(crate) fn from(
        settings: RecorderSettings,
        video: &VideoFanout,
        audio: &AudioFanout,
    ) -> Self {
        let (tell, events) = unbounded_channel();
        let recorder = Some(Recorder::start(settings, video, audio, tell));
        Self { recorder, events }
    }

    /// Until so much is on the disk.
    pub(crate) async fn until(&mut self, wanted: Duration) {
        within("the recording", async {
            loop {
                match self.events.recv().await.unwrap() {
                    RecorderEvent::Progress { duration, .. } if duration >= wanted => return,
                    RecorderEvent::Progress { .. } | RecorderEvent::Started => {}
                    other => panic!("{other:?}"),
                }
            }
        })
        .await;
    }

    pub(crate) async fn outcome(&mut self) -> Result<Recording, RecordError> {
        within("the end of the recording", async {
            loop {
                match self.events.recv().await.unwrap() {
                    RecorderEvent::Finished(recording) => return Ok(recording),
                    RecorderEvent::Failed(error) => return Err(error),
                    _ => {}
                }
            }
        })
        .await
    }

    pub(crate) async fn finish(mut self) -> Recording {
        self.recorder.take().unwrap().finish();
        self.outcome().await.unwrap()
    }
}

pub(crate) async fn playing(file: &Path) -> Played {
    let file = file.to_owned();
    tokio::task::spawn_blocking(move || play(&file))
        .await
        .unwrap()
}

/// The names of the boxes a file consists of.
pub(crate) fn boxes(file: &Path) -> Vec<String> {
    let bytes = fs::read(file).unwrap();
    let mut names = Vec::new();
    let mut at = 0;
    while at + 8 <= bytes.len() {
        let small = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        names.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        at += match small {
            1 => u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize,
            size => size as usize,
        };
    }
    assert_eq!(at, bytes.len(), "the boxes fill the file");
    names
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_plays_with_pictures_and_sound_in_step() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made/when/needed/visit.mp4");
    let device = Device::start();
    let mut under = Under::start(settings(&file), &device);
    under.until(Duration::from_secs(4)).await;
    let recording = under.finish().await;
    assert_eq!((recording.ended_by, recording.lost), (EndedBy::Stopped, 0));
    assert!(recording.has_video && recording.has_audio);
    assert_eq!(recording.file, file);
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(metadata.len(), recording.bytes);
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        names_in(file.parent().unwrap()),
        std::slice::from_ref(&file)
    );
    assert_eq!(boxes(&file), ["ftyp", "mdat", "moov"], "an ordinary file");

    let Played { video, audio } = playing(&file).await;
    let seconds = recording.duration.as_secs_f64();
    let rate = video.times.len() as f64 / seconds;
    assert!((25.0..31.0).contains(&rate), "{rate} pictures per second");
    assert!(video.times[0] < STEP, "{:?}", video.times[0]);
    assert!(audio.times[0] < STEP, "{:?}", audio.times[0]);
    for end in [video.end, audio.end] {
        assert!(
            end.abs_diff(recording.duration) < STEP,
            "{end:?} of {seconds} s"
        );
    }
    for stream in [video, audio] {
        assert!(stream.times.is_sorted(), "times go on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_ends_by_itself_at_its_longest_time_and_at_its_largest_size() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let longest = RecorderSettings {
        max_duration: Duration::from_secs(2),
        ..settings(&folder.path().join("long.mp4"))
    };
    let mut under = Under::start(longest, &device);
    let recording = under.outcome().await.unwrap();
    assert_eq!(recording.ended_by, EndedBy::MaxDuration);
    assert!(recording.duration <= Duration::from_secs(2));
    let played = playing(&recording.file).await;
    assert!(
        played.video.end <= Duration::from_millis(2_050),
        "{:?}",
        played.video.end
    );
    assert!(
        played.audio.end <= Duration::from_millis(2_050),
        "{:?}",
        played.audio.end
    );
    assert!(
        played.video.end > Duration::from_millis(1_900),
        "{:?}",
        played.video.end
    );

    let largest = RecorderSettings {
        max_bytes: 60_000,
        ..settings(&folder.path().join("large.mp4"))
    };
    let mut under = Under::start(largest, &device);
    let recording = under.outcome().await.unwrap();
    assert_eq!(recording.ended_by, EndedBy::MaxBytes);
    assert!(recording.bytes < 90_000, "{}", recording.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_cut_off_anywhere_plays_up_to_the_cut_and_is_recovered() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let mut under = Under::start(settings(&folder.path().join("visit.mp4")), &device);
    under.until(Duration::from_secs(4)).await;
    // As a power cut leaves it.
    let bytes = fs::read(folder.path().join("visit.mp4.part")).unwrap();
    let whole = under.finish().await;
    let seed = rand::random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut recovered_ever = false;
    for n in 0..12 {
        let length = match n {
            0 => bytes.len(),
            _ => random.random_range(0..bytes.len()),
        };
        let place = format!("seed {seed}, cut at {length} of {}", bytes.len());
        let cut = folder.path().join(format!("cut-{n}.mp4.part"));
        fs::write(&cut, &bytes[..length]).unwrap();
        let as_it_is = if length > 2_000 {
            playing(&cut).await
        } else {
            Played::default()
        };
        match recover_file(&cut) {
            Ok(recovered) => {
                recovered_ever = true;
                assert_eq!(boxes(&recovered.file), ["ftyp", "mdat", "moov"], "{place}");
                let again = playing(&recovered.file).await;
                let ends = again.video.end.max(again.audio.end);
                assert!(
                    ends.abs_diff(recovered.duration) < STEP,
                    "{place}: {ends:?}"
                );
                // A decoder whose stream breaks off may keep the last pictures to itself.
                assert!(
                    as_it_is.video.times.len() + 3 >= again.video.times.len(),
                    "{place}: {} pictures as it is, {} recovered",
                    as_it_is.video.times.len(),
                    again.video.times.len()
                );
                let lost = whole.duration.as_secs_f64() * (bytes.len() - length) as f64
                    / bytes.len() as f64;
                assert!(
                    recovered.duration.as_secs_f64() + lost + 1.5 > whole.duration.as_secs_f64(),
                    "{place}: only {:?}",
                    recovered.duration
                );
            }
            Err(error) => {
                assert_eq!(error, RecoveryError::Empty, "{place}");
                assert!(length < bytes.len() / 2, "{place}");
            }
        }
    }
    assert!(recovered_ever, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recovery_of_a_folder_keeps_what_was_recorded_and_clears_what_was_not() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let mut under = Under::start(settings(&folder.path().join("a.mp4")), &device);
    under.until(Duration::from_secs(1)).await;
    let cut = fs::read(folder.path().join("a.mp4.part")).unwrap();
    let whole = under.finish().await;
    fs::write(folder.path().join("cut.mp4.part"), &cut).unwrap();
    // Cut between the index and the new name.
    fs::rename(&whole.file, folder.path().join("whole.mp4.part")).unwrap();
    fs::write(folder.path().join("empty.mp4.part"), b"").unwrap();
    fs::write(
        folder.path().join("foreign.mp4.part"),
        b"\0\0\0\x10moovnonsense",
    )
    .unwrap();
    let mut found: Vec<_> = recover(folder.path())
        .into_iter()
        .map(|one| one.file.file_name().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["cut.mp4", "whole.mp4"]);
    let mut left: Vec<_> = names_in(folder.path());
    left.sort();
    let names = ["cut.mp4", "foreign.mp4.part", "whole.mp4"];
    assert_eq!(left, names.map(|name| folder.path().join(name)));
    assert!(
        !playing(&folder.path().join("whole.mp4"))
            .await
            .video
            .times
            .is_empty()
    );
    assert_eq!(recover(&folder.path().join("not-there")), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_microphone_silent_the_pictures_still_reach_the_disk_within_a_second() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let mut under = Under::start(settings(&folder.path().join("visit.mp4")), &device);
    under.until(Duration::from_millis(500)).await;
    device.microphone.set_muted(true);
    let mut last = Instant::now();
    within("four more seconds", async {
        loop {
            if let RecorderEvent::Progress { duration, .. } = under.events.recv().await.unwrap() {
                assert!(
                    last.elapsed() < Duration::from_secs(1),
                    "{:?}",
                    last.elapsed()
                );
                last = Instant::now();
                if duration > Duration::from_secs(4) {
                    return;
                }
            }
        }
    })
    .await;
    device.microphone.set_muted(false);
    under.until(Duration::from_secs(6)).await;
    let recording = under.finish().await;
    let played = playing(&recording.file).await;
    // What is said after the silence is heard when it was said.
    assert!(
        played.audio.end.abs_diff(recording.duration) < STEP,
        "{:?}",
        played.audio.end
    );
    assert!(
        played.video.end.abs_diff(recording.duration) < STEP,
        "{:?}",
        played.video.end
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_picture_the_sound_is_recorded_alone_and_without_either_it_says_so() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let (silent, blind) = (AudioFanout::new(), VideoFanout::new());
    let mut sound = Under::from(
        settings(&folder.path().join("sound.mp4")),
        &blind,
        &device.audio,
    );
    let mut nothing = Under::from(
        settings(&folder.path().join("nothing.mp4")),
        &blind,
        &silent,
    );
    sound.until(Duration::from_secs(1)).await;
    let recording = sound.finish().await;
    assert!(!recording.has_video && recording.has_audio);
    assert!(matches!(
        nothing.outcome().await,
        Err(RecordError::NothingCame(_))
    ));
    let no_source = RecorderSettings {
        pictures: Pictures::None,
        sound: false,
        ..settings(&folder.path().join("none.mp4"))
    };
    let mut none = Under::start(no_source, &device);
    assert_eq!(none.outcome().await, Err(RecordError::NoSource));
    assert_eq!(names_in(folder.path()), [recording.file]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_and_a_disk_without_room_are_told_apart() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    fs::write(folder.path().join("file"), b"no folder").unwrap();
    let place = folder.path().join("file/visit.mp4");
    match Under::start(settings(&place), &device).outcome().await {
        Err(RecordError::Disk(DiskError::Unwritable { path, .. })) => {
            assert_eq!(path, folder.path().join("file"));
        }
        other => panic!("{other:?}"),
    }
    let crowded = RecorderSettings {
        min_free: u64::MAX,
        ..settings(&folder.path().join("visit.mp4"))
    };
    match Under::start(crowded, &device).outcome().await {
        Err(RecordError::Disk(DiskError::Full { free, needed })) => {
            assert!(free > 0);
            assert_eq!(needed, u64::MAX);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(names_in(folder.path()), [folder.path().join("file")]);
}

/// The shell sets the limit, and ignores the signal for it, before this very binary is started
/// again: a limit holds for a whole process.
#[test]
fn a_disk_that_takes_no_more_ends_a_recording_with_what_is_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 160; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "recording::until_the_disk_takes_no_more",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(SMALL_DISK, folder.path())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words}");
    let played = play(&folder.path().join("visit.mp4"));
    assert!(played.video.times.len() > 15, "{words}");
    assert!(played.audio.end > Duration::from_millis(500), "{words}");
    assert_eq!(names_in(folder.path()).len(), 1);
}

const SMALL_DISK: &str = "CUBELET_TEST_SMALL_DISK";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs under a limit, started by a_disk_that_takes_no_more_…"]
async fn until_the_disk_takes_no_more() {
    let folder = PathBuf::from(std::env::var_os(SMALL_DISK).expect("started by another test"));
    let device = Device::start();
    let mut under = Under::start(settings(&folder.join("visit.mp4")), &device);
    let recording = under.outcome().await.unwrap();
    assert_eq!(recording.ended_by, EndedBy::DiskFull);
    assert!(recording.bytes <= 160 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_recording_leaves_no_file_and_a_dropped_one_is_kept() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let mut discarded = Under::start(settings(&folder.path().join("a.mp4")), &device);
    discarded.until(Duration::from_millis(500)).await;
    discarded.recorder.take().unwrap().discard();
    assert_eq!(discarded.outcome().await, Err(RecordError::Discarded));
    assert!(names_in(folder.path()).is_empty());
    let mut dropped = Under::start(settings(&folder.path().join("b.mp4")), &device);
    dropped.until(Duration::from_millis(500)).await;
    dropped.recorder = None;
    let recording = dropped.outcome().await.unwrap();
    assert_eq!(names_in(folder.path()), [recording.file]);
}

/// Threads of recorders, and open files.
fn threads_and_files() -> (usize, usize) {
    let threads = fs::read_dir("/proc/self/task").unwrap().filter(|task| {
        let name = task.as_ref().unwrap().path().join("comm");
        fs::read_to_string(name).is_ok_and(|name| name.trim() == "recorder")
    });
    (
        threads.count(),
        fs::read_dir("/proc/self/fd").unwrap().count(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_leave_no_thread_no_open_file_and_no_encoder_behind() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    let mut at_rest = usize::MAX;
    for n in 0..6 {
        let mut under = Under::start(settings(&folder.path().join(format!("{n}.mp4"))), &device);
        under.until(Duration::from_millis(500)).await;
        under.finish().await;
        let mut demand = device.video.demand();
        let unwanted = demand.wait_for(|demand| !demand.wants(VideoCodec::H264));
        within("the encoder's end", unwanted).await.unwrap();
        // The recorder and the encoders tell of their end just before their threads and files close. What
        // one leaves behind would add up over the recordings.
        within("the end of the thread and of what it opened", async {
            while threads_and_files().0 > 0 || threads_and_files().1 > at_rest {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        at_rest = at_rest.min(threads_and_files().1);
    }
}

/// Processor time of this process, in clock ticks of 10 ms.
fn processor_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The figures of docs/design/recording.md; nobody's assertion.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints what a recording costs; for a quiet machine"]
async fn what_a_recording_costs() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    // Encoders run in both cases, as in a call.
    let video = device.video.subscribe(VideoCodec::H264);
    let audio = device.audio.subscribe();
    let mut sizes = Vec::new();
    for records in [false, true, false, true] {
        let file = folder.path().join(format!("{}.mp4", sizes.len()));
        let under = records.then(|| Under::start(settings(&file), &device));
        let before = processor_ticks();
        let (mut payload, until) = (0, Instant::now() + Duration::from_secs(10));
        while Instant::now() < until {
            let frame = tokio::select! {
                frame = video.next() => frame,
                frame = audio.next() => frame,
            };
            payload += frame
                .packets
                .iter()
                .map(|one| one.payload.len())
                .sum::<usize>();
        }
        let ticks = processor_ticks() - before;
        println!("records: {records}, {ticks} ticks in 10 s, {payload} bytes encoded");
        if let Some(under) = under {
            let recording = under.finish().await;
            println!("{} bytes, {:?}", recording.bytes, recording.duration);
        }
        sizes.push(payload);
    }
}
