//! `docs/capabilities.md` tells the truth: every test it names exists.

// Helpers of a test may panic like the test itself.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

struct Row {
    id: String,
    state: String,
    note: String,
    proofs: Vec<String>,
}

fn rows() -> Vec<Row> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/capabilities.md");
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let id = *cells.get(1)?;
            let is_id = id.len() == 5
                && id.as_bytes()[2] == b'-'
                && id[..2].chars().all(|c| c.is_ascii_uppercase())
                && id[3..].chars().all(|c| c.is_ascii_digit());
            is_id.then(|| Row {
                id: id.to_owned(),
                state: cells[3].to_owned(),
                note: cells[4].to_owned(),
                proofs: cells[5]
                    .split(',')
                    .map(|name| name.trim().trim_matches('`').to_owned())
                    .filter(|name| !name.is_empty())
                    .collect(),
            })
        })
        .collect()
}

fn functions(folder: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "node_modules") {
                functions(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text
                .split("fn ")
                .skip(1)
                .filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = HashSet::new();
    functions(&root.join("src"), &mut known);
    functions(&root.join("tests"), &mut known);
    let missing: Vec<String> = rows()
        .into_iter()
        .flat_map(|row| {
            row.proofs
                .into_iter()
                .map(move |proof| format!("{} {proof}", row.id))
        })
        .filter(|line| !known.contains(line.split(' ').nth(1).unwrap()))
        .collect();
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn every_state_is_known_and_backed() {
    let rows = rows();
    assert!(
        rows.len() >= 440,
        "only {} capabilities are listed",
        rows.len()
    );
    let ids: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "an ID is listed twice");
    for row in &rows {
        let is_backed = match row.state.as_str() {
            "done" => !row.proofs.is_empty(),
            "partial" => !row.proofs.is_empty() && !row.note.is_empty(),
            "not planned" => !row.note.is_empty(),
            "open" => true,
            other => panic!("{}: unknown state {other:?}", row.id),
        };
        assert!(
            is_backed,
            "{}: {} without proof or reason",
            row.id, row.state
        );
    }
}
