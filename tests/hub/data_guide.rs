//! The guide on custom objects, typed as it stands (docs/guide/custom-objects.md).

use serde_json::{Value, json};
use tokio::process::Command;

use crate::data_support::{hub_with, record_of};

/// Where the guide's hub is.
const GUIDES_HUB: &str = "https://hub.local:8443";

/// The first fenced block of the guide in a language.
fn block(language: &str) -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide/custom-objects.md");
    let page = std::fs::read_to_string(file).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn what_the_guide_on_custom_objects_types_is_answered_as_it_says() {
    let file: toml::Table = toml::from_str(&block("toml")).unwrap();
    let hub = hub_with(&toml::to_string(&file["data"]).unwrap()).await;
    let ann = hub.person("ann").await;
    let first = record_of(&hub, &ann, "reading", json!({"value": 25})).await;
    record_of(&hub, &ann, "reading", json!({"value": -4.5})).await;

    // The hub of the test, and what curl prints in lines of their own.
    let typed = block("sh").replace(GUIDES_HUB, &hub.ready().api);
    let script = format!(
        "curl() {{ command curl --silent --show-error --fail-with-body -w '\\n' \"$@\"; }}\n{typed}"
    );
    let typed = Command::new("sh")
        .args(["-euc", &script])
        .env("TOKEN", &ann.token)
        .env("ID", first["_id"].as_str().unwrap())
        .output()
        .await
        .unwrap();
    let (printed, errors) = (
        String::from_utf8_lossy(&typed.stdout),
        String::from_utf8_lossy(&typed.stderr),
    );
    assert!(typed.status.success(), "{printed}{errors}");
    let answers: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [created, found, means, updated, deleted] = answers.as_slice() else {
        panic!("{printed}");
    };
    assert_eq!(created["value"], 21.5);
    assert_eq!(created["tags"], json!(["hall"]));
    let values: Vec<&Value> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["value"])
        .collect();
    assert_eq!(values, [&json!(21.5), &json!(25.0)]);
    assert_eq!(means["items"], json!([{"sensor": null, "value": 14.0}]));
    assert_eq!(updated["value"], 25.5);
    assert_eq!(updated["tags"], json!(["warm"]));
    assert_eq!(*deleted, json!({"total_deleted": 1}));
}
