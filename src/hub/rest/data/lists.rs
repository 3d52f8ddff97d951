//! `GET /data/{Class}` and `…/{ids}` (CD-07…CD-16, CD-31).

use actix_web::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::{MAX_READ, Who, class_of, detailed, envelope, load, may, page_of, read_ids};
use crate::hub::data::{Access, Action, Class, ClassField};
use crate::hub::rest::error::ApiError;
use crate::hub::rest::params::Params;
use crate::hub::rest::request::Request;
use crate::hub::rest::{Answer, json as respond};
use crate::hub::store::query::{FilterError, Page};
use crate::hub::store::record_filter::{admitted, criteria, sort_column};
use crate::hub::store::record_groups::{self, Calc};
use crate::hub::store::records;

/// Parameters that are no conditions.
const OPTIONS: &[&str] = &[
    "sort_asc",
    "sort_desc",
    "skip",
    "offset",
    "limit",
    "count",
    "output",
    "group_by",
];
/// What every record has besides its fields.
const ENVELOPE: &[&str] = &["_id", "_parent_id", "user_id", "created_at", "updated_at"];

/// `GET /data/{Class}`: what one may read, oldest first; `limit=-1` is the last one.
pub async fn list(request: &Request, class: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(request, class)?;
    let mut params = request.params.as_object().cloned().unwrap_or_default();
    let page = read_page(&class, &mut params)?;
    let (output, is_count) = (
        Output::read(&class, &request.params)?,
        request.params.flag("count"),
    );
    let group = read_group(&class, &mut params)?;
    params.retain(|name, _| !OPTIONS.contains(&name.as_str()));
    read_nulls(&mut params, request.is_form);
    let filter = criteria(&class, &params)?;
    let reader = &request.site.store.reader;
    let read = reader.run_within(MAX_READ, move |db| {
        let asker = who.asker(db)?;
        let filter = filter.and_filter(admitted(&class, Action::Read, &asker));
        if is_count {
            let count = records::count(db, &class, filter)?;
            return Ok(json!({"class_name": class.name, "items": {"count": count}}));
        }
        let (limit, skip) = (page.limit, page.skip);
        let items: Vec<Json> = match group {
            Some((by, calcs)) => {
                let known = |name: &String| class.field(name);
                let calcs: Vec<(&ClassField, Calc)> = calcs
                    .iter()
                    .filter_map(|(name, calc)| Some((known(name)?, *calc)))
                    .collect();
                let by = known(&by).ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                record_groups::list(db, &class, filter, by, &calcs, (limit, skip))?
            }
            None => {
                let found = records::list(db, &class, filter, &page)?;
                found
                    .iter()
                    .map(|record| output.of(envelope(&class, record)))
                    .collect()
            }
        };
        Ok(json!({"class_name": class.name, "skip": skip, "limit": limit, "items": items}))
    });
    Ok(respond(StatusCode::OK, &read.await?))
}

/// `GET /data/{Class}/{id},{id}`, and `?permissions=1` of one, for its owner (CD-16).
pub async fn show(request: &Request, class: &str, ids: &str) -> Answer {
    let who = Who::of(request).await?;
    let class = class_of(request, class)?;
    let ids = read_ids(ids)?;
    let output = Output::read(&class, &request.params)?;
    let wants_permissions = request.params.flag("permissions");
    if wants_permissions && ids.len() != 1 {
        return Err(ApiError::bad_request("Permissions are read of one record"));
    }
    let body = request.in_store(move |db| {
        let asker = who.asker(db)?;
        if let [id] = ids.as_slice() {
            let record = load(db, &class, id, Action::Read, &asker)?;
            if !wants_permissions {
                let items = [output.of(detailed(&class, &record))];
                return Ok(json!({"class_name": class.name, "items": items}));
            }
            if !Access::Owner.admits(&asker, Some(record.author)) {
                let text = "Only its owner may see the permissions of this record";
                return Err(ApiError::forbidden(text));
            }
            let permissions = record.permissions.json(&class);
            return Ok(json!({"record_id": record.id, "permissions": permissions}));
        }
        let mut items = Vec::new();
        for id in &ids {
            let found = records::find(db, &class, id)?;
            let found = found.filter(|record| may(&class, Action::Read, record, &asker));
            items.extend(found.map(|record| output.of(detailed(&class, &record))));
        }
        Ok(json!({"class_name": class.name, "items": items}))
    });
    Ok(respond(StatusCode::OK, &body.await?))
}

