//! Changing and removing what meets conditions (CD-19, CD-23).

use reqwest::Method;
use serde_json::{Value, json};

use crate::data_support::{each, hub, record, refused};

#[tokio::test]
async fn what_meets_the_criteria_is_changed_and_answered_in_pages() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for age in [20, 25, 30] {
        record(&hub, &ann, json!({"age": age, "country_of_birth": "Iraq"})).await;
    }
    let theirs = record(&hub, &bob, json!({"age": 21})).await;
    let body = json!({"search_criteria": {"age": {"lt": 30}}, "country_of_birth": "Iran",
                      "inc": {"age": 1}});
    let (status, told) = hub.put(&ann, "/data/profile/by_criteria.json", body).await;
    assert_eq!(status, 200, "{told}");
    for (field, expected) in [
        ("class_name", json!("profile")),
        ("skip", json!(0)),
        ("limit", json!(100)),
        ("total_found", json!(2)),
    ] {
        assert_eq!(told[field], expected);
    }
    assert_eq!(each(&told, "age"), [&json!(21), &json!(26)]);
    assert_eq!(told["items"][0]["permissions"]["read"]["access"], "open");
    let (_, list) = hub.get(&ann, "/data/profile?country_of_birth=Iran").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let (_, found) = hub.get(&bob, &format!("/data/profile/{theirs}")).await;
    assert_eq!(
        found["items"][0]["age"], 21,
        "somebody else's is left alone"
    );
    let body =
        json!({"search_criteria": {"user_id": ann.id}, "job": "guard", "limit": 1, "skip": 1});
    let (_, told) = hub.put(&ann, "/data/profile/by_criteria", body).await;
    assert_eq!(told["total_found"], 3);
    assert_eq!(each(&told, "job"), [&json!("guard")]);
    for (body, field) in [
        (json!({"job": "x"}), "search_criteria"),
        (
            json!({"search_criteria": {}, "job": "x"}),
            "search_criteria",
        ),
        (
            json!({"search_criteria": {"colour": 1}, "job": "x"}),
            "colour",
        ),
        (
            json!({"search_criteria": {"age": {"gt": 1}}, "colour": "x"}),
            "colour",
        ),
    ] {
        refused(
            hub.put(&ann, "/data/profile/by_criteria", body).await,
            422,
            field,
        );
    }
}

#[tokio::test]
async fn what_meets_the_criteria_is_removed_whether_form_or_query_names_them() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for age in [20, 41, 50, 60, 70] {
        record(&hub, &ann, json!({"age": age})).await;
    }
    record(&hub, &bob, json!({"age": 45})).await;
    let path = "/data/profile/by_criteria.json";
    let (status, told) = hub
        .form(Method::DELETE, path, &ann, "age[gte]=41&age[lte]=50")
        .await;
    assert_eq!((status, told), (200, json!({"total_deleted": 2})));
    let (_, told) = hub.delete(&ann, &format!("{path}?age[in]=60,61")).await;
    assert_eq!(told, json!({"total_deleted": 1}));
    let (_, told) = hub.delete(&ann, &format!("{path}?age=45")).await;
    assert_eq!(told, json!({"total_deleted": 0}), "somebody else's stays");
    // An unknown name must not mean everything.
    refused(hub.delete(&ann, path).await, 422, "base");
    refused(
        hub.delete(&ann, &format!("{path}?agee=1")).await,
        422,
        "agee",
    );
    let (_, list) = hub.get(&ann, "/data/profile?sort_asc=age").await;
    assert_eq!(each(&list, "age"), [&json!(20), &json!(45), &json!(70)]);
}

