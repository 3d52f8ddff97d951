//! Files (wire reference E.4).

use std::path::PathBuf;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Hub, Person};

/// What `POST /blobs` gave.
struct Created {
    id: u64,
    uid: String,
    params: String,
    resume: String,
}

async fn create(hub: &Hub, person: &Person, name: &str, kind: &str, public: bool) -> Created {
    let body = json!({"blob": {"name": name, "content_type": kind, "public": public}});
    let (status, body) = hub.post(person, "/blobs.json", body).await;
    assert_eq!(status, 201, "{body}");
    let blob = &body["blob"];
    assert!(blob["size"].is_null());
    let access = &blob["blob_object_access"];
    assert_eq!(access["object_access_type"], "Write");
    Created {
        id: blob["id"].as_u64().unwrap(),
        uid: blob["uid"].as_str().unwrap().to_owned(),
        params: access["params"].as_str().unwrap().to_owned(),
        resume: access["resume_url"].as_str().unwrap().to_owned(),
    }
}

/// A form as the JS SDK makes it: the query's pairs in order, then the file.
fn form_of(created: &Created, part: Option<&[u8]>) -> (String, Vec<u8>) {
    let url = url::Url::parse(&created.params).unwrap();
    let mut body = String::new();
    for pair in url.query().unwrap().split('&') {
        let (name, value) = pair.split_once('=').unwrap();
        assert!(
            !value.contains(['@', '+', '/', ' ']),
            "{pair} is not escaped"
        );
        let text = url::form_urlencoded::parse(format!("k={value}").as_bytes())
            .next()
            .unwrap()
            .1
            .into_owned();
        body +=
            &format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    }
    let mut bytes = body.into_bytes();
    if let Some(part) = part {
        // As Node sends it: no file name.
        bytes.extend_from_slice(
            b"--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\
              Content-Type: application/octet-stream\r\n\r\n",
        );
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"--XX--\r\n");
    let address = created.params.split('?').next().unwrap();
    (address.to_owned(), bytes)
}

async fn send_form(created: &Created, body: &[u8]) -> Response {
    let (address, bytes) = form_of(created, Some(body));
    post_form(&address, bytes).await
}

async fn post_form(address: &str, bytes: Vec<u8>) -> Response {
    Client::new()
        .post(address)
        .header("content-type", "multipart/form-data; boundary=XX")
        .body(bytes)
        .send()
        .await
        .unwrap()
}

async fn complete(hub: &Hub, person: &Person, id: u64, body: Value) -> (u16, Value) {
    hub.put(person, &format!("/blobs/{id}/complete.json"), body)
        .await
}

async fn store(hub: &Hub, person: &Person, kind: &str, public: bool, body: &[u8]) -> Created {
    let created = create(hub, person, "a file.png", kind, public).await;
    assert_eq!(send_form(&created, body).await.status(), 201);
    let (status, answer) = complete(hub, person, created.id, json!({"size": body.len()})).await;
    assert_eq!(status, 200, "{answer}");
    created
}

async fn get(hub: &Hub, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    let client = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let url = match path.starts_with("http") {
        true => path.to_owned(),
        false => format!("{}{path}", hub.ready().api),
    };
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.bytes().await.unwrap().to_vec())
}

async fn error_of(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    (status, body["errors"]["base"][0].as_str().unwrap().into())
}

#[tokio::test]
async fn a_file_is_created_uploaded_completed_and_downloaded() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let created = create(&hub, &ann, "cat.png", "image/png", false).await;
    let answer = send_form(&created, b"meow").await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert!(answer.text().await.unwrap().contains("<PostResponse>"));
    let plain = format!("/blobs/{}", created.uid);
    let with_token = format!("{plain}?token={}", bob.token);
    assert_eq!(
        get(&hub, &with_token, &[]).await.0,
        404,
        "before completion"
    );
    let wrong = complete(&hub, &ann, created.id, json!({"size": 5})).await;
    assert_eq!((wrong.0, wrong.1["errors"]["size"].is_array()), (422, true));
    let body = json!({"blob": {"size": 4}});
    assert_eq!(complete(&hub, &ann, created.id, body.clone()).await.0, 200);
    assert_eq!(complete(&hub, &ann, created.id, body).await.0, 200, "again");
    let (status, headers, bytes) = get(&hub, &with_token, &[]).await;
    assert_eq!((status, bytes.as_slice()), (200, b"meow".as_slice()));
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(headers["content-length"], "4");
    assert!(headers.contains_key("last-modified"));
    assert_eq!(get(&hub, &plain, &[]).await.0, 401, "without a token");
    let (_, info) = hub.get(&bob, &format!("{plain}.json")).await;
    assert_eq!(
        (&info["blob"]["name"], &info["blob"]["size"]),
        (&json!("cat.png"), &json!(4))
    );
}

