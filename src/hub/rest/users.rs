//! `/users` (wire reference E.2; US-01…US-21, US-26).

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::{Params, plain};
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::hub::auth::scram;
use crate::hub::store::query::{Field, Filter, Kind, Page};
use crate::hub::store::users::{self, Changes, PROFILE, User};
use crate::protocol::address::UserId;

/// Characters of any profile text but `custom_data`.
const MAX_TEXT: usize = 1_024;
/// Characters of `custom_data`.
const MAX_CUSTOM: usize = 16 * 1024;
/// Characters of a password: enough for a sentence, not for making the hub hash a book.
const MAX_PASSWORD: usize = 256;
/// Tags one user may have (US-03).
const MAX_TAGS: usize = 5;
/// A prefix search gives this many (US-05).
const PREFIX_LIMIT: u64 = 5;

const FIELDS: &[Field] = &[
    ("id", "id", Kind::Number),
    ("login", "login", Kind::Text),
    ("email", "email", Kind::Text),
    ("full_name", "full_name", Kind::Text),
    ("phone", "phone", Kind::Text),
    ("external_id", "external_id", Kind::Text),
    ("external_user_id", "external_user_id", Kind::Text),
    ("facebook_id", "facebook_id", Kind::Text),
    ("twitter_id", "twitter_id", Kind::Text),
    ("user_tags", "user_tags", Kind::Text),
    ("last_request_at", "last_request_at", Kind::Time),
    ("created_at", "created_at", Kind::Time),
    ("updated_at", "updated_at", Kind::Time),
];

/// `POST /users`: with the application's key, a session, or the administration key.
pub async fn sign_up(request: &Request) -> Answer {
    let site = &request.site;
    if !request.has_admin_key() {
        if !request.has_auth_key() {
            request.session().await?;
        }
        if !site.config.sign_up {
            return Err(ApiError::forbidden("Sign-up is switched off"));
        }
    }
    let user = request.params.get("user").unwrap_or(&request.params);
    let changes = changes_of(user)?;
    let password = user.text("password");
    let has_name = changes
        .iter()
        .any(|(name, value)| matches!(*name, "login" | "email") && value.is_some());
    if !has_name {
        return Err(ApiError::invalid("base", "login or email is needed"));
    }
    let password = password.ok_or_else(|| ApiError::invalid("password", "can't be blank"))?;
    validate(&changes, Some(&password))?;
    let hash = site.passwords.hash(password.clone()).await?;
    let now = site.now();
    let created = site
        .store
        .run(move |db| users::create(db, &changes, Some(&hash), false, now))
        .await?;
    let user = created?;
    scram::learn_password(site, user.id, &password).await;
    Ok(respond(StatusCode::CREATED, &json!({"user": user.json()})))
}

/// `GET /users/v2`
pub async fn search(request: &Request) -> Answer {
    request.user().await?;
    let params = &request.params;
    let mut page = Page::read(params, FIELDS, 100, 100);
    let is_prefix = FIELDS.iter().any(|(name, _, _)| {
        params
            .get(*name)
            .is_some_and(|field| field.get("start_with").is_some())
    });
    if is_prefix {
        page.limit = page.limit.min(PREFIX_LIMIT);
    }
    let filter = Filter::default().and_request(params, FIELDS)?;
    let wanted = page.clone();
    let found = request
        .site
        .store
        .run(move |db| users::search(db, &filter, &wanted))
        .await?;
    let (users, total) = found;
    Ok(respond(
        StatusCode::OK,
        &json!({
            "items": users.iter().map(User::json).collect::<Vec<_>>(),
            "limit": page.limit,
            "skip": page.skip,
            "total_entries": total,
        }),
    ))
}

/// `GET /users/online`, with `count=true` only how many.
pub async fn online(request: &Request) -> Answer {
    request.user().await?;
    let online = request.site.router.online();
    if request.params.flag("count") {
        return Ok(respond(StatusCode::OK, &json!({"count": online.len()})));
    }
    let page = Page::read(&request.params, &[], 100, 100);
    let ids: Vec<UserId> = online
        .into_iter()
        .skip(page.skip as usize)
        .take(page.limit as usize)
        .collect();
    let users = request
        .site
        .store
        .run(move |db| users::by_ids(db, &ids))
        .await?;
    let users: Vec<Json> = users.iter().map(User::json).collect();
    Ok(respond(StatusCode::OK, &json!({"users": users})))
}

/// `GET /users/by_login?login=` and its like.
pub async fn by_name(request: &Request, route: &str) -> Answer {
    request.user().await?;
    let column = match route {
        "by_login" => "login",
        "by_email" => "email",
        _ => "phone",
    };
    let text = request.params.text(column);
    let text = text.ok_or_else(|| ApiError::invalid(column, "can't be blank"))?;
    find(request, column, text).await
}

