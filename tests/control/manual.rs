//! Completions and manual pages are made from the program itself.

use std::process::{Command, Output};

fn cubelet(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

#[test]
fn every_shell_gets_completions_it_can_read() {
    for (shell, check) in [("bash", "bash"), ("zsh", ""), ("fish", "")] {
        let text = cubelet(&["completions", shell]).stdout;
        let text = String::from_utf8(text).unwrap();
        for word in ["ctl", "unlock", "rules", "demo"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
        if !check.is_empty() {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("completions");
            std::fs::write(&file, &text).unwrap();
            let read = Command::new(check).arg("-n").arg(&file).status().unwrap();
            assert!(read.success(), "{shell} does not read it");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_the_program_and_each_subcommand() {
    let text = cubelet(&["man"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(".TH cubelet 1") && text.contains(".SH SYNOPSIS"));
    let folder = tempfile::tempdir().unwrap();
    cubelet(&["man", "--dir", folder.path().to_str().unwrap()]);
    for page in [
        "cubelet.1",
        "cubelet-ctl.1",
        "cubelet-hub-enroll.1",
        "cubelet-setup.1",
        "cubelet-ctl-unlock.1",
        "cubelet-rules-test.1",
    ] {
        assert!(folder.path().join(page).exists(), "{page}");
    }
}