#[tokio::test]
async fn a_public_file_needs_no_token() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let file = store(&hub, &ann, "image/png", true, b"logo").await;
    let (status, _, bytes) = get(&hub, &format!("/blobs/{}", file.uid), &[]).await;
    assert_eq!((status, bytes.as_slice()), (200, b"logo".as_slice()));
}

#[tokio::test]
async fn a_part_of_a_file_is_served_and_an_unchanged_one_is_not() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let file = store(&hub, &ann, "video/mp4", true, b"0123456789").await;
    let path = format!("/blobs/{}", file.uid);
    let (status, headers, bytes) = get(&hub, &path, &[("range", "bytes=2-5")]).await;
    assert_eq!((status, bytes.as_slice()), (206, b"2345".as_slice()));
    assert_eq!(headers["content-range"], "bytes 2-5/10");
    let etag = headers["etag"].to_str().unwrap().to_owned();
    let (status, headers, _) = get(&hub, &path, &[("range", "bytes=10-")]).await;
    assert_eq!(
        (status, headers["content-range"].to_str().unwrap()),
        (416, "bytes */10")
    );
    assert_eq!(get(&hub, &path, &[("if-none-match", &etag)]).await.0, 304);
    let other = [("range", "bytes=2-5"), ("if-range", "\"other\"")];
    assert_eq!(get(&hub, &path, &other).await.2, b"0123456789");
    let same = [("range", "bytes=-1"), ("if-range", etag.as_str())];
    assert_eq!(get(&hub, &path, &same).await.2, b"9");
}

#[tokio::test]
async fn an_uploaded_page_cannot_act_in_the_hubs_name() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    for (kind, how) in [
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
        ("image/png", "inline"),
    ] {
        let file = store(&hub, &ann, kind, true, b"<script>alert(1)</script>").await;
        let (_, headers, _) = get(&hub, &format!("/blobs/{}", file.uid), &[]).await;
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert!(header("content-disposition").starts_with(how), "{kind}");
        assert!(header("content-security-policy").contains("sandbox"));
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_name_of_any_letters_goes_into_the_header_harmlessly() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let created = create(&hub, &ann, "Über \"x\".png", "image/png", true).await;
    send_form(&created, b"x").await;
    complete(&hub, &ann, created.id, json!({"size": 1})).await;
    let (_, headers, _) = get(&hub, &format!("/blobs/{}", created.uid), &[]).await;
    assert_eq!(
        headers["content-disposition"],
        "inline; filename=\"_ber _x_.png\"; filename*=UTF-8''%C3%9Cber%20%22x%22.png"
    );
}

#[tokio::test]
async fn a_download_is_redirected_to_a_link_that_ends() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let file = store(&hub, &ann, "image/png", false, b"secret").await;
    let path = format!("/blobs/{}/download", file.uid);
    let (status, headers, _) = get(&hub, &path, &[("CB-Token", &ann.token)]).await;
    assert_eq!(status, 301);
    let link = headers["location"].to_str().unwrap().to_owned();
    assert!(!link.contains(&ann.token), "{link}");
    assert_eq!(get(&hub, &link, &[]).await.2, b"secret");
    hub.clock.advance(3_601);
    assert_eq!(get(&hub, &link, &[]).await.0, 403);
}

