//! `/data/{Class}` (wire reference E.5; capabilities 6.5): records of the hub's own classes.
//!
//! A record is its author's: only they read, change and remove it, and the operator with the
//! administration key (CD-28). The class says so, not the record ("use class permissions", CD-27):
//! `permissions` of a request are ignored.

use actix_web::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::params::Params;
use super::request::Request;
use super::{Answer, done, json as respond};
use crate::base::object_id::ObjectId;
use crate::hub::store::classes::{self, Class};
use crate::hub::store::query::{Filter, Page, check_names};
use crate::hub::store::records::{self, Record};
use crate::protocol::address::UserId;

/// Records a page has unless the request says otherwise, and at most (CD-12).
const PAGE: u64 = 100;
/// Records one user may have in a class.
const MAX_OWN: u64 = 1_000;
/// Ids one request may name.
const MAX_IDS: usize = 100;
/// What a client sends along that is no field: its wish for permissions, and the envelope of a
/// record it has read, which the hub alone writes.
const ENVELOPE: &[&str] = &[
    "permissions",
    "_id",
    "id",
    "user_id",
    "created_at",
    "updated_at",
];

/// Who asks for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The operator.
    Admin,
    /// A user.
    User(UserId),
}

impl Who {
    async fn of(request: &Request) -> Result<Self, ApiError> {
        if request.has_admin_key() {
            return Ok(Self::Admin);
        }
        request.user().await.map(Self::User)
    }

    fn may(self, record: &Record) -> bool {
        match self {
            Self::Admin => true,
            Self::User(user) => record.author == user,
        }
    }

    fn filter(self) -> Filter {
        match self {
            Self::Admin => Filter::default(),
            Self::User(user) => records::by_author(user),
        }
    }
}

/// `POST /data/{Class}` (CD-04).
pub async fn create(request: &Request, class: &str) -> Answer {
    let author = request.user().await?;
    let class = class_of(class)?;
    let mut fields = Map::new();
    write(class, &mut fields, &request.params)?;
    let now = request.site.now();
    let record = Record {
        id: ObjectId::generate().to_string(),
        author,
        fields,
        created_at: now,
        updated_at: now,
    };
    let body = detailed(&record);
    request
        .in_store(move |db| {
            if records::count(db, class, records::by_author(author))? >= MAX_OWN {
                let rule = format!("You have {MAX_OWN} records of class {} already", class.name);
                return Err(ApiError::invalid("base", rule));
            }
            Ok(records::create(db, class, &record)?)
        })
        .await?;
    Ok(respond(StatusCode::CREATED, &body))
}

/// `GET /data/{Class}` (CD-08, CD-11…CD-13): one's own, or all with the administration key; oldest
/// first. `limit=-1` is the last one.
pub async fn list(request: &Request, class: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(class)?;
    let mut params = request.params.clone();
    let is_last = params.number("limit") == Some(-1);
    if is_last {
        params["limit"] = json!(1);
    }
    check_names(&params, class.filters, &[])?;
    let mut page = Page::read(&params, class.filters, PAGE, PAGE);
    if is_last {
        page.skip = 0;
        page.sort = Some(("seq", true));
    }
    let filter = who.filter().and_request(&params, class.filters)?;
    if params.flag("count") {
        let count = request
            .in_store(move |db| Ok(records::count(db, class, filter)?))
            .await?;
        let body = json!({"class_name": class.name, "items": {"count": count}});
        return Ok(respond(StatusCode::OK, &body));
    }
    let (limit, skip) = (page.limit, page.skip);
    let found = request
        .in_store(move |db| Ok(records::list(db, class, filter, &page)?))
        .await?;
    let items: Vec<Json> = found.iter().map(envelope).collect();
    let body = json!({"class_name": class.name, "skip": skip, "limit": limit, "items": items});
    Ok(respond(StatusCode::OK, &body))
}

