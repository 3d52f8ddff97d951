//! `/calls/reject` (wire reference C.3): declines a call without a chat connection, as a phone
//! does that was woken by a push notification.

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::{Params, plain};
use super::request::Request;
use super::{Answer, json as respond};
use crate::base::object_id::ObjectId;
use crate::hub::xmpp::delivery;
use crate::protocol::call_signal::{CallSignal, SignalKind};
use crate::protocol::xml::SetAttribute;

/// Custom parameters carried along.
const MAX_INFO: usize = 32;

/// `POST /calls/reject`
pub async fn reject(request: &Request) -> Answer {
    let user = request.user().await?;
    let params = &request.params;
    let session = params.text("sessionID");
    let session = session.ok_or_else(|| ApiError::invalid("sessionID", "can't be blank"))?;
    let recipient = params.ids("recipientId").first().copied();
    let recipient = recipient.ok_or_else(|| ApiError::invalid("recipientId", "can't be blank"))?;
    let mut signal = CallSignal::new(SignalKind::Reject, session);
    if let Some(Json::Object(info)) = params.get("userInfo") {
        let texts = info
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), plain(value)?)));
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        };
        signal.user_info = texts
            .filter(|(name, _)| is_name(name))
            .take(MAX_INFO)
            .collect();
    }
    let site = &request.site;
    let id = ObjectId::generate().to_string();
    let mut headline = signal
        .to_element(&site.realm, &id, recipient)
        .with("from", format!("{}/rest", site.realm.user(user)));
    if let Some(platform) = params.text("platform") {
        set_platform(&mut headline, &platform);
    }
    delivery::signal(site, user, recipient, &headline);
    Ok(respond(StatusCode::OK, &json!({})))
}

/// The signal says it comes from this program; the request knows better.
fn set_platform(headline: &mut minidom::Element, platform: &str) {
    let Some(params) = headline
        .children_mut()
        .find(|child| child.name() == "extraParams")
    else {
        return;
    };
    let namespace = params.ns();
    params.remove_child("platform", namespace.as_str());
    let element = crate::protocol::extra_params::text_element("platform", platform);
    params.append_child(element);
}
