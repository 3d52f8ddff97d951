//! `DELETE /data/{Class}/{ids}` (CD-21, CD-22, CD-30).

use actix_web::http::StatusCode;
use serde_json::json;

use super::{Who, class_of, may, not_allowed, not_found, read_ids};
use crate::hub::data::Action;
use crate::hub::rest::request::Request;
use crate::hub::rest::{Answer, done, json as respond};
use crate::hub::store::records;

/// Of several it is told what became of each. What belongs to them goes, too, whoever's it is.
pub async fn delete(request: &Request, class: &str, ids: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(request, class)?;
    let ids = read_ids(ids)?;
    let is_one = ids.len() == 1;
    let removed = request.in_store(move |db| {
        let asker = who.asker(db)?;
        let (mut deleted, mut forbidden, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            match records::find(db, &class, &id)? {
                None if is_one => return Err(not_found()),
                None => missing.push(id),
                Some(record) if may(&class, Action::Delete, &record, &asker) => deleted.push(id),
                Some(_) if is_one => return Err(not_allowed(Action::Delete)),
                Some(_) => forbidden.push(id),
            }
        }
        records::delete(db, &deleted)?;
        Ok(json!({
            "SuccessfullyDeleted": {"ids": deleted},
            "WrongPermissions": {"ids": forbidden},
            "NotFound": {"ids": missing},
        }))
    });
    let removed = removed.await?;
    if is_one {
        return Ok(done());
    }
    Ok(respond(StatusCode::OK, &removed))
}
