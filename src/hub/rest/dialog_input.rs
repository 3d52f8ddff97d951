//! What requests say about a dialog: texts, custom fields, permissions, lists of people.

use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::params::{Params, plain};
use crate::hub::store::dialogs::Texts;
use crate::hub::store::query::list;
use crate::protocol::address::UserId;

/// Characters of a name, a photo's address or a description.
const MAX_TEXT: usize = 2_000;
/// Characters of one custom field.
const MAX_EXTENSION: usize = 1_000;
/// People one list may name.
const MAX_LIST: usize = 10_000;

/// The texts a request sets. `fields` are the custom fields the site allows (CH-13).
///
/// # Errors
/// 422 for what is too long or of a wrong shape.
pub fn texts(params: &Json, fields: &[String]) -> Result<Texts, ApiError> {
    Ok(Texts {
        name: text(params, "name")?,
        description: text(params, "description")?,
        photo: text(params, "photo")?,
        extensions: extensions(params, fields)?,
        permissions: permissions(params)?,
        // Read where the dialog is at hand.
        data: params.get("data").cloned(),
    })
}

fn text(params: &Json, name: &'static str) -> Result<Option<Json>, ApiError> {
    let Some(value) = params.get(name) else {
        return Ok(None);
    };
    if value.is_null() {
        return Ok(Some(Json::Null));
    }
    let text = plain(value).ok_or_else(|| ApiError::invalid(name, "must be a text"))?;
    if text.chars().count() > MAX_TEXT {
        let rule = format!("is longer than {MAX_TEXT} characters");
        return Err(ApiError::invalid(name, rule));
    }
    Ok(Some(json!(text)))
}

/// Allowed fields as texts; others are ignored, `null` resets all.
fn extensions(params: &Json, fields: &[String]) -> Result<Option<Json>, ApiError> {
    const NAME: &str = "extensions";
    let given = match params.get(NAME) {
        None => return Ok(None),
        Some(Json::Null) => return Ok(Some(Json::Null)),
        Some(Json::Object(given)) => given,
        Some(_) => return Err(ApiError::invalid(NAME, "must be an object or null")),
    };
    let mut kept = Map::new();
    for (name, value) in given {
        if !fields.contains(name) || value.is_null() {
            continue;
        }
        let text = plain(value).unwrap_or_else(|| value.to_string());
        if text.chars().count() > MAX_EXTENSION {
            let rule = format!("{name} is longer than {MAX_EXTENSION} characters");
            return Err(ApiError::invalid(NAME, rule));
        }
        kept.insert(name.clone(), json!(text));
    }
    let value = if kept.is_empty() {
        Json::Null
    } else {
        Json::Object(kept)
    };
    Ok(Some(value))
}

/// `allow_preview` is the only permission there is (CH-14).
fn permissions(params: &Json) -> Result<Option<Json>, ApiError> {
    const NAME: &str = "permissions";
    let given = match params.get(NAME) {
        None => return Ok(None),
        Some(Json::Null) => return Ok(Some(Json::Null)),
        Some(given @ Json::Object(_)) => given,
        Some(_) => return Err(ApiError::invalid(NAME, "must be an object or null")),
    };
    let allow_preview = given.flag("allow_preview");
    Ok(Some(json!({"allow_preview": allow_preview})))
}

/// User numbers in either array encoding, sorted and without repetition.
///
/// # Errors
/// 422 naming the field for an item that is no user number.
pub fn user_ids(params: &Json, name: &'static str) -> Result<Vec<UserId>, ApiError> {
    let items = params.get(name).map(list).unwrap_or_default();
    let mut ids = Vec::new();
    for item in items {
        let text = plain(&item).ok_or_else(|| ApiError::invalid(name, "must be user ids"))?;
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let id = part.parse().ok().filter(|id| i64::try_from(*id).is_ok());
            let rule = || {
                format!(
                    "{:?} is no user id",
                    part.chars().take(32).collect::<String>()
                )
            };
            ids.push(id.ok_or_else(|| ApiError::invalid(name, rule()))?);
        }
    }
    if ids.len() > MAX_LIST {
        return Err(ApiError::invalid(name, format!("are more than {MAX_LIST}")));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