/// `limit`, `skip` and the order; sorting by whatever the class has.
fn read_page(class: &Class, params: &mut Map<String, Json>) -> Result<Page, ApiError> {
    let is_last = params.get("limit").is_some_and(|limit| {
        limit.as_i64() == Some(-1) || limit.as_str().is_some_and(|text| text.trim() == "-1")
    });
    if is_last {
        params.insert("limit".to_owned(), json!(1));
    }
    let mut sort = None;
    for (name, descends) in [("sort_asc", false), ("sort_desc", true)] {
        let Some(wanted) = params.remove(name) else {
            continue;
        };
        let wanted = wanted.as_str().unwrap_or(name);
        let unknown = || FilterError::Field(wanted.chars().take(64).collect());
        let column = sort_column(class, wanted).ok_or_else(unknown)?;
        sort = Some((column.into(), descends));
    }
    let page = page_of(params, &["limit", "skip", "offset"])?;
    if !is_last {
        return Ok(Page { sort, ..page });
    }
    // The last one of the order asked for.
    let (column, descends) = sort.unwrap_or(("records.seq".into(), false));
    Ok(Page {
        limit: 1,
        skip: 0,
        sort: Some((column, !descends)),
    })
}

type Group = (String, Vec<(String, Calc)>);

/// `field[calc]=…` and `group_by=…`, which need each other (CD-15).
fn read_group(class: &Class, params: &mut Map<String, Json>) -> Result<Option<Group>, ApiError> {
    let by = params.remove("group_by");
    let mut calcs = Vec::new();
    for (name, wanted) in params.iter_mut() {
        let calc = wanted
            .as_object_mut()
            .and_then(|wanted| wanted.remove("calc"));
        let Some(calc) = calc else {
            continue;
        };
        let field = class
            .field(name)
            .filter(|field| record_groups::is_number(field));
        let field = field.ok_or_else(|| {
            ApiError::invalid_field(name, "is no number that could be calculated with")
        })?;
        let calc = calc.as_str().and_then(Calc::named);
        let calc = calc
            .ok_or_else(|| ApiError::invalid_field(name, "calc is none of avg, min, max, sum"))?;
        calcs.push((field.name.clone(), calc));
    }
    // What had no other condition is none any more.
    params.retain(|name, wanted| {
        let is_calc = calcs.iter().any(|(field, _)| field == name);
        !is_calc || wanted.as_object().is_none_or(|wanted| !wanted.is_empty())
    });
    let Some(by) = by else {
        return match calcs.first() {
            None => Ok(None),
            Some((name, _)) => Err(ApiError::invalid_field(name, "calc needs group_by")),
        };
    };
    let invalid = |rule| ApiError::invalid("group_by", rule);
    if calcs.is_empty() {
        return Err(invalid("needs a field with calc"));
    }
    let field = by.as_str().and_then(|name| class.field(name));
    let field = field.filter(|field| record_groups::is_group(field));
    let field = field.ok_or_else(|| invalid("is no number, text or truth value of the class"))?;
    if calcs.iter().any(|(name, _)| *name == field.name) {
        return Err(invalid("is the field that is calculated with"));
    }
    Ok(Some((field.name.clone(), calcs)))
}

/// The fields an answer has (CD-14). The id is always among those included.
struct Output {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Output {
    fn read(class: &Class, params: &Json) -> Result<Self, ApiError> {
        let output = params.get("output").unwrap_or(&Json::Null);
        let output = Self {
            include: output.texts("include"),
            exclude: output.texts("exclude"),
        };
        let is_known =
            |name: &String| ENVELOPE.contains(&name.as_str()) || class.field(name).is_some();
        match output
            .include
            .iter()
            .chain(&output.exclude)
            .find(|name| !is_known(name))
        {
            Some(name) => {
                let rule = format!("{name:?} is no field of class {}", class.name);
                Err(ApiError::invalid("output", rule))
            }
            None => Ok(output),
        }
    }

    fn of(&self, record: Json) -> Json {
        let Json::Object(mut record) = record else {
            return record;
        };
        record.retain(|name, _| {
            let is_included =
                self.include.is_empty() || name == "_id" || self.include.contains(name);
            is_included && !self.exclude.contains(name)
        });
        Json::Object(record)
    }
}

/// A form's "null" is null where a value is compared (CD-18), and a record without a parent has
/// none.
pub fn read_nulls(wanted: &mut Map<String, Json>, is_form: bool) {
    let is_null = |value: &Json| is_form && value.as_str() == Some("null");
    for (name, value) in wanted {
        if is_null(value) || name == "_parent_id" && value.as_str() == Some("") {
            *value = Json::Null;
        }
        for (operator, value) in value.as_object_mut().into_iter().flatten() {
            if matches!(operator.as_str(), "eq" | "ne") && is_null(value) {
                *value = Json::Null;
            }
        }
    }
}
