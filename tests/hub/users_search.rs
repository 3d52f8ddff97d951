//! Finding users (US-03…US-17).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Hub, Person};

async fn sign_up(hub: &Hub, user: Value) -> u64 {
    let key = [("CB-AuthKey", "key")];
    let (status, body) = hub
        .call(Method::POST, "/users", &key, Some(json!({"user": user})))
        .await;
    assert_eq!(status, 201, "{body}");
    body["user"]["id"].as_u64().unwrap()
}

fn logins(body: &Value) -> Vec<&str> {
    let items = body["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item.get("user").unwrap_or(item)["login"].as_str().unwrap())
        .collect()
}

async fn site() -> (Hub, Person) {
    site_with(false).await
}

async fn site_with(list_users_v1: bool) -> (Hub, Person) {
    let hub = Hub::start_with(|config| config.list_users_v1 = list_users_v1).await;
    let ann = hub.person("ann").await;
    for (login, tags, name) in [
        ("door1", "door, north", "Front door"),
        ("door2", "door,south", "Back door"),
        ("gate", "gate", "100% gate"),
    ] {
        let user = json!({"login": login, "password": "password", "tag_list": tags,
            "full_name": name, "external_id": format!("x-{login}"), "phone": format!("1{login}"),
            "email": format!("{login}@example.org"), "facebook_id": format!("f-{login}")});
        sign_up(&hub, user).await;
    }
    (hub, ann)
}

#[tokio::test]
async fn users_are_found_by_any_of_their_tags() {
    let (hub, ann) = site().await;
    for (query, expected) in [
        ("user_tags=north", vec!["door1"]),
        (
            "user_tags[in]=south,gate&sort_asc=login",
            vec!["door2", "gate"],
        ),
        ("user_tags[in][]=door&user_tags[nin][]=south", vec!["door1"]),
        ("user_tags[start_with]=nort", vec!["door1"]),
        ("user_tags=oor", vec![]),
    ] {
        let (status, body) = hub.get(&ann, &format!("/users/v2?{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        assert_eq!(logins(&body), expected, "{query}");
    }
    let (_, body) = hub.get(&ann, "/users/by_tags.json?tags=north,gate").await;
    assert_eq!(logins(&body), ["door1", "gate"]);
    assert_eq!(
        (&body["current_page"], &body["total_entries"]),
        (&json!(1), &json!(2))
    );
}

#[tokio::test]
async fn changed_tags_are_searched_at_once() {
    let (hub, ann) = site().await;
    let own = format!("/users/{}", ann.id);
    hub.put(
        &ann,
        &own,
        json!({"user": {"tag_list": ["vip", "vip", "x"]}}),
    )
    .await;
    let (_, body) = hub.get(&ann, "/users/v2?user_tags=vip").await;
    assert_eq!(logins(&body), ["ann"]);
    assert_eq!(body["items"][0]["user_tags"], "vip,x");
    hub.put(&ann, &own, json!({"user": {"user_tags": ""}}))
        .await;
    let (_, body) = hub.get(&ann, "/users/v2?user_tags=vip").await;
    assert_eq!(body["total_entries"], 0);
}

#[tokio::test]
async fn a_sixth_tag_is_refused_in_every_spelling() {
    let (hub, ann) = site().await;
    let own = format!("/users/{}", ann.id);
    for user in [
        json!({"tag_list": ["a", "b", "c", "d", "e", "f"]}),
        json!({"tag_list": "a,b,c,d,e,f"}),
        json!({"user_tags": "a,b,c,d,e,f"}),
    ] {
        assert_eq!(hub.put(&ann, &own, json!({"user": user})).await.0, 422);
    }
}

#[tokio::test]
async fn a_search_that_stands_on_nothing_is_refused_with_the_rule() {
    let hub = Hub::start_with(|config| config.directory = false).await;
    let ann = hub.person("ann").await;
    for (query, field) in [
        ("", "base"),
        ("login[nin]=ann", "base"),
        ("created_at[gt]=0", "base"),
        ("id[gt]=0", "id"),
        ("login=ann&updated_at=0", "updated_at"),
        ("login=ann&created_at[lt]=soon", "created_at"),
        ("login=ann&sort_asc=password", "password"),
        ("login=ann&limit=many", "limit"),
    ] {
        let (status, body) = hub.get(&ann, &format!("/users/v2?{query}")).await;
        assert_eq!(status, 422, "{query}: {body}");
        assert!(body["errors"][field].is_array(), "{query}: {body}");
    }
}

#[tokio::test]
async fn a_site_with_a_directory_lists_everybody_in_pages() {
    let (hub, ann) = site().await;
    let (status, all) = hub.get(&ann, "/users/v2?sort_asc=login").await;
    assert_eq!(status, 200, "{all}");
    let total = all["total_entries"].as_u64().unwrap();
    assert!(total > 1, "{all}");
    let (_, page) = hub.get(&ann, "/users/v2?limit=1&offset=1").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["total_entries"], total);
}

#[tokio::test]
async fn dates_and_exclusions_narrow_a_search() {
    let (hub, ann) = site().await;
    hub.clock.advance(1_000);
    hub.person("new").await;
    let start = crate::support::START;
    let all = "login[in]=ann,door1,new&sort_desc=login";
    for (query, expected) in [
        (format!("{all}&created_at[gt]={start}"), vec!["new"]),
        (
            format!("{all}&created_at[lte]={start}"),
            vec!["door1", "ann"],
        ),
        (format!("{all}&login[nin]=ann"), vec!["new", "door1"]),
        (format!("{all}&limit=1&offset=1"), vec!["door1"]),
    ] {
        let (status, body) = hub.get(&ann, &format!("/users/v2?{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        assert_eq!(logins(&body), expected, "{query}");
    }
}

#[tokio::test]
async fn deprecated_routes_find_one_user_or_none() {
    let (hub, ann) = site().await;
    for path in [
        "/users/by_login?login=gate",
        "/users/by_email.json?email=GATE@example.org",
        "/users/phone?phone=1gate",
        "/users/by_facebook_id?facebook_id=f-gate",
        "/users/external/x-gate.json",
    ] {
        let (status, body) = hub.get(&ann, path).await;
        assert_eq!(
            (status, &body["user"]["login"]),
            (200, &json!("gate")),
            "{path}"
        );
    }
    for path in ["/users/by_twitter_id?twitter_id=1", "/users/external/none"] {
        assert_eq!(hub.get(&ann, path).await.0, 404, "{path}");
    }
    let (status, body) = hub.get(&ann, "/users/by_email").await;
    assert_eq!((status, body["errors"]["email"].is_array()), (422, true));
    let (_, body) = hub
        .get(&ann, "/users/by_full_name?full_name=door&per_page=1&page=2")
        .await;
    assert_eq!(
        (logins(&body), &body["total_entries"]),
        (vec!["door2"], &json!(2))
    );
    let (_, body) = hub.get(&ann, "/users/by_full_name?full_name=0%25").await;
    assert_eq!(logins(&body), ["gate"]);
}

#[tokio::test]
async fn the_old_list_is_off_unless_configured() {
    let (hub, ann) = site().await;
    let (status, body) = hub.get(&ann, "/users.json").await;
    let text = body["errors"]["base"][0].as_str().unwrap();
    assert_eq!(status, 403);
    assert!(
        text.starts_with("Users retrieving forbidden in admin panel"),
        "{text}"
    );
}

#[tokio::test]
async fn the_old_list_filters_and_orders_where_it_is_on() {
    let (hub, ann) = site_with(true).await;
    for (query, expected) in [
        ("per_page=2&order=desc+string+login", vec!["gate", "door2"]),
        ("filter[]=string+login+in+gate,ann", vec!["ann", "gate"]),
        (
            "filter[]=number+id+between+2,3&filter[]=string+login+ne+door1",
            vec!["door2"],
        ),
        ("filter[]=date+created_at+lt+2020-01-01", vec![]),
    ] {
        let (status, body) = hub.get(&ann, &format!("/users?{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        assert_eq!(logins(&body), expected, "{query}");
    }
    for query in ["filter[]=string+password+eq+x", "order=up", "filter[]=x"] {
        assert_eq!(
            hub.get(&ann, &format!("/users?{query}")).await.0,
            422,
            "{query}"
        );
    }
}

#[tokio::test]
async fn who_is_online_is_listed_and_counted() {
    let (hub, ann) = site().await;
    let bob = hub.person("bob").await;
    let _chats = (hub.chat(&ann).await, hub.chat(&bob).await);
    let (_, body) = hub.get(&ann, "/users/online.json?count=true").await;
    assert_eq!(body, json!({"count": 2}));
    let (_, body) = hub.get(&ann, "/users/online?limit=1&offset=1").await;
    assert_eq!(body["users"][0]["login"], "bob");
}