/// `GET /users/external/{id}`
pub async fn by_external_id(request: &Request, id: &str) -> Answer {
    request.user().await?;
    find(request, "external_id", id.to_owned()).await
}

/// `GET /users/{id}`
pub async fn by_id(request: &Request, id: &str) -> Answer {
    request.user().await?;
    let id = read_id(id)?;
    find(request, "id", id.to_string()).await
}

async fn find(request: &Request, column: &'static str, text: String) -> Answer {
    let found = request
        .site
        .store
        .run(move |db| users::by_column(db, column, &text))
        .await?;
    let user = found.ok_or_else(|| ApiError::not_found("User not found"))?;
    Ok(respond(StatusCode::OK, &json!({"user": user.json()})))
}

/// `PUT /users/{id}`: one's own profile. A new password needs the old one (US-19).
pub async fn update(request: &Request, id: &str) -> Answer {
    let id = own(request, id).await?;
    let site = &request.site;
    let user = request.params.get("user").unwrap_or(&request.params);
    let changes = changes_of(user)?;
    let password = user.text("password");
    validate(&changes, password.as_deref())?;
    let hash = match password.clone() {
        None => None,
        Some(password) => {
            let text = id.to_string();
            let stored = site
                .store
                .run(move |db| users::credentials(db, "id", &text))
                .await?;
            if let Some((_, Some(stored))) = stored {
                let old = user.text("old_password").unwrap_or_default();
                if !site.passwords.verify(old, stored).await? {
                    return Err(ApiError::invalid("old_password", "is wrong"));
                }
            }
            Some(site.passwords.hash(password).await?)
        }
    };
    let now = site.now();
    let updated = site
        .store
        .run(move |db| users::update(db, id, &changes, hash.as_deref(), now))
        .await?;
    let user = updated?.ok_or_else(|| ApiError::not_found("User not found"))?;
    if let Some(password) = password {
        scram::learn_password(site, id, &password).await;
    }
    Ok(respond(StatusCode::OK, &json!({"user": user.json()})))
}

/// `DELETE /users/{id}`: oneself, with sessions and connections.
pub async fn delete(request: &Request, id: &str) -> Answer {
    let id = own(request, id).await?;
    request
        .site
        .store
        .run(move |db| users::delete(db, id))
        .await?;
    request.site.router.end_user(id, "not-authorized");
    Ok(done())
}

async fn own(request: &Request, id: &str) -> Result<UserId, ApiError> {
    let user = request.user().await?;
    if read_id(id)? != user {
        return Err(ApiError::forbidden("You can change only your own user"));
    }
    Ok(user)
}

fn read_id(text: &str) -> Result<UserId, ApiError> {
    let id = text.parse::<i64>().ok().filter(|id| *id > 0);
    id.map(i64::unsigned_abs)
        .ok_or_else(|| ApiError::not_found("User not found"))
}

/// The profile columns a request sets. Tags come as a list or with commas, and under two names.
fn changes_of(user: &Json) -> Result<Changes, ApiError> {
    let mut changes = Changes::new();
    for column in PROFILE {
        let Some(value) = user.get(*column) else {
            continue;
        };
        let text = match value {
            Json::Null => None,
            Json::Array(_) if *column == "user_tags" => Some(user.texts(column).join(",")),
            // Some SDKs give custom data as an object; it is kept as its text.
            Json::Object(_) | Json::Array(_) if *column == "custom_data" => Some(value.to_string()),
            other => match plain(other) {
                Some(text) => Some(text),
                None => return Err(ApiError::invalid(column, "must be a text")),
            },
        };
        changes.push((column, text.filter(|text| !text.is_empty())));
    }
    if user.get("tag_list").is_some() {
        let tags = user.texts("tag_list");
        if tags.len() > MAX_TAGS {
            return Err(ApiError::invalid(
                "tag_list",
                format!("has more than {MAX_TAGS} tags"),
            ));
        }
        changes.retain(|(name, _)| *name != "user_tags");
        let tags = tags.join(",");
        changes.push(("user_tags", (!tags.is_empty()).then_some(tags)));
    }
    Ok(changes)
}

/// Refuses texts beyond their bounds.
///
/// # Errors
/// 422 naming the field.
pub fn validate(changes: &Changes, password: Option<&str>) -> Result<(), ApiError> {
    for (name, value) in changes {
        let limit = if *name == "custom_data" {
            MAX_CUSTOM
        } else {
            MAX_TEXT
        };
        if value
            .as_ref()
            .is_some_and(|value| value.chars().count() > limit)
        {
            return Err(ApiError::invalid(
                name,
                format!("is longer than {limit} characters"),
            ));
        }
    }
    if password.is_some_and(|password| password.chars().count() > MAX_PASSWORD) {
        let text = format!("is longer than {MAX_PASSWORD} characters");
        return Err(ApiError::invalid("password", text));
    }
    Ok(())
}