#[tokio::test]
async fn the_objects_link_is_good_for_a_week_in_both_spellings() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let file = store(&hub, &ann, "image/png", false, b"secret").await;
    let path = format!("/blobs/{}/object.json?download_url=1", file.uid);
    let (_, body) = hub.get(&ann, &path).await;
    let access = &body["blob"]["blob_object_access"];
    assert_eq!(access["download_url"], access["dowload_url"]);
    let link = access["download_url"].as_str().unwrap();
    hub.clock.advance(604_799);
    assert_eq!(get(&hub, link, &[]).await.2, b"secret");
    let forged = link.replace("expires=1", "expires=2");
    assert_eq!(get(&hub, &forged, &[]).await.0, 403);
    hub.clock.advance(1);
    assert_eq!(get(&hub, link, &[]).await.0, 403);
}

#[tokio::test]
async fn only_the_owner_changes_renames_and_deletes() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let file = store(&hub, &ann, "image/png", false, b"x").await;
    let path = format!("/blobs/{}", file.id);
    assert_eq!(hub.delete(&bob, &path).await.0, 403);
    assert_eq!(
        hub.put(&bob, &path, json!({"blob": {"name": "b"}})).await.0,
        403
    );
    assert_eq!(
        hub.get(&bob, &format!("{path}.json")).await.0,
        404,
        "a guessed number"
    );
    // The JS SDK's update is a GET.
    let (status, body) = hub.get(&ann, &format!("{path}.json?blob[name]=new")).await;
    assert_eq!((status, &body["blob"]["name"]), (200, &json!("new")));
    let (status, body) = hub
        .put(&ann, &path, json!({"blob": {"name": "newer"}}))
        .await;
    assert_eq!((status, &body["blob"]["name"]), (200, &json!("newer")));
    assert_eq!(hub.delete(&ann, &path).await.0, 200);
    let plain = format!("/blobs/{}?token={}", file.uid, ann.token);
    assert_eq!(get(&hub, &plain, &[]).await.0, 404);
}

#[tokio::test]
async fn a_content_is_replaced_only_when_asked_for() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let file = store(&hub, &ann, "text/plain", true, b"old").await;
    assert_eq!(error_of(send_form(&file, b"sneaky").await).await.0, 403);
    let path = format!("/blobs/{}", file.id);
    let (_, body) = hub.put(&ann, &path, json!({"blob": {"new": "1"}})).await;
    let access = &body["blob"]["blob_object_access"];
    let again = Created {
        params: access["params"].as_str().unwrap().to_owned(),
        ..file
    };
    assert_eq!(send_form(&again, b"newer").await.status(), 201);
    let plain = format!("/blobs/{}", again.uid);
    assert_eq!(get(&hub, &plain, &[]).await.2, b"old", "until completion");
    assert_eq!(
        complete(&hub, &ann, again.id, json!({"size": 5})).await.0,
        200
    );
    assert_eq!(get(&hub, &plain, &[]).await.2, b"newer");
}

#[tokio::test]
async fn own_files_are_listed_in_pages() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    for name in ["one", "two", "three"] {
        create(&hub, &ann, name, "text/plain", false).await;
    }
    create(&hub, &bob, "other", "text/plain", false).await;
    let (_, body) = hub.get(&ann, "/blobs.json?page=2&per_page=2").await;
    assert_eq!(
        (
            &body["total_entries"],
            &body["current_page"],
            &body["per_page"]
        ),
        (&json!(3), &json!(2), &json!(2))
    );
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
    assert_eq!(body["items"][0]["blob"]["name"], "one");
}

#[tokio::test]
async fn a_name_or_type_that_cannot_be_is_refused_by_name() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    for (blob, field) in [
        (json!({"content_type": "a/b"}), "name"),
        (
            json!({"content_type": "a/b", "name": "x".repeat(101)}),
            "name",
        ),
        (json!({"name": "x"}), "content_type"),
        (
            json!({"name": "x", "content_type": "a/b\r\nX-Evil: 1"}),
            "content_type",
        ),
    ] {
        let (status, body) = hub.post(&ann, "/blobs", json!({"blob": blob})).await;
        assert_eq!(status, 422);
        assert!(body["errors"][field].is_array(), "{field}: {body}");
    }
}

