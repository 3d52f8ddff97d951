//! Who stood at the door: a picture of each ring, kept for the message about it and its record.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::VideoSource;
use crate::engine::wiring::Wiring;

/// How long the camera may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Pictures kept; the oldest leave.
const KEPT: usize = 200;

/// Where the picture of a ring is, whether it was taken or not; below the state folder.
pub(crate) fn name(ring: &str) -> String {
    format!("rings/{ring}.jpg")
}

/// Takes the picture and puts it on the disk.
pub(super) async fn take(wiring: Wiring, ring: String) -> Option<PathBuf> {
    if wiring.config.camera.source == VideoSource::None {
        return None;
    }
    let picture = wiring.video.snapshot(LIMIT).await;
    let picture = picture
        .inspect_err(|error| tracing::warn!(ring, %error, "no picture of who rang"))
        .ok()?;
    let path = wiring.config.device.state_dir.join(name(&ring));
    let written = path.clone();
    let writing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let folder = written.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        std::fs::write(&written, &picture)?;
        thin_out(folder)
    });
    match writing.await {
        Ok(Ok(())) => Some(path),
        Ok(Err(error)) => {
            tracing::warn!(ring, %error, "the picture of who rang is not kept");
            None
        }
        Err(error) => {
            tracing::warn!(ring, %error, "the picture of who rang is not kept");
            None
        }
    }
}

/// The names are object ids, which begin with the time.
fn thin_out(folder: &Path) -> std::io::Result<()> {
    let entries = std::fs::read_dir(folder)?;
    let mut pictures: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    pictures.sort();
    let surplus = pictures.len().saturating_sub(KEPT);
    for picture in &pictures[..surplus] {
        std::fs::remove_file(picture)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pictures_leave() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..KEPT + 3 {
            std::fs::write(folder.path().join(format!("{number:05}.jpg")), "x").unwrap();
        }
        thin_out(folder.path()).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, KEPT);
        assert!(!folder.path().join("00002.jpg").exists());
        assert!(folder.path().join("00003.jpg").exists());
    }
}
