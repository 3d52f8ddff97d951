//! `/users` (wire reference E.2; US-01…US-21, US-26).

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::{Params, plain};
use super::request::Request;
use super::{Answer, done, json as respond, user_filter};
use crate::hub::auth::scram;
use crate::hub::store::query::Page;
use crate::hub::store::sessions;
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
/// Characters of a login.
const LOGIN: std::ops::RangeInclusive<usize> = 3..=70;
/// Characters of an e-mail address (RFC 5321, 4.5.3.1.3).
const MAX_EMAIL: usize = 254;

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
    let (filter, page) = user_filter::search(&request.params, request.site.config.directory)?;
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

/// The column a route finds one user by.
pub fn column_of(route: &str) -> Option<&'static str> {
    Some(match route {
        "by_login" => "login",
        "by_email" => "email",
        "phone" | "by_phone" => "phone",
        "by_facebook_id" => "facebook_id",
        "by_twitter_id" => "twitter_id",
        "by_external_id" => "external_id",
        _ => return None,
    })
}

/// `/users/password/reset`: this server sends no mail, and says so to everybody alike, so that
/// nobody learns which addresses are known (US-23).
pub fn reset_password(request: &Request) -> Answer {
    let email = request.params.text("email");
    email.ok_or_else(|| ApiError::invalid("email", "can't be blank"))?;
    Err(ApiError::invalid(
        "base",
        "This server sends no mail. Its operator can set a new password with the administration \
         key (PUT /users/{id})",
    ))
}

/// `GET /users/by_login?login=` and its like.
pub async fn by_name(request: &Request, route: &str) -> Answer {
    request.user().await?;
    let column = column_of(route).ok_or_else(|| ApiError::not_found("User not found"))?;
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

/// `PUT /users/{id}`: one's own profile, or anybody's with the administration key. A new password
/// needs the old one (US-19), and ends the user's other sessions and chat connections: who knew
/// the old one is out.
pub async fn update(request: &Request, id: &str) -> Answer {
    let who = allowed(request, id).await?;
    let id = who.user;
    let site = &request.site;
    let user = request.params.get("user").unwrap_or(&request.params);
    let changes = changes_of(user)?;
    let password = user.text("password");
    validate(&changes, password.as_deref())?;
    let hash = match password.clone() {
        None => None,
        Some(password) => {
            if !who.is_admin {
                check_old_password(request, id, user).await?;
            }
            Some(site.passwords.hash(password).await?)
        }
    };
    let has_new_password = hash.is_some();
    let now = site.now();
    let updated = request
        .in_store(move |db| {
            let updated = users::update(db, id, &changes, hash.as_deref(), now)??;
            if has_new_password {
                sessions::delete_others(db, id, who.session)?;
            }
            Ok(updated)
        })
        .await?;
    let user = updated.ok_or_else(|| ApiError::not_found("User not found"))?;
    if let Some(password) = password {
        scram::learn_password(site, id, &password).await;
        site.router.end_user(id, "reset");
    }
    Ok(respond(StatusCode::OK, &json!({"user": user.json()})))
}

async fn check_old_password(request: &Request, id: UserId, user: &Json) -> Result<(), ApiError> {
    let site = &request.site;
    let account = id.to_string();
    let now = site.now();
    // A stolen session must not be a way to guess the password.
    if let Some(wait) = site.lockout.wait(&account, request.address, now) {
        return Err(ApiError::too_many(wait));
    }
    let text = id.to_string();
    let stored = site
        .store
        .run(move |db| users::credentials(db, "id", &text))
        .await?;
    let Some((_, Some(stored))) = stored else {
        // A guest has none, and its first needs no other.
        return Ok(());
    };
    let old = user.text("old_password").unwrap_or_default();
    if site.passwords.verify(old, stored).await? {
        return Ok(());
    }
    site.lockout.failed(&account, request.address, now);
    Err(ApiError::invalid("old_password", "is wrong"))
}

/// `DELETE /users/{id}`: oneself, with sessions, connections and files.
pub async fn delete(request: &Request, id: &str) -> Answer {
    let id = allowed(request, id).await?.user;
    remove(request, id).await
}

/// `DELETE /users/external/{id}`: the same by the external id (US-22).
pub async fn delete_external(request: &Request, external: &str) -> Answer {
    let text = external.to_owned();
    if !request.has_admin_key() {
        request.user().await?;
    }
    let found = request
        .site
        .store
        .run(move |db| users::by_column(db, "external_id", &text))
        .await?;
    let user = found.ok_or_else(|| ApiError::not_found("User not found"))?;
    delete(request, &user.id.to_string()).await
}

async fn remove(request: &Request, id: UserId) -> Answer {
    let was_there = request
        .site
        .store
        .run(move |db| users::delete(db, id))
        .await?;
    if !was_there {
        return Err(ApiError::not_found("User not found"));
    }
    request.site.router.end_user(id, "not-authorized");
    Ok(done())
}

/// Whom a request may change, and as what.
struct Allowed {
    user: UserId,
    is_admin: bool,
    session: Option<i64>,
}

async fn allowed(request: &Request, id: &str) -> Result<Allowed, ApiError> {
    if request.has_admin_key() {
        return Ok(Allowed {
            user: read_id(id)?,
            is_admin: true,
            session: None,
        });
    }
    let session = request.session().await?;
    let user = request.user().await?;
    if read_id(id)? != user {
        return Err(ApiError::forbidden("You can change only your own user"));
    }
    Ok(Allowed {
        user,
        is_admin: false,
        session: Some(session.id),
    })
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
            _ if *column == "user_tags" => Some(tags_of(user, "user_tags")?),
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
        changes.retain(|(name, _)| *name != "user_tags");
        let tags = tags_of(user, "tag_list")?;
        changes.push(("user_tags", (!tags.is_empty()).then_some(tags)));
    }
    Ok(changes)
}

/// Tags with commas between them, each once (US-03).
fn tags_of(user: &Json, field: &'static str) -> Result<String, ApiError> {
    let mut tags = Vec::new();
    for tag in user.texts(field) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > MAX_TAGS {
        let text = format!("has more than {MAX_TAGS} tags");
        return Err(ApiError::invalid(field, text));
    }
    Ok(tags.join(","))
}

fn is_email(text: &str) -> bool {
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.split_once('@');
    is_plain
        && text.len() <= MAX_EMAIL
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.split('.').all(|label| !label.is_empty())
        })
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
    for (name, value) in changes {
        let Some(value) = value else { continue };
        if *name == "login" && !LOGIN.contains(&value.chars().count()) {
            let text = format!("must have {} to {} characters", LOGIN.start(), LOGIN.end());
            return Err(ApiError::invalid("login", text));
        }
        if *name == "email" && !is_email(value) {
            return Err(ApiError::invalid("email", "is no e-mail address"));
        }
    }
    if password.is_some_and(|password| password.chars().count() > MAX_PASSWORD) {
        let text = format!("is longer than {MAX_PASSWORD} characters");
        return Err(ApiError::invalid("password", text));
    }
    Ok(())
}
