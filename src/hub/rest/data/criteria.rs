//! `PUT` and `DELETE /data/{Class}/by_criteria` (CD-19, CD-23).

use std::sync::Arc;

use actix_web::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::changes::change;
use super::input::Input;
use super::lists::read_nulls;
use super::{MAX_MATCHED, MAX_READ, Who, changed, class_of, may, page_of};
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
    let found = Found::of(request, who, &class, filter, Action::Update).await?;
    let (site, now) = (Arc::clone(&request.site), request.site.now());
    let body = request.in_store(move |db| {
        let asker = who.asker(db)?;
        let mut found = found.still(db, &class, &asker)?;
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
    let found = Found::of(request, who, &class, filter, Action::Delete).await?;
    let total = request.in_store(move |db| {
        let asker = who.asker(db)?;
        let found = found.still(db, &class, &asker)?;
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

/// What met the conditions a moment ago: found beside the store's thread, as each record of the
/// class may be looked at, and everybody else would wait.
struct Found {
    records: Vec<Record>,
    filter: Filter,
    action: Action,
}

impl Found {
    /// The records one may read and do this with; a filter sees no others, or it could be asked
    /// what is in them.
    async fn of(
        request: &Request,
        who: Who,
        class: &Arc<Class>,
        filter: Filter,
        action: Action,
    ) -> Result<Self, ApiError> {
        let (class, wanted) = (Arc::clone(class), filter.clone());
        let reader = &request.site.store.reader;
        let records = reader.run_within(MAX_READ, move |db| {
            let asker = who.asker(db)?;
            let wanted = admitting(&class, wanted, action, &asker);
            records::list(db, &class, wanted, &page(MAX_MATCHED + 1))
        });
        let records = records.await?;
        if records.len() as u64 > MAX_MATCHED {
            let rule =
                format!("More than {MAX_MATCHED} records meet this, and nothing was changed");
            return Err(ApiError::invalid("base", rule));
        }
        Ok(Self {
            records,
            filter,
            action,
        })
    }

    /// Those that are still there, may still be had, and are what they were or meet the conditions
    /// as they are now.
    fn still(self, db: &Connection, class: &Class, asker: &Asker) -> Result<Vec<Record>, ApiError> {
        let mut records = Vec::new();
        for before in self.records {
            let Some(record) = records::find(db, class, &before.id)? else {
                continue;
            };
            let is_admitted = |action| may(class, action, &record, asker);
            if !is_admitted(Action::Read) || !is_admitted(self.action) {
                continue;
            }
            if record == before || is_met(db, class, &self.filter, &record)? {
                records.push(record);
            }
        }
        Ok(records)
    }
}

fn is_met(
    db: &Connection,
    class: &Class,
    filter: &Filter,
    record: &Record,
) -> rusqlite::Result<bool> {
    let id = [record.id.clone().into()];
    let filter = filter.clone().and("records.id = ?", id);
    Ok(!records::list(db, class, filter, &page(1))?.is_empty())
}

fn admitting(class: &Class, filter: Filter, action: Action, asker: &Asker) -> Filter {
    filter
        .and_filter(admitted(class, Action::Read, asker))
        .and_filter(admitted(class, action, asker))
}

fn page(limit: u64) -> Page {
    Page {
        limit,
        skip: 0,
        sort: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::data::{Classes, Permissions};
    use crate::hub::store::Store;
    use crate::protocol::address::UserId;

    fn record(id: &str, author: UserId, age: u64) -> Record {
        Record {
            id: id.to_owned(),
            parent: None,
            author,
            fields: json!({"age": age}).as_object().cloned().unwrap(),
            permissions: Permissions::default(),
            created_at: 0,
            updated_at: 0,
        }
    }

    #[tokio::test]
    async fn what_has_changed_since_it_was_found_is_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.db")).unwrap();
        let text = "[[class]]\nname = 'c'\nfields = { age = 'Integer' }";
        let classes = Classes::new(&toml::from_str(text).unwrap());
        let class = Arc::clone(classes.find("c").unwrap());
        let wanted = json!({"age": {"gt": 20}});
        let filter = conditions(&class, wanted.as_object().cloned().unwrap(), false, "base");
        let names = ["same", "still", "no longer", "closed", "gone"];
        let found = Found {
            records: names.map(|id| record(id, 1, 30)).into(),
            filter: filter.unwrap(),
            action: Action::Delete,
        };
        let kept = store.run(move |db| {
            for record in [
                record("same", 1, 30),
                record("still", 1, 40),
                record("no longer", 1, 10),
                record("closed", 2, 30),
            ] {
                records::create(db, &class, &record)?;
            }
            let asker = records::asker(db, 1)?;
            let kept = found.still(db, &class, &asker).unwrap();
            Ok(kept.into_iter().map(|record| record.id).collect::<Vec<_>>())
        });
        assert_eq!(kept.await.unwrap(), ["same", "still"]);
    }
}
