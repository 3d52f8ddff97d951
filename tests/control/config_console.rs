//! `[console]`: off unless asked for, and strict where other machines reach it.

use crate::fixture::Fixture;

#[test]
fn without_the_section_there_is_none_and_with_it_only_this_machine_is_served() {
    let fixture = Fixture::new();
    let console = |text: &str| fixture.check_with(text).outcome.unwrap().console;
    assert!(console("").is_none());
    let console = console("[console]\n").unwrap();
    assert_eq!(console.listen.to_string(), "127.0.0.1:8088");
    assert!(console.token.is_none() && console.tls.is_none());
    assert_eq!((console.viewers, console.audio), (4, false));
}

#[test]
fn every_broken_rule_names_its_field() {
    let fixture = Fixture::new();
    fixture.secret("token", "0123456789abcdef\n", 0o600);
    fixture.secret("short", "0123\n", 0o600);
    fixture.secret("key.pem", "key\n", 0o644);
    fixture.certificate("cert.pem");
    let reached = "is required, as other machines reach 0.0.0.0:8088";
    for (text, problems) in [
        (
            "listen = 'localhost'\n",
            vec!["console.listen: must be an IP address and a port".to_owned()],
        ),
        (
            "listen = '0.0.0.0:8088'\n",
            vec![
                format!("console.token_file: {reached}"),
                format!("console.certificate: {reached}"),
            ],
        ),
        (
            "listen = '0.0.0.0:8088'\ntoken_file = 'token'\n",
            vec![format!("console.certificate: {reached}")],
        ),
        (
            "token_file = 'short'\n",
            vec!["console.token_file: the token must have 16".to_owned()],
        ),
        (
            "token = 'x'\n",
            vec!["console.token: a token is not written in this file".to_owned()],
        ),
        (
            "certificate = 'cert.pem'\n",
            vec!["console.key: is required with `certificate`".to_owned()],
        ),
        (
            "certificate = 'cert.pem'\nkey = 'key.pem'\n",
            vec!["console.key: key.pem can be read by others (mode 0644)".to_owned()],
        ),
        (
            "origins = ['https://a.lan', 'https://a.lan/page', 'a.lan']\n",
            vec![
                "console.origins[1]: must be an origin".to_owned(),
                "console.origins[2]: must be an origin".to_owned(),
            ],
        ),
    ] {
        let found = fixture.problems_with(&format!("[console]\n{text}"));
        assert_eq!(found.len(), problems.len(), "{found:#?}");
        for (one, expected) in found.iter().zip(problems) {
            assert!(one.contains(&expected), "{expected}: {found:#?}");
        }
    }
}
