//! Records of custom objects, created, listed, changed and deleted at the hub.

use serde_json::{Map, Value, json};

use super::super::chat_command::{CreateRecord, DeleteRecords, ListRecords, UpdateRecord};
use super::super::command::CommandError;
use super::super::wiring::Wiring;
use super::of_rest;
use crate::rest::{Record, RecordAbout, RecordQuery};

pub(super) async fn create(wiring: &Wiring, new: CreateRecord) -> Result<Value, CommandError> {
    let about = RecordAbout {
        parent: new.parent.map(Some),
        permissions: new.permissions.map(Value::Object),
    };
    let made = wiring.rest.create_record(&new.class, &new.fields, about);
    let made: Record = made.await.map_err(of_rest)?;
    Ok(json!({ "record": made }))
}

pub(super) async fn list(wiring: &Wiring, list: ListRecords) -> Result<Value, CommandError> {
    let found = if list.records.is_empty() {
        let query = RecordQuery {
            conditions: list.filter,
            sort_asc: list.sort_asc,
            sort_desc: list.sort_desc,
            limit: list.limit,
            skip: list.skip,
        };
        wiring.rest.records(&list.class, &query).await
    } else {
        wiring.rest.records_by_ids(&list.class, &list.records).await
    };
    let records: Vec<Record<Map<String, Value>>> = found.map_err(of_rest)?;
    Ok(json!({ "records": records }))
}

pub(super) async fn update(wiring: &Wiring, update: UpdateRecord) -> Result<Value, CommandError> {
    let about = RecordAbout {
        parent: update.parent.map(|id| Some(id).filter(|id| !id.is_empty())),
        permissions: update.permissions.map(Value::Object),
    };
    let changed = wiring
        .rest
        .update_record(&update.class, &update.record, &update.changes, about)
        .await;
    Ok(json!({ "record": changed.map_err(of_rest)? }))
}

pub(super) async fn delete(wiring: &Wiring, delete: DeleteRecords) -> Result<Value, CommandError> {
    let removed = wiring
        .rest
        .delete_records(&delete.class, &delete.records)
        .await
        .map_err(of_rest)?;
    Ok(json!({
        "deleted": removed.deleted,
        "forbidden": removed.forbidden,
        "missing": removed.missing,
    }))
}
