//! Hubs with classes of custom objects.

use cubelet::config::hub::HubConfig;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Hub, Person};

/// The headers of the operator.
pub const ADMIN: &[(&str, &str)] = &[("CB-Administration-API-Key", "admin-key")];

/// The documentation's own class, and one of each type of field besides.
pub const PROFILE: &str = "
    [[class]]
    name = 'profile'
    fields = { full_name = 'String', age = 'Integer', job = 'String', country_of_birth = 'String',
               height = 'Float', member = 'Boolean', born = 'Date', home = 'Location',
               avatar = 'File', groups = 'Array', scores = 'Array of Integer' }
";

/// A hub with the classes of this text.
pub async fn hub_with(classes: &str) -> Hub {
    let rules = toml::from_str(classes).unwrap();
    Hub::start_with(|config: &mut HubConfig| config.data = rules).await
}

/// A hub with the class `profile`.
pub async fn hub() -> Hub {
    hub_with(PROFILE).await
}

pub async fn as_admin(hub: &Hub, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    hub.call(method, path, ADMIN, body).await
}

/// A record of the class `profile`; its id.
pub async fn record(hub: &Hub, person: &Person, fields: Value) -> String {
    record_of(hub, person, "profile", fields).await["_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub async fn record_of(hub: &Hub, person: &Person, class: &str, fields: Value) -> Value {
    let (status, record) = hub.post(person, &format!("/data/{class}"), fields).await;
    assert_eq!(status, 201, "{record}");
    record
}

/// A user with tags.
pub async fn tagged(hub: &Hub, name: &str, tags: &[&str]) -> Person {
    let person = hub.person(name).await;
    let body = json!({"user": {"tag_list": tags.join(",")}});
    let (status, answer) = hub
        .put(&person, &format!("/users/{}", person.id), body)
        .await;
    assert_eq!(status, 200, "{answer}");
    person
}

/// One field of every item of a list.
pub fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    items.iter().map(|item| &item[field]).collect()
}

/// Asserts that a request was refused for a field.
pub fn refused(answer: (u16, Value), status: u16, field: &str) {
    assert_eq!(answer.0, status, "{field}: {}", answer.1);
    assert!(
        answer.1["errors"][field].is_array(),
        "{field}: {}",
        answer.1
    );
}
