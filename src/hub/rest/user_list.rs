//! The deprecated lists of users, paged by `page` and `per_page` (US-07, US-13, US-17).

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::params::{Params, plain};
use super::request::Request;
use super::{Answer, json as respond, user_filter};
use crate::hub::store::query::{Filter, Page};
use crate::hub::store::users::{self, User};

/// `GET /users`, where the configuration allows it.
pub async fn all(request: &Request) -> Answer {
    request.user().await?;
    if !request.site.config.list_users_v1 {
        // The words clients know (US-08).
        return Err(ApiError::forbidden(
            "Users retrieving forbidden in admin panel: list_users_v1 is off in this server's \
             configuration, use /users/v2",
        ));
    }
    let filters = match request.params.get("filter") {
        Some(Json::Array(items)) => items.iter().filter_map(plain).collect(),
        Some(item) => plain(item).into_iter().collect(),
        None => Vec::new(),
    };
    let filter = user_filter::listed(&filters)?;
    let sort = match request.params.text("order") {
        Some(text) => Some(user_filter::order(&text)?),
        None => None,
    };
    answer(request, filter, sort).await
}

/// `GET /users/by_full_name?full_name=`: those whose name contains the text.
pub async fn by_full_name(request: &Request) -> Answer {
    request.user().await?;
    let name = request.params.text("full_name");
    let name = name.ok_or_else(|| ApiError::invalid("full_name", "can't be blank"))?;
    let filter = user_filter::single("full_name", "ctn", name.into())?;
    answer(request, filter, None).await
}

/// `GET /users/by_tags?tags=a,b`: those who have at least one of the tags.
pub async fn by_tags(request: &Request) -> Answer {
    request.user().await?;
    let tags = request.params.texts("tags");
    if tags.is_empty() {
        return Err(ApiError::invalid("tags", "can't be blank"));
    }
    let filter = user_filter::single("user_tags", "in", tags.into())?;
    answer(request, filter, None).await
}

async fn answer(request: &Request, filter: Filter, sort: Option<(&'static str, bool)>) -> Answer {
    let number = |name: &str, default: u64, max: u64| {
        let number = request.params.number(name);
        let number = number.and_then(|number| u64::try_from(number).ok());
        number.unwrap_or(default).clamp(1, max)
    };
    let current = number("page", 1, 1_000_000);
    let per_page = number("per_page", 10, 100);
    let page = Page {
        limit: per_page,
        skip: (current - 1) * per_page,
        sort: sort.map(|(column, down)| (column.into(), down)),
    };
    let found = request
        .site
        .store
        .run(move |db| users::search(db, &filter, &page))
        .await?;
    let (users, total) = found;
    let items: Vec<Json> = users
        .iter()
        .map(User::json)
        .map(|user| json!({"user": user}))
        .collect();
    Ok(respond(
        StatusCode::OK,
        &json!({
            "current_page": current,
            "per_page": per_page,
            "total_entries": total,
            "items": items,
        }),
    ))
}