/// `GET /data/{Class}/{id},{id}` (CD-07), and `?permissions=1` of one (CD-16).
pub async fn show(request: &Request, class: &str, ids: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(class)?;
    let ids = read_ids(ids)?;
    if request.params.flag("permissions") {
        let [id] = ids.as_slice() else {
            return Err(ApiError::bad_request("Permissions are read of one record"));
        };
        let record = own(request, who, class, id).await?;
        let body = json!({"record_id": record.id, "permissions": permissions()});
        return Ok(respond(StatusCode::OK, &body));
    }
    if let [id] = ids.as_slice() {
        let record = own(request, who, class, id).await?;
        let body = json!({"class_name": class.name, "items": [detailed(&record)]});
        return Ok(respond(StatusCode::OK, &body));
    }
    let found = request.in_store(move |db| {
        let mut found = Vec::new();
        for id in &ids {
            found.extend(records::find(db, class, id)?.filter(|record| who.may(record)));
        }
        Ok(found)
    });
    let items: Vec<Json> = found.await?.iter().map(detailed).collect();
    let body = json!({"class_name": class.name, "items": items});
    Ok(respond(StatusCode::OK, &body))
}

/// `PUT /data/{Class}/{id}` (CD-17).
pub async fn update(request: &Request, class: &str, id: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(class)?;
    let (id, given, now) = (id.to_owned(), request.params.clone(), request.site.now());
    let updated = request.in_store(move |db| {
        let found = records::find(db, class, &id)?;
        let mut record = allowed(found, who)?;
        write(class, &mut record.fields, &given)?;
        record.updated_at = now;
        records::update(db, &record)?;
        Ok(record)
    });
    Ok(respond(StatusCode::OK, &detailed(&updated.await?)))
}

/// `DELETE /data/{Class}/{ids}` (CD-21, CD-22): of several it is told what became of each.
pub async fn delete(request: &Request, class: &str, ids: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(class)?;
    let ids = read_ids(ids)?;
    let is_one = ids.len() == 1;
    let removed = request.in_store(move |db| {
        let (mut deleted, mut forbidden, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            match records::find(db, class, &id)? {
                None if is_one => return Err(not_found()),
                None => missing.push(id),
                Some(record) if who.may(&record) => {
                    records::delete(db, &id)?;
                    deleted.push(id);
                }
                Some(_) if is_one => return Err(not_allowed()),
                Some(_) => forbidden.push(id),
            }
        }
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

fn class_of(name: &str) -> Result<&'static Class, ApiError> {
    classes::find(name).ok_or_else(|| ApiError::not_found(format!("Class {name} not found")))
}

fn read_ids(text: &str) -> Result<Vec<String>, ApiError> {
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    let mut ids: Vec<String> = ids.map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    if ids.len() > MAX_IDS {
        return Err(ApiError::invalid("_id", format!("are more than {MAX_IDS}")));
    }
    Ok(ids)
}

async fn own(
    request: &Request,
    who: Who,
    class: &'static Class,
    id: &str,
) -> Result<Record, ApiError> {
    let id = id.to_owned();
    let found = request.in_store(move |db| Ok(records::find(db, class, &id)?));
    allowed(found.await?, who)
}

fn allowed(found: Option<Record>, who: Who) -> Result<Record, ApiError> {
    let record = found.ok_or_else(not_found)?;
    if who.may(&record) {
        return Ok(record);
    }
    Err(not_allowed())
}

fn not_found() -> ApiError {
    ApiError::not_found("Record not found")
}

fn not_allowed() -> ApiError {
    ApiError::forbidden("Only its author and the operator may have this record")
}

fn write(class: &Class, fields: &mut Map<String, Json>, params: &Json) -> Result<(), ApiError> {
    let mut given = params.as_object().cloned().unwrap_or_default();
    if given
        .remove("_parent_id")
        .is_some_and(|parent| !parent.is_null())
    {
        let rule = format!("is no field of class {}", class.name);
        return Err(ApiError::invalid("_parent_id", rule));
    }
    given.retain(|name, _| !ENVELOPE.contains(&name.as_str()));
    class
        .write(fields, &given)
        .map_err(|(field, error)| ApiError::invalid_field(&field, error.to_string()))
}

/// The record as lists have it.
fn envelope(record: &Record) -> Json {
    let mut body = json!({
        "_id": record.id,
        "_parent_id": null,
        "user_id": record.author,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    });
    for (name, value) in &record.fields {
        body[name] = value.clone();
    }
    body
}

/// The record with its permissions, as all answers but lists have it.
fn detailed(record: &Record) -> Json {
    let mut body = envelope(record);
    body["permissions"] = permissions();
    body
}

fn permissions() -> Json {
    let owner = json!({"access": "owner"});
    json!({"read": owner, "update": owner, "delete": owner})
}
