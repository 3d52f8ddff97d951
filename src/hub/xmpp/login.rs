//! From the first stream header to a bound resource (wire reference A.3, A.4).

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minidom::Element;
use zeroize::Zeroizing;

use super::connection::Line;
use super::resumption;
use super::router::Connection;
use super::stanza::{Refusal, result};
use super::stream::{Ending, Features, Inbound, Transport};
use crate::hub::auth::scram::{self, ITERATIONS};
use crate::hub::auth::{self, LoginError, secret};
use crate::hub::site::Site;
use crate::protocol::address::{Realm, UserId};
use crate::protocol::ns;
use crate::protocol::scram::{ClientFirst, MECHANISM};

/// Tries one stream has.
const MAX_TRIES: u32 = 3;
/// A resource must not be contained in any other address, so a client's wish needs some length.
const MIN_RESOURCE: usize = 16;
/// Beyond this a wish is not taken.
const MAX_RESOURCE: usize = 64;

/// Logs a stream in and enters it into the router.
pub async fn negotiate<T: Transport>(
    site: &Arc<Site>,
    transport: &mut T,
    address: Option<IpAddr>,
) -> Result<(Arc<Connection>, Line), Ending> {
    let host = &site.realm.chat_host;
    let scram = site.config.chat.scram;
    transport.open(host, Features::Login { scram }).await?;
    let (user, success) = authenticate(site, transport, address).await?;
    transport.restart(&success).await?;
    transport.open(host, Features::Bind).await?;
    bind(site, transport, user).await
}

async fn next<T: Transport>(transport: &mut T) -> Result<Element, Ending> {
    loop {
        match transport.receive().await {
            Inbound::Element(element) => return Ok(element),
            Inbound::Nothing(None) => {}
            // Before log-in there is no reason to be lenient.
            Inbound::Nothing(Some(reason)) => {
                tracing::info!(reason, "malformed element before log-in");
                return Err(Ending::Error("not-well-formed"));
            }
            Inbound::End(ending) => return Err(ending),
        }
    }
}

/// Why one try fails.
enum Failure {
    /// The client is told, and may try again.
    Condition(&'static str),
    /// The stream is over.
    Ending(Ending),
}

impl From<&'static str> for Failure {
    fn from(condition: &'static str) -> Self {
        Self::Condition(condition)
    }
}

impl From<Ending> for Failure {
    fn from(ending: Ending) -> Self {
        Self::Ending(ending)
    }
}

async fn authenticate<T: Transport>(
    site: &Site,
    transport: &mut T,
    address: Option<IpAddr>,
) -> Result<(UserId, Element), Ending> {
    for _ in 0..MAX_TRIES {
        let element = next(transport).await?;
        if !element.is("auth", ns::SASL) {
            return Err(Ending::Error("not-authorized"));
        }
        let tried = match element.attr("mechanism") {
            Some("PLAIN") => try_plain(site, &element, address)
                .await
                .map_err(Failure::Condition),
            Some(MECHANISM) if site.config.chat.scram => {
                try_scram(site, transport, &element, address).await
            }
            _ => Err(Failure::Condition("invalid-mechanism")),
        };
        let condition = match tried {
            Ok(proved) => return Ok(proved),
            Err(Failure::Condition(condition)) => condition,
            Err(Failure::Ending(ending)) => return Err(ending),
        };
        let failure = Element::builder("failure", ns::SASL)
            .append(Element::bare(condition, ns::SASL))
            .build();
        transport.send(&[failure]).await?;
    }
    Err(Ending::Error("policy-violation"))
}

async fn try_plain(
    site: &Site,
    element: &Element,
    address: Option<IpAddr>,
) -> Result<(UserId, Element), &'static str> {
    let text = Zeroizing::new(element.text());
    let (user, password) = read_plain(&site.realm, text.trim())?;
    auth::for_chat(site, user, password, address)
        .await
        .map_err(|error| condition_of(user, &error))?;
    Ok((user, Element::bare("success", ns::SASL)))
}

