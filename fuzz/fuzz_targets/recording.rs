//! Files a power cut left: each is finished or refused, and what was finished can be read.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cubelet::media::recording::{length_of, recover_file};
use libfuzzer_sys::fuzz_target;

/// In memory where there is such a folder: every file is synced to its disk.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let place = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let folder = place.join(format!("cubelet-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the files");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let part = FOLDER.join("cut.mp4.part");
    std::fs::write(&part, bytes).expect("room for a small file");
    let _ = length_of(&part);
    if let Ok(recovered) = recover_file(&part) {
        let length = length_of(&recovered.file).expect("it was finished here");
        // Told in milliseconds, of whole ticks.
        let differs = length.abs_diff(recovered.duration);
        assert!(differs.as_secs_f64() <= 0.002 + 1e-9 * length.as_secs_f64(), "{differs:?}");
        let _ = std::fs::remove_file(recovered.file);
    }
});
