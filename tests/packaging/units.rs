//! The units under systemd's own checks. Exposure levels: 0 is no access at all, 10 is root.

use std::path::{Path, PathBuf};
use std::process::Command;

fn shipped(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    if name.contains('@') {
        folder.join("template").join(name)
    } else {
        folder.join(name)
    }
}

fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap()
}

/// Both streams together, as `systemd-analyze` mixes its complaints.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

fn exposure_is_at_most(unit: &str, tenths: u32) {
    let (ok, said) = run(Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager"])
        .arg(format!("--threshold={tenths}"))
        .arg(shipped(unit)));
    assert!(ok, "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
fn the_device_unit_is_exposed_no_more_than_its_devices_need() {
    exposure_is_at_most("cubelet.service", 25);
    exposure_is_at_most("cubelet@.service", 25);
}

#[test]
fn the_hub_unit_is_hardly_exposed() {
    exposure_is_at_most("cubelet-hub.service", 20);
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    // The program is where the package puts it, for the check where the build put it; the manual
    // page is there once the package is.
    let folder = tempfile::tempdir().unwrap();
    for unit in ["cubelet.service", "cubelet@.service", "cubelet-hub.service"] {
        let here = text(unit).replace("/usr/bin/cubelet", env!("CARGO_BIN_EXE_cubelet"));
        let installed = folder.path().join(unit.replace("@.", "@lobby."));
        std::fs::write(&installed, here).unwrap();
        let (ok, said) = run(Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&installed));
        // It exits with 0 on keys it does not know, so any word is a fault.
        assert!(ok && said.is_empty(), "{unit}: {said}");
    }
}

#[test]
fn the_template_is_the_unit_but_for_its_name() {
    let unit = text("cubelet.service");
    let template = text("cubelet@.service");
    let settings = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let expected = unit
        .replace("cubelet device daemon", "cubelet device daemon %i")
        .replace("kiosk.toml", "%i.toml")
        .replace("StateDirectory=cubelet", "StateDirectory=cubelet/%i");
    assert_eq!(settings(&template), settings(&expected));
}

#[test]
fn users_and_groups_are_made_in_an_empty_system() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let (ok, said) = run(Command::new("systemd-sysusers")
        .arg(format!("--root={}", root.path().display()))
        .arg(shipped("sysusers.d/cubelet.conf")));
    assert!(ok, "{said}");
    let users = std::fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    let groups = std::fs::read_to_string(root.path().join("etc/group")).unwrap();
    for unit in ["cubelet.service", "cubelet-hub.service"] {
        for line in text(unit).lines() {
            if let Some(user) = line.strip_prefix("User=") {
                assert!(users.contains(&format!("{user}:x:")), "{user}: {users}");
            }
            if let Some(needed) = line.strip_prefix("SupplementaryGroups=") {
                for group in needed.split_whitespace() {
                    assert!(groups.contains(&format!("{group}:x:")), "{group}: {groups}");
                }
            }
        }
    }
    // A unit whose group does not exist does not start at all.
    assert!(groups.contains("gpio:x:"), "{groups}");
}

#[test]
fn folders_are_made_in_an_empty_system() {
    let root = tempfile::tempdir().unwrap();
    let (ok, said) = run(Command::new("systemd-tmpfiles")
        .arg("--create")
        .arg(format!("--root={}", root.path().display()))
        .arg(shipped("tmpfiles.d/cubelet.conf")));
    assert!(ok, "{said}");
    assert!(root.path().join("etc/cubelet").is_dir());
}
