//! Records of custom objects (wire reference E.5; CD-04…CD-23), in classes that the application's
//! administration has made.
//!
//! Their fields are whatever reads and writes them: [`Map`], or a type of one's own (CD-32).

use std::collections::HashSet;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::RestClient;
use super::error::RestError;
use super::exchange::Request;
use crate::protocol::address::UserId;

/// A record as the server has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record<T = Map<String, Value>> {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// The record it belongs to (CD-29). Servers write none as null or as an empty text.
    #[serde(rename = "_parent_id", default, deserialize_with = "parent")]
    pub parent: Option<String>,
    /// Who created it.
    #[serde(rename = "user_id")]
    pub owner: UserId,
    /// When, Unix seconds.
    pub created_at: i64,
    /// When it was last changed, Unix seconds.
    pub updated_at: i64,
    /// Who may do what with it (CD-24), where the answer has that: not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Value>,
    /// The fields of its class.
    #[serde(flatten)]
    pub fields: T,
}

fn parent<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let id = Option::<String>::deserialize(from)?;
    Ok(id.filter(|id| !id.is_empty()))
}

/// What a record is besides its fields, when it is created or changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordAbout {
    /// The record it belongs to; `Some(None)` takes it from there.
    pub parent: Option<Option<String>>,
    /// Who may do what with it, as the API writes it (CD-06).
    pub permissions: Option<Value>,
}

/// Which records to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordQuery {
    /// Conditions: a field's value, or an object of operators with theirs (CD-08…CD-10).
    pub conditions: Map<String, Value>,
    /// Sort by this field, the smallest first.
    pub sort_asc: Option<String>,
    /// Sort by this field, the greatest first.
    pub sort_desc: Option<String>,
    /// At most this many; 0 for the server's own page of 100.
    pub limit: u32,
    /// Leave out so many.
    pub skip: u32,
}

/// What became of records that were to be removed (CD-22).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// They are gone.
    pub deleted: Vec<String>,
    /// Not ours to remove.
    pub forbidden: Vec<String>,
    /// There were none.
    pub missing: Vec<String>,
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "SuccessfullyDeleted")]
    deleted: Ids,
    #[serde(rename = "WrongPermissions")]
    forbidden: Ids,
    #[serde(rename = "NotFound")]
    missing: Ids,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

impl RestClient {
    /// `POST /data/{class}`: a new record.
    ///
    /// # Errors
    /// [`RestError::NotFound`] where there is no such class, [`RestError::Validation`] naming the
    /// field that the class does not take.
    pub async fn create_record<T: Serialize + DeserializeOwned>(
        &self,
        class: &str,
        fields: &T,
        about: RecordAbout,
    ) -> Result<Record<T>, RestError> {
        let request = Request::new(Method::POST, &["data", class]);
        self.call(request.body(body(fields, about)?)).await
    }

    /// `GET /data/{class}`: one page of the records we may read.
    ///
    /// # Errors
    /// As [`RestClient::create_record`]; also for a condition that the class does not know.
    pub async fn records<T: DeserializeOwned>(
        &self,
        class: &str,
        query: &RecordQuery,
    ) -> Result<Vec<Record<T>>, RestError> {
        let mut request = Request::new(Method::GET, &["data", class]).query("skip", query.skip);
        if query.limit > 0 {
            request = request.query("limit", query.limit);
        }
        for (name, field) in [
            ("sort_asc", &query.sort_asc),
            ("sort_desc", &query.sort_desc),
        ] {
            if let Some(field) = field {
                request = request.query(name, field);
            }
        }
        for (name, wanted) in &query.conditions {
            request = match wanted {
                Value::Object(operators) => {
                    operators
                        .iter()
                        .fold(request, |request, (operator, value)| {
                            condition(request, &format!("{name}[{operator}]"), value)
                        })
                }
                value => condition(request, name, value),
            };
        }
        let page: Page<Record<T>> = self.call(request).await?;
        Ok(page.items)
    }

    /// `GET /data/{class}/{id},{id}`: those of them we may read, with their permissions.
    ///
    /// # Errors
    /// As [`RestClient::create_record`]; for a single id also when there is none, or we may not.
    pub async fn records_by_ids<T: DeserializeOwned>(
        &self,
        class: &str,
        ids: &[String],
    ) -> Result<Vec<Record<T>>, RestError> {
        let request = Request::new(Method::GET, &["data", class, &ids.join(",")]);
        let page: Page<Record<T>> = self.call(request).await?;
        Ok(page.items)
    }

    /// `PUT /data/{class}/{id}`: sets the fields named and carries out update operators (CD-18). The
    /// answer has no fields where we may change the record and not read it.
    ///
    /// # Errors
    /// As [`RestClient::create_record`].
    pub async fn update_record(
        &self,
        class: &str,
        id: &str,
        changes: &Map<String, Value>,
        about: RecordAbout,
    ) -> Result<Map<String, Value>, RestError> {
        let request = Request::new(Method::PUT, &["data", class, id]);
        self.call(request.body(body(changes, about)?)).await
    }

    /// `DELETE /data/{class}/{id},{id}`: removes records, with all that belong to them.
    ///
    /// # Errors
    /// As [`RestClient::create_record`]. That some of several are not there or not ours is no
    /// error: the answer says so.
    pub async fn delete_records(&self, class: &str, ids: &[String]) -> Result<Removed, RestError> {
        // One is answered otherwise than several, and the server counts each once.
        let mut known = HashSet::new();
        let ids: Vec<&str> = ids
            .iter()
            .map(String::as_str)
            .filter(|id| known.insert(*id))
            .collect();
        let request = Request::new(Method::DELETE, &["data", class, &ids.join(",")]);
        if let [id] = *ids {
            self.call_raw(&request).await?;
            return Ok(Removed {
                deleted: vec![id.to_owned()],
                ..Removed::default()
            });
        }
        let told: Told = self.call(request).await?;
        Ok(Removed {
            deleted: told.deleted.ids,
            forbidden: told.forbidden.ids,
            missing: told.missing.ids,
        })
    }
}

fn body(fields: &impl Serialize, about: RecordAbout) -> Result<Value, RestError> {
    let mut body = match serde_json::to_value(fields) {
        Ok(Value::Object(fields)) => fields,
        _ => {
            return Err(RestError::Setup(
                "the fields of a record are no object".into(),
            ));
        }
    };
    if let Some(parent) = about.parent {
        body.insert("_parent_id".to_owned(), json!(parent));
    }
    if let Some(permissions) = about.permissions {
        body.insert("permissions".to_owned(), permissions);
    }
    Ok(Value::Object(body))
}

/// A list is written item by item, so that commas in texts stay what they are.
fn condition(request: Request, name: &str, value: &Value) -> Request {
    match value {
        Value::Array(items) => items.iter().fold(request, |request, item| {
            request.query(format!("{name}[]"), plain(item))
        }),
        value => request.query(name, plain(value)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
