//! JSON Schemas of the configuration files, for editors and other checkers: of a device's from the
//! table its reader goes by, of a hub's from the types.
//!
//! They know types, ranges, choices and what is required. What spans several keys, files that must
//! exist and the grammar of texts only `cubelet config check` knows.

use serde_json::{Map, Value, json};

use super::fields::{DEVICE, Field, Kind, Occurs, Section, Without};
use super::{reference, version};

const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// Of a device's file.
pub fn device() -> Value {
    let mut root = table("A device's configuration.", Map::new());
    root["properties"][version::KEY] = json!({
        "description": reference::VERSION,
        "type": "integer",
        "minimum": 1,
        "default": 1,
    });
    for section in DEVICE {
        insert(&mut root, section);
    }
    root["$schema"] = json!(DIALECT);
    root["title"] = json!("cubelet device");
    root
}

/// Of a hub's file.
#[cfg(feature = "hub")]
pub fn hub() -> Value {
    let settings = schemars::generate::SchemaSettings::draft07();
    let mut schema = settings
        .for_deserialize()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<super::hub::HubConfig>()
        .to_value();
    schema["title"] = json!("cubelet hub");
    schema
}

fn table(doc: &str, properties: Map<String, Value>) -> Value {
    json!({
        "description": doc,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

/// Puts a section where its dotted name says; its parents come before it.
fn insert(root: &mut Value, section: &Section) {
    let mut at = root;
    let mut names = section.name.split('.').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_some() {
            at = &mut at["properties"][name];
            continue;
        }
        let fields = section.fields.iter();
        let properties = fields.map(|field| (field.key.to_owned(), value(field)));
        let mut schema = table(section.doc, properties.collect());
        let required: Vec<&str> = section
            .fields
            .iter()
            .filter(|field| field.without == Without::Required)
            .map(|field| field.key)
            .collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let existing = at["properties"][name].take();
        if let Some(inner) = existing["properties"].as_object() {
            for (key, value) in inner {
                schema["properties"][key] = value.clone();
            }
        }
        if let Occurs::Repeated(most) = section.occurs {
            schema = json!({ "type": "array", "maxItems": most, "items": schema });
        }
        at["properties"][name] = schema;
        if section.occurs == Occurs::Once {
            match at["required"].as_array_mut() {
                Some(required) => required.push(json!(name)),
                None => at["required"] = json!([name]),
            }
        }
    }
}

fn value(field: &Field) -> Value {
    let mut schema = match field.kind {
        Kind::Integer { min, max: i64::MAX } => json!({ "type": "integer", "minimum": min }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Choice(choices) => json!({ "type": "string", "enum": choices }),
        Kind::Text(_) | Kind::Path(_) => json!({ "type": "string" }),
        // Users go by number or by name.
        Kind::List { most, .. } => json!({
            "type": "array",
            "maxItems": most,
            "uniqueItems": true,
            "items": { "type": ["string", "integer"] },
        }),
    };
    let form = match field.kind {
        Kind::Text(form) if form != "string" => format!(" A string: {form}."),
        Kind::Path(what) => format!(" A path: {what}."),
        Kind::List { of, .. } => format!(" Each: {of}."),
        _ => String::new(),
    };
    let rule = match field.without {
        Without::Rule(rule) => format!(" Without it: {rule}."),
        _ => String::new(),
    };
    schema["description"] = json!(format!("{}{form}{rule}", field.doc));
    match field.without {
        Without::Integer(number) => schema["default"] = json!(number),
        Without::Boolean(flag) => schema["default"] = json!(flag),
        Without::Text(text) => schema["default"] = json!(text),
        _ => {}
    }
    schema
}