/// RFC 5802 over XMPP: auth, challenge, response, and the proof of the server in the success.
async fn try_scram<T: Transport>(
    site: &Site,
    transport: &mut T,
    element: &Element,
    address: Option<IpAddr>,
) -> Result<(UserId, Element), Failure> {
    let first = ClientFirst::read(&payload(element)?).map_err(|error| error.condition())?;
    let user = user_of(&site.realm, &first.name);
    if let Some((authzid, user)) = first.authzid.as_deref().zip(user)
        && !is_same_user(&site.realm, authzid, user)
    {
        return Err("invalid-authzid".into());
    }
    let name = match user {
        Some(user) => site.realm.user_name(user),
        None => first.name.clone(),
    };
    // Names nobody has get a challenge like any other, and fail as a wrong password does.
    let nonce = secret::random_text(32);
    let challenge = first.challenge(&nonce, &site.salts.of(&name), ITERATIONS);
    let text = BASE64_STANDARD.encode(challenge.text());
    let question = Element::builder("challenge", ns::SASL).append(text).build();
    transport.send(&[question]).await?;
    let response = next(transport).await?;
    match (response.name(), response.ns().as_str()) {
        ("response", ns::SASL) => {}
        ("abort", ns::SASL) => return Err("aborted".into()),
        _ => return Err(Ending::Error("not-authorized").into()),
    }
    let proof = payload(&response)?;
    let proved = scram::prove(site, user, &name, &challenge, &proof, address).await;
    let proved = proved.map_err(|error| condition_of(user.unwrap_or_default(), &error))?;
    let user = user.ok_or("not-authorized")?;
    let success = Element::builder("success", ns::SASL).append(BASE64_STANDARD.encode(proved));
    Ok((user, success.build()))
}

fn payload(element: &Element) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let bytes = BASE64_STANDARD.decode(element.text().trim());
    bytes.map(Zeroizing::new).map_err(|_| "incorrect-encoding")
}

fn condition_of(user: UserId, error: &LoginError) -> &'static str {
    match error {
        LoginError::Locked(seconds) => {
            tracing::warn!(user, seconds, "chat log-in refused for a while");
            "temporary-auth-failure"
        }
        LoginError::Wrong | LoginError::Unknown => {
            tracing::info!(user, "chat log-in failed");
            "not-authorized"
        }
        LoginError::Scram(error) => error.condition(),
        LoginError::Store(_) | LoginError::Password(_) => {
            tracing::error!(user, %error, "chat log-in could not be checked");
            "temporary-auth-failure"
        }
    }
}

/// The user of a log-in name: `{user}-{app}`, or as some clients write it the whole address.
fn user_of(realm: &Realm, name: &str) -> Option<UserId> {
    let local = name
        .strip_suffix(realm.chat_host.as_str())
        .and_then(|rest| rest.strip_suffix('@'))
        .unwrap_or(name);
    local
        .split_once('-')
        .filter(|(_, app)| app.parse() == Ok(realm.app_id))
        .and_then(|(user, _)| user.parse().ok())
}

/// An authorisation id is tolerated if it names the same user, as old clients send their bare
/// address.
fn is_same_user(realm: &Realm, authzid: &str, user: UserId) -> bool {
    let bare = authzid.split('/').next().unwrap_or_default();
    authzid.is_empty() || bare == realm.user(user) || bare == realm.user_name(user)
}

/// `authzid NUL authcid NUL password` (RFC 4616).
fn read_plain(realm: &Realm, text: &str) -> Result<(UserId, String), &'static str> {
    let bytes = BASE64_STANDARD.decode(text).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| "incorrect-encoding")?;
    let message = std::str::from_utf8(&bytes).map_err(|_| "malformed-request")?;
    let mut parts = message.splitn(3, '\0');
    let (Some(authzid), Some(name), Some(password)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err("malformed-request");
    };
    let user = user_of(realm, name).ok_or("not-authorized")?;
    if is_same_user(realm, authzid, user) {
        Ok((user, password.to_owned()))
    } else {
        Err("invalid-authzid")
    }
}

