//! SASL (RFC 6120 §6, wire reference A.4), sans-IO: which mechanism, and what to answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minidom::Element;
use sasl::client::Mechanism;
use sasl::client::mechanisms::{Plain, Scram};
use sasl::common::ChannelBinding;
use sasl::common::scram::{Sha1, Sha256};

use super::credentials::{Credentials, Secret};
use super::error::{ConnectionEnd, Fault, Step};
use crate::protocol::address::Realm;
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
const SCRAM_SHA_1: &str = "SCRAM-SHA-1";
const PLAIN: &str = "PLAIN";

/// Iterations a server may ask of us. Above it a login would be an attack on our CPU.
const MAX_ITERATIONS: u32 = 1_000_000;

/// A login under way.
pub(super) struct Login {
    mechanism: Chosen,
}

enum Chosen {
    Plain,
    Scram {
        scram: Box<dyn Mechanism + Send>,
        client_first: Vec<u8>,
    },
}

/// What the server's last word asks for.
pub(super) enum Reply {
    /// Send this and wait.
    Send(Element),
    /// Logged in; the stream is to be opened anew.
    Done,
}

impl Login {
    /// Picks the mechanism and gives the first element to send. PLAIN is only ever sent over TLS
    /// or to this machine: the connector refuses anything else.
    pub(super) fn begin(
        realm: &Realm,
        credentials: &Credentials,
        features: &Element,
    ) -> Result<(Self, Element), Fault> {
        let offered: Vec<String> = features
            .get_child("mechanisms", ns::SASL)
            .map(|list| list.children().map(Element::text).collect())
            .unwrap_or_default();
        let offers = |name: &str| offered.iter().any(|offered| offered == name);
        let user = realm.user_name(credentials.user);
        match &credentials.secret {
            Secret::Password(password) if offers(SCRAM_SHA_256) || offers(SCRAM_SHA_1) => {
                // Channel binding `None`: claiming to support it would forbid the plain variant.
                let none = ChannelBinding::None;
                let no_random = |_| refuse("no random number for the login");
                let (name, mut scram): (_, Box<dyn Mechanism + Send>) = if offers(SCRAM_SHA_256) {
                    let scram = Scram::<Sha256>::new(user, password.as_str(), none);
                    (SCRAM_SHA_256, Box::new(scram.map_err(no_random)?))
                } else {
                    let scram = Scram::<Sha1>::new(user, password.as_str(), none);
                    (SCRAM_SHA_1, Box::new(scram.map_err(no_random)?))
                };
                let client_first = scram.initial();
                let auth = auth(name, &client_first);
                let mechanism = Chosen::Scram {
                    scram,
                    client_first,
                };
                Ok((Self { mechanism }, auth))
            }
            Secret::Password(secret) | Secret::Token(secret) if offers(PLAIN) => {
                let mut plain = Plain::new(user, secret.as_str());
                let auth = auth(PLAIN, &plain.initial());
                let mechanism = Chosen::Plain;
                Ok((Self { mechanism }, auth))
            }
            _ => {
                let offered = offered.join(", ");
                Err(refuse(&format!(
                    "the server offers no mechanism we can use, only: {offered}"
                )))
            }
        }
    }

