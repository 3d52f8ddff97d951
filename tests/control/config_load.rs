//! Any serde type through the generic loader.

use cubelet::config::{Check, Validate, load};
use serde::Deserialize;

use crate::fixture::Fixture;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    name: String,
    http: Http,
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    mode: Mode,
    port: u16,
    listen: std::net::IpAddr,
    workers: Option<u8>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Plain,
    Secure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    login: String,
    admin: bool,
}

impl Validate for Site {
    fn validate(&self, check: &mut Check<'_>) {
        check.range("http.port", self.http.port, 1024, 65_535);
        for (n, user) in self.users.iter().enumerate() {
            if user.login.is_empty() {
                check.fail(&format!("users[{n}].login"), "must not be empty");
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    #[allow(dead_code, reason = "only its mistakes are looked at")]
    allow: Vec<std::net::IpAddr>,
    #[allow(dead_code, reason = "only its mistakes are looked at")]
    users: Vec<User>,
}

impl Validate for Lists {
    fn validate(&self, _: &mut Check<'_>) {}
}

fn mistakes(text: &str) -> Vec<String> {
    mistakes_of::<Site>(text)
}

fn mistakes_of<T: serde::de::DeserializeOwned + Validate + std::fmt::Debug>(
    text: &str,
) -> Vec<String> {
    let fixture = Fixture::new();
    let errors = load::<T>(&fixture.write(text)).unwrap_err();
    let dir = format!("{}/", fixture.path().display());
    errors
        .to_string()
        .replace(&dir, "")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_right_file_becomes_the_type() {
    let fixture = Fixture::new();
    let site: Site = load(&fixture.write(
        "name = 'a'\n[http]\nmode = 'plain'\nport = 8080\nlisten = '::1'\n[[users]]\nlogin = 'x'\nadmin = true\n",
    ))
    .unwrap();
    assert_eq!((site.name.as_str(), site.http.port), ("a", 8080));
    assert!(site.http.listen.is_loopback() && site.http.workers.is_none());
    assert_eq!(site.http.mode, Mode::Plain);
    assert!(site.users[0].admin);
}

#[test]
fn unknown_missing_and_mistyped_fields_are_all_named_at_once() {
    let found = mistakes(
        "nmae = 'a'\n\
         [http]\n\
         port = 'x'\n\
         mode = 'secure'\n\
         listen = '::1'\n\
         wokers = 3\n\
         [[users]]\n\
         login = 'a'\n\
         [[users]]\n\
         login = 7\n\
         admin = 'yes'\n",
    );
    let expected = [
        "kiosk.toml:1:1: nmae: unknown key `nmae`; did you mean `name`?",
        "kiosk.toml:3:8: http.port: invalid type: string \"x\", expected u16",
        "kiosk.toml:6:1: http.wokers: unknown key `wokers`; did you mean `workers`?",
        "kiosk.toml:7:1: users[0].admin: is required",
        "kiosk.toml:10:9: users[1].login: invalid type: integer `7`, expected a string",
        "kiosk.toml:11:9: users[1].admin: invalid type: string \"yes\", expected a boolean",
    ];
    for line in expected {
        assert!(
            found.iter().any(|f| f == line),
            "{line:?} not in {found:#?}"
        );
    }
    assert!(
        found.iter().any(|line| line.ends_with("name: is required")),
        "{found:#?}"
    );
    assert_eq!(found.len(), expected.len() + 1, "{found:#?}");
}

#[test]
fn a_missing_value_with_a_grammar_of_its_own_hides_no_other_mistake() {
    let found = mistakes("naem = 'a'\nname = 'b'\n[http]\nport = 8080\n");
    assert_eq!(
        found,
        [
            "kiosk.toml:1:1: naem: unknown key `naem`; did you mean `name`?",
            "kiosk.toml:3:1: http.mode: is required",
            "kiosk.toml:3:1: http.listen: is required",
        ]
    );
}

#[test]
fn rules_beyond_types_are_noted_at_their_place() {
    let found = mistakes(
        "name = 'a'\nhttp = { port = 80, listen = '::1', mode = 'plain' }\n\
         users = [{ login = '', admin = true }]\n",
    );
    assert_eq!(
        found,
        [
            "kiosk.toml:2:17: http.port: 80 is below the smallest 1024",
            "kiosk.toml:3:20: users[0].login: must not be empty",
        ]
    );
}

#[test]
fn every_wrong_item_of_a_list_is_named_at_its_place() {
    let found = mistakes_of::<Lists>(
        "allow = ['::1', 'x', '10.0.0.1', 7]\nusers = ['me', {login = 'a'}]\n",
    );
    let begins = [
        "kiosk.toml:1:17: allow[1]: invalid IP address",
        "kiosk.toml:1:34: allow[3]: invalid type: integer `7`",
        "kiosk.toml:2:10: users[0]: invalid type: string \"me\"",
        "kiosk.toml:2:16: users[1].admin: is required",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (line, begin) in found.iter().zip(begins) {
        assert!(line.starts_with(begin), "{found:#?}");
    }
}
