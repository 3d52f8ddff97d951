//! Layers point down only, and the sans-IO layers stay free of IO (docs/design/architecture.md).

// Helpers of a test may panic like the test itself.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("protocol", &["base"]),
    ("call", &["base", "protocol"]),
    ("rest", &["base", "protocol"]),
    ("store", &["base", "protocol"]),
    ("media", &["base", "protocol", "call"]),
    ("device", &["base"]),
    ("discovery", &["base"]),
    ("chat", &["base", "protocol", "rest", "store"]),
    ("config", &["base", "protocol", "call"]),
    (
        "engine",
        &[
            "base", "protocol", "call", "rest", "chat", "media", "device", "store", "config",
        ],
    ),
    ("control", &["base", "protocol", "call", "engine", "config"]),
    ("rtsp", &["base", "media", "engine", "config"]),
    (
        "console",
        &["base", "protocol", "call", "media", "engine", "config"],
    ),
    (
        "setup",
        &[
            "base",
            "protocol",
            "config",
            "rest",
            "device",
            "discovery",
            "media",
            "control",
        ],
    ),
    ("hub", &["base", "protocol", "config", "discovery"]),
];

/// Modules that must not know of sockets, tasks, clocks or media frameworks.
const SANS_IO: &[&str] = &["protocol", "call"];
const IO_WORDS: &[&str] = &[
    "tokio",
    "actix",
    "gstreamer",
    "std::net",
    "std::fs",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "reqwest",
    "rusqlite",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Source lines by module, without comments.
fn modules() -> BTreeMap<String, Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut modules: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative
            .iter()
            .next()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let name = relative.display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(number, line)| (format!("{name}:{}", number + 1), line.to_owned()));
        modules.entry(module).or_default().extend(lines);
    }
    modules
}

#[test]
fn no_layer_uses_one_above_it() {
    let mut broken = Vec::new();
    for (module, lines) in modules() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for (place, line) in lines {
            for used in line.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let is_layer = MAY_USE.iter().any(|(name, _)| *name == used);
                if is_layer && used != module && !allowed.contains(&used.as_str()) {
                    broken.push(format!("{place}: {module} must not use {used}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_module_has_its_place_in_the_layers() {
    let known: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    for module in modules().into_keys() {
        let is_top = ["lib.rs", "main.rs", "cli"].contains(&module.as_str());
        assert!(
            is_top || known.contains(&module.as_str()),
            "src/{module} is in no layer: add it to MAY_USE"
        );
    }
}

#[test]
fn the_sans_io_layers_stay_free_of_io() {
    let mut broken = Vec::new();
    for (module, lines) in modules() {
        if !SANS_IO.contains(&module.as_str()) {
            continue;
        }
        let mut in_tests = "";
        for (place, line) in &lines {
            let file = place.split(':').next().unwrap();
            if line.contains("#[cfg(test)]") {
                in_tests = file;
            }
            if in_tests == file || file.ends_with("_tests.rs") || file.contains("_tests/") {
                continue;
            }
            for word in IO_WORDS.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("{place}: {module} is sans-IO and mentions {word}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_folder_says_what_lives_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files.iter().filter(|file| file.ends_with("mod.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let head: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        assert!(
            head.len() > 40 && !head.contains("being built"),
            "{} does not open with what lives there",
            file.display()
        );
    }
}
