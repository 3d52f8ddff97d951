//! Where secrets may come from, and that they are never shown.

use cubelet::config::{Secret, Surroundings, check_device};

use crate::fixture::{Fixture, MINIMAL};

#[test]
fn a_secret_file_is_read_without_its_line_end() {
    let config = Fixture::new().check(MINIMAL).outcome.unwrap();
    assert_eq!(config.hub.password.expose(), "correct horse");
}

#[test]
fn a_secret_file_others_can_read_is_refused_with_the_remedy() {
    let fixture = Fixture::new();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fixture.secret("password", "x", mode);
        let problems = fixture.problems(MINIMAL);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with(&format!(
                "kiosk.toml:11:17: hub.password_file: password can be read by others \
                 (mode {mode:04o}); run `chmod 600"
            )),
            "{problems:?}"
        );
    }
    for mode in [0o600, 0o400] {
        fixture.secret("password", "x", mode);
        assert!(fixture.check(MINIMAL).outcome.is_ok(), "{mode:o}");
    }
}

#[test]
fn a_missing_empty_or_many_lined_secret_file_is_refused() {
    let fixture = Fixture::new();
    fixture.secret("password", "\n", 0o600);
    assert!(fixture.problems(MINIMAL)[0].ends_with("password is empty"));
    fixture.secret("password", "a\nb\n", 0o600);
    assert!(fixture.problems(MINIMAL)[0].ends_with("must hold one line"));
    std::fs::remove_file(fixture.path().join("password")).unwrap();
    assert!(fixture.problems(MINIMAL)[0].contains("password cannot be read: No such file"));
}

#[test]
fn an_inline_password_is_refused_with_the_way_out_and_not_repeated() {
    let fixture = Fixture::new();
    let text = MINIMAL.replace("password_file = \"password\"", "password = \"hunter2\"");
    let problems = fixture.problems(&text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("`password_file`") && problems[0].contains("credential"));
    assert!(!problems[0].contains("hunter2"));
}

#[test]
fn a_systemd_credential_is_read_from_its_directory() {
    let fixture = Fixture::new();
    // systemd's access lists show up as group bits; its directory is what protects it.
    fixture.secret("hub-password", "from systemd\n", 0o440);
    let text = MINIMAL.replace(
        "password_file = \"password\"",
        "password_credential = \"hub-password\"",
    );
    let file = fixture.write(&text);
    let around = Surroundings {
        credentials_dir: Some(fixture.path().to_owned()),
        ..Surroundings::default()
    };
    let config = check_device(&file, &around).outcome.unwrap();
    assert_eq!(config.hub.password.expose(), "from systemd");
    let errors = check_device(&file, &Surroundings::default())
        .outcome
        .unwrap_err();
    assert!(errors.to_string().contains("LoadCredential=hub-password:"));
}

#[test]
fn a_credential_name_cannot_leave_the_directory() {
    let fixture = Fixture::new();
    for name in ["../password", ".hidden", "a/b", ""] {
        let text = MINIMAL.replace(
            "password_file = \"password\"",
            &format!("password_credential = \"{name}\""),
        );
        let file = fixture.write(&text);
        let around = Surroundings {
            credentials_dir: Some(fixture.path().join("inner")),
            ..Surroundings::default()
        };
        let errors = check_device(&file, &around).outcome.unwrap_err();
        assert!(
            errors.to_string().contains("has only letters"),
            "{name:?}: {errors}"
        );
    }
}

#[test]
fn the_code_of_a_door_is_digits_in_a_file_and_never_shown() {
    let fixture = Fixture::new();
    let door = "[door]\ncode_file = 'code'\nunlock_allowed = ['anna']\n";
    fixture.secret("code", "0042\n", 0o600);
    let config = fixture.check_with(door).outcome.unwrap();
    assert_eq!(config.door.code.as_ref().unwrap().expose(), "0042");
    assert!(!format!("{:?}", config.door).contains("0042"));
    for code in ["00a2", "1234 5", "12345678901234567"] {
        fixture.secret("code", code, 0o600);
        let problems = fixture.problems_with(door);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let rule = "door.code_file: the code must have 1 to 16 digits 0 to 9 and nothing else";
        assert!(problems[0].ends_with(rule), "{problems:?}");
    }
    fixture.secret("code", "0042", 0o600);
    let nobody = fixture.problems_with("[door]\ncode_file = 'code'\n");
    assert!(
        nobody[0].ends_with("door.code_file: needs somebody in `unlock_allowed`, who may enter it"),
        "{nobody:?}"
    );
    let inline = fixture.problems_with("[door]\ncode = '0042'\nunlock_allowed = ['anna']\n");
    assert!(inline[0].contains("`code_file`"), "{inline:?}");
    assert!(!inline[0].contains("0042"));
}

#[test]
fn two_sources_of_one_secret_are_refused() {
    let fixture = Fixture::new();
    let text = MINIMAL.replace(
        "auth_key = \"key\"",
        "auth_key = \"key\"\nauth_key_file = \"password\"",
    );
    let problems = fixture.problems(&text);
    assert!(
        problems[0].contains("only one of auth_key and auth_key_file"),
        "{problems:?}"
    );
}

#[test]
fn debug_output_of_a_whole_configuration_shows_no_secret() {
    let config = Fixture::new().check(MINIMAL).outcome.unwrap();
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("correct horse") && !shown.contains("\"key\""),
        "{shown}"
    );
    assert_eq!(format!("{:?}", Secret::new("x")), "***");
}
