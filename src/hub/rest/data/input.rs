//! What a request says of a record: its fields, the record it belongs to, its permissions.

use rusqlite::Connection;
use serde_json::{Map, Value as Json};

use super::{MAX_NAMED, broken, may, place};
use crate::hub::data::{Access, Action, Asker, Class, ClassField, FieldError, FieldKind};
use crate::hub::rest::error::ApiError;
use crate::hub::rest::params::plain;
use crate::hub::rest::request::Request;
use crate::hub::site::Site;
use crate::hub::store::blobs;
use crate::hub::store::query::list;
use crate::hub::store::records::{self, Record};

/// The envelope of a record a client has read and sends back: the hub alone writes it.
const ENVELOPE: &[&str] = &["_id", "id", "user_id", "created_at", "updated_at"];

/// One record of a request.
pub struct Input {
    /// Which of several it is.
    of: Option<String>,
    /// Its id, where it is one to change.
    pub id: Option<String>,
    /// Fields and update operators.
    pub fields: Map<String, Json>,
    // `Some(None)` takes it from the one it belongs to.
    parent: Option<Option<String>>,
    permissions: Option<Json>,
}

impl Input {
    /// Takes the envelope from what a request says. A form's texts become null and lists where
    /// they can be nothing else.
    ///
    /// # Errors
    /// 422 for a parent that is no id.
    pub fn read(
        class: &Class,
        mut given: Map<String, Json>,
        of: Option<String>,
        is_form: bool,
    ) -> Result<Self, ApiError> {
        if is_form {
            read_texts(class, &mut given);
        }
        let id = given.get("id").or_else(|| given.get("_id"));
        let id = id.and_then(plain).filter(|id| !id.is_empty());
        given.retain(|name, _| !ENVELOPE.contains(&name.as_str()));
        let permissions = given.remove("permissions");
        let parent = match given.remove("_parent_id") {
            None => None,
            Some(Json::Null) => Some(None),
            Some(Json::String(id)) => Some(Some(id).filter(|id| !id.is_empty())),
            Some(_) => {
                let field = place(of.as_deref(), "_parent_id");
                return Err(ApiError::invalid_field(
                    &field,
                    "must be the id of a record",
                ));
            }
        };
        Ok(Self {
            of,
            id,
            fields: given,
            parent,
            permissions,
        })
    }

    /// The only record of a request.
    ///
    /// # Errors
    /// As [`Input::read`].
    pub fn single(request: &Request, class: &Class) -> Result<Self, ApiError> {
        let given = request.params.as_object().cloned().unwrap_or_default();
        Self::read(class, given, None, request.is_form)
    }

    /// The records of `record`, in order of their numbers: the API's object of numbers, from 0 or
    /// from 1, or a list.
    ///
    /// # Errors
    /// 422 for none, too many, or what is no record.
    pub fn several(request: &Request, class: &Class) -> Result<Vec<Self>, ApiError> {
        let numbered = numbered(&request.params)?;
        if numbered.is_empty() || numbered.len() > MAX_NAMED {
            let rule = format!("must have 1 to {MAX_NAMED} records");
            return Err(ApiError::invalid("record", rule));
        }
        let read = |(number, record)| match record {
            Json::Object(record) => {
                Self::read(class, record, Some(format!("{number}")), request.is_form)
            }
            _ => {
                let field = format!("record[{number}]");
                Err(ApiError::invalid_field(&field, "must be an object"))
            }
        };
        numbered.into_iter().map(read).collect()
    }

    /// The error of a field of this record.
    pub fn broken(&self, error: (String, FieldError)) -> ApiError {
        broken(self.of.as_deref(), error)
    }

    fn invalid(&self, field: &str, rule: impl Into<String>) -> ApiError {
        ApiError::invalid_field(&place(self.of.as_deref(), field), rule)
    }

    /// Sets what is no field of the class: permissions and the record this one belongs to. Then
    /// exchanges ids of files for uids. The fields are written by then; `before` are those there
    /// were.
    ///
    /// # Errors
    /// 403 for permissions of somebody else's record, 422 for what cannot be.
    pub fn finish(
        &self,
        db: &Connection,
        site: &Site,
        class: &Class,
        before: &Map<String, Json>,
        record: &mut Record,
        asker: &Asker,
    ) -> Result<(), ApiError> {
        self.set_permissions(class, record, asker)?;
        self.set_parent(db, site, class, record, asker)?;
        let fields = &mut record.fields;
        let changes = (before, &self.fields);
        resolve_files(db, class, fields, changes, asker, |error| {
            self.broken(error)
        })
    }

