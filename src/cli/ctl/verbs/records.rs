//! Records of custom objects.

use clap::Subcommand;
use serde_json::Value;

use super::Order;
use super::payload::Payload;

/// What to do with records of a class.
#[derive(Debug, Subcommand)]
pub enum RecordsVerb {
    /// Create a record.
    Create {
        /// The class.
        class: String,
        /// Its fields as JSON, such as {"value": 21.5}.
        #[arg(value_parser = object)]
        fields: Value,
        /// The record it belongs to.
        #[arg(long, value_name = "RECORD")]
        parent: Option<String>,
        /// Who may do what with it, as JSON.
        #[arg(long, value_parser = object, value_name = "JSON")]
        permissions: Option<Value>,
    },
    /// List records.
    List {
        /// The class.
        class: String,
        /// Conditions as JSON, such as {"value": {"gt": 20}}.
        #[arg(value_parser = object)]
        filter: Option<Value>,
        /// A record; may be repeated.
        #[arg(long = "record", value_name = "RECORD", conflicts_with = "filter")]
        records: Vec<String>,
        /// Sort by this field, the smallest first.
        #[arg(long, value_name = "FIELD", conflicts_with = "sort_desc")]
        sort_asc: Option<String>,
        /// Sort by this field, the greatest first.
        #[arg(long, value_name = "FIELD")]
        sort_desc: Option<String>,
        /// At most so many, 1 to 100.
        #[arg(long)]
        limit: Option<u32>,
        /// Leave out so many.
        #[arg(long)]
        skip: Option<u32>,
    },
    /// Change a record.
    Update {
        /// The class.
        class: String,
        /// The record.
        record: String,
        /// Fields and update operators as JSON, such as {"inc": {"value": 1}}.
        #[arg(value_parser = object)]
        changes: Option<Value>,
        /// The record it belongs to from now on; empty for none.
        #[arg(long, value_name = "RECORD")]
        parent: Option<String>,
        /// Who may do what with it from now on, as JSON.
        #[arg(long, value_parser = object, value_name = "JSON")]
        permissions: Option<Value>,
    },
    /// Delete records, with all that belong to them.
    Delete {
        /// The class.
        class: String,
        /// The records.
        #[arg(required = true)]
        records: Vec<String>,
    },
}

fn object(text: &str) -> Result<Value, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    if value.is_object() {
        return Ok(value);
    }
    Err("is no JSON object such as {\"value\": 1}".to_owned())
}

impl RecordsVerb {
    pub(super) fn order(&self) -> Order {
        let of = |class: &String| Payload::new().put("class", Some(class));
        match self {
            Self::Create {
                class,
                fields,
                parent,
                permissions,
            } => {
                let payload = of(class)
                    .put("fields", Some(fields))
                    .put("parent", parent.as_ref())
                    .put("permissions", permissions.as_ref());
                ("record_create", payload.done())
            }
            Self::List {
                class,
                filter,
                records,
                sort_asc,
                sort_desc,
                limit,
                skip,
            } => {
                let payload = of(class)
                    .put("filter", filter.as_ref())
                    .list("records", records)
                    .put("sort_asc", sort_asc.as_ref())
                    .put("sort_desc", sort_desc.as_ref())
                    .put("limit", limit.as_ref())
                    .put("skip", skip.as_ref());
                ("records", payload.done())
            }
            Self::Update {
                class,
                record,
                changes,
                parent,
                permissions,
            } => {
                let payload = of(class)
                    .put("record", Some(record))
                    .put("changes", changes.as_ref())
                    .put("parent", parent.as_ref())
                    .put("permissions", permissions.as_ref());
                ("record_update", payload.done())
            }
            Self::Delete { class, records } => {
                ("record_delete", of(class).list("records", records).done())
            }
        }
    }
}
