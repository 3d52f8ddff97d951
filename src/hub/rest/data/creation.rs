//! `POST /data/{Class}` and `…/multi` (CD-04…CD-06).

use std::sync::Arc;

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::input::Input;
use super::{class_of, detailed};
use crate::base::object_id::ObjectId;
use crate::hub::data::{Asker, Class, Permissions};
use crate::hub::rest::error::ApiError;
use crate::hub::rest::request::Request;
use crate::hub::rest::{Answer, json as respond};
use crate::hub::store::query::Filter;
use crate::hub::store::records::{self, Record};
use crate::protocol::address::UserId;

/// `POST /data/{Class}`
pub async fn one(request: &Request, class: &str) -> Answer {
    let author = request.user().await?;
    let class = class_of(request, class)?;
    let input = Input::single(request, &class)?;
    let items = create(request, author, class, vec![input]).await?;
    Ok(respond(
        StatusCode::CREATED,
        items.first().unwrap_or(&Json::Null),
    ))
}

/// `POST /data/{Class}/multi`: all of them or none.
pub async fn several(request: &Request, class: &str) -> Answer {
    let author = request.user().await?;
    let class = class_of(request, class)?;
    let inputs = Input::several(request, &class)?;
    let name = class.name.clone();
    let items = create(request, author, class, inputs).await?;
    let body = json!({"class_name": name, "items": items});
    Ok(respond(StatusCode::CREATED, &body))
}

async fn create(
    request: &Request,
    author: UserId,
    class: Arc<Class>,
    inputs: Vec<Input>,
) -> Result<Vec<Json>, ApiError> {
    let (site, now, is_admin) = (
        Arc::clone(&request.site),
        request.site.now(),
        request.has_admin_key(),
    );
    let created = request.in_store(move |db| {
        let user = records::asker(db, author)?;
        let asker = if is_admin { Asker::Operator } else { user };
        if !class.create.admits(&asker, None) {
            let text = format!("You may not create records of class {}", class.name);
            return Err(ApiError::forbidden(text));
        }
        check_room(db, &class, author, inputs.len() as u64)?;
        let mut items = Vec::new();
        for input in inputs {
            let mut record = Record {
                id: ObjectId::generate().to_string(),
                parent: None,
                author,
                fields: Map::new(),
                permissions: Permissions::default(),
                created_at: now,
                updated_at: now,
            };
            let written = class.write(&mut record.fields, &input.fields);
            written.map_err(|error| input.broken(error))?;
            input.finish(db, &site, &class, &Map::new(), &mut record, &asker)?;
            records::create(db, &class, &record)?;
            items.push(detailed(&class, &record));
        }
        Ok(items)
    });
    created.await
}

/// Whether so many more fit into the class.
fn check_room(db: &Connection, class: &Class, author: UserId, more: u64) -> Result<(), ApiError> {
    let name = &class.name;
    if records::count(db, class, records::by_author(author))? + more > class.max_own {
        let rule = format!(
            "You may have {} records of class {name}, and no more",
            class.max_own
        );
        return Err(ApiError::invalid("base", rule));
    }
    if class.max_records < u64::MAX
        && records::count(db, class, Filter::default())? + more > class.max_records
    {
        let rule = format!("Class {name} is full: it has {} records", class.max_records);
        return Err(ApiError::invalid("base", rule));
    }
    Ok(())
}
