//! Searching, sorting, paging, counting and adding up records (CD-07…CD-15).

use serde_json::{Value, json};

use crate::data_support::{each, hub, record, refused};
use crate::support::{Hub, Person, START};

async fn filled() -> (Hub, Person) {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    for (name, age, country, height, scores) in [
        (
            "Nadine",
            Some(41),
            Some("Germany"),
            Some(1.7),
            json!([1, 2]),
        ),
        ("Lacey", Some(25), Some("Sweden"), Some(1.6), json!([2])),
        ("Zach", Some(50), Some("Germany"), None, json!([])),
        ("Barret", None, None, Some(1.8), Value::Null),
    ] {
        let fields = json!({"full_name": name, "age": age, "country_of_birth": country,
                            "height": height, "scores": scores});
        record(&hub, &ann, fields).await;
        hub.clock.advance(10);
    }
    (hub, ann)
}

async fn names(hub: &Hub, person: &Person, query: &str) -> String {
    let (status, list) = hub.get(person, &format!("/data/profile?{query}")).await;
    assert_eq!(status, 200, "{query}: {list}");
    let names = each(&list, "full_name")
        .into_iter()
        .map(|name| name.as_str().unwrap());
    names.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn records_are_found_by_every_operator_of_their_fields_type() {
    let (hub, ann) = filled().await;
    for (query, expected) in [
        ("age=41", "Nadine"),
        ("age[gt]=28", "Nadine Zach"),
        ("age[gte]=41&age[lt]=50", "Nadine"),
        ("height[lte]=1.65", "Lacey"),
        ("age[ne]=41", "Lacey Zach Barret"),
        ("age[in]=25,50", "Lacey Zach"),
        ("age[nin]=25,50", "Nadine Barret"),
        ("full_name[or]=Zach,Lacey", "Lacey Zach"),
        ("full_name[ctn]=a", "Nadine Lacey Zach Barret"),
        ("full_name[ctn]=ce", "Lacey"),
        ("scores[all]=1,2", "Nadine"),
        ("scores[in]=2", "Nadine Lacey"),
        ("age=null", "Barret"),
        ("age[ne]=null&age[lt]=30", "Lacey"),
        ("created_at[gt]=1795352826", "Zach Barret"),
        ("_parent_id=", "Nadine Lacey Zach Barret"),
    ] {
        assert_eq!(names(&hub, &ann, query).await, expected, "{query}");
    }
    assert_eq!(START + 10, 1_795_352_826);
}

#[tokio::test]
async fn places_are_found_by_their_distance_in_metres() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    // 0.01° of longitude at 52.52° north are 677 m; the last lies beyond the date line.
    for (name, home) in [
        ("a", [13.40, 52.52]),
        ("b", [13.41, 52.52]),
        ("c", [-179.999, 0.0]),
    ] {
        record(&hub, &ann, json!({"full_name": name, "home": home})).await;
    }
    record(&hub, &ann, json!({"full_name": "nowhere"})).await;
    for (query, expected) in [
        ("home[near]=13.40,52.52;670", "a"),
        ("home[near]=13.40,52.52;685", "a b"),
        ("home[near]=179.999,0;300", "c"),
        ("home[near]=0,0;20100000", "a b c"),
    ] {
        assert_eq!(names(&hub, &ann, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn records_are_sorted_by_any_field_and_come_in_pages() {
    let (hub, ann) = filled().await;
    for (query, expected) in [
        ("", "Nadine Lacey Zach Barret"),
        ("sort_desc=age", "Zach Nadine Lacey Barret"),
        ("sort_asc=full_name", "Barret Lacey Nadine Zach"),
        ("sort_desc=_id", "Barret Zach Lacey Nadine"),
        ("sort_desc=created_at", "Barret Zach Lacey Nadine"),
        ("sort_asc=height&limit=2&skip=1", "Lacey Nadine"),
        ("limit=-1", "Barret"),
        ("limit=-1&sort_asc=age", "Zach"),
        ("limit=-1&age[lt]=45", "Lacey"),
    ] {
        assert_eq!(names(&hub, &ann, query).await, expected, "{query}");
    }
    let (_, page) = hub.get(&ann, "/data/profile?limit=500&skip=3").await;
    assert_eq!((&page["limit"], &page["skip"]), (&json!(100), &json!(3)));
    let (_, count) = hub.get(&ann, "/data/profile?count=1&age[gt]=28").await;
    assert_eq!(
        count,
        json!({"class_name": "profile", "items": {"count": 2}})
    );
}

#[tokio::test]
async fn an_answer_has_the_fields_one_wants() {
    let (hub, ann) = filled().await;
    let keys = |list: &Value| {
        let item = list["items"][0].as_object().unwrap();
        let mut keys: Vec<String> = item.keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    let (_, list) = hub
        .get(&ann, "/data/profile?output[include]=age,full_name")
        .await;
    assert_eq!(keys(&list), "_id age full_name");
    let (_, list) = hub
        .get(
            &ann,
            "/data/profile?output[include][]=age&output[include][]=user_id",
        )
        .await;
    assert_eq!(keys(&list), "_id age user_id");
    let query =
        "output[exclude]=_parent_id,user_id,created_at,updated_at,avatar,groups,scores,home,born";
    let (_, list) = hub.get(&ann, &format!("/data/profile?{query}")).await;
    assert_eq!(
        keys(&list),
        "_id age country_of_birth full_name height job member"
    );
    refused(
        hub.get(&ann, "/data/profile?output[include]=colour").await,
        422,
        "output",
    );
}

#[tokio::test]
async fn records_are_added_up_in_groups() {
    let (hub, ann) = filled().await;
    for (query, expected) in [
        (
            "age[calc]=avg&group_by=country_of_birth",
            json!([{"country_of_birth": null, "age": null},
                   {"country_of_birth": "Germany", "age": 45.5},
                   {"country_of_birth": "Sweden", "age": 25}]),
        ),
        (
            "age[calc]=sum&height[calc]=max&group_by=country_of_birth&age[gt]=1",
            json!([{"country_of_birth": "Germany", "age": 91, "height": 1.7},
                   {"country_of_birth": "Sweden", "age": 25, "height": 1.6}]),
        ),
        (
            "age[calc]=min&group_by=country_of_birth&limit=1&skip=1",
            json!([{"country_of_birth": "Germany", "age": 41}]),
        ),
    ] {
        let (status, found) = hub.get(&ann, &format!("/data/profile?{query}")).await;
        assert_eq!(status, 200, "{query}: {found}");
        assert_eq!(found["items"], expected, "{query}");
    }
    for (query, field) in [
        ("age[calc]=avg", "age"),
        ("group_by=age", "group_by"),
        ("age[calc]=avg&group_by=age", "group_by"),
        ("age[calc]=avg&group_by=home", "group_by"),
        ("age[calc]=median&group_by=job", "age"),
        ("job[calc]=avg&group_by=age", "job"),
    ] {
        let answer = hub.get(&ann, &format!("/data/profile?{query}")).await;
        refused(answer, 422, field);
    }
}

#[tokio::test]
async fn a_filter_sees_no_records_one_may_not_read() {
    let (hub, ann) = filled().await;
    let bob = hub.person("bob").await;
    let secret = json!({"full_name": "Secret", "age": 99, "country_of_birth": "Germany",
                        "permissions": {"read": {"access": "owner"}}});
    record(&hub, &ann, secret).await;
    for (query, own, others) in [
        ("age=99&count=1", json!({"count": 1}), json!({"count": 0})),
        (
            "age[calc]=max&group_by=country_of_birth&country_of_birth=Germany",
            json!([{"country_of_birth": "Germany", "age": 99}]),
            json!([{"country_of_birth": "Germany", "age": 50}]),
        ),
    ] {
        let path = format!("/data/profile?{query}");
        assert_eq!(hub.get(&ann, &path).await.1["items"], own, "{query}");
        assert_eq!(hub.get(&bob, &path).await.1["items"], others, "{query}");
    }
    assert_eq!(names(&hub, &bob, "age[gt]=90").await, "");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    let hub = hub().await;
    let ann = hub.person("ann").await;
    for (query, field) in [
        ("colour=red", "colour"),
        ("colour[gt]=1", "colour"),
        ("sort_asc=colour", "colour"),
        ("age=old", "age"),
        ("age[like]=1", "age"),
        ("home[near]=1,2", "home"),
        ("limit=-2", "limit"),
        ("skip=x", "skip"),
        ("age%27%29%20OR%201--=1", "age') OR 1--"),
    ] {
        let answer = hub.get(&ann, &format!("/data/profile?{query}")).await;
        refused(answer, 422, field);
    }
}
