//! `/subscriptions` (wire reference E.5; PN-01…PN-05) and the key to subscribe with (PN-23).

use actix_web::http::StatusCode;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::push::{Push, Receiver, encrypt, endpoint};
use crate::hub::store::subscriptions::{self, New, Subscription, WEB};

/// Channels of the contract: those with a token, and [`WEB`].
pub const TOKEN_CHANNELS: &[&str] = &["apns", "apns_voip", "gcm"];
/// Environments of the contract.
pub const ENVIRONMENTS: &[&str] = &["development", "production"];
const PLATFORMS: &[&str] = &["ios", "android", "web"];
/// Characters of a device's id or an application's, and of a token. Real ones have some 40 and 170.
const MAX_ID: usize = 255;
const MAX_TOKEN: usize = 4_096;

/// Keys come with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `POST /subscriptions`
pub async fn create(request: &Request) -> Answer {
    let user = request.user().await?;
    let site = &request.site;
    let params = &request.params;
    let empty = Json::Null;
    let token = params.get("push_token").unwrap_or(&empty);
    let device = params.get("device").unwrap_or(&empty);
    let channel = channel(params)?;
    let (address, keys) = if channel == WEB {
        web(request, token)?
    } else {
        let name = "push_token[client_identification_sequence]";
        let token = bounded(token, "client_identification_sequence", name, MAX_TOKEN)?;
        (token, None)
    };
    let bundle = match token.get("bundle_identifier") {
        None | Some(Json::Null) => None,
        Some(_) => Some(bounded(
            token,
            "bundle_identifier",
            "push_token[bundle_identifier]",
            MAX_ID,
        )?),
    };
    let new = New {
        user,
        channel,
        environment: one_of(
            token,
            "environment",
            "push_token[environment]",
            ENVIRONMENTS,
        )?,
        platform: one_of(device, "platform", "device[platform]", PLATFORMS)?,
        udid: bounded(device, "udid", "device[udid]", MAX_ID)?,
        bundle,
        address,
        keys,
    };
    let (limit, now) = (site.config.push.subscriptions_per_user, site.now());
    let stored = site
        .store
        .run(move |db| subscriptions::put(db, &new, limit, now));
    let stored = stored.await?;
    Ok(respond(StatusCode::CREATED, &json!([stored.json()])))
}

/// `GET /subscriptions`: those of the session's user.
pub async fn list(request: &Request) -> Answer {
    let user = request.user().await?;
    let found = request
        .site
        .store
        .run(move |db| subscriptions::of_user(db, user));
    let found: Vec<Json> = found.await?.iter().map(Subscription::json).collect();
    Ok(respond(StatusCode::OK, &json!(found)))
}

/// `DELETE /subscriptions/{id}`
pub async fn delete(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let id: i64 = id.parse().unwrap_or(0);
    let deleted = request
        .site
        .store
        .run(move |db| subscriptions::delete(db, user, id));
    if deleted.await? {
        Ok(done())
    } else {
        Err(ApiError::not_found("Subscription not found"))
    }
}

/// `GET /cubelet/push`: the key that browsers subscribe with. No other server of this API has it;
/// at the cloud it is copied from the dashboard.
pub async fn show_key(request: &Request) -> Answer {
    request.session().await?;
    let key = push_of(request)?.public_key();
    Ok(respond(StatusCode::OK, &json!({ "vapid_public_key": key })))
}

/// What sends, if the site sends.
///
/// # Errors
/// 403 where it does not.
pub fn push_of(request: &Request) -> Result<&Push, ApiError> {
    let push = request.site.push.as_ref();
    push.ok_or_else(|| ApiError::forbidden("Push notifications are switched off"))
}

/// The docs of the JS SDK write the name in the plural, too.
fn channel(params: &Json) -> Result<String, ApiError> {
    const NAME: &str = "notification_channel";
    let plural = || params.texts("notification_channels").into_iter().next();
    let channel = params.text(NAME).or_else(plural);
    let channel = channel.ok_or_else(|| ApiError::invalid(NAME, "can't be blank"))?;
    if channel == WEB || TOKEN_CHANNELS.contains(&channel.as_str()) {
        return Ok(channel);
    }
    let rule = format!("must be one of {}, {WEB}", TOKEN_CHANNELS.join(", "));
    Err(ApiError::invalid(NAME, rule))
}

type Keys = Option<(Vec<u8>, Vec<u8>)>;

/// A Web Push subscription is judged where it is made: later nobody is there to be told.
fn web(request: &Request, token: &Json) -> Result<(String, Keys), ApiError> {
    push_of(request)?;
    const ENDPOINT: &str = "push_token[web_endpoint]";
    let address = bounded(token, "web_endpoint", ENDPOINT, endpoint::MAX_ENDPOINT)?;
    let endpoint = endpoint::check(&address, &request.site.config.push.local_services)
        .map_err(|rule| ApiError::invalid(ENDPOINT, rule.to_string()))?;
    let key = |name: &str, field: &'static str| {
        let text = bounded(token, name, field, MAX_ID)?;
        // Some write base64 the ordinary way.
        let text = text.replace('+', "-").replace('/', "_");
        let read = BASE64.decode(text);
        read.map_err(|_| ApiError::invalid(field, "is no base64url"))
    };
    const P256DH: &str = "push_token[web_p256dh]";
    const AUTH: &str = "push_token[web_auth]";
    let (p256dh, auth) = (key("web_p256dh", P256DH)?, key("web_auth", AUTH)?);
    if auth.len() != 16 {
        return Err(ApiError::invalid(AUTH, "must have 16 bytes"));
    }
    let receiver = Receiver::read(&p256dh, &auth);
    if receiver.is_none_or(|receiver| encrypt(&receiver, b"").is_err()) {
        return Err(ApiError::invalid(
            P256DH,
            "is no uncompressed point on P-256",
        ));
    }
    Ok((endpoint.url.into(), Some((p256dh, auth))))
}

fn bounded(object: &Json, name: &str, field: &'static str, max: usize) -> Result<String, ApiError> {
    let text = object.text(name);
    let text = text.ok_or_else(|| ApiError::invalid(field, "can't be blank"))?;
    if text.chars().count() > max {
        let rule = format!("is longer than {max} characters");
        return Err(ApiError::invalid(field, rule));
    }
    Ok(text)
}

/// One of some words.
///
/// # Errors
/// 422 naming the field and the words.
pub fn one_of(
    object: &Json,
    name: &str,
    field: &'static str,
    allowed: &[&str],
) -> Result<String, ApiError> {
    let text = bounded(object, name, field, MAX_ID)?;
    if allowed.contains(&text.as_str()) {
        return Ok(text);
    }
    let rule = format!("must be one of {}", allowed.join(", "));
    Err(ApiError::invalid(field, rule))
}
