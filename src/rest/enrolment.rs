//! The first request a device ever makes: its code for its account, at a hub it knows by the
//! code's pin alone.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::error::RestError;
use crate::base::pinned;
use crate::protocol::enrolment::{Account, Code, Pin};

/// Time for TCP, TLS and recognising the authority, which a small board takes a second for.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Time from the call to the last byte of the answer; the hub hashes two passwords.
const TOTAL_DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of an answer; an account has some 400.
const MAX_ANSWER: usize = 16 << 10;

/// What a device has after its enrolment.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Its account.
    pub account: Account,
    /// The certificate of the hub's authority, to be trusted from now on.
    pub authority: CertificateDer<'static>,
}

/// Why a code brought no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentError {
    /// Without TLS there is nothing to recognise.
    #[error("{0} is no https address")]
    NotHttps(Url),
    /// The server's authority is not the code's.
    #[error(
        "{0} is not the hub this code is of: it shows another certificate authority, or the second \
         half of the code is mistyped"
    )]
    Stranger(Url),
    /// The hub does not know the code.
    #[error("the hub refuses the code: {0}")]
    Refused(String),
    /// Anything else.
    #[error("{hub}: {error}")]
    Failed {
        /// The hub.
        hub: Url,
        /// What happened.
        error: RestError,
    },
}

/// Exchanges a code. Nothing is sent to a server that does not prove to be of the authority the
/// code names (and of the whole digest, where there is one). A code is good once: after
/// [`RestError::Network`] it may be used up, and the hub's operator makes another.
///
/// # Errors
/// [`EnrolmentError`].
pub async fn redeem(
    hub: &Url,
    code: &Code,
    authority: Option<[u8; 32]>,
) -> Result<Enrolled, EnrolmentError> {
    if hub.scheme() != "https" {
        return Err(EnrolmentError::NotHttps(hub.clone()));
    }
    let failed = |error| EnrolmentError::Failed {
        hub: hub.clone(),
        error,
    };
    let pin = code.pin.clone();
    let is_the_one = move |shown: &CertificateDer<'_>| {
        authority.is_none_or(|digest| Sha256::digest(shown)[..] == digest)
            && Pin::of(shown).is_ok_and(|of_it| of_it == pin)
    };
    let setup = |reason: String| failed(RestError::Setup(reason));
    let (config, contact) =
        pinned::client_config(is_the_one).map_err(|error| setup(error.to_string()))?;
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(TOTAL_DEADLINE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| setup(error.to_string()))?;
    let url = hub.join("/enrolments/redeem");
    let url = url.map_err(|error| setup(error.to_string()))?;
    let body = json!({ "secret": code.secret.expose() });
    let sent = http.post(url).json(&body).send().await;
    let mut answer = sent.map_err(|error| {
        if contact.is_stranger() {
            EnrolmentError::Stranger(hub.clone())
        } else {
            failed(RestError::of_network(error))
        }
    })?;
    let status = answer.status().as_u16();
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(RestError::of_network)
        .map_err(failed)?
    {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(failed(bad_answer("it is longer than an account")));
        }
        bytes.extend_from_slice(&chunk);
    }
    if !answer.status().is_success() {
        return Err(match RestError::of_status(status, None, &bytes) {
            RestError::Unauthorised(text) => EnrolmentError::Refused(text),
            other => failed(other),
        });
    }
    let read: Body = serde_json::from_slice(&bytes)
        .map_err(|_| failed(bad_answer("it is no account in JSON")))?;
    let authority = contact.authority();
    let authority = authority.ok_or_else(|| EnrolmentError::Stranger(hub.clone()))?;
    Ok(Enrolled {
        account: read.account,
        authority,
    })
}

#[derive(Deserialize)]
struct Body {
    account: Account,
}

fn bad_answer(reason: &str) -> RestError {
    RestError::BadAnswer {
        operation: "POST /enrolments/redeem".into(),
        reason: reason.into(),
    }
}
