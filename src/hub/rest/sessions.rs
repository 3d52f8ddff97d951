//! `/session` and `/login` (wire reference E.2; AU-01…AU-14, AU-22).

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::base::object_id::ObjectId;
use crate::hub::auth::{self, LoginError, Name, secret, signature};
use crate::hub::clock::iso8601;
use crate::hub::store::sessions::{self, Session};
use crate::hub::store::users::{self, User};
use crate::protocol::address::UserId;

/// `POST /session`
pub async fn create(request: &Request) -> Answer {
    let config = &request.site.config;
    let params = &request.params;
    let key = params.text("auth_key").unwrap_or_default();
    let is_app = params.number("application_id") == i64::try_from(config.app_id).ok();
    if !is_app || !secret::same(&key, config.auth_key.expose()) {
        return Err(ApiError::unauthorized(
            "Unknown application_id or wrong auth_key",
        ));
    }
    if let (Some(secret), Some(signature), Json::Object(all)) =
        (&config.auth_secret, params.text("signature"), params)
        && !signature::is_right(all, &signature, secret.expose())
    {
        return Err(ApiError::invalid("base", "Unexpected signature"));
    }
    let user = params.get("user").cloned().unwrap_or(Json::Null);
    if params.get("provider").is_some() {
        return Err(ApiError::invalid(
            "provider",
            "is not supported by this server",
        ));
    }
    let limits = &config.limits;
    if user.flag("guest") {
        return open_for_guest(request, &user).await;
    }
    if user.is_null() {
        return open(request, None, limits.session_seconds).await;
    }
    let id = check(request, &user).await?;
    open(request, Some(id), limits.session_seconds).await
}

/// `GET /session`
pub async fn get(request: &Request) -> Answer {
    let session = request.session().await?;
    let token = request.token().unwrap_or_default();
    describe(request, StatusCode::OK, &session, token).await
}

/// `DELETE /session`
pub async fn destroy(request: &Request) -> Answer {
    let id = request.session().await?.id;
    request
        .site
        .store
        .run(move |db| sessions::delete(db, id))
        .await?;
    Ok(done())
}

/// `DELETE /session/{id}`: another session of the same user (AU-13).
pub async fn destroy_one(request: &Request, id: &str) -> Answer {
    let user = request.user().await?;
    let id: i64 = id.parse().unwrap_or(0);
    let was_there = request
        .site
        .store
        .run(move |db| sessions::delete_own(db, id, user))
        .await?;
    if was_there {
        Ok(done())
    } else {
        Err(ApiError::not_found("Session not found"))
    }
}

/// `DELETE /session/list`: all sessions of the user but this one (AU-13).
pub async fn destroy_others(request: &Request) -> Answer {
    let session = request.session().await?;
    let user = request.user().await?;
    request
        .site
        .store
        .run(move |db| sessions::delete_others(db, user, Some(session.id)))
        .await?;
    Ok(done())
}

/// `POST /login`: a user for a session that has none, or another one.
pub async fn log_in(request: &Request) -> Answer {
    let session = request.session().await?.id;
    let user = check(request, &request.params).await?;
    let found = request
        .site
        .store
        .run(move |db| {
            sessions::set_user(db, session, Some(user))?;
            users::by_id(db, user)
        })
        .await?;
    if let Some(token) = request.token() {
        auth::scram::learn_token(&request.site, user, token).await;
    }
    let user = found.ok_or_else(|| ApiError::not_found("User not found"))?;
    Ok(respond(StatusCode::ACCEPTED, &json!({"user": user.json()})))
}

/// `DELETE /login`: the session stays, without its user.
pub async fn log_out(request: &Request) -> Answer {
    let id = request.session().await?.id;
    request
        .site
        .store
        .run(move |db| sessions::set_user(db, id, None))
        .await?;
    Ok(done())
}

/// Login or e-mail address with a password; an unknown one is created where that is allowed.
async fn check(request: &Request, user: &Json) -> Result<UserId, ApiError> {
    let site = &request.site;
    let name = match (user.text("login"), user.text("email")) {
        (Some(login), _) => Name::Login(login),
        (None, Some(email)) => Name::Email(email),
        (None, None) => return Err(ApiError::invalid("base", "login or email is needed")),
    };
    let password = user.text("password");
    let password = password.ok_or_else(|| ApiError::invalid("password", "can't be blank"))?;
    match auth::by_password(site, &name, password.clone(), request.address).await {
        Err(LoginError::Unknown) if site.config.auto_create_users => {
            let (column, text) = name.column();
            let changes = vec![(column, Some(text.to_owned()))];
            super::users::validate(&changes, Some(&password))?;
            let hash = site.passwords.hash(password.clone()).await?;
            let now = site.now();
            let created = site
                .store
                .run(move |db| users::create(db, &changes, Some(&hash), false, now))
                .await?;
            let user = created?.id;
            auth::scram::learn_password(site, user, &password).await;
            Ok(user)
        }
        other => Ok(other?),
    }
}

/// The user and the session at once: a guest without a session is swept away.
async fn open_for_guest(request: &Request, user: &Json) -> Answer {
    let site = &request.site;
    if !site.config.guests {
        return Err(ApiError::forbidden("Guest sessions are switched off"));
    }
    let changes = vec![
        (
            "login",
            Some(format!("guest_login_{}", ObjectId::generate())),
        ),
        ("full_name", user.text("full_name")),
    ];
    super::users::validate(&changes, None)?;
    let token = secret::new_token();
    let hash = secret::token_hash(&token);
    let (now, life) = (site.now(), site.config.limits.guest_seconds);
    let session = site
        .store
        .run(move |db| {
            Ok(match users::create(db, &changes, None, true, now)? {
                Ok(guest) => Ok(sessions::create(db, hash, Some(guest.id), life, now)?),
                Err(taken) => Err(taken),
            })
        })
        .await??;
    opened(request, &session, &token).await
}

async fn open(request: &Request, user: Option<UserId>, life: i64) -> Answer {
    let token = secret::new_token();
    let hash = secret::token_hash(&token);
    let now = request.site.now();
    let session = request
        .site
        .store
        .run(move |db| sessions::create(db, hash, user, life, now))
        .await?;
    opened(request, &session, &token).await
}

async fn opened(request: &Request, session: &Session, token: &str) -> Answer {
    if let Some(user) = session.user {
        auth::scram::learn_token(&request.site, user, token).await;
    }
    describe(request, StatusCode::CREATED, session, token).await
}

async fn describe(request: &Request, status: StatusCode, session: &Session, token: &str) -> Answer {
    let user = match session.user {
        Some(id) => {
            request
                .site
                .store
                .run(move |db| users::by_id(db, id))
                .await?
        }
        None => None,
    };
    let body = json!({"session": {
        "_id": format!("{:024x}", session.id),
        "id": session.id,
        "application_id": request.site.config.app_id,
        "token": token,
        "user_id": session.user.unwrap_or(0),
        "ts": session.created_at,
        "nonce": 1,
        "device_id": 0,
        "created_at": iso8601(session.created_at),
        "updated_at": iso8601(session.updated_at),
        "user": user.as_ref().map(User::json),
    }});
    Ok(respond(status, &body))
}
