//! Records in the REST client: what it sends, and types of one's own (CD-32).

use cubelet::rest::{Record, RecordAbout, RecordQuery, RestError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::{Http, json};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    value: Option<f64>,
    #[serde(default)]
    tags: Vec<String>,
}

const KEPT: &str = r#"{"_id":"66f0aa000102030405000009","_parent_id":"","user_id":5,
    "created_at":1544124810,"updated_at":1544124811,"sensor":"hall","value":21.5,"tags":["a"]}"#;

#[tokio::test]
async fn records_are_read_into_a_type_of_ones_own() {
    let page = format!(r#"{{"class_name":"reading","skip":0,"limit":100,"items":[{KEPT}]}}"#);
    let http = Http::start([json(201, KEPT), json(200, &page)]).await;
    let client = http.client();
    let reading = Reading {
        sensor: "hall".to_owned(),
        value: Some(21.5),
        tags: vec!["a".to_owned()],
    };
    let about = RecordAbout::default();
    let made = client
        .create_record("reading", &reading, about)
        .await
        .unwrap();
    assert_eq!(made.fields, reading);
    assert_eq!(
        (made.owner, made.created_at, made.updated_at),
        (5, 1544124810, 1544124811)
    );
    // Both ways servers write that there is none.
    assert_eq!(made.parent, None);
    let sent: Value = serde_json::from_str(&http.requests()[1].body).unwrap();
    assert_eq!(
        sent,
        serde_json::json!({"sensor": "hall", "value": 21.5, "tags": ["a"]})
    );
    let query = RecordQuery::default();
    let found: Vec<Record<Reading>> = client.records("reading", &query).await.unwrap();
    assert_eq!(found, [made]);
}

#[tokio::test]
async fn what_does_not_fit_the_type_is_told_and_not_made_up() {
    let other = KEPT.replace("\"hall\"", "7");
    let http = Http::start([json(201, &other)]).await;
    let client = http.client();
    let (none, number) = (RecordAbout::default(), Value::from(1));
    let reading = Reading {
        sensor: String::new(),
        value: None,
        tags: Vec::new(),
    };
    let made = client.create_record("reading", &reading, none.clone());
    let error = made.await.unwrap_err();
    assert!(matches!(error, RestError::BadAnswer { .. }), "{error:?}");
    let made = client.create_record("reading", &number, none).await;
    assert!(matches!(made.unwrap_err(), RestError::Setup(_)));
}

#[tokio::test]
async fn conditions_become_the_parameters_of_the_api() {
    let page = r#"{"class_name":"reading","items":[]}"#;
    let http = Http::start([json(200, page)]).await;
    let client = http.client();
    let conditions =
        serde_json::json!({"value": {"gt": 1}, "sensor": "a b", "tags": {"in": ["x,y", "z"]}});
    let query = RecordQuery {
        conditions: conditions.as_object().unwrap().clone(),
        sort_desc: Some("_id".to_owned()),
        limit: 5,
        skip: 2,
        ..RecordQuery::default()
    };
    let found: Vec<Record<Map<String, Value>>> = client.records("reading", &query).await.unwrap();
    assert!(found.is_empty());
    let line = http.requests()[1].line.clone();
    let address = line.split(' ').nth(1).unwrap();
    let address = url::Url::parse(&format!("http://x{address}")).unwrap();
    assert_eq!(address.path(), "/data/reading");
    let pairs: Vec<String> = address
        .query_pairs()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let expected = [
        "skip=2",
        "limit=5",
        "sort_desc=_id",
        "value[gt]=1",
        "sensor=a b",
        "tags[in][]=x,y",
        "tags[in][]=z",
    ];
    assert_eq!(pairs, expected);
}