#[tokio::test]
async fn criteria_ask_nothing_of_records_one_may_change_and_not_read() {
    let hub = hub().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let hidden = json!({"age": 77, "permissions": {"read": {"access": "owner"},
                        "update": {"access": "open"}, "delete": {"access": "open"}}});
    record(&hub, &ann, hidden).await;
    let body = json!({"search_criteria": {"age": 77}, "job": "x"});
    let (_, told) = hub.put(&bob, "/data/profile/by_criteria", body).await;
    assert_eq!(told["total_found"], 0);
    let (_, told) = hub.delete(&bob, "/data/profile/by_criteria?age=77").await;
    assert_eq!(told["total_deleted"], 0);
}

#[tokio::test]
async fn more_than_a_thousand_at_once_are_refused_and_stay() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let hundred: Vec<Value> = vec![json!({"age": 1}); 100];
    for _ in 0..11 {
        let body = json!({"record": hundred});
        let (status, made) = hub.post(&ann, "/data/profile/multi", body).await;
        assert_eq!(status, 201, "{made}");
    }
    refused(
        hub.delete(&ann, "/data/profile/by_criteria?age=1").await,
        422,
        "base",
    );
    let body = json!({"search_criteria": {"age": 1}, "age": 2});
    refused(
        hub.put(&ann, "/data/profile/by_criteria", body).await,
        422,
        "base",
    );
    let (_, count) = hub.get(&ann, "/data/profile?age=1&count=1").await;
    assert_eq!(count["items"]["count"], 1_100);
}

#[tokio::test]
async fn a_condition_that_every_record_meets_is_refused_and_nothing_is_lost() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    for age in [20, 30] {
        let fields = json!({"age": age, "full_name": "A", "groups": ["a"], "job": "guard"});
        record(&hub, &ann, fields).await;
    }
    let path = "/data/profile/by_criteria";
    for (field, query, criteria) in [
        ("groups", "groups[all]=", json!({"all": []})),
        ("groups", "groups[nin]=", json!({"nin": []})),
        ("age", "age[nin]=", json!({"nin": []})),
        ("age", "age[all]=", json!({})),
        ("full_name", "full_name[ctn]=", json!({"ctn": ""})),
        ("job", "job[start_with]=", json!({"start_with": ""})),
    ] {
        let criteria = json!({(field): criteria});
        let told = hub.delete(&ann, &format!("{path}?{query}")).await;
        refused(told, 422, field);
        let told = hub.form(Method::DELETE, path, &ann, query).await;
        refused(told, 422, field);
        let body = Some(criteria.clone());
        let headers: &[(&str, &str)] = &[("CB-Token", &ann.token)];
        let told = hub.call(Method::DELETE, path, headers, body).await;
        refused(told, 422, field);
        let body = json!({"search_criteria": criteria, "job": "gone"});
        refused(hub.put(&ann, path, body).await, 422, field);
    }
    let told = hub.get(&ann, "/data/profile?groups[all]=").await;
    refused(told, 422, "groups");
    // A list that leaves out nothing is no danger.
    let (_, list) = hub.get(&ann, "/data/profile?age[nin]=").await;
    assert_eq!(each(&list, "age"), [&json!(20), &json!(30)]);
    let (_, list) = hub.get(&ann, "/data/profile").await;
    assert_eq!(each(&list, "job"), [&json!("guard"), &json!("guard")]);
}

#[tokio::test]
async fn a_text_to_be_contained_has_a_bound_in_lists_and_criteria() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    let job = "a".repeat(128);
    record(&hub, &ann, json!({"job": job, "groups": [job]})).await;
    for field in ["job", "groups"] {
        let query = format!("{field}[ctn]={job}");
        let (_, list) = hub.get(&ann, &format!("/data/profile?{query}")).await;
        assert_eq!(each(&list, "job"), [&json!(job)]);
        let path = format!("/data/profile?{query}a");
        refused(hub.get(&ann, &path).await, 422, field);
        let path = format!("/data/profile/by_criteria?{query}a");
        refused(hub.delete(&ann, &path).await, 422, field);
    }
    let path = format!("/data/profile/by_criteria?job[ctn]={job}");
    assert_eq!(hub.delete(&ann, &path).await.1, json!({"total_deleted": 1}));
}
