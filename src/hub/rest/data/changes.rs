//! `PUT /data/{Class}/{id}` and `…/multi` (CD-17, CD-18, CD-20).

use std::sync::Arc;

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::json;

use super::input::Input;
use super::{Who, changed, class_of, load, may};
use crate::hub::data::{Action, Asker, Class, operators};
use crate::hub::rest::error::ApiError;
use crate::hub::rest::request::Request;
use crate::hub::rest::{Answer, json as respond};
use crate::hub::site::Site;
use crate::hub::store::records::{self, Record};

/// `PUT /data/{Class}/{id}`
pub async fn one(request: &Request, class: &str, id: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(request, class)?;
    let input = Input::single(request, &class)?;
    let (site, now, id) = (Arc::clone(&request.site), request.site.now(), id.to_owned());
    let changed = request.in_store(move |db| {
        let asker = who.asker(db)?;
        let mut record = load(db, &class, &id, Action::Update, &asker)?;
        change(db, &site, &class, &mut record, &input, &asker, now)?;
        Ok(changed(&class, &record, &asker))
    });
    Ok(respond(StatusCode::OK, &changed.await?))
}

/// `PUT /data/{Class}/multi`: those there are and one may change; a rule that one breaks changes
/// none.
pub async fn several(request: &Request, class: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(request, class)?;
    let inputs = Input::several(request, &class)?;
    let (site, now) = (Arc::clone(&request.site), request.site.now());
    let body = request.in_store(move |db| {
        let asker = who.asker(db)?;
        let (mut items, mut missing, mut forbidden) = (Vec::new(), Vec::new(), Vec::new());
        for input in inputs {
            let Some(id) = input.id.clone() else {
                return Err(ApiError::invalid("record", "has one without an id"));
            };
            match records::find(db, &class, &id)? {
                None => missing.push(id),
                Some(record) if !may(&class, Action::Update, &record, &asker) => forbidden.push(id),
                Some(mut record) => {
                    change(db, &site, &class, &mut record, &input, &asker, now)?;
                    items.push(changed(&class, &record, &asker));
                }
            }
        }
        let mut body = json!({
            "class_name": class.name,
            "not_found": {"ids": missing},
            "items": items,
        });
        // The words of removing several.
        if !forbidden.is_empty() {
            body["WrongPermissions"] = json!({"ids": forbidden});
        }
        Ok(body)
    });
    Ok(respond(StatusCode::OK, &body.await?))
}

/// Changes a record to what a request says.
///
/// # Errors
/// 422 naming the field, 403 for what only the owner may change.
pub fn change(
    db: &Connection,
    site: &Site,
    class: &Class,
    record: &mut Record,
    input: &Input,
    asker: &Asker,
    now: i64,
) -> Result<(), ApiError> {
    input.check_move(class, record, asker)?;
    let before = record.fields.clone();
    let applied = operators::apply(class, &mut record.fields, &input.fields);
    applied.map_err(|error| input.broken(error))?;
    input.finish(db, site, class, &before, record, asker)?;
    record.updated_at = now;
    Ok(records::update(db, record)?)
}
