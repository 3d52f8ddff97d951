//! `[rtsp]`: off unless asked for, and strict where other machines reach it.

use crate::fixture::Fixture;

#[test]
fn without_the_section_there_is_none_and_with_it_only_this_machine_is_served() {
    let fixture = Fixture::new();
    let rtsp = |text: &str| fixture.check_with(text).outcome.unwrap().rtsp;
    assert!(rtsp("").is_none());
    let rtsp = rtsp("[rtsp]\n").unwrap();
    assert_eq!(rtsp.listen.to_string(), "127.0.0.1:8554");
    assert!(rtsp.password.is_none() && rtsp.tls.is_none());
    assert_eq!((rtsp.viewers, rtsp.audio), (4, false));
}

#[test]
fn other_machines_need_a_password_and_tls_or_the_owners_word() {
    let fixture = Fixture::new();
    fixture.secret("password", "correct horse\n", 0o600);
    let open = "[rtsp]\nlisten = '0.0.0.0:8554'\n";
    let problems = |more: &str| {
        let report = fixture.check_with(&format!("{open}{more}"));
        report
            .outcome
            .map(|_| report.warnings.len())
            .map_err(|errors| errors.to_string())
    };
    let neither = problems("").unwrap_err();
    assert!(
        neither.contains("rtsp.password_file: is required"),
        "{neither}"
    );
    assert!(
        neither.contains("rtsp.certificate: is required"),
        "{neither}"
    );
    let known = problems("password_file = 'password'\n").unwrap_err();
    assert!(!known.contains("rtsp.password_file"), "{known}");
    assert_eq!(
        problems("password_file = 'password'\nplaintext = true\n"),
        Ok(1)
    );
}

#[test]
fn a_short_password_and_a_name_with_quotes_are_refused() {
    let fixture = Fixture::new();
    fixture.secret("short", "horse\n", 0o600);
    let text = "[rtsp]\npassword_file = 'short'\nusername = 'a\"b'\n";
    let errors = fixture.check_with(text).outcome.unwrap_err().to_string();
    assert!(
        errors.contains("rtsp.password_file: the password must have 8 to 256"),
        "{errors}"
    );
    assert!(
        errors.contains("rtsp.username: must be 1 to 64 characters"),
        "{errors}"
    );
}
