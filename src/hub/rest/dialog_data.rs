//! A dialog bound to a custom object (CH-20): its `data`, a class's name with values of its fields.

use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::data::{broken, resolve_files};
use super::error::ApiError;
use super::request::Request;
use crate::hub::data::{Asker, Class, Classes};
use crate::hub::store::dialogs::{Dialog, Texts};
use crate::hub::store::query::Filter;
use crate::hub::store::{record_filter, records};
use crate::protocol::address::UserId;

const NAME: &str = "data";
const CLASS: &str = "class_name";

fn class_of<'a>(classes: &'a Classes, given: &Map<String, Json>) -> Result<&'a Class, ApiError> {
    let name = given.get(CLASS).and_then(Json::as_str);
    let name = name.ok_or_else(|| ApiError::invalid(NAME, "needs a class_name"))?;
    let found = classes.find(name).map(AsRef::as_ref);
    found.ok_or_else(|| ApiError::invalid(NAME, format!("Class {name} not found")))
}

/// Puts in place of the `data` a request gives what the dialog is to have: of the same class the
/// values it had stay, less those given.
///
/// # Errors
/// 422 naming the field.
pub fn settle(
    db: &Connection,
    classes: &Classes,
    now: Option<&Dialog>,
    user: UserId,
    texts: &mut Texts,
) -> Result<(), ApiError> {
    let mut given = match texts.data.take() {
        None => return Ok(()),
        Some(Json::Null) => {
            texts.data = Some(Json::Null);
            return Ok(());
        }
        Some(Json::Object(given)) => given,
        Some(_) => return Err(ApiError::invalid(NAME, "must be an object or null")),
    };
    let class = class_of(classes, &given)?;
    given.remove(CLASS);
    let asker: Asker = records::asker(db, user)?;
    let mut fields = now.and_then(kept).unwrap_or_default();
    if fields.get(CLASS).and_then(Json::as_str) != Some(&class.name) {
        fields.clear();
    }
    let of_data = |(field, error)| broken(None, (format!("data[{field}]"), error));
    let before = fields.clone();
    class.write(&mut fields, &given).map_err(of_data)?;
    let changes = (&before, &given);
    resolve_files(db, class, &mut fields, changes, &asker, of_data)?;
    fields.insert(CLASS.to_owned(), json!(class.name));
    texts.data = Some(Json::Object(fields));
    Ok(())
}

fn kept(dialog: &Dialog) -> Option<Map<String, Json>> {
    serde_json::from_str(dialog.data.as_deref()?).ok()
}

/// As answers have it, if it has one: with the fields its class has today.
pub fn shown(classes: &Classes, dialog: &Dialog) -> Option<Json> {
    let kept = kept(dialog)?;
    let class = classes.find(kept.get(CLASS)?.as_str()?)?;
    let mut body = json!({(CLASS): class.name});
    for field in &class.fields {
        body[&field.name] = kept.get(&field.name).cloned().unwrap_or_default();
    }
    Some(body)
}

/// `data[class_name]=…&data[field]=…`, with operators or without.
///
/// # Errors
/// 422 naming the field.
pub fn add_filter(filter: Filter, request: &Request) -> Result<Filter, ApiError> {
    let mut wanted = match request.params.get(NAME) {
        None => return Ok(filter),
        Some(Json::Object(wanted)) => wanted.clone(),
        Some(_) => return Err(ApiError::invalid(NAME, "needs a field: data[field]")),
    };
    let class = class_of(&request.site.classes, &wanted)?;
    wanted.remove(CLASS);
    super::data::read_nulls(&mut wanted, request.is_form);
    let condition = "json_extract(dialogs.data, '$.class_name') = ?";
    let mut filter = filter.and(condition, [class.name.clone().into()]);
    for (name, wanted) in &wanted {
        let in_data = format!("data[{name}]");
        let field = class.known(name);
        let field = field.map_err(|(_, error)| broken(None, (in_data.clone(), error)))?;
        record_filter::add(&mut filter, "dialogs.data", &in_data, field, wanted)?;
    }
    Ok(filter)
}