    /// Who gives a record that is there already to another one must be allowed to delete it: it goes
    /// when that one goes, and that may be theirs (CD-30).
    ///
    /// # Errors
    /// 403.
    pub fn check_move(
        &self,
        class: &Class,
        record: &Record,
        asker: &Asker,
    ) -> Result<(), ApiError> {
        let Some(Some(parent)) = &self.parent else {
            return Ok(());
        };
        // A client may send back what it has read. Without parents there is nothing to go with.
        let stays = record.parent.as_ref() == Some(parent) || !class.has_parents;
        if stays || may(class, Action::Delete, record, asker) {
            return Ok(());
        }
        let text = "You may not give this record to another one, as you may not delete it";
        Err(ApiError::forbidden(text))
    }

    fn set_permissions(
        &self,
        class: &Class,
        record: &mut Record,
        asker: &Asker,
    ) -> Result<(), ApiError> {
        let decides = |action: &Action| class.access(*action).is_some();
        let Some(given) = &self.permissions else {
            return Ok(());
        };
        // Where the class decides everything (CD-27) a wish has no effect.
        if Action::ALL.iter().all(decides) {
            return Ok(());
        }
        let mut wanted = record.permissions.clone();
        let written = wanted.write(given);
        written.map_err(|rule| self.invalid("permissions", rule))?;
        let is_owner = Access::Owner.admits(asker, Some(record.author));
        // A client may send back what it has read.
        if wanted != record.permissions && !is_owner {
            let text = "Only its owner may change the permissions of this record";
            return Err(ApiError::forbidden(text));
        }
        record.permissions = wanted;
        Ok(())
    }

    fn set_parent(
        &self,
        db: &Connection,
        site: &Site,
        class: &Class,
        record: &mut Record,
        asker: &Asker,
    ) -> Result<(), ApiError> {
        let Some(parent) = &self.parent else {
            return Ok(());
        };
        let Some(id) = parent else {
            record.parent = None;
            return Ok(());
        };
        if record.parent.as_ref() == Some(id) {
            return Ok(());
        }
        if !class.has_parents {
            let rule = format!("is no field of class {}", class.name);
            return Err(self.invalid("_parent_id", rule));
        }
        // Who may not read it learns nothing of it.
        let no_record = || self.invalid("_parent_id", "is no record you may read");
        let of = records::class_of(db, id)?.ok_or_else(no_record)?;
        let of = site.classes.find(&of).ok_or_else(no_record)?;
        let found = records::find(db, of, id)?.ok_or_else(no_record)?;
        if !may(of, Action::Read, &found, asker) {
            return Err(no_record());
        }
        if records::is_under(db, id, &record.id)? {
            return Err(self.invalid("_parent_id", "belongs to this record"));
        }
        record.parent = Some(id.clone());
        Ok(())
    }
}

/// Puts uids in place of the ids of files that were given: a field of type File names a file of
/// the storage that is public or the asker's own (ST-17), or what it named before: a client may
/// send back what it has read. `changes` are the values there were and those given.
///
/// # Errors
/// What `broken` makes of the field, when there is no such file.
pub fn resolve_files(
    db: &Connection,
    class: &Class,
    fields: &mut Map<String, Json>,
    (before, given): (&Map<String, Json>, &Map<String, Json>),
    asker: &Asker,
    broken: impl Fn((String, FieldError)) -> ApiError,
) -> Result<(), ApiError> {
    let of_file = |field: &&ClassField| field.kind == FieldKind::File;
    for field in class.fields.iter().filter(of_file) {
        let is_given = given.contains_key(&field.name);
        let was = before.get(&field.name);
        let value = fields.get_mut(&field.name);
        let value = value.filter(|value| is_given && was != Some(&**value));
        let Some(Json::String(id)) = value else {
            continue;
        };
        let found = blobs::find(db, id)?.filter(|blob| match asker {
            Asker::Operator => true,
            Asker::User { id, .. } => blob.is_public || blob.owner == *id,
        });
        let found = found.ok_or_else(|| broken((field.name.clone(), FieldError::File)))?;
        *id = found.uid;
    }
    Ok(())
}

fn numbered(params: &Json) -> Result<Vec<(u64, Json)>, ApiError> {
    let records = match params.get("record") {
        Some(Json::Object(records)) => records,
        Some(Json::Array(records)) => return Ok((0..).zip(records.iter().cloned()).collect()),
        _ => {
            let rule = "must be an object of numbered records";
            return Err(ApiError::invalid("record", rule));
        }
    };
    let mut numbered = Vec::new();
    for (number, record) in records {
        let number = number.parse();
        let number = number.map_err(|_| ApiError::invalid("record", "has a key that is no number"));
        numbered.push((number?, record.clone()));
    }
    numbered.sort_by_key(|(number, _)| *number);
    Ok(numbered)
}

/// Forms have texts only: "null" is null (CD-18), and a list may be a text with commas (E.1).
fn read_texts(class: &Class, given: &mut Map<String, Json>) {
    for (name, value) in given {
        if value.as_str() == Some("null") {
            *value = Json::Null;
        }
        let is_list = |kind| matches!(kind, FieldKind::Array(_));
        let field = class.field(name);
        if value.is_string() && field.is_some_and(|field| is_list(field.kind)) {
            *value = list(value).into();
        }
    }
}
