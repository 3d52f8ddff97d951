//! How warm the board is, for the state.

use std::path::Path;
use std::time::Duration;

use super::board::Board;

/// Where Linux shows its sensors (Documentation/driver-api/thermal/sysfs-api.rst).
const ZONES: &str = "/sys/class/thermal";
/// Heat comes slowly.
const INTERVAL: Duration = Duration::from_secs(30);

/// Notes the temperature once, before anybody asks for the state.
pub fn note(board: &Board) {
    set(board, hottest(Path::new(ZONES)));
}

/// Keeps the temperature up to date until it is dropped.
pub async fn watch(board: Board) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        // A sensor behind a slow bus may take its time.
        let measured = tokio::task::spawn_blocking(|| hottest(Path::new(ZONES))).await;
        set(&board, measured.ok().flatten());
    }
}

fn set(board: &Board, celsius: Option<i32>) {
    board.update(|state| state.device.temperature_c = celsius);
}

/// The hottest zone below a folder, in whole degrees Celsius; none without a zone that can be
/// read.
fn hottest(folder: &Path) -> Option<i32> {
    std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("thermal_zone")
        })
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("temp")).ok())
        .filter_map(|text| text.trim().parse::<i32>().ok())
        .map(|millidegrees| (f64::from(millidegrees) / 1000.0).round() as i32)
        .max()
}

#[cfg(test)]
mod tests {
    use super::hottest;

    #[test]
    fn the_hottest_zone_counts_and_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(hottest(folder.path()), None);
        for (zone, text) in [
            ("thermal_zone0", "41200\n"),
            ("thermal_zone1", "57600\n"),
            ("thermal_zone2", "no sensor"),
            ("cooling_device0", "99000"),
        ] {
            std::fs::create_dir(folder.path().join(zone)).unwrap();
            std::fs::write(folder.path().join(zone).join("temp"), text).unwrap();
        }
        assert_eq!(hottest(folder.path()), Some(58));
    }
}