async fn bind<T: Transport>(
    site: &Arc<Site>,
    transport: &mut T,
    user: UserId,
) -> Result<(Arc<Connection>, Line), Ending> {
    loop {
        let element = next(transport).await?;
        if element.is("resume", ns::SM) {
            match resumption::resume(site, user, &element).await {
                Ok(resumed) => return Ok(resumed),
                Err(failed) => transport.send(&[failed]).await?,
            }
            continue;
        }
        let request = element.get_child("bind", ns::BIND);
        let Some(request) = request.filter(|_| element.name() == "iq") else {
            if element.name() == "iq" {
                transport
                    .send(&[Refusal::UNAVAILABLE.answer(&element)])
                    .await?;
                continue;
            }
            return Err(Ending::Error("not-authorized"));
        };
        let wish = request.get_child("resource", ns::BIND).map(Element::text);
        let resource = wish
            .filter(|wish| is_safe_resource(&site.realm, user, wish))
            .unwrap_or_else(|| secret::random_text(24));
        let address = site.realm.connection(user, &resource);
        let jid = Element::builder("jid", ns::BIND).append(address.as_str());
        let answer = Element::builder("bind", ns::BIND).append(jid).build();
        let limits = &site.config.limits;
        let connection = Connection::new(
            user,
            resource,
            address,
            limits.queued_stanzas,
            limits.queued_bytes,
        );
        let line = connection.attach().await.ok_or(Ending::Lost)?;
        site.router
            .register(&connection, limits.connections_per_user);
        // Through the queue, so that nothing can overtake it.
        connection.push(result(&element, Some(answer)));
        return Ok((connection, line));
    }
}

/// The SDK drops every message whose sender's address contains its own resource (A.1), so a
/// wished resource must not be part of an address of this realm.
fn is_safe_resource(realm: &Realm, user: UserId, wish: &str) -> bool {
    (MIN_RESOURCE..=MAX_RESOURCE).contains(&wish.len())
        && wish.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        // An object id or a number could be part of a room's or a user's address.
        && !wish.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !realm.user(user).contains(wish)
        && !realm.room("").contains(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm {
            app_id: 7,
            chat_host: "a-rather-long-chat.example".into(),
        }
    }

    fn plain(text: &str) -> Result<(UserId, String), &'static str> {
        read_plain(&realm(), &BASE64_STANDARD.encode(text))
    }

    #[test]
    fn a_name_with_and_without_authorisation_id_is_understood() {
        for text in [
            "\x001001-7\0pw",
            "1001-7\x001001-7\0pw",
            "1001-7@a-rather-long-chat.example\x001001-7\0pw",
            "\x001001-7@a-rather-long-chat.example\0pw",
        ] {
            assert_eq!(plain(text), Ok((1001, "pw".into())), "{text:?}");
        }
    }

    #[test]
    fn other_apps_other_users_and_nonsense_are_refused() {
        assert_eq!(plain("\x001001-8\0pw"), Err("not-authorized"));
        assert_eq!(plain("1002-7\x001001-7\0pw"), Err("invalid-authzid"));
        assert_eq!(plain("1001-7 pw"), Err("malformed-request"));
        assert_eq!(read_plain(&realm(), "%%%"), Err("incorrect-encoding"));
    }

    #[test]
    fn a_wished_resource_must_not_be_part_of_an_address() {
        assert!(is_safe_resource(&realm(), 1, "kiosk-entrance-0001"));
        for bad in [
            "short",
            "1234567890123456",
            "66f0aa000102030405000001",
            "a-rather-long-chat",
            "with space in the middle",
            "ünïcödé-resource-long",
        ] {
            assert!(!is_safe_resource(&realm(), 1, bad), "{bad}");
        }
    }
}
