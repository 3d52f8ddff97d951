//! `PUT` and `DELETE /data/{Class}/by_criteria` (CD-19, CD-23).

use std::sync::Arc;

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::changes::change;
use super::input::Input;
use super::lists::read_nulls;
use super::{MAX_MATCHED, Who, changed, class_of, page_of};
use crate::hub::data::{Action, Asker, Class};
use crate::hub::rest::error::ApiError;
use crate::hub::rest::request::Request;
use crate::hub::rest::{Answer, json as respond};
use crate::hub::store::query::{Filter, FilterError, Page};
use crate::hub::store::record_filter::{admitted, criteria};
use crate::hub::store::records::{self, Record};

/// `PUT /data/{Class}/by_criteria`: all records one may read and change that meet
/// `search_criteria`; the answer has a page of them.
pub async fn update(request: &Request, class: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(request, class)?;
    let mut given = request.params.as_object().cloned().unwrap_or_default();
    let page = page_of(&given, &["limit", "skip"])?;
    let wanted = match given.remove("search_criteria") {
        Some(Json::Object(wanted)) => wanted,
        _ => Map::new(),
    };
    given.retain(|name, _| !matches!(name.as_str(), "limit" | "skip"));
    let filter = conditions(&class, wanted, request.is_form, "search_criteria")?;
    let input = Input::read(&class, given, None, request.is_form)?;
    let (site, now) = (Arc::clone(&request.site), request.site.now());
    let body = request.in_store(move |db| {
        let asker = who.asker(db)?;
        let mut found = matched(db, &class, filter, Action::Update, &asker)?;
        for record in &mut found {
            change(db, &site, &class, record, &input, &asker, now)?;
        }
        let shown = found
            .iter()
            .skip(page.skip as usize)
            .take(page.limit as usize);
        let items: Vec<Json> = shown
            .map(|record| changed(&class, record, &asker))
            .collect();
        Ok(json!({
            "class_name": class.name,
            "skip": page.skip,
            "limit": page.limit,
            "total_found": found.len(),
            "items": items,
        }))
    });
    Ok(respond(StatusCode::OK, &body.await?))
}

/// `DELETE /data/{Class}/by_criteria`: the conditions are the parameters themselves, in the body
/// or in the query.
pub async fn delete(request: &Request, class: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(request, class)?;
    let wanted = request.params.as_object().cloned().unwrap_or_default();
    let filter = conditions(&class, wanted, request.is_form, "base")?;
    let total = request.in_store(move |db| {
        let asker = who.asker(db)?;
        let found = matched(db, &class, filter, Action::Delete, &asker)?;
        let ids: Vec<String> = found.into_iter().map(|record| record.id).collect();
        records::delete(db, &ids)?;
        Ok(ids.len())
    });
    let body = json!({"total_deleted": total.await?});
    Ok(respond(StatusCode::OK, &body))
}

/// At least one condition, and none that excludes nothing: an empty request must not mean every
/// record.
fn conditions(
    class: &Class,
    mut wanted: Map<String, Json>,
    is_form: bool,
    name: &'static str,
) -> Result<Filter, ApiError> {
    read_nulls(&mut wanted, is_form);
    for (name, wanted) in &wanted {
        let mut operators = wanted.as_object().into_iter().flatten();
        if operators.any(|(operator, value)| is_without_value(operator, value)) {
            return Err(FilterError::Empty(name.clone()).into());
        }
    }
    let filter = criteria(class, &wanted)?;
    if filter.is_empty() {
        return Err(ApiError::invalid(name, "At least one condition is needed"));
    }
    Ok(filter)
}

/// Every text contains and starts with the empty one. Being nothing is a condition.
fn is_without_value(operator: &str, value: &Json) -> bool {
    let is_empty = match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(items) => items.is_empty(),
        _ => false,
    };
    is_empty && !matches!(operator, "eq" | "ne")
}

/// The records one may read and do this with; a filter sees no others, or it could be asked what
/// is in them.
fn matched(
    db: &Connection,
    class: &Class,
    filter: Filter,
    action: Action,
    asker: &Asker,
) -> Result<Vec<Record>, ApiError> {
    let filter = filter
        .and_filter(admitted(class, Action::Read, asker))
        .and_filter(admitted(class, action, asker));
    let page = Page {
        limit: MAX_MATCHED + 1,
        skip: 0,
        sort: None,
    };
    let found = records::list(db, class, filter, &page)?;
    if found.len() as u64 > MAX_MATCHED {
        let rule = format!("More than {MAX_MATCHED} records meet this, and nothing was changed");
        return Err(ApiError::invalid("base", rule));
    }
    Ok(found)
}
