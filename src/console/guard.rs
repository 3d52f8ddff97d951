//! Who may ask: the bearer token, or else only pages and programs of this machine.

use subtle::ConstantTimeEq;

use crate::base::loopback::is_loopback;
use crate::config;

/// The one path everybody may ask: it says well or unwell, and nothing else.
pub(super) const HEALTH: &str = "/healthz";

/// The rules of one server.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    token: Option<config::Secret>,
    origins: Vec<String>,
}

/// Why somebody gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// No token, or a wrong one.
    NoToken,
    /// Without a token only `localhost` and its addresses are answered: a page of the web may have
    /// its own name point here (DNS rebinding).
    WrongHost,
}

impl Guard {
    pub fn new(settings: &config::Console) -> Self {
        Self {
            token: settings.token.clone(),
            origins: settings.origins.clone(),
        }
    }

    /// Looks at a request's `Host` and `Authorization`.
    pub fn check(
        &self,
        path: &str,
        host: Option<&str>,
        authorization: Option<&str>,
    ) -> Result<(), Denial> {
        let Some(token) = &self.token else {
            let name = host.map(without_port);
            return match name {
                Some(name) if is_loopback(name) => Ok(()),
                _ => Err(Denial::WrongHost),
            };
        };
        if path == HEALTH {
            return Ok(());
        }
        let given = authorization.and_then(bearer).unwrap_or_default();
        let is_right: bool = given.as_bytes().ct_eq(token.expose().as_bytes()).into();
        is_right.then_some(()).ok_or(Denial::NoToken)
    }

    /// The page's origin, if its scripts may use this server.
    pub fn allows<'a>(&self, origin: Option<&'a str>) -> Option<&'a str> {
        origin.filter(|origin| self.origins.iter().any(|allowed| allowed == origin))
    }
}

/// RFC 6750 §2.1; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_start())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(token: Option<&str>) -> Guard {
        Guard {
            token: token.map(config::Secret::new),
            origins: vec!["https://dashboard.lan".to_owned()],
        }
    }

    #[test]
    fn without_a_token_only_this_machine_by_its_own_names_is_answered() {
        let open = guard(None);
        for host in [
            "localhost:8088",
            "127.0.0.1:8088",
            "[::1]:8088",
            "localhost",
        ] {
            assert_eq!(open.check("/metrics", Some(host), None), Ok(()), "{host}");
        }
        for host in [Some("evil.example:8088"), Some("10.0.0.7"), Some(""), None] {
            let denied = Err(Denial::WrongHost);
            assert_eq!(open.check("/metrics", host, None), denied, "{host:?}");
        }
    }

    #[test]
    fn with_a_token_everything_but_health_needs_it() {
        let closed = guard(Some("0123456789abcdef"));
        let check = |path, authorization| closed.check(path, Some("kiosk.lan"), authorization);
        assert_eq!(check("/metrics", Some("Bearer 0123456789abcdef")), Ok(()));
        assert_eq!(check("/metrics", Some("bearer  0123456789abcdef")), Ok(()));
        assert_eq!(check(HEALTH, None), Ok(()));
        for wrong in [
            None,
            Some("Bearer 0123456789abcdeX"),
            Some("Bearer 0123456789abcde"),
            Some("Bearer"),
            Some("Basic 0123456789abcdef"),
            Some("0123456789abcdef"),
        ] {
            assert_eq!(check("/metrics", wrong), Err(Denial::NoToken), "{wrong:?}");
        }
    }

    #[test]
    fn only_listed_pages_may_read_answers() {
        let guard = guard(None);
        let listed = Some("https://dashboard.lan");
        assert_eq!(guard.allows(listed), listed);
        for other in [Some("https://dashboard.lan.evil"), Some("null"), None] {
            assert_eq!(guard.allows(other), None);
        }
    }
}