#[tokio::test]
async fn a_form_without_its_signature_before_the_file_stores_nothing() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mine = create(&hub, &ann, "a", "a/b", false).await;
    let other = create(&hub, &ann, "b", "a/b", false).await;
    let (address, good) = form_of(&mine, Some(b"data"));
    let text = String::from_utf8(good.clone()).unwrap();
    let file = text
        .find("--XX\r\nContent-Disposition: form-data; name=\"file\"")
        .unwrap();
    let swapped = format!("{}{}--XX--\r\n", &text[file..text.len() - 8], &text[..file]);
    assert_eq!(
        post_form(&address, swapped.into_bytes()).await.status(),
        403
    );
    let forged = text.replace(&mine.uid, &other.uid);
    assert_eq!(post_form(&address, forged.into_bytes()).await.status(), 403);
    let elsewhere = other.params.split('?').next().unwrap();
    assert_eq!(post_form(elsewhere, good.clone()).await.status(), 403);
    let (_, empty) = form_of(&mine, None);
    assert_eq!(post_form(&address, empty).await.status(), 400);
    hub.clock.advance(3_600);
    assert_eq!(post_form(&address, good).await.status(), 403);
}

#[tokio::test]
async fn a_cut_form_stores_nothing_and_can_be_sent_again() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let created = create(&hub, &ann, "a", "a/b", true).await;
    let (address, bytes) = form_of(&created, Some(b"whole"));
    let short = bytes[..bytes.len() - 12].to_vec();
    assert_eq!(post_form(&address, short).await.status(), 400);
    assert_eq!(
        complete(&hub, &ann, created.id, json!({"size": 3})).await.0,
        422
    );
    assert_eq!(post_form(&address, bytes).await.status(), 201);
    assert_eq!(
        complete(&hub, &ann, created.id, json!({"size": 5})).await.0,
        200
    );
    assert_eq!(
        get(&hub, &format!("/blobs/{}", created.uid), &[]).await.2,
        b"whole"
    );
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_cut() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let created = create(&hub, &ann, "a", "a/b", true).await;
    let client = Client::new();
    let patch = |offset: u64, body: &'static str| {
        let request = client.patch(&created.resume);
        request.header("upload-offset", offset).body(body).send()
    };
    let offset = |response: &Response| {
        response.headers()["upload-offset"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let first = patch(0, "hello ").await.unwrap();
    assert_eq!(
        (first.status().as_u16(), offset(&first).as_str()),
        (204, "6")
    );
    let wrong = patch(3, "world").await.unwrap();
    assert_eq!(
        (wrong.status().as_u16(), offset(&wrong).as_str()),
        (409, "6")
    );
    let asked = client.head(&created.resume).send().await.unwrap();
    assert_eq!(offset(&asked), "6");
    assert_eq!(patch(6, "world").await.unwrap().status(), 204);
    assert_eq!(
        complete(&hub, &ann, created.id, json!({"size": 11}))
            .await
            .0,
        200
    );
    assert_eq!(
        get(&hub, &format!("/blobs/{}", created.uid), &[]).await.2,
        b"hello world"
    );
    let asked = client.head(&created.resume).send().await.unwrap();
    assert_eq!(offset(&asked), "11", "after completion");
    assert_eq!(patch(11, "more").await.unwrap().status(), 403);
    let forged = client.head(created.resume.replace("signature=", "signature=0"));
    assert_eq!(forged.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn no_file_and_no_user_outgrow_their_share() {
    let hub = Hub::start_with(|config| {
        config.files.file_bytes = 10;
        config.files.user_bytes = 15;
        config.files.total_bytes = 20;
        config.files.open_uploads = 2;
    })
    .await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let big = create(&hub, &ann, "a", "a/b", false).await;
    assert_eq!(send_form(&big, &[1; 11]).await.status(), 413);
    store(&hub, &ann, "a/b", false, &[1; 10]).await;
    assert_eq!(error_of(send_form(&big, &[2; 6]).await).await.0, 422);
    store(&hub, &bob, "a/b", false, &[1; 10]).await;
    assert_eq!(error_of(send_form(&big, &[2; 5]).await).await.0, 507);
    create(&hub, &ann, "c", "a/b", false).await;
    let body = json!({"blob": {"name": "d", "content_type": "a/b"}});
    assert_eq!(
        hub.post(&ann, "/blobs", body).await.0,
        422,
        "a third upload"
    );
}

#[tokio::test]
async fn a_full_disk_is_told_leaves_nothing_behind_and_the_hub_alive() {
    let mut folder = PathBuf::new();
    let hub = Hub::start_with(|config| folder = config.data_dir.clone()).await;
    let ann = hub.person("ann").await;
    let created = create(&hub, &ann, "a", "a/b", true).await;
    let part = folder.join("files/uploads").join(&created.uid);
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let (status, text) = error_of(send_form(&created, &[1; 50_000]).await).await;
    assert_eq!(
        (status.as_u16(), text.contains("space")),
        (507, true),
        "{text}"
    );
    assert!(!part.is_symlink() && !part.exists());
    assert_eq!(send_form(&created, &[1; 50_000]).await.status(), 201);
    assert_eq!(
        complete(&hub, &ann, created.id, json!({"size": 50_000}))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn a_reserve_the_disk_does_not_have_refuses_uploads() {
    let hub = Hub::start_with(|config| config.files.reserve_bytes = u64::MAX).await;
    let ann = hub.person("ann").await;
    let created = create(&hub, &ann, "a", "a/b", true).await;
    assert_eq!(error_of(send_form(&created, b"x").await).await.0, 507);
    assert_eq!(hub.get(&ann, "/session").await.0, 200);
}

#[tokio::test]
async fn links_go_to_the_host_the_client_asked_or_to_the_configured_one() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    for (host, expected) in [
        ("hub.example:8443", "http://hub.example:8443/uploads/"),
        ("evil@host", "http://127.0.0.1/uploads/"),
    ] {
        let headers = [("CB-Token", ann.token.as_str()), ("Host", host)];
        let body = Some(json!({"blob": {"name": "a", "content_type": "a/b"}}));
        let (_, body) = hub.call(Method::POST, "/blobs", &headers, body).await;
        let params = body["blob"]["blob_object_access"]["params"]
            .as_str()
            .unwrap();
        assert!(params.starts_with(expected), "{params}");
        assert!(!params.contains('@'), "{params}");
    }
    let hub = Hub::start_with(|config| {
        config.files.public_url = Some("https://files.example/api/".into());
    })
    .await;
    let ann = hub.person("ann").await;
    let created = create(&hub, &ann, "a", "a/b", false).await;
    assert!(
        created
            .params
            .starts_with("https://files.example/api/uploads/")
    );
}

#[tokio::test]
async fn files_are_there_after_a_restart_and_their_links_too() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_owned();
    let set = |config: &mut cubelet::config::hub::HubConfig| {
        config.data_dir = place.clone();
        config.is_scratch = false;
    };
    let hub = Hub::start_with(set).await;
    let ann = hub.person("ann").await;
    let file = store(&hub, &ann, "a/b", true, b"kept").await;
    let path = format!("/blobs/{}/object?download_url=1", file.uid);
    let (_, body) = hub.get(&ann, &path).await;
    let link = body["blob"]["blob_object_access"]["download_url"]
        .as_str()
        .unwrap();
    let link = link.strip_prefix(&hub.ready().api).unwrap().to_owned();
    hub.running.stop().await;
    let hub = Hub::start_with(set).await;
    assert_eq!(
        get(&hub, &format!("/blobs/{}", file.uid), &[]).await.2,
        b"kept"
    );
    assert_eq!(get(&hub, &link, &[]).await.2, b"kept");
}

#[tokio::test]
async fn the_files_of_a_deleted_user_are_gone() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let file = store(&hub, &ann, "a/b", true, b"x").await;
    assert_eq!(hub.delete(&ann, &format!("/users/{}", ann.id)).await.0, 200);
    let bob = hub.person("bob").await;
    let path = format!("/blobs/{}?token={}", file.uid, bob.token);
    assert_eq!(get(&hub, &path, &[]).await.0, 404);
}
