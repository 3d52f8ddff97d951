//! `GET /chat/search` (wire reference E.3; CH-45).

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde_json::{Value as Json, json};

use super::dialogs::shown;
use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, json as respond};
use crate::hub::clock::parse_time;
use crate::hub::store::search::{self, Search};
use crate::hub::store::users::User;

/// "Longer than 4 symbols".
const MIN_TEXT: usize = 5;
const MAX_TEXT: usize = 256;
const MAX_DIALOGS: usize = 10;
const MAX_LIMIT: u64 = 100;
/// Three months, the longest there are, and a day for time zones.
const MAX_SECONDS: i64 = 93 * 24 * 3600;

/// `GET /chat/search`
pub async fn search(request: &Request) -> Answer {
    let user = request.user().await?;
    let search = read(&request.params)?;
    let site = Arc::clone(&request.site);
    // Beside the store's thread: the text is compared message by message.
    let found = request.site.store.reader.run(move |db| {
        let dialogs = search::in_names(db, &search, user)?;
        let dialogs = dialogs.iter().map(|dialog| shown(db, &site, dialog, user));
        Ok((
            dialogs.collect::<rusqlite::Result<Vec<Json>>>()?,
            search::in_messages(db, &search, user)?,
            search::in_people(db, &search, user)?,
        ))
    });
    let (dialogs, messages, users) = found.await?;
    let users: Vec<Json> = users.iter().map(User::json).collect();
    Ok(respond(
        StatusCode::OK,
        &json!({"results": {"dialogs": dialogs, "messages": messages, "users": users}}),
    ))
}

fn read(params: &Json) -> Result<Search, ApiError> {
    let text = params.text("search_text").unwrap_or_default();
    let length = text.chars().count();
    if !(MIN_TEXT..=MAX_TEXT).contains(&length) {
        let rule = format!("must have {MIN_TEXT} to {MAX_TEXT} characters");
        return Err(ApiError::invalid("search_text", rule));
    }
    let dialogs = params.texts("chat_dialog_ids");
    if dialogs.len() > MAX_DIALOGS {
        let rule = format!("are more than {MAX_DIALOGS}");
        return Err(ApiError::invalid("chat_dialog_ids", rule));
    }
    let (until, since) = dates(params)?;
    let limit = match params.text("limit") {
        None => MAX_LIMIT,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| ApiError::invalid("limit", format!("must be 1 to {MAX_LIMIT}")))?,
    };
    Ok(Search {
        text,
        dialogs,
        until,
        since,
        limit,
    })
}

/// `start_date` is the later bound and `end_date` the earlier one, and they come together. Clients
/// that take the names at their word send them the other way round, which means the same.
fn dates(params: &Json) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let date = |name: &'static str| {
        let Some(text) = params.text(name) else {
            return Ok(None);
        };
        let time = parse_time(text.trim());
        let rule = "must be an ISO 8601 date and time or Unix seconds";
        time.map(Some).ok_or_else(|| ApiError::invalid(name, rule))
    };
    match (date("start_date")?, date("end_date")?) {
        (None, None) => Ok((None, None)),
        (Some(start), Some(end)) if start.abs_diff(end) <= MAX_SECONDS.unsigned_abs() => {
            Ok((Some(start.max(end)), Some(start.min(end))))
        }
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "end_date",
            "must be within three months of start_date",
        )),
        (Some(_), None) => Err(ApiError::invalid("end_date", "is needed with start_date")),
        (None, Some(_)) => Err(ApiError::invalid("start_date", "is needed with end_date")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_has_its_limits_and_takes_dates_in_either_order() {
        let with = |more: Json| {
            let mut params = json!({"search_text": "lorem"});
            for (name, value) in more.as_object().unwrap() {
                params[name] = value.clone();
            }
            read(&params)
        };
        for bad in [
            json!({"search_text": "lore"}),
            json!({"search_text": null}),
            json!({"chat_dialog_ids": "1,2,3,4,5,6,7,8,9,10,11"}),
            json!({"limit": 101}),
            json!({"limit": 0}),
            json!({"start_date": "2026-01-01T00:00:00Z"}),
            json!({"end_date": "2026-01-01T00:00:00Z"}),
            json!({"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-04-30T00:00:00Z"}),
            json!({"start_date": "yesterday", "end_date": "2026-04-30T00:00:00Z"}),
        ] {
            assert!(with(bad.clone()).is_err(), "{bad}");
        }
        for (start, end) in [(5, 9), (9, 5)] {
            let found = with(json!({"start_date": start, "end_date": end})).unwrap();
            assert_eq!((found.until, found.since), (Some(9), Some(5)));
        }
        assert_eq!(with(json!({"limit": "7"})).unwrap().limit, 7);
    }
}
