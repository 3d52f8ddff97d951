//! Records of custom objects, kept by devices at the hub.

use cubelet::control::read_command;
use cubelet::engine::command::{CommandError, ErrorCode};
use serde_json::{Value, json};

use crate::site::{Site, Station};

const CLASSES: &str = "
    [[class]]
    name = 'reading'
    fields = { sensor = 'String', value = 'Float', times = 'Integer', tags = 'Array of String' }
";

async fn order(station: &Station, verb: &str, fields: Value) -> Result<Value, CommandError> {
    let command = read_command(verb, fields.to_string().as_bytes())?;
    station.command(command).await
}

async fn done(station: &Station, verb: &str, fields: Value) -> Value {
    let reply = order(station, verb, fields.clone()).await;
    reply.unwrap_or_else(|error| panic!("{verb} {fields}: {error}"))
}

async fn site() -> Site {
    let rules = toml::from_str(CLASSES).expect("classes");
    Site::start_with(|config| config.data = rules).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_creates_lists_changes_and_deletes_records() {
    let site = site().await;
    let door = site.station("door", "").await;
    let fields = json!({"sensor": "hall, north", "value": 21.5, "tags": ["a,b", "c"]});
    let made = done(
        &door,
        "record_create",
        json!({"class": "reading", "fields": fields}),
    )
    .await;
    let record = &made["record"];
    let id = record["_id"].as_str().expect("an id");
    assert_eq!(record["user_id"], json!(door.user));
    assert_eq!(record["value"], 21.5);
    assert_eq!(record["times"], Value::Null);
    assert_eq!(record["permissions"]["update"]["access"], "owner");
    let child = json!({"class": "reading", "fields": {"value": 3}, "parent": id,
        "permissions": {"read": {"access": "owner"}}});
    let child = done(&door, "record_create", child).await;
    assert_eq!(child["record"]["_parent_id"], json!(id));
    assert_eq!(child["record"]["permissions"]["read"]["access"], "owner");

    let found = async |fields: Value| {
        let mut fields = fields;
        fields["class"] = json!("reading");
        let list = done(&door, "records", fields).await;
        let records = list["records"].as_array().expect("a list").iter();
        let values: Vec<Value> = records.map(|record| record["value"].clone()).collect();
        json!(values)
    };
    for (query, expected) in [
        (json!({}), json!([21.5, 3.0])),
        (json!({"sort_asc": "value"}), json!([3.0, 21.5])),
        (json!({"sort_desc": "_id", "limit": 1}), json!([3.0])),
        (json!({"skip": 1}), json!([3.0])),
        (
            json!({"filter": {"value": {"gt": 3, "lte": 21.5}}}),
            json!([21.5]),
        ),
        (json!({"filter": {"sensor": "hall, north"}}), json!([21.5])),
        // Commas in the items of a list are no separators.
        (json!({"filter": {"tags": {"in": ["a,b"]}}}), json!([21.5])),
        (json!({"filter": {"tags": null}}), json!([3.0])),
        (json!({"filter": {"_parent_id": id}}), json!([3.0])),
        (json!({"records": [id]}), json!([21.5])),
    ] {
        assert_eq!(found(query.clone()).await, expected, "{query}");
    }

    let changes = json!({"class": "reading", "record": id,
        "changes": {"sensor": null, "inc": {"times": 2}, "push": {"tags": ["d"]}}});
    let changed = done(&door, "record_update", changes).await;
    assert_eq!(changed["record"]["sensor"], Value::Null);
    assert_eq!(changed["record"]["times"], 2);
    assert_eq!(changed["record"]["tags"], json!(["a,b", "c", "d"]));
    let none = "0".repeat(24);
    let gone = json!({"class": "reading", "records": [id, none]});
    let gone = done(&door, "record_delete", gone).await;
    assert_eq!(
        (&gone["deleted"], &gone["forbidden"], &gone["missing"]),
        (&json!([id]), &json!([]), &json!([none]))
    );
    assert_eq!(found(json!({})).await, json!([]), "the child went, too");
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_named_twice_is_deleted_once() {
    let site = site().await;
    let door = site.station("door", "").await;
    let made = json!({"class": "reading", "fields": {"value": 1}});
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = done(&door, "record_create", made.clone()).await;
        ids.push(made["record"]["_id"].clone());
    }
    ids.sort_by_key(Value::to_string);
    for (named, expected) in [
        (json!([ids[0], ids[0]]), json!([ids[0]])),
        (json!([ids[1], ids[2], ids[1]]), json!([ids[1], ids[2]])),
    ] {
        let gone = json!({"class": "reading", "records": named});
        let gone = done(&door, "record_delete", gone).await;
        let mut deleted = gone["deleted"].as_array().expect("a list").clone();
        deleted.sort_by_key(Value::to_string);
        assert_eq!(json!(deleted), expected);
    }
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_class_does_not_take_is_refused_with_the_name_of_the_field() {
    let site = site().await;
    let door = site.station("door", "").await;
    let desk = site.station("desk", "").await;
    let class = "reading";
    let made = json!({"class": class, "fields": {"value": 1}});
    let made = done(&door, "record_create", made).await;
    let id = &made["record"]["_id"];
    let hidden = json!({"class": class, "record": id,
        "permissions": {"read": {"access": "owner"}}});
    done(&door, "record_update", hidden).await;
    for (station, verb, fields, code, text) in [
        (
            &door,
            "record_create",
            json!({"class": class, "fields": {"value": "x"}}),
            ErrorCode::InvalidPayload,
            "value must be a number",
        ),
        (
            &door,
            "record_create",
            json!({"class": class, "fields": {"colour": 1}}),
            ErrorCode::InvalidPayload,
            "colour is no field",
        ),
        (
            &door,
            "record_create",
            json!({"class": "none", "fields": {}}),
            ErrorCode::NotFound,
            "Class none",
        ),
        (
            &door,
            "records",
            json!({"class": class, "filter": {"value": {"like": 1}}}),
            ErrorCode::InvalidPayload,
            "value",
        ),
        (
            &door,
            "record_update",
            json!({"class": class, "record": id,
            "changes": {"push": {"value": 1}}}),
            ErrorCode::InvalidPayload,
            "value push is for lists",
        ),
        (
            &desk,
            "record_update",
            json!({"class": class, "record": id, "changes": {"value": 2}}),
            ErrorCode::NotAllowed,
            "update",
        ),
        (
            &desk,
            "records",
            json!({"class": class, "records": [id]}),
            ErrorCode::NotAllowed,
            "read",
        ),
        (
            &desk,
            "record_delete",
            json!({"class": class, "records": [id]}),
            ErrorCode::NotAllowed,
            "delete",
        ),
        (
            &desk,
            "record_delete",
            json!({"class": class, "records": ["0".repeat(24)]}),
            ErrorCode::NotFound,
            "Record",
        ),
        // Told without the hub.
        (
            &door,
            "record_update",
            json!({"class": class, "record": id}),
            ErrorCode::InvalidPayload,
            "changes",
        ),
        (
            &door,
            "record_delete",
            json!({"class": class, "records": ["x"]}),
            ErrorCode::InvalidPayload,
            "records",
        ),
        (
            &door,
            "records",
            json!({"class": "", "limit": 1}),
            ErrorCode::InvalidPayload,
            "class",
        ),
        (
            &door,
            "records",
            json!({"class": class, "filter": {"sensor": []}}),
            ErrorCode::InvalidPayload,
            "sensor needs a value",
        ),
        (
            &door,
            "records",
            json!({"class": class, "filter": {"sensor": {}}}),
            ErrorCode::InvalidPayload,
            "sensor needs a value",
        ),
        (
            &door,
            "records",
            json!({"class": class, "filter": {"sensor": {"in": []}}}),
            ErrorCode::InvalidPayload,
            "sensor needs a value",
        ),
        (
            &door,
            "records",
            json!({"class": class, "filter": {"sensor": {"in": {}}}}),
            ErrorCode::InvalidPayload,
            "sensor needs a value",
        ),
        (
            &door,
            "records",
            json!({"class": class, "limit": 0}),
            ErrorCode::InvalidPayload,
            "limit",
        ),
        (
            &door,
            "records",
            json!({"class": class, "sort_asc": "a", "sort_desc": "b"}),
            ErrorCode::InvalidPayload,
            "sort_asc",
        ),
    ] {
        let error = order(station, verb, fields.clone())
            .await
            .expect_err("refused");
        assert_eq!(error.code, code, "{verb} {fields}: {error}");
        assert!(error.message.contains(text), "{verb} {fields}: {error}");
    }
    door.stop().await;
    desk.stop().await;
    site.hub.stop().await;
}