    /// Takes the server's answer. Deriving SCRAM keys takes up to some 100 ms of CPU, so call it
    /// where blocking is allowed.
    pub(super) fn answer(&mut self, element: &Element) -> Result<Reply, ConnectionEnd> {
        if element.ns() != ns::SASL {
            let name = element.name();
            return Err(refuse(&format!("<{name}/> came instead of an answer")).into());
        }
        match element.name() {
            "challenge" => Ok(Reply::Send(self.respond(&payload(element)?)?)),
            "success" => {
                self.verify(&payload(element)?)?;
                Ok(Reply::Done)
            }
            "failure" => Err(failure(element)),
            name => Err(refuse(&format!("<{name}/> came instead of an answer")).into()),
        }
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Element, Fault> {
        let Chosen::Scram {
            scram,
            client_first,
        } = &mut self.mechanism
        else {
            return Err(refuse("PLAIN knows no challenge"));
        };
        check_challenge(client_first, challenge)?;
        let response = scram
            .response(challenge)
            .map_err(|error| refuse(&error.to_string()))?;
        Ok(Element::builder("response", ns::SASL)
            .append(STANDARD.encode(response))
            .build())
    }

    /// SCRAM is mutual: a server that does not know the password cannot sign.
    fn verify(&mut self, data: &[u8]) -> Result<(), Fault> {
        match &mut self.mechanism {
            Chosen::Plain => Ok(()),
            Chosen::Scram { scram, .. } => scram
                .success(data)
                .map_err(|error| refuse(&format!("the server did not prove itself: {error}"))),
        }
    }
}

fn auth(mechanism: &str, initial: &[u8]) -> Element {
    Element::builder("auth", ns::SASL)
        .with("mechanism", mechanism)
        .append(STANDARD.encode(initial))
        .build()
}

fn refuse(reason: &str) -> Fault {
    Fault::Protocol {
        step: Step::Login,
        reason: reason.to_owned(),
    }
}

fn payload(element: &Element) -> Result<Vec<u8>, Fault> {
    let text = element.text();
    match text.trim() {
        // RFC 6120 §6.4.2: a lone equals sign is an empty payload.
        "" | "=" => Ok(Vec::new()),
        text => STANDARD
            .decode(text)
            .map_err(|_| refuse("the server's answer is no base64")),
    }
}

/// RFC 5802 §5.1: the server's nonce must begin with ours. The library does not check it, nor
/// does it bound the iterations.
fn check_challenge(client_first: &[u8], challenge: &[u8]) -> Result<(), Fault> {
    let field = |message: &[u8], name: &str| {
        let message = String::from_utf8_lossy(message);
        message
            .split(',')
            .find_map(|part| part.strip_prefix(name).map(str::to_owned))
            .unwrap_or_default()
    };
    let ours = field(client_first, "r=");
    let theirs = field(challenge, "r=");
    if ours.is_empty() || theirs.len() <= ours.len() || !theirs.starts_with(&ours) {
        return Err(refuse("the server's nonce does not extend ours"));
    }
    match field(challenge, "i=").parse::<u32>() {
        Ok(1..=MAX_ITERATIONS) => Ok(()),
        _ => Err(refuse("the server asks for an absurd number of iterations")),
    }
}

fn failure(element: &Element) -> ConnectionEnd {
    let condition = element
        .children()
        .find(|child| child.name() != "text")
        .map_or("failure", Element::name);
    let reason = match element.get_child("text", ns::SASL) {
        Some(text) => format!("{condition} ({})", text.text()),
        None => condition.to_owned(),
    };
    match condition {
        // RFC 6120 §6.5: what better credentials would mend.
        "not-authorized" | "account-disabled" | "credentials-expired" | "invalid-authzid" => {
            ConnectionEnd::Refused { reason }
        }
        _ => refuse(&reason).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm {
            app_id: 7,
            chat_host: "chat.example".into(),
        }
    }

    fn features(mechanisms: &[&str]) -> Element {
        let mechanisms = mechanisms.iter().map(|name| {
            Element::builder("mechanism", ns::SASL)
                .append(*name)
                .build()
        });
        Element::builder("features", ns::STREAM)
            .append(Element::builder("mechanisms", ns::SASL).append_all(mechanisms))
            .build()
    }

    fn begin(credentials: &Credentials, mechanisms: &[&str]) -> (Login, Element) {
        Login::begin(&realm(), credentials, &features(mechanisms)).unwrap()
    }

    fn scram() -> (Login, String) {
        let credentials = Credentials::with_password(5, "pencil");
        let (login, auth) = begin(&credentials, &["SCRAM-SHA-1", "PLAIN"]);
        let first = STANDARD.decode(auth.text()).unwrap();
        let first = String::from_utf8(first).unwrap();
        let nonce = first.split("r=").nth(1).unwrap().to_owned();
        (login, nonce)
    }

    fn element(name: &str, payload: &str) -> Element {
        Element::builder(name, ns::SASL)
            .append(STANDARD.encode(payload))
            .build()
    }

    #[test]
    fn a_password_uses_scram_where_offered_and_plain_otherwise() {
        let password = Credentials::with_password(5, "p");
        let (_, auth) = begin(&password, &["PLAIN", "SCRAM-SHA-1"]);
        assert_eq!(auth.attr("mechanism"), Some("SCRAM-SHA-1"));
        let (_, auth) = begin(&password, &["SCRAM-SHA-1", "PLAIN", "SCRAM-SHA-256"]);
        assert_eq!(auth.attr("mechanism"), Some("SCRAM-SHA-256"));
        let (_, auth) = begin(&password, &["PLAIN"]);
        assert_eq!(auth.attr("mechanism"), Some("PLAIN"));
        assert_eq!(STANDARD.decode(auth.text()).unwrap(), b"\x005-7\x00p");
    }

    #[test]
    fn a_token_never_uses_scram() {
        let token = Credentials::with_token(5, "t");
        let (_, auth) = begin(&token, &["SCRAM-SHA-1", "PLAIN"]);
        assert_eq!(auth.attr("mechanism"), Some("PLAIN"));
        assert!(Login::begin(&realm(), &token, &features(&["SCRAM-SHA-1"])).is_err());
    }

    #[test]
    fn a_server_that_did_not_see_our_nonce_is_refused() {
        let (mut login, _) = scram();
        let challenge = element("challenge", "r=replayed-from-elsewhere,s=AAAA,i=4096");
        assert!(login.answer(&challenge).is_err());
    }

    #[test]
    fn an_absurd_number_of_iterations_is_refused() {
        let (mut login, nonce) = scram();
        let challenge = element("challenge", &format!("r={nonce}x,s=AAAA,i=4000000000"));
        assert!(login.answer(&challenge).is_err());
    }

    #[test]
    fn a_success_without_the_servers_signature_is_refused() {
        let (mut login, nonce) = scram();
        let challenge = element("challenge", &format!("r={nonce}x,s=AAAA,i=4096"));
        assert!(matches!(login.answer(&challenge), Ok(Reply::Send(_))));
        let success = element("success", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let Err(ConnectionEnd::Lost(Fault::Protocol { reason, .. })) = login.answer(&success)
        else {
            panic!("an unproven server was taken")
        };
        assert!(reason.contains("prove"), "{reason}");
    }

    #[test]
    fn refused_credentials_are_told_from_a_busy_server() {
        let answer = |condition: &str| {
            let (mut login, _) = begin(&Credentials::with_token(5, "t"), &["PLAIN"]);
            let failure = Element::builder("failure", ns::SASL)
                .append(Element::bare(condition, ns::SASL))
                .build();
            login.answer(&failure).err().unwrap()
        };
        assert!(matches!(
            answer("not-authorized"),
            ConnectionEnd::Refused { .. }
        ));
        assert!(matches!(
            answer("temporary-auth-failure"),
            ConnectionEnd::Lost(_)
        ));
    }
}
